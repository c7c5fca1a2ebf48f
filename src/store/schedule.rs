//! Schedules: rows that make a job at certain times. Which times those are is computed by whoever calls; here it is seen
//! to that each is fired once: the row says which time is next, and who fires it moves that on in the transaction that
//! stores the job. Times of one schedule only grow, whatever the clocks do.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::change::Change;
use super::{Store, enqueue, view};
use crate::error::{Error, Result};
use crate::job::NewJob;
use crate::mutants::{self, Mutant};

/// Removed schedules that no code speaks of are kept so long (µs): clocks are not set back further.
const REMEMBERED: i64 = 86_400_000_000;

/// A schedule as the file has it. Times are wall time (µs).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleView {
    /// What it is called.
    pub name: String,
    /// What it says, opaque here.
    pub definition: Vec<u8>,
    /// The program whose code it stands in.
    pub source: Option<String>,
    /// Of what the code said when it was last taken over.
    pub mark: Option<String>,
    /// Removed, and known only by its last time.
    pub gone: bool,
    /// Its times pass without a job.
    pub paused: bool,
    /// The time that comes next.
    pub next_us: Option<i64>,
    /// When that is fired.
    pub due_us: Option<i64>,
    /// The last time that was fired or left out.
    pub last_us: Option<i64>,
    /// The public id of the last job.
    pub job: Option<String>,
    /// How many jobs it made at its times.
    pub fired: i64,
    /// How many of its times were left out.
    pub skipped: i64,
}

/// What a schedule shall be.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is called.
    pub name: String,
    /// Of what the code says; empty for one that is made at run time.
    pub mark: String,
    /// What it says.
    pub definition: Vec<u8>,
    /// Its next time and when that is fired.
    pub next: Option<(i64, i64)>,
    /// The last time of the row when `next` was computed.
    pub seen_us: Option<i64>,
}

/// What became of the schedules that a program's code has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declared {
    /// They are in the file; these were another program's, or made at run time.
    Done {
        /// Names.
        taken: Vec<String>,
    },
    /// One was fired meanwhile: compute its next time once more.
    Stale,
    /// Code of a newer version has been here.
    Older {
        /// That version.
        newest: i64,
    },
}

/// What to do where the job of the time before has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// Make another.
    Allow,
    /// Leave this time out.
    Skip,
    /// Leave the time standing until that has ended.
    Queue,
}

