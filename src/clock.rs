//! Time, randomness and sleep, injected: the whole core can run on a virtual clock.
//!
//! All times are integer microseconds. Wall time is for `run_at`, cron and timestamps only; leases use
//! boot time (`CLOCK_BOOTTIME`), which no clock step moves and which counts suspend.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where time comes from.
pub trait Clock: Send + Sync {
    /// Microseconds since 1970-01-01 UTC.
    fn wall_us(&self) -> i64;
    /// Microseconds since boot, suspend included.
    fn boot_us(&self) -> i64;
    /// Microseconds without those in which the machine was suspended.
    fn awake_us(&self) -> i64 {
        self.boot_us()
    }
    /// Which boot clock this is: boot id and time namespace. Boot times of different identities can't be compared.
    fn identity(&self) -> &str;
    /// Waits.
    fn sleep(&self, time: Duration);
    /// Waits until `come` holds, but no longer than `time`. `doze` does that on the system's clock, and may return
    /// early; a clock of another kind asks `come` as its own time goes by.
    fn wait(&self, time: Duration, come: &dyn Fn() -> bool, doze: &dyn Fn(Duration)) {
        let _ = come;
        doze(time);
    }
}

/// Where random bits come from.
pub trait Random: Send + Sync {
    /// 64 fresh random bits.
    fn next(&self) -> u64;
}

/// How a caller that waits learns of a signal.
pub trait Signals: Send + Sync {
    /// Whether the calling thread has to stop waiting. Asked about every 50 ms, never while locks of the core
    /// are held.
    fn arrived(&self) -> bool;
}

/// Nobody interrupts.
pub struct NoSignals;

impl Signals for NoSignals {
    fn arrived(&self) -> bool {
        false
    }
}

/// Files that are not the system's. SQLite reaches them through a VFS of its own; this is the rest.
pub trait Vfs: Send + Sync {
    /// The name under which it is registered with SQLite.
    fn name(&self) -> &str;
    /// The process that calls, where several are played: who inherits a handle may not use it.
    fn process(&self) -> u64;
    /// The size of a file, or `None` if there is none.
    fn size(&self, path: &Path) -> Option<u64>;
    /// Puts a file with this content at a path, whole at once; false if there is a file.
    fn publish(&self, path: &Path, content: &[u8]) -> bool;
    /// Removes a file; false if there was none.
    fn remove(&self, path: &Path) -> bool;
    /// How many bytes may still be written.
    fn free(&self) -> u64;
    /// Sets so many bytes of the disk aside in a file.
    fn allocate(&self, path: &Path, size: u64) -> rustix::io::Result<()>;
    /// A directory of the system, for what lies beside a database and is mapped into memory.
    fn side(&self, path: &Path) -> PathBuf;
}

/// Everything the core takes from its surroundings.
#[derive(Clone)]
pub struct Env {
    /// Time and sleep.
    pub clock: Arc<dyn Clock>,
    /// Random bits.
    pub random: Arc<dyn Random>,
    /// What ends a wait early.
    pub signals: Arc<dyn Signals>,
    /// Where the files are; `None` is the system's.
    pub vfs: Option<Arc<dyn Vfs>>,
}

impl Env {
    /// The real world.
    pub fn system() -> Env {
        Env {
            clock: Arc::new(SystemClock::new()),
            random: Arc::new(SystemRandom),
            signals: Arc::new(NoSignals),
            vfs: None,
        }
    }
}

/// The clocks of the system.
pub struct SystemClock {
    identity: String,
}

impl SystemClock {
    /// Reads the identity of the boot clock.
    pub fn new() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
        SystemClock { identity: format!("{}/{}", boot.trim(), namespace.display()) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

fn read(clock: rustix::time::ClockId) -> i64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

impl Clock for SystemClock {
    fn wall_us(&self) -> i64 {
        read(rustix::time::ClockId::Realtime)
    }

    fn boot_us(&self) -> i64 {
        read(rustix::time::ClockId::Boottime)
    }

    fn awake_us(&self) -> i64 {
        read(rustix::time::ClockId::Monotonic)
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The system's random numbers.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn next(&self) -> u64 {
        // The system's generator has no failure that a program could answer: it blocks until it is seeded.
        getrandom::u64().expect("the system's random generator works")
    }
}
