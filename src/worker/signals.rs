//! Which thread and which process gets a signal.

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::thread::JoinHandle;

use rustix::io::Errno;

use crate::error::{Error, Result};

/// Starts a thread in which all signals are blocked, from its first instruction on: they reach the main thread,
/// which is Python's, and interrupt what it waits for.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    // A new thread has the mask of the one that starts it.
    let _held = Held::new();
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(|error| Error::System {
        call: "pthread_create",
        source: Errno::from_io_error(&error).unwrap_or(Errno::AGAIN),
    })
}

fn all() -> libc::sigset_t {
    // SAFETY: sigfillset initialises what it is given.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        set
    }
}

fn mask(how: libc::c_int, set: &libc::sigset_t) {
    // SAFETY: a valid set; the call changes nothing but this thread's mask.
    unsafe { libc::pthread_sigmask(how, set, std::ptr::null_mut()) };
}

/// The process that runs jobs; its forks are not the supervisor's business.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// Does nothing in the child; in a process that the child forked, what the signal does by default.
extern "C" fn leave_to_supervisor(signal: libc::c_int) {
    // SAFETY: getpid, signal and raise are safe in a handler.
    unsafe {
        if libc::getpid() != CHILD.load(Relaxed) {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

/// Makes this process a child: the supervisor's own signals, which its program may not have handlers for, Ctrl-C and a TERM or HUP to the whole group are the supervisor's to answer. Handlers and
/// not SIG_IGN, because programs that a task starts would inherit SIG_IGN. The mask is that of the supervisor's
/// thread, where everything is blocked: it is cleared.
pub fn become_child() {
    CHILD.store(std::process::id().cast_signed(), Relaxed);
    // SAFETY: the handler makes only calls that are safe in one; an empty set is valid.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = leave_to_supervisor as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGINT, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGTERM, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGHUP, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
        libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut());
        mask(libc::SIG_SETMASK, &action.sa_mask);
    }
}

/// Blocks all signals while it lives. What arrives meanwhile is answered by `wait`.
pub struct Held(libc::sigset_t);

impl Held {
    /// Blocks.
    pub fn new() -> Held {
        // SAFETY: both sets are valid.
        unsafe {
            let mut before = std::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_SETMASK, &all(), &raw mut before);
            Held(before)
        }
    }

    /// Waits until the descriptor can be read; false if a signal came, also one that came since `new`.
    pub fn wait(&self, fd: std::os::fd::BorrowedFd<'_>) -> bool {
        use std::os::fd::AsRawFd;
        let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry, no time-out, a valid mask.
        unsafe { libc::ppoll(&raw mut poll, 1, std::ptr::null(), &raw const self.0) >= 0 }
    }
}

impl Default for Held {
    fn default() -> Self {
        Held::new()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        mask(libc::SIG_SETMASK, &self.0);
    }
}
