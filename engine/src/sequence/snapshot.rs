//! The elements that exist at one version, in order: for versions that are far from the current one of a sequence.
//!
//! To bring a sequence to another version costs the way there. Where events come by turns from versions far apart, each
//! version is kept as a snapshot instead, and an event is applied to the one that it was made at ([`super::apart`]). A
//! snapshot holds what exists at its version, deleted or not, and nothing else: of events that its version has not seen
//! it is told only when it is brought to a version that has.
//!
//! A B+tree by runs with the visible length at each node, whose nodes are shared between snapshots and copied when they
//! change while shared: a further one costs the nodes in which it differs. Nothing is ever taken out, as deleted
//! elements stay, so nodes are split and never joined.
//!
//! Costs, for n runs: inserting and removing by index O(log n); by the order of the elements as many comparisons as a
//! binary search makes; a clone O(1), and after it O(log n) nodes for a change.

use super::ElementId;
use smallvec::{SmallVec, smallvec};
use std::cmp::Ordering;
use std::sync::Arc;

/// Room in a node. What changes a node may put two more into it before it is split.
const ROOM: usize = 16;
/// Stretches or children of a node. Few in unit tests, so that short histories split nodes at every level.
const MOST: usize = if cfg!(test) { 4 } else { ROOM - 2 };

/// Elements with consecutive ids that stand side by side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stretch {
    pub(super) first: ElementId,
    pub(super) len: u32,
    pub(super) visible: bool,
}

/// Invariant: `visible` is how many elements below `root` are visible.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    root: Arc<Node>,
    visible: u32,
}

/// Invariant: only a root is empty; all leaves are equally deep.
#[derive(Clone, Debug)]
enum Node {
    Leaf(SmallVec<[Stretch; ROOM]>),
    Inner(SmallVec<[Child; ROOM]>),
}

/// Invariant: `first` is the first element below `node`, `visible` how many elements are visible there.
#[derive(Clone, Debug)]
struct Child {
    node: Arc<Node>,
    first: ElementId,
    visible: u32,
}

/// Where a stretch stands: the slots on the way from the root, the last one in a leaf. Valid until the next change.
type Way = SmallVec<[usize; 8]>;

/// What is found by an index or by the order.
struct Found {
    way: Way,
    stretch: Stretch,
    /// How many elements of the stretch are before what was sought.
    offset: u32,
    /// The first element behind the stretch.
    next: Option<ElementId>,
}

impl Stretch {
    fn last(&self) -> ElementId {
        self.first.plus(self.len - 1)
    }

    fn visible_len(&self) -> u32 {
        if self.visible { self.len } else { 0 }
    }

    /// Cuts off and returns what is behind the first `at` elements.
    fn split_off(&mut self, at: u32) -> Self {
        let rest = Self { first: self.first.plus(at), len: self.len - at, ..*self };
        self.len = at;
        rest
    }

    /// Whether another one goes on from this one.
    fn goes_on_with(&self, other: &Self) -> bool {
        self.first.plus(self.len) == other.first && self.visible == other.visible
    }
}

impl Snapshot {
    /// Of these elements from left to right. O(n).
    pub(super) fn of(stretches: impl Iterator<Item = Stretch>) -> Self {
        let mut leaves: Vec<SmallVec<[Stretch; ROOM]>> = vec![SmallVec::new()];
        for stretch in stretches {
            match leaves.last_mut() {
                Some(leaf) if leaf.last().is_some_and(|last| last.goes_on_with(&stretch)) => {
                    leaf.iter_mut().last().into_iter().for_each(|last| last.len += stretch.len);
                }
                Some(leaf) if leaf.len() < MOST => leaf.push(stretch),
                _ => leaves.push(smallvec![stretch]),
            }
        }
        let mut level: Vec<Node> = leaves.into_iter().map(Node::Leaf).collect();
        while level.len() > 1 {
            let children: Vec<Child> = level.into_iter().map(Child::of).collect();
            level = children.chunks(MOST).map(|children| Node::Inner(children.iter().cloned().collect())).collect();
        }
        let root = level.pop().unwrap_or(Node::Leaf(SmallVec::new()));
        Self { visible: root.visible(), root: Arc::new(root) }
    }

    /// How many elements are visible.
    pub(super) fn visible(&self) -> u32 {
        self.visible
    }

    /// Inserts elements with consecutive ids at an index that is not beyond the visible ones. Returns the visible element
    /// before them and the next one, visible or not, behind that.
    pub(super) fn insert(&mut self, index: u32, first: ElementId, len: u32) -> (Option<ElementId>, Option<ElementId>) {
        let new = Stretch { first, len, visible: true };
        let Some(last) = index.checked_sub(1) else {
            let right = self.root.first();
            self.put_first(new);
            return (None, right);
        };
        let found = self.find(last);
        let left = found.stretch.first.plus(found.offset);
        let right = if left == found.stretch.last() { found.next } else { Some(left.plus(1)) };
        self.put_into(&found.way, found.stretch, found.offset + 1, new);
        (Some(left), right)
    }

