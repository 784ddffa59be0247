//! JSON documents: the conformance cases, the figures of the paper (Kleppmann & Beresford 2017), and random histories
//! against a plain oracle.
//!
//! Replicas that hear of each other at random, with invariants checked on the way, are in `engine/src/json/tests.rs`. Bugs
//! planted in the engine are caught there: `Tree::touch` that keeps what the operation has seen (`retain` left out),
//! `Sequence::insert_behind` that takes the next run for the right neighbour, seen or not, and `right_beside` that forgets the left neighbour.
//!
//! Planted and caught here: `Tree::clear` that leaves what is below, or takes what it has not seen; the values of a register,
//! or what is shown, in the order of arrival; looks that are not counted; values that are not made again after a refusal.
//! In `dict`: the last to arrive instead of the last in T.

use cede::{AgentId, Deed, EventId, Frontier, Json, Mutation, PathStep, Place, Sender};
use cede_tests::conformance::{Conformance, ContainerCase, DeedCase, JsonCase, JsonOpCase, JsonStepCase, KeyCase};
use cede_tests::forge::crc32;
use cede_tests::live::{event_id, span_of, version};
use cede_tests::oracle::{Documents, json_case};
use cede_tests::random::{Random, seeds};
use cede_tests::tell;
use serde_json::{Value, json};

const READER: AgentId = AgentId::new(u128::MAX);

#[test]
fn the_cases_are_read_exactly_at_every_version_and_in_any_order_of_arrival() {
    let cases = Conformance::load().expect("conformance cases");
    cases.documents.iter().for_each(run);
    tell(format_args!("{cases}: {} JSON documents run", cases.documents.len()));
}

#[test]
fn the_oracle_reads_the_cases_exactly() {
    let cases = Conformance::load().expect("conformance cases");
    for case in &cases.documents {
        let oracle = Documents::of(&case.groups);
        assert_eq!(oracle.read(&case.frontier), (case.full.clone(), case.value.clone()), "case {}", case.seed);
        for at in &case.at {
            let read = oracle.read(&at.version);
            assert_eq!(read, (at.full.clone(), at.value.clone()), "case {} at {:?}", case.seed, at.version);
        }
    }
}

#[test]
fn random_histories_are_what_the_oracle_makes_of_them() {
    let histories = std::env::var("HISTORIES").map_or(400, |count| count.parse().expect("HISTORIES is a number"));
    seeds(histories).for_each(|seed| run(&json_case(seed)));
}

/// A case through the engine: written, read at every version, encoded, and arriving in any order.
fn run(case: &JsonCase) {
    let document = written(case);
    let seed = case.seed;
    assert_eq!(document.frontier(), version(&case.frontier), "frontier of {seed}");
    assert_reads(&document, &case.full, &case.value, &format!("document {seed}"));
    for at in &case.at {
        let then = document.at(&version(&at.version)).expect("a version of the case");
        assert_reads(&then, &at.full, &at.value, &format!("document {seed} at {:?}", at.version));
    }
    let decoded = Json::decode(READER, &document.encode()).expect("what was encoded");
    assert_reads(&decoded, &case.full, &case.value, &format!("document {seed} opened from its whole history"));
    assert_eq!(decoded.meta(), document.meta(), "fingerprints of document {seed}, opened");
    let ids: Vec<EventId> = case
        .groups
        .iter()
        .flat_map(|group| (0..group.ops.len() as u64).map(|at| event_id((group.agent, group.clock + at))))
        .collect();
    let mut random = Random::from_seed(seed);
    for round in 0..4 {
        let mut replica = Json::new(READER);
        let (mut order, mut shown) = (ids.clone(), json!({}));
        if round > 0 {
            random.shuffle(&mut order);
        }
        order.extend_from_within(..order.len() / 3);
        for id in order {
            let bytes = document.encode_spans(&[span_of(id)]).expect("an event of the case");
            let patch = replica.import(&bytes).expect("an event of the case").to_value();
            apply_patch(&mut shown, &patch);
            assert_eq!(shown, replica.to_value(), "patches of document {seed}, {id} in round {round}: {patch}");
        }
        assert_eq!(replica.waiting(), 0, "document {seed} round {round}");
        assert_reads(&replica, &case.full, &case.value, &format!("document {seed} round {round}"));
        assert_eq!(replica.meta(), document.meta(), "fingerprints of document {seed} round {round}");
    }
}

