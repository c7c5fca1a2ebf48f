//! Who is alive, by the kernel's word: each worker holds a POSIX lock on a file of its own. The lock ends with
//! the process, whatever the clocks do, and children don't inherit it.
//!
//! POSIX locks do not exclude the process that holds them, and closing any descriptor of the file drops them:
//! so a process never opens a file that one of its own workers holds.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::FlockOperation;
use rustix::process::{Flock, FlockType};

use super::page::Page;
use crate::error::{Error, Result};
use crate::mutants::{self, Mutant};
use crate::store::{Evidence, Store, WorkerView};

/// Device and inode of every lock file that a worker of this process holds, and the process: a fork inherits
/// the list but not the locks.
static HELD: Mutex<Vec<(u32, u64, u64)>> = Mutex::new(Vec::new());

fn held() -> std::sync::MutexGuard<'static, Vec<(u32, u64, u64)>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_path(directory: &Path, worker: i64) -> PathBuf {
    directory.join(format!("worker-{worker}.lock"))
}

/// Where the page of a worker lies.
pub fn page_path(directory: &Path, worker: i64) -> PathBuf {
    directory.join(format!("worker-{worker}.page"))
}

/// The lock of a living worker.
pub struct Lock {
    path: PathBuf,
    key: (u32, u64, u64),
    _file: File,
}

impl Lock {
    /// Takes the lock. The file gets its name only when it is locked: whoever finds it unlocked finds a death.
    pub fn take(directory: &Path, worker: i64) -> Result<Lock> {
        let path = lock_path(directory, worker);
        let unnamed = directory.join(format!("worker-{worker}.lock-{}", std::process::id()));
        let file =
            crate::wake::regular(OpenOptions::new().create(true).truncate(true).mode(0o600), &unnamed)?;
        rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|source| Error::System { call: "fcntl(F_SETLK)", source })?;
        let facts = file.metadata().map_err(|error| crate::wake::system("fstat", &error))?;
        let key = (std::process::id(), facts.dev(), facts.ino());
        held().push(key);
        let lock = Lock { path, key, _file: file };
        std::fs::rename(&unnamed, &lock.path).map_err(|error| crate::wake::system("rename", &error))?;
        Ok(lock)
    }

    /// Ends the life of a worker that has signed off.
    pub fn leave(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The entry goes before the descriptor does: in between another worker of this process may open the
        // file and drop the lock with it, which is what happens next anyway.
        held().retain(|key| *key != self.key);
    }
}

/// What the lock of a worker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Locked,
    Free,
    Missing,
}

/// The lock of a worker, and the process that holds it, if that can be seen from here.
pub(super) fn sign(directory: &Path, worker: i64) -> (Sign, Option<u32>) {
    let path = lock_path(directory, worker);
    // Held while the file is open here: no worker of this process takes a lock that our close would drop.
    let held = held();
    let Ok(facts) = std::fs::metadata(&path) else { return (Sign::Missing, None) };
    if held.contains(&(std::process::id(), facts.dev(), facts.ino())) {
        return (Sign::Locked, Some(std::process::id()));
    }
    let Ok(file) = crate::wake::regular(&mut OpenOptions::new(), &path) else { return (Sign::Missing, None) };
    match rustix::process::fcntl_getlk(&file, &Flock::from(FlockType::WriteLock)) {
        Ok(None) => (Sign::Free, None),
        Ok(Some(lock)) => {
            (Sign::Locked, lock.pid.and_then(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok()))
        }
        Err(_) => (Sign::Locked, None),
    }
}

/// Whether a worker holds its lock.
pub fn alive(directory: &Path, worker: i64) -> bool {
    sign(directory, worker).0 == Sign::Locked
}

/// Whether a worker's lock is there and free. A missing file proves nothing: it may not have been made yet, or
/// somebody emptied the directory; then the lease decides.
pub fn dead(directory: &Path, worker: i64) -> bool {
    sign(directory, worker).0 == Sign::Free && !mutants::on(Mutant::DeathUnseen)
}

/// A worker whose jobs were taken back.
#[derive(Debug)]
pub struct Reaped {
    /// As it was known.
    pub worker: WorkerView,
    /// How it ended, as one sentence.
    pub reason: String,
    /// The public ids of its jobs.
    pub jobs: Vec<String>,
}

/// What is enough to take a worker's jobs back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Only its free lock. For whoever may have slept together with it (suspend, a stopped machine): its lease
    /// is over then and it is about to renew it.
    Lock,
    /// Also the end of its lease.
    LockOrLease,
}

/// Takes the jobs of every dead and every hung worker back, except `own`.
pub fn reap_all(store: &Store, own: Option<i64>) -> Result<Vec<Reaped>> {
    let mut reaped = Vec::new();
    for worker in store.workers()? {
        if Some(worker.id) != own {
            reaped.extend(reap(store, worker, Proof::LockOrLease)?);
        }
    }
    Ok(reaped)
}

/// Takes the jobs of a worker back if there is proof that it is dead or hung.
pub fn reap(store: &Store, worker: WorkerView, proof: Proof) -> Result<Option<Reaped>> {
    let directory = store.directory()?;
    let reason = if dead(&directory, worker.id) {
        format!("its worker {} (process {}) died", worker.name, worker.pid)
    } else if worker.overdue && proof == Proof::LockOrLease {
        format!("its worker {} (process {}) did not renew its lease", worker.name, worker.pid)
    } else {
        return Ok(None);
    };
    let page = page_path(&directory, worker.id);
    let evidence: Evidence = Page::evidence(&page, store.env().clock.identity());
    let jobs = store.reap(worker.id, evidence, &reason)?;
    // After the commit: a second reaper that no longer finds them finds no worker in the file either.
    let _ = std::fs::remove_file(page);
    let _ = std::fs::remove_file(lock_path(&directory, worker.id));
    Ok(Some(Reaped { worker, reason, jobs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs in a forked process and says whether it was true.
    fn elsewhere(check: impl Fn() -> bool) -> bool {
        // SAFETY: the tests' other threads hold no lock the child takes; it ends with _exit.
        unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::_exit(i32::from(check()));
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 1
        }
    }

    #[test]
    fn a_lock_is_seen_here_and_elsewhere_and_looking_does_not_drop_it() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path(), 7).unwrap();
        for _ in 0..2 {
            assert!(alive(directory.path(), 7));
            assert!(elsewhere(|| alive(directory.path(), 7) && !dead(directory.path(), 7)));
        }
        drop(lock);
        assert!(dead(directory.path(), 7) && !alive(directory.path(), 7));
        assert!(elsewhere(|| dead(directory.path(), 7)));
    }

    #[test]
    fn a_missing_file_is_neither_life_nor_death() {
        let directory = tempfile::tempdir().unwrap();
        Lock::take(directory.path(), 7).unwrap().leave();
        assert!(!alive(directory.path(), 7) && !dead(directory.path(), 7));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_killed_process_is_dead_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        // SAFETY: the child takes a lock, tells, and waits to be killed.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let _lock = Lock::take(directory.path(), 9);
            let _ = rustix::io::write(&write, b"x");
            loop {
                // SAFETY: waits for a signal.
                unsafe { libc::pause() };
            }
        }
        rustix::io::read(&read, &mut [0_u8; 1]).unwrap();
        assert!(alive(directory.path(), 9));
        // SAFETY: our own child.
        unsafe {
            libc::kill(child, libc::SIGKILL);
            libc::waitpid(child, std::ptr::null_mut(), 0);
        }
        assert!(dead(directory.path(), 9));
    }
}
