//! Long runs, pastes and bulk merges: a run adopts after 4,096 events however they were made, and events taken in
//! together move caret and window as they do one by one.

use cede::{AgentId, Chars, Clock, EventId, Session};
use cede_tests::live::{encoded, name_of, parents_of};
use cede_tests::oracle;
use cede_tests::random::{Random, seeds};

const MOST: usize = 4096;

fn id(agent: u128, clock: usize) -> EventId {
    EventId::new(AgentId::new(agent), Clock(clock as u32))
}

/// A session in the middle of a run of `before` events, with somebody's "!" pending at the end.
fn in_a_run(before: &str) -> Session {
    let (mut session, mut other) = (Session::new(AgentId::new(1)), Session::new(AgentId::new(2)));
    session.insert(Chars(0), before).expect("the start");
    other.insert(Chars(0), "!").expect("the start");
    session.merge::<Chars>(&other.document().encode()).expect("what a session made");
    assert_eq!(session.caret::<Chars>(), Chars(before.chars().count()));
    session
}

/// Parents of an event, and whether it stands in the same group as the one before it.
fn parents(session: &Session, clock: usize) -> Vec<EventId> {
    session.document().parents(id(1, clock)).expect("an event of that clock").ids().to_vec()
}

/// Bytes may differ, for long runs are cut where they were made; what they say may not.
fn assert_same_events(a: &Session, b: &Session, what: &str) {
    assert_eq!(a.document().groups(), b.document().groups(), "{what}");
    let mut receiver = a.document().clone();
    assert_eq!(receiver.import::<Chars>(&b.document().encode()), Ok(vec![]), "{what}");
    assert_eq!(receiver.event_count(), a.document().event_count(), "{what}");
}

#[test]
fn a_paste_across_the_limit_adopts_where_typing_does() {
    for (typed, pasted) in [(4000, 96), (4000, 97), (4095, 2), (1, MOST), (4096, 1), (4096, 3000), (10, 3 * MOST)] {
        let letters = |count: usize| "é漢a".chars().cycle().take(count).collect::<String>();
        let mut pasting = in_a_run(&letters(typed));
        let mut typing = pasting.clone();
        let paste = letters(pasted);
        pasting.insert(pasting.caret::<Chars>(), &paste).expect("a paste");
        for letter in paste.chars() {
            typing.insert(typing.caret::<Chars>(), letter.encode_utf8(&mut [0; 4])).expect("typing");
        }
        assert_same_events(&pasting, &typing, &format!("{typed} typed, {pasted} pasted"));
        assert_eq!(pasting.caret::<Chars>(), typing.caret::<Chars>());
        let groups = pasting.document().groups().iter().filter(|group| group.span.agent.get() == 1).count();
        assert_eq!(groups, 1 + usize::from(typed + pasted > MOST), "{typed} typed, {pasted} pasted");
        if typed + pasted > MOST {
            // A gap, because its clock would go on with the group.
            assert_eq!(parents(&pasting, MOST + 1), [id(1, MOST - 1), id(2, 0)]);
        }
        assert_eq!(pasting.text(), format!("{}{}!", letters(typed), paste).as_str());
    }
}

#[test]
fn deletions_across_the_limit_adopt_as_key_by_key() {
    let text = "x".repeat(3000);
    for backwards in [true, false] {
        let mut at_once = in_a_run(&text);
        if !backwards {
            // The window ends at the caret once somebody has written there, so there must be text of one's own behind
            // it.
            at_once.move_caret(Chars(0)).expect("the start");
            at_once.insert(Chars(0), &"y".repeat(2000)).expect("typing");
            let mut third = Session::new(AgentId::new(3));
            third.insert(Chars(0), "?").expect("the start");
            at_once.merge::<Chars>(&third.document().encode()).expect("what a session made");
        }
        let mut keys = at_once.clone();
        let caret: Chars = keys.caret();
        let count = if backwards { 2500 } else { 2600 };
        let range =
            |caret: Chars, count| if backwards { Chars(caret.0 - count)..caret } else { caret..Chars(caret.0 + count) };
        at_once.delete(range(caret, count)).expect("in the text");
        for _ in 0..count {
            let caret: Chars = keys.caret();
            keys.delete(range(caret, 1)).expect("in the text");
        }
        assert_same_events(&at_once, &keys, &format!("backwards: {backwards}"));
        assert_eq!(at_once.text(), keys.text());
        assert_eq!(at_once.caret::<Chars>(), keys.caret::<Chars>());
    }
}

#[test]
fn a_run_without_anything_pending_goes_on_beyond_the_limit() {
    let mut session = Session::new(AgentId::new(1));
    session.insert(Chars(0), &"a".repeat(2 * MOST)).expect("the start");
    session.insert(session.caret::<Chars>(), "b").expect("typing");
    assert_eq!(session.document().groups().len(), 1);
    let mut other = Session::new(AgentId::new(2));
    other.insert(Chars(0), "!").expect("the start");
    session.merge::<Chars>(&other.document().encode()).expect("what a session made");
    // The run holds more than the limit by now, so the first pending event is adopted at once.
    session.insert(session.caret::<Chars>(), "c").expect("typing");
    assert_eq!(parents(&session, 2 * MOST + 2), [id(1, 2 * MOST), id(2, 0)]);
}

