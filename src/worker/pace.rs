//! How long jobs take: learnt from each outcome, by task, so that short jobs travel together and a long one
//! never has another behind it.

use std::collections::HashMap;

/// Jobs expected to be shorter are sent before the child is idle.
pub(super) const SHORT_US: i64 = 1_000;
/// The work in one frame.
pub(super) const FRAME_US: i64 = 2_000;
/// The jobs in one frame.
pub(super) const FRAME_JOBS: usize = 64;
/// Jobs at one child: frames of which one is run, one is waiting and one is on its way.
pub(super) const CHILD_JOBS: usize = 3 * FRAME_JOBS;
/// Claimed beyond what the children hold: the work of so much time, so that the next frame waits for no commit,
/// and other workers find the rest.
const AHEAD_US: i64 = 20_000;
/// Jobs of one claim.
pub(super) const CLAIM_JOBS: usize = 1024;
/// Names are the file's word: this many are kept in mind.
const TASKS: usize = 4096;

/// Expected durations (µs).
pub(super) struct Pace {
    tasks: HashMap<String, f64>,
    mean: f64,
}

impl Pace {
    pub fn new() -> Pace {
        Pace { tasks: HashMap::new(), mean: SHORT_US as f64 }
    }

    /// How long jobs take at the moment.
    pub fn mean_us(&self) -> u32 {
        self.mean as u32
    }

    /// A job took so long.
    pub fn learn(&mut self, task: &str, took_us: i64) {
        let took = took_us.max(0) as f64;
        // One very long job among short ones does not end their batches: per task it is itself, for the whole
        // it counts as one that fills a claim.
        self.mean += (took.min(AHEAD_US as f64) - self.mean) / 8.0;
        if let Some(known) = self.tasks.get_mut(task) {
            *known += (took - *known) / 8.0;
            return;
        }
        if self.tasks.len() >= TASKS {
            self.tasks.clear();
        }
        self.tasks.insert(task.to_owned(), took);
    }

    /// How long a job of the task will take. Of an unknown one: long enough to travel alone.
    pub fn expected(&self, task: &str) -> i64 {
        self.tasks.get(task).map_or(SHORT_US, |took| *took as i64)
    }

    /// How many jobs to have under lease for `free` children that are not stuck in a long job.
    pub fn wanted(&self, free: usize) -> usize {
        if self.mean >= SHORT_US as f64 {
            return free;
        }
        let held = (3.0 * FRAME_US as f64 / self.mean.max(1.0)).min(CHILD_JOBS as f64);
        (free as f64 * held) as usize + self.ahead(free)
    }

    /// How many jobs to have in hand for `free` children, beyond what they hold.
    pub fn ahead(&self, free: usize) -> usize {
        if self.mean >= SHORT_US as f64 {
            return 0;
        }
        (free as f64 * AHEAD_US as f64 / self.mean.max(1.0)).min(CLAIM_JOBS as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_task_and_a_long_one_travel_alone() {
        let mut pace = Pace::new();
        assert_eq!((pace.expected("new"), pace.wanted(2)), (SHORT_US, 2));
        pace.learn("long", 10_000_000);
        assert!(pace.expected("long") >= SHORT_US);
        assert_eq!(pace.wanted(2), 2);
    }

    #[test]
    fn one_long_job_does_not_spoil_the_short_ones() {
        let mut pace = Pace::new();
        (0..100).for_each(|_| pace.learn("short", 5));
        let wanted = pace.wanted(2);
        assert!(wanted > 1000, "{wanted}");
        pace.learn("long", 10_000_000);
        assert_eq!(pace.expected("short"), 5);
        (0..30).for_each(|_| pace.learn("short", 5));
        assert!(pace.wanted(2) > 300, "{}", pace.wanted(2));
    }
}
