//! Events as bytes: pieces of groups with their parents, and what they did.
//!
//! Two forms with one meaning; a reader takes either. The *plain* form (version 1) is for what is typed now: a key is a
//! few dozen bytes, written and read in no time. The *packed* form (version 2, `packed`) is for whole histories: the
//! same in columns, compressed. `engine/FORMAT.md` has the tables of both.
//!
//! ```text
//! plain     magic (4) version (1) agents pieces contents crc32 (4)
//! agents    count, then 16 bytes each, big-endian; numbered from 0
//! pieces    count, then for each: agent, clock, length, parents
//! parents   0: goes on with the event before it; n + 1: n parents, each an agent and a clock
//! contents  as the kind of document writes them (`Contents::write`)
//! ```
//!
//! All numbers are varints. Every length is checked against the bytes that are there before anything is reserved for
//! it, and the checksum before anything is read.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{Contents, Log, MAX_PARENTS, packed};
use crate::codec::{DecodeError, Packing, Reader, Writer};
use crate::id::{AgentId, Clock, EventId, EventSpan, Local, Span};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::ops::Range;

const PLAIN: u8 = 1;
const PACKED: u8 = 2;

/// What is shorter than this is left plain: it is read sooner than it would be unpacked.
const LEAST_PACKED: usize = 4096;

/// The agents that an update names.
pub(super) type Agents = SmallVec<[AgentId; 2]>;

/// Parents by name.
pub(crate) type ParentIds = SmallVec<[EventId; 2]>;

/// Consecutive events of one group, by themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) span: EventSpan,
    /// Of the first event; `None` where it goes on with the event before it.
    pub(crate) parents: Option<ParentIds>,
    /// Which events of the contents beside it they are.
    pub(crate) contents: Range<u32>,
}

/// What one message or record brings: pieces of groups, and what their events did.
///
/// Invariant: the pieces' events follow each other and are as many as the contents have; authors are numbers of agents;
/// parents inside stand in an earlier piece.
#[derive(Clone, Debug, Default)]
pub(crate) struct Update<C> {
    pub(super) agents: Agents,
    pub(super) pieces: SmallVec<[Entry; 1]>,
    /// The parents of all pieces, one after the other.
    pub(super) parents: SmallVec<[Parent; 2]>,
    pub(super) contents: C,
    /// How many bytes it came in; none where it did not come.
    bytes: usize,
}

/// A piece among others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The number of its agent.
    pub(super) author: u32,
    pub(super) clock: u32,
    /// Where its events start in the contents; those of the piece before it end there.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Where its parents end in `Update::parents`.
    pub(super) parents_end: u32,
    pub(super) goes_on: bool,
}

/// A parent as an update names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Parent {
    /// An event of this update, and the piece that it belongs to.
    Inside { piece: u32, event: u32 },
    /// By the number of its agent.
    Outside { author: u32, clock: u32 },
}

