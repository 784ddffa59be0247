//! The append-only log: the graph of events beside what they did, and the checks that let events in.
//!
//! Knows names, parents and clocks, and that every event has some contents; what these are is a type parameter
//! ([`Contents`]). Does not know whether an index is within the document: that is checked by who has the values.
//!
//! Everything that an update claims is checked against the rules (`ARCHITECTURE.md`) before it is appended; a refused
//! update leaves no trace ([`Log::take_back`] takes back what stood before the refused piece).

mod chain;
mod effort;
mod holding;
mod packed;
mod pending;
mod plain;
mod update;
mod whole;

pub(crate) use effort::{Effort, Origin, Spent};
pub(crate) use holding::{Holding, Told, Values};
pub(crate) use packed::{Part, Share};
pub use pending::Sender;
pub(crate) use pending::{Pending, Waiting};
pub(crate) use plain::{Plain, PlainFault, PlainUpdate, read as read_plain};
pub(crate) use update::{Piece, Update};
pub(crate) use whole::{Block, Past};

use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
use crate::graph::{AgentIndex, Frontier, Graph, Heads, Lacking, Summary};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use chain::Chains;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

/// A group may name at most this many parents.
pub(crate) const MAX_PARENTS: usize = 4096;

/// What the events of a log did, one after the other.
pub(crate) trait Contents: Clone + fmt::Debug + Default {
    /// What an update of this kind of document begins with.
    const MAGIC: &[u8; 4];
    /// What such an update is called.
    const UPDATE: &str;
    fn len(&self) -> u32;
    /// Adds a copy of `events` of another log's contents.
    fn append(&mut self, other: &Self, events: Range<u32>);
    /// Whether the events from `at` on did the same as `events` of another log.
    fn same(&self, at: u32, other: &Self, events: Range<u32>) -> bool;
    /// Keeps the first `len` events.
    fn truncate(&mut self, len: u32);
    fn write(&self, events: &[Range<u32>], writer: &mut Writer);
    /// Reads the contents of exactly `len` events.
    fn read(reader: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError>;
    /// The contents of these events in columns, and how many runs they have of each part: a part begins a run.
    fn pack(&self, parts: &[Part]) -> (Vec<u32>, Columns);
    /// Reads the columns of contents with so many runs, and how many events each share has, at least one. The numbers of
    /// the shares' authors are below `authors`.
    fn unpack(
        columns: &mut ColumnReader<'_, '_>,
        shares: &[Share],
        authors: usize,
    ) -> Result<(Self, Vec<u32>), DecodeError>;
    /// Tells what these events did in bytes that are the same however the contents came to be, event by event: two
    /// sequences of events that start groups at the same places tell the same bytes only where they did the same.
    /// `previous` is the event that the first of them goes on from, if any. The first event of a group never begins with
    /// the byte 0xff.
    fn tell(&self, events: Range<u32>, previous: Option<u32>, tell: &mut dyn FnMut(&[u8]));
    /// How many of these events fit into a message with so much room, and about how many bytes they take there.
    fn fitting(&self, events: Range<u32>, max_bytes: usize) -> (u32, usize);
    /// About how many bytes they take.
    fn memory(&self) -> usize;
}

/// Invariant: graph and contents have the same length.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log<C> {
    graph: Graph,
    contents: C,
    /// What has been hashed of each agent's events, once somebody has asked.
    chains: OnceLock<Chains>,
}

/// What is to be done with a piece.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Admission {
    /// All of it is held already, the same.
    Known,
    /// It can be appended but for its first events, which are held.
    Fits { held: u32, parents: Option<Heads> },
    /// This event has to come first.
    Waits(EventId),
}

impl<C: Contents> Log<C> {
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    pub(crate) fn contents(&self) -> &C {
        &self.contents
    }

    pub(crate) fn len(&self) -> Local {
        self.graph.len()
    }

