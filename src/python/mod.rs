//! The only pyo3.
