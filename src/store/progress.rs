//! What a running attempt says of itself, fenced by its token.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::lease;
use crate::error::Result;
use crate::id::RowId;

/// Notes it; false if the token no longer covers the job.
pub fn tell(change: &Change, id: RowId, token: i64, state: &str, body: &[u8]) -> Result<bool> {
    let Some(lease) = lease::mine(change, id, token)? else { return Ok(false) };
    if super::row::read(change.conn, id)?.is_none() {
        return Ok(false);
    }
    lease::mark(change.conn, &lease, id)?;
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_progress(id, token, state, body) VALUES(?1, ?2, ?3, ?4) \
             ON CONFLICT(id) DO UPDATE SET token=?2, state=?3, body=?4",
        )?
        .execute(params![id.0, token, state, body])?;
    Ok(true)
}

/// What the attempt under this token last said.
pub fn read(conn: &Connection, id: RowId, token: i64) -> Result<Option<(String, Vec<u8>)>> {
    Ok(conn
        .prepare_cached("SELECT state, body FROM pyqueue_progress WHERE id=?1 AND token=?2")?
        .query_row([id.0, token], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// Forgets what attempts of these rows said.
pub fn clear(conn: &Connection, first: RowId, last: RowId) -> Result<()> {
    conn.prepare_cached("DELETE FROM pyqueue_progress WHERE id BETWEEN ?1 AND ?2")?
        .execute([first.0, last.0])?;
    Ok(())
}
