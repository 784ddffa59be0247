//! Numbers that a seed decides wholly, and the habit of random tests: print the seed of a failure, take it back from `SEED`.
//!
//! SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014). The tests of the workspace have the same; they know
//! the editor and the server too, which would have to be built here for a few lines.

use std::ops::Range;

/// A stream of numbers. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The stream of this seed.
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `least..=most`.
    pub fn between(&mut self, least: usize, most: usize) -> usize {
        // The upper half of the product is below the number of choices.
        least + ((u128::from(self.bits()) * (most - least + 1) as u128) >> 64) as usize
    }

    /// True `percent` times in a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.between(0, 99) < percent
    }
}

/// The seed that `SEED` names, if it does.
///
/// # Panics
/// When that is no number of 64 bits.
pub fn seed_alone() -> Option<u64> {
    let text = std::env::var("SEED").ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("SEED={text} is no seed: {error}")))
}

/// The seeds from 0 up to `count`, or the one that `SEED` names. When the loop over them panics, the one that it was at is printed.
pub fn seeds(count: u64) -> Seeds {
    let ahead = seed_alone().map_or(0..count, |seed| seed..seed.saturating_add(1));
    Seeds { ahead, current: None }
}

/// Made by [`seeds`].
#[derive(Debug)]
pub struct Seeds {
    ahead: Range<u64>,
    current: Option<u64>,
}

impl Iterator for Seeds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.current = self.ahead.next();
        self.current
    }
}

impl Drop for Seeds {
    fn drop(&mut self) {
        if let Some(seed) = self.current.filter(|_| std::thread::panicking()) {
            eprintln!("failed with SEED={seed}");
        }
    }
}
