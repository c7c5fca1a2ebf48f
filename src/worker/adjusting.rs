//! What a worker is, changed while it runs: how many children, between which numbers, which queues, which time limits.
//! No job that runs is ended by any of it, and what was claimed and not begun is given back, not lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::MOST_CHILDREN;
use super::child::{Fate, Phase};
use super::machine;
use super::member;
use super::reloading;
use super::stopping::Stage;
use super::supervisor::{Slot, Supervisor};
use crate::error::{Error, Result};
use crate::job::ClaimedJob;

/// Tasks that have limits by order: the names come from outside.
const MOST_LIMITS: usize = 10_000;

/// What a worker can be asked to change.
#[derive(Debug, Clone)]
pub enum Adjust {
    /// So many children more.
    Grow(u32),
    /// So many fewer.
    Shrink(u32),
    /// As many as the load needs, between these numbers.
    Scale {
        /// The most; `None`: as before.
        most: Option<u32>,
        /// The least.
        least: Option<u32>,
    },
    /// Serve a queue too.
    Serve(String),
    /// Serve it no more.
    Leave(String),
    /// Jobs of a task that begin from now on run with these time limits (µs), whatever they say themselves; where only
    /// one is given the other is that of the worker. With neither, those that are claimed from now on have their own.
    Limit {
        /// Its name.
        task: String,
        /// After this it is killed.
        hard_us: Option<i64>,
        /// After this an exception is raised in it.
        soft_us: Option<i64>,
    },
    /// Write what it says of itself.
    Describe,
}

/// Somebody who waits for it.
pub(super) struct Asked {
    pub what: Adjust,
    pub answer: Sender<Result<String>>,
}

/// Hard and soft limits by task.
pub(super) type Limits = HashMap<String, (Option<i64>, Option<i64>)>;

fn no<T>(text: impl Into<String>) -> Result<T> {
    Err(Error::Invalid(text.into()))
}

impl Supervisor {
    /// Does what was asked, and answers.
    pub fn adjust(&mut self, now: i64) {
        for Asked { what, answer } in self.outside.asked() {
            let done = if self.stage == Stage::Running || matches!(what, Adjust::Describe) {
                self.change(what, now)
            } else {
                no("the worker is stopping")
            };
            // Whoever has stopped waiting does not want to know.
            let _ = answer.send(done);
        }
    }

    fn change(&mut self, what: Adjust, now: i64) -> Result<String> {
        match what {
            Adjust::Grow(more) => self.grow(more as usize, now),
            Adjust::Shrink(fewer) => self.shrink(fewer as usize, now),
            Adjust::Scale { most, least } => self.rescale(most, least, now),
            Adjust::Serve(queue) => Ok(self.serve(queue)),
            Adjust::Leave(queue) => self.unserve(&queue, now),
            Adjust::Limit { task, hard_us, soft_us } => self.set_limits(task, hard_us, soft_us),
            Adjust::Describe => {
                self.describe(true);
                Ok(String::new())
            }
        }
    }

