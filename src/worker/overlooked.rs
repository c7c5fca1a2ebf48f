//! Due jobs that this worker does not claim although a child of it has nothing to do. What is wrong then is unknown, so
//! that the loop starts anew with nothing it knew: running jobs end within the grace time, and it enters the file again.

use super::outside::Kind;
use super::stopping::Stage;
use super::supervisor::Supervisor;

/// What is remembered between two looks.
pub(super) struct Overlooked {
    /// When a job was last given to a child, or nothing was amiss (boot time).
    pub quiet_us: i64,
    /// The last look found due jobs, and made the loop ask for some.
    suspected: bool,
    /// The loop is to begin anew once it has ended.
    pub anew: bool,
    #[cfg(test)]
    pub blind: bool,
}

/// The next supervisor of each of these names claims nothing: a fault for tests.
#[cfg(test)]
pub(super) static BLIND: std::sync::Mutex<Vec<&str>> = std::sync::Mutex::new(Vec::new());

impl Overlooked {
    pub fn new(now: i64, name: &str) -> Overlooked {
        let _ = name;
        Overlooked {
            quiet_us: now,
            suspected: false,
            anew: false,
            #[cfg(test)]
            blind: BLIND.lock().unwrap().extract_if(.., |blind| *blind == name).next().is_some(),
        }
    }

    fn dismiss(&mut self, now: i64) {
        (self.quiet_us, self.suspected) = (now, false);
    }
}

impl Supervisor {
    /// Looks whether jobs wait that should have been claimed long ago; called once a second.
    pub fn look_for_overlooked(&mut self, now: i64) {
        let stall_us = self.options.stall_us;
        let idle = self.ready().any(|(_, child)| child.held.is_empty() && self.size.left(child) > 0);
        // Where the store refuses or the disk is full that was told, and passes.
        let excused = self.ledger.trouble.is_some() || self.ledger.cramped;
        if stall_us == 0 || self.stage != Stage::Running || !idle || excused {
            return self.overlooked.dismiss(now);
        }
        if now - self.overlooked.quiet_us < stall_us {
            return;
        }
        let wall = self.clock.wall_us();
        let backlog = match self.store.backlog(self.options.queues.as_deref(), wall) {
            Ok(backlog) => backlog,
            Err(error) => {
                self.overlooked.dismiss(now);
                return self.trouble(&error);
            }
        };
        let old = backlog.oldest_us.is_some_and(|oldest| wall.saturating_sub(oldest) >= stall_us);
        if self.hand.is_empty() && !old {
            return self.overlooked.dismiss(now);
        }
        if !std::mem::replace(&mut self.overlooked.suspected, true) {
            // They may have come in line a moment ago. A claim that finds none of them, such as one that sets them
            // aside, is an answer as well.
            self.ledger.dry = false;
            return;
        }
        let seconds = stall_us as f64 / 1e6;
        let (waiting, held) = (backlog.waiting, self.hand.len());
        let text = format!(
            "due jobs have waited for {seconds} s, and this worker has an idle child and claims none ({waiting} in \
             line, {held} claimed and given to nobody): its loop starts anew; jobs that run may end"
        );
        self.outside.tell(Kind::Warning, text);
        self.outside.dump();
        self.overlooked.anew = true;
        self.drain(now);
    }
}
