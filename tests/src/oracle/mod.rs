//! The plain oracle: what every replica must show, computed slowly and literally.
//!
//! Knows the meaning of events, text and live sessions, one character at a time. Shares no code with the engine, on
//! purpose: where both agree on thousands of random histories, neither is wrong in the other's way. Nothing here is
//! fast; a history of a few hundred events is replayed in milliseconds, one of a few thousand in seconds.
//!
//! Two people type at the same spot without knowing of each other:
//!
//! ```
//! use cede_tests::oracle::Session;
//!
//! let (mut ada, mut bob) = (Session::of_agent(1), Session::of_agent(2));
//! let typed = ["h", "i"].map(|letter| ada.insert(letter.chars().next().unwrap()));
//! let answer = bob.insert('!');
//! ada.receive(&[answer]).unwrap();
//! bob.receive(&typed).unwrap();
//! assert_eq!(ada.text(), "hi!");
//! assert_eq!(bob.text(), "hi!");
//! ```
//!
//! Reading order: [`Event`] here, then `graph` (clocks, total order), `replay` (the text), `session` (the caret),
//! `history` and `scatter` (random ones), `cases` (histories as conformance cases); `json` is an oracle of its own.

mod cases;
mod event_set;
mod graph;
mod history;
mod json;
mod replay;
mod scatter;
mod session;

pub use cases::{graph_case, session_case};
pub use graph::{Added, Graph, Refusal, UnknownEvent};
pub use history::{Action, AgentChoice, History, Made, Outcome, Shape, Step};
pub use json::{Documents, json_case};
pub use replay::Shown;
pub use scatter::scattered_graph;
pub use session::{BeyondText, Session};

use std::fmt;

/// The name of an event: its agent and the agent's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// The editing identity that made the event.
    pub agent: u128,
    /// The agent's logical time.
    pub clock: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "({}, {})", self.agent, self.clock)
    }
}

impl From<(u128, u64)> for Id {
    fn from((agent, clock): (u128, u64)) -> Self {
        Self { agent, clock }
    }
}

impl From<Id> for (u128, u64) {
    fn from(id: Id) -> Self {
        (id.agent, id.clock)
    }
}

/// What an event does. An index counts the characters visible in the document at the event's parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Puts the character before the one at `index`, or at the end.
    Insert {
        /// From 0 to the number of visible characters.
        index: usize,
        /// What is inserted.
        character: char,
    },
    /// Deletes the character at `index`.
    Delete {
        /// Below the number of visible characters.
        index: usize,
    },
}

/// One character inserted or deleted.
///
/// Invariant: the parents ascend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    id: Id,
    parents: Vec<Id>,
    op: Op,
}

impl Event {
    /// An event as received; nothing about it is checked before [`Graph::add`].
    pub fn from_parts(id: Id, mut parents: Vec<Id>, op: Op) -> Self {
        parents.sort_unstable();
        Self { id, parents, op }
    }

    /// Its name.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The version that it was made at, ascending.
    pub fn parents(&self) -> &[Id] {
        &self.parents
    }

    /// What it does.
    pub fn op(&self) -> Op {
        self.op
    }
}
