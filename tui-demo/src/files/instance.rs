//! The note that an editor leaves beside a history while it has it open.
//!
//! Knows a small JSON file with a process id and a join line on loopback. It is a note, not a
//! lock: the lock is on the history itself and goes with its process, so that a note left behind
//! by a killed editor misleads nobody. The room in the join line cannot be guessed and the note
//! is readable by its owner alone, so nobody else on the machine gets in by it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use cede::storage::remake_private;
use serde::{Deserialize, Serialize};

/// Far more than such a note needs; what is longer was not written by an editor.
const MAX_BYTES: u64 = 4096;

/// Who has a history open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// The editor's process.
    pub pid: u32,
    /// Where it can be joined from this machine, `ws://127.0.0.1:PORT/ROOM`.
    pub join: String,
}

impl Instance {
    /// Reads the note of another editor; `None` when there is none that makes sense.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        if fs::metadata(path).ok()?.len() > MAX_BYTES {
            return None;
        }
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }
}

/// A note that is taken away when this is dropped.
#[derive(Debug)]
pub struct Posted {
    path: PathBuf,
    instance: Instance,
}

impl Posted {
    /// Leaves a note, in the place of one left behind. Call it with the history locked.
    ///
    /// # Errors
    /// The system's reason. The editor can go on without; a second one is then told less.
    pub fn post(path: &Path, instance: Instance) -> io::Result<Self> {
        let json = serde_json::to_vec(&instance).map_err(io::Error::other)?;
        // Made anew: one that is opened again would keep its former permissions.
        remake_private(path)?.write_all(&json)?;
        Ok(Self { path: path.into(), instance })
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        // Only our own: the user may have moved the file, and another editor may be at its place.
        if Instance::read(&self.path).as_ref() == Some(&self.instance) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(pid: u32) -> Instance {
        Instance { pid, join: format!("ws://127.0.0.1:{pid}/room") }
    }

    #[test]
    fn a_note_is_there_as_long_as_it_is_held() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede.lock");
        assert_eq!(Instance::read(&path), None);
        let posted = Posted::post(&path, instance(1)).expect("posted");
        assert_eq!(Instance::read(&path), Some(instance(1)));
        drop(posted);
        assert!(!path.exists());
    }

    #[test]
    fn a_note_left_behind_is_replaced_and_a_successors_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede.lock");
        fs::write(&path, "{\"pid\":9").expect("written");
        assert_eq!(Instance::read(&path), None);
        let first = Posted::post(&path, instance(1)).expect("posted");
        let second = Posted::post(&path, instance(2)).expect("posted");
        drop(first);
        assert_eq!(Instance::read(&path), Some(instance(2)));
        drop(second);
    }

    #[cfg(unix)]
    #[test]
    fn a_note_is_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.cede.lock");
        let _posted = Posted::post(&path, instance(1)).expect("posted");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
