//! Replays of random concurrent histories, all ways that there are, against a model that takes the rules at their word:
//! start empty, apply all events in T, place each insertion in the FugueMax tree.

use super::merge::Replay;
use super::{Stopped, TextLog, apart, checkout, linear, patch};
use crate::codec::Packing;
use crate::graph::{Heads, Summary};
use crate::id::{AgentId, Clock, EventId, Local, Span};
use crate::log::{Contents, Effort};
use crate::text::buffer::Buffer;
use crate::text::draft::Draft;
use crate::text::operations::Operations;
use crate::text::unit::Chars;
use std::collections::BTreeSet;

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }
}

/// `SEED` from the environment alone, or `count` seeds (`HISTORIES` says otherwise); each is printed for the test that
/// fails.
fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse().expect("SEED and HISTORIES are numbers"));
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HISTORIES").unwrap_or(count),
    };
    seeds.inspect(|seed| println!("SEED={seed}"))
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Insert(usize, char),
    Delete(usize),
}

#[derive(Clone, Debug)]
struct Event {
    agent: AgentId,
    clock: u32,
    first: u32,
    parents: BTreeSet<usize>,
    past: BTreeSet<usize>,
    op: Op,
}

impl Event {
    fn rank(&self) -> (u32, AgentId, u32) {
        (self.first, self.agent, self.clock)
    }
}

/// A character in the FugueMax tree.
#[derive(Clone, Debug)]
struct Element {
    /// Its parent and the side; `None` is the start, which has right children only.
    parent: Option<usize>,
    is_left: bool,
    right_origin: Option<usize>,
    deleted_by: Vec<usize>,
}

/// The events, and the tree of those applied. Everything is a scan.
#[derive(Clone, Debug, Default)]
struct Model {
    events: Vec<Event>,
    elements: Vec<Option<Element>>,
    /// All elements from left to right.
    order: Vec<usize>,
}

impl Model {
    fn visible_at(&self, past: &BTreeSet<usize>) -> Vec<usize> {
        let visible = |event: &usize| {
            let element = self.elements[*event].as_ref().expect("it stands in the order");
            past.contains(event) && !element.deleted_by.iter().any(|by| past.contains(by))
        };
        self.order.iter().copied().filter(visible).collect()
    }

    fn apply(&mut self, number: usize) {
        let Event { op, past, .. } = self.events[number].clone();
        let visible = self.visible_at(&past);
        match op {
            Op::Delete(index) => {
                let element = self.elements[visible[index]].as_mut();
                element.expect("it is visible").deleted_by.push(number);
            }
            Op::Insert(index, _) => self.insert(number, index.checked_sub(1).map(|left| visible[left]), &past),
        }
    }

    fn insert(&mut self, number: usize, left: Option<usize>, past: &BTreeSet<usize>) {
        let behind = left.map_or(0, |left| self.place(left) + 1);
        let right = self.order[behind..].iter().copied().find(|other| past.contains(other));
        let is_left = right.is_some_and(|right| self.descends(right, left));
        let parent = if is_left { right } else { left };
        self.elements.resize(self.events.len(), None);
        self.elements[number] = Some(Element { parent, is_left, right_origin: right, deleted_by: Vec::new() });
        let mut order = Vec::new();
        self.visit_children(None, false, &mut order);
        self.order = order;
    }

    fn place(&self, event: usize) -> usize {
        self.order.iter().position(|other| *other == event).expect("an origin stands in the order")
    }

    fn descends(&self, event: usize, ancestor: Option<usize>) -> bool {
        let mut at = Some(event);
        while at != ancestor {
            let Some(event) = at else { return false };
            at = self.elements[event].as_ref().expect("it was applied").parent;
        }
        true
    }

    fn visit_children(&self, parent: Option<usize>, is_left: bool, order: &mut Vec<usize>) {
        let is_child = |element: &Element| element.parent == parent && element.is_left == is_left;
        let mut children: Vec<usize> =
            (0..self.elements.len()).filter(|&event| self.elements[event].as_ref().is_some_and(is_child)).collect();
        // The one whose right origin stands later comes first; the end stands last. T decides the rest.
        children.sort_by_key(|&child| {
            let right = self.elements[child].as_ref().and_then(|element| element.right_origin);
            let from_end = right.map_or(0, |right| self.order.len() - self.place(right));
            (if is_left { 0 } else { from_end }, self.events[child].rank())
        });
        for child in children {
            self.visit_children(Some(child), true, order);
            order.push(child);
            self.visit_children(Some(child), false, order);
        }
    }

