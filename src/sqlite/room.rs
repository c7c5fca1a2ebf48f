//! Room on the disk: what SQLite leaves unsaid when a write finds none, and checkpoints that don't fit.

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::{Connection, ffi};

use super::check;
use crate::clock::Env;
use crate::error::{Error, Result};

/// A WAL of so many frames is moved into the database by whoever commits next.
const LONG: c_int = 4_000;
/// So many frames on, the room is looked at again.
const STEP: c_int = 256;
/// Where less is free beside what a checkpoint may take, the WAL is kept short: somebody else may fill the disk
/// at any time, and then all that is in the WAL has to fit into what was set aside.
const MARGIN: u64 = 64 << 20;

/// What to do about the WAL after a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advice {
    Nothing,
    /// A checkpoint, and it fits.
    Checkpoint,
    /// A checkpoint, if it fits.
    Ask,
}

/// A WAL of so many bytes is made to start again, even if that takes a moment: 64 MB is what is promised, and writers
/// go on until it is done.
pub(super) const PRESSING: u64 = 40 << 20;

/// The frames in the WAL after the last commit of a connection.
#[derive(Default)]
pub(super) struct Length {
    frames: AtomicI32,
    looked: AtomicI32,
    pressed: AtomicI32,
}

impl Length {
    /// Counts the commits of a connection, in place of SQLite's own automatic checkpoint: that one begins
    /// whether or not the database can grow, and leaves a full disk behind and the WAL as long as it was.
    pub fn follow(&self, conn: &Connection) {
        let context = &raw const *self as *mut c_void;
        // SAFETY: whoever owns the connection owns this and drops it later; the hook touches only atomics.
        unsafe { ffi::sqlite3_wal_hook(conn.handle(), Some(committed), context) };
    }

    /// Whether the WAL has grown so long that it must start again although others write too: they keep it from
    /// starting again by itself, to 70 MB within a second. Where a reader keeps it, this is tried again once it has
    /// grown by as much as makes a WAL long.
    pub fn presses(&self, page: u64) -> bool {
        let frames = self.frames.load(Ordering::Relaxed);
        let pressed = self.pressed.load(Ordering::Relaxed).min(frames);
        let presses = u64::try_from(frames).unwrap_or(0) * page >= PRESSING && frames >= pressed + LONG;
        self.pressed.store(if presses { frames } else { pressed }, Ordering::Relaxed);
        presses
    }

    /// Whether it is time for a checkpoint: when the WAL is long, and earlier where the disk is nearly full.
    pub fn advice(&self, path: &Path, env: &Env, page: u64) -> Advice {
        let frames = self.frames.load(Ordering::Relaxed);
        let looked = self.looked.load(Ordering::Relaxed).min(frames);
        if frames < looked + STEP && !(looked < LONG && frames >= LONG) {
            self.looked.store(looked, Ordering::Relaxed);
            return Advice::Nothing;
        }
        self.looked.store(frames, Ordering::Relaxed);
        let most = u64::try_from(frames).unwrap_or(0) * page;
        let limit = file_limit().map_or(u64::MAX, |limit| limit.saturating_sub(most));
        match free(path, env).min(limit) >= most + MARGIN {
            true if frames < LONG => Advice::Nothing,
            true => Advice::Checkpoint,
            false => Advice::Ask,
        }
    }
}

unsafe extern "C" fn committed(
    context: *mut c_void,
    _: *mut ffi::sqlite3,
    _: *const c_char,
    frames: c_int,
) -> c_int {
    // SAFETY: the context is the `Length` that follows this connection.
    unsafe { &*context.cast::<Length>() }.frames.store(frames, Ordering::Relaxed);
    ffi::SQLITE_OK
}

/// The bytes that this user may still write to the file system of a path; plenty where it can't be asked.
pub fn free(path: &Path, env: &Env) -> u64 {
    match &env.vfs {
        Some(vfs) => vfs.free(),
        None => {
            rustix::fs::statvfs(path).map_or(u64::MAX, |space| space.f_bavail.saturating_mul(space.f_frsize))
        }
    }
}

/// The largest file this process may write, in bytes.
pub fn file_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

/// A write beyond the limit for files is an error to be told and no reason to die. Python's own start does the
/// same; a program that embeds Python may not have.
pub(super) fn survive_file_limit() {
    // SAFETY: asks for and sets the disposition of one signal; both values are valid.
    unsafe {
        let mut now: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(libc::SIGXFSZ, ptr::null(), &raw mut now);
        if asked == 0 && now.sa_sigaction == libc::SIG_DFL {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        }
    }
}

/// Refuses a checkpoint for which the database would have to grow beyond the free space. One that ran out of
/// it would have used it up and not let the WAL start again.
pub(super) fn refuse_misfit(conn: &Connection, path: &Path, env: &Env) -> Result<()> {
    let (growth, whole) = growth(conn)?;
    let free = free(path, env);
    if growth > 0 && (growth > free || file_limit().is_some_and(|limit| whole > limit)) {
        return Err(Error::Full(format!(
            "a checkpoint would make the database {growth} bytes larger, and {free} are free"
        )));
    }
    Ok(())
}

/// How many bytes can still be written before the disk is full: what is free after a checkpoint, and the WAL,
/// which then starts again; none if there is no room for a checkpoint.
pub(super) fn slack(conn: &Connection, path: &Path, env: &Env) -> Result<u64> {
    let (growth, _) = growth(conn)?;
    let wal = check::wal_size(path, env);
    Ok(free(path, env).checked_sub(growth).map_or(0, |rest| rest.saturating_add(wal)))
}

/// How many bytes the database is larger than its file, and its size with them.
fn growth(conn: &Connection) -> Result<(u64, u64)> {
    let read = |sql| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, u64>(0));
    let whole = read("PRAGMA page_count")? * read("PRAGMA page_size")?;
    Ok((whole.saturating_sub(size(conn)), whole))
}

/// The size of the database's file, asked through its VFS.
fn size(conn: &Connection) -> u64 {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    let mut size = 0;
    // SAFETY: the connection is open; the answer is its database's file, which lives as long as it does, and
    // methods of an open file are never null.
    unsafe {
        let into = (&raw mut file).cast::<c_void>();
        let code =
            ffi::sqlite3_file_control(conn.handle(), c"main".as_ptr(), ffi::SQLITE_FCNTL_FILE_POINTER, into);
        if code != ffi::SQLITE_OK || file.is_null() || (*file).pMethods.is_null() {
            return u64::MAX;
        }
        if let Some(ask) = (*(*file).pMethods).xFileSize
            && ask(file, &raw mut size) == ffi::SQLITE_OK
        {
            return u64::try_from(size).unwrap_or(0);
        }
    }
    u64::MAX
}

/// Says what the system answered where SQLite says only that it could not read or write: a quota or a limit for
/// files that is used up means the same as a full disk.
pub(super) fn explain(conn: &Connection, error: Error) -> Error {
    let Error::Io(text) = error else { return error };
    // SAFETY: the connection is open.
    let errno = unsafe { ffi::sqlite3_system_errno(conn.handle()) };
    let text = match errno {
        0 => return Error::Io(text),
        _ => format!("{text}: {}", io::Error::from_raw_os_error(errno)),
    };
    match errno {
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => Error::Full(text),
        _ => Error::Io(text),
    }
}
