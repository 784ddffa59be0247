//! Numbers and byte strings as bytes: little-endian base-128 varints, written to a `Vec<u8>` and read with every length
//! checked.
//!
//! Knows nothing of what the bytes mean. A reader never trusts a length: what is claimed must be there. `columns` packs
//! many numbers of a kind.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

mod columns;

pub(crate) use columns::{ColumnReader, Columns, Packing};

use std::fmt;

/// Appends numbers and byte strings to a buffer.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// 1 byte below 128, at most 10.
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// 16 bytes, big-endian.
    pub(crate) fn wide(&mut self, value: u128) {
        self.raw(&value.to_be_bytes());
    }

    /// A signed number, small magnitudes short (zigzag).
    pub(crate) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    /// A length and the bytes.
    pub(crate) fn string(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.raw(bytes);
    }

    /// The CRC-32 of everything written so far, little-endian.
    pub(crate) fn checksum(&mut self) {
        let crc = crc32fast::hash(&self.bytes);
        self.raw(&crc.to_le_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads what a [`Writer`] wrote, from bytes that nobody vouches for.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Takes the last four bytes for the CRC-32 of those before them and leaves these to be read.
    pub(crate) fn checked(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let Some((body, crc)) = bytes.split_last_chunk::<4>() else {
            return Err(DecodeError::Truncated { offset: bytes.len() });
        };
        let (found, expected) = (crc32fast::hash(body), u32::from_le_bytes(*crc));
        if found != expected {
            return Err(DecodeError::Checksum { expected, found });
        }
        Ok(Self::new(body))
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = *self.bytes.get(self.at).ok_or(DecodeError::Truncated { offset: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn raw(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(count);
        let bytes = end.and_then(|end| self.bytes.get(self.at..end));
        let bytes = bytes.ok_or(DecodeError::Truncated { offset: self.at })?;
        self.at += count;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, DecodeError> {
        match self.bytes.get(self.at) {
            // Most numbers are small.
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => {
                let (value, end) = long_number(self.bytes, self.at)?;
                self.at = end;
                Ok(value)
            }
        }
    }

    /// A number where one is written, else 0, without a branch on which it is: for numbers that nobody can foresee.
    #[inline]
    pub(crate) fn number_if(&mut self, is_written: bool) -> Result<u64, DecodeError> {
        if let Some((word, _)) = self.bytes.get(self.at..).and_then(|rest| rest.split_first_chunk::<8>()) {
            let word = u64::from_le_bytes(*word);
            // The first byte without its top bit is the last of the number.
            let len = (!word & 0x8080_8080_8080_8080).trailing_zeros() / 8 + 1;
            if len <= 5 {
                let word = word & u64::MAX >> (64 - 8 * len);
                let group = |number: u32| word >> number & 0x7f << (7 * number);
                let value = group(0) | group(1) | group(2) | group(3) | group(4);
                self.at += len as usize * usize::from(is_written);
                return Ok(value * u64::from(is_written));
            }
        }
        if is_written { self.number() } else { Ok(0) }
    }

    /// A number of at most `limit`.
    #[inline]
    pub(crate) fn bounded(&mut self, limit: u64) -> Result<u64, DecodeError> {
        let offset = self.at;
        let value = self.number()?;
        if value > limit { Err(DecodeError::NumberTooLarge { offset, limit }) } else { Ok(value) }
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.bounded(u64::from(u32::MAX)).map(|value| value as u32)
    }

    pub(crate) fn wide(&mut self) -> Result<u128, DecodeError> {
        Ok(self.raw(16)?.iter().fold(0, |value, &byte| value << 8 | u128::from(byte)))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, DecodeError> {
        self.number().map(zigzag)
    }

    /// As [`number_if`](Self::number_if).
    #[inline]
    pub(crate) fn signed_if(&mut self, is_written: bool) -> Result<i64, DecodeError> {
        self.number_if(is_written).map(zigzag)
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.bounded(self.remaining() as u64)?;
        self.raw(length as usize)
    }

    /// A number of things that take at least one byte each, so that nobody is made to reserve more than came.
    pub(crate) fn count(&mut self) -> Result<usize, DecodeError> {
        self.bounded(self.remaining() as u64).map(|count| count as usize)
    }

    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            extra => Err(DecodeError::TrailingBytes { offset: self.at, extra }),
        }
    }

    #[inline]
    pub(crate) fn invalid(&self, what: &'static str) -> DecodeError {
        DecodeError::Invalid { offset: self.at, what }
    }
}

/// The number at `start`, however long, and where it ends. It takes no reader, so that one in a loop can stay in
/// registers.
fn long_number(bytes: &[u8], start: usize) -> Result<(u64, usize), DecodeError> {
    let mut value = 0u64;
    for (number, shift) in (0..64).step_by(7).enumerate() {
        let at = start + number;
        let byte = *bytes.get(at).ok_or(DecodeError::Truncated { offset: at })?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            break;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return Ok((value, at + 1));
        }
    }
    Err(DecodeError::NumberTooLarge { offset: start, limit: u64::MAX })
}

#[inline]
fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Bytes that are not what they should be. Offsets count from the start of the message or record, and inside a packed
/// column from the start of what it unpacks to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DecodeError {
    /// The bytes end before what they promise.
    Truncated {
        /// Where more was expected.
        offset: usize,
    },
    /// A number is larger than it can be there.
    NumberTooLarge {
        /// Where the number starts.
        offset: usize,
        /// The largest that could be there.
        limit: u64,
    },
    /// There is more after the end.
    TrailingBytes {
        /// Where the end should be.
        offset: usize,
        /// How many bytes follow.
        extra: usize,
    },
    /// The checksum differs: the bytes were damaged on their way.
    Checksum {
        /// The checksum that came with the bytes.
        expected: u32,
        /// The checksum of the bytes as they are.
        found: u32,
    },
    /// Not this kind of data at all.
    Magic {
        /// The kind expected.
        expected: &'static str,
    },
    /// Written by a version of the format that this program does not know.
    Version {
        /// The version found.
        found: u8,
        /// The newest one known.
        known: u8,
    },
    /// A value that breaks a rule of the format.
    Invalid {
        /// Where it was noticed.
        offset: usize,
        /// Which rule.
        what: &'static str,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { offset } => write!(f, "the data ends too early, at byte {offset}"),
            Self::NumberTooLarge { offset, limit } => write!(f, "the number at byte {offset} is larger than {limit}"),
            Self::TrailingBytes { offset, extra } => write!(f, "{extra} bytes too many after byte {offset}"),
            Self::Checksum { expected, found } => {
                write!(f, "the checksum is {found:08x}, {expected:08x} was expected: the data is damaged")
            }
            Self::Magic { expected } => write!(f, "this is not {expected}"),
            Self::Version { found, known } => {
                write!(f, "written in version {found} of the format, this program knows versions up to {known}")
            }
            Self::Invalid { offset, what } => write!(f, "at byte {offset}: {what}"),
        }
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_back_as_written() {
        let mut writer = Writer::new();
        let values =
            [0, 1, 127, 128, 300, 1 << 14, 1 << 21, 1 << 28, u64::from(u32::MAX), (1 << 35) - 1, 1 << 35, u64::MAX];
        values.iter().for_each(|&value| writer.number(value));
        [0, -1, 1, i64::MIN, i64::MAX].iter().for_each(|&value| writer.signed(value));
        let bytes = writer.finish();
        let mut reader = Reader::new(&bytes);
        let mut without_branches = Reader::new(&bytes);
        for value in values {
            assert_eq!(reader.number(), Ok(value));
            assert_eq!(without_branches.number_if(false), Ok(0));
            assert_eq!(without_branches.number_if(true), Ok(value));
        }
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(reader.signed(), Ok(value));
        }
        assert_eq!(reader.end(), Ok(()));
    }

    #[test]
    fn a_claimed_length_beyond_the_end_is_refused() {
        let mut writer = Writer::new();
        writer.number(1 << 40);
        let bytes = writer.finish();
        assert!(Reader::new(&bytes).string().is_err());
        assert!(Reader::new(&bytes).count().is_err());
        assert_eq!(Reader::new(&[0x80; 11]).number(), Err(DecodeError::NumberTooLarge { offset: 0, limit: u64::MAX }));
    }

    #[test]
    fn one_flipped_bit_fails_the_checksum() {
        let mut writer = Writer::new();
        writer.string(b"words");
        writer.checksum();
        let mut bytes = writer.finish();
        assert!(Reader::checked(&bytes).is_ok());
        bytes[2] ^= 4;
        assert!(matches!(Reader::checked(&bytes), Err(DecodeError::Checksum { .. })));
    }
}