fn assert_reads(document: &Json, full: &Value, value: &Value, what: &str) {
    assert_eq!(with_case_ids(document.full()), *full, "all of {what}");
    assert_eq!(document.to_value(), *value, "{what}");
}

/// Ids as the cases write them.
fn with_case_ids(value: Value) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(with_case_ids).collect(),
        Value::Object(entries) => {
            let entries = entries.into_iter().map(|(key, value)| match (key.as_str(), &value) {
                ("id", Value::String(id)) => {
                    let id: EventId = id.parse().expect("an event id");
                    (key, json!([id.agent.get() as u64, id.clock.0]))
                }
                _ => (key, with_case_ids(value)),
            });
            Value::Object(entries.collect())
        }
        value => value,
    }
}

/// The document of a case, each group written at its parents.
fn written(case: &JsonCase) -> Json {
    let mut document = Json::new(READER);
    for group in &case.groups {
        let mutations: Vec<Mutation> = group.ops.iter().map(mutation).collect();
        let agent = AgentId::new(group.agent);
        let last = document.author(agent, &version(&group.parents), &mutations).expect("a group of the case");
        let expected = event_id((group.agent, group.clock + group.ops.len() as u64 - 1));
        assert_eq!(last.ids(), [expected], "the last event of a group of document {}", case.seed);
    }
    document
}

fn mutation(op: &JsonOpCase) -> Mutation {
    let step =
        |JsonStepCase(kind, key): &JsonStepCase| PathStep { place: place(key), is_list: *kind == ContainerCase::List };
    let deed = match &op.deed {
        DeedCase::Assign { key, value } => Deed::Assign { place: place(key), value: value.clone() },
        DeedCase::Delete { key } => Deed::Delete { place: place(key) },
        DeedCase::Insert { index, value } => Deed::Insert { index: *index, value: value.clone() },
    };
    Mutation { path: op.path.iter().map(step).collect(), deed }
}

fn place(key: &KeyCase) -> Place {
    match key {
        KeyCase::Name(name) => Place::Key(name.clone()),
        KeyCase::Element((agent, clock)) => Place::Element(event_id((u128::from(*agent), *clock))),
    }
}

/// A plain reading of RFC 6902, for what the engine says.
fn apply_patch(document: &mut Value, patch: &Value) {
    for operation in patch.as_array().expect("a patch is an array") {
        let path = operation["path"].as_str().expect("a path");
        let value = operation.get("value").cloned();
        let Some((parent, last)) = path.rsplit_once('/') else {
            *document = value.expect("the root is replaced");
            continue;
        };
        let key = last.replace("~1", "/").replace("~0", "~");
        let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent:?}: {operation}"));
        match (operation["op"].as_str(), parent, value) {
            (Some("add"), Value::Array(elements), Some(value)) => {
                elements.insert(key.parse().expect("an index"), value)
            }
            (Some("remove"), Value::Array(elements), None) => drop(elements.remove(key.parse().expect("an index"))),
            (Some("replace"), Value::Array(elements), Some(value)) => {
                elements[key.parse::<usize>().expect("an index")] = value;
            }
            (Some("add"), Value::Object(entries), Some(value)) => {
                assert_eq!(entries.insert(key, value), None, "something stood there: {operation}");
            }
            (Some("replace"), Value::Object(entries), Some(value)) => {
                assert!(entries.insert(key, value).is_some(), "nothing stood there: {operation}");
            }
            (Some("remove"), Value::Object(entries), None) => {
                assert!(entries.remove(&key).is_some(), "nothing stood there: {operation}");
            }
            _ => panic!("no such operation: {operation}"),
        }
    }
}

/// Two replicas of one document.
fn pair(value: Value) -> (Json, Json) {
    let p = Json::try_from((AgentId::new(1), &value)).expect("a document");
    let q = Json::decode(AgentId::new(2), &p.encode()).expect("what was encoded");
    (p, q)
}

