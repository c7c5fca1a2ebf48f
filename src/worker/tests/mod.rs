use std::path::Path;
use std::time::Duration;

use super::pipe::Pipe;
use super::*;
use crate::clock::{Clock, Env, SystemClock};
use crate::job::{ClaimedJob, Failure, NewJob, Outcome, Payload, State};
use crate::sqlite::Durability;

mod clock;
mod overlooked;
mod peers;
mod threads;

/// So many "meet" jobs run at once, or none of them ends.
const MEETING: usize = 4;

/// The child of these tests: this very program, started again with this test alone.

#[test]
fn child_main() {
    if std::env::var_os("PYQUEUE_PAGE").is_none() {
        return;
    }
    if std::env::var_os("PYQUEUE_TEST_BROKEN").is_some() {
        let _ = Pipe::from_stdin().unwrap().failed("no module named app");
        std::process::exit(3);
    }
    let pipe = Pipe::from_stdin().unwrap();
    pipe.ready(&[]).unwrap();
    let width = std::env::var("PYQUEUE_TEST_WIDTH").map_or(1, |text| text.parse().unwrap());
    std::thread::scope(|scope| {
        for _ in 1..width {
            scope.spawn(|| work(&pipe));
        }
        work(&pipe);
    });
    std::process::exit(0);
}

