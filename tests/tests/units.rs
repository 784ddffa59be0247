//! Every edit and every patch in chars, bytes and UTF-16, on text of one to four bytes a char: the same in all three,
//! and a position inside a character or beyond the end is an error that changes nothing.

use cede::{AgentId, Anchor, Bias, Bytes, Chars, EditError, Patch, PositionError, Session, Unit, UnitKind, Utf16};
use cede_tests::random::{Random, seeds};

const LETTERS: [char; 8] = ['a', '\n', 'é', '\u{301}', '漢', '🙂', '\u{10ffff}', '\r'];

/// A host that counts in one unit: its buffer is the text in code units of that size.
struct Host<U> {
    units: Vec<u32>,
    unit: std::marker::PhantomData<U>,
}

fn units_of<U: Unit>(text: &str) -> Vec<u32> {
    match U::KIND {
        UnitKind::Chars => text.chars().map(u32::from).collect(),
        UnitKind::Bytes => text.bytes().map(u32::from).collect(),
        UnitKind::Utf16 => text.encode_utf16().map(u32::from).collect(),
    }
}

impl<U: Unit> Host<U> {
    fn showing(text: &str) -> Self {
        Self { units: units_of::<U>(text), unit: std::marker::PhantomData }
    }

    fn apply(&mut self, patch: &Patch<U>) {
        let start = patch.start.get();
        self.units.splice(start..start + patch.deleted.get(), units_of::<U>(&patch.inserted));
    }

    fn assert_shows(&self, session: &Session, what: &str) {
        assert_eq!(self.units, units_of::<U>(&session.text().to_string()), "{what}");
    }
}

/// Where the chars of a text start in a unit, and its end.
fn boundaries<U: Unit>(text: &str) -> Vec<usize> {
    let starts = text.char_indices().map(|(byte, _)| U::count(&text[..byte]).get());
    starts.chain([U::count(text).get()]).collect()
}

fn check_every_position<U: Unit>(text: &str) {
    let mut session = Session::new(AgentId::new(1));
    session.insert(U::at(0), text).expect("the start");
    session.break_undo();
    let (starts, len) = (boundaries::<U>(text), U::count(text).get());
    assert_eq!(session.text().len::<U>(), U::at(len));
    for position in (0..=len + 2).chain([usize::MAX]) {
        let unit = U::KIND;
        match starts.binary_search(&position) {
            Ok(char) => check_position(session.clone(), text, U::at(position), char),
            Err(_) if position > len => {
                check_refused(&session, U::at(position), PositionError::OutOfRange { position, len, unit });
            }
            Err(_) => check_refused(&session, U::at(position), PositionError::InsideCharacter { position, unit }),
        }
    }
    if len > 0 {
        let backwards = EditError::Position(PositionError::Backwards { start: len, end: 0, unit: U::KIND });
        assert_eq!(session.delete(U::at(len)..U::at(0)), Err(backwards.clone()));
        assert_eq!(session.replace(U::at(len)..U::at(0), "x"), Err(backwards));
    }
}

/// Text goes in right there, and the caret ends behind it.
fn check_position<U: Unit>(mut session: Session, text: &str, at: U, char: usize) {
    assert!(session.move_caret(at).is_ok() && session.anchor(at, Bias::Left).is_ok());
    assert_eq!(session.caret::<Chars>(), Chars(char));
    session.insert(at, "é🙂").expect("a position of the text");
    let (before, behind): (Vec<char>, Vec<char>) =
        (text.chars().take(char).collect(), text.chars().skip(char).collect());
    let expected: String = before.iter().chain(&['é', '🙂']).chain(&behind).collect();
    assert_eq!(session.text(), expected.as_str());
    assert_eq!(session.caret::<U>(), U::at(at.get() + U::count("é🙂").get()));
}

/// Nothing can be done there, and to try it changes nothing.
fn check_refused<U: Unit>(session: &Session, at: U, error: PositionError) {
    let (mut tried, start, end) = (session.clone(), U::at(0), session.text().len::<U>());
    assert_eq!(tried.move_caret(at), Err(error));
    assert_eq!(tried.anchor(at, Bias::Left), Err(error));
    assert_eq!(tried.insert(at, "é🙂"), Err(error.into()));
    assert_eq!(tried.delete(start..at), Err(error.into()));
    assert_eq!(tried.replace(start..at, "x"), Err(error.into()));
    assert!(tried.delete(at..end).is_err() && tried.replace(at..end, "x").is_err());
    assert_eq!(tried.document().encode(), session.document().encode(), "{error} and something changed");
    assert_eq!(tried.caret::<U>(), session.caret::<U>());
    // The next key goes on with the group: no caret has moved.
    tried.insert(tried.caret::<U>(), "!").expect("typing");
    assert_eq!(tried.document().groups().len(), 1);
}

