//! Events of versions that are far apart, by turns: each is applied at a [`Snapshot`] of the version at which it was made,
//! and the current version stays where it is and has not seen it.
//!
//! Knows how the elements of a snapshot stand in the sequence. All that a snapshot has to tell is who the neighbours of an
//! insertion are and which elements are removed; the place among concurrent elements and the end version are the
//! sequence's own, as they depend on no version. What is typed on has its neighbours from elsewhere ([`typing`](super::typing)) and
//! is placed here too.

use super::snapshot::{Snapshot, Stretch};
use super::{
    Effect, ElementId, Elements, GoneBy, Inserted, NOT_YET, Origin, OutOfRange, Sequence, VISIBLE, check_removal,
    check_within, elements_of,
};
use crate::id::{Local, Span};
use std::cmp::Ordering;

impl Sequence {
    /// The elements of the current version. O(n) for n runs.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let runs = self.tree.iter().map(|stand| &self.runs[stand.run.0 as usize]);
        let existing = runs.filter(|run| run.count != NOT_YET);
        Snapshot::of(existing.map(|run| Stretch { first: run.id, len: run.len, visible: run.count == VISIBLE }))
    }

    /// The elements of the base. O(n) for n runs.
    pub(crate) fn base_snapshot(&self) -> Snapshot {
        let len = self.runs.iter().filter(|run| run.id.event().is_none()).map(|run| run.len).sum();
        let base = Stretch { first: ElementId::base(0), len, visible: true };
        Snapshot::of(Some(base).filter(|base| base.len > 0).into_iter())
    }

    /// How many runs of elements there are.
    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// As [`insert`](Self::insert) at the version of a snapshot, which then has seen it.
    pub(crate) fn insert_at(
        &mut self,
        snapshot: &mut Snapshot,
        index: u32,
        events: Span,
        order: impl Fn(Local, Local) -> Ordering,
    ) -> Result<Inserted, OutOfRange> {
        check_within(self.len_at(snapshot), index, 0)?;
        let (left, right) = snapshot.insert(index, ElementId::of(events.start), events.len());
        Ok(self.insert_between(left, right, events, order))
    }

    /// Inserts the elements of events between two elements that stood side by side where they were made, in the end version
    /// alone.
    pub(super) fn insert_between(
        &mut self,
        left: Option<ElementId>,
        right: Option<ElementId>,
        events: Span,
        order: impl Fn(Local, Local) -> Ordering,
    ) -> Inserted {
        self.steps += 1;
        let id = ElementId::of(events.start);
        let mut elements = Elements { id, len: events.len(), count: NOT_YET, ..Elements::default() };
        // What is concurrent may stand inside a run of the sequence for as long as everybody here has seen all of it, so
        // that is cut. The right neighbour begins a run then: else it would be behind its own left neighbour.
        let start = match left {
            None => self.tree.first(),
            Some(left) => self.place_behind(left, &mut elements),
        };
        elements.right = right.map_or(Origin::default(), Origin::of);
        let end = right.map(|right| self.place_of(right));
        let place = if Some(start) == end { start } else { self.integrate(start, end, &elements, order) };
        let inserted = self.put(place, elements);
        self.enter_row(&elements);
        inserted
    }

    /// As [`remove`](Self::remove) at the version of a snapshot, which then has seen it.
    pub(crate) fn remove_at(
        &mut self,
        snapshot: &mut Snapshot,
        index: u32,
        events: Span,
        backward: bool,
        mut gone: impl FnMut(u32, Span),
    ) -> Result<(), OutOfRange> {
        check_removal(self.len_at(snapshot), index, events, backward)?;
        let mut at = events.start;
        snapshot.remove(index, events.len(), backward, |first, count| {
            self.remove_elements(first, Span::new(at, at + count), backward, &mut gone);
            at = at + count;
        });
        Ok(())
    }

    /// Has these events remove the elements from `first` on, one each, in the end version alone.
    pub(super) fn remove_elements(
        &mut self,
        first: ElementId,
        events: Span,
        backward: bool,
        mut gone: impl FnMut(u32, Span),
    ) {
        let mut at = events.start;
        while at < events.end {
            self.steps += 1;
            let left = events.end - at;
            let id = if backward { first.plus(left - 1) } else { first.plus(at - events.start) };
            let place = self.place_of(id);
            let run = self.elements(place);
            let offset = id.0 - run.id.0;
            let count = left.min(if backward { offset + 1 } else { run.len - offset });
            let start = if backward { offset + 1 - count } else { offset };
            if run.gone.is_none() {
                gone(self.tree.before(place).end + start, Span::new(at, at + count));
            }
            let removed = self.carve(place, start, count, |run| run.gone = Some(GoneBy::earliest(run.gone, at)));
            self.effects.set(at.0, Effect::removed(id, removed, backward));
            at = at + count;
        }
    }

    /// Brings a snapshot to the version that has seen these events too, all applied. Costs a search by the order of the
    /// elements for each run of them.
    pub(crate) fn advance_snapshot(&self, snapshot: &mut Snapshot, events: Span) {
        for run in self.effects.runs_in(events.numbers()) {
            let start = Local(run.start.max(events.start.0));
            let end = run.end.map_or(events.end, |end| Local(end).min(events.end));
            let (first, count) = elements_of(run, Span::new(start, end));
            match run.value {
                // Whatever stands between two of them has seen the one on its left, and so is not there yet.
                Effect::Inserted(_) => {
                    let place = self.place_of(first);
                    snapshot.insert_by(first, count, |other| self.compare_with(other, first, place) == Ordering::Less);
                }
                Effect::RemovedForward(..) | Effect::RemovedBackward(..) => {
                    snapshot.hide_by(first, count, |a, b| self.compare(a, b));
                }
            }
        }
    }

    fn len_at(&self, snapshot: &Snapshot) -> u32 {
        snapshot.visible() - self.excess
    }
}

impl Snapshot {
    /// Brings it over events made one after the other from its version on: insertions at an index.
    pub(crate) fn go_on_inserting(&mut self, index: u32, events: Span) {
        self.insert(index, ElementId::of(events.start), events.len());
    }

    /// The same for removals.
    pub(crate) fn go_on_removing(&mut self, index: u32, events: Span, backward: bool) {
        self.remove(index, events.len(), backward, |_, _| {});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_current_version_has_not_seen_is_not_joined_to_what_it_has() {
        let event = |number: u32| Span::new(Local(number), Local(number + 1));
        let mut sequence = Sequence::default();
        assert!(sequence.insert(0, event(0), |a, b| a.cmp(&b)).is_ok());
        let mut snapshot = sequence.snapshot();
        assert!(sequence.insert_at(&mut snapshot, 1, event(1), |a, b| a.cmp(&b)).is_ok());
        assert_eq!((sequence.lengths().current, sequence.lengths().end, snapshot.visible()), (1, 2, 2));
        sequence.advance(event(1));
        sequence.assert_invariants();
        assert_eq!(sequence.lengths().current, 2);
    }
}
