//! Taking back and doing again: from the names of a step's events to edits at where their characters are now.

use super::Session;
use crate::codec::DecodeError;
use crate::id::{EventSpan, Local, Span};
use crate::replay::patch::Patch;
use crate::text::unit::Unit;
use crate::undo::{Part, Step};
use std::ops::Range;

/// Undo and redo.
impl Session {
    /// Takes back the last step of one's own: a typing run, a deletion, a paste or a replacement. What others have
    /// written meanwhile stays. The caret goes back to where it was. `None` when there is nothing to take back, or no room in the
    /// log for the events that do it.
    ///
    /// The first undo of a session replays the whole history once; each later one costs what it changes.
    pub fn undo<U: Unit>(&mut self) -> Option<Vec<Patch<U>>> {
        let count = self.ledger.open().undo.undo_len()?;
        self.check_room(count, "").ok()?;
        let step = self.ledger.open().undo.take_undo()?;
        Some(self.take_back(&step))
    }

    /// Does again what the last undo took back. `None` when there is nothing, when something else was edited since, or when
    /// there is no room for it.
    pub fn redo<U: Unit>(&mut self) -> Option<Vec<Patch<U>>> {
        let count = self.ledger.open().undo.redo_len()?;
        self.check_room(count, "").ok()?;
        let step = self.ledger.open().undo.take_redo()?;
        Some(self.take_back(&step))
    }

    /// Makes at most as many events as the step has.
    fn take_back<U: Unit>(&mut self, step: &Step) -> Vec<Patch<U>> {
        let mut patches = Vec::new();
        for &(part, span) in step.parts().iter().rev() {
            match part {
                Part::Typed | Part::Ahead => self.delete_typed(part, span, &mut patches),
                Part::Backspaced | Part::Deleted => self.restore_deleted(part, span, &mut patches),
            }
        }
        self.ledger.open().moved = true;
        self.ledger.open().undo.finish();
        patches
    }

    /// Deletes what is still there of the chars that these events typed, or of what has been put in their place since.
    /// From right to left, so that the caret ends where the first one stood.
    fn delete_typed<U: Unit>(&mut self, part: Part, span: EventSpan, patches: &mut Vec<Patch<U>>) {
        for span in self.ledger.open().undo.latest(span).into_iter().rev() {
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

    /// The deleted ones of the chars that these events deleted, from left to right, and where to put them back one
    /// after the other.
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

    /// Where that stands now which came behind a char after event `when` deleted it; a deleted char goes back no
    /// further than there. `next` are others that `when` deleted, and where they go.
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
            let copies: Vec<EventSpan> = parts.flat_map(|part| self.ledger.open().undo.latest(part)).collect();
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
            let (of, by) = (Span::new(at, at + count), Span::new(fresh, fresh + count));
            self.ledger.open().undo.replace(graph.event_span(of), graph.event_span(by));
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
        self.ledger.open().moved = true;
        self.ledger.open().run.move_to(caret);
    }

    /// Ends the current step of undo: after a pause in typing, around a paste, at a save.
    pub fn break_undo(&mut self) {
        self.ledger.open().undo.end_step();
    }

    /// Whether there is something to take back.
    pub fn can_undo(&self) -> bool {
        self.ledger.can_undo()
    }

    /// The whole undo history, to be kept beside the log.
    pub fn encode_undo(&self) -> Vec<u8> {
        self.ledger.copy().undo.encode()
    }

    /// What has changed in the undo history since the last call, to be appended beside the log; `None` when nothing.
    pub fn take_undo_changes(&mut self) -> Option<Vec<u8>> {
        self.ledger.open().undo.take_changes()
    }

    /// Restores the undo history of an earlier session of the same person: call it with each record in order, oldest
    /// first, whole ones and changes alike.
    ///
    /// # Errors
    /// A damaged record; then the undo history is what the records before it made.
    pub fn restore_undo(&mut self, record: &[u8]) -> Result<(), DecodeError> {
        self.ledger.open().undo.apply_changes(record)
    }
}
