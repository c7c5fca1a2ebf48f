//! What waits elsewhere must not slow the claims. Counted in SQLite's virtual-machine steps, which don't depend
//! on the machine; the time is printed.

use std::sync::atomic::AtomicU64;

use rusqlite::Connection;

use super::counting::count_steps;
use super::*;

static STEPS: AtomicU64 = AtomicU64::new(0);

fn count_writer(bench: &Bench, on: bool) {
    let db = &bench.store.opened().unwrap().db;
    db.write(Durability::Normal, move |tx| {
        count_steps(tx.conn, on.then_some(&STEPS));
        Ok(())
    })
    .unwrap();
}

/// Virtual-machine steps of `work`. One test at a time counts here.
fn steps(work: impl FnOnce()) -> f64 {
    counting::steps(&STEPS, work)
}

/// Steps of 100 claims of one job each.
fn cost(bench: &Bench, worker: i64) -> f64 {
    bench.store.enqueue((0..100).map(|_| job("fast")).collect()).unwrap();
    let mut jobs = Vec::new();
    count_writer(bench, true);
    let spent = steps(|| {
        for _ in 0..100 {
            jobs.extend(bench.claim(worker, 1));
        }
    });
    count_writer(bench, false);
    assert_eq!(jobs.len(), 100);
    bench
        .store
        .finish(jobs.iter().map(|job| finish_of(job, Outcome::Success(None))).collect(), None)
        .unwrap();
    spent
}

/// The same on the usual table with a state column and an index on it.
fn naive_cost(delayed: i64) -> f64 {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(
        "CREATE TABLE job(id INTEGER PRIMARY KEY, state INTEGER NOT NULL, priority INTEGER NOT NULL, run_at INTEGER NOT NULL);
         CREATE INDEX ready ON job(priority DESC, id) WHERE state=0;",
    )
    .unwrap();
    conn.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<?1) INSERT INTO job SELECT NULL, 0, 1, 1000 FROM n WHERE ?1>0",
        [delayed],
    )
    .unwrap();
    conn.execute_batch(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5) INSERT INTO job SELECT NULL, 0, 0, 0 FROM n",
    )
    .unwrap();
    count_steps(&conn, Some(&STEPS));
    steps(|| {
        for _ in 0..5 {
            conn.execute(
                "UPDATE job SET state=1 WHERE id=(SELECT id FROM job WHERE state=0 AND run_at<=500 ORDER BY priority DESC, id LIMIT 1)",
                [],
            )
            .unwrap();
        }
    })
}

/// The cost of claims in a fresh file, and again with what `fill` leaves waiting in it.
fn beside(fill: impl FnOnce(&Bench, i64)) -> f64 {
    let bench = bench();
    let worker = bench.join();
    cost(&bench, worker);
    let empty = cost(&bench, worker);
    fill(&bench, worker);
    empty / cost(&bench, worker)
}

fn delay_100_000(bench: &Bench, _: i64) {
    let later = Some(bench.env.env().clock.wall_us() + 3_600_000_000);
    for _ in 0..10 {
        let many = (0..10_000).map(|_| NewJob { run_at_us: later, priority: 5, ..job("fast") }).collect();
        bench.store.enqueue(many).unwrap();
    }
    assert_eq!(bench.store.queues().unwrap()[0].delayed, 100_000);
}

fn park_1_000_000(bench: &Bench, worker: i64) {
    bench.store.pause(Scope::Task("slow".into())).unwrap();
    for _ in 0..100 {
        bench.store.enqueue((0..10_000).map(|_| NewJob { priority: 5, ..job("slow") }).collect()).unwrap();
    }
    let mut rounds = 0;
    while bench.store.claim(ask(worker, 1)).unwrap().more {
        rounds += 1;
    }
    assert!(rounds >= 199, "each claim sets at most 5,000 aside");
    assert_eq!(bench.store.queues().unwrap()[0].parked, 1_000_000);
}

#[test]
fn claims_keep_their_speed_beside_delayed_and_parked_jobs() {
    let (delayed, parked) = (beside(delay_100_000), beside(park_1_000_000));
    let naive = naive_cost(0) / naive_cost(10_000);
    println!("rate against empty: {delayed:.2} with delayed, {parked:.2} with parked, naive {naive:.4}");
    assert!(delayed >= 0.8);
    assert!(parked >= 0.9);
    assert!(naive < 0.8, "the control arm must show the fault");
}

/// The tables a row of which is checked by a table of its own: SQLite makes one of the list of an `IN` that has three
/// members or more, for each row.
fn checked_by_a_table(conn: &Connection) -> Vec<String> {
    let mut tables =
        conn.prepare("SELECT name FROM sqlite_schema WHERE type='table' AND sql LIKE '%CHECK%'").unwrap();
    let names: Vec<String> =
        tables.query_map([], |row| row.get(0)).unwrap().map(|name| name.unwrap()).collect();
    assert!(!names.is_empty());
    let makes_one = |name: &String| {
        let mut program = conn.prepare(&format!("EXPLAIN INSERT INTO {name} DEFAULT VALUES")).unwrap();
        let codes = program.query_map([], |row| row.get(1)).unwrap();
        codes.map(|code| code.unwrap()).any(|code: String| code == "OpenEphemeral")
    };
    names.into_iter().filter(makes_one).collect()
}

#[test]
fn no_row_is_checked_by_a_table_of_its_own() {
    let bench = bench();
    bench.join();
    let conn = Connection::open(bench.store.path()).unwrap();
    assert_eq!(checked_by_a_table(&conn), Vec::<String>::new());
    conn.execute_batch("CREATE TABLE listed(place INTEGER CHECK(place IN (2, 3, 5)))").unwrap();
    assert_eq!(checked_by_a_table(&conn), ["listed"]);
}
