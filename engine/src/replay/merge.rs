//! Replays what comes in, and rewinds no further than it must.
//!
//! An event that has seen everything so far is applied as it stands. Any other one belongs to a *window*: the history
//! after the last critical version before it. The window is walked through a tracker in the order of the log; for each
//! run, what its parents have not seen is retreated, what they have seen is advanced, and the run is applied
//! (Eg-walker, section 3.2).
//!
//! ```text
//!              last critical version      window, kept between merges
//!   ──●──●──●──────●─┬─ a a a a a ─ a a …  applied (some of it lazily, when the next late event needs it)
//!                    └─ b b b               late: retreat the a's, apply
//! ```
//!
//! The tracker is a cache. It stays while the window is open, so a late event costs its own runs and not the window
//! again; it is dropped when a newer critical version closes the window, and made again from the log whenever it is
//! missing.

use super::{Misplaced, TextLog, linear};
use crate::graph::Heads;
use crate::id::{Local, Span};
use crate::text::tracker::{Change, Stretch, Tracker};

/// For walking through what is in the text already.
pub(super) const NOBODY: Option<fn(Change)> = None;

/// Follows a log and tells how the text changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replay {
    window: Option<Window>,
    /// Anchors and undo ask for elements of any age; from the first such question on the window reaches back to the
    /// start.
    whole: bool,
}

/// Invariant: the tracker has applied exactly the events after `base` and before `done`, and its current version is
/// `version`.
#[derive(Clone, Debug)]
pub(super) struct Window {
    tracker: Tracker,
    base: Option<Local>,
    version: Heads,
    done: Local,
}

impl Replay {
    /// Tells the changes that the events from `from` on make to a text of `len` chars, in the order of the log.
    ///
    /// On an error the caller takes these events back out of the log and has the tracker forget them.
    pub(crate) fn advance(
        &mut self,
        log: &TextLog,
        from: Local,
        mut len: u32,
        mut emit: impl FnMut(Change),
    ) -> Result<(), Misplaced> {
        for run in log.graph().runs_in(Span::new(from, log.len())) {
            let events = Span::new(run.span.start.max(from), run.span.end);
            self.advance_over(log, events, &mut len, &mut emit)?;
        }
        Ok(())
    }

    /// The same for a part of one run. `len` is kept up to date.
    pub(crate) fn advance_over(
        &mut self,
        log: &TextLog,
        events: Span,
        len: &mut u32,
        mut emit: impl FnMut(Change),
    ) -> Result<(), Misplaced> {
        if log.graph().run_at(events.start).saw_all {
            return linear::apply(log.contents(), events, len, emit);
        }
        let window = self.window(log, events.start, *len);
        window.done = events.end;
        let emit = |change: Change| {
            *len = change.resized(*len);
            emit(change);
        };
        window.apply(log, events, Some(emit))
    }

    /// Drops the tracker if it has seen some of the events from `from` on; it is made again when it is needed.
    pub(crate) fn forget_from(&mut self, from: Local) {
        self.window.take_if(|window| window.done > from);
    }

    /// The elements of the whole history, up to date. The first call costs a replay of it, each later one what came
    /// since.
    pub(crate) fn whole(&mut self, log: &TextLog, len: u32) -> &Tracker {
        if !self.whole {
            self.whole = true;
            self.window = None;
        }
        &self.window(log, log.len(), len).tracker
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        if let Some(window) = &self.window {
            window.tracker.assert_invariants();
            let done = window.base.map_or(Local(0), |base| base + 1);
            assert!(window.done >= done, "a window from {done:?} that has done up to {:?}", window.done);
        }
    }

    /// The window open at `at`, with everything before `at` applied to it; the text then has `len` chars.
    fn window(&mut self, log: &TextLog, at: Local, len: u32) -> &mut Window {
        let base = if self.whole { None } else { log.graph().last_critical_before(at) };
        let window = match self.window.take() {
            Some(window) if window.base == base => window,
            _ => Window::from(base),
        };
        let window = self.window.insert(window);
        window.catch_up(log, at, len);
        window
    }
}

impl Window {
    fn from(base: Option<Local>) -> Self {
        let tracker = match base {
            // Nobody remembers how long the text was at an old version; it is found out by going forward from there.
            Some(_) => Tracker::at_some_text(),
            None => Tracker::default(),
        };
        Self { tracker, base, version: base.into_iter().collect(), done: base.map_or(Local(0), |base| base + 1) }
    }

    /// What the events applied have made of the text that the window began with.
    pub(super) fn outcome(&self) -> impl Iterator<Item = Stretch> {
        self.tracker.outcome()
    }

    /// A window that begins at a critical version with a text of `len` chars.
    pub(super) fn after(base: Option<Local>, len: u32) -> Self {
        Self { tracker: Tracker::at_text_of(len), ..Self::from(base) }
    }

    fn catch_up(&mut self, log: &TextLog, at: Local, len: u32) {
        if self.done == at {
            return;
        }
        let behind = Span::new(self.done, at);
        // A window that begins now may be walked in the best order; one that goes on has little to catch up with.
        for events in log.graph().plan(behind) {
            let applied = self.apply(log, events, NOBODY);
            assert!(applied.is_ok(), "events that were checked when they came do not fit now: {applied:?}");
        }
        self.done = at;
        self.tracker.settle(len);
    }

    /// Walks to the parents of a part of a run and applies it. What changes is only worked out for somebody who
    /// listens.
    pub(super) fn apply(
        &mut self,
        log: &TextLog,
        events: Span,
        mut listener: Option<impl FnMut(Change)>,
    ) -> Result<(), Misplaced> {
        let parents = log.graph().parents_of(events.start);
        let diff = log.graph().diff(&self.version, &parents);
        diff.only_a.iter().for_each(|&seen| self.tracker.retreat(seen));
        diff.only_b.iter().rev().for_each(|&unseen| self.tracker.advance(unseen));
        for operation in log.contents().of(events) {
            let order = |a, b| log.graph().compare(a, b);
            let applied = self.tracker.apply(operation, order, listener.as_mut());
            applied.map_err(|range| Misplaced { event: operation.events.start, range })?;
        }
        self.version = Heads::from_slice(&[events.end - 1]);
        Ok(())
    }
}
