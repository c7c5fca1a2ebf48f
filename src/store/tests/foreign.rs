//! Connections that are not ours, and what they write: jobs and receipts.

use rusqlite::{Connection, params};

use super::*;
use crate::store::foreign;

const REDEDUP: &str =
    "INSERT INTO pyqueue_inbox(id, task, body, dedup_key, dedup) VALUES(?, 't', x'5b5d', 'k', ?)";

impl Bench {
    fn plain(&self) -> Connection {
        Connection::open(self.store.path()).unwrap()
    }

    fn holder(&self) -> Option<String> {
        let row = self.plain().query_row(foreign::HOLDER, ["default", "k"], |row| {
            Ok((
                row.get::<_, Option<i64>>(0)?,
                row.get::<_, Option<i64>>(1)?,
                row.get::<_, Option<String>>(2)?,
            ))
        });
        match row {
            Ok((_, _, Some(own))) => Some(own),
            Ok((row, nonce, None)) => Some(self.store.public_id(row.unwrap(), nonce.unwrap()).unwrap()),
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn receipt(conn: &Connection, job: &ClaimedJob) -> rusqlite::Result<usize> {
    conn.execute(foreign::RECEIPT, params![job.row.0, job.token, 7, "x/y", b"9"])
}

fn held(conn: &Connection, job: &ClaimedJob) -> bool {
    conn.query_row(foreign::FENCE, [job.row.0, job.row.0, job.token], |row| row.get(0)).unwrap()
}

fn keyed(dedup: Dedup) -> NewJob {
    NewJob { dedup_key: Some("k".into()), dedup, ..job("t") }
}

#[test]
fn a_committed_receipt_is_the_ack() {
    let bench = bench();
    let id = bench.add(keyed(Dedup::Return));
    let (worker, other) = (bench.join(), bench.join());
    let taken = bench.claim(worker, 1).remove(0);
    let conn = bench.plain();
    assert!(held(&conn, &taken));
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();
    receipt(&conn, &taken).unwrap();
    conn.execute_batch("ROLLBACK").unwrap();
    assert_eq!(bench.state(&id), "running");
    receipt(&conn, &taken).unwrap();
    // Whoever looks first takes it in: here one that has died meanwhile is reaped.
    bench.store.reap(worker, Evidence::None, "it died").unwrap();
    assert_eq!(bench.state(&id), "success");
    let view = bench.store.view(&id).unwrap();
    assert_eq!(view.result, Some(Payload { content_type: Some("x/y".into()), body: b"9".to_vec() }));
    assert_eq!(bench.store.attempts(&id).unwrap()[0].started_us, Some(7));
    assert!(bench.claim(other, 1).is_empty());
    assert_eq!(bench.end(&taken, success()), Finished::Again);
    assert_eq!(
        bench.end(&taken, Outcome::Lost { reason: "signal 9".into(), charged: true }),
        Finished::Again
    );
    assert!(!held(&conn, &taken));
    assert_eq!(bench.store.examine().unwrap(), Vec::<String>::new());
}

#[test]
fn a_receipt_without_a_lease_is_refused() {
    let bench = bench();
    bench.add(job("t"));
    let (zombie, heir) = (bench.join(), bench.join());
    let old = bench.claim(zombie, 1).remove(0);
    bench.store.reap(zombie, Evidence::None, "it hung").unwrap();
    let conn = bench.plain();
    let refused = receipt(&conn, &old).unwrap_err().to_string();
    assert!(refused.contains("LeaseLost"), "{refused}");
    let new = bench.claim(heir, 1).remove(0);
    assert!(receipt(&conn, &old).is_err());
    receipt(&conn, &new).unwrap();
    assert!(receipt(&conn, &new).is_err(), "once only");
}

#[test]
fn every_reader_sees_a_receipt_at_once() {
    let see = |look: fn(&Bench, &str) -> String| {
        let bench = bench();
        let id = bench.add(job("t"));
        let taken = bench.claim(bench.join(), 1).remove(0);
        receipt(&bench.plain(), &taken).unwrap();
        look(&bench, &id)
    };
    assert_eq!(see(|bench, id| bench.state(id).into()), "success");
    assert_eq!(see(|bench, _| bench.store.queues().unwrap()[0].running.to_string()), "0");
    assert_eq!(see(|bench, id| bench.store.why(id).unwrap()), "It has ended: success.");
    assert_eq!(see(|bench, id| bench.store.show(id).unwrap().unwrap().state.name().into()), "success");
    assert_eq!(see(|bench, _| bench.store.workers().unwrap()[0].running.to_string()), "0");
    assert_eq!(see(|bench, id| bench.store.cancel(id).unwrap().to_string()), "false");
}

/// A switched-off guard: what was acked runs again.
#[test]
fn control_a_receipt_that_nobody_reads_acks_nothing() {
    let runs_again = || {
        let bench = bench();
        bench.add(job("t"));
        let (worker, other) = (bench.join(), bench.join());
        receipt(&bench.plain(), &bench.claim(worker, 1)[0]).unwrap();
        bench.store.reap(worker, Evidence::None, "it died").unwrap();
        bench.claim(other, 1).len()
    };
    assert_eq!(runs_again(), 0);
    assert_eq!(mutants::with(Mutant::ReceiptsUnread, runs_again), 1);
}

#[test]
fn a_deadline_that_has_passed_does_not_undo_what_was_committed_before_anybody_looked() {
    let bench = bench();
    let id = bench.add(job("t"));
    bench.add(job("t"));
    let ask = Ask { visibility_us: Some(1_000_000), ..ask(bench.join(), 2) };
    let taken = bench.store.claim(ask).unwrap().jobs;
    receipt(&bench.plain(), &taken[0]).unwrap();
    bench.env.pass(2.0);
    assert_eq!(bench.state(&id), "success");
    assert_eq!(bench.store.upkeep().unwrap().taken_back, 1, "the other job's deadline stands");
}

#[test]
fn a_key_is_taken_by_whoever_comes_first_through_whatever_door() {
    let bench = bench();
    bench.add(job("t"));
    let conn = bench.plain();
    assert_eq!(bench.holder(), None);
    assert_eq!(conn.execute(REDEDUP, ["one", "return"]).unwrap(), 1);
    assert_eq!(conn.execute(REDEDUP, ["two", "return"]).unwrap(), 0, "nothing is stored");
    assert!(conn.execute(REDEDUP, ["three", "refuse"]).is_err());
    assert_eq!(bench.holder().as_deref(), Some("one"));
    // Ours sees the row that nobody has taken up yet.
    let ours = bench.store.enqueue(vec![keyed(Dedup::Return)]).unwrap().remove(0);
    assert_eq!((ours.id.as_str(), ours.created), ("one", false));
    assert_eq!(conn.execute(REDEDUP, ["four", "return"]).unwrap(), 0);
    assert_eq!(conn.execute(REDEDUP, ["five", "replace"]).unwrap(), 1);
    assert_eq!(bench.claim(bench.join(), 10).iter().filter(|job| job.id == "five").count(), 1);
    assert_eq!(bench.state("one"), "cancelled");
}

#[test]
fn what_nobody_has_taken_up_yet_can_be_cancelled() {
    let bench = bench();
    bench.add(job("t"));
    bench.plain().execute(REDEDUP, ["theirs", "return"]).unwrap();
    assert!(bench.store.cancel("theirs").unwrap());
    assert_eq!(bench.state("theirs"), "cancelled");
    assert_eq!(bench.holder(), None);
}

#[test]
fn a_receipt_gives_its_key_free_and_a_window_keeps_it() {
    let bench = bench();
    let first = bench.add(keyed(Dedup::Return));
    assert_eq!(bench.holder().as_deref(), Some(first.as_str()));
    let taken = bench.claim(bench.join(), 1).remove(0);
    let conn = bench.plain();
    receipt(&conn, &taken).unwrap();
    assert_eq!(bench.holder(), None);
    assert_eq!(conn.execute(REDEDUP, ["next", "return"]).unwrap(), 1);

    // SQL knows only the machine's clock, and ours here is another.
    let bench = self::bench();
    let now = Env::system().clock.wall_us();
    bench.env.step_wall((now - bench.store.env().clock.wall_us()) / 1_000_000);
    let windowed = bench.add(NewJob { dedup_window_us: Some(60_000_000), ..keyed(Dedup::Return) });
    let taken = bench.claim(bench.join(), 1).remove(0);
    bench.end(&taken, success());
    assert_eq!(bench.holder().as_deref(), Some(windowed.as_str()), "until the window is over");
}

#[test]
fn everything_that_a_job_may_say_passes_through_the_inbox() {
    let bench = bench();
    bench.add(job("t"));
    let errback = crate::job::Errback { delay_us: Some(5), job: job("after") };
    let all = NewJob {
        max_losses: 1,
        time_limit_us: Some(3),
        soft_time_limit_us: Some(2),
        errbacks: vec![errback],
        ..job("t")
    };
    bench
        .plain()
        .execute(
            foreign::INSERT,
            params![
                "own",
                all.task,
                all.payload.body,
                "q",
                -3,
                None::<i64>,
                None::<i64>,
                None::<String>,
                "return",
                None::<i64>,
                all.max_losses,
                all.time_limit_us,
                all.soft_time_limit_us,
                foreign::errbacks(&all.errbacks),
                None::<String>
            ],
        )
        .unwrap();
    let worker = bench.join();
    let taken = bench.claim(worker, 10).into_iter().find(|job| job.id == "own").unwrap();
    assert_eq!((taken.queue.as_str(), taken.priority), ("q", -3));
    assert_eq!((taken.time_limit_us, taken.soft_time_limit_us), (Some(3), Some(2)));
    bench.end(&taken, Outcome::Lost { reason: "signal 9".into(), charged: true });
    assert_eq!(bench.state("own"), "dead");
    assert_eq!(bench.sql("SELECT count(*) FROM pyqueue_job WHERE task='after'"), 1);
}
