//! `ChildPipe`: the child's end as Python sees it.

use pyo3::prelude::*;

use super::exceptions::to_py;
use super::job::{Job, Outcome};
use crate::error::Error;
use crate::worker::pipe::Pipe;

/// The child's end: takes standard input over and puts /dev/null in its place.
#[pyclass(frozen, module = "pyqueue._core")]
pub struct ChildPipe {
    inner: Pipe,
}

#[pymethods]
impl ChildPipe {
    #[new]
    fn new() -> PyResult<ChildPipe> {
        Pipe::from_stdin().map(|inner| ChildPipe { inner }).map_err(to_py)
    }

    /// Tells the supervisor that jobs may come.
    fn ready(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.ready()).map_err(to_py)
    }

    /// Tells the supervisor that the child can't start, and why.
    fn failed(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        py.detach(|| self.inner.failed(text)).map_err(to_py)
    }

    /// The next job that is still ours to run; None when the supervisor is gone or done.
    fn recv(&self, py: Python<'_>) -> PyResult<Option<Job>> {
        loop {
            match py.detach(|| self.inner.recv()) {
                Ok(taken) => return Ok(taken.map(|(inner, offer)| Job { inner, offer: Some(offer) })),
                Err(Error::Interrupted) => py.check_signals()?,
                Err(error) => return Err(to_py(error)),
            }
        }
    }

    /// How it ended.
    fn send(&self, py: Python<'_>, job: PyRef<'_, Job>, outcome: PyRef<'_, Outcome>) -> PyResult<()> {
        let offer = job.offer.ok_or_else(|| to_py(Error::invalid("the job did not come from this pipe")))?;
        let then = outcome.then(self.inner.now_us());
        let (job, outcome, beside) = (&job.inner, outcome.inner.clone(), outcome.beside.clone());
        py.detach(|| self.inner.send(job, offer, outcome, then, beside)).map_err(to_py)
    }
}
