//! What the file says, as Python classes.

use std::path::Path;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::exceptions::to_py;
use super::job::Failure;
use crate::clock::Clock;
use crate::error::Error;
use crate::job::{self, Payload, State};
use crate::store::{QueueView, WorkerView};
use crate::worker::condition::Condition;
use crate::worker::shown::Shown;

/// The state of a name.
pub fn state(name: &str) -> PyResult<State> {
    State::of(name).ok_or_else(|| to_py(Error::invalid(format!("there is no state {name:?}"))))
}

/// What the file says about an id.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct JobView {
    inner: job::JobView,
}

impl From<job::JobView> for JobView {
    fn from(inner: job::JobView) -> Self {
        JobView { inner }
    }
}

#[pymethods]
impl JobView {
    #[getter]
    fn state(&self) -> &'static str {
        self.inner.state.name()
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.inner.result.as_ref().map(|payload| PyBytes::new(py, &payload.body))
    }

    #[getter]
    fn content_type(&self) -> Option<&str> {
        self.inner.result.as_ref().and_then(|Payload { content_type, .. }| content_type.as_deref())
    }

    #[getter]
    fn failure(&self) -> Option<Failure> {
        self.inner.failure.clone().map(|inner| Failure { inner })
    }

    #[getter]
    fn retries(&self) -> u32 {
        self.inner.retries
    }

    #[getter]
    fn progress<'py>(&self, py: Python<'py>) -> Option<(&str, Bound<'py, PyBytes>)> {
        self.inner.progress.as_ref().map(|(state, body)| (state.as_str(), PyBytes::new(py, body)))
    }
}

/// A job in a list.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct JobSummary {
    id: String,
    task: String,
    queue: String,
    priority: i8,
    state: &'static str,
    attempts: u32,
    retries: u32,
    enqueued_us: i64,
    run_at_us: Option<i64>,
    finished_us: Option<i64>,
    error: Option<String>,
    message: Option<String>,
    progress: Option<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    content_type: Option<String>,
}

impl From<job::JobSummary> for JobSummary {
    fn from(job: job::JobSummary) -> Self {
        let (error, message) = job.failure.map(|failure| (failure.error, failure.message)).unzip();
        let (body, content_type) = job.payload.map(|payload| (payload.body, payload.content_type)).unzip();
        JobSummary {
            id: job.id,
            task: job.task,
            queue: job.queue,
            priority: job.priority,
            state: job.state.name(),
            attempts: job.attempts,
            retries: job.retries,
            enqueued_us: job.enqueued_us,
            run_at_us: job.run_at_us,
            finished_us: job.finished_us,
            error,
            message,
            progress: job.progress,
            body,
            content_type: content_type.flatten(),
        }
    }
}

/// One ended attempt.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct Attempt {
    number: u32,
    outcome: &'static str,
    started_us: Option<i64>,
    finished_us: i64,
    worker: Option<i64>,
    cpu_us: Option<i64>,
    memory: Option<i64>,
    failure: Option<Failure>,
}

impl From<job::AttemptView> for Attempt {
    fn from(view: job::AttemptView) -> Self {
        let job::AttemptView { number, outcome, started_us, finished_us, worker, cpu_us, memory, failure } =
            view;
        let failure = failure.map(|inner| Failure { inner });
        Attempt { number, outcome, started_us, finished_us, worker, cpu_us, memory, failure }
    }
}

/// Counts of one queue.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct QueueStatus {
    name: String,
    paused: bool,
    waiting: i64,
    delayed: i64,
    parked: i64,
    prepared: i64,
    held: i64,
    running: i64,
    succeeded: i64,
    failed: i64,
    revoked: i64,
    retried: i64,
    lost: i64,
    oldest_us: Option<i64>,
}

impl From<QueueView> for QueueStatus {
    fn from(view: QueueView) -> Self {
        let QueueView {
            name,
            paused,
            waiting,
            delayed,
            parked,
            prepared,
            held,
            running,
            succeeded,
            failed,
            revoked,
            retried,
            lost,
            oldest_us,
        } = view;
        QueueStatus {
            name,
            paused,
            waiting,
            delayed,
            parked,
            prepared,
            held,
            running,
            succeeded,
            failed,
            revoked,
            retried,
            lost,
            oldest_us,
        }
    }
}

/// One worker known to the file.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct WorkerStatus {
    id: i64,
    name: String,
    pid: u32,
    slots: u32,
    children: Option<u32>,
    running: u64,
    alive: bool,
    state: &'static str,
    why: Option<String>,
    seen_pid: Option<u32>,
    still_us: Option<i64>,
    pool: Option<String>,
    busy: Option<u32>,
    least: Option<u32>,
    most: Option<u32>,
    frames: Option<bool>,
    prefetch: Option<u32>,
    mean_us: Option<u32>,
}

impl WorkerStatus {
    /// A worker's row with what its page says and the kernel's word on its life.
    pub fn new(view: WorkerView, directory: &Path, clock: &dyn Clock) -> Self {
        let Condition { health, why, lives, pid: seen_pid, shown, still_us } =
            Condition::of(&view, directory, clock);
        let WorkerView { id, name, pid, slots, running, .. } = view;
        let number = |of: fn(&Shown) -> u32| shown.as_ref().map(of);
        WorkerStatus {
            children: number(|shown| shown.children),
            busy: number(|shown| shown.busy),
            least: number(|shown| shown.least),
            most: number(|shown| shown.most),
            frames: shown.as_ref().map(|shown| shown.frames),
            prefetch: number(|shown| shown.prefetch).filter(|jobs| *jobs > 0),
            mean_us: number(|shown| shown.mean_us),
            pool: shown.map(|shown| shown.pool).filter(|pool| !pool.is_empty()),
            id,
            name,
            pid,
            slots,
            running,
            alive: lives,
            state: health.name(),
            why,
            seen_pid,
            still_us,
        }
    }
}
