//! The packed form of an update: what its pieces say of authors, clocks and parents, in columns.
//!
//! What follows from something else is not written. A piece is as long as its contents make it. Its clock follows from its
//! parents. Of its parents one is mostly its author's last event, and the others are named by how many pieces ago they
//! were made, and how far from the end of that piece.
//!
//! ```text
//! heads     a byte for each piece: author, whether the clock is written, parents (`Head`)
//! authors   where the head does not tell: the number of the agent
//! runs      for each piece: how many runs of the contents it has (`Contents::pack`)
//! steps     for each parent that the head does not tell: pieces back from this one, 0: not in this update;
//!           before them, where there are more than two: how many there are besides
//! offsets   for each parent in this update that the head does not tell: events after it in its piece
//! names     the clock where it is written; agent and clock of each parent that is not in this update
//! ```

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::update::{AgentNumbers, Entry, Parent, Update, read_agent};
use super::{Contents, Log, MAX_PARENTS};
use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
use crate::id::{Local, Span};
use smallvec::SmallVec;

/// Bytes of memory that a byte of each column becomes at most: itself, an [`Entry`] with one [`Parent`], a run of the graph
/// with its place among those of its agent, and what it has seen of few agents; another [`Parent`] and its local index.
const HEAD_WEIGHT: u32 = 128;
const STEP_WEIGHT: u32 = 24;
/// Read and forgotten.
const NUMBER_WEIGHT: u32 = 1;

/// Consecutive events, and the number of who made them: mostly one goes on where the same author was before.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) author: u32,
    pub(crate) events: std::ops::Range<u32>,
}

/// How many runs of contents one piece has, and the number of its author.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) author: u32,
    pub(crate) runs: u32,
}

