//! Which descriptors of databases and `-shm` files our SQLite has, and through which one it locks.
//!
//! * One lock descriptor per inode. SQLite counts locks per inode and releases the system's lock through
//!   whichever connection is at hand; with a descriptor each, the release misses and a SHARED lock stays
//!   for ever (another process then gets `database is locked` with no transaction open anywhere).
//! * Descriptors are parked, not closed: a close drops every POSIX lock of the process on the file, and
//!   those belong to the application's own SQLite. Parked ones are re-used, so their number is bounded by
//!   the peak of simultaneous connections. Once the file is deleted they are closed.

use std::collections::BTreeMap;
use std::mem::{MaybeUninit, forget, take};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{c_int, c_void};

use crate::mutants::{self, Mutant};

/// Linux gives out no higher numbers by default (`fs.nr_open`). Pages that are never touched cost nothing.
const NUMBERS: usize = 1 << 20;
const UNKNOWN: i32 = 0;
/// Inherited over a fork: the number now leads to `/dev/null`.
const DEAD: i32 = -1;

/// Descriptor → lock descriptor. Asked about four times a transaction, so without a mutex.
static LOCK_OF: [AtomicI32; NUMBERS] = [const { AtomicI32::new(UNKNOWN) }; NUMBERS];
static KNOWN: Mutex<Known> = Mutex::new(Known { inodes: BTreeMap::new(), maps: Vec::new() });
/// Opened before the first fork: a child may not be able to open anything.
static NULL: AtomicI32 = AtomicI32::new(-1);

/// Device and number of a file, as the system has them (no fork salt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inode(u64, u64);

/// What a lock call on a descriptor means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// It goes to this descriptor.
    Through(c_int),
    /// It is refused.
    Dead,
}

struct Known {
    inodes: BTreeMap<Inode, Held>,
    maps: Vec<(usize, usize)>,
}

struct Held {
    /// One of the descriptors below; the first that was opened.
    lock: c_int,
    used: Vec<c_int>,
    parked: Vec<c_int>,
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn entry(fd: c_int) -> Option<&'static AtomicI32> {
    LOCK_OF.get(usize::try_from(fd).ok()?)
}

