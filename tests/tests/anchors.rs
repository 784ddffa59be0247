//! Anchors stay with their character, wherever it goes, and mean the same in all replicas.

use cede::{AgentId, Anchor, Bias, Bytes, Chars, Clock, EventId, Session, Utf16};
use cede_tests::random::{Random, seeds};

const ANN: u128 = 1;
const BEN: u128 = 2;

fn session(agent: u128, text: &str) -> Session {
    let mut session = Session::new(AgentId::new(agent));
    session.insert(Chars(0), text).expect("the start");
    session
}

fn resolved(session: &mut Session, anchors: &[Anchor]) -> Vec<Option<usize>> {
    anchors.iter().map(|anchor| session.resolve::<Chars>(anchor).map(|at| at.0)).collect()
}

#[test]
fn an_anchor_stays_with_the_character_on_its_side() {
    let mut ann = session(ANN, "abcd");
    let left = ann.anchor(Chars(2), Bias::Left).expect("in the text");
    let right = ann.anchor(Chars(2), Bias::Right).expect("in the text");
    let id = |clock| EventId::new(AgentId::new(ANN), Clock(clock));
    assert_eq!((left, right), (Anchor::Behind(id(1)), Anchor::Before(id(2))));
    ann.insert(Chars(2), "XY").expect("in the text");
    assert_eq!(resolved(&mut ann, &[left, right]), [Some(2), Some(4)]);
    ann.insert(Chars(0), ">").expect("in the text");
    assert_eq!(resolved(&mut ann, &[left, right]), [Some(3), Some(5)]);
    ann.delete(Chars(2)..Chars(6)).expect("in the text");
    assert_eq!(ann.text(), ">ad");
    assert_eq!(resolved(&mut ann, &[left, right]), [Some(2), Some(2)]);
}

#[test]
fn the_ends_have_anchors_of_their_own() {
    let mut ann = session(ANN, "ab");
    assert_eq!(ann.anchor(Chars(0), Bias::Left), Ok(Anchor::Start));
    assert_eq!(ann.anchor(Chars(2), Bias::Right), Ok(Anchor::End));
    ann.insert(Chars(0), ">>").expect("in the text");
    ann.insert(Chars(4), "<<").expect("in the text");
    assert_eq!(resolved(&mut ann, &[Anchor::Start, Anchor::End]), [Some(0), Some(6)]);
    let mut empty = Session::new(AgentId::new(BEN));
    assert_eq!(empty.anchor(Chars(0), Bias::Left), Ok(Anchor::Start));
    assert_eq!(empty.anchor(Chars(0), Bias::Right), Ok(Anchor::End));
    assert_eq!(resolved(&mut empty, &[Anchor::Start, Anchor::End]), [Some(0), Some(0)]);
    assert!(empty.anchor(Chars(1), Bias::Left).is_err());
}

#[test]
fn an_anchor_of_what_is_not_known_or_no_character_is_nowhere() {
    let mut ann = session(ANN, "ab");
    ann.delete(Chars(1)..Chars(2)).expect("in the text");
    let id = |agent, clock| EventId::new(AgentId::new(agent), Clock(clock));
    for id in [id(ANN, 3), id(ANN, u32::MAX), id(BEN, 0), id(ANN, 2)] {
        // Event 2 of Ann deleted a character.
        assert_eq!(ann.resolve::<Chars>(&Anchor::Behind(id)), None, "{id}");
        assert_eq!(ann.resolve::<Chars>(&Anchor::Before(id)), None, "{id}");
    }
}

#[test]
fn anchors_come_in_every_unit() {
    let mut ann = session(ANN, "é🙂漢");
    for bias in [Bias::Left, Bias::Right] {
        let anchor = ann.anchor(Chars(2), bias).expect("in the text");
        assert_eq!(ann.anchor(Bytes(6), bias), Ok(anchor));
        assert_eq!(ann.anchor(Utf16(3), bias), Ok(anchor));
        assert_eq!(ann.resolve(&anchor), Some(Chars(2)));
        assert_eq!(ann.resolve(&anchor), Some(Bytes(6)));
        assert_eq!(ann.resolve(&anchor), Some(Utf16(3)));
    }
    assert!(ann.anchor(Bytes(3), Bias::Left).is_err() && ann.anchor(Utf16(2), Bias::Right).is_err());
    assert!(ann.anchor(Bytes(usize::MAX), Bias::Left).is_err());
}

