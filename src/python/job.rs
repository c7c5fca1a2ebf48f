//! The nouns of a job's life as Python classes.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::exceptions::to_py;
use crate::error::Error;
use crate::job::{self, Payload};
use crate::worker::pipe::Offer;

/// A call to be stored.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct NewJob {
    inner: job::NewJob,
    /// Relative to the moment of storing, by the store's clock (µs).
    delay_us: Option<i64>,
}

#[pymethods]
impl NewJob {
    #[new]
    #[pyo3(signature = (task, body, *, queue="default", priority=0, content_type=None, delay_us=None,
        run_at_us=None, expires_us=None, dedup_key=None, task_id=None, max_losses=5, time_limit_us=None,
        soft_time_limit_us=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword-only on the Python side")]
    fn new(
        task: String,
        body: Vec<u8>,
        queue: &str,
        priority: i64,
        content_type: Option<String>,
        delay_us: Option<i64>,
        run_at_us: Option<i64>,
        expires_us: Option<i64>,
        dedup_key: Option<String>,
        task_id: Option<String>,
        max_losses: u32,
        time_limit_us: Option<i64>,
        soft_time_limit_us: Option<i64>,
    ) -> PyResult<Self> {
        let priority = i8::try_from(priority).map_err(|_| {
            to_py(Error::invalid(format!("a priority is -128 to 127 (higher runs first), not {priority}")))
        })?;
        if [time_limit_us, soft_time_limit_us].iter().flatten().any(|limit| *limit <= 0) {
            return Err(to_py(Error::invalid("a time limit must be more than 0 seconds")));
        }
        let inner = job::NewJob {
            task,
            payload: Payload { content_type, body },
            queue: queue.to_owned(),
            priority,
            run_at_us,
            expires_us,
            dedup_key,
            alias: task_id,
            max_losses,
            time_limit_us,
            soft_time_limit_us,
        };
        crate::store::check(&inner).map_err(to_py)?;
        Ok(NewJob { inner, delay_us })
    }
}

impl NewJob {
    /// The job with its delay counted from `now_us`, wall time.
    pub fn at(&self, now_us: i64) -> job::NewJob {
        let run_at_us =
            self.delay_us.map_or(self.inner.run_at_us, |delay| Some(now_us.saturating_add(delay)));
        job::NewJob { run_at_us, ..self.inner.clone() }
    }
}

/// Why an attempt failed.
#[pyclass(frozen, module = "pyqueue._core")]
#[derive(Clone)]
pub struct Failure {
    pub inner: job::Failure,
}

#[pymethods]
impl Failure {
    #[new]
    #[pyo3(signature = (error, message, traceback=None, body=None))]
    fn new(error: String, message: String, traceback: Option<String>, body: Option<Vec<u8>>) -> Self {
        let payload = body.map(|body| Payload { content_type: None, body });
        Failure { inner: job::Failure { error, message, traceback, payload } }
    }

    #[getter]
    fn error(&self) -> &str {
        &self.inner.error
    }

    #[getter]
    fn message(&self) -> &str {
        &self.inner.message
    }

    #[getter]
    fn traceback(&self) -> Option<&str> {
        self.inner.traceback.as_deref()
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.inner.payload.as_ref().map(|payload| PyBytes::new(py, &payload.body))
    }
}

/// How an attempt ended.
#[pyclass(frozen, module = "pyqueue._core")]
#[derive(Clone)]
pub struct Outcome {
    pub inner: job::Outcome,
}

#[pymethods]
impl Outcome {
    #[staticmethod]
    #[pyo3(signature = (body=None, content_type=None))]
    fn success(body: Option<Vec<u8>>, content_type: Option<String>) -> Self {
        Outcome { inner: job::Outcome::Success(body.map(|body| Payload { content_type, body })) }
    }

    #[staticmethod]
    fn failure(failure: &Failure) -> Self {
        Outcome { inner: job::Outcome::Failure(failure.inner.clone()) }
    }

    #[staticmethod]
    fn retry(delay_us: i64, failure: &Failure) -> Self {
        Outcome { inner: job::Outcome::Retry { delay_us, failure: failure.inner.clone() } }
    }

    #[staticmethod]
    #[pyo3(signature = (reason, charged=true))]
    fn lost(reason: String, charged: bool) -> Self {
        Outcome { inner: job::Outcome::Lost { reason, charged } }
    }

    #[staticmethod]
    fn given_back() -> Self {
        Outcome { inner: job::Outcome::GivenBack }
    }
}

/// A job under a lease.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Job {
    pub inner: job::ClaimedJob,
    /// Its place in the page it was offered through, in a child.
    pub offer: Option<Offer>,
}

#[pymethods]
impl Job {
    #[getter]
    fn id(&self) -> &str {
        &self.inner.id
    }

    #[getter]
    fn token(&self) -> i64 {
        self.inner.token
    }

    #[getter]
    fn task(&self) -> &str {
        &self.inner.task
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.payload.body)
    }

    #[getter]
    fn content_type(&self) -> Option<&str> {
        self.inner.payload.content_type.as_deref()
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
    fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    #[getter]
    fn retries(&self) -> u32 {
        self.inner.retries
    }

    #[getter]
    fn time_limit_us(&self) -> Option<i64> {
        self.inner.time_limit_us
    }

    #[getter]
    fn soft_time_limit_us(&self) -> Option<i64> {
        self.inner.soft_time_limit_us
    }

    #[getter]
    fn enqueued_us(&self) -> i64 {
        self.inner.enqueued_us
    }
}
