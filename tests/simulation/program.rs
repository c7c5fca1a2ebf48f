//! Random programs over the public verbs.

use std::collections::HashMap;
use std::sync::Arc;

use pyqueue_core::id::RowId;
use pyqueue_core::job::{Dedup, Finish, NewJob};
use pyqueue_core::store::Ask;

use crate::client::{Client, Trade};
use crate::composing::plan;
use crate::dice::Dice;
use crate::making::{QUEUES, SECOND, Scene, TASKS, beside, jobs, outcome, queue, spoil};
use crate::verbs::{Answer, Verb};
use crate::weather::Weather;
use crate::world::locked;

/// Above this many unfinished jobs nobody makes new ones.
const CROWD: usize = 50;

impl Client {
    /// Works until the budget is spent or it is killed.
    pub fn work(&mut self) {
        // Opens the file; many may do so at once.
        let opened = self.aside("opens", |store| store.queues());
        let tides = self.world().play.tides;
        self.at_place(|state, _| {
            if opened.is_some() && !state.made {
                let mut dice = state.dice.clone();
                state.weather = Weather::of(&mut dice, tides);
                state.made = true;
            }
        });
        while !self.dead() && self.world().state().budget > 0 {
            let _ = self.step();
            if self.dice.one_in(3) {
                let pause = self.dice.below(2) * 200_000 + self.dice.below(2_000);
                self.world().sleep(self.process.number, pause as i64);
            }
        }
    }

    pub fn scene(&self) -> Scene {
        let queues = locked(&self.world().book).model.queues.len() as u64;
        Scene { now: self.world().state().wall(), queues }
    }

    pub fn step(&mut self) -> Option<()> {
        if self.world().play.forks && self.dice.one_in(60) {
            return self.fork();
        }
        match (self.trade, self.dice.below(100)) {
            (Trade::Worker, 0..30) => self.claim(),
            (Trade::Worker, 30..72) => self.finish(),
            (Trade::Worker, 72..76) => self.extend(),
            (Trade::Worker, 76..84) => self.beat(),
            (Trade::Worker, 84..89) => self.reap(),
            (Trade::Worker, 89..94) => self.serve(),
            (Trade::Worker, 94) => self.part(),
            (Trade::Worker, 98..100) => self.finish_plainly(),
            (Trade::Worker, 95..98) if self.world().play.tides => self.set_aside().map(drop),
            (Trade::Worker, 95..97) => self.serve(),
            (Trade::Caller, 0..24) => self.enqueue(),
            (Trade::Caller, 24..30) => self.plan(),
            (Trade::Caller, 30..36) => self.tick(),
            (Trade::Caller, 36..42) => self.prepare(),
            (Trade::Caller, 42..47) => self.settle(),
            (Trade::Caller, 47..55) => self.send(),
            (Trade::Caller, 55..61) => self.about(Verb::Cancel),
            (Trade::Caller, 61..65) => self.about(Verb::Revoke),
            (Trade::Caller, 65..69) => self.about(Verb::Replay),
            (Trade::Caller, 69..74) => self.about(Verb::Forget),
            (Trade::Caller, 74..86) => self.watch(),
            (Trade::Caller, 86..90) => self.act(),
            (Trade::Caller, 90..94) => self.command(),
            (Trade::Keeper, 0..22) => self.rule(),
            (Trade::Keeper, 22..28) => self.act(),
            (Trade::Keeper, 28..31) => self.command(),
            (Trade::Keeper, 31..34) => {
                let scene = self.scene();
                let queue = queue(&mut self.dice, scene);
                self.ask(Verb::Purge(queue)).map(drop)
            }
            (Trade::Keeper, 34..55) => self.ask(Verb::Upkeep).map(drop),
            (Trade::Keeper, 55..65) => self.aside("checkpoints", |store| store.checkpoint().map(drop)),
            (Trade::Keeper, 65..75) => self.reap(),
            (Trade::Keeper, 75..80) => self.enqueue(),
            (Trade::Keeper, 80..85) => self.tick(),
            (Trade::Keeper, 85..92) if self.world().play.tides => self.set_aside().map(drop),
            (Trade::Foreign, 0..50) => self.foreign(),
            (Trade::Foreign, 50..60) if self.world().play.newer => self.newer(),
            _ => self.read(),
        }
    }

