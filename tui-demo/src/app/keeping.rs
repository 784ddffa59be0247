//! What is kept where: the text file, the history, and when either is written.
//!
//! Knows which version the text file holds, whether the screen shows more than that, and when
//! own events are due to be written and sent. Does not touch a file: that is the shell's, by
//! effects. Looking whether the text is modified costs O(1) while its length differs from what
//! was saved, else one pass over the text, once a version.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cede::{AgentId, Chars, Document, Frontier};

use super::{AT_MOST, App, Effect, IDLE, SEND_AFTER, UNDO_PAUSE};
use crate::files::history::Report;
use crate::files::reconcile::{Standing, reconcile};
use crate::files::resume::Resume;
use crate::files::text::{Form, Snapshot, TextError};
use crate::files::watch::Seen;
use crate::plural::counted;

/// A history shorter than this is not written anew while it is open.
const COMPACT_FROM: u64 = 4 << 20;

/// A history is written anew when it has this many times the bytes that it had then.
const COMPACT_TIMES: u64 = 4;

/// Between attempts to write a history that has failed.
const RETRY: Duration = Duration::from_secs(5);

/// Where a text is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// In a file of its own, with its history beside it.
    Named {
        /// The text file.
        path: PathBuf,
        /// How the text is spelled there.
        form: Form,
        /// The versions that it may hold, the surest first; none: there is no such file.
        versions: Vec<Frontier>,
    },
    /// Nowhere on this machine.
    Nameless,
    /// By another editor on this machine, which has this file open.
    Elsewhere(PathBuf),
}

/// A version that the text file holds, or is about to, and its text in brief.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Saved {
    version: Frontier,
    chars: Chars,
    hash: u64,
}

impl Saved {
    fn of(document: &Document) -> Self {
        let text = document.text();
        Self { version: document.frontier(), chars: text.len(), hash: text.hash64() }
    }

    /// `None` when the document does not know that version.
    fn version(document: &Document, version: Frontier) -> Option<Self> {
        let text = document.checkout(&version).ok()?;
        Some(Self { version, chars: text.len(), hash: text.hash64() })
    }

    fn reads(&self, document: &Document) -> bool {
        let text = document.text();
        self.chars == text.len() && self.hash == text.hash64()
    }
}

/// What to write as the text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Save {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: String,
    /// How it is spelled.
    pub form: Form,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Keeping {
    pub(super) home: Home,
    /// What the text file holds, when this editor has read or written it.
    saved: Option<Saved>,
    /// What is being written, until the shell says how it went.
    saving: Option<Saved>,
    /// The file holds changes of another program that could not be taken in; saving would lose them.
    untaken: bool,
    /// The version that `modified` speaks of.
    looked: Option<Frontier>,
    modified: bool,
    /// The first and the last change that has not been written.
    unwritten: Option<(Instant, Instant)>,
    /// What the history says about that.
    kept_versions: Vec<Frontier>,
    /// What is kept beside the events has changed as well.
    resume_unwritten: bool,
    /// When typing was last seen that a pause would end.
    typed: Option<Instant>,
    history: HistoryState,
}

#[derive(Debug)]
enum HistoryState {
    /// It has had so many bytes when it was last written anew (or opened), and now.
    Sound {
        base: Option<u64>,
        bytes: u64,
    },
    Rewriting,
    Failed {
        reason: String,
        retry: Instant,
    },
}

impl Keeping {
    pub(super) fn new(home: Home) -> Self {
        let kept_versions = match &home {
            Home::Named { versions, .. } => versions.clone(),
            _ => Vec::new(),
        };
        Self {
            home,
            kept_versions,
            saved: None,
            saving: None,
            untaken: false,
            looked: None,
            modified: false,
            unwritten: None,
            resume_unwritten: false,
            typed: None,
            history: HistoryState::Sound { base: None, bytes: 0 },
        }
    }

    /// Something has changed that is to be written, sent, or both.
    pub(super) fn touch(&mut self, now: Instant) {
        let first = self.unwritten.map_or(now, |(first, _)| first);
        self.unwritten = Some((first, now));
    }

    /// The person has edited.
    pub(super) fn note_edit(&mut self, now: Instant) {
        self.touch(now);
        self.typed = Some(now);
        self.resume_unwritten = true;
    }

    /// When what is unwritten is due.
    pub(super) fn due(&self, company: bool) -> Option<Instant> {
        let events = self.unwritten.map(|(first, last)| match company {
            true => first + SEND_AFTER,
            false => (last + IDLE).min(first + AT_MOST),
        });
        let retry = match self.history {
            HistoryState::Failed { retry, .. } => Some(retry),
            _ => None,
        };
        [events, retry].into_iter().flatten().min()
    }

    /// When a pause in typing ends what one undo takes back.
    pub(super) fn pause_at(&self) -> Option<Instant> {
        self.typed.map(|typed| typed + UNDO_PAUSE)
    }

