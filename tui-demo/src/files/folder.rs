//! A folder in which processes leave finished documents, merged into one.
//!
//! Knows the names of files, which of them make a document complete, and an order of reading, writing and removing in which
//! nothing is lost wherever it stops: `merged.meta.json` takes in what is there, as a whole or not at all, and names it;
//! `merged.json` follows from it; only then the inputs go, each with its mark last. Done again, it ends the same: taking in
//! twice changes nothing, and a mark without files whose name has been taken in is what was left of removing them.
//!
//! Waiting, and what is told of it, is the tool's. What files do is a trait, so that tests can stop between any two steps.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cede::storage::{Finished, replace_file};
use cede::{AgentId, DocumentKind, MetaJson, MetaJsonError, Summary};

/// What merging asks of a file system.
pub trait Disk {
    /// The content of a file; `None` where there is none.
    ///
    /// # Errors
    /// What the file system says.
    fn read(&mut self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Puts a content in the place of a file, as a whole or not at all.
    ///
    /// # Errors
    /// What the file system says.
    fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// What the file system says.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug)]
pub struct FileSystem;

impl Disk for FileSystem {
    fn read(&mut self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        replace_file(path, bytes)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A folder, and whose work is expected in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    folder: PathBuf,
    /// Ascending, each once, and each a name that files can have.
    expected: Vec<(String, Finished)>,
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// What was taken in.
    pub taken: Vec<String>,
    /// What could not be, with the reason. It lies where it lay.
    pub damaged: Vec<(String, String)>,
}

impl Folder {
    /// A folder in which work of these names is expected.
    ///
    /// # Errors
    /// [`FolderError::Name`].
    pub fn new(folder: &Path, expected: &[String]) -> Result<Self, FolderError> {
        let names: BTreeSet<&String> = expected.iter().collect();
        let files = |name: &String| match Finished::of(folder, name) {
            Ok(files) => Ok((name.clone(), files)),
            Err(error) => Err(FolderError::Name { what: error.to_string() }),
        };
        let expected = names.into_iter().map(files).collect::<Result<_, _>>()?;
        Ok(Self { folder: folder.to_owned(), expected })
    }

    /// How many names are expected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expected.len()
    }

    /// Whether nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    fn meta(&self) -> PathBuf {
        self.folder.join("merged.meta.json")
    }

    fn values(&self) -> PathBuf {
        self.folder.join("merged.json")
    }

    /// The names whose work has neither come nor been taken in.
    ///
    /// # Errors
    /// What was merged before and cannot be read now.
    pub fn missing(&self, disk: &mut impl Disk) -> Result<Vec<String>, FolderError> {
        let taken = self.before(disk)?.map_or_else(BTreeSet::new, |(_, before)| before.taken);
        let mut missing = Vec::new();
        for (name, files) in self.expected.iter().filter(|(name, _)| !taken.contains(name)) {
            if read(disk, &files.mark)?.is_none() {
                missing.push(name.clone());
            }
        }
        Ok(missing)
    }

    /// Merges what has come.
    ///
    /// # Errors
    /// What was merged before and cannot be read now, or what the file system says. Whatever has been done by then, another
    /// run goes on from there.
    pub fn merge(&self, disk: &mut impl Disk) -> Result<Merged, FolderError> {
        let before = self.before(disk)?;
        let (text, mut merged) = before.map_or((None, None), |(text, before)| (Some(text), Some(before)));
        let (mut done, mut used) = (Merged::default(), Vec::new());
        for (name, files) in &self.expected {
            if read(disk, &files.mark)?.is_none() {
                continue;
            }
            let known = merged.as_ref().is_some_and(|merged| merged.taken.contains(name));
            match read(disk, &files.meta)? {
                // It was being removed.
                None if known => used.push(files),
                None => done.damaged.push((name.clone(), format!("{} is not there", files.meta.display()))),
                Some(input) => match take_in(&mut merged, name, &input) {
                    Ok(()) => {
                        used.push(files);
                        done.taken.push(name.clone());
                    }
                    Err(reason) => {
                        done.damaged.push((name.clone(), format!("{}: {reason}", files.meta.display())));
                    }
                },
            }
        }
        if let Some(merged) = &merged {
            self.keep(disk, text.as_deref(), merged)?;
        }
        for files in used {
            for path in [&files.values, &files.meta, &files.mark] {
                disk.remove(path).map_err(|cause| FolderError::Io { path: path.clone(), cause })?;
            }
        }
        Ok(done)
    }

    /// What was merged before, and its text.
    fn before(&self, disk: &mut impl Disk) -> Result<Option<(Vec<u8>, MetaJson)>, FolderError> {
        let path = self.meta();
        let Some(text) = read(disk, &path)? else { return Ok(None) };
        match MetaJson::parse(AgentId::new(0), &text) {
            Ok(before) => Ok(Some((text, before))),
            Err(error) => Err(FolderError::Merged { path, source: Box::new(error) }),
        }
    }

    /// Writes the history, and then the values that follow from it, where they are not there yet.
    fn keep(&self, disk: &mut impl Disk, before: Option<&[u8]>, merged: &MetaJson) -> Result<(), FolderError> {
        let (meta, values) = (self.meta(), self.values());
        let text =
            merged.to_text().map_err(|error| FolderError::Merged { path: meta.clone(), source: Box::new(error) })?;
        if before != Some(text.as_bytes()) {
            disk.replace(&meta, text.as_bytes()).map_err(|cause| FolderError::Io { path: meta, cause })?;
        }
        let plain = merged.document.to_value().map_or(String::new(), |value| format!("{value:#}\n"));
        if read(disk, &values)?.as_deref() != Some(plain.as_bytes()) {
            disk.replace(&values, plain.as_bytes()).map_err(|cause| FolderError::Io { path: values, cause })?;
        }
        Ok(())
    }
}

fn read(disk: &mut impl Disk, path: &Path) -> Result<Option<Vec<u8>>, FolderError> {
    disk.read(path).map_err(|cause| FolderError::Io { path: path.to_owned(), cause })
}

/// Takes an input in, or says why not; then nothing has changed.
fn take_in(merged: &mut Option<MetaJson>, name: &str, input: &[u8]) -> Result<(), String> {
    let input = MetaJson::parse(AgentId::new(0), input).map_err(|error| error.to_string())?;
    let Some(merged) = merged else {
        let taken = BTreeSet::from([name.to_owned()]);
        *merged = Some(MetaJson { document: input.document, taken });
        return Ok(());
    };
    let (kind, wanted): (DocumentKind, DocumentKind) = (input.document.kind(), merged.document.kind());
    if kind != wanted {
        return Err(format!("it is a {kind}, and what is merged is a {wanted}"));
    }
    // All of it, so that it is seen when events of one name are not the same.
    if let Some(events) = input.document.encode_since(&Summary::new()) {
        merged.document.merge(&events).map_err(|error| error.to_string())?;
    }
    merged.taken.insert(name.to_owned());
    Ok(())
}

/// Why a folder was not merged.
#[derive(Debug)]
pub enum FolderError {
    /// A name that no work can have.
    Name {
        /// What is wrong with it.
        what: String,
    },
    /// What was merged before cannot be read. Nothing has changed.
    Merged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<MetaJsonError>,
    },
    /// Somebody else is merging this folder.
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Not everything has come in time.
    Missing {
        /// What has not.
        names: Vec<String>,
    },
    /// Some of it cannot be read. Everything else was merged.
    Damaged {
        /// By name, with the reason.
        inputs: Vec<(String, String)>,
    },
    /// What the file system says.
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        cause: io::Error,
    },
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { what } => f.write_str(what),
            Self::Merged { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Locked { folder } => write!(f, "{}: somebody else is merging this folder", folder.display()),
            Self::Missing { names } => write!(f, "still missing: {}", names.join(", ")),
            Self::Damaged { inputs } => {
                f.write_str("left where it is, because it cannot be merged:")?;
                inputs.iter().try_for_each(|(name, reason)| write!(f, "\n  {name}: {reason}"))
            }
            Self::Io { path, cause } => write!(f, "{}: {cause}", path.display()),
        }
    }
}

