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

use crate::anchor::{Anchor, Bias};
use crate::codec::DecodeError;
use crate::document::{Document, ImportError};
use crate::graph::{Frontier, Heads};
use crate::id::{AgentId, Clock, EventSpan, Local, Span};
use crate::log::{Full, Piece, Refusal, Rule, Update};
use crate::replay::patch::Patch;
use crate::text::buffer::Buffer;
use crate::text::unit::{Chars, PositionError, Unit};
use crate::undo::{Part, Step, UndoHistory};
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
        if let Some(piece) = update.pieces.iter().find(|piece| self.is_foreign_claim(piece)) {
            return Err(Refusal::new(piece, Rule::OwnAgent).into());
        }
        let was_new = self.document.is_new();
        let changes = self.document.receive(&update)?;
        let run = &mut self.run;
        Ok(self.document.apply_all(changes, was_new, |change| run.see(change)))
    }

    /// Own events that nobody has made here.
    fn is_foreign_claim(&self, piece: &Piece) -> bool {
        piece.span.agent == self.agent && piece.span.end > self.next_clock()
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

/// Undo and redo.
impl Session {
    /// Takes back the last step of one's own: a typing run, a deletion, a paste or a replacement. What others have
    /// written meanwhile stays. The caret goes back to where it was. `None` when there is nothing to take back.
    ///
    /// The first undo of a session replays the whole history once; each later one costs what it changes.
    pub fn undo<U: Unit>(&mut self) -> Option<Vec<Patch<U>>> {
        let step = self.undo.take_undo()?;
        Some(self.take_back(&step, UndoHistory::finish_undo))
    }

    /// Does again what the last undo took back. `None` when there is nothing, or something else was edited since.
    pub fn redo<U: Unit>(&mut self) -> Option<Vec<Patch<U>>> {
        let step = self.undo.take_redo()?;
        Some(self.take_back(&step, UndoHistory::finish_redo))
    }

    fn take_back<U: Unit>(&mut self, step: &Step, finish: fn(&mut UndoHistory)) -> Vec<Patch<U>> {
        let mut patches = Vec::new();
        for &(part, span) in step.parts().iter().rev() {
            match part {
                Part::Typed | Part::Ahead => self.delete_typed(part, span, &mut patches),
                Part::Backspaced | Part::Deleted => self.restore_deleted(part, span, &mut patches),
            }
        }
        self.moved = true;
        finish(&mut self.undo);
        patches
    }

    /// Deletes what is still there of the chars that these events typed, or of what has been put in their place since.
    /// From right to left, so that the caret ends where the first one stood.
    fn delete_typed<U: Unit>(&mut self, part: Part, span: EventSpan, patches: &mut Vec<Patch<U>>) {
        for span in self.undo.latest(span).into_iter().rev() {
            for events in self.document.log().local_spans(&[span]).into_iter().rev() {
                let chars = self.document.elements().touched_by(events);
                for events in chars.into_iter().rev() {
                    let Some(standing) = self.document.elements().standing(events.start) else { continue };
                    self.go_to_quietly(standing.position);
                    if standing.visible {
                        let range = standing.position..standing.position + events.len();
                        if part == Part::Typed {
                            self.go_to_quietly(range.end);
                        }
                        patches.push(self.patch(range.clone(), ""));
                        self.delete_chars(range);
                    }
                }
            }
        }
    }

    /// Puts back the chars that these events deleted, where they stood. The caret ends in front of them where they were
    /// deleted forwards, else behind them.
    fn restore_deleted<U: Unit>(&mut self, part: Part, span: EventSpan, patches: &mut Vec<Patch<U>>) {
        let mut restored: Option<Range<u32>> = None;
        let spans = self.document.log().local_spans(&[span]);
        let when = spans.first().map_or(Local(0), |first| first.start);
        for events in spans {
            for (events, position) in self.places_of_deleted(events, when) {
                let text: String =
                    events.numbers().filter_map(|event| self.document.log().contents().char_of(Local(event))).collect();
                patches.push(self.patch(position..position, &text));
                self.go_to_quietly(position);
                self.type_as(if part == Part::Deleted { Part::Ahead } else { Part::Typed }, &text);
                self.note_replacement(events);
                let end = position + events.len();
                restored = Some(match restored {
                    Some(before) if position <= before.end => before.start.min(position)..before.end + events.len(),
                    Some(before) => before.start..end,
                    None => position..end,
                });
            }
        }
        if let Some(restored) = restored {
            self.go_to_quietly(if part == Part::Deleted { restored.start } else { restored.end });
        }
    }

    /// The deleted ones of the chars that these events deleted, from left to right, and where to put them back one after the
    /// other.
    fn places_of_deleted(&mut self, events: Span, when: Local) -> Vec<(Span, u32)> {
        let chars = self.document.elements().touched_by(events);
        let mut places: Vec<(Span, u32)> = Vec::with_capacity(chars.len());
        for events in chars.into_iter().rev() {
            let Some(standing) = self.document.elements().standing(events.start) else { continue };
            if !standing.visible {
                let most = self.place_of_next(events.end - 1, when, places.last().copied());
                places.push((events, most.map_or(standing.position, |most| most.min(standing.position))));
            }
        }
        places.reverse();
        let (mut shift, mut least) = (0, 0);
        for (events, place) in &mut places {
            *place = (*place + shift).max(least);
            shift += events.len();
            least = *place + events.len();
        }
        places
    }

    /// Where that stands now which came behind a char after event `when` deleted it; a deleted char goes back no further than
    /// there. `next` are others that `when` deleted, and where they go.
    ///
    /// ```text
    /// a b c d            b is deleted, then c
    /// a c′ b† c† d       c comes back: behind the visible char on its left, for there is no index between b† and c†
    /// a b′ c′ b† c† d    b comes back: before c′, because c stood behind it
    /// ```
    fn place_of_next(&mut self, char: Local, when: Local, next: Option<(Span, u32)>) -> Option<u32> {
        let behind: Vec<Span> = self.document.elements().behind(char, when).collect();
        for stood in behind {
            if let Some((_, place)) = next.filter(|(next, _)| stood.numbers().contains(&next.start.0)) {
                return Some(place);
            }
            let graph = self.document.log().graph();
            let parts = graph.runs_in(stood).map(|run| graph.event_span(run.span.within(stood)));
            let copies: Vec<EventSpan> = parts.flat_map(|part| self.undo.latest(part)).collect();
            let copies = self.document.log().local_spans(&copies);
            let elements = self.document.elements();
            let standings =
                copies.into_iter().flat_map(|copy| elements.touched_by(copy)).map(|run| elements.standing(run.start));
            if let Some(place) = standings.flatten().filter(|at| at.visible).map(|at| at.position).min() {
                return Some(place);
            }
        }
        None
    }

    /// The chars just typed stand for those that these events inserted.
    fn note_replacement(&mut self, events: Span) {
        let graph = self.document.log().graph();
        let end = graph.len();
        let mut fresh = end - events.len();
        let mut at = events.start;
        while at < events.end {
            let of = graph.run_at(at).span.end.min(events.end) - at;
            let by = graph.run_at(fresh).span.end - fresh;
            let count = of.min(by);
            let (old, new) = (Span::new(at, at + count), Span::new(fresh, fresh + count));
            self.undo.replace(graph.event_span(old), graph.event_span(new));
            at = at + count;
            fresh = fresh + count;
        }
    }

    fn patch<U: Unit>(&self, range: Range<u32>, text: &str) -> Patch<U> {
        let (start, end): (U, U) = (self.unit(range.start), self.unit(range.end));
        Patch { start, deleted: U::at(end.get() - start.get()), inserted: text.to_owned() }
    }

    /// Moves the caret within one step of undo.
    fn go_to_quietly(&mut self, caret: u32) {
        self.moved = true;
        self.run.move_to(caret);
    }

    /// Ends the current step of undo: after a pause in typing, around a paste, at a save.
    pub fn break_undo(&mut self) {
        self.undo.end_step();
    }

    /// Whether there is something to take back.
    pub fn can_undo(&self) -> bool {
        self.undo.can_undo()
    }

    /// The whole undo history, to be kept beside the log.
    pub fn encode_undo(&self) -> Vec<u8> {
        self.undo.encode()
    }

    /// What has changed in the undo history since the last call, to be appended beside the log; `None` when nothing.
    pub fn take_undo_changes(&mut self) -> Option<Vec<u8>> {
        self.undo.take_changes()
    }

    /// Restores the undo history of an earlier session of the same person: call it with each record in order, oldest
    /// first, whole ones and changes alike.
    ///
    /// # Errors
    /// A damaged record; then the undo history is what the records before it made.
    pub fn restore_undo(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        self.undo.apply_changes(record)
    }
}

/// Anchors and authors.
impl Session {
    /// A position that survives edits: it stays with the character on its left or right.
    ///
    /// The first anchor of a session replays the whole history once, each later one costs what came since, and O(log
    /// n).
    ///
    /// # Errors
    /// A position beyond the end or inside a character.
    pub fn anchor<U: Unit>(&mut self, at: U, bias: Bias) -> Result<Anchor, PositionError> {
        let at = self.chars(at)?;
        let neighbour = match bias {
            Bias::Left => at.checked_sub(1),
            Bias::Right => Some(at),
        };
        let event = neighbour.and_then(|position| self.document.elements().event_at(position));
        let id = event.map(|event| self.document.log().graph().id(event));
        Ok(match (id, bias) {
            (Some(id), Bias::Left) => Anchor::Behind(id),
            (Some(id), Bias::Right) => Anchor::Before(id),
            (None, Bias::Left) => Anchor::Start,
            (None, Bias::Right) => Anchor::End,
        })
    }

    /// Where an anchor is now. One whose character was deleted is where the character would stand. `None` when its
    /// character is not known here.
    pub fn resolve<U: Unit>(&mut self, anchor: &Anchor) -> Option<U> {
        let (id, behind) = match *anchor {
            Anchor::Start => return Some(U::at(0)),
            Anchor::End => return Some(self.text().len()),
            Anchor::Behind(id) => (id, true),
            Anchor::Before(id) => (id, false),
        };
        let event = self.document.log().graph().local(id)?;
        let standing = self.document.elements().standing(event)?;
        Some(self.unit(standing.position + u32::from(behind && standing.visible)))
    }

    /// Who typed what stands there: runs of the visible text from left to right.
    pub fn authors(&mut self) -> Vec<(AgentId, Chars)> {
        let spans: Vec<Span> = self.document.elements().visible().collect();
        let graph = self.document.log().graph();
        let mut authors: Vec<(AgentId, Chars)> = Vec::new();
        for run in spans.into_iter().flat_map(|span| graph.runs_in(span).map(move |run| (run, span))) {
            let (run, span) = run;
            let count = (run.span.end.min(span.end) - run.span.start.max(span.start)) as usize;
            let agent = graph.agent(run.agent);
            match authors.last_mut() {
                Some((last, length)) if *last == agent => length.0 += count,
                _ => authors.push((agent, Chars(count))),
            }
        }
        authors
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
