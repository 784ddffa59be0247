//! Dictionaries beside a plain oracle, and beside a dictionary that believes what clocks on walls say.
//!
//! The oracle sorts all events by T, from the names alone, and takes the last one of each key. It shares no code with the
//! engine. All random tests force ties: every replica begins at clock 0, there are few keys, and the walls are wrong.

use cede::sync::{Action, Exchange, Message};
use cede::{AgentId, Clock, Dict, EventId, ImportError, MetaJson, Sender};
use cede_tests::forge::{number, sealed};
use cede_tests::random::{Random, seeds};
use cede_tests::tell;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const KEYS: [&str; 4] = ["color", "size", "", "naïve \u{1f600}"];

/// What was done last to each key.
type State = BTreeMap<String, Deed>;

#[derive(Clone, PartialEq, Debug)]
struct Deed {
    event: EventId,
    value: Option<Value>,
    wall: u64,
}

/// Everything that was ever done, by whomever.
#[derive(Default)]
struct Oracle {
    deeds: BTreeMap<EventId, (String, Deed)>,
}

impl Oracle {
    fn note(&mut self, key: &str, event: EventId, value: Option<Value>, wall: u64) {
        self.deeds.insert(event, (key.to_owned(), Deed { event, value, wall }));
    }

    /// What somebody sees who knows these events: those of each group after its first clock, groups by first clock and
    /// agent (`engine.md`, 2).
    fn read(&self, knows: impl Fn(EventId) -> bool) -> State {
        let mut order: Vec<(Clock, AgentId, Clock)> = Vec::new();
        // Ids ascend by agent, then clock.
        for event in self.deeds.keys().copied().filter(|&event| knows(event)) {
            let first = match order.last() {
                Some(&(first, agent, last)) if agent == event.agent && last.0 + 1 == event.clock.0 => first,
                _ => event.clock,
            };
            order.push((first, event.agent, event.clock));
        }
        order.sort_unstable();
        let in_order = order.into_iter().map(|(_, agent, clock)| &self.deeds[&EventId::new(agent, clock)]);
        in_order.cloned().collect()
    }
}

fn state(dict: &Dict) -> State {
    let deed = |entry: cede::Entry| (entry.key, Deed { event: entry.event, value: entry.value, wall: entry.wall });
    dict.entries().map(deed).collect()
}

fn dict(agent: usize) -> Dict {
    Dict::new(AgentId::new(agent as u128 + 1))
}

/// Does something to a dictionary and tells the oracle. The clock on the wall says anything.
fn change(random: &mut Random, dict: &mut Dict, oracle: &mut Oracle) {
    let key = *random.pick(&KEYS);
    let wall = *random.pick(&[0, 1, 1_000, 1 << 40, u64::MAX]);
    let value = random.percent(70).then(|| json!([random.below(1000), "x".repeat(random.below(3))]));
    let event = match &value {
        Some(value) => dict.set(key, value, wall),
        None => dict.remove(key, wall),
    };
    oracle.note(key, event.expect("a short one"), value, wall);
}

/// Replicas with a history in which each has heard some of the others.
fn history(random: &mut Random, replicas: usize, steps: usize) -> (Vec<Dict>, Oracle) {
    let (mut dicts, mut oracle): (Vec<Dict>, _) = ((0..replicas).map(dict).collect(), Oracle::default());
    for _ in 0..steps {
        let (at, from) = (random.below(replicas), random.below(replicas));
        match random.percent(70) {
            true => change(random, &mut dicts[at], &mut oracle),
            false => {
                let bytes = dicts[from].encode();
                dicts[at].import(&bytes).expect("what was encoded");
            }
        }
    }
    (dicts, oracle)
}

fn merged(a: &Dict, b: &Dict) -> Dict {
    let mut merged = a.clone();
    merged.import(&b.encode()).expect("what was encoded");
    merged
}

#[test]
fn merging_is_idempotent_commutative_and_associative() {
    for seed in seeds(1_000) {
        let mut random = Random::from_seed(seed);
        let steps = random.between(3, 30);
        let (dicts, oracle) = history(&mut random, 3, steps);
        let [a, b, c] = &dicts[..] else { unreachable!("three were asked for") };
        assert_eq!(state(&merged(a, a)), state(a), "a·a, seed {seed}");
        assert_eq!(state(&merged(&merged(a, b), b)), state(&merged(a, b)), "a·b·b, seed {seed}");
        assert_eq!(state(&merged(a, b)), state(&merged(b, a)), "a·b = b·a, seed {seed}");
        let (left, right) = (merged(&merged(a, b), c), merged(a, &merged(b, c)));
        assert_eq!(state(&left), state(&right), "(a·b)·c = a·(b·c), seed {seed}");
        assert_eq!(state(&left), oracle.read(|_| true), "everything, seed {seed}");
        assert_eq!(left.meta(), right.meta(), "seed {seed}");
    }
}

