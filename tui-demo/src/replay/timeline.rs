//! A history laid out so that the text at any moment is one pass away.
//!
//! Knows the changes of the visible text in the order of the log. Does not know speed, keys or screens.
//!
//! Every character that was ever visible keeps its place in one sequence, with the moment it came and the moment it
//! went. The text at a moment is what had come and not gone: one pass over the sequence, forwards or backwards in time
//! alike, with no snapshot and no undoing. That needs 16 bytes a character and never more, however long somebody plays;
//! a pass over the 180,000 characters of `automerge-paper` takes about a millisecond. A character can be put anywhere
//! among those that were gone when it came: no moment shows both.

use std::collections::HashMap;
use std::num::NonZeroU32;

use cede::{AgentId, Buffer, Chars, Document, Patch, Step};

/// A chunk is split in two when it gets longer. Long enough that there are few of them, short enough to look through.
const CHUNK_LENGTH: usize = if cfg!(test) { 4 } else { 1024 };

/// A session from start to end. A *moment* is a number of events of the log that have happened.
#[derive(Debug)]
pub(super) struct Timeline {
    elements: Vec<Element>,
    /// Everybody who wrote, by first appearance.
    authors: Vec<AgentId>,
    /// Who made the events: each turn's first moment and its author, as an index into `authors`.
    turns: Vec<(u32, usize)>,
    /// The moments at which somebody's caret had moved before the next event, or somebody else's turn began; the end is
    /// one of them.
    stops: Vec<u32>,
    events: u32,
}

/// A character that was visible at some time.
#[derive(Clone, Copy, Debug)]
struct Element {
    character: char,
    author: u32,
    /// The moment it came.
    born: u32,
    /// The moment it went, if it did.
    died: Option<NonZeroU32>,
}

impl Element {
    fn is_visible_at(self, moment: u32) -> bool {
        self.born <= moment && self.died.is_none_or(|died| died.get() > moment)
    }
}

/// The text at some moment.
#[derive(Debug)]
pub(super) struct Still {
    pub(super) buffer: Buffer,
    /// Who wrote what: index into the authors and length, from the start of the text on.
    pub(super) spans: Vec<(usize, Chars)>,
    /// Who made the latest change, and where it left the caret.
    pub(super) caret: Option<(usize, Chars)>,
}

impl Timeline {
    /// Lays out the history of a document. O(changes × (√characters + chunk)).
    pub(super) fn of(document: &Document) -> Self {
        let mut recording = Recording::default();
        document.history().for_each(|step| recording.step(&step));
        recording.finish()
    }

    pub(super) fn authors(&self) -> &[AgentId] {
        &self.authors
    }

    pub(super) fn stops(&self) -> &[u32] {
        &self.stops
    }

    pub(super) fn events(&self) -> u32 {
        self.events
    }

    /// The text at a moment; O(characters ever visible).
    pub(super) fn still(&self, moment: u32) -> Still {
        let mut text = String::new();
        let mut spans: Vec<(usize, Chars)> = Vec::new();
        let mut length = 0;
        // When the latest change was, and where the caret is after it.
        let mut latest: Option<(u32, usize)> = None;
        for element in &self.elements {
            let visible = element.is_visible_at(moment);
            if visible {
                text.push(element.character);
                length += 1;
                match spans.last_mut() {
                    Some((author, span)) if *author == element.author as usize => span.0 += 1,
                    _ => spans.push((element.author as usize, Chars(1))),
                }
            }
            let died = element.died.map(NonZeroU32::get);
            let changed = died.filter(|died| *died <= moment).unwrap_or(element.born);
            if changed <= moment && latest.is_none_or(|(when, _)| when < changed) {
                latest = Some((changed, length));
            }
        }
        let caret = latest.and_then(|(when, at)| Some((self.author_at(when)?, Chars(at))));
        Still { buffer: Buffer::from(text.as_str()), spans, caret }
    }

    /// Who made the event that led to this moment.
    fn author_at(&self, moment: u32) -> Option<usize> {
        let turn = self.turns.partition_point(|(first, _)| *first <= moment).checked_sub(1)?;
        Some(self.turns[turn].1)
    }
}

/// A timeline in the making.
#[derive(Default)]
struct Recording {
    numbers: HashMap<AgentId, usize>,
    authors: Vec<AgentId>,
    turns: Vec<(u32, usize)>,
    stops: Vec<u32>,
    events: u32,
    sequence: Sequence,
    /// Where the latest change left the caret.
    caret: usize,
}

