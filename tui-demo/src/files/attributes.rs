//! Who may do what with a file: carried over to the file that takes its place, and to the one beside it.
//!
//! Knows owner, group, mode and extended attributes, which lists of further people (ACLs) are among. Where there is one,
//! the bits for the group say what *anybody* in the list may do at most; kept without the list they would give the group
//! what it never had. So either all of it is carried over, or it is said that it was not.

use std::fs::{File, Metadata};
use std::io;

/// Gives `made`, a file of ours that nobody else can open yet, all that `former` has.
///
/// # Errors
/// When any of it is refused. Nobody can open `made` then who could not open it before.
pub(super) fn carry_over(former: &File, made: &File) -> io::Result<()> {
    let metadata = former.metadata()?;
    give(made, &metadata)?;
    // Before the mode, which would let in whomever a list that came from the folder names.
    extended::carry_over(former, made)?;
    made.set_permissions(metadata.permissions())
}

/// Group first, by itself: who may not give a file away may still give it to a group that they are in.
#[cfg(unix)]
fn give(made: &File, former: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    fchown(made, None, Some(former.gid()))?;
    fchown(made, Some(former.uid()), None)
}

#[cfg(not(unix))]
fn give(_: &File, _: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Lets those open `made`, a file of ours that nobody else can open yet, who may open `text`. Its group is left out where
/// the system does not let us name it, or where a list says more: `made` may be written anew by who knows no lists, and then
/// it has that of its folder.
#[cfg(unix)]
pub(super) fn admit_readers_of(text: &File, made: &File) -> io::Result<()> {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let metadata = text.metadata()?;
    let has_group = fchown(made, None, Some(metadata.gid())).is_ok();
    let has_list = has_group && extended::listed(text)? == extended::listed(made)?;
    let others = if has_list { 0o066 } else { 0o006 };
    made.set_permissions(Permissions::from_mode(0o600 | metadata.mode() & others))
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
mod extended {
    use rustix::buffer::spare_capacity;
    use rustix::fs::{XattrFlags, fgetxattr, fgetxattr_query, flistxattr, flistxattr_query, fremovexattr, fsetxattr};
    use rustix::io::Errno;
    use std::fs::File;
    use std::io;

    /// Where Linux keeps the list of who else may open a file.
    const LIST: &[u8] = b"system.posix_acl_access";

    pub(super) fn carry_over(from: &File, to: &File) -> io::Result<()> {
        let (wanted, found) = (names(from)?, names(to)?);
        for name in &wanted {
            carry(name, from, to)?;
        }
        // What the folder gives to all that is made there.
        found.iter().filter(|name| !wanted.contains(name)).try_for_each(|name| Ok(fremovexattr(to, name.as_slice())?))
    }

    /// The entries of the list that a mode does not say and does not change: of people, groups, and the file's own group.
    pub(super) fn listed(file: &File) -> io::Result<Vec<Vec<u8>>> {
        if !names(file)?.iter().any(|name| name == LIST) {
            return Ok(Vec::new());
        }
        let list = value(file, LIST)?;
        // Behind a version of four bytes: what it is (1 and 32 are the owner and others, 16 the mask), what it may, who it is.
        let entries = list.get(4..).unwrap_or_default().chunks(8);
        Ok(entries.filter(|entry| matches!(entry.first(), Some(2 | 4 | 8))).map(<[u8]>::to_vec).collect())
    }

    fn carry(name: &[u8], from: &File, to: &File) -> io::Result<()> {
        let wanted = value(from, name)?;
        // Labels of the system are there from the start, and not everybody may set them.
        if value(to, name).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        Ok(fsetxattr(to, name, &wanted, XattrFlags::empty())?)
    }

    fn value(file: &File, name: &[u8]) -> io::Result<Vec<u8>> {
        let mut value = Vec::with_capacity(fgetxattr_query(file, name)?);
        if value.capacity() > 0 {
            fgetxattr(file, name, spare_capacity(&mut value))?;
        }
        Ok(value)
    }

    /// None where the file system has no such thing.
    fn names(file: &File) -> io::Result<Vec<Vec<u8>>> {
        let len = match flistxattr_query(file) {
            Err(Errno::NOTSUP | Errno::NOSYS) => 0,
            len => len?,
        };
        let mut list = Vec::with_capacity(len);
        if len > 0 {
            flistxattr(file, spare_capacity(&mut list))?;
        }
        Ok(list.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
    }
}

/// Nothing that Rust reaches safely.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
mod extended {
    use std::fs::File;
    use std::io;

    pub(super) fn carry_over(_: &File, _: &File) -> io::Result<()> {
        Ok(())
    }

    #[cfg(unix)]
    pub(super) fn listed(_: &File) -> io::Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use crate::files::history::{History, Synced};
    use crate::files::history_path;
    use crate::files::text::{Form, write};
    use rustix::fs::{XattrFlags, fgetxattr, setxattr};
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    const ALICE: u32 = 4001;
    const BEN: u32 = 4002;
    const TEAM: u32 = 4003;

    /// Names a text that is to be saved by whoever this test runs as, with the name of a test before it.
    const SAVE: &str = "CEDE_TEST_SAVE";

    const LIST: &str = "system.posix_acl_access";

    /// A text in a folder that everybody may write to, and whose group all that is made there has, of this owner, group and
    /// mode. `None`, and said, where only root may do that.
    fn text_of(folder: &Path, owner: u32, group: u32, mode: u32) -> Option<PathBuf> {
        let path = folder.join("notes.md");
        fs::set_permissions(folder, Permissions::from_mode(0o2777)).expect("set");
        fs::write(&path, "before").expect("written");
        if chown(&path, Some(owner), Some(group)).is_err() {
            eprintln!("skipped: giving files away takes root");
            return None;
        }
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        Some(path)
    }

    /// Saves the text, and makes its history, as somebody else, by running the test of this name again.
    fn save_as(user: u32, group: u32, test: &str, text: &Path) {
        let test = format!("files::attributes::tests::{test}");
        let mut again = Command::new(std::env::current_exe().expect("this program"));
        again.args(["--exact", &test]).env(SAVE, text).uid(user).gid(group);
        let output = again.output().expect("started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Whether this is the test run again: then it has saved what it is to save.
    fn saves() -> bool {
        let Some(path) = std::env::var_os(SAVE).map(PathBuf::from) else { return false };
        write(&path, "after", Form::default()).expect("written");
        keep_history(&path);
        true
    }

    fn keep_history(text: &Path) {
        let (mut history, _) = History::open(&history_path(text), |_| {}).expect("opened");
        let mut session = cede::Session::new(cede::AgentId::new(1));
        session.insert(cede::Chars(0), "after").expect("typed");
        history.record(session.document(), None);
        assert_eq!(history.sync(), Synced::Kept);
        // Written anew, it has the same owner, group and mode.
        history.rewrite(session.document(), crate::files::resume::Resume::default());
        assert_eq!(history.sync(), Synced::Kept);
    }

    /// Owner, group, and who may do what.
    fn access(path: &Path) -> (u32, u32, u32) {
        let metadata = fs::metadata(path).expect("there");
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o777)
    }

    /// Catches owner and group that are asked for at once: neither is kept then, and Alice cannot open her own text.
    #[test]
    fn who_saves_somebody_elses_text_does_not_take_it_from_them() {
        let folder = tempfile::tempdir().expect("a folder");
        if saves() {
            return;
        }
        let Some(path) = text_of(folder.path(), ALICE, TEAM, 0o660) else { return };
        save_as(BEN, TEAM, "who_saves_somebody_elses_text_does_not_take_it_from_them", &path);
        assert_eq!(fs::read_to_string(&path).expect("read"), "after");
        assert_eq!(access(&path), (ALICE, TEAM, 0o660));
        assert_eq!(access(&history_path(&path)), (BEN, TEAM, 0o660), "Alice can go on with it");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 2, "a file was left beside it");
    }

    /// Catches a history that gives to the group of whoever opens it what the text gives to its own.
    #[test]
    fn a_history_whose_group_cannot_be_that_of_the_text_is_for_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        if saves() {
            return;
        }
        let Some(path) = text_of(folder.path(), BEN, TEAM, 0o664) else { return };
        save_as(BEN, BEN, "a_history_whose_group_cannot_be_that_of_the_text_is_for_its_owner", &path);
        assert_eq!(access(&path), (BEN, TEAM, 0o664));
        assert_eq!(access(&history_path(&path)), (BEN, 0, 0o604));
    }

    /// A list that lets in one more person, and not the group: of the bits of the mode, those for the group are the mask.
    fn list_for(user: u32) -> Vec<u8> {
        let nobody = u32::MAX;
        let entries: [(u16, u16, u32); 5] =
            [(1, 6, nobody), (2, 6, user), (4, 0, nobody), (16, 6, nobody), (32, 0, nobody)];
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (who, what, id) in entries {
            list.extend([who.to_le_bytes(), what.to_le_bytes()].concat());
            list.extend(id.to_le_bytes());
        }
        list
    }

    fn attribute(path: &Path, name: &str) -> Option<Vec<u8>> {
        let mut value = vec![0; 256];
        let len = fgetxattr(File::open(path).expect("opened"), name, value.as_mut_slice()).ok()?;
        value.truncate(len);
        Some(value)
    }

    /// Says whether the file system lets us.
    fn set(path: &Path, name: &str, value: &[u8]) -> bool {
        let is_set = setxattr(path, name, value, XattrFlags::empty()).is_ok();
        if !is_set {
            eprintln!("skipped: {} cannot have {name}", path.display());
        }
        is_set
    }

    /// Catches a list that is lost while its mask stays as the rights of the group.
    #[test]
    fn lists_and_other_attributes_outlast_a_save() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notes.md");
        fs::write(&path, "before").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        if !set(&path, LIST, &list_for(ALICE)) || !set(&path, "user.origin", b"somewhere") {
            return;
        }
        write(&path, "after", Form::default()).expect("written");
        keep_history(&path);
        assert_eq!(access(&path).2, 0o660);
        assert_eq!(attribute(&path, LIST), Some(list_for(ALICE)));
        assert_eq!(attribute(&path, "user.origin").as_deref(), Some(&b"somewhere"[..]));
        assert_eq!(access(&history_path(&path)).2, 0o600, "without the list its mask would let in the group");
    }

    /// Catches a list of the folder that comes to life with the mode of a text that has none.
    #[test]
    fn a_list_of_the_folder_lets_in_who_may_read_the_text_and_nobody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let [before, behind] = ["before.md", "behind.md"].map(|name| folder.path().join(name));
        fs::write(&before, "made before the list").expect("written");
        if !set(folder.path(), "system.posix_acl_default", &list_for(ALICE)) {
            return;
        }
        fs::write(&behind, "made behind it").expect("written");
        for (path, list, mode) in [(before, None, 0o600), (behind, Some(list_for(ALICE)), 0o660)] {
            fs::set_permissions(&path, Permissions::from_mode(0o660)).expect("set");
            write(&path, "after", Form::default()).expect("written");
            keep_history(&path);
            assert_eq!((access(&path).2, attribute(&path, LIST)), (0o660, list));
            assert_eq!(access(&history_path(&path)).2, mode, "{}", path.display());
        }
    }
}
