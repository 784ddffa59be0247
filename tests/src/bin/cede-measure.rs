//! Our times and sizes: `cede-measure open|snapshot|typing|live|size TRACE…`, a line for each, as the peers' programs.

use cede_measuring::figures::{Figure, run};
use cede_tests::figures::measure;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(&[Figure::Open, Figure::Snapshot, Figure::Typing, Figure::Live, Figure::Size], measure)
}
