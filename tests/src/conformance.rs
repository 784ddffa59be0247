//! The conformance cases: where they are, and how they read.
//!
//! Knows the format of `graphs.jsonl`, `sessions.jsonl` and `json.jsonl`, one JSON object a line, and which folder holds them. Does
//! not know what the cases mean; ids are `[agent, clock]`, positions count Unicode scalar values.

mod json;

pub use json::{
    ContainerCase, DeedCase, JsonCase, JsonGroupCase, JsonOpCase, JsonVersionCase, KeyCase, StepCase as JsonStepCase,
};

use std::error::Error;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The variable that names the folder of the cases.
pub const FOLDER_VARIABLE: &str = "CEDE_CONFORMANCE";

/// An event's name as the cases write it.
pub type CaseId = (u128, u64);

/// All cases of a folder.
#[derive(Clone, Debug)]
pub struct Conformance {
    /// Where they were read.
    pub folder: PathBuf,
    /// Event graphs and their results.
    pub graphs: Vec<GraphCase>,
    /// Live sessions, step by step.
    pub sessions: Vec<SessionCase>,
    /// JSON documents and their results.
    pub documents: Vec<JsonCase>,
}

impl Conformance {
    /// Reads the folder that `CEDE_CONFORMANCE` names (from the workspace, when relative); without it,
    /// `../shared/conformance` beside the workspace when it is there, else the project's own small set.
    ///
    /// # Errors
    /// When a file cannot be read, does not parse, or holds no case.
    pub fn load() -> Result<Self, ConformanceError> {
        let named = std::env::var_os(FOLDER_VARIABLE);
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self::read(&folder(named.as_deref(), package))
    }

    /// Reads one folder.
    ///
    /// # Errors
    /// As [`Conformance::load`].
    pub fn read(folder: &Path) -> Result<Self, ConformanceError> {
        Ok(Self {
            folder: folder.to_owned(),
            graphs: read_lines(&folder.join("graphs.jsonl"))?,
            sessions: read_lines(&folder.join("sessions.jsonl"))?,
            documents: read_lines(&folder.join("json.jsonl"))?,
        })
    }
}

impl fmt::Display for Conformance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (graphs, sessions, documents) = (self.graphs.len(), self.sessions.len(), self.documents.len());
        write!(
            formatter,
            "{graphs} graphs, {sessions} sessions and {documents} JSON documents in {}",
            self.folder.display()
        )
    }
}

/// An event graph and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphCase {
    /// Names the case.
    pub seed: u64,
    /// The word `graph`.
    pub kind: String,
    /// In an order in which parents come first.
    pub groups: Vec<GroupCase>,
    /// The first event of every group, in T.
    pub total_order: Vec<CaseId>,
    /// Of the whole graph, ascending.
    pub frontier: Vec<CaseId>,
    /// Of the whole graph.
    pub text: String,
    /// Texts at some other versions.
    pub at: Vec<VersionCase>,
}

/// One agent's events with consecutive clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupCase {
    /// Who made them.
    pub agent: u128,
    /// Of the first event.
    pub clock: u64,
    /// Of the first event; every other has the one before it.
    pub parents: Vec<CaseId>,
    /// One a clock.
    pub ops: Vec<OpCase>,
}

/// One operation; written `[position, deleted, inserted]`, with one character inserted or one deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(usize, usize, String)", into = "(usize, usize, String)")]
pub enum OpCase {
    /// Inserts a character before the one at `position`.
    Insert {
        /// In the document at the event's parents.
        position: usize,
        /// What is inserted.
        character: char,
    },
    /// Deletes the character at `position`.
    Delete {
        /// In the document at the event's parents.
        position: usize,
    },
}

impl TryFrom<(usize, usize, String)> for OpCase {
    type Error = String;

    fn try_from((position, deleted, inserted): (usize, usize, String)) -> Result<Self, String> {
        match (deleted, single(&inserted)) {
            (0, Some(character)) => Ok(Self::Insert { position, character }),
            (1, None) if inserted.is_empty() => Ok(Self::Delete { position }),
            _ => Err(format!("an operation deletes {deleted} and inserts {inserted:?}; expected one character in all")),
        }
    }
}