    pub fn crowded(&self) -> bool {
        locked(&self.world().book).model.jobs.values().filter(|job| job.live()).count() > CROWD
    }

    fn enqueue(&mut self) -> Option<()> {
        if self.crowded() {
            return None;
        }
        let scene = self.scene();
        let jobs = jobs(&mut self.dice, scene, 4);
        self.ask(Verb::Enqueue(jobs)).map(drop)
    }

    /// Jobs that wait for each other.
    fn plan(&mut self) -> Option<()> {
        if self.crowded() {
            return None;
        }
        let scene = self.scene();
        let plan = plan(&mut self.dice, scene);
        self.ask(Verb::Plan(Box::new(plan))).map(drop)
    }

    fn foreign(&mut self) -> Option<()> {
        if self.crowded() {
            return None;
        }
        let letters = self.letters(3);
        self.ask(Verb::Inbox(letters)).map(drop)
    }

    /// Jobs as other programs write them.
    fn letters(&mut self, most: u64) -> Vec<NewJob> {
        let scene = self.scene();
        let mut jobs = jobs(&mut self.dice, scene, most);
        for (at, job) in jobs.iter_mut().enumerate() {
            job.alias = Some(format!("foreign-{}-{at}", self.dice.next()));
            if job.dedup == Dedup::Refuse {
                job.dedup = Dedup::Return;
            }
            if self.dice.one_in(5) {
                spoil(&mut self.dice, job);
            }
        }
        jobs
    }

    /// Ends jobs in a transaction of its own, together with rows of its own and jobs to come.
    fn finish_plainly(&mut self) -> Option<()> {
        let mut ends: Vec<(RowId, i64)> = Vec::new();
        for _ in 0..1 + self.dice.below(2) {
            let Some((row, token)) = self.some_token() else { break };
            if ends.iter().all(|(other, _)| *other != row) {
                ends.push((row, token));
            }
        }
        let letters = if self.dice.one_in(2) || self.crowded() { Vec::new() } else { self.letters(2) };
        self.ask(Verb::Receipts(ends, letters)).map(drop)
    }

    /// A newer build comes by, and goes again sooner than it came.
    fn newer(&mut self) -> Option<()> {
        let there = locked(&self.process.world.book).model.newer;
        if there || self.dice.one_in(6) { self.ask(Verb::Newer(!there)).map(drop) } else { None }
    }

    fn about(&mut self, verb: fn(String) -> Verb) -> Option<()> {
        let id = self.some_id()?;
        self.ask(verb(id)).map(drop)
    }

    pub fn some_id(&mut self) -> Option<String> {
        let book = locked(&self.process.world.book);
        let ids: Vec<&String> = book.model.jobs.values().filter_map(|job| job.id.as_ref()).collect();
        let at = self.dice.below(ids.len().max(1) as u64) as usize;
        ids.get(at).map(|id| (*id).clone())
    }

    fn ask_for(&mut self) -> Option<Ask> {
        let owner = self.worker?;
        let dice = &mut self.dice;
        let some = |dice: &mut Dice, of: &[&str]| -> Vec<String> {
            of.iter().filter(|_| !dice.one_in(3)).map(|name| (*name).to_owned()).collect()
        };
        Some(Ask {
            owner,
            limit: 1 + dice.below(8) as usize,
            queues: dice.one_in(3).then(|| Arc::from(some(dice, &QUEUES))),
            tasks: dice.one_in(4).then(|| Arc::new(some(dice, &TASKS).into_iter().collect())),
            visibility_us: dice.one_in(4).then_some(2 * SECOND),
        })
    }

