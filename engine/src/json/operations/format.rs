//! Operations as bytes: one after the other in a plain update, in columns in a packed one. `engine/FORMAT.md` has the
//! tables.
//!
//! First what operations name: agents, names, containers, each once; then the operations, which name them by number. An
//! element is named by its agent and its clock, in columns by how far that is from the last element named in the same
//! container: lists grow at their end, or where somebody is at work.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{
    Action, Container, ContainerId, ElementName, Key, MAX_NAME, MAX_STRING, NameId, Operations, Scalar, Stored,
};
use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
use crate::id::{AgentId, Clock, EventId};
use crate::log::{Contents, Part, Share};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::ops::Range;

/// Bytes of memory that a byte of each column becomes at most. An operation and its place in the tree; an agent; a name and
/// a container, each with its place among all; a string, where it lies and what is made of it.
const HEAD_WEIGHT: u32 = 192;
const AUTHOR_WEIGHT: u32 = 6;
const NAME_WEIGHT: u32 = 128;
const CONTAINER_WEIGHT: u32 = 128;
const TEXT_WEIGHT: u32 = 3;
/// Read and forgotten.
const NUMBER_WEIGHT: u32 = 1;

/// What one byte says of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head {
    deed: Deed,
    /// As in `Stored::code`; 0 for a deletion.
    value: u8,
    /// The container is not that of the operation before.
    container_is_written: bool,
    /// The element's agent is not that of the last element named in this container.
    author_is_written: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Deed {
    Assign,
    Delete,
    InsertFirst,
    InsertBehind,
}

const DEEDS: [Deed; 4] = [Deed::Assign, Deed::Delete, Deed::InsertFirst, Deed::InsertBehind];
const VALUES: u8 = 9;

impl Head {
    #[cfg(test)]
    const COUNT: u8 = DEEDS.len() as u8 * VALUES * 4;

    fn code(self) -> u8 {
        let flags = u8::from(self.container_is_written) * 2 + u8::from(self.author_is_written);
        (self.deed as u8 * VALUES + self.value) * 4 + flags
    }

    fn from_code(code: u8) -> Option<Self> {
        let (number, flags) = (code / 4, code % 4);
        let deed = *DEEDS.get(usize::from(number / VALUES))?;
        let value = number % VALUES;
        (deed != Deed::Delete || value == 0).then_some(Self {
            deed,
            value,
            container_is_written: flags & 2 != 0,
            author_is_written: flags & 1 != 0,
        })
    }
}

/// The columns of what operations name and do.
#[derive(Default)]
struct Written {
    authors: Writer,
    name_lengths: Writer,
    parents: Writer,
    keys: Writer,
    heads: Writer,
    places: Writer,
    names: Writer,
    elements: Writer,
    values: Writer,
    text: Writer,
}

impl Written {
    /// The tables, then the operations.
    fn of(operations: &Operations) -> Self {
        let mut written = Self::default();
        operations.authors.iter().for_each(|agent| written.authors.wide(agent.get()));
        for name in operations.names.iter() {
            written.name_lengths.number(name.len() as u64);
            written.text.raw(name.as_bytes());
        }
        let mut last = Mentioned::default();
        for container in operations.containers.iter() {
            written.parents.number(u64::from(container.parent.0) * 2 + u64::from(container.is_list));
            match container.key {
                Key::Name(name) => written.keys.number(u64::from(name.0)),
                Key::Element(element) => {
                    written.keys.number(u64::from(element.author));
                    written.keys.signed(last.step(container.parent, element));
                }
            }
        }
        last = Mentioned::default();
        let mut container = ContainerId::ROOT;
        for operation in &operations.operations {
            written.operation(operations, operation.action, operation.container, container, &mut last);
            container = operation.container;
        }
        written
    }