#[test]
fn equal_clocks_are_decided_by_the_agent_alone() {
    let walls = [u64::MAX, 1_000, 0];
    let dicts: Vec<Dict> = (0..3)
        .map(|agent| {
            let mut dict = dict(agent);
            let event = dict.set("color", &json!(agent), walls[agent]).expect("a short one");
            assert_eq!(event.clock, Clock(0));
            dict
        })
        .collect();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut reader = Dict::new(AgentId::new(99));
        for at in order {
            reader.import(&dicts[at].encode()).expect("what was encoded");
        }
        assert_eq!(reader.get("color"), Some(json!(2)), "{order:?}");
    }
}

/// Updates of single events that get lost, come twice and out of order; after each step a replica shows what the oracle
/// makes of the events that it knows.
#[test]
fn random_histories_are_what_sorting_all_events_by_t_makes_of_them() {
    let histories = std::env::var("HISTORIES").map_or(2_000, |count| count.parse().expect("HISTORIES is a number"));
    let (mut events, mut ties) = (0, 0);
    for seed in seeds(histories) {
        let mut random = Random::from_seed(seed);
        let replicas = random.between(2, 5);
        let mut dicts: Vec<Dict> = (0..replicas).map(dict).collect();
        let (mut oracle, mut underway) = (Oracle::default(), Vec::new());
        for step in 0..random.between(5, 60) {
            let at = random.below(replicas);
            let before = state(&dicts[at]);
            if random.percent(45) {
                change(&mut random, &mut dicts[at], &mut oracle);
                let update = dicts[at].take_outgoing().expect("what was just done");
                underway.extend((0..replicas).filter(|&to| to != at).map(|to| (to, update.clone())));
            } else if !underway.is_empty() {
                let (to, update) = underway.swap_remove(random.below(underway.len()));
                let mut shown = state(&dicts[to]);
                let entries = dicts[to].import(&update).expect("an honest update");
                for entry in entries {
                    let deed = Deed { event: entry.event, value: entry.value, wall: entry.wall };
                    shown.insert(entry.key, deed);
                }
                assert_eq!(shown, state(&dicts[to]), "what an import says that it changes, seed {seed} step {step}");
                if random.percent(20) {
                    underway.push((to, update));
                }
            } else {
                assert_eq!(before, state(&dicts[at]));
            }
            if random.percent(5) {
                underway.truncate(underway.len() * 3 / 4);
            }
            for dict in &dicts {
                let known = oracle.read(|event| dict.contains(event));
                assert_eq!(state(dict), known, "seed {seed} step {step}");
            }
        }
        let whole = dicts.iter().skip(1).fold(dicts[0].clone(), |whole, dict| merged(&whole, dict));
        assert_eq!(state(&whole), oracle.read(|_| true), "seed {seed}");
        let opened = Dict::decode(AgentId::new(99), &whole.encode()).expect("what was encoded");
        assert_eq!((state(&opened), opened.meta()), (state(&whole), whole.meta()), "seed {seed}");
        let clocks: BTreeSet<Clock> = oracle.deeds.keys().map(|event| event.clock).collect();
        (events, ties) = (events + oracle.deeds.len(), ties + oracle.deeds.len() - clocks.len());
    }
    tell(format_args!("{events} events, {ties} of them with a clock that another has as well"));
}

/// META, DATA, DONE between two, to the end.
fn sync(dicts: &mut [Dict], a: usize, b: usize) {
    let mut ends = [(a, Exchange::new(64)), (b, Exchange::new(64))];
    let mut underway: Vec<(usize, Message)> =
        (0..2).map(|end| (1 - end, ends[end].1.start(&dicts[ends[end].0]))).collect();
    while let Some((to, message)) = underway.pop() {
        let (at, exchange) = &mut ends[to];
        for action in exchange.receive(&dicts[*at], message) {
            match action {
                Action::Send(message) => underway.insert(0, (1 - to, message)),
                Action::Import(bytes) => drop(dicts[*at].import(&bytes).expect("an honest update")),
                Action::Refuse(refusal) => panic!("{refusal}"),
            }
        }
    }
    assert!(ends.iter().all(|(_, exchange)| exchange.is_done()));
}

