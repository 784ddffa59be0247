//! The plain oracle of JSON documents: what stands where at a version, computed from the set of operations.
//!
//! Knows the meaning as it is written down: an operation touches the keys of its path, assignments and deletions clear
//! what they have seen, and what is not cleared is there. Every question goes through all operations of the version;
//! nothing is kept from one to the next. Lists are built in T, element by element, in the order of FugueMax by an explicit
//! tree. Shares no code with the engine.

use crate::conformance::{
    CaseId, ContainerCase, DeedCase, JsonCase, JsonGroupCase, JsonOpCase, JsonStepCase, JsonVersionCase, KeyCase,
};
use crate::random::Random;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The container, and the key in it.
type Position = (Vec<JsonStepCase>, KeyCase);

/// What an operation puts under a key or passes there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Register,
    Container(ContainerCase),
}

/// A history of operations, each by its number.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    nodes: Vec<Node>,
    numbers: BTreeMap<CaseId, usize>,
}

#[derive(Clone, Debug)]
struct Node {
    id: CaseId,
    /// The first clock of its group.
    first: u64,
    past: BTreeSet<usize>,
    op: JsonOpCase,
}

impl Documents {
    /// The history of these groups, parents first.
    ///
    /// # Panics
    /// When a parent does not come first.
    pub fn of(groups: &[JsonGroupCase]) -> Self {
        let mut documents = Self::default();
        groups.iter().for_each(|group| documents.add(group));
        documents
    }

    fn add(&mut self, group: &JsonGroupCase) {
        let mut past = self.past_of(&group.parents);
        for (op, clock) in group.ops.iter().zip(group.clock..) {
            let (number, id) = (self.nodes.len(), (group.agent, clock));
            self.nodes.push(Node { id, first: group.clock, past: past.clone(), op: op.clone() });
            self.numbers.insert(id, number);
            past.insert(number);
        }
    }

    /// The operations of a version.
    fn past_of(&self, version: &[CaseId]) -> BTreeSet<usize> {
        let mut past = BTreeSet::new();
        for id in version {
            let number = self.numbers[id];
            past.extend(&self.nodes[number].past);
            past.insert(number);
        }
        past
    }

    /// Everything with all conflicts, and plainly.
    pub fn read(&self, version: &[CaseId]) -> (Value, Value) {
        let events = self.past_of(version);
        (self.full(&events, &[], ContainerCase::Map), self.plain(&events, &[], ContainerCase::Map))
    }

    /// The rank in T.
    fn rank(&self, number: usize) -> (u64, u128, u64) {
        let Node { id: (agent, clock), first, .. } = self.nodes[number];
        (first, agent, clock)
    }

    /// The keys that an operation touches.
    fn touched(&self, number: usize) -> Vec<(Position, Kind)> {
        let Node { id, op: JsonOpCase { path, deed }, .. } = &self.nodes[number];
        let (own, value) = match deed {
            DeedCase::Delete { .. } => return Vec::new(),
            DeedCase::Assign { key, value } => (key.clone(), value),
            DeedCase::Insert { value, .. } => (KeyCase::element(*id), value),
        };
        let steps = path.iter().enumerate();
        let passed =
            steps.map(|(at, JsonStepCase(kind, key))| ((path[..at].to_vec(), key.clone()), Kind::Container(*kind)));
        passed.chain([((path.clone(), own), kind_of(value))]).collect()
    }

    /// The key that an operation clears, with everything below it.
    fn cleared(&self, number: usize) -> Option<Position> {
        let JsonOpCase { path, deed } = &self.nodes[number].op;
        match deed {
            DeedCase::Assign { key, .. } | DeedCase::Delete { key } => Some((path.clone(), key.clone())),
            DeedCase::Insert { .. } => None,
        }
    }

    /// The operations alive on a key, with what they put there, in T.
    fn alive(&self, events: &BTreeSet<usize>, position: &Position) -> Vec<(usize, Kind)> {
        let mut alive = Vec::new();
        for &number in events {
            let is_cleared = events.iter().any(|&clearer| {
                self.nodes[clearer].past.contains(&number)
                    && self.cleared(clearer).is_some_and(|cleared| covers(&cleared, position))
            });
            let touched = self.touched(number).into_iter().filter(|(touched, _)| touched == position && !is_cleared);
            alive.extend(touched.map(|(_, kind)| (number, kind)));
        }
        alive.sort_by_key(|&(number, _)| self.rank(number));
        alive
    }