    /// Records local events: `record` adds exactly `count` of them to the contents.
    ///
    /// They go on with the agent's group where `parents` is `None`; otherwise they start a group. The caller vouches
    /// for the rules. Returns the clock of the first of them.
    pub(crate) fn append(
        &mut self,
        agent: AgentId,
        parents: Option<&[Local]>,
        count: u32,
        record: impl FnOnce(&mut C),
    ) -> Clock {
        let index = self.graph.agent_index(agent);
        let clock = match (parents, index) {
            (None, Some(index)) => self.graph.extend(index, count),
            (parents, index) => {
                let parents = parents.unwrap_or_default();
                let clock = self.graph.first_clock(index, parents);
                self.graph.start_group(agent, clock, parents, count);
                clock
            }
        };
        record(&mut self.contents);
        debug_assert_eq!(self.contents.len(), self.graph.len().0, "graph and contents have gone apart");
        Clock(clock)
    }

    /// Records local events that go on with the log's last run: `record` adds exactly `count` of them to the contents.
    #[inline]
    pub(crate) fn go_on(&mut self, count: u32, record: impl FnOnce(&mut C)) {
        self.graph.go_on(count);
        record(&mut self.contents);
        debug_assert_eq!(self.contents.len(), self.graph.len().0, "graph and contents have gone apart");
    }

    /// How many more events there is room for.
    pub(crate) fn room(&self) -> u32 {
        Local::LIMIT - 1 - self.len().0
    }

    /// Whether so many more events would be too many for a log.
    pub(crate) fn check_room(&self, count: u32) -> Result<(), Full> {
        if count <= self.room() { Ok(()) } else { Err(Full { limit: Local::LIMIT }) }
    }

    /// How often heads have to be brought together until one event can name them all.
    pub(crate) fn gatherings(&self) -> u32 {
        self.graph.head_count().saturating_sub(MAX_PARENTS).div_ceil(MAX_PARENTS - 1) as u32
    }

    /// As many heads as an event of `agent` may name, where there are more: those with the largest clocks, so that it comes
    /// after all of them in T, and one that has seen the agent's last event.
    pub(crate) fn nameable_heads(&self, agent: AgentId) -> Option<Heads> {
        let graph = &self.graph;
        if graph.head_count() <= MAX_PARENTS {
            return None;
        }
        let mut heads = graph.heads();
        let last = graph.last_event(agent);
        let own = last.and_then(|last| heads.iter().copied().find(|&head| graph.has_seen(&[head], last)));
        heads.sort_unstable_by_key(|&head| std::cmp::Reverse(graph.clock(head)));
        heads.truncate(MAX_PARENTS);
        if let Some(own) = own.filter(|own| !heads.contains(own)) {
            heads.pop();
            heads.push(own);
        }
        heads.sort_unstable();
        Some(heads)
    }

    /// Takes in what an update brings. What has to wait is returned by the event that it waits for.
    ///
    /// On an error the caller, who has marked the log, takes it back.
    pub(crate) fn take_in(&mut self, mut update: Update<C>) -> Result<Pending<C>, Refusal> {
        let mut waiting = Pending::default();
        if self.len() == Local(0)
            && let Some(graph) = update.graph()
        {
            (self.graph, self.contents) = (graph, update.take_contents());
            return Ok(waiting);
        }
        for number in 0..update.piece_count() {
            self.take_piece(&update.piece(number), update.contents(), &mut waiting)?;
        }
        Ok(waiting)
    }

    /// Takes in one piece and everything in `waiting` that waited for it.
    pub(crate) fn take_piece(&mut self, piece: &Piece, contents: &C, waiting: &mut Pending<C>) -> Result<(), Refusal> {
        let mut at = self.len();
        self.place(piece, contents, waiting)?;
        // What waited for these events may let in more, so they are gone through as they come.
        while at < self.len() {
            let end = self.graph.run_at(at).span.end;
            for released in waiting.release(self.graph.event_span(Span::new(at, end))) {
                self.place(&released.piece, &released.contents, waiting)?;
            }
            at = end;
        }
        Ok(())
    }

