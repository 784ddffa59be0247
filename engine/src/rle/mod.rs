//! Sorted runs: sets of numbers kept as disjoint ranges, and where in a list of runs a number is.
//!
//! Knows numbers only. The ranges stand in a sorted `Vec`: appending at the end is O(1), a look-up O(log runs).

mod signpost;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_range_set_is_a_set() {
        let mut state = 1u64;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % u64::from(below)) as u32
        };
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
