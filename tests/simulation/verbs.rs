//! The public verbs as values: what a process asks of the store, and what it answers.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pyqueue_core::id::{PublicId, RowId};
use pyqueue_core::job::{ClaimedJob, Dedup, Enqueued, Finish, Finished, NewJob};
use pyqueue_core::plan::Plan;
use pyqueue_core::store::{
    Act, Acted, Ask, Claimed, Condition, Entry, Evidence, Fire, Fired, Hold, NewCommand, NewWorker, Parcel,
    Scope, Store, Verdict, foreign,
};
use pyqueue_core::{Error, Result};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, params};

use crate::model::SAID;

/// A table of the application's own: which attempt of which job has had its effect.
pub const LEDGER: &str = "CREATE TABLE IF NOT EXISTS app_ledger(job INTEGER, token INTEGER)";

/// What became of a time that made no job.
pub const SKIPPED: i64 = 0;
pub const HELD: i64 = 1;
pub const LOST: i64 = 2;

/// An operation that changes the file.
#[derive(Debug, Clone)]
pub enum Verb {
    Enqueue(Vec<NewJob>),
    Claim(Ask),
    Finish(Vec<Finish>, Option<Ask>),
    Extend(RowId, i64, i64),
    Progress(RowId, i64),
    Join(i64),
    Beat(i64, i64),
    Reap(i64, Option<HashMap<RowId, bool>>),
    Pause(Scope),
    /// A pause, and what runs comes back in line.
    GiveWay(Scope),
    Resume(Scope),
    /// The gate is open, and one job goes in so long.
    LetOut(Scope, i64),
    /// The rate alone: a gate that is shut stays so.
    Meter(Scope, Option<i64>),
    /// To every job that fits.
    Act(Vec<Condition>, Act),
    /// A worker says that it obeys commands.
    Obey(i64),
    /// A command for these workers. Here and below: who asks has this boot clock.
    Give(NewCommand, Vec<i64>, String),
    /// A worker takes a command up.
    Begin(i64, i64, String),
    /// It answers, well or not.
    Reply(i64, i64, bool, String),
    Cancel(String),
    /// A job is cancelled, or its attempt is to end.
    Revoke(String),
    Purge(String),
    Upkeep,
    Forget(String),
    Replay(String),
    /// A half message, the job that asks about it, and when first.
    Prepare(Box<(NewJob, NewJob)>, i64),
    /// Whether it may start.
    Settle(String, bool),
    /// Jobs that wait for each other.
    Plan(Box<Plan>),
    OpenProducer(String),
    Send(Parcel),
    /// A schedule gets another next time.
    Schedule(Entry),
    Fire(Box<Fire>),
    /// Rows that a foreign connection inserts in one transaction; some can't be jobs.
    Inbox(Vec<NewJob>),
    /// A foreign connection's own rows, the ends of jobs under their tokens and jobs to come, in one transaction.
    Receipts(Vec<(RowId, i64)>, Vec<NewJob>),
    /// A reading verb takes receipts in.
    Fold,
    /// Somebody who is about to look at lists takes the inbox in.
    TakeIn,
    /// A newer build makes the file one that ours must not use; or takes that back.
    Newer(bool),
}

/// One claimed job: row, token, attempt.
pub type Taken = (i64, i64, u32);

/// What the store says, with rows for ids so that the reference can foretell it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Of each job the row, and whether it is new.
    Rows(Vec<(i64, bool)>),
    /// As `Rows`, with -1 for what was stored before and has no name any more.
    Sent(Vec<(i64, bool)>),
    /// Epoch, last sequence number and position.
    Producer(i64, i64, Option<Vec<u8>>),
    ProducerFenced,
    /// Which number is next.
    OutOfSequence(i64),
    Taken(Vec<Taken>),
    Finished(Vec<Finished>, Vec<Taken>),
    Number(i64),
    Flag(bool),
    Acted(Acted),
    Nothing,
    LeaseLost,
    Fenced,
    Duplicate(i64),
    /// The key was taken in the same call.
    KeyTwice,
    /// The write lock was not to be had: nothing has happened.
    Busy,
    /// There was no room: nothing has happened.
    Full,
    /// The file may not be used: nothing has happened.
    Refused,
}

/// An answer as it came.
#[derive(Debug)]
pub struct Told {
    /// With no rows yet where there are ids.
    pub answer: Answer,
    /// The public ids of `Rows` and `Duplicate`.
    pub ids: Vec<Enqueued>,
    pub jobs: Vec<ClaimedJob>,
}

impl Told {
    /// The answer with rows for ids. `names` knows the callers' own ids.
    pub fn answer(&self, names: impl Fn(&str) -> Option<i64>) -> Answer {
        let row = |one: &Enqueued| {
            names(&one.id).or_else(|| PublicId::parse(&one.id).map(|id| id.row.0)).unwrap_or(-1)
        };
        match &self.answer {
            Answer::Rows(_) => Answer::Rows(self.ids.iter().map(|one| (row(one), one.created)).collect()),
            Answer::Sent(_) => Answer::Sent(self.ids.iter().map(|one| (row(one), one.created)).collect()),
            Answer::Duplicate(_) => Answer::Duplicate(self.ids.first().map_or(-1, row)),
            answer => answer.clone(),
        }
    }
}

