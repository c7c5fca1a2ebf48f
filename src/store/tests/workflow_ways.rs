//! Workflows: what a job may become and bring along, what is refused, and how long it is kept.

use super::workflow::{chain, chord, failure, one, sound, stored, texts, value, why};
use super::*;
use crate::job::{Beside, Instead, State};
use crate::plan::Plan;

fn beside(job: &ClaimedJob, outcome: Outcome, said: Beside) -> Finish {
    Finish { beside: Some(Box::new(said)), ..finish_of(job, outcome) }
}

#[test]
fn a_job_that_is_replaced_keeps_its_id_and_its_place() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chain(2));
    let first = one(&bench, worker);
    let instead = Instead { task: "value".into(), plan: chain(2) };
    let goes = Outcome::Retry {
        delay_us: 0,
        payload: Some(Payload { content_type: None, body: b"new".to_vec() }),
        failure: Failure::default(),
    };
    let said = Beside { instead: Some(Box::new(instead)), ..Beside::default() };
    let end = beside(&first, goes, said);
    assert_eq!(bench.store.finish(vec![end.clone()], None).unwrap().0, [Finished::Done]);
    assert_eq!(bench.store.finish(vec![end], None).unwrap().0, [Finished::Again]);
    assert_eq!(bench.state(&ids[0]), "held");
    for step in ["step0", "step1"] {
        let job = one(&bench, worker);
        assert_eq!(job.task, step);
        bench.end(&job, value(step));
    }
    let job = one(&bench, worker);
    assert_eq!((job.id.as_str(), job.task.as_str(), job.retries), (ids[0].as_str(), "value", 0));
    assert_eq!(job.payload.body, b"new");
    assert_eq!(texts(&bench.store.inputs(job.row, 0, 9).unwrap()), ["step1"]);
    bench.end(&job, value("end"));
    assert_eq!(texts(&bench.store.inputs(one(&bench, worker).row, 0, 9).unwrap()), ["end"]);
    assert_eq!(bench.store.attempts(&ids[0]).unwrap()[0].outcome, "replaced");
    sound(&bench);
}

#[test]
fn what_it_is_replaced_by_and_can_not_be_stored_fails_it() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chord(1));
    let first = one(&bench, worker);
    let instead = Instead { task: "value".into(), plan: Plan { name: Some("w".into()), ..chain(1) } };
    let goes = Outcome::Retry { delay_us: 0, payload: None, failure: Failure::default() };
    let said = Beside { instead: Some(Box::new(instead)), ..Beside::default() };
    bench.store.finish(vec![beside(&first, goes, said)], None).unwrap();
    assert_eq!((bench.state(&ids[0]), bench.state(&ids[1])), ("failed", "failed"));
    assert!(why(&bench, &ids[0]).contains("is in the file already"));
    sound(&bench);
}

#[test]
fn a_member_adds_members_that_the_body_waits_for() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chord(1));
    let first = one(&bench, worker);
    let said = Beside { members: vec![job("more"), job("more")], ..Beside::default() };
    bench.store.finish(vec![beside(&first, value("1"), said)], None).unwrap();
    assert_eq!(bench.state(&ids[1]), "held");
    for job in bench.claim(worker, 9) {
        bench.end(&job, value("2"));
    }
    assert_eq!(texts(&bench.store.inputs(one(&bench, worker).row, 0, 9).unwrap()), ["1", "2", "2"]);
    sound(&bench);
}

#[test]
fn a_workflow_follows_an_end_in_its_transaction() {
    let bench = bench();
    let worker = bench.join();
    bench.add(job("t"));
    let first = one(&bench, worker);
    let said = Beside { plans: vec![chain(2)], ..Beside::default() };
    bench.store.finish(vec![beside(&first, success(), said)], None).unwrap();
    bench.end(&one(&bench, worker), success());
    bench.end(&one(&bench, worker), success());
    sound(&bench);
}

#[test]
fn what_can_not_be_a_workflow_is_refused_whole() {
    let bench = bench();
    let mut twice = chain(2);
    twice.jobs[1].fills = twice.jobs[0].fills;
    let mut hole = chord(3);
    hole.jobs.remove(0);
    let mut circle = chain(3);
    circle.jobs[0].after = Some(2);
    circle.jobs[1].fills = (1, 0);
    circle.jobs[0].fills = (2, 0);
    let mut keyed = chain(2);
    keyed.jobs[1].job.dedup_key = Some("k".into());
    for (plan, says) in
        [(twice, "filled twice"), (hole, "by nothing"), (circle, "waits for"), (keyed, "dedup key")]
    {
        let refused = match plan.check() {
            Err(error) => error,
            Ok(()) => bench.store.enqueue_plan(plan).unwrap_err(),
        };
        assert!(refused.to_string().contains(says), "{refused}");
    }
    stored(&bench, chord(1));
    assert!(bench.store.enqueue_plan(chord(1)).unwrap_err().to_string().contains("already"));
    let mut named = chain(2);
    named.jobs[0].job.alias = Some("own".into());
    stored(&bench, named.clone());
    assert!(matches!(bench.store.enqueue_plan(named), Err(Error::Duplicate { .. })));
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job"), 4, "of what was refused nothing is there");
    sound(&bench);
}

