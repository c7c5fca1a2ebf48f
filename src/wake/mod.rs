//! Ring a sleeper, wait for a ring, notice strangers. Knows no SQL.

mod bell;
mod foreign;
mod futex;
mod map;

pub use bell::{Bell, Line, Wake};
pub use foreign::Foreign;
pub(crate) use map::{Shared, regular, system};
