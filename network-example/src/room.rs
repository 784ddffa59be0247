//! Names of rooms: what a database key and a URL path can both carry without escaping.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The name of a room: 1 to 128 characters of `A-Z a-z 0-9 _ -`.
///
/// Names are keys, never paths: nothing in one can mean a folder, a query or an escape.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RoomName(String);

impl RoomName {
    /// The longest name, in characters (each is one byte).
    pub const MAX_LENGTH: usize = 128;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What logs call the room: eight digits of its SHA-256. People choose names and may mean them to be secret; whoever
    /// knows one finds it by `printf NAME | sha256sum`.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(self.0.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for RoomName {
    type Err = RoomNameError;

    fn from_str(name: &str) -> Result<Self, RoomNameError> {
        if name.is_empty() {
            return Err(RoomNameError::Empty);
        }
        if name.len() > Self::MAX_LENGTH {
            return Err(RoomNameError::TooLong { bytes: name.len() });
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        match name.char_indices().find(|&(_, c)| !allowed(c)) {
            Some((at, found)) => Err(RoomNameError::Character { at, found }),
            None => Ok(Self(name.to_owned())),
        }
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no room name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomNameError {
    /// There is no text.
    Empty,
    /// Longer than [`RoomName::MAX_LENGTH`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A character that names must not have.
    Character {
        /// Byte offset of the character.
        at: usize,
        /// The character.
        found: char,
    },
}

impl fmt::Display for RoomNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the room name is empty"),
            Self::TooLong { bytes } => {
                write!(f, "the room name has {bytes} bytes, at most {} are allowed", RoomName::MAX_LENGTH)
            }
            Self::Character { at, found } => {
                write!(f, "the room name has {found:?} at byte {at}; letters, digits, '_' and '-' are allowed")
            }
        }
    }
}

impl std::error::Error for RoomNameError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_underscore_and_hyphen() {
        for name in ["a", "Notes-2026_b", "0", &"x".repeat(128)] {
            assert_eq!(name.parse::<RoomName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        assert_eq!("".parse::<RoomName>(), Err(RoomNameError::Empty));
        assert_eq!("x".repeat(129).parse::<RoomName>(), Err(RoomNameError::TooLong { bytes: 129 }));
        for (name, at, found) in [("..", 0, '.'), ("a/b", 1, '/'), ("a%2e", 1, '%'), ("né", 1, 'é'), ("a\0", 1, '\0')]
        {
            assert_eq!(name.parse::<RoomName>(), Err(RoomNameError::Character { at, found }), "{name:?}");
        }
    }
}
