//! What a room keeps: nothing yet, or a document of the kind that came first.
//!
//! Knows the kinds of documents, and asks the same of each. Does not know who brings events, nor where they go.

use cede::sync::Replica;
use cede::{
    AgentId, AnyDocument, Dict, DictError, Document, DocumentKind, EventId, Frontier, ImportError, Sender, Summary,
};
use serde_json::Value;
use std::fmt;

use crate::presence::{VersionMark, version_digest};
use crate::wire::Refusal;

/// Nobody edits by the document of a room: what its server writes is written under an agent of the room's own.
const NOBODY: AgentId = AgentId::new(0);

/// See the module.
///
/// Invariant: a document has events, or some wait for their parents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Option<AnyDocument>);

impl Kept {
    /// Which kind it is of, once there is an event.
    #[cfg(test)]
    pub(crate) fn kind(&self) -> Option<DocumentKind> {
        self.0.as_ref().filter(|document| !document.is_new()).map(AnyDocument::kind)
    }

    /// The document, if there is an event.
    pub(crate) fn into_document(self) -> Option<AnyDocument> {
        self.0.filter(|document| !document.is_new())
    }

    /// Takes in events that were stored here, whatever they cost.
    pub(crate) fn absorb(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        self.take(bytes, |document| document.merge(bytes).map(|()| true)).map(drop)
    }

    /// Takes in what somebody sends if `admits` says yes to the agent of each piece that brings something. The first ones
    /// say what kind the room is of.
    pub(crate) fn absorb_from(
        &mut self,
        sender: Sender,
        bytes: &[u8],
        admits: impl FnMut(AgentId) -> bool,
    ) -> Result<bool, Unfit> {
        self.take(bytes, |document| document.absorb_from(sender, bytes, admits))
    }

    fn take(
        &mut self,
        bytes: &[u8],
        take_in: impl FnOnce(&mut AnyDocument) -> Result<bool, ImportError>,
    ) -> Result<bool, Unfit> {
        // What is no update of any kind is refused as a text.
        let brought = DocumentKind::of_update(bytes).unwrap_or(DocumentKind::Text);
        match &mut self.0 {
            Some(document) if document.kind() == brought => Ok(take_in(document)?),
            Some(document) if !document.is_new() => Err(Unfit::Kind { holds: document.kind(), brought }),
            // Events that only wait are no reason to turn others away.
            _ => {
                let mut document = AnyDocument::new(brought, NOBODY);
                let is_admitted = take_in(&mut document)?;
                if !document.is_new() || document.waiting() > 0 {
                    self.0 = Some(document);
                }
                Ok(is_admitted)
            }
        }
    }

    /// The dictionary; `None` when there is nothing yet.
    pub(crate) fn dict(&self) -> Result<Option<&Dict>, Unfit> {
        match &self.0 {
            Some(AnyDocument::Dict(dict)) => Ok(Some(dict)),
            Some(other) if !other.is_new() => Err(Unfit::Kind { holds: other.kind(), brought: DocumentKind::Dict }),
            _ => Ok(None),
        }
    }

    /// Sets or removes a key as the next thing that this agent does. The event, as an update.
    pub(crate) fn write(
        &mut self,
        agent: AgentId,
        key: &str,
        value: Option<&Value>,
        wall: u64,
    ) -> Result<Vec<u8>, Unfit> {
        if self.dict()?.is_none() {
            // Made aside, for a room of no kind stays one when the first write fails.
            let mut dict = Kept(Some(AnyDocument::new(DocumentKind::Dict, NOBODY)));
            let written = dict.write(agent, key, value, wall)?;
            *self = dict;
            return Ok(written);
        }
        let Some(AnyDocument::Dict(dict)) = &mut self.0 else { unreachable!("looked at above") };
        let id = dict.author(agent, &dict.frontier(), key, value, wall).map_err(Unfit::Write)?;
        let written = dict.encode_spans(&[span_of(id)]);
        Ok(written.unwrap_or_else(|| unreachable!("{id} has just been made")))
    }

    pub(crate) fn is_new(&self) -> bool {
        self.0.as_ref().is_none_or(AnyDocument::is_new)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.0.as_ref().map_or(0, AnyDocument::waiting)
    }

    /// Forgets what somebody has waiting.
    pub(crate) fn forget(&mut self, sender: Sender) {
        self.0.iter_mut().for_each(|document| document.forget(sender));
        self.0.take_if(|document| document.is_new() && document.waiting() == 0);
    }

    pub(crate) fn event_count(&self) -> u64 {
        self.0.as_ref().map_or(0, Replica::event_count)
    }

    pub(crate) fn frontier(&self) -> Frontier {
        self.0.as_ref().map_or_else(Frontier::root, AnyDocument::frontier)
    }

    pub(crate) fn meta(&self) -> Summary {
        self.0.as_ref().map_or_else(Summary::new, Replica::meta)
    }

    pub(crate) fn check_meta(&self, theirs: &Summary) -> Result<(), cede::Refusal> {
        self.0.as_ref().map_or(Ok(()), |document| document.check_meta(theirs))
    }

    pub(crate) fn each_chunk_since(&self, summary: &Summary, max_bytes: usize) -> impl Iterator<Item = Vec<u8>> {
        self.0.iter().flat_map(move |document| document.each_chunk_since(summary, max_bytes))
    }

