//! Workflows as their callers see them: stored, asked about, cancelled, and forgotten in time.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::leave::{self, Exit};
use super::{Store, advance, enqueue, head, inputs, lease, list, plan, row, view};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::job::Enqueued;
use crate::plan::{BranchView, Input, NodeView, Plan, WorkflowSummary};

/// How many jobs one transaction cancels before it lets others write.
const STEP: usize = 500;
/// How many inputs of a node are shown.
const SHOWN: usize = 20;

impl Store {
    /// Stores a workflow, all or nothing; its jobs in order. Rings `Line::Ready`.
    pub fn enqueue_plan(&self, plan: Plan) -> Result<Vec<Enqueued>> {
        if let Some(name) = &plan.name {
            enqueue::name("workflow's name", name)?;
        }
        for member in &plan.jobs {
            for job in [Some(&member.job), member.undo.as_deref()].into_iter().flatten() {
                enqueue::check_size(job, self.options.max_body)?;
                if job.dedup_key.is_some() {
                    return Err(Error::invalid(
                        "a job of a workflow can't have a dedup key: where another job has the key, nothing would ever take its place in the workflow",
                    ));
                }
                for errback in &job.errbacks {
                    enqueue::check_size(&errback.job, self.options.max_body)?;
                }
            }
        }
        self.take_in(move |change| Ok(plan::store(change, plan)?.1))
    }

    /// Inputs of the node that a running job waited for, from a position on.
    pub fn inputs(&self, job: RowId, start: i64, limit: usize) -> Result<Vec<Input>> {
        self.read(|conn, file| match waited_for(conn, job)? {
            Some(node) => inputs::of_node(conn, file, node, start, limit),
            None => Ok(Vec::new()),
        })
    }

    /// Whether the value of the node that a running job waited for is a list.
    pub fn takes_list(&self, job: RowId) -> Result<bool> {
        self.read(|conn, _| match waited_for(conn, job)? {
            Some(node) => inputs::is_list(conn, node),
            None => Ok(false),
        })
    }

    /// Inputs of a node, from a position on.
    pub fn values(&self, node: i64, start: i64, limit: usize) -> Result<Vec<Input>> {
        self.read(|conn, file| inputs::of_node(conn, file, node, start, limit))
    }

    /// Of a workflow's root: its inputs, how many are not filled, how many were filled by an end that was no success.
    pub fn progress_of(&self, name: &str) -> Result<Option<(u32, u32, u32)>> {
        self.read(|conn, _| {
            Ok(conn
                .prepare_cached("SELECT inputs, max(waits, 0), failed FROM pyqueue_node WHERE name=?")?
                .query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?)
        })
    }

    /// Inputs of a workflow's root, from a position on.
    pub fn members(&self, name: &str, start: i64, limit: usize) -> Result<Vec<Input>> {
        self.read(|conn, file| match by_name(conn, name)? {
            Some(root) => inputs::of_node(conn, file, root, start, limit),
            None => Ok(Vec::new()),
        })
    }

    /// A workflow by its name or by the id of a job in it, with its nodes.
    pub fn tree(&self, id: &str) -> Result<Option<(WorkflowSummary, Vec<NodeView>)>> {
        self.read(|conn, file| {
            let Some(root) = find(conn, file, id)? else { return Ok(None) };
            let summary = summaries(conn, "id=?1", root, 1)?.pop();
            summary.map(|summary| Ok((summary, nodes(conn, file, root)?))).transpose()
        })
    }

    /// Workflows, the newest first.
    pub fn workflows(&self, limit: usize) -> Result<Vec<WorkflowSummary>> {
        self.read(|conn, _| summaries(conn, "root IS NULL AND ?1=0", 0, limit))
    }

    /// Cancels all of a workflow that has not run; the ids of its jobs that run now. `None`: it is not in the file.
    pub fn cancel_workflow(&self, id: &str) -> Result<Option<Vec<String>>> {
        let Some(root) = self.read(|conn, file| find(conn, file, id))? else { return Ok(None) };
        let (mut from, mut running) = (0, Vec::new());
        loop {
            let step = self.keep(self.options.durability, move |change| cancel(change, root, from))?;
            running.extend(step.running);
            match step.next {
                Some(next) => from = next,
                None => return Ok(Some(running)),
            }
        }
    }
}

