//! The editor as a state machine: events in, effects out.
//!
//! Knows the session, where the person is in it, who else is there, and what is being asked.
//! Does no I/O and reads no clock: the shell brings events with their time, draws, and does what
//! the effects say, so that everything here is tested by keys and screens alone.
//!
//! ```text
//!   keys, mouse, network, disk, time ──> App::handle ──> effects ──> shell
//!                                           │
//!                                       App::draw ──> screen
//! ```
//!
//! One step costs what its edit costs in the engine, plus one screen.

mod caret;
mod company;
mod drawing;
mod editing;
mod finding;
mod keeping;
pub mod keymap;
mod leaving;
mod notices;
mod prompt;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cede::{AgentId, Chars, ImportError, Patch, Session};
use cede_net::client::{Incoming, Link, Outgoing};
use cede_net::presence::PeerId;
use crossterm::event::{KeyEvent, KeyEventKind, MouseEvent};

use crate::files::history::Report;
use crate::files::text::TextError;
use crate::files::watch::Seen;
use crate::layout::Viewport;
use crate::palette::Palette;
use crate::search::Direction;

use caret::Pointer;
use company::Company;
use finding::Finder;
use keeping::Keeping;
pub use keeping::{Home, Save};
use keymap::{Action, Chord, Place};
use leaving::Concern;
use notices::Notices;
use prompt::Prompt;

/// Columns from one tab stop to the next.
const TAB: u16 = 4;

/// Rows of text that stay in sight above and below the caret.
const MARGIN: u16 = 2;

/// With others in the text, own events leave this long after the first of them: the eye does not
/// see it, and a fast typist's keys share a message.
const SEND_AFTER: Duration = Duration::from_millis(30);

/// Alone, own events are written when the person pauses this long …
const IDLE: Duration = Duration::from_millis(200);

/// … and in any case this long after the first of them.
const AT_MOST: Duration = Duration::from_secs(1);

/// A pause this long ends what one undo takes back.
const UNDO_PAUSE: Duration = Duration::from_secs(3);

/// What the person is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Edits alone; a second editor on this machine may join.
    Alone,
    /// Edits and lets others in.
    Host,
    /// Is in somebody else's room.
    Guest,
}

/// What an editor begins with.
#[derive(Debug)]
pub struct Opening {
    /// The text and its history.
    pub session: Session,
    /// What others see the person as.
    pub name: String,
    /// The way to the room, if there is one.
    pub link: Option<Link>,
    /// What the person is here.
    pub role: Role,
    /// Where the text is kept.
    pub home: Home,
    /// How others join.
    pub join: Option<String>,
    /// How those join who are to read only.
    pub join_to_read: Option<String>,
    /// Nothing may be changed.
    pub read_only: bool,
    /// Which colours the terminal has.
    pub palette: Palette,
    /// The terminal's columns and rows.
    pub size: (u16, u16),
}

/// What happens to the editor.
#[derive(Debug)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// The mouse.
    Mouse(MouseEvent),
    /// Pasted text, as the terminal gave it.
    Paste(String),
    /// The terminal has this many columns and rows now.
    Resize(u16, u16),
    /// From the room.
    Incoming(Incoming),
    /// The text file has been looked at, and is not as it was left. The agent is new, to be the
    /// author of what changed.
    Disk(Seen, AgentId),
    /// From the history's writer.
    History(Report),
    /// The text file was to be written.
    Saved(Result<(), TextError>),
    /// The text is kept in a file from now on, or cannot be for this reason.
    Settled(Result<Home, String>),
    /// The time has come that [`App::wakes_at`] named.
    Tick,
}

/// What the editor wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// To the room.
    Send(Vec<Outgoing>),
    /// Append the document's new events to the history.
    Record,
    /// Append [`App::next_resume`] to the history.
    KeepResume,
    /// Replace the history by one of the same content: it has failed, or grown too long.
    RewriteHistory,
    /// Write the text file, then say [`Event::Saved`].
    Save,
    /// Keep the text in this file from now on, then say [`Event::Settled`]. The file is new, or
    /// another editor kept it that cannot be reached.
    Settle(PathBuf),
    /// Into the clipboard of the terminal.
    Copy(String),
    /// Clear the terminal, whatever stands on it, before the next drawing.
    Redraw,
    /// The person leaves.
    Quit,
}

/// What is above the text and has the keys.
#[derive(Debug)]
enum Mode {
    Text,
    Prompt(Prompt),
    /// Something to settle before leaving.
    Leaving(Concern),
    Help {
        scroll: usize,
    },
    About {
        scroll: usize,
    },
    /// The chosen person; `None` is oneself. By number and not by row, so that somebody's coming
    /// does not move the choice.
    Peers {
        chosen: Option<PeerId>,
    },
    /// Whether to show this person out.
    Removing(PeerId),
}

