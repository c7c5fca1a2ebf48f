//! Jobs that people set aside, cancel, list, keep and do once more.

use std::collections::HashSet;

use super::*;

#[test]
fn a_job_of_an_unknown_task_waits_for_a_worker_that_knows_it() {
    let bench = bench();
    let strange = bench.add(job("strange"));
    let plain = bench.add(job("plain"));
    let worker = bench.join();
    let knows = |names: &[&str]| Ask {
        tasks: Some(Arc::new(names.iter().map(|name| (*name).to_owned()).collect::<HashSet<_>>())),
        ..ask(worker, 10)
    };
    let jobs = bench.store.claim(knows(&["plain"])).unwrap().jobs;
    assert_eq!(jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&plain]);
    assert_eq!(bench.state(&strange), "parked");
    assert!(bench.store.why(&strange).unwrap().contains("No worker that knows the task strange"));
    let jobs = bench.store.claim(knows(&["strange", "plain"])).unwrap().jobs;
    assert_eq!(jobs[0].id, strange);
    assert_eq!(bench.store.queues().unwrap()[0].parked, 0);
}

#[test]
fn a_paused_task_is_parked_and_comes_back_in_order() {
    let bench = bench();
    let ids: Vec<String> =
        (0..5).map(|at| bench.add(job(if at % 2 == 0 { "slow" } else { "fast" }))).collect();
    bench.store.pause(Scope::Task("slow".into())).unwrap();
    let worker = bench.join();
    let jobs = bench.claim(worker, 10);
    assert_eq!(jobs.len(), 2);
    assert_eq!(bench.store.queues().unwrap()[0].parked, 3);
    for job in &jobs {
        bench.end(job, success());
    }
    bench.store.resume(Scope::Task("slow".into())).unwrap();
    let back: Vec<String> = bench.claim(worker, 10).into_iter().map(|job| job.id).collect();
    assert_eq!(back, [ids[0].clone(), ids[2].clone(), ids[4].clone()]);
}

#[test]
fn a_paused_queue_stands_still() {
    let bench = bench();
    bench.add(NewJob { queue: "mail".into(), ..job("t") });
    bench.store.pause(Scope::Queue("mail".into())).unwrap();
    let worker = bench.join();
    assert!(bench.claim(worker, 1).is_empty());
    assert!(bench.store.queues().unwrap()[0].paused);
    bench.store.resume(Scope::Queue("mail".into())).unwrap();
    assert_eq!(bench.claim(worker, 1).len(), 1);
}

#[test]
fn a_cancelled_tail_keeps_its_place() {
    let bench = bench();
    let first = bench.add(job("t"));
    let second = bench.add(job("t"));
    assert!(bench.store.cancel(&second).unwrap());
    let third = bench.add(job("t"));
    assert_ne!(second, third);
    assert_eq!(bench.state(&second), "cancelled");
    let worker = bench.join();
    let jobs = bench.claim(worker, 10);
    assert_eq!(jobs.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), [first, third]);
    assert!(!bench.store.cancel(&jobs[0].id).unwrap());
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job WHERE mark=2"), 0);
}

#[test]
fn history_keeps_to_its_bounds_and_keeps_failures_longer() {
    let bench = bench_with(Options { history_count: 100, ..options() });
    let worker = bench.join();
    let failed = bench.add(job("t"));
    let failing = bench.claim(worker, 1).remove(0);
    bench.end(&failing, Outcome::Failure(Failure { error: "E".into(), ..Failure::default() }));
    let mut last = String::new();
    for _ in 0..50 {
        for _ in 0..20 {
            last = bench.add(NewJob {
                alias: Some(format!(
                    "a{}",
                    bench.sql("SELECT ifnull(max(seq), 0) FROM pyqueue_history") * 100
                        + bench.sql("SELECT count(*) FROM pyqueue_job")
                )),
                ..job("t")
            });
        }
        let ends = bench.claim(worker, 20).iter().map(|job| finish_of(job, success())).collect();
        bench.store.finish(ends, None).unwrap();
    }
    let kept = bench.sql("SELECT count(*) FROM pyqueue_history");
    assert!((100..=160).contains(&kept), "{kept}");
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_alias"), kept - 1);
    assert_eq!((bench.state(&failed), bench.state(&last)), ("failed", "success"));
    bench.env.pass(31.0 * 86_400.0);
    while bench.store.upkeep().unwrap().more {}
    // The newest row stays, so that sequence numbers go on.
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_history"), 1);
    assert_eq!(bench.state(&failed), "unknown");
}

#[test]
fn purge_takes_everything_that_is_in_line() {
    let bench = bench();
    let worker = bench.join();
    for at in 0..30 {
        let run_at = (at % 3 == 0).then(|| bench.env.env().clock.wall_us() + 1_000_000);
        bench.add(NewJob { run_at_us: run_at, queue: "mail".into(), ..job("t") });
    }
    let kept = bench.add(job("t"));
    let running = bench
        .store
        .claim(Ask { queues: Some(Arc::from(["mail".to_owned()])), ..ask(worker, 1) })
        .unwrap()
        .jobs;
    assert_eq!(bench.store.purge("mail").unwrap(), 29);
    assert_eq!(bench.state(&kept), "waiting");
    assert_eq!(bench.end(&running[0], success()), Finished::Done);
    let queues = bench.store.queues().unwrap();
    let mail = queues.iter().find(|queue| queue.name == "mail").unwrap();
    assert_eq!((mail.waiting, mail.delayed, mail.running), (0, 0, 0));
    assert_eq!((mail.failed, mail.revoked), (0, 29));
}

