//! What breaks a rule is refused, says which rule, and leaves the replica bit for bit as it was.
//!
//! Every hostile update here comes twice: to a plain document, and to a session in the middle of a word. Afterwards the
//! replica is compared with a clone that never saw it, at once and after more good updates.
//!
//! Bugs that were planted and caught, each within 1,500 seeds:
//!
//! - in `log/mod.rs`, one of these is not checked: the clock of a group, that it has adopted something, that it has seen its
//!   agent's past, that its parents are concurrent, that an event held does the same;
//! - `Graph::take_back` leaves the parents of what it takes back; `Document::take_back` keeps the window that has seen it;
//! - `Graph::local_of` adds an offset to a start before it is known to be within the run, which overflows;
//! - `Document::allowance` lets any number of deletions in.

use cede::{
    AgentId, Buffer, Chars, Clock, DecodeError, Document, EventId, Frontier, Group, ImportError, Rule, Sender, Session,
    Summary,
};
use cede_tests::forge::{self, Op, Piece, packed, piece, sealed, update};
use cede_tests::random::{Random, seeds};
use cede_tests::tell;

const ANN: u128 = 1;
const BEN: u128 = 2;
const CAT: u128 = 3;
/// The agent of the session in the middle of a word.
const OWN: u128 = 9;

fn id(agent: u128, clock: u32) -> EventId {
    EventId::new(AgentId::new(agent), Clock(clock))
}

/// Ann writes "abcd"; Ben, having seen "ab", writes "xy" in front; Ann deletes "d", and all meet in Cat's "!".
fn good() -> Vec<Piece> {
    vec![
        piece(ANN, 0, Some(&[]), &[Op::Insert(0, "abcd")]),
        piece(BEN, 2, Some(&[(ANN, 1)]), &[Op::Insert(0, "xy")]),
        piece(ANN, 4, None, &[Op::Delete(3, 1)]),
        piece(CAT, 5, Some(&[(ANN, 4), (BEN, 3)]), &[Op::Insert(5, "!")]),
    ]
}

/// What comes later, from replicas that never saw the bad update: a late concurrent word, one that goes on, one that
/// meets all.
fn later() -> Vec<Piece> {
    vec![
        piece(BEN, 4, None, &[Op::Insert(2, "zé")]),
        piece(4, 4, Some(&[(ANN, 3)]), &[Op::Insert(1, "漢字"), Op::Backspace(1, 2)]),
        piece(CAT, 8, Some(&[(CAT, 5), (BEN, 5), (4, 7)]), &[Op::Insert(0, "…")]),
    ]
}

/// Everything that can be seen of a document.
#[derive(PartialEq, Debug)]
struct Seen {
    bytes: Vec<u8>,
    text: Buffer,
    frontier: Frontier,
    summary: Summary,
    groups: Vec<Group>,
    waiting: (usize, Vec<EventId>),
    stats: cede::Stats,
}

fn seen(document: &Document) -> Seen {
    Seen {
        bytes: document.encode(),
        text: document.text().clone(),
        frontier: document.frontier(),
        summary: document.summary(),
        groups: document.groups(),
        waiting: (document.waiting(), document.missing()),
        stats: document.stats(),
    }
}

/// The replicas that a bad update is tried on: without history, with one, with one and a window open, with pieces
/// waiting, and all these once more in a session whose owner is typing.
fn replicas() -> Vec<(&'static str, Session)> {
    let with = |updates: &[&[Piece]]| {
        let mut document = Document::new();
        updates.iter().for_each(|pieces| drop(document.import::<Chars>(&update(pieces)).expect("a good update")));
        document
    };
    let (good, later) = (good(), later());
    let documents = [
        ("with a history", with(&[&good])),
        ("piece by piece", with(&good.chunks(1).collect::<Vec<_>>())),
        ("with a window open", with(&[&good[..3]])),
        ("with something waiting", with(&[&good[..3], &later[2..]])),
        ("read from bytes", Document::decode(&update(&good)).expect("a good update")),
    ];
    let mut replicas = Vec::new();
    for (name, document) in documents {
        let mut typing = Session::with_document(document.clone(), AgentId::new(OWN));
        typing.insert(Chars(1), "own").expect("a position of the text");
        typing.delete(Chars(3)..Chars(4)).expect("what was typed");
        replicas.push((name, Session::with_document(document, AgentId::new(OWN))));
        replicas.push((name, typing));
    }
    replicas
}

