//! One connection to the file and how it waits for others.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::fork::{self, Gate};
use super::room::{self, Advice, Length};
use crate::clock::{Clock, Env};
use crate::error::{Error, Result};

/// How long a write waits for another connection.
const BUSY_TIMEOUT_US: i64 = 30_000_000;
/// The busy handler gives up this often, so that forks and signals are answered in between. So long a checkpoint may
/// stand in the way of writers, too.
const SLICE_US: i64 = 50_000;

/// A connection and its patience. The connection is dropped first: SQLite has pointers to the boxes.
pub(super) struct Link {
    pub conn: Connection,
    path: PathBuf,
    patience: Box<Patience>,
    length: Box<Length>,
    /// The size of a page in bytes.
    page: Cell<u64>,
    env: Env,
}

/// The WAL after a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    pub all: u64,
    /// Not in the database yet.
    pub left: u64,
}

/// What the busy handler needs. Sleeps of a random 0.1–2 ms: SQLite's own handler let one of 8 processes
/// commit 15 times as often as another and ran into a 5 s timeout; jitter 1.5 times, longest wait 222 ms.
struct Patience {
    clock: Arc<dyn Clock>,
    dice: AtomicU64,
    since_us: AtomicI64,
}

impl Link {
    /// Opens a file that exists.
    pub fn open(path: &Path, env: &Env) -> Result<Link> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let conn = match &env.vfs {
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.name())?,
            None => Connection::open_with_flags(path, flags)?,
        };
        let patience = Box::new(Patience {
            clock: env.clock.clone(),
            dice: AtomicU64::new(env.random.next() | 1),
            since_us: AtomicI64::new(0),
        });
        let context = &raw const *patience as *mut c_void;
        // SAFETY: the box outlives the connection and the handler touches only its atomics.
        unsafe { ffi::sqlite3_busy_handler(conn.handle(), Some(wait), context) };
        // SAFETY: the callback has no state.
        unsafe { ffi::sqlite3_set_authorizer(conn.handle(), Some(unstatistical), std::ptr::null_mut()) };
        // Without it `LIMIT ?` is prepared anew at each bind: half the speed.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.set_prepared_statement_cache_capacity(256);
        let length = Box::<Length>::default();
        Ok(Link { conn, path: path.to_owned(), patience, length, page: Cell::new(0), env: env.clone() })
    }

    /// The settings that take a look at the file. A commit is NORMAL for SQLite; `Durability::Full` syncs
    /// the WAL itself.
    pub fn settle(&self, gate: &mut Gate, reader: bool) -> Result<()> {
        self.patiently(gate, || {
            self.conn.execute_batch(
                "PRAGMA synchronous = NORMAL;
                 PRAGMA cache_size = -8192;
                 PRAGMA temp_store = MEMORY;
                 PRAGMA wal_autocheckpoint = 0;
                 PRAGMA journal_size_limit = 67108864;",
            )?;
            self.conn.pragma_update(None, "query_only", reader)?;
            self.page.set(self.conn.query_row("PRAGMA page_size", [], |row| row.get(0))?);
            Ok(())
        })?;
        self.length.follow(&self.conn);
        Ok(())
    }

    /// Calls `act` until nobody is in its way, the busy timeout is over, or a signal arrives. `act` must have
    /// had no effect when it answers busy.
    pub fn patiently<T>(&self, gate: &mut Gate, mut act: impl FnMut() -> rusqlite::Result<T>) -> Result<T> {
        let start = self.patience.clock.boot_us();
        loop {
            match act() {
                Err(error) if is_busy(&error) => {
                    // With no outside, a fork that waits does so for our own outer gate: only giving up lets
                    // it go on.
                    let arrived = gate.outside(|| self.env.signals.arrived());
                    if arrived == Some(true) {
                        return Err(Error::Interrupted);
                    }
                    let waited = self.patience.clock.boot_us() - start;
                    if waited >= BUSY_TIMEOUT_US || arrived.is_none() && fork::pending() {
                        return Err(Error::Busy { waited_ms: u64::try_from(waited / 1_000).unwrap_or(0) });
                    }
                }
                other => return other.map_err(|error| room::explain(&self.conn, error.into())),
            }
        }
    }

    /// Runs a checkpoint; the code and how many frames of the WAL are not in the database, with how many
    /// there are in all.
    fn checkpoint(&self, mode: c_int) -> (c_int, Frames) {
        let (mut all, mut done) = (0, 0);
        // SAFETY: the connection is open and both numbers are valid for the call.
        let code = unsafe {
            let handle = self.conn.handle();
            ffi::sqlite3_wal_checkpoint_v2(handle, c"main".as_ptr(), mode, &mut all, &mut done)
        };
        let count = |number: c_int| u64::try_from(number).unwrap_or(0);
        (code, Frames { all: count(all), left: count(all).saturating_sub(count(done)) })
    }

    /// Runs a checkpoint, and notes where a sync of the WAL may have failed in it.
    pub fn watched(&self, mode: c_int, suspect: &AtomicBool) -> (c_int, Frames) {
        let (code, frames) = self.checkpoint(mode);
        if code & 0xff == ffi::SQLITE_IOERR {
            suspect.store(true, Ordering::Relaxed);
        }
        (code, frames)
    }

    /// Whether it is time to move the WAL into the database, and that fits.
    pub fn is_long(&self) -> bool {
        match self.length.advice(&self.path, &self.env, self.page.get()) {
            Advice::Nothing => false,
            Advice::Checkpoint => true,
            Advice::Ask => self.refuse_misfit().is_ok(),
        }
    }

    /// Whether the WAL has to start again even if that keeps others waiting for a slice; see [`Length::presses`].
    pub fn presses(&self) -> bool {
        self.length.presses(self.page.get())
    }

    /// Refuses a checkpoint for which there is no room.
    pub fn refuse_misfit(&self) -> Result<()> {
        room::refuse_misfit(&self.conn, &self.path, &self.env)
    }

    /// Lets go of the pages in memory: one that was read wrong once must not fail every later look.
    pub fn forget_pages(&self) {
        // SAFETY: the connection is open.
        unsafe { ffi::sqlite3_db_release_memory(self.conn.handle()) };
    }
}

