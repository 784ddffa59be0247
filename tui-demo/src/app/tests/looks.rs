//! The screen as a whole: overlays, sizes.

use crossterm::event::MouseEventKind;

use super::Desk;
use crate::app::{Effect, Event};

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
fn a_page_of_the_help_leaves_no_row_out() {
    let mut desk = Desk::with("|");
    for (columns, rows) in [(80, 24), (40, 10), (20, 5)] {
        desk.tell(Event::Resize(columns, rows)).keys("<F1>");
        let mut seen = 0;
        for _ in 0..100 {
            let place = desk.screen().iter().find_map(|line| place_shown(line)).expect("which rows are shown");
            assert!(place.0 <= seen + 1, "rows {place:?} after {seen} at {columns} × {rows}");
            seen = place.1;
            desk.keys("<PgDn>");
        }
        desk.keys("<Esc>");
    }
}

/// `… 19-36/80 …`: the first and the last row shown.
fn place_shown(line: &str) -> Option<(usize, usize)> {
    let (shown, _) = line.split_whitespace().find_map(|word| word.split_once('/'))?;
    let (first, last) = shown.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

#[test]
fn one_of_a_kind_is_not_said_to_be_many() {
    let mut desk = Desk::with("|");
    desk.keys("a<F5>");
    desk.assert_shows("1 line, 1 character, 1 byte");
    desk.assert_shows("1 event in 1 group by 1 agent");
    desk.keys("<Esc><Enter><F5>").assert_shows("1 line, 2 characters, 2 bytes");
}

#[test]
fn the_hint_names_keys_that_do_something_now() {
    let mut desk = Desk::with("|");
    desk.assert_shows("^S save");
    for (keys, hint) in [("<F2>", "Enter go there"), ("<F1>", "scroll"), ("<F5>", "Esc close")] {
        desk.keys(keys).assert_shows(hint);
        assert!(!desk.shows("^S save"), "{keys}");
        desk.keys("<Esc>");
    }
}

#[test]
fn the_line_for_finding_says_what_its_keys_do_and_they_do_it() {
    let mut desk = Desk::with("|one two one");
    desk.tell(Event::Resize(80, 24)).keys("<C-f>one");
    desk.assert_shows("↑↓ other matches  Enter select");
    desk.keys("<Enter>").assert_marked("[one| two one");
    desk.keys("<F3>").assert_marked("one two [one|");
    desk.keys("<C-f>three").assert_shows("not found");
    desk.tell(Event::Resize(80, 100)).keys("<Esc><F1>");
    desk.assert_shows("accept (find: select the match");
    desk.assert_shows("find; small letters stand for");
}

#[test]
fn everything_can_be_drawn_anew_wherever_the_keys_go() {
    for keys in ["", "<F1>", "<F2>", "<F5>", "<C-f>two", "<C-g>1", "x<C-q>"] {
        let mut desk = Desk::with("one two |three");
        desk.keys(keys);
        let (screen, text) = (desk.screen(), desk.text());
        desk.effects.clear();
        desk.keys("<C-l>");
        assert_eq!((&desk.effects[..], desk.screen(), desk.text()), (&[Effect::Redraw][..], screen, text), "{keys}");
    }
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
fn a_smaller_terminal_still_shows_the_caret() {
    let lines: String = (1..=30).map(|number| format!("line {number}\n")).collect();
    let mut desk = Desk::with(&format!("{lines}the end|"));
    desk.tell(Event::Resize(60, 24)).keys("<C-g>20<Enter><C-g>31<Enter>");
    for (columns, rows) in [(40, 10), (20, 5), (4, 2), (20, 5), (120, 40)] {
        desk.tell(Event::Resize(columns, rows));
        desk.assert_shows(&"the end"[..usize::from(columns.min(10)).saturating_sub(3).min(7)]);
    }
    // Scrolled out of sight on purpose, it does not come back by itself.
    desk.tell(Event::Resize(40, 10)).mouse(MouseEventKind::ScrollUp, 5, 5).mouse(MouseEventKind::ScrollUp, 5, 5);
    desk.mouse(MouseEventKind::ScrollUp, 5, 5).mouse(MouseEventKind::ScrollUp, 5, 5);
    desk.tell(Event::Resize(40, 8));
    assert!(!desk.shows("the end"));
}

#[test]
fn forty_by_ten_shows_text_state_and_place() {
    let mut desk = Desk::with("|");
    desk.tell(Event::Resize(40, 10)).keys("hello");
    desk.assert_shows("hello");
    desk.assert_shows("notes.md [+]");
    desk.assert_shows("1:6");
}