fn waited_for(conn: &Connection, job: RowId) -> Result<Option<i64>> {
    Ok(row::read(conn, job)?.and_then(|job| job.node))
}

fn by_name(conn: &Connection, name: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT id FROM pyqueue_node WHERE name=?")?
        .query_row([name], |row| row.get(0))
        .optional()?)
}

/// The root of a workflow, by its name or by a job of it.
fn find(conn: &Connection, file: u32, text: &str) -> Result<Option<i64>> {
    if let Some(root) = by_name(conn, text)? {
        return Ok(Some(root));
    }
    let Some(named) = view::resolve(conn, file, text)? else { return Ok(None) };
    let fills: Option<i64> = match view::live(conn, named)? {
        Some(job) => job.fills,
        None => conn
            .prepare_cached(
                "SELECT fills FROM pyqueue_history WHERE job=?1 AND (?2 IS NULL OR nonce=?2) ORDER BY seq DESC LIMIT 1",
            )?
            .query_row(params![named.row.0, named.nonce()], |row| row.get(0))
            .optional()?
            .flatten(),
    };
    let Some(fills) = fills else { return Ok(None) };
    Ok(conn
        .prepare_cached("SELECT ifnull(root, id) FROM pyqueue_node WHERE id=?")?
        .query_row([advance::node_of(fills)], |row| row.get(0))
        .optional()?)
}

