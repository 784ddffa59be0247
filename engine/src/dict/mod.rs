//! A dictionary that many change at once: of everything that was ever done to a key, the last in T counts.
//!
//! Knows keys, values and which operation on a key is the last. Does not know clocks on walls: they are written down for
//! people and never compared.
//!
//! There are no ties, for no two events have the same place in T; adding and removing are alike. So merging is taking the
//! later of two for each key: idempotent, commutative, associative.

mod operations;
mod plain;

use crate::graph::{Frontier, Group, Lacking, Summary};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use crate::log::{
    Effort, Holding, ImportError, Log, Origin, Refusal, Sender, Spent, Told, Values, VersionError, WriteError,
};
use foldhash::fast::RandomState;
use operations::{Deed, KeyId, MAX_KEY, MAX_VALUE, Operations};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt;

/// Events that others may bring of which only the names are kept, whatever else there is: any number of them are a few
/// bytes, and a log that is full is full for ever.
const DROPPED: u32 = 1 << 22;

/// By keys, the last operation in T.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    last: HashMap<KeyId, Local, RandomState>,
}

impl Told for Vec<KeyId> {
    fn len(&self) -> usize {
        self.len()
    }

    fn truncate(&mut self, len: usize) {
        self.truncate(len);
    }
}

impl Values for Entries {
    type Contents = Operations;
    /// The keys under which something else stands than before.
    type Changes = Vec<KeyId>;

    fn check(_: &Log<Operations>, _: Span) -> Result<(), Refusal> {
        Ok(())
    }

    fn amount(log: &Log<Operations>, events: Span) -> u32 {
        let dropped = log.contents().deeds(events.numbers()).filter(|(_, deed)| *deed == Deed::Dropped);
        dropped.map(|(part, _)| part.end - part.start).sum()
    }

    /// What was dropped is granted once and not to each message: as much as [`DROPPED`], and one for each event of which more
    /// is held than its name.
    fn check_amount(log: &Log<Operations>, events: Span, own: u32) -> Result<(), ImportError> {
        let all = log.contents().dropped();
        let (dropped, limit) = (all.saturating_sub(own), DROPPED.saturating_add(log.len().0 - all));
        match dropped <= limit || Self::amount(log, events) == 0 {
            true => Ok(()),
            false => Err(ImportError::TooMany { events: dropped, limit }),
        }
    }

    /// A look at one key an event, which is never too much.
    fn apply(
        &mut self,
        log: &Log<Operations>,
        events: Span,
        changes: &mut Vec<KeyId>,
        _: &mut Effort,
    ) -> Result<(), Spent> {
        for (part, deed) in log.contents().deeds(events.numbers()) {
            let (Deed::Set { key, .. } | Deed::Removed { key, .. }) = deed else { continue };
            let event = Local(part.start);
            let is_last = |&last: &Local| log.graph().compare(last, event) == Ordering::Less;
            if self.last.get(&key).is_none_or(is_last) {
                self.last.insert(key, event);
                changes.push(key);
            }
        }
        Ok(())
    }
}

/// What stands under a key, or that it was removed.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value; `None` when the key was removed.
    pub value: Option<Value>,
    /// The event that did it.
    pub event: EventId,
    /// When, in milliseconds since 1970, by the clock of whoever did it; 0 when they did not say. For people: nothing
    /// depends on it.
    pub wall: u64,
}

/// A dictionary and its history.
///
/// Plain data, `Send + Sync`; it does no I/O. Each operation of its own has seen everything that had come before.
///
/// ```
/// use cede::{AgentId, Dict};
/// use serde_json::json;
///
/// let mut ann = Dict::new(AgentId::new(1));
/// let mut ben = Dict::new(AgentId::new(2));
/// ann.set("color", &json!("blue"), 0).unwrap();
/// ben.import(&ann.encode()).unwrap();
/// // Ben's clock is a day behind; he has seen blue, so red is later all the same.
/// ben.set("color", &json!("red"), 0).unwrap();
/// ann.import(&ben.encode()).unwrap();
/// assert_eq!(ann.get("color"), Some(json!("red")));
/// ```
#[derive(Clone, Debug)]
pub struct Dict {
    agent: AgentId,
    holding: Holding<Entries>,
    outgoing: Vec<EventSpan>,
}

