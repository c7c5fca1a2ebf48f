//! On real files. Threads of one test binary share the process, and with it the fork gate.

mod beside;
mod commit;
mod forked;
mod opening;
mod refusal;
mod sync;

use std::path::Path;

use rusqlite::Connection;

use super::{Database, Durability, Tx, fork};
use crate::clock::Env;
use crate::error::Result;

/// A cache that counts what was written since it was last reset.
#[derive(Default)]
struct Count(u32);

type Numbers = Database<Count>;

fn open(path: &Path) -> Result<Numbers> {
    Database::open(path, false, &Env::system(), |_, _| Ok(()), prepare)
}

fn prepare(tx: &mut Tx<'_, Count>) -> Result<()> {
    Ok(tx.conn.execute_batch("CREATE TABLE IF NOT EXISTS number(n INTEGER PRIMARY KEY, body TEXT) STRICT")?)
}

fn insert(tx: &mut Tx<'_, Count>, n: i64) -> Result<()> {
    tx.conn.prepare_cached("INSERT INTO number VALUES (?1, 'x')")?.execute([n])?;
    tx.state.0 += 1;
    Ok(())
}

fn put(numbers: &Numbers, durability: Durability, n: i64) -> Result<()> {
    numbers.write(durability, move |tx| insert(tx, n))
}

fn count(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row("SELECT count(*) FROM number", [], |row| row.get(0))?)
}

/// Another connection, as another process would have it. Other tests fork: it is used inside the gate only.
struct Other(Option<Connection>);

impl Other {
    fn open(path: &Path) -> Other {
        let _gate = fork::enter();
        Other(Some(Connection::open(path).unwrap()))
    }

    fn run(&self, sql: &str) {
        let _gate = fork::enter();
        self.0.as_ref().unwrap().execute_batch(sql).unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _gate = fork::enter();
        self.0.take();
    }
}

fn whole(conn: &Connection) -> String {
    conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}
