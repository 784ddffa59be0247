//! Histories of any size, each of a shape that could make something quadratic: what authors do offline, and what
//! somebody who means harm could send.
//!
//! Knows groups, parents and the clock rule, and writes them as pieces that break no rule. Does not know the engine.

use crate::forge::{Op, Piece, update};
use crate::random::Random;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// An event: its agent and clock.
type Id = (u128, u64);

/// Whoever typed what the others start from.
const BASE: u128 = 1 << 64;

/// A family of histories.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One agent, one group, random places: nothing is concurrent.
    Alone,
    /// A new agent for every event, each after the one before it.
    NewAgents,
    /// Two authors offline, each typing half at random places; then one branch comes after the other.
    TwoBranches,
    /// The same, and the events come by turns.
    TwoBranchesByTurns,
    /// The same where each types on for seventy keys before they go to another place.
    WordsByTurns,
    /// Fifty authors offline at once, at random places.
    FiftyAuthors,
    /// As many agents as events: each one char at the one place that there is, none having seen another.
    HeadsAtOneSpot,
    /// The same at random places of a long text.
    HeadsApart,
    /// Rounds of so many concurrent events, each followed by one that names them all.
    Rounds(usize),
    /// Two agents, each of whose groups has seen the last two groups of both and not the one beside it, so that no
    /// version is ever critical.
    Ladder,
    /// One long group, and an agent branching from each of its events, in the order of these events.
    Comb,
    /// The same in a random order.
    ShuffledComb,
    /// The same where everything is typed at the end of the text.
    CombAtTheEnd,
    /// Many agents write once, two others go on for long without having seen them, and then each of the many writes
    /// again and names its own old event beside the newest.
    OldHeads,
    /// Many agents write once, two others see them and go on for long, somebody never merges, and then each of the many
    /// writes again, its own event being far in the past.
    OldAgents,
    /// A chain in which every group also names an old event that nobody else has seen.
    OldParents,
    /// Two chains that never meet, each of two agents, and agents who each name an event of both.
    Bridges,
    /// So many people who type at once without a pause, a word here and a word there with a mistake now and then, each having
    /// seen what the others typed up to a moment before the word, so that no version is ever critical.
    Crowd(usize),
}

/// Every shape.
pub const SHAPES: &[Shape] = &[
    Shape::Alone,
    Shape::NewAgents,
    Shape::TwoBranches,
    Shape::TwoBranchesByTurns,
    Shape::WordsByTurns,
    Shape::FiftyAuthors,
    Shape::HeadsAtOneSpot,
    Shape::HeadsApart,
    Shape::Rounds(2),
    Shape::Rounds(64),
    Shape::Rounds(4096),
    Shape::Ladder,
    Shape::Comb,
    Shape::ShuffledComb,
    Shape::CombAtTheEnd,
    Shape::OldHeads,
    Shape::OldAgents,
    Shape::OldParents,
    Shape::Bridges,
    Shape::Crowd(20),
];

impl Shape {
    /// A history of this shape with about so many events, parents first. The same numbers give the same history.
    pub fn history(self, events: usize, seed: u64) -> Weave {
        let mut weave = Weave { random: Random::from_seed(seed), ..Weave::default() };
        match self {
            Self::Alone => weave.alone(events),
            Self::NewAgents => weave.new_agents(events),
            Self::TwoBranches => weave.branches(2, events),
            Self::TwoBranchesByTurns => weave.by_turns(events),
            Self::WordsByTurns => weave.words_by_turns(events),
            Self::FiftyAuthors => weave.branches(50, events),
            Self::HeadsAtOneSpot => weave.heads_at_one_spot(events),
            Self::HeadsApart => weave.heads_apart(events),
            Self::Rounds(width) => weave.rounds(events, width),
            Self::Ladder => weave.ladder(events),
            Self::Comb => weave.comb(events, false),
            Self::ShuffledComb => weave.comb(events, true),
            Self::CombAtTheEnd => weave.comb_at_the_end(events),
            Self::OldHeads => weave.old_heads(events),
            Self::OldAgents => weave.old_agents(events),
            Self::OldParents => weave.old_parents(events),
            Self::Bridges => weave.bridges(events),
            Self::Crowd(people) => weave.crowd(events, people),
        }
        weave
    }
}

