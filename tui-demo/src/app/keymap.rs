//! Which key does what: one table, for the dispatch and for the help screen.
//!
//! Knows chords, the places in which they are pressed, and the names of the actions. Does not
//! know what the actions do. Most actions have a second chord, because terminals and window
//! managers keep some of the usual ones for themselves. Lookup walks the table: some sixty rows.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves the caret; with Shift, or while marking, the selection grows along.
    Go(Motion),
    /// Starts a selection at the caret that motions without Shift extend.
    Mark,
    /// Selects everything.
    SelectAll,
    /// Deletes the selection, or the cluster before the caret.
    Backspace,
    /// Deletes the selection, or the cluster behind the caret.
    Delete,
    /// Deletes back to the start of the word.
    DeleteWordBack,
    /// Deletes up to the end of the word.
    DeleteWordForward,
    /// Deletes back to the start of the line.
    DeleteToLineStart,
    /// Deletes up to the end of the line.
    DeleteToLineEnd,
    /// Breaks the line.
    NewLine,
    /// Inserts a tab.
    Tab,
    /// Takes back the last typing of one's own.
    Undo,
    /// Does again what was taken back.
    Redo,
    /// Moves the selection to the clipboard.
    Cut,
    /// Copies the selection to the clipboard.
    Copy,
    /// Inserts the clipboard.
    Paste,
    /// Asks what to find.
    Find,
    /// Goes to the next match.
    FindNext,
    /// Goes to the match before.
    FindPrevious,
    /// Asks for a line and goes there.
    GoToLine,
    /// Writes the text file.
    Save,
    /// Leaves.
    Quit,
    /// Shows the keys.
    Help,
    /// Shows who is in the document.
    Peers,
    /// Goes to the caret of the next person.
    NextPeer,
    /// Follows the next person, or nobody.
    Follow,
    /// Shows the file, the join line, the connection.
    About,
    /// Clears the terminal and draws everything anew.
    Redraw,
    /// Confirms.
    Accept,
    /// Leaves a selection, a search, a prompt, an overlay.
    Cancel,
    /// The row before.
    RowUp,
    /// The row after.
    RowDown,
    /// Rows by the screenful, upwards.
    RowsUp,
    /// Rows by the screenful, downwards.
    RowsDown,
    /// Copies the command by which others join.
    CopyJoin,
    /// Copies the command by which those join who are to read only.
    CopyJoinToRead,
    /// Follows the chosen person.
    FollowChosen,
    /// Lets the chosen person read only, or write again.
    RestrictChosen,
    /// Shows the chosen person out.
    RemoveChosen,
    /// One cluster back in a prompt.
    InputLeft,
    /// One cluster on in a prompt.
    InputRight,
    /// The start of a prompt's input.
    InputStart,
    /// The end of a prompt's input.
    InputEnd,
    /// Deletes the cluster before the prompt's caret.
    InputBackspace,
    /// Deletes the cluster behind the prompt's caret.
    InputDelete,
}

/// Where a caret can go by one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// One cluster back.
    Left,
    /// One cluster on.
    Right,
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// Back to the start of a word.
    WordLeft,
    /// On to the end of a word.
    WordRight,
    /// Up to the empty line above the paragraph.
    ParagraphUp,
    /// Down to the empty line below the paragraph.
    ParagraphDown,
    /// The first character of the line that is not blank, then its start.
    LineStart,
    /// The end of the line.
    LineEnd,
    /// A screenful up.
    PageUp,
    /// A screenful down.
    PageDown,
    /// The start of the text.
    TextStart,
    /// The end of the text.
    TextEnd,
}