#[test]
fn dictionaries_that_have_forgotten_more_or_less_end_the_same() {
    let mut dropped = 0;
    for seed in seeds(1_000) {
        let mut random = Random::from_seed(seed);
        let replicas = random.between(2, 4);
        let (mut dicts, mut oracle) = history(&mut random, replicas, 10);
        for step in 0..random.between(5, 40) {
            let (at, other) = (random.below(replicas), random.below(replicas));
            match random.below(10) {
                0..5 => change(&mut random, &mut dicts[at], &mut oracle),
                5..7 => {
                    let forgetful = dicts[at].drop_overwritten();
                    assert_eq!(state(&forgetful), state(&dicts[at]), "seed {seed} step {step}");
                    assert_eq!(forgetful.summary(), dicts[at].summary(), "seed {seed} step {step}");
                    dropped += forgetful.dropped() - dicts[at].dropped();
                    dicts[at] = forgetful;
                }
                7 => {
                    dicts[at] =
                        Dict::decode(AgentId::new(100 + u128::from(seed) * 100 + step as u128), &dicts[at].encode())
                            .expect("what was encoded");
                }
                _ if at != other => {
                    sync(&mut dicts, at, other);
                    assert_eq!(state(&dicts[at]), state(&dicts[other]), "seed {seed} step {step}");
                    assert_eq!(dicts[at].summary(), dicts[other].summary(), "seed {seed} step {step}");
                }
                _ => {}
            }
            for dict in &dicts {
                assert_eq!(state(dict), oracle.read(|event| dict.contains(event)), "seed {seed} step {step}");
            }
        }
        (1..replicas).for_each(|at| sync(&mut dicts, 0, at));
        assert_eq!(state(&dicts[0]), oracle.read(|_| true), "seed {seed}");
    }
    tell(format_args!("{dropped} operations were dropped"));
}

/// Of two values the one with the later time on the wall, as Cassandra and most home-made ones do it.
#[derive(Clone, Default)]
struct Naive {
    entries: BTreeMap<String, (u64, usize, Option<Value>)>,
}

impl Naive {
    fn set(&mut self, key: &str, wall: u64, who: usize, value: Option<Value>) {
        let new = (wall, who, value);
        match self.entries.get(key) {
            Some(standing) if (standing.0, standing.1) > (wall, who) => {}
            _ => drop(self.entries.insert(key.to_owned(), new)),
        }
    }

    fn merge(&mut self, other: &Self) {
        for (key, (wall, who, value)) in other.entries.clone() {
            self.set(&key, wall, who, value);
        }
    }

    fn get(&self, key: &str) -> Option<Value> {
        self.entries.get(key)?.2.clone()
    }
}

/// What Ben does after he has seen what Ann did is later, whatever his clock says. The naive one does not even keep it on
/// Ben's own machine, and nobody is told.
#[test]
fn a_clock_that_runs_backwards_loses_what_was_done_last_in_a_naive_dictionary_and_nothing_here() {
    let (noon, an_hour_before) = (12 * 3_600_000, 11 * 3_600_000);
    let (mut naive_ann, mut naive_ben) = (Naive::default(), Naive::default());
    let (mut ann, mut ben) = (dict(0), dict(1));

    naive_ann.set("color", noon, 0, Some(json!("blue")));
    naive_ben.merge(&naive_ann);
    naive_ben.set("color", an_hour_before, 1, Some(json!("red")));
    naive_ann.merge(&naive_ben);
    assert_eq!(naive_ann.get("color"), Some(json!("blue")));
    assert_eq!(naive_ben.get("color"), Some(json!("blue")), "Ben says red, and it stays blue before his eyes");
    naive_ben.set("color", an_hour_before, 1, None);
    assert_eq!(naive_ben.get("color"), Some(json!("blue")), "nor can he remove it");

    ann.set("color", &json!("blue"), noon).unwrap();
    ben.import(&ann.encode()).unwrap();
    ben.set("color", &json!("red"), an_hour_before).unwrap();
    ann.import(&ben.encode()).unwrap();
    assert_eq!((ann.get("color"), ben.get("color")), (Some(json!("red")), Some(json!("red"))));
    ben.remove("color", an_hour_before).unwrap();
    ann.import(&ben.encode()).unwrap();
    assert_eq!((ann.get("color"), ben.get("color")), (None, None));
}

