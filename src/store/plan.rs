//! Plan: the jobs of a workflow and the nodes they wait for are stored together; and what a job that ends brings along.

use rusqlite::{OptionalExtension, params};

use super::change::Change;
use super::enqueue::{self, Tie};
use super::history::{self, Run};
use super::row::JobRow;
use super::{advance, alias, errback, finish, head, leave, rules, side};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::{Beside, Enqueued, Failure, Finish, Instead, NewJob, Outcome, Payload, State};
use crate::plan::{Plan, Run as When};

/// Stores a workflow; the number of its root, and its jobs in order.
pub fn store(change: &mut Change, plan: Plan) -> Result<(i64, Vec<Enqueued>)> {
    if let Some(name) = &plan.name
        && named(change, name)?
    {
        return Err(Error::invalid(format!("a workflow with the name {name:?} is in the file already")));
    }
    let counter = change.heads.get(head::NODE)?;
    let root = counter.pos + 1;
    counter.pos += plan.nodes.len() as i64;
    let number = |node: u32| root + i64::from(node);
    for (at, node) in (0..).zip(&plan.nodes) {
        let run = match node.run {
            When::Success => 0,
            When::Always => advance::ALWAYS,
            When::Failure => 2,
        };
        let own = number(at);
        let of_root = (at > 0).then_some(root);
        let (name, size) = if at == 0 { (plan.name.as_deref(), Some(plan.jobs.len())) } else { (None, None) };
        change
            .conn
            .prepare_cached(
                "INSERT INTO pyqueue_node(id, root, name, size, inputs, waits, list, run, made) VALUES(?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![own, of_root, name, size, node.inputs, node.list, run, change.now])?;
        for (to, position) in &node.forwards {
            let input = advance::input(number(*to), i64::from(*position));
            change
                .conn
                .prepare_cached("INSERT INTO pyqueue_edge(node, input) VALUES(?1, ?2)")?
                .execute([own, input])?;
            change
                .conn
                .prepare_cached("INSERT INTO pyqueue_input(id, source) VALUES(?1, ?2)")?
                .execute([input, own])?;
        }
    }
    let empty: Vec<i64> =
        (0..).zip(&plan.nodes).filter(|(_, node)| node.inputs == 0).map(|(at, _)| number(at)).collect();
    let mut stored = Vec::with_capacity(plan.jobs.len());
    for one in plan.jobs {
        let fills = advance::input(number(one.fills.0), i64::from(one.fills.1));
        let tie = Tie { node: one.after.map(number), fills: Some(fills) };
        stored.push(member(change, one.job, tie, (one.delay_us, one.lifetime_us))?);
        if let Some(undo) = one.undo {
            change
                .conn
                .prepare_cached("INSERT INTO pyqueue_undo(input, root, job) VALUES(?1, ?2, ?3)")?
                .execute(params![fills, root, errback::one(*undo)])?;
        }
    }
    for node in empty {
        advance::decide(change, node, &mut { 1 << 40 })?;
    }
    Ok((root, stored))
}

/// Stores a job of a workflow. What is counted from the moment at which it may start is counted now, if that is now.
fn member(
    change: &mut Change,
    job: NewJob,
    tie: Tie,
    (delay_us, lifetime_us): (Option<i64>, Option<i64>),
) -> Result<Enqueued> {
    let (held, own) = (tie.node.is_some(), job.alias.clone());
    let after_now = |time: i64| change.now.saturating_add(time);
    let (delay, lifetime) = (delay_us.filter(|_| held), lifetime_us.filter(|_| held));
    let run_at = job.run_at_us.filter(|_| held);
    let job = NewJob {
        run_at_us: delay_us.map(after_now).or(job.run_at_us),
        expires_us: lifetime_us.filter(|_| !held).map(after_now).or(job.expires_us),
        ..job
    };
    let stored = enqueue::member(change, job, tie)?;
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_input(id, job, nonce, alias, node, delay, run_at, lifetime) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![tie.fills, stored.row.0, stored.nonce, own, tie.node, delay, run_at, lifetime])?;
    Ok(stored.answer)
}

fn named(change: &Change, name: &str) -> Result<bool> {
    Ok(change
        .conn
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM pyqueue_node WHERE name=?)")?
        .query_row([name], |row| row.get(0))?)
}

