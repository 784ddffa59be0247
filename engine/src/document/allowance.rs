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

/// Events that delete, whatever a document holds. Besides: two for each that inserts, for several may delete the same.
const EVENTS: u64 = 1 << 22;

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
        self.check_deletions(brought)?;
        let (runs, limit) = (brought.run_count(), run_limit(held.run_count(), bytes));
        if runs > limit {
            return Err(ImportError::TooDense { runs, limit });
        }
        let steps = STEPS + STEPS_A_RUN * (held.run_count() + brought.run_count()) as u64;
        Ok(Allowance { steps, effort: Effort::of(steps) })
    }

    /// Whether there may be something to delete for what these delete. It is all of the document that is counted and not
    /// the message, or else many would fill it.
    pub(super) fn check_deletions(&self, brought: &Operations) -> Result<(), ImportError> {
        let held = self.log.contents();
        // Counting takes a look at each run, and rarely is there any need to.
        if u64::from(held.len()) + u64::from(brought.len()) <= EVENTS {
            return Ok(());
        }
        let [(inserts, deletes), (more_inserts, more_deletes)] = [held, brought].map(|operations| {
            let inserts = operations.insert_count();
            (inserts, u64::from(operations.len()) - inserts)
        });
        let most = EVENTS + 2 * (inserts + more_inserts);
        if more_deletes == 0 || deletes + more_deletes <= most {
            return Ok(());
        }
        let limit = more_inserts + most.saturating_sub(deletes);
        Err(ImportError::TooMany { events: brought.len(), limit: u32::try_from(limit).unwrap_or(u32::MAX) })
    }
}

/// Runs that a message of so many bytes may bring to a document that holds so many.
fn run_limit(held: usize, bytes: usize) -> usize {
    let usual = bytes.max(SMALL) / 4 * RUNS_IN_FOUR_BYTES;
    let most = if held == 0 { usual.max(RUNS_OF_ALL) } else { usual };
    (RUNS_A_BYTE * bytes).min(most).max(RUNS.saturating_sub(held))
}
