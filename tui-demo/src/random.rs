//! Random numbers for tests, from a seed that is printed and taken back from `SEED`.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

/// A small random number generator (xorshift): its state is never 0.
pub(crate) fn seed() -> u64 {
    let seed = env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64));
    println!("SEED={seed}");
    seed | 1
}

pub(crate) fn below(state: &mut u64, limit: usize) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state % limit as u64) as usize
}
