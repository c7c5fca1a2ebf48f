//! What the file says about queues and gates, cached by the version counter in `pyqueue_head`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::event;
use super::fits::Pattern;
use super::head::VERSION;
use super::schema;
use crate::error::{Error, Result};
use crate::mutants::{self, Mutant};

/// The cache. Dropped with every rollback, since a version that was rolled back comes again.
#[derive(Default)]
pub struct Rules {
    version: Option<i64>,
    numbers: HashMap<Arc<str>, i64>,
    names: HashMap<i64, Arc<str>>,
    paused_queues: HashSet<i64>,
    paused_tasks: HashMap<String, i64>,
    lacks: HashMap<String, i64>,
    /// Gates that are shut for whatever fits a pattern.
    paused: Vec<(i64, Pattern)>,
    /// Gates that are open and let jobs out at a rate.
    metered: Vec<(i64, Metered)>,
    /// Until when events are written (wall time, µs).
    pub events_until: i64,
    /// Until when somebody sleeps on their line.
    pub followed_until: i64,
}

/// What a gate with a rate is about.
enum Metered {
    Task(String),
    Queue(i64),
    Fits(Pattern),
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
        let mut gates = conn.prepare_cached(
            "SELECT id, kind, scope, name, shut, task, queue, key FROM pyqueue_gate WHERE shut=1 OR rate IS NOT NULL",
        )?;
        let mut rows = gates.query([])?;
        while let Some(row) = rows.next()? {
            let pattern = Pattern { task: row.get(5)?, queue: row.get(6)?, key: row.get(7)? };
            self.insert_gate(
                row.get(0)?,
                &row.get::<_, String>(1)?,
                &row.get::<_, String>(2)?,
                row.get(3)?,
                row.get(4)?,
                pattern,
            );
        }
        (self.events_until, self.followed_until) = event::asked(conn)?;
        self.version = Some(version);
        Ok(())
    }

    fn insert_gate(&mut self, id: i64, kind: &str, scope: &str, name: String, shut: bool, pattern: Pattern) {
        match (kind, scope, shut) {
            ("lack", ..) => drop(self.lacks.insert(name, id)),
            (_, "task", true) => drop(self.paused_tasks.insert(name, id)),
            (_, "queue", true) => self.paused_queues.extend(self.number(&name)),
            (_, _, true) => self.paused.push((id, pattern)),
            (_, "task", false) => self.metered.push((id, Metered::Task(name))),
            (_, "queue", false) => {
                let queue = self.number(&name).map(Metered::Queue);
                self.metered.extend(queue.map(|queue| (id, queue)));
            }
            (_, _, false) => self.metered.push((id, Metered::Fits(pattern))),
        }
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

    /// The gate that keeps a job from starting anywhere.
    pub fn shut(&self, task: &str, queue: i64, key: Option<&str>) -> Option<i64> {
        if mutants::on(Mutant::PauseUnread) {
            return None;
        }
        if let Some(gate) = self.paused_tasks.get(task) {
            return Some(*gate);
        }
        let fits = |(_, pattern): &&(i64, Pattern)| pattern.fits(task, &self.name(queue), key);
        self.paused.iter().find(fits).map(|(gate, _)| *gate)
    }

    /// Whether a task is paused by its name.
    pub fn shut_task(&self, task: &str) -> bool {
        self.paused_tasks.contains_key(task)
    }

    /// Whether a gate keeps every job of a task, or every one that met a worker that does not know it.
    pub fn keeps(&self, gate: i64, task: &str) -> bool {
        self.paused_tasks.get(task) == Some(&gate) || self.lacks.get(task) == Some(&gate)
    }

    /// Whether any gate has a rate.
    pub fn metered(&self) -> bool {
        !self.metered.is_empty()
    }

    /// The gates that let this job out at a rate.
    pub fn meters(&self, task: &str, queue: i64, key: Option<&str>) -> Vec<i64> {
        let about = |(_, what): &&(i64, Metered)| match what {
            Metered::Task(name) => name == task,
            Metered::Queue(number) => *number == queue,
            Metered::Fits(pattern) => pattern.fits(task, &self.name(queue), key),
        };
        self.metered.iter().filter(about).map(|(gate, _)| *gate).collect()
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

/// The number of a queue, as the file has it now.
pub fn number_of(conn: &Connection, name: &str) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT num FROM pyqueue_queue WHERE name=?")?
        .query_row([name], |row| row.get(0))
        .optional()?)
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
