//! Pauses and rates, from the answers alone.

use std::collections::BTreeMap;

use pyqueue_core::job::NewJob;
use pyqueue_core::store::Scope;

use crate::model::{WINDOW, about, named};
use crate::verbs::{Answer, Verb};

/// What was said of one, as far as it is known for sure.
struct Gate {
    scope: Scope,
    shut: bool,
    rate: Option<i64>,
    /// When each job of it was let out since the rate was given.
    went: Vec<i64>,
}

#[derive(Default)]
pub struct Gates {
    all: BTreeMap<(String, String), Gate>,
}

impl Gates {
    fn entry(&mut self, scope: &Scope) -> &mut Gate {
        let new = || Gate { scope: scope.clone(), shut: false, rate: None, went: Vec::new() };
        self.all.entry(named(scope)).or_insert_with(new)
    }

    /// A verb about a gate was answered.
    pub fn told(&mut self, verb: &Verb, answer: &Answer) {
        match (verb, answer) {
            (_, Answer::Refused) => {}
            (Verb::Pause(scope) | Verb::GiveWay(scope), _) => self.entry(scope).shut = true,
            (Verb::Resume(scope), _) => drop(self.all.remove(&named(scope))),
            (Verb::LetOut(scope, rate), changed) => {
                let gate = self.entry(scope);
                if *changed == Answer::Flag(true) {
                    gate.went.clear();
                }
                (gate.shut, gate.rate) = (false, Some(*rate));
            }
            (Verb::Meter(scope, rate), _) => {
                let gate = self.entry(scope);
                if gate.rate != *rate {
                    gate.went.clear();
                }
                gate.rate = *rate;
            }
            _ => {}
        }
    }

    /// The clock was: no turn stays further away than one rate, and what was let out before says nothing of now.
    pub fn set_back(&mut self) {
        self.all.values_mut().for_each(|gate| gate.went.clear());
    }

    /// Who asked this was killed: it may have happened or not.
    pub fn died(&mut self, verb: &Verb) {
        if let Verb::Pause(scope)
        | Verb::GiveWay(scope)
        | Verb::Resume(scope)
        | Verb::LetOut(scope, _)
        | Verb::Meter(scope, _) = verb
        {
            self.all.remove(&named(scope));
        }
    }

    /// A job starts. Whether that was at a rate: of so many in a row the last comes no sooner than the first and one
    /// time less than there are, but for what may be made up for.
    pub fn let_through(&mut self, row: i64, job: &NewJob, now: i64) -> Result<bool, String> {
        let mut metered = false;
        for gate in self.all.values_mut() {
            if !about(&gate.scope, &job.task, &job.queue, job.dedup_key.as_deref()) {
                continue;
            }
            if gate.shut {
                return Err(format!("P27: {row} was started, and {:?} is paused", gate.scope));
            }
            let Some(rate) = gate.rate else { continue };
            metered = true;
            for (at, first) in gate.went.iter().enumerate() {
                let after = (gate.went.len() - at) as i64;
                if after * rate > now - first + WINDOW {
                    return Err(format!(
                        "P27: {row} at {now} is the {after}th of {:?} after one at {first}, one goes in {rate}",
                        gate.scope
                    ));
                }
            }
            gate.went.push(now);
        }
        Ok(metered)
    }
}
