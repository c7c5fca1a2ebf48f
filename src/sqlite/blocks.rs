//! Blocks of the disk set aside in a file that nobody reads.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::clock::Env;

/// How many bytes a file holds on the disk.
pub fn held(path: &Path, env: &Env) -> u64 {
    match &env.vfs {
        Some(vfs) => vfs.size(path).unwrap_or(0),
        None => fs::metadata(path).map_or(0, |file| file.blocks() * 512),
    }
}

/// Removes a file; false if there was none.
pub fn remove(path: &Path, env: &Env) -> bool {
    match &env.vfs {
        Some(vfs) => vfs.remove(path),
        None => fs::remove_file(path).is_ok(),
    }
}

/// Makes a file (mode 0600) hold so many bytes on the disk. Nothing of it is left where that fails.
pub fn allocate(path: &Path, size: u64, env: &Env) -> rustix::io::Result<()> {
    let made = match &env.vfs {
        Some(vfs) => vfs.allocate(path, size),
        None => on_the_system(path, size),
    };
    if made.is_err() {
        remove(path, env);
    }
    made
}

fn on_the_system(path: &Path, size: u64) -> rustix::io::Result<()> {
    let errno = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .map_err(errno)?;
    match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&file, size).map_err(errno),
        other => other,
    }
}

/// Where a file system can't set blocks aside, they are written.
fn fill(mut file: &File, size: u64) -> std::io::Result<()> {
    let some = [0; 65_536];
    for _ in 0..size / some.len() as u64 {
        file.write_all(&some)?;
    }
    file.sync_data()
}
