//! Elements in FugueMax order, seen from two moments at once.
//!
//! A sequence holds every element of a stretch of history, deleted ones included, in the one order that all replicas
//! agree on. Each element is seen from a *current* version, which walks back and forth ([`Sequence::retreat`],
//! [`Sequence::advance`]) so that an event can be applied where it was made, and from the *end*, in which everything
//! applied so far has happened. An event's index is one in the current version; what it does to the document is a
//! position in the end.
//!
//! Knows events only by their numbers and elements only by their ids; it does not know what stands in them (text, list
//! items), nor why one event is before another: the tie-break T is handed in.
//!
//! Elements stand by runs in a B+tree with three sums (current and end length, and how many exist in the current version
//! though they are not visible); an index by runs leads from an event to the leaf of the run that it inserted, or to the
//! run that it removed. Every operation is O(log n) a run. Concurrent runs at the same spot are scanned one by one while
//! they are few. From the first time that they are many, the tree knows how deep in the tree of left origins what stands
//! in each leaf is, and what descends from another run is passed in one step; and where many have the same left origin,
//! these are kept in order (`spots`).
//!
//! Sources: FugueMax is Weidner & Kleppmann, "The Art of the Fugue" (2023), section 5; the scan for the place is that
//! of YjsMod (Gentle, reference-crdts) with T in the place of agent ids; two-moment elements are the Eg-walker state
//! (Gentle & Kleppmann, EuroSys 2025, section 3.2).

mod apart;
pub(crate) mod short;
pub(crate) mod snapshot;
mod spots;
pub(crate) mod typing;

use crate::id::{Local, Span};
use crate::tree::{Found, Index, Item, LeafId, Place, Run, Tree, WIDE, make_room};
use smallvec::SmallVec;
use spots::{Row, Side, Spots};
use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::{AddAssign, SubAssign};

/// An element: one that an event inserted, by the event's local index, or one of the base, which was there before the
/// stretch of history began and whose event nobody needs to know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct ElementId(u32);

impl ElementId {
    pub(crate) fn of(event: Local) -> Self {
        Self(event.0)
    }

    fn base(index: u32) -> Self {
        Self(Local::LIMIT + index)
    }

    /// The event that inserted it, unless it is of the base.
    pub(crate) fn event(self) -> Option<Local> {
        (self.0 < Local::LIMIT).then_some(Local(self.0))
    }

    fn plus(self, count: u32) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Debug for ElementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.event() {
            Some(event) => write!(f, "#{}", event.0),
            None => write!(f, "base {}", self.0 - Local::LIMIT),
        }
    }
}

/// The left or right neighbour at the time of insertion: an element, by one more than its number, so that the start or
/// end of everything takes no room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Origin(Option<NonZeroU32>);

impl Origin {
    fn of(id: ElementId) -> Self {
        Self(Some(NonZeroU32::MIN.saturating_add(id.0)))
    }

    fn element(self) -> Option<ElementId> {
        self.0.map(|number| ElementId(number.get() - 1))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.element().fmt(f)
    }
}

/// So many runs are passed one by one in search of a place.
const FEW: usize = if cfg!(test) { 2 } else { 64 };

/// One that has the same left origin costs as much as so many others: where its right origin stands is looked up.
const SIBLING: usize = if cfg!(test) { 1 } else { 4 };

/// So many runs with one left origin are passed when what descends from them is not looked at. Each costs a way through the
/// tree, so that a row soon pays.
const FEW_CHILDREN: usize = if cfg!(test) { 2 } else { 8 };

/// So many effects are read off the index in one go.
const AT_ONCE: usize = if cfg!(test) { 2 } else { 256 };

/// How often a run has been inserted (0 or 1) plus how often it has been deleted, in the current version. A sum, so
/// that retreating and advancing commute.
type Count = u32;
const NOT_YET: Count = 0;
const VISIBLE: Count = 1;
/// Deleted once.
const HIDDEN: Count = 2;

/// A run of elements: each but the first has the one before it as its left origin, all have the same right origin.
#[derive(Clone, Copy, Debug, Default)]
struct Elements {
    id: ElementId,
    len: u32,
    left: Origin,
    right: Origin,
    /// How many elements one comes to by going from the first one to its left origin, to that one's, and so on: 0 when
    /// its left origin is the start.
    depth: u32,
    count: Count,
    /// Deleted by an event applied so far, whatever the current version.
    gone: Option<GoneBy>,
}

/// The first event of the run that removed an element, of several the earliest in the log; one more than its number, so
/// that nothing but the option takes room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct GoneBy(NonZeroU32);

impl GoneBy {
    fn event(event: Local) -> Self {
        Self(NonZeroU32::MIN.saturating_add(event.0))
    }

    fn earliest(known: Option<Self>, event: Local) -> Self {
        let by = Self::event(event);
        known.map_or(by, |earlier| earlier.min(by))
    }
}

impl Elements {
    fn last(&self) -> ElementId {
        self.id.plus(self.len - 1)
    }

    /// The elements from this one on.
    fn from(mut self, id: ElementId) -> Option<Self> {
        (id <= self.last()).then(|| self.split_off(id.0 - self.id.0))
    }

    fn lengths(&self) -> Lengths {
        Lengths {
            current: if self.count == VISIBLE { self.len } else { 0 },
            hidden: if self.count > VISIBLE { self.len } else { 0 },
            end: if self.gone.is_some() { 0 } else { self.len },
        }
    }

    /// Cuts off and returns what is behind the first `at` elements.
    fn split_off(&mut self, at: u32) -> Self {
        let mut rest = *self;
        rest.id = self.id.plus(at);
        rest.len = self.len - at;
        rest.left = Origin::of(self.id.plus(at - 1));
        rest.depth = self.depth + at;
        self.len = at;
        rest
    }
}

/// The visible lengths at the two moments, and what exists in the current version besides. All are below 2³¹, and so is
/// every sum and difference that is looked at; one on the way may wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Lengths {
    pub(crate) current: u32,
    hidden: u32,
    pub(crate) end: u32,
}

