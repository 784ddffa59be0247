//! Somebody who means harm: nothing of theirs reaches the terminal as they wrote it.

use cede_tests::terminal::desk::{SIZE, join_url, quit, save};
use cede_tests::terminal::{Ended, Key, Terminal, output, shows};

use crate::desk;
use crate::peer::Peer;

/// Sets the clipboard, the title and a colour, asks for an answer, turns the direction of writing, resets the terminal;
/// each in the 7-bit and the 8-bit form where there are two.
const PAYLOAD: &str = "\u{1b}]52;c;cHduZWQ=\u{7}\u{9d}52;c;cHduZWQ=\u{9c}\u{1b}]0;pwned\u{1b}\\\u{1b}[31m\u{9b}31m\u{1b}[6n\
    \u{1b}P+q544e\u{1b}\\\u{1b}c\u{202e}\u{2066}\u{200f}\u{7}\u{8}\u{7f}\u{0}\r\u{85}\u{2028}\u{e0041}";

#[test]
fn nothing_of_a_hostile_peer_reaches_the_terminal_raw() {
    let desk = desk();
    let mut host = desk.edit("Ada", &["share", "notes.md"]);
    let mut eve = Peer::join(&join_url(&host), &format!("Eve{PAYLOAD}"), 666);
    eve.type_text(&format!("begin{PAYLOAD}end"));
    eve.wait_until_acknowledged();
    host.wait_for("the text made visible", |screen| shows(screen, "begin") && shows(screen, "‹U+202E›"));

    host.press(Key::F(2));
    host.wait_for_text("Eve");
    host.type_text("f");
    host.wait_for_text("following Eve");
    host.press(Key::F(5));
    host.wait_for_text("History:");
    host.press(Key::Esc);
    host.wait_for_no("History:");
    host.press(Key::Ctrl('f'));
    host.wait_for_text("Find");
    host.paste(PAYLOAD);
    host.press(Key::Enter);
    host.wait_for_no("Find:");
    save(&mut host);
    drop(eve);
    host.wait_for_no("1 peer");
    host.press(Key::Ctrl('q'));
    assert_eq!(host.wait_for_end(), Ended::Code(0));
    if let Err(stray) = output::check(&host.output()) {
        panic!("{stray}");
    }
    assert!(desk.read("notes.md").contains("begin\u{1b}]52;"), "the text itself is kept as it is");
}

#[test]
fn the_tools_make_hostile_text_visible_on_a_terminal() {
    let desk = desk();
    desk.write("notes.md", &format!("begin{PAYLOAD}end\n"));
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.wait_for_text("begin");
    editor.type_text("x");
    save(&mut editor);
    quit(editor);
    for tool in ["cat", "log", "stats", "export"] {
        let mut terminal = Terminal::spawn(tool, &desk.cede(&[tool, "notes.md.cede"]), SIZE);
        assert_eq!(terminal.wait_for_end(), Ended::Code(0), "{tool}");
        if let Err(stray) = output::check(&terminal.output()) {
            panic!("{tool}: {stray}");
        }
    }
}

#[test]
fn a_hostile_file_name_is_shown_harmless() {
    let desk = desk();
    let name = "a\u{1b}]0;pwned\u{7}\u{202e}.md";
    let mut editor = desk.edit("Ada", &[name]);
    editor.type_text("x");
    let mut second = Terminal::spawn("Ben", &desk.cede(&[name]), SIZE);
    second.wait_for_text("open in another editor");
    second.type_text("q");
    assert_eq!(second.wait_for_end(), Ended::Code(0));
    save(&mut editor);
    editor.press(Key::Ctrl('q'));
    editor.wait_for_end();
    for terminal in [&editor, &second] {
        if let Err(stray) = output::check(&terminal.output()) {
            panic!("{stray}");
        }
    }
}
