//! Enqueue: a job's body gets the next place of its band; a delayed one goes to the shelf.

use rusqlite::params;

use super::change::Change;
use super::event::{self, Event};
use super::leave::{self, Exit};
use super::{alias, dedup, errback, row, rules, side};
use crate::error::{Error, Result};
use crate::id::{self, RowId, SHELF};
use crate::job::{Dedup, Enqueued, Failure, NewJob};

/// Refuses names and numbers that can't be stored.
pub fn check(job: &NewJob) -> Result<()> {
    name("task's name", &job.task)?;
    name("queue's name", &job.queue)?;
    if let Some(key) = &job.dedup_key {
        name("dedup key", key)?;
    }
    if let Some(alias) = &job.alias {
        name("task_id", alias)?;
    }
    if job.max_losses == 0 {
        return Err(Error::invalid("max_losses must be at least 1"));
    }
    Ok(())
}

/// Refuses arguments that are too large.
pub fn check_size(job: &NewJob, max_body: usize) -> Result<()> {
    let size = job.payload.body.len();
    if size > max_body {
        return Err(Error::invalid(format!(
            "the arguments of {} take {size} bytes, the limit is {max_body}: store the data elsewhere and pass a reference, or raise max_body",
            job.task
        )));
    }
    Ok(())
}

/// Refuses a name that can't be stored.
pub fn name(what: &str, text: &str) -> Result<()> {
    let length = text.chars().count();
    if length == 0 || length > 255 || text.contains('\0') {
        let text: String = text.chars().take(40).collect();
        return Err(Error::invalid(format!(
            "a {what} has 1 to 255 characters and no NUL, not {length}: {text:?}…"
        )));
    }
    Ok(())
}

/// Stores jobs in order. Nothing of a call that fails is kept: where a job finds its key taken by an earlier one of
/// the same call, there is no id to name.
pub fn all(change: &mut Change, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>> {
    let mut stored: Vec<Enqueued> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let key = if job.dedup == Dedup::Refuse { job.dedup_key.clone() } else { None };
        let one = enqueue(change, job).map_err(|error| match (error, key) {
            (Error::Duplicate { id }, Some(key)) if stored.iter().any(|one| one.created && one.id == id) => {
                Error::KeyTwice { key }
            }
            (error, _) => error,
        })?;
        stored.push(one);
    }
    Ok(stored)
}

/// Stores a job, or finds the unfinished one with its dedup key or its own id.
pub fn enqueue(change: &mut Change, job: NewJob) -> Result<Enqueued> {
    store(change, job, Start::Free, Tie::default()).map(|(answer, _)| answer)
}

/// As `enqueue`, of a job that takes the inputs of a node which is complete.
pub fn taking(change: &mut Change, job: NewJob, node: Option<i64>) -> Result<Enqueued> {
    store(change, job, Start::Free, Tie { node, fills: None }).map(|(answer, _)| answer)
}

/// As `enqueue`, of a job that may not start before somebody says so; its row, if it is a new one.
pub fn prepared(change: &mut Change, job: NewJob) -> Result<Placed> {
    store(change, job, Start::Withheld, Tie::default())
}

/// As `enqueue`, of a job of a workflow; its row. What is there already can't take its place.
pub fn member(change: &mut Change, job: NewJob, tie: Tie) -> Result<Stored> {
    let start = tie.node.map_or(Start::Free, Start::Held);
    match store(change, job, start, tie)? {
        (answer, Some((row, nonce))) => Ok(Stored { answer, row, nonce }),
        (answer, None) => Err(Error::Duplicate { id: answer.id }),
    }
}

/// A job of a workflow that was stored.
pub struct Stored {
    pub answer: Enqueued,
    pub row: RowId,
    pub nonce: i64,
}

/// A job's place in a workflow.
#[derive(Clone, Copy, Default)]
pub struct Tie {
    /// The node it waits for.
    pub node: Option<i64>,
    /// The input that its end fills.
    pub fills: Option<i64>,
}

/// Whether a new job may start by itself.
#[derive(PartialEq)]
enum Start {
    Free,
    Withheld,
    Held(i64),
}

/// The answer, and row and nonce of a job that is new.
pub type Placed = (Enqueued, Option<(RowId, i64)>);

