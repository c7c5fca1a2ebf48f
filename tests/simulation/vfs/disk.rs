//! A disk: files, what of them has reached the platter, faults on order, and the dead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use pyqueue_core::clock::Vfs;
use rusqlite::ffi;
use rustix::io::Errno;

use super::locks::Handle;
use super::record::File;
use super::register::{self, NAME};
use super::{KINDS, Kind};

/// An error on order.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Of which calls; `None` is all.
    pub kind: Option<Kind>,
    /// How the file's name ends ("" is any).
    pub file: &'static str,
    /// At which of them, from 1, counted from `Disk::arm`.
    pub nth: u64,
    /// SQLite's code. `SQLITE_IOERR_SHORT_READ` at a read gives half of what was asked for; an error at a
    /// write has written the first half, except for `SQLITE_IOERR`, which has written nothing;
    /// `SQLITE_IOERR_FSYNC` at a sync leaves all that was written since the last one to be lost with the power.
    pub code: i32,
    /// Whether all later ones fail too.
    pub lasting: bool,
}

#[derive(Default)]
pub struct Inner {
    pub files: BTreeMap<String, File>,
    handles: BTreeMap<Handle, (u32, String)>,
    last_handle: Handle,
    dead: BTreeSet<u32>,
    shadows: BTreeMap<String, Vec<Vec<u64>>>,
    unrecorded: bool,
    calls: [u64; KINDS],
    fault: Option<Fault>,
    met: u64,
    /// Who has not been told of a sync that failed.
    untold: BTreeSet<Handle>,
    /// How many bytes it holds at most, and how many of them are another tenant's.
    capacity: Option<u64>,
    tenant: u64,
    /// How often the tenant has come and gone.
    pub tides: u64,
    /// Blocks set aside, by the name of the file.
    aside: BTreeMap<String, u64>,
    /// A process has used what another had opened.
    pub trespass: Option<String>,
}

impl Inner {
    /// A file, or a name for one.
    pub fn file(&mut self, name: &str) -> &mut File {
        let unrecorded = self.unrecorded;
        let new = || File::new(unrecorded);
        self.files.entry(name.to_owned()).or_insert_with(new)
    }

    /// Notes who uses an open file.
    pub fn seen(&mut self, owner: u32, process: u32, file: &str) {
        if owner != process {
            let text = || format!("P14: p{process} used {file} as p{owner} had opened it");
            self.trespass.get_or_insert_with(text);
        }
    }

    /// How many bytes may still be written.
    pub fn free(&self) -> u64 {
        let Some(capacity) = self.capacity else { return u64::MAX };
        let files = self.files.values().filter_map(|file| file.live.as_ref()).map(|live| live.len() as u64);
        capacity.saturating_sub(files.sum::<u64>() + self.aside.values().sum::<u64>() + self.tenant)
    }

    /// Whether a file can grow to this size.
    pub fn fits(&self, name: &str, size: usize) -> bool {
        if self.capacity.is_none() {
            return true;
        }
        let now = self.files.get(name).and_then(|file| file.live.as_ref()).map_or(0, Vec::len);
        size.saturating_sub(now) as u64 <= self.free()
    }

    /// Another tenant takes all but so many bytes of what is free, or goes.
    pub fn tide(&mut self, leaves: Option<u64>) {
        self.tenant = match leaves {
            Some(leaves) => self.tenant + self.free().saturating_sub(leaves),
            None => 0,
        };
        self.tides += 1;
    }

    /// Counts a call; the code of the error it has to answer.
    pub fn strike(&mut self, process: u32, kind: Kind, file: &str) -> Option<i32> {
        if self.dead.contains(&process) {
            return Some(ffi::SQLITE_IOERR);
        }
        self.calls[kind as usize] += 1;
        let fault = self.fault?;
        if fault.kind.is_some_and(|of| of != kind) || !file.ends_with(fault.file) {
            return None;
        }
        self.met += 1;
        (self.met == fault.nth || fault.lasting && self.met > fault.nth).then_some(fault.code)
    }

