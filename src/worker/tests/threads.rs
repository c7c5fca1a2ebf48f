//! Children that run several jobs at once.

use super::*;

/// One child that runs so many jobs at once.
fn wide(width: u32) -> Options {
    let mut command = command();
    command[2] = format!("PYQUEUE_TEST_WIDTH={width} {}", command[2]);
    Options { command, width, ..options(1) }
}

fn limited(task: &str, body: &str, limit_us: i64) -> NewJob {
    NewJob { time_limit_us: Some(limit_us), ..job(task, body) }
}

#[test]
fn as_many_jobs_run_at_once_as_the_child_is_wide_and_not_one_more() {
    for (width, expected) in [(MEETING as u32, State::Success), (MEETING as u32 - 1, State::Failed)] {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let worker = Worker::start(Arc::clone(&store), wide(width)).unwrap();
        until(&worker, Kind::Ready);
        assert_eq!(store.workers().unwrap()[0].slots, width);
        // Those that wait in vain overrun their limit, and the last has nobody left to wait for.
        let limit_us = if width == MEETING as u32 { 60_000_000 } else { 300_000 };
        let ids = enqueue(&store, (0..MEETING).map(|_| limited("meet", "", limit_us)).collect());
        for id in &ids {
            assert_eq!(settle(&store, id), expected, "width {width}");
        }
        worker.stop(false);
        rest(&worker);
    }
}

#[test]
fn a_death_is_charged_to_every_job_that_was_running_and_to_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut jobs: Vec<NewJob> = (0..3).map(|_| job("sleep", "60000")).collect();
    jobs.push(job("sleep", "die"));
    jobs.extend((0..20).map(|_| job("noop", "")));
    let ids = enqueue(&store, jobs);
    let worker = Worker::start(Arc::clone(&store), wide(4)).unwrap();
    // They run together twice, and then each has taken its child down as often as it may.
    for (place, id) in ids.iter().enumerate() {
        let (expected, attempts) = if place < 4 { (State::Dead, 2) } else { (State::Success, 1) };
        assert_eq!(settle(&store, id), expected, "job {place}");
        assert_eq!(store.attempts(id).unwrap().len(), attempts, "job {place}");
    }
    worker.stop(false);
    rest(&worker);
}

#[test]
fn a_hard_limit_fails_its_job_and_costs_the_others_a_quarter_of_a_loss() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = Worker::start(Arc::clone(&store), wide(3)).unwrap();
    until(&worker, Kind::Ready);
    let once = NewJob { max_losses: 1, ..job("late", "") };
    let ids = enqueue(&store, vec![once.clone(), once, limited("sleep", "60000", 200_000)]);
    assert_eq!(settle(&store, &ids[2]), State::Failed);
    let failure = store.view(&ids[2]).unwrap().failure.unwrap();
    assert_eq!(failure.error, "pyqueue.exceptions.TimeLimitExceeded");
    // One loss with a charge would be the end of them.
    for id in &ids[..2] {
        assert_eq!(settle(&store, id), State::Success);
        let attempts = store.attempts(id).unwrap();
        assert_eq!((attempts[0].outcome, attempts[1].outcome), ("lost", "success"));
        let why = &attempts[0].failure.as_ref().unwrap().message;
        assert!(why.contains("because another of its jobs ran longer than its time limit"), "{why}");
    }
    worker.stop(false);
    rest(&worker);
}

#[test]
fn short_jobs_pass_a_child_whose_other_threads_are_busy() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = Worker::start(Arc::clone(&store), wide(3)).unwrap();
    until(&worker, Kind::Ready);
    learn(&store);
    let long = enqueue(&store, (0..2).map(|_| job("sleep", "60000")).collect());
    let short = enqueue(&store, (0..1_000).map(|_| job("noop", "")).collect());
    for id in &short {
        assert_eq!(settle(&store, id), State::Success);
        assert_eq!(store.attempts(id).unwrap().len(), 1);
    }
    worker.stop(true);
    rest(&worker);
    for id in &long {
        assert_eq!(store.view(id).unwrap().state, State::Waiting);
        assert!(store.attempts(id).unwrap().is_empty());
    }
}
