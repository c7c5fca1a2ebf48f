//! Revoking what runs: noted beside the lease, and the end of the job however its attempt ends but in success.

use super::*;
use crate::job::Errback;

const TERM: i32 = 15;

fn revoke(bench: &Bench, id: &str) -> Revoked {
    bench.store.revoke(id, TERM, 1_000).unwrap()
}

#[test]
fn what_waits_is_cancelled_and_what_has_ended_is_too_late() {
    let bench = bench();
    let ids: Vec<String> = (0..2).map(|_| bench.add(job("t"))).collect();
    let worker = bench.join();
    let first = bench.claim(worker, 1).remove(0);
    bench.end(&first, success());
    assert_eq!(revoke(&bench, &ids[0]), Revoked::Late);
    assert_eq!(revoke(&bench, &ids[1]), Revoked::Cancelled);
    assert_eq!(revoke(&bench, &ids[1]), Revoked::Late);
    assert_eq!((bench.state(&ids[0]), bench.state(&ids[1])), ("success", "cancelled"));
    assert_eq!(bench.store.wishes().unwrap(), []);
}

#[test]
fn an_attempt_that_is_revoked_ends_its_job_unless_it_succeeds() {
    let lost = || Outcome::Lost { reason: "its child died".into(), charged: true };
    let failed = || Outcome::Failure(Failure { error: "E".into(), ..Failure::default() });
    let ends = [success(), failed(), retry(0), retry(5), lost(), Outcome::GivenBack];
    for (at, outcome) in ends.into_iter().enumerate() {
        for all in [false, true] {
            let bench = bench();
            let errbacks = vec![Errback { job: job("after"), delay_us: None }];
            let ids: Vec<String> =
                (0..3).map(|_| bench.add(NewJob { errbacks: errbacks.clone(), ..job("t") })).collect();
            let worker = bench.join();
            let jobs = bench.claim(worker, 3);
            assert_eq!(revoke(&bench, &ids[1]), Revoked::Asked);
            let wish = Wish {
                row: jobs[1].row,
                token: jobs[1].token,
                signal: TERM,
                grace_us: 1_000,
                then: Then::Cancelled,
            };
            assert_eq!(bench.store.wishes().unwrap(), [wish]);
            assert_eq!(bench.state(&ids[1]), "running");
            let mut end = finish_of(&jobs[1], outcome.clone());
            if !matches!(outcome, Outcome::Success(_)) {
                end.then = vec![job("after")];
            }
            let mut ends = vec![end];
            if all {
                ends.extend([0, 2].map(|other| finish_of(&jobs[other], success())));
            }
            let (answers, _) = bench.store.finish(ends.clone(), None).unwrap();
            assert!(answers.iter().all(|answer| *answer == Finished::Done));
            let expected = if at == 0 { "success" } else { "cancelled" };
            assert_eq!(bench.state(&ids[1]), expected, "{outcome:?}");
            assert_eq!(bench.store.wishes().unwrap(), []);
            assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job WHERE task='after'"), 0);
            assert_eq!(bench.state(&ids[0]), if all { "success" } else { "running" });
            // The answer was lost, and the worker says it again.
            if outcome != Outcome::GivenBack {
                assert_eq!(bench.store.finish(ends, None).unwrap().0[0], Finished::Again);
            }
            assert_eq!(bench.store.examine().unwrap(), Vec::<String>::new());
        }
    }
}

#[test]
fn a_worker_that_dies_takes_no_revoked_job_back_in_line() {
    let bench = bench();
    let ids: Vec<String> = (0..3).map(|_| bench.add(job("t"))).collect();
    let worker = bench.join();
    let jobs = bench.claim(worker, 3);
    revoke(&bench, &ids[1]);
    let page = HashMap::from([(jobs[0].row, true), (jobs[1].row, true)]);
    bench.store.reap(worker, Evidence::Page(page), "it died").unwrap();
    assert_eq!(ids.iter().map(|id| bench.state(id)).collect::<Vec<_>>(), ["waiting", "cancelled", "waiting"]);
    assert_eq!(bench.store.wishes().unwrap(), []);
    let told = bench.store.attempts(&ids[1]).unwrap().remove(0).failure.unwrap();
    assert_eq!(told.message, "the job was revoked while it ran: it died");
    assert_eq!(bench.store.examine().unwrap(), Vec::<String>::new());
}

#[test]
fn a_revoked_job_frees_its_dedup_key() {
    let bench = bench();
    let keyed = || NewJob { dedup_key: Some("k".into()), ..job("t") };
    let id = bench.add(keyed());
    let worker = bench.join();
    let running = bench.claim(worker, 1).remove(0);
    revoke(&bench, &id);
    assert_eq!(bench.add(keyed()), id);
    bench.end(&running, Outcome::GivenBack);
    assert_ne!(bench.add(keyed()), id);
}
