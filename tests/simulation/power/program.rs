//! What is written on the disk until the power fails: random calls of one or two stores, from one or many threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use pyqueue_core::clock::{Clock, Env, NoSignals, Random};
use pyqueue_core::id::RowId;
use pyqueue_core::job::{Dedup, Failure, Finish, Finished, NewJob, Outcome, Payload};
use pyqueue_core::sqlite::Durability;
use pyqueue_core::store::{Ask, Claimed, NewWorker, Options, Store};
use rusqlite::{Connection, OpenFlags, ffi};

use super::camera::{Camera, Watched};
use super::notes::{Deed, Note};
use crate::client::options;
use crate::dice::Dice;
use crate::vfs::{self, Disk, Fault, Kind};

/// Clocks of one boot, and random bits.
pub struct Boot {
    now: AtomicI64,
    bits: AtomicU64,
    identity: String,
}

impl Boot {
    /// Surroundings of a process on a disk. Each boot begins a day after the last.
    pub fn env(number: i64, disk: &Arc<Disk>) -> Env {
        let boot = Arc::new(Boot {
            now: AtomicI64::new(number * 86_400_000_000),
            bits: AtomicU64::new(number as u64),
            identity: format!("boot {number}"),
        });
        Env { clock: boot.clone(), random: boot, signals: Arc::new(NoSignals), vfs: Some(disk.clone()) }
    }
}

impl Clock for Boot {
    fn wall_us(&self) -> i64 {
        1_800_000_000_000_000 + self.boot_us()
    }

    fn boot_us(&self) -> i64 {
        self.now.fetch_add(1, Ordering::Relaxed)
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn sleep(&self, time: Duration) {
        self.now.fetch_add(time.as_micros() as i64, Ordering::Relaxed);
        std::thread::yield_now();
    }
}

impl Random for Boot {
    fn next(&self) -> u64 {
        Dice::new(self.bits.fetch_add(1, Ordering::Relaxed)).next()
    }
}

/// A plain connection, as of another program.
pub fn connect(disk: &Disk, file: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    Connection::open_with_flags_and_vfs(disk.path(file), flags, c"simulation")
}

/// A disk with a file as the system's disks get it: whole, one page, ours, and no table.
pub fn blank(name: &str) -> Arc<Disk> {
    let draft = Disk::new(&format!("{name}-draft"));
    let conn = connect(&draft, "jobs.db").unwrap();
    conn.pragma_update(None, "application_id", 0x7079_7175).unwrap();
    drop(conn);
    draft.cut(name, &mut || true)
}

struct Hand<'a> {
    camera: Arc<Camera>,
    stores: Vec<&'a Store>,
    dice: Dice,
    worker: Option<i64>,
    held: Vec<(RowId, i64, String)>,
    known: Vec<String>,
    faults: bool,
}

/// Runs a seed's program over the camera's disk. In `full` one store is durable and the other, if there is one, not.
pub fn run(camera: &Arc<Camera>, seed: u64, durability: Durability) {
    let mut dice = Dice::new(seed);
    let env = Boot::env(1, &camera.disk);
    let open = |durability| {
        let options = Options { durability, ..options() };
        Store::new(camera.disk.path("jobs.db"), options, env.clone())
    };
    let stores = [open(durability), open(Durability::Normal)];
    let both = dice.one_in(3);
    let hand = |number: u64, faults: bool| Hand {
        camera: camera.clone(),
        stores: stores.iter().take(1 + usize::from(both)).collect(),
        dice: Dice::new(seed ^ number << 32),
        worker: None,
        held: Vec::new(),
        known: Vec::new(),
        faults,
    };
    let faults = dice.one_in(3);
    // Commits in groups need threads that wait for each other; only their order is not the seed's.
    if dice.one_in(4) {
        std::thread::scope(|scope| {
            for number in 1..4 {
                let hand = hand(number, faults);
                scope.spawn(move || hand.work(40));
            }
        });
    } else {
        hand(1, faults).work(80);
    }
    camera.disk.disarm();
    vfs::enter(Some(Arc::new(Watched { camera: camera.clone(), process: 1 })));
    drop(stores);
    vfs::enter(None);
}

impl<'a> Hand<'a> {
    fn work(mut self, steps: u64) {
        vfs::enter(Some(Arc::new(Watched { camera: self.camera.clone(), process: 1 })));
        for _ in 0..steps {
            // What answers an error promised nothing.
            let _ = self.step();
        }
        vfs::enter(None);
    }

