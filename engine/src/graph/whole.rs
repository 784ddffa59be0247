//! A graph whose runs come all at once: what each agent holds, and where runs are found, is entered at the end, in one
//! go over all of them.

use super::critical::Criticals;
use super::{Agent, AgentIndex, Graph, GroupRun};
use crate::id::{AgentId, Local, Span};
use crate::rle::{RangeSet, Signposts};

/// Invariant: as that of the graph, but for the runs and clocks of the agents, the signposts and the critical versions,
/// which are not there. One older head alone is `older`, several are the graph's.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    graph: Graph,
    /// How many agents have runs: those with the lowest numbers.
    met: u32,
    older: Option<Local>,
    critical: Vec<Span>,
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
        Self { graph, ..Self::default() }
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
        let start = self.graph.len();
        if self.has_one_head()
            && let Some(last) = self.critical.last_mut()
        {
            last.end = start;
        }
        self.drop_critical_after(parents.first().copied());
        self.adopt(parents);
        let (saw_all, graph) = (self.has_one_head(), &mut self.graph);
        let parents_start = graph.parents.len() as u32;
        graph.runs.push(GroupRun { start, agent: AgentIndex(agent), clock, first, parents: parents_start, saw_all });
        // Two at most, nearly always: cheaper one by one.
        parents.iter().for_each(|&parent| graph.parents.push(parent));
        graph.len += count;
        if saw_all && self.critical.last().is_none_or(|span| span.end != start) {
            self.critical.push(Span::new(start, graph.len()));
        }
    }

    fn has_one_head(&self) -> bool {
        self.older.is_none() && self.graph.older_heads.is_empty()
    }

    /// As [`Graph::adopt`], and sooner done while there are not more than two heads, as there mostly are.
    #[inline]
    fn adopt(&mut self, parents: &[Local]) {
        if self.graph.older_heads.is_empty() {
            let is_head = |head: &Local| !parents.contains(head);
            let last = self.graph.len.checked_sub(1).map(Local).filter(is_head);
            let older = self.older.filter(is_head);
            if older.is_none() || last.is_none() {
                self.older = older.or(last);
                return;
            }
        }
        self.graph.older_heads.extend(self.older.take());
        self.graph.adopt(parents);
        if let [older] = self.graph.older_heads[..] {
            self.older = Some(older);
            self.graph.older_heads.clear();
        }
    }

    /// Each version is dropped at most once.
    #[inline]
    fn drop_critical_after(&mut self, parent: Option<Local>) {
        let end = parent.map_or(Local(0), |parent| parent + 1);
        while let Some(last) = self.critical.last_mut() {
            if last.start < end {
                last.end = last.end.min(end);
                return;
            }
            self.critical.pop();
        }
    }

    /// The graph, unless there are agents without a run.
    pub(crate) fn finish(self) -> Option<Graph> {
        let mut graph = self.graph;
        graph.older_heads.extend(self.older);
        graph.critical = Criticals::from(self.critical);
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
