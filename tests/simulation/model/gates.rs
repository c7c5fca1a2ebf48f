//! Gates: why jobs wait, and how fast those go that an open one lets out.

use std::collections::{BTreeMap, BTreeSet};

use pyqueue_core::id::SEQUENCE_BITS;
use pyqueue_core::store::Scope;

use super::{Job, Model, Place};

/// What a gate with a rate has not let out in so long is not made up for.
pub const WINDOW: i64 = 1_000_000;

/// A reason for which jobs wait. A new one has the number behind the highest that is there.
#[derive(Debug, Clone)]
pub struct Gate {
    pub scope: Scope,
    /// It is no pause: a worker that met a job did not know its task.
    pub lack: bool,
    pub shut: bool,
    /// One job goes in so long.
    pub rate: Option<i64>,
    /// From when on the next one may.
    pub turn: i64,
}

/// As the file has one: whether it is a lack, what it is about, shut, rate, turn.
pub type GateRow = (bool, String, String, bool, Option<i64>, i64);

/// What a scope is called.
pub fn named(scope: &Scope) -> (String, String) {
    match scope {
        Scope::Task(name) => ("task".into(), name.clone()),
        Scope::Queue(name) => ("queue".into(), name.clone()),
        Scope::Fits(pattern) => ("fits".into(), pattern.words()),
    }
}

/// The programs' patterns are names, or beginnings of names and a star.
pub fn like(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}

/// Whether a scope is about a job of this task, queue and dedup key.
pub fn about(scope: &Scope, task: &str, queue: &str, key: Option<&str>) -> bool {
    match scope {
        Scope::Task(name) => name == task,
        Scope::Queue(name) => name == queue,
        Scope::Fits(pattern) => {
            pattern.task.as_ref().is_none_or(|pattern| like(pattern, task))
                && pattern.queue.as_ref().is_none_or(|pattern| like(pattern, queue))
                && pattern.key.as_ref().is_none_or(|pattern| key.is_some_and(|key| like(pattern, key)))
        }
    }
}

/// Whether a scope asks in which queue a job is.
pub fn by_queue(scope: &Scope) -> bool {
    match scope {
        Scope::Task(_) => false,
        Scope::Queue(_) => true,
        Scope::Fits(pattern) => pattern.queue.is_some(),
    }
}

impl Gate {
    pub fn row(&self) -> GateRow {
        let (kind, name) = named(&self.scope);
        (self.lack, kind, name, self.shut, self.rate, self.turn)
    }
}

impl Model {
    /// The number of a gate, if there is one.
    fn number(&self, scope: &Scope, lack: bool) -> Option<i64> {
        let same = |gate: &Gate| gate.lack == lack && gate.scope == *scope;
        self.gates.iter().find_map(|(number, gate)| same(gate).then_some(*number))
    }

    /// The number of a gate, made if it is new.
    fn enter(&mut self, scope: &Scope, lack: bool) -> i64 {
        if let Scope::Queue(name) = scope {
            self.queue(name);
        }
        self.number(scope, lack).unwrap_or_else(|| {
            let number = self.gates.keys().next_back().copied().unwrap_or(0) + 1;
            self.gates.insert(number, Gate { scope: scope.clone(), lack, shut: lack, rate: None, turn: 0 });
            number
        })
    }

    pub fn gate(&self, number: i64) -> &Gate {
        &self.gates[&number]
    }

    fn gate_mut(&mut self, number: i64) -> &mut Gate {
        self.gates.get_mut(&number).expect("jobs and claims name gates that are there")
    }

    /// Drops pauses that are open, have no rate and keep nobody.
    pub fn tidy(&mut self) {
        let keeping = self.keeping();
        self.gates
            .retain(|number, gate| gate.lack || gate.shut || gate.rate.is_some() || keeping.contains(number));
    }

    /// The gates that keep somebody.
    pub fn keeping(&self) -> BTreeSet<i64> {
        let behind = |job: &Job| if let Place::Behind(number) = job.place { Some(number) } else { None };
        self.jobs.values().filter_map(behind).collect()
    }

    pub fn pause(&mut self, scope: &Scope) {
        let number = self.enter(scope, false);
        self.gate_mut(number).shut = true;
    }

    /// Opens a gate; whether that changed anything.
    pub fn let_out(&mut self, scope: &Scope, rate: Option<i64>) -> bool {
        if rate.is_some() {
            self.enter(scope, false);
        }
        let now = self.now;
        let Some(number) = self.number(scope, false) else { return false };
        let gate = self.gate_mut(number);
        let changes = gate.shut || gate.rate != rate;
        if changes {
            (gate.shut, gate.rate, gate.turn) = (false, rate, now);
        }
        changes
    }

    pub fn meter(&mut self, scope: &Scope, rate: Option<i64>) {
        let (number, now) = (self.enter(scope, false), self.now);
        let gate = self.gate_mut(number);
        if gate.rate != rate {
            (gate.rate, gate.turn) = (rate, now);
        }
    }

    /// Gates that somebody may want to open.
    pub fn closed(&self) -> Vec<Scope> {
        let wanted = self.gates.values().filter(|gate| !gate.lack && (gate.shut || gate.rate.is_some()));
        wanted.map(|gate| gate.scope.clone()).collect()
    }

