//! The fewest operations that make a document say what a value says: for programs that hold a plain value and change it.
//!
//! Maps are compared key by key. Of lists the longest common part stays as it is (by equality of the plain elements); what
//! was between is changed in place, element by element, as far as both sides have some, so that the edits of others inside
//! an element are kept.

use super::edit::{Inside, To, check_value};
use super::operations::{ContainerId, Kind, Way};
use super::tree::Spot;
use super::{Json, JsonError};
use crate::id::EventId;
use serde_json::{Map, Value};

/// Lists of more than so many pairs of elements that differ are not searched for what they have in common.
const MOST_PAIRS: usize = 1 << 22;

impl Json {
    /// Makes the document say what `value` says, with operations for what differs alone.
    ///
    /// Costs a comparison of everything; two lists besides the product of the lengths of what differs in them.
    ///
    /// # Errors
    /// A root that is no object, or a value that is too deep or has a string that is too long; then nothing has changed.
    ///
    /// ```
    /// use cede::{AgentId, Json};
    /// use serde_json::json;
    ///
    /// let mut doc = Json::try_from((AgentId::new(1), &json!({"a": [1, 2, 3], "b": true}))).unwrap();
    /// let before = doc.event_count();
    /// doc.update(&json!({"a": [1, 3], "b": true, "c": null})).unwrap();
    /// assert_eq!(doc.event_count(), before + 2);
    /// assert_eq!(doc.to_value(), json!({"a": [1, 3], "b": true, "c": null}));
    /// ```
    pub fn update(&mut self, value: &Value) -> Result<(), JsonError> {
        let Value::Object(entries) = value else { return Err(JsonError::RootIsAnObject) };
        entries.iter().try_for_each(|(name, value)| {
            super::mutation::check_name(name)?;
            check_value(value, name.len(), Way::default())
        })?;
        // No more events than there are values here and there.
        let most = u32::try_from(size_of_value(value) + size_of_value(&self.to_value())).unwrap_or(u32::MAX);
        self.log().check_room(most)?;
        self.update_map(Inside::Known(ContainerId::ROOT), entries)
    }

    fn update_map(&mut self, map: Inside, entries: &Map<String, Value>) -> Result<(), JsonError> {
        for spot in self.spots_in(map) {
            let Some(name) = self.view().name(spot).filter(|name| !entries.contains_key(name)) else { continue };
            self.delete_at(map, &To::Name(name))?;
        }
        entries.iter().try_for_each(|(name, value)| {
            let spot = self.view().named(name);
            let map = self.inside_again(map);
            self.update_at(map, spot, &To::Name(name.clone()), value)
        })
    }

    /// Makes one key say what a value says.
    fn update_at(&mut self, inside: Inside, spot: Option<Spot>, to: &To, value: &Value) -> Result<(), JsonError> {
        let there = match inside {
            Inside::Known(container) => spot.map(|spot| (container, spot)),
            Inside::Fresh { .. } => None,
        };
        let slot = there.and_then(|(container, spot)| self.view().tree.slot(self.log(), container, spot));
        let shown = slot.and_then(|slot| slot.shown(self.log()));
        match (there, shown, value) {
            (Some((container, spot)), Some(Kind::Map), Value::Object(entries)) => {
                self.update_map(self.inside_spot(container, spot, false), entries)
            }
            (Some((container, spot)), Some(Kind::List), Value::Array(elements)) => {
                self.update_list(self.inside_spot(container, spot, true), elements)
            }
            (Some((container, spot)), Some(Kind::Register), value)
                if self.view().plain_at(container, spot).as_ref() == Some(value) =>
            {
                Ok(())
            }
            _ => self.put(inside, to, value),
        }
    }