/// Tries an update on every replica; `check` gets the error of each.
fn refused_everywhere(what: &str, bytes: &[u8], check: impl Fn(&ImportError) -> bool) {
    for (name, mut session) in replicas() {
        let mut untouched = session.clone();
        let mut document = session.document().clone();
        let before = seen(&document);
        for _ in 0..2 {
            let error = document.import::<Chars>(bytes).expect_err(what);
            assert!(check(&error), "{what}, to a document {name}: {error:?}");
            assert!(!error.to_string().is_empty());
            assert_eq!(seen(&document), before, "{what} left a trace in a document {name}");
            let error = session.merge::<Chars>(bytes).expect_err(what);
            assert!(check(&error), "{what}, to a session {name}: {error:?}");
            assert_eq!(seen(session.document()), before, "{what} left a trace in a session {name}");
            assert_eq!(session.caret::<Chars>(), untouched.caret::<Chars>());
        }
        let mut control = untouched.document().clone();
        go_on(&mut document, &mut control, &format!("{what}, {name}"));
        type_on(&mut session, &mut untouched, &format!("{what}, {name}"));
    }
}

fn go_on(document: &mut Document, control: &mut Document, what: &str) {
    for pieces in good().chunks(1).chain(later().chunks(1)) {
        let bytes = update(pieces);
        assert_eq!(document.import::<Chars>(&bytes), control.import::<Chars>(&bytes), "{what}: patches");
        assert_eq!(seen(document), seen(control), "{what}: good updates mean something else now");
    }
    assert_eq!(document.waiting(), 0, "{what}");
    let decoded = Document::decode(&document.encode()).expect("what was encoded");
    assert_eq!(*decoded.text(), *document.text(), "{what}: a replay from nothing");
}

fn type_on(session: &mut Session, control: &mut Session, what: &str) {
    for (number, pieces) in good().chunks(1).chain(later().chunks(1)).enumerate() {
        let bytes = update(pieces);
        for session in [&mut *session, control] {
            session.insert(session.caret::<Chars>(), "w").expect("typing");
            session.merge::<Chars>(&bytes).expect("a good update");
            if number % 2 == 0 {
                session.move_caret(Chars(number)).expect("a position of the text");
            }
        }
        assert_eq!(seen(session.document()), seen(control.document()), "{what}: a session goes on otherwise now");
        assert_eq!(session.caret::<Chars>(), control.caret::<Chars>(), "{what}: the caret");
    }
    assert_eq!(session.undo::<Chars>(), control.undo::<Chars>(), "{what}: undo");
    assert_eq!(seen(session.document()), seen(control.document()), "{what}: undo");
}

/// Refused for this rule, and this event is named.
fn breaks(event: EventId, rule: Rule) -> impl Fn(&ImportError) -> bool {
    move |error| matches!(error, ImportError::Refused(refusal) if refusal.event == event && refusal.rule == rule)
}

/// The bad piece alone, then behind good pieces of the same update, then behind a good late one that opens a window; and
/// all of it packed.
fn refused_wherever_it_stands(what: &str, bad: Piece, event: EventId, rule: Rule) {
    let late = piece(5, 4, Some(&[(ANN, 3)]), &[Op::Insert(2, "late")]);
    for written in [update, packed] {
        refused_everywhere(what, &written(std::slice::from_ref(&bad)), breaks(event, rule.clone()));
        let behind = written(&[good(), vec![bad.clone()]].concat());
        refused_everywhere(what, &behind, breaks(event, rule.clone()));
        let error = Document::decode(&behind).expect_err(what);
        assert!(breaks(event, rule.clone())(&error), "{what}, read from nothing: {error:?}");
        refused_everywhere(what, &written(&[late.clone(), bad.clone()]), breaks(event, rule.clone()));
    }
}

#[test]
fn packed_and_plain_say_the_same() {
    let all = [good(), later()].concat();
    for pieces in [&all[..], &all[..3], &all[..1]] {
        let (plain, packed) = (Document::decode(&update(pieces)), Document::decode(&packed(pieces)));
        assert_eq!(plain.as_ref().map(seen), packed.as_ref().map(seen));
    }
    let mut document = Document::decode(&update(&good())).expect("a good update");
    document.import::<Chars>(&packed(&later())).expect("a good update that goes on from outside");
    assert_eq!(seen(&document).groups, seen(&Document::decode(&update(&all)).expect("a good update")).groups);
}

