//! Revoke: a job that waits is cancelled at once. Of one that runs it is noted, beside its lease, that its attempt is
//! to end; however that ends but in success, the job is cancelled then. One that is to give way comes back in line.

use rusqlite::{Connection, params};

use super::Store;
use super::change::Change;
use super::history::{self, Run};
use super::lease::Lease;
use super::leave::{self, Exit};
use super::row::JobRow;
use super::{finish, inbox, lease, log, side, view};
use crate::error::Result;
use crate::id::RowId;
use crate::job::{Failure, Outcome, State};
use crate::mutants::{self, Mutant};

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// It had not begun and never will.
    Cancelled,
    /// It runs, and its worker is asked to end it.
    Asked,
    /// It has ended, or is not there.
    Late,
}

/// An attempt that is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The job.
    pub row: RowId,
    /// Whose attempt.
    pub token: i64,
    /// What its process gets if it does not end by itself.
    pub signal: i32,
    /// How long it has before that, and after that before it is killed (µs).
    pub grace_us: i64,
    /// What becomes of its job.
    pub then: Then,
}

/// What becomes of a job whose attempt was to end and did, but not in success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is cancelled.
    Cancelled,
    /// It is back in line, and the attempt does not count.
    Back,
}

impl Then {
    fn of(back: bool) -> Then {
        if back { Then::Back } else { Then::Cancelled }
    }
}

impl Store {
    /// Cancels a job, or asks the worker that runs it to end it. Rings `Line::Ready` and `Line::Control`.
    pub fn revoke(&self, id: &str, signal: i32, grace_us: i64) -> Result<Revoked> {
        let id = id.to_owned();
        self.keep(self.options.durability, move |change| revoke(change, &id, signal, grace_us))
    }

    /// The attempts that are to end.
    pub fn wishes(&self) -> Result<Vec<Wish>> {
        self.read(|conn, _| wishes(conn))
    }
}

fn revoke(change: &mut Change, text: &str, signal: i32, grace_us: i64) -> Result<Revoked> {
    inbox::fold_id(change, text)?;
    let Some(named) = view::resolve(change.conn, change.file, text)? else { return Ok(Revoked::Late) };
    let Some(job) = view::live(change.conn, named)? else { return Ok(Revoked::Late) };
    let Some(lease) = lease::covering(change.conn, job.id)? else {
        leave::leave(change, &job, Exit::Cancelled)?;
        return Ok(Revoked::Cancelled);
    };
    ask(change, &lease, job.id, (signal, grace_us), Then::Cancelled)?;
    Ok(Revoked::Asked)
}

/// Notes that the attempt that runs a job is to end. What is to be cancelled is not spared by a later word.
pub fn ask(
    change: &mut Change,
    lease: &Lease,
    id: RowId,
    (signal, grace_us): (i32, i64),
    then: Then,
) -> Result<()> {
    lease::mark(change.conn, lease, id)?;
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_revoke(id, token, signal, grace, back) VALUES(?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT(id) DO UPDATE SET token=?2, signal=?3, grace=?4, back=min(back, ?5)",
        )?
        .execute(params![id.0, lease.token, signal, grace_us, then == Then::Back])?;
    (change.rings.ready, change.rings.control) = (true, true);
    Ok(())
}

fn wishes(conn: &Connection) -> Result<Vec<Wish>> {
    let mut statement = conn.prepare_cached("SELECT id, token, signal, grace, back FROM pyqueue_revoke")?;
    let rows = statement.query_map([], |row| {
        let (row_id, token) = (RowId(row.get(0)?), row.get(1)?);
        let then = Then::of(row.get(4)?);
        Ok(Wish { row: row_id, token, signal: row.get(2)?, grace_us: row.get(3)?, then })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Forgets the wishes about these rows, whose lease ends; the rows, and what becomes of them.
pub fn take(conn: &Connection, first: RowId, last: RowId) -> Result<Vec<(RowId, Then)>> {
    let mut statement =
        conn.prepare_cached("DELETE FROM pyqueue_revoke WHERE id BETWEEN ?1 AND ?2 RETURNING id, back")?;
    let rows =
        statement.query_map([first.0, last.0], |row| Ok((RowId(row.get(0)?), Then::of(row.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Ends the attempt of a job that was to end and did not in success. Its lease must be cut already.
pub fn end(change: &mut Change, job: &JobRow, run: Run, outcome: &Outcome, then: Then) -> Result<()> {
    match then {
        Then::Cancelled => cancel(change, job, run, outcome),
        Then::Back => {
            if let Some(token) = run.token {
                log::drop_attempt(change, job.id, token)?;
            }
            if mutants::on(Mutant::GaveWayCharged) {
                finish::charge(change, job.id, 0, 1)?;
            }
            side::put_again(change, job.id, job.at())
        }
    }
}

fn cancel(change: &mut Change, job: &JobRow, run: Run, outcome: &Outcome) -> Result<()> {
    let (how, traceback) = match outcome {
        Outcome::Failure(failure) | Outcome::Retry { failure, .. } => {
            let class = failure.error.rsplit('.').next().unwrap_or_default();
            (format!("ended with {class}: {}", failure.message), failure.traceback.clone())
        }
        Outcome::Lost { reason, .. } => (reason.clone(), None),
        Outcome::Success(_) | Outcome::GivenBack => ("it was not run to its end".into(), None),
    };
    let failure = Failure {
        error: "pyqueue.exceptions.TaskRevokedError".into(),
        message: format!("the job was revoked while it ran: {how}"),
        traceback,
        ..Failure::default()
    };
    history::append(change, job, history::CANCELLED, Some(State::Cancelled), run, Some(&failure))?;
    change.heads.get(job.band())?.revoked += 1;
    leave::remove(change, job)
}
