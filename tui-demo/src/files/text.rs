//! The text file: what the user named on the command line.
//!
//! Knows bytes on disk: encoding, line endings, and how to replace a file so that every moment
//! shows either the whole former content or the whole next one. Knows nothing of events,
//! history or the screen. Reading and writing cost one pass over the content.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use cede::storage::sync_name;

use crate::files::attributes;

/// The largest text that is opened, in bytes. Positions are kept in 31 bits by the engine, one
/// event a character, and deletions need room as well.
pub const MAX_BYTES: u64 = 512 * 1024 * 1024;

const BOM: &str = "\u{feff}";

/// How a text is spelled in its file, apart from its characters. Kept from reading to writing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Every line ends in CR LF. Files with mixed endings are left as they are, so their CRs are
    /// characters of the text.
    pub crlf: bool,
    /// A byte order mark comes first.
    pub bom: bool,
}

impl Form {
    /// Takes bytes apart into the text (lines end in LF) and its form.
    ///
    /// # Errors
    /// The offset of the first byte that is not UTF-8.
    pub fn decode(bytes: Vec<u8>) -> Result<(String, Form), usize> {
        let mut text = String::from_utf8(bytes).map_err(|error| error.utf8_error().valid_up_to())?;
        let bom = text.starts_with(BOM);
        if bom {
            text.drain(..BOM.len());
        }
        let endings = text.matches('\n').count();
        let crlf = endings > 0 && text.matches("\r\n").count() == endings;
        if crlf {
            text = text.replace("\r\n", "\n");
        }
        Ok((text, Form { crlf, bom }))
    }

    /// The bytes of `text` in this form. Total: what `decode` takes apart, this puts together.
    #[must_use]
    pub fn encode(self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() + BOM.len());
        if self.bom {
            bytes.extend_from_slice(BOM.as_bytes());
        }
        if self.crlf {
            bytes.extend_from_slice(text.replace('\n', "\r\n").as_bytes());
        } else {
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

/// What makes a file look touched without reading it: cheap to take every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    modified: Option<std::time::SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    /// The stamp of a file, or `None` when there is no such file.
    ///
    /// # Errors
    /// [`TextError::Io`] when its state cannot be asked for.
    pub fn of(path: &Path) -> Result<Option<Self>, TextError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::from_metadata(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(TextError::io(path, Doing::Read, error)),
        }
    }

    fn from_metadata(metadata: &fs::Metadata) -> Self {
        Self { modified: metadata.modified().ok(), bytes: metadata.len(), inode: inode(metadata) }
    }
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}

/// A text file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The text, its lines ending in LF.
    pub text: String,
    /// How it was spelled.
    pub form: Form,
    /// Taken before the content was read, so that a change in between shows at the next look.
    pub stamp: Stamp,
}

/// Reads a text file; `None` when there is none.
///
/// # Errors
/// Every variant of [`TextError`]; nothing is touched.
pub fn read(path: &Path) -> Result<Option<Snapshot>, TextError> {
    let Some(stamp) = Stamp::of(path)? else {
        return Ok(None);
    };
    let io = |error| TextError::io(path, Doing::Read, error);
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(TextError::NotAFile { path: path.into() });
    }
    let too_large = |bytes| TextError::TooLarge { path: path.into(), bytes };
    if stamp.bytes > MAX_BYTES {
        return Err(too_large(stamp.bytes));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.bytes).unwrap_or(0));
    // The file may grow while it is read; one byte above the limit is enough to tell.
    let mut limited = File::open(path).map_err(io)?.take(MAX_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    let (text, form) = Form::decode(bytes).map_err(|offset| TextError::NotUtf8 { path: path.into(), offset })?;
    Ok(Some(Snapshot { text, form, stamp }))
}

/// Writes a text file atomically: a temporary file beside it, fsync, rename, fsync of the folder.
/// A symbolic link stays one (its target is replaced); a hard link to the former content keeps the
/// former content. Returns the stamp of the file written.
///
/// Owner, group, mode and extended attributes are kept. Where the system does not let us give them
/// to another file (whose file it is, only root may say), the file is written in place, as Vim does
/// when left to choose (`backupcopy=auto`): who saves somebody else's text must neither take it
/// from them nor let in others. Then a power cut may leave half of either content, and the history
/// beside it has both.
///
/// # Errors
/// [`TextError::Io`], also when the file itself may not be written although its folder may; [`TextError::NotAFile`];
/// [`TextError::Changed`]. The file is then as it was, unless it was written in place; should only the folder fail to reach
/// the disk, a power cut may bring either content back.
pub fn write(path: &Path, text: &str, form: Form) -> Result<Stamp, TextError> {
    let target = follow_links(path);
    let former = Former::open(path, &target)?;
    put(path, &target, former, &form.encode(text))
}

