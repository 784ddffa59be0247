//! Writes the project's own small set of conformance cases: `cargo run -p cede-tests --example make_conformance`.
//!
//! The oracle that makes them is itself proved on the larger shared set; the small one keeps a lone clone testable.

use std::error::Error;
use std::fs;
use std::path::Path;

use cede_tests::oracle::{graph_case, json_case, session_case};
use serde::Serialize;

/// So many cases of each kind: enough that every rule of deferral is met, few enough to read.
const CASES: u64 = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/conformance");
    fs::create_dir_all(&folder)?;
    write_lines(&folder.join("graphs.jsonl"), (0..CASES).map(graph_case))?;
    write_lines(&folder.join("sessions.jsonl"), (0..CASES).map(session_case))?;
    write_lines(&folder.join("json.jsonl"), (0..CASES).map(json_case))?;
    println!("wrote {CASES} graphs, {CASES} sessions and {CASES} JSON documents to {}", folder.display());
    Ok(())
}

fn write_lines<Case: Serialize>(path: &Path, cases: impl Iterator<Item = Case>) -> Result<(), Box<dyn Error>> {
    let mut content = String::new();
    for case in cases {
        content.push_str(&serde_json::to_string(&case)?);
        content.push('\n');
    }
    Ok(fs::write(path, content)?)
}
