//! What a text counts, in every unit at once.
//!
//! Knows strings only. To count is to scan.

use std::ops::{AddAssign, SubAssign};

use crate::text::unit::{UnitKind, count_breaks, count_chars, count_surrogate_pairs};

/// The lengths of a text and the `'\n'` in it.
///
/// A text has fewer than 2³¹ bytes, so that sums of two texts fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u32,
    pub(super) chars: u32,
    /// The chars that take two code units in UTF-16.
    pub(super) surrogate_pairs: u32,
    pub(super) breaks: u32,
}

impl Size {
    pub(super) fn of(text: &str) -> Self {
        let chars = count_chars(text);
        Self {
            bytes: u32::try_from(text.len()).expect("a text has fewer than 2^31 bytes"),
            chars: chars as u32,
            surrogate_pairs: if chars == text.len() { 0 } else { count_surrogate_pairs(text) as u32 },
            breaks: count_breaks(text) as u32,
        }
    }

    #[inline]
    pub(super) fn len(&self, kind: UnitKind) -> u32 {
        match kind {
            UnitKind::Chars => self.chars,
            UnitKind::Bytes => self.bytes,
            UnitKind::Utf16 => self.chars + self.surrogate_pairs,
        }
    }

    /// Whether the text is ASCII, in which all units are one.
    #[inline]
    pub(super) fn is_ascii(&self) -> bool {
        self.chars == self.bytes
    }

    /// The byte at a position of the text, which is not beyond its end; `None` inside a character.
    #[inline]
    pub(super) fn byte_of(&self, text: &str, kind: UnitKind, position: usize) -> Option<usize> {
        if self.is_ascii() { Some(position) } else { kind.byte_offset(text, position) }
    }
}

impl AddAssign for Size {
    #[inline]
    fn add_assign(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.chars += other.chars;
        self.surrogate_pairs += other.surrogate_pairs;
        self.breaks += other.breaks;
    }
}

impl SubAssign for Size {
    #[inline]
    fn sub_assign(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.chars -= other.chars;
        self.surrogate_pairs -= other.surrogate_pairs;
        self.breaks -= other.breaks;
    }
}