    /// Syncs a file. As in SQLite's own VFS the first sync of a new journal or WAL takes the directory with it.
    pub fn sync(&mut self, name: &str) {
        let journal = name.ends_with("-wal") || name.ends_with("-journal");
        if self.files.get_mut(name).is_some_and(File::sync) && journal {
            self.sync_directory();
        }
    }

    /// A sync that fails. Everybody else who has the file open is told at the next one.
    pub fn fail_sync(&mut self, name: &str, handle: Handle) {
        let others = self.handles.iter().filter(|(other, (_, of))| **other != handle && of == name);
        self.untold.extend(others.map(|(other, _)| *other));
        if let Some(file) = self.files.get_mut(name) {
            file.fail_sync();
        }
    }

    /// Whether a sync through this handle has to tell of one that failed.
    pub fn tells(&mut self, handle: Handle) -> bool {
        self.untold.remove(&handle)
    }

    /// Deletes a file; `durably` syncs the directory too. False if there was none.
    pub fn delete(&mut self, name: &str, durably: bool) -> bool {
        let Some(file) = self.files.get_mut(name).filter(|file| file.live.is_some()) else { return false };
        file.delete();
        if durably {
            self.sync_directory();
        }
        true
    }

    fn sync_directory(&mut self) {
        self.files.values_mut().for_each(File::sync_name);
    }

    /// A number for a file that a process opens.
    pub fn open(&mut self, process: u32, file: &str) -> Handle {
        self.last_handle += 1;
        self.handles.insert(self.last_handle, (process, file.to_owned()));
        self.last_handle
    }

    /// Strikes a handle with its locks.
    pub fn close(&mut self, handle: Handle) {
        if let Some((_, name)) = self.handles.remove(&handle)
            && let Some(file) = self.files.get_mut(&name)
        {
            file.locks.lower(handle, ffi::SQLITE_LOCK_NONE);
            file.shm.detach(handle);
        }
    }
}

/// A disk. Dropped with its last user.
pub struct Disk {
    name: String,
    inner: Mutex<Inner>,
    side: tempfile::TempDir,
}

static DISKS: Mutex<BTreeMap<String, Weak<Disk>>> = Mutex::new(BTreeMap::new());