impl AddAssign for Lengths {
    fn add_assign(&mut self, other: Self) {
        self.current = self.current.wrapping_add(other.current);
        self.hidden = self.hidden.wrapping_add(other.hidden);
        self.end = self.end.wrapping_add(other.end);
    }
}

impl SubAssign for Lengths {
    fn sub_assign(&mut self, other: Self) {
        self.current = self.current.wrapping_sub(other.current);
        self.hidden = self.hidden.wrapping_sub(other.hidden);
        self.end = self.end.wrapping_sub(other.end);
    }
}

/// A run of elements by its number in `Sequence::runs`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct RunNumber(u32);

/// What stands in the tree for a run: little, because it is searched and moved about.
#[derive(Clone, Copy, Debug, Default)]
struct Stand {
    run: RunNumber,
    lengths: Lengths,
}

impl Item for Stand {
    type Width = Lengths;

    fn width(&self) -> Lengths {
        self.lengths
    }
}

/// What the index knows of an event.
#[derive(Clone, Copy, Debug)]
enum Effect {
    /// It inserted elements of this run.
    Inserted(RunNumber),
    /// It removed this element; the next event of the run the one behind it. They were of this run then.
    RemovedForward(ElementId, RunNumber),
    /// It removed this element; the next event of the run the one before it. They were of this run then.
    RemovedBackward(ElementId, RunNumber),
}

impl Effect {
    fn removed(first: ElementId, run: RunNumber, backward: bool) -> Self {
        if backward { Self::RemovedBackward(first, run) } else { Self::RemovedForward(first, run) }
    }
}

/// Where something was just inserted: in this run, behind so many elements of it. Valid until the next change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inserted {
    run: RunNumber,
    offset: u32,
}

/// What another run with the same left origin tells about the place of a new one.
enum Passing {
    /// It is in front of the other one.
    Ends,
    /// It is behind the other one.
    Behind,
    /// It is behind the other one if it is behind one more with that left origin.
    Perhaps,
}

/// An index that is not in the current version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OutOfRange {
    pub(crate) index: u32,
    pub(crate) len: u32,
}

/// Where an element stands in the end version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    /// How many visible elements are before it.
    pub(crate) position: u32,
    pub(crate) visible: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    tree: Tree<Stand, WIDE>,
    runs: Vec<Elements>,
    /// The leaf in which each run stands.
    leaves: Vec<LeafId>,
    effects: Index<Effect>,
    /// The runs of the base.
    base: Index<RunNumber>,
    /// How many elements the base has too many, at its right end, because its length was not known.
    excess: u32,
    spots: Spots,
    /// How many runs have been looked up to be changed, or passed one by one.
    steps: u64,
    /// Room for the effects that are being retreated or advanced.
    shifting: Vec<Run<Effect>>,
}

impl Sequence {
    /// A sequence whose base, both now and at the end, has `len` elements.
    pub(crate) fn with_base(len: u32) -> Self {
        let mut sequence = Self::default();
        if len > 0 {
            let base = Elements { id: ElementId::base(0), len, count: VISIBLE, ..Elements::default() };
            sequence.place(sequence.tree.first(), base);
        }
        sequence
    }

    /// A sequence whose base is as long as it has to be. Its length is told later, by [`Sequence::settle`]; until then
    /// indexes are not checked.
    pub(crate) fn with_endless_base() -> Self {
        Self::with_base(Local::LIMIT - 1)
    }

    /// Makes the base so long that the end version has `len` elements.
    pub(crate) fn settle(&mut self, len: u32) {
        self.excess = self.tree.total().end - len;
    }

    /// The visible lengths of the two versions.
    pub(crate) fn lengths(&self) -> Lengths {
        let total = self.tree.total();
        Lengths { current: total.current - self.excess, end: total.end - self.excess, ..total }
    }

    /// Inserts the elements of `events` at an index of the current version. `before` tells whether one event is before
    /// another in T. Returns their position in the end version.
    pub(crate) fn insert(
        &mut self,
        index: u32,
        events: Span,
        order: impl Fn(Local, Local) -> Ordering,
    ) -> Result<Inserted, OutOfRange> {
        check_within(self.lengths().current, index, 0)?;
        self.steps += 1;
        let mut elements =
            Elements { id: ElementId::of(events.start), len: events.len(), count: VISIBLE, ..Elements::default() };
        let place = match index.checked_sub(1) {
            None => self.tree.first(),
            Some(last) => {
                let found = self.find_current(last);
                let left = self.elements(found.place);
                elements.left = Origin::of(left.id.plus(found.offset));
                elements.depth = left.depth + found.offset + 1;
                if found.offset + 1 < left.len {
                    // Inside a run the neighbour on the right exists, so nothing concurrent stands in between.
                    elements.right = Origin::of(left.id.plus(found.offset + 1));
                    let inserted = self.put_inside(found.place, found.offset + 1, elements);
                    self.enter_row(&elements);
                    return Ok(inserted);
                }
                self.tree.after(found.place)
            }
        };
        let (right, concurrent) = self.next_existing(place);
        elements.right = right.map_or(Origin::default(), |right| Origin::of(self.elements(right).id));
        let place = if concurrent { self.integrate(place, right, &elements, order) } else { place };
        let inserted = self.put(place, elements);
        self.enter_row(&elements);
        Ok(inserted)
    }

