//! The two futex calls, on words that other processes map too (so never the private kind).

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{Flags, wait as futex_wait, wake as futex_wake};
use rustix::time::Timespec;

/// Sleeps while the word is `expected`; `AGAIN` if it is not, `TIMEDOUT`, `INTR` after a signal handler.
pub(super) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Result<(), Errno> {
    let timeout = timeout.map(|time| Timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    });
    futex_wait(word, Flags::empty(), expected, timeout.as_ref())
}

/// Wakes every sleeper on the word.
pub(super) fn wake_all(word: &AtomicU32) {
    // Fails only for a word outside the address space.
    let _ = futex_wake(word, Flags::empty(), i32::MAX as u32);
}
