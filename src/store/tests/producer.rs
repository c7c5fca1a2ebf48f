//! Producers: each sequence number is stored exactly once, by the newest epoch, in order.

use super::*;

fn parcel(epoch: i64, first: i64, count: i64) -> Parcel {
    let jobs = (first..first + count).map(|at| NewJob { alias: Some(format!("in-{at}")), ..job("t") });
    Parcel { name: "in".into(), epoch, first, jobs: jobs.collect(), position: None }
}

fn noted(parcel: Parcel, position: &[u8]) -> Parcel {
    Parcel { position: Some(position.to_vec()), ..parcel }
}

fn created(bench: &Bench, parcel: Parcel) -> Vec<bool> {
    bench.store.send(parcel).unwrap().into_iter().map(|one| one.created).collect()
}

fn jobs(bench: &Bench) -> i64 {
    bench.sql("SELECT count(*) FROM pyqueue_job")
}

fn opened(bench: &Bench) -> Producer {
    bench.store.open_producer("in").unwrap()
}

#[test]
fn the_next_is_stored_and_what_was_stored_is_answered_with_its_id() {
    let bench = bench();
    assert_eq!(opened(&bench), Producer { epoch: 1, sequence: 0, position: None });
    assert_eq!(created(&bench, noted(parcel(1, 1, 2), b"a")), [true, true]);
    assert_eq!(created(&bench, parcel(1, 1, 2)), [false, false]);
    assert_eq!(created(&bench, noted(parcel(1, 2, 2), b"b")), [false, true]);
    let answers = bench.store.send(parcel(1, 3, 1)).unwrap();
    assert_eq!((answers[0].id.as_str(), answers[0].created), ("in-3", false));
    assert_eq!(bench.state("in-3"), "waiting");
    assert_eq!(jobs(&bench), 3);
    assert_eq!(opened(&bench), Producer { epoch: 2, sequence: 3, position: Some(b"b".to_vec()) });
}

#[test]
fn a_repetition_notes_no_position_and_silence_keeps_it() {
    let bench = bench();
    opened(&bench);
    created(&bench, noted(parcel(1, 1, 2), b"two"));
    created(&bench, noted(parcel(1, 1, 1), b"one"));
    assert_eq!(opened(&bench).position, Some(b"two".to_vec()));
    created(&bench, parcel(2, 3, 1));
    assert_eq!(opened(&bench).position, Some(b"two".to_vec()));
}

#[test]
fn one_that_has_ended_and_is_forgotten_is_not_stored_again() {
    let bench = bench();
    let worker = bench.join();
    opened(&bench);
    created(&bench, parcel(1, 1, 1));
    bench.end(&bench.claim(worker, 1)[0], success());
    assert!(bench.store.forget("in-1").unwrap());
    assert_eq!(created(&bench, parcel(1, 1, 1)), [false]);
    assert_eq!(jobs(&bench), 0);
    let again = mutants::with(Mutant::SequenceIgnored, || created(&bench, parcel(1, 1, 1)));
    assert_eq!(again, [true], "with the guard off it comes twice");
}

#[test]
fn a_gap_is_refused_and_stores_nothing() {
    let bench = bench();
    opened(&bench);
    created(&bench, parcel(1, 1, 1));
    for first in [3, i64::MAX] {
        match bench.store.send(Parcel { first, ..noted(parcel(1, 3, 2), b"x") }) {
            Err(Error::OutOfSequence { expected: 2, sent, .. }) => assert_eq!(sent, first),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(jobs(&bench), 1);
    assert_eq!(opened(&bench), Producer { epoch: 2, sequence: 1, position: None });
}

#[test]
fn numbers_begin_with_one() {
    let bench = bench();
    opened(&bench);
    for first in [0, -1, i64::MIN] {
        let sent = bench.store.send(Parcel { first, ..parcel(1, 1, 2) });
        assert!(matches!(sent, Err(Error::Invalid(_))), "{sent:?}");
    }
    assert_eq!(opened(&bench).sequence, 0);
}

#[test]
fn the_old_epoch_is_fenced_and_stores_nothing() {
    let bench = bench();
    opened(&bench);
    created(&bench, parcel(1, 1, 1));
    opened(&bench);
    for sent in [parcel(1, 1, 1), parcel(1, 2, 1), parcel(3, 2, 1), parcel(1, 5, 1)] {
        assert!(matches!(bench.store.send(sent), Err(Error::ProducerFenced { .. })));
    }
    assert_eq!(jobs(&bench), 1);
    assert_eq!(created(&bench, parcel(2, 2, 1)), [true]);
    let stored = mutants::with(Mutant::ProducerUnfenced, || created(&bench, parcel(1, 3, 1)));
    assert_eq!(stored, [true], "with the guard off a zombie's message is stored");
}

#[test]
fn one_that_was_never_opened_is_fenced() {
    let bench = bench();
    assert!(matches!(bench.store.send(parcel(1, 1, 1)), Err(Error::ProducerFenced { .. })));
    for name in ["", "a\0b"] {
        assert!(matches!(bench.store.open_producer(name), Err(Error::Invalid(_))));
    }
}

#[test]
fn a_batch_is_stored_whole_or_not_at_all() {
    let bench = bench();
    opened(&bench);
    let taken = bench.add(NewJob { dedup_key: Some("k".into()), ..job("t") });
    let mut sent = noted(parcel(1, 1, 3), b"x");
    sent.jobs[2].dedup_key = Some("k".into());
    sent.jobs[2].dedup = Dedup::Refuse;
    match bench.store.send(sent) {
        Err(Error::Duplicate { id }) => assert_eq!(id, taken),
        other => panic!("{other:?}"),
    }
    let mut twice = parcel(1, 1, 2);
    for job in &mut twice.jobs {
        (job.dedup_key, job.dedup) = (Some("new".into()), Dedup::Refuse);
    }
    assert!(matches!(bench.store.send(twice), Err(Error::KeyTwice { .. })));
    assert_eq!(jobs(&bench), 1);
    assert_eq!(opened(&bench), Producer { epoch: 2, sequence: 0, position: None });
}

#[test]
fn nothing_sent_tells_how_far_it_has_come() {
    let bench = bench();
    opened(&bench);
    created(&bench, parcel(1, 1, 3));
    assert!(bench.store.send(parcel(1, 4, 0)).unwrap().is_empty());
    assert!(matches!(bench.store.send(parcel(1, 5, 0)), Err(Error::OutOfSequence { expected: 4, .. })));
    assert_eq!(opened(&bench).sequence, 3);
}

#[test]
fn names_do_not_share_anything() {
    let bench = bench();
    opened(&bench);
    let other = bench.store.open_producer("other").unwrap();
    assert_eq!((other.epoch, other.sequence), (1, 0));
    created(&bench, parcel(1, 1, 2));
    let sent = Parcel { name: "other".into(), ..parcel(1, 1, 1) };
    let sent = Parcel { jobs: vec![NewJob { alias: Some("other-1".into()), ..job("t") }], ..sent };
    assert_eq!(created(&bench, sent), [true]);
}
