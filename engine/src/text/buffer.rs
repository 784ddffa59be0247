//! The visible text of a document, cheap to type into and readable in every unit.
//!
//! Knows characters, their counts in chars, bytes and UTF-16, and lines; does not know who
//! wrote them, when, or what was deleted. The text is a rope with one *pending edit* in front:
//!
//! ```text
//!    rope        the quick brown fox jumps
//!                          ╰─┬─╯            removed: 5 chars from 10 on
//!    pending               red              inserted instead
//!    the text    the quick red fox jumps
//! ```
//!
//! Typing, backspacing, deleting and correcting at one place change only the pending edit, for a
//! few nanoseconds a key. The rope, to which each key alone costs about 80, is touched when the
//! place jumps or the inserted text passes `PENDING_LIMIT`. Reads never write: they look through
//! the pending edit, so a buffer is plain data that threads may share.

use std::fmt::{self, Debug, Display};
use std::ops::Range;

use ropey::{LineType, Rope, RopeSlice};

use self::hash::WordHash;
use self::pending::{Pending, count_breaks};
use crate::text::unit::{Bytes, Chars, PositionError, Unit, UnitKind};

mod hash;
mod pending;
#[cfg(test)]
mod tests;

/// A text that is edited by position and read in chars, bytes, UTF-16 code units and lines.
///
/// Edits take O(log n), and O(1) next to the edit before; reads by position take O(log n);
/// a clone takes O(1) and shares the rope. Lines end at `'\n'` alone: a `'\r'` is a character
/// like any other.
///
/// Invariant: what the pending edit removes is in the rope.
#[derive(Clone, Default)]
pub struct Buffer {
    rope: Rope,
    pending: Pending,
}

impl Buffer {
    /// An empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of the text; O(1) in chars, else O(log n).
    pub fn len<U: Unit>(&self) -> U {
        let seam = self.seam(U::KIND);
        U::at(rope_len(&self.rope, U::KIND) - seam.len() + self.pending.len(U::KIND))
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.char_len() == 0
    }

    /// Inserts `text` before the character at `at`.
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end; the text is then unchanged.
    #[inline]
    pub fn insert(&mut self, at: Chars, text: &str) -> Result<(), PositionError> {
        check_range(at..at, Chars(self.char_len()))?;
        self.put(at.0, text);
        Ok(())
    }

    /// Removes the characters of `range`.
    ///
    /// # Errors
    ///
    /// When the range runs backwards or beyond the end; the text is then unchanged.
    #[inline]
    pub fn remove(&mut self, range: Range<Chars>) -> Result<(), PositionError> {
        check_range(range.clone(), Chars(self.char_len()))?;
        self.take(range.start.0..range.end.0);
        Ok(())
    }

    /// Removes the characters of `range` and inserts `text` in their place.
    ///
    /// # Errors
    ///
    /// When the range runs backwards or beyond the end; the text is then unchanged.
    #[inline]
    pub fn replace(&mut self, range: Range<Chars>, text: &str) -> Result<(), PositionError> {
        check_range(range.clone(), Chars(self.char_len()))?;
        self.take(range.start.0..range.end.0);
        self.put(range.start.0, text);
        Ok(())
    }

    /// The same position counted in another unit; O(log n). To convert a position to its own
    /// unit is to ask whether it is valid.
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end or inside a character.
    pub fn convert<A: Unit, B: Unit>(&self, at: A) -> Result<B, PositionError> {
        // Chars have no inside, so only the end has to be looked at.
        if A::KIND == UnitKind::Chars && B::KIND == UnitKind::Chars && at.get() <= self.len::<Chars>().0 {
            return Ok(B::at(at.get()));
        }
        self.byte_of(at).map(|byte| B::at(self.count_before(B::KIND, byte)))
    }

    /// The number of lines: one more than there are `'\n'`. O(log n).
    pub fn line_count(&self) -> usize {
        self.line_at(self.len::<Bytes>().0) + 1
    }

    /// The line, from 0, on which `at` stands; O(log n).
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end or inside a character.
    pub fn line_of<U: Unit>(&self, at: U) -> Result<usize, PositionError> {
        self.byte_of(at).map(|byte| self.line_at(byte))
    }

    /// Where line `line`, from 0, begins; `None` beyond the last line. O(log n).
    pub fn line_start<U: Unit>(&self, line: usize) -> Option<U> {
        if line >= self.line_count() {
            return None;
        }
        Some(U::at(self.count_before(U::KIND, self.byte_of_line(line))))
    }

    /// The text in order, in pieces that are not empty. Where it is cut says nothing.
    pub fn chunks(&self) -> impl Iterator<Item = &str> {
        self.pieces(0..self.len::<Bytes>().0).chunks()
    }

