//! A log file: records appended one after the other, each with its checksum, and a torn end repaired on opening.
//!
//! Knows records as kinds and bytes; what is in them, a document or session says. This is the only door of the engine
//! to the file system (`door`). `finished` leaves files of any content for another process, with a mark when they are
//! complete.
//!
//! ```text
//! file      magic "CEDElog" (7) version (1) records and seals
//! record    kind (1) length (4, little-endian) crc32 of kind, length and payload (4, little-endian) payload
//! seal      a record of kind 4 whose payload is the offset at which it stands (8, little-endian)
//! ```
//!
//! A seal is written when everything before it has reached the disk. So what a power cut can have lost, torn or reordered
//! stands behind the last seal, and was acknowledged to nobody or is whole:
//!
//! ```text
//! sync                sync                       power cut
//!  ▼                   ▼                          ▼
//!  ● record record ●    record  r▒▒▒d  record      what cannot be read, with no seal behind it: dropped with a notice
//!  ● reco▒▒ record ●    record                     what cannot be read, with a seal behind it: damage
//! ```
//!
//! Damage is an error with its offset, and nothing is written to a damaged file.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

mod door;
mod finished;
mod names;
mod outline;

pub use finished::{FinishError, Finished, finish, replace_file};
pub use names::{create_private, leads_to, remake_private, sync_name};
pub use outline::Outline;

use door::{Door, OnDisk};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 7] = b"CEDElog";
/// So much of the header makes a file ours. One letter of it may be all that somebody has written into a file.
const NAME: &[u8] = b"CEDE";
/// The first version had no [`Kind::Saved`], the second no seals.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=3;
const FIRST_SEALED: u8 = 3;
const START: u64 = 8;
const HEAD: usize = 9;
/// What a seal says in the place of a kind.
const SEAL: u8 = 4;
/// How often each byte of a torn tail is looked at before it is taken for damage, in a file without seals.
const MOST_LOOKED_AT: usize = 16;

/// What a record holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Events, for [`Document::import`](crate::Document::import).
    Events,
    /// Changes of the undo history, for [`Session::restore_undo`](crate::Session::restore_undo), each in turn.
    Undo,
    /// A whole document, for [`Saved::open`](crate::Saved::open): its text can be read without the rest of the file.
    Saved,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Events => 1,
            Self::Undo => 2,
            Self::Saved => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::Events, Self::Undo, Self::Saved].into_iter().find(|kind| kind.code() == code)
    }
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it holds.
    pub kind: Kind,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// The end of a file, which did not get to the disk as it was written and was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// Where the first record started that cannot be read.
    pub offset: u64,
    /// How many bytes there were from there on.
    pub dropped: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, dropped } = self;
        write!(f, "what was written last, at byte {offset}, was not finished: {dropped} bytes of it were dropped")
    }
}

/// A log file open for appending, locked against a second writer for as long as it lives.
///
/// Invariant: the file ends at `len`, unless it is broken.
#[derive(Debug)]
pub struct LogFile {
    file: Box<dyn Door>,
    path: PathBuf,
    len: u64,
    /// Whether something stands behind the last seal.
    unsealed: bool,
    /// Of a version that has seals.
    seals: bool,
    /// Whether the name is known to be on the disk: a rewrite may have been stopped just before.
    named: bool,
    /// A write that failed may have left part of a record, and what follows would stand behind garbage; or the file is not
    /// where it was any more.
    broken: bool,
    /// Somebody has written to it who does not ask for locks.
    overwritten: bool,
}

/// A log file just opened.
#[derive(Debug)]
pub struct Opened {
    /// The file, for appending.
    pub file: LogFile,
    /// What is in it.
    pub records: Vec<Record>,
    /// What had to be dropped.
    pub torn: Option<TornTail>,
}

impl LogFile {
    /// Opens a log file, or makes an empty one. O(size).
    ///
    /// # Errors
    /// [`StorageError::Locked`] when somebody else has it open for appending; damage; what the file system says.
    pub fn open(path: &Path) -> Result<Opened, StorageError> {
        Self::open_at(Box::new(OnDisk::open(path)?), path)
    }

    fn open_at(mut file: Box<dyn Door>, path: &Path) -> Result<Opened, StorageError> {
        let io = |cause| StorageError::Io { path: path.to_owned(), cause };
        let bytes = file.read().map_err(io)?;
        let contents = read(&bytes, path)?;
        let mut log = Self {
            file,
            path: path.to_owned(),
            len: contents.len,
            unsealed: contents.unsealed,
            seals: contents.version >= FIRST_SEALED,
            named: false,
            broken: false,
            overwritten: false,
        };
        match bytes.get(contents.sure as usize..contents.len as usize) {
            Some(unsure) if contents.len >= START => log.renew(unsure, &contents),
            _ => log.begin(),
        }
        .map_err(io)?;
        Ok(Opened { file: log, records: contents.records, torn: contents.torn })
    }

