//! Workflows: what waits starts once, in the transaction that ends the last of what it waits for.

use super::*;
use crate::job::Errback;
use crate::plan::{Input, Member, Node, Plan, Run};

pub fn node(inputs: u32, list: bool) -> Node {
    Node { inputs, list, run: Run::Success, forwards: Vec::new() }
}

pub fn member(task: &str, after: Option<u32>, fills: (u32, u32)) -> Member {
    Member { job: job(task), after, delay_us: None, lifetime_us: None, fills, undo: None }
}

/// Jobs one after the other.
pub fn chain(length: u32) -> Plan {
    let nodes = (0..length).map(|_| node(1, false)).collect();
    let jobs = (0..length).map(|at| {
        let after = (at > 0).then_some(at);
        member(&format!("step{at}"), after, (if at + 1 == length { 0 } else { at + 1 }, 0))
    });
    Plan { name: None, nodes, jobs: jobs.collect() }
}

/// Jobs at once, and one that takes what they return.
pub fn chord(members: u32) -> Plan {
    let mut jobs: Vec<Member> = (0..members).map(|at| member("member", None, (1, at))).collect();
    jobs.push(member("body", Some(1), (0, 0)));
    Plan { name: Some("w".into()), nodes: vec![node(1, false), node(members, true)], jobs }
}

pub fn stored(bench: &Bench, plan: Plan) -> Vec<String> {
    bench.store.enqueue_plan(plan).unwrap().into_iter().map(|job| job.id).collect()
}

pub fn value(text: &str) -> Outcome {
    Outcome::Success(Some(Payload { content_type: None, body: text.as_bytes().to_vec() }))
}

pub fn failure(text: &str) -> Outcome {
    Outcome::Failure(Failure { error: "m.Bad".into(), message: text.into(), ..Failure::default() })
}

pub fn texts(inputs: &[Input]) -> Vec<String> {
    let text = |input: &Input| match (&input.value, &input.failure) {
        (Some(value), _) => String::from_utf8(value.body.clone()).unwrap(),
        (None, Some(failure)) => format!("{}: {}", failure.error, failure.message),
        (None, None) => input.state.unwrap_or("").to_owned(),
    };
    inputs.iter().map(text).collect()
}

pub fn one(bench: &Bench, worker: i64) -> ClaimedJob {
    let mut claimed = bench.claim(worker, 1);
    assert_eq!(claimed.len(), 1, "there is something to do");
    claimed.remove(0)
}

pub fn why(bench: &Bench, id: &str) -> String {
    let failure = bench.store.view(id).unwrap().failure.unwrap_or_default();
    format!("{}: {}", failure.error, failure.message)
}

pub fn sound(bench: &Bench) {
    assert_eq!(bench.store.examine().unwrap(), Vec::<String>::new());
}

#[test]
fn each_step_takes_what_the_one_before_returned() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chain(3));
    assert_eq!(bench.state(&ids[1]), "held");
    assert_eq!(bench.store.why(&ids[2]).unwrap(), "It waits for the job before it in its workflow.");
    for (step, returns) in ["a", "b", "c"].iter().enumerate() {
        let job = one(&bench, worker);
        assert_eq!(job.id, ids[step]);
        let takes = if step == 0 { vec![] } else { vec![["a", "b"][step - 1].to_owned()] };
        assert_eq!(texts(&bench.store.inputs(job.row, 0, 10).unwrap()), takes);
        assert!(bench.claim(worker, 5).is_empty(), "the next one waits");
        bench.end(&job, value(returns));
        sound(&bench);
    }
    assert_eq!(bench.store.workflows(5).unwrap()[0].state, "success");
    assert_eq!(bench.store.tree(&ids[1]).unwrap().unwrap().1.len(), 3, "found by a job that has ended");
}

#[test]
fn the_end_of_a_step_and_the_claim_of_the_next_are_one_transaction() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chain(2));
    let first = one(&bench, worker);
    let (_, claimed) = bench.store.finish(vec![finish_of(&first, value("a"))], Some(ask(worker, 4))).unwrap();
    assert_eq!(claimed.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&ids[1]]);
}

