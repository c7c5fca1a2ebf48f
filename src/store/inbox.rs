//! The inbox: what a foreign connection wrote with one INSERT becomes jobs here, in the order it was written.

use rusqlite::params;

use super::change::Change;
use super::enqueue;
use crate::error::Result;
use crate::job::{Dedup, NewJob, Payload};

/// Turns up to `limit` rows into jobs; true if there may be more. Repeatable: a row leaves the inbox in the
/// transaction that makes its job, and its id is the job's.
pub fn fold(change: &mut Change, limit: usize) -> Result<bool> {
    let rows: Vec<(i64, NewJob)> = change
        .conn
        .prepare_cached(
            "SELECT seq, id, task, body, queue, priority, run_at, expires, dedup_key, content_type \
             FROM pyqueue_inbox ORDER BY seq LIMIT ?",
        )?
        .query_map([limit], |row| {
            Ok((
                row.get(0)?,
                NewJob {
                    alias: Some(row.get(1)?),
                    task: row.get(2)?,
                    payload: Payload { body: row.get(3)?, content_type: row.get(9)? },
                    queue: row.get(4)?,
                    priority: row.get(5)?,
                    run_at_us: row.get(6)?,
                    expires_us: row.get(7)?,
                    dedup_key: row.get(8)?,
                    dedup: Dedup::Return,
                    dedup_window_us: None,
                    max_losses: super::MAX_LOSSES,
                    time_limit_us: None,
                    soft_time_limit_us: None,
                    errbacks: Vec::new(),
                },
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let full = rows.len() == limit;
    for (seq, job) in rows {
        enqueue::enqueue(change, job)?;
        change.conn.prepare_cached("DELETE FROM pyqueue_inbox WHERE seq=?")?.execute(params![seq])?;
    }
    Ok(full)
}
