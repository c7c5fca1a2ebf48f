//! Schedules at work: whoever has seen that a time is next tries to fire it.

use pyqueue_core::store::{Entry, Fire, Overlap};

use crate::client::Client;
use crate::making::jobs;
use crate::verbs::Verb;
use crate::world::locked;

const SCHEDULES: [&str; 2] = ["s0", "s1"];

impl Client {
    /// Fires the next time of a schedule, or one that has been, or leaves some out; or gives it another.
    pub fn tick(&mut self) -> Option<()> {
        let name = (*self.dice.pick(&SCHEDULES)).to_owned();
        let known = locked(&self.process.world.book).model.schedules.get(&name).copied();
        let (next, seen_us, _) = known.unwrap_or_default();
        let Some(expected_us) = next.filter(|_| !self.dice.one_in(12)) else {
            let at = seen_us.unwrap_or(0) + 1 + self.dice.below(3) as i64;
            let entry =
                Entry { name, mark: String::new(), definition: Vec::new(), next: Some((at, at)), seen_us };
            return self.ask(Verb::Schedule(entry)).map(drop);
        };
        if self.crowded() {
            return None;
        }
        let scene = self.scene();
        let mut job = jobs(&mut self.dice, scene, 1).remove(0);
        // What is stored under a name of another job would not be one of its own.
        (job.dedup_key, job.alias) = (None, None);
        let expected_us = if self.dice.one_in(8) { expected_us - 1 } else { expected_us };
        let tick_us = expected_us + self.dice.below(2) as i64;
        let after = tick_us + 1 + self.dice.below(3) as i64;
        let fire = Fire {
            name,
            expected_us,
            tick_us,
            next: (!self.dice.one_in(20)).then_some((after, after)),
            skipped: tick_us - expected_us,
            overlap: *self.dice.pick(&[Overlap::Allow, Overlap::Skip, Overlap::Queue]),
            job: (!self.dice.one_in(10)).then_some(job),
        };
        self.ask(Verb::Fire(Box::new(fire))).map(drop)
    }
}
