//! What happens when programs are ended in the middle of their work.

use cede_tests::terminal::desk::{quit, save, type_together, wait_until_equal};
use cede_tests::terminal::{Ended, Key, Terminal, shows};

use crate::desk;
use crate::peer::Peer;

#[test]
fn a_killed_server_comes_back_to_people_who_typed_on() {
    let desk = desk();
    let mut server = desk.serve();
    let url = server.url("notes");
    let mut ada = desk.edit("Ada", &["join", &url, "ada.md"]);
    let mut ben = desk.edit("Ben", &["join", &url, "ben.md"]);
    ada.wait_for_text("1 peer");
    type_together(&mut [(&mut ada, "before amber"), (&mut ben, " began bronze")]);
    wait_until_equal(&[&ada, &ben], &["before", "amber", "began", "bronze"]);

    server.kill();
    for editor in [&ada, &ben] {
        editor.wait_for_text("offline");
    }
    type_together(&mut [(&mut ada, " apart azure"), (&mut ben, " alone almond")]);
    ada.wait_for_text("apart azure");
    ben.wait_for_text("alone almond");
    let _server = desk.serve_at(server.address());
    let words = ["before", "amber", "began", "bronze", "apart", "azure", "alone", "almond"];
    wait_until_equal(&[&ada, &ben], &words);

    save(&mut ada);
    save(&mut ben);
    let text = desk.read("ada.md");
    assert_eq!(desk.read("ben.md"), text);
    assert_eq!(text.len(), 12 + 13 + 12 + 13, "{text:?}");
}

#[test]
fn somebody_offline_comes_back_to_others_who_typed_on() {
    let desk = desk();
    let server = desk.serve();
    let url = server.url("notes");
    let mut ada = desk.edit("Ada", &["join", &url, "ada.md"]);
    let mut ben = desk.edit("Ben", &["join", &url]);
    ben.wait_for_text("1 peer");
    ada.type_text("together");
    wait_until_equal(&[&ada, &ben], &["together"]);
    save(&mut ada);
    quit(ada);
    ben.wait_for_text("Ada left");
    ben.press(Key::End);
    ben.type_text(" online");

    // The file alone, without the room.
    let mut ada = desk.edit("Ada", &["ada.md"]);
    ada.press(Key::CtrlHome);
    ada.type_text("offline ");
    ada.wait_for_text("offline together");
    save(&mut ada);
    quit(ada);
    let ada = desk.edit("Ada", &["join", &url, "ada.md"]);
    wait_until_equal(&[&ada, &ben], &["offline together online"]);
}

#[test]
fn what_a_server_has_acknowledged_outlasts_it() {
    let desk = desk();
    let mut server = desk.serve();
    let mut expected = String::new();
    for round in 0..5 {
        let mut peer = Peer::join(&server.url("notes"), "Ada", round + 1);
        peer.wait_for("what was acknowledged before", |session, _| session.text().to_string() == expected);
        peer.type_text(&format!("round {round} "));
        peer.wait_until_acknowledged();
        server.kill();
        expected = peer.text();
        // With it goes the only other copy.
        drop(peer);
        server = desk.serve_at(server.address());
    }
    let editor = desk.edit("Ben", &["join", &server.url("notes")]);
    for round in 0..5 {
        editor.wait_for_text(&format!("round {round}"));
    }
}

/// Git and programs that copy files between machines move a history away while it is open, and put others in its place. What
/// was typed from then on went to a file without a name.
#[test]
fn a_history_that_is_moved_away_or_replaced_under_an_editor_loses_nothing() {
    let desk = desk();
    let [history, aside] = ["notes.md.cede", "aside"].map(|name| desk.path(name));
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.type_text("stays");
    desk.wait_for_history("notes.md.cede", "stays");
    std::fs::rename(&history, &aside).expect("a file");
    editor.type_text(" on");
    editor.wait_for_text("the history had been moved away; it is written anew");
    desk.wait_for_history("notes.md.cede", "stays on");

    // The one of before comes back, in which somebody has gone on.
    let mut other = desk.edit("Ben", &["other.md"]);
    other.type_text("Ben's ");
    desk.wait_for_history("other.md.cede", "Ben's");
    save(&mut other);
    quit(other);
    std::fs::rename(desk.path("other.md.cede"), &history).expect("a file");
    editor.type_text(" and on");
    editor.wait_for_text("both are in it now");
    for word in ["Ben's", "stays on and on"] {
        editor.wait_for_text(word);
        desk.wait_for_history("notes.md.cede", word);
    }

    // And what is typed right before the end is kept wherever it has to be.
    save(&mut editor);
    std::fs::remove_file(&history).expect("the history");
    editor.type_text("!");
    editor.press(Key::Ctrl('q'));
    editor.wait_for_text("the history keeps it");
    editor.type_text("q");
    assert_eq!(editor.wait_for_end(), Ended::Code(0));
    desk.wait_for_history("notes.md.cede", "on and on!");
}

