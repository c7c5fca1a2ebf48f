//! The promises once more, each from the answers alone and without the reference's rules: a second opinion.

mod gates;
mod orders;
mod tally;

pub use tally::Tally;

use std::collections::{BTreeMap, BTreeSet};

use pyqueue_core::job::{Finished, Outcome};
use pyqueue_core::store::{Ask, Parcel};

use crate::model::Model;
use crate::verbs::{Answer, Taken, Verb};

#[derive(Default)]
pub struct Promises {
    last_token: i64,
    ended: BTreeSet<i64>,
    /// The latest wall time any transaction has seen: a delayed job whose time had come once may start.
    latest: i64,
    /// The wall time that the last transaction has seen.
    last: i64,
    /// How often each job was lost with a charge.
    losses: BTreeMap<i64, u32>,
    /// Half messages that nobody has committed.
    withheld: BTreeSet<i64>,
    /// Sequence numbers that were stored, by producer.
    sent: BTreeSet<(String, i64)>,
    /// The newest epoch of each producer.
    epochs: BTreeMap<String, i64>,
    /// Times that were fired, by schedule.
    fired: BTreeSet<(String, i64)>,
    /// Attempts that were asked to give way before this answer: row and token.
    pub yielding: BTreeSet<(i64, i64)>,
    pub gates: gates::Gates,
    orders: orders::Orders,
    pub tally: Tally,
    pub claimed: u64,
    pub finished: u64,
    pub stale: u64,
}

impl Promises {
    /// A transaction saw this wall time.
    pub fn saw(&mut self, now: i64) {
        if now < self.last {
            self.gates.set_back();
        }
        self.last = now;
        self.latest = self.latest.max(now);
    }

    pub fn hold(&mut self, verb: &Verb, answer: &Answer, now: i64, model: &Model) -> Result<(), String> {
        self.saw(now);
        self.gates.told(verb, answer);
        self.orders.told(verb, answer, model.boot)?;
        self.tally.count(verb, answer, model);
        match (verb, answer) {
            (Verb::Claim(ask), Answer::Taken(taken)) => self.taken(taken, Some(ask), now, model),
            (Verb::Finish(ends, ask), Answer::Finished(finished, taken)) => {
                for (end, answer) in ends.iter().zip(finished) {
                    self.stale += u64::from(*answer != Finished::Done);
                    if *answer != Finished::Done {
                        continue;
                    }
                    self.finished += 1;
                    let gave_way = self.yielding.contains(&(end.row.0, end.token));
                    match end.outcome {
                        Outcome::Failure(_) | Outcome::Lost { .. } if gave_way => {}
                        Outcome::Success(_) | Outcome::Failure(_) => drop(self.ended.insert(end.row.0)),
                        Outcome::Lost { charged: true, .. } => {
                            *self.losses.entry(end.row.0).or_default() += 1
                        }
                        _ => {}
                    }
                }
                self.taken(taken, ask.as_ref(), now, model)
            }
            (Verb::Prepare(..), Answer::Rows(rows)) => {
                self.withheld.extend(rows.iter().filter(|(_, new)| *new).map(|(row, _)| *row));
                Ok(())
            }
            (Verb::Settle(id, true), Answer::Flag(true)) => {
                self.let_start(model.row(id));
                Ok(())
            }
            (Verb::OpenProducer(name), Answer::Producer(epoch, ..)) => {
                let last = self.epochs.insert(name.clone(), *epoch).unwrap_or(0);
                if *epoch > last { Ok(()) } else { Err(format!("{name} was opened as {epoch} after {last}")) }
            }
            (Verb::Send(parcel), Answer::Sent(rows)) => self.sent(parcel, rows),
            (Verb::Fire(fire), Answer::Rows(_)) => {
                if self.fired.insert((fire.name.clone(), fire.tick_us)) {
                    Ok(())
                } else {
                    Err(format!("P11: {} was fired twice at {}", fire.name, fire.tick_us))
                }
            }
            (Verb::Receipts(ends, _), Answer::Nothing) => {
                for (row, _) in ends {
                    if !self.ended.insert(row.0) {
                        return Err(format!("P8: {} had its effect after its end", row.0));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A half message was committed, or may have been.
    pub fn let_start(&mut self, row: Option<i64>) {
        if let Some(row) = row {
            self.withheld.remove(&row);
        }
    }

    fn sent(&mut self, parcel: &Parcel, rows: &[(i64, bool)]) -> Result<(), String> {
        if self.epochs.get(&parcel.name).is_some_and(|newest| *newest > parcel.epoch) {
            return Err(format!("{} sent as {}, which is fenced", parcel.name, parcel.epoch));
        }
        for (number, (_, new)) in (parcel.first..).zip(rows) {
            if *new && !self.sent.insert((parcel.name.clone(), number)) {
                return Err(format!("number {number} of {} was stored twice", parcel.name));
            }
        }
        Ok(())
    }

    fn taken(&mut self, taken: &[Taken], ask: Option<&Ask>, now: i64, model: &Model) -> Result<(), String> {
        let Some((_, token, _)) = taken.first() else { return Ok(()) };
        if *token <= self.last_token || taken.iter().any(|(_, other, _)| other != token) {
            return Err(format!("P3: token {token} after {}", self.last_token));
        }
        self.last_token = *token;
        self.claimed += taken.len() as u64;
        for (row, ..) in taken {
            let new = &model.jobs[row].new;
            if self.withheld.contains(row) {
                return Err(format!("half message {row} was claimed, and nobody has committed it"));
            }
            if self.ended.contains(row) {
                return Err(format!("P5: {row} was claimed after its end"));
            }
            if new.run_at_us.is_some_and(|at| at > self.latest) {
                return Err(format!("P12: {row} was claimed before its time"));
            }
            if ask.and_then(|ask| ask.queues.as_ref()).is_some_and(|queues| !queues.contains(&new.queue)) {
                return Err(format!("{row} of {} was claimed by who did not ask for that queue", new.queue));
            }
            let through = self.gates.let_through(*row, new, now)?;
            self.tally.add_one("jobs let out at a rate", u64::from(through));
            if self.losses.get(row).is_some_and(|losses| *losses >= new.max_losses) {
                return Err(format!("P7: {row} was claimed after its last loss"));
            }
        }
        Ok(())
    }
}
