//! The supervisor and its children. Calls no Python.
//!
//! One thread per worker decides everything (`supervisor`), and another sees whether it does (`standstill`); it waits in one poll for children, the bell, other
//! programs' commits, peers' deaths and requests. Children are processes that speak `wire` over a socket pair
//! and share a `page` with it.

mod adjusting;
mod child;
pub mod condition;
mod deaf;
mod deaths;
mod describing;
mod dispatcher;
mod ear;
mod ending;
mod finisher;
mod housekeeping;
pub mod liveness;
mod machine;
mod member;
mod outside;
mod overlooked;
mod pace;
pub mod page;
mod pinned;
pub mod pipe;
mod process;
mod pulse;
mod recycling;
mod reloading;
mod revoking;
pub mod running;
mod scaling;
pub mod shown;
pub mod signals;
mod stacks;
mod standstill;
mod starting;
mod stopping;
mod supervisor;
mod tally;
mod turn;
mod usage;
mod watchdog;
pub mod wire;

use std::collections::HashSet;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

pub use adjusting::Adjust;
pub use machine::{cpus, memory};
pub use outside::{Event, Kind, Next};
use outside::{Order, Outside};
use pulse::Step;
pub use recycling::Bounds;
use standstill::Sentry;
use supervisor::Supervisor;

use crate::error::{Error, Result};
use crate::store::Store;

/// Jobs at once in one child: as many again may have ended and not be written, and still have their entries.
const MOST_WIDE: u32 = page::MOST_ENTRIES / 2;
/// Jobs that one slot is given at once, by a user who wants it so, and so all slots of one child.
const MOST_AHEAD: u32 = 128;
const MOST_GIVEN: u32 = 256;

/// A supervisor that lets others wait longer for its answer stands still, or waits for the file.
const ANSWER: Duration = Duration::from_secs(5);
/// Children of one worker.
const MOST_CHILDREN: u32 = 1024;

/// The loop turns once a second at the least.
const LEAST_STALL_US: i64 = 2_000_000;

/// What a worker is.
#[derive(Debug, Clone)]
pub struct Options {
    /// Shown to people.
    pub name: String,
    /// What it says of itself in the file; the core does not read it.
    pub facts: Arc<[u8]>,
    /// Starts one child; its end of the socket pair is its standard input.
    pub command: Vec<String>,
    /// How many children, at most.
    pub concurrency: u32,
    /// With how many it begins and which it keeps, if their number follows the load.
    pub least: Option<u32>,
    /// How many jobs one child runs at once, each in a thread of its own.
    pub width: u32,
    /// The time limits (µs) of jobs that have none of their own: hard and soft.
    pub time_limit_us: Option<i64>,
    /// See `time_limit_us`.
    pub soft_time_limit_us: Option<i64>,
    /// When a child is replaced or killed.
    pub bounds: Bounds,
    /// Jobs that each slot is given at once, the running one included; `None`: as their length suggests.
    pub prefetch: Option<u32>,
    /// What people call it: prefork, threads...
    pub pool: String,
    /// The queues to serve; `None` is all.
    pub queues: Option<Arc<[String]>>,
    /// The tasks the children can run; `None` is all.
    pub tasks: Option<Arc<HashSet<String>>>,
    /// How long leases live after each beat (µs).
    pub visibility_us: i64,
    /// How long running jobs may go on after a stop was asked for (µs).
    pub grace_us: i64,
    /// Stop when nothing is left to do.
    pub burst: bool,
    /// How long a child may take to load the application (µs).
    pub start_us: i64,
    /// How long a child has beyond a job's hard time limit to end that job alone, before it is killed (µs).
    pub leeway_us: i64,
    /// After this time a loop that stands still, or that claims none of the jobs that are due, is told of and started
    /// anew (µs); 0 is never.
    pub stall_us: i64,
}

impl Options {
    fn check(&self) -> Result<()> {
        let wrong = if self.command.is_empty() {
            "the command of the children is empty"
        } else if !(1..=MOST_CHILDREN).contains(&self.concurrency) {
            "the concurrency must lie between 1 and 1024"
        } else if self.least.is_some_and(|least| !(1..=self.concurrency).contains(&least)) {
            "the least number of children must lie between 1 and the most"
        } else if self.least.is_some() && self.width > 1 {
            "the number of children follows the load only where each runs one job"
        } else if !(1..=MOST_WIDE).contains(&self.width) {
            "one process runs between 1 and 4096 jobs at once; start more workers for more"
        } else if !(100_000..=86_400_000_000).contains(&self.visibility_us) {
            "the visibility time must lie between 0.1 s and one day"
        } else if [self.time_limit_us, self.soft_time_limit_us].into_iter().flatten().any(|limit| limit <= 0)
        {
            "a time limit must be more than 0 seconds"
        } else if self.time_limit_us.zip(self.soft_time_limit_us).is_some_and(|(hard, soft)| soft >= hard) {
            "the soft time limit must be below the hard one, at which the child is killed"
        } else if self
            .prefetch
            .is_some_and(|jobs| !(1..=MOST_AHEAD).contains(&jobs) || jobs * self.width > MOST_GIVEN)
        {
            "a slot is given between 1 and 128 jobs at once, and one process no more than 256"
        } else if self.stall_us != 0 && self.stall_us < LEAST_STALL_US {
            "a loop may stand still for a second: more than two are needed to tell"
        } else if self.grace_us < 0 || self.leeway_us < 0 || self.start_us < 0 {
            "times must not be negative"
        } else {
            return self.bounds.check();
        };
        Err(Error::invalid(wrong))
    }
}

