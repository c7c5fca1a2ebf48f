//! The nouns of a job's life as plain values: a new job, a claimed job, an outcome, a view. No SQL, no Python.

use crate::id::RowId;
use crate::plan::Plan;

/// Opaque bytes with the name of their encoding; the core never looks inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// A media type; `None` is the default, `application/json`.
    pub content_type: Option<String>,
    /// The bytes.
    pub body: Vec<u8>,
}

/// A call to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The name of the task.
    pub task: String,
    /// The encoded arguments.
    pub payload: Payload,
    /// The name of the queue.
    pub queue: String,
    /// Higher runs first.
    pub priority: i8,
    /// Not before this wall time (µs); `None` is now.
    pub run_at_us: Option<i64>,
    /// Not after this wall time (µs).
    pub expires_us: Option<i64>,
    /// At most one unfinished job per queue and key.
    pub dedup_key: Option<String>,
    /// What to do where the key is taken.
    pub dedup: Dedup,
    /// The key stays taken so long after the enqueue (µs), even if the job has ended.
    pub dedup_window_us: Option<i64>,
    /// An id chosen by the caller instead of ours.
    pub alias: Option<String>,
    /// How many times the job may take its worker down before it is dead.
    pub max_losses: u32,
    /// The attempt's child is killed after this time (µs).
    pub time_limit_us: Option<i64>,
    /// `SoftTimeLimitExceeded` is raised in the task after this time (µs).
    pub soft_time_limit_us: Option<i64>,
    /// Stored once this one ends in failure with nobody to say what follows.
    pub errbacks: Vec<Errback>,
}

/// A job that follows another's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errback {
    /// Microseconds from that failure; `None`: as the job says.
    pub delay_us: Option<i64>,
    /// The job. Its own errbacks are not kept.
    pub job: NewJob,
}

/// What an enqueue does where its dedup key is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dedup {
    /// Answers the job that has the key.
    Return,
    /// Refuses.
    Refuse,
    /// Cancels the job that has the key and takes its place; one that is running is answered as it is.
    Replace,
}

/// The answer to an enqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enqueued {
    /// The public id.
    pub id: String,
    /// False where an unfinished job with the same dedup key was there already.
    pub created: bool,
}

/// A job under a lease.
#[derive(Debug, Clone)]
pub struct ClaimedJob {
    /// The row.
    pub row: RowId,
    /// The public id.
    pub id: String,
    /// The token of the lease: every later write about this attempt carries it.
    pub token: i64,
    /// The name of the task.
    pub task: String,
    /// The encoded arguments.
    pub payload: Payload,
    /// The name of the queue.
    pub queue: String,
    /// The priority.
    pub priority: i8,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many attempts ended in a retry.
    pub retries: u32,
    /// Kill after this time (µs).
    pub time_limit_us: Option<i64>,
    /// Raise after this time (µs).
    pub soft_time_limit_us: Option<i64>,
    /// When it was enqueued, wall time (µs).
    pub enqueued_us: i64,
}

/// What went wrong in an attempt, as text (nothing here can execute) and as the task's own encoded exception.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The exception's class as `module.QualName`.
    pub error: String,
    /// Its message.
    pub message: String,
    /// The formatted traceback.
    pub traceback: Option<String>,
    /// The exception's arguments, encoded, where they could be.
    pub payload: Option<Payload>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned; the result, unless it is not wanted.
    Success(Option<Payload>),
    /// It raised and is not tried again.
    Failure(Failure),
    /// It raised and is tried again after `delay_us`.
    Retry {
        /// Microseconds until the next attempt.
        delay_us: i64,
        /// Arguments for it in place of the job's own.
        payload: Option<Payload>,
        /// Why.
        failure: Failure,
    },
    /// Its child or worker died under it.
    Lost {
        /// One sentence: signal, exit code.
        reason: String,
        /// Whether the job may be the culprit (it was running): counts against `max_losses`.
        charged: bool,
    },
    /// It was never started: back in line, no attempt used up.
    GivenBack,
}

/// What an attempt has used, where that was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors (µs).
    pub cpu_us: Option<i64>,
    /// The most memory its process had meanwhile (bytes).
    pub peak: i64,
    /// The memory its process had at its end (bytes).
    pub resident: i64,
}

/// One end of an attempt, to be written under the token.
#[derive(Debug, Clone)]
pub struct Finish {
    /// The row.
    pub row: RowId,
    /// The token the claim gave.
    pub token: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// When the attempt started, wall time (µs); `None` if it never did.
    pub started_us: Option<i64>,
    /// What it used, if that was measured.
    pub usage: Option<Usage>,
    /// Jobs to be stored in the same transaction if the job has ended with this attempt. After a failure with none,
    /// the errbacks stored with the job follow.
    pub then: Vec<NewJob>,
    /// What is said beside the outcome.
    pub beside: Option<Box<Beside>>,
}