    /// Reads a log file without locking or changing it.
    ///
    /// # Errors
    /// Damage; what the file system says.
    pub fn read(path: &Path) -> Result<(Vec<Record>, Option<TornTail>), StorageError> {
        let bytes = std::fs::read(path).map_err(|cause| StorageError::Io { path: path.to_owned(), cause })?;
        let contents = read(&bytes, path)?;
        Ok((contents.records, contents.torn))
    }

    /// Drops a torn tail, and writes once more what may not be on the disk: a sync of it may have failed, and then the file
    /// shows what the disk does not have, and the next sync would not know of it.
    fn renew(&mut self, unsure: &[u8], contents: &Contents) -> io::Result<()> {
        if contents.torn.is_some() {
            self.file.set_len(contents.len)?;
            self.file.sync()?;
        }
        self.file.write(contents.sure, unsure)?;
        if contents.sure < START {
            // What comes behind a header that did not get to the disk would be taken for another kind of file.
            self.file.sync()?;
        }
        Ok(())
    }

    fn begin(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write(0, &header())?;
        self.file.sync()?;
        self.file.sync_name()?;
        (self.len, self.unsealed, self.seals, self.named) = (START, false, true, true);
        Ok(())
    }

    /// Appends a record in one write. It is safe from a power cut after [`sync`](Self::sync), from a crash of the
    /// program at once.
    ///
    /// # Errors
    /// A payload of 4 GiB or more; what the file system says; [`StorageError::Displaced`] as for [`sync`](Self::sync). What a
    /// failed write has left is taken back; when that
    /// fails as well, nothing more is appended until the file is rewritten, or opened again.
    pub fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), StorageError> {
        self.check_broken()?;
        let record =
            frame(kind, payload).ok_or(StorageError::TooLarge { path: self.path.clone(), len: payload.len() })?;
        self.check_place()?;
        self.push(&record).map_err(|cause| StorageError::Io { path: self.path.clone(), cause })?;
        self.unsealed = true;
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let pushed = self.file.write(self.len, bytes);
        match pushed {
            Ok(()) => self.len += bytes.len() as u64,
            // Part of it may be there. Without it the file is as it was, and when the disk has room again, so is the log.
            Err(_) => self.broken = self.file.set_len(self.len).is_err(),
        }
        pushed
    }

    fn check_place(&mut self) -> Result<(), StorageError> {
        // What a write of ours has left that failed is nobody else's.
        self.overwritten |= !self.broken && self.file.len().is_ok_and(|len| len != self.len);
        if self.file.is_named() && !self.overwritten {
            return Ok(());
        }
        self.broken = true;
        Err(StorageError::Displaced { path: self.path.clone() })
    }

    fn check_broken(&self) -> Result<(), StorageError> {
        if self.broken { Err(StorageError::Broken { path: self.path.clone() }) } else { Ok(()) }
    }

    /// Waits until everything appended is on the disk, and says so in the file, which may take a little longer to get
    /// there.
    ///
    /// # Errors
    /// What the file system says. It may have lost what it could not write, so this is not tried again.
    /// [`StorageError::Displaced`] when the name leads to this file no more: nobody would find what is written to it. So too
    /// when the file has another length than it was left with, for then it is somebody else's.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        self.check_broken()?;
        let synced = self.file.sync().and_then(|()| if self.named { Ok(()) } else { self.file.sync_name() });
        synced.map_err(|cause| {
            self.broken = true;
            StorageError::Io { path: self.path.clone(), cause }
        })?;
        self.named = true;
        self.check_place()?;
        if self.unsealed && self.seals {
            // Where there is no room for the seal, what it would say is true all the same.
            self.unsealed = self.push(&seal(self.len)).is_err();
        }
        Ok(())
    }

    /// Puts these records in the place of all that is there, at once: a reader or a power cut sees the file before or
    /// after.
    ///
    /// # Errors
    /// What the file system says; then the file is as it was. Should only the directory fail to reach the disk, a power
    /// cut may bring either file back, and nothing more is appended to this one. [`StorageError::Displaced`] when the name
    /// leads to this file no more: what it leads to now is somebody else's.
    pub fn rewrite(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let bytes = file_bytes(records).map_err(|len| StorageError::TooLarge { path: self.path.clone(), len })?;
        let path = self.path.clone();
        let io = |cause| StorageError::Io { path: path.clone(), cause };
        self.check_place()?;
        let mut beside = self.file.beside().map_err(io)?;
        let written = beside.write(0, &bytes).and_then(|()| beside.sync()).map_err(io);
        // Once more, as late as can be.
        let replaced = written.and_then(|()| self.check_place()).and_then(|()| beside.take_place().map_err(io));
        replaced.inspect_err(|_| beside.discard())?;
        self.file = beside;
        (self.len, self.unsealed, self.seals, self.named) = (bytes.len() as u64, false, true, true);
        self.broken = false;
        // A new name is only safe once its directory is.
        self.file.sync_name().map_err(|cause| {
            self.broken = true;
            io(cause)
        })
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }
}

