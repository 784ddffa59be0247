//! Short windows: a few dozen runs of a few authors.
//!
//! Most concurrency between people who are online is like this: they type at the same time, each sees the other a
//! moment later, and soon somebody has seen everything. Building and dropping a tree and walking back and forth would
//! cost more than what happens in such a window, so its elements stand in a list and every version is a handful of
//! bounds ([`crate::sequence::short`]). The runs are taken as they stand in the log; that is one of the orders in which
//! parents come first, and here no other one is cheaper.

use super::{Misplaced, Stopped, TextLog};
use crate::graph::{AgentIndex, RunView};
use crate::id::{Local, Span};
use crate::log::{Block, Effort, Past};
use crate::sequence::short::{Author, Folded, MOST_AUTHORS, Seen, Short};
use crate::text::draft::{Draft, Piece};
use crate::text::operations::{Fragment, Kind};

/// Runs of operations in a short window that somebody still to come has not seen: however long people go on, a window is
/// short while each sees soon what the others do. Each run scans the elements of those, so the cost grows with the square;
/// measured on windows of all sizes, the tree is ahead from about here. Small in unit tests, so that both ways are
/// gone.
const MOST_RUNS: usize = if cfg!(test) { 12 } else { 192 };

/// Element runs from which on they are folded. Small in unit tests, so that they are.
const LEAST_FOLDED: usize = if cfg!(test) { 3 } else { 64 };

/// Whoever inserts or removes looks at the elements of the window, of which so many cost as much as a step of the tracker.
const ELEMENTS_A_STEP: usize = 14;

/// Replays short windows, one after the other, in the same room.
#[derive(Debug, Default)]
pub(super) struct Shortcut {
    elements: Short,
    authors: Vec<AgentIndex>,
    runs: Vec<Walked>,
    /// Where versions end, within runs, that some event of the window has for parents.
    cuts: Vec<Local>,
    /// What all runs from each one on have seen; empty until the elements are folded.
    settled: Vec<Seen>,
    /// What is inserted between two runs of the text before the window.
    pieces: Vec<Piece>,
}

/// A run of the window.
#[derive(Clone, Copy, Debug)]
struct Walked {
    span: Span,
    author: Author,
    /// At its first event.
    seen: Seen,
}

impl Walked {
    /// Whether a version has seen all of it.
    fn is_within(&self, version: &Seen) -> bool {
        version.has(self.author, self.span.end.0 - 1)
    }
}

impl Shortcut {
    /// Makes what the events of a window do to the draft of the text before it. False, with nothing done, when the
    /// window is not short.
    pub(super) fn replay(
        &mut self,
        log: &TextLog,
        past: Option<&Past>,
        window: Span,
        draft: &mut Draft,
        effort: &mut Effort,
    ) -> Result<bool, Stopped> {
        match past {
            Some(past) => self.recall(log, past, window),
            None if !self.survey(log, window) => return Ok(false),
            None => {}
        }
        if log.contents().runs_among(window) > MOST_RUNS && !self.stays_short(log) {
            return Ok(false);
        }
        self.elements.begin(draft.len());
        let (mut number, mut fold_at) = (0, LEAST_FOLDED);
        let mut cut = 0;
        let Some(mut run) = self.runs.first().copied() else { return Ok(true) };
        for mut fragment in log.contents().fragments(window) {
            // A fragment of what one run did; of removals, up to where some version ends.
            while !fragment.events.is_empty() {
                let start = fragment.events.start;
                if start == run.span.end {
                    number += 1;
                    let Some(next) = self.runs.get(number) else { break };
                    run = *next;
                    self.elements.turn();
                    if self.elements.len() > fold_at {
                        self.fold(number, log, draft);
                        fold_at = LEAST_FOLDED.max(2 * self.elements.len());
                    }
                }
                while self.cuts.get(cut).is_some_and(|&cut| cut <= start) {
                    cut += 1;
                }
                let end = match self.cuts.get(cut) {
                    Some(&cut) if fragment.kind != Kind::Insert => cut.min(run.span.end),
                    _ => run.span.end,
                };
                let rest = fragment.split_off(end);
                run.seen.add(run.author, start);
                effort.spend((self.elements.len() / ELEMENTS_A_STEP) as u64)?;
                if let Some(mut inserted) = apply(&mut self.elements, log, &fragment, &run)? {
                    while let Some(&at) = self.cuts.get(cut).filter(|&&at| at < fragment.events.end) {
                        inserted = self.elements.cut(inserted, at);
                        cut += 1;
                    }
                }
                fragment = rest;
            }
        }
        self.draw(&Seen::ALL, log, draft);
        Ok(true)
    }

    fn clear(&mut self) {
        self.authors.clear();
        self.runs.clear();
        self.cuts.clear();
        self.settled.clear();
    }