    /// The text by the definition: from nothing, in T.
    fn text_in_total_order(&self) -> String {
        let mut fresh = Self { events: self.events.clone(), ..Self::default() };
        let mut sorted: Vec<usize> = (0..self.events.len()).collect();
        sorted.sort_by_key(|&event| self.events[event].rank());
        sorted.into_iter().for_each(|event| fresh.apply(event));
        let all = (0..self.events.len()).collect();
        let char_of = |event: usize| match fresh.events[event].op {
            Op::Insert(_, char) => char,
            Op::Delete(_) => unreachable!("only insertions make elements"),
        };
        fresh.visible_at(&all).into_iter().map(char_of).collect()
    }

    fn minimal(&self, events: &BTreeSet<usize>) -> BTreeSet<usize> {
        let seen = |event: &usize| events.iter().any(|other| self.events[*other].past.contains(event));
        events.iter().copied().filter(|event| !seen(event)).collect()
    }

    fn push(&mut self, agent: AgentId, parents: BTreeSet<usize>, op: Op) {
        let last = self.events.iter().rev().find(|event| event.agent == agent);
        let own = self.events.iter().rposition(|event| event.agent == agent);
        let next = parents.iter().map(|&parent| self.events[parent].clock + 1).max().unwrap_or(0);
        let (clock, first) = match last {
            Some(last) if own.is_some_and(|own| parents == BTreeSet::from([own])) => (last.clock + 1, last.first),
            Some(last) if last.clock + 1 == next => (next + 1, next + 1),
            _ => (next, next),
        };
        let past: BTreeSet<usize> =
            parents.iter().flat_map(|&parent| self.events[parent].past.iter().copied().chain([parent])).collect();
        self.events.push(Event { agent, clock, first, parents, past, op });
        self.apply(self.events.len() - 1);
    }
}

/// People who type and delete in runs, each on what is known to them, and merge now and then; at times all meet, which
/// makes critical versions.
fn random_history(random: &mut Random, events: usize) -> Model {
    let mut model = Model::default();
    let agents: Vec<AgentId> = (0..2 + random.below(3) as u128).map(|n| AgentId::new(n * 7 % 5 + 1)).collect();
    let mut contexts: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); agents.len()];
    while model.events.len() < events {
        let number = random.below(agents.len());
        if random.one_in(40) {
            let all = (0..model.events.len()).collect();
            contexts.fill(model.minimal(&all));
        } else if random.one_in(3) {
            let other = contexts[random.below(contexts.len())].clone();
            contexts[number] = model.minimal(&(&contexts[number] | &other));
        }
        type_or_delete(random, &mut model, agents[number], &mut contexts[number], usize::MAX);
    }
    model
}

/// Many people at the start of a text, who rarely see what another one has done.
fn crowded_history(random: &mut Random, events: usize) -> Model {
    let mut model = Model::default();
    let agents: Vec<AgentId> = (0..4 + random.below(9) as u128).map(|n| AgentId::new(n * 7 % 13 + 1)).collect();
    let mut contexts: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); agents.len()];
    let (merges, within) = (2 + random.below(8), 1 + random.below(3));
    while model.events.len() < events {
        let number = random.below(agents.len());
        if random.one_in(merges) {
            let other = contexts[random.below(contexts.len())].clone();
            contexts[number] = model.minimal(&(&contexts[number] | &other));
        }
        type_or_delete(random, &mut model, agents[number], &mut contexts[number], within);
    }
    model
}

/// People who go on from one text without seeing each other, by turns; now and then one merges what another has, or
/// somebody new goes on from something old.
fn offline_history(random: &mut Random, events: usize) -> Model {
    let mut model = Model::default();
    let mut context = BTreeSet::new();
    while model.events.len() < 10 {
        type_or_delete(random, &mut model, AgentId::new(100), &mut context, usize::MAX);
    }
    let mut branches: Vec<BTreeSet<usize>> = vec![context; 2 + random.below(3)];
    let (merges, newcomers) = (10 + random.below(40), 5 + random.below(40));
    while model.events.len() < events {
        if random.one_in(newcomers) {
            branches.push(BTreeSet::from([random.below(model.events.len())]));
        }
        let number = random.below(branches.len());
        if random.one_in(merges) {
            let other = branches[random.below(branches.len())].clone();
            branches[number] = model.minimal(&(&branches[number] | &other));
        }
        type_or_delete(random, &mut model, AgentId::new(number as u128), &mut branches[number], usize::MAX);
    }
    model
}

