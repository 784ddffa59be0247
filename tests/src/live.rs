//! Runs conformance sessions and random histories on the engine's own sessions.

use crate::conformance::CaseId;
use crate::oracle::{self, Event, Op};
use cede::{AgentId, Chars, Clock, Document, EventId, EventSpan, Frontier, Patch, Session};

/// The engine's name of an event of a case.
pub fn event_id((agent, clock): CaseId) -> EventId {
    let clock = u32::try_from(clock).expect("the clocks of cases are small");
    EventId::new(AgentId::new(agent), Clock(clock))
}

/// The engine's version of the events of a case.
pub fn version(ids: &[CaseId]) -> Frontier {
    Frontier::from_ids(ids.iter().copied().map(event_id).collect())
}

/// The span of this one event.
pub fn span_of(id: EventId) -> EventSpan {
    EventSpan { agent: id.agent, start: id.clock, end: Clock(id.clock.0 + 1) }
}

/// One event of a document, as bytes.
///
/// # Panics
/// When the document does not hold it.
pub fn encoded(document: &Document, id: EventId) -> Vec<u8> {
    document.encode_spans(&[span_of(id)]).unwrap_or_else(|| panic!("{id} is sent before it was made"))
}

/// What a person does at the caret.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Types, or pastes.
    Insert(String),
    /// Deletes the character before the caret.
    Backspace,
    /// Deletes the character behind the caret.
    DeleteForward,
}

/// Does it, and returns the event made last.
///
/// # Panics
/// When the engine refuses an edit that is possible.
pub fn edit(session: &mut Session, edit: &Edit) -> EventId {
    let caret: Chars = session.caret();
    let edited = match edit {
        Edit::Insert(text) => session.insert(caret, text),
        Edit::Backspace => session.delete(Chars(caret.0 - 1)..caret),
        Edit::DeleteForward => session.delete(caret..Chars(caret.0 + 1)),
    };
    edited.expect("an edit at the caret is possible");
    *session.branch().ids().last().expect("an edit makes an event")
}

/// A host's own buffer, kept up to date by patches alone.
#[derive(Clone, Debug, Default)]
pub struct Host(pub Vec<char>);

impl Host {
    /// Does what a patch says.
    pub fn apply(&mut self, patch: &Patch<Chars>) {
        self.0.splice(patch.start.0..patch.start.0 + patch.deleted.0, patch.inserted.chars());
    }
}

/// An engine's edit of an oracle event.
pub fn patch_of(op: Op) -> Patch<Chars> {
    match op {
        Op::Insert { index, character } => {
            Patch { start: Chars(index), deleted: Chars(0), inserted: character.to_string() }
        }
        Op::Delete { index } => Patch { start: Chars(index), deleted: Chars(1), inserted: String::new() },
    }
}

/// An engine's name of an oracle event.
pub fn name_of(id: oracle::Id) -> EventId {
    event_id((id.agent, id.clock))
}

/// The engine's names of an oracle event's parents.
pub fn parents_of(event: &Event) -> Frontier {
    Frontier::from_ids(event.parents().iter().copied().map(name_of).collect())
}
