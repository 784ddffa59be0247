//! A text in the making: which parts of the inserted text stand where, and none of the text itself.
//!
//! Replaying a long history writes and deletes the same places over and over. A draft moves pieces of a few bytes
//! instead of text, and writes the text once, when all is done ([`Draft::write`]).
//!
//! Pieces stand in *chunks*, which a tree finds by position. The chunk of the last edit is *open*: cut in two at the place of
//! that edit, so that the next one there or a few pieces beside it changes the ends of two stacks, and nothing else knows.
//!
//! ```text
//!   tree      [ 0..310 ] [ 310..545 ] [ 545..900 ]      lengths of chunks, late for the open one
//!                              │
//!   open      a bc def g ◂─────┴─────▸ hij kl           left of the gap, and right of it, the nearest on top of each
//! ```
//!
//! Costs: O(1) an edit next to the edit before, else a chunk's pieces and O(log pieces).

use super::buffer::Buffer;
use super::operations::{Operations, Source};
use crate::tree::{Item, Place, Tree, WIDE, make_room};
use std::ops::{AddAssign, SubAssign};

/// Pieces of a chunk: a jump passes some of them, and the fewer there are the more chunks are to be found. 32 and 64 measured
/// alike. Few in unit tests, so that short drafts have many chunks.
const MOST: usize = if cfg!(test) { 4 } else { 64 };

/// An open chunk of so many pieces is made several.
const MOST_OPEN: usize = 3 * MOST;

/// A part of one insertion.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Piece {
    pub(crate) source: Source,
    /// In chars.
    pub(crate) len: u32,
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

/// What the tree knows of a chunk.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    /// Which of [`Draft::pages`] has its pieces.
    page: u32,
    /// In chars.
    len: u32,
}

impl Item for Chunk {
    type Width = Length;

    fn width(&self) -> Length {
        Length(self.len)
    }
}

/// The pieces of a chunk that is closed.
#[derive(Clone, Copy, Debug)]
struct Page {
    pieces: [Piece; MOST],
    count: usize,
}

impl Page {
    const EMPTY: Self = Self { pieces: [Piece { source: Source { run: 0, offset: 0 }, len: 0 }; MOST], count: 0 };

    /// Puts at most [`MOST`] pieces in the place of those that were here.
    fn fill(&mut self, pieces: &[Piece]) {
        self.pieces[..pieces.len()].copy_from_slice(pieces);
        self.count = pieces.len();
    }

    fn pieces(&self) -> &[Piece] {
        &self.pieces[..self.count]
    }
}

impl Piece {
    /// Cuts off and returns what is behind the first `at` chars.
    pub(super) fn split_off(&mut self, at: u32) -> Self {
        let Source { run, offset } = self.source;
        let rest = Self { source: Source { run, offset: offset + at }, len: self.len - at };
        self.len = at;
        rest
    }
}

/// A text by its pieces.
///
/// Invariant: `chunks` and `pages` are right but for the open chunk.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    chunks: Tree<Chunk, WIDE>,
    pages: Vec<Page>,
    open: Open,
    /// In chars.
    len: u32,
}

/// The chunk that is cut in two. Positions are chars of the draft.
#[derive(Clone, Debug)]
struct Open {
    place: Place,
    page: u32,
    start: u32,
    gap: u32,
    end: u32,
    /// The pieces in front of the gap, the nearest last.
    left: Vec<Piece>,
    /// The pieces behind it, the nearest last.
    right: Vec<Piece>,
}

impl Open {
    /// Moves the gap to a position in the chunk. A piece that is around it is cut.
    #[inline]
    fn move_to(&mut self, at: u32) {
        while self.gap > at
            && let Some(piece) = self.left.last_mut()
        {
            let count = self.gap - at;
            if count < piece.len {
                self.right.push(piece.split_off(piece.len - count));
                self.gap = at;
                return;
            }
            self.gap -= piece.len;
            self.right.push(*piece);
            self.left.pop();
        }
        while self.gap < at
            && let Some(piece) = self.right.last_mut()
        {
            let count = at - self.gap;
            if count < piece.len {
                self.left.push(cut_front(piece, count));
                self.gap = at;
                return;
            }
            self.gap += piece.len;
            self.left.push(*piece);
            self.right.pop();
        }
    }

