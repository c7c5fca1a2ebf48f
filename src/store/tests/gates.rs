//! Pauses by pattern, rates, and jobs that give way.

use super::*;
use crate::job::{Beside, Log};

const TERM: i32 = 15;

fn fits(task: Option<&str>, queue: Option<&str>, key: Option<&str>) -> Scope {
    Scope::Fits(Pattern {
        task: task.map(str::to_owned),
        queue: queue.map(str::to_owned),
        key: key.map(str::to_owned),
    })
}

fn task(name: &str) -> Scope {
    Scope::Task(name.into())
}

fn names(jobs: &[ClaimedJob]) -> Vec<&str> {
    jobs.iter().map(|job| job.task.as_str()).collect()
}

#[test]
fn what_fits_a_pattern_waits_and_so_do_those_that_come_later() {
    let bench = bench();
    let worker = bench.join();
    let keyed = |key: &str| NewJob { dedup_key: Some(key.into()), ..job("pay") };
    for each in [job("report.a"), job("mail"), keyed("c7:1"), keyed("c8:1")] {
        bench.add(each);
    }
    bench.store.pause(fits(Some("report.*"), None, None)).unwrap();
    bench.store.pause(fits(None, None, Some("c7:*"))).unwrap();
    let later = bench.add(job("report.b"));
    assert_eq!(names(&bench.claim(worker, 10)), ["mail", "pay"]);
    let why = bench.store.why(&later).unwrap();
    assert!(why.starts_with("What fits task=report.* is paused"), "{why}");
    let gates = bench.store.gates().unwrap();
    let seen: Vec<_> = gates.iter().map(|gate| (gate.shut, gate.waiting)).collect();
    assert_eq!(seen, [(true, 1), (true, 2)]);
    bench.store.resume(fits(Some("report.*"), None, None)).unwrap();
    assert_eq!(names(&bench.claim(worker, 10)), ["report.a", "report.b"]);
    assert!(bench.store.examine().unwrap().is_empty());
    let nothing = bench.store.pause(fits(None, None, None)).unwrap_err().to_string();
    assert!(nothing.contains("task, queue or key"), "{nothing}");
}

#[test]
fn a_job_behind_two_gates_waits_for_both() {
    let bench = bench();
    let worker = bench.join();
    bench.add(job("report.a"));
    bench.store.pause(task("report.a")).unwrap();
    bench.store.pause(fits(Some("report.*"), None, None)).unwrap();
    assert!(bench.claim(worker, 1).is_empty());
    bench.store.resume(task("report.a")).unwrap();
    assert!(bench.claim(worker, 1).is_empty());
    bench.store.let_out(fits(Some("report.*"), None, None), Some(1_000_000)).unwrap();
    assert_eq!(bench.claim(worker, 1).len(), 1);
}

#[test]
fn who_paused_it_and_why_is_kept_until_it_is_resumed() {
    let bench = bench();
    let id = bench.add(job("report"));
    let hold = |author: &str, reason: Option<&str>| Hold {
        author: Some(author.into()),
        reason: reason.map(str::to_owned),
        running: None,
    };
    bench.store.hold(task("report"), hold("ana", Some("bad release"))).unwrap();
    let since = bench.store.gates().unwrap()[0].since_us;
    bench.env.pass(90.0);
    bench.store.hold(task("report"), hold("ben", None)).unwrap();
    let gate = bench.store.gates().unwrap().remove(0);
    assert_eq!(
        (gate.since_us, gate.author.as_deref(), gate.reason.as_deref()),
        (since, Some("ben"), Some("bad release"))
    );
    assert_eq!(bench.store.why(&id).unwrap(), "The task report is paused for 90 s by ben: bad release.");
    assert!(bench.store.let_out(task("report"), None).unwrap());
    assert!(!bench.store.let_out(task("report"), None).unwrap(), "it was open");
    assert!(bench.store.gates().unwrap().is_empty());
    bench.store.pause(task("report")).unwrap();
    assert_eq!(bench.store.gates().unwrap()[0].author, None);
}

/// Claims every `step` seconds for so many steps; how many came.
fn drain(bench: &Bench, worker: i64, step: f64, steps: usize) -> usize {
    let mut came = 0;
    for _ in 0..steps {
        let jobs = bench.claim(worker, 64);
        came += jobs.len();
        let ends = jobs.iter().map(|job| finish_of(job, success())).collect();
        bench.store.finish(ends, None).unwrap();
        bench.env.pass(step);
    }
    came
}

