//! A retry may bring other arguments.

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
