//! What one version has seen and another has not, and which of a set of events have seen each other.
//!
//! All of it walks backwards from the newest event by runs, through a heap, and stops as soon as what is left is
//! common. A walk that passes much in vain, because something old is still to be met, gives up and asks the
//! [`Ancestry`].

use super::ancestry::{Ancestry, Outlook};
use super::{Graph, Heads};
use crate::id::{Local, Span};
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU32, Ordering as AtomicOrdering};

/// The events of one version that another lacks, newest span first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Diff {
    pub(crate) only_a: Vec<Span>,
    pub(crate) only_b: Vec<Span>,
}

const A: u8 = 1;
const B: u8 = 2;
const BOTH: u8 = A | B;

impl Graph {
    /// The events only in `a` and only in `b`. O(k log n) for the k runs of these events.
    pub(crate) fn diff(&self, a: &[Local], b: &[Local]) -> Diff {
        let mut diff = Diff::default();
        if a == b {
            return diff;
        }
        if let (&[a], &[b]) = (a, b)
            && self.diff_of_branches(a, b, &mut diff)
        {
            return diff;
        }
        let mut patience = self.patience();
        let mut heap: BinaryHeap<(Local, u8)> = BinaryHeap::with_capacity(a.len() + b.len());
        heap.extend(a.iter().map(|&event| (event, A)));
        heap.extend(b.iter().map(|&event| (event, B)));
        // How many entries of the heap are not common.
        let mut apart = heap.len();
        while apart > 0 {
            let Some((mut event, mut side)) = heap.pop() else { break };
            apart -= usize::from(side != BOTH);
            let run = self.run_at(event);
            loop {
                // Another entry on the same run ends this one's part of it.
                let below = heap.peek().filter(|(other, _)| *other >= run.span.start).copied();
                let start = below.map_or(run.span.start, |(other, _)| other + 1);
                let part = Span::new(start.min(event + 1), event + 1);
                match side {
                    A => add_below(&mut diff.only_a, part),
                    B => add_below(&mut diff.only_b, part),
                    _ => {}
                }
                let Some((other, other_side)) = below else { break };
                heap.pop();
                apart -= usize::from(other_side != BOTH);
                event = other;
                side |= other_side;
            }
            if side == BOTH && !patience.spend(run.parents) {
                return self.diff_by_ancestry(a, b);
            }
            for &parent in run.parents {
                heap.push((parent, side));
                apart += usize::from(side != BOTH);
            }
        }
        diff
    }

    /// The same, unless more than so many runs are passed on the way: then nothing.
    pub(crate) fn diff_within(&self, a: &[Local], b: &[Local], most: usize) -> Option<Diff> {
        let mut diff = Diff::default();
        let mut heap: BinaryHeap<(Local, u8)> = BinaryHeap::with_capacity(a.len() + b.len());
        heap.extend(a.iter().map(|&event| (event, A)));
        heap.extend(b.iter().map(|&event| (event, B)));
        let (mut apart, mut passed) = (heap.len(), 0);
        while apart > 0
            && let Some((event, mut side)) = heap.pop()
        {
            apart -= usize::from(side != BOTH);
            while let Some((_, other)) = heap.peek().copied().filter(|(other, _)| *other == event) {
                heap.pop();
                apart -= usize::from(other != BOTH);
                side |= other;
            }
            passed += 1;
            if passed > most {
                return None;
            }
            let run = self.run_at(event);
            // What else begins within the run ends this part of it.
            let below = heap.peek().filter(|(other, _)| *other >= run.span.start).map(|&(other, _)| other);
            let part = Span::new(below.map_or(run.span.start, |below| below + 1), event + 1);
            match side {
                A => add_below(&mut diff.only_a, part),
                B => add_below(&mut diff.only_b, part),
                _ => {}
            }
            let next = below.as_slice();
            for &parent in if next.is_empty() { run.parents } else { next } {
                heap.push((parent, side));
                apart += usize::from(side != BOTH);
            }
        }
        Some(diff)
    }

    /// The difference of two events on branches that have not merged anything since they parted: the usual case, for
    /// which no heap is needed. False, with nothing found, when there is a merge on the way.
    fn diff_of_branches(&self, mut a: Local, mut b: Local, diff: &mut Diff) -> bool {
        while a != b {
            let (newer, older) = (a.max(b), a.min(b));
            let run = self.run_at(newer);
            let side = if newer == a { &mut diff.only_a } else { &mut diff.only_b };
            if run.span.start <= older {
                add_below(side, Span::new(older + 1, newer + 1));
                return true;
            }
            let &[parent] = run.parents else {
                *diff = Diff::default();
                return false;
            };
            add_below(side, Span::new(run.span.start, newer + 1));
            *(if newer == a { &mut a } else { &mut b }) = parent;
        }
        true
    }

    /// Whether a version has seen an event.
    pub(crate) fn has_seen(&self, version: &[Local], event: Local) -> bool {
        if version.contains(&event) {
            return true;
        }
        let mut patience = self.patience();
        let mut heap: BinaryHeap<Local> = version.iter().copied().filter(|&head| head > event).collect();
        while let Some(head) = heap.pop() {
            let run = self.run_at(head);
            if run.span.start <= event {
                return true;
            }
            while heap.peek().is_some_and(|&other| other >= run.span.start) {
                heap.pop();
            }
            if !patience.spend(run.parents) {
                let ancestry = self.ancestry();
                return ancestry.bound(&mut ancestry.outlook(self, version), self.run_number(event)) > event;
            }
            heap.extend(run.parents.iter().copied().filter(|&parent| parent >= event));
        }
        false
    }

