//! The mailboxes against a plain sort: any lists, any order of steps, killed at any call, states damaged at any step.
//!
//! Bugs that were planted to see these tests fail, and which saw them: see each test. `SEED=…` runs one random case.

mod desk;

use std::path::Path;

use cede::sync::Bounds;
use serde_json::Value;

use super::saved;
use super::{Fault, MailboxError, Message, Progress, Worker};
use crate::simulation::{Random, seeds};
use desk::{Desk, Files, Kill, NAMES, OUTPUT, ROLES, setup};

/// A list of up to `most` values out of few, so that many are equal; where it lies is random too.
fn list(random: &mut Random, most: usize) -> Vec<i64> {
    let from = [i64::MIN, -20, -5, 0, 0, 30, i64::MAX - 40][random.below(7)];
    let mut list: Vec<i64> =
        (0..random.below(most + 1)).map(|_| from.saturating_add(random.below(40) as i64)).collect();
    list.sort_unstable();
    list
}

/// Lists that show something each; the first is A's.
fn telling_lists() -> Vec<[Vec<i64>; 2]> {
    let range = |from: i64, to: i64, step: usize| (from..to).step_by(step).collect::<Vec<_>>();
    vec![
        [vec![], vec![]],
        [range(0, 12, 1), vec![]],
        [vec![], range(0, 12, 1)],
        [range(0, 25, 1), range(30, 42, 1)],
        [range(30, 42, 1), range(0, 25, 1)],
        [range(0, 24, 2), range(1, 25, 2)],
        [vec![-3; 11], vec![-3; 12]],
        [vec![-7, -7, 0, 5], vec![-7, 2, 2, 90]],
        [vec![i64::MIN, i64::MAX], vec![i64::MIN, 0, i64::MAX]],
        [vec![50], range(0, 23, 1)],
    ]
}

fn damages() -> [fn(&mut Vec<u8>); 4] {
    [
        Vec::clear,
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.reverse(),
        |bytes| {
            // Another number, and a state still but for its hash.
            let text = String::from_utf8_lossy(bytes).replacen("\"next\":", "\"next\":1", 1);
            *bytes = text.into_bytes();
        },
    ]
}

fn by_turns() -> impl FnMut() -> usize {
    let mut turn = 0;
    move || {
        turn += 1;
        turn % 2
    }
}

fn bounds_are_apart(lists: &[Vec<i64>; 2]) -> bool {
    let [Some(a), Some(b)] = [0, 1].map(|who: usize| Bounds::of(&lists[who])) else { return true };
    a.max <= b.min || b.max <= a.min
}

/// The promise on comparisons, and that nothing was lost or taken twice.
fn assert_statistics(desk: &Desk, lists: &[Vec<i64>; 2]) {
    let [a, b] = [0, 1].map(|who| desk.worker(who, |worker| worker.statistics()));
    let most = lists.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!((a.comparisons, a.output, b.output), (0, 0, most));
    if bounds_are_apart(lists) {
        assert_eq!(b.comparisons, 0, "disjoint: {lists:?}");
    } else {
        assert!(b.comparisons < most, "{} comparisons of {most} values: {lists:?}", b.comparisons);
    }
    assert_eq!((a.sent, b.sent), (b.received, a.received), "made and taken");
}

/// Planted: a comparison of B's value with A's minimum is made anew in every step (`theirs_is_next` stays false).
#[test]
fn what_comes_out_is_what_a_sort_gives() {
    let (mut apart, mut across, mut compared, mut values) = (0, 0, 0, 0);
    for seed in seeds(3_000) {
        println!("SEED={seed}");
        let mut random = Random::from_seed(seed);
        let lists = [list(&mut random, 45), list(&mut random, 45)];
        let mut desk = Desk::new(&lists);
        // Now one is faster, now the other.
        let share = 1 + random.below(9);
        desk.finish(|| usize::from(random.below(10) < share));
        assert_statistics(&desk, &lists);
        if bounds_are_apart(&lists) {
            apart += 1;
        } else {
            across += 1;
            compared += desk.worker(1, |worker| worker.statistics().comparisons);
            values += lists.concat().len();
        }
    }
    println!("{apart} disjoint pairs, 0 comparisons; {across} others, {compared} comparisons of {values} values");
}

