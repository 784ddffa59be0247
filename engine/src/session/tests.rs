//! Keys that are counted are keys that were entered one by one.

use super::{EditError, Session};
use crate::id::AgentId;
use crate::random::{Random, seeds};
use crate::text::unit::{Bytes, Chars, Utf16};

/// Anything that a person does, mostly keys at the caret. Both sessions are in the same state.
fn act(random: &mut Random, sessions: [&mut Session; 2]) {
    let (kind, place, text) = (random.below(28), random.below(1000), ["a", "\n", "é", "🙂", "word"][random.below(5)]);
    for session in sessions {
        let (len, caret) = (session.text().len::<Chars>().0, session.caret::<Chars>().0);
        let place = place % (len + 1);
        let edited = match kind {
            0..8 => session.insert(Chars(caret), text),
            8..10 => session.insert(session.caret::<Bytes>(), text),
            10..14 if caret > 0 => session.delete(Chars(caret - 1)..Chars(caret)),
            14..17 if caret < len => session.delete(Chars(caret)..Chars(caret + 1)),
            17 => session.delete(session.caret::<Utf16>()..session.text().len::<Utf16>()),
            18 => session.insert(Chars(place), text),
            19 => session.replace(Chars(place.min(caret))..Chars(place.max(caret)), text),
            24 | 25 if place < len => session.delete(Chars(place)..Chars((place + text.len()).min(len))),
            26 => session.insert(Bytes(session.text().convert::<Chars, Bytes>(Chars(place)).expect("a place").0), text),
            20 => session.move_caret(Chars(place)).map_err(EditError::from),
            _ => Ok(()),
        };
        assert_eq!(edited, Ok(()));
        match kind {
            21 => drop(session.undo::<Chars>()),
            22 => drop(session.redo::<Chars>()),
            23 => session.break_undo(),
            _ => {}
        }
    }
}

#[test]
fn keys_counted_are_keys_entered_one_by_one() {
    for seed in seeds(60) {
        println!("SEED={seed}");
        let mut random = Random(seed);
        let (mut counted, mut peer) = (Session::new(AgentId::new(1)), Session::new(AgentId::new(2)));
        let mut entered = counted.clone();
        for _ in 0..120 {
            act(&mut random, [&mut counted, &mut entered]);
            if random.below(12) == 0 {
                let place = random.below(peer.text().len::<Chars>().0 + 1);
                peer.insert(Chars(place), "-").expect("a position of the text");
                let update = peer.take_outgoing().expect("something was typed");
                let patches = counted.merge::<Chars>(&update).expect("an update of a peer");
                assert_eq!(entered.merge::<Chars>(&update), Ok(patches));
            }
            if random.below(4) == 0 {
                let update = counted.take_outgoing();
                assert_eq!(entered.take_outgoing(), update);
                update.iter().for_each(|update| drop(peer.merge::<Chars>(update).expect("an update of a peer")));
            }
            entered.ledger.open();
            assert_same(&counted, &entered);
        }
    }
}

fn assert_same(counted: &Session, entered: &Session) {
    assert_eq!(counted.text(), entered.text());
    assert_eq!(counted.caret::<Chars>(), entered.caret::<Chars>());
    assert_eq!(counted.branch(), entered.branch());
    assert_eq!(counted.can_undo(), entered.can_undo());
    assert_eq!(counted.encode_undo(), entered.encode_undo());
    assert_eq!(counted.document().summary(), entered.document().summary());
    assert_eq!(counted.document().encode(), entered.document().encode());
}
