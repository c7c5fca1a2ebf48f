//! What a simulated process sees of its surroundings: its clocks, its random numbers, its place at the disk.

use std::sync::Arc;
use std::time::Duration;

use pyqueue_core::clock::{Clock, Env, NoSignals, Random};

use crate::vfs::{Caller, Kind};
use crate::watching;
use crate::world::{World, locked};

/// How often a look is tried again.
const PATIENCE: u32 = 30;

pub struct Process {
    pub world: Arc<World>,
    pub number: usize,
    pub identity: String,
}

impl Process {
    pub fn env(self: &Arc<Self>) -> Env {
        Env {
            clock: self.clone(),
            random: self.clone(),
            signals: Arc::new(NoSignals),
            vfs: Some(self.world.disk.clone()),
        }
    }
}

impl Clock for Process {
    fn wall_us(&self) -> i64 {
        let mut state = self.world.state();
        let (wall, boot) = (state.wall(), state.boot());
        let place = &mut state.places[self.number];
        // A look at the clock after its transaction says nothing of when that was.
        if place.holds_lock || !place.wrote {
            place.moment = Some((wall, boot));
        }
        wall
    }

    fn boot_us(&self) -> i64 {
        self.world.state().boot()
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn sleep(&self, time: Duration) {
        self.world.sleep(self.number, time.as_micros() as i64);
    }

    fn wait(&self, time: Duration, come: &dyn Fn() -> bool, _: &dyn Fn(Duration)) {
        watching::doze(time, come, |part| Clock::sleep(self, part));
    }
}

impl Random for Process {
    fn next(&self) -> u64 {
        self.world.state().dice.next()
    }
}

impl Caller for Process {
    fn process(&self) -> u32 {
        self.number as u32
    }

    fn before(&self, kind: Kind, file: &str) {
        self.world.point(self.number, kind as u64);
        if kind == Kind::Write && file.ends_with("-wal") {
            self.world.state().places[self.number].wrote = true;
        }
    }

    fn write_lock(&self, taken: bool) {
        let (moment, wrote) = {
            let mut state = self.world.state();
            let place = &mut state.places[self.number];
            if place.dead {
                return;
            }
            (place.holds_lock, place.rush) = (taken, !taken);
            (place.moment, place.wrote)
        };
        if !taken {
            if locked(&self.world.book).let_go(self.number, moment, wrote) {
                self.world.state().places[self.number].wrote = false;
            }
            return;
        }
        if !locked(&self.world.book).wants_a_look() {
            return;
        }
        for _ in 0..PATIENCE {
            let looked = locked(&self.world.book).look(&self.world.disk);
            match looked {
                Ok(true) => return,
                // Somebody is in the way who needs a turn; or this process recovers the WAL and comes again.
                Ok(false) => self.world.sleep(self.number, 100),
                Err(text) => return self.world.fail(text),
            }
        }
    }

    fn sleep(&self, us: i64) {
        self.world.sleep(self.number, us);
    }

    fn wall_us(&self) -> i64 {
        let state = self.world.state();
        state.places[self.number].moment.map_or_else(|| state.wall(), |(wall, _)| wall)
    }
}
