//! A graph whose runs come all at once: what each agent holds, and where runs are found, is entered at the end, in one
//! go over all of them.

use super::{Agent, AgentIndex, Graph, GroupRun};
use crate::id::{AgentId, Local, Span};
use crate::rle::{RangeSet, Signposts};

/// Invariant: as that of the graph, but for the runs and clocks of the agents and the signposts, which are not there.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    graph: Graph,
    /// How many agents have runs: those with the lowest numbers.
    met: u32,
}

impl Whole {
    /// No runs, and room for so many. The agents are all different.
    pub(crate) fn with_room(agents: &[AgentId], runs: usize) -> Self {
        let each = runs / agents.len().max(1);
        let agents_of =
            agents.iter().map(|&id| Agent { id, runs: Vec::with_capacity(each), held: RangeSet::with_room(each) });
        let graph = Graph {
            agents: agents_of.collect(),
            agent_numbers: agents.iter().copied().zip((0..).map(AgentIndex)).collect(),
            runs: Vec::with_capacity(runs),
            // Where anything is concurrent, most runs have two.
            parents: Vec::with_capacity(2 * runs),
            ..Graph::default()
        };
        Self { graph, met: 0 }
    }

    /// Goes on with a group that began with clock `first`, in a run of its own. The caller has checked that the agent's
    /// last event is `last`. `None` when that is the last of all: then it is no run of its own.
    pub(crate) fn extend(&mut self, agent: u32, clock: u32, first: u32, last: Local, count: u32) -> Option<()> {
        let is_apart = self.graph.runs.last().is_none_or(|run| run.agent.0 != agent);
        is_apart.then(|| self.push(agent, clock, first, &[last], count))
    }

    /// Starts a group. The caller has checked clock and parents, which ascend. `None` for an agent who comes before one
    /// with a lower number.
    pub(crate) fn start_group(&mut self, agent: u32, clock: u32, parents: &[Local], count: u32) -> Option<()> {
        if agent >= self.met {
            if agent > self.met {
                return None;
            }
            self.met += 1;
        }
        self.push(agent, clock, clock, parents, count);
        Some(())
    }

    #[inline]
    fn push(&mut self, agent: u32, clock: u32, first: u32, parents: &[Local], count: u32) {
        let graph = &mut self.graph;
        graph.close_critical();
        graph.drop_critical_after(parents.first().copied());
        graph.adopt(parents);
        let (start, saw_all) = (graph.len(), graph.older_heads.is_empty());
        let parents_start = graph.parents.len() as u32;
        graph.runs.push(GroupRun { start, agent: AgentIndex(agent), clock, first, parents: parents_start, saw_all });
        // Two at most, nearly always: cheaper one by one.
        parents.iter().for_each(|&parent| graph.parents.push(parent));
        graph.len += count;
        if saw_all && graph.critical.last().is_none_or(|span| span.end != start) {
            graph.critical.push(Span::new(start, graph.len()));
        }
    }

    /// The graph, unless there are agents without a run.
    pub(crate) fn finish(self) -> Option<Graph> {
        let mut graph = self.graph;
        if self.met as usize != graph.agents.len() {
            return None;
        }
        let starts = graph.runs.iter().skip(1).map(|run| run.start.0);
        let ends = starts.chain([graph.len]);
        graph.posts = Signposts::over(ends.clone(), graph.runs.len(), graph.len);
        for ((number, run), end) in (0..).zip(&graph.runs).zip(ends) {
            let agent = &mut graph.agents[run.agent.0 as usize];
            agent.runs.push(number);
            agent.held.push(run.clock..run.clock + (end - run.start.0));
        }
        Some(graph)
    }
}
