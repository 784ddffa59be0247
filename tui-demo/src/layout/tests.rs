use cede::Patch;

use super::*;
use crate::random::{below, seed};

fn layout(buffer: &Buffer, columns: u16) -> Layout<'_> {
    Layout::new(buffer, Wrap { columns, tab: 4 })
}

/// The rows of a text, `|` where one wraps and `¶` where a line ends.
fn rows(text: &str, columns: u16) -> String {
    let buffer = Buffer::from(text);
    let layout = layout(&buffer, columns);
    let mut shown = String::new();
    for row in layout.rows_from(layout.row_at(Chars(0))) {
        shown += &buffer.slice(row.start..row.end).expect("rows lie within the text");
        shown += if row.wraps { "|" } else { "¶" };
    }
    shown
}

#[test]
fn rows_end_between_words_where_they_can() {
    for (text, columns, expected) in [
        ("", 5, "¶"),
        ("\n", 5, "¶¶"),
        ("one two", 7, "one two¶"),
        ("one two", 6, "one |two¶"),
        // A space hangs over the end of a full row, a second one does not.
        ("three two", 5, "three |two¶"),
        ("three  two", 5, "three | two¶"),
        // A long word is cut rather than leaving a row nearly empty.
        ("a verylongword", 8, "a verylo|ngword¶"),
        ("abcdefghij", 4, "abcd|efgh|ij¶"),
        ("all well-known", 10, "all well-|known¶"),
        ("ab\ncd ef", 4, "ab¶cd |ef¶"),
        ("one\r\ntwo\r\n", 4, "one\r¶two\r¶¶"),
    ] {
        assert_eq!(rows(text, columns), expected, "{text:?} in {columns}");
    }
}

#[test]
fn an_empty_line_behind_the_last_line_feed_is_not_counted() {
    for (text, lines) in [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\nb\n", 2), ("\n", 1), ("\n\n", 2)] {
        assert_eq!(counted_lines(&Buffer::from(text)), lines, "{text:?}");
    }
}

#[test]
fn wide_clusters_are_not_cut_at_the_edge() {
    for (text, columns, expected) in [
        ("漢字漢字", 4, "漢字|漢字¶"),
        ("漢字漢字", 5, "漢字|漢字¶"),
        ("a漢字b", 4, "a漢|字b¶"),
        // Closing punctuation does not begin a row.
        ("漢字漢字。", 8, "漢字漢|字。¶"),
        ("🙂🙂🙂", 5, "🙂🙂|🙂¶"),
        ("👨\u{200D}👩\u{200D}👧x", 5, "👨\u{200D}👩\u{200D}👧|x¶"),
        ("e\u{301}e\u{301}e\u{301}", 2, "e\u{301}e\u{301}|e\u{301}¶"),
        ("ab\u{202E}cd", 9, "ab|\u{202E}c|d¶"),
        // Wider than the row: alone on it, and cut when it is drawn.
        ("a\u{202E}b", 3, "a|\u{202E}|b¶"),
        ("漢", 1, "漢¶"),
    ] {
        assert_eq!(rows(text, columns), expected, "{text:?} in {columns}");
    }
}

#[test]
fn tabs_move_to_the_next_stop_and_not_beyond_the_row() {
    let buffer = Buffer::from("a\tb\t\tc\tdefg");
    let layout = layout(&buffer, 10);
    let row = layout.row_at(Chars(0));
    let columns: Vec<u16> = (0..=row.end.0).map(|at| layout.column_of(&row, Chars(at))).collect();
    assert_eq!((columns.as_slice(), row.end), ([0, 1, 4, 5, 8, 10].as_slice(), Chars(5)));
}

#[test]
fn columns_and_positions_agree() {
    let buffer = Buffer::from("a漢e\u{301}\tz");
    let layout = layout(&buffer, 20);
    let row = layout.row_at(Chars(0));
    let columns: Vec<u16> = (0..=6).map(|at| layout.column_of(&row, Chars(at))).collect();
    assert_eq!(columns, [0, 1, 3, 3, 4, 8, 9]);
    let positions: Vec<usize> = (0..=11).map(|column| layout.position_at(&row, column).0).collect();
    assert_eq!(positions, [0, 1, 1, 2, 4, 4, 4, 4, 5, 6, 6, 6]);
}

