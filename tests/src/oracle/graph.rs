//! The event graph: which events are known, whether they may be, and their total order T.
//!
//! Knows the clock rule, groups by contiguity, the checks on receipt and T. Does not know how text is placed: `replay`
//! does. Each event carries its whole past as a set of bits, so that every question about causality is one look-up;
//! adding costs O(known) and a replay of the event's past.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use super::event_set::EventSet;
use super::replay::{Replay, Shown};
use super::{Event, Id, Op};

/// As many parents as an event may name.
const MOST_PARENTS: usize = 4_096;

/// Events in causal order of arrival, and the text at any version of them.
///
/// Invariant: every event's past was added before it, `order` holds every event once, by T.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    numbers: HashMap<Id, usize>,
    last_of_agent: HashMap<u128, usize>,
    order: Vec<usize>,
    /// Where the document at the parents of the event being checked is replayed.
    at_parents: Replay,
    /// Where the document of all events is replayed; kept, so that an event late in T costs little.
    at_frontier: Replay,
}

/// One event with what follows from its place in the graph.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) event: Event,
    /// All events that happened before it, without itself.
    pub(super) past: EventSet,
    /// The clock of the first event of its group.
    pub(super) group_clock: u64,
}

impl Node {
    /// Sorts by T: groups by (first clock, agent), events inside a group by clock.
    pub(super) fn rank(&self) -> (u64, u128, u64) {
        (self.group_clock, self.event.id.agent, self.event.id.clock)
    }
}

/// What [`Graph::add`] did with an acceptable event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was not known before.
    Fresh,
    /// It was known, with the same content; nothing changed.
    Again,
}

impl Graph {
    /// Takes one event, or refuses it and stays as it was. O(n²) for n known events.
    ///
    /// # Errors
    /// A [`Refusal`] names the rule that failed. Only after [`Refusal::UnknownParent`] may the event be tried again
    /// later.
    pub fn add(&mut self, event: &Event) -> Result<Added, Refusal> {
        if let Some(known) = self.event(event.id) {
            let same = known == event;
            return if same { Ok(Added::Again) } else { Err(Refusal::OtherContent { id: event.id }) };
        }
        let past = self.past_of_parents(event)?;
        let group_clock = self.checked_group_clock(event, &past)?;
        self.check_index(event, &past)?;
        let number = self.nodes.len();
        let node = Node { event: event.clone(), past, group_clock };
        let place = self.order.partition_point(|other| self.nodes[*other].rank() < node.rank());
        self.order.insert(place, number);
        self.numbers.insert(event.id, number);
        self.last_of_agent.insert(event.id.agent, number);
        self.nodes.push(node);
        Ok(Added::Fresh)
    }

    /// The clock that the clock rule gives the next event of this agent at these parents, which must be known.
    pub fn next_clock(&self, agent: u128, parents: &[Id]) -> u64 {
        let after_parents = parents.iter().map(|parent| parent.clock + 1).max().unwrap_or(0);
        match self.last_of(agent) {
            // The group goes on: it has no parent besides the agent's own last event.
            Some(last) if parents == [last] => last.clock + 1,
            // Something was adopted: a gap must show it.
            Some(last) if after_parents == last.clock + 1 => after_parents + 1,
            _ => after_parents,
        }
    }

    /// The events that no other known event has in its past, ascending.
    pub fn frontier(&self) -> Vec<Id> {
        let last: Vec<Id> = self.last_of_agent.values().map(|number| self.nodes[*number].event.id).collect();
        self.minimal(&last).expect("the last event of each agent is known")
    }

    /// The given events without those in the past of another given one, ascending: a version that names them all.
    ///
    /// # Errors
    /// When one of them is not known.
    pub fn minimal(&self, ids: &[Id]) -> Result<Vec<Id>, UnknownEvent> {
        let numbers = ids.iter().map(|id| self.number(*id)).collect::<Result<Vec<_>, _>>()?;
        let heads = |number: &&usize| !numbers.iter().any(|other| self.nodes[*other].past.contains(**number));
        let mut minimal: Vec<Id> = numbers.iter().filter(heads).map(|number| self.nodes[*number].event.id).collect();
        minimal.sort_unstable();
        minimal.dedup();
        Ok(minimal)
    }

    /// The first event of every group, groups in T.
    pub fn total_order(&self) -> Vec<Id> {
        let nodes = self.order.iter().map(|number| &self.nodes[*number]);
        nodes.filter(|node| node.group_clock == node.event.id.clock).map(|node| node.event.id).collect()
    }

    /// The text of all events. O(n) when nothing came since the last call, O(n) more for each event after the earliest
    /// place in T that something came to.
    pub fn text(&mut self) -> String {
        self.shown().iter().map(|shown| shown.character).collect()
    }

