//! Changing a JSON document: a place in it, and what is done there.

use super::mutation::{check_name, checked_scalar};
use super::operations::{Action, Container, ContainerId, Key, Kind, Operation, Operations, Way};
use super::patch::pointer;
use super::read::Step;
use super::tree::Spot;
use super::{Json, JsonError};
use crate::id::{EventId, Local};
use serde_json::Value;

/// A place in a document where something is to be done. What is wrong with the place is said when it is.
///
/// A [`Value`] that is put in place is one operation for each map, list and leaf in it.
///
/// ```
/// use cede::{AgentId, Json};
/// use serde_json::json;
///
/// let mut doc = Json::new(AgentId::new(1));
/// doc.edit().get("todo").set(&json!(["milk"])).unwrap();
/// doc.edit().get("todo").insert(0, &json!("eggs")).unwrap();
/// doc.edit().get("todo").at(1).delete().unwrap();
/// assert_eq!(doc.to_value(), json!({"todo": ["eggs"]}));
///
/// let error = doc.edit().get("todo").get("milk").set(&json!(1)).unwrap_err();
/// assert_eq!(error.to_string(), r#"there is no object at "/todo""#);
/// ```
pub struct Editor<'a> {
    json: &'a mut Json,
    place: Result<Target, JsonError>,
}

/// A place that exists, or a key of a map that exists.
#[derive(Clone, Debug)]
enum Target {
    Root,
    Under(Inside, To),
}

/// A map or list that is there. If no operation has ever gone into it, it has no number yet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inside {
    Known(ContainerId),
    Fresh { parent: ContainerId, spot: Spot, is_list: bool },
}

/// What an operation does something to.
#[derive(Clone, Debug)]
pub(super) enum To {
    Name(String),
    Element(EventId),
}

impl Json {
    /// The root, to be gone into.
    pub fn edit(&mut self) -> Editor<'_> {
        Editor { json: self, place: Ok(Target::Root) }
    }
}

impl Editor<'_> {
    /// A key of the map here, whether anything stands under it or not.
    pub fn get(self, key: &str) -> Self {
        self.step(|json, target| {
            check_name(key)?;
            Ok(Target::Under(json.inside(target, false)?, To::Name(key.to_owned())))
        })
    }

    /// An element of the list here, by its index among the visible ones.
    pub fn at(self, index: usize) -> Self {
        self.step(|json, target| {
            let inside = json.inside(target, true)?;
            match json.element_at(inside, index) {
                Some(id) => Ok(Target::Under(inside, To::Element(id))),
                None => Err(json.index_beyond(target, inside, index)),
            }
        })
    }

    /// An element of the list here, by its id. It need not be visible: what is put there brings it back.
    pub fn element(self, id: EventId) -> Self {
        self.step(|json, target| {
            let inside = json.inside(target, true)?;
            match json.log().graph().local(id).filter(|&event| json.is_element(inside, event)) {
                Some(_) => Ok(Target::Under(inside, To::Element(id))),
                None => Err(JsonError::NoSuchElement { element: id }),
            }
        })
    }

    fn step(self, step: impl FnOnce(&Json, &Target) -> Result<Target, JsonError>) -> Self {
        let place = self.place.and_then(|target| step(self.json, &target));
        Self { json: self.json, place }
    }

    /// Puts a value here, in the place of everything that is. At the root it takes an object, and changes what differs.
    ///
    /// # Errors
    /// What is wrong with the place or the value; then nothing has changed.
    pub fn set(self, value: &Value) -> Result<(), JsonError> {
        match self.place? {
            Target::Root => self.json.update(value),
            Target::Under(inside, to) => {
                self.json.check_value(value, to.name_bytes(), inside)?;
                self.json.put(inside, &to, value)
            }
        }
    }

    /// Inserts a value into the list here, at an index among the visible elements. Returns the element's id.
    ///
    /// # Errors
    /// What is wrong with the place, the index or the value; then nothing has changed.
    pub fn insert(self, index: usize, value: &Value) -> Result<EventId, JsonError> {
        let target = self.place?;
        let inside = self.json.inside(&target, true)?;
        let left = index.checked_sub(1).map(|at| self.json.element_at(inside, at));
        if let Some(None) = left {
            return Err(self.json.index_beyond(&target, inside, index));
        }
        self.json.check_value(value, 0, inside)?;
        self.json.insert_behind(inside, left.flatten(), value)
    }

    /// Inserts a value at the end of the list here. Returns the element's id.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn push(self, value: &Value) -> Result<EventId, JsonError> {
        let len = match &self.place {
            Ok(target) => self.json.inside(target, true).map_or(0, |inside| self.json.len_of(inside)),
            Err(_) => 0,
        };
        self.insert(len, value)
    }

    /// Takes away everything that is here. What others put here at the same time, unseen, stays.
    ///
    /// # Errors
    /// There is nothing here; then nothing has changed.
    pub fn delete(self) -> Result<(), JsonError> {
        match self.place? {
            Target::Root => Err(JsonError::RootIsAnObject),
            target if !self.json.is_there(&target) => Err(JsonError::Absent { pointer: self.json.pointer(&target) }),
            Target::Under(inside, to) => self.json.delete_at(inside, &to),
        }
    }
}

