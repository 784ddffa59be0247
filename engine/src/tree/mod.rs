//! A B+tree of small items in an order given from outside, with sums of their widths at every level.
//!
//! Knows how to find an item by a sum of widths, to insert beside an item, and to climb from an item to its position.
//! Knows nothing of what the items are. Nodes live in two arenas and name each other by number; leaves know their
//! parents, so that a place (leaf and slot) leads upwards. Items are never taken out.
//!
//! Costs, for n items: find, insert, update, prefix and compare are O(log n) with a constant of at most one node's
//! width a level.

mod index;

pub(crate) use index::{Index, Run};

use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::{AddAssign, SubAssign};

/// Items of a leaf and children of a node. Small in unit tests, so that short histories split nodes at every level; in
/// a build for use a leaf of 16 items of 24 bytes is six cache lines, which measured best among 8, 16, 32 and 64.
const FANOUT: usize = if cfg!(test) { 4 } else { 16 };

/// What a [`Tree`] holds.
pub(crate) trait Item: Copy + Default + Debug {
    /// What is summed up: one or more counts.
    type Width: Copy + Default + AddAssign + SubAssign + PartialEq + Debug;

    fn width(&self) -> Self::Width;
}

/// The number of a leaf. It stays the same for the life of the tree; items move between leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LeafId(u32);

/// Where an item stands now: valid until the next insertion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) leaf: LeafId,
    pub(crate) slot: usize,
}

/// An item found by a sum of widths.
pub(crate) struct Found<W> {
    pub(crate) place: Place,
    /// How far into the item, in the unit that was searched by.
    pub(crate) offset: u32,
    /// The sum of everything before the item.
    pub(crate) before: W,
}

/// Invariant: a node's `widths[i]` is the sum of everything below `children[i]`; all leaves are equally deep; `next`
/// links the leaves from left to right.
#[derive(Clone, Debug)]
pub(crate) struct Tree<T: Item> {
    leaves: Vec<Leaf<T>>,
    nodes: Vec<Node<T::Width>>,
    /// A leaf while `height` is 0, else a node.
    root: u32,
    height: u32,
    total: T::Width,
}

#[derive(Clone, Debug)]
struct Leaf<T> {
    items: [T; FANOUT],
    len: usize,
    parent: Option<u32>,
    next: Option<LeafId>,
}

#[derive(Clone, Debug)]
struct Node<W> {
    children: [u32; FANOUT],
    widths: [W; FANOUT],
    len: usize,
    parent: Option<u32>,
}

impl<T: Item> Default for Tree<T> {
    fn default() -> Self {
        let leaf = Leaf { items: [T::default(); FANOUT], len: 0, parent: None, next: None };
        Self { leaves: vec![leaf], nodes: Vec::new(), root: 0, height: 0, total: T::Width::default() }
    }
}

impl<T: Item> Tree<T> {
    pub(crate) fn total(&self) -> T::Width {
        self.total
    }

    /// Before the first item.
    pub(crate) fn first(&self) -> Place {
        let mut child = self.root;
        for _ in 0..self.height {
            child = self.nodes[child as usize].children[0];
        }
        Place { leaf: LeafId(child), slot: 0 }
    }

