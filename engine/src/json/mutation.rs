//! Operations by the names of everything, as they travel between programs: written at any version, and read back.

use super::operations::{
    Action, Container, ContainerId, Key, MAX_DEPTH, MAX_NAME, MAX_PATH, MAX_STRING, Operation, Operations, Scalar, Way,
};
use super::patch::{Telling, pointer};
use super::read::{Step, json_of, scalar_of};
use super::tree::JsonLog;
use super::{Json, JsonError};
use crate::graph::{Frontier, Heads};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use serde_json::Value;

/// Where something stands in its container: under a key of a map, or as an element of a list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// A key of a map.
    Key(String),
    /// An element, by the event that inserted it.
    Element(EventId),
}

/// A step of a path: into the map or the list that stands at a place.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PathStep {
    /// The place in the container before.
    pub place: Place,
    /// Whether the step goes into the list there; else into the map.
    pub is_list: bool,
}

/// One operation: where, and what it does.
#[derive(Clone, PartialEq, Debug)]
pub struct Mutation {
    /// From the root map to the container. A key on it need not be present; what stands there of another type stays
    /// beside it.
    pub path: Vec<PathStep>,
    /// What is done there.
    pub deed: Deed,
}

/// What one operation does in its container. Values are scalars, `{}` or `[]`.
#[derive(Clone, PartialEq, Debug)]
pub enum Deed {
    /// Puts a value in the place of everything seen there.
    Assign {
        /// Where.
        place: Place,
        /// What.
        value: Value,
    },
    /// Takes away everything seen there.
    Delete {
        /// Where.
        place: Place,
    },
    /// A new element of a list, at an index among the elements visible at the version it is made at.
    Insert {
        /// The index.
        index: usize,
        /// What.
        value: Value,
    },
    /// The same by the element to its left; `None` for the start.
    InsertBehind {
        /// That element.
        left: Option<EventId>,
        /// What.
        value: Value,
    },
}

/// One run of one agent, as it was made.
#[derive(Clone, PartialEq, Debug)]
pub struct JsonAuthored {
    /// The events, one for each mutation.
    pub span: EventSpan,
    /// The parents of the first of them.
    pub parents: Frontier,
    /// What they did. Insertions name the element to their left.
    pub mutations: Vec<Mutation>,
}

impl Json {
    /// Writes history: events of `agent` that have seen `parents` and do these things one after the other, in the document
    /// as it was then. For importers. Returns the version just after.
    ///
    /// Costs a checkout of `parents`, unless that is the version of everything known.
    ///
    /// # Errors
    /// What cannot be done there, a version that is not known, one of more than 4,096 events, or one that has not seen the
    /// agent's last event; then nothing has changed.
    pub fn author(
        &mut self,
        agent: AgentId,
        parents: &Frontier,
        mutations: &[Mutation],
    ) -> Result<Frontier, JsonError> {
        let count = u32::try_from(mutations.len()).unwrap_or(u32::MAX);
        let heads = self.log().heads_to_write_at(agent, parents, count)?;
        // Made there first, so that nothing is done here unless all of it can be.
        let mut then = self.at(parents)?;
        let mut made = Vec::with_capacity(mutations.len());
        for mutation in mutations {
            let checked = Checked::of(&then, mutation)?;
            then.holding.make(agent, |operations| checked.record(operations), &mut Telling::Silent);
            made.push(checked);
        }
        let (mut heads, mut version) = (heads, parents.clone());
        for checked in made {
            let id = self.holding.make_at(agent, &heads, |operations| checked.record(operations), &mut Telling::Silent);
            heads = Heads::from_slice(&[self.log().len() - 1]);
            version = id.into();
        }
        Ok(version)
    }

    /// Does one thing in the document as it is now. As [`author`](Self::author), without a checkout.
    ///
    /// # Errors
    /// What cannot be done; then nothing has changed.
    pub fn mutate(&mut self, mutation: &Mutation) -> Result<EventId, JsonError> {
        let checked = Checked::of(self, mutation)?;
        self.make(|operations| checked.record(operations))
    }

    /// Records one event of this document's agent.
    pub(super) fn make(&mut self, record: impl FnOnce(&mut Operations)) -> Result<EventId, JsonError> {
        self.log().check_room(1 + self.log().gatherings())?;
        self.gather_heads()?;
        let id = self.holding.make(self.agent, record, &mut Telling::Silent);
        self.note_outgoing(id);
        Ok(id)
    }