#[test]
fn a_clock_is_one_more_than_its_parents_make_it() {
    for clock in [0, 1, 2, 3, 5, 6, 4_000_000_000] {
        let bad = piece(7, clock, Some(&[(ANN, 3)]), &[Op::Insert(0, "?")]);
        let rule = Rule::ClockOfParents { expected: Clock(4) };
        refused_wherever_it_stands("a wrong clock", bad, id(7, clock as u32), rule);
    }
    let bad = piece(7, 1, Some(&[]), &[Op::Insert(0, "?")]);
    refused_wherever_it_stands("a first clock above 0", bad, id(7, 1), Rule::ClockOfParents { expected: Clock(0) });
    // Its clock would be contiguous with its agent's own last event, so one more is right.
    let bad = piece(BEN, 4, Some(&[(BEN, 3), (ANN, 3)]), &[Op::Insert(0, "?")]);
    let rule = Rule::ClockOfParents { expected: Clock(5) };
    refused_wherever_it_stands("an adoption without a gap", bad, id(BEN, 4), rule);
}

#[test]
fn parents_are_concurrent() {
    let bad = piece(7, 4, Some(&[(ANN, 1), (BEN, 3)]), &[Op::Insert(0, "?")]);
    refused_wherever_it_stands(
        "a parent of a parent",
        bad,
        id(7, 4),
        Rule::ParentsNotConcurrent { parent: id(ANN, 1) },
    );
    let bad = piece(7, 4, Some(&[(ANN, 3), (ANN, 2)]), &[Op::Insert(0, "?")]);
    refused_wherever_it_stands("two of one group", bad, id(7, 4), Rule::ParentsNotConcurrent { parent: id(ANN, 2) });
}

#[test]
fn a_parent_is_named_once_and_there_are_at_most_4096() {
    let twice = piece(7, 4, Some(&[(ANN, 3), (ANN, 3)]), &[Op::Insert(0, "?")]);
    refused_everywhere("a parent named twice", &update(&[twice]), |error| {
        matches!(error, ImportError::Decode(DecodeError::Invalid { .. }))
    });
    let held = piece(CAT, 5, Some(&[(ANN, 4), (BEN, 3), (BEN, 3)]), &[Op::Insert(5, "!")]);
    for twice in [piece(7, 4, Some(&[(ANN, 3), (ANN, 3)]), &[Op::Insert(0, "?")]), held] {
        refused_everywhere("a parent named twice, packed", &packed(&[twice]), |error| {
            matches!(error, ImportError::Decode(DecodeError::Invalid { .. }))
        });
    }
    let many: Vec<(u128, u64)> = (100..100 + 4097).map(|agent| (agent, 0)).collect();
    let bad = piece(7, 1, Some(&many), &[Op::Insert(0, "?")]);
    refused_everywhere("4,097 parents", &update(&[bad]), |error| {
        matches!(error, ImportError::Decode(DecodeError::NumberTooLarge { limit: 4097, .. }))
    });
    // The most that there may be.
    let mut document = Document::new();
    let mut pieces: Vec<Piece> =
        many[..4096].iter().map(|&(agent, _)| piece(agent, 0, Some(&[]), &[Op::Insert(0, ".")])).collect();
    pieces.push(piece(7, 1, Some(&many[..4096]), &[Op::Delete(0, 4095), Op::Insert(1, "!")]));
    document.import::<Chars>(&update(&pieces)).expect("4,096 parents");
    assert_eq!(document.text(), ".!");
}

#[test]
fn an_agents_events_come_in_order() {
    let rule = |clock| Rule::OutOfOrder { last: id(ANN, clock) };
    // Ann's clocks leave a gap here; what claims to stand in it comes too late.
    let gap = piece(ANN, 6, Some(&[(ANN, 4), (BEN, 3)]), &[Op::Insert(0, "g")]);
    let mut document = Document::decode(&update(&[&good()[..3], &[gap]].concat())).expect("a good update");
    let before = seen(&document);
    let bad = piece(ANN, 5, None, &[Op::Insert(0, "?")]);
    let error = document.import::<Chars>(&update(std::slice::from_ref(&bad))).expect_err("an event in a gap");
    assert!(breaks(id(ANN, 5), rule(6))(&error), "{error:?}");
    // What is known and goes on into the gap.
    let error = document.import::<Chars>(&update(&[piece(ANN, 4, None, &[Op::Delete(3, 1), Op::Insert(3, "?")])]));
    assert!(breaks(id(ANN, 4), rule(6))(&error.expect_err("on into a gap")));
    assert_eq!(seen(&document), before);

    let bad = piece(BEN, 0, Some(&[]), &[Op::Insert(0, "?")]);
    refused_wherever_it_stands("before its agent's first", bad, id(BEN, 0), Rule::OutOfOrder { last: id(BEN, 3) });
}

