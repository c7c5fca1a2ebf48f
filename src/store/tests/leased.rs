//! Looks at what workers have and at what waits.

use std::sync::atomic::AtomicU64;

use super::counting::{count_steps, steps};
use super::*;

static STEPS: AtomicU64 = AtomicU64::new(0);

fn ids(jobs: Vec<Leased>) -> Vec<String> {
    jobs.into_iter().map(|job| job.id).collect()
}

#[test]
fn what_is_leased_is_found_by_row_and_by_id_and_only_under_its_token() {
    let bench = bench();
    let worker = bench.join();
    let made = bench.store.enqueue((0..6).map(|_| job("t")).collect()).unwrap();
    let taken = bench.claim(worker, 4);
    let all = bench.store.leased(|_| true, 10).unwrap();
    assert!(all.iter().all(|job| job.owner == worker && job.task == "t" && job.token == taken[0].token));
    let (first, second) = (taken[0].row, taken[1].row);
    assert_eq!(ids(all), made[..4].iter().map(|job| job.id.clone()).collect::<Vec<_>>());
    assert_eq!(ids(bench.store.leased(|lease| lease.row != first, 2).unwrap()), [&*made[1].id, &*made[2].id]);
    let token = taken[0].token;
    let rows = vec![(first, token), (second, token + 1), (RowId(1), token)];
    assert_eq!(ids(bench.store.leased_rows(rows).unwrap()), [&*made[0].id]);
    let asked = [made[3].id.clone(), made[4].id.clone(), "nothing".into()];
    assert_eq!(ids(bench.store.leased_ids(&asked).unwrap()), [&*made[3].id]);
    bench.store.finish(vec![finish_of(&taken[0], Outcome::Success(None))], None).unwrap();
    assert_eq!(bench.store.leased(|_| true, 10).unwrap().len(), 3);
}

#[test]
fn delayed_jobs_come_in_the_order_of_their_times_and_cancelled_ones_the_last_first() {
    let bench = bench();
    let wall = bench.env.env().clock.wall_us();
    let at = |seconds: i64| NewJob { run_at_us: Some(wall + seconds * 1_000_000), ..job("t") };
    let made = bench.store.enqueue(vec![at(30), at(10), at(20), job("t"), job("t")]).unwrap();
    let next = bench.store.scheduled(2).unwrap();
    assert_eq!(next.iter().map(|job| &job.id).collect::<Vec<_>>(), [&made[1].id, &made[2].id]);
    assert!(next.iter().all(|job| job.payload.is_some() && job.run_at_us.is_some()));
    assert!(bench.store.revoked(10).unwrap().is_empty());
    for each in [&made[0], &made[3]] {
        assert!(bench.store.cancel(&each.id).unwrap());
    }
    assert_eq!(bench.store.revoked(10).unwrap(), [&*made[3].id, &*made[0].id]);
    // One that runs is to end, and has not ended.
    let worker = bench.join();
    assert_eq!(bench.claim(worker, 1).len(), 1);
    assert_eq!(bench.store.revoke(&made[4].id, 15, 0).unwrap(), Revoked::Asked);
    assert_eq!(bench.store.revoked(2).unwrap(), [&*made[4].id, &*made[3].id]);
    assert_eq!(bench.store.scheduled(10).unwrap().len(), 2);
}

fn count_reader(bench: &Bench, on: bool) {
    let count = |conn: &rusqlite::Connection, _| {
        count_steps(conn, on.then_some(&STEPS));
        Ok(())
    };
    bench.store.read(count).unwrap();
}

/// Steps of every look.
fn cost(bench: &Bench, known: &[String]) -> [f64; 6] {
    count_reader(bench, true);
    let store = &bench.store;
    let look = |work: &dyn Fn()| steps(&STEPS, work);
    let costs = [
        look(&|| drop(store.leased(|_| true, 100).unwrap())),
        look(&|| drop(store.leased_ids(known).unwrap())),
        look(&|| drop(store.scheduled(100).unwrap())),
        look(&|| drop(store.revoked(100).unwrap())),
        look(&|| drop(store.workers().unwrap())),
        look(&|| drop(store.facts().unwrap())),
    ];
    count_reader(bench, false);
    costs
}

#[test]
fn a_look_costs_the_same_whatever_else_is_in_the_file() {
    let bench = bench();
    let worker = bench.join();
    let later = Some(bench.env.env().clock.wall_us() + 3_600_000_000);
    let delayed =
        |count: i64| (0..count).map(|_| NewJob { run_at_us: later, ..job("t") }).collect::<Vec<_>>();
    let many = |count: i64| (0..count).map(|_| job("t")).collect::<Vec<_>>();
    let known: Vec<String> = bench.store.enqueue(many(50)).unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(bench.claim(worker, 50).len(), 50);
    bench.store.enqueue(delayed(200)).unwrap();
    for each in bench.store.enqueue(many(200)).unwrap() {
        bench.store.cancel(&each.id).unwrap();
    }
    let few = cost(&bench, &known);
    assert!(few.iter().all(|steps| *steps > 0.0), "{few:?}");
    let ended = bench.store.enqueue(many(20_000)).unwrap().len();
    let other = bench.join();
    let taken = bench.claim(other, ended);
    bench
        .store
        .finish(taken.iter().map(|job| finish_of(job, Outcome::Success(None))).collect(), None)
        .unwrap();
    for _ in 0..20 {
        bench.store.enqueue(delayed(5_000)).unwrap();
        bench.store.enqueue(many(5_000)).unwrap();
    }
    bench.store.part(other).unwrap();
    let more = cost(&bench, &known);
    println!("steps {few:?}, with 220,000 more {more:?}");
    assert!(few.iter().zip(more).all(|(few, more)| more <= few * 1.1), "{few:?} {more:?}");
    // The control arm: what reads every row shows it.
    let scan = |bench: &Bench| {
        count_reader(bench, true);
        let spent = steps(&STEPS, || drop(bench.store.load(0).unwrap()));
        count_reader(bench, false);
        spent
    };
    assert!(scan(&bench) > 10.0 * few.iter().sum::<f64>());
}
