//! Rates under clocks that are set, after long pauses, and at the ends of the numbers.

use super::*;

const YEAR: i64 = 365 * 86_400;

fn task(name: &str) -> Scope {
    Scope::Task(name.into())
}

fn slow(bench: &Bench, number: usize) {
    bench.store.enqueue((0..number).map(|_| job("slow")).collect()).unwrap();
}

#[test]
fn a_clock_that_was_set_back_keeps_nobody_longer_than_one_turn() {
    for (there, back) in [(YEAR, -YEAR), (0, -3_600)] {
        let bench = bench();
        let worker = bench.join();
        bench.store.let_out(task("slow"), Some(12_000_000)).unwrap();
        slow(&bench, 3);
        bench.env.step_wall(there);
        assert_eq!(bench.claim(worker, 9).len(), 1);
        bench.env.step_wall(back);
        let claimed = bench.store.claim(ask(worker, 9)).unwrap();
        let now = bench.env.env().clock.wall_us();
        assert_eq!((claimed.jobs.len(), claimed.next_us), (0, Some(now + 12_000_000)));
        bench.env.pass(6.0);
        assert!(bench.claim(worker, 9).is_empty());
        bench.env.pass(6.0);
        assert_eq!(bench.claim(worker, 9).len(), 1);
    }
}

#[test]
fn a_clock_that_is_set_ahead_makes_up_for_a_second_at_most() {
    let bench = bench();
    let worker = bench.join();
    bench.store.let_out(task("slow"), Some(20_000)).unwrap();
    slow(&bench, 500);
    assert_eq!(bench.claim(worker, 400).len(), 1);
    bench.env.step_wall(YEAR);
    assert_eq!(bench.claim(worker, 400).len(), 51);
    assert!(bench.claim(worker, 400).is_empty());
}

#[test]
fn nothing_is_made_up_for_where_nobody_was_late() {
    let bench = bench();
    let worker = bench.join();
    bench.store.let_out(task("slow"), Some(20_000)).unwrap();
    slow(&bench, 1);
    assert_eq!(bench.claim(worker, 64).len(), 1);
    bench.env.pass(3_600.0);
    slow(&bench, 200);
    let mut came = bench.claim(worker, 64).len();
    assert_eq!(came, 1, "an idle hour is no reason for a burst");
    for _ in 0..20 {
        bench.env.pass(0.05);
        came += bench.claim(worker, 64).len();
    }
    assert!((50..=52).contains(&came), "{came} in 1 s at 50/s");
}

#[test]
fn rates_at_the_ends_of_the_numbers_are_rates() {
    for (rate, first) in [(1, 5), (i64::MAX, 1), (i64::MAX - 1, 1)] {
        let bench = bench();
        let worker = bench.join();
        bench.store.pause(task("slow")).unwrap();
        slow(&bench, 5);
        assert!(bench.claim(worker, 9).is_empty());
        bench.store.let_out(task("slow"), Some(rate)).unwrap();
        bench.env.pass(1.0);
        assert_eq!(bench.claim(worker, 9).len(), first);
        assert_eq!(bench.claim(worker, 9).len(), 0);
        bench.store.meter(task("slow"), Some(i64::MAX)).unwrap();
        bench.store.meter(task("slow"), None).unwrap();
        assert_eq!(bench.claim(worker, 9).len(), 5 - first);
    }
}

#[test]
fn patterns_that_read_alike_are_gates_of_their_own() {
    let bench = bench();
    let fits = |task: &str, key: Option<&str>| {
        Scope::Fits(Pattern { task: Some(task.into()), queue: None, key: key.map(str::to_owned) })
    };
    bench.store.pause(fits("a key=b", None)).unwrap();
    bench.store.pause(fits("a", Some("b"))).unwrap();
    assert_eq!(bench.store.gates().unwrap().len(), 2);
    let worker = bench.join();
    bench.add(NewJob { dedup_key: Some("b".into()), ..job("a") });
    assert!(bench.claim(worker, 1).is_empty());
}

#[test]
fn a_gate_that_keeps_nobody_is_not_kept() {
    let bench = bench();
    let worker = bench.join();
    let mut came = 0;
    for number in 0..30 {
        let scope = task(&format!("t{number}"));
        bench.store.pause(scope.clone()).unwrap();
        if number % 3 == 0 {
            bench.add(job(&format!("t{number}")));
            came += bench.claim(worker, 9).len();
        }
        if number % 3 == 1 {
            bench.store.meter(scope.clone(), Some(1_000)).unwrap();
            bench.store.meter(scope.clone(), None).unwrap();
        }
        bench.store.resume(scope).unwrap();
    }
    assert_eq!((came, bench.claim(worker, 99).len()), (9, 1));
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_gate"), 0);
    assert_eq!(bench.store.examine().unwrap(), [""; 0]);
}