#[test]
fn one_id_names_one_event() {
    let bad = [
        ("another character", piece(ANN, 0, Some(&[]), &[Op::Insert(0, "aXcd")])),
        ("another place", piece(ANN, 0, Some(&[]), &[Op::Insert(1, "abcd")])),
        ("a deletion", piece(ANN, 0, Some(&[]), &[Op::Insert(0, "abc"), Op::Delete(0, 1)])),
        ("other parents", piece(ANN, 0, None, &[Op::Insert(0, "abcd")])),
    ];
    for (what, bad) in bad {
        if bad.parents.is_none() {
            // Clock 0 goes on with nothing: no update at all.
            refused_everywhere(what, &update(&[bad]), |error| matches!(error, ImportError::Decode(_)));
            continue;
        }
        refused_everywhere(
            what,
            &update(&[bad]),
            |error| matches!(error, ImportError::Refused(refusal) if refusal.rule == Rule::Differs && refusal.event.agent.get() == ANN),
        );
    }
    let fewer = piece(BEN, 2, Some(&[]), &[Op::Insert(0, "xy")]);
    refused_wherever_it_stands("fewer parents", fewer, id(BEN, 2), Rule::Differs);
    let other = piece(BEN, 2, Some(&[(ANN, 0)]), &[Op::Insert(0, "xy")]);
    refused_wherever_it_stands("another parent", other, id(BEN, 2), Rule::Differs);
    let goes_on = piece(BEN, 2, None, &[Op::Insert(0, "xy")]);
    refused_wherever_it_stands("no parents", goes_on, id(BEN, 2), Rule::Differs);
    let starts = piece(ANN, 2, Some(&[(ANN, 1)]), &[Op::Insert(2, "cd")]);
    // To name the event before is a long way to say that the group goes on, and refused where it opens a group.
    refused_everywhere("a group from within", &update(&[starts]), breaks(id(ANN, 2), Rule::Differs));
}

#[test]
fn an_event_that_differs_is_named_exactly() {
    let cut = |clock: u64, text| piece(ANN, clock, None, &[Op::Insert(clock, text)]);
    refused_everywhere("the third character", &update(&[cut(1, "bX")]), breaks(id(ANN, 2), Rule::Differs));
    refused_everywhere("the second character", &update(&[cut(1, "Xc")]), breaks(id(ANN, 1), Rule::Differs));
}

#[test]
fn a_group_has_adopted_something_and_seen_its_own_past() {
    let bad = piece(BEN, 5, Some(&[(BEN, 3)]), &[Op::Insert(0, "?")]);
    refused_wherever_it_stands("nothing adopted", bad, id(BEN, 5), Rule::NothingAdopted { last: id(BEN, 3) });
    let bad = piece(BEN, 5, Some(&[(ANN, 4)]), &[Op::Insert(0, "?")]);
    let last = id(BEN, 3);
    let bad = [good()[..3].to_vec(), vec![bad]].concat();
    refused_everywhere("own past unseen", &update(&bad), breaks(id(BEN, 5), Rule::OwnPastUnseen { last }));
    let bad = piece(BEN, 6, Some(&[(ANN, 4)]), &[Op::Insert(0, "?")]);
    let expected = Clock(5);
    let bad = [good()[..3].to_vec(), vec![bad]].concat();
    refused_everywhere(
        "own past unseen, wrong clock",
        &update(&bad),
        breaks(id(BEN, 6), Rule::ClockOfParents { expected }),
    );
}

#[test]
fn nobody_writes_in_the_name_of_a_session() {
    for (name, mut session) in replicas() {
        let next =
            session.document().summary().spans().filter(|span| span.agent.get() == OWN).map(|span| span.end.0).max();
        let forged = match next {
            Some(next) => piece(OWN, u64::from(next), None, &[Op::Insert(0, "?")]),
            None => piece(OWN, 0, Some(&[]), &[Op::Insert(0, "?")]),
        };
        let (before, event) = (seen(session.document()), id(OWN, next.unwrap_or(0)));
        let error = session.merge::<Chars>(&update(&[forged])).expect_err("a forged event");
        assert!(breaks(event, Rule::OwnAgent)(&error), "{name}: {error:?}");
        assert_eq!(seen(session.document()), before);
        // One's own events coming back are harmless, in whatever pieces.
        let own = session.document().encode();
        assert_eq!(session.merge::<Chars>(&own), Ok(vec![]));
        assert_eq!(seen(session.document()), before);
    }
}

