//! A document being edited live by one agent: the caret, what is adopted when, and what undo needs.
//!
//! Knows who types and where. The rules of deferral are in `deferral`, the steps to take back in `undo`; here they are
//! put together:
//!
//! ```text
//! local edit ──▶ adopt? ──▶ log (index in one's own branch) ──▶ text (index on the screen)
//! events of others ──▶ document ──▶ each change, in order of arrival ──▶ caret and window ──▶ text
//! ```

mod deferral;
mod lookout;
mod undoing;

use crate::document::{Document, ImportError};
use crate::graph::{Frontier, Heads};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use crate::log::{Full, Refusal, Rule, Update};
use crate::replay::patch::Patch;
use crate::text::buffer::Buffer;
use crate::text::unit::{Chars, PositionError, Unit};
use crate::undo::{Part, UndoHistory};
use deferral::{Deferral, LocalEdit};
use std::fmt;
use std::ops::Range;

/// A document in the hands of one person.
///
/// Local edits are at a position in the unit of your choice, chosen per call; those at the caret are *typing* and keep
/// the group going, whatever others send meanwhile. What others send comes back as patches.
///
/// ```
/// use cede::{AgentId, Bytes, Session, Utf16};
///
/// let (mut ann, mut ben) = (Session::new(AgentId::new(1)), Session::new(AgentId::new(2)));
/// ann.insert(Bytes(0), "ab").unwrap();
/// ben.merge::<Utf16>(&ann.take_outgoing().unwrap()).unwrap();
///
/// // Ben answers behind what he saw, Ann types on without having seen him.
/// ben.insert(Bytes(2), "!").unwrap();
/// ann.insert(Bytes(2), "c").unwrap();
/// let (from_ann, from_ben) = (ann.take_outgoing().unwrap(), ben.take_outgoing().unwrap());
/// ann.merge::<Bytes>(&from_ben).unwrap();
/// ben.merge::<Bytes>(&from_ann).unwrap();
///
/// assert_eq!(ann.text(), "abc!");
/// assert_eq!(ben.text(), "abc!");
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    document: Document,
    agent: AgentId,
    /// The version of the agent's own branch: its last event, or what it has adopted for the next one.
    branch: Heads,
    /// Where the caret is in the text of that branch.
    branch_caret: u32,
    moved: bool,
    run: Deferral,
    undo: UndoHistory,
    /// Own clocks that `take_outgoing` has handed out.
    sent: Clock,
}

impl Session {
    /// An empty document.
    pub fn new(agent: AgentId) -> Self {
        Self::with_document(Document::new(), agent)
    }

    /// Goes on with a document. The agent must be new: never used before, here or elsewhere.
    pub fn with_document(document: Document, agent: AgentId) -> Self {
        Self {
            document,
            agent,
            branch: Heads::new(),
            branch_caret: 0,
            moved: true,
            run: Deferral::default(),
            undo: UndoHistory::default(),
            sent: Clock(0),
        }
    }

    /// Who is typing.
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// The document.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The document, the session being over.
    pub fn into_document(self) -> Document {
        self.document
    }

    /// The visible text.
    pub fn text(&self) -> &Buffer {
        self.document.text()
    }

    /// The version of this agent's own branch: its last event, or what it has adopted for the next one.
    pub fn branch(&self) -> Frontier {
        self.document.log().graph().frontier(&self.branch)
    }

    /// Where the caret is.
    pub fn caret<U: Unit>(&self) -> U {
        self.unit(self.run.caret())
    }

    /// Puts the caret somewhere. It has moved then, also when it was there already: the next edit adopts what has come.
    ///
    /// # Errors
    /// A position beyond the end or inside a character.
    pub fn move_caret<U: Unit>(&mut self, to: U) -> Result<(), PositionError> {
        let to = self.chars(to)?;
        self.go_to(to);
        Ok(())
    }

    /// Inserts text; the caret ends behind it. At the caret this is typing, anywhere else the caret moves there first.
    ///
    /// # Errors
    /// A position beyond the end or inside a character, or a log that is full; then nothing has changed.
    pub fn insert<U: Unit>(&mut self, at: U, text: &str) -> Result<(), EditError> {
        let at = self.chars(at)?;
        self.check_room(0, text)?;
        if at != self.run.caret() {
            self.go_to(at);
        }
        self.type_text(text);
        Ok(())
    }

