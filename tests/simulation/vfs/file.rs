//! SQLite's table of functions over open files.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use rusqlite::ffi;

use super::disk::Disk;
use super::locks::Handle;
use super::{Kind, NOBODY, caller, register};

/// The memory that SQLite keeps for an open file.
#[repr(C)]
pub struct OpenFile {
    base: ffi::sqlite3_file,
    state: *mut State,
}

struct State {
    disk: Arc<Disk>,
    name: String,
    process: u32,
    handle: Handle,
}

/// The content of an open file.
pub fn opened(disk: Arc<Disk>, name: &str, process: u32, handle: Handle) -> OpenFile {
    let state = State { disk, name: name.to_owned(), process, handle };
    OpenFile {
        base: ffi::sqlite3_file { pMethods: &raw const METHODS },
        state: Box::into_raw(Box::new(state)),
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
/// `file` was filled by `opened` and not closed.
unsafe fn state<'a>(file: *mut ffi::sqlite3_file) -> &'a State {
    // SAFETY: the caller's promise; the state lives until `close`.
    unsafe { &*(*file.cast::<OpenFile>()).state }
}

impl State {
    fn before(&self, kind: Kind) -> Option<c_int> {
        register::before(&self.disk, self.process, kind, &self.name)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes once; the box was made by `opened`.
    let state = unsafe { Box::from_raw((*file.cast::<OpenFile>()).state) };
    state.disk.inner().seen(state.process, register::process(), &state.name);
    state.disk.inner().close(state.handle);
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: SQLite's open file and buffer.
    let (state, into) =
        unsafe { (state(file), std::slice::from_raw_parts_mut(into.cast::<u8>(), length as usize)) };
    let fault = state.before(Kind::Read);
    let most = match fault {
        None => into.len(),
        Some(ffi::SQLITE_IOERR_SHORT_READ) => into.len() / 2,
        Some(code) => return code,
    };
    let inner = state.disk.inner();
    let Some(content) = inner.files.get(&state.name).and_then(|file| file.live.as_ref()) else {
        return ffi::SQLITE_IOERR_READ;
    };
    let at = (at as usize).min(content.len());
    let count = most.min(content.len() - at);
    into[..count].copy_from_slice(&content[at..at + count]);
    into[count..].fill(0);
    if count < into.len() { ffi::SQLITE_IOERR_SHORT_READ } else { ffi::SQLITE_OK }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    length: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite's open file and buffer.
    let (state, from) =
        unsafe { (state(file), std::slice::from_raw_parts(from.cast::<u8>(), length as usize)) };
    let fault = state.before(Kind::Write);
    if fault == Some(ffi::SQLITE_IOERR) {
        return ffi::SQLITE_IOERR;
    }
    let mut inner = state.disk.inner();
    let fits = inner.fits(&state.name, at as usize + from.len());
    let Some(target) = inner.files.get_mut(&state.name).filter(|target| target.live.is_some()) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    if fault.is_none() && !fits {
        return ffi::SQLITE_FULL;
    }
    let count = if fault.is_some() { from.len() / 2 } else { from.len() };
    target.write(at as usize, &from[..count]);
    fault.unwrap_or(ffi::SQLITE_OK)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    if let Some(code) = state.before(Kind::Truncate) {
        return code;
    }
    if let Some(target) = state.disk.inner().files.get_mut(&state.name) {
        target.truncate(size as usize);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    if let Some(code) = state.before(Kind::Sync) {
        if code == ffi::SQLITE_IOERR_FSYNC {
            state.disk.inner().fail_sync(&state.name, state.handle);
        }
        return code;
    }
    let mut inner = state.disk.inner();
    if inner.tells(state.handle) {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    inner.sync(&state.name);
    ffi::SQLITE_OK
}

unsafe extern "C" fn size(file: *mut ffi::sqlite3_file, into: *mut i64) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    if let Some(code) = state.before(Kind::Size) {
        return code;
    }
    let size = state.disk.inner().files.get(&state.name).and_then(|file| file.live.as_ref().map(Vec::len));
    // SAFETY: valid for the call.
    unsafe { *into = size.unwrap_or_default() as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    if let Some(code) = state.before(Kind::Lock) {
        return code;
    }
    if state.process == NOBODY && level == ffi::SQLITE_LOCK_SHARED {
        return ffi::SQLITE_OK;
    }
    let taken = state
        .disk
        .inner()
        .files
        .get_mut(&state.name)
        .is_some_and(|file| file.locks.raise(state.handle, level));
    if taken { ffi::SQLITE_OK } else { ffi::SQLITE_BUSY }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    if let Some(code) = state.before(Kind::Unlock) {
        return code;
    }
    if let Some(file) = state.disk.inner().files.get_mut(&state.name) {
        file.locks.lower(state.handle, level);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn reserved(file: *mut ffi::sqlite3_file, into: *mut c_int) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    let held = state.disk.inner().files.get(&state.name).is_some_and(|file| file.locks.reserved());
    // SAFETY: valid for the call.
    unsafe { *into = c_int::from(held) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

/// As SQLite believes of real disks: a write does not harm its neighbours.
unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    into: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    // SAFETY: valid for the call.
    unsafe { *into = ptr::null_mut() };
    if let Some(code) = state.before(Kind::ShmMap) {
        return code;
    }
    if let Some(file) = state.disk.inner().files.get_mut(&state.name) {
        file.shm.attach(state.handle);
        // SAFETY: valid for the call.
        unsafe { *into = file.shm.region(region as usize, bytes as usize, extend != 0).cast() };
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    let release = flags & ffi::SQLITE_SHM_UNLOCK != 0;
    let exclusive = flags & ffi::SQLITE_SHM_EXCLUSIVE != 0;
    if let Some(code) = state.before(if release { Kind::ShmUnlock } else { Kind::ShmLock }) {
        return code;
    }
    {
        let mut inner = state.disk.inner();
        let Some(file) = inner.files.get_mut(&state.name) else { return ffi::SQLITE_IOERR_SHMLOCK };
        if release {
            file.shm.unlock(state.handle, first as usize, count as usize);
        } else if !file.shm.lock(state.handle, first as usize, count as usize, exclusive) {
            return ffi::SQLITE_BUSY;
        }
    }
    // The first slot is the right to append to the WAL.
    if exclusive
        && first == 0
        && count == 1
        && let Some(caller) = caller()
    {
        caller.write_lock(!release);
    }
    ffi::SQLITE_OK
}

/// Threads take turns, and the turn is a barrier.
unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite's open file.
    let state = unsafe { state(file) };
    let mut inner = state.disk.inner();
    if let Some(file) = inner.files.get_mut(&state.name) {
        file.shm.detach(state.handle);
    }
    ffi::SQLITE_OK
}
