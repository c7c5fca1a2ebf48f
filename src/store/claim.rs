//! Claim: takes the first jobs that may start, by queue, priority and place, under one token. What may not start
//! is set aside in passing, once, so that no claim looks twice at a row it can't start.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::advance;
use super::change::Change;
use super::gate;
use super::lease::{self, Lease};
use super::leave::{self, Exit};
use super::row::{self, HUSK, JobRow, columns};
use super::{errback, head, inbox, owner, rules, side};
use crate::error::{Error, Result};
use crate::id::{self, RowId};
use crate::job::{ClaimedJob, Failure, Payload};
use crate::mutants::{self, Mutant};

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The worker's id.
    pub owner: i64,
    /// How many jobs at most.
    pub limit: usize,
    /// From these queues; `None` is all.
    pub queues: Option<Arc<[String]>>,
    /// The tasks it can run; `None` is all. Jobs of others are set aside for workers that know them.
    pub tasks: Option<Arc<HashSet<String>>>,
    /// A deadline of the lease's own (µs from now); `None`: the lease lives as long as the worker beats.
    pub visibility_us: Option<i64>,
}

/// What a claim gave.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The jobs, in order.
    pub jobs: Vec<ClaimedJob>,
    /// The claim stopped early (it set many jobs aside): ask again at once.
    pub more: bool,
    /// Tasks that the worker does not know and of which jobs were set aside, each with one such job's id.
    pub unknown: Vec<(String, String)>,
    /// The wall time (µs) at which the earliest delayed job is due.
    pub next_us: Option<i64>,
}

/// How many rows one claim may set aside before it lets others write.
const PASS_LIMIT: usize = 1000;

/// A row that may be next.
struct Candidate {
    at: i64,
    job: JobRow,
    /// Read from the ready order, not through `pyqueue_side`.
    fresh: bool,
}

/// The claim so far.
struct Taking<'a> {
    ask: &'a Ask,
    token: i64,
    deadline: Option<i64>,
    jobs: Vec<ClaimedJob>,
    leases: Vec<Lease>,
    passed: usize,
    unknown: Vec<(String, String)>,
    /// A fresh row that stays where it is lies behind the last one taken: a run can't reach over it.
    broken: bool,
    /// The last candidate of this queue. One that comes again, because a damaged file does not let it go, would do so
    /// for ever.
    last: (i64, i64),
}

/// Takes up to `ask.limit` jobs.
pub fn claim(change: &mut Change, ask: &Ask) -> Result<Claimed> {
    owner::check(change, ask.owner)?;
    let mut more = inbox::fold(change, PASS_LIMIT)?;
    more |= advance::go_on(change)?;
    more |= side::promote(change, ask.limit.max(64))?;
    let queues = wanted(change, ask);
    let mut taking = Taking {
        ask,
        token: change.heads.pos(head::TOKEN)? + 1,
        deadline: ask.visibility_us.map(|time| change.boot.saturating_add(time)),
        jobs: Vec::new(),
        leases: Vec::new(),
        passed: 0,
        unknown: Vec::new(),
        broken: true,
        last: (0, 0),
    };
    for queue in queues {
        if taking.jobs.len() == ask.limit {
            break;
        }
        taking.last = (0, 0);
        while from_queue(change, &mut taking, queue)? {}
    }
    more |= taking.passed >= PASS_LIMIT;
    if !taking.jobs.is_empty() {
        change.token()?;
        for lease in &taking.leases {
            lease::insert(change.conn, lease)?;
        }
    }
    errback::settle(change)?;
    let next_us = if taking.jobs.len() < ask.limit { side::next_due(change.conn)? } else { None };
    Ok(Claimed { jobs: taking.jobs, more, unknown: taking.unknown, next_us })
}

/// The numbers of the queues asked for that are not paused. They take turns in being first, by the token.
fn wanted(change: &mut Change, ask: &Ask) -> Vec<i64> {
    let rules = &*change.rules;
    let mut numbers: Vec<i64> = match &ask.queues {
        Some(names) => names.iter().filter_map(|name| rules.number(name)).collect(),
        None => rules.queues(),
    };
    numbers.retain(|num| !rules.paused(*num));
    if numbers.len() > 1 {
        let turn = change.heads.pos(head::TOKEN).unwrap_or(0) as usize % numbers.len();
        numbers.rotate_left(turn);
    }
    numbers
}

