//! Text: the visible characters, the operations that the log records of them, and the tracker that replays concurrent
//! ones.
//!
//! Knows characters and positions. Does not know who made an operation or after what: that is the graph's.

pub(crate) mod branch;
pub(crate) mod branches;
pub(crate) mod buffer;
pub(crate) mod draft;
pub(crate) mod operations;
pub(crate) mod tracker;
pub(crate) mod unit;
