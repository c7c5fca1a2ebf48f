//! The one thread of the worker: looks at everything that can happen, decides, waits.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::Options;
use super::adjusting::Limits;
use super::child::{Child, Phase};
use super::ear::Ear;
use super::finisher::Ledger;
use super::housekeeping::{Keeper, Peer};
use super::machine;
pub(super) use super::member::{Member, Slot};
use super::outside::{Kind, Order, Outside};
use super::overlooked::Overlooked;
use super::pace::Pace;
use super::pulse::Step;
use super::recycling::Size;
use super::reloading::{self, Reload};
use super::revoking::Revoking;
use super::scaling::Scaler;
use super::stopping::Stage;
use super::turn::Turn;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::job::ClaimedJob;
use crate::store::Store;
use crate::wake::{Bell, Foreign, Line};

/// Safety look at the database, peers' locks.
pub(super) const TICK_US: i64 = 1_000_000;

/// After a start or a long sleep, peers get so long to renew leases that ended while they slept too.
pub(super) const TRUST_US: i64 = 2_000_000;

/// The state of the supervisor's thread.
pub(super) struct Supervisor {
    pub store: Arc<Store>,
    turn: Arc<Turn>,
    pub clock: Arc<dyn Clock>,
    pub options: Options,
    /// How often it was asked to describe itself anew, and whether the file lacks the last.
    pub described: u32,
    pub undescribed: bool,
    pub outside: Arc<Outside>,
    pub member: Member,
    pub slots: Vec<Slot>,
    /// Claimed jobs that no child has.
    pub hand: VecDeque<ClaimedJob>,
    /// Since when the hand is not empty and nobody can take from it.
    pub idle_hand_us: Option<i64>,
    pub ledger: Ledger,
    pub pace: Pace,
    pub size: Size,
    pub scaler: Option<Scaler>,
    /// Processors that may be used.
    pub cpus: usize,
    pub stamp: u64,
    pub stage: Stage,
    /// Children in a row that ended before they could run jobs.
    pub failures: u32,
    /// After how many tries of one child it was last told that none could start.
    pub told_kills: u32,
    pub announced: bool,
    pub bell: Arc<Bell>,
    pub ear: Ear,
    pub foreign: Foreign,
    pub peers: Vec<Peer>,
    /// The rings of the bell before the last look who they are.
    pub met: u32,
    /// Others have committed since the last tick. Kept, since a change is reported once, and most often to the
    /// look for jobs.
    pub news: bool,
    pub beat_us: i64,
    pub tick_us: i64,
    pub keeper: Keeper,
    pub kept_us: i64,
    /// From then on the end of a peer's lease proves that it hangs.
    pub trust_us: i64,
    pub reload: Reload,
    pub revoking: Revoking,
    /// How often the stacks of the children were asked for.
    pub dumps: u32,
    pub overlooked: Overlooked,
    pub limits: Limits,
}

/// Whom a descriptor of the poll set belongs to.
#[derive(Clone, Copy)]
enum Source {
    Wake,
    Foreign,
    Socket(usize),
    Death(usize),
    Peer(i64),
}

