//! Replicas that edit lists and maps at random and hear of each other at random, with invariants checked on the way. (In
//! tests the sequence passes only two runs one by one, so that all of its ways are gone.)

use super::operations::{Action, Container, ContainerId, Key, Operation, Scalar};
use super::{Deed, Json, Mutation, PathStep, Place};
use crate::id::{AgentId, Clock, EventId};
use crate::random::Random;
use serde_json::json;

fn list() -> Vec<PathStep> {
    vec![PathStep { place: Place::Key("list".to_owned()), is_list: true }]
}

/// One edit of the list, or of something in it, at random.
fn edit(json: &mut Json, random: &mut Random) {
    let len = json.get("list").len();
    let some = |random: &mut Random| json.get("list").at(random.below(len.max(1))).id();
    let element = some(random);
    let value = json!(random.below(1000));
    let mutation = match (random.below(10), element) {
        (0, Some(id)) => Mutation { path: list(), deed: Deed::Delete { place: Place::Element(id) } },
        (1, Some(id)) => Mutation { path: list(), deed: Deed::Assign { place: Place::Element(id), value } },
        (2, Some(id)) => {
            let inside = PathStep { place: Place::Element(id), is_list: false };
            let deed = Deed::Assign { place: Place::Key("k".to_owned()), value };
            Mutation { path: [list(), vec![inside]].concat(), deed }
        }
        (3, _) if random.below(20) == 0 => {
            Mutation { path: Vec::new(), deed: Deed::Delete { place: Place::Key("list".to_owned()) } }
        }
        // Mostly at few spots, so that many are concurrent at one.
        _ => Mutation { path: list(), deed: Deed::Insert { index: random.below(len.min(3) + 1), value } },
    };
    json.mutate(&mutation).unwrap();
    json.holding.values().assert_invariants(json.log());
}

#[test]
fn replicas_that_hear_of_each_other_at_random_end_equal() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut replicas: Vec<Json> = (1..=4).map(|agent| Json::new(AgentId::new(agent))).collect();
        for _ in 0..120 {
            let at = random.below(replicas.len());
            if random.below(5) > 0 {
                edit(&mut replicas[at], &mut random);
            } else {
                let other = random.below(replicas.len());
                if let Some(bytes) = replicas[other].encode_since(&replicas[at].summary()) {
                    replicas[at].import(&bytes).unwrap();
                    replicas[at].holding.values().assert_invariants(replicas[at].log());
                }
            }
        }
        let all: Vec<Vec<u8>> = replicas.iter().map(Json::encode).collect();
        for replica in &mut replicas {
            all.iter().for_each(|bytes| drop(replica.import(bytes).unwrap()));
        }
        for replica in &replicas[1..] {
            assert_eq!(replica.full(), replicas[0].full(), "SEED={seed}");
            assert_eq!(replica.frontier(), replicas[0].frontier(), "SEED={seed}");
        }
    }
}

#[test]
fn names_that_a_refused_update_brought_go_with_it() {
    let mut json = Json::new(AgentId::new(1));
    json.edit().get("list").set(&json!(["a"])).unwrap();
    // A log in which an element is named that was inserted into another list: refused when it is checked.
    let mut forged = Json::new(AgentId::new(2));
    forged.edit().get("other").set(&json!(["b", "a string that is kept nowhere else"])).unwrap();
    let element = EventId::new(AgentId::new(2), Clock(1));
    let mut log = forged.log().clone();
    log.append(AgentId::new(2), None, 1, |operations| {
        let name = operations.enter_name("a name that is kept nowhere else");
        let container = Container { parent: ContainerId::ROOT, key: Key::Name(name), is_list: true };
        let container = operations.enter_container(container);
        let left = Some(operations.enter_element(element));
        let value = operations.store(Scalar::Null);
        operations.push(Operation { container, action: Action::Insert { left, value } });
    });
    let before = format!("{:?}", json.log().contents());
    let summary = json.summary();
    let error = json.import(&log.encode_all()).unwrap_err().to_string();
    assert!(error.contains("names element"), "{error}");
    assert_eq!(format!("{:?}", json.log().contents()), before);
    assert_eq!(json.summary(), summary);
}
