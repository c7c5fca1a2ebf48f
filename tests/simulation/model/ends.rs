//! Attempts and jobs end.

use std::collections::{BTreeSet, HashMap};

use pyqueue_core::id::{self, RowId};
use pyqueue_core::job::{Budget, Finish, Finished, NewJob, Outcome, State};
use pyqueue_core::store::{Revoked, Scope};

use super::{Model, Place};

impl Model {
    /// Ends a job: its key is free unless its window holds it.
    pub fn end(&mut self, row: i64, state: State) {
        self.place(row, Place::Ended(state));
        self.fill_of(row, state);
        let job = &self.jobs[&row];
        if let Some(key) = &job.new.dedup_key {
            let key = (job.band >> 8, key.clone());
            let held =
                |(of, until): &(i64, Option<i64>)| *of != row || until.is_some_and(|until| until > self.now);
            if self.keys.get(&key).is_some_and(|holder| !held(holder)) {
                self.keys.remove(&key);
            }
        }
    }

    pub fn finish(&mut self, ends: &[Finish]) -> Vec<Finished> {
        // In the order of the rows, as they take places of a budget.
        let mut order: Vec<usize> = (0..ends.len()).collect();
        order.sort_by_key(|at| ends[*at].row);
        let yielding = self.yielding();
        let mut answers = vec![Finished::LeaseLost; ends.len()];
        for at in order {
            answers[at] = self.one(&ends[at]);
        }
        self.settle();
        for (end, answer) in ends.iter().zip(&answers) {
            let cancelled = self.written.contains(&(end.row.0, end.token, 3));
            if *answer == Finished::Done
                && !cancelled
                && (matches!(end.outcome, Outcome::Success(_))
                    || matches!(end.outcome, Outcome::Failure(_))
                        && !yielding.contains(&(end.row.0, end.token)))
            {
                for job in &end.then {
                    let _ = self.enqueue(job);
                }
            }
        }
        self.advance();
        answers
    }

    /// What foreign connections have ended has ended, whatever time it is.
    pub fn take_receipts(&mut self) {
        for (row, token) in std::mem::take(&mut self.receipts) {
            self.revoked.remove(&row);
            self.end(row, State::Success);
            self.written.insert((row, token, 0));
        }
    }

    fn one(&mut self, end: &Finish) -> Finished {
        let row = end.row.0;
        let code = match &end.outcome {
            Outcome::Success(_) => 0,
            Outcome::Failure(_) => 1,
            Outcome::Retry { .. } => 2,
            Outcome::Lost { .. } => 5,
            Outcome::GivenBack => 6,
        };
        let now = self.now;
        if self.held(row, end.token).is_none() {
            let written = |code| self.written.contains(&(row, end.token, code));
            let again = written(code) || code == 5 && written(0) || ![0, 6].contains(&code) && written(3);
            return if again { Finished::Again } else { Finished::LeaseLost };
        }
        if let Some((_, back)) = self.revoked.remove(&row)
            && code != 0
        {
            return self.end_revoked(row, end.token, back);
        }
        let Some(job) = self.jobs.get_mut(&row) else { return Finished::LeaseLost };
        match &end.outcome {
            Outcome::Success(_) => self.end(row, State::Success),
            Outcome::Failure(failure) => {
                let unreadable = failure.error == "pyqueue.exceptions.DecodeError";
                self.end(row, if unreadable { State::Dead } else { State::Failed });
                if end.then.is_empty() {
                    self.errbacks(row);
                }
            }
            Outcome::Retry { delay_us, payload, .. } => {
                if let Some(payload) = payload {
                    job.new.payload = payload.clone();
                }
                (job.attempts, job.retries) = (job.attempts + 1, job.retries + 1);
                let task = job.new.task.clone();
                let budget = end.beside.as_ref().and_then(|beside| beside.budget);
                let delay = delay_us + budget.map_or(0, |budget| self.turn(task, budget));
                self.place(row, if delay > 0 { Place::Later(now + delay) } else { Place::Ready });
                if let Some(queue) = end.beside.as_ref().and_then(|beside| beside.queue.clone()) {
                    self.shift(row, &queue);
                }
            }
            Outcome::Lost { charged, .. } => return self.lose(row, end.token, *charged),
            Outcome::GivenBack => {
                job.place = Place::Ready;
                return Finished::Done;
            }
        }
        self.written.insert((row, end.token, code));
        Finished::Done
    }

