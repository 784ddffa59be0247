//! Version summaries: what a replica holds, by agents and ranges of clocks.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::Graph;
use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{AgentId, Clock, EventId, EventSpan};
use crate::rle::{RangeSet, beyond};
use std::collections::BTreeMap;
use std::ops::Range;

/// Per agent, the ranges of clocks held; as many ranges as there are groups.
///
/// One that is made for META ([`Document::meta`](crate::Document::meta)) has one range for each agent: an agent's events
/// are taken in order, so whoever holds one holds all before it, and the range goes over clocks that no event has. It says
/// besides, for each agent, *what* the events up to one of them are, as a fingerprint. Adding names to it leaves that true.
/// Summaries are equal when they name the same clocks; whether one end holds what the other does is for `covers` and
/// `lacking_in` of a document to say, and whether the events are the same for
/// [`Document::check_meta`](crate::Document::check_meta).
#[derive(Clone, Debug, Default)]
pub struct Summary {
    held: BTreeMap<AgentId, RangeSet>,
    /// Of the events of an agent up to this one, which is held.
    fingerprints: BTreeMap<AgentId, (Clock, Fingerprint)>,
}

/// What one replica holds and another does not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lacking {
    /// The events, by agents, then clocks ascending.
    pub spans: Vec<EventSpan>,
    /// How many ranges of events were compared to find them. Of an agent whom only one of the two knows, or whose ranges
    /// in one end before those in the other start, none; of others fewer than both hold.
    pub comparisons: u64,
}

impl Lacking {
    /// Adds what `theirs` lacks of an agent's ranges, the last of which goes on up to `end`.
    fn add(&mut self, agent: AgentId, ours: &[Range<u32>], end: u32, theirs: &Summary) {
        let nothing = RangeSet::default();
        let theirs = theirs.held.get(&agent).unwrap_or(&nothing);
        let spans = &mut self.spans;
        self.comparisons += beyond(ours, end, theirs, |range| {
            spans.push(EventSpan { agent, start: Clock(range.start), end: Clock(range.end) });
        });
    }
}

/// The first half of a SHA-256: an agent who wants two replicas to take different events for the same has to find a
/// collision of 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fingerprint([u8; 16]);

impl Fingerprint {
    pub(crate) fn of(hash: &[u8]) -> Self {
        let mut half = [0; 16];
        half.iter_mut().zip(hash).for_each(|(byte, &from)| *byte = from);
        Self(half)
    }
}

impl PartialEq for Summary {
    fn eq(&self, other: &Self) -> bool {
        self.held == other.held
    }
}

impl Eq for Summary {}

impl Summary {
    /// Nothing is held.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether this event is held.
    pub fn contains(&self, id: EventId) -> bool {
        self.held.get(&id.agent).is_some_and(|ranges| ranges.contains(id.clock.0))
    }

    /// Whether everything that `other` holds is held here too. O(ranges of both).
    pub fn covers(&self, other: &Summary) -> bool {
        other.lacking_in(self).spans.is_empty()
    }

    /// What is held here and not in `other`. O(ranges of both).
    pub fn lacking_in(&self, other: &Summary) -> Lacking {
        let mut lacking = Lacking::default();
        for (&agent, held) in &self.held {
            let end = held.ranges().last().map_or(0, |last| last.end);
            lacking.add(agent, held.ranges(), end, other);
        }
        lacking
    }

    /// Adds these events.
    pub fn insert(&mut self, span: EventSpan) {
        if !span.is_empty() {
            self.held.entry(span.agent).or_default().insert(span.start.0..span.end.0);
        }
    }

    /// Adds these events and all of their agent before them: whoever takes an agent's events in order holds those too. What
    /// is added in this way as it comes stays one range for each agent.
    pub fn insert_up_to(&mut self, span: EventSpan) {
        self.insert(EventSpan { start: Clock(0), ..span });
    }

    /// Adds everything that `other` holds, and returns how many ranges were compared: of an agent whom only one of the two
    /// knows, or whose ranges in one end before those in the other start, none.
    pub fn merge(&mut self, other: &Summary) -> u64 {
        let mut comparisons = 0;
        for (&agent, ranges) in &other.held {
            comparisons += self.held.entry(agent).or_default().merge(ranges);
        }
        comparisons
    }

    /// Says what the events of an agent up to this one are; it is held.
    pub(crate) fn vouch(&mut self, event: EventId, fingerprint: Fingerprint) {
        self.fingerprints.insert(event.agent, (event.clock, fingerprint));
    }

