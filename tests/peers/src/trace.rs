//! Recorded sessions to measure with, and how each engine gets hold of one.
//!
//! Knows both shapes of the JSON of [editing-traces](https://github.com/josephg/editing-traces), gzipped or plain, and where the
//! folder of traces is. Trusts the files: they are measured with, not taken in. A trace is held whole, O(file).

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A recorded session.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The text that it begins with; transactions without parents are made on it.
    pub start_content: String,
    /// The text that it ends with: the check.
    pub end_content: String,
    /// Whether authors worked at the same time.
    pub concurrent: bool,
    /// What was done, causes before effects.
    pub transactions: Vec<Transaction>,
}

/// Some edits that one author made at one version.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Who, counted from 0.
    pub author: u32,
    /// The transactions whose merged result it was made on.
    pub parents: Vec<usize>,
    /// The edits, each in the text that the one before left.
    pub edits: Vec<Edit>,
}

/// At a position, some chars go and some come: position and deleted in Unicode scalar values, inserted.
#[derive(Clone, Debug, Deserialize)]
pub struct Edit(pub usize, pub usize, pub String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceFile {
    kind: Option<String>,
    #[serde(default)]
    start_content: String,
    end_content: String,
    txns: Vec<TransactionEntry>,
}

#[derive(Deserialize)]
struct TransactionEntry {
    #[serde(default)]
    parents: Vec<usize>,
    #[serde(default)]
    agent: u32,
    patches: Vec<Edit>,
}

impl Trace {
    /// Reads a trace.
    ///
    /// # Errors
    /// A file that cannot be read, or is not JSON of the format.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut json = fs::read(path)?;
        if path.extension().is_some_and(|extension| extension == "gz") {
            let packed = std::mem::take(&mut json);
            MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut json)?;
        }
        let file: TraceFile = serde_json::from_slice(&json)?;
        let concurrent = file.kind.as_deref() == Some("concurrent");
        let transaction = |(index, entry): (usize, TransactionEntry)| Transaction {
            author: entry.agent,
            parents: if concurrent { entry.parents } else { index.checked_sub(1).into_iter().collect() },
            edits: entry.patches,
        };
        Ok(Self {
            start_content: file.start_content,
            end_content: file.end_content,
            concurrent,
            transactions: file.txns.into_iter().enumerate().map(transaction).collect(),
        })
    }
}

/// The folder of traces: the one that `CEDE_TRACES` names, else `../shared/traces` beside the repository; `None` when there is none.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("CEDE_TRACES").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces"));
    folder.is_dir().then_some(folder)
}

/// All traces below a folder, in the order of their names.
///
/// # Errors
/// What the file system says.
pub fn find(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            found.extend(find(&path)?);
        } else if name.ends_with(".json") || name.ends_with(".json.gz") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The name of a trace: its file's, without what tells the format.
pub fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    file.trim_end_matches(".gz").trim_end_matches(".json").to_owned()
}
