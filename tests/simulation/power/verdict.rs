//! After the reboot: the file opens, is sound, remembers what it must, and can be worked off.

use std::collections::HashMap;

use pyqueue_core::error::Result;
use pyqueue_core::job::{Finish, Finished, Outcome, State};
use pyqueue_core::sqlite::Durability;
use pyqueue_core::store::{Ask, Evidence, Filter, NewWorker, Options, Store};

use super::camera::Image;
use super::notes::{self, Memory, Note};
use super::program::Boot;
use crate::client::options;

const EVERYTHING: Filter =
    Filter { state: None, queue: None, task: None, error: None, since_us: None, limit: 100_000 };

fn states(store: &Store) -> Result<HashMap<String, State>> {
    Ok(store.jobs(&EVERYTHING)?.into_iter().map(|job| (job.id, job.state)).collect())
}

/// What is wrong with an image, or what it lacks of what was not promised to last.
pub fn judge(image: &Image, notes: &[Note]) -> std::result::Result<Memory, String> {
    let options = Options { durability: Durability::Normal, ..options() };
    let store = Store::new(image.disk.path("jobs.db"), options, Boot::env(2, &image.disk));
    let told = |error: pyqueue_core::Error| error.to_string();
    let wrong = store.examine().map_err(told)?;
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let before = states(&store).map_err(told)?;
    let memory = notes::compare(&notes[..image.noted], &before)?;
    drain(&store, memory.token).map_err(told)??;
    let after = states(&store).map_err(told)?;
    if let Some(id) = before.keys().find(|id| !after.get(*id).is_some_and(|state| state.ended())) {
        return Err(format!("{id} was there and has not ended when everything was worked off"));
    }
    Ok(memory)
}

/// Takes back what workers of before the reboot held, and runs everything.
fn drain(store: &Store, mut token: i64) -> Result<std::result::Result<(), String>> {
    for worker in store.workers()? {
        if !worker.overdue {
            return Ok(Err(format!("worker {} seems to have survived the reboot", worker.id)));
        }
        store.reap(worker.id, Evidence::Page(HashMap::new()), "the reboot")?;
    }
    let worker = NewWorker { name: "w".into(), pid: 2, slots: 1, visibility_us: 1 << 50, facts: Vec::new() };
    let owner = store.join(worker)?;
    let ask = Ask { owner, limit: 100, queues: None, tasks: None, visibility_us: None };
    loop {
        let claimed = store.claim(ask.clone())?;
        if let Some(job) = claimed.jobs.iter().find(|job| job.token <= token) {
            return Ok(Err(format!("token {} was given before the cut", job.token)));
        }
        token = claimed.jobs.iter().map(|job| job.token).max().unwrap_or(token);
        let ends: Vec<Finish> = claimed
            .jobs
            .iter()
            .map(|job| Finish {
                row: job.row,
                token: job.token,
                outcome: Outcome::Success(None),
                started_us: None,
                usage: None,
                then: Vec::new(),
                beside: None,
            })
            .collect();
        if ends.is_empty() {
            let Some(next) = claimed.next_us else { return Ok(Ok(())) };
            let now = store.env().clock.wall_us();
            store.env().clock.sleep(std::time::Duration::from_micros((next - now).max(0) as u64));
            continue;
        }
        if store.finish(ends, None)?.0.iter().any(|answer| *answer != Finished::Done) {
            return Ok(Err("an end under a fresh token was refused".into()));
        }
    }
}