fn work(pipe: &Pipe) {
    loop {
        match pipe.recv() {
            Ok(Some((job, offer))) => {
                let outcome = perform(&job);
                pipe.send(&job, offer, outcome, Vec::new(), None).unwrap();
            }
            Ok(None) => return,
            Err(Error::Interrupted) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn perform(job: &ClaimedJob) -> Outcome {
    let number = || String::from_utf8_lossy(&job.payload.body).parse::<u64>().unwrap_or(0);
    match job.task.as_str() {
        // SAFETY: ends this process.
        "sleep" if job.payload.body == b"die" => unsafe {
            libc::kill(libc::getpid(), libc::SIGKILL);
        },
        "sleep" => SystemClock::new().sleep(Duration::from_millis(number())),
        "exit" => std::process::exit(3),
        "meet" => {
            static HERE: std::sync::Barrier = std::sync::Barrier::new(MEETING);
            HERE.wait();
        }
        "late" if job.attempt == 1 => SystemClock::new().sleep(Duration::from_secs(60)),
        "raise" => {
            return Outcome::Failure(Failure { error: "builtins.ValueError".into(), ..Failure::default() });
        }
        "retry" if job.retries == 0 => {
            return Outcome::Retry { delay_us: 1_000, payload: None, failure: Failure::default() };
        }
        _ => {}
    }
    Outcome::Success(Some(job.payload.clone()))
}

fn command() -> Vec<String> {
    let exe = std::env::current_exe().unwrap();
    // Through a shell, for the output of the test harness; exec keeps the process.
    let shell = "exec \"$0\" worker::tests::child_main --exact --test-threads=1 >/dev/null";
    ["/bin/sh", "-c", shell, exe.to_str().unwrap()].map(String::from).to_vec()
}

fn options(concurrency: u32) -> Options {
    Options {
        name: "test".into(),
        facts: Arc::default(),
        command: command(),
        concurrency,
        least: None,
        width: 1,
        time_limit_us: None,
        soft_time_limit_us: None,
        bounds: Bounds::default(),
        prefetch: None,
        pool: "prefork".into(),
        queues: None,
        tasks: None,
        visibility_us: 30_000_000,
        grace_us: 5_000_000,
        burst: false,
        leeway_us: 0,
        start_us: 60_000_000,
        stall_us: 30_000_000,
    }
}

fn store(directory: &Path) -> Arc<Store> {
    store_in(directory, Env::system())
}

fn store_in(directory: &Path, env: Env) -> Arc<Store> {
    let options = crate::store::Options {
        embed: false,
        durability: Durability::Normal,
        max_body: 1 << 24,
        max_db_bytes: None,
        history_age_us: 86_400_000_000,
        history_count: 100_000,
        failed_age_us: 86_400_000_000,
    };
    Arc::new(Store::new(directory.join("jobs.db"), options, env))
}

fn job(task: &str, body: &str) -> NewJob {
    NewJob {
        task: task.into(),
        payload: Payload { content_type: None, body: body.into() },
        queue: "default".into(),
        priority: 0,
        run_at_us: None,
        expires_us: None,
        dedup_key: None,
        dedup: crate::job::Dedup::Return,
        dedup_window_us: None,
        alias: None,
        max_losses: 2,
        time_limit_us: None,
        soft_time_limit_us: None,
        errbacks: Vec::new(),
    }
}

fn enqueue(store: &Store, jobs: Vec<NewJob>) -> Vec<String> {
    store.enqueue(jobs).unwrap().into_iter().map(|one| one.id).collect()
}

/// The next event, or a failure after 20 s.
fn next(worker: &Worker) -> Option<Event> {
    loop {
        match worker.next_event() {
            Next::Event(event) => return Some(event),
            Next::Over => return None,
            Next::None => {}
        }
        let fd = worker.events_fd();
        let mut set = [rustix::event::PollFd::from_borrowed_fd(fd, rustix::event::PollFlags::IN)];
        let patience = rustix::time::Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_ne!(rustix::event::poll(&mut set, Some(&patience)).unwrap(), 0, "no event came");
    }
}

fn until(worker: &Worker, kind: Kind) -> Event {
    loop {
        let event = next(worker).unwrap_or_else(|| panic!("stopped before {kind:?}"));
        if event.kind == kind {
            return event;
        }
        assert_ne!(event.kind, Kind::Error, "{}", event.text);
    }
}

fn rest(worker: &Worker) -> Vec<Event> {
    std::iter::from_fn(|| next(worker)).collect()
}

fn settle(store: &Store, id: &str) -> State {
    let clock = SystemClock::new();
    for _ in 0..10_000 {
        let state = store.view(id).unwrap().state;
        if state.ended() {
            return state;
        }
        clock.sleep(Duration::from_millis(1));
    }
    panic!("the job did not end: {:?}", store.view(id))
}

/// Lets the worker learn that "sleep" is short: what does not return or does not end comes as a surprise, in the
/// middle of a frame.
fn learn(store: &Store) {
    for id in enqueue(store, (0..500).map(|_| job("sleep", "0")).collect()) {
        settle(store, &id);
    }
}

#[test]
fn a_burst_runs_everything_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut jobs: Vec<NewJob> = (0..3_000).map(|number| job("noop", &number.to_string())).collect();
    jobs.push(job("raise", ""));
    let ids = enqueue(&store, jobs);
    let worker = Worker::start(Arc::clone(&store), Options { burst: true, ..options(2) }).unwrap();
    let events = rest(&worker);
    assert!(events.iter().all(|event| !matches!(event.kind, Kind::Error | Kind::JobLost)), "{events:?}");
    assert_eq!(events.last().unwrap().kind, Kind::Stopped);
    for id in &ids[..3_000] {
        assert_eq!(store.view(id).unwrap().state, State::Success);
    }
    assert_eq!(store.view(&ids[3_000]).unwrap().state, State::Failed);
    assert!(store.workers().unwrap().is_empty());
    let left: Vec<_> =
        std::fs::read_dir(store.directory().unwrap()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with("worker")), "{left:?}");
}

#[test]
fn a_job_that_kills_its_child_dies_and_its_neighbours_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = Worker::start(Arc::clone(&store), options(2)).unwrap();
    until(&worker, Kind::Ready);
    learn(&store);
    let mut jobs: Vec<NewJob> = (0..200).map(|_| job("sleep", "0")).collect();
    jobs.insert(100, job("sleep", "die"));
    let ids = enqueue(&store, jobs);
    let lost = until(&worker, Kind::JobLost);
    assert_eq!(lost.job.as_deref(), Some(ids[100].as_str()));
    assert!(lost.text.contains("signal 9 (SIGKILL)"), "{}", lost.text);
    for (place, id) in ids.iter().enumerate() {
        let (expected, attempts) = if place == 100 { (State::Dead, 2) } else { (State::Success, 1) };
        assert_eq!(settle(&store, id), expected, "job {place}");
        assert_eq!(store.attempts(id).unwrap().len(), attempts, "job {place}");
    }
    worker.stop(false);
    assert_eq!(rest(&worker).last().unwrap().kind, Kind::Stopped);
}

