//! Gates: reasons for which jobs wait. A gate owns a list in `pyqueue_side`; while it is shut the claims add to
//! the list, once it is open they drain it in order, all of it or so many in a time.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::change::Change;
use super::fits::Pattern;
use super::row::{JobRow, columns};
use super::{Store, enqueue, lease, revoke, rules};
use crate::error::{Error, Result};
use crate::id;

/// What a gate is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every job of a task.
    Task(String),
    /// Every job of a queue.
    Queue(String),
    /// Every job that fits.
    Fits(Pattern),
}

/// How a gate is shut.
#[derive(Debug, Clone, Default)]
pub struct Hold {
    /// Who does it, for people.
    pub author: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
    /// Those that run come back in line, their attempt uncounted: what their process gets if they don't end by
    /// themselves, and how long they have before that, and after that before it is killed (µs).
    pub running: Option<(i32, i64)>,
}

/// A gate that is shut, has a rate, or has jobs on its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateView {
    /// What it is about.
    pub scope: Scope,
    /// No job of it may start.
    pub shut: bool,
    /// Jobs on its list. Those of a queue stay in line.
    pub waiting: u64,
    /// One job goes in so long (µs); `None`: as they come.
    pub rate_us: Option<i64>,
    /// When it was shut (wall time, µs), by whom and why.
    pub since_us: Option<i64>,
    /// See `since_us`.
    pub author: Option<String>,
    /// See `since_us`.
    pub reason: Option<String>,
}

impl Scope {
    fn parts(&self) -> (&'static str, String) {
        match self {
            Scope::Task(name) => ("task", name.clone()),
            Scope::Queue(name) => ("queue", name.clone()),
            Scope::Fits(pattern) => ("fits", pattern.words()),
        }
    }

    fn pattern(&self) -> Pattern {
        match self {
            Scope::Fits(pattern) => pattern.clone(),
            _ => Pattern::default(),
        }
    }

    /// Whether it is about a job.
    pub fn covers(&self, task: &str, queue: &str, key: Option<&str>) -> bool {
        match self {
            Scope::Task(name) => name == task,
            Scope::Queue(name) => name == queue,
            Scope::Fits(pattern) => pattern.fits(task, queue, key),
        }
    }
}

impl Store {
    /// Lets no such job start.
    pub fn pause(&self, scope: Scope) -> Result<()> {
        self.hold(scope, Hold::default()).map(drop)
    }

    /// Lets no such job start, and asks those that run to give way if that is wanted; how many.
    pub fn hold(&self, scope: Scope, how: Hold) -> Result<usize> {
        self.keep(self.options.durability, move |change| hold(change, &scope, &how))
    }

    /// Lets them start again, all of them.
    pub fn resume(&self, scope: Scope) -> Result<()> {
        self.let_out(scope, None).map(drop)
    }

    /// Lets them start again, one in `rate_us` if that is given; whether the gate was shut or had another rate.
    pub fn let_out(&self, scope: Scope, rate_us: Option<i64>) -> Result<bool> {
        self.keep(self.options.durability, move |change| let_out(change, &scope, rate_us))
    }

    /// Lets one such job start in `rate_us`, `None`: as they come. A gate that is shut stays so.
    pub fn meter(&self, scope: Scope, rate_us: Option<i64>) -> Result<()> {
        self.keep(self.options.durability, move |change| meter(change, &scope, rate_us))
    }

    /// The gates that keep somebody waiting, or would.
    pub fn gates(&self) -> Result<Vec<GateView>> {
        self.read(|conn, _| gates(conn))
    }
}

fn hold(change: &mut Change, scope: &Scope, how: &Hold) -> Result<usize> {
    enter(change, scope)?;
    let (kind, name) = scope.parts();
    // Whoever shuts it again changes nothing about since when it is.
    change.conn.execute(
        "UPDATE pyqueue_gate SET since=CASE shut WHEN 1 THEN since ELSE ?3 END, author=ifnull(?4, CASE shut WHEN 1 THEN author END), \
         reason=ifnull(?5, CASE shut WHEN 1 THEN reason END), shut=1 WHERE kind='pause' AND scope=?1 AND name=?2",
        params![kind, name, change.now, how.author, how.reason],
    )?;
    changed(change)?;
    match how.running {
        Some(means) => give_way(change, scope, means),
        None => Ok(0),
    }
}

