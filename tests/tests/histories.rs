//! The promises of live sessions, on random histories of 2 to 5 replicas over a network that delays, loses, repeats and
//! reorders.
//!
//! The oracle runs along in every history and shares no code with the engine, so each step says what must be seen: the
//! ids and parents of the events made, the text, the caret. `HISTORIES=n` runs that many.

use cede::{AgentId, Anchor, Bias, Chars, Document, EventId, Frontier, Session};
use cede_tests::live::{Edit, Host, edit, encoded, name_of, parents_of, patch_of};
use cede_tests::oracle::{Action, Graph, History, Made, Shape, Step, scattered_graph};
use cede_tests::random::{Random, seeds};
use cede_tests::tell;
use std::collections::HashMap;

/// How many are run by default; the slower tests run a tenth of them.
const HISTORIES: u64 = 20_000;

fn histories() -> u64 {
    match std::env::var("HISTORIES") {
        Ok(count) => count.parse().expect("HISTORIES is a number"),
        Err(_) => HISTORIES,
    }
}

/// Promises 1 (what you type is what merges: the oracle's text after each local edit is the state of all known events),
/// 3 (the network does not cut runs: exact ids and parents say where groups start) and 4 (equal events, equal text). At
/// the end every version that any replica was ever at is checked out again.
///
/// A bug that the last part alone catches: `Log::subset` in `engine/src/log/mod.rs` leaves out the last parent of an event.
#[test]
fn every_step_of_every_history_is_what_the_oracle_says() {
    let (mut ran, mut events, mut steps) = (0, 0, 0);
    for seed in seeds(histories()) {
        let history = History::random(&mut Random::from_seed(seed), &Shape::default());
        let mut replicas = Replicas::of(&history);
        for (number, step) in history.steps.iter().enumerate() {
            replicas.run(step, &format!("step {number} of seed {seed}: {step:?}"));
        }
        for replica in &replicas.sessions {
            assert_eq!(replica.text(), history.merged.as_str(), "merged text of seed {seed}");
        }
        assert_versions(replicas.sessions[0].document(), &replicas.versions, seed);
        ran += 1;
        events += history.event_count();
        steps += history.steps.len();
    }
    tell(format_args!("{ran} histories, {steps} steps, {events} events"));
}

/// Every version that a document was at shows the text that it showed then.
fn assert_versions(document: &Document, versions: &HashMap<Frontier, String>, seed: u64) {
    for (version, text) in versions {
        let then = document.checkout(version).expect("a version of this document");
        assert_eq!(then, text.as_str(), "at {version}, seed {seed}");
    }
}

/// One document that lives long, beside the oracle: authors who edit at the ends of what was edited before, concurrently,
/// so that runs are cut and nodes split where they meet; the text after every event, and every version at the end.
/// `LONG=n` runs that many documents of 400 events.
#[test]
fn a_document_that_lives_long_is_what_the_oracle_says_at_every_version() {
    let count = std::env::var("LONG").map_or(12, |count| count.parse().expect("LONG is a number"));
    let (mut events, mut checked) = (0, 0);
    for seed in seeds(count) {
        let made = scattered_graph(&mut Random::from_seed(seed), 400);
        let (mut document, mut oracle, mut versions) = (Document::new(), Graph::default(), HashMap::new());
        for event in made.events() {
            oracle.add(event).expect("an event of the graph");
            let agent = AgentId::new(event.id().agent);
            document.author(agent, &parents_of(event), &[patch_of(event.op())]).expect("an event of the graph");
            let text = oracle.text();
            assert_eq!(*document.text(), text.as_str(), "after {}, seed {seed}", event.id());
            versions.insert(document.frontier(), text);
            events += 1;
        }
        assert_versions(&document, &versions, seed);
        let opened = Document::decode(&document.encode()).expect("what was encoded");
        assert_versions(&opened, &versions, seed);
        checked += 2 * versions.len();
    }
    tell(format_args!("{count} documents, {events} events, {checked} versions checked out again"));
}

/// Promise 2: between two characters typed one after the other in one run, no other agent's character stands in any
/// replica, unless its author had seen both.
#[test]
fn words_stay_whole_in_every_replica_at_every_moment() {
    let (mut ran, mut seen) = (0, 0);
    for seed in seeds(histories().div_ceil(10)) {
        let history = History::random(&mut Random::from_seed(seed), &Shape::default());
        let pairs: Vec<(EventId, EventId)> =
            history.typed_pairs().into_iter().map(|(first, second)| (name_of(first), name_of(second))).collect();
        let mut replicas = Replicas::of(&history);
        for step in &history.steps {
            replicas.run(step, &format!("seed {seed}"));
            if matches!(step.action, Action::Receive { .. }) {
                seen += check_words(&mut replicas.sessions[step.replica], &pairs, seed);
            }
        }
        ran += 1;
    }
    // A single history, such as one that `SEED` names, may hold few.
    assert!(ran == 1 || seen > 10 * ran, "only {seen} pairs of letters were looked at in {ran} histories");
}