    /// Removes so many visible elements, the first at `index` and each other one, forwards, at `index` too, or, backwards,
    /// before that. Tells which, as runs of ids in the order in which they go, each from its least id.
    pub(super) fn remove(&mut self, index: u32, count: u32, backward: bool, mut tell: impl FnMut(ElementId, u32)) {
        let (mut index, mut left) = (index, count);
        while left > 0 {
            let found = self.find(index);
            let (start, part) = match backward {
                true => {
                    let part = left.min(found.offset + 1);
                    (found.offset + 1 - part, part)
                }
                false => (found.offset, left.min(found.stretch.len - found.offset)),
            };
            self.hide_in(&found.way, found.stretch, start, part);
            tell(found.stretch.first.plus(start), part);
            left -= part;
            if backward {
                // Nothing is before the first element, and then nothing is left to remove.
                index = index.saturating_sub(part);
            }
        }
    }

    /// Inserts elements with consecutive ids, which stand side by side here, behind those of which `is_before` tells that
    /// they are before them.
    pub(super) fn insert_by(&mut self, first: ElementId, len: u32, is_before: impl Fn(ElementId) -> bool) {
        let new = Stretch { first, len, visible: true };
        let Some((way, stretch)) = self.last_by(&is_before) else { return self.put_first(new) };
        let at = match is_before(stretch.last()) {
            true => stretch.len,
            false => {
                let (mut before, mut behind) = (1, stretch.len - 1);
                while before < behind {
                    let middle = before + (behind - before) / 2;
                    if is_before(stretch.first.plus(middle)) { before = middle + 1 } else { behind = middle }
                }
                before
            }
        };
        self.put_into(&way, stretch, at, new);
    }

    /// Hides the elements with these ids, all of which are here. `compare` tells which of two stands first.
    pub(super) fn hide_by(&mut self, first: ElementId, len: u32, compare: impl Fn(ElementId, ElementId) -> Ordering) {
        let (mut id, end) = (first, first.plus(len));
        while id < end {
            let found = self.last_by(&|other| compare(other, id) != Ordering::Greater);
            let Some((way, stretch)) = found.filter(|(_, stretch)| stretch.first <= id && id <= stretch.last()) else {
                unreachable!("{id:?} is removed at a version at which it does not exist")
            };
            let start = id.0 - stretch.first.0;
            let part = (stretch.len - start).min(end.0 - id.0);
            self.hide_in(&way, stretch, start, part);
            id = id.plus(part);
        }
    }

    /// The visible element with a number, which is one.
    fn find(&self, index: u32) -> Found {
        let (mut way, mut offset, mut next, mut node) = (Way::new(), index, None, &self.root);
        loop {
            match &**node {
                Node::Inner(children) => {
                    let (slot, child) = slot_of(children, &mut offset, |child| child.visible);
                    next = children.get(slot + 1).map(|child| child.first).or(next);
                    way.push(slot);
                    node = &child.node;
                }
                Node::Leaf(stretches) => {
                    let (slot, &stretch) = slot_of(stretches, &mut offset, Stretch::visible_len);
                    next = stretches.get(slot + 1).map(|stretch| stretch.first).or(next);
                    way.push(slot);
                    return Found { way, stretch, offset, next };
                }
            }
        }
    }

    /// The last stretch whose first element is one of those that `is_before` tells, which stand before all others.
    fn last_by(&self, is_before: &impl Fn(ElementId) -> bool) -> Option<(Way, Stretch)> {
        let (mut way, mut node) = (Way::new(), &self.root);
        loop {
            match &**node {
                Node::Inner(children) => {
                    let slot = children.partition_point(|child| is_before(child.first)).checked_sub(1)?;
                    way.push(slot);
                    node = &children[slot].node;
                }
                Node::Leaf(stretches) => {
                    let slot = stretches.partition_point(|stretch| is_before(stretch.first)).checked_sub(1)?;
                    way.push(slot);
                    return Some((way, stretches[slot]));
                }
            }
        }
    }

    /// Puts a stretch in front of all others.
    fn put_first(&mut self, new: Stretch) {
        let (mut way, mut node) = (Way::new(), &self.root);
        while let Node::Inner(children) = &**node {
            way.push(0);
            node = &children[0].node;
        }
        way.push(0);
        self.splice(&way, 0, &[new]);
    }

