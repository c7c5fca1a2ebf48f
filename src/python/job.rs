//! The nouns of a job's life as Python classes.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::exceptions::to_py;
use super::workflow::Plan;
use crate::error::Error;
use crate::job::{self, Beside, Budget, Dedup, Errback, Instead, Log, Payload};
use crate::worker::pipe::Offer;

/// A call to be stored.
#[pyclass(frozen, module = "pyqueue._core")]
#[derive(Clone)]
pub struct NewJob {
    inner: job::NewJob,
    /// Relative to the moment of storing, by the store's clock (µs).
    delay_us: Option<i64>,
}

#[pymethods]
impl NewJob {
    #[new]
    #[pyo3(signature = (task, body, *, queue="default", priority=0, content_type=None, delay_us=None,
        run_at_us=None, expires_us=None, dedup_key=None, dedup="return", dedup_window_us=None, task_id=None,
        max_losses=5, time_limit_us=None, soft_time_limit_us=None, errbacks=Vec::new()))]
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
        dedup: &str,
        dedup_window_us: Option<i64>,
        task_id: Option<String>,
        max_losses: u32,
        time_limit_us: Option<i64>,
        soft_time_limit_us: Option<i64>,
        errbacks: Vec<PyRef<'_, NewJob>>,
    ) -> PyResult<Self> {
        let priority = i8::try_from(priority).map_err(|_| {
            to_py(Error::invalid(format!("a priority is -128 to 127 (higher runs first), not {priority}")))
        })?;
        if [time_limit_us, soft_time_limit_us].iter().flatten().any(|limit| *limit <= 0) {
            return Err(to_py(Error::invalid("a time limit must be more than 0 seconds")));
        }
        let dedup = match dedup {
            "return" => Dedup::Return,
            "refuse" => Dedup::Refuse,
            "replace" => Dedup::Replace,
            other => {
                let text = format!("dedup is \"return\", \"refuse\" or \"replace\", not {other:?}");
                return Err(to_py(Error::invalid(text)));
            }
        };
        let inner = job::NewJob {
            task,
            payload: Payload { content_type, body },
            queue: queue.to_owned(),
            priority,
            run_at_us,
            expires_us,
            dedup_key,
            dedup,
            dedup_window_us,
            alias: task_id,
            max_losses,
            time_limit_us,
            soft_time_limit_us,
            errbacks: errbacks.iter().map(|errback| errback.as_errback()).collect(),
        };
        crate::store::check(&inner).map_err(to_py)?;
        Ok(NewJob { inner, delay_us })
    }

    /// The same with another body.
    fn with_body(&self, body: Vec<u8>) -> NewJob {
        let payload = Payload { content_type: self.inner.payload.content_type.clone(), body };
        // Not by cloning all of it: the body would be copied to be dropped.
        let inner = job::NewJob {
            payload,
            task: self.inner.task.clone(),
            queue: self.inner.queue.clone(),
            dedup_key: self.inner.dedup_key.clone(),
            alias: self.inner.alias.clone(),
            errbacks: self.inner.errbacks.clone(),
            ..self.inner
        };
        NewJob { inner, delay_us: self.delay_us }
    }
}

impl NewJob {
    fn as_errback(&self) -> Errback {
        Errback { delay_us: self.delay_us, job: job::NewJob { errbacks: Vec::new(), ..self.inner.clone() } }
    }

    /// How long it is to wait, relative to a moment (µs).
    pub fn delay_us(&self) -> Option<i64> {
        self.delay_us
    }

    /// The job without that.
    pub fn undelayed(self) -> job::NewJob {
        self.inner
    }

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
    /// Jobs to be stored in the transaction that writes it.
    then: Vec<NewJob>,
    /// Jobs that each fill one more input of the node that this job fills.
    members: Vec<NewJob>,
    beside: Option<Box<Beside>>,
}

impl From<job::Outcome> for Outcome {
    fn from(inner: job::Outcome) -> Self {
        Outcome { inner, then: Vec::new(), members: Vec::new(), beside: None }
    }
}

