//! One seed from its first process to the last drained job.

use std::sync::Arc;

use pyqueue_core::job::{Finish, Outcome};
use pyqueue_core::store::{Ask, Options, Store};

use crate::client::{Client, Trade, options};
use crate::dice::Dice;
use crate::lies::Lie;
use crate::process::Process;
use crate::promises::Tally;
use crate::refusals;
use crate::verbs::{Answer, Verb};
use crate::vfs::Disk;
use crate::weather::Weather;
use crate::world::{Play, World, locked};

/// What became of a seed.
pub struct Report {
    pub failure: Option<String>,
    pub hash: u64,
    pub log: Vec<String>,
    pub operations: u64,
    pub kills: u64,
    pub forks: u64,
    pub full: u64,
    pub told: u64,
    pub doubted: u64,
    pub looks: u64,
    pub claimed: u64,
    pub stale: u64,
    pub tally: Tally,
}

/// Runs a seed. `name` tells its disk from others that are there at the same time.
pub fn run(seed: u64, name: &str, lie: Option<Lie>, log: bool) -> Report {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let disk = Disk::unrecorded(&format!("{name}-{seed}"));
    let budget = 120 + dice.below(240);
    let play =
        Play { embed: dice.one_in(8), tides: dice.one_in(4), forks: dice.one_in(6), newer: dice.one_in(6) };
    if play.tides {
        // What is set aside is small on the one and large on the other.
        disk.bound(*dice.pick(&[16, 80]) << 20);
    }
    let world = World::new(seed, disk, play, lie, budget, log);
    if play.embed {
        refusals::prepare(&world);
    }
    let count = 2 + dice.below(3);
    for number in 0..count {
        let trade = match number {
            0 => Trade::Worker,
            1 => Trade::Caller,
            _ => *dice.pick(&[Trade::Worker, Trade::Caller, Trade::Keeper, Trade::Foreign]),
        };
        start(&world, trade, 0);
    }
    world.run();
    world.state().weather = Weather::CALM;
    if play.tides {
        world.disk.inner().tide(None);
    }
    if world.state().failure.is_none() {
        world.spawn(0, drain);
        world.run();
    }
    let state = world.state();
    let book = locked(&world.book);
    Report {
        failure: state.failure.clone(),
        hash: state.hash,
        log: state.log.clone().unwrap_or_default(),
        operations: state.operations,
        kills: state.kills,
        forks: state.forks,
        full: state.full,
        told: state.told,
        doubted: book.doubted,
        looks: book.looks,
        claimed: book.promises.claimed,
        stale: book.promises.stale,
        tally: book.promises.tally.clone(),
    }
}

/// A process of a trade; once killed it starts anew under another number.
fn start(world: &Arc<World>, trade: Trade, after: i64) {
    world.spawn(after, move |process| {
        Client::new(process, trade).work();
        let world = &process.world;
        let again = {
            let mut state = world.state();
            let pause = state.dice.below(3_000_000) as i64;
            (state.places[process.number].dead && state.budget > 0).then_some(pause)
        };
        if let Some(pause) = again {
            start(world, trade, pause);
        }
    });
}

/// Nothing may be stuck: with every pause lifted and every worker gone, all jobs run, and no row is left.
fn drain(process: &Arc<Process>) {
    let mut client = Client::new(process, Trade::Worker);
    if empty(&mut client).is_none() {
        process.world.fail("the file could not be drained".into());
    }
}

fn empty(client: &mut Client) -> Option<()> {
    if locked(&client.world().book).model.newer {
        client.ask(Verb::Newer(false))?;
    }
    if client.world().play.tides {
        client.recovers()?;
    }
    client.join()?;
    for _ in 0..8 {
        let id = client.some_id().unwrap_or_default();
        client.watched.insert(id.clone(), 0);
        client.aside("watches", |store| client.watch.add(store, id))?;
    }
    let closed = locked(&client.world().book).model.closed();
    for scope in closed {
        client.ask(Verb::Resume(scope))?;
    }
    client.reap()?;
    client.settle_all()?;
    let owner = client.worker?;
    let ask = Ask { owner, limit: 30, queues: None, tasks: None, visibility_us: None };
    for _ in 0..100 {
        let Answer::Taken(taken) = client.ask(Verb::Claim(ask.clone()))?.answer else { return None };
        let ends = taken.iter().map(|(row, token, _)| Finish {
            row: pyqueue_core::id::RowId(*row),
            token: *token,
            outcome: Outcome::Success(None),
            started_us: None,
            usage: None,
            then: Vec::new(),
            beside: None,
        });
        if !taken.is_empty() {
            client.ask(Verb::Finish(ends.collect(), None))?;
            continue;
        }
        if locked(&client.world().book).model.jobs.values().all(|job| !job.live()) {
            client.ask(Verb::Upkeep)?;
            let done = locked(&client.world().book).look(&client.world().disk);
            done.map_err(|text| client.world().fail(text)).ok()?;
            client.wait_for_all()?;
            return tidy(client);
        }
        client.world().sleep(client.process.number, 1_000_000_000);
    }
    None
}

/// The file is sound, and its history can grow old.
fn tidy(client: &mut Client) -> Option<()> {
    let wrong = client.quietly("examines", Store::examine)?;
    if !wrong.is_empty() {
        client.world().fail(format!("the drained file: {wrong:?}"));
    }
    client.world().sleep(client.process.number, 10_000_000_000);
    if client.world().play.embed {
        refusals::untouched(client.world());
    } else if client.dice.one_in(6) {
        client.try_others();
    }
    let embed = client.world().play.embed;
    let short = Options { embed, history_age_us: 1, failed_age_us: 1, history_count: 1, ..options() };
    locked(&client.world().book).over = true;
    let store = Store::new(client.world().disk.path("jobs.db"), short, client.process.env());
    while store.upkeep().ok()?.more {}
    let wrong = store.examine().ok()?;
    if !wrong.is_empty() {
        client.world().fail(format!("the file without its history: {wrong:?}"));
    }
    Some(())
}
