//! Where time meets space: from the graph and the operations to the text.
//!
//! - `linear`: stretches in which every event has seen all before it need no state at all;
//! - `short`: short windows of concurrent events are seen from any version, in a list;
//! - `apart`: windows of branches that never met are replayed branch by branch;
//! - `merge`: other windows of concurrent events are walked through the tracker, and only here do graph and tracker meet;
//! - `remembered`: versions far apart at which events are made by turns;
//! - `arrival`: what was replayed in another order is told in the order in which it came;
//! - `checkout`: the text of a whole log;
//! - `patch`: what a change of the text is to a host with a buffer of its own.

mod apart;
mod arrival;
pub(crate) mod checkout;
mod linear;
pub(crate) mod merge;
pub(crate) mod patch;
mod remembered;
mod short;

use crate::id::Local;
use crate::log::{Log, Spent};
use crate::sequence::OutOfRange;
use crate::text::operations::Operations;

/// The log of a text.
pub(crate) type TextLog = Log<Operations>;

/// An event whose index is not within the document at its parents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Misplaced {
    pub(crate) event: Local,
    pub(crate) range: OutOfRange,
}

/// Why a replay has stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stopped {
    Misplaced(Misplaced),
    Spent,
}

impl From<Misplaced> for Stopped {
    fn from(misplaced: Misplaced) -> Self {
        Self::Misplaced(misplaced)
    }
}

impl From<Spent> for Stopped {
    fn from(_: Spent) -> Self {
        Self::Spent
    }
}

#[cfg(test)]
mod tests;