/// The same over what was left with this stamp, and over nothing else: `None` says that there was no file.
///
/// # Errors
/// As [`write()`]; [`TextError::Changed`] also for what another program has written since.
pub fn write_over(path: &Path, text: &str, form: Form, left: Option<Stamp>) -> Result<Stamp, TextError> {
    let target = follow_links(path);
    let former = Former::open(path, &target)?;
    if former.as_ref().map(|former| former.stamp) != left {
        return Err(TextError::Changed { path: path.into() });
    }
    put(path, &target, former, &form.encode(text))
}

fn put(path: &Path, target: &Path, former: Option<Former>, bytes: &[u8]) -> Result<Stamp, TextError> {
    let io = |error| TextError::io(path, Doing::Write, error);
    let mut beside = Beside::make(target, former.is_some()).map_err(io)?;
    match former {
        Some(former) if attributes::carry_over(&former.file, &beside.file).is_err() => {
            drop(beside);
            former.overwrite(path, target, bytes)
        }
        former => {
            let stamp = beside.fill(bytes).map_err(io)?;
            replace(path, target, former.map(|former| former.stamp), beside)?;
            Ok(stamp)
        }
    }
}

/// Puts a file in the place of the one that had this stamp.
fn replace(path: &Path, target: &Path, former: Option<Stamp>, beside: Beside) -> Result<(), TextError> {
    check_unchanged(path, target, former)?;
    let placed = beside.take_place(target).and_then(|()| sync_name(target));
    placed.map_err(|error| TextError::io(path, Doing::Write, error))
}

/// Another program may have written it while we made ready to.
fn check_unchanged(path: &Path, target: &Path, former: Option<Stamp>) -> Result<(), TextError> {
    if Stamp::of(target)? == former { Ok(()) } else { Err(TextError::Changed { path: path.into() }) }
}

/// The file that is to be written, as it is before.
struct Former {
    file: File,
    stamp: Stamp,
}

impl Former {
    /// `None` when there is no file.
    fn open(path: &Path, target: &Path) -> Result<Option<Self>, TextError> {
        let Ok(metadata) = fs::metadata(target) else { return Ok(None) };
        if !metadata.is_file() {
            return Err(TextError::NotAFile { path: path.into() });
        }
        let io = |error| TextError::io(path, Doing::Write, error);
        // A rename asks the folder alone; whoever made the file read-only meant the file.
        let file = OpenOptions::new().write(true).open(target).map_err(io)?;
        let stamp = Stamp::from_metadata(&file.metadata().map_err(io)?);
        Ok(Some(Self { file, stamp }))
    }

    /// Writes it in place. Should that fail, for want of room perhaps, what it held is put back: half of it would look like
    /// the work of another program.
    fn overwrite(mut self, path: &Path, target: &Path, bytes: &[u8]) -> Result<Stamp, TextError> {
        check_unchanged(path, target, Some(self.stamp))?;
        let before = fs::read(target);
        let written = self.put(bytes).inspect_err(|_| {
            // Best effort, in room that it had before.
            let _ = before.and_then(|before| self.put(&before));
        });
        written.map_err(|error| TextError::io(path, Doing::Write, error))
    }

    /// Not emptied first: what is stopped half-way has lost as little as can be.
    fn put(&mut self, bytes: &[u8]) -> io::Result<Stamp> {
        self.file.rewind()?;
        self.file.write_all(bytes)?;
        self.file.set_len(bytes.len() as u64)?;
        // Before it is waited for, which takes long enough for somebody else to write.
        let stamp = Stamp::from_metadata(&self.file.metadata()?);
        self.file.sync_all()?;
        Ok(stamp)
    }
}

/// A file of ours beside the one whose place it is to take. Without having done so it goes when this is dropped.
struct Beside {
    file: File,
    name: PathBuf,
    placed: bool,
}