/// What is done to a key.
impl Dict {
    /// An empty dictionary that `agent` edits: a new one for every replica and session.
    pub fn new(agent: AgentId) -> Self {
        Self { agent, holding: Holding::default(), outgoing: Vec::new() }
    }

    /// A dictionary from the bytes of [`encode`](Self::encode).
    ///
    /// # Errors
    /// As [`absorb`](Self::absorb).
    pub fn decode(agent: AgentId, bytes: &[u8]) -> Result<Self, ImportError> {
        let mut dict = Self::new(agent);
        dict.absorb(bytes)?;
        Ok(dict)
    }

    /// Adds a key or puts another value under it. `wall`: milliseconds since 1970 by the caller's clock, or 0.
    ///
    /// # Errors
    /// A key of more than 4 KiB or a value of more than 128 KiB of JSON; then nothing has changed.
    pub fn set(&mut self, key: &str, value: &Value, wall: u64) -> Result<EventId, DictError> {
        let text = value.to_string();
        check_len(key.len(), MAX_KEY)?;
        check_len(text.len(), MAX_VALUE)?;
        self.make(|operations| operations.set(key, &text, wall))
    }

    /// Removes a key, whether anything stands under it or not: what somebody adds who has not seen this loses or wins by
    /// T alone.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn remove(&mut self, key: &str, wall: u64) -> Result<EventId, DictError> {
        check_len(key.len(), MAX_KEY)?;
        self.make(|operations| operations.remove(key, wall))
    }

    fn make(&mut self, record: impl FnOnce(&mut Operations)) -> Result<EventId, DictError> {
        self.log().check_room(1)?;
        let id = self.holding.make(self.agent, record, &mut Vec::new());
        match self.outgoing.last_mut() {
            Some(span) if span.agent == id.agent && span.end == id.clock => span.end.0 += 1,
            _ => self.outgoing.push(EventSpan { agent: id.agent, start: id.clock, end: Clock(id.clock.0 + 1) }),
        }
        Ok(id)
    }

    /// Writes history: one event of `agent` that has seen just `parents`. `value`: `None` removes. For importers.
    ///
    /// # Errors
    /// As [`set`](Self::set); a version that is not known, one of more than 4,096 events, or one that has not seen the
    /// agent's last event.
    pub fn author(
        &mut self,
        agent: AgentId,
        parents: &Frontier,
        key: &str,
        value: Option<&Value>,
        wall: u64,
    ) -> Result<EventId, DictError> {
        let heads = self.log().heads_to_write_at(agent, parents, 1)?;
        check_len(key.len(), MAX_KEY)?;
        let text = value.map(Value::to_string);
        check_len(text.as_ref().map_or(0, String::len), MAX_VALUE)?;
        let record = |operations: &mut Operations| match &text {
            Some(text) => operations.set(key, text, wall),
            None => operations.remove(key, wall),
        };
        Ok(self.holding.make_at(agent, &heads, record, &mut Vec::new()))
    }
}

