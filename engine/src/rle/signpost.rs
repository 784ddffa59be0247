//! Where to look in a sorted list of runs.

use std::ops::Range;

/// Numbers between two signposts, as a power of two. 64 of them take 4 bytes, and what is left to search lies in a few
/// cache lines.
const CLOSEST: u32 = 6;

/// Signposts for each run. Where runs are so long that there would be more, the signposts stand further apart: what a
/// stranger claims to be one run of 2³¹ events must not cost more than the few bytes that it came in.
const MOST_PER_RUN: usize = 4;

/// For runs that cover the numbers `0..len` and grow at the end: every 64th number, or fewer, knows its run. Those of
/// the last run need none, so it is covered when the next one starts.
///
/// A binary search over all runs misses the cache at every step. A look-up by signposts is one read and a search among
/// the runs that start before the next signpost, of which there is mostly one.
#[derive(Clone, Debug)]
pub(crate) struct Signposts {
    runs: Vec<u32>,
    shift: u32,
}

impl Default for Signposts {
    fn default() -> Self {
        Self { runs: Vec::new(), shift: CLOSEST }
    }
}

impl Signposts {
    /// Signposts for `runs` runs that are all there: where each one ends, and the last one.
    pub(crate) fn over(ends: impl Iterator<Item = u32>, runs: usize, len: u32) -> Self {
        let mut shift = CLOSEST;
        while len as usize >> shift >= MOST_PER_RUN * runs.max(1) {
            shift += 1;
        }
        let mut posts = vec![0; len.div_ceil(1 << shift) as usize + 1];
        let mut next = 0;
        for (run, end) in ends.enumerate() {
            let end = end.div_ceil(1 << shift) as usize;
            // Mostly there is one signpost or none, and nobody can foresee which: so one is put up for the next run to
            // stand on, rather than branched on.
            posts[next] = run as u32;
            if end > next + 1 {
                posts[next + 1..end].fill(run as u32);
            }
            next = next.max(end);
        }
        posts.truncate(next);
        Self { runs: posts, shift }
    }

    /// The numbers up to `end` that are not covered yet belong to this run. O(1) amortised over the numbers and the
    /// runs.
    #[inline]
    pub(crate) fn cover(&mut self, run: usize, end: u32) {
        if (self.runs.len() as u64) << self.shift < u64::from(end) {
            self.extend(run, end);
        }
    }

    /// Only the numbers below `end` are covered. Signposts stay as far apart as they are.
    pub(crate) fn truncate(&mut self, end: u32) {
        self.runs.truncate(end.div_ceil(1 << self.shift) as usize);
    }

    fn extend(&mut self, run: usize, end: u32) {
        let most = MOST_PER_RUN * (run + 1);
        loop {
            let posts = end.div_ceil(1 << self.shift) as usize;
            self.runs.resize(posts.min(most).max(self.runs.len()), run as u32);
            if posts <= most {
                return;
            }
            self.take_every_other_away();
        }
    }

    fn take_every_other_away(&mut self) {
        let mut number = 0;
        self.runs.retain(|_| {
            number += 1;
            number % 2 == 1
        });
        self.shift += 1;
    }

    /// The runs among which the one of a covered number is, when there are `count` in all.
    pub(crate) fn around(&self, number: u32, count: usize) -> Range<usize> {
        let post = (number >> self.shift) as usize;
        let first = self.runs.get(post).map_or(0, |&run| run as usize);
        let last = self.runs.get(post + 1).map_or(count, |&run| run as usize + 1);
        first..last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signposts_lead_to_the_run() {
        let mixed = [1, 200, 3, 3, 64, 1, 1, 63, 65, 500];
        let long_first = [9000, 1, 1, 1, 70, 3000, 1, 2, 200_000, 5, 5];
        for lengths in [&mixed[..], &long_first, &[1; 500], &[1_000_000]] {
            let (mut posts, mut starts, mut end) = (Signposts::default(), Vec::new(), 0);
            for (run, length) in lengths.iter().enumerate() {
                starts.push(end);
                // In two steps, as runs grow.
                posts.cover(run, end + length / 2);
                end += length;
                posts.cover(run, end);
                assert!(posts.runs.len() <= MOST_PER_RUN * starts.len(), "{} signposts", posts.runs.len());
                // What comes is taken back and comes again.
                posts.cover(run + 1, end + 300);
                posts.truncate(end);
                posts.cover(run, end);
            }
            let ends = starts[1..].iter().copied().chain([end]);
            let at_once = Signposts::over(ends, starts.len(), end);
            assert!(at_once.runs.len() <= MOST_PER_RUN * starts.len(), "{} signposts", at_once.runs.len());
            for number in 0..end {
                for posts in [&posts, &at_once] {
                    let among = posts.around(number, starts.len());
                    let found = among.start + starts[among].partition_point(|&start| start <= number) - 1;
                    assert_eq!(found, starts.partition_point(|&start| start <= number) - 1, "the run of {number}");
                }
            }
        }
    }

    #[test]
    fn a_claim_of_a_huge_run_costs_next_to_nothing() {
        let mut posts = Signposts::default();
        posts.cover(0, 10);
        posts.cover(1, u32::MAX);
        assert!(posts.runs.len() <= 2 * MOST_PER_RUN);
        assert_eq!((posts.around(5, 2).start, posts.around(u32::MAX - 1, 2).end), (0, 2));
    }
}
