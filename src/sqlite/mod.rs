//! Our copy of SQLite made safe: locks, fork, busy, group commit. Knows no table of ours.

/// What an acknowledged write survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Power loss.
    Full,
    /// The death of any process; power loss may take the newest commits.
    Normal,
}
