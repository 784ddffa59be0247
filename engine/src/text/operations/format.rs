//! Operations as bytes: one after the other in a plain update, in columns in a packed one.
//!
//! ```text
//! plain      count, then for each run: length << 2 | kind, position from where the caret was (zigzag); then all text
//! heads      a byte for each run: kind, position, length (`Head`)
//! lengths    where the head does not tell: the length, less what it tells
//! positions  where the head does not tell: from where the author's caret was (zigzag)
//! text       what was inserted, all of it
//! ```
//!
//! The *caret* is where the next operation of one author would stand if they went on: behind what was typed, where
//! something was deleted. In a plain update there is one for all.
//!
//! Runs are built again by our own rules, whatever the writer's were: the same operations make the same runs.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{Action, Kind, Operations, SCANNED};
use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
use crate::id::{Local, Span};
use crate::log::{Contents, Part, Share};
use std::borrow::Cow;
use std::ops::Range;

/// Bytes of memory that a byte of each column becomes at most: itself, a run and its signposts; itself, and the text that
/// is made of it.
const HEAD_WEIGHT: u32 = 32;
const TEXT_WEIGHT: u32 = 3;
/// Read and forgotten.
const NUMBER_WEIGHT: u32 = 1;

/// Lengths below this are told by the head.
const LENGTHS: u32 = 20;
/// Steps of the caret that are told by the head: going on, one back as backspaces do, one ahead.
const STEPS: [i8; 3] = [0, -1, 1];
/// What the head tells of a step: which of [`STEPS`], or that it is written.
const STEP_CODES: u8 = STEPS.len() as u8 + 1;

/// What one byte says of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head {
    kind: Kind,
    /// `None`: it is written.
    step: Option<i8>,
    /// [`LENGTHS`]: this and what is written.
    length: u8,
}

impl Head {
    fn of(kind: Kind, step: i64, length: u32) -> Self {
        let told = STEPS.iter().copied().find(|&told| i64::from(told) == step);
        Self { kind, step: told, length: length.min(LENGTHS) as u8 }
    }

    fn code(self) -> u8 {
        let step = STEPS.iter().position(|&step| Some(step) == self.step).unwrap_or(STEPS.len()) as u8;
        (self.kind.code() as u8 * STEP_CODES + step) * LENGTHS as u8 + self.length - 1
    }

    const fn from_code(code: u8) -> Option<Self> {
        let (code, length) = (code / LENGTHS as u8, code % LENGTHS as u8 + 1);
        let kind = match code / STEP_CODES {
            0 => Kind::Insert,
            1 => Kind::Delete,
            2 => Kind::Backspace,
            _ => return None,
        };
        let step = (code % STEP_CODES) as usize;
        #[allow(clippy::indexing_slicing, reason = "just compared")]
        let step = if step < STEPS.len() { Some(STEPS[step]) } else { None };
        Some(Self { kind, step, length })
    }
}

/// All heads by their codes: dividing takes longer than looking up.
#[allow(clippy::indexing_slicing, reason = "a panic here would be one of the compiler's")]
static HEADS: [Option<Head>; 256] = {
    let (mut heads, mut code) = ([None; 256], 0);
    while code < heads.len() {
        heads[code] = Head::from_code(code as u8);
        code += 1;
    }
    heads
};

impl Kind {
    fn code(self) -> u64 {
        match self {
            Self::Insert => 0,
            Self::Delete => 1,
            Self::Backspace => 2,
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        [Self::Insert, Self::Delete, Self::Backspace].into_iter().find(|kind| kind.code() == code)
    }

    /// Where the next operation probably is: the caret.
    fn next_position(self, at: u32, count: u32) -> i64 {
        let (at, count) = (i64::from(at), i64::from(count));
        // Selected rather than branched on: nobody can foresee whether people type or delete next.
        let forward = if self == Self::Insert { count } else { 0 };
        let back = if self == Self::Backspace { count - 1 } else { 0 };
        at + forward - back
    }
}

/// One after the other.
impl Operations {
    #[allow(clippy::indexing_slicing, reason = "what is written is our own")]
    pub(super) fn write_plain(&self, events: &[Range<u32>], writer: &mut Writer) {
        let mut parts = Self::default();
        events.iter().for_each(|range| Contents::append(&mut parts, self, range.clone()));
        writer.number(parts.runs.len() as u64);
        let mut caret = 0;
        for number in 0..parts.runs.len() {
            let run = parts.runs[number];
            let count = parts.run_end(number) - run.start;
            writer.number(u64::from(count) << 2 | run.kind.code());
            writer.signed(i64::from(run.at) - caret);
            caret = run.kind.next_position(run.at, count);
        }
        writer.string(parts.text.as_bytes());
    }

