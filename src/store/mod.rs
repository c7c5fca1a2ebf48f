//! All SQL. One verb a file; each verb is a function over one open transaction. This file alone opens
//! transactions and rings the bell after they are committed.

mod advance;
mod alias;
mod budget;
mod change;
mod claim;
mod command;
mod dedup;
mod enqueue;
mod errback;
mod event;
mod examine;
mod facts;
mod finish;
mod fits;
pub mod foreign;
mod gate;
mod half;
mod happened;
mod head;
mod history;
mod inbox;
mod inputs;
mod inspect;
mod lease;
mod leased;
mod leave;
mod list;
mod load;
mod log;
mod meter;
mod open;
mod owner;
mod plan;
mod producer;
mod progress;
mod purge;
mod reading;
mod reap;
mod receipt;
mod record;
mod replay;
mod revoke;
mod room;
mod row;
mod rules;
mod schedule;
mod schema;
mod selected;
mod shape;
mod shift;
mod side;
mod stats;
mod step;
mod sweep;
#[cfg(test)]
mod tests;
mod undo;
mod upkeep;
mod view;
mod watch;
mod why;
mod workflow;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use change::{Change, Context};
use open::Open;

pub use claim::{Ask, Claimed};
pub use command::{Given, NewCommand, Open as OpenCommand};
pub use enqueue::check;
pub use facts::Facts;
pub use fits::Pattern;
pub use gate::{GateView, Hold, Scope};
pub use half::Verdict;
pub use happened::{Happened, Look, Reader};
pub use inspect::{Backlog, QueueView};
pub use leased::{Lease, Leased};
pub use list::Filter;
pub use load::{Load, TaskLoad};
pub use open::Options;
pub use owner::{NewWorker, WorkerView};
pub use producer::{Parcel, Producer};
pub use reap::Evidence;
pub use record::{Answer, CommandView, Stand};
pub use revoke::{Revoked, Then, Wish};
pub use schedule::{Declared, Entry, Fire, Fired, Overlap, ScheduleView};
pub use selected::{Act, Acted, Condition};
pub use stats::{Spread, Stats, TaskStats, outcomes};
pub use upkeep::Upkeep;
pub use watch::Watch;

use crate::clock::Env;
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::{AttemptView, Enqueued, Finish, Finished, JobSummary, JobView, NewJob};
use crate::sqlite::Durability;
use crate::wake::{Bell, Line};

/// One queue file. Touches nothing before first use; safe in every thread and across fork.
pub struct Store {
    path: PathBuf,
    options: Arc<Options>,
    env: Env,
    /// Taken only inside the fork gate, so that no thread holds it across a fork.
    open: Mutex<Option<Arc<Open>>>,
}

/// How many jobs one transaction takes back or cancels before it lets others write.
const STEP: usize = 500;

impl Store {
    /// A handle; no file is touched.
    pub fn new(path: PathBuf, options: Options, env: Env) -> Store {
        Store { path, options: Arc::new(options), env, open: Mutex::new(None) }
    }

    /// This handle as the child of a fork finds it, for processes that are played. The system makes that copy by
    /// itself.
    #[doc(hidden)]
    pub fn inherited(&self, env: Env) -> Store {
        let open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Store { path: self.path.clone(), options: self.options.clone(), env, open: Mutex::new(open) }
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the file is opened and kept.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The write-ahead log, wherever a symlink to the database leads.
    pub fn wal(&self) -> Result<PathBuf> {
        let mut wal = self.opened()?.db.path().as_os_str().to_owned();
        wal.push("-wal");
        Ok(wal.into())
    }

    /// The injected surroundings.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// Where bell, liveness locks and pages lie: `<db>-pyqueue/`, made with mode 0700 at first use.
    pub fn directory(&self) -> Result<PathBuf> {
        Ok(self.opened()?.directory.clone())
    }

    /// The public id of a row, as foreign connections find it.
    pub fn public_id(&self, row: i64, nonce: i64) -> Result<String> {
        Ok(change::public(self.opened()?.file, RowId(row), nonce, None))
    }

    /// The bell of this file.
    pub fn bell(&self) -> Result<Arc<Bell>> {
        Ok(self.opened()?.bell.clone())
    }

    /// Stores all or none, rings `Line::Ready`.
    pub fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
        for job in &jobs {
            enqueue::check(job)?;
            enqueue::check_size(job, self.options.max_body)?;
            for errback in &job.errbacks {
                enqueue::check_size(&errback.job, self.options.max_body)?;
            }
        }
        self.take_in(move |change| enqueue::all(change, jobs))
    }

