//! The oracle is right: it passes every conformance case, and keeps the promises of live sessions on random histories.
//!
//! What the engine is compared with must itself be proved, and by cases that it did not make.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use cede_tests::conformance::{
    ActionCase, CaseId, Conformance, ConformanceError, EditCase, GraphCase, OpCase, SessionCase,
};
use cede_tests::oracle::{
    Action, Added, Event, Graph, History, Id, Op, Session, Shape, graph_case, scattered_graph, session_case,
};
use cede_tests::random::{Random, seeds};
use cede_tests::tell;

#[test]
fn the_oracle_passes_every_case() {
    let cases = Conformance::load().unwrap_or_else(|error| panic!("{error}"));
    tell(format_args!("the oracle runs {cases}"));
    cases.graphs.iter().for_each(check_graph);
    cases.sessions.iter().for_each(check_session);
}

#[test]
fn the_projects_own_cases_are_what_the_oracle_writes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/conformance");
    let cases = Conformance::read(&folder).unwrap_or_else(|error| panic!("{error}"));
    for case in &cases.graphs {
        assert_eq!(*case, graph_case(case.seed), "graph {}: run the example make_conformance", case.seed);
        check_graph(case);
    }
    for case in &cases.sessions {
        assert_eq!(*case, session_case(case.seed), "session {}: run the example make_conformance", case.seed);
        check_session(case);
    }
}

#[test]
fn a_named_folder_without_cases_is_an_error() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-cases");
    fs::create_dir_all(&folder).unwrap();
    for name in ["graphs.jsonl", "sessions.jsonl"] {
        fs::write(folder.join(name), "\n").unwrap();
    }
    let empty = Conformance::read(&folder);
    assert!(matches!(&empty, Err(ConformanceError::Empty { .. })), "{empty:?}");
    let absent = Conformance::read(&folder.join("absent"));
    assert!(matches!(&absent, Err(ConformanceError::Unreadable { .. })), "{absent:?}");
}

#[test]
fn any_order_that_respects_parents_gives_the_same_text() {
    for seed in seeds(300) {
        let mut random = Random::from_seed(seed);
        let mut graph = scattered_graph(&mut random, 25);
        let mut waiting: Vec<Event> = graph.events().cloned().collect();
        random.shuffle(&mut waiting);
        let mut shuffled = Graph::default();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|event| shuffled.add(event) != Ok(Added::Fresh));
            assert!(waiting.len() < before, "some event has all its parents");
        }
        assert_eq!(shuffled.text(), graph.text());
        assert_eq!(shuffled.total_order(), graph.total_order());
    }
}

#[test]
fn words_stay_whole() {
    let mut neighbours = 0;
    for seed in seeds(1_000) {
        let history = History::random(&mut Random::from_seed(seed), &Shape::default());
        neighbours += check_words(&history);
    }
    assert!(neighbours > 0, "nobody typed two characters in one run");
}

#[test]
fn receiving_in_causal_order_or_as_the_network_gives_it_is_the_same() {
    for seed in seeds(300) {
        let history = History::random(&mut Random::from_seed(seed), &Shape::default());
        let merged = run(&history);
        assert!(merged.iter().all(|text| *text == history.merged), "{merged:?}, expected {:?}", history.merged);
    }
}

fn check_graph(case: &GraphCase) {
    let name = format!("graph {}", case.seed);
    let mut graph = Graph::default();
    for group in &case.groups {
        let mut parents = ids(&group.parents);
        for (op, clock) in group.ops.iter().zip(group.clock..) {
            let op = match *op {
                OpCase::Insert { position, character } => Op::Insert { index: position, character },
                OpCase::Delete { position } => Op::Delete { index: position },
            };
            let id = Id { agent: group.agent, clock };
            let event = Event::from_parts(id, std::mem::replace(&mut parents, vec![id]), op);
            assert_eq!(graph.add(&event), Ok(Added::Fresh), "{name}, event {id}");
        }
    }
    assert_eq!(graph.total_order(), ids(&case.total_order), "{name}: total order");
    assert_eq!(graph.frontier(), ids(&case.frontier), "{name}: frontier");
    assert_eq!(graph.text(), case.text, "{name}: text");
    for at in &case.at {
        assert_eq!(graph.text_at(&ids(&at.version)).as_ref(), Ok(&at.text), "{name} at {:?}", at.version);
    }
}

