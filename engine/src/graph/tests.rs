//! The graph against a model that keeps every event's past as a set, on random graphs.

use super::{Graph, Group, Heads, Summary};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use crate::random::{Random, seeds};
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
struct Event {
    id: EventId,
    first: Clock,
    parents: BTreeSet<u32>,
    /// Everything that happened before it, without itself.
    past: BTreeSet<u32>,
}

#[derive(Clone, Debug, Default)]
struct Model {
    events: Vec<Event>,
}

impl Model {
    /// A version and everything before it.
    fn known(&self, version: &[Local]) -> BTreeSet<u32> {
        let mut known = BTreeSet::new();
        for &Local(event) in version {
            known.extend(&self.events[event as usize].past);
            known.insert(event);
        }
        known
    }

    /// Those that no other one of them has seen, ascending.
    fn minimal(&self, events: &BTreeSet<u32>) -> Heads {
        let seen = |event: &u32| events.iter().any(|other| self.events[*other as usize].past.contains(event));
        events.iter().copied().filter(|event| !seen(event)).map(Local).collect()
    }

    fn last_of(&self, agent: AgentId) -> Option<Local> {
        self.events.iter().rposition(|event| event.id.agent == agent).map(|event| Local(event as u32))
    }

    fn random_version(&self, random: &mut Random) -> Heads {
        let picked = (0..random.below(4)).filter(|_| !self.events.is_empty());
        let picked: BTreeSet<u32> =
            picked.collect::<Vec<_>>().iter().map(|_| random.below(self.events.len()) as u32).collect();
        self.minimal(&picked)
    }

    fn push(&mut self, agent: AgentId, clock: Clock, first: Clock, parents: &[Local]) {
        let past = self.known(parents);
        let parents = parents.iter().map(|parent| parent.0).collect();
        self.events.push(Event { id: EventId::new(agent, clock), first, parents, past });
    }

    /// The clock rule, word by word.
    fn first_clock(&self, agent: AgentId, parents: &[Local]) -> Clock {
        let clock_of = |event: Local| self.events[event.0 as usize].id.clock.0;
        let clock = parents.iter().map(|&parent| clock_of(parent) + 1).max().unwrap_or(0);
        let contiguous = self.last_of(agent).is_some_and(|last| clock_of(last) + 1 == clock);
        Clock(clock + u32::from(contiguous))
    }

    /// Every other event happened before or after it.
    fn is_critical(&self, event: u32) -> bool {
        (0..self.events.len() as u32).all(|other| {
            let past = |of: u32| &self.events[of as usize].past;
            other == event || past(event).contains(&other) || past(other).contains(&event)
        })
    }
}

/// A random graph of about so many events: agents go on with their group, or adopt something and start one.
fn random_graph(random: &mut Random, events: usize) -> (Graph, Model) {
    let (mut graph, mut model) = (Graph::default(), Model::default());
    let agents = 2 + random.below(4);
    // Agents whose numbers do not ascend with their first appearance.
    let agents: Vec<AgentId> = (0..agents as u128).map(|number| AgentId::new(number * 37 % 11)).collect();
    while model.events.len() < events {
        let agent = agents[random.below(agents.len())];
        let count = 1 + random.below(4) as u32;
        let last = model.last_of(agent);
        let mut parents = model.random_version(random);
        if random.below(3) == 0 {
            parents = graph.heads();
        }
        let seen: BTreeSet<u32> = parents.iter().chain(&last).map(|event| event.0).collect();
        let parents = model.minimal(&seen);
        let (first, clock) = match last.filter(|last| parents.as_slice() == [*last]) {
            Some(last) => {
                graph.extend(graph.agent_index(agent).expect("it has a last event"), count);
                let last = &model.events[last.0 as usize];
                (last.first, Clock(last.id.clock.0 + 1))
            }
            None => {
                let clock = model.first_clock(agent, &parents);
                assert_eq!(Clock(graph.first_clock(graph.agent_index(agent), &parents)), clock);
                graph.start_group(agent, clock.0, &parents, count);
                (clock, clock)
            }
        };
        model.push(agent, clock, first, &parents);
        for more in 1..count {
            let before = Local(model.events.len() as u32 - 1);
            model.push(agent, Clock(clock.0 + more), first, &[before]);
        }
        graph.assert_invariants();
    }
    (graph, model)
}

