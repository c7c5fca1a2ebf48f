//! A retry may bring other arguments; a replay brings the job's own options.

use super::*;
use crate::job::Failure;

fn retry(delay_us: i64, body: &[u8]) -> Outcome {
    let payload = Payload { content_type: Some("new".into()), body: body.to_vec() };
    Outcome::Retry { delay_us, payload: Some(payload), failure: Failure::default() }
}

#[test]
fn a_retry_with_other_arguments_keeps_id_and_place() {
    let bench = bench();
    let (first, second) = (bench.add(job("t")), bench.add(job("t")));
    let worker = bench.join();
    let jobs = bench.claim(worker, 2);
    assert_eq!(bench.end(&jobs[1], Outcome::GivenBack), Finished::Done);
    assert_eq!(bench.end(&jobs[0], retry(0, b"[1]")), Finished::Done);
    // A repetition and a stale token change nothing.
    assert_eq!(bench.end(&jobs[0], retry(0, b"[2]")), Finished::Again);
    let jobs = bench.claim(worker, 2);
    assert_eq!([&jobs[0].id, &jobs[1].id], [&first, &second]);
    assert_eq!(jobs[0].payload, Payload { content_type: Some("new".into()), body: b"[1]".to_vec() });
    assert_eq!(jobs[1].payload, job("t").payload);
    assert_eq!((jobs[0].attempt, jobs[0].retries), (2, 1));
    // What is replayed is what failed.
    bench.end(&jobs[0], Outcome::Failure(Failure::default()));
    bench.end(&jobs[1], Outcome::Success(None));
    bench.store.replay(&first).unwrap().unwrap();
    assert_eq!(bench.claim(worker, 1)[0].payload.body, b"[1]");
}

#[test]
fn other_arguments_wait_for_their_time_and_survive_a_loss() {
    let bench = bench();
    let id = bench.add(job("t"));
    let worker = bench.join();
    bench.end(&bench.claim(worker, 1)[0], retry(1_000_000, b"[1]"));
    assert_eq!(bench.state(&id), "retrying");
    bench.env.pass(1.5);
    let lost = Outcome::Lost { reason: String::new(), charged: true };
    bench.end(&bench.claim(worker, 1)[0], lost);
    assert_eq!(bench.claim(worker, 1)[0].payload.body, b"[1]");
}

#[test]
fn arguments_that_are_too_large_fail_the_job() {
    let bench = bench_with(Options { max_body: 10, ..options() });
    let id = bench.add(job("t"));
    let worker = bench.join();
    bench.end(&bench.claim(worker, 1)[0], retry(0, &[b' '; 11]));
    let view = bench.store.view(&id).unwrap();
    assert_eq!(view.state.name(), "failed");
    let message = view.failure.unwrap().message;
    assert!(message.contains("retry's arguments take 11 bytes"), "{message}");
}

fn fails(bench: &Bench, worker: i64, made: NewJob) -> String {
    let id = bench.add(made);
    bench.end(&bench.claim(worker, 1)[0], Outcome::Failure(Failure::default()));
    assert_eq!(bench.state(&id), "failed");
    id
}

#[test]
fn a_replayed_job_has_the_options_of_the_first() {
    let bench = bench();
    let worker = bench.join();
    let made = NewJob {
        queue: "q".into(),
        priority: 7,
        dedup_key: Some("k".into()),
        // It holds the key beyond the end of its job, but not against the job's own replay.
        dedup_window_us: Some(3_600_000_000),
        max_losses: 1,
        time_limit_us: Some(3_000_000),
        soft_time_limit_us: Some(2_000_000),
        expires_us: Some(bench.env.env().clock.wall_us() + 60_000_000),
        alias: Some("mine".into()),
        ..job("t")
    };
    fails(&bench, worker, made);
    let again = bench.store.replay("mine").unwrap().unwrap();
    assert_ne!(again, "mine");
    // The key is held again, so a second replay finds the first.
    assert_eq!(bench.store.replay("mine").unwrap().unwrap(), again);
    let [job] = &bench.claim(worker, 5)[..] else { panic!() };
    assert_eq!((&job.id, job.queue.as_str(), job.priority), (&again, "q", 7));
    assert_eq!((job.time_limit_us, job.soft_time_limit_us), (Some(3_000_000), Some(2_000_000)));
    bench.end(job, Outcome::Lost { reason: String::new(), charged: true });
    assert_eq!(bench.state(&again), "dead", "max_losses is the first one's");
    // A dead one is replayed as well, and expires when the first would have.
    let third = bench.store.replay(&again).unwrap().unwrap();
    bench.env.pass(61.0);
    assert!(bench.claim(worker, 5).is_empty());
    assert_eq!(bench.state(&third), "expired");
}

#[test]
fn an_expiry_that_has_passed_is_not_inherited() {
    let bench = bench();
    let worker = bench.join();
    let expires_us = Some(bench.env.env().clock.wall_us() + 1_000_000);
    let failed = fails(&bench, worker, NewJob { expires_us, ..job("t") });
    bench.env.pass(2.0);
    let again = bench.store.replay(&failed).unwrap().unwrap();
    assert_eq!(bench.claim(worker, 5)[0].id, again);
}

#[test]
fn nothing_of_a_success_or_an_attempt_that_went_on_is_kept_for_a_replay() {
    let bench = bench();
    let worker = bench.join();
    let made = NewJob { dedup_key: Some("k".into()), time_limit_us: Some(1), ..job("t") };
    bench.add(made);
    bench.end(&bench.claim(worker, 1)[0], retry(0, b"[1]"));
    bench.end(&bench.claim(worker, 1)[0], Outcome::Success(None));
    let kept = "SELECT count(*) FROM pyqueue_history WHERE payload IS NOT NULL OR dedup IS NOT NULL \
                OR time_limit IS NOT NULL OR max_losses IS NOT NULL";
    assert_eq!(bench.sql(kept), 0);
}
