//! What the events of a JSON document did: one mutation each, at a place named by its path.
//!
//! Knows operations, their typed paths and their bytes. Does not know what is alive: that is the tree's.
//!
//! A *container* is a map or a list by its path: a parent container, the key or element under which it stands there, and
//! which of the two it is. Every container, name and agent is kept once and known by its number here, so an operation
//! takes 40 bytes however deep its path is, and the tree finds a container without hashing its path.
//!
//! An insertion names the element to its left rather than an index: the same where it was made, and it can be put in its
//! place without going back to the version of then.

// Bytes of strangers come to lie here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

mod format;

use super::interned::Interned;
use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
use crate::id::{AgentId, Clock, EventId};
use crate::log::{Contents, Part, Share};
use crate::tree::make_room;
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A path has at most so many steps.
pub(crate) const MAX_DEPTH: u8 = 128;

/// The names along a path have at most so many bytes together: what every operation that is done there says, whatever the
/// bytes that it came in.
pub(crate) const MAX_PATH: usize = 1 << 13;

/// A name, and a string, has at most so many bytes, so that one event fits into a message.
pub(crate) const MAX_NAME: usize = 1 << 12;
pub(crate) const MAX_STRING: usize = 1 << 17;

/// How far it is from the root to a container.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Way {
    pub(crate) steps: u8,
    /// Of the names.
    pub(crate) bytes: usize,
}

impl Way {
    /// One step further, under a name of so many bytes, or an element.
    pub(crate) fn below(self, bytes: usize) -> Self {
        Self { steps: self.steps.saturating_add(1), bytes: self.bytes.saturating_add(bytes) }
    }

    /// Whether it is longer than documents have any.
    pub(crate) fn is_too_long(self) -> bool {
        self.steps > MAX_DEPTH || self.bytes > MAX_PATH
    }
}

/// What stands under a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Kind {
    Register,
    Map,
    List,
}

/// A map or a list, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ContainerId(pub(super) u32);

impl ContainerId {
    pub(crate) const ROOT: Self = Self(0);

    pub(super) fn number(self) -> usize {
        self.0 as usize
    }
}

/// A key of a map, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct NameId(pub(super) u32);

/// An element of a list: the event that inserted it, its agent by number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ElementName {
    author: u32,
    clock: u32,
}

/// Where something stands in its container.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Key {
    Name(NameId),
    Element(ElementName),
}

/// A container that is not the root.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Container {
    pub(crate) parent: ContainerId,
    pub(crate) key: Key,
    pub(crate) is_list: bool,
}

impl Container {
    pub(crate) fn kind(&self) -> Kind {
        if self.is_list { Kind::List } else { Kind::Map }
    }
}

/// One mutation and the container in which it happens.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Operation {
    pub(crate) container: ContainerId,
    pub(crate) action: Action,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Action {
    Assign {
        key: Key,
        value: Stored,
    },
    Delete {
        key: Key,
    },
    /// Behind this element, or at the start.
    Insert {
        left: Option<ElementName>,
        value: Stored,
    },
}

impl Action {
    /// What it puts in place, if anything.
    pub(crate) fn value(&self) -> Option<Stored> {
        match *self {
            Self::Assign { value, .. } | Self::Insert { value, .. } => Some(value),
            Self::Delete { .. } => None,
        }
    }
}

/// A value as it is kept: the bytes of strings are elsewhere.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Stored {
    Map,
    List,
    Null,
    Bool(bool),
    Natural(u64),
    /// Below zero.
    Negative(i64),
    /// Finite.
    Real(f64),
    /// So many bytes of `Operations::texts` from there on.
    Text {
        start: u64,
        len: u32,
    },
}

impl Stored {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Map => Kind::Map,
            Self::List => Kind::List,
            _ => Kind::Register,
        }
    }
}

/// A value that an operation puts in place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Scalar<'a> {
    Map,
    List,
    Null,
    Bool(bool),
    Natural(u64),
    Negative(i64),
    Real(f64),
    Text(&'a str),
}

