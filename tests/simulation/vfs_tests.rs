//! The disk behaves as a real one: locks, the dead, power cuts, faults.

use std::path::PathBuf;
use std::sync::Arc;

use pyqueue_core::Error;
use pyqueue_core::clock::Env;
use pyqueue_core::job::{Dedup, NewJob, Payload};
use pyqueue_core::sqlite::Durability;
use pyqueue_core::store::{Options, Store};
use rusqlite::{Connection, OpenFlags, ffi};

use crate::vfs::{self, Caller, Disk, Fault, Kind};

struct Process(u32);

impl Caller for Process {
    fn process(&self) -> u32 {
        self.0
    }
    fn before(&self, _: Kind, _: &str) {}
}

fn play(process: u32) {
    vfs::enter(Some(Arc::new(Process(process))));
}

fn connect(disk: &Disk) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let conn = Connection::open_with_flags_and_vfs(disk.path("plain.db"), flags, c"simulation").unwrap();
    conn.pragma_update(None, "journal_mode", "wal").unwrap();
    conn.pragma_update(None, "synchronous", "full").unwrap();
    conn
}

fn count(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn store(disk: &Arc<Disk>, durability: Durability) -> Store {
    let options = Options {
        embed: false,
        durability,
        max_body: 1 << 20,
        max_db_bytes: None,
        history_age_us: 86_400_000_000,
        history_count: 100_000,
        failed_age_us: 86_400_000_000,
    };
    let path: PathBuf = disk.path("jobs.db");
    Store::new(path, options, Env { vfs: Some(disk.clone()), ..Env::system() })
}

fn job() -> NewJob {
    NewJob {
        task: "t".into(),
        payload: Payload { content_type: None, body: b"[]".to_vec() },
        queue: "q".into(),
        priority: 0,
        run_at_us: None,
        expires_us: None,
        dedup_key: None,
        dedup: Dedup::Return,
        dedup_window_us: None,
        alias: None,
        max_losses: 5,
        time_limit_us: None,
        soft_time_limit_us: None,
        errbacks: Vec::new(),
    }
}

#[test]
fn a_killed_process_frees_its_locks_and_leaves_nothing_of_its_transaction() {
    let disk = Disk::new("killed");
    play(1);
    let one = connect(&disk);
    one.execute_batch("CREATE TABLE t(x); INSERT INTO t VALUES(1)").unwrap();
    play(2);
    let two = connect(&disk);
    play(1);
    one.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(2)").unwrap();
    play(2);
    let busy = two.execute_batch("BEGIN IMMEDIATE").unwrap_err();
    assert_eq!(busy.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy));
    disk.kill(1);
    play(1);
    assert!(one.execute_batch("COMMIT").is_err());
    drop(one);
    disk.bury();
    play(2);
    two.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(3); COMMIT").unwrap();
    assert_eq!(count(&two), 2);
    // The last one out dies too: the next must recover from the WAL alone.
    disk.kill(2);
    drop(two);
    disk.bury();
    play(3);
    assert_eq!(count(&connect(&disk)), 2);
}

#[test]
fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
    for (durability, left) in [(Durability::Full, 3), (Durability::Normal, 0)] {
        let name = format!("cut-{durability:?}");
        let disk = Disk::new(&name);
        let open = store(&disk, durability);
        // The first write makes the tables; a checkpoint syncs them.
        open.queues().unwrap();
        open.checkpoint().unwrap();
        for _ in 0..3 {
            open.enqueue(vec![job()]).unwrap();
        }
        let all = disk.cut(&format!("{name}-all"), &mut || true);
        assert_eq!(waiting(&all), 3);
        let cut = disk.cut(&format!("{name}-none"), &mut || false);
        assert_eq!(waiting(&cut), left, "{durability:?}");
    }
}

fn waiting(disk: &Arc<Disk>) -> i64 {
    store(disk, Durability::Full).queues().unwrap().iter().map(|queue| queue.waiting).sum()
}

#[test]
fn an_error_comes_at_the_call_it_was_ordered_for_and_the_next_call_works() {
    let disk = Disk::new("faults");
    let open = store(&disk, Durability::Full);
    open.enqueue(vec![job()]).unwrap();
    let fault = |kind, file, code| Fault { kind: Some(kind), file, nth: 1, code, lasting: false };
    disk.arm(fault(Kind::Write, "-wal", ffi::SQLITE_FULL));
    assert!(matches!(open.enqueue(vec![job()]), Err(Error::Full(_))));
    assert_eq!(waiting(&disk), 1);
    disk.arm(fault(Kind::Write, "-wal", ffi::SQLITE_IOERR_WRITE));
    assert!(matches!(open.enqueue(vec![job()]), Err(Error::Io(_))));
    assert!(disk.disarm() > 0);
    open.enqueue(vec![job()]).unwrap();
    assert_eq!(waiting(&disk), 2);
    assert!(disk.calls(Kind::Sync) > 0);
}
