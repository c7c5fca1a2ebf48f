//! Cancel one job, or every job of a queue that is in line.

use super::change::Change;
use super::leave::{self, Exit};
use super::row::{JobRow, columns};
use super::{inbox, lease, view};
use crate::error::Result;
use crate::id;
use rusqlite::params;

/// Cancels a job that is not running; false when it is too late or unknown.
pub fn cancel(change: &mut Change, text: &str) -> Result<bool> {
    inbox::fold_id(change, text)?;
    let Some(named) = view::resolve(change.conn, change.file, text)? else { return Ok(false) };
    let Some(job) = view::live(change.conn, named)? else { return Ok(false) };
    if lease::covering(change.conn, job.id)?.is_some() {
        return Ok(false);
    }
    leave::leave(change, &job, Exit::Cancelled)?;
    Ok(true)
}

/// Cancels up to `limit` jobs of a queue that are in line, delayed or parked; how many.
pub fn purge(change: &mut Change, queue: &str, limit: usize) -> Result<usize> {
    let Some(num) = change.rules.number(queue) else { return Ok(0) };
    let (low, high) = id::places(num);
    let mut done = 0;
    let aside: Vec<JobRow> = change
        .conn
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM pyqueue_side s CROSS JOIN pyqueue_job j ON j.id=s.id WHERE s.at>=?1 AND s.at<=?2 LIMIT ?3"
        ))?
        .query_map(params![low, high, limit], JobRow::from)?
        .collect::<rusqlite::Result<_>>()?;
    for job in aside {
        leave::leave(change, &job, Exit::Cancelled)?;
        done += 1;
    }
    for job in super::claim::pass(change, low, high, limit - done)? {
        leave::leave(change, &job, Exit::Cancelled)?;
        done += 1;
    }
    Ok(done)
}