#[test]
fn an_index_is_within_the_document_at_its_parents() {
    let rule = |index, len| Rule::IndexWithinDocument { index, len };
    // At Ann's "abcd", whatever has come since.
    let bad = [
        (Op::Insert(5, "?"), rule(5, 4)),
        (Op::Insert(1_073_741_823, "?"), rule(1_073_741_823, 4)),
        (Op::Delete(4, 1), rule(4, 4)),
        (Op::Delete(3, 2), rule(3, 4)),
        (Op::Delete(0, 4_000_000), rule(0, 4)),
        (Op::Backspace(4, 1), rule(4, 4)),
        (Op::Backspace(4, 5), rule(4, 4)),
    ];
    for (op, rule) in bad {
        let what = format!("{op:?} in a document of 4");
        let bad = piece(7, 4, Some(&[(ANN, 3)]), &[op]);
        refused_wherever_it_stands(&what, bad, id(7, 4), rule);
    }
    // At everything: no window is needed there.
    let bad = piece(7, 6, Some(&[(CAT, 5)]), &[Op::Insert(6, "ok"), Op::Insert(9, "?")]);
    let bad = [good(), vec![bad]].concat();
    let mut document = Document::new();
    let error = document.import::<Chars>(&update(&bad)).expect_err("behind the end");
    assert!(breaks(id(7, 8), rule(9, 8))(&error), "{error:?}");
    assert_eq!(seen(&document), seen(&Document::new()));
    assert_eq!(Document::decode(&update(&bad)).expect_err("behind the end"), error);
}

/// Before anything else is looked at: such a message is a few bytes, and what it would fill the log with is not.
#[test]
fn nobody_deletes_more_than_there_can_be() {
    let bad = update(&[piece(7, 4, Some(&[(ANN, 3)]), &[Op::Delete(0, 1_073_000_000)])]);
    for (name, mut session) in replicas() {
        let mut document = session.document().clone();
        let before = seen(&document);
        // Two for each char that was inserted, less those that there are.
        let edits = document.operations().flat_map(|authored| authored.edits);
        let limit =
            edits.fold(4 << 20, |limit, edit| limit + 2 * edit.inserted.chars().count() - edit.deleted.0) as u32;
        let too_many = ImportError::TooMany { events: 1_073_000_000, limit };
        let sender = Sender(1);
        assert_eq!(document.import_from::<Chars>(sender, &bad).expect_err("too many"), too_many, "{name}");
        assert_eq!(document.absorb_from(sender, &bad, |_| true).expect_err("too many"), too_many, "{name}");
        assert_eq!(session.merge::<Chars>(&bad).expect_err("too many"), too_many, "{name}");
        assert_eq!(seen(&document), before, "{name}");
        assert_eq!(seen(session.document()), before, "{name}");
    }
    assert!(Document::new().import_from::<Chars>(Sender(1), &bad).is_err(), "a new document");
}

/// A window that has gone ahead over the good part must not stay when the part behind it, in a linear stretch, is
/// refused.
#[test]
fn a_refusal_behind_a_good_concurrent_piece_forgets_that_piece() {
    let late = piece(5, 4, Some(&[(ANN, 3)]), &[Op::Insert(2, "late")]);
    let meets = piece(6, 8, Some(&[(ANN, 4), (BEN, 3), (5, 7)]), &[Op::Insert(99, "?")]);
    let bad = update(&[&good()[..3], &[late, meets]].concat());
    refused_in_one("a linear piece behind a concurrent one", &good()[..3], &bad, id(6, 8));
}

fn refused_in_one(what: &str, start: &[Piece], bad: &[u8], event: EventId) {
    let mut document = Document::new();
    document.import::<Chars>(&update(start)).expect("a good update");
    let mut control = document.clone();
    let error = document.import::<Chars>(bad).expect_err(what);
    assert!(matches!(&error, ImportError::Refused(refusal) if refusal.event == event), "{what}: {error:?}");
    assert_eq!(seen(&document), seen(&control), "{what}");
    go_on(&mut document, &mut control, what);
}

#[test]
fn unknown_parents_wait_and_nothing_else_does() {
    let mut document = Document::new();
    let (good, later) = (good(), later());
    for pieces in later.chunks(1).rev().chain(good.chunks(1).rev()) {
        document.import::<Chars>(&update(pieces)).expect("it waits");
    }
    assert_eq!((document.waiting(), document.missing()), (0, vec![]));
    let whole = Document::decode(&update(&[good.clone(), later.clone()].concat())).expect("a good update");
    assert_eq!((document.text(), document.groups()), (whole.text(), whole.groups()));

    // All in one update, and in the wrong order.
    let backwards: Vec<Piece> = good.iter().chain(&later).rev().cloned().collect();
    let mut document = Document::new();
    document.import::<Chars>(&update(&backwards)).expect("its pieces wait for each other");
    assert_eq!((document.text(), document.waiting()), (whole.text(), 0));
}

