//! Who gets what: a job never waits behind a busy child while another is free.

use std::collections::VecDeque;

use super::child::{Child, Fate, Held};
use super::finisher::End;
use super::outside::Kind;
use super::pace::{CHILD_JOBS, CLAIM_JOBS, FRAME_JOBS, FRAME_US, SHORT_US};
use super::page::{Page, State};
use super::stopping::Stage;
use super::supervisor::Supervisor;
use super::wire::Batch;
use crate::job::{ClaimedJob, Failure, Outcome};

/// A child whose job has run so long keeps no other jobs waiting.
const STUCK_US: i64 = 20_000;
/// A child that may soon be free gets no second frame any more, and an idle one may take from it.
const SLOW_US: i64 = 1_000;
/// A frame with more bytes than this takes no further job.
const FRAME_BYTES: usize = 256 * 1024;

/// The work a child has (µs, expected).
fn load(child: &Child) -> i64 {
    child.held.iter().map(|held| held.expected_us).sum()
}

impl Supervisor {
    /// How many jobs more there is room for.
    pub fn capacity(&self) -> usize {
        let now = self.clock.boot_us();
        let (mut free, mut held, mut left) = (0, 0, 0_usize);
        let (mut ready, mut all) = (0, 0);
        for (number, child) in self.ready() {
            left = left.saturating_add(self.size.left(child));
            ready += 1;
            all += child.held.len();
            if child.deaf_us <= now && (child.held.is_empty() || !self.stuck(number, child, now, STUCK_US)) {
                free += 1;
                held += child.held.len();
            }
        }
        let (wanted, held) = match (self.each(), self.width()) {
            (Some(each), _) => (ready * each, all),
            (None, 1) => (self.pace.wanted(free), held),
            (None, width) => (free * width + self.pace.ahead(free), held),
        };
        let most = CLAIM_JOBS.max(self.width());
        let room = wanted.min(most).saturating_sub(held + self.hand.len());
        room.min(left.saturating_sub(self.hand.len()))
    }

    /// How many jobs one child runs at once.
    pub fn width(&self) -> usize {
        self.options.width as usize
    }

    /// How many jobs one child has at once, by the user's word.
    pub fn each(&self) -> Option<usize> {
        self.options.prefetch.map(|jobs| jobs as usize * self.width())
    }

    fn stuck(&self, number: usize, child: &Child, now: i64, for_us: i64) -> bool {
        child.deaf_us > now || child.stuck(&self.member.page, number as u32, self.width(), now, for_us)
    }

    /// Whether it holds jobs that wait for others of it. Of a child that runs several at once none does: it is
    /// offered what it has room for.
    fn behind(&self, child: &Child) -> bool {
        child.held.len() > self.width()
    }

    /// Gives the jobs in hand to the children that have room.
    pub fn dispatch(&mut self, now: i64) {
        if self.stage != Stage::Running {
            return;
        }
        while let Some(next) = self.hand.front() {
            let short = self.pace.expected(&next.task) < SHORT_US;
            let Some(number) = self.roomiest(short, now) else { break };
            self.give(number, now);
        }
        if self.hand.is_empty() {
            self.idle_hand_us = None;
        }
    }

    /// The child with the least work among those that may take more: one with a free thread if it has several,
    /// else an idle one, or, for short jobs, one that has only short ones and is getting on with them.
    fn roomiest(&self, short: bool, now: i64) -> Option<usize> {
        let room = |(number, child): &(usize, &Child)| {
            let full = self.slots[*number].free.len() < FRAME_JOBS || self.size.left(child) == 0;
            if child.stuffed() || child.deaf_us > now || full {
                return false;
            }
            if let Some(each) = self.each() {
                return child.held.len() < each;
            }
            if self.width() > 1 {
                return child.held.len() < self.width();
            }
            child.held.is_empty()
                || short
                    && child.held.len() + FRAME_JOBS <= CHILD_JOBS
                    && load(child) <= 2 * FRAME_US
                    && child.held.iter().all(|held| held.expected_us < SHORT_US)
                    && !self.stuck(*number, child, now, SLOW_US)
        };
        let found = self.ready().filter(room).min_by_key(|(_, child)| (child.held.len(), load(child)));
        found.map(|(number, _)| number)
    }

