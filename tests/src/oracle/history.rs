//! Random histories of several people typing together over a bad network, as steps that any implementation can run.
//!
//! Knows what people do (words, corrections, jumps, pastes) and what networks do (delay, loss, duplication,
//! reordering). The sessions of the oracle run along, so every step is possible where it stands and carries what must
//! be seen after it. Events are referred to by who made them and how many came before, never by id: an implementation
//! names its own.

use std::ops::RangeInclusive;

use super::{Event, Id, Session};
use crate::random::Random;

/// Every replica of a history, and what was done at them, one after the other. All start empty; at the end everybody
/// has everything.
#[derive(Clone, Debug)]
pub struct History {
    /// The agent of each replica; replicas are named by their place here.
    pub agents: Vec<u128>,
    /// In the order in which they happened.
    pub steps: Vec<Step>,
    /// The text that all replicas show after the last step.
    pub merged: String,
}

/// One thing that happened at one replica.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where; an index into [`History::agents`].
    pub replica: usize,
    /// What.
    pub action: Action,
    /// What it must lead to.
    pub outcome: Outcome,
}

/// What a person or the network does. Positions count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Inserts at the caret: one character typed, or several pasted. One event a character.
    Insert(String),
    /// Deletes the character before the caret; there is one.
    Backspace,
    /// Deletes the character after the caret; there is one.
    DeleteForward,
    /// Puts the caret at this position of the text, which it may be at already.
    MoveCaret(usize),
    /// Events of other replicas arrive.
    Receive {
        /// As the network hands them over: some twice, some before their parents.
        arriving: Vec<Made>,
        /// Those that come to be known by that, in order: parents first, nothing twice. One that arrived earlier,
        /// before its parents, stands in the step that brings the last of them. Receiving this list instead must lead
        /// to the same outcome.
        integrated: Vec<Made>,
    },
}

/// An event, by who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Made {
    /// The replica that made it.
    pub replica: usize,
    /// How many events that replica had made before it.
    pub nth: usize,
}

/// What must be seen at the replica after a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The events that the step made, with exact ids and parents.
    pub made: Vec<Event>,
    /// The visible text.
    pub text: String,
    /// The position of the caret, in characters.
    pub caret: usize,
}

/// How large a history is to be.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many replicas.
    pub replicas: RangeInclusive<usize>,
    /// How many turns are taken before the last exchange; a little more than half of them make an event.
    pub turns: RangeInclusive<usize>,
    /// How agents are numbered.
    pub agents: AgentChoice,
}

/// How the agents of a history are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentChoice {
    /// 1, 2, … as in the conformance cases.
    Counted,
    /// 128 random bits each, as in life.
    Random,
}

impl Default for Shape {
    /// Two to five replicas, some 20 to 60 events.
    fn default() -> Self {
        Self { replicas: 2..=5, turns: 35..=100, agents: AgentChoice::Random }
    }
}

impl History {
    /// A history that the random numbers decide wholly. About a millisecond for the default shape, in an optimised
    /// build.
    ///
    /// # Panics
    /// When the oracle breaks a promise, which is a bug of the oracle or of the rules.
    pub fn random(random: &mut Random, shape: &Shape) -> Self {
        let count = random.between(*shape.replicas.start(), *shape.replicas.end());
        let turns = random.between(*shape.turns.start(), *shape.turns.end());
        let agents = match shape.agents {
            AgentChoice::Counted => (1..=count as u128).collect(),
            AgentChoice::Random => {
                (0..count).map(|_| u128::from(random.bits()) << 64 | u128::from(random.bits())).collect()
            }
        };
        let mut play = Play::beginning(random, agents);
        for _ in 0..turns {
            play.take_turn();
        }
        play.exchange_everything();
        let merged = play.sessions[0].text();
        for session in &play.sessions {
            assert_eq!(session.text(), merged, "all replicas with the same events have the same text");
        }
        History { agents: play.agents, steps: play.steps, merged }
    }

