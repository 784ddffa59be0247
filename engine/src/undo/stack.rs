//! A stack of steps, side by side in memory, and what has been written down of it.
//!
//! Knows spans of events and what they did; does not know what is done with a step. A step costs 4 bytes and each of
//! its parts 16, and neither an allocation.

use super::{Agents, Part, Step};
use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{AgentId, Clock, EventSpan};

/// Invariant: `starts` ascend and lie within `parts`.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    /// The parts of all steps, one step after the other.
    parts: Vec<StoredPart>,
    /// Where the parts of each step start.
    starts: Vec<u32>,
    agents: Agents,
    /// How many steps at the bottom are as they were written.
    unchanged: usize,
    /// How many steps were written.
    written: usize,
}

#[derive(Clone, Copy, Debug)]
struct StoredPart {
    part: Part,
    agent: u32,
    start: Clock,
    end: Clock,
}

impl Stack {
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// What the last part of the step on top did.
    pub(super) fn last_part(&self) -> Option<Part> {
        let (&start, last) = (self.starts.last()?, self.parts.last()?);
        ((start as usize) < self.parts.len()).then_some(last.part)
    }

    /// A step that begins with these events.
    pub(super) fn push(&mut self, part: Part, span: EventSpan) {
        self.starts.push(self.parts.len() as u32);
        self.push_part(part, span);
    }

    /// More events of the step on top.
    pub(super) fn add(&mut self, part: Part, span: EventSpan) {
        self.unchanged = self.unchanged.min(self.len() - 1);
        let same_step = self.last_part() == Some(part);
        match self.parts.last_mut() {
            Some(last) if same_step && last.end == span.start && self.agents.get(last.agent) == span.agent => {
                last.end = span.end;
            }
            _ => self.push_part(part, span),
        }
    }

    fn push_part(&mut self, part: Part, span: EventSpan) {
        let agent = self.agents.number(span.agent);
        self.parts.push(StoredPart { part, agent, start: span.start, end: span.end });
    }

    fn push_step(&mut self, step: &Step) {
        self.starts.push(self.parts.len() as u32);
        step.parts.iter().for_each(|&(part, span)| self.push_part(part, span));
    }

    pub(super) fn pop(&mut self) -> Option<Step> {
        let step = self.step(self.len().checked_sub(1)?);
        self.truncate(self.len() - 1);
        Some(step)
    }

    fn step(&self, number: usize) -> Step {
        let end = self.starts.get(number + 1).map_or(self.parts.len(), |&start| start as usize);
        let stored = &self.parts[self.starts[number] as usize..end];
        let span = |stored: &StoredPart| EventSpan {
            agent: self.agents.get(stored.agent),
            start: stored.start,
            end: stored.end,
        };
        Step { parts: stored.iter().map(|stored| (stored.part, span(stored))).collect() }
    }

    /// Keeps the first `len` steps.
    fn truncate(&mut self, len: usize) {
        if let Some(&end) = self.starts.get(len) {
            self.parts.truncate(end as usize);
            self.starts.truncate(len);
        }
        self.unchanged = self.unchanged.min(len);
    }

    pub(super) fn clear(&mut self) {
        self.truncate(0);
    }

    /// How many steps at the bottom are as they were written.
    pub(super) fn unchanged(&self) -> usize {
        self.unchanged
    }

    pub(super) fn is_written(&self) -> bool {
        self.unchanged == self.len() && self.written == self.len()
    }

    pub(super) fn set_written(&mut self) {
        self.unchanged = self.len();
        self.written = self.len();
    }

    /// Those that have to be written, after the number of those that stay.
    pub(super) fn write(&self, unchanged: usize, agents: &mut Agents, writer: &mut Writer) {
        writer.number(unchanged as u64);
        writer.number((self.len() - unchanged) as u64);
        for number in unchanged..self.len() {
            let step = self.step(number);
            writer.number(step.parts.len() as u64);
            for (part, span) in step.parts {
                writer.byte(part.code());
                agents.write_span(span, writer);
            }
        }
    }

    /// Reads how many stay and which come.
    pub(super) fn read(&self, reader: &mut Reader<'_>, agents: &[AgentId]) -> Result<(usize, Vec<Step>), DecodeError> {
        let kept = reader.bounded(self.len() as u64)? as usize;
        let mut steps = Vec::new();
        for _ in 0..reader.count()? {
            let mut parts = Vec::new();
            for _ in 0..reader.count()? {
                let part = Part::from_code(reader.byte()?).ok_or_else(|| reader.invalid("no such kind of edit"))?;
                parts.push((part, super::read_span(reader, agents)?));
            }
            steps.push(Step { parts });
        }
        Ok((kept, steps))
    }

    pub(super) fn apply(&mut self, (kept, steps): (usize, Vec<Step>)) {
        self.truncate(kept);
        steps.iter().for_each(|step| self.push_step(step));
        self.set_written();
    }
}
