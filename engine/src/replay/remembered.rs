//! Versions far apart at which events are made by turns.
//!
//! A tracker is at one version, and an event that was made at another one costs the way there. Two who were offline for long
//! and whose events come by turns, each as a message of its own, make that the length of a branch for every event. So where
//! the ways have become longer than the window is, the version at which an event was made is remembered as a [`Snapshot`];
//! the next event of that branch is applied there, and the snapshot goes on with it, while the tracker stays where the
//! others are.
//!
//! ```text
//!           ┌─ a a a a a a          the tracker is here: the next a is applied as ever
//!   ──●─────┤
//!           └─ b b b b b b          remembered: the next b is applied here; nobody walks
//! ```
//!
//! Versions from which somebody else branches stay remembered for a while, so that the next one who branches nearby begins
//! from there: only what lies in between is gone over, or, in front of the first one, what lies behind the window's base. An event that merges begins from the parent that has seen most of
//! the others, and is told the rest. Where that is more than the tracker has to walk, the tracker walks.
//!
//! Costs: an event whose parent is remembered O(log n). k runs of operations behind a remembered version O(k log n), those
//! of other branches O(k log² n). A snapshot is made in O(n) after ways of n steps, and O(n / 8) are kept, those used last.
//! None is made where the tracker gets by with short ways, as in what people write online, or with steps in proportion to
//! the window; and they go with the window, when a critical version closes it.

use super::TextLog;
use crate::graph::{Diff, Graph, Heads};
use crate::id::{Local, Span};
use crate::log::{Effort, Spent};
use crate::sequence::snapshot::Snapshot;
use crate::text::tracker::{Tracker, go_on};
use std::collections::BTreeMap;

/// Steps from which on a way is long. Among people who are online, fifty of them too, ways are shorter, and to walk them costs
/// less than to look for a version. Small in unit tests, so that both ways are gone.
const LONG: u64 = if cfg!(test) { 2 } else { 512 };
/// Steps on long ways, besides two for each run of elements, after which a version is remembered. Small in unit tests as well.
const LEAST_WALKED: u64 = if cfg!(test) { 4 } else { 1024 };
/// So many versions are kept, or one for each few runs of elements. Few in unit tests, so that some are forgotten.
const LEAST_KEPT: usize = if cfg!(test) { 2 } else { 64 };
const RUNS_EACH: usize = if cfg!(test) { 16 } else { 8 };
/// So many runs of the graph are passed in search of a remembered version.
const MOST_BACK: usize = 64;
/// So many parents are tried for that.
const MOST_TRIED: usize = 4;
/// Runs of operations that are gone over without asking whether the tracker has less to walk; and so many runs of the graph
/// behind a remembered version is near it.
const NEAR: usize = if cfg!(test) { 2 } else { 8 };
/// What telling a snapshot of a run of operations costs, in steps: by its index, where it goes on from the snapshot's
/// version, or by the order of the elements.
const STEPS_BY_INDEX: usize = 3;
const STEPS_BY_ORDER: usize = 10;

/// Invariant: each snapshot is of the version that its event alone makes.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered {
    /// The version that the window begins at, from when another one is remembered.
    base: Option<(Heads, Snapshot)>,
    kept: BTreeMap<Local, Kept>,
    /// Counts the uses of all.
    uses: u64,
    /// Steps on long ways since a version was remembered last.
    walked: u64,
}

#[derive(Clone, Debug)]
struct Kept {
    snapshot: Snapshot,
    /// When it was used last.
    used: u64,
}

/// How to come to a version from a remembered one.
struct Way {
    from: Heads,
    /// What is to be told, in the order of the log.
    parts: Vec<Span>,
    /// In steps.
    cost: usize,
}

impl Remembered {
    /// The tracker has taken so many steps from one version to another, the last one at the version of `parents`. Where
    /// that has become too many, this version is remembered. `base` is what the window began with.
    pub(super) fn walked(&mut self, steps: u64, parents: &[Local], tracker: &Tracker, base: Option<Local>) {
        if steps < LONG {
            return;
        }
        self.walked += steps;
        if let &[parent] = parents
            && self.walked > LEAST_WALKED + 2 * tracker.run_count() as u64
        {
            self.walked = 0;
            self.base.get_or_insert_with(|| (base.into_iter().collect(), tracker.base_snapshot()));
            self.keep(parent, tracker.snapshot(), tracker);
        }
    }

    /// Whether a version is remembered just behind an event. Whoever goes on from there is to take it along, lest it be too
    /// far behind when they go elsewhere.
    pub(super) fn is_near(&self, graph: &Graph, event: Local) -> bool {
        self.last_before(graph, event, NEAR).is_some()
    }

    /// The elements at the version at which an event was made, when that is remembered and its author's: whoever goes on takes
    /// the snapshot along, as nobody else needs it, mostly.
    pub(super) fn take_along(&mut self, graph: &Graph, event: Local, parents: &[Local]) -> Option<Snapshot> {
        match parents {
            &[parent] if self.kept.contains_key(&parent) && is_by_one(graph, parent, event) => {
                Some(self.kept.remove(&parent)?.snapshot)
            }
            _ => None,
        }
    }

    /// The same where a version is remembered from which it is nearer than from `version`, the tracker's.
    pub(super) fn reach(
        &mut self,
        log: &TextLog,
        event: Local,
        parents: &[Local],
        version: &[Local],
        tracker: &Tracker,
        effort: &mut Effort,
    ) -> Result<Option<Snapshot>, Spent> {
        if self.base.is_none() {
            return Ok(None);
        }
        let Some(way) = self.way(log, parents, version) else { return Ok(None) };
        effort.spend(way.cost as u64)?;
        let Some(mut snapshot) = self.recall(&way.from) else { return Ok(None) };
        advance(&mut snapshot, log, &way, tracker);
        if let &[parent] = parents
            && !is_by_one(log.graph(), parent, event)
            && !way.parts.is_empty()
        {
            self.keep(parent, snapshot.clone(), tracker);
        }
        Ok(Some(snapshot))
    }

