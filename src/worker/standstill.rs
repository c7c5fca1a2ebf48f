//! Who watches the supervisor's thread. Another thread looks at its pulse now and then. A thread that stands still for
//! good can't be ended alone, so what follows is told to whoever owns the process.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, WaitId, WaitIdOptions};
use rustix::time::Timespec;

use super::outside::{Kind, Outside};
use super::pulse::{Known, Step};
use super::signals;
use super::stacks::{self, WRITE_US};
use crate::clock::Clock;
use crate::error::Result;
use crate::mutants::{self, Mutant};

/// So many looks in a row must find the same pulse.
const LOOKS: u32 = 4;
/// Children that are killed get so long to be gone (s).
const GONE_S: i64 = 1;

/// The thread that watches.
pub(super) struct Sentry {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    outside: Arc<Outside>,
    clock: Arc<dyn Clock>,
    stall_us: i64,
    over: Mutex<bool>,
    ended: Condvar,
}

impl Sentry {
    /// Begins to watch; `None` where nobody wants it.
    pub fn start(outside: &Arc<Outside>, clock: &Arc<dyn Clock>, stall_us: i64) -> Result<Option<Sentry>> {
        if stall_us == 0 || mutants::on(Mutant::StandstillUnseen) {
            return Ok(None);
        }
        let shared = Arc::new(Shared {
            outside: Arc::clone(outside),
            clock: Arc::clone(clock),
            stall_us,
            over: Mutex::new(false),
            ended: Condvar::new(),
        });
        let ours = Arc::clone(&shared);
        let thread = signals::spawn("pyqueue-sentry", move || ours.watch())?;
        Ok(Some(Sentry { shared, thread: Some(thread) }))
    }
}

impl Drop for Sentry {
    fn drop(&mut self) {
        *self.shared.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.ended.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn watch(&self) {
        let pause_us = self.stall_us / i64::from(LOOKS);
        let (mut last, mut same) = (self.outside.pulse.look().0, 0);
        loop {
            let begun = self.clock.boot_us();
            if self.ends_within(pause_us) {
                return;
            }
            let (beat, step) = self.outside.pulse.look();
            if beat != last {
                if same >= LOOKS {
                    self.outside.tell(Kind::Warning, "the worker's loop goes on");
                }
                (last, same) = (beat, 0);
            } else if self.clock.boot_us() - begun >= 2 * pause_us {
                // The whole process stood still, or the machine: what was seen before proves nothing any more.
                same = if same < LOOKS { 0 } else { same };
            } else {
                same = (same + 1).min(LOOKS + 1);
                if same == LOOKS {
                    self.alarm(step);
                }
            }
        }
    }

    /// Waits; whether the worker has ended meanwhile.
    fn ends_within(&self, pause_us: i64) -> bool {
        let until = self.clock.boot_us() + pause_us;
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        while !*over {
            let left = u64::try_from(until - self.clock.boot_us()).unwrap_or(0);
            if left == 0 {
                break;
            }
            let waited = self.ended.wait_timeout(over, Duration::from_micros(left));
            over = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *over
    }

    /// Says where everybody is; the last event is for whoever can end the process.
    fn alarm(&self, step: Step) {
        let children = self.outside.pulse.children();
        let asked: Vec<(&Known, &OwnedFd)> =
            children.iter().filter_map(|child| Some((child, child.stacks.as_deref()?))).collect();
        for (child, file) in &asked {
            stacks::ask(file, &child.pidfd);
        }
        let text = format!("the threads of the worker:\n{}", threads());
        self.outside.tell(Kind::Stacks, text);
        self.clock.sleep(Duration::from_micros(WRITE_US.unsigned_abs()));
        for (child, file) in asked {
            stacks::tell(&self.outside, child.pid, stacks::written(file));
        }
        let seconds = self.stall_us as f64 / 1e6;
        let doing = step.doing();
        let text = format!("the worker's loop has stood still for {seconds} s; that was while it {doing}");
        self.outside.tell(Kind::Stuck, text);
    }
}

/// Where this process's threads are, by the kernel's word: name, state, where in the kernel, and the system call.
fn threads() -> String {
    let Ok(all) = std::fs::read_dir("/proc/self/task") else { return "they can't be told".into() };
    let said = |task: &Path, name: &str| {
        std::fs::read_to_string(task.join(name)).unwrap_or_default().trim().to_owned()
    };
    let one = |task: &Path| {
        let stat = said(task, "stat");
        // The name before it stands in parentheses and may hold any character.
        let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).unwrap_or('?');
        let (name, place, call) = (said(task, "comm"), said(task, "wchan"), said(task, "syscall"));
        let number = task.file_name().unwrap_or_default().to_string_lossy();
        let call = call.split(' ').next().unwrap_or_default();
        format!("  {number} {name}: state {state}, in {place}, system call {call}")
    };
    let mut lines: Vec<String> = all.flatten().map(|entry| one(&entry.path())).collect();
    lines.sort();
    lines.join("\n")
}

/// Kills the children of a supervisor that can't, and waits a while for their ends.
pub(super) fn destroy(outside: &Outside) {
    let children = outside.pulse.children();
    for child in &children {
        let _ = rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL);
    }
    let mut patience = Timespec { tv_sec: GONE_S, tv_nsec: 0 };
    for child in &children {
        let mut set = [PollFd::new(&child.pidfd, PollFlags::IN)];
        if poll(&mut set, Some(&patience)) == Ok(0) {
            patience.tv_sec = 0;
        }
        let id = WaitId::PidFd(std::os::fd::AsFd::as_fd(&*child.pidfd));
        let _ = rustix::process::waitid(id, WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
    }
}