/// People who go on from one text without seeing each other, some of them one after the other on the same machine; then they
/// meet, somebody types alone, and they part again.
fn parted_history(random: &mut Random, events: usize) -> Model {
    let mut model = Model::default();
    let mut context = BTreeSet::new();
    while model.events.len() < events {
        // Who types here may go on with the same group in a branch.
        let before = model.events.len();
        while model.events.len() == before {
            type_or_delete(random, &mut model, AgentId::new(3), &mut context, usize::MAX);
        }
        let mut branches = vec![context; 2 + random.below(4)];
        for _ in 0..random.below(60) {
            let number = random.below(branches.len());
            let agent = AgentId::new((number * 7 % 5 + 1 + 10 * (random.below(4) / 3)) as u128);
            let within = 1 + random.below(20);
            type_or_delete(random, &mut model, agent, &mut branches[number], within);
        }
        context = model.minimal(&branches.into_iter().flatten().collect());
    }
    model
}

/// Not behind char `within` of the text.
fn type_or_delete(
    random: &mut Random,
    model: &mut Model,
    agent: AgentId,
    context: &mut BTreeSet<usize>,
    within: usize,
) {
    let known = context.iter().flat_map(|&event| model.events[event].past.iter().copied().chain([event])).collect();
    let mut len = model.visible_at(&known).len();
    let (mut at, kind) = (random.below(len.min(within) + 1), random.below(6));
    let most = if random.one_in(4) { 15 } else { 5 };
    for _ in 0..1 + random.below(most) {
        // Some make mistakes, and mend them.
        let what = if kind == 5 { random.below(4) } else { kind };
        let op = match what {
            0 if at > 0 => Op::Delete(at - 1),
            1 if at < len => Op::Delete(at),
            0 | 1 => return,
            _ => Op::Insert(at, ['a', 'b', 'c', 'é', '漢', '\n'][random.below(6)]),
        };
        model.push(agent, context.clone(), op);
        *context = BTreeSet::from([model.events.len() - 1]);
        (at, len) = match what {
            0 => (at - 1, len - 1),
            1 => (at, len - 1),
            _ => (at + 1, len + 1),
        };
    }
}

/// An order in which parents come first: at each step any event that can be next, but rather one that goes on from the
/// last.
fn arrival(random: &mut Random, model: &Model) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut left: BTreeSet<usize> = (0..model.events.len()).collect();
    while !left.is_empty() {
        let ready: Vec<usize> =
            left.iter().copied().filter(|&event| model.events[event].parents.is_disjoint(&left)).collect();
        let next = order.last().map(|last| last + 1).filter(|next| ready.contains(next) && !random.one_in(8));
        let next = next.unwrap_or_else(|| ready[random.below(ready.len())]);
        left.remove(&next);
        order.push(next);
    }
    order
}

/// Appends an event to a log as if it had been received.
fn append(log: &mut TextLog, model: &Model, event: usize) {
    let Event { agent, clock, first, ref parents, op, .. } = model.events[event];
    let name = |event: usize| EventId::new(model.events[event].agent, Clock(model.events[event].clock));
    let mut heads: Heads =
        parents.iter().map(|&parent| log.graph().local(name(parent)).expect("parents come first")).collect();
    heads.sort_unstable();
    let group = (clock == first).then_some(heads.as_slice());
    log.append(agent, group, 1, |operations: &mut Operations| match op {
        Op::Insert(at, char) => operations.insert(at as u32, char.encode_utf8(&mut [0; 4])),
        Op::Delete(at) => operations.delete(at as u32, 1, true),
    });
    assert_eq!(log.graph().id(log.len() - 1), name(event));
}

/// A log and the text that a replay keeps beside it.
#[derive(Clone, Default)]
struct Follower {
    log: TextLog,
    replay: Replay,
    text: Buffer,
}

impl Follower {
    fn receive(&mut self, model: &Model, events: &[usize]) {
        let from = self.log.mark();
        events.iter().for_each(|&event| append(&mut self.log, model, event));
        let len = self.text.len::<Chars>().0 as u32;
        let mut changes = Vec::new();
        let replayed = self.replay.advance(&self.log, from, len, &mut Effort::endless(), |change| changes.push(change));
        assert_eq!(replayed, Ok(()));
        changes.into_iter().for_each(|change| patch::apply(&mut self.text, self.log.contents(), change));
        self.log.graph().assert_invariants();
        self.log.contents().assert_invariants();
        self.replay.assert_invariants(&self.log);
    }

