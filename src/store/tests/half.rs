//! Half messages: nobody starts one before it is committed, and whose sender is silent is asked about.

use super::*;
use crate::job::{Errback, State};

const MINUTE: i64 = 60_000_000;

fn question() -> NewJob {
    NewJob { dedup_key: Some("question".into()), ..job("asks") }
}

fn prepared(bench: &Bench, job: NewJob) -> String {
    let made = bench.store.prepare(job, question(), MINUTE).unwrap();
    assert!(made.created);
    made.id
}

fn committed(bench: &Bench, id: &str) -> bool {
    bench.store.settle(id, Verdict::Commit).unwrap()
}

fn rolled_back(bench: &Bench, id: &str) -> bool {
    bench.store.settle(id, Verdict::Rollback).unwrap()
}

fn sound(bench: &Bench) {
    assert_eq!(bench.store.examine().unwrap(), Vec::<String>::new());
}

/// Asks what is due; how many questions were claimed, each of which is answered by nothing.
fn asked(bench: &Bench, worker: i64) -> usize {
    while bench.store.upkeep().unwrap().more {}
    let questions = bench.claim(worker, 10);
    assert!(questions.iter().all(|job| job.task == "asks"));
    for job in &questions {
        bench.end(job, Outcome::Success(None));
    }
    questions.len()
}

#[test]
fn one_starts_only_after_commit_and_once() {
    let bench = bench();
    let worker = bench.join();
    let id = prepared(&bench, job("t"));
    assert_eq!(bench.state(&id), "prepared");
    assert!(bench.claim(worker, 5).is_empty());
    assert!(bench.store.why(&id).unwrap().contains("once its sender"));
    assert_eq!(bench.store.queues().unwrap()[0].prepared, 1);
    assert!(committed(&bench, &id));
    assert!(!committed(&bench, &id) && !rolled_back(&bench, &id), "each is said once");
    assert_eq!(bench.state(&id), "waiting");
    let claimed = bench.claim(worker, 5);
    assert_eq!(claimed.iter().map(|job| &job.id).collect::<Vec<_>>(), [&id]);
    assert!(!rolled_back(&bench, &id));
    bench.end(&claimed[0], success());
    assert_eq!(bench.state(&id), "success");
    assert_eq!(bench.store.queues().unwrap()[0].prepared, 0);
    sound(&bench);
}

#[test]
fn a_place_of_one_that_has_ended_is_not_given_again() {
    let bench = bench();
    let worker = bench.join();
    let mut ids = std::collections::HashSet::new();
    for _ in 0..3 {
        let id = prepared(&bench, job("t"));
        committed(&bench, &id);
        let claimed = bench.claim(worker, 1).remove(0);
        bench.end(&claimed, success());
        assert!(ids.insert(claimed.row), "{id} has the place of another");
        let id = prepared(&bench, job("t"));
        rolled_back(&bench, &id);
    }
    assert_eq!(bench.sql("SELECT count(DISTINCT job) FROM pyqueue_history"), 6);
    sound(&bench);
}

#[test]
fn one_that_is_rolled_back_is_cancelled_and_lets_its_key_go() {
    let bench = bench();
    let keyed = NewJob { dedup_key: Some("k".into()), alias: Some("own".into()), ..job("t") };
    let id = prepared(&bench, keyed.clone());
    assert_eq!(id, "own");
    let other = bench.store.enqueue(vec![NewJob { alias: None, ..keyed.clone() }]).unwrap().remove(0);
    assert_eq!((other.id.as_str(), other.created), ("own", false));
    assert!(rolled_back(&bench, &id) && !rolled_back(&bench, &id) && !committed(&bench, &id));
    assert_eq!(bench.state(&id), "cancelled");
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_half"), 0);
    assert!(bench.store.enqueue(vec![NewJob { alias: None, ..keyed }]).unwrap()[0].created);
    sound(&bench);
}

#[test]
fn one_whose_key_or_id_is_taken_prepares_nothing() {
    let bench = bench();
    let holder = bench.add(NewJob { dedup_key: Some("k".into()), ..job("t") });
    let keyed = NewJob { dedup_key: Some("k".into()), alias: Some("own".into()), ..job("t") };
    for _ in 0..2 {
        let made = bench.store.prepare(keyed.clone(), question(), MINUTE).unwrap();
        assert!(!made.created);
        assert_eq!(bench.state(&made.id), "waiting");
        assert!(!committed(&bench, &made.id) && !rolled_back(&bench, &made.id));
    }
    assert_eq!(bench.state(&holder), "waiting");
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_half"), 0);
    sound(&bench);
}

#[test]
fn one_with_a_delay_waits_for_its_time_after_commit() {
    let bench = bench();
    let worker = bench.join();
    let at = bench.env.env().clock.wall_us() + 5 * 1_000_000;
    let early = prepared(&bench, NewJob { run_at_us: Some(at), ..job("t") });
    let late = prepared(&bench, NewJob { run_at_us: Some(at), ..job("t") });
    bench.env.pass(1.0);
    assert!(committed(&bench, &early));
    assert_eq!(bench.state(&early), "delayed");
    assert!(bench.claim(worker, 5).is_empty());
    bench.env.pass(5.0);
    assert!(committed(&bench, &late));
    assert_eq!(bench.state(&late), "waiting");
    assert_eq!(bench.claim(worker, 5).len(), 2);
    sound(&bench);
}

