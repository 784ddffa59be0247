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
mod ledger;
mod lookout;
#[cfg(test)]
mod tests;
mod undoing;

use crate::document::Document;
use crate::graph::Frontier;
use crate::id::{AgentId, Clock, EventId, EventSpan};
use crate::log::{Full, Refusal, Rule, Sender, Update};
use crate::log::{ImportError, Origin};
use crate::replay::patch::Patch;
use crate::text::buffer::Buffer;
use crate::text::unit::{Chars, PositionError, Unit, UnitKind, count_chars};
use crate::undo::Part;
use deferral::LocalEdit;
use ledger::{Caret, Ledger, Stroke};
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
    ledger: Ledger,
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
        Self { document, agent, ledger: Ledger::new(agent), sent: Clock(0) }
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
        self.document.log().graph().frontier(&self.ledger.branch())
    }

    /// Where the caret is.
    pub fn caret<U: Unit>(&self) -> U {
        self.unit(self.ledger.caret())
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
        // The usual key is looked at before anything else is asked.
        if U::KIND == UnitKind::Chars
            && let &[key] = text.as_bytes()
            && self.types_key(at.get(), key)
        {
            return Ok(());
        }
        self.insert_anywhere(at, text)
    }

    #[inline(never)]
    fn insert_anywhere<U: Unit>(&mut self, at: U, text: &str) -> Result<(), EditError> {
        let at = self.chars(at)?;
        if self.types_on(at as usize, text) || self.types_anew(at, text) {
            return Ok(());
        }
        self.check_room(0, text)?;
        if at != self.ledger.caret() {
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
        if U::KIND == UnitKind::Chars {
            let (start, end) = (range.start.get(), range.end.get());
            let one = end.checked_sub(start) == Some(1);
            if one && self.backspaces_key(end) || self.deletes_on(start, end) {
                return Ok(());
            }
        }
        self.delete_anywhere(range)
    }

    #[inline(never)]
    fn delete_anywhere<U: Unit>(&mut self, range: Range<U>) -> Result<(), EditError> {
        let range = self.range(range)?;
        if U::KIND != UnitKind::Chars && self.deletes_on(range.start as usize, range.end as usize) {
            return Ok(());
        }
        if self.deletes_anew(range.clone()) {
            return Ok(());
        }
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
            self.ledger.open().undo.join_next();
        }
        self.type_text(text);
        Ok(())
    }

    /// Takes in events of others and returns what they change, in the unit asked for.
    ///
    /// # Errors
    /// As [`Document::import_from`]; then nothing has changed.
    pub fn merge<U: Unit>(&mut self, bytes: &[u8]) -> Result<Vec<Patch<U>>, ImportError> {
        self.merge_from(Sender::default(), bytes)
    }

    /// The same for one of several senders, as [`Document::import_from`].
    ///
    /// # Errors
    /// As [`merge`](Self::merge).
    pub fn merge_from<U: Unit>(&mut self, sender: Sender, bytes: &[u8]) -> Result<Vec<Patch<U>>, ImportError> {
        let update = Update::decode(bytes)?;
        if let Some(span) = update.spans().find(|&span| self.is_foreign_claim(span)) {
            return Err(Refusal { event: EventId::new(span.agent, span.start), rule: Rule::OwnAgent }.into());
        }
        let was_new = self.document.is_new();
        let changes = self.document.receive(update, sender, Origin::Sent)?;
        let run = &mut self.ledger.open().run;
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
    /// Whether this ASCII char is the next key of a stroke and no memory has to be asked for, and then it has been typed.
    #[inline]
    fn types_key(&mut self, at: usize, key: u8) -> bool {
        let Some(caret) = self.ledger.stroke_at(Part::Typed, at) else { return false };
        let goes_on = self.document.takes_key(caret.in_branch, caret.visible) && self.ledger.goes_on(1);
        if goes_on {
            self.document.type_key(key);
        }
        goes_on
    }

    /// Whether this is the next key of a stroke, and then it has been typed.
    fn types_on(&mut self, at: usize, text: &str) -> bool {
        let Some(caret) = self.ledger.stroke_at(Part::Typed, at) else { return false };
        let chars = count_chars(text);
        let goes_on = self.ledger.goes_on(chars);
        if goes_on {
            self.document.type_on(caret.types(text, chars as u32));
        }
        goes_on
    }

    /// Whether this is the next of many backspaces, of an ASCII char, and then it has been made.
    #[inline]
    fn backspaces_key(&mut self, end: usize) -> bool {
        let Some(caret) = self.ledger.stroke_at(Part::Backspaced, end) else { return false };
        let takes = |at| self.document.takes_backspace(at, caret.visible - 1);
        let goes_on = caret.in_branch.checked_sub(1).is_some_and(takes) && self.ledger.goes_on(1);
        if goes_on {
            self.document.backspace();
        }
        goes_on
    }

    /// Whether this is the next key of a stroke, and then it has been made.
    fn deletes_on(&mut self, start: usize, end: usize) -> bool {
        let Some(count) = end.checked_sub(start) else { return false };
        let mut goes_on = false;
        if let Some(caret) = self.ledger.stroke_at(Part::Backspaced, end) {
            goes_on = self.ledger.goes_on(count);
            if goes_on {
                self.document.take_out_on(caret.backspaces(count as u32));
            }
        } else if let Some(caret) = self.ledger.stroke_at(Part::Deleted, start) {
            goes_on = end <= self.text().len::<Chars>().0 && self.ledger.goes_on(count);
            if goes_on {
                self.document.take_out_on(caret.deletes(count as u32));
            }
        }
        goes_on
    }

    /// Whether this is the first key of a stroke that follows another, and then it has been typed.
    fn types_anew(&mut self, at: u32, text: &str) -> bool {
        let Ok(chars) = u32::try_from(count_chars(text)) else { return false };
        let turns = self.ledger.turn(Part::Typed, at, chars, self.document.len());
        if turns {
            self.document.type_on(Caret::alone_at(at).types(text, chars));
        }
        turns
    }

    /// Whether these are the first keys of a stroke that follows another, and then they have been made.
    fn deletes_anew(&mut self, range: Range<u32>) -> bool {
        let Range { start, end } = range;
        let (part, at) = if end == self.ledger.caret() { (Part::Backspaced, end) } else { (Part::Deleted, start) };
        let turns = self.ledger.turn(part, at, end - start, self.document.len());
        if turns {
            let caret = Caret::alone_at(at);
            let deleted =
                if part == Part::Backspaced { caret.backspaces(end - start) } else { caret.deletes(end - start) };
            self.document.take_out_on(deleted);
        }
        turns
    }

    fn go_to(&mut self, caret: u32) {
        let books = self.ledger.open();
        books.moved = true;
        books.run.move_to(caret);
        books.undo.end_step();
    }

    fn type_text(&mut self, text: &str) {
        self.type_as(Part::Typed, text);
    }

    fn type_as(&mut self, part: Part, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let start = self.begin(part);
            let (now, behind, chars) = split_chars(rest, start.most);
            let typed = start.caret.types(now, chars);
            let first = if start.goes_on {
                self.document.type_on(typed);
                start.clock
            } else {
                self.document.type_in(self.agent, self.ledger.group(start.starts_group), typed)
            };
            self.made(part, first, chars, &start);
            rest = behind;
        }
    }

    fn delete_chars(&mut self, range: Range<u32>) {
        let mut count = range.end - range.start;
        if count == 0 {
            return;
        }
        let caret = self.ledger.caret();
        let part = if range.end == caret { Part::Backspaced } else { Part::Deleted };
        if part == Part::Deleted && range.start != caret {
            self.go_to(range.start);
        }
        while count > 0 {
            count -= self.delete_some(part, count);
        }
    }

    /// Deletes as many of `count` chars as go before the rules must be asked again. Returns how many.
    fn delete_some(&mut self, part: Part, count: u32) -> u32 {
        let start = self.begin(part);
        let count = count.min(start.most);
        let backwards = part == Part::Backspaced;
        let deleted = if backwards { start.caret.backspaces(count) } else { start.caret.deletes(count) };
        let first = if start.goes_on {
            self.document.take_out_on(deleted);
            start.clock
        } else {
            self.document.take_out(self.agent, self.ledger.group(start.starts_group), deleted)
        };
        self.made(part, first, count, &start);
        count
    }

    /// What the next edit begins with; adopts where the rules say so.
    fn begin(&mut self, part: Part) -> Start {
        let (books, document) = (self.ledger.open(), &mut self.document);
        let mut pending = !document.log().graph().is_newest(&books.branch);
        // An agent's first event starts a group, also where there is nothing to adopt.
        let mut starts_group = books.branch.is_empty();
        let edit = LocalEdit::of(part);
        if books.moved || pending && books.run.must_adopt(edit) {
            books.moved = false;
            books.run.start(document.len());
            books.branch_caret = books.run.caret();
            if pending {
                document.gather_heads(self.agent);
                books.branch = document.log().graph().heads();
                (starts_group, pending) = (true, false);
            }
        }
        let (most, log) = (if pending { books.run.room(edit) } else { u32::MAX }, document.log());
        Start {
            caret: Caret { in_branch: books.branch_caret, visible: books.run.caret() },
            most: most.min(log.room()),
            alone: !pending,
            starts_group,
            goes_on: !starts_group && books.branch.last().is_some_and(|&last| last + 1 == log.len()),
            clock: books.next_clock,
        }
    }

    /// The last `count` events were made at the caret: the first of a stroke.
    fn made(&mut self, part: Part, first: Clock, count: u32, start: &Start) {
        let first_local = self.document.log().len() - count;
        let &Start { most, alone, .. } = start;
        self.ledger.begin_stroke(Stroke { part, count, most, first, first_local, alone });
    }
}

/// What an edit begins with.
struct Start {
    caret: Caret,
    /// How many chars may go before the rules must be asked again.
    most: u32,
    /// Nothing is pending.
    alone: bool,
    /// It starts a group, with the agent's branch for parents.
    starts_group: bool,
    /// It goes on with the last run of the log, which is the agent's.
    goes_on: bool,
    /// Its clock if it goes on with a run.
    clock: Clock,
}

/// Units.
impl Session {
    #[inline(always)]
    fn chars<U: Unit>(&self, at: U) -> Result<u32, PositionError> {
        if U::KIND == UnitKind::Chars && at.get() <= self.document.len() as usize {
            return Ok(at.get() as u32);
        }
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
        let log = self.document.log();
        let count = u32::try_from(text.len()).unwrap_or(u32::MAX).saturating_add(deleted);
        log.check_room(count.saturating_add(2 * log.gatherings()))
    }
}

/// The first `most` chars of a text, the rest, and how many the first ones are.
fn split_chars(text: &str, most: u32) -> (&str, &str, u32) {
    let chars = count_chars(text);
    if chars <= most as usize {
        return (text, "", chars as u32);
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