/// Adding its distance to where the run of its agent starts was more than 32 bits hold, and a panic: found by `cede-fuzz`.
#[test]
fn a_parent_behind_all_clocks_is_waited_for() {
    let mut document = Document::decode(&update(&good())).expect("a good update");
    let far = piece(7, 9, Some(&[(BEN, u64::from(u32::MAX))]), &[Op::Insert(0, "?")]);
    assert_eq!(document.import::<Chars>(&update(&[far])), Ok(vec![]));
    assert_eq!(document.missing(), [id(BEN, u32::MAX)]);
}

/// What waited and turns out to break a rule was somebody else's: the message that lets it in is taken all the same.
#[test]
fn a_bad_piece_that_waited_is_dropped_and_good_ones_are_let_in() {
    let bad = [
        piece(7, 4, Some(&[(ANN, 3)]), &[Op::Insert(77, "?")]),
        piece(8, 9, Some(&[(ANN, 3)]), &[Op::Insert(0, "?")]),
        piece(10, 7, Some(&[(7, 4), (ANN, 4)]), &[Op::Insert(0, "never let in")]),
    ];
    let (good, later) = (good(), later());
    let mut document = Document::new();
    for pieces in [&bad[..1], &later[1..2], &bad[1..2], &later[2..], &bad[2..]] {
        assert_eq!(document.import::<Chars>(&update(pieces)), Ok(vec![]));
    }
    document.import::<Chars>(&update(&[&good[..], &later[..1]].concat())).expect("a good update");
    let whole = Document::decode(&update(&[good, later].concat())).expect("a good update");
    assert_eq!((document.text(), document.groups()), (whole.text(), whole.groups()));
    assert_eq!(document.missing(), [id(7, 4)], "it waits for what was dropped");
}

/// Each refusal walks the log, so thousands that waited together are dropped together; good ones among them come again.
#[test]
fn a_flood_of_bad_pieces_that_waited_is_dropped() {
    let mut document = Document::new();
    let mut base = vec![piece(ANN, 0, Some(&[]), &[Op::Insert(0, "a")])];
    base.extend((1..4000u64).map(|clock| {
        let (agent, other) = if clock % 2 == 0 { (ANN, BEN) } else { (BEN, ANN) };
        piece(agent, clock, Some(&[(other, clock - 1)]), &[Op::Insert(0, "a")])
    }));
    document.import::<Chars>(&update(&base)).expect("a good update");
    let waits = |agent, op| piece(agent, 1, Some(&[(CAT, 0)]), &[op]);
    let bad: Vec<Piece> = (1000..9000).map(|agent| waits(agent, Op::Insert(9, "?"))).collect();
    document.import::<Chars>(&update(&bad)).expect("it waits");
    let good = update(&[waits(10, Op::Insert(1, "!"))]);
    document.import::<Chars>(&good).expect("it waits");
    assert_eq!(document.waiting(), 8001);

    document.import::<Chars>(&update(&[piece(CAT, 0, Some(&[]), &[Op::Insert(0, "c")])])).expect("a good update");
    assert_eq!((document.waiting(), document.event_count()), (0, 4001));
    document.import::<Chars>(&good).expect("a good update");
    assert_eq!(document.event_count(), 4002);
}

#[test]
fn bytes_that_are_no_update_are_refused() {
    let decode = |check: fn(&DecodeError) -> bool| move |error: &ImportError| matches!(error, ImportError::Decode(error) if check(error));
    refused_everywhere("no bytes", &[], decode(|error| matches!(error, DecodeError::Magic { .. })));
    for bytes in [update(&good()), packed(&good())] {
        for end in 0..bytes.len() {
            refused_at_once("a beginning", &bytes[..end]);
        }
        let mut other = bytes.clone();
        other[0] = b'X';
        refused_everywhere("another magic", &other, decode(|error| matches!(error, DecodeError::Magic { .. })));
        let mut newer = bytes[..bytes.len() - 4].to_vec();
        newer[4] = 3;
        refused_everywhere("a newer version", &sealed(newer), |error| {
            *error == ImportError::Decode(DecodeError::Version { found: 3, known: 2 })
        });
        let mut damaged = bytes.clone();
        damaged[20] ^= 1;
        refused_everywhere("damage", &damaged, decode(|error| matches!(error, DecodeError::Checksum { .. })));
        let longer = sealed([&bytes[..bytes.len() - 4], b"\0"].concat());
        refused_everywhere(
            "a byte too many",
            &longer,
            decode(|error| matches!(error, DecodeError::TrailingBytes { extra: 1, .. })),
        );
    }
}

