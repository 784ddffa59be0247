//! How a JSON text is laid out: its indentation, its line ends, the order of its keys.
//!
//! Knows the look of a text and prints other values in it, so that a merge changes no line that it need not. Elements of one
//! list are taken to look alike.

use std::collections::HashMap;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::ser::PrettyFormatter;

/// The look of a text.
pub(super) struct Layout {
    /// What a step in is written as; `None` where everything stands on one line.
    indent: Option<String>,
    ends_with_newline: bool,
    is_crlf: bool,
    shape: Shape,
}

impl Layout {
    /// The look of the first text; keys that only the second one has come behind those of the first, in its order.
    ///
    /// # Errors
    /// A text that is no JSON.
    pub(super) fn of(text: &[u8], other: &[u8]) -> Result<Self, serde_json::Error> {
        let mut shape: Shape = serde_json::from_slice(text)?;
        shape.join(serde_json::from_slice(other)?);
        let text = String::from_utf8_lossy(text);
        let is_one_line = !text.trim_end().contains('\n');
        let steps = text.lines().map(|line| &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]);
        let first = steps.filter(|step| !step.is_empty()).map(str::to_owned).next();
        Ok(Self {
            indent: (!is_one_line).then(|| first.unwrap_or_else(|| "  ".to_owned())),
            ends_with_newline: text.ends_with('\n'),
            is_crlf: text.contains("\r\n"),
            shape,
        })
    }

    /// A value in this look.
    pub(super) fn print(&self, value: &Value) -> String {
        let ordered = Ordered { value, shape: Some(&self.shape) };
        let mut bytes = Vec::new();
        let written = match &self.indent {
            None => serde_json::to_writer(&mut bytes, &ordered),
            Some(indent) => {
                let formatter = PrettyFormatter::with_indent(indent.as_bytes());
                ordered.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))
            }
        };
        assert!(written.is_ok(), "a value is not written to memory: {written:?}");
        if self.ends_with_newline {
            bytes.push(b'\n');
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if self.is_crlf { text.replace('\n', "\r\n") } else { text }
    }
}

/// In which order keys stand, at every depth.
#[derive(Default)]
struct Shape {
    /// By key, its number in its object and what is below it.
    keys: HashMap<String, (usize, Shape)>,
    /// What is in all elements.
    elements: Option<Box<Shape>>,
}

impl Shape {
    fn join(&mut self, other: Self) {
        let mut keys: Vec<(String, (usize, Self))> = other.keys.into_iter().collect();
        keys.sort_unstable_by_key(|(_, (number, _))| *number);
        keys.into_iter().for_each(|(key, (_, below))| self.join_key(key, below));
        if let Some(elements) = other.elements {
            self.elements.get_or_insert_default().join(*elements);
        }
    }

    fn join_key(&mut self, key: String, below: Self) {
        let number = self.keys.len();
        self.keys.entry(key).or_insert_with(|| (number, Self::default())).1.join(below);
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeOf)
    }
}

/// Reads a shape. Of scalars there is nothing to be kept.
struct ShapeOf;

impl<'de> Visitor<'de> for ShapeOf {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::default();
        while let Some((key, below)) = map.next_entry()? {
            shape.join_key(key, below);
        }
        Ok(shape)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::default();
        while let Some(element) = elements.next_element()? {
            shape.elements.get_or_insert_default().join(element);
        }
        Ok(shape)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::default())
    }
}

/// A value with its keys in the order of a shape; those that the shape does not have come last.
struct Ordered<'a> {
    value: &'a Value,
    shape: Option<&'a Shape>,
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Object(entries) => {
                let known = |key: &str| self.shape.and_then(|shape| shape.keys.get(key));
                let mut keys: Vec<(&String, &Value)> = entries.iter().collect();
                keys.sort_by_key(|(key, _)| known(key).map_or(usize::MAX, |(number, _)| *number));
                let mut map = serializer.serialize_map(Some(keys.len()))?;
                for (key, value) in keys {
                    let shape = known(key).map(|(_, below)| below);
                    map.serialize_entry(key, &Ordered { value, shape })?;
                }
                map.end()
            }
            Value::Array(elements) => {
                let shape = self.shape.and_then(|shape| shape.elements.as_deref());
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|value| list.serialize_element(&Ordered { value, shape }))?;
                list.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}
