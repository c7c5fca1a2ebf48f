//! Events that the history has not: jobs that were sent and received, workers that came and went. They are written only
//! while somebody asks for them; who writes compares one number.

use rusqlite::{OptionalExtension, params};

use super::change::Change;
use super::row::JobRow;
use super::{Store, rules};
use crate::error::Result;
use crate::id::RowId;
use crate::mutants::{self, Mutant};

/// Codes of `pyqueue_event.kind`.
pub const SENT: i64 = 0;
pub const RECEIVED: i64 = 1;
pub const ONLINE: i64 = 2;
pub const OFFLINE: i64 = 3;
pub const HEARTBEAT: i64 = 4;
pub const MISSED: i64 = 5;

/// Until when what is written (wall time, µs). Names in `pyqueue_meta`.
const WRITTEN: &str = "events_until";
const FOLLOWED: &str = "events_followed_until";

/// A row to be written.
#[derive(Default)]
pub struct Event<'a> {
    pub kind: i64,
    pub job: Option<(RowId, i64)>,
    pub alias: Option<&'a str>,
    pub band: Option<i64>,
    pub name: Option<&'a str>,
    pub owner: Option<i64>,
    pub count: Option<i64>,
    pub moment: Option<i64>,
}

/// Whether somebody asks for events.
pub fn wanted(change: &Change) -> bool {
    change.rules.events_until > change.now
}

/// Writes one.
pub fn write(change: &mut Change, event: &Event) -> Result<()> {
    let turn = match change.appended.get() {
        _ if mutants::on(Mutant::EventTurnLost) => 0,
        0 => change
            .conn
            .prepare_cached("SELECT ifnull(max(seq), 0) FROM pyqueue_history")?
            .query_row([], |row| row.get(0))?,
        turn => turn,
    };
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_event(turn, kind, at, job, nonce, alias, band, name, owner, count, moment) \
             VALUES(?,?,?,?,?,?,?,?,?,?,?)",
        )?
        .execute(params![
            turn,
            event.kind,
            change.now,
            event.job.map(|(row, _)| row.0),
            event.job.map(|(_, nonce)| nonce),
            event.alias,
            event.band,
            event.name,
            event.owner,
            event.count,
            event.moment
        ])?;
    change.events += 1;
    Ok(())
}

/// Writes that a worker has taken a job.
pub fn received(change: &mut Change, job: &JobRow, owner: i64) -> Result<()> {
    let event = Event {
        kind: RECEIVED,
        job: Some((job.id, job.nonce)),
        alias: job.alias.as_deref(),
        band: Some(job.band()),
        name: Some(&job.task),
        owner: Some(owner),
        count: Some(job.retries.into()),
        moment: None,
    };
    write(change, &event)
}

/// Writes something about a worker.
pub fn of_worker(change: &mut Change, kind: i64, owner: i64) -> Result<()> {
    let facts: Option<(String, i64, i64)> = change
        .conn
        .prepare_cached(
            "SELECT name, pid, (SELECT ifnull(sum(jobs), 0) FROM pyqueue_lease l WHERE l.owner=o.id) \
             FROM pyqueue_owner o WHERE id=?",
        )?
        .query_row([owner], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((name, pid, jobs)) = facts else { return Ok(()) };
    let event = Event {
        kind,
        name: Some(&name),
        owner: Some(owner),
        count: Some(jobs),
        // A worker that is taken for dead has none in its row.
        moment: (pid > 0).then_some(pid),
        ..Event::default()
    };
    write(change, &event)
}

/// At the end of a change: deletes twice as many as it wrote beyond the bound, and says whom to ring.
pub fn settle(change: &mut Change) -> Result<()> {
    if change.events > 0 {
        prune(change, "", 2 * change.events)?;
    }
    change.rings.events =
        change.rules.followed_until > change.now && (change.events > 0 || change.appended.get() > 0);
    Ok(())
}

/// Deletes those that are too old, looking at up to `limit` rows. True if there is more.
pub fn prune_old(change: &mut Change, limit: i64) -> Result<bool> {
    Ok(prune(change, " OR at<=?3", limit)? as i64 == limit)
}

/// Deletes from the front what is beyond the bound on their number, and what else goes. The newest stays, so that a
/// sequence number is never given twice.
fn prune(change: &mut Change, also: &str, limit: i64) -> Result<usize> {
    let sql = format!(
        "DELETE FROM pyqueue_event WHERE seq<(SELECT max(seq) FROM pyqueue_event) AND seq IN \
         (SELECT seq FROM (SELECT seq, at FROM pyqueue_event ORDER BY seq LIMIT ?1) \
         WHERE seq<=(SELECT max(seq) FROM pyqueue_event)-?2{also})"
    );
    let mut delete = change.conn.prepare_cached(&sql)?;
    let count = change.options.history_count;
    if also.is_empty() {
        return Ok(delete.execute([limit, count])?);
    }
    let old = change.now.saturating_sub(change.options.history_age_us);
    Ok(delete.execute([limit, count, old])?)
}

/// What was asked for, for the cache of the rules.
pub fn asked(conn: &rusqlite::Connection) -> Result<(i64, i64)> {
    let mut both = (0, 0);
    let mut statement = conn.prepare_cached("SELECT name, value FROM pyqueue_meta WHERE name IN (?1, ?2)")?;
    let mut rows = statement.query([WRITTEN, FOLLOWED])?;
    while let Some(row) = rows.next()? {
        let until = row.get(1)?;
        match row.get_ref(0)?.as_str() {
            Ok(WRITTEN) => both.0 = until,
            _ => both.1 = until,
        }
    }
    Ok(both)
}

impl Store {
    /// Lets every event be written until then (wall time, µs); in the past: until nobody follows.
    pub fn events_until(&self, until_us: i64) -> Result<()> {
        self.keep(self.options.durability, move |change| {
            // What a follower has asked for is not taken from it.
            let followed = change.rules.followed_until.min(change.rules.events_until);
            let until = until_us.max(change.now).max(followed);
            ask(change, until, change.rules.followed_until)
        })
    }

    /// Lets followers be rung until then, and, if `all`, events be written that the history has not. Takes nothing away
    /// from others who ask.
    pub fn follow(&self, until_us: i64, all: bool) -> Result<()> {
        self.keep(self.options.durability, move |change| {
            let written = change.rules.events_until;
            let until = if all { written.max(until_us) } else { written };
            ask(change, until, change.rules.followed_until.max(until_us))
        })
    }
}

/// Where events are written again that were not for a while, a row says since when.
fn ask(change: &mut Change, until: i64, followed: i64) -> Result<()> {
    let before = change.rules.events_until;
    if before <= change.now && until > change.now {
        let since = (before > 0).then_some(before);
        write(change, &Event { kind: MISSED, moment: since, ..Event::default() })?;
    }
    for (name, value) in [(WRITTEN, until), (FOLLOWED, followed)] {
        change
            .conn
            .prepare_cached(
                "INSERT INTO pyqueue_meta(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value=excluded.value",
            )?
            .execute(params![name, value])?;
    }
    rules::changed(change)
}
