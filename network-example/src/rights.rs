//! What somebody may do in a room.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Each includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Sees the text and who is in, and is seen.
    Read,
    /// Edits.
    #[default]
    Write,
    /// Says what others may do, and deletes the document.
    Host,
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Host => "host",
        })
    }
}

impl FromStr for Rights {
    type Err = RightsError;

    fn from_str(text: &str) -> Result<Self, RightsError> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "host" => Ok(Self::Host),
            _ => Err(RightsError),
        }
    }
}

/// A word that names no rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RightsError;

impl fmt::Display for RightsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rights are read, write or host")
    }
}

impl std::error::Error for RightsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_right_includes_the_ones_before_it() {
        assert!(Rights::Read < Rights::Write && Rights::Write < Rights::Host);
        for rights in [Rights::Read, Rights::Write, Rights::Host] {
            assert_eq!(rights.to_string().parse(), Ok(rights));
        }
        assert_eq!("Write".parse::<Rights>(), Err(RightsError));
    }
}
