//! Times and sizes of the peers: `measure open|snapshot|typing|live|size TRACE…`.

use cede_measuring::figures::{Figure, run};
use cede_peers_registry::measure;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(&[Figure::Open, Figure::Snapshot, Figure::Typing, Figure::Live, Figure::Size], measure)
}
