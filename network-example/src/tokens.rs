//! The file of tokens: who may do what in which room, a line each, with hashes in the place of tokens.
//!
//! ```text
//! # id      room   rights  sha-256 of the token                 for whom
//! 5f3a9c01  notes  write   9f86d081884c7d659a2feaa0c55ad015a…   Ben
//! 77d0e2b4  *      host    60303ae22b998861bce3b28f33eec1be7…   Ann
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt::{self, Write as _};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use cede::storage::{create_private, leads_to};

use crate::directory;
use crate::rights::{Rights, RightsError};
use crate::room::{RoomName, RoomNameError};
use crate::token::{Token, TokenError, TokenHash};

/// Some ten thousand lines. What is longer was not written by hand or by `cede token`.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// What one token permits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// By which it is revoked; not secret.
    pub id: String,
    /// Where.
    pub scope: Scope,
    /// What.
    pub rights: Rights,
    /// Of the token.
    pub hash: TokenHash,
    /// For whom, for people.
    pub note: String,
}

/// Which rooms a token opens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Every room, written `*`.
    All,
    /// This one.
    Room(RoomName),
}

impl Scope {
    /// Whether the room is one of them.
    pub fn includes(&self, room: &RoomName) -> bool {
        match self {
            Self::All => true,
            Self::Room(name) => name == room,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Room(name) => name.fmt(f),
        }
    }
}

impl FromStr for Scope {
    type Err = RoomNameError;

    fn from_str(text: &str) -> Result<Self, RoomNameError> {
        if text == "*" { Ok(Self::All) } else { text.parse().map(Self::Room) }
    }
}

impl Grant {
    /// A new grant and its token, which is nowhere else from here on.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(scope: Scope, rights: Rights, note: &str) -> Result<(Self, Token), getrandom::Error> {
        let token = Token::random()?;
        let id = format!("{:08x}", getrandom::u32()?);
        // A line break in a note would begin a line of its own.
        let note = note.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok((Self { id, scope, rights, hash: token.hash(), note }, token))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, scope, rights, hash, note } = self;
        write!(f, "{id} {scope} {rights} {hash}")?;
        if note.is_empty() { Ok(()) } else { write!(f, " {note}") }
    }
}

/// The grants of a text, a line each; empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// [`TokensError::Line`]: the first line that is not understood. None of the others may be relied on then: somebody is
/// in the middle of changing them.
pub fn parse(text: &str) -> Result<Vec<Grant>, TokensError> {
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(line, number)| grant(line).map_err(|fault| TokensError::Line { number, fault })).collect()
}

fn grant(line: &str) -> Result<Grant, Fault> {
    let mut words = line.split_whitespace();
    let mut word = || words.next().ok_or(Fault::Words);
    let (id, scope, rights, hash) = (word()?, word()?, word()?, word()?);
    Ok(Grant {
        id: id.to_owned(),
        scope: scope.parse().map_err(Fault::Room)?,
        rights: rights.parse().map_err(Fault::Rights)?,
        hash: hash.parse().map_err(Fault::Hash)?,
        note: words.collect::<Vec<_>>().join(" "),
    })
}

/// The grants of a file.
///
/// # Errors
/// [`TokensError`].
pub fn read(path: &Path) -> Result<Vec<Grant>, TokensError> {
    parse(&text(&File::open(path)?)?)
}

fn text(file: &File) -> Result<String, TokensError> {
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES { Err(TokensError::TooLong) } else { Ok(text) }
}

/// Adds a grant to a file, which is made, readable by its owner alone, if there is none. Waits for whoever else is changing
/// the file. It is on the disk when this returns.
///
/// # Errors
/// [`TokensError`]; a file that is not understood is not written to.
pub fn add(path: &Path, grant: &Grant) -> Result<(), TokensError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    private(&mut options);
    let mut file = lock(path, &options)?;
    let former = text(&file)?;
    parse(&former)?;
    // Whoever wrote it by hand may have left out the end of the last line.
    let start = if former.is_empty() || former.ends_with('\n') { "" } else { "\n" };
    // One write at the end of the file: the server never reads half a line.
    file.write_all(format!("{start}{grant}\n").as_bytes())?;
    file.sync_all()?;
    Ok(directory::sync_name(&fs::canonicalize(path)?)?)
}

/// Takes the grant with this id out of a file; the lines around it stay as they are, and so do owner, group and mode of the
/// file. Waits for whoever else is changing the file. It is on the disk when this returns.
///
/// # Errors
/// [`TokensError::Absent`] when there is none; [`TokensError::Owner`] when the file could only be replaced by one that its
/// server might not read any more, and then it is as it was; otherwise as [`read`].
pub fn revoke(path: &Path, id: &str) -> Result<(), TokensError> {
    let file = lock_to_replace(path)?;
    let former = text(&file)?;
    parse(&former)?;
    let (mut kept, mut found) = (String::new(), false);
    for line in former.lines() {
        if line.split_whitespace().next() == Some(id) {
            found = true;
        } else {
            // Writing to a string does not fail.
            let _ = writeln!(kept, "{line}");
        }
    }
    if !found {
        return Err(TokensError::Absent { id: id.to_owned() });
    }
    // Later the file is replaced under the name that it really has, not in the place of a link to it.
    replace(&fs::canonicalize(path)?, &file.metadata()?, &kept)
}

