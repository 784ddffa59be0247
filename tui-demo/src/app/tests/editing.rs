//! Caret, selection, typing, deleting, clipboard, undo, finding, mouse.

use std::time::Duration;

use cede::Chars;
use crossterm::event::{MouseButton, MouseEventKind};

use super::Desk;

/// (before, keys, after)
#[track_caller]
fn check(cases: &[(&str, &str, &str)]) {
    for (before, keys, after) in cases {
        let found = Desk::with(before).keys(keys).marked();
        assert_eq!(found, *after, "{before:?} and {keys}");
    }
}

#[test]
fn keys_move_the_caret() {
    check(&[
        ("|one two", "<Right>", "o|ne two"),
        ("one| two", "<Left>", "on|e two"),
        ("|one two", "<C-Right>", "one| two"),
        ("one two|", "<A-b>", "one |two"),
        ("on|e\ntwo", "<End>", "one|\ntwo"),
        ("  on|e", "<Home>", "  |one"),
        ("  on|e", "<Home><Home>", "|  one"),
        ("on|e\ntwo", "<C-End>", "one\ntwo|"),
        ("one\ntw|o", "<C-Home>", "|one\ntwo"),
        ("long|er\nab\nlonger", "<Down>", "longer\nab|\nlonger"),
        ("long|er\nab\nlonger", "<Down><Down>", "longer\nab\nlong|er"),
        ("e|\u{301}\u{1f1e9}\u{1f1ea}x", "<Right><Right>", "e\u{301}\u{1f1e9}\u{1f1ea}|x"),
        ("a\nb\nc|\nd", "<C-g>2:1<Enter>", "a\n|b\nc\nd"),
        ("a\nb|", "<C-g>99<Enter>", "a\n|b"),
        ("a\nb|", "<C-g>no<Enter><Esc>", "a\nb|"),
    ]);
}

#[test]
fn shift_and_marking_select() {
    check(&[
        ("|one two", "<S-Right><S-Right>", "[on|e two"),
        ("one |two", "<S-C-Left>", "|one ]two"),
        ("|one two", "<S-C-Right><Left>", "|one two"),
        ("|one two", "<S-C-Right><Right>", "one| two"),
        ("o|ne\ntwo", "<S-Down>", "o[ne\nt|wo"),
        ("o|ne two", "<C-a>", "[one two|"),
        ("|one two", "<C-Space><C-Right>", "[one| two"),
        ("|one two", "<C-Space><C-Right><Esc><Right>", "one |two"),
    ]);
}

#[test]
fn keys_edit_the_text() {
    check(&[
        ("|", "Hi, <Enter>you<Tab>!", "Hi, \nyou\t!|"),
        ("one|", "<BS><BS>", "o|"),
        ("|one", "<Del>", "|ne"),
        ("cafe\u{301}|", "<BS>", "caf|"),
        ("one two|", "<C-w>", "one |"),
        ("|one two", "<A-d>", "| two"),
        ("one\ntwo th|ree", "<C-u>", "one\n|ree"),
        ("one\ntwo th|ree", "<C-k>", "one\ntwo th|"),
        ("|one two", "<S-C-Right>2", "2| two"),
        ("|one two", "<S-C-Right><BS>", "| two"),
        ("|one two", "<S-C-Right><C-x><C-End><C-v>", " twoone|"),
        ("|one two", "<S-C-Right><C-c><C-End><C-v>", "one twoone|"),
        ("|one", "<C-c><C-v>", "|one"),
    ]);
}

#[test]
fn undo_takes_back_typing_by_runs() {
    check(&[
        ("|x", "abc<C-z>", "|x"),
        ("|x", "abc<C-z><C-y>", "abc|x"),
        ("|x", "abc<Right>def<C-z>", "abcx|"),
        ("|x", "abc<Right>def<C-z><C-z>", "|x"),
        ("|x", "abc<C-s>def<C-z>", "abc|x"),
        ("one two|", "<S-C-Left>2<C-z>", "one two|"),
        ("one|", "<C-z>", "one|"),
        ("one|", "<C-y>", "one|"),
    ]);
}

#[test]
fn a_pause_ends_what_one_undo_takes_back() {
    let mut desk = Desk::with("|");
    desk.keys("one ").wait(Duration::from_secs(10)).keys("two").keys("<C-z>");
    desk.assert_marked("one |");
}

#[test]
fn a_paste_is_one_insertion_with_lines_that_end_in_line_feeds() {
    let mut desk = Desk::with("a|z");
    desk.keys("b").paste("1\r\n2\r3\n").keys("c");
    desk.assert_marked("ab1\n2\n3\nc|z");
    desk.keys("<C-z>").assert_marked("ab1\n2\n3\n|z");
    desk.keys("<C-z>").assert_marked("ab|z");
}