/// Where things are.
impl Json {
    /// The map or list at a place.
    fn inside(&self, target: &Target, is_list: bool) -> Result<Inside, JsonError> {
        let (wanted, kind) = if is_list { ("array", Kind::List) } else { ("object", Kind::Map) };
        match target {
            Target::Root if !is_list => return Ok(Inside::Known(ContainerId::ROOT)),
            Target::Under(inside, to) => {
                if let Some((parent, spot)) = self.spot(*inside, to)
                    && self.view().tree.slot(self.log(), parent, spot).is_some_and(|slot| slot.has(kind))
                {
                    return Ok(self.inside_spot(parent, spot, is_list));
                }
            }
            Target::Root => {}
        }
        Err(JsonError::WrongKind { pointer: self.pointer(target), wanted })
    }

    /// The map or list that is under a key.
    pub(super) fn inside_spot(&self, parent: ContainerId, spot: Spot, is_list: bool) -> Inside {
        match self.view().child(parent, spot, is_list) {
            Some(child) => Inside::Known(child),
            None => Inside::Fresh { parent, spot, is_list },
        }
    }

    /// Where something stands, if anything can: a container that no operation has gone into has no keys.
    fn spot(&self, inside: Inside, to: &To) -> Option<(ContainerId, Spot)> {
        let Inside::Known(container) = inside else { return None };
        let spot = match to {
            To::Name(name) => self.view().named(name)?,
            To::Element(id) => Spot::Element(self.log().graph().local(*id)?),
        };
        Some((container, spot))
    }

    fn is_there(&self, target: &Target) -> bool {
        let Target::Under(inside, to) = target else { return true };
        let slot =
            self.spot(*inside, to).and_then(|(container, spot)| self.view().tree.slot(self.log(), container, spot));
        slot.is_some()
    }

    fn element_at(&self, inside: Inside, index: usize) -> Option<EventId> {
        let Inside::Known(list) = inside else { return None };
        self.view().tree.element_at(list, index).map(|element| self.log().graph().id(element))
    }

    fn len_of(&self, inside: Inside) -> usize {
        match inside {
            Inside::Known(list) => self.view().tree.len(list),
            Inside::Fresh { .. } => 0,
        }
    }

    fn is_element(&self, inside: Inside, event: Local) -> bool {
        let operation = self.log().contents().operation(event.0);
        let inserts = matches!(operation.action, Action::Insert { .. });
        inserts && matches!(inside, Inside::Known(list) if operation.container == list)
    }

    fn way_to(&self, inside: Inside) -> Way {
        let contents = self.log().contents();
        match inside {
            Inside::Known(container) => contents.way(container),
            Inside::Fresh { parent, spot: Spot::Name(name), .. } => {
                contents.way(parent).below(contents.name(name).len())
            }
            Inside::Fresh { parent, spot: Spot::Element(_), .. } => contents.way(parent).below(0),
        }
    }

    fn index_beyond(&self, target: &Target, inside: Inside, index: usize) -> JsonError {
        JsonError::IndexBeyond { pointer: self.pointer(target), index, len: self.len_of(inside) }
    }

    /// A place in words.
    fn pointer(&self, target: &Target) -> String {
        let mut steps = Vec::new();
        let Target::Under(inside, to) = target else { return String::new() };
        let container = match *inside {
            Inside::Known(container) => container,
            Inside::Fresh { parent, .. } => parent,
        };
        let view = self.view();
        for step in self.log().contents().path(container) {
            steps.push(view.step(step.parent, super::tree::spot_of(view.log, step.key)));
        }
        if let Inside::Fresh { parent, spot, .. } = *inside {
            steps.push(view.step(parent, spot));
        }
        steps.push(match to {
            To::Name(name) => Step::Key(name.clone()),
            To::Element(id) => {
                let element = view.log.graph().local(*id);
                element.map_or(Step::Index(0), |element| view.step(container, Spot::Element(element)))
            }
        });
        pointer(&steps)
    }

