//! The text of a sequence of events: a FugueMax tree, built one event after the other.
//!
//! Knows how an index becomes a place in the document ("The Art of the Fugue", Weidner and Kleppmann, with T as the
//! last tie-break). Does not know which sequence is right: `graph` hands it events in T. The tree is explicit, with
//! lists of left and right children; its traversal is the document and is taken anew after every insert. Applying or
//! taking back one event is O(n) for n characters.

use super::event_set::EventSet;
use super::graph::Node;
use super::{Id, Op};

/// A character that stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The event that inserted it.
    pub id: Id,
    /// What is read.
    pub character: char,
}

/// The document after a sequence of events.
///
/// Invariant: `document` is the traversal of the tree, and only events of `applied` made it.
#[derive(Clone, Debug, Default)]
pub(super) struct Replay {
    applied: Vec<Applied>,
    /// By the number of the event that inserted it.
    elements: Vec<Option<Element>>,
    /// Right children of the start. It has no left ones: everything descends from it.
    first_children: Vec<usize>,
    document: Vec<usize>,
}

/// An event that took effect, and what takes it back.
#[derive(Clone, Copy, Debug)]
struct Applied {
    number: usize,
    /// The element deleted; none when one was inserted.
    deleted: Option<usize>,
}

/// A character in the tree, visible or not.
#[derive(Clone, Debug)]
struct Element {
    place: Place,
    /// The element that stood next at the parents; none is the end.
    right_origin: Option<usize>,
    left_children: Vec<usize>,
    right_children: Vec<usize>,
    deleted_by: Vec<usize>,
}

/// Whose child an element is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Without an element: of the start.
    RightOf(Option<usize>),
    LeftOf(usize),
}

impl Replay {
    /// Brings the document to exactly this sequence: takes back what does not begin it, last first, and applies the
    /// rest.
    pub(super) fn show(&mut self, nodes: &[Node], sequence: &[usize]) {
        let pairs = self.applied.iter().zip(sequence);
        let common = pairs.take_while(|(applied, number)| applied.number == **number).count();
        while self.applied.len() > common {
            self.take_back_last();
        }
        for number in &sequence[common..] {
            self.apply(nodes, *number);
        }
    }

    /// The visible characters, in order.
    pub(super) fn shown(&self, nodes: &[Node]) -> Vec<Shown> {
        let alive = self.document.iter().filter(|number| self.element(**number).deleted_by.is_empty());
        let shown = alive.map(|number| match nodes[*number].event.op {
            Op::Insert { character, .. } => Shown { id: nodes[*number].event.id, character },
            Op::Delete { .. } => unreachable!("only inserts make elements"),
        });
        shown.collect()
    }

    /// All elements in order, deleted ones included, by the numbers of the events that inserted them.
    pub(super) fn document(&self) -> &[usize] {
        &self.document
    }

    fn apply(&mut self, nodes: &[Node], number: usize) {
        let past = &nodes[number].past;
        let visible = self.visible_at(past);
        let deleted = match nodes[number].event.op {
            Op::Insert { index, .. } => {
                let left_origin = index.checked_sub(1).map(|before| visible[before]);
                self.insert(nodes, number, left_origin, self.next_existing(left_origin, past));
                None
            }
            Op::Delete { index } => {
                self.element_mut(visible[index]).deleted_by.push(number);
                Some(visible[index])
            }
        };
        self.applied.push(Applied { number, deleted });
    }

    fn take_back_last(&mut self) {
        let Some(Applied { number, deleted }) = self.applied.pop() else {
            return;
        };
        match deleted {
            Some(target) => self.element_mut(target).deleted_by.retain(|deleter| *deleter != number),
            None => {
                // Whatever hangs below it came later and is gone already.
                let place = self.element(number).place;
                self.siblings_mut(place).retain(|sibling| *sibling != number);
                self.elements[number] = None;
                self.document.retain(|other| *other != number);
            }
        }
    }

