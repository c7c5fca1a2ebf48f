//! Commands: rows that workers obey. Whom one is for is settled when it is given: a row of `pyqueue_reply` for each, and
//! who has none never obeys it. A command that changes something is begun by one write and answered by another, so a
//! worker obeys it at most once, whenever it dies.

use rusqlite::{Connection, OptionalExtension, params};

use super::change::Change;
use super::record::Clocks;
use super::{Store, enqueue, owner};
use crate::error::{Error, Result};
use crate::mutants::{self, Mutant};
use crate::sqlite::Durability;

/// So many commands are kept, and so many of those that change nothing.
const KEPT: i64 = 10_000;
const KEPT_ASKING: i64 = 1_000;
/// And so long (µs).
const KEPT_US: i64 = 30 * 86_400_000_000;
/// Of older ones so many go with each new one.
const PRUNED: i64 = 32;
/// Bytes of arguments, and of an answer.
const LARGEST: usize = 1 << 20;

/// A command to be given.
#[derive(Debug, Clone)]
pub struct NewCommand {
    /// What it is called.
    pub name: String,
    /// Opaque here.
    pub arguments: Vec<u8>,
    /// Whom it is for, as it was said.
    pub target: String,
    /// Who gives it.
    pub author: String,
    /// It changes nothing, so it may be obeyed twice.
    pub asks: bool,
    /// From then on nobody obeys it (µs from now).
    pub expires_us: i64,
}

/// What was stored.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its number; later ones are greater.
    pub id: i64,
    /// When it expires (wall time, µs).
    pub expires_us: i64,
}

/// A command that a worker has not obeyed yet.
#[derive(Debug, Clone)]
pub struct Open {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// Opaque here.
    pub arguments: Vec<u8>,
    /// Who gave it.
    pub author: String,
    /// It changes nothing.
    pub asks: bool,
}

impl Store {
    /// Says that a worker obeys commands from now on, under this name; false if it is not in the file.
    pub fn obey(&self, owner: i64, name: &str) -> Result<bool> {
        let name = name.to_owned();
        self.keep(Durability::Normal, move |change| {
            let sql = "UPDATE pyqueue_owner SET obeys=?2 WHERE id=?1 AND pid<>0";
            Ok(change.conn.prepare_cached(sql)?.execute(params![owner, name])? == 1)
        })
    }