    /// Whether it says of any agent what the events are.
    pub(crate) fn vouches(&self) -> bool {
        !self.fingerprints.is_empty()
    }

    /// What the events of agents are, up to one of each.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = (EventId, Fingerprint)> + '_ {
        self.fingerprints.iter().map(|(&agent, &(clock, fingerprint))| (EventId::new(agent, clock), fingerprint))
    }

    /// What is held, by agents ascending, then clocks.
    pub fn spans(&self) -> impl Iterator<Item = EventSpan> + '_ {
        self.held.iter().flat_map(|(&agent, ranges)| {
            let span = move |range: &Range<u32>| EventSpan { agent, start: Clock(range.start), end: Clock(range.end) };
            ranges.ranges().iter().map(span)
        })
    }

    /// The parts of `span` that are not held, ascending.
    pub fn missing(&self, span: EventSpan) -> impl Iterator<Item = EventSpan> + '_ {
        let range = span.start.0..span.end.0;
        let gaps: Vec<_> = match self.held.get(&span.agent) {
            Some(held) => held.missing_from(range).collect(),
            None => vec![range],
        };
        gaps.into_iter().map(move |gap| EventSpan { agent: span.agent, start: Clock(gap.start), end: Clock(gap.end) })
    }

    /// What is held both here and in `other`. O(ranges of both).
    #[must_use]
    pub fn common(&self, other: &Summary) -> Summary {
        let mut common = Summary::new();
        for span in self.spans() {
            let mut at = span.start;
            for gap in other.missing(span) {
                common.insert(EventSpan { start: at, end: gap.start, ..span });
                at = gap.end;
            }
            common.insert(EventSpan { start: at, ..span });
        }
        common
    }

    /// How many clocks are held: as many as events, but for a summary that was made for META.
    pub fn event_count(&self) -> u64 {
        self.held.values().map(RangeSet::count).sum()
    }

    /// As bytes: the agents, each with its ranges as gaps and lengths, and a checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.checksum();
        writer.finish()
    }

    /// Back from bytes.
    ///
    /// # Errors
    /// Damaged or truncated bytes, agents or ranges out of order.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::checked(bytes)?;
        let summary = Self::read(&mut reader)?;
        reader.end()?;
        Ok(summary)
    }

    /// As bytes, fingerprints included.
    pub(crate) fn encode_vouched(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        for agent in self.held.keys() {
            match self.fingerprints.get(agent) {
                Some((clock, Fingerprint(half))) => {
                    writer.number(u64::from(clock.0) + 1);
                    writer.raw(half);
                }
                None => writer.number(0),
            }
        }
        writer.checksum();
        writer.finish()
    }

    /// Back from bytes, fingerprints included.
    pub(crate) fn decode_vouched(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::checked(bytes)?;
        let mut summary = Self::read(&mut reader)?;
        for (&agent, held) in &summary.held {
            let Some(clock) = reader.bounded(1 << 32)?.checked_sub(1) else { continue };
            let clock = clock as u32;
            if !held.contains(clock) {
                return Err(reader.invalid("a fingerprint up to an event that is not held"));
            }
            let fingerprint = Fingerprint::of(reader.raw(16)?);
            summary.fingerprints.insert(agent, (Clock(clock), fingerprint));
        }
        reader.end()?;
        Ok(summary)
    }

    fn write(&self, writer: &mut Writer) {
        writer.number(self.held.len() as u64);
        for (agent, ranges) in &self.held {
            writer.wide(agent.get());
            writer.number(ranges.ranges().len() as u64);
            let mut at = 0;
            for range in ranges.ranges() {
                writer.number(u64::from(range.start - at));
                writer.number(u64::from(range.end - range.start));
                at = range.end;
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut held = BTreeMap::new();
        for _ in 0..reader.count()? {
            let agent = AgentId::new(reader.wide()?);
            if held.last_key_value().is_some_and(|(&last, _)| last >= agent) {
                return Err(reader.invalid("agents of a version summary must ascend"));
            }
            held.insert(agent, read_ranges(reader)?);
        }
        Ok(Self { held, fingerprints: BTreeMap::new() })
    }
}

fn read_ranges(reader: &mut Reader<'_>) -> Result<RangeSet, DecodeError> {
    let (mut ranges, mut at) = (RangeSet::default(), 0u32);
    for number in 0..reader.count()? {
        let (gap, length) = (reader.u32()?, reader.u32()?);
        if length == 0 || (gap == 0 && number > 0) {
            return Err(reader.invalid("ranges of a version summary must be apart and not empty"));
        }
        let start = at.checked_add(gap);
        let end = start.and_then(|start| start.checked_add(length));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(reader.invalid("a range of a version summary ends beyond the largest clock"));
        };
        ranges.insert(start..end);
        at = end;
    }
    if ranges.is_empty() { Err(reader.invalid("an agent of a version summary has no range")) } else { Ok(ranges) }
}