    fn update_list(&mut self, list: Inside, elements: &[Value]) -> Result<(), JsonError> {
        let held: Vec<(Spot, EventId, Value)> =
            self.spots_in(list).into_iter().filter_map(|spot| self.held(list, spot)).collect();
        let plain: Vec<&Value> = held.iter().map(|(_, _, value)| value).collect();
        let mut left = None;
        for block in blocks(&plain, elements) {
            let (mut ours, mut theirs) = (block.held.clone(), block.wanted.clone());
            if block.is_common {
                left = ours.next_back().map_or(left, |last| Some(held[last].1));
                continue;
            }
            // In place as far as both have some, then what only one of them has.
            while let (Some(our), Some(their)) = (ours.clone().next(), theirs.clone().next()) {
                (ours.start, theirs.start) = (our + 1, their + 1);
                let (spot, id, _) = &held[our];
                self.update_at(list, Some(*spot), &To::Element(*id), &elements[their])?;
                left = Some(*id);
            }
            for our in ours {
                self.delete_at(list, &To::Element(held[our].1))?;
            }
            for their in theirs {
                left = Some(self.insert_behind(self.inside_again(list), left, &elements[their])?);
            }
        }
        Ok(())
    }

    fn spots_in(&self, inside: Inside) -> Vec<Spot> {
        match inside {
            Inside::Known(container) => self.view().tree.spots(container),
            Inside::Fresh { .. } => Vec::new(),
        }
    }

    fn held(&self, list: Inside, spot: Spot) -> Option<(Spot, EventId, Value)> {
        let (Inside::Known(list), Spot::Element(element)) = (list, spot) else { return None };
        Some((spot, self.log().graph().id(element), self.view().plain_at(list, spot)?))
    }
}

/// A part of two lists: the same in both, or what each has between two such parts.
struct Block {
    held: std::ops::Range<usize>,
    wanted: std::ops::Range<usize>,
    is_common: bool,
}

/// The parts of two lists, from left to right.
fn blocks(held: &[&Value], wanted: &[Value]) -> Vec<Block> {
    let same = |(a, b): &(&&Value, &Value)| **a == *b;
    let front = held.iter().zip(wanted).take_while(same).count();
    let (rest, more) = (&held[front..], &wanted[front..]);
    let back = rest.iter().rev().zip(more.iter().rev()).take_while(same).count();
    let (rest, more) = (&rest[..rest.len() - back], &more[..more.len() - back]);
    let mut blocks = vec![Block { held: 0..front, wanted: 0..front, is_common: true }];
    let (mut at, mut to) = (front, front);
    let pairs = common(rest, more).into_iter().map(|(held, wanted)| (front + held, front + wanted));
    for (held, wanted) in pairs.chain([(front + rest.len(), front + more.len())]) {
        blocks.push(Block { held: at..held, wanted: to..wanted, is_common: false });
        blocks.push(Block { held: held..held + 1, wanted: wanted..wanted + 1, is_common: true });
        (at, to) = (held + 1, wanted + 1);
    }
    // What stands behind everything that differs stays as it is; the last pair is none.
    blocks.pop();
    blocks
}

/// The pairs of a longest common subsequence, unless that would take too long.
fn common(held: &[&Value], wanted: &[Value]) -> Vec<(usize, usize)> {
    if held.len().saturating_mul(wanted.len()) > MOST_PAIRS {
        return Vec::new();
    }
    let width = wanted.len() + 1;
    // `longest[i * width + j]`: of what stands from `i` and from `j` on.
    let mut longest = vec![0u32; (held.len() + 1) * width];
    for i in (0..held.len()).rev() {
        for j in (0..wanted.len()).rev() {
            longest[i * width + j] = match *held[i] == wanted[j] {
                true => longest[(i + 1) * width + j + 1] + 1,
                false => longest[(i + 1) * width + j].max(longest[i * width + j + 1]),
            };
        }
    }
    let (mut pairs, mut i, mut j) = (Vec::new(), 0, 0);
    while i < held.len() && j < wanted.len() {
        if *held[i] == wanted[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

/// How many values there are in a value, itself included.
pub(super) fn size_of_value(value: &Value) -> usize {
    1 + match value {
        Value::Array(elements) => elements.iter().map(size_of_value).sum(),
        Value::Object(entries) => entries.values().map(size_of_value).sum(),
        _ => 0,
    }
}
