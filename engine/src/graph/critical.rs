//! The critical versions, of which what comes later may drop some and a refusal brings them back.

use crate::id::{Local, Span};

/// Ranges of events, ascending. What is dropped or added after [`Criticals::settle`] can be taken back in O(1).
///
/// Invariant: the ranges are the first `kept` settled ones, of which the last ends at `last_end`, and then the fresh
/// ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Criticals {
    settled: Vec<Span>,
    kept: usize,
    last_end: Local,
    fresh: Vec<Span>,
}

impl From<Vec<Span>> for Criticals {
    fn from(fresh: Vec<Span>) -> Self {
        Self { fresh, ..Self::default() }
    }
}

impl Criticals {
    pub(super) fn len(&self) -> usize {
        self.kept + self.fresh.len()
    }

    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<Span> {
        if number >= self.kept {
            return self.fresh.get(number - self.kept).copied();
        }
        let Span { start, end } = self.settled[number];
        Some(Span { start, end: if number + 1 == self.kept { self.last_end } else { end } })
    }

    #[inline]
    pub(super) fn last(&self) -> Option<Span> {
        self.get(self.len().checked_sub(1)?)
    }

    /// How many ranges begin before an event.
    pub(super) fn count_before(&self, event: Local) -> usize {
        let begins_before = |span: &Span| span.start < event;
        match self.fresh.partition_point(begins_before) {
            0 => self.settled[..self.kept].partition_point(begins_before),
            fresh => self.kept + fresh,
        }
    }

    pub(super) fn push(&mut self, span: Span) {
        self.fresh.push(span);
    }

    /// The last range, if there is one, ends there.
    pub(super) fn end_last(&mut self, end: Local) {
        match self.fresh.last_mut() {
            Some(last) => last.end = end,
            None => self.last_end = end,
        }
    }

    /// Drops what is at or behind `end`. O(1) amortised when nothing is settled, else O(log n).
    #[inline]
    pub(super) fn drop_from(&mut self, end: Local) {
        if self.last().is_some_and(|last| last.end > end) {
            self.cut(end);
        }
    }

    fn cut(&mut self, end: Local) {
        while self.fresh.last().is_some_and(|last| last.start >= end) {
            self.fresh.pop();
        }
        if let Some(last) = self.fresh.last_mut() {
            last.end = last.end.min(end);
            return;
        }
        let kept = self.settled[..self.kept].partition_point(|span| span.start < end);
        let last_end = if kept == self.kept { self.last_end } else { self.last_settled_end(kept) };
        (self.kept, self.last_end) = (kept, last_end.min(end));
    }

    fn last_settled_end(&self, kept: usize) -> Local {
        kept.checked_sub(1).map_or(Local(0), |last| self.settled[last].end)
    }

    /// What is there now stays if what comes next is taken back.
    pub(super) fn settle(&mut self) {
        self.settled.truncate(self.kept);
        if let Some(last) = self.settled.last_mut() {
            last.end = self.last_end;
        }
        if self.settled.is_empty() {
            std::mem::swap(&mut self.settled, &mut self.fresh);
        } else {
            self.settled.append(&mut self.fresh);
        }
        self.take_back();
    }

    /// Takes back what was dropped and added since.
    pub(super) fn take_back(&mut self) {
        self.fresh.clear();
        self.kept = self.settled.len();
        self.last_end = self.last_settled_end(self.kept);
    }
}
