//! A simulated process at work: it asks the store, enters the answers into the book, and starts anew when killed.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyqueue_core::Error;
use pyqueue_core::clock::Clock;
use pyqueue_core::id::RowId;
use pyqueue_core::job::ClaimedJob;
use pyqueue_core::sqlite::Durability;
use pyqueue_core::store::{Options, Store, Watch};
use rusqlite::{Connection, OpenFlags};

use crate::dice::Dice;
use crate::process::Process;
use crate::verbs::{Answer, Told, Verb};
use crate::weather::State;
use crate::world::{Page, World, locked};

/// What a process mostly does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trade {
    Worker,
    Caller,
    Keeper,
    /// Plain SQL on its own connection.
    Foreign,
}

pub struct Client {
    pub process: Arc<Process>,
    pub trade: Trade,
    pub store: Store,
    foreign: Option<Connection>,
    pub dice: Dice,
    /// Its id as a worker, and its leases' time.
    pub worker: Option<i64>,
    pub visibility: i64,
    pub held: Vec<(RowId, i64)>,
    pub watch: Watch,
    /// What it watches, and how many sleeps ago that has ended.
    pub watched: BTreeMap<String, u32>,
    /// The commands it has begun and not answered.
    pub begun: Vec<i64>,
    /// The producers it has opened: epoch and the next number.
    pub producers: BTreeMap<String, (i64, i64)>,
}

/// The largest body of arguments or result.
pub const MAX_BODY: usize = 8 << 10;

pub fn options() -> Options {
    Options {
        embed: false,
        durability: Durability::Full,
        max_body: MAX_BODY,
        max_db_bytes: None,
        history_age_us: 1 << 60,
        history_count: 1 << 40,
        failed_age_us: 1 << 60,
    }
}

impl Client {
    pub fn new(process: &Arc<Process>, trade: Trade) -> Client {
        let world = &process.world;
        let options = Options { embed: world.play.embed, ..options() };
        Client::with(process, trade, Store::new(world.disk.path("jobs.db"), options, process.env()))
    }

    /// With a handle that it has already.
    pub fn with(process: &Arc<Process>, trade: Trade, store: Store) -> Client {
        let mut dice = Dice::new(process.world.state().dice.next());
        let visibility = [2, 30][dice.below(2) as usize] * 1_000_000;
        Client {
            process: process.clone(),
            trade,
            store,
            foreign: None,
            dice,
            worker: None,
            visibility,
            held: Vec::new(),
            watch: Watch::default(),
            watched: BTreeMap::new(),
            begun: Vec::new(),
            producers: BTreeMap::new(),
        }
    }

    pub fn world(&self) -> &Arc<World> {
        &self.process.world
    }

    pub fn dead(&self) -> bool {
        self.world().state().places[self.process.number].dead
    }

    pub fn at_place<T>(&self, act: impl FnOnce(&mut State, usize) -> T) -> T {
        act(&mut self.world().state(), self.process.number)
    }

    /// Does something that changes nothing the reference knows of. `None`: killed meanwhile.
    pub fn aside<T>(&self, what: &str, act: impl FnOnce(&Store) -> pyqueue_core::Result<T>) -> Option<T> {
        // Whoever reads takes receipts in, also those that come while it sleeps.
        self.aside_as(&Verb::Fold, what, act)
    }

    /// The same; what it may write is `verb`'s.
    pub fn aside_as<T>(
        &self,
        verb: &Verb,
        what: &str,
        act: impl FnOnce(&Store) -> pyqueue_core::Result<T>,
    ) -> Option<T> {
        let number = self.process.number;
        self.at_place(|state, me| state.note(|| format!("p{me} {what}")));
        self.sets_out(verb);
        let answer = act(&self.store);
        self.at_place(|state, me| state.places[me].rush = false);
        if self.dead() {
            return None;
        }
        locked(&self.world().book).forget(number);
        match answer {
            Ok(answer) => Some(answer),
            Err(Error::Busy { .. }) => None,
            Err(Error::Full(_)) if self.world().play.tides => None,
            Err(Error::Refused { .. }) if self.world().play.newer => None,
            Err(error) => {
                self.world().fail(format!("p{number} {what}: {error}"));
                None
            }
        }
    }

