//! Jobs by what they are: found by a read, and then changed some hundred a transaction, each looked at once more there.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::change::Change;
use super::leave::{self, Exit};
use super::row::{self, JobRow};
use super::{STEP, Store, enqueue, lease, list, revoke, rules, shift, view};
use crate::error::Result;
use crate::id::{self, RowId};
use crate::job::{JobSummary, State};

/// What a job must be. All of them must hold.
#[derive(Debug, Clone)]
pub enum Condition {
    /// Its task fits a pattern of SQLite's GLOB; false: does not.
    Task(String, bool),
    /// The name of its queue does.
    Queue(String, bool),
    /// Its dedup key does; a job without one fits none.
    Key(String, bool),
    /// Its state is, or is not.
    State(State, bool),
    /// It was made at this wall time (µs) or later; false: before.
    Made(i64, bool),
    /// Its priority is so high or higher; false: lower.
    Priority(i64, bool),
    /// It has been tried again so often or more; false: fewer times.
    Retries(i64, bool),
}

/// What is done to them.
#[derive(Debug, Clone)]
pub enum Act {
    /// They are cancelled; those that run only if they may be ended: the signal, and the time between two steps (µs).
    Cancel(Option<(i32, i64)>),
    /// They go to the end of the line of another queue.
    Move(String),
    /// They go to the end of the line of another priority.
    Priority(i8),
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Acted {
    /// Jobs that it was done to.
    pub done: usize,
    /// Jobs that run and were asked to end.
    pub asked: usize,
    /// Jobs that run and were left alone.
    pub running: usize,
    /// Jobs that stay because their dedup key is taken where they should go.
    pub taken: usize,
}

impl Store {
    /// The rows behind `after` that fit, in the order of their places.
    pub fn select(&self, conditions: &[Condition], after: RowId, limit: usize) -> Result<Vec<RowId>> {
        self.read(|conn, _| Query::new(conditions).rows(conn, after, limit))
    }

    /// The first jobs that fit, in the order of their places.
    pub fn selected(&self, conditions: &[Condition], limit: usize) -> Result<Vec<JobSummary>> {
        self.read(|conn, file| {
            let rows = Query::new(conditions).rows(conn, RowId(0), limit)?;
            let jobs = rows.into_iter().filter_map(|id| row::read(conn, id).transpose());
            jobs.map(|job| list::of_row(conn, file, &job?)).collect()
        })
    }

    /// How many jobs fit.
    pub fn count(&self, conditions: &[Condition]) -> Result<usize> {
        self.read(|conn, _| Query::new(conditions).count(conn))
    }

    /// Does it to every job that fits and was there when this began: to none that was made since. What bears a later time
    /// than now was made before the clock was set back.
    pub fn act(&self, conditions: Vec<Condition>, act: Act) -> Result<Acted> {
        if let Act::Move(queue) = &act {
            enqueue::name("queue's name", queue)?;
        }
        self.fold()?;
        let began = self.env.clock.wall_us();
        let (mut all, mut after) = (Acted::default(), RowId(0));
        loop {
            let now = self.env.clock.wall_us();
            let rows =
                self.read(|conn, _| Query::new(&conditions).without(began, now).rows(conn, after, STEP))?;
            let Some(last) = rows.last() else { return Ok(all) };
            after = *last;
            let (conditions, act) = (conditions.clone(), act.clone());
            let step = self
                .keep(self.options.durability, move |change| some(change, &rows, &conditions, began, &act))?;
            all.done += step.done;
            all.asked += step.asked;
            all.running += step.running;
            all.taken += step.taken;
        }
    }
}

/// Conditions as a statement says them. What of them a statement can't say is asked of each row.
struct Query {
    sql: String,
    values: Vec<Value>,
    states: Vec<(State, bool)>,
}

impl Query {
    fn new(conditions: &[Condition]) -> Query {
        let mut query = Query { sql: String::from("j.mark<>2"), values: Vec::new(), states: Vec::new() };
        for condition in conditions {
            match condition {
                Condition::Task(pattern, is) => query.text("j.task", pattern, *is),
                Condition::Queue(pattern, is) => query.text(
                    "(SELECT name FROM pyqueue_queue WHERE num=ifnull(j.home, j.id>>43)>>8)",
                    pattern,
                    *is,
                ),
                Condition::Key(pattern, is) => query.text("j.dedup", pattern, *is),
                Condition::State(state, is) => query.states.push((*state, *is)),
                Condition::Made(at, since) => query.number("j.enqueued", *at, *since),
                Condition::Priority(least, is) => {
                    query.number("127-(ifnull(j.home, j.id>>43)&255)", *least, *is);
                }
                Condition::Retries(least, is) => query.number("j.retries", *least, *is),
            }
        }
        query
    }

