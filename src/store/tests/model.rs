//! Random verbs against a reference of plain values; the whole file is compared after every step.

#[path = "model_many.rs"]
mod many;

use std::collections::BTreeMap;

use super::*;
use crate::id::{self, PublicId};
use crate::job::{Errback, Failure};

/// Where the reference has a job.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Ready,
    Later(i64),
    Leased { token: i64, owner: i64 },
    Ended(&'static str),
}

#[derive(Debug, Clone)]
struct Known {
    place: Place,
    /// Its place in the order.
    at: i64,
    queue: usize,
    task: usize,
    key: Option<usize>,
    attempts: u32,
    losses: u32,
    body: Vec<u8>,
    errbacks: bool,
    /// Its attempt is to end.
    asked: Option<Then>,
    /// The band it was moved to.
    home: Option<i64>,
}

/// Where no claim of the reference looks.
fn errback() -> Errback {
    Errback { delay_us: None, job: NewJob { queue: "e".into(), ..job("errback") } }
}

/// Other arguments for the next attempt: a body for each.
fn anew(job: &ClaimedJob) -> Payload {
    Payload { content_type: Some("new".into()), body: format!("[{}]", job.attempt).into() }
}

const QUEUES: [&str; 2] = ["a", "b"];
const TASKS: [&str; 3] = ["t0", "t1", "t2"];
/// Patterns of task, queue and key.
const FITS: [(Option<&str>, Option<&str>, Option<&str>); 3] =
    [(None, Some("a*"), None), (None, None, Some("k1")), (Some("t0"), Some("b"), None)];

fn fits(number: usize) -> Scope {
    let (task, queue, key) = FITS[number];
    let own = |text: Option<&str>| text.map(str::to_owned);
    Scope::Fits(Pattern { task: own(task), queue: own(queue), key: own(key) })
}

struct Model {
    bench: Bench,
    seed: u64,
    jobs: BTreeMap<String, Known>,
    workers: Vec<i64>,
    /// Claims to act on, also after their time.
    tokens: Vec<ClaimedJob>,
    paused: [bool; 3],
    /// The same of `FITS`.
    fits: [bool; 3],
}