/// Where a key is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the text.
    Text,
    /// In a line that is asked for.
    Prompt,
    /// In the list of people.
    Peers,
    /// In a text to read, such as the help.
    Reading,
}

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// What a key press means, whatever the terminal says about letters: `Ctrl-s` and `Ctrl-S`
    /// are one chord, and a letter's Shift is in the letter.
    #[must_use]
    pub fn of(event: &KeyEvent) -> Self {
        let known = KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT;
        let mut modifiers = event.modifiers & known;
        let code = match event.code {
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                if modifiers.is_empty() { KeyCode::Char(c) } else { KeyCode::Char(c.to_ascii_lowercase()) }
            }
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            code => code,
        };
        Self { code, modifiers }
    }

    /// The character that it types, if it types one. Ctrl and Alt together are `AltGr` on some
    /// systems, which types.
    #[must_use]
    pub fn typed(self) -> Option<char> {
        let both = KeyModifiers::CONTROL | KeyModifiers::ALT;
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            KeyCode::Char(c) if self.modifiers == both && !c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        }
    }

    /// The key of a letter, without Shift or Caps Lock: that is how the help shows it.
    fn of_key(self) -> Self {
        match self.code {
            KeyCode::Char(c) => Self { code: KeyCode::Char(c.to_ascii_lowercase()), ..self },
            _ => self,
        }
    }

    fn without_shift(self) -> Self {
        Self { modifiers: self.modifiers - KeyModifiers::SHIFT, ..self }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "Ctrl-"), (KeyModifiers::ALT, "Alt-"), (KeyModifiers::SHIFT, "Shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) => write!(f, "{}", c.to_ascii_uppercase()),
            KeyCode::F(number) => write!(f, "F{number}"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::Delete => f.write_str("Del"),
            KeyCode::Insert => f.write_str("Ins"),
            code => write!(f, "{code:?}"),
        }
    }
}

const fn key(code: KeyCode) -> Chord {
    Chord { code, modifiers: KeyModifiers::NONE }
}

const fn f(number: u8) -> Chord {
    key(KeyCode::F(number))
}

const fn ctrl(c: char) -> Chord {
    ctrl_key(KeyCode::Char(c))
}

const fn ctrl_key(code: KeyCode) -> Chord {
    Chord { code, modifiers: KeyModifiers::CONTROL }
}

const fn alt(c: char) -> Chord {
    alt_key(KeyCode::Char(c))
}

const fn alt_key(code: KeyCode) -> Chord {
    Chord { code, modifiers: KeyModifiers::ALT }
}

const fn shift_key(code: KeyCode) -> Chord {
    Chord { code, modifiers: KeyModifiers::SHIFT }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What happens.
    pub action: Action,
    /// The chords that ask for it, the usual one first.
    pub chords: &'static [Chord],
    /// What the help screen says about it.
    pub says: &'static str,
}

/// Rows of the table that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What the help screen calls it.
    pub title: &'static str,
    /// Where its keys are pressed.
    pub place: Place,
    /// The rows.
    pub bindings: &'static [Binding],
}

const fn row(action: Action, chords: &'static [Chord], says: &'static str) -> Binding {
    Binding { action, chords, says }
}

