//! Where a job is that is not simply ready: again, behind a gate, or later. The primary key makes "in one place
//! only" a property of the schema; this file alone writes the table and keeps the heads' counters with it.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::{gate, half};
use crate::error::{Error, Result};
use crate::id::RowId;
use crate::mutants::{self, Mutant};

/// In line again, at its old place in the order.
pub const AGAIN: i64 = 1;
/// Waits for a gate.
pub const GATE: i64 = 2;
/// Not before its time.
pub const LATER: i64 = 3;
/// Waits for its sender's word.
pub const PREPARED: i64 = 4;

/// Waits for a node of its workflow.
pub const HELD: i64 = 5;

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    pub place: i64,
    /// 0, the gate, the wall time (µs), or the node.
    pub k: i64,
    /// The place in the order; its band is the job's.
    pub at: i64,
}

/// Where a job stands, if it does here.
pub fn read(conn: &Connection, id: RowId) -> Result<Option<Side>> {
    Ok(conn
        .prepare_cached("SELECT place, k, at FROM pyqueue_side WHERE id=?")?
        .query_row([id.0], |row| Ok(Side { place: row.get(0)?, k: row.get(1)?, at: row.get(2)? }))
        .optional()?)
}

fn put(change: &mut Change, id: RowId, side: Side) -> Result<()> {
    change
        .conn
        .prepare_cached("INSERT INTO pyqueue_side(id, place, k, at) VALUES(?1, ?2, ?3, ?4)")?
        .execute(params![id.0, side.place, side.k, side.at])?;
    count(change, side, 1)
}

fn count(change: &mut Change, side: Side, step: i64) -> Result<()> {
    let head = change.heads.get(RowId(side.at).band())?;
    match side.place {
        AGAIN => head.again += step,
        GATE => head.parked += step,
        LATER => head.later += step,
        HELD => head.held += step,
        _ => {}
    }
    if side.place == GATE {
        match change.lists.iter_mut().find(|(gate, _)| *gate == side.k) {
            Some((_, longer)) => *longer += step,
            None => change.lists.push((side.k, step)),
        }
    }
    Ok(())
}

/// Writes how much longer the lists of gates have become: once, and not for each of a thousand jobs.
pub fn flush(change: &mut Change) -> Result<()> {
    for (list, longer) in std::mem::take(&mut change.lists) {
        change
            .conn
            .prepare_cached("UPDATE pyqueue_gate SET waiting=waiting+?2 WHERE id=?1")?
            .execute([list, longer])?;
        if longer < 0 {
            gate::drop_idle(change.conn, list)?;
        }
    }
    Ok(())
}

/// Puts a job back in line.
pub fn put_again(change: &mut Change, id: RowId, at: i64) -> Result<()> {
    change.rings.ready = true;
    put(change, id, Side { place: AGAIN, k: 0, at })
}

/// Sets a job aside until a gate opens.
pub fn put_behind(change: &mut Change, id: RowId, gate: i64, at: i64) -> Result<()> {
    if mutants::on(Mutant::ParkedLost) {
        return Ok(());
    }
    put(change, id, Side { place: GATE, k: gate, at })
}

/// Sets ready jobs aside until a gate opens: all that follow a place, up to another.
pub fn put_run_behind(change: &mut Change, (after, last): (i64, i64), gate: i64, many: usize) -> Result<()> {
    if mutants::on(Mutant::ParkedLost) {
        return Ok(());
    }
    let put = change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_side(id, place, k, at) SELECT id, 2, ?3, id FROM pyqueue_job WHERE id>?1 AND id<=?2",
        )?
        .execute([after, last, gate])?;
    if put != many {
        return Err(Error::Corrupt("a scan of pyqueue_job gives other rows than the one before".into()));
    }
    count(change, Side { place: GATE, k: gate, at: last }, many as i64)
}

/// Lets a job wait for its time.
pub fn put_later(change: &mut Change, id: RowId, run_at: i64, at: i64) -> Result<()> {
    change.rings.ready = true;
    put(change, id, Side { place: LATER, k: run_at, at })
}

/// Sets a job aside until its sender says that it may start.
pub fn put_prepared(change: &mut Change, id: RowId, at: i64) -> Result<()> {
    put(change, id, Side { place: PREPARED, k: 0, at })
}

/// Sets a job aside until a node of its workflow is complete.
pub fn put_held(change: &mut Change, id: RowId, node: i64, at: i64) -> Result<()> {
    put(change, id, Side { place: HELD, k: node, at })
}

/// Lets a job that was held start, at a time if one is given.
pub fn release(change: &mut Change, id: RowId, run_at: Option<i64>) -> Result<()> {
    let place = if run_at.is_some() { LATER } else { AGAIN };
    let at: Option<i64> = change
        .conn
        .prepare_cached("UPDATE pyqueue_side SET place=?2, k=?3 WHERE id=?1 AND place=5 RETURNING at")?
        .query_row(params![id.0, place, run_at.unwrap_or(0)], |row| row.get(0))
        .optional()?;
    if let Some(at) = at {
        change.rings.ready = true;
        count(change, Side { place: HELD, k: 0, at }, -1)?;
        count(change, Side { place, k: 0, at }, 1)?;
    }
    Ok(())
}

/// Gives a job another place in the order; false if it is not here.
pub fn relocate(change: &mut Change, id: RowId, at: i64) -> Result<bool> {
    let Some(side) = read(change.conn, id)? else { return Ok(false) };
    change.conn.prepare_cached("UPDATE pyqueue_side SET at=?2 WHERE id=?1")?.execute([id.0, at])?;
    count(change, side, -1)?;
    count(change, Side { at, ..side }, 1)?;
    change.rings.ready = true;
    Ok(true)
}

/// Takes a job out; true if it was here.
pub fn take(change: &mut Change, id: RowId) -> Result<bool> {
    let found = change
        .conn
        .prepare_cached("DELETE FROM pyqueue_side WHERE id=? RETURNING place, k, at")?
        .query_row([id.0], |row| Ok(Side { place: row.get(0)?, k: row.get(1)?, at: row.get(2)? }))
        .optional()?;
    match found {
        Some(side) => {
            if side.place == PREPARED {
                half::forget(change, id)?;
            }
            count(change, side, -1).map(|()| true)
        }
        None => Ok(false),
    }
}

/// Puts delayed jobs whose time has come in line, oldest first; true if there may be more.
pub fn promote(change: &mut Change, limit: usize) -> Result<bool> {
    let now = change.now + if mutants::on(Mutant::Early) { 500_000 } else { 0 };
    let due: Vec<(i64, i64)> = change
        .conn
        .prepare_cached(
            "SELECT id, at FROM pyqueue_side WHERE place=3 AND k<=?1 ORDER BY k, at, id LIMIT ?2",
        )?
        .query_map(params![now, limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (id, at) in &due {
        change.conn.prepare_cached("UPDATE pyqueue_side SET place=1, k=0 WHERE id=?")?.execute([id])?;
        let head = change.heads.get(RowId(*at).band())?;
        head.later -= 1;
        head.again += 1;
        if RowId(*id).band() == crate::id::SHELF {
            change.heads.vacate_shelf(*id)?;
        }
    }
    Ok(due.len() == limit)
}

/// When the earliest delayed job is due.
pub fn next_due(conn: &Connection) -> Result<Option<i64>> {
    Ok(conn
        .prepare_cached("SELECT k FROM pyqueue_side WHERE place=3 ORDER BY k LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?)
}
