//! A text in the making: which parts of the inserted text stand where, and none of the text itself.
//!
//! Replaying a long history writes and deletes the same places over and over. A draft moves pieces of a few bytes
//! instead of text, and writes the text once, when all is done ([`Draft::write`]). O(log pieces) an edit, O(1) next to
//! the edit before.

use super::buffer::Buffer;
use super::operations::{Operations, Source};
use crate::tree::{Item, Place, Tree, WIDE};
use std::ops::{AddAssign, SubAssign};

/// A part of one insertion.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Piece {
    pub(crate) source: Source,
    /// In chars.
    pub(crate) len: u32,
}

/// Between two pieces, or within one that is then cut.
enum Gap {
    Between(Place),
    Within(Place, Piece, Piece),
}

/// Chars of pieces. All there are are fewer than 2³⁰; a sum on the way to another may wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Length(u32);

impl AddAssign for Length {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl SubAssign for Length {
    fn sub_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }
}

impl Item for Piece {
    type Width = Length;

    fn width(&self) -> Length {
        Length(self.len)
    }
}

impl Piece {
    /// Cuts off and returns what is behind the first `at` chars.
    fn split_off(&mut self, at: u32) -> Self {
        let Source { run, offset } = self.source;
        let rest = Self { source: Source { run, offset: offset + at }, len: self.len - at };
        self.len = at;
        rest
    }
}

/// A text by its pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pieces: Tree<Piece, WIDE>,
}

impl Draft {
    /// An empty draft with room for about so many pieces.
    pub(crate) fn with_room(pieces: usize) -> Self {
        Self { pieces: Tree::with_room(pieces) }
    }

    /// In chars.
    pub(crate) fn len(&self) -> u32 {
        self.pieces.total().0
    }

    /// Inserts a piece at `at`, which is within the draft.
    pub(crate) fn insert(&mut self, at: u32, piece: Piece) {
        let place = match self.gap(at) {
            Gap::Between(place) => place,
            Gap::Within(place, start, rest) => {
                self.pieces.splice(place, 1, &[start, piece, rest], |_, _| {});
                return;
            }
        };
        self.pieces.splice(place, 0, &[piece], |_, _| {});
    }

    /// Inserts pieces one behind the other.
    pub(crate) fn insert_all(&mut self, at: u32, pieces: &[Piece]) {
        if pieces.is_empty() {
            return;
        }
        let place = match self.gap(at) {
            Gap::Between(place) => place,
            Gap::Within(place, start, rest) => {
                self.pieces.splice(place, 1, &[start, rest], |_, _| {});
                match self.gap(at) {
                    Gap::Between(place) => place,
                    Gap::Within(..) => unreachable!("a piece that was cut at {at} is whole"),
                }
            }
        };
        self.pieces.splice(place, 0, pieces, |_, _| {});
    }

    /// Where something is inserted at `at`.
    fn gap(&mut self, at: u32) -> Gap {
        let Some(left) = at.checked_sub(1).and_then(|left| self.pieces.seek(left, |len| len.0)) else {
            return Gap::Between(self.pieces.first());
        };
        let Some(mut start) = self.pieces.get(left.place).copied() else { unreachable!("no piece was found") };
        if left.offset + 1 == start.len {
            return Gap::Between(left.place.behind());
        }
        let rest = start.split_off(left.offset + 1);
        Gap::Within(left.place, start, rest)
    }

    /// Removes `count` chars from `at` on, all within the draft.
    pub(crate) fn remove(&mut self, at: u32, count: u32) {
        let mut left = count;
        while left > 0 {
            let Some(found) = self.pieces.seek(at, |len| len.0) else {
                unreachable!("{count} chars are removed at {at} of {}", self.len());
            };
            left -= match self.trim(found.place, found.offset, left) {
                0 => self.remove_in_leaf(found.place, found.offset, left),
                trimmed => trimmed,
            };
        }
    }

    /// Removes `count` chars of a piece, from its char `offset` on, if they are its first or its last ones and not all.
    /// Returns how many were removed.
    fn trim(&mut self, place: Place, offset: u32, count: u32) -> u32 {
        let Some(piece) = self.pieces.get(place) else { return 0 };
        let behind = piece.len - offset;
        if offset == 0 && count < behind {
            self.pieces.update(place, |piece| *piece = piece.split_off(count));
            return count;
        }
        if offset > 0 && count >= behind {
            self.pieces.update(place, |piece| piece.len = offset);
            return behind;
        }
        0
    }

    /// Removes at most `most` chars of a leaf, from char `offset` of the piece at `place` on. Returns how many.
    fn remove_in_leaf(&mut self, place: Place, offset: u32, most: u32) -> u32 {
        let pieces = &self.pieces.leaf_items(place.leaf)[place.slot..];
        let mut start = pieces[0];
        start.len = offset;
        let (mut passed, mut count) = (0, 0);
        while count < pieces.len() && passed < offset + most {
            passed += pieces[count].len;
            count += 1;
        }
        let mut rest = pieces[count - 1];
        let end = (offset + most).min(passed);
        rest = rest.split_off(rest.len - (passed - end));
        let kept = match (start.len, rest.len) {
            (0, 0) => &[][..],
            (_, 0) => &[start],
            (0, _) => &[rest],
            _ => &[start, rest],
        };
        self.pieces.splice(place, count, kept, |_, _| {});
        end - offset
    }

    /// The text. O(its length).
    pub(crate) fn write(&self, operations: &Operations) -> Buffer {
        let mut text = Vec::with_capacity(operations.room_for(self.len()));
        self.pieces.iter().for_each(|piece| operations.copy_text(piece.source, piece.len, &mut text));
        match std::str::from_utf8(&text) {
            Ok(text) => Buffer::from(text),
            Err(error) => unreachable!("whole chars were written: {error}"),
        }
    }
}
