//! The visible text of a document, cheap to type into and readable in every unit.
//!
//! Knows characters, their counts in chars, bytes and UTF-16, and lines; does not know who
//! wrote them, when, or what was deleted. The text is a rope of pages, of which the one that was
//! edited last is *open*:
//!
//! ```text
//!    rope        │ page │ page │ · · · │ page │ page │
//!                              ╭───┴───╮
//!    open page                 left ╎ right
//! ```
//!
//! Typing, backspacing and deleting at one place change the ends of two strings, for a few
//! nanoseconds a key; elsewhere in the page the text in between is moved first. The rope is
//! touched when an edit is made outside the open page, or when that has become too long. Reads
//! never write: they look into the open page, so a buffer is plain data that threads may share.

use std::fmt::{self, Debug, Display};
use std::ops::Range;

use self::gap::Gap;
use self::hash::WordHash;
use self::rope::{OpenPage, PAGE, Rope};
use self::size::Size;
use crate::text::unit::{Bytes, Chars, PositionError, Unit, UnitKind, count_chars};

mod gap;
mod hash;
mod rope;
mod size;
#[cfg(test)]
mod tests;

/// A text that is edited by position and read in chars, bytes, UTF-16 code units and lines.
///
/// Edits take O(log n), and O(1) next to the edit before; reads by position take O(log n); a
/// clone takes O(n). Lines end at `'\n'` alone: a `'\r'` is a character like any other. A text
/// has fewer than 2³¹ bytes; to make a longer one panics.
///
/// Invariant: the rope has no text for the open page, and takes it to have the size that it had
/// when it was opened.
#[derive(Clone, Default)]
pub struct Buffer {
    rope: Rope,
    open: Option<OpenPage>,
    /// The chars before the open page.
    start: usize,
    /// The text of the open page.
    gap: Gap,
}

impl Buffer {
    /// An empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// The length of the text; O(1) in chars, else O(log n).
    pub fn len<U: Unit>(&self) -> U {
        if U::KIND == UnitKind::Chars {
            return U::at(self.char_len());
        }
        let seam = self.seam(U::KIND);
        U::at(self.rope.len(U::KIND) - seam.len() + self.gap.len(U::KIND))
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
        self.insert_counted(at, text, count_chars(text))
    }

    /// The same for a text of so many chars.
    #[inline]
    pub(crate) fn insert_counted(&mut self, at: Chars, text: &str, chars: usize) -> Result<(), PositionError> {
        if at.0 == self.caret() && self.gap.has_room_for(text) {
            self.gap.insert(text, chars);
            return Ok(());
        }
        self.insert_elsewhere(at, text, chars)
    }

    /// Whether one ASCII character at `at` is only added to the open page.
    #[inline]
    pub(crate) fn takes_key(&self, at: Chars) -> bool {
        at.0 == self.caret() && self.gap.has_room_for_key()
    }

    /// Inserts it where it is.
    #[inline]
    pub(crate) fn insert_key(&mut self, key: u8) {
        self.gap.insert_key(key);
    }

    /// Whether the character that ends at `end` only has to be taken from the open page.
    #[inline]
    pub(crate) fn takes_backspace(&self, end: Chars) -> bool {
        end.0 == self.caret() && self.gap.has_key()
    }

    /// Takes it.
    #[inline]
    pub(crate) fn backspace(&mut self) {
        self.gap.backspace_key();
    }

    /// Removes the characters of `range`.
    ///
    /// # Errors
    ///
    /// When the range runs backwards or beyond the end; the text is then unchanged.
    #[inline]
    pub fn remove(&mut self, range: Range<Chars>) -> Result<(), PositionError> {
        let (Chars(start), Chars(end), caret) = (range.start, range.end, self.caret());
        if end == caret && self.start <= start && start <= end {
            self.gap.backspace(end - start);
        } else if start == caret && start <= end && end - start <= self.gap.right_chars() {
            self.gap.delete(end - start);
        } else {
            return self.remove_elsewhere(range);
        }
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
        self.remove(range.clone())?;
        self.insert(range.start, text)
    }

    /// The same position counted in another unit; O(log n). To convert a position to its own
    /// unit is to ask whether it is valid.
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end or inside a character.
    #[inline]
    pub fn convert<A: Unit, B: Unit>(&self, at: A) -> Result<B, PositionError> {
        // Chars have no inside, so only the end has to be looked at.
        if A::KIND == UnitKind::Chars && B::KIND == UnitKind::Chars && at.get() <= self.char_len() {
            return Ok(B::at(at.get()));
        }
        self.convert_by_bytes(at)
    }

