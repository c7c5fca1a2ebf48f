//! Which jobs run, and which wait in a worker's hands: leases are the file's word, starts the page's, and whether the
//! process that runs them lives is the kernel's.

use std::collections::HashMap;

use super::condition::{Condition, Health};
use super::liveness;
use super::page::{Page, Seats, State};
use super::process::Stat;
use crate::error::Result;
use crate::mutants::{self, Mutant};
use crate::store::{Lease, Leased, Store};

/// How far a job under a lease has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// A process runs it.
    Active,
    /// A worker has it, and nobody has started it.
    Reserved,
    /// It has ended; its outcome is about to be written.
    Ending,
    /// Its process has died; it will be back in line, or end.
    Lost,
}

impl Hold {
    /// As one word.
    pub fn name(self) -> &'static str {
        match self {
            Hold::Active => "active",
            Hold::Reserved => "reserved",
            Hold::Ending => "ending",
            Hold::Lost => "lost",
        }
    }
}

/// A job under a lease.
#[derive(Debug, Clone)]
pub struct Held {
    /// The job.
    pub job: Leased,
    /// How far it has come.
    pub hold: Hold,
    /// When it was started (wall time, µs).
    pub started_us: Option<i64>,
    /// The process that runs it, by the number its worker knows it by.
    pub pid: Option<u32>,
    /// That process is stopped, by a signal or a debugger.
    pub stopped: bool,
}

/// What is known of one worker's jobs.
struct Hands {
    dead: bool,
    /// Its process, where it can be seen: then its children can, too.
    pid: Option<u32>,
    seats: Option<Seats>,
}

impl Hands {
    fn hold(&self, job: Lease) -> (Hold, i64, Option<u32>, bool) {
        let seat = self.seats.as_ref().and_then(|seats| Some((seats, seats.taken.get(&job.row)?)));
        let Some((seats, seat)) = seat.filter(|(_, seat)| seat.token == job.token) else {
            return (if self.dead { Hold::Lost } else { Hold::Reserved }, 0, None, false);
        };
        let child = seats.children.get(seat.child as usize).copied().filter(|pid| *pid != 0);
        match seat.state {
            State::Done => (Hold::Ending, seat.since_us, child, false),
            State::Started => {
                // Another process may have got its number since, but no other parent.
                let stat = child.and_then(Stat::of).filter(|stat| Some(stat.parent) == self.pid);
                let gone = child.is_none() || self.pid.is_some() && stat.is_none_or(Stat::ended);
                let gone = gone && !mutants::on(Mutant::StartBelieved);
                let hold = if self.dead || gone { Hold::Lost } else { Hold::Active };
                (hold, seat.since_us, child, stat.is_some_and(Stat::stopped))
            }
            _ if self.dead => (Hold::Lost, 0, None, false),
            _ => (Hold::Reserved, 0, None, false),
        }
    }
}

/// The pages are read before the leases: a job that ends in between is under none, and one that is started in between was
/// not when the look began.
fn hands(store: &Store) -> Result<HashMap<i64, Hands>> {
    let (directory, clock) = (store.directory()?, &store.env().clock);
    let look = |worker| {
        let condition = Condition::of(&worker, &directory, &**clock);
        let seats = Page::seats_at(&liveness::page_path(&directory, worker.id), clock.identity());
        let dead = condition.health == Health::Dead;
        (worker.id, Hands { dead, pid: condition.pid, seats })
    };
    Ok(store.workers()?.into_iter().map(look).collect())
}

/// Up to `limit` jobs under leases, of one kind.
pub fn held(store: &Store, wanted: Hold, limit: usize) -> Result<Vec<Held>> {
    let hands = hands(store)?;
    let seats = || hands.values().filter_map(|hands| hands.seats.as_ref()).flat_map(|seats| &seats.taken);
    let jobs = match wanted {
        // As many as there are slots, whatever else is leased.
        Hold::Active | Hold::Ending => {
            let state = if wanted == Hold::Active { State::Started } else { State::Done };
            let rows = seats().filter(|(_, seat)| seat.state == state);
            store.leased_rows(rows.map(|(row, seat)| (*row, seat.token)).take(limit).collect())?
        }
        Hold::Reserved | Hold::Lost => store.leased(
            |lease| hands.get(&lease.owner).map_or(Hold::Reserved, |hands| hands.hold(lease).0) == wanted,
            limit,
        )?,
    };
    Ok(said(store, &hands, jobs).into_iter().filter(|held| held.hold == wanted).collect())
}

/// The jobs of these ids that are under leases.
pub fn held_of(store: &Store, ids: &[String]) -> Result<Vec<Held>> {
    let hands = hands(store)?;
    let jobs = store.leased_ids(ids)?;
    Ok(said(store, &hands, jobs))
}

fn said(store: &Store, hands: &HashMap<i64, Hands>, jobs: Vec<Leased>) -> Vec<Held> {
    let clock = &store.env().clock;
    let (wall, boot) = (clock.wall_us(), clock.boot_us());
    let one = |job: Leased| {
        let lease = Lease { row: job.row, token: job.token, owner: job.owner };
        let known = hands.get(&job.owner).map(|hands| hands.hold(lease));
        let (hold, since_us, pid, stopped) = known.unwrap_or((Hold::Reserved, 0, None, false));
        let started_us = (since_us > 0).then(|| wall.saturating_sub(boot.saturating_sub(since_us)));
        Held { job, hold, started_us, pid, stopped }
    };
    jobs.into_iter().map(one).collect()
}
