//! A log file: records appended one after the other, each with its checksum, and a torn end repaired on opening.
//!
//! Knows records as kinds and bytes; what is in them, a document or session says. This is the only door of the engine
//! to the file system. `finished` leaves files of any content for another process, with a mark when they are complete.
//!
//! ```text
//! file      magic "CEDElog" (7) version (1) records
//! record    kind (1) length (4, little-endian) crc32 of kind, length and payload (4, little-endian) payload
//! ```
//!
//! A writer that is stopped while it appends leaves a last record that is shorter than it says, or one that reaches the
//! end of the file with bytes that never got to the disk. Such a tail is dropped with a notice. Anything else that does
//! not fit is damage, an error with its offset, and nothing is written to a damaged file.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

mod finished;
mod outline;

pub use finished::{FinishError, Finished, finish, replace_file};
pub use outline::Outline;

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 7] = b"CEDElog";
/// The first version had no [`Kind::Saved`].
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=2;
const START: u64 = 8;
const HEAD: usize = 9;
/// How often each byte of a torn tail is looked at before it is taken for damage.
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

/// An unfinished last record that was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// Where it started.
    pub offset: u64,
    /// How many bytes of it there were.
    pub dropped: u64,
}

impl fmt::Display for TornTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, dropped } = self;
        write!(f, "the last record, at byte {offset}, was not finished: {dropped} bytes of it were dropped")
    }
}

/// A log file open for appending, locked against a second writer for as long as it lives.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// A write that failed may have left part of a record; what follows would stand behind garbage.
    broken: bool,
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
        let io = |cause| StorageError::Io { path: path.to_owned(), cause };
        let mut file = open_locked(path)?;
        // Later the file is replaced under the name that it really has, not in the place of a link to it.
        let real = std::fs::canonicalize(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let contents = read(&bytes, path)?;
        let mut log = Self { file, path: real, len: contents.len, broken: false };
        if contents.len < START {
            log.begin().map_err(io)?;
        } else if contents.torn.is_some() {
            log.file.set_len(contents.len).and_then(|()| log.file.sync_all()).map_err(io)?;
        }
        log.file.seek(SeekFrom::Start(log.len)).map_err(io)?;
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

    fn begin(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header())?;
        self.file.sync_all()?;
        sync_directory(&self.path)?;
        self.len = START;
        Ok(())
    }

    /// Appends a record in one write. It is safe from a power cut after [`sync`](Self::sync), from a crash of the
    /// program at once.
    ///
    /// # Errors
    /// A payload of 4 GiB or more; what the file system says. What a failed write has left is taken back; when that
    /// fails as well, nothing more is appended until the file is rewritten, or opened again.
    pub fn append(&mut self, kind: Kind, payload: &[u8]) -> Result<(), StorageError> {
        if self.broken {
            return Err(StorageError::Broken { path: self.path.clone() });
        }
        let record =
            frame(kind, payload).ok_or(StorageError::TooLarge { path: self.path.clone(), len: payload.len() })?;
        if let Err(cause) = self.file.write_all(&record) {
            // Part of the record may be there. Without it the file is as it was, and when the disk has room again, so
            // is the log.
            let undone = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
            self.broken = undone.is_err();
            return Err(StorageError::Io { path: self.path.clone(), cause });
        }
        self.len += record.len() as u64;
        Ok(())
    }

    /// Waits until everything appended is on the disk.
    ///
    /// # Errors
    /// What the file system says. It may have lost what it could not write, so this is not tried again.
    pub fn sync(&mut self) -> Result<(), StorageError> {
        if self.broken {
            return Err(StorageError::Broken { path: self.path.clone() });
        }
        self.file.sync_data().map_err(|cause| {
            self.broken = true;
            StorageError::Io { path: self.path.clone(), cause }
        })
    }

    /// Puts these records in the place of all that is there, at once: a reader or a power cut sees the file before or
    /// after.
    ///
    /// # Errors
    /// What the file system says; then the file is as it was. Should only the directory fail to reach the disk, a power
    /// cut may bring either file back, and nothing more is appended to this one.
    pub fn rewrite(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let bytes = file_bytes(records).map_err(|len| StorageError::TooLarge { path: self.path.clone(), len })?;
        let path = self.path.clone();
        let io = |cause| StorageError::Io { path: path.clone(), cause };
        let mut beside = self.path.clone().into_os_string();
        beside.push(".rewrite");
        let beside = PathBuf::from(beside);
        let replaced = replace(&beside, &self.path, &bytes);
        let file = replaced.inspect_err(|_| drop(std::fs::remove_file(&beside))).map_err(io)?;
        (self.file, self.len, self.broken) = (file, bytes.len() as u64, false);
        sync_directory(&self.path).map_err(|cause| {
            self.broken = true;
            io(cause)
        })
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.len
    }
}

