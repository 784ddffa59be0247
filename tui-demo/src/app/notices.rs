//! Messages to the person: the latest, for a while.
//!
//! Knows texts and times, not what they are about. Texts may come from strangers; they are made
//! safe where they are drawn.

use std::time::{Duration, Instant};

use crate::screen::{Notice, Severity};

/// Long enough to be read twice.
const SHOWN_FOR: Duration = Duration::from_secs(8);

/// What the person is being told.
#[derive(Debug, Default)]
pub(super) struct Notices {
    latest: Option<Told>,
}

#[derive(Debug)]
struct Told {
    text: String,
    severity: Severity,
    /// `None`: until something else is said. So it is with errors.
    until: Option<Instant>,
}

impl Notices {
    pub(super) fn inform(&mut self, text: impl Into<String>, now: Instant) {
        self.tell(text.into(), Severity::Info, Some(now + SHOWN_FOR));
    }

    pub(super) fn warn(&mut self, text: impl Into<String>, now: Instant) {
        self.tell(text.into(), Severity::Warning, Some(now + 2 * SHOWN_FOR));
    }

    pub(super) fn fail(&mut self, text: impl Into<String>) {
        self.tell(text.into(), Severity::Error, None);
    }

    fn tell(&mut self, text: String, severity: Severity, until: Option<Instant>) {
        self.latest = Some(Told { text, severity, until });
    }

    pub(super) fn clear(&mut self) {
        self.latest = None;
    }

    pub(super) fn forget_expired(&mut self, now: Instant) {
        if self.expires_at().is_some_and(|until| until <= now) {
            self.latest = None;
        }
    }

    pub(super) fn expires_at(&self) -> Option<Instant> {
        self.latest.as_ref()?.until
    }

    pub(super) fn latest(&self) -> Option<Notice<'_>> {
        self.latest.as_ref().map(|told| Notice { text: &told.text, severity: told.severity })
    }
}
