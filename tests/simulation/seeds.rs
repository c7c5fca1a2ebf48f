//! Many seeds, or one.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::lies::Lie;
use crate::promises::Tally;
use crate::seed::{self, Report};

/// So many failures are not made more.
const ENOUGH: u64 = 5;
/// In so many everything happens that is counted, also what is seldom.
const TELLING: u64 = 1_500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Past the harness, which keeps what tests print.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

#[test]
fn every_promise_holds_in_every_seed() {
    if let Some(seed) = number("PYQUEUE_SEED") {
        let report = seed::run(seed, "replay", None, true);
        report.log.iter().for_each(|line| say(line));
        assert_eq!(report.failure, None);
        return;
    }
    let (from, count) = (number("PYQUEUE_FROM").unwrap_or(1), number("PYQUEUE_SEEDS").unwrap_or(TELLING));
    let (next, failed) = (AtomicU64::new(from), AtomicU64::new(0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let reports: Vec<Report> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut reports = Vec::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= from + count || failed.load(Ordering::Relaxed) >= ENOUGH {
                            return reports;
                        }
                        let report = seed::run(seed, "many", None, false);
                        if let Some(failure) = &report.failure {
                            failed.fetch_add(1, Ordering::Relaxed);
                            say(&format!(
                                "seed {seed} failed: {failure}\n  see it again: PYQUEUE_SEED={seed} cargo test --release --test simulation every_promise"
                            ));
                        }
                        reports.push(report);
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    say(&format!(
        "{} seeds, {} operations, {} claimed jobs, {} stale writes, {} kills, {} of them with a commit begun, {} looks at the whole file, {} forks, {} refusals of a full disk, {} ends told to who waited",
        reports.len(),
        sum(|one| one.operations),
        sum(|one| one.claimed),
        sum(|one| one.stale),
        sum(|one| one.kills),
        sum(|one| one.doubted),
        sum(|one| one.looks),
        sum(|one| one.forks),
        sum(|one| one.full),
        sum(|one| one.told),
    ));
    let mut tally = Tally::default();
    reports.iter().for_each(|report| tally.add(&report.tally));
    say(&tally.to_string());
    assert_eq!(failed.into_inner(), 0, "seeds failed");
    if count >= TELLING {
        assert_eq!(tally.never(), Vec::<&str>::new(), "what never happens is not tested");
    }
}

#[test]
fn a_seed_is_the_same_run_twice() {
    for seed in 1..10 {
        let (one, two) = (seed::run(seed, "first", None, true), seed::run(seed, "second", None, true));
        let first = one.log.iter().zip(&two.log).find(|(one, two)| one != two);
        assert_eq!(first, None, "seed {seed}");
        assert_eq!(one.hash, two.hash, "seed {seed}");
        let unlogged = seed::run(seed, "third", None, false);
        assert_eq!(one.hash, unlogged.hash, "seed {seed} is another one with a log");
    }
}

#[test]
fn a_lie_is_noticed() {
    for lie in Lie::ALL {
        let noticed = (1..400).find(|seed| seed::run(*seed, "lie", Some(lie), false).failure.is_some());
        assert!(noticed.is_some(), "nobody noticed {lie:?}");
    }
}
