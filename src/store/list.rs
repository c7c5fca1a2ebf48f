//! Lists of jobs for people, and what is kept of ended ones.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::change::Change;
use super::head;
use super::history;
use super::row::{self, HUSK, JobRow, columns};
use super::view::{self, failure};
use super::{alias, lease, log, progress, rules, side};
use crate::error::Result;
use crate::id;
use crate::job::{JobSummary, Payload, State};

/// Which jobs.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this state.
    pub state: Option<State>,
    /// Only of this queue.
    pub queue: Option<String>,
    /// Only of tasks whose name fits this pattern, of SQLite's GLOB.
    pub task: Option<String>,
    /// Only those that ended with an error that fits this pattern: its class, with or without its module, or
    /// `class: message`.
    pub error: Option<String>,
    /// Only those that ended at this wall time (µs) or later.
    pub since_us: Option<i64>,
    /// How many at most.
    pub limit: usize,
}

/// Jobs that fit, the newest first. Looks at rows until it has enough: meant for people, not for polling.
pub fn jobs(conn: &Connection, file: u32, filter: &Filter) -> Result<Vec<JobSummary>> {
    let mut found = Vec::new();
    let about_the_end = filter.error.is_some() || filter.since_us.is_some();
    if !about_the_end && filter.state.is_none_or(|state| !state.ended()) {
        found.extend(live(conn, file, filter)?);
    }
    if filter.state.is_none_or(State::ended) {
        found.extend(ended(conn, file, filter)?);
    }
    found.sort_by_key(|job| std::cmp::Reverse(job.enqueued_us));
    found.truncate(filter.limit);
    Ok(found)
}

/// One job with its arguments, as far as they are kept.
pub fn show(conn: &Connection, file: u32, text: &str) -> Result<Option<JobSummary>> {
    let Some(named) = view::resolve(conn, file, text)? else { return Ok(None) };
    if let Some(job) = view::live(conn, named)? {
        let mut summary = of_row(conn, file, &job)?;
        summary.payload = job.payload.map(|body| Payload { content_type: job.content_type, body });
        summary.failure = view::view(conn, file, text)?.failure;
        return Ok(Some(summary));
    }
    let sql =
        concat!(history_columns!(), " WHERE h.job=?1 AND (?2 IS NULL OR h.nonce=?2) AND h.state IS NOT NULL");
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query_map(params![named.row.0, named.nonce()], |row| of_history(row, file))?;
    Ok(rows.next().transpose()?)
}

/// Where live jobs of a state are listed: a source of rows `j` between two places.
fn source(state: Option<State>) -> &'static str {
    match state {
        Some(State::Parked) => "pyqueue_side s JOIN pyqueue_job j ON j.id=s.id WHERE s.place=2",
        Some(State::Prepared) => "pyqueue_side s JOIN pyqueue_job j ON j.id=s.id WHERE s.place=4",
        Some(State::Held) => "pyqueue_side s JOIN pyqueue_job j ON j.id=s.id WHERE s.place=5",
        Some(State::Delayed | State::Retrying) => {
            "pyqueue_side s JOIN pyqueue_job j ON j.id=s.id WHERE s.place IN (1, 3)"
        }
        Some(State::Running) => {
            "pyqueue_lease l JOIN pyqueue_job j ON j.id BETWEEN l.first AND l.last WHERE 1"
        }
        _ => "pyqueue_job j WHERE 1",
    }
}

