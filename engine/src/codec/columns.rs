//! Columns: byte strings that belong side by side, each compressed on its own where that makes it shorter.
//!
//! Knows bytes only. A column is what one kind of number of many records makes when it is written by itself, so that
//! like stands beside like; it is compressed with zstd (RFC 8878), one frame for each column.
//!
//! ```text
//! column    unpacked length, packed length, bytes     packed length 0: the bytes are the column itself
//! ```
//!
//! A few bytes may claim to unpack to gigabytes. So a reader gives out no more memory than [`allowance`] grants for
//! the bytes that came: each column says how many bytes of memory one of its bytes becomes at most (its *weight*), and a
//! writer leaves columns as they are rather than exceed what a reader will grant.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{DecodeError, Reader, Writer};
use std::borrow::Cow;
use structured_zstd::decoding::{FrameContentSize, FrameDecoder, find_frame_compressed_size, read_frame_content_size};
use structured_zstd::encoding::{CompressionLevel, compress_slice_to_vec};

/// Bytes of memory that `packed` bytes may grow into. What 64 KiB from a stranger become stays below 16 MiB; recorded
/// sessions of people need 10 to 20 times their packed size.
fn allowance(packed: usize) -> u64 {
    (14 << 20).max(192 * packed as u64)
}

/// What matters most about the bytes. A reader takes all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    /// That they are written soon, because they are sent once: about 10 ns a byte.
    Quick,
    /// That they are few, because they are kept: about 250 ns a byte, and a tenth shorter.
    Thorough,
    /// That they are read at once: in half the time of the others, and twice as long.
    Swift,
}

impl Packing {
    fn level(self) -> CompressionLevel {
        CompressionLevel::from_level(match self {
            Self::Quick => 5,
            // Above 17, zstd takes twice the time for 0.2 % fewer bytes (measured on texts of 24 KB to 1.2 MB).
            Self::Thorough => 17,
            // Literals that are not compressed themselves are what makes this fast to read.
            Self::Swift => -7,
        })
    }
}

/// Columns being written.
#[derive(Default)]
pub(crate) struct Columns {
    columns: Vec<Column>,
}

struct Column {
    bytes: Vec<u8>,
    weight: u32,
}

impl Columns {
    /// Adds a column of which each byte becomes at most `weight` bytes of memory.
    pub(crate) fn add(&mut self, column: Writer, weight: u32) {
        self.columns.push(Column { bytes: column.finish(), weight });
    }

    /// Adds others behind these.
    pub(crate) fn extend(&mut self, others: Self) {
        self.columns.extend(others.columns);
    }

    /// Writes them in the order in which they were added.
    pub(crate) fn write(self, packing: Packing, writer: &mut Writer) {
        let mut packed: Vec<Option<Vec<u8>>> = self.columns.iter().map(|column| column.pack(packing)).collect();
        let cost: u64 = self.columns.iter().map(Column::cost).sum();
        loop {
            let written =
                |(column, packed): (&Column, &Option<Vec<u8>>)| packed.as_ref().map_or(column.bytes.len(), Vec::len);
            if cost <= allowance(self.columns.iter().zip(&packed).map(written).sum()) {
                break;
            }
            let both = self.columns.iter().zip(&mut packed).filter(|(_, packed)| packed.is_some());
            let Some((_, costly)) = both.max_by_key(|(column, _)| column.bytes.len()) else { break };
            *costly = None;
        }
        for (column, packed) in self.columns.iter().zip(&packed) {
            writer.number(column.bytes.len() as u64);
            writer.string(packed.as_deref().unwrap_or_default());
            if packed.is_none() {
                writer.raw(&column.bytes);
            }
        }
    }
}

impl Column {
    fn cost(&self) -> u64 {
        self.bytes.len() as u64 * u64::from(self.weight)
    }

    fn pack(&self, packing: Packing) -> Option<Vec<u8>> {
        // The head of a frame alone takes about this much.
        const LEAST: usize = 16;
        let packed = (self.bytes.len() > LEAST).then(|| compress_slice_to_vec(&self.bytes, packing.level()))?;
        (packed.len() < self.bytes.len()).then_some(packed)
    }
}

/// Reads columns in the order in which they were written.
pub(crate) struct ColumnReader<'r, 'a> {
    reader: &'r mut Reader<'a>,
    decoder: FrameDecoder,
    /// Bytes of memory that may still be taken.
    granted: u64,
}

impl<'r, 'a> ColumnReader<'r, 'a> {
    /// The columns that stand next in `reader`, within what the bytes left in it are granted.
    pub(crate) fn new(reader: &'r mut Reader<'a>) -> Self {
        let granted = allowance(reader.remaining());
        Self { reader, decoder: FrameDecoder::new(), granted }
    }