#[test]
fn a_rate_holds_whatever_else_comes_and_however_late_the_claims_are() {
    // A claim at each of these intervals (s), and jobs a second.
    for (step, rate) in [(0.001, 50), (0.05, 50), (0.4, 7), (0.9, 3)] {
        let bench = bench();
        let worker = bench.join();
        bench.store.pause(task("slow")).unwrap();
        bench.store.enqueue((0..300).map(|_| job("slow")).collect()).unwrap();
        while bench.store.claim(ask(worker, 1)).unwrap().more {}
        bench.store.let_out(task("slow"), Some(1_000_000 / rate)).unwrap();
        let seconds = 3.6;
        let steps = (seconds / step) as usize;
        let came = drain(&bench, worker, step, steps) as f64;
        let due = seconds * rate as f64;
        assert!(
            (came - due).abs() <= 1.0 + step * rate as f64,
            "{came} in {seconds} s at {rate}/s, looked each {step} s"
        );
        // New ones wait for their turn behind the others, and others are not kept up.
        bench.add(NewJob { priority: 5, ..job("quick") });
        bench.add(job("slow"));
        assert_eq!(names(&bench.claim(worker, 1)), ["quick"]);
        bench.store.resume(task("slow")).unwrap();
        assert_eq!(drain(&bench, worker, 0.0, 20) + came as usize, 301);
        assert!(bench.store.examine().unwrap().is_empty());
    }
}

#[test]
fn a_claim_says_when_the_next_turn_comes() {
    let bench = bench();
    let worker = bench.join();
    bench.store.let_out(task("slow"), Some(12_000_000)).unwrap();
    let ids: Vec<String> = (0..3).map(|_| bench.add(job("slow"))).collect();
    let first = bench.store.claim(ask(worker, 10)).unwrap();
    let now = bench.env.env().clock.wall_us();
    assert_eq!((first.jobs.len(), first.next_us), (1, Some(now + 12_000_000)));
    let why = bench.store.why(&ids[2]).unwrap();
    assert_eq!(
        why,
        "The task slow is let out one in 12 s; jobs before it: 1, so that its turn comes in about 12 s."
    );
    bench.env.pass(11.9);
    assert!(bench.claim(worker, 10).is_empty());
    bench.env.pass(0.2);
    assert_eq!(bench.claim(worker, 10).len(), 1);
    // What was not taken in time is made up for, but not without end.
    bench.store.enqueue((0..5).map(|_| job("slow")).collect()).unwrap();
    bench.env.pass(3600.0);
    assert_eq!(bench.claim(worker, 10).len(), 1);
}

#[test]
fn a_job_goes_through_all_gates_with_a_rate_or_none() {
    let bench = bench();
    let worker = bench.join();
    bench.store.let_out(task("slow"), Some(1_000_000)).unwrap();
    bench.store.let_out(Scope::Queue("default".into()), Some(3_000_000)).unwrap();
    bench.store.enqueue((0..10).map(|_| job("slow")).chain((0..10).map(|_| job("other"))).collect()).unwrap();
    let came = drain(&bench, worker, 0.5, 24);
    assert!((4..=5).contains(&came), "12 s, one in 3 s: {came}");
    assert!(bench.store.examine().unwrap().is_empty());
}

#[test]
fn a_turn_that_the_first_may_not_take_is_the_next_ones() {
    let bench = bench();
    let worker = bench.join();
    bench.store.let_out(task("slow"), Some(3_600_000_000)).unwrap();
    let keyed = NewJob { dedup_key: Some("c7:1".into()), ..job("slow") };
    bench.store.enqueue(vec![job("slow"), keyed, job("slow")]).unwrap();
    assert_eq!(bench.claim(worker, 9).len(), 1);
    bench.store.pause(fits(None, None, Some("c7:*"))).unwrap();
    bench.store.pause(task("held")).unwrap();
    bench.env.pass(3_600.0);
    bench.store.enqueue(["other", "held", "last"].map(job).into()).unwrap();
    assert_eq!(names(&bench.claim(worker, 3)), ["slow", "other", "last"]);
    assert!(bench.store.examine().unwrap().is_empty());
}

#[test]
fn a_shut_gate_keeps_its_rate_for_later() {
    let bench = bench();
    let worker = bench.join();
    bench.store.pause(task("slow")).unwrap();
    bench.store.meter(task("slow"), Some(1_000_000)).unwrap();
    bench.store.enqueue((0..3).map(|_| job("slow")).collect()).unwrap();
    assert!(bench.claim(worker, 3).is_empty());
    assert_eq!(bench.store.gates().unwrap()[0].rate_us, Some(1_000_000));
    assert!(bench.store.let_out(task("slow"), Some(1_000_000)).unwrap());
    assert_eq!(bench.claim(worker, 3).len(), 1);
    bench.store.meter(task("slow"), None).unwrap();
    assert_eq!(bench.claim(worker, 3).len(), 2);
    assert!(bench.store.let_out(task("slow"), Some(0)).is_err());
}

fn give_way(bench: &Bench, scope: Scope) -> usize {
    let how = Hold { running: Some((TERM, 1_000)), ..Hold::default() };
    bench.store.hold(scope, how).unwrap()
}