impl From<OpCase> for (usize, usize, String) {
    fn from(op: OpCase) -> Self {
        match op {
            OpCase::Insert { position, character } => (position, 0, character.to_string()),
            OpCase::Delete { position } => (position, 1, String::new()),
        }
    }
}

/// The text at a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionCase {
    /// Mutually concurrent events.
    pub version: Vec<CaseId>,
    /// What is read there.
    pub text: String,
}

/// Live sessions, all starting empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionCase {
    /// Names the case.
    pub seed: u64,
    /// The word `session`.
    pub kind: String,
    /// How many replicas; their agents are 1, 2, ….
    pub replicas: usize,
    /// In the order in which they happened.
    pub steps: Vec<StepCase>,
    /// The text once everybody has everything.
    pub merged: String,
}

/// One thing that happened at one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StepLine", into = "StepLine")]
pub struct StepCase {
    /// Its agent: 1, 2, ….
    pub replica: u128,
    /// What happened.
    pub action: ActionCase,
    /// The visible text after it.
    pub text: String,
    /// The position of the caret after it.
    pub caret: usize,
}

/// What happened in a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionCase {
    /// Events of other replicas arrived, in this order.
    Receive(Vec<CaseId>),
    /// The user put the caret there.
    MoveCaret(usize),
    /// The user edited at the caret, which made this event.
    Edit {
        /// What was done.
        edit: EditCase,
        /// The event's name.
        id: CaseId,
        /// Its parents, ascending.
        parents: Vec<CaseId>,
    },
}

/// An edit at the caret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditCase {
    /// Typed one character.
    Insert(char),
    /// Deleted the character before the caret.
    Backspace,
    /// Deleted the character after the caret.
    DeleteForward,
}

/// A step as it is written: every possible field, most of them absent.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StepLine {
    replica: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    receive: Option<Vec<CaseId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    move_caret: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    insert: Option<String>,
    #[serde(skip_serializing_if = "is_false")]
    backspace: bool,
    #[serde(skip_serializing_if = "is_false")]
    delete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<CaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parents: Option<Vec<CaseId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caret: Option<usize>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl TryFrom<StepLine> for StepCase {
    type Error = String;

    fn try_from(line: StepLine) -> Result<Self, String> {
        let edit = match (line.insert.as_deref(), line.backspace, line.delete) {
            (Some(text), false, false) => {
                let character = single(text).ok_or_else(|| format!("{text:?} is not one character"))?;
                Some(EditCase::Insert(character))
            }
            (None, true, false) => Some(EditCase::Backspace),
            (None, false, true) => Some(EditCase::DeleteForward),
            (None, false, false) => None,
            _ => return Err("a step holds several edits".to_owned()),
        };
        let action = match (line.receive, line.move_caret, edit, line.id, line.parents) {
            (Some(events), None, None, None, None) => ActionCase::Receive(events),
            (None, Some(position), None, None, None) => ActionCase::MoveCaret(position),
            (None, None, Some(edit), Some(id), Some(parents)) => ActionCase::Edit { edit, id, parents },
            _ => {
                return Err("a step is one of receive, move_caret, or an edit with id and parents".to_owned());
            }
        };
        let text = line.text.ok_or("a step has no text")?;
        let caret = line.caret.ok_or("a step has no caret")?;
        Ok(Self { replica: line.replica, action, text, caret })
    }
}

impl From<StepCase> for StepLine {
    fn from(step: StepCase) -> Self {
        let mut line =
            Self { replica: step.replica, text: Some(step.text), caret: Some(step.caret), ..Self::default() };
        match step.action {
            ActionCase::Receive(events) => line.receive = Some(events),
            ActionCase::MoveCaret(position) => line.move_caret = Some(position),
            ActionCase::Edit { edit, id, parents } => {
                match edit {
                    EditCase::Insert(character) => line.insert = Some(character.to_string()),
                    EditCase::Backspace => line.backspace = true,
                    EditCase::DeleteForward => line.delete = true,
                }
                (line.id, line.parents) = (Some(id), Some(parents));
            }
        }
        line
    }
}

