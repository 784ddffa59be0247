//! A B+tree of small items in an order given from outside, with sums of their widths at every level.
//!
//! Knows how to find an item by a sum of widths, to insert beside an item, and to climb from an item to its position.
//! Knows nothing of what the items are. Nodes live in two arenas and name each other by number; leaves know their
//! parents, so that a place (leaf and slot) leads upwards. Nodes are never joined: a leaf may become empty.
//!
//! Costs, for n items: find, insert, update, prefix and compare are O(log n) with a constant of at most one node's
//! width a level.

mod index;
mod lows;

pub(crate) use index::{Index, Run};

use lows::Lows;
use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::{AddAssign, SubAssign};

/// Items of a leaf and children of a node, where most look-ups begin at the finger: the wider the leaves, the less often it
/// has to leave. Measured best among 16, 24, 32, 48 and 64. Small in unit tests, so that short histories split nodes at
/// every level.
pub(crate) const WIDE: usize = if cfg!(test) { 4 } else { 64 };

/// The same where places are jumped to: a search passes half a node a level.
pub(crate) const NARROW: usize = if cfg!(test) { 4 } else { 32 };

/// What a [`Tree`] holds.
pub(crate) trait Item: Copy + Default + Debug {
    /// What is summed up: one or more counts.
    type Width: Copy + Default + AddAssign + SubAssign + PartialEq + Debug;

    fn width(&self) -> Self::Width;
}

/// Where something is, seen from the finger's leaf.
enum Near<W> {
    Before,
    Here(Found<W>),
    Behind,
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

impl Place {
    /// The place of what comes next in the same leaf.
    pub(crate) fn behind(self) -> Self {
        Self { leaf: self.leaf, slot: self.slot + 1 }
    }
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
/// links the leaves from left to right; the
/// sums above the finger's leaf lack what changed in it since it became the finger's.
#[derive(Clone, Debug)]
pub(crate) struct Tree<T: Item, const FANOUT: usize> {
    leaves: Vec<Leaf<T, FANOUT>>,
    nodes: Vec<Node<T::Width, FANOUT>>,
    /// A leaf while `height` is 0, else a node.
    root: u32,
    height: u32,
    total: T::Width,
    finger: Option<Finger<T::Width>>,
    lows: Option<Lows>,
}

/// What was sought last. What changes in its leaf is told to the nodes above when the finger leaves.
#[derive(Clone, Copy, Debug)]
struct Finger<W> {
    place: Place,
    /// The sum of everything before the place.
    before: W,
    /// The sum of everything when the finger came. What has changed since has changed in its leaf.
    total: W,
}

#[derive(Clone, Debug)]
struct Leaf<T, const FANOUT: usize> {
    items: [T; FANOUT],
    len: usize,
    parent: Option<u32>,
    /// Its slot in the parent when somebody last climbed from here: mostly it is there still.
    slot: u32,
    next: Option<LeafId>,
}

#[derive(Clone, Debug)]
struct Node<W, const FANOUT: usize> {
    children: [u32; FANOUT],
    widths: [W; FANOUT],
    len: usize,
    parent: Option<u32>,
    /// As of a leaf.
    slot: u32,
}

impl<T: Item, const FANOUT: usize> Default for Tree<T, FANOUT> {
    fn default() -> Self {
        let leaf = Leaf { items: [T::default(); FANOUT], len: 0, parent: None, slot: 0, next: None };
        Self {
            leaves: vec![leaf],
            nodes: Vec::new(),
            root: 0,
            height: 0,
            total: T::Width::default(),
            finger: None,
            lows: None,
        }
    }
}

impl<T: Item, const FANOUT: usize> Tree<T, FANOUT> {
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

    fn settled(&self, mut place: Place) -> Place {
        loop {
            let leaf = &self.leaves[place.leaf.0 as usize];
            match leaf.next {
                Some(next) if place.slot >= leaf.len => place = Place { leaf: next, slot: 0 },
                _ => return place,
            }
        }
    }

