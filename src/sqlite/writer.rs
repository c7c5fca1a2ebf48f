//! Group commit: the thread that has the writer commits for all that wait.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, ffi};

use super::Durability;
use super::connection::{Frames, Link};
use super::faults::{self, Kind};
use super::fork::Gate;
use super::room;
use super::ticket::{Line, Outcome, Waiting};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::mutants::{self, Mutant};

/// An open IMMEDIATE transaction.
pub struct Tx<'a, S> {
    /// Where it is open.
    pub conn: &'a Connection,
    /// What the caller keeps beside the connection: a cache of what the file says. Reset after each rollback.
    pub state: &'a mut S,
}

/// A group ends after this many requests or this long, so that the first in it does not wait for ever.
const GROUP: usize = 512;
const GROUP_US: i64 = 10_000;

/// The one connection that writes.
pub(super) struct Writer<S> {
    pub link: Link,
    pub state: S,
    pub clock: Arc<dyn Clock>,
    /// The `data_version` that was reported last.
    pub version: i64,
    /// A sync of the WAL failed, through whichever connection of this file: what it holds may never reach the
    /// disk, though later syncs succeed.
    pub suspect: Arc<AtomicBool>,
}

impl<S: Default + Send + 'static> Writer<S> {
    pub fn new(link: Link, clock: Arc<dyn Clock>, suspect: Arc<AtomicBool>) -> Self {
        Writer { link, state: S::default(), clock, version: 0, suspect }
    }

    /// The open transaction.
    pub fn tx(&mut self) -> Tx<'_, S> {
        Tx { conn: &self.link.conn, state: &mut self.state }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.link.conn.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Begins; nothing is open before.
    pub fn begin(&mut self, gate: &mut Gate) -> Result<()> {
        if !self.link.conn.is_autocommit() {
            self.roll_back();
        }
        let begin = if mutants::on(Mutant::DeferredBegin) { "BEGIN" } else { "BEGIN IMMEDIATE" };
        self.link.patiently(gate, || self.execute(begin))
    }

    /// Commits, or rolls everything back.
    pub fn commit(&mut self) -> Result<()> {
        let committed = self.execute("COMMIT");
        if committed.is_err() {
            self.roll_back();
        }
        if mutants::on(Mutant::CommitUnchecked) {
            return Ok(());
        }
        committed.map_err(|error| room::explain(&self.link.conn, error.into()))
    }

    /// Moves a WAL that has grown long into the database, where that fits. Who is in the way, or an error, leaves
    /// it for a later commit.
    fn shorten(&mut self, gate: &mut Gate) {
        if self.link.is_long() {
            let mode = if self.link.presses() {
                ffi::SQLITE_CHECKPOINT_RESTART
            } else {
                ffi::SQLITE_CHECKPOINT_PASSIVE
            };
            let _ = self.checkpoint(gate, mode);
        }
    }

    /// Runs a checkpoint, as `Link::checkpoint`; never of a WAL that may not be on the disk. Half of it in the
    /// database would be left by a power cut without the other half.
    pub fn checkpoint(&mut self, gate: &mut Gate, mode: i32) -> Result<(i32, Frames)> {
        if self.suspect.load(Ordering::Relaxed) {
            self.mend(gate)?;
        }
        Ok(self.link.watched(mode, &self.suspect))
    }

    /// Rolls back what is open, if SQLite has not done so by itself (FULL, IOERR, NOMEM).
    pub fn roll_back(&mut self) {
        if !mutants::on(Mutant::StaleRulesAfterRollback) {
            self.state = S::default();
        }
        if !self.link.conn.is_autocommit() {
            // A rollback that fails is tried again by the next `begin`.
            let _ = self.execute("ROLLBACK");
        }
        self.link.forget_pages();
    }

    /// Runs `work` and whatever waits in the line in one transaction. The own work comes first and needs no
    /// savepoint: if it fails nothing else is in the transaction yet.
    pub fn group<T>(
        &mut self,
        gate: &mut Gate,
        line: &Line<S>,
        durability: Durability,
        work: impl FnOnce(&mut Tx<'_, S>) -> Result<T>,
    ) -> Outcome<T> {
        if let Err(error) = self.begin(gate) {
            // Who waits behind a lock that lasts longer than the timeout must not wait for it once each.
            while let Error::Busy { .. } = error
                && let Some(next) = line.next()
            {
                next.answer(Some(error.clone()));
            }
            return Ok(Err(error));
        }
        let own = catch_unwind(AssertUnwindSafe(|| work(&mut self.tx())));
        let Ok(Ok(own)) = own else {
            self.roll_back();
            return own;
        };
        if self.link.conn.is_autocommit() {
            self.roll_back();
            return Ok(Err(vanished()));
        }
        let mut served: Vec<Arc<dyn Waiting<S>>> = Vec::new();
        let failure = self.serve(line, &mut served).and_then(|()| self.commit()).err();
        let full = |wants| wants == Some(Durability::Full);
        let mut unsynced = None;
        if failure.is_none() {
            self.shorten(gate);
            if full(Some(durability)) || served.iter().any(|one| full(one.wants())) {
                unsynced = self.sync(gate).err();
            }
        }
        for one in served {
            let unsynced = unsynced.as_ref().filter(|_| full(one.wants()));
            one.answer(failure.as_ref().or(unsynced).cloned());
        }
        Ok(match failure.or(unsynced.filter(|_| full(Some(durability)))) {
            Some(error) => Err(error),
            None => Ok(own),
        })
    }

    /// Takes requests from the line into the open transaction. An error means that all of it is gone.
    fn serve(&mut self, line: &Line<S>, served: &mut Vec<Arc<dyn Waiting<S>>>) -> Result<()> {
        let mut end = 0;
        while served.len() < GROUP
            && let Some(next) = line.next()
        {
            let now = self.clock.boot_us();
            if served.is_empty() {
                end = now + GROUP_US;
            }
            served.push(next.clone());
            if let Err(error) = self.serve_one(&*next) {
                self.roll_back();
                return Err(error);
            }
            if now >= end {
                break;
            }
        }
        Ok(())
    }

    fn serve_one(&mut self, request: &dyn Waiting<S>) -> Result<()> {
        self.execute("SAVEPOINT request")?;
        let done = request.run(&mut self.tx());
        if self.link.conn.is_autocommit() {
            return Err(done.err().unwrap_or_else(vanished));
        }
        if done.is_err() {
            self.execute("ROLLBACK TO request")?;
            self.state = S::default();
        }
        Ok(self.execute("RELEASE request")?)
    }

    /// Syncs the WAL, as `synchronous=FULL` does inside COMMIT: there too the frames are written in the same
    /// order, then one xSync follows, and only then the commit is acknowledged. (The sync of the WAL's
    /// header after a restart of the WAL happens in NORMAL as well.) The difference is that others can see
    /// the commit before it is durable, and theirs come later in the same file. The first xSync of a new
    /// WAL syncs its directory too.
    fn sync(&mut self, gate: &mut Gate) -> Result<()> {
        if mutants::on(Mutant::SyncSkipped) {
            return Ok(());
        }
        if !self.suspect.load(Ordering::Relaxed) && self.wal(sync) == ffi::SQLITE_OK {
            return Ok(());
        }
        self.suspect.store(true, Ordering::Relaxed);
        self.mend(gate)
    }

    /// Writes all of the WAL once more where it stands, and syncs it: after a sync that failed the system takes
    /// what it did not write for written. (A checkpoint would not do: a power cut can leave the beginning of the
    /// WAL, whose older pages then hide newer ones in the database.) Under the write lock nobody else writes there,
    /// and readers see the same bytes.
    fn mend(&mut self, gate: &mut Gate) -> Result<()> {
        self.begin(gate).map_err(|error| match error {
            // "Busy" would say that nothing was written.
            Error::Busy { .. } => unsynced(&error.to_string()),
            error => error,
        })?;
        let code = self.wal(if mutants::on(Mutant::FailedSyncForgotten) { sync } else { rewrite });
        // Nothing was written: what fails here is rolled back by the next `begin`.
        let _ = self.execute("ROLLBACK");
        if code != ffi::SQLITE_OK {
            return Err(unsynced(&format!("SQLite code {code}")));
        }
        self.suspect.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Does something with the file of the WAL.
    fn wal(&self, act: unsafe fn(*mut ffi::sqlite3_file, &ffi::sqlite3_io_methods) -> i32) -> i32 {
        let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
        // SAFETY: the connection is open; with this code the answer is its WAL's file, which lives as long
        // as the connection, and methods of an open file are never null.
        unsafe {
            let handle = self.link.conn.handle();
            let into = (&raw mut file).cast::<c_void>();
            let code =
                ffi::sqlite3_file_control(handle, c"main".as_ptr(), ffi::SQLITE_FCNTL_JOURNAL_POINTER, into);
            if code != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
                return ffi::SQLITE_IOERR;
            }
            act(file, &*(*file).pMethods)
        }
    }
}

