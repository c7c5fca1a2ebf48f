//! What is done to all jobs that fit.

use pyqueue_core::id;
use pyqueue_core::job::State;
use pyqueue_core::store::{Act, Acted, Condition};

use super::gates::{by_queue, like};
use super::{Job, Model, Place};

impl Model {
    /// Whether a job that has not ended is what is asked for.
    pub fn fits(&self, job: &Job, conditions: &[Condition]) -> bool {
        let queue = &self.queues[(job.band >> 8) as usize - 1];
        let key = job.new.dedup_key.as_deref();
        job.live()
            && conditions.iter().all(|condition| match condition {
                Condition::Task(pattern, is) => like(pattern, &job.new.task) == *is,
                Condition::Queue(pattern, is) => like(pattern, queue) == *is,
                Condition::Key(pattern, is) => key.is_some_and(|key| like(pattern, key)) == *is,
                Condition::State(state, is) => (job.state() == *state) == *is,
                Condition::Made(at, since) => (job.made >= *at) == *since,
                Condition::Priority(least, is) => (i64::from(id::priority_of(job.band)) >= *least) == *is,
                Condition::Retries(least, is) => (i64::from(job.retries) >= *least) == *is,
            })
    }

    pub fn act(&mut self, conditions: &[Condition], act: &Act) -> Acted {
        let fit = self.jobs.iter().filter(|(_, job)| self.fits(job, conditions));
        let rows: Vec<i64> = fit.map(|(row, _)| *row).collect();
        let mut acted = Acted::default();
        for row in rows {
            let job = &self.jobs[&row];
            if !job.live() {
                // Its key was wanted by one before it, and its time to start was over.
                continue;
            }
            if let Place::Leased { token, .. } = job.place {
                if matches!(act, Act::Cancel(Some(_))) {
                    self.revoked.insert(row, (token, false));
                    acted.asked += 1;
                } else {
                    acted.running += 1;
                }
                continue;
            }
            let (number, priority) = (job.band >> 8, id::priority_of(job.band));
            let band = match act {
                Act::Cancel(_) => {
                    self.end(row, State::Cancelled);
                    acted.done += 1;
                    continue;
                }
                Act::Move(queue) => id::band(self.queue(queue), priority),
                Act::Priority(priority) => id::band(number, *priority),
            };
            match self.relocate(row, band) {
                true => acted.done += 1,
                false => acted.taken += 1,
            }
        }
        acted
    }

    /// A job stands behind the last of another band; false if its key is taken there.
    fn relocate(&mut self, row: i64, band: i64) -> bool {
        let job = &self.jobs[&row];
        let (from, to) = (job.band >> 8, band >> 8);
        if job.band == band {
            return true;
        }
        if from != to && !self.take_along(row, to) {
            return false;
        }
        let end = self.tails.get(&band).copied().unwrap_or_else(|| id::floor(band)) + 1;
        let queue = self.queues[to as usize - 1].clone();
        let Some(job) = self.jobs.get_mut(&row) else { return false };
        (job.band, job.at) = (band, end);
        (job.new.queue, job.new.priority) = (queue, id::priority_of(band));
        if from != to
            && let Place::Behind(number) = job.place
            && by_queue(&self.gates[&number].scope)
        {
            // What it waited for may be none of its business in its new queue.
            job.place = Place::Ready;
        }
        true
    }

    /// A job's key goes to another queue with it, unless it is taken there.
    fn take_along(&mut self, row: i64, to: i64) -> bool {
        let job = &self.jobs[&row];
        let Some(key) = job.new.dedup_key.clone() else { return true };
        let (here, there) = ((job.band >> 8, key.clone()), (to, key));
        if self.holder(there.clone()).is_some()
            || self.keys.get(&here).is_none_or(|(holder, _)| *holder != row)
        {
            return false;
        }
        if let Some(held) = self.keys.remove(&here) {
            self.keys.insert(there, held);
        }
        true
    }
}
