//! What is alive: the maps, lists and registers that the operations of a log make.
//!
//! Under each key stands what *touches* it: for each type the latest operations that assign it or pass through it, and
//! that nothing which had seen them has cleared. A map key is present, and an element visible, while something touches it.
//! An operation comes after everything that it has seen and takes away only from that; so operations are applied in
//! whatever causal order they come, none is ever undone, and the total order is asked only to list what is concurrent.
//!
//! Of the operations that touch a key with one type only those are kept that no other of them has seen. The others would
//! be of no use: who clears the later one has seen the earlier one, and what reads the last in T reads the later one.
//! So a key takes a few bytes however often it is passed.
//!
//! Costs a look-up for each step of the path; a deletion besides what it takes away.
//!
//! Source: Kleppmann & Beresford, "A Conflict-Free Replicated JSON Datatype" (2017), section 4.2, with presence as the set
//! of operations that have not been cleared. One difference: a scalar, too, clears the map and the list under its key.

use super::list::List;
use super::operations::{Action, ContainerId, ElementName, Key, Kind, NameId, Operation, Operations};
use super::slots::Slots;
use crate::graph::Heads;
use crate::id::{EventId, Local, Span};
use crate::log::{Log, Refusal, Rule};
use smallvec::SmallVec;
use std::borrow::Cow;

/// So many bytes of names are hashed, for a fingerprint, in the time that one step takes: each operation says its whole path.
const BYTES_A_STEP: usize = 128;

/// The log of a JSON document.
pub(crate) type JsonLog = Log<Operations>;

/// An operation that touches a key, and the type of what it puts or passes there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Touch {
    pub(crate) event: Local,
    pub(crate) kind: Kind,
}

/// What touches one key.
///
/// Invariant: of two with the same kind, neither has seen the other.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Slot {
    touches: SmallVec<[Touch; 2]>,
}

impl Slot {
    /// Of an element that nothing has touched but its own insertion.
    pub(super) fn of_new(log: &JsonLog, element: Local) -> Self {
        let value = log.contents().operation(element.0).action.value();
        let touches = value.map(|value| Touch { event: element, kind: value.kind() });
        Self { touches: touches.into_iter().collect() }
    }

    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.touches.iter().any(|touch| touch.kind == kind)
    }

    /// The last one in T: what the plain reading shows.
    pub(crate) fn last(&self, log: &JsonLog) -> Option<Touch> {
        self.touches.iter().max_by(|a, b| log.graph().compare(a.event, b.event)).copied()
    }

    /// Its type.
    pub(crate) fn shown(&self, log: &JsonLog) -> Option<Kind> {
        self.last(log).map(|touch| touch.kind)
    }

    /// The assignments, in T.
    pub(crate) fn registers(&self, log: &JsonLog) -> SmallVec<[Local; 2]> {
        let registers = self.touches.iter().filter(|touch| touch.kind == Kind::Register);
        let mut events: SmallVec<[Local; 2]> = registers.map(|touch| touch.event).collect();
        events.sort_unstable_by(|&a, &b| log.graph().compare(a, b));
        events
    }
}

/// A map or list.
///
/// Invariant: no slot that nothing touches.
#[derive(Clone, Debug, Default)]
enum Node {
    #[default]
    Empty,
    Map(Slots<NameId>),
    List(Box<List>),
}

/// A key as the tree knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Spot {
    Name(NameId),
    Element(Local),
}

/// By containers, what is alive in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    /// How much has been looked at to find out whether an operation had seen it.
    steps: u64,
}

/// What one event has seen.
pub(super) struct Past<'a> {
    log: &'a JsonLog,
    parents: Heads,
    /// All events before it in the log.
    is_all: bool,
}

impl<'a> Past<'a> {
    fn of(log: &'a JsonLog, event: Local) -> Self {
        let is_all = log.graph().run_at(event).saw_all;
        let parents = if is_all { Heads::new() } else { log.graph().parents_of(event) };
        Self { log, parents, is_all }
    }

    /// Whether that is everything.
    pub(super) fn is_all(&self) -> bool {
        self.is_all
    }

    /// The only event that its parents are, where it has not seen everything.
    pub(super) fn only_parent(&self) -> Option<Local> {
        match *self.parents.as_slice() {
            [parent] => Some(parent),
            _ => None,
        }
    }

    pub(super) fn has(&self, event: Local) -> bool {
        self.is_all || self.log.graph().has_seen(&self.parents, event)
    }
}

