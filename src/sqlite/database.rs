//! One database file: a writer that all threads share, readers beside it.

use std::fs;
use std::mem::forget;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ffi};

use super::connection::{Link, is_busy};
use super::fork::{self, Gate};
use super::ticket::{Line, Outcome};
use super::writer::{Tx, Writer};
use super::{Durability, check, room, syscalls};
use crate::clock::{Env, NoSignals};
use crate::error::{Error, Result};

/// Readers that are kept open.
const READERS: usize = 4;
/// How long a switch to WAL waits for others (in steps of 5 ms): SQLite calls no busy handler there.
const SWITCH_STEPS: u32 = 1_000;

/// A database file. All threads may use it at once; after a fork it answers only errors.
///
/// `S` is what the user keeps beside the writer: a cache of what the file says.
///
/// No method may be called from inside a closure that was passed to one.
pub struct Database<S: 'static> {
    path: PathBuf,
    env: Env,
    generation: u64,
    pub(super) line: Line<S>,
    writer: Mutex<Option<Writer<S>>>,
    readers: Mutex<Vec<Link>>,
    /// See `Writer`.
    suspect: Arc<AtomicBool>,
    /// Damage was met: what is in the WAL stays there, for whoever repairs the file.
    damaged: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Default + Send + 'static> Database<S> {
    /// Opens the file, and creates it (mode 0600) if it is missing.
    ///
    /// `admit` gets a connection in a read transaction before anything is written, and may refuse: the file
    /// is then as it was. Its second argument says whether the file was created here, its answer whether the
    /// file has to be prepared. `prepare` then runs in one write transaction, after the switch to WAL. If
    /// either fails, a file that was created is removed.
    pub fn open(
        path: &Path,
        embed: bool,
        env: &Env,
        admit: impl FnOnce(&Connection, bool) -> Result<bool>,
        prepare: impl FnOnce(&mut Tx<'_, S>) -> Result<()>,
    ) -> Result<Self> {
        let mut gate = fork::enter();
        syscalls::install();
        let place = check::admit(path, embed, env)?;
        let suspect = Arc::<AtomicBool>::default();
        match Self::writer(&mut gate, &place, env, &suspect, admit, prepare) {
            Ok(writer) => Ok(Database {
                path: place.path,
                env: env.clone(),
                generation: fork::generation(env),
                line: Line::new(),
                writer: Mutex::new(Some(writer)),
                readers: Mutex::new(Vec::new()),
                suspect,
                damaged: AtomicBool::new(false),
            }),
            Err(error) => {
                if place.created {
                    remove_if_empty(&place.path, env);
                }
                Err(error)
            }
        }
    }

    fn writer(
        gate: &mut Gate,
        place: &check::Place,
        env: &Env,
        suspect: &Arc<AtomicBool>,
        admit: impl FnOnce(&Connection, bool) -> Result<bool>,
        prepare: impl FnOnce(&mut Tx<'_, S>) -> Result<()>,
    ) -> Result<Writer<S>> {
        let link = Link::open(&place.path, env)?;
        let mut writer = Writer::new(link, env.clock.clone(), suspect.clone());
        match Self::make_ready(&mut writer, gate, place, env, admit, prepare) {
            Ok(()) => Ok(writer),
            Err(error) => Err(room::explain(&writer.link.conn, error)),
        }
    }

    fn make_ready(
        writer: &mut Writer<S>,
        gate: &mut Gate,
        place: &check::Place,
        env: &Env,
        admit: impl FnOnce(&Connection, bool) -> Result<bool>,
        prepare: impl FnOnce(&mut Tx<'_, S>) -> Result<()>,
    ) -> Result<()> {
        let link = &writer.link;
        // The last connection that closes would move a WAL left behind by a crash into the database.
        link.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, place.has_wal)?;
        let unprepared = read(link, gate, |conn| admit(conn, place.created))?;
        switch_to_wal(link, gate, &place.path, env)?;
        link.settle(gate, false)?;
        if unprepared {
            writer.begin(gate)?;
            if let Err(error) = prepare(&mut writer.tx()) {
                writer.roll_back();
                return Err(error);
            }
            writer.commit()?;
        }
        writer.link.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        if !check::stays(&place.path, env) {
            let reason = "the file was removed or linked while it was being opened; call again".into();
            return Err(Error::Refused { path: place.path.clone(), reason });
        }
        writer.version = data_version(&writer.link, gate)?;
        Ok(())
    }

    /// The file, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in an IMMEDIATE transaction and commits. The thread that gets the writer commits for all
    /// that wait, one savepoint each; alone, the closure is called directly. An error of `work` undoes its own
    /// part only. If SQLite gives up the whole transaction, every request in it gets the error.
    pub fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Tx<'_, S>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut gate = fork::enter();
        self.own()?;
        let work = |tx: &mut Tx<'_, S>| work(tx).map_err(|error| room::explain(tx.conn, error));
        let work = match self.line.enter(Some(durability), work) {
            Ok(work) => work,
            Err(ticket) => {
                // Outside the gate: the leader may step aside for a fork while we wait for it.
                drop(gate);
                let work = match ticket.wait(&*self.env.signals, || self.line.withdraw(&ticket)) {
                    Ok(outcome) => return self.noted(settled(outcome)),
                    Err(work) => work,
                };
                gate = fork::enter();
                work
            }
        };
        let turn = self.line.turn();
        let outcome = match locked(&self.writer).as_mut() {
            Some(writer) => writer.group(&mut gate, &self.line, durability, work),
            None => Ok(Err(closed())),
        };
        drop(turn);
        self.noted(settled(outcome))
    }

    /// Runs `work` on a connection that can't write, in one read transaction: it sees one state of the file.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut gate = fork::enter();
        self.own()?;
        let link = self.reader(&mut gate)?;
        let answer = read(&link, &mut gate, work);
        if answer.is_err() {
            link.forget_pages();
        }
        self.put_back(link);
        self.noted(answer)
    }

    /// Whether any connection but our writer has committed since the last call.
    pub fn changed(&self) -> Result<bool> {
        self.with_writer(|writer, gate| {
            let version = data_version(&writer.link, gate)?;
            Ok(std::mem::replace(&mut writer.version, version) != version)
        })
    }

    /// Moves the WAL into the database so that it can start again: first beside the writers, then once more
    /// with the writer held for the few frames that came meanwhile (without the second step a busy writer
    /// never lets the WAL start again: 475 MB after 1 s). How many frames are left, for example because a
    /// reader holds an old state. `Full` if the database can't grow so far.
    pub fn checkpoint(&self) -> Result<u64> {
        {
            let mut gate = fork::enter();
            self.own()?;
            let link = self.reader(&mut gate)?;
            let fits = read(&link, &mut gate, |_| link.refuse_misfit());
            if fits.is_ok() && !self.suspect.load(Ordering::Relaxed) {
                link.watched(ffi::SQLITE_CHECKPOINT_PASSIVE, &self.suspect);
            }
            self.put_back(link);
            fits?;
        }
        self.with_writer(|writer, gate| {
            writer.link.refuse_misfit()?;
            let (code, frames) = writer.checkpoint(gate, ffi::SQLITE_CHECKPOINT_PASSIVE)?;
            let link = &writer.link;
            let page: u32 = link.conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            if code == ffi::SQLITE_OK && frames.left == 0 && frames.all * u64::from(page) >= room::PRESSING {
                link.watched(ffi::SQLITE_CHECKPOINT_TRUNCATE, &writer.suspect);
            }
            match code {
                ffi::SQLITE_OK | ffi::SQLITE_BUSY => Ok(frames.left),
                // Others may have taken the room since the look.
                _ => Err(rusqlite::Error::SqliteFailure(
                    ffi::Error::new(code),
                    Some("a checkpoint failed".into()),
                )
                .into()),
            }
        })
    }

    /// How many bytes can still be written before the disk is full.
    pub fn slack(&self) -> Result<u64> {
        self.read(|conn| room::slack(conn, &self.path, &self.env))
    }

    /// The fork generation in which it was opened; see [`fork::generation`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Waits for the writer and uses it outside a transaction.
    fn with_writer<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Writer<S>, &mut Gate) -> Result<T>,
    ) -> Result<T> {
        let mut gate = fork::enter();
        self.own()?;
        if let Err(ticket) = self.line.enter(None, |_: &mut Tx<'_, S>| Ok(())) {
            drop(gate);
            if let Ok(outcome) = ticket.wait(&NoSignals, || false) {
                settled(outcome)?;
            }
            gate = fork::enter();
        }
        let _turn = self.line.turn();
        match locked(&self.writer).as_mut() {
            Some(writer) => act(writer, &mut gate),
            None => Err(closed()),
        }
    }

    fn noted<T>(&self, answer: Result<T>) -> Result<T> {
        if matches!(answer, Err(Error::Corrupt(_))) {
            self.damaged.store(true, Ordering::Relaxed);
        }
        answer
    }

    fn own(&self) -> Result<()> {
        if self.generation == fork::generation(&self.env) {
            return Ok(());
        }
        Err(Error::Sqlite("this handle was opened before a fork; open the file again in this process".into()))
    }

    fn reader(&self, gate: &mut Gate) -> Result<Link> {
        if let Some(link) = locked(&self.readers).pop() {
            return Ok(link);
        }
        let link = Link::open(&self.path, &self.env)?;
        link.settle(gate, true)?;
        Ok(link)
    }

    fn put_back(&self, link: Link) {
        let mut readers = locked(&self.readers);
        if readers.len() < READERS {
            readers.push(link);
        }
    }
}

