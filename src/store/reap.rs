//! Reap: the jobs of a dead or hung worker come back in line.

use std::collections::HashMap;

use rusqlite::params;

use super::change::Change;
use super::history::Run;
use super::lease::{self, Lease};
use super::row::{self, JobRow, columns};
use super::{errback, finish, owner, progress, revoke, side};
use crate::error::Result;
use crate::id::RowId;
use crate::job::Outcome;
use crate::mutants::{self, Mutant};

/// What is known about the jobs of a dead worker.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// Nothing: each job may have been running.
    None,
    /// From the worker's page: jobs that are not in it were never started; the value says whether the job
    /// was running (true) or had finished without its outcome being written (false).
    Page(HashMap<RowId, bool>),
}

/// What one step of reaping did.
#[derive(Debug, Default)]
pub struct Step {
    /// Public ids of the jobs whose attempt is lost.
    pub lost: Vec<String>,
    /// How many came back without having been started.
    pub given_back: usize,
    /// There is more to take back.
    pub more: bool,
}

/// Fences a worker and takes back up to `limit` of its jobs; strikes it once nothing is left.
pub fn reap(change: &mut Change, id: i64, evidence: &Evidence, reason: &str, limit: usize) -> Result<Step> {
    owner::fence(change, id)?;
    let leases = leases(change, "owner=?1", id)?;
    let step = take_back(change, &leases, evidence, reason, limit)?;
    if !step.more {
        owner::strike(change, id)?;
    }
    Ok(step)
}

/// Takes back jobs whose lease has a deadline of its own that has passed.
pub fn overdue(change: &mut Change, limit: usize) -> Result<Step> {
    let leases = leases(change, "deadline<=?1", change.boot)?;
    take_back(change, &leases, &Evidence::None, "its visibility time-out passed", limit)
}

/// Leases are one row a batch in flight: a scan is cheap.
fn leases(change: &Change, condition: &str, value: i64) -> Result<Vec<Lease>> {
    let sql = format!(
        "SELECT first, last, jobs, token, owner, deadline, plain FROM pyqueue_lease WHERE {condition}"
    );
    let mut statement = change.conn.prepare_cached(&sql)?;
    let rows = statement.query_map([value], Lease::from)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn take_back(
    change: &mut Change,
    leases: &[Lease],
    evidence: &Evidence,
    reason: &str,
    limit: usize,
) -> Result<Step> {
    let mut step = Step::default();
    for lease in leases {
        let room = limit.saturating_sub(step.lost.len() + step.given_back);
        if room == 0 {
            step.more = true;
            break;
        }
        let mut jobs = rows(change, lease, room)?;
        step.more |= (jobs.len() as i64) < lease.jobs;
        let last = jobs.last().map_or(lease.last, |job| job.id.0);
        if mutants::on(Mutant::ReapOneOnly) {
            jobs.truncate(1);
        }
        lease::cut(change.conn, lease, lease.first, last)?;
        let mut revoked = Vec::new();
        if !lease.plain {
            progress::clear(change.conn, RowId(lease.first), RowId(last))?;
            revoked = revoke::take(change.conn, RowId(lease.first), RowId(last))?;
        }
        for job in jobs {
            if let Some((_, then)) = revoked.iter().find(|(id, _)| *id == job.id) {
                let run = Run { token: Some(lease.token), owner: Some(lease.owner), ..Run::default() };
                let lost = Outcome::Lost { reason: reason.to_owned(), charged: false };
                revoke::end(change, &job, run, &lost, *then)?;
                step.given_back += 1;
                continue;
            }
            let charged = match evidence {
                _ if mutants::on(Mutant::ReapAsUnstarted) => None,
                Evidence::None => Some(true),
                Evidence::Page(started) => started.get(&job.id).copied(),
            };
            match charged {
                Some(charged) => {
                    let run = Run { token: Some(lease.token), owner: Some(lease.owner), ..Run::default() };
                    step.lost.push(change.public(job.id, job.nonce, job.alias.clone()));
                    finish::lose(change, &job, run, reason, charged)?;
                }
                None => {
                    step.given_back += 1;
                    side::put_again(change, job.id, job.at())?;
                }
            }
        }
    }
    errback::settle(change)?;
    Ok(step)
}

fn rows(change: &Change, lease: &Lease, limit: usize) -> Result<Vec<JobRow>> {
    let mut statement = change.conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM pyqueue_job j WHERE j.id BETWEEN ?1 AND ?2 AND j.mark<>2 ORDER BY j.id LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![lease.first, lease.last, limit], row::JobRow::from)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