#[test]
fn progress_is_fenced_and_ends_with_the_attempt() {
    let bench = bench();
    let ids: Vec<String> = (0..3).map(|_| bench.add(job("t"))).collect();
    let worker = bench.join();
    let jobs = bench.claim(worker, 3);
    bench.store.progress(jobs[1].row, jobs[1].token, "HALFWAY", b"50").unwrap();
    let told = |bench: &Bench| bench.store.view(&ids[1]).unwrap().progress;
    assert_eq!(told(&bench), Some(("HALFWAY".into(), b"50".to_vec())));
    bench.end(&jobs[1], retry(0));
    assert_eq!(told(&bench), None);
    assert!(bench.store.progress(jobs[1].row, jobs[1].token, "LATE", b"").is_err());
    bench.store.progress(jobs[0].row, jobs[0].token, "HALFWAY", b"").unwrap();
    bench.store.finish([0, 2].map(|at| finish_of(&jobs[at], success())).to_vec(), None).unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_progress"), 0);
}

#[test]
fn a_failed_job_is_listed_shown_replayed_and_forgotten() {
    let bench = bench();
    let worker = bench.join();
    let parked = bench.add(job("strange"));
    let failed = bench.add(NewJob { queue: "mail".into(), ..job("t") });
    let tasks = Some(Arc::new(HashSet::from(["t".to_owned()])));
    let claimed = bench.store.claim(Ask { tasks, ..ask(worker, 5) }).unwrap().jobs.remove(0);
    bench.end(&claimed, Outcome::Failure(Failure { error: "E".into(), ..Failure::default() }));
    let list = |state| {
        let filter = Filter { state, limit: 10, ..Filter::default() };
        bench.store.jobs(&filter).unwrap().into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    use crate::job::State;
    assert_eq!(list(Some(State::Failed)), std::slice::from_ref(&failed));
    assert_eq!(list(Some(State::Parked)), std::slice::from_ref(&parked));
    assert_eq!(list(None).len(), 2);
    let shown = bench.store.show(&failed).unwrap().unwrap();
    assert_eq!((shown.queue.as_str(), shown.payload.unwrap().body.as_slice()), ("mail", b"[]".as_slice()));
    let again = bench.store.replay(&failed).unwrap().unwrap();
    assert_eq!((bench.state(&failed), bench.state(&again)), ("failed", "waiting"));
    assert_eq!(bench.store.replay(&parked).unwrap(), None);
    assert!(bench.store.forget(&failed).unwrap() && !bench.store.forget(&failed).unwrap());
    assert!(!bench.store.forget(&parked).unwrap(), "what has not ended is not forgotten");
    assert_eq!(bench.state(&failed), "unknown");
    assert!(list(Some(State::Failed)).is_empty());
}

#[test]
fn a_list_has_the_newest_of_all_queues() {
    let bench = bench();
    bench.add(NewJob { queue: "first".into(), ..job("t") });
    bench.add(NewJob { queue: "second".into(), ..job("t") });
    bench.env.pass(1.0);
    let newest = bench.add(NewJob { queue: "first".into(), ..job("t") });
    let filter = Filter { limit: 1, ..Filter::default() };
    assert_eq!(bench.store.jobs(&filter).unwrap()[0].id, newest);
}

#[test]
fn the_last_queue_at_the_lowest_priority_is_served_and_counted() {
    let bench = bench();
    bench.add(job("t"));
    bench
        .store
        .write(Durability::Normal, |change| {
            change.conn.execute("INSERT INTO pyqueue_queue(num, name) VALUES(4095, 'last')", [])?;
            super::super::rules::changed(change)
        })
        .unwrap();
    let ids = [-128, 127].map(|priority| bench.add(NewJob { queue: "last".into(), priority, ..job("t") }));
    assert_eq!(bench.store.queues().unwrap().iter().map(|queue| queue.waiting).sum::<i64>(), 3);
    let last = Some(Arc::from(vec!["last".to_owned()]));
    let asked = Ask { queues: last, ..ask(bench.join(), 10) };
    let claimed: Vec<String> = bench.store.claim(asked).unwrap().jobs.into_iter().map(|job| job.id).collect();
    assert_eq!(claimed, [ids[1].clone(), ids[0].clone()]);
    bench.add(NewJob { queue: "last".into(), priority: -128, ..job("t") });
    assert_eq!(bench.store.purge("last").unwrap(), 1);
}

#[test]
fn a_queue_shows_when_its_oldest_job_in_line_was_made() {
    let bench = bench();
    let oldest = |bench: &Bench| bench.store.queues().unwrap()[0].oldest_us;
    let later = Some(bench.env.env().clock.wall_us() + 3_600_000_000);
    bench.add(NewJob { run_at_us: later, ..job("t") });
    assert_eq!(oldest(&bench), None, "a delayed job is not in line");
    let made: Vec<i64> = [-5, 0, 5]
        .into_iter()
        .map(|priority| {
            bench.env.pass(1.0);
            bench.add(NewJob { priority, ..job("t") });
            bench.env.env().clock.wall_us()
        })
        .collect();
    assert_eq!(oldest(&bench), Some(made[0]), "it has the lowest priority");
    let worker = bench.join();
    let first = bench.claim(worker, 1);
    assert_eq!(oldest(&bench), Some(made[0]));
    let rest = bench.claim(worker, 2);
    assert_eq!(oldest(&bench), None, "all are running");
    bench.env.pass(1.0);
    bench.add(job("t"));
    let newest = bench.env.env().clock.wall_us();
    assert_eq!(oldest(&bench), Some(newest));
    bench.end(&rest[0], Outcome::GivenBack);
    assert_eq!(oldest(&bench), Some(made[1]), "one that is given back is older than what came since");
    bench.end(&first[0], Outcome::GivenBack);
    assert_eq!(oldest(&bench), Some(made[1]));
}