/// What changes.
impl Tree {
    /// Applies an operation that keeps the rules.
    pub(crate) fn apply(&mut self, log: &JsonLog, event: Local) {
        let operation = log.contents().operation(event.0);
        let Operation { container, action } = operation;
        let past = Past::of(log, event);
        self.steps += (log.contents().said(&operation) / BYTES_A_STEP) as u64;
        self.nodes.resize_with(log.contents().container_count().max(self.nodes.len()), Node::default);
        let spot = match action {
            Action::Assign { key, .. } | Action::Delete { key } => {
                let spot = spot_of(log, key);
                self.clear(&past, container, Some(key), spot);
                spot
            }
            Action::Insert { left, .. } => {
                let left = left.map(|left| local_of(log, left));
                self.steps += self.list_mut(container).insert(log, left, event, &past);
                Spot::Element(event)
            }
        };
        let Some(value) = action.value() else { return };
        // That an element is touched by its insertion goes without saying.
        if !matches!(action, Action::Insert { .. }) {
            self.touch(&past, container, spot, Touch { event, kind: value.kind() });
        }
        let mut at = container;
        while let Some(step) = log.contents().container(at) {
            self.touch(&past, step.parent, spot_of(log, step.key), Touch { event, kind: step.kind() });
            at = step.parent;
        }
    }

    /// Has an operation touch a key, in the place of those that it has seen.
    fn touch(&mut self, past: &Past<'_>, container: ContainerId, spot: Spot, touch: Touch) {
        let slot = match spot {
            Spot::Name(name) => self.map_mut(container).enter(name).0,
            Spot::Element(element) => self.list_mut(container).enter(past.log, element),
        };
        let looked_at = slot.touches.len() as u64;
        slot.touches.retain(|other| other.kind != touch.kind || !past.has(other.event));
        slot.touches.push(touch);
        self.steps += looked_at;
    }

    /// Takes away what the past has of a key and of everything below it. There is nothing below an element that no operation
    /// has named, so that it has no `key`.
    fn clear(&mut self, past: &Past<'_>, container: ContainerId, key: Option<Key>, spot: Spot) {
        let Some(slot) = self.slot_mut(past.log, container, spot) else { return };
        let looked_at = slot.touches.len() as u64;
        let below = [(Kind::Map, false), (Kind::List, true)].map(|(kind, is_list)| slot.has(kind).then_some(is_list));
        slot.touches.retain(|touch| !past.has(touch.event));
        let is_vacant = slot.touches.is_empty();
        self.steps += looked_at;
        if is_vacant {
            self.vacate(container, spot);
        }
        // What is alive below touches this key as well, so there is nothing below a type that has no touch here.
        for is_list in below.into_iter().flatten() {
            let child = key.and_then(|key| past.log.contents().child(container, key, is_list));
            if let Some(child) = child {
                self.clear_all(past, child);
            }
        }
    }

    /// Takes away what the past has of everything in a container. As deep as paths are, which is at most 128 steps.
    fn clear_all(&mut self, past: &Past<'_>, container: ContainerId) {
        self.steps += 1;
        for spot in self.spots(container) {
            self.clear(past, container, key_of(past.log, spot), spot);
        }
    }

    fn vacate(&mut self, container: ContainerId, spot: Spot) {
        match (self.nodes.get_mut(container.number()), spot) {
            (Some(Node::Map(map)), Spot::Name(name)) => map.remove(name),
            (Some(Node::List(list)), Spot::Element(element)) => list.hide(element),
            _ => {}
        }
    }

    fn slot_mut(&mut self, log: &JsonLog, container: ContainerId, spot: Spot) -> Option<&mut Slot> {
        match (self.nodes.get_mut(container.number())?, spot) {
            (Node::Map(map), Spot::Name(name)) => map.get_mut(name),
            (Node::List(list), Spot::Element(element)) => list.slot_mut(log, element),
            _ => None,
        }
    }

    fn map_mut(&mut self, container: ContainerId) -> &mut Slots<NameId> {
        let node = &mut self.nodes[container.number()];
        if let Node::Empty = node {
            *node = Node::Map(Slots::default());
        }
        match node {
            Node::Map(map) => map,
            node => unreachable!("{container:?} is taken for a map and is {node:?}"),
        }
    }

    fn list_mut(&mut self, container: ContainerId) -> &mut List {
        let node = &mut self.nodes[container.number()];
        if let Node::Empty = node {
            *node = Node::List(Box::default());
        }
        match node {
            Node::List(list) => list,
            node => unreachable!("{container:?} is taken for a list and is {node:?}"),
        }
    }
}

