//! The shape of our tables: the columns that the migrations make. What lacks one would fail in some statements and
//! not in others, once the file is in use.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::error::Result;

/// Table, column, type, whether it may be NULL, its place in the primary key.
type Column = (String, String, String, bool, i64);

/// The first column that the migrations make and the file does not have as they make it, as `table.column`. What
/// somebody added of his own is let be.
pub fn lack(conn: &Connection, migrations: &[&str]) -> Result<Option<String>> {
    /// By how many migrations: what they make is the same for every file.
    static MODELS: Mutex<BTreeMap<usize, Vec<Column>>> = Mutex::new(BTreeMap::new());
    let there = columns(conn)?;
    let mut models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
    let model = match models.entry(migrations.len()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => place.insert(model(migrations)?),
    };
    let lost = model.iter().find(|column| !there.contains(column));
    Ok(lost.map(|(table, column, ..)| format!("{table}.{column}")))
}

fn model(migrations: &[&str]) -> Result<Vec<Column>> {
    let empty = Connection::open_in_memory()?;
    for sql in migrations {
        empty.execute_batch(sql)?;
    }
    columns(&empty)
}

fn columns(conn: &Connection) -> Result<Vec<Column>> {
    // A virtual table has no root page; to ask for its columns would run its module.
    let mut statement = conn.prepare(
        "SELECT t.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
         WHERE t.type='table' AND t.rootpage>0 AND t.name LIKE 'pyqueue\\_%' ESCAPE '\\'",
    )?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
