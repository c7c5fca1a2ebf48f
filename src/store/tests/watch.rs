//! Waiting for the first of many.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::clock::Env;

/// A second store on the file and on the real clock, as another process has it.
fn real(bench: &Bench) -> Store {
    Store::new(bench.store.path().into(), options(), Env::system())
}

fn in_a_minute(store: &Store) -> Option<i64> {
    Some(store.env().clock.boot_us() + 60_000_000)
}

/// Steps until something has ended.
fn next(watch: &Watch, store: &Store) -> Vec<String> {
    let until = in_a_minute(store);
    loop {
        let ended = watch.step(store, until).unwrap();
        if !ended.is_empty() {
            return ended;
        }
        assert!(store.env().clock.boot_us() < until.unwrap(), "nothing has ended");
    }
}

#[test]
fn each_of_many_is_told_once_and_as_it_ends() {
    let bench = bench();
    let store = real(&bench);
    let jobs = bench.store.enqueue((0..2_000).map(|_| job("t")).collect()).unwrap();
    let watch = Watch::default();
    for job in &jobs {
        watch.add(&store, job.id.clone()).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let worker = bench.join();
            for end in 0..2_000 {
                let held = bench.claim(worker, 1).remove(0);
                let outcome = if end % 2 == 0 {
                    Outcome::Success(None)
                } else {
                    Outcome::Failure(crate::job::Failure::default())
                };
                bench.end(&held, outcome);
            }
        });
        let mut told = HashSet::new();
        while told.len() < jobs.len() {
            for id in next(&watch, &store) {
                assert!(bench.store.view(&id).unwrap().state.ended());
                assert!(told.insert(id), "told twice");
            }
        }
    });
    let now = store.env().clock.boot_us();
    assert!(watch.step(&store, Some(now)).unwrap().is_empty(), "nothing is left to be told");
}

#[test]
fn a_job_added_while_another_thread_waits_is_watched_and_a_dropped_one_is_not() {
    let bench = bench();
    let store = real(&bench);
    let (first, second) = (bench.add(job("t")), bench.add(job("t")));
    let watch = Watch::default();
    watch.add(&store, first.clone()).unwrap();
    let waits = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            watch.step(&store, Some(0)).unwrap();
            waits.store(true, Ordering::SeqCst);
            next(&watch, &store)
        });
        while !waits.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        watch.add(&store, second.clone()).unwrap();
        bench.store.cancel(&second).unwrap();
        assert_eq!(waiter.join().unwrap(), vec![second]);
    });
    watch.drop(first.clone());
    bench.store.cancel(&first).unwrap();
    assert!(watch.step(&store, Some(0)).unwrap().is_empty());
    // The control arm: watched again, it is told.
    watch.add(&store, first.clone()).unwrap();
    assert_eq!(next(&watch, &store), [first]);
}

#[test]
fn an_unknown_id_is_told_at_once_and_one_of_the_inbox_once_it_has_ended() {
    let bench = bench();
    let store = real(&bench);
    bench.add(job("t"));
    let watch = Watch::default();
    watch.add(&store, "nonsense".into()).unwrap();
    assert_eq!(next(&watch, &store), ["nonsense"]);
    let insert = |tx: &mut crate::sqlite::Tx<'_, _>| {
        Ok(tx
            .conn
            .execute("INSERT INTO pyqueue_inbox(id, task, body) VALUES('theirs', 't', x'00')", [])
            .unwrap())
    };
    bench.store.opened().unwrap().db.write(Durability::Normal, insert).unwrap();
    watch.add(&store, "theirs".into()).unwrap();
    assert!(watch.step(&store, in_a_minute(&store)).unwrap().is_empty());
    let worker = bench.join();
    for held in bench.claim(worker, 5) {
        bench.end(&held, Outcome::Success(None));
    }
    assert_eq!(next(&watch, &store), ["theirs"]);
}

/// A process that dies between its commit and its ring.
#[test]
fn an_end_that_nobody_rang_for_is_found_all_the_same() {
    let bench = bench();
    let store = real(&bench);
    let id = bench.add(job("t"));
    let watch = Watch::default();
    watch.add(&store, id.clone()).unwrap();
    watch.step(&store, Some(0)).unwrap();
    let worker = bench.join();
    let end = finish_of(&bench.claim(worker, 1)[0], Outcome::Success(None));
    let silent = move |tx: &mut crate::sqlite::Tx<'_, _>| {
        let context = change::Context { env: Env::system(), options: Arc::new(options()), file: 0 };
        let mut change = change::Change::begin(tx, context)?;
        finish::finish(&mut change, &[end])?;
        change.close().map(drop)
    };
    bench.store.opened().unwrap().db.write(Durability::Normal, silent).unwrap();
    assert_eq!(next(&watch, &store), [id]);
}

#[test]
fn an_error_on_the_way_costs_nobody_his_answer() {
    let bench = bench();
    let store = real(&bench);
    let rename = |from: &'static str, to: &'static str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        let work = move |tx: &mut crate::sqlite::Tx<'_, _>| Ok(tx.conn.execute_batch(&sql)?);
        bench.store.opened().unwrap().db.write(Durability::Normal, work).unwrap();
    };
    let own = |name: &str| bench.add(NewJob { alias: Some(name.into()), ..job("t") });
    let watch = Watch::default();
    let mut waited = vec![bench.add(job("t")), own("one")];
    for id in &waited {
        watch.add(&store, id.clone()).unwrap();
    }
    assert!(watch.step(&store, Some(0)).unwrap().is_empty());
    waited.push(own("two"));
    watch.add(&store, waited[2].clone()).unwrap();
    for id in &waited {
        bench.store.cancel(id).unwrap();
    }
    // Neither can "two" be entered nor "one" be looked at.
    rename("pyqueue_alias", "away");
    let mut told = Vec::new();
    let errors =
        (0..3).filter(|_| watch.step(&store, Some(0)).map(|some| told.extend(some)).is_err()).count();
    assert!(errors > 0);
    rename("away", "pyqueue_alias");
    while told.len() < waited.len() {
        told.extend(next(&watch, &store));
    }
    assert_eq!(told.iter().collect::<HashSet<_>>(), waited.iter().collect());
}
