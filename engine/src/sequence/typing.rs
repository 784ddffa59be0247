//! Events of somebody who types on, each where the one before it left the caret.
//!
//! Most of what people do is this, and it needs no version: the neighbours of what is typed next are told by what was typed
//! last. Behind an insertion they are what was inserted and its own right origin, for whoever made it has seen nothing
//! else since. Behind a removal they are what was removed and its left origin, if that stands just in front of it and nobody
//! has removed it. So such an event is applied where the current version is not, and that has not seen it then: nobody walks.
//! Where many type at once, and each has seen the others only up to when they began, that is nearly every key.

use super::{Effect, ElementId, Inserted, Sequence, elements_of};
use crate::id::{Local, Span};
use std::cmp::Ordering;

/// Where somebody goes on, just behind an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Caret {
    /// The element in front of it, which is visible there.
    left: ElementId,
    /// The next one that exists there, deleted or not.
    right: Option<ElementId>,
}

impl Sequence {
    /// Where the author of an event is just behind it, having seen nothing else since; `None` when it does not tell. O(log n).
    pub(crate) fn caret_behind(&self, event: Local) -> Option<Caret> {
        let effect = self.effects.find(event.0)?;
        if let Effect::Inserted(number) = effect.value {
            let right = self.runs[number.0 as usize].right.element();
            return Some(Caret { left: ElementId::of(event), right });
        }
        let (removed, _) = elements_of(effect, Span::new(event, event + 1));
        let place = self.place_of(removed);
        let run = self.elements(place);
        // What stands in front of it in its own run is gone as well.
        let left = run.left.element().filter(|_| run.id == removed)?;
        let before = self.place_of(left);
        let run = self.elements(before);
        // Who has seen the one has seen the other, and if it is gone they may be who removed it.
        let is_left = run.last() == left && run.gone.is_none() && self.tree.after(before) == place;
        is_left.then_some(Caret { left, right: Some(removed) })
    }

    /// Inserts the elements of events that were typed at a caret. The current version has not seen them.
    pub(crate) fn type_at(&mut self, caret: Caret, events: Span, order: impl Fn(Local, Local) -> Ordering) -> Inserted {
        self.insert_between(Some(caret.left), caret.right, events, order)
    }

    /// Has events remove the elements in front of a caret, as many as were typed in a row and have not been removed: who has
    /// seen the last of these has seen them all. Returns how many, at least one. The current version has not seen it. Tells
    /// where they go from the end version, if they are there.
    pub(crate) fn backspace_at(&mut self, caret: Caret, events: Span, gone: impl FnMut(u32, Span)) -> u32 {
        let run = self.elements(self.place_of(caret.left));
        let in_a_row = if run.gone.is_none() { caret.left.0 - run.id.0 + 1 } else { 1 };
        let count = in_a_row.min(events.len());
        let first = ElementId(caret.left.0 - (count - 1));
        self.remove_elements(first, Span::new(events.start, events.start + count), true, gone);
        count
    }
}