    /// What the elements of the whole history show.
    fn whole_text(&mut self) -> String {
        let len = self.text.len::<Chars>().0 as u32;
        let elements = self.replay.whole(&self.log, len);
        elements.assert_invariants();
        let events = elements.visible().flat_map(|span| span.numbers());
        events.filter_map(|event| self.log.contents().char_of(Local(event))).collect()
    }
}

/// Incrementally in the order of the log, from nothing, with windows forgotten, and with the window opened to the
/// start.
#[test]
fn every_way_to_replay_a_history_gives_the_text_of_its_definition() {
    let mut opened_with_past = 0;
    for seed in seeds(90) {
        let mut random = Random(seed);
        let size = 40 + random.below(260);
        let history = if seed % 3 == 0 { random_history } else { crowded_history };
        let model = history(&mut random, size);
        let expected = model.text_in_total_order();
        for _ in 0..2 {
            let order = arrival(&mut random, &model);
            let (mut plain, mut forgetful, mut whole) = (Follower::default(), Follower::default(), Follower::default());
            let whole_from = random.below(order.len());
            let mut at = 0;
            while at < order.len() {
                let end = (at + 1 + random.below(12)).min(order.len());
                for follower in [&mut plain, &mut forgetful, &mut whole] {
                    follower.receive(&model, &order[at..end]);
                }
                if random.one_in(3) {
                    forgetful.replay.forget_from(Local(0));
                }
                if end >= whole_from && random.one_in(2) {
                    let shown = whole.whole_text();
                    assert_eq!(whole.text, shown.as_str(), "the elements and the text differ");
                }
                let from_nothing =
                    checkout::text_of(&plain.log, None, &mut Effort::endless()).expect("the indexes fit");
                assert_eq!(plain.text, from_nothing);
                assert_eq!(forgetful.text, from_nothing);
                assert_eq!(whole.text, from_nothing);
                at = end;
            }
            assert_eq!(plain.text, expected.as_str());
            assert_eq!(whole.whole_text(), expected);
            let bytes = plain.log.encode_packed(&plain.log.spans_since(&Summary::new()), Packing::Quick);
            let (log, past) = TextLog::whole(&bytes).expect("a whole history");
            let opened = checkout::text_of(&log, past.as_ref(), &mut Effort::endless()).expect("the indexes fit");
            assert_eq!(opened, expected.as_str());
            opened_with_past += u32::from(past.is_some());
        }
    }
    assert!(
        std::env::var("SEED").is_ok() || opened_with_past > 0,
        "no history had few enough agents to hand on what its runs have seen"
    );
}

/// Planted bugs that it catches: branches in another order than that of what they inserted first; that of what is there still; an
/// insertion behind what was removed behind its left neighbour; what two branches removed is removed twice; sections in another
/// order. That a branch begins in the middle of another one and is taken for the rest of it, the histories above catch.
#[test]
fn branches_that_never_meet_give_the_text_of_its_definition() {
    let mut taken = 0;
    for seed in seeds(300) {
        let mut random = Random(seed);
        let size = 20 + random.below(100);
        let model = parted_history(&mut random, size);
        let mut log = TextLog::default();
        arrival(&mut random, &model).into_iter().for_each(|event| append(&mut log, &model, event));
        let text = checkout::text_of(&log, None, &mut Effort::endless()).expect("the indexes fit");
        assert_eq!(text, model.text_in_total_order().as_str());
        // Those that are short as well.
        let (mut draft, mut at) = (Draft::with_room(0), Local(0));
        for critical in log.graph().critical().chain([Span::new(log.len(), log.len())]) {
            let window = Span::new(at, critical.start);
            if !window.is_empty() {
                let is_apart = apart::replay(&log, window, &mut draft, &mut Effort::endless());
                assert_eq!(is_apart, Ok(true), "nobody has seen two branches");
                taken += 1;
            }
            linear::draw(log.contents(), critical, &mut draft).expect("the indexes fit");
            at = critical.end;
        }
        assert_eq!(draft.write(log.contents()), text);
    }
    assert!(std::env::var("SEED").is_ok() || taken > 300, "{taken} windows");
}