/// What is there.
impl Dict {
    /// Who edits here.
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.entry(key)?.value
    }

    /// What was done to a key last; `None` when nothing ever was.
    pub fn entry(&self, key: &str) -> Option<Entry> {
        let id = self.log().contents().find_key(key)?;
        self.entry_of(*self.holding.values().last.get(&id)?)
    }

    /// What an event did; `None` when it was dropped.
    fn entry_of(&self, event: Local) -> Option<Entry> {
        let contents = self.log().contents();
        let (key, value, wall) = match contents.deed(event.0) {
            Deed::Set { key, value, wall } => (key, Some(parsed(value)), wall),
            Deed::Removed { key, wall } => (key, None, wall),
            Deed::Dropped => return None,
        };
        Some(Entry { key: contents.key(key).to_owned(), value, event: self.log().graph().id(event), wall })
    }

    /// Every key that has a value, ascending. O(keys log keys).
    pub fn iter(&self) -> impl Iterator<Item = Entry> {
        let mut entries: Vec<Entry> = self.entries().filter(|entry| entry.value.is_some()).collect();
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        entries.into_iter()
    }

    /// What was done last to every key that ever was, removed ones included, in no order.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.holding.values().last.values().filter_map(|&event| self.entry_of(event))
    }

    /// The plain values as a JSON object.
    pub fn to_value(&self) -> Value {
        Value::Object(self.iter().filter_map(|entry| Some((entry.key, entry.value?))).collect())
    }

    /// How many keys have a value. O(keys).
    pub fn len(&self) -> usize {
        let contents = self.log().contents();
        let last = self.holding.values().last.values();
        last.filter(|event| matches!(contents.deed(event.0), Deed::Set { .. })).count()
    }

    /// Whether no key has a value. O(keys).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every event as its author made it, in the order of this log, each with its parents; `None` in the place of what was
    /// dropped.
    pub fn operations(&self) -> impl Iterator<Item = (EventId, Frontier, Option<Entry>)> + '_ {
        let graph = self.log().graph();
        (0..self.log().len().0)
            .map(Local)
            .map(move |event| (graph.id(event), graph.frontier(&graph.parents_of(event)), self.entry_of(event)))
    }
}

/// Its history.
impl Dict {
    /// Whether there is no event at all.
    pub fn is_new(&self) -> bool {
        self.event_count() == 0
    }

    /// The version of everything known.
    pub fn frontier(&self) -> Frontier {
        self.holding.frontier()
    }

    /// What is known, by agents and ranges of clocks. O(groups).
    pub fn summary(&self) -> Summary {
        self.log().graph().summary()
    }

    /// The same for META. Once something was dropped here nobody can say any more what it was, and there are no
    /// fingerprints.
    pub fn meta(&self) -> Summary {
        if self.dropped() > 0 { self.log().graph().closed_summary() } else { self.log().meta() }
    }

    /// Whether somebody with this META holds the same events under the same names, as far as can be told.
    ///
    /// # Errors
    /// An event up to which its agent's events differ.
    pub fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal> {
        if self.dropped() > 0 { Ok(()) } else { self.log().check_meta(theirs) }
    }

    /// Whether an event is known. O(log runs).
    pub fn contains(&self, id: EventId) -> bool {
        self.log().graph().local(id).is_some()
    }

    /// How many events are known.
    pub fn event_count(&self) -> u64 {
        u64::from(self.log().len().0)
    }

    /// How many of them were dropped: that they were there is known, and not what they did.
    pub fn dropped(&self) -> u64 {
        u64::from(self.log().contents().dropped())
    }

    /// The groups in the total order T. O(runs log runs).
    pub fn groups(&self) -> Vec<Group> {
        self.log().graph().groups()
    }

    /// The dictionary as it was at a version. O(that history). What was dropped is not in it.
    ///
    /// # Errors
    /// An event that is not known here, or one that is in the past of another.
    pub fn at(&self, version: &Frontier) -> Result<Self, VersionError> {
        let holding = self.holding.at(version, &mut Vec::new())?;
        Ok(Self { agent: self.agent, holding, outgoing: Vec::new() })
    }

    /// What only `a` has seen and what only `b` has seen.
    ///
    /// # Errors
    /// As [`at`](Self::at).
    pub fn diff(&self, a: &Frontier, b: &Frontier) -> Result<(Summary, Summary), VersionError> {
        self.log().diff(a, b)
    }