fn taken(claimed: &Claimed) -> Vec<Taken> {
    claimed.jobs.iter().map(|job| (job.row.0, job.token, job.attempt)).collect()
}

fn text(ask: &Ask) -> String {
    let Ask { owner, limit, queues, tasks, visibility_us } = ask;
    let tasks = tasks.as_ref().map(|tasks| tasks.iter().collect::<BTreeSet<_>>());
    format!("worker {owner}, {limit} of {queues:?} {tasks:?}, {visibility_us:?}")
}

impl Verb {
    /// As the trace shows it: the same in each run.
    pub fn text(&self) -> String {
        match self {
            Verb::Claim(ask) => format!("Claim({})", text(ask)),
            Verb::Finish(ends, Some(ask)) => format!("Finish({ends:?}, {})", text(ask)),
            Verb::Reap(worker, Some(page)) => {
                format!("Reap({worker}, {:?})", page.iter().collect::<BTreeMap<_, _>>())
            }
            verb => format!("{verb:?}"),
        }
    }

    /// Asks the store, or writes as a foreign connection.
    pub fn perform(&self, store: &Store, plain: Option<&Connection>) -> Result<Told> {
        let mut told = Told { answer: Answer::Nothing, ids: Vec::new(), jobs: Vec::new() };
        let rows = |ids: &mut Vec<Enqueued>, enqueued| {
            *ids = enqueued;
            Answer::Rows(Vec::new())
        };
        let answer = match self {
            Verb::Enqueue(jobs) => store.enqueue(jobs.clone()).map(|all| rows(&mut told.ids, all)),
            Verb::Replay(id) => store.replay(id).map(|again| {
                let again = again.into_iter().map(|id| Enqueued { id, created: true });
                rows(&mut told.ids, again.collect())
            }),
            Verb::Claim(ask) => store.claim(ask.clone()).map(|claimed| {
                let answer = Answer::Taken(taken(&claimed));
                told.jobs = claimed.jobs;
                answer
            }),
            Verb::Finish(ends, ask) => store.finish(ends.clone(), ask.clone()).map(|(finished, claimed)| {
                let answer = Answer::Finished(finished, taken(&claimed));
                told.jobs = claimed.jobs;
                answer
            }),
            Verb::Extend(row, token, us) => store.extend(*row, *token, *us).map(|()| Answer::Nothing),
            Verb::Progress(row, token) => {
                store.progress(*row, *token, "HALF", b"{}").map(|()| Answer::Nothing)
            }
            Verb::Join(us) => store
                .join(NewWorker { name: "w".into(), pid: 1, slots: 1, visibility_us: *us, facts: Vec::new() })
                .map(Answer::Number),
            Verb::Beat(worker, us) => store.beat(*worker, *us).map(Answer::Flag),
            Verb::Reap(worker, None) => {
                store.reap(*worker, Evidence::None, "it died").map(|_| Answer::Nothing)
            }
            Verb::Reap(worker, Some(page)) => {
                store.reap(*worker, Evidence::Page(page.clone()), "it died").map(|_| Answer::Nothing)
            }
            Verb::Pause(scope) => store.pause(scope.clone()).map(|()| Answer::Nothing),
            Verb::GiveWay(scope) => {
                let how = Hold { running: Some((15, 1_000_000)), ..Hold::default() };
                store.hold(scope.clone(), how).map(|asked| Answer::Number(asked as i64))
            }
            Verb::Resume(scope) => store.resume(scope.clone()).map(|()| Answer::Nothing),
            Verb::LetOut(scope, rate) => store.let_out(scope.clone(), Some(*rate)).map(Answer::Flag),
            Verb::Meter(scope, rate) => store.meter(scope.clone(), *rate).map(|()| Answer::Nothing),
            Verb::Act(conditions, act) => store.act(conditions.clone(), act.clone()).map(Answer::Acted),
            Verb::Obey(worker) => store.obey(*worker, "w").map(Answer::Flag),
            Verb::Give(command, workers, _) => store
                .give(command.clone(), workers.clone())
                .map(|given| given.map_or(Answer::Nothing, |given| Answer::Number(given.id))),
            Verb::Begin(command, worker, _) => store.begin(*command, *worker).map(Answer::Flag),
            Verb::Reply(command, worker, ok, _) => {
                store.answer(*command, *worker, *ok, SAID.to_vec()).map(Answer::Flag)
            }
            Verb::Cancel(id) => store.cancel(id).map(Answer::Flag),
            Verb::Revoke(id) => store.revoke(id, 15, 1_000_000).map(|what| Answer::Number(what as i64)),
            Verb::Purge(queue) => store.purge(queue).map(|count| Answer::Number(count as i64)),
            Verb::Upkeep => store.upkeep().map(|done| Answer::Number(done.taken_back as i64)),
            Verb::Forget(id) => store.forget(id).map(Answer::Flag),
            Verb::Prepare(both, pause_us) => store
                .prepare(both.0.clone(), both.1.clone(), *pause_us)
                .map(|made| rows(&mut told.ids, vec![made])),
            Verb::Settle(id, commit) => {
                store.settle(id, if *commit { Verdict::Commit } else { Verdict::Rollback }).map(Answer::Flag)
            }
            Verb::OpenProducer(name) => store
                .open_producer(name)
                .map(|opened| Answer::Producer(opened.epoch, opened.sequence, opened.position)),
            Verb::Send(parcel) => store.send(parcel.clone()).map(|all| {
                told.ids = all;
                Answer::Sent(Vec::new())
            }),
            Verb::Plan(plan) => store.enqueue_plan((**plan).clone()).map(|all| rows(&mut told.ids, all)),
            Verb::Schedule(entry) => store.put_schedule(entry.clone()).map(Answer::Flag),
            Verb::Fire(fire) => store.fire((**fire).clone()).map(|fired| match fired {
                Fired::Job(id) => rows(&mut told.ids, vec![Enqueued { id, created: true }]),
                Fired::Skipped => Answer::Number(SKIPPED),
                Fired::Held => Answer::Number(HELD),
                Fired::Lost => Answer::Number(LOST),
            }),
            Verb::Fold | Verb::TakeIn => Ok(Answer::Nothing),
            Verb::Inbox(_) | Verb::Receipts(..) | Verb::Newer(_) => match plain {
                Some(conn) => self.write_plainly(conn).map(|()| Answer::Nothing),
                None => Ok(Answer::Busy),
            },
        };
        told.answer = match answer {
            Err(Error::LeaseLost { .. }) => Answer::LeaseLost,
            Err(Error::Fenced { .. }) => Answer::Fenced,
            Err(Error::Duplicate { id }) => {
                told.ids = vec![Enqueued { id, created: false }];
                Answer::Duplicate(0)
            }
            Err(Error::KeyTwice { .. }) => Answer::KeyTwice,
            Err(Error::ProducerFenced { .. }) => Answer::ProducerFenced,
            Err(Error::OutOfSequence { expected, .. }) => Answer::OutOfSequence(expected),
            Err(Error::Busy { .. }) => Answer::Busy,
            Err(Error::Full(_)) => Answer::Full,
            Err(Error::Refused { .. }) => Answer::Refused,
            answer => answer?,
        };
        Ok(told)
    }

