//! How often what is seldom has happened: a check of what never happens can't fail.

use std::collections::BTreeMap;
use std::fmt;

use pyqueue_core::store::{Act, Acted, Scope};

use crate::model::Model;
use crate::verbs::{Answer, Verb};

/// What is counted.
const WHAT: [&str; 21] = [
    "pauses by a pattern",
    "jobs asked to give way to a pattern",
    "rates",
    "claims that leave jobs waiting for their turn",
    "claims that leave jobs behind a pattern",
    "jobs let out at a rate",
    "jobs cancelled by what they are",
    "jobs moved",
    "priorities changed",
    "running jobs asked to end",
    "running jobs left alone",
    "jobs kept by their keys",
    "commands given",
    "commands for nobody",
    "commands begun",
    "commands not begun",
    "commands answered",
    "answers refused",
    "killed while they changed a gate",
    "killed while they changed many jobs",
    "killed while they took a command up or answered it",
];

/// Counts by `WHAT`.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub fn add_one(&mut self, what: &'static str, times: u64) {
        debug_assert!(WHAT.contains(&what), "{what}");
        *self.0.entry(what).or_default() += times;
    }

    pub fn add(&mut self, other: &Tally) {
        other.0.iter().for_each(|(what, times)| self.add_one(what, *times));
    }

    /// What has not happened at all.
    pub fn never(&self) -> Vec<&'static str> {
        WHAT.into_iter().filter(|what| self.0.get(what).is_none_or(|times| *times == 0)).collect()
    }

    pub fn count(&mut self, verb: &Verb, answer: &Answer, model: &Model) {
        match (verb, answer) {
            (Verb::Pause(Scope::Fits(_)), Answer::Nothing) => self.add_one("pauses by a pattern", 1),
            (Verb::GiveWay(Scope::Fits(_)), Answer::Number(asked)) => {
                self.add_one("jobs asked to give way to a pattern", *asked as u64);
            }
            (Verb::LetOut(..), Answer::Flag(true)) | (Verb::Meter(_, Some(_)), Answer::Nothing) => {
                self.add_one("rates", 1);
            }
            (Verb::Claim(_), Answer::Taken(_)) => {
                let (turn, shut) = model.kept();
                self.add_one("claims that leave jobs waiting for their turn", u64::from(turn > 0));
                self.add_one("claims that leave jobs behind a pattern", u64::from(shut > 0));
            }
            (Verb::Act(_, act), Answer::Acted(acted)) => self.acted(act, *acted),
            (Verb::Give(..), Answer::Number(_)) => self.add_one("commands given", 1),
            (Verb::Give(..), Answer::Nothing) => self.add_one("commands for nobody", 1),
            (Verb::Begin(..), Answer::Flag(begun)) => {
                self.add_one(if *begun { "commands begun" } else { "commands not begun" }, 1);
            }
            (Verb::Reply(..), Answer::Flag(done)) => {
                self.add_one(if *done { "commands answered" } else { "answers refused" }, 1);
            }
            _ => {}
        }
    }

    /// A process was killed with this begun.
    pub fn died(&mut self, verb: &Verb) {
        match verb {
            Verb::Pause(_) | Verb::GiveWay(_) | Verb::Resume(_) | Verb::LetOut(..) | Verb::Meter(..) => {
                self.add_one("killed while they changed a gate", 1);
            }
            Verb::Act(..) => self.add_one("killed while they changed many jobs", 1),
            Verb::Begin(..) | Verb::Reply(..) => {
                self.add_one("killed while they took a command up or answered it", 1);
            }
            _ => {}
        }
    }

    fn acted(&mut self, act: &Act, acted: Acted) {
        let what = match act {
            Act::Cancel(_) => "jobs cancelled by what they are",
            Act::Move(_) => "jobs moved",
            Act::Priority(_) => "priorities changed",
        };
        self.add_one(what, acted.done as u64);
        self.add_one("running jobs asked to end", acted.asked as u64);
        self.add_one("running jobs left alone", acted.running as u64);
        self.add_one("jobs kept by their keys", acted.taken as u64);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = WHAT.map(|what| format!("{} {what}", self.0.get(what).copied().unwrap_or(0)));
        f.write_str(&all.join(", "))
    }
}
