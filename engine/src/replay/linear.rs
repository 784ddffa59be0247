//! Stretches in which every event has seen all before it: an index there *is* a position in the document of everything
//! so far.

use super::Misplaced;
use crate::id::Span;
use crate::sequence::OutOfRange;
use crate::text::branch::Branch;
use crate::text::draft::{Draft, Piece};
use crate::text::operations::{Fragment, Kind, Operations};
use crate::text::tracker::Change;

/// Turns the operations of `events` into changes of a text of `len` chars, and keeps `len` up to date. O(runs).
pub(super) fn apply(
    operations: &Operations,
    events: Span,
    len: &mut u32,
    mut emit: impl FnMut(Change),
) -> Result<(), Misplaced> {
    each(operations, events, len, |_, change| emit(change))
}

/// Makes the operations of `events` to a draft. O(runs log pieces).
pub(super) fn draw(operations: &Operations, events: Span, draft: &mut Draft) -> Result<(), Misplaced> {
    each(operations, events, &mut draft.len(), |piece, Change { at, inserts, .. }| {
        if inserts { draft.insert(at, piece) } else { draft.remove(at, piece.len) }
    })
}

/// The same to a branch of a text.
pub(super) fn branch(operations: &Operations, events: Span, branch: &mut Branch) -> Result<(), Misplaced> {
    each(operations, events, &mut branch.len(), |piece, Change { at, inserts, .. }| {
        if inserts { branch.insert(at, piece) } else { branch.remove(at, piece.len) }
    })
}

/// Shows what is inserted or removed, and where.
#[inline]
fn each(
    operations: &Operations,
    events: Span,
    len: &mut u32,
    mut show: impl FnMut(Piece, Change),
) -> Result<(), Misplaced> {
    for fragment in operations.fragments(events) {
        let change = change_of(&fragment, *len)?;
        *len = change.resized(*len);
        show(Piece { source: fragment.source, len: fragment.events.len() }, change);
    }
    Ok(())
}

fn change_of(fragment: &Fragment, len: u32) -> Result<Change, Misplaced> {
    let &Fragment { events, kind, at, .. } = fragment;
    let count = events.len();
    let change = |at, inserts| Change { at, events, inserts };
    match kind {
        Kind::Insert if at <= len => Ok(change(at, true)),
        Kind::Delete if at.checked_add(count).is_some_and(|end| end <= len) => Ok(change(at, false)),
        // Backwards from `at`, so the first one reaches furthest; how far down they go was checked when they were read.
        Kind::Backspace if at < len => Ok(change(at + 1 - count, false)),
        Kind::Insert | Kind::Delete | Kind::Backspace => {
            Err(Misplaced { event: events.start, range: OutOfRange { index: at, len } })
        }
    }
}