    /// All items from left to right.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let mut place = self.settled(self.first());
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
        let Some(finger) = &self.finger else {
            return self.descend(target, measure);
        };
        match self.find_near(finger, target, &measure) {
            Near::Here(found) => Some(found),
            Near::Before => self.descend(target, measure),
            Near::Behind => {
                // There the sums are late by as much as the finger's leaf has grown.
                let mut found = self.descend(target + measure(&finger.total) - measure(&self.total), measure)?;
                found.before += self.total;
                found.before -= finger.total;
                Some(found)
            }
        }
    }

    /// The same by the sums of the nodes.
    fn descend(&self, target: u32, measure: impl Fn(&T::Width) -> u32) -> Option<Found<T::Width>> {
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
        for (slot, item) in leaf.items[..leaf.len].iter().enumerate() {
            let width = item.width();
            if left < measure(&width) {
                return Some(Found { place: Place { leaf: LeafId(child), slot }, offset: left, before });
            }
            left -= measure(&width);
            before += width;
        }
        None
    }

    /// The same, and remembers the place for the next time. O(1) near the place of the last time.
    #[inline]
    pub(crate) fn seek(&mut self, target: u32, measure: impl Fn(&T::Width) -> u32) -> Option<Found<T::Width>> {
        if let Some(finger) = &self.finger
            && let Near::Here(found) = self.find_near(finger, target, &measure)
        {
            self.finger = Some(Finger { place: found.place, before: found.before, ..*finger });
            return Some(found);
        }
        if target >= measure(&self.total) {
            return None;
        }
        self.lift_finger();
        let found = self.descend(target, measure)?;
        self.finger = Some(Finger { place: found.place, before: found.before, total: self.total });
        Some(found)
    }

    /// Goes from the finger to both sides, within its leaf.
    #[inline]
    fn find_near(&self, finger: &Finger<T::Width>, target: u32, measure: impl Fn(&T::Width) -> u32) -> Near<T::Width> {
        let &Finger { place: Place { leaf, mut slot }, mut before, .. } = finger;
        let Leaf { items, len, .. } = &self.leaves[leaf.0 as usize];
        while target < measure(&before) {
            let Some(left) = slot.checked_sub(1) else { return Near::Before };
            slot = left;
            before -= items[slot].width();
        }
        let mut left = target - measure(&before);
        for item in &items[slot.min(*len)..*len] {
            let width = item.width();
            if left < measure(&width) {
                return Near::Here(Found { place: Place { leaf, slot }, offset: left, before });
            }
            left -= measure(&width);
            before += width;
            slot += 1;
        }
        Near::Behind
    }

    /// The sum of everything before a place.
    pub(crate) fn before(&self, place: Place) -> T::Width {
        let leaf = &self.leaves[place.leaf.0 as usize];
        let mut sum = T::Width::default();
        if let Some(finger) = &self.finger
            && finger.place.leaf == place.leaf
            && finger.place.slot <= place.slot
        {
            sum += finger.before;
            leaf.items[finger.place.slot..place.slot].iter().for_each(|item| sum += item.width());
            return sum;
        }
        leaf.items[..place.slot].iter().for_each(|item| sum += item.width());
        let (mut child, mut parent) = (place.leaf.0, leaf.parent);
        while let Some(number) = parent {
            let node = &self.nodes[number as usize];
            let slot = node.slot_of(child);
            node.widths[..slot].iter().for_each(|width| sum += *width);
            (child, parent) = (number, node.parent);
        }
        // Last, as less may stand there now than when the finger came.
        if let Some(finger) = &self.finger
            && finger.place.leaf != place.leaf
            && self.compare(finger.place, place) == Ordering::Less
        {
            sum += self.total;
            sum -= finger.total;
        }
        sum
    }

    /// The first item from a place on whose width `has` what is looked for, as a sum has it where an item has.
    pub(crate) fn next_with(&mut self, place: Place, has: impl Fn(&T::Width) -> bool) -> Option<Place> {
        if let Some(found) = self.next_in_leaf(place, &has) {
            return Some(found);
        }
        // Further away the sums have to be right.
        self.lift_finger();
        self.next_by_sums(place, has)
    }