/// Whoever may not write to a file may still replace it, if they may write to its folder. Where a lock takes the right to
/// write, as on NFS, they are told.
fn lock_to_replace(path: &Path) -> io::Result<File> {
    match lock(path, OpenOptions::new().read(true).write(true)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => lock(path, OpenOptions::new().read(true)),
        locked => locked,
    }
}

/// Opens the file and locks it. It is the file itself that is locked: one beside it would belong to whoever came first, and
/// keep others out who may change this one.
fn lock(path: &Path, options: &OpenOptions) -> io::Result<File> {
    loop {
        let file = options.open(path)?;
        file.lock()?;
        // Whoever had the lock may have put another file in the place of this one.
        if leads_to(path, &file)? {
            return Ok(file);
        }
    }
}

/// Whenever this is cut short the file is the former one or the latter, never part of it.
fn replace(path: &Path, former: &Metadata, text: &str) -> Result<(), TokensError> {
    // The folder may be somebody else's, and root's files are not to be written to by their links: so it is a name that
    // nobody knows, and a file that is made now.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:016x}", getrandom::u64().map_err(io::Error::other)?));
    let beside = Path::new(&beside);
    let made = create_private(beside)?;
    let replaced = fill(made, former, text).and_then(|()| Ok(fs::rename(beside, path)?));
    if replaced.is_err() {
        // Of no use to anybody; one that stays does no harm.
        let _ = fs::remove_file(beside);
    }
    replaced?;
    Ok(directory::sync_name(path)?)
}