/// The editor's state.
///
/// Invariant: every position kept here lies within the text; `App::carry` sees to it.
#[derive(Debug)]
pub struct App {
    session: Session,
    name: String,
    role: Role,
    join: Option<String>,
    join_to_read: Option<String>,
    read_only: bool,
    company: Company,
    keeping: Keeping,
    palette: Palette,
    viewport: Viewport,
    size: (u16, u16),
    /// Where the selection began; its other end is the caret.
    anchor: Option<Chars>,
    /// Motions extend the selection without Shift.
    marking: bool,
    /// The column to return to behind shorter rows.
    goal: Option<u16>,
    pointer: Pointer,
    clipboard: String,
    finder: Finder,
    mode: Mode,
    /// The text is being saved on the way out; this is settled then.
    leaving: Option<Concern>,
    notices: Notices,
    now: Instant,
    effects: Vec<Effect>,
}

impl App {
    /// An editor with its caret at the start of the text.
    #[must_use]
    pub fn new(opening: Opening, now: Instant) -> Self {
        let mut app = Self {
            keeping: Keeping::new(opening.home),
            session: opening.session,
            company: Company::new(opening.link, opening.name.clone()),
            name: opening.name,
            role: opening.role,
            join: opening.join,
            join_to_read: opening.join_to_read,
            read_only: opening.read_only,
            palette: opening.palette,
            viewport: Viewport::new(TAB),
            size: opening.size,
            anchor: None,
            marking: false,
            goal: None,
            pointer: Pointer::default(),
            clipboard: String::new(),
            finder: Finder::default(),
            mode: Mode::Text,
            leaving: None,
            notices: Notices::default(),
            now,
            effects: Vec::new(),
        };
        app.fit();
        app.keeping.look(app.session.document());
        app
    }