    /// Inserts the element of an event behind one that is here, or at the start. `has_seen` tells which events of
    /// elements the event has seen: of a run of elements with consecutive events, whoever has seen one has seen those
    /// before it. `parent` is its only parent, if it has just one.
    ///
    /// Costs a look at each run that it has not seen between its neighbours; none where it goes on beside the element that
    /// its parent inserted.
    ///
    /// For those who name the neighbour instead of counting: they need no current version, and never retreat.
    pub(crate) fn insert_behind(
        &mut self,
        (left, parent): (Option<Local>, Option<Local>),
        event: Local,
        has_seen: impl Fn(Local) -> bool,
        order: impl Fn(Local, Local) -> Ordering,
    ) {
        let mut elements = Elements { id: ElementId::of(event), len: 1, count: VISIBLE, ..Elements::default() };
        let start = match left {
            None => self.tree.first(),
            Some(left) => self.place_behind(ElementId::of(left), &mut elements),
        };
        let beside = parent.and_then(|parent| self.right_beside(left, parent));
        #[cfg(test)]
        if let Some(beside) = beside {
            let seen = self.next_seen(start, &has_seen);
            let seen = self.run_at(seen).map_or(Origin::default(), |run| Origin::of(run.id));
            assert_eq!(beside, seen, "the right neighbour beside the parent and by a plain scan");
        }
        let right = match beside {
            Some(Origin(None)) => self.tree.behind_all(),
            Some(right) => right.element().map_or(start, |right| self.place_of(right)),
            None => self.next_seen(start, has_seen),
        };
        let concurrent = right != start && self.run_at(start).is_some();
        let right = self.run_at(right).map(|run| run.id).zip(Some(right));
        elements.right = right.map_or(Origin::default(), |(id, _)| Origin::of(id));
        let place = match concurrent {
            true => self.integrate(start, right.map(|(_, place)| place), &elements, order),
            false => start,
        };
        self.put(place, elements);
        self.enter_row(&elements);
    }

    /// The right neighbour of what is inserted behind `left` by somebody who has seen `parent`, what that had seen, and
    /// nothing else: it is known where `parent` inserted the left neighbour itself, or behind the same one.
    fn right_beside(&self, left: Option<Local>, parent: Local) -> Option<Origin> {
        let Effect::Inserted(number) = self.effects.find(parent.0)?.value else { return None };
        let run = &self.runs[number.0 as usize];
        if left == Some(parent) {
            return (run.last() == ElementId::of(parent)).then_some(run.right);
        }
        let left = left.map_or(Origin::default(), |left| Origin::of(ElementId::of(left)));
        let is_beside = run.id == ElementId::of(parent) && run.left == left;
        is_beside.then(|| Origin::of(run.id))
    }

    /// The first place from `place` on where something stands that was seen, or the place behind all.
    fn next_seen(&mut self, place: Place, has_seen: impl Fn(Local) -> bool) -> Place {
        let mut place = place;
        while let Some(run) = self.run_at(place)
            && run.id.event().is_some_and(|event| !has_seen(event))
        {
            place = self.tree.after(place);
            self.steps += 1;
        }
        place
    }

    /// The place behind an element, which becomes the left origin of a new one: what stands behind it in its run is cut
    /// off.
    fn place_behind(&mut self, left: ElementId, new: &mut Elements) -> Place {
        let place = self.place_of(left);
        let run = *self.elements(place);
        let offset = left.0 - run.id.0;
        new.left = Origin::of(left);
        new.depth = run.depth + offset + 1;
        if offset + 1 == run.len {
            return self.tree.after(place);
        }
        self.carve(place, 0, offset + 1, |_| {});
        self.tree.after(self.place_of(left))
    }

    /// Shows or hides the element that an event inserted, for those who know themselves what is visible.
    pub(crate) fn show(&mut self, event: Local, is_visible: bool) {
        let id = ElementId::of(event);
        let place = self.place_of(id);
        let start = id.0 - self.elements(place).id.0;
        self.carve(place, start, 1, |run| run.count = if is_visible { VISIBLE } else { HIDDEN });
    }

    /// Whether an event inserted an element here that is visible in the current version. O(log n).
    pub(crate) fn is_shown(&self, event: Local) -> bool {
        let Some(Run { value: Effect::Inserted(number), .. }) = self.effects.find(event.0) else { return false };
        let (run, id) = (&self.runs[number.0 as usize], ElementId::of(event));
        run.count == VISIBLE && run.id <= id && id <= run.last()
    }

    /// The event that inserted the visible element at an index of the current version.
    pub(crate) fn shown_at(&self, index: u32) -> Option<Local> {
        let found = self.tree.find(index, |width| width.current)?;
        self.elements(found.place).id.plus(found.offset).event()
    }

    /// How many visible elements of the current version stand before the one that an event inserted.
    pub(crate) fn shown_before(&self, event: Local) -> u32 {
        let id = ElementId::of(event);
        let place = self.place_of(id);
        let run = self.elements(place);
        let inside = if run.count == VISIBLE { id.0 - run.id.0 } else { 0 };
        self.tree.before(place).current + inside
    }

    /// The events of all visible elements of the current version, from left to right. What is hidden is passed by the sums,
    /// so that this costs O(log n) for each visible run however much is.
    pub(crate) fn shown(&self) -> impl Iterator<Item = Local> {
        let mut place = self.tree.first();
        let runs = std::iter::from_fn(move || {
            let found = self.tree.look_for(place, |lengths| lengths.current > 0)?;
            place = self.tree.after(found);
            Some(self.elements(found))
        });
        runs.flat_map(|run| (0..run.len).filter_map(|at| run.id.plus(at).event()))
    }

    /// Removes the visible elements at `index`, … by one event each: forwards they all stand at `index` in turn,
    /// backwards the first event removes the one at `index` and each other one the element before it. Tells each
    /// stretch that goes from the end version: its position, its length and the events that remove it, in order.
    pub(crate) fn remove(
        &mut self,
        index: u32,
        events: Span,
        backward: bool,
        mut gone: impl FnMut(u32, Span),
    ) -> Result<(), OutOfRange> {
        check_removal(self.lengths().current, index, events, backward)?;
        let (mut at, mut index) = (events.start, index);
        while at < events.end {
            self.steps += 1;
            let found = self.find_current(index);
            let run = *self.elements(found.place);
            let (start, count) = if backward {
                let count = (found.offset + 1).min(events.end - at);
                (found.offset + 1 - count, count)
            } else {
                (found.offset, (run.len - found.offset).min(events.end - at))
            };
            if run.gone.is_none() {
                gone(found.before.end + start, Span::new(at, at + count));
            }
            let removed = self.carve(found.place, start, count, |run| {
                run.count += 1;
                run.gone = Some(GoneBy::earliest(run.gone, at));
            });
            self.effects.set(at.0, Effect::removed(run.id.plus(found.offset), removed, backward));
            at = at + count;
            if backward {
                // The sum stays above zero: the range was checked.
                index = index.saturating_sub(count);
            }
        }
        Ok(())
    }

