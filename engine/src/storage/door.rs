//! The door to the file system: an open, locked file under a name, and what takes its place.
//!
//! Each call does one thing that can fail, so that a disk that loses power or fails between any two of them can be put in
//! the place of a real one. In what order they are made, and what holds in between, is the log file's.

use super::StorageError;
use super::names::{leads_to, remake_private, sync_name};
use std::fmt;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file that nobody else writes to, and its name.
pub(super) trait Door: fmt::Debug + Send + Sync {
    /// Everything in it.
    fn read(&mut self) -> io::Result<Vec<u8>>;
    /// On an error some of the bytes may have been written.
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    fn set_len(&mut self, len: u64) -> io::Result<()>;
    /// Waits until what was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Waits until the name is.
    fn sync_name(&mut self) -> io::Result<()>;
    /// How many bytes there are.
    fn len(&self) -> io::Result<u64>;
    /// Whether the name still leads here. Anybody may move a file away, or put another one in its place.
    fn is_named(&self) -> bool;
    /// An empty file beside this one, as private as this.
    fn beside(&mut self) -> io::Result<Box<dyn Door>>;
    /// Gives this file, made beside another one, the other's name.
    fn take_place(&mut self) -> io::Result<()>;
    /// Removes this file, made beside another one.
    fn discard(&mut self);
}

/// A real one.
#[derive(Debug)]
pub(super) struct OnDisk {
    file: File,
    path: PathBuf,
    /// Its name until it has taken its place.
    beside: Option<PathBuf>,
}

impl OnDisk {
    /// Opens and locks the file of this name, or makes one.
    pub(super) fn open(path: &Path) -> Result<Self, StorageError> {
        let io = |cause| StorageError::Io { path: path.to_owned(), cause };
        loop {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(StorageError::Locked { path: path.to_owned() }),
                Err(TryLockError::Error(cause)) => return Err(io(cause)),
            }
            // Between opening and locking, a rewrite may have put another file in the place of this one.
            if leads_to(path, &file).map_err(io)? {
                // Later the file is replaced under the name that it really has, not in the place of a link to it.
                let path = std::fs::canonicalize(path).map_err(io)?;
                return Ok(Self { file, path, beside: None });
            }
        }
    }
}

impl Door for OnDisk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_name(&mut self) -> io::Result<()> {
        sync_name(&self.path)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn is_named(&self) -> bool {
        // Where that cannot be told, nobody is known to have moved it.
        leads_to(&self.path, &self.file).unwrap_or(true)
    }

    fn beside(&mut self) -> io::Result<Box<dyn Door>> {
        let mut beside = self.path.clone().into_os_string();
        beside.push(".rewrite");
        // Whoever holds this file's lock is the only one to make it.
        let file = remake_private(beside.as_ref())?;
        let made = Self { file, path: self.path.clone(), beside: Some(PathBuf::from(beside)) };
        // The lock goes with the file, so nobody finds the new one unlocked.
        made.file.lock()?;
        keep_access(&made.file, &std::fs::metadata(&self.path)?)?;
        Ok(Box::new(made))
    }

    fn take_place(&mut self) -> io::Result<()> {
        let Some(beside) = &self.beside else { return Ok(()) };
        std::fs::rename(beside, &self.path)?;
        self.beside = None;
        Ok(())
    }

    fn discard(&mut self) {
        if let Some(beside) = self.beside.take() {
            drop(std::fs::remove_file(beside));
        }
    }
}

/// Gives a file that is to take another one's place its mode, and its group and owner as far as the system lets us. The bits
/// for a group are not for another one.
#[cfg(unix)]
pub(super) fn keep_access(made: &File, former: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let now = made.metadata()?;
    // The group by itself: who may not give a file away may still give it to a group that they are in. And not every file
    // system lets anybody ask for what is so already.
    let is_kept = now.gid() == former.gid() || fchown(made, None, Some(former.gid())).is_ok();
    let others = if is_kept { 0o7777 } else { 0o7707 };
    if now.uid() != former.uid() {
        // Refused to all but root, and no reason not to write: the group, or everybody, can still do what they could.
        drop(fchown(made, Some(former.uid()), None));
    }
    made.set_permissions(std::fs::Permissions::from_mode(former.mode() & others))
}

#[cfg(not(unix))]
pub(super) fn keep_access(made: &File, former: &Metadata) -> io::Result<()> {
    made.set_permissions(former.permissions())
}