    /// The same without a change: one by one as long as there is a finger, which only seeking sets.
    pub(crate) fn look_for(&self, place: Place, has: impl Fn(&T::Width) -> bool) -> Option<Place> {
        if let Some(found) = self.next_in_leaf(place, &has) {
            return Some(found);
        }
        if self.finger.is_none() {
            return self.next_by_sums(place, has);
        }
        let places = std::iter::successors(Some(place), |&place| self.get(place).map(|_| self.after(place)));
        places.into_iter().find(|&place| self.get(place).is_some_and(|item| has(&item.width())))
    }

    /// The first item behind the leaf of a place, by sums that are right.
    fn next_by_sums(&self, place: Place, has: impl Fn(&T::Width) -> bool) -> Option<Place> {
        let (mut child, mut parent, mut above) = (place.leaf.0, self.leaves[place.leaf.0 as usize].parent, 0);
        while let Some(number) = parent {
            let node = &self.nodes[number as usize];
            let right = node.slot_of(child) + 1;
            if let Some(slot) = (right..node.len).find(|&slot| has(&node.widths[slot])) {
                let mut child = node.children[slot];
                for _ in 0..above {
                    let node = &self.nodes[child as usize];
                    child = node.children[node.widths[..node.len].iter().position(&has)?];
                }
                return self.next_in_leaf(Place { leaf: LeafId(child), slot: 0 }, has);
            }
            (child, parent, above) = (number, node.parent, above + 1);
        }
        None
    }

    fn next_in_leaf(&self, place: Place, has: impl Fn(&T::Width) -> bool) -> Option<Place> {
        let items = self.leaf_items(place.leaf).get(place.slot..)?;
        let ahead = items.iter().position(|item| has(&item.width()))?;
        Some(Place { slot: place.slot + ahead, ..place })
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
            self.change_sums(place, old, new);
        }
    }

    /// Puts an item before the one at `place` (or behind the last of its leaf). `moved` hears of every item that
    /// changes its leaf. Returns the place of the new item.
    pub(crate) fn insert(&mut self, place: Place, item: T, mut moved: impl FnMut(&T, LeafId)) -> Place {
        let mut place = place;
        if self.leaves[place.leaf.0 as usize].len == FANOUT {
            self.lift_finger();
            // Where things are added at an end, they go on being added there, and leaves are left full.
            let keep = match place.slot {
                0 => 1,
                slot if slot == FANOUT => FANOUT - 1,
                _ => FANOUT / 2,
            };
            let right = self.split_leaf(place.leaf, keep, &mut moved);
            let left_len = self.leaves[place.leaf.0 as usize].len;
            if place.slot > left_len {
                place = Place { leaf: right, slot: place.slot - left_len };
            }
        }
        let leaf = &mut self.leaves[place.leaf.0 as usize];
        leaf.items.copy_within(place.slot..leaf.len, place.slot + 1);
        leaf.items[place.slot] = item;
        leaf.len += 1;
        self.change_sums(place, T::Width::default(), item.width());
        place
    }

    /// The place behind the last item.
    pub(crate) fn behind_all(&self) -> Place {
        let mut child = self.root;
        for _ in 0..self.height {
            let node = &self.nodes[child as usize];
            child = node.children[node.len - 1];
        }
        Place { leaf: LeafId(child), slot: self.leaves[child as usize].len }
    }

    /// Puts items in the place of the `count` items from `place` on, which stand in one leaf. `moved` hears of every
    /// new item and of every other one that changes its leaf.
    #[inline]
    pub(crate) fn splice(&mut self, place: Place, count: usize, items: &[T], mut moved: impl FnMut(&T, LeafId)) {
        let leaf = &mut self.leaves[place.leaf.0 as usize];
        let end = place.slot + count;
        if leaf.len - count + items.len() > FANOUT {
            (0..count).for_each(|_| self.remove(place));
            let mut next = place;
            for item in items {
                let place = self.insert(next, *item, &mut moved);
                moved(item, place.leaf);
                next = place.behind();
            }
            return;
        }
        let (mut gone, mut come) = (T::Width::default(), T::Width::default());
        leaf.items[place.slot..end].iter().for_each(|item| gone += item.width());
        for item in items {
            come += item.width();
            moved(item, place.leaf);
        }
        leaf.items.copy_within(end..leaf.len, place.slot + items.len());
        leaf.items[place.slot..place.slot + items.len()].copy_from_slice(items);
        leaf.len = leaf.len - count + items.len();
        self.change_sums(place, gone, come);
    }