    pub(super) fn read_plain(reader: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError> {
        let (mut runs, mut total, mut caret) = (Vec::new(), 0, 0);
        for _ in 0..reader.count()? {
            let head = reader.number()?;
            let (count, kind) = (head >> 2, Kind::from_code(head & 3));
            let kind = kind.ok_or_else(|| reader.invalid("no such kind of operation"))?;
            if count == 0 || count > u64::from(len - total) {
                return Err(reader.invalid("operations and events differ in number"));
            }
            let at = reader.signed()?.checked_add(caret).filter(|at| (0..i64::from(Local::LIMIT)).contains(at));
            let at = at.ok_or_else(|| reader.invalid("a position beyond the longest text"))?;
            let run = Claim { kind, at: at as u32, count: count as u32 };
            caret = run.next_position();
            if caret < 0 {
                return Err(reader.invalid("backspaces beyond the start of the text"));
            }
            total += run.count;
            runs.push(run);
        }
        if total != len {
            return Err(reader.invalid("operations and events differ in number"));
        }
        let mut building = Building::new(text_of(Cow::Borrowed(reader.string()?), reader)?);
        if !runs.into_iter().all(|run| building.add(run)) {
            return Err(differ(reader));
        }
        building.finish(reader)
    }
}

/// In columns.
impl Operations {
    #[allow(clippy::indexing_slicing, reason = "what is written is our own")]
    pub(super) fn columns_of(&self, parts: &[Part]) -> (Vec<u32>, Columns) {
        let (mut heads, mut lengths, mut positions, mut text) =
            (Writer::new(), Writer::new(), Writer::new(), Writer::new());
        let (mut counts, mut carets) = (Vec::with_capacity(parts.len()), Vec::new());
        for part in parts {
            let author = part.author as usize;
            if carets.len() <= author {
                carets.resize(author + 1, 0);
            }
            let (mut runs, caret) = (0, &mut carets[author]);
            for operation in self.of(Span::new(Local(part.events.start), Local(part.events.end))) {
                let count = operation.events.len();
                let (kind, at) = match operation.action {
                    Action::Insert { at, text: inserted } => {
                        text.raw(inserted.as_bytes());
                        (Kind::Insert, at)
                    }
                    Action::Backspace { at } if count > 1 => (Kind::Backspace, at),
                    Action::Delete { at } | Action::Backspace { at } => (Kind::Delete, at),
                };
                let head = Head::of(kind, i64::from(at) - *caret, count);
                heads.byte(head.code());
                if u32::from(head.length) == LENGTHS {
                    lengths.number(u64::from(count - LENGTHS));
                }
                if head.step.is_none() {
                    positions.signed(i64::from(at) - *caret);
                }
                *caret = kind.next_position(at, count);
                runs += 1;
            }
            counts.push(runs);
        }
        let mut columns = Columns::default();
        columns.add(heads, HEAD_WEIGHT);
        columns.add(lengths, NUMBER_WEIGHT);
        columns.add(positions, NUMBER_WEIGHT);
        columns.add(text, TEXT_WEIGHT);
        (counts, columns)
    }

