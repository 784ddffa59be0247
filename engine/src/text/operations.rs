//! What the events of a text did, in the order of the log: runs of insertions and of deletions.
//!
//! Positions are in chars, in the document at the event's parents. A run is kept as one entry however long it is:
//!
//! ```text
//! typing "abc" at 5          Insert at 5, 3 chars      event i inserts at 5 + i
//! three deletes forward at 5  Delete at 5, 3 times      each event deletes at 5
//! three backspaces from 8     Backspace at 7, 3 times   event i deletes at 7 − i
//! ```
//!
//! The inserted text of all runs stands in one `String`. A run that is not ASCII holds at most [`SCANNED`] chars, so
//! cutting one by chars never scans far. Looking up the run of an event is O(log runs).

mod format;

use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
use crate::id::{Local, Span};
use crate::log::{Contents, Part, Share};
use crate::rle::Signposts;
use crate::text::unit::count_chars;
use std::ops::Range;

/// Chars of a run that is not ASCII: about what a look-up among a million runs costs to scan.
const SCANNED: u32 = 256;

/// What [`Contents::tell`] begins with: an insertion at a position, a deletion at a position, one more there, one more
/// before it.
const TOLD_INSERT: u8 = 0xfe;
const TOLD_DELETE: u8 = 0xfd;
const TOLD_HERE: u8 = 0xfc;
const TOLD_BACK: u8 = 0xfb;

/// Bytes that are copied at once: more than people mostly type in one go.
const SHORT: usize = 16;

/// One run of operations, or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Operation<'a> {
    pub(crate) events: Span,
    pub(crate) action: Action<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action<'a> {
    /// Each char one event, the first at `at`.
    Insert { at: u32, text: &'a str },
    /// Each event deletes the char at `at`.
    Delete { at: u32 },
    /// The first event deletes the char at `at`, each other one the char before it.
    Backspace { at: u32 },
}

/// What [`Action`] tells but for the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Insert,
    Delete,
    Backspace,
}

/// A part of a run, without its text: what replaying needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fragment {
    pub(crate) events: Span,
    pub(crate) kind: Kind,
    /// As in [`Action`].
    pub(crate) at: u32,
    /// Where its text is, if it inserts.
    pub(crate) source: Source,
}

impl Fragment {
    /// Cuts off and returns what the events from `end` on do, if they are among these.
    pub(crate) fn split_off(&mut self, end: Local) -> Self {
        let end = end.min(self.events.end);
        let count = end - self.events.start;
        let mut rest = *self;
        rest.events.start = end;
        self.events.end = end;
        rest.source.offset += count;
        match self.kind {
            Kind::Insert => rest.at += count,
            Kind::Delete => {}
            // Nothing is left of backspaces that reach the start.
            Kind::Backspace => rest.at = rest.at.saturating_sub(count),
        }
        rest
    }
}

/// The text of a part of an insertion: the number of the run, and how many chars of it come before. They are ordered as the
/// log is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Source {
    pub(crate) run: u32,
    pub(crate) offset: u32,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    /// The first event; the run ends where the next one starts.
    start: u32,
    at: u32,
    /// Where its text starts in `Operations::text`; for deletions, where that of the next insertion starts.
    text: u32,
    kind: Kind,
}

/// Invariant: runs are sorted by `start` and cover `0..len`; the text between two runs has as many chars as the
/// insertion has events, and none for deletions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    runs: Vec<Run>,
    posts: Signposts,
    text: String,
    len: u32,
}

impl Operations {
    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// All text ever inserted, in bytes.
    pub(crate) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// How many of the events insert. O(runs).
    pub(crate) fn insert_count(&self) -> u64 {
        let inserts = (0..self.runs.len()).filter(|&number| self.runs[number].kind == Kind::Insert);
        inserts.map(|number| u64::from(self.run_end(number) - self.runs[number].start)).sum()
    }

    /// Records insertions of the chars of `text`, the first at `at`.
    pub(crate) fn insert(&mut self, at: u32, text: &str) {
        self.insert_counted(at, text, count_chars(text) as u32);
    }

    /// The same for a text of so many chars.
    #[inline]
    pub(crate) fn insert_counted(&mut self, at: u32, text: &str, chars: u32) {
        match text.as_bytes() {
            &[key] if self.takes_key(at) => self.insert_key(key),
            _ if text.len() == chars as usize => self.insert_part(at, text, chars),
            _ => self.insert_in_parts(at, text, chars),
        }
    }

