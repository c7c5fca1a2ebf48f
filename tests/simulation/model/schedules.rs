//! Schedules: which time comes next, and what was made of those before.

use pyqueue_core::store::{Entry, Fire, Overlap};

use super::{Job, Model};
use crate::verbs::{Answer, HELD, LOST, SKIPPED};

/// The next time, the last one and the last job of a schedule.
pub type Standing = (Option<i64>, Option<i64>, Option<i64>);

impl Model {
    pub fn schedule(&mut self, entry: &Entry) -> Answer {
        let known = self.schedules.get(&entry.name).copied().unwrap_or_default();
        if known.1 != entry.seen_us {
            return Answer::Flag(false);
        }
        self.schedules.insert(entry.name.clone(), (entry.next.map(|(next, _)| next), known.1, known.2));
        Answer::Flag(true)
    }

    pub fn fire(&mut self, fire: &Fire) -> Answer {
        let known = self.schedules.get(&fire.name).copied();
        let Some((_, _, before)) = known.filter(|(next, ..)| *next == Some(fire.expected_us)) else {
            return Answer::Number(LOST);
        };
        let busy = before.is_some_and(|row| self.jobs.get(&row).is_some_and(Job::live));
        let busy = busy && fire.overlap != Overlap::Allow && fire.job.is_some();
        if busy && fire.overlap == Overlap::Queue {
            return Answer::Number(HELD);
        }
        let made = fire.job.as_ref().filter(|_| !busy).map(|job| self.enqueue(job));
        let row = made.and_then(Result::ok).map(|(row, _)| row);
        let moved = (fire.next.map(|(next, _)| next), Some(fire.tick_us), row.or(before));
        self.schedules.insert(fire.name.clone(), moved);
        row.map_or(Answer::Number(SKIPPED), |row| Answer::Rows(vec![(row, true)]))
    }
}