    /// One of these events (ascending) that another one of them has in its past, if any.
    pub(crate) fn dominated(&self, events: &[Local]) -> Option<Local> {
        let (&oldest, _) = events.split_first().filter(|(_, rest)| !rest.is_empty())?;
        // Nobody has seen a head.
        if events.iter().all(|&event| self.is_head(event)) {
            return None;
        }
        let mut patience = self.patience();
        // Each entry says whether it is one of the events itself, or was reached from one.
        let mut heap: BinaryHeap<(Local, bool)> = events.iter().map(|&event| (event, false)).collect();
        while let Some((event, reached)) = heap.pop() {
            let run = self.run_at(event);
            while let Some(&(below, reached)) = heap.peek().filter(|(below, _)| *below >= run.span.start) {
                if !reached {
                    return Some(below);
                }
                heap.pop();
            }
            if reached && !patience.spend(run.parents) {
                let ancestry = self.ancestry();
                let mut outlook = ancestry.outlook(self, events);
                let mut is_seen = |event: &Local| ancestry.is_dominated(&mut outlook, *event, self.run_number(*event));
                return events.iter().copied().find(|event| is_seen(event));
            }
            heap.extend(run.parents.iter().filter(|&&parent| parent >= oldest).map(|&parent| (parent, true)));
        }
        None
    }

    /// The events of the union of these that no other one of them has seen.
    pub(crate) fn minimal(&self, mut events: Heads) -> Heads {
        events.sort_unstable();
        events.dedup();
        while let Some(event) = self.dominated(&events) {
            events.retain(|other| *other != event);
        }
        events
    }

    /// The same as [`diff`](Self::diff), by what is known of each run: only what is found is walked.
    pub(super) fn diff_by_ancestry(&self, a: &[Local], b: &[Local]) -> Diff {
        let ancestry = self.ancestry();
        let unseen = |version, other| self.unseen(version, ancestry, &mut ancestry.outlook(self, other));
        Diff { only_a: unseen(a, b), only_b: unseen(b, a) }
    }

    /// The events of a version that another one lacks, newest span first.
    fn unseen(&self, version: &[Local], ancestry: &Ancestry, other: &mut Outlook) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut heap: BinaryHeap<Local> = version.iter().copied().collect();
        while let Some(event) = heap.pop() {
            let number = self.run_number(event);
            let run = self.run(number);
            while heap.peek().is_some_and(|&other| other >= run.span.start) {
                heap.pop();
            }
            let start = run.span.start.max(ancestry.bound(other, number));
            if start <= event {
                add_below(&mut spans, Span::new(start, event + 1));
                if start == run.span.start {
                    heap.extend(run.parents);
                }
            }
        }
        spans
    }

    fn ancestry(&self) -> &Ancestry {
        self.ancestry.get_or_init(|| Ancestry::of(self))
    }

    /// How many runs may be passed in vain before the ancestry is asked. As long as there is none: until all walks
    /// together have passed more than making it would have cost.
    fn patience(&self) -> Patience<'_> {
        let few = PATIENCE;
        let left = match self.ancestry.get() {
            Some(_) => few,
            None => (self.runs.len() as u32).saturating_mul(STRAYED_EACH).max(few).saturating_sub(self.strayed.get()),
        };
        Patience { all: left, left, strayed: &self.strayed }
    }
}

/// Runs that a walk may pass in vain: about what a look into the ancestry costs.
const PATIENCE: u32 = if cfg!(test) { 2 } else { 32 };
/// For each run of the graph, so many may be passed in vain before the ancestry is made: making it costs about as much.
const STRAYED_EACH: u32 = if cfg!(test) { 1 } else { 16 };

/// How many runs walks have passed in vain.
#[derive(Debug, Default)]
pub(super) struct Strayed(AtomicU32);

impl Strayed {
    fn get(&self) -> u32 {
        self.0.load(AtomicOrdering::Relaxed)
    }
}

impl Clone for Strayed {
    fn clone(&self) -> Self {
        Self(AtomicU32::new(self.get()))
    }
}

struct Patience<'a> {
    all: u32,
    left: u32,
    strayed: &'a Strayed,
}

impl Patience<'_> {
    /// For a run with these parents. False when there is none left.
    #[inline]
    fn spend(&mut self, parents: &[Local]) -> bool {
        self.left = self.left.saturating_sub(parents.len().max(1) as u32);
        self.left > 0
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        if self.left < self.all {
            // Of two walks at once one may go uncounted, which does no harm.
            self.strayed.0.store(self.strayed.get().saturating_add(self.all - self.left), AtomicOrdering::Relaxed);
        }
    }
}

/// Spans come from newest to oldest; touching ones become one.
fn add_below(spans: &mut Vec<Span>, part: Span) {
    match spans.last_mut() {
        _ if part.is_empty() => {}
        Some(last) if last.start == part.end => last.start = part.start,
        _ => spans.push(part),
    }
}
