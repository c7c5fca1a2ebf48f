//! How many pages a batch costs, read off the WAL itself.

use std::collections::HashSet;

use super::*;

/// Tables that hold the jobs' own rows.
const ROWS: [&str; 3] = ["pyqueue_job", "pyqueue_history", "pyqueue_history_job"];

/// The page number of each frame in the WAL: 32 bytes of header, then 24 + 4096 bytes a frame.
fn frames(bench: &Bench) -> Vec<i64> {
    let mut wal = bench.store.path().as_os_str().to_owned();
    wal.push("-wal");
    let bytes = std::fs::read(wal).unwrap();
    bytes[32..]
        .chunks_exact(4120)
        .map(|frame| i64::from(u32::from_be_bytes(frame[..4].try_into().unwrap())))
        .collect()
}

/// Pages that `work` wrote and that hold no job's row.
fn pages_besides_rows(bench: &Bench, work: impl FnOnce()) -> usize {
    let before = frames(bench).len();
    let of_rows = |bench: &Bench| -> HashSet<i64> {
        let names = ROWS.map(|name| format!("'{name}'")).join(",");
        let sql = format!("SELECT pageno FROM dbstat WHERE name IN ({names})");
        let read = |conn: &rusqlite::Connection, _| {
            let mut statement = conn.prepare(&sql)?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<HashSet<i64>>>()?)
        };
        bench.store.read(read).unwrap()
    };
    let mut rows = of_rows(bench);
    work();
    rows.extend(of_rows(bench));
    frames(bench)[before..].iter().filter(|page| !rows.contains(page)).count()
}

fn serve(bench: &Bench, worker: i64, total: usize, batch: usize) {
    for _ in 0..total / batch {
        let jobs = bench.claim(worker, batch);
        assert_eq!(jobs.len(), batch);
        bench
            .store
            .finish(jobs.iter().map(|job| finish_of(job, Outcome::Success(None))).collect(), None)
            .unwrap();
    }
}

#[test]
fn claim_and_finish_of_128_jobs_write_at_most_six_pages_besides_the_rows() {
    let bench = bench();
    let worker = bench.join();
    let add = || bench.store.enqueue((0..128).map(|_| job("t")).collect()).unwrap();
    add();
    serve(&bench, worker, 128, 128);
    add();
    let batch = pages_besides_rows(&bench, || serve(&bench, worker, 128, 128));
    add();
    let single = pages_besides_rows(&bench, || serve(&bench, worker, 128, 1));
    println!("pages besides the rows: {batch} in one batch, {single} one by one");
    assert!(batch <= 6);
    assert!(single > 6, "the control arm must show the fault");
}
