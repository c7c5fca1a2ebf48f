//! Advance: the end of a job fills an input of its workflow, and the last input of a node decides what becomes of the
//! jobs that wait for it. All in the transaction that ends the job, whatever ends it.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::history;
use super::leave::{self, Exit};
use super::row::{JobRow, columns};
use super::{errback, inputs, side, undo};
use crate::error::Result;
use crate::id::SHELF;
use crate::job::{Failure, Payload, State};
use crate::mutants::{self, Mutant};
use crate::nouns;

/// How many jobs one transaction lets start, or ends, before it lets others write; a claim goes on with the rest.
const STEP: usize = 500;
/// The state of an input whose job had no reason to run.
pub const SKIPPED: i64 = 5;
/// Codes of `pyqueue_node.run`.
pub const ALWAYS: i64 = 1;
const AFTER_FAILURE: i64 = 2;
/// Of the node that ends what undoes a workflow.
pub const UNDOING: i64 = 3;

const POSITION_BITS: i64 = 20;

/// The id of an input.
pub fn input(node: i64, position: i64) -> i64 {
    node << POSITION_BITS | position
}

/// The node of an input.
pub fn node_of(input: i64) -> i64 {
    input >> POSITION_BITS
}

/// The last input that a node may have.
pub fn last_input(node: i64) -> i64 {
    input(node, (1 << POSITION_BITS) - 1)
}

/// How what fills an input ended.
#[derive(Clone, Copy)]
pub enum End<'a> {
    Success(Option<&'a Payload>),
    Other(State, Option<&'a Failure>),
    Skipped,
    /// The value of a node.
    Value(i64),
}

/// An input that was filled and is not counted yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Filled {
    node: i64,
    failed: bool,
    skipped: bool,
}

/// Fills an input, unless that was done before.
pub fn fill(change: &mut Change, input: i64, end: End) -> Result<()> {
    let (state, source) = match end {
        End::Success(_) => (0, None),
        End::Value(node) => (0, Some(node)),
        End::Other(state, _) => (history::state_code(state).unwrap_or(1), None),
        End::Skipped => (SKIPPED, None),
    };
    if mutants::on(Mutant::OnlySuccessFills) && !matches!(state, 0 | SKIPPED) {
        return Ok(());
    }
    let why = match end {
        End::Other(_, Some(failure)) => {
            let mut out = Vec::new();
            nouns::why(&mut out, failure);
            Some(out)
        }
        _ => None,
    };
    let (content_type, value) = match end {
        End::Success(Some(result)) => (result.content_type.as_deref(), Some(result.body.as_slice())),
        _ => (None, why.as_deref()),
    };
    let done = change
        .conn
        .prepare_cached(
            "UPDATE pyqueue_input SET state=?2, source=ifnull(?3, source), content_type=?4, value=?5, checksum=?6, turn=?7 \
             WHERE id=?1 AND state IS NULL",
        )?
        .execute(params![
            input,
            state,
            source,
            content_type,
            value,
            value.map(crc32fast::hash),
            change.appended.get()
        ])?;
    if done == 1 {
        let (failed, skipped) = (!matches!(state, 0 | SKIPPED), state == SKIPPED);
        change.filled.push(Filled { node: node_of(input), failed, skipped });
    }
    Ok(())
}

/// Counts what was filled, and decides the nodes that are complete. What that ends fills inputs in its turn, and may
/// have errbacks.
pub fn settle(change: &mut Change) -> Result<()> {
    settle_some(change, &mut { STEP })
}

