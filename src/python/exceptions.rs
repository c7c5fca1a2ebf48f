//! One error of the core, one Python exception: one match.

use pyo3::exceptions::{PyException, PyInterruptedError, PyOSError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::error::Error;

/// The exceptions, each with a standard one beside the common base where one fits: (name, doc).
const TREE: [(&str, &str); 8] = [
    ("LeaseLost", "The token no longer covers the job; nothing was written."),
    ("InvalidJob", "An argument can't be stored."),
    ("FileRefused", "The file can't be used as a queue; it was left unchanged."),
    ("DiskFull", "No room for the write; nothing of it was stored."),
    ("DatabaseBusy", "Another connection held the write lock for too long; nothing was stored."),
    ("DatabaseIOError", "The system refused to read or write."),
    ("DatabaseCorrupt", "The file is damaged."),
    ("QueueError", "Base of every exception of the core."),
];

static TYPES: PyOnceLock<Vec<Py<PyType>>> = PyOnceLock::new();

fn types(py: Python<'_>) -> PyResult<&Vec<Py<PyType>>> {
    TYPES.get_or_try_init(py, || {
        let base = make(py, 7, &[py.get_type::<PyException>()])?;
        let mut all = Vec::with_capacity(TREE.len());
        for at in 0..7 {
            let mut bases = vec![base.clone()];
            match TREE[at].0 {
                "InvalidJob" => bases.push(py.get_type::<PyValueError>()),
                "DiskFull" | "DatabaseIOError" => bases.push(py.get_type::<PyOSError>()),
                "DatabaseBusy" => bases.push(py.get_type::<PyTimeoutError>()),
                _ => {}
            }
            all.push(make(py, at, &bases)?.unbind());
        }
        all.push(base.unbind());
        Ok(all)
    })
}

fn make<'py>(py: Python<'py>, at: usize, bases: &[Bound<'py, PyType>]) -> PyResult<Bound<'py, PyType>> {
    let (name, doc) = TREE[at];
    let body = PyDict::new(py);
    body.set_item("__doc__", doc)?;
    body.set_item("__module__", "pyqueue._core")?;
    let made = py.get_type::<PyType>().call1((name, PyTuple::new(py, bases)?, body))?;
    Ok(made.cast_into::<PyType>()?)
}

/// Puts the exceptions into the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    for (at, kind) in types(py)?.iter().enumerate() {
        module.add(TREE[at].0, kind.bind(py))?;
    }
    Ok(())
}

/// The Python exception of an error.
pub fn to_py(error: Error) -> PyErr {
    Python::attach(|py| {
        let at = match &error {
            Error::LeaseLost { .. } | Error::Fenced { .. } => 0,
            Error::Invalid(_) => 1,
            Error::Refused { .. } => 2,
            Error::Full(_) => 3,
            Error::Busy { .. } => 4,
            Error::Io(_) => 5,
            Error::Corrupt(_) => 6,
            Error::Interrupted => return PyInterruptedError::new_err(error.to_string()),
            Error::System { .. } | Error::Wire(_) | Error::Sqlite(_) => 7,
        };
        match types(py) {
            Ok(types) => PyErr::from_type(types[at].bind(py).clone(), error.to_string()),
            Err(failed) => failed,
        }
    })
}
