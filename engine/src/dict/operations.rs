//! What the events of a dictionary did: one key set or removed each, and when by somebody's clock.
//!
//! Knows operations and their bytes. Does not know which of them count: that is the entries'. An operation that has been
//! *dropped* is an event whose id and parents are kept, and nothing of what it did: many of them in a row take no more
//! than one.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use crate::codec::{ColumnReader, Columns, DecodeError, Reader, Writer};
use crate::log::{Contents, Part, Share};
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A key, and a value as JSON text, has at most so many bytes, so that one event fits into a message.
pub(crate) const MAX_KEY: usize = 1 << 12;
pub(crate) const MAX_VALUE: usize = 1 << 17;

/// Bytes of memory that a byte of each column becomes at most: a run with its place among the entries; a key and its place
/// among all; itself, and the text that is made of it.
const HEAD_WEIGHT: u32 = 128;
const KEY_WEIGHT: u32 = 128;
const TEXT_WEIGHT: u32 = 2;
/// Read and forgotten.
const NUMBER_WEIGHT: u32 = 1;

const SET: u8 = 0;
const REMOVED: u8 = 1;
const DROPPED: u8 = 2;

/// A key, by its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct KeyId(u32);

/// What one event did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed<'a> {
    /// The value as JSON text; milliseconds since 1970 by the clock of whoever did it, 0 when they did not say.
    Set {
        key: KeyId,
        value: &'a str,
        wall: u64,
    },
    Removed {
        key: KeyId,
        wall: u64,
    },
    /// It was overwritten, and nobody remembers.
    Dropped,
}

#[derive(Clone, Copy, Debug)]
enum Kept {
    Set { key: KeyId, start: u64, len: u32, wall: u64 },
    Removed { key: KeyId, wall: u64 },
    Dropped,
}

/// Consecutive events: one, or any number that were dropped.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The run ends where the next one starts.
    start: u32,
    kept: Kept,
}

/// Invariant: runs cover `0..len`, none is empty, and no two that were dropped are neighbours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    runs: Vec<Run>,
    len: u32,
    values: String,
    keys: Vec<Arc<str>>,
    /// How many events there were when each key came.
    since: Vec<u32>,
    numbers: HashMap<Arc<str>, KeyId, RandomState>,
    dropped: u32,
}

impl Operations {
    /// How many events were dropped.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }

    pub(crate) fn find_key(&self, key: &str) -> Option<KeyId> {
        self.numbers.get(key).copied()
    }

    pub(crate) fn key(&self, id: KeyId) -> &str {
        self.keys.get(id.0 as usize).map_or("", |key| key)
    }