#[test]
fn ranges_decide_what_they_can() {
    // A's list, B's list, comparisons.
    let cases: [(&[i64], &[i64], u64); 7] = [
        (&[1, 2, 3], &[4, 5], 0),
        (&[4, 5], &[1, 2, 3], 0),
        (&[1, 3], &[3, 9], 0),
        (&[7, 7], &[7], 0),
        (&[], &[1, 2], 0),
        // Two of B's are below A's minimum, and the third is not: what is left of both is A's 5 beside B's 7, and then B's.
        (&[5, 6], &[1, 2, 7], 4),
        (&[1, 9], &[5], 2),
    ];
    for (a, b, comparisons) in cases {
        let mut desk = Desk::new(&[a.to_vec(), b.to_vec()]);
        desk.finish(by_turns());
        assert_eq!(desk.worker(1, |worker| worker.statistics().comparisons), comparisons, "{a:?} and {b:?}");
    }
}

/// B's values below A's minimum need no value of A's: they are out when A has said META and nothing else.
#[test]
fn what_is_below_the_partners_minimum_goes_straight_out() {
    let mut desk = Desk::new(&[(100..130).collect(), (0..25).chain([500]).collect()]);
    desk.step(0);
    for _ in 0..5 {
        desk.step(1);
    }
    assert_eq!(desk.worker(1, |worker| worker.statistics().output), 25);
    assert_eq!(desk.worker(0, |worker| worker.statistics().sent), 1, "META alone");
    desk.finish(by_turns());
}

#[test]
fn messages_are_meta_then_data_of_ten_at_most_then_done() {
    let mut desk = Desk::new(&[(0..25).collect(), (10..20).collect()]);
    let mut seen: Vec<Message> = Vec::new();
    for _ in 0..60 {
        desk.step(0);
        if let Some(bytes) = desk.files.borrow().get(&setup(1).inbox) {
            let message = Message::decode(bytes).unwrap();
            if seen.last() != Some(&message) {
                seen.push(message);
            }
        }
        desk.step(1);
    }
    desk.assert_merged();
    let kinds: Vec<(&str, usize)> = seen.iter().map(|message| (message.kind.name(), message.data.len())).collect();
    assert_eq!(kinds, [("META", 3), ("DATA", 10), ("DATA", 10), ("DATA", 5), ("DONE", 0)]);
    assert_eq!(seen[0].data, [0, 24, 25]);
    assert!(kinds.iter().all(|(name, _)| name.len() <= 5));
}

/// After every step the state file says what has happened; and B never holds more of A's values than one message has.
///
/// Planted: B takes whatever lies in its inbox (`defers` is never true).
#[test]
fn the_state_is_saved_after_every_step() {
    // While B's own values go out first, A's would pile up.
    let piling = [(100..160).collect(), (0..60).collect()];
    for lists in telling_lists().into_iter().chain([piling]) {
        let mut desk = Desk::new(&lists);
        let mut phases = [Vec::new(), Vec::new()];
        for _ in 0..60 {
            // A is the faster one.
            for who in [0, 0, 1] {
                desk.step(who);
                let bytes = desk.files.borrow()[&setup(who).state].clone();
                let state = &serde_json::from_slice::<Value>(&bytes).unwrap()["state"];
                let statistics = desk.worker(who, |worker| worker.statistics());
                assert_eq!(state["statistics"], serde_json::to_value(statistics).unwrap());
                assert!(state["merge"]["waiting"].as_array().unwrap().len() <= 10, "{state}");
                let phase = state["phase"].as_str().unwrap().to_owned();
                if phases[who].last() != Some(&phase) {
                    phases[who].push(phase);
                }
            }
        }
        assert_eq!(phases[0], ["INIT", "MERGE", "DONE"]);
        assert!(["INIT", "MERGE", "DONE"].ends_with(&phases[1].iter().map(String::as_str).collect::<Vec<_>>()));
    }
}

/// Between any two calls of one worker the other one goes a whole step on, as it may on a machine with two processors.
///
/// Planted: a message that has been taken is not told from a new one (`message.seq < partner.seq`).
#[test]
fn the_other_may_be_anywhere_in_between() {
    for lists in telling_lists() {
        for who in [0, 1] {
            for steps in 0..40 {
                let mut desk = Desk::new(&lists);
                let mut turn = by_turns();
                for _ in 0..steps {
                    desk.step(turn());
                }
                desk.interrupt(who, None);
                // The other one is not called by itself: it goes on whenever this one does.
                for _ in 0..200 {
                    desk.step(who);
                }
                desk.assert_merged();
                assert_statistics(&desk, &lists);
            }
        }
    }
}

