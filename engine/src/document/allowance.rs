//! What a message of a stranger may cost, by what it brings and what the document holds.
//!
//! What it takes to read a message is bounded by its bytes (`engine/FORMAT.md`, Columns). Three things are not: a deletion
//! of any length is a few bytes; a few bytes repeat a run of operations as often as one likes, and each takes up to
//! 325 bytes and 3 µs where it has not seen everything; and merging events that have seen this and that of a long history
//! walks through that history for each of them.
//!
//! So a message may bring so many runs a byte. Where many come in few bytes there is a bound for one message as well: who
//! sends a history in chunks, as the network does, stays far below it. What comes whatever its bytes is granted once and
//! not to each message, so that many small ones buy no more than one large one.

use super::Document;
use crate::log::{Contents, Effort, ImportError, Origin};
use crate::text::operations::Operations;

/// Events, whatever a message brings and the document holds. Besides: those that insert, and as many that delete as there
/// can be anything to delete.
const EVENTS: u32 = 1 << 22;

/// Runs of operations that a document may come to hold, whatever their bytes.
const RUNS: usize = 1 << 14;
/// As many for each byte of a message. The densest that people wrote has five, packed as well as can be (C1 in
/// `tests/traces.rs`), the next one half a run.
const RUNS_A_BYTE: usize = 8;
/// Where a message brings more than this for each byte, it brings at most as many as it might in [`SMALL`] bytes, or, if
/// the document is new, [`RUNS_OF_ALL`]: a run beside what is held takes up to 325 bytes, one of a new document 175.
const RUNS_IN_FOUR_BYTES: usize = 3;
const SMALL: usize = 64 << 10;
const RUNS_OF_ALL: usize = 92_000;

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
        let (runs, limit) = (brought.run_count(), run_limit(held.run_count(), bytes));
        if runs > limit {
            return Err(ImportError::TooDense { runs, limit });
        }
        let steps = STEPS + STEPS_A_RUN * (held.run_count() + brought.run_count()) as u64;
        Ok(Allowance { steps, effort: Effort::of(steps) })
    }
}

/// Runs that a message of so many bytes may bring to a document that holds so many.
fn run_limit(held: usize, bytes: usize) -> usize {
    let usual = bytes.max(SMALL) / 4 * RUNS_IN_FOUR_BYTES;
    let most = if held == 0 { usual.max(RUNS_OF_ALL) } else { usual };
    (RUNS_A_BYTE * bytes).min(most).max(RUNS.saturating_sub(held))
}