/// A log file with these records, as bytes: for sending one somewhere, where [`LogFile`] would write one here.
///
/// # Errors
/// The length of the first payload of 4 GiB or more.
pub fn file_bytes(records: &[Record]) -> Result<Vec<u8>, usize> {
    let mut bytes = header().to_vec();
    for Record { kind, payload } in records {
        bytes.extend(frame(*kind, payload).ok_or(payload.len())?);
    }
    // They are whole once they are there: whoever writes them to a file syncs it.
    bytes.extend(seal(bytes.len() as u64));
    Ok(bytes)
}

fn header() -> [u8; START as usize] {
    let mut header = [*VERSIONS.end(); START as usize];
    header.iter_mut().zip(MAGIC).for_each(|(byte, &magic)| *byte = magic);
    header
}

fn frame(kind: Kind, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok()?;
    Some(frame_of(kind.code(), length, payload))
}

/// What stands at an offset when everything before it is on the disk.
fn seal(offset: u64) -> Vec<u8> {
    let payload = offset.to_le_bytes();
    frame_of(SEAL, payload.len() as u32, &payload)
}

fn frame_of(code: u8, length: u32, payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEAD + payload.len());
    record.push(code);
    record.extend(length.to_le_bytes());
    record.extend(checksum(&record, payload).to_le_bytes());
    record.extend(payload);
    record
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

struct Contents {
    version: u8,
    records: Vec<Record>,
    /// Where the next record goes.
    len: u64,
    /// Everything before this is on the disk for certain: where the last seal stands, for nothing vouches for a seal.
    sure: u64,
    /// Whether records stand behind the last seal.
    unsealed: bool,
    torn: Option<TornTail>,
}

fn read(bytes: &[u8], path: &Path) -> Result<Contents, StorageError> {
    let torn = |offset: usize| TornTail { offset: offset as u64, dropped: (bytes.len() - offset) as u64 };
    if is_being_made(bytes) {
        let torn = (!bytes.is_empty()).then(|| torn(0));
        return Ok(Contents { version: *VERSIONS.end(), records: Vec::new(), len: 0, sure: 0, unsealed: false, torn });
    }
    let version = version_of(bytes, path)?;
    let (mut records, mut at) = (Vec::new(), START as usize);
    let (mut sure, mut unsealed) = (0, false);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if version >= FIRST_SEALED && is_seal(rest, at) {
            (sure, unsealed) = (at as u64, false);
            at += HEAD + size_of::<u64>();
            continue;
        }
        let Some(record) = read_record(rest) else {
            let is_torn = if version >= FIRST_SEALED { !holds_seal(rest, at) } else { is_torn(rest) };
            if is_torn {
                return Ok(Contents { version, records, len: at as u64, sure, unsealed, torn: Some(torn(at)) });
            }
            return Err(StorageError::Damaged { path: path.to_owned(), offset: at as u64, readable: records.len() });
        };
        at += HEAD + record.payload.len();
        records.push(record);
        unsealed = true;
    }
    Ok(Contents { version, records, len: at as u64, sure, unsealed, torn: None })
}

/// Whether this is a file that was just being made, with nothing in it that could be anybody's: the header, which is synced
/// before anything comes behind it, is not there, or half of it, or reads as zeros because it did not get to the disk. Any
/// other file without a header is not ours, however short.
fn is_being_made(bytes: &[u8]) -> bool {
    let is_header_begun = bytes.starts_with(NAME) && bytes.len() < START as usize && MAGIC.starts_with(bytes);
    let is_unwritten = bytes.len() <= START as usize && bytes.iter().all(|&byte| byte == 0);
    is_header_begun || is_unwritten
}

/// Whether these bytes, which stand at this offset, begin with a seal.
fn is_seal(bytes: &[u8], at: usize) -> bool {
    bytes.first() == Some(&SEAL) && bytes.starts_with(&seal(at as u64))
}