/// A running worker.
pub struct Worker {
    outside: Arc<Outside>,
    thread: Mutex<Option<JoinHandle<()>>>,
    pid: u32,
}

impl Worker {
    /// Enters the file and starts the supervisor's thread; children come up after the return.
    pub fn start(store: Arc<Store>, options: Options) -> Result<Worker> {
        options.check()?;
        let outside = Arc::new(Outside::new()?);
        let (report, entered) = mpsc::channel();
        let ours = Arc::clone(&outside);
        let thread = signals::spawn("pyqueue-worker", move || {
            supervise(store, options, &ours, &report);
            ours.end();
        })?;
        match entered.recv() {
            Ok(Ok(())) => Ok(Worker { outside, thread: Mutex::new(Some(thread)), pid: std::process::id() }),
            Ok(Err(error)) => Err(error),
            Err(mpsc::RecvError) => Err(Error::invalid("the worker's thread ended while it started")),
        }
    }

    /// The next event, if there is one.
    pub fn next_event(&self) -> Next {
        self.outside.next()
    }

    /// Can be read when an event has come since `next_event` last said that there is none.
    pub fn events_fd(&self) -> BorrowedFd<'_> {
        self.outside.events_fd()
    }

    /// Warm: no new claims, running jobs may end within the grace time. Cold: children are killed.
    pub fn stop(&self, cold: bool) {
        self.outside.order(if cold { Order::Kill } else { Order::Drain });
    }

    /// Its id in the file; another after it was taken for dead.
    pub fn id(&self) -> i64 {
        self.outside.entered()
    }

    /// Changes what it is while it runs, and says what it is then.
    pub fn adjust(&self, what: Adjust) -> Result<String> {
        let answer = self.outside.ask(what)?;
        answer.recv_timeout(ANSWER).map_err(|error| {
            Error::invalid(match error {
                mpsc::RecvTimeoutError::Disconnected => "the worker has stopped",
                mpsc::RecvTimeoutError::Timeout => {
                    "the supervisor has not answered within 5 s; it may still do what it was asked"
                }
            })
        })?
    }

    /// Replaces the children by new ones, which load the application anew; the old ones end their jobs. While the
    /// new ones can't start the old ones stay.
    pub fn reload(&self) {
        self.outside.reload();
    }

    /// The tasks that every child can run, as they have said; `None` before.
    pub fn tasks(&self) -> Option<Vec<String>> {
        let mut tasks: Vec<String> = self.outside.known()?.iter().cloned().collect();
        tasks.sort_unstable();
        Some(tasks)
    }

    /// Says something else of itself from now on. It is in the file then, unless that can't be written or the supervisor
    /// stands still: then later.
    pub fn describe(&self, facts: Vec<u8>) {
        self.outside.describe(facts.into());
        if let Ok(written) = self.outside.ask(Adjust::Describe) {
            let _ = written.recv_timeout(ANSWER);
        }
    }

    /// Asks each child where it is; the answers are events.
    pub fn dump(&self) {
        self.outside.dump();
    }

    /// Kills the children of a supervisor whose thread stands still, for a process that is about to end.
    pub fn destroy(&self) {
        standstill::destroy(&self.outside);
    }

    /// Waits until the supervisor's thread has ended.
    pub fn join(&self) {
        // Taken out first: two that wait must not both hold the lock.
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A fork has the value and not the thread.
        if self.pid == std::process::id() {
            self.stop(true);
            self.join();
        }
    }
}

/// A supervisor that is in the file, and who watches it.
fn enter(
    store: &Arc<Store>,
    options: &Options,
    outside: &Arc<Outside>,
) -> Result<(Supervisor, Option<Sentry>)> {
    outside.pulse.at(Step::Entering);
    let sentry = Sentry::start(outside, &store.env().clock, options.stall_us)?;
    Ok((Supervisor::new(Arc::clone(store), options.clone(), Arc::clone(outside))?, sentry))
}

/// A panic ends the worker and is told; the children end with the thread, and whoever reaps the worker finds its
/// lock free.
fn supervise(store: Arc<Store>, options: Options, outside: &Arc<Outside>, report: &mpsc::Sender<Result<()>>) {
    let run = AssertUnwindSafe(|| {
        let again = || enter(&store, &options, outside);
        let mut entered = again();
        loop {
            match entered {
                Ok((supervisor, _sentry)) => {
                    let _ = report.send(Ok(()));
                    if !supervisor.run() {
                        return;
                    }
                }
                Err(error) => {
                    // Nobody reads it who has read that it had begun.
                    outside.tell(Kind::Error, error.to_string());
                    let _ = report.send(Err(error));
                    return;
                }
            }
            entered = again();
        }
    });
    if catch_unwind(run).is_err() {
        outside.tell(
            Kind::Error,
            "the worker failed by an error in pyqueue itself; its jobs will be taken back",
        );
    }
}

#[cfg(test)]
mod tests;
