//! A world whose clocks and random numbers a test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{Clock, Env, NoSignals, Random};

pub struct VirtualEnv {
    wall: AtomicI64,
    boot: AtomicI64,
    random: AtomicU64,
}

impl Default for VirtualEnv {
    fn default() -> Self {
        VirtualEnv {
            wall: AtomicI64::new(1_800_000_000_000_000),
            boot: AtomicI64::new(1_000_000_000),
            random: AtomicU64::new(1),
        }
    }
}

impl VirtualEnv {
    pub fn env(self: &Arc<Self>) -> Env {
        Env { clock: self.clone(), random: self.clone(), signals: Arc::new(NoSignals), vfs: None }
    }

    /// Time passes.
    pub fn pass(&self, seconds: f64) {
        let us = (seconds * 1e6) as i64;
        self.wall.fetch_add(us, Ordering::Relaxed);
        self.boot.fetch_add(us, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub fn step_wall(&self, seconds: i64) {
        self.wall.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }
}

impl Clock for VirtualEnv {
    fn wall_us(&self) -> i64 {
        self.wall.load(Ordering::Relaxed)
    }

    fn boot_us(&self) -> i64 {
        self.boot.load(Ordering::Relaxed)
    }

    fn identity(&self) -> &str {
        "virtual/1"
    }

    fn sleep(&self, time: Duration) {
        self.pass(time.as_secs_f64());
    }
}

impl Random for VirtualEnv {
    fn next(&self) -> u64 {
        // Any full-period step will do: `Change` mixes it.
        self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}
