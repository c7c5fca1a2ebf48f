//! What has happened, in the order of commits: the rows of the history and of `pyqueue_event`, merged. The latter say
//! behind which of the former they came.

use std::collections::HashMap;
use std::sync::Mutex;

use rusqlite::{Connection, Row, params};

use super::{Store, change, event, history, rules};
use crate::error::{Error, Result};
use crate::id::{self, RowId};
use crate::job::{Failure, Payload};
use crate::mutants::{self, Mutant};

/// What is said, by Celery's names.
pub const KINDS: [&str; 13] = [
    "task-sent",
    "task-received",
    "worker-online",
    "worker-offline",
    "worker-heartbeat",
    "events-missed",
    "task-started",
    "task-succeeded",
    "task-failed",
    "task-retried",
    "task-revoked",
    "task-rejected",
    "",
];
const STARTED: usize = 6;
const SUCCEEDED: usize = 7;
const FAILED: usize = 8;
const RETRIED: usize = 9;
const REVOKED: usize = 10;
const REJECTED: usize = 11;
const NOTHING: usize = 12;

/// Bytes of a result, or of arguments, that are read for an event: people see its beginning.
const LONGEST: i64 = 64 << 10;
/// Rows of each table that one look reads.
const LOOK: i64 = 256;

/// A place between two events: what was told of the history and of the events. `half`: of the history's next row the
/// start has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    history: i64,
    event: i64,
    half: bool,
}

impl Cursor {
    /// As text, for one file.
    fn text(self, file: u32) -> String {
        format!("{file:08x}-{:x}-{:x}-{}", self.history, self.event, u8::from(self.half))
    }

    fn parse(text: &str, file: u32) -> Result<Cursor> {
        let wrong = || Error::invalid(format!("{text:?} is no cursor of this file's events"));
        let mut parts = text.split('-');
        let mut next = || {
            let part = parts.next().filter(|part| part.len() <= 15).ok_or_else(wrong)?;
            i64::from_str_radix(part, 16).ok().filter(|number| *number >= 0).ok_or_else(wrong)
        };
        let (whose, history, event, half) = (next()?, next()?, next()?, next()?);
        if whose != i64::from(file) || parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Cursor { history, event, half: half == 1 })
    }

    /// Grows with each event of a file.
    fn clock(self) -> i64 {
        self.history.saturating_mul(2).saturating_add(self.event).saturating_add(i64::from(self.half))
    }
}

/// Something that has happened.
#[derive(Debug, Clone, Default)]
pub struct Happened {
    /// Celery's name of it; `events-missed` where some are not told.
    pub kind: &'static str,
    /// The place behind it.
    pub cursor: String,
    /// Grows with each.
    pub clock: i64,
    /// When (wall time, µs).
    pub at_us: i64,
    /// The job's public id.
    pub id: Option<String>,
    /// Its task.
    pub task: Option<String>,
    /// Its queue.
    pub queue: Option<String>,
    /// Its priority.
    pub priority: Option<i8>,
    /// Errors so far.
    pub retries: Option<u32>,
    /// The worker's id.
    pub worker: Option<i64>,
    /// The worker's name, as far as it is known.
    pub hostname: Option<String>,
    /// The worker's process.
    pub pid: Option<i64>,
    /// Jobs that a worker has at its beat.
    pub active: Option<i64>,
    /// How long an attempt ran (µs).
    pub runtime_us: Option<i64>,
    /// When a job that was sent may start at the earliest (wall time, µs).
    pub eta_us: Option<i64>,
    /// Arguments, where they are kept; of a success its result.
    pub payload: Option<Payload>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// The end that the core gave it: `expired`, `cancelled`, `dead`, `lost`, …
    pub outcome: Option<&'static str>,
    /// How many rows are not kept any more.
    pub missed: Option<i64>,
    /// Since when nothing was written (wall time, µs).
    pub since_us: Option<i64>,
}

/// A look at what happened.
pub struct Look {
    /// In the order of commits.
    pub events: Vec<Happened>,
    /// The place behind the last row that was looked at.
    pub cursor: String,
    /// There is more already.
    pub more: bool,
}

/// Who reads events: it knows the names of workers that it has seen.
#[derive(Default)]
pub struct Reader {
    names: Mutex<HashMap<i64, (String, Option<i64>)>>,
}

impl Reader {
    /// What came behind a place, as far as one look reads; `kinds`: only these.
    pub fn look(&self, store: &Store, after: &str, kinds: Option<&[String]>) -> Result<Look> {
        if let Some(unknown) = kinds.into_iter().flatten().find(|kind| !KINDS.contains(&kind.as_str())) {
            let known = KINDS[..NOTHING].join(", ");
            return Err(Error::invalid(format!("there are no events {unknown:?}; there are {known}")));
        }
        let wanted = KINDS.map(|kind| kinds.is_none_or(|kinds| kinds.iter().any(|each| each == kind)));
        store.read(|conn, file| {
            let mut names = self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            learn(conn, &mut names)?;
            let at = Cursor::parse(after, file)?;
            Walk { conn, file, wanted, names: &mut names, at, told: Vec::new() }.walk()
        })
    }
}

