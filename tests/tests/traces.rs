//! Recorded sessions of real people come through whole: imported, read, exported, imported again, and lived once more.
//!
//! The traces are those of the folder that `CEDE_TRACES` names, else of `../shared/traces` beside the workspace, with
//! all folders in them; without either, nothing is tested and a line says so. They come from
//! <https://github.com/josephg/editing-traces> and <https://github.com/josephg/egwalker-paper>.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cede::storage::{Kind, LogFile};
use cede::{AgentId, Chars, Document, EventId, Group, ImportError, Patch, Sender, Summary};
use cede_tests::tell;
use cede_tui::tools::trace::Trace;
use cede_tui::tools::{Format, Tool, run};

#[test]
fn every_trace_ends_as_it_says_and_survives_a_round_trip() {
    for_each_trace(|path| {
        let desk = tempfile::tempdir().expect("a folder to work in");
        let (first, second) = (desk.path().join("first.cede"), desk.path().join("second.cede"));
        let expected = Trace::read(path).expect("a trace").end_content;

        import(path, &first, false);
        let text = said(&Tool::Cat { file: first.clone(), at: None });
        assert!(text == expected, "{}: cat is not endContent", path.display());

        let exported = said(&Tool::Export { file: first.clone(), format: Format::Trace });
        let copy = desk.path().join("copy.json");
        fs::write(&copy, &exported).expect("room for a copy");
        import(&copy, &second, false);
        let again = said(&Tool::Export { file: second.clone(), format: Format::Trace });
        assert!(again == exported, "{}: the export of the import of the export differs", path.display());
        same_events(&read(&first), &read(&second), path);
    });
}

#[test]
fn importing_twice_gives_the_same_file() {
    for_each_trace(|path| {
        let desk = tempfile::tempdir().expect("a folder to work in");
        let bytes = ["one.cede", "two.cede"].map(|name| {
            let file = desk.path().join(name);
            import(path, &file, false);
            fs::read(file).expect("the file that was just made")
        });
        assert!(bytes[0] == bytes[1], "{}: two imports differ", path.display());
    });
}

/// The promise of deferral in numbers: two people typed this with a second of latency between them, in 2,447 groups
/// when everything received is adopted at once.
#[test]
fn friendsforever_lived_through_carets_keeps_words_together() {
    let Some(path) = traces().into_iter().find(|path| path.ends_with("friendsforever.json.gz")) else {
        tell(format_args!("skipped: no friendsforever.json.gz"));
        return;
    };
    let desk = tempfile::tempdir().expect("a folder to work in");
    let (at_once, live) = (desk.path().join("at-once.cede"), desk.path().join("live.cede"));
    import(&path, &at_once, false);
    import(&path, &live, true);

    assert_eq!(read(&at_once).groups().len(), 2447, "groups when clocks are adopted at once");
    let lived = read(&live);
    let groups = lived.groups().len();
    tell(format_args!("friendsforever: {groups} groups live"));
    assert!(groups <= 600, "{groups} groups live");
    assert!(lived.to_string() == Trace::read(&path).expect("a trace").end_content, "the live text is not endContent");
}

/// A limit on what a message may cost is for strangers; what people wrote stays far below it, however it comes. But for
/// what is the same over and over, which has to come in chunks where something is held.
#[test]
fn what_people_wrote_is_never_too_costly() {
    for_each_trace(|path| {
        let desk = tempfile::tempdir().expect("a folder to work in");
        let file = desk.path().join("file.cede");
        import(path, &file, false);
        let written = read(&file);
        let whole = written.encode();
        let mut stranger = Document::new();
        stranger.author(AgentId::new(u128::MAX), &cede::Frontier::root(), &[known()]).expect("an empty document");
        for (name, begin) in [("new", Document::new()), ("begun", stranger)] {
            let chunks = written.chunks_since(&Summary::new(), 16 << 10);
            let few = written.groups().len() < 5_000;
            let author_by_author = few.then(|| author_by_author(&written));
            for messages in [vec![whole.clone()], chunks].into_iter().chain(author_by_author) {
                let mut document = begin.clone();
                let taken = messages.iter().try_for_each(|message| {
                    document.import_from::<Chars>(Sender(1), message)?;
                    Ok(())
                });
                match taken {
                    // The same typed over and over; beside what is held it comes in chunks.
                    Err(ImportError::TooDense { runs, .. })
                        if name == "begun" && messages.len() == 1 && runs > whole.len() =>
                    {
                        tell(format_args!("{}: {runs} runs in {} bytes, not whole", path.display(), whole.len()));
                        continue;
                    }
                    taken => taken.unwrap_or_else(|error| panic!("{}, {name}: {error}", path.display())),
                }
                assert_eq!(document.waiting(), 0, "{}, {name}: all of {}", path.display(), messages.len());
            }
        }
    });
}

