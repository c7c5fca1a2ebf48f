use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use rusqlite::ffi;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::error::Error;

#[test]
fn a_group_commits_together_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = Arc::new(open(&directory.path().join("q.db")).unwrap());
    static COMMITS: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C" fn committed(_: *mut c_void) -> c_int {
        COMMITS.fetch_add(1, Ordering::Relaxed);
        0
    }
    let hook = |tx: &mut Tx<'_, Count>| {
        // SAFETY: the connection is open and the hook touches only a static.
        unsafe { ffi::sqlite3_commit_hook(tx.conn.handle(), Some(committed), std::ptr::null_mut()) };
        Ok(())
    };
    numbers.write(Durability::Normal, hook).unwrap();
    let barrier = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16)
        .map(|thread| {
            let (numbers, barrier) = (numbers.clone(), barrier.clone());
            thread::spawn(move || {
                barrier.wait();
                for n in 0..100 {
                    put(&numbers, Durability::Full, thread * 100 + n).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(numbers.read(count).unwrap(), 1_600);
    let commits = COMMITS.load(Ordering::Relaxed);
    assert!(commits < 1_600, "{commits} commits for 1600 requests");
    assert!(!numbers.changed().unwrap(), "all commits were our writer's");
}

type Work = Box<dyn FnOnce(&mut Tx<'_, Count>) -> Result<()> + Send>;

/// Holds the writer until the others wait in the line; the answers of the first and of the others.
fn crowd(numbers: &Arc<Numbers>, works: Vec<Work>) -> (Result<()>, Vec<thread::Result<Result<()>>>) {
    let (go, wait) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let first = {
        let numbers = numbers.clone();
        thread::spawn(move || {
            numbers.write(Durability::Normal, move |_| {
                entered.send(()).unwrap();
                wait.recv().unwrap();
                Ok(())
            })
        })
    };
    inside.recv().unwrap();
    let waiting = works.len();
    let threads: Vec<_> = works
        .into_iter()
        .map(|work| {
            let numbers = numbers.clone();
            thread::spawn(move || numbers.write(Durability::Full, work))
        })
        .collect();
    while numbers.line.length() < waiting {
        thread::yield_now();
    }
    go.send(()).unwrap();
    let answers = threads.into_iter().map(|thread| thread.join()).collect();
    (first.join().unwrap(), answers)
}

#[test]
fn a_request_that_fails_undoes_its_own_part_only() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = Arc::new(open(&directory.path().join("q.db")).unwrap());
    let works: Vec<Work> = (0..9)
        .map(|n| -> Work {
            Box::new(move |tx| {
                insert(tx, n)?;
                match n % 3 {
                    0 => Ok(()),
                    1 => Err(Error::invalid("no")),
                    _ => panic!("a panic is the caller's own"),
                }
            })
        })
        .collect();
    let (first, answers) = crowd(&numbers, works);
    first.unwrap();
    for (n, answer) in answers.iter().enumerate() {
        match n % 3 {
            0 => assert!(matches!(answer, Ok(Ok(())))),
            1 => assert!(matches!(answer, Ok(Err(Error::Invalid(_))))),
            _ => assert!(answer.is_err()),
        }
    }
    assert_eq!(numbers.read(count).unwrap(), 3);
    put(&numbers, Durability::Full, 100).unwrap();
}

#[test]
fn a_panic_alone_leaves_the_writer_usable() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = open(&directory.path().join("q.db")).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        numbers.write::<()>(Durability::Full, |tx| {
            insert(tx, 1)?;
            panic!("a panic is the caller's own")
        })
    }));
    assert!(panicked.is_err());
    let panicked = catch_unwind(AssertUnwindSafe(|| numbers.read::<()>(|_| panic!("reading"))));
    assert!(panicked.is_err());
    put(&numbers, Durability::Full, 2).unwrap();
    assert_eq!(numbers.read(count).unwrap(), 1);
}

#[test]
fn a_rollback_resets_the_state() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = open(&directory.path().join("q.db")).unwrap();
    put(&numbers, Durability::Normal, 1).unwrap();
    let seen = |numbers: &Numbers| numbers.write(Durability::Normal, |tx| Ok(tx.state.0)).unwrap();
    let before = seen(&numbers);
    put(&numbers, Durability::Normal, 2).unwrap();
    assert_eq!(seen(&numbers), before + 1);
    assert!(put(&numbers, Durability::Normal, 2).is_err(), "the key is taken");
    assert_eq!(seen(&numbers), 0);
}