/// Invariant: containers stand behind their parents; what operations name is there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    /// Without the root, whose number is 0.
    containers: Interned<Container>,
    ways: Vec<Way>,
    names: Interned<Arc<str>>,
    authors: Interned<AgentId>,
    texts: String,
    operations: Vec<Operation>,
}

impl Operations {
    /// What an event did. The caller vouches that it is of this log.
    #[allow(clippy::indexing_slicing, reason = "the graph and its contents have the same length")]
    pub(crate) fn operation(&self, event: u32) -> Operation {
        self.operations[event as usize]
    }

    pub(crate) fn container_count(&self) -> usize {
        self.containers.len() + 1
    }

    /// Where a container stands; `None` for the root.
    pub(crate) fn container(&self, id: ContainerId) -> Option<Container> {
        self.containers.get(id.0.checked_sub(1)?).copied()
    }

    /// The container that stands under a key, if any operation has ever named it.
    pub(crate) fn child(&self, parent: ContainerId, key: Key, is_list: bool) -> Option<ContainerId> {
        self.containers.find(&Container { parent, key, is_list }).map(|number| ContainerId(number + 1))
    }

    /// How far it is to a container.
    pub(crate) fn way(&self, id: ContainerId) -> Way {
        let number = id.0.checked_sub(1);
        number.and_then(|number| self.ways.get(number as usize)).copied().unwrap_or_default()
    }

    /// The same for one that may not be here yet.
    pub(crate) fn way_to(&self, container: &Container) -> Way {
        self.way(container.parent).below(self.name_bytes(container.key))
    }

    /// How many bytes the name has that a key is.
    pub(crate) fn name_bytes(&self, key: Key) -> usize {
        match key {
            Key::Name(name) => self.name(name).len(),
            Key::Element(_) => 0,
        }
    }

    pub(crate) fn is_list(&self, id: ContainerId) -> bool {
        self.container(id).is_some_and(|container| container.is_list)
    }

    /// The steps that lead to a container, from the root on.
    pub(crate) fn path(&self, id: ContainerId) -> Vec<Container> {
        let mut steps = Vec::with_capacity(self.way(id).steps.into());
        let mut at = id;
        while let Some(container) = self.container(at) {
            steps.push(container);
            at = container.parent;
        }
        steps.reverse();
        steps
    }

    pub(crate) fn name(&self, id: NameId) -> &str {
        self.names.get(id.0).map_or("", |name| name)
    }

    pub(crate) fn find_name(&self, name: &str) -> Option<NameId> {
        self.names.find(name).map(NameId)
    }

    pub(crate) fn element(&self, name: ElementName) -> EventId {
        let agent = self.authors.get(name.author).copied().unwrap_or(AgentId::new(0));
        EventId::new(agent, Clock(name.clock))
    }

    pub(crate) fn find_element(&self, id: EventId) -> Option<ElementName> {
        self.authors.find(&id.agent).map(|author| ElementName { author, clock: id.clock.0 })
    }

