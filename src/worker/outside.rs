//! What the supervisor's thread shares with others: requests come in, events go out.

use std::collections::{HashSet, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

use super::adjusting::{Adjust, Asked};
use super::pulse::Pulse;
use crate::error::{Error, Result};

/// Events nobody has asked for are kept up to this number; then the oldest go.
const KEPT: usize = 65_536;

/// What kind of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is told in the stub, pyqueue/_core.pyi")]
pub enum Kind {
    Ready,
    ChildStarted,
    ChildLost,
    ChildReplaced,
    Scaled,
    JobLost,
    LeaseLost,
    Reaped,
    UnknownTask,
    Reload,
    Revoked,
    Stacks,
    Stuck,
    Stopping,
    Stopped,
    Warning,
    Error,
}

impl Kind {
    /// The name in the log.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ready => "ready",
            Kind::ChildStarted => "child_started",
            Kind::ChildLost => "child_lost",
            Kind::ChildReplaced => "child_replaced",
            Kind::Scaled => "scaled",
            Kind::JobLost => "job_lost",
            Kind::LeaseLost => "lease_lost",
            Kind::Reaped => "reaped",
            Kind::Reload => "reload",
            Kind::Revoked => "revoked",
            Kind::Stacks => "stacks",
            Kind::Stuck => "stuck",
            Kind::Stopping => "stopping",
            Kind::Stopped => "stopped",
            Kind::UnknownTask => "unknown_task",
            Kind::Warning => "warning",
            Kind::Error => "error",
        }
    }
}

/// Something the supervisor did, for the log.
#[derive(Debug, Clone)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// As a sentence.
    pub text: String,
    /// The public id of the job it is about.
    pub job: Option<String>,
    /// The process it is about.
    pub pid: Option<u32>,
}

/// How a worker was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Order {
    Run,
    Drain,
    Kill,
}

/// The next event, as far as it is there.
#[derive(Debug)]
pub enum Next {
    /// An event.
    Event(Event),
    /// None yet: wait until `events_fd` can be read.
    None,
    /// The worker has stopped and all events were told.
    Over,
}

/// What the worker says of itself since it was started, and how often that has changed.
type Described = (u32, Option<Arc<[u8]>>);

#[derive(Default)]
struct Letters {
    events: VecDeque<Event>,
    asked: Vec<Asked>,
    over: bool,
}

/// The post box between the supervisor and the rest of its process.
pub(super) struct Outside {
    order: AtomicU8,
    reloads: AtomicU32,
    dumps: AtomicU32,
    id: AtomicI64,
    pub pulse: Pulse,
    facts: Mutex<Described>,
    tasks: Mutex<Option<Arc<HashSet<String>>>>,
    wake: OwnedFd,
    letters: Mutex<Letters>,
    told: OwnedFd,
}

fn bell() -> Result<OwnedFd> {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|source| Error::System { call: "eventfd", source })
}

fn ring(fd: &OwnedFd) {
    // Fails only when the counter is full: then the reader is awake.
    let _ = rustix::io::write(fd, &1_u64.to_ne_bytes());
}

fn silence(fd: &OwnedFd) {
    let _ = rustix::io::read(fd, &mut [0_u8; 8]);
}

impl Outside {
    pub fn new() -> Result<Outside> {
        Ok(Outside {
            order: AtomicU8::new(0),
            reloads: AtomicU32::new(0),
            dumps: AtomicU32::new(0),
            id: AtomicI64::new(0),
            pulse: Pulse::default(),
            facts: Mutex::default(),
            tasks: Mutex::default(),
            wake: bell()?,
            letters: Mutex::default(),
            told: bell()?,
        })
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The supervisor is in the file under this id.
    pub fn enter(&self, id: i64) {
        self.id.store(id, SeqCst);
    }

    /// Its id in the file.
    pub fn entered(&self) -> i64 {
        self.id.load(SeqCst)
    }

    /// Asks for a change; where the answer comes. It comes from nowhere once the worker has stopped.
    pub fn ask(&self, what: Adjust) -> Result<Receiver<Result<String>>> {
        let (answer, answered) = channel();
        let mut letters = self.letters();
        if letters.over {
            return Err(Error::invalid("the worker has stopped"));
        }
        letters.asked.push(Asked { what, answer });
        drop(letters);
        self.wake();
        Ok(answered)
    }

    /// The changes that were asked for.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.letters().asked)
    }

    /// Asks the supervisor to stop; a weaker order after a stronger one is none.
    pub fn order(&self, order: Order) {
        self.order.fetch_max(order as u8, SeqCst);
        self.wake();
    }

    pub fn ordered(&self) -> Order {
        [Order::Run, Order::Drain, Order::Kill][usize::from(self.order.load(SeqCst).min(2))]
    }

    /// Asks for children with new code.
    pub fn reload(&self) {
        self.reloads.fetch_add(1, SeqCst);
        self.wake();
    }

    /// How often that was asked.
    pub fn reloads(&self) -> u32 {
        self.reloads.load(SeqCst)
    }

    /// Asks where the children are.
    pub fn dump(&self) {
        self.dumps.fetch_add(1, SeqCst);
        self.wake();
    }

    /// How often that was asked.
    pub fn dumps(&self) -> u32 {
        self.dumps.load(SeqCst)
    }

    /// Asks for other facts in the file.
    pub fn describe(&self, facts: Arc<[u8]>) {
        let mut described = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        *described = (described.0.wrapping_add(1), Some(facts));
        drop(described);
        self.wake();
    }

    /// How often that was asked, and the last that were.
    pub fn described(&self) -> Described {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The tasks that every child can run.
    pub fn know(&self, tasks: Arc<HashSet<String>>) {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = Some(tasks);
    }

    /// As it was last told; `None` until a child has said it.
    pub fn known(&self) -> Option<Arc<HashSet<String>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wakes the supervisor.
    pub fn wake(&self) {
        ring(&self.wake);
    }

    /// What the supervisor polls.
    pub fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// The supervisor is awake.
    pub fn awake(&self) {
        silence(&self.wake);
    }

    pub fn tell(&self, kind: Kind, text: impl Into<String>) {
        self.event(Event { kind, text: text.into(), job: None, pid: None });
    }

    pub fn event(&self, event: Event) {
        let mut letters = self.letters();
        if letters.events.len() >= KEPT {
            letters.events.pop_front();
        }
        letters.events.push_back(event);
        drop(letters);
        ring(&self.told);
    }

    /// No event comes after this.
    pub fn end(&self) {
        let mut letters = self.letters();
        letters.over = true;
        letters.asked.clear();
        drop(letters);
        ring(&self.told);
    }

    pub fn next(&self) -> Next {
        let mut letters = self.letters();
        if let Some(event) = letters.events.pop_front() {
            return Next::Event(event);
        }
        if letters.over {
            return Next::Over;
        }
        // Under the lock: an event that comes after this look rings again.
        silence(&self.told);
        Next::None
    }

    pub fn events_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}
