//! History: one row an attempt, in the order of finishing; the last of a job has its state and its result.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params};

use super::change::Change;
use super::head::WALK;
use super::row::JobRow;
use super::{advance, alias, log};
use crate::error::Result;
use crate::id::RowId;
use crate::job::{Failure, Payload, State, Usage};
use crate::mutants::{self, Mutant};

/// Codes of `pyqueue_history.outcome`.
pub const SUCCESS: i64 = 0;
pub const FAILURE: i64 = 1;
pub const RETRY: i64 = 2;
pub const CANCELLED: i64 = 3;
pub const EXPIRED: i64 = 4;
pub const LOST: i64 = 5;
pub const REPLACED: i64 = 6;

/// The name of an outcome's code.
pub fn outcome_name(code: i64) -> &'static str {
    ["success", "failure", "retry", "cancelled", "expired", "lost", "replaced"]
        .get(code as usize)
        .copied()
        .unwrap_or("unknown")
}

/// The code of an end state.
pub fn state_code(state: State) -> Option<i64> {
    match state {
        State::Success => Some(0),
        State::Failed => Some(1),
        State::Dead => Some(2),
        State::Cancelled => Some(3),
        State::Expired => Some(4),
        _ => None,
    }
}

/// The end state of a code.
pub fn state_of(code: i64) -> State {
    match code {
        0 => State::Success,
        1 => State::Failed,
        2 => State::Dead,
        3 => State::Cancelled,
        4 => State::Expired,
        _ => State::Unknown,
    }
}

/// Under which claim an attempt ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct Run {
    pub token: Option<i64>,
    pub owner: Option<i64>,
    /// Wall time (µs).
    pub started: Option<i64>,
    pub usage: Option<Usage>,
}

/// A success to be appended.
pub struct Success<'a> {
    pub id: RowId,
    pub run: Run,
    pub result: Option<&'a Payload>,
}

/// Appends successes in the order of their rows, which have no other row between them, taking what is known of each
/// job from its row.
///
/// Not by `INSERT … SELECT`: a statement that may write several rows keeps a copy of each page it touches, to be able
/// to undo its own half, and that was a twelfth of the supervisor's time.
pub fn append_successes(change: &mut Change, successes: &[Success]) -> Result<()> {
    let (Some(first), Some(last)) = (successes.first(), successes.last()) else { return Ok(()) };
    let conn = change.conn;
    let mut jobs = conn.prepare_cached(
        "SELECT id, nonce, alias, ifnull(home, id>>43), task, attempts+1, retries, enqueued, fills FROM pyqueue_job \
         WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    )?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO pyqueue_history(job, nonce, alias, band, task, attempt, outcome, state, retries, token, owner, \
         enqueued, started, finished, cpu, memory, content_type, result, checksum, fills) VALUES(?,?,?,?,?,?,0,0,?,?,?,?,?,?,?,?,?,?,?,?)",
    )?;
    let mut rows = jobs.query([first.id.0, last.id.0])?;
    let mut of = successes.iter();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let Some(Success { run, result, .. }) = of.find(|success| success.id.0 == id) else { break };
        let known = |column| row.get_ref(column).map(ToSqlOutput::Borrowed);
        insert.execute(params![
            id,
            known(1)?,
            known(2)?,
            known(3)?,
            known(4)?,
            known(5)?,
            known(6)?,
            run.token,
            run.owner,
            known(7)?,
            run.started,
            change.now,
            run.usage.and_then(|used| used.cpu_us),
            run.usage.map(|used| used.peak),
            result.and_then(|payload| payload.content_type.as_deref()),
            result.map(|payload| payload.body.as_slice()),
            result.map(|payload| crc32fast::hash(&payload.body)),
            known(8)?
        ])?;
        change.appended.set(conn.last_insert_rowid());
        if let Some(input) = row.get(8)? {
            advance::fill(change, input, advance::End::Success(*result))?;
        }
    }
    Ok(())
}

/// Appends an attempt that did not succeed. `ended` is the state in which the job ended, if it did.
pub fn append(
    change: &mut Change,
    job: &JobRow,
    outcome: i64,
    ended: Option<State>,
    run: Run,
    failure: Option<&Failure>,
) -> Result<()> {
    // What failed can be replayed: its arguments and options are kept with it.
    let kept = matches!(ended, Some(State::Failed | State::Dead)).then_some(job);
    let raised = failure.and_then(|failure| failure.payload.as_ref());
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_history(job, nonce, alias, band, task, attempt, outcome, state, retries, token, owner, \
             enqueued, started, finished, cpu, memory, content_type, result, error, message, traceback, max_losses, time_limit, \
             soft_time_limit, expires, dedup, payload, checksum, node, fills) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        )?
        .execute(params![
            job.id.0,
            job.nonce,
            job.alias,
            job.band(),
            job.task,
            job.attempts.saturating_add(1),
            outcome,
            ended.and_then(state_code),
            job.retries,
            run.token,
            run.owner,
            job.enqueued,
            run.started,
            change.now,
            run.usage.and_then(|used| used.cpu_us),
            run.usage.map(|used| used.peak),
            kept.and_then(|job| job.content_type.as_deref()),
            raised.map(|payload| payload.body.as_slice()),
            failure.map(|failure| failure.error.as_str()),
            failure.map(|failure| failure.message.as_str()),
            failure.and_then(|failure| failure.traceback.as_deref()),
            kept.map(|job| job.max_losses),
            kept.and_then(|job| job.time_limit),
            kept.and_then(|job| job.soft_time_limit),
            kept.and_then(|job| job.expires),
            kept.and_then(|job| job.dedup.as_deref()),
            kept.and_then(|job| job.payload.as_deref()),
            // That of the enqueue: arguments that were damaged since stay known as such.
            kept.and_then(|job| job.checksum),
            kept.and_then(|job| job.node),
            job.fills,
        ])?;
    change.appended.set(change.conn.last_insert_rowid());
    if let (Some(input), Some(state)) = (job.fills, ended) {
        advance::fill(change, input, advance::End::Other(state, failure))?;
    }
    Ok(())
}

