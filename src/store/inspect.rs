//! Counts for people: one row a queue, from the heads' counters and never from a scan of jobs.

use rusqlite::{Connection, OptionalExtension};

use super::head::{self, Head};
use super::row;
use crate::error::Result;
use crate::id;

/// Counts of one queue.
#[derive(Debug, Clone, Default)]
pub struct QueueView {
    /// Its name.
    pub name: String,
    /// Whether it is paused as a whole.
    pub paused: bool,
    /// Jobs in line, those of the inbox included.
    pub waiting: i64,
    /// Jobs whose time has not come.
    pub delayed: i64,
    /// Jobs set aside until a reason is lifted.
    pub parked: i64,
    /// Jobs that wait for the word of their sender.
    pub prepared: i64,
    /// Jobs that wait for others of their workflow.
    pub held: i64,
    /// Jobs under leases.
    pub running: i64,
    /// Jobs that succeeded since the file was made.
    pub succeeded: i64,
    /// Jobs that failed or died since the file was made.
    pub failed: i64,
    /// Jobs that were cancelled or expired since the file was made.
    pub revoked: i64,
    /// Attempts that ended in a retry since the file was made.
    pub retried: i64,
    /// Attempts that ended with their process since the file was made.
    pub lost: i64,
    /// When the oldest job in line was made (wall time, µs); of the inbox, which has no times, nothing is known.
    pub oldest_us: Option<i64>,
}

/// Every queue of the file.
pub fn queues(conn: &Connection) -> Result<Vec<QueueView>> {
    let mut statement = conn.prepare_cached(
        "SELECT num, name, EXISTS(SELECT 1 FROM pyqueue_gate g WHERE g.kind='pause' AND g.scope='queue' AND g.name=q.name AND g.shut=1) \
         FROM pyqueue_queue q ORDER BY name",
    )?;
    let rows: Vec<(i64, QueueView)> = statement
        .query_map([], |row| {
            Ok((row.get(0)?, QueueView { name: row.get(1)?, paused: row.get(2)?, ..QueueView::default() }))
        })?
        .collect::<rusqlite::Result<_>>()?;
    rows.into_iter().map(|(num, view)| count(conn, num, view)).collect()
}

fn count(conn: &Connection, num: i64, mut view: QueueView) -> Result<QueueView> {
    for band in bands(conn, num)? {
        let head = head::read(conn, band)?;
        view.waiting += in_line(conn, band, &head)?;
        view.delayed += head.later;
        view.parked += head.parked;
        view.held += head.held;
        view.succeeded += head.succeeded;
        view.failed += head.failed;
        view.revoked += head.revoked;
        view.retried += head.retried;
        view.lost += head.lost;
        view.oldest_us = [view.oldest_us, oldest(conn, band, &head)?].into_iter().flatten().min();
    }
    view.prepared = prepared(conn, num)?;
    view.running = running(conn, num)?;
    view.waiting += letters(conn, &view.name)?;
    Ok(view)
}

/// Jobs of a band that could be claimed.
fn in_line(conn: &Connection, band: i64, head: &Head) -> Result<i64> {
    let tail = head::last_row(conn, band)?.unwrap_or(head.pos).max(head.pos);
    Ok(tail - head.pos - head.spoken + head.again)
}

/// Rows of the inbox for a queue.
fn letters(conn: &Connection, queue: &str) -> Result<i64> {
    Ok(conn
        .prepare_cached("SELECT count(*) FROM pyqueue_inbox WHERE queue=?")?
        .query_row([queue], |row| row.get(0))?)
}

/// Jobs that could be claimed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How many.
    pub waiting: usize,
    /// When the oldest of them was made, or fell due (wall time, µs).
    pub oldest_us: Option<i64>,
}

