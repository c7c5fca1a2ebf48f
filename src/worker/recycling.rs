//! How big a child may grow, and when a new one takes its place: after so many jobs, or once it has more memory
//! than its share. It gets no job more, ends those it runs, and goes. Only past a hard limit it is killed.

use super::child::{Child, Fate, Phase};
use super::machine;
use super::outside::{Event, Kind};
use super::stopping::Stage;
use super::supervisor::Supervisor;
use crate::error::{Error, Result};
use crate::job::Failure;

/// A child with jobs is looked at so often, and as much more often as it could otherwise pass its hard limit
/// unseen (µs).
const LOOK_US: (i64, i64) = (10_000, 1_000_000);
/// No process is known to touch new memory faster (bytes in 1 µs).
const FASTEST: u64 = 4_295;
/// Without a word of the user's, the children together get so much of the memory, and one alone is killed at more
/// than so much (hundredths).
const SHARE: u64 = 80;
const ALONE: u64 = 90;
/// Without a word of the user's, a child may always grow to so many times what it had before its first job: a small
/// share must not replace it after each job.
const GROWTH: u64 = 4;

/// What a child may have, by the user's word.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// Jobs; `None` is any number.
    pub tasks: Option<u64>,
    /// Memory beyond which it is replaced (bytes); 0 is any, `None` a share of what there is.
    pub memory: Option<u64>,
    /// Memory beyond which it is killed (bytes); 0 is any, `None` most of what there is.
    pub memory_limit: Option<u64>,
    /// Children of other workers of this process, which share the memory.
    pub beside: u32,
}

impl Bounds {
    /// Refuses what can't be meant.
    pub fn check(&self) -> Result<()> {
        match (self.tasks, self.memory, self.memory_limit) {
            (Some(0), ..) => {
                Err(Error::invalid("a child runs at least one job: max_tasks_per_child is 1 or more"))
            }
            (_, Some(soft), Some(hard)) if hard > 0 && soft > hard => Err(Error::invalid(
                "max_memory_per_child must not be above memory_limit, at which a child is killed",
            )),
            _ => Ok(()),
        }
    }

    /// The same, decided for so many children on a machine with so much memory.
    pub(super) fn decided(&self, children: u32, machine: Option<u64>) -> Size {
        let hundredths = |of: u64| machine.map_or(u64::MAX, |all| all / 100 * of);
        let open = |bytes: u64| if bytes == 0 { u64::MAX } else { bytes };
        let share = if machine.is_some() {
            hundredths(SHARE) / (u64::from(children) + u64::from(self.beside)).max(1)
        } else {
            u64::MAX
        };
        let hard = self.memory_limit.map_or(hundredths(ALONE), open);
        let soft = self.memory.map_or(share, open);
        // Where the user lets children grow beyond what we would kill at, that is no limit.
        let hard = if self.memory_limit.is_none() && soft > hard { u64::MAX } else { hard };
        Size {
            tasks: self.tasks.unwrap_or(u64::MAX),
            soft: soft.min(hard),
            given: self.memory.is_some(),
            hard,
            told: false,
        }
    }
}

/// What a child may have, decided.
pub(super) struct Size {
    pub tasks: u64,
    soft: u64,
    given: bool,
    hard: u64,
    /// It was told that children begin beyond their limit.
    told: bool,
}

impl Size {
    /// The memory beyond which a child is replaced that had `first` before its first job.
    fn soft_of(&self, first: u64) -> u64 {
        if self.given { self.soft } else { self.soft.max(first.saturating_mul(GROWTH)).min(self.hard) }
    }

    /// How many jobs more a child may be given.
    pub fn left(&self, child: &Child) -> usize {
        usize::try_from(self.tasks.saturating_sub(child.given)).unwrap_or(usize::MAX)
    }

    /// When to look again at a child with so much memory.
    fn pause_us(&self, resident: u64) -> i64 {
        let (least, most) = LOOK_US;
        i64::try_from(self.hard.saturating_sub(resident) / FASTEST).unwrap_or(i64::MAX).clamp(least, most)
    }
}

impl Supervisor {
    /// A child is about to take its first job.
    pub fn weigh_first(&mut self, number: usize) {
        let Some(child) = &mut self.slots[number].child else { return };
        child.first = machine::resident(child.pid).unwrap_or(0);
        child.resident = child.first;
        if self.size.given && child.first > self.size.soft && !self.size.told {
            self.size.told = true;
            let (first, limit) = (megabytes(child.first), megabytes(self.size.soft));
            let text = format!(
                "a child has {first} before its first job, more than max_memory_per_child, {limit}: each is replaced \
                 after its first jobs; raise it"
            );
            self.outside.tell(Kind::Warning, text);
        }
    }

    /// Kills children past the hard limit, and lets those go that have had their share.
    pub fn recycle(&mut self, now: i64) {
        for number in 0..self.slots.len() {
            self.weigh(number, now);
            if self.stage == Stage::Running {
                self.let_go(number, now);
            }
        }
    }

