//! Everybody else: who is in, where they are, and what one tells them.
//!
//! Knows the link to the room and turns the anchors that travel into positions of now. Colours
//! and letters are given in the order in which the server numbered people, oneself included, so
//! that every screen shows the same. Costs O(people · log n) an event, nothing when alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use cede::sync::Message;
use cede::{Bias, Chars, ImportError, Session};
use cede_net::client::{Change, Incoming, Link, LinkError, State, Target};
use cede_net::folder::SCHEME;
use cede_net::presence::{Agreement, PeerId, Presence};
use cede_net::rights::Rights;
use cede_net::server::MAX_EVENTS;
use cede_net::token::Token;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::keymap::{Action, Chord};
use super::{App, Effect, MARGIN, Mode, Role};
use crate::layout::line_column;
use crate::palette::{Hue, markers};
use crate::screen::{self, Severity};

/// Somebody else, as drawn.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) hue: Hue,
    pub(super) marker: char,
    pub(super) caret: Option<Chars>,
    pub(super) selection: Option<Range<Chars>>,
    pub(super) rights: Rights,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Company {
    /// One's own.
    name: String,
    link: Option<Link>,
    seats: Vec<Seat>,
    own: (Hue, char),
    followed: Option<PeerId>,
    /// What others have been told last.
    told: Presence,
    /// When the next attempt at a connection begins.
    retry: Option<Instant>,
    /// There has been a connection, or the person has been told why there is none.
    is_settled: bool,
}

impl Company {
    pub(super) fn new(link: Option<Link>, name: String) -> Self {
        Self {
            name,
            link,
            seats: Vec::new(),
            own: (Hue::default(), 'A'),
            followed: None,
            told: Presence::default(),
            retry: None,
            is_settled: false,
        }
    }

    pub(super) fn has_peers(&self) -> bool {
        self.peers() > 0
    }