impl Beside {
    fn make(target: &Path, replaces: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if replaces {
            // A private text is never readable by others, not for a moment.
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let mut number = 0;
        loop {
            let name = temporary_beside(target, number);
            match options.open(&name) {
                Ok(file) => return Ok(Self { file, name, placed: false }),
                // Left by another one that had our number, in another container perhaps.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The stamp is that of our content: a rename changes none of it, and what somebody writes later has another one.
    fn fill(&mut self, bytes: &[u8]) -> io::Result<Stamp> {
        self.file.write_all(bytes)?;
        self.file.sync_all()?;
        Ok(Stamp::from_metadata(&self.file.metadata()?))
    }

    fn take_place(mut self, target: &Path) -> io::Result<()> {
        fs::rename(&self.name, target)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.placed {
            // Best effort: it is of no use to anybody.
            let _ = fs::remove_file(&self.name);
        }
    }
}

/// Where a chain of symbolic links ends, whether or not a file stands there yet. The same path when
/// it is no link.
#[must_use]
pub fn follow_links(path: &Path) -> PathBuf {
    // As many as Linux follows; a longer chain or a ring fails in the calls after this one.
    const LINKS_MAX: usize = 40;
    let mut target = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        let Ok(next) = fs::read_link(&target) else {
            break;
        };
        target = folder_of(&target).join(next);
    }
    target
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn temporary_beside(target: &Path, number: u32) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    let number = if number == 0 { String::new() } else { format!("-{number}") };
    name.push(format!(".{}{number}.cede-tmp", std::process::id()));
    folder_of(target).join(name)
}

/// What was being done to a file when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Reading, or asking for its state.
    Read,
    /// Writing or replacing.
    Write,
}

/// Why a text file could not be read or written.
#[derive(Debug)]
pub enum TextError {
    /// The content is not UTF-8 from this byte on.
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Of the first byte that does not fit, counted from 0.
        offset: usize,
    },
    /// More than [`MAX_BYTES`].
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A folder, a device, a pipe.
    NotAFile {
        /// What it was taken for.
        path: PathBuf,
    },
    /// Another program wrote it while it was about to be replaced.
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: Doing,
        /// The system's reason.
        source: io::Error,
    },
}

impl TextError {
    fn io(path: &Path, doing: Doing, source: io::Error) -> Self {
        Self::Io { path: path.into(), doing, source }
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { path, offset } => {
                write!(f, "{} is not UTF-8 text: the byte at offset {offset} does not fit", path.display())
            }
            Self::TooLarge { path, bytes } => {
                write!(f, "{} has {bytes} bytes; texts up to {MAX_BYTES} bytes are opened", path.display())
            }
            Self::NotAFile { path } => write!(f, "{} is not a plain file", path.display()),
            Self::Changed { path } => {
                write!(f, "not saved: another program has just written {}; save again", path.display())
            }
            Self::Io { path, doing, source } => {
                let verb = match doing {
                    Doing::Read => "read",
                    Doing::Write => "write",
                };
                write!(f, "cannot {verb} {}: {source}", path.display())
            }
        }
    }
}

