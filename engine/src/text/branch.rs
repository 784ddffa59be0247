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
//! Pieces stand in rows, rows in sections and sections in chapters, each beside the sums of the next. A *section* is as large as
//! fits into the processor's cache. Where somebody types here and there in a long text, nearly every edit is in another section,
//! so edits *wait* there until they are many: what a section is made of comes into the cache once for all of them (a buffer
//! tree: Arge 1995).
//!
//! Costs: O(1) an edit and a few sums, of which each stands for some 24 pieces, or 64 times as many; chapters, of which a
//! branch of a million pieces has some twenty, sixty where it was gone through from left to right, are passed eight at a time.

use super::draft::Piece;
use super::operations::Source;

/// The run of the pieces of the text that a branch began with; how many chars of that come before is their offset.
const BASE: u32 = u32::MAX;

/// Edits that wait for others in a section. Few in unit tests, so that there are many sections.
const MOST_WAITING: usize = if cfg!(test) { 3 } else { 1024 };

/// A section of more rows is divided.
const MOST_ROWS: usize = if cfg!(test) { 4 } else { 64 };

/// A row of more elements is divided.
const MOST_IN_ROW: usize = if cfg!(test) { 3 } else { 32 };

/// A chapter of more sections is divided.
const MOST_SECTIONS: usize = if cfg!(test) { 4 } else { 64 };

/// Sums that are passed at once.
const STRIDE: usize = if cfg!(test) { 2 } else { 8 };

/// See the module.
///
/// Invariant: a sum is the chars of what has its number, as it is when the edits that wait there have been made.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    sums: Vec<u32>,
    chapters: Vec<Chapter>,
}

#[derive(Clone, Debug)]
struct Chapter {
    sums: Vec<u32>,
    sections: Vec<Section>,
}

/// Sums are late here while edits wait.
#[derive(Clone, Debug)]
struct Section {
    sums: Vec<u32>,
    rows: Vec<Vec<Element>>,
    waiting: Vec<Edit>,
}

/// Positions are chars of the section when everything before it has been done.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Insert { at: u32, piece: Piece },
    Remove { at: u32, count: u32 },
}

/// A part of the text at the beginning, or of one insertion.
#[derive(Clone, Copy, Debug)]
struct Element {
    piece: Piece,
    is_removed: bool,
}

/// The place of a char.
#[derive(Clone, Copy)]
struct Spot {
    row: usize,
    slot: usize,
    /// How many chars of the element come before.
    offset: u32,
}

/// A part of what stands in a branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// So many chars of the text at the beginning.
    Base(u32),
    Inserted(Piece),
}

impl Element {
    fn width(&self) -> u32 {
        if self.is_removed { 0 } else { self.piece.len }
    }

    /// The first `at` chars, and the rest.
    fn cut(self, at: u32) -> (Self, Self) {
        let mut left = self;
        let piece = left.piece.split_off(at);
        (left, Self { piece, ..self })
    }
}

impl Branch {
    /// A branch that begins with a text of `len` chars.
    pub(crate) fn of_text(len: u32) -> Self {
        let piece = Piece { source: Source { run: BASE, offset: 0 }, len };
        let base = Element { piece, is_removed: false };
        let section = Section { sums: vec![len], rows: vec![vec![base]], waiting: Vec::new() };
        let chapter = Chapter { sums: vec![len], sections: vec![section] };
        Self { sums: vec![len], chapters: vec![chapter] }
    }

    /// The chars that are there now. O(chapters).
    pub(crate) fn len(&self) -> u32 {
        self.sums.iter().sum()
    }

    /// Inserts a piece at `at`, which is within the text. It stands right behind the char before, and so before what was
    /// removed behind that.
    pub(crate) fn insert(&mut self, at: u32, piece: Piece) {
        let (chapter, section, at) = match at.checked_sub(1) {
            Some(before) => {
                let (chapter, section, before) = self.reach(before);
                (chapter, section, before + 1)
            }
            None => (0, 0, 0),
        };
        self.sums[chapter] += piece.len;
        self.chapters[chapter].sums[section] += piece.len;
        self.wait(chapter, section, Edit::Insert { at, piece });
    }

    /// Removes `count` chars from `at` on, all within the text.
    pub(crate) fn remove(&mut self, at: u32, count: u32) {
        let mut left = count;
        while left > 0 {
            let (chapter, section, at) = self.reach(at);
            let count = left.min(self.chapters[chapter].sums[section] - at);
            left -= count;
            self.sums[chapter] -= count;
            self.chapters[chapter].sums[section] -= count;
            self.wait(chapter, section, Edit::Remove { at, count });
        }
    }

    /// The chapter and section of a char that is there, and its position in it.
    fn reach(&self, at: u32) -> (usize, usize, u32) {
        let (chapter, at) = find(&self.sums, at);
        let (section, at) = find(&self.chapters[chapter].sums, at);
        (chapter, section, at)
    }