    /// Records the insertion of one more ASCII char, which goes on with the last run.
    #[inline]
    pub(crate) fn insert_key(&mut self, key: u8) {
        // One byte is ASCII; saying so spares a look at how long the char is.
        self.text.push(char::from(key & 0x7F));
        self.len += 1;
    }

    /// Whether there is memory for one byte of text more.
    #[inline]
    pub(crate) fn has_memory_for_key(&self) -> bool {
        self.text.len() < self.text.capacity()
    }

    /// Whether one more ASCII char at `at` goes on with the last run.
    #[inline]
    pub(crate) fn takes_key(&self, at: u32) -> bool {
        self.runs.last().is_some_and(|run| {
            let held = self.len - run.start;
            let all_ascii = self.text.len() as u32 - run.text == held;
            run.kind == Kind::Insert && run.at + held == at && (all_ascii || held < SCANNED)
        })
    }

    /// Whether one more backspace, of the char at `at`, goes on with the last run.
    #[inline]
    pub(crate) fn takes_backspace(&self, at: u32) -> bool {
        let goes_on = |run: &Run| run.kind == Kind::Backspace && run.at.checked_sub(self.len - run.start) == Some(at);
        self.runs.last().is_some_and(goes_on)
    }

    /// Records it.
    #[inline]
    pub(crate) fn backspace(&mut self) {
        self.len += 1;
    }

    #[inline(never)]
    fn insert_in_parts(&mut self, at: u32, text: &str, chars: u32) {
        let (mut rest, mut done) = (text, 0);
        while done < chars {
            let count = SCANNED.min(chars - done);
            let mut behind = rest.chars();
            behind.nth(count as usize - 1);
            let part = &rest[..rest.len() - behind.as_str().len()];
            rest = behind.as_str();
            self.insert_part(at + done, part, count);
            done += count;
        }
    }

    fn insert_part(&mut self, at: u32, text: &str, chars: u32) {
        self.insert_run(at, chars, self.text.len(), text.len());
        self.text.push_str(text);
    }

    /// Records insertions whose text is or will be `bytes` from `start` on; at most [`SCANNED`] chars unless they are
    /// ASCII. What was inserted before them has the text up to there.
    fn insert_run(&mut self, at: u32, chars: u32, start: usize, bytes: usize) {
        let goes_on = self.runs.last().is_some_and(|run| {
            let held = self.len - run.start;
            let all_ascii = bytes == chars as usize && start - run.text as usize == held as usize;
            run.kind == Kind::Insert && run.at + held == at && (all_ascii || held + chars <= SCANNED)
        });
        if !goes_on {
            self.close_run();
            self.push(Kind::Insert, at, start);
        }
        self.len += chars;
    }

    fn set_posts(&mut self) {
        let ends = self.runs.iter().skip(1).map(|run| run.start).chain([self.len]);
        self.posts = Signposts::over(ends, self.runs.len(), self.len);
    }

    /// The last run has ended, because another one starts.
    fn close_run(&mut self) {
        if let Some(last) = self.runs.len().checked_sub(1) {
            self.posts.cover(last, self.len);
        }
    }

    /// Records `count` deletions: all at `at`, or from there backwards.
    #[inline]
    pub(crate) fn delete(&mut self, at: u32, count: u32, backward: bool) {
        self.delete_run(at, count, backward, self.text.len());
    }

    /// The same where what was inserted before has the text up to `text`.
    #[inline]
    fn delete_run(&mut self, at: u32, count: u32, backward: bool, text: usize) {
        if !self.goes_on_deleting(at, count, backward) {
            self.close_run();
            self.push(if backward && count > 1 { Kind::Backspace } else { Kind::Delete }, at, text);
        }
        self.len += count;
    }

    /// Whether these deletions go on with the last run. A single one goes either way, and so does a run of one.
    #[inline]
    fn goes_on_deleting(&mut self, at: u32, count: u32, backward: bool) -> bool {
        let Some(run) = self.runs.last_mut() else { return false };
        let held = self.len - run.start;
        let backward_on = || (count == 1 || backward) && run.at.checked_sub(held) == Some(at);
        match run.kind {
            Kind::Insert => false,
            Kind::Backspace => backward_on(),
            Kind::Delete if run.at == at && (count == 1 || !backward) => true,
            Kind::Delete => {
                let turns = held == 1 && backward_on();
                if turns {
                    run.kind = Kind::Backspace;
                }
                turns
            }
        }
    }

    fn push(&mut self, kind: Kind, at: u32, text: usize) {
        self.runs.push(Run { start: self.len, at, text: text as u32, kind });
    }

