//! A whole history in one go: the graph of an update that brings everything it builds on.
//!
//! Numbers in such an update *are* local indexes, so no name has to be looked up. The rules are those of
//! [`Log::take_in`](super::Log::take_in), checked by another route: what each piece has seen is kept by agents, which
//! says at once what has seen what, because an agent's events are a chain. When anything is amiss there is no graph, and
//! the pieces are taken in one by one to find out what.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::update::{self, Entry, Parent, Update};
use super::{Contents, Log, packed};
use crate::graph::{Graph, Whole};
use crate::id::{AgentId, Local, Span};
use std::collections::HashSet;

/// What all pieces have seen takes at most so many numbers, or this many for each piece.
const MOST_SEEN: usize = 1 << 18;
const MOST_SEEN_EACH: usize = 4;

/// Words of 64 events in which cuts are kept: a deletion of 2³⁰ chars is a few bytes, and nobody has written this much.
const MOST_CUTS: usize = 1 << 17;

impl<C: Contents> Log<C> {
    /// The log of a packed update that brings everything it builds on and keeps all rules; each piece is entered as soon
    /// as it is read. And what was found out on the way, if agents are few.
    pub(crate) fn whole(bytes: &[u8]) -> Option<(Self, Option<Past>)> {
        let (agents, mut reader) = update::begin_packed(bytes, C::MAGIC)?;
        let mut building = None;
        let read = packed::read_columns(&mut reader, agents.len(), |count, pieces, parents| {
            if pieces.len() == 1 {
                building = Building::new(&agents, count);
            }
            building.as_mut().is_some_and(|building| building.piece(pieces, parents).is_some())
        });
        let (pieces, contents) = read.ok()??;
        reader.end().ok()?;
        let (graph, past) = building?.finish(&pieces)?;
        Some((Self { graph, contents, ..Self::default() }, past))
    }
}

/// What the runs of a log have seen whose agents are few.
#[derive(Debug)]
pub(crate) struct Past {
    /// Of each run.
    counts: Vec<Block>,
    cuts: Vec<u64>,
}

impl Past {
    /// What the first event of a run has seen of each agent: how many events up to the last one seen, counted from the
    /// start of the log.
    #[allow(clippy::indexing_slicing, reason = "there is a block for each run of the log that it was made with")]
    pub(crate) fn of_run(&self, number: usize) -> Block {
        self.counts[number]
    }

    /// Where within runs versions end that some event has for a parent, ascending.
    pub(crate) fn cuts_in(&self, span: Span) -> impl Iterator<Item = Local> {
        let words = span.start.0 / 64..span.end.0.div_ceil(64);
        let bits = words.flat_map(|word| {
            let mut left = self.cuts.get(word as usize).copied().unwrap_or(0);
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(Local(word * 64 + bit))
            })
        });
        bits.filter(move |cut| (span.start..span.end).contains(cut))
    }
}

impl<C: Contents> Update<C> {
    /// The graph of its pieces, if they keep all rules and name no event from outside.
    pub(super) fn graph(&self) -> Option<Graph> {
        let count = self.pieces.len();
        let mut building = Building::new(&self.agents, count)?;
        (0..count).try_for_each(|number| building.piece(self.pieces.get(..=number)?, self.parents_of(number)))?;
        building.finish(&self.pieces).map(|(graph, _)| graph)
    }
}

/// Invariant: `last` and `seen` are those of the pieces that the graph has.
struct Building {
    graph: Whole,
    /// By author, their last piece.
    last: Vec<Option<Last>>,
    seen: Seen,
    /// A bit for each event up to the last one before which some version ends within a run.
    cuts: Vec<u64>,
}

#[derive(Clone, Copy)]
struct Last {
    piece: u32,
    event: Local,
    clock: u32,
    /// Of its group.
    first: u32,
}

impl Building {
    /// So many pieces by these agents, unless one of them is there twice or what the pieces have seen is too much.
    fn new(agents: &[AgentId], pieces: usize) -> Option<Self> {
        let width = agents.len();
        if width > MOST_SEEN_EACH && width.saturating_mul(pieces) > MOST_SEEN {
            return None;
        }
        let distinct: HashSet<AgentId> = agents.iter().copied().collect();
        let (graph, seen) = (Whole::with_room(agents, pieces), Seen::with_room(width, pieces));
        (distinct.len() == width).then(|| Self { graph, last: vec![None; width], seen, cuts: Vec::new() })
    }