#[test]
fn a_job_that_gives_way_comes_again_and_its_attempt_does_not_count() {
    let lost = || Outcome::Lost { reason: "its child was killed".into(), charged: true };
    let failed = || Outcome::Failure(Failure { error: "E".into(), ..Failure::default() });
    for outcome in [success(), failed(), retry(0), retry(5), lost(), Outcome::GivenBack] {
        let bench = bench();
        let worker = bench.join();
        let ids: Vec<String> =
            [job("slow"), job("other"), job("slow")].into_iter().map(|job| bench.add(job)).collect();
        let jobs = bench.claim(worker, 3);
        assert_eq!(give_way(&bench, task("slow")), 2);
        let wishes = bench.store.wishes().unwrap();
        assert!(wishes.iter().all(|wish| wish.then == Then::Back));
        for job in &jobs {
            let end = if job.task == "slow" { outcome.clone() } else { success() };
            let then = vec![super::job("after")];
            let beside = Some(Box::new(Beside {
                log: Some(Log { dropped: 0, text: b"line".to_vec() }),
                ..Beside::default()
            }));
            let (answers, _) =
                bench.store.finish(vec![Finish { then, beside, ..finish_of(job, end) }], None).unwrap();
            assert_eq!(answers, [Finished::Done]);
        }
        assert!(bench.store.wishes().unwrap().is_empty());
        let succeeded = matches!(outcome, Outcome::Success(_));
        let logs = bench.sql("SELECT count(*) FROM pyqueue_log");
        assert_eq!(logs, if succeeded { 3 } else { 1 }, "nothing is kept of it");
        let follow = bench.sql("SELECT count(*) FROM pyqueue_job WHERE task='after'");
        assert_eq!(follow, if succeeded { 3 } else { 1 }, "nothing follows an attempt that gave way");
        assert!(bench.claim(worker, 9).iter().all(|job| job.task == "after"));
        bench.store.resume(task("slow")).unwrap();
        let again = bench.claim(worker, 9);
        if succeeded {
            assert!(again.is_empty());
            continue;
        }
        assert_eq!(again.iter().map(|job| &job.id).collect::<Vec<_>>(), [&ids[0], &ids[2]], "{outcome:?}");
        assert!(again.iter().all(|job| (job.attempt, job.retries) == (1, 0)));
        assert!(bench.store.attempts(&ids[0]).unwrap().is_empty());
        assert!(bench.store.examine().unwrap().is_empty());
    }
}

#[test]
fn what_its_worker_took_along_gives_way_too_and_what_was_revoked_does_not() {
    let bench = bench();
    let worker = bench.join();
    let ids: Vec<String> = (0..2).map(|_| bench.add(job("slow"))).collect();
    let jobs = bench.claim(worker, 2);
    bench.store.revoke(&ids[0], TERM, 1_000).unwrap();
    assert_eq!(give_way(&bench, task("slow")), 2);
    bench.store.revoke(&ids[0], TERM, 1_000).unwrap();
    let running = jobs.iter().map(|job| (job.row, true)).collect();
    bench.store.reap(worker, Evidence::Page(running), "it died").unwrap();
    assert_eq!((bench.state(&ids[0]), bench.state(&ids[1])), ("cancelled", "waiting"));
    bench.store.resume(task("slow")).unwrap();
    let again = bench.claim(bench.join(), 2);
    assert_eq!((again.len(), again[0].attempt), (1, 1));
}

#[test]
fn a_run_of_a_paused_task_is_set_aside_up_to_what_is_none_of_it() {
    let bench = bench();
    let worker = bench.join();
    bench.store.pause(task("slow")).unwrap();
    let expires_us = Some(bench.env.env().clock.wall_us() + 1_000_000);
    let slow = |many: usize| bench.store.enqueue((0..many).map(|_| job("slow")).collect()).unwrap();
    slow(4_500);
    let gone = bench.add(job("slow"));
    slow(700);
    assert!(bench.store.cancel(&gone).unwrap());
    bench.add(job("first"));
    slow(10);
    let late = bench.add(NewJob { expires_us, ..job("slow") });
    slow(10);
    bench.add(job("second"));
    slow(10);
    bench.env.pass(2.0);
    let mut came = Vec::new();
    loop {
        let claimed = bench.store.claim(ask(worker, 10)).unwrap();
        came.extend(names(&claimed.jobs).into_iter().map(str::to_owned));
        if !claimed.more {
            break;
        }
    }
    assert_eq!(came, ["first", "second"]);
    assert_eq!(bench.state(&late), "expired");
    assert_eq!(bench.store.gates().unwrap()[0].waiting, 5_230);
    assert!(bench.store.examine().unwrap().is_empty());
    bench.store.resume(task("slow")).unwrap();
    let out = bench.claim(worker, 10_000);
    assert_eq!(out.len(), 5_230);
    assert!(out.windows(2).all(|pair| pair[0].row < pair[1].row));
    assert!(bench.store.examine().unwrap().is_empty());
}
