//! The subcommands for recorded sessions and for looking into histories, uniting and rewriting them.
//!
//! Knows which room does which of them, and how a history file is read and made. Does not know the terminal.
//!
//! - [`Tool::parse`]: what the command line says;
//! - [`trace`]: recorded sessions of other programs; `import` replays them at their parents, `live` through carets;
//!   `ancestry` is what both need to know of their graph;
//! - `export`, `inspect`, `values`: what a history holds; `compact`: the same in fewer bytes; `version`: which version of it; `names`: short names of agents;
//! - `merge`: histories united and compared; `git`: the same for git; `dict`: a dictionary changed by a line;
//!   `folder`: finished work left in a folder and merged there;
//! - `visible`: text of strangers on a terminal.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use cede::storage::{Kind, LogFile, TornTail};
use cede::{AgentId, AnyDocument, Document, DocumentKind};

use crate::files::history::{self, HistoryError};
use crate::files::kept;
use crate::plural::counted;

mod ancestry;
mod command;
mod compact;
mod dict;
mod error;
mod export;
mod folder;
mod git;
mod import;
mod inspect;
mod live;
mod merge;
pub(crate) mod names;
pub mod trace;
mod values;
mod version;
mod visible;

pub use command::{Format, Tool, USAGE, UsageError};
pub use dict::DictDeed;
pub use error::ToolError;
pub use folder::Gathering;
pub use git::Sides;
pub use version::{At, AtError};

use import::{Misfits, Replayed};
use trace::Trace;

