//! Which transactions of a trace happened before which, and which agent makes each of them.
//!
//! Knows indexes and parents only. Parents are kept as they are given; unbroken stretches, in which everyone's one
//! parent is the one before, are walked as one step. A question costs O(s log s) for the s stretches between the
//! transactions asked about, since the walk goes down the indexes and stops below the lowest of interest.

use std::collections::{BTreeMap, BinaryHeap};
use std::ops::RangeInclusive;

/// The graph of the transactions seen so far.
///
/// Invariant: parents are lower than their child.
#[derive(Debug, Default)]
pub(super) struct Ancestry {
    parents: Vec<Vec<usize>>,
    /// For each transaction, the first of the unbroken stretch that it ends.
    stretch_start: Vec<usize>,
}

impl Ancestry {
    /// Adds the next transaction.
    pub(super) fn push(&mut self, parents: Vec<usize>) {
        let index = self.parents.len();
        let continues = index.checked_sub(1).filter(|before| parents == [*before]);
        self.stretch_start.push(continues.map_or(index, |before| self.stretch_start[before]));
        self.parents.push(parents);
    }

    /// The parents of a transaction.
    pub(super) fn parents(&self, of: usize) -> &[usize] {
        &self.parents[of]
    }

    /// Those of the transactions that happened before no other of them, sorted.
    pub(super) fn heads(&self, mut of: Vec<usize>) -> Vec<usize> {
        of.sort_unstable();
        of.dedup();
        if of.len() < 2 {
            return of;
        }
        let mut heads = Vec::new();
        let mut remaining = of.len();
        let mut walk = Walk::default();
        // Asked about (`false`) or only reached (`true`): of two equal ones the heap yields the reached one first, and
        // then the other lies in a stretch that was walked.
        of.iter().for_each(|&index| walk.push(index, false));
        while remaining > 0
            && let Some((stretch, reached, skipped)) = walk.next_stretch(self)
        {
            remaining -= skipped;
            if !reached {
                heads.push(*stretch.end());
                remaining -= 1;
            }
        }
        heads.reverse();
        heads
    }

    /// The highest of `tips` in the past of `versions`, these included.
    fn latest_in_past(&self, tips: &BTreeMap<usize, u32>, versions: &[usize]) -> Option<usize> {
        let lowest = *tips.first_key_value()?.0;
        let mut walk = Walk::default();
        versions.iter().for_each(|&index| walk.push(index, true));
        while let Some((stretch, ..)) = walk.next_stretch(self) {
            if *stretch.end() < lowest {
                return None;
            }
            if let Some((&tip, _)) = tips.range(stretch).next_back() {
                return Some(tip);
            }
        }
        None
    }
}

/// A walk from some transactions down to the first, stretch by stretch.
#[derive(Default)]
struct Walk {
    pending: BinaryHeap<(usize, bool)>,
    /// Everything from here up has been walked or is not in the past.
    floor: Option<usize>,
}

impl Walk {
    fn push(&mut self, index: usize, reached: bool) {
        self.pending.push((index, reached));
    }

    /// The next stretch, whether its end was only reached, and how many that were asked about lay in the stretches
    /// before.
    fn next_stretch(&mut self, ancestry: &Ancestry) -> Option<(RangeInclusive<usize>, bool, usize)> {
        let mut skipped = 0;
        while let Some((index, reached)) = self.pending.pop() {
            if self.floor.is_some_and(|floor| index >= floor) {
                skipped += usize::from(!reached);
                continue;
            }
            let start = ancestry.stretch_start[index];
            self.floor = Some(start);
            ancestry.parents[start].iter().for_each(|&parent| self.push(parent, true));
            return Some((start..=index, reached, skipped));
        }
        None
    }
}

/// One of the lines of causally ordered transactions that make up an author's work.
///
/// An agent's events are ordered, an author's need not be: somebody may have worked on two branches. Such an author
/// gets one more agent for each branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Line {
    pub(super) author: u32,
    pub(super) branch: u32,
}

/// The last transaction of every line of every author.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// By author: the line's last transaction, and the branch.
    tips: BTreeMap<u32, BTreeMap<usize, u32>>,
}

impl Lines {
    /// The line that the next transaction continues: the one of its author's whose last transaction is the latest in
    /// the transaction's past, or a line of its own.
    pub(super) fn next(&mut self, ancestry: &Ancestry, transaction: usize, author: u32, parents: &[usize]) -> Line {
        let tips = self.tips.entry(author).or_default();
        let continued = ancestry.latest_in_past(tips, parents).and_then(|tip| tips.remove(&tip));
        // A trace of more than 2^32 transactions does not fit in memory.
        let branch = continued.unwrap_or(tips.len() as u32);
        tips.insert(transaction, branch);
        Line { author, branch }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ancestry, Line, Lines};

    /// ```text
    /// 0 ── 1 ── 2 ─────── 5 ── 6
    ///  └── 3 ── 4 ───────┘
    /// ```
    fn two_branches() -> Ancestry {
        let mut ancestry = Ancestry::default();
        for parents in [vec![], vec![0], vec![1], vec![0], vec![3], vec![2, 4], vec![5]] {
            ancestry.push(parents);
        }
        ancestry
    }

    #[test]
    fn heads_are_what_no_other_has_seen() {
        let ancestry = two_branches();
        assert!(ancestry.heads(vec![]).is_empty());
        assert_eq!(ancestry.heads(vec![3, 3]), [3]);
        assert_eq!(ancestry.heads(vec![4, 2]), [2, 4]);
        assert_eq!(ancestry.heads(vec![0, 2, 3]), [2, 3]);
        assert_eq!(ancestry.heads(vec![6, 0, 1, 2, 3, 4, 5]), [6]);
    }

    #[test]
    fn heads_agree_with_a_walk_of_single_steps() {
        let ancestry = two_branches();
        let past = |of: usize| -> Vec<usize> {
            let mut seen = [false; 7];
            let mut stack = ancestry.parents[of].clone();
            while let Some(index) = stack.pop() {
                seen[index] = true;
                stack.extend(&ancestry.parents[index]);
            }
            (0..7).filter(|index| seen[*index]).collect()
        };
        for subset in 0..1_u32 << 7 {
            let asked: Vec<usize> = (0..7).filter(|index| subset >> index & 1 == 1).collect();
            let is_head = |index: &usize| !asked.iter().any(|other| past(*other).contains(index));
            let expected: Vec<usize> = asked.iter().copied().filter(is_head).collect();
            assert_eq!(ancestry.heads(asked.clone()), expected, "heads of {asked:?}");
        }
    }

    #[test]
    fn an_author_on_two_branches_gets_two_lines() {
        let mut ancestry = Ancestry::default();
        let mut lines = Lines::default();
        let history =
            [(0, vec![]), (0, vec![0]), (0, vec![0]), (1, vec![1, 2]), (0, vec![1]), (0, vec![2, 4]), (0, vec![3])];
        let mut branches = Vec::new();
        for (index, (author, parents)) in history.into_iter().enumerate() {
            branches.push(lines.next(&ancestry, index, author, &parents));
            ancestry.push(parents);
        }
        let line = |author, branch| Line { author, branch };
        assert_eq!(
            branches,
            [line(0, 0), line(0, 0), line(0, 1), line(1, 0), line(0, 0), line(0, 0), line(0, 1)],
            "2 does not know 1; 5 knows both and goes on with the later"
        );
    }
}