    /// Gives a job another queue, unless its key is taken there.
    fn shift(&mut self, row: i64, queue: &str) {
        let number = self.queue(queue);
        let job = &self.jobs[&row];
        let (before, priority) = (job.band >> 8, id::priority_of(job.band));
        if number == before {
            return;
        }
        if let Some(key) = job.new.dedup_key.clone() {
            if self.keys.contains_key(&(number, key.clone())) {
                return;
            }
            if let Some(held) = self.keys.remove(&(before, key.clone())) {
                self.keys.insert((number, key), held);
            }
        }
        let band = id::band(number, priority);
        if let Some(job) = self.jobs.get_mut(&row) {
            (job.band, job.at) = (band, id::floor(band));
            job.new.queue = queue.to_owned();
        }
    }

    /// How long a retry waits for a place of its task's budget: of `most` that fill up one by one over the period.
    fn turn(&mut self, task: String, budget: Budget) -> i64 {
        let between = (budget.period_us + i64::from(budget.most) - 1) / i64::from(budget.most);
        let full = self.now - between * i64::from(budget.most - 1);
        let turn = self.turns.entry(task).or_insert(full);
        let before = (*turn).min(self.now + 30 * 86_400_000_000);
        *turn = before.max(full) + between;
        (before - self.now).max(0)
    }

    fn end_revoked(&mut self, row: i64, token: i64, back: bool) -> Finished {
        if back {
            self.place(row, Place::Ready);
            return Finished::Done;
        }
        self.end(row, State::Cancelled);
        self.written.insert((row, token, 3));
        Finished::Done
    }

    fn lose(&mut self, row: i64, token: i64, charged: bool) -> Finished {
        if let Some((_, back)) = self.revoked.remove(&row) {
            return self.end_revoked(row, token, back);
        }
        self.written.insert((row, token, 5));
        let Some(job) = self.jobs.get_mut(&row) else { return Finished::LeaseLost };
        let most = job.new.max_losses;
        if job.losses + u32::from(charged) >= most || job.attempts + 1 - job.retries >= 4 * most {
            self.end(row, State::Dead);
            self.errbacks(row);
        } else {
            job.attempts += 1;
            job.losses += u32::from(charged);
            job.place = Place::Ready;
        }
        Finished::Done
    }

    /// What follows a failure of which nobody says what follows, once all ends of the call are made.
    pub fn errbacks(&mut self, row: i64) {
        self.follows.extend(self.jobs[&row].new.errbacks.clone());
    }

    pub fn settle(&mut self) {
        for errback in std::mem::take(&mut self.follows) {
            let run_at_us = errback.delay_us.map(|delay| self.now + delay).or(errback.job.run_at_us);
            let _ = self.enqueue(&NewJob { run_at_us, ..errback.job });
        }
    }

    /// A worker is gone. Without its page each of its jobs may have been running.
    pub fn reap(&mut self, worker: i64, page: Option<&HashMap<RowId, bool>>) {
        self.workers.remove(&worker);
        self.obeys.remove(&worker);
        for (row, token) in self.leased(|owner, _| owner == worker) {
            match page.map_or(Some(true), |page| page.get(&RowId(row)).copied()) {
                Some(charged) => drop(self.lose(row, token, charged)),
                None => match self.revoked.remove(&row) {
                    Some((_, back)) => drop(self.end_revoked(row, token, back)),
                    None => self.place(row, Place::Ready),
                },
            }
        }
        self.settle();
    }