/// Both get what the other has, and then read the same.
fn merge(p: &mut Json, q: &mut Json) -> Value {
    let (from_p, from_q) = (p.encode(), q.encode());
    p.import(&from_q).expect("what the other has");
    q.import(&from_p).expect("what the other has");
    assert_eq!(p.full(), q.full());
    assert_eq!(p.to_value(), q.to_value());
    p.to_value()
}

#[test]
fn figure_1_a_register_assigned_by_two_keeps_both_values() {
    let (mut p, mut q) = pair(json!({"key": "A"}));
    p.edit().get("key").set(&json!("B")).unwrap();
    q.edit().get("key").set(&json!("C")).unwrap();
    merge(&mut p, &mut q);
    let values: Vec<Value> = p.get("key").values().into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, [json!("B"), json!("C")]);
    assert_eq!(p.conflicts().len(), 1);
    // A later assignment that has seen them replaces them.
    q.edit().get("key").set(&json!("D")).unwrap();
    assert_eq!(merge(&mut p, &mut q), json!({"key": "D"}));
    assert!(p.conflicts().is_empty());
}

#[test]
fn figure_2_an_overwritten_map_keeps_what_was_added_meanwhile() {
    let (mut p, mut q) = pair(json!({"colors": {"blue": "#0000ff"}}));
    p.edit().get("colors").get("red").set(&json!("#ff0000")).unwrap();
    q.edit().get("colors").set(&json!({})).unwrap();
    q.edit().get("colors").get("green").set(&json!("#00ff00")).unwrap();
    assert_eq!(merge(&mut p, &mut q), json!({"colors": {"red": "#ff0000", "green": "#00ff00"}}));
}

#[test]
fn figure_3_two_lists_made_under_one_key_become_one_and_are_not_mixed() {
    let (mut p, mut q) = pair(json!({}));
    p.edit().get("grocery").set(&json!(["eggs", "ham"])).unwrap();
    q.edit().get("grocery").set(&json!(["milk", "flour"])).unwrap();
    let merged = merge(&mut p, &mut q);
    let one = json!({"grocery": ["eggs", "ham", "milk", "flour"]});
    let other = json!({"grocery": ["milk", "flour", "eggs", "ham"]});
    assert!(merged == one || merged == other, "{merged}");
}

#[test]
fn figure_4_concurrent_edits_of_a_list() {
    let (mut p, mut q) = pair(json!({"list": ["a", "b", "c"]}));
    p.edit().get("list").at(1).delete().unwrap();
    p.edit().get("list").insert(1, &json!("x")).unwrap();
    q.edit().get("list").insert(0, &json!("y")).unwrap();
    q.edit().get("list").insert(2, &json!("z")).unwrap();
    let merged = merge(&mut p, &mut q);
    assert!(merged == json!({"list": ["y", "a", "x", "z", "c"]}), "{merged}");
}

#[test]
fn figure_5_different_types_under_one_key_are_both_kept() {
    let (mut p, mut q) = pair(json!({}));
    p.edit().get("a").set(&json!({})).unwrap();
    p.edit().get("a").get("x").set(&json!("y")).unwrap();
    q.edit().get("a").set(&json!([])).unwrap();
    q.edit().get("a").push(&json!("z")).unwrap();
    merge(&mut p, &mut q);
    let conflicts = p.conflicts();
    assert_eq!(conflicts.len(), 1);
    assert_eq!((&conflicts[0].map, &conflicts[0].list), (&Some(json!({"x": "y"})), &Some(json!(["z"]))));
    assert_eq!(p.get("a").get("x").value(), Some(json!("y")));
    assert_eq!(p.get("a").at(0).value(), Some(json!("z")));
}

#[test]
fn figure_6_an_item_that_is_deleted_while_it_is_ticked_stays_as_a_tick() {
    let (mut p, mut q) = pair(json!({"todo": [{"title": "buy milk", "done": false}]}));
    p.edit().get("todo").at(0).delete().unwrap();
    q.edit().get("todo").at(0).get("done").set(&json!(true)).unwrap();
    assert_eq!(merge(&mut p, &mut q), json!({"todo": [{"done": true}]}));
}

