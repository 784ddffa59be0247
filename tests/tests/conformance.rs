//! The engine computes exactly what the conformance cases say, in whatever order the events arrive.

use cede::{AgentId, Chars, Document, EventId, Session};
use cede_tests::conformance::{ActionCase, Conformance, EditCase, GraphCase, OpCase, SessionCase};
use cede_tests::live::{Edit, Host, edit, encoded, event_id, patch_of, version};
use cede_tests::oracle::Op;
use cede_tests::random::Random;
use cede_tests::tell;
use std::collections::HashMap;

#[test]
fn graphs_have_the_total_order_the_frontier_and_the_texts_of_the_cases() {
    let cases = Conformance::load().expect("conformance cases");
    for case in &cases.graphs {
        let document = written(case);
        let groups: Vec<EventId> =
            document.groups().iter().map(|group| EventId::new(group.span.agent, group.span.start)).collect();
        let expected: Vec<EventId> = case.total_order.iter().copied().map(event_id).collect();
        assert_eq!(groups, expected, "total order of graph {}", case.seed);
        assert_eq!(document.frontier(), version(&case.frontier), "frontier of graph {}", case.seed);
        assert_eq!(document.text(), case.text.as_str(), "text of graph {}", case.seed);
        for at in &case.at {
            let text = document.checkout(&version(&at.version)).expect("a version of the case");
            assert_eq!(text, at.text.as_str(), "text of graph {} at {:?}", case.seed, at.version);
        }
        let decoded = Document::decode(&document.encode()).expect("what was encoded");
        assert_eq!(decoded.text(), case.text.as_str(), "text of graph {} opened from its whole history", case.seed);
        assert_eq!(decoded.frontier(), document.frontier());
    }
    tell(format_args!("{cases}: {} graphs run", cases.graphs.len()));
}

#[test]
fn graphs_give_the_same_text_in_any_order_in_pieces_and_twice() {
    let cases = Conformance::load().expect("conformance cases");
    for case in &cases.graphs {
        let document = written(case);
        let mut random = Random::from_seed(case.seed);
        for round in 0..4 {
            let mut replica = Document::new();
            let mut host = Host::default();
            for bytes in shuffled(case, &document, &mut random, round) {
                for patch in replica.import::<Chars>(&bytes).expect("an event of the case") {
                    host.apply(&patch);
                }
            }
            assert_eq!(replica.waiting(), 0, "graph {} round {round}", case.seed);
            assert_eq!(replica.text(), case.text.as_str(), "text of graph {} round {round}", case.seed);
            assert_eq!(host.0.iter().collect::<String>(), case.text, "patches of graph {} round {round}", case.seed);
            assert_eq!(replica.groups(), document.groups(), "groups of graph {} round {round}", case.seed);
            let mut history = Host::default();
            replica.history().flat_map(|step| step.patches).for_each(|patch| history.apply(&patch));
            assert_eq!(history.0.iter().collect::<String>(), case.text, "history of graph {} round {round}", case.seed);
        }
    }
}

/// The document of a case, each group authored at its parents.
fn written(case: &GraphCase) -> Document {
    let mut document = Document::new();
    for group in &case.groups {
        let edits: Vec<_> = group.ops.iter().map(|&op| patch_of(op_of(op))).collect();
        let agent = AgentId::new(group.agent);
        let last = document.author(agent, &version(&group.parents), &edits).expect("a group of the case");
        let expected = event_id((group.agent, group.clock + group.ops.len() as u64 - 1));
        assert_eq!(last.ids(), [expected], "the last event of a group of graph {}", case.seed);
    }
    document
}

fn op_of(op: OpCase) -> Op {
    match op {
        OpCase::Insert { position, character } => Op::Insert { index: position, character },
        OpCase::Delete { position } => Op::Delete { index: position },
    }
}

/// The events of a case: in orders in which parents come first (rounds 0 and 1), or in any order (2 and 3); one by one,
/// or by pieces of up to four; some of them twice.
fn shuffled(case: &GraphCase, document: &Document, random: &mut Random, round: usize) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for group in &case.groups {
        let end = group.clock + group.ops.len() as u64;
        let mut at = group.clock;
        while at < end {
            let len = if round.is_multiple_of(2) { 1 } else { random.between(1, 4) as u64 }.min(end - at);
            let (first, last) = (event_id((group.agent, at)), event_id((group.agent, at + len - 1)));
            let span = cede::EventSpan { agent: first.agent, start: first.clock, end: cede::Clock(last.clock.0 + 1) };
            pieces.push(document.encode_spans(&[span]).expect("events of the case"));
            at += len;
        }
    }
    if round >= 2 {
        random.shuffle(&mut pieces);
    }
    let twice: Vec<_> = pieces.iter().filter(|_| random.percent(20)).cloned().collect();
    pieces.extend(twice);
    pieces
}

#[test]
fn sessions_make_exactly_the_events_texts_and_carets_of_the_cases() {
    let cases = Conformance::load().expect("conformance cases");
    for case in &cases.sessions {
        run(case);
    }
    tell(format_args!("{cases}: {} sessions run", cases.sessions.len()));
}

fn run(case: &SessionCase) {
    let mut replicas: HashMap<u128, Session> =
        (1..=case.replicas as u128).map(|agent| (agent, Session::new(AgentId::new(agent)))).collect();
    for (number, step) in case.steps.iter().enumerate() {
        let at = format!("step {number} of session {}: {step:?}", case.seed);
        match &step.action {
            ActionCase::Receive(ids) => {
                for &id in ids {
                    let bytes = encoded(replicas[&id.0].document(), event_id(id));
                    let replica = replicas.get_mut(&step.replica).expect("a replica of the case");
                    replica.merge::<Chars>(&bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
                }
            }
            ActionCase::MoveCaret(caret) => {
                let replica = replicas.get_mut(&step.replica).expect("a replica of the case");
                replica.move_caret(Chars(*caret)).expect("a position of the text");
            }
            ActionCase::Edit { edit: made, id, parents } => {
                let replica = replicas.get_mut(&step.replica).expect("a replica of the case");
                let event = edit(replica, &edit_of(*made));
                assert_eq!(event, event_id(*id), "{at}");
                assert_eq!(replica.document().parents(event), Some(version(parents)), "{at}");
            }
        }
        let replica = &replicas[&step.replica];
        assert_eq!(replica.text(), step.text.as_str(), "{at}");
        assert_eq!(replica.caret::<Chars>(), Chars(step.caret), "{at}");
    }
    let updates: Vec<Vec<u8>> = replicas.values().map(|replica| replica.document().encode()).collect();
    for replica in replicas.values_mut() {
        for update in &updates {
            replica.merge::<Chars>(update).expect("what the others hold");
        }
        assert_eq!(replica.text(), case.merged.as_str(), "session {} merged", case.seed);
    }
}

fn edit_of(edit: EditCase) -> Edit {
    match edit {
        EditCase::Insert(character) => Edit::Insert(character.to_string()),
        EditCase::Backspace => Edit::Backspace,
        EditCase::DeleteForward => Edit::DeleteForward,
    }
}
