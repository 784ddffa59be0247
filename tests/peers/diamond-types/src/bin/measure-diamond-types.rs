//! Times and sizes of diamond-types: `measure-diamond-types open|typing|live|size TRACE…`.

use cede_measuring::figures::{Figure, run};
use cede_peers_diamond_types::measure;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(&[Figure::Open, Figure::Snapshot, Figure::Typing, Figure::Live, Figure::Size], measure)
}