impl<S: 'static> Drop for Database<S> {
    fn drop(&mut self) {
        let _gate = fork::enter();
        let writer = locked_mut(&mut self.writer).take();
        let readers = std::mem::take(locked_mut(&mut self.readers));
        if self.generation != fork::generation(&self.env) {
            // A close in the child would act on the parent's files.
            forget((writer, readers));
            return;
        }
        if self.suspect.load(Ordering::Relaxed) || self.damaged.load(Ordering::Relaxed) {
            // The last connection that closes would make a checkpoint.
            for link in writer.iter().map(|writer| &writer.link).chain(&readers) {
                let _ = link.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            }
        }
    }
}

fn locked_mut<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> Error {
    Error::Sqlite("the database is closed".into())
}

fn settled<T>(outcome: Outcome<T>) -> Result<T> {
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Runs `work` in a read transaction. The first look waits for others; afterwards nobody is in the way.
fn read<T>(link: &Link, gate: &mut Gate, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    struct End<'a>(&'a Connection);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            // The end of a read transaction can't fail; a panic in `work` must not leave it open.
            let _ = self.0.prepare_cached("ROLLBACK").and_then(|mut end| end.execute([]));
        }
    }
    let conn = &link.conn;
    conn.prepare_cached("BEGIN")?.execute([])?;
    let _end = End(conn);
    link.patiently(gate, || conn.prepare_cached("SELECT 1 FROM sqlite_schema LIMIT 1")?.exists([]))?;
    work(conn)
}

