//! Looks at what is in workers' hands, and at what waits in the file: for people, with a bound on each.

use rusqlite::{Connection, Row, params};

use super::row::{HUSK, JobRow, columns};
use super::{Store, change, lease, list, rules, view};
use crate::error::Result;
use crate::id::{self, RowId};
use crate::job::{JobSummary, Payload};

/// Who has a job.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    /// The job.
    pub row: RowId,
    /// Of the claim.
    pub token: i64,
    /// The worker.
    pub owner: i64,
}

/// A job under a lease.
#[derive(Debug, Clone)]
pub struct Leased {
    /// Its row.
    pub row: RowId,
    /// Its public id.
    pub id: String,
    /// Of the claim.
    pub token: i64,
    /// The worker that has it.
    pub owner: i64,
    /// What it runs.
    pub task: String,
    /// Its queue.
    pub queue: String,
    /// Its priority.
    pub priority: i8,
    /// Attempts before this one.
    pub attempts: u32,
    /// Those of them that ended in a retry.
    pub retries: u32,
    /// When it was made (wall time, µs).
    pub enqueued_us: i64,
    /// How long it may run (µs), if its call says so.
    pub time_limit_us: Option<i64>,
    /// Its call.
    pub payload: Payload,
}

fn of(conn: &Connection, file: u32, job: JobRow, token: i64, owner: i64) -> Result<Leased> {
    let band = job.band();
    Ok(Leased {
        row: job.id,
        id: change::public(file, job.id, job.nonce, job.alias),
        token,
        owner,
        task: job.task,
        queue: rules::name_of(conn, id::queue_of(band))?,
        priority: id::priority_of(band),
        attempts: job.attempts,
        retries: job.retries,
        enqueued_us: job.enqueued,
        time_limit_us: job.time_limit,
        payload: Payload { content_type: job.content_type, body: job.payload.unwrap_or_default() },
    })
}

/// Up to `limit` of the leased jobs that are wanted, in the order of their places.
fn leased(
    conn: &Connection,
    file: u32,
    wanted: &impl Fn(Lease) -> bool,
    limit: usize,
) -> Result<Vec<Leased>> {
    let mut statement = conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", l.token, l.owner FROM pyqueue_lease l CROSS JOIN pyqueue_job j ON j.id BETWEEN l.first AND l.last \
         WHERE j.mark<>?1 ORDER BY l.first, j.id"
    ))?;
    let mut rows = statement.query([HUSK])?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let lease = Lease { row: RowId(row.get(0)?), token: row.get(22)?, owner: row.get(23)? };
        if wanted(lease) {
            found.push(of(conn, file, JobRow::from(row)?, lease.token, lease.owner)?);
        }
    }
    Ok(found)
}

/// The job in a row, if it is under a lease of that token, or of any.
fn leased_row(conn: &Connection, file: u32, row: RowId, token: Option<i64>) -> Result<Option<Leased>> {
    let Some(lease) = lease::covering(conn, row)? else { return Ok(None) };
    if token.is_some_and(|token| token != lease.token) {
        return Ok(None);
    }
    let Some(job) = super::row::read(conn, row)? else { return Ok(None) };
    of(conn, file, job, lease.token, lease.owner).map(Some)
}

/// Jobs whose time has not come, those first that come first.
fn scheduled(conn: &Connection, file: u32, limit: usize) -> Result<Vec<JobSummary>> {
    let mut statement = conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM pyqueue_side s CROSS JOIN pyqueue_job j ON j.id=s.id WHERE s.place=3 ORDER BY s.k, s.at, s.id LIMIT ?1"
    ))?;
    let mut rows = statement.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let job = JobRow::from(row)?;
        let summary = list::of_row(conn, file, &job)?;
        let payload = job.payload.map(|body| Payload { content_type: job.content_type, body });
        found.push(JobSummary { payload, ..summary });
    }
    Ok(found)
}

/// Jobs that were cancelled: first those that still run, then the last that have ended.
fn revoked(conn: &Connection, file: u32, limit: usize) -> Result<Vec<String>> {
    let public = |row: &Row<'_>| Ok(change::public(file, RowId(row.get(0)?), row.get(1)?, row.get(2)?));
    let mut running = conn.prepare_cached(
        "SELECT j.id, j.nonce, j.alias FROM pyqueue_revoke r CROSS JOIN pyqueue_job j ON j.id=r.id \
         WHERE j.mark<>2 ORDER BY r.id LIMIT ?1",
    )?;
    let mut found: Vec<String> = running.query_map([limit], public)?.collect::<rusqlite::Result<_>>()?;
    let mut ended = conn.prepare_cached(
        "SELECT job, nonce, alias FROM pyqueue_history WHERE state=3 AND nonce>=0 ORDER BY seq DESC LIMIT ?1",
    )?;
    let rows = ended.query_map(params![limit.saturating_sub(found.len())], public)?;
    found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
    Ok(found)
}

impl Store {
    /// Up to `limit` of the jobs under leases that are wanted.
    pub fn leased(&self, wanted: impl Fn(Lease) -> bool, limit: usize) -> Result<Vec<Leased>> {
        self.read(|conn, file| leased(conn, file, &wanted, limit))
    }

    /// Those of these rows that are still under a lease of their token.
    pub fn leased_rows(&self, rows: Vec<(RowId, i64)>) -> Result<Vec<Leased>> {
        self.read(|conn, file| {
            let jobs = rows.iter().map(|(row, token)| leased_row(conn, file, *row, Some(*token)));
            jobs.filter_map(Result::transpose).collect()
        })
    }

    /// Those of these ids that are under a lease.
    pub fn leased_ids(&self, ids: &[String]) -> Result<Vec<Leased>> {
        self.read(|conn, file| {
            let mut found = Vec::new();
            for text in ids {
                let Some(named) = view::resolve(conn, file, text)? else { continue };
                if view::live(conn, named)?.is_some() {
                    found.extend(leased_row(conn, file, named.row, None)?);
                }
            }
            Ok(found)
        })
    }

    /// Up to `limit` jobs whose time has not come, with their calls, those first that come first.
    pub fn scheduled(&self, limit: usize) -> Result<Vec<JobSummary>> {
        self.read(|conn, file| scheduled(conn, file, limit))
    }

    /// Up to `limit` ids of cancelled jobs, the newest first: those that still run, and those whose end is kept.
    pub fn revoked(&self, limit: usize) -> Result<Vec<String>> {
        self.read(|conn, file| revoked(conn, file, limit))
    }
}
