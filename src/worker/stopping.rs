//! The stop ladder: no new claims, running jobs end within the grace time, the rest goes back in line without
//! using up an attempt.

use super::child::{Fate, Phase};
use super::outside::{Kind, Order};
use super::page::{LEAVING, flag_all};
use super::supervisor::Supervisor;

/// After a kill the outcomes get so long to be written. Then the worker goes without signing off, and whoever
/// reaps it reads its page.
const LAST_WORDS_US: i64 = 5_000_000;

/// How far the stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not begun.
    Running,
    /// Running jobs may end until then (boot time).
    Draining(i64),
    /// Children are killed; the worker ends then at the latest.
    Killing(i64),
}

impl Stage {
    pub fn due_us(self) -> Option<i64> {
        match self {
            Stage::Running => None,
            Stage::Draining(until) | Stage::Killing(until) => Some(until),
        }
    }
}

impl Supervisor {
    /// Does what was ordered, and what follows when the grace time is over.
    pub fn follow_orders(&mut self, now: i64) {
        let order = self.outside.ordered();
        if self.stage == Stage::Running && order != Order::Run {
            self.outside.tell(Kind::Stopping, "no new jobs; those that run may end");
            self.drain(now);
        }
        let Stage::Draining(until) = self.stage else { return };
        // A child's death may bring jobs back into the hand.
        self.empty_hand(now);
        let kill = order == Order::Kill || now >= until;
        if kill {
            self.stage = Stage::Killing(now + LAST_WORDS_US);
        }
        for (number, slot) in self.slots.iter_mut().enumerate() {
            slot.spawn_us = None;
            let Some(child) = &mut slot.child else { continue };
            flag_all(child, &self.member.page, number as u32, LEAVING);
            if kill || child.phase == Phase::Starting {
                child.kill(Fate::Stopped);
            } else if child.held.is_empty() && child.phase != Phase::Leaving {
                child.close();
            }
        }
    }

    /// No more jobs are claimed or given to children.
    pub fn drain(&mut self, now: i64) {
        self.retract_all();
        self.stage = Stage::Draining(now.saturating_add(self.options.grace_us));
    }

    /// Whether nothing is left to wait for.
    pub fn stopped(&mut self, now: i64) -> bool {
        if self.stage == Stage::Running || self.slots.iter().any(|slot| slot.child.is_some()) {
            return false;
        }
        // The last deaths may have brought jobs back.
        self.empty_hand(now);
        let given_up = matches!(self.stage, Stage::Killing(until) if now >= until);
        self.ledger.ends.is_empty() || given_up
    }

    /// Leaves the file.
    pub fn sign_off(self) {
        if self.ledger.ends.is_empty() {
            match self.store.part(self.member.id) {
                Ok(()) => self.member.leave(),
                Err(error) => self.outside.tell(Kind::Warning, format!("could not sign off: {error}")),
            }
        } else {
            let text =
                format!("{} outcomes could not be written; their jobs run again", self.ledger.ends.len());
            self.outside.tell(Kind::Error, text);
        }
        self.outside.tell(Kind::Stopped, "all children have ended");
    }
}
