//! The supervisor and its children. Calls no Python.

mod codec;
pub mod page;
pub mod pipe;
pub mod signals;
pub mod wire;