    /// Takes an item out. Those behind it in its leaf move up.
    pub(crate) fn remove(&mut self, place: Place) {
        let leaf = &mut self.leaves[place.leaf.0 as usize];
        let width = leaf.items[place.slot].width();
        leaf.items.copy_within(place.slot + 1..leaf.len, place.slot);
        leaf.len -= 1;
        self.change_sums(place, width, T::Width::default());
    }

    #[inline]
    fn change_sums(&mut self, place: Place, old: T::Width, new: T::Width) {
        let in_reach = |finger: &Finger<_>| finger.place.leaf == place.leaf && finger.place.slot <= place.slot;
        if !self.finger.as_ref().is_some_and(in_reach) {
            self.lift_finger();
            self.change_sums_above(place.leaf, old, new);
        }
        // Added before subtracted, so that no sum passes below zero.
        self.total += new;
        self.total -= old;
    }

    /// Tells the nodes above the finger's leaf what has changed in it.
    fn lift_finger(&mut self) {
        if let Some(finger) = self.finger.take()
            && finger.total != self.total
        {
            self.change_sums_above(finger.place.leaf, finger.total, self.total);
        }
    }

    fn change_sums_above(&mut self, leaf: LeafId, old: T::Width, new: T::Width) {
        let Leaf { parent: Some(mut number), slot: ref mut hint, .. } = self.leaves[leaf.0 as usize] else { return };
        let mut slot = self.nodes[number as usize].slot_near(leaf.0, *hint);
        *hint = slot as u32;
        loop {
            let node = &mut self.nodes[number as usize];
            node.widths[slot] += new;
            node.widths[slot] -= old;
            let (Some(above), hint) = (node.parent, node.slot) else { return };
            slot = self.nodes[above as usize].slot_near(number, hint);
            self.nodes[number as usize].slot = slot as u32;
            number = above;
        }
    }

    fn split_leaf(&mut self, left: LeafId, keep: usize, moved: &mut impl FnMut(&T, LeafId)) -> LeafId {
        let right = LeafId(arena_number(self.leaves.len()));
        let leaf = &mut self.leaves[left.0 as usize];
        let mut width = T::Width::default();
        let mut items = [T::default(); FANOUT];
        for (to, item) in items.iter_mut().zip(&leaf.items[keep..leaf.len]) {
            *to = *item;
            width += item.width();
            moved(item, right);
        }
        let twin = Leaf { items, len: leaf.len - keep, parent: leaf.parent, slot: leaf.slot, next: leaf.next };
        leaf.len = keep;
        leaf.next = Some(right);
        let parent = leaf.parent;
        make_room(&mut self.leaves, 1);
        self.leaves.push(twin);
        if let Some(lows) = &mut self.lows {
            lows.leaf_was_split(left);
        }
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
        let mut node =
            Node { children: [0; FANOUT], widths: [T::Width::default(); FANOUT], len: 0, parent: None, slot: 0 };
        node.insert(0, left, left_width);
        node.insert(1, right, right_width);
        self.root = arena_number(self.nodes.len());
        self.height += 1;
        self.nodes.push(node);
        if let Some(lows) = &mut self.lows {
            lows.root_was_added();
        }
        self.root
    }

