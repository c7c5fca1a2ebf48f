//! What attempts have logged goes with its attempt, and is bounded over the whole file; a success may be kept for a
//! time of its own.

use super::*;
use crate::job::{Beside, Log};

fn logged(bytes: usize) -> Option<Box<Beside>> {
    Some(Box::new(Beside { log: Some(Log { dropped: 0, text: vec![b'x'; bytes] }), ..Beside::default() }))
}

fn kept_for(seconds: i64) -> Option<Box<Beside>> {
    Some(Box::new(Beside { keep_us: Some(seconds * 1_000_000), ..Beside::default() }))
}

fn ends(bench: &Bench, outcome: Outcome, beside: Option<Box<Beside>>) -> String {
    let id = bench.add(job("t"));
    let worker = bench.join();
    let end = Finish { beside, ..finish_of(&bench.claim(worker, 1)[0], outcome) };
    assert_eq!(bench.store.finish(vec![end], None).unwrap().0, [Finished::Done]);
    id
}

fn sound(bench: &Bench) {
    assert_eq!(bench.store.examine().unwrap(), [""; 0]);
}

fn bytes(bench: &Bench) -> i64 {
    bench.sql("SELECT ifnull(sum(octet_length(text)), 0) FROM pyqueue_log")
}

#[test]
fn lines_go_with_what_is_kept_of_their_attempt() {
    let bench = bench_with(Options { history_count: 3, ..options() });
    let ids: Vec<String> = (0..9).map(|_| ends(&bench, success(), logged(100))).collect();
    bench.store.upkeep().unwrap();
    let left = bench.sql("SELECT count(*) FROM pyqueue_history");
    assert!(left <= 4, "{left}");
    assert_eq!(bytes(&bench), 100 * left);
    assert_eq!(bench.store.logs(&ids[0]).unwrap(), []);
    assert_eq!(bench.store.logs(&ids[8]).unwrap().len(), 1);
    sound(&bench);
    assert!(bench.store.forget(&ids[8]).unwrap());
    assert_eq!(bytes(&bench), 100 * (left - 1));
    sound(&bench);
}

#[test]
fn lines_of_failures_go_with_them() {
    let bench = bench_with(Options { history_age_us: 1, failed_age_us: 60_000_000, ..options() });
    ends(&bench, Outcome::Failure(Failure::default()), logged(100));
    ends(&bench, success(), logged(10));
    ends(&bench, success(), None);
    bench.env.pass(100.0);
    for _ in 0..3 {
        bench.store.upkeep().unwrap();
    }
    assert_eq!(bytes(&bench), 0);
    sound(&bench);
}

#[test]
fn an_attempt_that_is_given_back_leaves_no_lines() {
    let bench = bench();
    let id = bench.add(job("t"));
    let worker = bench.join();
    let claimed = bench.claim(worker, 1).remove(0);
    bench.store.note(claimed.row, claimed.token, Log { dropped: 2, text: b"so far\n".to_vec() }).unwrap();
    let [view] = &bench.store.logs(&id).unwrap()[..] else { panic!() };
    assert_eq!((view.attempt, view.log.dropped), (None, 2));
    let end = Finish { beside: logged(5), ..finish_of(&claimed, Outcome::GivenBack) };
    bench.store.finish(vec![end], None).unwrap();
    assert_eq!(bench.store.logs(&id).unwrap(), []);
    sound(&bench);
    // Too late for a word.
    let late = bench.store.note(claimed.row, claimed.token, Log::default());
    assert!(matches!(late, Err(Error::LeaseLost { .. })));
}

#[test]
fn of_all_lines_the_newest_are_kept() {
    let bench = bench();
    let each = super::super::log::LARGEST;
    let most = super::super::log::MOST;
    let first = ends(&bench, success(), logged(each));
    for _ in 0..most / each as i64 + 20 {
        ends(&bench, success(), logged(each));
    }
    let last = ends(&bench, success(), logged(each));
    assert!(bytes(&bench) <= most && bytes(&bench) > most - 20 * each as i64);
    assert_eq!(bench.store.logs(&first).unwrap(), []);
    assert_eq!(bench.store.logs(&last).unwrap().len(), 1);
    // More than anybody may send is not taken in.
    let larger = ends(&bench, success(), logged(each + 1));
    assert_eq!(bench.store.logs(&larger).unwrap(), []);
    sound(&bench);
}

#[test]
fn a_success_is_kept_for_its_own_time() {
    let bench = bench_with(Options { history_age_us: 60_000_000, ..options() });
    let short = ends(&bench, success(), kept_for(5));
    let long = ends(&bench, success(), kept_for(600));
    let usual = ends(&bench, success(), None);
    let failed = ends(&bench, Outcome::Failure(Failure::default()), kept_for(5));
    let states = |bench: &Bench| [&short, &usual, &long, &failed].map(|id| bench.state(id));
    bench.env.pass(10.0);
    bench.store.upkeep().unwrap();
    assert_eq!(states(&bench), ["unknown", "success", "success", "failed"]);
    bench.env.pass(60.0);
    ends(&bench, success(), None);
    bench.store.upkeep().unwrap();
    assert_eq!(states(&bench), ["unknown", "unknown", "success", "failed"]);
    bench.env.pass(600.0);
    bench.store.upkeep().unwrap();
    assert_eq!(states(&bench), ["unknown", "unknown", "unknown", "failed"]);
    sound(&bench);
}

#[test]
fn a_success_with_a_time_of_its_own_outlives_the_bound_on_their_number() {
    let bench = bench_with(Options { history_count: 2, ..options() });
    let own = ends(&bench, success(), kept_for(600));
    let first = ends(&bench, success(), None);
    (0..9).for_each(|_| drop(ends(&bench, success(), None)));
    bench.store.upkeep().unwrap();
    assert_eq!([bench.state(&own), bench.state(&first)], ["success", "unknown"]);
}