/// Two people take turns, each having seen what the other did, so there is no doubt what is last. Each clock is off by up
/// to a minute, and is set back now and then.
#[test]
fn turns_taken_with_wrong_clocks() {
    let (mut turns, mut lost) = (0u32, 0u32);
    for seed in seeds(200) {
        let mut random = Random::from_seed(seed);
        let (mut dicts, mut naive) = ([dict(0), dict(1)], [Naive::default(), Naive::default()]);
        let mut skew = [random.below(60_000) as u64, random.below(60_000) as u64];
        for turn in 0..40_u64 {
            let who = (turn % 2) as usize;
            if random.percent(10) {
                skew[who] = random.below(60_000) as u64;
            }
            let (key, value) = (*random.pick(&KEYS), random.percent(80).then(|| json!(turn)));
            // A turn takes a second.
            let wall = 1_000_000 + turn * 1_000 + skew[who];
            match &value {
                Some(value) => dicts[who].set(key, value, wall),
                None => dicts[who].remove(key, wall),
            }
            .expect("a short one");
            naive[who].set(key, wall, who, value.clone());
            let (bytes, standing) = (dicts[who].encode(), naive[who].clone());
            dicts[1 - who].import(&bytes).expect("what was encoded");
            naive[1 - who].merge(&standing);
            for dict in &dicts {
                assert_eq!(dict.get(key), value, "seed {seed} turn {turn}");
            }
            turns += 1;
            lost += u32::from(naive[1 - who].get(key) != value);
        }
    }
    tell(format_args!("of {turns} turns the naive dictionary lost {lost}, Cede none"));
    assert!(lost > turns / 20, "{lost} of {turns}: the walls are wrong enough to matter");
}

/// Bytes changed, cut and put together at random, half of them with the checksum made right again: no panic, and what is
/// refused leaves no trace.
#[test]
fn bad_bytes_leave_no_trace() {
    let (mut refused, mut taken) = (0u32, 0u32);
    for seed in seeds(4_000) {
        let mut random = Random::from_seed(seed);
        let (dicts, _) = history(&mut random, 3, 20);
        let mut reader = match random.percent(80) {
            true => dicts[0].clone(),
            false => Dict::new(AgentId::new(99)),
        };
        let sources: Vec<Vec<u8>> = dicts
            .iter()
            .flat_map(|dict| {
                [Some(dict.encode()), Some(dict.drop_overwritten().encode()), dict.encode_since(&reader.summary())]
            })
            .flatten()
            .collect();
        for _ in 0..4 {
            let bytes = mutated(&mut random, &sources);
            let before = (reader.encode(), state(&reader), reader.waiting());
            match reader.import(&bytes) {
                Ok(_) => taken += 1,
                Err(_) => {
                    refused += 1;
                    assert!(reader.encode() == before.0, "the log of seed {seed} has changed");
                    assert_eq!((state(&reader), reader.waiting()), (before.1, before.2), "seed {seed}");
                }
            }
        }
        let fresh = Dict::decode(AgentId::new(98), &reader.encode()).expect("what was encoded");
        assert_eq!((state(&fresh), fresh.groups()), (state(&reader), reader.groups()), "seed {seed}");
    }
    tell(format_args!("{refused} mutated updates were refused, {taken} taken in"));
}

/// An update by one agent that has dropped so many events, from a clock on: 47 bytes.
fn dropped(agent: u128, clock: u64, events: u64) -> Vec<u8> {
    let mut bytes = b"CEDk\x01\x01".to_vec();
    bytes.extend(agent.to_be_bytes());
    // One piece of the first agent; no parents, or it goes on.
    let parents = u64::from(clock == 0);
    [1, 0, clock, events, parents].into_iter().for_each(|field| number(&mut bytes, field));
    let mut length = Vec::new();
    number(&mut length, events);
    bytes.extend([1, 2, 0, length.len() as u8]);
    bytes.extend(length);
    bytes.extend([0, 0, 0]);
    sealed(bytes)
}

