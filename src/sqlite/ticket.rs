//! The line at the writer: who comes while it is busy waits here, and is either served by the thread that
//! has the writer or gets the writer itself.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::Durability;
use super::writer::Tx;
use crate::clock::Signals;
use crate::error::{Error, Result};

/// What a closure gave: its answer or its panic.
pub(super) type Outcome<T> = std::result::Result<Result<T>, Box<dyn Any + Send>>;

/// One who waits, seen from the thread that has the writer.
pub(super) trait Waiting<S>: Send + Sync {
    /// Runs the work inside the open transaction. The error is a copy; a panic is an error too.
    fn run(&self, tx: &mut Tx<'_, S>) -> Result<()>;
    /// What the answer has to survive; `None` wants the writer itself.
    fn wants(&self) -> Option<Durability>;
    /// Lets the waiting thread go with its answer, or with this error if its work had succeeded.
    fn answer(&self, failure: Option<Error>);
    /// Gives the waiting thread the writer.
    fn lead(&self);
}

/// How often a waiting thread looks for signals.
const SIGNALS: Duration = Duration::from_millis(50);

const WAITING: u8 = 0;
const LEADS: u8 = 1;
const ANSWERED: u8 = 2;

/// A request that waits, and its answer.
pub(super) struct Ticket<F, T> {
    durability: Option<Durability>,
    owner: Thread,
    stage: AtomicU8,
    content: Mutex<Content<F, T>>,
}

enum Content<F, T> {
    Work(F),
    Answer(Outcome<T>),
    Nothing,
}

impl<F, T> Ticket<F, T> {
    pub fn new(durability: Option<Durability>, work: F) -> Arc<Self> {
        Arc::new(Ticket {
            durability,
            owner: thread::current(),
            stage: AtomicU8::new(WAITING),
            content: Mutex::new(Content::Work(work)),
        })
    }

    /// Waits, outside the gate. The answer, or the work back if this thread has to lead. A signal ends the
    /// wait as long as nobody has begun with the work: `withdraw` says whether it could be taken back.
    pub fn wait(
        &self,
        signals: &dyn Signals,
        withdraw: impl Fn() -> bool,
    ) -> std::result::Result<Outcome<T>, F> {
        while self.stage.load(Ordering::Acquire) == WAITING {
            thread::park_timeout(SIGNALS);
            if self.stage.load(Ordering::Acquire) == WAITING && signals.arrived() && withdraw() {
                return Ok(Ok(Err(Error::Interrupted)));
            }
        }
        match self.take() {
            Content::Answer(outcome) => Ok(outcome),
            Content::Work(work) => Err(work),
            Content::Nothing => unreachable!("a ticket is taken once"),
        }
    }

    fn content(&self) -> MutexGuard<'_, Content<F, T>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Content<F, T> {
        std::mem::replace(&mut *self.content(), Content::Nothing)
    }

    fn release(&self, stage: u8) {
        // The owner may drop its ticket as soon as it sees the stage.
        let owner = self.owner.clone();
        self.stage.store(stage, Ordering::Release);
        owner.unpark();
    }
}

impl<S, F, T> Waiting<S> for Ticket<F, T>
where
    F: FnOnce(&mut Tx<'_, S>) -> Result<T> + Send,
    T: Send,
{
    fn run(&self, tx: &mut Tx<'_, S>) -> Result<()> {
        let Content::Work(work) = self.take() else { unreachable!("work is run once") };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(tx)));
        let report = match &outcome {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.clone()),
            Err(_) => Err(Error::Sqlite("a request of the same transaction panicked".into())),
        };
        *self.content() = Content::Answer(outcome);
        report
    }

    fn wants(&self) -> Option<Durability> {
        self.durability
    }

    fn answer(&self, failure: Option<Error>) {
        if let Some(error) = failure {
            let mut content = self.content();
            if let Content::Work(_) | Content::Answer(Ok(Ok(_))) = *content {
                *content = Content::Answer(Ok(Err(error)));
            }
        }
        self.release(ANSWERED);
    }

    fn lead(&self) {
        self.release(LEADS);
    }
}

/// Who has the writer and who waits for it. Nobody waits while nobody has it.
pub(super) struct Line<S> {
    inner: Mutex<Inner<S>>,
}

struct Inner<S> {
    busy: bool,
    waiting: VecDeque<Arc<dyn Waiting<S>>>,
}

impl<S: 'static> Line<S> {
    pub fn new() -> Self {
        Line { inner: Mutex::new(Inner { busy: false, waiting: VecDeque::new() }) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer with the work back, or a place in the line.
    pub fn enter<F, T>(
        &self,
        durability: Option<Durability>,
        work: F,
    ) -> std::result::Result<F, Arc<Ticket<F, T>>>
    where
        F: FnOnce(&mut Tx<'_, S>) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let mut inner = self.inner();
        if !inner.busy {
            inner.busy = true;
            return Ok(work);
        }
        let ticket = Ticket::new(durability, work);
        inner.waiting.push_back(ticket.clone());
        Err(ticket)
    }

    /// The next request that the leader can serve.
    pub fn next(&self) -> Option<Arc<dyn Waiting<S>>> {
        let mut inner = self.inner();
        inner.waiting.front()?.wants()?;
        inner.waiting.pop_front()
    }

    /// Takes a request back; false if it is being served already.
    pub fn withdraw<F, T>(&self, ticket: &Arc<Ticket<F, T>>) -> bool {
        let mut inner = self.inner();
        let at =
            inner.waiting.iter().position(|one| std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(ticket)));
        at.is_some_and(|at| inner.waiting.remove(at).is_some())
    }

    /// How many wait.
    #[cfg(test)]
    pub fn length(&self) -> usize {
        self.inner().waiting.len()
    }

    /// The leader's duty to hand over, however it ends.
    pub fn turn(&self) -> Turn<'_, S> {
        Turn(self)
    }
}

/// Hands the writer to the next in line when dropped.
pub(super) struct Turn<'a, S: 'static>(&'a Line<S>);

impl<S: 'static> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        match inner.waiting.pop_front() {
            Some(next) => next.lead(),
            None => inner.busy = false,
        }
    }
}