#[test]
fn the_end_of_a_row_that_wraps_is_a_position_of_the_next() {
    let buffer = Buffer::from("abcdef");
    let layout = layout(&buffer, 3);
    assert_eq!(layout.row_at(Chars(3)).start, Chars(3));
    assert_eq!(layout.position_at(&layout.row_at(Chars(0)), 99), Chars(2));
    assert_eq!(layout.position_at(&layout.row_at(Chars(5)), 99), Chars(6));
    assert_eq!(layout.column_of(&layout.row_at(Chars(6)), Chars(6)), 3);
}

#[test]
fn lines_that_end_in_cr_lf_end_before_both() {
    let buffer = Buffer::from("ab\r\ncd\r\n");
    let layout = layout(&buffer, 10);
    assert_eq!(layout.position_at(&layout.row_at(Chars(0)), 99), Chars(2));
    assert_eq!(line_column(&buffer, Chars(2)), (1, 3));
    assert_eq!(line_column(&buffer, Chars(4)), (2, 1));
    assert_eq!(position_of_line_column(&buffer, 1, 99), Chars(2));
}

#[test]
fn lines_and_columns_count_from_one() {
    let buffer = Buffer::from("ae\u{301}b\n\n漢字");
    for (at, place) in [(0, (1, 1)), (1, (1, 2)), (3, (1, 3)), (4, (1, 4)), (5, (2, 1)), (8, (3, 3))] {
        assert_eq!(line_column(&buffer, Chars(at)), place, "{at}");
        assert_eq!(position_of_line_column(&buffer, place.0, place.1), Chars(at), "{place:?}");
    }
    assert_eq!(position_of_line_column(&buffer, 99, 99), Chars(8));
    assert_eq!(position_of_line_column(&buffer, 0, 0), Chars(0));
}

#[test]
fn up_and_down_return_to_the_column_they_came_from() {
    let buffer = Buffer::from("long line\nx\n漢字漢字漢字\nlast");
    let viewport = Viewport::new(4);
    let mut goal = None;
    let mut at = Chars(7);
    let mut seen = Vec::new();
    for _ in 0..4 {
        at = viewport.down(&buffer, at, 1, &mut goal);
        seen.push(at.0);
    }
    assert_eq!(seen, [11, 15, 23, 23]);
    goal = None;
    at = viewport.up(&buffer, at, 1, &mut goal);
    assert_eq!((at, goal), (Chars(14), Some(4)));
    assert_eq!(viewport.up(&buffer, at, 9, &mut goal), Chars(4));
    assert_eq!(viewport.up(&buffer, Chars(4), 1, &mut goal), Chars(0));
}

#[test]
fn the_caret_is_brought_into_sight_by_as_little_as_possible() {
    let text = (0..40).map(|line| format!("line {line:02}\n")).collect::<String>();
    let buffer = Buffer::from(text.as_str());
    let mut viewport = Viewport::new(4);
    viewport.resize(20, 10);
    let start = |line: usize| Chars(line * 8);
    for (line, top) in [(0, 0), (5, 0), (8, 1), (7, 1), (20, 13), (15, 13), (14, 12), (0, 0), (40, 31)] {
        viewport.reveal(&buffer, start(line), 2);
        assert_eq!(viewport.top(), start(top), "line {line}");
    }
    viewport.center(&buffer, start(20));
    assert_eq!(viewport.top(), start(15));
    viewport.scroll(&buffer, -3);
    assert_eq!(viewport.top(), start(12));
    viewport.scroll(&buffer, 1000);
    assert_eq!(viewport.top(), start(40));
    viewport.resize(1, 1);
    viewport.reveal(&buffer, Chars(3), 2);
    assert_eq!(viewport.cell_of(&buffer, Chars(3)), Some((0, 0)));
}