/// Whether what is kept is what was stored. Where something is, its checksum is too.
pub fn sound(checksum: Option<i64>, kept: Option<&[u8]>) -> bool {
    checksum == kept.map(|kept| i64::from(crc32fast::hash(kept)))
}

/// Why a result is not given out.
pub fn damaged_result() -> Failure {
    Failure {
        error: "pyqueue.exceptions.CorruptPayload".into(),
        message: "the stored result doesn't match its checksum: the file was damaged outside of pyqueue"
            .into(),
        ..Failure::default()
    }
}

/// Whether the history says that this token ended this job with this outcome.
pub fn recorded(conn: &Connection, id: RowId, token: i64, outcome: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM pyqueue_history WHERE job=?1 AND token=?2 AND outcome=?3)",
        )?
        .query_row([id.0, token, outcome], |row| row.get(0))?)
}

/// Deletes successes that are too many or too old, looking at up to `limit` rows from where the last walk
/// stopped. The newest row stays, so that a sequence number is never given twice. True if there is more.
pub fn prune_successes(change: &mut Change, limit: i64) -> Result<bool> {
    if mutants::on(Mutant::HistoryUnbounded) {
        return Ok(false);
    }
    let newest: i64 = change
        .conn
        .prepare_cached("SELECT ifnull(max(seq), 0) FROM pyqueue_history")?
        .query_row([], |row| row.get(0))?;
    let walk = change.heads.pos(WALK)?;
    let surplus = newest - change.options.history_count;
    let old = change.now.saturating_sub(change.options.history_age_us);
    // What has a time of its own goes by that.
    let rows: Vec<(i64, i64, Option<i64>, bool, i64)> = change
        .conn
        .prepare_cached(
            "SELECT seq, finished, CASE WHEN until IS NULL THEN state END, alias IS NOT NULL, job \
            FROM pyqueue_history WHERE seq>?1 ORDER BY seq LIMIT ?2",
        )?
        .query_map([walk, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let full = rows.len() as i64 == limit;
    let goes = |(seq, finished, ..): &&(i64, i64, Option<i64>, bool, i64)| {
        *seq < newest && (*seq <= surplus || *finished <= old)
    };
    let gone: Vec<_> = rows.iter().take_while(goes).collect();
    let Some((done, ..)) = gone.last() else { return Ok(false) };
    log::drop_range(change, walk, *done)?;
    change
        .conn
        .prepare_cached("DELETE FROM pyqueue_history WHERE seq>?1 AND seq<=?2 AND state=0 AND until IS NULL")?
        .execute([walk, *done])?;
    for (.., job) in gone.iter().filter(|(_, _, state, named, _)| *state == Some(0) && *named) {
        alias::delete(change.conn, RowId(*job))?;
    }
    change.heads.get(WALK)?.pos = *done;
    Ok(full && gone.len() == rows.len())
}

/// `prune_successes` for a transaction that has just appended, if the bound on their number calls for it.
pub fn prune_surplus(change: &mut Change, limit: i64) -> Result<()> {
    if change.appended.get() - change.heads.pos(WALK)? > change.options.history_count {
        prune_successes(change, limit)?;
    }
    Ok(())
}

/// Deletes what is not a success and is too old. True if there is more.
pub fn prune_failures(change: &mut Change, limit: i64) -> Result<bool> {
    let old = change.now.saturating_sub(change.options.failed_age_us);
    let walk = change.heads.pos(WALK)?;
    let rows: Vec<(i64, i64, bool, i64)> = change
        .conn
        .prepare_cached(
            "SELECT seq, finished, alias IS NOT NULL, job FROM pyqueue_history \
            WHERE seq<=?1 AND until IS NULL ORDER BY seq LIMIT ?2",
        )?
        .query_map([walk, limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let full = rows.len() as i64 == limit;
    for (seq, finished, named, job) in rows {
        if finished > old {
            return Ok(false);
        }
        log::drop_place(change, seq)?;
        delete(change.conn, seq, named.then_some(RowId(job)))?;
    }
    Ok(full)
}

/// Gives the success of an attempt a time of its own until which it is kept.
pub fn keep_until(change: &Change, id: RowId, token: i64, until: i64) -> Result<()> {
    change
        .conn
        .prepare_cached("UPDATE pyqueue_history SET until=?3 WHERE job=?1 AND token=?2 AND state=0")?
        .execute([id.0, token, until])?;
    Ok(())
}

/// Deletes successes whose own time is over. The newest row stays, as ever. True if there is more.
pub fn prune_timed(change: &mut Change, limit: i64) -> Result<bool> {
    let rows: Vec<(i64, bool, i64)> = change
        .conn
        .prepare_cached(
            "SELECT seq, alias IS NOT NULL, job FROM pyqueue_history WHERE until<=?1 \
             AND seq<(SELECT max(seq) FROM pyqueue_history) ORDER BY until LIMIT ?2",
        )?
        .query_map([change.now, limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (seq, named, job) in &rows {
        log::drop_place(change, *seq)?;
        delete(change.conn, *seq, named.then_some(RowId(*job)))?;
    }
    Ok(rows.len() as i64 == limit)
}

fn delete(conn: &Connection, seq: i64, named: Option<RowId>) -> Result<()> {
    conn.prepare_cached("DELETE FROM pyqueue_history WHERE seq=?")?.execute([seq])?;
    match named {
        Some(row) => alias::delete(conn, row),
        None => Ok(()),
    }
}