#[test]
fn a_body_starts_with_the_last_member_and_takes_all_in_order() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chord(5));
    let members = bench.claim(worker, 9);
    assert_eq!(members.len(), 5);
    // The last first: the order is that of the members and not of their ends.
    for (at, job) in members.iter().enumerate().rev() {
        assert_eq!(bench.state(&ids[5]), "held");
        assert!(bench.store.why(&ids[5]).unwrap().contains(&format!("{} of 5", at + 1)));
        bench.end(job, value(&at.to_string()));
    }
    let body = one(&bench, worker);
    assert!(bench.store.takes_list(body.row).unwrap());
    assert_eq!(texts(&bench.store.inputs(body.row, 0, 3).unwrap()), ["0", "1", "2"]);
    assert_eq!(texts(&bench.store.inputs(body.row, 3, 3).unwrap()), ["3", "4"]);
    bench.end(&body, success());
    assert!(bench.claim(worker, 5).is_empty(), "it starts once");
    assert_eq!(bench.store.progress_of("w").unwrap(), Some((1, 0, 0)));
    sound(&bench);
}

#[test]
fn a_member_that_fails_fails_the_body_once_all_have_ended() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chord(3));
    let members = bench.claim(worker, 9);
    bench.end(&members[0], failure("no"));
    assert_eq!(bench.state(&ids[3]), "held", "others still run");
    bench.end(&members[1], retry(0));
    bench.end(&members[2], success());
    assert_eq!(bench.state(&ids[3]), "held", "a retry is no end");
    bench.end(&one(&bench, worker), success());
    assert_eq!(bench.state(&ids[3]), "failed");
    assert_eq!(
        why(&bench, &ids[3]),
        format!("pyqueue.exceptions.ChordError: Dependency {} raised Bad: no", ids[0])
    );
    assert_eq!(bench.store.workflows(5).unwrap()[0].state, "failed");
    sound(&bench);
}

/// How the last step of a chain is after its first ended by something else than success.
fn after(end: impl Fn(&Bench, i64, &str)) -> (String, String) {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chain(3));
    end(&bench, worker, &ids[0]);
    assert!(bench.claim(worker, 5).is_empty());
    sound(&bench);
    (bench.state(&ids[2]).to_owned(), why(&bench, &ids[2]))
}

fn dies(bench: &Bench, worker: i64, _: &str) {
    for _ in 0..5 {
        let lost = Outcome::Lost { reason: "signal 9".into(), charged: true };
        bench.end(&one(bench, worker), lost);
    }
}

#[test]
fn whatever_ends_a_step_ends_what_follows() {
    let failed = after(|bench, worker, _| {
        bench.end(&one(bench, worker), failure("no"));
    });
    assert_eq!(failed, ("failed".into(), "m.Bad: no".into()));
    let dead = after(dies);
    assert_eq!(dead.0, "failed");
    assert!(dead.1.contains("signal 9"), "{}", dead.1);
    let cancelled = after(|bench, _, id| assert!(bench.store.cancel(id).unwrap()));
    assert_eq!(cancelled.0, "cancelled");
    let purged = after(|bench, _, _| assert!(bench.store.purge("default").unwrap() > 0));
    assert_eq!(purged.0, "cancelled");
}

#[test]
fn control_a_death_that_fills_nothing_leaves_the_rest_waiting() {
    let left = mutants::with(Mutant::OnlySuccessFills, || {
        let bench = bench();
        let worker = bench.join();
        let ids = stored(&bench, chain(3));
        dies(&bench, worker, &ids[0]);
        (bench.state(&ids[2]), bench.store.examine().unwrap())
    });
    assert_eq!(left.0, "held");
    assert!(!left.1.is_empty(), "the auditor finds it");
}