    /// The text from `at` to the end, in pieces that are not empty; O(log n) to begin.
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end or inside a character.
    pub fn chunks_from<U: Unit>(&self, at: U) -> Result<impl Iterator<Item = &str>, PositionError> {
        let start = self.byte_of(at)?;
        Ok(self.pieces(start..self.len::<Bytes>().0).chunks())
    }

    /// The characters from `at` forwards; O(log n) to begin.
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end or inside a character.
    pub fn chars_from<U: Unit>(&self, at: U) -> Result<impl Iterator<Item = char>, PositionError> {
        let start = self.byte_of(at)?;
        let Pieces { head, middle, tail } = self.pieces(start..self.len::<Bytes>().0);
        Ok(head.chars().chain(middle.chars()).chain(tail.chars()))
    }

    /// The characters before `at` backwards, nearest first; O(log n) to begin.
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end or inside a character.
    pub fn chars_before<U: Unit>(&self, at: U) -> Result<impl Iterator<Item = char>, PositionError> {
        let Pieces { head, middle, tail } = self.pieces(0..self.byte_of(at)?);
        let tail = tail.chars_at(tail.len()).reversed();
        let head = head.chars_at(head.len()).reversed();
        Ok(tail.chain(middle.chars().rev()).chain(head))
    }

    /// The text of `range`; O(log n + length).
    ///
    /// # Errors
    ///
    /// When the range runs backwards or beyond the end, or either side is inside a character.
    pub fn slice<U: Unit>(&self, range: Range<U>) -> Result<String, PositionError> {
        check_range(range.clone(), self.len())?;
        let bytes = self.byte_of(range.start)?..self.byte_of(range.end)?;
        let mut text = String::with_capacity(bytes.len());
        text.extend(self.pieces(bytes).chunks());
        Ok(text)
    }

    /// The character behind the position `at`, `None` at the end and beyond; O(log n).
    pub fn char_at(&self, at: Chars) -> Option<char> {
        if at.0 >= self.char_len() {
            return None;
        }
        let removed = self.pending.removed();
        let in_rope = |char| self.rope.char(rope_byte_of_char(&self.rope, char));
        if at.0 < removed.start {
            return Some(in_rope(at.0));
        }
        let offset = at.0 - removed.start;
        match offset.checked_sub(self.pending.len(UnitKind::Chars)) {
            Some(behind) => Some(in_rope(removed.end + behind)),
            None => {
                let byte = self.pending.byte_of(UnitKind::Chars, offset)?;
                self.pending.inserted()[byte..].chars().next()
            }
        }
    }

    /// A fingerprint of the text, by which peers see whether they show the same; O(n), about
    /// 1.5 ns for 8 bytes.
    ///
    /// It depends on the text alone and never changes between versions of this crate: the UTF-8
    /// bytes, padded with zeros to whole words of eight, are read as little-endian numbers; the
    /// state starts at `K = 0x9E3779B97F4A7C15`; for each word `w`, and last for the length in
    /// bytes, `x = (state ^ w) * K` is taken modulo 2⁶⁴ and the state becomes `x ^ (x >> 32)`.
    /// Each step is a bijection of the word and of the state, so that a change within one word
    /// always shows. It is no defence against texts made to collide.
    pub fn hash64(&self) -> u64 {
        let mut hash = WordHash::new();
        for chunk in self.chunks() {
            hash.write(chunk.as_bytes());
        }
        hash.finish(self.len::<Bytes>())
    }

    /// Panics when the pending edit and the rope do not fit together.
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        self.rope.assert_invariants();
        self.pending.assert_invariants();
        let (end, rope_chars) = (self.pending.removed().end, self.rope.len_chars());
        assert!(end <= rope_chars, "the pending edit removes up to char {end}, the rope has {rope_chars}");
    }
}

// Edits. Positions are in chars and have been checked.
impl Buffer {
    #[inline]
    fn char_len(&self) -> usize {
        self.rope.len_chars() - self.pending.removed().len() + self.pending.len(UnitKind::Chars)
    }

    #[inline]
    fn put(&mut self, at: usize, text: &str) {
        let pending = &mut self.pending;
        if at == pending.end() && pending.has_room_for(text) {
            pending.append(text);
        } else {
            self.put_away_from_end(at, text);
        }
    }

    #[inline(never)]
    fn put_away_from_end(&mut self, at: usize, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.pending.has_room_for(text) && self.pending.touches(at..at) {
            self.pending.insert_inside(at, text);
            return;
        }
        self.flush();
        if self.pending.has_room_for(text) {
            self.pending.begin(at);
            self.pending.append(text);
        } else {
            let byte = rope_byte_of_char(&self.rope, at);
            self.rope.insert(byte, text);
        }
    }