    pub(super) fn peers(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.peers().len())
    }

    pub(super) fn is_online(&self) -> bool {
        self.link.as_ref().is_some_and(|link| *link.state() == State::Online)
    }

    /// What one may do oneself.
    pub(super) fn rights(&self) -> Rights {
        self.link.as_ref().map_or(Rights::Write, Link::rights)
    }

    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// One's own colour and letter, as others see them.
    pub(super) fn own(&self) -> (Hue, char) {
        self.own
    }

    pub(super) fn followed(&self) -> Option<&Seat> {
        let followed = self.followed?;
        self.seats.iter().find(|seat| seat.id == followed)
    }

    pub(super) fn follow(&mut self, peer: Option<PeerId>) {
        self.followed = peer;
    }

    pub(super) fn unacknowledged(&self, session: &Session) -> u64 {
        self.link.as_ref().map_or(0, |link| link.unacknowledged(session))
    }

    /// Is what one sees what the others have?
    pub(super) fn agreement(&self, session: &Session) -> screen::Agreement {
        match &self.link {
            Some(link) if self.is_online() => match link.agreement(session.document()) {
                Agreement::Equal => screen::Agreement::Equal,
                Agreement::Behind => screen::Agreement::Pending,
                Agreement::Differs => screen::Agreement::Differs,
            },
            _ => screen::Agreement::Unknown,
        }
    }

    /// The connection in few words, and how good that is.
    pub(super) fn connection(&self, now: Instant) -> (String, Severity) {
        let Some(link) = &self.link else {
            return (String::new(), Severity::Info);
        };
        match link.state() {
            State::Online => ("online".into(), Severity::Info),
            State::Connecting { attempt: 0 | 1 } => ("connecting".into(), Severity::Warning),
            State::Connecting { attempt } => (format!("connecting, attempt {attempt}"), Severity::Warning),
            State::Offline { .. } => {
                // Rounded up: nobody waits for an attempt in 0 seconds.
                let left = self.retry.map_or(Duration::ZERO, |retry| retry.saturating_duration_since(now));
                let left = left.as_millis().div_ceil(1000);
                (format!("offline, retry in {left} s"), Severity::Warning)
            }
            State::Refused { .. } => ("refused".into(), Severity::Error),
        }
    }

    /// Why there is no connection, if there is none.
    pub(super) fn trouble(&self) -> Option<&str> {
        match self.link.as_ref()?.state() {
            State::Offline { reason, .. } | State::Refused { reason } => Some(reason),
            _ => None,
        }
    }

    /// When the seconds until the next attempt have changed.
    pub(super) fn counts_down_at(&self, now: Instant) -> Option<Instant> {
        let left = self.retry?.checked_duration_since(now)?;
        Some(now + Duration::from_millis(u64::from(left.subsec_millis()) + 1))
    }

    fn handle(&mut self, session: &mut Session, incoming: Incoming, now: Instant) -> Result<Vec<Change>, LinkError> {
        let Some(link) = &mut self.link else {
            return Ok(Vec::new());
        };
        match &incoming {
            Incoming::Closed { retry_in, .. } => self.retry = Some(now + *retry_in),
            Incoming::Connecting { .. } | Incoming::Refused { .. } => self.retry = None,
            _ => {}
        }
        link.handle(session, incoming)
    }

    /// Gives everybody a colour and a letter, and finds where they are now.
    pub(super) fn locate(&mut self, session: &mut Session) {
        let Some(link) = &self.link else {
            return;
        };
        let looks = looks(link, &self.name);
        if let Some(own) = link.me().and_then(|me| looks.get(&me)) {
            self.own = *own;
        }
        self.seats = link
            .peers()
            .iter()
            .map(|peer| {
                let (hue, marker) = looks.get(&peer.id).copied().unwrap_or((Hue::default(), '?'));
                let Presence { caret, selection } = peer.presence;
                let mut place = |anchor| session.resolve::<Chars>(&anchor);
                let selection = selection.and_then(|(start, end)| Some(place(start)?..place(end)?));
                Seat {
                    id: peer.id,
                    name: shown_name(&peer.name).into(),
                    hue,
                    marker,
                    caret: caret.and_then(&mut place),
                    selection: selection.filter(|range| range.start < range.end),
                    rights: peer.rights,
                }
            })
            .collect();
        if self.followed().is_none() {
            self.followed = None;
        }
    }
}

/// Whoever gives no name has one all the same, so that no sentence about them lacks its subject.
fn shown_name(name: &str) -> &str {
    if name.trim().is_empty() { "somebody" } else { name }
}

/// The colour and the letter of everybody in the room.
fn looks(link: &Link, own: &str) -> BTreeMap<PeerId, (Hue, char)> {
    let others = link.peers().iter().map(|peer| (peer.id, peer.name.as_str()));
    let own = link.me().map(|me| (me, own));
    let everybody: BTreeMap<PeerId, &str> = others.chain(own).collect();
    let names: Vec<&str> = everybody.values().copied().collect();
    let mut taken: Vec<Hue> = Vec::new();
    for name in &names {
        let wish = Hue::of(name).index();
        let mut free = (0..Hue::COUNT).map(|step| Hue::new(wish + step)).filter(|hue| !taken.contains(hue));
        let hue = free.next().unwrap_or(Hue::new(wish));
        taken.push(hue);
    }
    everybody.into_keys().zip(taken.into_iter().zip(markers(&names))).collect()
}

impl App {
    /// Something from the room.
    pub(super) fn hear(&mut self, incoming: Incoming) {
        let quiet = self.company.is_online();
        let before: Vec<PeerId> = self.company.seats.iter().map(|seat| seat.id).collect();
        match self.company.handle(&mut self.session, incoming, self.now) {
            Ok(changes) => {
                for change in changes {
                    self.heard(change);
                }
            }
            Err(error) => self.warn(error.to_string()),
        }
        self.greet(&before);
        // An answer may be due at once. Alone and at rest nobody waits for one, and sending what
        // is being typed would write the history a keystroke at a time.
        if quiet && !self.company.has_peers() {
            self.keeping.touch(self.now);
        } else {
            self.send();
        }
    }

