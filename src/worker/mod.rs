//! The supervisor and its children. Calls no Python.
