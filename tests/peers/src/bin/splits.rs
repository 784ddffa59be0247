//! Words stay whole, beside peers: how often a letter of one person ends up within a word of another.
//!
//! `cargo run --release --bin splits [TRIALS]`, 1,000 trials unless told otherwise. Trials have the seeds from 0 on; `SEED=n` runs that
//! one alone and prints the texts. Fails when a word is torn in Cede, or when replicas of any engine end unequal.

use cede_peers::Engine;
use cede_peers::automerge::Automerge;
use cede_peers::cede::Cede;
use cede_peers::loro::Loro;
use cede_peers::random::{seed_alone, seeds};
use cede_peers::splits::{Outcome, conversation, race};
use cede_peers::table::table;
use cede_peers::yrs::Yrs;
use std::process::ExitCode;

fn main() -> ExitCode {
    let trials = match std::env::args().nth(1).map(|argument| argument.parse::<u64>()) {
        None => 1_000,
        Some(Ok(trials)) => trials,
        Some(Err(error)) => {
            eprintln!("usage: splits [TRIALS]: {error}");
            return ExitCode::from(2);
        }
    };
    match seed_alone() {
        Some(seed) => println!("seed {seed} alone\n"),
        None => println!("{trials} trials each, seeds 0 to {}\n", trials.saturating_sub(1)),
    }
    let counts = [count::<Cede>(trials), count::<Loro>(trials), count::<Yrs>(trials), count::<Automerge>(trials)];
    let head = ["engine", "race: words split", "conversation: texts with a torn word", "unequal replicas"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(counts.iter().map(Count::cells));
    print!("{}", table(&rows));
    let whole = counts[0].split == 0 && counts[0].torn == 0;
    let equal = counts.iter().all(|count| count.unequal == 0);
    if whole && equal { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Count {
    name: &'static str,
    split: usize,
    torn: usize,
    unequal: usize,
}

fn count<E: Engine>(trials: u64) -> Count {
    let races = run(E::NAME, "race", race::<E>, trials);
    let conversations = run(E::NAME, "conversation", conversation::<E>, trials);
    let torn = |outcomes: &[Outcome]| outcomes.iter().filter(|outcome| outcome.torn).count();
    let unequal = races.iter().chain(&conversations).filter(|outcome| !outcome.converged()).count();
    Count { name: E::NAME, split: torn(&races), torn: torn(&conversations), unequal }
}

fn run(engine: &str, scenario: &str, trial: fn(u64) -> Outcome, trials: u64) -> Vec<Outcome> {
    let alone = seed_alone().is_some();
    let is_ours = engine == Cede::NAME;
    let tell = |seed: u64| {
        let outcome = trial(seed);
        if alone || !outcome.converged() || (is_ours && outcome.torn) {
            println!("{engine}, {scenario}, SEED={seed}: {outcome:?}");
        }
        outcome
    };
    seeds(trials).map(tell).collect()
}

impl Count {
    fn cells(&self) -> Vec<String> {
        let Self { name, split, torn, unequal } = self;
        vec![(*name).to_owned(), split.to_string(), torn.to_string(), unequal.to_string()]
    }
}