    fn heard(&mut self, change: Change) {
        match change {
            Change::Patches(patches) => {
                self.carry(&patches);
                self.keeping.touch(self.now);
            }
            Change::Notice(text) => self.inform(text),
            Change::State => self.hear_state(),
            Change::Rights => match self.company.rights() {
                // Before the room has said what it holds, everything counts as unsent.
                Rights::Read if self.company.is_online() && self.company.unacknowledged(&self.session) > 0 => {
                    self.warn("you may read only; what has not been sent stays here");
                }
                Rights::Read => self.warn("you may read only"),
                Rights::Write => self.inform("you may write"),
                Rights::Host => {}
            },
            Change::Invitation(rights, token) => self.renew_join_line(rights, token),
            Change::Peers | Change::Durable => {}
        }
    }

    /// A connection that is lost comes back by itself; one that never was may need the person.
    fn hear_state(&mut self) {
        let Some(link) = &self.company.link else {
            return;
        };
        match link.state() {
            State::Online => self.company.is_settled = true,
            State::Offline { reason, .. } if !std::mem::replace(&mut self.company.is_settled, true) => {
                self.notices.warn(format!("no connection yet: {reason}"), self.now);
            }
            State::Refused { reason } if self.role == Role::Guest => {
                self.notices.fail(format!("not let in: {reason}"));
            }
            State::Refused { reason } => {
                let reason = reason.clone();
                self.cannot_be_joined(&reason);
            }
            _ => {}
        }
    }

    /// The server inside takes nothing in any more. Whoever edits here is not concerned.
    fn cannot_be_joined(&mut self, reason: &str) {
        let why = match self.session.document().event_count() >= MAX_EVENTS {
            true => "the document is too large to share",
            false => reason,
        };
        (self.join, self.join_to_read) = (None, None);
        self.warn(format!("{why}; nobody else can join"));
    }

    /// The join line lets nobody in any more but by this token.
    fn renew_join_line(&mut self, rights: Rights, token: Token) {
        let line = if rights == Rights::Read { &mut self.join_to_read } else { &mut self.join };
        if let Some(target) = line.as_deref().and_then(|line| Target::parse(line).ok()) {
            *line = Some(target.with_token(Some(token)).join_line());
            self.inform("the join line is a new one; who is in stays in");
        }
    }

    /// Puts the command by which others join into the clipboard. It may be longer than the screen is wide, where no mouse
    /// can select it.
    pub(super) fn copy_join_line(&mut self, action: Action) {
        let (line, what) = match action {
            Action::CopyJoinToRead => (&self.join_to_read, "the join line for reading only"),
            _ => (&self.join, "the join line"),
        };
        match line.as_deref().filter(|_| matches!(self.mode, Mode::About { .. })) {
            Some(line) => {
                self.effects.push(Effect::Copy(format!("cede join {line}")));
                self.inform(format!("{what} is in the clipboard, if the terminal lets it"));
            }
            None => self.inform(format!("{what} is not to be had here")),
        }
    }

    /// Says who has come and gone. `before`: who was in.
    fn greet(&mut self, before: &[PeerId]) {
        let Some(link) = &self.company.link else {
            return;
        };
        let came: Vec<&str> =
            link.peers().iter().filter(|peer| !before.contains(&peer.id)).map(|peer| shown_name(&peer.name)).collect();
        let gone: Vec<&str> = self
            .company
            .seats
            .iter()
            .filter(|seat| link.peers().iter().all(|peer| peer.id != seat.id))
            .map(|seat| seat.name.as_str())
            .collect();
        let text = match (came.is_empty(), gone.is_empty()) {
            (false, _) if *link.state() == State::Online => format!("{} came in", came.join(", ")),
            (false, _) => format!("here: {}", came.join(", ")),
            (true, false) if *link.state() == State::Online => format!("{} left", gone.join(", ")),
            _ => return,
        };
        self.inform(text);
    }

