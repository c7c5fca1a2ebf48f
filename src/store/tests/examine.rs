//! Each fault that the examination knows, made by hand: it must be named.

use super::*;

/// Makes a fault in a file that holds one parked, one delayed, one returned and two running jobs, the first of them
/// with a dedup key.
const FAULTS: [(&str, &str); 11] = [
    ("nothing speaks for", "DELETE FROM pyqueue_side WHERE place=1"),
    ("without a time", "DELETE FROM pyqueue_side WHERE place=3"),
    ("another number of jobs", "UPDATE pyqueue_lease SET jobs=jobs+1"),
    (
        "under two leases",
        "INSERT INTO pyqueue_lease SELECT last, last, 1, token+1, owner, NULL, 0 FROM pyqueue_lease ORDER BY first DESC LIMIT 1",
    ),
    ("worker that is not in the file", "DELETE FROM pyqueue_owner"),
    (
        "running and waiting at once",
        "INSERT INTO pyqueue_side SELECT first, 1, 0, first FROM pyqueue_lease LIMIT 1",
    ),
    ("places in line without a job", "INSERT INTO pyqueue_side VALUES((5<<51) + 77, 1, 0, (5<<51) + 77)"),
    ("parked jobs with a wrong count", "UPDATE pyqueue_gate SET waiting=waiting+1"),
    ("queues with wrong counts", "UPDATE pyqueue_head SET later=later+1 WHERE band>0"),
    (
        "wrong count of what was logged",
        "INSERT INTO pyqueue_log(job, token, dropped, text) VALUES(1, 1, 0, x'00')",
    ),
    ("dedup keys", "INSERT INTO pyqueue_dedup VALUES(1, 'nobody', 12345, NULL)"),
];

fn varied() -> Bench {
    let bench = bench();
    let worker = bench.join();
    bench.store.pause(Scope::Task("held".into())).unwrap();
    let later = Some(bench.env.env().clock.wall_us() + 60_000_000);
    let keyed = NewJob { dedup_key: Some("key".into()), ..job("run") };
    bench.store.enqueue(vec![keyed, job("run"), job("held"), job("again")]).unwrap();
    bench.store.enqueue(vec![NewJob { run_at_us: later, ..job("later") }]).unwrap();
    assert_eq!(bench.claim(worker, 2).len(), 2);
    let given_back = bench.claim(worker, 1).remove(0);
    bench.store.finish(vec![finish_of(&given_back, Outcome::GivenBack)], None).unwrap();
    bench
}

#[test]
fn a_sound_file_has_nothing_to_tell() {
    assert_eq!(varied().store.examine().unwrap(), [""; 0]);
}

#[test]
fn each_fault_is_named() {
    for (sentence, fault) in FAULTS {
        let bench = varied();
        let conn = rusqlite::Connection::open(bench.store.path()).unwrap();
        conn.execute_batch(fault).unwrap();
        let told = bench.store.examine().unwrap();
        assert!(told.iter().any(|line| line.contains(sentence)), "{fault}: {told:?}");
    }
}