/// One update with everything, chunks of any size, or one event at a time: the same text, the same caret, and the next
/// keys make the same events. The oracle runs along with one event at a time.
#[test]
fn events_taken_in_together_count_as_one_by_one() {
    let count = std::env::var("HISTORIES").map_or(2000, |count| count.parse().expect("HISTORIES is a number"));
    for seed in seeds(count) {
        let mut random = Random::from_seed(seed);
        let mut model = oracle::Session::of_agent(1);
        let mut own = [(); 3].map(|()| Session::new(AgentId::new(1)));
        let mut other = Session::new(AgentId::new(2));
        for step in 0..random.between(3, 14) {
            let at = format!("step {step} of seed {seed}");
            match random.below(10) {
                0 => {
                    let to = random.below(model.text().chars().count() + 1);
                    model.move_caret(to).expect("in the text");
                    own.iter_mut().for_each(|own| own.move_caret(Chars(to)).expect("in the text"));
                }
                1..5 => press(&mut random, &mut model, &mut own, &at),
                5 => drop(other.merge::<Chars>(&own[0].document().encode()).expect("what a session made")),
                _ => {
                    edit_somewhere(&mut random, &mut other);
                    if random.percent(60) {
                        receive(&mut random, &other, &mut model, &mut own, &at);
                    }
                }
            }
            for (number, own) in own.iter().enumerate() {
                assert_eq!(own.text(), model.text().as_str(), "{at}, session {number}");
                assert_eq!(own.caret::<Chars>(), Chars(model.caret()), "{at}, session {number}");
            }
        }
    }
}

/// A key at the caret: the same event everywhere.
fn press(random: &mut Random, model: &mut oracle::Session, own: &mut [Session], at: &str) {
    let letter = *random.pick(&['a', 'é', '🙂']);
    let what = random.below(4);
    let made = match what {
        0 => model.backspace(),
        1 => model.delete_forward(),
        _ => Some(model.insert(letter)),
    };
    let Some(made) = made else { return };
    for own in own {
        let caret: Chars = own.caret();
        let edited = match what {
            0 => own.delete(Chars(caret.0 - 1)..caret),
            1 => own.delete(caret..Chars(caret.0 + 1)),
            _ => own.insert(caret, letter.encode_utf8(&mut [0; 4])),
        };
        edited.expect("an edit at the caret");
        let parents = own.document().parents(name_of(made.id()));
        assert_eq!(parents, Some(parents_of(&made)), "{at}: event {}", made.id());
    }
}

fn edit_somewhere(random: &mut Random, session: &mut Session) {
    let len = session.text().len::<Chars>().0;
    let at = random.below(len + 1);
    let edited = match random.below(3) {
        0 => session.delete(Chars(at.saturating_sub(3))..Chars(at)),
        1 => session.delete(Chars(at)..Chars((at + 3).min(len))),
        _ => session.insert(Chars(at), &"xyz"[..random.between(1, 3)]),
    };
    edited.expect("in the text");
}

/// What the other made and is not known here: at once, in chunks, and one by one.
fn receive(random: &mut Random, other: &Session, model: &mut oracle::Session, own: &mut [Session; 3], at: &str) {
    let summary = own[0].document().summary();
    let Some(update) = other.document().encode_since(&summary) else { return };
    let events: Vec<oracle::Event> =
        events_of(other).into_iter().filter(|event| !summary.contains(name_of(event.id()))).collect();
    model.receive(&events).unwrap_or_else(|error| panic!("{at}: {error}"));
    own[0].merge::<Chars>(&update).expect("what a session made");
    for chunk in other.document().chunks_since(&summary, random.between(1, 60)) {
        own[1].merge::<Chars>(&chunk).expect("what a session made");
    }
    for event in &events {
        own[2].merge::<Chars>(&encoded(other.document(), name_of(event.id()))).expect("what a session made");
    }
}

/// The history of a session, an event at a time.
fn events_of(session: &Session) -> Vec<oracle::Event> {
    let name = |id: &EventId| oracle::Id { agent: id.agent.get(), clock: u64::from(id.clock.0) };
    let mut events = Vec::new();
    for run in session.document().operations() {
        let mut parents: Vec<oracle::Id> = run.parents.ids().iter().map(name).collect();
        let mut clock = u64::from(run.span.start.0);
        let mut add = |op| {
            let id = oracle::Id { agent: run.span.agent.get(), clock };
            events.push(oracle::Event::from_parts(id, std::mem::replace(&mut parents, vec![id]), op));
            clock += 1;
        };
        for edit in &run.edits {
            (0..edit.deleted.0).for_each(|_| add(oracle::Op::Delete { index: edit.start.0 }));
            for (index, character) in (edit.start.0..).zip(edit.inserted.chars()) {
                add(oracle::Op::Insert { index, character });
            }
        }
    }
    events
}
