//! Looking at a JSON document: a place in it, and what is there.

use super::Json;
use super::operations::{ContainerId, Kind};
use super::patch::pointer;
use super::read::{Step, View, empty};
use super::tree::{Slot, Spot};
use crate::id::EventId;
use serde_json::Value;
use std::borrow::Cow;

/// A place in a document, whether anything is there or not.
///
/// ```
/// use cede::{AgentId, Json};
/// use serde_json::json;
///
/// let value = json!({"todo": [{"done": true}]});
/// let doc = Json::try_from((AgentId::new(1), &value)).unwrap();
/// assert_eq!(doc.get("todo").at(0).get("done").value(), Some(json!(true)));
/// assert_eq!(doc.get("todo").at(7).get("done").value(), None);
/// ```
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    view: View<'a>,
    place: Option<Place>,
}

#[derive(Clone, Copy)]
enum Place {
    Root,
    Under(ContainerId, Spot),
}

/// Several things at one place that were put there concurrently.
#[derive(Clone, PartialEq, Debug)]
pub struct Conflict {
    /// The place, as a JSON Pointer into the plain reading.
    pub pointer: String,
    /// The scalar values, in T, each with the event that put it there.
    pub values: Vec<(EventId, Value)>,
    /// The object that is there as well.
    pub map: Option<Value>,
    /// The array that is there as well.
    pub list: Option<Value>,
}

impl Json {
    /// The root, which is a map.
    pub fn root(&self) -> Cursor<'_> {
        Cursor { view: self.view(), place: Some(Place::Root) }
    }

    /// The place of a key of the root.
    pub fn get(&self, key: &str) -> Cursor<'_> {
        self.root().get(key)
    }

    /// Every place in the plain reading where several things stand. O(what is there).
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        collect_conflicts(self.view(), ContainerId::ROOT, &mut Vec::new(), &mut conflicts);
        conflicts
    }
}

impl<'a> Cursor<'a> {
    /// A key of the map here.
    pub fn get(self, key: &str) -> Self {
        let place = self.container(false).zip(self.view.named(key));
        Self { place: place.map(|(map, spot)| Place::Under(map, spot)), ..self }
    }

    /// An element of the list here, by its index among the visible ones. O(log n).
    pub fn at(self, index: usize) -> Self {
        let place = self.container(true).and_then(|list| {
            let element = self.view.tree.element_at(list, index)?;
            Some(Place::Under(list, Spot::Element(element)))
        });
        Self { place, ..self }
    }

    /// An element of the list here, by its id.
    pub fn element(self, id: EventId) -> Self {
        let place = self.container(true).zip(self.view.log.graph().local(id));
        Self { place: place.map(|(list, element)| Place::Under(list, Spot::Element(element))), ..self }
    }

    /// Whether anything is here.
    pub fn exists(self) -> bool {
        matches!(self.place, Some(Place::Root)) || self.slot().is_some()
    }

    /// What the plain reading shows here.
    pub fn value(self) -> Option<Value> {
        match self.place? {
            Place::Root => Some(self.view.plain(ContainerId::ROOT)),
            Place::Under(container, spot) => self.view.plain_at(container, spot),
        }
    }

    /// The scalar values here, in T, each with the event that put it there: several where they were assigned
    /// concurrently.
    pub fn values(self) -> Vec<(EventId, Value)> {
        self.slot().map_or(Vec::new(), |slot| values_of(self.view, &slot))
    }

    /// The keys of the map here, ascending.
    pub fn keys(self) -> Vec<String> {
        let spots = self.container(false).map_or(Vec::new(), |map| self.view.tree.spots(map));
        let mut keys: Vec<String> = spots.into_iter().filter_map(|spot| self.view.name(spot)).collect();
        keys.sort_unstable();
        keys
    }

    /// How many elements the list here has.
    pub fn len(self) -> usize {
        self.container(true).map_or(0, |list| self.view.tree.len(list))
    }

    /// Whether the list here has no elements, or there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The id of the element here, if it is one.
    pub fn id(self) -> Option<EventId> {
        match self.place? {
            Place::Under(_, Spot::Element(element)) => Some(self.view.log.graph().id(element)),
            _ => None,
        }
    }

    fn slot(self) -> Option<Cow<'a, Slot>> {
        match self.place? {
            Place::Root => None,
            Place::Under(container, spot) => self.view.tree.slot(self.view.log, container, spot),
        }
    }

    /// The map or list here, if an operation has gone into it.
    fn container(self, is_list: bool) -> Option<ContainerId> {
        match self.place? {
            Place::Root => (!is_list).then_some(ContainerId::ROOT),
            Place::Under(container, spot) => self.view.child(container, spot, is_list),
        }
    }
}

fn values_of(view: View<'_>, slot: &Slot) -> Vec<(EventId, Value)> {
    let registers = slot.registers(view.log);
    registers.iter().map(|&event| (view.log.graph().id(event), view.value_of(event))).collect()
}

fn collect_conflicts(view: View<'_>, container: ContainerId, path: &mut Vec<Step>, found: &mut Vec<Conflict>) {
    let mut steps: Vec<(Step, Spot)> =
        view.tree.spots(container).into_iter().map(|spot| (view.step(container, spot), spot)).collect();
    if !view.log.contents().is_list(container) {
        steps.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    }
    for (step, spot) in steps {
        let Some(slot) = view.tree.slot(view.log, container, spot) else { continue };
        path.push(step);
        let children = [(Kind::Map, false), (Kind::List, true)]
            .map(|(kind, is_list)| slot.has(kind).then(|| (view.child(container, spot, is_list), is_list)));
        let values = values_of(view, &slot);
        if values.len() + children.iter().flatten().count() > 1 {
            let [map, list] = children
                .map(|child| child.map(|(child, is_list)| child.map_or(empty(is_list), |child| view.plain(child))));
            found.push(Conflict { pointer: pointer(path), values, map, list });
        }
        if let Some((Some(child), _)) =
            children.into_iter().flatten().find(|&(_, is_list)| slot.shown(view.log) == Some(kind_of(is_list)))
        {
            collect_conflicts(view, child, path, found);
        }
        path.pop();
    }
}

fn kind_of(is_list: bool) -> Kind {
    if is_list { Kind::List } else { Kind::Map }
}