/// Newest first within a band, so each band is asked for its last; the bands' answers are merged by time.
fn live(conn: &Connection, file: u32, filter: &Filter) -> Result<Vec<JobSummary>> {
    let queue = match &filter.queue {
        None => None,
        Some(name) => match rules::number_of(conn, name)? {
            None => return Ok(Vec::new()),
            number => number,
        },
    };
    let mut found = Vec::new();
    let mut take = |source: &str, place: &str, spans: Vec<(i64, i64)>| -> Result<()> {
        let sql = format!(
            "SELECT {} FROM {source} AND j.mark<>{HUSK} AND (?1 IS NULL OR j.task GLOB ?1) \
             AND (?2 IS NULL OR ifnull(j.home, j.id>>43)>>8=?2) AND {place}>?3 AND {place}<=?4 ORDER BY {place} DESC",
            columns!()
        );
        let mut statement = conn.prepare(&sql)?;
        for (floor, ceiling) in spans {
            let mut rows = statement.query(params![filter.task, queue, floor, ceiling])?;
            let mut left = filter.limit;
            while left > 0
                && let Some(row) = rows.next()?
            {
                let summary = of_row(conn, file, &JobRow::from(row)?)?;
                if filter.state.is_none_or(|state| state == summary.state) {
                    found.push(summary);
                    left -= 1;
                }
            }
        }
        Ok(())
    };
    let whole = |band: i64| (id::floor(band), id::ceiling(band));
    let bands = bands(conn)?;
    if filter.state == Some(State::Waiting) {
        // A band is in line above its head, and what is in line again has rows of its own: a million jobs that are
        // paused, or in line in other queues, are not looked at.
        let own = |band: &i64| *band != id::SHELF && queue.is_none_or(|queue| queue == id::queue_of(*band));
        let ahead = |band: i64| Ok((head::read(conn, band)?.pos.max(id::floor(band)), id::ceiling(band)));
        let spans = bands.into_iter().filter(own).map(ahead).collect::<Result<_>>()?;
        take("pyqueue_job j WHERE j.mark=0", "j.id", spans)?;
        // A moved job that has run comes back at the floor of its band, before every place.
        let with_floor = |band: i64| (id::floor(band) - 1, id::ceiling(band));
        take(AGAIN, "s.at", again(conn)?.into_iter().filter(own).map(with_floor).collect())?;
    } else {
        take(source(filter.state), "j.id", bands.into_iter().map(whole).collect())?;
    }
    Ok(found)
}

const AGAIN: &str =
    "pyqueue_side s CROSS JOIN pyqueue_job j ON j.id=s.id WHERE s.place=1 AND s.k=0 AND j.retries=0";

/// Every band that has jobs in line again: a skip scan.
fn again(conn: &Connection) -> Result<Vec<i64>> {
    skip(conn, "SELECT at>>43 FROM pyqueue_side WHERE place=1 AND k=0 AND at>? ORDER BY at LIMIT 1")
}

/// Every band with rows, the shelf's too: a skip scan.
fn bands(conn: &Connection) -> Result<Vec<i64>> {
    skip(conn, "SELECT id>>43 FROM pyqueue_job WHERE id>? ORDER BY id LIMIT 1")
}

fn skip(conn: &Connection, sql: &str) -> Result<Vec<i64>> {
    let mut next = conn.prepare_cached(sql)?;
    let mut bands: Vec<i64> = Vec::new();
    let mut from = 0;
    while let Some(band) = next.query_row([from], |row| row.get(0)).optional()? {
        row::onward(from, id::ceiling(band))?;
        bands.push(band);
        from = id::ceiling(band);
    }
    Ok(bands)
}

/// A job that has not ended.
pub fn of_row(conn: &Connection, file: u32, job: &JobRow) -> Result<JobSummary> {
    let run_at_us = side::read(conn, job.id)?.filter(|side| side.place == side::LATER).map(|side| side.k);
    let lease = lease::covering(conn, job.id)?;
    let progress = lease.map(|lease| progress::read(conn, job.id, lease.token)).transpose()?.flatten();
    Ok(JobSummary {
        id: super::change::public(file, job.id, job.nonce, job.alias.clone()),
        task: job.task.clone(),
        queue: rules::name_of(conn, id::queue_of(job.band()))?,
        priority: id::priority_of(job.band()),
        state: view::state(conn, job)?,
        attempts: job.attempts,
        retries: job.retries,
        enqueued_us: job.enqueued,
        run_at_us,
        finished_us: None,
        failure: None,
        progress,
        payload: None,
    })
}