/// Opens and locks the file of this name, or makes one.
fn open_locked(path: &Path) -> Result<File, StorageError> {
    let io = |cause| StorageError::Io { path: path.to_owned(), cause };
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StorageError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(cause)) => return Err(io(cause)),
        }
        // Between opening and locking, a rewrite may have put another file in the place of this one.
        if is_at(&file, path).map_err(io)? {
            return Ok(file);
        }
    }
}

/// Whether this is still the file of this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Elsewhere an open file cannot be replaced.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Writes a file beside another, locked and synced, and lets it take the other's place. Whoever holds the other's lock
/// is the only one to do so, and what may lie there is left from a rewrite that was stopped.
fn replace(beside: &Path, path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(beside)?;
    // The lock goes with the file, so nobody finds the new one unlocked.
    file.lock()?;
    // A history may be more private than files usually are.
    file.set_permissions(std::fs::metadata(path)?.permissions())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(beside, path)?;
    Ok(file)
}

/// A new name is only safe once its directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
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
    Ok(bytes)
}

fn header() -> [u8; START as usize] {
    let mut header = [*VERSIONS.end(); START as usize];
    header.iter_mut().zip(MAGIC).for_each(|(byte, &magic)| *byte = magic);
    header
}

fn frame(kind: Kind, payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok()?;
    let mut record = Vec::with_capacity(HEAD + payload.len());
    record.push(kind.code());
    record.extend(length.to_le_bytes());
    record.extend(checksum(&record, payload).to_le_bytes());
    record.extend(payload);
    Some(record)
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

struct Contents {
    records: Vec<Record>,
    /// Where the next record goes.
    len: u64,
    torn: Option<TornTail>,
}

fn read(bytes: &[u8], path: &Path) -> Result<Contents, StorageError> {
    let torn = |offset: usize| TornTail { offset: offset as u64, dropped: (bytes.len() - offset) as u64 };
    let unwritten = bytes.iter().all(|&byte| byte == 0);
    if bytes.len() < START as usize || unwritten {
        // A file that was just being made; blocks that never got to the disk read as zeros.
        if !unwritten && !MAGIC.starts_with(bytes) {
            return Err(StorageError::Foreign { path: path.to_owned() });
        }
        let torn = (!bytes.is_empty()).then(|| torn(0));
        return Ok(Contents { records: Vec::new(), len: 0, torn });
    }
    version_of(bytes, path)?;
    let (mut records, mut at) = (Vec::new(), START as usize);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(record) = read_record(rest) else {
            if is_torn(rest) {
                return Ok(Contents { records, len: at as u64, torn: Some(torn(at)) });
            }
            return Err(StorageError::Damaged { path: path.to_owned(), offset: at as u64, readable: records.len() });
        };
        at += HEAD + record.payload.len();
        records.push(record);
    }
    Ok(Contents { records, len: at as u64, torn: None })
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

/// Whether what does not read as a record can be the end of an interrupted append: nothing whole follows it.
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
