//! The gate that makes `fork()` safe: no thread is inside our SQLite while a process forks.
//!
//! Every call into our SQLite holds the gate. The prepare handler closes it to newcomers and waits until
//! all inside have left; the child then buries what it inherited (`descriptors::bury`) and counts one
//! generation up. A handle keeps the generation it was opened in and is not touched in any other.
//!
//! Invariant: process-wide locks (those of `descriptors`, those inside SQLite) are only ever taken inside
//! the gate, so no other thread holds one at the moment of a fork and plain mutexes are enough. Locks of
//! one database are not covered: the child never touches those of an inherited database. Nothing inside
//! the gate waits for a thread outside it, or for Python's GIL, which the forking thread may hold.
//!
//! `pthread_atfork` and not `os.register_at_fork`: uWSGI, multiprocessing and C libraries fork too.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::thread::futex;

use super::descriptors;
use crate::clock::Env;
use crate::mutants::{self, Mutant};

const FORKING: u32 = 1 << 31;

/// How many threads are inside; the top bit is set while a fork waits or runs.
static STATE: AtomicU32 = AtomicU32::new(0);
static GENERATION: AtomicU64 = AtomicU64::new(0);
static REGISTERED: Once = Once::new();

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Proof that this thread is inside. May be nested; only the outermost one counts.
#[derive(Debug)]
pub struct Gate {
    /// The depth is the thread's own.
    thread: PhantomData<*const ()>,
}

/// Waits while a fork runs, then goes inside.
pub fn enter() -> Gate {
    let depth = DEPTH.get();
    if depth == 0 {
        go_in();
    }
    DEPTH.set(depth + 1);
    Gate { thread: PhantomData }
}

impl Gate {
    /// Goes outside and in again, so that a waiting fork can run. False if this gate is nested: then the
    /// fork has to wait for the outer one.
    pub fn step_aside(&mut self) -> bool {
        self.outside(|| ()).is_some()
    }

    /// Calls `act` outside. `None` if this gate is nested: then there is no outside.
    pub fn outside<T>(&mut self, act: impl FnOnce() -> T) -> Option<T> {
        if DEPTH.get() != 1 {
            return None;
        }
        DEPTH.set(0);
        go_out();
        let answer = act();
        go_in();
        DEPTH.set(1);
        Some(answer)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            go_out();
        }
    }
}

/// Whether a fork waits for those inside. Whoever waits inside for something slow gives up then.
pub fn pending() -> bool {
    STATE.load(Ordering::Relaxed) & FORKING != 0
}

/// How often this process and its ancestors have forked since the handlers were registered.
pub(super) fn forks() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// The generation of whoever calls: a handle is used only in the one in which it was opened. Where processes are
/// played, each is a generation of its own.
pub fn generation(env: &Env) -> u64 {
    match &env.vfs {
        None => forks(),
        Some(_) if mutants::on(Mutant::InheritedHandlesLive) => 0,
        Some(vfs) => vfs.process(),
    }
}

/// Registers the handlers, once per process.
pub(super) fn register() {
    if mutants::on(Mutant::NoForkGate) {
        return;
    }
    REGISTERED.call_once(|| {
        // SAFETY: the three functions live as long as the program and touch only statics.
        let code = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        assert_eq!(code, 0, "no memory for the fork handlers");
    });
}

fn go_in() {
    while STATE.fetch_add(1, Ordering::Acquire) & FORKING != 0 {
        go_out();
        wait_while(|state| state & FORKING != 0);
    }
}

fn go_out() {
    // Only a fork waits for the count, so nobody is woken otherwise.
    if STATE.fetch_sub(1, Ordering::Release) & FORKING != 0 {
        wake();
    }
}

fn wait_while(closed: impl Fn(u32) -> bool) {
    loop {
        let state = STATE.load(Ordering::Acquire);
        if !closed(state) {
            return;
        }
        // An early return (signal, changed value) is found out by the next look.
        let _ = futex::wait(&STATE, futex::Flags::PRIVATE, state, None);
    }
}

fn wake() {
    let _ = futex::wake(&STATE, futex::Flags::PRIVATE, i32::MAX as u32);
}

/// A thread that forks from inside counts itself: it would wait for itself for ever.
fn own() -> u32 {
    u32::from(DEPTH.get() > 0)
}

extern "C" fn prepare() {
    // Newer C libraries run the handlers of two forking threads at the same time: one at a time here.
    while STATE.fetch_or(FORKING, Ordering::AcqRel) & FORKING != 0 {
        wait_while(|state| state & FORKING != 0);
    }
    let own = own();
    wait_while(|state| state & !FORKING > own);
}

extern "C" fn parent() {
    STATE.fetch_and(!FORKING, Ordering::Release);
    wake();
}

extern "C" fn child() {
    if !mutants::on(Mutant::InheritedHandlesLive) {
        descriptors::bury();
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // Threads that knocked while the gate was closed are in the count but not in this process.
    STATE.store(own(), Ordering::Release);
}