    /// The visible characters of all events with their names, in order. Cost as [`Graph::text`].
    pub fn shown(&mut self) -> Vec<Shown> {
        self.at_frontier.show(&self.nodes, &self.order);
        self.at_frontier.shown(&self.nodes)
    }

    /// The names of all characters ever inserted, deleted ones included, in document order. Cost as [`Graph::text`].
    pub fn all_characters(&mut self) -> Vec<Id> {
        self.at_frontier.show(&self.nodes, &self.order);
        self.at_frontier.document().iter().map(|number| self.nodes[*number].event.id).collect()
    }

    /// The text at a version, replayed from the empty document. O(n²).
    ///
    /// # Errors
    /// When the version names an event that is not known.
    pub fn text_at(&self, version: &[Id]) -> Result<String, UnknownEvent> {
        let mut past = EventSet::default();
        for id in version {
            let number = self.number(*id)?;
            past.unite(&self.nodes[number].past);
            past.insert(number);
        }
        let mut replay = Replay::default();
        replay.show(&self.nodes, &self.in_total_order(&past));
        Ok(replay.shown(&self.nodes).iter().map(|shown| shown.character).collect())
    }

    /// All events, in the order in which they came.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.nodes.iter().map(|node| &node.event)
    }

    /// The event of this name, when it is known.
    pub fn event(&self, id: Id) -> Option<&Event> {
        self.numbers.get(&id).map(|number| &self.nodes[*number].event)
    }

    /// The last known event of an agent.
    pub fn last_of(&self, agent: u128) -> Option<Id> {
        self.last_of_agent.get(&agent).map(|number| self.nodes[*number].event.id)
    }

    /// Whether `earlier` is in the past of `later`; false when either is not known, and for an event and itself.
    pub fn happened_before(&self, earlier: Id, later: Id) -> bool {
        match (self.numbers.get(&earlier), self.numbers.get(&later)) {
            (Some(earlier), Some(later)) => self.nodes[*later].past.contains(*earlier),
            _ => false,
        }
    }

    /// Checks the parents, and unites their pasts.
    fn past_of_parents(&self, event: &Event) -> Result<EventSet, Refusal> {
        let (id, count) = (event.id, event.parents.len());
        if count > MOST_PARENTS {
            return Err(Refusal::TooManyParents { id, count });
        }
        let mut past = EventSet::default();
        for parent in &event.parents {
            let number = self.numbers.get(parent).ok_or(Refusal::UnknownParent { id, parent: *parent })?;
            past.unite(&self.nodes[*number].past);
        }
        for (place, parent) in event.parents.iter().enumerate() {
            let number = self.numbers[parent];
            if past.contains(number) || event.parents[..place].contains(parent) {
                return Err(Refusal::NeedlessParent { id, parent: *parent });
            }
        }
        event.parents.iter().for_each(|parent| past.insert(self.numbers[parent]));
        Ok(past)
    }

    /// Checks the clock and the agent's own order; gives the first clock of the event's group.
    fn checked_group_clock(&self, event: &Event, past: &EventSet) -> Result<u64, Refusal> {
        let id = event.id;
        let last = self.last_of_agent.get(&id.agent).copied();
        if let Some(last) = last.filter(|last| !past.contains(*last)) {
            return Err(Refusal::Forked { id, last: self.nodes[last].event.id });
        }
        let expected = self.next_clock(id.agent, &event.parents);
        if id.clock != expected {
            return Err(Refusal::WrongClock { id, expected });
        }
        Ok(match last.map(|last| &self.nodes[last]) {
            Some(last) if last.event.id.clock + 1 == id.clock => last.group_clock,
            _ => id.clock,
        })
    }

    fn check_index(&mut self, event: &Event, past: &EventSet) -> Result<(), Refusal> {
        let sequence = self.in_total_order(past);
        self.at_parents.show(&self.nodes, &sequence);
        let length = self.at_parents.shown(&self.nodes).len();
        match event.op {
            Op::Insert { index, .. } if index > length => Err(Refusal::IndexBeyond { id: event.id, index, length }),
            Op::Delete { index } if index >= length => Err(Refusal::IndexBeyond { id: event.id, index, length }),
            Op::Insert { .. } | Op::Delete { .. } => Ok(()),
        }
    }

    fn in_total_order(&self, events: &EventSet) -> Vec<usize> {
        self.order.iter().copied().filter(|number| events.contains(*number)).collect()
    }

    fn number(&self, id: Id) -> Result<usize, UnknownEvent> {
        self.numbers.get(&id).copied().ok_or(UnknownEvent { id })
    }
}

/// A version names an event that the graph does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownEvent {
    /// The event named.
    pub id: Id,
}

impl fmt::Display for UnknownEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "event {} is not known", self.id)
    }
}

