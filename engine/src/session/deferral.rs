//! When remote clocks are adopted: the window around the caret in which the screen still equals the author's own
//! branch.
//!
//! Knows visible positions only, in chars. The rules (`ARCHITECTURE.md`, Deferral) are for single events; where a
//! stretch of events comes at once the sums below are what the rules give one by one, whichever way the stretch is
//! walked.

use crate::text::tracker::Change;

/// A run adopts at the latest after this many events.
const MOST_EVENTS: u32 = 4096;

/// What is about to be done at the caret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LocalEdit {
    Insert,
    Backspace,
    Delete,
}

/// The current run: what has been edited since the caret moved or something was adopted.
///
/// Invariant: `left ≤ caret ≤ right` unless the next edit adopts.
#[derive(Clone, Debug, Default)]
pub(super) struct Deferral {
    caret: u32,
    left: u32,
    right: u32,
    touched: bool,
    events: u32,
    /// The characters typed in this run and still alive, from left to right. They all stand before the caret.
    typed: Vec<Stretch>,
}

/// Typed characters, and how many others stand between them and the next stretch or the caret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stretch {
    len: u32,
    gap: u32,
}

impl Deferral {
    pub(super) fn caret(&self) -> u32 {
        self.caret
    }

    pub(super) fn move_to(&mut self, caret: u32) {
        self.caret = caret;
    }

    /// A run starts in a text of `len` chars.
    #[inline]
    pub(super) fn start(&mut self, len: u32) {
        (self.left, self.right, self.touched, self.events) = (0, len, false, 0);
        self.typed.clear();
    }

    /// Whether this edit adopts what is pending.
    pub(super) fn must_adopt(&self, edit: LocalEdit) -> bool {
        self.touched || self.room(edit) == 0
    }

    /// How many events of an edit can go before something must be adopted. (The edit is asked for with something
    /// pending.)
    pub(super) fn room(&self, edit: LocalEdit) -> u32 {
        let room = match edit {
            LocalEdit::Insert if 0 < self.left && self.caret <= self.left => 0,
            LocalEdit::Insert => u32::MAX,
            LocalEdit::Backspace => self.caret.saturating_sub(self.left),
            LocalEdit::Delete => self.right.saturating_sub(self.caret),
        };
        room.min(MOST_EVENTS.saturating_sub(self.events))
    }

    #[inline]
    pub(super) fn typed(&mut self, count: u32) {
        self.caret += count;
        self.right += count;
        self.events = self.events.saturating_add(count);
        match self.typed.last_mut() {
            Some(last) if last.gap == 0 => last.len += count,
            _ => self.typed.push(Stretch { len: count, gap: 0 }),
        }
    }

    #[inline]
    pub(super) fn backspaced(&mut self, count: u32) {
        match self.typed.last_mut() {
            // Mostly what was just typed.
            Some(last) if last.gap == 0 && last.len > count => last.len -= count,
            Some(_) => self.forget_typed(0, count),
            None => {}
        }
        self.caret -= count;
        self.right -= count;
        self.events = self.events.saturating_add(count);
    }

    #[inline]
    pub(super) fn deleted(&mut self, count: u32) {
        self.right -= count;
        self.events = self.events.saturating_add(count);
    }

    /// Somebody else's change is about to be made to the visible text.
    pub(super) fn see(&mut self, change: Change) {
        if change.inserts {
            self.see_insertion(change.at, change.len());
        } else {
            self.see_deletion(change.at, change.len());
        }
    }

    fn see_insertion(&mut self, at: u32, count: u32) {
        if at < self.caret {
            self.part_typed(self.caret - at, count);
            self.caret += count;
            self.right += count;
            self.left = (self.left + count).max(at + count);
        } else if at == self.caret {
            self.right = self.caret;
            self.touched |= !self.typed_before_caret();
        } else {
            self.right = self.right.min(at);
        }
    }

    fn see_deletion(&mut self, at: u32, count: u32) {
        let before = self.caret.saturating_sub(at).min(count);
        if before > 0 {
            self.touched |= at + before == self.caret;
            self.forget_typed(self.caret - at - before, before);
            self.caret -= before;
            // Saturating, because before a run has started the window means nothing yet.
            self.right = self.right.saturating_sub(before);
            self.left = self.left.saturating_sub(before).max(at);
        }
        if before < count {
            self.right = self.right.min(at.max(self.caret));
        }
    }

    fn typed_before_caret(&self) -> bool {
        self.typed.last().is_some_and(|last| last.gap == 0)
    }

    /// Others come to stand `distance` chars left of the caret.
    fn part_typed(&mut self, distance: u32, count: u32) {
        let mut passed = 0;
        for number in (0..self.typed.len()).rev() {
            let stretch = &mut self.typed[number];
            if distance <= passed + stretch.gap {
                stretch.gap += count;
                return;
            }
            passed += stretch.gap;
            if distance < passed + stretch.len {
                let behind = Stretch { len: distance - passed, gap: stretch.gap };
                *stretch = Stretch { len: stretch.len - behind.len, gap: count };
                self.typed.insert(number + 1, behind);
                return;
            }
            passed += stretch.len;
        }
    }