    /// Brings heads together until an event can name all there are: by events that have seen as many as they may, and delete
    /// a key that has never been.
    fn gather_heads(&mut self) -> Result<(), JsonError> {
        while let Some(heads) = self.log().nameable_heads(self.agent) {
            let names = self.log().contents();
            let unused = (0..).map(|number: u32| number.to_string()).find(|name| names.find_name(name).is_none());
            let deed = Deed::Delete { place: Place::Key(unused.unwrap_or_default()) };
            let parents = self.log().graph().frontier(&heads);
            self.author(self.agent, &parents, &[Mutation { path: Vec::new(), deed }])?;
            let last = self.log().len() - 1;
            self.note_outgoing(self.log().graph().id(last));
        }
        Ok(())
    }

    fn note_outgoing(&mut self, id: EventId) {
        match self.outgoing.last_mut() {
            Some(span) if span.agent == id.agent && span.end == id.clock => span.end.0 += 1,
            _ => self.outgoing.push(EventSpan { agent: id.agent, start: id.clock, end: Clock(id.clock.0 + 1) }),
        }
    }

    /// The history as its authors made it: runs in the order of this log, each with its parents.
    pub fn operations(&self) -> impl Iterator<Item = JsonAuthored> + '_ {
        let (log, graph) = (self.log(), self.log().graph());
        graph.runs_in(Span::new(Local(0), log.len())).map(move |run| JsonAuthored {
            span: graph.event_span(run.span),
            parents: graph.frontier(run.parents),
            mutations: run.span.numbers().map(|event| mutation_of(log, Local(event))).collect(),
        })
    }

    /// What these events did, those that are known.
    pub fn mutations_of(&self, span: EventSpan) -> Vec<Mutation> {
        let spans = self.log().local_spans(&[span]);
        let events = spans.into_iter().flat_map(Span::numbers);
        events.map(|event| mutation_of(self.log(), Local(event))).collect()
    }
}

/// A mutation that can be done in some version, with its index replaced by the element there.
struct Checked<'a> {
    path: &'a [PathStep],
    deed: CheckedDeed<'a>,
}

