//! Notices commits of connections that are not ours and ring no bell: the application's own, any SQLite client.
//!
//! inotify on the WAL fires at each write to it, before the commit can be seen: so the caller looks at the
//! database's data version at once and again after growing pauses. Where inotify can't be had, it looks each
//! 20 ms. This file only says when to look; it never opens the database.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

use crate::mutants::{self, Mutant};

/// Pauses between looks after the WAL was written to (µs).
const LADDER: [i64; 5] = [0, 200, 1_000, 4_000, 16_000];
/// Where the looks start after a write of our own: only a stranger's in the same moment is sought.
const AFTER_OWN: usize = 4;
const POLL_US: i64 = 20_000;

/// When to look whether a stranger has committed.
pub struct Foreign {
    inotify: Option<OwnedFd>,
    wal: PathBuf,
    watched: bool,
    step: usize,
    due_us: Option<i64>,
}

impl Foreign {
    /// Starts to watch. The text says why inotify can't be had.
    pub fn new(wal: PathBuf, now_us: i64) -> (Foreign, Option<String>) {
        let mut foreign = Foreign { inotify: None, wal, watched: false, step: LADDER.len(), due_us: None };
        let trouble = match inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) {
            Ok(fd) => {
                foreign.inotify = Some(fd);
                foreign.watch(now_us).err()
            }
            Err(errno) => Some(errno),
        };
        let Some(errno) = trouble else { return (foreign, None) };
        foreign.inotify = None;
        foreign.due_us = Some(now_us + POLL_US);
        let text = format!(
            "inotify can't be had ({errno}): jobs that other programs put into the file are looked for each 20 ms"
        );
        (foreign, Some(text))
    }

    /// The WAL goes when the last connection closes it, and may be missing for a moment: that is no error.
    fn watch(&mut self, now_us: i64) -> Result<(), rustix::io::Errno> {
        let Some(fd) = &self.inotify else { return Ok(()) };
        match inotify::add_watch(
            fd,
            &self.wal,
            WatchFlags::MODIFY | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF,
        ) {
            Ok(_) => {
                self.watched = true;
                self.climb(0, now_us);
                Ok(())
            }
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn climb(&mut self, step: usize, now_us: i64) {
        self.step = step;
        self.due_us = LADDER.get(step).map(|pause| now_us + pause);
    }

    /// To be polled for reading.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// When to look next, if at all (boot time).
    pub fn due_us(&self) -> Option<i64> {
        self.due_us
    }

    /// The descriptor is readable.
    pub fn fired(&mut self, now_us: i64) {
        self.drain();
        if !mutants::on(Mutant::ForeignUnheard) {
            self.climb(0, now_us);
        }
    }

    /// We have written ourselves. A stranger's commit cannot lie inside our transaction, but one may have begun
    /// right after it and be drained here with ours: so there is one look more, later.
    pub fn own_write(&mut self, now_us: i64) {
        if self.inotify.is_some() {
            self.drain();
            self.climb(AFTER_OWN, now_us);
        }
    }

    /// The caller has looked.
    pub fn looked(&mut self, now_us: i64, changed: bool) {
        if self.inotify.is_none() {
            self.due_us = Some(now_us + POLL_US);
        } else if changed {
            self.climb(LADDER.len(), now_us);
        } else {
            self.climb(self.step + 1, now_us);
        }
    }

    /// Once a second: watches the WAL again if it was replaced.
    pub fn tick(&mut self, now_us: i64) {
        if !self.watched {
            // What made the watch possible at the start still holds; if not, the look once a second remains.
            let _ = self.watch(now_us);
        }
    }

    fn drain(&mut self) {
        let Some(fd) = &self.inotify else { return };
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        while let Ok(event) = reader.next() {
            if event.events().intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                self.watched = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_write_to_the_wal_is_noticed_and_looked_at_with_growing_pauses() {
        let directory = tempfile::tempdir().unwrap();
        let wal = directory.path().join("jobs.db-wal");
        let mut file = std::fs::File::create(&wal).unwrap();
        let (mut foreign, warning) = Foreign::new(wal.clone(), 0);
        assert_eq!(warning, None);
        file.write_all(b"frame").unwrap();
        let mut set =
            [rustix::event::PollFd::from_borrowed_fd(foreign.fd().unwrap(), rustix::event::PollFlags::IN)];
        let second = rustix::time::Timespec { tv_sec: 1, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut set, Some(&second)).unwrap(), 1);
        foreign.fired(1_000);
        let mut due = Vec::new();
        while let Some(time) = foreign.due_us() {
            due.push(time);
            foreign.looked(time, false);
        }
        assert_eq!(due, [1_000, 1_200, 2_200, 6_200, 22_200]);

        // Replaced: found again at the next tick.
        std::fs::remove_file(&wal).unwrap();
        drop(file);
        foreign.fired(30_000);
        foreign.looked(30_000, true);
        assert_eq!(foreign.due_us(), None);
        foreign.tick(40_000);
        std::fs::write(&wal, b"new").unwrap();
        foreign.tick(50_000);
        assert_eq!(foreign.due_us(), Some(50_000));
    }
}
