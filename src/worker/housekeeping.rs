//! What has to be done whether jobs flow or not: renew the leases, notice dead peers, keep the file small.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags};

use super::liveness::{self, Proof, Reaped};
use super::outside::{Event, Kind, Order, Outside};
use super::pinned::Watch;
use super::signals;
use super::stopping::Stage;
use super::supervisor::{Member, Slot, Supervisor, TICK_US, TRUST_US};
use crate::clock::{Env, Signals};
use crate::error::{Error, Result};
use crate::store::{Store, WorkerView};
use crate::wake::Line;

/// So many written outcomes send the keeper out of turn.
const KEEPER_ENDS: usize = 10_000;
/// Two rounds that nobody asked for are at least so far apart (µs).
const ROUND_US: i64 = 50_000;
/// History grows old without anybody writing: the keeper goes at least so often (µs).
const KEEP_US: i64 = 60_000_000;
/// A smaller WAL is left alone.
const WAL_BYTES: u64 = 4 << 20;

/// Another worker of the same file.
pub(super) struct Peer {
    id: i64,
    /// Where the kernel tells of its end at once. A hint only: the process may be one of another namespace.
    pidfd: Option<OwnedFd>,
}

impl Peer {
    fn meet(worker: &WorkerView) -> Peer {
        let elsewhere = (worker.pid != std::process::id()).then_some(worker.pid);
        let pid = elsewhere.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let pidfd = pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        Peer { id: worker.id, pidfd }
    }

    pub fn pidfd(&self) -> Option<(i64, &OwnedFd)> {
        self.pidfd.as_ref().map(|fd| (self.id, fd))
    }
}

/// Tells of jobs that were taken back.
pub(super) fn tell(outside: &Outside, reaped: &Reaped) {
    let text = format!("{} jobs are back in line: {}", reaped.jobs.len(), reaped.reason);
    outside.tell(Kind::Reaped, text);
    for id in &reaped.jobs {
        let (text, job) = (reaped.reason.clone(), Some(id.clone()));
        // The text names the worker; a process named beside it would be taken for a child of this one.
        outside.event(Event { kind: Kind::JobLost, text, job, pid: None });
    }
}

impl Supervisor {
    /// Does what is due. Comes before anything is claimed or written: a worker that slept longer than its leases
    /// learns here that they are gone.
    pub fn keep_house(&mut self, now: i64) {
        if now >= self.beat_us {
            self.beat(now);
        }
        if now >= self.tick_us {
            if now - self.tick_us > 2 * TICK_US {
                self.trust_us = now + TRUST_US.max(self.options.visibility_us / 3);
            }
            self.tick_us = now + TICK_US;
            self.tick(now);
            self.watch(now);
            self.look_for_overlooked(now);
            if std::mem::take(&mut self.revoking.missed) {
                self.look_for_wishes(now);
            }
        } else if self.ledger.written >= KEEPER_ENDS {
            self.ledger.written = 0;
            self.keeper.send();
        }
        let rings = self.bell.peek(Line::Control);
        if self.stage == Stage::Running && rings != self.met {
            self.meet_peers(now);
        }
        if rings != self.revoking.seen {
            // Before the look: what is wished after it rings once more.
            self.revoking.seen = rings;
            self.look_for_wishes(now);
        }
    }

    fn beat(&mut self, now: i64) {
        let visibility = self.options.visibility_us;
        match self.store.beat(self.member.id, visibility) {
            Ok(true) => {
                self.beat_us = now + visibility / 3;
                self.foreign.own_write(self.clock.boot_us());
            }
            Ok(false) => self.rejoin(now),
            Err(error) => {
                self.beat_us = now + (visibility / 10).min(TICK_US);
                self.trouble(&error);
            }
        }
    }

