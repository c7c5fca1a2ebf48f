//! Pauses and rates at work.

use pyqueue_core::store::{Pattern, Scope};

use crate::client::Client;
use crate::making::{SECOND, TASKS, queue};
use crate::verbs::Verb;
use crate::world::locked;

/// Patterns of task, queue and dedup key.
const PATTERNS: [[Option<&str>; 3]; 6] = [
    [Some("t1*"), None, None],
    [None, Some("a*"), None],
    [None, Some("rare*"), None],
    [None, None, Some("k*")],
    [Some("t*"), Some("b"), None],
    [Some("t0"), None, Some("k1")],
];
/// One job goes in so long (µs).
const RATES: [i64; 3] = [100_000, SECOND, 30 * SECOND];

impl Client {
    /// Shuts a gate, or opens one, or lets its jobs out one by one.
    pub fn rule(&mut self) -> Option<()> {
        let scope = self.scope();
        let rate = *self.dice.pick(&RATES);
        let verb = match self.dice.below(14) {
            0 | 1 => Verb::Pause(scope),
            2 => Verb::GiveWay(scope),
            3 | 4 => Verb::LetOut(scope, rate),
            5 => Verb::Meter(scope, (!self.dice.one_in(3)).then_some(rate)),
            _ => Verb::Resume(scope),
        };
        self.ask(verb).map(drop)
    }

    /// Often one about which something was said before.
    fn scope(&mut self) -> Scope {
        let closed = locked(&self.process.world.book).model.closed();
        if !closed.is_empty() && self.dice.one_in(2) {
            return self.dice.pick(&closed).clone();
        }
        let scene = self.scene();
        match self.dice.below(3) {
            0 => Scope::Task((*self.dice.pick(&TASKS)).into()),
            1 => Scope::Queue(queue(&mut self.dice, scene)),
            _ => {
                let [task, queue, key] = self.dice.pick(&PATTERNS).map(|part| part.map(str::to_owned));
                Scope::Fits(Pattern { task, queue, key })
            }
        }
    }
}