impl Outcome {
    /// The jobs that follow, with their delays counted from `now_us`, wall time.
    pub fn then(&self, now_us: i64) -> Vec<job::NewJob> {
        self.then.iter().map(|job| job.at(now_us)).collect()
    }

    /// What is said beside it, with delays counted from `now_us`, wall time.
    pub fn said(&self, now_us: i64) -> Option<Box<Beside>> {
        let mut beside = self.beside.clone();
        if !self.members.is_empty() {
            let members = self.members.iter().map(|job| job.at(now_us)).collect();
            beside.get_or_insert_default().members = members;
        }
        beside
    }
}

fn following(then: Vec<PyRef<'_, NewJob>>) -> Vec<NewJob> {
    then.iter().map(|job| NewJob::clone(job)).collect()
}

#[pymethods]
impl Outcome {
    #[staticmethod]
    #[pyo3(signature = (body=None, content_type=None, then=Vec::new()))]
    fn success(body: Option<Vec<u8>>, content_type: Option<String>, then: Vec<PyRef<'_, NewJob>>) -> Self {
        let inner = job::Outcome::Success(body.map(|body| Payload { content_type, body }));
        Outcome { then: following(then), ..inner.into() }
    }

    #[staticmethod]
    #[pyo3(signature = (failure, then=Vec::new()))]
    fn failure(failure: &Failure, then: Vec<PyRef<'_, NewJob>>) -> Self {
        let inner = job::Outcome::Failure(failure.inner.clone());
        Outcome { then: following(then), ..inner.into() }
    }

    #[staticmethod]
    #[pyo3(signature = (delay_us, failure, body=None, content_type=None, budget=None, queue=None))]
    fn retry(
        delay_us: i64,
        failure: &Failure,
        body: Option<Vec<u8>>,
        content_type: Option<String>,
        budget: Option<(u32, i64)>,
        queue: Option<String>,
    ) -> Self {
        let payload = body.map(|body| Payload { content_type, body });
        let inner = job::Outcome::Retry { delay_us, payload, failure: failure.inner.clone() };
        let budget = budget.map(|(most, period_us)| Budget { most, period_us });
        let said = budget.is_some() || queue.is_some();
        let beside = said.then(|| Box::new(Beside { budget, queue, ..Beside::default() }));
        Outcome { beside, ..inner.into() }
    }

    #[pyo3(signature = (*, log=None, keep_us=None, plans=Vec::new(), members=Vec::new()))]
    fn beside(
        &self,
        log: Option<(u32, Vec<u8>)>,
        keep_us: Option<i64>,
        plans: Vec<PyRef<'_, Plan>>,
        members: Vec<PyRef<'_, NewJob>>,
    ) -> PyResult<Self> {
        let mut beside = self.beside.clone().unwrap_or_default();
        beside.log = log.map(|(dropped, text)| Log { dropped, text }).or(beside.log);
        beside.keep_us = keep_us.or(beside.keep_us);
        for plan in plans {
            beside.plans.push(plan.sound()?);
        }
        let members = self.members.iter().cloned().chain(following(members)).collect();
        Ok(Outcome { beside: Some(beside), members, ..self.clone() })
    }

    #[staticmethod]
    #[pyo3(signature = (plan, task, body, content_type=None))]
    fn replaced(
        plan: PyRef<'_, Plan>,
        task: String,
        body: Vec<u8>,
        content_type: Option<String>,
    ) -> PyResult<Self> {
        let payload = Some(Payload { content_type, body });
        let inner = job::Outcome::Retry { delay_us: 0, payload, failure: job::Failure::default() };
        let instead = Some(Box::new(Instead { task, plan: plan.sound()? }));
        let beside = Some(Box::new(Beside { instead, ..Beside::default() }));
        Ok(Outcome { beside, ..inner.into() })
    }

    #[staticmethod]
    #[pyo3(signature = (reason, charged=true))]
    fn lost(reason: String, charged: bool) -> Self {
        job::Outcome::Lost { reason, charged }.into()
    }

    #[staticmethod]
    fn given_back() -> Self {
        job::Outcome::GivenBack.into()
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
    fn row(&self) -> i64 {
        self.inner.row.0
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
