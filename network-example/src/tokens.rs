//! The file of tokens: who may do what in which room, a line each, with hashes in the place of tokens.
//!
//! ```text
//! # id      room   rights  sha-256 of the token                 for whom
//! 5f3a9c01  notes  write   9f86d081884c7d659a2feaa0c55ad015a…   Ben
//! 77d0e2b4  *      host    60303ae22b998861bce3b28f33eec1be7…   Ann
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::{self, Write as _};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use crate::rights::{Rights, RightsError};
use crate::room::{RoomName, RoomNameError};
use crate::token::{Token, TokenError, TokenHash};

/// Some ten thousand lines. What is longer was not written by hand or by `cede token`.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// What one token permits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// By which it is revoked; not secret.
    pub id: String,
    /// Where.
    pub scope: Scope,
    /// What.
    pub rights: Rights,
    /// Of the token.
    pub hash: TokenHash,
    /// For whom, for people.
    pub note: String,
}

/// Which rooms a token opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Every room, written `*`.
    All,
    /// This one.
    Room(RoomName),
}

impl Scope {
    /// Whether the room is one of them.
    pub fn includes(&self, room: &RoomName) -> bool {
        match self {
            Self::All => true,
            Self::Room(name) => name == room,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Room(name) => name.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = RoomNameError;

    fn from_str(text: &str) -> Result<Self, RoomNameError> {
        if text == "*" { Ok(Self::All) } else { text.parse().map(Self::Room) }
    }
}

impl Grant {
    /// A new grant and its token, which is nowhere else from here on.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(scope: Scope, rights: Rights, note: &str) -> Result<(Self, Token), getrandom::Error> {
        let token = Token::random()?;
        let id = format!("{:08x}", getrandom::u32()?);
        // A line break in a note would begin a line of its own.
        let note = note.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok((Self { id, scope, rights, hash: token.hash(), note }, token))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, scope, rights, hash, note } = self;
        write!(f, "{id} {scope} {rights} {hash}")?;
        if note.is_empty() { Ok(()) } else { write!(f, " {note}") }
    }
}

/// The grants of a text, a line each; empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// [`TokensError::Line`]: the first line that is not understood. None of the others may be relied on then: somebody is
/// in the middle of changing them.
pub fn parse(text: &str) -> Result<Vec<Grant>, TokensError> {
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(line, number)| grant(line).map_err(|fault| TokensError::Line { number, fault })).collect()
}

fn grant(line: &str) -> Result<Grant, Fault> {
    let mut words = line.split_whitespace();
    let mut word = || words.next().ok_or(Fault::Words);
    let (id, scope, rights, hash) = (word()?, word()?, word()?, word()?);
    Ok(Grant {
        id: id.to_owned(),
        scope: scope.parse().map_err(Fault::Room)?,
        rights: rights.parse().map_err(Fault::Rights)?,
        hash: hash.parse().map_err(Fault::Hash)?,
        note: words.collect::<Vec<_>>().join(" "),
    })
}

/// The grants of a file.
///
/// # Errors
/// [`TokensError`].
pub fn read(path: &Path) -> Result<Vec<Grant>, TokensError> {
    let mut text = String::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(TokensError::TooLong);
    }
    parse(&text)
}

/// Adds a grant to a file, which is made, readable by its owner alone, if there is none.
///
/// # Errors
/// [`TokensError`]; a file that is not understood is not written to.
pub fn add(path: &Path, grant: &Grant) -> Result<(), TokensError> {
    match read(path) {
        Ok(_) => {}
        Err(TokensError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // One write at the end of the file: two who add at once lose nothing of each other's.
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    private(&mut options);
    let mut file = options.open(path)?;
    file.write_all(format!("{grant}\n").as_bytes())?;
    Ok(file.sync_all()?)
}

/// Takes the grant with this id out of a file; the lines around it stay as they are.
///
/// # Errors
/// [`TokensError::Absent`] when there is none, otherwise as [`read`].
pub fn revoke(path: &Path, id: &str) -> Result<(), TokensError> {
    read(path)?;
    let (mut kept, mut found) = (String::new(), false);
    for line in fs::read_to_string(path)?.lines() {
        if line.split_whitespace().next() == Some(id) {
            found = true;
        } else {
            // Writing to a string does not fail.
            let _ = writeln!(kept, "{line}");
        }
    }
    if !found {
        return Err(TokensError::Absent { id: id.to_owned() });
    }
    replace(path, &kept)
}

/// Whenever this is cut short the file is the former one or the latter, never part of it.
fn replace(path: &Path, text: &str) -> Result<(), TokensError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    private(&mut options);
    let mut file = options.open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(fs::rename(&beside, path)?)
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Why a file of tokens is of no use.
#[derive(Debug)]
pub enum TokensError {
    /// The system's reason.
    Io(io::Error),
    /// A line that is not understood.
    Line {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: Fault,
    },
    /// More than 2 MiB.
    TooLong,
    /// No line begins with this id.
    Absent {
        /// As it was asked for.
        id: String,
    },
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Fewer than four words.
    Words,
    /// The second word.
    Room(RoomNameError),
    /// The third word.
    Rights(RightsError),
    /// The fourth word.
    Hash(TokenError),
}

impl From<io::Error> for TokensError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for TokensError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Line { number, fault } => write!(f, "line {number}: {fault}"),
            Self::TooLong => write!(f, "more than {MAX_BYTES} bytes; this is no file of tokens"),
            Self::Absent { id } => write!(f, "no token has the id {id}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words => f.write_str("expected: id, room or *, rights, SHA-256 of the token"),
            Self::Room(error) => error.fmt(f),
            Self::Rights(error) => error.fmt(f),
            Self::Hash(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TokensError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("cede-net-tokens-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn grants_are_added_and_revoked_and_the_token_is_nowhere() {
        let folder = folder("file");
        let file = folder.join("tokens");
        let (ben, token) = Grant::new("notes".parse().unwrap(), Rights::Write, "Ben\n* host").unwrap();
        let (ann, _) = Grant::new(Scope::All, Rights::Host, "").unwrap();
        add(&file, &ben).unwrap();
        fs::write(&file, format!("# mine\n\n{}", fs::read_to_string(&file).unwrap())).unwrap();
        add(&file, &ann).unwrap();
        assert_eq!(read(&file).unwrap(), [ben.clone(), ann.clone()]);
        assert_eq!(ben.note, "Ben * host", "a note stays on its line");
        assert!(!fs::read_to_string(&file).unwrap().contains(token.as_str()));
        revoke(&file, &ben.id).unwrap();
        assert_eq!(read(&file).unwrap(), std::slice::from_ref(&ann));
        assert!(fs::read_to_string(&file).unwrap().starts_with("# mine\n\n"));
        assert!(matches!(revoke(&file, &ben.id), Err(TokensError::Absent { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "its owner's alone");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let hash = "0".repeat(64);
        for (line, words) in [
            ("x notes write", "line 1: expected: id, room"),
            (&format!("x a/b write {hash}"), "'/' at byte 1"),
            (&format!("x notes owner {hash}"), "read, write or host"),
            ("x notes write 12", "64 hexadecimal digits"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
