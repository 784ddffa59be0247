//! The editor driven as a person drives it: keys in, text and screen out.
//!
//! In the tables, `|` is the caret and `[` `]` is the other end of a selection; keys are written
//! as they are typed, and `<C-s>`, `<S-Left>`, `<F3>` for those that are no character.

use std::time::{Duration, Instant};

use cede::{AgentId, Chars, Session};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::{App, Effect, Event, Home, Opening, Role};
use crate::files::text::Form;
use crate::palette::Palette;

mod company;
mod editing;
mod keeping;
mod looks;

const ME: AgentId = AgentId::new(1);
const OTHER: AgentId = AgentId::new(2);
const DISK: AgentId = AgentId::new(3);

/// An editor with its clock and everything that it has wanted done.
struct Desk {
    app: App,
    now: Instant,
    effects: Vec<Effect>,
}

fn opening(session: Session) -> Opening {
    Opening {
        session,
        name: "Me".into(),
        link: None,
        role: Role::Alone,
        home: Home::Named { path: "/somewhere/notes.md".into(), form: Form::default(), versions: Vec::new() },
        join: None,
        join_to_read: None,
        read_only: false,
        palette: Palette::plain(),
        size: (60, 12),
    }
}

impl Desk {
    fn opened(opening: Opening) -> Self {
        let now = Instant::now();
        Self { app: App::new(opening, now), now, effects: Vec::new() }
    }

    /// A text by somebody else, with the caret at `|`.
    fn with(marked: &str) -> Self {
        let (text, caret) = unmarked(marked);
        let mut author = Session::new(OTHER);
        author.insert(Chars(0), &text).expect("typed");
        let mut session = Session::with_document(author.into_document(), ME);
        session.move_caret(Chars(caret)).expect("within the text");
        Self::opened(opening(session))
    }

    fn tell(&mut self, event: Event) -> &mut Self {
        let effects = self.app.handle(event, self.now);
        self.effects.extend(effects);
        self
    }

    /// Presses keys, one by one.
    fn keys(&mut self, keys: &str) -> &mut Self {
        for key in parsed(keys) {
            self.tell(Event::Key(key));
        }
        self
    }

    fn paste(&mut self, text: &str) -> &mut Self {
        self.tell(Event::Paste(text.into()))
    }

    /// Lets time pass, waking the editor whenever it wants to be woken.
    fn wait(&mut self, time: Duration) -> &mut Self {
        let end = self.now + time;
        while let Some(wake) = self.app.wakes_at().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.tell(Event::Tick);
        }
        self.now = end;
        self
    }

    /// Somebody else edits the same document.
    fn remotely(&mut self, edit: impl FnOnce(&mut Session)) -> &mut Self {
        let document = self.app.session().document().clone();
        let mut other = Session::with_document(document, AgentId::new(self.fresh()));
        edit(&mut other);
        let events = other.take_outgoing().expect("an edit");
        let effects = self.app.admit(vec![events], self.now).expect("honest events");
        self.effects.extend(effects);
        self
    }

    /// A number that no author has yet.
    fn fresh(&self) -> u128 {
        100 + u128::from(self.app.session().document().stats().agents)
    }

    fn text(&self) -> String {
        self.app.session().text().to_string()
    }

    /// The text with caret and selection marked.
    fn marked(&self) -> String {
        let mut chars: Vec<char> = self.text().chars().collect();
        let caret = self.app.session().caret::<Chars>();
        match self.app.selection() {
            None => chars.insert(caret.0, '|'),
            Some(range) if caret == range.start => {
                chars.insert(range.end.0, ']');
                chars.insert(range.start.0, '|');
            }
            Some(range) => {
                chars.insert(range.end.0, '|');
                chars.insert(range.start.0, '[');
            }
        }
        chars.into_iter().collect()
    }

    fn screen(&self) -> Vec<String> {
        self.screen_of(self.app.size.0, self.app.size.1)
    }

    fn screen_of(&self, columns: u16, rows: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a screen");
        terminal.draw(|frame| self.app.draw(frame)).expect("drawn");
        let cells = terminal.backend().buffer().clone();
        (0..rows).map(|row| (0..columns).map(|column| cells[(column, row)].symbol()).collect()).collect()
    }

    fn shows(&self, words: &str) -> bool {
        self.screen().iter().any(|line| line.contains(words))
    }

    #[track_caller]
    fn assert_shows(&self, words: &str) {
        assert!(self.shows(words), "{words:?} is not in\n{}", self.screen().join("\n"));
    }

    #[track_caller]
    fn assert_marked(&self, expected: &str) {
        assert_eq!(self.marked(), expected);
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) -> &mut Self {
        self.tell(Event::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE }))
    }

    fn click(&mut self, column: u16, row: u16) -> &mut Self {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
        self.mouse(MouseEventKind::Up(MouseButton::Left), column, row)
    }
}

/// The text without its mark, and where that stood.
fn unmarked(marked: &str) -> (String, usize) {
    let caret = marked.chars().position(|c| c == '|').expect("a caret");
    (marked.replacen('|', "", 1), caret)
}

fn parsed(keys: &str) -> Vec<KeyEvent> {
    let mut events = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        match named {
            Some((name, behind)) => {
                events.push(named_key(name));
                rest = behind;
            }
            None => {
                events.push(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    events
}

fn named_key(name: &str) -> KeyEvent {
    let mut modifiers = KeyModifiers::NONE;
    let mut name = name;
    let prefixes = [("C-", KeyModifiers::CONTROL), ("A-", KeyModifiers::ALT), ("S-", KeyModifiers::SHIFT)];
    while let Some((rest, modifier)) =
        prefixes.iter().find_map(|(prefix, modifier)| Some((name.strip_prefix(prefix)?, *modifier)))
    {
        modifiers |= modifier;
        name = rest;
    }
    let code = match name {
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Tab" => KeyCode::Tab,
        "BS" => KeyCode::Backspace,
        "Del" => KeyCode::Delete,
        "Space" => KeyCode::Char(' '),
        _ => match name.strip_prefix('F').and_then(|number| number.parse().ok()) {
            Some(number) => KeyCode::F(number),
            None => KeyCode::Char(name.chars().next().expect("a key")),
        },
    };
    KeyEvent::new(code, modifiers)
}