    /// How many events all replicas made.
    pub fn event_count(&self) -> usize {
        self.steps.iter().map(|step| step.outcome.made.len()).sum()
    }

    /// The characters typed one right after the other: no move of the caret between them, nothing adopted by the second.
    pub fn typed_pairs(&self) -> Vec<(Id, Id)> {
        let mut pairs = Vec::new();
        let mut last_typed: Vec<Option<Id>> = vec![None; self.agents.len()];
        for step in &self.steps {
            let last = &mut last_typed[step.replica];
            match &step.action {
                Action::Insert(_) => {
                    for event in &step.outcome.made {
                        pairs.extend(last.filter(|last| event.parents() == [*last]).map(|last| (last, event.id())));
                        *last = Some(event.id());
                    }
                }
                Action::Receive { .. } => {}
                Action::Backspace | Action::DeleteForward | Action::MoveCaret(_) => *last = None,
            }
        }
        pairs
    }
}

/// A history while it is being made.
struct Play<'random> {
    random: &'random mut Random,
    agents: Vec<u128>,
    sessions: Vec<Session>,
    /// What each replica made, in order.
    made: Vec<Vec<Event>>,
    /// What each replica is still typing of a word, last character first.
    words: Vec<Vec<char>>,
    network: Vec<Link>,
    steps: Vec<Step>,
}

/// What the network holds for one replica.
#[derive(Clone, Debug, Default)]
struct Link {
    underway: Vec<Made>,
    /// Dropped, and to be sent again some time.
    lost: Vec<Made>,
    delivered: Vec<Made>,
}

/// Words that collide in their letters, and characters of one to four bytes, alone and combining.
const WORDS: [&str; 10] = ["so ", "and ", "then", "a", "über", "字漢", "🙂", "👍🏽", "e\u{301}", "\n"];

impl<'random> Play<'random> {
    fn beginning(random: &'random mut Random, agents: Vec<u128>) -> Self {
        let count = agents.len();
        Self {
            random,
            sessions: agents.iter().map(|agent| Session::of_agent(*agent)).collect(),
            agents,
            made: vec![Vec::new(); count],
            words: vec![Vec::new(); count],
            network: vec![Link::default(); count],
            steps: Vec::new(),
        }
    }

    /// Lets somebody do something. A turn at which nothing can be done passes without a step.
    fn take_turn(&mut self) {
        let replica = self.random.below(self.sessions.len());
        match self.random.below(100) {
            0..46 => self.type_on(replica),
            46..58 => self.delete(replica, Action::Backspace),
            58..63 => self.delete(replica, Action::DeleteForward),
            63..72 => self.move_caret(replica),
            72..75 => {
                let word = self.random.pick(&WORDS).repeat(2);
                self.insert(replica, word);
            }
            _ => self.deliver(replica),
        }
    }

    fn type_on(&mut self, replica: usize) {
        if self.words[replica].is_empty() {
            self.words[replica] = self.random.pick(&WORDS).chars().rev().collect();
        }
        if let Some(character) = self.words[replica].pop() {
            self.insert(replica, character.to_string());
        }
    }

    fn insert(&mut self, replica: usize, text: String) {
        let made = text.chars().map(|character| self.sessions[replica].insert(character)).collect();
        self.record(replica, Action::Insert(text), made);
    }

    fn delete(&mut self, replica: usize, action: Action) {
        let session = &mut self.sessions[replica];
        let made = match action {
            Action::Backspace => session.backspace(),
            _ => session.delete_forward(),
        };
        if let Some(event) = made {
            self.record(replica, action, vec![event]);
        }
    }

    fn move_caret(&mut self, replica: usize) {
        let session = &mut self.sessions[replica];
        let length = session.text().chars().count();
        // People gather where others type, which is the end more often than not, and click where the caret is.
        let position = match self.random.below(4) {
            0 => session.caret(),
            1 => length,
            _ => self.random.below(length + 1),
        };
        session.move_caret(position).expect("the position is within the text");
        self.words[replica].clear();
        self.record(replica, Action::MoveCaret(position), Vec::new());
    }