    /// Puts a stretch behind the first `at` elements, at least one, of another one.
    fn put_into(&mut self, way: &[usize], mut front: Stretch, at: u32, new: Stretch) {
        if at < front.len {
            let back = front.split_off(at);
            self.splice(way, 1, &[front, new, back]);
        } else if front.goes_on_with(&new) {
            front.len += new.len;
            self.splice(way, 1, &[front]);
        } else {
            self.splice(way, 1, &[front, new]);
        }
    }

    /// Hides `count` elements of a stretch from `start` on.
    fn hide_in(&mut self, way: &[usize], mut front: Stretch, start: u32, count: u32) {
        if !front.visible {
            return;
        }
        let mut hidden = front.split_off(start);
        let back = hidden.split_off(count);
        hidden.visible = false;
        let parts = [front, hidden, back].into_iter().filter(|part| part.len > 0);
        self.splice(way, 1, &parts.collect::<SmallVec<[Stretch; 3]>>());
    }

    /// Puts stretches in the place of `count`, 0 or 1, at the end of a way.
    fn splice(&mut self, way: &[usize], count: usize, stretches: &[Stretch]) {
        if let Some(right) = Node::splice(&mut self.root, way, count, stretches) {
            let left = std::mem::replace(&mut self.root, Arc::new(Node::Leaf(SmallVec::new())));
            self.root = Arc::new(Node::Inner(smallvec![Child::of_shared(left), Child::of(right)]));
        }
        self.visible = self.root.visible();
    }
}

/// The first of some things that holds unit number `offset` of a measure, from the first of them on; `offset` becomes what
/// is left of it there.
fn slot_of<'a, T>(things: &'a [T], offset: &mut u32, measure: impl Fn(&T) -> u32) -> (usize, &'a T) {
    for (slot, thing) in things.iter().enumerate() {
        let len = measure(thing);
        if *offset < len {
            return (slot, thing);
        }
        *offset -= len;
    }
    unreachable!("an index was checked, and is {offset} too large")
}

impl Node {
    fn first(&self) -> Option<ElementId> {
        match self {
            Self::Leaf(stretches) => stretches.first().map(|stretch| stretch.first),
            Self::Inner(children) => children.first().map(|child| child.first),
        }
    }

    fn visible(&self) -> u32 {
        match self {
            Self::Leaf(stretches) => stretches.iter().map(Stretch::visible_len).sum(),
            Self::Inner(children) => children.iter().map(|child| child.visible).sum(),
        }
    }

    /// As [`Snapshot::splice`], below a node. What it has become too much is returned.
    fn splice(node: &mut Arc<Self>, way: &[usize], count: usize, stretches: &[Stretch]) -> Option<Self> {
        let Some((&slot, below)) = way.split_first() else { unreachable!("a way ends in a leaf") };
        match Arc::make_mut(node) {
            Self::Leaf(held) => {
                let (replaced, more) = stretches.split_at(count);
                held[slot..slot + count].copy_from_slice(replaced);
                held.insert_from_slice(slot + count, more);
                (held.len() > MOST).then(|| Self::Leaf(held.drain(MOST / 2..).collect()))
            }
            Self::Inner(children) => {
                let child = &mut children[slot];
                let more = Self::splice(&mut child.node, below, count, stretches);
                child.look_again();
                if let Some(more) = more {
                    children.insert(slot + 1, Child::of(more));
                }
                (children.len() > MOST).then(|| Self::Inner(children.drain(MOST / 2..).collect()))
            }
        }
    }
}

impl Child {
    fn of(node: Node) -> Self {
        Self::of_shared(Arc::new(node))
    }

    fn of_shared(node: Arc<Node>) -> Self {
        let mut child = Self { node, first: ElementId::default(), visible: 0 };
        child.look_again();
        child
    }

    /// What is below has changed.
    fn look_again(&mut self) {
        let Some(first) = self.node.first() else { unreachable!("nothing is below a node") };
        (self.first, self.visible) = (first, self.node.visible());
    }
}

#[cfg(test)]
impl Snapshot {
    /// All elements from left to right, joined wherever they go on.
    pub(crate) fn stretches(&self) -> Vec<(ElementId, u32, bool)> {
        let mut stretches: Vec<Stretch> = Vec::new();
        self.root.visit(&mut |&stretch| match stretches.last_mut() {
            Some(last) if last.goes_on_with(&stretch) => last.len += stretch.len,
            _ => stretches.push(stretch),
        });
        stretches.into_iter().map(|stretch| (stretch.first, stretch.len, stretch.visible)).collect()
    }

    pub(crate) fn assert_invariants(&self) {
        assert_eq!(self.visible, self.root.assert_invariants(true).1, "what a snapshot takes to be visible");
    }
}

#[cfg(test)]
impl Node {
    fn visit(&self, visitor: &mut impl FnMut(&Stretch)) {
        match self {
            Self::Leaf(held) => held.iter().for_each(visitor),
            Self::Inner(children) => children.iter().for_each(|child| child.node.visit(visitor)),
        }
    }

