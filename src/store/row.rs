//! A row of the job table.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::{Error, Result};
use crate::id::{self, RowId};
use crate::mutants::{self, Mutant};

/// The columns, in the order of `JobRow::from`.
macro_rules! columns {
    () => {
        "j.id, j.mark, j.nonce, j.home, j.attempts, j.retries, j.losses, j.max_losses, j.task, j.dedup, j.alias, \
         j.expires, j.enqueued, j.time_limit, j.soft_time_limit, j.content_type, j.checksum, j.errbacks, j.steps, j.fills, j.node, j.payload"
    };
}
pub(super) use columns;

/// A husk: the job has left, its place must not be given again before the head has passed it.
pub const HUSK: i64 = 2;

/// One job's body and counters.
#[derive(Debug, Clone)]
pub struct JobRow {
    pub id: RowId,
    pub mark: i64,
    pub nonce: i64,
    pub home: Option<i64>,
    pub attempts: u32,
    pub retries: u32,
    pub losses: u32,
    pub max_losses: u32,
    pub task: String,
    pub dedup: Option<String>,
    pub alias: Option<String>,
    pub expires: Option<i64>,
    pub enqueued: i64,
    pub time_limit: Option<i64>,
    pub soft_time_limit: Option<i64>,
    pub content_type: Option<String>,
    pub checksum: Option<u32>,
    /// It brought some along, in `pyqueue_errback`.
    pub errbacks: bool,
    /// It has rows in `pyqueue_step`.
    pub steps: bool,
    /// The input of a workflow's node that its end fills.
    pub fills: Option<i64>,
    /// The node that it waited for.
    pub node: Option<i64>,
    pub payload: Option<Vec<u8>>,
}

impl JobRow {
    pub fn from(row: &Row<'_>) -> rusqlite::Result<JobRow> {
        Ok(JobRow {
            id: RowId(row.get(0)?),
            mark: row.get(1)?,
            nonce: row.get(2)?,
            home: row.get(3)?,
            attempts: row.get(4)?,
            retries: row.get(5)?,
            losses: row.get(6)?,
            max_losses: row.get(7)?,
            task: row.get(8)?,
            dedup: row.get(9)?,
            alias: row.get(10)?,
            expires: row.get(11)?,
            enqueued: row.get(12)?,
            time_limit: row.get(13)?,
            soft_time_limit: row.get(14)?,
            content_type: row.get(15)?,
            checksum: row.get(16)?,
            errbacks: row.get(17)?,
            steps: row.get(18)?,
            fills: row.get(19)?,
            node: row.get(20)?,
            payload: row.get(21)?,
        })
    }

    /// The band it belongs to.
    pub fn band(&self) -> i64 {
        self.home.unwrap_or_else(|| self.id.band())
    }

    /// Its place in the order, should it come back in line: its own, or the front of its band.
    pub fn at(&self) -> i64 {
        self.home.map_or(self.id.0, id::floor)
    }

    /// Whether the payload is what was stored. Only a husk has none, and a husk is no job.
    pub fn sound(&self) -> bool {
        let fits = |body| self.checksum == Some(crc32fast::hash(body));
        mutants::on(Mutant::ChecksumUnread) || self.payload.as_deref().is_some_and(fits)
    }
}

/// Skip scans go on from the last place they saw. Rows out of order would have them go in circles.
pub fn onward(from: i64, to: i64) -> Result<()> {
    if to > from { Ok(()) } else { Err(Error::Corrupt("rows of pyqueue_job are out of order".into())) }
}

/// A job that has not ended.
pub fn read(conn: &Connection, id: RowId) -> Result<Option<JobRow>> {
    let job = conn
        .prepare_cached(concat!("SELECT ", columns!(), " FROM pyqueue_job j WHERE j.id=?"))?
        .query_row([id.0], JobRow::from)
        .optional()?;
    Ok(job.filter(|job| job.mark != HUSK))
}
