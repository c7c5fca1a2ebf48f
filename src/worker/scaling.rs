//! How many children there are between two numbers: more while the oldest job waits and there is memory for them,
//! fewer once some have had nothing to do for a while. Only idle children go.

use super::child::{Child, Fate, Phase};
use super::machine::{self, Memory};
use super::outside::{Event, Kind};
use super::stopping::Stage;
use super::supervisor::Supervisor;

/// The oldest job has waited so long while every child was busy: one does not help it by being patient (µs).
const WAITED_US: i64 = 200_000;
/// While every child is busy, so often somebody looks who waits (µs).
const LOOK_US: i64 = 100_000;
/// What was idle throughout so long a time goes (µs).
const IDLE_US: i64 = 30_000_000;
/// While memory is short an idle child goes at once, one in so long a time (µs).
const SHORT_US: i64 = 1_000_000;
/// What is left free of the memory: a tenth.
const SPARE: u64 = 10;
/// A child is taken to need so much until there is one to look at (bytes).
const CHILD_BYTES: u64 = 64 << 20;

/// What there is to see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Boot time (µs).
    pub now: i64,
    /// Children that run or ought to.
    pub children: usize,
    /// Those of them that can't take jobs yet.
    pub starting: usize,
    /// Those of them that have none.
    pub idle: usize,
    /// Jobs in line.
    pub waiting: usize,
    /// How long the oldest of them has waited (µs).
    pub waited_us: i64,
    /// What the machine has; `None` if that is not known.
    pub memory: Option<Memory>,
    /// What one child takes (bytes).
    pub child: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Stay,
    /// So many children more.
    Up(usize),
    /// So many idle ones go.
    Down(usize),
    /// More are needed, and there is no memory for one.
    Cramped,
}

/// Decides.
pub(super) struct Scaler {
    least: usize,
    most: usize,
    /// Since when some child has been idle all the time (boot time), and how many at least.
    slack: Option<(i64, usize)>,
    /// Since when every child has been busy and a job waits.
    pressed_us: Option<i64>,
    look_us: i64,
    waiting: usize,
    waited_us: i64,
    memory: Option<Memory>,
    memory_us: i64,
    /// It was told that there is no memory.
    told: bool,
}

impl Scaler {
    pub fn new(least: u32, most: u32) -> Scaler {
        Scaler {
            least: least as usize,
            most: most as usize,
            slack: None,
            pressed_us: None,
            look_us: 0,
            waiting: 0,
            waited_us: 0,
            memory: None,
            memory_us: 0,
            told: false,
        }
    }

    /// The memory, looked at once a second.
    fn memory(&mut self, now: i64) -> Option<Memory> {
        if now >= self.memory_us {
            self.memory_us = now + SHORT_US;
            self.memory = machine::memory();
        }
        self.memory
    }

    /// From now on between these.
    pub fn bound(&mut self, least: usize, most: usize) {
        (self.least, self.most, self.slack, self.look_us) = (least, most, None, 0);
    }

    pub fn decide(&mut self, sight: &Sight) -> Step {
        self.slack = match self.slack {
            _ if sight.idle == 0 => None,
            Some((since, idle)) => Some((since, idle.min(sight.idle))),
            None => Some((sight.now, sight.idle)),
        };
        let surplus = sight.children.saturating_sub(self.least);
        if let Some((since, idle)) = self.slack
            && surplus > 0
        {
            let short = sight.memory.is_some_and(|memory| memory.free < memory.total / SPARE);
            let (after, many) = if short { (SHORT_US, 1) } else { (IDLE_US, idle) };
            if sight.now - since >= after {
                self.slack = None;
                return Step::Down(many.min(surplus));
            }
        }
        let room = self.most.saturating_sub(sight.children);
        let pressed = sight.idle == 0 && sight.starting == 0 && sight.waiting > 0;
        if !pressed || room == 0 || sight.waited_us < WAITED_US {
            return Step::Stay;
        }
        // As many again as there are: the first are at work before the next are asked for.
        let wanted = sight.children.max(1).min(room).min(sight.waiting);
        let fit = sight.memory.map_or(usize::MAX, |memory| {
            let left = memory.free.saturating_sub(memory.total / SPARE);
            usize::try_from(left / sight.child.max(1)).unwrap_or(usize::MAX)
        });
        match wanted.min(fit) {
            0 => Step::Cramped,
            more => Step::Up(more),
        }
    }
}