fn settle_some(change: &mut Change, left: &mut usize) -> Result<()> {
    while !change.filled.is_empty() || !change.follows.is_empty() {
        errback::settle(change)?;
        let mut filled = std::mem::take(&mut change.filled);
        filled.sort_unstable();
        for of_node in filled.chunk_by(|a, b| a.node == b.node) {
            let failed = of_node.iter().filter(|one| one.failed).count() as i64;
            let skipped = of_node.iter().filter(|one| one.skipped).count() as i64;
            let waits: Option<i64> = change
                .conn
                .prepare_cached(
                    "UPDATE pyqueue_node SET waits=waits-?2, failed=failed+?3, skipped=skipped+?4 WHERE id=?1 AND waits>=?2 RETURNING waits",
                )?
                .query_row(params![of_node[0].node, of_node.len() as i64, failed, skipped], |row| row.get(0))
                .optional()?;
            let early = mutants::on(Mutant::DecidedOneEarly) && waits == Some(1);
            if waits == Some(0) || early {
                decide(change, of_node[0].node, left)?;
            }
        }
    }
    Ok(())
}

/// Goes on with nodes that are complete and whose jobs were too many for one transaction; true if there is more.
pub fn go_on(change: &mut Change) -> Result<bool> {
    let mut left = STEP;
    while left > 0 {
        let due: Option<i64> = change
            .conn
            .prepare_cached("SELECT id FROM pyqueue_node WHERE waits=0 LIMIT 1")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let Some(node) = due else { return Ok(false) };
        if mutants::on(Mutant::RestForgotten) {
            break;
        }
        decide(change, node, &mut left)?;
        settle_some(change, &mut left)?;
    }
    Ok(true)
}

/// A node of which every input is filled.
struct Node {
    id: i64,
    root: Option<i64>,
    inputs: i64,
    failed: i64,
    skipped: i64,
    list: bool,
    run: i64,
    cancelled: bool,
}

/// What becomes of the jobs that wait for a node.
enum Verdict {
    Run,
    Fail,
    Skip,
    Cancel,
}

impl Node {
    fn verdict(&self) -> Verdict {
        match self.run {
            _ if self.cancelled => Verdict::Cancel,
            ALWAYS | UNDOING => Verdict::Run,
            AFTER_FAILURE if self.failed > 0 => Verdict::Run,
            AFTER_FAILURE => Verdict::Skip,
            _ if self.failed > 0 => Verdict::Fail,
            _ if self.skipped > 0 => Verdict::Skip,
            _ => Verdict::Run,
        }
    }
}

fn read(conn: &Connection, id: i64) -> Result<Option<Node>> {
    Ok(conn
        .prepare_cached(
            "SELECT root, inputs, failed, skipped, list, run, \
             cancelled OR ifnull((SELECT r.cancelled FROM pyqueue_node r WHERE r.id=n.root), 0) FROM pyqueue_node n WHERE id=?",
        )?
        .query_row([id], |row| {
            Ok(Node {
                id,
                root: row.get(0)?,
                inputs: row.get(1)?,
                failed: row.get(2)?,
                skipped: row.get(3)?,
                list: row.get(4)?,
                run: row.get(5)?,
                cancelled: row.get(6)?,
            })
        })
        .optional()?)
}

/// Lets the jobs that wait for a node start, or ends them, and gives its value to the nodes that wait for it. As long as
/// some are left it stays complete and not decided.
pub fn decide(change: &mut Change, id: i64, left: &mut usize) -> Result<()> {
    let Some(node) = read(change.conn, id)? else { return Ok(()) };
    let exit = match node.verdict() {
        Verdict::Run => None,
        Verdict::Fail => Some(upstream(change, &node)?),
        Verdict::Skip => Some(Exit::Skipped),
        Verdict::Cancel => Some(Exit::Cancelled),
    };
    let done = forward(change, &node, exit.as_ref(), left)? && start(change, &node, exit.as_ref(), left)?;
    if !done {
        change.rings.ready = true;
        return Ok(());
    }
    change
        .conn
        .prepare_cached("UPDATE pyqueue_node SET waits=-1, ended=?2 WHERE id=?1")?
        .execute([node.id, change.now])?;
    match node.root {
        None if node.failed > 0 && undo::begin(change, node.id)? => Ok(()),
        None => undo::end(change, node.id),
        Some(root) if node.run == UNDOING => undo::end(change, root),
        Some(_) => Ok(()),
    }
}

