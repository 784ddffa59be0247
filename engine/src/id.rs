//! Names of agents, clocks and events, and the local numbers that stand for them inside one replica.
//!
//! Knows how an id is written and read. Knows nothing of parents, order or contents.

use std::fmt;
use std::num::ParseIntError;
use std::ops::{Add, Range, Sub};
use std::str::FromStr;

/// One editing identity: 128 random bits, new for every editing session of a replica and never reused.
///
/// Agents are ordered as unsigned numbers; the order decides between groups that start at the same clock.
/// Written as 32 hexadecimal digits.
///
/// ```
/// let agent: cede::AgentId = "000000000000000000000000000000ff".parse().unwrap();
/// assert_eq!(agent.get(), 255);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(u128);

impl AgentId {
    /// The agent with these bits. Take them from a source of randomness.
    pub const fn new(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits.
    pub const fn get(self) -> u128 {
        self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentId({:x})", self.0)
    }
}

impl FromStr for AgentId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        // `from_str_radix` alone would take a sign.
        if text.is_empty() || text.len() > 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ParseIdError::Agent(shortened(text)));
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ParseIdError::Agent(shortened(text)))
    }
}

/// The number of an event among its agent's events. Consecutive clocks make a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Clock(pub u32);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of one event, the same in every replica. Written `AGENT/CLOCK`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventId {
    /// Who made it.
    pub agent: AgentId,
    /// Its number among the events of that agent.
    pub clock: Clock,
}

impl EventId {
    /// The event of this agent with this clock.
    pub const fn new(agent: AgentId, clock: Clock) -> Self {
        Self { agent, clock }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.agent, self.clock)
    }
}

impl FromStr for EventId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (agent, clock) = text.split_once('/').ok_or_else(|| ParseIdError::NoClock(shortened(text)))?;
        let clock = clock.parse().map_err(|cause| ParseIdError::Clock(shortened(clock), cause))?;
        Ok(Self::new(agent.parse()?, Clock(clock)))
    }
}

/// Consecutive events of one agent: the clocks `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EventSpan {
    /// Who made them.
    pub agent: AgentId,
    /// The first clock.
    pub start: Clock,
    /// The clock after the last.
    pub end: Clock,
}

impl EventSpan {
    /// How many events these are.
    pub fn len(&self) -> u32 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A text that does not name an event, agent or version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ParseIdError {
    /// Not 1 to 32 hexadecimal digits.
    Agent(String),
    /// No `/` between the agent and the clock.
    NoClock(String),
    /// The clock is not a number that a clock can be.
    Clock(String, ParseIntError),
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(text) => write!(f, "{text:?} is not an agent (1 to 32 hexadecimal digits)"),
            Self::NoClock(text) => write!(f, "{text:?} is not an event id (AGENT/CLOCK)"),
            Self::Clock(text, cause) => write!(f, "{text:?} is not a clock: {cause}"),
        }
    }
}

impl std::error::Error for ParseIdError {}

/// What an error message shows of a text that may be endless.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The number of an event in this replica's log: the order of arrival, dense from 0.
///
/// Parents always have smaller local indexes. Replicas number the same events differently, so it never leaves the
/// replica.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Local(pub(crate) u32);

impl Local {
    /// A log holds fewer events than this, so that the bytes of their text and sums of two local numbers fit 32 bits,
    /// and the numbers above stand for the characters of a base text (`sequence`).
    pub(crate) const LIMIT: u32 = 1 << 30;
}

impl Add<u32> for Local {
    type Output = Self;
    fn add(self, count: u32) -> Self {
        Self(self.0 + count)
    }
}

impl Sub<u32> for Local {
    type Output = Self;
    fn sub(self, count: u32) -> Self {
        Self(self.0 - count)
    }
}

impl Sub for Local {
    type Output = u32;
    fn sub(self, other: Self) -> u32 {
        self.0 - other.0
    }
}

/// Consecutive local indexes, `start..end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) start: Local,
    pub(crate) end: Local,
}

impl Span {
    pub(crate) fn new(start: Local, end: Local) -> Self {
        debug_assert!(start <= end, "a span ends at {end:?} before it starts at {start:?}");
        Self { start, end }
    }

    pub(crate) fn len(self) -> u32 {
        self.end - self.start
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// What of it is within another one, with which it overlaps.
    pub(crate) fn within(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    pub(crate) fn numbers(self) -> Range<u32> {
        self.start.0..self.end.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_as_written() {
        let id = EventId::new(AgentId::new(0xabc), Clock(17));
        assert_eq!(id.to_string(), "00000000000000000000000000000abc/17");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "/", "1", "+1/2", "g/1", "1/-1", "1/4294967296", "111111111111111111111111111111111/0"] {
            assert!(text.parse::<EventId>().is_err(), "{text:?} was taken for an id");
        }
    }
}
