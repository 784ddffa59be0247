//! The screen as a whole: overlays, sizes.

use super::Desk;
use crate::app::Event;

#[test]
fn the_help_shows_the_table() {
    let mut desk = Desk::with("|");
    desk.keys("<F1>");
    desk.assert_shows("Ctrl-S");
    assert!(!desk.shows("Shift-F3"));
    for _ in 0..20 {
        desk.keys("<PgDn>");
        if desk.shows("Shift-F3") {
            break;
        }
    }
    desk.assert_shows("Shift-F3");
    desk.keys("<Esc>x");
    assert_eq!(desk.text(), "x");
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let overlays = ["", "<F1>", "<F2>", "<F5>", "<C-f>two", "<C-g>1", "<C-q>"];
    for keys in overlays {
        for (columns, rows) in (0..45).step_by(4).flat_map(|columns| (0..12).map(move |rows| (columns, rows))) {
            let mut desk = Desk::with("one two |three\n\u{1f9d1}\u{200d}\u{1f33e} 日本語\ttab\n");
            desk.tell(Event::Resize(columns, rows));
            desk.keys("x").keys(keys);
            desk.screen_of(columns, rows);
            desk.keys("<PgDn><PgUp><Down><Up>").click(columns / 2, rows / 2);
        }
    }
    let mut desk = Desk::with("one| two");
    desk.tell(Event::Resize(400, 100));
    desk.assert_shows("one two");
}

#[test]
fn forty_by_ten_shows_text_state_and_place() {
    let mut desk = Desk::with("|");
    desk.tell(Event::Resize(40, 10)).keys("hello");
    desk.assert_shows("hello");
    desk.assert_shows("notes.md [+]");
    desk.assert_shows("1:6");
}