/// What may be said of an attempt's end beside its outcome. Most have nothing to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Of a retry: the budget of its task, of which it takes a place.
    pub budget: Option<Budget>,
    /// Of a retry: another queue for the job.
    pub queue: Option<String>,
    /// What it has logged.
    pub log: Option<Log>,
    /// Of a success: how long it is kept (µs), whatever the store's own bounds are.
    pub keep_us: Option<i64>,
    /// Workflows to be stored in the same transaction if the job has ended with this attempt.
    pub plans: Vec<Plan>,
    /// Of a success: jobs that each fill one more input of the node that this job fills.
    pub members: Vec<NewJob>,
    /// Of a retry: the job goes on as one of another task, once this workflow has ended, and takes what came of it.
    pub instead: Option<Box<Instead>>,
}

/// What a job goes on as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// The task.
    pub task: String,
    /// The workflow that it waits for.
    pub plan: Plan,
}

/// Lines that an attempt has logged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// How many lines before these are not kept.
    pub dropped: u32,
    /// The lines, each with its end.
    pub text: Vec<u8>,
}

/// The lines of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogView {
    /// Which one; `None`: it still runs.
    pub attempt: Option<u32>,
    /// The lines.
    pub log: Log,
}

/// How many retries of a task may begin in a length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// So many at once, and so many in each period.
    pub most: u32,
    /// Microseconds.
    pub period_us: i64,
}

/// What became of a `Finish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Written.
    Done,
    /// This very outcome is already in the history: the call was a repetition.
    Again,
    /// The token no longer covers the job; nothing was written.
    LeaseLost,
}

/// The state of a job, as the store sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// In line.
    Waiting,
    /// Not before its time.
    Delayed,
    /// Set aside until a reason is lifted.
    Parked,
    /// Not before its sender says so.
    Prepared,
    /// Not before other jobs of its workflow have ended.
    Held,
    /// Under a lease.
    Running,
    /// Waiting for its next attempt after an error.
    Retrying,
    /// Returned.
    Success,
    /// Raised, and is not tried again.
    Failed,
    /// Took its worker down too often, or can't be run at all; kept and replayable.
    Dead,
    /// Revoked.
    Cancelled,
    /// Not started in time.
    Expired,
    /// Not in this file.
    Unknown,
}

impl State {
    /// The state of a name.
    pub fn of(name: &str) -> Option<State> {
        use State::{
            Cancelled, Dead, Delayed, Expired, Failed, Held, Parked, Prepared, Retrying, Running, Success,
            Unknown, Waiting,
        };
        let all = [
            Waiting, Delayed, Parked, Prepared, Held, Running, Retrying, Success, Failed, Dead, Cancelled,
            Expired, Unknown,
        ];
        all.into_iter().find(|state| state.name() == name)
    }

    /// The name in DESIGN's words, as the command line and the views show it.
    pub fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Delayed => "delayed",
            State::Parked => "parked",
            State::Prepared => "prepared",
            State::Held => "held",
            State::Running => "running",
            State::Retrying => "retrying",
            State::Success => "success",
            State::Failed => "failed",
            State::Dead => "dead",
            State::Cancelled => "cancelled",
            State::Expired => "expired",
            State::Unknown => "unknown",
        }
    }

    /// Whether nothing more will happen to the job.
    pub fn ended(self) -> bool {
        matches!(self, State::Success | State::Failed | State::Dead | State::Cancelled | State::Expired)
    }
}

/// A job as `AsyncResult` sees it.
#[derive(Debug, Clone)]
pub struct JobView {
    /// Its state.
    pub state: State,
    /// The result of a success, if one was kept.
    pub result: Option<Payload>,
    /// Why it failed, died, or is waiting for a retry.
    pub failure: Option<Failure>,
    /// How many attempts ended in a retry.
    pub retries: u32,
    /// What the running attempt last said of itself: a state of its own, and bytes.
    pub progress: Option<(String, Vec<u8>)>,
}

/// A job in a list.
#[derive(Debug, Clone)]
pub struct JobSummary {
    /// The public id.
    pub id: String,
    /// The name of the task.
    pub task: String,
    /// The name of the queue.
    pub queue: String,
    /// The priority.
    pub priority: i8,
    /// Its state.
    pub state: State,
    /// Attempts that have ended.
    pub attempts: u32,
    /// How many of them ended in a retry.
    pub retries: u32,
    /// Wall time (µs).
    pub enqueued_us: i64,
    /// Not before this wall time (µs), where it waits for one.
    pub run_at_us: Option<i64>,
    /// Wall time (µs), once it has ended.
    pub finished_us: Option<i64>,
    /// What went wrong last.
    pub failure: Option<Failure>,
    /// What the running attempt last said of itself: a state of its own, and bytes.
    pub progress: Option<(String, Vec<u8>)>,
    /// Its arguments, where they are still kept.
    pub payload: Option<Payload>,
}

/// One attempt in the history.
#[derive(Debug, Clone)]
pub struct AttemptView {
    /// From 1.
    pub number: u32,
    /// success, failure, retry, cancelled, expired or lost.
    pub outcome: &'static str,
    /// Wall time (µs), if it started.
    pub started_us: Option<i64>,
    /// Wall time (µs).
    pub finished_us: i64,
    /// The id of the worker, if one ran it.
    pub worker: Option<i64>,
    /// Time on processors (µs), if it was measured.
    pub cpu_us: Option<i64>,
    /// The most memory its process had meanwhile (bytes), if it was measured.
    pub memory: Option<i64>,
    /// What went wrong.
    pub failure: Option<Failure>,
}
