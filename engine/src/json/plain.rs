//! Operations of a JSON document as JSON: a path of typed steps and what is done there.
//!
//! ```text
//! {"path": [{"list": "todo"}, {"map": "000…0a1/1"}], "assign": "done", "value": true}
//! {"path": [{"list": "todo"}], "insert": "000…0a1/1", "value": {}}    behind that element; null for the start
//! {"delete": "todo"}
//! ```
//!
//! A step goes into the map or the list that stands under a key or, in a list, at an element. Values are scalars, `{}` or
//! `[]`.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::Json;
use super::mutation::{check_name, one_operation};
use super::operations::{Action, Container, ContainerId, Key, MAX_DEPTH, Operation, Operations};
use super::read::json_of;
use crate::id::EventId;
use crate::log::{Plain, PlainFault, PlainUpdate, read_plain};
use serde_json::{Map, Value, json};
use std::ops::Range;

impl Json {
    /// The groups in T, as JSON.
    pub(crate) fn plain_groups(&self) -> Vec<Value> {
        self.log().to_plain()
    }

    /// An update that brings groups from JSON.
    pub(crate) fn update_of(groups: &[Value]) -> Result<PlainUpdate, PlainFault> {
        read_plain::<Operations>(groups)
    }
}

impl Plain for Operations {
    fn to_plain(&self, events: &[Range<u32>]) -> Vec<Value> {
        events.iter().cloned().flatten().map(|event| Value::Object(self.plain_of(self.operation(event)))).collect()
    }

    fn read_plain(&mut self, operation: &Value, _: u32) -> Result<(), PlainFault> {
        let container = self.plain_path(operation.get("path"))?;
        let is_list = self.is_list(container);
        let value = || match operation.get("value").map(one_operation) {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) | None => Err(PlainFault::at("/value", "a scalar of at most 128 KiB, {} or []")),
        };
        let action = match (operation.get("assign"), operation.get("delete"), operation.get("insert")) {
            (Some(place), None, None) => {
                let value = value()?;
                let key = self.plain_key(place, is_list).map_err(|fault| fault.within("/assign"))?;
                Action::Assign { key, value: self.store(value) }
            }
            (None, Some(place), None) => {
                Action::Delete { key: self.plain_key(place, is_list).map_err(|fault| fault.within("/delete"))? }
            }
            (None, None, Some(left)) if is_list => {
                let value = value()?;
                let left = match left {
                    Value::Null => None,
                    left => Some(element_of(left).map_err(|fault| fault.within("/insert"))?),
                };
                let left = left.map(|left| self.enter_element(left));
                Action::Insert { left, value: self.store(value) }
            }
            (None, None, Some(_)) => return Err(PlainFault::at("/path", "the path of a list")),
            _ => return Err(PlainFault::at("", "one of assign, delete and insert")),
        };
        self.push(Operation { container, action });
        Ok(())
    }
}

/// Out.
impl Operations {
    fn plain_of(&self, Operation { container, action }: Operation) -> Map<String, Value> {
        let step = |step: Container| json!({ if step.is_list { "list" } else { "map" }: self.plain_place(step.key) });
        let path: Vec<Value> = self.path(container).into_iter().map(step).collect();
        let mut plain = Map::new();
        if !path.is_empty() {
            plain.insert("path".to_owned(), path.into());
        }
        let (deed, place) = match action {
            Action::Assign { key, .. } => ("assign", self.plain_place(key)),
            Action::Delete { key } => ("delete", self.plain_place(key)),
            Action::Insert { left: None, .. } => ("insert", Value::Null),
            Action::Insert { left: Some(left), .. } => ("insert", self.plain_place(Key::Element(left))),
        };
        plain.insert(deed.to_owned(), place);
        if let Some(value) = action.value() {
            plain.insert("value".to_owned(), json_of(self.scalar(value)));
        }
        plain
    }

    fn plain_place(&self, key: Key) -> Value {
        match key {
            Key::Name(name) => self.name(name).into(),
            Key::Element(element) => self.element(element).to_string().into(),
        }
    }
}

/// In.
impl Operations {
    fn plain_path(&mut self, path: Option<&Value>) -> Result<ContainerId, PlainFault> {
        let none = Vec::new();
        let steps = match path {
            None => Some(&none),
            Some(path) => path.as_array(),
        };
        let steps = steps.filter(|steps| steps.len() <= MAX_DEPTH.into());
        let steps = steps.ok_or_else(|| PlainFault::at("/path", "a path of at most 128 steps"))?;
        let mut container = ContainerId::ROOT;
        for (number, step) in steps.iter().enumerate() {
            let fault = |expected| PlainFault::at(format!("/path/{number}"), expected);
            let (place, is_list) = match (step.get("map"), step.get("list")) {
                (Some(place), None) => (place, false),
                (None, Some(place)) => (place, true),
                _ => return Err(fault("a step into a map or a list")),
            };
            let key = self.plain_key(place, self.is_list(container)).map_err(|inner| fault(inner.expected))?;
            let next = Container { parent: container, key, is_list };
            if self.way_to(&next).is_too_long() {
                return Err(fault("names of at most 8 KiB along a path"));
            }
            container = self.enter_container(next);
        }
        Ok(container)
    }

    fn plain_key(&mut self, place: &Value, in_list: bool) -> Result<Key, PlainFault> {
        if in_list {
            let id = element_of(place)?;
            return Ok(Key::Element(self.enter_element(id)));
        }
        let name = place.as_str().filter(|name| check_name(name).is_ok());
        let name = name.ok_or_else(|| PlainFault::at("", "a key of at most 4 KiB"))?;
        Ok(Key::Name(self.enter_name(name)))
    }
}

fn element_of(place: &Value) -> Result<EventId, PlainFault> {
    let id = place.as_str().and_then(|id| id.parse().ok());
    id.ok_or_else(|| PlainFault::at("", "an element: AGENT/CLOCK"))
}