impl Supervisor {
    pub fn new(store: Arc<Store>, mut options: Options, outside: Arc<Outside>) -> Result<Supervisor> {
        let (described, facts) = outside.described();
        options.facts = facts.unwrap_or(options.facts);
        let clock = Arc::clone(&store.env().clock);
        let now = clock.boot_us();
        let (store, turn) = Turn::hurried(&store, &outside);
        let slots = reloading::slots(options.concurrency);
        let member = Member::join(&store, &options, slots)?;
        outside.enter(member.id);
        match store.set_aside() {
            Ok(true) => {}
            Ok(false) => {
                let text = "there is no room to set some aside for the outcomes of running jobs: when the disk is \
                            full, they may have to wait until it is not";
                outside.tell(Kind::Warning, text);
            }
            Err(error) => outside.tell(Kind::Warning, format!("no room can be set aside: {error}")),
        }
        let bell = store.bell()?;
        // Whoever answers commands for it does so under this number.
        bell.ring(Line::Control);
        let least = options.least.unwrap_or(options.concurrency);
        let ear = Ear::open(Arc::clone(&bell), Arc::clone(&outside))?;
        let wal = store.wal()?;
        let (foreign, warning) = Foreign::new(wal.clone(), now);
        if let Some(text) = warning {
            outside.tell(Kind::Warning, text);
        }
        Ok(Supervisor {
            keeper: Keeper::start(&store, wal, Arc::clone(&outside))?,
            dumps: outside.dumps(),
            overlooked: Overlooked::new(now, &options.name),
            reload: Reload::after(outside.reloads()),
            slots: (0..slots).map(|number| Slot::new(options.width, number >= least)).collect(),
            scaler: options.least.map(|least| Scaler::new(least, options.concurrency)),
            cpus: machine::cpus() as usize,
            hand: VecDeque::new(),
            idle_hand_us: None,
            ledger: Ledger::new(),
            pace: Pace::new(),
            size: options.bounds.decided(options.concurrency, machine::memory().map(|all| all.total)),
            stamp: 0,
            stage: Stage::Running,
            failures: 0,
            told_kills: 0,
            announced: false,
            peers: Vec::new(),
            met: bell.peek(Line::Control),
            news: false,
            beat_us: now + options.visibility_us / 3,
            tick_us: now,
            kept_us: now,
            trust_us: now + TRUST_US,
            store,
            turn,
            clock,
            options,
            described,
            undescribed: false,
            outside,
            member,
            bell,
            ear,
            foreign,
            revoking: Revoking::default(),
            limits: Limits::default(),
        })
    }

    /// Runs until the worker has stopped; whether it is to begin anew.
    pub fn run(mut self) -> bool {
        // Before the first claim: whatever died before this start comes first.
        self.show();
        self.meet_peers(self.clock.boot_us());
        loop {
            let now = self.clock.boot_us();
            self.turn.begin(now);
            self.at(Step::Orders);
            self.follow_orders(now);
            self.adjust(now);
            self.at(Step::House);
            self.keep_house(now);
            self.describe(false);
            self.at(Step::Spawning);
            self.scale(now);
            self.reload(now);
            self.spawn(now);
            self.at(Step::Children);
            self.watch_limits(now);
            self.end_revoked(now);
            self.dump(now);
            self.recycle(now);
            self.at(Step::Handing);
            self.take_back(now);
            self.dispatch(now);
            self.at(Step::Exchanging);
            self.exchange(now);
            self.at(Step::Handing);
            self.dispatch(now);
            if self.over(now) {
                break;
            }
            self.show();
            self.wait();
        }
        self.turn.begin(self.clock.boot_us());
        self.at(Step::Leaving);
        let anew = self.overlooked.anew && self.outside.ordered() == Order::Run;
        self.sign_off();
        anew
    }

    fn at(&self, step: Step) {
        self.outside.pulse.at(step);
        self.member.page.at_step(step as u32);
    }

    /// Children that take jobs.
    pub fn ready(&self) -> impl Iterator<Item = (usize, &Child)> {
        let children =
            self.slots.iter().enumerate().filter_map(|(number, slot)| Some((number, slot.child.as_ref()?)));
        children.filter(|(_, child)| child.phase == Phase::Ready && child.fate == super::child::Fate::Own)
    }

    /// Whether there is room for jobs that nobody offers at the moment.
    fn hungry(&self) -> bool {
        self.stage == Stage::Running
            && self.ledger.dry
            && self.ledger.trouble.is_none()
            && self.capacity() > 0
    }