/// Each worker, killed before and within each call that it makes to its files, once.
///
/// Planted, and each caught here: the message is left before the state is saved; the inbox is emptied before the state is
/// saved; a message of which nobody knows whether it was left is not left again (`deliver_again` returns false), or is
/// taken twice (`message.seq < partner.seq`); the state is written in place.
#[test]
fn a_worker_killed_at_any_call_goes_on() {
    let mut kills = 0;
    for lists in telling_lists() {
        let mut undisturbed = Desk::new(&lists);
        undisturbed.finish(by_turns());
        let comparisons = undisturbed.worker(1, |worker| worker.statistics().comparisons);
        for who in [0, 1] {
            for call in 1..=undisturbed.calls(who) + 5 {
                for kill in [Kill::Before(call), Kill::Within(call)] {
                    let mut desk = Desk::new(&lists);
                    desk.restart(who, Some(kill));
                    desk.finish(by_turns());
                    assert_statistics(&desk, &lists);
                    assert_eq!(desk.worker(1, |worker| worker.statistics().comparisons), comparisons, "{kill:?}");
                    kills += desk.deaths;
                }
            }
        }
    }
    println!("{kills} kills");
}

/// Both are killed again and again, at random calls, and after some of the kills a state is damaged as well.
///
/// Planted, and seen here alone: A takes any META of B for an answer to its own (`is_for_us` is not asked).
#[test]
fn workers_killed_again_and_again_go_on() {
    let (mut kills, mut damaged) = (0, 0);
    for seed in seeds(2_000) {
        println!("SEED={seed}");
        let mut random = Random::from_seed(seed);
        let lists = [list(&mut random, 35), list(&mut random, 35)];
        let mut desk = Desk::new(&lists);
        let with_damage = random.below(2) == 0;
        for _ in 0..random.below(60) {
            let who = random.below(2);
            if random.below(3) == 0 {
                if with_damage && random.below(4) == 0 {
                    desk.damage(who, damages()[random.below(4)]);
                    damaged += 1;
                }
                let call = 4 + random.below(12) as u64;
                let kill = if random.below(2) == 0 { Kill::Before(call) } else { Kill::Within(call) };
                desk.restart(who, Some(kill));
            }
            for _ in 0..random.below(6) {
                desk.step(who);
            }
        }
        desk.finish(|| random.below(2));
        if !with_damage {
            assert_statistics(&desk, &lists);
        }
        kills += desk.deaths;
    }
    println!("{kills} kills, {damaged} damaged states");
}

/// After any number of steps, the last ones behind the end, a state is damaged in one of four ways or taken away: A's,
/// B's, or both, whatever lies in the inboxes then.
///
/// Planted, and each caught here: B takes values that were meant for its former life; B keeps its output when it begins
/// anew; B answers only once (`is_answered` outlives A's life); A in phase DONE does not go back (`receive` leaves the phase
/// as it is); the hash of a state is not looked at.
#[test]
fn a_damaged_state_starts_that_worker_anew() {
    let mut cases = 0;
    for lists in telling_lists() {
        for steps in 0..50 {
            for whose in [&[0][..], &[1], &[0, 1]] {
                for way in 0..5 {
                    let mut desk = Desk::new(&lists);
                    let mut turn = by_turns();
                    for _ in 0..steps {
                        desk.step(turn());
                    }
                    for &who in whose {
                        match damages().get(way) {
                            Some(&damage) => desk.damage(who, damage),
                            None => desk.remove(&setup(who).state),
                        }
                        desk.restart(who, None);
                    }
                    desk.finish(turn);
                    cases += 1;
                }
            }
        }
    }
    println!("{cases} cases");
}

/// As above, at each call: what is left half-way is followed by a start from nothing.
#[test]
fn a_worker_killed_at_any_call_may_lose_its_state_too() {
    for lists in telling_lists() {
        let mut undisturbed = Desk::new(&lists);
        undisturbed.finish(by_turns());
        for who in [0, 1] {
            for call in 1..=undisturbed.calls(who) {
                let mut desk = Desk::new(&lists);
                desk.restart(who, Some(Kill::Within(call)));
                let mut turn = by_turns();
                let mut steps = 0;
                while desk.deaths == 0 && steps < 200 {
                    desk.step(turn());
                    steps += 1;
                }
                desk.damage(who, Vec::clear);
                desk.restart(who, None);
                desk.finish(turn);
            }
        }
    }
}

