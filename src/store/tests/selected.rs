//! Many jobs at once, by what they are.

use super::*;
use crate::id::RowId;
use crate::job::State;

fn task(pattern: &str) -> Condition {
    Condition::Task(pattern.into(), true)
}

fn count(bench: &Bench, conditions: &[Condition]) -> usize {
    let rows = bench.store.select(conditions, RowId(0), 1_000_000).unwrap();
    assert_eq!(rows.len(), bench.store.count(conditions).unwrap());
    rows.len()
}

fn act(bench: &Bench, conditions: Vec<Condition>, act: Act) -> Acted {
    let acted = bench.store.act(conditions, act).unwrap();
    assert!(bench.store.examine().unwrap().is_empty(), "{:?}", bench.store.examine().unwrap());
    acted
}

fn done(done: usize) -> Acted {
    Acted { done, ..Acted::default() }
}

#[test]
fn jobs_are_found_by_each_condition_and_its_opposite() {
    let bench = bench();
    let worker = bench.join();
    bench.add(job("a.x"));
    assert_eq!(bench.claim(worker, 1).len(), 1);
    bench.env.pass(10.0);
    let now = bench.env.env().clock.wall_us();
    bench.add(NewJob { queue: "mail".into(), priority: 3, ..job("a.y") });
    bench.add(NewJob { dedup_key: Some("c7:1".into()), run_at_us: Some(now + 1_000_000), ..job("b") });
    let cases = [
        (task("a.*"), 2),
        (Condition::Task("a.*".into(), false), 1),
        (Condition::Queue("m*".into(), true), 1),
        (Condition::Queue("m*".into(), false), 2),
        (Condition::Key("c7:*".into(), true), 1),
        (Condition::Key("c7:*".into(), false), 2),
        (Condition::State(State::Running, true), 1),
        (Condition::State(State::Running, false), 2),
        (Condition::State(State::Delayed, true), 1),
        (Condition::Made(now, true), 2),
        (Condition::Made(now, false), 1),
        (Condition::Priority(1, true), 1),
        (Condition::Priority(1, false), 2),
        (Condition::Retries(1, true), 0),
        (Condition::Retries(1, false), 3),
    ];
    for (condition, expected) in cases {
        assert_eq!(count(&bench, std::slice::from_ref(&condition)), expected, "{condition:?}");
    }
    assert_eq!(count(&bench, &[task("a.*"), Condition::State(State::Waiting, true)]), 1);
    assert_eq!(count(&bench, &[]), 3);
}

#[test]
fn many_are_cancelled_in_steps_and_those_that_run_only_if_that_is_wanted() {
    let bench = bench();
    let worker = bench.join();
    bench.store.enqueue((0..1_203).map(|_| job("slow")).chain([job("other")]).collect()).unwrap();
    let running = bench.claim(worker, 3);
    let left = Acted { done: 1_200, running: 3, ..Acted::default() };
    assert_eq!(act(&bench, vec![task("slow")], Act::Cancel(None)), left);
    let asked = Acted { asked: 3, ..Acted::default() };
    assert_eq!(act(&bench, vec![task("slow")], Act::Cancel(Some((15, 1_000)))), asked);
    for job in &running {
        bench.end(job, Outcome::GivenBack);
        assert_eq!(bench.state(&job.id), "cancelled");
    }
    // Past the places that are empty, so many in a claim.
    assert!(bench.store.claim(ask(worker, 9)).unwrap().more);
    assert_eq!(bench.claim(worker, 9)[0].task, "other");
}

#[test]
fn moved_jobs_come_behind_those_in_line_and_before_those_that_come_later() {
    let bench = bench();
    let worker = bench.join();
    let mail = |task: &str| NewJob { queue: "mail".into(), ..job(task) };
    let ids: Vec<String> = ["m1", "m2", "other", "m3"].into_iter().map(|task| bench.add(job(task))).collect();
    bench.add(mail("first"));
    assert_eq!(act(&bench, vec![task("m*")], Act::Move("mail".into())), done(3));
    bench.add(mail("last"));
    let queues = bench.store.queues().unwrap();
    let waiting: Vec<_> = queues.iter().map(|queue| (queue.name.as_str(), queue.waiting)).collect();
    assert_eq!(waiting, [("default", 1), ("mail", 5)]);
    let of = |queue: &str| Ask { queues: Some(vec![queue.to_owned()].into()), ..ask(worker, 9) };
    let jobs = bench.store.claim(of("mail")).unwrap().jobs;
    let names: Vec<_> = jobs.iter().map(|job| (job.task.as_str(), job.queue.as_str())).collect();
    assert_eq!(names, ["first", "m1", "m2", "m3", "last"].map(|task| (task, "mail")));
    // Their ids are theirs, and their places are not given again although the head has not come by.
    assert_eq!(jobs[1].id, ids[0]);
    let ends = jobs.iter().map(|job| finish_of(job, success())).collect();
    bench.store.finish(ends, None).unwrap();
    assert!(bench.store.examine().unwrap().is_empty(), "{:?}", bench.store.examine().unwrap());
    assert_eq!(bench.state(&ids[3]), "success");
    let next = bench.add(job("next"));
    assert!(!ids.contains(&next));
    let rest = bench.store.claim(of("default")).unwrap().jobs;
    assert_eq!(rest.iter().map(|job| job.task.as_str()).collect::<Vec<_>>(), ["other", "next"]);
    assert_eq!(bench.sql("SELECT sum(spoken) FROM pyqueue_head"), 0);
    let moved = bench.store.queues().unwrap().into_iter().find(|queue| queue.name == "mail").unwrap();
    assert_eq!((moved.succeeded, moved.running), (5, 0));
}

