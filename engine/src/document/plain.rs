//! A JSON document or a dictionary as JSON, with its history and the ids in it: what one process leaves for another that
//! merges it, readable by programs that know nothing of the binary formats.
//!
//! Knows what stands around the groups. What a group and its operations look like, `log::plain`, `json::plain` and
//! `dict::plain` say.
//!
//! ```text
//! {"cede": "dict", "version": 1, "groups": [
//! {"agent": "000…0a1", "clock": 0, "parents": [], "ops": [{"set": "colour", "value": "blue"}]}
//! ], "taken": ["ann", "ben"]}
//! ```

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{AnyDocument, DocumentKind};
use crate::dict::Dict;
use crate::id::{AgentId, EventId};
use crate::json::Json;
use crate::log::ImportError;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

const VERSION: u64 = 1;

/// A document with its history, to be written as JSON, and read back.
///
/// The same events are the same text, in whichever order they came.
///
/// ```
/// use cede::{AgentId, AnyDocument, Dict, MetaJson};
/// use serde_json::json;
///
/// let mut ann = Dict::new(AgentId::new(1));
/// ann.set("colour", &json!("blue"), 0).unwrap();
/// let text = MetaJson::from(AnyDocument::Dict(Box::new(ann))).to_text().unwrap();
///
/// let read = MetaJson::parse(AgentId::new(2), text.as_bytes()).unwrap();
/// assert_eq!(read.document.to_value(), Some(json!({"colour": "blue"})));
/// ```
#[derive(Clone, Debug)]
pub struct MetaJson {
    /// A JSON document or a dictionary.
    pub document: AnyDocument,
    /// The names of what has been merged into it, for whoever merges a folder of files.
    pub taken: BTreeSet<String>,
}

impl From<AnyDocument> for MetaJson {
    fn from(document: AnyDocument) -> Self {
        Self { document, taken: BTreeSet::new() }
    }
}

impl AnyDocument {
    /// The plain value of a JSON document or a dictionary; `None` of a text.
    pub fn to_value(&self) -> Option<Value> {
        match self {
            Self::Text(_) => None,
            Self::Json(json) => Some(json.to_value()),
            Self::Dict(dict) => Some(dict.to_value()),
        }
    }
}

impl MetaJson {
    /// Reads such a text. `agent` edits the document.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(agent: AgentId, text: &[u8]) -> Result<Self, MetaJsonError> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| MetaJsonError::NotJson { what: error.to_string() })?;
        let kind = match value.get("cede").and_then(Value::as_str) {
            Some("json") => DocumentKind::Json,
            Some("dict") => DocumentKind::Dict,
            _ => return Err(MetaJsonError::expected("/cede", "\"json\" or \"dict\"")),
        };
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(found) => return Err(MetaJsonError::Version { found, known: VERSION }),
            None => return Err(MetaJsonError::expected("/version", "a number")),
        }
        let groups = value.get("groups").and_then(Value::as_array);
        let groups = groups.ok_or_else(|| MetaJsonError::expected("/groups", "a list of groups"))?;
        let taken = read_taken(value.get("taken"))?;
        let update = if kind == DocumentKind::Json { Json::update_of(groups) } else { Dict::update_of(groups) };
        let update =
            update.map_err(|fault| MetaJsonError::expected(format!("/groups{}", fault.pointer), fault.expected))?;
        let mut document = AnyDocument::new(kind, agent);
        if !groups.is_empty() {
            document.merge(&update.bytes).map_err(|source| {
                let refused = match &source {
                    ImportError::Refused(refusal) => Some(refusal.event),
                    ImportError::Decode(_)
                    | ImportError::TooMany { .. }
                    | ImportError::TooDense { .. }
                    | ImportError::TooCostly { .. } => None,
                };
                let holds = |id: EventId| {
                    update
                        .spans
                        .iter()
                        .position(|span| span.agent == id.agent && (span.start..span.end).contains(&id.clock))
                };
                let group = refused.and_then(holds).map_or(String::new(), |number| format!("/{number}"));
                MetaJsonError::Refused { pointer: format!("/groups{group}"), source }
            })?;
        }
        match document.missing().first() {
            Some(&missing) => Err(MetaJsonError::Incomplete { missing }),
            None => Ok(Self { document, taken }),
        }
    }

    /// The text, a line for each group. What waits for its parents is not in it.
    ///
    /// # Errors
    /// [`MetaJsonError::Text`].
    pub fn to_text(&self) -> Result<String, MetaJsonError> {
        let (kind, groups) = match &self.document {
            AnyDocument::Text(_) => return Err(MetaJsonError::Text),
            AnyDocument::Json(json) => ("json", json.plain_groups()),
            AnyDocument::Dict(dict) => ("dict", dict.plain_groups()),
        };
        let lines: Vec<String> = groups.iter().map(Value::to_string).collect();
        let taken: Value = self.taken.iter().cloned().collect();
        let groups = lines.join(",\n");
        Ok(format!("{{\"cede\":\"{kind}\",\"version\":{VERSION},\"groups\":[\n{groups}\n],\"taken\":{taken}}}\n"))
    }
}