    /// Deletes a range. One that ends at the caret is backspaced, one that starts there is deleted forwards; for any
    /// other one the caret moves to its start first.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), or a range that ends before it starts.
    pub fn delete<U: Unit>(&mut self, range: Range<U>) -> Result<(), EditError> {
        let range = self.range(range)?;
        self.check_room(range.end - range.start, "")?;
        self.delete_chars(range);
        Ok(())
    }

    /// Puts text in the place of a range, as typing over a selection does: the caret has moved, and one undo takes back
    /// both.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub fn replace<U: Unit>(&mut self, range: Range<U>, text: &str) -> Result<(), EditError> {
        let range = self.range(range)?;
        self.check_room(range.end - range.start, text)?;
        self.go_to(range.end);
        let joins = !range.is_empty() && !text.is_empty();
        self.delete_chars(range);
        if joins {
            self.undo.join_next();
        }
        self.type_text(text);
        Ok(())
    }

    /// Takes in events of others and returns what they change, in the unit asked for.
    ///
    /// # Errors
    /// Bytes that are no update, or an event that breaks a rule; then nothing has changed.
    pub fn merge<U: Unit>(&mut self, bytes: &[u8]) -> Result<Vec<Patch<U>>, ImportError> {
        let update = Update::decode(bytes)?;
        if let Some(span) = update.spans().find(|&span| self.is_foreign_claim(span)) {
            return Err(Refusal { event: EventId::new(span.agent, span.start), rule: Rule::OwnAgent }.into());
        }
        let was_new = self.document.is_new();
        let changes = self.document.receive(update)?;
        let run = &mut self.run;
        Ok(self.document.apply_all(changes, was_new, |change| run.see(change)))
    }

    /// Own events that nobody has made here.
    fn is_foreign_claim(&self, span: EventSpan) -> bool {
        span.agent == self.agent && span.end > self.next_clock()
    }

    /// One's own events since the last call, as bytes to send; `None` when there are none.
    pub fn take_outgoing(&mut self) -> Option<Vec<u8>> {
        let span = EventSpan { agent: self.agent, start: self.sent, end: self.next_clock() };
        if span.is_empty() {
            return None;
        }
        self.sent = span.end;
        let graph = self.document.log().graph();
        // Clocks leave gaps, so the span is cut to the groups.
        let held = graph.agent_index(self.agent).map(|agent| graph.held_in(agent, span)).unwrap_or_default();
        self.document.encode_spans(&held)
    }

    fn next_clock(&self) -> Clock {
        let graph = self.document.log().graph();
        Clock(graph.agent_index(self.agent).map_or(0, |agent| graph.clock(graph.last_of(agent)) + 1))
    }
}

/// Local edits, in chars and checked.
impl Session {
    fn go_to(&mut self, caret: u32) {
        self.moved = true;
        self.run.move_to(caret);
        self.undo.end_step();
    }

    fn type_text(&mut self, text: &str) {
        self.type_as(Part::Typed, text);
    }

