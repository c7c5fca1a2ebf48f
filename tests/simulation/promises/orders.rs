//! Commands, from the answers alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::verbs::{Answer, Verb};

#[derive(Default)]
pub struct Orders {
    /// Whom each may be for, and until when by which boot clock.
    given: BTreeMap<i64, (Vec<i64>, String, i64)>,
    begun: BTreeSet<(i64, i64)>,
    answered: BTreeSet<(i64, i64)>,
}

impl Orders {
    /// A verb about a command was answered. `boot`: by its transaction's clock.
    pub fn told(&mut self, verb: &Verb, answer: &Answer, boot: i64) -> Result<(), String> {
        match (verb, answer) {
            (Verb::Give(command, workers, clock), Answer::Number(number)) => {
                let known = (workers.clone(), clock.clone(), boot + command.expires_us);
                if self.given.insert(*number, known).is_some() {
                    return Err(format!("P26: {number} was given twice"));
                }
            }
            (Verb::Begin(command, worker, clock), Answer::Flag(true)) => {
                // Who gave it may have been killed before it learnt the number.
                if let Some((workers, of, until)) = self.given.get(command) {
                    if !workers.contains(worker) {
                        return Err(format!("P26: {worker} obeyed {command}, which is for {workers:?}"));
                    }
                    if of != clock || *until <= boot {
                        return Err(format!("P26: {worker} obeyed {command} when it was over"));
                    }
                }
                if !self.begun.insert((*command, *worker)) {
                    return Err(format!("P26: {worker} obeyed {command} twice"));
                }
            }
            (Verb::Reply(command, worker, ..), Answer::Flag(true))
                if !self.answered.insert((*command, *worker)) =>
            {
                return Err(format!("P26: {worker} answered {command} twice"));
            }
            _ => {}
        }
        Ok(())
    }
}