#[test]
fn names_parents_heads_and_critical_versions_are_those_of_the_model() {
    for seed in seeds(150) {
        let (graph, model) = random_graph(&mut Random(seed), 60);
        for (number, event) in model.events.iter().enumerate() {
            let local = Local(number as u32);
            assert_eq!((graph.id(local), graph.local(event.id)), (event.id, Some(local)));
            let parents: BTreeSet<u32> = graph.parents_of(local).iter().map(|parent| parent.0).collect();
            assert_eq!(parents, event.parents, "the parents of event {number}");
        }
        let all = (0..model.events.len() as u32).collect();
        assert_eq!(graph.heads(), model.minimal(&all));
        let critical: Vec<u32> = graph.critical().flat_map(|span| span.numbers()).collect();
        let expected: Vec<u32> = all.into_iter().filter(|&event| model.is_critical(event)).collect();
        assert_eq!(critical, expected);
        for before in 0..=model.events.len() as u32 {
            let last = expected.iter().copied().filter(|&event| event < before).max().map(Local);
            assert_eq!(graph.last_critical_before(Local(before)), last);
        }
        assert_eq!(graph.local(EventId::new(AgentId::new(99), Clock(0))), None);
    }
}

#[test]
fn a_diff_is_what_each_of_two_versions_alone_has_seen() {
    for seed in seeds(150) {
        let mut random = Random(seed);
        let events = 20 + random.below(200);
        let (graph, model) = random_graph(&mut random, events);
        for _ in 0..40 {
            let (a, b) = (model.random_version(&mut random), model.random_version(&mut random));
            let diff = graph.diff(&a, &b);
            let (known_a, known_b) = (model.known(&a), model.known(&b));
            assert_eq!(set_of(&diff.only_a), &known_a - &known_b, "seen by {a:?} and not by {b:?}");
            assert_eq!(set_of(&diff.only_b), &known_b - &known_a, "seen by {b:?} and not by {a:?}");
            assert_eq!(graph.diff_by_ancestry(&a, &b), diff, "walked and asked for");
            assert_eq!(graph.diff_within(&a, &b, usize::MAX).as_ref(), Some(&diff), "walked however far it is");
            let few = graph.diff_within(&a, &b, 3);
            assert!(few.is_none_or(|few| few == diff), "walked if it is not far");
            for spans in [&diff.only_a, &diff.only_b] {
                assert!(spans.windows(2).all(|pair| pair[0].start > pair[1].end), "not newest first: {spans:?}");
            }
        }
    }
}

#[test]
fn what_a_version_has_seen_and_which_parents_are_needless() {
    for seed in seeds(150) {
        let mut random = Random(seed);
        let (graph, model) = random_graph(&mut random, 60);
        for _ in 0..40 {
            let version = model.random_version(&mut random);
            let event = random.below(model.events.len()) as u32;
            let seen = model.known(&version).contains(&event);
            assert_eq!(graph.has_seen(&version, Local(event)), seen, "{version:?} and event {event}");

            let any: BTreeSet<u32> = (0..random.below(6)).map(|_| random.below(model.events.len()) as u32).collect();
            let events: Heads = any.iter().copied().map(Local).collect();
            let minimal = model.minimal(&any);
            assert_eq!(graph.minimal(events.clone()), minimal);
            match graph.dominated(&events) {
                None => assert_eq!(events, minimal),
                Some(needless) => assert!(!minimal.contains(&needless) && events.contains(&needless), "{needless:?}"),
            }
        }
    }
}

#[test]
fn the_total_order_goes_by_groups_and_extends_causality() {
    for seed in seeds(150) {
        let mut random = Random(seed);
        let (graph, model) = random_graph(&mut random, 60);
        let rank = |event: &Event| (event.first, event.id.agent, event.id.clock);
        for _ in 0..100 {
            let (a, b) = (random.below(model.events.len()), random.below(model.events.len()));
            let (first, second) = (&model.events[a], &model.events[b]);
            assert_eq!(graph.compare(Local(a as u32), Local(b as u32)), rank(first).cmp(&rank(second)));
            let before = second.past.contains(&(a as u32));
            assert!(!before || rank(first) < rank(second), "{first:?} happened before {second:?}");
        }
        let mut groups: Vec<Group> = Vec::new();
        let mut sorted: Vec<&Event> = model.events.iter().collect();
        sorted.sort_by_key(|event| rank(event));
        for event in sorted {
            let end = Clock(event.id.clock.0 + 1);
            match groups.last_mut().filter(|_| event.first != event.id.clock) {
                Some(group) => group.span.end = end,
                None => groups.push(Group {
                    span: EventSpan { agent: event.id.agent, start: event.first, end },
                    parents: graph.frontier(&event.parents.iter().copied().map(Local).collect::<Heads>()),
                }),
            }
        }
        assert_eq!(graph.groups(), groups);
        assert_eq!(graph.group_count(), groups.len());
    }
}

