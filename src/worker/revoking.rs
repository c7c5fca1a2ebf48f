//! Revoked jobs that run here are ended by steps: the task is told and an exception raised in it, then its process gets
//! the signal that was asked for, then it is killed.

use rustix::process::Signal;

use super::child::Fate;
use super::finisher::End;
use super::outside::{Event, Kind};
use super::page::{REVOKED, State};
use super::supervisor::Supervisor;
use crate::job::Outcome;
use crate::mutants::{self, Mutant};
use crate::store::{Then, Wish};

/// The exception is raised again after so long: a task may swallow it (µs).
const AGAIN_US: i64 = 1_000_000;

/// A job that is being ended.
pub(super) struct Ending {
    wish: Wish,
    /// Where it runs.
    number: usize,
    index: u32,
    stamp: u64,
    since_us: i64,
    next_us: i64,
    signalled: bool,
}

/// What is known of wishes.
#[derive(Default)]
pub(super) struct Revoking {
    /// The rings of the bell before the last look.
    pub seen: u32,
    /// The file could not be asked: the next tick does.
    pub missed: bool,
    endings: Vec<Ending>,
}

impl Revoking {
    /// When the next step is due.
    pub fn due_us(&self) -> Option<i64> {
        self.endings.iter().map(|ending| ending.next_us).min()
    }

    /// Whether this attempt is being ended.
    pub fn has(&self, index: u32, stamp: u64) -> bool {
        self.endings.iter().any(|ending| (ending.index, ending.stamp) == (index, stamp))
    }
}

impl Supervisor {
    /// Looks which of the jobs here are to end.
    pub fn look_for_wishes(&mut self, now: i64) {
        let holds =
            |slot: &super::supervisor::Slot| slot.child.as_ref().is_some_and(|child| !child.held.is_empty());
        if self.hand.is_empty() && !self.slots.iter().any(holds) || mutants::on(Mutant::RevokeUnheard) {
            return;
        }
        match self.store.wishes() {
            Ok(wishes) => wishes.into_iter().for_each(|wish| self.wish(wish, now)),
            Err(error) => {
                self.revoking.missed = true;
                self.trouble(&error);
            }
        }
    }

    fn wish(&mut self, wish: Wish, now: i64) {
        let is = |job: &crate::job::ClaimedJob| (job.row, job.token) == (wish.row, wish.token);
        if let Some(place) = self.hand.iter().position(is) {
            if let Some(job) = self.hand.remove(place) {
                self.ledger.push(End::of(&job, Outcome::GivenBack), now);
            }
            return;
        }
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let Some(child) = &mut slot.child else { continue };
            let Some(place) = child.held.iter().position(|held| is(&held.job)) else { continue };
            let (index, stamp) = (child.held[place].index, child.held[place].stamp);
            if self.member.page.retract(number as u32, index, stamp) {
                if let Some(held) = child.held.remove(place) {
                    slot.free.push(held.index);
                    self.ledger.push(End::of(&held.job, Outcome::GivenBack), now);
                }
            } else if !self.revoking.has(index, stamp) {
                let text = match wish.then {
                    Then::Cancelled => "it was revoked and is asked to end",
                    Then::Back => "it is paused and is asked to give way",
                };
                let text = text.into();
                let job = Some(child.held[place].job.id.clone());
                self.outside.event(Event { kind: Kind::Revoked, text, job, pid: Some(child.pid) });
                let (since_us, next_us) = (now, now);
                let ending = Ending { wish, number, index, stamp, since_us, next_us, signalled: false };
                self.revoking.endings.push(ending);
            }
            return;
        }
    }

    /// Takes the next step with each.
    pub fn end_revoked(&mut self, now: i64) {
        let mut endings = std::mem::take(&mut self.revoking.endings);
        endings.retain_mut(|ending| self.step(ending, now));
        self.revoking.endings = endings;
    }

    /// False when the job has ended.
    fn step(&mut self, ending: &mut Ending, now: i64) -> bool {
        let Some(child) = &mut self.slots[ending.number].child else { return false };
        let held = child.held.iter().any(|held| (held.index, held.stamp) == (ending.index, ending.stamp));
        let slot = ending.number as u32;
        if !held || self.member.page.look(slot, ending.index, ending.stamp).0 != State::Started {
            return held;
        }
        if now < ending.next_us {
            return true;
        }
        self.member.page.flag(slot, ending.index, ending.stamp, REVOKED);
        let grace_us = ending.wish.grace_us;
        let signal_us = ending.since_us.saturating_add(grace_us);
        let kill_us = signal_us.saturating_add(grace_us);
        let asked = Signal::from_named_raw(ending.wish.signal).unwrap_or(Signal::TERM);
        ending.next_us = if asked == Signal::KILL || now >= kill_us {
            let text = format!("child {} is killed: a job that was to end has not", child.pid);
            child.kill(Fate::Revoked);
            self.outside.tell(Kind::Warning, text);
            self.retract_from(ending.number);
            i64::MAX
        } else if now >= signal_us {
            if !std::mem::replace(&mut ending.signalled, true) {
                child.signal(asked);
            }
            kill_us
        } else {
            child.signal(Signal::USR2);
            signal_us.min(now + AGAIN_US)
        };
        true
    }
}