#[test]
fn control_a_body_that_does_not_wait_for_the_last_is_noticed() {
    let early = mutants::with(Mutant::DecidedOneEarly, || {
        let bench = bench();
        let worker = bench.join();
        let ids = stored(&bench, chord(3));
        let members = bench.claim(worker, 9);
        bench.end(&members[0], success());
        bench.end(&members[1], success());
        bench.state(&ids[3])
    });
    assert_eq!(early, "waiting");
}

#[test]
fn more_than_a_transaction_lets_start_come_with_the_claims_that_follow() {
    let wide = |count: u32| {
        let mut jobs = vec![member("first", None, (1, 0))];
        jobs.extend((0..count).map(|at| member("branch", Some(1), (0, at))));
        Plan { name: None, nodes: vec![node(count, true), node(1, false)], jobs }
    };
    let run = |forgets: bool| {
        let bench = bench();
        let worker = bench.join();
        stored(&bench, wide(1_300));
        bench.end(&one(&bench, worker), success());
        let mut started = 0;
        for _ in 0..20 {
            let claimed = if forgets {
                mutants::with(Mutant::RestForgotten, || bench.claim(worker, 200))
            } else {
                bench.claim(worker, 200)
            };
            started += claimed.len();
            let ends = claimed.iter().map(|job| finish_of(job, success())).collect();
            bench.store.finish(ends, None).unwrap();
        }
        if !forgets {
            assert_eq!(bench.store.workflows(1).unwrap()[0].state, "success");
            sound(&bench);
        }
        started
    };
    assert_eq!(run(false), 1_300);
    assert_eq!(run(true), 500, "control");
}

#[test]
fn a_failure_after_a_first_step_ends_more_than_one_transaction_takes() {
    let bench = bench();
    let worker = bench.join();
    let ids = stored(&bench, chain(1_700));
    bench.end(&one(&bench, worker), failure("no"));
    for _ in 0..10 {
        assert!(bench.claim(worker, 5).is_empty());
    }
    assert_eq!(bench.state(&ids[1_699]), "failed");
    sound(&bench);
}

#[test]
fn an_empty_list_is_complete_at_once_and_a_group_in_a_group_is_a_list_in_a_list() {
    let bench = bench();
    let worker = bench.join();
    let mut inner = node(2, true);
    inner.forwards.push((1, 1));
    let mut empty = node(0, true);
    empty.forwards.push((1, 2));
    let nodes = vec![node(1, false), node(3, true), inner, empty];
    let jobs = vec![
        member("a", None, (1, 0)),
        member("b", None, (2, 0)),
        member("c", None, (2, 1)),
        member("body", Some(1), (0, 0)),
    ];
    stored(&bench, Plan { name: None, nodes, jobs });
    for job in bench.claim(worker, 9) {
        bench.end(&job, value(&job.task));
    }
    let body = one(&bench, worker);
    let inputs = bench.store.inputs(body.row, 0, 9).unwrap();
    assert_eq!(texts(&inputs), ["a", "success", "success"]);
    assert_eq!(texts(&bench.store.values(inputs[1].node.unwrap(), 0, 9).unwrap()), ["b", "c"]);
    assert!(bench.store.values(inputs[2].node.unwrap(), 0, 9).unwrap().is_empty());
    sound(&bench);
}

#[test]
fn conditions_choose_who_runs() {
    for fails in [false, true] {
        let bench = bench();
        let worker = bench.join();
        // One job, whose value three nodes get.
        let mut fork = node(1, false);
        fork.forwards.extend([(2, 0), (3, 0), (4, 0)]);
        let kind = |run| Node { run, ..node(1, true) };
        let nodes = vec![node(3, true), fork, kind(Run::Success), kind(Run::Always), kind(Run::Failure)];
        let jobs = vec![
            member("first", None, (1, 0)),
            member("well", Some(2), (0, 0)),
            member("ever", Some(3), (0, 1)),
            member("ill", Some(4), (0, 2)),
        ];
        let ids = stored(&bench, Plan { name: None, nodes, jobs });
        bench.end(&one(&bench, worker), if fails { failure("no") } else { value("v") });
        let ran = bench.claim(worker, 9);
        let names: Vec<_> = ran.iter().map(|job| job.task.as_str()).collect();
        assert_eq!(names, if fails { ["ever", "ill"] } else { ["well", "ever"] });
        for job in &ran {
            let expected = if fails { "m.Bad: no" } else { "v" };
            assert_eq!(texts(&bench.store.inputs(job.row, 0, 9).unwrap()), [expected]);
            bench.end(job, success());
        }
        assert_eq!(bench.state(&ids[if fails { 1 } else { 3 }]), if fails { "failed" } else { "cancelled" });
        assert_eq!(bench.store.workflows(1).unwrap()[0].state, if fails { "failed" } else { "success" });
        sound(&bench);
    }
}

