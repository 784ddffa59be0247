//! Files that one process leaves in a folder for another, complete once a mark lies beside them.
//!
//! Knows names and the order in which files come to lie there: `NAME.json`, `NAME.meta.json`, and then `NAME.done`. Each
//! is there as a whole or not at all, whenever the process or the machine stops. Does not know what is in them.

use super::door::keep_access;
use super::names::{remake_private, sync_name};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Puts these bytes in the place of a file, or makes one: a reader or a power cut sees the file before or after. One
/// process at a time writes a file of this name. Whoever could open it still can, and nobody else.
///
/// # Errors
/// What the file system says. Should only the directory fail to reach the disk, a power cut may bring either file back.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    let former = fs::metadata(path).ok();
    let mut file = match former {
        Some(_) => remake_private(&beside)?,
        None => OpenOptions::new().write(true).create(true).truncate(true).open(&beside)?,
    };
    file.write_all(bytes)?;
    former.map_or(Ok(()), |former| keep_access(&file, &former))?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_name(path)
}

/// Where a file is written before it takes its place. What a stopped process leaves there, the next one replaces.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    path.with_file_name(name)
}

/// The files that a process leaves under its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished {
    /// The plain values, as JSON: `NAME.json`.
    pub values: PathBuf,
    /// What merging needs: `NAME.meta.json`.
    pub meta: PathBuf,
    /// The mark that says that both are there: `NAME.done`.
    pub mark: PathBuf,
}

impl Finished {
    /// Where they lie.
    ///
    /// # Errors
    /// [`FinishError::Name`].
    pub fn of(folder: &Path, name: &str) -> Result<Self, FinishError> {
        // `a.meta.json` is the history of `a`, and `merged.json` what all of them become: also where a file system takes
        // upper case for lower.
        let lower = name.to_lowercase();
        let is_taken = lower.ends_with(".meta") || lower == "merged";
        let is_name = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0', ',']);
        if is_taken || !is_name {
            return Err(FinishError::Name { name: name.to_owned() });
        }
        let [values, meta, mark] = ["json", "meta.json", "done"].map(|end| folder.join(format!("{name}.{end}")));
        Ok(Self { values, meta, mark })
    }
}

/// Leaves finished work in a folder for whoever merges it: the plain values, the history, and then the mark. Until the
/// mark is there nobody takes the files up, and a process that was stopped does it again.
///
/// # Errors
/// A name that cannot be one, work of this name that waits to be merged, or what the file system says; then there is no
/// mark of this call.
///
/// ```
/// use cede::storage::finish;
/// use cede::{AgentId, AnyDocument, Dict, MetaJson};
/// use serde_json::json;
///
/// # let folder = std::env::temp_dir().join(format!("cede-finish-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let mut dict = Dict::new(AgentId::new(0xa11ce)); // random bits in each process
/// dict.set("colour", &json!("blue"), 0).unwrap();
/// let (values, work) = (dict.to_value(), MetaJson::from(AnyDocument::Dict(Box::new(dict))));
/// finish(&folder, "ann", values.to_string().as_bytes(), work.to_text().unwrap().as_bytes()).unwrap();
/// assert!(folder.join("ann.done").exists());
/// # std::fs::remove_dir_all(&folder).unwrap();
/// ```
pub fn finish(folder: &Path, name: &str, values: &[u8], meta: &[u8]) -> Result<(), FinishError> {
    let files = Finished::of(folder, name)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |cause| FinishError::Io { path, cause }
    };
    if files.mark.try_exists().map_err(io(&files.mark))? {
        return Err(FinishError::Waits { mark: files.mark });
    }
    replace_file(&files.values, values).map_err(io(&files.values))?;
    replace_file(&files.meta, meta).map_err(io(&files.meta))?;
    // Made, and not written over: of two processes with one name one is told.
    match OpenOptions::new().write(true).create_new(true).open(&files.mark).and_then(|mark| mark.sync_all()) {
        Ok(()) => sync_name(&files.mark).map_err(io(&files.mark)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FinishError::Waits { mark: files.mark }),
        Err(cause) => Err(FinishError::Io { path: files.mark, cause }),
    }
}

/// Why work was not left in a folder.
#[derive(Debug)]
pub enum FinishError {
    /// A name that no file can be called after.
    Name {
        /// The name.
        name: String,
    },
    /// Work of this name is there and has not been merged.
    Waits {
        /// Its mark.
        mark: PathBuf,
    },
    /// What the file system says.
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        cause: io::Error,
    },
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => {
                write!(
                    f,
                    "{name:?} is no name: it is not empty, begins with no dot, has no slash or comma, does not end in \
                     .meta and is not merged, in whatever case"
                )
            }
            Self::Waits { mark } => write!(f, "{}: work of this name waits to be merged", mark.display()),
            Self::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for FinishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { cause, .. } => Some(cause),
            Self::Name { .. } | Self::Waits { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a comparison by case: `Merged.json` and `merged.json` are one file on many file systems.
    #[test]
    fn a_name_that_is_taken_is_taken_in_whatever_case() {
        for name in ["merged", "Merged", "MERGED", "a.meta", "a.Meta", ".META"] {
            assert!(matches!(Finished::of(Path::new("out"), name), Err(FinishError::Name { .. })), "{name}");
        }
        assert!(Finished::of(Path::new("out"), "Merged2").is_ok());
    }

    /// Catches a replacement that is for everybody.
    #[cfg(unix)]
    #[test]
    fn a_file_that_is_replaced_stays_as_private_as_it_was() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("cede-replace-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("merged.json");
        replace_file(&path, b"before").unwrap();
        for mode in [0o600, 0o640, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            replace_file(&path, b"after").unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
        assert_eq!(fs::read(&path).unwrap(), b"after");
        fs::remove_dir_all(&folder).unwrap();
    }
}
