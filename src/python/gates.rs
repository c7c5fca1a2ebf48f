//! Gates as Python classes: what keeps jobs waiting.

use std::sync::Arc;

use pyo3::prelude::*;

use super::away::away;
use super::exceptions::to_py;
use super::store::Store;
use crate::error::Error;
use crate::store::{self, GateView, Hold, Pattern, Scope};

/// Patterns of task, queue and dedup key.
type Fits = (Option<String>, Option<String>, Option<String>);

/// Exactly one of them.
fn scope(task: Option<String>, queue: Option<String>, fits: Option<Fits>) -> PyResult<Scope> {
    match (task, queue, fits) {
        (Some(task), None, None) => Ok(Scope::Task(task)),
        (None, Some(queue), None) => Ok(Scope::Queue(queue)),
        (None, None, Some((task, queue, key))) => Ok(Scope::Fits(Pattern { task, queue, key })),
        _ => Err(to_py(Error::invalid("say what: one of task=, queue= and fits="))),
    }
}

/// What keeps jobs waiting.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Gate {
    inner: GateView,
}

#[pymethods]
impl Gate {
    #[getter]
    fn scope(&self) -> &'static str {
        match self.inner.scope {
            Scope::Task(_) => "task",
            Scope::Queue(_) => "queue",
            Scope::Fits(_) => "fits",
        }
    }

    #[getter]
    fn task(&self) -> Option<&str> {
        match &self.inner.scope {
            Scope::Task(name) => Some(name),
            Scope::Queue(_) => None,
            Scope::Fits(pattern) => pattern.task.as_deref(),
        }
    }

    #[getter]
    fn queue(&self) -> Option<&str> {
        match &self.inner.scope {
            Scope::Task(_) => None,
            Scope::Queue(name) => Some(name),
            Scope::Fits(pattern) => pattern.queue.as_deref(),
        }
    }

    #[getter]
    fn key(&self) -> Option<&str> {
        match &self.inner.scope {
            Scope::Fits(pattern) => pattern.key.as_deref(),
            _ => None,
        }
    }

    #[getter]
    fn shut(&self) -> bool {
        self.inner.shut
    }

    #[getter]
    fn waiting(&self) -> u64 {
        self.inner.waiting
    }

    #[getter]
    fn rate_us(&self) -> Option<i64> {
        self.inner.rate_us
    }

    #[getter]
    fn since_us(&self) -> Option<i64> {
        self.inner.since_us
    }

    #[getter]
    fn author(&self) -> Option<&str> {
        self.inner.author.as_deref()
    }

    #[getter]
    fn reason(&self) -> Option<&str> {
        self.inner.reason.as_deref()
    }
}

/// The gates of a file.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Gates {
    core: Arc<store::Store>,
}

#[pymethods]
impl Gates {
    #[new]
    fn new(store: PyRef<'_, Store>) -> Self {
        Gates { core: store.core() }
    }

    #[pyo3(signature = (*, task=None, queue=None, fits=None, author=None, reason=None, running=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python class")]
    fn pause(
        &self,
        py: Python<'_>,
        task: Option<String>,
        queue: Option<String>,
        fits: Option<Fits>,
        author: Option<String>,
        reason: Option<String>,
        running: Option<(i32, i64)>,
    ) -> PyResult<usize> {
        let scope = scope(task, queue, fits)?;
        away(py, || self.core.hold(scope, Hold { author, reason, running }))
    }

    #[pyo3(signature = (*, task=None, queue=None, fits=None, rate_us=None))]
    fn resume(
        &self,
        py: Python<'_>,
        task: Option<String>,
        queue: Option<String>,
        fits: Option<Fits>,
        rate_us: Option<i64>,
    ) -> PyResult<bool> {
        let scope = scope(task, queue, fits)?;
        away(py, || self.core.let_out(scope, rate_us))
    }

    #[pyo3(signature = (*, task=None, queue=None, fits=None, rate_us=None))]
    fn meter(
        &self,
        py: Python<'_>,
        task: Option<String>,
        queue: Option<String>,
        fits: Option<Fits>,
        rate_us: Option<i64>,
    ) -> PyResult<()> {
        let scope = scope(task, queue, fits)?;
        away(py, || self.core.meter(scope, rate_us))
    }

    fn list(&self, py: Python<'_>) -> PyResult<Vec<Gate>> {
        let found = away(py, || self.core.gates())?;
        Ok(found.into_iter().map(|inner| Gate { inner }).collect())
    }
}
