//! Why a worker stops. Whatever is wrong with a file, nothing was changed by the step that found it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Role;
use super::message::{Extent, Kind};

/// Why a worker could not be opened, or could not do a step.
#[derive(Debug)]
pub enum MailboxError {
    /// The system's reason.
    Io {
        /// Which file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// An input that is no JSON array of integers.
    Json {
        /// Which file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: serde_json::Error,
    },
    /// A line of an input is no integer of 64 bits.
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1 on.
        line: usize,
        /// The start of what stands there.
        found: String,
    },
    /// An input is not sorted.
    Unsorted {
        /// Which file.
        path: PathBuf,
        /// The index of the first value that is smaller than the one before it.
        index: usize,
        /// That value.
        value: i64,
        /// The one before it.
        before: i64,
    },
    /// A message that nobody who keeps to the protocol leaves.
    Message {
        /// Which inbox.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The state is of another worker.
    OtherRole {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        role: Role,
    },
    /// The state was made with other values than the input has now.
    OtherInput {
        /// The state.
        path: PathBuf,
        /// The input.
        input: PathBuf,
    },
    /// The output is shorter than the state says that it is.
    ShortOutput {
        /// Which file.
        path: PathBuf,
        /// How many bytes it has.
        found: u64,
        /// How many have been written.
        expected: u64,
    },
    /// Another process is this worker.
    Busy {
        /// The file that it has locked.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    Random(getrandom::Error),
}

/// What is wrong with a message.
#[derive(Debug)]
pub enum Fault {
    /// It cannot be read; with line and column.
    Json(serde_json::Error),
    /// A field has what no message of this kind has.
    Shape(Kind),
    /// A message of this kind is not for this worker, or not now.
    Unexpected(Kind),
    /// A message between was lost.
    Sequence {
        /// The number that was to come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// Values that do not follow those before them.
    Gap {
        /// The index that was to come.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// More than META has announced.
    Count {
        /// How many there are.
        count: u64,
        /// Up to which index it went.
        found: u64,
    },
    /// A value that is smaller than the one before it, or outside of the bounds that META has announced.
    Value {
        /// Its index in the sender's list.
        index: u64,
        /// The value.
        value: i64,
    },
    /// The other's list is not what it was when some of it was taken.
    Changed {
        /// What META said then.
        before: Extent,
        /// What it says now.
        now: Extent,
    },
}

impl fmt::Display for MailboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Json { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Line { path, line, found } => {
                write!(f, "{}: line {line} is no integer of 64 bits: {found:?}", path.display())
            }
            Self::Unsorted { path, index, value, before } => write!(
                f,
                "{}: not sorted: the value at index {index} is {value}, the one before it {before}",
                path.display()
            ),
            Self::Message { path, fault } => write!(f, "{}: {fault}", path.display()),
            Self::OtherRole { path, role } => write!(f, "{} is the state of worker {role}", path.display()),
            Self::OtherInput { path, input } => write!(
                f,
                "{} was made with other values than {} has now; to merge these, remove it and the other worker's state",
                path.display(),
                input.display()
            ),
            Self::ShortOutput { path, found, expected } => write!(
                f,
                "{} has {found} bytes where {expected} have been written; remove this worker's state to begin it anew",
                path.display()
            ),
            Self::Busy { path } => write!(f, "{} is locked: another process is this worker", path.display()),
            Self::Random(error) => write!(f, "no randomness: {error}"),
        }
    }
}

impl std::error::Error for MailboxError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Json { source, .. } => Some(source),
            Self::Message { fault, .. } => Some(fault),
            Self::Random(error) => Some(error),
            Self::Line { .. }
            | Self::Unsorted { .. }
            | Self::OtherRole { .. }
            | Self::OtherInput { .. }
            | Self::ShortOutput { .. }
            | Self::Busy { .. } => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(source) => write!(f, "no message: {source}"),
            Self::Shape(Kind::Meta) => f.write_str("META without [minimum, maximum, count] of a list"),
            Self::Shape(Kind::Data) => {
                write!(f, "DATA without an index, or without 1 to {} values", super::message::MOST_VALUES)
            }
            Self::Shape(Kind::Done) => f.write_str("DONE without a count, or with values"),
            Self::Unexpected(kind) => write!(f, "nobody is to say {} here and now", kind.name()),
            Self::Sequence { expected, found } => write!(f, "message {found} where message {expected} was to come"),
            Self::Gap { expected, found } => write!(f, "values from index {found} where {expected} was to come"),
            Self::Count { count, found } => write!(f, "index {found} of a list of {count}"),
            Self::Value { index, value } => {
                write!(f, "the value {value} at index {index} is out of order, or out of the bounds of META")
            }
            Self::Changed { before, now } => write!(
                f,
                "the other's list has changed: {:?} in place of {:?}, of which some was taken",
                now.to_meta(),
                before.to_meta()
            ),
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(source) => Some(source),
            _ => None,
        }
    }
}
