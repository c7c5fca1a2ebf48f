//! What can be seen of the supervisor's thread without asking it: where in its loop it is, and who its children are.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::child::Child;

/// A part of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Entering,
    Orders,
    House,
    Spawning,
    Children,
    Handing,
    Exchanging,
    Waiting,
    Leaving,
}

impl Step {
    const ALL: [Step; 9] = [
        Step::Entering,
        Step::Orders,
        Step::House,
        Step::Spawning,
        Step::Children,
        Step::Handing,
        Step::Exchanging,
        Step::Waiting,
        Step::Leaving,
    ];

    /// By its number.
    pub fn of(number: u32) -> Option<Step> {
        Step::ALL.get(number as usize).copied()
    }

    /// As the end of a sentence: "while it ...".
    pub fn doing(self) -> &'static str {
        match self {
            Step::Entering => "entered the file",
            Step::Orders => "followed orders",
            Step::House => "renewed leases and looked for dead workers",
            Step::Spawning => "started children",
            Step::Children => "looked after its children",
            Step::Handing => "gave jobs to its children",
            Step::Exchanging => "wrote outcomes and claimed jobs",
            Step::Waiting => "waited for something to happen",
            Step::Leaving => "left the file",
        }
    }
}

/// A child that its supervisor has not buried.
#[derive(Clone)]
pub(super) struct Known {
    pub pid: u32,
    pub pidfd: Arc<OwnedFd>,
    pub stacks: Option<Arc<OwnedFd>>,
}

struct Noted(u32, Weak<OwnedFd>, Option<Weak<OwnedFd>>);

/// Written by the supervisor's thread alone.
#[derive(Default)]
pub(super) struct Pulse {
    /// The step in the low byte, and above it how many there were.
    beat: AtomicU64,
    children: Mutex<Vec<Noted>>,
}

impl Pulse {
    /// The next step begins.
    pub fn at(&self, step: Step) {
        let count = (self.beat.load(Relaxed) >> 8).wrapping_add(1);
        self.beat.store(count << 8 | step as u64, Relaxed);
    }

    /// Two equal ones mean that no step has begun in between.
    pub fn look(&self) -> (u64, Step) {
        let beat = self.beat.load(Relaxed);
        (beat, *Step::ALL.get((beat & 0xff) as usize).unwrap_or(&Step::Entering))
    }

    /// A child was started; those that are buried are forgotten.
    pub fn born(&self, child: &Child) {
        let stacks = child.stacks.as_ref().map(|stacks| Arc::downgrade(&stacks.file));
        let mut children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.retain(|Noted(_, pidfd, _)| pidfd.strong_count() > 0);
        children.push(Noted(child.pid, Arc::downgrade(&child.pidfd), stacks));
    }

    /// The children.
    pub fn children(&self) -> Vec<Known> {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |Noted(pid, pidfd, stacks): &Noted| {
            let stacks = stacks.as_ref().and_then(Weak::upgrade);
            Some(Known { pid: *pid, pidfd: pidfd.upgrade()?, stacks })
        };
        children.iter().filter_map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_seen_and_none_looks_like_another() {
        let pulse = Pulse::default();
        let mut seen = vec![pulse.look().0];
        for step in Step::ALL.into_iter().chain(Step::ALL) {
            pulse.at(step);
            let (beat, at) = pulse.look();
            assert_eq!(at, step);
            assert!(!seen.contains(&beat));
            seen.push(beat);
        }
    }
}
