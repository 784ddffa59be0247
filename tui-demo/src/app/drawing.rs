//! From the editor's state to what is drawn, and from cells of the screen back to positions.
//!
//! Knows what each part of the state is called on the screen. Strings go as they are, strangers'
//! too: making them safe is the business of whoever draws.

use std::ops::Range;
use std::path::Path;

use cede::Chars;
use cede_net::rights::Rights;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::keeping::Home;
use super::leaving::Concern;
use super::{App, Mode, Role, keymap};
use crate::glyph;
use crate::layout::counted_lines;
use crate::plural::counted;
use crate::screen::{
    self, Help, Hit, Info, KeySection, Overlay, PeerList, PeerRow, Places, Question, Remote, Scene, Status,
};

impl App {
    /// Draws everything.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let seats = self.company.seats();
        let remotes: Vec<Remote<'_>> = seats
            .iter()
            .map(|seat| Remote {
                name: &seat.name,
                hue: seat.hue,
                marker: seat.marker,
                caret: seat.caret,
                selection: seat.selection.clone(),
            })
            .collect();
        let buffer = self.session.text();
        let matches = match self.finder.query() {
            Some(query) => query.matches_in(buffer, self.viewport.visible(buffer)),
            None => Vec::new(),
        };
        let file = self.file_name();
        let (connection, connection_severity, agreement) = self.connection();
        let (line, column) = self.place_of(self.caret());
        self.with_overlay(|overlay| {
            let scene = Scene {
                buffer,
                viewport: &self.viewport,
                caret: self.caret(),
                selection: self.selection(),
                matches: &matches,
                current_match: self.finder.current(),
                remotes: &remotes,
                status: Status {
                    file: &file,
                    modified: self.shows_modified(),
                    peers: seats.len(),
                    connection: &connection,
                    connection_severity,
                    agreement,
                    unacknowledged: self.shown_unacknowledged(),
                    role: self.role_name(),
                    following: self.company.followed().map(|seat| seat.name.as_str()),
                    join: self.join.as_deref().filter(|_| self.role == Role::Host && !self.is_reading()),
                    line,
                    column,
                    notice: self.notices.latest(),
                    hint: self.hint(),
                },
                overlay,
                palette: self.palette,
            };
            screen::draw(frame, &scene);
        });
    }

    fn with_overlay(&self, draw: impl FnOnce(Overlay<'_>)) {
        match &self.mode {
            Mode::Text => draw(Overlay::None),
            Mode::Prompt(prompt) => draw(Overlay::Prompt(screen::Prompt {
                label: prompt.asked.label(),
                input: prompt.input(),
                caret: prompt.caret(),
                note: if prompt.note.is_empty() { prompt.asked.hint() } else { &prompt.note },
            })),
            Mode::Leaving(concern) => self.with_question(*concern, draw),
            Mode::Removing(id) => {
                let text = self.removal_question(*id);
                draw(Overlay::Question(Question { text: &text, choices: &Self::REMOVAL_CHOICES }));
            }
            Mode::Help { scroll } => with_help(*scroll, draw),
            Mode::About { scroll } => draw(Overlay::Info(Info { title: ABOUT, text: &self.about(), scroll: *scroll })),
            Mode::Peers { .. } => self.with_peers(draw),
        }
    }

    fn with_question(&self, concern: Concern, draw: impl FnOnce(Overlay<'_>)) {
        draw(Overlay::Question(Question { text: &self.question(concern), choices: &concern.choices() }));
    }

    fn with_peers(&self, draw: impl FnOnce(Overlay<'_>)) {
        let Mode::Peers { chosen } = self.mode else {
            return;
        };
        let followed = self.company.followed().map(|seat| seat.id);
        let (hue, marker) = self.company.own();
        let own = PeerRow {
            name: &self.name,
            hue,
            marker,
            place: Some(self.place_of(self.caret())),
            following: false,
            own: true,
            rights: rights_name(self.company.rights()),
        };
        let others = self.company.seats().iter().map(|seat| PeerRow {
            name: &seat.name,
            hue: seat.hue,
            marker: seat.marker,
            place: seat.caret.map(|at| self.place_of(at)),
            following: followed == Some(seat.id),
            own: false,
            rights: rights_name(seat.rights),
        });
        let rows: Vec<PeerRow<'_>> = std::iter::once(own).chain(others).collect();
        let seat = |id| self.company.seats().iter().position(|seat| seat.id == id);
        let selected = chosen.and_then(seat).map_or(0, |row| row + 1);
        draw(Overlay::Peers(PeerList { rows: &rows, selected }));
    }

    /// As a person would say it.
    fn file_name(&self) -> String {
        let path = match &self.keeping.home {
            Home::Named { path, .. } | Home::Elsewhere(path) => path,
            Home::Nameless => return "(no name)".into(),
        };
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }

    fn role_name(&self) -> &'static str {
        match self.role {
            _ if self.may_only_read() => "read only",
            Role::Alone if self.company.has_peers() => "host",
            Role::Alone => "",
            Role::Host => "host",
            Role::Guest => "guest",
        }
    }

    /// One's own server on this machine lags by a moment at most; that is nobody's concern.
    fn shown_unacknowledged(&self) -> u64 {
        match self.role {
            Role::Guest => self.company.unacknowledged(&self.session),
            Role::Alone | Role::Host => 0,
        }
    }

    /// A guest without a file has none that could lack anything: the text is kept by the host.
    fn shows_modified(&self) -> bool {
        let kept_by_host = self.role == Role::Guest && self.keeping.home == Home::Nameless;
        self.keeping.is_modified() && !kept_by_host
    }

    /// Is something to be read above the text, whose keys the message line names?
    fn is_reading(&self) -> bool {
        matches!(self.mode, Mode::Peers { .. } | Mode::Help { .. } | Mode::About { .. })
    }

    fn about(&self) -> String {
        let text = self.session.text();
        let mut lines = vec![match &self.keeping.home {
            Home::Named { path, .. } => format!("File: {}", in_one_line(path)),
            Home::Elsewhere(path) => format!("File: {} (kept by another editor)", in_one_line(path)),
            Home::Nameless => "File: none yet".into(),
        }];
        lines.push(format!(
            "Text: {}, {}, {}",
            counted(counted_lines(text) as u64, "line"),
            counted(text.len::<Chars>().0 as u64, "character"),
            counted(text.len::<cede::Bytes>().0 as u64, "byte"),
        ));
        let stats = self.session.document().stats();
        lines.push(format!(
            "History: {} in {} by {}",
            counted(stats.events, "event"),
            counted(stats.groups, "group"),
            counted(stats.agents, "agent"),
        ));
        match (self.keeping.failure(), self.keeping.history_bytes()) {
            (Some(reason), _) => lines.push(format!("History: cannot be written: {reason}")),
            (None, 0) => {}
            (None, bytes) => lines.push(format!("History file: {}", counted(bytes, "byte"))),
        }
        if let Some(join) = &self.join {
            lines.push(match self.role {
                Role::Guest => format!("Room:\n  {join}"),
                Role::Host => format!("Others join by:\n  cede join {join}"),
                Role::Alone => format!("Somebody else on this machine joins by:\n  cede join {join}"),
            });
        }
        if let Some(join) = &self.join_to_read {
            lines.push(format!("To read only:\n  cede join {join}"));
        }
        let (connection, ..) = self.connection();
        if !connection.is_empty() {
            lines.push(format!("Connection: {connection}"));
        }
        lines.extend(self.company.trouble().map(|reason| format!("Reason: {reason}")));
        lines.join("\n")
    }

    fn area(&self) -> Rect {
        Rect::new(0, 0, self.size.0, self.size.1)
    }

    fn places(&self) -> Places {
        Places::of(self.area(), self.session.text())
    }

    /// Gives the viewport the room that there is now: it depends on the terminal, and on how
    /// many digits the last line's number has.
    pub(super) fn fit(&mut self) {
        self.places().fit(&mut self.viewport);
    }

    /// The rows of the terminal in which text stands.
    pub(super) fn text_rows(&self) -> Range<u16> {
        let text = self.places().text;
        text.top()..text.bottom()
    }

    /// The position in the text that a cell of the terminal shows.
    pub(super) fn position_at(&self, (column, row): (u16, u16)) -> Option<Chars> {
        let buffer = self.session.text();
        match self.places().hit(column, row) {
            Hit::Text { column, row } => Some(self.viewport.position_at(buffer, column, row)),
            Hit::Gutter { row } => Some(self.viewport.position_at(buffer, 0, row)),
            _ => None,
        }
    }

    /// How far the help or other information can be scrolled, in rows.
    pub(super) fn reading_limit(&self) -> usize {
        let mut limit = 0;
        self.with_overlay(|overlay| {
            limit = match overlay {
                Overlay::Help(help) => screen::help_scroll_limit(self.area(), help.sections),
                Overlay::Info(info) => screen::info_scroll_limit(self.area(), info.text),
                _ => 0,
            };
        });
        limit
    }

    /// How many rows of the help or other information are shown at once.
    pub(super) fn reading_page(&self) -> usize {
        screen::page_rows(self.area())
    }

    /// What the message line says when there is nothing else: keys that do something now.
    fn hint(&self) -> &'static str {
        match self.mode {
            Mode::Text => "F1 keys  ^S save  ^Q quit",
            Mode::Peers { .. } if self.company.rights() == Rights::Host => {
                "Enter go there  f follow  r read only  x show out  Esc close"
            }
            Mode::Peers { .. } => "Enter go there  f follow  Esc close",
            Mode::About { .. } if self.join_to_read.is_some() => "c copy join line  r that for reading  Esc close",
            Mode::About { .. } if self.join.is_some() => "↑↓ scroll  c copy join line  Esc close",
            Mode::Help { .. } | Mode::About { .. } => "↑↓ scroll  Esc close",
            Mode::Leaving(_) | Mode::Removing(_) | Mode::Prompt(_) => "",
        }
    }
}

/// What the list says of somebody; most may write.
fn rights_name(rights: Rights) -> &'static str {
    match rights {
        Rights::Read => "read only",
        Rights::Write => "",
        Rights::Host => "host",
    }
}

/// A path in which a line feed is seen and ends no line.
fn in_one_line(path: &Path) -> String {
    glyph::label(&path.to_string_lossy(), PATH_COLUMNS)
}

/// As long as paths get on most systems.
const PATH_COLUMNS: usize = 4096;

/// The title of the overlay with [`App::about`].
const ABOUT: &str = "This text";

fn with_help(scroll: usize, draw: impl FnOnce(Overlay<'_>)) {
    let table = keymap::help();
    let rows: Vec<Vec<(&str, &str)>> =
        table.iter().map(|(_, rows)| rows.iter().map(|(chords, says)| (chords.as_str(), *says)).collect()).collect();
    let sections: Vec<KeySection<'_>> =
        table.iter().zip(&rows).map(|((title, _), rows)| (*title, rows.as_slice())).collect();
    draw(Overlay::Help(Help { sections: &sections, scroll }));
}
