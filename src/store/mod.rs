//! All SQL. One verb a file; each verb is a function over one open transaction. This file alone opens
//! transactions and rings the bell after they are committed.
#![allow(unused_variables, dead_code)]

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::Env;
use crate::error::Result;
use crate::id::RowId;
use crate::job::{AttemptView, ClaimedJob, Enqueued, Finish, Finished, JobView, NewJob};
use crate::sqlite::Durability;
use crate::wake::Bell;

/// How a file is opened and kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether the file may hold other tables than ours.
    pub embed: bool,
    /// What an acknowledged enqueue survives.
    pub durability: Durability,
    /// The largest body of arguments or result, in bytes.
    pub max_body: usize,
    /// How long successes are kept (µs).
    pub history_age_us: i64,
    /// How many successes are kept.
    pub history_count: i64,
    /// How long failed and dead jobs are kept (µs).
    pub failed_age_us: i64,
}

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The worker's id.
    pub owner: i64,
    /// How many jobs at most.
    pub limit: usize,
    /// From these queues; `None` is all.
    pub queues: Option<Arc<[String]>>,
    /// The tasks it can run; `None` is all. Jobs of others are set aside for workers that know them.
    pub tasks: Option<Arc<HashSet<String>>>,
    /// A deadline of the lease's own (µs from now); `None`: the lease lives as long as the worker beats.
    pub visibility_us: Option<i64>,
}

/// What a claim gave.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The jobs, in order.
    pub jobs: Vec<ClaimedJob>,
    /// The claim stopped early (it set many jobs aside): ask again at once.
    pub more: bool,
    /// The wall time (µs) at which the earliest delayed job is due.
    pub next_us: Option<i64>,
}

/// A worker to enter.
#[derive(Debug, Clone)]
pub struct NewWorker {
    /// Shown to people; needs not be unique.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// How many jobs it runs at once.
    pub slots: u32,
    /// How long its leases live after each beat (µs).
    pub visibility_us: i64,
}

/// A worker known to the file.
#[derive(Debug, Clone)]
pub struct WorkerView {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Its slots.
    pub slots: u32,
    /// Jobs under its leases.
    pub running: u64,
    /// Whether its deadline counts on our clock and has passed, or its clock ended with a reboot.
    pub overdue: bool,
}

/// What is known about the jobs of a dead worker.
#[derive(Debug, Clone)]
pub enum Evidence {
    /// Nothing: each job may have been running.
    None,
    /// From the worker's page: jobs that are not in it were never started; the value says whether the job
    /// was running (true) or had finished without its outcome being written (false).
    Page(HashMap<RowId, bool>),
}

/// One queue file. Touches nothing before first use; safe in every thread and across fork.
pub struct Store {
    path: PathBuf,
}

impl Store {
    /// A handle; no file is touched.
    pub fn new(path: PathBuf, options: Options, env: Env) -> Store {
        todo!()
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The injected surroundings.
    pub fn env(&self) -> &Env {
        todo!()
    }

    /// Where bell, liveness locks and pages lie: `<db>-pyqueue/`, made with mode 0700 at first use.
    pub fn directory(&self) -> Result<PathBuf> {
        todo!()
    }

    /// The bell of this file.
    pub fn bell(&self) -> Result<Arc<Bell>> {
        todo!()
    }

    /// Stores all or none, rings `Line::Ready`.
    pub fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
        todo!()
    }

    /// Takes jobs under a lease.
    pub fn claim(&self, ask: Ask) -> Result<Claimed> {
        todo!()
    }

    /// Writes ends of attempts and claims the next jobs, in one transaction. One `Finished` per end, in order.
    /// Rings the result lines of jobs that ended, and `Line::Ready` if jobs came back in line.
    pub fn finish(&self, ends: Vec<Finish>, ask: Option<Ask>) -> Result<(Vec<Finished>, Claimed)> {
        todo!()
    }

    /// Lets the lease of one job end `visibility_us` from now; `LeaseLost` if the token no longer counts.
    pub fn extend(&self, row: RowId, token: i64, visibility_us: i64) -> Result<()> {
        todo!()
    }

    /// Enters a worker; its id.
    pub fn join(&self, worker: NewWorker) -> Result<i64> {
        todo!()
    }

    /// Renews a worker's leases; false when it has been taken for dead and its jobs are gone.
    pub fn beat(&self, worker: i64, visibility_us: i64) -> Result<bool> {
        todo!()
    }

    /// Signs a worker off that holds nothing any more.
    pub fn part(&self, worker: i64) -> Result<()> {
        todo!()
    }

    /// The workers in the file.
    pub fn workers(&self) -> Result<Vec<WorkerView>> {
        todo!()
    }

    /// Takes back every job of a dead or hung worker and strikes it from the file; how many jobs. The caller
    /// has made sure that the worker is dead or overdue. Rings `Line::Ready`.
    pub fn reap(&self, worker: i64, evidence: Evidence, reason: &str) -> Result<Vec<String>> {
        todo!()
    }

    /// What the file says about an id.
    pub fn view(&self, id: &str) -> Result<JobView> {
        todo!()
    }

    /// The ended attempts of a job.
    pub fn attempts(&self, id: &str) -> Result<Vec<AttemptView>> {
        todo!()
    }

    /// Whether a connection that is not this store's writer has committed since the last call.
    pub fn changed(&self) -> Result<bool> {
        todo!()
    }

    /// One small step of upkeep: expired jobs leave, old history is deleted. True if there is more to do.
    pub fn upkeep(&self) -> Result<bool> {
        todo!()
    }

    /// Moves the WAL's content into the database and lets the WAL start again.
    pub fn checkpoint(&self) -> Result<()> {
        todo!()
    }
}
