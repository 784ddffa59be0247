//! Which replica a text is to others in a shared folder.
//!
//! Knows a small file beside the history with 32 hexadecimal digits. Whoever copies a text to another machine leaves this
//! file behind: two who write under one id make programs that copy folders believe that they disagree.

use std::fs;
use std::io;
use std::path::Path;

use cede_net::folder::ReplicaId;

/// The replica whose id is kept at `path`; a new one when nothing of the kind is there.
///
/// # Errors
/// The system's reason, when a new one cannot be kept.
pub fn at(path: &Path) -> io::Result<ReplicaId> {
    match fs::read_to_string(path) {
        Ok(digits) => match ReplicaId::parse(digits.trim()) {
            Some(id) => Ok(id),
            None => make(path),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(error),
    }
}

fn make(path: &Path) -> io::Result<ReplicaId> {
    let id = ReplicaId::random().map_err(io::Error::other)?;
    fs::write(path, format!("{id}\n"))?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_kept_and_what_is_none_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.md.cede.replica");
        let first = at(&path).expect("a new one");
        assert_eq!(at(&path).expect("the same"), first);
        fs::write(&path, "nonsense").expect("written");
        let second = at(&path).expect("another");
        assert!(second != first && at(&path).expect("the same") == second);
    }
}