#[test]
fn a_step_that_returned_is_kept_until_its_job_ends() {
    let bench = bench();
    let worker = bench.join();
    bench.add(job("t"));
    let first = one(&bench, worker);
    let payload = |text: &str| Payload { content_type: None, body: text.as_bytes().to_vec() };
    assert_eq!(bench.store.step(first.row, "pay").unwrap(), None);
    bench.store.keep_step(first.row, first.token, "pay", &payload("1")).unwrap();
    bench.store.keep_step(first.row, first.token, "pay", &payload("2")).unwrap();
    bench.end(&first, retry(0));
    let second = one(&bench, worker);
    assert_eq!(bench.store.step(second.row, "pay").unwrap(), Some(payload("1")), "the first stands");
    let late = bench.store.keep_step(first.row, first.token, "post", &payload("3"));
    assert!(matches!(late, Err(Error::LeaseLost { .. })));
    sound(&bench);
    bench.end(&second, success());
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_step"), 0);
    sound(&bench);
}

#[test]
fn what_has_ended_is_forgotten_in_time_and_the_newest_is_kept() {
    let bench = bench_with(Options { history_count: 6, ..options() });
    let worker = bench.join();
    let run = |plan| {
        let ids = stored(&bench, plan);
        loop {
            let claimed = bench.claim(worker, 50);
            if claimed.is_empty() {
                break;
            }
            for job in &claimed {
                bench.end(job, success());
            }
        }
        while bench.store.upkeep().unwrap().more {}
        ids
    };
    for _ in 0..3 {
        run(Plan { name: None, ..chord(9) });
    }
    assert_eq!(bench.store.workflows(9).unwrap().len(), 1, "too many");
    let last = run(Plan { name: None, ..chord(2) });
    assert_eq!(bench.store.workflows(9).unwrap().len(), 1);
    assert!(bench.store.tree(&last[0]).unwrap().is_some());
    bench.env.pass(2.0 * 86_400.0);
    while bench.store.upkeep().unwrap().more {}
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_node"), 0, "too old");
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_input"), 0);
    sound(&bench);
}

#[test]
fn a_dead_body_takes_its_inputs_when_it_is_replayed() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chord(2));
    for job in bench.claim(worker, 9) {
        bench.end(&job, value("m"));
    }
    bench.end(&one(&bench, worker), failure("no"));
    assert_eq!(bench.store.view(&ids[2]).unwrap().state, State::Failed);
    bench.store.replay(&ids[2]).unwrap().unwrap();
    assert_eq!(texts(&bench.store.inputs(one(&bench, worker).row, 0, 9).unwrap()), ["m", "m"]);
    sound(&bench);
}

#[test]
fn a_workflow_that_is_cancelled_is_undone_too_and_that_can_not_be_cancelled() {
    let bench = bench();
    let worker = bench.join();
    let mut plan = chain(3);
    plan.jobs[0].undo = Some(Box::new(job("undo0")));
    plan.jobs[1].undo = Some(Box::new(job("undo1")));
    let ids = stored(&bench, plan);
    bench.end(&one(&bench, worker), value("r0"));
    bench.end(&one(&bench, worker), value("r1"));
    for _ in 0..2 {
        assert_eq!(bench.store.cancel_workflow(&ids[0]).unwrap(), Some(vec![]));
    }
    assert_eq!(bench.state(&ids[2]), "cancelled");
    for undo in ["undo1", "undo0"] {
        let job = one(&bench, worker);
        assert_eq!(job.task, undo);
        bench.end(&job, success());
    }
    assert_eq!(bench.store.workflows(1).unwrap()[0].state, "failed");
    sound(&bench);
}

#[test]
fn cancelling_lets_nothing_more_start() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chord(4));
    let running = bench.claim(worker, 2);
    let told = bench.store.cancel_workflow(&ids[3]).unwrap().unwrap();
    assert_eq!(told, [ids[0].clone(), ids[1].clone()]);
    assert_eq!(
        [bench.state(&ids[2]), bench.state(&ids[3]), bench.state(&ids[4])],
        ["cancelled", "cancelled", "held"]
    );
    for job in &running {
        bench.end(job, success());
    }
    assert_eq!(bench.state(&ids[4]), "cancelled");
    assert_eq!(bench.store.cancel_workflow("nothing").unwrap(), None);
    sound(&bench);
}