    /// Takes jobs under a lease; `Full` while there is too little room for their outcomes.
    pub fn claim(&self, ask: Ask) -> Result<Claimed> {
        if !self.lets_start()? {
            return Err(Error::Full("what is left is kept for the outcomes of running jobs".into()));
        }
        self.keep(Durability::Normal, move |change| claim::claim(change, &ask))
    }

    /// Writes ends of attempts and claims the next jobs, in one transaction. One `Finished` per end, in order.
    /// Rings the result lines of jobs that ended, and `Line::Ready` if jobs came back in line. While there is too
    /// little room for more outcomes, nothing is claimed.
    pub fn finish(&self, mut ends: Vec<Finish>, ask: Option<Ask>) -> Result<(Vec<Finished>, Claimed)> {
        for end in &mut ends {
            finish::bound(end, self.options.max_body);
        }
        let ask = if self.lets_start()? { ask } else { None };
        finish::written(self, ends, ask)
    }

    /// Lets the lease of one job end `visibility_us` from now; `LeaseLost` if the token no longer counts.
    pub fn extend(&self, row: RowId, token: i64, visibility_us: i64) -> Result<()> {
        let held =
            self.keep(Durability::Normal, move |change| lease::extend(change, row, token, visibility_us))?;
        if held { Ok(()) } else { Err(Error::LeaseLost { job: row.0.to_string() }) }
    }

    /// Enters a worker; its id.
    pub fn join(&self, worker: NewWorker) -> Result<i64> {
        self.keep(Durability::Normal, move |change| owner::join(change, &worker))
    }

    /// Renews a worker's leases; false when it has been taken for dead and its jobs are gone.
    pub fn beat(&self, worker: i64, visibility_us: i64) -> Result<bool> {
        self.keep(Durability::Normal, move |change| owner::beat(change, worker, visibility_us))
    }

    /// Signs a worker off; what it still holds comes back in line as never started.
    pub fn part(&self, worker: i64) -> Result<()> {
        self.reap(worker, Evidence::Page(HashMap::new()), "it signed off").map(drop)
    }

    /// The workers in the file.
    pub fn workers(&self) -> Result<Vec<WorkerView>> {
        let (boot, clock) = (change::boot_us(&self.env), self.env.clock.clone());
        self.read(|conn, _| owner::list(conn, boot, clock.identity()))
    }

    /// Takes back every job of a worker that is proven dead or overdue, and strikes it from the file. The public ids
    /// of the jobs whose attempt is lost.
    pub fn reap(&self, worker: i64, evidence: Evidence, reason: &str) -> Result<Vec<String>> {
        let evidence = Arc::new(evidence);
        let mut lost = Vec::new();
        loop {
            let (evidence, reason) = (evidence.clone(), reason.to_owned());
            let step = self.keep(Durability::Normal, move |change| {
                reap::reap(change, worker, &evidence, &reason, STEP)
            })?;
            lost.extend(step.lost);
            if !step.more {
                return Ok(lost);
            }
        }
    }

    /// What the file says about an id.
    pub fn view(&self, id: &str) -> Result<JobView> {
        self.read(|conn, file| view::view(conn, file, id))
    }

    /// The line of the bell that rings when a job may have ended; `None` for an id that names no row (yet).
    pub fn line(&self, id: &str) -> Result<Option<Line>> {
        self.read(|conn, file| Ok(view::resolve(conn, file, id)?.map(|named| Line::result(named.row))))
    }

    /// The ended attempts of a job.
    pub fn attempts(&self, id: &str) -> Result<Vec<AttemptView>> {
        self.read(|conn, file| view::attempts(conn, file, id))
    }

    /// Notes what a running attempt says of itself; `LeaseLost` if the token no longer counts.
    pub fn progress(&self, row: RowId, token: i64, state: &str, body: &[u8]) -> Result<()> {
        let (state, body) = (state.to_owned(), body.to_owned());
        let held =
            self.keep(Durability::Normal, move |change| progress::tell(change, row, token, &state, &body))?;
        if held { Ok(()) } else { Err(Error::LeaseLost { job: row.0.to_string() }) }
    }

