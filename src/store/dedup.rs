//! Dedup keys: at most one unfinished job per queue and key. The primary key decides every race; its row lives
//! exactly as long as the job.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::leave::{self, Exit};
use super::{lease, row};
use crate::error::Result;
use crate::id::RowId;

/// The unfinished job that holds a key. One that has expired without being started is let go here.
pub fn find(change: &mut Change, queue: i64, key: &str) -> Result<Option<(RowId, String)>> {
    let found: Option<i64> = change
        .conn
        .prepare_cached("SELECT id FROM pyqueue_dedup WHERE queue=?1 AND key=?2")?
        .query_row(params![queue, key], |row| row.get(0))
        .optional()?;
    let Some(id) = found.map(RowId) else { return Ok(None) };
    let Some(job) = row::read(change.conn, id)? else { return Ok(None) };
    if job.expires.is_some_and(|at| at <= change.now) && lease::covering(change.conn, id)?.is_none() {
        leave::leave(change, &job, Exit::Expired)?;
        return Ok(None);
    }
    Ok(Some((id, change.public(id, job.nonce, job.alias))))
}

/// Takes a key for a row.
pub fn insert(conn: &Connection, queue: i64, key: &str, row: RowId) -> Result<()> {
    conn.prepare_cached("INSERT INTO pyqueue_dedup(queue, key, id) VALUES(?1, ?2, ?3)")?
        .execute(params![queue, key, row.0])?;
    Ok(())
}

/// Gives a key free, if it is this row's.
pub fn delete(conn: &Connection, queue: i64, key: &str, row: RowId) -> Result<()> {
    conn.prepare_cached("DELETE FROM pyqueue_dedup WHERE queue=?1 AND key=?2 AND id=?3")?
        .execute(params![queue, key, row.0])?;
    Ok(())
}
