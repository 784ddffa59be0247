//! Short names of agents.
//!
//! Knows the agents of one history. A short name says nothing in another one.

use std::collections::BTreeSet;

use cede::{AgentId, EventId};

/// No shorter name is given, however few agents there are: numbers would look like it.
const LEAST_DIGITS: usize = 4;

/// Names of as many hexadecimal digits as tell all agents of a history apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    digits: usize,
}

impl Names {
    /// For these agents.
    pub(crate) fn of(agents: &BTreeSet<AgentId>) -> Self {
        let neighbours = agents.iter().zip(agents.iter().skip(1));
        let shared = neighbours.map(|(a, b)| (a.get() ^ b.get()).leading_zeros() as usize / 4).max();
        Self { digits: shared.map_or(0, |shared| shared + 1).max(LEAST_DIGITS) }
    }

    /// How long each name is.
    pub(crate) fn digits(self) -> usize {
        self.digits
    }

    /// The name of an agent.
    pub(crate) fn agent(self, agent: AgentId) -> String {
        let mut name = agent.to_string();
        name.truncate(self.digits);
        name
    }

    /// The name of an event: `AGENT/CLOCK`.
    pub(crate) fn event(self, id: EventId) -> String {
        format!("{}/{}", self.agent(id.agent), id.clock.0)
    }
}

#[cfg(test)]
mod tests {
    use cede::{AgentId, Clock, EventId};

    use super::Names;

    #[test]
    fn names_are_as_long_as_tells_them_apart() {
        let name = |agents: &[u128]| {
            let names = Names::of(&agents.iter().copied().map(AgentId::new).collect());
            names.event(EventId { agent: AgentId::new(agents[0]), clock: Clock(7) })
        };
        assert_eq!(name(&[0xabcd_ef01 << 96]), "abcd/7");
        assert_eq!(name(&[1 << 127, 0]), "8000/7");
        assert_eq!(name(&[0x0000_0012 << 96, 0x0000_0013 << 96, 0]), "00000012/7");
        assert_eq!(name(&[0, 1]), format!("{}/7", "0".repeat(32)));
    }
}
