//! What claims and purges pass on their way: many places at once, in small transactions, and nobody forgotten.

use std::sync::atomic::AtomicU64;

use super::counting::{count_steps, steps};
use super::*;
use crate::id;

fn task(name: &str) -> Condition {
    Condition::Task(name.into(), true)
}

fn of(queue: &str, task: &str) -> NewJob {
    NewJob { queue: queue.into(), ..job(task) }
}

fn many(number: usize, new: &NewJob) -> Vec<NewJob> {
    vec![new.clone(); number]
}

fn sound(bench: &Bench) {
    assert_eq!(bench.store.examine().unwrap(), [""; 0]);
}

#[test]
fn a_purge_goes_on_behind_places_that_are_empty() {
    let bench = bench();
    bench.store.enqueue(many(400, &job("first"))).unwrap();
    bench.store.enqueue(many(300, &job("rest"))).unwrap();
    assert_eq!(bench.store.act(vec![task("first")], Act::Cancel(None)).unwrap().done, 400);
    assert_eq!(bench.store.purge("default").unwrap(), 300);
    assert_eq!(bench.store.queues().unwrap()[0].waiting, 0);
    sound(&bench);
}

#[test]
fn a_purge_looks_at_each_row_beside_the_line_once() {
    let bench = bench();
    let later = Some(bench.env.env().clock.wall_us() + 3_600_000_000);
    bench.store.enqueue(many(1_700, &NewJob { run_at_us: later, ..of("a", "t") })).unwrap();
    bench.store.enqueue(many(1_300, &NewJob { run_at_us: later, ..of("b", "t") })).unwrap();
    bench.store.enqueue(many(700, &of("b", "t"))).unwrap();
    assert_eq!(bench.store.purge("b").unwrap(), 2_000);
    let left: Vec<_> = bench.store.queues().unwrap().iter().map(|q| (q.waiting, q.delayed)).collect();
    assert_eq!(left, [(0, 1_700), (0, 0)]);
    sound(&bench);
}

#[test]
fn a_purge_takes_what_plain_sql_has_sent_once_it_is_taken_in() {
    let bench = bench();
    bench.add(job("t"));
    bench.write("INSERT INTO pyqueue_inbox(task, body) VALUES('t', X'5b5d')");
    bench.store.fold().unwrap();
    assert_eq!(bench.store.purge("default").unwrap(), 2);
    assert_eq!(bench.store.queues().unwrap()[0].waiting, 0);
}

/// Claims one job until one comes; after how many claims, and how many rows the largest took away from the table.
fn until_one(bench: &Bench, worker: i64) -> (usize, i64) {
    let rows = || {
        bench.sql("SELECT count(*) FROM pyqueue_job j WHERE j.id>ifnull((SELECT pos FROM pyqueue_head WHERE band=j.id>>43), 0)")
    };
    let (mut claims, mut most) = (0, 0);
    loop {
        let before = rows();
        let claimed = bench.store.claim(ask(worker, 1)).unwrap();
        claims += 1;
        most = most.max(before - rows());
        if !claimed.jobs.is_empty() {
            return (claims, most);
        }
        assert!(claimed.more, "nothing came, and nobody says that more is to be had");
    }
}

#[test]
fn a_claim_passes_so_many_places_that_are_empty_and_no_more() {
    for how in ["cancelled", "moved", "expired"] {
        let bench = bench();
        let worker = bench.join();
        let soon = (how == "expired").then(|| bench.env.env().clock.wall_us() + 1_000_000);
        bench.store.enqueue(many(5_000, &NewJob { expires_us: soon, ..job("t") })).unwrap();
        bench.add(job("last"));
        match how {
            "cancelled" => {
                bench.store.act(vec![task("t")], Act::Cancel(None)).unwrap();
            }
            "moved" => {
                bench.store.act(vec![task("t")], Act::Move("elsewhere".into())).unwrap();
                bench.store.pause(Scope::Queue("elsewhere".into())).unwrap();
            }
            _ => bench.env.pass(2.0),
        }
        let (claims, most) = until_one(&bench, worker);
        assert!((4..=9).contains(&claims) && most <= 2_100, "{how}: {claims} claims, {most} rows in one");
        sound(&bench);
    }
}

