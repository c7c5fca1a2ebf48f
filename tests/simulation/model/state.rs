//! The reference against the file.

use pyqueue_core::job::State;

use super::commands::Command;
use super::gates::Gate;
use super::{Model, Place};
use crate::seen::Seen;

/// A value on both sides.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, file: &T, reference: &T) -> Result<(), String> {
    if file == reference {
        Ok(())
    } else {
        Err(format!("{what}: the file has {file:?}, the reference {reference:?}"))
    }
}

impl Model {
    /// Compares everything; the error names the first difference.
    pub fn compare(&self, seen: &Seen) -> Result<(), String> {
        same("a count that must be 0", &seen.unsound, &0)?;
        let live = self.jobs.iter().filter(|(_, job)| job.live());
        same(
            "live jobs",
            &seen.jobs.keys().copied().collect(),
            &live.map(|(row, _)| *row).collect::<Vec<i64>>(),
        )?;
        for (row, there) in &seen.jobs {
            let job = &self.jobs[row];
            let counters = (job.attempts, job.retries, job.losses);
            let of_run = matches!(there.place, Place::Behind(gate) if self.may_be_of_run(*row, gate));
            if !of_run {
                same(&format!("place of {row}"), &there.place, &job.place)?;
            }
            same(&format!("attempts, retries, losses of {row}"), &there.counters, &counters)?;
            if job.place != Place::Ready || there.at != 0 {
                let at = if job.leased() { 0 } else { job.at };
                same(&format!("order of {row}"), &there.at, &at)?;
            }
        }
        for (row, job) in &self.jobs {
            let Place::Ended(state) = job.place else { continue };
            let there = seen.ends.get(row).copied().unwrap_or((State::Unknown, false));
            same(&format!("end of {row}"), &there, &(state, job.forgotten))?;
        }
        same("keys", &seen.keys, &self.keys)?;
        same("callers' ids", &seen.aliases, &self.aliases)?;
        same("workers", &seen.workers, &self.workers)?;
        same("last token", &seen.token, &self.token)?;
        same("gates", &seen.gates, &self.gates.values().map(Gate::row).collect())?;
        same("commands", &seen.commands, &self.commands.iter().map(Command::row).collect())?;
        same("replies", &seen.replies, &self.replies)?;
        same("workers that obey", &seen.obeys, &self.obeys)?;
        same("queues", &seen.queues, &self.queues)?;
        same("kept out by a newer build", &seen.newer, &self.newer)?;
        let inbox: Vec<String> = self.inbox.iter().filter_map(|job| job.alias.clone()).collect();
        same("inbox", &seen.inbox, &inbox)?;
        same("receipts", &seen.receipts, &self.receipts)?;
        let halves = self.halves.iter().map(|(row, half)| (*row, (half.due, half.asked, half.pause)));
        same("half messages", &seen.halves, &halves.collect())?;
        same("revoked attempts", &seen.revoked, &self.revoked)?;
        same("retry budgets", &seen.turns, &self.turns)?;
        let nodes = self.nodes.iter().map(|(number, node)| (*number, node.counts()));
        same("nodes", &seen.nodes, &nodes.collect())?;
        same("schedules", &seen.schedules, &self.schedules)?;
        same("producers", &seen.producers, &self.producers)
    }

    /// Takes the public ids that nobody was told, and which jobs were set aside with others.
    pub fn learn(&mut self, seen: &Seen) {
        self.runs.clear();
        for (row, there) in &seen.jobs {
            if let Some(job) = self.jobs.get_mut(row) {
                job.place = there.place.clone();
                job.id.get_or_insert_with(|| there.id.clone());
            }
        }
    }
}
