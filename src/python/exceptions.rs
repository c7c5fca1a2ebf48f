//! One error of the core, one Python exception: one match.

use pyo3::exceptions::{PyException, PyInterruptedError, PyOSError, PyTimeoutError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::error::Error;

/// What a Python exception says of itself: name, doc, and the standard one that it also is.
type Kind = (&'static str, &'static str, Option<fn(Python<'_>) -> Bound<'_, PyType>>);

const BASE: Kind = ("QueueError", "Base of every exception of the core.", None);
const KINDS: [Kind; 10] = [
    ("LeaseLost", "The token no longer covers the job; nothing was written.", None),
    ("InvalidJob", "An argument can't be stored.", Some(|py| py.get_type::<PyValueError>())),
    ("FileRefused", "The file can't be used as a queue; it was left unchanged.", None),
    ("DiskFull", "No room for the write; nothing of it was stored.", Some(|py| py.get_type::<PyOSError>())),
    (
        "DatabaseBusy",
        "Another connection held the write lock for too long; nothing was stored.",
        Some(|py| py.get_type::<PyTimeoutError>()),
    ),
    ("DatabaseIOError", "The system refused to read or write.", Some(|py| py.get_type::<PyOSError>())),
    ("DatabaseCorrupt", "The file is damaged.", None),
    ("DuplicateJob", "The dedup key is taken; nothing was stored.", None),
    ("ProducerFenced", "The producer was opened again by somebody else; nothing was stored.", None),
    ("OutOfSequence", "A producer has left something out; nothing was stored.", None),
];

struct Types {
    base: Py<PyType>,
    kinds: Vec<Py<PyType>>,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

fn types(py: Python<'_>) -> PyResult<&Types> {
    TYPES.get_or_try_init(py, || {
        let base = make(py, &BASE, vec![py.get_type::<PyException>()])?;
        let kinds = KINDS.iter().map(|kind| {
            let bases = std::iter::once(base.clone()).chain(kind.2.map(|standard| standard(py))).collect();
            Ok(make(py, kind, bases)?.unbind())
        });
        let kinds = kinds.collect::<PyResult<_>>()?;
        Ok(Types { base: base.unbind(), kinds })
    })
}

fn make<'py>(py: Python<'py>, kind: &Kind, bases: Vec<Bound<'py, PyType>>) -> PyResult<Bound<'py, PyType>> {
    let body = PyDict::new(py);
    body.set_item("__doc__", kind.1)?;
    body.set_item("__module__", "pyqueue._core")?;
    let made = py.get_type::<PyType>().call1((kind.0, PyTuple::new(py, bases)?, body))?;
    Ok(made.cast_into::<PyType>()?)
}

/// Puts the exceptions into the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let types = types(module.py())?;
    module.add(BASE.0, types.base.bind(module.py()))?;
    for (kind, made) in KINDS.iter().zip(&types.kinds) {
        module.add(kind.0, made.bind(module.py()))?;
    }
    Ok(())
}

/// The Python exception of an error.
pub fn to_py(error: Error) -> PyErr {
    let text = error.to_string();
    let kind = match error {
        Error::LeaseLost { .. } | Error::Fenced { .. } => Some(0),
        Error::Invalid(_) => Some(1),
        Error::Refused { .. } => Some(2),
        Error::Full(_) => Some(3),
        Error::Busy { .. } => Some(4),
        Error::Io(_) => Some(5),
        Error::Corrupt(_) => Some(6),
        Error::Duplicate { .. } | Error::KeyTwice { .. } => Some(7),
        Error::ProducerFenced { .. } => Some(8),
        Error::OutOfSequence { .. } => Some(9),
        Error::Interrupted => return PyInterruptedError::new_err(text),
        Error::System { .. } | Error::Wire(_) | Error::Sqlite(_) => None,
    };
    Python::attach(|py| match types(py) {
        Ok(types) => {
            let made = kind.map_or(&types.base, |at| &types.kinds[at]);
            PyErr::from_type(made.bind(py).clone(), text)
        }
        Err(failed) => failed,
    })
}
