//! A text in the making: which parts of the inserted text stand where, and none of the text itself.
//!
//! Replaying a long history writes and deletes the same places over and over. A draft moves pieces of a few bytes
//! instead of text, and writes the text once, when all is done ([`Draft::write`]). O(log pieces) an edit, O(1) next to
//! the edit before.

use super::buffer::Buffer;
use super::operations::{Operations, Source};
use crate::tree::{Item, Tree};

/// A part of one insertion.
#[derive(Clone, Copy, Debug, Default)]
struct Piece {
    source: Source,
    len: u32,
}

impl Item for Piece {
    /// In chars.
    type Width = u32;

    fn width(&self) -> u32 {
        self.len
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
    pieces: Tree<Piece>,
}

impl Draft {
    /// In chars.
    pub(crate) fn len(&self) -> u32 {
        self.pieces.total()
    }

    /// Inserts `len` chars of an insertion at `at`, which is within the draft.
    pub(crate) fn insert(&mut self, at: u32, source: Source, len: u32) {
        let piece = Piece { source, len };
        let Some(left) = at.checked_sub(1).and_then(|left| self.pieces.seek(left, |&len| len)) else {
            self.pieces.insert(self.pieces.first(), piece, |_, _| {});
            return;
        };
        let mut place = left.place;
        let mut rest = None;
        self.pieces.update(place, |left_piece| {
            if left.offset + 1 < left_piece.len {
                rest = Some(left_piece.split_off(left.offset + 1));
            }
        });
        place.slot += 1;
        let place = self.pieces.insert(place, piece, |_, _| {});
        if let Some(rest) = rest {
            self.pieces.insert(place.behind(), rest, |_, _| {});
        }
    }

    /// Removes `count` chars from `at` on, all within the draft.
    pub(crate) fn remove(&mut self, at: u32, count: u32) {
        let mut left = count;
        while left > 0 {
            let Some(found) = self.pieces.seek(at, |&len| len) else {
                unreachable!("{count} chars are removed at {at} of {}", self.len());
            };
            left -= self.remove_at(found.place, found.offset, left);
        }
    }

    /// Removes at most `most` chars of one piece, from its char `offset` on. Returns how many.
    fn remove_at(&mut self, place: crate::tree::Place, offset: u32, most: u32) -> u32 {
        let mut removed = 0;
        let mut rest = None;
        self.pieces.update(place, |piece| {
            removed = most.min(piece.len - offset);
            let behind = piece.split_off(offset + removed);
            piece.len = offset;
            if offset == 0 {
                *piece = behind;
            } else if behind.len > 0 {
                rest = Some(behind);
            }
        });
        if let Some(rest) = rest {
            self.pieces.insert(place.behind(), rest, |_, _| {});
        } else if self.pieces.get(place).is_some_and(|piece| piece.len == 0) {
            self.pieces.remove(place);
        }
        removed
    }

    /// The text. O(its length).
    pub(crate) fn write(&self, operations: &Operations) -> Buffer {
        let mut text = String::with_capacity(self.len() as usize);
        self.pieces.iter().for_each(|piece| text.push_str(operations.text(piece.source, piece.len)));
        Buffer::from(text.as_str())
    }
}