    /// The operations of these events, run by run, cut to the span.
    pub(crate) fn of(&self, events: Span) -> impl Iterator<Item = Operation<'_>> {
        let first = self.run_number(events.start.0);
        let numbers = if events.is_empty() { 0..0 } else { first..self.runs.len() };
        numbers
            .map(move |number| self.cut(number, events.numbers()))
            .take_while(move |operation| !operation.events.is_empty())
    }

    /// The runs of these events, cut to the span, without their text. One look-up for all of them.
    pub(crate) fn fragments(&self, events: Span) -> impl Iterator<Item = Fragment> + '_ {
        let first = if events.is_empty() { self.runs.len() } else { self.run_number(events.start.0) };
        let runs = self.runs[first..].iter().enumerate().take_while(move |(_, run)| run.start < events.end.0);
        runs.map(move |(ahead, run)| {
            let number = first + ahead;
            let start = run.start.max(events.start.0);
            let span = Span::new(Local(start), Local(self.run_end(number).min(events.end.0)));
            let offset = start - run.start;
            let at = match run.kind {
                Kind::Insert => run.at + offset,
                Kind::Delete => run.at,
                Kind::Backspace => run.at - offset,
            };
            Fragment { events: span, kind: run.kind, at, source: Source { run: number as u32, offset } }
        })
    }

    /// The event that inserted the first char of a text.
    pub(crate) fn event(&self, source: Source) -> Local {
        Local(self.runs[source.run as usize].start + source.offset)
    }

    /// Where the text of an event of an insertion is, by the number of its run.
    pub(crate) fn source(&self, run: u32, event: Local) -> Source {
        Source { run, offset: event.0 - self.runs[run as usize].start }
    }

    /// How many runs these events are parts of.
    pub(crate) fn runs_among(&self, events: Span) -> usize {
        if events.is_empty() { 0 } else { self.run_number(events.end.0 - 1) + 1 - self.run_number(events.start.0) }
    }

    /// The text of `count` chars of an insertion.
    pub(crate) fn text(&self, source: Source, count: u32) -> &str {
        let number = source.run as usize;
        let run = self.runs[number];
        let text_end = self.runs.get(number + 1).map_or(self.text.len(), |next| next.text as usize);
        let text = &self.text[run.text as usize..text_end];
        let ascii = text.len() == (self.run_end(number) - run.start) as usize;
        chars(text, source.offset..source.offset + count, ascii)
    }

    /// Bytes that texts of so many chars in all take to [`copy_text`](Self::copy_text), if they are ASCII.
    pub(crate) fn room_for(&self, chars: u32) -> usize {
        chars as usize + SHORT
    }

    /// Writes the text of `count` chars of an insertion behind `out`.
    ///
    /// Most are short, and how short cannot be foreseen: so a fixed number of bytes is copied, and what is too much is cut
    /// off again.
    pub(crate) fn copy_text(&self, source: Source, count: u32, out: &mut Vec<u8>) {
        let number = source.run as usize;
        let Run { start, text, .. } = self.runs[number];
        let (end, text_end) = match self.runs.get(number + 1) {
            Some(next) => (next.start, next.text as usize),
            None => (self.len, self.text.len()),
        };
        let (from, ascii) = ((text + source.offset) as usize, text_end - text as usize == (end - start) as usize);
        if ascii
            && count as usize <= SHORT
            && let Some(bytes) = self.text.as_bytes().get(from..).and_then(<[u8]>::first_chunk::<SHORT>)
        {
            let len = out.len() + count as usize;
            out.extend_from_slice(bytes);
            out.truncate(len);
        } else {
            out.extend_from_slice(self.text(source, count).as_bytes());
        }
    }

    /// The char that an event inserted.
    pub(crate) fn char_of(&self, event: Local) -> Option<char> {
        match self.of(Span::new(event, event + 1)).next()?.action {
            Action::Insert { text, .. } => text.chars().next(),
            Action::Delete { .. } | Action::Backspace { .. } => None,
        }
    }

    fn run_number(&self, event: u32) -> usize {
        match self.runs.last() {
            Some(run) if run.start <= event => self.runs.len() - 1,
            _ => {
                let among = self.posts.around(event, self.runs.len());
                // Where every run has one event, as of somebody who types here and there, one look finds it, and the others
                // stay out of the cache.
                if let Some(first) = self.runs.get(among.start)
                    && let Some(guess) = event.checked_sub(first.start).map(|ahead| among.start + ahead as usize)
                    && self.runs.get(guess).is_some_and(|run| run.start == event)
                {
                    return guess;
                }
                among.start + self.runs[among].partition_point(|run| run.start <= event).saturating_sub(1)
            }
        }
    }

    fn run_end(&self, number: usize) -> u32 {
        self.runs.get(number + 1).map_or(self.len, |next| next.start)
    }

    fn cut(&self, number: usize, events: Range<u32>) -> Operation<'_> {
        let run = self.runs[number];
        let run_end = self.run_end(number);
        let (start, end) = (run.start.max(events.start), run_end.min(events.end));
        let span = Span::new(Local(start), Local(end.max(start)));
        let offset = start - run.start;
        let action = match run.kind {
            Kind::Insert => {
                let source = Source { run: number as u32, offset };
                Action::Insert { at: run.at + offset, text: self.text(source, span.len()) }
            }
            Kind::Delete => Action::Delete { at: run.at },
            Kind::Backspace => Action::Backspace { at: run.at - offset },
        };
        Operation { events: span, action }
    }

    fn add(&mut self, operation: Operation<'_>) {
        match operation.action {
            Action::Insert { at, text } => self.insert(at, text),
            Action::Delete { at } => self.delete(at, operation.events.len(), false),
            Action::Backspace { at } => self.delete(at, operation.events.len(), true),
        }
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        let all = Span::new(Local(0), Local(self.len));
        let mut at = 0;
        for operation in self.of(all) {
            assert_eq!(operation.events.start.0, at, "the runs leave a hole");
            if let Action::Insert { text, .. } = operation.action {
                assert_eq!(text.chars().count() as u32, operation.events.len(), "{text:?} has not a char an event");
            }
            at = operation.events.end.0;
        }
        assert_eq!(at, self.len, "the runs do not cover the log");
    }
}

