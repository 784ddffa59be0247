//! The words behind `cede dict`.
//!
//! Knows what can be done to a dictionary that a server keeps. A value is JSON, so that `1` and `"1"` are told apart.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use serde_json::Value as Json;

use super::{UsageError, no_more};

/// What is to be done to a dictionary on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteDict {
    /// Where: `ws://HOST:PORT/ROOM#TOKEN`.
    pub url: String,
    /// Whose certificates are trusted; this machine's when it is not said.
    pub ca: Option<PathBuf>,
    /// What.
    pub deed: DictDeed,
}

/// See [`RemoteDict`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DictDeed {
    /// Puts a value under a key.
    Set(String, Json),
    /// Prints the value under a key.
    Get(String),
    /// Removes a key.
    Remove(String),
    /// Prints every key and its value.
    List,
    /// Prints each change until interrupted.
    Watch,
}

/// Whether a word says what is to be done.
pub(super) fn is_deed(word: &OsString) -> bool {
    ["set", "get", "remove", "list", "watch"].iter().any(|deed| word == deed)
}

/// Reads the words. `None`: help is wanted.
pub(super) fn parse(words: Vec<OsString>) -> Result<Option<RemoteDict>, UsageError> {
    let mut parser = lexopt::Parser::from_args(words);
    let (mut ca, mut words) = (None, Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("ca") => ca = Some(PathBuf::from(parser.value()?)),
            // A value may be a negative number.
            Short(digit @ '0'..='9') => {
                let rest = parser.optional_value().unwrap_or_default().string()?;
                words.push(format!("-{digit}{rest}").into());
            }
            Value(word) => words.push(word),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let mut words = words.into_iter();
    let mut word = |says| words.next().ok_or(UsageError::Missing("dict", says))?.string().map_err(UsageError::from);
    let url = word("URL")?;
    let deed = match word(DEEDS)?.as_str() {
        "set" => {
            let (key, value) = (word("KEY")?, word("VALUE")?);
            let value = serde_json::from_str(&value).map_err(|error| UsageError::Json(value, error.to_string()))?;
            DictDeed::Set(key, value)
        }
        "get" => DictDeed::Get(word("KEY")?),
        "remove" => DictDeed::Remove(word("KEY")?),
        "list" => DictDeed::List,
        "watch" => DictDeed::Watch,
        _ => return Err(UsageError::Missing("dict", DEEDS)),
    };
    no_more(words)?;
    Ok(Some(RemoteDict { url, ca, deed }))
}

const DEEDS: &str = "set, get, remove, list or watch";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(words: &[&str]) -> Result<Option<RemoteDict>, String> {
        parse(words.iter().map(OsString::from).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn words_become_deeds() {
        for (words, deed) in [
            (&["set", "color", "\"red\""][..], DictDeed::Set("color".into(), json!("red"))),
            (&["set", "", "{\"a\": [1]}"], DictDeed::Set(String::new(), json!({"a": [1]}))),
            (&["set", "depth", "-12.5"], DictDeed::Set("depth".into(), json!(-12.5))),
            (&["get", "color"], DictDeed::Get("color".into())),
            (&["remove", "color"], DictDeed::Remove("color".into())),
            (&["list"], DictDeed::List),
            (&["watch"], DictDeed::Watch),
        ] {
            let words: Vec<&str> = ["ws://h/r"].iter().chain(words).copied().collect();
            let expected = RemoteDict { url: "ws://h/r".into(), ca: None, deed };
            assert_eq!(parsed(&words), Ok(Some(expected)), "{words:?}");
        }
        assert_eq!(parsed(&["--help"]), Ok(None));
        assert_eq!(parsed(&["wss://h/r", "list", "--ca", "c.pem"]).unwrap().unwrap().ca, Some("c.pem".into()));
    }

    #[test]
    fn misunderstandings_are_named() {
        for (words, expected) in [
            (&[][..], "cede dict needs URL"),
            (&["ws://h/r"], "cede dict needs set, get, remove, list or watch"),
            (&["ws://h/r", "put", "a", "1"], "cede dict needs set, get, remove, list or watch"),
            (&["ws://h/r", "set", "a"], "cede dict needs VALUE"),
            (&["ws://h/r", "get"], "cede dict needs KEY"),
            (&["ws://h/r", "list", "x"], "one word too many: x"),
            (
                &["ws://h/r", "set", "color", "red"],
                "red is no JSON (a string stands in quotes, '\"red\"'): expected value at line 1 column 1",
            ),
        ] {
            assert_eq!(parsed(words), Err(expected.into()), "{words:?}");
        }
    }
}