impl Store {
    /// The place before everything, or behind everything that has happened.
    pub fn cursor(&self, newest: bool) -> Result<String> {
        self.read(|conn, file| {
            let mut at = Cursor::default();
            if newest {
                let sql = "SELECT (SELECT ifnull(max(seq), 0) FROM pyqueue_history), (SELECT ifnull(max(seq), 0) FROM pyqueue_event)";
                (at.history, at.event) = conn
                    .prepare_cached(sql)?
                    .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            }
            Ok(at.text(file))
        })
    }
}

fn learn(conn: &Connection, names: &mut HashMap<i64, (String, Option<i64>)>) -> Result<()> {
    let mut statement = conn.prepare_cached("SELECT id, name, pid FROM pyqueue_owner WHERE pid<>0")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        names.insert(row.get(0)?, (row.get(1)?, row.get(2)?));
    }
    Ok(())
}

struct Walk<'a> {
    conn: &'a Connection,
    file: u32,
    wanted: [bool; KINDS.len()],
    names: &'a mut HashMap<i64, (String, Option<i64>)>,
    at: Cursor,
    told: Vec<Happened>,
}

impl Walk<'_> {
    fn walk(mut self) -> Result<Look> {
        let mut ends = self.conn.prepare_cached(
            "SELECT seq, outcome, state, finished, started, job, nonce, alias, band, task, retries, owner, \
             error, message, traceback, content_type, CASE WHEN state=0 AND octet_length(result)<=?2 AND ?4 THEN result END \
             FROM pyqueue_history WHERE seq>?1 ORDER BY seq LIMIT ?3",
        )?;
        let mut others = self.conn.prepare_cached(
            "SELECT e.seq, e.turn, e.kind, e.at, e.job, e.nonce, e.alias, e.band, e.name, e.owner, e.count, e.moment, \
             j.content_type, CASE WHEN octet_length(j.payload)<=?2 AND ?4 THEN j.payload END \
             FROM pyqueue_event e LEFT JOIN pyqueue_job j ON j.id=e.job AND j.nonce=e.nonce WHERE e.seq>?1 ORDER BY e.seq LIMIT ?3",
        )?;
        let bodies = self.wanted[SUCCEEDED];
        let mut ends = ends.query(params![self.at.history, LONGEST, LOOK, bodies])?;
        let arguments = self.wanted[event::SENT as usize] || self.wanted[event::RECEIVED as usize];
        let mut others = others.query(params![self.at.event, LONGEST, LOOK, arguments])?;
        let (mut read, mut more) = ((0, 0), false);
        let (mut end, mut other) = (ends.next()?, others.next()?);
        loop {
            // A table of which no more was read may have more: nothing behind its last row is told now.
            if (end.is_none() && read.0 == LOOK) || (other.is_none() && read.1 == LOOK) {
                more = true;
                break;
            }
            let first = match (end, other) {
                (None, None) => break,
                (None, Some(_)) => false,
                (Some(_), None) => true,
                (Some(end), Some(other)) => end.get::<_, i64>(0)? <= other.get::<_, i64>(1)?,
            };
            if first {
                if let Some(row) = end {
                    self.end(row)?;
                }
                read.0 += 1;
                end = ends.next()?;
            } else {
                if let Some(row) = other {
                    self.other(row)?;
                }
                read.1 += 1;
                other = others.next()?;
            }
        }
        Ok(Look { cursor: self.at.text(self.file), events: self.told, more })
    }

    fn end(&mut self, row: &Row<'_>) -> Result<()> {
        let seq: i64 = row.get(0)?;
        let nonce: i64 = row.get(6)?;
        self.skipped(seq - 1 - self.at.history, true, row.get(3)?);
        if nonce < 0 {
            // Somebody had it forgotten.
            self.at = Cursor { history: seq, half: false, ..self.at };
            self.missed(Happened { at_us: row.get(3)?, missed: Some(1), ..Happened::default() }, true);
            return Ok(());
        }
        let outcome: i64 = row.get(1)?;
        let state: Option<i64> = row.get(2)?;
        let kind = match outcome {
            history::SUCCESS => SUCCEEDED,
            history::RETRY => RETRIED,
            history::CANCELLED | history::EXPIRED => REVOKED,
            history::LOST if state.is_none() => REJECTED,
            history::REPLACED => NOTHING,
            _ => FAILED,
        };
        if !self.wanted[kind] && !self.wanted[STARTED] {
            // Most rows that a follower of failures reads.
            self.at = Cursor { history: seq, half: false, ..self.at };
            return Ok(());
        }
        let (finished, started): (i64, Option<i64>) = (row.get(3)?, row.get(4)?);
        let band: i64 = row.get(8)?;
        let about = Happened {
            id: Some(change::public(self.file, RowId(row.get(5)?), nonce, row.get(7)?)),
            task: row.get(9)?,
            queue: rules::name_of(self.conn, id::queue_of(band)).ok(),
            priority: Some(id::priority_of(band)),
            retries: row.get(10)?,
            worker: row.get(11)?,
            ..Happened::default()
        };
        if let Some(at_us) = started
            && !self.at.half
        {
            self.at.half = true;
            self.tell(STARTED, Happened { at_us, ..about.clone() });
        }
        let error: Option<String> = row.get(12)?;
        let failure = match error {
            Some(error) if kind != SUCCEEDED => Some(Failure {
                error,
                message: row.get::<_, Option<String>>(13)?.unwrap_or_default(),
                traceback: row.get(14)?,
                payload: None,
            }),
            _ => None,
        };
        let body: Option<Vec<u8>> = row.get(16)?;
        let content_type: Option<String> = row.get(15)?;
        self.at = Cursor { history: seq, half: false, ..self.at };
        self.tell(
            kind,
            Happened {
                at_us: finished,
                runtime_us: started.map(|started| finished.saturating_sub(started).max(0)),
                outcome: Some(history::outcome_name(outcome)),
                payload: body.map(|body| Payload { content_type, body }),
                failure,
                ..about
            },
        );
        Ok(())
    }

    fn other(&mut self, row: &Row<'_>) -> Result<()> {
        let (seq, kind, at_us): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        self.skipped(seq - 1 - self.at.event, false, at_us);
        self.at.event = seq;
        let owner: Option<i64> = row.get(9)?;
        let count: Option<i64> = row.get(10)?;
        let moment: Option<i64> = row.get(11)?;
        let kind = usize::try_from(kind).unwrap_or(NOTHING);
        if kind == event::MISSED as usize {
            self.missed(Happened { at_us, since_us: moment, ..Happened::default() }, false);
            return Ok(());
        }
        let body: Option<Vec<u8>> = row.get(13)?;
        let band: Option<i64> = row.get(7)?;
        let name: Option<String> = row.get(8)?;
        let Some((job, nonce)) = row.get::<_, Option<i64>>(4)?.zip(row.get::<_, Option<i64>>(5)?) else {
            if let Some((id, name)) = owner.zip(name) {
                let known = self.names.get(&id).and_then(|(_, pid)| *pid);
                self.names.insert(id, (name, moment.or(known)));
            }
            let active = (kind == event::HEARTBEAT as usize).then_some(count).flatten();
            self.tell(kind, Happened { at_us, worker: owner, active, ..Happened::default() });
            return Ok(());
        };
        let content_type: Option<String> = row.get(12)?;
        self.tell(
            kind,
            Happened {
                at_us,
                id: Some(change::public(self.file, RowId(job), nonce, row.get(6)?)),
                task: name,
                queue: band.and_then(|band| rules::name_of(self.conn, id::queue_of(band)).ok()),
                priority: band.map(id::priority_of),
                retries: Some(count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0)),
                worker: owner,
                eta_us: moment,
                payload: body.map(|body| Payload { content_type, body }),
                ..Happened::default()
            },
        );
        Ok(())
    }

    /// Numbers are given without a hole in the order of commits: where one is missing, its row was deleted.
    fn skipped(&mut self, count: i64, end: bool, at_us: i64) {
        if count > 0 {
            let last = if end { &mut self.at.history } else { &mut self.at.event };
            *last += count;
            self.at.half &= !end;
            if mutants::on(Mutant::EventHoleUntold) {
                return;
            }
            self.missed(Happened { at_us, missed: Some(count), ..Happened::default() }, end);
        }
    }

    /// Told to whoever wants anything of the kind that is missing; those that follow each other as one.
    fn missed(&mut self, event: Happened, end: bool) {
        let kinds = if end { &self.wanted[STARTED..NOTHING] } else { &self.wanted[..event::MISSED as usize] };
        if !kinds.contains(&true) {
            return;
        }
        if let Some(last) = self.told.last_mut()
            && let (Some(before), Some(now)) = (last.missed, event.missed)
        {
            last.missed = Some(before + now);
            last.cursor = self.at.text(self.file);
            last.clock = self.at.clock();
            last.at_us = event.at_us;
            return;
        }
        self.push(event::MISSED as usize, event);
    }

    fn tell(&mut self, kind: usize, event: Happened) {
        if kind < NOTHING && self.wanted[kind] {
            self.push(kind, event);
        }
    }

    fn push(&mut self, kind: usize, mut event: Happened) {
        if let Some((name, pid)) = event.worker.and_then(|id| self.names.get(&id)) {
            event.hostname = Some(name.clone());
            event.pid = *pid;
        }
        event.kind = KINDS[kind];
        event.cursor = self.at.text(self.file);
        event.clock = self.at.clock();
        self.told.push(event);
    }
}