    /// The elements visible at the version with this past, in order.
    fn visible_at(&self, past: &EventSet) -> Vec<usize> {
        let visible = |number: &usize| {
            let deleted = self.element(*number).deleted_by.iter().any(|deleter| past.contains(*deleter));
            past.contains(*number) && !deleted
        };
        self.document.iter().copied().filter(visible).collect()
    }

    /// The element after `left` that exists at the version with this past, deleted or not; none is the end.
    fn next_existing(&self, left: Option<usize>, past: &EventSet) -> Option<usize> {
        let first = left.map_or(0, |left| self.position(left) + 1);
        self.document[first..].iter().copied().find(|number| past.contains(*number))
    }

    fn insert(&mut self, nodes: &[Node], number: usize, left_origin: Option<usize>, right_origin: Option<usize>) {
        let place = match right_origin {
            Some(right) if self.descends(right, left_origin) => Place::LeftOf(right),
            _ => Place::RightOf(left_origin),
        };
        if self.elements.len() <= number {
            self.elements.resize(number + 1, None);
        }
        self.elements[number] = Some(Element {
            place,
            right_origin,
            left_children: Vec::new(),
            right_children: Vec::new(),
            deleted_by: Vec::new(),
        });
        let mut siblings = std::mem::take(self.siblings_mut(place));
        siblings.push(number);
        match place {
            Place::LeftOf(_) => siblings.sort_by_key(|sibling| nodes[*sibling].rank()),
            Place::RightOf(_) => siblings.sort_by_key(|sibling| {
                (self.distance_to_end(self.element(*sibling).right_origin), nodes[*sibling].rank())
            }),
        }
        *self.siblings_mut(place) = siblings;
        self.traverse();
    }

    /// Whether an element is below `ancestor` in the tree; all are below the start.
    fn descends(&self, number: usize, ancestor: Option<usize>) -> bool {
        let Some(ancestor) = ancestor else {
            return true;
        };
        let mut climbing = Some(number);
        while let Some(current) = climbing {
            let parent = match self.element(current).place {
                Place::RightOf(parent) => parent,
                Place::LeftOf(parent) => Some(parent),
            };
            if parent == Some(ancestor) {
                return true;
            }
            climbing = parent;
        }
        false
    }

    /// How far a right origin stands from the end, which is 0 from itself: the later it stands, the smaller.
    fn distance_to_end(&self, right_origin: Option<usize>) -> usize {
        right_origin.map_or(0, |number| self.document.len() - self.position(number))
    }

    fn position(&self, number: usize) -> usize {
        let found = self.document.iter().position(|other| *other == number);
        found.expect("every origin stands in the document")
    }

    /// Reads the document off the tree: left children, the element, right children. No recursion: a long line typed in
    /// one go is as deep as it is long.
    fn traverse(&mut self) {
        enum Visit {
            Whole(usize),
            Alone(usize),
        }
        self.document.clear();
        let mut to_visit: Vec<Visit> = self.first_children.iter().rev().map(|child| Visit::Whole(*child)).collect();
        while let Some(visit) = to_visit.pop() {
            match visit {
                Visit::Alone(number) => self.document.push(number),
                Visit::Whole(number) => {
                    let element = self.elements[number].as_ref().expect("children are elements");
                    to_visit.extend(element.right_children.iter().rev().map(|child| Visit::Whole(*child)));
                    to_visit.push(Visit::Alone(number));
                    to_visit.extend(element.left_children.iter().rev().map(|child| Visit::Whole(*child)));
                }
            }
        }
    }

    fn siblings_mut(&mut self, place: Place) -> &mut Vec<usize> {
        match place {
            Place::RightOf(None) => &mut self.first_children,
            Place::RightOf(Some(parent)) => &mut self.element_mut(parent).right_children,
            Place::LeftOf(parent) => &mut self.element_mut(parent).left_children,
        }
    }

    fn element(&self, number: usize) -> &Element {
        self.elements[number].as_ref().expect("the event inserted an element that was not taken back")
    }

    fn element_mut(&mut self, number: usize) -> &mut Element {
        self.elements[number].as_mut().expect("the event inserted an element that was not taken back")
    }
}