/// Columns that are compressed, cut and changed with the checksum made right again: an error or another history, and
/// never a panic.
#[test]
fn damage_inside_compressed_columns_is_an_error_or_another_history() {
    let document = typed_at_random(7, 3500);
    let bytes = document.encode();
    assert_eq!(bytes[4], 2, "{} bytes are worth packing", bytes.len());
    assert_eq!(seen(&Document::decode(&bytes).expect("what was encoded")), seen(&document));
    let body = &bytes[..bytes.len() - 4];
    for end in 0..bytes.len() {
        assert!(Document::decode(&bytes[..end]).is_err(), "the first {end} bytes were taken for all");
        if end < body.len() {
            assert!(Document::decode(&sealed(body[..end].to_vec())).is_err(), "the first {end} bytes, sealed");
        }
    }
    let mut readable = 0;
    for at in 5..body.len() {
        let mut damaged = body.to_vec();
        damaged[at] ^= 1 << (at % 8);
        if let Ok(other) = Document::decode(&sealed(damaged)) {
            readable += 1;
            let again = Document::decode(&other.encode()).expect("what was encoded");
            assert_eq!((again.text(), again.groups()), (other.text(), other.groups()), "byte {at}");
        }
    }
    tell(format_args!("{readable} of {} damaged histories can be read", body.len() - 5));
}

/// Three agents type, move about and merge.
fn typed_at_random(seed: u64, keys: usize) -> Document {
    const WORDS: [&str; 8] = ["words ", "stay ", "whole ", "typed ", "together ", "né ", "漢字", "\n"];
    let mut random = Random::from_seed(seed);
    let mut sessions = [ANN, BEN, CAT].map(|agent| Session::new(AgentId::new(agent)));
    for _ in 0..keys {
        let who = random.below(3);
        let session = &mut sessions[who];
        let len = session.text().len::<Chars>().0;
        match random.below(30) {
            0 => session.move_caret(Chars(random.below(len + 1))).expect("a position of the text"),
            1..6 => {
                let caret = session.caret::<Chars>();
                session.delete(Chars(caret.0.saturating_sub(1))..caret).expect("left of the caret");
            }
            6 => {
                let bytes = session.document().encode();
                sessions[(who + 1) % 3].merge::<Chars>(&bytes).expect("what a session made");
            }
            _ => session.insert(session.caret::<Chars>(), WORDS[random.below(WORDS.len())]).expect("at the caret"),
        }
    }
    let [mut first, second, third] = sessions;
    for other in [second, third] {
        first.merge::<Chars>(&other.document().encode()).expect("what a session made");
    }
    first.document().clone()
}

/// A few bytes that claim to unpack to more than a reader grants are refused before anything is reserved.
#[test]
fn a_packed_update_cannot_claim_endless_memory() {
    for claim in [1u64 << 24, 1 << 32, 1 << 62] {
        for column in 0..10 {
            let mut bytes = b"CEDu\x02".to_vec();
            bytes.push(0);
            for before in 0..=column {
                forge::number(&mut bytes, if before == column { claim } else { 0 });
                forge::number(&mut bytes, 0);
            }
            let error = Document::decode(&sealed(bytes)).expect_err("an endless claim");
            assert!(matches!(error, ImportError::Decode(_)), "{error:?}");
        }
    }
}

/// Each byte of twenty files is flipped, as it is and with the checksum made right again: an error that leaves the document
/// alone, or a whole history.
#[test]
fn each_byte_of_twenty_files_is_flipped() {
    let base = Document::decode(&update(&good())).expect("a good update");
    let untouched = seen(&base);
    let (mut bytes_flipped, mut taken) = (0, 0);
    for seed in 0..20 {
        let document = typed_at_random(seed, 20 + 15 * seed as usize);
        let file = if seed % 2 == 0 { document.encode() } else { document.save() };
        for at in 0..file.len() {
            let mut flipped = file.clone();
            flipped[at] = !flipped[at];
            bytes_flipped += 1;
            if seed % 2 == 1 {
                let saved = cede::Saved::open(&flipped[..]).and_then(|mut saved| saved.document());
                assert!(saved.is_err(), "byte {at} of saved document {seed}");
                continue;
            }
            assert!(base.clone().import::<Chars>(&flipped).is_err(), "byte {at} of file {seed}");
            if at + 4 >= file.len() {
                continue;
            }
            let mut document = base.clone();
            match document.import::<Chars>(&sealed(flipped[..file.len() - 4].to_vec())) {
                Err(_) => assert_eq!(seen(&document), untouched, "byte {at} of file {seed}"),
                Ok(_) => {
                    taken += 1;
                    let again = Document::decode(&document.encode()).expect("what was encoded");
                    assert_eq!((again.text(), again.groups()), (document.text(), document.groups()), "byte {at}");
                }
            }
        }
    }
    tell(format_args!("{bytes_flipped} bytes flipped, {taken} files with a right checksum were another history"));
}