    /// Takes these events, all applied and in the current version, out of it.
    pub(crate) fn retreat(&mut self, events: Span) {
        self.shift(events, |count| *count -= 1);
    }

    /// Brings these events, all applied but not in the current version, back into it.
    pub(crate) fn advance(&mut self, events: Span) {
        self.shift(events, |count| *count += 1);
    }

    /// Where an element stands in the end version; `None` when no event inserted it here.
    pub(crate) fn standing(&self, event: Local) -> Option<Standing> {
        let Effect::Inserted(number) = self.effects.find(event.0)?.value else { return None };
        let id = ElementId::of(event);
        let place = self.place_of_run(number);
        let run = self.elements(place);
        let inside = if run.gone.is_some() { 0 } else { id.0 - run.id.0 };
        Some(Standing { position: self.tree.before(place).end + inside, visible: run.gone.is_none() })
    }

    /// The element at a position of the end version.
    pub(crate) fn element_at(&self, position: u32) -> Option<ElementId> {
        let found = self.tree.find(position, |width| width.end)?;
        Some(self.elements(found.place).id.plus(found.offset))
    }

    /// The elements that these events inserted or removed, from left to right, as runs `(first, length)` between which
    /// others may stand.
    pub(crate) fn touched_by(&self, events: Span) -> Vec<(ElementId, u32)> {
        let mut places: Vec<(Place, ElementId, u32)> = Vec::new();
        let mut at = events.start;
        while at < events.end {
            let run = self.effect_at(at);
            let run_end = run.end.map_or(events.end, |end| Local(end).min(events.end));
            let (first, count) = elements_of(run, Span::new(at, run_end));
            let (mut id, end) = (first, first.plus(count));
            while id < end {
                let place = self.place_of(id);
                let run = self.elements(place);
                let part = (run.last().plus(1).0 - id.0).min(end.0 - id.0);
                places.push((place, id, part));
                id = id.plus(part);
            }
            at = at + count;
        }
        places.sort_unstable_by(
            |(a, first, _), (b, second, _)| {
                if a == b { first.cmp(second) } else { self.tree.compare(*a, *b) }
            },
        );
        places.into_iter().map(|(_, id, count)| (id, count)).collect()
    }

    /// The elements behind the one that `event` inserted but for those that were gone when event `when` came, by the
    /// order of the log: from left to right up to the first run that is visible.
    pub(crate) fn behind(&self, event: Local, when: Local) -> impl Iterator<Item = (ElementId, u32)> {
        let id = ElementId::of(event);
        let first = self.place_of(id);
        let rest = self.elements(first).from(id.plus(1));
        let (mut next, mut ended) = (self.tree.after(first), false);
        let others = std::iter::from_fn(move || {
            let run = self.run_at(next)?;
            next = self.tree.after(next);
            Some(*run)
        });
        let runs = rest.into_iter().chain(others);
        let runs = runs.map_while(move |run| (!std::mem::replace(&mut ended, run.gone.is_none())).then_some(run));
        runs.map(move |run| self.not_gone_at(&run, when))
    }

    /// The elements of a run that were not gone when an event came.
    fn not_gone_at(&self, run: &Elements, when: Local) -> (ElementId, u32) {
        let Some(GoneBy(by)) = run.gone else { return (run.id, run.len) };
        let by = Local(by.get() - 1);
        let went = when.0.saturating_sub(by.0);
        match self.effect_at(by).value {
            // The element `first + i` went with the event `by + i`.
            Effect::RemovedForward(first, _) => {
                let end = run.id.plus(run.len);
                let start = first.0.saturating_add(went).clamp(run.id.0, end.0);
                (ElementId(start), end.0 - start)
            }
            // The element `first − i` went with the event `by + i`.
            Effect::RemovedBackward(first, _) => {
                let end = (first.0 + 1).saturating_sub(went);
                (run.id, run.len.min(end.saturating_sub(run.id.0)))
            }
            effect => unreachable!("{run:?} is gone by an event that inserted: {effect:?}"),
        }
    }

