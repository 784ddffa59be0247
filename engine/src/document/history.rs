//! Writing history at a version, and reading it as its authors made it or as it changed the text.

use super::Document;
use crate::graph::Frontier;
use crate::id::{AgentId, EventSpan, Local, Span};
use crate::log::{Contents, Effort, Full, WriteError};
use crate::replay::merge::Replay;
use crate::replay::patch::{self, Patch};
use crate::replay::{Misplaced, Stopped};
use crate::text::operations::{Action, Operation, Operations};
use crate::text::unit::Chars;
use std::fmt;

impl Document {
    /// Writes a piece of history at a version, as importers do: each edit's position in chars, in the text that the
    /// edit before it left. Returns the version just after it.
    ///
    /// A new group starts, unless `parents` is just the agent's last event.
    ///
    /// # Errors
    /// A position beyond the text there, a version that is not known, one of more than 4,096 events, or one that has not
    /// seen the agent's last event; then nothing has changed.
    pub fn author(
        &mut self,
        agent: AgentId,
        parents: &Frontier,
        edits: &[Patch<Chars>],
    ) -> Result<Frontier, AuthorError> {
        let mut operations = Operations::default();
        for edit in edits {
            record(&mut operations, edit)?;
        }
        let count = operations.len();
        let heads = self.log.heads_to_write_at(agent, parents, count)?;
        if count == 0 {
            return Ok(parents.clone());
        }
        let last = self.log.graph().last_event(agent);
        let goes_on = last.is_some_and(|last| heads.as_slice() == [last]);
        let from = self.log.mark();
        let group = (!goes_on).then_some(heads.as_slice());
        self.log.append(agent, group, count, |mine| mine.append(&operations, 0..count));
        let mut changes = Vec::new();
        let effort = &mut Effort::endless();
        let replayed = self.replay.advance(&self.log, from, self.len(), effort, |change| changes.push(change));
        if let Err(stopped) = replayed {
            self.take_back(from);
            return match stopped {
                Stopped::Misplaced(Misplaced { range, .. }) => {
                    Err(AuthorError::OutOfRange { index: range.index, len: range.len })
                }
                Stopped::Spent => unreachable!("an endless effort was spent"),
            };
        }
        changes.into_iter().for_each(|change| patch::apply(&mut self.text, self.log.contents(), change));
        Ok(self.log.graph().frontier(&[self.log.len() - 1]))
    }

    /// Brings heads together until a group of `agent` can name all there are: by events that insert a character and delete it
    /// again, and have seen as many as they may.
    pub(crate) fn gather_heads(&mut self, agent: AgentId) {
        while let Some(heads) = self.log.nameable_heads(agent) {
            let edit = |deleted, inserted: &str| Patch {
                start: Chars(0),
                deleted: Chars(deleted),
                inserted: inserted.to_owned(),
            };
            let parents = self.log.graph().frontier(&heads);
            let gathered = self.author(agent, &parents, &[edit(0, " "), edit(1, "")]);
            assert!(gathered.is_ok(), "an edit at the start of a known version: {gathered:?}");
        }
    }

    /// The history as its authors made it: runs in the order of this log, with their parents and with edits in chars of
    /// the text at these parents.
    pub fn operations(&self) -> impl Iterator<Item = Authored> + '_ {
        self.log.graph().runs_in(Span::new(Local(0), self.log.len())).map(|run| Authored {
            span: self.log.graph().event_span(run.span),
            parents: self.log.graph().frontier(run.parents),
            edits: self.log.contents().of(run.span).flat_map(edits_of).collect(),
        })
    }

    /// The history as changes of the visible text, in the order of this log: for replays and for blame. Each step is
    /// one run of one agent; the whole costs one replay.
    pub fn history(&self) -> impl Iterator<Item = Step> + '_ {
        let (mut replay, mut len) = (Replay::default(), 0);
        let runs = self.log.graph().runs_in(Span::new(Local(0), self.log.len())).map(|run| run.span);
        let parts = runs.flat_map(|run| self.log.contents().of(run).map(|operation| operation.events));
        parts.map(move |events| {
            let mut patches = Vec::new();
            let replayed = replay.advance_over(&self.log, events, &mut len, &mut Effort::endless(), |change| {
                patches.push(patch::in_chars(self.log.contents(), change));
            });
            assert!(replayed.is_ok(), "events that were checked when they came do not fit now: {replayed:?}");
            Step { span: self.log.graph().event_span(events), patches }
        })
    }
}

/// One run of one agent, as it was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authored {
    /// The events.
    pub span: EventSpan,
    /// The parents of the first of them.
    pub parents: Frontier,
    /// What they did, each in the text that the one before it left; consecutive insertions and deletions are joined.
    pub edits: Vec<Patch<Chars>>,
}

/// One run of one agent and what it did to the visible text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The events.
    pub span: EventSpan,
    /// Their effect; none where the characters were deleted already.
    pub patches: Vec<Patch<Chars>>,
}

fn record(operations: &mut Operations, edit: &Patch<Chars>) -> Result<(), AuthorError> {
    let limit = Local::LIMIT;
    let room = (limit - operations.len()) as usize;
    let count = edit.deleted.0.checked_add(edit.inserted.len());
    if edit.start.0 >= limit as usize || count.is_none_or(|count| count >= room) {
        return Err(WriteError::Full(Full { limit }).into());
    }
    let (at, deleted) = (edit.start.0 as u32, edit.deleted.0 as u32);
    if deleted > 0 {
        operations.delete(at, deleted, false);
    }
    if !edit.inserted.is_empty() {
        operations.insert(at, &edit.inserted);
    }
    Ok(())
}

/// What an operation did. Backspaces are an edit each: a patch deletes forwards, and which event deleted what must not
/// be lost.
fn edits_of(operation: Operation<'_>) -> Vec<Patch<Chars>> {
    let count = operation.events.len();
    let removal = |at: u32, count: u32| Patch {
        start: Chars(at as usize),
        deleted: Chars(count as usize),
        inserted: String::new(),
    };
    match operation.action {
        Action::Insert { at, text } => {
            vec![Patch { start: Chars(at as usize), deleted: Chars(0), inserted: text.to_owned() }]
        }
        Action::Delete { at } => vec![removal(at, count)],
        Action::Backspace { at } => (0..count).map(|done| removal(at - done, 1)).collect(),
    }
}

/// History that cannot be written like this. The document is as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuthorError {
    /// The version to write at.
    At(WriteError),
    /// A position beyond the text there.
    OutOfRange {
        /// The position, in chars.
        index: u32,
        /// The length of the text there, in chars.
        len: u32,
    },
}

impl From<WriteError> for AuthorError {
    fn from(error: WriteError) -> Self {
        Self::At(error)
    }
}

impl fmt::Display for AuthorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(error) => error.fmt(f),
            Self::OutOfRange { index, len } => write!(f, "position {index} in a text of {len} chars"),
        }
    }
}

impl std::error::Error for AuthorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::At(error) => Some(error),
            Self::OutOfRange { .. } => None,
        }
    }
}