#[test]
fn a_cursor_into_what_is_not_there_says_where_and_changes_nothing() {
    let (mut p, _) = pair(json!({"a": [1, {"b/c": null}]}));
    let before = p.encode();
    let mut refused = |edit: &dyn Fn(&mut Json) -> Result<(), cede::JsonError>, expected: &str| {
        assert_eq!(edit(&mut p).unwrap_err().to_string(), expected);
        assert!(p.encode() == before, "{expected}, and something has changed");
    };
    let value = json!(1);
    refused(&|doc| doc.edit().get("x").get("y").set(&value), "there is no object at \"/x\"");
    refused(&|doc| doc.edit().get("a").at(0).at(0).set(&value), "there is no array at \"/a/0\"");
    refused(&|doc| doc.edit().get("a").at(2).set(&value), "index 2 in the array at \"/a\", which has 2 elements");
    refused(
        &|doc| doc.edit().get("a").insert(4, &value).map(drop),
        "index 4 in the array at \"/a\", which has 2 elements",
    );
    refused(&|doc| doc.edit().get("a").at(1).get("b/c").get("d").delete(), "there is no object at \"/a/1/b~1c\"");
    refused(&|doc| doc.edit().get("a").at(1).get("d").delete(), "there is nothing at \"/a/1/d\"");
    refused(&|doc| doc.edit().set(&value), "the root of a document is an object, and stays one");
    refused(&|doc| doc.update(&json!([])), "the root of a document is an object, and stays one");
    let deep = (0..140).fold(json!(1), |inside, _| json!([inside]));
    refused(&|doc| doc.edit().get("deep").set(&deep), "deeper than 128 steps");
    let long = json!("x".repeat((1 << 17) + 1));
    refused(
        &|doc| doc.update(&json!({"a": [], "long": long.clone()})),
        "a name, string or path of 131073 bytes; 131072 are the most",
    );
}

#[test]
fn a_mutation_that_cannot_be_done_says_where_and_changes_nothing() {
    let (mut p, _) = pair(json!({"a": {"b": [1]}}));
    let before = p.encode();
    let step = |place: &str, is_list| PathStep { place: Place::Key(place.to_owned()), is_list };
    let mut refused = |path: Vec<PathStep>, deed: Deed, expected: &str| {
        assert_eq!(p.mutate(&Mutation { path, deed }).unwrap_err().to_string(), expected);
        assert!(p.encode() == before, "{expected}, and something has changed");
    };
    let insert = |index| Deed::Insert { index, value: json!(1) };
    let list = || vec![step("a", false), step("b", true)];
    refused(list(), insert(2), "index 2 in the array at \"/a/b\", which has 1 elements");
    refused(vec![step("a", false)], insert(0), "there is no array at \"/a\"");
    let key = Place::Key("c".to_owned());
    refused(list(), Deed::Delete { place: key.clone() }, "there is no object at \"/a/b\"");
    let nested = Deed::Assign { place: key, value: json!([1]) };
    refused(vec![], nested, "one operation puts a scalar, {} or [] in place, nothing with contents");
    let deep = (0..129).map(|_| step("x", false)).collect();
    refused(deep, Deed::Delete { place: Place::Key("x".to_owned()) }, "deeper than 128 steps");
}

#[test]
fn the_fewest_operations_make_a_document_say_what_a_value_says() {
    let values = [json!(1), json!("x"), json!(null), json!({}), json!([]), json!({"a": 1}), json!([1, 2, 3])];
    for seed in seeds(200) {
        let mut random = Random::from_seed(seed);
        let mut document = Json::new(AgentId::new(1));
        for _ in 0..8 {
            let value = random_value(&mut random, &values, 3);
            document.update(&value).expect("an object");
            assert_eq!(document.to_value(), value);
            let before = document.event_count();
            document.update(&value).expect("an object");
            assert_eq!(document.event_count(), before, "what is the same takes no operation");
        }
    }
}