    /// All runs from left to right: the first element, how many, and whether they are visible in the end version.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (ElementId, u32, bool)> {
        let runs = self.tree.iter().map(|stand| &self.runs[stand.run.0 as usize]);
        runs.map(|run| (run.id, run.len, run.gone.is_none()))
    }

    /// The same, cut where the insertions of `at` and later events begin, with the events that removed them first, by the
    /// order of the log: one each, ascending from the left or from the right.
    pub(crate) fn fates(&self, at: Local) -> impl Iterator<Item = (ElementId, u32, Option<Span>)> {
        let at = ElementId::of(at);
        let runs = self.tree.iter().map(|stand| self.runs[stand.run.0 as usize]);
        let parts = runs.flat_map(move |mut run| {
            let late = (run.id < at && at <= run.last()).then(|| run.split_off(at.0 - run.id.0));
            [Some(run), late].into_iter().flatten()
        });
        parts.map(|run| (run.id, run.len, run.gone.map(|gone| self.removal_of(&run, gone))))
    }

    fn removal_of(&self, run: &Elements, GoneBy(by): GoneBy) -> Span {
        let by = Local(by.get() - 1);
        let first = match self.effect_at(by).value {
            Effect::RemovedForward(first, _) => by + (run.id.0 - first.0),
            Effect::RemovedBackward(first, _) => by + (first.0 - run.last().0),
            effect => unreachable!("{run:?} is gone by an event that inserted: {effect:?}"),
        };
        Span::new(first, first + run.len)
    }

    /// How many steps everything has taken so far: a run looked up to be changed is one.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// The position in the end version of what was just inserted.
    pub(crate) fn position(&self, inserted: Inserted) -> u32 {
        self.tree.before(self.place_of_run(inserted.run)).end + inserted.offset
    }

    /// The first run from `place` on that exists in the current version, deleted or not, and whether others are passed
    /// on the way.
    fn next_existing(&mut self, place: Place) -> (Option<Place>, bool) {
        let mut place = place;
        for passed in 0..FEW {
            match self.run_at(place) {
                None => return (None, passed > 0),
                Some(run) if run.count != NOT_YET => return (Some(place), passed > 0),
                Some(_) => place = self.tree.after(place),
            }
        }
        (self.tree.next_with(place, |lengths| lengths.current + lengths.hidden > 0), true)
    }

    /// The place among concurrent runs between the left neighbour and `end`, the right one.
    fn integrate(
        &mut self,
        start: Place,
        end: Option<Place>,
        new: &Elements,
        order: impl Fn(Local, Local) -> Ordering,
    ) -> Place {
        if self.spots.get(new.left).is_none() {
            if let Some(place) = self.scan(start, end, new, &order, FEW) {
                return place;
            }
            self.tree.keep_lows();
            if let Some(place) = self.scan_children(start, end, new, &order) {
                #[cfg(test)]
                assert_eq!(Some(place), self.scan(start, end, new, &order, usize::MAX), "by children and plainly");
                return place;
            }
            self.spots.put(new.left, Row::default());
        }
        self.complete_row(start, end, new);
        let found = self.place_in_row(start, end, new, &order);
        #[cfg(test)]
        assert_eq!(found, self.scan(start, end, new, &order, usize::MAX), "by the row and by a plain scan");
        match found {
            Some(place) => place,
            None => unreachable!("there is no row for {new:?}"),
        }
    }

    /// Goes through concurrent runs one by one; `None` when there are more than `most`.
    ///
    /// Those with a left origin further to the left belong to what is before the gap, so the scan ends there; those
    /// with one further to the right descend from another run of the gap and go where that one goes. Of those with the
    /// same left origin the one whose right origin stands later comes first, and T decides the rest.
    fn scan(
        &self,
        start: Place,
        end: Option<Place>,
        new: &Elements,
        order: &impl Fn(Local, Local) -> Ordering,
        most: usize,
    ) -> Option<Place> {
        let (mut place, mut chosen, mut scanning, mut passed) = (start, start, false, 0);
        while Some(place) != end {
            let Some(other) = self.run_at(place) else { break };
            if passed >= most {
                return None;
            }
            match self.compare_depths(other, new) {
                Ordering::Less => break,
                Ordering::Greater => passed += 1,
                Ordering::Equal => {
                    passed += SIBLING;
                    match self.is_passed(other, new, end, order) {
                        Passing::Ends => break,
                        Passing::Behind => scanning = false,
                        Passing::Perhaps => scanning = true,
                    }
                }
            }
            place = self.tree.after(place);
            if !scanning {
                chosen = place;
            }
        }
        Some(chosen)
    }

    /// The same without looking at what descends from another run of the gap; `None` when there are more than a few
    /// others.
    ///
    /// Elements stand in the order in which one comes to them who goes down the tree of left origins: each is followed by
    /// everything that descends from it. So from an element on, the next that is no deeper than the new one will be is a
    /// child of the same left origin or, if it is less deep, behind everything that descends from that.
    fn scan_children(
        &mut self,
        start: Place,
        end: Option<Place>,
        new: &Elements,
        order: &impl Fn(Local, Local) -> Ordering,
    ) -> Option<Place> {
        let (mut place, mut chosen, mut scanning) = (start, start, false);
        for _ in 0..FEW_CHILDREN {
            let next = self.next_no_deeper(place, new.depth);
            if !scanning {
                chosen = next;
            }
            let Some(other) = self.run_at(next).filter(|other| Some(next) != end && other.depth == new.depth) else {
                return Some(chosen);
            };
            match self.is_passed(other, new, end, order) {
                Passing::Ends => return Some(chosen),
                Passing::Behind => scanning = false,
                Passing::Perhaps => scanning = true,
            }
            place = self.tree.after(next);
        }
        None
    }

    /// The first run from a place on that is no deeper than this, or the place behind all.
    fn next_no_deeper(&mut self, place: Place, depth: u32) -> Place {
        let runs = &self.runs;
        let found = self.tree.next_low(place, depth, |stand| runs[stand.run.0 as usize].depth);
        found.unwrap_or_else(|| self.tree.behind_all())
    }

    /// Whether a new run goes behind one with the same left origin. The right origin of the new one stands at `end`.
    fn is_passed(
        &self,
        other: &Elements,
        new: &Elements,
        end: Option<Place>,
        order: &impl Fn(Local, Local) -> Ordering,
    ) -> Passing {
        match self.compare_right_to(other.right, new, end) {
            Ordering::Less => Passing::Perhaps,
            Ordering::Greater => Passing::Behind,
            Ordering::Equal if precedes(new.id, other.id, order) => Passing::Ends,
            Ordering::Equal => Passing::Behind,
        }
    }

    /// Where a right origin stands against that of a new run, which stands at `end`: without looking that up again for each.
    fn compare_right_to(&self, other: Origin, new: &Elements, end: Option<Place>) -> Ordering {
        let by_place = match (other.element(), end) {
            _ if other == new.right => Ordering::Equal,
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
            // The right origin of the new one is the first of its run.
            (Some(right), Some(end)) => match self.place_of(right) {
                place if place == end => Ordering::Greater,
                place => self.tree.compare(place, end),
            },
        };
        #[cfg(test)]
        assert_eq!(by_place, self.compare_right(other, new.right), "by a known place and by names");
        by_place
    }

    /// Adds to the row of a new run's left origin what stands before its right origin and is not known yet.
    fn complete_row(&mut self, start: Place, end: Option<Place>, new: &Elements) {
        let Some(mut row) = self.spots.take(new.left) else { return };
        if row.until.is_none_or(|until| self.compare_right(until, new.right) == Ordering::Less) {
            let place = match row.until.and_then(Origin::element) {
                Some(until) => self.place_of(until),
                None => start,
            };
            let mut next = self.next_no_deeper(place, new.depth);
            while Some(next) != end
                && let Some(other) = self.run_at(next).copied()
                && other.depth == new.depth
            {
                row.push(other.id, self.side(&other));
                next = self.next_no_deeper(self.tree.after(next), new.depth);
            }
            row.until = Some(new.right);
        }
        self.spots.put(new.left, row);
    }

    /// The same place that a scan finds, by the row of the left origin, which is known up to the right origin. `None`
    /// without a row.
    fn place_in_row(
        &mut self,
        start: Place,
        end: Option<Place>,
        new: &Elements,
        order: &impl Fn(Local, Local) -> Ordering,
    ) -> Option<Place> {
        let row = self.spots.get(new.left)?;
        let side = self.side(new);
        let before_new = |other: ElementId| {
            let right = self.elements(self.place_of(other)).right;
            match self.compare_right_to(right, new, end) {
                Ordering::Equal => !precedes(new.id, other, order),
                which => which == Ordering::Greater,
            }
        };
        if let Some(before) = row.last_before(side, before_new) {
            // Behind what descends from it. That ends before the right origin, which is no deeper.
            return Some(self.next_no_deeper(self.tree.after(self.place_of(before)), new.depth));
        }
        match side {
            Side::Right => Some(start),
            // Behind what stands before all that descends from the right origin to the left.
            Side::LeftOf(right) => {
                // Two who prepend by turns make this as long as what they write.
                let (leftmost, way) = row.leftmost(right);
                self.steps += way;
                if leftmost == right { end } else { Some(self.place_of(leftmost)) }
            }
        }
    }

    /// Adds a new run to the row of its left origin, if that is kept and known up to there.
    #[inline]
    fn enter_row(&mut self, new: &Elements) {
        if !self.spots.is_empty() {
            self.add_to_row(new);
        }
    }

    fn add_to_row(&mut self, new: &Elements) {
        let Some(mut row) = self.spots.take(new.left) else { return };
        let is_before = |until: ElementId| self.compare(new.id, until) == Ordering::Less;
        if row.until.is_some_and(|until| until.element().is_none_or(is_before)) {
            let place = self.place_of(new.id);
            row.insert(new.id, self.side(new), |other| self.compare_with(other, new.id, place) == Ordering::Less);
        }
        self.spots.put(new.left, row);
    }

    /// On which side of the row of its left origin an element hangs: of the right origin, if that is of the row itself.
    fn side(&self, elements: &Elements) -> Side {
        let Some(right) = elements.right.element() else { return Side::Right };
        let run = self.elements(self.place_of(right));
        let its_left = if run.id == right { run.left } else { Origin::of(ElementId(right.0 - 1)) };
        if its_left == elements.left { Side::LeftOf(right) } else { Side::Right }
    }

    /// Whether another run between a new one's left origin and its right origin hangs on something to the left of that
    /// left origin, on itself, or on something to the right of it.
    #[inline]
    fn compare_depths(&self, other: &Elements, new: &Elements) -> Ordering {
        let by_depth = other.depth.cmp(&new.depth);
        #[cfg(test)]
        assert_eq!(by_depth, self.compare_left(other.left, new.left), "by depth and by place: {other:?}, {new:?}");
        by_depth
    }

    /// Where the left origin stands decides; the plain way to find it out.
    #[cfg(test)]
    fn compare_left(&self, a: Origin, b: Origin) -> Ordering {
        match (a.element(), b.element()) {
            _ if a == b => Ordering::Equal,
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(a), Some(b)) => self.compare(a, b),
        }
    }

    fn compare_right(&self, a: Origin, b: Origin) -> Ordering {
        match (a.element(), b.element()) {
            _ if a == b => Ordering::Equal,
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
            (Some(a), Some(b)) => self.compare(a, b),
        }
    }

    fn compare(&self, a: ElementId, b: ElementId) -> Ordering {
        self.compare_with(a, b, self.place_of(b))
    }

    /// The same where the place of the second one is known.
    fn compare_with(&self, a: ElementId, b: ElementId, place_b: Place) -> Ordering {
        let place_a = self.place_of(a);
        if place_a == place_b { a.cmp(&b) } else { self.tree.compare(place_a, place_b) }
    }

    /// Puts a new run at a place, joined to the one before it where it goes on from that.
    fn put(&mut self, place: Place, elements: Elements) -> Inserted {
        if let Some(slot) = place.slot.checked_sub(1) {
            let before = Place { leaf: place.leaf, slot };
            let run = self.elements(before);
            let goes_on = run.id.plus(run.len) == elements.id
                && elements.left == Origin::of(run.last())
                && elements.right == run.right
                && run.count == elements.count
                && run.gone.is_none();
            if goes_on {
                let offset = run.len;
                self.update(before, |run| run.len += elements.len);
                return Inserted { run: self.number_at(before), offset };
            }
        }
        Inserted { run: self.place(place, elements), offset: 0 }
    }

    /// Puts a new run behind the first `at` elements of another one.
    fn put_inside(&mut self, place: Place, at: u32, elements: Elements) -> Inserted {
        let number = self.number_at(place);
        let left = &mut self.runs[number.0 as usize];
        let rest = left.split_off(at);
        let left = Stand { run: number, lengths: left.lengths() };
        let (new, rest) = (self.enter(elements), self.enter(rest));
        self.replace(place, &[left, new, rest]);
        Inserted { run: new.run, offset: 0 }
    }

    /// Makes the elements `start..start + count` of a run a run of their own, changes it and returns its number.
    fn carve(&mut self, place: Place, start: u32, count: u32, change: impl FnOnce(&mut Elements)) -> RunNumber {
        let number = self.number_at(place);
        let run = &mut self.runs[number.0 as usize];
        if count == run.len {
            self.update(place, change);
            return number;
        }
        let mut carved = number;
        let mut stands = SmallVec::<[Stand; 3]>::new();
        if start > 0 {
            let mut middle = run.split_off(start);
            stands.push(Stand { run: number, lengths: run.lengths() });
            let rest = (count < middle.len).then(|| middle.split_off(count));
            change(&mut middle);
            let middle = self.enter(middle);
            carved = middle.run;
            stands.push(middle);
            stands.extend(rest.map(|rest| self.enter(rest)));
        } else {
            let rest = run.split_off(count);
            change(run);
            stands.push(Stand { run: number, lengths: run.lengths() });
            stands.push(self.enter(rest));
        }
        self.replace(place, &stands);
        carved
    }

    fn replace(&mut self, place: Place, stands: &[Stand]) {
        let leaves = &mut self.leaves;
        self.tree.splice(place, 1, stands, |stand, leaf| leaves[stand.run.0 as usize] = leaf);
        if self.tree.keeps_lows() {
            // The first one stood there before, and is no deeper than what was cut off it.
            for stand in stands {
                let number = stand.run.0 as usize;
                self.tree.lower(self.leaves[number], self.runs[number].depth);
            }
        }
    }

    /// Puts a new run at a place.
    fn place(&mut self, place: Place, elements: Elements) -> RunNumber {
        let stand = self.enter(elements);
        let leaves = &mut self.leaves;
        self.tree.splice(place, 0, &[stand], |stand, leaf| leaves[stand.run.0 as usize] = leaf);
        if self.tree.keeps_lows() {
            self.tree.lower(self.leaves[stand.run.0 as usize], elements.depth);
        }
        stand.run
    }

    /// Enters a new run into the index. Its leaf is still to be told.
    fn enter(&mut self, elements: Elements) -> Stand {
        // Runs are fewer than events, and those are below 2³⁰.
        let number = RunNumber(self.runs.len() as u32);
        match elements.id.event() {
            Some(event) => self.effects.set(event.0, Effect::Inserted(number)),
            None => self.base.set(elements.id.0 - Local::LIMIT, number),
        }
        make_room(&mut self.runs, 1);
        self.runs.push(elements);
        make_room(&mut self.leaves, 1);
        self.leaves.push(LeafId::default());
        Stand { run: number, lengths: elements.lengths() }
    }

    fn update(&mut self, place: Place, change: impl FnOnce(&mut Elements)) {
        let runs = &mut self.runs;
        self.tree.update(place, |stand| {
            let run = &mut runs[stand.run.0 as usize];
            change(run);
            stand.lengths = run.lengths();
        });
    }

    /// The effects of consecutive events stand side by side in the index, so they are read off in one go. What an
    /// effect says of its run may have become too much by then, because runs are cut on the way; what was cut off is
    /// looked up.
    fn shift(&mut self, events: Span, change: impl Fn(&mut Count)) {
        let mut effects = std::mem::take(&mut self.shifting);
        let mut at = events.start;
        while at < events.end {
            effects.extend(self.effects.runs_in(at.0..events.end.0).take(AT_ONCE));
            for run in effects.drain(..) {
                let end = run.end.map_or(events.end, |end| Local(end).min(events.end));
                let (first, count) = elements_of(run, Span::new(at, end));
                let (Effect::Inserted(number) | Effect::RemovedForward(_, number) | Effect::RemovedBackward(_, number)) =
                    run.value;
                self.shift_elements(first, count, number, &change);
                at = end;
            }
        }
        self.shifting = effects;
    }

    /// `hint` is the run in which they all were once.
    fn shift_elements(&mut self, first: ElementId, count: u32, hint: RunNumber, change: &impl Fn(&mut Count)) {
        let (mut id, end) = (first, first.plus(count));
        while id < end {
            self.steps += 1;
            let hinted = &self.runs[hint.0 as usize];
            let still_there = hinted.id <= id && id <= hinted.last();
            let place = if still_there { self.place_of_run(hint) } else { self.place_of(id) };
            let run = self.elements(place);
            let start = id.0 - run.id.0;
            let part = (run.len - start).min(end.0 - id.0);
            self.carve(place, start, part, |run| change(&mut run.count));
            id = id.plus(part);
        }
    }

    fn effect_at(&self, event: Local) -> Run<Effect> {
        match self.effects.find(event.0) {
            Some(run) => run,
            None => unreachable!("{event:?} is retreated or advanced before it was applied"),
        }
    }

    fn place_of(&self, id: ElementId) -> Place {
        let number = match id.event() {
            Some(event) => match self.effect_at(event).value {
                Effect::Inserted(number) => number,
                effect => unreachable!("{id:?} is looked for, but its event was a removal: {effect:?}"),
            },
            None => match self.base.find(id.0 - Local::LIMIT) {
                Some(run) => run.value,
                None => unreachable!("{id:?} is looked for in a sequence without a base"),
            },
        };
        self.place_of_run(number)
    }

    fn place_of_run(&self, number: RunNumber) -> Place {
        let leaf = self.leaves[number.0 as usize];
        match self.tree.leaf_items(leaf).iter().position(|stand| stand.run == number) {
            Some(slot) => Place { leaf, slot },
            None => unreachable!("{number:?} is not in its leaf {leaf:?}"),
        }
    }

    fn number_at(&self, place: Place) -> RunNumber {
        match self.tree.get(place) {
            Some(stand) => stand.run,
            None => unreachable!("no run at {place:?}"),
        }
    }

    fn run_at(&self, place: Place) -> Option<&Elements> {
        self.tree.get(place).map(|stand| &self.runs[stand.run.0 as usize])
    }

    fn find_current(&mut self, index: u32) -> Found<Lengths> {
        match self.tree.seek(index, |width| width.current) {
            Some(found) => found,
            None => unreachable!("index {index} was checked against {:?}", self.tree.total()),
        }
    }

    fn elements(&self, place: Place) -> &Elements {
        match self.run_at(place) {
            Some(elements) => elements,
            None => unreachable!("no run at {place:?}"),
        }
    }

    /// The elements from left to right, however they are cut.
    #[cfg(test)]
    pub(crate) fn laid_out(&self) -> Vec<LaidOut> {
        let removed_by = |event: &Local| elements_of(self.effect_at(*event), Span::new(*event, *event + 1)).0;
        let mut all: Vec<LaidOut> = Vec::new();
        for (first, len, removed) in self.fates(Local(0)) {
            let run = self.elements(self.place_of(first));
            let is_base = first.event().is_none();
            match all.last_mut() {
                Some((base, .., None, count)) if is_base && removed.is_none() && base.plus(*count) == first => {
                    *count += len
                }
                _ if is_base && removed.is_none() => all.push((first, Default::default(), 0, None, len)),
                _ => all.extend((0..len).map(|at| {
                    let left = if at == 0 { run.left } else { Origin::of(first.plus(at - 1)) };
                    let mut removers = removed.into_iter().flat_map(|removed| removed.numbers().map(Local));
                    let remover = removers.find(|event| removed_by(event) == first.plus(at));
                    assert_eq!(remover.is_some(), removed.is_some());
                    (first.plus(at), [left, run.right].map(Origin::element), run.depth + at, remover, 1)
                })),
            }
        }
        all
    }

    #[cfg(test)]
    pub(crate) fn assert_invariants(&self) {
        self.tree.assert_invariants();
        self.tree.assert_lows(|stand| self.runs[stand.run.0 as usize].depth);
        let mut above: Vec<ElementId> = Vec::new();
        for stand in self.tree.iter() {
            let run = &self.runs[stand.run.0 as usize];
            // Elements stand as one comes to them who goes down the tree of left origins.
            assert!(run.depth as usize <= above.len(), "{run:?} behind {} that it could hang on", above.len());
            above.truncate(run.depth as usize);
            assert_eq!(above.last().copied(), run.left.element(), "what {run:?} hangs on, by its depth");
            above.extend((0..run.len.min(1000)).map(|at| run.id.plus(at)));
        }
        self.effects.assert_invariants();
        self.base.assert_invariants();
        for stand in self.tree.iter() {
            let run = &self.runs[stand.run.0 as usize];
            assert!(run.len > 0, "an empty run {run:?}");
            assert_eq!(stand.lengths, run.lengths(), "what the tree takes the lengths of {run:?} to be");
            assert_eq!(self.elements(self.place_of(run.id)).id, run.id, "{:?} is indexed wrongly", run.id);
        }
    }
}

