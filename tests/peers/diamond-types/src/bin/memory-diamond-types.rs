//! Memory of diamond-types: `memory-diamond-types memory TRACE…`. A program of its own, as counting takes time.

use cede_measuring::figures::{Figure, run};
use cede_peers_diamond_types::measure;
use peak_alloc::PeakAlloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    run(&[Figure::Memory], measure)
}
