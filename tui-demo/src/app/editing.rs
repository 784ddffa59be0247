//! Edits by the person: typing, deleting, the clipboard, undo.
//!
//! Knows what is selected and what a key takes; how words stay whole is the session's. Every edit
//! reports its patch, so that what is kept in positions moves along.

use std::fmt::Display;
use std::ops::Range;

use cede::{Chars, Patch};
use cede_net::rights::Rights;

use super::{App, Effect, Mode};
use crate::motion;

impl App {
    /// Types at the caret, over the selection if there is one.
    pub(super) fn type_text(&mut self, text: &str) {
        match self.selection() {
            Some(selection) => self.replace(selection, text),
            None => self.replace(self.caret()..self.caret(), text),
        }
    }

    pub(super) fn backspace(&mut self) {
        self.take(motion::backspace);
    }

    pub(super) fn delete_forward(&mut self) {
        self.take(motion::delete);
    }

    pub(super) fn delete_word_back(&mut self) {
        self.take(motion::word_back);
    }

    pub(super) fn delete_word_forward(&mut self) {
        self.take(motion::word_forward);
    }

    pub(super) fn delete_to_line_start(&mut self) {
        self.take(motion::to_line_start);
    }

    pub(super) fn delete_to_line_end(&mut self) {
        self.take(motion::to_line_end);
    }

    /// Deletes the selection, or what `range` says of the caret.
    fn take(&mut self, range: impl Fn(&cede::Buffer, Chars) -> Range<Chars>) {
        let range = match self.selection() {
            Some(selection) => selection,
            None => range(self.session.text(), self.caret()),
        };
        self.replace(range, "");
    }

    /// The one way by which the person changes the text, undo apart.
    fn replace(&mut self, range: Range<Chars>, text: &str) {
        if self.may_only_read() {
            return self.refuse_edit();
        }
        if range.is_empty() && text.is_empty() {
            return;
        }
        let patch =
            Patch { start: range.start, deleted: Chars(range.end.0 - range.start.0), inserted: text.to_owned() };
        let selected = self.anchor.is_some_and(|anchor| anchor != self.caret());
        let result = match (range.is_empty(), text.is_empty()) {
            (true, _) => self.session.insert(range.start, text),
            // Beside the caret a deletion is typing too, and may stay in its run.
            (false, true) if !selected => self.session.delete(range),
            (false, _) => self.session.replace(range, text),
        };
        self.edited(result, &[patch]);
    }

    fn edited(&mut self, result: Result<(), impl Display>, patches: &[Patch<Chars>]) {
        self.anchor = None;
        self.marking = false;
        self.goal = None;
        match result {
            Ok(()) => {
                self.carry(patches);
                self.keeping.note_edit(self.now);
                self.own_move();
            }
            Err(error) => self.notices.fail(error.to_string()),
        }
    }

    /// Because of the file, or because the host says so.
    pub(super) fn may_only_read(&self) -> bool {
        self.read_only || self.company.rights() < Rights::Write
    }

    pub(super) fn refuse_edit(&mut self) {
        self.warn(match self.read_only {
            true => "opened for reading only",
            false => "the host lets you read only",
        });
    }

    pub(super) fn undo(&mut self) {
        if self.may_only_read() {
            return self.refuse_edit();
        }
        match self.session.undo::<Chars>() {
            Some(patches) => self.edited(Ok::<_, cede::EditError>(()), &patches),
            None => self.inform("nothing of yours to undo"),
        }
    }

    pub(super) fn redo(&mut self) {
        if self.may_only_read() {
            return self.refuse_edit();
        }
        match self.session.redo::<Chars>() {
            Some(patches) => self.edited(Ok::<_, cede::EditError>(()), &patches),
            None => self.inform("nothing to redo"),
        }
    }

    pub(super) fn copy(&mut self) {
        let Some(selection) = self.selection() else {
            return self.inform("nothing is selected");
        };
        // A selection lies within the text.
        let Ok(text) = self.session.text().slice(selection) else {
            return;
        };
        self.clipboard.clone_from(&text);
        self.marking = false;
        self.effects.push(Effect::Copy(text));
    }

    pub(super) fn cut(&mut self) {
        self.copy();
        if self.selection().is_some() {
            self.type_text("");
        }
    }

    pub(super) fn paste_clipboard(&mut self) {
        let text = self.clipboard.clone();
        self.paste(&text);
    }

    /// Text from outside, at once: one undo takes it back. Lines come to end in LF, whatever the
    /// terminal or the other program made of them.
    pub(super) fn paste(&mut self, text: &str) {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        match self.mode {
            Mode::Text => {
                self.session.break_undo();
                self.type_text(&text);
                self.session.break_undo();
            }
            Mode::Prompt(_) => self.type_prompt(text.lines().next().unwrap_or_default()),
            _ => {}
        }
    }
}