impl Error for TextError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_then_encoding_gives_the_same_bytes() {
        let cases: [(&[u8], &str, Form); 8] = [
            (b"", "", Form { crlf: false, bom: false }),
            (b"a\nb\n", "a\nb\n", Form { crlf: false, bom: false }),
            (b"no end", "no end", Form { crlf: false, bom: false }),
            (b"a\r\nb\r\n", "a\nb\n", Form { crlf: true, bom: false }),
            (b"a\r\nb", "a\nb", Form { crlf: true, bom: false }),
            (b"a\r\nb\n", "a\r\nb\n", Form { crlf: false, bom: false }),
            (b"a\r\r\nb\r\n", "a\r\nb\n", Form { crlf: true, bom: false }),
            (b"\xef\xbb\xbfa\r\n", "a\n", Form { crlf: true, bom: true }),
        ];
        for (bytes, text, form) in cases {
            let decoded = Form::decode(bytes.to_vec()).expect("UTF-8");
            assert_eq!(decoded, (text.to_owned(), form), "{bytes:?}");
            assert_eq!(form.encode(text), bytes, "{bytes:?}");
        }
    }

    #[test]
    fn what_is_not_utf8_is_refused_with_its_offset() {
        assert_eq!(Form::decode(b"caf\xe9 au lait".to_vec()), Err(3));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("latin.txt");
        fs::write(&path, b"caf\xe9").expect("written");
        let error = read(&path).expect_err("not UTF-8");
        assert!(error.to_string().contains("offset 3"), "{error}");
    }

    #[test]
    fn a_missing_file_is_none_and_a_folder_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(read(&folder.path().join("none")), Ok(None)));
        assert!(matches!(read(folder.path()), Err(TextError::NotAFile { .. })));
    }

    #[test]
    fn a_written_file_reads_back_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.md");
        let form = Form { crlf: true, bom: true };
        let stamp = write(&path, "one\ntwo", form).expect("written");
        let snapshot = read(&path).expect("read").expect("there");
        assert_eq!(snapshot.text, "one\ntwo");
        assert_eq!(snapshot.form, form);
        assert_eq!(snapshot.stamp, stamp);
        let names: Vec<_> = fs::read_dir(folder.path()).expect("listed").collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_may_not_be_written_is_not_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("kept.txt");
        fs::write(&path, "before").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).expect("set");
        // Root may write everything, and then there is nothing to refuse.
        let may_write = OpenOptions::new().write(true).open(&path).is_ok();
        assert_eq!(write(&path, "after", Form::default()).is_ok(), may_write);
        assert_eq!(fs::read_to_string(&path).expect("read"), if may_write { "after" } else { "before" });
    }

    /// Catches a stamp that is asked for by name once the file is in its place: whoever has written there by then was taken
    /// for us, and overwritten by the next save. Some of the rounds are that close.
    #[test]
    fn what_another_program_writes_right_after_us_is_not_taken_for_ours() {
        const ROUNDS: usize = 30;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.md");
        for round in 0..ROUNDS {
            let ours = format!("ours, {round}");
            std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    while !fs::read_to_string(&path).is_ok_and(|text| text == ours) {}
                    fs::write(&path, "theirs, right after").expect("written");
                });
                let stamp = write(&path, &ours, Form::default()).expect("written");
                other.join().expect("written");
                assert_ne!(Some(stamp), Stamp::of(&path).expect("there"), "round {round}");
            });
        }
    }

    /// Catches a rename that does not look: what was written since the last look would be gone unseen.
    #[test]
    fn what_another_program_writes_while_we_make_ready_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        for before in [Some("before"), None] {
            let path = folder.path().join("notes.md");
            before.iter().for_each(|text| fs::write(&path, text).expect("written"));
            let former = Former::open(&path, &path).expect("to be written");
            let mut beside = Beside::make(&path, former.is_some()).expect("a file beside it");
            beside.fill(b"ours").expect("written");
            fs::write(&path, "theirs, meanwhile").expect("written");
            let error = replace(&path, &path, former.map(|former| former.stamp), beside).expect_err("changed");
            assert!(error.to_string().contains("another program has just written"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("read"), "theirs, meanwhile");
            fs::remove_file(&path).expect("removed");
            assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 0, "a file was left beside it");
        }
    }

    /// Catches a stamp that is taken only when the file is about to be written: what came before that was taken for ours.
    #[test]
    fn what_was_written_since_the_last_look_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.md");
        let error = |left| write_over(&path, "ours", Form::default(), left).expect_err("changed").to_string();
        fs::write(&path, "theirs").expect("written");
        assert!(error(None).contains("another program has just written"));
        let left = Stamp::of(&path).expect("there");
        fs::write(&path, "theirs, since").expect("written");
        assert!(error(left).contains("another program has just written"));
        assert_eq!(fs::read_to_string(&path).expect("read"), "theirs, since");
        write_over(&path, "ours", Form::default(), Stamp::of(&path).expect("there")).expect("as it was left");
        assert_eq!(fs::read_to_string(&path).expect("read"), "ours");
    }

    #[test]
    fn what_another_editor_of_our_number_has_left_beside_keeps_nobody_from_saving() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.md");
        fs::write(temporary_beside(&path, 0), "half").expect("written");
        write(&path, "whole", Form::default()).expect("written");
        assert_eq!(fs::read_to_string(&path).expect("read"), "whole");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_are_kept() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("real.txt");
        let link = folder.path().join("link.txt");
        fs::write(&path, "before").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        symlink("real.txt", &link).expect("linked");
        write(&link, "after", Form::default()).expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_to_string(&path).expect("read"), "after");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
