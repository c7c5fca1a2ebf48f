//! Half messages and producers at work.

use pyqueue_core::store::Parcel;

use crate::client::Client;
use crate::making::{SECOND, jobs};
use crate::model::Place;
use crate::verbs::{Answer, Verb};
use crate::world::locked;

const PRODUCERS: [&str; 2] = ["p0", "p1"];

impl Client {
    pub fn prepare(&mut self) -> Option<()> {
        if self.crowded() {
            return None;
        }
        let scene = self.scene();
        let job = jobs(&mut self.dice, scene, 1).remove(0);
        let mut question = jobs(&mut self.dice, scene, 1).remove(0);
        question.errbacks.clear();
        let pause = *self.dice.pick(&[1, 20, 600, 9_000]) * SECOND;
        self.ask(Verb::Prepare(Box::new((job, question)), pause)).map(drop)
    }

    /// Settles one; now and then one that is not prepared.
    pub fn settle(&mut self) -> Option<()> {
        let halves: Vec<String> = {
            let model = &locked(&self.process.world.book).model;
            model.halves.keys().filter_map(|row| model.jobs[row].id.clone()).collect()
        };
        let id = if halves.is_empty() || self.dice.one_in(6) {
            self.some_id()?
        } else {
            self.dice.pick(&halves).clone()
        };
        let commit = !self.dice.one_in(3);
        self.ask(Verb::Settle(id, commit)).map(drop)
    }

    /// Settles all that are left.
    pub fn settle_all(&mut self) -> Option<()> {
        loop {
            let id = {
                let model = &locked(&self.process.world.book).model;
                let first = model.jobs.values().find(|job| job.place == Place::Prepared);
                first.map(|job| job.id.clone())
            };
            match id {
                None => return Some(()),
                Some(id) => {
                    let commit = self.dice.one_in(2);
                    self.ask(Verb::Settle(id?, commit))?;
                }
            }
        }
    }

    /// Sends the next of a producer, or repeats, or leaves a gap; or opens it.
    pub fn send(&mut self) -> Option<()> {
        let name = (*self.dice.pick(&PRODUCERS)).to_owned();
        let Some((epoch, next)) = self.producers.get(&name).copied().filter(|_| !self.dice.one_in(12)) else {
            let opened = self.ask(Verb::OpenProducer(name.clone()))?.answer;
            if let Answer::Producer(epoch, sequence, _) = opened {
                self.producers.insert(name, (epoch, sequence + 1));
            }
            return Some(());
        };
        if self.crowded() {
            return None;
        }
        let scene = self.scene();
        let mut sent = jobs(&mut self.dice, scene, 3);
        let first = match self.dice.below(8) {
            0 => next + 1,
            1 | 2 => (next - 1 - self.dice.below(3) as i64).max(1),
            _ => next,
        };
        for (number, job) in (first..).zip(&mut sent) {
            // Without an id of its own a repetition is known by its number alone.
            job.alias = self.dice.one_in(2).then(|| format!("{name}-{number}"));
        }
        let position = self.dice.one_in(2).then(|| first.to_le_bytes().to_vec());
        let after = first + sent.len() as i64;
        match self.ask(Verb::Send(Parcel { name: name.clone(), epoch, first, jobs: sent, position }))?.answer
        {
            Answer::Sent(_) => drop(self.producers.insert(name, (epoch, next.max(after)))),
            Answer::OutOfSequence(next) => drop(self.producers.insert(name, (epoch, next))),
            Answer::ProducerFenced => drop(self.producers.remove(&name)),
            _ => {}
        }
        Some(())
    }
}