/// What one byte says of a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Head {
    author: Author,
    /// The clock is not what the parents make it, as far as this update shows.
    clock_is_written: bool,
    parents: Parents,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Author {
    /// That of the piece before.
    Same,
    /// The last one before that was another.
    Other,
    Written,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Parents {
    /// The piece goes on with its author's group.
    GoesOn,
    /// Whether the last event of its author's last piece is one of them, and how many others there are; `MANY` stands
    /// for more as well.
    Named { own: bool, others: u8 },
}

const MANY: u8 = 3;

impl Head {
    const COUNT: u8 = 3 * 2 * 9;

    fn code(self) -> u8 {
        let parents = match self.parents {
            Parents::GoesOn => 0,
            Parents::Named { own, others } => 1 + 4 * u8::from(own) + others,
        };
        (self.author as u8 * 2 + u8::from(self.clock_is_written)) * 9 + parents
    }

    const fn from_code(code: u8) -> Option<Self> {
        let (author, clock_is_written, parents) = (code / 18, code / 9 % 2 == 1, code % 9);
        let author = match author {
            0 => Author::Same,
            1 => Author::Other,
            2 => Author::Written,
            _ => return None,
        };
        let parents = match parents.checked_sub(1) {
            None => Parents::GoesOn,
            Some(named) => Parents::Named { own: named >= 4, others: named % 4 },
        };
        Some(Self { author, clock_is_written, parents })
    }
}

/// All heads by their codes: dividing takes longer than looking up.
#[allow(clippy::indexing_slicing, reason = "a panic here would be one of the compiler's")]
static HEADS: [Option<Head>; 256] = {
    let (mut heads, mut code) = ([None; 256], 0);
    while code < heads.len() {
        heads[code] = Head::from_code(code as u8);
        code += 1;
    }
    heads
};

/// The two authors that a head can tell: that of the piece before, and the last one that was another.
#[derive(Clone, Copy, Default)]
struct LastAuthors {
    same: Option<u32>,
    other: Option<u32>,
}

impl LastAuthors {
    fn told(self, author: u32) -> Author {
        match Some(author) {
            author if author == self.same => Author::Same,
            author if author == self.other => Author::Other,
            _ => Author::Written,
        }
    }

    fn note(&mut self, author: u32) {
        if self.same != Some(author) {
            (self.same, self.other) = (Some(author), self.same);
        }
    }
}

/// The clock of a piece as far as an update shows: `last` is the last clock of its author's last piece in it,
/// `latest_parent` the largest of its parents'. `None` where it would be beyond the largest.
fn clock_of(goes_on: bool, last: Option<u32>, latest_parent: Option<u32>) -> Option<u32> {
    if goes_on {
        return last.map_or(Some(0), |last| last.checked_add(1));
    }
    let clock = latest_parent.map_or(Some(0), |clock| clock.checked_add(1))?;
    if last.and_then(|last| last.checked_add(1)) == Some(clock) { clock.checked_add(1) } else { Some(clock) }
}

/// These spans, each within one run and in the order of the log.
pub(super) fn columns_of<C: Contents>(log: &Log<C>, spans: &[Span], agents: &mut AgentNumbers) -> Columns {
    let mut writing = Writing::default();
    let mut parts = Vec::with_capacity(spans.len());
    for (number, &span) in spans.iter().enumerate() {
        let author = writing.piece(log, spans, number, agents);
        parts.push(Part { author, events: span.numbers() });
    }
    let (runs, contents) = log.contents().pack(&parts);
    let mut counts = Writer::new();
    runs.iter().for_each(|&count| counts.number(u64::from(count)));
    let mut columns = Columns::default();
    columns.add(writing.heads, HEAD_WEIGHT);
    columns.add(writing.authors, NUMBER_WEIGHT);
    columns.add(counts, NUMBER_WEIGHT);
    columns.add(writing.steps, STEP_WEIGHT);
    columns.add(writing.offsets, NUMBER_WEIGHT);
    columns.add(writing.names, NUMBER_WEIGHT);
    columns.extend(contents);
    columns
}

#[derive(Default)]
struct Writing {
    heads: Writer,
    authors: Writer,
    steps: Writer,
    offsets: Writer,
    names: Writer,
    last_authors: LastAuthors,
    /// By author, the last event of their last piece.
    last: Vec<Option<Local>>,
}

impl Writing {
    #[allow(clippy::indexing_slicing, reason = "what is written is our own")]
    /// Writes what there is to say of a piece, and returns its author.
    fn piece<C: Contents>(&mut self, log: &Log<C>, spans: &[Span], number: usize, agents: &mut AgentNumbers) -> u32 {
        let (graph, span) = (log.graph(), spans[number]);
        let id = graph.id(span.start);
        let author = agents.number(id.agent) as u32;
        if self.last.len() <= author as usize {
            self.last.resize(author as usize + 1, None);
        }
        let last = self.last[author as usize].replace(span.end - 1);
        let goes_on = graph.goes_on(span.start);
        let mut parents = if goes_on { SmallVec::new() } else { graph.parents_of(span.start) };
        let latest = parents.iter().map(|&parent| graph.clock(parent)).max();
        let clock = clock_of(goes_on, last.map(|last| graph.clock(last)), latest);
        let all = parents.len();
        parents.retain(|parent| Some(*parent) != last);
        let (own, others) = (parents.len() < all, parents.len().min(MANY.into()) as u8);
        let head = Head {
            author: self.last_authors.told(author),
            clock_is_written: clock != Some(id.clock.0),
            parents: if goes_on { Parents::GoesOn } else { Parents::Named { own, others } },
        };
        self.heads.byte(head.code());
        if head.author == Author::Written {
            self.authors.number(author.into());
        }
        self.last_authors.note(author);
        if head.clock_is_written {
            self.names.number(id.clock.0.into());
        }
        if others == MANY {
            self.steps.number((parents.len() - usize::from(MANY)) as u64);
        }
        for &parent in &parents {
            let piece = spans.partition_point(|span| span.start <= parent).checked_sub(1);
            if let Some(piece) = piece.filter(|&piece| parent < spans[piece].end) {
                self.steps.number((number - piece) as u64);
                self.offsets.number(u64::from(spans[piece].end - parent - 1));
            } else {
                let parent = graph.id(parent);
                self.steps.number(0);
                self.names.number(agents.number(parent.agent));
                self.names.number(parent.clock.0.into());
            }
        }
        author
    }
}

impl<C: Contents> Update<C> {
    /// Reads the columns behind the agents.
    pub(super) fn unpack(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let mut all = Vec::new();
        let read = read_columns(reader, self.agents.len(), |_, _, parents| {
            all.extend_from_slice(parents);
            true
        })?;
        let Some((pieces, contents)) = read else { unreachable!("all pieces are wanted") };
        (self.pieces, self.parents, self.contents) = (pieces.into(), all.into(), contents);
        Ok(())
    }
}

/// Reads the columns behind so many agents. Each piece is handed over as it is read: how many there will be, all up to it,
/// and the parents of the last. `None` when it is said that no more are wanted.
pub(super) fn read_columns<C: Contents>(
    reader: &mut Reader<'_>,
    agents: usize,
    mut each: impl FnMut(usize, &[Entry], &[Parent]) -> bool,
) -> Result<Option<(Vec<Entry>, C)>, DecodeError> {
    let mut columns = ColumnReader::new(reader);
    let heads = columns.next(HEAD_WEIGHT)?;
    let authors = columns.next(NUMBER_WEIGHT)?;
    let runs = columns.next(NUMBER_WEIGHT)?;
    let shares = read_shares(&heads, &mut Reader::new(&authors), &mut Reader::new(&runs), agents)?;
    let (steps, offsets) = (columns.next(STEP_WEIGHT)?, columns.next(NUMBER_WEIGHT)?);
    let names = columns.next(NUMBER_WEIGHT)?;
    let (contents, lengths) = C::unpack(&mut columns, &shares, agents)?;
    let mut reading = Reading {
        steps: Reader::new(&steps),
        offsets: Reader::new(&offsets),
        names: Reader::new(&names),
        last: vec![None; agents],
        pieces: Vec::with_capacity(heads.len()),
        parents: Vec::new(),
        parents_end: 0,
    };
    for ((&head, share), len) in heads.iter().zip(&shares).zip(lengths) {
        reading.piece(head, share.author, len)?;
        if !each(heads.len(), &reading.pieces, &reading.parents) {
            return Ok(None);
        }
    }
    [&reading.steps, &reading.offsets, &reading.names].into_iter().try_for_each(Reader::end)?;
    Ok(Some((reading.pieces, contents)))
}

/// Who made each piece, and how many runs it has.
fn read_shares(
    heads: &[u8],
    authors: &mut Reader<'_>,
    runs: &mut Reader<'_>,
    agents: usize,
) -> Result<Vec<Share>, DecodeError> {
    let mut last = LastAuthors::default();
    let mut shares = Vec::with_capacity(heads.len());
    for &head in heads {
        let told = match head / (Head::COUNT / 3) {
            0 => last.same,
            1 => last.other,
            _ => Some(read_agent(authors, agents)?),
        };
        let author = told.ok_or_else(|| authors.invalid("an author as before, and there is none before"))?;
        last.note(author);
        shares.push(Share { author, runs: runs.u32()? });
    }
    authors.end()?;
    runs.end()?;
    Ok(shares)
}

struct Reading<'a> {
    steps: Reader<'a>,
    offsets: Reader<'a>,
    names: Reader<'a>,
    /// By author, the number of their last piece.
    last: Vec<Option<u32>>,
    pieces: Vec<Entry>,
    /// The parents of the last piece.
    parents: Vec<Parent>,
    /// How many parents all pieces have.
    parents_end: u32,
}

