//! A short stretch of history, seen from any version without walking to it.
//!
//! The elements stand in one list in FugueMax order. Each knows the event that inserted it and those that removed it,
//! and a version is one bound an author: what each author did below it has been seen ([`Seen`]). So whether an element
//! is visible is two comparisons, nothing is retreated or advanced, and every event scans the list: O(n), which for the
//! few dozen elements of a short stretch is a few cache lines, less than one step down a tree. Long stretches are for
//! [`Sequence`](super::Sequence), which gives the same order.
//!
//! The list stays short because it is *folded* ([`Short::fold`]): what every version to come has seen becomes part of
//! the base, as if the stretch began there.
//!
//! ```text
//! before   base 0..9 | #3 "ab", all have seen it | #7 "x", one has not | base 9..20, 4 of them removed, as all know
//! after    base 0..11                            | #7 "x"              | base 11..27
//! ```
//!
//! Invariant: no version in use has seen only a part of the events that inserted, or that removed, one element run. Who
//! applies events cuts them where a version ends ([`Short::cut`]). The elements of the base are numbered from left to
//! right, without gaps.

use super::{ElementId, OutOfRange};
use crate::id::{Local, Span};
use std::cmp::Ordering;

/// How many authors a version tells apart: with the base eight bounds, half a cache line.
pub(crate) const MOST_AUTHORS: usize = BOUNDS - 1;
const BOUNDS: usize = 8;

/// One of the authors of a stretch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Author(u8);

impl Author {
    const BASE: Self = Self(0);

    /// The first few.
    pub(crate) const fn first<const N: usize>() -> [Self; N] {
        assert!(N <= MOST_AUTHORS, "a version tells fewer authors apart");
        let (mut authors, mut number) = ([Self::BASE; N], 0);
        while number < N {
            authors[number] = Self(number as u8 + 1);
            number += 1;
        }
        authors
    }

    /// `None` from [`MOST_AUTHORS`] on.
    pub(crate) fn numbered(number: usize) -> Option<Self> {
        (number < MOST_AUTHORS).then_some(Self(number as u8 + 1))
    }
}

/// A version: of each author everything below a local index.
///
/// Bounds and what is compared with them are below 2³¹, so that they may be compared as signed numbers: of those, any
/// processor finds the larger ones four at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen([i32; BOUNDS]);

impl Seen {
    /// Everything that there is.
    pub(crate) const ALL: Self = Self([NONE as i32; BOUNDS]);

    /// Everything before `event`, by whomever.
    pub(crate) fn before(event: Local) -> Self {
        let mut bounds = [event.0 as i32; BOUNDS];
        bounds[usize::from(Author::BASE.0)] = NONE as i32;
        Self(bounds)
    }

    /// The version with these bounds of the first authors, which has seen nothing of others.
    pub(crate) fn with_bounds<const N: usize>(bounds: [i32; N]) -> Self {
        let mut all = [0; BOUNDS];
        all[usize::from(Author::BASE.0)] = NONE as i32;
        all[1..=N].copy_from_slice(&bounds);
        Self(all)
    }

    /// Adds what an author did before `end`.
    pub(crate) fn add(&mut self, author: Author, end: Local) {
        let bound = &mut self.0[usize::from(author.0) % BOUNDS];
        *bound = (end.0 as i32).max(*bound);
    }

    /// Adds what an event of `author` before `end` had seen, and what the author did up to there. All bounds at once: a
    /// single one that is written just before all are read holds the processor up.
    pub(crate) fn join(&mut self, other: &Self, author: Author, end: Local) {
        const NUMBERS: [i32; BOUNDS] = [0, 1, 2, 3, 4, 5, 6, 7];
        for ((bound, &other), number) in self.0.iter_mut().zip(&other.0).zip(NUMBERS) {
            let other = if number == i32::from(author.0) { end.0 as i32 } else { other };
            *bound = other.max(*bound);
        }
    }

    /// Keeps what the other version has seen too.
    pub(crate) fn meet(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(bound, &other)| *bound = other.min(*bound));
    }

    /// Whether this event of an author is in the version, or this element of the base.
    pub(crate) fn has(&self, author: Author, number: u32) -> bool {
        (number as i32) < self.0[usize::from(author.0) % BOUNDS]
    }
}

/// What stands for no element and no event: nothing that is counted reaches it.
const NONE: u32 = i32::MAX as u32;

#[derive(Clone, Copy, Debug)]
struct Elements {
    id: ElementId,
    len: u32,
    /// The origins; `NONE` is the start, or the end.
    left: u32,
    right: u32,
    /// An event that removed it, or `NONE`.
    gone: u32,
    /// One more than the place of the other removals in `Short::removals`.
    others: u32,
    /// Whatever the caller wants back.
    tag: u32,
    author: Author,
    remover: Author,
}

