//! Schedules: each time is fired once, by whoever comes first, in the commit of its job.

use super::*;

const HOUR: i64 = 3_600_000_000;

fn entry(bench: &Bench, next_us: i64) -> Entry {
    let seen_us = bench.store.schedule("s").unwrap().and_then(|row| row.last_us);
    Entry {
        name: "s".into(),
        mark: "m".into(),
        definition: b"d".to_vec(),
        next: Some((next_us, next_us)),
        seen_us,
    }
}

fn fire(at: i64) -> Fire {
    Fire {
        name: "s".into(),
        expected_us: at,
        tick_us: at,
        next: Some((at + HOUR, at + HOUR)),
        skipped: 0,
        overlap: Overlap::Allow,
        job: Some(job("t")),
    }
}

fn with_one(next_us: i64) -> Bench {
    let bench = bench();
    assert!(bench.store.put_schedule(entry(&bench, next_us)).unwrap());
    bench
}

fn row(bench: &Bench) -> ScheduleView {
    bench.store.schedule("s").unwrap().unwrap()
}

fn jobs(bench: &Bench) -> i64 {
    bench.sql("SELECT count(*) FROM pyqueue_job WHERE mark<>2")
}

#[test]
fn of_all_who_fire_a_time_one_does() {
    let bench = with_one(HOUR);
    let Fired::Job(id) = bench.store.fire(fire(HOUR)).unwrap() else { panic!() };
    assert_eq!(bench.store.fire(fire(HOUR)).unwrap(), Fired::Lost);
    assert_eq!(jobs(&bench), 1);
    let row = row(&bench);
    assert_eq!((row.last_us, row.next_us, row.fired, row.job), (Some(HOUR), Some(2 * HOUR), 1, Some(id)));
    mutants::with(Mutant::TickUnclaimed, || bench.store.fire(fire(HOUR)).unwrap());
    assert_eq!(jobs(&bench), 2, "with the guard off it is fired twice");
}

#[test]
fn a_job_that_can_t_be_stored_leaves_its_time_standing() {
    let bench = with_one(HOUR);
    let key = || NewJob { dedup_key: Some("k".into()), dedup: Dedup::Refuse, ..job("t") };
    bench.add(key());
    let refused = bench.store.fire(Fire { job: Some(key()), ..fire(HOUR) });
    assert!(matches!(refused, Err(Error::Duplicate { .. })));
    assert_eq!((row(&bench).next_us, row(&bench).fired), (Some(HOUR), 0));
    let left_out = Fire { job: None, ..fire(HOUR) };
    assert_eq!(bench.store.fire(left_out).unwrap(), Fired::Skipped);
    assert_eq!((row(&bench).next_us, row(&bench).skipped), (Some(2 * HOUR), 1));
}

#[test]
fn what_is_due_comes_in_order_and_what_is_paused_or_removed_does_not() {
    let bench = bench();
    for (name, due) in [("b", 20), ("a", 30), ("c", 10), ("d", 99)] {
        let made = Entry { name: name.into(), next: Some((5, due)), ..entry(&bench, 0) };
        bench.store.put_schedule(made).unwrap();
    }
    let due = |now| {
        let rows = bench.store.due_schedules(now, 10).unwrap();
        rows.into_iter().map(|row| row.name).collect::<String>()
    };
    assert_eq!((due(9), due(30)), (String::new(), "cba".into()));
    assert_eq!(bench.store.next_schedule().unwrap(), Some(10));
    assert!(bench.store.pause_schedule("c").unwrap());
    assert!(bench.store.remove_schedule("b").unwrap());
    assert_eq!((due(99), bench.store.next_schedule().unwrap()), ("ad".into(), Some(30)));
    assert_eq!(bench.store.schedules().unwrap().len(), 3);
    assert!(bench.store.resume_schedule("c", Some((50, 60)), None).unwrap());
    assert_eq!(due(60), "ac");
    assert!(!bench.store.pause_schedule("b").unwrap());
    assert!(!bench.store.resume_schedule("b", None, None).unwrap());
}

#[test]
fn a_paused_one_is_not_fired_by_who_saw_it_before() {
    let bench = with_one(HOUR);
    bench.store.pause_schedule("s").unwrap();
    assert_eq!(bench.store.fire(fire(HOUR)).unwrap(), Fired::Lost);
    bench.store.resume_schedule("s", Some((2 * HOUR, 2 * HOUR)), None).unwrap();
    assert_eq!(bench.store.fire(fire(HOUR)).unwrap(), Fired::Lost);
    assert!(matches!(bench.store.fire(fire(2 * HOUR)).unwrap(), Fired::Job(_)));
}