    /// Appends a piece, or has it wait.
    fn place(&mut self, piece: &Piece, contents: &C, waiting: &mut Pending<C>) -> Result<(), Refusal> {
        match self.admit(piece, contents)? {
            Admission::Known => {}
            Admission::Waits(missing) => waiting.add(missing, piece, contents, Sender::default()),
            Admission::Fits { held, parents } => {
                self.check_room(piece.span.len()).map_err(|full| Refusal::new(piece, Rule::Full(full)))?;
                let events = piece.contents.start + held..piece.contents.end;
                let count = piece.span.len() - held;
                self.append(piece.span.agent, parents.as_deref(), count, |mine| mine.append(contents, events));
            }
        }
        Ok(())
    }

    fn admit(&self, piece: &Piece, contents: &C) -> Result<Admission, Refusal> {
        let span = piece.span;
        let refuse = |rule| Err(Refusal::new(piece, rule));
        let agent = self.graph.agent_index(span.agent);
        if let Some(first) = agent.and_then(|agent| self.graph.local_of(agent, span.start)) {
            let held = self.compare_held(piece, contents, first)?;
            if held == span.len() {
                return Ok(Admission::Known);
            }
            // The rest goes on with a group; only the agent's last one can go on.
            let last = self.graph.id(self.graph.last_of(self.graph.run_at(first).agent));
            return if last.clock.0 + 1 == span.start.0 + held {
                Ok(Admission::Fits { held, parents: None })
            } else {
                refuse(Rule::OutOfOrder { last })
            };
        }
        let last = agent.map(|agent| self.graph.id(self.graph.last_of(agent)));
        if let Some(last) = last.filter(|last| last.clock >= span.start) {
            return refuse(Rule::OutOfOrder { last });
        }
        let Some(parents) = &piece.parents else {
            // An update that goes on with a group at clock 0 was refused when it was read.
            let before = EventId::new(span.agent, Clock(span.start.0 - 1));
            return Ok(if last == Some(before) {
                Admission::Fits { held: 0, parents: None }
            } else {
                Admission::Waits(before)
            });
        };
        let mut heads = Heads::new();
        for &parent in parents {
            match self.graph.local(parent) {
                Some(head) => heads.push(head),
                None => return Ok(Admission::Waits(parent)),
            }
        }
        heads.sort_unstable();
        if let Some(twice) = heads.windows(2).find(|pair| pair[0] == pair[1]) {
            return refuse(Rule::ParentsNotConcurrent { parent: self.graph.id(twice[0]) });
        }
        self.check_group(piece, agent, &heads)?;
        Ok(Admission::Fits { held: 0, parents: Some(heads) })
    }

    /// The rules for the first event of a group whose parents are all known.
    fn check_group(&self, piece: &Piece, agent: Option<AgentIndex>, parents: &[Local]) -> Result<(), Refusal> {
        let refuse = |rule| Err(Refusal::new(piece, rule));
        if let Some(parent) = self.graph.dominated(parents) {
            return refuse(Rule::ParentsNotConcurrent { parent: self.graph.id(parent) });
        }
        let expected = Clock(self.graph.first_clock(agent, parents));
        if expected != piece.span.start {
            return refuse(Rule::ClockOfParents { expected });
        }
        let Some(agent) = agent else { return Ok(()) };
        let last = self.graph.last_of(agent);
        if parents == [last] {
            return refuse(Rule::NothingAdopted { last: self.graph.id(last) });
        }
        if !self.graph.has_seen(parents, last) {
            return refuse(Rule::OwnPastUnseen { last: self.graph.id(last) });
        }
        Ok(())
    }