impl Model {
    fn new(seed: u64) -> Model {
        let bench = bench();
        let workers = vec![bench.join(), bench.join()];
        Model {
            bench,
            seed,
            jobs: BTreeMap::new(),
            workers,
            tokens: Vec::new(),
            paused: [false; 3],
            fits: [false; 3],
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn now(&self) -> i64 {
        self.bench.env.env().clock.wall_us()
    }

    fn step(&mut self) {
        match self.random(100) {
            0..28 => self.enqueue(),
            28..50 => self.claim(),
            50..78 => self.finish(),
            78..82 => self.reap(),
            82..86 => self.pause(),
            86..89 => self.cancel(),
            89..91 => self.revoke(),
            91..93 => self.give_way(),
            93..97 => self.relocate(),
            _ => self.bench.env.pass(1.5),
        }
        self.compare();
    }

    fn enqueue(&mut self) {
        let (queue, task) = (self.random(2) as usize, self.random(3) as usize);
        let key = (self.random(4) == 0).then(|| self.random(3) as usize);
        let priority = self.random(3) as i8 - 1;
        let errbacks = self.random(4) == 0;
        let later = (self.random(4) == 0).then(|| self.now() + 1_000_000 * (1 + self.random(3) as i64));
        let answer = self
            .bench
            .store
            .enqueue(vec![NewJob {
                queue: QUEUES[queue].into(),
                priority,
                run_at_us: later,
                dedup_key: key.map(|key| format!("k{key}")),
                errbacks: if errbacks { vec![errback()] } else { Vec::new() },
                ..job(TASKS[task])
            }])
            .unwrap()
            .remove(0);
        let holder = self
            .jobs
            .iter()
            .find(|(_, known)| {
                key.is_some()
                    && known.key == key
                    && known.queue == queue
                    && !matches!(known.place, Place::Ended(_))
            })
            .map(|(id, _)| id.clone());
        assert_eq!(answer.created, holder.is_none());
        if let Some(holder) = holder {
            assert_eq!(answer.id, holder);
            return;
        }
        let row = PublicId::parse(&answer.id).unwrap().row;
        // Queues get their numbers in the order of their first job.
        let num = self.bench.sql(&format!("SELECT num FROM pyqueue_queue WHERE name='{}'", QUEUES[queue]));
        let at = if later.is_some() { id::floor(id::band(num, priority)) } else { row.0 };
        let place = later.map_or(Place::Ready, Place::Later);
        let known = Known {
            place,
            at,
            queue,
            task,
            key,
            attempts: 0,
            losses: 0,
            body: b"[]".to_vec(),
            errbacks,
            asked: None,
            home: None,
        };
        let fresh = self.jobs.insert(answer.id, known);
        assert!(fresh.is_none(), "an id was given twice");
    }

    fn claim(&mut self) {
        let now = self.now();
        let at = self.random(self.workers.len() as u64) as usize;
        let worker = self.workers[at];
        let queue = self.random(2) as usize;
        let limit = 1 + self.random(6) as usize;
        for known in self.jobs.values_mut() {
            if matches!(known.place, Place::Later(at) if at <= now) {
                known.place = Place::Ready;
            }
        }
        let mut expected: Vec<(i64, i64, String)> = self
            .jobs
            .iter()
            .filter(|(_, known)| known.place == Place::Ready && known.queue == queue && !self.keeps(known))
            .map(|(id, known)| (known.at, PublicId::parse(id).unwrap().row.0, id.clone()))
            .collect();
        expected.sort();
        expected.truncate(limit);
        let queues = Some(Arc::from([QUEUES[queue].to_owned()]));
        let jobs = self.bench.store.claim(Ask { queues, ..ask(worker, limit) }).unwrap().jobs;
        let got: Vec<String> = jobs.iter().map(|job| job.id.clone()).collect();
        assert_eq!(got, expected.into_iter().map(|(_, _, id)| id).collect::<Vec<_>>());
        for job in &jobs {
            let known = self.jobs.get_mut(&job.id).unwrap();
            assert_eq!((job.attempt, &job.payload.body), (known.attempts + 1, &known.body));
            known.place = Place::Leased { token: job.token, owner: worker };
            known.at = known.home.map_or(known.at, id::floor);
        }
        self.tokens.extend(jobs);
    }

    fn finish(&mut self) {
        let mut ends = Vec::new();
        for _ in 0..1 + self.random(5) {
            if self.tokens.is_empty() {
                break;
            }
            let at = self.random(self.tokens.len() as u64) as usize;
            // Some tokens are used again later, on purpose.
            let held =
                if self.random(5) == 0 { self.tokens[at].clone() } else { self.tokens.swap_remove(at) };
            let outcome = match self.random(10) {
                0..5 => Outcome::Success(None),
                5 => Outcome::Failure(Failure::default()),
                6 => Outcome::Retry { delay_us: 0, payload: None, failure: Failure::default() },
                7 => Outcome::Retry {
                    delay_us: 1_000_000,
                    payload: Some(anew(&held)),
                    failure: Failure::default(),
                },
                8 => Outcome::Lost { reason: String::new(), charged: true },
                _ => Outcome::GivenBack,
            };
            if ends.iter().all(|(other, _): &(ClaimedJob, Outcome)| other.row != held.row) {
                ends.push((held, outcome));
            }
        }
        let finishes = ends.iter().map(|(job, outcome)| finish_of(job, outcome.clone())).collect();
        let answers = self.bench.store.finish(finishes, None).unwrap().0;
        let now = self.now();
        for ((job, outcome), answer) in ends.into_iter().zip(answers) {
            let known = self.jobs.get_mut(&job.id).unwrap();
            let held = matches!(known.place, Place::Leased { token, .. } if token == job.token);
            assert_eq!(answer == Finished::Done, held, "{job:?} {outcome:?}");
            if !held {
                continue;
            }
            let asked = known.asked.take();
            if asked == Some(Then::Back) && !matches!(outcome, Outcome::Success(_)) {
                known.place = Place::Ready;
                continue;
            }
            known.attempts += u32::from(outcome != Outcome::GivenBack);
            if let Outcome::Retry { payload: Some(payload), .. } = &outcome {
                known.body.clone_from(&payload.body);
            }
            known.place = match outcome {
                Outcome::Success(_) => Place::Ended("success"),
                _ if asked.is_some() => Place::Ended("cancelled"),
                Outcome::Failure(_) => Place::Ended("failed"),
                Outcome::Retry { delay_us, .. } if delay_us > 0 => Place::Later(now + delay_us),
                Outcome::Lost { .. } => {
                    known.losses += 1;
                    if known.losses == 5 { Place::Ended("dead") } else { Place::Ready }
                }
                _ => Place::Ready,
            };
        }
    }

    fn reap(&mut self) {
        let at = self.random(self.workers.len() as u64) as usize;
        let dead = self.workers[at];
        self.bench.store.reap(dead, Evidence::None, "test").unwrap();
        for known in self.jobs.values_mut() {
            if matches!(known.place, Place::Leased { owner, .. } if owner == dead) {
                let asked = known.asked.take();
                if asked == Some(Then::Back) {
                    known.place = Place::Ready;
                    continue;
                }
                known.attempts += 1;
                known.losses += 1;
                known.place = match known.losses {
                    _ if asked.is_some() => Place::Ended("cancelled"),
                    5 => Place::Ended("dead"),
                    _ => Place::Ready,
                };
            }
        }
        self.workers[at] = self.bench.join();
    }

    /// Whether a gate keeps it from starting.
    fn keeps(&self, known: &Known) -> bool {
        let key = known.key.map(|key| format!("k{key}"));
        let (task, queue) = (TASKS[known.task], QUEUES[known.queue]);
        self.paused[known.task]
            || (0..3).any(|number| self.fits[number] && fits(number).covers(task, queue, key.as_deref()))
    }

    fn pause(&mut self) {
        if self.random(2) == 0 {
            let number = self.random(3) as usize;
            let scope = fits(number);
            if self.fits[number] { self.bench.store.resume(scope) } else { self.bench.store.pause(scope) }
                .unwrap();
            self.fits[number] = !self.fits[number];
            return;
        }
        let task = self.random(3) as usize;
        let scope = Scope::Task(TASKS[task].into());
        if self.paused[task] { self.bench.store.resume(scope) } else { self.bench.store.pause(scope) }
            .unwrap();
        self.paused[task] = !self.paused[task];
    }

    fn cancel(&mut self) {
        let at = self.random(self.jobs.len().max(1) as u64) as usize;
        let Some(id) = self.jobs.keys().nth(at).cloned() else { return };
        let known = self.jobs.get_mut(&id).unwrap();
        let possible = matches!(known.place, Place::Ready | Place::Later(_));
        assert_eq!(self.bench.store.cancel(&id).unwrap(), possible);
        if possible {
            known.place = Place::Ended("cancelled");
        }
    }

    fn revoke(&mut self) {
        let at = self.random(self.jobs.len().max(1) as u64) as usize;
        let Some(id) = self.jobs.keys().nth(at).cloned() else { return };
        let known = self.jobs.get_mut(&id).unwrap();
        let expected = match known.place {
            Place::Ready | Place::Later(_) => Revoked::Cancelled,
            Place::Leased { .. } => Revoked::Asked,
            Place::Ended(_) => Revoked::Late,
        };
        assert_eq!(self.bench.store.revoke(&id, 15, 1).unwrap(), expected);
        match expected {
            Revoked::Cancelled => known.place = Place::Ended("cancelled"),
            Revoked::Asked => known.asked = Some(Then::Cancelled),
            Revoked::Late => {}
        }
    }

    fn compare(&mut self) {
        for (id, known) in &self.jobs {
            let state = self.bench.state(id);
            let fits = match &known.place {
                Place::Ready => ["waiting", "parked", "retrying", "delayed"].contains(&state),
                Place::Later(_) => ["delayed", "retrying"].contains(&state),
                Place::Leased { .. } => state == "running",
                Place::Ended(how) => state == *how,
            };
            assert!(fits, "{id}: {state}, the reference says {known:?}");
        }
        assert_eq!(self.bench.store.examine().unwrap(), [""; 0], "an invariant of the file does not hold");
        let count = |failed: bool| {
            let fits = |known: &&Known| match known.place {
                Place::Ended(how) => failed && ["failed", "dead"].contains(&how),
                _ => !failed,
            };
            self.jobs.values().filter(|known| known.errbacks).filter(fits).count() as i64
        };
        assert_eq!(self.bench.sql("SELECT count(*) FROM pyqueue_errback"), count(false));
        assert_eq!(self.bench.sql("SELECT count(*) FROM pyqueue_job WHERE task='errback'"), count(true));
        let live = |known: &&Known| !matches!(known.place, Place::Ended(_));
        let counts = self.bench.store.queues().unwrap();
        for view in counts.into_iter().filter(|view| view.name != "e") {
            let mine: Vec<&Known> =
                self.jobs.values().filter(live).filter(|known| QUEUES[known.queue] == view.name).collect();
            let running =
                mine.iter().filter(|known| matches!(known.place, Place::Leased { .. })).count() as i64;
            assert_eq!(view.running, running);
            assert_eq!(view.waiting + view.delayed + view.parked + view.running, mine.len() as i64);
        }
    }

    /// At the end everything must drain and leave no row behind.
    fn drain(&mut self) {
        for (task, paused) in TASKS.iter().zip(self.paused) {
            if paused {
                self.bench.store.resume(Scope::Task((*task).into())).unwrap();
            }
        }
        for number in (0..3).filter(|number| self.fits[*number]) {
            self.bench.store.resume(fits(number)).unwrap();
        }
        for worker in self.workers.clone() {
            self.bench.store.part(worker).unwrap();
        }
        self.bench.env.pass(100.0);
        let worker = self.bench.join();
        loop {
            let jobs = self.bench.claim(worker, 50);
            if jobs.is_empty() {
                break;
            }
            self.bench
                .store
                .finish(jobs.iter().map(|job| finish_of(job, Outcome::Success(None))).collect(), None)
                .unwrap();
        }
        let left = "SELECT (SELECT count(*) FROM pyqueue_job) + (SELECT count(*) FROM pyqueue_lease) \
                    + (SELECT count(*) FROM pyqueue_side) + (SELECT count(*) FROM pyqueue_dedup) \
                    + (SELECT count(*) FROM pyqueue_errback) + (SELECT count(*) FROM pyqueue_revoke)";
        assert_eq!(self.bench.sql(left), 0);
        assert!(
            self.jobs
                .keys()
                .all(|id| ["success", "failed", "dead", "cancelled"].contains(&self.bench.state(id)))
        );
    }
}

#[test]
fn random_verbs_agree_with_the_reference() {
    for seed in 0..40 {
        let mut model = Model::new(seed);
        for _ in 0..150 {
            model.step();
        }
        model.drain();
    }
}