impl Error for UnknownEvent {}

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An event of this name is known, with other parents or another operation.
    OtherContent {
        /// The event refused.
        id: Id,
    },
    /// A parent has not come yet.
    UnknownParent {
        /// The event refused.
        id: Id,
        /// The parent that is not known.
        parent: Id,
    },
    /// More parents than an event may have.
    TooManyParents {
        /// The event refused.
        id: Id,
        /// How many it names.
        count: usize,
    },
    /// A parent is named twice, or is in the past of another one.
    NeedlessParent {
        /// The event refused.
        id: Id,
        /// The parent that says nothing.
        parent: Id,
    },
    /// The agent's own last event is not in its past.
    Forked {
        /// The event refused.
        id: Id,
        /// The last event known of its agent.
        last: Id,
    },
    /// The clock does not follow from the parents.
    WrongClock {
        /// The event refused.
        id: Id,
        /// The clock that the rule gives.
        expected: u64,
    },
    /// The index is not within the document at the parents.
    IndexBeyond {
        /// The event refused.
        id: Id,
        /// The index it names.
        index: usize,
        /// The visible characters at its parents.
        length: usize,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherContent { id } => {
                write!(formatter, "event {id} is known with other content")
            }
            Self::UnknownParent { id, parent } => {
                write!(formatter, "event {id} names the unknown parent {parent}")
            }
            Self::TooManyParents { id, count } => {
                write!(formatter, "event {id} names {count} parents, at most {MOST_PARENTS} are allowed")
            }
            Self::NeedlessParent { id, parent } => {
                write!(formatter, "event {id} names {parent} needlessly")
            }
            Self::Forked { id, last } => {
                write!(formatter, "event {id} has not seen {last} of its own agent")
            }
            Self::WrongClock { id, expected } => {
                write!(formatter, "event {id} should have clock {expected}")
            }
            Self::IndexBeyond { id, index, length } => {
                write!(formatter, "event {id} is at index {index} of {length} characters")
            }
        }
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::{Added, Graph, Refusal};
    use crate::oracle::{Event, Id, Op};

    fn id(agent: u128, clock: u64) -> Id {
        Id { agent, clock }
    }

    fn insert(name: Id, parents: &[Id], index: usize, character: char) -> Event {
        Event::from_parts(name, parents.to_vec(), Op::Insert { index, character })
    }

    /// Agent 1 wrote "a", agent 2 wrote "b" without knowing.
    fn two_strangers() -> Graph {
        let mut graph = Graph::default();
        assert_eq!(graph.add(&insert(id(1, 0), &[], 0, 'a')), Ok(Added::Fresh));
        assert_eq!(graph.add(&insert(id(2, 0), &[], 0, 'b')), Ok(Added::Fresh));
        graph
    }

    #[test]
    fn the_earlier_in_total_order_stands_first() {
        let mut graph = two_strangers();
        assert_eq!(graph.text(), "ab");
        assert_eq!(graph.total_order(), [id(1, 0), id(2, 0)]);
        assert_eq!(graph.frontier(), [id(1, 0), id(2, 0)]);
        assert_eq!(graph.text_at(&[id(2, 0)]).as_deref(), Ok("b"));
    }

    #[test]
    fn an_adoption_opens_a_gap() {
        let graph = two_strangers();
        assert_eq!(graph.next_clock(1, &[id(1, 0)]), 1);
        assert_eq!(graph.next_clock(1, &[id(1, 0), id(2, 0)]), 2);
        assert_eq!(graph.next_clock(3, &[id(1, 0), id(2, 0)]), 1);
    }

    #[test]
    fn a_refused_event_changes_nothing() {
        let (one, two) = (id(1, 0), id(2, 0));
        let refused = [
            (insert(one, &[], 0, 'z'), Refusal::OtherContent { id: one }),
            (insert(id(3, 9), &[id(9, 8)], 0, 'z'), Refusal::UnknownParent { id: id(3, 9), parent: id(9, 8) }),
            (insert(id(3, 1), &[one, one], 0, 'z'), Refusal::NeedlessParent { id: id(3, 1), parent: one }),
            (insert(id(1, 1), &[two], 0, 'z'), Refusal::Forked { id: id(1, 1), last: one }),
            (insert(id(1, 1), &[one, two], 0, 'z'), Refusal::WrongClock { id: id(1, 1), expected: 2 }),
            (insert(id(1, 1), &[one], 2, 'z'), Refusal::IndexBeyond { id: id(1, 1), index: 2, length: 1 }),
        ];
        for (event, refusal) in refused {
            let mut graph = two_strangers();
            assert_eq!(graph.add(&event), Err(refusal));
            assert_eq!((graph.text().as_str(), graph.events().count()), ("ab", 2), "after: {refusal}");
        }
    }

    #[test]
    fn the_same_event_twice_is_harmless() {
        let mut graph = two_strangers();
        assert_eq!(graph.add(&insert(id(1, 0), &[], 0, 'a')), Ok(Added::Again));
        assert_eq!(graph.text(), "ab");
    }
}
