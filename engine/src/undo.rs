//! The steps of one person that can be taken back, by the names of their events.
//!
//! Knows which events make a step and what has been put in the place of what. Does not know positions: a session finds
//! where the characters are now, so that what others have written in between does not matter.
//!
//! Taking a step back makes new events, and these are a step of their own on the other stack. A character that was
//! deleted and put back is a new character with a new name; [`UndoHistory::replace`] notes it, so that an older step
//! still finds it under its new name.
//!
//! ```text
//! type "abc"        undo: [typed a b c]
//! backspace         undo: [typed a b c] [backspaced c]
//! undo              undo: [typed a b c]                   redo: [typed c′]    c → c′
//! undo              deletes a b c′                        redo: [typed c′] [deleted a b c′]
//! ```
//!
//! The history is kept beside the log as a list of changes ([`UndoHistory::take_changes`]): how many steps at the
//! bottom of each stack stay, and those that come on top.

use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{AgentId, Clock, EventId, EventSpan};
use std::collections::BTreeMap;

mod stack;

use stack::Stack;

const VERSION: u8 = 1;

/// What events of a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// Inserted, the caret behind it. Taken back by backspaces.
    Typed,
    /// Inserted, the caret in front of it: what a deletion forwards took is put back. Taken back by deletions forwards.
    Ahead,
    Backspaced,
    Deleted,
}

/// What is taken back at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Step {
    parts: Vec<(Part, EventSpan)>,
}

impl Step {
    pub(crate) fn parts(&self) -> &[(Part, EventSpan)] {
        &self.parts
    }
}

/// Where the steps being made go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Making {
    /// On the undo stack, as a person edits; what was taken back before cannot be done again.
    #[default]
    Edits,
    /// On the redo stack.
    Undo,
    /// On the undo stack, and the redo stack stays.
    Redo,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct UndoHistory {
    undo: Stack,
    redo: Stack,
    making: Making,
    /// The next event starts a step.
    ended: bool,
    /// The next event belongs to the step before it, whatever it is.
    joined: bool,
    /// By the first name: the length, and the first new name.
    replaced: BTreeMap<EventId, (u32, EventId)>,
    /// Replacements in the order in which they were made, those not yet written down.
    replaced_since: Vec<(EventSpan, EventId)>,
}

impl UndoHistory {
    pub(crate) fn can_undo(&self) -> bool {
        !self.undo.is_empty()
    }

    /// The next event starts a step of its own.
    pub(crate) fn end_step(&mut self) {
        if self.making == Making::Edits {
            self.ended = true;
        }
    }

    /// The next event belongs to the last step although it is of another kind.
    pub(crate) fn join_next(&mut self) {
        self.joined = true;
    }

    /// Events were made here.
    #[inline]
    pub(crate) fn record(&mut self, part: Part, span: EventSpan) {
        if self.joined || self.making != Making::Edits || !self.redo.is_empty() {
            return self.record_among_others(part, span);
        }
        let ended = std::mem::take(&mut self.ended);
        if !ended && self.undo.last_part() == Some(part) {
            self.undo.add(part, span);
        } else {
            self.undo.push(part, span);
        }
    }

    /// The same where steps are taken back or done again, or can be, or belong together.
    #[inline(never)]
    fn record_among_others(&mut self, part: Part, span: EventSpan) {
        let joined = std::mem::take(&mut self.joined);
        let ended = std::mem::take(&mut self.ended);
        if self.making == Making::Edits && !self.redo.is_empty() {
            self.redo.clear();
        }
        let taking_back = self.making != Making::Edits;
        let stack = if self.making == Making::Undo { &mut self.redo } else { &mut self.undo };
        let goes_on = joined || !ended && (taking_back || stack.last_part() == Some(part));
        if goes_on && !stack.is_empty() {
            stack.add(part, span);
        } else {
            stack.push(part, span);
        }
    }

    /// How many events the step to take back has.
    pub(crate) fn undo_len(&self) -> Option<u32> {
        self.undo.top_len()
    }

