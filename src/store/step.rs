//! Steps: what parts of a task have returned that are not done again when the job is tried again.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::{Store, enqueue, history, lease};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::Payload;

impl Store {
    /// What a step of a job returned earlier.
    pub fn step(&self, row: RowId, name: &str) -> Result<Option<Payload>> {
        self.read(|conn, _| read(conn, row, name))
    }

    /// Keeps what a step has returned, unless that is kept already; `LeaseLost` if the token no longer counts.
    pub fn keep_step(&self, row: RowId, token: i64, name: &str, value: &Payload) -> Result<()> {
        enqueue::name("step's name", name)?;
        if value.body.len() > self.options.max_body {
            return Err(Error::invalid(format!(
                "what the step {name:?} returns takes {} bytes, the limit is {}: store the data elsewhere and return a reference, or raise max_body",
                value.body.len(),
                self.options.max_body
            )));
        }
        let (name, value) = (name.to_owned(), value.clone());
        let held =
            self.keep(self.options.durability, move |change| keep(change, row, token, &name, &value))?;
        if held { Ok(()) } else { Err(Error::LeaseLost { job: row.0.to_string() }) }
    }
}

fn read(conn: &Connection, row: RowId, name: &str) -> Result<Option<Payload>> {
    let found: Option<(Option<String>, Vec<u8>, i64)> = conn
        .prepare_cached("SELECT content_type, value, checksum FROM pyqueue_step WHERE job=?1 AND name=?2")?
        .query_row(params![row.0, name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match found {
        Some((_, body, checksum)) if !history::sound(Some(checksum), Some(&body)) => {
            Err(Error::Corrupt(format!("what the step {name:?} returned doesn't match its checksum")))
        }
        Some((content_type, body, _)) => Ok(Some(Payload { content_type, body })),
        None => Ok(None),
    }
}

fn keep(change: &Change, row: RowId, token: i64, name: &str, value: &Payload) -> Result<bool> {
    let Some(lease) = lease::mine(change, row, token)? else { return Ok(false) };
    let there = change
        .conn
        .prepare_cached("UPDATE pyqueue_job SET steps=1 WHERE id=? AND mark<>2")?
        .execute([row.0])?;
    if there == 0 {
        return Ok(false);
    }
    lease::mark(change.conn, &lease, row)?;
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_step(job, name, content_type, value, checksum) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![row.0, name, value.content_type, value.body, crc32fast::hash(&value.body)])?;
    Ok(true)
}

/// Drops those of a range of jobs that have ended.
pub fn drop_range(conn: &Connection, first: RowId, last: RowId) -> Result<()> {
    conn.prepare_cached("DELETE FROM pyqueue_step WHERE job BETWEEN ?1 AND ?2")?
        .execute([first.0, last.0])?;
    Ok(())
}