    /// How many of a piece's first events are held. Those that are must be the same.
    fn compare_held(&self, piece: &Piece, contents: &C, first: Local) -> Result<u32, Refusal> {
        let differs = |clock| Err(Refusal { event: EventId::new(piece.span.agent, Clock(clock)), rule: Rule::Differs });
        let parents = self.graph.parents_of(first);
        let goes_on = self.graph.goes_on(first);
        let same_parents = match &piece.parents {
            None => goes_on,
            // A frontier has each of them once, however often it was named.
            Some(ids) => {
                !goes_on
                    && ids.len() == parents.len()
                    && self.graph.frontier(&parents) == Frontier::from_ids(ids.to_vec())
            }
        };
        if !same_parents {
            return differs(piece.span.start.0);
        }
        let (mut held, mut event) = (0, first);
        loop {
            let run = self.graph.run_at(event);
            let count = (run.span.end - event).min(piece.span.len() - held);
            let events = piece.contents.start + held..piece.contents.start + held + count;
            if !self.contents.same(event.0, contents, events.clone()) {
                return differs(piece.span.start.0 + held + self.same_count(event, contents, events));
            }
            held += count;
            let next = EventId::new(piece.span.agent, Clock(piece.span.start.0 + held));
            match self.graph.local(next) {
                Some(next) if held < piece.span.len() => event = next,
                _ => return Ok(held),
            }
        }
    }

    /// How many of the first `events` of other contents are the same as those from `first` on; the last one is not.
    fn same_count(&self, first: Local, contents: &C, events: Range<u32>) -> u32 {
        let (mut same, mut differ) = (0, events.end - events.start);
        while same + 1 < differ {
            let middle = same + (differ - same) / 2;
            if self.contents.same(first.0, contents, events.start..events.start + middle) {
                same = middle
            } else {
                differ = middle
            }
        }
        same
    }

    /// What comes from here on can be taken back. Returns where that is.
    pub(crate) fn mark(&mut self) -> Local {
        self.settle_chains();
        self.graph.mark();
        self.len()
    }

    /// Forgets all events since the mark. Costs what they cost when they came.
    pub(crate) fn take_back(&mut self) {
        self.graph.take_back();
        self.contents.truncate(self.graph.len().0);
    }

    /// The same events with other contents, as many.
    pub(crate) fn with_contents(&self, contents: C) -> Self {
        assert_eq!(contents.len(), self.len().0, "graph and contents have gone apart");
        Self { graph: self.graph.clone(), contents, chains: OnceLock::new() }
    }

    /// A log of just these events, which must contain the past of each (ascending spans).
    pub(crate) fn subset(&self, spans: &[Span]) -> Self {
        let mut subset = Self::default();
        for &span in spans {
            for run in self.graph.runs_in(span) {
                let part = Span::new(run.span.start.max(span.start), run.span.end.min(span.end));
                let id = self.graph.id(part.start);
                let parents = self.graph.parents_of(part.start);
                let parents: Heads =
                    parents.iter().filter_map(|&parent| subset.graph.local(self.graph.id(parent))).collect();
                let parents = (!self.graph.goes_on(part.start)).then_some(parents.as_slice());
                subset.append(id.agent, parents, part.len(), |mine| mine.append(&self.contents, part.numbers()));
            }
        }
        subset
    }

    /// The local heads of a version.
    pub(crate) fn heads_of(&self, version: &Frontier) -> Result<Heads, VersionError> {
        let mut heads = Heads::new();
        for &id in version.ids() {
            heads.push(self.graph.local(id).ok_or(VersionError::UnknownEvent { id })?);
        }
        heads.sort_unstable();
        match self.graph.dominated(&heads) {
            Some(event) => Err(VersionError::NotConcurrent { id: self.graph.id(event) }),
            None => Ok(heads),
        }
    }

    /// The local heads of a version at which an agent is to write so many events.
    pub(crate) fn heads_to_write_at(
        &self,
        agent: AgentId,
        version: &Frontier,
        count: u32,
    ) -> Result<Heads, WriteError> {
        let heads = self.heads_of(version)?;
        self.check_room(count)?;
        if heads.len() > MAX_PARENTS {
            return Err(WriteError::TooManyParents { count: heads.len() });
        }
        let graph = &self.graph;
        match graph.last_event(agent).filter(|&last| !graph.has_seen(&heads, last)) {
            Some(last) => Err(WriteError::OwnPastUnseen { last: graph.id(last) }),
            None => Ok(heads),
        }
    }

    /// What somebody with `theirs` lacks.
    pub(crate) fn lacking_in(&self, theirs: &Summary) -> Lacking {
        self.graph.not_in(theirs)
    }

