//! Outcomes go into the file in batches, and the next jobs come out of it in the same transaction.

use std::collections::HashSet;

use super::outside::{Event, Kind};
use super::stopping::Stage;
use super::supervisor::Supervisor;
use crate::error::{Error, Result};
use crate::job::{ClaimedJob, Finish, Finished, Outcome};
use crate::store::{Ask, Claimed};

/// While every child has so many jobs at hand…
const BUSY_JOBS: usize = 32;
/// …outcomes wait until there are so many…
const BATCH_ENDS: usize = 256;
/// …or the oldest is that old (µs): one commit for many, without a result waiting for long.
const BATCH_AGE_US: i64 = 1_000;
/// Of so many unknown tasks a worker tells.
const STRANGERS: usize = 1_000;
/// Pauses after an error of the store (µs).
const PAUSES_US: (i64, i64) = (100_000, 5_000_000);

/// An outcome that is not written yet.
pub(super) struct End {
    pub finish: Finish,
    /// The public id.
    pub id: String,
    /// Slot and entry on the page that are free when it is written.
    pub entry: Option<(usize, u32)>,
}

impl End {
    /// The end of a job that no child speaks for.
    pub fn of(job: &ClaimedJob, outcome: Outcome) -> End {
        let finish = Finish {
            row: job.row,
            token: job.token,
            outcome,
            started_us: None,
            usage: None,
            then: Vec::new(),
            beside: None,
        };
        End { finish, id: job.id.clone(), entry: None }
    }
}

/// The store has refused; nothing is asked of it until the pause is over.
pub(super) struct Trouble {
    pub until_us: i64,
    pause_us: i64,
    text: String,
}

/// What is to be written, and what is known about the lines.
pub(super) struct Ledger {
    pub ends: Vec<End>,
    oldest_us: i64,
    /// The last claim found less than it asked for.
    pub dry: bool,
    /// The rings of the bell before that claim.
    pub seen: u32,
    /// When the earliest delayed job is due, or the next turn comes (wall time).
    pub next_us: Option<i64>,
    /// When that was learnt. Turns come sooner once that clock was set back.
    asked_us: i64,
    pub trouble: Option<Trouble>,
    /// Unknown tasks that were told of.
    strangers: HashSet<String>,
    /// A claim has been made at all.
    pub asked: bool,
    /// The file is short of room, and that was told.
    short: bool,
    /// There is too little room for more outcomes than those of the jobs that run.
    pub cramped: bool,
    /// Outcomes written since the keeper was last sent.
    pub written: usize,
}

impl Ledger {
    pub fn new() -> Ledger {
        Ledger {
            ends: Vec::new(),
            oldest_us: 0,
            dry: false,
            seen: 0,
            next_us: None,
            asked_us: 0,
            trouble: None,
            strangers: HashSet::new(),
            asked: false,
            short: false,
            cramped: false,
            written: 0,
        }
    }

    pub fn push(&mut self, end: End, now: i64) {
        if self.ends.is_empty() {
            self.oldest_us = now;
        }
        self.ends.push(end);
    }

    /// Notes an error; whether it has to be told or was already.
    pub fn trouble(&mut self, text: &str, now: i64) -> bool {
        let (first, most) = PAUSES_US;
        let (pause_us, known) = match &self.trouble {
            Some(last) => ((last.pause_us * 2).min(most), last.text == text),
            None => (first, false),
        };
        self.trouble = Some(Trouble { until_us: now + pause_us, pause_us, text: text.to_owned() });
        !known
    }
}

impl Supervisor {
    /// Writes what has ended and claims what there is room for.
    pub fn exchange(&mut self, now: i64) {
        if self.ledger.trouble.as_ref().is_some_and(|trouble| trouble.until_us > now) {
            return;
        }
        let rings = self.rings();
        self.look_for_room();
        let ask = self.ask(rings);
        if self.ledger.ends.is_empty() && ask.is_none() || ask.is_none() && self.may_wait(now) {
            return;
        }
        let limit = ask.as_ref().map(|ask| ask.limit);
        match self.turn_in(ask) {
            Ok((finished, claimed)) => {
                if self.ledger.trouble.take().is_some() {
                    self.outside.tell(Kind::Warning, "the store answers again");
                }
                self.written(&finished);
                if let Some(limit) = limit {
                    self.claimed(claimed, limit, rings);
                }
            }
            // Taken for dead: the beat finds out and the worker enters anew.
            Err(Error::Fenced { .. }) => self.beat_us = now,
            Err(error) => self.trouble(&error),
        }
        self.foreign.own_write(self.clock.boot_us());
    }

    /// Learns how much room there is, and tells of a change.
    fn look_for_room(&mut self) {
        let Ok(short) = self.store.is_short() else { return };
        self.ledger.cramped = short && !self.store.lets_start().unwrap_or(true);
        if short != std::mem::replace(&mut self.ledger.short, short) {
            let text = if short {
                "the disk is full: new jobs are refused, and none are started once too little is left for the \
                 outcomes of those that run; free some space"
            } else {
                "there is room on the disk again"
            };
            self.outside.tell(Kind::Warning, text);
        }
    }