#[test]
fn a_full_file_fails_the_whole_group_and_nothing_is_half_done() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = Arc::new(open(&directory.path().join("q.db")).unwrap());
    numbers
        .write(Durability::Normal, |tx| {
            let pages: i64 = tx.conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            Ok(tx.conn.pragma_update(None, "max_page_count", pages + 4)?)
        })
        .unwrap();
    let works: Vec<Work> = (0..4)
        .map(|n| -> Work {
            Box::new(move |tx| {
                tx.conn.execute(
                    "INSERT INTO number VALUES (?1, hex(zeroblob(?2)))",
                    [n, if n == 3 { 40_000 } else { 10 }],
                )?;
                Ok(())
            })
        })
        .collect();
    let (first, answers) = crowd(&numbers, works);
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
    assert!(matches!(answers[3], Err(Error::Full(_))), "{answers:?}");
    // Whoever was in its group got the same error, whoever came later is there.
    assert!(matches!(first, Ok(()) | Err(Error::Full(_))), "{first:?}");
    let stored = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(numbers.read(count).unwrap(), stored as i64, "{answers:?}");
    put(&numbers, Durability::Full, 100).unwrap();
}

#[test]
fn a_request_that_hides_the_loss_of_its_transaction_gets_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = open(&directory.path().join("q.db")).unwrap();
    let hidden = numbers.write(Durability::Normal, |tx| {
        insert(tx, 1)?;
        tx.conn.execute_batch("ROLLBACK")?;
        Ok(())
    });
    assert!(hidden.is_err());
    put(&numbers, Durability::Normal, 1).unwrap();
}

/// Two hours pass in each sleep.
struct Hasty(SystemClock, std::sync::atomic::AtomicI64);

impl Clock for Hasty {
    fn wall_us(&self) -> i64 {
        self.0.wall_us()
    }
    fn boot_us(&self) -> i64 {
        self.1.load(Ordering::Relaxed)
    }
    fn identity(&self) -> &str {
        self.0.identity()
    }
    fn sleep(&self, time: std::time::Duration) {
        self.1.fetch_add(1_000 * i64::try_from(time.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

#[test]
fn another_writer_makes_it_busy_and_then_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let env = Env { clock: Arc::new(Hasty(SystemClock::new(), Default::default())), ..Env::system() };
    let numbers = Database::<Count>::open(&path, false, &env, |_, _| Ok(true), prepare).unwrap();
    let other = Other::open(&path);
    assert!(!numbers.changed().unwrap());
    other.run("BEGIN IMMEDIATE; INSERT INTO number VALUES (7, 'x')");
    let busy = put(&numbers, Durability::Full, 8).unwrap_err();
    assert!(matches!(busy, Error::Busy { waited_ms: 30_000.. }), "{busy}");
    assert!(!numbers.changed().unwrap());
    other.run("COMMIT");
    assert!(numbers.changed().unwrap());
    assert!(!numbers.changed().unwrap());
    put(&numbers, Durability::Full, 8).unwrap();
    assert!(!numbers.changed().unwrap());
    assert_eq!(numbers.read(count).unwrap(), 2);
}

#[test]
fn a_reader_sees_one_state_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = open(&directory.path().join("q.db")).unwrap();
    numbers
        .read(|conn| {
            thread::scope(|scope| scope.spawn(|| put(&numbers, Durability::Normal, 1)).join()).unwrap()?;
            assert_eq!(count(conn)?, 0);
            assert!(conn.execute("DELETE FROM number", []).is_err());
            Ok(())
        })
        .unwrap();
    assert_eq!(numbers.read(count).unwrap(), 1);
}

#[test]
fn a_checkpoint_empties_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let numbers = open(&path).unwrap();
    (0..100).for_each(|n| put(&numbers, Durability::Normal, n).unwrap());
    numbers
        .read(|_| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    put(&numbers, Durability::Normal, 1_000).unwrap();
                    assert!(numbers.checkpoint().unwrap() > 0, "a reader pins the log");
                });
            });
            Ok(())
        })
        .unwrap();
    assert_eq!(numbers.checkpoint().unwrap(), 0);
}

/// Printed, never asserted: `cargo test --release rates -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn rates() {
    let clock = SystemClock::new();
    let rate = |threads: i64, each: i64, durability: Durability| {
        let directory = tempfile::tempdir_in(".").unwrap();
        let numbers = open(&directory.path().join("q.db")).unwrap();
        put(&numbers, durability, -1).unwrap();
        let start = clock.boot_us();
        thread::scope(|scope| {
            for thread in 0..threads {
                let numbers = &numbers;
                scope.spawn(move || {
                    (0..each).for_each(|n| put(numbers, durability, thread * each + n).unwrap())
                });
            }
        });
        let rate = threads * each * 1_000_000 / (clock.boot_us() - start).max(1);
        println!("{threads:2} threads, {durability:?}: {rate} commits/s");
    };
    for _ in 0..3 {
        rate(1, 100_000, Durability::Normal);
        rate(4, 25_000, Durability::Normal);
        rate(16, 6_000, Durability::Normal);
        rate(1, 5_000, Durability::Full);
        rate(16, 3_000, Durability::Full);
    }
}