    /// Reads while nobody else runs.
    pub fn quietly<T>(&self, what: &str, act: impl FnOnce(&Store) -> pyqueue_core::Result<T>) -> Option<T> {
        self.at_place(|state, me| state.places[me].quiet = true);
        let answer = self.aside(what, act);
        self.at_place(|state, me| state.places[me].quiet = false);
        answer
    }

    /// Asks the store and enters the answer. `None`: killed meanwhile, or refused.
    pub fn ask(&mut self, verb: Verb) -> Option<Told> {
        if verb_is_foreign(&verb) && self.foreign.is_none() {
            self.foreign = self.connect();
            self.foreign.as_ref()?;
        }
        let tides = self.world().disk.inner().tides;
        self.sets_out(&verb);
        self.at_place(|state, me| {
            state.operations += 1;
            state.budget = state.budget.saturating_sub(1);
            state.note(|| format!("p{me} {}", verb.text()));
        });
        if verb_is_foreign(&verb) {
            // A plain connection asks no clock.
            self.process.wall_us();
        }
        let told = verb.perform(&self.store, self.foreign.as_ref());
        if self.dead() {
            return None;
        }
        let (moment, wrote) = self.came_back();
        self.at_place(|state, me| {
            let told = told.as_ref().map(|told| &told.answer);
            state.note(|| format!("p{me} -> {told:?}"));
        });
        let told = match told {
            Ok(mut told) => {
                if let Some(lie) = self.world().lie {
                    lie.tell(&verb, &mut told);
                }
                told
            }
            Err(error) => {
                self.world().fail(format!("p{} {verb:?}: {error}", self.process.number));
                return None;
            }
        };
        if let Err(text) = self.judge(&verb, &told.answer, tides) {
            self.world().fail(text);
        }
        let entered = locked(&self.world().book).end(self.process.number, &told, moment, wrote);
        if let Err(text) = entered {
            let file = locked(&self.world().book).look(&self.world().disk);
            let sound = self.quietly("examines", Store::examine);
            self.world().fail(format!("{text}; the file after it: {file:?}, {sound:?}"));
            return None;
        }
        self.keep(&told.jobs);
        Some(told)
    }

    /// The book knows from here on what this process may have done when it dies.
    fn sets_out(&self, verb: &Verb) {
        locked(&self.world().book).begin(self.process.number, verb);
        self.at_place(|state, me| {
            let place = &mut state.places[me];
            (place.wrote, place.rush, place.moment) = (false, false, None);
        });
    }

    /// When its transaction was, and whether it wrote.
    fn came_back(&self) -> (Option<(i64, i64)>, bool) {
        self.at_place(|state, me| {
            let place = &mut state.places[me];
            place.rush = false;
            (place.moment, place.wrote)
        })
    }

    fn connect(&self) -> Option<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn =
            Connection::open_with_flags_and_vfs(self.world().disk.path("jobs.db"), flags, c"simulation")
                .ok()?;
        conn.busy_timeout(std::time::Duration::from_secs(30)).ok()?;
        Some(conn)
    }

    /// Takes claimed jobs into its hands and on its page.
    fn keep(&mut self, jobs: &[ClaimedJob]) {
        let Some(worker) = self.worker else { return };
        let mut pages = locked(&self.process.world.pages);
        let Some(page) = pages.get_mut(&worker) else { return };
        for job in jobs {
            self.held.push((job.row, job.token));
            locked(&self.process.world.book).tokens.push((job.row, job.token));
            match self.dice.below(3) {
                0 => page.started.remove(&job.row),
                kind => page.started.insert(job.row, kind == 1),
            };
        }
    }

    /// Enters the file as a worker.
    pub fn join(&mut self) -> Option<()> {
        self.held.clear();
        self.begun.clear();
        let Answer::Number(worker) = self.ask(Verb::Join(self.visibility))?.answer else { return None };
        self.worker = Some(worker);
        let identity = self.process.identity.clone();
        let page = Page { process: self.process.number, identity, started: Default::default() };
        locked(&self.world().pages).insert(worker, page);
        Some(())
    }
}

fn verb_is_foreign(verb: &Verb) -> bool {
    matches!(verb, Verb::Inbox(_) | Verb::Receipts(..) | Verb::Newer(_))
}
