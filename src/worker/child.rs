//! One child process as the supervisor sees it: process, socket, and the jobs it holds.

use std::collections::{HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::ending::Ending;
use super::page::{Page, State};
use super::stacks::Stacks;
use super::wire::{self, Frame, Inbound};
use crate::error::{Error, Result};
use crate::job::ClaimedJob;

/// A child that was told to go and does not is killed after this time: it holds no job (µs).
const LEAVE_US: i64 = 10_000_000;

/// A job that was offered to a child and whose outcome has not come back.
pub(super) struct Held {
    pub index: u32,
    pub stamp: u64,
    pub offered_us: i64,
    pub expected_us: i64,
    pub job: ClaimedJob,
}

impl Held {
    /// Whether it was started at `since` and has run so much longer than its time limit by `now` (boot time).
    pub fn overran(&self, since: i64, leeway_us: i64, now: i64) -> bool {
        since > 0
            && self.job.time_limit_us.is_some_and(|limit| now - since >= limit.saturating_add(leeway_us))
    }
}

/// How far a child has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not said that jobs may come.
    Starting,
    /// It runs jobs.
    Ready,
    /// It gets no more jobs, and goes once it has none.
    Retiring,
    /// It was told that no jobs come any more.
    Leaving,
}

/// Why we killed it, if we did: what becomes of the job it was running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// We did not.
    Own,
    /// At this time (boot time) a job had overrun its time limit.
    TimeLimit(i64),
    /// It had so much memory (bytes), more than its limit.
    Memory(u64),
    /// The worker stops: the job is given back.
    Stopped,
    /// One of its jobs was revoked and did not end.
    Revoked,
    /// It did nothing, although it should.
    Hung,
}

/// A child process.
pub(super) struct Child {
    process: std::process::Child,
    pub pid: u32,
    pub pidfd: Arc<OwnedFd>,
    pub socket: OwnedFd,
    inbound: Inbound,
    outbound: VecDeque<u8>,
    pub phase: Phase,
    pub fate: Fate,
    /// In the order of the offers, which is the order of the starts.
    pub held: VecDeque<Held>,
    /// What it said when it could not start.
    pub trouble: Option<String>,
    /// Jobs that it was offered and that were not taken back.
    pub given: u64,
    /// Its memory (bytes) before its first job, and when it was last looked at.
    pub first: u64,
    pub resident: u64,
    /// How many jobs it had been given then.
    pub weighed: u64,
    /// When to look again, and from when on it should have gone (boot time).
    pub look_us: i64,
    pub leave_us: i64,
    open: bool,
    /// Whose code it has.
    pub generation: u32,
    /// The tasks it can run, as it said.
    pub tasks: Option<Arc<HashSet<String>>>,
    /// Until then it is offered nothing, because it does not take what it is offered (boot time).
    pub deaf_us: i64,
    pub pause_us: i64,
    /// Since when it does not (boot time).
    pub deaf_since: Option<i64>,
    /// When it was started (boot time).
    pub born_us: i64,
    /// It has said who it is.
    pub greeted: bool,
    pub stacks: Option<Stacks>,
    /// Nobody waits for its stacks.
    pub told: bool,
}