    /// Adds the last one of these pieces. `None` when it breaks a rule.
    fn piece(&mut self, pieces: &[Entry], parents: &[Parent]) -> Option<()> {
        let (&Entry { author, clock, start, end, goes_on, .. }, before) = pieces.split_last()?;
        let (count, last) = (end - start, *self.last.get(author as usize)?);
        let first = if goes_on {
            let last = last.filter(|last| last.clock + 1 == clock)?;
            self.seen.add_going_on(last.piece, author, last.event)?;
            self.graph.extend(author, clock, last.first, last.event, count)?;
            last.first
        } else {
            let known = |&parent| Known::find(pieces, parent);
            // Two are nearly always the most that there are.
            match parents {
                [] => self.start_group([], [], last, author, clock, count)?,
                [parent] => {
                    let known = known(parent)?;
                    self.start_group([known], [known.event], last, author, clock, count)?;
                }
                [a, b] => {
                    let (a, b) = (known(a)?, known(b)?);
                    let (a, b) = if a.event < b.event { (a, b) } else { (b, a) };
                    self.start_group([a, b], [a.event, b.event], last, author, clock, count)?;
                }
                // More cannot be concurrent, and are not worth the time that it takes to find out why.
                many if many.len() > self.last.len() => return None,
                many => {
                    let mut known: Vec<Known> = many.iter().map(known).collect::<Option<_>>()?;
                    known.sort_unstable_by_key(|parent| parent.event);
                    let events: Vec<Local> = known.iter().map(|parent| parent.event).collect();
                    self.start_group(known, events, last, author, clock, count)?;
                }
            }
            clock
        };
        let last = Last { piece: before.len() as u32, event: Local(end - 1), clock: clock + (count - 1), first };
        *self.last.get_mut(author as usize)? = Some(last);
        Some(())
    }

    /// Starts a group with these parents, ascending, if it keeps the rules.
    #[inline]
    fn start_group(
        &mut self,
        known: impl AsRef<[Known]>,
        events: impl AsRef<[Local]>,
        last: Option<Last>,
        author: u32,
        clock: u32,
        count: u32,
    ) -> Option<()> {
        let known = known.as_ref();
        if known.iter().zip(known.iter().skip(1)).any(|(a, b)| a.piece == b.piece) {
            return None;
        }
        self.seen.add(known)?;
        known.iter().filter(|parent| !parent.is_last).try_for_each(|parent| self.cut(parent.event + 1))?;
        let latest = known.iter().map(|parent| parent.clock).max();
        let expected = latest.map_or(Some(0), |clock| clock.checked_add(1))?;
        let contiguous = last.is_some_and(|last| last.clock + 1 == expected);
        if expected.checked_add(contiguous.into()) != Some(clock) {
            return None;
        }
        if let Some(last) = last {
            let adopted = !matches!(known, [parent] if parent.event == last.event);
            if !adopted || !self.seen.by_last(author, last.event) {
                return None;
            }
        }
        self.graph.start_group(author, clock, events.as_ref(), count)
    }

    /// `None` where that takes more memory than the bytes that claim so many events are worth.
    fn cut(&mut self, event: Local) -> Option<()> {
        let (word, bit) = (event.0 as usize / 64, event.0 % 64);
        if word >= MOST_CUTS {
            return None;
        }
        if word >= self.cuts.len() {
            self.cuts.resize(word + 1, 0);
        }
        if let Some(word) = self.cuts.get_mut(word) {
            *word |= 1 << bit;
        }
        Some(())
    }

    fn finish(self, pieces: &[Entry]) -> Option<(Graph, Option<Past>)> {
        let graph = if pieces.last()?.end < Local::LIMIT { self.graph.finish()? } else { return None };
        let past = (self.seen.width == 1).then_some(Past { counts: self.seen.counts, cuts: self.cuts });
        Some((graph, past))
    }
}

/// A parent and where it stands.
#[derive(Clone, Copy, Default)]
struct Known {
    piece: u32,
    author: u32,
    event: Local,
    clock: u32,
    /// Whether it is the last event of its piece.
    is_last: bool,
}

/// What the first event of each piece has seen, piece by piece: of each author, how many events up to the last one seen,
/// counted from the start of the log. An author's events are a chain, so who has seen one has seen those before it.
struct Seen {
    /// How many blocks each piece has.
    width: usize,
    counts: Vec<Block>,
}

