//! What history costs, beside the bare text in the same run.
//!
//! `cargo bench -p cede-tests --bench speed` prints a table; each line is the median of several rounds, checks its
//! answer, and stands beside a floor: the same changes made to the bare [`Buffer`], without history, deferral or
//! merging. Run as a test (`cargo test -p cede-tests --bench speed`) it does one round of each, to show that the
//! benches work.
//!
//! Traces come from the folder that `CEDE_TRACES` names, else from `../shared/traces` beside the workspace; the
//! recording of this repository is always there. Peers are measured by the crate in `tests/peers`.

use cede::{
    AgentId,
    storage::{Kind, LogFile},
};
use cede::{Buffer, Chars, Clock, Document, EventSpan, Patch, Session};
use cede_tui::tools::{Tool, run};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One event at a time is slow enough to be measured on short histories only.
const MOST_EVENTS_LIVE: u64 = 50_000;

fn main() {
    // Cargo passes `--bench` to benches only when they are to be measured.
    let rounds = if std::env::args().any(|argument| argument == "--bench") { 11 } else { 1 };
    println!("{:<28} {:<10} {:>12} {:>12} {:>7}", "trace", "figure", "ours", "bare text", "ratio");
    for (name, document) in histories() {
        Subject::new(&name, &document, rounds).measure();
    }
}

struct Subject<'a> {
    name: &'a str,
    document: &'a Document,
    changes: Vec<Patch<Chars>>,
    text: String,
    rounds: usize,
}

impl<'a> Subject<'a> {
    fn new(name: &'a str, document: &'a Document, rounds: usize) -> Self {
        let changes = document.history().flat_map(|step| step.patches).collect();
        Self { name, document, changes, text: document.to_string(), rounds }
    }

    fn measure(&self) {
        let floor = self.median(|| {
            let mut text = Buffer::new();
            self.changes.iter().for_each(|change| write(&mut text, change));
            text.to_string()
        });
        let bytes = self.document.encode();
        let open = self.median(|| Document::decode(&bytes).expect("what was encoded").to_string());
        self.print("open", open, floor);
        if self.document.stats().groups == 1 {
            self.measure_typing();
        }
        if self.document.event_count() <= MOST_EVENTS_LIVE {
            let events = self.events();
            let live = self.median(|| {
                let mut replica = Document::new();
                events.iter().for_each(|event| drop(replica.import::<Chars>(event).expect("an event of the history")));
                replica.to_string()
            });
            self.print("live", live, floor);
            println!("{:<28} {:<10} {:>12}", "", "each event", format!("{:?}", live / events.len() as u32));
        }
        println!("{:<28} {:<10} {:>12} bytes, {} events", "", "size", bytes.len(), self.document.event_count());
    }

    /// Every change again, one key at a time.
    fn measure_typing(&self) {
        let keys: Vec<Patch<Chars>> = self.document.operations().flat_map(|run| run.edits).flat_map(keys_of).collect();
        let floor = self.median(|| {
            let mut text = Buffer::new();
            keys.iter().for_each(|key| write(&mut text, key));
            text.to_string()
        });
        let typed = self.median(|| {
            let mut session = Session::new(AgentId::new(1));
            keys.iter().for_each(|key| edit(&mut session, key));
            session.text().to_string()
        });
        self.print("type", typed, floor);
    }

    /// One message an event, in the order of the log.
    fn events(&self) -> Vec<Vec<u8>> {
        let spans = self.document.operations().flat_map(|run| {
            let EventSpan { agent, start, end } = run.span;
            (start.0..end.0).map(move |clock| EventSpan { agent, start: Clock(clock), end: Clock(clock + 1) })
        });
        spans.map(|span| self.document.encode_spans(&[span]).expect("an event of the history")).collect()
    }

    /// The median time of a round, each of which must end in the text.
    fn median(&self, round: impl Fn() -> String) -> Duration {
        let mut times: Vec<Duration> = (0..self.rounds)
            .map(|_| {
                let start = Instant::now();
                let text = round();
                let time = start.elapsed();
                assert!(text == self.text, "{}: the measured program made another text", self.name);
                time
            })
            .collect();
        times.sort_unstable();
        times[times.len() / 2]
    }

    fn print(&self, figure: &str, ours: Duration, floor: Duration) {
        let ratio = ours.as_secs_f64() / floor.as_secs_f64().max(1e-9);
        let time = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1e3);
        println!("{:<28} {figure:<10} {:>12} {:>12} {ratio:>7.2}", self.name, time(ours), time(floor));
    }
}

/// The keys that make a change.
fn keys_of(change: Patch<Chars>) -> Vec<Patch<Chars>> {
    let key = |start, deleted, inserted| Patch { start: Chars(start), deleted: Chars(deleted), inserted };
    let deleted = (0..change.deleted.0).map(|_| key(change.start.0, 1, String::new()));
    let typed = change.inserted.chars().enumerate().map(|(at, typed)| key(change.start.0 + at, 0, typed.to_string()));
    deleted.chain(typed).collect()
}

fn write(text: &mut Buffer, change: &Patch<Chars>) {
    let range = change.start..change.start + change.deleted;
    text.replace(range, &change.inserted).expect("a change of the history");
}

fn edit(session: &mut Session, change: &Patch<Chars>) {
    let range = change.start..change.start + change.deleted;
    if !range.is_empty() {
        session.delete(range).expect("a change of the history");
    }
    if !change.inserted.is_empty() {
        session.insert(change.start, &change.inserted).expect("a change of the history");
    }
}

/// The recording of this repository, and the traces that are there.
fn histories() -> Vec<(String, Document)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut histories = vec![("typed-by-hand".to_owned(), open(&root.join("data/typed-by-hand.cede")))];
    let traces = match std::env::var_os("CEDE_TRACES") {
        Some(folder) => PathBuf::from(folder),
        None => root.join("../../shared/traces"),
    };
    let mut files: Vec<PathBuf> = ["sequential", "concurrent"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(traces.join(folder)).ok())
        .flat_map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())))
        .collect();
    files.sort();
    if files.is_empty() {
        println!("no traces in {}: only the recording is measured", traces.display());
    }
    let desk = tempfile::tempdir().expect("a folder to work in");
    for file in files {
        let into = desk.path().join("trace.cede");
        let import = Tool::Import { trace: file.clone(), into: into.clone(), live: false, lenient: false };
        run(&import, &mut Vec::new(), &mut Vec::new()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        histories.push((name, open(&into)));
        std::fs::remove_file(&into).expect("the file that was just made");
    }
    histories
}

fn open(file: &Path) -> Document {
    let (records, _) = LogFile::read(file).unwrap_or_else(|error| panic!("{error}"));
    let mut document = Document::new();
    for record in records.iter().filter(|record| record.kind == Kind::Events) {
        document.import::<Chars>(&record.payload).expect("what was written");
    }
    document
}
