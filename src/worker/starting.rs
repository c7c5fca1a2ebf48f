//! Children come up: not all at once, and after a failure only after a pause.

use rustix::io::Errno;

use super::child::{Child, Phase};
use super::outside::{Kind, Order};
use super::stopping::Stage;
use super::supervisor::{Slot, Supervisor};
use crate::error::Error;

/// So many children in a row that can't start stop the worker.
const START_FAILURES: u32 = 3;
/// The pause after the first of them, or of those that were killed (µs); it doubles up to 64 times that.
const START_PAUSE_US: i64 = 100_000;
/// So many come up at once for each processor: with all 64 of them on two, none would take a job for seconds.
const AT_ONCE: usize = 2;

fn pause_us(times: u32) -> i64 {
    START_PAUSE_US << times.saturating_sub(1).min(6)
}

/// Whether there was no memory, no descriptor or no room for a process: that passes.
fn lacks_means(error: &Error) -> bool {
    matches!(error, Error::System { source: Errno::AGAIN | Errno::NOMEM | Errno::NFILE | Errno::MFILE, .. })
}

impl Supervisor {
    /// Starts what is due.
    pub fn spawn(&mut self, now: i64) {
        if self.stage != Stage::Running {
            return;
        }
        let mut room = self.room_to_start();
        for number in 0..self.slots.len() {
            if room == 0 {
                return;
            }
            if self.slots[number].spawn_us.is_none_or(|due| due > now) {
                continue;
            }
            self.slots[number].spawn_us = None;
            let (command, page) = (&self.options.command, &self.member.page_path);
            match Child::spawn(command, page, number as u32, self.reload.generation) {
                Ok(mut child) => {
                    child.born_us = now;
                    self.outside.pulse.born(&child);
                    self.member.page.seat(number as u32, child.pid);
                    self.slots[number].child = Some(child);
                    room -= 1;
                }
                Err(error) if lacks_means(&error) => {
                    self.put_off(number, format!("a child could not be started: {error}"), now);
                }
                Err(error) if self.scout_failed(number, &error.to_string()) => {}
                Err(error) => self.failed_to_start(number, &error.to_string(), now),
            }
        }
    }

    /// How many children more may come up now.
    fn room_to_start(&self) -> usize {
        let starting = |slot: &&Slot| slot.child.as_ref().is_some_and(|child| child.phase == Phase::Starting);
        (self.cpus * AT_ONCE).saturating_sub(self.slots.iter().filter(starting).count())
    }

    /// When the next child is to be started; one that comes up, or fails to, makes room for it.
    pub fn spawn_due(&self) -> Option<i64> {
        if self.room_to_start() == 0 {
            return None;
        }
        self.slots.iter().filter_map(|slot| slot.spawn_us).min()
    }

    /// A child could not start: another try after a pause, or the end of a worker that never had one. The code of one
    /// that had was sound once and will be again: somebody is putting new code in its place.
    pub fn failed_to_start(&mut self, number: usize, text: &str, now: i64) {
        if self.announced {
            return self.put_off(number, format!("a child could not start: {text}"), now);
        }
        self.failures += 1;
        if self.failures >= START_FAILURES {
            let text = format!(
                "{START_FAILURES} children in a row could not start; the worker stops. The last: {text}"
            );
            self.outside.tell(Kind::Error, text);
            self.outside.order(Order::Kill);
            return;
        }
        self.outside.tell(Kind::Warning, format!("a child could not start and is tried again: {text}"));
        self.slots[number].spawn_us = Some(now + pause_us(self.failures));
    }

    /// A child could not start, which is no fault of the app's: another try after a pause, without end. Of those in a
    /// row the first, second, fourth, eighth… is told, and for all that fail together once.
    pub fn put_off(&mut self, number: usize, text: String, now: i64) {
        let slot = &mut self.slots[number];
        slot.kills = slot.kills.saturating_add(1);
        let pause_us = pause_us(slot.kills);
        slot.spawn_us = Some(now + pause_us);
        let kills = slot.kills;
        // Of those that share a fate one is enough.
        if kills.is_power_of_two() && kills > self.told_kills {
            self.told_kills = kills;
            let seconds = pause_us as f64 / 1e6;
            self.outside.tell(Kind::Warning, format!("{text}; another is started in {seconds} s"));
        }
    }
}
