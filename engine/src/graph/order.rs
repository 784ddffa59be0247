//! The total order T: groups by first clock, then agent; events inside a group by clock.

use super::{Frontier, Graph};
use crate::id::{Clock, EventSpan, Local};
use std::cmp::Ordering;

/// A group: a maximal run of one agent's events with consecutive clocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// Its events.
    pub span: EventSpan,
    /// What its agent had adopted when it started.
    pub parents: Frontier,
}

impl Graph {
    /// Which of two events stands first in T. O(log r).
    pub(crate) fn compare(&self, a: Local, b: Local) -> Ordering {
        self.rank(a).cmp(&self.rank(b))
    }

    fn rank(&self, event: Local) -> (u32, crate::id::AgentId, u32) {
        let run = &self.runs[self.run_number(event)];
        (run.first, self.agent(run.agent), run.clock + (event - run.start))
    }

    /// All groups in T. O(r log r).
    pub(crate) fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for agent in &self.agents {
            for &number in &agent.runs {
                let run = self.run(number as usize);
                let end = Clock(run.clock + run.span.len());
                match groups.last_mut() {
                    Some(group) if group.span.agent == agent.id && group.span.end.0 == run.clock => {
                        group.span.end = end
                    }
                    _ => groups.push(Group {
                        span: EventSpan { agent: agent.id, start: Clock(run.clock), end },
                        parents: self.frontier(run.parents),
                    }),
                }
            }
        }
        groups.sort_unstable_by_key(|group| (group.span.start, group.span.agent));
        groups
    }

    /// How many groups there are. O(r).
    pub(crate) fn group_count(&self) -> usize {
        self.runs.iter().filter(|run| run.clock == run.first).count()
    }
}