#[test]
fn undo_leaves_what_others_wrote() {
    let mut desk = Desk::with("|end");
    desk.keys("mine ").remotely(|other| other.insert(Chars(8), " theirs").expect("typed")).keys("<C-z>");
    desk.assert_marked("|end theirs");
}

#[test]
fn what_others_type_elsewhere_moves_nothing() {
    let lines: String = (1..=40).map(|number| format!("line {number}\n")).collect();
    let mut desk = Desk::with(&format!("|{lines}"));
    desk.keys("<C-g>20<Enter><S-End><C-f>whe");
    let before = desk.screen();
    desk.remotely(|other| other.insert(Chars(0), "new\nlines\nabove\n").expect("typed"));
    let after = desk.screen();
    // The same lines, at the same places, under other numbers; and the prompt as it was.
    let without_numbers = |screen: &[String]| -> Vec<String> {
        screen.iter().take(10).map(|line| line.chars().skip(4).collect()).collect()
    };
    assert_eq!(without_numbers(&before), without_numbers(&after), "{}", after.join("\n"));
    desk.assert_shows("Find: whe");
    desk.keys("<Esc>");
    assert_eq!(desk.app.place_of(desk.app.caret()), (23, 8));
}

#[test]
fn a_selection_keeps_what_it_holds_under_remote_edits() {
    // (remote position, remote text, after)
    let cases = [
        (0, "x", "xone [two| three"),
        (4, "x", "one x[two| three"),
        (5, "x", "one [txwo| three"),
        (7, "x", "one [two|x three"),
        (13, "x", "one [two| threex"),
    ];
    for (at, text, after) in cases {
        let mut desk = Desk::with("one |two three");
        desk.keys("<S-C-Right>");
        desk.assert_marked("one [two| three");
        desk.remotely(|other| other.insert(Chars(at), text).expect("typed"));
        assert_eq!(desk.marked(), after, "{text:?} at {at}");
    }
}

#[test]
fn finding_goes_from_match_to_match() {
    check(&[
        ("|one two one", "<C-f>one<Enter>", "[one| two one"),
        ("o|ne two one", "<C-f>one<Enter>", "one two [one|"),
        ("|one two one", "<C-f>one<Down><Enter>", "one two [one|"),
        ("|one two one", "<C-f>one<Enter><F3>", "one two [one|"),
        ("|one two one", "<C-f>one<Enter><F3><F3>", "[one| two one"),
        ("|one two one", "<C-f>one<Enter><S-F3>", "one two [one|"),
        ("|one two", "<C-f>nowhere<Enter>", "|one two"),
        ("|one two", "<C-f>two<Esc>", "|one two"),
        ("|one two", "<C-f>two<Enter><Esc>!", "one two!|"),
        ("|one One", "<C-f>One<Enter>", "one [One|"),
    ]);
}

#[test]
fn finding_says_when_there_is_nothing() {
    let mut desk = Desk::with("|one two");
    desk.keys("<C-f>three");
    desk.assert_shows("not found");
}

#[test]
fn the_mouse_places_selects_and_scrolls() {
    let lines: String = (1..=40).map(|number| format!("line {number}\n")).collect();
    let mut desk = Desk::with(&format!("|{lines}"));
    // The gutter has four columns.
    desk.click(6, 1);
    assert_eq!(desk.app.place_of(desk.app.caret()), (2, 3));
    desk.click(6, 1);
    assert_eq!(desk.app.selection(), Some(Chars(7)..Chars(11)), "the word");
    desk.click(6, 1);
    assert_eq!(desk.app.selection(), Some(Chars(7)..Chars(14)), "the line");
    desk.wait(Duration::from_secs(1));
    desk.mouse(MouseEventKind::Down(MouseButton::Left), 4, 0);
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), 8, 0);
    desk.mouse(MouseEventKind::Up(MouseButton::Left), 8, 0);
    assert_eq!(desk.app.selection(), Some(Chars(0)..Chars(4)), "dragged over");
    desk.mouse(MouseEventKind::ScrollDown, 5, 5);
    assert!(desk.screen()[0].contains("line 4"), "{}", desk.screen().join("\n"));
    assert_eq!(desk.app.caret(), Chars(4), "the wheel leaves the caret alone");
    desk.keys("<Right>");
    desk.assert_shows("line 1 ");
}

#[test]
fn reading_only_changes_nothing() {
    let mut opening = super::opening(cede::Session::new(super::ME));
    opening.read_only = true;
    let mut desk = Desk::opened(opening);
    desk.keys("abc<Enter><BS><C-z><C-y><C-s>").paste("x");
    assert_eq!(desk.text(), "");
    desk.assert_shows("reading only");
    assert_eq!(desk.effects, []);
}
