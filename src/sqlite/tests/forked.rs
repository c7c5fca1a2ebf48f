use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;

use super::*;
use crate::sqlite::STOCK_LOCKS;

/// Forks; the child runs `act` and ends with 0 if that is true. It is killed after 20 s.
pub(super) fn fork_and(act: impl FnOnce() -> bool) -> libc::pid_t {
    // Without the cure children hang: no need to wait long for that.
    let patience = if std::env::var(STOCK_LOCKS).is_ok_and(|value| value == "1") { 2 } else { 20 };
    // SAFETY: the child uses only what the gate keeps intact, and ends without unwinding into the harness.
    unsafe {
        match libc::fork() {
            0 => {
                libc::alarm(patience);
                let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or(false);
                libc::_exit(i32::from(!good))
            }
            child => child,
        }
    }
}

pub(super) fn ended_well(child: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: `status` is valid for the call.
    unsafe { libc::waitpid(child, &mut status, 0) == child && status == 0 }
}

#[test]
fn children_of_a_writing_process_write_too_and_no_row_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let numbers = Arc::new(open(&path).unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicI64::new(0));
    let threads: Vec<_> = (0..4)
        .map(|thread: i64| {
            let (numbers, stop, written) = (numbers.clone(), stop.clone(), written.clone());
            thread::spawn(move || {
                let mut n = (thread + 1) << 40;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    put(&numbers, Durability::Normal, n).unwrap();
                    written.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let children: Vec<_> = (0..20)
        .map(|child: i64| {
            fork_and(|| {
                let fresh = open(&path).unwrap();
                (0..20).for_each(|n| put(&fresh, Durability::Normal, child * 20 + n).unwrap());
                if child % 2 == 1 {
                    drop(Arc::into_inner(numbers.clone()));
                }
                true
            })
        })
        .collect();
    let good = children.into_iter().filter(|&child| ended_well(child)).count();
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(good, 20);
    assert_eq!(numbers.read(count).unwrap(), written.load(Ordering::Relaxed) + 400);
    assert_eq!(numbers.read(|conn| Ok(whole(conn))).unwrap(), "ok");
}

/// The case in which stock SQLite loses 100 of 101 rows: the child believes that it holds the locks which
/// only the parent has, and the parent's close deletes the log under it.
#[test]
fn a_child_has_locks_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let numbers = open(&path).unwrap();
    put(&numbers, Durability::Normal, 1).unwrap();
    let (mut ready, mut closed) = ([0; 2], [0; 2]);
    // SAFETY: both arrays have room for two descriptors.
    unsafe { assert_eq!(libc::pipe(ready.as_mut_ptr()) + libc::pipe(closed.as_mut_ptr()), 0) };
    // SAFETY: one byte in a live buffer.
    let say = |fd| unsafe { assert_eq!(libc::write(fd, b"x".as_ptr().cast(), 1), 1) };
    // SAFETY: as above.
    let hear = |fd| unsafe { assert_eq!(libc::read(fd, [0u8; 1].as_mut_ptr().cast(), 1), 1) };
    let child = fork_and(|| {
        let fresh = open(&path).unwrap();
        put(&fresh, Durability::Normal, 2).unwrap();
        say(ready[1]);
        hear(closed[0]);
        (3..103).for_each(|n| put(&fresh, Durability::Normal, n).unwrap());
        true
    });
    hear(ready[0]);
    drop(numbers);
    say(closed[1]);
    assert!(ended_well(child));
    assert_eq!(open(&path).unwrap().read(count).unwrap(), 102);
}

#[test]
fn an_inherited_database_answers_only_errors() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let numbers = open(&path).unwrap();
    put(&numbers, Durability::Normal, 1).unwrap();
    let before = fork::forks();
    let holder = Other::open(&path);
    holder.run("BEGIN IMMEDIATE; INSERT INTO number VALUES (2, 'x')");
    let inherited = std::mem::ManuallyDrop::new(numbers);
    let child = fork_and(|| {
        let same = inherited.generation() == fork::forks();
        let closed = std::mem::ManuallyDrop::into_inner(inherited);
        let errors = [
            closed.write(Durability::Full, |_| Ok(())).is_err(),
            closed.read(|_| Ok(())).is_err(),
            closed.changed().is_err(),
            closed.checkpoint().is_err(),
        ];
        drop(closed);
        !same && errors == [true; 4]
    });
    assert!(ended_well(child));
    assert_eq!(fork::forks(), before);
    holder.run("COMMIT");
    assert!(path.with_extension("db-wal").exists());
    assert_eq!(open(&path).unwrap().read(count).unwrap(), 2);
}

/// A fork while a thread waits for another connection's transaction must not wait for that.
#[test]
fn a_fork_does_not_wait_for_a_busy_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let numbers = Arc::new(open(&path).unwrap());
    let other = Other::open(&path);
    other.run("BEGIN IMMEDIATE");
    let waiting = {
        let numbers = numbers.clone();
        thread::spawn(move || put(&numbers, Durability::Normal, 1))
    };
    for _ in 0..20 {
        assert!(ended_well(fork_and(|| true)));
    }
    assert!(!waiting.is_finished());
    other.run("COMMIT");
    waiting.join().unwrap().unwrap();
    assert_eq!(numbers.read(count).unwrap(), 1);
}
