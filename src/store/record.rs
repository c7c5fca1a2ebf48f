//! The record of commands: what was given to whom, and what became of it.

use rusqlite::{Connection, Row};

use super::{Store, owner};
use crate::error::Result;
use crate::mutants::{self, Mutant};

/// How it stands with one addressee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// It may obey yet.
    Waiting,
    /// It is at it.
    Begun,
    /// It has, and says so.
    Ok,
    /// It could not.
    Error,
    /// It has not, and won't: the command has expired.
    Expired,
    /// It is not in the file any more, and left no answer.
    Gone,
}

/// An addressee and its answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its id among the workers.
    pub owner: i64,
    /// Its name.
    pub worker: String,
    /// How it stands.
    pub stand: Stand,
    /// What it said.
    pub body: Option<Vec<u8>>,
    /// When (wall time, µs).
    pub at_us: Option<i64>,
}

/// A command with all that is known of it.
#[derive(Debug, Clone)]
pub struct CommandView {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// Opaque here.
    pub arguments: Vec<u8>,
    /// Whom it was for, as it was said.
    pub target: String,
    /// Who gave it.
    pub author: String,
    /// It changes nothing.
    pub asks: bool,
    /// When it was given (wall time, µs).
    pub made_us: i64,
    /// When it expires.
    pub expires_us: i64,
    /// In the order in which the workers came into the file.
    pub answers: Vec<Answer>,
}

/// The clocks of whoever asks whether a command has expired.
pub struct Clocks<'c> {
    pub wall: i64,
    pub boot: i64,
    pub identity: &'c str,
}

impl Clocks<'_> {
    /// By the boot clock where that is the same; the wall clock may have been set.
    pub fn expired(&self, clock: &str, deadline: i64, expires: i64) -> bool {
        if mutants::on(Mutant::CommandLate) {
            return false;
        }
        owner::overdue(clock, deadline, self.identity, self.boot)
            || clock != self.identity && expires <= self.wall
    }
}

impl Store {
    /// One command.
    pub fn command(&self, id: i64) -> Result<Option<CommandView>> {
        Ok(self.commands_where("id=?1", id)?.pop())
    }

    /// The newest commands, those that change nothing only if they are asked for.
    pub fn commands(&self, limit: i64, asking: bool) -> Result<Vec<CommandView>> {
        let condition =
            if asking { "1 ORDER BY id DESC LIMIT ?1" } else { "asks=0 ORDER BY id DESC LIMIT ?1" };
        self.commands_where(condition, limit)
    }

    fn commands_where(&self, condition: &str, value: i64) -> Result<Vec<CommandView>> {
        let env = self.env().clone();
        let identity = env.clock.identity().to_owned();
        self.read(move |conn, _| {
            let clocks =
                Clocks { wall: env.clock.wall_us(), boot: super::change::boot_us(&env), identity: &identity };
            views(conn, condition, value, &clocks)
        })
    }
}

fn views(conn: &Connection, condition: &str, value: i64, clocks: &Clocks) -> Result<Vec<CommandView>> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id, name, arguments, target, author, asks, made, expires, clock, deadline FROM pyqueue_command \
         WHERE {condition}"
    ))?;
    let mut rows = statement.query([value])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, expires_us, clock): (i64, i64, String) = (row.get(0)?, row.get(7)?, row.get(8)?);
        let expired = clocks.expired(&clock, row.get(9)?, expires_us);
        found.push(CommandView {
            id,
            name: row.get(1)?,
            arguments: row.get(2)?,
            target: row.get(3)?,
            author: row.get(4)?,
            asks: row.get(5)?,
            made_us: row.get(6)?,
            expires_us,
            answers: answers(conn, id, expired)?,
        });
    }
    Ok(found)
}

fn answers(conn: &Connection, command: i64, expired: bool) -> Result<Vec<Answer>> {
    let mut statement = conn.prepare_cached(
        "SELECT r.owner, r.worker, r.state, r.body, r.at, o.id IS NOT NULL FROM pyqueue_reply r \
         LEFT JOIN pyqueue_owner o ON o.id=r.owner AND o.pid<>0 WHERE r.command=? ORDER BY r.owner",
    )?;
    let of = |row: &Row<'_>| {
        let there: bool = row.get(5)?;
        let stand = match row.get::<_, i64>(2)? {
            2 => Stand::Ok,
            3 => Stand::Error,
            _ if !there => Stand::Gone,
            0 if expired => Stand::Expired,
            0 => Stand::Waiting,
            _ => Stand::Begun,
        };
        Ok(Answer { owner: row.get(0)?, worker: row.get(1)?, stand, body: row.get(3)?, at_us: row.get(4)? })
    };
    Ok(statement.query_map([command], of)?.collect::<rusqlite::Result<_>>()?)
}
