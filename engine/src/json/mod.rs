//! A JSON document that many change at once: maps, lists and registers under a root map.
//!
//! Knows what operations mean (`tree`), how they are named and kept (`operations`), how people look at a document
//! (`cursor`, `read`) and change it (`edit`, `update`, `mutation`), what changes are told (`patch`), and the history as JSON (`plain`).
//!
//! ```text
//! log ── operations ──▶ tree: by path and type, what is alive ──▶ plain reading, conflicts, patches
//!  ▲                      │
//!  └── one event each ◀── cursor: where the next operation is, named by path and element
//! ```
//!
//! Objects are known by their paths: two who create the same key at the same time create one object. An edit survives the
//! deletion of what it is in when neither has seen the other, and brings its path back.
//!
//! Source: Kleppmann & Beresford, "A Conflict-Free Replicated JSON Datatype" (2017), arXiv 1608.03960.

mod cursor;
mod edit;
mod error;
mod interned;
mod list;
mod mutation;
mod operations;
mod patch;
mod plain;
mod read;
mod slots;
mod tree;
mod update;

#[cfg(test)]
mod tests;

pub use cursor::{Conflict, Cursor};
pub use edit::Editor;
pub use error::JsonError;
pub use mutation::{Deed, JsonAuthored, Mutation, PathStep, Place};
pub use patch::{JsonPatch, PatchOp};
pub use read::Step;

use crate::graph::{Frontier, Group, Lacking, Summary};
use crate::id::{AgentId, EventId, EventSpan, Local, Span};
use crate::log::{Effort, Holding, ImportError, Log, Origin, Refusal, Sender, Spent, Values, VersionError};
use operations::{ContainerId, Operations};
use patch::Telling;
use read::View;
use serde_json::Value;
use tree::{JsonLog, Tree};

impl Values for Tree {
    type Contents = Operations;
    type Changes = Telling;

    fn check(log: &JsonLog, events: Span) -> Result<(), Refusal> {
        tree::check(log, events)
    }

    fn apply(&mut self, log: &JsonLog, events: Span, changes: &mut Telling, effort: &mut Effort) -> Result<(), Spent> {
        (events.start.0..events.end.0).try_for_each(|event| {
            let before = self.steps();
            changes.follow(self, log, Local(event));
            effort.spend(self.steps() - before)
        })
    }
}

/// A JSON document and its history.
///
/// Plain data, `Send + Sync`; it does no I/O. Each operation of its own has seen everything that had come before.
///
/// ```
/// use cede::{AgentId, Json};
/// use serde_json::json;
///
/// let mut ann = Json::new(AgentId::new(1));
/// ann.edit().get("todo").set(&json!([{"title": "buy milk", "done": false}])).unwrap();
/// let mut ben = Json::decode(AgentId::new(2), &ann.encode()).unwrap();
///
/// // Ann strikes the item off the list while Ben, who has not seen it, ticks it.
/// ann.edit().get("todo").at(0).delete().unwrap();
/// ben.edit().get("todo").at(0).get("done").set(&json!(true)).unwrap();
///
/// ann.import(&ben.encode()).unwrap();
/// ben.import(&ann.encode()).unwrap();
/// assert_eq!(ann.to_value(), json!({"todo": [{"done": true}]}));
/// assert_eq!(ben.to_value(), ann.to_value());
/// ```
#[derive(Clone, Debug)]
pub struct Json {
    agent: AgentId,
    holding: Holding<Tree>,
    outgoing: Vec<EventSpan>,
}

impl Json {
    /// An empty document, `{}`, that `agent` edits: a new one for every replica and session.
    pub fn new(agent: AgentId) -> Self {
        Self { agent, holding: Holding::default(), outgoing: Vec::new() }
    }

    /// A document from the bytes of [`encode`](Self::encode).
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn decode(agent: AgentId, bytes: &[u8]) -> Result<Self, ImportError> {
        let mut json = Self::new(agent);
        json.holding.import(Origin::Kept, Sender::default(), bytes, &mut Telling::Silent)?;
        Ok(json)
    }

