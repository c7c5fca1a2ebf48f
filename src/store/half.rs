//! Half messages: jobs that are stored and that nobody may start before their sender says so. One whose sender is
//! silent past a deadline is asked about by a job of its own, again and again with growing pauses, then given up and
//! shown. (RocketMQ's transactional messages.)

use rusqlite::{OptionalExtension, params};

use super::Store;
use super::change::Change;
use super::leave::{self, Exit};
use super::{enqueue, errback, row, side, view};
use crate::error::Result;
use crate::id::{RowId, SHELF};
use crate::job::{Enqueued, NewJob};
use crate::mutants::{self, Mutant};

/// How often a check-back is asked before it is given up, as in RocketMQ.
const QUESTIONS: i64 = 15;
/// The longest pause between two questions (µs).
const LONGEST_PAUSE: i64 = 3_600_000_000;

/// What its sender, or its check-back, says of a half message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It becomes a job like any other.
    Commit,
    /// It is cancelled.
    Rollback,
}

impl Store {
    /// Stores a job that nobody may start before `settle`; `question` is the job that asks about it if nobody does.
    pub fn prepare(&self, job: NewJob, question: NewJob, pause_us: i64) -> Result<Enqueued> {
        for one in [&job, &question] {
            enqueue::check(one)?;
            enqueue::check_size(one, self.options.max_body)?;
        }
        self.take_in(move |change| prepare(change, job, question, pause_us))
    }

    /// Lets a prepared job start, or cancels it; false if it is not prepared (any more).
    pub fn settle(&self, id: &str, verdict: Verdict) -> Result<bool> {
        let id = id.to_owned();
        self.keep(self.options.durability, move |change| settle(change, &id, verdict))
    }
}

/// Stores a job as prepared. `question` is the job that asks what became of its sender, first after `pause_us`.
pub fn prepare(change: &mut Change, job: NewJob, question: NewJob, pause_us: i64) -> Result<Enqueued> {
    let run_at = job.run_at_us;
    let (answer, row) = enqueue::prepared(change, job)?;
    let Some((row, _)) = row else { return Ok(answer) };
    let question = errback::one(question);
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_half(id, due, run_at, pause, question) VALUES(?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![row.0, change.now.saturating_add(pause_us), run_at, pause_us, question])?;
    Ok(answer)
}

/// Settles one; false if it is not prepared (any more).
pub fn settle(change: &mut Change, text: &str, verdict: Verdict) -> Result<bool> {
    let Some(named) = view::resolve(change.conn, change.file, text)? else { return Ok(false) };
    let Some(job) = view::live(change.conn, named)? else { return Ok(false) };
    let Some(run_at) = run_at(change, job.id)? else { return Ok(false) };
    if verdict == Verdict::Rollback {
        leave::leave(change, &job, Exit::Cancelled)?;
        return Ok(true);
    }
    side::take(change, job.id)?;
    match run_at.filter(|at| *at > change.now) {
        Some(run_at) => side::put_later(change, job.id, run_at, job.at())?,
        None => {
            side::put_again(change, job.id, job.at())?;
            if job.id.band() == SHELF {
                // It may end from here on, and its place must not be given again.
                change.heads.vacate_shelf(job.id.0)?;
            }
        }
    }
    Ok(true)
}

/// `None`: not prepared.
fn run_at(change: &Change, id: RowId) -> Result<Option<Option<i64>>> {
    Ok(change
        .conn
        .prepare_cached("SELECT run_at FROM pyqueue_half WHERE id=?")?
        .query_row([id.0], |row| row.get(0))
        .optional()?)
}

/// Drops what is known of one that is prepared no more.
pub fn forget(change: &Change, id: RowId) -> Result<()> {
    change.conn.prepare_cached("DELETE FROM pyqueue_half WHERE id=?")?.execute([id.0])?;
    Ok(())
}

/// What a look at the half messages came to.
#[derive(Debug, Default)]
pub struct Asked {
    /// There may be more to do at once.
    pub more: bool,
    /// Public ids of those that nobody is asked about any more.
    pub given_up: Vec<String>,
}

/// Stores the questions that are due. After the last one there is as much time for an answer as after any other.
pub fn ask(change: &mut Change, limit: usize) -> Result<Asked> {
    let mut done = Asked::default();
    if mutants::on(Mutant::HalvesUnasked) {
        return Ok(done);
    }
    let due: Vec<(i64, i64, i64, Vec<u8>)> = change
        .conn
        .prepare_cached(
            "SELECT id, asked, pause, question FROM pyqueue_half WHERE due<=?1 ORDER BY due LIMIT ?2",
        )?
        .query_map(params![change.now, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (id, asked, pause, question) in &due {
        if *asked >= QUESTIONS {
            change.conn.prepare_cached("UPDATE pyqueue_half SET due=NULL WHERE id=?1")?.execute([id])?;
            let job = row::read(change.conn, RowId(*id))?;
            done.given_up.extend(job.map(|job| change.public(job.id, job.nonce, job.alias)));
            continue;
        }
        let asked = asked + 1;
        let pause = pause.saturating_mul(1 << asked.min(20)).min(LONGEST_PAUSE.max(*pause));
        let there = change
            .conn
            .prepare_cached("UPDATE pyqueue_half SET asked=?2, due=?3 WHERE id=?1")?
            .execute(params![id, asked, change.now.saturating_add(pause)])?;
        if there == 0 {
            // The question before it took its dedup key.
            continue;
        }
        // A question that can't be read must not keep the others from being asked.
        if let Some(job) = errback::read_one(question) {
            errback::follow(change, job)?;
        }
    }
    done.more = due.len() == limit;
    Ok(done)
}

/// When the next question is due (wall time).
pub fn next_due(change: &Change) -> Result<Option<i64>> {
    Ok(change
        .conn
        .prepare_cached("SELECT min(due) FROM pyqueue_half WHERE due IS NOT NULL")?
        .query_row([], |row| row.get(0))?)
}

/// Whether nobody asks about it any more.
pub fn given_up(conn: &rusqlite::Connection, id: RowId) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM pyqueue_half WHERE id=? AND due IS NULL)")?
        .query_row([id.0], |row| row.get(0))?)
}