    /// The events that have come since there were so many, by runs in the order of the log.
    pub(crate) fn come_since(&self, count: u64) -> Vec<EventSpan> {
        let from = Local(count.min(u64::from(self.len().0)) as u32);
        let since = Span::new(from, self.len());
        self.graph.runs_in(since).map(|run| self.graph.event_span(run.span.within(since))).collect()
    }

    /// What only `a` has seen and what only `b` has seen.
    pub(crate) fn diff(&self, a: &Frontier, b: &Frontier) -> Result<(Summary, Summary), VersionError> {
        let diff = self.graph.diff(&self.heads_of(a)?, &self.heads_of(b)?);
        Ok((self.summary_of(&diff.only_a), self.summary_of(&diff.only_b)))
    }

    fn summary_of(&self, spans: &[Span]) -> Summary {
        let mut summary = Summary::new();
        for &span in spans {
            for run in self.graph.runs_in(span) {
                let part = Span::new(run.span.start.max(span.start), run.span.end.min(span.end));
                summary.insert(self.graph.event_span(part));
            }
        }
        summary
    }

    /// Everything that somebody with `summary` lacks, as spans of runs in the order of the log.
    pub(crate) fn spans_since(&self, summary: &Summary) -> Vec<Span> {
        self.local_spans(&self.graph.not_in(summary).spans)
    }

    /// The known ones of these events, as spans of runs in the order of the log.
    pub(crate) fn local_spans(&self, spans: &[EventSpan]) -> Vec<Span> {
        let mut found = Vec::new();
        for span in spans {
            let Some(agent) = self.graph.agent_index(span.agent) else { continue };
            // Clocks leave gaps, so the span is cut to what is held.
            for held in self.graph.held_in(agent, *span) {
                let mut clock = held.start;
                while clock < held.end {
                    let Some(start) = self.graph.local(EventId::new(held.agent, clock)) else { break };
                    let run = self.graph.run_at(start);
                    let count = (run.span.end - start).min(held.end.0 - clock.0);
                    found.push(Span::new(start, start + count));
                    clock.0 += count;
                }
            }
        }
        found.sort_unstable_by_key(|span| span.start);
        found
    }
}

/// A log is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full {
    /// How many events a log holds.
    pub limit: u32,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a log holds fewer than {} events", self.limit)
    }
}

impl std::error::Error for Full {}

/// Why an agent cannot write at a version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteError {
    /// There is no such version here.
    Version(VersionError),
    /// The version has not seen what the agent wrote before.
    OwnPastUnseen {
        /// The agent's last event.
        last: EventId,
    },
    /// More events that have not seen each other than one event may name.
    TooManyParents {
        /// How many.
        count: usize,
    },
    /// Too many events.
    Full(Full),
}

impl From<VersionError> for WriteError {
    fn from(error: VersionError) -> Self {
        Self::Version(error)
    }
}

impl From<Full> for WriteError {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(error) => error.fmt(f),
            Self::OwnPastUnseen { last } => write!(f, "the version has not seen {last}, the agent's last event"),
            Self::TooManyParents { count } => {
                write!(f, "{count} events that have not seen each other; one may follow at most {MAX_PARENTS}")
            }
            Self::Full(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Version(error) => Some(error),
            Self::Full(full) => Some(full),
            Self::OwnPastUnseen { .. } | Self::TooManyParents { .. } => None,
        }
    }
}

/// A version that this replica cannot go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VersionError {
    /// An event of it is not known here.
    UnknownEvent {
        /// The event.
        id: EventId,
    },
    /// An event of it is in the past of another one.
    NotConcurrent {
        /// The earlier event.
        id: EventId,
    },
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownEvent { id } => write!(f, "event {id} is not known here"),
            Self::NotConcurrent { id } => write!(f, "event {id} is in the past of another event of the same version"),
        }
    }
}

impl std::error::Error for VersionError {}

/// Which event of an update broke which rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The event.
    pub event: EventId,
    /// The rule.
    pub rule: Rule,
}

impl Refusal {
    pub(crate) fn new(piece: &Piece, rule: Rule) -> Self {
        Self { event: EventId::new(piece.span.agent, piece.span.start), rule }
    }
}