    /// Takes in what happened at `now`, and says what is to be done about it.
    pub fn handle(&mut self, event: Event, now: Instant) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Key(key) if key.kind == KeyEventKind::Release => {}
            Event::Key(key) => self.press(Chord::of(&key)),
            Event::Mouse(mouse) => self.point(mouse),
            Event::Paste(text) => self.paste(&text),
            Event::Resize(columns, rows) => self.resize(columns, rows),
            Event::Incoming(incoming) => self.hear(incoming),
            Event::Disk(seen, agent) => self.see_disk(seen, agent),
            Event::History(report) => self.hear_history(report),
            Event::Saved(result) => self.saved(result),
            Event::Settled(result) => self.settled(result),
            Event::Tick => {}
        }
        self.attend();
        std::mem::take(&mut self.effects)
    }

    /// Takes in events of guests that the server inside this editor wants kept, as if the room
    /// had sent them, which it will do as well.
    ///
    /// # Errors
    /// [`ImportError`]: a piece that breaks a rule. The pieces before it have been taken in.
    pub fn admit(&mut self, pieces: Vec<Vec<u8>>, now: Instant) -> Result<Vec<Effect>, ImportError> {
        self.now = now;
        let result = pieces.into_iter().try_for_each(|piece| self.take_in(piece));
        self.attend();
        result.map(|()| std::mem::take(&mut self.effects))
    }

    /// When [`Event::Tick`] is due, if nothing happens before.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        [
            self.keeping.due(self.company.has_peers()),
            self.keeping.pause_at(),
            self.notices.expires_at(),
            self.company.counts_down_at(self.now),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The text and its history.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// There is a server inside now, and this is the way to it.
    pub fn connect(&mut self, link: Link, join: String) {
        self.role = Role::Alone;
        self.company = Company::new(Some(link), self.name.clone());
        self.join = Some(join);
    }

    /// Where the text is kept.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.keeping.home
    }

    /// Tells the person something.
    pub fn inform(&mut self, text: impl Into<String>) {
        self.notices.inform(text, self.now);
    }

    /// Tells the person something that deserves a look.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.notices.warn(text, self.now);
    }

    /// A caret that was in sight stays so.
    fn resize(&mut self, columns: u16, rows: u16) {
        let caret = self.caret();
        let in_sight = self.viewport.cell_of(self.session.text(), caret).is_some();
        self.size = (columns, rows);
        self.fit();
        if in_sight {
            self.viewport.reveal(self.session.text(), caret, MARGIN);
        }
    }

    /// A key, wherever the keys go now.
    fn press(&mut self, chord: Chord) {
        // What spoils the screen spoils prompts and questions too.
        if let Some((Action::Redraw, _)) = keymap::lookup(Place::Text, chord) {
            return self.effects.push(Effect::Redraw);
        }
        let place = match self.mode {
            Mode::Leaving(concern) => return self.answer(concern, chord),
            Mode::Removing(id) => return self.answer_removal(id, chord),
            Mode::Text => {
                // A save on the way out that came to nothing must not end the editor when a later one succeeds.
                self.stay();
                Place::Text
            }
            Mode::Prompt(_) => Place::Prompt,
            Mode::Peers { .. } => Place::Peers,
            Mode::Help { .. } | Mode::About { .. } => Place::Reading,
        };
        match (keymap::lookup(place, chord), place) {
            (Some((action, extend)), Place::Text) => self.act(action, extend),
            (Some((action, _)), Place::Prompt) => self.prompted(action),
            (Some((action, _)), Place::Peers) => self.choose_peer(action),
            (Some((action, _)), Place::Reading) => self.read_on(action),
            (None, Place::Text) => {
                if let Some(c) = chord.typed() {
                    self.type_text(c.encode_utf8(&mut [0; 4]));
                }
            }
            (None, Place::Prompt) => {
                if let Some(c) = chord.typed() {
                    self.type_prompt(c.encode_utf8(&mut [0; 4]));
                }
            }
            (None, _) => {}
        }
    }

    /// An action in the text.
    fn act(&mut self, action: Action, extend: bool) {
        match action {
            Action::Go(motion) => self.go(motion, extend),
            Action::Mark => self.start_marking(),
            Action::SelectAll => self.select_all(),
            Action::Backspace => self.backspace(),
            Action::Delete => self.delete_forward(),
            Action::DeleteWordBack => self.delete_word_back(),
            Action::DeleteWordForward => self.delete_word_forward(),
            Action::DeleteToLineStart => self.delete_to_line_start(),
            Action::DeleteToLineEnd => self.delete_to_line_end(),
            Action::NewLine => self.type_text("\n"),
            Action::Tab => self.type_text("\t"),
            Action::Undo => self.undo(),
            Action::Redo => self.redo(),
            Action::Cut => self.cut(),
            Action::Copy => self.copy(),
            Action::Paste => self.paste_clipboard(),
            Action::Find => self.ask_what_to_find(),
            Action::FindNext => self.find_again(Direction::Forwards),
            Action::FindPrevious => self.find_again(Direction::Backwards),
            Action::GoToLine => self.ask_for_line(),
            Action::Save => self.save(),
            Action::Quit => self.leave(),
            Action::Help => self.mode = Mode::Help { scroll: 0 },
            Action::About => self.mode = Mode::About { scroll: 0 },
            Action::Peers => self.list_peers(),
            Action::NextPeer => self.go_to_next_peer(),
            Action::Follow => self.follow_next_peer(),
            Action::Cancel => self.cancel(),
            // The rest are of other places.
            _ => {}
        }
    }

    fn cancel(&mut self) {
        self.anchor = None;
        self.marking = false;
        self.finder.clear();
        self.company.follow(None);
        self.notices.clear();
    }

    /// A key while the help or other information is shown.
    fn read_on(&mut self, action: Action) {
        if matches!(action, Action::CopyJoin | Action::CopyJoinToRead) {
            return self.copy_join_line(action);
        }
        let page = self.reading_page();
        let limit = self.reading_limit();
        let (Mode::Help { scroll } | Mode::About { scroll }) = &mut self.mode else {
            return;
        };
        match action {
            Action::RowUp => *scroll = scroll.saturating_sub(1),
            Action::RowsUp => *scroll = scroll.saturating_sub(page),
            Action::RowDown => *scroll += 1,
            Action::RowsDown => *scroll += page,
            _ => {
                self.mode = Mode::Text;
                return;
            }
        }
        *scroll = (*scroll).min(limit);
    }

    /// The visible text has changed, not by an edit at the caret: everything that stands in it
    /// moves along, and nothing on the screen does. The session's caret has moved by itself.
    fn carry(&mut self, patches: &[Patch<Chars>]) {
        self.viewport.carry(self.session.text(), patches);
        self.carry_selection(patches);
        if let Mode::Prompt(prompt) = &mut self.mode {
            prompt.carry(patches);
        }
        self.finder.carry(patches);
    }

    /// What is to be done after every event: what is due, and what the screen is to know.
    fn attend(&mut self) {
        self.notices.forget_expired(self.now);
        self.fit();
        self.keeping.look(self.session.document());
        self.company.locate(&mut self.session);
        self.announce();
        self.do_what_is_due();
        self.watch_followed();
        self.reconsider_leaving();
    }
}
