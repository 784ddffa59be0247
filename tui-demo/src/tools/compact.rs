//! Rewrites a history so that it takes as few bytes as it can, or so that its text can be read without the rest.
//!
//! Knows what of a file must not get lost. The file is locked meanwhile and replaced at once, so nobody sees half of it.

use std::fs;
use std::io::Write;
use std::path::Path;

use cede::storage::{Kind, LogFile, Record};
use cede::{AgentId, AnyDocument, DocumentKind, Session};

use super::{ToolError, tell_torn};
use crate::files::history::{self, HistoryError, Loaded};
use crate::files::kept;
use crate::files::resume::Resume;
use crate::plural::counted;

/// Rewrites the history and prints its size before and after. What is not understood is not rewritten.
pub(super) fn compact(
    path: &Path,
    text: bool,
    out: &mut impl Write,
    notices: &mut impl Write,
) -> Result<(), ToolError> {
    let before = fs::metadata(path).map_err(|source| ToolError::Unreadable { path: path.to_owned(), source })?.len();
    let opened = LogFile::open(path).map_err(|error| ToolError::History(HistoryError::from_storage(error)))?;
    tell_torn(opened.torn, notices)?;
    let mut file = opened.file;
    match kept::kind_of(&opened.records) {
        Some(DocumentKind::Text) | None => {}
        Some(kind) if text => {
            return Err(ToolError::Kind { path: path.to_owned(), kind, wanted: DocumentKind::Text });
        }
        Some(_) => {
            let document = values(path, &opened.records)?;
            rewrite(&mut file, &opened.records, &[events(&document)])?;
            return report(path, before, &file, out);
        }
    }
    let loaded = Loaded::from_records(&opened.records, opened.torn)
        .map_err(|error| ToolError::History(HistoryError::refused(path, error)))?;
    let waiting = loaded.document.waiting() as u64;
    if waiting > 0 || loaded.resume_error.is_some() {
        return Err(ToolError::NotWhole { path: path.to_owned(), waiting });
    }
    // Nobody edits in this session; it is what puts the pieces of the undo history together.
    let mut session = Session::with_document(loaded.document, AgentId::new(0));
    if loaded.undo.iter().any(|piece| session.restore_undo(piece).is_err()) {
        return Err(ToolError::NotWhole { path: path.to_owned(), waiting });
    }
    let resume = Resume { saved: loaded.saved, undo: session.encode_undo() };
    let mut records = history::rewritten(session.document(), &resume);
    if text {
        records[0] = Record { kind: Kind::Saved, payload: session.document().save() };
    }
    rewrite(&mut file, &opened.records, &records)?;
    report(path, before, &file, out)
}

/// Rewrites the history of a dictionary without what was overwritten, and prints its size before and after. What its
/// events did before is gone then; that they were there is known.
pub(super) fn drop_overwritten(path: &Path, out: &mut impl Write, notices: &mut impl Write) -> Result<(), ToolError> {
    let before = fs::metadata(path).map_err(|source| ToolError::Unreadable { path: path.to_owned(), source })?.len();
    let opened = LogFile::open(path).map_err(|error| ToolError::History(HistoryError::from_storage(error)))?;
    tell_torn(opened.torn, notices)?;
    let mut file = opened.file;
    let kept = match values(path, &opened.records)? {
        AnyDocument::Dict(dict) => dict.drop_overwritten(),
        other => {
            return Err(ToolError::Kind { path: path.to_owned(), kind: other.kind(), wanted: DocumentKind::Dict });
        }
    };
    let dropped = counted(kept.dropped(), "event");
    rewrite(&mut file, &opened.records, &[events(&AnyDocument::Dict(Box::new(kept)))])?;
    report(path, before, &file, out)?;
    writeln!(out, "{dropped} dropped so far; history before what is there is gone").map_err(ToolError::Output)
}

/// The document of a history, if nothing of it waits for what is not there.
fn values(path: &Path, records: &[Record]) -> Result<AnyDocument, ToolError> {
    let document = kept::document(AgentId::new(0), records)
        .map_err(|error| ToolError::History(HistoryError::refused(path, error)))?;
    match document.waiting() as u64 {
        0 => Ok(document),
        waiting => Err(ToolError::NotWhole { path: path.to_owned(), waiting }),
    }
}

fn events(document: &AnyDocument) -> Record {
    Record { kind: Kind::Events, payload: document.encode() }
}

fn rewrite(file: &mut LogFile, before: &[Record], after: &[Record]) -> Result<(), ToolError> {
    if before == after {
        return Ok(());
    }
    file.rewrite(after).map_err(ToolError::Storage)
}

fn report(path: &Path, before: u64, file: &LogFile, out: &mut impl Write) -> Result<(), ToolError> {
    let (before, after) = (counted(before, "byte"), counted(file.size(), "byte"));
    writeln!(out, "{}: {before} before, {after} now", path.display()).map_err(ToolError::Output)
}
