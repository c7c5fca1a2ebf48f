//! Rows that no statement of ours writes: an answer or an error, and never a panic or a loop without an end.

use super::*;

impl Bench {
    fn damage(&self, sql: &'static str) {
        let open = self.store.opened().unwrap();
        let work = |tx: &mut crate::sqlite::Tx<'_, rules::Rules>| {
            tx.conn.pragma_update(None, "ignore_check_constraints", true)?;
            tx.conn.execute_batch(sql)?;
            Ok(tx.conn.pragma_update(None, "ignore_check_constraints", false)?)
        };
        open.db.write(Durability::Normal, work).unwrap();
    }
}

#[test]
fn a_husk_that_is_marked_as_ready_is_not_run() {
    let bench = bench();
    bench.add(job("first"));
    let husk = bench.add(job("t"));
    assert!(bench.store.cancel(&husk).unwrap());
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job WHERE mark=2"), 1);
    bench.damage("UPDATE pyqueue_job SET mark=0");
    let jobs = bench.claim(bench.join(), 10);
    assert_eq!(jobs.iter().map(|job| job.task.as_str()).collect::<Vec<_>>(), ["first"]);
}

#[test]
fn a_head_outside_its_band_is_an_error_and_no_loop() {
    let bench = bench();
    bench.add(NewJob { queue: "a".into(), ..job("t") });
    bench.add(NewJob { queue: "b".into(), ..job("t") });
    let worker = bench.join();
    assert_eq!(bench.claim(worker, 10).len(), 2);
    // The rows behind the head of `b` are those of `a`, and none is ready.
    bench.damage("UPDATE pyqueue_head SET pos=127 WHERE band=(SELECT max(band) FROM pyqueue_head)");
    let claimed = bench.store.claim(ask(worker, 1));
    assert!(matches!(&claimed, Err(Error::Corrupt(why)) if why.contains("outside of it")), "{claimed:?}");
}

#[test]
fn a_lease_from_the_least_place_on_is_taken_back() {
    let bench = bench();
    bench.add(job("t"));
    let worker = bench.join();
    assert_eq!(bench.claim(worker, 10).len(), 1);
    bench.damage("UPDATE pyqueue_lease SET first=-9223372036854775808");
    let lost = bench.store.reap(worker, Evidence::None, "the test").unwrap();
    assert_eq!((lost.len(), bench.sql("SELECT count(*) FROM pyqueue_lease")), (1, 0));
}

#[test]
fn times_that_cannot_be_are_shown_and_not_counted_with() {
    let bench = bench();
    let worker = bench.join();
    bench.store.enqueue((0..6).map(|_| job("t")).collect()).unwrap();
    for job in bench.claim(worker, 6) {
        bench.end(&job, success());
    }
    bench.damage("UPDATE pyqueue_history SET started=-9223372036854775808, enqueued=9223372036854775807, finished=9223372036854775807");
    assert_eq!(bench.store.stats(None, 0, 100).unwrap().rows, 6);
    let start = bench.store.cursor(false).unwrap();
    let told = Reader::default().look(&bench.store, &start, None).unwrap().events;
    assert_eq!(told.iter().filter(|event| event.kind == "task-succeeded").count(), 6);
}
