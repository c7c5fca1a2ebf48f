//! Ids chosen by the caller.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Result;
use crate::id::RowId;

/// The row that a caller's id names.
pub fn find(conn: &Connection, name: &str) -> Result<Option<RowId>> {
    Ok(conn
        .prepare_cached("SELECT id FROM pyqueue_alias WHERE name=?")?
        .query_row([name], |row| row.get(0).map(RowId))
        .optional()?)
}

/// Lets a caller's id name a row.
pub fn insert(conn: &Connection, name: &str, row: RowId) -> Result<()> {
    conn.prepare_cached("INSERT INTO pyqueue_alias(name, id) VALUES(?1, ?2)")?
        .execute(params![name, row.0])?;
    Ok(())
}

/// Forgets every caller's id of a row whose last trace is pruned.
pub fn delete(conn: &Connection, row: RowId) -> Result<()> {
    conn.prepare_cached("DELETE FROM pyqueue_alias WHERE id=?")?.execute([row.0])?;
    Ok(())
}
