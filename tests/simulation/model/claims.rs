//! Jobs are taken, in order, and set aside in passing.

use std::collections::BTreeMap;

use pyqueue_core::id;
use pyqueue_core::job::State;
use pyqueue_core::store::Ask;

use super::{Model, Place};
use crate::verbs::Taken;

impl Model {
    /// The jobs a worker gets; `None` if it was taken for dead.
    pub fn claim(&mut self, ask: &Ask) -> Option<Vec<Taken>> {
        if !self.workers.contains(&ask.owner) {
            return None;
        }
        self.fold();
        self.promote(ask.limit.max(64));
        let mut numbers: Vec<i64> = match &ask.queues {
            Some(names) => names
                .iter()
                .filter_map(|name| self.queues.iter().position(|known| known == name))
                .map(|at| at as i64 + 1)
                .collect(),
            None => (1..=self.queues.len() as i64).collect(),
        };
        numbers.retain(|number| !self.paused_queue(&self.queues[*number as usize - 1]));
        if numbers.len() > 1 {
            let turn = self.token as usize % numbers.len();
            numbers.rotate_left(turn);
        }
        let mut taken = Vec::new();
        let mut turns = self.turns_now();
        for number in numbers {
            self.take_from(ask, number, &mut taken, &mut turns);
        }
        self.end_runs();
        self.token += i64::from(!taken.is_empty());
        Some(taken)
    }

    /// Delayed jobs whose time has come stand in line from here on, wherever the clock goes.
    fn promote(&mut self, limit: usize) {
        let mut due: Vec<(i64, i64, i64)> = Vec::new();
        for (row, job) in &self.jobs {
            if let Place::Later(at) = job.place
                && at <= self.now
            {
                due.push((at, job.at, *row));
            }
        }
        due.sort_unstable();
        for (_, _, row) in due.into_iter().take(limit) {
            self.place(row, Place::Ready);
        }
    }

    fn take_from(&mut self, ask: &Ask, number: i64, taken: &mut Vec<Taken>, turns: &mut BTreeMap<i64, i64>) {
        let known = |task: &str| ask.tasks.as_ref().is_none_or(|tasks| tasks.contains(task));
        let mut line: Vec<(i64, i64)> = Vec::new();
        for (row, job) in &self.jobs {
            let open = match job.place {
                Place::Ready => true,
                Place::Behind(gate) => self.is_open(gate, known),
                _ => false,
            };
            if open && job.band >> 8 == number {
                line.push((job.at, *row));
            }
        }
        line.sort_unstable();
        for (_, row) in line {
            if taken.len() == ask.limit {
                break;
            }
            let job = &self.jobs[&row];
            if matches!(job.place, Place::Behind(gate) if self.has_no_turn(gate, turns)) {
                continue;
            }
            if job.expired(self.now) {
                self.end(row, State::Expired);
            } else if let Some(gate) = self.in_the_way(job) {
                self.begin_run(row, gate);
                self.place(row, Place::Behind(gate));
            } else if !known(&job.new.task) {
                let gate = self.lack(&job.new.task.clone());
                self.begin_run(row, gate);
                self.place(row, Place::Behind(gate));
            } else {
                let gates = self.rated(job, turns);
                match gates.iter().find(|gate| self.has_no_turn(**gate, turns)) {
                    Some(gate) => self.place(row, Place::Behind(*gate)),
                    None => {
                        self.pass(&gates, turns);
                        taken.push(self.take(ask, row));
                    }
                }
            }
        }
    }

    fn take(&mut self, ask: &Ask, row: i64) -> Taken {
        let token = self.token + 1;
        let deadline = ask.visibility_us.map(|time| self.boot + time);
        self.place(row, Place::Leased { token, owner: ask.owner, deadline });
        self.send_to_the_front(row);
        (row, token, self.jobs[&row].attempts + 1)
    }

    /// One that does not stand at its own place comes back at the front of its band.
    pub fn send_to_the_front(&mut self, row: i64) {
        if let Some(job) = self.jobs.get_mut(&row)
            && job.at != row
        {
            job.at = id::floor(job.band);
        }
    }

    pub fn place(&mut self, row: i64, place: Place) {
        if let Some(job) = self.jobs.get_mut(&row) {
            job.place = place;
            self.halves.remove(&row);
        }
    }
}
