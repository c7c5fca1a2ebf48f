//! Commands: each is obeyed by whom it was for, once, and not late.

use super::*;

fn given(bench: &Bench, workers: &[i64], asks: bool) -> Option<Given> {
    let command = NewCommand {
        name: "pool_grow".into(),
        arguments: b"{}".to_vec(),
        target: "all".into(),
        author: "me@here:1".into(),
        asks,
        expires_us: 60_000_000,
    };
    bench.store.give(command, workers.to_vec()).unwrap()
}

fn give(bench: &Bench, workers: &[i64]) -> i64 {
    given(bench, workers, false).unwrap().id
}

fn obedient(bench: &Bench, name: &str) -> i64 {
    let worker = bench.join();
    assert!(bench.store.obey(worker, name).unwrap());
    worker
}

fn open(bench: &Bench, worker: i64) -> Vec<i64> {
    bench.store.open_commands(worker).unwrap().into_iter().map(|each| each.id).collect()
}

fn stands(bench: &Bench, command: i64) -> Vec<Stand> {
    let answers = bench.store.command(command).unwrap().unwrap().answers;
    answers.into_iter().map(|answer| answer.stand).collect()
}

#[test]
fn each_addressee_obeys_once_and_answers_once() {
    let bench = bench();
    let (one, two) = (obedient(&bench, "one"), obedient(&bench, "two"));
    let command = give(&bench, &[one, two]);
    assert_eq!((open(&bench, one), open(&bench, two)), (vec![command], vec![command]));
    assert!(bench.store.begin(command, one).unwrap());
    assert!(!bench.store.begin(command, one).unwrap(), "somebody else has begun");
    assert_eq!(open(&bench, one), []);
    assert_eq!(stands(&bench, command), [Stand::Begun, Stand::Waiting]);
    assert!(bench.store.answer(command, one, true, b"done".to_vec()).unwrap());
    assert!(!bench.store.answer(command, one, false, b"late".to_vec()).unwrap());
    assert!(!bench.store.answer(command, two, true, b"not begun".to_vec()).unwrap());
    assert_eq!(stands(&bench, command), [Stand::Ok, Stand::Waiting]);
    let answers = bench.store.command(command).unwrap().unwrap().answers;
    assert_eq!(answers[0].body.as_deref(), Some(&b"done"[..]));
    let twice = mutants::with(Mutant::CommandTwice, || bench.store.begin(command, one).unwrap());
    assert!(twice, "control: without the guard it is obeyed again");
}

#[test]
fn who_comes_later_or_is_not_meant_does_not_obey() {
    let bench = bench();
    let (one, two) = (obedient(&bench, "one"), obedient(&bench, "two"));
    let command = give(&bench, &[one]);
    let late = obedient(&bench, "one");
    assert_eq!((open(&bench, two), open(&bench, late)), (vec![], vec![]));
    assert!(!bench.store.begin(command, two).unwrap() && !bench.store.begin(command, late).unwrap());
    let astray = mutants::with(Mutant::CommandAstray, || {
        open(&bench, two) == [command] && bench.store.begin(command, two).unwrap()
    });
    assert!(astray, "control: without the guard a stranger obeys");
}

#[test]
fn nobody_obeys_after_it_has_expired_whatever_the_wall_clock_says() {
    let bench = bench();
    let (one, two) = (obedient(&bench, "one"), obedient(&bench, "two"));
    let command = give(&bench, &[one, two]);
    assert!(bench.store.begin(command, one).unwrap());
    bench.env.step_wall(-3_600);
    bench.env.pass(59.0);
    assert_eq!(open(&bench, two), [command]);
    bench.env.pass(1.5);
    assert_eq!(open(&bench, two), []);
    assert!(!bench.store.begin(command, two).unwrap());
    assert_eq!(stands(&bench, command), [Stand::Begun, Stand::Expired]);
    // What was begun in time is answered.
    assert!(bench.store.answer(command, one, true, b"1".to_vec()).unwrap());
    let asking = given(&bench, &[two], true).unwrap().id;
    bench.env.pass(61.0);
    assert!(!bench.store.answer(asking, two, true, b"1".to_vec()).unwrap());
    let late = mutants::with(Mutant::CommandLate, || bench.store.begin(command, two).unwrap());
    assert!(late, "control: without the guard it is obeyed late");
}

