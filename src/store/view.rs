//! What the file says about one id.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{alias, history, lease, progress, row, side};
use crate::error::Result;
use crate::id::{PublicId, RowId};
use crate::job::{AttemptView, Failure, JobView, Payload, State};

/// A row that an id names. The nonce is compared, so that a place whose first owner was rolled back or pruned
/// never answers for another job.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    pub row: RowId,
    /// `None`: the caller's own id, which names a row for life.
    nonce: Option<i64>,
}

impl Named {
    /// What the row's nonce must be, where the id says it.
    pub fn nonce(self) -> Option<i64> {
        self.nonce
    }
}

/// The row that an id names, if it can be one of this file.
pub fn resolve(conn: &Connection, file: u32, text: &str) -> Result<Option<Named>> {
    if let Some(id) = PublicId::parse(text)
        && id.file == file
    {
        return Ok(Some(Named { row: id.row, nonce: Some(id.nonce) }));
    }
    Ok(alias::find(conn, text)?.map(|row| Named { row, nonce: None }))
}

/// A job that has not ended.
pub fn live(conn: &Connection, named: Named) -> Result<Option<row::JobRow>> {
    let job = row::read(conn, named.row)?;
    Ok(job.filter(|job| named.nonce.is_none_or(|nonce| nonce == job.nonce)))
}

/// State, result and error of an id.
pub fn view(conn: &Connection, file: u32, text: &str) -> Result<JobView> {
    let unknown = JobView { state: State::Unknown, result: None, failure: None, retries: 0, progress: None };
    let Some(named) = resolve(conn, file, text)? else {
        return Ok(if in_inbox(conn, text)? {
            JobView { state: State::Waiting, ..unknown }
        } else {
            unknown
        });
    };
    if let Some(job) = live(conn, named)? {
        let failure = if job.attempts > 0 { last(conn, named)?.and_then(|end| end.failure) } else { None };
        let progress = match lease::covering(conn, job.id)? {
            Some(lease) => progress::read(conn, job.id, lease.token)?,
            None => None,
        };
        return Ok(JobView {
            state: state(conn, &job)?,
            result: None,
            failure,
            retries: job.retries,
            progress,
        });
    }
    Ok(last(conn, named)?.and_then(|end| end.view).unwrap_or(unknown))
}

/// The state of a job that has not ended.
pub fn state(conn: &Connection, job: &row::JobRow) -> Result<State> {
    if let Some(side) = side::read(conn, job.id)? {
        return Ok(match side.place {
            side::GATE => State::Parked,
            side::PREPARED => State::Prepared,
            side::HELD => State::Held,
            _ if job.retries > 0 => State::Retrying,
            side::LATER => State::Delayed,
            _ => State::Waiting,
        });
    }
    Ok(if lease::covering(conn, job.id)?.is_some() { State::Running } else { State::Waiting })
}

/// Whether an id is that of a row which is no job yet.
pub fn in_inbox(conn: &Connection, text: &str) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM pyqueue_inbox WHERE id=?)")?
        .query_row([text], |row| row.get(0))?)
}

/// The newest entry of a job's history.
struct End {
    failure: Option<Failure>,
    /// Set where the job ended with it.
    view: Option<JobView>,
}

fn last(conn: &Connection, named: Named) -> Result<Option<End>> {
    let mut statement = conn.prepare_cached(
        "SELECT state, retries, content_type, result, error, message, traceback, checksum FROM pyqueue_history \
         WHERE job=?1 AND (?2 IS NULL OR nonce=?2) ORDER BY seq DESC LIMIT 1",
    )?;
    Ok(statement.query_row(params![named.row.0, named.nonce], end).optional()?)
}

fn end(row: &Row<'_>) -> rusqlite::Result<End> {
    let state: Option<i64> = row.get(0)?;
    let body: Option<Vec<u8>> = row.get(3)?;
    let content_type: Option<String> = row.get(2)?;
    let success = state.map(history::state_of) == Some(State::Success);
    let failure = if success && !history::sound(row.get(7)?, body.as_deref()) {
        Some(history::damaged_result())
    } else {
        failure(row, 4, body.as_ref())?
    };
    let view = state.map(|code| JobView {
        state: history::state_of(code),
        result: if success && failure.is_none() {
            body.map(|body| Payload { content_type, body })
        } else {
            None
        },
        failure: failure.clone(),
        retries: row.get(1).unwrap_or(0),
        progress: None,
    });
    Ok(End { failure, view })
}

/// Error, message and traceback from three neighbouring columns.
pub fn failure(row: &Row<'_>, at: usize, body: Option<&Vec<u8>>) -> rusqlite::Result<Option<Failure>> {
    let error: Option<String> = row.get(at)?;
    Ok(match error {
        None => None,
        Some(error) => Some(Failure {
            error,
            message: row.get::<_, Option<String>>(at + 1)?.unwrap_or_default(),
            traceback: row.get(at + 2)?,
            payload: body.map(|body| Payload { content_type: None, body: body.clone() }),
        }),
    })
}

/// The ended attempts of a job, oldest first.
pub fn attempts(conn: &Connection, file: u32, text: &str) -> Result<Vec<AttemptView>> {
    let Some(named) = resolve(conn, file, text)? else { return Ok(Vec::new()) };
    let mut statement = conn.prepare_cached(
        "SELECT attempt, outcome, started, finished, owner, result, error, message, traceback, cpu, memory FROM pyqueue_history \
         WHERE job=?1 AND (?2 IS NULL OR nonce=?2) ORDER BY seq",
    )?;
    let rows = statement.query_map(params![named.row.0, named.nonce], |row| {
        let body: Option<Vec<u8>> = row.get(5)?;
        Ok(AttemptView {
            number: row.get(0)?,
            outcome: history::outcome_name(row.get(1)?),
            started_us: row.get(2)?,
            finished_us: row.get(3)?,
            worker: row.get(4)?,
            cpu_us: row.get(9)?,
            memory: row.get(10)?,
            failure: failure(row, 6, body.as_ref())?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