    /// Compares the text with what its file holds, if either has changed.
    pub(super) fn look(&mut self, document: &Document) {
        let version = document.frontier();
        if self.looked.as_ref() == Some(&version) {
            return;
        }
        self.modified = match &self.saved {
            Some(saved) => saved.version != version && !saved.reads(document),
            None => !document.text().is_empty(),
        };
        if !self.modified && self.saved.is_some() {
            self.holds_too(&version);
        }
        self.looked = Some(version);
    }

    /// The text has come to read as the file does, by undo and redo perhaps: the file holds this
    /// version as well, and it is the better one to compare with. Characters that were taken
    /// back and typed again are others than those of the version that was written.
    fn holds_too(&mut self, version: &Frontier) {
        if let Some(saved) = self.saved.as_mut().filter(|saved| saved.version != *version) {
            saved.version.clone_from(version);
            if let Home::Named { versions, .. } = &mut self.home {
                *versions = vec![version.clone()];
            }
            self.resume_unwritten = true;
        }
    }

    /// Does the screen show something that the text file does not hold?
    pub(super) fn is_modified(&self) -> bool {
        self.modified && !matches!(self.home, Home::Elsewhere(_))
    }

    /// Why the history is not being kept, if it is not.
    pub(super) fn failure(&self) -> Option<&str> {
        match &self.history {
            HistoryState::Failed { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// How many bytes the history has; 0 when that is not known.
    pub(super) fn history_bytes(&self) -> u64 {
        match self.history {
            HistoryState::Sound { bytes, .. } => bytes,
            _ => 0,
        }
    }

    /// The versions that the text file may hold, the surest first.
    fn versions(&self) -> Vec<Frontier> {
        let held = match &self.home {
            Home::Named { versions, .. } => versions.as_slice(),
            _ => &[],
        };
        let saving = self.saving.iter().map(|saving| &saving.version);
        held.iter().chain(saving).cloned().collect()
    }

    /// The text file holds this now.
    fn holds(&mut self, saved: Option<Saved>) {
        if let Home::Named { versions, .. } = &mut self.home {
            *versions = saved.iter().map(|saved| saved.version.clone()).collect();
        }
        self.saved = saved;
        self.looked = None;
    }

    /// There is no text file now, or none that can be read. What it held stays known: programs that write files anew
    /// delete them first, and the difference must not undo what was typed since.
    fn holds_nothing(&mut self) {
        self.saved = None;
        self.untaken = false;
        self.looked = None;
    }
}

impl App {
    /// What the next session needs besides the events, as far as it has changed since the last
    /// call; `None` when it has not.
    pub fn next_resume(&mut self) -> Option<Resume> {
        self.keeping.resume_unwritten = false;
        let (saved, undo) = (self.keeping.versions(), self.session.take_undo_changes());
        if undo.is_none() && saved == self.keeping.kept_versions {
            return None;
        }
        self.keeping.kept_versions.clone_from(&saved);
        Some(Resume { saved, undo: undo.unwrap_or_default() })
    }

    /// Why the history was not written when that was tried last.
    #[must_use]
    pub fn history_failure(&self) -> Option<&str> {
        self.keeping.failure()
    }

    /// The text file may hold one of these versions as well: whoever put another history in the place of this one, as git
    /// does, may have put another text there, too.
    pub fn may_hold(&mut self, versions: Vec<Frontier>) {
        if let Home::Named { versions: known, .. } = &mut self.keeping.home {
            for version in versions {
                if !known.contains(&version) {
                    known.push(version);
                }
            }
        }
    }

    /// All of it. Costs the length of the undo history.
    #[must_use]
    pub fn whole_resume(&self) -> Resume {
        Resume { saved: self.keeping.versions(), undo: self.session.encode_undo() }
    }

    /// Begins to write the text file: what to write, and from now on [`App::next_resume`] speaks
    /// of both versions, until the shell says how it went. `None` when there is no file to write.
    pub fn begin_save(&mut self) -> Option<Save> {
        let Home::Named { path, form, .. } = &self.keeping.home else {
            return None;
        };
        if self.keeping.untaken {
            self.notices
                .fail("not saved: the file holds changes that cannot be taken in; move it away first".to_owned());
            return None;
        }
        let save = Save { path: path.clone(), text: self.session.text().to_string(), form: *form };
        self.keeping.saving = Some(Saved::of(self.session.document()));
        Some(save)
    }

    /// The person wants the text written.
    pub(super) fn save(&mut self) {
        if self.read_only {
            return self.refuse_edit();
        }
        match &self.keeping.home {
            Home::Named { .. } => {
                self.session.break_undo();
                self.effects.push(Effect::Save);
            }
            Home::Nameless => self.ask_for_name(),
            Home::Elsewhere(_) if self.company.is_online() => {
                self.inform("the editor that has this file open saves it; it has your typing already");
            }
            // It is gone, or cannot be reached; if it is gone, somebody has to take its place.
            Home::Elsewhere(path) => self.effects.push(Effect::Settle(path.clone())),
        }
    }

    pub(super) fn saved(&mut self, result: Result<(), TextError>) {
        let Some(saving) = self.keeping.saving.take() else {
            return;
        };
        match result {
            Ok(()) => {
                let lines = crate::layout::counted_lines(self.session.text());
                self.keeping.holds(Some(saving));
                self.keeping.look(self.session.document());
                self.effects.push(Effect::KeepResume);
                self.inform(format!("saved, {}", counted(lines as u64, "line")));
                self.go_on_leaving();
            }
            Err(error) => {
                self.effects.push(Effect::KeepResume);
                self.notices.fail(error.to_string());
                self.stay();
            }
        }
    }

    pub(super) fn settled(&mut self, result: Result<Home, String>) {
        match result {
            Ok(home) => {
                self.keeping.home = home;
                self.effects.push(Effect::Record);
                self.save();
            }
            Err(reason) => {
                self.notices.fail(reason);
                self.stay();
            }
        }
    }

    pub(super) fn see_disk(&mut self, seen: Seen, agent: AgentId) {
        match seen {
            Seen::Content(snapshot) => self.see_content(&snapshot, agent),
            Seen::Gone => {
                self.keeping.holds_nothing();
                self.warn("the file has been deleted; saving writes it again");
            }
            Seen::Unreadable(error) => {
                self.keeping.holds_nothing();
                let way_out = if matches!(error, TextError::NotAFile { .. }) { "" } else { "; saving replaces it" };
                self.notices.fail(format!("{error}{way_out}"));
            }
        }
    }

    fn see_content(&mut self, snapshot: &Snapshot, agent: AgentId) {
        let Home::Named { versions, form, .. } = &mut self.keeping.home else {
            return;
        };
        *form = snapshot.form;
        self.keeping.untaken = false;
        let standing = reconcile(self.session.document(), versions, &snapshot.text, agent);
        let document = self.session.document();
        match standing {
            Ok(Standing::Equal) => {
                let saved = Saved::of(document);
                self.keeping.holds(Some(saved));
            }
            Ok(Standing::Behind(version)) => {
                let saved = Saved::version(document, version);
                self.keeping.holds(saved);
            }
            Ok(Standing::Edited { events, version }) => self.take_edits(&events, version),
            Err(error) => self.cannot_take_in(&error),
        }
        self.effects.push(Effect::KeepResume);
    }

    fn cannot_take_in(&mut self, error: &dyn std::error::Error) {
        self.keeping.untaken = true;
        self.notices.fail(format!("the file's changes cannot be taken in: {error}"));
    }

    /// The edits of another program, made at the version that the file held.
    fn take_edits(&mut self, events: &[u8], version: Frontier) {
        let fresh = self.session.document().frontier() == Frontier::root();
        match self.session.merge::<Chars>(events) {
            Ok(patches) => {
                self.carry(&patches);
                let saved = Saved::version(self.session.document(), version);
                self.keeping.holds(saved);
                self.keeping.touch(self.now);
                if !fresh {
                    self.warn("another program changed the file; its changes are merged in");
                }
            }
            Err(error) => self.cannot_take_in(&error),
        }
    }

    pub(super) fn hear_history(&mut self, report: Report) {
        match report {
            Report::Kept { bytes } => {
                let base = match self.keeping.history {
                    HistoryState::Sound { base, .. } => base,
                    HistoryState::Rewriting => None,
                    HistoryState::Failed { .. } => {
                        self.inform("the history is being kept again");
                        None
                    }
                };
                let base = base.unwrap_or(bytes);
                self.keeping.history = HistoryState::Sound { base: Some(base), bytes };
                if bytes > COMPACT_FROM.max(base.saturating_mul(COMPACT_TIMES)) {
                    self.rewrite_history();
                }
            }
            Report::Failed { reason } => {
                self.notices.fail(format!("the history cannot be written: {reason}"));
                self.keeping.history = HistoryState::Failed { reason, retry: self.now + RETRY };
            }
        }
    }

    fn rewrite_history(&mut self) {
        self.keeping.history = HistoryState::Rewriting;
        self.effects.push(Effect::RewriteHistory);
    }

    /// Writes and sends what is due, and ends an undo step after a pause.
    pub(super) fn do_what_is_due(&mut self) {
        if self.keeping.pause_at().is_some_and(|at| at <= self.now) {
            self.keeping.typed = None;
            self.session.break_undo();
        }
        if self.keeping.due(self.company.has_peers()).is_none_or(|at| at > self.now) {
            return;
        }
        if self.keeping.unwritten.take().is_some() {
            self.effects.push(Effect::Record);
            self.send();
        }
        if self.keeping.resume_unwritten {
            self.effects.push(Effect::KeepResume);
        }
        if let HistoryState::Failed { retry, .. } = &mut self.keeping.history
            && *retry <= self.now
        {
            *retry = self.now + RETRY;
            self.effects.push(Effect::RewriteHistory);
        }
    }
}
