//! How a worker is, by the kernel's word and its page: nobody is asked, so that one that can't answer is seen too.

use std::path::Path;

use super::liveness::{self, Sign};
use super::page::Page;
use super::process::Stat;
use super::pulse::Step;
use super::shown::Shown;
use crate::clock::Clock;
use crate::mutants::{self, Mutant};
use crate::store::WorkerView;

/// A loop turns once a second at the least; after this time without a turn it is said to stand still (µs).
const STILL_US: i64 = 5_000_000;

/// How a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It has no child yet that takes jobs.
    Starting,
    /// It takes jobs, and runs none.
    Idle,
    /// It runs jobs.
    Busy,
    /// It takes no more jobs, and those that run may end.
    Stopping,
    /// It lives and does nothing: it was stopped, or its loop stands still.
    Wedged,
    /// Its process has ended, or it was taken for dead.
    Dead,
    /// Only its lease tells, and that is in force.
    Unknown,
}

impl Health {
    /// As one word.
    pub fn name(self) -> &'static str {
        match self {
            Health::Starting => "starting",
            Health::Idle => "idle",
            Health::Busy => "busy",
            Health::Stopping => "stopping",
            Health::Wedged => "wedged",
            Health::Dead => "dead",
            Health::Unknown => "unknown",
        }
    }
}

/// How a worker is, and why that is said.
#[derive(Debug, Clone)]
pub struct Condition {
    /// In a word.
    pub health: Health,
    /// In a sentence, where the word does not say it.
    pub why: Option<String>,
    /// The kernel says that its process is there.
    pub lives: bool,
    /// Its process, where that lives and can be seen from here.
    pub pid: Option<u32>,
    /// What its page says.
    pub shown: Option<Shown>,
    /// How long ago its loop last turned (µs), on the same clock.
    pub still_us: Option<i64>,
}

impl Condition {
    /// Looks at a worker of the file with these side files.
    pub fn of(worker: &WorkerView, directory: &Path, clock: &dyn Clock) -> Condition {
        let shown = Page::shown_at(&liveness::page_path(directory, worker.id));
        let (sign, pid) = liveness::sign(directory, worker.id);
        let still_us = shown
            .as_ref()
            .filter(|shown| worker.same_clock && shown.turned_us > 0)
            .map(|shown| (clock.awake_us() - shown.turned_us).max(0));
        let (health, why) = judge(worker, sign, pid, shown.as_ref(), still_us);
        let pid = pid.filter(|_| health != Health::Dead);
        Condition { health, why, lives: sign == Sign::Locked, pid, shown, still_us }
    }
}

fn judge(
    worker: &WorkerView,
    sign: Sign,
    pid: Option<u32>,
    shown: Option<&Shown>,
    still_us: Option<i64>,
) -> (Health, Option<String>) {
    let told = |health, text: &str| (health, Some(text.to_owned()));
    match sign {
        Sign::Free => return told(Health::Dead, "its process has ended"),
        _ if worker.pid == 0 => {
            return told(Health::Dead, "it was taken for dead; its jobs are being taken back");
        }
        Sign::Missing if worker.overdue => return told(Health::Dead, "it has not renewed its lease"),
        Sign::Missing => return told(Health::Unknown, "it has no lock, and its lease is not over"),
        Sign::Locked => {}
    }
    if mutants::on(Mutant::PulseUnread) {
        return running(shown);
    }
    let stat = pid.and_then(Stat::of);
    if stat.is_some_and(Stat::ended) {
        // Its first thread is gone; the lock is free once the last is.
        return told(Health::Dead, "its process has ended");
    }
    if stat.is_some_and(Stat::stopped) {
        return told(Health::Wedged, "its process is stopped (SIGSTOP, SIGTSTP or a debugger)");
    }
    if let Some(still_us) = still_us.filter(|still_us| *still_us >= STILL_US) {
        let doing = shown.and_then(|shown| Step::of(shown.step)).map_or("did something", Step::doing);
        let text =
            format!("its loop has stood still for {:.0} s; that was while it {doing}", still_us as f64 / 1e6);
        return (Health::Wedged, Some(text));
    }
    running(shown)
}

fn running(shown: Option<&Shown>) -> (Health, Option<String>) {
    let health = match shown {
        None => Health::Unknown,
        Some(shown) if shown.stopping => Health::Stopping,
        Some(shown) if shown.children == 0 => Health::Starting,
        Some(shown) if shown.busy > 0 => Health::Busy,
        Some(_) => Health::Idle,
    };
    (health, (health == Health::Unknown).then(|| "it lives, and its page can't be read".into()))
}
