//! Recorded sessions: in, out, and played.

use cede_tests::terminal::desk::SIZE;
use cede_tests::terminal::{Ended, Key, Terminal, shows};

use crate::desk;

/// Two authors begin a sentence each at the same time; the first, who has seen both, ends the line.
const TRACE: &str = r#"{
    "kind": "concurrent",
    "endContent": "Shall we go on? Yes, let us go on.\n",
    "numAgents": 2,
    "txns": [
        {"parents": [], "numChildren": 1, "agent": 0, "patches": [[0, 0, "Shall we begin?"]]},
        {"parents": [0], "numChildren": 1, "agent": 0, "patches": [[9, 5, "go on"]]},
        {"parents": [0], "numChildren": 1, "agent": 1, "patches": [[15, 0, " Yes, let us go on."]]},
        {"parents": [1, 2], "numChildren": 0, "agent": 0, "patches": [[34, 0, "\n"]]}
    ]
}"#;

const TEXT: &str = "Shall we go on? Yes, let us go on.\n";

#[test]
fn a_trace_comes_in_and_goes_out_as_it_was() {
    let desk = desk();
    desk.write("trace.json", TRACE);
    let said = desk.prints(&["import", "trace.json", "session.cede"]);
    assert!(said.contains("4 transactions by 2 authors"), "{said}");
    assert_eq!(desk.prints(&["cat", "session.cede"]), TEXT);
    assert_eq!(desk.prints(&["export", "session.cede", "--format", "text"]), TEXT);

    let exported = desk.prints(&["export", "session.cede", "--format", "trace"]);
    desk.write("again.json", &exported);
    desk.prints(&["import", "again.json", "again.cede"]);
    assert_eq!(desk.prints(&["export", "again.cede", "--format", "trace"]), exported);

    let log = desk.prints(&["log", "session.cede"]);
    assert!(log.contains("go on"), "{log}");
    let stats = desk.prints(&["stats", "session.cede"]);
    for word in ["events", "groups", "runs", "agents", "bytes"] {
        assert!(stats.contains(word), "{word} in {stats}");
    }
}

#[test]
fn a_trace_that_does_not_fit_is_refused_with_its_numbers() {
    let desk = desk();
    desk.write("trace.json", &TRACE.replace("[[34, 0", "[[35, 0"));
    let refused = desk.run(&["import", "trace.json", "session.cede"]);
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("transaction 3") && complaint.contains("patch 0"), "{complaint}");
    assert!(!desk.path("session.cede").exists());
    assert_eq!(desk.run(&["import", "trace.json", "session.cede", "--lenient"]).status.code(), Some(0));
    assert_eq!(desk.prints(&["cat", "session.cede"]), TEXT);
}

#[test]
fn what_three_people_really_typed_can_be_read_and_played() {
    let desk = desk();
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/data/typed-by-hand.cede");
    let text = desk.prints(&["cat", recording]);
    assert!(text.starts_with("# Saturday at the river\n"), "{text}");
    let last = text.trim_end().lines().last().expect("lines");
    let mut player = Terminal::spawn("player", &desk.cede(&["replay", recording]), SIZE);
    player.wait_for_text("# Saturday");
    player.press(Key::End);
    player.wait_for_text(last);
    player.type_text("q");
    assert_eq!(player.wait_for_end(), Ended::Code(0));
}

#[test]
fn a_session_is_played_paused_and_sought_in() {
    let desk = desk();
    desk.write("trace.json", TRACE);
    desk.prints(&["import", "trace.json", "session.cede"]);
    let mut player = Terminal::spawn("player", &desk.cede(&["replay", "session.cede"]), SIZE);
    player.wait_for("a beginning", |screen| shows(screen, "Shall") && shows(screen, " > "));
    player.press(Key::Esc);
    assert_eq!(player.wait_for_end(), Ended::Code(0));

    let mut player = Terminal::spawn("player", &desk.cede(&["replay", "session.cede"]), SIZE);
    player.wait_for_text(" > ");
    player.type_text(" ");
    player.wait_for_text(" || ");
    player.press(Key::End);
    player.wait_for_text(TEXT.trim_end());
    player.press(Key::Home);
    player.wait_for("the start", |screen| !shows(screen, "Shall") && shows(screen, " || ") && shows(screen, " 0/"));
    player.press(Key::Right);
    player.wait_for_text("Shall we begin?");
    player.press(Key::Left);
    player.wait_for_no("Shall");
    // It plays to its end by itself.
    player.type_text("++ ");
    player.wait_for_text(TEXT.trim_end());
    player.wait_for_text(" || ");
    player.type_text("q");
    assert_eq!(player.wait_for_end(), Ended::Code(0));
}

#[test]
fn a_player_that_is_stopped_or_ended_gives_the_terminal_back() {
    let desk = desk();
    desk.write("trace.json", TRACE);
    desk.prints(&["import", "trace.json", "session.cede"]);
    let mut player = Terminal::spawn("player", &desk.cede(&["replay", "session.cede"]), SIZE);
    player.wait_for_text("session.cede");
    player.ask_to_stop();
    player.wait_for("the screen of before", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    player.wait_until_stopped();
    player.go_on();
    player.wait_for("the player again", |screen| screen.alternate_screen() && shows(screen, "session.cede"));
    player.press(Key::End);
    player.wait_for_text("Yes, let us go on.");
    player.hang_up();
    assert_eq!(player.wait_for_end(), Ended::Code(129));
    assert!(!player.screen().alternate_screen() && !player.screen().hide_cursor());
}