/// Events being made, one char each, parents first.
#[derive(Clone, Debug)]
pub struct Weave {
    pieces: Vec<Piece>,
    last: HashMap<u128, u64>,
    random: Random,
}

impl Default for Weave {
    fn default() -> Self {
        Self { pieces: Vec::new(), last: HashMap::new(), random: Random::from_seed(0) }
    }
}

impl Weave {
    /// How many events there are.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.ops.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Everything as one update.
    pub fn update(&self) -> Vec<u8> {
        update(&self.pieces)
    }

    /// One update for each event.
    pub fn updates(&self) -> Vec<Vec<u8>> {
        let events = self.pieces.iter().flat_map(|piece| {
            piece.ops.iter().enumerate().map(|(number, op)| Piece {
                agent: piece.agent,
                clock: piece.clock + number as u64,
                parents: piece.parents.clone().filter(|_| number == 0),
                ops: vec![op.clone()],
            })
        });
        events.map(|event| update(&[event])).collect()
    }

    /// The last event of the piece in the middle.
    pub fn middle(&self) -> Id {
        let piece = &self.pieces[self.pieces.len() / 2];
        (piece.agent, piece.clock + piece.ops.len() as u64 / 2)
    }

    /// An agent starts a group with one char.
    fn start(&mut self, agent: u128, parents: &[Id], at: usize) -> Id {
        self.group(agent, parents, vec![Op::Insert(at as u64, "x")])
    }

    /// The same somewhere in the first so many chars.
    fn start_within(&mut self, agent: u128, parents: &[Id], len: usize) -> Id {
        let at = self.random.below(len + 1);
        self.start(agent, parents, at)
    }

    fn group(&mut self, agent: u128, parents: &[Id], ops: Vec<Op>) -> Id {
        let clock = parents.iter().map(|(_, clock)| clock + 1).max().unwrap_or(0);
        let contiguous = self.last.get(&agent).is_some_and(|last| last + 1 == clock);
        self.push(Piece { agent, clock: clock + u64::from(contiguous), parents: Some(parents.to_vec()), ops })
    }

    fn go_on(&mut self, agent: u128, op: Op) -> Id {
        let clock = self.last[&agent] + 1;
        self.push(Piece { agent, clock, parents: None, ops: vec![op] })
    }

    fn push(&mut self, piece: Piece) -> Id {
        let last = piece.clock + piece.ops.len() as u64 - 1;
        let id = (piece.agent, last);
        self.last.insert(piece.agent, last);
        self.pieces.push(piece);
        id
    }

    /// A keystroke somewhere in a text of this length: three of four insert.
    fn keystroke(&mut self, len: &mut usize) -> Op {
        if *len > 0 && self.random.percent(25) {
            *len -= 1;
            return Op::Delete(self.random.below(*len + 1) as u64, 1);
        }
        *len += 1;
        Op::Insert(self.random.below(*len) as u64, "x")
    }

    /// A group of so many keystrokes in a text of this length.
    fn branch(&mut self, agent: u128, parents: &[Id], events: usize, len: usize) -> Id {
        let mut len = len;
        let ops = (0..events.max(1)).map(|_| self.keystroke(&mut len)).collect();
        self.group(agent, parents, ops)
    }

    /// A text of so many chars.
    fn base(&mut self, chars: usize) -> Id {
        self.group(BASE, &[], (0..chars.max(1)).map(|at| Op::Insert(at as u64, "-")).collect())
    }

    fn alone(&mut self, events: usize) {
        self.branch(0, &[], events, 0);
    }

    fn new_agents(&mut self, events: usize) {
        let mut last = self.start(0, &[], 0);
        for agent in 1..events {
            last = self.start_within(agent as u128, &[last], agent);
        }
    }

    fn branches(&mut self, agents: usize, events: usize) {
        let base = self.base(100);
        for agent in 0..agents {
            self.branch(agent as u128, &[base], events / agents, 100);
        }
    }

