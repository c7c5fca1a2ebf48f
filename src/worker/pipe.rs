//! The child's end: takes jobs from the page and the frames, sends outcomes back in small batches.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::page::Page;
use super::signals;
use super::usage::Meter;
use super::wire::{self, Batch, Ended, Frame, Inbound, Offered};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};
use crate::job::{Beside, ClaimedJob, NewJob, Outcome};
use crate::mutants::{self, Mutant};

/// Outcomes are sent at the latest when there are so many, when the page has no room for their copies…
const BATCH_JOBS: u32 = 32;
/// …or when the oldest is that old.
const BATCH_AGE: Duration = Duration::from_millis(1);

/// Where on the page a job lies that this child has taken.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The entry.
    pub index: u32,
    /// The stamp of the offer.
    pub stamp: u64,
    /// When it was taken, boot time (µs).
    pub started_boot_us: i64,
}

/// What `try_recv` has found.
#[derive(Debug)]
pub enum Next {
    /// A job that is ours to run.
    Job(Box<ClaimedJob>, Offer),
    /// Nothing yet.
    None,
    /// The supervisor is gone or done.
    Over,
}

/// The child's end of the socket pair, and its view of the page.
pub struct Pipe {
    socket: Arc<OwnedFd>,
    page: Arc<Page>,
    slot: u32,
    clock: SystemClock,
    meter: Meter,
    inbound: Mutex<Inbound>,
    waiting: Mutex<VecDeque<Offered>>,
    outbox: Arc<Outbox>,
    pid: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn variable<T: std::str::FromStr>(name: &str) -> Result<T> {
    let text = std::env::var(name).ok().and_then(|text| text.parse().ok());
    text.ok_or_else(|| Error::Invalid(format!("{name} is not set: only `pyqueue worker` starts children")))
}

impl Pipe {
    /// Takes standard input over and puts /dev/null in its place; from here on the process ends with its
    /// supervisor. Call it before anything slow, such as importing the application.
    pub fn from_stdin() -> Result<Pipe> {
        let parent: u32 = variable("PYQUEUE_PARENT")?;
        let slot: u32 = variable("PYQUEUE_SLOT")?;
        let page: PathBuf = variable("PYQUEUE_PAGE")?;
        let death = Some(rustix::process::Signal::KILL);
        if !mutants::on(Mutant::OrphansLive) {
            rustix::process::set_parent_process_death_signal(death)
                .map_err(|source| Error::System { call: "prctl", source })?;
        }
        // The parent may have died before prctl: then nobody will ever kill this process.
        if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned()) != Some(parent) {
            std::process::exit(1);
        }
        signals::become_child();
        let socket = rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3)
            .map_err(|source| Error::System { call: "fcntl", source })?;
        let null = std::fs::File::open("/dev/null")
            .map_err(|_| Error::Invalid("/dev/null can't be opened".into()))?;
        // SAFETY: both are open; standard input was the socket, which lives on in its duplicate.
        if unsafe { libc::dup2(null.as_raw_fd(), 0) } != 0 {
            return Err(Error::Invalid("/dev/null can't become standard input".into()));
        }
        let page = Page::open(&page)?;
        if slot >= page.children() {
            return Err(Error::Wire(format!("the page has no place {slot}")));
        }
        let pipe = Pipe::new(socket, page, slot)?;
        pipe.outbox.write(&wire::hello(wire::VERSION, pipe.pid))?;
        Ok(pipe)
    }

    fn new(socket: OwnedFd, page: Page, slot: u32) -> Result<Pipe> {
        let socket = Arc::new(socket);
        let page = Arc::new(page);
        let outbox = Arc::new(Outbox {
            socket: Arc::clone(&socket),
            page: Arc::clone(&page),
            slot,
            letters: Mutex::default(),
            wake: Condvar::new(),
        });
        let flusher = Arc::clone(&outbox);
        signals::spawn("pyqueue-flusher", move || flusher.run())?;
        Ok(Pipe {
            socket,
            page,
            slot,
            clock: SystemClock::new(),
            meter: Meter::new(),
            inbound: Mutex::default(),
            waiting: Mutex::default(),
            outbox,
            pid: std::process::id(),
        })
    }

    /// Tells the supervisor that jobs of these tasks may come.
    pub fn ready(&self, tasks: &[String]) -> Result<()> {
        self.outbox.write(&wire::ready(tasks))
    }

    /// Tells the supervisor that this child can't start, and why.
    pub fn failed(&self, text: &str) -> Result<()> {
        self.outbox.write(&wire::failed(text))
    }

    /// Wall time (µs), to count delays from.
    pub fn now_us(&self) -> i64 {
        self.clock.wall_us()
    }

    /// The next job that is still ours to run; `None` when the supervisor is gone or done. `Interrupted` after
    /// a signal handler ran: call again. Of several threads one waits in the socket and the others in line.
    pub fn recv(&self) -> Result<Option<(ClaimedJob, Offer)>> {
        loop {
            if let Some(taken) = self.take() {
                return Ok(Some(taken));
            }
            // Nothing is at hand: no outcome waits behind the wait for a job.
            self.outbox.flush()?;
            let mut inbound = lock(&self.inbound);
            // Jobs come in under this lock, perhaps while we stood in line for it: nobody waits in the socket
            // while a job lies here.
            if let Some(taken) = self.take() {
                return Ok(Some(taken));
            }
            if self.unpack(&mut inbound)? {
                continue;
            }
            match inbound.read(&self.socket, RecvFlags::empty()) {
                Ok(0) | Err(Errno::CONNRESET) => return Ok(None),
                Ok(_) => {}
                Err(Errno::INTR) => return Err(Error::Interrupted),
                Err(source) => return Err(Error::System { call: "recv", source }),
            }
        }
    }

    /// Puts the jobs of a frame that is whole at hand; false where none is.
    fn unpack(&self, inbound: &mut Inbound) -> Result<bool> {
        match inbound.frame()? {
            Some(Frame::Jobs(jobs)) => lock(&self.waiting).extend(jobs),
            Some(_) => return Err(Error::Wire("a child takes only jobs".into())),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// As `recv`, and waits for nothing: for an event loop, which is told by the descriptor.
    pub fn try_recv(&self) -> Result<Next> {
        loop {
            if let Some((job, offer)) = self.take() {
                return Ok(Next::Job(Box::new(job), offer));
            }
            let mut inbound = lock(&self.inbound);
            if self.unpack(&mut inbound)? {
                continue;
            }
            match inbound.read(&self.socket, RecvFlags::DONTWAIT) {
                Ok(0) | Err(Errno::CONNRESET) => return Ok(Next::Over),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(source) => return Err(Error::System { call: "recv", source }),
            }
        }
        // Nothing is at hand: no outcome waits for the next job.
        self.outbox.flush()?;
        Ok(Next::None)
    }

    /// What the supervisor has told about a job that runs here: flags of the page.
    pub fn flags(&self, offer: Offer) -> i64 {
        self.page.flags(self.slot, offer.index, offer.stamp)
    }

    /// Can be read when `try_recv` may have something.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn take(&self) -> Option<(ClaimedJob, Offer)> {
        let mut waiting = lock(&self.waiting);
        while let Some(Offered { index, stamp, job }) = waiting.pop_front() {
            let started_boot_us = self.clock.boot_us();
            if self.page.take(self.slot, index, stamp, started_boot_us) {
                self.meter.begin(started_boot_us);
                return Some((job, Offer { index, stamp, started_boot_us }));
            }
        }
        None
    }

    /// Whether a job is at hand that can be started without asking the supervisor.
    fn more(&self) -> bool {
        let mut waiting = lock(&self.waiting);
        while let Some(next) = waiting.front() {
            if self.page.offered(self.slot, next.index, next.stamp) {
                return true;
            }
            waiting.pop_front();
        }
        false
    }

    /// How a job ended. Sent at once when no other job is at hand, else with the next ones, at the latest after
    /// 1 ms.
    /// `then` are jobs to be stored in the transaction that writes it.
    pub fn send(
        &self,
        job: &ClaimedJob,
        offer: Offer,
        outcome: Outcome,
        then: Vec<NewJob>,
        beside: Option<Box<Beside>>,
    ) -> Result<()> {
        let ended_us = self.clock.boot_us();
        let ended = Ended {
            index: offer.index,
            stamp: offer.stamp,
            row: job.row,
            token: job.token,
            outcome,
            started_us: offer.started_boot_us,
            ended_us,
            usage: self.meter.end(offer.started_boot_us, ended_us),
            then,
            beside,
        };
        // Done before sent: a death between the two is no reason to suspect the job.
        self.page.done(self.slot, offer.index, offer.stamp);
        self.outbox.put(&ended, !self.more())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // In a process that the child forked, the outcomes are the child's to send.
        if self.pid == std::process::id() {
            let _ = self.outbox.close();
        }
    }
}