    pub(super) fn read_columns(
        columns: &mut ColumnReader<'_, '_>,
        shares: &[Share],
        authors: usize,
    ) -> Result<(Self, Vec<u32>), DecodeError> {
        let heads = columns.next(HEAD_WEIGHT)?;
        let (lengths, positions) = (columns.next(NUMBER_WEIGHT)?, columns.next(NUMBER_WEIGHT)?);
        let text = columns.next(TEXT_WEIGHT)?;
        let text = text_of(text, &Reader::new(&[]))?;
        let mut reading = Reading {
            heads: Reader::new(&heads),
            lengths: Reader::new(&lengths),
            positions: Reader::new(&positions),
            building: Building::new(text),
        };
        reading.building.operations.runs.reserve_exact(heads.len());
        let (mut counts, mut carets) = (Vec::with_capacity(shares.len()), vec![0; authors]);
        for share in shares {
            let caret = carets.get_mut(share.author as usize);
            let caret = caret.ok_or_else(|| reading.heads.invalid("an author that is no agent"))?;
            counts.push(reading.share(share.runs, caret)?);
        }
        [&reading.heads, &reading.lengths, &reading.positions].into_iter().try_for_each(Reader::end)?;
        Ok((reading.building.finish(&reading.heads)?, counts))
    }
}

struct Reading<'a> {
    heads: Reader<'a>,
    lengths: Reader<'a>,
    positions: Reader<'a>,
    building: Building,
}

impl Reading<'_> {
    /// Reads the runs of one share and returns how many events they are.
    fn share(&mut self, runs: u32, caret: &mut i64) -> Result<u32, DecodeError> {
        let codes = self.heads.raw(runs as usize)?;
        let (before, building) = (self.building.operations.len, &mut self.building);
        // Copies, so that they stay in registers.
        let (mut lengths, mut positions, mut at) = (self.lengths.clone(), self.positions.clone(), *caret);
        for &code in codes {
            let Some(head) = HEADS.get(usize::from(code)).copied().flatten() else {
                return Err(self.heads.invalid("no such head of an operation"));
            };
            let written = positions.signed_if(head.step.is_none())?;
            at = at.wrapping_add(head.step.map_or(written, i64::from));
            // No caret is far enough from 0 for a step to come back to the text the other way round.
            if !(0..i64::from(Local::LIMIT)).contains(&at) {
                return Err(positions.invalid("a position beyond the longest text"));
            }
            let mut count = u32::from(head.length);
            if count == LENGTHS {
                count += lengths.bounded(u64::from(Local::LIMIT))? as u32;
            }
            if count >= Local::LIMIT - building.operations.len {
                return Err(lengths.invalid("more events than a log holds"));
            }
            let run = Claim { kind: head.kind, at: at as u32, count };
            at = run.next_position();
            if at < 0 {
                return Err(self.heads.invalid("backspaces beyond the start of the text"));
            }
            if !building.add(run) {
                return Err(differ(&self.heads));
            }
        }
        (self.lengths, self.positions, *caret) = (lengths, positions, at);
        match self.building.operations.len - before {
            0 => Err(self.heads.invalid("a piece without operations")),
            count => Ok(count),
        }
    }
}

/// A run as bytes claim it.
#[derive(Clone, Copy)]
struct Claim {
    kind: Kind,
    at: u32,
    count: u32,
}

impl Claim {
    #[inline]
    fn next_position(&self) -> i64 {
        self.kind.next_position(self.at, self.count)
    }
}

fn text_of(bytes: Cow<'_, [u8]>, reader: &Reader<'_>) -> Result<String, DecodeError> {
    String::from_utf8(bytes.into_owned()).map_err(|_| reader.invalid("inserted text is not UTF-8"))
}

/// Operations being built from runs and the text of all of them; signposts are set when all runs are there.
struct Building {
    operations: Operations,
    text: String,
    /// Where the text of the next insertion starts.
    at: usize,
    /// The first byte from there on that is not ASCII. Nearly all text is, and then bytes are chars.
    foreign: usize,
}

impl Building {
    fn new(text: String) -> Self {
        let foreign = ascii_end(&text, 0);
        Self { operations: Operations::default(), text, at: 0, foreign }
    }

    /// Adds a run. False when there is not so much text.
    #[inline]
    fn add(&mut self, run: Claim) -> bool {
        let Claim { kind, at, count } = run;
        let end = self.at + if kind == Kind::Insert { count as usize } else { 0 };
        if (end > self.foreign) | self.may_go_on(kind, at) {
            return self.add_checked(run).is_some();
        }
        self.operations.push(kind, at, self.at);
        self.operations.len += count;
        self.at = end;
        true
    }

    /// Whether a run at `at` might be a part of the last one. Seldom: mostly runs are written as long as they are.
    #[inline]
    fn may_go_on(&self, kind: Kind, at: u32) -> bool {
        let Some(run) = self.operations.runs.last() else { return false };
        let held = self.operations.len - run.start;
        let is_alike = (kind == Kind::Insert) == (run.kind == Kind::Insert);
        // Without branches: only all of it together can be foreseen.
        is_alike & ((at == run.at) | (at == run.at + held) | (at + held == run.at))
    }

    /// Adds a run that may go on with the last one, or is not ASCII. `None` when there is not so much text.
    fn add_checked(&mut self, run: Claim) -> Option<()> {
        let Claim { kind, at, count } = run;
        match kind {
            Kind::Delete => self.operations.delete_run(at, count, false, self.at),
            Kind::Backspace => self.operations.delete_run(at, count, true, self.at),
            Kind::Insert if self.at + count as usize > self.foreign => self.add_foreign(at, count)?,
            Kind::Insert => {
                self.operations.insert_run(at, count, self.at, count as usize);
                self.at += count as usize;
            }
        }
        Some(())
    }