fn store(change: &mut Change, job: NewJob, start: Start, tie: Tie) -> Result<Placed> {
    let queue = rules::queue(change, &job.queue)?;
    if let Some(own) = &job.alias
        && alias::find(change.conn, own)?.is_some()
    {
        return Ok((Enqueued { id: own.clone(), created: false }, None));
    }
    if let Some(holder) = dedup::settle(change, queue, &job)? {
        if let Some(own) = job.alias {
            alias::insert(change.conn, &own, holder.row)?;
        }
        return Ok((Enqueued { id: holder.id, created: false }, None));
    }
    let band = id::band(queue, job.priority);
    let later = job.run_at_us.filter(|at| *at > change.now);
    let shelved = later.is_some() || start != Start::Free;
    let row = place(change, if shelved { SHELF } else { band })?;
    let nonce = change.nonce();
    insert(change, &job, row, nonce, shelved.then_some(band), tie)?;
    match (start, later) {
        (Start::Withheld, _) => side::put_prepared(change, row, id::floor(band))?,
        (Start::Held(node), _) => side::put_held(change, row, node, id::floor(band))?,
        (Start::Free, Some(run_at)) => side::put_later(change, row, run_at, id::floor(band))?,
        (Start::Free, None) => {}
    }
    if let Some(key) = &job.dedup_key {
        let until = job.dedup_window_us.map(|window| change.now.saturating_add(window));
        dedup::insert(change.conn, queue, key, row, until)?;
    }
    if let Some(own) = &job.alias {
        alias::insert(change.conn, own, row)?;
    }
    if !job.errbacks.is_empty() {
        errback::insert(change.conn, row, &job.errbacks)?;
    }
    if event::wanted(change) {
        let (job_is, alias) = (Some((row, nonce)), job.alias.as_deref());
        let (name, band) = (Some(job.task.as_str()), Some(band));
        let sent =
            Event { kind: event::SENT, job: job_is, alias, band, name, moment: later, ..Event::default() };
        event::write(change, &sent)?;
    }
    change.rings.ready = true;
    Ok((Enqueued { id: change.public(row, nonce, job.alias), created: true }, Some((row, nonce))))
}

/// Stores what can't be a job as a dead one. Its names are cut to what can be stored; without one, or with that of
/// another job, it has an id of ours.
pub fn dead(change: &mut Change, job: NewJob, failure: Failure) -> Result<()> {
    let storable = |text: &str| text.replace('\0', "\u{fffd}").chars().take(255).collect::<String>();
    let alias = job.alias.as_deref().map(storable).filter(|own| !own.is_empty());
    let alias = match alias {
        Some(own) if alias::find(change.conn, &own)?.is_none() => Some(own),
        _ => None,
    };
    let job = NewJob {
        task: storable(&job.task),
        dedup_key: None,
        run_at_us: None,
        expires_us: None,
        alias,
        ..job
    };
    let queue = match rules::queue(change, &storable(&job.queue)) {
        Ok(queue) => queue,
        // Every number is taken: it is shown with the first queue.
        Err(error) => *change.rules.queues().first().ok_or(error)?,
    };
    let row = place(change, id::band(queue, job.priority))?;
    let nonce = change.nonce();
    insert(change, &job, row, nonce, None, Tie::default())?;
    if let Some(own) = &job.alias {
        alias::insert(change.conn, own, row)?;
    }
    match row::read(change.conn, row)? {
        Some(job) => leave::leave(change, &job, Exit::Dead(failure)),
        None => Ok(()),
    }
}

/// The next place of a band. Read under the write lock in the inserting transaction, so no claim can have
/// passed it and no other insert can be in flight.
fn place(change: &mut Change, band: i64) -> Result<RowId> {
    let tail = match change.tails.iter().find(|(of, _)| *of == band) {
        Some((_, tail)) => *tail,
        None => change.heads.tail(band)?,
    };
    if tail >= id::ceiling(band) {
        return Err(Error::invalid(
            "this queue and priority have used up their 8.8 * 10^12 places; use another queue name",
        ));
    }
    change.tails.retain(|(of, _)| *of != band);
    change.tails.push((band, tail + 1));
    Ok(RowId(tail + 1))
}

fn insert(
    change: &mut Change,
    job: &NewJob,
    row: RowId,
    nonce: i64,
    home: Option<i64>,
    tie: Tie,
) -> Result<()> {
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_job(id, nonce, home, max_losses, errbacks, task, dedup, alias, expires, enqueued, time_limit, \
             soft_time_limit, content_type, checksum, payload, fills, node) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)",
        )?
        .execute(params![
            row.0,
            nonce,
            home,
            job.max_losses,
            !job.errbacks.is_empty(),
            job.task,
            job.dedup_key,
            job.alias,
            job.expires_us,
            change.now,
            job.time_limit_us,
            job.soft_time_limit_us,
            job.payload.content_type,
            crc32fast::hash(&job.payload.body),
            job.payload.body,
            tie.fills,
            tie.node
        ])?;
    Ok(())
}