#[test]
fn short_jobs_do_not_wait_behind_a_long_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = Worker::start(Arc::clone(&store), options(2)).unwrap();
    until(&worker, Kind::Ready);
    learn(&store);
    let mut jobs: Vec<NewJob> = (0..100).map(|_| job("sleep", "0")).collect();
    jobs.insert(5, job("sleep", "1500"));
    let clock = SystemClock::new();
    let start = clock.boot_us();
    let ids = enqueue(&store, jobs);
    for id in ids.iter().enumerate().filter(|(place, _)| *place != 5).map(|(_, id)| id) {
        assert_eq!(settle(&store, id), State::Success);
    }
    let took = clock.boot_us() - start;
    assert!(took < 500_000, "{took} µs");
    worker.stop(true);
    rest(&worker);
    assert_eq!(store.view(&ids[5]).unwrap().state, State::Waiting);
}

#[test]
fn a_hard_limit_ends_the_job_and_not_its_neighbours() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let slow = NewJob { time_limit_us: Some(100_000), ..job("sleep", "60000") };
    let ids = enqueue(&store, vec![slow, job("noop", ""), job("noop", "")]);
    let worker = Worker::start(Arc::clone(&store), options(1)).unwrap();
    assert_eq!(settle(&store, &ids[0]), State::Failed);
    let failure = store.view(&ids[0]).unwrap().failure.unwrap();
    assert_eq!(failure.error, "pyqueue.exceptions.TimeLimitExceeded");
    assert_eq!(failure.message, "the job ran longer than its time limit of 0.1 s and its process was killed");
    assert_eq!((settle(&store, &ids[1]), settle(&store, &ids[2])), (State::Success, State::Success));
    worker.stop(false);
    rest(&worker);
}

#[test]
fn a_warm_stop_lets_the_running_job_end_and_a_retry_comes_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = Worker::start(Arc::clone(&store), options(1)).unwrap();
    until(&worker, Kind::Ready);
    let retry = enqueue(&store, vec![job("retry", "")]);
    assert_eq!(settle(&store, &retry[0]), State::Success);
    assert_eq!(store.view(&retry[0]).unwrap().retries, 1);
    let ids = enqueue(&store, vec![job("sleep", "300"), job("noop", "")]);
    while store.view(&ids[0]).unwrap().state != State::Running {
        SystemClock::new().sleep(Duration::from_millis(1));
    }
    SystemClock::new().sleep(Duration::from_millis(50));
    worker.stop(false);
    rest(&worker);
    assert_eq!(store.view(&ids[0]).unwrap().state, State::Success);
    assert_eq!(store.view(&ids[1]).unwrap().state, State::Waiting);
}

#[test]
fn children_that_cannot_start_stop_the_worker() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let mut command = command();
    command[2] = format!("PYQUEUE_TEST_BROKEN=1 {}", command[2]);
    let worker = Worker::start(store, Options { command, ..options(2) }).unwrap();
    let events = rest(&worker);
    let error = events.iter().find(|event| event.kind == Kind::Error).unwrap();
    assert!(error.text.contains("exit code 3: no module named app"), "{}", error.text);
    assert_eq!(events.last().unwrap().kind, Kind::Stopped);
}

/// The worker of the tests below: this program again. Tells its children's processes.

#[test]
fn an_error_of_the_store_is_told_once_and_tried_again_after_growing_pauses() {
    let mut ledger = super::finisher::Ledger::new();
    let busy = Error::Busy { waited_ms: 1 };
    let (mut now, mut pauses) = (0, Vec::new());
    assert!(ledger.trouble(&busy.to_string(), now));
    for _ in 0..8 {
        let until = ledger.trouble.as_ref().unwrap().until_us;
        pauses.push(until - now);
        now = until;
        assert!(!ledger.trouble(&busy.to_string(), now));
    }
    assert_eq!(pauses[..3], [100_000, 200_000, 400_000]);
    assert_eq!(pauses[7], 5_000_000);
    assert!(ledger.trouble("the disk is full", now));
}
