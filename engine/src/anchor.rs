//! Positions that survive edits, by the character that they stay with.
//!
//! An anchor is plain data and means the same in every replica that has its character; where it is now, a session
//! tells.

use crate::id::{EventId, ParseIdError};
use std::fmt;
use std::str::FromStr;

/// Which neighbour an anchor stays with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Bias {
    /// The character on the left: what is inserted at the anchor comes to stand behind it.
    Left,
    /// The character on the right: what is inserted at the anchor comes to stand before it.
    Right,
}

/// A position that survives edits. Written `AGENT/CLOCK<` (right behind that character), `>AGENT/CLOCK` (right before
/// it), `start` or `end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Anchor {
    /// The start of the text, whatever comes before it.
    Start,
    /// The end of the text, whatever comes behind it.
    End,
    /// Right behind the character that this event inserted.
    Behind(EventId),
    /// Right before the character that this event inserted.
    Before(EventId),
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::End => f.write_str("end"),
            Self::Behind(id) => write!(f, "{id}<"),
            Self::Before(id) => write!(f, ">{id}"),
        }
    }
}

impl FromStr for Anchor {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text {
            "start" => Ok(Self::Start),
            "end" => Ok(Self::End),
            _ => match text.strip_prefix('>') {
                Some(id) => id.parse().map(Self::Before),
                None => text.strip_suffix('<').unwrap_or(text).parse().map(Self::Behind),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, Clock};

    #[test]
    fn anchors_are_read_back_as_written() {
        let id = EventId::new(AgentId::new(5), Clock(3));
        for anchor in [Anchor::Start, Anchor::End, Anchor::Behind(id), Anchor::Before(id)] {
            assert_eq!(anchor.to_string().parse(), Ok(anchor));
        }
        assert!("middle".parse::<Anchor>().is_err());
    }
}
