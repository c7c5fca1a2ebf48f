//! The shape of our tables: the columns, views and triggers that the migrations make. What lacks one would fail in some
//! statements and not in others, once the file is in use.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::error::Result;

/// Table, column, type, whether it may be NULL, its place in the primary key.
type Column = (String, String, String, bool, i64);

/// What the migrations make.
#[derive(Clone)]
struct Model {
    columns: Vec<Column>,
    /// Views and triggers: kind, name, SQL.
    programs: Vec<(String, String, String)>,
}

/// The first column that the migrations make and the file does not have as they make it, as `table.column`, or view or
/// trigger. What somebody added of his own is let be.
pub fn lack(conn: &Connection, migrations: &[&str]) -> Result<Option<String>> {
    let (model, there) = (model(migrations)?, of(conn)?);
    let column = model.columns.iter().find(|column| !there.columns.contains(column));
    let program = model.programs.iter().find(|program| !there.programs.contains(program));
    let column = column.map(|(table, column, ..)| format!("column {table}.{column}"));
    Ok(column.or_else(|| program.map(|(kind, name, _)| format!("{kind} {name}"))))
}

/// A trigger on a table of ours that the migrations don't make, or make otherwise.
pub fn strange_trigger(conn: &Connection, migrations: &[&str]) -> Result<Option<String>> {
    let (model, there) = (model(migrations)?, of(conn)?);
    let strange =
        |program: &&(String, String, String)| program.0 == "trigger" && !model.programs.contains(program);
    Ok(there.programs.iter().find(strange).map(|(_, name, _)| name.clone()))
}

fn model(migrations: &[&str]) -> Result<Model> {
    /// By how many migrations: what they make is the same for every file.
    static MODELS: Mutex<BTreeMap<usize, Model>> = Mutex::new(BTreeMap::new());
    let mut models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(match models.entry(migrations.len()) {
        Entry::Occupied(known) => known.get().clone(),
        Entry::Vacant(place) => {
            let empty = Connection::open_in_memory()?;
            for sql in migrations {
                empty.execute_batch(sql)?;
            }
            place.insert(of(&empty)?).clone()
        }
    })
}

fn of(conn: &Connection) -> Result<Model> {
    Ok(Model { columns: columns(conn)?, programs: programs(conn)? })
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

fn programs(conn: &Connection) -> Result<Vec<(String, String, String)>> {
    let mut statement = conn.prepare(
        "SELECT type, name, ifnull(sql, '') FROM sqlite_schema WHERE type IN ('view', 'trigger') \
         AND tbl_name LIKE 'pyqueue\\_%' ESCAPE '\\'",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