    /// How many children there are to be.
    pub fn wanted(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.benched).count()
    }

    fn resizable(&self, command: &str) -> Result<()> {
        if self.options.pool != "prefork" || self.options.width > 1 {
            return no(format!(
                "the pool {} has one child of a fixed size: start the worker with another -c",
                self.options.pool
            ));
        }
        if self.scaler.is_some() {
            return no(format!("{command} is not supported with autoscale. Adjust autoscale range instead."));
        }
        Ok(())
    }

    fn grow(&mut self, more: usize, now: i64) -> Result<String> {
        self.resizable("pool_grow")?;
        let before = self.wanted();
        let after = self.room_for(before + more)?;
        self.want_more(after - before, now);
        self.resized(None, after);
        self.tell_scaled(before, after, "a command asked for more");
        Ok("pool will grow".into())
    }

    fn shrink(&mut self, fewer: usize, now: i64) -> Result<String> {
        self.resizable("pool_shrink")?;
        let before = self.wanted();
        if fewer >= before {
            return no(format!(
                "of {before} children at least one stays: to end the worker use shutdown, to let it rest pause its queues"
            ));
        }
        self.want_fewer(fewer, now);
        self.resized(None, before - fewer);
        self.tell_scaled(before, before - fewer, "a command asked for fewer");
        Ok("pool will shrink".into())
    }

    fn rescale(&mut self, most: Option<u32>, least: Option<u32>, now: i64) -> Result<String> {
        if self.scaler.is_none() {
            return no("Autoscale not enabled: start the worker with --autoscale MAX,MIN");
        }
        let most = most.unwrap_or(self.options.concurrency);
        let least = least.or(self.options.least).unwrap_or(1).min(most);
        if least == 0 || most > MOST_CHILDREN {
            return no(format!("a worker has between 1 and {MOST_CHILDREN} children"));
        }
        self.room_for(most as usize)?;
        let before = self.wanted();
        let after = before.clamp(least as usize, most as usize);
        if after > before {
            self.want_more(after - before, now);
        } else {
            self.want_fewer(before - after, now);
        }
        if let Some(scaler) = &mut self.scaler {
            scaler.bound(least as usize, most as usize);
        }
        self.resized(Some(least), most as usize);
        if after != before {
            self.tell_scaled(before, after, "a command changed the bounds");
        }
        Ok(format!("autoscale now max={most} min={least}"))
    }

    /// Sees to it that there is room for so many children, beside those that a reload may have to spare; how many.
    fn room_for(&mut self, children: usize) -> Result<usize> {
        if children > MOST_CHILDREN as usize {
            return no(format!(
                "a worker has at most {MOST_CHILDREN} children: start another worker for more"
            ));
        }
        let free = self.slots.iter().filter(|slot| slot.spare()).count();
        let more = children.saturating_sub(self.wanted()).saturating_sub(free);
        let slots = (reloading::slots(children as u32) as usize).max(self.slots.len() + more);
        self.member.page.grow(&self.member.page_path, slots as u32)?;
        let width = self.options.width;
        self.slots.resize_with(slots, || Slot::new(width, true));
        Ok(children)
    }

    /// Tells the file and its own page how big it is now.
    fn resized(&mut self, least: Option<u32>, most: usize) {
        self.options.concurrency = most as u32;
        self.options.least = least;
        self.size = self.options.bounds.decided(most as u32, machine::memory().map(|all| all.total));
        member::introduce(&self.member.page, &self.options);
        self.announce();
        // It is so, whether it can be written or not.
        if let Err(error) = self.store.resize(self.member.id, most as u32) {
            self.trouble(&error);
        }
    }

    /// So many children go: first those that are not there yet or have nothing to do, then those that run jobs, which
    /// end these.
    fn want_fewer(&mut self, fewer: usize, now: i64) {
        let rank = |slot: &Slot| match &slot.child {
            None => 0,
            Some(child) if child.phase == Phase::Starting => 1,
            Some(child) => 2 + child.held.len(),
        };
        let mut there: Vec<usize> =
            (0..self.slots.len()).filter(|number| !self.slots[*number].benched).rev().collect();
        there.sort_by_key(|number| rank(&self.slots[*number]));
        for number in there.into_iter().take(fewer) {
            let slot = &mut self.slots[number];
            slot.benched = true;
            slot.spawn_us = None;
            match &mut slot.child {
                None => {}
                Some(child) if child.phase == Phase::Starting => child.kill(Fate::Stopped),
                Some(child) if child.phase == Phase::Ready && child.held.is_empty() => child.leave(now),
                Some(_) => self.retire(number),
            }
        }
    }

    fn serve(&mut self, queue: String) -> String {
        let Some(queues) = self.options.queues.as_ref().filter(|queues| !queues.contains(&queue)) else {
            return format!("already consuming from {queue}");
        };
        let text = format!("add consumer {queue}");
        self.options.queues = Some(queues.iter().cloned().chain([queue]).collect());
        self.ledger.dry = false;
        text
    }

    fn unserve(&mut self, queue: &str, now: i64) -> Result<String> {
        let Some(queues) = &self.options.queues else {
            return no(format!(
                "this worker serves every queue: start it with -Q to name them, or pause the queue {queue} for all"
            ));
        };
        if !queues.iter().any(|name| name == queue) {
            return Ok(format!("no longer consuming from {queue}"));
        }
        let left: Arc<[String]> = queues.iter().filter(|name| *name != queue).cloned().collect();
        self.options.queues = Some(left);
        // What it has claimed and not begun may be of that queue.
        self.retract_all();
        self.empty_hand(now);
        self.ledger.dry = false;
        Ok(format!("no longer consuming from {queue}"))
    }

    fn set_limits(&mut self, task: String, hard_us: Option<i64>, soft_us: Option<i64>) -> Result<String> {
        if [hard_us, soft_us].into_iter().flatten().any(|limit| limit <= 0) {
            return no("a time limit must be more than 0 seconds");
        }
        if hard_us.zip(soft_us).is_some_and(|(hard, soft)| soft >= hard) {
            return no("the soft time limit must be below the hard one, at which the child is killed");
        }
        if self.limits.len() >= MOST_LIMITS && !self.limits.contains_key(&task) {
            return no(format!(
                "{MOST_LIMITS} tasks have time limits by command; restart the worker to forget them"
            ));
        }
        if hard_us.or(soft_us).is_none() {
            self.limits.remove(&task);
            return Ok("time limits set successfully".into());
        }
        self.limits.insert(task, (hard_us, soft_us));
        // What waits here and was not begun has the limits it was claimed with.
        self.retract_all();
        let mut hand: Vec<ClaimedJob> = self.hand.drain(..).collect();
        self.limit(&mut hand);
        self.hand.extend(hand);
        Ok("time limits set successfully".into())
    }

    /// Gives jobs the limits that a command has set for their task.
    pub fn limit(&self, jobs: &mut [ClaimedJob]) {
        if self.limits.is_empty() {
            return;
        }
        for job in jobs {
            if let Some((hard_us, soft_us)) = self.limits.get(&job.task) {
                job.time_limit_us = hard_us.or(self.options.time_limit_us);
                job.soft_time_limit_us = soft_us.or(self.options.soft_time_limit_us);
            }
        }
    }
}
