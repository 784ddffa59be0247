//! The least of a number that every item has, for each node: to pass over what is too high without looking at it.
//!
//! Kept from the first time that somebody asks for it; most trees do without. Knows leaves and nodes by their numbers.
//! A node that was split is looked at again when it is asked for, everything else is kept up to date.

use super::{Item, LeafId, Place, Tree};

/// Invariant: as many as there are leaves and nodes; what is known is right, and where a node is known, what is below it
/// is right or not known.
#[derive(Clone, Debug)]
pub(super) struct Lows {
    leaves: Vec<Option<u32>>,
    nodes: Vec<Option<u32>>,
}

impl Lows {
    /// A leaf was split, and its right half is a new one.
    pub(super) fn leaf_was_split(&mut self, left: LeafId) {
        self.leaves[left.0 as usize] = None;
        self.leaves.push(None);
    }

    /// The same of a node.
    pub(super) fn node_was_split(&mut self, left: u32) {
        self.nodes[left as usize] = None;
        self.nodes.push(None);
    }

    /// There is a new node above all others.
    pub(super) fn root_was_added(&mut self) {
        self.nodes.push(None);
    }
}

impl<T: Item, const FANOUT: usize> Tree<T, FANOUT> {
    pub(crate) fn keeps_lows(&self) -> bool {
        self.lows.is_some()
    }

    /// From now on whoever inserts an item tells how low it is ([`Tree::lower`]). O(1) for each leaf, and what is not
    /// known is found out when it is asked for.
    pub(crate) fn keep_lows(&mut self) {
        if self.lows.is_none() {
            self.lows = Some(Lows { leaves: vec![None; self.leaves.len()], nodes: vec![None; self.nodes.len()] });
        }
    }

    /// An item of this leaf is as low as this. O(log n), and mostly O(1).
    pub(crate) fn lower(&mut self, leaf: LeafId, low: u32) {
        let Some(lows) = &mut self.lows else { return };
        let is_new = |known: &mut Option<u32>| match known {
            Some(known) if *known <= low => false,
            Some(known) => {
                *known = low;
                true
            }
            None => true,
        };
        let mut parent = self.leaves[leaf.0 as usize].parent;
        let mut goes_on = is_new(&mut lows.leaves[leaf.0 as usize]);
        while let Some(number) = parent
            && goes_on
        {
            goes_on = is_new(&mut lows.nodes[number as usize]);
            parent = self.nodes[number as usize].parent;
        }
    }

    /// The first item from a place on that is no higher than `most`; `low` tells how low each is. O(log n) where lows
    /// are kept, beside what has been split since the last time.
    pub(crate) fn next_low(&mut self, place: Place, most: u32, low: impl Fn(&T) -> u32) -> Option<Place> {
        if let Some(found) = self.next_low_in_leaf(place, most, &low) {
            return Some(found);
        }
        let (mut child, mut parent, mut above) = (place.leaf.0, self.leaves[place.leaf.0 as usize].parent, 0);
        while let Some(number) = parent {
            let node = &self.nodes[number as usize];
            let (right, up) = (node.slot_of(child) + 1, node.parent);
            if let Some(mut child) = self.low_child(number, right, above, most, &low) {
                for above in (0..above).rev() {
                    child = self.low_child(child, 0, above, most, &low)?;
                }
                return self.next_low_in_leaf(Place { leaf: LeafId(child), slot: 0 }, most, low);
            }
            (child, parent, above) = (number, up, above + 1);
        }
        None
    }

    fn next_low_in_leaf(&self, place: Place, most: u32, low: impl Fn(&T) -> u32) -> Option<Place> {
        let items = self.leaf_items(place.leaf).get(place.slot..)?;
        let ahead = items.iter().position(|item| low(item) <= most)?;
        Some(Place { slot: place.slot + ahead, ..place })
    }

    /// The first child of a node, from a slot on, below which something is no higher than `most`. The children are
    /// leaves when nothing is `between`.
    fn low_child(&mut self, node: u32, from: usize, between: u32, most: u32, low: &impl Fn(&T) -> u32) -> Option<u32> {
        (from..self.nodes[node as usize].len).find_map(|slot| {
            let child = self.nodes[node as usize].children[slot];
            (self.low_of(child, between, low) <= most).then_some(child)
        })
    }

    /// The least below a leaf, or below a node so high above the leaves. Nothing is as high as `MAX`, which an empty
    /// leaf has.
    fn low_of(&mut self, number: u32, height: u32, low: &impl Fn(&T) -> u32) -> u32 {
        let Some(lows) = &self.lows else { return 0 };
        let known = if height == 0 { lows.leaves[number as usize] } else { lows.nodes[number as usize] };
        if let Some(known) = known {
            return known;
        }
        let least = if height == 0 {
            self.leaf_items(LeafId(number)).iter().map(low).min()
        } else {
            let children = 0..self.nodes[number as usize].len;
            children.map(|slot| self.low_of(self.nodes[number as usize].children[slot], height - 1, low)).min()
        };
        let least = least.unwrap_or(u32::MAX);
        if let Some(lows) = &mut self.lows {
            let known = if height == 0 { &mut lows.leaves } else { &mut lows.nodes };
            known[number as usize] = Some(least);
        }
        least
    }

    /// What is known of lows is right.
    #[cfg(test)]
    pub(crate) fn assert_lows(&self, low: impl Fn(&T) -> u32) {
        let Some(lows) = &self.lows else { return };
        assert_eq!((lows.leaves.len(), lows.nodes.len()), (self.leaves.len(), self.nodes.len()), "what has lows");
        let (mut known, mut plain) = (self.clone(), self.clone());
        plain.lows = None;
        plain.keep_lows();
        for (number, expected) in lows.leaves.iter().enumerate() {
            let least = plain.low_of(number as u32, 0, &low);
            assert!(expected.is_none_or(|known| known == least), "leaf {number}: {expected:?}, not {least}");
        }
        let mut below: Vec<(u32, u32)> = vec![(self.root, self.height)];
        while let Some((number, height)) = below.pop() {
            let found = (known.low_of(number, height, &low), plain.low_of(number, height, &low));
            assert_eq!(found.0, found.1, "the least below {number}, {height} above the leaves");
            if height > 0 {
                let node = &self.nodes[number as usize];
                below.extend(node.children[..node.len].iter().map(|&child| (child, height - 1)));
            }
        }
    }
}