fn let_out(change: &mut Change, scope: &Scope, rate_us: Option<i64>) -> Result<bool> {
    check_rate(rate_us)?;
    if rate_us.is_some() {
        enter(change, scope)?;
    }
    let (kind, name) = scope.parts();
    let opened = change.conn.execute(
        "UPDATE pyqueue_gate SET shut=0, rate=?3, turn=?4 WHERE kind='pause' AND scope=?1 AND name=?2 AND (shut=1 OR rate IS NOT ?3)",
        params![kind, name, rate_us, change.now],
    )?;
    tidy(change, kind, &name)?;
    changed(change)?;
    Ok(opened > 0)
}

fn meter(change: &mut Change, scope: &Scope, rate_us: Option<i64>) -> Result<()> {
    check_rate(rate_us)?;
    enter(change, scope)?;
    let (kind, name) = scope.parts();
    change.conn.execute(
        "UPDATE pyqueue_gate SET rate=?3, turn=?4 WHERE kind='pause' AND scope=?1 AND name=?2 AND rate IS NOT ?3",
        params![kind, name, rate_us, change.now],
    )?;
    tidy(change, kind, &name)?;
    changed(change)
}

/// Drops a gate that has no reason to be any more, or patterns that were paused once would stay for ever.
fn tidy(change: &Change, scope: &str, name: &str) -> Result<()> {
    let id: Option<i64> = change
        .conn
        .prepare_cached("SELECT id FROM pyqueue_gate WHERE kind='pause' AND scope=?1 AND name=?2")?
        .query_row([scope, name], |row| row.get(0))
        .optional()?;
    id.map_or(Ok(()), |id| drop_idle(change.conn, id))
}

fn check_rate(rate_us: Option<i64>) -> Result<()> {
    match rate_us {
        Some(rate) if rate <= 0 => Err(Error::invalid("a rate lets a job out in more than no time")),
        _ => Ok(()),
    }
}

/// Makes the gate, open, if there is none.
fn enter(change: &mut Change, scope: &Scope) -> Result<()> {
    let (kind, name) = scope.parts();
    match scope {
        Scope::Queue(name) => {
            enqueue::name("queue's name", name)?;
            rules::queue(change, name)?;
        }
        Scope::Task(name) => enqueue::name("task's name", name)?,
        Scope::Fits(pattern) => {
            let parts = [&pattern.task, &pattern.queue, &pattern.key];
            if parts.iter().all(|part| part.is_none()) {
                return Err(Error::invalid("a pattern of jobs says something of task, queue or key"));
            }
            for part in parts.into_iter().flatten() {
                enqueue::name("pattern", part)?;
            }
        }
    }
    let pattern = scope.pattern();
    change.conn.execute(
        "INSERT INTO pyqueue_gate(kind, scope, name, task, queue, key, shut) VALUES('pause', ?1, ?2, ?3, ?4, ?5, 0) \
         ON CONFLICT(scope, name, kind) DO NOTHING",
        params![kind, name, pattern.task, pattern.queue, pattern.key],
    )?;
    Ok(())
}

fn changed(change: &mut Change) -> Result<()> {
    change.rings.ready = true;
    change.rings.control = true;
    rules::changed(change)
}

