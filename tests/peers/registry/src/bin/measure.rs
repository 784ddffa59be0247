//! Times and sizes of the peers: `measure open|snapshot|typing|live|size TRACE…`, `json-edit|json-open|json-size|json-live SCRIPT…`.

use cede_measuring::figures::{Figure, JSON, run};
use cede_peers_registry::measure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let texts = [Figure::Open, Figure::Snapshot, Figure::Typing, Figure::Live, Figure::Size];
    run(&[&texts[..], &JSON[..]].concat(), measure)
}