#[test]
fn a_removed_one_that_comes_back_knows_what_was_fired() {
    let bench = with_one(HOUR);
    bench.store.fire(fire(HOUR)).unwrap();
    bench.store.remove_schedule("s").unwrap();
    let unaware = Entry { seen_us: None, ..entry(&bench, HOUR) };
    assert!(!bench.store.put_schedule(unaware.clone()).unwrap());
    let earlier = bench.store.put_schedule(entry(&bench, HOUR));
    assert!(earlier.is_err(), "the table itself refuses a time that has been");
    assert_eq!(bench.store.declare("app", 0, vec![unaware.clone()]).unwrap(), Declared::Stale);
    mutants::with(Mutant::TickForgotten, || bench.store.declare("app", 0, vec![unaware]).unwrap());
    bench.store.fire(fire(HOUR)).unwrap();
    assert_eq!(jobs(&bench), 2, "with the guard off it is fired twice");
}

#[test]
fn overlap_skips_or_holds_until_the_job_before_has_ended() {
    let bench = with_one(HOUR);
    let worker = bench.join();
    let Fired::Job(first) = bench.store.fire(fire(HOUR)).unwrap() else { panic!() };
    let skip = Fire { overlap: Overlap::Skip, ..fire(2 * HOUR) };
    assert_eq!(bench.store.fire(skip).unwrap(), Fired::Skipped);
    let queue = Fire { overlap: Overlap::Queue, ..fire(3 * HOUR) };
    assert_eq!(bench.store.fire(queue.clone()).unwrap(), Fired::Held);
    assert_eq!((row(&bench).next_us, row(&bench).skipped), (Some(3 * HOUR), 1));
    let claimed = bench.claim(worker, 1);
    assert_eq!(claimed[0].id, first);
    assert_eq!(bench.store.fire(queue.clone()).unwrap(), Fired::Held);
    bench.end(&claimed[0], success());
    assert!(matches!(bench.store.fire(queue).unwrap(), Fired::Job(_)));
}

#[test]
fn code_is_taken_over_once_and_an_edit_stays_until_it_changes() {
    let bench = bench();
    let done = Declared::Done { taken: Vec::new() };
    let code = |mark: &str, next: i64| vec![Entry { mark: mark.into(), ..entry(&bench, next) }];
    assert_eq!(bench.store.declare("app", 0, code("1", HOUR)).unwrap(), done);
    assert_eq!(bench.store.declare("app", 0, code("1", 5 * HOUR)).unwrap(), done);
    assert_eq!(row(&bench).next_us, Some(HOUR), "a worker that starts moves nothing");
    bench.store.put_schedule(entry(&bench, 2 * HOUR)).unwrap();
    bench.store.pause_schedule("s").unwrap();
    bench.store.declare("app", 0, code("1", HOUR)).unwrap();
    assert_eq!(row(&bench).next_us, Some(2 * HOUR));
    bench.store.declare("app", 0, code("2", 3 * HOUR)).unwrap();
    assert_eq!((row(&bench).next_us, row(&bench).paused), (Some(3 * HOUR), true));
    assert_eq!(bench.store.declare("app", 0, Vec::new()).unwrap(), done);
    assert!(row(&bench).gone);
    bench.store.declare("app", 0, code("2", 3 * HOUR)).unwrap();
    assert!(!row(&bench).gone && !row(&bench).paused);
}

#[test]
fn an_older_version_changes_nothing() {
    let bench = bench();
    let code = |mark: &str| vec![Entry { mark: mark.into(), ..entry(&bench, HOUR) }];
    bench.store.declare("app", 7, code("new")).unwrap();
    assert_eq!(bench.store.declare("app", 6, code("old")).unwrap(), Declared::Older { newest: 7 });
    assert_eq!(row(&bench).mark.as_deref(), Some("new"));
    bench.store.declare("app", 8, Vec::new()).unwrap();
    assert_eq!(bench.store.declare("app", 7, code("new")).unwrap(), Declared::Older { newest: 8 });
    assert!(row(&bench).gone);
    let taken = bench.store.declare("other", 0, code("other")).unwrap();
    assert_eq!(taken, Declared::Done { taken: Vec::new() }, "a removed one belongs to nobody");
    let taken = bench.store.declare("app", 8, code("mine")).unwrap();
    assert_eq!(taken, Declared::Done { taken: vec!["s".into()] });
}

#[test]
fn a_run_beside_the_times_moves_nothing() {
    let bench = with_one(HOUR);
    let id = bench.store.run_schedule("s", job("t")).unwrap();
    assert_eq!((row(&bench).job, row(&bench).next_us, row(&bench).fired), (id, Some(HOUR), 0));
    assert_eq!(bench.store.run_schedule("nothing", job("t")).unwrap(), None);
}

#[test]
fn removed_ones_are_forgotten_after_a_day() {
    let bench = with_one(HOUR);
    bench.store.fire(fire(HOUR)).unwrap();
    bench.store.remove_schedule("s").unwrap();
    let other = || Entry { name: "other".into(), seen_us: None, ..entry(&bench, HOUR) };
    bench.store.put_schedule(other()).unwrap();
    assert_eq!(bench.store.schedule("s").unwrap(), None, "the virtual clock is years after its last time");
}
