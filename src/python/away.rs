//! Away from the GIL: calls of the core leave it, and Python's signal handlers run while they wait.

use std::cell::Cell;

use pyo3::prelude::*;

use super::exceptions::to_py;
use crate::clock::Signals;
use crate::error::{Error, Result};
use crate::store::Store;

thread_local! {
    /// What a signal's Python handler raised while the core waited.
    static RAISED: Cell<Option<PyErr>> = const { Cell::new(None) };
}

/// Python's signal handlers, run while the core waits for others.
pub struct PythonSignals;

impl Signals for PythonSignals {
    fn arrived(&self) -> bool {
        // Python runs handlers in its main thread only; the supervisor's threads must not ask for the GIL.
        if rustix::thread::gettid() != rustix::process::getpid() {
            return false;
        }
        Python::attach(|py| py.check_signals().map_err(|raised| RAISED.set(Some(raised))).is_err())
    }
}

/// Leaves the GIL for a call of the core.
pub fn away<T: Send>(py: Python<'_>, call: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    py.detach(call).map_err(|error| match (&error, RAISED.take()) {
        (Error::Interrupted, Some(raised)) => raised,
        _ => to_py(error),
    })
}

/// The same for a call of a store.
pub fn on<T: Send>(
    py: Python<'_>,
    store: &Store,
    call: impl FnOnce(&Store) -> Result<T> + Send,
) -> PyResult<T> {
    away(py, || call(store))
}