/// The inode behind a descriptor and whether it still has a name.
pub(super) fn inode(fd: c_int) -> Option<(Inode, bool)> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` has room for the answer; it is read only if the call filled it.
    unsafe {
        if libc::fstat(fd, stat.as_mut_ptr()) != 0 {
            return None;
        }
        let stat = stat.assume_init();
        Some((Inode::of(&stat), stat.st_nlink > 0))
    }
}

impl Inode {
    pub(super) fn of(stat: &libc::stat) -> Inode {
        Inode(stat.st_dev, stat.st_ino)
    }
}

/// Opens what the child handler needs.
pub(super) fn make_ready() {
    // SAFETY: a constant path; the descriptor is kept for the life of the process.
    let fd = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
    NULL.store(fd, Ordering::Relaxed);
}

/// Where a lock call on `fd` goes.
pub(super) fn lock_of(fd: c_int) -> Lock {
    if mutants::on(Mutant::LockDescriptorEach) {
        return Lock::Through(fd);
    }
    match entry(fd).map_or(UNKNOWN, |entry| entry.load(Ordering::Relaxed)) {
        UNKNOWN => Lock::Through(fd),
        DEAD => Lock::Dead,
        lock => Lock::Through(lock),
    }
}

/// Takes a parked descriptor of the file into use.
pub(super) fn reuse(inode: Inode) -> Option<c_int> {
    let mut known = known();
    let held = known.inodes.get_mut(&inode)?;
    let fd = held.parked.pop()?;
    held.used.push(fd);
    Some(fd)
}

/// Enters a fresh descriptor. False if its number is too high to be kept.
pub(super) fn adopt(fd: c_int, inode: Inode) -> bool {
    let Some(entry) = entry(fd) else { return false };
    let mut known = known();
    known.sweep();
    let held = known.inodes.entry(inode).or_insert_with(|| Held { lock: fd, used: vec![], parked: vec![] });
    held.used.push(fd);
    entry.store(held.lock, Ordering::Relaxed);
    true
}

/// Takes a descriptor out of use. False if it is not ours to keep and has to be closed.
pub(super) fn park(fd: c_int) -> bool {
    match entry(fd).map_or(UNKNOWN, |entry| entry.load(Ordering::Relaxed)) {
        UNKNOWN => return false,
        DEAD => return true,
        _ => {}
    }
    let mut known = known();
    for held in known.inodes.values_mut() {
        if let Some(at) = held.used.iter().position(|&used| used == fd) {
            let fd = held.used.swap_remove(at);
            if mutants::on(Mutant::DescriptorsClosed) {
                mark(fd, UNKNOWN);
                return false;
            }
            held.parked.push(fd);
        }
    }
    known.sweep();
    true
}

/// Notes a shared mapping of a file of ours.
pub(super) fn mapped(fd: c_int, address: *mut c_void, length: usize) {
    if entry(fd).is_some_and(|entry| entry.load(Ordering::Relaxed) > 0) {
        known().maps.push((address as usize, length));
    }
}

/// Forgets a mapping.
pub(super) fn unmapped(address: *mut c_void) {
    known().maps.retain(|&(start, _)| start != address as usize);
}

impl Known {
    /// Closes the descriptors of files that are deleted and out of use. Nobody can open such a file by
    /// name, so no lock of the application is dropped that still means something.
    fn sweep(&mut self) {
        self.inodes.retain(|&key, held| {
            if !held.used.is_empty() || inode(held.lock).is_some_and(|(_, named)| named) {
                return true;
            }
            for &fd in &held.parked {
                mark(fd, UNKNOWN);
                if inode(fd).is_some_and(|(now, _)| now == key) {
                    // SAFETY: the descriptor is ours and in no list any more.
                    unsafe { libc::close(fd) };
                }
            }
            false
        });
    }
}

/// In the child of a fork: nothing inherited leads to the parent's files any more. The numbers stay
/// taken, so that a stale object can never close or write a descriptor that somebody opened later.
/// Uses dup3, mmap, fstat and open only and frees nothing.
pub(super) fn bury() {
    let mut known = known();
    let null = null();
    for (&key, held) in &known.inodes {
        for &fd in held.used.iter().chain(&held.parked) {
            // The application may have closed our number behind our back; what is there now is its own.
            if inode(fd).is_none_or(|(now, _)| now != key) {
                mark(fd, UNKNOWN);
                continue;
            }
            mark(fd, DEAD);
            // SAFETY: `fd` is an inherited descriptor of ours. The duplicate keeps no lock of the parent: the
            // open file stays open there.
            unsafe { libc::dup3(null, fd, libc::O_CLOEXEC) };
        }
    }
    for &(address, length) in &known.maps {
        // SAFETY: the range is a mapping of a `-shm` file that only an inherited connection knows.
        unsafe {
            libc::mmap(
                address as *mut c_void,
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
    }
    forget(take(&mut known.inodes));
    forget(take(&mut known.maps));
}

fn mark(fd: c_int, meaning: i32) {
    if let Some(entry) = entry(fd) {
        entry.store(meaning, Ordering::Relaxed);
    }
}

/// A descriptor of `/dev/null`: the one opened beforehand unless the application has closed it since.
fn null() -> c_int {
    let fd = NULL.load(Ordering::Relaxed);
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: `stat` has room for the answer; it is read only if the call filled it.
    let intact = unsafe {
        libc::fstat(fd, stat.as_mut_ptr()) == 0 && stat.assume_init().st_rdev == libc::makedev(1, 3)
    };
    if !intact {
        make_ready();
    }
    NULL.load(Ordering::Relaxed)
}