/// The character of a text that holds exactly one.
fn single(text: &str) -> Option<char> {
    let mut characters = text.chars();
    characters.next().filter(|_| characters.next().is_none())
}

/// The folder to read, for the package of the tests, which stands in the workspace.
fn folder(named: Option<&OsStr>, package: &Path) -> PathBuf {
    let workspace = package.parent().unwrap_or(package);
    if let Some(named) = named {
        // Joining an absolute path gives that path.
        return workspace.join(named);
    }
    let shared = workspace.join("../shared/conformance");
    if shared.is_dir() { shared } else { package.join("data/conformance") }
}

/// Parses every line that is not blank.
fn read_lines<Case: DeserializeOwned>(path: &Path) -> Result<Vec<Case>, ConformanceError> {
    let failed = |source| ConformanceError::Unreadable { path: path.to_owned(), source };
    let content = std::fs::read_to_string(path).map_err(failed)?;
    let mut cases = Vec::new();
    for (index, line) in content.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let failed = |source| ConformanceError::Malformed { path: path.to_owned(), line: index + 1, source };
        cases.push(serde_json::from_str(line).map_err(failed)?);
    }
    if cases.is_empty() {
        return Err(ConformanceError::Empty { path: path.to_owned() });
    }
    Ok(cases)
}

/// Why there are no cases.
#[derive(Debug)]
pub enum ConformanceError {
    /// A file could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not a case.
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and in which column.
        source: serde_json::Error,
    },
    /// A file holds no case.
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for ConformanceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, .. } => write!(formatter, "cannot read {}", path.display()),
            Self::Malformed { path, line, source } => {
                write!(formatter, "{} line {line}: {source}", path.display())
            }
            Self::Empty { path } => write!(formatter, "{} holds no case", path.display()),
        }
    }
}

impl Error for ConformanceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            Self::Malformed { source, .. } => Some(source),
            Self::Empty { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::{ActionCase, EditCase, OpCase, StepCase, folder};

    #[test]
    fn a_named_folder_comes_before_all_others() {
        let package = Path::new("/nowhere/tests");
        assert_eq!(folder(Some(OsStr::new("/cases")), package), Path::new("/cases"));
        assert_eq!(folder(Some(OsStr::new("cases")), package), Path::new("/nowhere/cases"));
        assert_eq!(folder(None, package), Path::new("/nowhere/tests/data/conformance"));
    }

    #[test]
    fn a_step_reads_as_it_writes() {
        let line = r#"{"replica":2,"insert":"ß","id":[2,3],"parents":[[1,0],[2,1]],"text":"aß","caret":2}"#;
        let step: StepCase = serde_json::from_str(line).unwrap();
        let made = ActionCase::Edit { edit: EditCase::Insert('ß'), id: (2, 3), parents: vec![(1, 0), (2, 1)] };
        assert_eq!(step, StepCase { replica: 2, action: made, text: "aß".to_owned(), caret: 2 });
        assert_eq!(serde_json::to_string(&step).unwrap(), line);
    }

    #[test]
    fn a_step_or_operation_of_two_minds_is_refused() {
        for line in [
            r#"{"replica":1,"move_caret":0,"receive":[],"text":"","caret":0}"#,
            r#"{"replica":1,"insert":"a","text":"a","caret":1}"#,
            r#"{"replica":1,"insert":"ab","id":[1,0],"parents":[],"text":"ab","caret":2}"#,
            r#"{"replica":1,"move_caret":0,"caret":0}"#,
        ] {
            assert!(serde_json::from_str::<StepCase>(line).is_err(), "{line}");
        }
        assert!(serde_json::from_str::<OpCase>(r#"[0,1,"a"]"#).is_err());
        assert!(serde_json::from_str::<OpCase>(r#"[0,0,""]"#).is_err());
    }
}