/// The table.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "File",
        place: Place::Text,
        bindings: &[
            row(Action::Save, &[ctrl('s'), alt('s')], "save the text"),
            row(Action::Quit, &[ctrl('q'), alt('q'), f(10)], "quit"),
            row(Action::Help, &[f(1), alt('h')], "these keys"),
            row(Action::About, &[f(5), alt('i')], "file, join line, connection"),
            row(Action::Redraw, &[ctrl('l')], "draw everything anew, anywhere"),
        ],
    },
    Section {
        title: "Together",
        place: Place::Text,
        bindings: &[
            row(Action::Peers, &[f(2), alt('p')], "who is here"),
            row(Action::NextPeer, &[f(4), alt('j')], "go to the next person"),
            row(Action::Follow, &[f(6), alt('o')], "follow the next person, or nobody"),
        ],
    },
    Section {
        title: "Move (with Shift: select)",
        place: Place::Text,
        bindings: &[
            row(Action::Go(Motion::Left), &[key(KeyCode::Left)], "one character left"),
            row(Action::Go(Motion::Right), &[key(KeyCode::Right)], "one character right"),
            row(Action::Go(Motion::Up), &[key(KeyCode::Up)], "one row up"),
            row(Action::Go(Motion::Down), &[key(KeyCode::Down)], "one row down"),
            row(
                Action::Go(Motion::WordLeft),
                &[ctrl_key(KeyCode::Left), alt_key(KeyCode::Left), alt('b')],
                "one word left",
            ),
            row(
                Action::Go(Motion::WordRight),
                &[ctrl_key(KeyCode::Right), alt_key(KeyCode::Right), alt('f')],
                "one word right",
            ),
            row(Action::Go(Motion::LineStart), &[key(KeyCode::Home)], "start of the line"),
            row(Action::Go(Motion::LineEnd), &[key(KeyCode::End), ctrl('e')], "end of the line"),
            row(Action::Go(Motion::ParagraphUp), &[ctrl_key(KeyCode::Up), alt('{')], "one paragraph up"),
            row(Action::Go(Motion::ParagraphDown), &[ctrl_key(KeyCode::Down), alt('}')], "one paragraph down"),
            row(Action::Go(Motion::PageUp), &[key(KeyCode::PageUp), alt_key(KeyCode::Up)], "one screen up"),
            row(Action::Go(Motion::PageDown), &[key(KeyCode::PageDown), alt_key(KeyCode::Down)], "one screen down"),
            row(Action::Go(Motion::TextStart), &[ctrl_key(KeyCode::Home), alt('<')], "start of the text"),
            row(Action::Go(Motion::TextEnd), &[ctrl_key(KeyCode::End), alt('>')], "end of the text"),
            row(Action::GoToLine, &[ctrl('g'), alt('g')], "go to a line"),
        ],
    },
    Section {
        title: "Select",
        place: Place::Text,
        bindings: &[
            row(Action::Mark, &[ctrl(' '), f(8)], "select from here on, without Shift"),
            row(Action::SelectAll, &[ctrl('a'), alt('a')], "everything"),
            row(Action::Copy, &[ctrl('c'), alt('c'), ctrl_key(KeyCode::Insert)], "copy"),
            row(Action::Cut, &[ctrl('x'), alt('x'), shift_key(KeyCode::Delete)], "cut"),
            row(Action::Paste, &[ctrl('v'), alt('v'), shift_key(KeyCode::Insert)], "paste"),
            row(Action::Cancel, &[key(KeyCode::Esc)], "no selection, search, following"),
        ],
    },
    Section {
        title: "Edit",
        place: Place::Text,
        bindings: &[
            row(Action::Undo, &[ctrl('z'), alt('u')], "undo own typing"),
            row(Action::Redo, &[ctrl('y'), alt('r')], "redo"),
            row(
                Action::Backspace,
                &[key(KeyCode::Backspace), ctrl('h'), shift_key(KeyCode::Backspace)],
                "delete before the caret",
            ),
            row(Action::Delete, &[key(KeyCode::Delete), ctrl('d')], "delete behind the caret"),
            row(
                Action::DeleteWordBack,
                &[ctrl('w'), ctrl_key(KeyCode::Backspace), alt_key(KeyCode::Backspace)],
                "delete the word before",
            ),
            row(
                Action::DeleteWordForward,
                &[ctrl_key(KeyCode::Delete), alt('d'), alt_key(KeyCode::Delete)],
                "delete the word behind",
            ),
            row(Action::DeleteToLineStart, &[ctrl('u')], "delete back to the start of the line"),
            row(Action::DeleteToLineEnd, &[ctrl('k')], "delete up to the end of the line"),
            row(Action::NewLine, &[key(KeyCode::Enter), ctrl('j'), shift_key(KeyCode::Enter)], "new line"),
            row(Action::Tab, &[key(KeyCode::Tab)], "tab"),
        ],
    },
    Section {
        title: "Find",
        place: Place::Text,
        bindings: &[
            row(Action::Find, &[ctrl('f'), alt('/')], "find; small letters stand for capitals too"),
            row(Action::FindNext, &[f(3), ctrl('n'), alt('n')], "next match"),
            row(Action::FindPrevious, &[shift_key(KeyCode::F(3)), ctrl('p'), alt('m')], "match before"),
        ],
    },
    Section {
        title: "In a line asked for",
        place: Place::Prompt,
        bindings: &[
            row(Action::Accept, &[key(KeyCode::Enter), ctrl('j')], "accept (find: select the match; F3 goes on)"),
            row(Action::Cancel, &[key(KeyCode::Esc), ctrl('c'), ctrl('q')], "leave it"),
            row(Action::RowDown, &[key(KeyCode::Down), f(3), ctrl('n'), alt('n')], "find: next match"),
            row(
                Action::RowUp,
                &[key(KeyCode::Up), shift_key(KeyCode::F(3)), ctrl('p'), alt('m')],
                "find: match before",
            ),
            row(Action::InputLeft, &[key(KeyCode::Left)], "left"),
            row(Action::InputRight, &[key(KeyCode::Right)], "right"),
            row(Action::InputStart, &[key(KeyCode::Home), ctrl('a')], "start"),
            row(Action::InputEnd, &[key(KeyCode::End), ctrl('e')], "end"),
            row(Action::InputBackspace, &[key(KeyCode::Backspace), ctrl('h')], "delete before"),
            row(Action::InputDelete, &[key(KeyCode::Delete), ctrl('d')], "delete behind"),
            row(Action::Paste, &[ctrl('v'), alt('v'), shift_key(KeyCode::Insert)], "paste"),
        ],
    },
    Section {
        title: "In the list of people",
        place: Place::Peers,
        bindings: &[
            row(Action::RowUp, &[key(KeyCode::Up), ctrl('p')], "the one before"),
            row(Action::RowDown, &[key(KeyCode::Down), ctrl('n')], "the one after"),
            row(Action::Accept, &[key(KeyCode::Enter), ctrl('j')], "go there"),
            row(Action::FollowChosen, &[key(KeyCode::Char('f'))], "follow, or stop following"),
            row(Action::RestrictChosen, &[key(KeyCode::Char('r'))], "host: let read only, or write again"),
            row(Action::RemoveChosen, &[key(KeyCode::Char('x')), key(KeyCode::Delete)], "host: show out, for good"),
            row(
                Action::Cancel,
                &[key(KeyCode::Esc), f(2), alt('p'), key(KeyCode::Char('q')), ctrl('c'), ctrl('q')],
                "close",
            ),
        ],
    },
    Section {
        title: "In help and information",
        place: Place::Reading,
        bindings: &[
            row(Action::RowUp, &[key(KeyCode::Up), ctrl('p')], "one row up"),
            row(Action::RowDown, &[key(KeyCode::Down), ctrl('n')], "one row down"),
            row(Action::RowsUp, &[key(KeyCode::PageUp)], "one screen up"),
            row(Action::RowsDown, &[key(KeyCode::PageDown), key(KeyCode::Char(' '))], "one screen down"),
            row(Action::CopyJoin, &[key(KeyCode::Char('c'))], "information: copy the join line"),
            row(Action::CopyJoinToRead, &[key(KeyCode::Char('r'))], "the same for reading only"),
            row(
                Action::Cancel,
                &[
                    key(KeyCode::Esc),
                    key(KeyCode::Enter),
                    f(1),
                    alt('h'),
                    f(5),
                    alt('i'),
                    key(KeyCode::Char('q')),
                    ctrl('c'),
                    ctrl('q'),
                ],
                "close",
            ),
        ],
    },
];

