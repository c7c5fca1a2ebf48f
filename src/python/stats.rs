//! How long jobs waited and ran, as Python classes.

use std::collections::BTreeMap;

use pyo3::prelude::*;

use super::away::away;
use super::store::Store;
use crate::store::{self, Spread};

/// A task's share.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
#[derive(Clone)]
pub struct TaskStats {
    task: String,
    runs: u64,
    outcomes: BTreeMap<&'static str, u64>,
    waited: Quantiles,
    ran: Quantiles,
}

/// How many; p50, p95, p99, the largest (µs).
type Quantiles = (u64, i64, i64, i64, i64);

/// What the history says since an instant.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct Stats {
    tasks: Vec<TaskStats>,
    rows: u64,
    cut: bool,
    first_us: Option<i64>,
}

#[pymethods]
impl Stats {
    #[new]
    #[pyo3(signature = (store, since_us, limit, task=None))]
    fn new(py: Python<'_>, store: &Store, since_us: i64, limit: usize, task: Option<&str>) -> PyResult<Self> {
        let core = store.core();
        let store::Stats { tasks, rows, cut, first_us } = away(py, || core.stats(task, since_us, limit))?;
        let quantiles = |Spread { count, p50, p95, p99, most }| (count, p50, p95, p99, most);
        let of = |store::TaskStats { task, runs, outcomes, waited, ran }| TaskStats {
            task,
            runs,
            outcomes: store::outcomes().into_iter().zip(outcomes).collect(),
            waited: quantiles(waited),
            ran: quantiles(ran),
        };
        Ok(Stats { tasks: tasks.into_iter().map(of).collect(), rows, cut, first_us })
    }
}
