//! The inbox: what a foreign connection wrote with one INSERT becomes jobs here, in the order it was written.
//!
//! Its rows are another program's: CHECKs can't see a NUL in a name or bytes that are no UTF-8, and don't know
//! `max_body`. A row that can't be a job becomes a dead one that says why. An error here would stop every claim.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::change::Change;
use super::{enqueue, errback, rules, view};
use crate::error::{Error, Result};
use crate::job::{Dedup, Errback, Failure, NewJob, Payload};
use crate::mutants::{self, Mutant};

/// A name has at most 255 characters of 4 bytes; a longer one is not read.
const ROWS: &str = "SELECT seq, \
    CASE WHEN octet_length(id)<=1020 THEN id END, CASE WHEN octet_length(task)<=1020 THEN task END, \
    CASE WHEN octet_length(queue)<=1020 THEN queue END, priority, run_at, expires, \
    CASE WHEN ifnull(octet_length(dedup_key), 0)<=1020 THEN dedup_key ELSE '' END, \
    CASE WHEN ifnull(octet_length(content_type), 0)<=1020 THEN content_type ELSE '' END, \
    octet_length(body), CASE WHEN octet_length(body)<=?2 THEN body END, \
    dedup, dedup_window, max_losses, time_limit, soft_time_limit, octet_length(errbacks), \
    CASE WHEN octet_length(errbacks)<=?2 THEN errbacks END FROM pyqueue_inbox ORDER BY seq LIMIT ?1";

/// How many rows are folded between two looks for a key or an id.
const KEY_STEP: usize = 1000;

/// A row, and what is wrong with it.
struct Read {
    seq: i64,
    job: NewJob,
    trouble: Option<String>,
}

/// Whether there is a row.
pub fn waiting(conn: &Connection) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT EXISTS(SELECT 1 FROM pyqueue_inbox)")?.query_row([], |row| row.get(0))?)
}

/// Turns up to `limit` rows into jobs; true if there may be more. Repeatable: a row leaves the inbox in the
/// transaction that makes its job, and its id is the job's.
pub fn fold(change: &mut Change, limit: usize) -> Result<bool> {
    change.folding = true;
    let more = fold_some(change, limit);
    change.folding = false;
    more
}

/// Turns rows into jobs until none is left that has this dedup key: whoever asks for a key must see them.
pub fn fold_key(change: &mut Change, queue: &str, key: &str) -> Result<()> {
    // A row that is being folded is there no more; those behind it come when their turn has come.
    while !change.folding && has_key(change.conn, queue, key)? {
        fold(change, KEY_STEP)?;
    }
    Ok(())
}

/// Turns rows into jobs until the one of this id is.
pub fn fold_id(change: &mut Change, id: &str) -> Result<()> {
    while view::in_inbox(change.conn, id)? {
        fold(change, KEY_STEP)?;
    }
    Ok(())
}

fn has_key(conn: &Connection, queue: &str, key: &str) -> Result<bool> {
    let sql = "SELECT EXISTS(SELECT 1 FROM pyqueue_inbox WHERE queue=? AND dedup_key=?)";
    Ok(conn.prepare_cached(sql)?.query_row([queue, key], |row| row.get(0))?)
}

fn fold_some(change: &mut Change, limit: usize) -> Result<bool> {
    let max_body = change.options.max_body;
    let letters: Vec<Read> = change
        .conn
        .prepare_cached(ROWS)?
        .query_map(params![limit, max_body], |row| letter(row, max_body))?
        .collect::<rusqlite::Result<_>>()?;
    let full = letters.len() == limit;
    let lost = if mutants::on(Mutant::InboxRowLost) { 1..letters.len() } else { 0..0 };
    for (number, Read { seq, job, trouble }) in letters.into_iter().enumerate() {
        change.conn.prepare_cached("DELETE FROM pyqueue_inbox WHERE seq=?")?.execute([seq])?;
        if lost.contains(&number) {
            continue;
        }
        let trouble = match trouble {
            None => fault(change, &job)?,
            known => known,
        };
        match trouble {
            None => drop(enqueue::enqueue(change, job)?),
            Some(message) => {
                let error = "pyqueue.exceptions.InvalidJob".into();
                enqueue::dead(change, job, Failure { error, message, ..Failure::default() })?;
            }
        }
    }
    Ok(full)
}

/// Why a job can't be stored.
fn fault(change: &mut Change, job: &NewJob) -> Result<Option<String>> {
    match enqueue::check(job).and_then(|()| rules::queue(change, &job.queue)) {
        Ok(_) => Ok(None),
        Err(Error::Invalid(why)) => Ok(Some(why)),
        Err(error) => Err(error),
    }
}

fn letter(row: &Row<'_>, max_body: usize) -> rusqlite::Result<Read> {
    let mut trouble = None;
    let id = text(row, 1, "id", &mut trouble)?;
    let task =
        text(row, 2, "task's name", &mut trouble)?.unwrap_or_else(|| too_long("task's name", &mut trouble));
    let queue =
        text(row, 3, "queue's name", &mut trouble)?.unwrap_or_else(|| too_long("queue's name", &mut trouble));
    let dedup_key = text(row, 7, "dedup key", &mut trouble)?;
    let content_type = text(row, 8, "content type", &mut trouble)?;
    let size: i64 = row.get(9)?;
    let body: Option<Vec<u8>> = row.get(10)?;
    if body.is_none() {
        trouble = Some(format!("the body takes {size} bytes, the limit is {max_body}"));
    }
    let job = NewJob {
        alias: Some(id.unwrap_or_else(|| too_long("id", &mut trouble))),
        task,
        payload: Payload { body: body.unwrap_or_default(), content_type },
        queue,
        priority: row.get(4)?,
        run_at_us: row.get(5)?,
        expires_us: row.get(6)?,
        dedup_key,
        // Whether the key was free was decided when the row was written.
        dedup: if row.get_ref(11)?.as_str() == Ok("replace") { Dedup::Replace } else { Dedup::Return },
        dedup_window_us: row.get(12)?,
        max_losses: row.get(13)?,
        time_limit_us: row.get(14)?,
        soft_time_limit_us: row.get(15)?,
        errbacks: errbacks(row, max_body, &mut trouble)?,
    };
    Ok(Read { seq: row.get(0)?, job, trouble })
}

fn errbacks(row: &Row<'_>, limit: usize, trouble: &mut Option<String>) -> rusqlite::Result<Vec<Errback>> {
    let size: Option<usize> = row.get(16)?;
    let list: Option<Vec<u8>> = row.get(17)?;
    if let Some(size) = size.filter(|size| *size > limit) {
        *trouble = Some(format!("the errbacks take {size} bytes, the limit is {limit}"));
    }
    Ok(list.map_or_else(Vec::new, |list| {
        errback::read(&list).unwrap_or_else(|_| {
            *trouble = Some("the errbacks can't be read".into());
            Vec::new()
        })
    }))
}

fn text(
    row: &Row<'_>,
    at: usize,
    what: &str,
    trouble: &mut Option<String>,
) -> rusqlite::Result<Option<String>> {
    let ValueRef::Text(bytes) = row.get_ref(at)? else { return row.get(at) };
    if std::str::from_utf8(bytes).is_err() {
        *trouble = Some(format!("the {what} is not UTF-8"));
    }
    Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
}

fn too_long(what: &str, trouble: &mut Option<String>) -> String {
    *trouble = Some(format!("the {what} has more than 255 characters"));
    String::new()
}
