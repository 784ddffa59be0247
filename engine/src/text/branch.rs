//! What a branch did to the text that it began with.
//!
//! Whoever has seen nothing but their own events and that text gives positions in what they have made of it, so a branch is
//! replayed like a stretch in which every event has seen all before it. What it inserted stands in the *gaps* between the
//! chars of the text, and what it removed stays where it was: only so is it known between which of them something stands.
//!
//! ```text
//!   base       a   b   c            the branch removes b and types X behind a, then Y behind c
//!   branch     a X b̶   c Y          two gaps: behind a, and at the end
//! ```
//!
//! Of all that a branch inserts in one gap, the *first* decides how it stands to what others insert there: the rest
//! descends from it.
//!
//! Costs: O(log pieces) an edit.

use super::draft::{Draft, Length, Piece};
use super::operations::Source;
use crate::tree::{Found, Item, NARROW, Tree};
use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

/// The run of the pieces of the text that a branch began with; how many chars of that come before is their offset.
const BASE: u32 = u32::MAX;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    elements: Tree<Element, NARROW>,
}

/// A part of the text at the beginning, or of one insertion.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    piece: Piece,
    is_removed: bool,
}

impl Item for Element {
    type Width = Length;

    fn width(&self) -> Length {
        Length(if self.is_removed { 0 } else { self.piece.len })
    }
}

/// A part of what stands in a branch, from left to right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// Of the text at the beginning.
    Base(u32),
    Inserted(Piece),
}

impl Branch {
    /// A branch that begins with a text of `len` chars.
    pub(crate) fn of_text(len: u32) -> Self {
        let mut elements = Tree::default();
        if len > 0 {
            let piece = Piece { source: Source { run: BASE, offset: 0 }, len };
            elements.insert(elements.first(), Element { piece, is_removed: false }, |_, _| {});
        }
        Self { elements }
    }

    /// The chars that are there now.
    pub(crate) fn len(&self) -> u32 {
        self.elements.total().0
    }

    /// Inserts a piece at `at`, which is within the text. It stands right behind the char before, and so before what was
    /// removed behind that.
    pub(crate) fn insert(&mut self, at: u32, piece: Piece) {
        let element = Element { piece, is_removed: false };
        let Some(before) = at.checked_sub(1) else {
            self.elements.insert(self.elements.first(), element, |_, _| {});
            return;
        };
        let (Found { place, offset, .. }, left) = self.reach(before);
        if offset + 1 < left.piece.len {
            let (left, right) = left.cut(offset + 1);
            self.elements.splice(place, 1, &[left, element, right], |_, _| {});
        } else {
            self.elements.insert(place.behind(), element, |_, _| {});
        }
    }

    /// Removes `count` chars from `at` on, all within the text.
    pub(crate) fn remove(&mut self, at: u32, count: u32) {
        let mut left = count;
        while left > 0 {
            let (Found { place, offset, .. }, element) = self.reach(at);
            let (mut parts, mut rest) = ([element; 3], element);
            let mut many = 0;
            if offset > 0 {
                (parts[many], rest) = rest.cut(offset);
                many += 1;
            }
            let gone = many;
            if left < rest.piece.len {
                (parts[many], rest) = rest.cut(left);
                many += 1;
            }
            parts[many] = rest;
            parts[gone].is_removed = true;
            left -= parts[gone].piece.len;
            self.elements.splice(place, 1, &parts[..=many], |_, _| {});
        }
    }

    /// The element of a char that is there.
    fn reach(&mut self, at: u32) -> (Found<Length>, Element) {
        let found = self.elements.seek(at, |len| len.0);
        match found.and_then(|found| self.elements.get(found.place).map(|&element| (found, element))) {
            Some(reached) => reached,
            None => unreachable!("char {at} of {}", self.len()),
        }
    }

    /// Everything that is or was there, and whether it was removed.
    fn parts(&self) -> impl Iterator<Item = (Part, bool)> {
        self.elements.iter().map(|&Element { piece, is_removed }| match piece.source.run {
            BASE => (Part::Base(piece.len), is_removed),
            _ => (Part::Inserted(piece), is_removed),
        })
    }
}

impl Element {
    /// The first `at` chars, and the rest.
    fn cut(self, at: u32) -> (Self, Self) {
        let mut left = self;
        let piece = left.piece.split_off(at);
        (left, Self { piece, ..self })
    }
}

/// What some branches of one text have done, to be brought together.
#[derive(Debug, Default)]
pub(crate) struct Branches {
    insertions: Vec<Insertion>,
    pieces: Vec<Piece>,
    /// Chars of the text at the beginning.
    removed: Vec<Range<u32>>,
}

/// What one branch has inserted in one gap.
#[derive(Clone, Copy, Debug)]
struct Insertion {
    /// Before which char.
    at: u32,
    /// What was inserted first, whether it is there still or not.
    first: Source,
    /// Where its pieces start and end in [`Branches::pieces`].
    pieces: (u32, u32),
}

impl Branches {
    /// Adds a branch of the same text.
    pub(crate) fn add(&mut self, branch: &Branch) {
        let (mut at, mut open) = (0, None::<Insertion>);
        for (part, is_removed) in branch.parts() {
            match part {
                Part::Base(len) => {
                    self.insertions.extend(open.take());
                    if is_removed {
                        self.removed.push(at..at + len);
                    }
                    at += len;
                }
                Part::Inserted(piece) => {
                    let none = self.pieces.len() as u32;
                    let insertion = open.get_or_insert(Insertion { at, first: piece.source, pieces: (none, none) });
                    insertion.first = insertion.first.min(piece.source);
                    if !is_removed {
                        self.pieces.push(piece);
                        insertion.pieces.1 += 1;
                    }
                }
            }
        }
        self.insertions.extend(open);
    }

    /// Makes all of it to a draft of the text. `order` says which of two insertions stands first in T. O(n log b) for the n
    /// pieces of b branches, and the draft's edits.
    pub(crate) fn draw(mut self, draft: &mut Draft, order: impl Fn(Source, Source) -> Ordering) {
        // These are as many ascending rows as there are branches, which a stable sort merges.
        self.insertions.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| order(a.first, b.first)));
        self.removed.sort_by_key(|removed| removed.start);
        let mut eraser = Eraser { removed: self.removed.into_iter().peekable(), from: 0, at: 0 };
        for Insertion { at, pieces: (start, end), .. } in self.insertions {
            eraser.go_to(at, draft);
            let pieces = &self.pieces[start as usize..end as usize];
            draft.insert_all(eraser.at, pieces);
            eraser.at += pieces.iter().map(|piece| piece.len).sum::<u32>();
        }
        eraser.go_to(u32::MAX, draft);
    }
}

/// Removes from a draft what was removed, from left to right.
struct Eraser {
    /// Ascending by their starts.
    removed: Peekable<IntoIter<Range<u32>>>,
    /// The char of the text at the beginning that comes next.
    from: u32,
    /// Where that stands in the draft.
    at: u32,
}

impl Eraser {
    /// Goes on to a char of the text at the beginning, or behind all that were removed.
    fn go_to(&mut self, to: u32, draft: &mut Draft) {
        while let Some(range) = self.removed.peek_mut()
            && range.start < to
        {
            // Several branches may have removed the same.
            let start = range.start.max(self.from);
            self.at += start - self.from;
            self.from = start;
            let end = range.end.min(to);
            if end > start {
                draft.remove(self.at, end - start);
                self.from = end;
            }
            if range.end > to {
                range.start = to;
                return;
            }
            self.removed.next();
        }
        if to < u32::MAX {
            self.at += to - self.from;
            self.from = to;
        }
    }
}