#[test]
fn typing_elsewhere_leaves_the_screen_where_it_is() {
    let patch = |start, deleted, inserted: &str| {
        [Patch { start: Chars(start), deleted: Chars(deleted), inserted: inserted.to_owned() }]
    };
    for (top, change, expected) in [
        (4, patch(0, 0, "new\n"), 8),
        (4, patch(4, 0, "new\n"), 8),
        (4, patch(5, 0, "new\n"), 4),
        (4, patch(0, 4, ""), 0),
        (4, patch(2, 4, "!"), 2),
        (8, patch(8, 0, "at the end"), 8),
        (0, patch(0, 0, "above"), 5),
    ] {
        let before = "one\ntwo\n";
        let Patch { start: Chars(start), deleted: Chars(deleted), inserted } = &change[0];
        let after = format!("{}{inserted}{}", &before[..*start], &before[start + deleted..]);
        let mut viewport = Viewport::new(4);
        viewport.set_top(Chars(top));
        viewport.carry(&Buffer::from(after.as_str()), &change);
        assert_eq!(viewport.top(), Chars(expected), "{change:?}");
    }
    let mut viewport = Viewport::new(4);
    viewport.carry(&Buffer::from("first\n"), &patch(0, 0, "first\n"));
    assert_eq!(viewport.top(), Chars(0), "an empty document has nothing to keep in its place");
}

#[test]
fn a_mouse_finds_what_is_shown_under_it() {
    let buffer = Buffer::from("ab漢d\nxyz\n");
    let mut viewport = Viewport::new(4);
    viewport.resize(4, 5);
    for ((column, row), at) in
        [((0, 0), 0), ((2, 0), 2), ((3, 0), 2), ((9, 0), 2), ((0, 1), 3), ((1, 2), 6), ((0, 9), 9)]
    {
        assert_eq!(viewport.position_at(&buffer, column, row), Chars(at), "{column},{row}");
    }
    assert_eq!(viewport.cell_of(&buffer, Chars(4)), Some((1, 1)));
    assert_eq!(viewport.cell_of(&buffer, Chars(9)), Some((0, 3)));
    viewport.set_top(Chars(5));
    assert_eq!(viewport.cell_of(&buffer, Chars(0)), None);
    assert_eq!(viewport.visible(&buffer), Chars(5)..Chars(9));
}

#[test]
fn rows_are_the_same_wherever_one_begins() {
    let parts = ["a", "word ", " ", "漢", "。", "🙂", "\t", "\n", "-", "\u{202E}", "e\u{301}", "\r\n", "verylong"];
    let mut state = seed();
    for round in 0..300 {
        // Now and then a line that is longer than a stretch.
        let count = if round % 50 == 0 { STRETCH } else { below(&mut state, 200) };
        let parts = if round % 50 == 0 { &parts[..6] } else { &parts[..] };
        let text: String = (0..count).map(|_| parts[below(&mut state, parts.len())]).collect();
        let buffer = Buffer::from(text.as_str());
        let layout = layout(&buffer, 1 + below(&mut state, 30) as u16);
        let rows: Vec<Row> = layout.rows_from(layout.row_at(Chars(0))).collect();
        let ends: Vec<usize> = rows.iter().map(|row| row.end.0 + usize::from(!row.wraps)).collect();
        let starts: Vec<usize> = rows.iter().map(|row| row.start.0).skip(1).collect();
        assert_eq!(ends[..ends.len() - 1], starts, "rows follow each other");
        for _ in 0..30 {
            let index = below(&mut state, rows.len());
            let row = rows[index];
            assert_eq!(layout.row_at(row.start), row);
            assert_eq!(layout.rows_from(row).nth(1), rows.get(index + 1).copied());
            let count = below(&mut state, 40);
            assert_eq!(layout.above(row, count), rows[index.saturating_sub(count)]);
            assert_eq!(layout.below(row, count), rows[(index + count).min(rows.len() - 1)]);
        }
    }
}

#[test]
fn a_line_of_a_megabyte_is_laid_out_only_where_it_is_looked_at() {
    // Counted in clusters wrapped, not in time: a stretch and a screen, wherever one looks.
    for text in ["word ".repeat(1 << 18), "x".repeat(1 << 20), "漢".repeat(1 << 19)] {
        let buffer = Buffer::from(text.as_str());
        let layout = layout(&buffer, 40);
        for at in [0, 1 << 17, (1 << 19) - 1] {
            let row = layout.row_at(Chars(at));
            assert!(row.holds(Chars(at)));
            let from = wrap::stretch_rows(&buffer, Wrap { columns: 40, tab: 4 }, Chars(at));
            let count = from.take_while(|row| !row.holds(Chars(at))).count();
            assert!(count <= STRETCH / 20, "{count} rows before that of {at}");
        }
    }
}
