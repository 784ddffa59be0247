//! A log as JSON that people and other programs read and write.
//!
//! Knows groups: an agent, a first clock, parents and what each event did; what that looks like, each kind of document
//! says ([`Plain`]). What is read becomes the bytes of an update and is taken in as any other, so that every rule is
//! checked in one place. Does not know files, nor what stands around the groups.
//!
//! ```text
//! {"agent": "000…0a1", "clock": 4, "parents": ["000…0b2/3"], "ops": […]}
//! ```
//!
//! Groups stand in T, each whole, so the same events are the same text whatever the order in which they came.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::update::{self, ParentIds, Piece};
use super::{Contents, Log, MAX_PARENTS};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local};
use serde_json::{Value, json};
use std::ops::Range;

/// What events did, as JSON.
pub(crate) trait Plain: Contents {
    /// What these events of one group did, in order; a value may say it of several events. Wherever they lie in a log, the
    /// same events are told in the same values.
    fn to_plain(&self, events: &[Range<u32>]) -> Vec<Value>;

    /// Adds what such a value says, which is at most `room` events.
    fn read_plain(&mut self, operation: &Value, room: u32) -> Result<(), PlainFault>;
}

/// What is wrong with a JSON value, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PlainFault {
    /// As a JSON Pointer.
    pub(crate) pointer: String,
    /// What would have to stand there.
    pub(crate) expected: &'static str,
}

impl PlainFault {
    pub(crate) fn at(pointer: impl Into<String>, expected: &'static str) -> Self {
        Self { pointer: pointer.into(), expected }
    }

    /// The same seen from further out.
    pub(crate) fn within(self, outer: &str) -> Self {
        Self { pointer: outer.to_owned() + &self.pointer, ..self }
    }
}

/// Groups that were read: an update that brings them, and which events each group has.
pub(crate) struct PlainUpdate {
    pub(crate) bytes: Vec<u8>,
    pub(crate) spans: Vec<EventSpan>,
}

impl<C: Plain> Log<C> {
    /// The groups in T. O(events).
    pub(crate) fn to_plain(&self) -> Vec<Value> {
        let group = |group: crate::graph::Group| {
            let events: Vec<_> = self.local_spans(&[group.span]).into_iter().map(|span| span.numbers()).collect();
            let operations = self.contents().to_plain(&events);
            let parents: Vec<String> = group.parents.ids().iter().map(EventId::to_string).collect();
            json!({
                "agent": group.span.agent.to_string(),
                "clock": group.span.start.0,
                "parents": parents,
                "ops": operations,
            })
        };
        self.graph().groups().into_iter().map(group).collect()
    }
}

/// Reads groups, in any order.
pub(crate) fn read<C: Plain>(groups: &[Value]) -> Result<PlainUpdate, PlainFault> {
    let (mut contents, mut pieces) = (C::default(), Vec::with_capacity(groups.len()));
    for (number, group) in groups.iter().enumerate() {
        let piece = read_group(group, &mut contents).map_err(|fault| fault.within(&format!("/{number}")))?;
        pieces.push(piece);
    }
    let spans = pieces.iter().map(|piece| piece.span).collect();
    let (pieces, contents) = parents_first(pieces, &contents);
    Ok(PlainUpdate { bytes: update::encode_pieces(&pieces, &contents), spans })
}

/// The same pieces by their clocks: whoever keeps the clock rule comes after their parents then. What waits for its parents is
/// bounded, and some of it would be lost.
fn parents_first<C: Contents>(mut pieces: Vec<Piece>, contents: &C) -> (Vec<Piece>, C) {
    pieces.sort_by_key(|piece| piece.span.start);
    let mut ordered = C::default();
    for piece in &mut pieces {
        let start = ordered.len();
        ordered.append(contents, piece.contents.clone());
        piece.contents = start..ordered.len();
    }
    (pieces, ordered)
}

fn read_group<C: Plain>(group: &Value, contents: &mut C) -> Result<Piece, PlainFault> {
    let text = |field: &str| group.get(field).and_then(Value::as_str);
    let agent: Option<AgentId> = text("agent").and_then(|agent| agent.parse().ok());
    let agent = agent.ok_or_else(|| PlainFault::at("/agent", "an agent: 1 to 32 hexadecimal digits"))?;
    let clock = group.get("clock").and_then(Value::as_u64).and_then(|clock| u32::try_from(clock).ok());
    let clock = clock.ok_or_else(|| PlainFault::at("/clock", "a clock: a natural number below 2³²"))?;
    let parents = read_parents(group.get("parents"))?;
    let start = contents.len();
    let operations = group.get("ops").and_then(Value::as_array).filter(|operations| !operations.is_empty());
    let operations = operations.ok_or_else(|| PlainFault::at("/ops", "at least one operation"))?;
    for (number, operation) in operations.iter().enumerate() {
        let at = || format!("/ops/{number}");
        let room = (Local::LIMIT - 1).saturating_sub(contents.len());
        if room == 0 {
            return Err(PlainFault::at(at(), "fewer than 2³⁰ events"));
        }
        contents.read_plain(operation, room).map_err(|fault| fault.within(&at()))?;
    }
    let end = contents.len();
    let last = clock.checked_add(end - start).ok_or_else(|| PlainFault::at("/clock", "clocks below 2³²"))?;
    let previous = clock.checked_sub(1).map(|before| EventId::new(agent, Clock(before)));
    // A group whose only parent is the event before it is none: it goes on.
    let goes_on = previous.is_some_and(|previous| parents.as_slice() == [previous]);
    Ok(Piece {
        span: EventSpan { agent, start: Clock(clock), end: Clock(last) },
        parents: (!goes_on).then_some(parents),
        contents: start..end,
    })
}

fn read_parents(parents: Option<&Value>) -> Result<ParentIds, PlainFault> {
    let listed = parents.and_then(Value::as_array).filter(|parents| parents.len() <= MAX_PARENTS);
    let listed = listed.ok_or_else(|| PlainFault::at("/parents", "at most 4096 events"))?;
    let mut ids = ParentIds::new();
    for (number, parent) in listed.iter().enumerate() {
        let fault = |expected| PlainFault::at(format!("/parents/{number}"), expected);
        let id: Option<EventId> = parent.as_str().and_then(|parent| parent.parse().ok());
        ids.push(id.ok_or_else(|| fault("an event: AGENT/CLOCK"))?);
    }
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    if ids.len() == count { Ok(ids) } else { Err(PlainFault::at("/parents", "each parent once")) }
}
