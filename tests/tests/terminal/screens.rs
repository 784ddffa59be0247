//! Terminals of all sizes and kinds.

use cede_tests::random::{Random, seeds};
use cede_tests::terminal::desk::{SIZE, join_url, quit, save, wait_until_open};
use cede_tests::terminal::{Ended, Key, Screen, Size, Terminal, output, shows};

use crate::desk;

#[test]
fn small_terminals_are_enough() {
    for (columns, rows) in [(40, 10), (20, 5)] {
        let desk = desk();
        let mut editor = Terminal::spawn("Ada", &desk.cede(&["notes.md"]), Size::new(columns, rows));
        wait_until_open(&editor);
        editor.type_text("some words that wrap on a row so short");
        editor.wait_for_text("short");
        editor.press(Key::F(1));
        editor.wait_for_text("Keys");
        editor.press(Key::PageDown);
        editor.press(Key::F(1));
        editor.wait_for("the text again", |screen| shows(screen, "short") && !shows(screen, "Keys"));
        editor.press(Key::Ctrl('q'));
        editor.wait_for_text("save");
        editor.type_text("s");
        assert_eq!(editor.wait_for_end(), Ended::Code(0));
        assert_eq!(desk.read("notes.md"), "some words that wrap on a row so short");
    }
}

#[test]
fn a_window_that_is_dragged_about_harms_nothing() {
    for seed in seeds(1) {
        let desk = desk();
        let mut editor = desk.edit("Ada", &["notes.md"]);
        let mut random = Random::from_seed(seed);
        editor.type_text("漢字 and e\u{301}moji 👩‍👩‍👧 and \ttabs\n");
        // From here on the program hears of sizes.
        editor.wait_for_text("tabs");
        for step in 0..300 {
            if step % 10 == 0 {
                editor.type_text("storm\n");
            }
            if step % 100 == 25 {
                editor.press(Key::F(1));
                editor.press(Key::F(1));
            }
            let (columns, rows) = (random.between(1, 150), random.between(1, 50));
            editor.resize(Size::new(columns as u16, rows as u16));
        }
        editor.resize(SIZE);
        editor.wait_for("the text and its status", |screen| shows(screen, "storm") && shows(screen, "notes.md"));
        editor.type_text("calm");
        editor.wait_for_text("calm");
        save(&mut editor);
        quit(editor);
        assert_eq!(desk.read("notes.md").matches("storm\n").count(), 30);
    }
}

#[test]
fn no_color_means_no_colour() {
    let desk = desk();
    let plain = desk.cede(&["share", "notes.md"]).env("NO_COLOR", "1").env("CEDE_NAME", "Ada");
    let mut host = Terminal::spawn("Ada", &plain, SIZE);
    wait_until_open(&host);
    let mut guest = desk.edit("Ben", &["join", &join_url(&host)]);
    guest.type_text("colourful");
    guest.press(Key::ShiftLeft);
    for editor in [&host, &guest] {
        editor.wait_for_text("colourful");
        editor.wait_for_text("1 peer");
    }
    host.wait_for_text(" Ben");
    host.press(Key::F(2));
    host.wait_for("who is here", |screen| shows(screen, "Ada") && shows(screen, "Ben"));
    host.press(Key::F(2));
    host.press(Key::Ctrl('f'));
    host.wait_for_text("Find");
    host.type_text("our");
    host.wait_for_text("Find: our");
    assert!(!output::is_coloured(&host.output()));
    assert!(output::is_coloured(&guest.output()));
}

/// What a terminal without an alternate screen shows of an output, when it was full before.
fn without_alternate_screen(output: &[u8]) -> Screen {
    let mut terminal = vt100::Parser::default();
    let (rows, columns) = terminal.screen().size();
    let full = "#".repeat(usize::from(rows.get() * columns.get()));
    terminal.process(full.as_bytes());
    let output = String::from_utf8_lossy(output).replace("\u{1b}[?1049h", "").replace("\u{1b}[?1049l", "");
    terminal.process(output.as_bytes());
    terminal.screen().clone()
}

#[test]
fn a_terminal_without_an_alternate_screen_is_cleared_before_and_behind() {
    let desk = desk();
    let mut editor = Terminal::spawn("Ada", &desk.cede(&["notes.md"]), Size::new(80, 24));
    wait_until_open(&editor);
    let opened = without_alternate_screen(&editor.output());
    assert!(shows(&opened, "notes.md") && !shows(&opened, "#"), "{:?}", opened.contents());
    editor.press(Key::Ctrl('q'));
    editor.wait_for_end();
    let left = without_alternate_screen(&editor.output());
    assert_eq!((left.contents().as_str(), left.cursor_position()), ("", (0, 0)));
    assert_eq!(output::check(&editor.output()), Ok(()));
}

#[test]
fn a_spoilt_screen_is_drawn_anew() {
    let desk = desk();
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.press(Key::Ctrl('f'));
    editor.wait_for_text("Find");
    let before = editor.output().len();
    editor.press(Key::Ctrl('l'));
    editor.type_text("x");
    editor.wait_for_text("Find: x");
    let anew = without_alternate_screen(&editor.output()[before..]);
    assert!(shows(&anew, "Find: x") && shows(&anew, "notes.md") && !shows(&anew, "#"), "{:?}", anew.contents());
}

#[test]
fn a_stopped_editor_gives_the_terminal_back_and_takes_it_again() {
    let desk = desk();
    let mut editor = desk.edit("Ada", &["notes.md"]);
    editor.type_text("before");
    editor.wait_for_text("before");
    editor.ask_to_stop();
    editor.wait_for("the screen of before", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    editor.wait_until_stopped();
    // The terminal is as a shell has it: it echoes, and keeps what is typed until the line ends.
    editor.type_text("echo");
    editor.wait_for_text("echo");
    editor.go_on();
    editor.wait_for("the editor again", |screen| screen.alternate_screen() && shows(screen, "before"));
    editor.type_text(" and behind");
    editor.wait_for("what is typed", |screen| shows(screen, " and behind"));
    quit_unsaved(editor);
}

#[test]
fn an_editor_that_was_stopped_unasked_draws_itself_anew() {
    let desk = desk();
    let mut editor = desk.edit("Ada", &["notes.md"]);
    let before = editor.output().len();
    editor.go_on();
    let mut anew = without_alternate_screen(&[]);
    // A signal and a key come by different ways, so the key may be the first; and the screen is cleared before it is drawn, so a
    // look in between finds nothing.
    for typed in 1..=50 {
        editor.type_text("x");
        editor.wait_for_text(&format!("  1 {}", "x".repeat(typed)));
        anew = without_alternate_screen(&editor.output()[before..]);
        if shows(&anew, "notes.md") {
            break;
        }
    }
    assert!(shows(&anew, "notes.md") && !shows(&anew, "#"), "{:?}", anew.contents());
    quit_unsaved(editor);
}

fn quit_unsaved(mut editor: Terminal) {
    editor.press(Key::Ctrl('q'));
    editor.wait_for_text("quit; the history keeps it");
    editor.type_text("q");
    assert_eq!(editor.wait_for_end(), Ended::Code(0));
    assert_eq!(output::check(&editor.output()), Ok(()));
}
