//! Our copy of SQLite made safe: locks, fork, busy, group commit. Knows no table of ours.
//!
//! * `syscalls`, `descriptors`: safe beside the application's own copy of SQLite
//! * `fork`: safe across fork
//! * `faults`: system calls that fail when a test orders it
//! * `check`: refuses files that can't be safe; `draft`: how a new one appears
//! * `connection`: settings and waiting
//! * `room`, `blocks`: full disks
//! * `database`, `writer`, `ticket`: one writer with group commit, readers beside it

pub mod blocks;
mod check;
mod connection;
mod database;
mod descriptors;
mod draft;
mod faults;
pub mod fork;
pub mod room;
mod syscalls;
#[cfg(test)]
mod tests;
mod ticket;
mod writer;

pub use database::Database;
pub use draft::APPLICATION_ID;
pub use syscalls::STOCK_LOCKS;
pub use writer::Tx;

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Power loss.
    Full,
    /// The death of any process; power loss may take the newest commits.
    Normal,
}
