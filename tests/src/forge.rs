//! Updates written by hand, as a peer that keeps no rule could write them.
//!
//! Knows the bytes of an update and nothing of the rules; shares no code with the engine. See
//! `engine/src/log/update.rs` for the format.
//!
//! ```
//! use cede::{Document, EventId};
//! use cede_tests::forge::{Op, piece, update};
//!
//! let mut document = Document::new();
//! document.import::<cede::Chars>(&update(&[piece(7, 0, Some(&[]), &[Op::Insert(0, "hi")])])).unwrap();
//! assert_eq!(document.text(), "hi");
//! ```

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
}

/// A piece.
pub fn piece(agent: u128, clock: u64, parents: Option<&[(u128, u64)]>, ops: &[Op]) -> Piece {
    Piece { agent, clock, parents: parents.map(<[_]>::to_vec), ops: ops.to_vec() }
}

/// These pieces as an update, its checksum right.
pub fn update(pieces: &[Piece]) -> Vec<u8> {
    let mut agents: Vec<u128> = Vec::new();
    let mut number_of = |agent: u128| {
        let known = agents.iter().position(|other| *other == agent);
        known.unwrap_or_else(|| {
            agents.push(agent);
            agents.len() - 1
        }) as u64
    };
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
    let mut bytes = b"CEDu\x01".to_vec();
    number(&mut bytes, agents.len() as u64);
    agents.iter().for_each(|agent| bytes.extend(agent.to_be_bytes()));
    bytes.extend(body);
    write_ops(&mut bytes, &pieces.iter().flat_map(|piece| piece.ops.clone()).collect::<Vec<_>>());
    sealed(bytes)
}

fn write_ops(bytes: &mut Vec<u8>, ops: &[Op]) {
    number(bytes, ops.len() as u64);
    let (mut expected, mut text) = (0i64, String::new());
    for op in ops {
        let count = op.count() as i64;
        let (kind, at, next) = match *op {
            Op::Insert(at, inserted) => {
                text.push_str(inserted);
                (0, at as i64, at as i64 + count)
            }
            Op::Delete(at, _) => (1, at as i64, at as i64),
            Op::Backspace(at, _) => (2, at as i64, at as i64 + 1 - count),
        };
        number(bytes, op.count() << 2 | kind);
        let step = at - expected;
        number(bytes, ((step << 1) ^ (step >> 63)) as u64);
        expected = next;
    }
    number(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
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
