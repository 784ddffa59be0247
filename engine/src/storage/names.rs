//! Names of files. A file is on the disk without its name: names are in the directory, which reaches the disk by itself; and a
//! name may lead to another file than the one that was opened by it.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Makes a file of this name that nobody but its owner can read. Follows no link, and touches nothing that is there.
///
/// # Errors
/// The system's reason; [`AlreadyExists`](io::ErrorKind::AlreadyExists) where the name is taken.
pub fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The same in the place of what may lie there, left by a process that was stopped: somebody may have that open who must not
/// read this one, or nobody may write to it any more.
///
/// # Errors
/// The system's reason.
pub fn remake_private(path: &Path) -> io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => create_private(path),
    }
}

/// Waits until it is on the disk which file has this name. Where directories cannot be opened as files, a name is as safe as
/// the system makes it.
///
/// # Errors
/// The system's reason; whether the name is safe is unknown then.
pub fn sync_name(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Whether this name still leads to an open file. Whoever opens a file to lock it asks this behind the lock: whoever had the
/// lock before may have put another file in its place.
///
/// Outside Unix there is no telling, and the answer is yes.
///
/// # Errors
/// The system's reason; that there is no file of this name is none.
#[cfg(unix)]
pub fn leads_to(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// See the one for Unix.
#[cfg(not(unix))]
#[expect(clippy::missing_errors_doc, reason = "there are none")]
pub fn leads_to(_: &Path, _: &File) -> io::Result<bool> {
    Ok(true)
}
