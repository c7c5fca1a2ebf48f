//! New code without a gap: one child is started with it first, and only once that takes jobs are the others
//! replaced, each by one that takes jobs already. Who is replaced is given nothing more and ends its jobs.
//!
//! Code that can't be loaded changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::child::{Child, Fate, Phase};
use super::finisher::End;
use super::outside::Kind;
use super::page::{LEAVING, flag_all};
use super::stopping::Stage;
use super::supervisor::Supervisor;
use crate::job::Outcome;

/// More slots than children, at the most: so many of the old may still end their jobs while the new ones run.
const SPARE: u32 = 16;
/// Without jobs, a child that was told to end has so long for it (µs).
const LEAVE_US: i64 = 5_000_000;

/// How many slots a worker with so many children has.
pub(super) fn slots(children: u32) -> u32 {
    children + children.min(SPARE)
}

/// How far a reload has come.
#[derive(Debug, Default)]
pub(super) struct Reload {
    /// The orders that were seen.
    seen: u32,
    /// One was seen and is not begun.
    asked: bool,
    /// Whose code a child has that is started now.
    pub generation: u32,
    /// Whose code has been seen to work.
    proven: u32,
    /// The slot of the one child that tries the new code.
    scout: Option<usize>,
    /// Children of older code are being replaced.
    under_way: bool,
}

impl Supervisor {
    /// Does the next step.
    pub fn reload(&mut self, now: i64) {
        let orders = self.outside.reloads();
        if self.reload.seen != orders {
            self.reload.seen = orders;
            self.reload.asked = true;
        }
        if self.stage != Stage::Running {
            return;
        }
        if self.reload.asked
            && self.reload.scout.is_none()
            && let Some(number) = self.spare()
        {
            self.reload.asked = false;
            self.reload.generation += 1;
            self.reload.scout = Some(number);
            self.slots[number].spawn_us = Some(now);
            self.outside.tell(Kind::Reload, "a child is started to try the new code");
        }
        if self.reload.under_way {
            self.replace(now);
        }
        self.see_off(now);
    }

    /// A slot that is free and that nobody is meant for.
    fn spare(&self) -> Option<usize> {
        self.slots.iter().position(|slot| slot.child.is_none() && slot.spawn_us.is_none())
    }

    /// Children that work or will; not those that were replaced, nor the scout.
    fn working(&self) -> usize {
        let works = |(number, slot): &(usize, &super::supervisor::Slot)| {
            self.reload.scout != Some(*number)
                && (slot.spawn_us.is_some() || slot.child.as_ref().is_some_and(|child| !child.replaced()))
        };
        self.slots.iter().enumerate().filter(works).count()
    }

    /// Whether a child that has ended needs a successor.
    pub fn too_few(&self) -> bool {
        self.working() < self.options.concurrency as usize
    }

    /// A child has said that it takes jobs, and which.
    pub fn proved(&mut self, number: usize, tasks: Vec<String>) {
        let Some(child) = &mut self.slots[number].child else { return };
        child.tasks = (!tasks.is_empty()).then(|| Arc::new(tasks.into_iter().collect()));
        if self.reload.scout == Some(number) {
            self.reload.scout = None;
            self.reload.proven = child.generation;
            self.reload.under_way = true;
        }
        self.agree();
    }

    /// Whether it was the one that tried the new code. Then what it can't do changes nothing.
    pub fn scout_failed(&mut self, number: usize, text: &str, now: i64) -> bool {
        if self.reload.scout != Some(number) {
            return false;
        }
        self.reload.scout = None;
        self.slots[number].spawn_us = self.too_few().then_some(now);
        let text = format!("the new code can't be loaded, so the old children go on: {text}");
        self.outside.tell(Kind::Warning, text);
        true
    }

    /// Children of older code go as soon as as many of the new as there should be take jobs, or take their places.
    fn replace(&mut self, now: i64) {
        let (proven, most) = (self.reload.proven, self.options.concurrency as usize);
        let old = |child: &Child| child.generation < proven && !child.replaced();
        while self.ready().count() > most {
            let next = self.ready().filter(|(_, child)| old(child)).min_by_key(|(_, child)| child.held.len());
            let Some((number, _)) = next else { break };
            self.retire(number);
        }
        let olds =
            self.slots.iter().filter_map(|slot| slot.child.as_ref()).filter(|child| old(child)).count();
        if olds == 0 {
            self.reload.under_way = false;
            let text = format!("{most} children run the new code; jobs that the old ones run may end");
            self.outside.tell(Kind::Reload, text);
            return;
        }
        for _ in self.working() - olds..most {
            let Some(number) = self.spare() else { break };
            self.slots[number].spawn_us = Some(now);
        }
    }

    /// A child is given no more jobs.
    fn retire(&mut self, number: usize) {
        self.retract_from(number);
        if let Some(child) = &mut self.slots[number].child {
            child.phase = Phase::Retiring;
        }
        self.agree();
    }

    /// Tells those to end that were replaced and have ended their jobs.
    fn see_off(&mut self, now: i64) {
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let Some(child) = &mut slot.child else { continue };
            if child.phase == Phase::Retiring {
                flag_all(child, &self.member.page, number as u32, LEAVING);
            }
            if child.phase == Phase::Retiring && child.held.is_empty() {
                child.close();
                child.leave_us = now + LEAVE_US;
            } else if child.phase == Phase::Leaving && child.leave_us <= now && child.fate == Fate::Own {
                let text = format!("child {} is killed: it has no jobs and does not end", child.pid);
                child.kill(Fate::Stopped);
                self.outside.tell(Kind::Warning, text);
            }
        }
    }

    /// Only tasks that every child can run are claimed: what one of them lacks waits until that one is replaced.
    fn agree(&mut self) {
        let mut known = self.ready().filter_map(|(_, child)| child.tasks.as_ref());
        let Some(first) = known.next().cloned() else { return };
        let both = |all: Arc<HashSet<String>>, each: &Arc<HashSet<String>>| {
            if all == *each { all } else { Arc::new(all.intersection(each).cloned().collect()) }
        };
        let tasks = known.fold(first, both);
        if self.options.tasks.as_ref() == Some(&tasks) {
            return;
        }
        let now = self.clock.boot_us();
        for job in std::mem::take(&mut self.hand) {
            if tasks.contains(&job.task) {
                self.hand.push_back(job);
            } else {
                self.ledger.push(End::of(&job, Outcome::GivenBack), now);
            }
        }
        self.options.tasks = Some(tasks);
        self.ledger.dry = false;
    }

    /// When there is something to do at the latest.
    pub fn reload_due(&self) -> Option<i64> {
        let children = self.slots.iter().filter_map(|slot| slot.child.as_ref());
        children
            .filter(|child| child.phase == Phase::Leaving && child.fate == Fate::Own)
            .map(|child| child.leave_us)
            .min()
    }

    /// No child is left of those that were there.
    pub fn begin_anew(&mut self, at_us: i64) {
        self.reload.scout = None;
        self.reload.under_way = false;
        for (number, slot) in self.slots.iter_mut().enumerate() {
            slot.spawn_us = (number < self.options.concurrency as usize).then_some(at_us);
        }
    }
}
