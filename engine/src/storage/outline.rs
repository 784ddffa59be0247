//! Which records a log file has, without reading what they hold.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use super::{HEAD, Kind, SEAL, START, StorageError, version_of};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Take};
use std::ops::Range;
use std::path::Path;

/// The records of a log file by their places. Checksums are not looked at.
#[derive(Debug)]
pub struct Outline {
    file: File,
    records: Vec<(Kind, Range<u64>)>,
}

impl Outline {
    /// Goes from record to record. O(records), however long they are. `None` where the file does not end with a whole
    /// record: what is there then, [`LogFile::read`](super::LogFile::read) finds out.
    ///
    /// # Errors
    /// No log file, or one of a later version; what the file system says.
    pub fn read(path: &Path) -> Result<Option<Self>, StorageError> {
        let io = |cause| StorageError::Io { path: path.to_owned(), cause };
        let mut file = File::open(path).map_err(io)?;
        let end = file.metadata().map_err(io)?.len();
        let mut start = [0; START as usize];
        if end < START {
            return Ok(None);
        }
        file.read_exact(&mut start).map_err(io)?;
        version_of(&start, path)?;
        let (mut records, mut at) = (Vec::new(), START);
        while at < end {
            let mut head = [0; HEAD];
            if end - at < HEAD as u64 {
                return Ok(None);
            }
            file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut head)).map_err(io)?;
            let [kind, a, b, c, d, ..] = head;
            let payload = at + HEAD as u64;
            at = payload + u64::from(u32::from_le_bytes([a, b, c, d]));
            match Kind::from_code(kind).filter(|_| at <= end) {
                Some(kind) => records.push((kind, payload..at)),
                None if kind == SEAL && at <= end => {}
                None => return Ok(None),
            }
        }
        Ok(Some(Self { file, records }))
    }

    /// What each record holds, in order.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.records.iter().map(|(kind, _)| *kind)
    }

    /// The payload of a record, to be read from the file as it is needed; `None` when there is no such record.
    ///
    /// # Errors
    /// What the file system says.
    pub fn into_payload(mut self, number: usize) -> io::Result<Option<Take<File>>> {
        let Some((_, Range { start, end })) = self.records.get(number).cloned() else { return Ok(None) };
        self.file.seek(SeekFrom::Start(start))?;
        Ok(Some(self.file.take(end - start)))
    }
}