    fn by_turns(&mut self, events: usize) {
        let base = self.base(100);
        let mut lens = [100; 2];
        for (agent, len) in (0..).zip(&mut lens) {
            let op = self.keystroke(len);
            self.group(agent, &[base], vec![op]);
        }
        for event in 2..events {
            let op = self.keystroke(&mut lens[event % 2]);
            self.go_on((event % 2) as u128, op);
        }
    }

    fn words_by_turns(&mut self, events: usize) {
        let base = self.base(100);
        for event in 0..events.saturating_sub(100).max(2) {
            let (agent, key) = ((event % 2) as u128, event / 2);
            let op = Op::Insert(key as u64 % 70, "x");
            if key == 0 {
                self.group(agent, &[base], vec![op])
            } else {
                self.go_on(agent, op)
            };
        }
    }

    fn heads_at_one_spot(&mut self, events: usize) {
        for agent in 0..events {
            self.start(agent as u128, &[], 0);
        }
    }

    fn heads_apart(&mut self, events: usize) {
        let base = self.base(events / 2);
        for agent in 0..events / 2 {
            self.start_within(agent as u128, &[base], events / 2);
        }
    }

    fn rounds(&mut self, events: usize, width: usize) {
        let width = width.min(events / 2 - 1).max(2);
        let (mut merged, mut len) = (vec![self.base(width)], width);
        for _ in 0..((events - width) / (width + 1)).max(1) {
            let heads: Vec<Id> = (0..width as u128).map(|agent| self.start_within(agent, &merged, len)).collect();
            merged = vec![self.start(BASE, &heads, 0)];
            len += width + 1;
        }
    }

    fn ladder(&mut self, events: usize) {
        let mut heads = [self.start(0, &[], 0), self.start(1, &[], 0)];
        for round in 1..events / 2 {
            heads = [0, 1].map(|agent| self.start_within(agent, &heads, 2 * round));
        }
    }

    fn comb(&mut self, events: usize, shuffled: bool) {
        let mut lens = vec![0];
        let mut len = 0;
        let ops: Vec<Op> = (0..events / 2)
            .map(|_| {
                let op = self.keystroke(&mut len);
                lens.push(len);
                op
            })
            .collect();
        self.group(BASE, &[], ops);
        let mut teeth: Vec<usize> = (0..events / 2).collect();
        if shuffled {
            self.random.shuffle(&mut teeth);
        }
        for (agent, tooth) in teeth.into_iter().enumerate() {
            self.start_within(agent as u128, &[(BASE, tooth as u64)], lens[tooth + 1]);
        }
    }

    fn comb_at_the_end(&mut self, events: usize) {
        self.base(events / 2);
        let mut teeth: Vec<usize> = (0..events / 2).collect();
        self.random.shuffle(&mut teeth);
        for (agent, tooth) in teeth.into_iter().enumerate() {
            self.start(agent as u128, &[(BASE, tooth as u64)], tooth + 1);
        }
    }

    /// Two agents by turns, each after the other.
    fn chain(&mut self, mut last: Vec<Id>, groups: usize, mut len: usize) -> Id {
        for group in 0..groups {
            last = vec![self.start_within(BASE + 4 + (group % 2) as u128, &last, len)];
            len += 1;
        }
        last[0]
    }

    /// Many agents write once at random places of a long text.
    fn old_events(&mut self, many: usize) -> (Id, Vec<Id>) {
        let base = self.base(many);
        (base, (0..many as u128).map(|agent| self.start_within(agent, &[base], many)).collect())
    }

    fn old_heads(&mut self, events: usize) {
        let many = events / 4;
        let (base, old) = self.old_events(many);
        let newest = self.chain(vec![base], many, many);
        for id in old {
            self.start_within(id.0, &[id, newest], 2 * many);
        }
    }

