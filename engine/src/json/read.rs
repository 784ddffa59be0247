//! What a JSON document says: plainly, and with everything that is concurrent.

use super::operations::{Action, ContainerId, Kind, Scalar};
use super::tree::{JsonLog, Slot, Spot, Tree, key_of};
use crate::id::Local;
use serde_json::{Map, Number, Value, json};

/// What stands in a document, and the log that says what it is.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) log: &'a JsonLog,
    pub(crate) tree: &'a Tree,
}

impl<'a> View<'a> {
    /// A container as JSON: of several values the last in T, of several types the one that was touched last.
    pub(crate) fn plain(self, container: ContainerId) -> Value {
        let spots = self.tree.spots(container);
        if self.log.contents().is_list(container) {
            let mut elements = Vec::with_capacity(spots.len());
            elements.extend(spots.into_iter().filter_map(|spot| self.plain_at(container, spot)));
            return Value::Array(elements);
        }
        let entries = spots.into_iter().filter_map(|spot| Some((self.name(spot)?, self.plain_at(container, spot)?)));
        Value::Object(entries.collect())
    }

    /// What is shown under a key; `None` where nothing is.
    pub(crate) fn plain_at(self, container: ContainerId, spot: Spot) -> Option<Value> {
        let slot = self.tree.slot(self.log, container, spot)?;
        let last = slot.last(self.log)?;
        match last.kind {
            Kind::Register => Some(self.value_of(last.event)),
            Kind::Map => Some(self.plain_child(container, spot, false)),
            Kind::List => Some(self.plain_child(container, spot, true)),
        }
    }

    fn plain_child(self, container: ContainerId, spot: Spot, is_list: bool) -> Value {
        match self.child(container, spot, is_list) {
            Some(child) => self.plain(child),
            None => empty(is_list),
        }
    }

    /// The container under a key, if any operation has named it.
    pub(crate) fn child(self, container: ContainerId, spot: Spot, is_list: bool) -> Option<ContainerId> {
        self.log.contents().child(container, key_of(self.log, spot)?, is_list)
    }

    /// A container with all that is concurrent in it: under each key `values` (in T), `map` and `list`, as far as they
    /// are there; elements with their `id`.
    pub(crate) fn full(self, container: ContainerId) -> Value {
        let spots = self.tree.spots(container);
        let entries = spots.into_iter().filter_map(|spot| {
            let slot = self.tree.slot(self.log, container, spot)?;
            Some((spot, self.full_at(container, spot, &slot)))
        });
        if self.log.contents().is_list(container) {
            return entries.map(|(_, entry)| Value::Object(entry)).collect();
        }
        let named = entries.filter_map(|(spot, entry)| Some((self.name(spot)?, Value::Object(entry))));
        Value::Object(named.collect())
    }

    fn full_at(self, container: ContainerId, spot: Spot, slot: &Slot) -> Map<String, Value> {
        let mut entry = Map::new();
        if let Spot::Element(element) = spot {
            entry.insert("id".to_owned(), json!(self.log.graph().id(element).to_string()));
        }
        let values: Vec<Value> = slot.registers(self.log).iter().map(|&event| self.value_of(event)).collect();
        if !values.is_empty() {
            entry.insert("values".to_owned(), values.into());
        }
        for (kind, name, is_list) in [(Kind::Map, "map", false), (Kind::List, "list", true)] {
            if slot.has(kind) {
                let child = self.child(container, spot, is_list);
                entry.insert(name.to_owned(), child.map_or(empty(is_list), |child| self.full(child)));
            }
        }
        entry
    }

    /// The value that an event assigned or inserted.
    pub(crate) fn value_of(self, event: Local) -> Value {
        let contents = self.log.contents();
        match contents.operation(event.0).action {
            Action::Assign { value, .. } | Action::Insert { value, .. } => json_of(contents.scalar(value)),
            Action::Delete { .. } => Value::Null,
        }
    }

    /// The name of a key of a map.
    pub(crate) fn name(self, spot: Spot) -> Option<String> {
        match spot {
            Spot::Name(name) => Some(self.log.contents().name(name).to_owned()),
            Spot::Element(_) => None,
        }
    }

    /// A key as it stands in the plain reading.
    pub(crate) fn step(self, container: ContainerId, spot: Spot) -> Step {
        match spot {
            Spot::Name(name) => Step::Key(self.log.contents().name(name).to_owned()),
            Spot::Element(element) => Step::Index(self.tree.index_of(container, element)),
        }
    }

    /// A key of a container by name, if any operation has named it.
    pub(crate) fn named(self, name: &str) -> Option<Spot> {
        self.log.contents().find_name(name).map(Spot::Name)
    }
}

/// A step into a JSON value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// To a key of a map.
    Key(String),
    /// To the element of a list at an index.
    Index(usize),
}

pub(crate) fn empty(is_list: bool) -> Value {
    if is_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) }
}

pub(crate) fn json_of(value: Scalar<'_>) -> Value {
    match value {
        Scalar::Map => empty(false),
        Scalar::List => empty(true),
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => value.into(),
        Scalar::Natural(value) => value.into(),
        Scalar::Negative(value) => value.into(),
        Scalar::Real(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        Scalar::Text(text) => text.into(),
    }
}

/// What one operation puts in place for a value; of maps and lists, an empty one.
pub(crate) fn scalar_of(value: &Value) -> Scalar<'_> {
    match value {
        Value::Null => Scalar::Null,
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(natural), _) => Scalar::Natural(natural),
            (None, Some(negative)) => Scalar::Negative(negative),
            (None, None) => Scalar::Real(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Scalar::Text(text),
        Value::Array(_) => Scalar::List,
        Value::Object(_) => Scalar::Map,
    }
}