/// One of several events that removed the same elements.
#[derive(Clone, Copy, Debug)]
struct Removal {
    event: u32,
    author: Author,
    /// As [`Elements::others`].
    next: u32,
}

/// What [`Short::fold`] says of the elements that it passes, from left to right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Folded {
    /// So many elements of the base stay in it.
    Kept(u32),
    /// So many elements of the base are no longer there.
    Removed(u32),
    /// These come into the base: the first event that inserted them, how many, and the caller's tag.
    Inserted(Local, u32, u32),
}

/// The elements of a short stretch; it can be begun again, and keeps its room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Short {
    elements: Vec<Elements>,
    removals: Vec<Removal>,
    /// The origins of elements that are not folded.
    origins: Vec<NamedOrigin>,
    /// Where something was found last. What changes since changes behind it.
    near: Near,
}

/// A run, and how many elements before it are visible to the version in use.
#[derive(Clone, Copy, Debug, Default)]
struct Near {
    run: usize,
    before: u32,
}

/// An origin while its run is being folded.
#[derive(Clone, Copy, Debug)]
struct NamedOrigin {
    run: usize,
    offset: u32,
    /// Of several such elements with two origins each, the number of the origin.
    number: u32,
    /// What it is called afterwards.
    name: u32,
}

impl Short {
    /// Begins a stretch after a version with so many elements.
    pub(crate) fn begin(&mut self, base_len: u32) {
        self.elements.clear();
        self.removals.clear();
        self.turn();
        if base_len > 0 {
            let id = ElementId::base(0);
            self.elements.push(Elements { len: base_len, ..Elements::new(id, Author::BASE, 0) });
        }
    }

    /// Inserts the elements of `events` at an index of the version `seen`. `order` is T. Returns the number of the run that
    /// they are, up to the next change.
    pub(crate) fn insert(
        &mut self,
        index: u32,
        events: Span,
        (author, tag): (Author, u32),
        seen: &Seen,
        order: impl Fn(Local, Local) -> Ordering,
    ) -> Result<usize, OutOfRange> {
        let mut elements = Elements { len: events.len(), ..Elements::new(ElementId::of(events.start), author, tag) };
        let mut place = 0;
        if index == 0 {
            // What is inserted may stand before all that was found.
            self.turn();
        }
        if let Some(last) = index.checked_sub(1) {
            let (at, offset) = self.find(last, seen).map_err(|len| OutOfRange { index, len })?;
            let left = self.elements[at];
            elements.left = left.id.0 + offset;
            place = at + 1;
            if offset + 1 < left.len {
                // Inside a run the neighbour on the right exists, so nothing concurrent stands in between.
                let rest = self.elements[at].split_off(offset + 1);
                elements.right = rest.id.0;
                self.open(place, [elements, rest]);
                return Ok(place);
            }
        }
        let end = self.next_existing(place, seen);
        elements.right = self.elements.get(end).map_or(NONE, |right| right.id.0);
        if place < end {
            place = self.integrate(place, end, &elements, order);
        }
        self.open(place, [elements]);
        Ok(place)
    }

    /// Cuts a run in front of the element that `event` inserted, because some version ends there. Returns the number of
    /// the rest.
    pub(crate) fn cut(&mut self, run: usize, event: Local) -> usize {
        let at = event.0 - self.elements[run].id.0;
        let rest = self.elements[run].split_off(at);
        self.open(run + 1, [rest]);
        run + 1
    }

    /// Puts runs in front of the one at `place`.
    fn open<const N: usize>(&mut self, place: usize, runs: [Elements; N]) {
        let len = self.elements.len();
        self.elements.extend(runs);
        if place < len {
            self.elements.copy_within(place..len, place + N);
            self.elements[place..place + N].copy_from_slice(&runs);
        }
    }