/// The rules that every received event keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Rule {
    /// The first clock of a group follows from its parents.
    ClockOfParents {
        /// The clock that follows.
        expected: Clock,
    },
    /// No parent is in the past of another one.
    ParentsNotConcurrent {
        /// The parent that another one has seen.
        parent: EventId,
    },
    /// An agent's events are taken in the order of their clocks.
    OutOfOrder {
        /// The agent's last event here.
        last: EventId,
    },
    /// A new group has adopted something besides its agent's last event.
    NothingAdopted {
        /// That last event, the only parent.
        last: EventId,
    },
    /// A group has its agent's last event in its past.
    OwnPastUnseen {
        /// That last event.
        last: EventId,
    },
    /// One id names one event: this one is held with other contents or parents.
    Differs,
    /// One id names one event: by its META, the other end holds other events under the names of this agent up to this
    /// one.
    Forked,
    /// An index is within the document at the parents.
    IndexWithinDocument {
        /// The index, in chars.
        index: u32,
        /// The length of the document there, in chars.
        len: u32,
    },
    /// An element that an operation names was inserted into that list in its past.
    NoSuchElement {
        /// The element.
        element: EventId,
    },
    /// Nobody else makes events of this session's own agent.
    OwnAgent,
    /// There is room in the log.
    Full(Full),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {} is refused: ", self.event)?;
        match &self.rule {
            Rule::ClockOfParents { expected } => write!(f, "its parents make its clock {expected}"),
            Rule::ParentsNotConcurrent { parent } => write!(f, "its parent {parent} is in the past of another parent"),
            Rule::OutOfOrder { last } => write!(f, "its agent has gone on to {last} already"),
            Rule::NothingAdopted { last } => write!(f, "a new group that has adopted nothing besides {last}"),
            Rule::OwnPastUnseen { last } => write!(f, "it has not seen {last} of its own agent"),
            Rule::Differs => f.write_str("the event of that id that is held here is another one"),
            Rule::Forked => f.write_str("the other end holds another history of its agent up to there"),
            Rule::IndexWithinDocument { index, len } => {
                write!(f, "index {index} in a document of {len} chars")
            }
            Rule::NoSuchElement { element } => {
                write!(f, "it names element {element}, which was not inserted into that list before it")
            }
            Rule::OwnAgent => f.write_str("somebody else made it in the name of this session's agent"),
            Rule::Full(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for Refusal {}

/// An update that was not taken in. The document is as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ImportError {
    /// The bytes are no update, or damaged.
    Decode(DecodeError),
    /// An event breaks a rule.
    Refused(Refusal),
    /// A message of somebody else brings more deletions than it and the document have characters, or more events of a
    /// dictionary that were dropped than are granted.
    TooMany {
        /// How many it brings.
        events: u32,
        /// How many it may bring.
        limit: u32,
    },
    /// A message of somebody else brings more runs of operations than its bytes make believe that somebody wrote, or than
    /// one message may: [`chunks_since`](crate::Document::chunks_since) makes several.
    TooDense {
        /// How many it brings.
        runs: usize,
        /// How many it may bring.
        limit: usize,
    },
    /// Merging a message of somebody else would take more steps, of about 0.1 µs each, than what it brings and the
    /// document holds allow.
    TooCostly {
        /// How many it may take.
        steps: u64,
    },
}

impl From<DecodeError> for ImportError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<Refusal> for ImportError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => write!(f, "not an update: {error}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::TooMany { events, limit } => write!(f, "{events} events in a message that may bring {limit}"),
            Self::TooDense { runs, limit } => {
                write!(f, "{runs} runs of operations in a message that may bring {limit}: send it in chunks")
            }
            Self::TooCostly { steps } => write!(f, "merging the message would take more than {steps} steps"),
        }
    }
}

impl std::error::Error for ImportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Decode(error) => Some(error),
            Self::Refused(refusal) => Some(refusal),
            Self::TooMany { .. } | Self::TooDense { .. } | Self::TooCostly { .. } => None,
        }
    }
}