/// Asks what runs of it to end and come back in line; how many. Leases are one row a batch in flight.
fn give_way(change: &mut Change, scope: &Scope, (signal, grace_us): (i32, i64)) -> Result<usize> {
    let running: Vec<JobRow> = change
        .conn
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM pyqueue_lease l CROSS JOIN pyqueue_job j ON j.id BETWEEN l.first AND l.last WHERE j.mark<>2"
        ))?
        .query_map([], JobRow::from)?
        .collect::<rusqlite::Result<_>>()?;
    let mut asked = 0;
    for job in running {
        let queue = change.rules.name(id::queue_of(job.band()));
        if scope.covers(&job.task, &queue, job.dedup.as_deref())
            && let Some(lease) = lease::covering(change.conn, job.id)?
        {
            revoke::ask(change, &lease, job.id, (signal, grace_us), revoke::Then::Back)?;
            asked += 1;
        }
    }
    Ok(asked)
}

/// The gate that keeps a job from being taken by a worker that knows `tasks`, whatever the time.
pub fn in_the_way(change: &mut Change, job: &JobRow, tasks: Option<&HashSet<String>>) -> Result<Option<i64>> {
    if let Some(gate) = change.rules.shut(&job.task, id::queue_of(job.band()), job.dedup.as_deref()) {
        return Ok(Some(gate));
    }
    if tasks.is_none_or(|known| known.contains(&job.task)) {
        return Ok(None);
    }
    if let Some(gate) = change.rules.lack(&job.task) {
        return Ok(Some(gate));
    }
    change.conn.execute(
        "INSERT INTO pyqueue_gate(kind, scope, name, shut) VALUES('lack', 'task', ?1, 1) ON CONFLICT DO NOTHING",
        [&job.task],
    )?;
    rules::changed(change)?;
    Ok(change.rules.lack(&job.task))
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
        if kind != "lack" || (known && !change.rules.shut_task(&name)) {
            open.push(row.get(0)?);
        }
    }
    Ok(open)
}

/// See `Store::gates`.
pub fn gates(conn: &Connection) -> Result<Vec<GateView>> {
    let mut statement = conn.prepare_cached(
        "SELECT scope, name, task, queue, key, shut, waiting, rate, since, author, reason FROM pyqueue_gate \
         WHERE kind='pause' AND (shut=1 OR rate IS NOT NULL OR waiting>0) ORDER BY scope, name",
    )?;
    let rows = statement.query_map([], view)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One of them.
pub fn by_id(conn: &Connection, id: i64) -> Result<Option<GateView>> {
    Ok(conn
        .prepare_cached(
            "SELECT scope, name, task, queue, key, shut, waiting, rate, since, author, reason FROM pyqueue_gate WHERE id=?",
        )?
        .query_row([id], view)
        .optional()?)
}

/// Whether a gate asks of jobs in which queue they are.
pub fn by_queue(conn: &Connection, id: i64) -> Result<bool> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS(SELECT 1 FROM pyqueue_gate WHERE id=? AND (scope='queue' OR queue IS NOT NULL))",
        )?
        .query_row([id], |row| row.get(0))?)
}

/// Drops a gate that keeps nobody. No cache knows one that is open and has no rate.
pub fn drop_idle(conn: &Connection, id: i64) -> Result<()> {
    conn.prepare_cached(
        "DELETE FROM pyqueue_gate WHERE id=? AND kind='pause' AND shut=0 AND rate IS NULL AND waiting=0",
    )?
    .execute([id])?;
    Ok(())
}

fn view(row: &Row<'_>) -> rusqlite::Result<GateView> {
    let (kind, name): (String, String) = (row.get(0)?, row.get(1)?);
    let shut: bool = row.get(5)?;
    let when_shut = |text: Option<String>| text.filter(|_| shut);
    Ok(GateView {
        scope: match kind.as_str() {
            "task" => Scope::Task(name),
            "queue" => Scope::Queue(name),
            _ => Scope::Fits(Pattern { task: row.get(2)?, queue: row.get(3)?, key: row.get(4)? }),
        },
        shut,
        waiting: row.get(6)?,
        rate_us: row.get(7)?,
        since_us: row.get::<_, Option<i64>>(8)?.filter(|_| shut),
        author: when_shut(row.get(9)?),
        reason: when_shut(row.get(10)?),
    })
}
