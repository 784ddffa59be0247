//! The cases of JSON documents: how they read.

use super::CaseId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON document's history and its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonCase {
    /// Names the case.
    pub seed: u64,
    /// The word `json`.
    pub kind: String,
    /// In an order in which parents come first.
    pub groups: Vec<JsonGroupCase>,
    /// Of the whole graph, ascending.
    pub frontier: Vec<CaseId>,
    /// Everything with all conflicts.
    pub full: Value,
    /// Plain JSON.
    pub value: Value,
    /// Both, at some other versions.
    pub at: Vec<JsonVersionCase>,
}

/// One agent's operations with consecutive clocks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonGroupCase {
    /// Who made them.
    pub agent: u128,
    /// Of the first event.
    pub clock: u64,
    /// Of the first event; every other has the one before it.
    pub parents: Vec<CaseId>,
    /// One a clock.
    pub ops: Vec<JsonOpCase>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JsonOpCase {
    /// The container, by typed steps from the root map.
    #[serde(rename = "in")]
    pub path: Vec<StepCase>,
    /// What is done there.
    #[serde(flatten)]
    pub deed: DeedCase,
}

/// Into a `map` or `list` that stands under a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepCase(pub ContainerCase, pub KeyCase);

/// The type of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerCase {
    /// A map.
    Map,
    /// A list.
    List,
}

/// A key of a map, or an element of a list by its event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum KeyCase {
    /// Of a map.
    Name(String),
    /// Of a list. (What may be one thing or another is read in 64 bits at most.)
    Element((u64, u64)),
}

impl KeyCase {
    /// The element that this event inserted.
    ///
    /// # Panics
    /// When its agent is not one of the small numbers that cases have.
    pub fn element((agent, clock): CaseId) -> Self {
        Self::Element((agent.try_into().expect("the agents of cases are small"), clock))
    }
}

/// What an operation does. A value is a scalar, `{}` or `[]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum DeedCase {
    /// Puts a value in the place of everything seen there.
    Assign {
        /// Where.
        key: KeyCase,
        /// What.
        value: Value,
    },
    /// Takes away everything seen there.
    Delete {
        /// Where.
        key: KeyCase,
    },
    /// A new element.
    Insert {
        /// Among those visible at the event's parents.
        index: usize,
        /// What.
        value: Value,
    },
}

/// A document at a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonVersionCase {
    /// Mutually concurrent events.
    pub version: Vec<CaseId>,
    /// Everything with all conflicts.
    pub full: Value,
    /// Plain JSON.
    pub value: Value,
}
