//! A job gets another queue and keeps its place in the table, and so its id.

use super::change::Change;
use super::row::JobRow;
use super::{dedup, enqueue, rules};
use crate::error::{Error, Result};
use crate::id;

/// The job's place in the order from here on: the front of its priority in the new queue. It stays in its old one where
/// its dedup key is taken in the new one, or no queue can have that name: the end of an attempt is never refused.
pub fn shift(change: &mut Change, job: &JobRow, queue: &str) -> Result<i64> {
    let number = match enqueue::name("queue's name", queue).and_then(|()| rules::queue(change, queue)) {
        Ok(number) => number,
        Err(Error::Invalid(_)) => return Ok(job.at()),
        Err(error) => return Err(error),
    };
    let before = id::queue_of(job.band());
    if number == before {
        return Ok(job.at());
    }
    if let Some(key) = &job.dedup
        && !dedup::take_along(change, (before, number), key, job.id)?
    {
        return Ok(job.at());
    }
    let band = id::band(number, id::priority_of(job.band()));
    change.conn.prepare_cached("UPDATE pyqueue_job SET home=?2 WHERE id=?1")?.execute([job.id.0, band])?;
    Ok(id::floor(band))
}
