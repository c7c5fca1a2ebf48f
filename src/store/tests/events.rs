//! Events: each once, in the order of commits, and none is missing without a word.

use super::*;

const DAY: f64 = 86_400.0;

impl Bench {
    fn listen(&self, seconds: i64) {
        let now = self.env.env().clock.wall_us();
        self.store.follow(now + seconds * 1_000_000, true).unwrap();
    }

    /// All events behind a cursor, read in looks.
    fn happened(&self, after: &str, kinds: Option<&[String]>) -> Vec<Happened> {
        let (reader, mut at, mut all) = (Reader::default(), after.to_owned(), Vec::new());
        loop {
            let look = reader.look(&self.store, &at, kinds).unwrap();
            all.extend(look.events);
            at = look.cursor;
            if !look.more {
                return all;
            }
        }
    }

    fn kinds(&self) -> Vec<&'static str> {
        let start = self.store.cursor(false).unwrap();
        self.happened(&start, None).iter().map(|event| event.kind).collect()
    }
}

/// One job after the other: sent, received, ended.
fn lives(bench: &Bench, count: usize) -> Vec<String> {
    let owner = bench.join();
    (0..count)
        .map(|_| {
            let id = bench.add(job("t"));
            let taken = bench.claim(owner, 1).remove(0);
            bench.env.pass(0.001);
            bench.end(&taken, success());
            id
        })
        .collect()
}

fn in_order(events: &[Happened], ids: &[String]) -> bool {
    let told: Vec<_> =
        events.iter().filter_map(|event| event.id.as_deref().map(|id| (event.kind, id))).collect();
    let expected: Vec<_> = ids
        .iter()
        .flat_map(|id| {
            ["task-sent", "task-received", "task-succeeded"].into_iter().map(move |kind| (kind, id.as_str()))
        })
        .collect();
    told == expected
}

#[test]
fn both_tables_are_told_in_the_order_of_commits() {
    let bench = bench();
    bench.listen(60);
    let start = bench.store.cursor(true).unwrap();
    let ids = lives(&bench, 700);
    let events = bench.happened(&start, None);
    assert!(in_order(&events, &ids));
    assert!(events.windows(2).all(|pair| pair[0].clock < pair[1].clock));
    for at in [0, 1, 5, 699, 1400, events.len() - 1] {
        let rest = bench.happened(&events[at].cursor, None);
        let clocks = |events: &[Happened]| events.iter().map(|event| event.clock).collect::<Vec<_>>();
        assert_eq!(clocks(&rest), clocks(&events[at + 1..]));
    }
}

#[test]
fn without_the_turn_of_each_event_the_order_is_lost() {
    let bench = bench();
    bench.listen(60);
    let start = bench.store.cursor(true).unwrap();
    let ids = mutants::with(Mutant::EventTurnLost, || lives(&bench, 10));
    assert!(!in_order(&bench.happened(&start, None), &ids));
}

#[test]
fn the_start_of_an_attempt_comes_with_its_end_and_once() {
    let bench = bench();
    let owner = bench.join();
    bench.add(job("t"));
    let taken = bench.claim(owner, 1).remove(0);
    let started = bench.env.env().clock.wall_us();
    bench.env.pass(2.0);
    let end = Finish { started_us: Some(started), ..finish_of(&taken, success()) };
    bench.store.finish(vec![end], None).unwrap();
    let events = bench.happened(&bench.store.cursor(false).unwrap(), None);
    assert_eq!(bench.kinds(), ["task-started", "task-succeeded"]);
    assert_eq!((events[0].at_us, events[1].runtime_us), (started, Some(2_000_000)));
    let rest = bench.happened(&events[0].cursor, None);
    assert_eq!(rest.iter().map(|event| event.kind).collect::<Vec<_>>(), ["task-succeeded"]);
}

#[test]
fn each_end_has_celery_s_name() {
    let bench = bench();
    let owner = bench.join();
    let failure = || Failure { error: "E".into(), ..Failure::default() };
    bench.add(NewJob { max_losses: 2, ..job("t") });
    let lost = || Outcome::Lost { reason: "r".into(), charged: true };
    for outcome in [retry(0), lost(), lost()] {
        let taken = bench.claim(owner, 1).remove(0);
        bench.end(&taken, outcome);
    }
    bench.add(job("t"));
    let taken = bench.claim(owner, 1).remove(0);
    bench.end(&taken, Outcome::Failure(failure()));
    let id = bench.add(job("t"));
    assert!(bench.store.cancel(&id).unwrap());
    bench.add(NewJob { expires_us: Some(bench.env.env().clock.wall_us() + 1), ..job("t") });
    bench.env.pass(1.0);
    bench.store.upkeep().unwrap();
    let names =
        ["task-retried", "task-rejected", "task-failed", "task-failed", "task-revoked", "task-revoked"];
    assert_eq!(bench.kinds(), names);
}

