//! What workers say of themselves: written by them, read by whoever looks, and never by the core.

use std::collections::HashMap;

use rusqlite::{Connection, params};

use super::Store;
use super::change::Change;
use crate::error::Result;
use crate::sqlite::Durability;

fn describe(change: &Change, worker: i64, facts: &[u8]) -> Result<bool> {
    let changed = change
        .conn
        .prepare_cached("UPDATE pyqueue_owner SET facts=?2 WHERE id=?1 AND pid<>0")?
        .execute(params![worker, facts])?;
    Ok(changed == 1)
}

/// What one worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// When it entered the file (wall time, µs).
    pub joined_us: i64,
    /// Its own words.
    pub said: Vec<u8>,
}

fn all(conn: &Connection) -> Result<HashMap<i64, Facts>> {
    let mut statement = conn.prepare_cached("SELECT id, joined, ifnull(facts, x'') FROM pyqueue_owner")?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, Facts { joined_us: row.get(1)?, said: row.get(2)? })))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Store {
    /// What the workers in the file say of themselves, by their ids.
    pub fn facts(&self) -> Result<HashMap<i64, Facts>> {
        self.read(|conn, _| all(conn))
    }

    /// Changes what a worker says of itself; false when it has been taken for dead.
    pub fn describe(&self, worker: i64, facts: Vec<u8>) -> Result<bool> {
        self.keep(Durability::Normal, move |change| describe(change, worker, &facts))
    }
}
