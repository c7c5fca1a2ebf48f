//! Random jobs and ends of attempts.

use pyqueue_core::job::{Beside, Budget, Dedup, Errback, Failure, Log, NewJob, Outcome, Payload};

use crate::dice::Dice;

pub const QUEUES: [&str; 3] = ["a", "b", "c"];
pub const TASKS: [&str; 3] = ["t0", "t1", "t2"];
pub const SECOND: i64 = 1_000_000;

/// What a random job is made for.
#[derive(Clone, Copy)]
pub struct Scene {
    pub now: i64,
    /// How many queues there are.
    pub queues: u64,
}

/// Mostly one of few; now and then one that is new, or that another process is making at the same time.
pub fn queue(dice: &mut Dice, scene: Scene) -> String {
    if dice.one_in(6) {
        format!("rare-{}{}", scene.queues.saturating_sub(dice.below(2)), dice.pick(&["x", "y"]))
    } else {
        (*dice.pick(&QUEUES)).to_owned()
    }
}

/// A random new job.
fn bare(dice: &mut Dice, scene: Scene) -> NewJob {
    let in_a_while = |dice: &mut Dice| scene.now + [-1, 1, 20, 3_000][dice.below(4) as usize] * SECOND;
    let number = dice.next();
    NewJob {
        task: (*dice.pick(&TASKS)).into(),
        payload: Payload {
            content_type: dice.one_in(4).then(|| "x/y".into()),
            body: number.to_le_bytes().to_vec(),
        },
        queue: queue(dice, scene),
        priority: *dice.pick(&[0, 0, 0, 5, -3]),
        run_at_us: dice.one_in(4).then(|| in_a_while(dice)),
        expires_us: dice.one_in(6).then(|| in_a_while(dice)),
        dedup_key: dice.one_in(3).then(|| format!("k{}", dice.below(3))),
        dedup: *dice.pick(&[Dedup::Return, Dedup::Refuse, Dedup::Refuse, Dedup::Replace]),
        dedup_window_us: dice.one_in(3).then(|| *dice.pick(&[1, 60, 4_000]) * SECOND),
        alias: dice.one_in(6).then(|| format!("own-{}", dice.below(40))),
        max_losses: 1 + dice.below(3) as u32,
        time_limit_us: None,
        soft_time_limit_us: None,
        errbacks: Vec::new(),
    }
}

/// Makes of one what can't be a job, though the table takes it.
pub fn spoil(dice: &mut Dice, job: &mut NewJob) {
    let long = || "x".repeat(1_100);
    match dice.below(8) {
        0 => job.task.push('\u{fffd}'),
        1 => job.task.push('\0'),
        2 => job.task = format!("t\0{}", long()),
        3 => job.queue.push('\0'),
        4 => job.queue = format!("q\0{}", long()),
        5 => job.dedup_key = Some(format!("k\0{}", if dice.one_in(2) { long() } else { String::new() })),
        6 => job.alias = job.alias.take().map(|own| format!("{own}\0")),
        _ => job.payload.body = vec![0; crate::client::MAX_BODY + 1],
    }
}

/// One that may bring errbacks along.
fn job(dice: &mut Dice, scene: Scene) -> NewJob {
    let mut job = bare(dice, scene);
    if dice.one_in(6) {
        let delay_us = dice.one_in(2).then(|| dice.below(20) as i64 * SECOND);
        job.errbacks = (0..1 + dice.below(2)).map(|_| Errback { delay_us, job: bare(dice, scene) }).collect();
    }
    job
}

pub fn jobs(dice: &mut Dice, scene: Scene, most: u64) -> Vec<NewJob> {
    (0..1 + dice.below(most)).map(|_| job(dice, scene)).collect()
}

/// A budget that processes use up between them, and a few lines.
pub fn beside(dice: &mut Dice, scene: Scene) -> Option<Box<Beside>> {
    let budget = Budget { most: 1 + dice.below(2) as u32, period_us: *dice.pick(&[10, 600]) * SECOND };
    let log = Log { dropped: 0, text: vec![b'x'; dice.below(200) as usize] };
    let (budget, log) = (dice.one_in(2).then_some(budget), dice.one_in(2).then_some(log));
    let queue = dice.one_in(4).then(|| queue(dice, scene));
    dice.one_in(2).then(|| Box::new(Beside { budget, queue, log, ..Beside::default() }))
}

pub fn outcome(dice: &mut Dice) -> Outcome {
    let failure = || Failure { error: "x.Y".into(), message: "no".into(), ..Failure::default() };
    match dice.below(14) {
        0..6 => Outcome::Success(dice.one_in(2).then(|| Payload { content_type: None, body: b"1".to_vec() })),
        6 => Outcome::Failure(failure()),
        7 => Outcome::Failure(Failure { error: "pyqueue.exceptions.DecodeError".into(), ..failure() }),
        8 => {
            let other = Payload { content_type: None, body: dice.next().to_le_bytes().to_vec() };
            Outcome::Retry { delay_us: 0, payload: Some(other), failure: failure() }
        }
        9 => {
            Outcome::Retry { delay_us: 1 + dice.below(30) as i64 * SECOND, payload: None, failure: failure() }
        }
        10 => Outcome::Lost { reason: "signal 9".into(), charged: true },
        11 => Outcome::Lost { reason: "signal 9".into(), charged: false },
        _ => Outcome::GivenBack,
    }
}