/// Outcomes on their way, and the thread that sends those that became old.
struct Outbox {
    socket: Arc<OwnedFd>,
    page: Arc<Page>,
    slot: u32,
    letters: Mutex<Letters>,
    wake: Condvar,
}

#[derive(Default)]
struct Letters {
    batch: Option<Batch>,
    /// How many bytes of the batch lie in the page's drawer too: all of them.
    kept: usize,
    /// Grows with each batch that is sent: the flusher sends only what has lain for a whole period.
    sent: u64,
    /// The flusher sleeps without a time-out and must be woken. While outcomes flow it looks each millisecond
    /// by itself, so that a put costs no system call.
    asleep: bool,
    closed: bool,
}

impl Outbox {
    fn put(&self, ended: &Ended, at_once: bool) -> Result<()> {
        let mut guard = lock(&self.letters);
        let letters = &mut *guard;
        let batch = letters.batch.get_or_insert_with(|| Batch::outcomes(Vec::with_capacity(4096)));
        let count = batch.count() + 1;
        let bytes = batch.outcome(ended);
        if at_once || count >= BATCH_JOBS {
            return self.send(letters);
        }
        let used = letters.kept;
        if !self.page.keep(self.slot, count, used, bytes) {
            return self.send(letters);
        }
        letters.kept = used + bytes.len();
        if letters.asleep {
            letters.asleep = false;
            self.wake.notify_one();
        }
        Ok(())
    }