    /// How many events the step to do again has.
    pub(crate) fn redo_len(&self) -> Option<u32> {
        self.redo.top_len()
    }

    /// The step to take back. Events made until `finish` can be done again.
    pub(crate) fn take_undo(&mut self) -> Option<Step> {
        let step = self.undo.pop()?;
        (self.making, self.ended) = (Making::Undo, true);
        Some(step)
    }

    /// The step to do again. Events made until `finish` can be taken back.
    pub(crate) fn take_redo(&mut self) -> Option<Step> {
        let step = self.redo.pop()?;
        (self.making, self.ended) = (Making::Redo, true);
        Some(step)
    }

    /// The step taken is dealt with; what comes now are edits again.
    pub(crate) fn finish(&mut self) {
        (self.making, self.ended) = (Making::Edits, true);
    }

    /// The characters of `by` stand for those of `of`, one for one.
    pub(crate) fn replace(&mut self, of: EventSpan, by: EventSpan) {
        let by = EventId::new(by.agent, by.start);
        self.replaced_since.push((of, by));
        self.note(of, by);
    }

    fn note(&mut self, of: EventSpan, by: EventId) {
        // A character is replaced once: it is put back under a new name, and that one is deleted the next time.
        self.replaced.insert(EventId::new(of.agent, of.start), (of.len(), by));
    }

    /// The names under which the characters of a span go now.
    pub(crate) fn latest(&self, span: EventSpan) -> Vec<EventSpan> {
        // In a history that nobody tampered with no character is replaced more often than there are replacements.
        let most = self.replaced.len();
        let (mut latest, mut rest) = (Vec::new(), vec![(span, 0)]);
        while let Some((span, replaced)) = rest.pop() {
            let first = EventId::new(span.agent, span.start);
            let after = EventId::new(span.agent, span.end);
            let before = self
                .replaced
                .range(..=first)
                .next_back()
                .filter(|(id, (len, _))| id.agent == span.agent && span.start.0 < id.clock.0 + len);
            let next = before.or_else(|| self.replaced.range(first..after).next());
            let Some((id, &(len, by))) = next.filter(|_| replaced < most) else {
                latest.push(span);
                continue;
            };
            let start = id.clock.max(span.start);
            let end = Clock(id.clock.0 + len).min(span.end);
            let offset = start.0 - id.clock.0;
            let part = |start, end| EventSpan { agent: span.agent, start, end };
            if start > span.start {
                latest.push(part(span.start, start));
            }
            if end < span.end {
                rest.push((part(end, span.end), replaced));
            }
            let fresh = Clock(by.clock.0 + offset);
            let fresh = EventSpan { agent: by.agent, start: fresh, end: Clock(fresh.0 + (end.0 - start.0)) };
            rest.push((fresh, replaced + 1));
        }
        latest
    }
}

