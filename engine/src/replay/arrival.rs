//! The changes of the text in the order in which the events have come, after a replay in another order.
//!
//! What stands where in the end does not depend on the order of a replay, nor do the events that removed it. So once
//! everything has been applied, the elements from left to right say it all: each comes with the event that inserted it,
//! goes with the first that removed it, and stands behind those before it that are there at that moment.
//!
//! ```text
//! elements   b b b a a c c c       inserted by events 4–6, 0–1, 7–9; the first c removed by event 11
//! changes    4: at 0, three more    7: at 5, three more    11: at 5, one less
//! ```

use crate::id::{Local, Span};
use crate::text::tracker::{Change, Tracker};

/// Tells the changes that the events from `from` on have made, all of them applied to a tracker. O(n log n) for the n
/// runs of elements.
pub(super) fn changes_since(from: Local, tracker: &Tracker, mut emit: impl FnMut(Change)) {
    let mut present = Vec::new();
    let mut turns = Vec::new();
    for fate in tracker.fates(from) {
        let place = present.len();
        let is_new = |events: &Span| events.start >= from;
        turns.extend(fate.inserted.filter(is_new).map(|events| (events, place, true)));
        turns.extend(fate.removed.filter(is_new).map(|events| (events, place, false)));
        let was_there = !fate.inserted.is_some_and(|events| is_new(&events));
        let was_gone = fate.removed.is_some_and(|events| !is_new(&events));
        present.push(if was_there && !was_gone { fate.len } else { 0 });
    }
    let mut present = Sums::of(present);
    turns.sort_unstable_by_key(|(events, ..)| events.start);
    for (events, place, inserts) in turns {
        emit(Change { at: present.before(place), events, inserts });
        let more = if inserts { events.len() } else { 0u32.wrapping_sub(events.len()) };
        present.add(place, more);
    }
}

/// Numbers that change, and sums of the first of them (Fenwick 1994). Each is the sum of a stretch that ends with it.
struct Sums {
    stretches: Vec<u32>,
}

impl Sums {
    fn of(mut numbers: Vec<u32>) -> Self {
        for at in 0..numbers.len() {
            let sum = numbers[at];
            if let Some(above) = numbers.get_mut(at | (at + 1)) {
                *above = above.wrapping_add(sum);
            }
        }
        Self { stretches: numbers }
    }

    /// The sum of those before `place`.
    fn before(&self, place: usize) -> u32 {
        let (mut end, mut sum) = (place, 0u32);
        while end > 0 {
            sum = sum.wrapping_add(self.stretches[end - 1]);
            end &= end - 1;
        }
        sum
    }

    /// Adds to one of them; a difference below zero wraps around.
    fn add(&mut self, place: usize, more: u32) {
        let mut at = place;
        while let Some(sum) = self.stretches.get_mut(at) {
            *sum = sum.wrapping_add(more);
            at |= at + 1;
        }
    }
}
