//! A short text that is open for editing at one place.
//!
//! Knows a string and a place in it; does not know where it stands. What is left of the place ends one string, so that
//! typing and backspacing touch nothing else; what is right of it begins another, which deleting forwards only makes
//! start later. To edit elsewhere, what stands in between goes from one to the other.
//!
//! ```text
//! the quick ╎brown fox      left "the quick "        right "brown fox"
//! the quick r╎brown fox     left "the quick r"       right "brown fox"
//! the quick r╎rown fox      left "the quick r"       right "…rown fox"
//! ```

use super::size::Size;
use crate::text::unit::{UnitKind, count_breaks};

/// Invariant: `left` has at most `most` bytes, or no text is open and `most` is 0.
#[derive(Clone, Debug, Default)]
pub(super) struct Gap {
    left: String,
    left_chars: usize,
    /// How many bytes `left` may have.
    most: usize,
    /// From the byte `right_start` on.
    right: String,
    right_start: usize,
    right_chars: usize,
    /// The `'\n'` on both sides.
    breaks: usize,
    /// Memory for the next `right`.
    spare: String,
}

impl Gap {
    /// Opens a text of this size at its end, to have at most `most` bytes.
    pub(super) fn open(&mut self, text: String, size: Size, most: usize) {
        debug_assert!(self.most == 0, "{:?} is open", self.parts());
        self.left = text;
        self.left_chars = size.chars as usize;
        self.breaks = size.breaks as usize;
        self.most = most;
        if self.left.capacity() < most {
            self.left.reserve_exact(most - self.left.len());
        }
    }

    /// The text and its size; none is open then. O(length).
    pub(super) fn close(&mut self) -> (String, Size) {
        let size = Size {
            bytes: self.bytes() as u32,
            chars: self.chars() as u32,
            surrogate_pairs: (self.len(UnitKind::Utf16) - self.chars()) as u32,
            breaks: self.breaks as u32,
        };
        self.left.push_str(&self.right[self.right_start..]);
        self.right.clear();
        (self.left_chars, self.most, self.right_start, self.right_chars, self.breaks) = (0, 0, 0, 0, 0);
        (std::mem::take(&mut self.left), size)
    }

    #[inline]
    pub(super) fn left_chars(&self) -> usize {
        self.left_chars
    }

    #[inline]
    pub(super) fn right_chars(&self) -> usize {
        self.right_chars
    }

    #[inline]
    pub(super) fn chars(&self) -> usize {
        self.left_chars + self.right_chars
    }

    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.left.len() + self.right.len() - self.right_start
    }

    #[inline]
    pub(super) fn breaks(&self) -> usize {
        self.breaks
    }

    fn parts(&self) -> [&str; 2] {
        [&self.left, &self.right[self.right_start..]]
    }

    #[inline]
    pub(super) fn has_room_for(&self, text: &str) -> bool {
        text.len() <= self.most.saturating_sub(self.left.len())
    }

    /// Inserts so many chars at the place, for which there is room, and puts the place behind.
    #[inline]
    pub(super) fn insert(&mut self, text: &str, chars: usize) {
        match text.as_bytes() {
            // One ASCII character, the usual key, without a copy of unknown length.
            &[key] => self.left.push(char::from(key & 0x7F)),
            _ => self.left.push_str(text),
        }
        self.left_chars += chars;
        self.breaks += count_breaks(text);
    }

    /// Whether there is room for one byte more, and memory.
    #[inline]
    pub(super) fn has_room_for_key(&self) -> bool {
        self.left.len() < self.most && self.left.len() < self.left.capacity()
    }

    /// Inserts one ASCII character at the place, for which there is room.
    #[inline]
    pub(super) fn insert_key(&mut self, key: u8) {
        self.left.push(char::from(key & 0x7F));
        self.left_chars += 1;
        self.breaks += usize::from(key == b'\n');
    }

    /// Whether what is left of the place is ASCII, and not nothing.
    #[inline]
    pub(super) fn has_key(&self) -> bool {
        self.left_chars == self.left.len() && self.left_chars > 0
    }

    /// Deletes one ASCII character left of the place; there is one.
    #[inline]
    pub(super) fn backspace_key(&mut self) {
        self.breaks -= usize::from(self.left.pop() == Some('\n'));
        self.left_chars -= 1;
    }

    /// Deletes so many chars left of the place. O(1) in ASCII, else O(length).
    #[inline]
    pub(super) fn backspace(&mut self, chars: usize) {
        if chars == 1 && self.has_key() {
            return self.backspace_key();
        }
        let to = self.left_byte(self.left_chars - chars);
        self.breaks -= count_breaks(&self.left[to..]);
        self.left.truncate(to);
        self.left_chars -= chars;
    }

    /// Deletes so many chars right of the place. O(1) in ASCII, else O(length).
    #[inline]
    pub(super) fn delete(&mut self, chars: usize) {
        let start = self.right_start;
        if chars == 1 && self.right_chars == self.right.len() - start {
            self.breaks -= usize::from(self.right.as_bytes()[start] == b'\n');
            self.right_start += 1;
            self.right_chars -= 1;
            self.most += 1;
            return;
        }
        self.pass(chars);
        self.breaks -= count_breaks(&self.right[start..self.right_start]);
    }

    /// Forgets so many chars right of the place.
    #[inline]
    fn pass(&mut self, chars: usize) {
        let bytes = self.right_byte(chars);
        self.right_start += bytes;
        self.right_chars -= chars;
        self.most += bytes;
    }

    /// Puts the place behind so many chars. O(what stands in between and right of it).
    pub(super) fn move_to(&mut self, char: usize) {
        match char.checked_sub(self.left_chars) {
            Some(0) => {}
            Some(chars) => self.move_right(chars),
            None => self.move_left(char),
        }
    }

    fn move_right(&mut self, chars: usize) {
        let start = self.right_start;
        self.pass(chars);
        self.left.push_str(&self.right[start..self.right_start]);
        self.left_chars += chars;
    }

    fn move_left(&mut self, to: usize) {
        let byte = self.left_byte(to);
        self.spare.clear();
        self.spare.push_str(&self.left[byte..]);
        self.most -= self.spare.len();
        self.spare.push_str(&self.right[self.right_start..]);
        std::mem::swap(&mut self.right, &mut self.spare);
        self.right_start = 0;
        self.right_chars += self.left_chars - to;
        self.left.truncate(byte);
        self.left_chars = to;
    }

    #[inline]
    fn left_byte(&self, char: usize) -> usize {
        if self.left_chars == self.left.len() { char } else { byte_of_char(&self.left, char) }
    }

    #[inline]
    fn right_byte(&self, char: usize) -> usize {
        let right = &self.right[self.right_start..];
        if self.right_chars == right.len() { char } else { byte_of_char(right, char) }
    }
}

