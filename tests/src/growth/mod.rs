//! How costs grow with the history: histories of any size in many shapes, and what each costs an event.
//!
//! ```
//! use cede_tests::growth::{Costs, Shape};
//!
//! let costs = Costs::of(Shape::Ladder, 200, 1);
//! assert!(costs.figures()[0].events >= 199, "what was opened");
//! ```

mod shapes;

pub use shapes::{SHAPES, Shape, Weave};

use crate::forge::{Op, Piece, update};
use crate::live;
use cede::{AgentId, Chars, Document, Frontier, Session};
use cede_measuring::report::Clock;
use std::time::Duration;

/// What a history of some shape and size costs.
#[derive(Clone, Debug)]
pub struct Costs {
    figures: Vec<Figure>,
}

/// What one use of a history costs.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What was done.
    pub name: &'static str,
    /// How many events were gone through.
    pub events: usize,
    /// The best of some rounds, in the time that the thread was given.
    pub time: Duration,
}

impl Figure {
    /// In nanoseconds.
    pub fn per_event(&self) -> f64 {
        self.time.as_secs_f64() * 1e9 / self.events.max(1) as f64
    }
}

impl Costs {
    /// What about so many events of this shape cost: the best of so many rounds of each figure. Every answer is
    /// checked.
    ///
    /// # Panics
    /// When the engine refuses the history, or two ways to read it differ.
    pub fn of(shape: Shape, events: usize, rounds: usize) -> Self {
        Self::without(&[], shape, events, rounds)
    }

    /// The same without what comes event by event, where that takes too long.
    ///
    /// # Panics
    /// As [`of`](Self::of).
    pub fn in_bulk(shape: Shape, events: usize, rounds: usize) -> Self {
        Self::without(&["live"], shape, events, rounds)
    }

    fn without(left_out: &[&str], shape: Shape, events: usize, rounds: usize) -> Self {
        let weave = shape.history(events, 1);
        let (update, updates, events) = (weave.update(), weave.updates(), weave.len());
        let mut figures = Vec::new();
        let mut figure = |name, events, time| figures.push(Figure { name, events, time });
        let (time, document) = best(rounds, || Document::decode(&update).expect("a history that breaks no rule"));
        figure("open", events, time);
        assert_eq!(document.event_count(), events as u64, "{shape:?}: all events are known");
        let (time, imported) = best(rounds, || {
            let mut document = Document::new();
            document.import::<Chars>(&update).expect("a history that breaks no rule");
            document
        });
        figure("import", events, time);
        assert!(imported.text() == document.text(), "{shape:?}: imported is another text than opened");
        let mut lived = document.clone();
        if !left_out.contains(&"live") {
            let time;
            (time, lived) = best(rounds, || {
                let mut document = Document::new();
                for update in &updates {
                    document.import::<Chars>(update).expect("an event that breaks no rule");
                }
                document
            });
            figure("live", events, time);
        }
        assert!(lived.text() == document.text(), "{shape:?}: one by one is another text than at once");
        let (time, encoded) = best(rounds, || lived.encode());
        figure("encode", events, time);
        assert!(!encoded.is_empty());
        let everything = document.frontier();
        let (time, text) = best(rounds, || document.checkout(&everything).expect("a version"));
        figure("checkout", events, time);
        assert!(text == *document.text(), "{shape:?}: the text at the last version");
        let middle = Frontier::from(live::event_id(weave.middle()));
        let (time, _) = best(rounds, || document.diff(&middle, &everything).expect("two versions"));
        figure("diff", events, time);
        let (time, _) = best(rounds, || document.summary());
        figure("summary", events, time);
        let (time, _) = best(rounds, || Typist::new(&document).type_some(events / 16));
        figure("type", events / 16, time);
        let refused = refused_at_the_last_piece();
        let (time, _) = best(rounds, || {
            (0..REFUSALS).for_each(|_| assert!(lived.import::<Chars>(&refused).is_err(), "a clock against the rule"));
        });
        figure("refuse", REFUSALS, time);
        assert_eq!(lived.frontier(), everything, "{shape:?}: a refusal leaves no trace");
        Self { figures }
    }

    /// Each figure.
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }
}

/// Somebody who joins, moves the caret, types one character and sends it, over and over.
struct Typist {
    session: Session,
}

impl Typist {
    fn new(document: &Document) -> Self {
        Self { session: Session::with_document(document.clone(), AgentId::new(u128::MAX)) }
    }

    fn type_some(&mut self, count: usize) {
        for number in 0..count {
            let len = self.session.text().len::<Chars>().0;
            self.session.insert(Chars(number * 7919 % (len + 1)), "x").expect("within the text");
            assert!(self.session.take_outgoing().is_some());
        }
    }
}

const REFUSALS: usize = 16;

/// A new agent, who has seen nothing, inserts something; then comes an event with a clock against the rule.
fn refused_at_the_last_piece() -> Vec<u8> {
    let piece = |agent, clock| Piece { agent, clock, parents: Some(Vec::new()), ops: vec![Op::Insert(0, "x")] };
    update(&[piece(u128::MAX, 0), piece(u128::MAX - 1, 7)])
}

/// Of what is over sooner there are more rounds, for one interruption would be most of it.
const MOMENT: Duration = Duration::from_millis(2);

/// The shortest of so many rounds or more, and what the last one gave.
fn best<T>(rounds: usize, mut round: impl FnMut() -> T) -> (Duration, T) {
    let mut once = || {
        let start = Clock::Thread.now();
        let given = round();
        (Clock::Thread.now().saturating_sub(start), given)
    };
    let (mut shortest, mut last) = once();
    let (mut made, mut all) = (1, shortest);
    while made < rounds || all < MOMENT && rounds > 1 {
        let (time, given) = once();
        (made, all) = (made + 1, all + time);
        shortest = shortest.min(time);
        last = given;
    }
    (shortest, last)
}
