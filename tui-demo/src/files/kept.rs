//! What history files of whatever kind hold, read into one document.
//!
//! Knows which records bring events, and which say what a text file may hold. Whoever rewrites a file keeps those that bring
//! no events as they are.

use std::path::Path;

use cede::storage::{Kind, LogFile, Record, TornTail};
use cede::{AgentId, AnyDocument, DocumentKind, Frontier, Saved, SavedError};

use super::history::HistoryError;
use super::resume::Resume;

/// The records of a file, without locking or changing it.
///
/// # Errors
/// [`HistoryError`], never `Locked`.
pub fn records(path: &Path) -> Result<(Vec<Record>, Option<TornTail>), HistoryError> {
    LogFile::read(path).map_err(HistoryError::from_storage)
}

/// Of which kind the document is that these records make; `None` where there are no events.
#[must_use]
pub fn kind_of(records: &[Record]) -> Option<DocumentKind> {
    records.iter().find_map(|record| match record.kind {
        Kind::Events => DocumentKind::of_update(&record.payload),
        Kind::Saved => Some(DocumentKind::Text),
        Kind::Undo => None,
    })
}

/// The document of these records; an empty text where there are no events. `agent` edits it, if anybody does.
///
/// # Errors
/// What is wrong with a record.
pub fn document(agent: AgentId, records: &[Record]) -> Result<AnyDocument, SavedError> {
    let mut document = AnyDocument::new(kind_of(records).unwrap_or(DocumentKind::Text), agent);
    merge(&mut document, records)?;
    Ok(document)
}

/// Takes in what these records bring. What waits for other records goes on waiting.
///
/// # Errors
/// What is wrong with a record; those before it have been taken in.
pub fn merge(document: &mut AnyDocument, records: &[Record]) -> Result<(), SavedError> {
    records.iter().try_for_each(|record| match record.kind {
        Kind::Events => Ok(document.merge(&record.payload)?),
        Kind::Saved => Ok(document.merge(&Saved::open(&record.payload[..])?.document()?.encode())?),
        Kind::Undo => Ok(()),
    })
}

/// The versions that the text file of these records may hold, the surest first.
#[must_use]
pub fn saved(records: &[Record]) -> Vec<Frontier> {
    let resumes = records.iter().filter(|record| record.kind == Kind::Undo);
    let last = resumes.filter_map(|record| Resume::decode(&record.payload).ok()).next_back();
    last.map_or_else(Vec::new, |resume| resume.saved)
}