fn data_version(link: &Link, gate: &mut Gate) -> Result<i64> {
    link.patiently(gate, || link.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0)))
}

/// To the statement's end: it answers first and commits then.
fn ask_for_wal(conn: &Connection) -> rusqlite::Result<String> {
    let mut statement = conn.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = statement.query([])?;
    let mode = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?.get(0)?;
    rows.next()?;
    Ok(mode)
}

fn switch_to_wal(link: &Link, gate: &mut Gate, path: &Path, env: &Env) -> Result<()> {
    let mut steps = 0;
    let mode: String = loop {
        match ask_for_wal(&link.conn) {
            Err(error) if is_busy(&error) && steps < SWITCH_STEPS => {
                steps += 1;
                env.clock.sleep(Duration::from_millis(5));
                gate.step_aside();
            }
            Err(error) if is_busy(&error) => return Err(Error::Busy { waited_ms: 5 * u64::from(steps) }),
            mode => break mode?,
        }
    };
    if mode == "wal" {
        return Ok(());
    }
    let reason = format!(
        "the file can't be switched to a write-ahead log (its journal mode stays {mode}); check that its directory is writable and on a local disk"
    );
    Err(Error::Refused { path: path.to_owned(), reason })
}

/// Removes a file that we created and nobody has filled since.
fn remove_if_empty(path: &Path, env: &Env) {
    let empty = Link::open(path, env).is_ok_and(|link| {
        let count = link.conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
        count.is_ok_and(|count| count == 0)
    });
    if empty {
        match &env.vfs {
            Some(vfs) => drop(vfs.remove(path)),
            None => drop(fs::remove_file(path)),
        }
    }
}
