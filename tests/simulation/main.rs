//! The store and our SQLite on an in-memory disk.
#![allow(clippy::unwrap_used, reason = "a test")]

mod vfs;
mod vfs_tests;
