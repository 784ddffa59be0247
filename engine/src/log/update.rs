//! Events as bytes: pieces of groups with their parents, and what they did.
//!
//! ```text
//! update    magic (4) version (1) agents pieces contents crc32 (4)
//! agents    count, then 16 bytes each, big-endian; numbered from 0
//! pieces    count, then for each: agent, clock, length, parents
//! parents   0: goes on with the event before it; n + 1: n parents, each an agent and a clock
//! contents  as the kind of document writes them (`Contents::write`)
//! ```
//!
//! All numbers are varints. Every length is checked against the bytes that are there before anything is reserved for
//! it, and the checksum before anything is read.

use super::{Contents, Log, MAX_PARENTS};
use crate::codec::{DecodeError, Reader, Writer};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use std::collections::HashMap;
use std::ops::Range;

const MAGIC: &[u8; 4] = b"CEDu";
const VERSION: u8 = 1;

/// Consecutive events of one group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) span: EventSpan,
    /// Of the first event; `None` where it goes on with the event before it.
    pub(crate) parents: Option<Vec<EventId>>,
    /// Which events of the contents beside it they are.
    pub(crate) contents: Range<u32>,
}

/// What one message or record brings.
#[derive(Clone, Debug)]
pub(crate) struct Update<C> {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) contents: C,
}

impl<C: Contents> Update<C> {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(DecodeError::Magic { expected: "an update of Cede" });
        };
        match rest.first() {
            Some(&VERSION) => {}
            Some(&found) => return Err(DecodeError::Version { found, known: VERSION }),
            None => return Err(DecodeError::Truncated { offset: bytes.len() }),
        }
        let mut reader = Reader::checked(bytes)?;
        reader.raw(MAGIC.len() + 1)?;
        let agents = read_agents(&mut reader)?;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut total = 0;
        for _ in 0..reader.count()? {
            let piece = read_piece(&mut reader, &agents, total)?;
            total = piece.contents.end;
            pieces.push(piece);
        }
        let contents = C::read(&mut reader, total)?;
        reader.end()?;
        Ok(Self { pieces, contents })
    }
}

fn read_agents(reader: &mut Reader<'_>) -> Result<Vec<AgentId>, DecodeError> {
    let count = reader.bounded(reader.remaining() as u64 / 16)?;
    let mut agents = Vec::with_capacity(count as usize);
    for _ in 0..count {
        agents.push(AgentId::new(reader.wide()?));
    }
    Ok(agents)
}

fn read_piece(reader: &mut Reader<'_>, agents: &[AgentId], total: u32) -> Result<Piece, DecodeError> {
    let agent = read_agent(reader, agents)?;
    let start = reader.u32()?;
    let len = reader.bounded(u64::from(Local::LIMIT - total))? as u32;
    let end = start.checked_add(len).filter(|_| len > 0);
    let end = end.ok_or_else(|| reader.invalid("a piece of a group has no events or too many"))?;
    let parents = match reader.bounded(MAX_PARENTS as u64 + 1)? {
        0 if start == 0 => return Err(reader.invalid("clock 0 cannot go on with an event before it")),
        0 => None,
        count => Some(read_parents(reader, agents, count as usize - 1)?),
    };
    Ok(Piece { span: EventSpan { agent, start: Clock(start), end: Clock(end) }, parents, contents: total..total + len })
}

fn read_parents(reader: &mut Reader<'_>, agents: &[AgentId], count: usize) -> Result<Vec<EventId>, DecodeError> {
    let mut parents = Vec::with_capacity(count.min(reader.remaining()));
    for _ in 0..count {
        let agent = read_agent(reader, agents)?;
        parents.push(EventId::new(agent, Clock(reader.u32()?)));
    }
    parents.sort_unstable();
    if parents.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(reader.invalid("a parent is named twice"));
    }
    Ok(parents)
}

fn read_agent(reader: &mut Reader<'_>, agents: &[AgentId]) -> Result<AgentId, DecodeError> {
    let number = reader.number()?;
    let agent = usize::try_from(number).ok().and_then(|number| agents.get(number)).copied();
    agent.ok_or_else(|| reader.invalid("an agent that is not in the list"))
}

impl<C: Contents> Log<C> {
    /// These spans, each within one run and in the order of the log, as bytes. O(their size).
    pub(crate) fn encode(&self, spans: &[Span]) -> Vec<u8> {
        let mut numbers = AgentNumbers::default();
        let mut pieces = Writer::new();
        pieces.number(spans.len() as u64);
        for &span in spans {
            let id = self.graph().id(span.start);
            pieces.number(numbers.of(id.agent));
            pieces.number(u64::from(id.clock.0));
            pieces.number(u64::from(span.len()));
            if self.graph().goes_on(span.start) {
                pieces.number(0);
                continue;
            }
            let parents = self.graph().parents_of(span.start);
            pieces.number(parents.len() as u64 + 1);
            for parent in parents.iter().map(|&parent| self.graph().id(parent)) {
                pieces.number(numbers.of(parent.agent));
                pieces.number(u64::from(parent.clock.0));
            }
        }
        let mut writer = Writer::new();
        writer.raw(MAGIC);
        writer.byte(VERSION);
        writer.number(numbers.agents.len() as u64);
        numbers.agents.iter().for_each(|agent| writer.wide(agent.get()));
        writer.raw(&pieces.finish());
        let events: Vec<Range<u32>> = spans.iter().map(|span| span.numbers()).collect();
        self.contents().write(&events, &mut writer);
        writer.checksum();
        writer.finish()
    }
}

/// Numbers agents in the order of first mention.
#[derive(Default)]
struct AgentNumbers {
    agents: Vec<AgentId>,
    numbers: HashMap<AgentId, u64>,
}

impl AgentNumbers {
    fn of(&mut self, agent: AgentId) -> u64 {
        *self.numbers.entry(agent).or_insert_with(|| {
            self.agents.push(agent);
            self.agents.len() as u64 - 1
        })
    }
}
