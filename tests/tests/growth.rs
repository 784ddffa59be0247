//! What an event costs hardly depends on how many there are, whatever somebody makes of the graph.

use cede_tests::growth::{Costs, Figure, SHAPES, Shape};

/// Four times as many events, and each costs at most so many times as much. Log n is 1.2, what the caches cost up to 2 on a
/// busy machine, and something quadratic 4.
const MOST: f64 = 2.5;
/// Nanoseconds an event below which nothing is told from noise.
const NOISE: f64 = 1_000.0;
/// A shape is measured again when it seems to have grown: others may use the machine.
const TRIES: usize = 4;

/// What is known to grow, and why. Whoever mends one of these takes it off the list.
fn is_known(shape: Shape, figure: &str) -> bool {
    match shape {
        // Any two of these versions lie far apart in whatever order, and each event merges a part of two branches that
        // nobody has merged before. In bulk the best order makes the ways √n long, which the limit has room for.
        Shape::Bridges => figure == "live",
        // Each event is made some hundred steps from the one before it: too near to be remembered, far enough to be felt.
        Shape::ShuffledComb | Shape::CombAtTheEnd => figure == "live",
        _ => false,
    }
}

#[test]
fn an_event_costs_much_the_same_in_a_history_of_four_times_as_many() {
    for &shape in SHAPES {
        let mut grown = grown(shape);
        for _ in 1..TRIES {
            if grown.is_empty() {
                break;
            }
            let again = self::grown(shape);
            grown.retain(|(name, _)| again.iter().any(|(other, _)| other == name));
        }
        assert!(
            grown.is_empty(),
            "{shape:?}, nanoseconds an event in a history and in one of four times as many: {grown:?}"
        );
    }
}

/// The figures that have grown by more than they may.
fn grown(shape: Shape) -> Vec<(&'static str, [f64; 2])> {
    let costs = |events| match is_known(shape, "live") {
        true => Costs::in_bulk(shape, events, 2),
        false => Costs::of(shape, events, 2),
    };
    let (small, large) = (costs(1_000), costs(4_000));
    let per_event = |figure: &Figure| figure.per_event().max(NOISE);
    let pairs = small.figures().iter().zip(large.figures());
    let pairs = pairs.filter(|(small, _)| !is_known(shape, small.name));
    let pairs = pairs.map(|(small, large)| (small.name, [small, large].map(per_event)));
    pairs.filter(|(_, [before, after])| after / before > MOST).collect()
}
