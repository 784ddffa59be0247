//! Cede: type together, words stay whole.
//!
//! A collaborative text engine. Every replica keeps the whole history as an append-only log of events; replicas that
//! hold the same events show the same text, whatever the order in which the events came. What sets it apart is *when* a
//! remote event becomes part of what you write: not when it arrives, but when your caret moves. So what you type in one
//! go is one group, groups are emitted whole, and nobody's letters end up between yours.
//!
//! ```
//! use cede::{AgentId, Chars, Session};
//!
//! let mut ann = Session::new(AgentId::new(1));
//! let mut ben = Session::new(AgentId::new(2));
//!
//! // Both type at the same spot at the same time …
//! ann.insert(Chars(0), "hello ").unwrap();
//! ben.insert(Chars(0), "world").unwrap();
//!
//! // … and what was typed travels as bytes, by whatever carrier.
//! let (from_ann, from_ben) = (ann.take_outgoing().unwrap(), ben.take_outgoing().unwrap());
//! ann.merge::<Chars>(&from_ben).unwrap();
//! ben.merge::<Chars>(&from_ann).unwrap();
//!
//! assert_eq!(ann.text(), "hello world");
//! assert_eq!(ben.text(), "hello world");
//! ```
//!
//! - [`Session`] is what an editor holds: a document, a caret, undo.
//! - [`Document`] is the history and its text: any version, import and export.
//! - [`sync`] is the conversation of two replicas, [`storage`] the log file.
//!
//! Positions are [`Chars`], [`Bytes`] or [`Utf16`], chosen per call. The engine is plain data, `Send + Sync`; it locks
//! and spawns nothing, and nothing that a caller passes or a peer sends makes it panic. `engine/ARCHITECTURE.md` in the
//! repository shows how it is built.

#[cfg(test)]
mod random;

mod codec;
mod rle;
mod tree;

mod id;

mod graph;
mod log;

mod json;
mod sequence;

mod dict;
mod text;

mod replay;
pub mod storage;
pub mod sync;

mod anchor;
mod document;
mod session;
mod undo;

pub use anchor::{Anchor, Bias};
pub use codec::DecodeError;
pub use dict::{Dict, DictError, Entry};
pub use document::{
    AnyDocument, AuthorError, Authored, Document, DocumentKind, MetaJson, MetaJsonError, Saved, SavedError, Stats, Step,
};
pub use graph::{Frontier, Group, Lacking, Summary};
pub use id::{AgentId, Clock, EventId, EventSpan, ParseIdError};
pub use json::{
    Conflict, Cursor, Deed, Editor, Json, JsonAuthored, JsonError, JsonPatch, Mutation, PatchOp, PathStep, Place,
    Step as JsonStep, parse_object,
};
pub use log::{Full, ImportError, Refusal, Rule, Sender, VersionError, WriteError};
pub use replay::patch::Patch;
pub use session::{EditError, Session};
pub use text::buffer::Buffer;
pub use text::unit::{Bytes, Chars, PositionError, Unit, UnitKind, Utf16};