    pub(crate) fn scalar(&self, value: Stored) -> Scalar<'_> {
        match value {
            Stored::Map => Scalar::Map,
            Stored::List => Scalar::List,
            Stored::Null => Scalar::Null,
            Stored::Bool(value) => Scalar::Bool(value),
            Stored::Natural(value) => Scalar::Natural(value),
            Stored::Negative(value) => Scalar::Negative(value),
            Stored::Real(value) => Scalar::Real(value),
            Stored::Text { start, len } => {
                let (start, len) = (start as usize, len as usize);
                Scalar::Text(self.texts.get(start..start + len).unwrap_or_default())
            }
        }
    }

    fn at(&self) -> u32 {
        self.operations.len() as u32
    }

    /// The container under a key, to be named by the next operation. The caller has seen to the way to it.
    pub(crate) fn enter_container(&mut self, container: Container) -> ContainerId {
        let number = self.containers.enter(container, self.at());
        if number as usize == self.ways.len() {
            self.ways.push(self.way_to(&container));
        }
        ContainerId(number + 1)
    }

    /// A name, to be named by the next operation.
    pub(crate) fn enter_name(&mut self, name: &str) -> NameId {
        if let Some(known) = self.find_name(name) {
            return known;
        }
        let at = self.at();
        NameId(self.names.enter(name.into(), at))
    }

    /// An element, to be named by the next operation.
    pub(crate) fn enter_element(&mut self, id: EventId) -> ElementName {
        let at = self.at();
        ElementName { author: self.authors.enter(id.agent, at), clock: id.clock.0 }
    }

    /// Adds an operation whose parts have been entered.
    pub(crate) fn push(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// Keeps a value for the next operation. A string is at most [`MAX_STRING`] long.
    pub(crate) fn store(&mut self, value: Scalar<'_>) -> Stored {
        match value {
            Scalar::Map => Stored::Map,
            Scalar::List => Stored::List,
            Scalar::Null => Stored::Null,
            Scalar::Bool(value) => Stored::Bool(value),
            Scalar::Natural(value) => Stored::Natural(value),
            Scalar::Negative(value) => Stored::Negative(value),
            Scalar::Real(value) => Stored::Real(value),
            Scalar::Text(text) => {
                let start = self.texts.len() as u64;
                self.texts.push_str(text);
                Stored::Text { start, len: text.len() as u32 }
            }
        }
    }

    /// Adds a copy of another log's operation.
    fn copy(&mut self, other: &Self, operation: Operation, memory: &mut Memory) {
        let container = self.copy_container(other, operation.container, memory);
        let stored = |own: &mut Self, value| own.store(other.scalar(value));
        let action = match operation.action {
            Action::Assign { key, value } => {
                Action::Assign { key: self.copy_key(other, key), value: stored(self, value) }
            }
            Action::Delete { key } => Action::Delete { key: self.copy_key(other, key) },
            Action::Insert { left, value } => {
                let left = left.map(|left| self.enter_element(other.element(left)));
                Action::Insert { left, value: stored(self, value) }
            }
        };
        self.push(Operation { container, action });
    }

    fn copy_key(&mut self, other: &Self, key: Key) -> Key {
        match key {
            Key::Name(name) => Key::Name(self.enter_name(other.name(name))),
            Key::Element(element) => Key::Element(self.enter_element(other.element(element))),
        }
    }

    fn copy_container(&mut self, other: &Self, id: ContainerId, memory: &mut Memory) -> ContainerId {
        if let Some(own) = memory.recall(id) {
            return own;
        }
        let (mut own, steps) = memory.way_down(other, id);
        for (theirs, step) in steps.into_iter().rev() {
            let key = self.copy_key(other, step.key);
            own = self.enter_container(Container { parent: own, key, is_list: step.is_list });
            memory.note(theirs, own);
        }
        own
    }

    /// The same container as one of another log, if any operation has ever named it.
    fn find_container(&self, other: &Self, id: ContainerId, memory: &mut Memory) -> Option<ContainerId> {
        if let Some(own) = memory.recall(id) {
            return Some(own);
        }
        let (mut own, steps) = memory.way_down(other, id);
        for (theirs, step) in steps.into_iter().rev() {
            own = self.child(own, self.find_key(other, step.key)?, step.is_list)?;
            memory.note(theirs, own);
        }
        Some(own)
    }

    fn find_key(&self, other: &Self, key: Key) -> Option<Key> {
        match key {
            Key::Name(name) => self.find_name(other.name(name)).map(Key::Name),
            Key::Element(element) => self.find_element(other.element(element)).map(Key::Element),
        }
    }

    fn same_key(&self, key: Key, other: &Self, theirs: Key) -> bool {
        match (key, theirs) {
            (Key::Name(name), Key::Name(theirs)) => self.name(name) == other.name(theirs),
            (Key::Element(element), Key::Element(theirs)) => self.element(element) == other.element(theirs),
            _ => false,
        }
    }

    fn same_value(&self, value: Stored, other: &Self, theirs: Stored) -> bool {
        match (self.scalar(value), other.scalar(theirs)) {
            // Zero is not minus zero.
            (Scalar::Real(value), Scalar::Real(theirs)) => value.to_bits() == theirs.to_bits(),
            (value, theirs) => value == theirs,
        }
    }

    fn same_action(&self, action: Action, other: &Self, theirs: Action) -> bool {
        match (action, theirs) {
            (Action::Assign { key, value }, Action::Assign { key: their_key, value: their_value }) => {
                self.same_key(key, other, their_key) && self.same_value(value, other, their_value)
            }
            (Action::Delete { key }, Action::Delete { key: their_key }) => self.same_key(key, other, their_key),
            (Action::Insert { left, value }, Action::Insert { left: their_left, value: their_value }) => {
                left.map(|left| self.element(left)) == their_left.map(|left| other.element(left))
                    && self.same_value(value, other, their_value)
            }
            _ => false,
        }
    }
}