    /// The height and what is visible.
    fn assert_invariants(&self, is_root: bool) -> (usize, u32) {
        match self {
            Self::Leaf(held) => {
                assert!(is_root || !held.is_empty(), "an empty leaf");
                assert!(held.len() <= MOST && held.iter().all(|stretch| stretch.len > 0), "a leaf of {held:?}");
                (0, self.visible())
            }
            Self::Inner(children) => {
                assert!(!children.is_empty() && children.len() <= MOST, "a node of {} children", children.len());
                let below: Vec<_> = children.iter().map(|child| child.node.assert_invariants(false)).collect();
                for (child, (height, visible)) in children.iter().zip(&below) {
                    assert_eq!((child.visible, *height), (*visible, below[0].0), "visible below, and the height");
                    assert_eq!(Some(child.first), child.node.first(), "the first element below");
                }
                (below[0].0 + 1, self.visible())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Local;
    use crate::random::Random;

    /// A list of all elements in an order of their own, and of those that exist and are visible.
    #[test]
    fn a_snapshot_is_a_list_by_index_and_by_order() {
        for seed in 1..40u64 {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below(below);
            let mut snapshot = Snapshot::of(std::iter::empty());
            let mut model: Vec<(ElementId, bool)> = Vec::new();
            let mut kept: Vec<(Snapshot, Vec<(ElementId, bool)>)> = Vec::new();
            let mut next = 0;
            for _ in 0..150 {
                let visible: Vec<usize> = (0..model.len()).filter(|&at| model[at].1).collect();
                match random(8) {
                    0 => kept.push((snapshot.clone(), model.clone())),
                    1 if !kept.is_empty() => (snapshot, model) = kept.swap_remove(random(kept.len())),
                    2 | 3 if !visible.is_empty() => {
                        let start = random(visible.len());
                        let count = 1 + random((visible.len() - start).min(4));
                        let backward = random(2) == 0;
                        let mut gone: Vec<ElementId> =
                            visible[start..start + count].iter().map(|&at| model[at].0).collect();
                        visible[start..start + count].iter().for_each(|&at| model[at].1 = false);
                        if backward {
                            gone.reverse();
                        }
                        let mut told = Vec::new();
                        let index = if backward { start + count - 1 } else { start };
                        snapshot.remove(index as u32, count as u32, backward, |first, count| {
                            let ids = (0..count).map(|at| first.plus(at));
                            if backward { told.extend(ids.rev()) } else { told.extend(ids) }
                        });
                        assert_eq!(told, gone);
                    }
                    4 if !model.is_empty() => {
                        let at = random(model.len());
                        let id = model[at].0;
                        let consecutive = |&len: &usize| {
                            at + len <= model.len() && (0..len).all(|more| model[at + more].0 == id.plus(more as u32))
                        };
                        let len = (1..4).filter(consecutive).max().unwrap_or(1);
                        let order: Vec<ElementId> = model.iter().map(|(id, _)| *id).collect();
                        let place = |id| order.iter().position(|other| *other == id);
                        snapshot.hide_by(id, len as u32, |a, b| place(a).cmp(&place(b)));
                        model[at..at + len].iter_mut().for_each(|(_, visible)| *visible = false);
                    }
                    by => {
                        // Ids that go on from the last ones at times.
                        next += random(2) as u32;
                        let (first, len) = (ElementId::of(Local(next)), 1 + random(3) as u32);
                        next += len;
                        let place = match by {
                            5 => {
                                let place = random(model.len() + 1);
                                let before: Vec<ElementId> = model[..place].iter().map(|(id, _)| *id).collect();
                                snapshot.insert_by(first, len, |id| before.contains(&id));
                                place
                            }
                            _ => {
                                let index = random(visible.len() + 1);
                                let place = index.checked_sub(1).map_or(0, |last| visible[last] + 1);
                                let at = |place: usize| model.get(place).map(|(id, _)| *id);
                                let expected = (place.checked_sub(1).and_then(at), at(place));
                                assert_eq!(snapshot.insert(index as u32, first, len), expected);
                                place
                            }
                        };
                        model.splice(place..place, (0..len).map(|at| (first.plus(at), true)));
                    }
                }
                snapshot.assert_invariants();
                assert_eq!(elements(&snapshot), model);
                assert_eq!(snapshot.visible() as usize, model.iter().filter(|(_, visible)| *visible).count());
            }
            for (snapshot, model) in kept {
                assert_eq!(elements(&snapshot), model, "a snapshot changes with one that was made of it");
            }
        }
    }

    fn elements(snapshot: &Snapshot) -> Vec<(ElementId, bool)> {
        let stretches = snapshot.stretches().into_iter();
        stretches.flat_map(|(first, len, visible)| (0..len).map(move |at| (first.plus(at), visible))).collect()
    }
}
