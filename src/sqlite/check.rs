//! Files that can't be a queue are refused before SQLite sees them: one sentence that says what to do,
//! and not a byte changed.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::statfs;

use super::{draft, syscalls};
use crate::clock::Env;
use crate::error::{Error, Result};
use crate::mutants::{self, Mutant};

/// A file that may be opened.
#[derive(Debug)]
pub(super) struct Place {
    /// Without symbolic links.
    pub path: PathBuf,
    /// Whether we made the file.
    pub created: bool,
    /// Whether a WAL with content lay beside it.
    pub has_wal: bool,
}

/// File systems whose locks or shared memory do not hold between all who can mount them. One process
/// through a FUSE mount and one on the directory behind it lost 43 acknowledged rows in 3 s.
const SHARED: [(i64, &str); 13] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB2"),
    (0x0102_1997, "9p"),
    (0x6573_5546, "FUSE or virtiofs"),
    (0x786F_4256, "a VirtualBox share"),
    (0x00C3_6400, "Ceph"),
    (0x0BD0_0BD0, "Lustre"),
    (0x5346_414F, "AFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x4750_4653, "GPFS"),
];

fn refused(path: &Path, reason: impl Into<String>) -> Error {
    Error::Refused { path: path.to_owned(), reason: reason.into() }
}

