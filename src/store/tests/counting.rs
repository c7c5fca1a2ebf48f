//! SQLite's virtual-machine steps, which don't depend on the machine.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, ffi};

extern "C" fn step(counter: *mut c_void) -> c_int {
    // SAFETY: `count_steps` gave a counter that lives for ever.
    unsafe { &*counter.cast::<AtomicU64>() }.fetch_add(1, Ordering::Relaxed);
    0
}

/// From now on the steps of this connection are counted, or no longer.
pub fn count_steps(conn: &Connection, counter: Option<&'static AtomicU64>) {
    let pointer =
        counter.map_or(std::ptr::null_mut(), |counter| std::ptr::from_ref(counter).cast_mut().cast());
    // SAFETY: the handle is open, and `step` reads the counter as what it is.
    unsafe {
        ffi::sqlite3_progress_handler(conn.handle(), i32::from(counter.is_some()), Some(step), pointer)
    };
}

/// How many `work` takes.
pub fn steps(counter: &AtomicU64, work: impl FnOnce()) -> f64 {
    let before = counter.load(Ordering::Relaxed);
    work();
    (counter.load(Ordering::Relaxed) - before) as f64
}
