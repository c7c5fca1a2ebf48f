//! What the very copy of SQLite that pyqueue carries can do at least and at most: one-row inserts, each its own commit.
//!
//! `floor FOLDER COUNT` prints how many a second: WAL, `synchronous=NORMAL`, a checkpoint every 4,000 frames, the
//! statement prepared once, rows of 120 bytes in a table with no index.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;

// A stopwatch: nothing of the queue goes by it.
#[allow(clippy::disallowed_methods)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("floor FOLDER COUNT".into());
    };
    let count: u32 = count.parse()?;
    let file = Connection::open(Path::new(&folder).join("floor.db"))?;
    file.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 4000;
         CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB);",
    )?;
    let body = [7_u8; 120];
    let mut insert = file.prepare("INSERT INTO t(body) VALUES (?1)")?;
    let start = Instant::now();
    for _ in 0..count {
        insert.execute([&body[..]])?;
    }
    println!("{:.0}", f64::from(count) / start.elapsed().as_secs_f64());
    Ok(())
}