#[test]
fn every_position_of_a_text_is_one_or_an_error() {
    for text in ["", "a", "é", "漢", "🙂", "né漢🙂\n", "\u{10ffff}\u{301}a🙂🙂"] {
        check_every_position::<Chars>(text);
        check_every_position::<Bytes>(text);
        check_every_position::<Utf16>(text);
    }
}

fn text_of(random: &mut Random, most: usize) -> String {
    (0..random.between(1, most)).map(|_| *random.pick(&LETTERS)).collect()
}

/// The same edits in three units make the same events.
#[test]
fn the_unit_of_an_edit_makes_no_difference() {
    for seed in seeds(200) {
        let mut random = Random::from_seed(seed);
        let mut sessions = [(); 3].map(|()| Session::new(AgentId::new(1)));
        for _ in 0..random.between(1, 30) {
            let len = sessions[0].text().len::<Chars>().0;
            let (a, b) = (random.below(len + 1), random.below(len + 1));
            let (start, end, text) = (a.min(b), a.max(b), text_of(&mut random, 4));
            let what = random.below(4);
            edit::<Chars>(&mut sessions[0], what, start..end, &text);
            edit::<Bytes>(&mut sessions[1], what, start..end, &text);
            edit::<Utf16>(&mut sessions[2], what, start..end, &text);
            let bytes = sessions.each_ref().map(|session| session.document().encode());
            assert!(bytes.iter().all(|other| *other == bytes[0]), "seed {seed}");
            let carets = sessions.each_ref().map(|session| session.caret::<Chars>());
            assert!(carets.iter().all(|other| *other == carets[0]), "seed {seed}");
        }
    }
}

fn edit<U: Unit>(session: &mut Session, what: usize, range: std::ops::Range<usize>, text: &str) {
    let at = |session: &Session, char: usize| session.text().convert::<Chars, U>(Chars(char)).expect("in the text");
    let (start, end) = (at(session, range.start), at(session, range.end));
    let edited = match what {
        0 => session.insert(start, text),
        1 => session.delete(start..end),
        2 => session.replace(start..end, text),
        _ => session.move_caret(end).map_err(Into::into),
    };
    edited.expect("in the text");
}

/// Hosts that count in three units follow by patches alone: of merges, undo and redo.
#[test]
fn patches_keep_a_host_in_step_in_every_unit() {
    for seed in seeds(200) {
        follow::<Chars>(seed);
        follow::<Bytes>(seed);
        follow::<Utf16>(seed);
    }
}

fn follow<U: Unit>(seed: u64) {
    let mut random = Random::from_seed(seed);
    let (mut own, mut other) = (Session::new(AgentId::new(1)), Session::new(AgentId::new(2)));
    let mut host = Host::<U>::showing("");
    for step in 0..random.between(5, 40) {
        let what = format!("step {step} of seed {seed} in {}", U::NAME);
        match random.below(6) {
            0 | 1 => {
                let session = if random.percent(50) { &mut own } else { &mut other };
                let len = session.text().len::<Chars>().0;
                let (a, b) = (random.below(len + 1), random.below(len + 1));
                edit::<U>(session, random.below(3), a.min(b)..a.max(b).min(a.min(b) + 5), &text_of(&mut random, 4));
                host = Host::showing(&own.text().to_string());
            }
            2 => drop(other.merge::<Chars>(&own.document().encode()).expect("what a session made")),
            3 => own.undo::<U>().into_iter().flatten().for_each(|patch| host.apply(&patch)),
            4 => own.redo::<U>().into_iter().flatten().for_each(|patch| host.apply(&patch)),
            _ => {
                let patches = own.merge::<U>(&other.document().encode()).expect("what a session made");
                patches.iter().for_each(|patch| host.apply(patch));
            }
        }
        host.assert_shows(&own, &what);
        let anchor = own.anchor(own.caret::<U>(), Bias::Left).expect("the caret");
        assert_eq!(own.resolve::<U>(&anchor), Some(own.caret()), "{what}");
    }
    assert_eq!(own.resolve::<U>(&Anchor::End), Some(own.text().len()));
}