    fn leased(&self, which: impl Fn(i64, Option<i64>) -> bool) -> Vec<(i64, i64)> {
        let found = self.jobs.iter().filter_map(|(row, job)| match job.place {
            Place::Leased { token, owner, deadline } if which(owner, deadline) => Some((*row, token)),
            _ => None,
        });
        found.collect()
    }

    pub fn cancel(&mut self, id: &str) -> bool {
        if self.inbox.iter().any(|job| job.alias.as_deref() == Some(id)) {
            self.fold();
        }
        let Some(row) = self.row(id).filter(|row| self.jobs[row].live() && !self.jobs[row].leased()) else {
            return false;
        };
        self.end(row, State::Cancelled);
        true
    }

    /// Cancels a job, or notes that its attempt is to end.
    pub fn revoke(&mut self, id: &str) -> Revoked {
        if self.cancel(id) {
            return Revoked::Cancelled;
        }
        let Some(row) = self.row(id) else { return Revoked::Late };
        let Place::Leased { token, .. } = self.jobs[&row].place else { return Revoked::Late };
        self.revoked.insert(row, (token, false));
        Revoked::Asked
    }

    /// Attempts that are to give way: row and token.
    pub fn yielding(&self) -> BTreeSet<(i64, i64)> {
        let back = self.revoked.iter().filter(|(_, (_, back))| *back);
        back.map(|(row, (token, _))| (*row, *token)).collect()
    }

    /// What runs of it is to end and comes back, unless it is to be cancelled; how many.
    pub fn give_way(&mut self, scope: &Scope) -> i64 {
        let running = self.leased(|_, _| true);
        let meant = |row: &i64| self.is_about(scope, &self.jobs[row]);
        let rows: Vec<(i64, i64)> = running.into_iter().filter(|(row, _)| meant(row)).collect();
        for (row, token) in &rows {
            let back = self.revoked.get(row).is_none_or(|(_, back)| *back);
            self.revoked.insert(*row, (*token, back));
        }
        rows.len() as i64
    }

    /// Cancels all of a queue that are not running.
    pub fn purge(&mut self, queue: &str) -> i64 {
        let Some(at) = self.queues.iter().position(|known| known == queue) else { return 0 };
        let waits = |row: &i64| {
            let job = &self.jobs[row];
            job.live() && !job.leased() && job.band >> 8 == at as i64 + 1
        };
        let rows: Vec<i64> = self.jobs.keys().copied().filter(waits).collect();
        rows.iter().for_each(|row| self.end(*row, State::Cancelled));
        rows.len() as i64
    }

    /// Leases past a deadline of their own, jobs not started in time, windows that are over.
    pub fn upkeep(&mut self) -> i64 {
        let overdue = self.leased(|_, deadline| deadline.is_some_and(|at| at <= self.boot));
        // One that was revoked ends, and is taken back by nobody.
        let back = overdue.iter().filter(|(row, _)| !self.revoked.contains_key(row)).count();
        for (row, token) in &overdue {
            self.lose(*row, *token, true);
        }
        self.settle();
        let late =
            |row: &i64| self.jobs[row].live() && !self.jobs[row].leased() && self.jobs[row].expired(self.now);
        let rows: Vec<i64> = self.jobs.keys().copied().filter(late).collect();
        rows.iter().for_each(|row| self.end(*row, State::Expired));
        self.ask();
        self.keys
            .retain(|_, (row, until)| until.is_none_or(|until| until > self.now) || self.jobs[row].live());
        back as i64
    }

    /// Nothing is kept of an ended job, nor the names its callers gave it.
    pub fn forget(&mut self, id: &str) -> bool {
        let Some(row) = self.row(id).filter(|row| !self.jobs[row].live()) else { return false };
        self.aliases.retain(|_, named| *named != row);
        self.jobs.get_mut(&row).is_some_and(|job| !std::mem::replace(&mut job.forgotten, true))
    }
}
