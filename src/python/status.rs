//! What the file says, as Python classes.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::job::Failure;
use crate::job::{self, Payload};
use crate::store::{QueueView, WorkerView};

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
#[pyclass(frozen, module = "pyqueue._core")]
pub struct JobSummary {
    inner: job::JobSummary,
}

impl From<job::JobSummary> for JobSummary {
    fn from(inner: job::JobSummary) -> Self {
        JobSummary { inner }
    }
}

#[pymethods]
impl JobSummary {
    #[getter]
    fn id(&self) -> &str {
        &self.inner.id
    }

    #[getter]
    fn task(&self) -> &str {
        &self.inner.task
    }

    #[getter]
    fn queue(&self) -> &str {
        &self.inner.queue
    }

    #[getter]
    fn priority(&self) -> i8 {
        self.inner.priority
    }

    #[getter]
    fn state(&self) -> &'static str {
        self.inner.state.name()
    }

    #[getter]
    fn attempts(&self) -> u32 {
        self.inner.attempts
    }

    #[getter]
    fn retries(&self) -> u32 {
        self.inner.retries
    }

    #[getter]
    fn enqueued_us(&self) -> i64 {
        self.inner.enqueued_us
    }

    #[getter]
    fn run_at_us(&self) -> Option<i64> {
        self.inner.run_at_us
    }

    #[getter]
    fn finished_us(&self) -> Option<i64> {
        self.inner.finished_us
    }

    #[getter]
    fn error(&self) -> Option<&str> {
        self.inner.failure.as_ref().map(|failure| failure.error.as_str())
    }

    #[getter]
    fn message(&self) -> Option<&str> {
        self.inner.failure.as_ref().map(|failure| failure.message.as_str())
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.inner.payload.as_ref().map(|payload| PyBytes::new(py, &payload.body))
    }

    #[getter]
    fn content_type(&self) -> Option<&str> {
        self.inner.payload.as_ref().and_then(|payload| payload.content_type.as_deref())
    }
}

/// One ended attempt.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Attempt {
    inner: job::AttemptView,
}

impl From<job::AttemptView> for Attempt {
    fn from(inner: job::AttemptView) -> Self {
        Attempt { inner }
    }
}

#[pymethods]
impl Attempt {
    #[getter]
    fn number(&self) -> u32 {
        self.inner.number
    }

    #[getter]
    fn outcome(&self) -> &'static str {
        self.inner.outcome
    }

    #[getter]
    fn started_us(&self) -> Option<i64> {
        self.inner.started_us
    }

    #[getter]
    fn finished_us(&self) -> i64 {
        self.inner.finished_us
    }

    #[getter]
    fn worker(&self) -> Option<i64> {
        self.inner.worker
    }

    #[getter]
    fn failure(&self) -> Option<Failure> {
        self.inner.failure.clone().map(|inner| Failure { inner })
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
    running: i64,
    succeeded: i64,
    failed: i64,
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
            running,
            succeeded,
            failed,
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
            running,
            succeeded,
            failed,
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
}

impl WorkerStatus {
    /// A worker's row with what its page says and the kernel's word on its life.
    pub fn new(view: WorkerView, children: Option<u32>, alive: bool) -> Self {
        let WorkerView { id, name, pid, slots, running, .. } = view;
        WorkerStatus { id, name, pid, slots, children, running, alive }
    }
}