/// An element, its origins, its depth and the first event that removed it; and how many of the base these are.
#[cfg(test)]
pub(crate) type LaidOut = (ElementId, [Option<ElementId>; 2], u32, Option<Local>, u32);

/// The elements, `(first, length)` in order of ids, that these events of one run of effects inserted or removed, one
/// each.
fn elements_of(run: Run<Effect>, events: Span) -> (ElementId, u32) {
    let (offset, count) = (events.start.0 - run.start, events.len());
    let first = match run.value {
        Effect::Inserted(_) => ElementId::of(events.start),
        Effect::RemovedForward(first, _) => first.plus(offset),
        Effect::RemovedBackward(first, _) => ElementId(first.0 - offset - (count - 1)),
    };
    (first, count)
}

/// Whether events that remove, the first the element at `index`, find what they remove among `len` visible ones.
fn check_removal(len: u32, index: u32, events: Span, backward: bool) -> Result<(), OutOfRange> {
    if !backward {
        return check_within(len, index, events.len());
    }
    check_within(len, index, 1)?;
    if events.len() > index + 1 {
        return Err(OutOfRange { index: 0, len: 0 });
    }
    Ok(())
}

fn check_within(len: u32, index: u32, count: u32) -> Result<(), OutOfRange> {
    match index.checked_add(count) {
        Some(end) if end <= len => Ok(()),
        _ => Err(OutOfRange { index, len }),
    }
}

