//! Upkeep: small steps that keep the file in order, made by any worker when it has time.

use rusqlite::params;

use super::change::Change;
use super::leave::{self, Exit};
use super::row::{JobRow, columns};
use super::{dedup, event, half, history, reap, workflow};
use crate::error::Result;

/// How many rows one step looks at.
const LIMIT: usize = 500;

/// What a step of upkeep found.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// There is more to do at once.
    pub more: bool,
    /// How many jobs came back because a deadline of their own had passed.
    pub taken_back: usize,
    /// Half messages of which every question was left without an answer: public ids.
    pub given_up: Vec<String>,
    /// The boot time (µs) at which the next lease or job runs out, as far as the file knows now.
    pub next_boot_us: Option<i64>,
}

/// One step.
pub fn upkeep(change: &mut Change) -> Result<Upkeep> {
    let overdue = reap::overdue(change, LIMIT)?;
    let mut more = overdue.more;
    more |= expire(change)?;
    let asked = half::ask(change, LIMIT)?;
    more |= asked.more;
    dedup::sweep(change, LIMIT)?;
    more |= history::prune_successes(change, LIMIT as i64)?;
    more |= history::prune_failures(change, LIMIT as i64)?;
    more |= history::prune_timed(change, LIMIT as i64)?;
    more |= event::prune_old(change, LIMIT as i64)?;
    more |= workflow::prune(change, LIMIT)?;
    let lease: Option<i64> = change
        .conn
        .prepare_cached("SELECT min(deadline) FROM pyqueue_lease")?
        .query_row([], |row| row.get(0))?;
    // Those under a lease have been started: only what is still ahead counts.
    let expires: Option<i64> = change
        .conn
        .prepare_cached("SELECT min(expires) FROM pyqueue_job WHERE expires>?")?
        .query_row([change.now], |row| row.get(0))?;
    let walls = expires.into_iter().chain(half::next_due(change)?);
    let due = walls.map(|at| at.saturating_sub(change.now).saturating_add(change.boot)).min();
    Ok(Upkeep {
        more,
        taken_back: overdue.lost.len(),
        given_up: asked.given_up,
        next_boot_us: lease.into_iter().chain(due).min(),
    })
}

/// Lets go of jobs that were not started in time. Those under a lease were. True if there may be more.
fn expire(change: &mut Change) -> Result<bool> {
    let late: Vec<JobRow> = change
        .conn
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM pyqueue_job j WHERE j.expires<=?1 \
             AND ifnull((SELECT last FROM pyqueue_lease WHERE first<=j.id ORDER BY first DESC LIMIT 1), 0)<j.id LIMIT ?2"
        ))?
        .query_map(params![change.now, LIMIT], JobRow::from)?
        .collect::<rusqlite::Result<_>>()?;
    for job in &late {
        leave::leave(change, job, Exit::Expired)?;
    }
    Ok(late.len() == LIMIT)
}
