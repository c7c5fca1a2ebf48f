//! The page: a mapped file that supervisor and children share, and that outlives both for whoever reaps them.
//!
//! Each child has a ring of entries, one for each job it was offered. One word of an entry decides whose the
//! job is: `stamp << 8 | state`. The child takes a job by compare-and-swap from offered to started, the
//! supervisor takes it back by compare-and-swap from offered to taken back, and exactly one of them wins, even
//! when the child is stuck in the user's code. A stamp is never used twice, so that an old frame that names a
//! reused entry finds nothing.
//!
//! Behind its entries each child has a drawer with a copy of the outcomes it has not sent yet: a job that kills
//! its child takes none of its finished neighbours' outcomes along. What one child has lies together, so that a page
//! that grows moves nothing of those that run.
//!
//! What is for people, who only look, lies before the entries and behind those of each child (`shown`, `tally`).

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::child::Child;
use super::tally::TALLY_BYTES;
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::mutants::{self, Mutant};
use crate::store::Evidence;
use crate::wake::Shared;

/// Entries of one child at the least: three frames of 64 on their way, and as many finished but not yet written.
const ENTRIES: u32 = 512;
/// And at the most: those of a child that runs 4096 jobs at once.
pub const MOST_ENTRIES: u32 = 8192;

/// The entries of a child that runs so many jobs at once: as many again may have ended and not be written.
pub fn entries(width: u32) -> u32 {
    width.saturating_mul(2).next_power_of_two().clamp(ENTRIES, MOST_ENTRIES)
}

/// "pyqpage" and the version of the layout.
pub(super) const HEADER: u64 = u64::from_le_bytes(*b"pyqpage\x03");
pub(super) const HEAD_BYTES: usize = 128;
const ENTRY_BYTES: usize = 32;
const DESK_BYTES: usize = 8;
/// A word `count << 32 | bytes`, then the bytes.
const DRAWER_BYTES: usize = 64 * 1024;

/// A running job is to end. A flag of its start.
pub const REVOKED: i64 = 1 << 62;
/// A running job should come to its end: its worker stops, or its child is being replaced.
pub const LEAVING: i64 = 1 << 61;
const FLAGS: i64 = REVOKED | LEAVING;

/// Whose a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No job.
    Free,
    /// The child may take it.
    Offered,
    /// The supervisor took it back before the child did.
    TakenBack,
    /// The child runs it.
    Started,
    /// It has ended; its outcome may not be written yet.
    Done,
}

impl State {
    fn of(word: u64) -> Option<State> {
        [State::Free, State::Offered, State::TakenBack, State::Started, State::Done]
            .get((word & 255) as usize)
            .copied()
    }
}

fn word(stamp: u64, state: State) -> u64 {
    stamp << 8 | state as u64
}

/// The shared entries of all children of one worker.
pub struct Page {
    pub(super) shared: Shared,
    children: u32,
    entries: u32,
}

impl Page {
    /// Makes the page of a new worker with so many entries for each child. `clock` is the identity of its boot clock.
    pub fn create(path: &Path, children: u32, entries: u32, clock: &str) -> Result<Page> {
        // A page of that name belongs to nobody: ids of workers are not used twice in one file.
        let _ = std::fs::remove_file(path);
        let shared = Shared::open(path, length(children, entries), true)?;
        shared.word(8).store(children, Relaxed);
        shared.word(12).store(entries, Relaxed);
        shared.word(16).store(boot(clock), Relaxed);
        shared.long(0).store(HEADER, Release);
        Ok(Page { shared, children, entries })
    }

    /// Maps the page of the worker that started this child.
    pub fn open(path: &Path) -> Result<Page> {
        let head = Shared::open(path, HEAD_BYTES, false)?;
        let (children, entries) = (head.word(8).load(Relaxed), head.word(12).load(Relaxed));
        if head.long(0).load(Acquire) != HEADER || !is_size(children, entries) {
            return Err(Error::Wire("the shared page has another layout".into()));
        }
        Ok(Page { shared: Shared::open(path, length(children, entries), false)?, children, entries })
    }

    /// Supervisor: makes room for more children. Those that run have the old mapping, in which nothing has moved.
    pub fn grow(&mut self, path: &Path, children: u32) -> Result<()> {
        if children > self.children {
            self.shared = Shared::open(path, length(children, self.entries), false)?;
            self.children = children;
            self.shared.word(8).store(children, Release);
        }
        Ok(())
    }

    /// How many children the page has room for.
    pub fn children(&self) -> u32 {
        self.children
    }

    /// Where the process of a child stands.
    pub(super) fn desk(&self, child: u32) -> usize {
        assert!(child < self.children);
        desk(child, self.entries)
    }

    fn at(&self, child: u32, index: u32) -> usize {
        assert!(child < self.children && index < self.entries);
        place(child, self.entries, index)
    }

    /// Supervisor: offers a job in an entry that nobody else looks at.
    pub fn offer(&self, child: u32, index: u32, stamp: u64, row: RowId, token: i64) {
        let at = self.at(child, index);
        self.shared.signed(at + 8).store(row.0, Relaxed);
        self.shared.signed(at + 16).store(token, Relaxed);
        self.shared.signed(at + 24).store(0, Relaxed);
        self.shared.long(at).store(word(stamp, State::Offered), Release);
    }