#[test]
fn one_that_only_asks_is_answered_without_being_begun() {
    let bench = bench();
    let one = obedient(&bench, "one");
    let asking = given(&bench, &[one], true).unwrap().id;
    assert!(bench.store.answer(asking, one, true, b"pong".to_vec()).unwrap());
    assert!(!bench.store.answer(asking, one, true, b"pong".to_vec()).unwrap());
    assert_eq!(bench.store.commands(10, false).unwrap().len(), 0);
    assert_eq!(bench.store.commands(10, true).unwrap().len(), 1);
}

#[test]
fn who_leaves_without_an_answer_is_gone() {
    let bench = bench();
    let (one, two, three) = (obedient(&bench, "one"), obedient(&bench, "two"), obedient(&bench, "three"));
    let command = give(&bench, &[one, two, three]);
    bench.store.begin(command, one).unwrap();
    bench.store.begin(command, two).unwrap();
    bench.store.answer(command, two, false, b"no".to_vec()).unwrap();
    for worker in [one, two, three] {
        bench.store.part(worker).unwrap();
    }
    assert_eq!(stands(&bench, command), [Stand::Gone, Stand::Error, Stand::Gone]);
    assert!(given(&bench, &[one, two], false).is_none());
    assert_eq!(bench.store.commands(10, true).unwrap().len(), 1, "for nobody nothing is stored");
}

#[test]
fn a_worker_that_was_taken_for_dead_is_told_nothing() {
    let bench = bench();
    let one = obedient(&bench, "one");
    bench.store.reap(one, Evidence::None, "a test").unwrap();
    assert!(!bench.store.obey(one, "one").unwrap());
    assert_eq!(bench.store.obedient().unwrap(), []);
    let plain = bench.join();
    assert!(given(&bench, &[plain], false).is_none(), "who has not said that it obeys is told nothing");
}

#[test]
fn the_record_is_bounded_and_numbers_are_not_given_twice() {
    let bench = bench();
    let one = obedient(&bench, "one");
    let first = give(&bench, &[one]);
    let asked: Vec<i64> = (0..1_100).map(|_| given(&bench, &[one], true).unwrap().id).collect();
    assert_eq!(bench.store.commands(5_000, true).unwrap().len(), 1_001, "the first is of another kind");
    assert!(bench.store.command(asked[50]).unwrap().is_none());
    assert!(bench.store.command(asked[150]).unwrap().is_some());
    bench.env.pass(31.0 * 86_400.0);
    // One round takes 32 of each kind.
    for _ in 0..40 {
        give(&bench, &[one]);
    }
    assert!(bench.store.command(first).unwrap().is_none());
    let left = bench.store.commands(5_000, true).unwrap();
    assert_eq!(left.len(), 40);
    assert_eq!(left[0].id, asked[1_099] + 40);
}

#[test]
fn what_an_author_has_done_alone_is_kept() {
    let bench = bench();
    let command = NewCommand {
        name: "revoke".into(),
        arguments: b"{}".to_vec(),
        target: "the file".into(),
        author: "me@here:1".into(),
        asks: false,
        expires_us: 1,
    };
    let id = bench.store.record(command.clone(), true, b"done".to_vec()).unwrap().id;
    assert_eq!(stands(&bench, id), [Stand::Ok]);
    let worker = obedient(&bench, "one");
    assert_eq!(open(&bench, worker), []);
    for bad in [
        NewCommand { name: String::new(), ..command.clone() },
        NewCommand { expires_us: 0, ..command.clone() },
        NewCommand { arguments: vec![0; (1 << 20) + 1], ..command.clone() },
    ] {
        assert!(matches!(bench.store.give(bad, vec![worker]), Err(Error::Invalid(_))));
    }
}