    /// Removes so many chars in front of the gap, all in the chunk.
    #[inline]
    fn cut_left(&mut self, count: u32) {
        let mut count = count;
        self.gap -= count;
        self.end -= count;
        while count > 0
            && let Some(piece) = self.left.last_mut()
        {
            if count < piece.len {
                piece.len -= count;
                return;
            }
            count -= piece.len;
            self.left.pop();
        }
    }

    /// Removes at most so many chars behind the gap. Returns how many there were.
    #[inline]
    fn cut_right(&mut self, most: u32) -> u32 {
        let count = most.min(self.end - self.gap);
        self.end -= count;
        let mut left = count;
        while left > 0
            && let Some(piece) = self.right.last_mut()
        {
            if left < piece.len {
                cut_front(piece, left);
                break;
            }
            left -= piece.len;
            self.right.pop();
        }
        count
    }
}

/// Cuts off and returns the first `count` chars of a piece.
fn cut_front(piece: &mut Piece, count: u32) -> Piece {
    let mut front = *piece;
    *piece = front.split_off(count);
    front
}

impl Draft {
    /// An empty draft with room for about so many pieces.
    pub(crate) fn with_room(pieces: usize) -> Self {
        let (mut chunks, mut pages) = (Tree::default(), Vec::new());
        let place = chunks.insert(chunks.first(), Chunk::default(), |_, _| {});
        // Chunks that were made of one are not full.
        pages.reserve(1 + pieces / (MOST / 2));
        pages.push(Page::EMPTY);
        let room = || Vec::with_capacity(MOST_OPEN);
        let open = Open { place, page: 0, start: 0, gap: 0, end: 0, left: room(), right: room() };
        Self { chunks, pages, open, len: 0 }
    }

    /// In chars.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Inserts a piece at `at`, which is within the draft.
    pub(crate) fn insert(&mut self, at: u32, piece: Piece) {
        self.insert_all(at, &[piece]);
    }

    /// Inserts pieces one behind the other.
    #[inline]
    pub(crate) fn insert_all(&mut self, at: u32, pieces: &[Piece]) {
        self.reach(at);
        let open = &mut self.open;
        for &piece in pieces {
            open.left.push(piece);
            open.gap += piece.len;
            open.end += piece.len;
            self.len += piece.len;
        }
        if open.left.len() + open.right.len() > MOST_OPEN {
            let at = open.gap;
            self.turn_to(at);
        }
    }

    /// Removes `count` chars from `at` on, all within the draft.
    #[inline]
    pub(crate) fn remove(&mut self, at: u32, count: u32) {
        // Where the gap is among them, as behind what is erased backwards, it stays.
        let open = &self.open;
        if at < open.start || !(at..=at + count).contains(&open.gap) {
            self.reach(at);
        }
        let before = self.open.gap - at;
        self.open.cut_left(before);
        let mut left = count - before;
        left -= self.open.cut_right(left);
        self.len -= count;
        while left > 0 {
            self.turn_to(at);
            match self.open.cut_right(left) {
                0 => unreachable!("{count} chars are removed at {at}, {left} of them behind the end"),
                removed => left -= removed,
            }
        }
    }

    /// Opens the gap at a position.
    #[inline]
    fn reach(&mut self, at: u32) {
        if at < self.open.start || at > self.open.end {
            self.turn_to(at);
        }
        self.open.move_to(at);
    }

    /// Opens the chunk of the char at a position, or the last one, there.
    fn turn_to(&mut self, at: u32) {
        self.close();
        let (place, start) = match self.chunks.seek(at, |len| len.0) {
            Some(found) => (found.place, at - found.offset),
            None => {
                let Place { leaf, slot } = self.chunks.behind_all();
                let place = Place { leaf, slot: slot.saturating_sub(1) };
                (place, self.chunks.total().0 - self.chunk(place).len)
            }
        };
        let Chunk { page, len } = self.chunk(place);
        let open = &mut self.open;
        open.left.extend_from_slice(self.pages[page as usize].pieces());
        (open.place, open.page) = (place, page);
        (open.start, open.gap, open.end) = (start, start + len, start + len);
        open.move_to(at);
    }

    fn chunk(&self, place: Place) -> Chunk {
        match self.chunks.get(place) {
            Some(chunk) => *chunk,
            None => unreachable!("no chunk at {place:?}"),
        }
    }

