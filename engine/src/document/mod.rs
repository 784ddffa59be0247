//! A document: the log of everything known and the text that it makes.
//!
//! Knows how events get in (decoded, checked by the log, replayed, applied) and out (encoded), and how to look at any
//! version. Does not know who is typing: that is a session's. `history` writes at old versions and reads what was
//! written; `saved` keeps a document so that its text can be read without its history; `plain`
//! writes one as JSON, history and all.

mod allowance;
mod any;
mod history;
mod plain;
mod saved;

pub use any::{AnyDocument, DocumentKind};
pub use history::{AuthorError, Authored, Step};
pub use plain::{MetaJson, MetaJsonError};
pub use saved::{Saved, SavedError};

use crate::graph::{Frontier, Group, Lacking, Summary};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use crate::log::{Effort, ImportError, Origin, Pending, Refusal, Rule, Sender, Update, VersionError, Waiting};
use crate::replay::merge::Replay;
use crate::replay::patch::{self, Patch};
use crate::replay::{Misplaced, Stopped, TextLog, checkout};
use crate::text::buffer::Buffer;
use crate::text::operations::Operations;
use crate::text::tracker::{Change, Tracker};
use crate::text::unit::{Chars, Unit};
use allowance::Allowance;
use std::fmt;

/// After so many pieces that waited and broke a rule, all others that the same message lets in are dropped with them
/// and asked for again: taking one back costs a walk over the log, and a stranger may have left thousands.
const MOST_REFUSED: u32 = 8;

/// The event log of one text and the text of everything known.
///
/// Plain data, `Send + Sync`; it does no I/O. To edit a document as a person does, hold it in a
/// [`Session`](crate::Session).
///
/// ```
/// use cede::{AgentId, Chars, Document, Session};
///
/// let mut ann = Session::new(AgentId::new(1));
/// ann.insert(Chars(0), "words").unwrap();
///
/// let mut archive = Document::new();
/// let patches = archive.import::<Chars>(&ann.document().encode()).unwrap();
/// assert_eq!(patches[0].inserted, "words");
/// assert_eq!(archive.text(), "words");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Document {
    log: TextLog,
    text: Buffer,
    replay: Replay,
    waiting: Pending<Operations>,
}

impl Document {
    /// An empty document.
    pub fn new() -> Self {
        Self::default()
    }

    /// The visible text.
    pub fn text(&self) -> &Buffer {
        &self.text
    }

    /// Whether there is no event at all. (A document whose text is empty may have a long history.)
    pub fn is_new(&self) -> bool {
        self.log.len() == Local(0)
    }

    /// The version of everything known.
    pub fn frontier(&self) -> Frontier {
        self.log.graph().frontier(&self.log.graph().heads())
    }

    /// What is known, by agents and ranges of clocks. O(groups).
    pub fn summary(&self) -> Summary {
        self.log.graph().summary()
    }

    /// The same for META: for each agent it says besides what its events are, as a fingerprint. The first call hashes
    /// the whole history, about 5 ns a byte of text; what comes later is hashed as it comes.
    pub fn meta(&self) -> Summary {
        self.log.meta()
    }

    /// Whether somebody with this META holds the same events under the same names, as far as this document can tell:
    /// whoever holds fewer events of an agent leaves it to the other.
    ///
    /// # Errors
    /// [`Rule::Forked`]: an event up to which its agent's events differ. Two such histories are never merged.
    ///
    /// ```
    /// use cede::{AgentId, Chars, Rule, Session};
    ///
    /// // Somebody copied a session, and both go on under one name.
    /// let mut ann = Session::new(AgentId::new(1));
    /// let mut copy = ann.clone();
    /// ann.insert(Chars(0), "tea").unwrap();
    /// copy.insert(Chars(0), "coffee").unwrap();
    /// let refused = copy.document().check_meta(&ann.document().meta()).unwrap_err();
    /// assert_eq!(refused.rule, Rule::Forked);
    /// ```
    pub fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal> {
        self.log.check_meta(theirs)
    }

