//! Children that do nothing although they should: one that does not get ready, and one that takes none of the jobs it
//! was offered and runs none. They are asked where they are, killed, and others started.

use super::child::{Child, Fate, Phase};
use super::outside::Kind;
use super::page::{Page, State};
use super::supervisor::Supervisor;

/// A child may take so long to take a job while it runs none (µs).
const IDLE_US: i64 = 10_000_000;

impl Child {
    /// Since when it neither runs a job nor takes one that it was offered, or neither is there.
    fn idle_since(&self, page: &Page, slot: u32) -> Option<i64> {
        let states = self.held.iter().map(|held| (held, page.look(slot, held.index, held.stamp).0));
        let mut offered = self.deaf_since;
        for (held, state) in states {
            match state {
                State::Started => return None,
                State::Done => {}
                _ => offered = Some(offered.map_or(held.offered_us, |since| since.min(held.offered_us))),
            }
        }
        offered
    }
}

impl Supervisor {
    /// Looks after the children; called once a second.
    pub fn watch(&mut self, now: i64) {
        for number in 0..self.slots.len() {
            let Some(child) = &mut self.slots[number].child else { continue };
            if child.fate != Fate::Own {
                continue;
            }
            let what = match child.phase {
                Phase::Starting if now - child.born_us >= self.options.start_us => {
                    "it has not loaded the app in time"
                }
                Phase::Ready
                    if child
                        .idle_since(&self.member.page, number as u32)
                        .is_some_and(|since| now - since >= IDLE_US) =>
                {
                    "it runs no job and has taken none for 10 s"
                }
                _ => continue,
            };
            if child.writes_until().is_none() && child.ask_stacks(now) {
                continue;
            }
            let text = format!("child {} is killed: {what}{}", child.pid, child.whereabouts());
            child.kill(Fate::Hung);
            self.outside.tell(Kind::Warning, text);
            self.retract_from(number);
        }
    }
}
