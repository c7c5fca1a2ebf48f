//! The world of one seed: simulated processes take turns at every statement and every call of the disk, and time,
//! deaths, stops, suspends and reboots come from the same stream of random numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use pyqueue_core::id::RowId;

use crate::dice::Dice;
use crate::doubts::Book;
use crate::lies::Lie;
use crate::process::Process;
use crate::vfs::Disk;
use crate::weather::{Place, State, Weather};

const SECOND: i64 = 1_000_000;
/// Who is frail is killed in one of so many places.
const FRAIL: u64 = 24;

/// What a worker's page says, which outlives the worker.
pub struct Page {
    pub process: usize,
    /// Of its boot clock.
    pub identity: String,
    pub started: BTreeMap<RowId, bool>,
}

/// What is special about a seed.
#[derive(Clone, Copy, Default)]
pub struct Play {
    /// The file is another program's.
    pub embed: bool,
    /// The disk can be full.
    pub tides: bool,
    pub forks: bool,
    /// A newer build comes by.
    pub newer: bool,
}

pub struct World {
    pub disk: Arc<Disk>,
    pub play: Play,
    /// Told about every answer, in a control arm.
    pub lie: Option<Lie>,
    state: Mutex<State>,
    turn: AtomicUsize,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pub book: Mutex<Book>,
    pub pages: Mutex<BTreeMap<i64, Page>>,
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn new(
        seed: u64,
        disk: Arc<Disk>,
        play: Play,
        lie: Option<Lie>,
        budget: u64,
        log: bool,
    ) -> Arc<World> {
        let state = State {
            dice: Dice::new(seed),
            weather: Weather::MAKING,
            now: 1_000 * SECOND,
            wall_offset: 1_800_000_000 * SECOND,
            boot_offset: 0,
            boots: 1,
            places: vec![Place { thread: Some(thread::current()), ..Place::default() }],
            hash: 0xcbf2_9ce4_8422_2325,
            log: log.then(Vec::new),
            operations: 0,
            budget,
            failure: None,
            made: false,
            kills: 0,
            forks: 0,
            full: 0,
            told: 0,
        };
        Arc::new(World {
            disk,
            play,
            lie,
            state: Mutex::new(state),
            turn: AtomicUsize::new(0),
            threads: Mutex::default(),
            book: Mutex::new(Book::new(log && std::env::var_os("PYQUEUE_OFTEN").is_some())),
            pages: Mutex::default(),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// A promise is broken: the seed ends here.
    pub fn fail(&self, text: String) {
        let mut state = self.state();
        state.note(|| format!("FAILED: {text}"));
        state.failure.get_or_insert(text);
        state.budget = 0;
        state.weather = Weather::CALM;
    }

    /// Starts a process after a while. Only for who has the turn.
    pub fn spawn(self: &Arc<Self>, after: i64, program: impl FnOnce(&Arc<Process>) + Send + 'static) {
        let (number, identity) = {
            let mut state = self.state();
            let wakes = state.now + after;
            state.places.push(Place { wakes, ..Place::default() });
            (state.places.len() - 1, format!("boot-{}/", state.boots))
        };
        let process = Arc::new(Process { world: self.clone(), number, identity });
        let world = self.clone();
        let thread = thread::spawn(move || {
            crate::vfs::enter(Some(process.clone()));
            world.wait(number);
            let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| program(&process)));
            if let Err(panic) = run {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                world.fail(format!("process {number} panicked: {}", text.unwrap_or_default()));
            }
            world.end(number);
        });
        self.state().places[number].thread = Some(thread.thread().clone());
        locked(&self.threads).push(thread);
    }

    /// Lets the processes run until all have ended.
    pub fn run(&self) {
        self.pass_on(0);
        for thread in std::mem::take(&mut *locked(&self.threads)) {
            let _ = thread.join();
        }
    }

    fn pass_on(&self, me: usize) {
        let next = {
            let mut state = self.state();
            let next = state.next();
            if next == me {
                return;
            }
            state.mix(next as u64);
            state.places[next].thread.clone().map(|thread| (next, thread))
        };
        let Some((next, thread)) = next else { return };
        self.turn.store(next, Ordering::Release);
        thread.unpark();
        if !self.state().places[me].ended {
            self.wait(me);
        }
    }

    fn wait(&self, me: usize) {
        while self.turn.load(Ordering::Acquire) != me {
            thread::park();
        }
        if self.state().places[me].condemned {
            self.die(me);
        }
    }

    fn die(&self, me: usize) {
        let mut state = self.state();
        let place = &mut state.places[me];
        if place.dead || place.ended {
            return;
        }
        (place.dead, place.condemned, place.holds_lock, place.alone) = (true, true, false, false);
        let (wrote, moment) = (place.wrote, place.moment);
        state.kills += 1;
        state.note(|| format!("p{me} is killed"));
        state.mix(0xdead);
        drop(state);
        self.disk.kill(me as u32);
        locked(&self.book).died(me, moment.filter(|_| wrote));
    }

    fn end(&self, me: usize) {
        // The system closes what is still open: whoever has forked leaves it to the child's copy.
        if !self.state().places[me].dead {
            self.disk.kill(me as u32);
        }
        self.disk.bury();
        let trespass = self.disk.inner().trespass.take();
        trespass.into_iter().for_each(|text| self.fail(text));
        self.state().places[me].ended = true;
        self.pass_on(me);
    }

    /// Whether a process lives.
    pub fn alive(&self, number: usize) -> bool {
        let state = self.state();
        !state.places[number].ended && !state.places[number].dead
    }

    /// A place where others may run and anything may happen.
    pub fn point(&self, me: usize, what: u64) {
        let mut state = self.state();
        let place = &state.places[me];
        if place.dead || place.quiet {
            return;
        }
        let (rush, frail) = (place.rush || place.alone, place.frail);
        let pause = 1 + state.dice.below(20) as i64;
        state.now += pause;
        state.mix(what << 8 | me as u64);
        let weather = state.weather;
        if frail && weather.kill > 0 && state.dice.one_in(FRAIL) {
            drop(state);
            return self.die(me);
        }
        if rush {
            let dies = weather.kill > 0 && state.dice.one_in(weather.kill / 4);
            drop(state);
            if dies {
                self.die(me);
            }
            return;
        }
        self.happen(&mut state, me, weather);
        let (condemned, switch) = (state.places[me].condemned, state.dice.one_in(weather.switch.max(2)));
        let elsewhere = state.places[me].stopped_until > state.now
            || state.places.iter().any(|p| p.condemned && !p.ended);
        drop(state);
        if condemned {
            self.die(me);
        } else if switch || elsewhere {
            self.pass_on(me);
        }
    }

    fn happen(&self, state: &mut State, me: usize, weather: Weather) {
        let mut comes = |rate: u64| rate > 0 && state.dice.one_in(rate);
        let (kill, stop, step, suspend, reboot) = (
            comes(weather.kill),
            comes(weather.stop),
            comes(weather.step),
            comes(weather.suspend),
            comes(weather.reboot),
        );
        if comes(weather.tide) {
            let leaves = [0, 4_096, 100_000, 2 << 20][state.dice.below(4) as usize];
            let leaves = state.dice.one_in(2).then_some(leaves);
            self.disk.inner().tide(leaves);
            state.note(|| format!("another tenant leaves {leaves:?} bytes of the disk"));
        }
        let some = 1 + state.dice.below(state.places.len() as u64 - 1) as usize;
        if kill {
            let victim = if state.dice.one_in(2) { me } else { some };
            state.places[victim].condemned = !state.places[victim].ended;
        }
        if stop {
            let long = !state.places[some].holds_lock || state.dice.one_in(60);
            let time = if long { state.dice.below(100) as i64 * SECOND } else { 40_000 };
            state.places[some].stopped_until = state.now + time;
            state.note(|| format!("p{some} is stopped for {time} µs"));
        }
        if step {
            let hours = if state.dice.one_in(2) { 1 } else { -1 };
            state.wall_offset += hours * 3_600 * SECOND;
            state.note(|| format!("the wall clock is set by {hours} h"));
        }
        if suspend {
            let time = state.dice.below(200) as i64 * SECOND;
            state.now += time;
            state.note(|| format!("suspended for {time} µs"));
        }
        if reboot {
            state.note(|| "reboot".into());
            state.boots += 1;
            state.boot_offset = state.now;
            state.places.iter_mut().skip(1).for_each(|place| place.condemned = !place.ended);
        }
    }

    /// Whether nobody else runs until `together`: not where somebody is in the middle of a write.
    pub fn alone(&self, me: usize) -> bool {
        let mut state = self.state();
        let free = state.places.iter().all(|place| !place.holds_lock);
        state.places[me].alone = free;
        free
    }

    /// Others may run again.
    pub fn together(&self, me: usize) {
        self.state().places[me].alone = false;
    }

    /// Waits for virtual time.
    pub fn sleep(&self, me: usize, us: i64) {
        let mut state = self.state();
        if state.places[me].dead {
            return;
        }
        if state.places[me].alone {
            drop(state);
            return self.die(me);
        }
        let wakes = state.now + us.max(1);
        let place = &mut state.places[me];
        (place.wakes, place.rush) = (wakes, false);
        drop(state);
        self.pass_on(me);
    }
}