    /// One frame: jobs for about 2 ms, or one for each free thread, and no more than this child's share of what
    /// is in hand.
    fn give(&mut self, number: usize, now: i64) {
        let mut share = self.hand.len().div_ceil(self.ready().count().max(1)).min(FRAME_JOBS);
        let (width, each) = (self.width(), self.each());
        let slot = &mut self.slots[number];
        let Some(child) = &mut slot.child else { return };
        if let Some(each) = each {
            share = share.min(each.saturating_sub(child.held.len()));
        } else if width > 1 {
            share = share.min(width.saturating_sub(child.held.len()));
        }
        share = share.min(self.size.left(child));
        let mut batch = Batch::jobs(Vec::new());
        let mut work = 0;
        while (batch.count() as usize) < share && batch.size() < FRAME_BYTES {
            let Some(job) = self.hand.front() else { break };
            let expected_us = self.pace.expected(&job.task);
            let free = width > 1 || each.is_some();
            let alone = !free && expected_us >= SHORT_US;
            if batch.count() > 0 && (alone || !free && work + expected_us > FRAME_US) {
                break;
            }
            work += expected_us;
            let (Some(index), Some(job)) = (slot.free.pop(), self.hand.pop_front()) else { break };
            self.stamp += 1;
            self.member.page.offer(number as u32, index, self.stamp, job.row, job.token);
            batch.job(index, self.stamp, &job);
            child.given += 1;
            child.held.push_back(Held { index, stamp: self.stamp, offered_us: now, expected_us, job });
            if alone {
                break;
            }
        }
        let count = batch.count();
        self.overlooked.quiet_us = now;
        match batch.close() {
            Ok(bytes) => child.send(&bytes),
            // The job is beyond what a frame can carry: the child is not told of it.
            Err(error) => {
                for _ in 0..count {
                    let Some(held) = child.held.pop_back() else { break };
                    child.given -= 1;
                    self.member.page.retract(number as u32, held.index, held.stamp);
                    slot.free.push(held.index);
                    let failure = Failure {
                        error: "pyqueue.exceptions.InvalidJob".into(),
                        message: error.to_string(),
                        ..Failure::default()
                    };
                    self.ledger.push(End::of(&held.job, Outcome::Failure(failure)), now);
                }
            }
        }
    }

    /// Takes jobs back that wait behind a long one, or that an idle child could run, and gives back to the store
    /// what no child of this worker can start soon.
    pub fn take_back(&mut self, now: i64) {
        let (page, width, each) = (&self.member.page, self.width(), self.each());
        let mut back = VecDeque::new();
        for (number, slot) in self.slots.iter_mut().enumerate() {
            let Some(child) = &mut slot.child else { continue };
            if each.is_none()
                && child.held.len() > width
                && child.stuck(page, number as u32, width, now, STUCK_US)
            {
                back.extend(retract(child, &mut slot.free, page, number, usize::MAX));
            }
        }
        if width > 1 {
            back.extend(self.unheard_jobs(now));
        }
        let idle = self.ready().any(|(_, child)| child.held.is_empty());
        if back.is_empty() && idle && self.hand.is_empty() && self.ledger.dry {
            back.extend(self.steal(now));
        }
        for job in back.into_iter().rev() {
            self.hand.push_front(job);
        }
        self.give_back(now);
    }

    /// Half of the unstarted jobs of the busiest child, if they would wait.
    fn steal(&mut self, now: i64) -> Vec<ClaimedJob> {
        let waits = |(number, child): &(usize, &Child)| {
            self.behind(child) && (self.stuck(*number, child, now, SLOW_US) || load(child) >= SHORT_US)
        };
        let Some((number, _)) = self.ready().filter(waits).max_by_key(|(_, child)| load(child)) else {
            return Vec::new();
        };
        let slot = &mut self.slots[number];
        let Some(child) = &mut slot.child else { return Vec::new() };
        let most = child.held.len() / 2;
        retract(child, &mut slot.free, &self.member.page, number, most)
    }

    /// When every child is stuck and jobs lie in hand, other workers can have them.
    fn give_back(&mut self, now: i64) {
        let stuck = |(number, child): (usize, &Child)| self.stuck(number, child, now, STUCK_US);
        if self.hand.is_empty() || self.each().is_some() || !self.ready().all(stuck) {
            self.idle_hand_us = None;
        } else if now - *self.idle_hand_us.get_or_insert(now) >= STUCK_US {
            self.idle_hand_us = None;
            self.empty_hand(now);
        }
    }

