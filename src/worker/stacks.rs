//! Where a child is: on SIGUSR1 its interpreter writes the stacks of its threads into a file in memory that the
//! supervisor has given it, from C and without the interpreter's lock.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::MemfdFlags;
use rustix::process::Signal;

use super::child::Child;
use super::outside::{Event, Kind, Outside};
use super::supervisor::Supervisor;

/// A child has so long to write them (µs).
pub(super) const WRITE_US: i64 = 50_000;
/// A child that was asked because it was to be killed, and that so much later is not, is asked anew (µs).
const STALE_US: i64 = 2_000_000;
/// What is read of them.
const MOST: usize = 64 * 1024;

/// The file of one child.
pub(super) struct Stacks {
    pub file: Arc<OwnedFd>,
    /// Since when they are awaited (boot time).
    pub asked_us: Option<i64>,
}

impl Stacks {
    /// A new file; `None` where it can't be had.
    pub fn new() -> Option<Stacks> {
        let file = rustix::fs::memfd_create("pyqueue-stacks", MemfdFlags::CLOEXEC).ok()?;
        Some(Stacks { file: Arc::new(file), asked_us: None })
    }

    /// The number under which the child finds it among the supervisor's descriptors.
    pub fn number(&self) -> i32 {
        self.file.as_raw_fd()
    }
}

/// Has the process write them anew.
pub(super) fn ask(file: &OwnedFd, pidfd: &OwnedFd) {
    let _ = rustix::fs::ftruncate(file, 0);
    let _ = rustix::process::pidfd_send_signal(pidfd, Signal::USR1);
}

/// What a child has written into its file.
pub(super) fn written(file: &OwnedFd) -> Option<String> {
    let mut bytes = vec![0; MOST];
    let count = rustix::io::pread(file, &mut bytes, 0).ok()?;
    let text = String::from_utf8_lossy(&bytes[..count]).trim_end().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Tells what a child has written, or that it has not.
pub(super) fn tell(outside: &Outside, pid: u32, stacks: Option<String>) {
    let stacks = stacks.unwrap_or_else(|| "it has written no stacks".into());
    let text = format!("the stacks of child {pid}:\n{stacks}");
    outside.event(Event { kind: Kind::Stacks, text, job: None, pid: Some(pid) });
}

impl Child {
    /// Asks where it is; false if it can't tell.
    pub fn ask_stacks(&mut self, now: i64) -> bool {
        // Before its first word it may not have set the signal's handler.
        let Some(stacks) = self.stacks.as_mut().filter(|_| self.greeted) else { return false };
        if stacks.asked_us.is_none() {
            stacks.asked_us = Some(now);
            ask(&stacks.file, &self.pidfd);
        }
        true
    }

    /// Until when it may still be writing (boot time).
    pub fn writes_until(&self) -> Option<i64> {
        self.stacks.as_ref()?.asked_us.map(|asked| asked + WRITE_US)
    }

    /// What it wrote, if it was asked.
    pub fn told_stacks(&self) -> Option<String> {
        written(&self.stacks.as_ref().filter(|stacks| stacks.asked_us.is_some())?.file)
    }

    fn forget_stacks(&mut self) {
        if let Some(stacks) = &mut self.stacks {
            stacks.asked_us = None;
        }
    }

    /// Where it is, asked some moments ago, as the end of a sentence.
    pub fn whereabouts(&self) -> String {
        self.told_stacks().map_or(String::new(), |stacks| format!("; it was here:\n{stacks}"))
    }
}

impl Supervisor {
    /// Asks all children where they are, if somebody wants to know, and tells what they have said.
    pub fn dump(&mut self, now: i64) {
        let asked = self.outside.dumps();
        let wanted = std::mem::replace(&mut self.dumps, asked) != asked;
        for child in self.slots.iter_mut().filter_map(|slot| slot.child.as_mut()) {
            if wanted {
                child.told = !child.ask_stacks(now);
            }
            if child.told && child.writes_until().is_some_and(|until| until + STALE_US <= now) {
                child.forget_stacks();
            }
            if !child.told && child.writes_until().is_some_and(|until| until <= now) {
                child.told = true;
                tell(&self.outside, child.pid, child.told_stacks());
                child.forget_stacks();
            }
        }
    }

    /// When one of them has written.
    pub fn dump_due(&self) -> Option<i64> {
        let children = self.slots.iter().filter_map(|slot| slot.child.as_ref());
        children.filter(|child| !child.told).filter_map(Child::writes_until).min()
    }
}
