//! Jobs come: places, dedup keys, callers' ids, the inbox.

use pyqueue_core::id::{self, SHELF};
use pyqueue_core::job::{Dedup, NewJob, Payload, State};

use super::{Job, Model, Place};
use crate::client::MAX_BODY;

impl Model {
    /// The number of a queue, made if it is new.
    pub fn queue(&mut self, name: &str) -> i64 {
        let at = self.queues.iter().position(|known| known == name).unwrap_or_else(|| {
            self.queues.push(name.to_owned());
            self.queues.len() - 1
        });
        at as i64 + 1
    }

    /// Row and whether it is new; the error is the holder of its key.
    pub fn enqueue(&mut self, new: &NewJob) -> Result<(i64, bool), i64> {
        self.put(new, None)
    }

    /// As `enqueue`. `withheld`: where it is that may not start by itself.
    pub fn put(&mut self, new: &NewJob, withheld: Option<Place>) -> Result<(i64, bool), i64> {
        let queue = self.queue(&new.queue);
        if let Some(row) = new.alias.as_ref().and_then(|alias| self.aliases.get(alias)) {
            return Ok((*row, false));
        }
        let key = new.dedup_key.as_ref().map(|key| (queue, key.clone()));
        if !self.folding && new.dedup_key.is_some() && self.inbox.iter().any(|there| same_key(there, new)) {
            self.fold();
        }
        if let Some(holder) = key.clone().and_then(|key| self.holder(key)) {
            match new.dedup {
                Dedup::Refuse => return Err(holder),
                Dedup::Replace if !self.jobs[&holder].leased() => {
                    if self.jobs[&holder].live() {
                        self.end(holder, State::Cancelled);
                    }
                }
                _ => {
                    self.name(new, holder);
                    return Ok((holder, false));
                }
            }
        }
        let band = id::band(queue, new.priority);
        let later = new.run_at_us.filter(|at| *at > self.now);
        let shelved = later.is_some() || withheld.is_some();
        let home = if shelved { SHELF } else { band };
        let tail = self.tails.entry(home).or_insert_with(|| id::floor(home).max(0));
        *tail += 1;
        let row = *tail;
        let at = if shelved { id::floor(band) } else { row };
        let place = withheld.unwrap_or_else(|| later.map_or(Place::Ready, Place::Later));
        let id = new.alias.clone();
        let job = Job {
            place,
            at,
            band,
            new: new.clone(),
            fills: None,
            attempts: 0,
            retries: 0,
            losses: 0,
            made: self.now,
            id,
            forgotten: false,
        };
        let fresh = self.jobs.insert(row, job);
        assert!(fresh.is_none(), "a place was given twice");
        if let Some(key) = key {
            let until = new.dedup_window_us.map(|window| self.now + window);
            self.keys.insert(key, (row, until));
        }
        self.name(new, row);
        Ok((row, true))
    }

    fn name(&mut self, new: &NewJob, row: i64) {
        if let Some(alias) = &new.alias {
            self.aliases.insert(alias.clone(), row);
        }
    }

    /// Who has a key. An unfinished job that nobody started in time is let go.
    pub fn holder(&mut self, key: (i64, String)) -> Option<i64> {
        let (row, until) = *self.keys.get(&key)?;
        let job = &self.jobs[&row];
        if job.live() {
            if job.leased() || !job.expired(self.now) {
                return Some(row);
            }
            self.end(row, State::Expired);
        }
        if until.is_some_and(|until| until > self.now) && !self.jobs[&row].forgotten {
            return Some(row);
        }
        self.keys.remove(&key);
        None
    }

    /// A row of the inbox, unless somebody has its key.
    pub fn drop_in(&mut self, job: &NewJob) {
        if job.dedup == Dedup::Replace || !self.is_taken(job) {
            self.inbox.push(job.clone());
        }
    }

    /// As a trigger sees it: its clock counts milliseconds, and it changes nothing.
    fn is_taken(&self, new: &NewJob) -> bool {
        let Some(key) = &new.dedup_key else { return false };
        if self.inbox.iter().any(|there| same_key(there, new)) {
            return true;
        }
        let Some(queue) = self.queues.iter().position(|name| *name == new.queue) else { return false };
        let Some((row, until)) = self.keys.get(&(queue as i64 + 1, key.clone())) else { return false };
        let now = self.now / 1_000 * 1_000;
        let job = &self.jobs[row];
        if until.is_some_and(|until| until > now) && !job.forgotten {
            return true;
        }
        job.live() && !self.receipts.contains_key(row) && (job.leased() || !job.expired(now))
    }

    /// What foreign connections wrote becomes jobs; what can't be one, a dead one.
    pub fn fold(&mut self) {
        self.folding = true;
        self.fold_all();
        self.folding = false;
    }

    fn fold_all(&mut self) {
        for job in std::mem::take(&mut self.inbox) {
            let names = [Some(&job.task), Some(&job.queue), job.dedup_key.as_ref(), job.alias.as_ref()];
            let bad = |name: &&String| name.is_empty() || name.contains(['\0', '\u{fffd}']);
            let large = job.payload.body.len() > MAX_BODY;
            if large || names.into_iter().flatten().any(|name| bad(&name)) {
                self.dead(job, large);
            } else {
                let _ = self.enqueue(&job);
            }
        }
    }

    /// Its names are cut to what can be stored; what is not read is empty.
    fn dead(&mut self, job: NewJob, large: bool) {
        let storable =
            |text: String| if text.len() > 1_020 { String::new() } else { text.replace('\0', "\u{fffd}") };
        let body = if large { Vec::new() } else { job.payload.body.clone() };
        let new = NewJob {
            alias: job.alias.map(storable).filter(|own| !own.is_empty() && !self.aliases.contains_key(own)),
            task: storable(job.task),
            queue: storable(job.queue),
            payload: Payload { body, ..job.payload },
            dedup_key: None,
            run_at_us: None,
            expires_us: None,
            ..job
        };
        if let Ok((row, _)) = self.enqueue(&new) {
            self.end(row, State::Dead);
        }
    }

    /// A failed or dead job once more, as a new one; or whoever has its key by now.
    pub fn replay(&mut self, id: &str) -> Vec<(i64, bool)> {
        let Some(job) = self.row(id).map(|row| &self.jobs[&row]) else { return Vec::new() };
        if job.forgotten || !matches!(job.place, Place::Ended(State::Failed | State::Dead)) {
            return Vec::new();
        }
        let new = NewJob {
            run_at_us: None,
            expires_us: job.new.expires_us.filter(|at| *at > self.now),
            dedup: Dedup::Return,
            dedup_window_us: None,
            alias: None,
            errbacks: Vec::new(),
            ..job.new.clone()
        };
        // The end of a window would give the key to the ended job.
        let key = new.dedup_key.clone().map(|key| (job.band >> 8, key));
        if let Some(key) = key
            && self.keys.get(&key).is_some_and(|(holder, _)| !self.jobs[holder].live())
        {
            self.keys.remove(&key);
        }
        self.enqueue(&new).map(|(row, _)| (row, true)).into_iter().collect()
    }
}

fn same_key(one: &NewJob, other: &NewJob) -> bool {
    one.dedup_key == other.dedup_key && one.queue == other.queue
}
