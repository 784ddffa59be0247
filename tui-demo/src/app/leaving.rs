//! Leaving, and what there is to settle first.
//!
//! Knows the reasons not to leave without a word, in the order in which they are put, and the
//! answers to each. Nothing is asked when nothing is lost.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::keeping::Home;
use super::keymap::Chord;
use super::{App, Effect, Mode, Role};

/// A reason not to leave without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// The text has no name and nobody else has it.
    Nameless,
    /// The text file lacks what the history has.
    Unsaved,
    /// The history cannot be written.
    Unkept,
    /// Others are in, and this is their server.
    Guests,
    /// The server has not got everything, and nothing else keeps it.
    Unacknowledged,
}

/// In the order in which they are put.
const CONCERNS: [Concern; 5] =
    [Concern::Nameless, Concern::Unsaved, Concern::Unkept, Concern::Guests, Concern::Unacknowledged];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    SaveFirst,
    Leave,
    Stay,
}

impl Concern {
    fn answers(self) -> &'static [(&'static str, &'static str, Answer)] {
        const STAY: (&str, &str, Answer) = ("Esc", "stay", Answer::Stay);
        match self {
            Self::Nameless => &[("s", "save it", Answer::SaveFirst), ("d", "discard it", Answer::Leave), STAY],
            Self::Unsaved => {
                &[("s", "save and quit", Answer::SaveFirst), ("q", "quit; the history keeps it", Answer::Leave), STAY]
            }
            Self::Unkept => &[("q", "quit and lose that", Answer::Leave), STAY],
            Self::Guests => &[("q", "close anyway", Answer::Leave), STAY],
            Self::Unacknowledged => {
                &[("s", "save here and quit", Answer::SaveFirst), ("q", "quit and lose them", Answer::Leave), STAY]
            }
        }
    }

    /// The answers as keys and meanings.
    pub(super) fn choices(self) -> Vec<(&'static str, &'static str)> {
        self.answers().iter().map(|&(key, says, _)| (key, says)).collect()
    }

    fn answered_by(self, chord: Chord) -> Option<Answer> {
        let escape = Chord::of(&KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
        let ways_back =
            [KeyCode::Char('c'), KeyCode::Char('q')].map(|code| Chord::of(&KeyEvent::new(code, KeyModifiers::CONTROL)));
        if chord == escape || ways_back.contains(&chord) {
            return Some(Answer::Stay);
        }
        let typed = chord.typed()?.to_lowercase().to_string();
        let answer = self.answers().iter().find(|(key, ..)| *key == typed);
        answer.map(|&(.., answer)| answer)
    }
}

impl App {
    /// The person wants to leave.
    pub(super) fn leave(&mut self) {
        self.leave_past(None);
    }

    /// Puts the first concern behind `settled`, or leaves.
    fn leave_past(&mut self, settled: Option<Concern>) {
        let next = CONCERNS
            .iter()
            .skip_while(|&&concern| settled.is_some_and(|settled| settled != concern))
            .skip(usize::from(settled.is_some()))
            .find(|&&concern| self.is_concerned(concern));
        match next {
            Some(&concern) => self.mode = Mode::Leaving(concern),
            None => {
                self.mode = Mode::Text;
                self.effects.push(Effect::Quit);
            }
        }
    }

    /// A concern that has settled itself while it was put is no reason to stay: the person wants to leave.
    pub(super) fn reconsider_leaving(&mut self) {
        if let Mode::Leaving(concern) = self.mode
            && !self.is_concerned(concern)
        {
            self.leave_past(Some(concern));
        }
    }

    /// Whether what has been typed is neither in a file here nor with a server.
    #[must_use]
    pub fn is_kept_nowhere(&self) -> bool {
        [Concern::Nameless, Concern::Unacknowledged].into_iter().any(|concern| self.is_concerned(concern))
    }

    fn is_concerned(&self, concern: Concern) -> bool {
        let home = &self.keeping.home;
        let named = matches!(home, Home::Named { .. });
        match concern {
            Concern::Nameless => *home == Home::Nameless && self.role != Role::Guest && !self.session.text().is_empty(),
            Concern::Unsaved => named && !self.read_only && self.keeping.is_modified(),
            Concern::Unkept => named && self.keeping.failure().is_some(),
            Concern::Guests => self.role != Role::Guest && self.company.has_peers(),
            Concern::Unacknowledged => {
                self.role == Role::Guest && !named && self.company.unacknowledged(&self.session) > 0
            }
        }
    }

    /// What is asked about a concern. Numbers are those of now.
    pub(super) fn question(&self, concern: Concern) -> String {
        match concern {
            Concern::Nameless => "This text has no name yet and is kept nowhere.".into(),
            Concern::Unsaved => "The text has changes that its file lacks.".into(),
            Concern::Unkept => {
                format!("The history cannot be written: {}.", self.keeping.failure().unwrap_or("no reason given"))
            }
            Concern::Guests => match self.company.peers() {
                1 => "Somebody else is in; this is their server.".into(),
                others => format!("{others} others are in; this is their server."),
            },
            Concern::Unacknowledged => format!(
                "The server has not got {} of your changes, and nothing else keeps them.",
                self.company.unacknowledged(&self.session)
            ),
        }
    }

    /// A key while a concern is put.
    pub(super) fn answer(&mut self, concern: Concern, chord: Chord) {
        match concern.answered_by(chord) {
            Some(Answer::Leave) => self.leave_past(Some(concern)),
            Some(Answer::Stay) => self.mode = Mode::Text,
            Some(Answer::SaveFirst) => {
                self.mode = Mode::Text;
                self.save();
                self.leaving = Some(concern);
            }
            None => {}
        }
    }

    /// The text has been saved; when that was on the way out, on with it.
    pub(super) fn go_on_leaving(&mut self) {
        if let Some(settled) = self.leaving.take() {
            self.leave_past(Some(settled));
        }
    }

    /// What was on the way out has failed or been given up.
    pub(super) fn stay(&mut self) {
        self.leaving = None;
    }
}
