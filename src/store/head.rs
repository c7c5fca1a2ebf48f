//! Heads: how far the claims of a band have come, and the band's counters.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{Error, Result};
use crate::id::{self, SHELF};
use crate::mutants::{self, Mutant};

/// Counter of the whole file: the last fencing token.
pub const TOKEN: i64 = -1;
/// Counter of the whole file: the version of queues, gates and schema, by which caches are judged.
pub const VERSION: i64 = -2;
/// Counter of the whole file: the last worker's id.
pub const OWNER: i64 = -3;
/// Counter of the whole file: how far the walk over old successes has come in the history.
pub const WALK: i64 = -4;

/// Counter of the whole file: bytes in `pyqueue_log`.
pub const LOGGED: i64 = -5;

/// Counter of the whole file: the last node's id.
pub const NODE: i64 = -6;
/// Counter of the whole file: jobs of workflows that have ended and are kept.
pub const KEPT: i64 = -7;

/// A row of `pyqueue_head`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Head {
    /// The last place the claims have passed.
    pub pos: i64,
    pub spoken: i64,
    pub again: i64,
    pub parked: i64,
    pub later: i64,
    pub held: i64,
    pub succeeded: i64,
    pub failed: i64,
    /// Cancelled and expired.
    pub revoked: i64,
    pub retried: i64,
    pub lost: i64,
}

struct Entry {
    band: i64,
    head: Head,
    read: Head,
}

/// The heads one transaction has touched. Valid while it holds the write lock; few, so a list is searched.
pub struct Heads<'t> {
    conn: &'t Connection,
    entries: Vec<Entry>,
}

impl<'t> Heads<'t> {
    pub fn new(conn: &'t Connection) -> Self {
        Heads { conn, entries: Vec::new() }
    }

    /// The head of a band, to be changed in place.
    pub fn get(&mut self, band: i64) -> Result<&mut Head> {
        if let Some(at) = self.entries.iter().position(|entry| entry.band == band) {
            return Ok(&mut self.entries[at].head);
        }
        let head = read(self.conn, band)?;
        self.entries.push(Entry { band, head, read: head });
        let last = self.entries.len() - 1;
        Ok(&mut self.entries[last].head)
    }

    /// The last place passed in a band, if this transaction has looked at its head.
    pub fn touched(&self, band: i64) -> Option<i64> {
        self.entries.iter().find(|entry| entry.band == band).map(|entry| entry.head.pos)
    }

    /// The last place of a band that the claims have passed.
    pub fn pos(&mut self, band: i64) -> Result<i64> {
        Ok(self.get(band)?.pos)
    }

    /// The highest place ever given in a band. `max(last row, head)`: rows above the head are vacated only by
    /// the head itself (what leaves earlier stays as a husk), so no place is ever given twice.
    pub fn tail(&mut self, band: i64) -> Result<i64> {
        let head = if mutants::on(Mutant::CursorWithoutMax) { id::floor(band) } else { self.pos(band)? };
        Ok(last_row(self.conn, band)?.unwrap_or(head).max(head))
    }

    /// Raises the shelf's head over a place that has been vacated there.
    pub fn vacate_shelf(&mut self, place: i64) -> Result<()> {
        let head = self.get(SHELF)?;
        head.pos = head.pos.max(place);
        Ok(())
    }

    /// Writes every head that has changed.
    pub fn flush(&mut self) -> Result<()> {
        for entry in &mut self.entries {
            let head = &entry.head;
            if *head != entry.read {
                self.conn
                    .prepare_cached(
                        "INSERT INTO pyqueue_head VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12) ON CONFLICT(band) DO UPDATE \
                         SET pos=?2, spoken=?3, again=?4, parked=?5, later=?6, held=?7, succeeded=?8, failed=?9, revoked=?10, \
                         retried=?11, lost=?12",
                    )?
                    .execute(params![
                        entry.band, head.pos, head.spoken, head.again, head.parked, head.later, head.held, head.succeeded,
                        head.failed, head.revoked, head.retried, head.lost
                    ])?;
                entry.read = entry.head;
            }
        }
        Ok(())
    }
}

/// The head of a band as the file has it.
pub fn read(conn: &Connection, band: i64) -> Result<Head> {
    let row = conn
        .prepare_cached(
            "SELECT pos, spoken, again, parked, later, held, succeeded, failed, revoked, retried, lost FROM pyqueue_head WHERE band=?",
        )?
        .query_row([band], |row| {
            Ok(Head {
                pos: row.get(0)?,
                spoken: row.get(1)?,
                again: row.get(2)?,
                parked: row.get(3)?,
                later: row.get(4)?,
                held: row.get(5)?,
                succeeded: row.get(6)?,
                failed: row.get(7)?,
                revoked: row.get(8)?,
                retried: row.get(9)?,
                lost: row.get(10)?,
            })
        })
        .optional()?;
    let head = row.unwrap_or(Head { pos: id::floor(band).max(0), ..Head::default() });
    // Far above what any file counts, and far enough below the end of the numbers for sums of them.
    let good = |count: i64| (0..1 << 48).contains(&count);
    let counts = [
        head.spoken,
        head.again,
        head.parked,
        head.later,
        head.held,
        head.succeeded,
        head.failed,
        head.revoked,
        head.retried,
        head.lost,
    ];
    if !counts.into_iter().all(good) || (band < 0 && !good(head.pos)) {
        return Err(Error::Corrupt(format!("the counters of band {band} are out of range")));
    }
    if band >= 0 {
        within(band, head.pos)?;
    }
    Ok(head)
}

/// Refuses a head that stands outside its band: a claim would find rows of another band behind it, move that one's
/// head, and come upon them again for ever.
pub fn within(band: i64, pos: i64) -> Result<i64> {
    if (id::floor(band)..=id::ceiling(band)).contains(&pos) {
        return Ok(pos);
    }
    Err(Error::Corrupt(format!("the head of band {band} stands outside of it")))
}

/// The last row of a band.
pub fn last_row(conn: &Connection, band: i64) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT id FROM pyqueue_job WHERE id>?1 AND id<=?2 ORDER BY id DESC LIMIT 1")?
        .query_row([id::floor(band), id::ceiling(band)], |row| row.get(0))
        .optional()?)
}