/// Whether a seal stands somewhere here: then what stands before it was on the disk. `start` is where these bytes begin.
///
/// Bytes of a payload are taken for one only where they name the offset at which they happen to stand.
fn holds_seal(bytes: &[u8], start: usize) -> bool {
    (0..bytes.len()).any(|at| bytes.get(at..).is_some_and(|rest| is_seal(rest, start + at)))
}

/// The version that a file says at its start.
fn version_of(bytes: &[u8], path: &Path) -> Result<u8, StorageError> {
    let Some(&found) = bytes.strip_prefix(MAGIC).and_then(<[u8]>::first) else {
        return Err(StorageError::Foreign { path: path.to_owned() });
    };
    if VERSIONS.contains(&found) {
        Ok(found)
    } else {
        Err(StorageError::Version { path: path.to_owned(), found, known: *VERSIONS.end() })
    }
}

fn read_record(bytes: &[u8]) -> Option<Record> {
    let (&[kind, a, b, c, d, ref crc @ ..], rest) = bytes.split_first_chunk::<HEAD>()?;
    let payload = rest.get(..u32::from_le_bytes([a, b, c, d]) as usize)?;
    let expected = u32::from_le_bytes(*crc);
    if checksum(&[kind, a, b, c, d], payload) != expected {
        return None;
    }
    Some(Record { kind: Kind::from_code(kind)?, payload: payload.to_vec() })
}

/// Whether what does not read as a record can be the end of an interrupted append, in a file without seals: nothing whole
/// follows it.
fn is_torn(bytes: &[u8]) -> bool {
    let Some((&[kind, a, b, c, d, ..], rest)) = bytes.split_first_chunk::<HEAD>() else { return true };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    // Records are appended one at a time, so an unfinished one reaches to the end of the file. Blocks that were
    // allocated but never written read as zeros.
    if bytes.iter().all(|&byte| byte == 0) {
        return true;
    }
    Kind::from_code(kind).is_some() && length >= rest.len() && !holds_record(rest)
}

/// Whether a whole record starts somewhere here: then a damaged length, not an interruption, made the one before it
/// reach beyond the end.
///
/// What looks like the start of a record at every few bytes would take a checksum of the rest for each; nothing that was
/// written does, so it is damage when that becomes too much.
fn holds_record(bytes: &[u8]) -> bool {
    let mut budget = MOST_LOOKED_AT * bytes.len() + (1 << 20);
    for (at, &kind) in bytes.iter().enumerate() {
        let Some(rest) = bytes.get(at..).filter(|_| Kind::from_code(kind).is_some()) else { continue };
        let Some((&[_, a, b, c, d, ..], behind)) = rest.split_first_chunk::<HEAD>() else { break };
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > behind.len() {
            continue;
        }
        let Some(left) = budget.checked_sub(len) else { return true };
        budget = left;
        if read_record(rest).is_some() {
            return true;
        }
    }
    false
}

/// What is wrong with a log file.
#[derive(Debug)]
pub enum StorageError {
    /// Somebody else has it open for appending.
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// It is no log file.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a version of the format that this program does not know.
    Version {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u8,
        /// The newest one known.
        known: u8,
    },
    /// A record is not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record starts.
        offset: u64,
        /// How many records before it are whole.
        readable: usize,
    },
    /// A record would be too large.
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        len: usize,
    },
    /// A write failed before, so nothing more is appended.
    Broken {
        /// The file.
        path: PathBuf,
    },
    /// Moved away, replaced by another file, or written over, since it was opened.
    Displaced {
        /// The name that it had.
        path: PathBuf,
    },
    /// What the file system says.
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        cause: io::Error,
    },
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path } => write!(f, "{}: somebody else is writing this history", path.display()),
            Self::Foreign { path } => write!(f, "{}: not a history of Cede", path.display()),
            Self::Version { path, found, known } => {
                write!(
                    f,
                    "{}: version {found} of the format, this program knows versions up to {known}",
                    path.display()
                )
            }
            Self::Damaged { path, offset, readable } => {
                write!(f, "{}: damaged at byte {offset}, behind {readable} whole records", path.display())
            }
            Self::TooLarge { path, len } => write!(f, "{}: a record of {len} bytes is too large", path.display()),
            Self::Broken { path } => write!(f, "{}: not written to after an earlier failure", path.display()),
            Self::Displaced { path } => {
                write!(f, "{}: moved away, replaced by another file or written over", path.display())
            }
            Self::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { cause, .. } => Some(cause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod disk;
#[cfg(test)]
mod tests;