fn disks() -> MutexGuard<'static, BTreeMap<String, Weak<Disk>>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// An empty disk. Disks that are there at the same time have different names, without a slash.
    pub fn new(name: &str) -> Arc<Disk> {
        register::register();
        let side = tempfile::tempdir().expect("a temporary directory can be made");
        let disk = Arc::new(Disk { name: name.to_owned(), inner: Mutex::default(), side });
        let before = disks().insert(name.to_owned(), Arc::downgrade(&disk));
        assert!(before.is_none(), "two disks are called {name}");
        disk
    }

    /// A disk that does not record what a power cut would leave: a tenth faster.
    pub fn unrecorded(name: &str) -> Arc<Disk> {
        let disk = Disk::new(name);
        disk.inner().unrecorded = true;
        disk
    }

    /// Lets it hold so many bytes and no more.
    pub fn bound(&self, capacity: u64) {
        self.inner().capacity = Some(capacity);
    }

    /// Whether anything is set aside on it.
    pub fn has_reserve(&self) -> bool {
        !self.inner().aside.is_empty()
    }

    /// The disk on which a path lies.
    pub(super) fn of(path: &str) -> Option<Arc<Disk>> {
        let name = path.strip_prefix('/')?.split('/').next()?;
        disks().get(name)?.upgrade()
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        format!("/{}/{file}", self.name).into()
    }

    /// The state. Not to be held while SQLite is called.
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills a process: its locks vanish, and nothing it still does reaches the disk. Its thread must run to its
    /// end, and `bury` be called, before any other process runs on.
    pub fn kill(&self, process: u32) {
        let mut inner = self.inner();
        inner.dead.insert(process);
        let handles: Vec<Handle> =
            inner.handles.iter().filter(|(_, (of, _))| *of == process).map(|(handle, _)| *handle).collect();
        for handle in handles {
            inner.close(handle);
        }
        inner.shadows = inner.files.iter().map(|(name, file)| (name.clone(), file.shm.copy())).collect();
    }

    /// Undoes what a killed process wrote into shared memory on its way out.
    pub fn bury(&self) {
        let mut inner = self.inner();
        for (name, shadow) in std::mem::take(&mut inner.shadows) {
            inner.files[&name].shm.put_back(&shadow);
        }
    }

    /// Orders an error; the calls are counted from here.
    pub fn arm(&self, fault: Fault) {
        let mut inner = self.inner();
        (inner.fault, inner.met) = (Some(fault), 0);
    }

    /// Takes the order back; how many calls it was looked at for.
    pub fn disarm(&self) -> u64 {
        let mut inner = self.inner();
        inner.fault = None;
        inner.met
    }

    /// How many calls of a kind there have been.
    pub fn calls(&self, kind: Kind) -> u64 {
        self.inner().calls[kind as usize]
    }

    /// What a file holds.
    #[allow(dead_code, reason = "for the tests that are built on top")]
    pub fn content(&self, file: &str) -> Option<Vec<u8>> {
        self.inner().files.get(&*self.path(file).to_string_lossy())?.live.clone()
    }

    /// A disk with what a power cut leaves of this one. `keeps` is asked for each change and each 512-byte
    /// sector written since its file's last sync.
    pub fn cut(&self, name: &str, keeps: &mut dyn FnMut() -> bool) -> Arc<Disk> {
        let disk = Disk::new(name);
        for (path, file) in &self.inner().files {
            let content = file.cut(keeps);
            let path = path.replacen(&self.name, name, 1);
            let copy = File::of(content);
            disk.inner().files.insert(path, copy);
        }
        disk
    }
}

impl Disk {
    /// Lets others run; the state, unless the caller is dead.
    fn alive(&self, path: &Path) -> Option<MutexGuard<'_, Inner>> {
        let process = register::process();
        if let Some(caller) = super::caller() {
            caller.before(Kind::Open, &path.to_string_lossy());
        }
        Some(self.inner()).filter(|inner| !inner.dead.contains(&process))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        disks().remove(&self.name);
    }
}

impl Vfs for Disk {
    fn name(&self) -> &str {
        NAME
    }

    fn size(&self, path: &Path) -> Option<u64> {
        let inner = self.alive(path)?;
        let name = path.to_string_lossy();
        let live = || inner.files.get(&*name)?.live.as_ref().map(|live| live.len() as u64);
        inner.aside.get(&*name).copied().or_else(live)
    }

    fn process(&self) -> u64 {
        register::process().into()
    }

    fn publish(&self, path: &Path, content: &[u8]) -> bool {
        let Some(mut inner) = self.alive(path) else { return false };
        let file = inner.file(&path.to_string_lossy());
        let fresh = file.live.is_none();
        if fresh {
            file.create(content);
        }
        fresh
    }

    fn remove(&self, path: &Path) -> bool {
        let Some(mut inner) = self.alive(path) else { return false };
        let name = path.to_string_lossy();
        inner.aside.remove(&*name).is_some() || inner.delete(&name, false)
    }

    fn free(&self) -> u64 {
        self.inner().free()
    }

    fn allocate(&self, path: &Path, size: u64) -> rustix::io::Result<()> {
        let Some(mut inner) = self.alive(path) else { return Err(Errno::IO) };
        if inner.free() < size {
            return Err(Errno::NOSPC);
        }
        inner.aside.insert(path.to_string_lossy().into_owned(), size);
        Ok(())
    }

    fn side(&self, _: &Path) -> PathBuf {
        self.side.path().to_owned()
    }
}
