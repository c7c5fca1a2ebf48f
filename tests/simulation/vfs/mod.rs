//! An in-memory VFS for SQLite: the product's own code runs on it, unchanged.
//!
//! * `disk`: named disks, faults, killed processes; `record`: files, and what of them has reached the platter
//! * `locks`: file locks and the shared memory of the WAL, between handles as between real processes
//! * `register`, `file`: SQLite's two tables of functions
//!
//! A test makes a `Disk`, hands it to the core in `Env { vfs: Some(disk), .. }` and opens `disk.path("jobs.db")`.
//! A thread that plays a process says so with `enter`; without that it is process 0.

mod disk;
mod file;
mod locks;
mod record;
mod register;

use std::cell::RefCell;
use std::sync::Arc;

#[allow(unused_imports, reason = "for the tests that are built on top")]
pub use disk::{Disk, Fault};

/// What SQLite asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Open,
    Access,
    Delete,
    Read,
    Write,
    Truncate,
    Sync,
    Size,
    Lock,
    Unlock,
    ShmMap,
    ShmLock,
    ShmUnlock,
    /// A statement begins; no call of the VFS.
    Statement,
}

/// How many kinds there are.
pub const KINDS: usize = 14;

/// The process that a thread plays.
pub trait Caller {
    /// Its number. A killed process's number is never used again.
    fn process(&self) -> u32;
    /// Called before an operation takes effect, with no lock of the disk held: the place to let others run.
    fn before(&self, kind: Kind, file: &str);
    /// The write lock of a WAL was taken or let go by this process.
    fn write_lock(&self, _taken: bool) {}
    /// SQLite's own busy handler waits.
    fn sleep(&self, _us: i64) {}
    /// What a plain connection's SQL takes for the time.
    fn wall_us(&self) -> i64 {
        0
    }
}

/// Who reads beside all processes: a closing one that was stopped does not keep it out of the file.
pub const NOBODY: u32 = u32::MAX;

thread_local! {
    static CALLER: RefCell<Option<Arc<dyn Caller>>> = const { RefCell::new(None) };
}

/// Lets this thread play a process; who it was before.
pub fn enter(caller: Option<Arc<dyn Caller>>) -> Option<Arc<dyn Caller>> {
    CALLER.with(|current| current.replace(caller))
}

fn caller() -> Option<Arc<dyn Caller>> {
    CALLER.with(|current| current.borrow().clone())
}