impl Recording {
    fn step(&mut self, step: &Step) {
        let author = self.author(step.span.agent);
        let changes: usize = step.patches.iter().map(|patch| patch.deleted.0 + patch.inserted.chars().count()).sum();
        let mut pace = Pace { first: self.events, events: step.span.end.0 - step.span.start.0, changes, done: 0 };
        if self.turns.last().is_none_or(|(_, last)| *last != author) {
            self.turns.push((pace.first + 1, author));
            self.stop(pace.first);
        }
        for patch in &step.patches {
            if patch.start.0 != self.caret && patch.start.0 + patch.deleted.0 != self.caret {
                self.stop(pace.now());
            }
            self.change(patch, author as u32, &mut pace);
        }
        self.events += pace.events;
    }

    fn author(&mut self, agent: AgentId) -> usize {
        *self.numbers.entry(agent).or_insert_with(|| {
            self.authors.push(agent);
            self.authors.len() - 1
        })
    }

    fn stop(&mut self, moment: u32) {
        if self.stops.last() != Some(&moment) {
            self.stops.push(moment);
        }
    }

    fn change(&mut self, patch: &Patch<Chars>, author: u32, pace: &mut Pace) {
        let mut deaths: Vec<u32> = (0..patch.deleted.0).map(|_| pace.next()).collect();
        // Up to the caret they were backspaces: the last character went first.
        if patch.start.0 + patch.deleted.0 == self.caret {
            deaths.reverse();
        }
        self.sequence.remove(patch.start.0, &deaths);
        let born = |character| Element { character, author, born: pace.next(), died: None };
        let elements: Vec<Element> = patch.inserted.chars().map(born).collect();
        self.caret = patch.start.0 + elements.len();
        self.sequence.insert(patch.start.0, elements);
    }

    fn finish(mut self) -> Timeline {
        self.stop(self.events);
        Timeline {
            elements: self.sequence.chunks.into_iter().flat_map(|chunk| chunk.elements).collect(),
            authors: self.authors,
            turns: self.turns,
            stops: self.stops,
            events: self.events,
        }
    }
}

/// When the changes of a step happen: spread evenly over its events, the last with the last. There can be fewer changes
/// than events, since deleting what somebody else had deleted already changes nothing.
struct Pace {
    /// The moment before the step.
    first: u32,
    events: u32,
    changes: usize,
    done: usize,
}

impl Pace {
    fn now(&self) -> u32 {
        let spread = u64::from(self.events) * self.done as u64;
        // At most `events`, so nothing is cut off.
        self.first + spread.div_ceil(self.changes as u64) as u32
    }

    /// The moment of the next change.
    fn next(&mut self) -> u32 {
        self.done += 1;
        self.now()
    }
}

/// All characters in order, in chunks that know how many of theirs are visible now.
///
/// Invariant: there is a chunk, and no chunk but the only one is empty.
struct Sequence {
    chunks: Vec<Chunk>,
}

#[derive(Default)]
struct Chunk {
    elements: Vec<Element>,
    visible: usize,
}

impl Default for Sequence {
    fn default() -> Self {
        Self { chunks: vec![Chunk::default()] }
    }
}

impl Sequence {
    /// Puts elements behind the first `position` visible ones.
    fn insert(&mut self, position: usize, elements: Vec<Element>) {
        let mut before = position;
        let mut number = 0;
        while before > self.chunks[number].visible && number + 1 < self.chunks.len() {
            before -= self.chunks[number].visible;
            number += 1;
        }
        let chunk = &mut self.chunks[number];
        let index = match before.checked_sub(1) {
            Some(last) => chunk.nth_visible(last).map_or(chunk.elements.len(), |index| index + 1),
            None => 0,
        };
        chunk.visible += elements.len();
        chunk.elements.splice(index..index, elements);
        if chunk.elements.len() > CHUNK_LENGTH {
            self.split(number);
        }
    }

    /// Lets the visible elements from `position` on die at these moments.
    fn remove(&mut self, position: usize, mut deaths: &[u32]) {
        let mut before = position;
        for chunk in &mut self.chunks {
            if deaths.is_empty() {
                break;
            }
            if before >= chunk.visible {
                before -= chunk.visible;
                continue;
            }
            let dying = chunk.elements.iter_mut().filter(|element| element.died.is_none()).skip(before);
            let died = dying.zip(deaths).map(|(element, death)| element.died = NonZeroU32::new(*death)).count();
            chunk.visible -= died;
            deaths = &deaths[died..];
            before = 0;
        }
    }

    fn split(&mut self, number: usize) {
        let elements = std::mem::take(&mut self.chunks[number].elements);
        let halves = elements.chunks(CHUNK_LENGTH.div_ceil(2)).map(|half| Chunk {
            elements: half.to_vec(),
            visible: half.iter().filter(|element| element.died.is_none()).count(),
        });
        self.chunks.splice(number..=number, halves);
    }
}