    /// The keys of a container that are present, elements in their order.
    fn keys(&self, events: &BTreeSet<usize>, path: &[JsonStepCase], kind: ContainerCase) -> Vec<KeyCase> {
        let all: Vec<KeyCase> = match kind {
            ContainerCase::List => self.elements(events, path).into_iter().map(KeyCase::element).collect(),
            ContainerCase::Map => {
                let touched = events.iter().flat_map(|&number| self.touched(number));
                let keys = touched.filter(|((at, _), _)| at == path).map(|((_, key), _)| key);
                keys.collect::<BTreeSet<_>>().into_iter().collect()
            }
        };
        all.into_iter().filter(|key| !self.alive(events, &(path.to_vec(), key.clone())).is_empty()).collect()
    }

    /// All elements ever inserted into a list by these events, in order.
    fn elements(&self, events: &BTreeSet<usize>, path: &[JsonStepCase]) -> Vec<CaseId> {
        let is_of_list = |number: &usize| {
            let op = &self.nodes[*number].op;
            op.path == path && matches!(op.deed, DeedCase::Insert { .. })
        };
        let mut inserted: Vec<usize> = events.iter().copied().filter(is_of_list).collect();
        inserted.sort_by_key(|&number| self.rank(number));
        let mut list = List::default();
        for number in inserted {
            let past = &self.nodes[number].past;
            let DeedCase::Insert { index, .. } = self.nodes[number].op.deed else { unreachable!("only insertions") };
            let order = list.order();
            let is_visible = |other: &usize| {
                let position = (path.to_vec(), KeyCase::element(self.nodes[*other].id));
                past.contains(other) && !self.alive(past, &position).is_empty()
            };
            let left = index.checked_sub(1).map(|at| {
                let visible: Vec<usize> = order.iter().copied().filter(is_visible).collect();
                visible[at]
            });
            let behind =
                left.map_or(0, |left| 1 + order.iter().position(|&other| other == left).expect("a left neighbour"));
            let right = order[behind..].iter().copied().find(|other| past.contains(other));
            list.insert(number, left, right, |number| self.rank(number));
        }
        list.order().into_iter().map(|number| self.nodes[number].id).collect()
    }

    fn full(&self, events: &BTreeSet<usize>, path: &[JsonStepCase], kind: ContainerCase) -> Value {
        let entry = |key: &KeyCase| {
            let alive = self.alive(events, &(path.to_vec(), key.clone()));
            let mut entry = Map::new();
            if let KeyCase::Element(id) = key {
                entry.insert("id".to_owned(), json!([id.0, id.1]));
            }
            let values: Vec<Value> = self.values(&alive);
            if !values.is_empty() {
                entry.insert("values".to_owned(), values.into());
            }
            for (container, name) in [(ContainerCase::Map, "map"), (ContainerCase::List, "list")] {
                if alive.iter().any(|&(_, kind)| kind == Kind::Container(container)) {
                    let path = [path, &[JsonStepCase(container, key.clone())]].concat();
                    entry.insert(name.to_owned(), self.full(events, &path, container));
                }
            }
            Value::Object(entry)
        };
        collected(self.keys(events, path, kind), kind, entry)
    }

    fn plain(&self, events: &BTreeSet<usize>, path: &[JsonStepCase], kind: ContainerCase) -> Value {
        let entry = |key: &KeyCase| {
            let alive = self.alive(events, &(path.to_vec(), key.clone()));
            match alive.last().expect("a key that is present").1 {
                Kind::Register => self.values(&alive).pop().expect("a register has values"),
                Kind::Container(container) => {
                    let path = [path, &[JsonStepCase(container, key.clone())]].concat();
                    self.plain(events, &path, container)
                }
            }
        };
        collected(self.keys(events, path, kind), kind, entry)
    }

    fn values(&self, alive: &[(usize, Kind)]) -> Vec<Value> {
        let registers = alive.iter().filter(|&&(_, kind)| kind == Kind::Register);
        let value = |&(number, _): &(usize, Kind)| match &self.nodes[number].op.deed {
            DeedCase::Assign { value, .. } | DeedCase::Insert { value, .. } => value.clone(),
            DeedCase::Delete { .. } => unreachable!("a deletion touches nothing"),
        };
        registers.map(value).collect()
    }
}

