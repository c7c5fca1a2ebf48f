use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rusqlite::ffi;

use super::*;
use crate::error::Error;

static SYNCS: AtomicU32 = AtomicU32::new(0);
static BROKEN: AtomicBool = AtomicBool::new(false);

unsafe extern "C" fn counted(_: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    SYNCS.fetch_add(1, Ordering::Relaxed);
    if BROKEN.load(Ordering::Relaxed) { ffi::SQLITE_IOERR_FSYNC } else { ffi::SQLITE_OK }
}

/// Counts the syncs of the writer's WAL from here on.
fn watch(numbers: &Numbers) {
    numbers
        .write(Durability::Normal, |tx| {
            let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
            // SAFETY: the connection is open; its WAL's file gets a table of methods that lives for ever and
            // differs in one function of the same signature.
            unsafe {
                let code = ffi::sqlite3_file_control(
                    tx.conn.handle(),
                    c"main".as_ptr(),
                    ffi::SQLITE_FCNTL_JOURNAL_POINTER,
                    (&raw mut file).cast(),
                );
                assert_eq!(code, ffi::SQLITE_OK);
                let methods = Box::leak(Box::new(std::ptr::read((*file).pMethods)));
                methods.xSync = Some(counted);
                (*file).pMethods = methods;
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn full_is_acknowledged_after_a_sync_and_never_without() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = open(&directory.path().join("q.db")).unwrap();
    put(&numbers, Durability::Normal, 0).unwrap();
    watch(&numbers);
    let syncs = |durability, n| {
        let before = SYNCS.load(Ordering::Relaxed);
        let answer = put(&numbers, durability, n);
        (SYNCS.load(Ordering::Relaxed) - before, answer)
    };
    assert!(matches!(syncs(Durability::Normal, 1), (0, Ok(()))));
    assert!(matches!(syncs(Durability::Full, 2), (1, Ok(()))));
    BROKEN.store(true, Ordering::Relaxed);
    assert!(matches!(syncs(Durability::Normal, 3), (0, Ok(()))));
    assert!(matches!(syncs(Durability::Full, 4), (1.., Err(Error::Io(_)))));
    assert!(matches!(syncs(Durability::Full, 5), (1.., Err(Error::Io(_)))));
    // A sync that succeeds again says nothing about what the failed ones left out: all of the WAL is written
    // once more first.
    BROKEN.store(false, Ordering::Relaxed);
    assert!(matches!(syncs(Durability::Full, 6), (1.., Ok(()))));
    assert_eq!(numbers.checkpoint().unwrap(), 0);
    assert!(matches!(syncs(Durability::Full, 7), (1.., Ok(()))));
    assert_eq!(numbers.read(count).unwrap(), 8);
}
