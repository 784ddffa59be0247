//! Recorded sessions in the JSON format of [editing-traces](https://github.com/josephg/editing-traces), plain or
//! gzipped.
//!
//! Knows both shapes of that format and what must hold in them before anything is replayed. Does not know documents:
//! whether a position fits is for whoever replays it.
//!
//! A trace is one JSON object, so it is held whole: O(file) time and memory, bounded by [`SIZE_LIMIT`]. The format's
//! `time` and `numChildren` are not read: wall time is no part of our events, and children can be counted.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};

/// How many bytes of JSON are read at most, after unpacking: 1 GiB, some sixty times the largest trace that is
/// published.
pub const SIZE_LIMIT: u64 = 1 << 30;

/// The first bytes of every gzip stream (RFC 1952, 2.3.1). The name of a file proves nothing.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A recorded session.
///
/// Invariant: every parent is the index of an earlier transaction, every author is below `authors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The text that the session began with; sequential traces alone may have one.
    pub start_content: String,
    /// The text that the session ended with.
    pub end_content: String,
    /// How many authors took part, numbered from 0.
    pub authors: u32,
    /// What they did, causes before effects.
    pub transactions: Vec<Transaction>,
    /// A number that follows from the bytes of the unpacked JSON (FNV-1a, 64 bits).
    pub digest: u64,
}

/// Some edits that one author made at one version, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who made it.
    pub author: u32,
    /// The transactions whose merged result it was made on; none is the empty text (or the `start_content`).
    pub parents: Vec<usize>,
    /// The edits, each in the text that the one before left.
    pub edits: Vec<Edit>,
}

/// At `position`, `deleted` characters go, then `inserted` comes. All in Unicode scalar values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Between which characters.
    pub position: usize,
    /// How many characters behind the position go.
    pub deleted: usize,
    /// What comes in their place.
    pub inserted: String,
}

impl Trace {
    /// Reads and checks a file, gzipped or plain.
    ///
    /// # Errors
    /// When it cannot be read or unpacked, is longer than [`SIZE_LIMIT`], is not JSON of the format, or names a parent
    /// or an author that there is not.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        let mut file = File::open(path).map_err(TraceError::Io)?;
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        file.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut head).map_err(TraceError::Io)?;
        let packed = head == GZIP_MAGIC;
        let whole = io::Cursor::new(head).chain(file);
        let json = if packed { bounded(MultiGzDecoder::new(whole)) } else { bounded(whole) }?;
        Self::parse(&json)
    }

    /// Checks a trace in JSON.
    ///
    /// # Errors
    /// As [`Trace::read`], reading excepted.
    pub fn parse(json: &[u8]) -> Result<Self, TraceError> {
        let file: TraceFile = serde_json::from_slice(json).map_err(TraceError::Json)?;
        let digest = fnv1a(json);
        match file.kind.as_deref() {
            None | Some("sequential") => Ok(file.sequential(digest)),
            Some("concurrent") => file.concurrent(digest),
            Some(other) => Err(TraceError::UnknownKind(other.to_owned())),
        }
    }
}

/// Everything that the source yields, when that is not too much.
fn bounded(source: impl Read) -> Result<Vec<u8>, TraceError> {
    let mut bytes = Vec::new();
    source.take(SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(TraceError::Io)?;
    if bytes.len() as u64 > SIZE_LIMIT { Err(TraceError::TooLarge) } else { Ok(bytes) }
}

/// FNV-1a: stable for ever, which the hasher of the standard library does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The JSON as it stands, before it is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TraceFile {
    kind: Option<String>,
    #[serde(default)]
    start_content: String,
    end_content: String,
    num_agents: Option<u32>,
    txns: Vec<TransactionEntry>,
}

#[derive(Deserialize)]
struct TransactionEntry {
    parents: Option<Vec<usize>>,
    agent: Option<u32>,
    patches: Vec<Edit>,
}

impl TraceFile {
    /// One author, every transaction on top of the one before.
    fn sequential(self, digest: u64) -> Trace {
        let chained = |(index, entry): (usize, TransactionEntry)| Transaction {
            author: 0,
            parents: index.checked_sub(1).into_iter().collect(),
            edits: entry.patches,
        };
        Trace {
            start_content: self.start_content,
            end_content: self.end_content,
            authors: 1,
            transactions: self.txns.into_iter().enumerate().map(chained).collect(),
            digest,
        }
    }

    fn concurrent(self, digest: u64) -> Result<Trace, TraceError> {
        let authors = self.num_agents.ok_or(TraceError::MissingField { transaction: None, field: "numAgents" })?;
        let checked = |(index, entry): (usize, TransactionEntry)| entry.checked(index, authors);
        let transactions = self.txns.into_iter().enumerate().map(checked).collect::<Result<_, _>>()?;
        Ok(Trace { start_content: self.start_content, end_content: self.end_content, authors, transactions, digest })
    }
}

impl TransactionEntry {
    fn checked(self, transaction: usize, authors: u32) -> Result<Transaction, TraceError> {
        let missing = |field| TraceError::MissingField { transaction: Some(transaction), field };
        let parents = self.parents.ok_or_else(|| missing("parents"))?;
        let author = self.agent.ok_or_else(|| missing("agent"))?;
        if author >= authors {
            return Err(TraceError::UnknownAuthor { transaction, author, authors });
        }
        if let Some(&parent) = parents.iter().find(|parent| **parent >= transaction) {
            return Err(TraceError::LaterParent { transaction, parent });
        }
        Ok(Transaction { author, parents, edits: self.patches })
    }
}