    /// The same of the events from one on, each chunk with where to go on from.
    pub(crate) fn each_chunk_from<'a>(
        &'a self,
        from: u64,
        summary: &'a Summary,
        max_bytes: usize,
    ) -> impl Iterator<Item = (u64, Vec<u8>)> + 'a {
        self.0.iter().flat_map(move |document| document.each_chunk_from(from, summary, max_bytes))
    }

    pub(crate) fn encode_since(&self, summary: &Summary) -> Option<Vec<u8>> {
        self.0.as_ref()?.encode_since(summary)
    }

    /// What has come since a version.
    pub(crate) fn encode_beyond(&self, before: &Frontier) -> Option<Vec<u8>> {
        let document = self.0.as_ref()?;
        let (_, fresh) = document.diff(before, &document.frontier()).ok()?;
        document.encode_spans(&fresh.spans().collect::<Vec<_>>())
    }

    /// Version and text. Reads the whole text: O(n). What has no text is told apart by its version alone.
    pub(crate) fn mark(&self) -> VersionMark {
        match &self.0 {
            Some(AnyDocument::Text(document)) => VersionMark::of(document),
            Some(other) if !other.is_new() => VersionMark { version: version_digest(&other.frontier()), text: 0 },
            _ => VersionMark::of(&Document::new()),
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        self.0.as_ref().map_or_else(Summary::new, AnyDocument::summary)
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        match &self.0 {
            Some(AnyDocument::Text(document)) => document.text().to_string(),
            _ => String::new(),
        }
    }
}

fn span_of(id: EventId) -> cede::EventSpan {
    cede::EventSpan { agent: id.agent, start: id.clock, end: cede::Clock(id.clock.0 + 1) }
}

/// Why events are not taken in. Nothing has changed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Unfit {
    /// The room holds a document of another kind.
    Kind { holds: DocumentKind, brought: DocumentKind },
    /// The engine refuses them.
    Import(ImportError),
    /// The engine refuses to write it.
    Write(DictError),
}

impl Unfit {
    pub(crate) fn code(&self) -> Refusal {
        match self {
            Self::Kind { .. } => Refusal::Kind,
            Self::Import(_) => Refusal::Invalid,
            Self::Write(_) => Refusal::TooLarge,
        }
    }
}

impl From<ImportError> for Unfit {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { holds, brought } => write!(f, "the room holds a {holds}, and this is a {brought}"),
            Self::Import(error) => error.fmt(f),
            Self::Write(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cede::{Chars, Session};
    use serde_json::json;

    fn text() -> Vec<u8> {
        let mut session = Session::new(AgentId::new(1));
        session.insert(Chars(0), "text").unwrap();
        session.document().encode()
    }

    fn dict() -> Dict {
        let mut dict = Dict::new(AgentId::new(2));
        dict.set("color", &json!("red"), 0).unwrap();
        dict
    }

    #[test]
    fn the_first_event_says_which_kind_a_room_is_of() {
        let mut kept = Kept::default();
        assert!(kept.absorb(b"nonsense").is_err());
        assert_eq!(kept.kind(), None);
        assert!(!kept.absorb_from(Sender::default(), &text(), |_| false).unwrap(), "not admitted");
        assert_eq!(kept.kind(), None);
        kept.absorb(&dict().encode()).unwrap();
        assert_eq!(kept.kind(), Some(DocumentKind::Dict));
        let refused = kept.absorb(&text()).unwrap_err();
        assert_eq!(refused.to_string(), "the room holds a dictionary, and this is a text");
        assert_eq!(kept.dict().unwrap().unwrap().get("color"), Some(json!("red")));
    }

    #[test]
    fn events_that_only_wait_for_their_parents_do_not_say_which_kind_a_room_is_of() {
        let (mut kept, mut dict) = (Kept::default(), dict());
        let first = dict.summary();
        dict.import(&{
            let mut other = Dict::new(AgentId::new(3));
            other.set("a", &json!(1), 0).unwrap();
            other.encode()
        })
        .unwrap();
        dict.set("color", &json!("blue"), 0).unwrap();
        let orphan: Vec<_> = dict.summary().spans().flat_map(|span| first.missing(span).collect::<Vec<_>>()).collect();
        let orphan: Vec<_> = orphan.into_iter().filter(|span| span.agent == AgentId::new(2)).collect();
        kept.absorb(&dict.encode_spans(&orphan).unwrap()).unwrap();
        assert_eq!((kept.kind(), kept.waiting()), (None, 1));
        kept.absorb(&text()).unwrap();
        assert_eq!((kept.kind(), kept.text().as_str()), (Some(DocumentKind::Text), "text"));
    }

    #[test]
    fn what_cannot_be_written_leaves_a_room_of_no_kind() {
        let mut kept = Kept::default();
        let long = "x".repeat(5000);
        assert!(matches!(kept.write(AgentId::new(1), &long, None, 0), Err(Unfit::Write(_))));
        assert!(kept.is_new() && kept.kind().is_none());
        kept.write(AgentId::new(1), "a", Some(&json!(1)), 0).unwrap();
        kept.write(AgentId::new(1), "a", None, 0).unwrap();
        assert_eq!((kept.kind(), kept.event_count()), (Some(DocumentKind::Dict), 2));
    }
}
