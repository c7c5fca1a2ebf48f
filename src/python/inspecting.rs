//! What `inspect` asks, as Python classes.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::away::on;
use super::exceptions::to_py;
use super::status::JobSummary;
use super::store::Store;
use crate::error::Error;
use crate::store;
use crate::worker::liveness;
use crate::worker::page::{Page, Seats};
use crate::worker::running::{self, Held, Hold};

/// A job under a lease.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct HeldJob {
    inner: Held,
}

impl From<Held> for HeldJob {
    fn from(inner: Held) -> Self {
        HeldJob { inner }
    }
}

#[pymethods]
impl HeldJob {
    #[getter]
    fn id(&self) -> &str {
        &self.inner.job.id
    }

    #[getter]
    fn task(&self) -> &str {
        &self.inner.job.task
    }

    #[getter]
    fn queue(&self) -> &str {
        &self.inner.job.queue
    }

    #[getter]
    fn priority(&self) -> i8 {
        self.inner.job.priority
    }

    #[getter]
    fn attempts(&self) -> u32 {
        self.inner.job.attempts
    }

    #[getter]
    fn retries(&self) -> u32 {
        self.inner.job.retries
    }

    #[getter]
    fn enqueued_us(&self) -> i64 {
        self.inner.job.enqueued_us
    }

    #[getter]
    fn time_limit_us(&self) -> Option<i64> {
        self.inner.job.time_limit_us
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.inner.job.payload.body)
    }

    #[getter]
    fn content_type(&self) -> Option<&str> {
        self.inner.job.payload.content_type.as_deref()
    }

    #[getter]
    fn worker(&self) -> i64 {
        self.inner.job.owner
    }

    /// active reserved ending lost
    #[getter]
    fn state(&self) -> &'static str {
        self.inner.hold.name()
    }

    #[getter]
    fn started_us(&self) -> Option<i64> {
        self.inner.started_us
    }

    #[getter]
    fn pid(&self) -> Option<u32> {
        self.inner.pid
    }

    #[getter]
    fn stopped(&self) -> bool {
        self.inner.stopped
    }
}

/// A worker, when it entered the file, and what it says of itself.
type Said<'py> = (i64, i64, Bound<'py, PyBytes>);

/// Tasks and how many jobs of each have run; and of all others.
type Tally = (Vec<(String, u32)>, u32);

/// Looks at a file and at the workers that serve it; asks none of them.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Inspecting {
    store: Arc<store::Store>,
}

#[pymethods]
impl Inspecting {
    #[new]
    fn new(store: &Store) -> Self {
        Inspecting { store: store.core() }
    }

    fn facts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Said<'py>>> {
        let facts = on(py, &self.store, store::Store::facts)?.into_iter();
        Ok(facts.map(|(id, facts)| (id, facts.joined_us, PyBytes::new(py, &facts.said))).collect())
    }

    #[pyo3(signature = (state, *, limit))]
    fn held(&self, py: Python<'_>, state: &str, limit: usize) -> PyResult<Vec<HeldJob>> {
        let wanted = [Hold::Active, Hold::Reserved, Hold::Ending, Hold::Lost]
            .into_iter()
            .find(|hold| hold.name() == state)
            .ok_or_else(|| to_py(Error::invalid(format!("no job is held as {state:?}"))))?;
        let found = on(py, &self.store, |store| running::held(store, wanted, limit))?;
        Ok(found.into_iter().map(HeldJob::from).collect())
    }

    fn held_of(&self, py: Python<'_>, ids: Vec<String>) -> PyResult<Vec<HeldJob>> {
        let found = on(py, &self.store, |store| running::held_of(store, &ids))?;
        Ok(found.into_iter().map(HeldJob::from).collect())
    }

    #[pyo3(signature = (*, limit))]
    fn scheduled(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<JobSummary>> {
        let found = on(py, &self.store, |store| store.scheduled(limit))?;
        Ok(found.into_iter().map(JobSummary::from).collect())
    }

    #[pyo3(signature = (*, limit))]
    fn revoked(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<String>> {
        on(py, &self.store, |store| store.revoked(limit))
    }

    fn children(&self, py: Python<'_>, worker: i64) -> PyResult<Vec<u32>> {
        on(py, &self.store, |store| {
            let page = liveness::page_path(&store.directory()?, worker);
            Ok(Page::seats_at(&page, store.env().clock.identity()).map(Seats::processes).unwrap_or_default())
        })
    }

    fn tally(&self, py: Python<'_>, worker: i64, tasks: Vec<String>) -> PyResult<Tally> {
        on(py, &self.store, |store| {
            let page = liveness::page_path(&store.directory()?, worker);
            let (counts, others) = Page::tally_at(&page, &tasks).unwrap_or_default();
            Ok((counts.into_iter().collect(), others))
        })
    }
}
