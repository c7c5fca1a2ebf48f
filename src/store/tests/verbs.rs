//! Jobs on their way: enqueued, claimed, run, lost, ended.

use std::collections::HashMap;

use super::*;

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
    assert_eq!(bench.end(&jobs[0], lost()), Finished::Again, "it died after its end");
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
    assert_eq!((bench.state("mine"), bench.state("other")), ("success", "unknown"), "the key was taken");
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
    // Also where the key is free: the other one is gone with the call that made it.
    for other in [Dedup::Return, Dedup::Refuse, Dedup::Replace] {
        let key = |dedup| NewJob { dedup_key: Some("free".into()), dedup, ..job("t") };
        let twice = bench.store.enqueue(vec![key(other), key(Dedup::Refuse)]);
        assert!(matches!(twice, Err(Error::KeyTwice { key }) if key == "free"));
    }
    let twice = bench.store.enqueue(vec![keyed(Dedup::Replace), keyed(Dedup::Refuse)]);
    assert!(matches!(twice, Err(Error::KeyTwice { .. })), "it had taken the first one's place");
    assert_eq!((bench.sql("SELECT count(*) FROM pyqueue_job"), bench.state(&first)), (1, "waiting"));
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