    /// Whether a value can be put into a container, under a name of so many bytes or as an element: as deep as documents are,
    /// and no string too long.
    fn check_value(&self, value: &Value, name: usize, inside: Inside) -> Result<(), JsonError> {
        check_value(value, name, self.way_to(inside).checked()?)
    }
}

/// Checks a value that stands in a container to which this is the way, under a name of so many bytes or as an element.
pub(super) fn check_value(value: &Value, name: usize, way: Way) -> Result<(), JsonError> {
    checked_scalar(value)?;
    let below = || way.below(name).checked();
    match value {
        Value::Array(elements) => elements.iter().try_for_each(|element| check_value(element, 0, below()?)),
        Value::Object(entries) => entries.iter().try_for_each(|(name, value)| {
            check_name(name)?;
            check_value(value, name.len(), below()?)
        }),
        _ => Ok(()),
    }
}

/// What is done. Values were checked.
impl Json {
    /// Puts a value in the place of everything that is there, with what is in it.
    pub(super) fn put(&mut self, inside: Inside, to: &To, value: &Value) -> Result<(), JsonError> {
        let scalar = checked_scalar(value)?;
        self.record(inside, |operations| Action::Assign {
            key: to.enter(operations),
            value: operations.store(scalar),
        })?;
        self.fill(inside, to, value)
    }

    pub(super) fn delete_at(&mut self, inside: Inside, to: &To) -> Result<(), JsonError> {
        self.record(inside, |operations| Action::Delete { key: to.enter(operations) }).map(drop)
    }

    pub(super) fn insert_behind(
        &mut self,
        inside: Inside,
        left: Option<EventId>,
        value: &Value,
    ) -> Result<EventId, JsonError> {
        let scalar = checked_scalar(value)?;
        let id = self.record(inside, |operations| Action::Insert {
            left: left.map(|left| operations.enter_element(left)),
            value: operations.store(scalar),
        })?;
        self.fill(inside, &To::Element(id), value)?;
        Ok(id)
    }

    /// Puts what is in a map or list where an empty one was just put.
    fn fill(&mut self, inside: Inside, to: &To, value: &Value) -> Result<(), JsonError> {
        let is_list = value.is_array();
        if !is_list && !value.is_object() {
            return Ok(());
        }
        // The operation before went into the container, so that it has a number now.
        let place = self.spot(self.inside_again(inside), to);
        let Some((parent, spot)) = place else { unreachable!("what was just put is not there: {to:?}") };
        let child = self.inside_spot(parent, spot, is_list);
        match value {
            Value::Object(entries) => entries
                .iter()
                .try_for_each(|(name, value)| self.put(self.inside_again(child), &To::Name(name.clone()), value)),
            Value::Array(elements) => {
                let mut left = None;
                for value in elements {
                    left = Some(self.insert_behind(self.inside_again(child), left, value)?);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A container that may have been gone into since.
    pub(super) fn inside_again(&self, inside: Inside) -> Inside {
        match inside {
            Inside::Known(_) => inside,
            Inside::Fresh { parent, spot, is_list } => self.inside_spot(parent, spot, is_list),
        }
    }

    /// Records an operation in a container.
    fn record(&mut self, inside: Inside, action: impl FnOnce(&mut Operations) -> Action) -> Result<EventId, JsonError> {
        let element = match inside {
            Inside::Fresh { spot: Spot::Element(element), .. } => Some(self.log().graph().id(element)),
            _ => None,
        };
        self.make(|operations| {
            let container = match inside {
                Inside::Known(container) => container,
                Inside::Fresh { parent, spot, is_list } => {
                    let key = match (spot, element) {
                        (Spot::Name(name), _) => Key::Name(name),
                        (Spot::Element(_), Some(id)) => Key::Element(operations.enter_element(id)),
                        (Spot::Element(element), None) => unreachable!("{element:?} has no name"),
                    };
                    operations.enter_container(Container { parent, key, is_list })
                }
            };
            let action = action(operations);
            operations.push(Operation { container, action });
        })
    }
}

impl To {
    fn name_bytes(&self) -> usize {
        match self {
            Self::Name(name) => name.len(),
            Self::Element(_) => 0,
        }
    }

    fn enter(&self, operations: &mut Operations) -> Key {
        match self {
            Self::Name(name) => Key::Name(operations.enter_name(name)),
            Self::Element(id) => Key::Element(operations.enter_element(*id)),
        }
    }
}
