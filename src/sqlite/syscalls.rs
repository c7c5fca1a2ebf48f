//! The system calls of our copy of SQLite, replaced so that it is safe beside another copy in the process.
//!
//! POSIX locks belong to the process: two copies of SQLite in it do not exclude each other, and a close of
//! any descriptor drops the locks of both. With the stock calls 8 of 8 torture runs lost rows, corrupted
//! the file or died by SIGBUS. With these (locks owned by the open file, one lock descriptor per inode,
//! descriptors never closed) 1.8 million commits and 120 SIGKILLs lost nothing.
//!
//! The calls are replaced through `xSetSystemCall` of the default VFS, before the first open.

use std::ffi::CStr;
use std::io;
use std::mem::{MaybeUninit, transmute};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use libc::{c_char, c_int, c_void, off_t, size_t};
use rusqlite::ffi;

use super::descriptors::{self, Inode, Lock};
use super::faults::{self, Kind};
use super::fork;
use crate::mutants::{self, Mutant};

/// For tests only: with this variable set to 1 SQLite keeps its own system calls, and a test of
/// coexistence or fork must then fail. Read once per process.
pub const STOCK_LOCKS: &str = "PYQUEUE_TEST_STOCK_LOCKS";

/// Whether the calls were replaced.
static CURED: OnceLock<bool> = OnceLock::new();

/// Replaces the calls and registers the fork handlers, once per process. Call it inside the gate and
/// before the first open.
pub(super) fn install() {
    CURED.get_or_init(|| {
        fork::register();
        super::room::survive_file_limit();
        let stock = std::env::var_os(STOCK_LOCKS).is_some_and(|value| value == "1");
        if stock || mutants::on(Mutant::StockLocks) {
            return false;
        }
        descriptors::make_ready();
        #[cfg(feature = "faults")]
        faults::allocator();
        // SAFETY: the VFS "unix" is always there on Linux and lives for ever; each function has the C
        // signature of the call it replaces. SQLite calls fcntl as a variadic function with at most one
        // more argument; on x86_64 and aarch64 Linux that is passed like a third fixed one.
        unsafe {
            let vfs = ffi::sqlite3_vfs_find(c"unix".as_ptr());
            assert!(!vfs.is_null(), "SQLite has its unix VFS");
            let set = (*vfs).xSetSystemCall.expect("a VFS of version 3");
            let calls: [(&CStr, *const ()); 7] = [
                (c"open", open as *const ()),
                (c"close", close as *const ()),
                (c"stat", stat as *const ()),
                (c"fstat", fstat as *const ()),
                (c"fcntl", fcntl as *const ()),
                (c"mmap", mmap as *const ()),
                (c"munmap", munmap as *const ()),
            ];
            #[cfg(feature = "faults")]
            let calls = calls.into_iter().chain(faults::calls());
            for (name, call) in calls {
                let call = transmute::<*const (), unsafe extern "C" fn()>(call);
                assert_eq!(set(vfs, name.as_ptr(), Some(call)), ffi::SQLITE_OK, "{name:?} can be replaced");
            }
        }
        true
    });
}

