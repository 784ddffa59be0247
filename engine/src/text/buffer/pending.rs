//! The one edit that waits in front of the rope of a buffer.
//!
//! Knows which chars of the rope go away and what comes in their place, and joins further edits
//! to that as long as they touch it; does not know the rope. Joining costs a few nanoseconds at
//! the end of the inserted text, and moves at most `PENDING_LIMIT` bytes inside it.

use std::ops::Range;

use crate::text::unit::UnitKind;

/// How many bytes of inserted text may wait in front of the rope.
///
/// An edit inside the waiting text moves what stands behind it, and beyond ASCII its chars are
/// counted from the start to find the place: up to 0.8 µs at this size. On recorded traces four
/// times the limit is no faster. The rope takes up to 1,020 bytes in one piece.
const PENDING_LIMIT: usize = 1020;

/// The edit that waits: `removed` chars of the rope from `at` on go away, `inserted` comes in
/// their place. Positions are in chars; those before `at` are the same in the rope and in the
/// visible text.
///
/// Invariant: `size` is the size of `inserted`, which has at most `PENDING_LIMIT` bytes.
#[derive(Clone, Default)]
pub(super) struct Pending {
    at: usize,
    removed: usize,
    inserted: String,
    size: Size,
}

impl Pending {
    /// The chars of the rope that go away.
    #[inline]
    pub(super) fn removed(&self) -> Range<usize> {
        self.at..self.at + self.removed
    }

    /// What comes in their place.
    #[inline]
    pub(super) fn inserted(&self) -> &str {
        &self.inserted
    }

    /// Where the inserted text ends, in chars of the visible text.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.at + self.size.chars
    }

    /// The length of the inserted text.
    pub(super) fn len(&self, kind: UnitKind) -> usize {
        match kind {
            UnitKind::Chars => self.size.chars,
            UnitKind::Bytes => self.inserted.len(),
            UnitKind::Utf16 => self.size.chars + self.size.surrogate_pairs,
        }
    }

    /// How many `'\n'` the inserted text has.
    pub(super) fn breaks(&self) -> usize {
        self.size.breaks
    }

    /// The byte at a position in the inserted text, which is not beyond its end; `None` inside a
    /// character.
    #[inline]
    pub(super) fn byte_of(&self, kind: UnitKind, position: usize) -> Option<usize> {
        // In ASCII all units are one.
        if self.size.chars == self.inserted.len() { Some(position) } else { kind.byte_offset(&self.inserted, position) }
    }

    #[inline]
    pub(super) fn has_room_for(&self, text: &str) -> bool {
        text.len() <= PENDING_LIMIT - self.inserted.len()
    }

    /// Whether an edit of `range` can join this one.
    #[inline]
    pub(super) fn touches(&self, range: Range<usize>) -> bool {
        range.start <= self.end() && self.at <= range.end
    }

    /// Starts an edit at `at`, where the rope and the visible text are the same.
    #[inline]
    pub(super) fn begin(&mut self, at: usize) {
        debug_assert!(self.removed == 0 && self.inserted.is_empty(), "an edit is pending");
        self.at = at;
    }

    #[inline]
    pub(super) fn append(&mut self, text: &str) {
        self.size.add(Size::of_text(text));
        match text.as_bytes() {
            // One ASCII character, the usual key, without a copy of unknown length.
            [byte] => self.inserted.push(char::from(*byte)),
            _ => self.inserted.push_str(text),
        }
    }

    /// Inserts at a position of the visible text that touches this edit.
    pub(super) fn insert_inside(&mut self, at: usize, text: &str) {
        let offset = self.byte_of_char(at - self.at);
        self.size.add(Size::of_text(text));
        self.inserted.insert_str(offset, text);
    }

    /// Removes a range of the visible text that touches this edit.
    #[inline]
    pub(super) fn remove(&mut self, range: Range<usize>) {
        let (start, end) = (self.at, self.end());
        if range.end == end && range.start >= start {
            self.cut_end(range.len());
            return;
        }
        let inside = range.start.max(start)..range.end.min(end);
        if inside.start < inside.end {
            self.cut_inside(inside.start - start..inside.end - start);
        }
        let left = start.saturating_sub(range.start);
        self.at -= left;
        self.removed += left + range.end.saturating_sub(end);
    }

    /// Removes the last `chars` of the inserted text; O(chars).
    #[inline]
    fn cut_end(&mut self, chars: usize) {
        let len = self.inserted.len();
        let offset = if self.size.chars == len {
            len - chars
        } else {
            let from_last = self.inserted.char_indices().rev();
            from_last.take(chars).last().map_or(len, |(offset, _)| offset)
        };
        self.size.subtract(Size::of_text(&self.inserted[offset..]));
        self.inserted.truncate(offset);
    }

    fn cut_inside(&mut self, range: Range<usize>) {
        let bytes = self.byte_of_char(range.start)..self.byte_of_char(range.end);
        self.size.subtract(Size::of_text(&self.inserted[bytes.clone()]));
        self.inserted.drain(bytes);
    }

    fn byte_of_char(&self, char: usize) -> usize {
        self.byte_of(UnitKind::Chars, char).unwrap_or(self.inserted.len())
    }

    /// Leaves nothing pending; keeps the string's memory for the next run.
    pub(super) fn clear(&mut self) {
        self.removed = 0;
        self.inserted.clear();
        self.size = Size::default();
    }

    pub(super) fn assert_invariants(&self) {
        let expected = Size::of_longer_text(&self.inserted);
        assert_eq!(self.size, expected, "size of the pending text {:?}", self.inserted);
        assert!(
            self.inserted.len() <= PENDING_LIMIT,
            "the pending text has {} bytes, the limit is {PENDING_LIMIT}",
            self.inserted.len()
        );
    }
}

/// What a text counts besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    chars: usize,
    /// The chars that take two code units in UTF-16.
    surrogate_pairs: usize,
    breaks: usize,
}

impl Size {
    #[inline]
    fn of_text(text: &str) -> Self {
        match text.as_bytes() {
            [byte] => Self { chars: 1, surrogate_pairs: 0, breaks: usize::from(*byte == b'\n') },
            _ => Self::of_longer_text(text),
        }
    }

    #[inline(never)]
    fn of_longer_text(text: &str) -> Self {
        let breaks = count_breaks(text);
        if text.is_ascii() {
            return Self { chars: text.len(), surrogate_pairs: 0, breaks };
        }
        let chars = UnitKind::Chars.count(text);
        Self { chars, surrogate_pairs: UnitKind::Utf16.count(text) - chars, breaks }
    }

    #[inline]
    fn add(&mut self, other: Self) {
        self.chars += other.chars;
        self.surrogate_pairs += other.surrogate_pairs;
        self.breaks += other.breaks;
    }

    #[inline]
    fn subtract(&mut self, other: Self) {
        self.chars -= other.chars;
        self.surrogate_pairs -= other.surrogate_pairs;
        self.breaks -= other.breaks;
    }
}

pub(super) fn count_breaks(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}
