//! Waiting for the first of many jobs, as a Python class.

use std::sync::Arc;

use pyo3::prelude::*;

use super::exceptions::to_py;
use super::store::Store;
use crate::store;

/// Jobs that somebody waits for.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Watch {
    store: Arc<store::Store>,
    inner: store::Watch,
}

#[pymethods]
impl Watch {
    #[new]
    fn new(store: &Store) -> Self {
        Watch { store: store.core(), inner: store::Watch::default() }
    }

    fn add(&self, py: Python<'_>, id: String) -> PyResult<()> {
        py.detach(|| self.inner.add(&self.store, id)).map_err(to_py)
    }

    fn discard(&self, id: String) {
        self.inner.drop(id);
    }

    #[pyo3(signature = (timeout_us=None))]
    fn wait(&self, py: Python<'_>, timeout_us: Option<i64>) -> PyResult<Vec<String>> {
        let now = || self.store.env().clock.boot_us();
        let until = timeout_us.map(|time| now().saturating_add(time));
        loop {
            let ended = py.detach(|| self.inner.step(&self.store, until)).map_err(to_py)?;
            py.check_signals()?;
            if !ended.is_empty() || until.is_some_and(|at| at <= now()) {
                return Ok(ended);
            }
        }
    }
}