    /// Hands a replica some of what is underway to it.
    fn deliver(&mut self, replica: usize) {
        let link = &mut self.network[replica];
        if self.random.percent(20) {
            link.underway.append(&mut link.lost);
        }
        let mut arriving = Vec::new();
        for _ in 0..self.random.between(1, 8) {
            if link.underway.is_empty() {
                break;
            }
            let overtaking = self.random.percent(15);
            let taken = link.underway.remove(if overtaking { self.random.below(link.underway.len()) } else { 0 });
            match self.random.below(100) {
                0..8 => link.lost.push(taken),
                8..14 => arriving.extend([taken, taken]),
                _ => arriving.push(taken),
            }
        }
        if !link.delivered.is_empty() && self.random.percent(10) {
            arriving.push(*self.random.pick(&link.delivered));
        }
        if self.random.percent(10) {
            self.random.shuffle(&mut arriving);
        }
        self.receive(replica, arriving);
    }

    /// Brings everybody everything, what was lost included.
    fn exchange_everything(&mut self) {
        for replica in 0..self.sessions.len() {
            let link = &mut self.network[replica];
            let mut arriving = std::mem::take(&mut link.underway);
            arriving.append(&mut link.lost);
            self.receive(replica, arriving);
        }
    }

    fn receive(&mut self, replica: usize, arriving: Vec<Made>) {
        if arriving.is_empty() {
            return;
        }
        let events: Vec<Event> = arriving.iter().map(|made| self.made[made.replica][made.nth].clone()).collect();
        let known = self.sessions[replica].receive(&events).expect("what sessions make is acceptable");
        self.network[replica].delivered.extend(&arriving);
        let integrated = known.into_iter().map(|id| self.made_as(id)).collect();
        self.record(replica, Action::Receive { arriving, integrated }, Vec::new());
    }

    fn made_as(&self, id: Id) -> Made {
        let replica = self.agents.iter().position(|agent| *agent == id.agent);
        let replica = replica.expect("every event is made by a replica of the history");
        let nth = self.made[replica].iter().position(|event| event.id() == id);
        Made { replica, nth: nth.expect("what arrived was made") }
    }

    /// Notes a step, and sends what it made to everybody else.
    fn record(&mut self, replica: usize, action: Action, made: Vec<Event>) {
        let first = self.made[replica].len();
        self.made[replica].extend(made.iter().cloned());
        let sent = (first..first + made.len()).map(|nth| Made { replica, nth });
        for (receiver, link) in self.network.iter_mut().enumerate() {
            if receiver != replica {
                link.underway.extend(sent.clone());
            }
        }
        let session = &self.sessions[replica];
        let outcome = Outcome { made, text: session.text(), caret: session.caret() };
        self.steps.push(Step { replica, action, outcome });
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, History, Shape};
    use crate::random::Random;

    #[test]
    fn a_seed_decides_a_history() {
        let made = |seed| format!("{:?}", History::random(&mut Random::from_seed(seed), &Shape::default()));
        assert_eq!(made(5), made(5));
        assert_ne!(made(5), made(6));
    }

    #[test]
    fn networks_delay_lose_repeat_and_reorder() {
        let (mut early, mut repeated, mut released, mut adopting) = (0, 0, 0, 0);
        // Not `seeds`: no single history has to show everything.
        for seed in 0..100 {
            let history = History::random(&mut Random::from_seed(seed), &Shape::default());
            for step in &history.steps {
                adopting += step.outcome.made.iter().filter(|event| event.parents().len() > 1).count();
                if let Action::Receive { arriving, integrated } = &step.action {
                    early += usize::from(integrated.len() < arriving.len());
                    released += usize::from(integrated.len() > arriving.len());
                    repeated += usize::from((1..arriving.len()).any(|end| arriving[..end].contains(&arriving[end])));
                }
            }
        }
        assert!(
            [early, repeated, released, adopting].iter().all(|count| *count > 0),
            "early {early}, repeated {repeated}, released {released}, adopting {adopting}"
        );
    }
}
