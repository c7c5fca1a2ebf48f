//! Lists of what is in line: whole, and without a look at what is not.

use std::sync::atomic::AtomicU64;

use super::counting::{count_steps, steps};
use super::*;
use crate::job::State;
use crate::store::list::{self, Filter};

static STEPS: AtomicU64 = AtomicU64::new(0);

fn waiting(queue: Option<&str>, limit: usize) -> Filter {
    Filter { state: Some(State::Waiting), queue: queue.map(Into::into), limit, ..Filter::default() }
}

fn places(bench: &Bench, filter: &Filter) -> Vec<(String, String, i8)> {
    let jobs = bench.store.jobs(filter).unwrap();
    let mut found: Vec<_> = jobs.into_iter().map(|job| (job.id, job.queue, job.priority)).collect();
    found.sort();
    found
}

/// Jobs in every state and place, of two queues and two priorities.
fn mixed() -> Bench {
    let bench = bench();
    let worker = bench.join();
    let wall = bench.env.env().clock.wall_us();
    let of = |task: &str, queue: &str, priority| NewJob { queue: queue.into(), priority, ..job(task) };
    bench.store.pause(Scope::Task("slow".into())).unwrap();
    let mut made = Vec::new();
    for queue in ["default", "mail"] {
        for priority in [0, 9] {
            for task in ["run", "slow", "fail", "back", "end", "wait", "away", "cancel", "wait"] {
                made.push((task, bench.add(of(task, queue, priority))));
            }
            bench.add(NewJob { run_at_us: Some(wall + 60_000_000), ..of("later", queue, priority) });
        }
    }
    for claimed in bench.claim(worker, 20) {
        match claimed.task.as_str() {
            "fail" => {
                bench.end(&claimed, retry(0));
            }
            "end" => {
                bench.end(&claimed, Outcome::Success(None));
            }
            "back" => {
                bench.end(&claimed, Outcome::GivenBack);
            }
            _ => {}
        }
    }
    for (task, id) in made {
        if task == "cancel" {
            bench.store.cancel(&id).unwrap();
        }
    }
    // Into a queue that has no job of its own, and to another priority; some of them above the head, some below.
    let all = |task: &str| vec![Condition::Task(task.into(), true), Condition::State(State::Waiting, true)];
    bench.store.act(all("away"), Act::Move("new".into())).unwrap();
    bench.store.act(all("back"), Act::Priority(-5)).unwrap();
    let moved = Ask { queues: Some(Arc::from(["new".to_owned()])), ..ask(worker, 1) };
    let run = bench.store.claim(moved).unwrap().jobs;
    assert_eq!(run.len(), 1);
    bench.end(&run[0], Outcome::GivenBack);
    bench
}

#[test]
fn what_is_in_line_is_listed_wherever_it_stands() {
    let bench = mixed();
    let everything = bench.store.jobs(&Filter { limit: 1_000, ..Filter::default() }).unwrap();
    let mut counts = 0;
    for queue in [None, Some("default"), Some("mail"), Some("new"), Some("none")] {
        let mut expected: Vec<_> = everything
            .iter()
            .filter(|job| job.state == State::Waiting && queue.is_none_or(|queue| queue == job.queue))
            .map(|job| (job.id.clone(), job.queue.clone(), job.priority))
            .collect();
        expected.sort();
        assert_eq!(places(&bench, &waiting(queue, 1_000)), expected, "{queue:?}");
        counts += usize::from(!expected.is_empty());
        let all = Filter { queue: queue.map(Into::into), limit: 1_000, ..Filter::default() };
        let named = everything.iter().filter(|job| queue.is_none_or(|queue| queue == job.queue)).count();
        assert_eq!(bench.store.jobs(&all).unwrap().len(), named, "{queue:?}");
    }
    assert_eq!(counts, 4, "each queue has some");
    for state in [State::Running, State::Parked, State::Delayed, State::Retrying] {
        let filter = Filter { state: Some(state), limit: 1_000, ..Filter::default() };
        let expected = everything.iter().filter(|job| job.state == state).count();
        assert!(expected > 0 && bench.store.jobs(&filter).unwrap().len() == expected, "{state:?}");
    }
}

#[test]
fn jobs_aside_or_in_other_queues_are_not_looked_at() {
    let cost = |many: usize| {
        let bench = bench();
        let worker = bench.join();
        bench.store.pause(Scope::Task("slow".into())).unwrap();
        bench.store.enqueue((0..many).map(|_| job("slow")).collect()).unwrap();
        while bench.store.claim(ask(worker, 1)).unwrap().more {}
        bench.store.enqueue((0..many).map(|_| job("other")).collect()).unwrap();
        bench.add(NewJob { queue: "mail".into(), ..job("mail") });
        let spent = |filter: Filter| {
            let jobs = bench.store.read(move |conn, file| {
                count_steps(conn, Some(&STEPS));
                let mut found = 0;
                let spent = steps(&STEPS, || found = list::jobs(conn, file, &filter).unwrap().len());
                count_steps(conn, None);
                Ok((spent, found))
            });
            jobs.unwrap()
        };
        let (mail, found) = spent(waiting(Some("mail"), 20));
        assert_eq!(found, 1);
        let (newest, found) = spent(waiting(None, 20));
        assert_eq!(found, 20);
        let (control, _) = spent(Filter { queue: Some("mail".into()), limit: 20, ..Filter::default() });
        (mail, newest, control)
    };
    let (few, many) = (cost(100), cost(5_000));
    assert!(many.0 < 2.0 * few.0 && many.1 < 2.0 * few.1, "{few:?} {many:?}");
    assert!(many.2 > 10.0 * few.2, "the control arm must show the fault: {few:?} {many:?}");
}
