//! Things that many operations name, each kept once and named by its number.

use foldhash::fast::RandomState;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Invariant: numbers count up from 0; `since` ascends.
#[derive(Clone, Debug)]
pub(super) struct Interned<T> {
    items: Vec<T>,
    /// How many operations there were when each came, so that it goes with the operation that brought it.
    since: Vec<u32>,
    numbers: HashMap<T, u32, RandomState>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { items: Vec::new(), since: Vec::new(), numbers: HashMap::default() }
    }
}

impl<T: Clone + Eq + Hash> Interned<T> {
    /// The number of an item, which comes with operation `at` unless it is here.
    pub(super) fn enter(&mut self, item: T, at: u32) -> u32 {
        if let Some(&number) = self.numbers.get(&item) {
            return number;
        }
        // Items are fewer than operations have parts, and those take memory each.
        let number = self.items.len() as u32;
        self.items.push(item.clone());
        self.since.push(at);
        self.numbers.insert(item, number);
        number
    }

    pub(super) fn find<Q: Eq + Hash + ?Sized>(&self, item: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
    {
        self.numbers.get(item).copied()
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.items.get(number as usize)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// Forgets what came with operation `at` and later.
    pub(super) fn truncate(&mut self, at: u32) {
        let kept = self.since.partition_point(|&since| since < at);
        for item in self.items.drain(kept..) {
            self.numbers.remove(&item);
        }
        self.since.truncate(kept);
    }
}
