//! A wall clock that somebody sets.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::store::Scope;

struct Set {
    system: SystemClock,
    ahead_us: AtomicI64,
}

impl Clock for Set {
    fn wall_us(&self) -> i64 {
        self.system.wall_us() + self.ahead_us.load(Ordering::Relaxed)
    }

    fn boot_us(&self) -> i64 {
        self.system.boot_us()
    }

    fn awake_us(&self) -> i64 {
        self.system.awake_us()
    }

    fn identity(&self) -> &str {
        self.system.identity()
    }

    fn sleep(&self, time: Duration) {
        self.system.sleep(time);
    }
}

#[test]
fn a_job_has_its_turn_though_the_clock_was_set_back() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(Set { system: SystemClock::new(), ahead_us: AtomicI64::new(0) });
    let store = store_in(directory.path(), Env { clock: clock.clone(), ..Env::system() });
    let worker = Worker::start(Arc::clone(&store), options(1)).unwrap();
    until(&worker, Kind::Ready);
    store.let_out(Scope::Task("noop".into()), Some(2_000_000)).unwrap();
    let ids = enqueue(&store, vec![job("noop", "1"), job("noop", "2")]);
    assert_eq!(settle(&store, &ids[0]), State::Success);
    while store.view(&ids[1]).unwrap().state != State::Parked {
        clock.sleep(Duration::from_millis(1));
    }
    // The claim that the end of the first one brought has been made.
    clock.sleep(Duration::from_millis(500));
    clock.ahead_us.store(-3_600_000_000, Ordering::Relaxed);
    assert_eq!(settle(&store, &ids[1]), State::Success);
    worker.stop(false);
    rest(&worker);
}
