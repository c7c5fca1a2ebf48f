//! What children say and what they leave behind.

use super::child::{Child, Fate, Phase};
use super::ending::Ending;
use super::finisher::End;
use super::outside::{Event, Kind};
use super::page::State;
use super::stopping::Stage;
use super::supervisor::Supervisor;
use super::wire::{self, Ended, Frame};
use crate::error::{Error, Result};
use crate::job::{Failure, Finish, Outcome, Usage};
use crate::mutants::{self, Mutant};

/// The exit code of a child that lacked memory or descriptors while it started: that passes (EX_TEMPFAIL).
const LACKS_MEANS: i32 = 75;

impl Supervisor {
    /// Reads what a child has sent.
    pub fn hear(&mut self, number: usize, all: bool, now: i64) {
        if let Err(error) = self.listen_to(number, all, now)
            && let Some(child) = &mut self.slots[number].child
        {
            // A child of another version, or out of its mind: whatever it still runs is lost.
            child.trouble = Some(error.to_string());
            child.kill(Fate::Own);
        }
    }

    fn listen_to(&mut self, number: usize, all: bool, now: i64) -> Result<()> {
        let Some(child) = &mut self.slots[number].child else { return Ok(()) };
        child.read(all)?;
        (child.deaf_us, child.pause_us, child.deaf_since) = (0, 0, None);
        // Frame by frame: what came before a bad one counts.
        while let Some(child) = &mut self.slots[number].child {
            let Some(frame) = child.frame()? else { break };
            self.understand(number, frame, now)?;
        }
        Ok(())
    }

    fn understand(&mut self, number: usize, frame: Frame, now: i64) -> Result<()> {
        let Some(child) = &mut self.slots[number].child else { return Ok(()) };
        match frame {
            Frame::Hello { version: wire::VERSION, .. } => child.greeted = true,
            Frame::Hello { version, .. } => {
                return Err(Error::Wire(format!("version {version} instead of {}", wire::VERSION)));
            }
            Frame::Ready(tasks) => {
                if child.phase == Phase::Starting {
                    child.phase = Phase::Ready;
                    self.started(number);
                    self.proved(number, tasks);
                }
            }
            Frame::Failed(text) => child.trouble = Some(text),
            Frame::Outcomes(list) => list.into_iter().try_for_each(|ended| self.ended(number, ended, now))?,
            Frame::Jobs(_) => return Err(Error::Wire("a child offers no jobs".into())),
        }
        Ok(())
    }

    fn started(&mut self, number: usize) {
        self.failures = 0;
        self.told_kills = 0;
        self.slots[number].kills = 0;
        self.weigh_first(number);
        let pid = self.slots[number].child.as_ref().map(|child| child.pid);
        let text = format!("child {} takes jobs", pid.unwrap_or_default());
        self.outside.event(Event { kind: Kind::ChildStarted, text, job: None, pid });
        // Who is told that it is ready finds it so.
        self.show();
        self.announce();
    }

    /// Says that it is ready, once every child that is wanted takes jobs.
    pub fn announce(&mut self) {
        if !self.announced && self.ready().count() == self.wanted() {
            self.announced = true;
            self.outside.tell(Kind::Ready, format!("worker {} takes jobs", self.member.id));
        }
    }

    fn ended(&mut self, number: usize, ended: Ended, now: i64) -> Result<()> {
        let Some(child) = &mut self.slots[number].child else { return Ok(()) };
        let known = child.held.iter().position(|held| held.index == ended.index && held.stamp == ended.stamp);
        let Some(held) = known.and_then(|place| child.held.remove(place)) else {
            return Err(Error::Wire("an outcome of a job that was not offered".into()));
        };
        if (held.job.row, held.job.token) != (ended.row, ended.token) {
            return Err(Error::Wire("an outcome of another job".into()));
        }
        if let Some(usage) = ended.usage {
            child.resident = usage.resident.unsigned_abs();
        }
        self.member.page.count(&held.job.task);
        self.pace.learn(&held.job.task, ended.ended_us.saturating_sub(ended.started_us));
        let started_us = self.wall(ended.started_us, now);
        let finish = Finish {
            row: ended.row,
            token: ended.token,
            outcome: ended.outcome,
            started_us,
            usage: ended.usage,
            then: ended.then,
            beside: ended.beside,
        };
        self.ledger.push(End { finish, id: held.job.id, entry: Some((number, held.index)) }, now);
        Ok(())
    }

    /// The wall time of a boot time, by what both clocks show now.
    fn wall(&self, boot_us: i64, now: i64) -> Option<i64> {
        (boot_us > 0).then(|| self.clock.wall_us().saturating_sub(now.saturating_sub(boot_us)))
    }