/// Who waits in these queues by `now`: jobs in line, and those that have fallen due since the last claim.
pub fn backlog(conn: &Connection, queues: Option<&[String]>, now: i64) -> Result<Backlog> {
    let mut found = Backlog::default();
    let mut statement = conn.prepare_cached(
        "SELECT num, name FROM pyqueue_queue q WHERE NOT EXISTS(SELECT 1 FROM pyqueue_gate g \
         WHERE g.kind='pause' AND g.scope='queue' AND g.name=q.name AND g.shut=1)",
    )?;
    let open: Vec<(i64, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
    for (num, name) in open {
        if queues.is_some_and(|wanted| !wanted.contains(&name)) {
            continue;
        }
        let mut line = 0;
        for band in bands(conn, num)? {
            let head = head::read(conn, band)?;
            line += in_line(conn, band, &head)?;
            found.oldest_us = [found.oldest_us, oldest(conn, band, &head)?].into_iter().flatten().min();
        }
        let (low, high) = id::places(num);
        let (due, since): (i64, Option<i64>) = conn
            .prepare_cached(
                "SELECT count(*), min(k) FROM (SELECT k FROM pyqueue_side \
                 WHERE place=3 AND k<=?1 AND at BETWEEN ?2 AND ?3 ORDER BY k LIMIT 1000)",
            )?
            .query_row([now, low, high], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.oldest_us = [found.oldest_us, since].into_iter().flatten().min();
        found.waiting += usize::try_from(line + due + letters(conn, &name)?).unwrap_or(0);
    }
    Ok(found)
}

/// When the first job in line of a band was made. Places ascend as jobs are made, so that one row of the ready
/// order and one of the list beside it are enough: 1 M jobs in line cost as much as one.
fn oldest(conn: &Connection, band: i64, head: &Head) -> Result<Option<i64>> {
    let ready = conn
        .prepare_cached(
            "SELECT enqueued FROM pyqueue_job WHERE id>?1 AND id<=?2 AND mark=0 ORDER BY id LIMIT 1",
        )?
        .query_row([head.pos, id::ceiling(band)], |row| row.get(0))
        .optional()?;
    let again = conn
        .prepare_cached(
            "SELECT j.enqueued FROM pyqueue_side s JOIN pyqueue_job j ON j.id=s.id \
             WHERE s.place=1 AND s.k=0 AND s.at>=?1 AND s.at<=?2 ORDER BY s.at, s.id LIMIT 1",
        )?
        .query_row([id::floor(band), id::ceiling(band)], |row| row.get(0))
        .optional()?;
    Ok([ready, again].into_iter().flatten().min())
}

/// The bands of a queue that have a head or a row: a skip scan, one seek a band.
fn bands(conn: &Connection, num: i64) -> Result<Vec<i64>> {
    let mut bands: Vec<i64> = conn
        .prepare_cached("SELECT band FROM pyqueue_head WHERE band BETWEEN ?1 AND ?2")?
        .query_map([num << 8, (num << 8) | 255], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let (mut from, last) = id::places(num);
    let mut next =
        conn.prepare_cached("SELECT id>>43 FROM pyqueue_job WHERE id>?1 AND id<=?2 ORDER BY id LIMIT 1")?;
    while let Some(band) = next.query_row([from, last], |row| row.get::<_, i64>(0)).optional()? {
        row::onward(from, id::ceiling(band))?;
        bands.push(band);
        from = id::ceiling(band);
    }
    bands.sort_unstable();
    bands.dedup();
    Ok(bands)
}

fn prepared(conn: &Connection, num: i64) -> Result<i64> {
    let (low, high) = id::places(num);
    Ok(conn
        .prepare_cached("SELECT count(*) FROM pyqueue_side WHERE place=4 AND k=0 AND at>=?1 AND at<=?2")?
        .query_row([low, high], |row| row.get(0))?)
}

/// Jobs of a queue under leases; a job from the shelf, or of another queue than at first, says it in its own row.
fn running(conn: &Connection, num: i64) -> Result<i64> {
    Ok(conn
        .prepare_cached(
            "SELECT ifnull(sum(CASE WHEN first>>51 AND plain THEN (first>>51=?1)*jobs ELSE \
             (SELECT count(*) FROM pyqueue_job WHERE id BETWEEN first AND last AND ifnull(home, id>>43)>>8=?1) END), 0) FROM pyqueue_lease",
        )?
        .query_row([num], |row| row.get(0))?)
}