    fn weigh(&mut self, number: usize, now: i64) {
        let Some(child) = &mut self.slots[number].child else { return };
        if now < child.look_us || child.given == child.weighed || child.fate != Fate::Own {
            return;
        }
        // Of one that runs jobs it is not yet known what they take: jobs taken back must not look like none.
        child.weighed = if child.held.is_empty() { child.given } else { u64::MAX };
        child.resident = machine::resident(child.pid).unwrap_or(0);
        child.look_us = now + self.size.pause_us(child.resident);
        if child.resident > self.size.hard {
            let (has, limit) = (megabytes(child.resident), megabytes(self.size.hard));
            let text = format!("child {} is killed: it has {has}, more than its limit of {limit}", child.pid);
            child.kill(Fate::Memory(child.resident));
            self.outside.tell(Kind::Warning, text);
            self.retract_from(number);
        }
    }

    fn let_go(&mut self, number: usize, now: i64) {
        let size = &self.size;
        let Some(child) = &mut self.slots[number].child else { return };
        let soft = size.soft_of(child.first);
        let used_up = child.given >= size.tasks;
        if child.phase == Phase::Ready && (used_up || child.resident > soft && child.given > 0) {
            child.phase = Phase::Retiring;
            self.retract_from(number);
        }
        let slot = &mut self.slots[number];
        let Some(child) = &mut slot.child else { return };
        match child.phase {
            // Another has taken its place.
            Phase::Retiring if child.held.is_empty() && slot.benched => child.leave(now),
            Phase::Retiring if child.held.is_empty() => {
                let used_up = child.given >= self.size.tasks;
                if !used_up {
                    // What a job had for itself is free again by now.
                    child.resident = machine::resident(child.pid).unwrap_or(child.resident);
                    if child.resident <= soft {
                        child.phase = Phase::Ready;
                        return;
                    }
                }
                child.leave(now);
                let why = if used_up {
                    format!("it has run {} jobs", child.given)
                } else {
                    format!("it has {}, more than {}", megabytes(child.resident), megabytes(soft))
                };
                let (text, pid) = (format!("child {} is replaced: {why}", child.pid), Some(child.pid));
                self.outside.event(Event { kind: Kind::ChildReplaced, text, job: None, pid });
            }
            Phase::Leaving if child.leave_us <= now && child.fate == Fate::Own => {
                let text = format!("child {} is killed: it has no jobs and does not end", child.pid);
                child.kill(Fate::Stopped);
                self.outside.tell(Kind::Warning, text);
            }
            _ => {}
        }
    }

    /// When there is something to weigh, or somebody to be killed, at the latest.
    pub fn recycle_due(&self) -> Option<i64> {
        let children = self.slots.iter().filter_map(|slot| slot.child.as_ref());
        let due = children.filter(|child| child.fate == Fate::Own).filter_map(|child| match child.phase {
            // While the worker stops, its grace time is the bound.
            Phase::Leaving => (self.stage == Stage::Running).then_some(child.leave_us),
            // Most jobs end sooner: no turn of its own for each.
            _ => child.held.front().map(|held| child.look_us.max(held.offered_us + LOOK_US.0)),
        });
        due.min()
    }

    /// What becomes of the job that alone has made its child grow beyond its limit.
    pub fn outgrown(&self, resident: u64) -> Failure {
        let (has, limit) = (megabytes(resident), megabytes(self.size.hard));
        Failure {
            error: "pyqueue.exceptions.MemoryLimitExceeded".into(),
            message: format!("the job's process had {has}, more than its limit of {limit}, and was killed"),
            ..Failure::default()
        }
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    #[test]
    fn the_user_is_obeyed_and_the_machine_shared() {
        let none = Bounds::default().decided(4, Some(16 * GB));
        assert_eq!(
            (none.tasks, none.soft, none.hard),
            (u64::MAX, 16 * GB / 100 * 80 / 4, 16 * GB / 100 * 90)
        );
        assert_eq!(none.soft_of(GB), 4 * GB, "four times what it began with");
        let beside = Bounds { beside: 4, ..Bounds::default() }.decided(4, Some(16 * GB));
        assert_eq!(beside.soft, 16 * GB / 100 * 80 / 8);
        let given = Bounds { tasks: Some(7), memory: Some(GB), memory_limit: Some(2 * GB), beside: 0 };
        given.check().unwrap();
        let size = given.decided(4, Some(16 * GB));
        assert_eq!((size.tasks, size.soft_of(3 * GB), size.hard), (7, GB, 2 * GB));
        let off = Bounds { memory: Some(0), memory_limit: Some(0), ..given }.decided(4, Some(GB));
        assert_eq!((off.soft, off.hard), (u64::MAX, u64::MAX));
        let larger = Bounds { memory: Some(GB), ..Bounds::default() }.decided(1, Some(GB));
        assert_eq!((larger.soft, larger.hard), (GB, u64::MAX));
        let blind = Bounds::default().decided(4, None);
        assert_eq!((blind.soft, blind.hard), (u64::MAX, u64::MAX));
        assert!(Bounds { memory: Some(3 * GB), ..given }.check().is_err());
        assert!(Bounds { tasks: Some(0), ..given }.check().is_err());
    }

    #[test]
    fn a_child_near_its_limit_is_looked_at_before_it_can_pass_it_by_much() {
        let size = Bounds { memory_limit: Some(GB), ..Bounds::default() }.decided(1, Some(64 * GB));
        assert_eq!((size.pause_us(0), size.pause_us(2 * GB)), (249_998, 10_000));
        let open = Bounds { memory_limit: Some(0), ..Bounds::default() }.decided(1, Some(64 * GB));
        assert_eq!(open.pause_us(GB), 1_000_000);
    }
}