    /// Notes the runs, their authors and versions, and the cuts, as they are known.
    fn recall(&mut self, log: &TextLog, past: &Past, window: Span) {
        const AUTHORS: [Author; size_of::<Block>() / size_of::<i32>()] = Author::first();
        self.clear();
        let first = log.graph().run_number(window.start);
        for (number, run) in (first..).zip(log.graph().runs_in(window)) {
            let author = AUTHORS[run.agent.number() % AUTHORS.len()];
            let (span, is_whole) = (run.span.within(window), run.span.start >= window.start);
            let seen = if is_whole { Seen::with_bounds(past.of_run(number)) } else { Seen::before(window.start) };
            self.runs.push(Walked { span, author, seen });
        }
        self.cuts.extend(past.cuts_in(window));
    }

    /// Finds them out. False when there are too many authors.
    fn survey(&mut self, log: &TextLog, window: Span) -> bool {
        self.clear();
        for run in log.graph().runs_in(window) {
            let Some(author) = self.author(run.agent) else { return false };
            let span = run.span.within(window);
            let seen =
                if span.start == run.span.start { self.version(&run, window) } else { Seen::before(window.start) };
            self.runs.push(Walked { span, author, seen });
        }
        self.cuts.sort_unstable();
        self.cuts.dedup();
        true
    }

    fn author(&mut self, agent: AgentIndex) -> Option<Author> {
        let known = self.authors.iter().position(|&other| other == agent);
        if known.is_none() {
            if self.authors.len() == MOST_AUTHORS {
                return None;
            }
            self.authors.push(agent);
        }
        Author::numbered(known.unwrap_or(self.authors.len() - 1))
    }

    /// What the parents of a run have seen, themselves included.
    fn version(&mut self, run: &RunView<'_>, window: Span) -> Seen {
        let mut seen = Seen::before(window.start);
        for &parent in run.parents.iter().filter(|&&parent| parent >= window.start) {
            // Without branches, for which one it is cannot be foreseen.
            let after = self.runs.partition_point(|run| run.span.start <= parent);
            let Some(parents_run) = after.checked_sub(1).map(|number| &self.runs[number]) else {
                unreachable!("{parent:?} stands in the log before {run:?}")
            };
            seen.join(&parents_run.seen, parents_run.author, parent + 1);
            if parent + 1 < parents_run.span.end {
                self.cuts.push(parent + 1);
            }
        }
        seen
    }

    /// Whether there are never more than [`MOST_RUNS`] runs that somebody still to come has not seen.
    fn stays_short(&mut self, log: &TextLog) -> bool {
        self.settle();
        let mut open = 0;
        self.runs.iter().zip(&self.settled).all(|(run, settled)| {
            while self.runs[open].span.start < run.span.start && self.runs[open].is_within(settled) {
                open += 1;
            }
            log.contents().runs_among(Span::new(self.runs[open].span.start, run.span.start)) <= MOST_RUNS
        })
    }

    /// Finds out what all runs from each one on have seen.
    fn settle(&mut self) {
        if self.settled.is_empty() {
            let mut all = Seen::ALL;
            self.settled.extend(self.runs.iter().rev().map(|run| {
                all.meet(&run.seen);
                all
            }));
            self.settled.reverse();
        }
    }

    /// Folds what the run with this number and all behind it have seen.
    fn fold(&mut self, number: usize, log: &TextLog, draft: &mut Draft) {
        self.settle();
        let settled = self.settled[number];
        self.draw(&settled, log, draft);
    }

    /// Folds what a version has seen, and makes it to the draft.
    fn draw(&mut self, seen: &Seen, log: &TextLog, draft: &mut Draft) {
        let (mut at, mut waiting) = (0, 0);
        let pieces = &mut self.pieces;
        self.elements.fold(seen, |folded| {
            if let Folded::Inserted(first, len, run) = folded {
                pieces.push(Piece { source: log.contents().source(run, first), len });
                waiting += len;
                return;
            }
            if !pieces.is_empty() {
                draft.insert_all(at, pieces);
                at += std::mem::take(&mut waiting);
                pieces.clear();
            }
            match folded {
                Folded::Kept(len) => at += len,
                Folded::Removed(len) => draft.remove(at, len),
                Folded::Inserted(..) => {}
            }
        });
        draft.insert_all(at, pieces);
        pieces.clear();
    }
}

/// Applies what a run did. Returns where its insertions stand, if it inserts.
fn apply(elements: &mut Short, log: &TextLog, fragment: &Fragment, run: &Walked) -> Result<Option<usize>, Misplaced> {
    let &Fragment { events, kind, at, source } = fragment;
    let Walked { author, seen, .. } = run;
    let applied = match kind {
        Kind::Insert => {
            let order = |a, b| log.graph().compare(a, b);
            elements.insert(at, events, (*author, source.run), seen, order).map(Some)
        }
        Kind::Delete => elements.remove(at, events, false, *author, seen).map(|()| None),
        Kind::Backspace => elements.remove(at, events, true, *author, seen).map(|()| None),
    };
    applied.map_err(|range| Misplaced { event: events.start, range })
}