    /// Remembers the version that an event makes.
    pub(super) fn keep(&mut self, event: Local, snapshot: Snapshot, tracker: &Tracker) {
        self.uses += 1;
        self.kept.insert(event, Kept { snapshot, used: self.uses });
        if self.kept.len() > LEAST_KEPT.max(tracker.run_count() / RUNS_EACH) {
            self.forget_some();
        }
    }

    fn recall(&mut self, version: &[Local]) -> Option<Snapshot> {
        self.uses += 1;
        if let &[event] = version
            && let Some(kept) = self.kept.get_mut(&event)
        {
            kept.used = self.uses;
            return Some(kept.snapshot.clone());
        }
        self.base.as_ref().filter(|(base, _)| **base == *version).map(|(_, snapshot)| snapshot.clone())
    }

    /// Forgets the half that was not used for longest.
    fn forget_some(&mut self) {
        let mut uses: Vec<u64> = self.kept.values().map(|kept| kept.used).collect();
        let middle = uses.len() / 2;
        let (_, &mut since, _) = uses.select_nth_unstable(middle);
        self.kept.retain(|_, kept| kept.used >= since);
    }

    /// The shortest way found to a version from one before it that is remembered, unless the tracker has less to walk.
    fn way(&self, log: &TextLog, parents: &[Local], version: &[Local]) -> Option<Way> {
        let near = parents
            .iter()
            .rev()
            .take(MOST_TRIED)
            .filter_map(|&parent| self.last_before(log.graph(), parent, MOST_BACK));
        let ways = near.filter_map(|from| Way::between(log, Heads::from_slice(&[from]), parents));
        let from_base = || self.base.as_ref().and_then(|(base, _)| Way::between(log, base.clone(), parents));
        let way = ways.min_by_key(|way| way.cost).or_else(from_base)?;
        let runs = way.cost / STEPS_BY_INDEX;
        (runs <= NEAR || !walks_less(log, version, parents, way.cost)).then_some(way)
    }

    /// The last remembered version among an event and so many runs that have come before it, along the newest parents.
    fn last_before(&self, graph: &Graph, mut event: Local, runs: usize) -> Option<Local> {
        let (&first, _) = self.kept.first_key_value()?;
        for _ in 0..runs {
            if event < first {
                break;
            }
            let run = graph.run_at(event);
            if let Some((&found, _)) = self.kept.range(run.span.start..=event).next_back() {
                return Some(found);
            }
            event = *run.parents.last()?;
        }
        None
    }
}

impl Way {
    fn between(log: &TextLog, from: Heads, parents: &[Local]) -> Option<Self> {
        let Diff { only_b: mut parts, .. } = log.graph().diff_within(&from, parents, 2 * MOST_BACK)?;
        parts.reverse();
        let runs: usize = parts.iter().map(|&part| log.contents().runs_among(part)).sum();
        let each = if goes_straight(log.graph(), &from, &parts) { STEPS_BY_INDEX } else { STEPS_BY_ORDER };
        Some(Self { from, parts, cost: each * runs })
    }
}

/// Whether one author made both.
fn is_by_one(graph: &Graph, a: Local, b: Local) -> bool {
    graph.run_at(a).agent == graph.run_at(b).agent
}

/// Whether each of some events was made at the version that the one before it makes, the first one at `from`.
fn goes_straight(graph: &Graph, from: &Heads, parts: &[Span]) -> bool {
    let mut last = from.clone();
    parts.iter().all(|&part| {
        graph.runs_in(part).all(|run| {
            let events = run.span.within(part);
            let straight = graph.parents_of(events.start) == last;
            last = Heads::from_slice(&[events.end - 1]);
            straight
        })
    })
}

/// Whether a tracker has fewer steps to walk between two versions than these.
fn walks_less(log: &TextLog, from: &[Local], to: &[Local], steps: usize) -> bool {
    let diff = log.graph().diff_within(from, to, steps);
    let runs = |diff: Diff| diff.only_a.iter().chain(&diff.only_b).map(|&span| log.contents().runs_among(span)).sum();
    diff.map(runs).is_some_and(|runs: usize| runs < steps)
}

/// Brings a snapshot over what lies on a way.
fn advance(snapshot: &mut Snapshot, log: &TextLog, way: &Way, tracker: &Tracker) {
    let mut version = Some(way.from.clone());
    for &part in &way.parts {
        for run in log.graph().runs_in(part) {
            let events = run.span.within(part);
            // Made at the snapshot's version, their indexes are as good there.
            if version.is_some_and(|version| log.graph().parents_of(events.start) == version) {
                log.contents().of(events).for_each(|operation| go_on(snapshot, operation));
                version = Some(Heads::from_slice(&[events.end - 1]));
            } else {
                tracker.advance_snapshot(snapshot, events);
                version = None;
            }
        }
    }
}

#[cfg(test)]
impl Remembered {
    pub(super) fn uses(&self) -> u64 {
        self.uses
    }

    /// Every version that is remembered.
    pub(super) fn all(&self) -> impl Iterator<Item = (Heads, &Snapshot)> {
        let base = self.base.iter().map(|(version, snapshot)| (version.clone(), snapshot));
        base.chain(self.kept.iter().map(|(&event, kept)| (Heads::from_slice(&[event]), &kept.snapshot)))
    }
}