#[test]
fn nothing_is_written_while_nobody_asks() {
    let bench = bench();
    lives(&bench, 3);
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_event"), 0);
    bench.store.follow(bench.env.env().clock.wall_us() + 60_000_000, false).unwrap();
    lives(&bench, 3);
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_event"), 0, "ends are in the history");
    bench.listen(60);
    let before = bench.sql("SELECT max(seq) FROM pyqueue_event");
    bench.env.pass(61.0);
    lives(&bench, 3);
    assert_eq!(bench.sql("SELECT max(seq) FROM pyqueue_event"), before);
    assert_eq!(bench.kinds().iter().filter(|kind| **kind == "task-succeeded").count(), 9);
}

#[test]
fn a_time_in_which_nobody_asked_is_told() {
    let bench = bench();
    bench.listen(60);
    let start = bench.store.cursor(true).unwrap();
    let lapsed = bench.env.env().clock.wall_us() + 60_000_000;
    bench.env.pass(100.0);
    bench.add(job("t"));
    bench.listen(60);
    bench.add(job("t"));
    let events = bench.happened(&start, None);
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.since_us)).collect();
    assert_eq!(told, [("events-missed", Some(lapsed)), ("task-sent", None)]);
    let ends = bench.happened(&start, Some(&["task-failed".into()]));
    assert!(ends.is_empty(), "no end is missing");
}

#[test]
fn a_wish_is_only_taken_back_on_purpose() {
    let bench = bench();
    let written = || bench.sql("SELECT count(*) FROM pyqueue_event WHERE kind=0");
    bench.store.events_until(i64::MAX).unwrap();
    bench.listen(1);
    bench.env.pass(DAY);
    bench.add(job("t"));
    assert_eq!(written(), 1);
    bench.store.events_until(0).unwrap();
    bench.add(job("t"));
    assert_eq!(written(), 1);
    // Who follows meanwhile misses nothing.
    bench.store.events_until(i64::MAX).unwrap();
    bench.listen(60);
    bench.store.events_until(0).unwrap();
    bench.add(job("t"));
    assert_eq!(written(), 2);
    bench.env.pass(61.0);
    bench.add(job("t"));
    assert_eq!(written(), 2);
}

#[test]
fn what_is_not_kept_any_more_is_told() {
    let bench = bench_with(Options { history_count: 10, ..options() });
    bench.listen(60);
    let start = bench.store.cursor(true).unwrap();
    lives(&bench, 40);
    while bench.store.upkeep().unwrap().more {}
    let count = |missed: &[Happened]| missed.iter().filter_map(|event| event.missed).sum::<i64>();
    let events = bench.happened(&start, None);
    let ends = events.iter().filter(|event| event.kind == "task-succeeded").count() as i64;
    let others =
        events.iter().filter(|event| matches!(event.kind, "task-sent" | "task-received" | "worker-online"));
    // 40 ends; 40 sent, 40 received, a worker that came.
    assert_eq!(count(&events) + ends + others.count() as i64, 121);
    assert!((10..40).contains(&ends));
    let failed = bench.happened(&start, Some(&["task-failed".into(), "events-missed".into()]));
    assert_eq!(count(&failed), 40 - ends);
    assert_eq!(failed.len(), 1);
    mutants::with(Mutant::EventHoleUntold, || {
        assert_eq!(count(&bench.happened(&start, None)), 0, "with the guard off nobody says so");
    });
}

#[test]
fn what_is_too_old_goes_and_the_newest_stays() {
    let bench = bench();
    bench.listen(60);
    lives(&bench, 3);
    bench.env.pass(2.0 * DAY);
    while bench.store.upkeep().unwrap().more {}
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_event"), 1);
}

#[test]
fn what_was_forgotten_is_counted_as_missing() {
    let bench = bench();
    let ids = lives(&bench, 3);
    assert!(bench.store.forget(&ids[1]).unwrap());
    let events = bench.happened(&bench.store.cursor(false).unwrap(), None);
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.missed)).collect();
    assert_eq!(told, [("task-succeeded", None), ("events-missed", Some(1)), ("task-succeeded", None)]);
}

#[test]
fn a_follower_is_rung_and_nobody_else() {
    let bench = bench();
    let bell = bench.store.bell().unwrap();
    let seen = || bell.seen(Line::Events);
    bench.add(job("t"));
    assert_eq!(seen(), 0);
    bench.store.follow(bench.env.env().clock.wall_us() + 60_000_000, false).unwrap();
    let before = seen();
    bench.add(job("t"));
    assert_eq!(seen(), before, "what the history has not is not told");
    let owner = bench.join();
    let taken = bench.claim(owner, 1).remove(0);
    bench.end(&taken, retry(1));
    assert_ne!(seen(), before);
}

#[test]
fn cursors_of_other_files_and_kinds_that_are_none_are_refused() {
    let bench = bench();
    let reader = Reader::default();
    for wrong in ["", "start", "1-2-3", "0-0-0-0", "zz", "-1-0-0-0", "1-2-3-4-5"] {
        assert!(matches!(reader.look(&bench.store, wrong, None), Err(Error::Invalid(_))), "{wrong}");
    }
    let start = bench.store.cursor(false).unwrap();
    assert!(reader.look(&bench.store, &start, Some(&["task-unheard".into()])).is_err());
}
