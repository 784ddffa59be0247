//! Histories united, and compared.
//!
//! Knows files of one kind and the union of what they hold. An output that is there already is one of them, so that
//! merging again changes nothing and nothing is ever lost. Of a text it is kept as well which versions its file may hold:
//! where git merges the texts too, those of each history, for it may have left either side's text there, or a mixture.

use std::io::Write;
use std::path::{Path, PathBuf};

use cede::storage::{Kind, LogFile, Record};
use cede::sync::Replica;
use cede::{AgentId, AnyDocument, DocumentKind, EventId, EventSpan, Frontier, Summary};
use serde_json::Value;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::names::Names;
use super::{ToolError, tell_torn, values};
use crate::files::history::HistoryError;
use crate::files::kept;
use crate::files::resume::Resume;
use crate::plural::counted;

/// Whoever reads only.
const NOBODY: AgentId = AgentId::new(0);

/// Writes the union of these histories, and of what `into` holds, to `into`.
pub(super) fn merge(
    files: &[PathBuf],
    into: &Path,
    out: &mut impl Write,
    notices: &mut impl Write,
) -> Result<(), ToolError> {
    let events = unite(files, into, Beside::TheirOwn, notices)?;
    writeln!(out, "{}: {}", into.display(), counted(events, "event")).map_err(ToolError::Output)
}

/// What the text beside a union of histories is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Beside {
    /// What it was: nobody has touched it.
    TheirOwn,
    /// The texts beside all of the histories, for git merges these as well.
    AllTexts,
}

/// The same without a word but of what is odd about the files. Says how many events there are then.
pub(super) fn unite(
    files: &[PathBuf],
    into: &Path,
    beside: Beside,
    notices: &mut impl Write,
) -> Result<u64, ToolError> {
    let mut union = Union::default();
    for file in files {
        let (records, torn) = kept::records(file).map_err(ToolError::History)?;
        tell_torn(torn, notices)?;
        union.add(file, &records)?;
    }
    let lacking = |document: &AnyDocument| match document.waiting() as u64 {
        0 => Ok(()),
        waiting => Err(ToolError::NotWhole { path: into.to_owned(), waiting }),
    };
    if !into.exists() {
        // A refusal leaves no empty file behind.
        union.document.as_ref().map_or(Ok(()), lacking)?;
    }
    let storage = |source| ToolError::History(HistoryError::from_storage(source));
    let mut opened = LogFile::open(into).map_err(storage)?;
    if files.iter().all(|file| file != into) {
        tell_torn(opened.torn, notices)?;
    }
    union.add(into, &opened.records)?;
    let there = kept::document(NOBODY, &opened.records).map_err(|error| refused(into, error))?;
    let document = union.document.unwrap_or_else(|| AnyDocument::new(DocumentKind::Text, NOBODY));
    lacking(&document)?;
    let mut saved = kept::saved(&opened.records);
    let mut elsewhere = union.saved;
    elsewhere.retain(|version| beside == Beside::AllTexts && !saved.contains(version));
    if document.summary() != there.summary() || !elsewhere.is_empty() {
        // What the next session of a text needs besides its events stays as it is.
        let besides = opened.records.into_iter().filter(|record| record.kind == Kind::Undo);
        let events = Record { kind: Kind::Events, payload: document.encode() };
        let mut records: Vec<Record> = std::iter::once(events).chain(besides).collect();
        if !elsewhere.is_empty() {
            saved.extend(elsewhere);
            let resume = Resume { saved, undo: Vec::new() };
            records.push(Record { kind: Kind::Undo, payload: resume.encode() });
        }
        opened.file.rewrite(&records).map_err(ToolError::Storage)?;
    }
    Ok(document.event_count())
}

/// What histories hold together.
#[derive(Default)]
struct Union {
    document: Option<AnyDocument>,
    /// The first of them that has events.
    first: PathBuf,
    /// The versions that their text files may hold, each once.
    saved: Vec<Frontier>,
}

impl Union {
    fn add(&mut self, path: &Path, records: &[Record]) -> Result<(), ToolError> {
        let Some(kind) = kept::kind_of(records) else { return Ok(()) };
        if self.document.is_none() {
            self.first = path.to_owned();
        }
        let document = self.document.get_or_insert_with(|| AnyDocument::new(kind, NOBODY));
        if document.kind() != kind {
            let paths = Box::new([self.first.clone(), path.to_owned()]);
            return Err(ToolError::Kinds { paths, kinds: [document.kind(), kind] });
        }
        kept::merge(document, records).map_err(|error| refused(path, error))?;
        for version in kept::saved(records) {
            if !self.saved.contains(&version) {
                self.saved.push(version);
            }
        }
        Ok(())
    }
}

fn refused(path: &Path, error: cede::SavedError) -> ToolError {
    ToolError::History(HistoryError::refused(path, error))
}

