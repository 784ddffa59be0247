//! Positions and lengths in text, as types that say what they count.
//!
//! Knows the three units in which hosts count text (chars, bytes of UTF-8, code units of
//! UTF-16), how many of them a `&str` holds, and what can be wrong with a position. Does not
//! know any document. A position stands between characters, so the same type serves as a
//! length. Everything here is a `usize` in a newtype: counting costs a scan of the string,
//! the rest nothing.

use std::error::Error;
use std::fmt::{self, Debug, Display};
use std::hash::Hash;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// A unit in which positions and lengths of text are counted: [`Chars`], [`Bytes`] or [`Utf16`].
///
/// The trait is sealed: a buffer must know how to count every unit.
pub trait Unit: sealed::Sealed + Copy + Ord + Hash + Debug + Display + Default + Send + Sync + 'static {
    /// Which of the units this is, as a value.
    const KIND: UnitKind;

    /// The unit's name in messages, in the plural.
    const NAME: &'static str = Self::KIND.name();

    /// The bare number.
    fn get(self) -> usize;

    /// The position `number` units from the start, or the length of `number` units.
    fn at(number: usize) -> Self;

    /// How many units `text` holds; O(length).
    fn count(text: &str) -> Self {
        Self::at(Self::KIND.count(text))
    }
}

/// Unicode scalar values: what the engine itself counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chars(pub usize);

/// Bytes of UTF-8: what Rust strings, files and many editors count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub usize);

/// Code units of UTF-16: what JavaScript, Java and the language server protocol count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf16(pub usize);

macro_rules! unit {
    ($unit:ident) => {
        impl sealed::Sealed for $unit {}

        impl Unit for $unit {
            const KIND: UnitKind = UnitKind::$unit;

            #[inline]
            fn get(self) -> usize {
                self.0
            }

            #[inline]
            fn at(number: usize) -> Self {
                Self(number)
            }
        }

        impl $unit {
            /// The sum, or `None` when it does not fit a `usize`.
            #[inline]
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The difference, or `None` when `other` is the greater.
            #[inline]
            pub fn checked_sub(self, other: Self) -> Option<Self> {
                self.0.checked_sub(other.0).map(Self)
            }

            /// The difference, or zero when `other` is the greater.
            #[inline]
            pub fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl Add for $unit {
            type Output = Self;

            /// The sum, as plain integers add: for numbers that are known to fit.
            #[inline]
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $unit {
            type Output = Self;

            /// The difference, as plain integers subtract: for `other` known to be no greater.
            #[inline]
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl AddAssign for $unit {
            #[inline]
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }

        impl SubAssign for $unit {
            #[inline]
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }

        impl Display for $unit {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, Self::NAME)
            }
        }
    };
}

unit!(Chars);
unit!(Bytes);
unit!(Utf16);

mod sealed {
    pub trait Sealed {}
}

/// The units as values: for messages, and for choosing an algorithm per unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitKind {
    /// Counted by [`Chars`].
    Chars,
    /// Counted by [`Bytes`].
    Bytes,
    /// Counted by [`Utf16`].
    Utf16,
}

impl UnitKind {
    /// The unit's name in messages, in the plural.
    pub const fn name(self) -> &'static str {
        match self {
            UnitKind::Chars => "chars",
            UnitKind::Bytes => "bytes",
            UnitKind::Utf16 => "UTF-16 code units",
        }
    }

    /// How many units `text` holds; O(length).
    pub fn count(self, text: &str) -> usize {
        match self {
            UnitKind::Chars => text.chars().count(),
            UnitKind::Bytes => text.len(),
            UnitKind::Utf16 => text.chars().count() + count_surrogate_pairs(text),
        }
    }

    /// The byte that stands `position` units from the start of `text`; O(position).
    ///
    /// `None` when the position lies beyond the end or inside a character.
    pub fn byte_offset(self, text: &str, position: usize) -> Option<usize> {
        if self == UnitKind::Bytes {
            return text.is_char_boundary(position).then_some(position);
        }
        let (mut offset, mut left) = self.skip_blocks(text, position);
        let mut chars = text[offset..].chars();
        while left > 0 {
            let c = chars.next()?;
            left = left.checked_sub(if self == UnitKind::Chars { 1 } else { c.len_utf16() })?;
            offset += c.len_utf8();
        }
        Some(offset)
    }

    /// A boundary of a character not far before a position, and how many units are left from there: what stands before
    /// is counted many bytes at once.
    fn skip_blocks(self, text: &str, position: usize) -> (usize, usize) {
        let (mut offset, mut left) = (0, position);
        while let Some(block) = text.as_bytes().get(offset..offset + BLOCK) {
            let pairs = if self == UnitKind::Utf16 { count_bytes(block, starts_surrogate_pair) } else { 0 };
            // A char counts where it starts. Bytes of the form 10xxxxxx go on with one.
            let units = count_bytes(block, |byte| byte as i8 >= -0x40) + pairs;
            if units > left {
                break;
            }
            left -= units;
            offset += BLOCK;
        }
        let start = (offset..text.len()).find(|&byte| text.is_char_boundary(byte));
        (start.unwrap_or(text.len()), left)
    }
}

