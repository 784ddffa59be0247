//! A stack of steps, side by side in memory, and what has been written down of it.
//!
//! Knows spans of events and what they did; does not know what is done with a step. Each part of a step costs 8 bytes,
//! and neither an allocation; whose events they are is kept once for all parts that follow each other.

use super::{Agents, Part, Step};
use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{AgentId, Clock, EventSpan};

/// Invariant: the first part begins a step.
#[derive(Clone, Debug, Default)]
pub(super) struct Stack {
    /// The parts of all steps, one step after the other.
    parts: Vec<StoredPart>,
    /// How many steps these are.
    steps: usize,
    /// From which part on they are whose events. A person's history has few.
    authors: Vec<(u32, AgentId)>,
    /// How many steps at the bottom are as they were written.
    unchanged: usize,
    /// How many steps were written.
    written: usize,
}

/// Events in a row that did the same.
#[derive(Clone, Copy, Debug)]
struct StoredPart {
    start: Clock,
    /// How many they are, above what they did, above whether a step begins with them.
    packed: u32,
}

impl StoredPart {
    /// Longer ones are cut in several.
    const MOST: u32 = u32::MAX >> 3;

    #[inline]
    fn new(begins: bool, part: Part, start: Clock, len: u32) -> Self {
        Self { start, packed: len << 3 | u32::from(part.code()) << 1 | u32::from(begins) }
    }

    #[inline]
    fn begins(self) -> bool {
        self.packed & 1 == 1
    }

    #[inline]
    fn part(self) -> Part {
        Part::ALL[(self.packed >> 1 & 3) as usize]
    }

    #[inline]
    fn len(self) -> u32 {
        self.packed >> 3
    }

    fn end(self) -> Clock {
        Clock(self.start.0 + self.len())
    }
}

impl Stack {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.steps
    }

    /// How many events the step on top has. O(its parts).
    pub(super) fn top_len(&self) -> Option<u32> {
        let first = self.parts.iter().rposition(|part| part.begins())?;
        let lens = self.parts.iter().skip(first).map(|part| part.len());
        Some(lens.fold(0, u32::saturating_add))
    }

    /// What the last part of the step on top did.
    #[inline]
    pub(super) fn last_part(&self) -> Option<Part> {
        self.parts.last().map(|last| last.part())
    }

    /// A step that begins with these events.
    #[inline]
    pub(super) fn push(&mut self, part: Part, span: EventSpan) {
        self.steps += 1;
        self.push_part(true, part, span);
    }

    /// More events of the step on top.
    pub(super) fn add(&mut self, part: Part, span: EventSpan) {
        self.unchanged = self.unchanged.min(self.len() - 1);
        let author = self.authors.last().map(|&(_, agent)| agent);
        match self.parts.last_mut() {
            Some(last)
                if last.part() == part
                    && last.end() == span.start
                    && author == Some(span.agent)
                    && span.len() <= StoredPart::MOST - last.len() =>
            {
                *last = StoredPart::new(last.begins(), part, last.start, last.len() + span.len());
            }
            _ => self.push_part(false, part, span),
        }
    }

    #[inline]
    fn push_part(&mut self, begins: bool, part: Part, span: EventSpan) {
        let same_author = self.authors.last().is_some_and(|&(_, agent)| agent == span.agent);
        if !same_author || span.len() > StoredPart::MOST {
            return self.push_another(begins, part, span);
        }
        self.parts.push(StoredPart::new(begins, part, span.start, span.len()));
    }

    /// The same where the events may be of somebody else than those before, or too many.
    #[inline(never)]
    fn push_another(&mut self, begins: bool, part: Part, span: EventSpan) {
        if self.authors.last().is_none_or(|&(_, agent)| agent != span.agent) {
            self.authors.push((self.parts.len() as u32, span.agent));
        }
        let (mut start, mut begins) = (span.start, begins);
        while start < span.end {
            let len = (span.end.0 - start.0).min(StoredPart::MOST);
            self.parts.push(StoredPart::new(begins, part, start, len));
            (start, begins) = (Clock(start.0 + len), false);
        }
    }

    fn push_step(&mut self, step: &Step) {
        self.steps += 1;
        for (number, &(part, span)) in step.parts.iter().enumerate() {
            self.push_part(number == 0, part, span);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Step> {
        let last = self.len().checked_sub(1)?;
        let step = self.steps_from(last).pop();
        self.truncate(last);
        step
    }

    /// The steps on top of the first `number`. O(their parts).
    fn steps_from(&self, number: usize) -> Vec<Step> {
        let mut author = self.authors.len();
        let mut steps = Vec::with_capacity(self.len() - number);
        let mut step = Step::default();
        for (at, stored) in self.parts.iter().enumerate().rev() {
            if steps.len() == self.len() - number {
                break;
            }
            while self.authors[author - 1].0 as usize > at {
                author -= 1;
            }
            let span = EventSpan { agent: self.authors[author - 1].1, start: stored.start, end: stored.end() };
            step.parts.push((stored.part(), span));
            if stored.begins() {
                step.parts.reverse();
                steps.push(std::mem::take(&mut step));
            }
        }
        steps.reverse();
        steps
    }

    /// Keeps the first `len` steps. O(parts of the others).
    fn truncate(&mut self, len: usize) {
        while self.steps > len {
            self.steps -= usize::from(self.parts.pop().is_none_or(StoredPart::begins));
        }
        while self.authors.last().is_some_and(|&(from, _)| from as usize >= self.parts.len()) {
            self.authors.pop();
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
        for step in self.steps_from(unchanged) {
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
            let count = reader.count()?;
            if count == 0 {
                return Err(reader.invalid("a step in which nothing was done"));
            }
            for _ in 0..count {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Its number of steps would not be the one that is counted. A planted bug that this catches: `read` lets it pass.
    #[test]
    fn a_step_in_which_nothing_was_done_is_refused() {
        // None stays; one comes, of no parts.
        let mut writer = Writer::new();
        [0, 1, 0].into_iter().for_each(|number| writer.number(number));
        let bytes = writer.finish();
        let refused = Stack::default().read(&mut Reader::new(&bytes), &[]).map(|(kept, steps)| (kept, steps.len()));
        assert_eq!(refused, Err(DecodeError::Invalid { offset: 3, what: "a step in which nothing was done" }));
    }
}
