//! Leave: the only way out of the job table for a job that is not under a lease (`finish` is the other door).

use rusqlite::params;

use super::change::Change;
use super::history::{self, Run};
use super::row::{HUSK, JobRow};
use super::{advance, dedup, errback, side, step};
use crate::error::Result;
use crate::id::{self, RowId, SHELF};
use crate::job::{Failure, State};
use crate::mutants::{self, Mutant};

/// Why a job leaves without having run.
#[derive(Debug, Clone)]
pub enum Exit {
    Cancelled,
    Expired,
    /// It can't be run at all.
    Dead(Failure),
    /// What it waited for has failed. Whether those who follow its failure hear of that.
    Upstream(Failure, bool),
    /// It has no reason to run.
    Skipped,
}

/// Writes the job's end and takes it out.
pub fn leave(change: &mut Change, job: &JobRow, exit: Exit) -> Result<()> {
    side::take(change, job.id)?;
    let (outcome, state, failure) = match &exit {
        Exit::Cancelled => (history::CANCELLED, State::Cancelled, None),
        Exit::Expired => (history::EXPIRED, State::Expired, None),
        Exit::Dead(failure) => (history::FAILURE, State::Dead, Some(failure)),
        Exit::Upstream(failure, _) => (history::FAILURE, State::Failed, Some(failure)),
        Exit::Skipped => (history::CANCELLED, State::Cancelled, None),
    };
    if let (Exit::Skipped, Some(input)) = (&exit, job.fills) {
        advance::fill(change, input, advance::End::Skipped)?;
    }
    history::append(change, job, outcome, Some(state), Run::default(), failure)?;
    if state == State::Dead || matches!(exit, Exit::Upstream(_, true)) {
        errback::release(change, job)?;
    }
    remove(change, job)?;
    let head = change.heads.get(job.band())?;
    match state {
        State::Cancelled | State::Expired => head.revoked += 1,
        _ => head.failed += 1,
    }
    Ok(())
}

/// Keeps the places of jobs that were moved away while they were in line, and have ended before the head has come by.
pub fn keep_places(change: &mut Change, first: RowId, last: RowId) -> Result<()> {
    if mutants::on(Mutant::MovedPlaceForgotten) {
        return Ok(());
    }
    let head = change.heads.pos(first.band())?;
    change
        .conn
        .prepare_cached(
            "UPDATE pyqueue_job SET mark=2, payload=NULL, checksum=NULL, dedup=NULL, expires=NULL \
             WHERE id BETWEEN max(?1, ?3+1) AND ?2 AND mark=1",
        )?
        .execute([first.0, last.0, head])?;
    Ok(())
}

/// Removes a job that has ended from the job table, with everything that hangs on it but its side row.
pub fn remove(change: &mut Change, job: &JobRow) -> Result<()> {
    if let Some(key) = &job.dedup {
        dedup::release(change, id::queue_of(job.band()), key, job.id)?;
    }
    if job.errbacks {
        errback::drop_range(change.conn, job.id, job.id)?;
    }
    if job.steps {
        step::drop_range(change.conn, job.id, job.id)?;
    }
    change.rings.ended.push(job.id);
    let place = job.id.0;
    if job.id.band() == SHELF {
        change.heads.vacate_shelf(place)?;
    } else if place > change.heads.pos(job.id.band())? && !mutants::on(Mutant::HuskForgotten) {
        // Above the head the place would be given again: a husk keeps it until the head has passed.
        change
            .conn
            .prepare_cached("UPDATE pyqueue_job SET mark=?2, payload=NULL, checksum=NULL, dedup=NULL, expires=NULL WHERE id=?1")?
            .execute(params![place, HUSK])?;
        // One that was moved is spoken for already.
        change.heads.get(job.id.band())?.spoken += i64::from(job.mark == 0);
        return Ok(());
    }
    change.conn.prepare_cached("DELETE FROM pyqueue_job WHERE id=?")?.execute([place])?;
    Ok(())
}
