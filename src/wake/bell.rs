//! The bell: a mapped side file of words. Ringing a line adds to its word and wakes who sleeps on it.
//!
//! A word is a count in the upper 31 bits and one bit "somebody sleeps". Both lie in one word because a ringer
//! must clear the bit and add to the count in one step: with a flag beside the count, a late ringer could clear
//! the flag of a waiter that already saw its ring, and the next ring would find nobody to wake.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use rustix::io::Errno;

use super::futex;
use super::map::Shared;
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::mutants::{self, Mutant};

const LENGTH: usize = 4096;
/// "pyqbell" and the version of the layout.
const HEADER: u64 = u64::from_le_bytes(*b"pyqbell\x01");
const ASLEEP: u32 = 1;
/// Whether room is short: on a cache line of its own, behind those of all lines.
const SHORT: usize = 1344;

/// What is rung about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// Jobs may have become claimable.
    Ready,
    /// A change of rules, or a worker that entered.
    Control,
    /// Jobs of this group of ids have ended.
    Result(u8),
    /// Any job has ended: after the lines of the results.
    Ended,
    /// Something happened, while somebody follows what does.
    Events,
}

impl Line {
    /// The line of a job's result: one of 256, so that a result wakes few of those that wait for others.
    pub fn result(row: RowId) -> Line {
        // The sequence is in the low bits: a multiplication by the golden ratio spreads it to the top eight.
        Line::Result(((row.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
    }

    /// Ready, Control, Ended and Events have cache lines of their own.
    fn offset(self) -> usize {
        match self {
            Line::Ready => 64,
            Line::Control => 128,
            Line::Result(number) => 192 + 4 * usize::from(number),
            Line::Ended => 1280,
            Line::Events => 1408,
        }
    }
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The line was rung since `seen`, or the sleeper was woken for nothing: look at the store.
    Rung,
    /// The time is over.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

/// A mapped side file of futex words, shared by all processes that use one queue file.
pub struct Bell {
    shared: Shared,
}

impl Bell {
    /// Maps `<directory>/bell`; makes it where it is missing. The directory exists already.
    pub fn open(directory: &Path) -> Result<Bell> {
        let path = directory.join("bell");
        let shared = Shared::open(&path, LENGTH, true)?;
        // A new file is zeros, which is a bell nobody has rung: whoever writes the header first is as good as any.
        match shared.long(0).compare_exchange(0, HEADER, SeqCst, SeqCst) {
            Ok(_) | Err(HEADER) => Ok(Bell { shared }),
            Err(_) => Err(Error::Refused {
                path,
                reason:
                    "is not a bell of this version: stop every process that uses the queue, remove the file \
                         and start them again with one version of pyqueue"
                        .into(),
            }),
        }
    }

    fn word(&self, line: Line) -> &AtomicU32 {
        self.shared.mend();
        self.shared.word(line.offset())
    }

    /// Rings: call it after the commit.
    pub fn ring(&self, line: Line) {
        if mutants::on(Mutant::BellSilent) {
            return;
        }
        ring(self.word(line));
    }

    /// Rings the line of each job that has ended, then `Ended`.
    pub fn ring_ended(&self, rows: &[RowId]) {
        if mutants::on(Mutant::BellSilent) {
            return;
        }
        // One look at the file's length for all of them: each is a system call.
        self.shared.mend();
        for row in rows {
            ring(self.shared.word(Line::result(*row).offset()));
        }
        ring(self.shared.word(Line::Ended.offset()));
    }

    /// Whether the file is short of room, as far as somebody has found out.
    pub fn is_short(&self) -> bool {
        self.shared.word(SHORT).load(SeqCst) != 0
    }

    /// Notes whether the file is short of room; whether that is new.
    pub fn mark_short(&self, short: bool) -> bool {
        self.shared.mend();
        self.shared.word(SHORT).swap(u32::from(short), SeqCst) != u32::from(short)
    }

    /// How often the line was rung. Read it before you look at the store, then look, then `wait`.
    pub fn seen(&self, line: Line) -> u32 {
        self.word(line).load(SeqCst) & !ASLEEP
    }

    /// The same without a look at the file's length, for a supervisor: each look is a system call, and it has its
    /// page cut off no less easily.
    pub fn peek(&self, line: Line) -> u32 {
        self.shared.word(line.offset()).load(SeqCst) & !ASLEEP
    }

    /// Makes good what somebody has cut off the file; see [`Shared::mend`].
    pub fn mend(&self) {
        self.shared.mend();
    }

    /// Sleeps until the line is rung again after `seen`. A sleeper that is killed leaves its bit behind, which
    /// costs the next ring one needless system call.
    pub fn wait(&self, line: Line, seen: u32, timeout: Option<Duration>) -> Wake {
        let word = self.word(line);
        let asleep = seen | ASLEEP;
        match word.compare_exchange(seen, asleep, SeqCst, SeqCst) {
            Ok(_) => {}
            Err(now) if now == asleep => {}
            Err(_) => return Wake::Rung,
        }
        match futex::wait(word, asleep, timeout) {
            Err(Errno::TIMEDOUT) => Wake::TimedOut,
            Err(Errno::INTR) => Wake::Interrupted,
            Ok(()) | Err(_) => Wake::Rung,
        }
    }
}

fn ring(word: &AtomicU32) {
    let rung = word.fetch_update(SeqCst, SeqCst, |now| Some((now | ASLEEP).wrapping_add(1)));
    if rung.is_ok_and(|before| before & ASLEEP != 0) {
        futex::wake_all(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn a_ring_before_the_wait_is_not_missed() {
        let directory = tempfile::tempdir().unwrap();
        let bell = Bell::open(directory.path()).unwrap();
        let seen = bell.seen(Line::Ready);
        bell.ring(Line::Control);
        assert_eq!(bell.wait(Line::Ready, seen, Some(Duration::from_millis(1))), Wake::TimedOut);
        bell.ring(Line::Ready);
        assert_eq!(bell.wait(Line::Ready, seen, None), Wake::Rung);
    }

    #[test]
    fn a_foreign_header_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("bell"), [7; LENGTH]).unwrap();
        assert!(matches!(Bell::open(directory.path()), Err(Error::Refused { .. })));
        assert_eq!(std::fs::read(directory.path().join("bell")).unwrap(), [7; LENGTH]);
    }

    #[test]
    fn the_file_is_private_and_two_openers_share_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = std::thread::scope(|scope| {
            let open = || Bell::open(directory.path()).unwrap();
            let first = scope.spawn(open);
            (open(), first.join().unwrap())
        });
        one.ring(Line::Result(255));
        assert_eq!(two.seen(Line::Result(255)), 2);
        let mode = std::fs::metadata(directory.path().join("bell")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_bell_that_was_cut_rings_again() {
        let directory = tempfile::tempdir().unwrap();
        let bell = Bell::open(directory.path()).unwrap();
        let path = directory.path().join("bell");
        for _ in 0..3 {
            std::fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
            let seen = bell.seen(Line::Ready);
            bell.ring(Line::Ready);
            assert_eq!(bell.wait(Line::Ready, seen, None), Wake::Rung);
        }
    }

    #[test]
    fn a_link_or_a_pipe_in_its_place_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("bell"), directory.path().join("other"));
        std::fs::write(&other, "").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        assert!(Bell::open(directory.path()).is_err());
        assert_eq!(std::fs::read(&other).unwrap(), b"");
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(matches!(Bell::open(directory.path()), Err(Error::Refused { .. })));
    }

    #[test]
    fn no_ring_is_taken_for_a_shortage_of_room() {
        let folder = tempfile::tempdir().unwrap();
        let bell = Bell::open(folder.path()).unwrap();
        let lines = [Line::Ready, Line::Control, Line::Ended, Line::Events];
        let lines = || lines.into_iter().chain((0..=u8::MAX).map(Line::Result));
        for line in lines() {
            bell.ring(line);
        }
        assert!(!bell.is_short());
        let seen: Vec<_> = lines().map(|line| bell.seen(line)).collect();
        assert!(bell.mark_short(true));
        assert_eq!(lines().map(|line| bell.seen(line)).collect::<Vec<_>>(), seen);
        assert!(bell.is_short());
    }

    #[test]
    fn rows_spread_over_the_result_lines() {
        let lines: std::collections::HashSet<_> =
            (0..1024).map(|row| Line::result(RowId((1 << 51) + row)).offset()).collect();
        assert!(lines.len() > 200, "{}", lines.len());
    }

    /// Ringers post numbers and ring; each waiter must see every number without ever sleeping through one.
    /// With a time-out of 5 s a lost wake-up is a failure, not a delay.
    #[test]
    fn no_wake_up_is_lost_under_stress() {
        const ROUNDS: u64 = 20_000;
        let directory = tempfile::tempdir().unwrap();
        let posted = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        std::thread::scope(|scope| {
            let mut waiters = Vec::new();
            for waiter in 0..2 {
                let (posted, bell) = (Arc::clone(&posted), Bell::open(directory.path()).unwrap());
                waiters.push(scope.spawn(move || {
                    let mut known = 0;
                    while known < 2 * ROUNDS {
                        let seen = bell.seen(Line::Ready);
                        let now = posted.iter().map(|count| count.load(SeqCst)).sum();
                        if now == known {
                            let wake = bell.wait(Line::Ready, seen, Some(Duration::from_secs(5)));
                            assert_ne!(
                                wake,
                                Wake::TimedOut,
                                "waiter {waiter} slept through a ring at {known}"
                            );
                        }
                        known = now;
                    }
                }));
            }
            for ringer in 0..2 {
                let (posted, bell) = (Arc::clone(&posted), Bell::open(directory.path()).unwrap());
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        posted[ringer].fetch_add(1, SeqCst);
                        bell.ring(Line::Ready);
                        if round % 7 == 0 {
                            std::thread::yield_now();
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn a_ring_crosses_processes_and_a_killed_sleeper_does_no_harm() {
        let directory = tempfile::tempdir().unwrap();
        let bell = Bell::open(directory.path()).unwrap();
        let seen = bell.seen(Line::Ready);
        // SAFETY: the child calls nothing but system calls and _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            bell.wait(Line::Ready, seen, None);
            bell.ring(Line::Control);
            bell.wait(Line::Result(1), bell.seen(Line::Result(1)), None);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(0) }
        }
        let control = bell.seen(Line::Control);
        bell.ring(Line::Ready);
        while bell.wait(Line::Control, control, Some(Duration::from_secs(5))) == Wake::Interrupted {}
        assert_ne!(bell.seen(Line::Control), control);
        let mut status = 0;
        // SAFETY: our own child.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, &raw mut status, 0);
        }
        bell.ring(Line::Result(1));
        bell.ring(Line::Result(1));
        assert_eq!(bell.seen(Line::Result(1)), 4);
    }
}