fn random_value(random: &mut Random, leaves: &[Value], depth: usize) -> Value {
    let entry = |random: &mut Random| match depth > 0 && random.percent(60) {
        true => random_value(random, leaves, depth - 1),
        false => random.pick(leaves).clone(),
    };
    if depth < 3 && random.percent(50) {
        return (0..random.below(6)).map(|_| entry(random)).collect();
    }
    Value::Object(
        (0..random.below(5)).map(|_| (random.pick(&["a", "b", "c", "d"]).to_string(), entry(random))).collect(),
    )
}

#[test]
fn a_refused_update_leaves_no_trace() {
    let (mut p, mut q) = pair(json!({"list": [1, 2, 3]}));
    let element = p.get("list").at(1).id().expect("an element");
    // Somebody whose replica has other elements under the same path, and names one of them here.
    let mut stranger = Json::try_from((AgentId::new(9), &json!({"other": ["x"]}))).expect("a document");
    let foreign = stranger.get("other").at(0).id().expect("an element");
    stranger.edit().get("other").at(0).set(&json!("y")).unwrap();
    let wrong = Mutation {
        path: vec![PathStep { place: Place::Key("list".to_owned()), is_list: true }],
        deed: Deed::Assign { place: Place::Element(foreign), value: json!(0) },
    };
    let refused = q.author(AgentId::new(3), &Frontier::root(), std::slice::from_ref(&wrong)).unwrap_err();
    assert_eq!(refused, cede::JsonError::NoSuchElement { element: foreign });
    let before = (p.encode(), p.full());
    for bytes in [&b"CEDu"[..], b"CEDj\x07", b"", &p.encode()[..20], &stranger.encode()[..stranger.encode().len() - 1]]
    {
        assert!(q.import(bytes).is_err());
        assert_eq!((q.encode(), q.full()), before);
    }
    let mut text = cede::Session::new(AgentId::new(4));
    text.insert(cede::Chars(0), "text").unwrap();
    let error = q.import(&text.document().encode()).unwrap_err().to_string();
    assert_eq!(error, "not an update: this is not an update of a Cede JSON document");
    assert_eq!(p.get("list").element(element).value(), Some(json!(2)));
    merge(&mut p, &mut q);
}

/// Bits, bytes, lengths and pieces of others are changed; half of the updates get the right checksum again, so that what
/// is behind it is read.
#[test]
fn mutated_updates_are_refused_or_harmless() {
    let histories = std::env::var("HISTORIES").map_or(400, |count| count.parse().expect("HISTORIES is a number"));
    // Long enough to be packed.
    let items: Value = (0..600).map(|at| json!({"title": format!("item {at}"), "done": at % 3 == 0})).collect();
    let long = Json::try_from((AgentId::new(77), &json!({"items": items}))).expect("a document").encode();
    let (mut taken, mut refused) = (0, 0);
    for seed in seeds(histories) {
        let mut random = Random::from_seed(seed);
        let short = written(&json_case(seed)).encode();
        let mut replica =
            Json::try_from((AgentId::new(78), &json!({"items": [1, {"a": 2}], "b": "c"}))).expect("a document");
        for round in 0..20 {
            let mut bytes = if round % 4 == 0 { long.clone() } else { short.clone() };
            for _ in 0..random.between(1, 3) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] ^= 1 << random.below(8),
                    1 => bytes[at] = random.below(256) as u8,
                    2 => bytes.truncate(at.max(1)),
                    _ => {
                        let from = random.below(long.len());
                        let len = random.below(9).min(long.len() - from).min(bytes.len() - at);
                        bytes[at..at + len].copy_from_slice(&long[from..from + len]);
                    }
                }
            }
            if random.percent(50) && bytes.len() > 8 {
                let body = bytes.len() - 4;
                let crc = crc32(&bytes[..body]);
                bytes[body..].copy_from_slice(&crc.to_le_bytes());
            }
            let before = (replica.encode(), replica.full(), replica.waiting());
            match replica.import(&bytes) {
                Err(_) => {
                    refused += 1;
                    assert!(
                        (replica.encode(), replica.full(), replica.waiting()) == before,
                        "seed {seed}: a trace is left"
                    );
                }
                Ok(_) => {
                    taken += 1;
                    let again = Json::decode(READER, &replica.encode()).expect("what was taken in");
                    assert_eq!(again.full(), replica.full(), "seed {seed}: encoded and read again");
                }
            }
        }
    }
    assert!(refused > 0, "nothing was refused");
    tell(format_args!("{refused} mutated updates of JSON documents refused, {taken} harmless"));
}

