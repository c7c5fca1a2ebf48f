//! Finish: the ends of attempts, any subset of a claim in any order, each under its token.

use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::change::Change;
use super::claim::{self, Ask, Claimed};
use super::history::{self, Run, Success};
use super::lease::{self, Lease};
use super::revoke::Then;
use super::row::{self, JobRow};
use super::{Store, advance, budget, dedup, errback, leave, log, plan, progress, revoke, shift, side, step};
use crate::error::{Error, Result};
use crate::id::{RowId, SHELF};
use crate::job::{Beside, Failure, Finish, Finished, Instead, Outcome, Payload, State};
use crate::mutants::{self, Mutant};
use crate::sqlite::Durability;

/// So many losses without a charge weigh as much as one with.
const UNCHARGED: u32 = 4;

/// Turns a success whose result is larger than the limit, or a retry whose arguments are, into a failure that
/// says so.
pub fn bound(end: &mut Finish, max_body: usize) {
    let (what, body) = match &end.outcome {
        Outcome::Success(Some(result)) => ("result takes", &result.body),
        Outcome::Retry { payload: Some(payload), .. } => ("retry's arguments take", &payload.body),
        _ => return,
    };
    if body.len() > max_body {
        // What was to follow was to follow a success.
        end.then.clear();
        end.outcome = Outcome::Failure(Failure {
            error: "pyqueue.exceptions.EncodeError".into(),
            message: format!(
                "the {what} {} bytes, the limit is {max_body}: store the data elsewhere and pass a reference, or raise max_body",
                body.len()
            ),
            ..Failure::default()
        });
    }
}

/// Writes ends, and claims what is asked for. What was logged goes first where there is little room: it never takes
/// what was set aside for outcomes.
pub fn written(store: &Store, mut ends: Vec<Finish>, ask: Option<Ask>) -> Result<(Vec<Finished>, Claimed)> {
    let work = |ends: &Arc<Vec<Finish>>| {
        let (ends, ask) = (ends.clone(), ask.clone());
        move |change: &mut Change| {
            let finished = finish(change, &ends)?;
            let claimed = ask.map(|ask| claim::claim(change, &ask)).transpose()?.unwrap_or_default();
            Ok((finished, claimed))
        }
    };
    let logs = |end: &Finish| end.beside.as_ref().is_some_and(|beside| beside.log.is_some());
    if ends.iter().any(logs) {
        let shared = Arc::new(ends);
        if !store.is_short()? {
            let done = store.write(Durability::Normal, work(&shared));
            if !matches!(done, Err(Error::Full(_))) {
                return done;
            }
        }
        ends = Arc::unwrap_or_clone(shared);
        ends.iter_mut().filter_map(|end| end.beside.as_mut()).for_each(|beside| beside.log = None);
    }
    store.keep(Durability::Normal, work(&Arc::new(ends)))
}