/// Containers of another log and the same ones here: a path may be long, and operations go back and forth between some.
#[derive(Default)]
struct Memory {
    /// Most operations stand where the one before did.
    last: Option<(ContainerId, ContainerId)>,
    others: HashMap<ContainerId, ContainerId, RandomState>,
}

impl Memory {
    fn recall(&self, theirs: ContainerId) -> Option<ContainerId> {
        let last = self.last.filter(|&(last, _)| last == theirs).map(|(_, own)| own);
        last.or_else(|| if self.others.is_empty() { None } else { self.others.get(&theirs).copied() })
    }

    fn note(&mut self, theirs: ContainerId, own: ContainerId) {
        if let Some((last, own)) = self.last.replace((theirs, own)) {
            self.others.insert(last, own);
        }
    }

    /// The nearest container on the way to one of another log that is known here, and the steps from there, last first.
    fn way_down(&self, other: &Operations, id: ContainerId) -> (ContainerId, SmallVec<[(ContainerId, Container); 8]>) {
        let (mut steps, mut at) = (SmallVec::new(), id);
        while let Some(step) = other.container(at) {
            if let Some(own) = self.recall(at) {
                return (own, steps);
            }
            steps.push((at, step));
            at = step.parent;
        }
        (ContainerId::ROOT, steps)
    }
}

impl Contents for Operations {
    const MAGIC: &[u8; 4] = b"CEDj";
    const UPDATE: &str = "an update of a Cede JSON document";

    fn len(&self) -> u32 {
        self.at()
    }

    fn append(&mut self, other: &Self, events: Range<u32>) {
        let mut memory = Memory::default();
        let operations = other.operations.get(events.start as usize..events.end as usize).unwrap_or_default();
        make_room(&mut self.operations, operations.len());
        operations.iter().for_each(|&operation| self.copy(other, operation, &mut memory));
    }

    fn same(&self, at: u32, other: &Self, events: Range<u32>) -> bool {
        let mut memory = Memory::default();
        let theirs = other.operations.get(events.start as usize..events.end as usize).unwrap_or_default();
        let ours = self.operations.get(at as usize..).unwrap_or_default();
        ours.len() >= theirs.len()
            && ours.iter().zip(theirs).all(|(ours, theirs)| {
                self.find_container(other, theirs.container, &mut memory) == Some(ours.container)
                    && self.same_action(ours.action, other, theirs.action)
            })
    }

    fn truncate(&mut self, len: u32) {
        let gone = self.operations.get(len as usize..).unwrap_or_default();
        let text = gone.iter().find_map(|operation| match operation.action.value() {
            Some(Stored::Text { start, .. }) => Some(start as usize),
            _ => None,
        });
        if let Some(start) = text {
            self.texts.truncate(start);
        }
        self.operations.truncate(len as usize);
        self.containers.truncate(len);
        self.ways.truncate(self.containers.len());
        self.names.truncate(len);
        self.authors.truncate(len);
    }

    fn write(&self, events: &[Range<u32>], writer: &mut Writer) {
        self.write_plain(events, writer);
    }

