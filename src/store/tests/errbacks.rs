//! Errbacks follow a failure that nobody speaks for, once, and nothing else.

use super::*;
use crate::job::{Errback, Failure};

fn careful() -> NewJob {
    let of = |delay_us, name: &str| Errback { delay_us, job: job(name) };
    NewJob { errbacks: vec![of(None, "now"), of(Some(5_000_000), "soon")], ..job("t") }
}

fn lost() -> Outcome {
    Outcome::Lost { reason: "signal 9".into(), charged: true }
}

fn stored(bench: &Bench) -> i64 {
    bench.sql("SELECT count(*) FROM pyqueue_errback")
}

fn names(jobs: &[ClaimedJob]) -> Vec<&str> {
    jobs.iter().map(|job| job.task.as_str()).collect()
}

/// The ends that the core makes by itself, each with the state it leads to.
#[test]
fn they_follow_every_end_in_failure_that_the_core_makes() {
    type End = fn(&Bench, i64);
    let ends: [(&str, End); 5] = [
        ("dead", |bench, worker| {
            bench.end(&bench.claim(worker, 1)[0], lost());
        }),
        ("failed", |bench, worker| {
            bench.end(&bench.claim(worker, 1)[0], Outcome::Failure(Failure::default()));
        }),
        ("dead", |bench, worker| {
            let failure = Failure { error: "pyqueue.exceptions.DecodeError".into(), ..Failure::default() };
            bench.end(&bench.claim(worker, 1)[0], Outcome::Failure(failure));
        }),
        ("dead", |bench, worker| {
            bench.claim(worker, 1);
            bench.store.reap(worker, Evidence::None, "it died").unwrap();
        }),
        ("dead", |bench, worker| {
            let damage = |tx: &mut crate::sqlite::Tx<'_, _>| {
                Ok(tx.conn.execute("UPDATE pyqueue_job SET payload=x'00'", []).unwrap())
            };
            bench.store.opened().unwrap().db.write(Durability::Normal, damage).unwrap();
            let found = bench.claim(worker, 1);
            // It may be in the very claim that met the damage.
            bench
                .store
                .finish(found.iter().map(|job| finish_of(job, Outcome::GivenBack)).collect(), None)
                .unwrap();
        }),
    ];
    for (state, end) in ends {
        let bench = bench();
        let id = bench.add(NewJob { max_losses: 1, ..careful() });
        end(&bench, bench.join());
        assert_eq!(bench.state(&id), state);
        let worker = bench.join();
        assert_eq!(names(&bench.claim(worker, 5)), ["now"]);
        bench.env.pass(5.1);
        assert_eq!(names(&bench.claim(worker, 5)), ["soon"]);
        assert_eq!(stored(&bench), 0);
    }
}

#[test]
fn they_wait_through_losses_and_retries() {
    let bench = bench();
    bench.add(NewJob { max_losses: 2, ..careful() });
    let worker = bench.join();
    bench.end(&bench.claim(worker, 1)[0], lost());
    bench.end(
        &bench.claim(worker, 1)[0],
        Outcome::Retry { delay_us: 0, payload: None, failure: Failure::default() },
    );
    bench.end(&bench.claim(worker, 1)[0], Outcome::GivenBack);
    assert_eq!(stored(&bench), 1);
    let job = &bench.claim(worker, 5)[0];
    assert_eq!(bench.end(job, lost()), Finished::Done);
    assert_eq!(bench.end(job, lost()), Finished::Again);
    assert_eq!(names(&bench.claim(worker, 5)), ["now"]);
}

#[test]
fn nothing_is_left_of_them_after_another_end() {
    let bench = bench();
    let worker = bench.join();
    // A run of neighbours, one alone, and one whose outcome says itself what follows.
    bench.store.enqueue((0..5).map(|_| careful()).collect()).unwrap();
    let jobs = bench.claim(worker, 5);
    let mut ends: Vec<Finish> = jobs.iter().map(|job| finish_of(job, Outcome::Success(None))).collect();
    ends[3].outcome = Outcome::Failure(Failure::default());
    ends[3].then = vec![job("said")];
    bench.store.finish(ends, None).unwrap();
    assert_eq!(names(&bench.claim(worker, 5)), ["said"]);
    let cancelled = bench.add(careful());
    assert!(bench.store.cancel(&cancelled).unwrap());
    bench.add(NewJob { expires_us: Some(bench.env.env().clock.wall_us() + 1_000_000), ..careful() });
    bench.env.pass(2.0);
    assert!(bench.claim(worker, 5).is_empty());
    assert_eq!(stored(&bench), 0);
}

#[test]
fn one_with_the_key_of_its_job_finds_it_ended() {
    let bench = bench();
    let worker = bench.join();
    for dedup in [Dedup::Return, Dedup::Replace] {
        let keyed = NewJob { dedup_key: Some("k".into()), dedup, ..job("keyed") };
        let errbacks = vec![Errback { delay_us: None, job: NewJob { task: "then".into(), ..keyed.clone() } }];
        let expires_us = Some(bench.env.env().clock.wall_us() + 1_000_000);
        let id = bench.add(NewJob { errbacks, expires_us, ..keyed });
        let running = bench.claim(worker, 1).remove(0);
        bench.env.pass(2.0);
        bench.end(&running, Outcome::Failure(Failure::default()));
        assert_eq!(bench.state(&id), "failed", "{dedup:?}");
        let follows = bench.claim(worker, 5);
        assert_eq!(names(&follows), ["then"], "{dedup:?}");
        bench.end(&follows[0], Outcome::Success(None));
    }
}

#[test]
fn one_that_replaces_a_job_of_the_same_dead_worker_finds_it_back_in_line() {
    let bench = bench();
    let worker = bench.join();
    let keyed = NewJob { dedup_key: Some("k".into()), dedup: Dedup::Replace, ..job("keyed") };
    let errbacks = vec![Errback { delay_us: None, job: NewJob { task: "then".into(), ..keyed.clone() } }];
    let id = bench.add(NewJob { errbacks, max_losses: 1, ..job("t") });
    let other = bench.add(keyed);
    assert_eq!(bench.claim(worker, 2).len(), 2);
    bench.store.reap(worker, Evidence::None, "it died").unwrap();
    assert_eq!((bench.state(&id), bench.state(&other)), ("dead", "cancelled"));
    assert_eq!(bench.store.examine().unwrap(), Vec::<String>::new());
    let next = bench.join();
    assert_eq!(names(&bench.claim(next, 5)), ["then"]);
}

#[test]
fn one_that_is_refused_keeps_no_job_from_ending() {
    let bench = bench();
    let worker = bench.join();
    let key = NewJob { dedup_key: Some("k".into()), dedup: Dedup::Refuse, ..job("keyed") };
    bench.add(NewJob { queue: "default".into(), ..key.clone() });
    let holder = bench.claim(worker, 1).remove(0);
    let id = bench.add(NewJob { errbacks: vec![Errback { delay_us: None, job: key.clone() }], ..job("t") });
    bench.end(&bench.claim(worker, 1)[0], Outcome::Failure(Failure::default()));
    assert_eq!(bench.state(&id), "failed");
    let id = bench.add(job("t"));
    let mut end = finish_of(&bench.claim(worker, 1)[0], Outcome::Success(None));
    end.then = vec![key];
    bench.store.finish(vec![end], None).unwrap();
    assert_eq!(bench.state(&id), "success");
    assert_eq!(bench.end(&holder, Outcome::Success(None)), Finished::Done);
    assert!(bench.claim(worker, 5).is_empty());
}