impl Supervisor {
    /// Looks whether more or fewer children are needed.
    pub fn scale(&mut self, now: i64) {
        if self.stage != Stage::Running || self.scaler.is_none() {
            return;
        }
        let sight = self.sight(now);
        let Some(scaler) = &mut self.scaler else { return };
        let step = scaler.decide(&sight);
        if step != Step::Cramped {
            scaler.told &= step == Step::Stay;
        }
        match step {
            Step::Stay => {}
            Step::Up(more) => {
                scaler.memory_us = 0;
                self.tell_scaled(sight.children, sight.children + more, "jobs wait");
                self.want_more(more, now);
            }
            Step::Down(fewer) => {
                self.tell_scaled(sight.children, sight.children - fewer, "some have nothing to do");
                let idle = |child: &Child| child.phase == Phase::Ready && child.held.is_empty();
                // The last ones: jobs go to the first of those that are idle.
                for slot in self
                    .slots
                    .iter_mut()
                    .rev()
                    .filter(|slot| !slot.benched && slot.child.as_ref().is_some_and(idle))
                    .take(fewer)
                {
                    slot.benched = true;
                    slot.spawn_us = None;
                    if let Some(child) = &mut slot.child {
                        child.leave(now);
                    }
                }
            }
            Step::Cramped => {
                if let Some(scaler) = self.scaler.as_mut().filter(|scaler| !scaler.told) {
                    scaler.told = true;
                    let free = sight.memory.map_or(0, |memory| memory.free) >> 20;
                    let text = format!(
                        "jobs wait, and {free} MiB of free memory are too few for another child of {} MiB",
                        sight.child >> 20
                    );
                    self.outside.tell(Kind::Warning, text);
                }
            }
        }
    }

    /// So many children more are wanted, as far as there is room for them.
    pub fn want_more(&mut self, more: usize, now: i64) {
        for slot in self.slots.iter_mut().filter(|slot| slot.spare()).take(more) {
            slot.benched = false;
            slot.spawn_us = Some(now);
        }
    }

    pub fn tell_scaled(&self, from: usize, to: usize, why: &str) {
        let text = format!("{to} children instead of {from}: {why}");
        self.outside.event(Event { kind: Kind::Scaled, text, job: None, pid: None });
    }

    fn sight(&mut self, now: i64) -> Sight {
        let wanted = self.slots.iter().filter(|slot| !slot.benched);
        let (mut children, mut able, mut idle, mut child) = (0, 0, 0, 0);
        for slot in wanted {
            children += 1;
            let Some(there) = &slot.child else { continue };
            child = child.max(there.first).max(there.resident);
            able +=
                usize::from(matches!(there.phase, Phase::Ready | Phase::Retiring) && there.fate == Fate::Own);
            idle += usize::from(there.phase == Phase::Ready && there.held.is_empty());
        }
        let (waiting, waited_us) = if idle > 0 { self.at_ease() } else { self.line(now) };
        let slack = self.scaler.as_ref().is_some_and(|scaler| scaler.slack.is_some());
        // Read where it decides something.
        let memory =
            self.scaler.as_mut().filter(|_| waiting > 0 || slack).and_then(|scaler| scaler.memory(now));
        let child = if child == 0 { CHILD_BYTES } else { child };
        Sight { now, children, starting: children - able, idle, waiting, waited_us, memory, child }
    }

    /// Nobody waits while a child is idle.
    fn at_ease(&mut self) -> (usize, i64) {
        if let Some(scaler) = &mut self.scaler {
            scaler.pressed_us = None;
            scaler.waiting = 0;
        }
        (0, 0)
    }

    /// How many jobs wait, and how long the oldest has. Looked up now and then.
    fn line(&mut self, now: i64) -> (usize, i64) {
        let Some(scaler) = &mut self.scaler else { return (0, 0) };
        if now >= scaler.look_us {
            scaler.look_us = now + LOOK_US;
            let found = self.store.backlog(self.options.queues.as_deref(), self.clock.wall_us());
            let Ok(backlog) = found else { return (0, 0) };
            scaler.waiting = backlog.waiting + self.hand.len();
            scaler.pressed_us = (scaler.waiting > 0).then(|| scaler.pressed_us.unwrap_or(now));
            // A job that has come back in line, or has just fallen due, is older than its time in line: what was
            // seen counts too.
            let seen = scaler.pressed_us.map_or(0, |since| now - since);
            let age = backlog.oldest_us.map_or(seen, |oldest| self.clock.wall_us().saturating_sub(oldest));
            scaler.waited_us = age.min(seen);
        }
        (scaler.waiting, scaler.waited_us)
    }

    /// When to look again at the latest.
    pub fn scale_due(&self) -> Option<i64> {
        let scaler = self.scaler.as_ref().filter(|_| self.stage == Stage::Running)?;
        let children = self.slots.iter().filter(|slot| !slot.benched).count();
        match scaler.slack {
            Some((since, _)) => (children > scaler.least).then_some(since + IDLE_US),
            None => (children < scaler.most).then_some(scaler.look_us),
        }
    }
}

#[cfg(test)]
#[path = "scaling_tests.rs"]
mod tests;
