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
//! Pieces stand in *sections*, of which each has so many as fit into the processor's cache, and a tree finds them by position.
//! Where somebody types here and there in a long text, nearly every edit is in another section, so edits *wait* there until
//! they are many: what a section is made of comes into the cache once for all of them (a buffer tree: Arge 1995).
//!
//! Costs: O(log pieces) an edit.

use super::draft::{Length, Piece};
use super::operations::Source;
use crate::tree::{Item, NARROW, Place, Tree};

/// The run of the pieces of the text that a branch began with; how many chars of that come before is their offset.
const BASE: u32 = u32::MAX;

/// Edits that wait for others in a section. Few in unit tests, so that there are many sections.
const MOST_WAITING: usize = if cfg!(test) { 3 } else { 1024 };

/// A section of more rows is divided.
const MOST_ROWS: usize = if cfg!(test) { 4 } else { 64 };

/// A row of more elements is divided.
const MOST_IN_ROW: usize = if cfg!(test) { 3 } else { 32 };

/// Rows that are passed at once.
const STRIDE: usize = if cfg!(test) { 2 } else { 8 };

/// See the module.
///
/// Invariant: a section is as long as it is when the edits that wait there have been made.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    order: Tree<Reference, NARROW>,
    sections: Vec<Section>,
}

/// What the tree knows of a section.
#[derive(Clone, Copy, Debug, Default)]
struct Reference {
    number: u32,
    /// In chars.
    len: u32,
}

impl Item for Reference {
    type Width = Length;

    fn width(&self) -> Length {
        Length(self.len)
    }
}

/// Rows of elements, and the chars of each. There is at least one row, and only then may a row be empty.
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
        let mut order = Tree::default();
        order.insert(order.first(), Reference { number: 0, len }, |_, _| {});
        Self { order, sections: vec![section] }
    }

    /// The chars that are there now.
    pub(crate) fn len(&self) -> u32 {
        self.order.total().0
    }

    /// Inserts a piece at `at`, which is within the text. It stands right behind the char before, and so before what was
    /// removed behind that.
    pub(crate) fn insert(&mut self, at: u32, piece: Piece) {
        let (place, at) = match at.checked_sub(1) {
            Some(before) => self.reach(before, 1),
            None => (self.order.first(), 0),
        };
        self.order.update(place, |section| section.len += piece.len);
        self.wait(place, Edit::Insert { at, piece });
    }

    /// Removes `count` chars from `at` on, all within the text.
    pub(crate) fn remove(&mut self, at: u32, count: u32) {
        let mut left = count;
        while left > 0 {
            let (place, at) = self.reach(at, 0);
            let count = left.min(self.reference(place).len - at);
            left -= count;
            self.order.update(place, |section| section.len -= count);
            self.wait(place, Edit::Remove { at, count });
        }
    }

    /// The section of a char that is there, and the position in it so many chars further on.
    fn reach(&mut self, at: u32, further: u32) -> (Place, u32) {
        match self.order.seek(at, |len| len.0) {
            Some(found) => (found.place, found.offset + further),
            None => unreachable!("char {at} of {}", self.len()),
        }
    }

    fn reference(&self, place: Place) -> Reference {
        match self.order.get(place) {
            Some(reference) => *reference,
            None => unreachable!("no section at {place:?}"),
        }
    }

    fn wait(&mut self, place: Place, edit: Edit) {
        let number = self.reference(place).number as usize;
        let section = &mut self.sections[number];
        section.waiting.push(edit);
        if section.waiting.len() >= MOST_WAITING {
            section.settle();
            if section.rows.len() > MOST_ROWS {
                self.divide(place);
            }
        }
    }

    /// Makes several sections of one in which nothing waits.
    fn divide(&mut self, place: Place) {
        let mut place = place;
        let number = self.reference(place).number as usize;
        let mut rest = self.sections[number].split_off(MOST_ROWS / 2);
        self.order.update(place, |section| section.len -= rest.len());
        while !rest.rows.is_empty() {
            let behind = rest.split_off(rest.rows.len().min(MOST_ROWS / 2));
            let reference = Reference { number: self.sections.len() as u32, len: rest.len() };
            place = self.order.insert(place.behind(), reference, |_, _| {});
            self.sections.push(std::mem::replace(&mut rest, behind));
        }
    }

    /// Everything that is or was there, from left to right, and whether it was removed.
    pub(super) fn parts(&mut self) -> impl Iterator<Item = (Part, bool)> {
        self.sections.iter_mut().for_each(Section::settle);
        let sections = self.order.iter().map(|section| &self.sections[section.number as usize]);
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

    /// Cuts off and returns the rows from `at` on, where nothing waits.
    fn split_off(&mut self, at: usize) -> Self {
        Self { sums: self.sums.split_off(at), rows: self.rows.split_off(at), waiting: Vec::new() }
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
        let (mut left, mut row) = (at, 0);
        // Some rows at once as long as it goes.
        for sums in self.sums.chunks_exact(STRIDE) {
            let sum = sums.iter().fold(0, |sum: u32, row| sum.wrapping_add(*row));
            if left < sum {
                break;
            }
            left -= sum;
            row += STRIDE;
        }
        while left >= self.sums[row] {
            left -= self.sums[row];
            row += 1;
        }
        let mut slot = 0;
        while left >= self.rows[row][slot].width() {
            left -= self.rows[row][slot].width();
            slot += 1;
        }
        Spot { row, slot, offset: left }
    }
}
