//! Changes as patches: what a host with a buffer of its own has to do, in the unit that it counts in.

use crate::id::Span;
use crate::text::buffer::Buffer;
use crate::text::operations::{Action, Operations};
use crate::text::tracker::Change;
use crate::text::unit::{Chars, Unit};

/// One change of the visible text: at `start`, `deleted` units go, then `inserted` comes.
///
/// The patches of one merge apply in order, each to the text that the one before it left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patch<U> {
    /// Where.
    pub start: U,
    /// How much goes.
    pub deleted: U,
    /// What comes.
    pub inserted: String,
}

/// Makes a change to the text. The change was computed for this text, so it fits.
pub(crate) fn apply(text: &mut Buffer, operations: &Operations, change: Change) {
    if change.inserts {
        insert(text, operations, change.at, change.events);
    } else {
        delete(text, change.at, change.len());
    }
}

/// Inserts what these events inserted; `at` was computed for this text.
pub(crate) fn insert(text: &mut Buffer, operations: &Operations, at: u32, events: Span) {
    let mut position = Chars(at as usize);
    for operation in operations.of(events) {
        let Action::Insert { text: inserted, .. } = operation.action else {
            unreachable!("{events:?} were to insert, {operation:?} does not");
        };
        let done = text.insert(position, inserted);
        assert!(done.is_ok(), "{events:?} insert at {at}, which does not fit the text: {done:?}");
        position += Chars(operation.events.len() as usize);
    }
}

/// Deletes so many chars; the position was computed for this text.
pub(crate) fn delete(text: &mut Buffer, at: u32, count: u32) {
    let done = text.remove(Chars(at as usize)..Chars((at + count) as usize));
    assert!(done.is_ok(), "{count} chars are deleted at {at}, which does not fit the text: {done:?}");
}

/// What a change is in a unit, seen from the text before it.
pub(crate) fn of<U: Unit>(text: &Buffer, operations: &Operations, change: Change) -> Patch<U> {
    let unit = |chars: u32| -> U {
        match text.convert(Chars(chars as usize)) {
            Ok(position) => position,
            Err(error) => unreachable!("{change:?} does not fit the text it was made for: {error}"),
        }
    };
    let start = unit(change.at);
    if !change.inserts {
        let end = unit(change.at + change.len());
        return Patch { start, deleted: U::at(end.get() - start.get()), inserted: String::new() };
    }
    Patch { start, deleted: U::at(0), inserted: inserted(operations, change) }
}

/// What a change is in chars, for which no text is needed.
pub(crate) fn in_chars(operations: &Operations, change: Change) -> Patch<Chars> {
    let start = Chars(change.at as usize);
    if change.inserts {
        Patch { start, deleted: Chars(0), inserted: inserted(operations, change) }
    } else {
        Patch { start, deleted: Chars(change.len() as usize), inserted: String::new() }
    }
}

fn inserted(operations: &Operations, change: Change) -> String {
    let texts = operations.of(change.events).filter_map(|operation| match operation.action {
        Action::Insert { text, .. } => Some(text),
        Action::Delete { .. } | Action::Backspace { .. } => None,
    });
    texts.collect()
}