    /// What an event did. O(log runs).
    pub(crate) fn deed(&self, event: u32) -> Deed<'_> {
        let number = self.run_of(event);
        self.runs.get(number).map_or(Deed::Dropped, |run| self.deed_of(run.kept))
    }

    fn deed_of(&self, kept: Kept) -> Deed<'_> {
        match kept {
            Kept::Set { key, start, len, wall } => {
                let (start, len) = (start as usize, len as usize);
                Deed::Set { key, value: self.values.get(start..start + len).unwrap_or_default(), wall }
            }
            Kept::Removed { key, wall } => Deed::Removed { key, wall },
            Kept::Dropped => Deed::Dropped,
        }
    }

    fn run_of(&self, event: u32) -> usize {
        self.runs.partition_point(|run| run.start <= event).saturating_sub(1)
    }

    fn run_end(&self, number: usize) -> u32 {
        self.runs.get(number + 1).map_or(self.len, |next| next.start)
    }

    /// What these events did, those that were dropped together.
    pub(crate) fn deeds(&self, events: Range<u32>) -> impl Iterator<Item = (Range<u32>, Deed<'_>)> {
        let first = if events.is_empty() { self.runs.len() } else { self.run_of(events.start) };
        let runs = self.runs.iter().enumerate().skip(first).take_while(move |(_, run)| run.start < events.end);
        runs.map(move |(number, run)| {
            let part = run.start.max(events.start)..self.run_end(number).min(events.end);
            (part, self.deed_of(run.kept))
        })
    }

    pub(crate) fn enter_key(&mut self, key: &str) -> KeyId {
        if let Some(known) = self.find_key(key) {
            return known;
        }
        let (id, key): (KeyId, Arc<str>) = (KeyId(self.keys.len() as u32), key.into());
        self.keys.push(Arc::clone(&key));
        self.since.push(self.len);
        self.numbers.insert(key, id);
        id
    }

    /// A value as JSON text, of at most [`MAX_VALUE`] bytes.
    pub(crate) fn set(&mut self, key: &str, value: &str, wall: u64) {
        let key = self.enter_key(key);
        let (start, len) = (self.values.len() as u64, value.len() as u32);
        self.values.push_str(value);
        self.push(Kept::Set { key, start, len, wall });
    }

    pub(crate) fn remove(&mut self, key: &str, wall: u64) {
        let key = self.enter_key(key);
        self.push(Kept::Removed { key, wall });
    }

    pub(crate) fn drop_events(&mut self, count: u32) {
        if count == 0 {
            return;
        }
        if !matches!(self.runs.last(), Some(Run { kept: Kept::Dropped, .. })) {
            self.runs.push(Run { start: self.len, kept: Kept::Dropped });
        }
        self.len += count;
        self.dropped += count;
    }

    fn push(&mut self, kept: Kept) {
        self.runs.push(Run { start: self.len, kept });
        self.len += 1;
    }

    fn is_same(&self, deed: Deed<'_>, other: &Self, theirs: Deed<'_>) -> bool {
        match (deed, theirs) {
            (Deed::Dropped, _) | (_, Deed::Dropped) => true,
            (Deed::Set { key, value, wall }, Deed::Set { key: their_key, value: their_value, wall: their_wall }) => {
                (self.key(key), value, wall) == (other.key(their_key), their_value, their_wall)
            }
            (Deed::Removed { key, wall }, Deed::Removed { key: their_key, wall: their_wall }) => {
                (self.key(key), wall) == (other.key(their_key), their_wall)
            }
            _ => false,
        }
    }

    /// Adds a copy of what events of another log did.
    pub(crate) fn copy(&mut self, other: &Self, deed: Deed<'_>, count: u32) {
        match deed {
            Deed::Set { key, value, wall } => self.set(other.key(key), value, wall),
            Deed::Removed { key, wall } => self.remove(other.key(key), wall),
            Deed::Dropped => self.drop_events(count),
        }
    }
}

impl Contents for Operations {
    const MAGIC: &[u8; 4] = b"CEDk";
    const UPDATE: &str = "an update of a Cede dictionary";

    fn len(&self) -> u32 {
        self.len
    }

    fn append(&mut self, other: &Self, events: Range<u32>) {
        other.deeds(events).for_each(|(part, deed)| self.copy(other, deed, part.end - part.start));
    }

    /// What was dropped may have been anything, so it is passed by runs: one of 2³⁰ events is a few bytes.
    fn same(&self, at: u32, other: &Self, events: Range<u32>) -> bool {
        let first = events.start;
        other.deeds(events).all(|(part, theirs)| match theirs {
            Deed::Dropped => true,
            // One event.
            theirs => self.is_same(self.deed(at + (part.start - first)), other, theirs),
        })
    }

    fn truncate(&mut self, len: u32) {
        let kept = self.runs.partition_point(|run| run.start < len);
        let gone = self.runs.iter().skip(kept);
        let start = gone.clone().find_map(|run| match run.kept {
            Kept::Set { start, .. } => Some(start as usize),
            _ => None,
        });
        if let Some(start) = start {
            self.values.truncate(start);
        }
        self.runs.truncate(kept);
        self.len = self.len.min(len);
        self.dropped = (0..self.runs.len())
            .filter(|&number| matches!(self.runs.get(number), Some(Run { kept: Kept::Dropped, .. })))
            .map(|number| self.run_end(number) - self.runs.get(number).map_or(0, |run| run.start))
            .sum();
        let keys = self.since.partition_point(|&since| since < len);
        for key in self.keys.drain(keys..) {
            self.numbers.remove(&key);
        }
        self.since.truncate(keys);
    }

    fn write(&self, events: &[Range<u32>], writer: &mut Writer) {
        let mut part = Self::default();
        events.iter().for_each(|range| part.append(self, range.clone()));
        let mut written = Written::default();
        written.part(&part, 0..part.len);
        written.columns().into_iter().for_each(|(column, _)| writer.string(&column.finish()));
    }

    fn read(reader: &mut Reader<'_>, len: u32) -> Result<Self, DecodeError> {
        let mut columns = [&[][..]; 6];
        for column in &mut columns {
            *column = reader.string()?;
        }
        let read = Reading::new(columns).and_then(|mut reading| {
            while reading.heads.remaining() > 0 {
                reading.runs(1)?;
            }
            reading.finish()
        });
        match read {
            Ok(operations) if operations.len == len => Ok(operations),
            Ok(_) => Err(reader.invalid("operations and events differ in number")),
            // Offsets within a column would say nothing here.
            Err(DecodeError::Invalid { what, .. }) => Err(reader.invalid(what)),
            Err(_) => Err(reader.invalid("operations that end too early or go on too long")),
        }
    }

