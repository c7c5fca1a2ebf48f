use std::collections::{HashMap, HashSet};

use super::*;
use crate::job::Failure;

fn success() -> Outcome {
    Outcome::Success(Some(Payload { content_type: None, body: b"5".to_vec() }))
}

fn retry(seconds: i64) -> Outcome {
    Outcome::Retry {
        delay_us: seconds * 1_000_000,
        payload: None,
        failure: Failure { error: "E".into(), ..Failure::default() },
    }
}

fn lost() -> Outcome {
    Outcome::Lost { reason: "signal 9".into(), charged: true }
}

#[test]
fn a_job_goes_from_enqueue_to_result() {
    let bench = bench();
    let id = bench.add(job("add"));
    assert_eq!(bench.state(&id), "waiting");
    let worker = bench.join();
    let jobs = bench.claim(worker, 10);
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].id.as_str(), jobs[0].task.as_str(), jobs[0].attempt), (id.as_str(), "add", 1));
    assert_eq!(bench.state(&id), "running");
    assert_eq!(bench.end(&jobs[0], success()), Finished::Done);
    let view = bench.store.view(&id).unwrap();
    assert_eq!(view.state.name(), "success");
    assert_eq!(view.result.unwrap().body, b"5");
    assert_eq!(bench.end(&jobs[0], success()), Finished::Again);
    assert_eq!(bench.end(&jobs[0], lost()), Finished::LeaseLost);
    assert!(bench.claim(worker, 10).is_empty());
    let queue = &bench.store.queues().unwrap()[0];
    assert_eq!((queue.waiting, queue.running, queue.succeeded), (0, 0, 1));
}

#[test]
fn higher_priority_runs_first_and_equals_in_order() {
    let bench = bench();
    let low = bench.add(NewJob { priority: -5, ..job("t") });
    let first = bench.add(job("t"));
    let second = bench.add(job("t"));
    let high = bench.add(NewJob { priority: 127, ..job("t") });
    let ids: Vec<String> = bench.claim(bench.join(), 10).into_iter().map(|job| job.id).collect();
    assert_eq!(ids, [high, first, second, low]);
}

#[test]
fn any_subset_of_a_claim_is_finished_in_any_order() {
    let bench = bench();
    let ids: Vec<String> = (0..20).map(|_| bench.add(job("t"))).collect();
    let worker = bench.join();
    let jobs = bench.claim(worker, 20);
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_lease"), 1);
    for at in [7, 0, 19, 8, 3] {
        assert_eq!(bench.end(&jobs[at], success()), Finished::Done);
    }
    let rest: Vec<Finish> = (0..20).rev().map(|at| finish_of(&jobs[at], success())).collect();
    let answers = bench.store.finish(rest, None).unwrap().0;
    assert_eq!(answers.iter().filter(|answer| **answer == Finished::Again).count(), 5);
    assert_eq!(answers.iter().filter(|answer| **answer == Finished::Done).count(), 15);
    assert_eq!(
        bench.sql("SELECT count(*) FROM pyqueue_lease") + bench.sql("SELECT count(*) FROM pyqueue_job"),
        0
    );
    assert!(ids.iter().all(|id| bench.state(id) == "success"));
}

#[test]
fn a_delayed_job_is_never_early() {
    let bench = bench();
    let at = bench.env.env().clock.wall_us() + 10_000_000;
    let id = bench.add(NewJob { run_at_us: Some(at), ..job("t") });
    let worker = bench.join();
    let claimed = bench.store.claim(ask(worker, 1)).unwrap();
    assert!(claimed.jobs.is_empty());
    assert_eq!((claimed.next_us, bench.state(&id)), (Some(at), "delayed"));
    bench.env.pass(9.9);
    assert!(bench.claim(worker, 1).is_empty());
    bench.env.pass(0.2);
    let jobs = bench.claim(worker, 1);
    assert_eq!(jobs[0].id, id);
    assert_eq!(bench.end(&jobs[0], success()), Finished::Done);
    assert_eq!(bench.store.queues().unwrap()[0].succeeded, 1);
}