    fn wait(&mut self) {
        let hungry = self.hungry();
        if hungry {
            self.ear.listen(self.ledger.seen);
        }
        let now = self.clock.boot_us();
        let pause = (self.next_us(now, hungry) - now).max(0);
        let timeout = Timespec { tv_sec: pause / 1_000_000, tv_nsec: pause % 1_000_000 * 1_000 };
        let mut sources = vec![Source::Wake];
        let mut set = vec![PollFd::from_borrowed_fd(self.outside.wake_fd(), PollFlags::IN)];
        for (number, slot) in self.slots.iter().enumerate() {
            let Some(child) = &slot.child else { continue };
            sources.push(Source::Death(number));
            set.push(PollFd::new(&child.pidfd, PollFlags::IN));
            if child.open() {
                let more = if child.stuffed() { PollFlags::OUT } else { PollFlags::empty() };
                sources.push(Source::Socket(number));
                set.push(PollFd::new(&child.socket, PollFlags::IN | more));
            }
        }
        if let Some(fd) = self.foreign.fd().filter(|_| hungry) {
            sources.push(Source::Foreign);
            set.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        for (id, fd) in self.peers.iter().filter_map(Peer::pidfd) {
            sources.push(Source::Peer(id));
            set.push(PollFd::from_borrowed_fd(OwnedFd::as_fd(fd), PollFlags::IN));
        }
        self.at(Step::Waiting);
        let fired: Vec<(Source, PollFlags)> = match poll(&mut set, Some(&timeout)) {
            Ok(0) | Err(_) => Vec::new(),
            Ok(_) => sources
                .into_iter()
                .zip(set.iter().map(PollFd::revents))
                .filter(|(_, what)| !what.is_empty())
                .collect(),
        };
        self.at(Step::Children);
        let now = self.clock.boot_us();
        let mut deaths = Vec::new();
        for (source, what) in fired {
            match source {
                Source::Wake => self.outside.awake(),
                Source::Foreign => self.foreign.fired(now),
                Source::Socket(number) => {
                    if what.contains(PollFlags::OUT)
                        && let Some(child) = &mut self.slots[number].child
                    {
                        child.flush();
                    }
                    if what.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                        self.hear(number, false, now);
                    }
                }
                // After the sockets: what a child has sent before its death counts.
                Source::Death(number) => deaths.push(number),
                Source::Peer(id) => self.peer_died(id),
            }
        }
        for number in deaths {
            self.bury(number, now);
        }
        self.look_for_strangers(now, hungry);
    }

    /// Asks the database whether others have committed, when it is time to.
    fn look_for_strangers(&mut self, now: i64, hungry: bool) {
        if !hungry || self.foreign.due_us().is_none_or(|due| due > now) {
            return;
        }
        // Whoever has rung is no stranger, and the claim that follows looks anyway.
        if self.rings() != self.ledger.seen {
            return;
        }
        let changed = self.changed();
        self.foreign.looked(now, changed);
    }

    pub fn changed(&mut self) -> bool {
        match self.store.changed() {
            Ok(true) => {
                self.ledger.dry = false;
                self.news = true;
                true
            }
            Ok(false) => false,
            Err(error) => {
                self.trouble(&error);
                false
            }
        }
    }

    /// When to look again at the latest (boot time).
    fn next_us(&self, now: i64, hungry: bool) -> i64 {
        let mut next = self.tick_us.min(self.beat_us);
        let mut by = |due: Option<i64>| next = next.min(due.unwrap_or(i64::MAX));
        by(self.spawn_due());
        by(self.scale_due());
        by(self.limit_due(now));
        by(self.take_back_due(now));
        by(self.exchange_due(now));
        by(self.stage.due_us());
        by(self.revoking.due_us());
        by(self.dump_due());
        by(self.recycle_due());
        if hungry {
            by(self.foreign.due_us());
            // Wall time: looked at each second at the latest, because that clock may step.
            by(self.ledger.next_us.map(|at| now.saturating_add(at.saturating_sub(self.clock.wall_us()))));
        }
        next
    }

    /// Whether it is time to end the loop.
    fn over(&mut self, now: i64) -> bool {
        if self.options.burst && self.stage == Stage::Running && self.drained() {
            self.outside.order(Order::Drain);
            self.follow_orders(now);
        }
        self.stopped(now)
    }

    /// Reports an error of the store; the loop goes on after a pause.
    pub fn trouble(&mut self, error: &Error) {
        let (kind, text) = match error {
            Error::Interrupted => {
                (Kind::Warning, "another connection holds the write lock; trying again".into())
            }
            _ => (Kind::Error, error.to_string()),
        };
        if self.ledger.trouble(&text, self.clock.boot_us()) {
            self.outside.tell(kind, text);
        }
    }

    /// The number of rings of the bell so far.
    pub fn rings(&self) -> u32 {
        self.bell.peek(Line::Ready)
    }
}