    /// Who edits here.
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    fn view(&self) -> View<'_> {
        View { log: self.holding.log(), tree: self.holding.values() }
    }

    /// Whether there is no event at all.
    pub fn is_new(&self) -> bool {
        self.event_count() == 0
    }

    /// The plain JSON, always an object: of several values the last in T, of several types under one key the one that
    /// was touched last. O(what is there).
    pub fn to_value(&self) -> Value {
        self.view().plain(ContainerId::ROOT)
    }

    /// Everything that is there, with all that is concurrent: for each key an object with `values` (registers, in T),
    /// `map` and `list`, as far as they are there; elements carry their `id`.
    pub fn full(&self) -> Value {
        self.view().full(ContainerId::ROOT)
    }

    /// The version of everything known.
    pub fn frontier(&self) -> Frontier {
        self.holding.frontier()
    }

    /// What is known, by agents and ranges of clocks. O(groups).
    pub fn summary(&self) -> Summary {
        self.log().graph().summary()
    }

    /// The same for META, with a fingerprint of each agent's events.
    pub fn meta(&self) -> Summary {
        self.log().meta()
    }

    /// Whether somebody with this META holds the same events under the same names.
    ///
    /// # Errors
    /// An event up to which its agent's events differ.
    pub fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal> {
        self.log().check_meta(theirs)
    }

    /// Whether an event is known. O(log runs).
    pub fn contains(&self, id: EventId) -> bool {
        self.log().graph().local(id).is_some()
    }

    /// How many events are known.
    pub fn event_count(&self) -> u64 {
        u64::from(self.log().len().0)
    }

    /// The groups in the total order T. O(runs log runs).
    pub fn groups(&self) -> Vec<Group> {
        self.log().graph().groups()
    }

    /// The document as it was at a version, with the history up to there. O(that history).
    ///
    /// # Errors
    /// An event that is not known here, or one that is in the past of another.
    pub fn at(&self, version: &Frontier) -> Result<Self, VersionError> {
        let holding = self.holding.at(version, &mut Telling::Silent)?;
        Ok(Self { agent: self.agent, holding, outgoing: Vec::new() })
    }

    /// What only `a` has seen and what only `b` has seen.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn diff(&self, a: &Frontier, b: &Frontier) -> Result<(Summary, Summary), VersionError> {
        self.log().diff(a, b)
    }

    /// Everything, as bytes to be kept: as few as can be.
    pub fn encode(&self) -> Vec<u8> {
        self.log().encode_all()
    }

    /// What somebody with `summary` lacks, as bytes; `None` when nothing.
    pub fn encode_since(&self, summary: &Summary) -> Option<Vec<u8>> {
        self.log().encode_since(summary)
    }

    /// The same in messages of about `max_bytes`, parents first, so that each can be taken in as it comes.
    pub fn chunks_since(&self, summary: &Summary, max_bytes: usize) -> Vec<Vec<u8>> {
        self.log().chunks_since(summary, max_bytes)
    }

    /// The same again, each encoded when it is asked for: for whoever may not have room for all of them.
    pub fn each_chunk_since(&self, summary: &Summary, max_bytes: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.log().each_chunk_since(summary, max_bytes).map(|(_, chunk)| chunk)
    }

    /// What somebody with `theirs` lacks of what is held here. O(agents · log groups) and what is found if `theirs` is
    /// META, else O(groups).
    pub fn lacking_in(&self, theirs: &Summary) -> Lacking {
        self.log().lacking_in(theirs)
    }

    /// The known ones of these events in messages of about `max_bytes`, parents first, so that each can be taken in as it
    /// comes.
    pub fn chunks_of(&self, spans: &[EventSpan], max_bytes: usize) -> Vec<Vec<u8>> {
        self.log().chunks_of(spans, max_bytes)
    }

    /// The known ones of these events, as bytes; `None` when none is known.
    pub fn encode_spans(&self, spans: &[EventSpan]) -> Option<Vec<u8>> {
        self.log().encode_spans(spans)
    }

    /// What was edited here since this was last asked, as bytes to be sent; `None` when nothing. Tens of thousands of
    /// operations under names of kilobytes may be more than others take in one message (`ImportError::TooCostly`):
    /// [`chunks_since`](Self::chunks_since) cuts them.
    pub fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        let spans = std::mem::take(&mut self.outgoing);
        self.log().encode_spans(&spans)
    }

    /// Takes in events and returns what they change in the plain reading, as a JSON Patch (RFC 6902).
    ///
    /// Events that are known are skipped, events whose parents are not known wait for them (see
    /// [`missing`](Self::missing)). A new document returns one operation that replaces the root, and so does one in which
    /// so much changes that this is shorter.
    ///
    /// For what one has kept oneself: it is taken in whatever it costs. What others send goes through
    /// [`import_from`](Self::import_from).
    ///
    /// # Errors
    /// Bytes that are no update of a JSON document, or an event that breaks a rule; then nothing has changed.
    pub fn import(&mut self, bytes: &[u8]) -> Result<JsonPatch, ImportError> {
        self.take_bytes(Origin::Kept, Sender::default(), bytes)
    }

    /// The same for one of several senders, whom nobody has to trust: how much may wait for parents is bounded, and who has
    /// the most waiting is the first to lose some of it; and what a message costs is bounded by what it brings and what
    /// the document holds.
    ///
    /// # Errors
    /// As [`import`](Self::import); and a message that takes too long to merge, as only one does that is made for it.
    pub fn import_from(&mut self, sender: Sender, bytes: &[u8]) -> Result<JsonPatch, ImportError> {
        self.take_bytes(Origin::Sent, sender, bytes)
    }

    fn take_bytes(&mut self, origin: Origin, sender: Sender, bytes: &[u8]) -> Result<JsonPatch, ImportError> {
        if self.is_new() {
            self.holding.import(origin, sender, bytes, &mut Telling::Silent)?;
            return Ok(if self.is_new() { JsonPatch::default() } else { JsonPatch::whole(self.to_value()) });
        }
        let mut telling = Telling::Patches { patch: JsonPatch::default(), said: 0 };
        self.holding.import(origin, sender, bytes, &mut telling)?;
        Ok(telling.into_patch(|| self.to_value()))
    }

    /// The same as [`import`](Self::import) for whoever keeps a document and shows it to nobody: does not say what changes.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        self.holding.import(Origin::Kept, Sender::default(), bytes, &mut Telling::Silent)
    }

    /// The same for one of several senders, as [`import_from`](Self::import_from).
    ///
    /// `admits` is asked about the agent of each piece that brings something. When it says no of one, nothing is taken
    /// in, and the answer is false.
    ///
    /// # Errors
    /// As [`import_from`](Self::import_from).
    pub fn absorb_from(
        &mut self,
        sender: Sender,
        bytes: &[u8],
        admits: impl FnMut(AgentId) -> bool,
    ) -> Result<bool, ImportError> {
        self.holding.absorb_from(sender, bytes, admits, &mut Telling::Silent)
    }

    /// The events that are waited for: parents of events that have come.
    pub fn missing(&self) -> Vec<EventId> {
        self.holding.missing()
    }

    /// How many events wait for their parents. Bounded.
    pub fn waiting(&self) -> usize {
        self.holding.waiting()
    }

    /// Forgets what a sender has waiting for its parents. Whoever shows one out calls this, for nobody is asked again whether
    /// what has waited is admitted ([`absorb_from`](Self::absorb_from)) when it is let in.
    pub fn forget(&mut self, sender: Sender) {
        self.holding.forget(sender);
    }

    /// Whether bytes claim to be an update of a JSON document.
    pub fn is_update(bytes: &[u8]) -> bool {
        bytes.starts_with(<Operations as crate::log::Contents>::MAGIC)
    }

    pub(crate) fn log(&self) -> &Log<Operations> {
        self.holding.log()
    }
}

impl TryFrom<(AgentId, &Value)> for Json {
    type Error = JsonError;

    /// A new document with these contents, written by this agent.
    fn try_from((agent, value): (AgentId, &Value)) -> Result<Self, JsonError> {
        let mut json = Self::new(agent);
        json.update(value)?;
        Ok(json)
    }
}

/// JSON text, for a document that is read from a file.
///
/// # Errors
/// What is wrong and at which line and column: no JSON, nested deeper than documents are, or a root that is no object.
pub fn parse_object(text: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err(JsonError::RootIsAnObject.to_string()) }
}
