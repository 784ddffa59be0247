//! A document as it is kept: its text at once, its history when somebody asks for it.
//!
//! Knows the bytes of a saved document, and that reading them goes front to back: the head with the text is read when it is
//! opened, what stands behind it is not touched before then. Does not know where the bytes come from.
//!
//! ```text
//! saved     magic (4) version (1) length of the head (4) head crc32 (4) history
//! head      frontier, number of events, text (a column)
//! history   an update that brings all events
//! ```
//!
//! The text is a result that was kept, so it is believed only as long as nothing is built on it: when the history is
//! read it is replayed, and has to give the same text at the same version.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::Document;
use crate::codec::{ColumnReader, Columns, DecodeError, Packing, Reader, Writer};
use crate::graph::Frontier;
use crate::id::{AgentId, Clock, EventId};
use crate::log::ImportError;
use crate::text::buffer::Buffer;
use crate::text::unit::Chars;
use std::fmt;
use std::io::{self, Read};

const MAGIC: &[u8; 4] = b"CEDd";
const VERSION: u8 = 1;
/// Magic, version, length of the head.
const START: usize = 9;

/// Bytes of memory that a byte of the text becomes at most: itself, and its place in a rope.
const TEXT_WEIGHT: u32 = 3;

/// A saved document, opened as far as its text.
///
/// ```
/// use cede::{AgentId, Chars, Saved, Session};
///
/// let mut ann = Session::new(AgentId::new(1));
/// ann.insert(Chars(0), "words").unwrap();
/// let bytes = ann.document().save();
///
/// let mut saved = Saved::open(&bytes[..]).unwrap();
/// assert_eq!(*saved.text(), "words");
/// let document = saved.document().unwrap();
/// assert_eq!(document.frontier(), ann.document().frontier());
/// ```
#[derive(Debug)]
pub struct Saved<S> {
    text: Buffer,
    frontier: Frontier,
    events: u64,
    source: S,
    /// What has been read of the history.
    history: Vec<u8>,
}

impl Document {
    /// The document as bytes to be kept, for [`Saved::open`]: the text, and behind it what [`encode`](Self::encode)
    /// writes.
    pub fn save(&self) -> Vec<u8> {
        let mut head = Writer::new();
        let frontier = self.frontier();
        head.number(frontier.ids().len() as u64);
        for id in frontier.ids() {
            head.wide(id.agent.get());
            head.number(u64::from(id.clock.0));
        }
        head.number(self.event_count());
        let (mut columns, mut text) = (Columns::default(), Writer::new());
        self.text().chunks().for_each(|chunk| text.raw(chunk.as_bytes()));
        columns.add(text, TEXT_WEIGHT);
        columns.write(Packing::Swift, &mut head);
        let head = head.finish();
        let mut writer = Writer::new();
        writer.raw(MAGIC);
        writer.byte(VERSION);
        // The text of fewer than 2³⁰ events, at most four bytes each and the checksum.
        writer.raw(&(head.len() as u32 + 4).to_le_bytes());
        writer.raw(&head);
        writer.checksum();
        writer.raw(&self.encode());
        writer.finish()
    }
}

impl<S: Read> Saved<S> {
    /// Reads the text and its version. O(text), however long the history is.
    ///
    /// # Errors
    /// What the source says, or a head that is damaged or none.
    pub fn open(mut source: S) -> Result<Self, SavedError> {
        let mut head = Vec::new();
        source.by_ref().take(START as u64).read_to_end(&mut head)?;
        let len = head_len(&head)?;
        source.by_ref().take(len.into()).read_to_end(&mut head)?;
        if head.len() < START + len as usize {
            return Err(DecodeError::Truncated { offset: head.len() }.into());
        }
        let mut reader = Reader::checked(&head)?;
        reader.raw(START)?;
        let frontier = read_frontier(&mut reader)?;
        let events = reader.number()?;
        let text = ColumnReader::new(&mut reader).next(TEXT_WEIGHT)?;
        reader.end()?;
        let text = std::str::from_utf8(&text).map_err(|_| reader.invalid("the text is not UTF-8"))?;
        Ok(Self { text: Buffer::from(text), frontier, events, source, history: Vec::new() })
    }

    /// The text.
    pub fn text(&self) -> &Buffer {
        &self.text
    }

    /// The version that the text is of.
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// How many events the history has.
    pub fn event_count(&self) -> u64 {
        self.events
    }

    /// Reads the history as well, and replays it. Costs what [`Document::decode`] does.
    ///
    /// # Errors
    /// What the source says; a history that is damaged, breaks a rule or makes another text. The text is still here then.
    pub fn document(&mut self) -> Result<Document, SavedError> {
        // What was read before an error stays, so this can be tried again.
        self.source.read_to_end(&mut self.history)?;
        let document = Document::decode(&self.history)?;
        let same = *document.text() == self.text
            && document.frontier() == self.frontier
            && document.event_count() == self.events;
        if !same {
            let (kept, made) = (self.text.len(), document.text().len());
            return Err(SavedError::Differs { kept, made });
        }
        Ok(document)
    }
}

/// How long the head is, with its checksum.
fn head_len(start: &[u8]) -> Result<u32, DecodeError> {
    let Some(rest) = start.strip_prefix(MAGIC) else {
        return Err(DecodeError::Magic { expected: "a saved document of Cede" });
    };
    match rest.split_first() {
        Some((&VERSION, len)) => {
            let len = len.try_into().map_err(|_| DecodeError::Truncated { offset: start.len() })?;
            Ok(u32::from_le_bytes(len))
        }
        Some((&found, _)) => Err(DecodeError::Version { found, known: VERSION }),
        None => Err(DecodeError::Truncated { offset: start.len() }),
    }
}

fn read_frontier(reader: &mut Reader<'_>) -> Result<Frontier, DecodeError> {
    let mut ids = Vec::new();
    for _ in 0..reader.count()? {
        ids.push(EventId::new(AgentId::new(reader.wide()?), Clock(reader.u32()?)));
    }
    if ids.is_sorted_by(|a, b| a < b) {
        Ok(Frontier::from_ids(ids))
    } else {
        Err(reader.invalid("the events of a version must ascend"))
    }
}

/// Why a saved document, or its history, could not be read.
#[derive(Debug)]
pub enum SavedError {
    /// What the source says.
    Io(io::Error),
    /// The head is damaged, or none.
    Head(DecodeError),
    /// The history is damaged or breaks a rule.
    History(ImportError),
    /// The history makes another text, or version, than the one that was kept.
    Differs {
        /// How long the text is that was kept.
        kept: Chars,
        /// How long that of the history is.
        made: Chars,
    },
}

impl From<io::Error> for SavedError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for SavedError {
    fn from(error: DecodeError) -> Self {
        Self::Head(error)
    }
}

impl From<ImportError> for SavedError {
    fn from(error: ImportError) -> Self {
        Self::History(error)
    }
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Head(error) => write!(f, "not a saved document: {error}"),
            Self::History(error) => write!(f, "the history behind the text: {error}"),
            Self::Differs { kept, made } => {
                write!(f, "the history makes another text, of {} chars, than the one kept, of {}", made.0, kept.0)
            }
        }
    }
}

impl std::error::Error for SavedError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Head(error) => Some(error),
            Self::History(error) => Some(error),
            Self::Differs { .. } => None,
        }
    }
}