#[test]
fn a_priority_is_changed_wherever_a_job_waits() {
    let bench = bench();
    let worker = bench.join();
    let now = bench.env.env().clock.wall_us();
    let ready = bench.add(job("t"));
    let later = bench.add(NewJob { run_at_us: Some(now + 1_000_000), ..job("t") });
    let parked = bench.add(job("held"));
    bench.store.pause(Scope::Task("held".into())).unwrap();
    let run = bench.add(job("runs"));
    bench.add(NewJob { priority: 1, ..job("middle") });
    bench.store.pause(Scope::Task("t".into())).unwrap();
    let first = bench.claim(worker, 2);
    assert_eq!(first.iter().map(|job| job.task.as_str()).collect::<Vec<_>>(), ["middle", "runs"]);
    let acted = act(&bench, vec![Condition::Priority(1, false)], Act::Priority(2));
    assert_eq!(acted, Acted { done: 3, running: 1, ..Acted::default() });
    bench.store.resume(Scope::Task("t".into())).unwrap();
    bench.store.resume(Scope::Task("held".into())).unwrap();
    bench.env.pass(2.0);
    bench.add(NewJob { priority: 1, ..job("late") });
    let order: Vec<(String, i8)> =
        bench.claim(worker, 9).into_iter().map(|job| (job.id, job.priority)).collect();
    assert_eq!(order.len(), 4);
    assert!([&ready, &later, &parked].iter().all(|id| order[..3].contains(&((*id).clone(), 2))));
    assert_eq!(order[3].1, 1);
    assert_eq!(bench.state(&run), "running");
}

#[test]
fn a_dedup_key_goes_along_unless_it_is_taken_there() {
    let bench = bench();
    let keyed = |queue: &str| NewJob { queue: queue.into(), dedup_key: Some("k".into()), ..job("t") };
    let here = bench.add(keyed("a"));
    let there = bench.add(keyed("b"));
    let a = || vec![Condition::Queue("a".into(), true)];
    assert_eq!(act(&bench, a(), Act::Move("b".into())), Acted { taken: 1, ..Acted::default() });
    assert_eq!(act(&bench, a(), Act::Move("c".into())), done(1));
    assert_eq!(bench.add(keyed("c")), here);
    assert_ne!(bench.add(keyed("a")), here);
    assert_ne!(there, here);
    assert!(bench.store.act(Vec::new(), Act::Move(String::new())).is_err());
}

#[test]
fn what_was_moved_can_be_moved_back_cancelled_and_expire_before_the_head_comes_by() {
    let bench = bench();
    let worker = bench.join();
    let now = bench.env.env().clock.wall_us();
    bench.add(job("front"));
    let back = bench.add(job("back"));
    let cancelled = bench.add(job("cancel"));
    let expired = bench.add(NewJob { expires_us: Some(now + 1_000_000), ..job("expire") });
    let not_front = || vec![Condition::Task("front".into(), false)];
    assert_eq!(act(&bench, not_front(), Act::Move("b".into())), done(3));
    assert_eq!(act(&bench, vec![task("back")], Act::Move("default".into())), done(1));
    assert!(bench.store.cancel(&cancelled).unwrap());
    bench.env.pass(2.0);
    bench.store.upkeep().unwrap();
    assert!(bench.store.examine().unwrap().is_empty(), "{:?}", bench.store.examine().unwrap());
    assert_eq!((bench.state(&cancelled), bench.state(&expired)), ("cancelled", "expired"));
    let new = bench.add(job("new"));
    assert!(![&back, &cancelled, &expired].contains(&&new));
    let order = bench.claim(worker, 9);
    assert_eq!(order.iter().map(|job| job.task.as_str()).collect::<Vec<_>>(), ["front", "back", "new"]);
    assert!(bench.store.examine().unwrap().is_empty());
}

#[test]
fn what_comes_while_many_are_changed_is_left_alone() {
    let bench = bench();
    bench.add(job("t"));
    bench.env.pass(1.0);
    // The one that was there goes behind this place, and is not met again.
    assert_eq!(act(&bench, vec![task("t")], Act::Priority(-5)), done(1));
    assert_eq!(act(&bench, vec![task("t")], Act::Priority(5)), done(1));
    assert_eq!(count(&bench, &[Condition::Priority(5, true)]), 1);
}

#[test]
fn what_is_moved_out_of_a_paused_queue_starts_in_the_other_one() {
    let bench = bench();
    let worker = bench.join();
    bench.store.enqueue(vec![job("t"), job("t")]).unwrap();
    let pattern = Scope::Fits(Pattern { queue: Some("def*".into()), ..Pattern::default() });
    bench.store.pause(pattern).unwrap();
    assert!(bench.claim(worker, 9).is_empty());
    assert_eq!(act(&bench, vec![task("t")], Act::Move("mail".into())), done(2));
    bench.store.let_out(Scope::Queue("mail".into()), Some(3_600_000_000)).unwrap();
    assert_eq!(bench.claim(worker, 9).len(), 1);
    // The other one waits for a turn in a queue that it leaves.
    bench.store.pause(Scope::Queue("mail".into())).unwrap();
    let waits = || vec![Condition::State(State::Parked, true)];
    assert_eq!(act(&bench, waits(), Act::Move("post".into())), done(1));
    let came = bench.claim(worker, 9);
    assert_eq!(came.iter().map(|job| job.queue.as_str()).collect::<Vec<_>>(), ["post"]);
    assert!(bench.store.examine().unwrap().is_empty());
}
