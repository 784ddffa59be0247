//! The event graph: who made which event, after what.
//!
//! Knows agents, clocks and parents. Knows nothing of what events do. Everything is kept by runs: a [`GroupRun`] is a
//! piece of one group that arrived in one go, so its events have consecutive clocks *and* consecutive local indexes,
//! and only its first event has parents worth writing down.
//!
//! ```text
//! local index   0 1 2 3 4 | 5 6 | 7 8 9 | 10 …
//! run           A 0..5    | B 0..2 | A 5..8 | C 8..
//! parents       root        root    A/4     A/7, B/1
//! ```
//!
//! Costs, for r runs: name ↔ local index O(log r), adding a run O(parents) amortised, comparing in T O(log r), taking
//! back what came since a mark as much as it took to add it.

mod ancestry;
mod critical;
mod diff;
mod frontier;
mod order;
mod summary;
mod walk;
mod whole;

pub(crate) use diff::Diff;
pub use frontier::Frontier;
pub use order::Group;
pub(crate) use summary::Fingerprint;
pub use summary::{Lacking, Summary};
pub(crate) use whole::Whole;

use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use crate::rle::{RangeSet, Signposts};
use ancestry::Ancestry;
use critical::Criticals;
use diff::Strayed;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::OnceLock;

/// A version inside this replica: the local indexes of mutually concurrent events, ascending.
pub(crate) type Heads = SmallVec<[Local; 2]>;

/// The number of an agent inside this replica, by first appearance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct AgentIndex(u32);

impl AgentIndex {
    pub(crate) fn number(self) -> usize {
        self.0 as usize
    }
}

/// So many parents are looked for among the heads one by one.
const FEW: usize = 8;

/// An event that goes on with the last run, the usual key, only changes `len`: what else ends with the last event is
/// entered when the next run starts ([`Graph::close_run`]), and until then is known without having been entered.
///
/// Invariants: runs are sorted by `start` and cover `0..len`; parents are smaller than the run's start. The last event is
/// a head, and where it is the only one it is critical.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    agents: Vec<Agent>,
    agent_numbers: HashMap<AgentId, AgentIndex>,
    runs: Vec<GroupRun>,
    posts: Signposts,
    /// The parents of all runs, one after the other.
    parents: Vec<Local>,
    len: u32,
    /// The events besides the last one that nobody has for a parent.
    older_heads: Heads,
    /// The critical versions by ranges, ascending. Where the last event is critical, the last range ends with it.
    critical: Criticals,
    /// What came from here on can be taken back ([`Graph::mark`]).
    marked: Local,
    /// Of the heads that there were at the mark, those that have children now.
    adopted: Vec<Local>,
    /// What each run has seen, once it was worth knowing.
    ancestry: OnceLock<Ancestry>,
    strayed: Strayed,
}

#[derive(Clone, Debug)]
struct Agent {
    id: AgentId,
    /// The numbers of its runs, in the order of their clocks, which is the order of their arrival too.
    runs: Vec<u32>,
    /// Its clocks. Of the last run of the log only the first is entered for certain.
    held: RangeSet,
}

/// A piece of a group, as long as up to the start of the next run.
#[derive(Clone, Copy, Debug)]
struct GroupRun {
    start: Local,
    agent: AgentIndex,
    /// The clock of the first event here.
    clock: u32,
    /// The clock of the first event of the whole group: its rank in T.
    first: u32,
    /// Where its parents start in `Graph::parents`; they end where those of the next run start.
    parents: u32,
    /// Whether it has seen all runs before it.
    saw_all: bool,
}

/// What [`Graph::run_at`] tells of the run around an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunView<'a> {
    pub(crate) span: Span,
    pub(crate) agent: AgentIndex,
    pub(crate) clock: u32,
    /// Of the first event.
    pub(crate) parents: &'a [Local],
    /// Whether its agent had seen everything that stands before it in the log.
    pub(crate) saw_all: bool,
    /// Whether its first event is the first one of a group.
    pub(crate) starts_group: bool,
}

