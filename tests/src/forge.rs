//! Updates written by hand, as a peer that keeps no rule could write them.
//!
//! Knows the bytes of an update, plain and packed, and nothing of the rules; shares no code with the engine. See
//! `engine/FORMAT.md` for the format.
//!
//! ```
//! use cede::{Document, EventId};
//! use cede_tests::forge::{Op, piece, update};
//!
//! let mut document = Document::new();
//! document.import::<cede::Chars>(&update(&[piece(7, 0, Some(&[]), &[Op::Insert(0, "hi")])])).unwrap();
//! assert_eq!(document.text(), "hi");
//! ```

use std::collections::HashMap;

/// Consecutive events of one agent, claimed.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Whose.
    pub agent: u128,
    /// The clock of the first one.
    pub clock: u64,
    /// Of the first one, as agents and clocks; `None` where it goes on with the event before it.
    pub parents: Option<Vec<(u128, u64)>>,
    /// What they do.
    pub ops: Vec<Op>,
}

/// What some events do, one char each.
#[derive(Clone, Debug)]
pub enum Op {
    /// Inserts these chars, the first one here.
    Insert(u64, &'static str),
    /// Deletes so many chars here.
    Delete(u64, u64),
    /// Deletes so many chars backwards, the first one here.
    Backspace(u64, u64),
}

impl Op {
    /// How many events these are.
    pub fn count(&self) -> u64 {
        match *self {
            Self::Insert(_, text) => text.chars().count() as u64,
            Self::Delete(_, count) | Self::Backspace(_, count) => count,
        }
    }

    /// The number of its kind, where it is, and where the caret is behind it.
    fn on_the_way(&self) -> (u64, i64, i64) {
        let count = self.count() as i64;
        match *self {
            Self::Insert(at, _) => (0, at as i64, at as i64 + count),
            Self::Delete(at, _) => (1, at as i64, at as i64),
            Self::Backspace(at, _) => (2, at as i64, at as i64 + 1 - count),
        }
    }
}

/// A piece.
pub fn piece(agent: u128, clock: u64, parents: Option<&[(u128, u64)]>, ops: &[Op]) -> Piece {
    Piece { agent, clock, parents: parents.map(<[_]>::to_vec), ops: ops.to_vec() }
}

/// Agents, numbered by first mention.
#[derive(Default)]
struct Agents {
    all: Vec<u128>,
    numbers: HashMap<u128, u64>,
}

impl Agents {
    fn number(&mut self, agent: u128) -> u64 {
        *self.numbers.entry(agent).or_insert_with(|| {
            self.all.push(agent);
            self.all.len() as u64 - 1
        })
    }

