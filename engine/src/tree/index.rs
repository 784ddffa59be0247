//! A sorted map from numbers to values, by runs, in blocks.
//!
//! Each entry stands for the numbers from its start up to the start of the next one. Knows nothing of what is looked
//! up.
//!
//! Entries stand in blocks of at most [`BLOCK`], the blocks in one `Vec` beside a `Vec` of their first starts: a
//! look-up is two binary searches in dense arrays, appending is O(1), inserting shifts one block and, once in `BLOCK /
//! 2` times, the list of blocks. For a million entries that shift is about 100 KiB, some ten nanoseconds an insertion;
//! a search tree would follow pointers instead.

use std::ops::Range;

/// Entries of a block. Small in unit tests, so that blocks split.
const BLOCK: usize = if cfg!(test) { 4 } else { 64 };

/// What [`Index::find`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run<V> {
    /// Where the entry starts.
    pub(crate) start: u32,
    /// Where the next one starts, if there is one.
    pub(crate) end: Option<u32>,
    pub(crate) value: V,
}

/// Invariant: starts ascend strictly; no block is empty; `firsts[i]` is the first start of `blocks[i]`.
#[derive(Clone, Debug)]
pub(crate) struct Index<V> {
    firsts: Vec<u32>,
    blocks: Vec<Vec<(u32, V)>>,
    /// The blocks of two recent entries: who sets mostly goes on at one place, and cuts entries at another.
    recent: [usize; 2],
}

impl<V> Default for Index<V> {
    fn default() -> Self {
        Self { firsts: Vec::new(), blocks: Vec::new(), recent: [0; 2] }
    }
}

impl<V: Copy> Index<V> {
    /// The entry that `number` falls under; `None` before the first.
    pub(crate) fn find(&self, number: u32) -> Option<Run<V>> {
        let (block, slot) = self.locate(number)?;
        let entries = &self.blocks[block];
        let (start, value) = entries[slot];
        let end = match entries.get(slot + 1) {
            Some(&(next, _)) => Some(next),
            None => self.firsts.get(block + 1).copied(),
        };
        Some(Run { start, end, value })
    }

    /// The entries that a range of numbers falls under, from left to right; one look-up for all of them.
    pub(crate) fn runs_in(&self, numbers: Range<u32>) -> impl Iterator<Item = Run<V>> + '_ {
        let (mut block, mut slot) = self.locate(numbers.start).unwrap_or((0, 0));
        std::iter::from_fn(move || {
            let &(start, value) = self.blocks.get(block)?.get(slot)?;
            if start >= numbers.end {
                return None;
            }
            slot += 1;
            if slot == self.blocks[block].len() {
                (block, slot) = (block + 1, 0);
            }
            let next = self.blocks.get(block).and_then(|entries| entries.get(slot));
            Some(Run { start, end: next.map(|&(next, _)| next), value })
        })
    }

    /// Sets the value from `start` up to the next entry, as a new entry or in the place of the one that starts there.
    pub(crate) fn set(&mut self, start: u32, value: V) {
        let Some((block, slot)) = self.locate(start) else {
            self.set_first(start, value);
            return;
        };
        if block != self.recent[0] {
            self.recent = [block, self.recent[0]];
        }
        let entries = &mut self.blocks[block];
        if entries[slot].0 == start {
            entries[slot].1 = value;
            return;
        }
        entries.insert(slot + 1, (start, value));
        if entries.len() > BLOCK {
            self.split(block);
        }
    }

    fn locate(&self, number: u32) -> Option<(usize, usize)> {
        let holds = |&block: &usize| {
            self.firsts.get(block).is_some_and(|&first| first <= number)
                && self.firsts.get(block + 1).is_none_or(|&next| number < next)
        };
        let block = match self.recent.iter().copied().find(holds) {
            Some(block) => block,
            None => self.firsts.partition_point(|&first| first <= number).checked_sub(1)?,
        };
        let slot = self.blocks[block].partition_point(|&(start, _)| start <= number) - 1;
        Some((block, slot))
    }

    fn set_first(&mut self, start: u32, value: V) {
        match self.blocks.first_mut() {
            Some(entries) => {
                entries.insert(0, (start, value));
                self.firsts[0] = start;
                if self.blocks[0].len() > BLOCK {
                    self.split(0);
                }
            }
            None => {
                self.blocks.push(Vec::with_capacity(BLOCK + 1));
                self.blocks[0].push((start, value));
                self.firsts.push(start);
            }
        }
    }

    fn split(&mut self, block: usize) {
        // Most entries come at the end: a full last block is left full, and a fresh one begun.
        let keep = if block + 1 == self.blocks.len() { BLOCK } else { BLOCK / 2 };
        let mut right = Vec::with_capacity(BLOCK + 1);
        right.extend(self.blocks[block].drain(keep..));
        self.firsts.insert(block + 1, right[0].0);
        self.blocks.insert(block + 1, right);
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        let firsts: Vec<u32> = self.blocks.iter().map(|entries| entries[0].0).collect();
        assert_eq!(self.firsts, firsts, "the first starts of the blocks");
        let starts: Vec<u32> = self.blocks.iter().flatten().map(|&(start, _)| start).collect();
        assert!(starts.windows(2).all(|pair| pair[0] < pair[1]), "starts that do not ascend: {starts:?}");
        assert!(self.blocks.iter().all(|entries| entries.len() <= BLOCK), "a block of more than {BLOCK} entries");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, seeds};
    use std::collections::BTreeMap;

    #[test]
    fn an_index_is_a_sorted_map() {
        for seed in seeds(4) {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below_u32(below);
            let (mut index, mut model) = (Index::default(), BTreeMap::new());
            for value in 0..400 {
                let start = random(1000);
                index.set(start, value);
                model.insert(start, value);
                index.assert_invariants();
                let number = random(1100);
                let expected = model.range(..=number).next_back().map(|(&start, &value)| Run {
                    start,
                    end: model.range(number + 1..).next().map(|(&next, _)| next),
                    value,
                });
                assert_eq!(index.find(number), expected);
                let numbers = number..number + random(100);
                let first = model.range(..=numbers.start).next_back().map_or(0, |(&start, _)| start);
                let expected: Vec<i32> = model.range(first..numbers.end.max(first)).map(|(_, &value)| value).collect();
                let expected = if numbers.is_empty() { Vec::new() } else { expected };
                let found: Vec<i32> = index.runs_in(numbers.clone()).map(|run| run.value).collect();
                assert!(numbers.is_empty() || found == expected, "{numbers:?}: {found:?}, not {expected:?}");
            }
        }
    }
}
