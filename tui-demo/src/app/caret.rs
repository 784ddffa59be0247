//! The caret, the selection, and the ways to move them by keys and mouse.
//!
//! Knows positions in the text and where they are on the screen; does not edit. The caret is the
//! session's; the other end of a selection is kept here and moves along with remote edits.

use std::time::{Duration, Instant};

use cede::{Chars, Patch};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::keymap::Motion;
use super::{App, MARGIN, Mode};
use crate::layout::carried;
use crate::motion;

/// Rows that one step of a mouse wheel scrolls.
const WHEEL_ROWS: isize = 3;

/// Clicks that follow each other faster, on one spot, are one double or triple click.
const CLICK_PAUSE: Duration = Duration::from_millis(400);

/// What the mouse has been doing.
#[derive(Debug, Default)]
pub(super) struct Pointer {
    pressed: Option<Press>,
    dragging: bool,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    cell: (u16, u16),
    time: Instant,
    /// 1, 2 or 3.
    clicks: u8,
}

impl Pointer {
    fn press(&mut self, cell: (u16, u16), now: Instant) -> u8 {
        let clicks = match self.pressed {
            Some(last) if last.cell == cell && now < last.time + CLICK_PAUSE => last.clicks % 3 + 1,
            _ => 1,
        };
        self.pressed = Some(Press { cell, time: now, clicks });
        self.dragging = clicks == 1;
        clicks
    }
}

impl App {
    pub(super) fn caret(&self) -> Chars {
        self.session.caret()
    }

    /// What is selected; never empty.
    pub(super) fn selection(&self) -> Option<std::ops::Range<Chars>> {
        let (anchor, caret) = (self.anchor?, self.caret());
        (anchor != caret).then(|| anchor.min(caret)..anchor.max(caret))
    }

    /// Puts the caret somewhere, as the person wishes: the screen comes along.
    pub(super) fn put_caret(&mut self, at: Chars) {
        let at = at.min(self.session.text().len());
        self.session.move_caret(at).expect("a position in chars within the text is a position");
        self.own_move();
    }

    /// The person has moved the caret or edited.
    pub(super) fn own_move(&mut self) {
        self.fit();
        self.viewport.reveal(self.session.text(), self.caret(), MARGIN);
        self.company.follow(None);
    }

    pub(super) fn select(&mut self, anchor: Chars, caret: Chars) {
        self.anchor = Some(anchor.min(self.session.text().len()));
        self.put_caret(caret);
        self.goal = None;
    }

    pub(super) fn go(&mut self, motion: Motion, extend: bool) {
        let extend = extend || self.marking;
        let (caret, selection) = (self.caret(), self.selection());
        if extend {
            self.anchor.get_or_insert(caret);
        } else {
            self.anchor = None;
        }
        let to = match (motion, selection) {
            // A selection that is left by an arrow is left at that end.
            (Motion::Left, Some(selection)) if !extend => selection.start,
            (Motion::Right, Some(selection)) if !extend => selection.end,
            _ => self.target(motion, caret),
        };
        let vertical = [Motion::Up, Motion::Down, Motion::PageUp, Motion::PageDown];
        if !vertical.contains(&motion) {
            self.goal = None;
        }
        self.put_caret(to);
    }

    fn target(&mut self, motion: Motion, at: Chars) -> Chars {
        let text = self.session.text();
        let (viewport, goal) = (&mut self.viewport, &mut self.goal);
        match motion {
            Motion::Left => motion::left(text, at),
            Motion::Right => motion::right(text, at),
            Motion::Up => viewport.up(text, at, 1, goal),
            Motion::Down => viewport.down(text, at, 1, goal),
            Motion::WordLeft => motion::word_left(text, at),
            Motion::WordRight => motion::word_right(text, at),
            Motion::ParagraphUp => motion::paragraph_up(text, at),
            Motion::ParagraphDown => motion::paragraph_down(text, at),
            Motion::LineStart => motion::line_home(text, at),
            Motion::LineEnd => motion::line_end(text, at),
            Motion::PageUp => viewport.page_up(text, at, goal),
            Motion::PageDown => viewport.page_down(text, at, goal),
            Motion::TextStart => motion::document_start(text, at),
            Motion::TextEnd => motion::document_end(text, at),
        }
    }

    pub(super) fn start_marking(&mut self) {
        self.marking = !self.marking;
        self.anchor = self.marking.then(|| self.caret());
        if self.marking {
            self.inform("selecting: move the caret; Esc ends it");
        }
    }

    pub(super) fn select_all(&mut self) {
        // The screen stays: nobody wants to be taken to the end of the text by this.
        let viewport = self.viewport;
        self.select(Chars(0), self.session.text().len());
        self.viewport = viewport;
    }

    /// Others have edited: the selection keeps what it held. What comes to stand at its very ends
    /// is not part of it.
    pub(super) fn carry_selection(&mut self, patches: &[Patch<Chars>]) {
        let Some(anchor) = &mut self.anchor else {
            return;
        };
        let caret = self.session.caret::<Chars>();
        for patch in patches {
            let behind = patch.deleted == Chars(0) && patch.start == *anchor && *anchor > caret;
            if !behind {
                *anchor = carried(*anchor, patch);
            }
        }
    }

    pub(super) fn point(&mut self, mouse: MouseEvent) {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.wheel(-WHEEL_ROWS),
            MouseEventKind::ScrollDown => self.wheel(WHEEL_ROWS),
            _ if !matches!(self.mode, Mode::Text) => {}
            MouseEventKind::Down(MouseButton::Left) => self.click(mouse),
            MouseEventKind::Drag(MouseButton::Left) if self.pointer.dragging => self.drag(mouse),
            MouseEventKind::Up(MouseButton::Left) => self.pointer.dragging = false,
            _ => {}
        }
    }

    /// The caret stays where it is, out of sight perhaps; the next key brings the screen back.
    fn wheel(&mut self, rows: isize) {
        let page = self.reading_limit();
        match &mut self.mode {
            Mode::Help { scroll } | Mode::About { scroll } => {
                *scroll = scroll.saturating_add_signed(rows).min(page);
            }
            _ => {
                self.viewport.scroll(self.session.text(), rows);
                self.company.follow(None);
            }
        }
    }

    fn click(&mut self, mouse: MouseEvent) {
        let cell = (mouse.column, mouse.row);
        let Some(at) = self.position_at(cell) else {
            return;
        };
        self.goal = None;
        self.marking = false;
        let text = self.session.text();
        match self.pointer.press(cell, self.now) {
            2 => {
                let word = motion::word_at(text, at);
                self.select(word.start, word.end);
            }
            3 => {
                let line = motion::line_at(text, at);
                self.select(line.start, line.end);
            }
            _ if mouse.modifiers.contains(KeyModifiers::SHIFT) => {
                self.anchor.get_or_insert(self.session.caret());
                self.put_caret(at);
            }
            _ => {
                self.anchor = Some(at);
                self.put_caret(at);
            }
        }
    }

    /// At the upper and lower edge the text scrolls along.
    fn drag(&mut self, mouse: MouseEvent) {
        let rows = self.text_rows();
        if mouse.row < rows.start {
            self.viewport.scroll(self.session.text(), -1);
        } else if mouse.row >= rows.end {
            self.viewport.scroll(self.session.text(), 1);
        }
        let row = mouse.row.clamp(rows.start, rows.end.saturating_sub(1).max(rows.start));
        if let Some(at) = self.position_at((mouse.column, row)) {
            self.goal = None;
            // Not by `put_caret`: its margin would scroll under the mouse.
            self.session.move_caret(at).expect("a position on the screen is one in the text");
        }
    }
}
