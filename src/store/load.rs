//! Load: what came and what it took, from the history that is kept. Reads all of it: for people.

use rusqlite::{Connection, params};

use super::Store;
use crate::error::Result;

/// One task's share.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskLoad {
    /// Its name.
    pub task: String,
    /// Jobs that were made since then and have ended.
    pub jobs: u64,
    /// Attempts of which it is known how long they took.
    pub attempts: u64,
    /// The sum of their run times (s).
    pub seconds: f64,
    /// The sum of the squares of their run times (s²).
    pub squares: f64,
    /// Bytes that are kept in the file of all attempts.
    pub bytes: u64,
}

/// What came since an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// By task, the one that took longest first.
    pub tasks: Vec<TaskLoad>,
    /// When the first of them was made (wall time, µs).
    pub first_us: Option<i64>,
    /// Jobs that were made in the busiest minute.
    pub busiest: u64,
    /// Jobs that were made since then and have not ended.
    pub unfinished: u64,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Bytes of a row of the history beside its texts: its numbers, what SQLite writes around them, its place in the index.
const OVERHEAD: i64 = 80;

fn load(conn: &Connection, since: i64) -> Result<Load> {
    let mut statement = conn.prepare_cached(
        "SELECT task, sum(state IS NOT NULL), count(took), ifnull(sum(took), 0.0), ifnull(sum(took*took), 0.0), \
         sum(bytes) FROM (SELECT task, state, CASE WHEN finished>=started THEN (finished-started)/1e6 END AS took, \
           ?2+octet_length(task)+ifnull(octet_length(alias), 0)+ifnull(octet_length(result), 0)+ifnull(octet_length(error), 0) \
           +ifnull(octet_length(message), 0)+ifnull(octet_length(traceback), 0)+ifnull(octet_length(payload), 0) AS bytes \
           FROM pyqueue_history WHERE enqueued>=?1) GROUP BY task ORDER BY 4 DESC",
    )?;
    let rows = statement.query_map(params![since, OVERHEAD], |row| {
        Ok(TaskLoad {
            task: row.get(0)?,
            jobs: row.get(1)?,
            attempts: row.get(2)?,
            seconds: row.get(3)?,
            squares: row.get(4)?,
            bytes: row.get(5)?,
        })
    })?;
    let one = |sql: &str| {
        Ok::<_, crate::error::Error>(conn.prepare_cached(sql)?.query_row([since], |row| row.get(0))?)
    };
    Ok(Load {
        tasks: rows.collect::<rusqlite::Result<_>>()?,
        first_us: conn
            .prepare_cached(
                "SELECT min(enqueued) FROM pyqueue_history WHERE enqueued>=? AND state IS NOT NULL",
            )?
            .query_row([since], |row| row.get(0))?,
        busiest: one("SELECT ifnull(max(jobs), 0) FROM (SELECT count(*) AS jobs FROM pyqueue_history \
             WHERE enqueued>=? AND state IS NOT NULL GROUP BY enqueued/60000000)")?,
        unfinished: one("SELECT count(*) FROM pyqueue_job WHERE enqueued>=? AND mark<>2")?,
        file_bytes: conn.query_row(
            "SELECT page_count*page_size FROM pragma_page_count(), pragma_page_size()",
            [],
            |row| row.get(0),
        )?,
    })
}

impl Store {
    /// What came since an instant (wall time, µs), and what it took.
    pub fn load(&self, since_us: i64) -> Result<Load> {
        self.read(|conn, _| load(conn, since_us))
    }
}