/// Catches what waits taken in as one's own because one's own let it in.
#[test]
fn what_a_stranger_left_waiting_fills_no_dictionary_when_ones_own_comes() {
    let mut bob = Dict::new(AgentId::new(7));
    bob.set("a", &json!(1), 0).expect("there is room");
    let mut ann = Dict::new(AgentId::new(1));
    ann.import_from(Sender(1), &dropped(7, 1, (1 << 30) - 10)).expect("it waits");
    ann.absorb(&bob.encode()).expect("one's own file");
    assert_eq!((ann.dropped(), ann.waiting()), (0, 0));
    for n in 0..20 {
        ann.set("b", &json!(n), 0).expect("there is room");
    }
}

/// Catches one's own dropped events counted among those that others may bring.
#[test]
fn ones_own_dropped_events_take_nothing_from_what_others_may_bring() {
    let mut own = Dict::decode(AgentId::new(2), &dropped(7, 0, 5_000_000)).expect("one's own");
    let mut bob = Dict::new(AgentId::new(9));
    bob.set("a", &json!(1), 0).expect("there is room");
    bob.set("a", &json!(2), 0).expect("there is room");
    own.import_from(Sender(1), &bob.drop_overwritten().encode()).expect("one dropped event");
    assert_eq!(own.get("a"), Some(json!(2)));
}

/// Events of which only the names are kept are a few bytes, however many they are; and a log that is full stays full.
#[test]
fn a_few_bytes_do_not_fill_a_dictionary() {
    let all = (1 << 30) - 2;
    let mut ann = Dict::new(AgentId::new(1));
    ann.set("a", &json!(1), 0).unwrap();
    let before = ann.encode();
    let refused = ann.import_from(Sender(1), &dropped(7, 0, all));
    assert!(matches!(refused, Err(ImportError::TooMany { .. })), "{refused:?}");
    assert!(ann.encode() == before, "a refused update has changed the dictionary");
    // Many small ones bring no more than a large one, and neither do those that have waited.
    let mut taken = 0;
    for message in 0..400 {
        taken += u32::from(ann.import_from(Sender(1), &dropped(7 + message, 0, 1 << 20)).is_ok());
        ann.import_from(Sender(1), &dropped(1007 + message, 1, 1 << 20)).expect("it waits");
        drop(ann.import_from(Sender(1), &dropped(1007 + message, 0, 1)));
    }
    assert!(ann.dropped() <= (1 << 22) + 1, "{} events were dropped", ann.dropped());
    assert!(taken <= 4, "{taken} messages of a million each");
    ann.set("a", &json!(2), 0).expect("there is room");
    // What one has kept oneself is taken in, and again from somebody else.
    let mut own = Dict::decode(AgentId::new(2), &dropped(7, 0, all / 2)).expect("one's own");
    assert_eq!(own.dropped(), all / 2);
    own.import_from(Sender(1), &dropped(7, 0, all / 2)).expect("held already");
    own.import_from(Sender(1), &before).expect("nothing of it was dropped");
}

/// Groups may stand in any order. What waits for its parents is bounded, and nothing of one text is lost by that.
#[test]
fn groups_whose_parents_are_listed_last_are_all_read() {
    const GROUPS: u64 = 20_000;
    let agent = |number: u64| format!("{number:032x}");
    let group = |number: u64| json!({"agent": agent(number), "clock": 1, "parents": [format!("{}/0", agent(1))], "ops": [{"set": "k", "value": number}]});
    let first = json!({"agent": agent(1), "clock": 0, "parents": [], "ops": [{"set": "k", "value": 0}]});
    let groups: Vec<Value> = (2..2 + GROUPS).map(group).chain([first]).collect();
    let text = json!({"cede": "dict", "version": 1, "groups": groups}).to_string();
    let read = MetaJson::parse(AgentId::new(1 << 100), text.as_bytes()).expect("a document");
    assert_eq!(read.document.groups().len() as u64, GROUPS + 1);
}

fn mutated(random: &mut Random, sources: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.pick(sources).clone();
    let reseals = random.percent(50);
    if reseals {
        bytes.truncate(bytes.len() - 4);
    }
    for _ in 0..random.between(1, 3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.bits() as u8,
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, random.bits() as u8),
            4 => bytes.truncate(at + 1),
            _ => {
                let other = random.pick(sources);
                let start = random.below(other.len());
                let end = (start + random.below(40)).min(other.len());
                bytes.splice(at..(at + random.below(20)).min(bytes.len()), other[start..end].iter().copied());
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    if reseals { sealed(bytes) } else { bytes }
}