/// Reads. All O(length).
impl Gap {
    pub(super) fn len(&self, kind: UnitKind) -> usize {
        match kind {
            UnitKind::Chars => self.chars(),
            UnitKind::Bytes => self.bytes(),
            UnitKind::Utf16 if self.chars() == self.bytes() => self.chars(),
            UnitKind::Utf16 => self.parts().into_iter().map(|part| kind.count(part)).sum(),
        }
    }

    /// The byte at a position, which is not beyond the end; `None` inside a character.
    pub(super) fn byte_of(&self, kind: UnitKind, position: usize) -> Option<usize> {
        if self.chars() == self.bytes() {
            return Some(position);
        }
        let [left, right] = self.parts();
        match position.checked_sub(kind.count(left)) {
            Some(rest) => kind.byte_offset(right, rest).map(|byte| left.len() + byte),
            None => kind.byte_offset(left, position),
        }
    }

    /// What stands between two bytes, both boundaries of characters.
    pub(super) fn slice(&self, bytes: std::ops::Range<usize>) -> [&str; 2] {
        let [left, right] = self.parts();
        let in_left = |byte: usize| byte.min(left.len());
        let in_right = |byte: usize| byte.max(left.len()) - left.len();
        [&left[in_left(bytes.start)..in_left(bytes.end)], &right[in_right(bytes.start)..in_right(bytes.end)]]
    }

    /// How many `'\n'` stand before a byte.
    pub(super) fn breaks_before(&self, byte: usize) -> usize {
        self.slice(0..byte).into_iter().map(count_breaks).sum()
    }

    /// The byte behind the first `count` `'\n'`, of which there are as many.
    pub(super) fn byte_behind_breaks(&self, count: usize) -> usize {
        let bytes = self.parts().into_iter().flat_map(str::bytes);
        let breaks = bytes.enumerate().filter(|&(_, byte)| byte == b'\n');
        breaks.map(|(at, _)| at + 1).take(count).last().unwrap_or(0)
    }

    pub(super) fn assert_invariants(&self) {
        let [left, right] = self.parts();
        assert_eq!(self.left_chars, left.chars().count(), "chars of {left:?}");
        assert_eq!(self.right_chars, right.chars().count(), "chars of {right:?}");
        assert_eq!(self.breaks, count_breaks(left) + count_breaks(right), "breaks of {left:?} and {right:?}");
        assert!(left.len() <= self.most, "{left:?} has {} bytes of {}", left.len(), self.most);
    }
}

/// The byte at a position in chars, which is not beyond the end.
fn byte_of_char(text: &str, char: usize) -> usize {
    UnitKind::Chars.byte_offset(text, char).unwrap_or(text.len())
}
