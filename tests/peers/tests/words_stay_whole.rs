//! The promise that sets Cede apart, beside engines that do not make it: 200 trials of each scenario.

use cede_peers::Engine;
use cede_peers::automerge::Automerge;
use cede_peers::cede::Cede;
use cede_peers::loro::Loro;
use cede_peers::random::{seed_alone, seeds};
use cede_peers::splits::{Outcome, conversation, race};
use cede_peers::yrs::Yrs;

const TRIALS: u64 = 200;

#[test]
fn nobody_splits_a_word_in_cede() {
    assert_eq!(torn(race::<Cede>), 0);
    assert_eq!(torn(conversation::<Cede>), 0);
}

#[test]
fn loro_converges_and_splits_words() {
    splits_words::<Loro>();
}

#[test]
fn yrs_converges_and_splits_words() {
    splits_words::<Yrs>();
}

#[test]
fn automerge_converges_and_splits_words() {
    splits_words::<Automerge>();
}

/// Were no peer's word ever split, the scenarios would show nothing.
fn splits_words<E: Engine>() {
    let (split, torn) = (torn(race::<E>), torn(conversation::<E>));
    println!("{}: {split} words split, {torn} conversations with a torn word", E::NAME);
    assert!(seed_alone().is_some() || (split > 0 && torn > 0), "{split} and {torn}");
}

/// How many of the trials tore a word; in all of them the replicas end equal.
fn torn(trial: fn(u64) -> Outcome) -> usize {
    let check = |seed: &u64| {
        let outcome = trial(*seed);
        assert!(outcome.converged(), "SEED={seed}: {:?}", outcome.texts);
        outcome.torn
    };
    seeds(TRIALS).filter(check).count()
}
