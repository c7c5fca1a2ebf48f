//! What came and what it took, as Python classes.

use pyo3::prelude::*;

use crate::store;

/// One task's share.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
#[derive(Clone)]
pub struct TaskLoad {
    task: String,
    jobs: u64,
    attempts: u64,
    seconds: f64,
    squares: f64,
    bytes: u64,
}

/// What came since an instant.
#[pyclass(frozen, get_all, module = "pyqueue._core")]
pub struct Load {
    tasks: Vec<TaskLoad>,
    first_us: Option<i64>,
    busiest: u64,
    unfinished: u64,
    file_bytes: u64,
}

impl From<store::Load> for Load {
    fn from(load: store::Load) -> Self {
        let of = |store::TaskLoad { task, jobs, attempts, seconds, squares, bytes }| TaskLoad {
            task,
            jobs,
            attempts,
            seconds,
            squares,
            bytes,
        };
        let store::Load { tasks, first_us, busiest, unfinished, file_bytes } = load;
        Load { tasks: tasks.into_iter().map(of).collect(), first_us, busiest, unfinished, file_bytes }
    }
}