    fn tick(&mut self, now: i64) {
        self.foreign.tick(now);
        self.describe(true);
        if self.store.is_short().unwrap_or(false) {
            // Until there is room there is nothing to tell; what else fails here is told by the keeper.
            let _ = self.store.set_aside();
        }
        self.changed();
        let news = std::mem::take(&mut self.news);
        if news || self.ledger.written > 0 || now - self.kept_us >= KEEP_US {
            self.ledger.written = 0;
            self.kept_us = now;
            self.keeper.send();
        }
        // A worker that enters the file changes it: alone and without news there is nobody to look for.
        if (news || !self.peers.is_empty()) && self.stage == Stage::Running {
            self.meet_peers(now);
        }
    }

    /// Looks who else serves the file, and whose jobs have to be taken back.
    pub fn meet_peers(&mut self, now: i64) {
        // Before the look: who enters after it rings once more.
        self.met = self.bell.peek(Line::Control);
        let proof = if now < self.trust_us { Proof::Lock } else { Proof::LockOrLease };
        let workers = match self.store.workers() {
            Ok(workers) => workers,
            Err(error) => {
                // The next tick looks again.
                self.news = true;
                return self.trouble(&error);
            }
        };
        self.peers.retain(|peer| workers.iter().any(|worker| worker.id == peer.id));
        for worker in workers {
            if worker.id == self.member.id {
                continue;
            }
            if !self.peers.iter().any(|peer| peer.id == worker.id) {
                self.peers.push(Peer::meet(&worker));
            }
            self.reap(worker, proof);
        }
    }

    fn reap(&mut self, worker: WorkerView, proof: Proof) {
        let id = worker.id;
        match liveness::reap(&self.store, worker, proof) {
            Ok(Some(reaped)) => {
                tell(&self.outside, &reaped);
                self.peers.retain(|peer| peer.id != id);
            }
            Ok(None) => {}
            Err(error) => self.trouble(&error),
        }
    }

    /// A peer's process has ended, as far as its number can tell.
    pub fn peer_died(&mut self, id: i64) {
        for peer in &mut self.peers {
            if peer.id == id {
                peer.pidfd = None;
            }
        }
        if self.stage == Stage::Running {
            self.meet_peers(self.clock.boot_us());
        }
    }

    /// This worker was taken for dead and its jobs are others' now. What its children do is void: they are
    /// killed, and the worker enters the file anew.
    fn rejoin(&mut self, now: i64) {
        let text = "this worker was taken for dead, because it did not renew its leases in time; its jobs are back \
                    in line and its children start anew";
        self.outside.tell(Kind::Warning, text);
        let mut lost: Vec<String> = self.hand.drain(..).map(|job| job.id).collect();
        lost.extend(std::mem::take(&mut self.ledger.ends).into_iter().map(|end| end.id));
        for slot in &mut self.slots {
            let anew = Slot::new(self.options.width, slot.benched);
            if let Some(mut child) = std::mem::replace(slot, anew).child {
                lost.extend(child.held.drain(..).map(|held| held.job.id));
                child.destroy();
            }
        }
        for id in lost {
            let text = "its lease was lost when this worker was taken for dead".into();
            self.outside.event(Event { kind: Kind::LeaseLost, text, job: Some(id), pid: None });
        }
        match Member::join(&self.store, &self.options, self.slots.len() as u32) {
            Ok(member) => {
                self.outside.enter(member.id);
                std::mem::replace(&mut self.member, member).leave();
                // Whoever answers commands for it does so under its new number.
                self.bell.ring(Line::Control);
                self.ledger.dry = false;
                self.begin_anew(now);
                self.beat_us = now + self.options.visibility_us / 3;
            }
            Err(error) => {
                // The next beat tries again; until then there is nobody to claim for.
                self.beat_us = now + TICK_US;
                self.begin_anew(self.beat_us);
                self.trouble(&error);
            }
        }
        if self.stage != Stage::Running {
            self.outside.order(Order::Kill);
        }
    }
}

/// The thread for what may take long and that nobody waits for: old history is deleted, the WAL emptied.
pub(super) struct Keeper {
    shared: Arc<Errand>,
    thread: Option<JoinHandle<()>>,
}

struct Errand {
    store: Store,
    wal: PathBuf,
    outside: Arc<Outside>,
    sent: Mutex<bool>,
    wake: Condvar,
    closed: Arc<Closed>,
}