/// What many did may be one run of operations, as when each removes the same char, and still costs something for each.
#[test]
fn branches_are_counted_where_all_did_the_same() {
    let (mut model, mut context) = (Model::default(), BTreeSet::new());
    for event in 0..3 {
        model.push(AgentId::new(100), context, Op::Insert(event, 'a'));
        context = BTreeSet::from([event]);
    }
    (0..50).for_each(|agent| model.push(AgentId::new(agent), context.clone(), Op::Delete(0)));
    let mut log = TextLog::default();
    (0..model.events.len()).for_each(|event| append(&mut log, &model, event));
    let window = Span::new(Local(3), log.len());
    assert_eq!(log.contents().runs_among(window), 1);
    let replay = |steps| {
        let mut draft = Draft::with_room(0);
        linear::draw(log.contents(), Span::new(Local(0), Local(3)), &mut draft).expect("the indexes fit");
        apart::replay(&log, window, &mut draft, &mut Effort::of(steps))
    };
    assert_eq!((replay(49), replay(50)), (Err(Stopped::Spent), Ok(true)));
}

/// A few at a time in the order in which they were made, so that each is made far from where the one before it was; what is
/// remembered of versions is compared with what a tracker finds there.
#[test]
fn branches_that_come_by_turns_give_the_text_of_its_definition() {
    let mut remembered = 0;
    for seed in seeds(60) {
        let mut random = Random(seed);
        let size = 60 + random.below(200);
        let model = offline_history(&mut random, size);
        let mut follower = Follower::default();
        let mut events: &[usize] = &(0..model.events.len()).collect::<Vec<_>>();
        while !events.is_empty() {
            let agent = |event: usize| model.events[event].agent;
            let same = events.iter().take_while(|&&event| agent(event) == agent(events[0])).count();
            let (next, rest) = events.split_at(1 + random.below(same));
            follower.receive(&model, next);
            events = rest;
        }
        assert_eq!(follower.text, model.text_in_total_order().as_str());
        remembered += follower.replay.uses_of_versions();
        assert_eq!(follower.whole_text(), model.text_in_total_order());
    }
    assert!(std::env::var("SEED").is_ok() || remembered > 1_000, "versions were remembered {remembered} times");
}

/// What a refusal takes back must leave nothing behind.
#[test]
fn a_log_cut_back_and_filled_again_gives_the_same_text() {
    for seed in seeds(40) {
        let mut random = Random(seed);
        let model = random_history(&mut random, 120);
        let order = arrival(&mut random, &model);
        let mut follower = Follower::default();
        let mut at = 0;
        while at < order.len() {
            let end = (at + 1 + random.below(12)).min(order.len());
            let mut ahead = follower.clone();
            ahead.receive(&model, &order[at..end]);
            ahead.log.take_back();
            ahead.log.graph().assert_invariants();
            ahead.log.contents().assert_invariants();
            let all = |log: &TextLog| log.encode(&log.spans_since(&Summary::new()), Packing::Quick);
            assert_eq!(all(&ahead.log), all(&follower.log));
            assert!(ahead.log.contents().same(0, follower.log.contents(), 0..follower.log.len().0));
            ahead.replay.forget_from(follower.log.len());
            ahead.text = follower.text.clone();
            ahead.receive(&model, &order[at..end]);
            follower = ahead;
            at = end;
        }
        assert_eq!(follower.text, model.text_in_total_order().as_str());
    }
}

/// What is told behind a replay in another order is what comes about one by one in the order of arrival: after each
/// change the text is that of the events up to there.
#[test]
fn what_is_replayed_in_another_order_is_told_as_it_came() {
    let (mut changes, mut deleted) = (0, 0);
    for seed in seeds(60) {
        let mut random = Random(seed);
        let size = 60 + random.below(200);
        let model = crowded_history(&mut random, size);
        let order = arrival(&mut random, &model);
        let cut = random.below(order.len());
        let mut at_once = Follower::default();
        at_once.receive(&model, &order[..cut]);
        let mut one_by_one = at_once.clone();
        let from = at_once.log.mark();
        let mut texts = Vec::new();
        for &event in &order[cut..] {
            append(&mut at_once.log, &model, event);
            one_by_one.receive(&model, &[event]);
            texts.push(one_by_one.text.to_string());
        }
        let Follower { log, replay, text } = &mut at_once;
        let mut told = Vec::new();
        let replayed =
            replay.advance(log, from, text.len::<Chars>().0 as u32, &mut Effort::endless(), |change| told.push(change));
        assert_eq!(replayed, Ok(()));
        for change in told {
            patch::apply(text, log.contents(), change);
            let last = (change.events.end - 1 - from) as usize;
            assert_eq!(*text, texts[last].as_str(), "after {change:?}");
            (changes, deleted) = (changes + 1, deleted + u32::from(!change.inserts));
        }
        assert_eq!(*text, one_by_one.text);
        replay.assert_invariants(log);
    }
    assert!(std::env::var("SEED").is_ok() || deleted > 100 && changes > 2 * deleted, "{deleted} of {changes}");
}
