//! A log, what waits to enter it, and the values that it makes: what every document is that takes events in as they
//! come and never goes back.
//!
//! Knows that events are checked before any of them changes a value, and that a refused update leaves no trace. Does not
//! know what values are ([`Values`]). A text is held by other means: what its events mean is found out by replaying them.

use super::{
    Contents, Effort, ImportError, Log, Origin, Pending, Refusal, Sender, Spent, Update, VersionError, Waiting,
};
use crate::codec::Packing;
use crate::graph::{Frontier, Summary};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};

/// After so many pieces that waited and broke a rule, all others that the same message lets in are dropped with them
/// and asked for again: taking one back costs a walk over the log, and a stranger may have left thousands.
const MOST_REFUSED: u32 = 8;

/// Steps, whatever a message of somebody else brings and the document holds: some 50 ms.
const STEPS: u64 = 1 << 18;
/// More for each event that a message brings or the document holds. Whoever has seen what stands there looks at it once,
/// when it goes.
const STEPS_AN_EVENT: u64 = 4;

/// What is told of changes, in order. By default nobody listens.
pub(crate) trait Told: Default {
    fn len(&self) -> usize;
    /// Keeps the first `len`.
    fn truncate(&mut self, len: usize);
}

/// What the events of a log make.
pub(crate) trait Values: Clone + Default {
    /// What the events did.
    type Contents: Contents;
    /// What is told of changes.
    type Changes: Told;

    /// Whether these events, which are in the log, keep the rules that need more than names and parents.
    fn check(log: &Log<Self::Contents>, events: Span) -> Result<(), Refusal>;

    /// How many of these events, which are in the log, are of the kind of which any number are a few bytes.
    fn amount(_: &Log<Self::Contents>, _: Span) -> u32 {
        0
    }

    /// Whether somebody else may bring these events, which are in the log, beside so many of that kind that are one's own.
    fn check_amount(_: &Log<Self::Contents>, _: Span, _own: u32) -> Result<(), ImportError> {
        Ok(())
    }

    /// Makes what these events, which were checked, make. Those before them were applied. Stops when the effort is spent,
    /// after an event; what was made until then stays.
    fn apply(
        &mut self,
        log: &Log<Self::Contents>,
        events: Span,
        changes: &mut Self::Changes,
        effort: &mut Effort,
    ) -> Result<(), Spent>;
}

/// Invariant: the values are those of all events of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holding<V: Values> {
    log: Log<V::Contents>,
    waiting: Pending<V::Contents>,
    values: V,
    /// How many events that one has kept oneself are of a kind that is granted to others once ([`Values::amount`]).
    own: u32,
}

impl<V: Values> Holding<V> {
    /// What a log makes whose events were all checked.
    pub(crate) fn of(log: Log<V::Contents>, changes: &mut V::Changes) -> Self {
        let own = V::amount(&log, Span::new(Local(0), log.len()));
        let mut holding = Self { log, own, ..Self::default() };
        holding.apply_from(Local(0), changes);
        holding
    }

    pub(crate) fn log(&self) -> &Log<V::Contents> {
        &self.log
    }

    pub(crate) fn values(&self) -> &V {
        &self.values
    }

    pub(crate) fn frontier(&self) -> Frontier {
        self.log.graph().frontier(&self.log.graph().heads())
    }

    pub(crate) fn missing(&self) -> Vec<EventId> {
        self.waiting.missing()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.event_count()
    }

    pub(crate) fn forget(&mut self, sender: Sender) {
        self.waiting.forget(sender);
    }

    /// Takes an update in. On an error nothing has changed.
    pub(crate) fn import(
        &mut self,
        origin: Origin,
        sender: Sender,
        bytes: &[u8],
        changes: &mut V::Changes,
    ) -> Result<(), ImportError> {
        let update = Update::decode(bytes)?;
        self.receive(update, origin, sender, changes)
    }

    /// The same if `admits` says yes to the agent of each piece that brings something; else nothing is taken in, and the
    /// answer is false.
    pub(crate) fn absorb_from(
        &mut self,
        sender: Sender,
        bytes: &[u8],
        mut admits: impl FnMut(AgentId) -> bool,
        changes: &mut V::Changes,
    ) -> Result<bool, ImportError> {
        let update = Update::decode(bytes)?;
        // An agent's events are taken in order, so whoever holds the last of a piece holds all of it.
        let last = |span: EventSpan| EventId::new(span.agent, Clock(span.end.0.saturating_sub(1)));
        let brings = |span: EventSpan| self.log.graph().local(last(span)).is_none();
        if update.spans().any(|span| !admits(span.agent) && brings(span)) {
            return Ok(false);
        }
        self.receive(update, Origin::Sent, sender, changes)?;
        Ok(true)
    }