    /// Settles the affairs of a child that has ended.
    pub fn bury(&mut self, number: usize, now: i64) {
        let Some(child) = &mut self.slots[number].child else { return };
        let Some(how) = child.ended() else { return };
        // What it sent before its death counts, in whichever order the kernel told us.
        self.hear(number, true, now);
        self.open_drawer(number, now);
        let Some(child) = self.slots[number].child.take() else { return };
        self.member.page.seat(number as u32, 0);
        let reason = format!("child {} ended with {how}", child.pid);
        let busy = !child.held.is_empty();
        let (phase, fate, pid) = (child.phase, child.fate, child.pid);
        let trouble = child.trouble.clone();
        self.inherit(number, child, &reason, now);
        if self.stage != Stage::Running {
            return;
        }
        if phase == Phase::Starting && fate == Fate::Stopped && self.slots[number].benched {
            // It is not wanted any more.
            return;
        }
        if phase == Phase::Starting {
            let said = trouble.as_ref().map_or(reason.clone(), |said| format!("{reason}: {said}"));
            if self.scout_failed(number, &said) {
                return;
            }
            match trouble {
                None if fate == Fate::Hung => {
                    self.put_off(number, "a child did not load the app in time".into(), now)
                }
                None if how.by_others() => {
                    let text = format!(
                        "child {pid} was ended by {how} while it started, by somebody or because memory ran out"
                    );
                    self.put_off(number, text, now);
                }
                Some(said) if how == Ending::Code(LACKS_MEANS) => {
                    self.put_off(number, format!("child {pid} could not start: {said}"), now);
                }
                _ => self.failed_to_start(number, &said, now),
            }
            return;
        }
        let slot = &mut self.slots[number];
        slot.spawn_us = (!slot.benched).then_some(now);
        let told = phase == Phase::Leaving && how == Ending::Code(0);
        if fate == Fate::Own && !told || busy {
            let text = trouble.map_or(reason.clone(), |said| format!("{reason}: {said}"));
            self.outside.event(Event { kind: Kind::ChildLost, text, job: None, pid: Some(pid) });
        }
    }

    /// Takes over the outcomes that a dead child had not sent.
    fn open_drawer(&mut self, number: usize, now: i64) {
        let (count, bytes) = self.member.page.left(number as u32);
        self.member.page.empty(number as u32);
        for ended in wire::outcomes(count, &bytes).unwrap_or_default() {
            let Some(child) = &self.slots[number].child else { return };
            if child.held.iter().any(|held| held.index == ended.index && held.stamp == ended.stamp) {
                // One that does not fit its job is as good as none.
                let _ = self.ended(number, ended, now);
            }
        }
    }

    /// Decides about each job of a dead child by its entry on the page.
    fn inherit(&mut self, number: usize, child: Child, reason: &str, now: i64) {
        let mut unstarted = Vec::new();
        let leeway_us = self.options.leeway_us;
        let stacks = child.told_stacks();
        // Asked where it is before the kill, and dead by that: a task may have set SIGUSR1 back.
        let asked = child.writes_until().is_some();
        // Of several that ran, nobody can say which has taken the memory.
        let alone = child.started(&self.member.page, number as u32).count() == 1;
        for held in child.held {
            let (state, since) = self.member.page.look(number as u32, held.index, held.stamp);
            let outcome = match (state, child.fate) {
                (State::Started | State::Done, Fate::TimeLimit(at)) if held.overran(since, leeway_us, at) => {
                    Outcome::Failure(overrun(held.job.time_limit_us.unwrap_or_default(), stacks.clone()))
                }
                (State::Started, Fate::TimeLimit(_)) => {
                    let reason =
                        format!("{reason}, because another of its jobs ran longer than its time limit");
                    Outcome::Lost { reason, charged: false }
                }
                (State::Started, Fate::Memory(had)) if alone => Outcome::Failure(self.outgrown(had)),
                (State::Started, Fate::Own) if asked && held.overran(since, leeway_us, now) => {
                    Outcome::Failure(overrun(held.job.time_limit_us.unwrap_or_default(), stacks.clone()))
                }
                // The file knows that it is revoked, and what that makes of it.
                (State::Started, Fate::Revoked) if self.revoking.has(held.index, held.stamp) => {
                    Outcome::GivenBack
                }
                (State::Started, Fate::Revoked) => {
                    let reason = format!("{reason}, because another of its jobs was revoked");
                    Outcome::Lost { reason, charged: false }
                }
                (State::Started, Fate::Stopped) if !mutants::on(Mutant::GivenBackCharged) => {
                    Outcome::GivenBack
                }
                (State::Started, _) => Outcome::Lost { reason: reason.to_owned(), charged: true },
                (State::Done, _) => {
                    let reason = format!("{reason} before the job's outcome was sent");
                    Outcome::Lost { reason, charged: false }
                }
                (State::Offered, _) if mutants::on(Mutant::NeighboursCharged) => {
                    Outcome::Lost { reason: reason.to_owned(), charged: true }
                }
                (State::Offered | State::TakenBack | State::Free, _) => {
                    self.member.page.retract(number as u32, held.index, held.stamp);
                    self.slots[number].free.push(held.index);
                    unstarted.push(held.job);
                    continue;
                }
            };
            if let Outcome::Lost { reason, .. } = &outcome {
                let (text, id) = (reason.clone(), held.job.id.clone());
                self.outside.event(Event { kind: Kind::JobLost, text, job: Some(id), pid: Some(child.pid) });
            }
            let started_us = if outcome == Outcome::GivenBack { None } else { self.wall(since, now) };
            let usage = match child.fate {
                Fate::Memory(had) if alone && state == State::Started => {
                    let bytes = had.cast_signed();
                    Some(Usage { cpu_us: None, peak: bytes, resident: bytes })
                }
                _ => None,
            };
            let (row, token) = (held.job.row, held.job.token);
            let finish = Finish { row, token, outcome, started_us, usage, then: Vec::new(), beside: None };
            self.ledger.push(End { finish, id: held.job.id, entry: Some((number, held.index)) }, now);
        }
        for job in unstarted.into_iter().rev() {
            self.hand.push_front(job);
        }
    }
}

fn overrun(limit_us: i64, stacks: Option<String>) -> Failure {
    let seconds = limit_us as f64 / 1e6;
    Failure {
        error: "pyqueue.exceptions.TimeLimitExceeded".into(),
        message: format!("the job ran longer than its time limit of {seconds} s and its process was killed"),
        traceback: stacks,
        ..Failure::default()
    }
}