    fn claim(&mut self) -> Option<()> {
        if self.worker.is_none() {
            self.join()?;
        }
        let ask = self.ask_for()?;
        if self.ask(Verb::Claim(ask))?.answer == Answer::Fenced {
            self.worker = None;
        }
        Some(())
    }

    fn finish(&mut self) -> Option<()> {
        let scene = self.scene();
        let mut ends: Vec<Finish> = Vec::new();
        for _ in 0..1 + self.dice.below(6) {
            let Some((row, token)) = self.some_token() else { break };
            if ends.iter().all(|end| end.row != row) {
                let outcome = outcome(&mut self.dice);
                let then = if self.dice.one_in(12) && !self.crowded() {
                    jobs(&mut self.dice, scene, 2)
                } else {
                    Vec::new()
                };
                let beside = beside(&mut self.dice, scene);
                ends.push(Finish {
                    row,
                    token,
                    outcome,
                    started_us: Some(scene.now),
                    usage: None,
                    then,
                    beside,
                });
            }
        }
        if ends.is_empty() {
            return self.claim();
        }
        ends.sort_by_key(|end| end.row);
        // Where room may be short the store leaves the claim out: there it is asked for by itself.
        let ask = if !self.world().play.tides && self.dice.one_in(2) { self.ask_for() } else { None };
        if self.ask(Verb::Finish(ends, ask))?.answer == Answer::Fenced {
            self.worker = None;
        }
        Some(())
    }

    /// One of its own, or on purpose anybody's, however old.
    fn some_token(&mut self) -> Option<(RowId, i64)> {
        if self.dice.one_in(8) || self.held.is_empty() {
            let book = locked(&self.process.world.book);
            let at = self.dice.below(book.tokens.len().max(1) as u64) as usize;
            return book.tokens.get(at).copied();
        }
        let at = self.dice.below(self.held.len() as u64) as usize;
        Some(if self.dice.one_in(8) { self.held[at] } else { self.held.swap_remove(at) })
    }

    fn extend(&mut self) -> Option<()> {
        let (row, token) = self.some_token()?;
        self.held.push((row, token));
        if self.dice.one_in(2) {
            return self.ask(Verb::Progress(row, token)).map(drop);
        }
        let time = 1 + self.dice.below(40) as i64 * SECOND;
        self.ask(Verb::Extend(row, token, time)).map(drop)
    }

    fn beat(&mut self) -> Option<()> {
        let worker = self.worker?;
        if self.ask(Verb::Beat(worker, self.visibility))?.answer == Answer::Flag(false) {
            self.worker = None;
        }
        Some(())
    }

    fn part(&mut self) -> Option<()> {
        let worker = self.worker.take()?;
        self.held.clear();
        self.ask(Verb::Reap(worker, Some(HashMap::new()))).map(drop)
    }

    /// Takes back the jobs of a worker whose process has ended, or whose lease has run out.
    pub fn reap(&mut self) -> Option<()> {
        let own = self.worker;
        let workers = self.quietly("looks for the dead", |store| store.workers())?;
        for worker in workers.into_iter().filter(|worker| Some(worker.id) != own) {
            let (dead, rebooted, page) = {
                let pages = locked(&self.process.world.pages);
                let page = pages.get(&worker.id);
                let dead = page.is_some_and(|page| !self.process.world.alive(page.process));
                let rebooted = page.is_some_and(|page| page.identity != self.process.identity);
                (
                    dead,
                    rebooted,
                    page.map(|page| page.started.iter().map(|(row, charged)| (*row, *charged)).collect()),
                )
            };
            if rebooted && !worker.overdue {
                self.world().fail(format!("P6: worker {} of before the reboot is not overdue", worker.id));
            }
            if dead || worker.overdue {
                let evidence = if self.dice.one_in(3) { None } else { page };
                self.ask(Verb::Reap(worker.id, evidence))?;
            }
        }
        Some(())
    }
}