    fn pack(&self, parts: &[Part]) -> (Vec<u32>, Columns) {
        let mut written = Written::default();
        let runs = parts.iter().map(|part| written.part(self, part.events.clone())).collect();
        let mut columns = Columns::default();
        written.columns().into_iter().for_each(|(column, weight)| columns.add(column, weight));
        (runs, columns)
    }

    fn unpack(columns: &mut ColumnReader<'_, '_>, shares: &[Share], _: usize) -> Result<(Self, Vec<u32>), DecodeError> {
        let read = columns.all(Written::default().columns().map(|(_, weight)| weight))?;
        let mut reading = Reading::new(read.each_ref().map(|column| &**column))?;
        let mut counts = Vec::with_capacity(shares.len());
        for share in shares {
            match reading.runs(share.runs)? {
                0 => return Err(columns.invalid("a piece without operations")),
                count => counts.push(count),
            }
        }
        Ok((reading.finish()?, counts))
    }

    fn tell(&self, events: Range<u32>, _: Option<u32>, tell: &mut dyn FnMut(&[u8])) {
        for (part, deed) in self.deeds(events) {
            match deed {
                Deed::Set { key, value, wall } => {
                    tell(&[SET]);
                    tell_string(self.key(key), tell);
                    tell_string(value, tell);
                    tell(&wall.to_le_bytes());
                }
                Deed::Removed { key, wall } => {
                    tell(&[REMOVED]);
                    tell_string(self.key(key), tell);
                    tell(&wall.to_le_bytes());
                }
                Deed::Dropped => tell_dropped(part.end - part.start, tell),
            }
        }
    }

    fn fitting(&self, events: Range<u32>, max_bytes: usize) -> (u32, usize) {
        // A head, a number for the key, a time.
        const OPERATION: usize = 16;
        let (mut count, mut bytes) = (0, 0);
        for (part, deed) in self.deeds(events) {
            let more = OPERATION
                + match deed {
                    Deed::Set { key, value, .. } => self.key(key).len() + value.len(),
                    Deed::Removed { key, .. } => self.key(key).len(),
                    Deed::Dropped => 0,
                };
            if bytes + more > max_bytes {
                break;
            }
            (count, bytes) = (count + (part.end - part.start), bytes + more);
        }
        (count, bytes)
    }

    fn memory(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| key.len() + 64).sum();
        size_of::<Self>() + self.runs.len() * size_of::<Run>() + self.values.len() + keys
    }
}

/// A byte for each event, many at once.
fn tell_dropped(count: u32, tell: &mut dyn FnMut(&[u8])) {
    const MANY: [u8; 1 << 10] = [DROPPED; 1 << 10];
    let mut left = count as usize;
    while let Some(some) = MANY.get(..left.min(MANY.len())).filter(|some| !some.is_empty()) {
        tell(some);
        left -= some.len();
    }
}

fn tell_string(text: &str, tell: &mut dyn FnMut(&[u8])) {
    tell(&(text.len() as u32).to_le_bytes());
    tell(text.as_bytes());
}

/// The columns of operations. A key is written where it is first named; after that it is a number.
#[derive(Default)]
struct Written {
    heads: Writer,
    keys: Writer,
    lengths: Writer,
    walls: Writer,
    names: Writer,
    values: Writer,
    numbers: HashMap<KeyId, u64, RandomState>,
    wall: u64,
}

impl Written {
    /// Writes what these events did and returns how many runs that is.
    fn part(&mut self, operations: &Operations, events: Range<u32>) -> u32 {
        let mut runs = 0;
        for (part, deed) in operations.deeds(events) {
            match deed {
                Deed::Set { key, value, wall } => {
                    self.heads.byte(SET);
                    self.key(operations, key);
                    self.lengths.number(value.len() as u64);
                    self.values.raw(value.as_bytes());
                    self.wall(wall);
                }
                Deed::Removed { key, wall } => {
                    self.heads.byte(REMOVED);
                    self.key(operations, key);
                    self.wall(wall);
                }
                Deed::Dropped => {
                    self.heads.byte(DROPPED);
                    self.lengths.number(u64::from(part.end - part.start));
                }
            }
            runs += 1;
        }
        runs
    }