/// A character deleted by one person while another writes around it: the anchor is between what were its neighbours.
#[test]
fn an_anchor_of_a_deleted_character_is_where_it_would_stand() {
    let mut ann = session(ANN, "abc");
    let mut ben = Session::with_document(ann.document().clone(), AgentId::new(BEN));
    let anchors = [1, 2].map(|at| ann.anchor(Chars(at), Bias::Right).expect("in the text"));
    ann.delete(Chars(1)..Chars(2)).expect("in the text");
    ben.insert(Chars(1), "<").expect("in the text");
    ben.insert(Chars(3), ">").expect("in the text");
    for session in [&mut ann, &mut ben] {
        assert!(resolved(session, &anchors).iter().all(Option::is_some));
    }
    ann.merge::<Chars>(&ben.document().encode()).expect("what a session made");
    ben.merge::<Chars>(&ann.document().encode()).expect("what a session made");
    for session in [&mut ann, &mut ben] {
        assert_eq!(session.text(), "a<>c");
        assert_eq!(resolved(session, &anchors), [Some(2), Some(3)]);
    }
}

/// Sessions that know the same events resolve every anchor alike, by whatever way they came to know them; a visible
/// character's anchors are at its sides; positions and anchors lead to each other.
#[test]
fn replicas_with_equal_events_resolve_alike() {
    for seed in seeds(200) {
        let mut random = Random::from_seed(seed);
        let mut sessions = [1, 2, 3].map(|agent| Session::new(AgentId::new(agent)));
        let mut anchors: Vec<Anchor> = vec![Anchor::Start, Anchor::End];
        for step in 0..random.between(5, 60) {
            let who = random.below(3);
            let session = &mut sessions[who];
            let len = session.text().len::<Chars>().0;
            let at = random.below(len + 1);
            match random.below(8) {
                0..3 => {
                    let letter = char::from_u32('a' as u32 + step as u32).expect("a letter");
                    session.insert(Chars(at), &letter.to_string().repeat(2)).expect("in the text");
                }
                3 => session.delete(Chars(at)..Chars((at + 3).min(len))).expect("in the text"),
                4..6 => {
                    let bias = *random.pick(&[Bias::Left, Bias::Right]);
                    let anchor = session.anchor(Chars(at), bias).expect("in the text");
                    assert_eq!(session.resolve(&anchor), Some(Chars(at)), "seed {seed}");
                    anchors.push(anchor);
                }
                _ => {
                    let bytes = sessions[random.below(3)].document().encode();
                    sessions[who].merge::<Chars>(&bytes).expect("what a session made");
                }
            }
            check_sides(&mut sessions[who], &anchors, seed);
        }
        for (from, to) in [(1, 0), (2, 0), (0, 1), (0, 2)] {
            let bytes = sessions[from].document().encode();
            sessions[to].merge::<Chars>(&bytes).expect("what a session made");
        }
        let decoded = cede::Document::decode(&sessions[0].document().encode()).expect("what was encoded");
        let mut fresh = Session::with_document(decoded, AgentId::new(9));
        let expected = resolved(&mut fresh, &anchors);
        assert!(expected.iter().all(Option::is_some), "everything is known, seed {seed}");
        for session in &mut sessions {
            assert_eq!(resolved(session, &anchors), expected, "seed {seed}");
        }
        check_order(&mut fresh, seed);
    }
}

/// Before and behind a visible character there is just that character in between; of a deleted one there is nothing.
fn check_sides(session: &mut Session, anchors: &[Anchor], seed: u64) {
    for anchor in anchors {
        let (Anchor::Before(id) | Anchor::Behind(id)) = *anchor else { continue };
        let sides = resolved(session, &[Anchor::Before(id), Anchor::Behind(id)]);
        match (sides[0], sides[1]) {
            (Some(before), Some(behind)) => assert!(behind - before <= 1, "{anchor} of seed {seed}"),
            (None, None) => assert!(!session.document().contains(id), "{anchor} of seed {seed}"),
            sides => panic!("{anchor} is known on one side only: {sides:?}, seed {seed}"),
        }
    }
}

/// The anchors of all positions, and the authors beside them.
fn check_order(session: &mut Session, seed: u64) {
    let len = session.text().len::<Chars>().0;
    for at in 0..=len {
        for bias in [Bias::Left, Bias::Right] {
            let anchor = session.anchor(Chars(at), bias).expect("in the text");
            assert_eq!(session.resolve(&anchor), Some(Chars(at)), "seed {seed}");
        }
    }
    let mut at = 0;
    for (agent, count) in session.authors() {
        for position in at..at + count.0 {
            let anchor = session.anchor(Chars(position), Bias::Right).expect("in the text");
            assert!(matches!(anchor, Anchor::Before(id) if id.agent == agent), "char {position} of seed {seed}");
        }
        at += count.0;
    }
    assert_eq!(at, len, "authors of every character, seed {seed}");
}
