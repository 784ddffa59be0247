//! Sets of events by their number in a graph.
//!
//! Knows numbers only: one bit each. Insert and look up O(1), union O(largest number / 64).

/// A set of event numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct EventSet {
    words: Vec<u64>,
}

impl EventSet {
    pub(super) fn insert(&mut self, number: usize) {
        if self.words.len() <= number / 64 {
            self.words.resize(number / 64 + 1, 0);
        }
        self.words[number / 64] |= 1 << (number % 64);
    }

    pub(super) fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(super) fn unite(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, added) in self.words.iter_mut().zip(&other.words) {
            *word |= added;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::EventSet;

    #[test]
    fn a_union_holds_what_either_held() {
        let (mut low, mut high) = (EventSet::default(), EventSet::default());
        low.insert(3);
        high.insert(64);
        low.unite(&high);
        let held: Vec<usize> = (0..200).filter(|number| low.contains(*number)).collect();
        assert_eq!(held, [3, 64]);
    }
}