    /// The workers that obey commands: id and name.
    pub fn obedient(&self) -> Result<Vec<(i64, String)>> {
        self.read(|conn, _| {
            let mut statement = conn.prepare_cached(
                "SELECT id, obeys FROM pyqueue_owner WHERE obeys IS NOT NULL AND pid<>0 ORDER BY id",
            )?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Gives these workers a command; `None`, and nothing is stored, where all of them have left. Rings
    /// `Line::Control`. A power cut ends whom it is for, so it is not synced.
    pub fn give(&self, command: NewCommand, workers: Vec<i64>) -> Result<Option<Given>> {
        check(&command)?;
        self.keep(Durability::Normal, move |change| give(change, &command, &workers))
    }

    /// Keeps a command that its author has carried out alone, with what came of it.
    pub fn record(&self, command: NewCommand, ok: bool, body: Vec<u8>) -> Result<Given> {
        check(&command)?;
        check_size("an answer", &body)?;
        self.keep(Durability::Normal, move |change| {
            let given = insert(change, &command)?;
            change
                .conn
                .prepare_cached(
                    "INSERT INTO pyqueue_reply(command, owner, worker, state, body, at) VALUES(?,0,?,?,?,?)",
                )?
                .execute(params![given.id, command.author, if ok { 2 } else { 3 }, body, change.now])?;
            Ok(given)
        })
    }

    /// The commands that are for this worker, that it has not obeyed and that have not expired, in their order.
    pub fn open_commands(&self, owner: i64) -> Result<Vec<Open>> {
        let env = self.env().clone();
        let identity = env.clock.identity().to_owned();
        self.read(move |conn, _| {
            let clocks =
                Clocks { wall: env.clock.wall_us(), boot: super::change::boot_us(&env), identity: &identity };
            open(conn, owner, &clocks)
        })
    }

    /// Takes a command up: true for one caller, and only before it expires.
    pub fn begin(&self, command: i64, owner: i64) -> Result<bool> {
        self.keep(Durability::Normal, move |change| {
            if expired(change, command)? {
                return Ok(false);
            }
            let sql = "UPDATE pyqueue_reply SET state=1, at=?3 WHERE command=?1 AND owner=?2 AND state=0";
            let begun = change.conn.prepare_cached(sql)?.execute([command, owner, change.now])? == 1;
            Ok(begun || mutants::on(Mutant::CommandTwice) || mutants::on(Mutant::CommandAstray))
        })
    }

    /// Answers a command that was begun, or that only asks; false if that was done already, or it is too late to ask.
    /// Rings `Line::Control`.
    pub fn answer(&self, command: i64, owner: i64, ok: bool, body: Vec<u8>) -> Result<bool> {
        check_size("an answer", &body)?;
        self.keep(Durability::Normal, move |change| {
            let fresh = !expired(change, command)?;
            let sql = "UPDATE pyqueue_reply SET state=?3, body=?4, at=?5 WHERE command=?1 AND owner=?2 AND \
                       (state=1 OR state=0 AND ?6 AND EXISTS(SELECT 1 FROM pyqueue_command WHERE id=?1 AND asks=1))";
            let state = if ok { 2 } else { 3 };
            let done = change.conn.prepare_cached(sql)?.execute(params![
                command, owner, state, body, change.now, fresh
            ])? == 1;
            change.rings.control = done;
            Ok(done)
        })
    }

    /// Notes how many jobs a worker runs at once from now on.
    pub fn resize(&self, owner: i64, slots: u32) -> Result<()> {
        self.keep(Durability::Normal, move |change| owner::resize(change, owner, slots))
    }
}

fn check_size(what: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() > LARGEST {
        return Err(Error::Invalid(format!("{what} takes {} bytes, and the most is {LARGEST}", bytes.len())));
    }
    Ok(())
}

fn check(command: &NewCommand) -> Result<()> {
    enqueue::name("command's name", &command.name)?;
    enqueue::name("command's author", &command.author)?;
    check_size("a command's arguments", &command.arguments)?;
    check_size("a command's target", command.target.as_bytes())?;
    if command.expires_us <= 0 {
        return Err(Error::invalid("a command expires after more than 0 seconds"));
    }
    Ok(())
}

fn insert(change: &mut Change, command: &NewCommand) -> Result<Given> {
    prune(change)?;
    let expires_us = change.now.saturating_add(command.expires_us);
    change
        .conn
        .prepare_cached(
            "INSERT INTO pyqueue_command(name, arguments, target, author, asks, made, expires, clock, deadline) \
             VALUES(?,?,?,?,?,?,?,?,?)",
        )?
        .execute(params![
            command.name,
            command.arguments,
            command.target,
            command.author,
            command.asks,
            change.now,
            expires_us,
            change.clock.identity(),
            change.boot.saturating_add(command.expires_us)
        ])?;
    Ok(Given { id: change.conn.last_insert_rowid(), expires_us })
}

fn give(change: &mut Change, command: &NewCommand, workers: &[i64]) -> Result<Option<Given>> {
    let mut there = Vec::new();
    for worker in workers {
        let name: Option<String> = change
            .conn
            .prepare_cached("SELECT obeys FROM pyqueue_owner WHERE id=? AND pid<>0 AND obeys IS NOT NULL")?
            .query_row([worker], |row| row.get(0))
            .optional()?;
        there.extend(name.map(|name| (*worker, name)));
    }
    if there.is_empty() {
        return Ok(None);
    }
    let given = insert(change, command)?;
    for (worker, name) in there {
        change
            .conn
            .prepare_cached("INSERT INTO pyqueue_reply(command, owner, worker, state) VALUES(?,?,?,0)")?
            .execute(params![given.id, worker, name])?;
    }
    change.rings.control = true;
    Ok(Some(given))
}

fn expired(change: &Change, command: i64) -> Result<bool> {
    let clocks = Clocks { wall: change.now, boot: change.boot, identity: change.clock.identity() };
    let mut statement =
        change.conn.prepare_cached("SELECT clock, deadline, expires FROM pyqueue_command WHERE id=?")?;
    let row = statement.query_row([command], |row| {
        let (clock, deadline, expires): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(clocks.expired(&clock, deadline, expires))
    });
    Ok(row.optional()?.unwrap_or(true))
}

fn open(conn: &Connection, owner: i64, clocks: &Clocks) -> Result<Vec<Open>> {
    let sql = if mutants::on(Mutant::CommandAstray) {
        "SELECT c.id, c.name, c.arguments, c.author, c.asks, c.clock, c.deadline, c.expires FROM pyqueue_command c \
         WHERE ?1=?1 ORDER BY c.id"
    } else {
        "SELECT c.id, c.name, c.arguments, c.author, c.asks, c.clock, c.deadline, c.expires \
         FROM pyqueue_reply r JOIN pyqueue_command c ON c.id=r.command WHERE r.owner=?1 AND r.state=0 ORDER BY c.id"
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([owner])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let clock: String = row.get(5)?;
        if !clocks.expired(&clock, row.get(6)?, row.get(7)?) {
            found.push(Open {
                id: row.get(0)?,
                name: row.get(1)?,
                arguments: row.get(2)?,
                author: row.get(3)?,
                asks: row.get(4)?,
            });
        }
    }
    Ok(found)
}

/// Deletes some of the oldest commands beyond what is kept. Never the newest: numbers are not given twice.
fn prune(change: &Change) -> Result<()> {
    let newest: Option<i64> =
        change.conn.prepare_cached("SELECT max(id) FROM pyqueue_command")?.query_row([], |row| row.get(0))?;
    let Some(newest) = newest else { return Ok(()) };
    for (asks, kept) in [(0, KEPT), (1, KEPT_ASKING)] {
        // The one that stands behind so many newer ones of its kind.
        let edge: Option<i64> = change
            .conn
            .prepare_cached(
                "SELECT id FROM pyqueue_command WHERE asks=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2",
            )?
            .query_row([asks, kept - 1], |row| row.get(0))
            .optional()?;
        let before = change.now.saturating_sub(KEPT_US);
        let oldest: Vec<(i64, i64)> = change
            .conn
            .prepare_cached(
                "SELECT id, made FROM pyqueue_command WHERE asks=?1 AND id<?2 ORDER BY id LIMIT ?3",
            )?
            .query_map([asks, newest, PRUNED], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let old =
            oldest.into_iter().filter(|(id, made)| edge.is_some_and(|edge| *id <= edge) || *made < before);
        for (id, _) in old {
            change.conn.prepare_cached("DELETE FROM pyqueue_reply WHERE command=?")?.execute([id])?;
            change.conn.prepare_cached("DELETE FROM pyqueue_command WHERE id=?")?.execute([id])?;
        }
    }
    Ok(())
}