    fn type_as(&mut self, part_of_step: Part, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let group = self.begin(LocalEdit::Insert);
            let most = self.most_at_once(LocalEdit::Insert);
            let (part, behind, chars) = split_chars(rest, most);
            let (at, position) = (self.branch_caret, self.run.caret());
            self.document.type_in(self.agent, group.as_deref(), at, position, part, chars);
            self.branch_caret += chars;
            self.run.typed(chars);
            self.made(part_of_step, chars);
            rest = behind;
        }
    }

    fn delete_chars(&mut self, range: Range<u32>) {
        let mut count = range.end - range.start;
        if count == 0 {
            return;
        }
        let caret = self.run.caret();
        let edit = if range.end == caret { LocalEdit::Backspace } else { LocalEdit::Delete };
        if edit == LocalEdit::Delete && range.start != caret {
            self.go_to(range.start);
        }
        while count > 0 {
            let group = self.begin(edit);
            let part = count.min(self.most_at_once(edit));
            self.delete_part(edit, group.as_deref(), part);
            count -= part;
        }
    }

    fn delete_part(&mut self, edit: LocalEdit, group: Option<&[Local]>, count: u32) {
        let (at, position) = (self.branch_caret, self.run.caret());
        if edit == LocalEdit::Backspace {
            self.document.take_out(self.agent, group, at - 1, position - count, count, true);
            self.branch_caret -= count;
            self.run.backspaced(count);
            self.made(Part::Backspaced, count);
        } else {
            self.document.take_out(self.agent, group, at, position, count, false);
            self.run.deleted(count);
            self.made(Part::Deleted, count);
        }
    }

    /// Whether the next edit starts a group, and with which parents; adopts where the rules say so.
    fn begin(&mut self, edit: LocalEdit) -> Option<Heads> {
        let pending = self.is_pending();
        let new_run = self.moved || pending && self.run.must_adopt(edit);
        if !new_run {
            return self.parents_if_first();
        }
        self.moved = false;
        self.run.start(self.document.len());
        self.branch_caret = self.run.caret();
        if !pending {
            return self.parents_if_first();
        }
        self.branch = self.document.log().graph().heads().clone();
        Some(self.branch.clone())
    }

    /// An agent's first event starts a group, also where there is nothing to adopt.
    fn parents_if_first(&self) -> Option<Heads> {
        self.document.log().graph().agent_index(self.agent).is_none().then(|| self.branch.clone())
    }

    /// Whether something has come that is not adopted.
    fn is_pending(&self) -> bool {
        *self.document.log().graph().heads() != self.branch
    }

    /// How many chars of an edit go before the rules must be asked again.
    fn most_at_once(&self, edit: LocalEdit) -> u32 {
        if self.is_pending() { self.run.room(edit) } else { u32::MAX }
    }

    fn made(&mut self, part: Part, count: u32) {
        let graph = self.document.log().graph();
        let end = graph.len();
        self.branch = Heads::from_slice(&[end - 1]);
        let span = graph.event_span(Span::new(end - count, end));
        self.undo.record(part, span);
    }
}

/// Units.
impl Session {
    fn chars<U: Unit>(&self, at: U) -> Result<u32, PositionError> {
        self.text().convert::<U, Chars>(at).map(|chars| chars.0 as u32)
    }

    fn range<U: Unit>(&self, range: Range<U>) -> Result<Range<u32>, PositionError> {
        if range.start > range.end {
            let (start, end) = (range.start.get(), range.end.get());
            return Err(PositionError::Backwards { start, end, unit: U::KIND });
        }
        Ok(self.chars(range.start)?..self.chars(range.end)?)
    }

    fn unit<U: Unit>(&self, chars: u32) -> U {
        match self.text().convert(Chars(chars as usize)) {
            Ok(position) => position,
            Err(error) => unreachable!("a position of this session left its text: {error}"),
        }
    }

    fn check_room(&self, deleted: u32, text: &str) -> Result<(), Full> {
        // Bytes are at least as many as chars; the limit is far beyond memory either way.
        self.document.log().check_room(u32::try_from(text.len()).unwrap_or(u32::MAX).saturating_add(deleted))
    }
}

/// The first `most` chars of a text, the rest, and how many the first ones are.
fn split_chars(text: &str, most: u32) -> (&str, &str, u32) {
    if text.is_ascii() {
        let count = (most as usize).min(text.len());
        return (&text[..count], &text[count..], count as u32);
    }
    let mut count = 0;
    for (offset, _) in text.char_indices() {
        if count == most {
            return (&text[..offset], &text[offset..], count);
        }
        count += 1;
    }
    (text, "", count)
}

/// An edit that was not made. Nothing has changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EditError {
    /// A position that is not one of the text.
    Position(PositionError),
    /// The log is full.
    Full(Full),
}

impl From<PositionError> for EditError {
    fn from(error: PositionError) -> Self {
        Self::Position(error)
    }
}

impl From<Full> for EditError {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(error) => error.fmt(f),
            Self::Full(full) => full.fmt(f),
        }
    }
}

impl std::error::Error for EditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Position(error) => Some(error),
            Self::Full(full) => Some(full),
        }
    }
}