/// False if there is more.
fn forward(change: &mut Change, node: &Node, exit: Option<&Exit>, left: &mut usize) -> Result<bool> {
    let mut edges = change.conn.prepare_cached(
        "SELECT e.input FROM pyqueue_edge e JOIN pyqueue_input i ON i.id=e.input WHERE e.node=?1 AND i.state IS NULL LIMIT ?2",
    )?;
    let to: Vec<i64> = edges
        .query_map(params![node.id, *left as i64 + 1], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let room = *left;
    for &input in to.iter().take(room) {
        let end = match exit {
            None => End::Value(node.id),
            Some(Exit::Skipped) => End::Skipped,
            Some(Exit::Upstream(failure, _)) => End::Other(State::Failed, Some(failure)),
            Some(_) => End::Other(State::Cancelled, None),
        };
        fill(change, input, end)?;
        *left -= 1;
    }
    Ok(to.len() <= room)
}

/// False if there is more.
fn start(change: &mut Change, node: &Node, exit: Option<&Exit>, left: &mut usize) -> Result<bool> {
    let mut held = change.conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", i.delay, i.run_at, i.lifetime FROM pyqueue_side s CROSS JOIN pyqueue_job j ON j.id=s.id LEFT JOIN pyqueue_input i ON i.id=j.fills \
         WHERE s.place=5 AND s.k=?1 ORDER BY s.at, s.id LIMIT ?2"
    ))?;
    let jobs: Vec<(JobRow, [Option<i64>; 3])> = held
        .query_map(params![node.id, *left as i64 + 1], |row| {
            Ok((JobRow::from(row)?, [row.get(22)?, row.get(23)?, row.get(24)?]))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let room = *left;
    let all = jobs.len() <= room;
    for (job, waits) in jobs.into_iter().take(room) {
        match exit {
            Some(exit) => leave::leave(change, &job, exit.clone())?,
            None => release(change, &job, waits)?,
        }
        *left -= 1;
    }
    Ok(all)
}

/// Lets a job start, after its own delay, or at its time, and for so long.
fn release(change: &mut Change, job: &JobRow, [delay, run_at, lifetime]: [Option<i64>; 3]) -> Result<()> {
    let after_now = |time: i64| change.now.saturating_add(time);
    let at = delay.map(after_now).or(run_at).filter(|at| *at > change.now);
    let expires = lifetime.map(after_now);
    if delay.or(run_at).or(lifetime).is_some() {
        // Said once: a job that is replaced later waits for no more than what replaces it.
        change
            .conn
            .prepare_cached("UPDATE pyqueue_input SET delay=NULL, run_at=NULL, lifetime=NULL WHERE id=?")?
            .execute([job.fills])?;
    }
    if expires.is_some() {
        change
            .conn
            .prepare_cached("UPDATE pyqueue_job SET expires=?2 WHERE id=?1")?
            .execute(params![job.id.0, expires])?;
    }
    side::release(change, job.id, at)?;
    if job.id.band() == SHELF {
        // It may end from here on, and its place must not be given again.
        change.heads.vacate_shelf(job.id.0)?;
    }
    Ok(())
}

/// How jobs end that wait for a node with an input that is no success.
fn upstream(change: &Change, node: &Node) -> Result<Exit> {
    let found = inputs::first_failed(change.conn, change.file, node.id, node.inputs)?;
    let Some((state, input)) = found else { return Ok(Exit::Cancelled) };
    if !node.list {
        return Ok(match input.failure {
            Some(failure) if matches!(state, State::Failed | State::Dead) => Exit::Upstream(failure, false),
            _ => Exit::Cancelled,
        });
    }
    let how = match &input.failure {
        Some(failure) => {
            let class = failure.error.rsplit('.').next().unwrap_or_default();
            format!("raised {class}: {}", failure.message)
        }
        None => format!("was {}", state.name()),
    };
    let who = if input.id.is_empty() { "a group" } else { input.id.as_str() };
    let failure = Failure {
        error: "pyqueue.exceptions.ChordError".into(),
        message: format!("Dependency {who} {how}"),
        ..Failure::default()
    };
    Ok(Exit::Upstream(failure, true))
}