    fn convert_by_bytes<A: Unit, B: Unit>(&self, at: A) -> Result<B, PositionError> {
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
        Ok(self.pieces(start..self.len::<Bytes>().0).chunks().flat_map(str::chars))
    }

    /// The characters before `at` backwards, nearest first; O(log n) to begin.
    ///
    /// # Errors
    ///
    /// When `at` is beyond the end or inside a character.
    pub fn chars_before<U: Unit>(&self, at: U) -> Result<impl Iterator<Item = char>, PositionError> {
        let end = self.byte_of(at)?;
        Ok(self.pieces(0..end).chunks_backwards().flat_map(|chunk| chunk.chars().rev()))
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
        self.chars_from(at).ok()?.next()
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

    /// Panics when the open page and the rope do not fit together.
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        self.gap.assert_invariants();
        let mut closed = self.clone();
        closed.close_page();
        closed.rope.assert_invariants();
        assert_eq!(self.start, self.seam(UnitKind::Chars).start, "where the open page starts");
    }
}

/// Edits. Positions are in chars.
impl Buffer {
    #[inline]
    fn char_len(&self) -> usize {
        (self.rope.size().chars - self.open_size().chars) as usize + self.gap.chars()
    }

    /// Where the open page is open.
    #[inline]
    fn caret(&self) -> usize {
        self.start + self.gap.left_chars()
    }

    #[inline(never)]
    fn insert_elsewhere(&mut self, at: Chars, text: &str, chars: usize) -> Result<(), PositionError> {
        check_range(at..at, Chars(self.char_len()))?;
        if text.is_empty() {
            return Ok(());
        }
        if !self.is_in_page(at.0..at.0) {
            // The page of the char on the left may be the one that was typed into before.
            self.open_page(at.0.saturating_sub(1));
        }
        self.gap.move_to(at.0 - self.start);
        if self.gap.has_room_for(text) {
            self.gap.insert(text, chars);
        } else {
            self.close_page();
            self.rope.insert(at.0, text);
        }
        Ok(())
    }

    #[inline(never)]
    fn remove_elsewhere(&mut self, range: Range<Chars>) -> Result<(), PositionError> {
        check_range(range.clone(), Chars(self.char_len()))?;
        let range = range.start.0..range.end.0;
        if range.is_empty() {
            return Ok(());
        }
        if !self.is_in_page(range.clone()) {
            self.open_page(range.start);
        }
        if self.is_in_page(range.clone()) {
            self.gap.move_to(range.start - self.start);
            self.gap.delete(range.len());
        } else {
            self.close_page();
            self.rope.remove(range);
        }
        Ok(())
    }

    /// Whether a page is open and holds this range.
    fn is_in_page(&self, range: Range<usize>) -> bool {
        self.open.is_some() && self.start <= range.start && range.end <= self.start + self.gap.chars()
    }

    /// Opens the page with this char, if there is one.
    fn open_page(&mut self, char: usize) {
        self.close_page();
        if let Some((open, text)) = self.rope.open_page(char) {
            self.start = open.before.chars as usize;
            self.gap.open(text, open.size, PAGE);
            self.open = Some(open);
        }
    }

    /// Has the rope know everything.
    fn close_page(&mut self) {
        if let Some(open) = self.open.take() {
            let (text, size) = self.gap.close();
            self.rope.close_page(open, text, size);
            self.start = 0;
        }
    }
}

/// Reads. All go by the byte in the visible text.
impl Buffer {
    fn open_size(&self) -> Size {
        self.open.map_or(Size::default(), |open| open.size)
    }

    /// The part of the rope that is open, counted in `kind`.
    fn seam(&self, kind: UnitKind) -> Range<usize> {
        let Some(OpenPage { before, size, .. }) = self.open else { return 0..0 };
        let start = before.len(kind) as usize;
        start..start + size.len(kind) as usize
    }

    fn byte_of<U: Unit>(&self, at: U) -> Result<usize, PositionError> {
        check_range(at..at, self.len())?;
        let (cut, bytes, position) = (self.seam(U::KIND), self.seam(UnitKind::Bytes), at.get());
        let open_len = self.gap.len(U::KIND);
        let byte = if position <= cut.start {
            self.rope.byte_of(U::KIND, position)
        } else if position - cut.start <= open_len {
            self.gap.byte_of(U::KIND, position - cut.start).map(|offset| bytes.start + offset)
        } else {
            let in_rope = self.rope.byte_of(U::KIND, position - open_len + cut.len());
            in_rope.map(|byte| byte - bytes.len() + self.gap.bytes())
        };
        byte.ok_or(PositionError::InsideCharacter { position, unit: U::KIND })
    }

