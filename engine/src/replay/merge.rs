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
//! Where going through events in the order of the log means to walk back and forth over and over, as it does for long
//! branches that come by turns, they are all applied in a better order first, and only then told as they came
//! ([`arrival`]).
//!
//! Where such events come one by one, each with a version of its own far from the last one's, nothing can be put beside its
//! like, and the versions themselves are remembered ([`remembered`](super::remembered)).
//!
//! An event whose author just types on is applied wherever the tracker is ([`typing`](crate::sequence::typing)).
//!
//! The tracker is a cache. It stays while the window is open, so a late event costs its own runs and not the window
//! again; it is dropped when a newer critical version closes the window, and made again from the log whenever it is
//! missing.

use super::remembered::Remembered;
use super::{Misplaced, Stopped, TextLog, arrival, linear};
use crate::graph::Heads;
use crate::id::{Local, Span};
use crate::log::Effort;
use crate::sequence::snapshot::Snapshot;
use crate::text::tracker::{Change, Stretch, Tracker};

/// For walking through what is in the text already.
pub(super) const NOBODY: Option<fn(Change)> = None;

/// Runs that may lie on the way through new events in the order of the log, whatever is new: a better order begins to pay
/// somewhere above. Small in unit tests, so that both ways are gone.
const LEAST_WALKED: usize = if cfg!(test) { 8 } else { 4096 };

/// So many runs of the graph are passed on the way in the time in which one run of elements is changed.
const RUNS_A_STEP: u64 = 8;

/// Follows a log and tells how the text changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replay {
    window: Option<Window>,
    /// Anchors and undo ask for elements of any age; from the first such question on the window reaches back to the
    /// start.
    whole: bool,
}

