//! A document of whatever kind, for whoever keeps, exchanges and merges documents without looking into them.
//!
//! Knows which kinds there are and how bytes tell them apart. An update says its kind in its first bytes, so a log file,
//! a message and a room need not.

use super::Document;
use crate::dict::Dict;
use crate::graph::{Frontier, Group, Lacking, Summary};
use crate::id::{AgentId, EventId, EventSpan, Local};
use crate::json::Json;
use crate::log::{Contents, ImportError, Refusal, Sender, VersionError};
use crate::sync::Replica;
use crate::text::operations::Operations;
use std::fmt;

/// The kinds of documents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DocumentKind {
    /// [`Document`].
    Text,
    /// [`Json`].
    Json,
    /// [`Dict`].
    Dict,
}

impl DocumentKind {
    /// The kind of document that an update is of, by its first bytes; `None` when it is no update.
    pub fn of_update(bytes: &[u8]) -> Option<Self> {
        match () {
            () if bytes.starts_with(Operations::MAGIC) => Some(Self::Text),
            () if Json::is_update(bytes) => Some(Self::Json),
            () if Dict::is_update(bytes) => Some(Self::Dict),
            () => None,
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "JSON document",
            Self::Dict => "dictionary",
        })
    }
}

/// A document of one of the kinds.
#[derive(Clone, Debug)]
pub enum AnyDocument {
    /// A text.
    Text(Box<Document>),
    /// A JSON document.
    Json(Box<Json>),
    /// A dictionary.
    Dict(Box<Dict>),
}

/// The same thing done to whichever it is.
macro_rules! whichever {
    ($any:expr, $document:ident => $what:expr) => {
        match $any {
            AnyDocument::Text($document) => $what,
            AnyDocument::Json($document) => $what,
            AnyDocument::Dict($document) => $what,
        }
    };
}

impl AnyDocument {
    /// An empty document. `agent` edits it, if it is of a kind that is edited without a session.
    pub fn new(kind: DocumentKind, agent: AgentId) -> Self {
        match kind {
            DocumentKind::Text => Self::Text(Box::default()),
            DocumentKind::Json => Self::Json(Box::new(Json::new(agent))),
            DocumentKind::Dict => Self::Dict(Box::new(Dict::new(agent))),
        }
    }

    /// A document from an update, of the kind that the update is of.
    ///
    /// # Errors
    /// Bytes that are no update of any kind, or an event that breaks a rule.
    pub fn decode(agent: AgentId, bytes: &[u8]) -> Result<Self, ImportError> {
        let kind = DocumentKind::of_update(bytes).unwrap_or(DocumentKind::Text);
        let mut document = Self::new(kind, agent);
        document.merge(bytes)?;
        Ok(document)
    }

    /// Which kind it is.
    pub fn kind(&self) -> DocumentKind {
        match self {
            Self::Text(_) => DocumentKind::Text,
            Self::Json(_) => DocumentKind::Json,
            Self::Dict(_) => DocumentKind::Dict,
        }
    }