/// Whether a new element comes before another one in T; elements of the base are before all events.
fn precedes(new: ElementId, other: ElementId, order: impl Fn(Local, Local) -> Ordering) -> bool {
    match (new.event(), other.event()) {
        (Some(new), Some(other)) => order(new, other) == Ordering::Less,
        (new, other) => new.is_none() && other.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Each insertion is compared with a plain scan (`integrate`).
    #[test]
    fn what_descends_from_a_neighbour_is_passed_in_one_step() {
        for seed in 1..20u64 {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below_u32(below);
            let order = |a: Local, b: Local| (a.0.wrapping_mul(0x9e37_79b9)).cmp(&b.0.wrapping_mul(0x9e37_79b9));
            let mut sequence = Sequence::default();
            // A long group, and many who have seen a part of it and go on at the end of that.
            let long = 60;
            assert!(sequence.insert(0, Span::new(Local(0), Local(long)), order).is_ok());
            let mut at = Local(long);
            for _ in 0..200 {
                let unseen = Span::new(Local(1 + random(long - 1)), Local(long));
                sequence.retreat(unseen);
                let own = Span::new(at, at + 1 + random(3));
                assert!(sequence.insert(unseen.start.0, own, order).is_ok());
                sequence.retreat(own);
                sequence.advance(unseen);
                sequence.assert_invariants();
                at = own.end;
            }
        }
    }

    /// Events by their numbers; T is handed in as a rank for each.
    #[test]
    fn a_row_hears_of_what_is_put_inside_a_run() {
        let ranks = [0, 50, 10, 20, 0, 60, 61, 62, 63, 70];
        let order = |a: Local, b: Local| ranks[a.0 as usize].cmp(&ranks[b.0 as usize]);
        let mut sequence = Sequence::default();
        let event = |number: u32| Span::new(Local(number), Local(number + 1));
        let insert = |sequence: &mut Sequence, index, number| {
            assert!(sequence.insert(index, event(number), order).is_ok());
            sequence.assert_invariants();
        };
        insert(&mut sequence, 0, 0);
        // Four behind it that have not seen each other: a row is kept.
        for number in 5..9 {
            insert(&mut sequence, 1, number);
            sequence.retreat(event(number));
        }
        assert!(!sequence.spots.is_empty());
        // Who made the first goes on, and somebody who has seen that types in between.
        insert(&mut sequence, 1, 1);
        insert(&mut sequence, 1, 9);
        sequence.retreat(event(9));
        sequence.retreat(event(1));
        // Two who have not: the second one stands behind the first one and before all that hangs on the others.
        insert(&mut sequence, 1, 2);
        sequence.retreat(event(2));
        insert(&mut sequence, 1, 3);
        let found: Vec<u32> = sequence.runs().flat_map(|(first, len, _)| first.0..first.0 + len).collect();
        assert_eq!(found, [0, 2, 3, 9, 1, 5, 6, 7, 8]);
    }
}