    /// How many units of `kind` stand before `byte`, a character's boundary in the text.
    fn count_before(&self, kind: UnitKind, byte: usize) -> usize {
        let (cut, bytes) = (self.seam(kind), self.seam(UnitKind::Bytes));
        if kind == UnitKind::Bytes {
            byte
        } else if byte <= bytes.start {
            self.rope.count_before(kind, byte)
        } else if byte - bytes.start <= self.gap.bytes() {
            let [left, right] = self.gap.slice(0..byte - bytes.start);
            cut.start + kind.count(left) + kind.count(right)
        } else {
            let in_rope = byte - self.gap.bytes() + bytes.len();
            self.rope.count_before(kind, in_rope) - cut.len() + self.gap.len(kind)
        }
    }

    /// How many `'\n'` stand before `byte`, a character's boundary in the text.
    fn line_at(&self, byte: usize) -> usize {
        let bytes = self.seam(UnitKind::Bytes);
        if byte <= bytes.start {
            return self.rope.breaks_before(byte);
        }
        if byte - bytes.start <= self.gap.bytes() {
            return self.breaks_before_page() + self.gap.breaks_before(byte - bytes.start);
        }
        let in_rope = byte - self.gap.bytes() + bytes.len();
        self.rope.breaks_before(in_rope) - self.open_size().breaks as usize + self.gap.breaks()
    }

    /// The byte at which `line` begins; there is such a line.
    fn byte_of_line(&self, line: usize) -> usize {
        let (bytes, before) = (self.seam(UnitKind::Bytes), self.breaks_before_page());
        if line <= before {
            return self.rope.byte_of_line(line);
        }
        let breaks = self.gap.breaks();
        if line - before <= breaks {
            return bytes.start + self.gap.byte_behind_breaks(line - before);
        }
        let in_rope = self.rope.byte_of_line(line - breaks + self.open_size().breaks as usize);
        in_rope - bytes.len() + self.gap.bytes()
    }

    fn breaks_before_page(&self) -> usize {
        self.open.map_or(0, |open| open.before.breaks as usize)
    }

    /// The text between two bytes, both boundaries of characters.
    fn pieces(&self, range: Range<usize>) -> Pieces<'_> {
        let seam = self.seam(UnitKind::Bytes);
        let open_end = seam.start + self.gap.bytes();
        let within = |byte: usize| byte.clamp(seam.start, open_end) - seam.start;
        let behind = |byte: usize| byte.max(open_end) - open_end + seam.end;
        Pieces {
            rope: &self.rope,
            head: range.start.min(seam.start)..range.end.min(seam.start),
            middle: self.gap.slice(within(range.start)..within(range.end)),
            tail: behind(range.start)..behind(range.end),
        }
    }
}

/// A stretch of the text: the bytes that the rope has of it before and behind the open page, and what is in that.
struct Pieces<'a> {
    rope: &'a Rope,
    head: Range<usize>,
    middle: [&'a str; 2],
    tail: Range<usize>,
}

impl<'a> Pieces<'a> {
    fn chunks(self) -> impl Iterator<Item = &'a str> {
        let middle = self.middle.into_iter().filter(|chunk| !chunk.is_empty());
        self.rope.chunks(self.head).chain(middle).chain(self.rope.chunks(self.tail))
    }

    fn chunks_backwards(self) -> impl Iterator<Item = &'a str> {
        let middle = self.middle.into_iter().rev();
        self.rope.chunks_backwards(self.tail).chain(middle).chain(self.rope.chunks_backwards(self.head))
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

impl From<&str> for Buffer {
    fn from(text: &str) -> Self {
        Self { rope: Rope::from(text), ..Self::default() }
    }
}

impl From<&Buffer> for String {
    /// The text in one piece. O(n); unlike [`to_string`](ToString::to_string) it makes room for all of it at once.
    fn from(buffer: &Buffer) -> Self {
        let mut text = Self::with_capacity(buffer.len::<Bytes>().0);
        buffer.chunks().for_each(|chunk| text.push_str(chunk));
        text
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
