//! What a session keeps beside its document, and keys that are counted instead of entered one by one.
//!
//! Knows the caret, the deferral, the agent's own branch and the steps of undo. A key at the caret changes all of them
//! by one; while keys of one kind follow each other only their number grows (a *stroke*). The books are brought up to
//! date when they are opened, and there is no other way to them, so nobody reads what is no longer so.
//!
//! ```text
//! key      stroke          books
//! "w"      begins          opened: adopted? a new step? …
//! "o"      1 key           as they were
//! "r"      2 keys          as they were
//! undo     ends            opened: 2 keys entered, then the step is taken back
//! ```
//!
//! Whatever could change the rules for the next key opens the books and so ends the stroke: what held for its first key
//! holds for all of them. While everything that there is has been adopted, as for somebody who types alone, one stroke
//! follows another without that: no rule has to be asked, and the agent's branch is what is on the screen.

use super::deferral::{Deferral, LocalEdit};
use crate::document::{Deleted, Typed};
use crate::graph::Heads;
use crate::id::{AgentId, Clock, EventSpan, Local};
use crate::undo::{Part, UndoHistory};

/// The books, and the keys that are not entered yet.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    agent: AgentId,
    books: Books,
    stroke: Stroke,
}

/// What a session keeps beside its document.
#[derive(Clone, Debug)]
pub(super) struct Books {
    /// The version of the agent's own branch: its last event, or what it has adopted for the next one.
    pub(super) branch: Heads,
    /// Where the caret is in the text of that branch.
    pub(super) branch_caret: u32,
    /// The clock after the agent's last event.
    pub(super) next_clock: Clock,
    /// The caret has moved since the last local edit.
    pub(super) moved: bool,
    pub(super) run: Deferral,
    pub(super) undo: UndoHistory,
}

/// Keys of one kind, one after the other at the caret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) part: Part,
    /// The keys that are not entered.
    pub(super) count: u32,
    /// How many there may be before the rules must be asked again; 0 while no stroke is going on.
    pub(super) most: u32,
    /// The first of them, by its clock and its number.
    pub(super) first: Clock,
    pub(super) first_local: Local,
    /// Nothing was pending when it began.
    pub(super) alone: bool,
}

/// Where the caret is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caret {
    /// In the text of the agent's own branch.
    pub(super) in_branch: u32,
    /// In the visible text.
    pub(super) visible: u32,
}

impl Caret {
    /// There in both, nothing being pending.
    #[inline]
    pub(super) fn alone_at(at: u32) -> Self {
        Self { in_branch: at, visible: at }
    }

    /// Typing there.
    #[inline]
    pub(super) fn types(self, text: &str, chars: u32) -> Typed<'_> {
        Typed { at: self.in_branch, position: self.visible, text, chars }
    }

    /// Deleting forwards there.
    #[inline]
    pub(super) fn deletes(self, count: u32) -> Deleted {
        Deleted { at: self.in_branch, position: self.visible, count, backward: false }
    }

    /// Backspacing there.
    #[inline]
    pub(super) fn backspaces(self, count: u32) -> Deleted {
        Deleted { at: self.in_branch - 1, position: self.visible - count, count, backward: true }
    }
}

impl Ledger {
    pub(super) fn new(agent: AgentId) -> Self {
        let books = Books {
            branch: Heads::new(),
            branch_caret: 0,
            next_clock: Clock(0),
            moved: true,
            run: Deferral::default(),
            undo: UndoHistory::default(),
        };
        let stroke =
            Stroke { part: Part::Typed, count: 0, most: 0, first: Clock(0), first_local: Local(0), alone: false };
        Self { agent, books, stroke }
    }

    /// Everything entered; a stroke ends.
    #[inline]
    pub(super) fn open(&mut self) -> &mut Books {
        if self.stroke.count > 0 {
            self.books.enter(self.agent, &self.stroke);
            self.stroke.count = 0;
        }
        self.stroke.most = 0;
        &mut self.books
    }

    /// The books with everything entered, for who may not change them. O(undo history).
    pub(super) fn copy(&self) -> Books {
        let mut copy = self.clone();
        copy.open();
        copy.books
    }