#[test]
fn a_retry_comes_back_after_its_delay_and_counts() {
    let bench = bench();
    let id = bench.add(job("t"));
    let worker = bench.join();
    let first = bench.claim(worker, 1).remove(0);
    bench.end(&first, retry(5));
    assert_eq!(bench.state(&id), "retrying");
    assert!(bench.claim(worker, 1).is_empty());
    bench.env.pass(5.1);
    let second = bench.claim(worker, 1).remove(0);
    assert_eq!((second.attempt, second.retries), (2, 1));
    assert!(second.token > first.token);
    assert_eq!(bench.end(&first, success()), Finished::LeaseLost);
    bench.end(&second, success());
    let outcomes: Vec<_> = bench.store.attempts(&id).unwrap().into_iter().map(|end| end.outcome).collect();
    assert_eq!(outcomes, ["retry", "success"]);
}

#[test]
fn a_job_that_kills_its_workers_ends_dead() {
    let bench = bench();
    let id = bench.add(NewJob { max_losses: 2, ..job("t") });
    let worker = bench.join();
    let first = bench.claim(worker, 1).remove(0);
    bench.end(&first, lost());
    assert_eq!(bench.state(&id), "waiting");
    let second = bench.claim(worker, 1).remove(0);
    assert_eq!((second.attempt, second.retries), (2, 0));
    bench.end(&second, lost());
    let view = bench.store.view(&id).unwrap();
    assert_eq!(view.state.name(), "dead");
    assert!(view.failure.unwrap().message.contains("signal 9"));
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_history WHERE payload IS NOT NULL"), 1);
}

#[test]
fn one_unfinished_job_per_dedup_key() {
    let bench = bench();
    let keyed = || NewJob { dedup_key: Some("user:42".into()), ..job("t") };
    let first = bench.store.enqueue(vec![keyed(), keyed()]).unwrap();
    assert_eq!((first[0].created, first[1].created), (true, false));
    assert_eq!(first[0].id, first[1].id);
    let worker = bench.join();
    let jobs = bench.claim(worker, 10);
    assert_eq!(jobs.len(), 1);
    assert!(!bench.store.enqueue(vec![keyed()]).unwrap()[0].created);
    bench.end(&jobs[0], success());
    assert!(bench.store.enqueue(vec![keyed()]).unwrap()[0].created);
    let other = NewJob { queue: "mail".into(), ..keyed() };
    assert!(bench.store.enqueue(vec![other]).unwrap()[0].created);
}

#[test]
fn an_expired_job_is_not_started() {
    let bench = bench();
    let now = bench.env.env().clock.wall_us();
    let id = bench.add(NewJob { expires_us: Some(now + 1_000_000), dedup_key: Some("k".into()), ..job("t") });
    bench.env.pass(2.0);
    assert!(bench.claim(bench.join(), 1).is_empty());
    assert_eq!(bench.state(&id), "expired");
    assert!(
        bench.store.enqueue(vec![NewJob { dedup_key: Some("k".into()), ..job("t") }]).unwrap()[0].created
    );
}

#[test]
fn the_jobs_of_a_dead_worker_come_back_and_its_token_is_worth_nothing() {
    let bench = bench();
    let ids: Vec<String> = (0..10).map(|_| bench.add(job("t"))).collect();
    let dead = bench.join();
    let held = bench.claim(dead, 10);
    let started = HashMap::from([(held[0].row, true), (held[1].row, false)]);
    let lost = bench.store.reap(dead, Evidence::Page(started), "the worker died").unwrap();
    assert_eq!(lost, ids[..2]);
    assert!(!bench.store.beat(dead, 1).unwrap());
    assert!(matches!(bench.store.claim(ask(dead, 1)), Err(Error::Fenced { .. })));
    assert_eq!(bench.end(&held[0], success()), Finished::LeaseLost);
    assert!(bench.store.extend(held[1].row, held[1].token, 1).is_err());
    let again = bench.claim(bench.join(), 20);
    assert_eq!(again.iter().map(|job| job.id.clone()).collect::<Vec<_>>(), ids);
    assert_eq!(again.iter().map(|job| job.attempt).collect::<Vec<_>>(), [2, 2, 1, 1, 1, 1, 1, 1, 1, 1]);
    // Only the one that was running is a suspect.
    assert_eq!(bench.sql("SELECT sum(losses) FROM pyqueue_job"), 1);
}

#[test]
fn a_worker_past_its_deadline_is_overdue_whatever_the_wall_clock_says() {
    let bench = bench();
    bench.join();
    bench.env.step_wall(3600);
    assert!(!bench.store.workers().unwrap()[0].overdue);
    bench.env.pass(31.0);
    assert!(bench.store.workers().unwrap()[0].overdue);
}

