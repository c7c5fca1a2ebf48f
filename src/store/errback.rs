//! Errbacks: jobs that a job brings along for its end in failure. Whoever writes such an end may say himself what
//! follows; where nobody can (the process is gone, the message can't be read) the stored ones follow.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::enqueue;
use super::row::JobRow;
use crate::codec::{Cursor, Put};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::{Errback, NewJob};
use crate::nouns;

/// The first byte of a list as it is stored.
const VERSION: u8 = 1;

/// Keeps what a new job brings along.
pub fn insert(conn: &Connection, id: RowId, errbacks: &[Errback]) -> Result<()> {
    let list = written(errbacks);
    conn.prepare_cached("INSERT INTO pyqueue_errback(id, jobs) VALUES(?1, ?2)")?
        .execute(params![id.0, list])?;
    Ok(())
}

/// A list as it is stored.
pub fn written(errbacks: &[Errback]) -> Vec<u8> {
    let mut list = Vec::new();
    list.u8(VERSION);
    nouns::errbacks(&mut list, errbacks);
    list
}

/// Takes up the errbacks of a job that ends in failure. They are stored by `settle`: before, they could find jobs
/// of the same change that are under no lease any more and not yet back in line, and end them by their dedup keys.
pub fn release(change: &mut Change, job: &JobRow) -> Result<()> {
    if !job.errbacks {
        return Ok(());
    }
    let list: Option<Vec<u8>> = change
        .conn
        .prepare_cached("DELETE FROM pyqueue_errback WHERE id=? RETURNING jobs")?
        .query_row([job.id.0], |row| row.get(0))
        .optional()?;
    // A list that can't be read must not keep its job from ending.
    change.follows.extend(list.and_then(|list| read(&list).ok()).unwrap_or_default());
    Ok(())
}

/// Stores the errbacks that were taken up, once every job of the change has its new place.
pub fn settle(change: &mut Change) -> Result<()> {
    for errback in std::mem::take(&mut change.follows) {
        let run_at_us = errback.delay_us.map(|delay| change.now.saturating_add(delay));
        follow(change, NewJob { run_at_us: run_at_us.or(errback.job.run_at_us), ..errback.job })?;
    }
    Ok(())
}

/// What `written` wrote.
pub fn read(list: &[u8]) -> Result<Vec<Errback>> {
    let mut from = Cursor::new(list);
    match from.u8()? {
        VERSION => nouns::read_errbacks(&mut from),
        other => Err(Error::Wire(format!("unknown version {other} of errbacks"))),
    }
}

/// A single job as it is stored.
pub fn one(job: NewJob) -> Vec<u8> {
    written(&[Errback { delay_us: None, job }])
}

/// What `one` wrote.
pub fn read_one(list: &[u8]) -> Option<NewJob> {
    read(list).ok()?.pop().map(|errback| errback.job)
}

/// Stores a job that follows from the end of another. One that is refused is dropped: the end stands.
pub fn follow(change: &mut Change, job: NewJob) -> Result<()> {
    match enqueue::enqueue(change, job) {
        Ok(_) | Err(Error::Duplicate { .. } | Error::Invalid(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Drops those of a range of jobs that have ended otherwise.
pub fn drop_range(conn: &Connection, first: RowId, last: RowId) -> Result<()> {
    conn.prepare_cached("DELETE FROM pyqueue_errback WHERE id BETWEEN ?1 AND ?2")?
        .execute([first.0, last.0])?;
    Ok(())
}
