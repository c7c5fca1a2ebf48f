//! Commands at work: somebody gives them, workers obey and answer, and now and then somebody else does in their name.

use pyqueue_core::clock::Clock;
use pyqueue_core::store::{NewCommand, Stand};

use crate::client::Client;
use crate::making::SECOND;
use crate::verbs::{Answer, Verb};
use crate::world::locked;

impl Client {
    fn clock(&self) -> String {
        self.process.identity.clone()
    }

    /// Gives workers a command: those that obey, now and then one that does not or has left.
    pub fn command(&mut self) -> Option<()> {
        let obedient = self.quietly("asks who obeys", |store| store.obedient())?;
        let obedient: Vec<i64> = obedient.into_iter().map(|(worker, _)| worker).collect();
        let last = {
            let book = locked(&self.process.world.book);
            let known: Vec<i64> = book.model.obeys.iter().copied().collect();
            if !self.behind(&book) && obedient != known {
                drop(book);
                self.wrong("who obeys", obedient, known);
                return None;
            }
            book.model.last_worker
        };
        let dice = &mut self.dice;
        let mut workers = obedient;
        workers.retain(|_| !dice.one_in(6));
        let other = 1 + dice.below(last as u64) as i64;
        if dice.one_in(6) && !workers.contains(&other) {
            workers.push(other);
        }
        if workers.is_empty() {
            return None;
        }
        let command = NewCommand {
            name: "resize".into(),
            arguments: b"{}".to_vec(),
            target: "some".into(),
            author: "the keeper".into(),
            asks: self.dice.one_in(3),
            expires_us: *self.dice.pick(&[SECOND / 2, 200 * SECOND, 4_000 * SECOND]),
        };
        let clock = self.clock();
        self.ask(Verb::Give(command, workers, clock)).map(drop)
    }

    /// A worker looks for what it is to do, and does some of it.
    pub fn serve(&mut self) -> Option<()> {
        if self.dice.one_in(5) {
            return self.meddle();
        }
        let worker = self.worker?;
        if !locked(&self.process.world.book).model.obeys.contains(&worker) {
            self.ask(Verb::Obey(worker))?;
        }
        while !self.begun.is_empty() && !self.dice.one_in(3) {
            let command = self.begun.swap_remove(0);
            self.reply(command, worker)?;
        }
        // Judged by the clock, and that goes on.
        let before = self.process.boot_us();
        let open = self.quietly("asks what to do", |store| store.open_commands(worker))?;
        let open: Vec<(i64, bool)> = open.into_iter().map(|each| (each.id, each.asks)).collect();
        {
            let clock = self.clock();
            let book = locked(&self.process.world.book);
            let known = |boot| book.model.open(worker, &clock, boot);
            let told: Vec<i64> = open.iter().map(|(command, _)| *command).collect();
            let (first, last) = (known(before), known(self.process.boot_us()));
            if !self.behind(&book) && told != first && told != last {
                drop(book);
                self.wrong("what to do", told, first);
                return None;
            }
        }
        for (command, asks) in open {
            if asks {
                self.reply(command, worker)?;
            } else if self.begin(command, worker)? == Answer::Flag(true) {
                self.begun.push(command);
            }
        }
        Some(())
    }

    fn begin(&mut self, command: i64, worker: i64) -> Option<Answer> {
        let clock = self.clock();
        self.perhaps_dying(Verb::Begin(command, worker, clock))
    }

    fn reply(&mut self, command: i64, worker: i64) -> Option<()> {
        let (ok, clock) = (!self.dice.one_in(3), self.clock());
        self.perhaps_dying(Verb::Reply(command, worker, ok, clock)).map(drop)
    }

    fn perhaps_dying(&mut self, verb: Verb) -> Option<Answer> {
        let frail = self.dice.one_in(6);
        self.at_place(|state, me| state.places[me].frail = frail);
        let told = self.ask(verb);
        self.at_place(|state, me| state.places[me].frail = false);
        told.map(|told| told.answer)
    }

    /// Somebody takes up or answers any command for any worker: one that it is not for, a second time, too late.
    fn meddle(&mut self) -> Option<()> {
        let (commands, workers) = {
            let model = &locked(&self.process.world.book).model;
            (model.commands.len() as u64, model.last_worker as u64)
        };
        if commands == 0 {
            return None;
        }
        // The newest are those that may still be open.
        let command = (commands - self.dice.below(commands.min(3))) as i64;
        let worker = 1 + self.dice.below(workers) as i64;
        if self.dice.one_in(2) {
            return self.reply(command, worker);
        }
        self.begin(command, worker).map(drop)
    }

    /// Reads the record of a command.
    pub fn record(&mut self) -> Option<()> {
        let commands = locked(&self.process.world.book).model.commands.len() as u64;
        if commands == 0 {
            return None;
        }
        let number = 1 + self.dice.below(commands) as i64;
        let before = self.process.boot_us();
        let view = self.quietly("reads a command", |store| store.command(number))??;
        let after = self.process.boot_us();
        let book = locked(&self.process.world.book);
        if self.behind(&book) {
            return None;
        }
        let stand = |worker: i64, state: i64, boot: i64| match state {
            2 => Stand::Ok,
            3 => Stand::Error,
            _ if !book.model.workers.contains(&worker) => Stand::Gone,
            0 if book.model.over(number, &self.process.identity, boot) => Stand::Expired,
            0 => Stand::Waiting,
            _ => Stand::Begun,
        };
        let known = |boot| -> Vec<(i64, Stand)> {
            let of = book.model.replies.range((number, 0)..(number + 1, 0));
            of.map(|((_, worker), (state, _))| (*worker, stand(*worker, *state, boot))).collect()
        };
        let told: Vec<(i64, Stand)> = view.answers.iter().map(|one| (one.owner, one.stand)).collect();
        let (first, last) = (known(before), known(after));
        drop(book);
        if told != first && told != last {
            self.wrong("the record", told, first);
        }
        Some(())
    }
}