impl Graph {
    /// Everything held. O(groups).
    pub(crate) fn summary(&self) -> Summary {
        let held = self.agent_indexes().map(|agent| (self.agent(agent), self.held(agent))).collect();
        Summary { held, fingerprints: BTreeMap::new() }
    }

    /// The same in one range for each agent, up to its last event: there is none of it before that which is not held.
    /// O(agents).
    pub(crate) fn closed_summary(&self) -> Summary {
        let held =
            self.agent_indexes().map(|agent| (self.agent(agent), RangeSet::up_to(self.next_clock(agent)))).collect();
        Summary { held, fingerprints: BTreeMap::new() }
    }

    /// The events held here that `summary` lacks. O(agents · log groups), and what is found; O(groups) beside a summary of
    /// many ranges.
    pub(crate) fn not_in(&self, summary: &Summary) -> Lacking {
        let mut lacking = Lacking::default();
        for agent in self.agent_indexes() {
            let (ranges, end) = self.held_ranges(agent);
            lacking.add(self.agent(agent), ranges, end, summary);
        }
        lacking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(agent: u128, start: u32, end: u32) -> EventSpan {
        EventSpan { agent: AgentId::new(agent), start: Clock(start), end: Clock(end) }
    }

    #[test]
    fn a_summary_is_read_back_as_written() {
        let mut summary = Summary::new();
        [span(7, 0, 4), span(7, 9, 10), span(2, 5, 6), span(7, 4, 5)].into_iter().for_each(|span| summary.insert(span));
        assert_eq!(summary.spans().collect::<Vec<_>>(), [span(2, 5, 6), span(7, 0, 5), span(7, 9, 10)]);
        assert_eq!(Summary::decode(&summary.encode()), Ok(summary.clone()));
        let bytes = summary.encode();
        for end in 0..bytes.len() {
            assert!(Summary::decode(&bytes[..end]).is_err(), "the first {end} bytes were taken for a summary");
        }
    }

    #[test]
    fn what_is_missing_is_what_the_other_does_not_cover() {
        let mut summary = Summary::new();
        summary.insert(span(1, 2, 4));
        assert_eq!(summary.missing(span(1, 0, 6)).collect::<Vec<_>>(), [span(1, 0, 2), span(1, 4, 6)]);
        let mut other = Summary::new();
        other.insert(span(1, 3, 4));
        assert!(summary.covers(&other));
        assert!(!other.covers(&summary));
    }

    /// A planted bug that it catches: `Interleave::new` overlooks the bounds (`first: None`).
    #[test]
    fn of_ranges_that_lie_apart_none_is_compared() {
        let summary = |spans: &[EventSpan]| {
            let mut summary = Summary::new();
            spans.iter().for_each(|&span| summary.insert(span));
            summary
        };
        let ours = summary(&[span(1, 0, 2), span(1, 4, 6), span(2, 0, 9)]);
        let all = vec![span(1, 0, 2), span(1, 4, 6), span(2, 0, 9)];
        // Theirs, what they lack, comparisons for that, and for the union.
        let cases = [
            (summary(&[]), all.clone(), 0, 0),
            (summary(&[span(3, 0, 9)]), all.clone(), 0, 0),
            (summary(&[span(1, 6, 7), span(1, 9, 12)]), all, 0, 0),
            (summary(&[span(1, 1, 5), span(2, 0, 9)]), vec![span(1, 0, 1), span(1, 5, 6)], 3, 3),
            (ours.clone(), vec![], 3, 4),
        ];
        for (theirs, spans, comparisons, united) in cases {
            assert_eq!(ours.lacking_in(&theirs), Lacking { spans, comparisons }, "beside {theirs:?}");
            let mut union = ours.clone();
            assert_eq!(union.merge(&theirs), united, "with {theirs:?}");
            assert!(union.covers(&ours) && union.covers(&theirs));
        }
    }
}