    fn change(&self, child: u32, index: u32, stamp: u64, from: State, to: State) -> bool {
        let state = self.shared.long(self.at(child, index));
        state.compare_exchange(word(stamp, from), word(stamp, to), AcqRel, Relaxed).is_ok()
    }

    /// Supervisor: takes an offer back; false when the child was faster.
    pub fn retract(&self, child: u32, index: u32, stamp: u64) -> bool {
        self.change(child, index, stamp, State::Offered, State::TakenBack)
            || (mutants::on(Mutant::TakenBackTwice)
                && self.change(child, index, stamp, State::Started, State::TakenBack))
    }

    /// Supervisor: nothing is known about the entry's job any more, because its outcome is written or because
    /// it was offered elsewhere.
    pub fn free(&self, child: u32, index: u32) {
        self.shared.long(self.at(child, index)).store(word(0, State::Free), Release);
    }

    /// Child: takes an offered job; false when it was taken back.
    pub fn take(&self, child: u32, index: u32, stamp: u64, now_us: i64) -> bool {
        let taken = self.change(child, index, stamp, State::Offered, State::Started);
        if taken {
            self.shared.signed(self.at(child, index) + 24).store(now_us, Release);
        }
        taken
    }

    /// Child: the job has ended.
    pub fn done(&self, child: u32, index: u32, stamp: u64) {
        self.change(child, index, stamp, State::Started, State::Done);
    }

    fn drawer(&self, child: u32) -> usize {
        assert!(child < self.children);
        desk(child, self.entries) + DESK_BYTES
    }

    /// Child: keeps one outcome more, the `count`-th, behind the first `used` bytes; false where it has no room.
    pub fn keep(&self, child: u32, count: u32, used: usize, bytes: &[u8]) -> bool {
        let (at, end) = (self.drawer(child), used.saturating_add(bytes.len()));
        let fits = end <= DRAWER_BYTES - 8;
        if fits {
            // SAFETY: the child alone writes its drawer, under a lock, and it is read only after its death.
            unsafe { self.shared.put(at + 8 + used, bytes) };
            self.shared.long(at).store(u64::from(count) << 32 | end as u64, Release);
        }
        fits
    }

    /// The drawer's outcomes are sent, or taken over.
    pub fn empty(&self, child: u32) {
        self.shared.long(self.drawer(child)).store(0, Release);
    }

    /// Supervisor: how many outcomes a dead child left, and their bytes.
    pub fn left(&self, child: u32) -> (u32, Vec<u8>) {
        let at = self.drawer(child);
        let word = self.shared.long(at).load(Acquire);
        let used = (word & u64::from(u32::MAX)) as usize;
        // SAFETY: the child is dead, and the next one is started by the thread that calls this.
        ((word >> 32) as u32, unsafe { self.shared.get(at + 8, used.min(DRAWER_BYTES - 8)) })
    }

    /// Whether the child may still take the offer.
    pub fn offered(&self, child: u32, index: u32, stamp: u64) -> bool {
        self.shared.long(self.at(child, index)).load(Acquire) == word(stamp, State::Offered)
    }

    /// State and start (boot time) of an offer; `Free` if the entry speaks of another. The start is 0 for the
    /// moment between a child's two writes.
    pub fn look(&self, child: u32, index: u32, stamp: u64) -> (State, i64) {
        let at = self.at(child, index);
        let now = self.shared.long(at).load(Acquire);
        if now >> 8 != stamp {
            return (State::Free, 0);
        }
        (State::of(now).unwrap_or(State::Free), self.shared.signed(at + 24).load(Acquire) & !FLAGS)
    }

    /// Supervisor: tells a running job something.
    pub fn flag(&self, child: u32, index: u32, stamp: u64, flag: i64) {
        // Without its time of start the child's own write is still to come, and would erase it.
        if matches!(self.look(child, index, stamp), (State::Started, since) if since > 0) {
            self.shared.signed(self.at(child, index) + 24).fetch_or(flag, AcqRel);
        }
    }

    /// Child: what it was told about a job that it runs.
    pub fn flags(&self, child: u32, index: u32, stamp: u64) -> i64 {
        let running = self.look(child, index, stamp).0 == State::Started;
        if running { self.shared.signed(self.at(child, index) + 24).load(Acquire) & FLAGS } else { 0 }
    }

    /// What the page of a dead worker says. A page that is missing, torn or of another version says nothing,
    /// nor does one from before a reboot: it was never synced, so a power cut may have taken its newest words.
    pub fn evidence(path: &Path, clock: &str) -> Evidence {
        let found = read(path, true).and_then(|bytes| read_evidence(&bytes, boot(clock)));
        found.map_or(Evidence::None, Evidence::Page)
    }