fn collected(keys: Vec<KeyCase>, kind: ContainerCase, entry: impl Fn(&KeyCase) -> Value) -> Value {
    match kind {
        ContainerCase::List => keys.iter().map(entry).collect(),
        ContainerCase::Map => {
            let named = keys.iter().map(|key| match key {
                KeyCase::Name(name) => (name.clone(), entry(key)),
                KeyCase::Element(id) => unreachable!("element {id:?} in a map"),
            });
            Value::Object(named.collect())
        }
    }
}

fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Object(_) => Kind::Container(ContainerCase::Map),
        Value::Array(_) => Kind::Container(ContainerCase::List),
        _ => Kind::Register,
    }
}

/// Whether who clears a key clears a position too: that key, or something below it.
fn covers((path, key): &Position, (at, own): &Position) -> bool {
    let below = at.get(path.len()).is_some_and(|JsonStepCase(_, step)| at.starts_with(path) && step == key);
    (path == at && key == own) || below
}

/// The elements of one list as a FugueMax tree.
#[derive(Default)]
struct List {
    /// With parent (`None`: the start), side, and right origin.
    elements: BTreeMap<usize, (Option<usize>, bool, Option<usize>)>,
    /// Children in order: right ones, left ones.
    right: BTreeMap<Option<usize>, Vec<usize>>,
    left: BTreeMap<usize, Vec<usize>>,
}

impl List {
    fn insert<Rank: Ord>(
        &mut self,
        number: usize,
        left: Option<usize>,
        right: Option<usize>,
        rank: impl Fn(usize) -> Rank,
    ) {
        let order = self.order();
        match right.filter(|&right| self.descends(right, left)) {
            Some(parent) => {
                self.elements.insert(number, (Some(parent), true, right));
                let siblings = self.left.entry(parent).or_default();
                siblings.push(number);
                siblings.sort_by_key(|&sibling| rank(sibling));
            }
            None => {
                self.elements.insert(number, (left, false, right));
                let elements = &self.elements;
                let place = |sibling: usize| {
                    let origin = elements[&sibling].2;
                    origin.map_or(order.len(), |origin| order.iter().position(|&at| at == origin).expect("an origin"))
                };
                let siblings = self.right.entry(left).or_default();
                siblings.push(number);
                siblings.sort_by_key(|&sibling| (Reverse(place(sibling)), rank(sibling)));
            }
        }
    }

    fn descends(&self, element: usize, ancestor: Option<usize>) -> bool {
        let Some(ancestor) = ancestor else { return true };
        let mut at = Some(element);
        while let Some(element) = at {
            at = self.elements[&element].0;
            if at == Some(ancestor) {
                return true;
            }
        }
        false
    }

    fn order(&self) -> Vec<usize> {
        let mut order = Vec::new();
        self.right.get(&None).into_iter().flatten().for_each(|&child| self.visit(child, &mut order));
        order
    }

    fn visit(&self, element: usize, order: &mut Vec<usize>) {
        self.left.get(&element).into_iter().flatten().for_each(|&child| self.visit(child, order));
        order.push(element);
        self.right.get(&Some(element)).into_iter().flatten().for_each(|&child| self.visit(child, order));
    }
}

