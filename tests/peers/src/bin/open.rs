//! How long opening takes: from the bytes of a full history to its text, ours beside the peers', for each trace.
//!
//! `cargo run --release --bin open [NAME…]`. The traces are those of `CEDE_TRACES`, else of `../shared/traces` beside the repository; the
//! peers' files of the same histories stand in its folder `peers`. What is not there a peer makes itself (Automerge from every trace, the others
//! from sequential ones), unless that takes longer than `SECONDS_TO_BUILD` (60). Every text is compared with the trace's `endContent` before it
//! is timed.

use cede_peers::Engine;
use cede_peers::automerge::{self, Automerge};
use cede_peers::cede::{self, Cede};
use cede_peers::loro::{self, Loro};
use cede_peers::measure::{median, table};
use cede_peers::trace::{self, Trace};
use cede_peers::yrs::{self, Yrs};
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// For the runs of one engine on one trace: dozens of the fast, one of the slowest.
const BUDGET: Duration = Duration::from_secs(3);

fn main() -> io::Result<ExitCode> {
    let Some(folder) = trace::folder() else {
        println!("skipped: no recorded sessions; CEDE_TRACES names a folder of them");
        return Ok(ExitCode::SUCCESS);
    };
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let head = [
        "trace",
        "cede ms",
        "cede bytes",
        "yrs ms",
        "loro snapshot ms",
        "loro updates ms",
        "automerge ms",
        "ours / best",
        "ours / best but snapshot",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let mut all_right = true;
    for path in trace::find(&folder)? {
        let name = trace::name(&path);
        if wanted.is_empty() || wanted.contains(&name) {
            let row = Row::measure(&name, &Trace::read(&path)?, &folder.join("peers"));
            all_right &= row.right;
            rows.push(row.cells());
            eprintln!("{}", rows[rows.len() - 1].join("  "));
        }
    }
    print!("{}", table(&rows));
    Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Row {
    name: String,
    bytes: usize,
    ours: Duration,
    /// In the order of the table; `None` where there is no file.
    peers: [Option<Duration>; 4],
    /// Whether every engine gave the text that the trace ends with.
    right: bool,
}

impl Row {
    fn measure(name: &str, trace: &Trace, peers: &Path) -> Self {
        let begun = Instant::now();
        let document = cede::history(trace);
        let history = document.encode();
        eprintln!("{name}: built in {:.0?}: {:?}", begun.elapsed(), document.stats());
        drop(document);
        let mut right = true;
        let ours = time::<Cede>(name, &history, trace, &mut right);
        let Histories { yrs, snapshot, updates, automerge } = Histories::of(name, trace, peers);
        let mut peer =
            |history: Option<Vec<u8>>, time: Timer| history.map(|history| time(name, &history, trace, &mut right));
        let peers = [
            peer(yrs, time::<Yrs>),
            peer(snapshot, time::<Loro>),
            peer(updates, time::<Loro>),
            peer(automerge, time::<Automerge>),
        ];
        Self { name: name.to_owned(), bytes: history.len(), ours, peers, right }
    }

    fn cells(&self) -> Vec<String> {
        let milliseconds = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
        // A snapshot holds the finished text, so what it takes says nothing about replaying.
        let [yrs, snapshot, updates, automerge] = self.peers;
        let replayed = [yrs, updates, automerge].into_iter().flatten().min();
        let best = replayed.into_iter().chain(snapshot).min();
        let ratio = |best: Option<Duration>| {
            best.map_or_else(|| "–".to_owned(), |best| format!("{:.2}", self.ours.as_secs_f64() / best.as_secs_f64()))
        };
        let mut cells = vec![self.name.clone(), milliseconds(self.ours), self.bytes.to_string()];
        cells.extend(self.peers.iter().map(|peer| peer.map_or_else(|| "–".to_owned(), milliseconds)));
        cells.extend([ratio(best), ratio(replayed)]);
        cells
    }
}

/// The same history in the forms of the peers: their files where there are any, else made here.
struct Histories {
    yrs: Option<Vec<u8>>,
    snapshot: Option<Vec<u8>>,
    updates: Option<Vec<u8>>,
    automerge: Option<Vec<u8>>,
}

impl Histories {
    fn of(name: &str, trace: &Trace, peers: &Path) -> Self {
        let limit = limit();
        let file = |extension: &str| fs::read(peers.join(format!("{name}.{extension}"))).ok();
        let (mut yrs, mut snapshot, mut updates) = (file("yjs"), file("loro-snapshot"), file("loro-updates"));
        if yrs.is_none() && !trace.concurrent {
            yrs = yrs::history(trace, limit);
        }
        if snapshot.is_none() && !trace.concurrent {
            (snapshot, updates) = loro::history(trace, limit).map(|made| (made.snapshot, made.updates)).unzip();
        }
        Self { yrs, snapshot, updates, automerge: automerge::history(trace, limit) }
    }
}

type Timer = fn(&str, &[u8], &Trace, &mut bool) -> Duration;

fn time<E: Engine>(name: &str, history: &[u8], trace: &Trace, right: &mut bool) -> Duration {
    if E::open(history) != trace.end_content {
        *right = false;
        eprintln!("{name}: {} does not end with endContent", E::NAME);
    }
    median(BUDGET, || E::open(history))
}

/// How long a peer may take to make a history.
fn limit() -> Duration {
    let seconds = std::env::var("SECONDS_TO_BUILD").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(60))
}
