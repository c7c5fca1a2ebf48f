//! The reference: what the verbs mean, as sets and rules over plain values. It foretells every answer and the
//! content of the whole file; it knows nothing of pages, locks or transactions.

mod claims;
mod commands;
mod ends;
mod enqueues;
mod gates;
mod halves;
mod many;
mod producers;
mod schedules;
mod state;
mod workflows;

pub use commands::{Command, CommandRow, Reply, SAID};
pub use gates::{Gate, GateRow, WINDOW, about, named};
pub use halves::Half;
pub use schedules::Standing;
use workflows::Node;

use std::collections::{BTreeMap, BTreeSet};

use pyqueue_core::job::{Dedup, Errback, NewJob, State};

use crate::verbs::{Answer, Verb};

/// Where a job is.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Ready,
    /// On the list of a gate.
    Behind(i64),
    Later(i64),
    /// Its sender has not spoken.
    Prepared,
    /// A node of its workflow is not complete.
    Held(i64),
    Leased {
        token: i64,
        owner: i64,
        deadline: Option<i64>,
    },
    Ended(State),
}

#[derive(Debug, Clone)]
pub struct Job {
    pub place: Place,
    /// Its place in the order.
    pub at: i64,
    pub band: i64,
    pub new: NewJob,
    /// Which input of which node its end fills.
    pub fills: Option<(i64, usize)>,
    pub attempts: u32,
    pub retries: u32,
    pub losses: u32,
    /// When it was stored.
    pub made: i64,
    /// The public id, once somebody has learnt it.
    pub id: Option<String>,
    pub forgotten: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Model {
    pub jobs: BTreeMap<i64, Job>,
    /// The last place given in each band.
    pub tails: BTreeMap<i64, i64>,
    /// Names in the order of their numbers, from 1.
    pub queues: Vec<String>,
    pub gates: BTreeMap<i64, Gate>,
    /// Those that kept somebody before this transaction.
    waited: BTreeSet<i64>,
    /// Jobs that the last claim may have set aside though it had no need to look at them: of a band, a task, behind a
    /// gate. A look tells.
    pub runs: BTreeSet<(i64, String, i64)>,
    /// Who has a key, and until when in any case.
    pub keys: BTreeMap<(i64, String), (i64, Option<i64>)>,
    pub aliases: BTreeMap<String, i64>,
    /// Workers that are not struck, in the order they came.
    pub workers: BTreeSet<i64>,
    pub last_worker: i64,
    /// Those of them that obey commands.
    pub obeys: BTreeSet<i64>,
    /// In the order of their numbers, from 1.
    pub commands: Vec<Command>,
    /// What each addressee of a command has come to, and said: by command and worker.
    pub replies: BTreeMap<(i64, i64), Reply>,
    pub token: i64,
    pub inbox: Vec<NewJob>,
    folding: bool,
    /// Ends that foreign connections have committed: token by row.
    pub receipts: BTreeMap<i64, i64>,
    /// What is known of those that are prepared.
    pub halves: BTreeMap<i64, Half>,
    /// Epoch, last sequence number and position, by name.
    pub producers: BTreeMap<String, (i64, i64, Option<Vec<u8>>)>,
    pub schedules: BTreeMap<String, Standing>,
    pub nodes: BTreeMap<i64, Node>,
    /// Nodes with an input that was filled just now.
    filled: BTreeSet<i64>,
    /// When the next retry of a task under a budget may begin to wait.
    pub turns: BTreeMap<String, i64>,
    /// Attempts that are to end: token by row.
    pub revoked: BTreeMap<i64, (i64, bool)>,
    /// A newer build keeps ours out.
    pub newer: bool,
    /// Row, token and outcome of each attempt that has ended.
    pub written: BTreeSet<(i64, i64, u8)>,
    follows: Vec<Errback>,
    pub now: i64,
    pub boot: i64,
}

impl Job {
    pub fn live(&self) -> bool {
        !matches!(self.place, Place::Ended(_))
    }

    pub fn leased(&self) -> bool {
        matches!(self.place, Place::Leased { .. })
    }

    fn expired(&self, now: i64) -> bool {
        self.new.expires_us.is_some_and(|at| at <= now)
    }