/// Gives how many of the pairs stand in the text with both characters.
fn check_words(session: &mut Session, pairs: &[(EventId, EventId)], seed: u64) -> u64 {
    let length = session.text().len::<Chars>().0;
    let shown: Vec<EventId> = (0..length)
        .map(|at| match session.anchor(Chars(at), Bias::Right) {
            Ok(Anchor::Before(id)) => id,
            other => panic!("the character at {at} has no name: {other:?}, seed {seed}"),
        })
        .collect();
    let place: HashMap<EventId, usize> = shown.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    let mut seen = 0;
    for (first, second) in pairs {
        let (Some(&start), Some(&end)) = (place.get(first), place.get(second)) else { continue };
        assert!(start < end, "{second} stands before {first}, which was typed first, seed {seed}");
        for &between in &shown[start + 1..end] {
            let has_seen = |event: EventId| {
                let (missing, _) = session
                    .document()
                    .diff(&Frontier::from(event), &Frontier::from(between))
                    .expect("events of this document");
                missing.is_empty()
            };
            let allowed = between.agent == first.agent || has_seen(*first) && has_seen(*second);
            assert!(allowed, "{between} stands between {first} and {second}, seed {seed}: {}", session.text());
        }
        seen += 1;
    }
    seen
}

/// Promise 4 with events that come before their parents: they wait in the engine.
#[test]
fn early_late_and_repeated_events_end_in_the_same_text() {
    for seed in seeds(histories().div_ceil(10)) {
        let history = History::random(&mut Random::from_seed(seed), &Shape::default());
        let mut makers = Replicas::of(&history);
        history.steps.iter().for_each(|step| makers.run(step, &format!("seed {seed}")));
        let made: Vec<Vec<u8>> = makers
            .made
            .values()
            .map(|(document_of, id)| encoded(makers.sessions[*document_of].document(), *id))
            .collect();
        let mut random = Random::from_seed(!seed);
        for _ in 0..2 {
            let (mut late, mut host) = (Session::new(AgentId::new(u128::MAX)), Host::default());
            let mut order: Vec<&Vec<u8>> = made.iter().chain(made.iter().filter(|_| random.percent(10))).collect();
            random.shuffle(&mut order);
            for bytes in order {
                late.merge::<Chars>(bytes).expect("an event of the history").iter().for_each(|patch| host.apply(patch));
            }
            assert_eq!(late.text(), history.merged.as_str(), "seed {seed}");
            assert_eq!(host.0.iter().collect::<String>(), history.merged, "the host's buffer, seed {seed}");
            assert_eq!(late.document().waiting(), 0, "seed {seed}");
        }
    }
}

/// The engine's sessions of one history, and the name of every event made.
struct Replicas {
    sessions: Vec<Session>,
    hosts: Vec<Host>,
    made: HashMap<Made, (usize, EventId)>,
    /// What was shown at each version that any of them was at.
    versions: HashMap<Frontier, String>,
}

impl Replicas {
    fn of(history: &History) -> Self {
        let sessions: Vec<Session> = history.agents.iter().map(|&agent| Session::new(AgentId::new(agent))).collect();
        let hosts = vec![Host::default(); sessions.len()];
        Self { sessions, hosts, made: HashMap::new(), versions: HashMap::new() }
    }

    fn run(&mut self, step: &Step, at: &str) {
        match &step.action {
            Action::Insert(text) => self.edit(step, &Edit::Insert(text.clone()), at),
            Action::Backspace => self.edit(step, &Edit::Backspace, at),
            Action::DeleteForward => self.edit(step, &Edit::DeleteForward, at),
            Action::MoveCaret(caret) => {
                self.sessions[step.replica].move_caret(Chars(*caret)).expect("a position of the text");
            }
            Action::Receive { integrated, .. } => self.receive(step.replica, integrated, at),
        }
        let (session, outcome) = (&self.sessions[step.replica], &step.outcome);
        assert_eq!(session.text(), outcome.text.as_str(), "{at}");
        assert_eq!(session.caret::<Chars>(), Chars(outcome.caret), "{at}");
        self.versions.insert(session.document().frontier(), outcome.text.clone());
    }

    fn edit(&mut self, step: &Step, what: &Edit, at: &str) {
        let session = &mut self.sessions[step.replica];
        edit(session, what);
        let before = self.made.keys().filter(|made| made.replica == step.replica).count();
        for (nth, event) in (before..).zip(&step.outcome.made) {
            let id = name_of(event.id());
            assert_eq!(session.document().parents(id), Some(parents_of(event)), "{at}");
            self.made.insert(Made { replica: step.replica, nth }, (step.replica, id));
        }
        let last = step.outcome.made.last().map(|event| name_of(event.id()));
        assert_eq!(session.branch().ids().last().copied(), last, "{at}");
        self.hosts[step.replica].0 = session.text().to_string().chars().collect();
    }

    fn receive(&mut self, replica: usize, events: &[Made], at: &str) {
        for made in events {
            let (maker, id) = self.made[made];
            let bytes = encoded(self.sessions[maker].document(), id);
            let patches = self.sessions[replica].merge::<Chars>(&bytes).unwrap_or_else(|error| panic!("{at}: {error}"));
            patches.iter().for_each(|patch| self.hosts[replica].apply(patch));
        }
        let host: String = self.hosts[replica].0.iter().collect();
        assert_eq!(self.sessions[replica].text(), host.as_str(), "the host's buffer after {at}");
    }
}