/// One look at a queue; true if another may find more.
fn from_queue(change: &mut Change, taking: &mut Taking, queue: i64) -> Result<bool> {
    let need = taking.ask.limit - taking.jobs.len();
    if need == 0 || taking.passed >= PASS_LIMIT {
        return Ok(false);
    }
    let (low, high) = id::places(queue);
    // Where rows are set aside, each look takes in twice as many as the one before.
    let fetch = need.max(2 * taking.passed).min(1024);
    let mut candidates = Vec::with_capacity(fetch);
    // A stream that gave as many as it was asked for may have more behind its last: nothing beyond that
    // place is decided in this look.
    let mut bound: Option<(i64, i64)> = None;
    let mut close = |stream: &[Candidate]| {
        if stream.len() == fetch
            && let Some(last) = stream.last()
        {
            let end = (last.at, last.job.id.0);
            bound = Some(bound.map_or(end, |before| before.min(end)));
        }
    };
    let fresh = fresh(change, low, high, fetch)?;
    close(&fresh);
    candidates.extend(fresh);
    let again = listed(change, side::AGAIN, 0, low, high, fetch)?;
    close(&again);
    candidates.extend(again);
    for list in gate::open_lists(change, taking.ask.tasks.as_deref())? {
        let behind = listed(change, side::GATE, list, low, high, fetch)?;
        close(&behind);
        candidates.extend(behind);
    }
    candidates.sort_by_key(|candidate| (candidate.at, candidate.job.id.0));
    for candidate in candidates {
        if taking.jobs.len() == taking.ask.limit || taking.passed >= PASS_LIMIT {
            return Ok(false);
        }
        if bound.is_some_and(|bound| (candidate.at, candidate.job.id.0) > bound) {
            break;
        }
        consider(change, taking, candidate)?;
    }
    Ok(bound.is_some())
}

/// Rows above their band's head, by a skip scan: a bare seek with a look at the head for each band with rows,
/// then the rows. A change of a head in this transaction is not in its row yet, so `Heads` has the last word.
fn fresh(change: &mut Change, low: i64, high: i64, limit: usize) -> Result<Vec<Candidate>> {
    let mut found: Vec<Candidate> = Vec::new();
    // One row is read of this statement, so it needs no LIMIT.
    let mut next = change.conn.prepare_cached(
        "SELECT id, (SELECT pos FROM pyqueue_head WHERE band=id>>43) FROM pyqueue_job WHERE id>? ORDER BY id",
    )?;
    let mut rows = change.conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM pyqueue_job j WHERE j.id>?1 AND j.id<=?2 ORDER BY j.id LIMIT ?3"
    ))?;
    let mut from = low;
    while found.len() < limit
        && let Some((place, pos)) =
            next.query_row([from], |row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?))).optional()?
        && place <= high
    {
        row::onward(from, place)?;
        let band = RowId(place).band();
        let head = head::within(band, change.heads.touched(band).or(pos).unwrap_or_else(|| id::floor(band)))?;
        let ceiling = id::ceiling(band);
        let mut ready = rows.query(params![head, ceiling, limit - found.len()])?;
        while let Some(row) = ready.next()? {
            let job = JobRow::from(row)?;
            found.push(Candidate { at: job.id.0, job, fresh: true });
        }
        from = ceiling;
    }
    Ok(found)
}

