//! The thread that listens to the bell for the supervisor: a futex can't be polled together with sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::SeqCst};
use std::thread::{JoinHandle, Thread};

use super::outside::Outside;
use super::signals;
use crate::error::Result;
use crate::wake::{Bell, Line};

const DEAF: u8 = 0;
const LISTENING: u8 = 1;
const CLOSED: u8 = 2;

struct Shared {
    bell: Arc<Bell>,
    state: AtomicU8,
    seen: AtomicU32,
}

/// Listens when told to, once; while the supervisor has enough to do, enqueuers ring for free.
pub(super) struct Ear {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Ear {
    pub fn open(bell: Arc<Bell>, outside: Arc<Outside>) -> Result<Ear> {
        let shared = Arc::new(Shared { bell, state: AtomicU8::new(DEAF), seen: AtomicU32::new(0) });
        let ours = Arc::clone(&shared);
        let thread = signals::spawn("pyqueue-bell", move || ours.run(&outside))?;
        Ok(Ear { shared, thread: Some(thread) })
    }

    /// Wakes the supervisor at the first ring after `seen`. Where it listens already, with an older `seen`, it
    /// has heard a ring or will hear the next.
    pub fn listen(&self, seen: u32) {
        if self.shared.state.load(SeqCst) == DEAF {
            self.shared.seen.store(seen, SeqCst);
            self.shared.state.store(LISTENING, SeqCst);
            self.thread().map(Thread::unpark);
        }
    }

    fn thread(&self) -> Option<&Thread> {
        self.thread.as_ref().map(JoinHandle::thread)
    }
}

impl Shared {
    fn run(&self, outside: &Outside) {
        loop {
            match self.state.load(SeqCst) {
                DEAF => std::thread::park(),
                LISTENING => {
                    self.bell.wait(Line::Ready, self.seen.load(SeqCst), None);
                    // Deaf before the wake-up: the supervisor must be able to send us back at once.
                    let _ = self.state.compare_exchange(LISTENING, DEAF, SeqCst, SeqCst);
                    outside.wake();
                }
                _ => return,
            }
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.shared.state.store(CLOSED, SeqCst);
        self.thread().map(Thread::unpark);
        // Costs other sleepers one look.
        self.shared.bell.ring(Line::Ready);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
