//! Jobs by what they are, as a Python class.

use std::sync::Arc;

use pyo3::prelude::*;

use super::away::away;
use super::exceptions::to_py;
use super::status::{self, JobSummary};
use super::store::Store;
use crate::error::Error;
use crate::store::{self, Act, Acted, Condition};

/// What a condition compares with.
#[derive(FromPyObject)]
enum Operand {
    Number(i64),
    Text(String),
}

fn condition(field: &str, is: bool, operand: Operand) -> PyResult<Condition> {
    Ok(match (field, operand) {
        ("task", Operand::Text(pattern)) => Condition::Task(pattern, is),
        ("queue", Operand::Text(pattern)) => Condition::Queue(pattern, is),
        ("key", Operand::Text(pattern)) => Condition::Key(pattern, is),
        ("state", Operand::Text(name)) => Condition::State(status::state(&name)?, is),
        ("made_us", Operand::Number(least)) => Condition::Made(least, is),
        ("priority", Operand::Number(least)) => Condition::Priority(least, is),
        ("retries", Operand::Number(least)) => Condition::Retries(least, is),
        _ => return Err(to_py(Error::invalid(format!("there is no such condition on {field:?}")))),
    })
}

/// Jobs done, asked to end, left alone because they run, and because their dedup key is taken.
fn counts(acted: Acted) -> (usize, usize, usize, usize) {
    (acted.done, acted.asked, acted.running, acted.taken)
}

/// The jobs that have not ended and fit conditions.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct Selection {
    core: Arc<store::Store>,
    conditions: Vec<Condition>,
}

impl Selection {
    fn act(&self, py: Python<'_>, act: Act) -> PyResult<(usize, usize, usize, usize)> {
        away(py, || self.core.act(self.conditions.clone(), act)).map(counts)
    }
}

#[pymethods]
impl Selection {
    #[new]
    fn new(store: PyRef<'_, Store>, conditions: Vec<(String, bool, Operand)>) -> PyResult<Self> {
        let conditions = conditions
            .into_iter()
            .map(|(field, is, operand)| condition(&field, is, operand))
            .collect::<PyResult<_>>()?;
        Ok(Selection { core: store.core(), conditions })
    }

    fn count(&self, py: Python<'_>) -> PyResult<usize> {
        away(py, || self.core.count(&self.conditions))
    }

    #[pyo3(signature = (limit=50))]
    fn list(&self, py: Python<'_>, limit: usize) -> PyResult<Vec<JobSummary>> {
        let found = away(py, || self.core.selected(&self.conditions, limit))?;
        Ok(found.into_iter().map(JobSummary::from).collect())
    }

    #[pyo3(signature = (running=None))]
    fn cancel(&self, py: Python<'_>, running: Option<(i32, i64)>) -> PyResult<(usize, usize, usize, usize)> {
        self.act(py, Act::Cancel(running))
    }

    fn r#move(&self, py: Python<'_>, queue: String) -> PyResult<(usize, usize, usize, usize)> {
        self.act(py, Act::Move(queue))
    }

    fn prioritize(&self, py: Python<'_>, priority: i8) -> PyResult<(usize, usize, usize, usize)> {
        self.act(py, Act::Priority(priority))
    }
}
