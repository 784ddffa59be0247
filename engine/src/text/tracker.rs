//! Replays concurrent operations: from positions where they were made to positions in the document of everything so
//! far.
//!
//! Knows operations and the sequence. Does not know the graph: which events to retreat and advance, and in what order
//! to apply, is told by `replay/merge`.

use super::operations::{Action, Operation};
use crate::id::{Local, Span};
use crate::sequence::snapshot::Snapshot;
use crate::sequence::{ElementId, OutOfRange, Sequence, Standing};
use std::cmp::Ordering;

/// What an event run does to the visible text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Change {
    pub(crate) at: u32,
    /// The events that do it.
    pub(crate) events: Span,
    pub(crate) inserts: bool,
}

impl Change {
    /// In chars; one an event.
    pub(crate) fn len(&self) -> u32 {
        self.events.len()
    }

    /// How long a text of `len` chars is after this change.
    pub(crate) fn resized(&self, len: u32) -> u32 {
        if self.inserts { len + self.len() } else { len - self.len() }
    }
}

/// A stretch of the text of everything applied, beside the text of the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stretch {
    /// So many chars of the base are still there.
    Kept(u32),
    /// So many chars of the base are not.
    Deleted(u32),
    /// What these events inserted is there.
    Inserted(Span),
    /// Something was inserted and deleted again.
    Passing,
}

/// So many chars that came together, and went together if they did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fate {
    pub(crate) len: u32,
    /// The events that inserted them; none did for those of the base.
    pub(crate) inserted: Option<Span>,
    /// The events that removed them first, by the order of the log.
    pub(crate) removed: Option<Span>,
}

/// Characters as elements, each event's effect among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracker {
    sequence: Sequence,
}

impl Tracker {
    /// Begins at a version with a text of `len` chars.
    pub(crate) fn at_text_of(len: u32) -> Self {
        Self { sequence: Sequence::with_base(len) }
    }

    /// Begins at a version whose text is as long as it turns out to be ([`Tracker::settle`]).
    pub(crate) fn at_some_text() -> Self {
        Self { sequence: Sequence::with_endless_base() }
    }

    /// Tells how long the text of everything applied is, in chars. From here on indexes are checked.
    pub(crate) fn settle(&mut self, len: u32) {
        self.sequence.settle(len);
    }

    /// Applies an operation made at the version of a snapshot, or else at the current one: that has seen it then, and the
    /// other has not.
    pub(crate) fn apply(
        &mut self,
        mut snapshot: Option<&mut Snapshot>,
        operation: Operation<'_>,
        order: impl Fn(Local, Local) -> Ordering,
        mut emit: Option<impl FnMut(Change)>,
    ) -> Result<(), OutOfRange> {
        let events = operation.events;
        let (at, backward) = match operation.action {
            Action::Insert { at, .. } => {
                let inserted = match &mut snapshot {
                    Some(snapshot) => self.sequence.insert_at(snapshot, at, events, order)?,
                    None => self.sequence.insert(at, events, order)?,
                };
                if let Some(mut emit) = emit {
                    emit(Change { at: self.sequence.position(inserted), events, inserts: true });
                }
                return Ok(());
            }
            Action::Delete { at } => (at, false),
            Action::Backspace { at } => (at, true),
        };
        let removed = |at, events| tell(&mut emit, Change { at, events, inserts: false });
        match snapshot {
            Some(snapshot) => self.sequence.remove_at(snapshot, at, events, backward, removed),
            None => self.sequence.remove(at, events, backward, removed),
        }
    }

    /// Applies as much as it can of an operation whose author made `before` just before and has seen nothing else since,
    /// wherever the current version is: that has not seen it then. Returns how many events of it are applied.
    pub(crate) fn type_on(
        &mut self,
        before: Operation<'_>,
        operation: Operation<'_>,
        order: impl Fn(Local, Local) -> Ordering,
        mut emit: Option<impl FnMut(Change)>,
    ) -> u32 {
        let (mut last, caret, events) = (before.events.end - 1, index_behind(before), operation.events);
        match operation.action {
            Action::Insert { at, .. } if at == caret => {
                let Some(caret) = self.sequence.caret_behind(last) else { return 0 };
                let inserted = self.sequence.type_at(caret, events, order);
                if let Some(emit) = &mut emit {
                    emit(Change { at: self.sequence.position(inserted), events, inserts: true });
                }
                events.len()
            }
            // Of one event alone it cannot be told in which direction it removes.
            Action::Backspace { at } | Action::Delete { at }
                if at + 1 == caret && (events.len() == 1 || matches!(operation.action, Action::Backspace { .. })) =>
            {
                let mut rest = events;
                while !rest.is_empty()
                    && let Some(caret) = self.sequence.caret_behind(last)
                {
                    let gone = |at, events| tell(&mut emit, Change { at, events, inserts: false });
                    let removed = self.sequence.backspace_at(caret, rest, gone);
                    rest.start = rest.start + removed;
                    last = rest.start - 1;
                }
                events.len() - rest.len()
            }
            Action::Insert { .. } | Action::Delete { .. } | Action::Backspace { .. } => 0,
        }
    }

