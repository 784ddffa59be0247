//! Everything the editor keeps on disk: the text, its history, and who has it open.
//!
//! `notes.md` is the text. `notes.md.cede` beside it is the history: every event, the undo
//! history, and which version the text file holds. `notes.md.cede.lock` is there while an
//! editor has the history open, and tells a second editor how to join; `notes.md.cede.replica`
//! is there once the text has been shared through a folder. `kept` reads histories of
//! whatever kind, and `folder` merges finished documents that lie in one. Knows paths, bytes and
//! the engine's encodings; nothing of the screen, the keys or the network.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

mod attributes;
pub mod difference;
pub mod folder;
pub mod history;
pub mod instance;
pub mod kept;
pub mod reconcile;
pub mod replica;
pub mod resume;
pub mod text;
pub mod watch;

/// The history of the text at `path`: the same name with `.cede` behind it.
#[must_use]
pub fn history_path(path: &Path) -> PathBuf {
    beside(path, ".cede")
}

/// Where the text at `path` keeps which replica it is in shared folders: the same name with `.cede.replica` behind it.
#[must_use]
pub fn replica_path(path: &Path) -> PathBuf {
    beside(path, ".cede.replica")
}

/// The instance file of the text at `path`: the same name with `.cede.lock` behind it.
#[must_use]
pub fn instance_path(path: &Path) -> PathBuf {
    beside(path, ".cede.lock")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(suffix);
    PathBuf::from(name)
}
