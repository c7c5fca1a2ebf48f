//! What an attempt uses, measured by the thread that runs it. An attempt of less than 1 ms is not measured, and a
//! thread looks at its clocks at most once a millisecond for all it begins: no-ops pay one comparison.

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;

use rustix::time::{ClockId, clock_gettime};

use super::machine;
use crate::job::Usage;

/// A shorter attempt is not measured (µs).
pub const WORTH_US: i64 = 1_000;

/// The last look of a thread at what it has used.
#[derive(Clone, Copy)]
struct Mark {
    /// Boot time (µs).
    at_us: i64,
    cpu_us: i64,
    /// The offer that was begun last: what began before it and ends after it shared the thread.
    stamp: u64,
}

thread_local! {
    static MARK: Cell<Mark> = const { Cell::new(Mark { at_us: i64::MIN, cpu_us: 0, stamp: 0 }) };
    static MAIN: bool = rustix::thread::gettid() == rustix::process::getpid();
}

/// Measures the attempts of this process.
pub struct Meter {
    /// Takes back the kernel's note of the most memory so far.
    anew: Option<File>,
    statm: Option<File>,
    /// The note never falls below what the process had inherited of it over exec.
    floor: i64,
}

impl Meter {
    pub fn new() -> Meter {
        let meter = Meter {
            anew: OpenOptions::new().write(true).open("/proc/self/clear_refs").ok(),
            statm: File::open("/proc/self/statm").ok(),
            floor: 0,
        };
        meter.forget_peak();
        Meter { floor: most(), ..meter }
    }

    /// An attempt begins in this thread.
    pub fn begin(&self, stamp: u64, now_us: i64) {
        let mut mark = MARK.get();
        if now_us.saturating_sub(mark.at_us) >= WORTH_US {
            mark = Mark { at_us: now_us, cpu_us: cpu_us(), stamp };
            self.forget_peak();
        }
        MARK.set(Mark { stamp, ..mark });
    }

    /// It has ended, in the same thread. `None`: it was short, or another began in this thread meanwhile.
    pub fn end(&self, stamp: u64, started_us: i64, ended_us: i64) -> Option<Usage> {
        let mark = MARK.get();
        if ended_us - started_us < WORTH_US || mark.stamp != stamp {
            return None;
        }
        let cpu_us = cpu_us();
        // Between the mark and the start other attempts ran, for less than 1 ms.
        let others = (started_us - mark.at_us).max(0);
        let resident = self.resident()?;
        let noted = if self.anew.is_some() { most() } else { 0 };
        let peak = if noted > self.floor { noted.max(resident) } else { resident };
        self.forget_peak();
        MARK.set(Mark { at_us: ended_us, cpu_us, stamp: 0 });
        let cpu_us = Some((cpu_us - mark.cpu_us - others).max(0));
        Some(Usage { cpu_us, peak, resident })
    }

    fn forget_peak(&self) {
        if let Some(file) = &self.anew {
            let _ = file.write_at(b"5", 0);
        }
    }

    fn resident(&self) -> Option<i64> {
        let mut bytes = [0; 128];
        let count = self.statm.as_ref()?.read_at(&mut bytes, 0).ok()?;
        machine::statm(std::str::from_utf8(&bytes[..count]).ok()?).map(u64::cast_signed)
    }
}

fn usage(who: libc::c_int) -> libc::rusage {
    // SAFETY: plain numbers, for which zero is a value, and a place for them.
    unsafe {
        let mut used = std::mem::zeroed();
        libc::getrusage(who, &raw mut used);
        used
    }
}

/// The kernel's note of the most memory (bytes).
fn most() -> i64 {
    usage(libc::RUSAGE_SELF).ru_maxrss << 10
}

/// Of the main thread: what the process has used, with the programs it has waited for. Of another: its own.
fn cpu_us() -> i64 {
    if !MAIN.with(|main| *main) {
        return read(ClockId::ThreadCPUTime);
    }
    let programs = usage(libc::RUSAGE_CHILDREN);
    let micros = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    read(ClockId::ProcessCPUTime) + micros(programs.ru_utime) + micros(programs.ru_stime)
}

fn read(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    fn spend(us: i64) {
        let start = cpu_us();
        while cpu_us() - start < us {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn time_and_memory_of_one_attempt_are_its_own() {
        let (meter, clock) = (Meter::new(), SystemClock::new());
        let attempt = |stamp, work: &dyn Fn()| {
            let start = clock.boot_us();
            meter.begin(stamp, start);
            work();
            meter.end(stamp, start, clock.boot_us())
        };
        let busy = attempt(1, &|| spend(20_000)).unwrap();
        assert!((20_000..25_000).contains(&busy.cpu_us.unwrap()), "{busy:?}");
        let asleep = attempt(2, &|| clock.sleep(std::time::Duration::from_millis(5))).unwrap();
        assert!(asleep.cpu_us.unwrap() < 2_000, "{asleep:?}");
        assert_eq!(attempt(3, &|| ()), None);
        let large = attempt(4, &|| {
            let bytes = vec![1_u8; 300 << 20];
            spend(2_000);
            drop(std::hint::black_box(bytes));
        });
        let large = large.unwrap();
        assert!(large.peak > 300 << 20 && large.resident < large.peak - (200 << 20), "{large:?}");
        let after = attempt(5, &|| spend(2_000)).unwrap();
        assert!(after.peak < large.peak - (200 << 20), "the peak of another: {after:?}");
    }

    #[test]
    fn attempts_that_share_a_thread_are_not_told_apart() {
        let meter = Meter::new();
        meter.begin(1, 10_000);
        meter.begin(2, 11_000);
        assert_eq!(meter.end(1, 10_000, 20_000), None);
        assert!(meter.end(2, 11_000, 20_000).is_some());
    }
}