#[test]
fn it_is_asked_about_after_its_pause_and_then_ever_more_rarely() {
    let bench = bench();
    let worker = bench.join();
    let id = prepared(&bench, job("t"));
    assert_eq!(asked(&bench, worker), 0);
    bench.env.pass(59.0);
    assert_eq!(asked(&bench, worker), 0);
    let mut pauses = vec![2.0];
    for pause in [120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0] {
        bench.env.pass(pauses[0]);
        assert_eq!(asked(&bench, worker), 1);
        assert_eq!(asked(&bench, worker), 0);
        bench.env.pass(pause - 2.0);
        assert_eq!(asked(&bench, worker), 0, "{pause} s are not over");
        pauses = vec![3.0];
    }
    let done = bench.store.upkeep().unwrap();
    assert!(done.next_boot_us.is_some(), "whoever keeps house knows when to come again");
    assert!(committed(&bench, &id));
    bench.env.pass(7_200.0);
    while bench.store.upkeep().unwrap().more {}
    let names: Vec<String> = bench.claim(worker, 10).into_iter().map(|job| job.task).collect();
    assert_eq!(names, ["t"], "nothing is asked about one that is settled");
    sound(&bench);
}

#[test]
fn after_the_last_question_it_is_given_up_shown_and_still_settled_by_hand() {
    let bench = bench();
    let worker = bench.join();
    let id = prepared(&bench, job("t"));
    let (mut questions, mut told) = (0, Vec::new());
    for _ in 0..60 {
        bench.env.pass(3_601.0);
        let done = bench.store.upkeep().unwrap();
        told.extend(done.given_up);
        questions += asked(&bench, worker);
    }
    assert_eq!((questions, told), (15, vec![id.clone()]));
    assert_eq!(bench.state(&id), "prepared");
    assert!(bench.store.why(&id).unwrap().contains("pyqueue settle"));
    let filter = Filter { state: Some(State::Prepared), limit: 10, ..Filter::default() };
    assert_eq!(bench.store.jobs(&filter).unwrap()[0].id, id);
    sound(&bench);
    assert!(committed(&bench, &id));
    assert_eq!(bench.claim(worker, 5)[0].id, id);
}

#[test]
fn questions_do_not_pile_up_where_nobody_answers() {
    let bench = bench();
    prepared(&bench, job("t"));
    for _ in 0..10 {
        bench.env.pass(3_601.0);
        while bench.store.upkeep().unwrap().more {}
    }
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job WHERE task='asks'"), 1);
}

#[test]
fn with_the_guard_off_nobody_asks() {
    let bench = bench();
    let worker = bench.join();
    prepared(&bench, job("t"));
    bench.env.pass(3_601.0);
    assert_eq!(mutants::with(Mutant::HalvesUnasked, || asked(&bench, worker)), 0);
    assert_eq!(asked(&bench, worker), 1);
}

#[test]
fn one_that_expires_is_cancelled_or_purged_is_forgotten() {
    let bench = bench();
    let worker = bench.join();
    let expires_us = Some(bench.env.env().clock.wall_us() + 1_000_000);
    let late = prepared(&bench, NewJob { expires_us, ..job("t") });
    let cancelled = prepared(&bench, job("t"));
    let purged = prepared(&bench, NewJob { queue: "mail".into(), ..job("t") });
    assert!(bench.store.cancel(&cancelled).unwrap());
    assert_eq!(bench.store.purge("mail").unwrap(), 1);
    bench.env.pass(2.0);
    while bench.store.upkeep().unwrap().more {}
    let states = [&late, &cancelled, &purged].map(|id| bench.state(id));
    assert_eq!(states, ["expired", "cancelled", "cancelled"]);
    for id in [late, cancelled, purged] {
        assert!(!committed(&bench, &id));
    }
    bench.env.pass(3_601.0);
    assert_eq!(asked(&bench, worker), 0);
    sound(&bench);
}

#[test]
fn a_question_that_can_not_be_read_or_stored_does_not_stop_the_others() {
    let bench = bench();
    let worker = bench.join();
    let torn = prepared(&bench, job("t"));
    prepared(&bench, job("t"));
    let damage = |tx: &mut crate::sqlite::Tx<'_, _>| {
        let sql = "UPDATE pyqueue_half SET question=x'ff' WHERE id=(SELECT min(id) FROM pyqueue_half)";
        Ok(tx.conn.execute(sql, []).unwrap())
    };
    bench.store.opened().unwrap().db.write(Durability::Normal, damage).unwrap();
    bench.env.pass(61.0);
    assert_eq!(asked(&bench, worker), 1);
    assert!(rolled_back(&bench, &torn));
}

#[test]
fn what_it_brings_along_follows_it() {
    let bench = bench();
    let worker = bench.join();
    let errbacks = vec![Errback { delay_us: None, job: job("then") }];
    let kept = prepared(&bench, NewJob { errbacks: errbacks.clone(), ..job("t") });
    let dropped = prepared(&bench, NewJob { errbacks, ..job("t") });
    rolled_back(&bench, &dropped);
    committed(&bench, &kept);
    let running = bench.claim(worker, 5).remove(0);
    bench.end(&running, Outcome::Failure(Failure::default()));
    assert_eq!(bench.claim(worker, 5)[0].task, "then");
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_errback"), 0);
    sound(&bench);
}

#[test]
fn an_id_that_names_nothing_prepared_settles_nothing() {
    let bench = bench();
    let plain = bench.add(job("t"));
    for id in [plain.as_str(), "nothing", "0017f000-0000-8000-8bd5-dacda2b3cac3"] {
        assert!(!committed(&bench, id) && !rolled_back(&bench, id));
    }
    assert_eq!(bench.state(&plain), "waiting");
}