    /// What another program does on a connection of its own.
    fn write_plainly(&self, conn: &Connection) -> Result<()> {
        let begun = Transaction::new_unchecked(conn, TransactionBehavior::Immediate);
        let transaction = match begun {
            Err(error)
                if matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed)
                ) =>
            {
                return Err(Error::Busy { waited_ms: 0 });
            }
            begun => begun?,
        };
        match self {
            Verb::Inbox(jobs) => jobs.iter().try_for_each(|job| insert(&transaction, job))?,
            Verb::Receipts(ends, jobs) => {
                transaction.execute(LEDGER, [])?;
                for (row, token) in ends {
                    transaction
                        .execute("INSERT INTO app_ledger(job, token) VALUES(?, ?)", [row.0, *token])?;
                    let end = params![row.0, token, None::<i64>, None::<String>, b"1"];
                    match transaction.execute(foreign::RECEIPT, end) {
                        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                            return Err(Error::LeaseLost { job: row.0.to_string() });
                        }
                        other => drop(other?),
                    }
                }
                jobs.iter().try_for_each(|job| insert(&transaction, job))?;
            }
            Verb::Newer(newer) => {
                let oldest = if *newer { 1_000 } else { 1 };
                let set = "UPDATE pyqueue_meta SET value=? WHERE name='oldest_compatible'";
                transaction.execute(set, [oldest])?;
                // The version of the rules, by which caches are judged.
                transaction.execute("UPDATE pyqueue_head SET pos=pos+1 WHERE band=-2", [])?;
            }
            _ => {}
        }
        Ok(transaction.commit()?)
    }
}

/// One row of the inbox. What stands for "no UTF-8" in a name is stored as that.
fn insert(conn: &Connection, job: &NewJob) -> Result<()> {
    let raw = |text: &str| -> Vec<u8> {
        let bytes = text.chars().map(|one| {
            if one == char::REPLACEMENT_CHARACTER { vec![0xff] } else { one.to_string().into_bytes() }
        });
        bytes.flatten().collect()
    };
    let dedup = if job.dedup == Dedup::Replace { "replace" } else { "return" };
    conn.execute(
        &foreign::INSERT.replacen("(?,?,", "(?,CAST(? AS TEXT),", 1),
        params![
            job.alias,
            raw(&job.task),
            job.payload.body,
            job.queue,
            job.priority,
            job.run_at_us,
            job.expires_us,
            job.dedup_key,
            dedup,
            job.dedup_window_us,
            job.max_losses,
            job.time_limit_us,
            job.soft_time_limit_us,
            foreign::errbacks(&job.errbacks),
            job.payload.content_type
        ],
    )?;
    Ok(())
}
