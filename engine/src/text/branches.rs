//! What branches of one text have done, each by itself, brought together.
//!
//! What was removed in any of them is removed. What two of them inserted in different gaps of the text does not meet. Of
//! all that one branch inserts in a gap, the *first* decides how it stands to what others insert there: the rest descends
//! from it. And the first ones of all branches have the same origins to both sides, so T puts them in order (Weidner &
//! Kleppmann 2023, section 3: elements that have the same parent, side and right origin).

use super::branch::{Branch, Part};
use super::draft::{Draft, Piece};
use super::operations::Source;
use std::cmp::Ordering;
use std::iter::Peekable;
use std::ops::Range;
use std::vec::IntoIter;

/// See the module.
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
    pub(crate) fn add(&mut self, branch: &mut Branch) {
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
    /// pieces of b branches, `order` for each two in one gap, and the draft's edits.
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
    /// Ascending by their starts, but for the first, of which what lies before `from` is done.
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