    /// Removes the visible elements at `index`, … by one event each, as [`Sequence::remove`](super::Sequence::remove).
    pub(crate) fn remove(
        &mut self,
        index: u32,
        events: Span,
        backward: bool,
        author: Author,
        seen: &Seen,
    ) -> Result<(), OutOfRange> {
        let mut count = events.len();
        let start = match backward {
            true => (index + 1).checked_sub(count).ok_or(OutOfRange { index: 0, len: 0 })?,
            false => index,
        };
        let (mut at, mut offset) = self.find(start, seen).map_err(|len| OutOfRange { index, len })?;
        while count > 0 {
            let Some(run) = self.elements.get(at).copied() else {
                // What was removed so far is still visible to this version.
                let visible = self.elements.iter().filter(|run| self.visible(run, seen));
                return Err(OutOfRange { index, len: visible.map(|run| run.len).sum() });
            };
            if !self.visible(&run, seen) {
                at += 1;
                continue;
            }
            if offset > 0 {
                let rest = self.elements[at].split_off(offset);
                at += 1;
                self.open(at, [rest]);
                offset = 0;
            }
            let part = self.elements[at].len.min(count);
            if part < self.elements[at].len {
                let rest = self.elements[at].split_off(part);
                self.open(at + 1, [rest]);
            }
            self.note_removal(at, events.start.0, author);
            count -= part;
            at += 1;
        }
        Ok(())
    }

    /// How many runs of elements there are.
    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    /// Makes everything that `seen` has seen part of the base; all versions in use from now on have seen at least that.
    /// Afterwards only these may be used. O(runs × runs that are not folded).
    ///
    /// Nothing can be inserted that would see the difference. Whoever inserts sees all of the base, so the search for a
    /// place never goes past an element of it, and what the origins of its elements were is never asked again. An element
    /// that everybody knows to be removed can only be a neighbour on the right; with it gone the next one on its right is,
    /// and as nothing is ever inserted between these two, all comparisons stay as they are. Where something that not
    /// everybody has seen stands beside it or has it for an origin, it stays.
    pub(crate) fn fold(&mut self, seen: &Seen, mut tell: impl FnMut(Folded)) {
        self.note_origins(seen);
        let (mut kept, mut base_len, mut passed) = (0, 0, 0);
        for at in 0..self.elements.len() {
            let mut run = self.elements[at];
            let first_origin = passed;
            while self.origins.get(passed).is_some_and(|origin| origin.run == at) {
                passed += 1;
            }
            if !seen.has(run.author, run.id.0) {
                self.elements[kept] = run;
                kept += 1;
                continue;
            }
            let in_base = run.author == Author::BASE;
            if self.removed(&run, seen) {
                if first_origin == passed && self.may_vanish(at, kept, seen) {
                    if in_base {
                        tell(Folded::Removed(run.len));
                    }
                    continue;
                }
                if !in_base {
                    self.elements[kept] = run;
                    kept += 1;
                    continue;
                }
            }
            match run.id.event() {
                None => tell(Folded::Kept(run.len)),
                Some(first) => tell(Folded::Inserted(first, run.len, run.tag)),
            }
            let id = ElementId::base(base_len);
            self.origins[first_origin..passed].iter_mut().for_each(|origin| origin.name = id.0 + origin.offset);
            (run.id, run.author) = (id, Author::BASE);
            base_len += run.len;
            match self.elements[..kept].last_mut() {
                Some(last) if last.author == Author::BASE && last.gone == NONE && run.gone == NONE => {
                    last.len += run.len
                }
                _ => {
                    self.elements[kept] = run;
                    kept += 1;
                }
            }
        }
        self.elements.truncate(kept);
        self.turn();
        self.set_origins(seen);
    }

    /// Whether what all know to be removed may vanish; the first `kept` runs are those folded so far.
    fn may_vanish(&self, at: usize, kept: usize, seen: &Seen) -> bool {
        let settled = |beside: Option<&Elements>| beside.is_none_or(|beside| seen.has(beside.author, beside.id.0));
        settled(self.elements.get(at + 1)) && settled(self.elements[..kept].last())
    }

    /// Notes where the origins of what is not folded stand, from left to right.
    fn note_origins(&mut self, seen: &Seen) {
        self.origins.clear();
        let open = self.elements.iter().filter(|run| !seen.has(run.author, run.id.0));
        for (number, id) in (0..).zip(open.flat_map(|run| [run.left, run.right])) {
            if id != NONE {
                let run = self.number_of(id);
                self.origins.push(NamedOrigin { run, offset: id - self.elements[run].id.0, number, name: id });
            }
        }
        self.origins.sort_unstable_by_key(|origin| origin.run);
    }

    /// Calls origins what they are called now.
    fn set_origins(&mut self, seen: &Seen) {
        if self.origins.is_empty() {
            return;
        }
        self.origins.sort_unstable_by_key(|origin| origin.number);
        let mut names = self.origins.iter().peekable();
        let open = self.elements.iter_mut().filter(|run| !seen.has(run.author, run.id.0));
        for (number, id) in (0..).zip(open.flat_map(|run| [&mut run.left, &mut run.right])) {
            if let Some(origin) = names.next_if(|origin| origin.number == number) {
                *id = origin.name;
            }
        }
    }

