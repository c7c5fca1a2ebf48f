//! Random workflows against a reference: up to 500 jobs with any dependencies and conditions, that fail, are tried
//! again, lose their worker or are cancelled. Each job runs to one end or never, after all it waits for; nothing waits
//! for ever.

use std::collections::BTreeMap;

use super::*;
use crate::plan::{Member, Node, Plan, Run};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// How a job is to end, whenever it runs.
struct Fate {
    fails: bool,
    retries: u32,
    after: Vec<usize>,
    run: Run,
}

/// What the reference says of a job's end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Success,
    Failed,
    Skipped,
}

fn fates(dice: &mut Dice) -> Vec<Fate> {
    let most = if dice.one_in(20) { 500 } else { 40 };
    let count = 1 + dice.below(most);
    let reach = 1 + dice.below(30);
    let fate = |number: usize, dice: &mut Dice| {
        let mut after: Vec<usize> =
            (0..dice.below(4)).map(|_| number.saturating_sub(1 + dice.below(reach))).collect();
        after.retain(|before| *before < number);
        after.sort_unstable();
        after.dedup();
        let run = match dice.below(8) {
            0 => Run::Always,
            1 => Run::Failure,
            _ => Run::Success,
        };
        Fate { fails: dice.one_in(12), retries: if dice.one_in(6) { 1 } else { 0 }, after, run }
    };
    (0..count).map(|number| fate(number, dice)).collect()
}

/// Of each job a node that has its value, and of those with dependencies one that waits for them.
fn plan(fates: &[Fate]) -> Plan {
    let count = fates.len() as u32;
    let node = |inputs, list, run| Node { inputs, list, run, forwards: Vec::new() };
    let mut nodes = vec![node(count, true, Run::Success)];
    nodes.extend(
        (0..count).map(|number| Node { forwards: vec![(0, number)], ..node(1, false, Run::Success) }),
    );
    let mut jobs = Vec::new();
    for (number, fate) in fates.iter().enumerate() {
        let mut after = None;
        if !fate.after.is_empty() {
            let own = nodes.len() as u32;
            nodes.push(node(fate.after.len() as u32, true, fate.run));
            for (position, before) in (0..).zip(&fate.after) {
                nodes[before + 1].forwards.push((own, position));
            }
            after = Some(own);
        }
        let task = number.to_string();
        let job = NewJob { max_losses: 1_000, ..job(&task) };
        jobs.push(Member {
            job,
            after,
            delay_us: None,
            lifetime_us: None,
            fills: (number as u32 + 1, 0),
            undo: None,
        });
    }
    Plan { name: Some("w".into()), nodes, jobs }
}

/// How each job ends if nobody interferes.
fn expected(fates: &[Fate]) -> Vec<End> {
    let mut ends: Vec<End> = Vec::with_capacity(fates.len());
    for fate in fates {
        let any = |end| fate.after.iter().any(|before| ends[*before] == end);
        let ran = if fate.fails { End::Failed } else { End::Success };
        let first = fate.after.is_empty();
        ends.push(match fate.run {
            Run::Success if any(End::Failed) => End::Failed,
            Run::Success if any(End::Skipped) => End::Skipped,
            Run::Failure if !first && !any(End::Failed) => End::Skipped,
            _ => ran,
        });
    }
    ends
}

/// A run of one workflow, with what was seen of it.
struct Trial {
    bench: Bench,
    dice: Dice,
    fates: Vec<Fate>,
    workers: Vec<i64>,
    running: Vec<ClaimedJob>,
    /// How each job that ran ended.
    ends: BTreeMap<usize, bool>,
    cancelled: bool,
}

fn number(job: &ClaimedJob) -> usize {
    job.task.parse().unwrap()
}

impl Trial {
    fn new(seed: u64) -> (Trial, Vec<String>) {
        let mut dice = Dice(seed);
        let fates = fates(&mut dice);
        let bench = bench();
        let workers = vec![bench.join(), bench.join()];
        let ids = bench.store.enqueue_plan(plan(&fates)).unwrap().into_iter().map(|job| job.id).collect();
        let trial = Trial {
            bench,
            dice,
            fates,
            workers,
            running: Vec::new(),
            ends: BTreeMap::new(),
            cancelled: false,
        };
        (trial, ids)
    }