impl Known {
    /// A parent of the last of these pieces.
    fn find(pieces: &[Entry], parent: Parent) -> Option<Self> {
        let Parent::Inside { piece, event } = parent else { return None };
        let &Entry { author, clock, start, end, .. } = pieces.get(piece as usize)?;
        Some(Self { piece, author, event: Local(event), clock: clock + (event - start), is_last: event + 1 == end })
    }
}

/// The counts of a few authors: so many that the larger ones of two blocks are found in one step. They are below 2³⁰, and
/// signed because any processor compares these side by side.
pub(crate) type Block = [i32; MOST_SEEN_EACH];

impl Seen {
    fn with_room(authors: usize, pieces: usize) -> Self {
        let width = authors.div_ceil(MOST_SEEN_EACH);
        Self { width, counts: Vec::with_capacity(width * pieces) }
    }

    /// Adds a piece that goes on with the group of `piece`, whose last event is `event`.
    fn add_going_on(&mut self, piece: u32, author: u32, event: Local) -> Option<()> {
        let (start, row) = (self.counts.len(), piece as usize * self.width);
        // Cannot panic: there is a row for each piece before this one.
        self.counts.extend_from_within(row..row + self.width);
        *count_of(self.counts.get_mut(start..)?, author)? = event.0 as i32 + 1;
        Some(())
    }

    /// Adds a piece with these parents, of which no two are of one piece. `None` when one of them is in the past of
    /// another.
    fn add(&mut self, parents: &[Known]) -> Option<()> {
        if self.width == 1 {
            // As below, and the only block stays in registers.
            let mut block = Block::default();
            for parent in parents {
                let seen = self.counts.get(parent.piece as usize)?;
                block.iter_mut().zip(seen).for_each(|(count, &seen)| *count = seen.max(*count));
            }
            let row = std::slice::from_mut(&mut block);
            add_parents(row, parents)?;
            self.counts.push(block);
            return Some(());
        }
        let start = self.counts.len();
        self.counts.resize(start + self.width, Block::default());
        let (before, row) = self.counts.split_at_mut(start);
        for parent in parents {
            let seen = before.get(parent.piece as usize * self.width..)?;
            for (block, seen) in row.iter_mut().zip(seen) {
                block.iter_mut().zip(seen).for_each(|(count, &seen)| *count = seen.max(*count));
            }
        }
        add_parents(row, parents)
    }

    /// Whether the piece added last has seen this event of an author.
    fn by_last(&mut self, author: u32, event: Local) -> bool {
        let start = self.counts.len() - self.width;
        let row = self.counts.get_mut(start..);
        row.and_then(|row| count_of(row, author)).is_some_and(|count| *count > event.0 as i32)
    }
}

/// Adds the parents themselves to what they have seen. `None` when one of them is in the past of another.
fn add_parents(row: &mut [Block], parents: &[Known]) -> Option<()> {
    for parent in parents {
        if *count_of(row, parent.author)? > parent.event.0 as i32 {
            return None;
        }
    }
    for parent in parents {
        *count_of(row, parent.author)? = parent.event.0 as i32 + 1;
    }
    Some(())
}

