//! New code without a gap: one child is started with it first, and only once that takes jobs are the others
//! replaced, each by one that takes jobs already. Who is replaced is given nothing more and ends its jobs.
//!
//! Code that can't be loaded changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::child::Phase;
use super::finisher::End;
use super::outside::Kind;
use super::page::{LEAVING, flag_all};
use super::stopping::Stage;
use super::supervisor::{Slot, Supervisor};
use crate::job::Outcome;

/// More slots than children, at the most: so many of the old may still end their jobs while the new ones run.
const SPARE: u32 = 16;

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

impl Reload {
    /// What was ordered so far is done: the children that are started now have that code.
    pub fn after(orders: u32) -> Reload {
        Reload { seen: orders, ..Reload::default() }
    }
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
        self.see_off();
    }

    fn spare(&self) -> Option<usize> {
        self.slots.iter().position(Slot::spare)
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
    pub fn scout_failed(&mut self, number: usize, text: &str) -> bool {
        if self.reload.scout != Some(number) {
            return false;
        }
        self.reload.scout = None;
        let text = format!("the new code can't be loaded, so the old children go on: {text}");
        self.outside.tell(Kind::Warning, text);
        true
    }

    /// Each child of older code goes as soon as one of the new takes jobs in its stead; that one's slot counts from then
    /// on, and the other's does not. In how many slots children are wanted is not changed by it.
    fn replace(&mut self, now: i64) {
        let proven = self.reload.proven;
        let phase_of = |slot: &Slot| slot.child.as_ref().map(|child| child.phase);
        let is_new = |slot: &Slot| slot.child.as_ref().is_some_and(|child| child.generation >= proven);
        // One that retires is followed by one of the new code anyway.
        let is_old = |slot: &Slot| {
            !slot.benched && !is_new(slot) && matches!(phase_of(slot), Some(Phase::Ready | Phase::Starting))
        };
        let is_successor = |slot: &Slot| slot.benched && is_new(slot) && phase_of(slot) == Some(Phase::Ready);
        while let Some(new) = self.slots.iter().position(is_successor) {
            let Some(old) = self.slots.iter().position(is_old) else {
                self.retire(new);
                continue;
            };
            self.slots[new].benched = false;
            self.slots[old].benched = true;
            self.retire(old);
        }
        let olds = self.slots.iter().filter(|slot| is_old(slot)).count();
        if olds == 0 {
            self.reload.under_way = false;
            let many = self.slots.iter().filter(|slot| !slot.benched).count();
            let text = format!("{many} children run the new code; jobs that the old ones run may end");
            self.outside.tell(Kind::Reload, text);
            return;
        }
        let on_their_way = |slot: &Slot| {
            slot.benched && (slot.spawn_us.is_some() || phase_of(slot) == Some(Phase::Starting))
        };
        for _ in self.slots.iter().filter(|slot| on_their_way(slot)).count()..olds {
            let Some(number) = self.spare() else { break };
            self.slots[number].spawn_us = Some(now);
        }
    }

    /// A child is given no more jobs.
    pub fn retire(&mut self, number: usize) {
        self.retract_from(number);
        if let Some(child) = &mut self.slots[number].child {
            child.phase = Phase::Retiring;
        }
        self.agree();
    }

    /// Tells those that go so, in case that their jobs ask.
    fn see_off(&self) {
        for (number, slot) in self.slots.iter().enumerate() {
            if let Some(child) = slot.child.as_ref().filter(|child| child.phase == Phase::Retiring) {
                flag_all(child, &self.member.page, number as u32, LEAVING);
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
        self.outside.know(Arc::clone(&tasks));
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

    /// No child is left of those that were there.
    pub fn begin_anew(&mut self, at_us: i64) {
        self.reload.scout = None;
        self.reload.under_way = false;
        for slot in &mut self.slots {
            slot.spawn_us = (!slot.benched).then_some(at_us);
        }
    }
}
