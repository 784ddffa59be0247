//! Sorted runs: sets of numbers kept as disjoint ranges, and where in a list of runs a number is.
//!
//! Knows numbers only, and in `interleave` whatever is sorted. The ranges stand in a sorted `Vec`: appending at the end is O(1), a look-up O(log runs).

pub(crate) mod interleave;
mod signpost;

use interleave::{Bounds, Interleave, Turn};
pub(crate) use signpost::Signposts;

use std::ops::Range;

/// A set of numbers as sorted, disjoint, non-adjacent ranges.
///
/// Invariant: each range is non-empty and ends before the next one starts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct RangeSet {
    ranges: Vec<Range<u32>>,
}

impl RangeSet {
    pub(crate) fn with_room(ranges: usize) -> Self {
        Self { ranges: Vec::with_capacity(ranges) }
    }

    /// All numbers below `end`.
    pub(crate) fn up_to(end: u32) -> Self {
        let mut set = Self::default();
        set.insert(0..end);
        set
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(crate) fn ranges(&self) -> &[Range<u32>] {
        &self.ranges
    }

    pub(crate) fn contains(&self, number: u32) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= number);
        after > 0 && number < self.ranges[after - 1].end
    }

    /// How many numbers it holds.
    pub(crate) fn count(&self) -> u64 {
        self.ranges.iter().map(|range| u64::from(range.end - range.start)).sum()
    }

    /// Adds a range, joined with those that it touches. O(log n), plus a shift of those behind it.
    pub(crate) fn insert(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        // Clocks come in ascending order.
        if self.ranges.last().is_none_or(|last| last.end < range.start) {
            self.ranges.push(range);
            return;
        }
        let first = self.ranges.partition_point(|other| other.end < range.start);
        let last = self.ranges.partition_point(|other| other.start <= range.end);
        if first == last {
            self.ranges.insert(first, range);
            return;
        }
        let start = range.start.min(self.ranges[first].start);
        let end = range.end.max(self.ranges[last - 1].end);
        self.ranges[first] = start..end;
        self.ranges.drain(first + 1..last);
    }

    /// Adds a range that starts behind all others, or where the last one ends.
    #[inline]
    pub(crate) fn push(&mut self, range: Range<u32>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    /// Moves the end of the last range up to `end`; there is one.
    #[inline]
    pub(crate) fn extend_last(&mut self, end: u32) {
        if let Some(last) = self.ranges.last_mut() {
            last.end = end;
        }
    }

    /// Takes out everything from `end` on. O(ranges taken out).
    pub(crate) fn cut(&mut self, end: u32) {
        while self.ranges.last().is_some_and(|last| last.start >= end) {
            self.ranges.pop();
        }
        if let Some(last) = self.ranges.last_mut() {
            last.end = last.end.min(end);
        }
    }

    /// The parts of `range` that are not in the set, ascending.
    pub(crate) fn missing_from(&self, range: Range<u32>) -> impl Iterator<Item = Range<u32>> + '_ {
        let mut next = self.ranges.partition_point(|other| other.end <= range.start);
        let mut at = range.start;
        std::iter::from_fn(move || {
            while at < range.end {
                let Some(held) = self.ranges.get(next).filter(|held| held.start < range.end) else {
                    let gap = at..range.end;
                    at = range.end;
                    return Some(gap);
                };
                let gap = at..held.start.max(at);
                at = held.end.max(at);
                next += 1;
                if !gap.is_empty() {
                    return Some(gap);
                }
            }
            None
        })
    }

    /// Adds everything that `other` holds. Returns how many ranges were compared: none where all of one stand before all
    /// of the other, fewer than both hold otherwise.
    pub(crate) fn merge(&mut self, other: &RangeSet) -> u64 {
        let (ours, theirs) = (std::mem::take(&mut self.ranges), &other.ranges);
        let mut order = Interleave::new(Bounds::of(&ours).as_ref(), Bounds::of(theirs).as_ref());
        let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.iter().peekable());
        while let Some(turn) = order.turn(ours.peek(), theirs.peek().copied()) {
            let ours_is_first = match (turn, ours.peek(), theirs.peek()) {
                (Turn::Both, Some(ours), Some(theirs)) => ours.start <= theirs.start,
                _ => turn == Turn::Ours,
            };
            let Some(range) = (if ours_is_first { ours.next() } else { theirs.next().cloned() }) else { break };
            match self.ranges.last_mut() {
                Some(last) if last.end >= range.start => last.end = last.end.max(range.end),
                _ => self.ranges.push(range),
            }
        }
        order.comparisons()
    }

    #[cfg(test)]
    fn assert_invariants(&self) {
        for range in &self.ranges {
            assert!(!range.is_empty(), "an empty range {range:?} in {:?}", self.ranges);
        }
        for pair in self.ranges.windows(2) {
            assert!(pair[0].end < pair[1].start, "{:?} touches {:?}", pair[0], pair[1]);
        }
    }
}