    /// Whether an event is known. O(log runs).
    pub fn contains(&self, id: EventId) -> bool {
        self.log.graph().local(id).is_some()
    }

    /// What an event's agent had seen when it was made; `None` when the event is not known. O(log runs).
    pub fn parents(&self, id: EventId) -> Option<Frontier> {
        let event = self.log.graph().local(id)?;
        Some(self.log.graph().frontier(&self.log.graph().parents_of(event)))
    }

    /// How many events are known. It grows with every event taken in, so it tells whether something has come.
    pub fn event_count(&self) -> u64 {
        u64::from(self.log.len().0)
    }

    /// The text at a version; this document stays as it is. O(history of that version).
    ///
    /// # Errors
    /// An event that is not known here, or one that is in the past of another.
    pub fn checkout(&self, version: &Frontier) -> Result<Buffer, VersionError> {
        let heads = self.log.heads_of(version)?;
        let mut past = self.log.graph().diff(&heads, &[]).only_a;
        past.reverse();
        Ok(whole_text(&self.log.subset(&past)))
    }

    /// What only `a` has seen and what only `b` has seen.
    ///
    /// # Errors
    /// As [`checkout`](Self::checkout).
    pub fn diff(&self, a: &Frontier, b: &Frontier) -> Result<(Summary, Summary), VersionError> {
        self.log.diff(a, b)
    }

    /// The version that has seen both and nothing else.
    ///
    /// # Errors
    /// As [`checkout`](Self::checkout).
    pub fn join(&self, a: &Frontier, b: &Frontier) -> Result<Frontier, VersionError> {
        let mut heads = self.log.heads_of(a)?;
        heads.extend(self.log.heads_of(b)?);
        Ok(self.log.graph().frontier(&self.log.graph().minimal(heads)))
    }

    /// The groups in the total order T. O(runs log runs).
    pub fn groups(&self) -> Vec<Group> {
        self.log.graph().groups()
    }

    /// Numbers about the history. O(runs).
    pub fn stats(&self) -> Stats {
        let (graph, operations) = (self.log.graph(), self.log.contents());
        let events = self.event_count();
        let inserts = operations.insert_count();
        Stats {
            events,
            inserts,
            deletes: events - inserts,
            groups: graph.group_count() as u64,
            runs: graph.run_count() as u64,
            operation_runs: operations.run_count() as u64,
            agents: graph.agent_count() as u64,
            critical_versions: graph.critical().map(|span| u64::from(span.len())).sum(),
            inserted_bytes: operations.text_len() as u64,
            visible_bytes: self.text.len::<crate::text::unit::Bytes>().get() as u64,
        }
    }
}

/// Numbers about a document's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Characters inserted and deleted, one event each.
    pub events: u64,
    /// Those that insert.
    pub inserts: u64,
    /// Those that delete.
    pub deletes: u64,
    /// Groups: maximal runs of one agent's consecutive clocks.
    pub groups: u64,
    /// Runs as the log keeps them: groups are cut where others' events arrived in between.
    pub runs: u64,
    /// Runs of typing and deleting.
    pub operation_runs: u64,
    /// Agents.
    pub agents: u64,
    /// Events that every other one happened before or after.
    pub critical_versions: u64,
    /// All text ever inserted, in bytes.
    pub inserted_bytes: u64,
    /// The text now, in bytes.
    pub visible_bytes: u64,
}