    /// What the page of a living worker says about its jobs, and who its children are. `None` as in `evidence`.
    pub fn seats_at(path: &Path, clock: &str) -> Option<Seats> {
        let bytes = read(path, false)?;
        let (children, entries) = size(&bytes, boot(clock))?;
        let pid = |child| long(&bytes, desk(child, entries)).unwrap_or(0) as u32;
        Some(Seats { taken: latest(&bytes, children, entries)?, children: (0..children).map(pid).collect() })
    }
}

/// A job that was offered to a child, as the page has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Of the claim.
    pub token: i64,
    /// How far it has come.
    pub state: State,
    /// When it was started (boot time, µs); 0 if it was not, or for a moment after.
    pub since_us: i64,
    /// Which child it was offered to.
    pub child: u32,
}

/// The jobs of a worker, by their rows, and the processes of its children; 0 is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats {
    /// The last word about each job.
    pub taken: HashMap<RowId, Seat>,
    /// By their numbers.
    pub children: Vec<u32>,
}

impl Seats {
    /// The processes that are there.
    pub fn processes(self) -> Vec<u32> {
        self.children.into_iter().filter(|pid| *pid != 0).collect()
    }
}

/// Supervisor: tells all jobs that a child runs something.
pub(super) fn flag_all(child: &Child, page: &Page, slot: u32, flag: i64) {
    child.held.iter().for_each(|held| page.flag(slot, held.index, held.stamp, flag));
}

/// The page, with or without what is in the drawers, unless something else lies in its place.
fn read(path: &Path, whole: bool) -> Option<Vec<u8>> {
    let file = crate::wake::regular(&mut OpenOptions::new(), path).ok()?;
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, 0).ok()?;
    let word = |at: usize| head.get(at..at + 4)?.try_into().map(u32::from_le_bytes).ok();
    let (children, entries) = (word(8)?, word(12)?);
    if !is_size(children, entries) || file.metadata().ok()?.len() < length(children, entries) as u64 {
        return None;
    }
    // Zeros that are not touched take no memory.
    let mut bytes = vec![0; length(children, entries)];
    let mut part = |from: usize, to: usize| file.read_exact_at(&mut bytes[from..to], from as u64).ok();
    if whole {
        part(0, length(children, entries))?;
    } else {
        part(0, place(0, entries, 0))?;
        (0..children)
            .try_for_each(|child| part(place(child, entries, 0), desk(child, entries) + DESK_BYTES))?;
    }
    Some(bytes)
}

/// The boot of an identity `boot/namespace`: pages can be read across time namespaces, not across reboots.
fn boot(clock: &str) -> u32 {
    crc32fast::hash(clock.split('/').next().unwrap_or_default().as_bytes())
}

/// Whether a page can have this size: what lies in its place may say anything.
pub(super) fn is_size(children: u32, entries: u32) -> bool {
    children <= 65_536 && (ENTRIES..=MOST_ENTRIES).contains(&entries)
}

fn place(child: u32, entries: u32, index: u32) -> usize {
    let each = entries as usize * ENTRY_BYTES + DESK_BYTES + DRAWER_BYTES;
    HEAD_BYTES + TALLY_BYTES + child as usize * each + index as usize * ENTRY_BYTES
}

/// One word, behind the entries of a child.
fn desk(child: u32, entries: u32) -> usize {
    place(child, entries, entries)
}

fn length(children: u32, entries: u32) -> usize {
    place(children, entries, 0)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).and_then(|slice| slice.try_into().ok()).map(u64::from_le_bytes)
}

/// How many children and entries each, of a page of this layout and boot.
fn size(bytes: &[u8], boot: u32) -> Option<(u32, u32)> {
    let (children, entries) = (long(bytes, 8)? as u32, (long(bytes, 8)? >> 32) as u32);
    let ours = long(bytes, 0)? == HEADER && long(bytes, 16)? & u64::from(u32::MAX) == u64::from(boot);
    (ours && is_size(children, entries)).then_some((children, entries))
}

/// A row may be named twice: by an entry whose outcome was written just before the end and by the entry of its next
/// claim. The larger token is the later word.
fn latest(bytes: &[u8], children: u32, entries: u32) -> Option<HashMap<RowId, Seat>> {
    let mut latest: HashMap<RowId, Seat> = HashMap::new();
    for child in 0..children {
        for index in 0..entries {
            let at = place(child, entries, index);
            let state = State::of(long(bytes, at)?)?;
            if matches!(state, State::Free | State::TakenBack) {
                continue;
            }
            let number = |at| Some(long(bytes, at)?.cast_signed());
            let since_us = number(at + 24)? & !FLAGS;
            let seat = Seat { token: number(at + 16)?, state, since_us, child };
            let known = latest.entry(RowId(number(at + 8)?)).or_insert(seat);
            if seat.token > known.token {
                *known = seat;
            }
        }
    }
    Some(latest)
}

fn read_evidence(bytes: &[u8], boot: u32) -> Option<HashMap<RowId, bool>> {
    let (children, entries) = size(bytes, boot)?;
    if bytes.len() < length(children, entries) {
        return None;
    }
    let started = latest(bytes, children, entries)?.into_iter().filter_map(|(row, seat)| match seat.state {
        State::Started => Some((row, true)),
        State::Done => Some((row, false)),
        _ => None,
    });
    Some(started.collect())
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