    /// Gives every job in hand back to the store.
    pub fn empty_hand(&mut self, now: i64) {
        for job in self.hand.drain(..) {
            self.ledger.push(End::of(&job, Outcome::GivenBack), now);
        }
    }

    /// Takes every unstarted job back from every child.
    pub fn retract_all(&mut self) {
        for number in 0..self.slots.len() {
            self.retract_from(number);
        }
    }

    /// Takes every unstarted job back from one child.
    pub fn retract_from(&mut self, number: usize) {
        for job in self.unstarted_of(number).into_iter().rev() {
            self.hand.push_front(job);
        }
    }

    /// The same, for somebody else's hand.
    pub fn unstarted_of(&mut self, number: usize) -> Vec<ClaimedJob> {
        let slot = &mut self.slots[number];
        let Some(child) = &mut slot.child else { return Vec::new() };
        retract(child, &mut slot.free, &self.member.page, number, usize::MAX)
    }

    /// When `take_back` has something to do at the latest.
    pub fn take_back_due(&self, now: i64) -> Option<i64> {
        let mut due = self.idle_hand_us.map(|since| since + STUCK_US);
        if !self.hand.is_empty() && due.is_none() {
            due = Some(now + STUCK_US);
        }
        if self.ready().any(|(_, child)| self.behind(child)) {
            let idle = self.hand.is_empty() && self.ready().any(|(_, child)| child.held.is_empty());
            let look = now + if idle { SLOW_US } else { STUCK_US };
            due = Some(due.map_or(look, |due| due.min(look)));
        }
        if self.width() > 1
            && let Some(look) = self.unheard_due(now)
        {
            due = Some(due.map_or(look, |due| due.min(look)));
        }
        due
    }

    /// Kills children of which a job has overrun its time limit.
    pub fn watch_limits(&mut self, now: i64) {
        for number in 0..self.slots.len() {
            let Some(child) = &mut self.slots[number].child else { continue };
            let overran = |(held, since): (&Held, i64)| held.overran(since, self.options.leeway_us, now);
            if child.fate != Fate::Own || !child.started(&self.member.page, number as u32).any(overran) {
                continue;
            }
            if child.writes_until().map_or_else(|| child.ask_stacks(now), |until| now < until) {
                continue;
            }
            let text = format!(
                "child {} is killed: a job ran longer than its time limit{}",
                child.pid,
                child.whereabouts()
            );
            child.kill(Fate::TimeLimit(now));
            self.outside.tell(Kind::Warning, text);
            self.retract_from(number);
        }
    }

    /// When a time limit may be over at the earliest: a job that has not been seen started may start now.
    pub fn limit_due(&self, now: i64) -> Option<i64> {
        let page = &self.member.page;
        let children =
            self.slots.iter().enumerate().filter_map(|(number, slot)| Some((number, slot.child.as_ref()?)));
        let held = children
            .filter(|(_, child)| child.fate == Fate::Own)
            .flat_map(|(number, child)| child.held.iter().map(move |held| (number, child, held)));
        let due = held.filter_map(|(number, child, held)| {
            let limit = held.job.time_limit_us?.saturating_add(self.options.leeway_us);
            match page.look(number as u32, held.index, held.stamp) {
                (State::Done, _) => None,
                (State::Started, since) if since > 0 => {
                    // Until then it may be writing where it is.
                    Some(since.saturating_add(limit).max(child.writes_until().unwrap_or_default()))
                }
                _ => Some(now.saturating_add(limit)),
            }
        });
        due.min()
    }
}

/// Takes up to `most` unstarted jobs back, the last offered first; in the order of the offers.
fn retract(
    child: &mut Child,
    free: &mut Vec<u32>,
    page: &Page,
    number: usize,
    most: usize,
) -> Vec<ClaimedJob> {
    let mut back = Vec::new();
    for place in (0..child.held.len()).rev() {
        if back.len() == most {
            break;
        }
        let held = &child.held[place];
        if !page.retract(number as u32, held.index, held.stamp) {
            // Jobs are started in order: what lies before this one is started too.
            break;
        }
        if let Some(held) = child.held.remove(place) {
            child.given -= 1;
            free.push(held.index);
            back.push(held.job);
        }
    }
    back.reverse();
    back
}