    /// As `view` names it.
    pub fn state(&self) -> State {
        match &self.place {
            Place::Ended(state) => *state,
            Place::Leased { .. } => State::Running,
            Place::Prepared => State::Prepared,
            Place::Held(_) => State::Held,
            Place::Behind(_) => State::Parked,
            _ if self.retries > 0 => State::Retrying,
            Place::Later(_) => State::Delayed,
            Place::Ready => State::Waiting,
        }
    }
}

impl Model {
    /// What the store must answer, and what becomes of the file.
    pub fn apply(&mut self, verb: &Verb, now: i64, boot: i64) -> Answer {
        (self.now, self.boot) = (now, boot);
        self.waited = self.keeping();
        let answer = self.of_transaction(verb);
        self.tidy();
        answer
    }

    fn of_transaction(&mut self, verb: &Verb) -> Answer {
        let foreign = matches!(verb, Verb::Newer(_) | Verb::Inbox(_) | Verb::Receipts(..));
        if foreign || self.newer || self.receipts.is_empty() {
            let answer = self.applied(verb);
            self.advance();
            return answer;
        }
        let before = self.clone();
        self.take_receipts();
        self.advance();
        let answer = self.applied(verb);
        self.advance();
        if matches!(
            answer,
            Answer::Fenced
                | Answer::Duplicate(_)
                | Answer::KeyTwice
                | Answer::ProducerFenced
                | Answer::OutOfSequence(_)
        ) {
            *self = before;
        }
        answer
    }

    fn applied(&mut self, verb: &Verb) -> Answer {
        match verb {
            Verb::Newer(newer) => {
                self.newer = *newer;
                Answer::Nothing
            }
            Verb::Inbox(jobs) => {
                jobs.iter().for_each(|job| self.drop_in(job));
                Answer::Nothing
            }
            Verb::Receipts(ends, jobs) => {
                let before = self.clone();
                for (row, token) in ends {
                    let leased =
                        |job: &Job| matches!(job.place, Place::Leased { token: of, .. } if of == *token);
                    if !self.jobs.get(&row.0).is_some_and(leased)
                        || self.receipts.insert(row.0, *token).is_some()
                    {
                        *self = before;
                        return Answer::LeaseLost;
                    }
                }
                jobs.iter().for_each(|job| self.drop_in(job));
                Answer::Nothing
            }
            _ if self.newer => Answer::Refused,
            Verb::Enqueue(jobs) => self.all(jobs).map_or_else(|refusal| refusal, Answer::Rows),
            Verb::Prepare(both, pause) => self
                .prepare(&both.0, &both.1, *pause)
                .map_or_else(|refusal| refusal, |one| Answer::Rows(vec![one])),
            Verb::Settle(id, commit) => Answer::Flag(self.say(id, *commit)),
            Verb::OpenProducer(name) => self.open_producer(name),
            Verb::Send(parcel) => self.send(parcel),
            Verb::Plan(plan) => Answer::Rows(self.plan(plan)),
            Verb::Schedule(entry) => self.schedule(entry),
            Verb::Fire(fire) => self.fire(fire),
            Verb::Claim(ask) => self.claim(ask).map_or(Answer::Fenced, Answer::Taken),
            Verb::Finish(ends, ask) => {
                // The ends of a worker that was taken for dead go with its claim.
                if ask.as_ref().is_some_and(|ask| !self.workers.contains(&ask.owner)) {
                    return Answer::Fenced;
                }
                let finished = self.finish(ends);
                let taken = ask.as_ref().and_then(|ask| self.claim(ask));
                Answer::Finished(finished, taken.unwrap_or_default())
            }
            Verb::Extend(row, token, us) => {
                let deadline = Some(self.boot + us);
                match self.held(row.0, *token) {
                    Some(job) => {
                        if let Place::Leased { deadline: own, .. } = &mut job.place {
                            *own = deadline;
                        }
                        Answer::Nothing
                    }
                    None => Answer::LeaseLost,
                }
            }
            Verb::Progress(row, token) => {
                self.held(row.0, *token).map_or(Answer::LeaseLost, |_| Answer::Nothing)
            }
            Verb::Join(_) => {
                self.last_worker += 1;
                self.workers.insert(self.last_worker);
                Answer::Number(self.last_worker)
            }
            Verb::Beat(worker, _) => Answer::Flag(self.workers.contains(worker)),
            Verb::Reap(worker, page) => {
                self.reap(*worker, page.as_ref());
                Answer::Nothing
            }
            Verb::Pause(scope) => {
                self.pause(scope);
                Answer::Nothing
            }
            Verb::GiveWay(scope) => {
                self.pause(scope);
                Answer::Number(self.give_way(scope))
            }
            Verb::Resume(scope) => {
                self.let_out(scope, None);
                Answer::Nothing
            }
            Verb::LetOut(scope, rate) => Answer::Flag(self.let_out(scope, Some(*rate))),
            Verb::Meter(scope, rate) => {
                self.meter(scope, *rate);
                Answer::Nothing
            }
            Verb::Act(conditions, act) => Answer::Acted(self.act(conditions, act)),
            Verb::Obey(worker) => Answer::Flag(self.obey(*worker)),
            Verb::Give(command, workers, clock) => {
                self.give(command, workers, clock).map_or(Answer::Nothing, Answer::Number)
            }
            Verb::Begin(command, worker, clock) => Answer::Flag(self.begin(*command, *worker, clock)),
            Verb::Reply(command, worker, ok, clock) => {
                Answer::Flag(self.reply(*command, *worker, *ok, clock))
            }
            Verb::Cancel(id) => Answer::Flag(self.cancel(id)),
            Verb::Revoke(id) => Answer::Number(self.revoke(id) as i64),
            Verb::Purge(queue) => Answer::Number(self.purge(queue)),
            Verb::Upkeep => Answer::Number(self.upkeep()),
            Verb::Fold => Answer::Nothing,
            Verb::TakeIn => {
                self.fold();
                Answer::Nothing
            }
            Verb::Forget(id) => Answer::Flag(self.forget(id)),
            Verb::Replay(id) => Answer::Rows(self.replay(id)),
        }
    }