    fn receive(
        &mut self,
        update: Update<V::Contents>,
        origin: Origin,
        sender: Sender,
        changes: &mut V::Changes,
    ) -> Result<(), ImportError> {
        let steps = STEPS + STEPS_AN_EVENT * (u64::from(self.log.len().0) + u64::from(update.contents().len()));
        let mut effort = if origin == Origin::Sent { Effort::of(steps) } else { Effort::endless() };
        let from = self.log.mark();
        let taken = self.log.take_in(update).map_err(ImportError::from);
        let taken = taken.and_then(|waiting| self.check(from, origin).map(|()| waiting));
        let waiting = taken.inspect_err(|_| self.take_back(from))?;
        if self.values.apply(&self.log, self.since(from), changes, &mut effort).is_err() {
            self.make_again(from);
            return Err(ImportError::TooCostly { steps });
        }
        if origin == Origin::Kept {
            self.own = self.own.saturating_add(V::amount(&self.log, self.since(from)));
        }
        self.waiting.extend(waiting, sender);
        self.release_from(from, changes, &mut effort);
        Ok(())
    }

    /// Whether the events from `from` on, which are in the log, may stay.
    fn check(&self, from: Local, origin: Origin) -> Result<(), ImportError> {
        V::check(&self.log, self.since(from))?;
        if origin == Origin::Sent { V::check_amount(&self.log, self.since(from), self.own) } else { Ok(()) }
    }

    /// Takes the events from `from` on back out, where the log was marked, when some of them were applied: values never go
    /// back, so they are made again. O(history).
    fn make_again(&mut self, from: Local) {
        self.take_back(from);
        self.values = V::default();
        self.apply_from(Local(0), &mut V::Changes::default());
    }

    /// Applies the events from `from` on, whatever it costs.
    fn apply_from(&mut self, from: Local, changes: &mut V::Changes) {
        let applied = self.values.apply(&self.log, self.since(from), changes, &mut Effort::endless());
        assert!(applied.is_ok(), "an endless effort was spent");
    }

    /// Lets in what has waited for the events from `from` on. What turns out to break a rule is dropped: its sender was
    /// somebody else than the one whose message is being taken in. What the message's effort is not enough for is dropped as
    /// well; asked for again, it comes in one piece.
    fn release_from(&mut self, from: Local, changes: &mut V::Changes, effort: &mut Effort) {
        let (mut at, mut refused) = (from, 0);
        while at < self.log.len() {
            let end = self.log.graph().run_at(at).span.end;
            let released = self.waiting.release(self.log.graph().event_span(Span::new(at, end)));
            for waited in released {
                if refused < MOST_REFUSED && !self.let_in(&waited, changes, effort) {
                    refused = if effort.is_spent() { MOST_REFUSED } else { refused + 1 };
                }
            }
            at = end;
        }
    }

    /// Takes in a piece that has waited, unless it breaks a rule.
    fn let_in(&mut self, waited: &Waiting<V::Contents>, changes: &mut V::Changes, effort: &mut Effort) -> bool {
        let from = self.log.mark();
        let mut waiting = Pending::default();
        let taken = self.log.take_piece(&waited.piece, &waited.contents, &mut waiting).map_err(ImportError::from);
        // Nobody keeps what waits, so somebody sent it.
        if taken.and_then(|()| self.check(from, Origin::Sent)).is_err() {
            self.take_back(from);
            return false;
        }
        let told = changes.len();
        if self.values.apply(&self.log, self.since(from), changes, effort).is_err() {
            changes.truncate(told);
            self.make_again(from);
            return false;
        }
        self.waiting.extend(waiting, waited.sender);
        true
    }

    fn since(&self, from: Local) -> Span {
        Span::new(from, self.log.len())
    }

    fn take_back(&mut self, from: Local) {
        if from < self.log.len() {
            self.log.take_back();
        }
    }

    /// Records one local event that has seen everything, or as much of it as an event can name, and comes after all of it in
    /// T. The caller has seen that there is room, and vouches for what it does.
    pub(crate) fn make(
        &mut self,
        agent: AgentId,
        record: impl FnOnce(&mut V::Contents),
        changes: &mut V::Changes,
    ) -> EventId {
        let heads = self.log.nameable_heads(agent).unwrap_or_else(|| self.log.graph().heads());
        self.make_at(agent, &heads, record, changes)
    }

    /// The same for an event that has seen just this, its agent's last event included.
    pub(crate) fn make_at(
        &mut self,
        agent: AgentId,
        parents: &[Local],
        record: impl FnOnce(&mut V::Contents),
        changes: &mut V::Changes,
    ) -> EventId {
        let (from, graph) = (self.log.len(), self.log.graph());
        let last = graph.last_event(agent);
        let goes_on = last.is_some_and(|last| parents == [last]);
        let clock = self.log.append(agent, (!goes_on).then_some(parents), 1, record);
        self.apply_from(from, changes);
        EventId::new(agent, clock)
    }