impl Child {
    /// Starts a process. The thread that calls this must live as long as the worker: the child asks the kernel to
    /// kill it when this thread ends. No pre_exec, so that the standard library uses posix_spawn.
    pub fn spawn(command: &[String], page: &Path, slot: u32, generation: u32) -> Result<Child> {
        let (ours, childs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(|source| Error::System { call: "socketpair", source })?;
        let stacks = Stacks::new();
        let (program, arguments) =
            command.split_first().ok_or_else(|| Error::invalid("no command for children"))?;
        let mut process = Command::new(program)
            .args(arguments)
            .env("PYQUEUE_PAGE", std::path::absolute(page).unwrap_or_else(|_| page.into()))
            .env("PYQUEUE_SLOT", slot.to_string())
            .env("PYQUEUE_STACKS", stacks.as_ref().map_or(-1, Stacks::number).to_string())
            .env("PYQUEUE_PARENT", std::process::id().to_string())
            .stdin(Stdio::from(childs))
            .spawn()
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(source @ (Errno::AGAIN | Errno::NOMEM)) => Error::System { call: "posix_spawn", source },
                _ => Error::Invalid(format!("{program} can't be started: {error}")),
            })?;
        let pid = process.id();
        // Not yet waited for: the number can't name another process.
        let known =
            Pid::from_raw(pid.cast_signed()).ok_or_else(|| Error::invalid("a child without a number"))?;
        let pidfd = match rustix::process::pidfd_open(known, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(source) => {
                let _ = process.kill();
                let _ = process.wait();
                return Err(Error::System { call: "pidfd_open", source });
            }
        };
        Ok(Child {
            process,
            pid,
            pidfd: Arc::new(pidfd),
            socket: ours,
            inbound: Inbound::default(),
            outbound: VecDeque::new(),
            phase: Phase::Starting,
            fate: Fate::Own,
            held: VecDeque::new(),
            trouble: None,
            given: 0,
            first: 0,
            resident: 0,
            weighed: 0,
            look_us: 0,
            leave_us: i64::MAX,
            open: true,
            generation,
            tasks: None,
            deaf_us: 0,
            pause_us: 0,
            deaf_since: None,
            born_us: 0,
            greeted: false,
            stacks,
            told: true,
        })
    }

    /// Reads what has come. `all`: until nothing is left, for a child that is dead.
    pub fn read(&mut self, all: bool) -> Result<()> {
        loop {
            match self.inbound.read(&self.socket, RecvFlags::DONTWAIT) {
                Ok(0) | Err(Errno::CONNRESET) => self.open = false,
                Ok(_) if all => continue,
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(Errno::INTR) => continue,
                Err(source) => return Err(Error::System { call: "recv", source }),
            }
            return Ok(());
        }
    }

    /// The next whole frame of what was read.
    pub fn frame(&mut self) -> Result<Option<Frame>> {
        self.inbound.frame()
    }

    /// Whether the socket is worth polling: after its end only the pidfd speaks.
    pub fn open(&self) -> bool {
        self.open
    }

    /// Sends, or keeps for later what the socket does not take: the supervisor never waits for a child.
    pub fn send(&mut self, bytes: &[u8]) {
        let mut sent = 0;
        if self.outbound.is_empty() {
            // A gone child is noticed by its pidfd.
            sent = wire::send(&self.socket, bytes, SendFlags::DONTWAIT).unwrap_or(0);
        }
        self.outbound.extend(&bytes[sent..]);
    }

    /// Sends more of what was kept.
    pub fn flush(&mut self) {
        while !self.outbound.is_empty() {
            let (head, _) = self.outbound.as_slices();
            match wire::send(&self.socket, head, SendFlags::DONTWAIT) {
                Ok(0) | Err(_) => break,
                Ok(count) => drop(self.outbound.drain(..count)),
            }
        }
        if self.outbound.is_empty() {
            self.outbound.shrink_to(1 << 20);
        }
    }

    /// Whether bytes wait for room in the socket.
    pub fn stuffed(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// Tells the child that no jobs come any more; what it has sent is still read.
    pub fn close(&mut self) {
        self.phase = Phase::Leaving;
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// Closes it, and lets it be killed if it does not go.
    pub fn leave(&mut self, now: i64) {
        self.close();
        self.leave_us = now + LEAVE_US;
    }

    /// Kills it; its death is noticed by the pidfd.
    pub fn kill(&mut self, fate: Fate) {
        if self.fate == Fate::Own {
            self.fate = fate;
        }
        self.signal(Signal::KILL);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, signal);
    }

    /// Kills it and waits until it is gone.
    pub fn destroy(mut self) {
        self.kill(Fate::Stopped);
        let _ = self.process.wait();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<Ending> {
        match self.process.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(Ending::of(status)),
            Err(_) => Some(Ending::Unknown),
        }
    }

    /// The jobs it is running and since when (boot time).
    pub fn started(&self, page: &Page, slot: u32) -> impl Iterator<Item = (&Held, i64)> {
        self.held.iter().filter_map(move |held| match page.look(slot, held.index, held.stamp) {
            (State::Started, since) if since > 0 => Some((held, since)),
            _ => None,
        })
    }

    /// Whether there is nothing it could start: its first unfinished jobs, `width` of them, have kept the others
    /// waiting for so long. One that is offered and not started counts only after five times that: the child may
    /// just not have had the processor.
    pub fn stuck(&self, page: &Page, slot: u32, width: usize, now_us: i64, for_us: i64) -> bool {
        let mut unfinished = 0;
        for held in &self.held {
            let long = match page.look(slot, held.index, held.stamp) {
                (State::Done, _) => continue,
                (State::Started, since) => since > 0 && now_us - since >= for_us,
                _ => now_us - held.offered_us >= 5 * for_us,
            };
            unfinished += 1;
            if !long || unfinished == width {
                return long;
            }
        }
        false
    }
}