/// # Safety
/// `file` is open and these are its methods.
unsafe fn sync(file: *mut ffi::sqlite3_file, methods: &ffi::sqlite3_io_methods) -> i32 {
    if faults::fails(Kind::Sync).is_some() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    match methods.xSync {
        // SAFETY: the caller's promise.
        Some(sync) => unsafe { sync(file, ffi::SQLITE_SYNC_NORMAL) },
        None => ffi::SQLITE_IOERR,
    }
}

/// Writes what a file holds into it and syncs it.
///
/// # Safety
/// As for `sync`.
unsafe fn rewrite(file: *mut ffi::sqlite3_file, methods: &ffi::sqlite3_io_methods) -> i32 {
    let (Some(size), Some(read), Some(write)) = (methods.xFileSize, methods.xRead, methods.xWrite) else {
        return ffi::SQLITE_IOERR;
    };
    let mut buffer = vec![0_u8; 1 << 18];
    let (mut at, mut end) = (0, 0);
    // SAFETY: the caller's promise; the buffer is as long as it is said to be.
    unsafe {
        let mut code = size(file, &raw mut end);
        while code == ffi::SQLITE_OK && at < end {
            let part = (end - at).min(buffer.len() as i64) as i32;
            code = read(file, buffer.as_mut_ptr().cast(), part, at);
            if code == ffi::SQLITE_OK {
                code = write(file, buffer.as_ptr().cast(), part, at);
            }
            at += i64::from(part);
        }
        if code == ffi::SQLITE_OK { sync(file, methods) } else { code }
    }
}

fn unsynced(why: &str) -> Error {
    Error::Io(format!(
        "the write-ahead log could not be synced to the disk ({why}): the write is visible but may not survive a power loss"
    ))
}

fn vanished() -> Error {
    Error::Sqlite("the transaction was rolled back by SQLite: nothing was stored".into())
}