/// Writes every end whose token still covers its job. One answer an end, in the order given.
pub fn finish(change: &mut Change, ends: &[Finish]) -> Result<Vec<Finished>> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by_key(|&at| ends[at].row);
    let mut answers = vec![Finished::LeaseLost; ends.len()];
    let mut held: Option<Lease> = None;
    let mut at = 0;
    // Ends whose jobs were to end: nothing follows them, and nothing is kept of an attempt that gave way.
    let (mut dropped, mut void) = (Vec::new(), Vec::new());
    while at < order.len() {
        let end = &ends[order[at]];
        // A lease that an earlier end of this call has cut is known without a look.
        let lease = match held
            .filter(|lease| lease.token == end.token && (lease.first..=lease.last).contains(&end.row.0))
        {
            Some(lease) => Some(lease),
            None => lease::mine(change, end.row, end.token)?,
        };
        let Some(lease) = lease else {
            answers[order[at]] = repeated(change, end)?;
            at += 1;
            continue;
        };
        let run = run_of_successes(ends, &order[at..], &lease);
        if run > 0 {
            held = succeed(change, &lease, ends, &order[at..at + run])?;
            for &index in &order[at..at + run] {
                answers[index] = Finished::Done;
            }
            at += run;
            continue;
        }
        if let Some(job) = row::read(change.conn, end.row)? {
            held = lease::cut(change.conn, &lease, end.row.0, end.row.0)?;
            let wish = if lease.plain { None } else { aside(change, end)? };
            match wish.filter(|_| !matches!(end.outcome, Outcome::Success(_))) {
                Some(then) => {
                    revoke::end(change, &job, ran(&lease, end), &end.outcome, then)?;
                    dropped.push(order[at]);
                    if then == Then::Back {
                        void.push(order[at]);
                    }
                }
                None => one(change, &job, &lease, end)?,
            }
            answers[order[at]] = Finished::Done;
        }
        at += 1;
    }
    errback::settle(change)?;
    for (index, (end, answer)) in ends.iter().zip(&answers).enumerate() {
        let ended = matches!(end.outcome, Outcome::Success(_) | Outcome::Failure(_));
        if *answer == Finished::Done && ended && !dropped.contains(&index) {
            for job in &end.then {
                errback::follow(change, job.clone())?;
            }
            if let Some(beside) = &end.beside {
                plan::follow(change, end, beside)?;
            }
        }
        if let Some(said) = end.beside.as_deref()
            && *answer != Finished::LeaseLost
            && !void.contains(&index)
        {
            beside(change, end, said)?;
        }
    }
    advance::settle(change)?;
    if !ends.is_empty() {
        // History stays inside its bound while it is written: twice as fast out as in.
        history::prune_surplus(change, 2 * ends.len() as i64 + 16)?;
    }
    Ok(answers)
}

/// Keeps what is said beside an end. A repetition may be one that the first time had nobody to say it.
fn beside(change: &mut Change, end: &Finish, said: &Beside) -> Result<()> {
    if let Some(log) = &said.log
        && end.outcome != Outcome::GivenBack
    {
        log::keep(change, end.row, end.token, log)?;
    }
    if let Some(keep_us) = said.keep_us {
        history::keep_until(change, end.row, end.token, change.now.saturating_add(keep_us))?;
    }
    Ok(())
}

/// Forgets what was noted beside the lease of a running job; what becomes of it if it was to end.
fn aside(change: &Change, end: &Finish) -> Result<Option<Then>> {
    progress::clear(change.conn, end.row, end.row)?;
    Ok(revoke::take(change.conn, end.row, end.row)?.first().map(|(_, then)| *then))
}

/// A write without a lease is either the repetition of one that was made, or too late.
fn repeated(change: &Change, end: &Finish) -> Result<Finished> {
    let outcome = match &end.outcome {
        Outcome::Success(_) => history::SUCCESS,
        Outcome::Failure(_) => history::FAILURE,
        Outcome::Retry { .. } if instead(end).is_some() => history::REPLACED,
        Outcome::Retry { .. } => history::RETRY,
        Outcome::Lost { .. } => history::LOST,
        Outcome::GivenBack => return Ok(Finished::LeaseLost),
    };
    let recorded = |outcome| history::recorded(change.conn, end.row, end.token, outcome);
    // What was not a success has cancelled a job that was revoked; and a process may die after it has committed the end
    // of its job by itself.
    let again = recorded(outcome)?
        || outcome != history::SUCCESS && recorded(history::CANCELLED)?
        || outcome == history::LOST && recorded(history::SUCCESS)?;
    Ok(if again { Finished::Again } else { Finished::LeaseLost })
}

/// How many of the next ends are successes of neighbouring rows of this lease. Neighbouring ids have no row
/// between them, so that one range statement takes exactly these.
fn run_of_successes(ends: &[Finish], order: &[usize], lease: &Lease) -> usize {
    let neighbours = ends[order[0]].row.0..=lease.last;
    let fits = |(next, index): &(i64, &usize)| {
        let end = &ends[**index];
        end.row.0 == *next && end.token == lease.token && matches!(end.outcome, Outcome::Success(_))
    };
    neighbours.zip(order).take_while(fits).count()
}