/// What waited and costs too much goes; what let it in stays, and only that is told.
#[test]
fn what_waited_and_is_too_costly_is_dropped_when_it_is_let_in() {
    let assign = |key: &str| Mutation {
        path: Vec::new(),
        deed: Deed::Assign { place: Place::Key(key.to_owned()), value: json!(1) },
    };
    let mut p = Json::new(AgentId::new(1));
    for agent in 10..310 {
        p.author(AgentId::new(agent), &Frontier::root(), &[assign("a")]).expect("an edit");
    }
    let mut q = Json::new(AgentId::new(2));
    let first = q.author(AgentId::new(3), &Frontier::root(), &[assign("b")]).expect("an edit");
    let opening = q.encode();
    // Each looks at three hundred others that it has not seen.
    q.author(AgentId::new(2), &first, &vec![assign("a"); 1_000]).expect("edits");
    let assigned = q.encode_since(&Json::decode(READER, &opening).expect("an edit").summary()).expect("edits");

    assert!(p.import_from(Sender(7), &assigned).expect("events that wait").is_empty());
    assert_eq!(p.waiting(), 1_000);
    let patch = p.import_from(Sender(8), &opening).expect("an edit").to_value();
    assert_eq!(patch, json!([{"op": "add", "path": "/b", "value": 1}]));
    assert_eq!((p.waiting(), p.event_count(), p.get("a").values().len()), (0, 301, 300));
    // In a message of its own it is refused; one's own is taken in whatever it costs.
    let before = (p.encode(), p.full());
    let refused = p.import_from(Sender(7), &assigned).unwrap_err();
    assert!(matches!(refused, cede::ImportError::TooCostly { .. }), "{refused}");
    assert_eq!((p.encode(), p.full()), before);
    p.import(&assigned).expect("one's own");
    assert_eq!((p.event_count(), p.get("a").values().len()), (1_301, 301));
}

/// A list that is assigned again is told with everything in it, so often that it is shorter to tell the whole.
#[test]
fn a_patch_that_would_say_too_much_tells_the_whole() {
    let elements: Vec<Value> = (0..600).map(Value::from).collect();
    let mut p = Json::try_from((AgentId::new(1), &json!({"a": elements, "b": 1}))).expect("a document");
    let mut shown = p.to_value();
    let mut q = Json::new(AgentId::new(2));
    let empty =
        Mutation { path: Vec::new(), deed: Deed::Assign { place: Place::Key("a".to_owned()), value: json!([]) } };
    q.author(AgentId::new(2), &Frontier::root(), &vec![empty; 300]).expect("edits");
    let patch = p.import(&q.encode()).expect("edits").to_value();
    assert_eq!(patch.as_array().map(Vec::len), Some(1), "{patch}");
    apply_patch(&mut shown, &patch);
    assert_eq!(shown, p.to_value());
    assert_eq!(shown, json!({"a": elements, "b": 1}));
}

#[test]
fn events_whose_past_is_missing_wait_and_are_listed() {
    let (mut p, mut q) = pair(json!({"a": 1}));
    q.edit().get("b").set(&json!(2)).unwrap();
    let first = q.take_outgoing().expect("an edit");
    p.import(&first).expect("an edit");
    p.edit().get("c").set(&json!(3)).unwrap();
    let mut late = Json::new(AgentId::new(3));
    late.import(&p.encode_since(&q.summary()).expect("an edit")).expect("an update");
    assert_eq!((late.waiting(), late.missing().len()), (1, 1));
    late.import(&q.encode()).expect("what was missing");
    assert_eq!(late.to_value(), json!({"a": 1, "b": 2, "c": 3}));
    assert!(late.missing().is_empty());
}
