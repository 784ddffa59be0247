//! The elements of one list: a short row as long as that is all there is to know, a sequence from then on.
//!
//! Most lists are short, and most insertions have seen everything before them. Of such a list the order of its elements is
//! all that is needed: one more goes right behind its left neighbour. The first insertion that has not seen everything, and
//! the one that makes the row too long, has the sequence built from the row: each of its elements had seen all before it.
//!
//! An element of a sequence that nothing has touched but its own insertion, as most are, needs no slot: the sequence knows
//! that it is visible, and the log what it is.

use super::operations::Action;
use super::slots::Slots;
use super::tree::{JsonLog, Past, Slot, local_of};
use crate::id::Local;
use crate::sequence::Sequence;
use std::borrow::Cow;

/// So many elements stand in a row. A sequence takes a kilobyte.
const FEW: usize = if cfg!(test) { 3 } else { 16 };

/// Invariant: visible elements of a row are those that have a slot; every element of a sequence that has one is visible.
#[derive(Clone, Debug)]
pub(super) struct List {
    order: Order,
    slots: Slots<Local>,
}

/// All elements that were ever inserted.
#[derive(Clone, Debug)]
enum Order {
    /// From left to right; each has seen all events before it.
    Row(Vec<Local>),
    Sequence(Box<Sequence>),
}

impl Default for List {
    fn default() -> Self {
        Self { order: Order::Row(Vec::new()), slots: Slots::default() }
    }
}

impl List {
    /// Inserts an element, which has seen this, behind another one, or at the start. Returns how much was looked at.
    pub(super) fn insert(&mut self, log: &JsonLog, left: Option<Local>, event: Local, past: &Past<'_>) -> u64 {
        if let Order::Row(row) = &self.order
            && (!past.is_all() || row.len() == FEW)
        {
            let (sequence, slots) = self.sequence_of(log, row);
            (self.order, self.slots) = (Order::Sequence(Box::new(sequence)), slots);
        }
        match &mut self.order {
            Order::Row(row) => {
                let behind = left.and_then(|left| row.iter().position(|&other| other == left));
                row.insert(behind.map_or(0, |behind| behind + 1), event);
                *self.slots.enter(event).0 = Slot::of_new(log, event);
                1
            }
            Order::Sequence(sequence) => {
                let before = sequence.steps();
                sequence.insert_behind(
                    (left, past.only_parent()),
                    event,
                    |other| past.has(other),
                    |a, b| log.graph().compare(a, b),
                );
                sequence.steps() - before
            }
        }
    }

    /// The sequence of a row, and the slots that it needs.
    fn sequence_of(&self, log: &JsonLog, row: &[Local]) -> (Sequence, Slots<Local>) {
        let (mut sequence, mut events) = (Sequence::default(), row.to_vec());
        events.sort_unstable();
        for &event in &events {
            let Action::Insert { left, .. } = log.contents().operation(event.0).action else { continue };
            let left = left.map(|left| local_of(log, left));
            sequence.insert_behind((left, None), event, |_| true, |a, b| log.graph().compare(a, b));
        }
        let mut slots = Slots::default();
        for event in events {
            match self.slots.get(event) {
                None => sequence.show(event, false),
                Some(slot) if *slot == Slot::of_new(log, event) => {}
                Some(slot) => *slots.enter(event).0 = slot.clone(),
            }
        }
        (sequence, slots)
    }

    /// Whether an element is visible and has no slot.
    fn goes_without(&self, element: Local) -> bool {
        match &self.order {
            Order::Row(_) => false,
            Order::Sequence(sequence) => self.slots.get(element).is_none() && sequence.is_shown(element),
        }
    }

    pub(super) fn slot(&self, log: &JsonLog, element: Local) -> Option<Cow<'_, Slot>> {
        if self.goes_without(element) {
            return Some(Cow::Owned(Slot::of_new(log, element)));
        }
        self.slots.get(element).map(Cow::Borrowed)
    }

    /// The slot of a visible element.
    pub(super) fn slot_mut(&mut self, log: &JsonLog, element: Local) -> Option<&mut Slot> {
        if self.goes_without(element) {
            return Some(self.enter(log, element));
        }
        self.slots.get_mut(element)
    }

    /// The slot of an element, which is visible from now on.
    pub(super) fn enter(&mut self, log: &JsonLog, element: Local) -> &mut Slot {
        let goes_without = self.goes_without(element);
        let (slot, is_new) = self.slots.enter(element);
        if goes_without {
            *slot = Slot::of_new(log, element);
        } else if let Order::Sequence(sequence) = &mut self.order
            && is_new
        {
            sequence.show(element, true);
        }
        slot
    }

    /// Nothing touches an element any more.
    pub(super) fn hide(&mut self, element: Local) {
        self.slots.remove(element);
        if let Order::Sequence(sequence) = &mut self.order {
            sequence.show(element, false);
        }
    }

    /// How many elements are visible.
    pub(super) fn len(&self) -> usize {
        match &self.order {
            Order::Row(_) => self.slots.len(),
            Order::Sequence(sequence) => sequence.lengths().current as usize,
        }
    }

    /// The visible elements from left to right.
    pub(super) fn shown(&self) -> Vec<Local> {
        match &self.order {
            Order::Row(row) => self.shown_in(row).collect(),
            Order::Sequence(sequence) => sequence.shown().collect(),
        }
    }

    fn shown_in<'a>(&'a self, row: &'a [Local]) -> impl Iterator<Item = Local> + 'a {
        row.iter().copied().filter(|&element| self.slots.get(element).is_some())
    }

    /// The visible element at an index. O(log n).
    pub(super) fn element_at(&self, index: usize) -> Option<Local> {
        match &self.order {
            Order::Row(row) => self.shown_in(row).nth(index),
            Order::Sequence(sequence) => sequence.shown_at(u32::try_from(index).ok()?),
        }
    }

    /// How many visible elements stand before one. O(log n).
    pub(super) fn index_of(&self, element: Local) -> usize {
        match &self.order {
            Order::Row(row) => self.shown_in(row.split(|&other| other == element).next().unwrap_or_default()).count(),
            Order::Sequence(sequence) => sequence.shown_before(element) as usize,
        }
    }

    #[cfg(test)]
    pub(super) fn assert_invariants(&self, log: &JsonLog) {
        match &self.order {
            Order::Row(row) => assert!(row.len() <= FEW, "a row of {}", row.len()),
            Order::Sequence(sequence) => sequence.assert_invariants(),
        }
        let shown = self.shown();
        assert_eq!(shown.len(), self.len(), "visible elements");
        let visible = |&element: &Local| self.goes_without(element) || self.slots.get(element).is_some();
        let all: Vec<Local> = match &self.order {
            Order::Row(row) => row.clone(),
            Order::Sequence(sequence) => {
                let ids = sequence
                    .runs()
                    .flat_map(|(first, len, _)| (0..len).filter_map(move |at| Some(first.event()? + at)));
                ids.collect()
            }
        };
        assert_eq!(shown, all.into_iter().filter(visible).collect::<Vec<_>>(), "by the sums, and one by one");
        assert!(shown.iter().all(|&element| self.slot(log, element).is_some()), "{shown:?} have slots");
        assert!(self.slots.keys().iter().all(|element| shown.contains(element)), "a slot of none of {shown:?}");
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> Vec<&Slot> {
        self.slots.values()
    }
}