/// Written down and read back: magic of one version byte, agents, the two stacks, replacements, checksum.
impl UndoHistory {
    /// All of it, as changes from nothing.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let replaced = self.replaced.iter().map(|(&id, &(len, by))| {
            (EventSpan { agent: id.agent, start: id.clock, end: Clock(id.clock.0 + len) }, by)
        });
        self.write(0, 0, &replaced.collect::<Vec<_>>())
    }

    /// What has changed since the last call; `None` when nothing has.
    pub(crate) fn take_changes(&mut self) -> Option<Vec<u8>> {
        if self.undo.is_written() && self.redo.is_written() && self.replaced_since.is_empty() {
            return None;
        }
        let replaced = std::mem::take(&mut self.replaced_since);
        let bytes = self.write(self.undo.unchanged(), self.redo.unchanged(), &replaced);
        self.undo.set_written();
        self.redo.set_written();
        Some(bytes)
    }

    fn write(&self, undo_unchanged: usize, redo_unchanged: usize, replaced: &[(EventSpan, EventId)]) -> Vec<u8> {
        let (mut agents, mut body) = (Agents::default(), Writer::new());
        self.undo.write(undo_unchanged, &mut agents, &mut body);
        self.redo.write(redo_unchanged, &mut agents, &mut body);
        body.number(replaced.len() as u64);
        for (of, by) in replaced {
            agents.write_span(*of, &mut body);
            agents.write(by.agent, &mut body);
            body.number(u64::from(by.clock.0));
        }
        let mut writer = Writer::new();
        writer.byte(VERSION);
        writer.number(agents.list.len() as u64);
        agents.list.iter().for_each(|agent| writer.wide(agent.get()));
        writer.raw(&body.finish());
        writer.checksum();
        writer.finish()
    }

    pub(crate) fn apply_changes(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::checked(bytes)?;
        match reader.byte()? {
            VERSION => {}
            found => return Err(DecodeError::Version { found, known: VERSION }),
        }
        let agents = read_agents(&mut reader)?;
        let undo = self.undo.read(&mut reader, &agents)?;
        let redo = self.redo.read(&mut reader, &agents)?;
        let mut replaced = Vec::new();
        for _ in 0..reader.count()? {
            let of = read_span(&mut reader, &agents)?;
            let by = EventId::new(read_agent(&mut reader, &agents)?, Clock(reader.u32()?));
            if by.clock.0.checked_add(of.len()).is_none() || (of.agent == by.agent && by.clock < of.end) {
                return Err(reader.invalid("a character is replaced by an earlier one"));
            }
            replaced.push((of, by));
        }
        reader.end()?;
        self.undo.apply(undo);
        self.redo.apply(redo);
        replaced.into_iter().for_each(|(of, by)| self.note(of, by));
        self.ended = true;
        Ok(())
    }
}

impl Part {
    /// By their codes.
    const ALL: [Self; 4] = [Self::Typed, Self::Backspaced, Self::Deleted, Self::Ahead];

    #[inline]
    fn code(self) -> u8 {
        match self {
            Self::Typed => 0,
            Self::Backspaced => 1,
            Self::Deleted => 2,
            Self::Ahead => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Agents by number, in the order of first mention. A person's history has few.
#[derive(Clone, Debug, Default)]
struct Agents {
    list: Vec<AgentId>,
}

impl Agents {
    fn number(&mut self, agent: AgentId) -> u32 {
        let number = self.list.iter().rposition(|other| *other == agent).unwrap_or_else(|| {
            self.list.push(agent);
            self.list.len() - 1
        });
        number as u32
    }

    fn write(&mut self, agent: AgentId, writer: &mut Writer) {
        let number = self.number(agent);
        writer.number(u64::from(number));
    }

    fn write_span(&mut self, span: EventSpan, writer: &mut Writer) {
        self.write(span.agent, writer);
        writer.number(u64::from(span.start.0));
        writer.number(u64::from(span.len()));
    }
}

fn read_agents(reader: &mut Reader<'_>) -> Result<Vec<AgentId>, DecodeError> {
    let count = reader.bounded(reader.remaining() as u64 / 16)?;
    (0..count).map(|_| reader.wide().map(AgentId::new)).collect()
}

fn read_agent(reader: &mut Reader<'_>, agents: &[AgentId]) -> Result<AgentId, DecodeError> {
    let number = reader.number()?;
    let agent = usize::try_from(number).ok().and_then(|number| agents.get(number)).copied();
    agent.ok_or_else(|| reader.invalid("an agent that is not in the list"))
}

fn read_span(reader: &mut Reader<'_>, agents: &[AgentId]) -> Result<EventSpan, DecodeError> {
    let agent = read_agent(reader, agents)?;
    let (start, len) = (reader.u32()?, reader.u32()?);
    match start.checked_add(len).filter(|_| len > 0) {
        Some(end) => Ok(EventSpan { agent, start: Clock(start), end: Clock(end) }),
        None => Err(reader.invalid("a span of events is empty or too long")),
    }
}