/// Out.
impl Document {
    /// Everything, as bytes to be kept: as few as can be. Where time matters more,
    /// [`encode_since`](Self::encode_since) the start takes a tenth of it, for a tenth more bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.log.encode_all()
    }

    /// What somebody with `summary` lacks, as bytes; `None` when nothing. O(groups + what is sent).
    pub fn encode_since(&self, summary: &Summary) -> Option<Vec<u8>> {
        self.log.encode_since(summary)
    }

    /// The same in messages of about `max_bytes`, parents first, so that each can be taken in as it comes.
    pub fn chunks_since(&self, summary: &Summary, max_bytes: usize) -> Vec<Vec<u8>> {
        self.log.chunks_since(summary, max_bytes)
    }

    /// The same again, each encoded when it is asked for: for whoever may not have room for all of them.
    pub fn each_chunk_since(&self, summary: &Summary, max_bytes: usize) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.log.each_chunk_since(summary, max_bytes).map(|(_, chunk)| chunk)
    }

    /// What somebody with `theirs` lacks of what is held here. O(agents · log groups) and what is found if `theirs` is
    /// META, else O(groups).
    pub fn lacking_in(&self, theirs: &Summary) -> Lacking {
        self.log.lacking_in(theirs)
    }

    /// The known ones of these events in messages of about `max_bytes`, parents first, so that each can be taken in as it
    /// comes.
    pub fn chunks_of(&self, spans: &[EventSpan], max_bytes: usize) -> Vec<Vec<u8>> {
        self.log.chunks_of(spans, max_bytes)
    }

    /// The known ones of these events, as bytes, in the order of this log; `None` when none is known.
    pub fn encode_spans(&self, spans: &[EventSpan]) -> Option<Vec<u8>> {
        self.log.encode_spans(spans)
    }
}

