//! What there is to measure on, and what has no peer.

use super::programs::TURNS;
use super::table::{Row, Table};
use cede::storage::{Kind, LogFile};
use cede::{AgentId, Chars, Document, Frontier, Patch};
use cede_measuring::report::Clock;
use cede_measuring::trace::{Edit, Recording, Trace};
use cede_tests::growth::Shape;
use cede_tui::tools::{Format, Tool, run};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer traces are not repeated: sixteen times as many events take long to make.
const MOST_REPEATED: usize = 300_000;

/// The recorded sessions: of the folder that `CEDE_TRACES` names, else of `../shared/traces` beside the workspace. All,
/// or those with these names.
pub(crate) fn traces(names: &[&String]) -> Vec<PathBuf> {
    let folder = match std::env::var_os("CEDE_TRACES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces"),
    };
    let wanted = |path: &PathBuf| names.is_empty() || names.iter().any(|wanted| **wanted == name(path));
    let mut found: Vec<PathBuf> = ["sequential", "concurrent"]
        .iter()
        .filter_map(|kind| std::fs::read_dir(folder.join(kind)).ok())
        .flat_map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())))
        .filter(wanted)
        .collect();
    found.sort();
    if found.is_empty() {
        println!("no traces in {}: skipped", folder.display());
    }
    found
}

fn name(path: &Path) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    file.split('.').next().unwrap_or_default().to_owned()
}

/// The recording of this repository as a trace, and a linear one.
pub(crate) fn recordings(desk: &Path) -> Vec<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/typed-by-hand.cede");
    let mut json = Vec::new();
    let export = Tool::Export { file, format: Format::Trace };
    run(&export, &mut json, &mut Vec::new()).unwrap_or_else(|error| panic!("{error}"));
    let alone = r#"{"startContent": "a ", "endContent": "a word", "txns": [{"patches": [[2, 0, "wrod"]]}, {"patches": [[3, 2, "or"]]}]}"#;
    [("typed-by-hand", json), ("alone", alone.into())]
        .map(|(name, json)| {
            let trace = desk.join(name).with_extension("json");
            std::fs::write(&trace, json).expect("the folder is there");
            trace
        })
        .into()
}

/// Live sessions, lived again with clocks adopted when the caret moves and with clocks adopted at once: what opening
/// costs, and how long the histories are.
pub(crate) fn deferral(traces: &[PathBuf], desk: &Path, measuring: bool, table: &mut Table) {
    let (turns, rounds) = if measuring { (TURNS, 17) } else { (1, 1) };
    for trace in traces {
        let (Some(live), Some(at_once)) = (lived(trace, desk, true), lived(trace, desk, false)) else { continue };
        let [live_groups, groups] = [&live, &at_once].map(|document| document.stats().groups as f64);
        // Where nobody typed while others did, there is nothing to defer.
        if groups <= 1.0 {
            continue;
        }
        let name = name(trace);
        let (a, b) = (live.encode(), at_once.encode());
        let times = (0..turns).map(|_| [open(&a, &live, rounds), open(&b, &at_once, rounds)]);
        let [live_time, time] = times.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1])]).unwrap_or_default();
        let nanoseconds = |time: Duration| time.as_nanos() as f64;
        table.add(Row::deferral("groups", &name, live_groups, groups, "groups"));
        table.add(Row::deferral("open", &name, nanoseconds(live_time), nanoseconds(time), "ns"));
        table.add(Row::deferral("size", &name, a.len() as f64, b.len() as f64, "bytes"));
    }
}

/// Linear traces lived several times over, each time behind the text of the time before: what opening costs an event.
pub(crate) fn repeated(traces: &[PathBuf], measuring: bool, table: &mut Table) {
    let rounds = if measuring { 21 } else { 1 };
    for path in traces {
        let recording = Recording::read(path).expect("a trace that was read before");
        let trace = &recording.trace;
        if !trace.is_linear() || trace.transactions.len() > MOST_REPEATED {
            continue;
        }
        let mut costs = [1, 4, 16].map(|times| {
            let document = lived_over(trace, times);
            let time = open(&document.encode(), &document, rounds);
            let events = document.event_count() as usize;
            (time.as_nanos() as f64 / events.max(1) as f64, events)
        });
        costs[1..].sort_by(|a, b| a.0.total_cmp(&b.0));
        table.add(Row::repeated(&recording.name, costs[0], costs[2]));
    }
}

/// What opening a history of a shape costs an event, and how many events it has.
pub(crate) fn open_history(shape: Shape, events: usize, rounds: usize) -> (f64, usize) {
    let weave = shape.history(events, 1);
    let document = Document::decode(&weave.update()).expect("a history that breaks no rule");
    let time = open(&document.encode(), &document, rounds);
    (time.as_nanos() as f64 / weave.len() as f64, weave.len())
}

fn lived_over(trace: &Trace, times: usize) -> Document {
    let (mut document, mut version) = (Document::new(), Frontier::root());
    let len = trace.end_content.chars().count();
    for time in 0..times {
        let behind = |start: usize| Chars(start + time * len);
        let begin = Patch { start: behind(0), deleted: Chars(0), inserted: trace.start_content.clone() };
        let edits = trace.transactions.iter().flat_map(|transaction| &transaction.edits);
        let edits = edits.map(|Edit(at, deleted, inserted)| Patch {
            start: behind(*at),
            deleted: Chars(*deleted),
            inserted: inserted.clone(),
        });
        let all: Vec<_> = std::iter::once(begin).chain(edits).collect();
        version = document.author(AgentId::new(1), &version, &all).expect("edits of the trace");
    }
    assert!(document.text() == trace.end_content.repeat(times).as_str(), "the text several times over");
    document
}

/// A trace as a history, by the command that people use; `None` when it is not one that was lived online.
fn lived(trace: &Path, desk: &Path, live: bool) -> Option<Document> {
    let into = desk.join("lived.cede");
    let import = Tool::Import { trace: trace.to_owned(), into: into.clone(), live, lenient: false };
    run(&import, &mut Vec::new(), &mut Vec::new()).ok()?;
    let (records, _) = LogFile::read(&into).ok()?;
    let mut document = Document::new();
    for record in records.iter().filter(|record| record.kind == Kind::Events) {
        document.import::<Chars>(&record.payload).expect("what was written");
    }
    std::fs::remove_file(&into).expect("the file that was just made");
    Some(document)
}

fn open(bytes: &[u8], expected: &Document, rounds: usize) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let start = Clock::Thread.now();
            let document = Document::decode(bytes).expect("what was encoded");
            let time = Clock::Thread.now().saturating_sub(start);
            assert!(document.text() == expected.text(), "opened, it is another text");
            time
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}