enum CheckedDeed<'a> {
    Assign(&'a Place, Scalar<'a>),
    Delete(&'a Place),
    Insert(Option<EventId>, Scalar<'a>),
}

impl<'a> Checked<'a> {
    fn of(json: &Json, mutation: &'a Mutation) -> Result<Self, JsonError> {
        let path = mutation.path.as_slice();
        path.iter().try_fold(Way::default(), |way, step| way.below(step.place.name_bytes()).checked())?;
        let mut container = Some(ContainerId::ROOT);
        let mut in_list = false;
        for (number, step) in path.iter().enumerate() {
            let key = check_place(json, container, in_list, &path[..number], &step.place)?;
            container = container.zip(key).and_then(|(at, key)| json.log().contents().child(at, key, step.is_list));
            in_list = step.is_list;
        }
        let deed = match &mutation.deed {
            Deed::Assign { place, value } => {
                check_place(json, container, in_list, path, place)?;
                CheckedDeed::Assign(place, one_operation(value)?)
            }
            Deed::Delete { place } => {
                check_place(json, container, in_list, path, place)?;
                CheckedDeed::Delete(place)
            }
            Deed::Insert { .. } | Deed::InsertBehind { .. } if !in_list => {
                return Err(JsonError::WrongKind { pointer: pointer_of(path), wanted: "array" });
            }
            Deed::Insert { index, value } => {
                CheckedDeed::Insert(left_of(json, container, path, *index)?, one_operation(value)?)
            }
            Deed::InsertBehind { left, value } => {
                if let Some(left) = *left {
                    check_element(json, container, left)?;
                }
                CheckedDeed::Insert(*left, one_operation(value)?)
            }
        };
        Ok(Self { path, deed })
    }

    fn record(&self, operations: &mut Operations) {
        let mut container = ContainerId::ROOT;
        for step in self.path {
            let key = enter(operations, &step.place);
            container = operations.enter_container(Container { parent: container, key, is_list: step.is_list });
        }
        let action = match self.deed {
            CheckedDeed::Assign(place, value) => {
                Action::Assign { key: enter(operations, place), value: operations.store(value) }
            }
            CheckedDeed::Delete(place) => Action::Delete { key: enter(operations, place) },
            CheckedDeed::Insert(left, value) => {
                let left = left.map(|left| operations.enter_element(left));
                Action::Insert { left, value: operations.store(value) }
            }
        };
        operations.push(Operation { container, action });
    }
}

fn enter(operations: &mut Operations, place: &Place) -> Key {
    match place {
        Place::Key(name) => Key::Name(operations.enter_name(name)),
        Place::Element(id) => Key::Element(operations.enter_element(*id)),
    }
}

/// Whether a place can be in a container; its key, if any operation has named it.
fn check_place(
    json: &Json,
    container: Option<ContainerId>,
    in_list: bool,
    path: &[PathStep],
    place: &Place,
) -> Result<Option<Key>, JsonError> {
    let contents = json.log().contents();
    match place {
        Place::Key(name) if !in_list => {
            check_name(name)?;
            Ok(contents.find_name(name).map(Key::Name))
        }
        Place::Element(id) if in_list => {
            check_element(json, container, *id)?;
            Ok(contents.find_element(*id).map(Key::Element))
        }
        Place::Key(_) => Err(JsonError::WrongKind { pointer: pointer_of(path), wanted: "object" }),
        Place::Element(_) => Err(JsonError::WrongKind { pointer: pointer_of(path), wanted: "array" }),
    }
}

fn check_element(json: &Json, list: Option<ContainerId>, element: EventId) -> Result<(), JsonError> {
    let is_there = json.log().graph().local(element).is_some_and(|event| {
        let operation = json.log().contents().operation(event.0);
        Some(operation.container) == list && matches!(operation.action, Action::Insert { .. })
    });
    if is_there { Ok(()) } else { Err(JsonError::NoSuchElement { element }) }
}

/// The element to the left of an index among the visible ones.
fn left_of(
    json: &Json,
    list: Option<ContainerId>,
    path: &[PathStep],
    index: usize,
) -> Result<Option<EventId>, JsonError> {
    let len = list.map_or(0, |list| json.holding.values().len(list));
    if index > len {
        return Err(JsonError::IndexBeyond { pointer: pointer_of(path), index, len });
    }
    let left = list.zip(index.checked_sub(1)).and_then(|(list, at)| json.holding.values().element_at(list, at));
    Ok(left.map(|left| json.log().graph().id(left)))
}

/// A path in words, elements by their ids: they may stand at no index at all.
fn pointer_of(path: &[PathStep]) -> String {
    let steps = path.iter().map(|step| match &step.place {
        Place::Key(name) => Step::Key(name.clone()),
        Place::Element(id) => Step::Key(id.to_string()),
    });
    pointer(&steps.collect::<Vec<_>>())
}

impl Place {
    fn name_bytes(&self) -> usize {
        match self {
            Self::Key(name) => name.len(),
            Self::Element(_) => 0,
        }
    }
}

impl Way {
    /// The way, unless it is longer than documents have any.
    pub(super) fn checked(self) -> Result<Self, JsonError> {
        match self {
            way if !way.is_too_long() => Ok(way),
            Self { steps, .. } if steps > MAX_DEPTH => Err(JsonError::TooDeep { limit: MAX_DEPTH }),
            Self { bytes, .. } => Err(JsonError::TooLong { len: bytes, limit: MAX_PATH }),
        }
    }
}

pub(super) fn check_name(name: &str) -> Result<(), JsonError> {
    let len = name.len();
    if len <= MAX_NAME { Ok(()) } else { Err(JsonError::TooLong { len, limit: MAX_NAME }) }
}

/// What one operation puts in place for a value, if one can.
pub(super) fn one_operation(value: &Value) -> Result<Scalar<'_>, JsonError> {
    let is_empty = match value {
        Value::Array(elements) => elements.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => true,
    };
    if is_empty { checked_scalar(value) } else { Err(JsonError::NotOneOperation) }
}

/// What the first operation of several puts in place for a value.
pub(super) fn checked_scalar(value: &Value) -> Result<Scalar<'_>, JsonError> {
    match scalar_of(value) {
        Scalar::Text(text) if text.len() > MAX_STRING => Err(JsonError::TooLong { len: text.len(), limit: MAX_STRING }),
        scalar => Ok(scalar),
    }
}

fn mutation_of(log: &JsonLog, event: Local) -> Mutation {
    let contents = log.contents();
    let Operation { container, action } = contents.operation(event.0);
    let place = |key| match key {
        Key::Name(name) => Place::Key(contents.name(name).to_owned()),
        Key::Element(element) => Place::Element(contents.element(element)),
    };
    let path = contents.path(container);
    let path = path.into_iter().map(|step| PathStep { place: place(step.key), is_list: step.is_list }).collect();
    let deed = match action {
        Action::Assign { key, value } => Deed::Assign { place: place(key), value: json_of(contents.scalar(value)) },
        Action::Delete { key } => Deed::Delete { place: place(key) },
        Action::Insert { left, value } => {
            Deed::InsertBehind { left: left.map(|left| contents.element(left)), value: json_of(contents.scalar(value)) }
        }
    };
    Mutation { path, deed }
}