fn read_taken(taken: Option<&Value>) -> Result<BTreeSet<String>, MetaJsonError> {
    let names = match taken {
        None => Some(BTreeSet::new()),
        Some(taken) => taken.as_array().and_then(|names| {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect()
        }),
    };
    names.ok_or_else(|| MetaJsonError::expected("/taken", "a list of names"))
}

/// A text that is no document with its history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MetaJsonError {
    /// No JSON, or nested deeper than 128 levels.
    NotJson {
        /// What is wrong, and at which line and column.
        what: String,
    },
    /// Something is not what it has to be.
    Expected {
        /// Where, as a JSON Pointer.
        pointer: String,
        /// What would have to stand there.
        expected: &'static str,
    },
    /// A version that this program does not know.
    Version {
        /// The version found.
        found: u64,
        /// The newest one known.
        known: u64,
    },
    /// An event breaks a rule.
    Refused {
        /// Its group, as a JSON Pointer.
        pointer: String,
        /// The rule.
        source: ImportError,
    },
    /// It depends on an event that is not in it.
    Incomplete {
        /// The event.
        missing: EventId,
    },
    /// Texts are not written like this.
    Text,
}

impl MetaJsonError {
    fn expected(pointer: impl Into<String>, expected: &'static str) -> Self {
        Self::Expected { pointer: pointer.into(), expected }
    }
}

impl fmt::Display for MetaJsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson { what } => f.write_str(what),
            Self::Expected { pointer, expected } => write!(f, "at {pointer} stands something else than {expected}"),
            Self::Version { found, known } => {
                write!(f, "version {found} of the format, this program knows versions up to {known}")
            }
            Self::Refused { pointer, source } => write!(f, "at {pointer}: {source}"),
            Self::Incomplete { missing } => write!(f, "event {missing}, which others depend on, is not in it"),
            Self::Text => f.write_str("a text is not written as JSON"),
        }
    }
}

