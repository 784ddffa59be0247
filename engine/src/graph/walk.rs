//! The order in which a stretch of history is replayed: one that keeps groups and branches together, so that little has
//! to be retreated and advanced in between. (Eg-walker, section 3.3: any order that respects the parents gives the same
//! text.)

use super::Graph;
use crate::id::{Local, Span};

impl Graph {
    /// The runs of `span` in an order in which parents come first and a run is followed by what goes on from it
    /// wherever it can be.
    ///
    /// A depth-first walk; of several branches the one that began last goes first. What goes first is retreated for the
    /// others and advanced again where they merge, so it should be the short one, and a branch that began later mostly
    /// is: on A1, a history in git, the other way round moves twelve times as many events. O(r log r) for the r runs of
    /// the span.
    pub(crate) fn plan(&self, span: Span) -> Vec<Span> {
        let runs: Vec<_> = self.runs_in(span).collect();
        let number_of = |event: Local| runs.partition_point(|run| run.span.start <= event) - 1;
        // Parents before children, sorted, so that the children of a run stand together. Those of its first events come
        // last, so that a run from whose every event somebody branches is retreated once.
        let mut waits = vec![0u32; runs.len()];
        let mut edges = Vec::new();
        for (child, run) in runs.iter().enumerate() {
            if run.span.start < span.start {
                continue;
            }
            for &parent in run.parents.iter().filter(|&&parent| parent >= span.start) {
                edges.push((number_of(parent), parent, child));
                waits[child] += 1;
            }
        }
        edges.sort_unstable();
        let mut ready: Vec<usize> = (0..runs.len()).rev().filter(|&number| waits[number] == 0).collect();
        let mut order = Vec::with_capacity(runs.len());
        while let Some(number) = ready.pop() {
            let run = runs[number].span;
            order.push(Span::new(run.start.max(span.start), run.end.min(span.end)));
            let first = edges.partition_point(|&(run, ..)| run < number);
            let children = edges[first..].iter().take_while(|&&(run, ..)| run == number);
            for &(.., child) in children {
                waits[child] -= 1;
                if waits[child] == 0 {
                    ready.push(child);
                }
            }
        }
        debug_assert_eq!(order.len(), runs.len(), "a walk visits every run once");
        order
    }
}
