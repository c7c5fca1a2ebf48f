//! Replay: a failed or dead job once more, as a new job made as the first one was.

use rusqlite::{OptionalExtension, Row, params};

use super::change::Change;
use super::{dedup, history, rules, view};
use crate::error::Result;
use crate::id;
use crate::job::{Dedup, NewJob, Payload};

/// The new job, and the node whose inputs it takes; `None` if the old one is neither failed nor dead, or its arguments are gone. What no longer
/// means anything stays behind: its id, its delay, an expiry that has passed, errbacks that name the old job.
pub fn replayed(change: &Change, text: &str) -> Result<Option<(NewJob, Option<i64>)>> {
    let Some(named) = view::resolve(change.conn, change.file, text)? else { return Ok(None) };
    let found = change
        .conn
        .prepare_cached(
            "SELECT task, band, content_type, payload, max_losses, time_limit, soft_time_limit, expires, dedup, checksum, node \
             FROM pyqueue_history WHERE job=?1 AND (?2 IS NULL OR nonce=?2) AND state IN (1, 2) AND payload IS NOT NULL",
        )?
        .query_row(params![named.row.0, named.nonce()], |row| Ok((row.get(1)?, row.get(9)?, row.get(10)?, of(row)?)))
        .optional()?;
    let Some((band, checksum, node, job)) = found else { return Ok(None) };
    if !history::sound(checksum, Some(&job.payload.body)) {
        // Stored anew, damaged arguments would get a checksum of their own.
        return Ok(None);
    }
    if let Some(key) = &job.dedup_key {
        // Or the answer would be the old job itself.
        dedup::end_window(change, id::queue_of(band), key)?;
    }
    let again = NewJob {
        queue: rules::name_of(change.conn, id::queue_of(band))?,
        priority: id::priority_of(band),
        expires_us: job.expires_us.filter(|at| *at > change.now),
        ..job
    };
    Ok(Some((again, node)))
}

fn of(row: &Row<'_>) -> rusqlite::Result<NewJob> {
    Ok(NewJob {
        task: row.get(0)?,
        payload: Payload { content_type: row.get(2)?, body: row.get(3)? },
        queue: String::new(),
        priority: 0,
        run_at_us: None,
        expires_us: row.get(7)?,
        dedup_key: row.get(8)?,
        // The promise of the key still holds: where an unfinished job has it, that one is the answer.
        dedup: Dedup::Return,
        dedup_window_us: None,
        alias: None,
        max_losses: row.get(4)?,
        time_limit_us: row.get(5)?,
        soft_time_limit_us: row.get(6)?,
        errbacks: Vec::new(),
    })
}
