//! Waiting for the first of many jobs to end. All ends ring one line, on which the watcher sleeps; the 256 lines of
//! results then say which of its jobs are worth a look.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Store;
use crate::error::Result;
use crate::job::State;
use crate::wake::{Bell, Line};

/// Jobs looked at before the caller may ask whether to go on: about 5 ms.
const LOOKS: usize = 512;
/// Jobs looked at after each sleep although nothing rang: a process may die between its commit and its ring.
const DOUBTS: usize = 16;
/// The longest sleep.
const SLEEP_US: i64 = 100_000;
/// The longest sleep while an id is no row yet.
const ROWLESS_US: i64 = 20_000;
/// After looks in vain a pause of so many times their length, where others' jobs end all the time…
const PAUSES: i64 = 4;
/// …but no longer than this (µs).
const PAUSE_US: i64 = 20_000;

/// Jobs that somebody waits for. One thread waits; others may add and drop.
#[derive(Default)]
pub struct Watch {
    orders: Mutex<VecDeque<Order>>,
    watched: Mutex<Watched>,
}

enum Order {
    Add(String),
    Drop(String),
}

#[derive(Default)]
struct Watched {
    /// Each job, and its line of the bell; none while it is no row.
    jobs: HashMap<String, Option<Line>>,
    /// The jobs of each line, with its count when they were last looked at.
    lines: BTreeMap<u8, Group>,
    due: VecDeque<String>,
    /// Whose turn it is to be doubted.
    doubted: VecDeque<String>,
    rowless: Vec<String>,
}

struct Group {
    seen: u32,
    jobs: Vec<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Watches a job. Wakes whoever waits.
    pub fn add(&self, store: &Store, id: String) -> Result<()> {
        lock(&self.orders).push_back(Order::Add(id));
        store.bell()?.ring(Line::Ended);
        Ok(())
    }

    /// Lets go of a job.
    pub fn drop(&self, id: String) {
        lock(&self.orders).push_back(Order::Drop(id));
    }

    /// Looks at what may have ended and sleeps once, at most until `until` (boot time, µs). Those that have ended or
    /// are unknown, no longer watched; an empty answer says nothing about the time.
    pub fn step(&self, store: &Store, until: Option<i64>) -> Result<Vec<String>> {
        let clock = &store.env().clock;
        let bell = store.bell()?;
        // Read before the looks: a ring between the two is not slept through.
        let rung = bell.seen(Line::Ended);
        let mut watched = lock(&self.watched);
        self.obey(&mut watched, store, &bell)?;
        watched.listen(&bell);
        let begun = clock.boot_us();
        let looks = watched.due.len().min(LOOKS);
        let ended = watched.look(store)?;
        let now = clock.boot_us();
        let left = until.map_or(i64::MAX, |at| at - now);
        if !ended.is_empty() || !watched.due.is_empty() || left <= 0 {
            return Ok(ended);
        }
        if looks > 0 {
            let pause = (PAUSES * (now - begun)).min(PAUSE_US).min(left);
            clock.sleep(Duration::from_micros(pause.unsigned_abs()));
        }
        let longest = if !watched.rowless.is_empty() { ROWLESS_US } else { SLEEP_US };
        drop(watched);
        clock.wait(
            Duration::from_micros(left.min(longest).unsigned_abs()),
            &|| bell.seen(Line::Ended) != rung,
            &|time| {
                bell.wait(Line::Ended, rung, Some(time));
            },
        );
        lock(&self.watched).doubt(store, &bell)?;
        Ok(ended)
    }

    /// An order that can't be carried out now is not lost: whoever waits for its job would wait for ever.
    fn obey(&self, watched: &mut Watched, store: &Store, bell: &Bell) -> Result<()> {
        let count = lock(&self.orders).len();
        for _ in 0..count {
            let Some(order) = lock(&self.orders).pop_front() else { break };
            if let Err(error) = watched.obey(store, bell, &order) {
                lock(&self.orders).push_front(order);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Watched {
    fn obey(&mut self, store: &Store, bell: &Bell, order: &Order) -> Result<()> {
        match order {
            Order::Add(id) => {
                if !self.jobs.contains_key(id) {
                    self.enter(store, bell, id)?;
                    self.doubted.push_back(id.clone());
                }
                self.due.push_back(id.clone());
            }
            Order::Drop(id) => self.remove(id),
        }
        Ok(())
    }

    fn enter(&mut self, store: &Store, bell: &Bell, id: &str) -> Result<()> {
        let line = store.line(id)?;
        match line {
            Some(line @ Line::Result(number)) => {
                let group = || Group { seen: bell.seen(line), jobs: Vec::new() };
                self.lines.entry(number).or_insert_with(group).jobs.push(id.to_owned());
            }
            _ => self.rowless.push(id.to_owned()),
        }
        self.jobs.insert(id.to_owned(), line);
        Ok(())
    }

    fn remove(&mut self, id: &str) {
        match self.jobs.remove(id) {
            Some(Some(Line::Result(number))) => {
                if let Some(group) = self.lines.get_mut(&number) {
                    group.jobs.retain(|job| job != id);
                    if group.jobs.is_empty() {
                        self.lines.remove(&number);
                    }
                }
            }
            Some(_) => self.rowless.retain(|job| job != id),
            None => {}
        }
    }

    /// Jobs whose line has rung are due for a look.
    fn listen(&mut self, bell: &Bell) {
        for (number, group) in &mut self.lines {
            // Read before the look.
            let seen = bell.seen(Line::Result(*number));
            if seen != group.seen {
                group.seen = seen;
                self.due.extend(group.jobs.iter().cloned());
            }
        }
    }

    fn look(&mut self, store: &Store) -> Result<Vec<String>> {
        let mut ended = Vec::new();
        for _ in 0..self.due.len().min(LOOKS) {
            let Some(id) = self.due.pop_front() else { break };
            if !self.jobs.contains_key(&id) {
                continue;
            }
            let state = match store.view(&id) {
                Ok(view) => view.state,
                Err(error) => {
                    self.due.push_front(id);
                    // Those that were removed have been told nobody yet.
                    return if ended.is_empty() { Err(error) } else { Ok(ended) };
                }
            };
            if state.ended() || state == State::Unknown {
                self.remove(&id);
                ended.push(id);
            }
        }
        Ok(ended)
    }

    fn doubt(&mut self, store: &Store, bell: &Bell) -> Result<()> {
        let mut rowless = std::mem::take(&mut self.rowless);
        while let Some(id) = rowless.pop() {
            if let Err(error) = self.enter(store, bell, &id) {
                self.rowless.append(&mut rowless);
                self.rowless.push(id);
                return Err(error);
            }
            self.due.push_back(id);
        }
        for _ in 0..self.doubted.len().min(DOUBTS) {
            let Some(id) = self.doubted.pop_front() else { break };
            if self.jobs.contains_key(&id) {
                self.due.push_back(id.clone());
                self.doubted.push_back(id);
            }
        }
        Ok(())
    }
}