/// Reads the first bytes of a database without ever closing a descriptor of it.
pub(super) fn head(path: &Path, into: &mut [u8]) -> io::Result<usize> {
    let path = c_path(path)?;
    // SAFETY: `path` is a C string, `into` a buffer of that length, the descriptor is ours until `close`.
    unsafe {
        let fd = open(path.as_ptr(), libc::O_RDWR | libc::O_NOFOLLOW | libc::O_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let count = libc::pread(fd, into.as_mut_ptr().cast(), into.len(), 0);
        let error = io::Error::last_os_error();
        close(fd);
        usize::try_from(count).map_err(|_| error)
    }
}

fn c_path(path: &Path) -> io::Result<std::ffi::CString> {
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

fn fail(errno: c_int) -> c_int {
    // SAFETY: the address of this thread's errno is always valid.
    unsafe { *libc::__errno_location() = errno };
    -1
}

/// Journals carry no locks and are closed as usual. Super-journals are called `<db>-mj<hex>`.
fn carries_locks(path: &CStr, flags: c_int) -> bool {
    let path = path.to_bytes();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or(path);
    let is_super = name.windows(3).rposition(|part| part == b"-mj").is_some_and(|at| {
        let rest = &name[at + 3..];
        !rest.is_empty() && rest.iter().all(u8::is_ascii_hexdigit)
    });
    let temporary = flags & libc::O_EXCL != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE;
    !(temporary || is_super || name.ends_with(b"-wal") || name.ends_with(b"-journal"))
}

/// A database on descriptor 1 would be overwritten by the first `print` of a process without stdout, and
/// SQLite would close and re-open such a descriptor for ever, because a close parks it.
fn fill_low_numbers() {
    loop {
        // SAFETY: a constant path; a number of 3 or more is closed at once, a lower one kept for ever.
        unsafe {
            let fd = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            if !(0..3).contains(&fd) {
                libc::close(fd);
                return;
            }
        }
    }
}

fn adopt(fd: c_int) -> bool {
    descriptors::inode(fd).is_some_and(|(inode, _)| descriptors::adopt(fd, inode))
}

unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    // SAFETY: SQLite passes a C string; `there` is read only if the call filled it.
    unsafe {
        let mut there = MaybeUninit::<libc::stat>::uninit();
        let exists = libc::lstat(path, there.as_mut_ptr()) == 0;
        let regular = exists && there.assume_init_ref().st_mode & libc::S_IFMT == libc::S_IFREG;
        if !carries_locks(CStr::from_ptr(path), flags) || (exists && !regular) {
            return libc::open(path, flags, mode);
        }
        // A read-only lock descriptor could not carry the write locks of a later connection.
        if regular && flags & libc::O_ACCMODE != libc::O_RDWR {
            return fail(libc::EACCES);
        }
        if regular && let Some(fd) = descriptors::reuse(Inode::of(there.assume_init_ref())) {
            return fd;
        }
        if let Some(errno) = faults::fails(Kind::Open) {
            return fail(errno);
        }
        fill_low_numbers();
        let fd = libc::open(path, flags, mode);
        if fd >= 0 && !adopt(fd) {
            libc::close(fd);
            return fail(libc::EMFILE);
        }
        fd
    }
}

unsafe extern "C" fn close(fd: c_int) -> c_int {
    if descriptors::park(fd) {
        return 0;
    }
    // SAFETY: SQLite closes a descriptor that it opened and that is not kept.
    unsafe { libc::close(fd) }
}

/// SQLite keys its lock counts by device and inode. The salt makes a child's fresh connections start from
/// nothing: without it they believe in locks that the parent holds (100 of 101 committed rows lost).
fn salt(stat: &mut libc::stat) {
    stat.st_dev ^= fork::forks() << 40;
}

unsafe extern "C" fn stat(path: *const c_char, into: *mut libc::stat) -> c_int {
    // SAFETY: SQLite passes a C string and room for the answer.
    unsafe {
        let code = libc::stat(path, into);
        if code == 0 {
            salt(&mut *into);
        }
        code
    }
}

unsafe extern "C" fn fstat(fd: c_int, into: *mut libc::stat) -> c_int {
    // SAFETY: SQLite passes room for the answer.
    unsafe {
        let code = libc::fstat(fd, into);
        if code == 0 {
            salt(&mut *into);
        }
        code
    }
}

unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: *mut c_void) -> c_int {
    let owned = match command {
        libc::F_SETLK => libc::F_OFD_SETLK,
        libc::F_SETLKW => libc::F_OFD_SETLKW,
        libc::F_GETLK => libc::F_OFD_GETLK,
        // SAFETY: passed on as it came.
        _ => return unsafe { libc::fcntl(fd, command, argument) },
    };
    // SAFETY: with a lock command the argument is a `flock`.
    let lock = unsafe { &mut *argument.cast::<libc::flock>() };
    // The system always lets go of a whole lock.
    if lock.l_type != libc::F_UNLCK as libc::c_short
        && let Some(errno) = faults::fails(Kind::Lock)
    {
        return fail(errno);
    }
    match descriptors::lock_of(fd) {
        Lock::Through(fd) => {
            // The system wants 0 here; SQLite leaves it uninitialised in places.
            lock.l_pid = 0;
            // SAFETY: `lock` is valid for the call.
            unsafe { libc::fcntl(fd, owned, lock as *mut libc::flock) }
        }
        // A stale connection must never believe that it is the last: it would delete the parent's WAL.
        Lock::Dead if command == libc::F_GETLK => {
            lock.l_type = libc::F_WRLCK as _;
            0
        }
        Lock::Dead => fail(libc::EAGAIN),
    }
}

unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    if let Some(errno) = faults::fails(Kind::Map) {
        fail(errno);
        return libc::MAP_FAILED;
    }
    // SAFETY: passed on as it came.
    let mapped = unsafe { libc::mmap(address, length, protection, flags, fd, offset) };
    if mapped != libc::MAP_FAILED && flags & libc::MAP_SHARED != 0 {
        descriptors::mapped(fd, mapped, length);
    }
    mapped
}

unsafe extern "C" fn munmap(address: *mut c_void, length: size_t) -> c_int {
    descriptors::unmapped(address);
    // SAFETY: passed on as it came.
    unsafe { libc::munmap(address, length) }
}