    /// Where the caret is in the visible text.
    #[inline]
    pub(super) fn caret(&self) -> u32 {
        self.stroke.after(self.books.run.caret())
    }

    /// The version of the agent's own branch.
    pub(super) fn branch(&self) -> Heads {
        match self.stroke.count.checked_sub(1) {
            Some(last) => Heads::from_slice(&[self.stroke.first_local + last]),
            None => self.books.branch.clone(),
        }
    }

    /// The parents of a group that starts now; the books are open.
    pub(super) fn group(&self, starts: bool) -> Option<&[Local]> {
        starts.then_some(self.books.branch.as_slice())
    }

    /// Whether there is something to take back.
    pub(super) fn can_undo(&self) -> bool {
        self.stroke.count > 0 || self.books.undo.can_undo()
    }

    /// A stroke begins, whose first keys have been made; the books are open.
    pub(super) fn begin_stroke(&mut self, stroke: Stroke) {
        debug_assert!(self.stroke.count == 0, "a stroke begins before {} keys are entered", self.stroke.count);
        self.stroke = stroke;
    }

    /// Goes from the stroke to another one of `count` keys at `at`, in a text of so many chars, if a stroke is going on
    /// that began with nothing pending: whatever others send ends it.
    #[inline]
    pub(super) fn turn(&mut self, part: Part, at: u32, count: u32, text: u32) -> bool {
        let Stroke { count: made, most, first, first_local, alone, .. } = self.stroke;
        let turns = alone && made > 0 && count.wrapping_sub(1) < most.saturating_sub(made);
        if turns {
            self.books.count(self.agent, &self.stroke);
            if at != self.books.run.caret() {
                self.books.run.move_to(at);
                self.books.undo.end_step();
                self.books.run.start(text);
            }
            self.books.branch_caret = at;
            let first = Clock(first.0 + made);
            self.stroke = Stroke { part, count, most: most - made, first, first_local: first_local + made, alone };
        }
        turns
    }

    /// The caret, when it is at `at` and a stroke of this kind is going on.
    #[inline]
    pub(super) fn stroke_at(&self, part: Part, at: usize) -> Option<Caret> {
        let visible = self.caret();
        let in_branch = self.stroke.after(self.books.branch_caret);
        (self.stroke.part == part && visible as usize == at).then_some(Caret { in_branch, visible })
    }

    /// Counts keys as part of the stroke, unless these are none or too many.
    #[inline]
    pub(super) fn goes_on(&mut self, count: usize) -> bool {
        let left = self.stroke.most.saturating_sub(self.stroke.count);
        let goes_on = count.wrapping_sub(1) < left as usize;
        if goes_on {
            self.stroke.count += count as u32;
        }
        goes_on
    }
}

impl Stroke {
    /// Where a caret is after these keys.
    #[inline]
    fn after(&self, caret: u32) -> u32 {
        match LocalEdit::of(self.part) {
            LocalEdit::Insert => caret + self.count,
            LocalEdit::Backspace => caret - self.count,
            LocalEdit::Delete => caret,
        }
    }
}

impl Books {
    fn enter(&mut self, agent: AgentId, stroke: &Stroke) {
        self.branch_caret = stroke.after(self.branch_caret);
        self.branch.clear();
        self.branch.push(stroke.first_local + (stroke.count - 1));
        self.count(agent, stroke);
    }

    /// Enters it but for what it does to the agent's branch.
    #[inline]
    fn count(&mut self, agent: AgentId, stroke: &Stroke) {
        let &Stroke { part, count, first, .. } = stroke;
        match LocalEdit::of(part) {
            LocalEdit::Insert => self.run.typed(count),
            LocalEdit::Backspace => self.run.backspaced(count),
            LocalEdit::Delete => self.run.deleted(count),
        }
        self.next_clock = Clock(first.0 + count);
        self.undo.record(part, EventSpan { agent, start: first, end: self.next_clock });
    }
}

impl LocalEdit {
    /// What is done at the caret for this part of a step.
    #[inline]
    pub(super) fn of(part: Part) -> Self {
        match part {
            Part::Typed | Part::Ahead => Self::Insert,
            Part::Backspaced => Self::Backspace,
            Part::Deleted => Self::Delete,
        }
    }
}
