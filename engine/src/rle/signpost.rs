//! Where to look in a sorted list of runs.

use std::ops::Range;

/// Numbers between two signposts. 64 of them take 4 bytes, and what is left to search lies in a few cache lines.
const SHIFT: u32 = 6;

/// For runs that cover the numbers `0..len` and grow at the end: every 64th number knows its run.
///
/// A binary search over all runs misses the cache at every step. A look-up by signposts is one read and a search among the runs
/// that start before the next signpost, of which there is mostly one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signposts {
    runs: Vec<u32>,
}

impl Signposts {
    /// The numbers up to `end` that are not covered yet belong to this run. O(1) amortised over the numbers.
    pub(crate) fn cover(&mut self, run: usize, end: u32) {
        while (self.runs.len() as u32) << SHIFT < end {
            self.runs.push(run as u32);
        }
    }

    /// The runs among which the one of a covered number is, when there are `count` in all.
    pub(crate) fn around(&self, number: u32, count: usize) -> Range<usize> {
        let post = (number >> SHIFT) as usize;
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
        let lengths = [1, 200, 3, 3, 64, 1, 1, 63, 65, 500];
        let (mut posts, mut starts, mut end) = (Signposts::default(), Vec::new(), 0);
        for (run, length) in lengths.into_iter().enumerate() {
            starts.push(end);
            // In two steps, as runs grow.
            posts.cover(run, end + length / 2);
            end += length;
            posts.cover(run, end);
        }
        for number in 0..end {
            let among = posts.around(number, starts.len());
            let found = among.start + starts[among].partition_point(|&start| start <= number) - 1;
            assert_eq!(found, starts.partition_point(|&start| start <= number) - 1, "the run of {number}");
        }
    }
}
