//! The book of a seed: every answer is compared with the reference's in the order of the commits. What a killed
//! process was doing may have happened or not; a look at the file decides, and only one of the two may fit.

use std::collections::BTreeMap;

use pyqueue_core::id::{PublicId, RowId};
use pyqueue_core::job::{ClaimedJob, Enqueued};

use crate::model::Model;
use crate::promises::Promises;
use crate::seen;
use crate::verbs::{Answer, Told, Verb};
use crate::vfs::Disk;

/// One look in so many transactions, where nothing is in doubt.
const LOOKS: u64 = 60;

struct Doubt {
    verb: Verb,
    now: i64,
    boot: i64,
}

#[derive(Default)]
pub struct Book {
    pub model: Model,
    pub promises: Promises,
    /// The reference before the first thing in doubt.
    base: Option<Model>,
    doubts: Vec<Doubt>,
    /// A look has decided since the last death.
    settled: bool,
    /// What each process asks, and whether it may have been kept out by a newer build when it began.
    current: BTreeMap<usize, (Verb, bool)>,
    transactions: u64,
    /// Whoever traces a seed may want the first difference.
    often: bool,
    /// Every claim there was: row and token.
    pub tokens: Vec<(RowId, i64)>,
    /// What the reference knows grows old from here on.
    pub over: bool,
    pub looks: u64,
    pub doubted: u64,
}

impl Book {
    /// An empty book. `often`: look at the file in every transaction.
    pub fn new(often: bool) -> Book {
        Book { often, ..Book::default() }
    }

    /// A process asks.
    pub fn begin(&mut self, process: usize, verb: &Verb) {
        self.current.insert(process, (verb.clone(), self.may_be_newer()));
    }

    /// A process is killed. `moment`: its transaction's clocks, if it has appended anything to the WAL.
    pub fn died(&mut self, process: usize, moment: Option<(i64, i64)>) {
        let Some((verb, _)) = self.current.remove(&process) else { return };
        let Some((now, boot)) = moment else { return };
        // It may have put delayed jobs in line.
        self.promises.saw(now);
        if let Verb::Settle(id, true) = &verb {
            self.promises.let_start(self.model.row(id));
        }
        self.promises.gates.died(&verb);
        self.promises.tally.died(&verb);
        self.base.get_or_insert_with(|| self.model.clone());
        self.doubts.push(Doubt { verb, now, boot });
        self.settled = false;
        self.doubted += 1;
    }

    /// A process has let go of the write lock. A reader that has written has taken receipts in, or tried to: the next
    /// look tells. True if it may have.
    pub fn let_go(&mut self, process: usize, moment: Option<(i64, i64)>, wrote: bool) -> bool {
        let reads = self.current.get(&process).map(|(verb, _)| verb.clone());
        let reads = reads.filter(|verb| wrote && matches!(verb, Verb::Fold | Verb::TakeIn));
        let moment = moment.filter(|_| reads.is_some());
        if let (Some((now, boot)), Some(verb)) = (moment, reads) {
            // It may have put delayed jobs in line.
            self.promises.saw(now);
            self.base.get_or_insert_with(|| self.model.clone());
            // On a full disk readers try again and again, and once one had room the next has nothing to do: of many in
            // a row it is the first that has done it, or the last.
            let folds = |doubt: &&Doubt| matches!((&doubt.verb, &verb), (Verb::Fold, Verb::Fold));
            if self.doubts.iter().rev().take_while(folds).count() > 1 {
                self.doubts.pop();
            }
            self.doubts.push(Doubt { verb, now, boot });
            self.settled = false;
        }
        moment.is_some()
    }

    /// A reader has come back.
    pub fn forget(&mut self, process: usize) {
        self.current.remove(&process);
    }

    /// An answer has come. `wrote`: something was appended to the WAL.
    pub fn end(
        &mut self,
        process: usize,
        told: &Told,
        moment: Option<(i64, i64)>,
        wrote: bool,
    ) -> Result<(), String> {
        let Some((verb, newer)) = self.current.remove(&process) else { return Ok(()) };
        if matches!(told.answer, Answer::Busy | Answer::Full) {
            return Ok(());
        }
        let Some((now, boot)) = moment else {
            // Refused before it came to a transaction: when it opened the file.
            let kept_out = told.answer == Answer::Refused && (newer || self.may_be_newer());
            return if kept_out {
                Ok(())
            } else {
                Err(format!("{verb:?} without a transaction: {:?}", told.answer))
            };
        };
        if wrote && self.in_doubt() && !self.settled {
            return Err("something was written before a look could decide what was in doubt".into());
        }
        let yielding = self.model.yielding();
        let foretold = self.model.apply(&verb, now, boot);
        let answer = told.answer(|id| self.model.aliases.get(id).copied());
        if answer != foretold {
            return Err(format!(
                "{verb:?} at {now}/{boot} answered {answer:?}, the reference says {foretold:?}"
            ));
        }
        if let Answer::Rows(_) | Answer::Sent(_) = answer {
            // What was sent before may have no name any more.
            let named = |one: &&Enqueued| one.created || matches!(answer, Answer::Rows(_));
            told.ids.iter().filter(named).try_for_each(|one| self.learn_id(one))?;
        }
        told.jobs.iter().try_for_each(|job| self.learn_job(job))?;
        self.promises.yielding = yielding;
        self.promises.hold(&verb, &answer, now, &self.model)?;
        if wrote {
            // What was in doubt is overwritten, or part of what this transaction has seen.
            self.base = None;
            self.doubts.clear();
        }
        Ok(())
    }