/// Prints what each of two histories holds and the other does not, and how what they say differs.
pub(super) fn diff(paths: [&Path; 2], documents: [&AnyDocument; 2], out: &mut impl Write) -> Result<(), ToolError> {
    let [before, after] = documents;
    if before.kind() != after.kind() {
        let paths = Box::new(paths.map(Path::to_owned));
        return Err(ToolError::Kinds { paths, kinds: [before.kind(), after.kind()] });
    }
    let groups = before.groups().into_iter().chain(after.groups());
    let names = Names::of(&groups.map(|group| group.span.agent).collect());
    let summaries = [before.summary(), after.summary()];
    for (path, [own, other]) in [(paths[0], [0, 1]), (paths[1], [1, 0])] {
        let only: Vec<EventSpan> = only_in(&summaries[own], &summaries[other]);
        let events = only.iter().map(|span| u64::from(span.len())).sum();
        let count = if only.is_empty() { "nothing".to_owned() } else { counted(events, "event") };
        writeln!(out, "only in {}: {count}", path.display()).map_err(ToolError::Output)?;
        for EventSpan { agent, start, end } in only {
            let first = names.event(EventId { agent, clock: start });
            writeln!(out, "  {first}..{}", end.0.saturating_sub(1)).map_err(ToolError::Output)?;
        }
    }
    match documents {
        [AnyDocument::Text(before), AnyDocument::Text(after)] => {
            lines_differ(&before.to_string(), &after.to_string(), out).map_err(ToolError::Output)
        }
        _ => match documents.map(values::value) {
            [Some(before), Some(after)] => values_differ(&before, &after, out).map_err(ToolError::Output),
            _ => Ok(()),
        },
    }
}

fn only_in(own: &Summary, other: &Summary) -> Vec<EventSpan> {
    own.spans().flat_map(|span| other.missing(span)).collect()
}

fn lines_differ(before: &str, after: &str, out: &mut impl Write) -> std::io::Result<()> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    for op in capture_diff_slices(Algorithm::Myers, &before, &after) {
        if !matches!(op, DiffOp::Equal { .. }) {
            before[op.old_range()].iter().try_for_each(|line| writeln!(out, "-{line}"))?;
            after[op.new_range()].iter().try_for_each(|line| writeln!(out, "+{line}"))?;
        }
    }
    Ok(())
}

/// Each path whose value differs, with what stood there and what stands there.
fn values_differ(before: &Value, after: &Value, out: &mut impl Write) -> std::io::Result<()> {
    let mut path = String::new();
    differ(&mut path, Some(before), Some(after), out)
}

fn differ(
    path: &mut String,
    before: Option<&Value>,
    after: Option<&Value>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut below = |token: &str, before, after| {
        let length = path.len();
        path.push('/');
        path.push_str(&token.replace('~', "~0").replace('/', "~1"));
        let told = differ(path, before, after, out);
        path.truncate(length);
        told
    };
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let added = after.keys().filter(|key| !before.contains_key(*key));
            before.keys().chain(added).try_for_each(|key| below(key, before.get(key), after.get(key)))
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => (0..before.len().max(after.len()))
            .try_for_each(|index| below(&index.to_string(), before.get(index), after.get(index))),
        (before, after) if before == after => Ok(()),
        (before, after) => {
            before.map_or(Ok(()), |value| writeln!(out, "-{path} {value}"))?;
            after.map_or(Ok(()), |value| writeln!(out, "+{path} {value}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cede::{Chars, Document, Session};

    /// A history with a text and the version that its file holds.
    fn history(path: &Path, agent: u128, text: &str) -> Frontier {
        let mut session = Session::with_document(Document::new(), AgentId::new(agent));
        session.insert(Chars(0), text).unwrap();
        let saved = session.document().frontier();
        let resume = Resume { saved: vec![saved.clone()], undo: b"undo".to_vec() };
        let mut file = LogFile::open(path).unwrap().file;
        file.append(Kind::Events, &session.document().encode()).unwrap();
        file.append(Kind::Undo, &resume.encode()).unwrap();
        saved
    }

    /// Catches a union that knows what one of the text files holds, and not the other: git leaves either or a mixture.
    #[test]
    fn a_union_knows_what_the_text_file_of_each_history_holds_and_once_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let [ours, theirs] = ["ours.cede", "theirs.cede"].map(|name| folder.path().join(name));
        let saved = vec![history(&ours, 1, "ours"), history(&theirs, 2, "theirs")];
        let files = [ours.clone(), theirs];
        // Nobody has touched the text beside a history that is merged by hand.
        let by_hand = folder.path().join("by-hand.cede");
        std::fs::copy(&ours, &by_hand).unwrap();
        unite(&files, &by_hand, Beside::TheirOwn, &mut Vec::new()).unwrap();
        let loaded = crate::files::history::read(&by_hand).unwrap();
        assert_eq!((loaded.saved, loaded.undo), (saved[..1].to_vec(), vec![b"undo".to_vec()]));
        unite(&files, &ours, Beside::AllTexts, &mut Vec::new()).unwrap();
        let loaded = crate::files::history::read(&ours).unwrap();
        assert_eq!((loaded.saved, loaded.undo), (saved, vec![b"undo".to_vec()]));
        let before = std::fs::read(&ours).unwrap();
        unite(&files, &ours, Beside::AllTexts, &mut Vec::new()).unwrap();
        assert_eq!(std::fs::read(&ours).unwrap(), before);
    }
}