#[test]
fn a_killed_editor_has_what_was_written_and_can_undo_it() {
    let desk = desk();
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.type_text("saved");
    save(&mut editor);
    editor.press(Key::Home);
    editor.type_text("never ");
    editor.wait_for_text("never saved");
    desk.wait_for_history("notes.md.cede", "never saved");
    editor.press(Key::End);
    editor.type_text("!");
    desk.wait_for_history("notes.md.cede", "never saved!");
    editor.kill();
    assert_eq!(desk.read("notes.md"), "saved");

    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.wait_for("all of it, not saved", |screen| shows(screen, "never saved!") && shows(screen, "[+]"));
    editor.press(Key::Ctrl('z'));
    // How to undo is written right behind what was typed, so it may lack the very last of it.
    editor.wait_for("the last typing undone, or the one before", |screen| {
        shows(screen, "saved") && (shows(screen, "never") != shows(screen, "!"))
    });
    editor.press(Key::Ctrl('y'));
    editor.wait_for_text("never saved!");
}

/// Two at once, as when all of a terminal's windows are closed.
#[test]
fn texts_that_are_kept_nowhere_outlast_their_terminals() {
    let desk = desk();
    let thoughts = ["a thought", "another one"];
    let mut editors = thoughts.map(|thought| {
        let mut editor = desk.edit("Ada", &[]);
        editor.type_text(thought);
        editor.wait_for_text(thought);
        editor
    });
    // One that holds nothing leaves nothing.
    let mut empty = desk.edit("Ben", &[]);
    editors.iter_mut().for_each(Terminal::hang_up);
    empty.hang_up();
    for editor in editors.iter_mut().chain([&mut empty]) {
        assert_eq!(editor.wait_for_end(), Ended::Code(129));
    }
    let mut kept = ["cede.save", "cede.save.2"].map(|file| desk.read(file));
    kept.sort_unstable();
    assert_eq!(kept, thoughts);
    assert!(!desk.path("cede.save.3").exists());

    let mut editor = desk.edit("Ada", &["cede.save"]);
    editor.wait_for_text("cede.save");
    editor.press(Key::Ctrl('z'));
    editor.wait_for("the typing undone", |screen| {
        shows(screen, "[+]") && thoughts.iter().all(|text| !shows(screen, text))
    });
    editor.press(Key::Ctrl('y'));
    editor.wait_for("the typing back", |screen| thoughts.iter().any(|text| shows(screen, text)));
}

#[test]
fn a_killed_editor_joins_again() {
    let desk = desk();
    let server = desk.serve();
    let url = server.url("notes");
    let mut ada = desk.edit("Ada", &["join", &url, "ada.md"]);
    let mut ben = desk.edit("Ben", &["join", &url, "ben.md"]);
    ada.wait_for_text("1 peer");
    ada.type_text("written before");
    ben.wait_for_text("written before");
    ben.press(Key::End);
    ben.type_text(" and answered");
    ada.wait_for_text("written before and answered");
    desk.wait_for_history("ada.md.cede", "written before and answered");
    ada.kill();

    ben.wait_for_text("Ada left");
    ben.type_text(" meanwhile");
    let mut ada = desk.edit("Ada", &["join", &url, "ada.md"]);
    wait_until_equal(&[&ada, &ben], &["written before and answered meanwhile"]);
    ada.press(Key::Ctrl('z'));
    for editor in [&ada, &ben] {
        editor.wait_for("Ada's typing undone", |screen| {
            shows(screen, " and answered meanwhile") && !shows(screen, "written")
        });
    }
    ada.type_text("typed again");
    ben.wait_for_text("typed again and answered meanwhile");
    save(&mut ada);
    save(&mut ben);
    assert_eq!(desk.read("ada.md"), "typed again and answered meanwhile");
    assert_eq!(desk.read("ben.md"), desk.read("ada.md"));
}
