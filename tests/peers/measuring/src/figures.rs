//! What can be measured, and the program around it: `measure FIGURE TRACE…`, the same for every package of peers.

use crate::json;
use crate::report::Report;
use crate::trace::{Recording, Trace};
use std::process::ExitCode;
use std::str::FromStr;

/// Live sessions of more transactions than these are left out: the slower peers would take minutes.
const MOST_TRANSACTIONS_LIVE: usize = 50_000;

/// A figure of a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// From the bytes of a full history to the text, by replay: nanoseconds.
    Open,
    /// From the bytes of a document saved with its text to the text: nanoseconds.
    Snapshot,
    /// Every edit of a linear trace as a local change, one at a time: nanoseconds for all of them.
    Typing,
    /// A replica that receives transactions one at a time and has the text after each: nanoseconds a transaction.
    Live,
    /// The full history: bytes.
    Size,
    /// What opening holds at most, and what it leaves behind: bytes. Only programs with a counting allocator can tell.
    Memory,
    /// Every edit of a script on a JSON document: nanoseconds for all of them.
    JsonEdit,
    /// From the bytes of a JSON document's full history to the document: nanoseconds.
    JsonOpen,
    /// The full history of a JSON document: bytes.
    JsonSize,
    /// A replica that receives the edits of a JSON document one at a time: nanoseconds an edit, and the bytes of all messages.
    JsonLive,
}

/// The figures of JSON documents.
pub const JSON: [Figure; 4] = [Figure::JsonEdit, Figure::JsonOpen, Figure::JsonSize, Figure::JsonLive];

impl Figure {
    /// Its name in commands and lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Snapshot => "snapshot",
            Self::Typing => "typing",
            Self::Live => "live",
            Self::Size => "size",
            Self::Memory => "memory",
            Self::JsonEdit => "json-edit",
            Self::JsonOpen => "json-open",
            Self::JsonSize => "json-size",
            Self::JsonLive => "json-live",
        }
    }

    /// Whether a trace has this figure.
    pub fn suits(self, trace: &Trace) -> bool {
        match self {
            Self::Typing => trace.is_linear(),
            Self::Live => !trace.is_linear() && trace.transactions.len() <= MOST_TRANSACTIONS_LIVE,
            Self::Open | Self::Snapshot | Self::Size | Self::Memory => true,
            Self::JsonEdit | Self::JsonOpen | Self::JsonSize | Self::JsonLive => false,
        }
    }
}

impl FromStr for Figure {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Open, Self::Snapshot, Self::Typing, Self::Live, Self::Size, Self::Memory];
        let all = [&all[..], &JSON[..]].concat();
        let found = all.iter().copied().find(|figure| figure.name() == name);
        let names = || all.iter().map(|figure| figure.name()).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("no figure \"{name}\"; there are {}", names()))
    }
}

/// A program that measures one of `figures` on the traces, or scripts ([`json`]), that its arguments name, by `measure`; fails when an answer was wrong.
pub fn run(figures: &[Figure], measure: impl Fn(Figure, &Recording, &mut Report)) -> ExitCode {
    match try_run(figures, measure) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn try_run(figures: &[Figure], measure: impl Fn(Figure, &Recording, &mut Report)) -> Result<ExitCode, String> {
    let mut arguments = std::env::args().skip(1);
    let named = figures.iter().map(|figure| figure.name()).collect::<Vec<_>>().join("|");
    let usage = format!("usage: {named} TRACE…");
    let figure: Figure = arguments.next().ok_or(usage.clone())?.parse()?;
    if !figures.contains(&figure) {
        return Err(usage);
    }
    let mut report = Report::from_environment(figure)?;
    for path in arguments {
        if JSON.contains(&figure) {
            let recording = json::recording(&path).ok_or_else(|| format!("{path}: there are random-N and todo-N"))?;
            measure(figure, &recording, &mut report);
            continue;
        }
        let recording = Recording::read(path.as_ref()).map_err(|error| format!("{path}: {error}"))?;
        if figure.suits(&recording.trace) {
            measure(figure, &recording, &mut report);
        } else {
            eprintln!("{}: has no figure \"{}\"", recording.name, figure.name());
        }
    }
    Ok(if report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