#[test]
fn other_queues_have_their_turn_while_many_jobs_are_set_aside() {
    let bench = bench();
    let worker = bench.join();
    bench.store.enqueue(many(10_000, &of("a", "slow"))).unwrap();
    bench.store.enqueue(many(5, &of("b", "quick"))).unwrap();
    bench.store.pause(Scope::Task("slow".into())).unwrap();
    let came: Vec<usize> = (0..12).map(|_| bench.claim(worker, 1).len()).collect();
    assert!(came.iter().sum::<usize>() >= 5, "{came:?}");
    sound(&bench);
}

#[test]
fn a_job_behind_a_gate_with_a_rate_is_not_kept_by_those_before_it_that_others_keep() {
    let bench = bench();
    let worker = bench.join();
    bench.store.pause(Scope::Task("t".into())).unwrap();
    for number in 0..50 {
        bench.add(NewJob { dedup_key: Some(format!("c7:{number}")), ..job("t") });
    }
    let free = bench.add(job("t"));
    bench.store.enqueue(many(3, &job("other"))).unwrap();
    assert_eq!(bench.claim(worker, 9).len(), 3);
    bench.store.pause(Scope::Fits(Pattern { key: Some("c7:*".into()), ..Pattern::default() })).unwrap();
    bench.store.let_out(Scope::Task("t".into()), Some(60_000_000)).unwrap();
    bench.store.enqueue(many(3, &job("other"))).unwrap();
    let claimed = bench.store.claim(ask(worker, 9)).unwrap();
    let ids: Vec<&String> = claimed.jobs.iter().map(|job| &job.id).collect();
    assert!(ids.len() == 4 && ids[0] == &free, "its turn had come: {:?}", claimed.jobs);
    sound(&bench);
}

#[test]
fn a_moved_job_leaves_the_list_of_a_gate_that_is_not_about_it_any_more() {
    let of_a = || Pattern { queue: Some("a*".into()), ..Pattern::default() };
    for (gate, waits) in [
        (Scope::Fits(of_a()), false),
        (Scope::Fits(Pattern { task: Some("t".into()), queue: None, key: None }), true),
        (Scope::Task("t".into()), true),
    ] {
        let bench = bench();
        let worker = bench.join();
        bench.store.pause(gate.clone()).unwrap();
        let id = bench.add(of("a", "t"));
        assert!(bench.claim(worker, 1).is_empty());
        assert_eq!(bench.state(&id), "parked");
        let acted = bench.store.act(vec![task("t")], Act::Move("b".into())).unwrap();
        assert_eq!(acted.done, 1);
        sound(&bench);
        assert_eq!(bench.claim(worker, 1).is_empty(), waits, "{gate:?}");
        bench.store.resume(gate).unwrap();
        assert_eq!(bench.claim(worker, 1).is_empty(), !waits);
        sound(&bench);
    }
    // The same where that gate is open and lets jobs out at a rate.
    let bench = bench();
    let worker = bench.join();
    bench.store.let_out(Scope::Queue("a".into()), Some(3_600_000_000)).unwrap();
    bench.store.enqueue(many(3, &of("a", "t"))).unwrap();
    assert_eq!(bench.claim(worker, 3).len(), 1);
    assert_eq!(bench.store.act(vec![task("t")], Act::Move("b".into())).unwrap().done, 2);
    assert_eq!(bench.claim(worker, 3).len(), 2);
    sound(&bench);
}

#[test]
fn a_key_that_is_free_by_now_keeps_no_job_from_moving() {
    let bench = bench();
    let keyed = |queue: &str| NewJob { dedup_key: Some("k".into()), ..of(queue, "t") };
    let soon = bench.env.env().clock.wall_us() + 1_000_000;
    bench.add(NewJob { expires_us: Some(soon), ..keyed("b") });
    bench.add(keyed("a"));
    bench.env.pass(2.0);
    let of_a = || vec![Condition::Queue("a".into(), true)];
    assert_eq!(
        bench.store.act(of_a(), Act::Move("b".into())).unwrap(),
        Acted { done: 1, ..Acted::default() }
    );
    sound(&bench);
}