    fn split_node(&mut self, left: u32) -> u32 {
        let right = arena_number(self.nodes.len());
        let node = &mut self.nodes[left as usize];
        let keep = FANOUT / 2;
        let mut twin =
            Node { children: [0; FANOUT], widths: [T::Width::default(); FANOUT], len: 0, parent: node.parent, slot: 0 };
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
        if let Some(lows) = &mut self.lows {
            lows.node_was_split(left);
        }
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
        let mut even = self.clone();
        even.lift_finger();
        let sum = even.assert_below(self.root, self.height, None, &mut leaves);
        assert_eq!(sum, self.total, "the total is not the sum of the items");
        if let Some(finger) = self.finger {
            assert_eq!(finger.before, even.before(finger.place), "what the finger takes to be before it");
        }
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

impl<W: Copy, const FANOUT: usize> Node<W, FANOUT> {
    /// As [`slot_of`](Self::slot_of), where it stood at `hint` the last time.
    fn slot_near(&self, child: u32, hint: u32) -> usize {
        let hint = hint as usize;
        if hint < self.len && self.children[hint] == child { hint } else { self.slot_of(child) }
    }

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

/// Makes room for more items, where that is needed by half of what there is: there may be millions, and what stays free
/// takes memory as well.
pub(crate) fn make_room<T>(arena: &mut Vec<T>, more: usize) {
    if arena.capacity() - arena.len() < more {
        arena.reserve_exact(more.max(arena.len() / 2));
    }
}

/// Arenas hold fewer nodes than a log holds events, which is below 2³⁰.
fn arena_number(len: usize) -> u32 {
    u32::try_from(len).expect("an arena holds fewer than 2^32 nodes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, seeds};

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
        for seed in seeds(4) {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below(below);
            let (mut tree, mut model) = (Tree::<Word, WIDE>::default(), Vec::<Word>::new());
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
                for _ in 0..random(3) {
                    let changed = random(model.len());
                    model[changed].length = random(4) as u32;
                    let place = nth(&tree, changed);
                    tree.update(place, |item| item.length = model[changed].length);
                    let total: u32 = model.iter().map(|word| word.length).sum();
                    let sought = random(total as usize + 2) as u32;
                    let found = tree.seek(sought, |width| *width).map(|found| tree.get(found.place).copied());
                    assert_eq!(found.is_some(), sought < total);
                    let from = random(model.len());
                    let next = model[from..].iter().find(|word| word.length > 0);
                    let place = tree.next_with(nth(&tree, from), |&width| width > 0);
                    assert_eq!(place.and_then(|place| tree.get(place)), next, "the next from {from} on");
                    let mut left = sought;
                    let expected =
                        model.iter().find(|word| left.checked_sub(word.length).map(|rest| left = rest).is_none());
                    assert_eq!(found, expected.map(|word| Some(*word)));
                    tree.assert_invariants();
                }
                if random(4) == 0 {
                    let gone = random(model.len());
                    tree.remove(nth(&tree, gone));
                    model.remove(gone);
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
    }

    #[test]
    fn a_tree_finds_the_next_low_item() {
        for seed in seeds(4) {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below(below);
            let (mut tree, mut model) = (Tree::<Word, WIDE>::default(), Vec::<Word>::new());
            let low = |word: &Word| word.name;
            for round in 0..800 {
                if round == 100 {
                    tree.keep_lows();
                }
                let at = random(model.len() + 1);
                // Lower and lower, so that the lowest of all is somewhere else time and again.
                let word = Word { name: (1000 - round + random(900)) as u32, length: 1 };
                let place = nth(&tree, at);
                let place = tree.insert(place, word, |_, _| {});
                tree.lower(place.leaf, word.name);
                model.insert(at, word);
                tree.assert_lows(low);
                if tree.keeps_lows() {
                    let (from, most) = (random(model.len()), random(1900) as u32);
                    let found = tree.next_low(nth(&tree, from), most, low).and_then(|place| tree.get(place).copied());
                    assert_eq!(found, model[from..].iter().find(|word| word.name <= most).copied(), "from {from} on");
                }
            }
        }
    }

    /// Widths reach 2³⁰, so what changes under the finger must not be added up.
    #[test]
    fn many_changes_of_large_widths_under_the_finger_cancel() {
        let mut tree = Tree::<Word, WIDE>::default();
        let place = tree.insert(tree.first(), Word { name: 0, length: 1 << 30 }, |_, _| {});
        assert!(tree.seek(7, |width| *width).is_some());
        for change in 0..9 {
            tree.update(place, |word| word.length = (1 << 30) + change);
        }
        assert_eq!(tree.total(), (1 << 30) + 8);
        tree.assert_invariants();
    }

    fn nth(tree: &Tree<Word, WIDE>, at: usize) -> Place {
        // The first leaf may be empty.
        let mut place = tree.settled(tree.first());
        (0..at).for_each(|_| place = tree.after(place));
        tree.settled(place)
    }
}
