//! Stretches in which every event has seen all before it: an index there *is* a position in the document of everything
//! so far.

use super::Misplaced;
use crate::id::Span;
use crate::sequence::OutOfRange;
use crate::text::operations::{Action, Operation, Operations};
use crate::text::tracker::Change;

/// Turns the operations of `events` into changes of a text of `len` chars, and keeps `len` up to date. O(runs).
pub(super) fn apply(
    operations: &Operations,
    events: Span,
    len: &mut u32,
    mut emit: impl FnMut(Change),
) -> Result<(), Misplaced> {
    for operation in operations.of(events) {
        let change = change_of(operation, *len).map_err(|range| Misplaced { event: operation.events.start, range })?;
        *len = change.resized(*len);
        emit(change);
    }
    Ok(())
}

fn change_of(operation: Operation<'_>, len: u32) -> Result<Change, OutOfRange> {
    let events = operation.events;
    let count = events.len();
    let change = |at, inserts| Change { at, events, inserts };
    match operation.action {
        Action::Insert { at, .. } if at <= len => Ok(change(at, true)),
        Action::Delete { at } if at.checked_add(count).is_some_and(|end| end <= len) => Ok(change(at, false)),
        // Backwards from `at`, so the first one reaches furthest; how far down they go was checked when they were read.
        Action::Backspace { at } if at < len => Ok(change(at + 1 - count, false)),
        Action::Insert { at: index, .. } | Action::Delete { at: index } | Action::Backspace { at: index } => {
            Err(OutOfRange { index, len })
        }
    }
}
