//! What the player shows, and what the keys do to it.
//!
//! Knows a session, the player of it, and a screen to draw on. Does not know the terminal or the clock on the wall, so
//! a test can sit in front of it.

use std::time::Duration;

use cede::AgentId;
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEventKind};
use ratatui::Frame;

use super::player::Player;
use super::timeline::{Still, Timeline};
use crate::layout::Viewport;
use crate::palette::{Hue, Palette, markers};
use crate::screen::{Author, Help, KeySection, Notice, Overlay, Places, ReplayScene, Severity, draw_replay};
use crate::tools::names::Names;

/// How far PageUp and PageDown go, in hundredths of the session.
const LEAP: i32 = 5;

/// Columns to a tab stop, as in the editor.
const TAB: u16 = 4;

/// How many rows stay between the caret and the edge.
const MARGIN: u16 = 2;

const HINT: &str = "space ←→ ,. +- q  ? keys";

const KEYS: [KeySection<'static>; 3] = [
    ("Play", &[("Space", "play, pause"), ("+  -", "faster, slower"), ("q  Esc", "leave")]),
    (
        "Go",
        &[
            ("→  ←", "to the next run of typing, back"),
            (".  ,", "on by 5 %, back (PgDn, PgUp)"),
            ("Home  End", "to the start, to the end"),
        ],
    ),
    (
        "See",
        &[
            ("↓  ↑", "scroll; the next change scrolls back"),
            ("Ctrl-L", "draw everything anew"),
            ("?  F1", "these keys"),
        ],
    ),
];

/// What the person wants of the one who shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To go on.
    Stay,
    /// To have the terminal cleared and everything drawn anew.
    Redraw,
    /// To have the terminal back.
    Leave,
}

/// A session on the screen.
pub(super) struct Show {
    timeline: Timeline,
    player: Player,
    /// The text at the moment that is shown.
    still: Still,
    shown: u32,
    /// The screen has to follow the caret: a change is shown that was not before.
    follows: bool,
    viewport: Viewport,
    names: Vec<String>,
    markers: Vec<char>,
    palette: Palette,
    title: String,
    notice: String,
    /// The table of keys is shown, from this row on.
    help: Option<usize>,
}

impl Show {
    /// At the start, playing.
    pub(super) fn new(timeline: Timeline, palette: Palette, title: String, notice: String) -> Self {
        let names = names(timeline.authors());
        let markers = markers(&names.iter().map(String::as_str).collect::<Vec<_>>());
        Self {
            player: Player::new(timeline.events(), timeline.stops().to_vec()),
            still: timeline.still(0),
            shown: 0,
            follows: true,
            viewport: Viewport::new(TAB),
            timeline,
            names,
            markers,
            palette,
            title,
            notice,
            help: None,
        }
    }

    pub(super) fn is_playing(&self) -> bool {
        self.player.is_playing()
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, time: Duration) {
        self.player.advance(time);
    }

    /// Does what a key or the mouse asks for.
    pub(super) fn handle(&mut self, event: &Event) -> Wish {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            Event::Mouse(mouse) => {
                match mouse.kind {
                    MouseEventKind::ScrollUp => self.scroll(-3),
                    MouseEventKind::ScrollDown => self.scroll(3),
                    _ => {}
                }
                Wish::Stay
            }
            _ => Wish::Stay,
        }
    }

    fn key(&mut self, key: KeyEvent) -> Wish {
        self.notice.clear();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c' | 'q') if control => return Wish::Leave,
            KeyCode::Char('l') if control => return Wish::Redraw,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help = if self.help.is_some() { None } else { Some(0) },
            KeyCode::Esc | KeyCode::Char('q') if self.help.is_some() => self.help = None,
            KeyCode::Esc | KeyCode::Char('q') => return Wish::Leave,
            KeyCode::Char(' ') => self.player.toggle(),
            KeyCode::Char('+' | '=') => self.player.faster(),
            KeyCode::Char('-' | '_') => self.player.slower(),
            KeyCode::Right | KeyCode::Char('l') => self.player.step_forward(),
            KeyCode::Left => self.player.step_back(),
            KeyCode::Char('.') | KeyCode::PageDown => self.player.seek_by(LEAP),
            KeyCode::Char(',') | KeyCode::PageUp => self.player.seek_by(-LEAP),
            KeyCode::Home => self.player.seek(0),
            KeyCode::End => self.player.seek(u32::MAX),
            KeyCode::Up => self.scroll(-1),
            KeyCode::Down => self.scroll(1),
            _ => {}
        }
        Wish::Stay
    }

    fn scroll(&mut self, rows: isize) {
        match &mut self.help {
            Some(row) => *row = row.saturating_add_signed(rows),
            None => self.viewport.scroll(&self.still.buffer, rows),
        }
    }

    /// Draws the moment that the player is at.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>) {
        if self.shown != self.player.moment() {
            self.shown = self.player.moment();
            self.still = self.timeline.still(self.shown);
            self.follows = true;
        }
        Places::of_replay(frame.area(), &self.still.buffer).fit(&mut self.viewport);
        if std::mem::take(&mut self.follows) {
            let caret = self.still.caret.map_or_else(Default::default, |(_, at)| at);
            self.viewport.reveal(&self.still.buffer, caret, MARGIN);
        }
        let authors: Vec<Author<'_>> = (0..self.names.len()).map(|index| self.author(index)).collect();
        let notice = Notice { text: &self.notice, severity: Severity::Warning };
        let help = |scroll| Overlay::Help(Help { sections: &KEYS, scroll });
        let scene = ReplayScene {
            buffer: &self.still.buffer,
            viewport: &self.viewport,
            spans: &self.still.spans,
            authors: &authors,
            caret: self.still.caret,
            title: &self.title,
            step: self.shown as usize,
            steps: self.player.events() as usize,
            // The log does not say when an event was made.
            time: "",
            speed: &self.player.speed(),
            playing: self.player.is_playing(),
            notice: (!self.notice.is_empty()).then_some(notice),
            hint: HINT,
            overlay: self.help.map_or(Overlay::None, help),
            palette: self.palette,
        };
        draw_replay(frame, &scene);
    }

    /// Hues in turn, so that the first authors differ for certain.
    fn author(&self, index: usize) -> Author<'_> {
        let hue = Hue::new((index % usize::from(Hue::COUNT)) as u8);
        Author { name: &self.names[index], hue, marker: self.markers[index] }
    }
}

