//! The state of the world that the scheduler keeps: clocks, processes, and how rough it is.

use std::thread::Thread;

use crate::dice::Dice;

/// One simulated process, as the scheduler sees it.
#[derive(Default)]
pub struct Place {
    pub thread: Option<Thread>,
    pub ended: bool,
    /// To be killed when its turn comes, which is next.
    pub condemned: bool,
    pub dead: bool,
    pub stopped_until: i64,
    pub wakes: i64,
    /// Its transaction is over: nobody else runs until its answer is in the book.
    pub rush: bool,
    /// It reads what must not change meanwhile.
    pub quiet: bool,
    /// It does in several transactions what nobody may come between: it dies sooner than wait for anybody.
    pub alone: bool,
    /// It does what is over so soon that it would hardly ever be killed in the middle.
    pub frail: bool,
    pub holds_lock: bool,
    /// The current operation has appended to the WAL.
    pub wrote: bool,
    /// Wall and boot clock as the transaction saw them.
    pub moment: Option<(i64, i64)>,
}

/// How rough a seed is: one event in so many points; 0 is never.
#[derive(Clone, Copy)]
pub struct Weather {
    pub switch: u64,
    pub kill: u64,
    pub stop: u64,
    pub step: u64,
    pub suspend: u64,
    pub reboot: u64,
    /// Another tenant takes the disk, or leaves it.
    pub tide: u64,
}

impl Weather {
    /// While it is drained.
    pub const CALM: Weather =
        Weather { switch: 0, kill: 0, stop: 0, step: 0, suspend: 0, reboot: 0, tide: 0 };
    /// While the file is made.
    pub const MAKING: Weather = Weather { switch: 3, kill: 400, ..Weather::CALM };

    /// Of a seed. `tides`: on a disk that may be full.
    pub fn of(dice: &mut Dice, tides: bool) -> Weather {
        let mut rate = |usual: u64| usual * [0, 1, 1, 1, 3][dice.below(5) as usize];
        let (kill, stop, step) = (rate(2_500), rate(4_000), rate(4_000));
        let (suspend, reboot) = (rate(6_000), rate(20_000));
        let tide = if tides { 1_500 } else { 0 };
        Weather { switch: [2, 4, 8, 32][dice.below(4) as usize], kill, stop, step, suspend, reboot, tide }
    }
}

pub struct State {
    pub dice: Dice,
    pub weather: Weather,
    /// Time that only grows (µs).
    pub now: i64,
    pub wall_offset: i64,
    pub boot_offset: i64,
    pub boots: u32,
    pub places: Vec<Place>,
    pub hash: u64,
    pub log: Option<Vec<String>>,
    pub operations: u64,
    /// Operations left until the processes sign off.
    pub budget: u64,
    pub failure: Option<String>,
    /// The file is there, and it is rough from here on.
    pub made: bool,
    pub kills: u64,
    pub forks: u64,
    /// Calls that were refused for want of room, and ends that were told to who waits.
    pub full: u64,
    pub told: u64,
}

impl State {
    pub fn wall(&self) -> i64 {
        self.now + self.wall_offset
    }

    pub fn boot(&self) -> i64 {
        self.now - self.boot_offset
    }

    /// Adds to the trace.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            let line = format!("{:>12} {}", self.now, text());
            log.push(line);
        }
    }

    /// Adds to the hash of the run.
    pub fn mix(&mut self, value: u64) {
        self.hash = (self.hash ^ value).wrapping_mul(0x0100_0000_01b3);
    }

    fn runnable(&self, number: usize) -> bool {
        let place = &self.places[number];
        !place.ended && place.wakes <= self.now && place.stopped_until <= self.now
    }

    /// Who runs next: a condemned one, one at random of those that can, or the first for whom time makes it
    /// possible. Number 0 is the thread that runs the seed; it comes back when all others have ended.
    pub fn next(&mut self) -> usize {
        let all = 1..self.places.len();
        if let Some(condemned) = all.clone().find(|n| self.places[*n].condemned && !self.places[*n].ended) {
            return condemned;
        }
        loop {
            let able: Vec<usize> = all.clone().filter(|number| self.runnable(*number)).collect();
            if !able.is_empty() {
                return able[self.dice.below(able.len() as u64) as usize];
            }
            let due = all.clone().filter(|number| !self.places[*number].ended);
            let due = due.map(|number| self.places[number].wakes.max(self.places[number].stopped_until));
            match due.min() {
                Some(due) => self.now = due,
                None => return 0,
            }
        }
    }
}
