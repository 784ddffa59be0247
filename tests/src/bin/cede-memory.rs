//! What we hold in memory: `cede-memory memory TRACE…`. A program of its own, as counting takes time.

use cede_measuring::figures::{Figure, run};
use cede_tests::figures::measure;
use peak_alloc::PeakAlloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    run(&[Figure::Memory], measure)
}