#[inline]
fn count_of(row: &mut [Block], author: u32) -> Option<&mut i32> {
    row.get_mut(author as usize / MOST_SEEN_EACH)?.get_mut(author as usize % MOST_SEEN_EACH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Packing;
    use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
    use crate::graph::{Heads, Summary};
    use crate::id::Clock;
    use crate::log::{Log, Part, Pending, Share};
    use crate::random::{Random, seeds};
    use std::ops::Range;

    /// Contents that are a byte for each event.
    #[derive(Clone, Debug, Default)]
    struct Letters(Vec<u8>);

    impl Contents for Letters {
        const MAGIC: &[u8; 4] = b"TEST";
        const UPDATE: &str = "an update of a test";
        fn len(&self) -> u32 {
            self.0.len() as u32
        }
        fn append(&mut self, other: &Self, events: Range<u32>) {
            self.0.extend_from_slice(&other.0[events.start as usize..events.end as usize]);
        }
        fn same(&self, at: u32, other: &Self, events: Range<u32>) -> bool {
            let theirs = &other.0[events.start as usize..events.end as usize];
            self.0[at as usize..].starts_with(theirs)
        }
        fn truncate(&mut self, len: u32) {
            self.0.truncate(len as usize);
        }
        fn write(&self, events: &[Range<u32>], writer: &mut Writer) {
            events.iter().for_each(|events| writer.raw(&self.0[events.start as usize..events.end as usize]));
        }
        fn read(reader: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError> {
            Ok(Self(reader.raw(len as usize)?.to_vec()))
        }
        fn pack(&self, parts: &[Part]) -> (Vec<u32>, Columns) {
            let (mut columns, mut letters) = (Columns::default(), Writer::new());
            let events: Vec<Range<u32>> = parts.iter().map(|part| part.events.clone()).collect();
            self.write(&events, &mut letters);
            columns.add(letters, 1);
            (events.iter().map(|events| events.len() as u32).collect(), columns)
        }
        fn unpack(
            columns: &mut ColumnReader<'_, '_>,
            shares: &[Share],
            _: usize,
        ) -> Result<(Self, Vec<u32>), DecodeError> {
            Ok((Self(columns.next(1)?.into_owned()), shares.iter().map(|share| share.runs).collect()))
        }
        fn tell(&self, events: Range<u32>, _: Option<u32>, tell: &mut dyn FnMut(&[u8])) {
            self.0[events.start as usize..events.end as usize].iter().for_each(|&letter| tell(&[0, letter]));
        }
        fn fitting(&self, events: Range<u32>, _: usize) -> (u32, usize) {
            (events.len() as u32, 0)
        }
        fn memory(&self) -> usize {
            self.0.len()
        }
    }

    /// Agents go on with their groups, or adopt something and start one.
    fn random_log(random: &mut Random, pieces: usize) -> Log<Letters> {
        let mut log = Log::default();
        let agents: Vec<AgentId> =
            (0..1 + random.below(5)).map(|number| AgentId::new(number as u128 * 37 % 11)).collect();
        for _ in 0..pieces {
            let agent = agents[random.below(agents.len())];
            let last = log.graph().last_event(agent);
            let mut seen: Heads = match random.below(3) {
                0 => log.graph().heads(),
                1 => Heads::new(),
                _ => (0..random.below(3)).map(|_| log.len()).filter(|len| len.0 > 0).collect(),
            };
            seen.iter_mut()
                .filter(|event| **event == log.len())
                .for_each(|event| *event = Local(random.below(event.0 as usize) as u32));
            seen.extend(last);
            let parents = log.graph().minimal(seen);
            let goes_on = last.is_some_and(|last| parents[..] == [last]);
            let count = 1 + random.below(6) as u32;
            let group = (!goes_on).then_some(&parents[..]);
            let letters: Vec<u8> = (0..count).map(|_| random.below(256) as u8).collect();
            log.append(agent, group, count, |mine: &mut Letters| mine.0.extend(letters));
        }
        log
    }

    fn taken_one_by_one(update: &Update<Letters>) -> Option<Log<Letters>> {
        let (mut log, mut waiting) = (Log::default(), Pending::default());
        for number in 0..update.piece_count() {
            log.take_piece(&update.piece(number), update.contents(), &mut waiting).ok()?;
        }
        (waiting.event_count() == 0).then_some(log)
    }

    fn assert_same(a: &Log<Letters>, b: &Log<Letters>) {
        let runs = |log: &Log<Letters>| {
            let runs = log.graph().runs_in(Span::new(Local(0), log.len()));
            runs.map(|run| (run.span, run.agent, run.clock, run.parents.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(runs(a), runs(b));
        let versions = |log: &Log<Letters>| (log.graph().heads(), log.graph().critical().collect::<Vec<_>>());
        assert_eq!(versions(a), versions(b));
        assert_eq!((a.graph().summary(), a.graph().groups()), (b.graph().summary(), b.graph().groups()));
        assert!(a.contents().same(0, b.contents(), 0..a.len().0), "the contents differ");
        a.graph().assert_invariants();
    }

    fn packed(log: &Log<Letters>, since: &Summary) -> Vec<u8> {
        log.encode_packed(&log.spans_since(since), Packing::Quick)
    }

    fn in_one_go(bytes: &[u8]) -> Option<Log<Letters>> {
        let update = Update::decode(bytes).expect("what was written can be read");
        let graph = update.graph()?;
        Some(Log { graph, contents: update.contents, ..Log::default() })
    }

    #[test]
    fn a_history_is_the_same_in_one_go_and_piece_by_piece_packed_and_plain() {
        for seed in seeds(300) {
            let random = &mut Random(seed);
            let pieces = 1 + random.below(60);
            let log = random_log(random, pieces);
            let bytes = packed(&log, &Summary::new());
            let whole = in_one_go(&bytes).unwrap_or_else(|| panic!("not by the rules: SEED={seed}"));
            let update = Update::decode(&bytes).expect("what was written can be read");
            let plain = Update::decode(&log.encode_plain(&log.spans_since(&Summary::new()))).expect("it can be read");
            for other in [taken_one_by_one(&update), taken_one_by_one(&plain)] {
                assert_same(&whole, &other.unwrap_or_else(|| panic!("refused: SEED={seed}")));
            }
            assert_eq!(packed(&whole, &Summary::new()), bytes, "SEED={seed}");
            assert_eq!(whole.graph().groups(), log.graph().groups(), "SEED={seed}");
        }
    }

    /// Parts of a history name what they build on from outside; taken in behind it they make the whole.
    #[test]
    fn a_packed_part_goes_on_from_what_is_there() {
        for seed in seeds(300) {
            let random = &mut Random(seed);
            let log = random_log(random, 30);
            let cut = log.graph().runs_in(Span::new(Local(0), log.len())).nth(random.below(log.graph().run_count()));
            let cut = cut.expect("a run of the log").span.end;
            let mut ahead = log.subset(&[Span::new(Local(0), cut)]);
            let rest = Update::decode(&packed(&log, &ahead.graph().summary())).expect("what was written can be read");
            let waiting = ahead.take_in(rest).expect("events of a good log");
            assert_eq!(waiting.event_count(), 0, "SEED={seed}");
            assert_eq!(ahead.graph().groups(), log.graph().groups(), "SEED={seed}");
            assert!(ahead.contents().same(0, log.contents(), 0..log.len().0), "SEED={seed}");
        }
    }

    /// Clocks, parents and authors changed at random: both ways find the same updates good.
    #[test]
    fn in_one_go_and_piece_by_piece_refuse_the_same() {
        let (mut good, mut bad) = (0, 0);
        for seed in seeds(3000) {
            let random = &mut Random(seed);
            let pieces = 2 + random.below(12);
            let log = random_log(random, pieces);
            let mut update = Update::decode(&packed(&log, &Summary::new())).expect("what was written can be read");
            break_something(random, &mut update);
            let (whole, one_by_one) = (update.graph(), taken_one_by_one(&update));
            if !as_written(&update) {
                assert!(whole.is_none(), "what nobody writes is left to the long way: SEED={seed}");
                continue;
            }
            match (whole, one_by_one) {
                (Some(graph), Some(log)) => {
                    assert_same(&Log { graph, contents: update.take_contents(), ..Log::default() }, &log);
                    good += 1;
                }
                (None, None) => bad += 1,
                (whole, _) => panic!("in one go it is {}, piece by piece not: SEED={seed}", whole.is_some()),
            }
        }
        assert!(std::env::var("SEED").is_ok() || (good > 100 && bad > 500), "{good} good ones, {bad} bad ones");
    }

    /// Whether agents are numbered as they appear and no piece is cut in two, as it is in what [`Log::encode`] writes.
    fn as_written(update: &Update<Letters>) -> bool {
        let mut met = 0;
        let in_order = update.pieces.iter().all(|piece| {
            met += u32::from(piece.author == met);
            piece.author < met
        });
        let in_two = |pair: &[Entry]| pair[1].goes_on && pair[0].author == pair[1].author;
        in_order && met as usize == update.agents.len() && !update.pieces.windows(2).any(in_two)
    }

    fn break_something(random: &mut Random, update: &mut Update<Letters>) {
        let number = random.below(update.pieces.len());
        let agents = update.agents.len();
        match random.below(5) {
            0 => update.pieces[number].clock += 1,
            1 => update.pieces[number].author = random.below(agents) as u32,
            2 => {
                update.pieces[number].goes_on ^= update.parents_of(number).is_empty() && update.pieces[number].clock > 0
            }
            _ => {
                // Another parent for one of the pieces, and the clock that it makes where it is by the rule.
                let Some(parent) = (0..update.parents.len()).nth(random.below(update.parents.len().max(1))) else {
                    return;
                };
                let child = update.pieces.partition_point(|piece| piece.parents_end as usize <= parent);
                let piece = random.below(child);
                let events = update.events(piece);
                let event = events.start + random.below(events.len()) as u32;
                update.parents[parent] = Parent::Inside { piece: piece as u32, event };
                if random.below(2) == 0 {
                    let clocks = update.piece(child).parents.unwrap_or_default().into_iter().map(|id| id.clock);
                    let Clock(latest) = clocks.max().unwrap_or_default();
                    update.pieces[child].clock = latest + 1 + random.below(2) as u32;
                }
            }
        }
    }
}
