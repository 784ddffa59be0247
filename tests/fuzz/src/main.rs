//! Reads inputs that libFuzzer makes, guided by the branches that they take in the engine: see `../run`.
//!
//! `CEDE_FUZZ` names the target ([`cede_tests::fuzzing`]), `CEDE_SEEDS` a folder that gets the inputs to begin with. libFuzzer
//! changes an input, the mutator here makes its checksums right in nine of ten cases, and whatever panics, takes more than two
//! seconds or more than 512 MiB stops the run and is kept.
//!
//! A bug that was planted and caught within half a minute: `Graph::take_back` in `engine/src/graph/mod.rs` leaves the parents of
//! what it takes back (`update`). Not found in 90 seconds: a sum in `Graph::local_of` that overflows for a parent with a clock
//! near 2³², which `refusals` finds.

#![no_main]

use cede_tests::fuzzing::{Target, target};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::path::PathBuf;
use std::sync::OnceLock;

static TARGET: OnceLock<Target> = OnceLock::new();

fn named() -> &'static Target {
    TARGET.get_or_init(|| {
        let name = std::env::var("CEDE_FUZZ").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("CEDE_FUZZ names a target, not {name:?}"))
    })
}

fn write_seeds() {
    let Some(folder) = std::env::var_os("CEDE_SEEDS").map(PathBuf::from) else { return };
    for (number, seed) in named().corpus.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number}")), seed).expect("a folder for the seeds");
    }
}

fuzz_target!(init: write_seeds(), |bytes: &[u8]| {
    drop((named().read)(bytes));
});

fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(bytes, size, max_size);
    if seed.is_multiple_of(10) {
        return size;
    }
    let sealed = (named().seal)(bytes[..size].to_vec());
    let size = sealed.len().min(max_size);
    bytes[..size].copy_from_slice(&sealed[..size]);
    size
});