impl std::error::Error for FolderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Merged { source, .. } => Some(source),
            Self::Io { cause, .. } => Some(cause),
            Self::Name { .. } | Self::Locked { .. } | Self::Missing { .. } | Self::Damaged { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cede::storage::finish;
    use cede::{AnyDocument, Dict, Json};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    const NAMES: [&str; 3] = ["ann", "ben", "cat"];

    /// What each process wrote: one key of its own, and one that all write.
    fn work(number: usize) -> AnyDocument {
        let mut dict = Dict::new(AgentId::new(number as u128 + 1));
        dict.set(NAMES[number], &json!(number), 0).unwrap();
        dict.set("shared", &json!(NAMES[number]), 0).unwrap();
        AnyDocument::Dict(Box::new(dict))
    }

    fn leave(folder: &Path, name: &str, document: AnyDocument) {
        let values = document.to_value().unwrap().to_string();
        let meta = MetaJson::from(document).to_text().unwrap();
        finish(folder, name, values.as_bytes(), meta.as_bytes()).unwrap();
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        NAMES.iter().enumerate().for_each(|(number, name)| leave(folder.path(), name, work(number)));
        folder
    }

    fn expected(folder: &Path) -> Folder {
        Folder::new(folder, &NAMES.map(str::to_owned)).unwrap()
    }

    fn files(folder: &Path) -> BTreeMap<String, String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let visible = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        visible
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
            .collect()
    }

    fn value(folder: &Path) -> Value {
        serde_json::from_str(&fs::read_to_string(folder.join("merged.json")).unwrap()).unwrap()
    }

    /// A file system of a process that is killed: so many steps are done, a part of the next one perhaps, and no more.
    struct Dying {
        steps: usize,
        cut: Cut,
    }

    /// How far the last step gets.
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Cut {
        Before,
        /// A replacement has written half of what it writes beside the file.
        HalfWay,
        After,
    }

    impl Dying {
        /// Whether a step that changes something is done; an error when it is the last one or beyond it.
        fn step(&mut self, path: &Path, bytes: Option<&[u8]>) -> io::Result<()> {
            let killed = || Err(io::Error::other("killed"));
            if self.steps > 0 {
                self.steps -= 1;
                return bytes.map_or_else(|| FileSystem.remove(path), |bytes| FileSystem.replace(path, bytes));
            }
            match (self.cut, bytes) {
                (Cut::HalfWay, Some(bytes)) => {
                    let name = format!(".{}.part", path.file_name().unwrap().to_string_lossy());
                    fs::write(path.with_file_name(name), &bytes[..bytes.len() / 2]).unwrap();
                }
                (Cut::After, bytes) => {
                    bytes.map_or_else(|| FileSystem.remove(path), |bytes| FileSystem.replace(path, bytes))?;
                }
                _ => {}
            }
            self.cut = Cut::Before;
            killed()
        }
    }

    impl Disk for Dying {
        fn read(&mut self, path: &Path) -> io::Result<Option<Vec<u8>>> {
            FileSystem.read(path)
        }

        fn replace(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            self.step(path, Some(bytes))
        }

        fn remove(&mut self, path: &Path) -> io::Result<()> {
            self.step(path, None)
        }
    }

    #[test]
    fn killed_at_any_instant_and_run_again_it_ends_the_same() {
        let whole = folder();
        expected(whole.path()).merge(&mut FileSystem).unwrap();
        let end = files(whole.path());
        assert_eq!(end.keys().collect::<Vec<_>>(), ["merged.json", "merged.meta.json"]);
        let mut killed = 0;
        for first in 0.. {
            let mut ended = false;
            for cut in [Cut::Before, Cut::HalfWay, Cut::After] {
                // Killed once, and then once more a little later.
                for second in 0..3 {
                    let folder = folder();
                    let merging = expected(folder.path());
                    ended = merging.merge(&mut Dying { steps: first, cut }).is_ok();
                    killed += usize::from(!ended);
                    let _ = merging.merge(&mut Dying { steps: second, cut });
                    let missing = merging.missing(&mut FileSystem).unwrap();
                    assert!(missing.is_empty(), "{missing:?} lost after {first} steps, {cut:?}, and {second}");
                    let done = merging.merge(&mut FileSystem).unwrap();
                    assert_eq!(done.damaged, [], "after {first} steps, {cut:?}, and {second}");
                    assert_eq!(files(folder.path()), end, "after {first} steps, {cut:?}, and {second}");
                }
            }
            if ended {
                break;
            }
        }
        // Two replacements and three times three removals, each cut in three ways, thrice.
        assert_eq!(killed, 11 * 9);
    }

    #[test]
    fn what_is_merged_twice_or_in_turns_is_the_same_as_at_once() {
        let (whole, turns) = (folder(), folder());
        expected(whole.path()).merge(&mut FileSystem).unwrap();
        for name in ["cat", "ann", "ben"] {
            Folder::new(turns.path(), &[name.to_owned()]).unwrap().merge(&mut FileSystem).unwrap();
        }
        leave(turns.path(), "ann", work(0));
        let again = expected(turns.path()).merge(&mut FileSystem).unwrap();
        assert_eq!(again.taken, ["ann"]);
        assert_eq!(files(turns.path()), files(whole.path()));
        assert_eq!(value(whole.path()), json!({"ann": 0, "ben": 1, "cat": 2, "shared": "cat"}));
        assert_eq!(expected(whole.path()).merge(&mut FileSystem).unwrap(), Merged::default());
    }

    #[test]
    fn what_is_damaged_stays_and_is_named_and_the_rest_is_merged() {
        let mut forked = Dict::new(AgentId::new(1));
        forked.set("ann", &json!("another"), 0).unwrap();
        let forked = MetaJson::from(AnyDocument::Dict(Box::new(forked))).to_text().unwrap();
        let mut json = Json::new(AgentId::new(9));
        json.edit().get("k").set(&json!(1)).unwrap();
        let json = MetaJson::from(AnyDocument::Json(Box::new(json))).to_text().unwrap();
        let whole = MetaJson::from(work(1)).to_text().unwrap();
        let cases = [
            (whole[..whole.len() / 2].to_owned(), "line 2 column"),
            (whole.replace("\"version\":1", "\"version\":7"), "version 7"),
            (forked, "is refused"),
            (json, "it is a JSON document, and what is merged is a dictionary"),
            (String::new(), "EOF"),
        ];
        for (text, reason) in cases {
            let folder = folder();
            let path = folder.path().join("ben.meta.json");
            fs::write(&path, &text).unwrap();
            let merging = expected(folder.path());
            for _ in 0..2 {
                let done = merging.merge(&mut FileSystem).unwrap();
                let [(name, told)] = &done.damaged[..] else { panic!("{:?}", done.damaged) };
                assert!(name == "ben" && told.contains("ben.meta.json") && told.contains(reason), "{told}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(value(folder.path()), json!({"ann": 0, "cat": 2, "shared": "cat"}));
            // Made good, it is taken in.
            fs::write(&path, &whole).unwrap();
            assert_eq!(merging.merge(&mut FileSystem).unwrap().taken, ["ben"]);
            assert_eq!(value(folder.path()), json!({"ann": 0, "ben": 1, "cat": 2, "shared": "cat"}));
        }
    }

    #[test]
    fn a_damaged_result_stops_everything_and_changes_nothing() {
        let folder = folder();
        fs::write(folder.path().join("merged.meta.json"), "{").unwrap();
        let before = files(folder.path());
        let error = expected(folder.path()).merge(&mut FileSystem).unwrap_err().to_string();
        assert!(error.contains("merged.meta.json") && error.contains("line 1 column 1"), "{error}");
        assert_eq!(files(folder.path()), before);
    }

    #[test]
    fn work_that_waits_is_not_written_over() {
        let folder = folder();
        let before = files(folder.path());
        assert!(finish(folder.path(), "ann", b"{}", b"{}").unwrap_err().to_string().contains("waits to be merged"));
        assert_eq!(files(folder.path()), before);
        for name in ["", ".a", "a/b", "merged", "a.meta", "a,b"] {
            assert!(Folder::new(folder.path(), &[name.to_owned()]).is_err(), "{name:?} was taken for a name");
        }
    }
}
