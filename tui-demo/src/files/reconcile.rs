//! A text file and a history that do not agree: what happened, and the events that settle it.
//!
//! Knows a document, the versions that the file was known to hold, and the file's text now.
//! The difference is written as if by somebody who edited the file at the version that it held,
//! concurrently to everything typed since; so the engine merges it like any other author's work
//! and nobody's typing is lost. Costs a checkout of that version, and a clone of the document
//! when there is something to settle.
//!
//! When histories were united, by git for instance, the file may be a mixture of what several
//! versions say. Written at one of them, the difference would enter a second time what the others
//! hold already, so it is written at the version that unites them:
//!
//! ```text
//!          ┌ ann's saved version ┐
//!   base ──┤                     ├── both ── the difference of the file
//!          └ ben's saved version ┘
//! ```

use std::time::Instant;

use cede::{AgentId, AuthorError, Buffer, Document, Frontier, VersionError};

use crate::files::difference::{added, deadline, difference, shared};

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
    let known = Known::of(document, saved);
    if let Some((version, _)) = known.all().find(|(_, held)| reads(held, text)) {
        return Ok(Standing::Behind(version.clone()));
    }
    let (base, held) = known.base_of(document, text);
    let mut edited = document.clone();
    let version = edited.author(agent, &base, &difference(&held, text))?;
    // Not empty: the texts differ, so there was at least one edit.
    let events = edited.encode_since(&document.summary()).unwrap_or_default();
    Ok(Standing::Edited { events, version })
}

/// The versions that the file may hold and that are known, with their texts.
struct Known {
    /// The surest first.
    saved: Vec<(Frontier, Buffer)>,
    /// The one that unites them, if it is none of them.
    united: Option<(Frontier, Buffer)>,
}

impl Known {
    fn of(document: &Document, saved: &[Frontier]) -> Self {
        let checkout = |version: &Frontier| Some((version.clone(), document.checkout(version).ok()?));
        let saved: Vec<(Frontier, Buffer)> = saved.iter().filter_map(checkout).collect();
        let united = united(document, saved.iter().map(|(version, _)| version));
        let united = united.filter(|(version, _)| saved.iter().all(|(saved, _)| saved != version));
        Self { saved, united }
    }

    fn all(&self) -> impl Iterator<Item = &(Frontier, Buffer)> {
        self.saved.iter().chain(&self.united)
    }

    /// The version to write the difference at, and its text: the surest, unless the file has been made from a later one.
    ///
    /// That is the one that unites several sides, as soon as the file has a tenth of what another side has beyond the
    /// surest: then it was made from all of them, so what is not there any more was taken out. And it is any later one of
    /// which the file has nearly all that this has beyond, for then it came from somebody whose events are here already.
    /// Less proves nothing: what was typed and not saved would be taken back because other words are like it. In doubt
    /// something stands there twice, which is seen and mended, where the other way it would be lost without a word.
    fn base_of(&self, document: &Document, text: &str) -> (Frontier, String) {
        let spelled = |(version, held): &(Frontier, Buffer)| (version.clone(), held.to_string());
        let newest = (document.frontier(), document.text().to_string());
        let Some((surest, others)) = self.saved.split_first() else { return newest };
        let mut base = spelled(surest);
        let has_some = |(_, theirs): &(Frontier, Buffer)| {
            let (held, all) = shared(&base.1, &theirs.to_string(), text);
            held > 0 && 10 * held >= all
        };
        if let Some(united) = self.united.as_ref().filter(|_| others.iter().any(has_some)) {
            base = spelled(united);
        }
        let deadline = deadline();
        for later in others.iter().map(spelled).chain([newest]) {
            if is_later(document, &later.0, &base.0) && has_nearly_all(&base.1, &later.1, text, deadline) {
                base = later;
            }
        }
        base
    }
}

/// The version in which everything is that one of these has, and its text.
fn united<'a>(document: &Document, versions: impl Iterator<Item = &'a Frontier>) -> Option<(Frontier, Buffer)> {
    let mut ids: Vec<_> = versions.flat_map(|version| version.ids().iter().copied()).collect();
    loop {
        let version = Frontier::from_ids(ids.clone());
        match document.checkout(&version) {
            Ok(held) => return Some((version, held)),
            // What another one has seen is in there without being named. One id less each time, so this ends.
            Err(VersionError::NotConcurrent { id }) => ids.retain(|&other| other != id),
            Err(VersionError::UnknownEvent { .. }) => return None,
        }
    }
}

/// Whether a version has seen all of another one, and more.
fn is_later(document: &Document, later: &Frontier, base: &Frontier) -> bool {
    later != base && united(document, [later, base].into_iter()).is_some_and(|(version, _)| version == *later)
}