/// Does what the command says. What it is about goes to `out`, byte for byte; what is worth knowing besides goes to
/// `notices`.
///
/// # Errors
/// [`ToolError`]; then no history has been made, unless it is the output that failed. That nobody reads `out` any more
/// is no error.
pub fn run(tool: &Tool, out: &mut impl Write, notices: &mut impl Write) -> Result<(), ToolError> {
    let done = match tool {
        Tool::Import { trace, into, live, lenient } => import(trace, into, *live, *lenient, out, notices),
        Tool::Export { file, format } => {
            let document = read(file, notices)?;
            match format {
                Format::Trace => export::write(&document, out).map_err(ToolError::Output),
                Format::Text => inspect::cat(&document, None, out),
            }
        }
        Tool::Cat { file, at } => match history::text_at_once(file).filter(|_| at.is_none()) {
            Some(text) => inspect::print(&text, out),
            None => cat(file, at.as_ref(), out, notices),
        },
        Tool::Compact { file, text } => compact::compact(file, *text, out, notices),
        Tool::DropOverwritten { file } => compact::drop_overwritten(file, out, notices),
        Tool::Log { file } => match read_any(file, notices)? {
            AnyDocument::Text(document) => inspect::log(&document, out),
            AnyDocument::Json(json) => values::log_json(&json, out),
            AnyDocument::Dict(dict) => values::log_dict(&dict, out),
        },
        Tool::Stats { file } => {
            let document = read_any(file, notices)?;
            let bytes =
                fs::metadata(file).map_err(|source| ToolError::Unreadable { path: file.clone(), source })?.len();
            match document {
                AnyDocument::Text(document) => inspect::stats(&document, bytes, out),
                AnyDocument::Json(json) => values::stats_json(&json, bytes, out),
                AnyDocument::Dict(dict) => values::stats_dict(&dict, bytes, out),
            }
        }
        Tool::Merge { files, into } => merge::merge(files, into, out, notices),
        Tool::Diff { before, after } => {
            let documents = [read_any(before, notices)?, read_any(after, notices)?];
            merge::diff([before, after], documents.each_ref(), out)
        }
        Tool::Conflicts { file } => match read_any(file, notices)? {
            AnyDocument::Json(json) => values::conflicts(&json, out),
            // The last in the total order counts, and of a text every character is there.
            AnyDocument::Text(_) | AnyDocument::Dict(_) => Ok(()),
        },
        Tool::Dict { file, deed } => dict::run(file, deed, out),
        Tool::Finish { file, folder, name } => folder::leave(file, folder, name.as_deref(), notices),
        Tool::MergeFolder(gathering) => folder::merge(gathering, out, notices),
        Tool::GitMerge(sides) => git::merge(sides, notices),
        Tool::GitTextconv { file } => git::textconv(file, out, notices),
    };
    match done.and_then(|()| out.flush().map_err(ToolError::Output)) {
        Err(ToolError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Does what the command says on standard output, with notices on standard error. On a terminal, control and bidi
/// characters are made visible.
///
/// # Errors
/// As [`run`].
pub fn run_on_stdout(tool: &Tool) -> Result<(), ToolError> {
    let (stdout, stderr) = (io::stdout().lock(), &mut io::stderr());
    if stdout.is_terminal() {
        run(tool, &mut visible::Visible::new(BufWriter::new(stdout)), stderr)
    } else {
        run(tool, &mut BufWriter::new(stdout), stderr)
    }
}

/// Replays a trace and keeps it as a history, when it ends as the trace says.
fn import(
    path: &Path,
    into: &Path,
    live: bool,
    lenient: bool,
    out: &mut impl Write,
    notices: &mut impl Write,
) -> Result<(), ToolError> {
    let mut trace = Trace::read(path).map_err(|source| ToolError::Trace { path: path.into(), source })?;
    let transactions = trace.transactions.len();
    let misfits = if lenient { Misfits::Clamp } else { Misfits::Refuse };
    let replay = if live { live::replay } else { import::replay };
    let Replayed { document, clamped } = replay(&mut trace, misfits)?;
    match ending(&document, &trace.end_content) {
        Err(difference) if lenient => writeln!(notices, "notice: {difference}").map_err(ToolError::Output)?,
        ending => ending?,
    }
    keep(&document, into)?;
    if clamped > 0 {
        let patches = match clamped {
            1 => "1 patch".to_owned(),
            patches => format!("{patches} patches"),
        };
        writeln!(notices, "notice: {patches} did not fit, cut down").map_err(ToolError::Output)?;
    }
    let stats = document.stats();
    writeln!(
        out,
        "{} by {}: {} of {} in {}",
        counted(transactions as u64, "transaction"),
        counted(u64::from(trace.authors), "author"),
        counted(stats.events, "event"),
        counted(stats.agents, "agent"),
        counted(stats.groups, "group"),
    )
    .map_err(ToolError::Output)
}

/// Does the document end as the trace says?
fn ending(document: &Document, expected: &str) -> Result<(), ToolError> {
    let found = document.to_string();
    if found == expected {
        return Ok(());
    }
    let first = found.chars().zip(expected.chars()).take_while(|(found, expected)| found == expected).count();
    Err(ToolError::EndContent { expected: expected.chars().count(), found: found.chars().count(), first })
}

/// Makes the history file. One that has something in it stays as it is.
fn keep(document: &Document, into: &Path) -> Result<(), ToolError> {
    let mut opened = LogFile::open(into).map_err(ToolError::Storage)?;
    if !opened.records.is_empty() {
        return Err(ToolError::HasHistory { path: into.to_owned() });
    }
    opened.file.append(Kind::Events, &document.encode()).map_err(ToolError::Storage)?;
    opened.file.sync().map_err(ToolError::Storage)
}

/// Prints what a history says at a version, the last one without it.
fn cat(path: &Path, at: Option<&At>, out: &mut impl Write, notices: &mut impl Write) -> Result<(), ToolError> {
    let document = read_any(path, notices)?;
    let version = at.map(|at| at.version(&document)).transpose()?;
    let then = match (document, &version) {
        (AnyDocument::Text(document), at) => return inspect::cat(&document, at.as_ref(), out),
        (AnyDocument::Json(json), Some(at)) => AnyDocument::Json(Box::new(json.at(at).map_err(ToolError::Version)?)),
        (AnyDocument::Dict(dict), Some(at)) => AnyDocument::Dict(Box::new(dict.at(at).map_err(ToolError::Version)?)),
        (document, None) => document,
    };
    values::value(&then).map_or(Ok(()), |value| values::print(&value, out))
}

/// The text of a history file. What is odd about the file is told in notices.
pub(crate) fn read(path: &Path, notices: &mut impl Write) -> Result<Document, ToolError> {
    match read_any(path, notices)? {
        AnyDocument::Text(document) => Ok(*document),
        other => Err(ToolError::Kind { path: path.to_owned(), kind: other.kind(), wanted: DocumentKind::Text }),
    }
}

/// The document of a history file, whichever kind it is. What is odd about the file is told in notices.
fn read_any(path: &Path, notices: &mut impl Write) -> Result<AnyDocument, ToolError> {
    fs::metadata(path).map_err(|source| ToolError::Unreadable { path: path.to_owned(), source })?;
    let (records, torn) = kept::records(path).map_err(ToolError::History)?;
    // Nobody edits here.
    let document = kept::document(AgentId::new(0), &records)
        .map_err(|error| ToolError::History(HistoryError::refused(path, error)))?;
    tell_torn(torn, notices)?;
    let waiting = document.waiting();
    if waiting > 0 {
        let told = writeln!(notices, "notice: {waiting} events wait for others that the file does not hold");
        told.map_err(ToolError::Output)?;
    }
    Ok(document)
}

/// Says that a file ends in the middle of a record, if it does.
fn tell_torn(torn: Option<TornTail>, notices: &mut impl Write) -> Result<(), ToolError> {
    torn.map_or(Ok(()), |torn| {
        writeln!(notices, "notice: the last record, at byte {}, is unfinished and left out", torn.offset)
            .map_err(ToolError::Output)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use cede::storage::{Kind, LogFile};
    use cede::{AgentId, Chars, Session};

    use super::{At, Format, Tool, ToolError, run};
    use crate::files::history::{self, HistoryError};

    const DUET: &str = r#"{"kind":"concurrent","endContent":"kitten","numAgents":2,"txns":[
        {"parents":[],"agent":0,"patches":[[0,0,"itt"]]},
        {"parents":[0],"agent":1,"patches":[[0,0,"k"]]},
        {"parents":[0],"agent":0,"patches":[[3,0,"en\u001b"],[5,1,""]]}]}"#;

    struct Desk(tempfile::TempDir);

    impl Desk {
        fn with_trace(json: &str) -> Self {
            let desk = Self(tempfile::tempdir().unwrap());
            fs::write(desk.path("trace.json"), json).unwrap();
            desk
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn import(&self, live: bool, lenient: bool) -> Result<(String, String), ToolError> {
            said(&Tool::Import { trace: self.path("trace.json"), into: self.path("out.cede"), live, lenient })
        }

        fn cat(&self, at: Option<At>) -> String {
            said(&Tool::Cat { file: self.path("out.cede"), at }).unwrap().0
        }
    }

    /// What the tool writes, and its notices.
    fn said(tool: &Tool) -> Result<(String, String), ToolError> {
        let (mut out, mut notices) = (Vec::new(), Vec::new());
        run(tool, &mut out, &mut notices)?;
        Ok((String::from_utf8(out).unwrap(), String::from_utf8(notices).unwrap()))
    }

    #[test]
    fn what_is_imported_can_be_read_at_every_version() {
        let desk = Desk::with_trace(DUET);
        let (summary, notices) = desk.import(false, false).unwrap();
        assert_eq!(summary, "3 transactions by 2 authors: 8 events of 2 agents in 2 groups\n");
        assert_eq!(notices, "");
        assert_eq!(desk.cat(None), "kitten");
        assert_eq!(desk.cat(Some(At::Events(3))), "itt");
        assert_eq!(desk.cat(Some(At::Percent(50))), "kitt");
        let refused = said(&Tool::Cat { file: desk.path("out.cede"), at: Some(At::Events(9)) }).unwrap_err();
        assert_eq!(refused.to_string(), "event 9 was asked for, and the history has 8");
    }

    #[test]
    fn a_history_is_not_written_over() {
        let desk = Desk::with_trace(DUET);
        desk.import(false, false).unwrap();
        let before = fs::read(desk.path("out.cede")).unwrap();
        assert!(matches!(desk.import(true, false), Err(ToolError::HasHistory { .. })));
        assert_eq!(fs::read(desk.path("out.cede")).unwrap(), before);
    }

    #[test]
    fn a_place_where_no_history_can_be_made_is_named_once() {
        let desk = Desk::with_trace(DUET);
        fs::create_dir(desk.path("out.cede")).unwrap();
        let refused = desk.import(false, false).unwrap_err().to_string();
        assert_eq!(refused.matches("out.cede").count(), 1, "{refused}");
    }

    #[test]
    fn another_end_is_an_error_or_a_notice() {
        let desk = Desk::with_trace(&DUET.replace("kitten", "kittens"));
        let refused = desk.import(false, false).unwrap_err();
        assert!(matches!(refused, ToolError::EndContent { expected: 7, found: 6, first: 6 }), "{refused}");
        assert!(!desk.path("out.cede").exists(), "a refused trace leaves no history");
        assert_eq!(desk.import(false, true).unwrap().1, format!("notice: {refused}\n"));
        assert_eq!(desk.cat(None), "kitten");
    }

    #[test]
    fn the_log_shows_no_control_character() {
        let desk = Desk::with_trace(DUET);
        desk.import(false, false).unwrap();
        let (log, _) = said(&Tool::Log { file: desk.path("out.cede") }).unwrap();
        assert!(!log.contains('\u{1b}') && log.contains("itten"), "{log}");
        assert_eq!(log.lines().count(), 3, "a heading and two groups: {log}");
    }

    #[test]
    fn the_stats_count_what_there_is() {
        let desk = Desk::with_trace(DUET);
        desk.import(false, false).unwrap();
        let (stats, _) = said(&Tool::Stats { file: desk.path("out.cede") }).unwrap();
        let bytes = fs::metadata(desk.path("out.cede")).unwrap().len();
        for (name, value) in
            [("events", 8), ("inserts", 7), ("deletes", 1), ("groups", 2), ("agents", 2), ("bytes in the file", bytes)]
        {
            let line =
                stats.lines().find(|line| line.trim_start().split_once("  ").is_some_and(|(found, _)| found == name));
            assert!(line.is_some_and(|line| line.ends_with(&format!(" {value}"))), "{name} is not {value}:\n{stats}");
        }
    }

    #[test]
    fn an_export_as_text_is_the_text() {
        let desk = Desk::with_trace(DUET);
        desk.import(true, false).unwrap();
        let file = desk.path("out.cede");
        assert_eq!(said(&Tool::Export { file, format: Format::Text }).unwrap().0, "kitten");
    }

    #[test]
    fn a_compacted_history_says_the_same_in_fewer_bytes() {
        let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/typed-by-hand.cede");
        let desk = Desk(tempfile::tempdir().unwrap());
        let file = desk.path("out.cede");
        fs::copy(recording, &file).unwrap();
        let everything = || {
            let tools = [
                Tool::Cat { file: file.clone(), at: None },
                Tool::Cat { file: file.clone(), at: Some(At::Percent(70)) },
                Tool::Log { file: file.clone() },
                Tool::Export { file: file.clone(), format: Format::Trace },
            ];
            tools.map(|tool| said(&tool).unwrap())
        };
        let (before, bytes) = (everything(), fs::read(&file).unwrap().len());
        let mut sizes = vec![bytes];
        for text in [false, false, true, true, false] {
            let (line, _) = said(&Tool::Compact { file: file.clone(), text }).unwrap();
            let (was, is) = (sizes[sizes.len() - 1], fs::read(&file).unwrap().len());
            assert!(line.ends_with(&format!(": {was} bytes before, {is} bytes now\n")), "{line}");
            assert!(is * 20 < bytes, "{is} bytes of {bytes} are left");
            assert_eq!(history::text_at_once(&file).is_some(), text);
            assert_eq!(everything(), before);
            sizes.push(is);
        }
        assert_eq!((sizes[1], sizes[3], sizes[5]), (sizes[2], sizes[4], sizes[1]), "the same once more");
        assert!(sizes[3] > sizes[1], "the text takes no bytes: {sizes:?}");
    }

    #[test]
    fn a_history_that_somebody_writes_or_that_lacks_events_is_not_compacted() {
        let desk = Desk::with_trace(DUET);
        desk.import(false, false).unwrap();
        let file = desk.path("out.cede");
        let mut writer = LogFile::open(&file).unwrap().file;
        let refused = said(&Tool::Compact { file: file.clone(), text: false }).unwrap_err();
        assert!(matches!(refused, ToolError::History(HistoryError::Locked)), "{refused}");
        // Somebody else's event, behind one that is not here.
        let mut other = Session::new(AgentId::new(7));
        other.insert(Chars(0), "a").unwrap();
        other.take_outgoing().unwrap();
        other.insert(Chars(1), "b").unwrap();
        writer.append(Kind::Events, &other.take_outgoing().unwrap()).unwrap();
        drop(writer);
        let before = fs::read(&file).unwrap();
        let refused = said(&Tool::Compact { file: file.clone(), text: false }).unwrap_err();
        assert!(matches!(refused, ToolError::NotWhole { waiting: 1, .. }), "{refused}");
        assert_eq!(fs::read(&file).unwrap(), before);
        let gone = said(&Tool::Compact { file: desk.path("none.cede"), text: false }).unwrap_err();
        assert!(matches!(gone, ToolError::Unreadable { .. }), "{gone}");
    }

    #[test]
    fn an_unfinished_last_record_is_told_by_whoever_leaves_it_out() {
        let desk = Desk::with_trace(DUET);
        desk.import(false, false).unwrap();
        let (torn, whole) = (desk.path("torn.cede"), desk.path("out.cede"));
        let offset = fs::metadata(&whole).unwrap().len();
        let mut longer = LogFile::open(&whole).unwrap().file;
        longer.append(Kind::Events, b"no whole record, for its end is missing").unwrap();
        drop(longer);
        let bytes = fs::read(&whole).unwrap();
        let tear = || fs::write(&torn, &bytes[..offset as usize + 20]).unwrap();
        let files = vec![torn.clone(), torn.clone()];
        let tools = [
            Tool::Cat { file: torn.clone(), at: None },
            Tool::Compact { file: torn.clone(), text: false },
            Tool::Merge { files: files.clone(), into: desk.path("union.cede") },
            Tool::Merge { files: vec![desk.path("union.cede")], into: torn.clone() },
        ];
        for tool in tools {
            tear();
            let (_, notices) = said(&tool).unwrap();
            let notice = "the last record, at byte";
            assert!(notices.contains(notice) && notices.contains("is unfinished and left out"), "{tool:?}: {notices}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let desk = Desk::with_trace(DUET);
        assert!(matches!(said(&Tool::Log { file: desk.path("none.cede") }), Err(ToolError::Unreadable { .. })));
    }
}
