//! Behaviour of the store on real files and a virtual clock.

mod budget;
mod command;
mod counting;
mod damaged;
mod depth;
mod errbacks;
mod events;
mod examine;
mod facts;
mod foreign;
mod gates;
mod graphs;
mod half;
mod keeping;
mod leased;
mod listed;
mod log;
mod meters;
mod model;
mod pages;
mod passing;
mod producer;
mod retries;
mod revoked;
mod schedule;
mod selected;
mod verbs;
mod virtual_env;
mod watch;
mod workflow;
mod workflow_ways;

use std::sync::Arc;

use virtual_env::VirtualEnv;

use super::*;
use crate::job::{ClaimedJob, Dedup, Failure, Outcome, Payload};
use crate::mutants::{self, Mutant};

/// A store in a temporary directory, on a virtual clock.
struct Bench {
    store: Store,
    env: Arc<VirtualEnv>,
    _directory: tempfile::TempDir,
}

fn options() -> Options {
    Options {
        embed: false,
        durability: Durability::Normal,
        max_body: 1 << 20,
        max_db_bytes: None,
        history_age_us: 86_400_000_000,
        history_count: 100_000,
        failed_age_us: 30 * 86_400_000_000,
    }
}

fn bench() -> Bench {
    bench_with(options())
}

fn bench_with(options: Options) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let env = Arc::new(VirtualEnv::default());
    let store = Store::new(directory.path().join("jobs.db"), options, env.env());
    Bench { store, env, _directory: directory }
}

fn job(task: &str) -> NewJob {
    NewJob {
        task: task.into(),
        payload: Payload { content_type: None, body: b"[]".to_vec() },
        queue: "default".into(),
        priority: 0,
        run_at_us: None,
        expires_us: None,
        dedup_key: None,
        dedup: Dedup::Return,
        dedup_window_us: None,
        alias: None,
        max_losses: 5,
        time_limit_us: None,
        soft_time_limit_us: None,
        errbacks: Vec::new(),
    }
}

impl Bench {
    fn add(&self, job: NewJob) -> String {
        self.store.enqueue(vec![job]).unwrap().remove(0).id
    }

    fn join(&self) -> i64 {
        self.store
            .join(NewWorker {
                name: "w".into(),
                pid: 1,
                slots: 1,
                visibility_us: 30_000_000,
                facts: Vec::new(),
            })
            .unwrap()
    }

    fn claim(&self, owner: i64, limit: usize) -> Vec<ClaimedJob> {
        self.store.claim(ask(owner, limit)).unwrap().jobs
    }

    fn end(&self, job: &ClaimedJob, outcome: Outcome) -> Finished {
        self.store.finish(vec![finish_of(job, outcome)], None).unwrap().0[0]
    }

    fn state(&self, id: &str) -> &'static str {
        self.store.view(id).unwrap().state.name()
    }

    /// What no verb of ours does.
    fn write(&self, sql: &'static str) {
        let work = |tx: &mut crate::sqlite::Tx<'_, rules::Rules>| Ok(tx.conn.execute_batch(sql)?);
        self.store.opened().unwrap().db.write(Durability::Normal, work).unwrap();
    }

    fn sql(&self, text: &str) -> i64 {
        self.store.read(|conn, _| Ok(conn.query_row(text, [], |row| row.get(0))?)).unwrap()
    }
}

fn ask(owner: i64, limit: usize) -> Ask {
    Ask { owner, limit, queues: None, tasks: None, visibility_us: None }
}

fn finish_of(job: &ClaimedJob, outcome: Outcome) -> Finish {
    Finish {
        row: job.row,
        token: job.token,
        outcome,
        started_us: None,
        usage: None,
        then: Vec::new(),
        beside: None,
    }
}

fn success() -> Outcome {
    Outcome::Success(Some(Payload { content_type: None, body: b"5".to_vec() }))
}

fn retry(seconds: i64) -> Outcome {
    Outcome::Retry {
        delay_us: seconds * 1_000_000,
        payload: None,
        failure: Failure { error: "E".into(), ..Failure::default() },
    }
}
