//! SQLite's table of functions over names.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use rusqlite::ffi;

use super::disk::Disk;
use super::file::{self, OpenFile};
use super::{Kind, caller};

/// The name under which SQLite knows it.
pub const NAME: &str = "simulation";

/// Registers it, once.
pub fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let vfs = Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<OpenFile>() as c_int,
            mxPathname: 512,
            pNext: ptr::null_mut(),
            zName: c"simulation".as_ptr(),
            pAppData: ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: None,
            xGetLastError: Some(last_error),
            xCurrentTimeInt64: Some(time),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        // SAFETY: the table is leaked, so it outlives SQLite.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(vfs), 0) };
        assert_eq!(code, ffi::SQLITE_OK);
        // SAFETY: the function lives as long as the program; SQLite calls it for each new connection.
        let code = unsafe { ffi::sqlite3_auto_extension(Some(trace)) };
        assert_eq!(code, ffi::SQLITE_OK);
    });
}

/// Lets each connection to a file tell of the statements it begins. What the store asks of a database in memory, once
/// in the life of our process, would make a seed that runs first another than the same one later.
unsafe extern "C" fn trace(
    connection: *mut ffi::sqlite3,
    _: *mut *mut c_char,
    _: *const ffi::sqlite3_api_routines,
) -> c_int {
    let events = ffi::SQLITE_TRACE_STMT as c_uint;
    // SAFETY: the connection is being opened by this thread; its database in the file is attached already.
    unsafe {
        let name = ffi::sqlite3_db_filename(connection, c"main".as_ptr());
        if name.is_null() || *name == 0 {
            return ffi::SQLITE_OK;
        }
        ffi::sqlite3_trace_v2(connection, events, Some(begins), ptr::null_mut())
    }
}

unsafe extern "C" fn begins(_: c_uint, _: *mut c_void, _: *mut c_void, _: *mut c_void) -> c_int {
    if let Some(caller) = caller() {
        caller.before(Kind::Statement, "");
    }
    0
}

/// # Safety
/// `name` is a string that lives for the call.
unsafe fn text<'a>(name: *const c_char) -> &'a str {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(name) }.to_str().expect("paths are UTF-8")
}

pub fn process() -> u32 {
    caller().map_or(0, |caller| caller.process())
}

/// Lets others run, and counts the call. `owner` has opened the file.
pub fn before(disk: &Disk, owner: u32, kind: Kind, file: &str) -> Option<c_int> {
    if let Some(caller) = caller() {
        caller.before(kind, file);
    }
    let process = process();
    disk.inner().seen(owner, process, file);
    disk.inner().strike(process, kind, file)
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    into: *mut ffi::sqlite3_file,
    flags: c_int,
    granted: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives memory of `szOsFile` bytes, which may hold anything.
    unsafe { (*into).pMethods = ptr::null() };
    if name.is_null() {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: SQLite's string.
    let name = unsafe { text(name) };
    let Some(disk) = Disk::of(name) else { return ffi::SQLITE_CANTOPEN };
    let process = process();
    if let Some(code) = before(&disk, process, Kind::Open, name) {
        return code;
    }
    let handle = {
        let mut inner = disk.inner();
        let file = inner.file(name);
        if file.live.is_none() {
            if flags & ffi::SQLITE_OPEN_CREATE == 0 {
                return ffi::SQLITE_CANTOPEN;
            }
            file.create(&[]);
        }
        inner.open(process, name)
    };
    // SAFETY: as above.
    unsafe {
        into.cast::<OpenFile>().write(file::opened(disk, name, process, handle));
        if !granted.is_null() {
            *granted = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, durably: c_int) -> c_int {
    // SAFETY: SQLite's string.
    let name = unsafe { text(name) };
    let Some(disk) = Disk::of(name) else { return ffi::SQLITE_IOERR_DELETE };
    if let Some(code) = before(&disk, process(), Kind::Delete, name) {
        return code;
    }
    let there = disk.inner().delete(name, durably != 0);
    if there { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_DELETE_NOENT }
}

unsafe extern "C" fn access(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _: c_int,
    there: *mut c_int,
) -> c_int {
    // SAFETY: SQLite's string.
    let name = unsafe { text(name) };
    let Some(disk) = Disk::of(name) else { return ffi::SQLITE_IOERR_ACCESS };
    if let Some(code) = before(&disk, process(), Kind::Access, name) {
        return code;
    }
    // As on real disks an empty file counts as none.
    let size =
        disk.inner().files.get(name).and_then(|file| file.live.as_ref().map(Vec::len)).unwrap_or_default();
    // SAFETY: valid for the call.
    unsafe { *there = c_int::from(size > 0) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_path(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    length: c_int,
    into: *mut c_char,
) -> c_int {
    // SAFETY: SQLite's string and buffer.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > length as usize {
            return ffi::SQLITE_CANTOPEN;
        }
        into.copy_from_nonoverlapping(bytes.as_ptr().cast(), bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(_: *mut ffi::sqlite3_vfs, length: c_int, into: *mut c_char) -> c_int {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    for at in 0..length as usize {
        // SAFETY: SQLite's buffer of this length.
        unsafe { *into.add(at) = NEXT.fetch_add(13, Ordering::Relaxed) as c_char };
    }
    length
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, time: c_int) -> c_int {
    if let Some(caller) = caller() {
        caller.sleep(i64::from(time));
    }
    time
}

unsafe extern "C" fn last_error(_: *mut ffi::sqlite3_vfs, _: c_int, _: *mut c_char) -> c_int {
    0
}

unsafe extern "C" fn time(_: *mut ffi::sqlite3_vfs, into: *mut ffi::sqlite3_int64) -> c_int {
    let wall_us = caller().map_or(0, |caller| caller.wall_us());
    // SAFETY: valid for the call. Milliseconds since the Julian calendar began.
    unsafe { *into = 210_866_760_000_000 + wall_us / 1_000 };
    ffi::SQLITE_OK
}