    /// All or none; else why not.
    fn all(&mut self, jobs: &[NewJob]) -> Result<Vec<(i64, bool)>, Answer> {
        let refuses = jobs.iter().any(|job| job.dedup == Dedup::Refuse && self.may_be_held(job, jobs));
        let before = refuses.then(|| self.clone());
        let mut rows = Vec::new();
        for job in jobs {
            match self.enqueue(job) {
                Ok(row) => rows.push(row),
                Err(holder) => {
                    before.into_iter().for_each(|before| *self = before);
                    let twice = rows.contains(&(holder, true));
                    return Err(if twice { Answer::KeyTwice } else { self.duplicate(holder) });
                }
            }
        }
        Ok(rows)
    }

    fn duplicate(&self, holder: i64) -> Answer {
        // A row of the inbox is no job.
        Answer::Duplicate(if self.jobs.contains_key(&holder) { holder } else { -1 })
    }

    /// Whether a job's key may be taken, by then: worth a copy to go back to.
    fn may_be_held(&self, job: &NewJob, beside: &[NewJob]) -> bool {
        let Some(key) = &job.dedup_key else { return false };
        let same = |other: &&NewJob| other.dedup_key == job.dedup_key;
        self.keys.keys().any(|(_, taken)| taken == key)
            || self.inbox.iter().any(|other| same(&other))
            || beside.iter().filter(same).count() > 1
    }

    /// The row that an id names.
    pub fn row(&self, id: &str) -> Option<i64> {
        let own = |(row, job): (&i64, &Job)| {
            (job.new.alias.is_none() && job.id.as_deref() == Some(id)).then_some(*row)
        };
        self.aliases.get(id).copied().or_else(|| self.jobs.iter().find_map(own))
    }

    /// A job under this token, in force.
    fn held(&mut self, row: i64, token: i64) -> Option<&mut Job> {
        let boot = self.boot;
        self.jobs.get_mut(&row).filter(|job| {
            matches!(job.place, Place::Leased { token: of, deadline, .. } if of == token && deadline.is_none_or(|at| at > boot))
        })
    }
}
