//! One person and their files.

use cede_tests::terminal::desk::{SIZE, quit, save, wait_until_open};
use cede_tests::terminal::{Key, Terminal, shows};

use crate::desk;

#[test]
fn text_and_undo_outlast_the_editor() {
    let desk = desk();
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.type_text("kept");
    editor.press(Key::Enter);
    editor.type_text("forever");
    editor.wait_for_text("forever");
    save(&mut editor);
    quit(editor);
    assert_eq!(desk.read("notes.md"), "kept\nforever");

    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.wait_for_text("forever");
    editor.press(Key::Ctrl('z'));
    editor.wait_for("the typing undone", |screen| shows(screen, "[+]") && !shows(screen, "forever"));
    editor.press(Key::Ctrl('y'));
    editor.wait_for("the typing back", |screen| shows(screen, "forever") && !shows(screen, "[+]"));
    quit(editor);
    assert_eq!(desk.read("notes.md"), "kept\nforever");
}

#[test]
fn what_was_not_saved_is_asked_about_and_kept() {
    let desk = desk();
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.type_text("a thought");
    editor.press(Key::Ctrl('q'));
    editor.wait_for_text("changes that its file lacks");
    editor.type_text("q");
    editor.wait_for_end();
    assert!(!desk.path("notes.md").exists());

    let editor = desk.edit("Ada", &["notes.md"]);
    editor.wait_for_text("a thought");
}

#[test]
fn a_second_editor_is_told_and_can_join_the_first() {
    let desk = desk();
    let mut first = desk.edit("Ada", &["notes.md"]);
    first.type_text("from the first");
    first.wait_for_text("from the first");

    let mut second = Terminal::spawn("Ben", &desk.cede(&["notes.md"]).env("CEDE_NAME", "Ben"), SIZE);
    second.wait_for_text("notes.md is open in another editor");
    second.wait_for_text("[j] join it");
    second.type_text("j");
    wait_until_open(&second);
    second.wait_for_text("from the first");
    second.press(Key::End);
    second.type_text(", and the second");
    for editor in [&first, &second] {
        editor.wait_for_text("from the first, and the second");
        editor.wait_for_text("1 peer");
    }
    quit(second);
    first.wait_for_text("Ben left");
    save(&mut first);
    assert_eq!(desk.read("notes.md"), "from the first, and the second");
}

#[test]
fn what_another_program_writes_is_merged_with_what_is_typed() {
    let desk = desk();
    desk.write("notes.md", "one\ntwo\n");
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.type_text("unsaved ");
    editor.wait_for_text("unsaved one");

    desk.write("notes.md", "one\ntwo\nthree\n");
    editor.wait_for("both", |screen| shows(screen, "unsaved one") && shows(screen, "three"));
    editor.wait_for_text("another program changed the file");
    // The caret has stayed where it was.
    editor.type_text("still ");
    editor.wait_for_text("unsaved still one");
    save(&mut editor);
    assert_eq!(desk.read("notes.md"), "unsaved still one\ntwo\nthree\n");
}

#[test]
fn what_another_program_wrote_meanwhile_is_merged_at_the_next_opening() {
    let desk = desk();
    desk.write("notes.md", "one\ntwo\n");
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.type_text("zero ");
    editor.wait_for_text("zero one");
    editor.press(Key::Ctrl('q'));
    editor.wait_for_text("changes that its file lacks");
    editor.type_text("q");
    editor.wait_for_end();

    desk.write("notes.md", "one\ntwo\nthree\n");
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.wait_for("both", |screen| shows(screen, "zero one") && shows(screen, "three"));
    save(&mut editor);
    quit(editor);
    assert_eq!(desk.read("notes.md"), "zero one\ntwo\nthree\n");
}
