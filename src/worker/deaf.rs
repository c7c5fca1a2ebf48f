//! Children that run several jobs at once and take none of those they were offered, such as a loop whose coroutine
//! computes: what they were offered goes to others.

use super::child::{Child, Held, Phase};
use super::page::{Page, State};
use super::supervisor::Supervisor;
use crate::job::ClaimedJob;

/// An offered job is taken within so long, unless the child is busy with something else (µs): it may just not have
/// had the processor.
const TAKEN_US: i64 = 100_000;
/// The longest pause before such a child is offered another job; the first is `TAKEN_US`, and it doubles (µs).
const PAUSE_US: i64 = 1_000_000;

/// Since when it has not taken what it was offered first, although it has room for it.
fn unheard(child: &Child, page: &Page, slot: u32, width: usize) -> Option<i64> {
    let state = |held: &Held| page.look(slot, held.index, held.stamp).0;
    // Jobs are taken in the order of the offers: most often a look at the last one says it all.
    child.held.back().filter(|held| state(held) == State::Offered)?;
    let running = child.held.iter().filter(|held| state(held) == State::Started).count();
    let first = child.held.iter().find(|held| state(held) == State::Offered)?;
    (running < width).then_some(first.offered_us)
}

impl Supervisor {
    /// The jobs of children that don't hear.
    pub fn unheard_jobs(&mut self, now: i64) -> Vec<ClaimedJob> {
        let (mut back, width) = (Vec::new(), self.width());
        for number in 0..self.slots.len() {
            let Some(child) = &mut self.slots[number].child else { continue };
            let since = unheard(child, &self.member.page, number as u32, width);
            if child.phase == Phase::Ready && since.is_some_and(|since| now - since >= TAKEN_US) {
                child.pause_us = (child.pause_us * 2).clamp(TAKEN_US, PAUSE_US);
                child.deaf_us = now + child.pause_us;
                child.deaf_since = child.deaf_since.or(since);
                back.extend(self.unstarted_of(number));
            }
        }
        back
    }

    /// When one of them is to be looked at.
    pub fn unheard_due(&self, now: i64) -> Option<i64> {
        let due = self.ready().filter_map(|(number, child)| {
            if child.deaf_us > now {
                return Some(child.deaf_us);
            }
            unheard(child, &self.member.page, number as u32, self.width()).map(|since| since + TAKEN_US)
        });
        due.min()
    }
}