impl<'de> Deserialize<'de> for Edit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EditVisitor)
    }
}

/// Reads `[position, deleted, inserted]`; what follows (some traces carry a time there) is passed over.
struct EditVisitor;

impl<'de> Visitor<'de> for EditVisitor {
    type Value = Edit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a patch [position, deleted, inserted]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Edit, A::Error> {
        let short = |found| A::Error::invalid_length(found, &self);
        let position = fields.next_element()?.ok_or_else(|| short(0))?;
        let deleted = fields.next_element()?.ok_or_else(|| short(1))?;
        let inserted = fields.next_element()?.ok_or_else(|| short(2))?;
        while fields.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Edit { position, deleted, inserted })
    }
}

/// Why a file is no trace. Transactions are counted from 0.
#[derive(Debug)]
pub enum TraceError {
    /// It cannot be read, or its gzip stream is broken.
    Io(io::Error),
    /// More than [`SIZE_LIMIT`] bytes of JSON.
    TooLarge,
    /// Not JSON, or not of this format.
    Json(serde_json::Error),
    /// A `kind` that this reader has not learnt.
    UnknownKind(String),
    /// A concurrent trace without a field that it needs.
    MissingField {
        /// In which transaction; `None` is the trace itself.
        transaction: Option<usize>,
        /// The field's name in JSON.
        field: &'static str,
    },
    /// A parent that is not an earlier transaction.
    LaterParent {
        /// Which transaction names it.
        transaction: usize,
        /// The parent.
        parent: usize,
    },
    /// An author beyond `numAgents`.
    UnknownAuthor {
        /// Which transaction names it.
        transaction: usize,
        /// The author.
        author: u32,
        /// How many there are.
        authors: u32,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the trace cannot be read: {error}"),
            Self::TooLarge => write!(f, "the trace holds more than {SIZE_LIMIT} bytes of JSON"),
            Self::Json(error) => write!(f, "this is no editing trace: {error}"),
            Self::UnknownKind(kind) => write!(f, "unknown kind of trace {kind:?} (known: sequential, concurrent)"),
            Self::MissingField { transaction: None, field } => write!(f, "the trace has no field {field:?}"),
            Self::MissingField { transaction: Some(transaction), field } => {
                write!(f, "transaction {transaction} has no field {field:?}")
            }
            Self::LaterParent { transaction, parent } => {
                write!(f, "transaction {transaction} names the parent {parent}, which is not an earlier one")
            }
            Self::UnknownAuthor { transaction, author, authors } => {
                write!(f, "transaction {transaction} is by agent {author}, but numAgents is {authors}")
            }
        }
    }
}

impl std::error::Error for TraceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Json(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{Edit, Trace};

    const SEQUENTIAL: &str = r#"{"startContent":"","endContent":"hi","txns":[
        {"time":"2021-04-19T06:06:58.000Z","patches":[[0,0,"ho"]]},
        {"time":"2021-04-19T06:06:59.000Z","patches":[[1,1,""],[1,0,"i","2021-04-19T06:06:59.000Z"]]}]}"#;

    fn concurrent(transactions: &str) -> String {
        format!(r#"{{"kind":"concurrent","endContent":"","numAgents":2,"txns":[{transactions}]}}"#)
    }

    fn refusal(json: &str) -> String {
        Trace::parse(json.as_bytes()).expect_err("this trace should be refused").to_string()
    }

    #[test]
    fn a_sequential_trace_is_one_author_on_a_chain() {
        let trace = Trace::parse(SEQUENTIAL.as_bytes()).unwrap();
        let parents: Vec<_> = trace.transactions.iter().map(|each| each.parents.clone()).collect();
        assert_eq!((trace.authors, parents), (1, vec![vec![], vec![0]]));
        assert_eq!(trace.transactions[1].edits[1], Edit { position: 1, deleted: 0, inserted: "i".to_owned() });
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes_and_not_by_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("trace.gz"), folder.path().join("trace.json"));
        std::fs::write(&plain, SEQUENTIAL).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(SEQUENTIAL.as_bytes()).unwrap();
        std::fs::write(&packed, encoder.finish().unwrap()).unwrap();
        assert_eq!(Trace::read(&plain).unwrap(), Trace::read(&packed).unwrap());
    }

    #[test]
    fn what_does_not_hold_together_is_refused_with_its_numbers() {
        let later = concurrent(r#"{"parents":[],"agent":0,"patches":[]},{"parents":[0,1],"agent":1,"patches":[]}"#);
        assert_eq!(refusal(&later), "transaction 1 names the parent 1, which is not an earlier one");
        let stranger = concurrent(r#"{"parents":[],"agent":2,"patches":[]}"#);
        assert_eq!(refusal(&stranger), "transaction 0 is by agent 2, but numAgents is 2");
        assert_eq!(refusal(&concurrent(r#"{"agent":1,"patches":[]}"#)), "transaction 0 has no field \"parents\"");
        let kind = r#"{"kind":"spiral","endContent":"","txns":[]}"#;
        assert_eq!(refusal(kind), "unknown kind of trace \"spiral\" (known: sequential, concurrent)");
    }

    #[test]
    fn a_patch_needs_a_position_that_is_a_number_and_three_fields() {
        for patch in ["[-1,0,\"a\"]", "[0,0]", "[0,0,7]", "{}"] {
            let json = format!(r#"{{"endContent":"","txns":[{{"patches":[{patch}]}}]}}"#);
            assert!(refusal(&json).starts_with("this is no editing trace: "), "{patch} was taken");
        }
    }
}