    /// Adds an insertion that is not ASCII. `None` when there is not so much text.
    fn add_foreign(&mut self, mut at: u32, mut count: u32) -> Option<()> {
        while count > 0 {
            let part = count.min(SCANNED);
            let rest = self.text.get(self.at..)?;
            let mut ends = rest.char_indices().map(|(end, _)| end).chain([rest.len()]);
            let bytes = ends.nth(part as usize)?;
            self.operations.insert_run(at, part, self.at, bytes);
            self.at += bytes;
            (at, count) = (at + part, count - part);
        }
        if self.foreign < self.at {
            self.foreign = ascii_end(&self.text, self.at);
        }
        Some(())
    }

    fn finish(mut self, reader: &Reader<'_>) -> Result<Operations, DecodeError> {
        if self.at != self.text.len() {
            return Err(differ(reader));
        }
        self.operations.text = self.text;
        self.operations.set_posts();
        Ok(self.operations)
    }
}

fn differ(reader: &Reader<'_>) -> DecodeError {
    reader.invalid("inserted text and insertions differ in length")
}

/// Where the first byte from `start` on stands that is not ASCII.
fn ascii_end(text: &str, start: usize) -> usize {
    const BLOCK: usize = 64;
    let bytes = text.as_bytes().get(start..).unwrap_or_default();
    // Whole blocks are looked at at once.
    let blocks = bytes.chunks(BLOCK).take_while(|block| block.is_ascii()).map(<[u8]>::len).sum::<usize>();
    start + blocks + bytes.iter().skip(blocks).take_while(|byte| byte.is_ascii()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Contents;

    fn all(operations: &Operations) -> Vec<super::super::Operation<'_>> {
        operations.of(Span::new(Local(0), Local(operations.len))).collect()
    }

    fn sample() -> Operations {
        let mut operations = Operations::default();
        operations.insert(0, "words stay whole");
        operations.insert(3, &"漢🙂é".repeat(300));
        operations.delete(9, 4, true);
        operations.delete(2, 4, false);
        operations.insert(2, &"long and plain ".repeat(40));
        operations
    }

    #[test]
    fn every_head_is_read_back_as_written() {
        for code in 0..=u8::MAX {
            assert_eq!(HEADS[usize::from(code)].map_or(code, Head::code), code);
        }
        let head = Head::of(Kind::Backspace, -1, 100);
        assert_eq!(HEADS[usize::from(head.code())], Some(head));
        assert_eq!(HEADS[240], None);
    }

    #[test]
    fn operations_are_read_back_as_written() {
        let operations = sample();
        let mut writer = Writer::new();
        operations.write(std::slice::from_ref(&(0..operations.len)), &mut writer);
        let bytes = writer.finish();
        let read = Operations::read(&mut Reader::new(&bytes), operations.len).expect("what was written can be read");
        assert_eq!(all(&read), all(&operations));
        assert!(operations.same(0, &read, 0..operations.len));
        for end in 0..bytes.len() {
            assert!(Operations::read(&mut Reader::new(&bytes[..end]), operations.len).is_err());
        }
    }

    #[test]
    fn columns_are_read_back_as_written() {
        let operations = sample();
        let parts = [(0, 0..5), (1, 5..900), (0, 900..operations.len)];
        let parts = parts.map(|(author, events)| Part { author, events });
        let (runs, columns) = operations.pack(&parts);
        let mut writer = Writer::new();
        columns.write(crate::codec::Packing::Quick, &mut writer);
        let bytes = writer.finish();
        let shares: Vec<Share> =
            parts.iter().zip(runs).map(|(part, runs)| Share { author: part.author, runs }).collect();
        let read = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            Operations::unpack(&mut ColumnReader::new(&mut reader), &shares, 2)
        };
        let (read_back, lengths) = read(&bytes).expect("what was written can be read");
        assert_eq!(lengths, [5, 895, operations.len - 900]);
        assert_eq!(all(&read_back), all(&operations));
        read_back.assert_invariants();
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn the_first_byte_that_is_not_ascii_is_found() {
        for before in [0, 1, 63, 64, 65, 130] {
            let text = "a".repeat(before) + "é" + &"a".repeat(70);
            assert_eq!(ascii_end(&text, 0), before);
            assert_eq!(ascii_end(&text, before + 2), text.len());
        }
    }
}
