//! The schema: admit a file, bring it up to date, refuse what is foreign or newer.

use rusqlite::{Connection, OptionalExtension, params};

use super::head::VERSION;
use super::shape;
use crate::error::{Error, Result};
use crate::mutants::{self, Mutant};
use crate::sqlite::APPLICATION_ID;

/// The migrations, in order; the first makes version 1.
const MIGRATIONS: &[&str] =
    &[concat!(include_str!("migrations/0001_queue.sql"), include_str!("migrations/views_v1.sql"))];

/// The schema this build writes.
const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;
/// The oldest build (by its schema version) that may use a file of `SCHEMA_VERSION`.
const OLDEST_COMPATIBLE: i64 = 1;

const NO_RECORD: &str = "the queue's own record of itself is missing; restore a backup";

fn refused(conn: &Connection, reason: String) -> Error {
    Error::Refused { path: conn.path().unwrap_or_default().into(), reason }
}

/// Refuses a file that may not be used; whether it has to be migrated. Called before anything is written.
pub fn admit(conn: &Connection, created: bool, embed: bool) -> Result<bool> {
    let ours: bool = conn.query_row(
        "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE type='table' AND name='pyqueue_meta')",
        [],
        |row| row.get(0),
    )?;
    if ours {
        let version = meta(conn, "schema_version").map_err(|_| {
            refused(conn, "its table pyqueue_meta is another program's, or damaged; use another file".into())
        })?;
        let Some(version) = version.filter(|version| *version > 0) else {
            return Err(refused(conn, NO_RECORD.into()));
        };
        check_version(conn)?;
        file_id(conn)?;
        refuse_triggers(conn, version)?;
        refuse_shape(conn, version)?;
        return Ok(version < SCHEMA_VERSION);
    }
    if created || embed {
        return Ok(true);
    }
    let other: Option<String> = conn
        .query_row(
            "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    let id: i64 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if other.is_none() && id == i64::from(APPLICATION_ID) {
        // Whoever created the file has not come to the tables yet, or has died before it did.
        return Ok(true);
    }
    Err(refused(
        conn,
        match other {
            Some(table) => format!(
                "the file belongs to another program (it holds {table:?} and no queue); to keep the queue in it, open it with embed=True"
            ),
            None => "the file is an empty database that was not made by pyqueue; delete it or open it with embed=True".into(),
        },
    ))
}

/// A trigger runs in our transactions: another program's could undo what they promise, or never end. A newer schema
/// may have more of its own, under names of its own.
fn refuse_triggers(conn: &Connection, version: i64) -> Result<()> {
    let ours = MIGRATIONS.get(..version as usize);
    let strange = match ours {
        Some(migrations) => shape::strange_trigger(conn, migrations)?,
        None => conn
            .query_row(
                "SELECT name FROM sqlite_schema WHERE type='trigger' AND tbl_name LIKE 'pyqueue\\_%' ESCAPE '\\' \
                 AND name NOT LIKE 'pyqueue\\_%' ESCAPE '\\' LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()?,
    };
    match strange {
        None => Ok(()),
        Some(name) => Err(refused(
            conn,
            format!(
                "the trigger {name:?} on a table of the queue is not pyqueue's; drop it and open the file again"
            ),
        )),
    }
}

/// Refuses a file in which a column of ours is missing or another. A newer schema's columns are its own.
fn refuse_shape(conn: &Connection, version: i64) -> Result<()> {
    let Some(migrations) = MIGRATIONS.get(..version as usize) else { return Ok(()) };
    match shape::lack(conn, migrations)? {
        None => Ok(()),
        Some(what) => {
            Err(refused(conn, format!("its {what} is missing or not as pyqueue made it; restore a backup")))
        }
    }
}

/// Refuses a file whose data this build would misread.
pub fn check_version(conn: &Connection) -> Result<()> {
    let oldest = meta(conn, "oldest_compatible")?.unwrap_or(0);
    if oldest > SCHEMA_VERSION && !mutants::on(Mutant::NewerSchemaAdmitted) {
        return Err(refused(
            conn,
            format!(
                "the file was brought to schema {oldest} by a newer pyqueue, this one knows {SCHEMA_VERSION}; upgrade pyqueue"
            ),
        ));
    }
    Ok(())
}

fn meta(conn: &Connection, name: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT value FROM pyqueue_meta WHERE name=?")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

/// The file's random id.
pub fn file_id(conn: &Connection) -> Result<u32> {
    let id = meta(conn, "file_id")?.ok_or_else(|| refused(conn, NO_RECORD.into()))?;
    Ok(id as u32)
}

/// Makes the tables, or brings older ones up to date.
pub fn migrate(conn: &Connection, random: u64) -> Result<()> {
    let exists: bool = conn.query_row(
        "SELECT EXISTS(SELECT 1 FROM sqlite_schema WHERE type='table' AND name='pyqueue_meta')",
        [],
        |row| row.get(0),
    )?;
    let before = if exists { meta(conn, "schema_version")?.unwrap_or(0) } else { 0 };
    if before >= SCHEMA_VERSION {
        return Ok(());
    }
    if before == 0 {
        let foreign: bool =
            conn.query_row("SELECT EXISTS(SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
        if !foreign {
            conn.pragma_update(None, "application_id", APPLICATION_ID)?;
        }
    }
    for sql in &MIGRATIONS[before as usize..] {
        conn.execute_batch(sql)?;
    }
    let set = "INSERT INTO pyqueue_meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value=excluded.value";
    conn.execute(set, params!["schema_version", SCHEMA_VERSION])?;
    conn.execute(set, params!["oldest_compatible", OLDEST_COMPATIBLE])?;
    if before == 0 {
        conn.execute(set, params!["file_id", i64::from(random as u32)])?;
    }
    // Every process's cache of the rules, and with it its check of the version, is stale from here on.
    conn.execute(
        "INSERT INTO pyqueue_head(band, pos) VALUES(?1, 1) ON CONFLICT(band) DO UPDATE SET pos=pos+1",
        [VERSION],
    )?;
    Ok(())
}