fn check_session(case: &SessionCase) {
    let mut sessions: Vec<Session> = (1..=case.replicas as u128).map(Session::of_agent).collect();
    let mut made: HashMap<Id, Event> = HashMap::new();
    for (index, step) in case.steps.iter().enumerate() {
        let name = format!("session {}, step {index}", case.seed);
        let session = &mut sessions[step.replica as usize - 1];
        match &step.action {
            ActionCase::Receive(received) => {
                let events: Vec<Event> = ids(received).iter().map(|id| made[id].clone()).collect();
                assert!(session.receive(&events).is_ok(), "{name}");
            }
            ActionCase::MoveCaret(position) => {
                assert_eq!(session.move_caret(*position), Ok(()), "{name}")
            }
            ActionCase::Edit { edit, id, parents } => {
                let event = match edit {
                    EditCase::Insert(character) => Some(session.insert(*character)),
                    EditCase::Backspace => session.backspace(),
                    EditCase::DeleteForward => session.delete_forward(),
                };
                let event = event.unwrap_or_else(|| panic!("{name}: {edit:?} had nothing to delete"));
                assert_eq!(event.id(), Id::from(*id), "{name}");
                assert_eq!(event.parents(), ids(parents), "{name}");
                made.insert(event.id(), event);
            }
        }
        assert_eq!((session.text(), session.caret()), (step.text.clone(), step.caret), "{name}");
    }
    let everything = in_causal_order(made.into_values().collect());
    for session in &mut sessions {
        assert!(session.receive(&everything).is_ok());
        assert_eq!(session.text(), case.merged, "session {}: merged", case.seed);
    }
}

/// Clocks rise along causality, so sorting by them puts parents first.
fn in_causal_order(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| (event.id().clock, event.id().agent));
    events
}

fn ids(written: &[CaseId]) -> Vec<Id> {
    written.iter().copied().map(Id::from).collect()
}

/// Runs a history on sessions that receive only what comes to be known, checks every outcome, and gives the last texts.
fn run(history: &History) -> Vec<String> {
    let mut sessions: Vec<Session> = history.agents.iter().map(|agent| Session::of_agent(*agent)).collect();
    let mut made: Vec<Vec<Event>> = vec![Vec::new(); sessions.len()];
    for (index, step) in history.steps.iter().enumerate() {
        let session = &mut sessions[step.replica];
        let events: Vec<Event> = match &step.action {
            Action::Insert(text) => text.chars().map(|character| session.insert(character)).collect(),
            Action::Backspace => session.backspace().into_iter().collect(),
            Action::DeleteForward => session.delete_forward().into_iter().collect(),
            Action::MoveCaret(position) => {
                session.move_caret(*position).expect("the history moved there too");
                Vec::new()
            }
            Action::Receive { integrated, .. } => {
                let events: Vec<Event> = integrated.iter().map(|one| made[one.replica][one.nth].clone()).collect();
                assert_eq!(session.receive(&events).map(|known| known.len()), Ok(events.len()), "step {index}");
                Vec::new()
            }
        };
        assert_eq!(events, step.outcome.made, "step {index}");
        assert_eq!((session.text(), session.caret()), (step.outcome.text.clone(), step.outcome.caret), "step {index}");
        made[step.replica].extend(events);
    }
    sessions.iter().map(Session::text).collect()
}

/// Between two characters typed one after the other in one run, no other agent's character stands, not even a deleted
/// one, unless its author had seen both. Gives how many such pairs there were.
fn check_words(history: &History) -> usize {
    let pairs = history.typed_pairs();
    let mut graph = Graph::default();
    let made = history.steps.iter().flat_map(|step| step.outcome.made.iter().cloned());
    for event in in_causal_order(made.collect()) {
        graph.add(&event).expect("what sessions make is acceptable");
    }
    let document = graph.all_characters();
    let place: HashMap<Id, usize> = document.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    for (first, second) in &pairs {
        for between in &document[place[first] + 1..place[second]] {
            let seen_both = graph.happened_before(*first, *between) && graph.happened_before(*second, *between);
            assert!(between.agent == first.agent || seen_both, "{between} stands between {first} and {second}");
        }
    }
    pairs.len()
}