impl Graph {
    /// How many events there are; the next one gets this local index.
    pub(crate) fn len(&self) -> Local {
        Local(self.len)
    }

    /// The events that nobody has for a parent.
    pub(crate) fn heads(&self) -> Heads {
        let mut heads = self.older_heads.clone();
        heads.extend(self.len.checked_sub(1).map(Local));
        heads
    }

    /// How many events there are that no other one has seen.
    pub(crate) fn head_count(&self) -> usize {
        self.older_heads.len() + usize::from(self.len > 0)
    }

    /// Whether this version, ascending, is that of everything here.
    pub(crate) fn is_newest(&self, version: &[Local]) -> bool {
        match version.split_last() {
            Some((&last, older)) => last + 1 == self.len() && older == self.older_heads.as_slice(),
            None => self.len == 0,
        }
    }

    /// Whether nobody has this event for a parent.
    pub(crate) fn is_head(&self, event: Local) -> bool {
        event + 1 == self.len() || self.older_heads.binary_search(&event).is_ok()
    }

    /// Whether the last event has seen all others.
    #[inline]
    pub(crate) fn has_one_head(&self) -> bool {
        self.older_heads.is_empty() && self.len > 0
    }

    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    pub(crate) fn agent_count(&self) -> usize {
        self.agents.len()
    }

    pub(crate) fn agent_indexes(&self) -> impl Iterator<Item = AgentIndex> {
        (0..self.agents.len() as u32).map(AgentIndex)
    }

    pub(crate) fn agent(&self, index: AgentIndex) -> AgentId {
        self.agents[index.0 as usize].id
    }

    pub(crate) fn agent_index(&self, agent: AgentId) -> Option<AgentIndex> {
        match self.runs.last() {
            // Whoever made the last event makes the next one more often than not.
            Some(run) if self.agent(run.agent) == agent => Some(run.agent),
            _ => self.agent_numbers.get(&agent).copied(),
        }
    }

