//! A retry budget holds over all who finish jobs of the task, whatever they are.

use super::*;
use crate::job::{Beside, Budget};

fn retry_under(delay_us: i64, most: u32, period_us: i64) -> (Outcome, Box<Beside>) {
    let outcome = Outcome::Retry { delay_us, payload: None, failure: Failure::default() };
    (outcome, Box::new(Beside { budget: Some(Budget { most, period_us }), ..Beside::default() }))
}

/// Fails the jobs of a claim; when each is tried again (µs from now).
fn waits(bench: &Bench, jobs: &[ClaimedJob], delay_us: i64, most: u32, period_us: i64) -> Vec<i64> {
    let now = bench.env.env().clock.wall_us();
    let mut waits = Vec::new();
    for job in jobs {
        let (outcome, beside) = retry_under(delay_us, most, period_us);
        let end = Finish { beside: Some(beside), ..finish_of(job, outcome) };
        assert_eq!(bench.store.finish(vec![end], None).unwrap().0, [Finished::Done]);
        let at = bench
            .sql(&format!("SELECT ifnull(max(k), 0) FROM pyqueue_side WHERE id={} AND place=3", job.row.0));
        waits.push((at - now).max(0));
    }
    waits
}

fn filled(tasks: &[&str]) -> (Bench, i64) {
    let bench = bench();
    for task in tasks {
        bench.add(job(task));
    }
    let worker = bench.join();
    (bench, worker)
}

const SECOND: i64 = 1_000_000;

#[test]
fn so_many_at_once_and_the_others_in_turn() {
    let (bench, worker) = filled(&["t"; 6]);
    let jobs = bench.claim(worker, 6);
    let ready = waits(&bench, &jobs, 0, 3, 30 * SECOND);
    assert_eq!(ready, [0, 0, 0, 10 * SECOND, 20 * SECOND, 30 * SECOND]);
    assert_eq!(
        bench.store.why(&jobs[4].id).unwrap(),
        "It may start in 20.0 s. The retry budget of its task is used up for now."
    );
    assert_eq!(bench.claim(worker, 9).len(), 3);
    bench.env.pass(10.5);
    assert_eq!(bench.claim(worker, 9).len(), 1);
}

#[test]
fn its_own_delay_begins_with_its_turn() {
    let (bench, worker) = filled(&["t"; 3]);
    let jobs = bench.claim(worker, 3);
    assert_eq!(waits(&bench, &jobs, 5 * SECOND, 1, 60 * SECOND), [5 * SECOND, 65 * SECOND, 125 * SECOND]);
}

#[test]
fn what_is_not_used_comes_back_up_to_the_whole() {
    let (bench, worker) = filled(&["t"; 9]);
    waits(&bench, &bench.claim(worker, 2), 0, 2, 20 * SECOND);
    bench.env.pass(1000.0);
    let jobs = bench.claim(worker, 4);
    assert_eq!(waits(&bench, &jobs, 0, 2, 20 * SECOND), [0, 0, 10 * SECOND, 20 * SECOND]);
}

#[test]
fn each_task_has_its_own_and_none_costs_nothing() {
    let (bench, worker) = filled(&["a", "b", "c"]);
    let jobs = bench.claim(worker, 3);
    assert_eq!(waits(&bench, &jobs[..2], 0, 1, 60 * SECOND), [0, 0]);
    bench.end(&jobs[2], retry(1));
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_budget"), 2);
}

#[test]
fn a_repeated_end_takes_no_second_place_and_a_late_one_none() {
    let (bench, worker) = filled(&["t"; 2]);
    let jobs = bench.claim(worker, 2);
    let (outcome, beside) = retry_under(0, 1, 60 * SECOND);
    let end = Finish { beside: Some(beside.clone()), ..finish_of(&jobs[0], outcome.clone()) };
    assert_eq!(bench.store.finish(vec![end.clone()], None).unwrap().0, [Finished::Done]);
    assert_eq!(bench.store.finish(vec![end], None).unwrap().0, [Finished::Again]);
    let late = Finish { token: jobs[1].token + 7, beside: Some(beside), ..finish_of(&jobs[1], outcome) };
    assert_eq!(bench.store.finish(vec![late], None).unwrap().0, [Finished::LeaseLost]);
    assert_eq!(waits(&bench, &jobs[1..], 0, 1, 60 * SECOND), [60 * SECOND]);
}

/// How many retries began in any 20 s at most, of jobs that always fail.
fn busiest() -> usize {
    let (bench, worker) = filled(&["t"; 40]);
    let mut begun = Vec::new();
    for _ in 0..200 {
        for job in bench.claim(worker, 40) {
            if job.retries > 0 {
                begun.push(bench.env.env().clock.wall_us());
            }
            waits(&bench, &[job], 0, 4, 20 * SECOND);
        }
        bench.env.pass(1.0);
    }
    let window = |from: usize| begun[from..].iter().take_while(|at| **at < begun[from] + 20 * SECOND).count();
    assert!(begun.len() > 30);
    (0..begun.len()).map(window).max().unwrap()
}

#[test]
fn in_no_time_more_begin_than_the_budget_has() {
    // Four that were left over, and the four of these seconds.
    assert_eq!(busiest(), 8);
    assert!(mutants::with(Mutant::BudgetUncounted, busiest) > 100);
}

#[test]
fn a_clock_that_was_set_back_keeps_nobody_for_ever() {
    let (bench, worker) = filled(&["t"; 2]);
    let jobs = bench.claim(worker, 2);
    waits(&bench, &jobs[..1], 0, 1, 60 * SECOND);
    bench.env.step_wall(-365 * 86_400);
    assert_eq!(waits(&bench, &jobs[1..], 0, 1, 60 * SECOND), [30 * 86_400 * SECOND]);
}

#[test]
fn numbers_without_sense_are_bounded() {
    let (bench, worker) = filled(&["t"; 4]);
    let jobs = bench.claim(worker, 4);
    for (job, (most, period)) in jobs.iter().zip([(0, 0), (0, -5), (u32::MAX, i64::MAX), (1, i64::MAX)]) {
        let waits = waits(&bench, std::slice::from_ref(job), i64::MAX, most, period);
        assert!(waits[0] >= 0);
    }
}
