//! Has somebody else changed the text file?
//!
//! Knows the stamp with which the file was last left by us. Looking costs one question to the
//! file system; the content is read only when the stamp has changed and stands still, because
//! programs that write in place are seen in the middle otherwise. Polling, and not the system's
//! notices: those differ on every system and file system, and once or twice a second is enough.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files::text::{self, Snapshot, Stamp, TextError};

/// How often to look.
pub const INTERVAL: Duration = Duration::from_millis(500);

/// A text file that is not as it was left.
#[derive(Debug)]
pub enum Seen {
    /// It has this content.
    Content(Snapshot),
    /// It is gone.
    Gone,
    /// It cannot be read.
    Unreadable(TextError),
}

/// The watch over one file.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    /// As it was left; `None` when there was no file.
    left: Option<Stamp>,
    /// A stamp seen once that is not as it was left.
    stirring: Option<Option<Stamp>>,
    /// Reading has failed when the file had this stamp, or none that could be asked for, and that has been said.
    told: Option<Option<Stamp>>,
}

impl Watch {
    /// Watches the file at `path`, which was left with this stamp.
    #[must_use]
    pub fn new(path: &Path, left: Option<Stamp>) -> Self {
        Self { path: path.into(), left, stirring: None, told: None }
    }

    /// The stamp with which it was left; `None` when there was no file.
    #[must_use]
    pub fn left(&self) -> Option<Stamp> {
        self.left
    }

    /// The file has been written by ourselves.
    pub fn leave(&mut self, stamp: Stamp) {
        self.left = Some(stamp);
        self.stirring = None;
    }

    /// What has changed since it was left, once it stands still: to be called every
    /// [`INTERVAL`]. Says each change once.
    pub fn look(&mut self) -> Option<Seen> {
        match Stamp::of(&self.path) {
            Ok(stamp) if stamp == self.left => {
                self.stirring = None;
                // What could not be read then cannot be read now, and has been told.
                self.told = self.told.filter(|told| *told == stamp);
                None
            }
            Ok(stamp) if self.stirring != Some(stamp) => {
                self.stirring = Some(stamp);
                None
            }
            _ => self.look_now(),
        }
    }

    /// What has changed since it was left, whether or not it stands still: before writing it.
    pub fn look_now(&mut self) -> Option<Seen> {
        let seen = match text::read(&self.path) {
            Ok(Some(snapshot)) if Some(snapshot.stamp) == self.left => return None,
            Ok(Some(snapshot)) => {
                self.left = Some(snapshot.stamp);
                Seen::Content(snapshot)
            }
            Ok(None) if self.left.is_none() => return None,
            Ok(None) => {
                self.left = None;
                Seen::Gone
            }
            Err(error) => return self.fail(error),
        };
        self.stirring = None;
        self.told = None;
        Some(seen)
    }

    /// The same trouble is told once, and read again only when the stamp changes.
    fn fail(&mut self, error: TextError) -> Option<Seen> {
        let stamp = Stamp::of(&self.path);
        let now = Some(*stamp.as_ref().unwrap_or(&None));
        self.left = stamp.unwrap_or(self.left);
        self.stirring = None;
        (std::mem::replace(&mut self.told, now) != now).then_some(Seen::Unreadable(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn content(seen: Option<Seen>) -> String {
        match seen {
            Some(Seen::Content(snapshot)) => snapshot.text,
            other => panic!("expected content, found {other:?}"),
        }
    }

    #[test]
    fn a_change_is_told_once_when_it_stands_still() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        let mut watch = Watch::new(&path, None);
        assert!(watch.look().is_none());
        fs::write(&path, "half").expect("written");
        assert!(watch.look().is_none(), "it may be in the middle of being written");
        fs::write(&path, "half and whole").expect("written");
        assert!(watch.look().is_none(), "it was");
        assert_eq!(content(watch.look()), "half and whole");
        assert!(watch.look().is_none());
    }

    #[test]
    fn what_we_write_ourselves_is_no_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        let mut watch = Watch::new(&path, None);
        watch.leave(text::write(&path, "ours", text::Form::default()).expect("written"));
        assert!(watch.look().is_none());
        assert!(watch.look().is_none());
        assert!(watch.look_now().is_none());
    }

    #[test]
    fn a_deleted_file_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        let stamp = text::write(&path, "ours", text::Form::default()).expect("written");
        let mut watch = Watch::new(&path, Some(stamp));
        fs::remove_file(&path).expect("removed");
        assert!(watch.look().is_none());
        assert!(matches!(watch.look(), Some(Seen::Gone)));
        assert!(watch.look().is_none());
    }

    #[test]
    fn an_unreadable_file_is_told_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.txt");
        let mut watch = Watch::new(&path, None);
        fs::write(&path, b"caf\xe9").expect("written");
        assert!(watch.look().is_none());
        assert!(matches!(watch.look(), Some(Seen::Unreadable(_))));
        assert!(watch.look().is_none());
        assert!(watch.look_now().is_none(), "who saves after that means to replace it");
        fs::write(&path, "café").expect("written");
        assert!(watch.look().is_none());
        assert_eq!(content(watch.look()), "café");
    }
}
