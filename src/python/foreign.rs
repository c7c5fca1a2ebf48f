//! What a connection that is not ours needs to write our two tables: the statements, and their values.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::job::NewJob;
use crate::job::Dedup;
use crate::store::{self, foreign};

/// Puts the statements into the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INBOX_INSERT", foreign::INSERT)?;
    module.add("INBOX_INSERT_PLAIN", foreign::INSERT_PLAIN)?;
    module.add("ID_KEPT", foreign::KEPT)?;
    module.add("KEY_HOLDER", foreign::HOLDER)?;
    module.add("LEASE_HELD", foreign::FENCE)?;
    module.add("RECEIPT_INSERT", foreign::RECEIPT)
}

/// A job's values for `INBOX_INSERT`. Its id is the caller's own.
pub fn letter<'py>(py: Python<'py>, job: &NewJob, now_us: i64) -> PyResult<Bound<'py, PyTuple>> {
    let job = job.at(now_us);
    let dedup = match job.dedup {
        Dedup::Return => "return",
        Dedup::Refuse => "refuse",
        Dedup::Replace => "replace",
    };
    let errbacks = store::foreign::errbacks(&job.errbacks).map(|list| PyBytes::new(py, &list));
    let first = (&job.alias, &job.task, PyBytes::new(py, &job.payload.body), &job.queue, job.priority);
    let second = (job.run_at_us, job.expires_us, &job.dedup_key, dedup, job.dedup_window_us);
    let third =
        (job.max_losses, job.time_limit_us, job.soft_time_limit_us, errbacks, &job.payload.content_type);
    let parts = [first.into_pyobject(py)?, second.into_pyobject(py)?, third.into_pyobject(py)?];
    PyTuple::new(py, parts.iter().flat_map(|part| part.iter()).collect::<Vec<_>>())
}
