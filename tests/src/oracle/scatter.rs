//! Random event graphs whose authors edit anywhere, without caret or deferral.
//!
//! Knows that authors edit at random indexes and merge from each other. Sessions never make most of these graphs; a
//! replica must take all of them.

use super::{Event, Graph, Id, Op};
use crate::random::Random;

/// Characters of one to four bytes, the first few often.
const CHARACTERS: [char; 12] = ['a', 'b', 'c', 'd', 'e', 'a', ' ', '\n', 'é', '字', '🙂', '🏽'];

/// A graph of about so many events by up to five authors, agents 1, 2, …. O(events³).
///
/// # Panics
/// When the oracle refuses an event of its own making, which is a bug of the oracle.
pub fn scattered_graph(random: &mut Random, events: usize) -> Graph {
    let mut whole = Graph::default();
    let mut authors: Vec<Author> = (1..=random.between(2, 5)).map(|agent| Author::of_agent(agent as u128)).collect();
    while whole.events().count() < events {
        let author = random.below(authors.len());
        if random.percent(35) {
            let from = random.below(authors.len());
            let news: Vec<Event> = authors[from].known.events().cloned().collect();
            // A random beginning: whatever comes first in causal order is a version.
            let some = random.below(news.len() + 1);
            authors[author].merge(&news[..some]);
        } else {
            for _ in 0..random.between(1, 6) {
                let event = authors[author].edit(random);
                whole.add(&event).expect("its parents are in the whole graph");
            }
        }
    }
    whole
}

/// Somebody with a replica.
struct Author {
    agent: u128,
    known: Graph,
    /// The parents of the next event.
    context: Vec<Id>,
}

impl Author {
    fn of_agent(agent: u128) -> Self {
        Self { agent, known: Graph::default(), context: Vec::new() }
    }

    fn merge(&mut self, events: &[Event]) {
        for event in events {
            self.known.add(event).expect("a beginning of a causal order has all parents");
        }
        self.context = self.known.frontier();
    }

    fn edit(&mut self, random: &mut Random) -> Event {
        let length = self.known.text().chars().count();
        let op = if length > 0 && random.percent(30) {
            Op::Delete { index: random.below(length) }
        } else {
            Op::Insert { index: random.below(length + 1), character: *random.pick(&CHARACTERS) }
        };
        let clock = self.known.next_clock(self.agent, &self.context);
        let event = Event::from_parts(Id { agent: self.agent, clock }, self.context.clone(), op);
        self.known.add(&event).expect("an edit at the frontier is acceptable");
        self.context = vec![event.id()];
        event
    }
}

#[cfg(test)]
mod tests {
    use super::scattered_graph;
    use crate::random::{Random, seeds};

    #[test]
    fn a_kept_replay_shows_what_a_replay_from_nothing_shows() {
        for seed in seeds(200) {
            let mut graph = scattered_graph(&mut Random::from_seed(seed), 30);
            assert_eq!(Ok(graph.text()), graph.text_at(&graph.frontier()));
        }
    }
}
