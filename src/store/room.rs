//! Room for what must not fail. A worker sets blocks of the disk aside, in a file that nobody reads. When the
//! disk is full they are given up, and from then on the file is short of room, for every process: new jobs are
//! refused, so that what was freed is there for the outcomes of running jobs, for beats, and for whoever makes
//! room. When there is room again, whoever notices first sets the blocks aside anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use rustix::io::Errno;

use super::Store;
use super::change::Change;
use super::rules::Rules;
use crate::clock::Env;
use crate::error::{Error, Result};
use crate::sqlite::room::{file_limit, free};
use crate::sqlite::{Database, Durability, blocks};
use crate::wake::{Bell, Line};

/// What is needed once the disk is full, until the WAL starts again: an outcome alone takes 23–31 kB of it, 256 at
/// once with results of 1 kB 0.45 MB, a beat 4 kB.
const NEEDED: u64 = 4 << 20;
/// What is set aside where there is plenty: also what a checkpoint takes whose WAL holds nothing but new pages.
const LARGE: u64 = 20 << 20;

/// The room of one open file.
pub struct Room {
    /// Where it is measured.
    database: PathBuf,
    reserve: PathBuf,
    bell: Arc<Bell>,
    env: Env,
    /// The most that the file may hold while new jobs are taken in (bytes).
    bound: Option<u64>,
}

/// What a change that takes new work in has to leave.
#[derive(Clone, Copy)]
pub struct Limits {
    short: bool,
    /// There is too little left for their frames in the WAL.
    cramped: bool,
    bound: Option<u64>,
}

fn path(directory: &Path) -> PathBuf {
    directory.join("reserve")
}

/// Gives up what is set aside in a side directory; whether there was anything.
pub fn give_up(directory: &Path, env: &Env) -> bool {
    blocks::remove(&path(directory), env)
}

impl Room {
    /// `max` is what the user allows the file to hold.
    pub fn new(database: &Path, directory: &Path, bell: &Arc<Bell>, max: Option<u64>, env: &Env) -> Room {
        // Below the limit for files outcomes need a margin of their own.
        let limit = file_limit().map(|limit| limit.saturating_sub(NEEDED.min(limit / 2)));
        let bound = max.into_iter().chain(limit).min();
        Room {
            database: database.into(),
            reserve: path(directory),
            bell: bell.clone(),
            env: env.clone(),
            bound,
        }
    }

    /// Whether new jobs are refused for want of room.
    pub fn is_short(&self) -> bool {
        self.bell.is_short()
    }

    /// Gives up what is set aside; false if that was done before and changes nothing.
    pub fn give_up(&self) -> bool {
        let given = blocks::remove(&self.reserve, &self.env);
        // The mark comes last: whoever sees it and finds room again sets aside anew.
        self.bell.mark_short(true) || given
    }

    /// Sets aside, and ends the shortage, if there is twice as much room as that takes. Whether it is there.
    pub fn set_aside(&self) -> Result<bool> {
        if blocks::held(&self.reserve, &self.env) >= NEEDED {
            self.end_shortage();
            return Ok(true);
        }
        let free = free(&self.database, &self.env);
        let Some(size) = [LARGE, NEEDED].into_iter().find(|size| free >= 2 * size) else { return Ok(false) };
        match blocks::allocate(&self.reserve, size, &self.env) {
            Ok(()) => {
                self.end_shortage();
                Ok(true)
            }
            Err(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Ok(false),
            Err(source) => Err(Error::System { call: "fallocate", source }),
        }
    }

    fn end_shortage(&self) {
        if self.bell.mark_short(false) {
            self.bell.ring(Line::Ready);
        }
    }

    /// What new work has to leave; looks first whether a shortage is over.
    pub fn limits(&self, db: &Database<Rules>) -> Limits {
        self.bell.mend();
        let short = self.is_short() && !self.set_aside().unwrap_or(false);
        let cramped = short && db.slack().unwrap_or(0) < NEEDED / 4 * 3;
        Limits { short, cramped, bound: self.bound }
    }
}

impl Limits {
    /// Refuses a change that has taken up what must be left. While the file is short of room, new jobs only go
    /// into pages it has already, and stop before claims do.
    pub fn check(self, conn: &Connection) -> Result<()> {
        if !self.short && self.bound.is_none() {
            return Ok(());
        }
        let read = |sql| conn.prepare_cached(sql)?.query_row([], |row| row.get::<_, u64>(0));
        let page = read("PRAGMA page_size")?;
        let spare = read("PRAGMA freelist_count")? * page;
        let used = read("PRAGMA page_count")? * page - spare;
        match self.bound {
            Some(bound) if used > bound => {
                Err(Error::Full(format!("the database would hold {used} bytes, its limit is {bound}")))
            }
            _ if self.cramped || self.short && spare < NEEDED => {
                Err(Error::Full("what is left is kept for the outcomes of running jobs".into()))
            }
            _ => Ok(()),
        }
    }
}

impl Store {
    /// Sets room aside for the outcomes of running jobs, and ends a shortage; false if there is none.
    pub fn set_aside(&self) -> Result<bool> {
        self.opened()?.room.set_aside()
    }

    /// Gives up what was set aside: the file is short of room. False if it was given up before.
    pub fn give_up(&self) -> Result<bool> {
        Ok(self.opened()?.room.give_up())
    }

    /// Whether the file is short of room: new jobs are refused.
    pub fn is_short(&self) -> Result<bool> {
        Ok(self.opened()?.room.is_short())
    }

    /// Whether there is room for the outcomes of more jobs than run.
    pub fn lets_start(&self) -> Result<bool> {
        let open = self.opened()?;
        Ok(!open.room.is_short() || open.db.slack()? >= NEEDED / 2)
    }

    /// A change that takes new work in: refused where it would use up the room of what must not fail.
    pub(super) fn take_in<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Change) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.opened()?;
        let limits = open.room.limits(&open.db);
        let done = self.write(self.options.durability, move |change| {
            limits.check(change.conn)?;
            let value = work(change)?;
            limits.check(change.conn)?;
            Ok(value)
        });
        if matches!(done, Err(Error::Full(_))) && !limits.short {
            // What the WAL holds may fit into the database: then the next call finds room.
            let _ = open.db.checkpoint();
        }
        done
    }

    /// A change that must not fail for want of room: one about a job that runs, about a worker, or one that makes
    /// room. First the WAL is let start again, then what was set aside is given up.
    pub(super) fn keep<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&mut Change) -> Result<T> + Clone + Send + 'static,
    ) -> Result<T> {
        let mut done = self.write(durability, work.clone());
        for gives in [false, true] {
            if !matches!(done, Err(Error::Full(_))) {
                break;
            }
            let open = self.opened()?;
            if gives && !open.room.give_up() {
                break;
            }
            let _ = open.db.checkpoint();
            done = self.write(durability, work.clone());
        }
        done
    }
}