    fn operation(
        &mut self,
        operations: &Operations,
        action: Action,
        container: ContainerId,
        before: ContainerId,
        last: &mut Mentioned,
    ) {
        let (deed, key) = match action {
            Action::Assign { key, .. } => (Deed::Assign, Some(key)),
            Action::Delete { key } => (Deed::Delete, Some(key)),
            Action::Insert { left: None, .. } => (Deed::InsertFirst, None),
            Action::Insert { left: Some(left), .. } => (Deed::InsertBehind, Some(Key::Element(left))),
        };
        let container_is_written = container != before;
        let mut author_is_written = false;
        match key {
            None => {}
            Some(Key::Name(name)) => self.names.number(u64::from(name.0)),
            Some(Key::Element(element)) => {
                author_is_written = last.author(container) != element.author;
                if author_is_written {
                    self.names.number(u64::from(element.author));
                }
                self.elements.signed(last.step(container, element));
            }
        }
        if container_is_written {
            self.places.number(u64::from(container.0));
        }
        let value = action.value().map_or(0, Stored::code);
        self.heads.byte(Head { deed, value, container_is_written, author_is_written }.code());
        if let Some(value) = action.value() {
            self.value(operations.scalar(value));
        }
    }

    fn value(&mut self, value: Scalar<'_>) {
        match value {
            Scalar::Map | Scalar::List | Scalar::Null | Scalar::Bool(_) => {}
            Scalar::Natural(value) => self.values.number(value),
            // From −1 down to the least: 0 and up.
            Scalar::Negative(value) => self.values.number(!value as u64),
            Scalar::Real(value) => self.values.raw(&value.to_bits().to_le_bytes()),
            Scalar::Text(text) => {
                self.values.number(text.len() as u64);
                self.text.raw(text.as_bytes());
            }
        }
    }

    fn columns(self) -> [(Writer, u32); 10] {
        [
            (self.authors, AUTHOR_WEIGHT),
            (self.name_lengths, NAME_WEIGHT),
            (self.parents, CONTAINER_WEIGHT),
            (self.keys, NUMBER_WEIGHT),
            (self.heads, HEAD_WEIGHT),
            (self.places, NUMBER_WEIGHT),
            (self.names, NUMBER_WEIGHT),
            (self.elements, NUMBER_WEIGHT),
            (self.values, NUMBER_WEIGHT),
            (self.text, TEXT_WEIGHT),
        ]
    }
}

/// By container, the element that was named in it last.
#[derive(Default)]
struct Mentioned {
    last: HashMap<ContainerId, ElementName, RandomState>,
}

impl Mentioned {
    fn author(&self, container: ContainerId) -> u32 {
        self.last.get(&container).map_or(0, |last| last.author)
    }

    /// How far an element's clock is from that of the one named before.
    fn step(&mut self, container: ContainerId, element: ElementName) -> i64 {
        let before = self.last.insert(container, element).map_or(0, |last| last.clock);
        i64::from(element.clock) - i64::from(before)
    }

    /// The element that is so far from the one named before, if there can be one.
    fn element(&mut self, container: ContainerId, author: u32, step: i64) -> Option<ElementName> {
        let before = self.last.get(&container).map_or(0, |last| last.clock);
        let clock = i64::from(before).checked_add(step)?;
        let element = ElementName { author, clock: u32::try_from(clock).ok()? };
        self.last.insert(container, element);
        Some(element)
    }
}

impl Operations {
    pub(super) fn write_plain(&self, events: &[Range<u32>], writer: &mut Writer) {
        for (column, _) in Written::of(&self.part(events.iter().cloned())).columns() {
            writer.string(&column.finish());
        }
    }

    pub(super) fn read_plain(reader: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError> {
        let mut columns = [&[][..]; 10];
        for column in &mut columns {
            *column = reader.string()?;
        }
        let operations = Reading::new(columns).and_then(|mut reading| {
            reading.operations(len)?;
            reading.finish()
        });
        operations.map_err(|error| match error {
            // Offsets within a column would say nothing here.
            DecodeError::Invalid { what, .. } => reader.invalid(what),
            _ => reader.invalid("operations that end too early or go on too long"),
        })
    }

    pub(super) fn columns_of(&self, parts: &[Part]) -> (Vec<u32>, Columns) {
        let runs = parts.iter().map(|part| part.events.len() as u32).collect();
        let mut columns = Columns::default();
        for (column, weight) in Written::of(&self.part(parts.iter().map(|part| part.events.clone()))).columns() {
            columns.add(column, weight);
        }
        (runs, columns)
    }

    pub(super) fn read_columns(
        columns: &mut ColumnReader<'_, '_>,
        shares: &[Share],
        _: usize,
    ) -> Result<(Self, Vec<u32>), DecodeError> {
        let read = columns.all(Written::default().columns().map(|(_, weight)| weight))?;
        let mut reading = Reading::new(read.each_ref().map(|column| &**column))?;
        let mut counts = Vec::with_capacity(shares.len());
        for share in shares {
            if share.runs == 0 {
                return Err(columns.invalid("a piece without operations"));
            }
            reading.operations(share.runs)?;
            counts.push(share.runs);
        }
        Ok((reading.finish()?, counts))
    }

    /// Just these events, with just what they name.
    fn part(&self, events: impl Iterator<Item = Range<u32>>) -> Self {
        let mut part = Self::default();
        events.for_each(|range| Contents::append(&mut part, self, range));
        part
    }
}

/// Columns being read. Numbers of tables are mapped, for a writer may have named something twice.
struct Reading<'a> {
    operations: Operations,
    authors: Vec<AgentId>,
    names: Vec<NameId>,
    containers: Vec<ContainerId>,
    heads: Reader<'a>,
    places: Reader<'a>,
    named: Reader<'a>,
    elements: Reader<'a>,
    values: Reader<'a>,
    text: Text<'a>,
    last: Mentioned,
    container: ContainerId,
}