    /// The item at a place, unless the place is behind the last item.
    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        let leaf = &self.leaves[place.leaf.0 as usize];
        leaf.items[..leaf.len].get(place.slot)
    }

    /// The items of one leaf, in order.
    pub(crate) fn leaf_items(&self, leaf: LeafId) -> &[T] {
        let leaf = &self.leaves[leaf.0 as usize];
        &leaf.items[..leaf.len]
    }

    /// The place behind this item, moved on to the next leaf where this one ends and another follows.
    pub(crate) fn after(&self, place: Place) -> Place {
        self.settled(Place { leaf: place.leaf, slot: place.slot + 1 })
    }

    fn settled(&self, place: Place) -> Place {
        let leaf = &self.leaves[place.leaf.0 as usize];
        match leaf.next {
            Some(next) if place.slot >= leaf.len => Place { leaf: next, slot: 0 },
            _ => place,
        }
    }

    /// All items from left to right.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut place = self.first();
        std::iter::from_fn(move || {
            let item = self.get(place)?;
            place = self.after(place);
            Some(item)
        })
    }

    /// The item that holds unit number `target` of the measure, or `None` when the tree holds no more than that.
    pub(crate) fn find(&self, target: u32, measure: impl Fn(&T::Width) -> u32) -> Option<Found<T::Width>> {
        if target >= measure(&self.total) {
            return None;
        }
        let (mut before, mut left, mut child) = (T::Width::default(), target, self.root);
        for _ in 0..self.height {
            let node = &self.nodes[child as usize];
            let mut slot = 0;
            while left >= measure(&node.widths[slot]) {
                left -= measure(&node.widths[slot]);
                before += node.widths[slot];
                slot += 1;
            }
            child = node.children[slot];
        }
        let leaf = &self.leaves[child as usize];
        let mut slot = 0;
        loop {
            let width = leaf.items[slot].width();
            if left < measure(&width) {
                return Some(Found { place: Place { leaf: LeafId(child), slot }, offset: left, before });
            }
            left -= measure(&width);
            before += width;
            slot += 1;
        }
    }

    /// The sum of everything before a place.
    pub(crate) fn before(&self, place: Place) -> T::Width {
        let leaf = &self.leaves[place.leaf.0 as usize];
        let mut sum = T::Width::default();
        leaf.items[..place.slot].iter().for_each(|item| sum += item.width());
        let (mut child, mut parent) = (place.leaf.0, leaf.parent);
        while let Some(number) = parent {
            let node = &self.nodes[number as usize];
            let slot = node.slot_of(child);
            node.widths[..slot].iter().for_each(|width| sum += *width);
            (child, parent) = (number, node.parent);
        }
        sum
    }

    /// Which of two items stands first.
    pub(crate) fn compare(&self, a: Place, b: Place) -> Ordering {
        if a.leaf == b.leaf {
            return a.slot.cmp(&b.slot);
        }
        let (mut left, mut right) = (a.leaf.0, b.leaf.0);
        let mut parents = (self.leaves[left as usize].parent, self.leaves[right as usize].parent);
        loop {
            let (Some(above_left), Some(above_right)) = parents else {
                unreachable!("two leaves of one tree meet at its root");
            };
            if above_left == above_right {
                let node = &self.nodes[above_left as usize];
                return node.slot_of(left).cmp(&node.slot_of(right));
            }
            (left, right) = (above_left, above_right);
            parents = (self.nodes[left as usize].parent, self.nodes[right as usize].parent);
        }
    }

    /// Changes an item in its place.
    pub(crate) fn update(&mut self, place: Place, change: impl FnOnce(&mut T)) {
        let item = &mut self.leaves[place.leaf.0 as usize].items[place.slot];
        let old = item.width();
        change(item);
        let new = item.width();
        if old != new {
            self.change_sums(place.leaf, old, new);
        }
    }

    /// Puts an item before the one at `place` (or behind the last of its leaf). `moved` hears of every item that
    /// changes its leaf. Returns the place of the new item.
    pub(crate) fn insert(&mut self, place: Place, item: T, mut moved: impl FnMut(&T, LeafId)) -> Place {
        let mut place = place;
        if self.leaves[place.leaf.0 as usize].len == FANOUT {
            let right = self.split_leaf(place.leaf, &mut moved);
            let left_len = self.leaves[place.leaf.0 as usize].len;
            if place.slot > left_len {
                place = Place { leaf: right, slot: place.slot - left_len };
            }
        }
        let leaf = &mut self.leaves[place.leaf.0 as usize];
        leaf.items.copy_within(place.slot..leaf.len, place.slot + 1);
        leaf.items[place.slot] = item;
        leaf.len += 1;
        self.change_sums(place.leaf, T::Width::default(), item.width());
        place
    }

    fn change_sums(&mut self, leaf: LeafId, old: T::Width, new: T::Width) {
        // Added before subtracted, so that no sum passes below zero.
        self.total += new;
        self.total -= old;
        let (mut child, mut parent) = (leaf.0, self.leaves[leaf.0 as usize].parent);
        while let Some(number) = parent {
            let node = &mut self.nodes[number as usize];
            let slot = node.slot_of(child);
            node.widths[slot] += new;
            node.widths[slot] -= old;
            (child, parent) = (number, node.parent);
        }
    }

    fn split_leaf(&mut self, left: LeafId, moved: &mut impl FnMut(&T, LeafId)) -> LeafId {
        let right = LeafId(arena_number(self.leaves.len()));
        let leaf = &mut self.leaves[left.0 as usize];
        let (keep, mut width) = (FANOUT / 2, T::Width::default());
        let mut items = [T::default(); FANOUT];
        for (to, item) in items.iter_mut().zip(&leaf.items[keep..leaf.len]) {
            *to = *item;
            width += item.width();
            moved(item, right);
        }
        let twin = Leaf { items, len: leaf.len - keep, parent: leaf.parent, next: leaf.next };
        leaf.len = keep;
        leaf.next = Some(right);
        let parent = leaf.parent;
        self.leaves.push(twin);
        let parent = self.add_sibling(parent, left.0, right.0, width);
        self.leaves[right.0 as usize].parent = Some(parent);
        if self.leaves[left.0 as usize].parent.is_none() {
            self.leaves[left.0 as usize].parent = Some(parent);
        }
        right
    }

    /// Links `right`, of `width` taken from `left`, into the parent level. Returns the parent of `right`.
    fn add_sibling(&mut self, parent: Option<u32>, left: u32, right: u32, width: T::Width) -> u32 {
        let Some(parent) = parent else {
            return self.grow_root(left, right, width);
        };
        let mut parent = parent;
        let mut slot = self.nodes[parent as usize].slot_of(left);
        // The sums are right until the node is split, so that the two halves are too.
        if self.nodes[parent as usize].len == FANOUT {
            let twin = self.split_node(parent);
            let left_len = self.nodes[parent as usize].len;
            if slot >= left_len {
                (parent, slot) = (twin, slot - left_len);
            }
        }
        self.nodes[parent as usize].widths[slot] -= width;
        self.nodes[parent as usize].insert(slot + 1, right, width);
        parent
    }

    fn grow_root(&mut self, left: u32, right: u32, right_width: T::Width) -> u32 {
        let mut left_width = self.total;
        left_width -= right_width;
        let mut node = Node { children: [0; FANOUT], widths: [T::Width::default(); FANOUT], len: 0, parent: None };
        node.insert(0, left, left_width);
        node.insert(1, right, right_width);
        self.root = arena_number(self.nodes.len());
        self.height += 1;
        self.nodes.push(node);
        self.root
    }

    fn split_node(&mut self, left: u32) -> u32 {
        let right = arena_number(self.nodes.len());
        let node = &mut self.nodes[left as usize];
        let keep = FANOUT / 2;
        let mut twin =
            Node { children: [0; FANOUT], widths: [T::Width::default(); FANOUT], len: 0, parent: node.parent };
        let mut width = T::Width::default();
        for slot in keep..node.len {
            twin.insert(slot - keep, node.children[slot], node.widths[slot]);
            width += node.widths[slot];
        }
        node.len = keep;
        let parent = node.parent;
        let children = twin.children;
        let moved = &children[..twin.len];
        self.nodes.push(twin);
        if self.is_above_leaves(left) {
            moved.iter().for_each(|&child| self.leaves[child as usize].parent = Some(right));
        } else {
            moved.iter().for_each(|&child| self.nodes[child as usize].parent = Some(right));
        }
        let parent = self.add_sibling(parent, left, right, width);
        self.nodes[right as usize].parent = Some(parent);
        if self.nodes[left as usize].parent.is_none() {
            self.nodes[left as usize].parent = Some(parent);
        }
        right
    }

    /// The nodes right above the leaves are those as deep as the tree is high.
    fn is_above_leaves(&self, node: u32) -> bool {
        let (mut depth, mut parent) = (0, self.nodes[node as usize].parent);
        while let Some(above) = parent {
            depth += 1;
            parent = self.nodes[above as usize].parent;
        }
        depth + 1 == self.height
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        let mut leaves = Vec::new();
        let sum = self.assert_below(self.root, self.height, None, &mut leaves);
        assert_eq!(sum, self.total, "the total is not the sum of the items");
        for pair in leaves.windows(2) {
            assert_eq!(self.leaves[pair[0] as usize].next, Some(LeafId(pair[1])), "leaf {} is linked wrongly", pair[0]);
        }
        let last = leaves.last().map(|&leaf| self.leaves[leaf as usize].next);
        assert_eq!(last, Some(None), "the last leaf has a successor");
    }

    #[cfg(test)]
    fn assert_below(&self, number: u32, height: u32, parent: Option<u32>, leaves: &mut Vec<u32>) -> T::Width {
        let mut sum = T::Width::default();
        if height == 0 {
            let leaf = &self.leaves[number as usize];
            assert_eq!(leaf.parent, parent, "leaf {number} does not know its parent");
            leaf.items[..leaf.len].iter().for_each(|item| sum += item.width());
            leaves.push(number);
            return sum;
        }
        let node = &self.nodes[number as usize];
        assert_eq!(node.parent, parent, "node {number} does not know its parent");
        for slot in 0..node.len {
            let below = self.assert_below(node.children[slot], height - 1, Some(number), leaves);
            assert_eq!(below, node.widths[slot], "node {number} has a wrong sum for child {slot}");
            sum += below;
        }
        sum
    }
}

