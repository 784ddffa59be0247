//! Where many runs stand at one spot: those with the same left origin, in order, so that the place of one more is found
//! without passing them all.
//!
//! Knows elements and their origins by what it is told. A row is only kept for a left origin at which a plain scan had
//! to pass many; most histories have none.
//!
//! The elements with one left origin `l` make a row. Some are right children of `l`; the others are left children of an
//! element of the row, and stand before it:
//!
//! ```text
//! l  [left children of c₁ …] c₁  [left children of c₂ …] c₂  …      each followed by what descends from it
//! ```
//!
//! A plain scan passes over what has another left origin, so that a new element of the row stands either right behind
//! `l` or behind the last element of the row that must come before it, and everything that descends from that one. The right children of `l` are sorted (right origin later first, then T), and so
//! are the left children of each (T).

use super::{ElementId, Origin};
use std::collections::HashMap;

/// Elements of a block.
const BLOCK: usize = if cfg!(test) { 4 } else { 256 };

/// The rows that are kept, by their left origins.
#[derive(Clone, Debug, Default)]
pub(super) struct Spots {
    rows: HashMap<Origin, Row>,
}

/// Invariant: holds all elements with its left origin that stand before `until`, if it is known up to anywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Up to which right origin it is known.
    pub(super) until: Option<Origin>,
    right: Sorted,
    /// Of the elements with one left child, that.
    only: HashMap<ElementId, ElementId>,
    /// The left children of the others.
    left: HashMap<ElementId, Sorted>,
}

/// How an element hangs on the row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// A right child of the left origin.
    Right,
    /// A left child of this element of the row.
    LeftOf(ElementId),
}

impl Spots {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn get(&self, left: Origin) -> Option<&Row> {
        self.rows.get(&left)
    }

    /// The row of a left origin, to be changed and put back.
    pub(super) fn take(&mut self, left: Origin) -> Option<Row> {
        self.rows.remove(&left)
    }

    pub(super) fn put(&mut self, left: Origin, row: Row) {
        self.rows.insert(left, row);
    }
}

impl Row {
    /// Adds an element behind all others.
    pub(super) fn push(&mut self, id: ElementId, side: Side) {
        self.insert(id, side, |_| true);
    }

    /// Adds an element in front of which those stand that `before` tells.
    pub(super) fn insert(&mut self, id: ElementId, side: Side, before: impl Fn(ElementId) -> bool) {
        let parent = match side {
            Side::Right => return self.right.insert(id, before),
            Side::LeftOf(parent) => parent,
        };
        if let Some(children) = self.left.get_mut(&parent) {
            children.insert(id, before);
        } else if let Some(only) = self.only.remove(&parent) {
            self.left.entry(parent).or_insert_with(|| Sorted::of(only)).insert(id, before);
        } else {
            self.only.insert(parent, id);
        }
    }

    /// The last of the elements on one side that `before` tells to stand before a new one.
    pub(super) fn last_before(&self, side: Side, before: impl Fn(ElementId) -> bool) -> Option<ElementId> {
        match side {
            Side::Right => self.right.last_before(before),
            Side::LeftOf(parent) => match self.only.get(&parent) {
                Some(&only) => before(only).then_some(only),
                None => self.left.get(&parent)?.last_before(before),
            },
        }
    }

    /// The first element of the row that descends to the left from `id`, through left children alone, or itself; and how
    /// many there are on the way.
    pub(super) fn leftmost(&self, id: ElementId) -> (ElementId, u64) {
        let first_child = |id| self.only.get(&id).copied().or_else(|| self.left.get(&id)?.first());
        std::iter::successors(first_child(id), |&id| first_child(id)).fold((id, 0), |(_, way), id| (id, way + 1))
    }
}

/// Elements in an order given from outside, in blocks.
///
/// Invariant: no block is empty.
#[derive(Clone, Debug, Default)]
struct Sorted {
    blocks: Vec<Vec<ElementId>>,
}

impl Sorted {
    fn of(id: ElementId) -> Self {
        Self { blocks: vec![vec![id]] }
    }

    fn first(&self) -> Option<ElementId> {
        Some(self.blocks.first()?[0])
    }

    fn insert(&mut self, id: ElementId, before: impl Fn(ElementId) -> bool) {
        if self.blocks.is_empty() {
            *self = Self::of(id);
            return;
        }
        let number = self.blocks.partition_point(|block| before(block[0])).saturating_sub(1);
        let block = &mut self.blocks[number];
        let slot = block.partition_point(|&other| before(other));
        block.insert(slot, id);
        if block.len() > BLOCK {
            let keep = if slot == BLOCK { BLOCK } else { BLOCK / 2 };
            let rest = block.split_off(keep);
            self.blocks.insert(number + 1, rest);
        }
    }

    fn last_before(&self, before: impl Fn(ElementId) -> bool) -> Option<ElementId> {
        let number = self.blocks.partition_point(|block| before(block[0])).checked_sub(1)?;
        let block = &self.blocks[number];
        Some(block[block.partition_point(|&other| before(other)) - 1])
    }
}
