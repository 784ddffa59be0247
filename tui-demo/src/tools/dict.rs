//! A dictionary in a file, changed and asked from the command line.
//!
//! Knows one operation on one file. Whoever runs it is an agent of its own each time, so two who copied a file and go on
//! apart can always be merged.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cede::storage::{Kind, LogFile};
use cede::{AgentId, AnyDocument, Dict, DictError, DocumentKind};
use serde_json::Value;

use super::ToolError;
use crate::files::history::HistoryError;
use crate::files::kept;

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DictDeed {
    /// Puts a value under a key.
    Set {
        /// The key.
        key: String,
        /// The value.
        value: Value,
    },
    /// Removes a key.
    Remove {
        /// The key.
        key: String,
    },
    /// Prints the value under a key.
    Get {
        /// The key.
        key: String,
    },
    /// Prints every key with its value.
    List,
}

/// Does it. A file that is not there is made by what changes it.
pub(super) fn run(path: &Path, deed: &DictDeed, out: &mut impl Write) -> Result<(), ToolError> {
    match deed {
        DictDeed::Set { key, value } => change(path, |dict| dict.set(key, value, now()).map(drop)),
        DictDeed::Remove { key } => change(path, |dict| dict.remove(key, now()).map(drop)),
        DictDeed::Get { key } => match read(path)?.get(key) {
            Some(value) => writeln!(out, "{value}").map_err(ToolError::Output),
            None => Err(ToolError::NoKey { path: path.to_owned(), key: key.clone() }),
        },
        DictDeed::List => read(path)?
            .iter()
            .filter_map(|entry| Some((Value::from(entry.key), entry.value?)))
            .try_for_each(|(key, value)| writeln!(out, "{key}: {value}"))
            .map_err(ToolError::Output),
    }
}

fn change(path: &Path, make: impl Fn(&mut Dict) -> Result<(), DictError>) -> Result<(), ToolError> {
    let agent = new_agent()?;
    // What cannot be done to an empty dictionary cannot be done to any: no file is made for it.
    make(&mut Dict::new(agent)).map_err(ToolError::Dict)?;
    let storage = |source| ToolError::History(HistoryError::from_storage(source));
    let mut opened = LogFile::open(path).map_err(storage)?;
    let mut dict = match kept::kind_of(&opened.records) {
        None => Dict::new(agent),
        Some(_) => dict_of(path, kept::document(agent, &opened.records).map_err(|error| refused(path, error))?)?,
    };
    make(&mut dict).map_err(ToolError::Dict)?;
    let events = dict.take_outgoing().unwrap_or_default();
    opened.file.append(Kind::Events, &events).and_then(|()| opened.file.sync()).map_err(storage)
}

fn read(path: &Path) -> Result<Dict, ToolError> {
    let (records, _) = kept::records(path).map_err(ToolError::History)?;
    dict_of(path, kept::document(AgentId::new(0), &records).map_err(|error| refused(path, error))?)
}

fn dict_of(path: &Path, document: AnyDocument) -> Result<Dict, ToolError> {
    match document {
        AnyDocument::Dict(dict) => Ok(*dict),
        other => Err(ToolError::Kind { path: path.to_owned(), kind: other.kind(), wanted: DocumentKind::Dict }),
    }
}

fn refused(path: &Path, error: cede::SavedError) -> ToolError {
    ToolError::History(HistoryError::refused(path, error))
}

/// An identity that nobody has had.
fn new_agent() -> Result<AgentId, ToolError> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(ToolError::Random)?;
    Ok(AgentId::new(u128::from_be_bytes(bits)))
}

/// Milliseconds since 1970, for people; 0 by a clock that stands before.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The words behind `cede dict`.
pub(super) fn parse(words: Vec<PathBuf>) -> Result<(PathBuf, DictDeed), super::UsageError> {
    use super::UsageError;
    let mut words = words.into_iter();
    let mut word = |operand| words.next().ok_or(UsageError::Missing { operand });
    let file = word("FILE")?;
    let verb = word("set, get, remove or list")?;
    let mut text = |operand| match word(operand)?.into_os_string().into_string() {
        Ok(text) => Ok(text),
        Err(word) => Err(UsageError::from(lexopt::Error::NonUnicodeValue(word))),
    };
    let deed = match verb.to_str() {
        Some("set") => {
            let (key, value) = (text("KEY")?, text("VALUE")?);
            let value = serde_json::from_str(&value).map_err(|error| UsageError::Value { value, error })?;
            DictDeed::Set { key, value }
        }
        Some("remove") => DictDeed::Remove { key: text("KEY")? },
        Some("get") => DictDeed::Get { key: text("KEY")? },
        Some("list") => DictDeed::List,
        _ => return Err(UsageError::Missing { operand: "set, get, remove or list" }),
    };
    match words.next() {
        None => Ok((file, deed)),
        Some(operand) => Err(UsageError::Extra { operand }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn done(path: &Path, line: &[&str]) -> Result<String, String> {
        let words = std::iter::once(path.to_owned()).chain(line.iter().map(PathBuf::from)).collect();
        let (path, deed) = parse(words).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        run(&path, &deed, &mut out).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_is_set_is_there_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cede");
        done(&path, &["set", "colour", "\"blue\""]).unwrap();
        done(&path, &["set", "sizes", "[1, 2]"]).unwrap();
        assert_eq!(done(&path, &["list"]).unwrap(), "\"colour\": \"blue\"\n\"sizes\": [1,2]\n");
        done(&path, &["remove", "sizes"]).unwrap();
        assert_eq!(done(&path, &["get", "colour"]).unwrap(), "\"blue\"\n");
        assert!(done(&path, &["get", "sizes"]).unwrap_err().contains("no key \"sizes\""));
        assert_eq!(read(&path).unwrap().to_value(), json!({"colour": "blue"}));
    }

    #[test]
    fn what_cannot_be_meant_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cede");
        for line in [&["set", "k", "blue"][..], &["set", "k"], &["paint"], &["set", "k", "1", "2"], &["get", "k"]] {
            done(&path, line).unwrap_err();
        }
        done(&path, &["set", &"k".repeat(5000), "1"]).unwrap_err();
        assert!(!path.exists());
    }
}
