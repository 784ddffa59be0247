//! The table: each row a figure, what we aim at, and whether it is met.

use super::programs::Line;
use cede_measuring::trace::Recording;
use cede_tests::growth::Figure;
use std::cmp::Ordering;
use std::path::PathBuf;

/// One figure beside the best peer.
pub(crate) struct Row {
    figure: String,
    trace: String,
    ours: String,
    peer: String,
    ratio: Option<f64>,
    target: Option<(String, bool)>,
}

/// A figure at most so many times the best peer's.
const OPEN: f64 = 0.5;
const OPEN_MANY_WINDOWS: f64 = 0.9;
const SAVED: f64 = 0.5;
const TYPING: f64 = 1.2;
const LIVE: f64 = 0.25;
/// Nanoseconds a transaction.
const LIVE_AT_MOST: f64 = 1_000.0;
/// Bytes of full histories.
const SIZES: [(&str, f64); 4] = [
    ("automerge-paper", 66_000.0),
    ("rustcode", 75_000.0),
    ("sveltecomponent", 27_000.0),
    ("friendsforever", 22_800.0),
];
/// Besides twice the text, in bytes.
const STEADY: f64 = 65_536.0;
/// How much more an event may cost when there are four times as many: log n, and what the caches cost.
pub(crate) const GROWTH: f64 = 1.6;
/// Nanoseconds.
const NOISE: f64 = 100.0;
/// The same when a trace is lived several times over.
const REPEATED: f64 = 1.3;

impl Row {
    /// Ours beside the peers' lines of the same figure and trace.
    pub(crate) fn of(ours: &Line, peers: &[&Line], traces: &[PathBuf]) -> Self {
        let rivals = peers.iter().filter(|peer| match ours.figure.as_str() {
            // The bare text is the floor of typing, and snapshots are no replay.
            "typing" => peer.peer.starts_with("jumprope"),
            "peak" => peer.peer == "diamond-types",
            "open" | "size" => !peer.peer.contains("snapshot"),
            _ => true,
        });
        let best = rivals.min_by(|a, b| a.number.total_cmp(&b.number));
        let ratio = best.map(|best| ours.number / best.number);
        let at_most = |most: f64| ratio.map(|ratio| (format!("≤ {most}"), ratio <= most));
        let target = match ours.figure.as_str() {
            _ if ours.peer.contains("bare") => None,
            "open" if ours.trace == "C1" => at_most(OPEN_MANY_WINDOWS),
            "open" => at_most(OPEN),
            "snapshot" => at_most(SAVED),
            "typing" => at_most(TYPING),
            "live" => {
                // Transactions of thousands of keys take longer than those of one.
                let keys = ours.trace == "friendsforever";
                let met = |ratio| ratio <= LIVE && (!keys || ours.number <= LIVE_AT_MOST);
                let most = if keys { format!(", ≤ {LIVE_AT_MOST} ns") } else { String::new() };
                ratio.map(|ratio| (format!("≤ {LIVE}{most}"), met(ratio)))
            }
            "size" => match SIZES.iter().find(|(trace, _)| *trace == ours.trace) {
                Some(&(_, most)) => Some((format!("≤ {most} bytes"), ours.number <= most)),
                None => at_most(1.0),
            },
            "peak" if ours.peer == "cede" => at_most(1.0),
            figure if figure.starts_with("json") => at_most(1.0),
            "steady" if ours.peer == "cede saved" => steady(ours, traces),
            _ => None,
        };
        Self {
            figure: format!("{}{}", ours.figure, ours.peer.strip_prefix("cede").unwrap_or_default()),
            trace: ours.trace.clone(),
            ours: number(ours.number, &ours.unit),
            peer: best.map_or_else(String::new, |best| format!("{} {}", number(best.number, &best.unit), best.peer)),
            ratio,
            target,
        }
    }

