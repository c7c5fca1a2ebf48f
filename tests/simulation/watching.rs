//! Callers that wait for the first of many jobs to end: each end is told, and nothing else.

use std::time::Duration;

use crate::client::Client;
use crate::lies::Lie;
use crate::world::locked;

/// So few that all of them are looked at after each sleep, though nobody rang.
const WATCHED: usize = 12;
/// In so many sleeps an end is told: it may have come just before the first, and the looks follow a sleep.
const SLEEPS: u32 = 2;

impl Client {
    pub fn watch(&mut self) -> Option<()> {
        match self.dice.below(8) {
            0..3 if self.watched.len() < WATCHED => self.begin_to_watch(),
            3 if self.dice.one_in(3) => {
                let at = self.dice.below(self.watched.len().max(1) as u64) as usize;
                let id = self.watched.keys().nth(at)?.clone();
                self.watched.remove(&id);
                self.watch.drop(id);
                Some(())
            }
            _ => self.wait(),
        }
    }

    fn begin_to_watch(&mut self) -> Option<()> {
        let theirs = locked(&self.process.world.book).model.inbox.first().and_then(|job| job.alias.clone());
        let id = match theirs {
            Some(id) if self.dice.one_in(2) => id,
            _ => self.some_id()?,
        };
        self.watched.insert(id.clone(), 0);
        self.aside("watches", |store| self.watch.add(store, id.clone()))
    }

    /// Sleeps once. Whoever waits without a limit is told in the end.
    pub fn wait(&mut self) -> Option<()> {
        if self.watched.is_empty() {
            return None;
        }
        let limit = self.dice.one_in(3).then(|| self.dice.below(2_000_000) as i64);
        let until = limit.map(|limit| self.world().state().boot() + limit);
        let mut told = self.aside("waits", |store| self.watch.step(store, until))?;
        if self.world().lie == Some(Lie::EndUntold) {
            told.clear();
        }
        self.world().state().told += told.len() as u64;
        let book = locked(&self.process.world.book);
        let ended = |id: &str| match book.model.row(id) {
            Some(row) => !book.model.jobs[&row].live(),
            None => book.model.inbox.iter().all(|job| job.alias.as_deref() != Some(id)),
        };
        let behind = self.behind(&book);
        let mut wrong = Vec::new();
        for id in &told {
            if self.watched.remove(id).is_none() {
                wrong.push(format!("told of {id}, which is not watched"));
            } else if !behind && !ended(id) {
                wrong.push(format!("told of {id}, which has not ended"));
            }
        }
        if told.is_empty() && limit.is_none() && !behind {
            for (id, sleeps) in &mut self.watched {
                *sleeps = if ended(id) { *sleeps + 1 } else { 0 };
                if *sleeps > SLEEPS {
                    wrong.push(format!("{id} has ended, and nobody tells who waits for it"));
                }
            }
        }
        drop(book);
        wrong.into_iter().for_each(|text| self.world().fail(text));
        Some(())
    }

    /// Waits as long as anything is watched: everything has ended.
    pub fn wait_for_all(&mut self) -> Option<()> {
        while !self.watched.is_empty() && self.world().state().failure.is_none() {
            self.wait()?;
        }
        Some(())
    }
}

/// How a simulated process waits for a bell: it looks again as its own time goes by.
pub fn doze(time: Duration, come: &dyn Fn() -> bool, sleep: impl Fn(Duration)) {
    const LOOKS: u32 = 4;
    for _ in 0..LOOKS {
        if come() {
            return;
        }
        sleep(time / LOOKS);
    }
}