fn refused_at_once(what: &str, bytes: &[u8]) {
    let mut document = Document::decode(&update(&good())).expect("a good update");
    let before = seen(&document);
    assert!(matches!(document.import::<Chars>(bytes), Err(ImportError::Decode(_))), "{what} of {} bytes", bytes.len());
    assert_eq!(seen(&document), before);
}

/// Bytes changed, cut and put together at random, with the checksum made right again: whatever comes of it, no panic,
/// no half, and a replica that takes it in agrees with one that reads its whole history afresh.
#[test]
fn mutated_updates_are_refused_whole_or_taken_in_whole() {
    let all = [good(), later()].concat();
    let sources = [update(&good()), update(&later()), update(&good()[..3]), update(&all)];
    let sources = [&sources[..], &[packed(&all), packed(&good()), packed(&later())]].concat();
    let (mut refused, mut taken) = (0u32, 0u32);
    for seed in seeds(mutations()) {
        let mut random = Random::from_seed(seed);
        let mut document = Document::new();
        if random.percent(80) {
            document.import::<Chars>(&update(&good()[..random.between(1, 4)])).expect("a good update");
        }
        for _ in 0..3 {
            let source = random.pick(&sources).clone();
            let bytes = mutated(&mut random, &source, &sources);
            let before = (seen(&document), document.clone());
            match document.import::<Chars>(&bytes) {
                Err(_) => {
                    refused += 1;
                    assert_eq!(seen(&document), before.0, "seed {seed}");
                }
                Ok(patches) => {
                    taken += 1;
                    let mut host: Vec<char> = before.1.text().to_string().chars().collect();
                    for patch in patches {
                        host.splice(patch.start.0..patch.start.0 + patch.deleted.0, patch.inserted.chars());
                    }
                    assert_eq!(*document.text(), host.iter().collect::<String>().as_str(), "patches of seed {seed}");
                }
            }
        }
        let fresh = Document::decode(&document.encode()).expect("what was encoded");
        assert_eq!((fresh.text(), fresh.groups()), (document.text(), document.groups()), "seed {seed}");
    }
    tell(format_args!("{refused} mutated updates were refused, {taken} taken in"));
}

/// How many seeds, of three mutated updates each, unless `HISTORIES` says otherwise.
fn mutations() -> u64 {
    std::env::var("HISTORIES").map_or(20_000, |count| count.parse().expect("HISTORIES is a number"))
}

fn mutated(random: &mut Random, source: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut body = source[..source.len() - 4].to_vec();
    for _ in 0..random.between(1, 3) {
        // Half of the time behind the names of the agents, where the numbers are.
        let from = if random.percent(50) { 5 } else { body.len().min(5 + 1 + 16 * 3) };
        let at = random.between(from.min(body.len() - 1), body.len() - 1);
        match random.below(7) {
            6 => body.truncate(at),
            0 => body[at] ^= 1 << random.below(8),
            1 => body[at] = random.bits() as u8,
            2 => body[at] = body[at].wrapping_add(1),
            3 => drop(body.remove(at)),
            4 => body.insert(at, random.bits() as u8),
            _ => {
                let other = random.pick(others);
                let start = random.below(other.len());
                let end = random.between(start, (start + 20).min(other.len()));
                body.splice(at..(at + random.below(9)).min(body.len()), other[start..end].iter().copied());
            }
        }
        if body.len() < 8 {
            break;
        }
    }
    sealed(body)
}

/// Many who have each seen a text of a million chars delete all of it: each message is small, and a log that is full stays full.
#[test]
fn deletions_in_many_messages_fill_no_document() {
    const LEN: u64 = 1 << 20;
    let base = "a".repeat(LEN as usize).leak();
    let mut document = Document::new();
    document.import::<Chars>(&update(&[piece(1, 0, Some(&[]), &[Op::Insert(0, base)])])).expect("a text");
    let by = |agent| piece(agent, LEN, Some(&[(1, LEN - 1)]), &[Op::Delete(0, LEN)]);
    let mut taken = 0;
    for first in (2..200).step_by(3) {
        let message = update(&[by(first), by(first + 1), by(first + 2)]);
        match document.import_from::<Chars>(Sender(1), &message) {
            Ok(_) => taken += 3,
            Err(error) => assert!(matches!(error, ImportError::TooMany { .. }), "{error}"),
        }
    }
    // Two for each char, and four million.
    assert!((3..=6).contains(&taken), "{taken} million deletions of {LEN} chars");
    assert_eq!(document.event_count(), LEN * (1 + taken));
    // What inserts is taken as ever.
    document
        .import_from::<Chars>(Sender(1), &update(&[piece(500, 0, Some(&[]), &[Op::Insert(0, "b")])]))
        .expect("a char");
}