    /// Enters what has become of the open chunk, which has no pieces from then on.
    fn close(&mut self) {
        let Open { place, page, start, end, left, right, .. } = &mut self.open;
        left.extend(right.drain(..).rev());
        if left.len() <= MOST {
            self.pages[*page as usize].fill(left);
            self.chunks.update(*place, |chunk| chunk.len = *end - *start);
        } else {
            // So that none of them is full.
            let mut parts = left.chunks(left.len().div_ceil(left.len() / (MOST / 2)));
            let len = |part: &[Piece]| part.iter().map(|piece| piece.len).sum();
            let first = parts.next().unwrap_or_default();
            self.pages[*page as usize].fill(first);
            self.chunks.update(*place, |chunk| chunk.len = len(first));
            for part in parts {
                let chunk = Chunk { page: self.pages.len() as u32, len: len(part) };
                make_room(&mut self.pages, 1);
                self.pages.push(Page::EMPTY);
                self.pages[chunk.page as usize].fill(part);
                *place = self.chunks.insert(place.behind(), chunk, |_, _| {});
            }
        }
        left.clear();
    }

    /// The text. O(its length).
    pub(crate) fn write(&self, operations: &Operations) -> Buffer {
        let mut text = Vec::with_capacity(operations.room_for(self.len()));
        self.visit(|piece| operations.copy_text(piece.source, piece.len, &mut text));
        match std::str::from_utf8(&text) {
            Ok(text) => Buffer::from(text),
            Err(error) => unreachable!("whole chars were written: {error}"),
        }
    }

    /// Shows all pieces in order.
    fn visit(&self, mut show: impl FnMut(&Piece)) {
        for chunk in self.chunks.iter() {
            if chunk.page == self.open.page {
                self.open.left.iter().chain(self.open.right.iter().rev()).for_each(&mut show);
            } else {
                self.pages[chunk.page as usize].pieces().iter().for_each(&mut show);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, seeds};

    /// Planted bugs that it catches: a chunk is not entered where it is closed; what is erased backwards is taken from behind
    /// the gap; a piece that the gap cuts keeps its place in the text on both sides.
    #[test]
    fn a_draft_is_what_a_plain_list_of_chars_is() {
        for seed in seeds(20) {
            let mut random = Random(seed);
            let (mut draft, mut model) = (Draft::with_room(0), Vec::<(u32, u32)>::new());
            let mut at = 0;
            for run in 0..600 {
                // Mostly near the edit before.
                at = match random.below(4) {
                    0 => random.below(model.len() + 1),
                    _ => (at + random.below(4)).saturating_sub(random.below(3)).min(model.len()),
                };
                if random.below(3) > 0 {
                    let pieces: Vec<Piece> = (0..random.below(3) + usize::from(run % 90 == 0) * 20)
                        .map(|_| {
                            let source = Source { run, offset: random.below_u32(9) };
                            Piece { source, len: 1 + random.below_u32(4) }
                        })
                        .collect();
                    let chars = |piece: &Piece| {
                        let Source { run, offset } = piece.source;
                        (offset..offset + piece.len).map(move |offset| (run, offset))
                    };
                    let chars: Vec<_> = pieces.iter().flat_map(chars).collect();
                    draft.insert_all(at as u32, &pieces);
                    let count = chars.len();
                    model.splice(at..at, chars);
                    at += count;
                } else {
                    let most = if random.below(20) == 0 { 60 } else { 6 };
                    let count = random.below(most.min(model.len() - at) + 1);
                    // As often backwards as forwards.
                    let start = if random.below(2) == 0 { at.saturating_sub(count) } else { at };
                    draft.remove(start as u32, count as u32);
                    model.drain(start..start + count);
                    at = start;
                }
                let mut found = Vec::new();
                draft.visit(|piece| {
                    assert!(piece.len > 0, "seed {seed}: an empty piece");
                    let Source { run, offset } = piece.source;
                    found.extend((offset..offset + piece.len).map(|offset| (run, offset)));
                });
                assert_eq!(found, model, "seed {seed}");
                assert_eq!(draft.len() as usize, model.len(), "seed {seed}");
            }
            assert!(draft.pages.len() > 10, "seed {seed}: it came to {} chunks", draft.pages.len());
        }
    }
}