#[test]
fn a_lease_of_its_own_time_runs_out_and_can_be_extended() {
    let bench = bench();
    bench.add(job("t"));
    let worker = bench.join();
    let timed = || Ask { visibility_us: Some(1_000_000), ..ask(worker, 1) };
    let first = bench.store.claim(timed()).unwrap().jobs.remove(0);
    bench.env.pass(0.9);
    bench.store.extend(first.row, first.token, 1_000_000).unwrap();
    bench.env.pass(0.9);
    bench.store.upkeep().unwrap();
    assert!(bench.store.claim(timed()).unwrap().jobs.is_empty());
    bench.env.pass(0.2);
    assert_eq!(bench.end(&first, success()), Finished::LeaseLost);
    bench.store.upkeep().unwrap();
    assert_eq!(bench.store.claim(timed()).unwrap().jobs[0].attempt, 2);
}

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
fn an_id_from_a_rolled_back_transaction_stays_unknown() {
    let bench = bench();
    bench.add(job("t"));
    let context = Context {
        env: bench.env.env(),
        options: Arc::new(options()),
        file: bench.store.opened().unwrap().file,
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    let rolled_back = bench.store.opened().unwrap().db.write(Durability::Normal, move |tx| {
        let mut change = Change::begin(tx, context)?;
        sender.send(enqueue::enqueue(&mut change, job("ghost"))?.id).unwrap();
        Err::<(), _>(Error::invalid("rolled back"))
    });
    assert!(rolled_back.is_err());
    let ghost = receiver.recv().unwrap();
    let place = crate::id::PublicId::parse(&ghost).unwrap();
    for _ in 0..1000 {
        bench.add(job("t"));
    }
    assert_eq!(bench.state(&ghost), "unknown");
    // The control: the place was given again, so that without the nonce the ghost's id would name that job.
    let heir =
        row::read(&rusqlite::Connection::open(bench.store.path()).unwrap(), place.row).unwrap().unwrap();
    let without = crate::id::PublicId { nonce: heir.nonce, ..place };
    assert_eq!(bench.state(&without.to_string()), "waiting");
}

#[test]
fn a_damaged_payload_is_dead_and_not_run() {
    let bench = bench();
    let id = bench.add(job("t"));
    bench
        .store
        .opened()
        .unwrap()
        .db
        .write(Durability::Normal, |tx| Ok(tx.conn.execute("UPDATE pyqueue_job SET payload=x'00'", [])?))
        .unwrap();
    assert!(bench.claim(bench.join(), 1).is_empty());
    assert_eq!(bench.state(&id), "dead");
}

#[test]
fn the_inbox_is_folded_into_jobs() {
    let bench = bench();
    bench.add(job("t"));
    bench
        .store
        .opened()
        .unwrap()
        .db
        .write(Durability::Normal, |tx| {
            Ok(tx.conn.execute_batch(
                "INSERT INTO pyqueue_inbox(id, task, body, priority, dedup_key) VALUES('mine', 'a', x'5b5d', 9, 'k'), ('other', 'a', x'5b5d', 9, 'k')",
            )?)
        })
        .unwrap();
    assert_eq!(bench.state("mine"), "waiting");
    let worker = bench.join();
    let jobs = bench.claim(worker, 10);
    assert_eq!(jobs.iter().map(|job| job.id.as_str()).next(), Some("mine"));
    assert_eq!(jobs.len(), 2);
    bench.end(&jobs[0], success());
    assert_eq!((bench.state("mine"), bench.state("other")), ("success", "success"));
    assert_eq!(bench.state("nobody"), "unknown");
}

#[test]
fn a_callers_own_id_names_one_job() {
    let bench = bench();
    let own = || NewJob { alias: Some("order-1".into()), ..job("t") };
    assert_eq!(bench.add(own()), "order-1");
    assert!(!bench.store.enqueue(vec![own()]).unwrap()[0].created);
    let jobs = bench.claim(bench.join(), 10);
    assert_eq!((jobs.len(), jobs[0].id.as_str()), (1, "order-1"));
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
    assert_eq!((mail.waiting, mail.delayed, mail.running, mail.failed), (0, 0, 0, 29));
}

/// A switched-off guard: the control arm of the token's test.
#[test]
fn a_zombie_could_write_if_tokens_were_not_compared() {
    let stale_write = |guarded: bool| {
        let bench = bench();
        bench.add(job("t"));
        let (zombie, heir) = (bench.join(), bench.join());
        let old = bench.claim(zombie, 1).remove(0);
        bench.store.reap(zombie, Evidence::None, "it hung").unwrap();
        let new = bench.claim(heir, 1).remove(0);
        let write = || bench.end(&old, success());
        let answer = if guarded { write() } else { mutants::with(Mutant::AnyToken, write) };
        (answer, bench.end(&new, success()))
    };
    assert_eq!(stale_write(true), (Finished::LeaseLost, Finished::Done));
    assert_eq!(stale_write(false).0, Finished::Done, "the control arm must show the fault");
}

#[test]
fn a_dedup_key_can_refuse_replace_or_outlive_its_job() {
    let bench = bench();
    let keyed = |dedup| NewJob { dedup_key: Some("k".into()), dedup, ..job("t") };
    let first = bench.add(keyed(Dedup::Return));
    let refused = bench.store.enqueue(vec![job("t"), keyed(Dedup::Refuse)]);
    assert!(matches!(refused, Err(Error::Duplicate { id }) if id == first));
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job"), 1, "all or none");
    let second = bench.add(keyed(Dedup::Replace));
    assert_eq!((bench.state(&first), bench.state(&second)), ("cancelled", "waiting"));
    let worker = bench.join();
    let running = bench.claim(worker, 1).remove(0);
    assert_eq!(running.id, second);
    let answer = bench.store.enqueue(vec![keyed(Dedup::Replace)]).unwrap().remove(0);
    assert_eq!((answer.id, answer.created), (second, false), "what runs is not replaced");
    bench.end(&running, success());

    let windowed = || NewJob { dedup_window_us: Some(10_000_000), ..keyed(Dedup::Return) };
    let third = bench.add(windowed());
    let running = bench.claim(worker, 1).remove(0);
    bench.end(&running, success());
    let answer = bench.store.enqueue(vec![windowed()]).unwrap().remove(0);
    assert_eq!((answer.id, answer.created), (third.clone(), false), "the window outlives the job");
    assert!(bench.store.forget(&third).unwrap());
    assert!(
        bench.store.enqueue(vec![windowed()]).unwrap()[0].created,
        "a forgotten job has no name to answer with"
    );
    let running = bench.claim(worker, 1).remove(0);
    bench.end(&running, success());
    bench.env.pass(11.0);
    assert!(bench.store.enqueue(vec![keyed(Dedup::Return)]).unwrap()[0].created);
    bench.env.pass(1.0);
    bench.store.upkeep().unwrap();
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_dedup"), 1);
}

#[test]
fn what_follows_a_job_is_stored_with_its_end_and_only_then() {
    let follow = |outcome: Outcome| {
        let bench = bench();
        bench.add(job("first"));
        let claimed = bench.claim(bench.join(), 1).remove(0);
        let end = Finish { then: vec![job("second")], ..finish_of(&claimed, outcome) };
        bench.store.finish(vec![end.clone()], None).unwrap();
        let answer = bench.store.finish(vec![end], None).unwrap().0[0];
        (bench.sql("SELECT count(*) FROM pyqueue_job WHERE task='second'"), answer)
    };
    assert_eq!(follow(success()), (1, Finished::Again), "repeated, it follows once");
    assert_eq!(follow(Outcome::Failure(Failure::default())).0, 1);
    assert_eq!(follow(retry(60)).0, 0);
    assert_eq!(follow(Outcome::GivenBack).0, 0);
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
fn a_job_that_spoils_its_pipe_after_its_work_does_not_come_back_for_ever() {
    let bench = bench();
    let id = bench.add(NewJob { max_losses: 2, ..job("t") });
    let worker = bench.join();
    let uncharged = || Outcome::Lost { reason: "its pipe closed".into(), charged: false };
    for _ in 0..7 {
        bench.end(&bench.claim(worker, 1)[0], uncharged());
        assert_eq!(bench.state(&id), "waiting");
    }
    bench.end(&bench.claim(worker, 1)[0], uncharged());
    assert_eq!(bench.state(&id), "dead");
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
