//! The order in which a stretch of history is replayed: one that keeps groups and branches together, so that little has
//! to be retreated and advanced in between. (Eg-walker, section 3.3: any order that respects the parents gives the same
//! text.)

use super::{Graph, RunView};
use crate::id::{Local, Span};

/// From so many bridges on they are put in an order of their own. Few in unit tests, so that they are.
const FEW_BRIDGES: usize = if cfg!(test) { 2 } else { 32 };

impl Graph {
    /// The runs of `span` in an order in which parents come first and a run is followed by what goes on from it
    /// wherever it can be.
    ///
    /// A depth-first walk; of several branches the one that began last goes first. What goes first is retreated for the
    /// others and advanced again where they merge, so it should be the short one, and a branch that began later mostly
    /// is: on A1, a history in git, the other way round moves twelve times as many events. Many *bridges*, runs that have
    /// seen several branches and from which nothing goes on, come last ([`in_stripes`]). O(r log r) for the r runs of the
    /// span.
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
        let children_of = |number: usize| {
            let first = edges.partition_point(|&(run, ..)| run < number);
            edges[first..].iter().take_while(move |&&(run, ..)| run == number).map(|&(.., child)| child)
        };
        let bridges: Vec<usize> =
            (0..runs.len()).filter(|&number| waits[number] > 1 && children_of(number).next().is_none()).collect();
        let bridges = if bridges.len() < FEW_BRIDGES { Vec::new() } else { bridges };
        let mut ready: Vec<usize> = (0..runs.len()).filter(|&number| waits[number] == 0).collect();
        // Those that go on from the same of what was there before stand together.
        ready.sort_by_key(|&number| runs[number].parents.iter().filter(|&&parent| parent < span.start).max());
        ready.reverse();
        let mut order = Vec::with_capacity(runs.len());
        while let Some(number) = ready.pop() {
            order.push(number);
            for child in children_of(number) {
                waits[child] -= 1;
                if waits[child] == 0 && bridges.binary_search(&child).is_err() {
                    ready.push(child);
                }
            }
        }
        let bridges = in_stripes(bridges, &order, &runs, number_of);
        order.extend(bridges);
        debug_assert_eq!(order.len(), runs.len(), "a walk visits every run once");
        order.into_iter().map(|number| runs[number].span.within(span)).collect()
    }
}

/// Bridges in an order in which each has seen much the same as the one before it: by stripes of their first parents, and
/// in each stripe by their last ones, up and down in turn, as one mows a lawn.
///
/// For n bridges between two branches of n events each they are about n√n events apart in all, where one by one along one
/// branch they are n² (Mo's algorithm). Parents are counted in the order of the walk, which keeps branches apart.
fn in_stripes(
    bridges: Vec<usize>,
    order: &[usize],
    runs: &[RunView<'_>],
    number_of: impl Fn(Local) -> usize,
) -> Vec<usize> {
    if bridges.is_empty() {
        return bridges;
    }
    let (mut before, mut walked) = (vec![0u32; runs.len()], 0);
    for &number in order {
        before[number] = walked;
        walked += runs[number].span.len();
    }
    let width = (f64::from(walked) / (bridges.len() as f64).sqrt()) as u32 + 1;
    let start = runs[0].span.start;
    let mut keyed: Vec<(u32, u32, usize)> = bridges
        .into_iter()
        .map(|bridge| {
            let parents = runs[bridge].parents.iter().filter(|&&parent| parent >= start).map(|&parent| {
                let number = number_of(parent);
                before[number] + (parent - runs[number].span.start)
            });
            let (first, last) = parents.fold((u32::MAX, 0), |(first, last), at| (first.min(at), last.max(at)));
            let stripe = first / width;
            (stripe, if stripe.is_multiple_of(2) { last } else { !last }, bridge)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(.., bridge)| bridge).collect()
}
