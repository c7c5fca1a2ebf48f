//! What has happened, as Python classes.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::away::away;
use super::job::Failure;
use super::store::Store;
use crate::store;
use crate::wake::Line;

/// Something that has happened.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Happened {
    #[pyo3(get)]
    kind: &'static str,
    #[pyo3(get)]
    cursor: String,
    #[pyo3(get)]
    clock: i64,
    #[pyo3(get)]
    at_us: i64,
    #[pyo3(get)]
    id: Option<String>,
    #[pyo3(get)]
    task: Option<String>,
    #[pyo3(get)]
    queue: Option<String>,
    #[pyo3(get)]
    priority: Option<i8>,
    #[pyo3(get)]
    retries: Option<u32>,
    #[pyo3(get)]
    worker: Option<i64>,
    #[pyo3(get)]
    hostname: Option<String>,
    #[pyo3(get)]
    pid: Option<i64>,
    #[pyo3(get)]
    active: Option<i64>,
    #[pyo3(get)]
    runtime_us: Option<i64>,
    #[pyo3(get)]
    eta_us: Option<i64>,
    #[pyo3(get)]
    content_type: Option<String>,
    #[pyo3(get)]
    outcome: Option<&'static str>,
    #[pyo3(get)]
    missed: Option<i64>,
    #[pyo3(get)]
    since_us: Option<i64>,
    body: Option<Vec<u8>>,
    failure: Option<crate::job::Failure>,
}

#[pymethods]
impl Happened {
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.body.as_ref().map(|body| PyBytes::new(py, body))
    }

    #[getter]
    fn failure(&self) -> Option<Failure> {
        self.failure.clone().map(|inner| Failure { inner })
    }
}

impl From<store::Happened> for Happened {
    fn from(event: store::Happened) -> Self {
        let (content_type, body) =
            event.payload.map_or((None, None), |payload| (payload.content_type, Some(payload.body)));
        Happened {
            kind: event.kind,
            cursor: event.cursor,
            clock: event.clock,
            at_us: event.at_us,
            id: event.id,
            task: event.task,
            queue: event.queue,
            priority: event.priority,
            retries: event.retries,
            worker: event.worker,
            hostname: event.hostname,
            pid: event.pid,
            active: event.active,
            runtime_us: event.runtime_us,
            eta_us: event.eta_us,
            content_type,
            outcome: event.outcome,
            missed: event.missed,
            since_us: event.since_us,
            body,
            failure: event.failure,
        }
    }
}

/// What happens in one file.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Events {
    store: Arc<store::Store>,
    reader: store::Reader,
}

#[pymethods]
impl Events {
    #[new]
    fn new(store: &Store) -> Self {
        Events { store: store.core(), reader: store::Reader::default() }
    }

    fn cursor(&self, py: Python<'_>, newest: bool) -> PyResult<String> {
        away(py, || self.store.cursor(newest))
    }

    #[pyo3(signature = (after, kinds=None))]
    fn look(
        &self,
        py: Python<'_>,
        after: &str,
        kinds: Option<Vec<String>>,
    ) -> PyResult<(Vec<Happened>, String, bool)> {
        let look = away(py, || self.reader.look(&self.store, after, kinds.as_deref()))?;
        Ok((look.events.into_iter().map(Happened::from).collect(), look.cursor, look.more))
    }

    fn follow(&self, py: Python<'_>, until_us: i64, all: bool) -> PyResult<()> {
        away(py, || self.store.follow(until_us, all))
    }

    fn until(&self, py: Python<'_>, until_us: i64) -> PyResult<()> {
        away(py, || self.store.events_until(until_us))
    }

    fn rung(&self, py: Python<'_>) -> PyResult<u32> {
        away(py, || Ok(self.store.bell()?.seen(Line::Events)))
    }

    fn wait(&self, py: Python<'_>, rung: u32, timeout_us: u64) -> PyResult<()> {
        away(py, || {
            self.store.bell()?.wait(Line::Events, rung, Some(Duration::from_micros(timeout_us)));
            Ok(())
        })?;
        py.check_signals()
    }
}
