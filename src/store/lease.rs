//! Leases: one row covers a run of jobs claimed together. Intervals are disjoint, hold only rows of their token,
//! and every write about a job begins with `mine`.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use crate::error::Result;
use crate::id::RowId;
use crate::mutants::{self, Mutant};

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Lease {
    pub first: i64,
    pub last: i64,
    /// How many rows the interval holds.
    pub jobs: i64,
    pub token: i64,
    pub owner: i64,
    /// Boot time (µs); `None`: the owner's.
    pub deadline: Option<i64>,
    /// No row has a dedup key, errbacks, steps, a place in a workflow, another queue than its id says, has told
    /// of its progress, or was revoked: range statements finish it.
    pub plain: bool,
}

impl Lease {
    pub fn from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Lease> {
        Ok(Lease {
            first: row.get(0)?,
            last: row.get(1)?,
            jobs: row.get(2)?,
            token: row.get(3)?,
            owner: row.get(4)?,
            deadline: row.get(5)?,
            plain: row.get(6)?,
        })
    }

    /// Whether every place of the interval is a row.
    fn dense(&self) -> bool {
        self.last.checked_sub(self.first).and_then(|span| span.checked_add(1)) == Some(self.jobs)
    }
}

/// The lease that covers a job.
pub fn covering(conn: &Connection, id: RowId) -> Result<Option<Lease>> {
    let lease = conn
        .prepare_cached(
            "SELECT first, last, jobs, token, owner, deadline, plain FROM pyqueue_lease WHERE first<=? ORDER BY first DESC LIMIT 1",
        )?
        .query_row([id.0], Lease::from)
        .optional()?;
    Ok(lease.filter(|lease| lease.last >= id.0))
}

/// The lease that covers a job, if it is this token's and in force. A deadline of the lease's own that has
/// passed ends it even before anybody reaps it.
pub fn mine(change: &Change, id: RowId, token: i64) -> Result<Option<Lease>> {
    let lease = covering(change.conn, id)?;
    if mutants::on(Mutant::AnyToken) {
        return Ok(lease.map(|lease| Lease { token, ..lease }));
    }
    Ok(lease.filter(|lease| lease.token == token && lease.deadline.is_none_or(|at| at > change.boot)))
}

/// Enters a lease.
pub fn insert(conn: &Connection, lease: &Lease) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO pyqueue_lease(first, last, jobs, token, owner, deadline, plain) VALUES(?,?,?,?,?,?,?)",
    )?
    .execute(params![
        lease.first,
        lease.last,
        lease.jobs,
        lease.token,
        lease.owner,
        lease.deadline,
        lease.plain
    ])?;
    Ok(())
}

fn rows_between(conn: &Connection, first: i64, last: i64) -> Result<i64> {
    Ok(conn
        .prepare_cached("SELECT count(*) FROM pyqueue_job WHERE id BETWEEN ?1 AND ?2")?
        .query_row([first, last], |row| row.get(0))?)
}

/// Takes the places `from..=to` out of a lease; what is left on both sides stays leased. A side that holds no
/// row vanishes, so that no lease owns nothing. Returns what is left on the right.
pub fn cut(conn: &Connection, lease: &Lease, from: i64, to: i64) -> Result<Option<Lease>> {
    let (left, right) = if lease.dense() {
        (from - lease.first, lease.last - to)
    } else {
        (
            rows_between(conn, lease.first, from.saturating_sub(1))?,
            rows_between(conn, to.saturating_add(1), lease.last)?,
        )
    };
    let rest = Lease { first: to.saturating_add(1), jobs: right, ..*lease };
    if left > 0 {
        conn.prepare_cached("UPDATE pyqueue_lease SET last=?2, jobs=?3 WHERE first=?1")?.execute(params![
            lease.first,
            from.saturating_sub(1),
            left
        ])?;
        if right > 0 {
            insert(conn, &rest)?;
        }
    } else if right > 0 {
        conn.prepare_cached("UPDATE pyqueue_lease SET first=?2, jobs=?3 WHERE first=?1")?
            .execute(params![lease.first, to.saturating_add(1), right])?;
    } else {
        conn.prepare_cached("DELETE FROM pyqueue_lease WHERE first=?1")?.execute([lease.first])?;
    }
    Ok((right > 0).then_some(rest))
}

/// Tells whoever finishes a lease that there is more to one of its jobs than the row.
pub fn mark(conn: &Connection, lease: &Lease, id: RowId) -> Result<()> {
    if lease.plain {
        cut(conn, lease, id.0, id.0)?;
        insert(conn, &Lease { first: id.0, last: id.0, jobs: 1, plain: false, ..*lease })?;
    }
    Ok(())
}

/// Takes the deadline of its own from a job whose end is known: it came before the deadline, or before anybody looked.
pub fn keep(change: &Change, id: RowId, token: i64) -> Result<()> {
    let lease = covering(change.conn, id)?;
    let Some(lease) = lease.filter(|lease| lease.token == token && lease.deadline.is_some()) else {
        return Ok(());
    };
    if super::row::read(change.conn, id)?.is_some() {
        cut(change.conn, &lease, id.0, id.0)?;
        insert(change.conn, &Lease { first: id.0, last: id.0, jobs: 1, deadline: None, ..lease })?;
    }
    Ok(())
}

/// Gives one job a deadline of its own; false if the token no longer covers it.
pub fn extend(change: &Change, id: RowId, token: i64, visibility_us: i64) -> Result<bool> {
    let Some(lease) = mine(change, id, token)? else { return Ok(false) };
    if super::row::read(change.conn, id)?.is_none() {
        return Ok(false);
    }
    cut(change.conn, &lease, id.0, id.0)?;
    insert(
        change.conn,
        &Lease {
            first: id.0,
            last: id.0,
            jobs: 1,
            deadline: Some(change.boot.saturating_add(visibility_us)),
            ..lease
        },
    )?;
    Ok(true)
}
