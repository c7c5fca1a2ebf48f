//! A loop that turns and claims nothing.

use super::*;
use crate::store::Scope;
use crate::worker::overlooked::BLIND;

/// One blind supervisor, with a job that is due; the worker, and the job.
fn blind(directory: &Path, name: &'static str, stall_us: i64) -> (Worker, Arc<Store>, String) {
    let store = store(directory);
    BLIND.lock().unwrap().push(name);
    let options = Options { name: name.into(), stall_us, ..options(1) };
    let worker = Worker::start(Arc::clone(&store), options).unwrap();
    until(&worker, Kind::Ready);
    let id = enqueue(&store, vec![job("noop", "1")]).remove(0);
    (worker, store, id)
}

#[test]
fn due_jobs_that_nobody_claims_begin_the_loop_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, store, id) = blind(directory.path(), "blind", LEAST_STALL_US);
    let told = until(&worker, Kind::Warning);
    assert!(told.text.contains("has an idle child and claims none (1 in line, 0 claimed"), "{}", told.text);
    until(&worker, Kind::Stopped);
    until(&worker, Kind::Ready);
    assert_eq!(settle(&store, &id), State::Success);
    assert_eq!(store.workers().unwrap().len(), 1, "the one that it was has left the file");
    worker.stop(false);
    assert!(rest(&worker).iter().all(|event| !matches!(event.kind, Kind::Warning | Kind::Error)));
}

#[test]
fn control_without_the_watch_they_wait_and_a_new_worker_finds_them() {
    let directory = tempfile::tempdir().unwrap();
    let (worker, store, id) = blind(directory.path(), "blind without a watch", 0);
    SystemClock::new().sleep(Duration::from_micros(2 * LEAST_STALL_US.unsigned_abs()));
    assert_eq!(store.view(&id).unwrap().state, State::Waiting);
    worker.stop(false);
    assert!(rest(&worker).iter().all(|event| event.kind != Kind::Warning));
}

/// A watched worker with one child; no warning may have come when it has stopped.
fn watched(store: &Arc<Store>) -> Worker {
    let options = Options { stall_us: LEAST_STALL_US, ..options(1) };
    let worker = Worker::start(Arc::clone(store), options).unwrap();
    until(&worker, Kind::Ready);
    worker
}

fn is_at_peace(worker: &Worker) {
    worker.stop(false);
    assert!(rest(worker).iter().all(|event| event.kind != Kind::Warning));
}

#[test]
fn a_job_that_waits_for_a_busy_child_is_not_overlooked() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = watched(&store);
    let ids = enqueue(&store, vec![job("sleep", "4500"), job("noop", "1")]);
    assert_eq!(settle(&store, &ids[1]), State::Success);
    is_at_peace(&worker);
}

#[test]
fn a_job_in_a_paused_queue_is_not_overlooked() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let worker = watched(&store);
    store.pause(Scope::Queue("default".into())).unwrap();
    enqueue(&store, vec![job("noop", "1")]);
    SystemClock::new().sleep(Duration::from_micros(2 * LEAST_STALL_US.unsigned_abs()));
    is_at_peace(&worker);
}
