//! Stats: how long jobs waited and ran, by task, from the history. Exact, in one pass over rows whose number is bounded.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::{Store, history};
use crate::error::Result;

/// A task's share.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskStats {
    /// Its name.
    pub task: String,
    /// Attempts of workers that ended. What left the line without one is among the outcomes alone.
    pub runs: u64,
    /// By outcome: success, failure, retry, cancelled, expired, lost, replaced.
    pub outcomes: [u64; 7],
    /// How long jobs waited from their call to their first start.
    pub waited: Spread,
    /// How long attempts ran.
    pub ran: Spread,
}

/// A distribution: so many values, three of their quantiles (µs), and the largest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many are known.
    pub count: u64,
    /// Half of them are at most this.
    pub p50: i64,
    /// 95 of 100.
    pub p95: i64,
    /// 99 of 100.
    pub p99: i64,
    /// All.
    pub most: i64,
}

/// What the history says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// By task, the one that ran longest in all first.
    pub tasks: Vec<TaskStats>,
    /// Attempts that were looked at.
    pub rows: u64,
    /// There are more of that time; these were not looked at.
    pub cut: bool,
    /// When the first of them ended (wall time, µs).
    pub first_us: Option<i64>,
}

#[derive(Default)]
struct Task {
    runs: u64,
    outcomes: [u64; 7],
    waited: Vec<i64>,
    ran: Vec<i64>,
}

/// The smallest value that so many of 100 do not exceed.
fn spread(mut values: Vec<i64>) -> Spread {
    values.sort_unstable();
    let of = |percent: usize| {
        let rank = (values.len() * percent).div_ceil(100);
        values.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    };
    Spread { count: values.len() as u64, p50: of(50), p95: of(95), p99: of(99), most: of(100) }
}

/// So many older rows in a row end a look: a clock that was wrong for a moment does not.
const OLDER: usize = 1000;

/// The newest rows first, until they ended before `since`: the history is in the order of ends.
fn stats(conn: &Connection, pattern: Option<&str>, since: i64, limit: usize) -> Result<Stats> {
    let mut tasks: HashMap<String, Task> = HashMap::new();
    let mut stats = Stats::default();
    let mut statement = conn.prepare_cached(
        "SELECT task, outcome, attempt, job>>43, enqueued, started, finished, ?1 IS NULL OR task GLOB ?1, token IS NOT NULL \
         FROM pyqueue_history ORDER BY seq DESC LIMIT ?2",
    )?;
    let mut rows = statement.query(params![pattern, limit.saturating_add(1 + OLDER)])?;
    let mut older = 0;
    while let Some(row) = rows.next()? {
        let finished: i64 = row.get(6)?;
        if finished < since {
            older += 1;
            if older > OLDER {
                break;
            }
            continue;
        }
        older = 0;
        if stats.rows == limit as u64 {
            stats.cut = true;
            break;
        }
        stats.rows += 1;
        stats.first_us = Some(finished);
        if !row.get::<_, bool>(7)? {
            continue;
        }
        let name = row.get_ref(0)?.as_str().unwrap_or_default();
        if !tasks.contains_key(name) {
            tasks.insert(name.to_owned(), Task::default());
        }
        let Some(task) = tasks.get_mut(name) else { continue };
        let outcome: i64 = row.get(1)?;
        if let Some(count) = usize::try_from(outcome).ok().and_then(|code| task.outcomes.get_mut(code)) {
            *count += 1;
        }
        task.runs += u64::from(row.get::<_, bool>(8)?);
        let Some(started) = row.get::<_, Option<i64>>(5)? else { continue };
        task.ran.push(finished.saturating_sub(started).max(0));
        // A job on the shelf waited for its time, or for others. When that was over is not known.
        if row.get::<_, i64>(2)? == 1 && row.get::<_, i64>(3)? > 0 {
            task.waited.push(started.saturating_sub(row.get(4)?).max(0));
        }
    }
    let mut found: Vec<(i64, TaskStats)> = tasks
        .into_iter()
        .map(|(task, Task { runs, outcomes, waited, ran })| {
            (
                ran.iter().fold(0, |all: i64, one| all.saturating_add(*one)),
                TaskStats { task, runs, outcomes, waited: spread(waited), ran: spread(ran) },
            )
        })
        .collect();
    found.sort_by(|(a, left), (b, right)| b.cmp(a).then_with(|| left.task.cmp(&right.task)));
    stats.tasks = found.into_iter().map(|(_, task)| task).collect();
    Ok(stats)
}

impl Store {
    /// Attempts that ended since an instant (wall time, µs), the newest `limit` of them, by task; `pattern` of SQLite's
    /// GLOB.
    pub fn stats(&self, pattern: Option<&str>, since_us: i64, limit: usize) -> Result<Stats> {
        self.read(|conn, _| stats(conn, pattern, since_us, limit))
    }
}

/// The names of `TaskStats::outcomes`.
pub fn outcomes() -> [&'static str; 7] {
    [0, 1, 2, 3, 4, 5, 6].map(history::outcome_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let of = |values: &[i64]| {
            let Spread { count, p50, p95, p99, most } = spread(values.to_vec());
            (count, p50, p95, p99, most)
        };
        assert_eq!(of(&[]), (0, 0, 0, 0, 0));
        assert_eq!(of(&[7]), (1, 7, 7, 7, 7));
        assert_eq!(of(&[2, 1]), (2, 1, 2, 2, 2));
        assert_eq!(of(&(1..=100).rev().collect::<Vec<_>>()), (100, 50, 95, 99, 100));
        assert_eq!(of(&(1..=1000).collect::<Vec<_>>()), (1000, 500, 950, 990, 1000));
    }
}
