//! What a message of a stranger may cost, by what it brings and what the document holds.
//!
//! What it takes to read a message is bounded by its bytes (`engine/FORMAT.md`, Columns). Two things are not: a deletion
//! of any length is a few bytes, and merging events that have seen this and that of a long history walks through that
//! history for each of them.

use super::Document;
use crate::log::{Contents, ImportError};
use crate::replay::Effort;
use crate::text::operations::Operations;

/// Events, whatever a message brings and the document holds. Besides: those that insert, and as many that delete as there
/// can be anything to delete.
const EVENTS: u32 = 1 << 22;

/// Steps, whatever a message brings and the document holds: some 50 ms.
const STEPS: u64 = 1 << 18;
/// More for each run of operations that a message brings or the document holds. What people wrote takes up to two, in
/// whatever pieces it comes (`tests/traces.rs`).
const STEPS_A_RUN: u64 = 4;

/// Whose bytes they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// One's own, kept somewhere: taken in whatever they cost.
    Kept,
    /// Somebody else's.
    Sent,
}

/// What may be spent on one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// How many steps there were to spend.
    pub(super) steps: u64,
    /// How many are left.
    pub(super) effort: Effort,
}

impl Document {
    /// What may be spent on a message that brings this.
    pub(super) fn allowance(&self, origin: Origin, brought: &Operations) -> Result<Allowance, ImportError> {
        if origin == Origin::Kept {
            return Ok(Allowance { steps: u64::MAX, effort: Effort::endless() });
        }
        let held = self.log.contents();
        let limit = EVENTS.saturating_add(held.len()).saturating_add(2 * brought.insert_count() as u32);
        if brought.len() > limit {
            return Err(ImportError::TooMany { events: brought.len(), limit });
        }
        let steps = STEPS + STEPS_A_RUN * (held.run_count() + brought.run_count()) as u64;
        Ok(Allowance { steps, effort: Effort::of(steps) })
    }
}