/// Ends a run of neighbours as successes: a history row each, then one range statement.
fn succeed(change: &mut Change, lease: &Lease, ends: &[Finish], run: &[usize]) -> Result<Option<Lease>> {
    let (first, last) = (ends[run[0]].row, ends[run[run.len() - 1]].row);
    let mut successes = Vec::with_capacity(run.len());
    for &index in run {
        let end = &ends[index];
        let Outcome::Success(result) = &end.outcome else { continue };
        successes.push(Success { id: end.row, run: ran(lease, end), result: result.as_ref() });
        if first.band() == SHELF {
            let home = home(change, end.row)?;
            change.heads.get(home)?.succeeded += 1;
        }
        change.rings.ended.push(end.row);
    }
    history::append_successes(change, &successes)?;
    if first.band() != SHELF {
        let elsewhere = if lease.plain { 0 } else { shifted(change, first, last)? };
        change.heads.get(first.band())?.succeeded += run.len() as i64 - elsewhere;
    }
    let rest = lease::cut(change.conn, lease, first.0, last.0)?;
    if !lease.plain {
        dedup::release_range(change, first, last)?;
        errback::drop_range(change.conn, first, last)?;
        step::drop_range(change.conn, first, last)?;
        progress::clear(change.conn, first, last)?;
        revoke::take(change.conn, first, last)?;
        leave::keep_places(change, first, last)?;
    }
    let sql = if lease.plain {
        "DELETE FROM pyqueue_job WHERE id BETWEEN ?1 AND ?2"
    } else {
        "DELETE FROM pyqueue_job WHERE id BETWEEN ?1 AND ?2 AND mark<>2"
    };
    change.conn.prepare_cached(sql)?.execute([first.0, last.0])?;
    Ok(rest)
}