    /// Not what was made after one time, up to another.
    fn without(mut self, after: i64, until: i64) -> Query {
        let of = self.values.len() + 3;
        self.sql += &format!(" AND NOT (j.enqueued>?{of} AND j.enqueued<=?{})", of + 1);
        self.values.extend([Value::Integer(after), Value::Integer(until)]);
        self
    }

    fn text(&mut self, column: &str, pattern: &str, is: bool) {
        let of = self.values.len() + 3;
        self.sql += &format!(" AND ifnull({column} GLOB ?{of}, 0)={}", i32::from(is));
        self.values.push(Value::Text(pattern.into()));
    }

    fn number(&mut self, column: &str, least: i64, is: bool) {
        let of = self.values.len() + 3;
        self.sql += &format!(" AND ({column}>=?{of})={}", i32::from(is));
        self.values.push(Value::Integer(least));
    }

    /// Calls `found` with each row between two places that fits, until it says false.
    fn each(
        &self,
        conn: &Connection,
        after: i64,
        last: i64,
        mut found: impl FnMut(RowId) -> bool,
    ) -> Result<()> {
        let sql = format!(
            "SELECT j.id FROM pyqueue_job j WHERE j.id>?1 AND j.id<=?2 AND {} ORDER BY j.id",
            self.sql
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let bounds = [Value::Integer(after), Value::Integer(last)];
        let mut rows = statement.query(rusqlite::params_from_iter(bounds.iter().chain(&self.values)))?;
        while let Some(row) = rows.next()? {
            let id = RowId(row.get(0)?);
            if self.in_state(conn, id)? && !found(id) {
                break;
            }
        }
        Ok(())
    }

    fn in_state(&self, conn: &Connection, id: RowId) -> Result<bool> {
        if self.states.is_empty() {
            return Ok(true);
        }
        let Some(job) = row::read(conn, id)? else { return Ok(false) };
        let state = view::state(conn, &job)?;
        Ok(self.states.iter().all(|(wanted, is)| (*wanted == state) == *is))
    }

    fn rows(&self, conn: &Connection, after: RowId, limit: usize) -> Result<Vec<RowId>> {
        let mut rows = Vec::new();
        if limit == 0 {
            return Ok(rows);
        }
        self.each(conn, after.0, i64::MAX, |id| {
            rows.push(id);
            rows.len() < limit
        })?;
        Ok(rows)
    }

    fn count(&self, conn: &Connection) -> Result<usize> {
        let mut count = 0;
        self.each(conn, 0, i64::MAX, |_| {
            count += 1;
            true
        })?;
        Ok(count)
    }

    fn fits(&self, conn: &Connection, id: RowId) -> Result<bool> {
        let mut fits = false;
        self.each(conn, id.0 - 1, id.0, |_| {
            fits = true;
            false
        })?;
        Ok(fits)
    }
}

fn some(
    change: &mut Change,
    rows: &[RowId],
    conditions: &[Condition],
    began: i64,
    act: &Act,
) -> Result<Acted> {
    let query = Query::new(conditions).without(began, change.now);
    let mut acted = Acted::default();
    for id in rows {
        // It may have changed since it was found.
        if query.fits(change.conn, *id)?
            && let Some(job) = row::read(change.conn, *id)?
        {
            one(change, &job, act, &mut acted)?;
        }
    }
    Ok(acted)
}

fn one(change: &mut Change, job: &JobRow, act: &Act, acted: &mut Acted) -> Result<()> {
    if let Some(lease) = lease::covering(change.conn, job.id)? {
        match act {
            Act::Cancel(Some(means)) => {
                revoke::ask(change, &lease, job.id, *means, revoke::Then::Cancelled)?;
                acted.asked += 1;
            }
            _ => acted.running += 1,
        }
        return Ok(());
    }
    let band = match act {
        Act::Cancel(_) => {
            leave::leave(change, job, Exit::Cancelled)?;
            acted.done += 1;
            return Ok(());
        }
        Act::Move(queue) => id::band(rules::queue(change, queue)?, id::priority_of(job.band())),
        Act::Priority(priority) => id::band(id::queue_of(job.band()), *priority),
    };
    if shift::relocate(change, job, band)? {
        acted.done += 1;
    } else {
        acted.taken += 1;
    }
    Ok(())
}