    /// What an event costs in a history and in one of four times as many events. What costs less than a look into
    /// memory is not told from noise.
    pub(crate) fn growth(shape: &str, smaller: &Figure, larger: &Figure) -> Self {
        let (before, after) = (smaller.per_event().max(NOISE), larger.per_event().max(NOISE));
        Self::grown(
            &format!("growth, {}", larger.name),
            shape,
            (before, smaller.events),
            (after, larger.events),
            GROWTH,
        )
    }

    /// What an event costs, and how many there are, in a history and in the same several times over.
    pub(crate) fn repeated(trace: &str, before: (f64, usize), after: (f64, usize)) -> Self {
        Self::grown("repeated, open", trace, before, after, REPEATED)
    }

    /// The same of authors who are offline, with what the costs may grow by.
    pub(crate) fn offline(authors: &str, before: (f64, usize), after: (f64, usize), most: f64) -> Self {
        Self::grown("offline, open", authors, before, after, (most * 100.0).round() / 100.0)
    }

    fn grown(figure: &str, trace: &str, before: (f64, usize), after: (f64, usize), most: f64) -> Self {
        let ratio = after.0 / before.0;
        Self {
            figure: figure.to_owned(),
            trace: trace.to_owned(),
            ours: format!("{:.1} ns an event of {}", after.0, after.1),
            peer: format!("{:.1} ns of {}", before.0, before.1),
            ratio: Some(ratio),
            target: Some((format!("≤ {most}"), ratio <= most)),
        }
    }

    /// Those that have grown most come last.
    pub(crate) fn by_ratio(a: &Self, b: &Self) -> Ordering {
        a.ratio.unwrap_or_default().total_cmp(&b.ratio.unwrap_or_default())
    }

    /// Ours live beside ours with clocks adopted at once.
    pub(crate) fn deferral(figure: &str, trace: &str, live: f64, at_once: f64, unit: &str) -> Self {
        let ratio = live / at_once;
        Self {
            figure: format!("deferral, {figure}"),
            trace: trace.to_owned(),
            ours: format!("{} live", number(live, unit)),
            peer: format!("{} at once", number(at_once, unit)),
            ratio: Some(ratio),
            target: Some(("≤ 1".to_owned(), ratio <= 1.0)),
        }
    }
}

/// Twice the text and a little.
fn steady(ours: &Line, traces: &[PathBuf]) -> Option<(String, bool)> {
    let named = |path: &&PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{}.", ours.trace)))
    };
    let recording = Recording::read(traces.iter().find(named)?).ok()?;
    let most = 2.0 * recording.trace.end_content.len() as f64 + STEADY;
    Some((format!("≤ {most:.0} bytes"), ours.number <= most))
}

fn number(number: f64, unit: &str) -> String {
    match unit {
        "ns" if number >= 1e5 => format!("{:.3} ms", number / 1e6),
        _ => format!("{number:.0} {unit}"),
    }
}

/// Prints rows as they come, and what became of the targets in the end.
pub(crate) struct Table {
    met: usize,
    missed: Vec<String>,
}

impl Table {
    /// Prints the head.
    pub(crate) fn begin() -> Self {
        println!("| figure | trace | ours | best peer | ratio | target | met |");
        println!("| --- | --- | ---: | ---: | ---: | ---: | --- |");
        Self { met: 0, missed: Vec::new() }
    }

    /// Prints a row.
    pub(crate) fn add(&mut self, row: Row) {
        let Row { figure, trace, ours, peer, ratio, target } = row;
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let (target, met) = match target {
            Some((target, met)) => (target, Some(met)),
            None => (String::new(), None),
        };
        match met {
            Some(true) => self.met += 1,
            Some(false) => self.missed.push(format!("{figure} {trace}")),
            None => {}
        }
        let met = met.map_or("", |met| if met { "yes" } else { "no" });
        println!("| {figure} | {trace} | {ours} | {peer} | {ratio} | {target} | {met} |");
    }

    /// Says how many targets are met.
    pub(crate) fn end(self) {
        println!("\n{} targets met, {} not: {}", self.met, self.missed.len(), self.missed.join(", "));
    }
}
