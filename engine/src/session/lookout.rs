//! Looking characters up by name and names by character: anchors, and who typed what.

use super::Session;
use crate::anchor::{Anchor, Bias};
use crate::id::{AgentId, Span};
use crate::text::unit::{Chars, PositionError, Unit};

/// Anchors and authors.
impl Session {
    /// A position that survives edits: it stays with the character on its left or right.
    ///
    /// The first anchor of a session replays the whole history once, each later one costs what came since, and O(log
    /// n).
    ///
    /// # Errors
    /// A position beyond the end or inside a character.
    pub fn anchor<U: Unit>(&mut self, at: U, bias: Bias) -> Result<Anchor, PositionError> {
        let at = self.chars(at)?;
        let neighbour = match bias {
            Bias::Left => at.checked_sub(1),
            Bias::Right => Some(at),
        };
        let event = neighbour.and_then(|position| self.document.elements().event_at(position));
        let id = event.map(|event| self.document.log().graph().id(event));
        Ok(match (id, bias) {
            (Some(id), Bias::Left) => Anchor::Behind(id),
            (Some(id), Bias::Right) => Anchor::Before(id),
            (None, Bias::Left) => Anchor::Start,
            (None, Bias::Right) => Anchor::End,
        })
    }

    /// Where an anchor is now. One whose character was deleted is where the character would stand. `None` when its
    /// character is not known here.
    pub fn resolve<U: Unit>(&mut self, anchor: &Anchor) -> Option<U> {
        let (id, behind) = match *anchor {
            Anchor::Start => return Some(U::at(0)),
            Anchor::End => return Some(self.text().len()),
            Anchor::Behind(id) => (id, true),
            Anchor::Before(id) => (id, false),
        };
        let event = self.document.log().graph().local(id)?;
        let standing = self.document.elements().standing(event)?;
        Some(self.unit(standing.position + u32::from(behind && standing.visible)))
    }

    /// Who typed what stands there: runs of the visible text from left to right.
    pub fn authors(&mut self) -> Vec<(AgentId, Chars)> {
        let spans: Vec<Span> = self.document.elements().visible().collect();
        let graph = self.document.log().graph();
        let mut authors: Vec<(AgentId, Chars)> = Vec::new();
        for run in spans.into_iter().flat_map(|span| graph.runs_in(span).map(move |run| (run, span))) {
            let (run, span) = run;
            let count = (run.span.end.min(span.end) - run.span.start.max(span.start)) as usize;
            let agent = graph.agent(run.agent);
            match authors.last_mut() {
                Some((last, length)) if *last == agent => length.0 += count,
                _ => authors.push((agent, Chars(count))),
            }
        }
        authors
    }
}
