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
use super::meter::Meters;
use super::row::{self, HUSK, JobRow, columns};
use super::sweep::{Run, sweep};
use super::{errback, event, head, inbox, owner, rules, side};
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

/// How many rows one claim may pass, set aside or let go, one by one, before it lets others write.
const PASS_LIMIT: usize = 1000;

/// A row that may be next.
struct Candidate {
    at: i64,
    job: JobRow,
    source: Source,
}

/// Where a candidate stood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// In the ready order, and not in `pyqueue_side`.
    Fresh,
    Again,
    /// On the list of a gate.
    List(i64),
}

/// The claim so far.
struct Taking<'a> {
    ask: &'a Ask,
    token: i64,
    deadline: Option<i64>,
    jobs: Vec<ClaimedJob>,
    leases: Vec<Lease>,
    meters: Meters,
    passed: usize,
    /// What the last fresh row that was set aside was one of.
    run: Option<Run>,
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
        meters: Meters::read(change)?,
        passed: 0,
        run: None,
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
    let broken_off = taking.passed >= PASS_LIMIT;
    more |= broken_off;
    if !taking.jobs.is_empty() || broken_off {
        // A claim that was broken off moves it too: the next one begins with another queue.
        change.token()?;
        for lease in &taking.leases {
            lease::insert(change.conn, lease)?;
        }
    }
    errback::settle(change)?;
    taking.meters.write(change)?;
    side::flush(change)?;
    let next_us = if taking.jobs.len() < ask.limit {
        side::next_due(change.conn)?.into_iter().chain(taking.meters.next(change)?).min()
    } else {
        None
    };
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
    if need > 0
        && let Some(run) = taking.run.take()
    {
        let swept = sweep(change, &run)?;
        taking.passed += swept;
        taking.broken |= swept > 0;
    }
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
    let mut close = |stream: &[Candidate], asked: usize| {
        if stream.len() == asked
            && let Some(last) = stream.last()
        {
            let end = (last.at, last.job.id.0);
            bound = Some(bound.map_or(end, |before| before.min(end)));
        }
    };
    let fresh = fresh(change, low, high, fetch)?;
    close(&fresh, fetch);
    candidates.extend(fresh);
    let again = listed(change, Source::Again, low, high, fetch)?;
    close(&again, fetch);
    candidates.extend(again);
    for list in gate::open_lists(change, taking.ask.tasks.as_deref())? {
        // Where none has a turn nobody is read, and more than have one where those before them went elsewhere.
        let asked = match taking.meters.left(list, change.now) {
            Some(0) => continue,
            Some(left) => fetch.min(left.max(2 * taking.passed)),
            None => fetch,
        };
        let behind = listed(change, Source::List(list), low, high, asked)?;
        close(&behind, asked);
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
            found.push(Candidate { at: job.id.0, job, source: Source::Fresh });
        }
        from = ceiling;
    }
    Ok(found)
}

/// Rows that `pyqueue_side` lists.
fn listed(change: &Change, source: Source, low: i64, high: i64, limit: usize) -> Result<Vec<Candidate>> {
    let (place, k) = match source {
        Source::List(gate) => (side::GATE, gate),
        _ => (side::AGAIN, 0),
    };
    let mut statement = change.conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", s.at FROM pyqueue_side s CROSS JOIN pyqueue_job j ON j.id=s.id \
         WHERE s.place=?1 AND s.k=?2 AND s.at>=?3 AND s.at<=?4 ORDER BY s.at, s.id LIMIT ?5"
    ))?;
    let rows = statement.query_map(params![place, k, low, high, limit], |row| {
        Ok(Candidate { at: row.get(22)?, job: JobRow::from(row)?, source })
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

/// Moves the heads of a range of bands over up to `limit` rows and hands out those that were ready; and whether there may
/// be more.
pub fn pass(change: &mut Change, low: i64, high: i64, limit: usize) -> Result<(Vec<JobRow>, bool)> {
    let mut ready = Vec::new();
    let passed = fresh(change, low, high, limit)?;
    let more = passed.len() == limit;
    for candidate in passed {
        if step_over(change, &candidate.job)? {
            ready.push(candidate.job);
        }
    }
    Ok((ready, more))
}

/// Takes a row, sets it aside, or lets it go.
fn consider(change: &mut Change, taking: &mut Taking, candidate: Candidate) -> Result<()> {
    let Candidate { at, job, source } = candidate;
    let fresh = source == Source::Fresh;
    if (at, job.id.0) <= taking.last {
        return Err(Error::Corrupt("a job in line comes twice".into()));
    }
    taking.last = (at, job.id.0);
    if let Source::List(gate) = source
        && taking.meters.left(gate, change.now) == Some(0)
    {
        // Those before it have taken the turns.
        return Ok(());
    }
    if fresh && !step_over(change, &job)? {
        taking.passed += 1;
        taking.broken |= job.mark != HUSK;
        return Ok(());
    }
    if job.expires.is_some_and(|at| at <= change.now) && !mutants::on(Mutant::ExpiredRuns) {
        taking.passed += 1;
        return leave::leave(change, &job, Exit::Expired);
    }
    let meters = change.rules.meters(&job.task, id::queue_of(job.band()), job.dedup.as_deref());
    let turn = |gate: &&i64| taking.meters.left(**gate, change.now) == Some(0);
    let waits = meters.iter().find(turn).copied();
    if let Some(gate) = gate::in_the_way(change, &job, taking.ask.tasks.as_deref())?.or(waits) {
        taking.passed += 1;
        taking.broken = true;
        let known = taking.ask.tasks.as_ref().is_none_or(|known| known.contains(&job.task));
        if !known && taking.unknown.iter().all(|(task, _)| *task != job.task) {
            let id = change.public(job.id, job.nonce, job.alias.clone());
            taking.unknown.push((job.task.clone(), id));
        }
        // Others may be idle when its turn comes.
        change.rings.ready |= waits == Some(gate);
        if !fresh {
            side::take(change, job.id)?;
        } else if change.rules.keeps(gate, &job.task) {
            taking.run = Some(Run { band: job.id.band(), task: job.task, gate });
        }
        return side::put_behind(change, job.id, gate, at);
    }
    if !job.sound() {
        taking.passed += 1;
        return leave::leave(change, &job, Exit::Dead(damaged()));
    }
    if !fresh {
        side::take(change, job.id)?;
    }
    taking.meters.pass(&meters);
    if event::wanted(change) {
        event::received(change, &job, taking.ask.owner)?;
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
