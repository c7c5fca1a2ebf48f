//! What a worker says of itself on its page, for people: written without a system call, read without asking it.

use std::fs::OpenOptions;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use super::pace::SHORT_US;
use super::page::{HEAD_BYTES, HEADER, Page, is_size};
use super::stopping::Stage;
use super::supervisor::Supervisor;

/// Where the head says what the worker is: the name of its pool, and seven numbers; then, when its loop last turned, where
/// in its loop it is, and how far its stop has come.
const POOL: usize = 24;
const POOL_BYTES: usize = 8;
const SHOWN: usize = 32;
const TURNED: usize = 64;
const STEP: usize = 72;
const STAGE: usize = 76;

/// What a worker says of itself, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The name of its pool, at most eight letters.
    pub pool: String,
    /// Its children that take jobs.
    pub children: u32,
    /// How many there may be.
    pub most: u32,
    /// Jobs that run.
    pub busy: u32,
    /// How long jobs take at the moment (µs).
    pub mean_us: u32,
    /// Short jobs travel together.
    pub frames: bool,
    /// How few children there may be.
    pub least: u32,
    /// Jobs that are given to one slot; 0: as their length suggests.
    pub prefetch: u32,
    /// When its loop last turned (µs, of `Clock::awake_us`).
    pub turned_us: i64,
    /// Where in its loop it is.
    pub step: u32,
    /// It takes no more jobs.
    pub stopping: bool,
}

impl Page {
    /// What the worker with this page says of itself; `None` without a whole page of this layout.
    pub fn shown_at(path: &Path) -> Option<Shown> {
        let mut head = [0; HEAD_BYTES];
        crate::wake::regular(&mut OpenOptions::new(), path).ok()?.read_exact(&mut head).ok()?;
        let word = |at: usize| head[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        if head[..8] != HEADER.to_le_bytes() || !is_size(word(8)?, word(12)?) {
            return None;
        }
        let shown = |place: usize| word(SHOWN + 4 * place);
        let pool = head[POOL..POOL + POOL_BYTES].split(|byte| *byte == 0).next()?;
        let pool = std::str::from_utf8(pool)
            .ok()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()))?;
        Some(Shown {
            pool: pool.to_owned(),
            children: shown(0)?,
            busy: shown(1)?,
            mean_us: shown(2)?,
            frames: shown(3)? != 0,
            least: shown(4)?,
            most: shown(6)?,
            prefetch: shown(5)?,
            turned_us: head[TURNED..TURNED + 8].try_into().map(i64::from_le_bytes).ok()?,
            step: word(STEP)?,
            stopping: word(STAGE)? != 0,
        })
    }

    /// Supervisor: says what it is, once.
    pub fn introduce(&self, pool: &str, least: u32, most: u32, prefetch: u32) {
        let mut name = [0; POOL_BYTES];
        let bytes = pool.as_bytes();
        name[..bytes.len().min(POOL_BYTES)].copy_from_slice(&bytes[..bytes.len().min(POOL_BYTES)]);
        self.shared.long(POOL).store(u64::from_le_bytes(name), Relaxed);
        self.shared.word(SHOWN + 16).store(least, Relaxed);
        self.shared.word(SHOWN + 20).store(prefetch, Relaxed);
        self.shared.word(SHOWN + 24).store(most, Relaxed);
    }

    /// Supervisor: its loop turns.
    pub fn turn(&self, now_us: i64, stopping: bool) {
        self.shared.signed(TURNED).store(now_us, Relaxed);
        self.shared.word(STAGE).store(u32::from(stopping), Relaxed);
    }

    /// Supervisor: where in its loop it is.
    pub fn at_step(&self, step: u32) {
        self.shared.word(STEP).store(step, Relaxed);
    }

    /// Supervisor: who the child is; 0 is nobody.
    pub fn seat(&self, child: u32, pid: u32) {
        self.shared.long(self.desk(child)).store(u64::from(pid), Relaxed);
    }

    /// Supervisor: says how it is, in each turn. For people: the numbers need not be of one moment.
    pub fn show(&self, children: u32, busy: u32, mean_us: u32, frames: bool) {
        for (place, number) in [children, busy, mean_us, u32::from(frames)].into_iter().enumerate() {
            self.shared.word(SHOWN + 4 * place).store(number, Relaxed);
        }
    }
}

impl Supervisor {
    /// Says on the page how it is, for `status`.
    pub fn show(&self) {
        let (mut children, mut busy) = (0, 0);
        for (_, child) in self.ready() {
            children += 1;
            busy += child.held.len().min(self.width());
        }
        let frames = self.width() == 1 && self.each().is_none() && self.pace.mean_us() < SHORT_US as u32;
        self.member.page.show(children, busy as u32, self.pace.mean_us(), frames);
        self.member.page.turn(self.clock.awake_us(), self.stage != Stage::Running);
    }
}