impl Reading<'_> {
    fn piece(&mut self, head: u8, author: u32, len: u32) -> Result<(), DecodeError> {
        let head = HEADS
            .get(usize::from(head))
            .copied()
            .flatten()
            .ok_or_else(|| self.names.invalid("no such head of a piece"))?;
        let number = self.pieces.len() as u32;
        let last =
            self.last.get_mut(author as usize).ok_or_else(|| self.names.invalid("an author that is no agent"))?;
        let last = last.replace(number);
        let last_clock = last.map(|last| self.last_event(last).map(|(_, clock)| clock)).transpose()?;
        self.parents.clear();
        let written = if head.clock_is_written { Some(self.names.u32()?) } else { None };
        let (follows, goes_on) = match head.parents {
            Parents::GoesOn => (clock_of(true, last_clock, None), true),
            Parents::Named { own, others } => {
                let latest = self.parents(own.then_some(last), others)?;
                (clock_of(false, last_clock, latest), false)
            }
        };
        let clock = written.or(follows).filter(|clock| clock.checked_add(len).is_some());
        let clock = clock.ok_or_else(|| self.names.invalid("a piece ends beyond the largest clock"))?;
        if goes_on && clock == 0 {
            return Err(self.names.invalid("clock 0 cannot go on with an event before it"));
        }
        let start = self.pieces.last().map_or(0, |piece| piece.end);
        self.parents_end += self.parents.len() as u32;
        let parents_end = self.parents_end;
        self.pieces.push(Entry { author, clock, start, end: start + len, parents_end, goes_on });
        Ok(())
    }

    /// Reads parents and returns the largest of their clocks. `own`: the author's last event is one of them.
    fn parents(&mut self, own: Option<Option<u32>>, others: u8) -> Result<Option<u32>, DecodeError> {
        let mut latest = None;
        if let Some(last) = own {
            let piece = last.ok_or_else(|| self.steps.invalid("an author's last event, and there is none"))?;
            let (event, clock) = self.last_event(piece)?;
            latest = Some(clock);
            self.parents.push(Parent::Inside { piece, event });
        }
        let mut others = usize::from(others);
        if others == usize::from(MANY) {
            let most = MAX_PARENTS - usize::from(own.is_some());
            others += self.steps.bounded((most - others) as u64)? as usize;
        }
        for _ in 0..others {
            let (parent, clock) = self.parent()?;
            latest = latest.max(Some(clock));
            self.parents.push(parent);
        }
        if others > 0 {
            self.check_named_once()?;
        }
        Ok(latest)
    }

    /// Whether no parent is named twice, in the same words. In others it is found out when the piece is taken in.
    fn check_named_once(&self) -> Result<(), DecodeError> {
        let is_twice = match *self.parents.as_slice() {
            [] | [_] => false,
            [a, b] => a == b,
            _ => {
                let mut parents: SmallVec<[Parent; 8]> = self.parents.as_slice().into();
                parents.sort_unstable();
                parents.iter().zip(parents.iter().skip(1)).any(|(a, b)| a == b)
            }
        };
        if is_twice { Err(self.steps.invalid("a parent is named twice")) } else { Ok(()) }
    }

    fn parent(&mut self) -> Result<(Parent, u32), DecodeError> {
        let back = self.steps.number()?;
        if back == 0 {
            let author = read_agent(&mut self.names, self.last.len())?;
            let clock = self.names.u32()?;
            return Ok((Parent::Outside { author, clock }, clock));
        }
        let piece = (self.pieces.len() as u64).checked_sub(back);
        let piece = piece.ok_or_else(|| self.steps.invalid("a parent before the first piece"))? as usize;
        let Entry { clock, start, end, .. } = self.piece_read(piece)?;
        let offset = self.offsets.number()?;
        if offset >= u64::from(end - start) {
            return Err(self.offsets.invalid("a parent before the start of its piece"));
        }
        let event = end - 1 - offset as u32;
        Ok((Parent::Inside { piece: piece as u32, event }, clock + (event - start)))
    }

    /// The last event of a piece, and its clock.
    fn last_event(&self, piece: u32) -> Result<(u32, u32), DecodeError> {
        let Entry { clock, start, end, .. } = self.piece_read(piece as usize)?;
        Ok((end - 1, clock + (end - 1 - start)))
    }

    fn piece_read(&self, number: usize) -> Result<Entry, DecodeError> {
        self.pieces.get(number).copied().ok_or_else(|| self.steps.invalid("a piece that has not been read yet"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_is_read_back_as_written() {
        for code in 0..Head::COUNT {
            assert_eq!(Head::from_code(code).map(Head::code), Some(code));
        }
        assert_eq!(Head::from_code(Head::COUNT), None);
    }

    #[test]
    fn a_clock_follows_from_parents_and_the_authors_last() {
        let clock = |goes_on, last, parents: &[u32]| clock_of(goes_on, last, parents.iter().copied().max());
        assert_eq!(clock(false, None, &[]), Some(0));
        assert_eq!(clock(false, None, &[4, 9]), Some(10));
        assert_eq!(clock(false, Some(9), &[4, 9]), Some(11), "one more where it would go on with the group");
        assert_eq!(clock(true, Some(9), &[]), Some(10));
        assert_eq!(clock(false, None, &[u32::MAX]), None);
        assert_eq!(clock(true, Some(u32::MAX), &[]), None);
    }
}