    fn flush(&self) -> Result<()> {
        self.send(&mut lock(&self.letters))
    }

    fn close(&self) -> Result<()> {
        let mut letters = lock(&self.letters);
        letters.closed = true;
        self.wake.notify_one();
        self.send(&mut letters)
    }

    fn send(&self, letters: &mut Letters) -> Result<()> {
        let Some(batch) = letters.batch.take() else { return Ok(()) };
        letters.sent += 1;
        letters.kept = 0;
        send_all(&self.socket, &batch.close()?)?;
        // Only now: what is both sent and kept is told twice and counts once.
        self.page.empty(self.slot);
        Ok(())
    }

    /// The lock keeps frames whole: two threads never write between each other's bytes.
    fn write(&self, bytes: &[u8]) -> Result<()> {
        let _letters = lock(&self.letters);
        send_all(&self.socket, bytes)
    }

    fn run(&self) {
        let mut letters = lock(&self.letters);
        while !letters.closed {
            if letters.batch.is_none() {
                letters.asleep = true;
                while letters.asleep && !letters.closed {
                    letters = self.wake.wait(letters).unwrap_or_else(PoisonError::into_inner);
                }
                letters.asleep = false;
            }
            let sent = letters.sent;
            letters = self.wake.wait_timeout(letters, BATCH_AGE).unwrap_or_else(PoisonError::into_inner).0;
            if letters.sent == sent && self.send(&mut letters).is_err() {
                // The supervisor is gone, and its death signal is on its way.
                return;
            }
        }
    }
}

/// Blocks while the socket is full: the supervisor always reads, whatever else it does.
fn send_all(socket: impl AsFd, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        match wire::send(&socket, bytes, SendFlags::empty()) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(source) => return Err(Error::System { call: "send", source }),
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
