//! Why a subcommand failed.

use std::fmt;
use std::io;
use std::path::PathBuf;

use cede::storage::{FinishError, StorageError};
use cede::{
    AuthorError, DictError, DocumentKind, EditError, ImportError, JsonError, MetaJsonError, ParseIdError, VersionError,
};

use super::trace::TraceError;
use crate::files::folder::FolderError;
use crate::files::history::HistoryError;
use crate::plural::counted;

/// Why a subcommand failed. Transactions and patches are counted from 0, positions in chars.
#[derive(Debug)]
pub enum ToolError {
    /// The trace is none.
    Trace {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        source: TraceError,
    },
    /// A patch reaches beyond the text at its transaction's parents.
    Misfit {
        /// Which transaction.
        transaction: usize,
        /// Which of its patches.
        patch: usize,
        /// Where it starts.
        position: usize,
        /// How much it deletes.
        deleted: usize,
        /// How long the text is there.
        length: usize,
    },
    /// The engine refused a transaction for another reason than its positions.
    Author {
        /// Which transaction.
        transaction: usize,
        /// The engine's reason.
        source: AuthorError,
    },
    /// A session refused an edit.
    Edit {
        /// Which transaction.
        transaction: usize,
        /// The engine's reason.
        source: EditError,
    },
    /// A session refused what another made.
    Delivery {
        /// At which transaction.
        transaction: usize,
        /// The engine's reason.
        source: ImportError,
    },
    /// The replay gives another text than the trace says.
    EndContent {
        /// How long the text should be.
        expected: usize,
        /// How long it is.
        found: usize,
        /// How many characters agree from the start on.
        first: usize,
    },
    /// There is a history where one should be made.
    HasHistory {
        /// Where.
        path: PathBuf,
    },
    /// The history file could not be made.
    Storage(StorageError),
    /// There is no such file, or none that may be read.
    Unreadable {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The history file is none.
    History(HistoryError),
    /// The history speaks of what it does not hold, so it cannot be rewritten without losing some of it.
    NotWhole {
        /// Where.
        path: PathBuf,
        /// How many events wait for others; with none, it is an undo history that is not understood.
        waiting: u64,
    },
    /// Histories of different kinds, which have no union.
    Kinds {
        /// Where.
        paths: Box<[PathBuf; 2]>,
        /// Of which kind each is.
        kinds: [DocumentKind; 2],
    },
    /// A history of another kind than this can be done to.
    Kind {
        /// Where.
        path: PathBuf,
        /// Which kind it is.
        kind: DocumentKind,
        /// Which kind it would have to be.
        wanted: DocumentKind,
    },
    /// A text, where values are to be left in a folder.
    NoValues {
        /// Where.
        path: PathBuf,
    },
    /// A file is no JSON.
    NotJson {
        /// Where.
        path: PathBuf,
        /// What is wrong, and at which line and column.
        what: String,
    },
    /// JSON that no document can hold.
    Json {
        /// Where.
        path: PathBuf,
        /// The engine's reason.
        source: JsonError,
    },
    /// Both sides of a merge put different values at the same paths.
    Conflicts {
        /// What the file is called.
        name: String,
        /// Each path, with the values.
        conflicts: Vec<String>,
    },
    /// The engine refused what was to be done to a dictionary.
    Dict(DictError),
    /// Nothing stands under a key.
    NoKey {
        /// Where.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// A document cannot be written as JSON.
    Meta {
        /// Where it is kept.
        path: PathBuf,
        /// The engine's reason.
        source: Box<MetaJsonError>,
    },
    /// Finished work was not left in a folder.
    Finish(FinishError),
    /// A folder was not merged, or not all of it.
    Folder(FolderError),
    /// No random numbers for a new agent.
    Random(getrandom::Error),
    /// A file could not be written.
    Unwritable {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A version that the history does not have.
    Version(VersionError),
    /// A text that names no version.
    VersionName {
        /// What is wrong with it.
        source: ParseIdError,
    },
    /// A version by a number beyond the events.
    EventNumber {
        /// The number.
        asked: u64,
        /// How many there are.
        events: u64,
    },
    /// The output could not be written.
    Output(io::Error),
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trace { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Misfit { transaction, patch, position, deleted: 0, length } => write!(
                f,
                "transaction {transaction}, patch {patch}: position {position} is beyond the end of a text of {} \
                 (--lenient moves it there)",
                characters(*length)
            ),
            Self::Misfit { transaction, patch, position, deleted, length } => write!(
                f,
                "transaction {transaction}, patch {patch}: {} to delete at {position} do not fit in a text of {length} \
                 (--lenient cuts them down)",
                characters(*deleted)
            ),
            Self::Author { transaction, source } => write!(f, "transaction {transaction}: {source}"),
            Self::Edit { transaction, source } => write!(f, "transaction {transaction}: {source}"),
            Self::Delivery { transaction, source } => write!(f, "transaction {transaction}, delivery: {source}"),
            Self::EndContent { expected, found, first } => write!(
                f,
                "the text has {} at the end and the trace's endContent has {expected}; they differ from character {first} on",
                characters(*found)
            ),
            Self::HasHistory { path } => write!(f, "{} holds a history already", path.display()),
            Self::Storage(error) => error.fmt(f),
            Self::Unreadable { path, source } => write!(f, "{}: {source}", path.display()),
            Self::History(error) => error.fmt(f),
            Self::NotWhole { path, waiting: 0 } => {
                write!(f, "{} stays as it is: its undo history is not understood", path.display())
            }
            Self::NotWhole { path, waiting } => write!(
                f,
                "{} stays as it is: {} for others that it does not hold",
                path.display(),
                if *waiting == 1 { "1 event waits".to_owned() } else { format!("{waiting} events wait") }
            ),
            Self::Kinds { paths, kinds } => write!(
                f,
                "{} is a {} and {} a {}: they cannot be merged",
                paths[0].display(),
                kinds[0],
                paths[1].display(),
                kinds[1]
            ),
            Self::Kind { path, kind, wanted } => write!(f, "{} is a {kind}, and not a {wanted}", path.display()),
            Self::NoValues { path } => {
                write!(f, "{} is a text; a folder takes dictionaries and JSON documents", path.display())
            }
            Self::NotJson { path, what } => write!(f, "{}: {what}", path.display()),
            Self::Json { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Conflicts { name, conflicts } => {
                write!(f, "conflicts in {name}, at\n  {}", conflicts.join("\n  "))
            }
            Self::Dict(error) => error.fmt(f),
            Self::NoKey { path, key } => write!(f, "{}: there is no key {key:?}", path.display()),
            Self::Meta { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Finish(error) => error.fmt(f),
            Self::Folder(error) => error.fmt(f),
            Self::Random(error) => error.fmt(f),
            Self::Unwritable { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Version(error) => error.fmt(f),
            Self::VersionName { source } => source.fmt(f),
            Self::EventNumber { asked, events } => {
                write!(f, "event {asked} was asked for, and the history has {events}")
            }
            Self::Output(error) => write!(f, "the output cannot be written: {error}"),
        }
    }
}

fn characters(count: usize) -> String {
    counted(count as u64, "character")
}

impl std::error::Error for ToolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Trace { source, .. } => Some(source),
            Self::Author { source, .. } => Some(source),
            Self::Edit { source, .. } => Some(source),
            Self::Delivery { source, .. } => Some(source),
            Self::Storage(source) => Some(source),
            Self::Unreadable { source, .. } | Self::Unwritable { source, .. } | Self::Output(source) => Some(source),
            Self::Json { source, .. } => Some(source),
            Self::Dict(source) => Some(source),
            Self::Meta { source, .. } => Some(source),
            Self::Finish(source) => Some(source),
            Self::Folder(source) => Some(source),
            Self::Random(source) => Some(source),
            Self::History(source) => Some(source),
            Self::Version(source) => Some(source),
            Self::VersionName { source } => Some(source),
            Self::Misfit { .. }
            | Self::EndContent { .. }
            | Self::HasHistory { .. }
            | Self::NotWhole { .. }
            | Self::Kinds { .. }
            | Self::Kind { .. }
            | Self::NoValues { .. }
            | Self::NotJson { .. }
            | Self::Conflicts { .. }
            | Self::NoKey { .. }
            | Self::EventNumber { .. } => None,
        }
    }
}