impl std::error::Error for MetaJsonError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ANN: AgentId = AgentId::new(0xa);
    const BEN: AgentId = AgentId::new(0xb);

    fn text(document: AnyDocument) -> String {
        MetaJson::from(document).to_text().unwrap()
    }

    fn read(text: &str) -> Result<AnyDocument, String> {
        MetaJson::parse(BEN, text.as_bytes()).map(|meta| meta.document).map_err(|error| error.to_string())
    }

    #[test]
    fn a_document_comes_back_with_every_event_and_as_the_same_text() {
        let mut json = Json::new(ANN);
        json.edit().get("todo").set(&json!([{"a": 0.1, "b": -7}, "x", null, true, u64::MAX, 5e-324])).unwrap();
        let mut other = Json::decode(BEN, &json.encode()).unwrap();
        other.edit().get("todo").at(0).get("a").set(&json!("ünï\u{0}")).unwrap();
        json.edit().get("todo").at(0).delete().unwrap();
        json.edit().get("todo").insert(1, &json!({})).unwrap();
        json.import(&other.encode()).unwrap();
        let written = text(AnyDocument::Json(Box::new(json.clone())));
        let AnyDocument::Json(back) = read(&written).unwrap() else { panic!("another kind") };
        assert_eq!((back.full(), back.meta()), (json.full(), json.meta()));
        // The same events in another order.
        other.import(&json.encode()).unwrap();
        assert_eq!(text(AnyDocument::Json(Box::new(other))), written);
    }

    #[test]
    fn a_dictionary_comes_back_with_what_was_dropped_and_with_values_as_deep_as_can_be() {
        let mut dict = Dict::new(ANN);
        let deep = (0..120).fold(json!(1), |value, _| json!([value]));
        for value in [&json!(1), &json!({"z": 1.5e300, "a": []}), &deep] {
            dict.set("k", value, 7).unwrap();
            dict.remove("gone", 0).unwrap();
        }
        for dict in [dict.clone(), dict.drop_overwritten()] {
            let written = text(AnyDocument::Dict(Box::new(dict.clone())));
            let AnyDocument::Dict(back) = read(&written).unwrap() else { panic!("another kind") };
            assert_eq!(back.operations().collect::<Vec<_>>(), dict.operations().collect::<Vec<_>>());
            assert_eq!((back.dropped(), back.encode()), (dict.dropped(), dict.encode()));
        }
    }

    /// Found by a fuzzer: the dropped events of one group lay apart in the log, as others had come in between, and were told
    /// one by one.
    #[test]
    fn what_was_dropped_is_told_alike_wherever_it_lies() {
        let group =
            |agent: u8, ops: &str| format!("{{\"agent\":\"{agent:032x}\",\"clock\":0,\"parents\":[],\"ops\":[{ops}]}}");
        let set = "{\"set\":\"k\",\"value\":1}";
        let groups = [(1, "{\"dropped\":3}"), (2, set), (1, &format!("{{\"dropped\":5}},{set}"))];
        let groups = groups.map(|(agent, ops)| group(agent, ops)).join(",");
        let document = read(&format!("{{\"cede\":\"dict\",\"version\":1,\"groups\":[{groups}]}}")).unwrap();
        let written = text(document);
        assert!(written.contains("[{\"dropped\":5},{"), "{written}");
        assert_eq!(text(read(&written).unwrap()), written);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let a = "\"0000000000000000000000000000000a\"";
        let group = |clock: u32, parents: &str, ops: &str| {
            format!("{{\"agent\":{a},\"clock\":{clock},\"parents\":[{parents}],\"ops\":[{ops}]}}")
        };
        let file = |kind: &str, version: u32, groups: &str| {
            format!("{{\"cede\":\"{kind}\",\"version\":{version},\"groups\":[{groups}]}}")
        };
        let dict = |groups: &str| file("dict", 1, groups);
        let json = |op: &str| file("json", 1, &group(0, "", op));
        let steps = vec!["{\"map\":\"k\"}"; 129].join(",");
        let set = "{\"set\":\"k\",\"value\":1}";
        let cases = [
            ("{\"cede\": \"dict\", ".to_owned(), "EOF while parsing"),
            (format!("{}{}", "[".repeat(200), "]".repeat(200)), "recursion limit exceeded at line 1 column 128"),
            (file("text", 1, ""), "at /cede stands something else than \"json\" or \"dict\""),
            (file("dict", 2, ""), "version 2 of the format, this program knows versions up to 1"),
            (
                dict(&group(5, "", set)),
                "at /groups/0: event 0000000000000000000000000000000a/5 is refused: its parents make its clock 0",
            ),
            (dict(&format!("{},{}", group(0, "", set), group(7, "", set))), "at /groups/1: "),
            (dict(&group(1, "\"b/0\"", set)), "event 0000000000000000000000000000000b/0, which others depend on"),
            (dict(&group(0, "", "")), "at /groups/0/ops "),
            (dict(&group(0, "", "{\"set\":3,\"value\":1}")), "at /groups/0/ops/0/set "),
            (dict(&group(0, "", "{\"dropped\":99999999999}")), "at /groups/0/ops/0/dropped "),
            (dict(&group(0, "\"b/0\",\"b/0\"", set)), "at /groups/0/parents "),
            (dict(&group(u32::MAX, "", set)), "at /groups/0/clock "),
            (
                json(&format!("{{\"path\":[{steps}],\"delete\":\"k\"}}")),
                "at /groups/0/ops/0/path stands something else than a path of at most 128 steps",
            ),
            (
                json("{\"path\":[{\"list\":\"k\"}],\"delete\":\"a/0\"}"),
                "it names element 0000000000000000000000000000000a/0",
            ),
            (json("{\"insert\":null,\"value\":1}"), "at /groups/0/ops/0/path "),
            (json("{\"assign\":\"k\",\"value\":[1]}"), "at /groups/0/ops/0/value "),
            (json("{\"path\":[{\"set\":\"k\"}],\"delete\":\"k\"}"), "at /groups/0/ops/0/path/0 "),
        ];
        for (text, expected) in cases {
            let error = read(&text).map(|document| document.to_value()).expect_err(&text);
            assert!(error.contains(expected), "{text}\n  says {error}\n  and not {expected}");
        }
    }
}