    /// The next column, to be read to its end. `weight` as it was written with.
    pub(crate) fn next(&mut self, weight: u32) -> Result<Cow<'a, [u8]>, DecodeError> {
        let len = self.reader.bounded(self.granted / u64::from(weight))?;
        self.granted -= len * u64::from(weight);
        let len = usize::try_from(len).map_err(|_| self.invalid("a column larger than memory"))?;
        let packed = self.reader.string()?;
        if packed.is_empty() {
            return self.reader.raw(len).map(Cow::Borrowed);
        }
        if says_that_it_is_empty(packed) {
            return Err(self.invalid("a column with a frame that says that it is empty"));
        }
        // A buffer of the right size is all that is ever written to, so no window that a frame claims is reserved.
        let mut column = vec![0; len];
        match self.decoder.decode_all(packed, &mut column) {
            Ok(unpacked) if unpacked == len => Ok(Cow::Owned(column)),
            _ => Err(self.invalid("a column does not unpack to the length that it says")),
        }
    }

    /// The next columns, one for each weight.
    pub(crate) fn all<const N: usize>(&mut self, weights: [u32; N]) -> Result<[Cow<'a, [u8]>; N], DecodeError> {
        let mut columns = std::array::from_fn(|_| Cow::default());
        for (column, weight) in columns.iter_mut().zip(weights) {
            *column = self.next(weight)?;
        }
        Ok(columns)
    }

    pub(crate) fn invalid(&self, what: &'static str) -> DecodeError {
        self.reader.invalid(what)
    }
}

/// Whether one of these frames, as far as they can be told apart, says that nothing is in it. What is in it all the same
/// would not be written to the buffer that is there for it, but to a window of megabytes.
fn says_that_it_is_empty(packed: &[u8]) -> bool {
    let mut rest = packed;
    while !rest.is_empty() {
        if matches!(read_frame_content_size(rest), Ok(FrameContentSize::Known(0))) {
            return true;
        }
        let next = find_frame_compressed_size(rest).ok().and_then(|size| rest.get(size..));
        rest = next.filter(|next| next.len() < rest.len()).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(columns: &[(&[u8], u32)], packing: Packing) -> Vec<u8> {
        let mut all = Columns::default();
        for &(bytes, weight) in columns {
            let mut column = Writer::new();
            column.raw(bytes);
            all.add(column, weight);
        }
        let mut writer = Writer::new();
        all.write(packing, &mut writer);
        writer.finish()
    }

    #[test]
    fn columns_are_read_back_as_written() {
        let repeated = b"words stay whole, ".repeat(100);
        let columns: [(&[u8], u32); 4] = [(b"", 1), (b"short", 9), (&repeated, 3), (&[7; 200], 1)];
        for packing in [Packing::Quick, Packing::Thorough, Packing::Swift] {
            let bytes = written(&columns, packing);
            assert!(bytes.len() < 130, "{} bytes for what is mostly repeated", bytes.len());
            let mut reader = Reader::new(&bytes);
            let mut read = ColumnReader::new(&mut reader);
            for (column, weight) in columns {
                assert_eq!(read.next(weight).as_deref(), Ok(column));
            }
            assert_eq!(reader.end(), Ok(()));
            for end in 0..bytes.len() {
                let mut reader = Reader::new(&bytes[..end]);
                let mut read = ColumnReader::new(&mut reader);
                let all = columns.iter().try_for_each(|&(_, weight)| read.next(weight).map(drop));
                assert!(all.is_err(), "the first {end} bytes were taken for all columns");
            }
        }
    }

    #[test]
    fn what_would_grow_beyond_all_measure_is_written_as_it_is() {
        let zeros = vec![0; 1 << 20];
        let bytes = written(&[(&zeros, 10)], Packing::Quick);
        assert!(bytes.len() < 200, "10 MiB are granted");
        let bytes = written(&[(&zeros, 20), (&[7; 200], 20)], Packing::Quick);
        assert!((1 << 20..1 << 20 | 100).contains(&bytes.len()), "20 MiB for {} bytes", bytes.len());
        let mut reader = Reader::new(&bytes);
        assert_eq!(ColumnReader::new(&mut reader).next(20).as_deref(), Ok(&zeros[..]));
    }

    #[test]
    fn a_claim_beyond_the_allowance_is_refused_before_it_is_reserved() {
        let zeros = vec![0; 1 << 20];
        let bytes = written(&[(&zeros, 1)], Packing::Quick);
        let refused = ColumnReader::new(&mut Reader::new(&bytes)).next(20);
        assert!(matches!(refused, Err(DecodeError::NumberTooLarge { offset: 0, .. })), "{refused:?}");
        let mut writer = Writer::new();
        writer.number(1 << 40);
        writer.string(b"x");
        assert!(ColumnReader::new(&mut Reader::new(&writer.finish())).next(1).is_err());
    }
}
