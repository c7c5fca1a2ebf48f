//! `ChildPipe`: the child's end as Python sees it.

use std::os::fd::AsRawFd;

use pyo3::exceptions::PyEOFError;
use pyo3::prelude::*;

use super::exceptions::to_py;
use super::job::{Job, Outcome};
use crate::error::Error;
use crate::worker::page::{LEAVING, REVOKED};
use crate::worker::pipe::{Next, Pipe};

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

    /// Tells the supervisor that jobs of these tasks may come.
    fn ready(&self, py: Python<'_>, tasks: Vec<String>) -> PyResult<()> {
        py.detach(|| self.inner.ready(&tasks)).map_err(to_py)
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

    /// The next job that is still ours to run, or None where none is here. Raises EOFError when none will come.
    fn try_recv(&self, py: Python<'_>) -> PyResult<Option<Job>> {
        match py.detach(|| self.inner.try_recv()).map_err(to_py)? {
            Next::Job(inner, offer) => Ok(Some(Job { inner: *inner, offer: Some(offer) })),
            Next::None => Ok(None),
            Next::Over => Err(PyEOFError::new_err("no jobs come any more")),
        }
    }

    /// What the supervisor has told about a running job: whether it was revoked, whether it should come to its end.
    fn told(&self, job: PyRef<'_, Job>) -> (bool, bool) {
        let flags = job.offer.map_or(0, |offer| self.inner.flags(offer));
        (flags & REVOKED != 0, flags & LEAVING != 0)
    }

    /// Can be read when ``try_recv`` may have something.
    fn fileno(&self) -> i32 {
        self.inner.fd().as_raw_fd()
    }

    /// How it ended.
    fn send(&self, py: Python<'_>, job: PyRef<'_, Job>, outcome: PyRef<'_, Outcome>) -> PyResult<()> {
        let offer = job.offer.ok_or_else(|| to_py(Error::invalid("the job did not come from this pipe")))?;
        let then = outcome.then(self.inner.now_us());
        let (job, outcome, beside) = (&job.inner, outcome.inner.clone(), outcome.said(self.inner.now_us()));
        py.detach(|| self.inner.send(job, offer, outcome, then, beside)).map_err(to_py)
    }
}
