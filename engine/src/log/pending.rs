//! Pieces that wait for an event that has not come yet.
//!
//! Bounded: what exceeds the bound is dropped and asked for again by the next META. It is taken from whoever has the most
//! waiting, their oldest first, so that a stranger who floods a replica drops nothing but their own. Keeping, dropping
//! and releasing a piece is O(log n) for the n that wait, whatever they wait for.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{Contents, Piece};
use crate::id::{EventId, EventSpan};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Bytes and pieces that may wait.
const MAX_BYTES: usize = 4 << 20;
const MAX_PIECES: usize = 1 << 14;

/// Where events came from, as a number that means something to the caller alone: a connection, say. What waits for its
/// parents is bounded, and one sender's events are never dropped to make room for those of another who has more waiting.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Sender(pub u64);

/// Invariant: all collections speak of the same pieces; `bytes` and `events` are their sums.
#[derive(Clone, Debug)]
pub(crate) struct Pending<C> {
    /// By the event that is missing, then by arrival.
    pieces: BTreeMap<(EventId, Arrival), Waiting<C>>,
    senders: BTreeMap<Sender, Share>,
    /// By the bytes that they have waiting.
    by_bytes: BTreeSet<(usize, Sender)>,
    /// A piece that comes twice from one sender waits once.
    spans: HashSet<(EventId, EventSpan, Sender)>,
    arrivals: Arrival,
    events: usize,
    bytes: usize,
}

/// The number of a piece, in the order in which they came.
type Arrival = u64;

/// What one sender has waiting, and what for.
#[derive(Clone, Debug, Default)]
struct Share {
    missing: BTreeMap<Arrival, EventId>,
    bytes: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Waiting<C> {
    pub(crate) piece: Piece,
    pub(crate) contents: C,
    pub(crate) sender: Sender,
}

impl<C> Default for Pending<C> {
    fn default() -> Self {
        let (pieces, senders, by_bytes) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { pieces, senders, by_bytes, spans: HashSet::new(), arrivals: 0, events: 0, bytes: 0 }
    }
}

impl<C: Contents> Waiting<C> {
    fn memory(&self) -> usize {
        let parents = self.piece.parents.as_ref().map_or(0, |parents| parents.len());
        self.contents.memory() + parents * size_of::<EventId>() + size_of::<Self>()
    }
}

impl<C: Contents> Pending<C> {
    /// How many events wait.
    pub(crate) fn event_count(&self) -> usize {
        self.events
    }

    /// The events waited for, each once.
    pub(crate) fn missing(&self) -> Vec<EventId> {
        let mut missing: Vec<EventId> = self.pieces.keys().map(|&(missing, _)| missing).collect();
        missing.dedup();
        missing
    }

    /// Keeps a copy of a piece until `missing` comes.
    pub(crate) fn add(&mut self, missing: EventId, piece: &Piece, contents: &C, sender: Sender) {
        if !self.spans.insert((missing, piece.span, sender)) {
            return;
        }
        let mut own = C::default();
        own.append(contents, piece.contents.clone());
        let waiting = Waiting { piece: Piece { contents: 0..own.len(), ..piece.clone() }, contents: own, sender };
        let (memory, arrival) = (waiting.memory(), self.arrivals);
        self.arrivals += 1;
        self.events += waiting.piece.span.len() as usize;
        self.bytes += memory;
        self.pieces.insert((missing, arrival), waiting);
        self.share(sender, |share| {
            share.bytes += memory;
            share.missing.insert(arrival, missing);
        });
        while self.bytes > MAX_BYTES || self.pieces.len() > MAX_PIECES {
            let most = self.by_bytes.last().and_then(|(_, sender)| self.senders.get(sender));
            let Some((&oldest, &missing)) = most.and_then(|share| share.missing.first_key_value()) else { break };
            self.take((missing, oldest));
        }
    }

    /// Changes what one sender has waiting.
    fn share(&mut self, sender: Sender, change: impl FnOnce(&mut Share)) {
        let mut share = self.senders.remove(&sender).unwrap_or_default();
        self.by_bytes.remove(&(share.bytes, sender));
        change(&mut share);
        if !share.missing.is_empty() {
            self.by_bytes.insert((share.bytes, sender));
            self.senders.insert(sender, share);
        }
    }

    /// Adds everything that waits in another one, which all came from `sender`.
    pub(crate) fn extend(&mut self, other: Self, sender: Sender) {
        let mut pieces: Vec<_> = other.pieces.into_iter().collect();
        pieces.sort_unstable_by_key(|&((_, arrival), _)| arrival);
        for ((missing, _), waiting) in pieces {
            self.add(missing, &waiting.piece, &waiting.contents, sender);
        }
    }

    /// Takes out what waits for one of these events, in order of arrival.
    pub(crate) fn release(&mut self, events: EventSpan) -> Vec<Waiting<C>> {
        let at = |clock| (EventId::new(events.agent, clock), 0);
        let mut keys: Vec<_> = self.pieces.range(at(events.start)..at(events.end)).map(|(&key, _)| key).collect();
        keys.sort_unstable_by_key(|&(_, arrival)| arrival);
        keys.into_iter().filter_map(|key| self.take(key)).collect()
    }

    /// Drops what a sender has waiting.
    pub(crate) fn forget(&mut self, sender: Sender) {
        let share = self.senders.get(&sender).map(|share| share.missing.clone());
        for (arrival, missing) in share.into_iter().flatten() {
            self.take((missing, arrival));
        }
    }

