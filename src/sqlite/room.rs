//! Room on the disk: what SQLite leaves unsaid when a write finds none, and checkpoints that don't fit.

use std::ffi::{c_char, c_int, c_void};
use std::io;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::{Connection, ffi};

use crate::error::{Error, Result};

/// A WAL of so many frames is moved into the database by whoever commits next.
const LONG: c_int = 4_000;
const LARGEST_PAGE: u64 = 65_536;

/// The frames in the WAL after the last commit of a connection.
#[derive(Default)]
pub(super) struct Length(AtomicI32);

impl Length {
    /// Counts the commits of a connection, in place of SQLite's own automatic checkpoint: that one begins
    /// whether or not the database can grow, and leaves a full disk behind and the WAL as long as it was.
    pub fn follow(&self, conn: &Connection) {
        let context = &raw const *self as *mut c_void;
        // SAFETY: whoever owns the connection owns this and drops it later; the hook touches only the atomic.
        unsafe { ffi::sqlite3_wal_hook(conn.handle(), Some(committed), context) };
    }

    /// Whether so much is free that a checkpoint fits in any case: asked first, because it takes no SQL.
    pub fn surely_fits(&self, path: &Path) -> bool {
        let frames = u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0);
        free(path) >= frames * LARGEST_PAGE && file_limit().is_none()
    }

    /// Whether it is time for a checkpoint.
    pub fn is_long(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= LONG
    }
}

unsafe extern "C" fn committed(
    context: *mut c_void,
    _: *mut ffi::sqlite3,
    _: *const c_char,
    frames: c_int,
) -> c_int {
    // SAFETY: the context is the `Length` that follows this connection.
    unsafe { &*context.cast::<Length>() }.0.store(frames, Ordering::Relaxed);
    ffi::SQLITE_OK
}

/// The bytes that this user may still write to the file system of a path; plenty where it can't be asked.
pub fn free(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |space| space.f_bavail.saturating_mul(space.f_frsize))
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
pub(super) fn refuse_misfit(conn: &Connection, path: &Path) -> Result<()> {
    let read = |sql| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, u64>(0));
    let pages = read("PRAGMA page_count")?;
    let page = read("PRAGMA page_size")?;
    let growth = (pages * page).saturating_sub(size(conn));
    let free = free(path);
    let limit = file_limit().unwrap_or(u64::MAX);
    if growth > 0 && (growth > free || pages * page > limit) {
        return Err(Error::Full(format!(
            "a checkpoint would make the database {growth} bytes larger, and {free} are free"
        )));
    }
    Ok(())
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