    /// Another version is in use from now on.
    pub(crate) fn turn(&mut self) {
        self.near = Near::default();
    }

    /// Where the visible element number `index` is: its run, and how far in. The visible length when there are no more.
    /// O(1) near the last one found, until there is a [`turn`](Self::turn).
    fn find(&mut self, index: u32, seen: &Seen) -> Result<(usize, u32), u32> {
        let len = |run: &Elements| run.len * u32::from(self.visible(run, seen));
        let Near { mut run, mut before } = self.near;
        while index < before {
            run -= 1;
            before -= len(&self.elements[run]);
        }
        let mut left = index - before;
        for (ahead, elements) in self.elements[run..].iter().enumerate() {
            let len = len(elements);
            if left < len {
                self.near = Near { run: run + ahead, before: index - left };
                return Ok((run + ahead, left));
            }
            left -= len;
        }
        Err(index - left)
    }

    /// Without branches but for what is rare: which elements are visible follows no pattern. No version has seen the
    /// event `NONE`.
    fn visible(&self, run: &Elements, seen: &Seen) -> bool {
        let visible = seen.has(run.author, run.id.0) & !seen.has(run.remover, run.gone);
        visible && (run.others == 0 || !self.removed_by_others(run, seen))
    }

    fn removed(&self, run: &Elements, seen: &Seen) -> bool {
        seen.has(run.remover, run.gone) || (run.others != 0 && self.removed_by_others(run, seen))
    }

    fn removed_by_others(&self, run: &Elements, seen: &Seen) -> bool {
        let mut next = run.others;
        while let Some(removal) = next.checked_sub(1).map(|number| self.removals[number as usize]) {
            if seen.has(removal.author, removal.event) {
                return true;
            }
            next = removal.next;
        }
        false
    }

    fn note_removal(&mut self, at: usize, event: u32, author: Author) {
        let run = &mut self.elements[at];
        if run.gone == NONE {
            (run.gone, run.remover) = (event, author);
        } else {
            self.removals.push(Removal { event, author, next: run.others });
            run.others = self.removals.len() as u32;
        }
    }

    /// The first run from `place` on that exists in the version, removed or not.
    fn next_existing(&self, place: usize, seen: &Seen) -> usize {
        let behind = &self.elements[place..];
        // Mostly the very next one does.
        if behind.first().is_none_or(|run| seen.has(run.author, run.id.0)) {
            return place;
        }
        place + behind.iter().take_while(|run| !seen.has(run.author, run.id.0)).count()
    }

    /// The place among the concurrent runs `start..end`: as in [`Sequence`](super::Sequence).
    fn integrate(&self, start: usize, end: usize, new: &Elements, order: impl Fn(Local, Local) -> Ordering) -> usize {
        let (mut chosen, mut scanning) = (start, false);
        for place in start..end {
            let other = &self.elements[place];
            match self.position(other.left, 0).cmp(&self.position(new.left, 0)) {
                Ordering::Less => break,
                Ordering::Greater => {}
                Ordering::Equal => match self.position(other.right, NONE).cmp(&self.position(new.right, NONE)) {
                    Ordering::Less => scanning = true,
                    Ordering::Greater => scanning = false,
                    Ordering::Equal => {
                        if super::precedes(new.id, other.id, &order) {
                            break;
                        }
                        scanning = false;
                    }
                },
            }
            if !scanning {
                chosen = place + 1;
            }
        }
        chosen
    }

    /// Something that grows from left to right over elements: one more than the number of the run, and the id.
    fn position(&self, id: u32, absent: u32) -> (u32, u32) {
        if id == NONE {
            return (absent, 0);
        }
        (self.number_of(id) as u32 + 1, id)
    }

    fn number_of(&self, id: u32) -> usize {
        match self.elements.iter().position(|run| run.holds(id)) {
            Some(number) => number,
            None => unreachable!("origin {id} is not among the elements"),
        }
    }
}

impl Elements {
    fn new(id: ElementId, author: Author, tag: u32) -> Self {
        let (left, right, gone) = (NONE, NONE, NONE);
        Self { id, len: 0, left, right, gone, others: 0, tag, author, remover: Author::BASE }
    }

    fn holds(&self, id: u32) -> bool {
        // One comparison: what is before the run becomes a large number.
        id.wrapping_sub(self.id.0) < self.len
    }

    /// Cuts off and returns what is behind the first `at` elements.
    fn split_off(&mut self, at: u32) -> Self {
        let id = self.id.plus(at);
        let rest = Self { id, len: self.len - at, left: id.0 - 1, ..*self };
        self.len = at;
        rest
    }
}
