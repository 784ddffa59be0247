//! A version by the names of its events.

use crate::id::{EventId, ParseIdError};
use std::fmt;
use std::str::FromStr;

/// A version of a document: the set of mutually concurrent events that have everything else of it in their past.
///
/// The empty one is the start of time. Written `AGENT/CLOCK,AGENT/CLOCK`, the empty one `root`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Frontier {
    /// Invariant: ascending, no id twice.
    ids: Vec<EventId>,
}

impl Frontier {
    /// The version before the first event.
    pub fn root() -> Self {
        Self::default()
    }

    /// The version made of these events. Whether they are concurrent is for a document to say.
    pub fn from_ids(mut ids: Vec<EventId>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self { ids }
    }

    /// The events, ascending by agent.
    pub fn ids(&self) -> &[EventId] {
        &self.ids
    }

    /// Whether this is the version before the first event.
    pub fn is_root(&self) -> bool {
        self.ids.is_empty()
    }
}

impl From<EventId> for Frontier {
    fn from(id: EventId) -> Self {
        Self { ids: vec![id] }
    }
}

impl fmt::Display for Frontier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ids.is_empty() {
            return f.write_str("root");
        }
        for (number, id) in self.ids.iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            id.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for Frontier {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        if text == "root" {
            return Ok(Self::root());
        }
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self::from_ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AgentId, Clock};

    #[test]
    fn versions_are_read_back_as_written() {
        let id = |agent, clock| EventId::new(AgentId::new(agent), Clock(clock));
        for version in [Frontier::root(), id(1, 2).into(), Frontier::from_ids(vec![id(9, 1), id(1, 2)])] {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert!("".parse::<Frontier>().is_err());
    }
}
