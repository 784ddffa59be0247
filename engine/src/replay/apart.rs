//! Windows of branches that never met: people who were offline for a while, each of whom has seen the text that they all
//! had, and nothing of the others.
//!
//! Each of their branches is a stretch in which every event has seen all before it, so nothing is retreated or advanced,
//! and no element is looked up by its event: what each has done to that text ([`crate::text::branch`]) is brought
//! together at the end ([`crate::text::branches`]).

use super::{Stopped, TextLog, linear};
use crate::graph::Graph;
use crate::id::Span;
use crate::log::Effort;
use crate::text::branch::Branch;
use crate::text::branches::Branches;
use crate::text::draft::Draft;

/// Makes what the events of a window do to the draft of the text before it. False, with nothing done, when some of its
/// branches meet or begin in each other. O(n log n) for n runs of operations and of the graph.
pub(super) fn replay(log: &TextLog, window: Span, draft: &mut Draft, effort: &mut Effort) -> Result<bool, Stopped> {
    let Some(parts) = apart(log.graph(), window) else { return Ok(false) };
    effort.spend(log.contents().runs_among(window).max(parts.len()) as u64)?;
    let mut branches = Branches::default();
    for parts in parts.chunk_by(|(a, _), (b, _)| a == b) {
        let mut branch = Branch::of_text(draft.len());
        for &(_, events) in parts {
            linear::branch(log.contents(), events, &mut branch)?;
        }
        branches.add(&mut branch);
    }
    let event = |source| log.contents().event(source);
    branches.draw(draft, |a, b| log.graph().compare(event(a), event(b)));
    Ok(true)
}

/// The runs of a window with the numbers of their branches, branch by branch; `None` when one of them has seen two branches, or
/// has not seen all of one.
fn apart(graph: &Graph, window: Span) -> Option<Vec<(usize, Span)>> {
    let (mut parts, mut ends) = (Vec::<(usize, Span)>::new(), Vec::new());
    for run in graph.runs_in(window) {
        let events = run.span.within(window);
        let mut parents =
            run.parents.iter().filter(|&&parent| events.start == run.span.start && parent >= window.start);
        let branch = match (parents.next(), parents.next()) {
            (None, _) => ends.len(),
            (Some(&parent), None) => {
                let after = parts.partition_point(|(_, part)| part.start <= parent);
                let (branch, _) = parts[after.checked_sub(1)?];
                if ends[branch] != parent + 1 {
                    return None;
                }
                branch
            }
            _ => return None,
        };
        match ends.get_mut(branch) {
            Some(end) => *end = events.end,
            None => ends.push(events.end),
        }
        parts.push((branch, events));
    }
    parts.sort_by_key(|&(branch, _)| branch);
    Some(parts)
}
