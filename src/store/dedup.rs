//! Dedup keys: at most one unfinished job per queue and key. The primary key decides every race; its row lives as
//! long as the job, or until the end of its window if that is later.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::leave::{self, Exit};
use super::{inbox, lease, row};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::{Dedup, NewJob};
use crate::mutants::{self, Mutant};

/// The job that has a key.
pub struct Holder {
    pub row: RowId,
    /// Its public id.
    pub id: String,
}

/// Looks who has a new job's key, and makes room for it if it asked for that. `None`: the key is free.
pub fn settle(change: &mut Change, queue: i64, job: &NewJob) -> Result<Option<Holder>> {
    let Some(key) = &job.dedup_key else { return Ok(None) };
    if mutants::on(Mutant::KeyUnheld) {
        forget(change.conn, queue, key)?;
        return Ok(None);
    }
    inbox::fold_key(change, &job.queue, key)?;
    let Some(holder) = find(change, queue, key)? else { return Ok(None) };
    match job.dedup {
        Dedup::Return => Ok(Some(holder)),
        Dedup::Refuse => Err(Error::Duplicate { id: holder.id }),
        Dedup::Replace => {
            if let Some(waiting) = row::read(change.conn, holder.row)? {
                if lease::covering(change.conn, holder.row)?.is_some() {
                    return Ok(Some(holder));
                }
                leave::leave(change, &waiting, Exit::Cancelled)?;
            }
            forget(change.conn, queue, key)?;
            Ok(None)
        }
    }
}

/// The job that has a key. One that has expired without being started is let go here.
fn find(change: &mut Change, queue: i64, key: &str) -> Result<Option<Holder>> {
    let found: Option<(i64, Option<i64>)> = change
        .conn
        .prepare_cached("SELECT id, until FROM pyqueue_dedup WHERE queue=?1 AND key=?2")?
        .query_row(params![queue, key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, until)) = found.map(|(id, until)| (RowId(id), until)) else { return Ok(None) };
    if let Some(job) = row::read(change.conn, id)? {
        let late = job.expires.is_some_and(|at| at <= change.now);
        if !late || lease::covering(change.conn, id)?.is_some() {
            return Ok(Some(Holder { row: id, id: change.public(id, job.nonce, job.alias) }));
        }
        leave::leave(change, &job, Exit::Expired)?;
    }
    if until.is_some_and(|until| until > change.now)
        && let Some(id) = ended(change, id)?
    {
        return Ok(Some(id));
    }
    forget(change.conn, queue, key)?;
    Ok(None)
}

/// A job that has ended but whose key is still taken. One that was forgotten has no name left to answer with.
fn ended(change: &Change, row: RowId) -> Result<Option<Holder>> {
    let found: Option<(i64, Option<String>)> = change
        .conn
        .prepare_cached(
            "SELECT nonce, alias FROM pyqueue_history WHERE job=? AND nonce>=0 ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([row.0], |found| Ok((found.get(0)?, found.get(1)?)))
        .optional()?;
    Ok(found.map(|(nonce, alias)| Holder { row, id: change.public(row, nonce, alias) }))
}

/// Gives free a key whose window holds it beyond the end of its job.
pub fn end_window(change: &Change, queue: i64, key: &str) -> Result<()> {
    change
        .conn
        .prepare_cached(
            "DELETE FROM pyqueue_dedup AS d WHERE d.queue=?1 AND d.key=?2 \
             AND NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=d.id AND j.dedup=d.key)",
        )?
        .execute(params![queue, key])?;
    Ok(())
}

/// Takes a key for a row.
pub fn insert(conn: &Connection, queue: i64, key: &str, row: RowId, until: Option<i64>) -> Result<()> {
    conn.prepare_cached("INSERT INTO pyqueue_dedup(queue, key, id, until) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![queue, key, row.0, until])?;
    Ok(())
}

/// Whether a key is taken. A job that has expired without being started is let go here, so not while an attempt ends: one of
/// the same change may be under no lease any more and not yet back in line.
pub fn taken(change: &mut Change, queue: i64, key: &str) -> Result<bool> {
    Ok(find(change, queue, key)?.is_some())
}

/// Takes a job's key along to another queue; false where it is taken there.
pub fn take_along(change: &Change, (from, to): (i64, i64), key: &str, row: RowId) -> Result<bool> {
    let moved = change
        .conn
        .prepare_cached("UPDATE OR IGNORE pyqueue_dedup SET queue=?2 WHERE queue=?1 AND key=?3 AND id=?4")?
        .execute(params![from, to, key, row.0])?;
    Ok(moved == 1)
}

/// Gives a job's key free, unless its window still holds it.
pub fn release(change: &Change, queue: i64, key: &str, row: RowId) -> Result<()> {
    if mutants::on(Mutant::KeyLeaked) {
        return Ok(());
    }
    change
        .conn
        .prepare_cached(
            "DELETE FROM pyqueue_dedup WHERE queue=?1 AND key=?2 AND id=?3 AND (until IS NULL OR until<=?4)",
        )?
        .execute(params![queue, key, row.0, change.now])?;
    Ok(())
}

/// Gives free the keys of all jobs in a range of rows, as `release` does.
pub fn release_range(change: &Change, first: RowId, last: RowId) -> Result<()> {
    if mutants::on(Mutant::KeyLeaked) {
        return Ok(());
    }
    change
        .conn
        .prepare_cached(
            "DELETE FROM pyqueue_dedup WHERE (until IS NULL OR until<=?3) AND (queue, key, id) IN \
             (SELECT ifnull(home, id>>43)>>8, dedup, id FROM pyqueue_job WHERE id BETWEEN ?1 AND ?2 AND dedup IS NOT NULL)",
        )?
        .execute([first.0, last.0, change.now])?;
    Ok(())
}

fn forget(conn: &Connection, queue: i64, key: &str) -> Result<()> {
    conn.prepare_cached("DELETE FROM pyqueue_dedup WHERE queue=?1 AND key=?2")?
        .execute(params![queue, key])?;
    Ok(())
}

/// Gives free up to `limit` keys whose window is over and whose job has ended.
pub fn sweep(change: &Change, limit: usize) -> Result<()> {
    change
        .conn
        .prepare_cached(
            "DELETE FROM pyqueue_dedup WHERE (queue, key) IN (SELECT queue, key FROM pyqueue_dedup d WHERE until<=?1 \
             AND NOT EXISTS(SELECT 1 FROM pyqueue_job j WHERE j.id=d.id AND j.dedup=d.key) LIMIT ?2)",
        )?
        .execute(params![change.now, limit])?;
    Ok(())
}
