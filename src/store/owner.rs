//! Owners: the workers known to the file. Their beat is the deadline of all their leases.

use rusqlite::{OptionalExtension, params};

use super::change::Change;
use super::event;
use super::head::OWNER;
use crate::error::{Error, Result};
use crate::mutants::{self, Mutant};

/// A worker to enter.
#[derive(Debug, Clone)]
pub struct NewWorker {
    /// Shown to people; needs not be unique.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// How many jobs it runs at once.
    pub slots: u32,
    /// How long its leases live after each beat (µs).
    pub visibility_us: i64,
    /// What it says of itself, for whoever looks; the core does not read it.
    pub facts: Vec<u8>,
}

/// A worker known to the file.
#[derive(Debug, Clone)]
pub struct WorkerView {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Its slots.
    pub slots: u32,
    /// Jobs under its leases.
    pub running: u64,
    /// Whether its deadline counts on our clock and has passed, or its clock ended with a reboot.
    pub overdue: bool,
    /// Whether its clock is ours.
    pub same_clock: bool,
}

/// Enters a worker; its id is never given again, since side files carry it.
pub fn join(change: &mut Change, worker: &NewWorker) -> Result<i64> {
    let head = change.heads.get(OWNER)?;
    head.pos += 1;
    let id = head.pos;
    change.conn.execute(
        "INSERT INTO pyqueue_owner(id, name, pid, slots, clock, deadline, joined, facts) VALUES(?,?,?,?,?,?,?,?)",
        params![
            id,
            worker.name,
            worker.pid,
            worker.slots,
            change.clock.identity(),
            change.boot.saturating_add(worker.visibility_us),
            change.now,
            worker.facts
        ],
    )?;
    if event::wanted(change) {
        event::of_worker(change, event::ONLINE, id)?;
    }
    // Its peers watch for its end from now on. The line of the jobs is the one on which those with room sleep; the
    // others look at their next turn.
    change.rings.ready = true;
    change.rings.control = true;
    Ok(id)
}

/// Refuses a worker that has been taken for dead.
pub fn check(change: &Change, id: i64) -> Result<()> {
    let pid: Option<i64> = change
        .conn
        .prepare_cached("SELECT pid FROM pyqueue_owner WHERE id=?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    if pid.is_some_and(|pid| pid != 0) || mutants::on(Mutant::FenceOpen) {
        Ok(())
    } else {
        Err(Error::Fenced { worker: id })
    }
}

/// Renews the deadline of everything the worker holds; false when it has been taken for dead.
pub fn beat(change: &mut Change, id: i64, visibility_us: i64) -> Result<bool> {
    let changed = change
        .conn
        .prepare_cached("UPDATE pyqueue_owner SET deadline=?2 WHERE id=?1 AND pid<>0")?
        .execute(params![id, change.boot.saturating_add(visibility_us)])?;
    if changed == 1 && event::wanted(change) {
        event::of_worker(change, event::HEARTBEAT, id)?;
    }
    Ok(changed == 1)
}

/// Notes how many jobs it runs at once from now on.
pub fn resize(change: &Change, id: i64, slots: u32) -> Result<()> {
    change
        .conn
        .prepare_cached("UPDATE pyqueue_owner SET slots=?2 WHERE id=?1 AND pid<>0")?
        .execute([id, slots.into()])?;
    Ok(())
}

/// Marks a worker as dead: from here on it can neither beat nor claim.
pub fn fence(change: &Change, id: i64) -> Result<()> {
    change.conn.prepare_cached("UPDATE pyqueue_owner SET pid=0, slots=0 WHERE id=?")?.execute([id])?;
    Ok(())
}

/// Strikes a worker that holds nothing any more.
pub fn strike(change: &mut Change, id: i64) -> Result<()> {
    if event::wanted(change) {
        event::of_worker(change, event::OFFLINE, id)?;
    }
    change.conn.prepare_cached("DELETE FROM pyqueue_owner WHERE id=?")?.execute([id])?;
    Ok(())
}

/// Every worker in the file. `boot` and `clock` are the reader's.
pub fn list(conn: &rusqlite::Connection, boot: i64, clock: &str) -> Result<Vec<WorkerView>> {
    let mut statement = conn.prepare_cached(
        "SELECT o.id, o.name, o.pid, o.slots, o.clock, o.deadline, \
         (SELECT ifnull(sum(jobs), 0) FROM pyqueue_lease l WHERE l.owner=o.id) FROM pyqueue_owner o ORDER BY o.id",
    )?;
    let rows = statement.query_map([], |row| {
        let (theirs, deadline): (String, i64) = (row.get(4)?, row.get(5)?);
        Ok(WorkerView {
            id: row.get(0)?,
            name: row.get(1)?,
            pid: row.get(2)?,
            slots: row.get(3)?,
            running: row.get(6)?,
            same_clock: theirs == clock,
            overdue: overdue(&theirs, deadline, clock, boot),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether a deadline has passed. A reboot ends every deadline; another time namespace of the same boot
/// can't be judged by time.
pub fn overdue(theirs: &str, deadline: i64, ours: &str, boot: i64) -> bool {
    let boot_id = |identity: &str| identity.split('/').next().unwrap_or_default().to_owned();
    if theirs == ours || mutants::on(Mutant::RebootUnseen) {
        deadline <= boot
    } else {
        boot_id(theirs) != boot_id(ours)
    }
}
