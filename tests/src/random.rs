//! Seeded numbers for random tests, and the habit of printing the seed of a failure.
//!
//! Knows: SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014), O(1) a number, and
//! the variable `SEED`. Does not know what is made from the numbers.
//!
//! ```
//! use cede_tests::random::{Random, seeds};
//!
//! for seed in seeds(3) {
//!     let mut random = Random::from_seed(seed);
//!     assert!(random.below(6) < 6);
//! }
//! ```

/// A stream of numbers that one seed decides wholly. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`. The bias is below `bound / 2^64`, which no test notices.
    ///
    /// # Panics
    /// When `bound` is 0: there is no such number.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "no number is below 0");
        // Both widenings are lossless, and the product's upper half is below `bound`.
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// A number in `least..=most`.
    ///
    /// # Panics
    /// When `least` is above `most`.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        assert!(least <= most, "no number is between {least} and {most}");
        least + self.below(most - least + 1)
    }

    /// True `percent` times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of the choices.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// Puts the items in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// The seeds `0..count`, or as many from the one that the variable `FROM` names, for a long run in several stretches; or the
/// one alone that `SEED` names. When the loop over them panics, the seed that it was at is printed, as `SEED=…` to run that
/// one again.
///
/// # Panics
/// When one of them is set to something that is not a number of 64 bits.
pub fn seeds(count: u64) -> Seeds {
    if let Some(only) = named("SEED") {
        return Seeds::range(only, only.checked_add(1));
    }
    let first = named("FROM").unwrap_or(0);
    Seeds::range(first, first.checked_add(count))
}

fn named(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let seed = text.parse::<u64>();
    Some(seed.unwrap_or_else(|error| panic!("{variable}={text} is no seed: {error}")))
}

/// An iterator of seeds that tells on its way out where a panic found it. Made by [`seeds`].
#[derive(Debug)]
pub struct Seeds {
    next: Option<u64>,
    end: Option<u64>,
    current: Option<u64>,
}

impl Seeds {
    /// From `first` up to `end`, which is exclusive; without it, `u64::MAX` is included.
    fn range(first: u64, end: Option<u64>) -> Self {
        Self { next: Some(first), end, current: None }
    }
}

impl Iterator for Seeds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.current = self.next.filter(|next| self.end.is_none_or(|end| *next < end));
        self.next = self.current.and_then(|current| current.checked_add(1));
        self.current
    }
}

impl Drop for Seeds {
    fn drop(&mut self) {
        if let Some(seed) = self.current
            && std::thread::panicking()
        {
            eprintln!("failed with SEED={seed}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Random, Seeds};

    #[test]
    fn the_stream_is_splitmix64() {
        let mut random = Random::from_seed(1_234_567);
        let stream: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(stream, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn every_number_of_a_range_comes_up() {
        let mut random = Random::from_seed(7);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[random.between(3, 7) - 3] = true;
        }
        assert_eq!(seen, [true; 5]);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<usize> = (0..50).collect();
        Random::from_seed(3).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn the_last_seed_of_all_is_yielded_too() {
        assert_eq!(Seeds::range(u64::MAX, None).collect::<Vec<_>>(), [u64::MAX]);
        assert_eq!(Seeds::range(0, Some(3)).collect::<Vec<_>>(), [0, 1, 2]);
    }
}
