//! One change to the store: a verb at work inside an open IMMEDIATE transaction. It keeps the heads it has
//! touched in memory and writes each once, and gathers whom to ring after the commit.

use std::cell::Cell;
use std::sync::Arc;

use rusqlite::Connection;

use super::Options;
use super::advance::{self, Filled};
use super::event;
use super::head::{Heads, TOKEN};
use super::receipt;
use super::rules::Rules;
use super::side;
use crate::clock::Env;
use crate::error::Result;
use crate::id::{self, PublicId, RowId};
use crate::job::Errback;
use crate::mutants::{self, Mutant};
use crate::sqlite::Tx;

/// What a change takes from the store that makes it.
#[derive(Clone)]
pub struct Context {
    pub env: Env,
    pub options: Arc<Options>,
    /// 32 random bits that stand for this file in public ids.
    pub file: u32,
}

/// Whom to ring once the change is committed.
#[derive(Debug, Default)]
pub struct Rings {
    /// Jobs have come in line, or the time of the earliest delayed one has changed.
    pub ready: bool,
    /// Workers have something to look at: a rule changed, or a worker entered.
    pub control: bool,
    /// Something happened, and somebody follows.
    pub events: bool,
    /// Jobs that ended.
    pub ended: Vec<RowId>,
}

/// A verb at work.
pub struct Change<'t> {
    pub conn: &'t Connection,
    pub rules: &'t mut Rules,
    pub heads: Heads<'t>,
    pub options: Arc<Options>,
    /// Wall time at the beginning of the transaction (µs).
    pub now: i64,
    /// Boot time at the same moment (µs).
    pub boot: i64,
    pub clock: Arc<dyn crate::clock::Clock>,
    pub file: u32,
    pub rings: Rings,
    /// Errbacks to be stored once every job of the change has its new place.
    pub follows: Vec<Errback>,
    /// What has been filled and not counted yet.
    pub filled: Vec<Filled>,
    /// The last place given in each band that this transaction has enqueued to.
    pub tails: Vec<(i64, i64)>,
    /// By how much the lists of gates have become longer.
    pub lists: Vec<(i64, i64)>,
    /// The newest sequence number of the history, once this transaction has appended to it.
    pub appended: Cell<i64>,
    /// Events that this transaction has written.
    pub events: i64,
    /// Rows of the inbox are being turned into jobs.
    pub folding: bool,
    random: u64,
}

impl<'t> Change<'t> {
    pub fn begin(tx: &'t mut Tx<'_, Rules>, context: Context) -> Result<Change<'t>> {
        let conn = tx.conn;
        let mut change = Change {
            conn,
            rules: tx.state,
            heads: Heads::new(conn),
            options: context.options,
            now: context.env.clock.wall_us(),
            boot: boot_us(&context.env),
            clock: context.env.clock,
            file: context.file,
            rings: Rings::default(),
            follows: Vec::new(),
            filled: Vec::new(),
            tails: Vec::new(),
            lists: Vec::new(),
            appended: Cell::new(0),
            events: 0,
            folding: false,
            random: context.env.random.next(),
        };
        let version = change.heads.pos(super::head::VERSION)?;
        if !(mutants::on(Mutant::RulesStale) && change.rules.loaded()) {
            change.rules.refresh(conn, version)?;
        }
        receipt::fold(&mut change)?;
        Ok(change)
    }

    /// Writes what was gathered; the transaction may commit now.
    pub fn close(mut self) -> Result<Rings> {
        advance::settle(&mut self)?;
        event::settle(&mut self)?;
        side::flush(&mut self)?;
        self.heads.flush()?;
        Ok(self.rings)
    }

    /// A nonce for a new row. One draw of random bits a transaction, stretched by SplitMix64 (Steele, Lea,
    /// Flood 2014): a rolled-back transaction's nonces don't come again in the next.
    pub fn nonce(&mut self) -> i64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        id::nonce(z ^ (z >> 31))
    }

    /// The next fencing token. Tokens only grow: the counter is a row of the file.
    pub fn token(&mut self) -> Result<i64> {
        let head = self.heads.get(TOKEN)?;
        if mutants::on(Mutant::TokenRepeated) {
            return Ok(head.pos + 1);
        }
        head.pos += 1;
        Ok(head.pos)
    }

    /// The id that users see.
    pub fn public(&self, row: RowId, nonce: i64, alias: Option<String>) -> String {
        public(self.file, row, nonce, alias)
    }
}

/// The time that leases are judged by.
pub fn boot_us(env: &Env) -> i64 {
    if mutants::on(Mutant::WallClockLease) { env.clock.wall_us() } else { env.clock.boot_us() }
}

/// The id that users see: the caller's own, or ours.
pub fn public(file: u32, row: RowId, nonce: i64, alias: Option<String>) -> String {
    alias.unwrap_or_else(|| PublicId { row, nonce, file }.to_string())
}