macro_rules! history_columns {
    () => {
        "SELECT h.job, h.nonce, h.alias, h.band, h.task, h.state, h.attempt, h.retries, h.enqueued, h.finished, \
         h.error, h.message, h.traceback, h.content_type, h.payload, h.checksum, \
         (SELECT name FROM pyqueue_queue WHERE num=h.band>>8) FROM pyqueue_history h"
    };
}
use history_columns;

/// Whether the error fits pattern ?4. What is trimmed from the right of a dotted name, every character but dots, leaves
/// its module.
macro_rules! error_fits {
    () => {
        "(h.error GLOB ?4 OR substr(h.error, length(rtrim(h.error, replace(h.error, '.', '')))+1) GLOB ?4 \
         OR h.error||': '||h.message GLOB ?4 \
         OR substr(h.error, length(rtrim(h.error, replace(h.error, '.', '')))+1)||': '||h.message GLOB ?4)"
    };
}

fn ended(conn: &Connection, file: u32, filter: &Filter) -> Result<Vec<JobSummary>> {
    let mut statement = conn.prepare_cached(concat!(
        history_columns!(),
        " WHERE h.state IS NOT NULL AND h.nonce>=0 AND (?1 IS NULL OR h.state=?1) AND (?2 IS NULL OR h.task GLOB ?2) \
         AND (?3 IS NULL OR h.band>>8=(SELECT num FROM pyqueue_queue WHERE name=?3)) \
         AND (?4 IS NULL OR ",
        error_fits!(),
        ") AND (?5 IS NULL OR h.finished>=?5) ORDER BY h.seq DESC LIMIT ?6"
    ))?;
    let state = filter.state.and_then(history::state_code);
    let filled = params![state, filter.task, filter.queue, filter.error, filter.since_us, filter.limit];
    let rows =
        statement.query_map(filled, |row| Ok(JobSummary { payload: None, ..of_history(row, file)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn of_history(row: &Row<'_>, file: u32) -> rusqlite::Result<JobSummary> {
    let band: i64 = row.get(3)?;
    let body: Option<Vec<u8>> = row.get(14)?;
    let body = body.filter(|body| history::sound(row.get(15).unwrap_or(None), Some(body)));
    Ok(JobSummary {
        id: super::change::public(file, id::RowId(row.get(0)?), row.get(1)?, row.get(2)?),
        task: row.get(4)?,
        queue: row.get::<_, Option<String>>(16)?.unwrap_or_default(),
        priority: id::priority_of(band),
        state: history::state_of(row.get(5)?),
        attempts: row.get(6)?,
        retries: row.get(7)?,
        enqueued_us: row.get(8)?,
        run_at_us: None,
        finished_us: row.get(9)?,
        failure: failure(row, 10, None)?,
        progress: None,
        payload: match body {
            Some(body) => Some(Payload { content_type: row.get(13)?, body }),
            None => None,
        },
    })
}

/// Drops what is kept of an ended job; false if there is nothing. The rows stay without a name until they are
/// pruned, so that a sequence number is never given twice.
pub fn forget(change: &mut Change, text: &str) -> Result<bool> {
    let Some(named) = view::resolve(change.conn, change.file, text)? else { return Ok(false) };
    if view::live(change.conn, named)?.is_some() {
        return Ok(false);
    }
    let count = change
        .conn
        .prepare_cached(
            "UPDATE pyqueue_history SET nonce=-1, alias=NULL, content_type=NULL, result=NULL, error=NULL, message=NULL, \
             traceback=NULL, dedup=NULL, payload=NULL, checksum=NULL WHERE job=?1 AND (?2 IS NULL OR nonce=?2)",
        )?
        .execute(params![named.row.0, named.nonce()])?;
    alias::delete(change.conn, named.row)?;
    if count > 0 {
        log::drop_job(change, named.row)?;
    }
    Ok(count > 0)
}