/// A time to be fired.
#[derive(Debug, Clone)]
pub struct Fire {
    /// Which schedule.
    pub name: String,
    /// The next time of the row when this was planned.
    pub expected_us: i64,
    /// The time that is fired: that one, or a later one where those between are left out.
    pub tick_us: i64,
    /// The next time after it and when that is fired.
    pub next: Option<(i64, i64)>,
    /// How many times are left out before it.
    pub skipped: i64,
    /// See there.
    pub overlap: Overlap,
    /// `None`: this time is left out too.
    pub job: Option<NewJob>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fired {
    /// A job of this public id.
    Job(String),
    /// It was left out.
    Skipped,
    /// The job of the time before has not ended, and the time stands.
    Held,
    /// Somebody else fired it, or the schedule was changed, paused or removed.
    Lost,
}

macro_rules! columns {
    () => {
        "SELECT name, definition, source, mark, gone, paused, next, due, last, job, fired, skipped FROM pyqueue_schedule "
    };
}

fn of(row: &Row<'_>) -> rusqlite::Result<ScheduleView> {
    Ok(ScheduleView {
        name: row.get(0)?,
        definition: row.get(1)?,
        source: row.get(2)?,
        mark: row.get(3)?,
        gone: row.get(4)?,
        paused: row.get(5)?,
        next_us: row.get(6)?,
        due_us: row.get(7)?,
        last_us: row.get(8)?,
        job: row.get(9)?,
        fired: row.get(10)?,
        skipped: row.get(11)?,
    })
}

fn read(conn: &Connection, name: &str) -> Result<Option<ScheduleView>> {
    Ok(conn.prepare_cached(concat!(columns!(), "WHERE name=?"))?.query_row([name], of).optional()?)
}

impl Store {
    /// Every schedule, in the order of names.
    pub fn schedules(&self) -> Result<Vec<ScheduleView>> {
        self.read(|conn, _| {
            let mut statement = conn.prepare_cached(concat!(columns!(), "WHERE gone=0 ORDER BY name"))?;
            Ok(statement.query_map([], of)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// One of them, removed ones included.
    pub fn schedule(&self, name: &str) -> Result<Option<ScheduleView>> {
        self.read(|conn, _| read(conn, name))
    }

    /// Those to be fired by `now` (wall time, µs), the longest due first.
    pub fn due_schedules(&self, now: i64, limit: usize) -> Result<Vec<ScheduleView>> {
        self.read(|conn, _| {
            let mut statement = conn.prepare_cached(concat!(
                columns!(),
                "WHERE due<=?1 AND paused=0 AND gone=0 ORDER BY due LIMIT ?2"
            ))?;
            Ok(statement.query_map(params![now, limit], of)?.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// When the next one is to be fired.
    pub fn next_schedule(&self) -> Result<Option<i64>> {
        self.read(|conn, _| {
            Ok(conn
                .prepare_cached(
                    "SELECT min(due) FROM pyqueue_schedule WHERE due IS NOT NULL AND paused=0 AND gone=0",
                )?
                .query_row([], |row| row.get(0))?)
        })
    }

    /// Makes a schedule at run time, or changes one; false if it was fired since `seen_us`.
    pub fn put_schedule(&self, entry: Entry) -> Result<bool> {
        enqueue::name("schedule's name", &entry.name)?;
        self.take_in(move |change| put(change, &entry))
    }

    /// Takes over what a program's code says: those that are new or say something new, and without those of its that it
    /// has no more. What was changed at run time stays until the code says something new.
    pub fn declare(&self, source: &str, version: i64, entries: Vec<Entry>) -> Result<Declared> {
        for entry in &entries {
            enqueue::name("schedule's name", &entry.name)?;
        }
        let source = source.to_owned();
        self.keep(self.options.durability, move |change| declare(change, &source, version, &entries))
    }

    /// Removes one; false if there is none.
    pub fn remove_schedule(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.keep(self.options.durability, move |change| remove(change, &name))
    }

    /// Lets its times pass without a job; false if there is none.
    pub fn pause_schedule(&self, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.keep(self.options.durability, move |change| {
            let sql = "UPDATE pyqueue_schedule SET paused=1 WHERE name=?1 AND gone=0";
            Ok(change.conn.prepare_cached(sql)?.execute([&name])? > 0)
        })
    }

    /// Lets it go on with this time; false if there is none, or it was fired since `seen_us`.
    pub fn resume_schedule(
        &self,
        name: &str,
        next: Option<(i64, i64)>,
        seen_us: Option<i64>,
    ) -> Result<bool> {
        let name = name.to_owned();
        self.keep(self.options.durability, move |change| {
            change.rings.control = true;
            let sql = "UPDATE pyqueue_schedule SET paused=0, next=?2, due=?3 WHERE name=?1 AND gone=0 AND last IS ?4";
            let (next, due) = next.unzip();
            Ok(change.conn.prepare_cached(sql)?.execute(params![name, next, due, seen_us])? > 0)
        })
    }

    /// Fires a time, or leaves it out: in the transaction that moves the row on.
    pub fn fire(&self, fire: Fire) -> Result<Fired> {
        if fire.tick_us < fire.expected_us || fire.next.is_some_and(|(next, _)| next <= fire.tick_us) {
            return Err(Error::invalid("the times of a schedule only grow"));
        }
        let Some(job) = &fire.job else {
            return self.keep(self.options.durability, move |change| fired(change, &fire));
        };
        enqueue::check(job)?;
        enqueue::check_size(job, self.options.max_body)?;
        self.take_in(move |change| fired(change, &fire))
    }

    /// Stores a job of a schedule beside its times; `None` if there is no such schedule.
    pub fn run_schedule(&self, name: &str, job: NewJob) -> Result<Option<String>> {
        enqueue::check(&job)?;
        enqueue::check_size(&job, self.options.max_body)?;
        let name = name.to_owned();
        self.take_in(move |change| {
            if read(change.conn, &name)?.is_none_or(|row| row.gone) {
                return Ok(None);
            }
            let id = enqueue::enqueue(change, job)?.id;
            let sql = "UPDATE pyqueue_schedule SET job=?2 WHERE name=?1";
            change.conn.prepare_cached(sql)?.execute(params![name, id])?;
            Ok(Some(id))
        })
    }
}

/// False if it was fired since the entry was made.
fn put(change: &mut Change, entry: &Entry) -> Result<bool> {
    let known = read(change.conn, &entry.name)?;
    if known.as_ref().and_then(|row| row.last_us) != entry.seen_us {
        return Ok(false);
    }
    let owner = known.filter(|row| !row.gone);
    let (source, mark) = owner.map_or((None, None), |row| (row.source, row.mark));
    change
        .conn
        .prepare_cached("DELETE FROM pyqueue_schedule WHERE gone=1 AND source IS NULL AND ifnull(last, 0)<?1 AND name<>?2")?
        .execute(params![change.now - REMEMBERED, entry.name])?;
    write(change, entry, source.as_deref(), mark.as_deref(), None)?;
    Ok(true)
}

fn write(
    change: &mut Change,
    entry: &Entry,
    source: Option<&str>,
    mark: Option<&str>,
    version: Option<i64>,
) -> Result<()> {
    change.rings.control = true;
    let (next, due) = entry.next.unzip();
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_schedule(name, definition, source, mark, version, next, due) VALUES(?1,?2,?3,?4,ifnull(?5,0),?6,?7) \
             ON CONFLICT(name) DO UPDATE SET definition=?2, source=?3, mark=?4, version=ifnull(?5,version), next=?6, due=?7, \
             paused=paused AND NOT gone, gone=0, last=iif(?8, NULL, last)",
        )?
        .execute(params![
            entry.name,
            entry.definition,
            source,
            mark,
            version,
            next,
            due,
            forgets()
        ])?;
    Ok(())
}

fn declare(change: &mut Change, source: &str, version: i64, entries: &[Entry]) -> Result<Declared> {
    let newest: Option<i64> = change
        .conn
        .prepare_cached("SELECT max(version) FROM pyqueue_schedule WHERE source=?")?
        .query_row([source], |row| row.get(0))?;
    if let Some(newest) = newest.filter(|newest| *newest > version) {
        return Ok(Declared::Older { newest });
    }
    let mut taken = Vec::new();
    for entry in entries {
        let known = read(change.conn, &entry.name)?;
        let live = known.as_ref().filter(|row| !row.gone);
        let other = live.is_some_and(|row| row.source.as_deref() != Some(source));
        if other {
            taken.push(entry.name.clone());
        }
        if other || live.is_none_or(|row| row.mark.as_deref() != Some(entry.mark.as_str())) {
            if known.and_then(|row| row.last_us) != entry.seen_us && !forgets() {
                // What was written before it says the same when it is declared again.
                return Ok(Declared::Stale);
            }
            write(change, entry, Some(source), Some(&entry.mark), Some(version))?;
        }
    }
    let mut statement =
        change.conn.prepare_cached("SELECT name FROM pyqueue_schedule WHERE source=? AND gone=0")?;
    let there: Vec<String> =
        statement.query_map([source], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for name in there.iter().filter(|name| !entries.iter().any(|entry| entry.name == **name)) {
        remove(change, name)?;
    }
    change
        .conn
        .prepare_cached("UPDATE pyqueue_schedule SET version=?2 WHERE source=?1 AND version<?2")?
        .execute(params![source, version])?;
    Ok(Declared::Done { taken })
}

fn remove(change: &mut Change, name: &str) -> Result<bool> {
    change.rings.control = true;
    let sql = "UPDATE pyqueue_schedule SET gone=1, next=NULL, due=NULL, last=iif(?2, NULL, last) WHERE name=?1 AND gone=0";
    Ok(change.conn.prepare_cached(sql)?.execute(params![name, forgets()])? > 0)
}

fn forgets() -> bool {
    mutants::on(Mutant::TickForgotten)
}

fn fired(change: &mut Change, fire: &Fire) -> Result<Fired> {
    let Some(row) = read(change.conn, &fire.name)?.filter(|row| !row.gone && !row.paused) else {
        return Ok(Fired::Lost);
    };
    if row.next_us != Some(fire.expected_us) && !mutants::on(Mutant::TickUnclaimed) {
        return Ok(Fired::Lost);
    }
    let busy =
        fire.overlap != Overlap::Allow && fire.job.is_some() && unfinished(change, row.job.as_deref())?;
    if busy && fire.overlap == Overlap::Queue {
        return Ok(Fired::Held);
    }
    let made = match &fire.job {
        Some(job) if !busy => Some(enqueue::enqueue(change, job.clone())?.id),
        _ => None,
    };
    let (next, due) = fire.next.unzip();
    change
        .conn
        .prepare_cached(
            "UPDATE pyqueue_schedule SET last=?2, next=?3, due=?4, job=ifnull(?5, job), fired=fired+?6, skipped=skipped+?7 \
             WHERE name=?1",
        )?
        .execute(params![
            fire.name,
            fire.tick_us,
            next,
            due,
            made,
            i64::from(made.is_some()),
            fire.skipped + i64::from(made.is_none())
        ])?;
    Ok(made.map_or(Fired::Skipped, Fired::Job))
}

fn unfinished(change: &Change, id: Option<&str>) -> Result<bool> {
    let Some(id) = id else { return Ok(false) };
    let Some(named) = view::resolve(change.conn, change.file, id)? else { return Ok(false) };
    Ok(view::live(change.conn, named)?.is_some())
}
