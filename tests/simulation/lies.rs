//! The control arm: an answer is falsified on its way into the book, as if a guard of the store were off. A checker
//! that does not notice is none.

use pyqueue_core::job::Finished;

use crate::verbs::{Answer, LOST, SKIPPED, Told, Verb};

/// What is claimed to have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// A write without a lease was accepted (P4).
    StaleAccepted,
    /// An enqueue that happened was not acknowledged, and comes again (P1, seen from the other side).
    EnqueueForgotten,
    /// A claim came under the token of the one before (P3).
    TokenRepeated,
    /// A dedup key that is taken was given (P9).
    KeyGiven,
    /// A worker that was taken for dead could renew its leases (P3).
    FencedBeats,
    /// An outcome was refused for want of room where there was enough (P15).
    RoomDenied,
    /// An end was not told to who waits for it.
    EndUntold,
    /// A half message was settled that is not prepared.
    SettledTwice,
    /// A number that was stored before was stored again.
    SentTwice,
    /// Who fired a time first was not asked.
    FiredTwice,
    /// A command was taken up that was taken up before, or is over.
    BegunTwice,
    /// A job was said to go to another queue, and its key is taken there.
    MovedAnyway,
    /// A gate that had no such rate was said to have it.
    RateBefore,
}

impl Lie {
    pub const ALL: [Lie; 13] = [
        Lie::StaleAccepted,
        Lie::EnqueueForgotten,
        Lie::TokenRepeated,
        Lie::KeyGiven,
        Lie::FencedBeats,
        Lie::RoomDenied,
        Lie::EndUntold,
        Lie::SettledTwice,
        Lie::SentTwice,
        Lie::FiredTwice,
        Lie::BegunTwice,
        Lie::MovedAnyway,
        Lie::RateBefore,
    ];

    /// Falsifies an answer, if this is one.
    pub fn tell(self, verb: &Verb, told: &mut Told) {
        match (self, verb, &mut told.answer) {
            (Lie::StaleAccepted, _, Answer::Finished(finished, _)) => finished
                .iter_mut()
                .filter(|one| **one == Finished::LeaseLost)
                .for_each(|one| *one = Finished::Done),
            (Lie::EnqueueForgotten, Verb::Enqueue(_), answer) => *answer = Answer::Busy,
            (Lie::TokenRepeated, _, Answer::Taken(taken)) => {
                taken.iter_mut().filter(|(_, token, _)| *token > 1).for_each(|(_, token, _)| *token -= 1);
            }
            (Lie::KeyGiven, Verb::Enqueue(_), Answer::Rows(_)) => {
                told.ids.iter_mut().for_each(|one| one.created = true);
            }
            (Lie::RoomDenied, Verb::Finish(..), answer) => *answer = Answer::Full,
            (Lie::SettledTwice, Verb::Settle(..), Answer::Flag(settled)) => *settled = true,
            (Lie::SentTwice, Verb::Send(_), Answer::Sent(_)) => {
                told.ids.iter_mut().for_each(|one| one.created = true);
            }
            (Lie::FiredTwice, Verb::Fire(_), Answer::Number(fired)) if *fired == LOST => *fired = SKIPPED,
            (Lie::BegunTwice, Verb::Begin(..), Answer::Flag(begun)) => *begun = true,
            (Lie::MovedAnyway, Verb::Act(..), Answer::Acted(acted)) => {
                acted.done += std::mem::take(&mut acted.taken);
            }
            (Lie::RateBefore, Verb::LetOut(..), Answer::Flag(changed)) => *changed = false,
            (Lie::FencedBeats, Verb::Beat(..), Answer::Flag(renewed)) => *renewed = true,
            _ => {}
        }
    }
}
