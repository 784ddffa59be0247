//! Finished documents left in a folder, and merged there.
//!
//! Knows waiting, and what to tell meanwhile. How files are read and written so that nothing is lost, `files::folder` knows.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cede::MetaJson;
use cede::storage::{FinishError, finish};

use super::ToolError;
use crate::files::folder::{FileSystem, Folder, FolderError};
use crate::plural::counted;

/// How long to wait unless told otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// How often it is looked for marks.
const PERIOD: Duration = Duration::from_millis(100);

/// What is to be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gathering {
    /// The folder.
    pub folder: PathBuf,
    /// Whose work is expected.
    pub expected: Vec<String>,
    /// How long to wait for it.
    pub patience: Duration,
}

/// Leaves the document of a history in a folder for [`merge`]: its values, its history, and the mark.
pub(super) fn leave(file: &Path, folder: &Path, name: Option<&str>, notices: &mut impl Write) -> Result<(), ToolError> {
    let document = super::read_any(file, notices)?;
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let values = document.to_value().ok_or_else(|| ToolError::NoValues { path: file.to_owned() })?;
    let meta = MetaJson::from(document).to_text();
    let meta = meta.map_err(|error| ToolError::Meta { path: file.to_owned(), source: Box::new(error) })?;
    // The first to finish makes the folder.
    let made = fs::create_dir_all(folder);
    made.map_err(|cause| ToolError::Finish(FinishError::Io { path: folder.to_owned(), cause }))?;
    finish(folder, name.unwrap_or(&stem), format!("{values:#}\n").as_bytes(), meta.as_bytes())
        .map_err(ToolError::Finish)
}

/// Waits until everything that is expected has come, and merges it.
pub(super) fn merge(gathering: &Gathering, out: &mut impl Write, notices: &mut impl Write) -> Result<(), ToolError> {
    let Gathering { folder: path, expected, patience } = gathering;
    let folder = Folder::new(path, expected).map_err(ToolError::Folder)?;
    // Those whose work is waited for may not have begun.
    let made = fs::create_dir_all(path);
    made.map_err(|cause| ToolError::Folder(FolderError::Io { path: path.clone(), cause }))?;
    // Two that merge at once could each write without what the other has taken in, and remove it.
    let _lock = lock(path).map_err(ToolError::Folder)?;
    let missing = wait(&folder, *patience, notices)?;
    if !missing.is_empty() {
        return Err(ToolError::Folder(FolderError::Missing { names: missing }));
    }
    let done = folder.merge(&mut FileSystem).map_err(ToolError::Folder)?;
    match (done.taken.is_empty(), done.damaged.is_empty()) {
        (true, true) => writeln!(out, "{}: all of it has been taken in already", path.display()),
        (true, false) => Ok(()),
        (false, _) => writeln!(out, "{}: took in {}", path.display(), done.taken.join(", ")),
    }
    .map_err(ToolError::Output)?;
    if done.damaged.is_empty() { Ok(()) } else { Err(ToolError::Folder(FolderError::Damaged { inputs: done.damaged })) }
}

/// Waits, and tells each time that something has come. Returns what is missing still.
fn wait(folder: &Folder, patience: Duration, notices: &mut impl Write) -> Result<Vec<String>, ToolError> {
    let started = Instant::now();
    let mut told = None;
    loop {
        let missing = folder.missing(&mut FileSystem).map_err(ToolError::Folder)?;
        if missing.is_empty() || started.elapsed() >= patience {
            return Ok(missing);
        }
        if told.as_ref() != Some(&missing) {
            let (here, all) = (folder.len() - missing.len(), counted(folder.len() as u64, "input"));
            let line = writeln!(notices, "{here} of {all} here, waiting for {}", missing.join(", "));
            line.and_then(|()| notices.flush()).map_err(ToolError::Output)?;
            told = Some(missing);
        }
        std::thread::sleep(PERIOD);
    }
}

/// Held while a folder is merged. The system takes it away from a process that ends in whatever way.
fn lock(folder: &Path) -> Result<File, FolderError> {
    let path = folder.join(".merge-lock");
    let io = |cause| FolderError::Io { path: path.clone(), cause };
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FolderError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(io(cause)),
    }
}
