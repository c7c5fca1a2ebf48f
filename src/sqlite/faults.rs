//! System calls and allocations that fail when a test orders it (cargo feature `faults`, never in a wheel). A test
//! reaches the two `pyqueue_fault_*` symbols through cffi. In every other build `fails` is a constant `false`.

/// What can fail.
#[cfg_attr(not(feature = "faults"), expect(dead_code, reason = "only a test build replaces these calls"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read = 0,
    Write = 1,
    Sync = 2,
    Truncate = 3,
    Open = 4,
    Map = 5,
    Lock = 6,
    Memory = 7,
}

/// The error number that this call has to fail with, if it has to.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub(super) const fn fails(_: Kind) -> Option<i32> {
    None
}

#[cfg(feature = "faults")]
pub(super) use ordered::{allocator, calls, fails};

#[cfg(feature = "faults")]
mod ordered {
    use std::ffi::{CStr, c_int, c_void};
    use std::ptr::null_mut;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI32, AtomicI64, Ordering::SeqCst};

    use libc::{off_t, size_t, ssize_t};
    use rusqlite::ffi;

    use super::Kind;

    const KINDS: usize = 8;

    /// Calls since the last order.
    static COUNT: [AtomicI64; KINDS] = [const { AtomicI64::new(0) }; KINDS];
    /// The first call that fails; 0 is none.
    static FIRST: [AtomicI64; KINDS] = [const { AtomicI64::new(0) }; KINDS];
    /// How many fail from there on.
    static TIMES: [AtomicI64; KINDS] = [const { AtomicI64::new(0) }; KINDS];
    static ERRNO: [AtomicI32; KINDS] = [const { AtomicI32::new(0) }; KINDS];

    pub fn fails(kind: Kind) -> Option<i32> {
        let kind = kind as usize;
        let call = COUNT[kind].fetch_add(1, SeqCst) + 1;
        let first = FIRST[kind].load(SeqCst);
        let hit = first > 0 && call >= first && call - first < TIMES[kind].load(SeqCst);
        hit.then(|| ERRNO[kind].load(SeqCst))
    }

    /// Lets `times` calls of a kind fail with `errno`, beginning with the `first`-th from now; 0 for none.
    #[unsafe(no_mangle)]
    pub extern "C" fn pyqueue_fault_order(kind: c_int, first: i64, times: i64, errno: c_int) {
        let kind = kind as usize % KINDS;
        FIRST[kind].store(0, SeqCst);
        TIMES[kind].store(times, SeqCst);
        ERRNO[kind].store(errno, SeqCst);
        COUNT[kind].store(0, SeqCst);
        FIRST[kind].store(first, SeqCst);
    }

    /// How many calls of a kind there were since its last order.
    #[unsafe(no_mangle)]
    pub extern "C" fn pyqueue_fault_calls(kind: c_int) -> i64 {
        COUNT[kind as usize % KINDS].load(SeqCst)
    }

    fn refuse(errno: c_int) -> c_int {
        // SAFETY: the address of this thread's errno is always valid.
        unsafe { *libc::__errno_location() = errno };
        -1
    }

    unsafe extern "C" fn read(fd: c_int, into: *mut c_void, count: size_t) -> ssize_t {
        match fails(Kind::Read) {
            // A read that finds less than there is.
            Some(0) => 0,
            Some(errno) => refuse(errno) as ssize_t,
            // SAFETY: passed on as it came.
            None => unsafe { libc::read(fd, into, count) },
        }
    }

    unsafe extern "C" fn write(fd: c_int, from: *const c_void, count: size_t) -> ssize_t {
        match fails(Kind::Write) {
            Some(errno) => refuse(errno) as ssize_t,
            // SAFETY: passed on as it came.
            None => unsafe { libc::write(fd, from, count) },
        }
    }

    unsafe extern "C" fn pread(fd: c_int, into: *mut c_void, count: size_t, at: off_t) -> ssize_t {
        match fails(Kind::Read) {
            Some(0) => 0,
            Some(errno) => refuse(errno) as ssize_t,
            // SAFETY: passed on as it came.
            None => unsafe { libc::pread(fd, into, count, at) },
        }
    }

    unsafe extern "C" fn pwrite(fd: c_int, from: *const c_void, count: size_t, at: off_t) -> ssize_t {
        match fails(Kind::Write) {
            Some(errno) => refuse(errno) as ssize_t,
            // SAFETY: passed on as it came.
            None => unsafe { libc::pwrite(fd, from, count, at) },
        }
    }

    unsafe extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
        match fails(Kind::Truncate) {
            Some(errno) => refuse(errno),
            // SAFETY: passed on as it came.
            None => unsafe { libc::ftruncate(fd, length) },
        }
    }

    /// More system calls to replace; those that this build of SQLite does not use are never called.
    pub fn calls() -> [(&'static CStr, *const ()); 7] {
        [
            (c"read", read as *const ()),
            (c"write", write as *const ()),
            (c"pread", pread as *const ()),
            (c"pread64", pread as *const ()),
            (c"pwrite", pwrite as *const ()),
            (c"pwrite64", pwrite as *const ()),
            (c"ftruncate", ftruncate as *const ()),
        ]
    }

    type Allocate = unsafe extern "C" fn(c_int) -> *mut c_void;
    type Reallocate = unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void;

    static SOUND: OnceLock<(Allocate, Reallocate)> = OnceLock::new();

    unsafe extern "C" fn allocate(count: c_int) -> *mut c_void {
        match SOUND.get() {
            // SAFETY: passed on as it came.
            Some((sound, _)) if fails(Kind::Memory).is_none() => unsafe { sound(count) },
            _ => null_mut(),
        }
    }

    unsafe extern "C" fn reallocate(old: *mut c_void, count: c_int) -> *mut c_void {
        match SOUND.get() {
            // SAFETY: passed on as it came.
            Some((_, sound)) if fails(Kind::Memory).is_none() => unsafe { sound(old, count) },
            _ => null_mut(),
        }
    }

    /// Puts an allocator that can fail in place of SQLite's own. Before SQLite is used for the first time.
    pub fn allocator() {
        // SAFETY: all functions may be absent; SQLite fills the struct in, and copies the one it is given.
        unsafe {
            let mut methods: ffi::sqlite3_mem_methods = std::mem::zeroed();
            assert_eq!(ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMALLOC, &raw mut methods), ffi::SQLITE_OK);
            if let (Some(allocate), Some(reallocate)) = (methods.xMalloc, methods.xRealloc) {
                let _ = SOUND.set((allocate, reallocate));
            }
            methods.xMalloc = Some(allocate);
            methods.xRealloc = Some(reallocate);
            assert_eq!(ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw mut methods), ffi::SQLITE_OK);
        }
    }
}