/// Whether a text has nine tenths of what `later` has beyond `base`. Not, when there is no time to find out.
fn has_nearly_all(base: &str, later: &str, text: &str, deadline: Instant) -> bool {
    let added = |before, after| added(before, after, deadline);
    let counted = || Some((added(base, later)?, added(base, text)?.saturating_sub(added(later, text)?)));
    counted().is_some_and(|(all, held)| held > 0 && 10 * held >= 9 * all)
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

    /// Ann, Ben, and both united: what each has done to the same text.
    fn united_histories(ann: (usize, usize, &str), ben: (usize, usize, &str)) -> (Session, [Frontier; 2]) {
        let mut base = Session::new(ME);
        base.insert(Chars(0), "The quick fox\n\nThe end.\n").expect("typed");
        let edited = |agent, (start, deleted, inserted): (usize, usize, &str)| {
            let mut session = Session::with_document(base.document().clone(), AgentId::new(agent));
            session.replace(Chars(start)..Chars(start + deleted), inserted).expect("typed");
            session
        };
        let (mut ann, ben) = (edited(3, ann), edited(4, ben));
        let saved = [&ann, &ben].map(|session| session.document().frontier());
        ann.merge::<Chars>(&ben.document().encode()).expect("merged");
        (ann, saved)
    }

    /// Catches a difference taken from what Ann had saved: Ben's events are there beside it, and so his word came doubled
    /// and his paragraph twice.
    #[test]
    fn what_was_resolved_by_hand_holds_what_both_have_once() {
        let ben = (4, 19, "lazy fox\n\nThe end.\n\nA paragraph of Ben's.\n");
        for text in ["The slow, lazy fox\n\nThe end.\n\nA paragraph of Ben's.\n", "The slow, lazy fox\n\nThe end.\n"] {
            for order in [[0, 1], [1, 0]] {
                let (mut session, saved) = united_histories((4, 5, "slow"), ben);
                settle(&mut session, &order.map(|side: usize| saved[side].clone()), text);
                assert_eq!(session.text().to_string(), text);
            }
        }
    }

    #[test]
    fn what_was_typed_after_histories_were_united_stays() {
        let (mut session, saved) = united_histories((4, 5, "slow"), (23, 0, "\nA paragraph of Ben's.\n"));
        session.insert(Chars(0), "Typed since. ").expect("typed");
        settle(&mut session, &saved, "The slow, lazy fox\n\nThe end.\n\nA paragraph of Ben's.\n");
        let expected = "Typed since. The slow, lazy fox\n\nThe end.\n\nA paragraph of Ben's.\n";
        assert_eq!(session.text().to_string(), expected);
    }

    /// Catches a base that is taken because it is nearer to the file, or as near.
    #[test]
    fn what_was_typed_since_stays_however_near_the_newest_version_is() {
        for (start, deleted, typed, text, expected) in [
            (4, 3, "ccc", "aaa ddd\n", "aaa cccddd\n"),
            (4, 3, "c", "aaa ddd\n", "aaa cddd\n"),
            (7, 0, " hello", "aaa bbb shell\n", "aaa bbb hello shell\n"),
        ] {
            let mut session = Session::new(ME);
            session.insert(Chars(0), "aaa bbb\n").expect("typed");
            let saved = session.document().frontier();
            session.replace(Chars(start)..Chars(start + deleted), typed).expect("typed");
            settle(&mut session, &[saved], text);
            assert_eq!(session.text().to_string(), expected);
        }
    }

    /// Catches typing that was entered a second time, because it had come with the file as well.
    #[test]
    fn a_text_that_was_edited_where_the_typing_since_is_known_is_right() {
        let mut session = Session::new(ME);
        session.insert(Chars(0), "One.\n").expect("typed");
        let saved = session.document().frontier();
        session.insert(Chars(5), "Two, typed since.\n").expect("typed");
        settle(&mut session, &[saved], "One.\nTwo, typed since!\n");
        assert_eq!(session.text().to_string(), "One.\nTwo, typed since!\n");
    }

    /// Catches a base that is taken because signs and common words are like what was typed.
    #[test]
    fn what_was_typed_and_not_saved_stays_when_another_program_adds_something_like_it() {
        for (before, typed, added) in [
            ("- [ ] bread\n", "- [ ] milk\n", "- [ ] eggs\n"),
            ("class A:\n", "        self.count = 1\n", "        self.names = 2\n"),
        ] {
            let mut session = Session::new(ME);
            session.insert(Chars(0), before).expect("typed");
            let saved = session.document().frontier();
            session.insert(Chars(before.len()), typed).expect("typed");
            settle(&mut session, &[saved], &format!("{before}{added}"));
            let text = session.text().to_string();
            assert!(text.contains(typed) && text.contains(added), "{text:?}");
        }
    }

    /// Catches a union of two versions of which one has seen the other: it is the later one, and that was in no file.
    #[test]
    fn what_was_typed_before_a_crash_stays_when_another_program_adds_something() {
        let mut session = Session::new(ME);
        session.insert(Chars(0), "one\n").expect("typed");
        let former = session.document().frontier();
        session.insert(Chars(4), "A whole paragraph of mine.\n").expect("typed");
        let latter = session.document().frontier();
        let saved = [former, latter];
        let mut other = Session::with_document(session.document().clone(), ME);
        settle(&mut session, &saved, "one\nanother line\n");
        let text = session.text().to_string();
        assert!(text.contains("A whole paragraph of mine.\n") && text.contains("another line\n"), "{text:?}");
        // And it is not doubled where the file had it already.
        settle(&mut other, &saved, "one\nA whole paragraph of mine.\nanother line\n");
        assert_eq!(other.text().to_string(), "one\nA whole paragraph of mine.\nanother line\n");
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