fn fill(mut file: File, former: &Metadata, text: &str) -> Result<(), TokensError> {
    keep_owner(&file, former).map_err(TokensError::Owner)?;
    file.set_permissions(former.permissions())?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

/// The file is private and its server runs as somebody: as the file of whoever replaces it, the server could not read it.
#[cfg(unix)]
fn keep_owner(file: &File, former: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let made = file.metadata()?;
    // Not every file system lets anybody ask for what is so already.
    if (made.uid(), made.gid()) == (former.uid(), former.gid()) {
        return Ok(());
    }
    fchown(file, Some(former.uid()), Some(former.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Why a file of tokens is of no use.
#[derive(Debug)]
pub enum TokensError {
    /// The system's reason.
    Io(io::Error),
    /// A line that is not understood.
    Line {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong with it.
        fault: Fault,
    },
    /// More than 2 MiB.
    TooLong,
    /// Who replaces the file may not give it to its owner and group; the system's reason. Nothing has changed.
    Owner(io::Error),
    /// No line begins with this id.
    Absent {
        /// As it was asked for.
        id: String,
    },
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Fewer than four words.
    Words,
    /// The second word.
    Room(RoomNameError),
    /// The third word.
    Rights(RightsError),
    /// The fourth word.
    Hash(TokenError),
}

impl From<io::Error> for TokensError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for TokensError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Line { number, fault } => write!(f, "line {number}: {fault}"),
            Self::TooLong => write!(f, "more than {MAX_BYTES} bytes; this is no file of tokens"),
            Self::Owner(error) => {
                write!(f, "only its owner or root can change it and leave it readable for its server: {error}")
            }
            Self::Absent { id } => write!(f, "no token has the id {id}"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words => f.write_str("expected: id, room or *, rights, SHA-256 of the token"),
            Self::Room(error) => error.fmt(f),
            Self::Rights(error) => error.fmt(f),
            Self::Hash(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TokensError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) | Self::Owner(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("cede-net-tokens-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn grants_are_added_and_revoked_and_the_token_is_nowhere() {
        let folder = folder("file");
        let file = folder.join("tokens");
        let (ben, token) = Grant::new("notes".parse().unwrap(), Rights::Write, "Ben\n* host").unwrap();
        let (ann, _) = Grant::new(Scope::All, Rights::Host, "").unwrap();
        add(&file, &ben).unwrap();
        fs::write(&file, format!("# mine\n\n{}", fs::read_to_string(&file).unwrap())).unwrap();
        add(&file, &ann).unwrap();
        assert_eq!(read(&file).unwrap(), [ben.clone(), ann.clone()]);
        assert_eq!(ben.note, "Ben * host", "a note stays on its line");
        assert!(!fs::read_to_string(&file).unwrap().contains(token.as_str()));
        revoke(&file, &ben.id).unwrap();
        assert_eq!(read(&file).unwrap(), std::slice::from_ref(&ann));
        assert!(fs::read_to_string(&file).unwrap().starts_with("# mine\n\n"));
        assert!(matches!(revoke(&file, &ben.id), Err(TokensError::Absent { .. })));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "its owner's alone");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    /// Without the lock one takes away what another is about to put in its place, or puts in its place what others have revoked
    /// since it was read.
    #[test]
    fn of_many_who_change_the_file_at_once_nobody_loses_a_change() {
        let folder = folder("at-once");
        let file = &folder.join("tokens");
        let grant = |_: usize| Grant::new(Scope::All, Rights::Read, "").unwrap().0;
        for _ in 0..10 {
            let _ = fs::remove_file(file);
            let (revoked, added): (Vec<Grant>, Vec<Grant>) = ((0..6).map(grant).collect(), (0..6).map(grant).collect());
            revoked.iter().for_each(|grant| add(file, grant).unwrap());
            std::thread::scope(|scope| {
                for (old, new) in revoked.iter().zip(&added) {
                    scope.spawn(|| revoke(file, &old.id).unwrap());
                    scope.spawn(|| add(file, new).unwrap());
                }
            });
            let ids = |grants: Vec<Grant>| {
                grants.into_iter().map(|grant| grant.id).collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(ids(read(file).unwrap()), ids(added));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    /// A file of whoever revokes, with mode 0600, cannot be read by a server that runs as somebody else, which then goes on
    /// with the tokens that it has read before. Run as root this gives the file to somebody else first.
    #[cfg(unix)]
    #[test]
    fn whoever_revokes_the_file_stays_its_owners_and_as_readable_as_it_was() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
        let folder = folder("owner");
        let (file, link) = (folder.join("tokens"), folder.join("link"));
        let (ben, _) = Grant::new(Scope::All, Rights::Write, "Ben").unwrap();
        add(&file, &ben).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        // Nobody but root may; then it is the mode alone that is looked at.
        let _ = chown(&file, Some(4711), Some(4712));
        symlink("tokens", &link).unwrap();
        let whose = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.uid(), found.gid(), found.mode() & 0o7777)
        };
        let before = whose(&file);
        revoke(&link, &ben.id).unwrap();
        assert_eq!(read(&file).unwrap(), []);
        assert_eq!(whose(&file), before);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        fs::remove_dir_all(folder).unwrap();
    }

    /// Without a sync of the directory after the rename, a power cut brings a revoked token back.
    #[cfg(unix)]
    #[test]
    fn what_was_changed_is_on_the_disk() {
        let folder = folder("disk");
        let file = folder.join("tokens");
        let on_disk = || directory::tests::on_disk(&fs::canonicalize(&folder).unwrap());
        let (ben, _) = Grant::new(Scope::All, Rights::Write, "Ben").unwrap();
        add(&file, &ben).unwrap();
        assert_eq!(on_disk(), [("tokens".to_owned(), fs::read(&file).unwrap())].into());
        revoke(&file, &ben.id).unwrap();
        assert_eq!(on_disk(), [("tokens".to_owned(), Vec::new())].into());
        fs::remove_dir_all(folder).unwrap();
    }

    /// A line without an end, as editors leave it, would otherwise take the next grant in as part of its note.
    #[test]
    fn a_grant_is_added_behind_a_line_without_an_end() {
        let folder = folder("end");
        let file = folder.join("tokens");
        let [ann, ben] = ["Ann", "Ben"].map(|note| Grant::new(Scope::All, Rights::Write, note).unwrap().0);
        fs::write(&file, ann.to_string()).unwrap();
        add(&file, &ben).unwrap();
        assert_eq!(read(&file).unwrap(), [ann, ben]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let hash = "0".repeat(64);
        for (line, words) in [
            ("x notes write", "line 1: expected: id, room"),
            (&format!("x a/b write {hash}"), "'/' at byte 1"),
            (&format!("x notes owner {hash}"), "read, write or host"),
            ("x notes write 12", "64 hexadecimal digits"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn revoke_does_not_follow_a_link_beside_the_file() {
        use std::os::unix::fs::{MetadataExt, chown, symlink};
        let folder = folder("rev-link");
        let (file, victim) = (folder.join("tokens"), folder.join("victim"));
        let (ben, _) = Grant::new(Scope::All, Rights::Write, "Ben").unwrap();
        add(&file, &ben).unwrap();
        let _ = chown(&file, Some(4711), Some(4712));
        fs::write(&victim, "root's own").unwrap();
        let before = fs::metadata(&victim).unwrap().uid();
        symlink(&victim, folder.join(format!("tokens.{}", std::process::id()))).unwrap();
        let done = revoke(&file, &ben.id);
        let seen = (fs::read_to_string(&victim).unwrap(), fs::metadata(&victim).unwrap().uid());
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(seen, ("root's own".to_owned(), before), "{done:?}");
    }
}