/// How many bytes are counted at once: few enough for a sum in one byte.
const BLOCK: usize = 128;

/// A char outside the Basic Multilingual Plane, and only such a one, begins with a byte from 0xF0 on, and takes two code
/// units in UTF-16 instead of one.
fn starts_surrogate_pair(byte: u8) -> bool {
    byte >= 0xF0
}

/// How many chars of a text take two code units in UTF-16.
pub(crate) fn count_surrogate_pairs(text: &str) -> usize {
    text.as_bytes().chunks(BLOCK).map(|block| count_bytes(block, starts_surrogate_pair)).sum()
}

/// How many `'\n'` a text has.
#[inline]
pub(crate) fn count_breaks(text: &str) -> usize {
    match text.as_bytes() {
        &[key] => usize::from(key == b'\n'),
        bytes => count_breaks_of_longer(bytes),
    }
}

#[inline(never)]
fn count_breaks_of_longer(text: &[u8]) -> usize {
    if let Some(words) = short_words(text) {
        return words.into_iter().map(|word| count_in_word(word, b'\n')).sum();
    }
    text.chunks(BLOCK).map(|block| count_bytes(block, |byte| byte == b'\n')).sum()
}

/// How many of at most [`BLOCK`] bytes are meant. They are compared many at once, as their sum is kept in a byte.
#[inline]
fn count_bytes(block: &[u8], is_meant: impl Fn(u8) -> bool) -> usize {
    usize::from(block.iter().fold(0u8, |count, &byte| count.wrapping_add(u8::from(is_meant(byte)))))
}

/// The highest bit of each byte of a word.
const HIGHEST: u64 = 0x8080_8080_8080_8080;

/// The bytes of a text of 2 to 16, and zeros, in two words: what people type in one go is mostly that short, and a loop whose
/// length cannot be foreseen costs more than all that it does.
#[inline]
fn short_words(text: &[u8]) -> Option<[u64; 2]> {
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let behind = u64::from_le_bytes(*last).checked_shr(8 * 16u32.checked_sub(text.len() as u32)?);
        Some([u64::from_le_bytes(*first), behind.unwrap_or(0)])
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let behind = u32::from_le_bytes(*last).checked_shr(8 * (8 - text.len() as u32));
        Some([u32::from_le_bytes(*first).into(), behind.unwrap_or(0).into()])
    } else {
        let [first, last] = [text.first_chunk::<2>()?, text.last_chunk::<2>()?].map(|pair| u16::from_le_bytes(*pair));
        Some([first.into(), (last >> 8 & if text.len() == 3 { 0xff } else { 0 }).into()])
    }
}

/// How many bytes of a word are this one, which is not 0.
#[inline]
fn count_in_word(word: u64, byte: u8) -> usize {
    // Zero where they are equal; adding to the low bits of a byte carries into its highest unless they are all 0.
    let differs = word ^ u64::from_le_bytes([byte; 8]);
    let marked = ((differs & !HIGHEST) + !HIGHEST) | differs;
    (!marked & HIGHEST).count_ones() as usize
}

/// How many chars a text has, which mostly is one key or ASCII; O(length).
#[inline]
pub(crate) fn count_chars(text: &str) -> usize {
    if text.len() == 1 { 1 } else { count_chars_of_longer(text) }
}

#[inline(never)]
fn count_chars_of_longer(text: &str) -> usize {
    let is_ascii = match short_words(text.as_bytes()) {
        Some([first, second]) => (first | second) & HIGHEST == 0,
        None => text.is_ascii(),
    };
    if is_ascii { text.len() } else { UnitKind::Chars.count(text) }
}