impl Chunk {
    fn nth_visible(&self, nth: usize) -> Option<usize> {
        let mut visible = self.elements.iter().enumerate().filter(|(_, element)| element.died.is_none());
        visible.nth(nth).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use cede::{AgentId, Chars, Clock, EventSpan, Patch, Step};

    use super::{Recording, Timeline};

    /// `agent` made `events`, and the text changed by these (start, deleted, inserted).
    fn step(agent: u128, events: u32, patches: &[(usize, usize, &str)]) -> Step {
        let patch = |&(start, deleted, inserted): &(usize, usize, &str)| Patch {
            start: Chars(start),
            deleted: Chars(deleted),
            inserted: inserted.to_owned(),
        };
        let span = EventSpan { agent: AgentId::new(agent), start: Clock(0), end: Clock(events) };
        Step { span, patches: patches.iter().map(patch).collect() }
    }

    fn timeline(steps: &[Step]) -> Timeline {
        let mut recording = Recording::default();
        steps.iter().for_each(|step| recording.step(step));
        recording.finish()
    }

    /// The text at every moment, the caret as `|`.
    fn film(steps: &[Step]) -> Vec<String> {
        let timeline = timeline(steps);
        let frame = |moment| {
            let still = timeline.still(moment);
            let mut text: Vec<char> = still.buffer.to_string().chars().collect();
            if let Some((_, at)) = still.caret {
                text.insert(at.0, '|');
            }
            text.into_iter().collect()
        };
        (0..=timeline.events()).map(frame).collect()
    }

    #[test]
    fn every_event_is_a_moment() {
        let steps = [step(1, 3, &[(0, 0, "abc")]), step(1, 2, &[(2, 1, ""), (2, 0, "d")])];
        assert_eq!(film(&steps), ["", "a|", "ab|", "abc|", "ab|", "abd|"]);
    }

    #[test]
    fn what_ends_at_the_caret_is_deleted_backwards() {
        let steps = [step(1, 4, &[(0, 0, "abcd")]), step(1, 2, &[(2, 2, "")]), step(1, 2, &[(0, 2, "")])];
        assert_eq!(film(&steps)[4..], ["abcd|", "abc|", "ab|", "a|", "|"]);
        let moved = [step(1, 4, &[(0, 0, "abcd")]), step(1, 2, &[(1, 2, "")])];
        assert_eq!(film(&moved)[4..], ["abcd|", "a|cd", "a|d"]);
    }

    #[test]
    fn what_changes_nothing_takes_its_time_all_the_same() {
        let steps = [step(1, 2, &[(0, 0, "ab")]), step(2, 2, &[]), step(1, 3, &[(0, 1, "")])];
        assert_eq!(film(&steps), ["", "a|", "ab|", "ab|", "ab|", "ab|", "ab|", "|b"]);
    }

    #[test]
    fn authors_keep_what_they_wrote() {
        let timeline =
            timeline(&[step(9, 4, &[(0, 0, "abcd")]), step(5, 2, &[(2, 0, "xy")]), step(9, 1, &[(0, 1, "")])]);
        assert_eq!(timeline.authors(), [AgentId::new(9), AgentId::new(5)]);
        assert_eq!(timeline.still(6).spans, [(0, Chars(2)), (1, Chars(2)), (0, Chars(2))]);
        assert_eq!(timeline.still(6).caret, Some((1, Chars(4))));
        assert_eq!(timeline.still(7).spans, [(0, Chars(1)), (1, Chars(2)), (0, Chars(2))]);
        assert_eq!(timeline.still(7).caret, Some((0, Chars(0))));
    }

    #[test]
    fn stops_are_where_a_caret_moved_or_a_turn_began() {
        let steps = [
            step(1, 4, &[(0, 0, "abcd")]),
            step(1, 3, &[(3, 1, ""), (2, 1, ""), (2, 0, "x")]),
            step(1, 2, &[(0, 0, "y"), (4, 0, "z")]),
            step(2, 1, &[(5, 0, "!")]),
        ];
        assert_eq!(timeline(&steps).stops(), [0, 7, 8, 9, 10]);
    }

    #[test]
    fn the_film_agrees_with_splicing_a_plain_text() {
        let mut plain: Vec<char> = Vec::new();
        let mut steps = Vec::new();
        let mut expected = vec![String::new()];
        let mut state = 7_usize;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        for number in 0..400 {
            let at = below(plain.len() + 1);
            let deletes = at < plain.len() && below(3) == 0;
            let character = char::from(b'a' + below(26) as u8);
            let inserted = if deletes { String::new() } else { character.to_string() };
            plain.splice(at..at + usize::from(deletes), inserted.chars());
            steps.push(step(number % 3, 1, &[(at, usize::from(deletes), &inserted)]));
            expected.push(plain.iter().collect());
        }
        let timeline = timeline(&steps);
        let shown: Vec<String> = (0..=400).map(|moment| timeline.still(moment).buffer.to_string()).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn nothing_has_one_moment() {
        let timeline = timeline(&[]);
        assert_eq!((timeline.events(), timeline.stops()), (0, &[0][..]));
        assert!(timeline.still(0).caret.is_none());
    }
}