    pub fn is_about(&self, scope: &Scope, job: &Job) -> bool {
        let queue = &self.queues[(job.band >> 8) as usize - 1];
        about(scope, &job.new.task, queue, job.new.dedup_key.as_deref())
    }

    pub fn paused_queue(&self, name: &str) -> bool {
        let shut = |gate: &Gate| gate.shut && matches!(&gate.scope, Scope::Queue(queue) if queue == name);
        self.gates.values().any(shut)
    }

    fn paused_task(&self, name: &str) -> bool {
        let shut =
            |gate: &Gate| gate.shut && !gate.lack && matches!(&gate.scope, Scope::Task(task) if task == name);
        self.gates.values().any(shut)
    }

    /// The gate that keeps a job from starting: first the one of its task.
    pub fn in_the_way(&self, job: &Job) -> Option<i64> {
        let of = |task: bool| {
            self.gates.iter().find_map(|(number, gate)| {
                let kind = match gate.scope {
                    Scope::Task(_) => task,
                    Scope::Queue(_) => false,
                    Scope::Fits(_) => !task,
                };
                let keeps = kind && gate.shut && !gate.lack && self.is_about(&gate.scope, job);
                keeps.then_some(*number)
            })
        };
        of(true).or_else(|| of(false))
    }

    /// The gate of those whose task some worker did not know.
    pub fn lack(&mut self, task: &str) -> i64 {
        self.enter(&Scope::Task(task.to_owned()), true)
    }

    /// Whether a claim may take from a gate's list.
    pub fn is_open(&self, number: i64, known: impl Fn(&str) -> bool) -> bool {
        let gate = self.gate(number);
        match &gate.scope {
            Scope::Task(task) if gate.lack => known(task) && !self.paused_task(task),
            _ => !gate.shut,
        }
    }

    /// The turns of the open gates with a rate, as a claim finds them. Who was late is made up for where somebody had been
    /// waiting, and no turn is further away than one rate: then the clock was set back.
    pub fn turns_now(&mut self) -> BTreeMap<i64, i64> {
        let mut turns = BTreeMap::new();
        for (number, gate) in &mut self.gates {
            let Some(rate) = gate.rate.filter(|_| !gate.shut) else { continue };
            let window = if self.waited.contains(number) { WINDOW } else { 0 };
            let turn = gate.turn.max(self.now - window).min(self.now + rate);
            gate.turn = gate.turn.min(turn);
            turns.insert(*number, turn);
        }
        turns
    }

    /// Whether one that waits at this gate has no turn by now.
    pub fn has_no_turn(&self, number: i64, turns: &BTreeMap<i64, i64>) -> bool {
        turns.get(&number).is_some_and(|turn| *turn > self.now)
    }

    /// The open gates with a rate that a job goes through, in their order.
    pub fn rated(&self, job: &Job, turns: &BTreeMap<i64, i64>) -> Vec<i64> {
        turns.keys().copied().filter(|number| self.is_about(&self.gate(*number).scope, job)).collect()
    }

    /// A job goes through these.
    pub fn pass(&mut self, gates: &[i64], turns: &mut BTreeMap<i64, i64>) {
        for number in gates {
            let Some(turn) = turns.get_mut(number) else { continue };
            let gate = self.gate_mut(*number);
            *turn += gate.rate.unwrap_or(0);
            gate.turn = *turn;
        }
    }

    /// A job at its own place is set aside: behind it may be more of its task, which go with it.
    pub fn begin_run(&mut self, row: i64, gate: i64) {
        let named = !matches!(self.gate(gate).scope, Scope::Fits(_));
        let job = &self.jobs[&row];
        if named && job.at == row && job.place == Place::Ready {
            self.runs.insert((row >> SEQUENCE_BITS, job.new.task.clone(), gate));
        }
    }

    /// Whether a job may have gone behind a gate with others of its task.
    pub fn may_be_of_run(&self, row: i64, gate: i64) -> bool {
        let job = &self.jobs[&row];
        let stands = match job.place {
            Place::Ready => true,
            Place::Behind(other) => other != gate,
            _ => false,
        };
        stands
            && job.at == row
            && self
                .runs
                .iter()
                .any(|(band, task, of)| (*band, *of) == (row >> SEQUENCE_BITS, gate) && *task == job.new.task)
    }

    /// Forgets runs that nothing can be part of.
    pub fn end_runs(&mut self) {
        let runs = std::mem::take(&mut self.runs);
        let (gates, rows): (BTreeSet<i64>, Vec<i64>) =
            (runs.iter().map(|(_, _, gate)| *gate).collect(), self.jobs.keys().copied().collect());
        self.runs = runs;
        if !rows.iter().any(|row| gates.iter().any(|gate| self.may_be_of_run(*row, *gate))) {
            self.runs.clear();
        }
    }

    /// How many wait at a gate that is open and has a rate, and at one that is shut for a pattern.
    pub fn kept(&self) -> (u64, u64) {
        let (mut turn, mut shut) = (0, 0);
        for job in self.jobs.values() {
            let Place::Behind(number) = job.place else { continue };
            let gate = self.gate(number);
            turn += u64::from(!gate.shut && gate.rate.is_some());
            shut += u64::from(gate.shut && matches!(gate.scope, Scope::Fits(_)));
        }
        (turn, shut)
    }
}
