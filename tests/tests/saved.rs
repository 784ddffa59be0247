//! A saved document: its text at once, whatever stands behind it; its history when it is asked for, or an error that
//! takes nothing away.

use std::io::{self, Read};

use cede::{AgentId, Chars, DecodeError, Document, ImportError, Saved, SavedError, Session};
use cede_tests::forge::sealed;
use cede_tests::random::{Random, seeds};

/// Two people, some thousand keys; `rewritten` times a word is deleted and typed again, which the text does not show.
fn document(seed: u64, rewritten: usize) -> Document {
    let mut random = Random::from_seed(seed);
    let mut ann = Session::new(AgentId::new(1));
    let mut ben = Session::new(AgentId::new(2));
    for word in ["words ", "stay ", "whole ", "né ", "漢字 ", "🙂\n"].iter().cycle().take(random.between(1, 200)) {
        let session = if random.percent(50) { &mut ann } else { &mut ben };
        session.insert(session.caret::<Chars>(), word).expect("at the caret");
        if random.percent(10) {
            ann.merge::<Chars>(&ben.document().encode()).expect("what a session made");
            ben.merge::<Chars>(&ann.document().encode()).expect("what a session made");
            session_jump(&mut ben, &mut random);
        }
    }
    ann.merge::<Chars>(&ben.document().encode()).expect("what a session made");
    for _ in 0..rewritten {
        let word = (random.bits() % 1_000_000).to_string();
        ann.insert(Chars(0), &word).expect("at the start");
        ann.delete(Chars(0)..Chars(word.len())).expect("what was typed");
    }
    ann.document().clone()
}

fn session_jump(session: &mut Session, random: &mut Random) {
    let len = session.text().len::<Chars>().0;
    session.move_caret(Chars(random.below(len + 1))).expect("a position of the text");
}

/// Hands out bytes and counts them; from `fails_at` on it fails, once.
struct Source<'a> {
    bytes: &'a [u8],
    read: usize,
    fails_at: Option<usize>,
}

impl<'a> Source<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, read: 0, fails_at: None }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.fails_at.map_or(self.bytes.len(), |at| at.min(self.bytes.len()));
        if self.read == most && self.fails_at.take().is_some() {
            return Err(io::Error::other("the disk hangs"));
        }
        let count = (&self.bytes[self.read..most]).read(into)?;
        self.read += count;
        Ok(count)
    }
}

#[test]
fn what_was_saved_is_opened() {
    for seed in seeds(20) {
        let document = document(seed, 3);
        let bytes = document.save();
        assert_eq!(document.save(), bytes, "seed {seed}");
        let mut saved = Saved::open(&bytes[..]).expect("what was saved");
        assert_eq!((saved.text(), saved.frontier()), (document.text(), &document.frontier()), "seed {seed}");
        assert_eq!(saved.event_count(), document.event_count(), "seed {seed}");
        let opened = saved.document().expect("what was saved");
        assert_eq!((opened.text(), opened.groups()), (document.text(), document.groups()), "seed {seed}");
        assert_eq!(opened.save(), bytes, "seed {seed}");
    }
    let empty = Document::new().save();
    let mut saved = Saved::open(&empty[..]).expect("an empty document");
    assert!(saved.text().is_empty() && saved.frontier().is_root());
    assert!(saved.document().expect("an empty document").is_new());
}

#[test]
fn the_text_is_read_without_the_history() {
    let (short, long) = (document(1, 0), document(1, 3000));
    assert_eq!(short.text(), long.text());
    let read = [&short, &long].map(|document| {
        let bytes = document.save();
        let mut source = Source::of(&bytes);
        let text = Saved::open(&mut source).expect("what was saved").text().clone();
        assert_eq!(text, *document.text());
        (source.read, bytes.len())
    });
    assert!(read[1].1 > 10 * read[1].0, "the long history is no longer: {read:?}");
    assert!(read[1].0 < read[0].0 + 8, "opening reads more of a longer history: {read:?}");
}

#[test]
fn a_source_that_fails_may_be_asked_again() {
    let document = document(2, 50);
    let bytes = document.save();
    let head = {
        let mut source = Source::of(&bytes);
        drop(Saved::open(&mut source));
        source.read
    };
    for fails_at in [0, 5, 9, head - 1] {
        let opened = Saved::open(Source { fails_at: Some(fails_at), ..Source::of(&bytes) });
        assert!(matches!(opened, Err(SavedError::Io(_))), "at byte {fails_at}");
    }
    for fails_at in [head, head + 1, head + 30, bytes.len() - 1, bytes.len()] {
        let source = Source { fails_at: Some(fails_at), ..Source::of(&bytes) };
        let mut saved = Saved::open(source).expect("the head can be read");
        assert!(matches!(saved.document(), Err(SavedError::Io(_))), "at byte {fails_at}");
        assert_eq!(saved.text(), document.text());
        let opened = saved.document().unwrap_or_else(|error| panic!("asked again at byte {fails_at}: {error}"));
        assert_eq!(opened.groups(), document.groups());
    }
}

#[test]
fn damage_is_noticed_where_it_matters() {
    let document = document(3, 5);
    let bytes = document.save();
    let head = {
        let mut source = Source::of(&bytes);
        drop(Saved::open(&mut source));
        source.read
    };
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match Saved::open(&damaged[..]) {
            Err(SavedError::Head(_)) => assert!(at < head, "byte {at} is not of the head"),
            Err(error) => panic!("byte {at}: {error}"),
            Ok(mut saved) => {
                assert!(at >= head, "byte {at} of the head may be anything");
                let error = saved.document().expect_err("a damaged history");
                assert!(matches!(error, SavedError::History(ImportError::Decode(_))), "byte {at}: {error}");
                assert_eq!(saved.text(), document.text(), "the text is still there");
            }
        }
    }
    for end in 0..bytes.len() {
        let opened = Saved::open(&bytes[..end]);
        assert_eq!(opened.is_ok(), end >= head, "the first {end} bytes");
        assert!(opened.is_err_and(|error| matches!(error, SavedError::Head(_))) || end >= head, "{end} bytes");
    }
}

#[test]
fn a_text_that_its_history_does_not_make_is_not_believed() {
    let (one, other) = (document(4, 0).save(), document(5, 0).save());
    let head = |bytes: &[u8]| 9 + u32::from_le_bytes(bytes[5..9].try_into().expect("four bytes")) as usize;
    let mixed = [&one[..head(&one)], &other[head(&other)..]].concat();
    let mut saved = Saved::open(&mixed[..]).expect("a good head");
    let error = saved.document().expect_err("the history of another text");
    assert!(matches!(error, SavedError::Differs { .. }), "{error}");
    assert!(!error.to_string().is_empty());

    let mut newer = one[..head(&one) - 4].to_vec();
    newer[4] = 2;
    let newer = [sealed(newer), one[head(&one)..].to_vec()].concat();
    let error = Saved::open(&newer[..]).expect_err("a newer version");
    assert!(matches!(error, SavedError::Head(DecodeError::Version { found: 2, known: 1 })), "{error}");
    assert!(matches!(Saved::open(&b"CEDu"[..]), Err(SavedError::Head(DecodeError::Magic { .. }))));
}