#[test]
fn what_was_made_before_the_clock_was_set_back_is_meant_too() {
    let bench = bench();
    bench.env.step_wall(365 * 86_400);
    bench.store.enqueue(many(3, &job("t"))).unwrap();
    bench.env.step_wall(-365 * 86_400);
    assert_eq!(bench.store.act(vec![task("t")], Act::Cancel(None)).unwrap().done, 3);
}

#[test]
fn expired_jobs_that_nobody_claims_go_without_a_pause_between_the_steps() {
    let bench = bench();
    let worker = bench.join();
    let soon = Some(bench.env.env().clock.wall_us() + 1_000_000);
    bench.store.enqueue(many(600, &NewJob { expires_us: soon, ..job("runs") })).unwrap();
    assert_eq!(bench.claim(worker, 600).len(), 600);
    bench.store.pause(Scope::Task("t".into())).unwrap();
    bench.store.enqueue(many(1_200, &NewJob { expires_us: soon, ..job("t") })).unwrap();
    bench.env.pass(2.0);
    let mut steps = 0;
    while bench.store.upkeep().unwrap().more {
        steps += 1;
        assert!(steps < 10);
    }
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job WHERE mark<>2"), 600);
    assert_eq!(bench.sql("SELECT sum(jobs) FROM pyqueue_lease"), 600);
}

#[test]
fn the_last_queue_of_all_is_counted_as_any_other() {
    let bench = bench();
    bench.add(job("t"));
    bench.write("UPDATE pyqueue_queue SET num=4095");
    bench.write("DELETE FROM pyqueue_job");
    bench.write("UPDATE pyqueue_head SET pos=pos+1 WHERE band=-2");
    let last = |task: &str| NewJob { priority: -128, ..job(task) };
    bench.add(last("stays"));
    let id = bench.add(last("goes"));
    assert_eq!(id::queue_of(id::PublicId::parse(&id).unwrap().row.band()), 4095);
    assert!(bench.store.cancel(&id).unwrap());
    sound(&bench);
    bench.store.prepare(last("half"), job("asks"), 1_000_000).unwrap();
    assert_eq!(bench.store.queues().unwrap()[0].prepared, 1);
    assert_eq!(bench.sql("SELECT prepared FROM pyqueue_queues_v1"), 1);
    let worker = bench.join();
    let jobs = bench.claim(worker, 9);
    assert_eq!(jobs.len(), 1);
    bench.end(&jobs[0], Outcome::GivenBack);
    sound(&bench);
}

static STEPS: AtomicU64 = AtomicU64::new(0);

fn count_writer(bench: &Bench, on: bool) {
    let db = &bench.store.opened().unwrap().db;
    let work = move |tx: &mut crate::sqlite::Tx<'_, rules::Rules>| {
        count_steps(tx.conn, on.then_some(&STEPS));
        Ok(())
    };
    db.write(Durability::Normal, work).unwrap();
}

#[test]
fn statistics_of_a_file_that_was_nearly_empty_mislead_nobody() {
    let bench = bench();
    let worker = bench.join();
    bench.add(job("t"));
    bench.end(&bench.claim(worker, 1)[0], success());
    bench.write("ANALYZE");
    bench.store.enqueue(many(1_000, &job("t"))).unwrap();
    let mut jobs = bench.claim(worker, 1_000);
    bench.store.finish(jobs.iter().map(|job| finish_of(job, success())).collect(), None).unwrap();
    let last = jobs.remove(999);
    count_writer(&bench, true);
    let spent = steps(&STEPS, || assert_eq!(bench.end(&last, success()), Finished::Again));
    count_writer(&bench, false);
    assert!(spent < 2_000.0, "one of 1,000 rows of the history is found in {spent} steps");
}