    /// What a child sees that is given this job.
    fn check(&self, job: &ClaimedJob) -> std::result::Result<(), String> {
        let own = number(job);
        if self.ends.contains_key(&own) {
            return Err(format!("{own} runs again after its end"));
        }
        let inputs = self.bench.store.inputs(job.row, 0, 500).unwrap();
        if inputs.len() != self.fates[own].after.len() {
            return Err(format!("{own} has {} inputs", inputs.len()));
        }
        for (before, input) in self.fates[own].after.iter().zip(inputs) {
            let value = input.value.map(|value| String::from_utf8(value.body).unwrap());
            match self.ends.get(before) {
                Some(true) if value.as_deref() == Some(&before.to_string()) => {}
                Some(true) => return Err(format!("{own} takes {value:?} of {before}")),
                _ if input.state.is_none() => return Err(format!("{own} runs before {before} has ended")),
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        let count = 1 + self.dice.below(self.running.len());
        let mut ends = Vec::new();
        for _ in 0..count.min(self.running.len()) {
            let job = self.running.swap_remove(self.dice.below(self.running.len()));
            let own = number(&job);
            let outcome = if job.retries < self.fates[own].retries {
                retry(self.dice.below(2) as i64)
            } else if self.fates[own].fails {
                Outcome::Failure(Failure { error: "E".into(), ..Failure::default() })
            } else {
                Outcome::Success(Some(Payload { content_type: None, body: own.to_string().into_bytes() }))
            };
            if !matches!(outcome, Outcome::Retry { .. }) {
                self.ends.insert(own, !self.fates[own].fails);
            }
            ends.push(finish_of(&job, outcome));
        }
        let worker = self.workers[self.dice.below(2)];
        let next = self.dice.one_in(2).then(|| ask(worker, 1 + self.dice.below(8)));
        let (answers, claimed) = self.bench.store.finish(ends, next).unwrap();
        assert!(answers.iter().all(|answer| *answer == Finished::Done));
        self.running.extend(claimed.jobs);
    }

    /// A worker dies with all it holds, and maybe with the process that had the file open.
    fn kill(&mut self) {
        let which = self.dice.below(2);
        let dead = self.workers[which];
        let held: Vec<ClaimedJob> = std::mem::take(&mut self.running);
        self.bench.store.reap(dead, Evidence::None, "signal 9").unwrap();
        for job in held {
            // Those of the other one are extended; those of the dead one are not.
            if self.bench.store.extend(job.row, job.token, 1_000_000_000).is_ok() {
                self.running.push(job);
            }
        }
        self.workers[which] = self.bench.join();
        if self.dice.one_in(2) {
            self.bench.store.close();
        }
    }

    fn run(&mut self, cancels: bool) -> std::result::Result<(), String> {
        let mut idle = 0;
        while idle < 5 {
            match self.dice.below(12) {
                0 => self.kill(),
                1 if cancels && self.dice.one_in(6) => {
                    self.bench.store.cancel_workflow("w").unwrap();
                    self.cancelled = true;
                }
                1 => self.bench.env.pass(2.0),
                2 => while self.bench.store.upkeep().unwrap().more {},
                3..=6 => {
                    let limit = 1 + self.dice.below(10);
                    let claimed = self.bench.claim(self.workers[self.dice.below(2)], limit);
                    if self.cancelled && claimed.iter().any(|job| job.attempt == 1) {
                        return Err("a job starts after its workflow was cancelled".into());
                    }
                    for job in &claimed {
                        self.check(job)?;
                    }
                    idle = if claimed.is_empty() && self.running.is_empty() { idle + 1 } else { 0 };
                    // Nothing is left but what waits for its time.
                    self.bench.env.pass(if idle > 1 { 2.0 } else { 0.0 });
                    self.running.extend(claimed);
                }
                _ if self.running.is_empty() => {}
                _ => self.finish(),
            }
        }
        Ok(())
    }
}

/// What is wrong with the run of a seed.
fn trouble(seed: u64, cancels: bool) -> Option<String> {
    let (mut trial, ids) = Trial::new(seed);
    if let Err(wrong) = trial.run(cancels) {
        return Some(wrong);
    }
    let wrong = trial.bench.store.examine().unwrap();
    if !wrong.is_empty() {
        return Some(wrong.join(", "));
    }
    let left = trial.bench.sql("SELECT count(*) FROM pyqueue_job WHERE mark<>2");
    if left > 0 {
        let open = ids.iter().find(|id| !trial.bench.store.view(id).unwrap().state.ended());
        let why = open.map(|id| (trial.bench.state(id), trial.bench.store.why(id).unwrap()));
        return Some(format!("{left} jobs wait for ever, one of them {why:?}"));
    }
    let root = trial.bench.store.workflows(1).unwrap().remove(0);
    let expected = expected(&trial.fates);
    if trial.cancelled {
        return (root.ended_us.is_none()).then(|| "a cancelled workflow has no end".into());
    }
    let good = expected.iter().all(|end| *end != End::Failed);
    if root.state != if good { "success" } else { "failed" } {
        return Some(format!("the workflow is {}, good is {good}", root.state));
    }
    for (number, (id, end)) in ids.iter().zip(&expected).enumerate() {
        let seen = match trial.bench.state(id) {
            "success" => End::Success,
            "cancelled" => End::Skipped,
            _ => End::Failed,
        };
        if seen != *end {
            return Some(format!("{number} is {seen:?} and not {end:?}"));
        }
    }
    None
}

#[test]
fn a_thousand_workflows_end_as_the_reference_says() {
    for seed in 0..1_000 {
        assert_eq!(trouble(seed, seed % 4 == 0), None, "seed {seed}");
    }
}

#[test]
fn control_each_fault_is_noticed() {
    for mutant in [Mutant::OnlySuccessFills, Mutant::DecidedOneEarly, Mutant::RestForgotten] {
        let noticed = (0..120).any(|seed| mutants::with(mutant, || trouble(seed, false)).is_some());
        // No workflow here lets 500 jobs start at once.
        assert_eq!(noticed, mutant != Mutant::RestForgotten, "{mutant:?}");
    }
}