    #[inline]
    fn take(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if !self.pending.touches(range.clone()) {
            self.flush();
            self.pending.begin(range.start);
        }
        self.pending.remove(range);
    }

    /// Writes the pending edit into the rope.
    fn flush(&mut self) {
        let removed = self.pending.removed();
        let start = rope_byte_of_char(&self.rope, removed.start);
        if !removed.is_empty() {
            let end = rope_byte_of_char(&self.rope, removed.end);
            self.rope.remove(start..end);
        }
        if !self.pending.inserted().is_empty() {
            self.rope.insert(start, self.pending.inserted());
        }
        self.pending.clear();
    }
}

// Reads. All go by the byte in the visible text, because the rope is indexed by bytes.
impl Buffer {
    /// The part of the rope that the pending edit replaces, counted in `kind`.
    fn seam(&self, kind: UnitKind) -> Range<usize> {
        let removed = self.pending.removed();
        let in_unit = |char| match kind {
            UnitKind::Chars => char,
            UnitKind::Bytes => rope_byte_of_char(&self.rope, char),
            UnitKind::Utf16 => rope_count_before(&self.rope, kind, rope_byte_of_char(&self.rope, char)),
        };
        let start = in_unit(removed.start);
        start..if removed.is_empty() { start } else { in_unit(removed.end) }
    }

    fn byte_of<U: Unit>(&self, at: U) -> Result<usize, PositionError> {
        check_range(at..at, self.len())?;
        let (cut, bytes) = (self.seam(U::KIND), self.seam(UnitKind::Bytes));
        let (pending, position) = (&self.pending, at.get());
        let inserted_len = pending.len(U::KIND);
        let byte = if position <= cut.start {
            rope_byte_of(&self.rope, U::KIND, position)
        } else if position - cut.start <= inserted_len {
            let offset = pending.byte_of(U::KIND, position - cut.start);
            offset.map(|offset| bytes.start + offset)
        } else {
            rope_byte_of(&self.rope, U::KIND, position - inserted_len + cut.len())
                .map(|byte| byte - bytes.len() + pending.inserted().len())
        };
        byte.ok_or(PositionError::InsideCharacter { position, unit: U::KIND })
    }

    /// How many units of `kind` stand before `byte`, a character's boundary in the text.
    fn count_before(&self, kind: UnitKind, byte: usize) -> usize {
        if kind == UnitKind::Bytes {
            return byte;
        }
        let bytes = self.seam(UnitKind::Bytes);
        let inserted = self.pending.inserted();
        if byte <= bytes.start {
            return rope_count_before(&self.rope, kind, byte);
        }
        let cut = self.seam(kind);
        match inserted.get(..byte - bytes.start) {
            Some(part) => cut.start + kind.count(part),
            None => {
                let in_rope = byte - inserted.len() + bytes.len();
                rope_count_before(&self.rope, kind, in_rope) - cut.len() + self.pending.len(kind)
            }
        }
    }

    /// How many `'\n'` stand before `byte`, a character's boundary in the text.
    fn line_at(&self, byte: usize) -> usize {
        let bytes = self.seam(UnitKind::Bytes);
        let in_rope = |byte| self.rope.byte_to_line_idx(byte, LineType::LF);
        if byte <= bytes.start {
            return in_rope(byte);
        }
        let (inserted, breaks) = (self.pending.inserted(), self.pending.breaks());
        match inserted.get(..byte - bytes.start) {
            Some(part) => in_rope(bytes.start) + count_breaks(part),
            None => {
                let removed = in_rope(bytes.end) - in_rope(bytes.start);
                in_rope(byte - inserted.len() + bytes.len()) - removed + breaks
            }
        }
    }

    /// The byte at which `line` begins; there is such a line.
    fn byte_of_line(&self, line: usize) -> usize {
        let bytes = self.seam(UnitKind::Bytes);
        let (inserted, breaks) = (self.pending.inserted(), self.pending.breaks());
        let before = self.rope.byte_to_line_idx(bytes.start, LineType::LF);
        if line <= before {
            return self.rope.line_to_byte_idx(line, LineType::LF);
        }
        if line - before <= breaks {
            let in_text = inserted.split_inclusive('\n').take(line - before);
            return bytes.start + in_text.map(str::len).sum::<usize>();
        }
        let removed = self.rope.byte_to_line_idx(bytes.end, LineType::LF) - before;
        let in_rope = self.rope.line_to_byte_idx(line - breaks + removed, LineType::LF);
        in_rope - bytes.len() + inserted.len()
    }