impl<W: Copy> Node<W> {
    fn slot_of(&self, child: u32) -> usize {
        match self.children[..self.len].iter().position(|&other| other == child) {
            Some(slot) => slot,
            None => unreachable!("child {child} is not among its parent's children {:?}", &self.children[..self.len]),
        }
    }

    fn insert(&mut self, slot: usize, child: u32, width: W) {
        self.children.copy_within(slot..self.len, slot + 1);
        self.widths.copy_within(slot..self.len, slot + 1);
        self.children[slot] = child;
        self.widths[slot] = width;
        self.len += 1;
    }
}

/// Arenas hold fewer nodes than a log holds events, which is below 2³⁰.
fn arena_number(len: usize) -> u32 {
    u32::try_from(len).expect("an arena holds fewer than 2^32 nodes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Default, Debug, PartialEq)]
    struct Word {
        name: u32,
        length: u32,
    }

    impl Item for Word {
        type Width = u32;
        fn width(&self) -> u32 {
            self.length
        }
    }

    #[test]
    fn a_tree_is_a_list_that_finds_by_sums() {
        let mut state = 7u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % below as u64) as usize
        };
        let (mut tree, mut model) = (Tree::<Word>::default(), Vec::<Word>::new());
        let mut leaf_of = std::collections::HashMap::new();
        for name in 0..600 {
            let at = random(model.len() + 1);
            let word = Word { name, length: random(4) as u32 };
            let place = nth(&tree, at);
            let mut moves = Vec::new();
            let place = tree.insert(place, word, |item, leaf| moves.push((item.name, leaf)));
            leaf_of.extend(moves);
            leaf_of.insert(name, place.leaf);
            model.insert(at, word);
            if !model.is_empty() {
                let changed = random(model.len());
                model[changed].length = random(4) as u32;
                let place = nth(&tree, changed);
                tree.update(place, |item| item.length = model[changed].length);
            }
            tree.assert_invariants();
            assert!(tree.iter().eq(model.iter()));
        }
        let mut before = 0;
        for (at, word) in model.iter().enumerate() {
            let place = nth(&tree, at);
            assert_eq!(leaf_of[&word.name], place.leaf, "item {} was not followed to its leaf", word.name);
            assert_eq!(tree.before(place), before);
            for offset in 0..word.length {
                let found = tree.find(before + offset, |width| *width).expect("within the total");
                assert_eq!((found.place, found.offset, found.before), (place, offset, before));
            }
            let other = random(model.len());
            assert_eq!(tree.compare(place, nth(&tree, other)), at.cmp(&other));
            before += word.length;
        }
        assert!(tree.find(before, |width| *width).is_none());
    }

    fn nth(tree: &Tree<Word>, at: usize) -> Place {
        let mut place = tree.first();
        (0..at).for_each(|_| place = tree.after(place));
        place
    }
}
