//! Why: what a job waits for, in one sentence.

use rusqlite::Connection;

use super::gate::{self, GateView, Scope};
use super::row::JobRow;
use super::{Store, budget, half, head, lease, rules, side, view, workflow};
use crate::error::Result;
use crate::id;
use crate::job::State;

impl Store {
    /// What a job waits for, in one sentence.
    pub fn why(&self, id: &str) -> Result<String> {
        let now = self.env().clock.wall_us();
        self.read(|conn, file| why(conn, file, id, now))
    }
}

fn why(conn: &Connection, file: u32, text: &str, now: i64) -> Result<String> {
    let Some(job) = (match view::resolve(conn, file, text)? {
        Some(named) => view::live(conn, named)?,
        None => None,
    }) else {
        return Ok(match view::view(conn, file, text)?.state {
            State::Unknown => "There is no such job in this file.".into(),
            State::Waiting => {
                "It was enqueued by plain SQL; the next claim of any worker takes it up.".into()
            }
            ended => format!("It has ended: {}.", ended.name()),
        });
    };
    if let Some(side) = side::read(conn, job.id)? {
        return aside(conn, &job, side, now);
    }
    if let Some(lease) = lease::covering(conn, job.id)? {
        return Ok(format!("It is with worker {}.", lease.owner));
    }
    if let Some(gate) = kept_by(conn, &job)? {
        return Ok(shut(&gate, 0, now));
    }
    let head = head::read(conn, job.band())?;
    Ok(format!(
        "It is in line, at most {} jobs of its queue and priority are before it{}.",
        job.id.0.saturating_sub(head.pos).saturating_sub(1),
        if none_works(conn)? { "; no worker is in the file" } else { "" }
    ))
}

fn aside(conn: &Connection, job: &JobRow, side: side::Side, now: i64) -> Result<String> {
    Ok(match side.place {
        side::GATE => return behind(conn, job, side, now),
        side::PREPARED if half::given_up(conn, job.id)? => {
            "It is prepared, and its check-back has given no answer; say it by `pyqueue settle`.".into()
        }
        side::PREPARED => "It is prepared: it starts once its sender, or its check-back, says so.".into(),
        side::HELD => return workflow::why(conn, side.k),
        side::LATER => {
            let seconds = side.k.saturating_sub(now) as f64 / 1e6;
            let turn = if job.retries > 0 { budget::turn(conn, &job.task)? } else { None };
            let used_up = turn.is_some_and(|turn| turn > now);
            let why = if used_up { " The retry budget of its task is used up for now." } else { "" };
            format!("It may start in {seconds:.1} s.{why}")
        }
        _ => match kept_by(conn, job)? {
            Some(gate) => shut(&gate, 0, now),
            None if none_works(conn)? => "It is in line again; no worker is in the file.".into(),
            None => "It is in line again and runs as soon as a worker is free.".into(),
        },
    })
}

/// The gate that would set a job aside that is in line, or that keeps its queue.
fn kept_by(conn: &Connection, job: &JobRow) -> Result<Option<GateView>> {
    let queue = rules::name_of(conn, id::queue_of(job.band()))?;
    let gates = gate::gates(conn)?;
    let keeps = |gate: &GateView| gate.scope.covers(&job.task, &queue, job.dedup.as_deref());
    let mut keeping: Vec<GateView> =
        gates.into_iter().filter(|gate| keeps(gate) && (gate.shut || gate.rate_us.is_some())).collect();
    keeping.sort_by_key(|gate| !gate.shut);
    Ok(keeping.into_iter().next())
}

/// Why a job on the list of a gate waits.
fn behind(conn: &Connection, job: &JobRow, side: side::Side, now: i64) -> Result<String> {
    let kind: String =
        conn.query_row("SELECT kind FROM pyqueue_gate WHERE id=?", [side.k], |row| row.get(0))?;
    if kind == "lack" {
        return Ok(format!("No worker that knows the task {} has come by since it was met.", job.task));
    }
    let before: i64 = conn
        .prepare_cached("SELECT count(*) FROM pyqueue_side WHERE place=2 AND k=?1 AND (at, id)<(?2, ?3)")?
        .query_row([side.k, side.at, job.id.0], |row| row.get(0))?;
    match gate::by_id(conn, side.k)? {
        Some(gate) if gate.shut || gate.rate_us.is_some() => Ok(shut(&gate, before, now)),
        _ => Ok(format!("The task {} was paused; its jobs are coming back in line.", job.task)),
    }
}

fn none_works(conn: &Connection) -> Result<bool> {
    Ok(conn.query_row("SELECT NOT EXISTS(SELECT 1 FROM pyqueue_owner)", [], |row| row.get(0))?)
}

/// What keeps a job behind which so many are.
fn shut(gate: &GateView, before: i64, now: i64) -> String {
    let about = match &gate.scope {
        Scope::Task(name) => format!("The task {name}"),
        Scope::Queue(_) => "Its queue".into(),
        Scope::Fits(pattern) => format!("What fits {}", pattern.words()),
    };
    match gate.rate_us {
        Some(rate) if !gate.shut => {
            let seconds = rate as f64 / 1e6 * before as f64;
            let each = match rate {
                1_000_000.. => format!("one in {} s", rate as f64 / 1e6),
                _ => format!("{:.0} a second", 1e6 / rate as f64),
            };
            format!(
                "{about} is let out {each}; jobs before it: {before}, so that its turn comes in about {seconds:.0} s."
            )
        }
        _ => {
            let since = gate.since_us.map(|since| (now.saturating_sub(since)).max(0) / 1_000_000);
            let long = since.map(|seconds| format!(" for {seconds} s")).unwrap_or_default();
            let who = gate.author.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
            let why = gate.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{about} is paused{long}{who}{why}{}", if why.ends_with('.') { "" } else { "." })
        }
    }
}