    /// Events of guests that are to be kept: taken in as what the room would send, so that they
    /// are not sent back, and then by the session itself, which has them already unless the link
    /// had no connection to count them on.
    pub(super) fn take_in(&mut self, piece: Vec<u8>) -> Result<(), ImportError> {
        let incoming = Incoming::Sync(Message::Data(piece.clone()));
        match self.company.handle(&mut self.session, incoming, self.now) {
            Ok(changes) => changes.into_iter().for_each(|change| self.heard(change)),
            Err(LinkError::Import(error)) => return Err(error),
        }
        let patches = self.session.merge::<Chars>(&piece)?;
        self.carry(&patches);
        self.effects.push(Effect::Record);
        Ok(())
    }

    /// Hands the link's frames to the shell.
    pub(super) fn send(&mut self) {
        if let Some(link) = &mut self.company.link {
            let frames = link.flush(&self.session);
            if !frames.is_empty() {
                self.effects.push(Effect::Send(frames));
            }
        }
    }

    /// Tells others where one is, when there are others and it has changed.
    pub(super) fn announce(&mut self) {
        if !self.company.has_peers() {
            return;
        }
        let (caret, selection) = (self.caret(), self.selection());
        let mut anchor = |at, bias| self.session.anchor(at, bias).ok();
        let presence = Presence {
            caret: anchor(caret, Bias::Left),
            selection: selection
                .and_then(|range| Some((anchor(range.start, Bias::Right)?, anchor(range.end, Bias::Left)?))),
        };
        if presence != self.company.told
            && let Some(link) = &mut self.company.link
        {
            self.company.told = presence;
            link.set_presence(presence);
            self.keeping.touch(self.now);
        }
    }

    /// Keeps the followed person in sight.
    pub(super) fn watch_followed(&mut self) {
        if let Some(at) = self.company.followed().and_then(|seat| seat.caret) {
            self.viewport.reveal(self.session.text(), at, MARGIN);
        }
    }

    pub(super) fn list_peers(&mut self) {
        let chosen = self.company.seats.first().map(|seat| seat.id);
        self.mode = Mode::Peers { chosen };
    }

    /// A key in the list of people, whose first row is oneself.
    pub(super) fn choose_peer(&mut self, action: Action) {
        let Mode::Peers { chosen } = self.mode else {
            return;
        };
        let rows: Vec<Option<PeerId>> =
            std::iter::once(None).chain(self.company.seats.iter().map(|seat| Some(seat.id))).collect();
        let row = rows.iter().position(|id| *id == chosen).unwrap_or(0);
        let stay = |row: usize| Mode::Peers { chosen: rows[row.min(rows.len() - 1)] };
        self.mode = match action {
            Action::RowUp => stay(row.saturating_sub(1)),
            Action::RowDown => stay(row + 1),
            _ => Mode::Text,
        };
        match (action, rows[row]) {
            (Action::Accept, Some(id)) => self.go_to_peer(id),
            (Action::FollowChosen, Some(id)) => self.follow_peer(id),
            (Action::RestrictChosen | Action::RemoveChosen, _) => self.rule(action, rows[row]),
            _ => {}
        }
    }

    /// A host changes what the chosen person may do.
    fn rule(&mut self, action: Action, chosen: Option<PeerId>) {
        self.mode = Mode::Peers { chosen };
        if self.company.rights() < Rights::Host {
            return self.warn("that is the host's to do");
        }
        let seat = self.company.seats.iter().find(|seat| Some(seat.id) == chosen);
        match (seat.map(|seat| (seat.id, seat.rights)), action) {
            (None, _) => self.warn("not to oneself"),
            (Some((_, Rights::Host)), _) => self.warn("that is a host too"),
            (Some((id, _)), Action::RemoveChosen) => self.mode = Mode::Removing(id),
            (Some((id, rights)), _) => {
                let to = if rights == Rights::Read { Rights::Write } else { Rights::Read };
                if let Some(link) = &mut self.company.link {
                    link.allow(id, to);
                }
                self.send();
            }
        }
    }