impl Display for UnitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a position or a range does not fit a text. Whatever was asked for has not happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PositionError {
    /// The position is beyond the end of the text.
    OutOfRange {
        /// The position asked for.
        position: usize,
        /// The length of the text, which is also its last position.
        len: usize,
        /// What both count.
        unit: UnitKind,
    },
    /// The position is between two bytes, or two code units, of one character.
    InsideCharacter {
        /// The position asked for.
        position: usize,
        /// What it counts.
        unit: UnitKind,
    },
    /// The range ends before it starts.
    Backwards {
        /// Where the range starts.
        start: usize,
        /// Where it ends, exclusive.
        end: usize,
        /// What both count.
        unit: UnitKind,
    },
}

impl Display for PositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PositionError::OutOfRange { position, len, unit } => {
                write!(f, "position {position} is beyond the end of the text, which has {len} {unit}")
            }
            PositionError::InsideCharacter { position, unit } => {
                write!(f, "position {position}, counted in {unit}, is inside a character")
            }
            PositionError::Backwards { start, end, unit } => {
                write!(f, "the range from {start} to {end}, counted in {unit}, ends before it starts")
            }
        }
    }
}

impl Error for PositionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_text_has_three_lengths() {
        let text = "né漢🙂";
        assert_eq!(Chars::count(text), Chars(4));
        assert_eq!(Bytes::count(text), Bytes(10));
        assert_eq!(Utf16::count(text), Utf16(5));
    }

    #[test]
    fn texts_of_every_length_are_counted_as_char_by_char() {
        for len in 0..600 {
            for odd in ["\n", "é", "漢", "🙂", "\u{b}", "\u{8a}"] {
                for place in (0..len).step_by(1 + len / 40) {
                    let text: String = (0..len).map(|at| if at % (place + 1) == place { odd } else { "\t" }).collect();
                    let breaks = text.chars().filter(|&char| char == '\n').count();
                    assert_eq!(count_breaks(&text), breaks, "breaks of {text:?}");
                    assert_eq!(count_chars(&text), text.chars().count(), "chars of {text:?}");
                }
            }
        }
    }

    #[test]
    fn a_position_inside_a_character_or_beyond_the_end_has_no_byte() {
        let text = "é🙂!";
        let bytes = |kind: UnitKind, end: usize| -> Vec<Option<usize>> {
            (0..=end).map(|at| kind.byte_offset(text, at)).collect()
        };
        assert_eq!(bytes(UnitKind::Chars, 4), [Some(0), Some(2), Some(6), Some(7), None]);
        assert_eq!(bytes(UnitKind::Utf16, 5), [Some(0), Some(2), None, Some(6), Some(7), None]);
        let inside = [None; 3];
        assert_eq!(bytes(UnitKind::Bytes, 8)[..3], [Some(0), None, Some(2)]);
        assert_eq!(bytes(UnitKind::Bytes, 8)[3..6], inside);
        assert_eq!(bytes(UnitKind::Bytes, 8)[6..], [Some(6), Some(7), None]);
    }

    #[test]
    fn messages_carry_the_numbers_and_the_unit() {
        let beyond = PositionError::OutOfRange { position: 9, len: 4, unit: UnitKind::Utf16 };
        assert_eq!(beyond.to_string(), "position 9 is beyond the end of the text, which has 4 UTF-16 code units");
        let inside = PositionError::InsideCharacter { position: 3, unit: UnitKind::Bytes };
        assert_eq!(inside.to_string(), "position 3, counted in bytes, is inside a character");
        let backwards = PositionError::Backwards { start: 5, end: 2, unit: UnitKind::Chars };
        assert_eq!(backwards.to_string(), "the range from 5 to 2, counted in chars, ends before it starts");
        assert_eq!(Chars(3).to_string(), "3 chars");
    }

    #[test]
    fn sums_that_do_not_fit_are_none() {
        assert_eq!(Chars(2) + Chars(3) - Chars(1), Chars(4));
        assert_eq!(Bytes(usize::MAX).checked_add(Bytes(1)), None);
        assert_eq!(Utf16(1).checked_sub(Utf16(2)), None);
        assert_eq!(Utf16(1).saturating_sub(Utf16(2)), Utf16(0));
    }
}
