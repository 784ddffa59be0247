//! A text file and a history that do not agree: what happened, and the events that settle it.
//!
//! Knows a document, the versions that the file was known to hold, and the file's text now.
//! The difference is written as if by somebody who edited the file at the version that it held,
//! concurrently to everything typed since; so the engine merges it like any other author's work
//! and nobody's typing is lost. Costs a checkout of that version, and a clone of the document
//! when there is something to settle.

use cede::{AgentId, AuthorError, Buffer, Document, Frontier};

use crate::files::difference::difference;

/// How a file's text stands to a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The file holds the newest version.
    Equal,
    /// The file holds this version, which was saved; typing since then is in the history alone.
    Behind(Frontier),
    /// Another program wrote the file. These events are its edits; `version` is what the file
    /// holds.
    Edited {
        /// To be merged into the document, in the engine's encoding.
        events: Vec<u8>,
        /// The version that the file now holds.
        version: Frontier,
    },
}

/// Compares `text`, read from the file, with `document`. `saved`: the versions that the file may
/// hold, the surest first; those unknown to the document are passed over, and with none left the
/// difference is taken from the newest version. `agent` must be new: it becomes the author of
/// the difference.
///
/// # Errors
/// [`AuthorError`] when the engine refuses the difference, for instance for its size.
pub fn reconcile(document: &Document, saved: &[Frontier], text: &str, agent: AgentId) -> Result<Standing, AuthorError> {
    if reads(document.text(), text) {
        return Ok(Standing::Equal);
    }
    let known: Vec<(&Frontier, Buffer)> =
        saved.iter().filter_map(|version| Some((version, document.checkout(version).ok()?))).collect();
    if let Some((version, _)) = known.iter().find(|(_, held)| reads(held, text)) {
        return Ok(Standing::Behind((*version).clone()));
    }
    let (base, held) = match known.first() {
        Some((version, held)) => ((*version).clone(), held.to_string()),
        None => (document.frontier(), document.text().to_string()),
    };
    let mut edited = document.clone();
    let version = edited.author(agent, &base, &difference(&held, text))?;
    // Not empty: the texts differ, so there was at least one edit.
    let events = edited.encode_since(&document.summary()).unwrap_or_default();
    Ok(Standing::Edited { events, version })
}

/// Is this the buffer's text? Compared in place, chunk by chunk.
fn reads(buffer: &Buffer, text: &str) -> bool {
    let mut rest = text.as_bytes();
    for chunk in buffer.chunks() {
        match rest.strip_prefix(chunk.as_bytes()) {
            Some(tail) => rest = tail,
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cede::{Chars, Session};

    const ME: AgentId = AgentId::new(1);
    const DISK: AgentId = AgentId::new(2);

    fn settle(session: &mut Session, saved: &[Frontier], text: &str) -> Standing {
        let standing = reconcile(session.document(), saved, text, DISK).expect("reconciled");
        if let Standing::Edited { events, .. } = &standing {
            session.merge::<Chars>(events).expect("merged");
        }
        standing
    }

    #[test]
    fn a_file_saved_before_a_crash_does_not_take_typing_back() {
        let mut session = Session::new(ME);
        session.insert(Chars(0), "saved").expect("typed");
        let saved = session.document().frontier();
        session.insert(Chars(5), " and more").expect("typed");
        let standing = settle(&mut session, std::slice::from_ref(&saved), "saved");
        assert_eq!(standing, Standing::Behind(saved));
        assert_eq!(session.text().to_string(), "saved and more");
    }

    #[test]
    fn a_file_changed_elsewhere_merges_with_typing_since() {
        let mut session = Session::new(ME);
        session.insert(Chars(0), "red green blue\n").expect("typed");
        let saved = session.document().frontier();
        session.insert(Chars(14), " violet").expect("typed");
        settle(&mut session, &[saved], "red grey blue\n");
        assert_eq!(session.text().to_string(), "red grey blue violet\n");
    }

    #[test]
    fn a_file_whose_version_is_not_known_is_right() {
        let mut session = Session::new(ME);
        session.insert(Chars(0), "from the history").expect("typed");
        let unknown: Frontier = "000000000000000000000000000000ff/3".parse().expect("a version");
        settle(&mut session, &[unknown], "from the file");
        assert_eq!(session.text().to_string(), "from the file");
    }

    #[test]
    fn a_crash_while_saving_is_understood_on_both_sides() {
        for held in ["one", "one two"] {
            let mut session = Session::new(ME);
            session.insert(Chars(0), "one").expect("typed");
            let former = session.document().frontier();
            session.insert(Chars(3), " two").expect("typed");
            let latter = session.document().frontier();
            session.insert(Chars(7), " three").expect("typed");
            settle(&mut session, &[former, latter], held);
            assert_eq!(session.text().to_string(), "one two three");
        }
    }
}
