//! Retry budgets: how many retries of a task may begin in a length of time, counted over all processes, since the
//! count is a row of the file. One that finds no place waits for the next, and its own delay begins then.
//!
//! The generic cell rate algorithm (ITU-T I.371): `most` at once, then one each `period / most`. So in any length of
//! time no more than `most + time / period * most` begin.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use crate::error::Result;
use crate::job::Budget;
use crate::mutants::{self, Mutant};

/// A clock that was set back must not keep retries for longer (µs).
const LONGEST: i64 = 30 * 86_400_000_000;

/// Takes the next place for a retry of a task; how long (µs) it is until then.
pub fn take(change: &Change, task: &str, budget: Budget) -> Result<i64> {
    if mutants::on(Mutant::BudgetUncounted) {
        return Ok(0);
    }
    let most = i64::from(budget.most.max(1));
    let between = budget.period_us.max(1).saturating_add(most - 1) / most;
    let ahead = between.saturating_mul(most - 1);
    let last = change.now.saturating_add(LONGEST);
    let turn = turn(change.conn, task)?.unwrap_or(i64::MIN).min(last);
    // Places that nobody took are kept up to `most`.
    let next = turn.max(change.now.saturating_sub(ahead)).saturating_add(between);
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_budget(task, turn) VALUES(?1, ?2) ON CONFLICT(task) DO UPDATE SET turn=?2",
        )?
        .execute(params![task, next])?;
    Ok(turn.saturating_sub(change.now).max(0))
}

/// When the next retry of a task may begin to wait, if one ever did under a budget.
pub fn turn(conn: &Connection, task: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT turn FROM pyqueue_budget WHERE task=?")?
        .query_row([task], |row| row.get(0))
        .optional()?)
}