/// Invariant: the tracker has applied exactly the events after `base` and before `done`, and its current version is
/// `version`, which need not have seen the last event.
#[derive(Clone, Debug)]
pub(super) struct Window {
    tracker: Tracker,
    base: Option<Local>,
    version: Heads,
    done: Local,
    remembered: Remembered,
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
        effort: &mut Effort,
        mut emit: impl FnMut(Change),
    ) -> Result<(), Stopped> {
        let events = Span::new(from, log.len());
        if walks_far(log, events) {
            let window = self.window(log, from, len);
            window.done = events.end;
            for part in log.graph().plan(events) {
                window.apply(log, part, NOBODY, effort)?;
            }
            arrival::changes_since(from, &window.tracker, emit);
            return Ok(());
        }
        for run in log.graph().runs_in(events) {
            let events = Span::new(run.span.start.max(from), run.span.end);
            self.advance_over(log, events, &mut len, effort, &mut emit)?;
        }
        Ok(())
    }

    /// The same for a part of one run. `len` is kept up to date.
    pub(crate) fn advance_over(
        &mut self,
        log: &TextLog,
        events: Span,
        len: &mut u32,
        effort: &mut Effort,
        mut emit: impl FnMut(Change),
    ) -> Result<(), Stopped> {
        if log.graph().run_at(events.start).saw_all {
            return Ok(linear::apply(log.contents(), events, len, emit)?);
        }
        let window = self.window(log, events.start, *len);
        window.done = events.end;
        let emit = |change: Change| {
            *len = change.resized(*len);
            emit(change);
        };
        window.receive(log, events, emit, effort)
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
    pub(crate) fn assert_invariants(&self, log: &TextLog) {
        if let Some(window) = &self.window {
            window.tracker.assert_invariants();
            window.assert_remembered(log);
            let done = window.base.map_or(Local(0), |base| base + 1);
            assert!(window.done >= done, "a window from {done:?} that has done up to {:?}", window.done);
        }
    }

    /// How often a version was remembered or recalled in the open window.
    #[cfg(test)]
    pub(crate) fn uses_of_versions(&self) -> u64 {
        self.window.as_ref().map_or(0, |window| window.remembered.uses())
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
        let (version, done) = (base.into_iter().collect(), base.map_or(Local(0), |base| base + 1));
        Self { tracker, base, version, done, remembered: Remembered::default() }
    }

    /// What the events applied have made of the text that the window began with.
    pub(super) fn outcome(&self) -> impl Iterator<Item = Stretch> {
        self.tracker.outcome()
    }

    /// A window that begins at a critical version with a text of `len` chars.
    pub(super) fn after(base: Option<Local>, len: u32) -> Self {
        Self { tracker: Tracker::at_text_of(len), ..Self::from(base) }
    }

    /// What is remembered of a version is what the tracker finds there.
    #[cfg(test)]
    fn assert_remembered(&self, log: &TextLog) {
        let mut walker = Self { remembered: Remembered::default(), ..self.clone() };
        for (version, snapshot) in self.remembered.all() {
            snapshot.assert_invariants();
            let walked = walker.walk(log, &version, &mut Effort::endless());
            assert_eq!(walked, Ok(()));
            assert_eq!(snapshot.stretches(), walker.tracker.snapshot().stretches(), "the version of {version:?}");
        }
    }

    fn catch_up(&mut self, log: &TextLog, at: Local, len: u32) {
        if self.done == at {
            return;
        }
        let behind = Span::new(self.done, at);
        // A window that begins now may be walked in the best order; one that goes on has little to catch up with.
        for events in log.graph().plan(behind) {
            let applied = self.apply(log, events, NOBODY, &mut Effort::endless());
            assert!(applied.is_ok(), "events that were checked when they came do not fit now: {applied:?}");
        }
        self.done = at;
        self.tracker.settle(len);
    }

    /// Applies a part of a run that comes by itself, wherever that costs least: at what is remembered of its parents, where its
    /// author types on, beside what they typed last, or here, having walked to its parents.
    fn receive(
        &mut self,
        log: &TextLog,
        events: Span,
        mut listener: impl FnMut(Change),
        effort: &mut Effort,
    ) -> Result<(), Stopped> {
        let parents = log.graph().parents_of(events.start);
        if parents == self.version {
            return self.apply_here(log, events, Some(listener), effort);
        }
        if let Some(snapshot) = self.remembered.take_along(log.graph(), events.start, &parents) {
            return self.apply_at(snapshot, log, events, Some(listener), effort);
        }
        let is_near = parents.first().is_some_and(|&parent| self.remembered.is_near(log.graph(), parent));
        let events = match is_near {
            true => events,
            false => self.type_on(log, &parents, events, Some(&mut listener), effort)?,
        };
        if events.is_empty() {
            return Ok(());
        }
        let parents = log.graph().parents_of(events.start);
        let Self { tracker, version, remembered, .. } = self;
        if let Some(snapshot) = remembered.reach(log, events.start, &parents, version, tracker, effort)? {
            return self.apply_at(snapshot, log, events, Some(listener), effort);
        }
        let before = self.tracker.steps();
        self.walk(log, &parents, effort)?;
        self.remembered.walked(self.tracker.steps() - before, &parents, &self.tracker, self.base);
        self.apply_here(log, events, Some(listener), effort)
    }

    /// Applies, at whatever version, a part of a run for as long as its author types on, and returns the rest.
    fn type_on(
        &mut self,
        log: &TextLog,
        parents: &[Local],
        events: Span,
        mut listener: Option<impl FnMut(Change)>,
        effort: &mut Effort,
    ) -> Result<Span, Stopped> {
        let mut start = events.start;
        let before = parents.first().filter(|_| log.graph().goes_on(start));
        let before = before.and_then(|&before| log.contents().of(Span::new(before, before + 1)).next());
        let Some(mut before) = before else { return Ok(events) };
        #[cfg(test)]
        let walker = self.clone();
        for operation in log.contents().of(events) {
            let order = |a, b| log.graph().compare(a, b);
            let steps = self.tracker.steps();
            start = start + self.tracker.type_on(before, operation, order, listener.as_mut());
            effort.spend(self.tracker.steps() - steps)?;
            if start < operation.events.end {
                break;
            }
            before = operation;
        }
        #[cfg(test)]
        walker.assert_walks_to(log, Span::new(events.start, start), self);
        Ok(Span::new(start, events.end))
    }

    /// Walking to their parents and applying some events there comes to the same as typing on has.
    #[cfg(test)]
    fn assert_walks_to(mut self, log: &TextLog, events: Span, other: &Self) {
        if !events.is_empty() {
            let parents = log.graph().parents_of(events.start);
            assert_eq!(self.walk(log, &parents, &mut Effort::endless()), Ok(()));
            assert_eq!(self.apply_here(log, events, NOBODY, &mut Effort::endless()), Ok(()));
            assert_eq!(
                other.tracker.laid_out(),
                self.tracker.laid_out(),
                "after {events:?} by typing on and by walking"
            );
        }
    }

    /// Applies a part of a run, having walked to its parents where its author does not just type on. What changes is only
    /// worked out for somebody who listens.
    ///
    /// What is left to do of one walk or operation when the effort is spent is done: it is at most one pass over the window.
    pub(super) fn apply(
        &mut self,
        log: &TextLog,
        events: Span,
        mut listener: Option<impl FnMut(Change)>,
        effort: &mut Effort,
    ) -> Result<(), Stopped> {
        let parents = log.graph().parents_of(events.start);
        if parents == self.version {
            return self.apply_here(log, events, listener, effort);
        }
        let events = self.type_on(log, &parents, events, listener.as_mut(), effort)?;
        if events.is_empty() {
            return Ok(());
        }
        self.walk(log, &log.graph().parents_of(events.start), effort)?;
        self.apply_here(log, events, listener, effort)
    }

    /// Makes another version the current one.
    fn walk(&mut self, log: &TextLog, to: &Heads, effort: &mut Effort) -> Result<(), Stopped> {
        let diff = log.graph().diff(&self.version, to);
        // Many runs of the graph may be one of elements, and finding the way took a little for each.
        let passed: usize = diff.only_a.iter().chain(&diff.only_b).map(|&span| log.graph().runs_among(span)).sum();
        effort.spend(passed as u64 / RUNS_A_STEP)?;
        let before = self.tracker.steps();
        diff.only_a.iter().for_each(|&seen| self.tracker.retreat(seen));
        diff.only_b.iter().rev().for_each(|&unseen| self.tracker.advance(unseen));
        self.version.clone_from(to);
        Ok(effort.spend(self.tracker.steps() - before)?)
    }

    /// Applies a part of a run made at the current version, which then has seen it.
    fn apply_here(
        &mut self,
        log: &TextLog,
        events: Span,
        listener: Option<impl FnMut(Change)>,
        effort: &mut Effort,
    ) -> Result<(), Stopped> {
        self.apply_operations(None, log, events, listener, effort)?;
        self.version = Heads::from_slice(&[events.end - 1]);
        Ok(())
    }

    /// Applies a part of a run made at the version of a snapshot, and remembers what that becomes.
    fn apply_at(
        &mut self,
        mut snapshot: Snapshot,
        log: &TextLog,
        events: Span,
        listener: Option<impl FnMut(Change)>,
        effort: &mut Effort,
    ) -> Result<(), Stopped> {
        self.apply_operations(Some(&mut snapshot), log, events, listener, effort)?;
        self.remembered.keep(events.end - 1, snapshot, &self.tracker);
        Ok(())
    }

    fn apply_operations(
        &mut self,
        mut snapshot: Option<&mut Snapshot>,
        log: &TextLog,
        events: Span,
        mut listener: Option<impl FnMut(Change)>,
        effort: &mut Effort,
    ) -> Result<(), Stopped> {
        for operation in log.contents().of(events) {
            let before = self.tracker.steps();
            let order = |a, b| log.graph().compare(a, b);
            let applied = self.tracker.apply(snapshot.as_deref_mut(), operation, order, listener.as_mut());
            applied.map_err(|range| Misplaced { event: operation.events.start, range })?;
            effort.spend(self.tracker.steps() - before)?;
        }
        Ok(())
    }
}

/// Whether there is much to retreat and advance on the way through new events in the order of the log, for what they and
/// the log are.
fn walks_far(log: &TextLog, events: Span) -> bool {
    let held = log.contents().run_count();
    let most = LEAST_WALKED + if cfg!(test) { 0 } else { 8 * log.contents().runs_among(events) + held / 8 };
    // Each run of operations cuts at most one of elements in two; and finding the way passes each run of the graph, of which
    // many may be one of operations.
    let runs = |span: &Span| (span.len() as usize).min(2 * held + log.graph().runs_among(*span));
    let (mut walked, mut last) = (0, None);
    for run in log.graph().runs_in(events) {
        if let Some(last) = last.filter(|_| !run.saw_all && run.span.start > events.start) {
            let diff = log.graph().diff(&[last], run.parents);
            walked += diff.only_a.iter().chain(&diff.only_b).map(runs).sum::<usize>();
            if walked > most {
                return true;
            }
        }
        last = Some(run.span.end - 1);
    }
    false
}