    /// Takes in events that one has kept oneself, whatever they cost.
    ///
    /// # Errors
    /// Bytes that are no update of this kind of document, or an event that breaks a rule; then nothing has changed.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        match self {
            // The whole of a history is read in the best order.
            Self::Text(document) if document.is_new() && document.waiting() == 0 => {
                **document = Document::decode(bytes)?;
                Ok(())
            }
            Self::Text(document) => document.absorb(bytes),
            Self::Json(json) => json.absorb(bytes),
            Self::Dict(dict) => dict.absorb(bytes),
        }
    }

    /// Takes in what one of several senders sends, whom nobody has to trust, if `admits` says yes to the agent of each piece
    /// that brings something; else nothing is taken in, and the answer is false.
    ///
    /// # Errors
    /// As [`merge`](Self::merge), and as [`Document::import_from`].
    pub fn absorb_from(
        &mut self,
        sender: Sender,
        bytes: &[u8],
        admits: impl FnMut(AgentId) -> bool,
    ) -> Result<bool, ImportError> {
        whichever!(self, document => document.absorb_from(sender, bytes, admits))
    }

    /// Forgets what a sender has waiting for its parents; see [`Document::forget`].
    pub fn forget(&mut self, sender: Sender) {
        whichever!(self, document => document.forget(sender));
    }

    /// Whether there is no event at all.
    pub fn is_new(&self) -> bool {
        whichever!(self, document => document.is_new())
    }

    /// What is known, by agents and ranges of clocks. O(groups).
    pub fn summary(&self) -> Summary {
        whichever!(self, document => document.summary())
    }

    /// What somebody with `summary` lacks in messages of about `max_bytes`, parents first.
    pub fn chunks_since(&self, summary: &Summary, max_bytes: usize) -> Vec<Vec<u8>> {
        whichever!(self, document => document.chunks_since(summary, max_bytes))
    }

    /// The same again, each encoded when it is asked for: for whoever may not have room for all of them.
    pub fn each_chunk_since(&self, summary: &Summary, max_bytes: usize) -> Box<dyn Iterator<Item = Vec<u8>> + '_> {
        whichever!(self, document => Box::new(document.each_chunk_since(summary, max_bytes)))
    }

    /// The same of the events from one on, by the order in which they came here, each with where to go on from: for whoever
    /// sends them a few at a time and has said once what the other end has.
    /// At the start nothing is to be passed over, so that a few events at the end of a long log are soon found.
    pub fn each_chunk_from<'a>(
        &'a self,
        from: u64,
        summary: &'a Summary,
        max_bytes: usize,
    ) -> impl Iterator<Item = (u64, Vec<u8>)> + 'a {
        let from = Local(u32::try_from(from).unwrap_or(u32::MAX));
        let chunks: Box<dyn Iterator<Item = (Local, Vec<u8>)>> = whichever!(self, document => match from {
            Local(0) => Box::new(document.log().each_chunk_since(summary, max_bytes)),
            from => Box::new(document.log().each_chunk_from(from, summary, max_bytes)),
        });
        chunks.map(|(end, chunk)| (end.0.into(), chunk))
    }

    /// The version of everything known.
    pub fn frontier(&self) -> Frontier {
        whichever!(self, document => document.frontier())
    }

    /// Whether an event is known.
    pub fn contains(&self, id: EventId) -> bool {
        whichever!(self, document => document.contains(id))
    }

    /// The groups in the total order T.
    pub fn groups(&self) -> Vec<Group> {
        whichever!(self, document => document.groups())
    }

    /// What only `a` has seen and what only `b` has seen.
    ///
    /// # Errors
    /// An event that is not known here, or one that is in the past of another.
    pub fn diff(&self, a: &Frontier, b: &Frontier) -> Result<(Summary, Summary), VersionError> {
        whichever!(self, document => document.diff(a, b))
    }

    /// Everything, as bytes to be kept: as few as can be.
    pub fn encode(&self) -> Vec<u8> {
        whichever!(self, document => document.encode())
    }

    /// What somebody with `summary` lacks, as bytes; `None` when nothing.
    pub fn encode_since(&self, summary: &Summary) -> Option<Vec<u8>> {
        whichever!(self, document => document.encode_since(summary))
    }

    /// The known ones of these events, as bytes; `None` when none is known.
    pub fn encode_spans(&self, spans: &[EventSpan]) -> Option<Vec<u8>> {
        whichever!(self, document => document.encode_spans(spans))
    }

    /// The events that are waited for.
    pub fn missing(&self) -> Vec<EventId> {
        whichever!(self, document => document.missing())
    }

    /// How many events wait for their parents.
    pub fn waiting(&self) -> usize {
        whichever!(self, document => document.waiting())
    }
}

impl Replica for AnyDocument {
    fn meta(&self) -> Summary {
        whichever!(self, document => document.meta())
    }

    fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal> {
        whichever!(self, document => document.check_meta(theirs))
    }

    fn event_count(&self) -> u64 {
        whichever!(self, document => document.event_count())
    }

    fn lacking_in(&self, theirs: &Summary) -> Lacking {
        whichever!(self, document => document.lacking_in(theirs))
    }

    fn come_since(&self, count: u64) -> Vec<EventSpan> {
        whichever!(self, document => document.log().come_since(count))
    }

    fn chunks_of(&self, spans: &[EventSpan], max_bytes: usize) -> Vec<Vec<u8>> {
        whichever!(self, document => document.chunks_of(spans, max_bytes))
    }
}

/// The exchange needs the same of every kind.
macro_rules! replica {
    ($document:ty) => {
        impl Replica for $document {
            fn meta(&self) -> Summary {
                self.meta()
            }

            fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal> {
                self.check_meta(theirs)
            }

            fn event_count(&self) -> u64 {
                self.event_count()
            }

            fn lacking_in(&self, theirs: &Summary) -> Lacking {
                self.lacking_in(theirs)
            }

            fn come_since(&self, count: u64) -> Vec<EventSpan> {
                self.log().come_since(count)
            }

            fn chunks_of(&self, spans: &[EventSpan], max_bytes: usize) -> Vec<Vec<u8>> {
                self.chunks_of(spans, max_bytes)
            }
        }
    };
}

replica!(Document);
replica!(Json);
replica!(Dict);