#[test]
fn what_is_taken_back_leaves_no_trace() {
    for seed in seeds(100) {
        let random = &mut Random(seed);
        let (whole, model) = random_graph(random, 40);
        let mut graph = Graph::default();
        for number in 0..model.events.len() {
            let mut ahead = graph.clone();
            for _ in 0..2 {
                ahead.mark();
                let end = number + random.below(model.events.len() + 1 - number);
                model.events[number..end].iter().for_each(|event| push(&mut ahead, event));
                ahead.assert_invariants();
                ask(random, &model, &ahead);
                ahead.take_back();
                ahead.assert_invariants();
                assert_same(&ahead, &graph);
                ask(random, &model, &ahead);
            }
            graph = ahead;
            push(&mut graph, &model.events[number]);
        }
        assert_same(&whole, &graph);
    }
}

/// Adds the next event, which goes on with the last run where it can, as events do that come one by one.
fn push(graph: &mut Graph, event: &Event) {
    let parents: Heads = event.parents.iter().copied().map(Local).collect();
    match graph.agent_index(event.id.agent) {
        Some(agent) if event.first != event.id.clock => assert_eq!(graph.extend(agent, 1), event.id.clock.0),
        _ => graph.start_group(event.id.agent, event.id.clock.0, &parents, 1),
    }
}

/// Asks what takes walking, so that the ancestry is made before, between and after changes.
fn ask(random: &mut Random, model: &Model, graph: &Graph) {
    let known = graph.len().0 as usize;
    for _ in 0..known.min(6) {
        let (a, b) = (random.below(known) as u32, random.below(known) as u32);
        assert_eq!(graph.has_seen(&[Local(a)], Local(b)), model.known(&[Local(a)]).contains(&b), "{a} has seen {b}");
    }
}

fn assert_same(a: &Graph, b: &Graph) {
    let runs = |graph: &Graph| {
        let all = graph.runs_in(Span::new(Local(0), graph.len()));
        all.map(|run| (run.span, run.agent, run.clock, run.parents.to_vec())).collect::<Vec<_>>()
    };
    assert_eq!(runs(a), runs(b));
    assert_eq!((a.heads(), a.summary()), (b.heads(), b.summary()));
    assert!(a.critical().eq(b.critical()));
    assert_eq!((a.groups(), a.agent_count()), (b.groups(), b.agent_count()));
}

#[test]
fn a_plan_visits_a_stretch_once_and_parents_first() {
    for seed in seeds(150) {
        let mut random = Random(seed);
        let (graph, model) = random_graph(&mut random, 60);
        for _ in 0..20 {
            let (a, b) = (random.below(61) as u32, random.below(61) as u32);
            let span = Span::new(Local(a.min(b)), Local(a.max(b)));
            let order: Vec<u32> = graph.plan(span).into_iter().flat_map(|part| part.numbers()).collect();
            assert_eq!(order.iter().copied().collect::<BTreeSet<u32>>(), span.numbers().collect());
            assert_eq!(order.len() as u32, span.len(), "an event is visited twice: {order:?}");
            for (place, &event) in order.iter().enumerate() {
                let past = &model.events[event as usize].past;
                let early = order[place..].iter().find(|later| past.contains(later));
                assert_eq!(early, None, "a plan that visits {event} before its past: {order:?}");
            }
        }
    }
}

#[test]
fn a_summary_holds_what_the_graph_holds_and_tells_what_another_lacks() {
    for seed in seeds(100) {
        let mut random = Random(seed);
        let (graph, model) = random_graph(&mut random, 60);
        let mut other = Summary::new();
        for _ in 0..random.below(40) {
            let id = model.events[random.below(model.events.len())].id;
            other.insert(EventSpan { agent: id.agent, start: id.clock, end: Clock(id.clock.0 + 1) });
        }
        let summary = graph.summary();
        assert_eq!(summary.event_count(), model.events.len() as u64);
        assert!(summary.covers(&other));
        let lacking: Vec<EventId> = graph
            .not_in(&other)
            .spans
            .into_iter()
            .flat_map(|span| (span.start.0..span.end.0).map(move |clock| EventId::new(span.agent, Clock(clock))))
            .collect();
        let expected: BTreeSet<EventId> =
            model.events.iter().map(|event| event.id).filter(|&id| !other.contains(id)).collect();
        assert_eq!(lacking.iter().copied().collect::<BTreeSet<_>>(), expected);
        assert_eq!(lacking.len(), expected.len());
        assert!(expected.iter().all(|&id| summary.contains(id)));
    }
}

fn set_of(spans: &[Span]) -> BTreeSet<u32> {
    spans.iter().flat_map(|span| span.numbers()).collect()
}
