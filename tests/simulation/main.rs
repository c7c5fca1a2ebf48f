//! The store and our SQLite in a world of their own: processes that take turns at every statement, a disk in memory,
//! clocks that jump. All of it follows from one number, so that whatever fails can be seen again.
//!
//! * `PYQUEUE_SEED=n cargo test --release --test simulation` runs one seed and prints what happened in it.
//! * `PYQUEUE_OFTEN=1` with it compares the file in every transaction, which shows a difference sooner; but whoever looks
//!   may have to wait, so that it can be another run.
//! * `PYQUEUE_SEEDS=200000 PYQUEUE_FROM=1` runs more than the usual 1,500.
//!
//! * `vfs`: the disk; `world`, `weather`, `process`, `dice`: whose turn it is, time, deaths, chance
//! * `verbs`, `client`, `program`, `sending`, `ticking`, `making`, `composing`, `reading`, `watching`, `forking`, `gating`,
//!   `selecting`, `commanding`: what the processes do
//! * `room`, `refusals`: full disks, files that are not ours
//! * `model`, `promises`, `seen`, `doubts`: what must come of it
//! * `seed`: one run; `seeds`: many; `lies`: the control arm (guards of the store itself are switched off by
//!   `python -m tests.mutants`)
//! * `power`: power cuts, with a program of its own
//!
//! Not played here: threads of one process that share a writer, and what the system does with descriptors and locks
//! over a fork (both are process-wide in the core: `src/sqlite/tests/`). Between the end of a transaction and its
//! answer nobody else runs, so that the order of answers is that of the commits; processes are killed there as
//! anywhere else.
#![allow(clippy::unwrap_used, reason = "a test")]

mod client;
mod commanding;
mod composing;
mod dice;
mod doubts;
mod forking;
mod gating;
mod lies;
mod making;
mod model;
mod power;
mod process;
mod program;
mod promises;
mod reading;
mod refusals;
mod room;
mod seed;
mod seeds;
mod seen;
mod selecting;
mod sending;
mod ticking;
mod verbs;
mod vfs;
mod vfs_tests;
mod watching;
mod weather;
mod world;