    /// The text between two bytes, both boundaries of characters.
    fn pieces(&self, range: Range<usize>) -> Pieces<'_> {
        let seam = self.seam(UnitKind::Bytes);
        let inserted = self.pending.inserted();
        let inserted_end = seam.start + inserted.len();
        let within = |byte: usize| byte.clamp(seam.start, inserted_end) - seam.start;
        let behind = |byte: usize| byte.max(inserted_end) - inserted_end + seam.end;
        Pieces {
            head: self.rope.slice(range.start.min(seam.start)..range.end.min(seam.start)),
            middle: &inserted[within(range.start)..within(range.end)],
            tail: self.rope.slice(behind(range.start)..behind(range.end)),
        }
    }
}

/// A stretch of the text: what the rope has of it before and behind the pending edit, and what
/// is inserted between.
struct Pieces<'a> {
    head: RopeSlice<'a>,
    middle: &'a str,
    tail: RopeSlice<'a>,
}

impl<'a> Pieces<'a> {
    fn chunks(self) -> impl Iterator<Item = &'a str> {
        let middle = std::iter::once(self.middle);
        self.head.chunks().chain(middle).chain(self.tail.chunks()).filter(|chunk| !chunk.is_empty())
    }
}

#[inline]
fn check_range<U: Unit>(range: Range<U>, len: U) -> Result<(), PositionError> {
    let (start, end, unit) = (range.start.get(), range.end.get(), U::KIND);
    if start > end {
        return Err(PositionError::Backwards { start, end, unit });
    }
    if range.end > len {
        return Err(PositionError::OutOfRange { position: end, len: len.get(), unit });
    }
    Ok(())
}

// The rope in any unit. Positions are within it. Where the whole rope is ASCII, as most source
// code is, all units are one and no leaf has to be scanned.

#[inline]
fn rope_len(rope: &Rope, kind: UnitKind) -> usize {
    match kind {
        UnitKind::Chars => rope.len_chars(),
        UnitKind::Bytes => rope.len(),
        UnitKind::Utf16 => rope.len_utf16(),
    }
}

#[inline]
fn rope_byte_of_char(rope: &Rope, chars: usize) -> usize {
    if rope.len_chars() == rope.len() { chars } else { rope.char_to_byte_idx(chars) }
}

fn rope_count_before(rope: &Rope, kind: UnitKind, byte: usize) -> usize {
    if rope.len_chars() == rope.len() {
        return byte;
    }
    match kind {
        UnitKind::Chars => rope.byte_to_char_idx(byte),
        UnitKind::Bytes => byte,
        UnitKind::Utf16 => rope.byte_to_utf16_idx(byte),
    }
}

/// The byte at a position; `None` inside a character.
fn rope_byte_of(rope: &Rope, kind: UnitKind, position: usize) -> Option<usize> {
    if rope.len_chars() == rope.len() {
        return Some(position);
    }
    match kind {
        UnitKind::Chars => Some(rope.char_to_byte_idx(position)),
        UnitKind::Bytes => rope.is_char_boundary(position).then_some(position),
        UnitKind::Utf16 => {
            // The rope rounds a position inside a character down to its start.
            let byte = rope.utf16_to_byte_idx(position);
            (rope.byte_to_utf16_idx(byte) == position).then_some(byte)
        }
    }
}

impl From<&str> for Buffer {
    fn from(text: &str) -> Self {
        Self { rope: Rope::from_str(text), pending: Pending::default() }
    }
}

impl Display for Buffer {
    /// The text itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

impl Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({:?})", self.to_string())
    }
}

impl PartialEq for Buffer {
    /// Whether both hold the same text.
    fn eq(&self, other: &Self) -> bool {
        self.char_len() == other.char_len() && same_bytes(self.chunks(), other.chunks())
    }
}

impl Eq for Buffer {}

impl PartialEq<str> for Buffer {
    fn eq(&self, other: &str) -> bool {
        same_bytes(self.chunks(), std::iter::once(other))
    }
}

impl PartialEq<&str> for Buffer {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

/// Whether two texts are the same, however each is cut.
fn same_bytes<'a>(mut left: impl Iterator<Item = &'a str>, mut right: impl Iterator<Item = &'a str>) -> bool {
    let (mut a, mut b): (&[u8], &[u8]) = (&[], &[]);
    loop {
        if a.is_empty() {
            a = left.next().unwrap_or_default().as_bytes();
        }
        if b.is_empty() {
            b = right.next().unwrap_or_default().as_bytes();
        }
        let common = a.len().min(b.len());
        if common == 0 {
            return a.is_empty() && b.is_empty();
        }
        if a[..common] != b[..common] {
            return false;
        }
        (a, b) = (&a[common..], &b[common..]);
    }
}