/// Whether another connection was in the way. SQLite speaks of the locking protocol after 10 s in which it could
/// not begin to read, because a process was stopped while it recovered the WAL.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed))
}

/// Hides statistics from the planner. An application that runs ANALYZE while the queue is nearly empty would have it scan
/// tables of which it was told that they have one row.
unsafe extern "C" fn unstatistical(
    _context: *mut c_void,
    action: c_int,
    table: *const c_char,
    _column: *const c_char,
    _database: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    let reads = action == ffi::SQLITE_READ && !table.is_null();
    // SAFETY: SQLite's own text, which lives for the call.
    if reads && unsafe { CStr::from_ptr(table) }.to_bytes().starts_with(b"sqlite_stat") {
        return ffi::SQLITE_IGNORE;
    }
    ffi::SQLITE_OK
}

/// SQLite's busy handler: 0 gives up. A fork that waits must not wait for a transaction of another process.
unsafe extern "C" fn wait(context: *mut c_void, count: c_int) -> c_int {
    if fork::pending() {
        return 0;
    }
    // SAFETY: the context is the box of the link whose connection calls.
    let patience = unsafe { &*context.cast::<Patience>() };
    let now = patience.clock.boot_us();
    if count == 0 {
        patience.since_us.store(now, Ordering::Relaxed);
    }
    if now - patience.since_us.load(Ordering::Relaxed) >= SLICE_US {
        return 0;
    }
    patience.clock.sleep(Duration::from_micros(patience.pause_us(count)));
    1
}

impl Patience {
    fn pause_us(&self, count: c_int) -> u64 {
        let mut dice = self.dice.load(Ordering::Relaxed);
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.store(dice, Ordering::Relaxed);
        let longest = (200u64 << count.clamp(0, 4)).min(2_000);
        100 + dice % (longest - 99)
    }
}
