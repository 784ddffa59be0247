//! Finding: what is looked for, and the match that the person stands on.
//!
//! Knows a query and one range; going through the text is [`crate::search`]'s. As long as
//! something is looked for, all its matches on the screen are shown.

use std::ops::Range;

use cede::{Chars, Patch};

use super::prompt::Asked;
use super::{App, MARGIN, Mode};
use crate::layout::carried;
use crate::search::{Direction, Query};

/// What is looked for.
#[derive(Debug, Default)]
pub(super) struct Finder {
    /// As it was typed, to be offered again.
    words: String,
    query: Option<Query>,
    current: Option<Range<Chars>>,
}

impl Finder {
    pub(super) fn clear(&mut self) {
        self.query = None;
        self.current = None;
    }

    pub(super) fn query(&self) -> Option<&Query> {
        self.query.as_ref()
    }

    pub(super) fn current(&self) -> Option<Range<Chars>> {
        self.current.clone()
    }

    pub(super) fn carry(&mut self, patches: &[Patch<Chars>]) {
        for patch in patches {
            self.current = self.current.take().and_then(|range| {
                let range = carried(range.start, patch)..carried(range.end, patch);
                (!range.is_empty()).then_some(range)
            });
        }
    }
}

impl App {
    pub(super) fn ask_what_to_find(&mut self) {
        let selected = self.selection().and_then(|range| self.session.text().slice(range).ok());
        // What is selected is often what is looked for; a long selection never is.
        let offered = selected.filter(|text| !text.contains('\n') && text.len() < 200);
        self.ask(Asked::Find, offered.unwrap_or_default());
        self.find_as_typed();
    }

    /// The input has changed: the first match from where the person was.
    pub(super) fn find_as_typed(&mut self) {
        let Mode::Prompt(prompt) = &self.mode else {
            return;
        };
        let (origin, top) = (prompt.origin, prompt.top());
        self.finder.words = prompt.input().to_owned();
        self.finder.query = Query::new(prompt.input());
        self.finder.current = None;
        if self.finder.query.is_none() {
            self.viewport.set_top(top);
            return;
        }
        self.seek(origin, Direction::Forwards);
    }

    /// The next match, or the one before, while the prompt is open.
    pub(super) fn step_find(&mut self, direction: Direction) {
        let from = match (&self.finder.current, &self.mode) {
            (Some(range), _) if direction == Direction::Forwards => range.end,
            (Some(range), _) => range.start,
            (None, Mode::Prompt(prompt)) => prompt.origin,
            _ => self.caret(),
        };
        self.seek(from, direction);
    }

    /// Goes to a match in sight, without the caret; says how it went.
    fn seek(&mut self, from: Chars, direction: Direction) {
        let Some(query) = &self.finder.query else {
            return;
        };
        let found = query.find(self.session.text(), from, direction);
        let note = match &found {
            None => "not found",
            Some(found) if found.wrapped && direction == Direction::Forwards => "from the start",
            Some(found) if found.wrapped => "from the end",
            Some(_) => "",
        };
        self.finder.current = found.map(|found| found.range);
        if let Some(range) = &self.finder.current {
            self.viewport.reveal(self.session.text(), range.end, MARGIN);
            self.viewport.reveal(self.session.text(), range.start, MARGIN);
        }
        match &mut self.mode {
            Mode::Prompt(prompt) => prompt.note = note.into(),
            _ if !note.is_empty() => self.inform(note),
            _ => {}
        }
    }

    /// The match becomes the selection.
    pub(super) fn accept_find(&mut self) {
        self.mode = Mode::Text;
        match self.finder.current() {
            Some(range) => self.select(range.start, range.end),
            None if self.finder.query.is_some() => self.inform("not found"),
            None => {}
        }
    }

    /// On to the next match, or back, with the caret; what was last looked for if nothing is.
    pub(super) fn find_again(&mut self, direction: Direction) {
        if self.finder.query.is_none() {
            self.finder.query = Query::new(&self.finder.words);
        }
        if self.finder.query.is_none() {
            return self.ask_what_to_find();
        }
        let from = match self.selection() {
            Some(selection) if direction == Direction::Backwards => selection.start,
            Some(selection) => selection.end,
            None => self.caret(),
        };
        self.seek(from, direction);
        if let Some(range) = self.finder.current() {
            self.select(range.start, range.end);
        }
    }
}
