//! Full disks: another tenant takes the space and gives it back. Who may be refused then is known from the space
//! alone.

use crate::client::Client;
use crate::verbs::{Answer, Verb};

/// As `src/store/room.rs` has it: what is needed once the disk is full.
const NEEDED: u64 = 4 << 20;
/// New jobs are taken in again where twice as much is free, and a little more for what moves meanwhile.
const ROOMY: u64 = 2 * NEEDED + (1 << 20);

impl Client {
    /// Whether the disk gave a reason to refuse. `tides`: of before the call.
    pub fn may_refuse(&self, verb: &Verb, tides: u64) -> Result<(), String> {
        let (free, now) = {
            let inner = self.world().disk.inner();
            (inner.free(), inner.tides)
        };
        if now != tides {
            return Ok(());
        }
        let reserve = self.world().disk.has_reserve();
        let reason = match verb {
            Verb::Enqueue(_)
            | Verb::Replay(_)
            | Verb::Prepare(..)
            | Verb::Send(_)
            | Verb::Schedule(_)
            | Verb::Plan(_) => free < ROOMY,
            Verb::Fire(fire) if fire.job.is_some() => free < ROOMY,
            // Those who look first, and those who have never heard of what is set aside.
            Verb::Claim(_) | Verb::Inbox(_) | Verb::Receipts(..) | Verb::Newer(_) => free < NEEDED,
            // The rest may use up what was set aside.
            _ => free < NEEDED && !reserve,
        };
        if reason {
            return Ok(());
        }
        let kept = if reserve { "something" } else { "nothing" };
        Err(format!("P15: {} was refused with {free} bytes free and {kept} set aside", verb.text()))
    }

    /// Sets room aside for outcomes, as workers do.
    pub fn set_aside(&mut self) -> Option<bool> {
        let tides = self.world().disk.inner().tides;
        let (there, short) =
            self.aside("sets room aside", |store| Ok((store.set_aside()?, store.is_short()?)))?;
        let disk = &self.world().disk;
        let (free, now) = {
            let inner = disk.inner();
            (inner.free(), inner.tides)
        };
        if now == tides && !there && free >= ROOMY {
            self.world().fail(format!("P15: nothing was set aside with {free} bytes free"));
        }
        if now == tides && there && (short || !disk.has_reserve()) {
            self.world().fail("P15: room was set aside, and yet it is short".into());
        }
        Some(there)
    }

    /// Once the other tenant is gone, everything is as before.
    pub fn recovers(&mut self) -> Option<()> {
        if self.set_aside()? {
            return Some(());
        }
        self.world().fail("P15: there is room again, and nobody can set it aside".into());
        None
    }

    /// Judges a refusal for want of room.
    pub fn judge(&self, verb: &Verb, answer: &Answer, tides: u64) -> Result<(), String> {
        if *answer != Answer::Full {
            return Ok(());
        }
        self.world().state().full += 1;
        self.may_refuse(verb, tides)
    }
}