    /// What is asked before somebody is shown out.
    pub(super) fn removal_question(&self, id: PeerId) -> String {
        let seat = self.company.seats.iter().find(|seat| seat.id == id);
        let name = seat.map_or("Somebody who has left", |seat| &seat.name);
        format!("Show {name} out? They cannot come back by the line they have; what they wrote stays.")
    }

    pub(super) const REMOVAL_CHOICES: [(&'static str, &'static str); 2] = [("y", "show out"), ("Esc", "let stay")];

    /// A key while that is asked. Whatever else it is, nobody is shown out by it.
    pub(super) fn answer_removal(&mut self, id: PeerId, chord: Chord) {
        let escape = Chord::of(&KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        match chord.typed() {
            Some('y' | 'Y') => {
                if let Some(link) = &mut self.company.link {
                    link.remove(id);
                }
                self.send();
                self.mode = Mode::Text;
            }
            Some('n' | 'N') => self.mode = Mode::Peers { chosen: Some(id) },
            _ if chord == escape => self.mode = Mode::Peers { chosen: Some(id) },
            _ => {}
        }
    }

    fn go_to_peer(&mut self, id: PeerId) {
        let seat = self.company.seats.iter().find(|seat| seat.id == id);
        match seat.and_then(|seat| seat.caret) {
            Some(at) => self.jump(at),
            None => self.inform("nobody knows where that is yet"),
        }
    }

    /// Puts the caret somewhere far, in the middle of the screen.
    pub(super) fn jump(&mut self, at: Chars) {
        self.anchor = None;
        self.marking = false;
        self.goal = None;
        self.viewport.center(self.session.text(), at);
        self.put_caret(at);
    }

    /// To whoever stands next behind the caret, and round again.
    pub(super) fn go_to_next_peer(&mut self) {
        let caret = self.caret();
        let mut places: Vec<Chars> = self.company.seats.iter().filter_map(|seat| seat.caret).collect();
        places.sort_unstable();
        let next = places.iter().find(|&&at| at > caret).or(places.first());
        match next {
            Some(&at) => self.jump(at),
            None => self.inform("nobody else is here"),
        }
    }

    fn follow_peer(&mut self, id: PeerId) {
        let stop = self.company.followed == Some(id);
        self.company.follow((!stop).then_some(id));
    }

    /// Nobody, the first, the second, …, nobody.
    pub(super) fn follow_next_peer(&mut self) {
        let ids: Vec<PeerId> = self.company.seats.iter().map(|seat| seat.id).collect();
        let next = match self.company.followed {
            None => ids.first(),
            Some(followed) => ids.iter().skip_while(|&&id| id != followed).nth(1),
        };
        self.company.follow(next.copied());
        if ids.is_empty() {
            self.inform("nobody else is here");
        }
    }

    /// Line and column, counted from 1, of a position in the text.
    pub(super) fn place_of(&self, at: Chars) -> (usize, usize) {
        line_column(self.session.text(), at)
    }

    /// What is said about the connection on the status line. A text that is edited alone has
    /// nothing to say, although it has a server for a second editor on this machine.
    pub(super) fn connection(&self) -> (String, Severity, screen::Agreement) {
        if self.role == Role::Alone && !self.company.has_peers() {
            return (String::new(), Severity::Info, screen::Agreement::Unknown);
        }
        let (mut words, severity) = self.company.connection(self.now);
        // At the other end of a folder nobody is online.
        if self.company.is_online() && self.join.as_deref().is_some_and(|join| join.starts_with(SCHEME)) {
            words = "folder".into();
        }
        (words, severity, self.company.agreement(&self.session))
    }
}
