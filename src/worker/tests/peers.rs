//! Other processes: workers that die or hang, strangers that write.

use super::*;

#[test]
fn a_worker_taken_for_dead_starts_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = Worker::start(Arc::clone(&store), Options { visibility_us: 300_000, ..options(1) }).unwrap();
    until(&worker, Kind::Ready);
    let id = store.workers().unwrap()[0].id;
    worker.describe(b"what it is now".to_vec());
    assert_eq!(store.facts().unwrap()[&id].said, b"what it is now");
    let long = enqueue(&store, vec![job("sleep", "300")]);
    while store.view(&long[0]).unwrap().state != State::Running {
        SystemClock::new().sleep(Duration::from_millis(1));
    }
    store.reap(id, crate::store::Evidence::None, "a test says so").unwrap();
    until(&worker, Kind::Warning);
    assert_eq!(until(&worker, Kind::LeaseLost).job, Some(long[0].clone()));
    assert_eq!(settle(&store, &long[0]), State::Success);
    let now = store.workers().unwrap();
    assert!(now.len() == 1 && now[0].id != id);
    assert!(liveness::alive(&store.directory().unwrap(), now[0].id));
    assert_eq!(store.facts().unwrap()[&now[0].id].said, b"what it is now");
    worker.stop(false);
    rest(&worker);
}

#[test]
fn worker_main() {
    let Some(directory) = std::env::var_os("PYQUEUE_TEST_WORKER") else { return };
    // SAFETY: no other thread reads the environment yet; the children must not take this for their own role.
    unsafe { std::env::remove_var("PYQUEUE_TEST_WORKER") };
    let worker = Worker::start(store(Path::new(&directory)), options(2)).unwrap();
    while let Some(event) = wait_for_ever(&worker) {
        if event.kind == Kind::ChildStarted {
            println!("child {}", event.pid.unwrap());
        }
    }
}

fn wait_for_ever(worker: &Worker) -> Option<Event> {
    loop {
        match worker.next_event() {
            Next::Event(event) => return Some(event),
            Next::Over => return None,
            Next::None => signals::Held::new().wait(worker.events_fd()),
        };
    }
}

#[test]
fn children_die_with_a_killed_worker_and_a_peer_takes_its_jobs() {
    use std::io::{BufRead, BufReader};
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let long = enqueue(&store, vec![job("sleep", "600")]);
    let mut other = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["worker::tests::peers::worker_main", "--exact", "--nocapture", "--test-threads=1"])
        .env("PYQUEUE_TEST_WORKER", directory.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    let children = lines
        .filter_map(|line| line.unwrap().split_once("child ").map(|(_, pid)| pid.parse::<i32>().unwrap()));
    let children: Vec<_> = children
        .take(2)
        .map(|pid| {
            let pid = rustix::process::Pid::from_raw(pid).unwrap();
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).unwrap()
        })
        .collect();
    let peer = Worker::start(Arc::clone(&store), options(1)).unwrap();
    until(&peer, Kind::Ready);
    while store.view(&long[0]).unwrap().state != State::Running {
        SystemClock::new().sleep(Duration::from_millis(1));
    }
    let clock = SystemClock::new();
    let start = clock.boot_us();
    other.kill().unwrap();
    for child in &children {
        let mut set = [rustix::event::PollFd::new(child, rustix::event::PollFlags::IN)];
        let patience = rustix::time::Timespec { tv_sec: 5, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut set, Some(&patience)).unwrap(), 1);
    }
    let children_us = clock.boot_us() - start;
    let reaped = until(&peer, Kind::Reaped);
    let reaped_us = clock.boot_us() - start;
    assert!(children_us < 100_000 && reaped_us < 1_000_000, "{children_us} {reaped_us}: {}", reaped.text);
    assert_eq!(until(&peer, Kind::JobLost).job, Some(long[0].clone()));
    other.wait().unwrap();
    assert_eq!(settle(&store, &long[0]), State::Success);
    peer.stop(false);
    rest(&peer);
}

#[test]
fn a_job_from_a_stranger_is_noticed_without_a_bell() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = Worker::start(Arc::clone(&store), options(1)).unwrap();
    until(&worker, Kind::Ready);
    let clock = SystemClock::new();
    let stranger = rusqlite::Connection::open(store.path()).unwrap();
    let mut times = Vec::new();
    for number in 0..20 {
        // Long enough for every look after the last job to be over.
        clock.sleep(Duration::from_millis(50));
        let id = format!("stranger-{number}");
        let start = clock.boot_us();
        stranger.execute("INSERT INTO pyqueue_inbox(id, task, body) VALUES(?, 'noop', x'')", [&id]).unwrap();
        assert_eq!(settle(&store, &id), State::Success);
        times.push(clock.boot_us() - start);
    }
    times.sort_unstable();
    // Without inotify it would be the look once a second.
    assert!(times[10] < 50_000, "{times:?}");
    worker.stop(false);
    rest(&worker);
}

#[test]
fn a_hung_worker_loses_its_jobs_when_its_lease_is_over_and_not_before() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let clock = SystemClock::new();
    // Alive by its lock, and never beating.
    let entered = clock.boot_us();
    let hung = crate::store::NewWorker {
        name: "hung".into(),
        pid: std::process::id(),
        slots: 1,
        visibility_us: 3_000_000,
        facts: Vec::new(),
    };
    let id = store.join(hung).unwrap();
    let lock = liveness::Lock::take(&store.directory().unwrap(), id).unwrap();
    let ids = enqueue(&store, vec![job("noop", "")]);
    let ask = crate::store::Ask { owner: id, limit: 1, queues: None, tasks: None, visibility_us: None };
    assert_eq!(store.claim(ask).unwrap().jobs.len(), 1);
    let worker = Worker::start(Arc::clone(&store), options(1)).unwrap();
    let reaped = until(&worker, Kind::Reaped);
    let after = clock.boot_us() - entered;
    assert!((3_000_000..4_500_000).contains(&after), "{after} µs: {}", reaped.text);
    assert_eq!(settle(&store, &ids[0]), State::Success);
    worker.stop(false);
    rest(&worker);
    drop(lock);
}
