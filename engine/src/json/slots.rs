//! What stands under the keys of one container: a handful in a row, many in a hash table.
//!
//! Most maps of a document have the few keys of one thing. In a row they take one allocation, and finding one of them is
//! quicker than hashing it.

use super::tree::Slot;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;

/// So many stand in a row.
const FEW: usize = if cfg!(test) { 2 } else { 8 };

/// A table with room for so many times its keys is made smaller.
const SPARSE: usize = 8;

/// Invariant: no key twice.
#[derive(Clone, Debug)]
pub(super) enum Slots<K> {
    Few(Vec<(K, Slot)>),
    Many(HashMap<K, Slot, RandomState>),
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<K: Copy + Eq + Hash> Slots<K> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn get(&self, key: K) -> Option<&Slot> {
        match self {
            Self::Few(few) => few.iter().find(|(other, _)| *other == key).map(|(_, slot)| slot),
            Self::Many(many) => many.get(&key),
        }
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut Slot> {
        match self {
            Self::Few(few) => few.iter_mut().find(|(other, _)| *other == key).map(|(_, slot)| slot),
            Self::Many(many) => many.get_mut(&key),
        }
    }

    /// The slot of a key, and whether it is new.
    pub(super) fn enter(&mut self, key: K) -> (&mut Slot, bool) {
        if let Self::Few(few) = self
            && few.len() == FEW
            && !few.iter().any(|(other, _)| *other == key)
        {
            *self = Self::Many(few.drain(..).collect());
        }
        match self {
            Self::Few(few) => {
                let known = few.iter().position(|(other, _)| *other == key);
                let at = known.unwrap_or(few.len());
                if known.is_none() {
                    few.push((key, Slot::default()));
                }
                (&mut few[at].1, known.is_none())
            }
            Self::Many(many) => match many.entry(key) {
                Entry::Occupied(slot) => (slot.into_mut(), false),
                Entry::Vacant(place) => (place.insert(Slot::default()), true),
            },
        }
    }

    pub(super) fn remove(&mut self, key: K) {
        match self {
            Self::Few(few) => few.retain(|(other, _)| *other != key),
            Self::Many(many) => {
                many.remove(&key);
                // Going over the keys of a table takes as long as it has room, and so does giving the room back.
                if many.capacity() > SPARSE * (many.len() + FEW) {
                    many.shrink_to_fit();
                }
            }
        }
    }

    pub(super) fn keys(&self) -> Vec<K> {
        match self {
            Self::Few(few) => few.iter().map(|(key, _)| *key).collect(),
            Self::Many(many) => many.keys().copied().collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn values(&self) -> Vec<&Slot> {
        match self {
            Self::Few(few) => few.iter().map(|(_, slot)| slot).collect(),
            Self::Many(many) => many.values().collect(),
        }
    }
}