    /// The elements of the current version. O(n) for n runs of them.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.sequence.snapshot()
    }

    /// The elements of the version that it began at. O(n) for n runs of them.
    pub(crate) fn base_snapshot(&self) -> Snapshot {
        self.sequence.base_snapshot()
    }

    /// How many runs of elements there are.
    pub(crate) fn run_count(&self) -> usize {
        self.sequence.run_count()
    }

    /// Brings a snapshot to the version that has seen these events too, all applied.
    pub(crate) fn advance_snapshot(&self, snapshot: &mut Snapshot, events: Span) {
        self.sequence.advance_snapshot(snapshot, events);
    }

    /// What everything applied has made of the text of the base, from left to right.
    pub(crate) fn outcome(&self) -> impl Iterator<Item = Stretch> {
        self.sequence.runs().map(|(first, len, visible)| match inserted((first, len)) {
            Some(events) if visible => Stretch::Inserted(events),
            Some(_) => Stretch::Passing,
            None if visible => Stretch::Kept(len),
            None => Stretch::Deleted(len),
        })
    }

    /// What became of everything that ever stood in the text, from left to right; cut where the insertions of `at` and
    /// later events begin.
    pub(crate) fn fates(&self, at: Local) -> impl Iterator<Item = Fate> {
        self.sequence.fates(at).map(|(first, len, removed)| Fate { len, inserted: inserted((first, len)), removed })
    }

    /// How many steps everything has taken so far.
    pub(crate) fn steps(&self) -> u64 {
        self.sequence.steps()
    }

    pub(crate) fn retreat(&mut self, events: Span) {
        self.sequence.retreat(events);
    }

    pub(crate) fn advance(&mut self, events: Span) {
        self.sequence.advance(events);
    }

    /// Where the char that an event inserted stands in the text of everything applied, or would stand.
    pub(crate) fn standing(&self, event: Local) -> Option<Standing> {
        self.sequence.standing(event)
    }

    /// The event that inserted the char at a position of the text of everything applied; `None` for a char of the base
    /// or beyond.
    pub(crate) fn event_at(&self, position: u32) -> Option<Local> {
        self.sequence.element_at(position)?.event()
    }

    /// The insertions of the chars that these events inserted or deleted, from left to right; nothing stands within a
    /// span.
    pub(crate) fn touched_by(&self, events: Span) -> Vec<Span> {
        self.sequence.touched_by(events).into_iter().filter_map(inserted).collect()
    }

    /// The insertions of the chars behind the one that `event` inserted but for those that were deleted when `when`
    /// came, from left to right up to the first visible one.
    pub(crate) fn behind(&self, event: Local, when: Local) -> impl Iterator<Item = Span> {
        self.sequence.behind(event, when).filter_map(inserted)
    }

    /// The insertions whose chars are visible, from left to right.
    pub(crate) fn visible(&self) -> impl Iterator<Item = Span> {
        let visible = self.sequence.runs().filter(|&(_, _, visible)| visible);
        visible.filter_map(|(first, count, _)| inserted((first, count)))
    }

    /// All that is known of the elements, however they are cut.
    #[cfg(test)]
    pub(crate) fn laid_out(&self) -> Vec<crate::sequence::LaidOut> {
        self.sequence.laid_out()
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        self.sequence.assert_invariants();
    }
}

/// Tells a change to somebody who listens.
fn tell(listener: &mut Option<impl FnMut(Change)>, change: Change) {
    if let Some(listener) = listener {
        listener(change);
    }
}

/// The index at which somebody types on behind an operation.
fn index_behind(operation: Operation<'_>) -> u32 {
    match operation.action {
        Action::Insert { at, .. } => at + operation.events.len(),
        Action::Delete { at } => at,
        Action::Backspace { at } => at + 1 - operation.events.len(),
    }
}

/// Brings a snapshot over an operation that was made at its version and applied before.
pub(crate) fn go_on(snapshot: &mut Snapshot, operation: Operation<'_>) {
    let events = operation.events;
    match operation.action {
        Action::Insert { at, .. } => snapshot.go_on_inserting(at, events),
        Action::Delete { at } => snapshot.go_on_removing(at, events, false),
        Action::Backspace { at } => snapshot.go_on_removing(at, events, true),
    }
}

/// The events that inserted a run of elements; none did for the base.
fn inserted((first, count): (ElementId, u32)) -> Option<Span> {
    first.event().map(|first| Span::new(first, first + count))
}