/// The power goes: both are killed at once, and that one had emptied its inbox was not on disk yet, so what it has taken lies
/// there once more. It drops that between two calls of the other's first step.
///
/// Planted: `step` does not ask whether its last message is in doubt (`is_in_doubt`), so that one which was not left is
/// forgotten when the other empties its inbox at that moment.
#[test]
fn a_message_that_comes_back_by_a_power_cut_is_taken_once() {
    for lists in telling_lists() {
        for who in [0, 1] {
            let mut undisturbed = Desk::new(&lists);
            undisturbed.finish(by_turns());
            for call in 1..=undisturbed.calls(who) {
                // A start takes two calls.
                for between in 3..7 {
                    let mut desk = Desk::new(&lists);
                    desk.restart(who, Some(Kill::Before(call)));
                    let mut turn = by_turns();
                    let mut steps = 0;
                    while desk.deaths == 0 && steps < 200 {
                        desk.step(turn());
                        steps += 1;
                    }
                    desk.restart(1 - who, None);
                    desk.put_back(&setup(1 - who).inbox);
                    desk.interrupt(who, Some(between));
                    desk.step(who);
                    desk.finish(turn);
                    assert_statistics(&desk, &lists);
                }
            }
        }
    }
}

/// What has been in the output before is no part of it.
///
/// Planted: the output is cut only where there is none yet.
#[test]
fn an_output_is_replaced() {
    let mut desk = Desk::new(&[(0..25).collect(), (10..20).collect()]);
    desk.files.borrow_mut().insert(OUTPUT.into(), b"0\n1\nwhat was merged before\n".repeat(20));
    desk.restart(1, None);
    desk.step(1);
    desk.finish(by_turns());
}

#[test]
fn no_damaged_bit_of_a_state_is_taken_for_another_state() {
    let mut desk = Desk::new(&[(0..25).collect(), (10..20).collect()]);
    let mut turn = by_turns();
    for _ in 0..9 {
        desk.step(turn());
    }
    for who in [0, 1] {
        let bytes = desk.files.borrow().get(&setup(who).state).cloned().unwrap();
        let state = saved::decode(&bytes).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(saved::decode(&damaged).is_ok_and(|found| found == state) || saved::decode(&damaged).is_err());
            }
            assert!(at + 1 == bytes.len() || saved::decode(&bytes[..at]).is_err(), "the first {at} bytes");
        }
    }
}

/// What is in the inbox, after B has taken A's META of `[0, 24, 25]` and the first ten values: which file, which fault; and
/// nothing has changed.
#[test]
fn a_message_that_cannot_be_is_refused_and_changes_nothing() {
    let mut desk = Desk::new(&[(0..25).collect(), (10..20).collect()]);
    let mut turn = by_turns();
    while desk.worker(1, |worker| worker.statistics().output) < 10 {
        desk.step(turn());
    }
    let inbox = setup(1).inbox;
    while !desk.files.borrow().contains_key(&inbox) {
        desk.step(0);
    }
    let good = String::from_utf8(desk.files.borrow()[&inbox].clone()).unwrap();
    assert!(good.contains(r#""at":10,"data":[10,11,12,13,14,15,16,17,18,19]"#), "{good}");
    let swap = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} in {good}");
        good.replacen(from, to, 1)
    };
    let cases = [
        (String::new(), "no message: EOF while parsing a value at line 1 column 0"),
        (good[..good.len() / 2].to_owned(), "at line 1 column"),
        ("\u{0}".repeat(40), "no message: expected value at line 1 column 1"),
        (swap("DATA", "DATUM"), "unknown variant `DATUM`"),
        (swap("\"at\"", "\"it\""), "unknown field `it`"),
        (swap("[10,", "[10.5,"), "invalid type: floating point `10.5`, expected i64 at line 1"),
        (swap("[10,", "[9,10,"), "DATA without an index, or without 1 to 10 values"),
        (swap("\"at\":10", "\"at\":null"), "DATA without an index"),
        (swap("\"at\":10", "\"at\":11"), "values from index 11 where 10 was to come"),
        (swap("\"at\":10", "\"at\":0"), "values from index 0 where 10 was to come"),
        (swap("[10,", "[8,"), "the value 8 at index 10 is out of order"),
        (swap("19]", "25]"), "the value 25 at index 19 is out of order, or out of the bounds"),
        (swap("11,12", "12,11"), "the value 11 at index 12 is out of order"),
        (swap("\"seq\":3", "\"seq\":5"), "message 5 where message 3 was to come"),
        (swap("DATA", "DONE").replace("[10,11,12,13,14,15,16,17,18,19]", "[]"), "nobody is to say DONE here and now"),
        (swap("DATA", "META"), "META without [minimum, maximum, count]"),
        (
            swap("DATA", "META").replace("[10,11,12,13,14,15,16,17,18,19]", "[0,30,26]"),
            "the other's list has changed: [0, 30, 26] in place of [0, 24, 25]",
        ),
    ];
    for (bad, fault) in cases {
        desk.files.borrow_mut().insert(inbox.clone(), bad.clone().into_bytes());
        let before = desk.files.borrow().clone();
        let error = refused(&mut desk, 1);
        assert!(error.starts_with("b.inbox: ") && error.contains(fault), "{bad}: {error}");
        assert_eq!(*desk.files.borrow(), before, "{bad}");
    }
    // It is not the worker's fault: once the inbox has what it should have, all is well.
    desk.files.borrow_mut().insert(inbox, good.into_bytes());
    desk.finish(turn);
}