    /// The same dictionary without what was overwritten: the last operation on each key is kept, and of all others that they
    /// were there. It goes on and exchanges with replicas that hold more or less as before; of more than four million that were
    /// dropped, nobody takes the names who does not have the file.
    pub fn drop_overwritten(&self) -> Self {
        let (log, last) = (self.log(), &self.holding.values().last);
        let mut kept = Operations::default();
        for (part, deed) in log.contents().deeds(0..log.len().0) {
            let counts = match deed {
                Deed::Set { key, .. } | Deed::Removed { key, .. } => last.get(&key) == Some(&Local(part.start)),
                Deed::Dropped => false,
            };
            match counts {
                true => kept.copy(log.contents(), deed, 1),
                false => kept.drop_events(part.end - part.start),
            }
        }
        let holding = Holding::of(log.with_contents(kept), &mut Vec::new());
        Self { agent: self.agent, holding, outgoing: self.outgoing.clone() }
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

    /// What was edited here since this was last asked, as bytes to be sent; `None` when nothing.
    pub fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        let spans = std::mem::take(&mut self.outgoing);
        self.log().encode_spans(&spans)
    }

    /// Takes in events and returns what stands under each key that they change.
    ///
    /// From whomever they are, as with [`import_from`](Self::import_from). What one has kept oneself goes through
    /// [`absorb`](Self::absorb).
    ///
    /// # Errors
    /// Bytes that are no update of a dictionary, an event that breaks a rule, or too many that were dropped; then nothing has
    /// changed.
    pub fn import(&mut self, bytes: &[u8]) -> Result<Vec<Entry>, ImportError> {
        self.import_from(Sender::default(), bytes)
    }

    /// The same for one of several senders, whom nobody has to trust: how much may wait for parents is bounded, and who has
    /// the most waiting is the first to lose some of it; and others bring at most four million events that were dropped,
    /// and as many as there are events that were not.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn import_from(&mut self, sender: Sender, bytes: &[u8]) -> Result<Vec<Entry>, ImportError> {
        let mut changed = Vec::new();
        self.holding.import(Origin::Sent, sender, bytes, &mut changed)?;
        changed.sort_unstable_by_key(|key| self.log().contents().key(*key).to_owned());
        changed.dedup();
        let last = &self.holding.values().last;
        Ok(changed.iter().filter_map(|key| self.entry_of(*last.get(key)?)).collect())
    }

    /// Takes in what one has kept oneself, whatever it is, and does not say what changes.
    ///
    /// # Errors
    /// Bytes that are no update of a dictionary, or an event that breaks a rule; then nothing has changed.
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        self.holding.import(Origin::Kept, Sender::default(), bytes, &mut Vec::new())
    }

    /// What [`import_from`](Self::import_from) does, for whoever keeps a dictionary and shows it to nobody: does not say what
    /// changes.
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
        self.holding.absorb_from(sender, bytes, admits, &mut Vec::new())
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

    /// Whether bytes claim to be an update of a dictionary.
    pub fn is_update(bytes: &[u8]) -> bool {
        bytes.starts_with(<Operations as crate::log::Contents>::MAGIC)
    }

    pub(crate) fn log(&self) -> &Log<Operations> {
        self.holding.log()
    }
}

/// A value that was JSON when it came.
fn parsed(value: &str) -> Value {
    serde_json::from_str(value).unwrap_or(Value::Null)
}

fn check_len(len: usize, limit: usize) -> Result<(), DictError> {
    if len <= limit { Ok(()) } else { Err(DictError::TooLong { len, limit }) }
}

/// A change that was not made. The dictionary is as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DictError {
    /// A key, or a value as JSON, that is too long for one event.
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The most bytes.
        limit: usize,
    },
    /// The version to write at.
    At(WriteError),
}

impl<E: Into<WriteError>> From<E> for DictError {
    fn from(error: E) -> Self {
        Self::At(error.into())
    }
}

impl fmt::Display for DictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len, limit } => write!(f, "a key or value of {len} bytes; {limit} are the most"),
            Self::At(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DictError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::At(error) => Some(error),
            Self::TooLong { .. } => None,
        }
    }
}