    fn take(&mut self, key: (EventId, Arrival)) -> Option<Waiting<C>> {
        let waiting = self.pieces.remove(&key)?;
        let memory = waiting.memory();
        self.share(waiting.sender, |share| {
            share.bytes -= memory;
            share.missing.remove(&key.1);
        });
        self.spans.remove(&(key.0, waiting.piece.span, waiting.sender));
        self.events -= waiting.piece.span.len() as usize;
        self.bytes -= memory;
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
    use crate::id::{AgentId, Clock};
    use crate::log::{Part, Share};
    use std::ops::Range;

    /// Contents of which nothing but the number is known.
    #[derive(Clone, Debug, Default)]
    struct Numbered(u32);

    impl Contents for Numbered {
        const MAGIC: &[u8; 4] = b"TEST";
        const UPDATE: &str = "an update of a test";
        fn len(&self) -> u32 {
            self.0
        }
        fn append(&mut self, _: &Self, events: Range<u32>) {
            self.0 += events.len() as u32;
        }
        fn same(&self, _: u32, _: &Self, _: Range<u32>) -> bool {
            true
        }
        fn truncate(&mut self, len: u32) {
            self.0 = len;
        }
        fn write(&self, _: &[Range<u32>], _: &mut Writer) {}
        fn read(_: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError> {
            Ok(Self(len))
        }
        fn pack(&self, parts: &[Part]) -> (Vec<u32>, Columns) {
            (parts.iter().map(|part| part.events.len() as u32).collect(), Columns::default())
        }
        fn unpack(_: &mut ColumnReader<'_, '_>, shares: &[Share], _: usize) -> Result<(Self, Vec<u32>), DecodeError> {
            let lengths: Vec<u32> = shares.iter().map(|share| share.runs).collect();
            Ok((Self(lengths.iter().sum()), lengths))
        }
        fn tell(&self, events: Range<u32>, _: Option<u32>, tell: &mut dyn FnMut(&[u8])) {
            events.for_each(|_| tell(&[0]));
        }
        fn fitting(&self, events: Range<u32>, _: usize) -> (u32, usize) {
            (events.len() as u32, 0)
        }
        fn memory(&self) -> usize {
            size_of::<Self>()
        }
    }

    fn id(agent: u128, clock: u32) -> EventId {
        EventId::new(AgentId::new(agent), Clock(clock))
    }

    fn piece(clock: u32) -> Piece {
        let span = EventSpan { agent: AgentId::new(9), start: Clock(clock), end: Clock(clock + 1) };
        Piece { span, parents: None, contents: 0..1 }
    }

    #[test]
    fn what_waits_is_released_in_order_of_arrival_and_once() {
        let contents = Numbered(1);
        let mut pending = Pending::default();
        [(id(1, 5), 3), (id(1, 2), 7), (id(2, 2), 8), (id(1, 5), 3), (id(1, 9), 4)]
            .into_iter()
            .for_each(|(missing, clock)| pending.add(missing, &piece(clock), &contents, Sender(0)));
        assert_eq!((pending.event_count(), pending.missing().len()), (4, 4));
        let all = EventSpan { agent: AgentId::new(1), start: Clock(0), end: Clock(9) };
        let clocks = |pieces: Vec<Waiting<Numbered>>| {
            pieces.iter().map(|waiting| waiting.piece.span.start.0).collect::<Vec<_>>()
        };
        assert_eq!(clocks(pending.release(all)), [3, 7]);
        assert_eq!(clocks(pending.release(all)), [0; 0]);
        assert_eq!(pending.missing(), [id(1, 9), id(2, 2)]);
    }

    #[test]
    fn the_oldest_are_dropped_first() {
        let contents = Numbered(1);
        let mut pending = Pending::default();
        (0..MAX_PIECES as u32 + 10).for_each(|clock| pending.add(id(1, 0), &piece(clock), &contents, Sender(0)));
        assert_eq!(pending.event_count(), MAX_PIECES);
        let all = EventSpan { agent: AgentId::new(1), start: Clock(0), end: Clock(1) };
        assert_eq!(pending.release(all)[0].piece.span.start, Clock(10));
        assert_eq!((pending.event_count(), pending.bytes, pending.spans.len()), (0, 0, 0));
        assert_eq!((pending.senders.len(), pending.by_bytes.len()), (0, 0));
    }

    #[test]
    fn a_flood_drops_nothing_of_other_senders() {
        let contents = Numbered(1);
        let mut pending = Pending::default();
        pending.add(id(1, 0), &piece(7), &contents, Sender(1));
        (0..2 * MAX_PIECES as u32).for_each(|clock| pending.add(id(2, 0), &piece(clock), &contents, Sender(2)));
        assert_eq!(pending.event_count(), MAX_PIECES);
        // One name claimed by two: both wait, and the log will say which is true.
        pending.add(id(1, 0), &piece(7), &contents, Sender(2));
        let all = EventSpan { agent: AgentId::new(1), start: Clock(0), end: Clock(1) };
        let senders: Vec<Sender> = pending.release(all).iter().map(|waiting| waiting.sender).collect();
        assert_eq!(senders, [Sender(1), Sender(2)]);
    }

    #[test]
    fn what_a_sender_has_waiting_is_forgotten_and_nothing_else() {
        let contents = Numbered(1);
        let mut pending = Pending::default();
        for (sender, clock) in [(1, 3), (2, 3), (1, 5), (2, 7)] {
            pending.add(id(1, 0), &piece(clock), &contents, Sender(sender));
        }
        pending.forget(Sender(1));
        pending.forget(Sender(9));
        assert_eq!((pending.event_count(), pending.senders.len(), pending.spans.len()), (2, 1, 2));
        let all = EventSpan { agent: AgentId::new(1), start: Clock(0), end: Clock(1) };
        assert!(pending.release(all).iter().all(|waiting| waiting.sender == Sender(2)));
    }
}
