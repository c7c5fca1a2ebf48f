//! Gates: reasons for which jobs wait. A gate owns a list in `pyqueue_side`; while it is shut the claims add to
//! the list, once it is open they drain it in order.

use std::collections::HashSet;

use rusqlite::params;

use super::change::Change;
use super::{enqueue, rules};
use crate::error::Result;

/// What a pause is about.
#[derive(Debug, Clone)]
pub enum Scope {
    /// Every job of a task.
    Task(String),
    /// Every job of a queue.
    Queue(String),
}

impl Scope {
    fn parts(&self) -> (&'static str, &str) {
        match self {
            Scope::Task(name) => ("task", name),
            Scope::Queue(name) => ("queue", name),
        }
    }
}

/// Lets no job of a task or a queue start.
pub fn pause(change: &mut Change, scope: &Scope) -> Result<()> {
    let (kind, name) = scope.parts();
    enqueue::name(&format!("{kind}'s name"), name)?;
    if let Scope::Queue(name) = scope {
        rules::queue(change, name)?;
    }
    change.conn.execute(
        "INSERT INTO pyqueue_gate(kind, scope, name, shut) VALUES('pause', ?1, ?2, 1) \
         ON CONFLICT(scope, name, kind) DO UPDATE SET shut=1",
        params![kind, name],
    )?;
    change.rings.control = true;
    rules::changed(change)
}

/// Lets them start again.
pub fn resume(change: &mut Change, scope: &Scope) -> Result<()> {
    let (kind, name) = scope.parts();
    change.conn.execute(
        "UPDATE pyqueue_gate SET shut=0 WHERE kind='pause' AND scope=?1 AND name=?2",
        params![kind, name],
    )?;
    change.rings.ready = true;
    change.rings.control = true;
    rules::changed(change)
}

/// The gate that keeps a job of this task from being taken by a worker that knows `tasks`.
pub fn in_the_way(change: &mut Change, task: &str, tasks: Option<&HashSet<String>>) -> Result<Option<i64>> {
    if let Some(gate) = change.rules.shut(task) {
        return Ok(Some(gate));
    }
    if tasks.is_none_or(|known| known.contains(task)) {
        return Ok(None);
    }
    if let Some(gate) = change.rules.lack(task) {
        return Ok(Some(gate));
    }
    change.conn.execute(
        "INSERT INTO pyqueue_gate(kind, scope, name, shut) VALUES('lack', 'task', ?1, 1) ON CONFLICT DO NOTHING",
        [task],
    )?;
    rules::changed(change)?;
    Ok(change.rules.lack(task))
}

/// The lists that a worker that knows `tasks` may draw from: those of open gates, and of tasks that others
/// did not know.
pub fn open_lists(change: &Change, tasks: Option<&HashSet<String>>) -> Result<Vec<i64>> {
    let mut statement = change.conn.prepare_cached(
        "SELECT id, kind, name FROM pyqueue_gate INDEXED BY pyqueue_gate_list WHERE waiting>0 AND (shut=0 OR kind='lack')",
    )?;
    let mut rows = statement.query([])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        let (kind, name): (String, String) = (row.get(1)?, row.get(2)?);
        let known = tasks.is_none_or(|known| known.contains(&name));
        if kind != "lack" || (known && change.rules.shut(&name).is_none()) {
            open.push(row.get(0)?);
        }
    }
    Ok(open)
}
