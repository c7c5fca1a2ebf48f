//! Locks, held by handles: two handles exclude each other whether they are of one process or of two, as SQLite
//! arranges it on real files too.

use rusqlite::ffi;

/// The number of an open file.
pub type Handle = u64;

/// The five-stage lock of a database file.
#[derive(Default)]
pub struct FileLocks {
    held: Vec<(Handle, i32)>,
}

impl FileLocks {
    fn others(&self, handle: Handle) -> i32 {
        self.held.iter().filter(|(of, _)| *of != handle).map(|(_, level)| *level).max().unwrap_or(0)
    }

    fn set(&mut self, handle: Handle, level: i32) {
        self.held.retain(|(of, _)| *of != handle);
        if level > ffi::SQLITE_LOCK_NONE {
            self.held.push((handle, level));
        }
    }

    /// What a handle has.
    pub fn level(&self, handle: Handle) -> i32 {
        self.held.iter().find(|(of, _)| *of == handle).map_or(0, |(_, level)| *level)
    }

    /// Raises a handle's lock; false if another is in the way.
    pub fn raise(&mut self, handle: Handle, level: i32) -> bool {
        if self.level(handle) >= level {
            return true;
        }
        let others = self.others(handle);
        let free = match level {
            ffi::SQLITE_LOCK_SHARED => others < ffi::SQLITE_LOCK_PENDING,
            ffi::SQLITE_LOCK_RESERVED => others < ffi::SQLITE_LOCK_RESERVED,
            _ => {
                if others >= ffi::SQLITE_LOCK_PENDING {
                    return false;
                }
                // Keeps new readers out while the last ones leave.
                self.set(handle, ffi::SQLITE_LOCK_PENDING);
                others < ffi::SQLITE_LOCK_SHARED
            }
        };
        if free {
            self.set(handle, level);
        }
        free
    }

    /// Lowers a handle's lock.
    pub fn lower(&mut self, handle: Handle, level: i32) {
        if self.level(handle) > level {
            self.set(handle, level);
        }
    }

    /// Whether any handle means to write.
    pub fn reserved(&self) -> bool {
        self.held.iter().any(|(_, level)| *level >= ffi::SQLITE_LOCK_RESERVED)
    }
}

const SLOTS: usize = ffi::SQLITE_SHM_NLOCK as usize;

/// The shared memory beside a database in WAL mode.
#[derive(Default)]
pub struct Shm {
    regions: Vec<Region>,
    attached: Vec<Handle>,
    shared: [Vec<Handle>; SLOTS],
    exclusive: [Option<Handle>; SLOTS],
}

/// Memory whose address SQLite keeps.
struct Region {
    start: *mut u64,
    words: usize,
}

// SAFETY: the memory is SQLite's, which orders its access by the locks; here it is touched only while no
// simulated process runs.
unsafe impl Send for Region {}

impl Region {
    fn new(bytes: usize) -> Region {
        let memory = vec![0u64; bytes.div_ceil(8)].into_boxed_slice();
        let words = memory.len();
        Region { start: Box::into_raw(memory).cast(), words }
    }

    fn copy(&self) -> Vec<u64> {
        // SAFETY: the region is alive, and nobody writes to it meanwhile.
        unsafe { std::slice::from_raw_parts(self.start, self.words).to_vec() }
    }

    fn put_back(&self, content: &[u64]) {
        // SAFETY: as above; the copy was made of this region and has its length.
        unsafe { self.start.copy_from_nonoverlapping(content.as_ptr(), self.words) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: made by `new` from a boxed slice of this length.
        drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.start, self.words)) });
    }
}

impl Shm {
    /// Enters a handle. The first one finds nothing, as after SQLite's look at its dead man's switch.
    pub fn attach(&mut self, handle: Handle) {
        if self.attached.is_empty() {
            self.regions.clear();
        }
        if !self.attached.contains(&handle) {
            self.attached.push(handle);
        }
    }

    /// Strikes a handle with all its locks.
    pub fn detach(&mut self, handle: Handle) {
        self.attached.retain(|of| *of != handle);
        self.unlock(handle, 0, SLOTS);
    }

    /// The address of a region, made if `extend` says so.
    pub fn region(&mut self, number: usize, bytes: usize, extend: bool) -> *mut u64 {
        while extend && self.regions.len() <= number {
            self.regions.push(Region::new(bytes));
        }
        self.regions.get(number).map_or(std::ptr::null_mut(), |region| region.start)
    }

    /// Takes locks for a handle; false if another is in the way.
    pub fn lock(&mut self, handle: Handle, first: usize, count: usize, exclusive: bool) -> bool {
        let slots = first..first + count;
        let other = |of: &Handle| *of != handle;
        let barred = slots.clone().any(|slot| {
            self.exclusive[slot].as_ref().is_some_and(other)
                || exclusive && self.shared[slot].iter().any(other)
        });
        if barred {
            return false;
        }
        for slot in slots {
            if exclusive {
                self.exclusive[slot] = Some(handle);
            } else if !self.shared[slot].contains(&handle) {
                self.shared[slot].push(handle);
            }
        }
        true
    }

    /// Lets go of a handle's locks.
    pub fn unlock(&mut self, handle: Handle, first: usize, count: usize) {
        for slot in first..first + count {
            self.shared[slot].retain(|of| *of != handle);
            self.exclusive[slot] = self.exclusive[slot].filter(|of| *of != handle);
        }
    }

    /// A copy of the memory.
    pub fn copy(&self) -> Vec<Vec<u64>> {
        self.regions.iter().map(Region::copy).collect()
    }

    /// Undoes what was written since the copy was made.
    pub fn put_back(&self, copy: &[Vec<u64>]) {
        for (region, content) in self.regions.iter().zip(copy) {
            region.put_back(content);
        }
    }
}