/// The error of the next step of a worker that was started anew.
fn refused(desk: &mut Desk, who: usize) -> String {
    let mut worker = Worker::open(setup(who), table(&desk.files)).unwrap();
    match worker.step() {
        Err(error @ MailboxError::Message { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn table(files: &Files) -> desk::Table {
    desk::Table::of(files)
}

#[test]
fn a_asks_for_nothing_and_takes_no_values() {
    let mut desk = Desk::new(&[vec![1], vec![2]]);
    let life = |number: u64| super::Life(number);
    let message = Message { kind: super::Kind::Data, seq: 1, from: life(1), to: None, at: Some(0), data: vec![1] };
    desk.files.borrow_mut().insert(setup(0).inbox, message.encode());
    assert_eq!(refused(&mut desk, 0), "a.inbox: nobody is to say DATA here and now");
    assert!(Fault::Unexpected(super::Kind::Data).to_string().contains("DATA"));
}

#[test]
fn files_that_belong_elsewhere_are_refused() {
    let mut desk = Desk::new(&[(0..25).collect(), (10..20).collect()]);
    let mut turn = by_turns();
    for _ in 0..12 {
        desk.step(turn());
    }
    let open = |files: &Files, setup| Worker::open(setup, table(files)).map(drop).map_err(|error| error.to_string());
    let before = desk.files.borrow().clone();

    let swapped = super::Setup { state: setup(0).state, ..setup(1) };
    assert_eq!(open(&desk.files, swapped), Err("a.state is the state of worker a".into()));
    let elsewhere = super::Setup { input: "none".into(), ..setup(0) };
    assert!(open(&desk.files, elsewhere).is_err_and(|error| error.starts_with("none: ")));
    let other = super::Setup { input: setup(1).input, ..setup(0) };
    assert!(
        open(&desk.files, other)
            .is_err_and(|error| error.starts_with("a.state was made with other values than b.json"))
    );
    assert_eq!(*desk.files.borrow(), before);

    desk.files.borrow_mut().get_mut(Path::new(OUTPUT)).unwrap().pop();
    let error = Worker::open(setup(1), table(&desk.files)).unwrap().step().unwrap_err();
    assert!(matches!(error, MailboxError::ShortOutput { .. }), "{error}");
}

/// "entity not found" is what the standard library says of an error that the system never made.
#[test]
fn a_missing_input_is_named_in_the_words_of_the_system() {
    let folder = std::env::temp_dir().join(format!("cede-net-mailbox-input-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name);
    let (input, inbox, partner, state) = (file("nope"), file("a.inbox"), file("b.inbox"), file("a.state"));
    let reason = std::fs::read(&input).unwrap_err();
    let setup = super::Setup { input: input.clone(), inbox, partner, state, output: None };
    let error = Worker::open(setup, super::LocalDisk::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: {reason}", input.display()));
    std::fs::remove_dir_all(folder).unwrap();
}

/// A worker that has finished is started again and leaves nothing behind; one that begins anew when the other has finished
/// waits for it, and is served when that one is started again.
#[test]
fn who_has_finished_serves_one_who_begins_anew() {
    for who in [0, 1] {
        let mut desk = Desk::new(&[(0..25).collect(), (10..20).collect()]);
        desk.finish(by_turns());
        let before = desk.files.borrow().clone();
        for again in [0, 1] {
            desk.restart(again, None);
            assert_eq!(desk.step(again), Progress::Finished, "worker {}", NAMES[again]);
        }
        assert_eq!(*desk.files.borrow(), before, "a finished worker has written something");

        desk.damage(who, Vec::clear);
        desk.restart(who, None);
        while desk.step(who) == Progress::Worked {}
        assert_eq!(desk.worker(who, |worker| worker.phase()), super::Phase::Init, "worker {}", ROLES[who]);
        desk.restart(1 - who, None);
        desk.finish(by_turns());
    }
}