impl<C: Contents> Update<C> {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Some(rest) = bytes.strip_prefix(C::MAGIC) else {
            return Err(DecodeError::Magic { expected: C::UPDATE });
        };
        let version = match rest.first() {
            Some(&version @ (PLAIN | PACKED)) => version,
            Some(&found) => return Err(DecodeError::Version { found, known: PACKED }),
            None => return Err(DecodeError::Truncated { offset: bytes.len() }),
        };
        let mut reader = Reader::checked(bytes)?;
        reader.raw(C::MAGIC.len() + 1)?;
        let mut update = Self { agents: read_agents(&mut reader)?, ..Self::default() };
        if version == PACKED {
            update.unpack(&mut reader)?;
        } else {
            update.read_pieces(&mut reader)?;
            update.contents = C::read(&mut reader, update.len())?;
        }
        reader.end()?;
        update.bytes = bytes.len();
        Ok(update)
    }

    pub(crate) fn contents(&self) -> &C {
        &self.contents
    }

    /// How many bytes it came in.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn take_contents(&mut self) -> C {
        std::mem::take(&mut self.contents)
    }

    pub(crate) fn piece_count(&self) -> usize {
        self.pieces.len()
    }

    /// The events of each piece.
    pub(crate) fn spans(&self) -> impl Iterator<Item = EventSpan> + '_ {
        (0..self.pieces.len()).map(|number| self.span(number))
    }

    /// A piece by itself.
    #[allow(clippy::indexing_slicing, reason = "the pieces and agents of an update are its own: see its invariant")]
    pub(crate) fn piece(&self, number: usize) -> Piece {
        let parents = || self.parents_of(number).iter().map(|&parent| self.id(parent)).collect();
        Piece {
            span: self.span(number),
            parents: (!self.pieces[number].goes_on).then(parents),
            contents: self.events(number),
        }
    }

    #[allow(clippy::indexing_slicing, reason = "the pieces and agents of an update are its own: see its invariant")]
    fn span(&self, number: usize) -> EventSpan {
        let Entry { author, clock, start, end, .. } = self.pieces[number];
        EventSpan { agent: self.agents[author as usize], start: Clock(clock), end: Clock(clock + (end - start)) }
    }

    /// Where the events of a piece stand in the contents.
    #[allow(clippy::indexing_slicing, reason = "the pieces and agents of an update are its own: see its invariant")]
    pub(super) fn events(&self, number: usize) -> Range<u32> {
        let Entry { start, end, .. } = self.pieces[number];
        start..end
    }

    #[allow(clippy::indexing_slicing, reason = "the pieces and agents of an update are its own: see its invariant")]
    pub(super) fn parents_of(&self, number: usize) -> &[Parent] {
        let start = number.checked_sub(1).map_or(0, |before| self.pieces[before].parents_end);
        &self.parents[start as usize..self.pieces[number].parents_end as usize]
    }

    #[allow(clippy::indexing_slicing, reason = "the pieces and agents of an update are its own: see its invariant")]
    fn id(&self, parent: Parent) -> EventId {
        let (author, clock) = match parent {
            Parent::Outside { author, clock } => (author, clock),
            Parent::Inside { piece, event } => {
                let Entry { author, clock, start, .. } = self.pieces[piece as usize];
                (author, clock + (event - start))
            }
        };
        EventId::new(self.agents[author as usize], Clock(clock))
    }

    /// How many events the pieces have so far.
    fn len(&self) -> u32 {
        self.pieces.last().map_or(0, |piece| piece.end)
    }

    fn read_pieces(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        for _ in 0..reader.count()? {
            let author = read_agent(reader, self.agents.len())?;
            let (clock, total) = (reader.u32()?, self.len());
            let len = reader.bounded(u64::from(Local::LIMIT - total))? as u32;
            if len == 0 || clock.checked_add(len).is_none() {
                return Err(reader.invalid("a piece of a group has no events or too many"));
            }
            let parents = reader.bounded(MAX_PARENTS as u64 + 1)?;
            if parents == 0 && clock == 0 {
                return Err(reader.invalid("clock 0 cannot go on with an event before it"));
            }
            self.read_parents(reader, parents.saturating_sub(1))?;
            let parents_end = self.parents.len() as u32;
            let (end, goes_on) = (total + len, parents == 0);
            self.pieces.push(Entry { author, clock, start: total, end, parents_end, goes_on });
        }
        Ok(())
    }

    fn read_parents(&mut self, reader: &mut Reader<'_>, count: u64) -> Result<(), DecodeError> {
        let first = self.parents.len();
        for _ in 0..count {
            let author = read_agent(reader, self.agents.len())?;
            self.parents.push(Parent::Outside { author, clock: reader.u32()? });
        }
        let mut ids: ParentIds = self.parents.iter().skip(first).map(|&parent| self.id(parent)).collect();
        ids.sort_unstable();
        if ids.iter().zip(ids.iter().skip(1)).any(|(a, b)| a == b) {
            return Err(reader.invalid("a parent is named twice"));
        }
        Ok(())
    }
}

/// The agents of a packed update, and the reader of what comes behind them; `None` when it is not one.
pub(super) fn begin_packed<'a>(bytes: &'a [u8], magic: &[u8; 4]) -> Option<(Agents, Reader<'a>)> {
    let is_packed = bytes.strip_prefix(magic).is_some_and(|rest| rest.first() == Some(&PACKED));
    if !is_packed {
        return None;
    }
    let mut reader = Reader::checked(bytes).ok()?;
    reader.raw(magic.len() + 1).ok()?;
    Some((read_agents(&mut reader).ok()?, reader))
}

