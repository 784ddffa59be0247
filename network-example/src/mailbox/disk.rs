//! The files of a worker, as the few calls that it makes.
//!
//! Each call either has happened or has not when the process is killed, but for `write` and `write_at`, of which any
//! part may have. So nothing that is read back is ever written in place: it is written beside its name and takes it by
//! `rename`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use crate::directory;

/// What a worker does with files.
pub trait Disk {
    /// Keeps every other process from being this worker, for as long as this one runs. `false` when another one is.
    fn claim(&mut self, path: &Path) -> io::Result<bool>;
    /// The bytes of a file; [`NotFound`](io::ErrorKind::NotFound) with the system's own words when there is none of this name.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Whether a file of this name is there.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// A file with these bytes and no others, on disk when this returns.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file another name, in place of whatever has had it; on disk when this returns.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Takes a file away.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
    /// How many bytes a file has; 0 when there is none.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// Cuts a file, or makes it, so that it has this many bytes; on disk when this returns, and so is its name.
    fn cut(&mut self, path: &Path, len: u64) -> io::Result<()>;
    /// Writes behind this many bytes of a file; on disk when this returns.
    fn write_at(&mut self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Default)]
pub struct LocalDisk {
    /// Locked while it is open.
    claimed: Option<File>,
}

impl Disk for LocalDisk {
    fn claim(&mut self, path: &Path) -> io::Result<bool> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                self.claimed = Some(file);
                Ok(true)
            }
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)?;
        directory::sync_name(to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(absent_is_none(fs::metadata(path))?.map_or(0, |metadata| metadata.len()))
    }

    fn cut(&mut self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        if file.metadata()?.len() != len {
            file.set_len(len)?;
        }
        file.sync_all()?;
        // The state, which may lie in another folder, will say how long a file of this name is.
        directory::sync_name(path)
    }

    fn write_at(&mut self, path: &Path, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

pub(super) fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without it a power cut takes the output away, and a state in another folder says that it has so many bytes: there is no
    /// going on from there.
    #[cfg(unix)]
    #[test]
    fn an_output_that_is_made_has_its_name_on_the_disk() {
        let folder = std::env::temp_dir().join(format!("cede-net-mailbox-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        LocalDisk::default().cut(&folder.join("merged"), 0).unwrap();
        assert_eq!(directory::tests::on_disk(&folder), [("merged".to_owned(), Vec::new())].into());
        fs::remove_dir_all(folder).unwrap();
    }
}