/// The log knows agents and not people, so agents are named by their digits.
fn names(authors: &[AgentId]) -> Vec<String> {
    let names = Names::of(&authors.iter().copied().collect());
    authors.iter().map(|author| names.agent(*author)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cede::{AgentId, Chars, Document, Frontier, Patch};
    use crossterm::event::{Event, KeyCode};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::{Show, Wish};
    use crate::palette::Palette;
    use crate::replay::timeline::Timeline;

    /// Someone at a terminal of 40 × 10.
    struct Viewer {
        show: Show,
        terminal: Terminal<TestBackend>,
    }

    impl Viewer {
        fn of(document: &Document) -> Self {
            let show = Show::new(Timeline::of(document), Palette::basic(), "duet.cede".to_owned(), String::new());
            Self { show, terminal: Terminal::new(TestBackend::new(40, 10)).unwrap() }
        }

        fn press(&mut self, code: KeyCode) -> Wish {
            self.show.handle(&Event::Key(code.into()))
        }

        fn screen(&mut self) -> String {
            self.terminal.draw(|frame| self.show.draw(frame)).unwrap();
            let rows = self.terminal.backend().buffer().content.chunks(40);
            rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>() + "\n").collect()
        }

        fn sees(&mut self, text: &str) {
            let screen = self.screen();
            assert!(screen.contains(text), "no {text:?} in\n{screen}");
        }
    }

    fn edit(start: usize, inserted: &str) -> Patch<Chars> {
        Patch { start: Chars(start), deleted: Chars(0), inserted: inserted.to_owned() }
    }

    /// The first writes forty lines, the second answers in the middle of them.
    fn duet() -> Document {
        let mut document = Document::new();
        let lines: String = (1..=40).map(|number| format!("line {number}\n")).collect();
        let written = document.author(AgentId::new(0xaaaa << 112), &Frontier::root(), &[edit(0, &lines)]).unwrap();
        document
            .author(AgentId::new(0xbbbb << 112), &written, &[edit(lines.find("line 20").unwrap(), "hello ")])
            .unwrap();
        document
    }

    #[test]
    fn the_screen_follows_the_caret_and_names_the_authors() {
        let mut viewer = Viewer::of(&duet());
        viewer.sees("duet.cede");
        viewer.press(KeyCode::Char(' '));
        viewer.press(KeyCode::Right);
        viewer.sees("line 40");
        viewer.press(KeyCode::Right);
        viewer.sees("hello line 20");
        viewer.sees("aaaa");
        viewer.sees("bbbb");
        viewer.press(KeyCode::Left);
        viewer.press(KeyCode::Left);
        let screen = viewer.screen();
        assert!(!screen.contains("line"), "{screen}");
    }

    #[test]
    fn time_passes_only_while_it_plays() {
        let mut viewer = Viewer::of(&duet());
        viewer.show.advance(Duration::from_secs(1));
        viewer.sees("line 1");
        viewer.press(KeyCode::Char(' '));
        let before = viewer.screen();
        viewer.show.advance(Duration::from_secs(1));
        assert_eq!(viewer.screen(), before);
        viewer.press(KeyCode::End);
        viewer.sees("hello line 20");
    }

    #[test]
    fn scrolling_lasts_until_the_next_change() {
        let mut viewer = Viewer::of(&duet());
        viewer.press(KeyCode::Char(' '));
        viewer.press(KeyCode::End);
        viewer.screen();
        for _ in 0..40 {
            viewer.press(KeyCode::Up);
        }
        viewer.sees("line 1 ");
        viewer.press(KeyCode::Char(','));
        let screen = viewer.screen();
        assert!(!screen.contains("line 1 "), "{screen}");
    }

    #[test]
    fn the_keys_are_explained_and_lead_out() {
        let mut viewer = Viewer::of(&duet());
        viewer.press(KeyCode::Char('?'));
        viewer.sees("play, pause");
        assert_eq!(viewer.press(KeyCode::Esc), Wish::Stay);
        assert_eq!(viewer.press(KeyCode::Char('q')), Wish::Leave);
    }

    #[test]
    fn nothing_can_be_watched_too() {
        let mut viewer = Viewer::of(&Document::new());
        viewer.sees("0/0");
        viewer.press(KeyCode::Right);
        viewer.press(KeyCode::Char(' '));
        viewer.sees("0/0");
    }
}
