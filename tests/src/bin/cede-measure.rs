//! Our times and sizes: `cede-measure open|snapshot|typing|live|size TRACE…`, `json-edit|json-open|json-size|json-live SCRIPT…`, a line for each, as the peers' programs.

use cede_measuring::figures::{Figure, JSON, run};
use cede_tests::figures::measure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let texts = [Figure::Open, Figure::Snapshot, Figure::Typing, Figure::Live, Figure::Size];
    run(&[&texts[..], &JSON[..]].concat(), measure)
}