/// Rows that `pyqueue_side` lists for one place and reason.
fn listed(change: &Change, place: i64, k: i64, low: i64, high: i64, limit: usize) -> Result<Vec<Candidate>> {
    let mut statement = change.conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", s.at FROM pyqueue_side s CROSS JOIN pyqueue_job j ON j.id=s.id \
         WHERE s.place=?1 AND s.k=?2 AND s.at>=?3 AND s.at<=?4 ORDER BY s.at, s.id LIMIT ?5"
    ))?;
    let rows = statement.query_map(params![place, k, low, high, limit], |row| {
        Ok(Candidate { at: row.get(22)?, job: JobRow::from(row)?, fresh: false })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Moves the head over a fresh row; true if the row is ready, and not a husk or spoken for by another row.
fn step_over(change: &mut Change, job: &JobRow) -> Result<bool> {
    let head = change.heads.get(job.id.band())?;
    row::onward(head.pos, job.id.0)?;
    head.pos = job.id.0;
    if job.mark == 0 {
        return Ok(true);
    }
    head.spoken -= 1;
    if job.mark == HUSK {
        change.conn.prepare_cached("DELETE FROM pyqueue_job WHERE id=?")?.execute([job.id.0])?;
    }
    Ok(false)
}

/// Moves the heads of a range of bands over up to `limit` rows and hands out those that were ready.
pub fn pass(change: &mut Change, low: i64, high: i64, limit: usize) -> Result<Vec<JobRow>> {
    let mut ready = Vec::new();
    for candidate in fresh(change, low, high, limit)? {
        if step_over(change, &candidate.job)? {
            ready.push(candidate.job);
        }
    }
    Ok(ready)
}

/// Takes a row, sets it aside, or lets it go.
fn consider(change: &mut Change, taking: &mut Taking, candidate: Candidate) -> Result<()> {
    let Candidate { at, job, fresh } = candidate;
    if (at, job.id.0) <= taking.last {
        return Err(Error::Corrupt("a job in line comes twice".into()));
    }
    taking.last = (at, job.id.0);
    if fresh && !step_over(change, &job)? {
        taking.broken |= job.mark != HUSK;
        return Ok(());
    }
    if job.expires.is_some_and(|at| at <= change.now) && !mutants::on(Mutant::ExpiredRuns) {
        return leave::leave(change, &job, Exit::Expired);
    }
    if let Some(gate) = gate::in_the_way(change, &job.task, taking.ask.tasks.as_deref())? {
        taking.passed += 1;
        taking.broken = true;
        let known = taking.ask.tasks.as_ref().is_none_or(|known| known.contains(&job.task));
        if !known && taking.unknown.iter().all(|(task, _)| *task != job.task) {
            let id = change.public(job.id, job.nonce, job.alias.clone());
            taking.unknown.push((job.task.clone(), id));
        }
        side::take(change, job.id)?;
        return side::put_behind(change, job.id, gate, at);
    }
    if !job.sound() {
        return leave::leave(change, &job, Exit::Dead(damaged()));
    }
    if !fresh {
        side::take(change, job.id)?;
    }
    take(change, taking, job, fresh);
    Ok(())
}

fn damaged() -> Failure {
    Failure {
        error: "pyqueue.exceptions.CorruptPayload".into(),
        message: "the stored arguments don't match their checksum: the file was damaged outside of pyqueue; the job was not run".into(),
        ..Failure::default()
    }
}

fn take(change: &mut Change, taking: &mut Taking, job: JobRow, fresh: bool) {
    let place = job.id.0;
    let shifted = job.home.is_some() && job.id.band() != id::SHELF;
    let plain = job.dedup.is_none() && !job.errbacks && !job.steps && job.fills.is_none() && !shifted;
    let joins = taking.leases.last().is_some_and(|lease| {
        place == lease.last.saturating_add(1)
            || (fresh && !taking.broken && place > lease.last && RowId(lease.last).band() == job.id.band())
    });
    match taking.leases.last_mut() {
        Some(lease) if joins => {
            lease.last = place;
            lease.jobs += 1;
            lease.plain &= plain;
        }
        _ => taking.leases.push(Lease {
            first: place,
            last: place,
            jobs: 1,
            token: taking.token,
            owner: taking.ask.owner,
            deadline: taking.deadline,
            plain,
        }),
    }
    taking.broken = !fresh;
    let band = job.band();
    taking.jobs.push(ClaimedJob {
        row: job.id,
        id: change.public(job.id, job.nonce, job.alias),
        token: taking.token,
        task: job.task,
        payload: Payload { content_type: job.content_type, body: job.payload.unwrap_or_default() },
        queue: rules::Rules::name(change.rules, id::queue_of(band)).to_string(),
        priority: id::priority_of(band),
        attempt: job.attempts.saturating_add(1),
        retries: job.retries,
        time_limit_us: job.time_limit,
        soft_time_limit_us: job.soft_time_limit,
        enqueued_us: job.enqueued,
    });
}