    /// What there was at a version. O(its history).
    pub(crate) fn at(&self, version: &Frontier, changes: &mut V::Changes) -> Result<Self, VersionError> {
        let heads = self.log.heads_of(version)?;
        let mut past = self.log.graph().diff(&heads, &[]).only_a;
        past.reverse();
        Ok(Self::of(self.log.subset(&past), changes))
    }
}

/// Out, for all kinds of documents.
impl<C: Contents> Log<C> {
    /// Everything, in as few bytes as can be.
    pub(crate) fn encode_all(&self) -> Vec<u8> {
        self.encode(&self.spans_since(&Summary::new()), Packing::Thorough)
    }

    /// What somebody with `summary` lacks; `None` when nothing.
    pub(crate) fn encode_since(&self, summary: &Summary) -> Option<Vec<u8>> {
        let spans = self.spans_since(summary);
        (!spans.is_empty()).then(|| self.encode(&spans, Packing::Quick))
    }

    /// The known ones of these events; `None` when none is known.
    pub(crate) fn encode_spans(&self, spans: &[EventSpan]) -> Option<Vec<u8>> {
        let spans = self.local_spans(spans);
        (!spans.is_empty()).then(|| self.encode(&spans, Packing::Quick))
    }

    /// What somebody with `summary` lacks in messages of about `max_bytes`, parents first, so that each can be taken in as
    /// it comes. An event that is larger has a message of its own.
    pub(crate) fn chunks_since(&self, summary: &Summary, max_bytes: usize) -> Vec<Vec<u8>> {
        self.chunks(self.spans_since(summary), max_bytes)
    }

    /// The known ones of these events, likewise.
    pub(crate) fn chunks_of(&self, spans: &[EventSpan], max_bytes: usize) -> Vec<Vec<u8>> {
        self.chunks(self.local_spans(spans), max_bytes)
    }

    fn chunks(&self, spans: Vec<Span>, max_bytes: usize) -> Vec<Vec<u8>> {
        self.each_chunk(spans.into_iter(), max_bytes).map(|(_, chunk)| chunk).collect()
    }

    /// What somebody with `summary` lacks of the events from a number on, each message with the number to go on from.
    pub(crate) fn each_chunk_from<'a>(
        &'a self,
        from: Local,
        summary: &'a Summary,
        max_bytes: usize,
    ) -> impl Iterator<Item = (Local, Vec<u8>)> + 'a {
        // Whoever goes on lacks most of what is left, and goes on often: run by run, as far as is asked for.
        let rest = Span::new(from, self.len());
        let lacking = self.graph().runs_in(rest).flat_map(move |run| self.lacking_of(run.span.within(rest), summary));
        self.each_chunk(lacking, max_bytes)
    }

    /// What somebody with `summary` lacks, as [`chunks_since`](Self::chunks_since) cuts it, each encoded when it is asked for.
    pub(crate) fn each_chunk_since(
        &self,
        summary: &Summary,
        max_bytes: usize,
    ) -> impl Iterator<Item = (Local, Vec<u8>)> + '_ {
        self.each_chunk(self.spans_since(summary).into_iter(), max_bytes)
    }

    /// What somebody with `summary` lacks of these events of one run.
    fn lacking_of(&self, span: Span, summary: &Summary) -> impl Iterator<Item = Span> {
        let events = self.graph().event_span(span);
        let lacking: Vec<EventSpan> = summary.missing(events).collect();
        lacking.into_iter().map(move |part| {
            let start = span.start + (part.start.0 - events.start.0);
            Span::new(start, start + (part.end.0 - part.start.0))
        })
    }

    /// These spans in messages of about `max_bytes`, each encoded when it is asked for, with where it ends.
    fn each_chunk<'a>(
        &'a self,
        spans: impl Iterator<Item = Span> + 'a,
        max_bytes: usize,
    ) -> impl Iterator<Item = (Local, Vec<u8>)> + 'a {
        // A piece with its parents rarely takes more than this.
        const PIECE: usize = 32;
        const PARENT: usize = 20;
        let mut spans = spans.filter(|span| !span.is_empty());
        let mut cut_off: Option<Span> = None;
        std::iter::from_fn(move || {
            let (mut chunk, mut bytes) = (Vec::new(), 0);
            while let Some(span) = cut_off.take().or_else(|| spans.next()) {
                let graph = self.graph();
                let named = if graph.goes_on(span.start) { 0 } else { PARENT * graph.parents_of(span.start).len() };
                let room = max_bytes.saturating_sub(bytes + PIECE + named);
                let (count, taken) = self.contents().fitting(span.numbers(), room);
                if (count == 0 || room == 0) && !chunk.is_empty() {
                    cut_off = Some(span);
                    break;
                }
                let cut = span.start + count.clamp(1, span.len());
                chunk.push(Span::new(span.start, cut));
                bytes += PIECE + named + taken;
                cut_off = (cut < span.end).then(|| Span::new(cut, span.end));
            }
            chunk.last().map(|last| (last.end, self.encode(&chunk, Packing::Quick)))
        })
    }
}
