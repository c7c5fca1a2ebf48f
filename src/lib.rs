//! The core of pyqueue: everything that must be true after a crash (rows, leases, time, processes).
//!
//! Layers import from left to right only: nouns → sqlite → wake → store → worker → python.
//!
//! * nouns (`error`, `id`, `job`, `clock`, `codec`, `plan`, `nouns`, `mutants`): plain values, also as bytes; no SQL, no Python
//! * `sqlite`: our copy of SQLite made safe (locks, fork, busy, group commit); knows no table of ours
//! * `wake`: ring a sleeper, wait for a ring; knows no SQL
//! * `store`: all SQL; one verb a file
//! * `worker`: the supervisor and its children; calls no Python
//! * `python`: the only pyo3 (cargo feature `python`)
#![warn(missing_docs)]

#[cfg(not(target_os = "linux"))]
compile_error!("pyqueue runs on Linux 5.10 or newer only: it needs OFD locks, futexes and pidfds.");

pub mod clock;
mod codec;
pub mod error;
pub mod id;
pub mod job;
pub mod mutants;
mod nouns;
pub mod plan;
#[cfg(feature = "python")]
mod python;
pub mod sqlite;
pub mod store;
pub mod wake;
pub mod worker;

pub use error::{Error, Result};