    fn learn_id(&mut self, one: &Enqueued) -> Result<(), String> {
        let Some(row) =
            self.model.aliases.get(&one.id).copied().or_else(|| PublicId::parse(&one.id).map(|id| id.row.0))
        else {
            return Err(format!("the id {one:?} names nothing"));
        };
        self.learn(row, &one.id, one.created)
    }

    fn learn(&mut self, row: i64, id: &str, own: bool) -> Result<(), String> {
        let Some(job) = self.model.jobs.get_mut(&row) else { return Err(format!("{id} names no job")) };
        // A name under which a later call has met the job is answered to whoever uses it, and is not the job's id.
        if !own && self.model.aliases.get(id) == Some(&row) {
            return Ok(());
        }
        let known = job.id.get_or_insert_with(|| id.to_owned());
        if *known == id { Ok(()) } else { Err(format!("row {row} was called {known} and now {id}")) }
    }

    fn learn_job(&mut self, job: &ClaimedJob) -> Result<(), String> {
        self.learn(job.row.0, &job.id, true)?;
        let known = &self.model.jobs[&job.row.0];
        let fits = job.task == known.new.task
            && job.queue == known.new.queue
            && job.priority == known.new.priority
            && job.payload == known.new.payload
            && job.retries == known.retries;
        if fits { Ok(()) } else { Err(format!("{job:?} was enqueued as {known:?}")) }
    }

    /// Whether somebody who has just got the write lock should look at the file.
    pub fn wants_a_look(&mut self) -> bool {
        self.transactions += 1;
        let some = self.is_behind() || self.often || self.transactions.is_multiple_of(LOOKS);
        some && !self.over
    }

    /// Whether a newer build may keep ours out.
    pub fn may_be_newer(&self) -> bool {
        self.model.newer || self.in_doubt()
    }

    /// Whether the reference may be behind the file.
    pub fn in_doubt(&self) -> bool {
        !self.doubts.is_empty()
    }

    /// Whether a look would tell the reference something.
    pub fn is_behind(&self) -> bool {
        self.in_doubt() || !self.model.runs.is_empty()
    }

    /// Compares the whole file, and decides what is in doubt; false if somebody is in the way.
    pub fn look(&mut self, disk: &Disk) -> Result<bool, String> {
        let Some(seen) = seen::look(disk) else { return Ok(!self.is_behind()) };
        self.looks += 1;
        self.settled = true;
        let Some(base) = &self.base else {
            self.model.compare(&seen)?;
            self.model.learn(&seen);
            return Ok(true);
        };
        let mut wrong = Vec::new();
        for chosen in 0..1_u32 << self.doubts.len() {
            let mut model = base.clone();
            for (at, doubt) in self.doubts.iter().enumerate() {
                if chosen >> at & 1 == 1 {
                    model.apply(&doubt.verb, doubt.now, doubt.boot);
                }
            }
            match model.compare(&seen) {
                Ok(()) => {
                    model.learn(&seen);
                    self.model = model;
                    return Ok(true);
                }
                Err(difference) => wrong.push(difference),
            }
        }
        let verbs: Vec<&Verb> = self.doubts.iter().map(|doubt| &doubt.verb).collect();
        Err(format!("{verbs:?} happened in part: {wrong:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::making::{Scene, jobs};
    use pyqueue_core::job::{Dedup, NewJob};

    #[test]
    fn a_name_that_a_later_call_gave_is_not_a_jobs_own_id() {
        let mut book = Book::default();
        let any = jobs(&mut Dice::new(1), Scene { now: 0, queues: 0 }, 1).remove(0);
        let first = NewJob { dedup_key: Some("k".into()), dedup: Dedup::Return, alias: None, ..any };
        let second = NewJob { alias: Some("own".into()), ..first.clone() };
        let Answer::Rows(rows) = book.model.apply(&Verb::Enqueue(vec![first, second]), 0, 0) else {
            panic!()
        };
        let row = rows[0].0;
        assert_eq!(rows[1], (row, false));
        book.learn(row, "own", false).unwrap();
        book.learn(row, "its own id", true).unwrap();
        assert!(book.learn(row, "another", true).is_err());
        assert!(book.learn(row, "another", false).is_err());
    }
}
