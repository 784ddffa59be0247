//! Operations of a dictionary as JSON.
//!
//! ```text
//! {"set": "colour", "value": "blue", "wall": 1764450000000}    wall: left out where it is 0
//! {"remove": "colour"}
//! {"dropped": 40}                                              so many events of which nothing else is known
//! ```
//!
//! A value that would not come back with the same bytes, or that is so deep that what stands around it makes it too deep
//! to be read, is written as a text of JSON: `{"set": "colour", "text": "…"}`.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::Dict;
use super::operations::{Deed, MAX_KEY, MAX_VALUE, Operations};
use crate::log::{Contents, Plain, PlainFault, PlainUpdate, read_plain};
use serde_json::{Map, Value};
use std::ops::Range;

/// Readers of JSON take 128 levels, and there are a few around a value.
const MOST_LEVELS: usize = 100;

impl Dict {
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
        let mut whole = Self::default();
        // What was dropped together is one run there.
        events.iter().for_each(|events| whole.append(self, events.clone()));
        let plain = |(part, deed): (Range<u32>, Deed<'_>)| {
            let mut plain = Map::new();
            let wall = match deed {
                Deed::Set { key, value, wall } => {
                    plain.insert("set".to_owned(), whole.key(key).into());
                    let (field, value) = match exactly(value) {
                        Some(parsed) => ("value", parsed),
                        None => ("text", value.into()),
                    };
                    plain.insert(field.to_owned(), value);
                    wall
                }
                Deed::Removed { key, wall } => {
                    plain.insert("remove".to_owned(), whole.key(key).into());
                    wall
                }
                Deed::Dropped => {
                    plain.insert("dropped".to_owned(), (part.end - part.start).into());
                    0
                }
            };
            if wall > 0 {
                plain.insert("wall".to_owned(), wall.into());
            }
            Value::Object(plain)
        };
        whole.deeds(0..whole.len()).map(plain).collect()
    }

    fn read_plain(&mut self, operation: &Value, room: u32) -> Result<(), PlainFault> {
        let key = |field: &'static str| {
            let key = operation.get(field).and_then(Value::as_str).filter(|key| key.len() <= MAX_KEY);
            key.ok_or_else(|| PlainFault::at(format!("/{field}"), "a key of at most 4 KiB"))
        };
        let wall = operation.get("wall").map_or(Some(0), Value::as_u64);
        let wall = wall.ok_or_else(|| PlainFault::at("/wall", "milliseconds: a natural number"))?;
        match (operation.get("set"), operation.get("remove"), operation.get("dropped")) {
            (Some(_), None, None) => {
                let (key, value) = (key("set")?, value_of(operation)?);
                self.set(key, &value, wall);
            }
            (None, Some(_), None) => self.remove(key("remove")?, wall),
            (None, None, Some(count)) => {
                let count = count.as_u64().filter(|count| (1..=u64::from(room)).contains(count));
                let count = count.ok_or_else(|| PlainFault::at("/dropped", "a number of events"))?;
                self.drop_events(count as u32);
            }
            _ => return Err(PlainFault::at("", "one of set, remove and dropped")),
        }
        Ok(())
    }
}

/// The value of a text of JSON, if the same text is made of it again, wherever it stands.
fn exactly(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    let levels = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    (levels <= MOST_LEVELS || depth(&value) <= MOST_LEVELS).then_some(())?;
    let again = value.to_string();
    (again == text).then_some(value)
}

fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(depth).max().unwrap_or(0),
        Value::Object(entries) => entries.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The text of JSON that an operation puts under a key.
fn value_of(operation: &Value) -> Result<String, PlainFault> {
    let (field, text) = match (operation.get("value"), operation.get("text")) {
        (Some(value), None) => ("/value", Some(value.to_string())),
        (None, Some(text)) => ("/text", text.as_str().map(str::to_owned)),
        _ => return Err(PlainFault::at("", "a value or a text")),
    };
    let text = text.filter(|text| text.len() <= MAX_VALUE);
    text.ok_or_else(|| PlainFault::at(field, "a value of at most 128 KiB of JSON"))
}