/// The chars `range` of a text.
fn chars(text: &str, range: Range<u32>, ascii: bool) -> &str {
    if ascii {
        return &text[range.start as usize..range.end as usize];
    }
    let mut offsets = text.char_indices().map(|(offset, _)| offset);
    let start = offsets.nth(range.start as usize).unwrap_or(text.len());
    let count = range.end - range.start;
    let end = match count.checked_sub(1) {
        None => start,
        Some(skipped) => offsets.nth(skipped as usize).unwrap_or(text.len()),
    };
    &text[start..end]
}

impl Contents for Operations {
    const MAGIC: &[u8; 4] = b"CEDu";
    const UPDATE: &str = "an update of a Cede text";

    fn len(&self) -> u32 {
        self.len
    }

    fn append(&mut self, other: &Self, events: Range<u32>) {
        for operation in other.of(Span::new(Local(events.start), Local(events.end))) {
            self.add(operation);
        }
    }

    /// Runs may be cut differently on the two sides, so both are walked in the smaller steps.
    fn same(&self, at: u32, other: &Self, events: Range<u32>) -> bool {
        let (mut mine, mut theirs) = (at, events.start);
        while theirs < events.end {
            let left = events.end - theirs;
            let a = self.cut(self.run_number(mine), mine..mine + left);
            let step = a.events.len();
            let b = other.cut(other.run_number(theirs), theirs..theirs + step);
            let step = b.events.len();
            let a = self.cut(self.run_number(mine), mine..mine + step);
            if step == 0 || single(a) != single(b) {
                return false;
            }
            mine += step;
            theirs += step;
        }
        true
    }

    fn truncate(&mut self, len: u32) {
        while let Some(run) = self.runs.pop_if(|run| run.start >= len) {
            self.len = run.start;
            self.text.truncate(run.text as usize);
        }
        if let Some(number) = self.runs.len().checked_sub(1).filter(|_| len < self.len) {
            let run = self.runs[number];
            let count = len - run.start;
            if run.kind == Kind::Insert {
                let kept = self.text(Source { run: number as u32, offset: 0 }, count).len();
                self.text.truncate(run.text as usize + kept);
            }
            if count == 1 && run.kind == Kind::Backspace {
                self.runs[number].kind = Kind::Delete;
            }
            self.len = len;
        }
        self.posts.truncate(self.len);
    }

    fn write(&self, events: &[Range<u32>], writer: &mut Writer) {
        self.write_plain(events, writer);
    }