fn known() -> Patch<Chars> {
    Patch { start: Chars(0), deleted: Chars(0), inserted: "known".to_owned() }
}

/// A message for each group, all those of one author together as far as their parents allow.
fn author_by_author(document: &Document) -> Vec<Vec<u8>> {
    let mut groups = document.groups();
    let (mut sent, mut messages) = (Summary::new(), Vec::new());
    let mut author = None;
    while !groups.is_empty() {
        let ready = |group: &Group| group.parents.ids().iter().all(|&parent| sent.contains(parent));
        let own = groups.iter().position(|group| Some(group.span.agent) == author && ready(group));
        let next = own.or_else(|| groups.iter().position(ready)).expect("parents come first in T");
        let group = groups.remove(next);
        author = Some(group.span.agent);
        sent.insert(group.span);
        messages.push(document.encode_spans(&[group.span]).expect("events of the document"));
    }
    messages
}

fn import(trace: &Path, into: &Path, live: bool) {
    let said = said(&Tool::Import { trace: trace.to_owned(), into: into.to_owned(), live, lenient: false });
    let name = trace.file_name().unwrap_or_default();
    tell(format_args!("{}{}: {}", name.display(), if live { " live" } else { "" }, said.trim_end()));
}

/// What the tool prints; it must have nothing else to say.
fn said(tool: &Tool) -> String {
    let (mut out, mut notices) = (Vec::new(), Vec::new());
    run(tool, &mut out, &mut notices).unwrap_or_else(|error| panic!("{tool:?}: {error}"));
    assert_eq!(String::from_utf8_lossy(&notices), "", "notices of {tool:?}");
    String::from_utf8(out).expect("text")
}

fn read(file: &Path) -> Document {
    let (records, torn) = LogFile::read(file).expect("a history");
    assert!(torn.is_none(), "the end of {} is torn", file.display());
    let mut document = Document::new();
    for record in records.iter().filter(|record| record.kind == Kind::Events) {
        document.import::<Chars>(&record.payload).expect("events");
    }
    document
}

/// Equal but for the names of the agents, which stand in the same order.
fn same_events(one: &Document, other: &Document, path: &Path) {
    let numbers = |document: &Document| -> BTreeMap<AgentId, usize> {
        let agents: std::collections::BTreeSet<AgentId> =
            document.groups().into_iter().map(|group| group.span.agent).collect();
        agents.into_iter().enumerate().map(|(number, agent)| (agent, number)).collect()
    };
    let (ones, others) = (numbers(one), numbers(other));
    let plain = |numbers: &BTreeMap<AgentId, usize>, ids: &[EventId]| -> Vec<(usize, u32)> {
        ids.iter().map(|id| (numbers[&id.agent], id.clock.0)).collect()
    };
    for (a, b) in one.groups().into_iter().zip(other.groups()) {
        let same_span =
            (ones[&a.span.agent], a.span.start, a.span.end) == (others[&b.span.agent], b.span.start, b.span.end);
        let same_parents = plain(&ones, a.parents.ids()) == plain(&others, b.parents.ids());
        assert!(same_span && same_parents, "{}: the groups {a:?} and {b:?} differ", path.display());
    }
    assert_eq!(one.groups().len(), other.groups().len(), "groups of {}", path.display());
    assert!(changes(one).eq(changes(other)), "{}: the events differ", path.display());
    assert!(one.to_string() == other.to_string(), "{}: the texts differ", path.display());
}

/// What each event did, in the order of the log: where, and what it inserted if it did not delete.
fn changes(document: &Document) -> impl Iterator<Item = (usize, Option<char>)> {
    document.operations().flat_map(|run| run.edits).flat_map(|edit| {
        let deletions = std::iter::repeat_n((edit.start.0, None), edit.deleted.0);
        let inserted: Vec<char> = edit.inserted.chars().collect();
        let insertions = inserted.into_iter().enumerate().map(move |(index, char)| (edit.start.0 + index, Some(char)));
        deletions.chain(insertions)
    })
}

fn for_each_trace(mut test: impl FnMut(&Path)) {
    let traces = traces();
    traces.iter().for_each(|path| test(path));
    tell(format_args!("{} traces", traces.len()));
}

/// All traces that there are, in the order of their names.
fn traces() -> Vec<PathBuf> {
    let named = std::env::var_os("CEDE_TRACES").map(PathBuf::from);
    let folder = named.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces"));
    let mut found = Vec::new();
    if named.is_none() && !folder.is_dir() {
        tell(format_args!("skipped: no recorded sessions; CEDE_TRACES names a folder of them"));
        return found;
    }
    collect(&folder, &mut found);
    assert!(!found.is_empty(), "{} holds no trace (.json or .json.gz)", folder.display());
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.expect("an entry of a folder").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, found);
        } else if name.ends_with(".json") || name.ends_with(".json.gz") {
            found.push(path);
        }
    }
}