    /// The head of an update of this version.
    fn head(&self, version: u8) -> Vec<u8> {
        let mut bytes = [b"CEDu".as_slice(), &[version]].concat();
        number(&mut bytes, self.all.len() as u64);
        self.all.iter().for_each(|agent| bytes.extend(agent.to_be_bytes()));
        bytes
    }
}

/// These pieces as a plain update, its checksum right.
pub fn update(pieces: &[Piece]) -> Vec<u8> {
    let mut agents = Agents::default();
    let mut number_of = |agent| agents.number(agent);
    let mut body = Vec::new();
    number(&mut body, pieces.len() as u64);
    for piece in pieces {
        number(&mut body, number_of(piece.agent));
        number(&mut body, piece.clock);
        number(&mut body, piece.ops.iter().map(Op::count).sum());
        number(&mut body, piece.parents.as_ref().map_or(0, |parents| parents.len() as u64 + 1));
        for &(agent, clock) in piece.parents.iter().flatten() {
            number(&mut body, number_of(agent));
            number(&mut body, clock);
        }
    }
    let mut bytes = agents.head(1);
    bytes.extend(body);
    write_ops(&mut bytes, &pieces.iter().flat_map(|piece| piece.ops.clone()).collect::<Vec<_>>());
    sealed(bytes)
}

fn write_ops(bytes: &mut Vec<u8>, ops: &[Op]) {
    number(bytes, ops.len() as u64);
    let (mut expected, mut text) = (0i64, String::new());
    for op in ops {
        let (kind, at, next) = op.on_the_way();
        if let Op::Insert(_, inserted) = op {
            text.push_str(inserted);
        }
        number(bytes, op.count() << 2 | kind);
        number(bytes, zigzag(at - expected));
        expected = next;
    }
    number(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}

/// These pieces as a packed update, its checksum right and its columns left as they are. Clocks and authors are written,
/// parents in an earlier piece are named by it.
pub fn packed(pieces: &[Piece]) -> Vec<u8> {
    let mut agents = Agents::default();
    // Heads, authors, runs, steps, offsets, names.
    let mut columns: [Vec<u8>; 6] = Default::default();
    let [heads, authors, runs, steps, offsets, names] = &mut columns;
    for (at, piece) in pieces.iter().enumerate() {
        let others = piece.parents.as_ref().map(Vec::len);
        heads.push(2 * 18 + 9 + others.map_or(0, |others| 1 + others.min(3) as u8));
        number(authors, agents.number(piece.agent));
        number(runs, piece.ops.len() as u64);
        number(names, piece.clock);
        if let Some(more) = others.and_then(|others| others.checked_sub(3)) {
            number(steps, more as u64);
        }
        for &(agent, clock) in piece.parents.iter().flatten() {
            let end = |piece: &Piece| piece.clock + piece.ops.iter().map(Op::count).sum::<u64>();
            let holds = |piece: &Piece| piece.agent == agent && (piece.clock..end(piece)).contains(&clock);
            match pieces[..at].iter().rposition(holds) {
                Some(before) => {
                    number(steps, (at - before) as u64);
                    number(offsets, end(&pieces[before]) - 1 - clock);
                }
                None => {
                    number(steps, 0);
                    number(names, agents.number(agent));
                    number(names, clock);
                }
            }
        }
    }
    let mut bytes = agents.head(2);
    columns.iter().for_each(|column| stored(&mut bytes, column));
    write_op_columns(&mut bytes, pieces);
    sealed(bytes)
}

fn write_op_columns(bytes: &mut Vec<u8>, pieces: &[Piece]) {
    // Heads, lengths, positions, text.
    let mut columns: [Vec<u8>; 4] = Default::default();
    let [heads, lengths, positions, text] = &mut columns;
    let mut carets = std::collections::HashMap::new();
    for piece in pieces {
        let caret = carets.entry(piece.agent).or_insert(0i64);
        for op in &piece.ops {
            let (kind, at, next) = op.on_the_way();
            if let Op::Insert(_, inserted) = op {
                text.extend(inserted.as_bytes());
            }
            let count = op.count();
            heads.push(((kind * 4 + 3) * 20 + count.clamp(1, 20) - 1) as u8);
            if count >= 20 {
                number(lengths, count - 20);
            }
            number(positions, zigzag(at - *caret));
            *caret = next;
        }
    }
    columns.iter().for_each(|column| stored(bytes, column));
}

/// A column left as it is.
fn stored(bytes: &mut Vec<u8>, column: &[u8]) {
    number(bytes, column.len() as u64);
    number(bytes, 0);
    bytes.extend(column);
}

/// Bytes as one zstd frame (RFC 8878): stretches of one byte as RLE blocks, which take four bytes for 128 KiB, all else as
/// it is. No bytes: no frame.
pub fn repeated(bytes: &[u8]) -> Vec<u8> {
    const LONGEST: usize = 128 << 10;
    if bytes.is_empty() {
        return Vec::new();
    }
    // One segment, and its size in four bytes.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend((bytes.len() as u32).to_le_bytes());
    let mut rest = bytes;
    while let Some(&first) = rest.first() {
        let same = |bytes: &[u8]| bytes.iter().take(LONGEST).take_while(|&&byte| byte == bytes[0]).count();
        let (is_same, count) = match same(rest) {
            count @ 8.. => (true, count),
            _ => (
                false,
                (1..rest.len().min(LONGEST)).find(|&at| same(&rest[at..]) >= 8).unwrap_or(rest.len().min(LONGEST)),
            ),
        };
        let (block, after) = rest.split_at(count);
        let head = u32::from(after.is_empty()) | u32::from(is_same) << 1 | (count as u32) << 3;
        frame.extend(&head.to_le_bytes()[..3]);
        if is_same {
            frame.push(first)
        } else {
            frame.extend(block)
        }
        rest = after;
    }
    frame
}

/// The same packed update with each of its columns that is left as it is in a frame ([`repeated`]).
///
/// # Panics
/// When it is no packed update.
pub fn compressed(update: &[u8]) -> Vec<u8> {
    let body = &update[..update.len() - 4];
    // Behind the magic and the version.
    let mut at = 5;
    let read = |bytes: &mut usize| {
        let (mut value, mut shift) = (0usize, 0);
        loop {
            let byte = body[*bytes];
            *bytes += 1;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    };
    let agents = read(&mut at);
    at += 16 * agents;
    let mut bytes = body[..at].to_vec();
    for _ in 0..10 {
        let len = read(&mut at);
        let packed = read(&mut at);
        let column = &body[at..at + if packed > 0 { packed } else { len }];
        at += column.len();
        number(&mut bytes, len as u64);
        let frame = if packed > 0 { column.to_vec() } else { repeated(column) };
        number(&mut bytes, frame.len() as u64);
        bytes.extend(frame);
    }
    sealed(bytes)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// A little-endian base-128 number.
pub fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// The bytes, and behind them their CRC-32.
pub fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

/// CRC-32 as in zlib, bit by bit.
pub fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