    fn turn_in(&self, ask: Option<Ask>) -> Result<(Vec<Finished>, Claimed)> {
        if self.ledger.ends.is_empty() {
            return match ask {
                Some(ask) => self.store.claim(ask).map(|claimed| (Vec::new(), claimed)),
                None => Ok((Vec::new(), Claimed::default())),
            };
        }
        // Copies, because an error must leave us every outcome.
        self.store.finish(self.ledger.ends.iter().map(|end| end.finish.clone()).collect(), ask)
    }

    fn ask(&mut self, rings: u32) -> Option<Ask> {
        if self.stage != Stage::Running {
            return None;
        }
        // The outcomes of those that run already need what is left.
        if self.ledger.cramped {
            return None;
        }
        // After an error the outcomes go first and alone: the claim may be what finds no room.
        if self.ledger.trouble.is_some() && !self.ledger.ends.is_empty() {
            return None;
        }
        #[cfg(test)]
        if self.overlooked.blind {
            return None;
        }
        let wall = self.clock.wall_us();
        let due = self.ledger.next_us.is_some_and(|at| at <= wall || wall < self.ledger.asked_us);
        if self.ledger.dry && rings == self.ledger.seen && !due {
            return None;
        }
        let room = self.capacity();
        // While the hand is well filled, a claim waits until it is worth a transaction.
        if room == 0 || self.ledger.ends.is_empty() && room < self.hand.len() {
            return None;
        }
        Some(Ask {
            owner: self.member.id,
            limit: room,
            queues: self.options.queues.clone(),
            tasks: self.options.tasks.clone(),
            visibility_us: None,
        })
    }

    /// Whether the outcomes may wait for others because every child has enough to do meanwhile.
    fn may_wait(&self, now: i64) -> bool {
        self.ledger.ends.len() < BATCH_ENDS
            && now - self.ledger.oldest_us < BATCH_AGE_US
            && self.ready().next().is_some()
            && self.ready().all(|(_, child)| child.held.len() >= BUSY_JOBS)
    }

    /// When outcomes must be written at the latest, or the store is asked again.
    pub fn exchange_due(&self, now: i64) -> Option<i64> {
        if let Some(trouble) = &self.ledger.trouble {
            return Some(trouble.until_us);
        }
        if !self.ledger.ends.is_empty() {
            return Some(self.ledger.oldest_us + BATCH_AGE_US);
        }
        // A claim that found all it asked for is followed by the next one.
        let asks = self.stage == Stage::Running && !self.ledger.dry && !self.ledger.cramped;
        (asks && self.capacity() > self.hand.len()).then_some(now)
    }

    fn written(&mut self, finished: &[Finished]) {
        self.ledger.written += finished.len();
        for (end, finished) in std::mem::take(&mut self.ledger.ends).into_iter().zip(finished) {
            if let Some((number, index)) = end.entry {
                self.member.page.free(number as u32, index);
                self.slots[number].free.push(index);
            }
            if *finished == Finished::LeaseLost {
                let text =
                    "its lease was lost before its outcome could be written: it runs or has run elsewhere";
                self.outside.event(Event {
                    kind: Kind::LeaseLost,
                    text: text.into(),
                    job: Some(end.id),
                    pid: None,
                });
            }
        }
    }

    fn claimed(&mut self, claimed: Claimed, limit: usize, rings: u32) {
        let ledger = &mut self.ledger;
        ledger.asked = true;
        ledger.asked_us = self.clock.wall_us();
        ledger.dry = claimed.jobs.len() < limit && !claimed.more;
        ledger.seen = rings;
        ledger.next_us = claimed.next_us;
        let (hard, soft) = (self.options.time_limit_us, self.options.soft_time_limit_us);
        let mut jobs = claimed.jobs;
        if hard.or(soft).is_some() {
            for job in &mut jobs {
                job.time_limit_us = job.time_limit_us.or(hard);
                job.soft_time_limit_us = job.soft_time_limit_us.or(soft);
            }
        }
        self.limit(&mut jobs);
        self.hand.extend(jobs);
        for (task, id) in claimed.unknown {
            // The names come from the file: told ones are remembered up to a bound.
            if self.ledger.strangers.len() < STRANGERS && self.ledger.strangers.insert(task.clone()) {
                let text = format!("there is no task {task} here: its jobs wait for a worker that knows it");
                self.outside.event(Event { kind: Kind::UnknownTask, text, job: Some(id), pid: None });
            }
        }
    }

    /// Whether nothing is left that could be run now.
    pub fn drained(&self) -> bool {
        let ledger = &self.ledger;
        ledger.asked
            && ledger.dry
            && ledger.ends.is_empty()
            && ledger.trouble.is_none()
            && self.hand.is_empty()
            && ledger.seen == self.rings()
            && ledger.next_us.is_none_or(|at| at > self.clock.wall_us())
            && self.slots.iter().all(|slot| slot.child.as_ref().is_none_or(|child| child.held.is_empty()))
    }
}
