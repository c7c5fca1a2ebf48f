//! A small file mapped by several processes: words that all of them read and write.

use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64};

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::error::{Error, Result};

/// A mapping of the first `length` bytes of a file.
pub(crate) struct Shared {
    start: NonNull<c_void>,
    length: usize,
    file: File,
}

// SAFETY: the mapping lives as long as the value, and all access goes through atomics.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps a file that is there, or that is made if `create` says so. A shorter file grows with zeros, which
    /// two processes may do at once.
    pub(crate) fn open(path: &Path, length: usize, create: bool) -> Result<Shared> {
        let file = regular(OpenOptions::new().create(create).truncate(false).mode(0o600), path)?;
        if size(&file)? < length as u64 {
            grow(&file, length as u64)?;
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice; unmapped in drop only.
        let start = unsafe {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            rustix::mm::mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, &file, 0)
        };
        let start = start.map_err(|source| Error::System { call: "mmap", source })?;
        let start = NonNull::new(start).ok_or(Error::System { call: "mmap", source: Errno::INVAL })?;
        Ok(Shared { start, length, file })
    }

    /// Makes good what somebody has cut off: a touch of a page behind the end of the file is a SIGBUS. A cut
    /// between this look and the touch still is one.
    pub(crate) fn mend(&self) {
        if size(&self.file).is_ok_and(|size| size < self.length as u64) {
            let _ = grow(&self.file, self.length as u64);
        }
    }

    fn at<T>(&self, offset: usize) -> *const T {
        let size = size_of::<T>();
        assert!(
            offset.is_multiple_of(size) && offset.checked_add(size).is_some_and(|end| end <= self.length)
        );
        // SAFETY: the offset lies inside the mapping.
        unsafe { self.start.as_ptr().byte_add(offset).cast() }
    }

    /// Writes bytes.
    ///
    /// # Safety
    /// No other thread or process reads or writes these bytes at the same time.
    pub(crate) unsafe fn put(&self, offset: usize, bytes: &[u8]) {
        assert!(offset.checked_add(bytes.len()).is_some_and(|end| end <= self.length));
        // SAFETY: inside the mapping; the caller's promise.
        unsafe {
            let to = self.start.as_ptr().byte_add(offset).cast::<u8>();
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
    }

    /// Reads bytes.
    ///
    /// # Safety
    /// No other thread or process writes these bytes at the same time.
    pub(crate) unsafe fn get(&self, offset: usize, length: usize) -> Vec<u8> {
        assert!(offset.checked_add(length).is_some_and(|end| end <= self.length));
        // SAFETY: inside the mapping; the caller's promise.
        unsafe {
            let from = self.start.as_ptr().byte_add(offset).cast::<u8>();
            std::slice::from_raw_parts(from, length).to_vec()
        }
    }

    /// A 32-bit word.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: aligned and inside the mapping, which lives as long as `self`; any bits are a value.
        unsafe { &*self.at(offset) }
    }

    /// A 64-bit word.
    pub(crate) fn long(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: as above.
        unsafe { &*self.at(offset) }
    }

    /// A signed 64-bit word.
    pub(crate) fn signed(&self, offset: usize) -> &AtomicI64 {
        // SAFETY: as above.
        unsafe { &*self.at(offset) }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr(), self.length) };
    }
}

/// Opens a side file for reading and writing. Links are not followed, and a pipe is not waited for: whoever can
/// put one there shall not choose what we write to.
pub(crate) fn regular(options: &mut OpenOptions, path: &Path) -> Result<File> {
    let file = options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| system("open", &error))?;
    if file.metadata().is_ok_and(|facts| facts.is_file()) {
        return Ok(file);
    }
    Err(Error::Refused { path: path.into(), reason: "is no regular file; remove it".into() })
}

fn size(file: &File) -> Result<u64> {
    Ok(file.metadata().map_err(|error| system("fstat", &error))?.len())
}

/// The blocks must exist before the file is mapped: writing to a hole on a full disk would be a SIGBUS.
fn grow(file: &File, length: u64) -> Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            file.set_len(length).map_err(|error| system("ftruncate", &error))
        }
        Err(Errno::NOSPC | Errno::DQUOT) => Err(Error::Full("no room for a side file".into())),
        Err(source) => Err(Error::System { call: "fallocate", source }),
    }
}

/// An error of the standard library's file calls.
pub(crate) fn system(call: &'static str, error: &std::io::Error) -> Error {
    Error::System { call, source: Errno::from_io_error(error).unwrap_or(Errno::IO) }
}
