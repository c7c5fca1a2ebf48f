//! Ring a sleeper, wait for a ring. Knows no SQL.

/// A mapped side file of futex words.
pub struct Bell;
