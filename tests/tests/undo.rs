//! Undo takes back one's own steps and nothing of anybody else's, whatever others have written since.
//!
//! The tables show a text with the caret in it, keys, and the text after them.

use cede::{AgentId, Chars, Document, EventId, Patch, Session};
use cede_tests::forge::{Op as ForgedOp, Piece, update};
use cede_tests::live::Host;
use cede_tests::oracle::{self, Event, Op};
use cede_tests::random::{Random, seeds};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
enum Key {
    Type(&'static str),
    Back(usize),
    Del(usize),
    Go(usize),
    Replace(usize, usize, &'static str),
    /// A pause: the step ends.
    Pause,
    Undo,
    Redo,
    /// Somebody else, who has seen everything, inserts there.
    Other(usize, &'static str),
    /// Somebody else, who has seen everything, deletes so many.
    OtherDel(usize, usize),
}
use Key::{Back, Del, Go, Other, OtherDel, Pause, Redo, Replace, Type, Undo};

/// Presses keys in a text that somebody else wrote, where the caret is at `|`; gives the text and the caret afterwards.
fn press(before: &str, keys: &[Key]) -> String {
    let caret = before.chars().position(|c| c == '|').expect("a caret");
    let mut other = Session::new(AgentId::new(2));
    other.insert(Chars(0), &before.replace('|', "")).expect("the start");
    let mut own = Session::new(AgentId::new(1));
    own.merge::<Chars>(&other.document().encode()).expect("what a session made");
    own.move_caret(Chars(caret)).expect("in the text");
    let mut host = Host(own.text().to_string().chars().collect());
    for &key in keys {
        press_one(&mut own, &mut other, &mut host, key);
        assert_eq!(own.text(), host.0.iter().collect::<String>().as_str(), "the host's buffer after {key:?}");
    }
    other.merge::<Chars>(&own.document().encode()).expect("what a session made");
    assert_eq!(own.text(), other.text(), "the two replicas after {keys:?}");
    marked(&own)
}

fn marked(session: &Session) -> String {
    let mut text: Vec<char> = session.text().to_string().chars().collect();
    text.insert(session.caret::<Chars>().0, '|');
    text.into_iter().collect()
}

fn press_one(own: &mut Session, other: &mut Session, host: &mut Host, key: Key) {
    let at: Chars = own.caret();
    let edited = match key {
        Type(text) => own.insert(at, text),
        Back(count) => own.delete(Chars(at.0 - count)..at),
        Del(count) => own.delete(at..at + Chars(count)),
        Replace(start, end, text) => own.replace(Chars(start)..Chars(end), text),
        Go(to) => own.move_caret(Chars(to)).map_err(Into::into),
        Pause => {
            own.break_undo();
            Ok(())
        }
        Undo | Redo => {
            let patches = if matches!(key, Undo) { own.undo::<Chars>() } else { own.redo::<Chars>() };
            patches.into_iter().flatten().for_each(|patch| host.apply(&patch));
            return;
        }
        Other(..) | OtherDel(..) => {
            other.merge::<Chars>(&own.document().encode()).expect("what a session made");
            let edited = match key {
                Other(at, text) => other.insert(Chars(at), text),
                OtherDel(at, count) => other.delete(Chars(at)..Chars(at + count)),
                _ => Ok(()),
            };
            edited.expect("in the text");
            let patches = own.merge::<Chars>(&other.document().encode()).expect("what a session made");
            patches.iter().for_each(|patch| host.apply(patch));
            return;
        }
    };
    edited.expect("in the text");
    host.0 = own.text().to_string().chars().collect();
}

fn check(table: &[(&str, &[Key], &str)]) {
    for (before, keys, after) in table {
        assert_eq!(press(before, keys), *after, "{before} {keys:?}");
    }
}

#[test]
fn a_step_is_a_run_of_one_kind() {
    check(&[
        ("a|d", &[Type("b"), Type("c"), Undo], "a|d"),
        ("a|d", &[Type("b"), Pause, Type("c"), Undo], "ab|d"),
        ("a|d", &[Type("b"), Pause, Type("c"), Undo, Undo], "a|d"),
        ("ab|", &[Type("cd"), Back(1), Undo], "abcd|"),
        ("ab|", &[Type("cd"), Back(1), Undo, Undo], "ab|"),
        ("abc|", &[Back(1), Back(1), Undo], "abc|"),
        ("abc|", &[Back(1), Pause, Back(1), Undo], "ab|"),
        ("a|bcd", &[Del(1), Del(1), Undo], "a|bcd"),
        ("ab|cd", &[Type("x"), Go(0), Type("y"), Undo], "|abxcd"),
        ("ab|cd", &[Type("x"), Go(3), Type("y"), Undo], "abx|cd"),
        ("ab|cd", &[Undo], "ab|cd"),
        ("ab|cd", &[Redo], "ab|cd"),
    ]);
}

#[test]
fn a_replacement_is_one_step_and_joins_no_other() {
    check(&[
        ("ab|cd", &[Replace(1, 3, "xyz")], "axyz|d"),
        ("ab|cd", &[Replace(1, 3, "xyz"), Undo], "abc|d"),
        ("ab|cd", &[Replace(1, 3, "xyz"), Undo, Redo], "axyz|d"),
        ("ab|cd", &[Replace(1, 3, "xyz"), Type("w"), Undo], "abc|d"),
        // Nothing is replaced: an insertion of its own.
        ("ab|cd", &[Type("x"), Replace(0, 0, "y"), Undo], "|abxcd"),
        ("ab|cd", &[Type("x"), Pause, Replace(3, 3, "y"), Undo], "abx|cd"),
        // Replaced by nothing: a deletion of its own.
        ("ab|cd", &[Replace(1, 3, ""), Undo], "abc|d"),
        ("ab|cd", &[Replace(1, 3, ""), Go(0), Type("x"), Undo], "|ad"),
        ("ab|cd", &[Replace(1, 3, ""), Type("x"), Undo], "a|d"),
        ("ab|cd", &[Replace(0, 0, ""), Type("x"), Pause, Type("y"), Undo], "x|abcd"),
    ]);
}

#[test]
fn deleted_text_comes_back_in_its_order() {
    check(&[
        ("a|bcd", &[Del(1), Pause, Del(1), Undo, Undo], "a|bcd"),
        ("a|bcd", &[Del(1), Pause, Del(1), Pause, Del(1), Undo, Undo, Undo], "a|bcd"),
        ("ab|cd", &[Back(1), Del(1), Undo, Undo], "ab|cd"),
        ("ab|cd", &[Back(1), Del(1), Back(1), Undo, Undo, Undo], "ab|cd"),
        ("ab|cd", &[Del(1), Back(1), Del(1), Undo, Undo, Undo], "ab|cd"),
        ("abcd|", &[Go(1), Del(1), Go(0), Del(1), Go(1), Del(1), Undo, Undo, Undo], "a|bcd"),
        ("ab|cd", &[Type("xy"), Back(3), Del(1), Undo, Undo], "abxy|cd"),
        ("ab|cd", &[Type("xy"), Back(3), Del(1), Undo, Undo, Undo], "ab|cd"),
        ("ab|cd", &[Type("xy"), Back(3), Del(1), Undo, Undo, Undo, Redo, Redo, Redo], "a|d"),
    ]);
}

#[test]
fn what_others_wrote_meanwhile_stays() {
    check(&[
        ("a|b", &[Type("xy"), Other(2, "O"), Undo], "a|Ob"),
        ("a|b", &[Type("xy"), Other(0, "O"), Undo], "Oa|b"),
        ("a|b", &[Type("xy"), Other(2, "O"), Undo, Redo], "axOy|b"),
        ("abc|", &[Back(2), Other(1, "O"), Undo], "aObc|"),
        ("abc|", &[Back(2), Other(0, "O"), Undo], "Oabc|"),
        ("a|bc", &[Del(2), OtherDel(0, 1), Undo], "|bc"),
        ("a|b", &[Type("xyz"), OtherDel(2, 1), Undo], "a|b"),
        // What somebody else deleted does not come back with a redo.
        ("a|b", &[Type("xyz"), OtherDel(2, 1), Undo, Redo], "axz|b"),
        ("a|b", &[Type("xyz"), OtherDel(1, 3), Undo, Redo], "a|b"),
        ("ab|cd", &[Replace(1, 3, "X"), Other(2, "O"), Undo], "aObc|d"),
    ]);
}

#[test]
fn redo_does_again_and_ends_with_an_edit() {
    check(&[
        ("a|d", &[Type("bc"), Undo, Redo], "abc|d"),
        ("a|d", &[Type("bc"), Undo, Redo, Undo], "a|d"),
        ("a|d", &[Type("bc"), Undo, Redo, Type("x")], "abcx|d"),
        ("abc|d", &[Back(2), Undo, Redo], "a|d"),
        ("a|bcd", &[Del(2), Undo, Redo], "a|d"),
        ("a|d", &[Type("bc"), Undo, Type("x"), Redo], "ax|d"),
        ("a|d", &[Type("bc"), Undo, Type("x"), Undo, Undo], "a|d"),
        ("a|d", &[Type("bc"), Undo, Other(2, "O"), Redo], "abc|dO"),
        ("a|d", &[Type("bc"), Undo, Go(0), Redo], "abc|d"),
    ]);
}

#[test]
fn to_undo_tells_whether_there_was_anything() {
    let mut session = Session::new(AgentId::new(1));
    assert!(!session.can_undo() && session.undo::<Chars>().is_none() && session.redo::<Chars>().is_none());
    session.insert(Chars(0), "a").expect("the start");
    assert!(session.can_undo());
    let patch = Patch { start: Chars(0), deleted: Chars(1), inserted: String::new() };
    assert_eq!(session.undo(), Some(vec![patch]));
    assert!(!session.can_undo() && session.undo::<Chars>().is_none());
}

/// Steps of one person alone, at random: each undo gives the text before the step, each redo the one after it.
#[test]
fn undo_and_redo_are_inverse_when_nobody_else_writes() {
    for seed in seeds(histories(400)) {
        let mut random = Random::from_seed(seed);
        let mut session = Session::new(AgentId::new(1));
        let mut texts = vec![session.text().to_string()];
        for _ in 0..random.between(1, 25) {
            session.break_undo();
            let before = session.document().event_count();
            random_edit(&mut random, &mut session, "abcdefgh é漢🙂");
            if session.document().event_count() > before {
                texts.push(session.text().to_string());
            }
            if random.percent(20) {
                // Up and down in the middle.
                let depth = random.below(texts.len());
                walk(&mut session, &texts, depth, &format!("seed {seed}"));
            }
        }
        let all = texts.len() - 1;
        walk(&mut session, &texts, all, &format!("seed {seed}"));
        walk(&mut session, &texts, all, &format!("seed {seed}, again"));
    }
}

/// Takes back `depth` steps and does them again, with a look at each text.
fn walk(session: &mut Session, texts: &[String], depth: usize, what: &str) {
    let last = texts.len() - 1;
    for step in 1..=depth {
        let mut host = Host(session.text().to_string().chars().collect());
        session.undo::<Chars>().expect("a step").iter().for_each(|patch| host.apply(patch));
        assert_eq!(session.text(), texts[last - step].as_str(), "{what}: {step} steps back of {texts:?}");
        assert_eq!(session.text(), host.0.iter().collect::<String>().as_str(), "{what}: the host's buffer");
    }
    assert_eq!(session.can_undo(), depth < last);
    for step in (0..depth).rev() {
        session.redo::<Chars>().expect("a step to do again");
        assert_eq!(session.text(), texts[last - step].as_str(), "{what}: forward to {step} steps back of {texts:?}");
    }
    assert!(session.redo::<Chars>().is_none());
}

fn random_edit(random: &mut Random, session: &mut Session, alphabet: &str) {
    let letters: Vec<char> = alphabet.chars().collect();
    let len = session.text().len::<Chars>().0;
    let at = if random.percent(50) { session.caret::<Chars>().0 } else { random.below(len + 1) };
    let end = (at + random.between(1, 4)).min(len);
    let start = at.saturating_sub(random.between(1, 4));
    let text: String = (0..random.between(1, 4)).map(|_| *random.pick(&letters)).collect();
    let edited = match random.below(6) {
        0 => session.delete(Chars(start)..Chars(at)),
        1 => session.delete(Chars(at)..Chars(end)),
        2 => session.replace(Chars(at)..Chars(end), &text),
        _ => session.insert(Chars(at), &text),
    };
    edited.expect("in the text");
}

/// Others only insert, and do not know yet what is taken back. When one person has taken back everything, just the
/// others' text is there, in its order: what that person deleted of it has come back.
#[test]
fn all_taken_back_leaves_the_text_of_others() {
    for seed in seeds(histories(400)) {
        let mut random = Random::from_seed(seed);
        let mut own = Session::new(AgentId::new(random.between(1, 3) as u128));
        let mut other = Session::new(AgentId::new(2 * random.between(2, 4) as u128));
        let mut host = Host::default();
        let mut letters = ('A'..='Z').chain('À'..='Ý').chain('Α'..='Ρ').cycle();
        for _ in 0..random.between(4, 40) {
            match random.below(10) {
                0..4 => {
                    random_edit(&mut random, &mut own, "abcde");
                    host.0 = own.text().to_string().chars().collect();
                }
                4..7 => {
                    let at = random.below(other.text().len::<Chars>().0 + 1);
                    let text: String = letters.by_ref().take(random.between(1, 3)).collect();
                    other.insert(Chars(at), &text).expect("in the text");
                }
                7 => own.break_undo(),
                8 => drop(other.merge::<Chars>(&own.document().encode()).expect("what a session made")),
                _ => follow(&mut own, &mut host, &other, seed),
            }
        }
        follow(&mut own, &mut host, &other, seed);
        while let Some(patches) = own.undo::<Chars>() {
            patches.iter().for_each(|patch| host.apply(patch));
            assert_eq!(own.text(), host.0.iter().collect::<String>().as_str(), "the host's buffer, seed {seed}");
        }
        assert_eq!(own.text(), others_text(own.document(), other.agent()).as_str(), "seed {seed}");
        other.merge::<Chars>(&own.document().encode()).expect("what a session made");
        assert_eq!(own.text(), other.text(), "seed {seed}");
    }
}

fn follow(own: &mut Session, host: &mut Host, other: &Session, seed: u64) {
    let patches = own.merge::<Chars>(&other.document().encode()).expect("what a session made");
    patches.iter().for_each(|patch| host.apply(patch));
    assert_eq!(own.text(), host.0.iter().collect::<String>().as_str(), "the host's buffer, seed {seed}");
}

/// All that an agent ever inserted, in the order of the document, by the oracle.
fn others_text(document: &Document, agent: AgentId) -> String {
    let (mut graph, mut chars) = (oracle::Graph::default(), BTreeMap::new());
    for event in oracle_events(document) {
        if let Op::Insert { character, .. } = event.op() {
            chars.insert(event.id(), character);
        }
        graph.add(&event).expect("what a session made");
    }
    graph.all_characters().iter().filter(|id| id.agent == agent.get()).map(|id| chars[id]).collect()
}

/// The history of a document, an event at a time.
fn oracle_events(document: &Document) -> Vec<Event> {
    let name = |id: &EventId| oracle::Id { agent: id.agent.get(), clock: u64::from(id.clock.0) };
    let mut events: Vec<Event> = Vec::new();
    for run in document.operations() {
        let mut parents: Vec<oracle::Id> = run.parents.ids().iter().map(name).collect();
        let mut clock = u64::from(run.span.start.0);
        let mut add = |op| {
            let id = oracle::Id { agent: run.span.agent.get(), clock };
            events.push(Event::from_parts(id, std::mem::replace(&mut parents, vec![id]), op));
            clock += 1;
        };
        for edit in &run.edits {
            (0..edit.deleted.0).for_each(|_| add(Op::Delete { index: edit.start.0 }));
            for (index, character) in (edit.start.0..).zip(edit.inserted.chars()) {
                add(Op::Insert { index, character });
            }
        }
    }
    events
}

/// Two people who insert, delete, take back and do again while messages are late: both end with the same text, hosts
/// follow by patches alone, and nothing panics.
#[test]
fn undo_under_concurrent_edits_converges() {
    for seed in seeds(histories(400)) {
        let mut random = Random::from_seed(seed);
        let mut sessions = [1, 2, 3].map(|agent| Session::new(AgentId::new(agent)));
        let mut hosts = [const { Host(Vec::new()) }; 3];
        for _ in 0..random.between(10, 80) {
            let who = random.below(3);
            let (session, host) = (&mut sessions[who], &mut hosts[who]);
            match random.below(12) {
                0..5 => {
                    random_edit(&mut random, session, "abcdé漢");
                    host.0 = session.text().to_string().chars().collect();
                }
                5..7 => session.undo::<Chars>().into_iter().flatten().for_each(|patch| host.apply(&patch)),
                7 => session.redo::<Chars>().into_iter().flatten().for_each(|patch| host.apply(&patch)),
                8 => session.break_undo(),
                _ => {
                    let from = random.below(3);
                    let bytes = sessions[from].document().encode();
                    let patches = sessions[who].merge::<Chars>(&bytes).expect("what a session made");
                    patches.iter().for_each(|patch| hosts[who].apply(patch));
                }
            }
            let text: String = hosts[who].0.iter().collect();
            assert_eq!(sessions[who].text(), text.as_str(), "the host's buffer, seed {seed}");
        }
        for (from, to) in [(1, 0), (2, 0), (0, 1), (0, 2)] {
            let bytes = sessions[from].document().encode();
            sessions[to].merge::<Chars>(&bytes).expect("what a session made");
        }
        let decoded = Document::decode(&sessions[0].document().encode()).expect("what was encoded");
        assert!(sessions.iter().all(|session| session.text() == decoded.text()), "seed {seed}");
    }
}

/// The undo history kept as records beside the log, restored in a session of another agent, goes on as if the first
/// session did.
#[test]
fn a_restored_undo_history_goes_on() {
    for seed in seeds(histories(300)) {
        let mut random = Random::from_seed(seed);
        let (mut session, mut records) = (Session::new(AgentId::new(1)), Vec::new());
        let mut agent = 2;
        for _ in 0..random.between(5, 40) {
            match random.below(10) {
                0..5 => random_edit(&mut random, &mut session, "abcd"),
                5 => session.break_undo(),
                6 => drop(session.undo::<Chars>()),
                7 => drop(session.redo::<Chars>()),
                8 => records.extend(session.take_undo_changes()),
                _ => {
                    records.extend(session.take_undo_changes());
                    if random.percent(30) {
                        records = vec![session.encode_undo()];
                    }
                    let mut restored = reopened(&session, agent, &records);
                    agent += 1;
                    let mut expected = session.clone();
                    same_undo(&mut expected, &mut restored.clone(), &mut random, seed);
                    std::mem::swap(&mut session, &mut restored);
                }
            }
        }
        records.extend(session.take_undo_changes());
        assert_eq!(session.take_undo_changes(), None);
        same_undo(&mut reopened(&session, agent, &records), &mut session, &mut random, seed);
    }
}

/// Once put the text at the start: the second redo found the places of the first one's characters.
#[test]
fn redo_after_reopening_puts_the_text_where_it_was() {
    let mut first = Session::new(AgentId::new(1));
    first.insert(Chars(0), "hello").expect("an empty text");
    let record = first.take_undo_changes().expect("a step");
    let mut second = reopened(&first, 2, &[record]);
    assert!(second.undo::<Chars>().is_some() && second.redo::<Chars>().is_some());
    second.insert(Chars(5), " world").expect("the end of the text");
    assert!(second.undo::<Chars>().is_some());
    assert_eq!(marked(&second), "hello|");
    assert!(second.redo::<Chars>().is_some());
    assert_eq!(marked(&second), "hello world|");
}

fn reopened(session: &Session, agent: u128, records: &[Vec<u8>]) -> Session {
    let document = Document::decode(&session.document().encode()).expect("what was encoded");
    let mut restored = Session::with_document(document, AgentId::new(agent));
    records.iter().for_each(|record| restored.restore_undo(record).expect("a record"));
    assert_eq!(restored.take_undo_changes(), None, "what was restored is written already");
    restored
}

fn same_undo(a: &mut Session, b: &mut Session, random: &mut Random, seed: u64) {
    let redo_first = random.percent(50);
    for round in 0..3 {
        loop {
            let undo = (round + usize::from(redo_first)) % 2 == 0;
            let [left, right] =
                [&mut *a, &mut *b].map(|session| if undo { session.undo::<Chars>() } else { session.redo::<Chars>() });
            assert_eq!(left.is_some(), right.is_some(), "one of two equal histories ends, seed {seed}");
            assert_eq!(a.text(), b.text(), "seed {seed}");
            // A step of which nothing is left moves no caret.
            let patches = left.unwrap_or_default();
            assert!(patches.is_empty() || a.caret::<Chars>() == b.caret::<Chars>(), "the caret, seed {seed}");
            if patches.is_empty() || random.percent(20) {
                break;
            }
        }
    }
}

#[test]
fn a_damaged_undo_record_is_refused_and_changes_nothing() {
    let mut session = Session::new(AgentId::new(1));
    session.insert(Chars(0), "words").expect("the start");
    session.delete(Chars(1)..Chars(3)).expect("in the text");
    session.undo::<Chars>();
    session.insert(Chars(0), "more ").expect("the start");
    session.undo::<Chars>();
    let record = session.encode_undo();
    let mut fresh = reopened(&session, 2, &[]);
    for end in 0..record.len() {
        assert!(fresh.restore_undo(&record[..end]).is_err(), "the first {end} bytes were taken for a record");
    }
    for (at, bit) in (0..record.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
        let mut damaged = record.clone();
        damaged[at] ^= 1 << bit;
        assert!(fresh.restore_undo(&damaged).is_err(), "bit {bit} of byte {at}");
    }
    assert!(!fresh.can_undo() && fresh.redo::<Chars>().is_none() && fresh.take_undo_changes().is_none());
    assert_eq!(fresh.encode_undo(), Session::new(AgentId::new(2)).encode_undo());
    fresh.restore_undo(&record).expect("the record itself");
    fresh.undo::<Chars>();
    assert_eq!(fresh.text(), "");
}

fn histories(most: u64) -> u64 {
    std::env::var("HISTORIES").map_or(most, |count| count.parse().expect("HISTORIES is a number"))
}

/// Without looking for room before, nothing comes back from here: it waits for room that never comes.
#[test]
fn a_log_that_is_full_is_left_as_it_is() {
    const LEN: u64 = 1 << 20;
    // Everybody deletes all of a text, until there is room for eight events.
    let filled = (1 << 30) - 1 - 8 - LEN;
    let base = Piece {
        agent: 2,
        clock: 0,
        parents: Some(Vec::new()),
        ops: vec![ForgedOp::Insert(0, "a".repeat(LEN as usize).leak())],
    };
    let deletes = (0..filled.div_ceil(LEN)).map(|agent| Piece {
        agent: u128::from(agent) + 3,
        clock: LEN,
        parents: Some(vec![(2, LEN - 1)]),
        ops: vec![ForgedOp::Delete(0, LEN.min(filled - agent * LEN))],
    });
    let full = update(&std::iter::once(base).chain(deletes).collect::<Vec<_>>());
    let mut own = Session::with_document(Document::decode(&full).expect("one's own"), AgentId::new(1));
    own.insert(Chars(0), "typed").expect("room for eight");
    assert_eq!(own.document().event_count(), (1 << 30) - 4);
    let before = (own.text().to_string(), own.document().frontier());
    assert!(own.can_undo());
    assert_eq!(own.undo::<Chars>(), None);
    assert_eq!((own.text().to_string(), own.document().frontier()), before);
    assert!(own.can_undo(), "the step is still there");
    own.insert(Chars(0), "abc").expect("there is room for three");
    assert_eq!(own.undo::<Chars>(), None);
}