/// Why a plan that came with the end of a job can't be stored. Asked before anything is written: that end stands.
fn trouble(change: &mut Change, plan: &Plan) -> Result<Option<Error>> {
    if let Err(error) = plan.check() {
        return Ok(Some(error));
    }
    let mut queues: Vec<&str> = plan.jobs.iter().map(|one| one.job.queue.as_str()).collect();
    queues.sort_unstable();
    queues.dedup();
    for queue in queues {
        match rules::queue(change, queue) {
            Err(error @ Error::Invalid(_)) => return Ok(Some(error)),
            other => drop(other?),
        }
    }
    for one in &plan.jobs {
        if let Some(own) = &one.job.alias
            && alias::find(change.conn, own)?.is_some()
        {
            return Ok(Some(Error::Duplicate { id: own.clone() }));
        }
    }
    match &plan.name {
        Some(name) if named(change, name)? => {
            Ok(Some(Error::invalid(format!("a workflow with the name {name:?} is in the file already"))))
        }
        _ => Ok(None),
    }
}

/// Stores what follows the end of a job: workflows, and more members of the node that it fills.
pub fn follow(change: &mut Change, end: &Finish, beside: &Beside) -> Result<()> {
    for plan in &beside.plans {
        if trouble(change, plan)?.is_none() {
            store(change, plan.clone())?;
        }
    }
    if beside.members.is_empty() || !matches!(end.outcome, Outcome::Success(_)) {
        return Ok(());
    }
    let fills: Option<i64> = change
        .conn
        .prepare_cached("SELECT fills FROM pyqueue_history WHERE job=?1 AND token=?2 AND state=0")?
        .query_row([end.row.0, end.token], |row| row.get(0))
        .optional()?
        .flatten();
    for job in &beside.members {
        match fills.map(|fills| widened(change, advance::node_of(fills))).transpose()?.flatten() {
            Some(fills) => {
                member(change, job.clone(), Tie { node: None, fills: Some(fills) }, (None, None))?;
            }
            None => errback::follow(change, job.clone())?,
        }
    }
    Ok(())
}

/// Gives a list that is still waited for one more input.
fn widened(change: &Change, node: i64) -> Result<Option<i64>> {
    let position: Option<i64> = change
        .conn
        .prepare_cached(
            "UPDATE pyqueue_node SET inputs=inputs+1, waits=waits+1 WHERE id=? AND waits>0 AND list=1 AND inputs<1048575 RETURNING inputs-1",
        )?
        .query_row([node], |row| row.get(0))
        .optional()?;
    Ok(position.map(|position| advance::input(node, position)))
}

/// A job goes on as one of another task, once a workflow of its own has ended.
pub fn go_on_as(
    change: &mut Change,
    job: &JobRow,
    run: Run,
    instead: &Instead,
    payload: Option<&Payload>,
) -> Result<()> {
    if let Some(error) = trouble(change, &instead.plan)? {
        let failure = Failure {
            error: "pyqueue.exceptions.InvalidJob".into(),
            message: format!("what the job was to be replaced by was not stored: {error}"),
            ..Failure::default()
        };
        history::append(change, job, history::FAILURE, Some(State::Failed), run, Some(&failure))?;
        change.heads.get(job.band())?.failed += 1;
        errback::release(change, job)?;
        return leave::remove(change, job);
    }
    history::append(change, job, history::REPLACED, None, run, None)?;
    finish::charge(change, job.id, 0, 0)?;
    let (root, _) = store(change, instead.plan.clone())?;
    if let Some(payload) = payload {
        finish::replace(change, job.id, payload)?;
    }
    change.conn.prepare_cached("UPDATE pyqueue_job SET task=?2, node=?3 WHERE id=?1")?.execute(params![
        job.id.0,
        instead.task,
        root
    ])?;
    if let Some(fills) = job.fills {
        change.conn.prepare_cached("UPDATE pyqueue_input SET node=?2 WHERE id=?1")?.execute([fills, root])?;
    }
    held(change, job.id, root, job.at())
}

/// Sets a job aside until a workflow has ended; one without jobs has already.
fn held(change: &mut Change, id: RowId, root: i64, at: i64) -> Result<()> {
    let ended: bool = change
        .conn
        .prepare_cached("SELECT waits<0 FROM pyqueue_node WHERE id=?")?
        .query_row([root], |row| row.get(0))?;
    if ended { side::put_again(change, id, at) } else { side::put_held(change, id, root, at) }
}