/// A random history with its results: `agents` agents who have seen some of each other's operations.
pub fn json_case(seed: u64) -> JsonCase {
    let mut random = Random::from_seed(seed);
    let agents = random.between(2, 4) as u128;
    let (mut groups, mut documents) = (Vec::new(), Documents::default());
    let mut versions: BTreeMap<u128, Vec<CaseId>> = BTreeMap::new();
    for _ in 0..random.between(3, 9) {
        let agent = 1 + random.below(agents as usize) as u128;
        // What this agent has seen, and sometimes what others have.
        let mut known = versions.get(&agent).cloned().unwrap_or_default();
        let others: Vec<&Vec<CaseId>> = versions.values().filter(|_| random.percent(45)).collect();
        known.extend(others.into_iter().flatten());
        let parents = documents.heads(&known);
        let own = versions.get(&agent).and_then(|version| version.iter().find(|id| id.0 == agent)).copied();
        let is_alone = own.is_some_and(|own| parents == [own]);
        if is_alone {
            continue;
        }
        let after = parents.iter().map(|id| id.1 + 1).max().unwrap_or(0);
        let clock = if own.is_some_and(|own| own.1 + 1 == after) { after + 1 } else { after };
        let mut group = JsonGroupCase { agent, clock, parents: parents.clone(), ops: Vec::new() };
        let mut version = parents;
        for at in 0..random.between(1, 5) as u64 {
            let op = documents.random_op(&version, &mut random);
            let one = JsonGroupCase { agent, clock: clock + at, parents: version, ops: vec![op.clone()] };
            documents.add(&one);
            // Its rank in T is that of its group.
            documents.nodes.last_mut().expect("just added").first = clock;
            version = vec![(agent, clock + at)];
            group.ops.push(op);
        }
        versions.insert(agent, version);
        groups.push(group);
    }
    let all: Vec<CaseId> = versions.into_values().flatten().collect();
    let frontier = documents.heads(&all);
    let (full, value) = documents.read(&frontier);
    let at = (0..4).map(|_| {
        let some: Vec<CaseId> = documents.nodes.iter().map(|node| node.id).filter(|_| random.percent(15)).collect();
        let version = documents.heads(&some);
        let (full, value) = documents.read(&version);
        JsonVersionCase { version, full, value }
    });
    JsonCase { seed, kind: "json".to_owned(), at: at.collect(), groups, frontier, full, value }
}

impl Documents {
    /// Those of these events that no other of them has seen, ascending.
    fn heads(&self, events: &[CaseId]) -> Vec<CaseId> {
        let seen =
            |id: &CaseId| events.iter().any(|other| self.nodes[self.numbers[other]].past.contains(&self.numbers[id]));
        let heads: BTreeSet<CaseId> = events.iter().copied().filter(|id| !seen(id)).collect();
        heads.into_iter().collect()
    }

    fn random_op(&self, version: &[CaseId], random: &mut Random) -> JsonOpCase {
        const KEYS: [&str; 4] = ["a", "b", "todo", "é"];
        let events = self.past_of(version);
        let (mut path, mut kind) = (Vec::new(), ContainerCase::Map);
        while path.len() < 4 && random.percent(65) {
            // Mostly into what is there; sometimes into an element that is gone, or a key that nobody has made.
            let keys = match kind {
                ContainerCase::Map if random.percent(90) => self.keys(&events, &path, kind),
                ContainerCase::Map => KEYS.map(|key| KeyCase::Name(key.to_owned())).to_vec(),
                ContainerCase::List => self.elements(&events, &path).into_iter().map(KeyCase::element).collect(),
            };
            if keys.is_empty() {
                break;
            }
            let key = random.pick(&keys).clone();
            let alive = self.alive(&events, &(path.clone(), key.clone()));
            let containers: Vec<ContainerCase> = alive
                .iter()
                .filter_map(|&(_, kind)| match kind {
                    Kind::Container(container) => Some(container),
                    Kind::Register => None,
                })
                .collect();
            let into = match containers.is_empty() || random.percent(8) {
                true if random.percent(70) => break,
                true => *random.pick(&[ContainerCase::Map, ContainerCase::List]),
                false => *random.pick(&containers),
            };
            path.push(JsonStepCase(into, key));
            kind = into;
        }
        let value =
            [json!({}), json!([]), json!(1), json!(-7), json!(2.5), json!("x"), json!("y z"), json!(null), json!(true)];
        let value = random.pick(&value).clone();
        let deed = match kind {
            ContainerCase::List => {
                let elements = self.elements(&events, &path);
                let visible = self.keys(&events, &path, kind).len();
                if elements.is_empty() || random.percent(60) {
                    DeedCase::Insert { index: random.below(visible + 1), value }
                } else {
                    let key = KeyCase::element(*random.pick(&elements));
                    if random.percent(50) { DeedCase::Assign { key, value } } else { DeedCase::Delete { key } }
                }
            }
            ContainerCase::Map => {
                let key = KeyCase::Name((*random.pick(&KEYS)).to_owned());
                if random.percent(75) { DeedCase::Assign { key, value } } else { DeedCase::Delete { key } }
            }
        };
        JsonOpCase { path, deed }
    }
}