    fn wait(&mut self, chapter: usize, section: usize, edit: Edit) {
        let Chapter { sums, sections } = &mut self.chapters[chapter];
        sections[section].waiting.push(edit);
        if sections[section].waiting.len() < MOST_WAITING {
            return;
        }
        sections[section].settle();
        if sections[section].rows.len() <= MOST_ROWS {
            return;
        }
        let parts = sections[section].divide();
        sums.splice(section..=section, parts.iter().map(Section::len));
        sections.splice(section..=section, parts);
        if sections.len() > MOST_SECTIONS {
            let half = sections.len() / 2;
            let right = Chapter { sums: sums.split_off(half), sections: sections.split_off(half) };
            let len = right.sums.iter().sum();
            self.sums[chapter] -= len;
            self.sums.insert(chapter + 1, len);
            self.chapters.insert(chapter + 1, right);
        }
    }

    /// Everything that is or was there, from left to right, and whether it was removed.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = (Part, bool)> {
        self.chapters.iter_mut().flat_map(|chapter| &mut chapter.sections).for_each(Section::settle);
        let sections = self.chapters.iter().flat_map(|chapter| &chapter.sections);
        sections.flat_map(|section| section.rows.iter().flatten()).map(|&Element { piece, is_removed }| {
            let part = if piece.source.run == BASE { Part::Base(piece.len) } else { Part::Inserted(piece) };
            (part, is_removed)
        })
    }
}

impl Section {
    /// In chars, when nothing waits.
    fn len(&self) -> u32 {
        self.sums.iter().sum()
    }

    /// Makes several sections of one in which nothing waits, and has no rows from then on.
    fn divide(&mut self) -> Vec<Self> {
        let count = self.rows.len().div_ceil(MOST_ROWS / 2);
        let rows = self.rows.len().div_ceil(count);
        let mut parts = Vec::with_capacity(count);
        while !self.rows.is_empty() {
            let count = rows.min(self.rows.len());
            let (sums, rows) = (self.sums.drain(..count).collect(), self.rows.drain(..count).collect());
            parts.push(Self { sums, rows, waiting: Vec::new() });
        }
        parts
    }

    /// Makes the edits that wait.
    fn settle(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        for edit in waiting.drain(..) {
            match edit {
                Edit::Insert { at, piece } => self.insert(at, Element { piece, is_removed: false }),
                Edit::Remove { at, count } => self.remove(at, count),
            }
        }
        self.waiting = waiting;
    }

    fn insert(&mut self, at: u32, element: Element) {
        let Some(before) = at.checked_sub(1) else {
            return self.put(Spot { row: 0, slot: 0, offset: 0 }, 0, &[element]);
        };
        let spot = self.reach(before);
        let left = self.rows[spot.row][spot.slot];
        if spot.offset + 1 < left.piece.len {
            let (left, right) = left.cut(spot.offset + 1);
            self.put(spot, 1, &[left, element, right]);
        } else {
            self.put(Spot { slot: spot.slot + 1, ..spot }, 0, &[element]);
        }
    }

    fn remove(&mut self, at: u32, count: u32) {
        let mut left = count;
        while left > 0 {
            let spot = self.reach(at);
            let element = self.rows[spot.row][spot.slot];
            let (mut parts, mut rest, mut gone) = ([element; 3], element, 0);
            if spot.offset > 0 {
                (parts[0], rest) = rest.cut(spot.offset);
                gone = 1;
            }
            let mut last = gone;
            if left < rest.piece.len {
                (parts[gone], rest) = rest.cut(left);
                last += 1;
            }
            parts[last] = rest;
            parts[gone].is_removed = true;
            left -= parts[gone].piece.len;
            self.put(spot, 1, &parts[..=last]);
        }
    }

    /// Puts elements in the place of the `count` from a spot on, which stand in its row.
    fn put(&mut self, spot: Spot, count: usize, elements: &[Element]) {
        let Spot { row, slot, .. } = spot;
        let width = |elements: &[Element]| elements.iter().map(Element::width).sum::<u32>();
        let old = &self.rows[row][slot..slot + count];
        self.sums[row] = self.sums[row] + width(elements) - width(old);
        self.rows[row].splice(slot..slot + count, elements.iter().copied());
        if self.rows[row].len() > MOST_IN_ROW {
            let left = &mut self.rows[row];
            let mut right = Vec::with_capacity(MOST_IN_ROW + 2);
            right.extend(left.drain(left.len() / 2..));
            let moved = width(&right);
            self.sums[row] -= moved;
            self.rows.insert(row + 1, right);
            self.sums.insert(row + 1, moved);
        }
    }

    /// The place of a char that is there.
    fn reach(&self, at: u32) -> Spot {
        let (row, mut left) = find(&self.sums, at);
        let mut slot = 0;
        while left >= self.rows[row][slot].width() {
            left -= self.rows[row][slot].width();
            slot += 1;
        }
        Spot { row, slot, offset: left }
    }
}

/// Which sum a char is in, and how many of it come before.
#[inline]
fn find(sums: &[u32], at: u32) -> (usize, u32) {
    let (mut left, mut number) = (at, 0);
    // Some at once as long as it goes.
    for some in sums.chunks_exact(STRIDE) {
        let sum = some.iter().fold(0, |sum: u32, next| sum.wrapping_add(*next));
        if left < sum {
            break;
        }
        left -= sum;
        number += STRIDE;
    }
    while left >= sums[number] {
        left -= sums[number];
        number += 1;
    }
    (number, left)
}