    /// Drops what is kept of an ended job; false if there is nothing.
    pub fn forget(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        self.keep(self.options.durability, move |change| list::forget(change, &id))
    }

    /// Stores a failed or dead job once more, as a new job with its options; its id. Where an unfinished job has its
    /// dedup key, that one's id.
    pub fn replay(&self, id: &str) -> Result<Option<String>> {
        let id = id.to_owned();
        self.take_in(move |change| match replay::replayed(change, &id)? {
            Some((job, node)) => Ok(Some(enqueue::taking(change, job, node)?.id)),
            None => Ok(None),
        })
    }

    /// Jobs that fit, the newest first.
    pub fn jobs(&self, filter: &Filter) -> Result<Vec<JobSummary>> {
        self.read(|conn, file| list::jobs(conn, file, filter))
    }

    /// One job with its arguments, as far as they are kept.
    pub fn show(&self, id: &str) -> Result<Option<JobSummary>> {
        self.read(|conn, file| list::show(conn, file, id))
    }

    /// Counts of every queue.
    pub fn queues(&self) -> Result<Vec<QueueView>> {
        self.read(|conn, _| inspect::queues(conn))
    }

    /// Who waits in these queues by `now` (wall time, µs); `None` is all.
    pub fn backlog(&self, queues: Option<&[String]>, now: i64) -> Result<Backlog> {
        self.read(|conn, _| inspect::backlog(conn, queues, now))
    }

    /// What is wrong with the file, one sentence each: SQLite's check and ours. Reads all of it.
    pub fn examine(&self) -> Result<Vec<String>> {
        self.read(|conn, _| examine::examine(conn))
    }

    /// Whether a connection that is not this store's writer has committed since the last call.
    pub fn changed(&self) -> Result<bool> {
        self.opened()?.db.changed()
    }

    /// One small step of upkeep: expired jobs leave, those past a deadline of their own come back, old history goes.
    pub fn upkeep(&self) -> Result<Upkeep> {
        self.keep(Durability::Normal, upkeep::upkeep)
    }

    /// Moves the WAL's content into the database and lets the WAL start again. How many frames could not be moved,
    /// because somebody still reads an older state.
    pub fn checkpoint(&self) -> Result<u64> {
        self.opened()?.db.checkpoint()
    }

    /// Lets go of the file; the next use opens it again.
    pub fn close(&self) {
        let _gate = crate::sqlite::fork::enter();
        let open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(open) = open
            && open.db.generation() != crate::sqlite::fork::generation(&self.env)
        {
            std::mem::forget(open);
        }
    }

    fn opened(&self) -> Result<Arc<Open>> {
        if let Some(open) = self.current() {
            return Ok(open);
        }
        // Outside the gate, since opening may wait for others. Of two threads that open at once one is dropped.
        let fresh = Arc::new(Open::new(&self.path, &self.options, &self.env)?);
        let _gate = crate::sqlite::fork::enter();
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(open.get_or_insert(fresh).clone())
    }

    /// What is open, if it was opened in this process.
    fn current(&self) -> Option<Arc<Open>> {
        let _gate = crate::sqlite::fork::enter();
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if open
            .as_ref()
            .is_some_and(|there| there.db.generation() != crate::sqlite::fork::generation(&self.env))
        {
            // Inherited over a fork: never closed, or the parent's locks would be in danger.
            std::mem::forget(open.take());
        }
        open.clone()
    }

    /// One change in one transaction; rings after the commit.
    fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Change) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.opened()?;
        let context = Context { env: self.env.clone(), options: self.options.clone(), file: open.file };
        let (value, rings) = open.db.write(durability, move |tx| {
            let mut change = Change::begin(tx, context)?;
            let value = work(&mut change)?;
            Ok((value, change.close()?))
        })?;
        if rings.ready {
            open.bell.ring(Line::Ready);
        }
        if rings.control {
            open.bell.ring(Line::Control);
        }
        if rings.events {
            open.bell.ring(Line::Events);
        }
        if !rings.ended.is_empty() {
            open.bell.ring_ended(&rings.ended);
        }
        Ok(value)
    }
}
