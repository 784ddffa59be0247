//! What a message of a stranger may cost, by what it brings and what the document holds.
//!
//! What it takes to read a message is bounded by its bytes (`engine/FORMAT.md`, Columns). Three things are not: a deletion
//! of any length is a few bytes; a few bytes repeat a run of operations as often as one likes, and each takes 150 bytes
//! and 1 µs where it has not seen everything; and merging events that have seen this and that of a long history walks
//! through that history for each of them.
//!
//! So a message may bring so many runs a byte. What comes whatever its bytes is granted once and not to each message, so
//! that many small ones buy no more than one large one.

use super::Document;
use crate::log::{Contents, Effort, ImportError, Origin};
use crate::text::operations::Operations;

/// Events, whatever a message brings and the document holds. Besides: those that insert, and as many that delete as there
/// can be anything to delete.
const EVENTS: u32 = 1 << 22;

/// Runs of operations that a document may come to hold, whatever their bytes.
const RUNS: usize = 1 << 14;
/// More for each byte of a message. The densest that people wrote has five, packed as well as can be (C1 in
/// `tests/traces.rs`).
const RUNS_A_BYTE: usize = 8;

/// Steps, whatever a message brings and the document holds: some 50 ms.
const STEPS: u64 = 1 << 18;
/// More for each run of operations that a message brings or the document holds. What people wrote takes up to two, in
/// whatever pieces it comes (`tests/traces.rs`).
const STEPS_A_RUN: u64 = 4;

/// What may be spent on one message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// How many steps there were to spend.
    pub(super) steps: u64,
    /// How many are left.
    pub(super) effort: Effort,
}

impl Document {
    /// What may be spent on a message of so many bytes that brings this.
    pub(super) fn allowance(
        &self,
        origin: Origin,
        brought: &Operations,
        bytes: usize,
    ) -> Result<Allowance, ImportError> {
        if origin == Origin::Kept {
            return Ok(Allowance { steps: u64::MAX, effort: Effort::endless() });
        }
        let held = self.log.contents();
        let limit = EVENTS.saturating_add(held.len()).saturating_add(2 * brought.insert_count() as u32);
        if brought.len() > limit {
            return Err(ImportError::TooMany { events: brought.len(), limit });
        }
        let (runs, limit) = (brought.run_count(), RUNS.saturating_sub(held.run_count()) + RUNS_A_BYTE * bytes);
        if runs > limit {
            return Err(ImportError::TooDense { runs, limit });
        }
        let steps = STEPS + STEPS_A_RUN * (held.run_count() + brought.run_count()) as u64;
        Ok(Allowance { steps, effort: Effort::of(steps) })
    }
}