/// Looks at the path and, if there is nothing, creates a database without a table, with mode 0600 (the `-wal` and `-shm`
/// inherit it).
pub(super) fn admit(path: &Path, embed: bool, env: &Env) -> Result<Place> {
    if let Some(vfs) = &env.vfs {
        // The disks of the system have no say.
        let created = vfs.publish(path, &draft::first_page());
        return Ok(Place { path: path.to_owned(), created, has_wal: wal_size(path, env) > 0 });
    }
    let path = resolve(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if ["-wal", "-shm", "-journal"].iter().any(|end| name.ends_with(end)) {
        return Err(refused(
            &path,
            "this is the name of a side file of SQLite; give the database a name without -wal, -shm or -journal at its end",
        ));
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    refuse_shared(&path, directory)?;
    let exists = path.exists();
    if exists {
        refuse_file(&path, embed)?;
    }
    refuse_deaf_locks(&path, directory, env)?;
    let created = !exists && create(&path, env)?;
    if !exists && !created {
        refuse_file(&path, embed)?;
    }
    let has_wal = wal_size(&path, env) > 0;
    Ok(Place { path, created, has_wal })
}

/// How many bytes the WAL of a database holds.
pub(super) fn wal_size(path: &Path, env: &Env) -> u64 {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    match &env.vfs {
        Some(vfs) => vfs.size(Path::new(&wal)).unwrap_or(0),
        None => fs::metadata(wal).map_or(0, |file| file.len()),
    }
}

/// Whether the file that was admitted is still the only one of its name.
pub(super) fn stays(path: &Path, env: &Env) -> bool {
    match &env.vfs {
        Some(vfs) => vfs.size(path).is_some(),
        None if mutants::on(Mutant::HardLinkAdmitted) => true,
        None => fs::metadata(path).is_ok_and(|file| file.nlink() == 1),
    }
}

/// The path without symbolic links: SQLite names `-wal` and `-shm` after the real file.
fn resolve(path: &Path) -> Result<PathBuf> {
    loop {
        match fs::canonicalize(path) {
            Ok(path) => return Ok(path),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(refused(
                    path,
                    format!("the path can't be followed ({error}); give one that this user may read"),
                ));
            }
            Err(_) => {}
        }
        match fs::symlink_metadata(path) {
            Ok(link) if link.is_symlink() => {
                return Err(refused(
                    path,
                    "this symbolic link leads to nothing; create its target or remove the link",
                ));
            }
            // Somebody has created it since the first look.
            Ok(_) => {}
            Err(_) => break,
        }
    }
    let Some(name) = path.file_name() else {
        return Err(refused(path, "this is not the name of a file; give the path of the database file"));
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::canonicalize(parent) {
        Ok(parent) => Ok(parent.join(name)),
        Err(_) => Err(refused(path, format!("there is no directory {}; create it first", parent.display()))),
    }
}

fn refuse_shared(path: &Path, directory: &Path) -> Result<()> {
    for place in [directory, path] {
        let Ok(system) = statfs(place) else { continue };
        // The field is 32 bits wide in the system and of different types in the C libraries.
        let kind = i64::from(system.f_type as u32);
        if let Some((_, name)) = SHARED.iter().find(|(magic, _)| *magic == kind) {
            return Err(refused(
                path,
                format!(
                    "the file system is {name}, where locks and shared memory can't be trusted; put the file on a local disk"
                ),
            ));
        }
    }
    Ok(())
}

fn refuse_file(path: &Path, embed: bool) -> Result<()> {
    let look = || {
        fs::metadata(path).map_err(|error| {
            refused(path, format!("the file can't be looked at ({error}); check the rights of its directory"))
        })
    };
    let file = look()?;
    if file.is_dir() {
        return Err(refused(path, "this is a directory; give the path of a file in it"));
    }
    if !file.is_file() {
        let kind = if file.file_type().is_socket() { "a socket" } else { "a device or pipe" };
        return Err(refused(path, format!("this is {kind}; give the path of a regular file")));
    }
    if file.nlink() > 1 && !mutants::on(Mutant::HardLinkAdmitted) {
        return Err(refused(
            path,
            "the file has more than one hard link, and SQLite would keep a separate -wal for each name; remove the other names",
        ));
    }
    if file.len() == 0 && !embed {
        return Err(refused(
            path,
            "the file is empty; delete it and let it be created anew, or pass embed=True to make it a queue",
        ));
    }
    if file.len() == 0 {
        return Ok(());
    }
    let mut head = [0; 16];
    let count = syscalls::head(path, &mut head).map_err(|error| {
        refused(
            path,
            format!("the file can't be opened for reading and writing ({error}); run as a user who may"),
        )
    })?;
    if head[..count] != *b"SQLite format 3\0" || file.len() < 512 {
        return Err(refused(path, "this is not a SQLite database; give another path"));
    }
    Ok(())
}

fn create(path: &Path, env: &Env) -> Result<bool> {
    match draft::publish(path, &format!(".pyqueue-draft-{:016x}", env.random.next())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(Error::Full(error.to_string())),
        Err(error) => Err(refused(
            path,
            format!("the file can't be created ({error}); check the rights of its directory"),
        )),
    }
}

/// Locks of the open file (ours) and of the process (other copies of SQLite) must exclude each other here.
/// Asked once per device.
fn refuse_deaf_locks(path: &Path, directory: &Path, env: &Env) -> Result<()> {
    static GOOD: Mutex<Vec<u64>> = Mutex::new(Vec::new());
    let device = fs::metadata(directory).map(|directory| directory.dev()).unwrap_or(0);
    if rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_err() {
        return Err(refused(
            path,
            "its directory is not writable for this user, but SQLite keeps -wal and -shm there; change its rights",
        ));
    }
    if GOOD.lock().unwrap_or_else(PoisonError::into_inner).contains(&device) {
        return Ok(());
    }
    let probe = directory.join(format!(".pyqueue-probe-{:016x}", env.random.next()));
    let conflict = probe_locks(&probe);
    let _ = fs::remove_file(&probe);
    match conflict {
        Ok(true) => {
            GOOD.lock().unwrap_or_else(PoisonError::into_inner).push(device);
            Ok(())
        }
        Ok(false) => Err(refused(
            path,
            "two kinds of file locks don't exclude each other on this file system, so other users of SQLite would damage the file; put it on a local disk",
        )),
        Err(error) => Err(refused(
            path,
            format!(
                "no file could be made and locked beside it ({error}); check the rights and the file system of its directory"
            ),
        )),
    }
}

fn probe_locks(probe: &Path) -> io::Result<bool> {
    use std::os::fd::AsRawFd;
    let first = fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(probe)?;
    let second = fs::OpenOptions::new().read(true).write(true).open(probe)?;
    // SAFETY: all zeros is a valid flock (the whole file, l_pid 0).
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    // SAFETY: both descriptors are open and `lock` is valid for the calls.
    unsafe {
        if libc::fcntl(first.as_raw_fd(), libc::F_SETLK, &lock) != 0 {
            return Err(io::Error::last_os_error());
        }
        if libc::fcntl(second.as_raw_fd(), libc::F_OFD_SETLK, &lock) == 0 {
            return Ok(false);
        }
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Ok(true),
        _ => Err(error),
    }
}
