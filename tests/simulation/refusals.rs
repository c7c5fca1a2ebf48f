//! Files that are not ours: refused in one sentence, and not a byte changed. In one that another program allows us
//! to use, its rows stay as they are.

use pyqueue_core::Error;
use pyqueue_core::store::{Options, Store};
use rusqlite::Connection;

use crate::client::{Client, options};
use crate::vfs::Disk;
use crate::world::World;

/// What another program has made of a file, and what the refusal says of it. "jobs.db" stands for a file of ours.
const NOT_OURS: [(&str, &str, &str); 6] = [
    ("theirs.db", "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(7)", "belongs to another program"),
    ("blank.db", "PRAGMA user_version = 1", "an empty database that was not made by pyqueue"),
    ("meta.db", "CREATE TABLE pyqueue_meta(other)", "pyqueue_meta is another program's"),
    ("torn.db", "DELETE FROM pyqueue_meta WHERE name='file_id'", "record of itself is missing"),
    ("old.db", "DELETE FROM pyqueue_meta WHERE name='schema_version'", "record of itself is missing"),
    (
        "spy.db",
        "CREATE TABLE log(x); CREATE TRIGGER spy AFTER INSERT ON pyqueue_job BEGIN INSERT INTO log VALUES(new.id); END",
        "trigger",
    ),
];

/// Whether the file is made from one of ours.
fn was_ours(file: &str) -> bool {
    matches!(file, "torn.db" | "old.db" | "spy.db")
}

fn plain(disk: &Disk, file: &str) -> rusqlite::Result<Connection> {
    Connection::open_with_flags_and_vfs(disk.path(file), rusqlite::OpenFlags::default(), c"simulation")
}

/// The world's file as another program made it, for us to use beside it.
pub fn prepare(world: &World) {
    let made = plain(&world.disk, "jobs.db")
        .and_then(|conn| conn.execute_batch("CREATE TABLE theirs(x); INSERT INTO theirs VALUES(7)"));
    if let Err(error) = made {
        world.fail(format!("another program's file: {error}"));
    }
}

/// Its rows are there.
pub fn untouched(world: &World) {
    let read = plain(&world.disk, "jobs.db")
        .and_then(|conn| conn.query_row("SELECT sum(x) FROM theirs", [], |row| row.get::<_, i64>(0)));
    if read != Ok(7) {
        world.fail(format!("P16: another program's table in our file: {read:?}"));
    }
}

impl Client {
    /// Opens what is not ours.
    pub fn try_others(&mut self) {
        for (file, sql, sentence) in NOT_OURS {
            if let Err(text) = self.try_one(file, sql, sentence) {
                self.world().fail(format!("P16: {file}: {text}"));
            }
        }
    }

    fn try_one(&self, file: &str, sql: &str, sentence: &str) -> Result<(), String> {
        let disk = &self.world().disk;
        let told = |error: Error| error.to_string();
        let store = || {
            let options = Options { embed: false, ..options() };
            Store::new(disk.path(file), options, self.process.env())
        };
        if was_ours(file) {
            store().queues().map_err(told)?;
        }
        plain(disk, file).and_then(|conn| conn.execute_batch(sql)).map_err(|error| error.to_string())?;
        let before = disk.content(file);
        match store().queues() {
            Err(Error::Refused { reason, .. }) if reason.contains(sentence) => {}
            other => return Err(format!("not refused as it should be: {other:?}")),
        }
        if disk.content(file) != before {
            return Err("was changed, and refused".into());
        }
        Ok(())
    }
}
