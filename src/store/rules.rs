//! What the file says about queues and gates, cached by the version counter in `pyqueue_head`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::change::Change;
use super::head::VERSION;
use super::schema;
use crate::error::{Error, Result};

/// The cache. Dropped with every rollback, since a version that was rolled back comes again.
#[derive(Default)]
pub struct Rules {
    version: Option<i64>,
    numbers: HashMap<Arc<str>, i64>,
    names: HashMap<i64, Arc<str>>,
    paused_queues: HashSet<i64>,
    paused_tasks: HashMap<String, i64>,
    lacks: HashMap<String, i64>,
}

impl Rules {
    /// Whether anything was read yet.
    pub fn loaded(&self) -> bool {
        self.version.is_some()
    }

    /// Reads everything again if another version is in force.
    pub fn refresh(&mut self, conn: &Connection, version: i64) -> Result<()> {
        if self.version == Some(version) {
            return Ok(());
        }
        schema::check_version(conn)?;
        *self = Rules::default();
        let mut queues = conn.prepare_cached("SELECT num, name FROM pyqueue_queue")?;
        let mut rows = queues.query([])?;
        while let Some(row) = rows.next()? {
            self.insert_queue(row.get(0)?, row.get::<_, String>(1)?.into());
        }
        let mut gates = conn.prepare_cached("SELECT id, kind, scope, name FROM pyqueue_gate WHERE shut=1")?;
        let mut rows = gates.query([])?;
        while let Some(row) = rows.next()? {
            let (id, kind, scope, name): (i64, String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            match (kind.as_str(), scope.as_str()) {
                ("pause", "task") => {
                    self.paused_tasks.insert(name, id);
                }
                ("pause", _) => self.paused_queues.extend(self.numbers.get(name.as_str()).copied()),
                _ => {
                    self.lacks.insert(name, id);
                }
            }
        }
        self.version = Some(version);
        Ok(())
    }

    fn insert_queue(&mut self, num: i64, name: Arc<str>) {
        self.numbers.insert(name.clone(), num);
        self.names.insert(num, name);
    }

    /// The number of a queue that has held a job.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.numbers.get(name).copied()
    }

    /// The name of a queue.
    pub fn name(&self, num: i64) -> Arc<str> {
        self.names.get(&num).cloned().unwrap_or_else(|| "?".into())
    }

    /// Every queue's number, in order.
    pub fn queues(&self) -> Vec<i64> {
        let mut all: Vec<i64> = self.names.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Whether a queue is paused.
    pub fn paused(&self, num: i64) -> bool {
        self.paused_queues.contains(&num)
    }

    /// The gate that keeps a task from starting anywhere.
    pub fn shut(&self, task: &str) -> Option<i64> {
        if self.paused_tasks.is_empty() { None } else { self.paused_tasks.get(task).copied() }
    }

    /// The list of jobs whose task was unknown to the worker that met them.
    pub fn lack(&self, task: &str) -> Option<i64> {
        self.lacks.get(task).copied()
    }
}

/// The name of a queue, by its number.
pub fn name_of(conn: &Connection, num: i64) -> Result<String> {
    Ok(conn
        .prepare_cached("SELECT name FROM pyqueue_queue WHERE num=?")?
        .query_row([num], |row| row.get(0))?)
}

/// The number of a queue, made if it is new.
pub fn queue(change: &mut Change, name: &str) -> Result<i64> {
    if let Some(num) = change.rules.number(name) {
        return Ok(num);
    }
    let num: i64 =
        change.conn.query_row("SELECT ifnull(max(num), 0) + 1 FROM pyqueue_queue", [], |row| row.get(0))?;
    if num > 4095 {
        return Err(Error::invalid(format!(
            "queue {name:?} would be the 4096th of this file; use fewer names (a dedup key or a task name may do)"
        )));
    }
    change.conn.execute("INSERT INTO pyqueue_queue(num, name) VALUES(?1, ?2)", params![num, name])?;
    changed(change)?;
    Ok(num)
}

/// Makes every cache of the rules stale, this one too.
pub fn changed(change: &mut Change) -> Result<()> {
    let head = change.heads.get(VERSION)?;
    head.pos += 1;
    let version = head.pos;
    change.rules.refresh(change.conn, version)
}