/// A round that waits for the write lock is given up when the worker ends.
#[derive(Default)]
struct Closed(AtomicBool);

impl Signals for Closed {
    fn arrived(&self) -> bool {
        self.0.load(SeqCst)
    }
}

impl Keeper {
    pub fn start(store: &Store, wal: PathBuf, outside: Arc<Outside>) -> Result<Keeper> {
        // Its first round is at once: something may have fallen due while no worker was there.
        let (sent, wake) = (Mutex::new(true), Condvar::new());
        let closed = Arc::new(Closed::default());
        let env = Env { signals: closed.clone(), ..store.env().clone() };
        let store = Store::new(store.path().to_owned(), store.options().clone(), env);
        let shared = Arc::new(Errand { store, wal, outside, sent, wake, closed });
        let ours = Arc::clone(&shared);
        let thread = signals::spawn("pyqueue-keeper", move || ours.run())?;
        Ok(Keeper { shared, thread: Some(thread) })
    }

    /// Sends it on its round.
    pub fn send(&self) {
        *self.shared.sent() = true;
        self.shared.wake.notify_one();
    }
}

impl Errand {
    fn sent(&self) -> MutexGuard<'_, bool> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let (mut next_us, mut told, mut watch) = (None, None, Watch::default());
        while self.wait(next_us) {
            next_us = match self.round(&mut watch) {
                Ok(next_us) => {
                    told = None;
                    next_us
                }
                Err(_) if self.closed.arrived() => break,
                Err(error) => {
                    let text = format!("upkeep was put off: {error}");
                    if told.as_ref() != Some(&text) {
                        self.outside.tell(Kind::Warning, text.clone());
                    }
                    told = Some(text);
                    None
                }
            };
        }
    }

    /// Waits until it is sent or, by the last round's word, something runs out; false when the worker ends.
    fn wait(&self, next_us: Option<i64>) -> bool {
        let clock = &self.store.env().clock;
        let mut sent = self.sent();
        while !*sent && !self.closed.arrived() {
            let Some(at) = next_us else {
                sent = self.wake.wait(sent).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = u64::try_from(at - clock.boot_us()).unwrap_or(0);
            if left == 0 {
                break;
            }
            let left = Duration::from_micros(left);
            sent = self.wake.wait_timeout(sent, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *sent = false;
        !self.closed.arrived()
    }

    /// One round; the boot time at which it is worth another.
    fn round(&self, watch: &mut Watch) -> Result<Option<i64>> {
        let clock = &self.store.env().clock;
        self.store.set_aside()?;
        // History that is deleted passes through the WAL: what is left is not for that.
        if !self.store.lets_start()? {
            return Ok(None);
        }
        let next_us = loop {
            let done = self.store.upkeep()?;
            for id in done.given_up {
                let text = "its check-back has given no answer and is asked no more; say what becomes of this half \
                            message by pyqueue settle";
                self.outside.event(Event {
                    kind: Kind::Warning,
                    text: text.into(),
                    job: Some(id),
                    pid: None,
                });
            }
            if !done.more || self.closed.arrived() {
                break done.next_boot_us;
            }
            // Between two small steps others write.
            clock.sleep(Duration::from_millis(2));
        };
        let size = std::fs::metadata(&self.wal).map_or(0, |facts| facts.len());
        if size >= WAL_BYTES {
            match self.store.checkpoint() {
                // The shortage was told, and a WAL that can't be emptied grows no further than what is left.
                Err(Error::Full(_)) if self.store.is_short()? => {}
                Ok(left) => {
                    let size = if left == 0 { 0 } else { size };
                    if let Some(text) = watch.look(&self.wal, size, &**clock) {
                        self.outside.tell(Kind::Warning, text);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        // What another worker should have done, or what can't be done now, is not tried in a loop.
        Ok(next_us.map(|at| at.max(clock.boot_us() + ROUND_US)))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.closed.0.store(true, SeqCst);
        self.send();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