/// UTF-8 that is taken off piece by piece.
struct Text<'a> {
    rest: &'a str,
}

impl<'a> Text<'a> {
    fn take(&mut self, len: u64, most: usize, reader: &Reader<'_>) -> Result<&'a str, DecodeError> {
        let len = usize::try_from(len).ok().filter(|&len| len <= most);
        let len = len.ok_or_else(|| reader.invalid("a name or string that is too long"))?;
        let cut = self.rest.split_at_checked(len);
        let (text, rest) = cut.ok_or_else(|| reader.invalid("less text than names and strings have"))?;
        self.rest = rest;
        Ok(text)
    }
}

impl<'a> Reading<'a> {
    fn new(columns: [&'a [u8]; 10]) -> Result<Self, DecodeError> {
        let [authors, name_lengths, parents, keys, heads, places, named, elements, values, text] =
            columns.map(Reader::new);
        let bytes = text.clone().raw(text.remaining())?;
        let rest = std::str::from_utf8(bytes).map_err(|_| text.invalid("names and strings are not UTF-8"))?;
        let mut reading = Self {
            operations: Operations::default(),
            authors: Vec::new(),
            names: Vec::new(),
            containers: vec![ContainerId::ROOT],
            heads,
            places,
            named,
            elements,
            values,
            text: Text { rest },
            last: Mentioned::default(),
            container: ContainerId::ROOT,
        };
        reading.read_tables(authors, name_lengths)?;
        reading.read_containers(parents, keys)?;
        Ok(reading)
    }

    fn read_tables(&mut self, mut authors: Reader<'_>, mut lengths: Reader<'_>) -> Result<(), DecodeError> {
        while authors.remaining() > 0 {
            let agent = AgentId::new(authors.wide()?);
            self.operations.authors.enter(agent, 0);
            self.authors.push(agent);
        }
        while lengths.remaining() > 0 {
            let length = lengths.number()?;
            let name = self.text.take(length, MAX_NAME, &lengths)?;
            self.names.push(self.operations.enter_name(name));
        }
        Ok(())
    }

    fn read_containers(&mut self, mut parents: Reader<'_>, mut keys: Reader<'_>) -> Result<(), DecodeError> {
        while parents.remaining() > 0 {
            let number = parents.number()?;
            let parent = self.container_at(number / 2, &parents)?;
            let key = if self.operations.is_list(parent) {
                let author = keys.number()?;
                let step = keys.signed()?;
                Key::Element(self.element(parent, author, step, &keys)?)
            } else {
                let name = keys.number()?;
                Key::Name(self.name_at(name, &keys)?)
            };
            let container = Container { parent, key, is_list: number % 2 == 1 };
            if self.operations.way_to(&container).is_too_long() {
                return Err(parents.invalid("a path of more than 128 steps, or of more than 8 KiB of names"));
            }
            self.containers.push(self.operations.enter_container(container));
        }
        keys.end()?;
        self.last = Mentioned::default();
        Ok(())
    }

    fn container_at(&self, number: u64, reader: &Reader<'_>) -> Result<ContainerId, DecodeError> {
        let found = usize::try_from(number).ok().and_then(|number| self.containers.get(number));
        found.copied().ok_or_else(|| reader.invalid("a container that is not in the table"))
    }

    fn name_at(&self, number: u64, reader: &Reader<'_>) -> Result<NameId, DecodeError> {
        let found = usize::try_from(number).ok().and_then(|number| self.names.get(number));
        found.copied().ok_or_else(|| reader.invalid("a name that is not in the table"))
    }

    /// The element `step` clocks from the one named before in a container.
    fn element(
        &mut self,
        container: ContainerId,
        author: u64,
        step: i64,
        reader: &Reader<'_>,
    ) -> Result<ElementName, DecodeError> {
        let agent = usize::try_from(author).ok().and_then(|number| self.authors.get(number)).copied();
        let agent = agent.ok_or_else(|| reader.invalid("an agent that is not in the table"))?;
        let found = self.last.element(container, author as u32, step);
        let clock = found.ok_or_else(|| reader.invalid("an element's clock is none"))?.clock;
        Ok(self.operations.enter_element(EventId::new(agent, Clock(clock))))
    }

    /// Reads so many operations.
    fn operations(&mut self, count: u32) -> Result<(), DecodeError> {
        (0..count).try_for_each(|_| self.operation())
    }

    fn operation(&mut self) -> Result<(), DecodeError> {
        let head = Head::from_code(self.heads.byte()?);
        let head = head.ok_or_else(|| self.heads.invalid("no such head of an operation"))?;
        if head.container_is_written {
            let number = self.places.number()?;
            self.container = self.container_at(number, &self.places)?;
        }
        let container = self.container;
        let is_list = self.operations.is_list(container);
        let action = match head.deed {
            Deed::Assign => Action::Assign { key: self.key(head, is_list)?, value: self.value(head)? },
            Deed::Delete => Action::Delete { key: self.key(head, is_list)? },
            Deed::InsertFirst | Deed::InsertBehind if !is_list => {
                return Err(self.heads.invalid("an insertion into what is no list"));
            }
            Deed::InsertFirst => Action::Insert { left: None, value: self.value(head)? },
            Deed::InsertBehind => Action::Insert { left: Some(self.named_element(head)?), value: self.value(head)? },
        };
        self.operations.push(super::Operation { container, action });
        Ok(())
    }

    fn key(&mut self, head: Head, is_list: bool) -> Result<Key, DecodeError> {
        if is_list {
            return self.named_element(head).map(Key::Element);
        }
        let number = self.named.number()?;
        self.name_at(number, &self.named).map(Key::Name)
    }

    fn named_element(&mut self, head: Head) -> Result<ElementName, DecodeError> {
        let known = u64::from(self.last.author(self.container));
        let author = if head.author_is_written { self.named.number()? } else { known };
        let (step, elements) = (self.elements.signed()?, self.elements.clone());
        self.element(self.container, author, step, &elements)
    }

    fn value(&mut self, head: Head) -> Result<Stored, DecodeError> {
        let scalar = match head.value {
            0 => Scalar::Map,
            1 => Scalar::List,
            2 => Scalar::Null,
            3 => Scalar::Bool(false),
            4 => Scalar::Bool(true),
            5 => Scalar::Natural(self.values.number()?),
            6 => Scalar::Negative(!(self.values.bounded(i64::MAX as u64)? as i64)),
            7 => {
                let bits = self.values.raw(8)?.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
                Scalar::Real(
                    Some(f64::from_bits(bits))
                        .filter(|real| real.is_finite())
                        .ok_or_else(|| self.values.invalid("a number that JSON does not have"))?,
                )
            }
            _ => {
                let length = self.values.number()?;
                Scalar::Text(self.text.take(length, MAX_STRING, &self.values)?)
            }
        };
        Ok(self.operations.store(scalar))
    }

    fn finish(self) -> Result<Operations, DecodeError> {
        [&self.heads, &self.places, &self.named, &self.elements, &self.values].into_iter().try_for_each(Reader::end)?;
        if self.text.rest.is_empty() { Ok(self.operations) } else { Err(self.heads.invalid("more text than is named")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_is_read_back_as_written() {
        let heads = (0..Head::COUNT).filter_map(|code| Head::from_code(code).map(|head| (code, head.code())));
        assert_eq!(heads.clone().count(), usize::from(Head::COUNT) - 4 * (usize::from(VALUES) - 1));
        heads.for_each(|(code, again)| assert_eq!(code, again));
        assert_eq!(Head::from_code(Head::COUNT), None);
    }
}
