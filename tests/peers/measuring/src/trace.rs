//! Recorded sessions to measure with.
//!
//! Knows both shapes of the JSON of [editing-traces](https://github.com/josephg/editing-traces), gzipped or plain, and where files of peers
//! stand beside a trace. Trusts the files: they are measured with, not taken in. A trace is held whole, O(file).

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A trace and where it was found.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its file's name, without what tells the format.
    pub name: String,
    /// What was recorded.
    pub trace: Trace,
    /// Where files of peers are: `peers`, beside the folder that the trace is in.
    peers: PathBuf,
}

impl Recording {
    /// Reads a trace.
    ///
    /// # Errors
    /// A file that cannot be read, or is not JSON of the format.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = file.trim_end_matches(".gz").trim_end_matches(".json").to_owned();
        let folder = fs::canonicalize(path)?.parent().and_then(Path::parent).map(Path::to_owned);
        Ok(Self { name, trace: Trace::read(path)?, peers: folder.unwrap_or_default().join("peers") })
    }

    /// Something that was never recorded, beside which there are no files.
    pub fn made(name: &str, trace: Trace) -> Self {
        Self { name: name.to_owned(), trace, peers: PathBuf::new() }
    }

    /// The same history as a file of a peer, if there is one.
    pub fn file(&self, extension: &str) -> Option<Vec<u8>> {
        fs::read(self.peers.join(format!("{}.{extension}", self.name))).ok()
    }
}

/// A recorded session.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The text that it begins with; transactions without parents are made on it.
    pub start_content: String,
    /// The text that it ends with: the check.
    pub end_content: String,
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
            transactions: file.txns.into_iter().enumerate().map(transaction).collect(),
        })
    }

    /// Whether each transaction was made on the one before, so that the edits can be made one after the other.
    pub fn is_linear(&self) -> bool {
        self.transactions.iter().enumerate().all(|(index, transaction)| match index.checked_sub(1) {
            Some(previous) => transaction.parents == [previous],
            None => transaction.parents.is_empty(),
        })
    }

    /// All edits in the order of the transactions, laid out for a loop that is timed.
    pub fn edits(&self) -> Edits {
        let mut edits = Edits::default();
        for Edit(at, deleted, inserted) in self.transactions.iter().flat_map(|transaction| &transaction.edits) {
            edits.inserted.push_str(inserted);
            edits.ends.push((*at, *deleted, edits.inserted.len()));
        }
        edits
    }
}

/// Edits side by side in memory, so that waiting for them is no part of what is measured.
#[derive(Clone, Default, Debug)]
pub struct Edits {
    inserted: String,
    /// Position, deleted, and where the inserted text ends.
    ends: Vec<(usize, usize, usize)>,
}

impl Edits {
    /// Position, deleted, inserted.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(at, deleted, end)| {
            let inserted = &self.inserted[start..end];
            start = end;
            (at, deleted, inserted)
        })
    }
}
