//! What waits elsewhere must not slow the claims. Counted in SQLite's virtual-machine steps, which don't depend
//! on the machine; the time is printed.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, ffi};

use super::*;

static STEPS: AtomicU64 = AtomicU64::new(0);

extern "C" fn step(_: *mut c_void) -> c_int {
    STEPS.fetch_add(1, Ordering::Relaxed);
    0
}

fn count_steps(conn: &Connection, on: bool) {
    // SAFETY: the handle is open and `step` needs no argument.
    unsafe { ffi::sqlite3_progress_handler(conn.handle(), i32::from(on), Some(step), std::ptr::null_mut()) };
}

fn count_writer(bench: &Bench, on: bool) {
    let db = &bench.store.opened().unwrap().db;
    db.write(Durability::Normal, move |tx| {
        count_steps(tx.conn, on);
        Ok(())
    })
    .unwrap();
}

/// Virtual-machine steps of `work`. One test at a time counts.
fn steps(work: impl FnOnce()) -> f64 {
    let before = STEPS.load(Ordering::Relaxed);
    work();
    (STEPS.load(Ordering::Relaxed) - before) as f64
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
    count_steps(&conn, true);
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
    assert!(rounds >= 999, "each claim sets at most 1,000 aside");
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