/// Calls `found` with the parts of `ours` that `theirs` lacks, ascending. The last of ours goes on up to `end`. Returns how
/// many ranges were compared: none where all of one stand before all of the other, fewer than both hold otherwise.
pub(crate) fn beyond(ours: &[Range<u32>], end: u32, theirs: &RangeSet, mut found: impl FnMut(Range<u32>)) -> u64 {
    let our = |at: usize| {
        let range = ours.get(at)?;
        Some(range.start..if at + 1 == ours.len() { end } else { range.end })
    };
    let bounds = ours.len().checked_sub(1).and_then(|last| Some(Bounds { min: our(0)?, max: our(last)? }));
    let mut order = Interleave::new(bounds.as_ref(), Bounds::of(&theirs.ranges).as_ref());
    let (mut at, mut passed) = (0, 0);
    // What META says of an agent: one range over all of ours but the last ones, which are found by bisecting.
    if let ([held], Some((_, but_last @ [first, ..]))) = (theirs.ranges.as_slice(), ours.split_last())
        && !order.is_decided()
        && held.start <= first.start
    {
        at = but_last.partition_point(|range| range.end <= held.end);
        passed = u64::from(but_last.len().ilog2()) + 1;
    }
    let (mut rest, mut theirs) = (our(at), theirs.ranges.iter().peekable());
    // Behind the end of ours nothing is lacking.
    while let Some(mut range) = rest.take() {
        match (order.turn(Some(&range), theirs.peek().copied()), theirs.peek()) {
            (Some(Turn::Theirs), _) => {
                theirs.next();
                rest = Some(range);
            }
            (Some(Turn::Both), Some(held)) => {
                if range.start < held.start {
                    found(range.start..held.start);
                }
                let (ends, held_end) = (range.end.cmp(&held.end), held.end);
                if ends.is_ge() {
                    theirs.next();
                }
                if ends.is_gt() {
                    range.start = held_end;
                    rest = Some(range);
                } else {
                    at += 1;
                    rest = our(at);
                }
            }
            _ => {
                found(range);
                at += 1;
                rest = our(at);
            }
        }
    }
    order.comparisons() + passed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, seeds};
    use std::collections::BTreeSet;

    #[test]
    fn a_range_set_is_a_set() {
        for seed in seeds(4) {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below_u32(below);
            for _ in 0..200 {
                let (mut set, mut model) = (RangeSet::default(), BTreeSet::new());
                for _ in 0..30 {
                    let start = random(60);
                    let range = start..start + random(8);
                    let gaps: Vec<u32> = set.missing_from(range.clone()).flatten().collect();
                    let expected: Vec<u32> = range.clone().filter(|n| !model.contains(n)).collect();
                    assert_eq!(gaps, expected);
                    set.insert(range.clone());
                    model.extend(range);
                    set.assert_invariants();
                    assert_eq!(set.count(), model.len() as u64);
                    if random(8) == 0 {
                        let end = random(70);
                        set.cut(end);
                        model.retain(|&number| number < end);
                        set.assert_invariants();
                    }
                    for number in 0..70 {
                        assert_eq!(set.contains(number), model.contains(&number));
                    }
                }
            }
        }
    }

    #[test]
    fn two_sets_are_compared_range_by_range_and_not_at_all_when_they_are_apart() {
        for seed in seeds(4) {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below_u32(below);
            let (mut apart, mut across) = (0, 0);
            for _ in 0..2_000 {
                let mut sets = [RangeSet::default(), RangeSet::default()];
                for set in &mut sets {
                    let from = random(3) * 40;
                    for _ in 0..random(8) {
                        let start = from + random(50);
                        set.insert(start..start + random(6));
                    }
                }
                // As META says it.
                if random(3) == 0 {
                    sets[1] = RangeSet::up_to(random(150));
                }
                let [ours, theirs] = &sets;
                let numbers = |set: &RangeSet| set.ranges.iter().cloned().flatten().collect::<BTreeSet<u32>>();
                let (mine, yours) = (numbers(ours), numbers(theirs));
                // The last range goes on, as that of an agent who types does.
                let grown = ours.ranges.last().map_or(0, |last| last.end) + random(3);
                let mut whole = mine.clone();
                whole.extend(ours.ranges.last().map_or(0..0, |last| last.end..grown));

                let mut lacking = RangeSet::default();
                let compared = beyond(&ours.ranges, grown, theirs, |range| lacking.push(range));
                lacking.assert_invariants();
                assert_eq!(numbers(&lacking), &whole - &yours, "{ours:?} up to {grown} beyond {theirs:?}");
                let mut both = ours.clone();
                let merged = both.merge(theirs);
                both.assert_invariants();
                assert_eq!(numbers(&both), &mine | &yours, "{ours:?} with {theirs:?}");

                let most = (ours.ranges.len() + theirs.ranges.len()) as u64;
                assert!(compared <= most && merged <= most, "{compared} and {merged} of {most}");
                if whole.last() < yours.first() || yours.last() < whole.first() {
                    assert_eq!((compared, merged), (0, 0), "{ours:?} and {theirs:?} are apart");
                    apart += 1;
                } else if compared > 1 {
                    across += 1;
                }
            }
            assert!(apart > 300 && across > 300, "{apart} apart, {across} across");
        }
    }
}