/// What a chord asks for at a place, and whether the selection is to grow along (Shift with a
/// motion).
#[must_use]
pub fn lookup(place: Place, chord: Chord) -> Option<(Action, bool)> {
    let chord = match place {
        // A letter types itself.
        Place::Text | Place::Prompt => chord,
        Place::Peers | Place::Reading => chord.of_key(),
    };
    let bindings =
        || SECTIONS.iter().filter(move |section| section.place == place).flat_map(|section| section.bindings);
    if let Some(binding) = bindings().find(|binding| binding.chords.contains(&chord)) {
        return Some((binding.action, false));
    }
    let plain = chord.without_shift();
    bindings()
        .find(|binding| matches!(binding.action, Action::Go(_)) && binding.chords.contains(&plain))
        .filter(|_| plain != chord)
        .map(|binding| (binding.action, true))
}

/// The table as the help screen shows it: titles, then chords and what they do.
#[must_use]
pub fn help() -> Vec<(&'static str, Vec<(String, &'static str)>)> {
    SECTIONS
        .iter()
        .map(|section| {
            let rows = section.bindings.iter().map(|binding| {
                let chords: Vec<String> = binding.chords.iter().map(Chord::to_string).collect();
                (chords.join(", "), binding.says)
            });
            (section.title, rows.collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_chord_asks_for_two_things_at_one_place() {
        for place in [Place::Text, Place::Prompt, Place::Peers, Place::Reading] {
            let mut seen: Vec<Chord> = Vec::new();
            for section in SECTIONS.iter().filter(|section| section.place == place) {
                for chord in section.bindings.iter().flat_map(|binding| binding.chords) {
                    assert!(!seen.contains(chord), "{chord} twice in {place:?}");
                    seen.push(*chord);
                }
            }
        }
    }

    #[test]
    fn chords_are_found_as_terminals_send_them() {
        let cases = [
            (KeyCode::Char('s'), KeyModifiers::CONTROL, Some((Action::Save, false))),
            (KeyCode::Char('S'), KeyModifiers::CONTROL | KeyModifiers::SHIFT, Some((Action::Save, false))),
            (KeyCode::Left, KeyModifiers::NONE, Some((Action::Go(Motion::Left), false))),
            (KeyCode::Left, KeyModifiers::SHIFT, Some((Action::Go(Motion::Left), true))),
            (KeyCode::Right, KeyModifiers::SHIFT | KeyModifiers::CONTROL, Some((Action::Go(Motion::WordRight), true))),
            (KeyCode::Delete, KeyModifiers::SHIFT, Some((Action::Cut, false))),
            (KeyCode::Char('s'), KeyModifiers::NONE, None),
            (KeyCode::Char('S'), KeyModifiers::SHIFT, None),
        ];
        for (code, modifiers, expected) in cases {
            let chord = Chord::of(&KeyEvent::new(code, modifiers));
            assert_eq!(lookup(Place::Text, chord), expected, "{chord}");
        }
    }

    #[test]
    fn a_key_does_the_same_as_a_capital_where_letters_are_not_typed() {
        let capital = |c| Chord::of(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::SHIFT));
        for (place, c, action) in [
            (Place::Peers, 'F', Some(Action::FollowChosen)),
            (Place::Peers, 'R', Some(Action::RestrictChosen)),
            (Place::Peers, 'X', Some(Action::RemoveChosen)),
            (Place::Peers, 'Q', Some(Action::Cancel)),
            (Place::Reading, 'Q', Some(Action::Cancel)),
            (Place::Prompt, 'Q', None),
            (Place::Text, 'Q', None),
        ] {
            assert_eq!(lookup(place, capital(c)), action.map(|action| (action, false)), "{c} in {place:?}");
        }
    }

    #[test]
    fn letters_type_and_chords_do_not() {
        let cases = [
            (KeyCode::Char('ä'), KeyModifiers::NONE, Some('ä')),
            (KeyCode::Char('A'), KeyModifiers::SHIFT, Some('A')),
            (KeyCode::Char('@'), KeyModifiers::CONTROL | KeyModifiers::ALT, Some('@')),
            (KeyCode::Char('k'), KeyModifiers::CONTROL, None),
            (KeyCode::Enter, KeyModifiers::NONE, None),
        ];
        for (code, modifiers, expected) in cases {
            let chord = Chord::of(&KeyEvent::new(code, modifiers));
            assert_eq!(chord.typed(), expected, "{chord}");
        }
    }

    #[test]
    fn the_help_names_every_chord() {
        let help = help();
        let all: String =
            help.iter().flat_map(|(_, rows)| rows).map(|(chords, _)| chords.as_str()).collect::<Vec<_>>().join(" ");
        for chord in ["Ctrl-S", "F1", "Shift-F3", "Ctrl-Space", "PgUp", "←"] {
            assert!(all.contains(chord), "{chord} in {all}");
        }
    }
}
