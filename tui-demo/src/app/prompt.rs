//! A line of text that is asked for: what to find, which line, which name.
//!
//! Knows the input and its caret, by clusters, and where the person was when it was asked for.
//! While it is open the text may change below; what is typed here stays untouched.

use std::path::PathBuf;

use cede::{Chars, Patch};
use unicode_segmentation::UnicodeSegmentation;

use super::keymap::Action;
use super::{App, Effect, Mode};
use crate::files;
use crate::layout::{carried, position_of_line_column};
use crate::search::Direction;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Find,
    Line,
    Name,
}

impl Asked {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Find => "Find",
            Self::Line => "Go to line",
            Self::Name => "Save as",
        }
    }

    /// What there is to know while nothing is to be said about the input. No longer than half of a row of 80 columns,
    /// or it is not shown there.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Find => "↑↓ other matches  Enter select",
            Self::Line => "line, or line:column",
            Self::Name => "Enter save  Esc leave",
        }
    }
}

/// The line and what belongs to it.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) asked: Asked,
    input: String,
    /// In bytes of `input`. Invariant: on a boundary between clusters.
    caret: usize,
    /// The input is an offer that typing replaces and moving accepts.
    offered: bool,
    /// The caret of the text and the top of the screen when this was asked.
    pub(super) origin: Chars,
    top: Chars,
    /// Something about the input.
    pub(super) note: String,
}

impl Prompt {
    pub(super) fn input(&self) -> &str {
        &self.input
    }

    /// The caret in chars of the input.
    pub(super) fn caret(&self) -> Chars {
        Chars(self.input[..self.caret].chars().count())
    }

    /// The top of the screen when this was asked.
    pub(super) fn top(&self) -> Chars {
        self.top
    }

    pub(super) fn carry(&mut self, patches: &[Patch<Chars>]) {
        for patch in patches {
            self.origin = carried(self.origin, patch);
            self.top = carried(self.top, patch);
        }
    }

    fn insert(&mut self, text: &str) {
        if std::mem::take(&mut self.offered) {
            self.input.clear();
            self.caret = 0;
        }
        self.input.insert_str(self.caret, text);
        let end = self.caret + text.len();
        // What was typed may have joined the cluster behind it.
        let boundary = self.boundaries().find(|&at| at >= end);
        self.caret = boundary.unwrap_or(self.input.len());
    }

    /// Moves or deletes; says whether the input has changed.
    fn edit(&mut self, action: Action) -> bool {
        let before = self.boundaries().take_while(|&at| at < self.caret).last();
        let behind = self.boundaries().find(|&at| at > self.caret);
        let (left, right) = (before.unwrap_or(0), behind.unwrap_or(self.input.len()));
        let length = self.input.len();
        self.offered = false;
        match action {
            Action::InputLeft => self.caret = left,
            Action::InputRight => self.caret = right,
            Action::InputStart => self.caret = 0,
            Action::InputEnd => self.caret = length,
            Action::InputBackspace => {
                self.input.drain(left..self.caret);
                self.caret = left;
            }
            Action::InputDelete => {
                self.input.drain(self.caret..right);
            }
            _ => {}
        }
        self.input.len() != length
    }

    fn boundaries(&self) -> impl Iterator<Item = usize> {
        let starts = self.input.grapheme_indices(true).map(|(at, _)| at);
        starts.chain(std::iter::once(self.input.len()))
    }
}

impl App {
    /// Opens a prompt that offers `input`, which may be empty.
    pub(super) fn ask(&mut self, asked: Asked, input: String) {
        self.mode = Mode::Prompt(Prompt {
            asked,
            caret: input.len(),
            offered: !input.is_empty(),
            input,
            origin: self.caret(),
            top: self.viewport.top(),
            note: String::new(),
        });
    }

    pub(super) fn ask_for_line(&mut self) {
        self.ask(Asked::Line, String::new());
    }

    pub(super) fn ask_for_name(&mut self) {
        self.ask(Asked::Name, String::new());
    }

    pub(super) fn type_prompt(&mut self, text: &str) {
        let Mode::Prompt(prompt) = &mut self.mode else {
            return;
        };
        prompt.insert(text);
        self.reconsider_prompt();
    }

    /// A key in the prompt that is not typing.
    pub(super) fn prompted(&mut self, action: Action) {
        let Mode::Prompt(prompt) = &mut self.mode else {
            return;
        };
        match action {
            Action::Accept => self.accept_prompt(),
            Action::Cancel => self.leave_prompt(),
            Action::Paste => self.paste_clipboard(),
            Action::RowDown | Action::RowUp if prompt.asked == Asked::Find => {
                self.step_find(match action {
                    Action::RowDown => Direction::Forwards,
                    _ => Direction::Backwards,
                });
            }
            action => {
                if prompt.edit(action) {
                    self.reconsider_prompt();
                }
            }
        }
    }

    fn reconsider_prompt(&mut self) {
        let Mode::Prompt(prompt) = &mut self.mode else {
            return;
        };
        prompt.note.clear();
        if prompt.asked == Asked::Find {
            self.find_as_typed();
        }
    }

    fn leave_prompt(&mut self) {
        if let Mode::Prompt(prompt) = &self.mode
            && prompt.asked == Asked::Find
        {
            self.finder.clear();
            self.viewport.set_top(prompt.top());
        }
        self.mode = Mode::Text;
        self.stay();
    }

    fn accept_prompt(&mut self) {
        let Mode::Prompt(prompt) = &mut self.mode else {
            return;
        };
        match prompt.asked {
            Asked::Find => self.accept_find(),
            Asked::Line => match line_column(&prompt.input) {
                Some((line, column)) => {
                    self.mode = Mode::Text;
                    self.anchor = None;
                    let at = position_of_line_column(self.session.text(), line, column);
                    self.jump(at);
                }
                None => prompt.note = "a line, or line:column".into(),
            },
            Asked::Name => self.accept_name(),
        }
    }

    fn accept_name(&mut self) {
        let Mode::Prompt(prompt) = &mut self.mode else {
            return;
        };
        let path = PathBuf::from(prompt.input.trim());
        let taken = |path: &PathBuf| path.symlink_metadata().is_ok();
        prompt.note = if path.as_os_str().is_empty() {
            "a file name".into()
        } else if taken(&path) || taken(&files::history_path(&path)) {
            "there is such a file already".into()
        } else {
            self.mode = Mode::Text;
            self.effects.push(Effect::Settle(path));
            return;
        };
    }
}

/// `12`, or `12:5`.
fn line_column(input: &str) -> Option<(usize, usize)> {
    match input.trim().split_once(':') {
        Some((line, column)) => Some((line.trim().parse().ok()?, column.trim().parse().ok()?)),
        None => Some((input.trim().parse().ok()?, 1)),
    }
}