    /// `count` chars go that stand left of the caret, the last of them `distance` chars away from it.
    fn forget_typed(&mut self, distance: u32, count: u32) {
        let end = distance + count;
        let gone = |from: u32, len: u32| (from + len).min(end).saturating_sub(from.max(distance));
        let mut passed = 0;
        for stretch in self.typed.iter_mut().rev() {
            if passed >= end {
                break;
            }
            let Stretch { len, gap } = *stretch;
            stretch.gap -= gone(passed, gap);
            stretch.len -= gone(passed + gap, len);
            passed += gap + len;
        }
        self.join_around_empty();
    }

    fn join_around_empty(&mut self) {
        let mut kept = 0;
        for number in 0..self.typed.len() {
            let stretch = self.typed[number];
            if stretch.len > 0 {
                self.typed[kept] = stretch;
                kept += 1;
            } else if kept > 0 {
                self.typed[kept - 1].gap += stretch.gap;
            }
        }
        self.typed.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Random, seeds};

    /// The rules for one event at a time, with every typed character in a list.
    #[derive(Clone, Debug, Default)]
    struct Model {
        caret: u32,
        left: u32,
        right: u32,
        touched: bool,
        typed: Vec<u32>,
    }

    impl Model {
        fn typed(&mut self) {
            self.typed.push(self.caret);
            self.caret += 1;
            self.right += 1;
        }

        fn backspaced(&mut self) {
            self.caret -= 1;
            self.right -= 1;
            self.typed.retain(|&at| at != self.caret);
        }

        fn insertion(&mut self, at: u32) {
            if at < self.caret {
                self.typed.iter_mut().filter(|typed| **typed >= at).for_each(|typed| *typed += 1);
                self.caret += 1;
                self.right += 1;
                self.left = (self.left + 1).max(at + 1);
            } else if at == self.caret {
                self.right = self.caret;
                if self.caret == 0 || !self.typed.contains(&(self.caret - 1)) {
                    self.touched = true;
                }
            } else {
                self.right = self.right.min(at);
            }
        }

        fn deletion(&mut self, at: u32) {
            if at < self.caret {
                self.touched |= at + 1 == self.caret;
                self.typed.retain(|&typed| typed != at);
                self.typed.iter_mut().filter(|typed| **typed > at).for_each(|typed| *typed -= 1);
                self.caret -= 1;
                self.right -= 1;
                self.left = self.left.saturating_sub(1).max(at);
            } else {
                self.right = self.right.min(at);
            }
        }
    }

    #[test]
    fn stretches_count_as_their_events_one_by_one() {
        for seed in seeds(4) {
            let mut numbers = Random(seed);
            let mut random = move |below| numbers.below_u32(below);
            for _ in 0..2000 {
                let mut len = 5 + random(20);
                let (mut run, mut model) = (Deferral::default(), Model::default());
                run.start(len);
                model.right = len;
                let caret = random(len);
                run.move_to(caret);
                model.caret = caret;
                for _ in 0..12 {
                    let count = 1 + random(4);
                    match random(4) {
                        0 => {
                            run.typed(count);
                            (0..count).for_each(|_| model.typed());
                            len += count;
                        }
                        1 if model.caret >= model.left + count => {
                            run.backspaced(count);
                            (0..count).for_each(|_| model.backspaced());
                            len -= count;
                        }
                        2 => {
                            let at = random(len + 1);
                            run.see_insertion(at, count);
                            (at..at + count).for_each(|at| model.insertion(at));
                            len += count;
                        }
                        3 if len > count => {
                            let at = random(len - count);
                            run.see_deletion(at, count);
                            (0..count).for_each(|_| model.deletion(at));
                            len -= count;
                        }
                        _ => {}
                    }
                    let seen = (run.caret, run.left, run.right, run.touched, run.typed_before_caret());
                    let typed_before = model.caret > 0 && model.typed.contains(&(model.caret - 1));
                    assert_eq!(
                        seen,
                        (model.caret, model.left, model.right, model.touched, typed_before),
                        "{run:?} {model:?}"
                    );
                    assert_eq!(run.typed.iter().map(|stretch| stretch.len).sum::<u32>() as usize, model.typed.len());
                }
            }
        }
    }

    #[test]
    fn a_run_adopts_after_4096_events() {
        let mut run = Deferral::default();
        run.start(0);
        run.typed(4095);
        assert_eq!(run.room(LocalEdit::Insert), 1);
        run.typed(1);
        assert!(run.must_adopt(LocalEdit::Insert));
    }
}
