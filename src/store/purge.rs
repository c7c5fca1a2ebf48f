//! Cancel one job, or every job of a queue that is in line.

use super::change::Change;
use super::leave::{self, Exit};
use super::row::{JobRow, columns};
use super::{STEP, Store, inbox, lease, view};
use crate::error::Result;
use crate::id;
use rusqlite::params;

impl Store {
    /// Cancels a job that is not running; false when it is too late or unknown.
    pub fn cancel(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.keep(self.options.durability, move |change| cancel(change, &id))
    }

    /// Cancels every job of a queue that is in line, delayed or parked; how many.
    pub fn purge(&self, queue: &str) -> Result<usize> {
        let (mut all, mut after) = (0, 0);
        loop {
            let name = queue.to_owned();
            let step = self.keep(self.options.durability, move |change| purge(change, &name, after, STEP))?;
            all += step.done;
            after = step.after;
            if !step.more {
                return Ok(all);
            }
        }
    }
}

/// Cancels a job that is not running; false when it is too late or unknown.
fn cancel(change: &mut Change, text: &str) -> Result<bool> {
    inbox::fold_id(change, text)?;
    let Some(named) = view::resolve(change.conn, change.file, text)? else { return Ok(false) };
    let Some(job) = view::live(change.conn, named)? else { return Ok(false) };
    if lease::covering(change.conn, job.id)?.is_some() {
        return Ok(false);
    }
    leave::leave(change, &job, Exit::Cancelled)?;
    Ok(true)
}

#[derive(Default)]
struct Step {
    done: usize,
    /// How far the rows beside the line have been looked at.
    after: i64,
    more: bool,
}

/// Cancels up to `limit` jobs of a queue that are in line, delayed or parked.
fn purge(change: &mut Change, queue: &str, after: i64, limit: usize) -> Result<Step> {
    let Some(num) = change.rules.number(queue) else { return Ok(Step::default()) };
    let (low, high) = id::places(num);
    // No index leads to those of a queue: each step goes on where the one before it stopped.
    let aside: Vec<JobRow> = change
        .conn
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM pyqueue_side s CROSS JOIN pyqueue_job j ON j.id=s.id \
             WHERE s.id>?4 AND s.at>=?1 AND s.at<=?2 ORDER BY s.id LIMIT ?3"
        ))?
        .query_map(params![low, high, limit, after], JobRow::from)?
        .collect::<rusqlite::Result<_>>()?;
    let full = aside.len() == limit;
    let after = aside.last().filter(|_| full).map_or(i64::MAX, |job| job.id.0);
    let (ready, more) = super::claim::pass(change, low, high, limit - aside.len())?;
    let done = aside.len() + ready.len();
    for job in aside.into_iter().chain(ready) {
        leave::leave(change, &job, Exit::Cancelled)?;
    }
    Ok(Step { done, after, more: full || more })
}
