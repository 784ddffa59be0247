//! Directories on the disk. A file that has reached it can still be without its name, or under its former one, after a power
//! cut: names are in the directory, which reaches the disk by itself.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io;
use std::path::Path;

/// [`cede::storage::sync_name`], and tests know of it.
///
/// # Errors
/// As there.
pub(crate) fn sync_name(path: &Path) -> io::Result<()> {
    #[cfg(test)]
    tests::record(path);
    cede::storage::sync_name(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
pub(crate) mod tests {
    //! No test can cut the power of the machine that it runs on, so it asks what was in a directory when that was synced last.

    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    /// The bytes of files by their names.
    pub(crate) type Listing = BTreeMap<String, Vec<u8>>;

    thread_local! {
        /// By this thread, so that tests do not see each other's.
        static SYNCED: RefCell<BTreeMap<PathBuf, Listing>> = RefCell::default();
    }

    pub(super) fn record(path: &Path) {
        let directory = path.parent().unwrap();
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
        let files = files.filter(|entry| entry.path().is_file());
        let listing =
            files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
        SYNCED.with_borrow_mut(|synced| _ = synced.insert(directory.to_owned(), listing.collect()));
    }

    /// What is in a directory for sure, should the power go now.
    pub(crate) fn on_disk(directory: &Path) -> Listing {
        SYNCED.with_borrow(|synced| synced.get(directory).cloned().unwrap_or_default())
    }
}