    fn read(reader: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError> {
        Self::read_plain(reader, len)
    }

    fn pack(&self, parts: &[Part]) -> (Vec<u32>, Columns) {
        self.columns_of(parts)
    }

    fn unpack(
        columns: &mut ColumnReader<'_, '_>,
        shares: &[Share],
        authors: usize,
    ) -> Result<(Self, Vec<u32>), DecodeError> {
        Self::read_columns(columns, shares, authors)
    }

    /// An insertion behind the last one tells its char; a deletion at the place of the last one, or just before it, one
    /// byte; everything else its kind and position as well. UTF-8 has none of these bytes, so nothing is told twice.
    fn tell(&self, events: Range<u32>, previous: Option<u32>, tell: &mut dyn FnMut(&[u8])) {
        let mut last = previous.and_then(|event| self.of(Span::new(Local(event), Local(event + 1))).next());
        for operation in self.of(Span::new(Local(events.start), Local(events.end))) {
            let before = last.map(|operation| single(operation));
            let (at, mut rest) = match operation.action {
                Action::Insert { at, text } => {
                    if !matches!(before, Some(Action::Insert { at: last, .. }) if last + 1 == at) {
                        tell(&[TOLD_INSERT]);
                        tell(&at.to_le_bytes());
                    }
                    tell(text.as_bytes());
                    let count = operation.events.len();
                    let end = Span::new(operation.events.end - 1, operation.events.end);
                    last = Some(Operation { events: end, action: Action::Insert { at: at + (count - 1), text: "" } });
                    continue;
                }
                Action::Delete { at } => (at, TOLD_HERE),
                Action::Backspace { at } => (at, TOLD_BACK),
            };
            let count = operation.events.len();
            match before {
                Some(Action::Delete { at: last }) if last == at => tell(&[TOLD_HERE]),
                Some(Action::Delete { at: last }) if last == at + 1 => tell(&[TOLD_BACK]),
                _ => {
                    tell(&[TOLD_DELETE]);
                    tell(&at.to_le_bytes());
                }
            }
            // A single deletion goes neither way.
            if count == 1 {
                rest = TOLD_HERE;
            }
            let (mut left, block) = (count - 1, [rest; 64]);
            while left > 0 {
                let now = left.min(block.len() as u32);
                tell(&block[..now as usize]);
                left -= now;
            }
            let back = if rest == TOLD_BACK { count - 1 } else { 0 };
            let end = Span::new(operation.events.end - 1, operation.events.end);
            last = Some(Operation { events: end, action: Action::Delete { at: at - back } });
        }
    }

    fn fitting(&self, events: Range<u32>, max_bytes: usize) -> (u32, usize) {
        // A char takes at most four bytes.
        let count = (events.len()).min(max_bytes / 4);
        (count as u32, count * 4)
    }

    fn memory(&self) -> usize {
        self.text.len() + self.runs.len() * size_of::<Run>()
    }
}

/// One event's deletion is the same whichever way its run went.
fn single(operation: Operation<'_>) -> Action<'_> {
    match operation.action {
        Action::Backspace { at } if operation.events.len() == 1 => Action::Delete { at },
        action => action,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(operations: &Operations) -> Vec<Operation<'_>> {
        operations.of(Span::new(Local(0), Local(operations.len))).collect()
    }

    #[test]
    fn typing_and_backspacing_are_runs() {
        let mut operations = Operations::default();
        ["a", "b", "é"].into_iter().zip(5..).for_each(|(text, at)| operations.insert(at, text));
        (5..8).rev().for_each(|at| operations.delete(at, 1, true));
        (0..3).for_each(|_| operations.delete(2, 1, false));
        let span = |start, end| Span::new(Local(start), Local(end));
        let expected = [
            Operation { events: span(0, 3), action: Action::Insert { at: 5, text: "abé" } },
            Operation { events: span(3, 6), action: Action::Backspace { at: 7 } },
            Operation { events: span(6, 9), action: Action::Delete { at: 2 } },
        ];
        assert_eq!(all(&operations), expected);
        let cut: Vec<_> = operations.of(span(1, 5)).map(|operation| operation.action).collect();
        assert_eq!(cut, [Action::Insert { at: 6, text: "bé" }, Action::Backspace { at: 7 }]);
        operations.assert_invariants();
    }

    #[test]
    fn the_same_operations_cut_differently_are_the_same() {
        let (mut a, mut b) = (Operations::default(), Operations::default());
        a.insert(0, "abc");
        a.delete(1, 2, true);
        b.insert(0, "ab");
        b.delete(7, 1, false);
        let mut c = Operations::default();
        c.append(&b, 0..2);
        c.insert(2, "c");
        c.delete(1, 1, true);
        assert!(c.same(0, &a, 0..4));
        c.delete(7, 1, true);
        assert!(!c.same(0, &a, 0..5));
        assert!(c.same(3, &a, 3..4), "one deletion is the same whichever way its run went");
    }
}