    fn read(reader: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError> {
        Self::read_plain(reader, len)
    }

    fn pack(&self, parts: &[Part]) -> (Vec<u32>, Columns) {
        self.columns_of(parts)
    }

    fn unpack(
        columns: &mut ColumnReader<'_, '_>,
        shares: &[Share],
        authors: usize,
    ) -> Result<(Self, Vec<u32>), DecodeError> {
        Self::read_columns(columns, shares, authors)
    }

    fn tell(&self, events: Range<u32>, _: Option<u32>, tell: &mut dyn FnMut(&[u8])) {
        events.for_each(|event| self.tell_one(event, tell));
    }

    fn fitting(&self, events: Range<u32>, max_bytes: usize) -> (u32, usize) {
        let (mut count, mut bytes) = (0, 0);
        let operations = self.operations.get(events.start as usize..events.end as usize).unwrap_or_default();
        for operation in operations {
            let more = self.size(operation);
            if bytes + more > max_bytes {
                break;
            }
            (count, bytes) = (count + 1, bytes + more);
        }
        (count, bytes)
    }

    fn memory(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len()).sum();
        size_of::<Self>()
            + self.texts.len()
            + self.operations.len() * size_of::<Operation>()
            + self.containers.len() * 3 * size_of::<Container>()
            + names
            + self.names.len() * 64
    }
}

impl Operations {
    /// How many bytes the names have that an operation says.
    pub(crate) fn said(&self, operation: &Operation) -> usize {
        let own = match operation.action {
            Action::Assign { key, .. } | Action::Delete { key } => self.name_bytes(key),
            Action::Insert { .. } => 0,
        };
        self.way(operation.container).bytes + own
    }

    /// About how many bytes an operation takes by itself.
    fn size(&self, operation: &Operation) -> usize {
        // An agent and a clock for each step of the path and the place itself, and the table around them.
        const STEP: usize = 24;
        let value = match operation.action.value() {
            Some(Stored::Text { len, .. }) => len as usize,
            _ => 8,
        };
        STEP * (usize::from(self.way(operation.container).steps) + 2) + value + self.said(operation)
    }
}

/// The bytes that say what an operation did, whatever the numbers are here.
impl Operations {
    fn tell_one(&self, event: u32, tell: &mut dyn FnMut(&[u8])) {
        let Some(&Operation { container, action }) = self.operations.get(event as usize) else { return };
        let path = self.path(container);
        tell(&[action.code(), path.len() as u8]);
        for step in path {
            tell(&[u8::from(step.is_list)]);
            self.tell_key(step.key, tell);
        }
        match action {
            Action::Assign { key, .. } | Action::Delete { key } => self.tell_key(key, tell),
            Action::Insert { left: None, .. } => tell(&[0]),
            Action::Insert { left: Some(left), .. } => {
                tell(&[1]);
                self.tell_key(Key::Element(left), tell);
            }
        }
        if let Some(value) = action.value() {
            self.tell_value(value, tell);
        }
    }

    fn tell_key(&self, key: Key, tell: &mut dyn FnMut(&[u8])) {
        match key {
            Key::Name(name) => tell_string(self.name(name), tell),
            Key::Element(element) => {
                let id = self.element(element);
                tell(&id.agent.get().to_be_bytes());
                tell(&id.clock.0.to_le_bytes());
            }
        }
    }

    fn tell_value(&self, value: Stored, tell: &mut dyn FnMut(&[u8])) {
        tell(&[value.code()]);
        match self.scalar(value) {
            Scalar::Map | Scalar::List | Scalar::Null | Scalar::Bool(_) => {}
            Scalar::Natural(value) => tell(&value.to_le_bytes()),
            Scalar::Negative(value) => tell(&value.to_le_bytes()),
            Scalar::Real(value) => tell(&value.to_bits().to_le_bytes()),
            Scalar::Text(text) => tell_string(text, tell),
        }
    }
}

fn tell_string(text: &str, tell: &mut dyn FnMut(&[u8])) {
    tell(&(text.len() as u32).to_le_bytes());
    tell(text.as_bytes());
}

impl Action {
    fn code(&self) -> u8 {
        match self {
            Self::Assign { .. } => 0,
            Self::Delete { .. } => 1,
            Self::Insert { .. } => 2,
        }
    }
}

impl Stored {
    fn code(self) -> u8 {
        match self {
            Self::Map => 0,
            Self::List => 1,
            Self::Null => 2,
            Self::Bool(false) => 3,
            Self::Bool(true) => 4,
            Self::Natural(_) => 5,
            Self::Negative(_) => 6,
            Self::Real(_) => 7,
            Self::Text { .. } => 8,
        }
    }
}