/// The number of one of so many agents.
pub(super) fn read_agent(reader: &mut Reader<'_>, agents: usize) -> Result<u32, DecodeError> {
    let number = reader.number()?;
    if number < agents as u64 { Ok(number as u32) } else { Err(reader.invalid("an agent that is not in the list")) }
}

fn read_agents(reader: &mut Reader<'_>) -> Result<Agents, DecodeError> {
    let count = reader.bounded(reader.remaining() as u64 / 16)?;
    (0..count).map(|_| reader.wide().map(AgentId::new)).collect()
}

impl<C: Contents> Log<C> {
    /// These spans, each within one run and in the order of the log, as bytes: packed where that is shorter. O(their
    /// size).
    pub(crate) fn encode(&self, spans: &[Span], packing: Packing) -> Vec<u8> {
        let plain = self.encode_plain(spans);
        if plain.len() < LEAST_PACKED {
            return plain;
        }
        let packed = self.encode_packed(spans, packing);
        if packed.len() < plain.len() { packed } else { plain }
    }

    pub(crate) fn encode_packed(&self, spans: &[Span], packing: Packing) -> Vec<u8> {
        let mut agents = AgentNumbers::default();
        let columns = packed::columns_of(self, spans, &mut agents);
        let mut writer = begin(C::MAGIC, PACKED, &agents);
        columns.write(packing, &mut writer);
        writer.checksum();
        writer.finish()
    }

    pub(super) fn encode_plain(&self, spans: &[Span]) -> Vec<u8> {
        let mut agents = AgentNumbers::default();
        let mut pieces = Writer::new();
        pieces.number(spans.len() as u64);
        for &span in spans {
            let id = self.graph().id(span.start);
            pieces.number(agents.number(id.agent));
            pieces.number(u64::from(id.clock.0));
            pieces.number(u64::from(span.len()));
            if self.graph().goes_on(span.start) {
                pieces.number(0);
                continue;
            }
            let parents = self.graph().parents_of(span.start);
            pieces.number(parents.len() as u64 + 1);
            for parent in parents.iter().map(|&parent| self.graph().id(parent)) {
                pieces.number(agents.number(parent.agent));
                pieces.number(u64::from(parent.clock.0));
            }
        }
        let mut writer = begin(C::MAGIC, PLAIN, &agents);
        writer.raw(&pieces.finish());
        let events: SmallVec<[Range<u32>; 1]> = spans.iter().map(|span| span.numbers()).collect();
        self.contents().write(&events, &mut writer);
        writer.checksum();
        writer.finish()
    }
}

/// Pieces and what their events did, as bytes.
pub(super) fn encode_pieces<C: Contents>(pieces: &[Piece], contents: &C) -> Vec<u8> {
    let (mut agents, mut table) = (AgentNumbers::default(), Writer::new());
    table.number(pieces.len() as u64);
    for Piece { span, parents, .. } in pieces {
        table.number(agents.number(span.agent));
        table.number(u64::from(span.start.0));
        table.number(u64::from(span.len()));
        table.number(parents.as_ref().map_or(0, |parents| parents.len() as u64 + 1));
        for parent in parents.iter().flatten() {
            table.number(agents.number(parent.agent));
            table.number(u64::from(parent.clock.0));
        }
    }
    let mut writer = begin(C::MAGIC, PLAIN, &agents);
    writer.raw(&table.finish());
    contents.write(std::slice::from_ref(&(0..contents.len())), &mut writer);
    writer.checksum();
    writer.finish()
}

fn begin(magic: &[u8; 4], version: u8, agents: &AgentNumbers) -> Writer {
    let mut writer = Writer::new();
    writer.raw(magic);
    writer.byte(version);
    writer.number(agents.agents.len() as u64);
    agents.agents.iter().for_each(|agent| writer.wide(agent.get()));
    writer
}

/// Numbers agents in the order of first mention.
#[derive(Default)]
pub(super) struct AgentNumbers {
    agents: Agents,
    numbers: HashMap<AgentId, u64>,
}

impl AgentNumbers {
    pub(super) fn number(&mut self, agent: AgentId) -> u64 {
        // One or two are the usual case, and need no hashing.
        if self.agents.len() <= 2
            && let Some(number) = self.agents.iter().position(|&known| known == agent)
        {
            return number as u64;
        }
        *self.numbers.entry(agent).or_insert_with(|| {
            self.agents.push(agent);
            self.agents.len() as u64 - 1
        })
    }
}
