//! Beside another copy of SQLite in the same process: the system's, loaded at run time.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::sqlite::STOCK_LOCKS;

type OpenCall = unsafe extern "C" fn(*const c_char, *mut *mut c_void) -> c_int;
type ExecCall =
    unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_void, *mut c_void, *mut *mut c_char) -> c_int;
type CloseCall = unsafe extern "C" fn(*mut c_void) -> c_int;
type TimeoutCall = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;

#[derive(Clone, Copy)]
struct Foreign {
    open: OpenCall,
    exec: ExecCall,
    close: CloseCall,
    timeout: TimeoutCall,
}

impl Foreign {
    /// `None` where there is no second copy to load.
    fn load() -> Option<Foreign> {
        // SAFETY: the library is SQLite's, whose four functions have these signatures in all versions.
        unsafe {
            let flags = libc::RTLD_NOW | libc::RTLD_LOCAL | libc::RTLD_DEEPBIND;
            let library = libc::dlopen(c"libsqlite3.so.0".as_ptr(), flags);
            if library.is_null() {
                return None;
            }
            let symbol = |name: &CStr| libc::dlsym(library, name.as_ptr());
            Some(Foreign {
                open: std::mem::transmute::<*mut c_void, OpenCall>(symbol(c"sqlite3_open")),
                exec: std::mem::transmute::<*mut c_void, ExecCall>(symbol(c"sqlite3_exec")),
                close: std::mem::transmute::<*mut c_void, CloseCall>(symbol(c"sqlite3_close")),
                timeout: std::mem::transmute::<*mut c_void, TimeoutCall>(symbol(c"sqlite3_busy_timeout")),
            })
        }
    }

    /// Opens, runs each statement in turn, closes. How many were acknowledged.
    fn session(self, path: &Path, statements: impl Iterator<Item = String>) -> i64 {
        let path = CString::new(path.as_os_str().as_bytes()).unwrap();
        let mut connection = ptr::null_mut();
        // SAFETY: the connection is used by this thread only, between open and close.
        unsafe {
            assert_eq!((self.open)(path.as_ptr(), &mut connection), 0);
            (self.timeout)(connection, 10_000);
            let done = statements
                .filter(|statement| {
                    let sql = CString::new(statement.as_str()).unwrap();
                    let none = ptr::null_mut;
                    (self.exec)(connection, sql.as_ptr(), none(), none(), ptr::null_mut()) == 0
                })
                .count();
            (self.close)(connection);
            done as i64
        }
    }
}

/// Both copies write from two threads each and open and close all the time, while the process forks and
/// its children write too.
#[test]
#[ignore = "run by the tests below in a process of its own"]
fn both_write() {
    // SAFETY: this process runs this test alone; without the cure it may hang.
    unsafe { libc::alarm(60) };
    let foreign = Foreign::load().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    drop(open(&path).unwrap());
    let stop = AtomicBool::new(false);
    let acknowledged = AtomicI64::new(0);
    let lame = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let going = || !stop.load(Ordering::Relaxed);
        for thread in 1..=2i64 {
            let (path, acknowledged) = (&path, &acknowledged);
            scope.spawn(move || {
                let mut n = thread << 40;
                while going() {
                    let numbers = open(path).unwrap();
                    for _ in 0..1 + n % 30 {
                        n += 1;
                        put(&numbers, Durability::Normal, n).unwrap();
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
            scope.spawn(move || {
                let mut n = (thread + 2) << 40;
                while going() {
                    let first = n;
                    n += 1 + n % 30;
                    let rows = (first..n).map(|n| format!("INSERT INTO number VALUES ({n}, 'y')"));
                    acknowledged.fetch_add(foreign.session(path, rows), Ordering::Relaxed);
                    foreign.session(path, ["SELECT count(*) FROM sqlite_schema".into()].into_iter());
                }
            });
        }
        for child in 0..15 {
            SystemClock::new().sleep(Duration::from_millis(100));
            let rows = forked::fork_and(|| {
                let fresh = open(&path).unwrap();
                (0..20).for_each(|n| put(&fresh, Durability::Normal, child * 20 + n).unwrap());
                true
            });
            if !forked::ended_well(rows) {
                lame.store(true, Ordering::Relaxed);
                break;
            }
            acknowledged.fetch_add(20, Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(!lame.into_inner(), "a child failed");
    let numbers = open(&path).unwrap();
    println!("{} commits", acknowledged.load(Ordering::Relaxed));
    assert_eq!(numbers.read(|conn| Ok(whole(conn))).unwrap(), "ok");
    assert_eq!(numbers.read(count).unwrap(), acknowledged.load(Ordering::Relaxed));
}

/// Our transaction is open, another copy opens and closes the file: our lock must hold and be seen.
#[test]
fn the_other_copy_sees_our_lock_and_cannot_drop_it() {
    if absent() {
        return;
    }
    let foreign = Foreign::load().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("q.db");
    let numbers = open(&path).unwrap();
    let (inside, other) = (path.clone(), foreign);
    numbers
        .write(Durability::Full, move |tx| {
            insert(tx, 1)?;
            let both =
                ["SELECT 1 FROM number", "PRAGMA busy_timeout = 0", "INSERT INTO number VALUES (2, 'y')"];
            for _ in 0..3 {
                assert_eq!(
                    other.session(&inside, both.iter().map(|&sql| sql.into())),
                    2,
                    "its write is refused"
                );
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(foreign.session(&path, ["INSERT INTO number VALUES (2, 'y')".into()].into_iter()), 1);
    assert!(path.with_extension("db-wal").exists(), "we have it open");
    assert!(numbers.changed().unwrap());
    assert_eq!(numbers.read(count).unwrap(), 2);
}

/// Whether there is no second copy of SQLite to test with. Where merges are decided that is a failure.
fn absent() -> bool {
    let absent = Foreign::load().is_none();
    assert!(!absent || std::env::var("CI").as_deref() != Ok("true"), "the system's libsqlite3 is missing");
    absent
}

fn run_both_write(stock: &str) -> bool {
    let test = "sqlite::tests::beside::both_write";
    let run = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env(STOCK_LOCKS, stock)
        .output()
        .unwrap();
    println!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    run.status.success()
}

#[test]
fn two_copies_lose_nothing() {
    assert!(absent() || run_both_write("0"));
}

#[test]
fn without_the_cure_two_copies_destroy_the_file() {
    assert!(absent() || (0..5).any(|_| !run_both_write("1")));
}
