//! The store as a Python class.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::away::{PythonSignals, on};
use super::exceptions::to_py;
use super::foreign;
use super::job::{Job, NewJob, Outcome};
use super::load::Load;
use super::status::{self, Attempt, JobSummary, JobView, QueueStatus, WorkerStatus};
use super::waiting;
use crate::clock::Env;
use crate::error::Error;
use crate::job::{Finish, Finished, Log};
use crate::sqlite::Durability;
use crate::store::{self, Ask, Filter, NewWorker, Options, Revoked, Verdict};
use crate::worker::liveness;

/// One queue file.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Store {
    core: Arc<store::Store>,
}

impl Store {
    /// The store itself.
    pub fn core(&self) -> Arc<store::Store> {
        self.core.clone()
    }
}

/// Which attempt, lines before these, and the lines.
type Logged<'py> = (Option<u32>, u32, Bound<'py, PyBytes>);

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (path, *, embed=false, durability="full", max_body=1_048_576, max_db_bytes=None,
        history_age_us=86_400_000_000, history_count=100_000, failed_age_us=2_592_000_000_000))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python class")]
    fn new(
        path: &str,
        embed: bool,
        durability: &str,
        max_body: usize,
        max_db_bytes: Option<u64>,
        history_age_us: i64,
        history_count: i64,
        failed_age_us: i64,
    ) -> PyResult<Self> {
        let durability = match durability {
            "full" => Durability::Full,
            "normal" => Durability::Normal,
            other => {
                return Err(to_py(Error::invalid(format!(
                    "durability is \"full\" or \"normal\", not {other:?}"
                ))));
            }
        };
        let env = Env { signals: Arc::new(PythonSignals), ..Env::system() };
        let options = Options {
            embed,
            durability,
            max_body,
            max_db_bytes,
            history_age_us,
            history_count,
            failed_age_us,
        };
        Ok(Store { core: Arc::new(store::Store::new(path.into(), options, env)) })
    }

    #[getter]
    fn path(&self) -> String {
        self.core.path().to_string_lossy().into_owned()
    }

    fn now_us(&self) -> i64 {
        self.core.env().clock.wall_us()
    }

    fn enqueue(&self, py: Python<'_>, jobs: Vec<PyRef<'_, NewJob>>) -> PyResult<Vec<(String, bool)>> {
        let now = self.now_us();
        let jobs = jobs.iter().map(|job| job.at(now)).collect();
        let stored = on(py, &self.core, |store| store.enqueue(jobs))?;
        Ok(stored.into_iter().map(|job| (job.id, job.created)).collect())
    }

    fn letter<'py>(&self, py: Python<'py>, job: PyRef<'_, NewJob>) -> PyResult<Bound<'py, PyTuple>> {
        foreign::letter(py, &job, self.now_us())
    }

    fn public_id(&self, py: Python<'_>, row: i64, nonce: i64) -> PyResult<String> {
        on(py, &self.core, |store| store.public_id(row, nonce))
    }

    fn prepare(
        &self,
        py: Python<'_>,
        job: PyRef<'_, NewJob>,
        question: PyRef<'_, NewJob>,
        pause_us: i64,
    ) -> PyResult<(String, bool)> {
        let now = self.now_us();
        let (job, question) = (job.at(now), question.at(now));
        let stored = on(py, &self.core, |store| store.prepare(job, question, pause_us))?;
        Ok((stored.id, stored.created))
    }

    fn settle(&self, py: Python<'_>, id: &str, commit: bool) -> PyResult<bool> {
        let verdict = if commit { Verdict::Commit } else { Verdict::Rollback };
        on(py, &self.core, |store| store.settle(id, verdict))
    }

    fn open_producer<'py>(
        &self,
        py: Python<'py>,
        name: &str,
    ) -> PyResult<(i64, i64, Option<Bound<'py, PyBytes>>)> {
        let opened = on(py, &self.core, |store| store.open_producer(name))?;
        let position = opened.position.map(|position| PyBytes::new(py, &position));
        Ok((opened.epoch, opened.sequence, position))
    }

    #[pyo3(signature = (name, epoch, first, jobs, position=None))]
    fn send(
        &self,
        py: Python<'_>,
        name: String,
        epoch: i64,
        first: i64,
        jobs: Vec<PyRef<'_, NewJob>>,
        position: Option<Vec<u8>>,
    ) -> PyResult<Vec<(String, bool)>> {
        let now = self.now_us();
        let jobs = jobs.iter().map(|job| job.at(now)).collect();
        let send = store::Parcel { name, epoch, first, jobs, position };
        let stored = on(py, &self.core, |store| store.send(send))?;
        Ok(stored.into_iter().map(|job| (job.id, job.created)).collect())
    }

    fn view(&self, py: Python<'_>, id: &str) -> PyResult<JobView> {
        on(py, &self.core, |store| store.view(id)).map(JobView::from)
    }

    #[pyo3(signature = (id, timeout_us=None))]
    fn wait(&self, py: Python<'_>, id: &str, timeout_us: Option<i64>) -> PyResult<JobView> {
        let until = timeout_us.map(|time| self.core.env().clock.boot_us().saturating_add(time));
        loop {
            let (view, over) = on(py, &self.core, |store| waiting::a_little(store, id, until))?;
            py.check_signals()?;
            if over {
                return Ok(view.into());
            }
        }
    }

    fn attempts(&self, py: Python<'_>, id: &str) -> PyResult<Vec<Attempt>> {
        let attempts = on(py, &self.core, |store| store.attempts(id))?;
        Ok(attempts.into_iter().map(Attempt::from).collect())
    }

    fn why(&self, py: Python<'_>, id: &str) -> PyResult<String> {
        on(py, &self.core, |store| store.why(id))
    }

    #[pyo3(signature = (*, state=None, queue=None, task=None, error=None, since_us=None, limit=50))]
    #[expect(clippy::too_many_arguments, reason = "keyword-only on the Python side")]
    fn jobs(
        &self,
        py: Python<'_>,
        state: Option<&str>,
        queue: Option<String>,
        task: Option<String>,
        error: Option<String>,
        since_us: Option<i64>,
        limit: usize,
    ) -> PyResult<Vec<JobSummary>> {
        let state = state.map(status::state).transpose()?;
        let filter = Filter { state, queue, task, error, since_us, limit };
        let found = on(py, &self.core, |store| store.jobs(&filter))?;
        Ok(found.into_iter().map(JobSummary::from).collect())
    }

    fn show(&self, py: Python<'_>, id: &str) -> PyResult<Option<JobSummary>> {
        Ok(on(py, &self.core, |store| store.show(id))?.map(JobSummary::from))
    }

    fn progress(&self, py: Python<'_>, job: &Job, state: &str, body: &[u8]) -> PyResult<()> {
        let (row, token) = (job.inner.row, job.inner.token);
        on(py, &self.core, |store| match store.progress(row, token, state, body) {
            Err(Error::LeaseLost { .. }) => Err(Error::LeaseLost { job: job.inner.id.clone() }),
            other => other,
        })
    }

    fn note(&self, py: Python<'_>, job: &Job, dropped: u32, text: Vec<u8>) -> PyResult<()> {
        let (row, token) = (job.inner.row, job.inner.token);
        on(py, &self.core, |store| match store.note(row, token, Log { dropped, text }) {
            Err(Error::LeaseLost { .. }) => Err(Error::LeaseLost { job: job.inner.id.clone() }),
            other => other,
        })
    }

    fn logs<'py>(&self, py: Python<'py>, id: &str) -> PyResult<Vec<Logged<'py>>> {
        let logs = on(py, &self.core, |store| store.logs(id))?.into_iter();
        Ok(logs.map(|view| (view.attempt, view.log.dropped, PyBytes::new(py, &view.log.text))).collect())
    }

    fn load(&self, py: Python<'_>, since_us: i64) -> PyResult<Load> {
        Ok(on(py, &self.core, |store| store.load(since_us))?.into())
    }

    fn forget(&self, py: Python<'_>, id: &str) -> PyResult<bool> {
        on(py, &self.core, |store| store.forget(id))
    }

    fn replay(&self, py: Python<'_>, id: &str) -> PyResult<Option<String>> {
        on(py, &self.core, |store| store.replay(id))
    }

    fn queues(&self, py: Python<'_>) -> PyResult<Vec<QueueStatus>> {
        let queues = on(py, &self.core, store::Store::queues)?;
        Ok(queues.into_iter().map(QueueStatus::from).collect())
    }

    fn workers(&self, py: Python<'_>) -> PyResult<Vec<WorkerStatus>> {
        on(py, &self.core, |store| {
            let directory = store.directory()?;
            Ok(store
                .workers()?
                .into_iter()
                .map(|view| WorkerStatus::new(view, &directory, &*store.env().clock))
                .collect())
        })
    }

    fn examine(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        on(py, &self.core, store::Store::examine)
    }

    fn revoke(&self, py: Python<'_>, id: &str, signal: i32, grace_us: i64) -> PyResult<&'static str> {
        let revoked = on(py, &self.core, |store| store.revoke(id, signal, grace_us))?;
        Ok(match revoked {
            Revoked::Cancelled => "cancelled",
            Revoked::Asked => "asked",
            Revoked::Late => "late",
        })
    }

    fn cancel(&self, py: Python<'_>, id: &str) -> PyResult<bool> {
        on(py, &self.core, |store| store.cancel(id))
    }

    fn purge(&self, py: Python<'_>, queue: &str) -> PyResult<usize> {
        on(py, &self.core, |store| store.purge(queue))
    }

    #[pyo3(signature = (name, slots, visibility_us, *, facts=None))]
    fn join(
        &self,
        py: Python<'_>,
        name: String,
        slots: u32,
        visibility_us: i64,
        facts: Option<Vec<u8>>,
    ) -> PyResult<i64> {
        let pid = std::process::id();
        on(py, &self.core, |store| {
            store.join(NewWorker { name, pid, slots, visibility_us, facts: facts.unwrap_or_default() })
        })
    }

    fn beat(&self, py: Python<'_>, worker: i64, visibility_us: i64) -> PyResult<bool> {
        on(py, &self.core, |store| store.beat(worker, visibility_us))
    }

    fn part(&self, py: Python<'_>, worker: i64) -> PyResult<()> {
        on(py, &self.core, |store| store.part(worker))
    }

    #[pyo3(signature = (worker, limit, *, queues=None, tasks=None, visibility_us=None))]
    fn claim(
        &self,
        py: Python<'_>,
        worker: i64,
        limit: usize,
        queues: Option<Vec<String>>,
        tasks: Option<Vec<String>>,
        visibility_us: Option<i64>,
    ) -> PyResult<Vec<Job>> {
        let ask = Ask {
            owner: worker,
            limit,
            queues: queues.map(Arc::from),
            tasks: tasks.map(|tasks| Arc::new(tasks.into_iter().collect())),
            visibility_us,
        };
        let claimed = on(py, &self.core, |store| {
            loop {
                let claimed = store.claim(ask.clone())?;
                if !claimed.jobs.is_empty() || !claimed.more {
                    return Ok(claimed);
                }
            }
        })?;
        Ok(claimed.jobs.into_iter().map(|inner| Job { inner, offer: None }).collect())
    }

    fn finish(&self, py: Python<'_>, ends: Vec<(PyRef<'_, Job>, PyRef<'_, Outcome>)>) -> PyResult<()> {
        let now = self.now_us();
        let finishes = ends
            .iter()
            .map(|(job, outcome)| Finish {
                row: job.inner.row,
                token: job.inner.token,
                outcome: outcome.inner.clone(),
                started_us: None,
                usage: None,
                then: outcome.then(now),
                beside: outcome.said(now),
            })
            .collect();
        let (answers, _) = on(py, &self.core, |store| store.finish(finishes, None))?;
        match answers.iter().position(|answer| *answer == Finished::LeaseLost) {
            Some(at) => Err(to_py(Error::LeaseLost { job: ends[at].0.inner.id.clone() })),
            None => Ok(()),
        }
    }

    fn extend(&self, py: Python<'_>, job: &Job, visibility_us: i64) -> PyResult<()> {
        let (row, token) = (job.inner.row, job.inner.token);
        on(py, &self.core, |store| match store.extend(row, token, visibility_us) {
            // The store knows only the row.
            Err(Error::LeaseLost { .. }) => Err(Error::LeaseLost { job: job.inner.id.clone() }),
            other => other,
        })
    }

    fn fold(&self, py: Python<'_>) -> PyResult<()> {
        on(py, &self.core, |store| store.fold())
    }

    fn reap(&self, py: Python<'_>) -> PyResult<usize> {
        on(py, &self.core, |store| {
            let mut jobs = liveness::reap_all(store, None)?.iter().map(|dead| dead.jobs.len()).sum();
            loop {
                let step = store.upkeep()?;
                jobs += step.taken_back;
                if !step.more {
                    return Ok(jobs);
                }
            }
        })
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| self.core.close());
    }
}
