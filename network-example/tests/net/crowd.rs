//! Many people who type in one room, for as long as anybody wants.

use cede::{Chars, EventSpan};
use cede_net::client::{State, Target};
use futures_util::future::select_all;
use tokio::time::timeout;

use crate::cast::{PATIENCE, Person, Random};

/// A number from the environment, for running things large by hand.
pub(crate) fn size(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().map_or(usual, |number| number.parse().expect("a number"))
}

/// Whoever types at one place, all in one room.
pub(crate) struct Crowd {
    pub(crate) random: Random,
    pub(crate) people: Vec<Person>,
}

impl Crowd {
    pub(crate) fn new(seed: u64, target: &Target, people: usize) -> Self {
        let person = |number| Person::new(&format!("P{number:02}"), target.clone());
        Self { random: Random::from_seed(seed), people: (0..people).map(person).collect() }
    }

    /// Types so many letters, each by anybody, and takes in what comes meanwhile.
    pub(crate) async fn type_letters(&mut self, letters: usize) {
        for _ in 0..letters {
            self.anybody_types();
            // The connections are tasks beside this one.
            tokio::task::yield_now().await;
            for person in &mut self.people {
                while let Some(incoming) = person.client.try_next() {
                    person.take(Some(incoming));
                }
            }
        }
    }

    /// One thing happens to one of them. Cancel-safe.
    pub(crate) async fn next(&mut self) {
        // Whoever is asked first wins when several have something to say, so each is it in turn.
        let first = self.random.below(self.people.len());
        let (before, behind) = self.people.split_at_mut(first);
        let turns = (first..).zip(behind).chain((0..).zip(before));
        let waiting = turns.map(|(number, person)| Box::pin(async move { (number, person.client.next().await) }));
        let ((number, incoming), ..) = select_all(waiting).await;
        assert!(incoming.is_some(), "the client of number {number} has ended: {:?}", self.people[number].link.state());
        self.people[number].take(incoming);
    }

    /// Anybody types a letter or deletes one, or puts the caret elsewhere.
    pub(crate) fn anybody_types(&mut self) {
        let person = self.random.below(self.people.len());
        self.type_somewhere(person);
    }

    /// Everybody waits until all have the same, and goes to another place. What they type there has seen all that was before,
    /// so that history has one version below it; without, each key costs what there is in all.
    pub(crate) async fn pause(&mut self) {
        self.until("all to be together", usize::MAX, are_together).await;
        for person in 0..self.people.len() {
            self.move_somewhere(person);
        }
        self.anybody_types();
        self.until("all to be together again", usize::MAX, are_together).await;
    }

    fn move_somewhere(&mut self, person: usize) {
        let Self { random, people } = self;
        let session = &mut people[person].session;
        let length = session.text().len::<Chars>().0;
        session.move_caret(Chars(random.below(length + 1))).unwrap();
    }

    fn type_somewhere(&mut self, person: usize) {
        let Self { random, people } = self;
        let session = &mut people[person].session;
        let length = session.text().len::<Chars>().0;
        match random.below(8) {
            0 => session.move_caret(Chars(random.below(length + 1))).unwrap(),
            1 if length > 0 => {
                let at = random.below(length);
                session.delete(Chars(at)..Chars(at + 1)).unwrap();
            }
            _ => {
                let caret: Chars = session.caret();
                let letter = char::from(b'a' + random.below(26) as u8);
                session.insert(caret, &letter.to_string()).unwrap();
            }
        }
        people[person].flush();
    }

    /// Lives until `done`, or until so many things have happened. Says whether it is done.
    pub(crate) async fn until(&mut self, what: &str, most: usize, done: impl Fn(&[Person]) -> bool) -> bool {
        let living = async {
            for _ in 0..most {
                if done(&self.people) {
                    return true;
                }
                self.next().await;
            }
            false
        };
        match timeout(PATIENCE, living).await {
            Ok(is_done) => is_done,
            Err(_) => panic!("waited {PATIENCE:?} for {what}\n{}", self.told()),
        }
    }

    /// How everybody stands.
    fn told(&self) -> String {
        let person = |Person { session, link, .. }: &Person| {
            let (events, open) = (session.document().event_count(), link.unacknowledged(session));
            format!("{events} events, {open} unacknowledged, {} others, {:?}\n", link.peers().len(), link.state())
        };
        self.people.iter().map(person).collect()
    }

    /// What each has been told is durable: of their own events the first ones, since acks come in order.
    pub(crate) fn acknowledged(&self) -> Vec<EventSpan> {
        let mut all = Vec::new();
        for Person { session, link, .. } in &self.people {
            let own = session.document().summary();
            let own: Vec<EventSpan> = own.spans().filter(|span| span.agent == session.agent()).collect();
            let made: u64 = own.iter().map(|span| u64::from(span.len())).sum();
            let mut left = made.saturating_sub(link.unacknowledged(session)) as u32;
            for mut span in own {
                let taken = left.min(span.len());
                span.end.0 = span.start.0 + taken;
                left -= taken;
                if taken > 0 {
                    all.push(span);
                }
            }
        }
        all
    }
}

/// Everybody is online, all is acknowledged, and all have the same version.
pub(crate) fn are_together(people: &[Person]) -> bool {
    let version = people[0].session.document().frontier();
    // What costs least comes first: this is asked whenever anything happens.
    people.iter().all(|person| *person.link.state() == State::Online)
        && people.iter().all(|person| person.session.document().frontier() == version)
        && people.iter().all(Person::is_settled)
}
