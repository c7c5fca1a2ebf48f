//! The decision on a virtual clock: jobs come and take their time, children take theirs to start.

use std::collections::VecDeque;

use super::*;

const SECOND: i64 = 1_000_000;
/// A turn of the played supervisor.
const TURN_US: i64 = 10_000;
const START_US: i64 = 300_000;
const GB: u64 = 1 << 30;
const PLENTY: Memory = Memory { total: 64 * GB, free: 60 * GB };

/// A worker as the decision sees it.
struct World {
    now: i64,
    scaler: Scaler,
    /// When each child is free.
    children: Vec<i64>,
    line: VecDeque<i64>,
    memory: Memory,
    /// When, from how many, to how many.
    changes: Vec<(i64, usize, usize)>,
    longest_us: i64,
}

impl World {
    fn new(least: u32, most: u32) -> World {
        World {
            now: 0,
            scaler: Scaler::new(least, most),
            children: vec![0; least as usize],
            line: VecDeque::new(),
            memory: PLENTY,
            changes: Vec::new(),
            longest_us: 0,
        }
    }

    /// Lets the time pass; `come` says how many jobs come in a turn, each of `takes_us`.
    fn run(&mut self, for_us: i64, takes_us: i64, come: impl Fn(i64) -> usize) {
        let end = self.now + for_us;
        while self.now < end {
            self.now += TURN_US;
            self.line.extend(std::iter::repeat_n(self.now, come(self.now)));
            for free_at in self.children.iter_mut().filter(|at| **at <= self.now) {
                let Some(since) = self.line.pop_front() else { break };
                self.longest_us = self.longest_us.max(self.now - since);
                *free_at = self.now + takes_us;
            }
            self.turn();
        }
    }

    fn turn(&mut self) {
        let idle = self.children.iter().filter(|at| **at <= self.now).count();
        let starting =
            self.changes.last().is_some_and(|(at, from, to)| to > from && self.now - at < START_US);
        let sight = Sight {
            now: self.now,
            children: self.children.len(),
            starting: usize::from(starting),
            idle,
            waiting: self.line.len(),
            waited_us: self.line.front().map_or(0, |since| self.now - since),
            memory: Some(self.memory),
            child: GB,
        };
        let before = self.children.len();
        match self.scaler.decide(&sight) {
            Step::Up(more) => self.children.extend(std::iter::repeat_n(self.now + START_US, more)),
            Step::Down(fewer) => {
                for _ in 0..fewer {
                    let idle =
                        self.children.iter().rposition(|at| *at <= self.now).expect("only idle ones go");
                    self.children.remove(idle);
                }
            }
            Step::Stay | Step::Cramped => return,
        }
        self.changes.push((self.now, before, self.children.len()));
    }
}

#[test]
fn a_backlog_is_met_within_a_second_and_with_no_more_than_the_most() {
    let mut world = World::new(1, 16);
    world.run(SECOND, 10 * SECOND, |now| if now == TURN_US { 100 } else { 0 });
    assert!(world.children.len() >= 4, "{:?}", world.changes);
    assert!(world.changes[0].0 <= 300_000, "{:?}", world.changes);
    world.run(2 * SECOND, 10 * SECOND, |_| 0);
    assert_eq!(world.children.len(), 16);
    world.run(5 * SECOND, 10 * SECOND, |_| 0);
    assert_eq!(world.children.len(), 16);
}

#[test]
fn one_job_that_waits_gets_one_child() {
    let mut world = World::new(4, 16);
    world.run(SECOND, 10 * SECOND, |now| if now == TURN_US { 5 } else { 0 });
    assert_eq!(world.children.len(), 5);
}

#[test]
fn what_is_idle_throughout_goes_and_never_below_the_least() {
    let mut world = World::new(2, 16);
    world.run(20 * SECOND, 5 * SECOND, |now| if now < SECOND { 1 } else { 0 });
    assert_eq!(world.children.len(), 16);
    world.run(120 * SECOND, SECOND, |_| 0);
    assert_eq!(world.children.len(), 2);
    let downs = world.changes.iter().filter(|(_, from, to)| to < from).count();
    assert!(downs <= 2, "not one by one: {:?}", world.changes);
}

/// A load that comes in waves shorter than the patience keeps its children; the number changes only on the way up.
#[test]
fn waves_do_not_make_it_flap() {
    let mut world = World::new(1, 8);
    world.run(600 * SECOND, SECOND, |now| if now % (10 * SECOND) == 0 { 8 } else { 0 });
    let downs = world.changes.iter().filter(|(_, from, to)| to < from).count();
    assert_eq!(downs, 0, "{:?}", world.changes);
    assert!(world.changes.len() <= 4, "{:?}", world.changes);
    // A load that needs three and a half: the spare ones go once, and none comes back.
    let mut world = World::new(1, 8);
    world.run(30 * SECOND, SECOND, |now| usize::from(now % 125_000 < TURN_US));
    world.changes.clear();
    world.run(600 * SECOND, SECOND, |now| usize::from(now % 286_000 < TURN_US));
    assert!(world.changes.len() <= 6, "{:?}", world.changes);
}

#[test]
fn jobs_that_hardly_wait_need_no_more_children() {
    let mut world = World::new(1, 8);
    // Always somebody in line, and nobody for long.
    world.run(30 * SECOND, 10_000, |now| if now % 100_000 == 0 { 10 } else { 0 });
    assert!(world.changes.is_empty() && world.longest_us > 50_000, "{:?}", world.changes);
}

#[test]
fn memory_bounds_the_way_up_and_shortens_the_way_down() {
    let mut world = World::new(1, 16);
    // A tenth of 20 is left free: room for two of 1 GB.
    world.memory = Memory { total: 20 * GB, free: 4 * GB + GB / 2 };
    world.run(SECOND / 2, 60 * SECOND, |now| if now == TURN_US { 50 } else { 0 });
    assert_eq!(world.children.len(), 2, "no more than as many again at once");
    world.memory.free = 2 * GB;
    world.run(5 * SECOND, 60 * SECOND, |_| 0);
    assert_eq!(world.children.len(), 2, "there is no room");
    let mut world = World::new(1, 4);
    world.children = vec![0; 4];
    world.memory = Memory { total: 20 * GB, free: GB };
    world.run(5 * SECOND, SECOND, |_| 0);
    assert_eq!(world.children.len(), 1);
    assert_eq!(world.changes.len(), 3, "one at a time");
}

#[test]
fn only_idle_children_go() {
    let mut scaler = Scaler::new(1, 8);
    let sight = Sight {
        now: 0,
        children: 8,
        starting: 0,
        idle: 3,
        waiting: 0,
        waited_us: 0,
        memory: Some(PLENTY),
        child: GB,
    };
    assert_eq!(scaler.decide(&sight), Step::Stay);
    assert_eq!(scaler.decide(&Sight { now: 10 * SECOND, idle: 2, ..sight }), Step::Stay);
    assert_eq!(scaler.decide(&Sight { now: 30 * SECOND, idle: 5, ..sight }), Step::Down(2));
    assert_eq!(scaler.decide(&Sight { now: 31 * SECOND, idle: 0, ..sight }), Step::Stay);
    assert_eq!(scaler.decide(&Sight { now: 59 * SECOND, idle: 5, ..sight }), Step::Stay);
}