    fn store(&mut self) -> &'a Store {
        self.stores[self.dice.below(self.stores.len() as u64) as usize]
    }

    /// Writes down what a client was told.
    fn note(&self, asked: usize, full: bool, deed: Deed) {
        self.camera.notes().push(Note { deed, full, asked });
    }

    fn step(&mut self) -> pyqueue_core::error::Result<()> {
        match self.dice.below(100) {
            0..45 => self.enqueue(),
            45..60 => self.claim(),
            60..80 => self.finish(),
            80..83 => self.cancel(),
            83..87 => self.store().upkeep().map(drop),
            87..92 => self.store().checkpoint().map(drop),
            // Whoever opens the file after a sync that failed is not told: nobody does so in these seeds.
            92..95 if !self.faults => {
                self.checkpoint_from_outside();
                Ok(())
            }
            95..97 if !self.faults => {
                self.store().close();
                Ok(())
            }
            _ => {
                if self.faults {
                    let (file, nth) = (*self.dice.pick(&["-wal", "-wal", ""]), 1 + self.dice.below(3));
                    let code = ffi::SQLITE_IOERR_FSYNC;
                    self.camera.disk.arm(Fault { kind: Some(Kind::Sync), file, nth, code, lasting: false });
                }
                Ok(())
            }
        }
    }

    fn job(&mut self) -> NewJob {
        let dice = &mut self.dice;
        let length = [20, 300, 6_000][dice.below(3) as usize];
        NewJob {
            task: "t".into(),
            payload: Payload { content_type: None, body: vec![dice.next() as u8; length] },
            queue: (*dice.pick(&["a", "b"])).into(),
            priority: *dice.pick(&[0, 0, 3]),
            run_at_us: None,
            expires_us: None,
            dedup_key: None,
            dedup: Dedup::Return,
            dedup_window_us: None,
            alias: None,
            max_losses: 5,
            time_limit_us: None,
            soft_time_limit_us: None,
            errbacks: Vec::new(),
        }
    }

    fn enqueue(&mut self) -> pyqueue_core::error::Result<()> {
        let count = *self.dice.pick(&[1, 1, 1, 2, 7]);
        let jobs = (0..count).map(|_| self.job()).collect();
        let asked = self.camera.notes().len();
        let store = self.store();
        let full = store.options().durability == Durability::Full;
        let ids: Vec<String> = store.enqueue(jobs)?.into_iter().map(|told| told.id).collect();
        self.known.extend(ids.iter().cloned());
        self.note(asked, full, Deed::Enqueue(ids));
        Ok(())
    }

    fn cancel(&mut self) -> pyqueue_core::error::Result<()> {
        if self.known.is_empty() {
            return Ok(());
        }
        let id = self.dice.pick(&self.known).clone();
        let asked = self.camera.notes().len();
        let store = self.store();
        let full = store.options().durability == Durability::Full;
        if store.cancel(&id)? {
            self.note(asked, full, Deed::End(vec![id]));
        }
        Ok(())
    }

    fn claim(&mut self) -> pyqueue_core::error::Result<()> {
        let ask = self.ask()?;
        let asked = self.camera.notes().len();
        let claimed = self.store().claim(ask)?;
        self.take(asked, claimed);
        Ok(())
    }

    fn ask(&mut self) -> pyqueue_core::error::Result<Ask> {
        let owner = match self.worker {
            Some(worker) => worker,
            None => {
                let worker = NewWorker {
                    name: "w".into(),
                    pid: 1,
                    slots: 1,
                    visibility_us: 1 << 50,
                    facts: Vec::new(),
                };
                let owner = self.store().join(worker)?;
                *self.worker.insert(owner)
            }
        };
        let limit = 1 + self.dice.below(4) as usize;
        Ok(Ask { owner, limit, queues: None, tasks: None, visibility_us: None })
    }

    fn take(&mut self, asked: usize, claimed: Claimed) {
        for job in claimed.jobs {
            self.note(asked, false, Deed::Claim(job.token));
            self.held.push((job.row, job.token, job.id));
        }
    }

    fn finish(&mut self) -> pyqueue_core::error::Result<()> {
        let count = self.held.len().min(1 + self.dice.below(3) as usize);
        let taken: Vec<(RowId, i64, String)> = self.held.drain(..count).collect();
        let ends: Vec<Finish> = taken.iter().map(|(row, token, _)| self.end(*row, *token)).collect();
        let over: Vec<bool> =
            ends.iter().map(|end| matches!(end.outcome, Outcome::Success(_) | Outcome::Failure(_))).collect();
        let ask = if self.dice.one_in(2) { Some(self.ask()?) } else { None };
        let asked = self.camera.notes().len();
        let (answers, claimed) = self.store().finish(ends, ask)?;
        let ended: Vec<String> = taken
            .into_iter()
            .zip(&answers)
            .zip(over)
            .filter(|((_, answer), over)| **answer != Finished::LeaseLost && *over)
            .map(|(((_, _, id), _), _)| id)
            .collect();
        if !ended.is_empty() {
            self.note(asked, false, Deed::End(ended));
        }
        self.take(asked, claimed);
        Ok(())
    }

    fn end(&mut self, row: RowId, token: i64) -> Finish {
        let failure = Failure { error: "x.Y".into(), message: "no".into(), ..Failure::default() };
        let outcome = match self.dice.below(10) {
            0..6 => Outcome::Success(Some(Payload { content_type: None, body: vec![7; 200] })),
            6 => Outcome::Failure(failure),
            7 => Outcome::Retry { delay_us: 0, payload: None, failure },
            8 => Outcome::Retry { delay_us: 60_000_000, payload: None, failure },
            _ => Outcome::GivenBack,
        };
        Finish { row, token, outcome, started_us: None, usage: None, then: Vec::new(), beside: None }
    }

    /// As the command `sqlite3` may do it: with luck nobody is in the way.
    fn checkpoint_from_outside(&mut self) {
        let mode = *self.dice.pick(&["FULL", "RESTART", "TRUNCATE"]);
        if let Ok(conn) = connect(&self.camera.disk, "jobs.db") {
            let _ = conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()));
        }
    }
}