    fn old_agents(&mut self, events: usize) {
        let many = events / 4;
        let (base, old) = self.old_events(many);
        self.start(BASE + 3, &[base], 0);
        let mut seen: Vec<Id> = Vec::new();
        // At most 4,096 parents a group.
        for heads in old.chunks(4000) {
            let parents: Vec<Id> = seen.iter().chain(heads).copied().collect();
            seen = vec![self.start(BASE + 2, &parents, 0)];
        }
        let newest = self.chain(seen, many, 2 * many);
        for id in old {
            self.start_within(id.0, &[newest], 3 * many);
        }
    }

    fn old_parents(&mut self, events: usize) {
        let many = events / 3;
        let (base, old) = self.old_events(many);
        let mut last = self.start(BASE + 1, &[base], 0);
        for (group, id) in old.into_iter().enumerate() {
            last = self.start_within(BASE + 2 + (group % 2) as u128, &[last, id], many + group);
        }
    }

    fn bridges(&mut self, events: usize) {
        let many = events / 4;
        let base = self.base(many);
        let chains = [1, 3].map(|first| {
            let mut last = vec![base];
            let mut chain = Vec::new();
            for group in 0..many as u128 {
                last = vec![self.start_within(BASE + first + group % 2, &last, many)];
                chain.extend(last.iter().copied());
            }
            chain
        });
        for agent in 0..many {
            let parents = [0, 1].map(|chain: usize| chains[chain][self.random.below(many)]);
            self.start_within(agent as u128, &parents, many);
        }
    }

    fn crowd(&mut self, events: usize, people: usize) {
        let len = 100;
        let base = self.base(len);
        let mut typists: Vec<Typist> = (0..people).map(|_| Typist::default()).collect();
        let (mut typed, mut arrived, mut moment) = (Vec::new(), vec![0; people], 0);
        for _ in len..events.max(len + people) {
            let who = self.random.below(people);
            let typist = &mut typists[who];
            let mut parents = Vec::new();
            if typist.events.is_empty() || self.random.percent(12) {
                while moment + people < typed.len() {
                    arrived[typed[moment]] += 1;
                    moment += 1;
                }
                let mut seen = arrived.clone();
                seen[who] = typist.events.len();
                typist.seen = seen.into();
                let at = self.random.below(len + 1);
                typist.word = at..at;
                parents = heads_of(&typists, who);
                parents.extend(parents.is_empty().then_some(base));
            }
            let typist = &mut typists[who];
            let inserts = typist.word.is_empty() || self.random.percent(88);
            let op = match typist.word.end {
                end if inserts => Op::Insert(end as u64, "x"),
                end => Op::Delete(end as u64 - 1, 1),
            };
            let last = typist.events.last().map(|(id, _)| *id);
            let goes_on = parents.is_empty() || last.is_some_and(|last| parents == [last]);
            let id = if goes_on { self.go_on(who as u128, op) } else { self.group(who as u128, &parents, vec![op]) };
            typist.events.push((id, typist.seen.clone()));
            typist.word.end = if inserts { typist.word.end + 1 } else { typist.word.end - 1 };
            typed.push(who);
        }
    }
}

/// One of a crowd.
#[derive(Clone, Debug)]
struct Typist {
    /// Each with what its word has seen.
    events: Vec<(Id, Rc<[usize]>)>,
    /// How many events of each typist the word that is being typed has seen.
    seen: Rc<[usize]>,
    /// Where that stands in the text that it has seen.
    word: Range<usize>,
}

impl Default for Typist {
    fn default() -> Self {
        Self { events: Vec::new(), seen: Rc::new([]), word: 0..0 }
    }
}

/// Of the last events that somebody's word has seen of each, those that no other one of them has.
fn heads_of(typists: &[Typist], who: usize) -> Vec<Id> {
    let seen = &typists[who].seen;
    let last = |other: usize| seen[other].checked_sub(1).map(|last| &typists[other].events[last]);
    let is_head = |one: &usize| {
        let others = (0..typists.len()).filter(|other| other != one);
        !others.filter_map(last).any(|(_, theirs)| theirs[*one] >= seen[*one])
    };
    (0..typists.len()).filter(is_head).filter_map(|one| Some(last(one)?.0)).collect()
}
