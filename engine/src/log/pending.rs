//! Pieces that wait for an event that has not come yet.
//!
//! Bounded: what exceeds the bound is dropped, oldest first, and asked for again by the next META.

use super::{Contents, Piece};
use crate::id::{EventId, EventSpan};
use std::collections::{BTreeMap, VecDeque};

/// Bytes and pieces that may wait.
const MAX_BYTES: usize = 4 << 20;
const MAX_PIECES: usize = 1 << 14;

/// By the event that is missing.
#[derive(Clone, Debug)]
pub(crate) struct Pending<C> {
    by_missing: BTreeMap<EventId, Vec<Waiting<C>>>,
    /// Numbers of arrival, oldest first, with what each waits for; those released meanwhile are skipped.
    order: VecDeque<(u64, EventId)>,
    next_number: u64,
    pieces: usize,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Waiting<C> {
    number: u64,
    piece: Piece,
    contents: C,
}

impl<C> Default for Pending<C> {
    fn default() -> Self {
        Self { by_missing: BTreeMap::new(), order: VecDeque::new(), next_number: 0, pieces: 0, bytes: 0 }
    }
}

impl<C: Contents> Waiting<C> {
    fn memory(&self) -> usize {
        let parents = self.piece.parents.as_ref().map_or(0, Vec::len);
        self.contents.memory() + parents * size_of::<EventId>() + size_of::<Self>()
    }
}

impl<C: Contents> Pending<C> {
    /// How many events wait.
    pub(crate) fn event_count(&self) -> usize {
        self.by_missing.values().flatten().map(|waiting| waiting.piece.span.len() as usize).sum()
    }

    /// The events waited for.
    pub(crate) fn missing(&self) -> impl Iterator<Item = EventId> + '_ {
        self.by_missing.keys().copied()
    }

    /// Keeps a copy of a piece until `missing` comes.
    pub(crate) fn add(&mut self, missing: EventId, piece: &Piece, contents: &C) {
        let held = self.by_missing.get(&missing).into_iter().flatten();
        if held.into_iter().any(|waiting| waiting.piece.span == piece.span) {
            return;
        }
        let mut own = C::default();
        own.append(contents, piece.contents.clone());
        let piece = Piece { contents: 0..own.len(), ..piece.clone() };
        self.put(missing, piece, own);
    }

    fn put(&mut self, missing: EventId, piece: Piece, contents: C) {
        let waiting = Waiting { number: self.next_number, piece, contents };
        self.next_number += 1;
        self.bytes += waiting.memory();
        self.pieces += 1;
        self.order.push_back((waiting.number, missing));
        self.by_missing.entry(missing).or_default().push(waiting);
        while self.bytes > MAX_BYTES || self.pieces > MAX_PIECES {
            self.drop_oldest();
        }
        if self.order.len() > 2 * self.pieces + 64 {
            self.forget_released();
        }
    }

    /// Adds everything that waits in another one.
    pub(crate) fn extend(&mut self, other: Self) {
        let mut all: Vec<_> =
            other.by_missing.into_iter().flat_map(|(id, list)| list.into_iter().map(move |w| (id, w))).collect();
        all.sort_unstable_by_key(|(_, waiting)| waiting.number);
        for (missing, waiting) in all {
            self.add(missing, &waiting.piece, &waiting.contents);
        }
    }

    /// Takes out what waits for one of these events, in order of arrival.
    pub(crate) fn release(&mut self, events: EventSpan) -> Vec<(Piece, C)> {
        let range = EventId::new(events.agent, events.start)..EventId::new(events.agent, events.end);
        let missing: Vec<EventId> = self.by_missing.range(range).map(|(&id, _)| id).collect();
        let mut released: Vec<Waiting<C>> =
            missing.iter().filter_map(|id| self.by_missing.remove(id)).flatten().collect();
        for waiting in &released {
            self.bytes -= waiting.memory();
            self.pieces -= 1;
        }
        released.sort_unstable_by_key(|waiting| waiting.number);
        released.into_iter().map(|waiting| (waiting.piece, waiting.contents)).collect()
    }

    fn drop_oldest(&mut self) {
        let Some((number, missing)) = self.order.pop_front() else { return };
        let Some(list) = self.by_missing.get_mut(&missing) else { return };
        if let Some(at) = list.iter().position(|waiting| waiting.number == number) {
            let waiting = list.remove(at);
            self.bytes -= waiting.memory();
            self.pieces -= 1;
        }
        if list.is_empty() {
            self.by_missing.remove(&missing);
        }
    }

    fn forget_released(&mut self) {
        let by_missing = &self.by_missing;
        self.order.retain(|(number, missing)| {
            by_missing.get(missing).is_some_and(|list| list.iter().any(|waiting| waiting.number == *number))
        });
    }
}