/// What is there.
impl Tree {
    /// How many steps everything has taken so far: something looked at is one.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    fn node(&self, container: ContainerId) -> &Node {
        self.nodes.get(container.number()).unwrap_or(&Node::Empty)
    }

    /// What touches a key, if anything does.
    pub(crate) fn slot(&self, log: &JsonLog, container: ContainerId, spot: Spot) -> Option<Cow<'_, Slot>> {
        match (self.node(container), spot) {
            (Node::Map(map), Spot::Name(name)) => map.get(name).map(Cow::Borrowed),
            (Node::List(list), Spot::Element(element)) => list.slot(log, element),
            _ => None,
        }
    }

    /// The keys present in a map, in no order, or the visible elements of a list from left to right.
    pub(crate) fn spots(&self, container: ContainerId) -> Vec<Spot> {
        match self.node(container) {
            Node::Empty => Vec::new(),
            Node::Map(map) => map.keys().into_iter().map(Spot::Name).collect(),
            Node::List(list) => list.shown().into_iter().map(Spot::Element).collect(),
        }
    }

    /// How many keys are present, or elements visible.
    pub(crate) fn len(&self, container: ContainerId) -> usize {
        match self.node(container) {
            Node::Empty => 0,
            Node::Map(map) => map.len(),
            Node::List(list) => list.len(),
        }
    }

    /// The visible element at an index. O(log n).
    pub(crate) fn element_at(&self, list: ContainerId, index: usize) -> Option<Local> {
        let Node::List(list) = self.node(list) else { return None };
        list.element_at(index)
    }

    /// How many visible elements stand before one. O(log n).
    pub(crate) fn index_of(&self, list: ContainerId, element: Local) -> usize {
        match self.node(list) {
            Node::List(list) => list.index_of(element),
            _ => 0,
        }
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self, log: &JsonLog) {
        for (number, node) in self.nodes.iter().enumerate() {
            let slots: Vec<&Slot> = match node {
                Node::Empty => Vec::new(),
                Node::Map(map) => map.values(),
                Node::List(list) => {
                    list.assert_invariants(log);
                    list.slots()
                }
            };
            for slot in slots {
                assert!(!slot.touches.is_empty(), "a slot of container {number} that nothing touches");
                for (a, b) in slot.touches.iter().flat_map(|a| slot.touches.iter().map(move |b| (a, b))) {
                    let same = a.kind == b.kind && a.event != b.event;
                    assert!(!same || !log.graph().has_seen(&[b.event], a.event), "{a:?} was seen by {b:?}");
                }
            }
        }
    }
}

/// The rules of JSON: what an operation names is there.
pub(crate) fn check(log: &JsonLog, events: Span) -> Result<(), Refusal> {
    (events.start.0..events.end.0).map(Local).try_for_each(|event| {
        let Operation { container, action } = log.contents().operation(event.0);
        let past = Past::of(log, event);
        let mut at = container;
        while let Some(step) = log.contents().container(at) {
            check_key(&past, event, step.parent, step.key)?;
            at = step.parent;
        }
        match action {
            Action::Assign { key, .. } | Action::Delete { key } => check_key(&past, event, container, key),
            Action::Insert { left: Some(left), .. } => check_key(&past, event, container, Key::Element(left)),
            Action::Insert { left: None, .. } => Ok(()),
        }
    })
}

/// Whether an element was inserted into this list before.
fn check_key(past: &Past<'_>, event: Local, list: ContainerId, key: Key) -> Result<(), Refusal> {
    let Key::Element(name) = key else { return Ok(()) };
    let (log, element) = (past.log, past.log.contents().element(name));
    let inserted = log.graph().local(element).filter(|&local| local < event && past.has(local));
    let is_there = inserted.is_some_and(|local| {
        let operation = log.contents().operation(local.0);
        operation.container == list && matches!(operation.action, Action::Insert { .. })
    });
    if is_there { Ok(()) } else { Err(Refusal { event: log.graph().id(event), rule: Rule::NoSuchElement { element } }) }
}

/// The event of an element that was checked.
pub(super) fn local_of(log: &JsonLog, element: ElementName) -> Local {
    let id = log.contents().element(element);
    match log.graph().local(id) {
        Some(local) => local,
        None => unreachable!("element {id} was checked and is not known"),
    }
}

pub(crate) fn spot_of(log: &JsonLog, key: Key) -> Spot {
    match key {
        Key::Name(name) => Spot::Name(name),
        Key::Element(element) => Spot::Element(local_of(log, element)),
    }
}

/// A spot as operations name it; `None` for an element that none has named, which has nothing below.
pub(crate) fn key_of(log: &JsonLog, spot: Spot) -> Option<Key> {
    match spot {
        Spot::Name(name) => Some(Key::Name(name)),
        Spot::Element(element) => element_name(log, log.graph().id(element)).map(Key::Element),
    }
}

fn element_name(log: &JsonLog, id: EventId) -> Option<ElementName> {
    log.contents().find_element(id)
}