    /// The critical versions: those that every other event happened before or after, as ranges of local indexes.
    pub(crate) fn critical(&self) -> impl Iterator<Item = Span> + '_ {
        (0..self.critical.len()).map(|number| self.critical_span(number))
    }

    fn critical_span(&self, number: usize) -> Span {
        let Some(mut span) = self.critical.get(number) else { unreachable!("there is no critical range {number}") };
        if number + 1 == self.critical.len() && self.has_one_head() {
            span.end = self.len();
        }
        span
    }

    /// The last critical version before the event `before`; `None` is the start of time, which is critical too.
    pub(crate) fn last_critical_before(&self, before: Local) -> Option<Local> {
        let span = self.critical_span(self.critical.count_before(before).checked_sub(1)?);
        Some(span.end.min(before) - 1)
    }

    pub(crate) fn id(&self, event: Local) -> EventId {
        let run = &self.runs[self.run_number(event)];
        EventId::new(self.agent(run.agent), Clock(run.clock + (event - run.start)))
    }

    pub(crate) fn local(&self, id: EventId) -> Option<Local> {
        self.local_of(self.agent_index(id.agent)?, id.clock)
    }

    /// The event of an agent with this clock.
    pub(crate) fn local_of(&self, agent: AgentIndex, clock: Clock) -> Option<Local> {
        let agent = &self.agents[agent.0 as usize];
        // Parents are mostly recent, so the search goes back from the end in steps that double.
        let starts_before = |&run: &u32| self.runs[run as usize].clock <= clock.0;
        let (mut known, mut step) = (agent.runs.len(), 1);
        while known > 0 && !starts_before(&agent.runs[known - 1]) {
            known = known.saturating_sub(step);
            step *= 2;
        }
        let rest = &agent.runs[known..agent.runs.len().min(known + step)];
        let after = known + rest.partition_point(starts_before);
        let number = *agent.runs[..after].last()? as usize;
        let GroupRun { start, clock: first, .. } = self.runs[number];
        // A stranger may ask for any clock, and adding it to the start could be too much.
        let offset = clock.0 - first;
        (offset < self.run_end(number) - start).then(|| start + offset)
    }

    /// The last event of an agent.
    pub(crate) fn last_of(&self, agent: AgentIndex) -> Local {
        let run = self.agents[agent.0 as usize].runs.last();
        let run = *run.expect("an agent is known by its first run");
        self.run_end(run as usize) - 1
    }

    /// The same of an agent who may not be known.
    pub(crate) fn last_event(&self, agent: AgentId) -> Option<Local> {
        self.agent_index(agent).map(|index| self.last_of(index))
    }

    pub(crate) fn clock(&self, event: Local) -> u32 {
        let run = &self.runs[self.run_number(event)];
        run.clock + (event - run.start)
    }

    /// The run around an event.
    pub(crate) fn run_at(&self, event: Local) -> RunView<'_> {
        self.run(self.run_number(event))
    }

    /// The runs from the one around `from` on; the first and the last one whole, even where the span cuts them.
    pub(crate) fn runs_in(&self, span: Span) -> impl Iterator<Item = RunView<'_>> {
        let first = if span.is_empty() { self.runs.len() } else { self.run_number(span.start) };
        (first..self.runs.len()).map(|number| self.run(number)).take_while(move |run| run.span.start < span.end)
    }

    /// How many runs these events are of.
    pub(crate) fn runs_among(&self, span: Span) -> usize {
        if span.is_empty() { 0 } else { self.run_number(span.end - 1) + 1 - self.run_number(span.start) }
    }

    /// The runs of an agent from the one around `from` on, or behind it.
    pub(crate) fn runs_of(&self, agent: AgentIndex, from: Local) -> impl Iterator<Item = RunView<'_>> {
        let runs = &self.agents[agent.number()].runs;
        let first = runs.partition_point(|&run| self.run_end(run as usize) <= from);
        runs[first..].iter().map(|&run| self.run(run as usize))
    }

    /// Whether an event goes on with the group of the event before it, which then is its only parent.
    pub(crate) fn goes_on(&self, event: Local) -> bool {
        let run = &self.runs[self.run_number(event)];
        event != run.start || run.clock != run.first
    }

    /// The parents of one event.
    pub(crate) fn parents_of(&self, event: Local) -> Heads {
        let run = self.run_at(event);
        if event == run.span.start { Heads::from_slice(run.parents) } else { Heads::from_slice(&[event - 1]) }
    }

    /// The clock that the first event of a group gets: one more than its parents', and one more again where it would go
    /// on the group before it.
    pub(crate) fn first_clock(&self, agent: Option<AgentIndex>, parents: &[Local]) -> u32 {
        let clock = parents.iter().map(|&parent| self.clock(parent) + 1).max().unwrap_or(0);
        match agent {
            Some(agent) if self.clock(self.last_of(agent)) + 1 == clock => clock + 1,
            _ => clock,
        }
    }

    /// The parts of a span of clocks that its agent has made.
    pub(crate) fn held_in(&self, agent: AgentIndex, span: EventSpan) -> Vec<EventSpan> {
        let id = self.agent(agent);
        let held = self.agents[agent.0 as usize].held.ranges();
        let last = held.len() - 1;
        // The last range ends with the agent's last event, entered or not.
        let end = |number: usize| if number == last { self.next_clock(agent) } else { held[number].end };
        let first = held[..last].partition_point(|range| range.end <= span.start.0);
        let parts = (first..held.len()).map(|number| EventSpan {
            agent: id,
            start: Clock(held[number].start).max(span.start),
            end: Clock(end(number)).min(span.end),
        });
        parts.take_while(|part| part.start < span.end).filter(|part| part.start < part.end).collect()
    }

    /// The clocks of an agent.
    fn held(&self, agent: AgentIndex) -> RangeSet {
        let mut held = self.agents[agent.0 as usize].held.clone();
        held.extend_last(self.next_clock(agent));
        held
    }

    /// The clocks of an agent without a copy: the last range goes on up to the number beside them.
    fn held_ranges(&self, agent: AgentIndex) -> (&[Range<u32>], u32) {
        (self.agents[agent.0 as usize].held.ranges(), self.next_clock(agent))
    }

    /// The clock after the last event of an agent.
    fn next_clock(&self, agent: AgentIndex) -> u32 {
        self.clock(self.last_of(agent)) + 1
    }

    /// Goes on with an agent's last group. Returns the clock of the first event.
    pub(crate) fn extend(&mut self, agent: AgentIndex, count: u32) -> u32 {
        if let Some(run) = self.runs.last().filter(|run| run.agent == agent) {
            let clock = run.clock + (self.len - run.start.0);
            self.go_on(count);
            return clock;
        }
        let last = self.last_of(agent);
        let (clock, first) = (self.clock(last) + 1, self.runs[self.run_number(last)].first);
        self.push(agent, clock, first, &[last], count);
        clock
    }

    /// Goes on with the last run.
    #[inline]
    pub(crate) fn go_on(&mut self, count: u32) {
        self.len += count;
    }

    /// Starts a group. The caller has checked agent, clock and parents.
    pub(crate) fn start_group(&mut self, agent: AgentId, clock: u32, parents: &[Local], count: u32) {
        let next = AgentIndex(self.agents.len() as u32);
        let index = *self.agent_numbers.entry(agent).or_insert(next);
        if index == next {
            self.agents.push(Agent { id: agent, runs: Vec::new(), held: RangeSet::default() });
        }
        self.push(index, clock, clock, parents, count);
    }

    fn push(&mut self, agent: AgentIndex, clock: u32, first: u32, parents: &[Local], count: u32) {
        debug_assert!(parents.is_sorted(), "parents that do not ascend: {parents:?}");
        self.close_run();
        self.agents[agent.0 as usize].runs.push(self.runs.len() as u32);
        self.agents[agent.0 as usize].held.insert(clock..clock + count);
        self.drop_critical_after(parents.first().copied());
        self.adopt(parents);
        // Whoever has seen all heads has seen everything.
        let saw_all = self.older_heads.is_empty();
        let start = self.len();
        self.runs.push(GroupRun { start, agent, clock, first, parents: self.parents.len() as u32, saw_all });
        self.parents.extend_from_slice(parents);
        self.len += count;
        if saw_all && self.critical.last().is_none_or(|span| span.end != start) {
            self.critical.push(Span::new(start, self.len()));
        }
        if let Some(mut ancestry) = self.ancestry.take() {
            ancestry.cover(self);
            self.ancestry = OnceLock::from(ancestry);
        }
    }

    /// Enters what ends with the last run: its events are held, and critical where there is no other head.
    fn close_run(&mut self) {
        let Some(run) = self.runs.last() else { return };
        self.posts.cover(self.runs.len() - 1, self.len);
        self.agents[run.agent.0 as usize].held.extend_last(run.clock + (self.len - run.start.0));
        if self.older_heads.is_empty() {
            self.critical.end_last(Local(self.len));
        }
    }

    /// An event with these parents comes: they are no heads any more, and the last one is not the last.
    fn adopt(&mut self, parents: &[Local]) {
        let last = self.len.checked_sub(1).map(Local);
        if parents.last() != last.as_ref() {
            self.older_heads.extend(last);
        } else if last < Some(self.marked) {
            self.adopted.extend(last);
        }
        let adopted_older = self.older_heads.len();
        if parents.len() > FEW {
            let (marked, adopted) = (self.marked, &mut self.adopted);
            self.older_heads.retain(|head| {
                let stays = parents.binary_search(head).is_err();
                if !stays && *head < marked {
                    adopted.push(*head);
                }
                stays
            });
        } else if adopted_older > 0 {
            for &parent in parents {
                if let Ok(at) = self.older_heads.binary_search(&parent) {
                    self.older_heads.remove(at);
                    if parent < self.marked {
                        self.adopted.push(parent);
                    }
                }
            }
        }
    }

    /// An event with this earliest parent has not seen what came after it, so no version after it is critical.
    fn drop_critical_after(&mut self, parent: Option<Local>) {
        self.critical.drop_from(parent.map_or(Local(0), |parent| parent + 1));
    }

    /// Everything here stays when what comes next is taken back.
    pub(crate) fn mark(&mut self) {
        self.marked = self.len();
        self.adopted.clear();
        self.critical.settle();
    }

    /// Forgets all events since the mark. Costs what they cost when they came, and a shift of the heads for each that has
    /// lost its children.
    pub(crate) fn take_back(&mut self) {
        let len = self.marked;
        while let Some(run) = self.runs.last().copied().filter(|run| run.start >= len) {
            let agent = &mut self.agents[run.agent.0 as usize];
            agent.runs.pop();
            agent.held.cut(run.clock);
            if agent.runs.is_empty() {
                // Agents are numbered in the order of their first runs, so it is the last one.
                self.agent_numbers.remove(&agent.id);
                self.agents.pop();
            }
            self.parents.truncate(run.parents as usize);
            self.runs.pop();
        }
        if let Some(run) = self.runs.last() {
            self.agents[run.agent.0 as usize].held.cut(run.clock + (len - run.start));
        }
        self.len = len.0;
        self.posts.truncate(len.0);
        self.critical.take_back();
        self.older_heads.truncate(self.older_heads.partition_point(|head| *head < len));
        for head in self.adopted.drain(..) {
            let at = self.older_heads.partition_point(|other| *other < head);
            self.older_heads.insert(at, head);
        }
        if self.older_heads.last().is_some_and(|&head| head + 1 == len) {
            self.older_heads.pop();
        }
        if let Some(ancestry) = self.ancestry.get_mut() {
            ancestry.truncate(self.runs.len());
        }
    }

    /// The number of the run around an event.
    pub(crate) fn run_number(&self, event: Local) -> usize {
        debug_assert!(event < self.len(), "{event:?} is not among the {} events", self.len);
        match self.runs.last() {
            // Most questions are about what came last.
            Some(run) if run.start <= event => self.runs.len() - 1,
            _ => {
                let among = self.posts.around(event.0, self.runs.len());
                among.start + self.runs[among].partition_point(|run| run.start <= event) - 1
            }
        }
    }

    fn run_end(&self, number: usize) -> Local {
        self.runs.get(number + 1).map_or(self.len(), |next| next.start)
    }

    fn run(&self, number: usize) -> RunView<'_> {
        let run = &self.runs[number];
        let parents_end = self.runs.get(number + 1).map_or(self.parents.len(), |next| next.parents as usize);
        RunView {
            span: Span::new(run.start, self.run_end(number)),
            agent: run.agent,
            clock: run.clock,
            parents: &self.parents[run.parents as usize..parents_end],
            saw_all: run.saw_all,
            starts_group: run.clock == run.first,
        }
    }

    /// The ids of a local version.
    pub(crate) fn frontier(&self, heads: &[Local]) -> Frontier {
        Frontier::from_ids(heads.iter().map(|&head| self.id(head)).collect())
    }

    /// The ids of a span of one run.
    pub(crate) fn event_span(&self, span: Span) -> EventSpan {
        let first = self.id(span.start);
        EventSpan { agent: first.agent, start: first.clock, end: Clock(first.clock.0 + span.len()) }
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        let mut at = Local(0);
        for number in 0..self.runs.len() {
            let run = self.run(number);
            assert_eq!(run.span.start, at, "run {number} leaves a hole");
            assert!(!run.span.is_empty(), "run {number} is empty");
            assert!(run.parents.iter().all(|&parent| parent < at), "run {number} is older than its parents");
            at = run.span.end;
        }
        assert_eq!(at, self.len(), "the runs do not cover the log");
        for event in 0..self.len {
            assert_eq!(self.local(self.id(Local(event))), Some(Local(event)), "event {event} is not found by its id");
        }
    }
}

#[cfg(test)]
mod tests;
