//! Editors that share nothing but a folder.

use std::fs;

use cede_tests::terminal::desk::{is_in_sync, quit, save, type_together, wait_until_equal};
use cede_tests::terminal::shows;

use crate::desk;

#[test]
fn two_editors_come_together_through_a_folder() {
    let desk = desk();
    fs::create_dir(desk.path("shared")).expect("a folder");
    let mut ada = desk.edit("Ada", &["join", "folder:shared", "ada.md"]);
    ada.wait_for_text("folder");
    ada.type_text("begun ");
    let mut ben = desk.edit("Ben", &["join", "folder:shared", "ben.md"]);
    ben.wait_for_text("begun");
    for editor in [&ada, &ben] {
        editor.wait_for("the other", |screen| shows(screen, "1 peer") && is_in_sync(screen));
    }
    type_together(&mut [(&mut ada, "typing alpha bravo"), (&mut ben, "writing delta echo")]);
    let words = ["begun", "typing", "alpha", "bravo", "writing", "delta", "echo"];
    wait_until_equal(&[&ada, &ben], &words);
    save(&mut ada);
    save(&mut ben);
    assert_eq!(desk.read("ada.md"), desk.read("ben.md"));
    assert_eq!(desk.read("ada.md").len(), 6 + 18 + 18);

    // A half of a file is named and does no harm.
    let file = format!("{}.7.data", "f".repeat(32));
    desk.write(&format!("shared/{file}"), "CEDEfold");
    ada.wait_for_text(&format!("{file} in the folder is passed over until it changes"));
    ben.type_text("!");
    wait_until_equal(&[&ada, &ben], &["!"]);
}

#[test]
fn a_stick_is_carried_back_and_forth() {
    let desk = desk();
    fs::create_dir(desk.path("stick")).expect("a folder");
    let at_stick = |name: &str, sees: &str, types: &str| {
        let mut editor = desk.edit(name, &["join", "folder:stick", &format!("{name}.md")]);
        editor.wait_for(sees, |screen| shows(screen, sees) && is_in_sync(screen));
        editor.type_text(&format!("{types} "));
        editor.wait_for(types, |screen| shows(screen, types) && is_in_sync(screen) && !shows(screen, "unsent"));
        save(&mut editor);
        quit(editor);
    };
    at_stick("Ada", "", "first");
    at_stick("Ben", "first", "second");
    at_stick("Ada", "second", "third");
    let text = desk.read("Ada.md");
    assert!(["first", "second", "third"].iter().all(|word| text.contains(word)), "{text:?}");
    let missing = desk.run(&["join", "folder:nowhere", "x.md"]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
}
