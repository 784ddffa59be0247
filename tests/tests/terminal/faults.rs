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

/// As `git pull` does it, under an editor that is open: the text first, then its history.
#[test]
fn a_text_and_its_history_that_are_replaced_together_say_things_once() {
    let desk = desk();
    let mut ada = desk.edit("Ada", &["notes.md"]);
    ada.type_text("shared");
    ada.press(Key::Enter);
    ada.wait_for_text("shared");
    save(&mut ada);
    quit(ada);
    for end in ["", ".cede"] {
        let [ours, theirs] = ["notes.md", "ben.md"].map(|name| desk.path(&format!("{name}{end}")));
        std::fs::copy(ours, theirs).expect("a file");
    }
    let mut ben = desk.edit("Ben", &["ben.md"]);
    ben.press(Key::End);
    ben.press(Key::Down);
    ben.type_text("Ben wrote this line.");
    save(&mut ben);
    quit(ben);

    for (file, unsaved) in [("first.md", ""), ("second.md", "and Ada wrote more than a word of her own ")] {
        for end in ["", ".cede"] {
            let [ours, new] = ["notes.md", file].map(|name| desk.path(&format!("{name}{end}")));
            std::fs::copy(ours, new).expect("a file");
        }
        let mut ada = desk.edit("Ada", &[file]);
        ada.type_text(unsaved);
        ada.wait_for_text(&format!("{unsaved}shared"));
        desk.wait_for_history(&format!("{file}.cede"), &format!("{unsaved}shared"));
        for end in ["", ".cede"] {
            let [ours, theirs, new] = [file, "ben.md", "new"].map(|name| desk.path(&format!("{name}{end}")));
            std::fs::copy(theirs, &new).expect("a file");
            std::fs::rename(&new, ours).expect("a file");
        }
        ada.wait_for_text("both are in it now");
        let expected = format!("{unsaved}shared\nBen wrote this line.");
        desk.wait_for_history(&format!("{file}.cede"), &expected);
        // The file is looked at twice a second.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        ada.type_text("!");
        save(&mut ada);
        assert_eq!(desk.read(file), format!("{unsaved}!shared\nBen wrote this line."));
        quit(ada);
    }
}

/// Catches a history that stays out of reach because the editor itself holds the lock of the one that has come back, and one
/// that is appended to after somebody has written over it.
#[test]
fn a_history_that_comes_back_or_is_written_over_is_gone_on_with() {
    let desk = desk();
    std::fs::create_dir(desk.path("dir")).expect("a folder");
    let mut editor = desk.edit("Ada", &["dir/notes.md"]);
    editor.type_text("one ");
    desk.wait_for_history("dir/notes.md.cede", "one ");
    std::fs::copy(desk.path("dir/notes.md.cede"), desk.path("older")).expect("a file");
    std::fs::rename(desk.path("dir"), desk.path("dir2")).expect("a folder");
    editor.type_text("two ");
    editor.wait_for_text("the history cannot be written");
    std::fs::rename(desk.path("dir2"), desk.path("dir")).expect("a folder");
    desk.wait_for_history("dir/notes.md.cede", "one two ");
    editor.type_text("three ");
    desk.wait_for_history("dir/notes.md.cede", "one two three ");

    std::fs::copy(desk.path("older"), desk.path("dir/notes.md.cede")).expect("a file");
    editor.type_text("four ");
    desk.wait_for_history("dir/notes.md.cede", "one two three four ");

    // And where there is nowhere to write, what was typed is kept elsewhere.
    std::fs::remove_dir_all(desk.path("dir")).expect("a folder");
    editor.type_text("five");
    editor.wait_for_text("the history cannot be written");
    editor.hang_up();
    assert_eq!(editor.wait_for_end(), Ended::Code(129));
    assert_eq!(desk.read("cede.save"), "one two three four five");
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
