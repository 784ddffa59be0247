//! Random histories written down as conformance cases.
//!
//! Knows how a graph and a history become what [`crate::conformance`] reads. Does not know where cases are kept.

use super::history::{Action, AgentChoice, History, Made, Shape, Step};
use super::scatter::scattered_graph;
use super::{Event, Graph, Id, Op, Session};
use crate::conformance::{
    ActionCase, CaseId, EditCase, GraphCase, GroupCase, OpCase, SessionCase, StepCase, VersionCase,
};
use crate::random::Random;

/// How many other versions of a graph a case reads.
const VERSIONS: usize = 6;

/// The graph case of a seed: some 30 events, edited anywhere.
pub fn graph_case(seed: u64) -> GraphCase {
    let mut random = Random::from_seed(seed);
    let events = random.between(15, 45);
    let mut graph = scattered_graph(&mut random, events);
    GraphCase {
        seed,
        kind: "graph".to_owned(),
        groups: groups(&graph),
        total_order: written(&graph.total_order()),
        frontier: written(&graph.frontier()),
        text: graph.text(),
        at: (0..VERSIONS).map(|_| version(&graph, &mut random)).collect(),
    }
}

/// The session case of a seed: one random history, a character a step.
///
/// # Panics
/// When the oracle does not show twice what it showed once, which is a bug of the oracle.
pub fn session_case(seed: u64) -> SessionCase {
    let shape = Shape { turns: 20..=50, agents: AgentChoice::Counted, ..Shape::default() };
    let history = History::random(&mut Random::from_seed(seed), &shape);
    let mut writer = Writer {
        sessions: history.agents.iter().map(|agent| Session::of_agent(*agent)).collect(),
        made: vec![Vec::new(); history.agents.len()],
        steps: Vec::new(),
    };
    history.steps.iter().for_each(|step| writer.write(step));
    SessionCase {
        seed,
        kind: "session".to_owned(),
        replicas: history.agents.len(),
        steps: writer.steps,
        merged: history.merged,
    }
}

/// Groups in T, which is an order in which parents come first, for whole groups too.
fn groups(graph: &Graph) -> Vec<GroupCase> {
    let mut groups: Vec<GroupCase> = Vec::new();
    let firsts = graph.total_order();
    for first in firsts {
        let event = graph.event(first).expect("the total order holds known events");
        let mut group =
            GroupCase { agent: first.agent, clock: first.clock, parents: written(event.parents()), ops: Vec::new() };
        let mut next = Some(event);
        while let Some(event) = next {
            group.ops.push(operation(event.op()));
            next = graph.event(Id { agent: first.agent, clock: event.id().clock + 1 });
        }
        groups.push(group);
    }
    groups
}

fn operation(op: Op) -> OpCase {
    match op {
        Op::Insert { index, character } => OpCase::Insert { position: index, character },
        Op::Delete { index } => OpCase::Delete { position: index },
    }
}

/// One or two random events as a version.
fn version(graph: &Graph, random: &mut Random) -> VersionCase {
    let ids: Vec<Id> = graph.events().map(Event::id).collect();
    let some = [*random.pick(&ids), *random.pick(&ids)];
    let version = graph.minimal(&some).expect("both are known");
    let text = graph.text_at(&version).expect("both are known");
    VersionCase { version: written(&version), text }
}

fn written(ids: &[Id]) -> Vec<CaseId> {
    ids.iter().copied().map(CaseId::from).collect()
}

/// Runs a history again, a character at a time, and writes down what is seen.
struct Writer {
    sessions: Vec<Session>,
    made: Vec<Vec<Event>>,
    steps: Vec<StepCase>,
}

impl Writer {
    fn write(&mut self, step: &Step) {
        let replica = step.replica;
        match &step.action {
            Action::Insert(text) => text.chars().for_each(|character| self.edit(replica, EditCase::Insert(character))),
            Action::Backspace => self.edit(replica, EditCase::Backspace),
            Action::DeleteForward => self.edit(replica, EditCase::DeleteForward),
            Action::MoveCaret(position) => {
                self.sessions[replica].move_caret(*position).expect("the history moved there too");
                self.note(replica, ActionCase::MoveCaret(*position));
            }
            // The cases hold no duplicates and no events before their parents.
            Action::Receive { integrated, .. } if integrated.is_empty() => {}
            Action::Receive { integrated, .. } => self.receive(replica, integrated),
        }
        let session = &self.sessions[replica];
        assert_eq!((session.text(), session.caret()), (step.outcome.text.clone(), step.outcome.caret));
    }

    fn edit(&mut self, replica: usize, edit: EditCase) {
        let session = &mut self.sessions[replica];
        let event = match edit {
            EditCase::Insert(character) => Some(session.insert(character)),
            EditCase::Backspace => session.backspace(),
            EditCase::DeleteForward => session.delete_forward(),
        };
        let event = event.expect("the history deleted something there too");
        let (id, parents) = (event.id().into(), written(event.parents()));
        self.made[replica].push(event);
        self.note(replica, ActionCase::Edit { edit, id, parents });
    }

    fn receive(&mut self, replica: usize, integrated: &[Made]) {
        let events: Vec<Event> = integrated.iter().map(|made| self.made[made.replica][made.nth].clone()).collect();
        self.sessions[replica].receive(&events).expect("the history received them too");
        let ids = events.iter().map(|event| event.id().into()).collect();
        self.note(replica, ActionCase::Receive(ids));
    }

    fn note(&mut self, replica: usize, action: ActionCase) {
        let session = &self.sessions[replica];
        let (text, caret) = (session.text(), session.caret());
        self.steps.push(StepCase { replica: replica as u128 + 1, action, text, caret });
    }
}