/// Counts successes of a range for the queues their jobs were given since; how many there are.
fn shifted(change: &mut Change, first: RowId, last: RowId) -> Result<i64> {
    let homes: Vec<(i64, i64)> = change
        .conn
        .prepare_cached(
            "SELECT home, count(*) FROM pyqueue_job WHERE id BETWEEN ?1 AND ?2 AND home IS NOT NULL GROUP BY home",
        )?
        .query_map([first.0, last.0], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (home, count) in &homes {
        change.heads.get(*home)?.succeeded += count;
    }
    Ok(homes.iter().map(|(_, count)| count).sum())
}

fn home(change: &Change, id: RowId) -> Result<i64> {
    let home: Option<i64> = change
        .conn
        .prepare_cached("SELECT ifnull(home, id>>43) FROM pyqueue_job WHERE id=?")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    Ok(home.unwrap_or_else(|| id.band()))
}

fn ran(lease: &Lease, end: &Finish) -> Run {
    Run { token: Some(lease.token), owner: Some(lease.owner), started: end.started_us, usage: end.usage }
}

/// Ends one attempt; its place is cut out of the lease already.
fn one(change: &mut Change, job: &JobRow, lease: &Lease, end: &Finish) -> Result<()> {
    let run = ran(lease, end);
    if let (Outcome::Retry { payload, .. }, Some(instead)) = (&end.outcome, instead(end)) {
        return plan::go_on_as(change, job, run, instead, payload.as_ref());
    }
    match &end.outcome {
        Outcome::Success(result) => {
            history::append_successes(change, &[Success { id: job.id, run, result: result.as_ref() }])?;
            change.heads.get(job.band())?.succeeded += 1;
            leave::remove(change, job)
        }
        Outcome::Failure(failure) => {
            history::append(change, job, history::FAILURE, Some(state_of(failure)), run, Some(failure))?;
            change.heads.get(job.band())?.failed += 1;
            // Who says what follows knows better than what was stored with the job.
            if end.then.is_empty() {
                errback::release(change, job)?;
            }
            leave::remove(change, job)
        }
        Outcome::Retry { delay_us, payload, failure } => {
            history::append(change, job, history::RETRY, None, run, Some(failure))?;
            change.heads.get(job.band())?.retried += 1;
            charge(change, job.id, 1, 0)?;
            if let Some(payload) = payload {
                replace(change, job.id, payload)?;
            }
            let turn = match end.beside.as_ref().and_then(|beside| beside.budget) {
                Some(budget) => budget::take(change, &job.task, budget)?,
                None => 0,
            };
            let delay_us = turn.saturating_add((*delay_us).max(0));
            let at = match end.beside.as_ref().and_then(|beside| beside.queue.as_deref()) {
                Some(queue) => shift::shift(change, job, queue)?,
                None => job.at(),
            };
            if delay_us > 0 {
                side::put_later(change, job.id, change.now.saturating_add(delay_us), at)
            } else {
                side::put_again(change, job.id, at)
            }
        }
        Outcome::Lost { reason, charged } => lose(change, job, run, reason, *charged),
        Outcome::GivenBack => {
            log::drop_attempt(change, job.id, lease.token)?;
            side::put_again(change, job.id, job.at())
        }
    }
}

/// A message that can't be read can never be run: dead, not failed, so that it is kept apart from errors of
/// the task itself.
fn state_of(failure: &Failure) -> State {
    match failure.error.as_str() {
        "pyqueue.exceptions.DecodeError" => State::Dead,
        _ => State::Failed,
    }
}

/// Ends an attempt whose process died under it: the job comes again, or is dead once it has taken too many
/// processes with it. Its lease must be cut already; the caller settles the errbacks.
pub fn lose(change: &mut Change, job: &JobRow, run: Run, reason: &str, charged: bool) -> Result<()> {
    let losses = job.losses.saturating_add(u32::from(charged));
    // Losses that nobody can lay at the job's door are bounded too, or a job that spoils its child's pipe after
    // its work would come back for ever.
    let all = job.attempts.saturating_add(1).saturating_sub(job.retries);
    let bounded = !mutants::on(Mutant::LossesUncounted);
    let dead = bounded && (losses >= job.max_losses || all >= job.max_losses.saturating_mul(UNCHARGED));
    let message = if dead {
        format!(
            "the job's process died {all} times, the last time by {reason}; it is kept as dead and not tried again"
        )
    } else {
        format!("the job's process died: {reason}")
    };
    let failure =
        Failure { error: "pyqueue.exceptions.WorkerLostError".into(), message, ..Failure::default() };
    history::append(change, job, history::LOST, dead.then_some(State::Dead), run, Some(&failure))?;
    change.heads.get(job.band())?.lost += 1;
    if dead {
        change.heads.get(job.band())?.failed += 1;
        errback::release(change, job)?;
        return leave::remove(change, job);
    }
    charge(change, job.id, 0, u32::from(charged))?;
    side::put_again(change, job.id, job.at())
}

fn instead(end: &Finish) -> Option<&Instead> {
    end.beside.as_ref()?.instead.as_deref()
}

/// The job goes on with other arguments, at its place.
pub fn replace(change: &Change, id: RowId, payload: &Payload) -> Result<()> {
    change
        .conn
        .prepare_cached("UPDATE pyqueue_job SET content_type=?2, checksum=?3, payload=?4 WHERE id=?1")?
        .execute(params![id.0, payload.content_type, crc32fast::hash(&payload.body), payload.body])?;
    Ok(())
}

pub fn charge(change: &Change, id: RowId, retries: u32, losses: u32) -> Result<()> {
    change
        .conn
        .prepare_cached(
            "UPDATE pyqueue_job SET attempts=attempts+1, retries=retries+?2, losses=losses+?3 WHERE id=?1",
        )?
        .execute([id.0, i64::from(retries), i64::from(losses)])?;
    Ok(())
}
