//! What attempts have logged, by row and token: beside the history, so that who logs nothing pays nothing. All of it
//! together is bounded; the oldest goes first.

use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use super::change::Change;
use super::head::LOGGED;
use super::{lease, view};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::{Log, LogView};
use crate::sqlite::Durability;

/// Bytes that are kept of all attempts.
pub const MOST: i64 = 64 << 20;
/// Bytes of one attempt; a child sends less.
pub const LARGEST: usize = 256 << 10;

/// Keeps what an attempt has logged, in place of what was kept of it before.
pub fn keep(change: &mut Change, id: RowId, token: i64, log: &Log) -> Result<()> {
    if log.text.len() > LARGEST {
        return Ok(());
    }
    let before: Option<i64> = change
        .conn
        .prepare_cached("SELECT octet_length(text) FROM pyqueue_log WHERE job=?1 AND token=?2")?
        .query_row([id.0, token], |row| row.get(0))
        .optional()?;
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_log(job, token, dropped, text) VALUES(?1, ?2, ?3, ?4) \
             ON CONFLICT(job, token) DO UPDATE SET dropped=?3, text=?4",
        )?
        .execute(params![id.0, token, log.dropped, log.text])?;
    let grown = log.text.len() as i64 - before.unwrap_or(0);
    let head = change.heads.get(LOGGED)?;
    head.pos = head.pos.saturating_add(grown).max(0);
    while change.heads.pos(LOGGED)? > MOST {
        let oldest = "SELECT seq FROM pyqueue_log ORDER BY seq LIMIT 16";
        if remove(change, &format!("seq IN ({oldest})"), &[])? == 0 {
            break;
        }
    }
    Ok(())
}

/// Drops what an attempt has logged.
pub fn drop_attempt(change: &mut Change, id: RowId, token: i64) -> Result<()> {
    remove(change, "job=?1 AND token=?2", &[id.0, token]).map(drop)
}

/// Drops what all attempts of a job have logged.
pub fn drop_job(change: &mut Change, id: RowId) -> Result<()> {
    remove(change, "job=?1", &[id.0]).map(drop)
}

/// Drops what attempts have logged whose successes are between two places of the history and go by its bounds.
pub fn drop_range(change: &mut Change, after: i64, last: i64) -> Result<()> {
    let which = "(job, token) IN (SELECT job, token FROM pyqueue_history WHERE seq>?1 AND seq<=?2 AND state=0 AND until IS NULL)";
    remove(change, which, &[after, last]).map(drop)
}

/// Drops what the attempt at a place of the history has logged.
pub fn drop_place(change: &mut Change, seq: i64) -> Result<()> {
    remove(change, "(job, token) IN (SELECT job, token FROM pyqueue_history WHERE seq=?1)", &[seq]).map(drop)
}

/// How many rows went.
fn remove(change: &mut Change, which: &str, values: &[i64]) -> Result<usize> {
    // Most files have none at all.
    if change.heads.pos(LOGGED)? == 0 {
        return Ok(0);
    }
    let gone: Vec<i64> = change
        .conn
        .prepare_cached(&format!("DELETE FROM pyqueue_log WHERE {which} RETURNING octet_length(text)"))?
        .query_map(rusqlite::params_from_iter(values), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let head = change.heads.get(LOGGED)?;
    head.pos = head.pos.saturating_sub(gone.iter().sum()).max(0);
    Ok(gone.len())
}

/// What the attempts of a job have logged, oldest first.
fn read(conn: &Connection, file: u32, text: &str) -> Result<Vec<LogView>> {
    let Some(named) = view::resolve(conn, file, text)? else { return Ok(Vec::new()) };
    let mut statement = conn.prepare_cached(
        "SELECT h.attempt, l.dropped, l.text FROM pyqueue_log l LEFT JOIN pyqueue_history h ON h.job=l.job AND h.token=l.token \
         WHERE l.job=?1 AND (?2 IS NULL OR h.nonce IS NULL OR h.nonce=?2) ORDER BY l.seq",
    )?;
    let rows = statement.query_map(params![named.row.0, named.nonce()], |row| {
        Ok(LogView { attempt: row.get(0)?, log: Log { dropped: row.get(1)?, text: row.get(2)? } })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Store {
    /// What the attempts of a job have logged, oldest first.
    pub fn logs(&self, id: &str) -> Result<Vec<LogView>> {
        self.read(|conn, file| read(conn, file, id))
    }

    /// Keeps what a running attempt has logged so far; `LeaseLost` if the token no longer counts. It never takes the
    /// room that is kept for outcomes.
    pub fn note(&self, row: RowId, token: i64, log: Log) -> Result<()> {
        let held = self.write(Durability::Normal, move |change| {
            let held = lease::mine(change, row, token)?.is_some();
            if held {
                keep(change, row, token, &log)?;
            }
            Ok(held)
        })?;
        if held { Ok(()) } else { Err(Error::LeaseLost { job: row.0.to_string() }) }
    }
}