#[test]
fn a_delay_counts_from_the_moment_the_job_may_start() {
    let bench = bench();
    let worker = bench.join();
    let mut plan = chain(2);
    plan.jobs[1].delay_us = Some(60_000_000);
    let ids = stored(&bench, plan);
    bench.env.pass(90.0);
    bench.end(&one(&bench, worker), success());
    assert_eq!(bench.state(&ids[1]), "delayed");
    bench.env.pass(59.0);
    assert!(bench.claim(worker, 1).is_empty());
    bench.env.pass(2.0);
    bench.end(&one(&bench, worker), success());
    sound(&bench);
}

#[test]
fn a_workflow_that_fails_is_undone_from_its_last_success_back() {
    let bench = bench();
    let worker = bench.join();
    let mut plan = chain(3);
    plan.jobs[0].undo = Some(Box::new(job("undo0")));
    plan.jobs[1].undo = Some(Box::new(job("undo1")));
    plan.jobs[2].undo = Some(Box::new(job("undo2")));
    stored(&bench, plan);
    bench.end(&one(&bench, worker), value("r0"));
    bench.end(&one(&bench, worker), value("r1"));
    bench.end(&one(&bench, worker), failure("no"));
    assert_eq!(bench.store.workflows(1).unwrap()[0].state, "undoing");
    let undo = one(&bench, worker);
    assert_eq!(
        (undo.task.as_str(), texts(&bench.store.inputs(undo.row, 0, 9).unwrap())),
        ("undo1", vec!["r1".into()])
    );
    bench.end(&undo, failure("this too"));
    let undo = one(&bench, worker);
    let inputs = texts(&bench.store.inputs(undo.row, 0, 9).unwrap());
    assert_eq!((undo.task.as_str(), inputs), ("undo0", vec!["m.Bad: this too".into(), "r0".into()]));
    bench.end(&undo, success());
    assert!(bench.claim(worker, 1).is_empty());
    assert_eq!(bench.store.workflows(1).unwrap()[0].state, "failed");
    sound(&bench);
}

#[test]
fn errbacks_follow_a_chord_that_fails_and_not_the_rest_of_a_chain() {
    let bench = bench();
    let worker = bench.join();
    let with_errback = |name: &str, mut plan: Plan| {
        let body = plan.jobs.len() - 1;
        plan.jobs[body].job.errbacks = vec![Errback { delay_us: None, job: job(name) }];
        plan
    };
    stored(&bench, with_errback("of the body", chord(1)));
    stored(&bench, with_errback("of the last step", chain(2)));
    for job in bench.claim(worker, 9) {
        bench.end(&job, failure("no"));
    }
    let tasks: Vec<String> = bench.claim(worker, 9).into_iter().map(|job| job.task).collect();
    assert_eq!(tasks, ["of the body"]);
    sound(&bench);
}

#[test]
fn a_workflow_that_succeeds_is_not_undone() {
    let bench = bench();
    let worker = bench.join();
    let mut plan = chain(1);
    plan.jobs[0].undo = Some(Box::new(job("undo")));
    stored(&bench, plan);
    bench.end(&one(&bench, worker), success());
    assert!(bench.claim(worker, 1).is_empty());
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_undo"), 0);
}
