//! A job gets another queue and keeps its place in the table, and so its id.

use super::change::Change;
use super::row::JobRow;
use super::{dedup, enqueue, gate, inbox, rules, side};
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

/// Moves a job that does not run to the end of the line of another band; false where its dedup key is taken there.
pub fn relocate(change: &mut Change, job: &JobRow, band: i64) -> Result<bool> {
    let (from, to) = (id::queue_of(job.band()), id::queue_of(band));
    if job.band() == band {
        return Ok(true);
    }
    if from != to
        && let Some(key) = &job.dedup
    {
        let queue = change.rules.name(to);
        inbox::fold_key(change, &queue, key)?;
        if dedup::taken(change, to, key)? || !dedup::take_along(change, (from, to), key, job.id)? {
            return Ok(false);
        }
    }
    // Behind the last place that was given. The next job has the same: of those two the one with the lower id is first.
    let end = change.heads.tail(band)?.saturating_add(1).min(id::ceiling(band));
    change.conn.prepare_cached("UPDATE pyqueue_job SET home=?2 WHERE id=?1")?.execute([job.id.0, band])?;
    if from != to
        && let Some(gate) = side::read(change.conn, job.id)?.filter(|side| side.place == side::GATE)
        && gate::by_queue(change.conn, gate.k)?
    {
        // Whether that is about it in the new queue too, the next claim finds out.
        side::take(change, job.id)?;
        side::put_again(change, job.id, end)?;
        return Ok(true);
    }
    if side::relocate(change, job.id, end)? {
        return Ok(true);
    }
    // It is ready by being where it is: from here on its row in the other table speaks for it.
    if job.id.0 > change.heads.pos(job.id.band())? {
        change.conn.prepare_cached("UPDATE pyqueue_job SET mark=1 WHERE id=?1")?.execute([job.id.0])?;
        change.heads.get(job.id.band())?.spoken += 1;
    }
    side::put_again(change, job.id, end)?;
    Ok(true)
}