/// In.
impl Document {
    /// A document from the bytes of [`encode`](Self::encode), whatever it costs.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn decode(bytes: &[u8]) -> Result<Self, ImportError> {
        let mut document = Self::new();
        document.begin_with(bytes, Sender::default(), Origin::Kept)?;
        Ok(document)
    }

    /// Takes the first events of all into a document without any. On an error there still are none.
    fn begin_with(&mut self, bytes: &[u8], sender: Sender, origin: Origin) -> Result<(), ImportError> {
        let (waiting, past, mut allowance) = match TextLog::whole(bytes) {
            Some((log, past)) => {
                let allowance = self.allowance(origin, log.contents(), bytes.len())?;
                self.log = log;
                (Pending::default(), past, allowance)
            }
            // Not everything, or something is amiss.
            None => {
                let update = Update::decode(bytes)?;
                let allowance = self.allowance(origin, update.contents(), bytes.len())?;
                self.log.mark();
                let waiting = self.log.take_in(update).inspect_err(|_| self.log = TextLog::default())?;
                (waiting, None, allowance)
            }
        };
        match checkout::text_of(&self.log, past.as_ref(), &mut allowance.effort) {
            Ok(text) => {
                self.waiting.extend(waiting, sender);
                self.text = text;
            }
            Err(stopped) => {
                let error = self.error_of(stopped, &allowance);
                self.log = TextLog::default();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes in events and returns what they change, as patches in the unit asked for.
    ///
    /// Events that are known are skipped, events whose parents are not known wait for them (see
    /// [`missing`](Self::missing)). A new document returns one patch with the whole text.
    ///
    /// For what one has kept oneself: it is taken in whatever it costs. What others send goes through
    /// [`import_from`](Self::import_from).
    ///
    /// # Errors
    /// Bytes that are no update, or an event that breaks a rule; then nothing has changed.
    pub fn import<U: Unit>(&mut self, bytes: &[u8]) -> Result<Vec<Patch<U>>, ImportError> {
        self.take_bytes(Origin::Kept, Sender::default(), bytes)
    }

    /// The same for one of several senders, whom nobody has to trust: how much may wait for parents is bounded, and who has
    /// the most waiting is the first to lose some of it; and what a message costs is bounded by what it brings and what
    /// the document holds.
    ///
    /// # Errors
    /// As [`import`](Self::import); and a message that deletes more than there can be, that repeats itself more than
    /// people do, or that takes too long to merge.
    /// The limits are far beyond what people write, however it comes.
    pub fn import_from<U: Unit>(&mut self, sender: Sender, bytes: &[u8]) -> Result<Vec<Patch<U>>, ImportError> {
        self.take_bytes(Origin::Sent, sender, bytes)
    }

    fn take_bytes<U: Unit>(
        &mut self,
        origin: Origin,
        sender: Sender,
        bytes: &[u8],
    ) -> Result<Vec<Patch<U>>, ImportError> {
        let was_new = self.is_new();
        if was_new && self.waiting() == 0 {
            // Nobody follows the changes one by one, so the history may be walked in the best order.
            self.begin_with(bytes, sender, origin)?;
            return Ok(self.apply_all(Vec::new(), true, |_| {}));
        }
        let changes = self.receive(Update::decode(bytes)?, sender, origin)?;
        Ok(self.apply_all(changes, was_new, |_| {}))
    }

    /// The same as [`import`](Self::import) for whoever keeps a document and shows it to nobody: takes in events and does
    /// not say what they change.
    ///
    /// # Errors
    /// As [`import`](Self::import).
    pub fn absorb(&mut self, bytes: &[u8]) -> Result<(), ImportError> {
        self.take_silently(Update::decode(bytes)?, Sender::default(), Origin::Kept)
    }

    /// The same for one of several senders, as [`import_from`](Self::import_from).
    ///
    /// `admits` is asked about the agent of each piece that brings something. When it says no of one, nothing is taken in,
    /// and the answer is false.
    ///
    /// # Errors
    /// As [`import_from`](Self::import_from).
    pub fn absorb_from(
        &mut self,
        sender: Sender,
        bytes: &[u8],
        mut admits: impl FnMut(AgentId) -> bool,
    ) -> Result<bool, ImportError> {
        let update = Update::decode(bytes)?;
        // An agent's events are taken in order, so whoever holds the last of a piece holds all of it.
        let brings = |span: EventSpan| !self.contains(EventId::new(span.agent, Clock(span.end.0.saturating_sub(1))));
        if update.spans().any(|span| !admits(span.agent) && brings(span)) {
            return Ok(false);
        }
        self.take_silently(update, sender, Origin::Sent)?;
        Ok(true)
    }

    fn take_silently(&mut self, update: Update<Operations>, sender: Sender, origin: Origin) -> Result<(), ImportError> {
        for change in self.receive(update, sender, origin)? {
            patch::apply(&mut self.text, self.log.contents(), change);
        }
        Ok(())
    }

    /// Applies changes just received, each told to `each` before, as patches.
    pub(crate) fn apply_all<U: Unit>(
        &mut self,
        changes: Vec<Change>,
        as_one: bool,
        mut each: impl FnMut(Change),
    ) -> Vec<Patch<U>> {
        let mut patches = Vec::with_capacity(if as_one { 1 } else { changes.len() });
        for change in changes {
            each(change);
            if !as_one {
                patches.push(patch::of(&self.text, self.log.contents(), change));
            }
            patch::apply(&mut self.text, self.log.contents(), change);
        }
        if as_one && !self.text.is_empty() {
            patches.push(Patch { start: U::at(0), deleted: U::at(0), inserted: self.text.to_string() });
        }
        patches
    }

    /// Checks an update and takes it into the log. The changes returned are still to be made to the text.
    pub(crate) fn receive(
        &mut self,
        update: Update<Operations>,
        sender: Sender,
        origin: Origin,
    ) -> Result<Vec<Change>, ImportError> {
        let mut allowance = self.allowance(origin, update.contents(), update.bytes())?;
        let from = self.log.mark();
        let mut changes = Changes { all: Vec::new(), len: self.len() };
        let waiting = self.log.take_in(update).map_err(ImportError::from);
        let waiting = waiting.and_then(|waiting| {
            self.replay_from(from, &mut changes, &mut allowance)?;
            Ok(waiting)
        });
        match waiting {
            Ok(waiting) => self.waiting.extend(waiting, sender),
            Err(error) => {
                self.take_back(from);
                return Err(error);
            }
        }
        self.release_from(from, &mut changes, &mut allowance);
        Ok(changes.all)
    }

    /// Lets in what has waited for the events from `from` on. What turns out to break a rule is dropped: its sender was
    /// somebody else than the one whose message is being taken in. What the message's allowance is not enough for is
    /// dropped as well; asked for again, it comes in one piece.
    fn release_from(&mut self, from: Local, changes: &mut Changes, allowance: &mut Allowance) {
        let (mut at, mut refused) = (from, 0);
        while at < self.log.len() {
            let end = self.log.graph().run_at(at).span.end;
            let released = self.waiting.release(self.log.graph().event_span(Span::new(at, end)));
            for waited in released {
                if refused < MOST_REFUSED && !self.let_in(&waited, changes, allowance) {
                    refused = if allowance.effort.is_spent() { MOST_REFUSED } else { refused + 1 };
                }
            }
            at = end;
        }
    }

    /// Takes in a piece that has waited, unless it breaks a rule.
    fn let_in(&mut self, waited: &Waiting<Operations>, changes: &mut Changes, allowance: &mut Allowance) -> bool {
        let (start, known, len) = (self.log.mark(), changes.all.len(), changes.len);
        let mut waiting = Pending::default();
        // Nobody keeps what waits, so somebody sent it.
        let taken = self.check_deletions(&waited.contents).and_then(|()| {
            self.log.take_piece(&waited.piece, &waited.contents, &mut waiting).map_err(ImportError::from)
        });
        let taken = taken.and_then(|()| self.replay_from(start, changes, allowance)).is_ok();
        if taken {
            self.waiting.extend(waiting, waited.sender);
        } else {
            self.take_back(start);
            changes.all.truncate(known);
            changes.len = len;
        }
        taken
    }

    /// Forgets the events from `from` on, where the log was marked.
    fn take_back(&mut self, from: Local) {
        if from < self.log.len() {
            self.log.take_back();
            self.replay.forget_from(from);
        }
    }

    /// Replays the events from `from` on.
    fn replay_from(
        &mut self,
        from: Local,
        changes: &mut Changes,
        allowance: &mut Allowance,
    ) -> Result<(), ImportError> {
        let Changes { all, len } = changes;
        let replayed = self.replay.advance(&self.log, from, *len, &mut allowance.effort, |change| {
            *len = change.resized(*len);
            all.push(change);
        });
        replayed.map_err(|stopped| self.error_of(stopped, allowance))
    }

    fn error_of(&self, stopped: Stopped, allowance: &Allowance) -> ImportError {
        match stopped {
            Stopped::Misplaced(misplaced) => self.refusal(misplaced).into(),
            Stopped::Spent => ImportError::TooCostly { steps: allowance.steps },
        }
    }

    fn refusal(&self, misplaced: Misplaced) -> Refusal {
        let rule = Rule::IndexWithinDocument { index: misplaced.range.index, len: misplaced.range.len };
        Refusal { event: self.log.graph().id(misplaced.event), rule }
    }

    /// The events that are waited for: parents of events that have come. The next META asks for them.
    pub fn missing(&self) -> Vec<EventId> {
        self.waiting.missing()
    }

    /// How many events wait for their parents. Bounded; the oldest of whoever sent the most are dropped first.
    pub fn waiting(&self) -> usize {
        self.waiting.event_count()
    }

    /// Forgets what a sender has waiting for its parents. Whoever shows one out calls this, for nobody is asked again whether
    /// what has waited is admitted ([`absorb_from`](Self::absorb_from)) when it is let in.
    pub fn forget(&mut self, sender: Sender) {
        self.waiting.forget(sender);
    }
}

/// What a session does to its document.
impl Document {
    pub(crate) fn log(&self) -> &TextLog {
        &self.log
    }

    /// In chars.
    pub(crate) fn len(&self) -> u32 {
        // A text has at most as many chars as the log has events, which is below 2³⁰.
        self.text.len::<Chars>().get() as u32
    }

    /// Records what was typed at `at` of the agent's own branch and stands at `position` of the visible text. Returns
    /// the clock of the first event.
    pub(crate) fn type_in(&mut self, agent: AgentId, group: Option<&[Local]>, key: Typed<'_>) -> Clock {
        let clock = self.log.append(agent, group, key.chars, |operations| key.record(operations));
        key.apply(&mut self.text);
        clock
    }

    /// Records the next key of a run of typing whose last event is the last of the log.
    #[inline]
    pub(crate) fn type_on(&mut self, key: Typed<'_>) {
        self.log.go_on(key.chars, |operations| key.record(operations));
        key.apply(&mut self.text);
    }

    /// Whether one ASCII char more of a run of typing whose last event is the last of the log, at `at` of the agent's own
    /// branch and at `position` of the visible text, is only added to what is there: no memory is asked for.
    #[inline]
    pub(crate) fn takes_key(&self, at: u32, position: u32) -> bool {
        let operations = self.log.contents();
        operations.takes_key(at) && operations.has_memory_for_key() && self.text.takes_key(Chars(position as usize))
    }

    /// Records it.
    #[inline]
    pub(crate) fn type_key(&mut self, key: u8) {
        self.log.go_on(1, |operations| operations.insert_key(key));
        self.text.insert_key(key);
    }

    /// The same for one backspace, which deletes the char at `at` and at `position`.
    #[inline]
    pub(crate) fn takes_backspace(&self, at: u32, position: u32) -> bool {
        self.log.contents().takes_backspace(at) && self.text.takes_backspace(Chars(position as usize + 1))
    }

    /// Records it.
    #[inline]
    pub(crate) fn backspace(&mut self) {
        self.log.go_on(1, Operations::backspace);
        self.text.backspace();
    }

    /// Records deletions: at `at` of the agent's own branch, forwards or backwards; in the visible text from `position`
    /// on. Returns the clock of the first event.
    pub(crate) fn take_out(&mut self, agent: AgentId, group: Option<&[Local]>, key: Deleted) -> Clock {
        let clock = self.log.append(agent, group, key.count, |operations| key.record(operations));
        key.apply(&mut self.text);
        clock
    }

    /// Records the next key of a run of deletions whose last event is the last of the log.
    #[inline]
    pub(crate) fn take_out_on(&mut self, key: Deleted) {
        self.log.go_on(key.count, |operations| key.record(operations));
        key.apply(&mut self.text);
    }

    /// Every element of the history, up to date.
    pub(crate) fn elements(&mut self) -> &Tracker {
        let len = self.len();
        self.replay.whole(&self.log, len)
    }
}

/// Changes that are not made to the text yet, in order, and how long it will be: adding them up for each of many pieces
/// that are released takes longer than the pieces.
struct Changes {
    all: Vec<Change>,
    len: u32,
}

/// What was typed: at `at` of the agent's own branch, at `position` of the visible text.
#[derive(Clone, Copy)]
pub(crate) struct Typed<'a> {
    pub(crate) at: u32,
    pub(crate) position: u32,
    pub(crate) text: &'a str,
    pub(crate) chars: u32,
}

impl Typed<'_> {
    #[inline]
    fn record(self, operations: &mut Operations) {
        operations.insert_counted(self.at, self.text, self.chars);
    }

    #[inline]
    fn apply(self, text: &mut Buffer) {
        let inserted = text.insert_counted(Chars(self.position as usize), self.text, self.chars as usize);
        assert!(inserted.is_ok(), "a session typed outside its document: {inserted:?}");
    }
}

/// What was deleted: at `at` of the agent's own branch, forwards or backwards; in the visible text from `position` on.
#[derive(Clone, Copy)]
pub(crate) struct Deleted {
    pub(crate) at: u32,
    pub(crate) position: u32,
    pub(crate) count: u32,
    pub(crate) backward: bool,
}

impl Deleted {
    #[inline]
    fn record(self, operations: &mut Operations) {
        operations.delete(self.at, self.count, self.backward);
    }

    #[inline]
    fn apply(self, text: &mut Buffer) {
        let removed = text.remove(Chars(self.position as usize)..Chars((self.position + self.count) as usize));
        assert!(removed.is_ok(), "a session deleted outside its document: {removed:?}");
    }
}

/// The text of a log whose events were all checked when they came.
fn whole_text(log: &TextLog) -> Buffer {
    match checkout::text_of(log, None, &mut Effort::endless()) {
        Ok(text) => text,
        Err(stopped) => unreachable!("events that were checked when they came do not fit now: {stopped:?}"),
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