fn summaries(conn: &Connection, which: &str, value: i64, limit: usize) -> Result<Vec<WorkflowSummary>> {
    let sql = format!(
        "SELECT id, name, waits, failed, ifnull(size, 0), made, ended, until IS NOT NULL FROM pyqueue_node WHERE {which} ORDER BY id DESC LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![value, limit], |row| {
        let (waits, failed, ended): (i64, i64, bool) = (row.get(2)?, row.get(3)?, row.get(7)?);
        let state = match (waits, ended) {
            (0.., _) => "running",
            (_, false) => "undoing",
            _ if failed > 0 => "failed",
            _ => "success",
        };
        Ok(WorkflowSummary {
            root: row.get(0)?,
            name: row.get(1)?,
            state,
            jobs: row.get(4)?,
            made_us: row.get(5)?,
            ended_us: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn nodes(conn: &Connection, file: u32, root: i64) -> Result<Vec<NodeView>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, inputs, max(waits, 0), failed, list FROM pyqueue_node WHERE id=?1 OR root=?1 ORDER BY id",
    )?;
    let rows: Vec<NodeView> = statement
        .query_map([root], |row| {
            Ok(NodeView {
                id: row.get(0)?,
                inputs: row.get(1)?,
                waits: row.get(2)?,
                failed: row.get(3)?,
                list: row.get(4)?,
                filled: Vec::new(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    rows.into_iter().map(|node| Ok(NodeView { filled: branches(conn, file, node.id)?, ..node })).collect()
}

fn branches(conn: &Connection, file: u32, node: i64) -> Result<Vec<BranchView>> {
    let mut statement = conn.prepare_cached(
        "SELECT ifnull(node, CASE WHEN job IS NULL THEN source END) FROM pyqueue_input WHERE id>=?1 AND id<=?2 ORDER BY id LIMIT ?3",
    )?;
    let after: Vec<Option<i64>> = statement
        .query_map(params![advance::input(node, 0), advance::last_input(node), SHOWN], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let found = inputs::of_node(conn, file, node, 0, SHOWN)?;
    let mut branches = Vec::with_capacity(found.len());
    for (input, after) in found.into_iter().zip(after) {
        let job = if input.id.is_empty() { None } else { list::show(conn, file, &input.id)? };
        let state = input.state.or(job.as_ref().map(|job| job.state.name())).unwrap_or("waiting");
        let task = job.map(|job| job.task).unwrap_or_default();
        branches.push(BranchView { id: input.id, task, state, after });
    }
    Ok(branches)
}

/// What a held job waits for, in one sentence.
pub fn why(conn: &Connection, node: i64) -> Result<String> {
    let found = conn
        .prepare_cached("SELECT waits, inputs FROM pyqueue_node WHERE id=?")?
        .query_row([node], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((waits, inputs)): Option<(i64, i64)> = found else {
        return Ok("It waits for a workflow that is not in the file: the file was damaged.".into());
    };
    Ok(match (waits, inputs) {
        (0, _) => "What it waited for has ended; the next claim of any worker lets it start.".into(),
        (_, 1) => "It waits for the job before it in its workflow.".into(),
        _ => format!("It waits for {waits} of {inputs} jobs of its workflow."),
    })
}

/// What a step of cancelling came to.
struct Cancelled {
    running: Vec<String>,
    /// The input to go on from.
    next: Option<i64>,
}

/// Cancels jobs that are in line, set aside or delayed. Those that wait for others follow them: their nodes find the
/// workflow cancelled.
fn cancel(change: &mut Change, root: i64, from: i64) -> Result<Cancelled> {
    let open = change
        .conn
        .prepare_cached("UPDATE pyqueue_node SET cancelled=1 WHERE id=? AND waits>=0")?
        .execute([root])?;
    if open == 0 {
        // Nothing of it is left but what undoes it.
        return Ok(Cancelled { running: Vec::new(), next: None });
    }
    let open: Vec<(i64, i64, Option<i64>)> = change
        .conn
        .prepare_cached(
            "SELECT i.id, i.job, i.node FROM pyqueue_node n CROSS JOIN pyqueue_input i ON i.id>=(n.id<<20) AND i.id<((n.id+1)<<20) \
             WHERE (n.id=?1 OR n.root=?1) AND i.id>?2 AND i.state IS NULL AND i.job IS NOT NULL \
             AND NOT EXISTS(SELECT 1 FROM pyqueue_side s JOIN pyqueue_node o ON o.id=s.k WHERE s.id=i.job AND s.place=5 AND ifnull(o.root, o.id)=?1) \
             ORDER BY i.id LIMIT ?3",
        )?
        .query_map(params![root, from, STEP], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut done = Cancelled { running: Vec::new(), next: None };
    if open.len() == STEP {
        done.next = open.last().map(|(input, ..)| *input);
    }
    for (_, place, _) in open {
        let Some(job) = row::read(change.conn, RowId(place))? else { continue };
        if lease::covering(change.conn, job.id)?.is_some() {
            done.running.push(change.public(job.id, job.nonce, job.alias));
        } else {
            leave::leave(change, &job, Exit::Cancelled)?;
        }
    }
    Ok(done)
}

/// Deletes what is kept of workflows whose time is over, or which are too many; true if there is more. The newest to end
/// stays whatever its size.
pub fn prune(change: &mut Change, limit: usize) -> Result<bool> {
    let found: Option<(i64, i64, i64)> = change
        .conn
        .prepare_cached(
            "SELECT id, until, ifnull(size, 0) FROM pyqueue_node WHERE until IS NOT NULL ORDER BY until LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((root, until, size)) = found else { return Ok(false) };
    let kept = change.heads.pos(head::KEPT)?;
    let many = kept > change.options.history_count && kept > size;
    if until > change.now && !many {
        return Ok(false);
    }
    let mut nodes = change
        .conn
        .prepare_cached("SELECT id FROM pyqueue_node WHERE root=?1 OR id=?1 ORDER BY id=?1, id LIMIT ?2")?;
    let nodes: Vec<i64> =
        nodes.query_map(params![root, limit], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut left = limit;
    for node in nodes {
        let (first, last) = (advance::input(node, 0), advance::last_input(node));
        left -= change
            .conn
            .prepare_cached(
                "DELETE FROM pyqueue_input WHERE id IN (SELECT id FROM pyqueue_input WHERE id>=?1 AND id<=?2 LIMIT ?3)",
            )?
            .execute(params![first, last, left])?;
        if left == 0 {
            return Ok(true);
        }
        change.conn.prepare_cached("DELETE FROM pyqueue_edge WHERE node=?")?.execute([node])?;
        if node == root && more_nodes(change.conn, root)? {
            return Ok(true);
        }
        change.conn.prepare_cached("DELETE FROM pyqueue_node WHERE id=?")?.execute([node])?;
        if node == root {
            change.heads.get(head::KEPT)?.pos -= size;
        }
    }
    Ok(true)
}

fn more_nodes(conn: &Connection, root: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM pyqueue_node WHERE root=?)")?
        .query_row([root], |row| row.get(0))?)
}
