//! Several people in one text.

use cede_tests::terminal::desk::{Desk, is_in_sync, join_url, position, quit, save, type_together, wait_until_equal};
use cede_tests::terminal::{Ended, Key, Screen, Terminal, rows, shows};

use crate::desk;

#[test]
fn words_typed_at_one_spot_at_one_time_stay_whole() {
    let desk = desk();
    let mut ada = desk.edit("Ada", &["share", "ada.md"]);
    let url = join_url(&ada);
    let mut ben = desk.edit("Ben", &["join", &url, "ben.md"]);
    let mut cleo = desk.edit("Cleo", &["join", &url, "cleo.md"]);
    for editor in [&ada, &ben, &cleo] {
        editor.wait_for("everybody", |screen| shows(screen, "2 peers") && is_in_sync(screen));
    }
    type_together(&mut [
        (&mut ada, "typing alpha bravo charlie"),
        (&mut ben, " writing delta echo foxtrot"),
        (&mut cleo, " noting golf hotel india"),
    ]);
    let words = [
        "typing", "alpha", "bravo", "charlie", "writing", "delta", "echo", "foxtrot", "noting", "golf", "hotel",
        "india",
    ];
    wait_until_equal(&[&ada, &ben, &cleo], &words);

    for editor in [&mut ada, &mut ben, &mut cleo] {
        save(editor);
    }
    let text = desk.read("ada.md");
    assert_eq!(desk.read("ben.md"), text);
    assert_eq!(desk.read("cleo.md"), text);
    assert_eq!(text.len(), 26 + 27 + 24, "{text:?}");
    for word in words {
        assert!(text.contains(word), "{word} in {text:?}");
    }
}

#[test]
fn a_host_is_asked_before_it_leaves_its_guests() {
    let desk = desk();
    let mut host = desk.edit("Ada", &["share", "notes.md"]);
    let mut guest = desk.edit("Ben", &["join", &join_url(&host)]);
    guest.type_text("hello");
    host.wait_for_text("hello");
    save(&mut host);

    host.press(Key::Ctrl('q'));
    host.wait_for_text("Somebody else is in; this is their server.");
    host.press(Key::Esc);
    host.wait_for_no("Somebody else is in");
    guest.type_text(" again");
    host.wait_for_text("hello again");
    save(&mut host);

    host.press(Key::Ctrl('q'));
    host.wait_for_text("close anyway");
    host.type_text("q");
    assert_eq!(host.wait_for_end(), Ended::Code(0));
    guest.wait_for_text("offline");
    assert_eq!(desk.read("notes.md"), "hello again");
}

/// The rows of the text without what stands left of it: line numbers change, and people's letters come and go.
fn text_rows(screen: &Screen) -> Vec<String> {
    let rows = rows(screen);
    let text = rows.len() - 2;
    rows.into_iter().take(text).map(|row| row.chars().skip(4).collect()).collect()
}

/// What must stay as it is: the text in its rows, and the cell of the caret.
type View = (Vec<String>, (u16, u16));

fn view(screen: &Screen) -> View {
    (text_rows(screen), screen.cursor_position())
}

/// Waits until the caret is at this line, by others' doing, and everything is where it was.
fn wait_until_unmoved(editor: &Terminal, line: usize, before: &View) {
    editor.wait_for(&format!("line {line} in the view {before:?}"), |screen| {
        position(screen).is_some_and(|at| at.0 == line) && view(screen) == *before
    });
}

/// Ada shares a text of 300 rows, and Ben has joined her.
fn sharing_300_rows(desk: &Desk) -> (Terminal, Terminal) {
    let lines: String = (1..=300).map(|number| format!("row {number}\n")).collect();
    desk.write("long.md", &lines);
    let host = desk.edit("Ada", &["share", "long.md"]);
    let guest = desk.edit("Ben", &["join", &join_url(&host)]);
    guest.wait_for_text("row 20");
    (host, guest)
}

#[test]
fn typing_elsewhere_moves_neither_caret_nor_screen_nor_prompt() {
    let desk = desk();
    let (mut host, mut guest) = sharing_300_rows(&desk);
    host.wait_for_text("1 peer");

    host.press(Key::Ctrl('g'));
    host.wait_for_text("Go to line");
    host.type_text("150:4\r");
    host.wait_for("line 150", |screen| position(screen) == Some((150, 4)) && shows(screen, "row 150"));
    let before = view(&host.screen());
    guest.type_text("above\nabove\nabove\n");
    wait_until_unmoved(&host, 153, &before);

    host.press(Key::Ctrl('f'));
    host.wait_for_text("Find");
    host.type_text("row 2");
    host.wait_for("what is found first", |screen| shows(screen, "Find: row 2") && shows(screen, "row 200"));
    let before = view(&host.screen());
    guest.press(Key::CtrlEnd);
    guest.type_text("below\n");
    guest.press(Key::CtrlHome);
    guest.type_text("more\nmore\n");
    wait_until_unmoved(&host, 155, &before);

    host.press(Key::Esc);
    host.wait_for("the rows where it began", |screen| shows(screen, "row 150") && !shows(screen, "Find: row 2"));
    host.type_text("here ");
    guest.press(Key::Ctrl('g'));
    guest.wait_for_text("Go to line");
    guest.type_text("155\r");
    guest.wait_for_text("rowhere  150");
}

#[test]
fn somebody_can_be_found_and_followed() {
    let desk = desk();
    let (mut host, mut guest) = sharing_300_rows(&desk);
    guest.press(Key::CtrlEnd);
    guest.wait_for_text("row 300");

    host.press(Key::F(2));
    host.wait_for("Ben and where he is", |screen| {
        rows(screen).iter().any(|row| row.contains("Ben") && row.contains("301:1"))
    });
    host.type_text("f");
    host.wait_for("Ben's place", |screen| shows(screen, "following Ben") && shows(screen, "row 300"));
    guest.press(Key::CtrlHome);
    host.wait_for("Ben's other place", |screen| rows(screen)[0].contains("row 1"));
    host.press(Key::Esc);
    host.wait_for_no("following Ben");
    quit(guest);
    host.wait_for_text("Ben left");
}