    /// 0 and the key's length, or one more than its number.
    fn key(&mut self, operations: &Operations, key: KeyId) {
        if let Some(number) = self.numbers.get(&key) {
            return self.keys.number(number + 1);
        }
        let name = operations.key(key);
        self.keys.number(0);
        self.keys.number(name.len() as u64);
        self.names.raw(name.as_bytes());
        self.numbers.insert(key, self.numbers.len() as u64);
    }

    /// How much later it was than the one before.
    fn wall(&mut self, wall: u64) {
        self.walls.signed(wall.wrapping_sub(self.wall) as i64);
        self.wall = wall;
    }

    fn columns(self) -> [(Writer, u32); 6] {
        [
            (self.heads, HEAD_WEIGHT),
            (self.keys, KEY_WEIGHT),
            (self.lengths, NUMBER_WEIGHT),
            (self.walls, NUMBER_WEIGHT),
            (self.names, TEXT_WEIGHT),
            (self.values, TEXT_WEIGHT),
        ]
    }
}

struct Reading<'a> {
    operations: Operations,
    heads: Reader<'a>,
    keys: Reader<'a>,
    lengths: Reader<'a>,
    walls: Reader<'a>,
    names: &'a str,
    values: &'a str,
    known: Vec<&'a str>,
    wall: u64,
}

impl<'a> Reading<'a> {
    fn new(columns: [&'a [u8]; 6]) -> Result<Self, DecodeError> {
        let [heads, keys, lengths, walls, names, values] = columns;
        let utf8 =
            |bytes| std::str::from_utf8(bytes).map_err(|_| Reader::new(&[]).invalid("keys or values are not UTF-8"));
        Ok(Self {
            operations: Operations::default(),
            heads: Reader::new(heads),
            keys: Reader::new(keys),
            lengths: Reader::new(lengths),
            walls: Reader::new(walls),
            names: utf8(names)?,
            values: utf8(values)?,
            known: Vec::new(),
            wall: 0,
        })
    }

    /// Reads so many runs and returns how many events they are.
    fn runs(&mut self, count: u32) -> Result<u32, DecodeError> {
        let before = self.operations.len;
        for _ in 0..count {
            match self.heads.byte()? {
                SET => {
                    let key = self.key()?;
                    let len = self.lengths.number()?;
                    let value = take(&mut self.values, len, MAX_VALUE, &self.lengths)?;
                    if serde_json::from_str::<serde::de::IgnoredAny>(value).is_err() {
                        return Err(self.lengths.invalid("a value that is not JSON"));
                    }
                    let wall = self.wall()?;
                    self.operations.set(key, value, wall);
                }
                REMOVED => {
                    let (key, wall) = (self.key()?, self.wall()?);
                    self.operations.remove(key, wall);
                }
                DROPPED => {
                    let room = crate::id::Local::LIMIT - 1 - self.operations.len;
                    let count = self.lengths.bounded(room.into())? as u32;
                    if count == 0 {
                        return Err(self.lengths.invalid("nothing was dropped"));
                    }
                    self.operations.drop_events(count);
                }
                _ => return Err(self.heads.invalid("no such operation on a dictionary")),
            }
        }
        Ok(self.operations.len - before)
    }

    fn key(&mut self) -> Result<&'a str, DecodeError> {
        if let Some(number) = self.keys.number()?.checked_sub(1) {
            let known = usize::try_from(number).ok().and_then(|number| self.known.get(number)).copied();
            return known.ok_or_else(|| self.keys.invalid("a key that has not been named"));
        }
        let len = self.keys.number()?;
        let key = take(&mut self.names, len, MAX_KEY, &self.keys)?;
        self.known.push(key);
        Ok(key)
    }

    fn wall(&mut self) -> Result<u64, DecodeError> {
        self.wall = self.wall.wrapping_add(self.walls.signed()? as u64);
        Ok(self.wall)
    }

    fn finish(self) -> Result<Operations, DecodeError> {
        [&self.heads, &self.keys, &self.lengths, &self.walls].into_iter().try_for_each(Reader::end)?;
        match self.names.is_empty() && self.values.is_empty() {
            true => Ok(self.operations),
            false => Err(self.heads.invalid("more text than keys and values have")),
        }
    }
}

fn take<'a>(rest: &mut &'a str, len: u64, most: usize, reader: &Reader<'_>) -> Result<&'a str, DecodeError> {
    let len = usize::try_from(len).ok().filter(|&len| len <= most);
    let cut = len.and_then(|len| rest.split_at_checked(len));
    let (text, behind) = cut.ok_or_else(|| reader.invalid("a key or value that is too long, or ends too early"))?;
    *rest = behind;
    Ok(text)
}
