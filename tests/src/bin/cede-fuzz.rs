//! `cede-fuzz update|saved|file|frame|json|dict|meta|control|trace SECONDS [SEED]`: reads inputs that were changed at random until the time is
//! over, and stops at the first panic, the first input that takes more than 2 seconds, and the first that takes more than
//! 512 MiB.
//!
//! Structured and mutational: it starts from a corpus that the engine makes, changes bits, bytes, numbers and stretches, splices
//! inputs, and makes the checksums right again, so that what stands behind them is read. It keeps inputs that led to an answer that
//! was not seen before (the error without its numbers). It is *not* guided by coverage.

use cede_tests::forge::crc32;
use cede_tests::fuzzing::{Target, target};
use cede_tests::random::Random;
use peak_alloc::PeakAlloc;
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const MEMORY: usize = 512 << 20;
const TIME: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let target = words.first().and_then(|name| target(name));
    let seconds = words.get(1).and_then(|seconds| seconds.parse().ok());
    let seed = words.get(2).map_or(Some(1), |seed| seed.parse().ok());
    let (Some(target), Some(seconds), Some(seed)) = (target, seconds, seed) else {
        eprintln!("cede-fuzz update|saved|file|frame|json|dict|meta|control|trace SECONDS [SEED]");
        return ExitCode::FAILURE;
    };
    fuzz(target, Duration::from_secs(seconds), seed)
}

fn fuzz(target: Target, time: Duration, seed: u64) -> ExitCode {
    let (mut random, mut corpus, mut answers) = (Random::from_seed(seed), target.corpus, HashSet::new());
    let (start, mut inputs, mut slowest, mut largest) = (Instant::now(), 0u64, Duration::ZERO, 0);
    while start.elapsed() < time {
        let changed = mutated(&mut random, &corpus);
        let input = if random.percent(90) { (target.seal)(changed) } else { changed };
        ALLOCATOR.reset_peak_usage();
        let (before, began) = (ALLOCATOR.current_usage(), Instant::now());
        let answer = std::panic::catch_unwind(|| (target.read)(&input));
        let (took, memory) = (began.elapsed(), ALLOCATOR.peak_usage().saturating_sub(before));
        (slowest, largest) = (slowest.max(took), largest.max(memory));
        inputs += 1;
        if answer.is_err() || took > TIME || memory > MEMORY {
            let path = PathBuf::from(format!("fuzz-{:08x}.bin", crc32(&input)));
            let kept = std::fs::write(&path, &input);
            eprintln!("input {inputs}: {took:?}, {memory} bytes, {} ({kept:?})", path.display());
            return ExitCode::FAILURE;
        }
        let shape: String = answer.unwrap_or_default().chars().filter(|c| !c.is_ascii_hexdigit()).collect();
        if answers.insert(shape) && corpus.len() < 4_096 {
            corpus.push(input);
        }
    }
    println!(
        "{inputs} inputs, {} answers, slowest {slowest:?}, most memory {largest} bytes, no failure",
        answers.len()
    );
    ExitCode::SUCCESS
}

fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    const NUMBERS: [u64; 8] = [0, 1, 127, 128, 1 << 14, u32::MAX as u64, 1 << 30, u64::MAX];
    let mut bytes = random.pick(corpus).clone();
    for _ in 0..random.between(1, 6) {
        let at = random.below(bytes.len() + 1);
        let byte = bytes.get_mut(at);
        match (random.below(8), byte) {
            (0, Some(byte)) => *byte ^= 1 << random.below(8),
            (1, Some(byte)) => *byte = random.bits() as u8,
            (2, Some(byte)) => *byte = byte.wrapping_add(random.between(0, 2) as u8).wrapping_sub(1),
            (3, Some(_)) => drop(bytes.drain(at..(at + random.below(9)).min(bytes.len()))),
            (4, _) => {
                let mut number = Vec::new();
                cede_tests::forge::number(&mut number, *random.pick(&NUMBERS));
                bytes.splice(at..(at + random.below(3)).min(bytes.len()), number);
            }
            (5, Some(_)) => {
                let count = random.between(1, 64).min(bytes.len() - at);
                bytes.extend_from_within(at..at + count);
            }
            (6, Some(_)) if random.percent(10) => bytes.truncate(at),
            _ => {
                let other = random.pick(corpus);
                let from = random.below(other.len().max(1));
                let part = other[from.min(other.len())..].iter().copied().take(random.between(1, 40));
                bytes.splice(at..(at + random.below(40)).min(bytes.len()), part);
            }
        }
    }
    bytes.truncate(1 << 20);
    bytes
}
