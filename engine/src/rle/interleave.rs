//! Two sorted sequences side by side: what their bounds decide alone, and whose item goes next where they do not.
//!
//! Knows how items stand to each other, and nothing of what they are or where they are kept: values of two workers that
//! write to each other's inboxes, and clocks of one agent in the logs of two replicas, go through here.
//!
//! ```text
//! ours    ├──────┤                   ours first, then theirs     no item is compared
//! theirs           ├───────┤
//!
//! ours       ├────────────┤          below the other's minimum an item goes straight out; then a comparison
//! theirs  ├──────────┤               a turn, and none once one of the two has ended: n + m at most
//! ```

use std::cmp::Ordering;
use std::ops::Range;

/// An item of a sorted sequence.
pub trait Item {
    /// `Less`: this one goes out whole before the other. `Greater`: the other before this one. `Equal`: they have
    /// something in common.
    fn beside(&self, other: &Self) -> Ordering;
}

/// Of two equal values ours goes first, so none has to be looked at together.
impl Item for i64 {
    fn beside(&self, other: &Self) -> Ordering {
        if self <= other { Ordering::Less } else { Ordering::Greater }
    }
}

/// Ranges that only touch have nothing in common.
impl Item for Range<u32> {
    fn beside(&self, other: &Self) -> Ordering {
        if self.end <= other.start {
            Ordering::Less
        } else if other.end <= self.start {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }
}

/// The first and the last item of a sorted sequence, which are what META says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds<T> {
    /// The first.
    pub min: T,
    /// The last; the first again where there is one only.
    pub max: T,
}

impl<T: Clone> Bounds<T> {
    /// Of these items, which are sorted; `None` when there are none.
    pub fn of(sorted: &[T]) -> Option<Self> {
        Some(Self { min: sorted.first()?.clone(), max: sorted.last()?.clone() })
    }
}

/// Whose item goes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Ours.
    Ours,
    /// Theirs.
    Theirs,
    /// They have something in common, and the caller says how much of each is done with. At least one of them has to
    /// be, or its part below the end of the other.
    Both,
}

/// The order in which two sorted sequences go out, asked for turn by turn.
///
/// ```
/// use cede::sync::{Bounds, Interleave, Turn};
///
/// let merge = |ours: &[i64], theirs: &[i64]| {
///     let mut order = Interleave::new(Bounds::of(ours).as_ref(), Bounds::of(theirs).as_ref());
///     let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
///     let mut merged = Vec::new();
///     while let Some(turn) = order.turn(ours.peek().copied(), theirs.peek().copied()) {
///         merged.extend(if turn == Turn::Theirs { theirs.next() } else { ours.next() });
///     }
///     (merged, order.comparisons())
/// };
/// assert_eq!(merge(&[4, 5], &[-2, 3, 4]), (vec![-2, 3, 4, 4, 5], 0), "disjoint, but for a tie");
/// assert_eq!(merge(&[1, 4, 9], &[2, 3]), (vec![1, 2, 3, 4, 9], 3));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Interleave {
    /// Who goes out whole before the other, where the bounds say so.
    first: Option<Turn>,
    comparisons: u64,
}

impl Interleave {
    /// Of sequences with these bounds; `None` is a sequence without items. Two checks of bounds, which are not among the
    /// [`comparisons`](Self::comparisons).
    pub fn new<T: Item>(ours: Option<&Bounds<T>>, theirs: Option<&Bounds<T>>) -> Self {
        let first = match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.max.beside(&theirs.min) == Ordering::Less => Some(Turn::Ours),
            (Some(ours), Some(theirs)) if theirs.max.beside(&ours.min) == Ordering::Less => Some(Turn::Theirs),
            _ => None,
        };
        Self { first, comparisons: 0 }
    }

    /// Whose item goes next, of those that each side has next; `None` at the end of both. O(1), one comparison at most.
    pub fn turn<T: Item>(&mut self, ours: Option<&T>, theirs: Option<&T>) -> Option<Turn> {
        match (ours, theirs) {
            (None, None) => None,
            (Some(_), None) => Some(Turn::Ours),
            (None, Some(_)) => Some(Turn::Theirs),
            (Some(_), Some(_)) if self.first.is_some() => self.first,
            (Some(ours), Some(theirs)) => {
                self.comparisons += 1;
                Some(match ours.beside(theirs) {
                    Ordering::Less => Turn::Ours,
                    Ordering::Greater => Turn::Theirs,
                    Ordering::Equal => Turn::Both,
                })
            }
        }
    }

    /// Whether the bounds have said it all: one of the two goes out whole before the other, and which items stand for
    /// those to come makes no difference.
    pub fn is_decided(&self) -> bool {
        self.first.is_some()
    }

    /// How many items have been compared: none of disjoint sequences, fewer than both hold otherwise.
    pub fn comparisons(&self) -> u64 {
        self.comparisons
    }
}
