use std::ops::Range;
use std::time::{Duration, Instant};

use cede::Chars;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer as Cells, CellWidth};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthChar;

use super::*;
use crate::palette::{Hue, Palette};
use crate::random::{below, seed};

/// What a terminal of this size shows of a text: rows without what is blank at their ends.
struct Shown {
    rows: Vec<String>,
    cells: Cells,
    cursor: Option<(u16, u16)>,
}

impl Shown {
    fn frame(width: u16, height: u16, render: impl FnOnce(&mut Frame<'_>)) -> Self {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("cannot fail");
        terminal.draw(render).expect("cannot fail");
        let visible = terminal.backend().cursor_visible();
        let cursor = visible.then(|| terminal.backend().cursor_position().into());
        let cells = terminal.backend().buffer().clone();
        let rows = (0..height).map(|y| row_text(&cells, y)).collect();
        Self { rows, cells, cursor }
    }

    /// The characters of row `y` whose style passes, a dot for each other column.
    fn where_style(&self, y: u16, passes: impl Fn(&ratatui::buffer::Cell) -> bool) -> String {
        let cells = (0..self.cells.area.width).map(|x| &self.cells[(x, y)]);
        let shown: String = cells.map(|cell| if passes(cell) { cell.symbol() } else { "." }).collect();
        shown.trim_end_matches('.').to_owned()
    }
}

fn row_text(cells: &Cells, y: u16) -> String {
    let (mut x, mut row) = (0, String::new());
    while x < cells.area.width {
        let cell = &cells[(x, y)];
        row += cell.symbol();
        x += cell.cell_width();
    }
    row.trim_end().to_owned()
}

/// The editor showing `text`, `change`d before it is drawn.
fn editor((width, height): (u16, u16), text: &str, change: impl for<'a> FnOnce(&mut Scene<'a>)) -> Shown {
    let buffer = Buffer::from(text);
    let mut viewport = Viewport::new(4);
    let area = Rect::new(0, 0, width, height);
    Places::of(area, &buffer).fit(&mut viewport);
    let mut scene = Scene {
        buffer: &buffer,
        viewport: &viewport,
        caret: Chars(0),
        selection: None,
        matches: &[],
        current_match: None,
        remotes: &[],
        status: Status { file: "notes.md", line: 1, column: 1, hint: "F1 help", ..Status::default() },
        overlay: Overlay::None,
        palette: Palette::rich(),
    };
    change(&mut scene);
    Shown::frame(width, height, |frame| draw(frame, &scene))
}

const SMALL: (u16, u16) = (40, 10);
const USUAL: (u16, u16) = (80, 24);

const fn remote(name: &'static str, hue: u8, marker: char, caret: usize) -> Remote<'static> {
    Remote { name, hue: Hue::new(hue), marker, caret: Some(Chars(caret)), selection: None }
}

fn remotes(remotes: &'static [Remote<'static>]) -> &'static [Remote<'static>] {
    remotes
}

static BOB: [Remote<'static>; 1] = [remote("Bob", 0, 'B', 3)];

#[test]
fn a_small_screen_has_text_a_status_and_a_message() {
    let shown = editor(SMALL, "Dear all,\ntomorrow we meet at noon in the old library.\n", |scene| {
        scene.caret = Chars(14);
    });
    assert_eq!(
        shown.rows,
        [
            " 1 Dear all,",
            " 2 tomorrow we meet at noon in the old",
            " ⋮ library.",
            " 3",
            "~",
            "~",
            "~",
            "~",
            " notes.md                           1:1",
            "F1 help",
        ]
    );
    assert_eq!(shown.cursor, Some((7, 1)));
}

#[test]
fn wide_characters_tabs_and_marks_stand_in_their_columns() {
    for (text, caret, expected, cursor) in [
        ("漢字x", 2, " 1 漢字x", 7),
        ("a\tb", 2, " 1 a   b", 7),
        ("e\u{301}x", 2, " 1 e\u{301}x", 4),
        ("🙂👨\u{200D}👩\u{200D}👧!", 6, " 1 🙂👨👩👧!", 11),
        ("\u{1B}[2J\0", 1, " 1 ␛[2J␀", 4),
        ("a\u{202E}b", 2, " 1 a‹U+202E›b", 12),
        ("ends\r\n", 4, " 1 ends␍", 7),
        ("x\u{7}\u{9B}", 0, " 1 x␇‹U+009B›", 3),
    ] {
        let shown = editor(SMALL, text, |scene| scene.caret = Chars(caret));
        assert_eq!((shown.rows[0].as_str(), shown.cursor), (expected, Some((cursor, 0))), "{text:?}");
    }
}

#[test]
fn a_wide_character_does_not_hang_over_the_edge() {
    // 40 columns less the gutter and one for the caret: 36 for text, an odd place for the last.
    let shown = editor(SMALL, &format!("a{}", "漢".repeat(20)), |scene| scene.caret = Chars(18));
    assert_eq!(shown.rows[0], format!(" 1 a{}", "漢".repeat(17)));
    assert_eq!(shown.rows[1], format!(" ⋮ {}", "漢".repeat(3)));
    assert_eq!(shown.cursor, Some((3, 1)));
}

#[test]
fn a_caret_behind_a_full_row_has_a_column_of_its_own() {
    let shown = editor(SMALL, &"x".repeat(36), |scene| scene.caret = Chars(36));
    assert_eq!(shown.cursor, Some((39, 0)));
    assert_eq!(shown.rows[1], "~");
}

#[test]
fn what_cannot_be_seen_is_told_apart_from_what_is_typed() {
    let shown = editor(SMALL, "‹U+202E›\u{202E}", |_| ());
    let coloured = shown.where_style(0, |cell| cell.fg == Color::Indexed(161));
    assert_eq!(coloured, "...........‹U+202E›");
}

#[test]
fn a_selection_goes_on_over_wraps_and_newlines() {
    let text = "one two three four five six seven eight nine ten\n\nend";
    let shown = editor(SMALL, text, |scene| scene.selection = Some(Chars(35)..Chars(51)));
    let reversed = |y| shown.where_style(y, |cell| cell.modifier.contains(Modifier::REVERSED));
    assert_eq!(shown.rows[0], " 1 one two three four five six seven");
    assert_eq!(reversed(0), "");
    assert_eq!(reversed(1), "....ight nine ten ");
    assert_eq!(reversed(2), "... ");
    assert_eq!(reversed(3), "...e");
}

#[test]
fn a_caret_within_ones_own_selection_is_seen() {
    for palette in [Palette::rich(), Palette::basic(), Palette::plain()] {
        let shown = editor(SMALL, "one two\nthree", |scene| {
            scene.palette = palette;
            scene.remotes = remotes(&BOB);
            scene.selection = Some(Chars(0)..Chars(7));
            scene.caret = Chars(7);
        });
        let reversed = shown.where_style(0, |cell| cell.modifier.contains(Modifier::REVERSED));
        let letter = if palette.is_plain() { "B" } else { "." };
        assert_eq!(reversed, format!("..{letter}one.two"));
    }
}

#[test]
fn others_stand_in_the_text_with_colour_name_and_letter() {
    let shown = editor(SMALL, "one two\nthree", |scene| {
        scene.remotes = remotes(&BOB);
        scene.caret = Chars(9);
    });
    // In the middle of a row, with one's own caret below: the name stands at the row's end.
    assert_eq!(shown.rows[..2], [" 1Bone two  Bob", " 2 three"]);
    let coloured = shown.where_style(0, |cell| cell.bg == Color::Indexed(33));
    assert_eq!(coloured, "..B... .... Bob ");
}

#[test]
fn a_name_stands_where_it_covers_neither_text_nor_the_caret() {
    static END: [Remote<'static>; 1] = [remote("Bob", 0, 'B', 7)];
    static EMPTY: [Remote<'static>; 1] = [remote("Bob", 0, 'B', 8)];
    static LONG: [Remote<'static>; 1] = [remote("Bob", 0, 'B', 2)];
    static EVIL: [Remote<'static>; 1] = [remote("\u{202E}\u{1B}bo\nb", 0, 'B', 0)];
    let full = "x".repeat(36);
    for (text, others, caret, expected) in [
        ("one two", &END, 0, vec![" 1Bone two  Bob", "~"]),
        ("one two\n\nx", &EMPTY, 0, vec![" 1 one two", " 2B  Bob", " 3 x"]),
        // One's own caret stands there too: its surroundings stay free.
        ("one two", &END, 7, vec![" 1Bone two", "~          Bob"]),
        (&full, &LONG, 0, vec![&format!(" 1B{full}") as &str, "~     Bob"]),
        ("", &EVIL, 0, vec![" 1B", "~   ‹U+202E›␛bo␊b"]),
    ] {
        let shown = editor(SMALL, text, |scene| {
            scene.remotes = remotes(others);
            scene.caret = Chars(caret);
        });
        assert_eq!(shown.rows[..expected.len()], expected);
    }
}

#[test]
fn without_colour_letters_and_attributes_do_the_work() {
    static OTHERS: [Remote<'static>; 2] =
        [remote("Bob", 0, 'B', 1), Remote { selection: Some(Chars(6)..Chars(9)), ..remote("Eve", 1, 'E', 9) }];
    let shown = editor(SMALL, "ab\n\nc def\n", |scene| {
        scene.palette = Palette::plain();
        scene.remotes = remotes(&OTHERS);
        scene.caret = Chars(3);
        scene.matches = &[Chars(4)..Chars(5)];
    });
    assert_eq!(shown.rows[..3], [" 1Bab Bob", " 2", " 3Ec def  Eve"]);
    let with = |y, modifier| shown.where_style(y, |cell| cell.modifier.contains(modifier));
    assert_eq!(with(0, Modifier::REVERSED), "..B.b Bob ");
    assert_eq!(with(2, Modifier::UNDERLINED), "...c.def");
    for cell in &shown.cells.content {
        assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset));
    }
}

#[test]
fn the_status_drops_the_least_important_first() {
    let line = |width| {
        let shown = editor((width, 10), "x", |scene| {
            scene.status = Status {
                file: "minutes of the meeting.md",
                modified: true,
                peers: 3,
                connection: "online",
                agreement: Agreement::Equal,
                unacknowledged: 12,
                role: "host",
                following: Some("Bob"),
                line: 12,
                column: 5,
                ..Status::default()
            };
        });
        shown.rows[8].clone()
    };
    for (width, expected) in [
        (99, " minutes of the meeting.md [+]  ✓ in sync  3 peers  online  12 unsent  host  following Bob    12:5"),
        (91, " minutes of the meeting.md [+]  ✓ in sync  3 peers  online  12 unsent  following Bob  12:5"),
        (80, " minutes of the meeting.md [+]  ✓  3 peers  online  12↑  following Bob     12:5"),
        (60, " minutes of the … [+]  ✓  3p  online  12↑  > Bob       12:5"),
        (40, " minutes of the … [+]  ✓  3p       12:5"),
        (24, " minutes… [+]  ✓   12:5"),
        (20, " minutes… [+]  ✓"),
    ] {
        assert_eq!(line(width).trim_end(), expected.trim_end(), "{width}");
    }
    for width in 1..100 {
        assert!(crate::glyph::label_columns(&line(width)) <= usize::from(width));
    }
}

#[test]
fn a_bad_connection_and_a_difference_are_said_to_the_last() {
    let shown = editor((40, 10), "x", |scene| {
        scene.status.file = "minutes of the meeting.md";
        scene.status.connection = "offline, again in 12 s";
        scene.status.connection_severity = Severity::Warning;
        scene.status.agreement = Agreement::Differs;
        scene.status.peers = 2;
    });
    assert_eq!(shown.rows[8], " minutes…  ✗ differ  offline, …     1:1");
}

#[test]
fn messages_come_before_the_join_line_and_that_before_hints() {
    let line = |change: for<'a> fn(&mut Status<'a>)| {
        let shown = editor(SMALL, "x", |scene| change(&mut scene.status));
        shown.rows[9].clone()
    };
    assert_eq!(line(|_| ()), "F1 help");
    assert_eq!(line(|status| status.join = Some("ws://[::1]:1/x")), "cede join ws://[::1]:1/x         F1 help");
    assert_eq!(
        line(|status| status.join = Some("ws://[::1]:1/a-longer-name-of-a-room")),
        "join: ws://[::1]:1/a-longer-name-of-a-r…"
    );
    assert_eq!(
        line(|status| {
            status.join = Some("ws://[::1]:1/x");
            status.notice =
                Some(Notice { text: "saved \u{1B}]0;x\u{7} as a file with a long name", severity: Severity::Info });
        }),
        "saved ␛]0;x␇ as a file with a long name"
    );
    let shown = editor((40, 3), "x", |scene| {
        scene.status.notice = Some(Notice { text: "disk full", severity: Severity::Error });
    });
    assert_eq!(shown.rows, [" 1 x", "~", "disk full                        F1 help"]);
}

const KEYS: &[KeySection<'static>] = &[
    ("File", &[("^S", "save"), ("^Q", "quit")]),
    (
        "Moving",
        &[
            ("Ctrl+Left, Ctrl+Right", "to the next word"),
            ("PgUp, PgDn", "a page up or down, with the text"),
            ("^G", "to a line"),
        ],
    ),
    ("Others", &[("F2", "list of everybody in the document"), ("F3", "follow")]),
];

#[test]
fn the_help_is_paged_on_a_small_screen() {
    let help = |scroll| {
        editor(SMALL, "text\nbelow", |scene| {
            scene.overlay = Overlay::Help(Help { sections: KEYS, scroll });
        })
    };
    let shown = help(0);
    assert_eq!(
        shown.rows[..8],
        [
            " Keys                            1-7/15",
            " File",
            " ^S                   save",
            " ^Q                   quit",
            "",
            " Moving",
            " Ctrl+Left, Ctrl+Ri…  to the next word",
            " PgUp, PgDn           a page up or",
        ]
        .map(|row| row.trim_end())
    );
    assert_eq!(shown.cursor, None);
    assert_eq!(shown.rows[8], " notes.md                           1:1");
    let area = Rect::new(0, 0, SMALL.0, SMALL.1);
    assert_eq!((help_scroll_limit(area, KEYS), page_rows(area)), (8, 7));
    assert_eq!(help(8).rows[7], " F3                   follow");
    assert_eq!(help(999).rows, help(8).rows);
}

#[test]
fn the_help_stands_in_a_box_where_there_is_room() {
    let shown = editor(USUAL, "text\nbelow", |scene| {
        scene.overlay = Overlay::Help(Help { sections: KEYS, scroll: 0 });
    });
    assert_eq!(shown.rows[0], "  1 text");
    let top = shown.rows.iter().position(|row| row.starts_with("~ ┌─ Keys ──")).expect("a box");
    assert!(shown.rows[top + 1].starts_with("~ │ File"), "{:?}", shown.rows[top + 1]);
    assert_eq!(help_scroll_limit(Rect::new(0, 0, 80, 24), KEYS), 0);
}

#[test]
fn a_box_over_wide_characters_leaves_no_halves() {
    let text = format!("x{}\n", "漢".repeat(37)).repeat(22);
    let shown = editor(USUAL, &text, |scene| {
        scene.overlay = Overlay::Info(Info { title: "Title", text: "words", scroll: 0 });
    });
    let row = shown.rows.iter().position(|row| row.contains("words")).expect("the box is there");
    // The gutter of four columns has the left edge, and the last wide character the right one.
    assert_eq!(shown.rows[row - 1], format!(" 1┌─ Title {}┐", "─".repeat(66)));
    assert_eq!(shown.rows[row], format!(" 1│ words{}│", " ".repeat(68)));
    assert_eq!(shown.rows[row + 1], format!(" 1└{}┘", "─".repeat(74)));
}

#[test]
fn everybody_is_listed_with_place_and_letter() {
    const fn row(name: &'static str, marker: char, place: Option<(usize, usize)>) -> PeerRow<'static> {
        PeerRow { name, hue: Hue::new(3), marker, place, following: false, own: false, rights: "" }
    }
    const ROWS: [PeerRow<'static>; 3] = [
        PeerRow { own: true, ..row("Ada", 'A', Some((1, 1))) },
        PeerRow { following: true, ..row("Bob with a name that is too long", 'B', Some((12, 34))) },
        row("\u{202E}Eve", 'E', None),
    ];
    let shown = editor(SMALL, "x", |scene| {
        scene.overlay = Overlay::Peers(PeerList { rows: &ROWS, selected: 1 });
    });
    assert_eq!(
        shown.rows[..4],
        [
            " People",
            "    A  Ada               1:1  you",
            " >  B  Bob with a …    12:34  following",
            "    E  ‹U+202E›Eve         -",
        ]
    );
    let many = vec![row("x", 'X', None); 50];
    let shown = Shown::frame(40, 10, |frame| {
        let buffer = Buffer::new();
        let overlay = Overlay::Peers(PeerList { rows: &many, selected: 49 });
        let places = Places::of(frame.area(), &buffer);
        overlay::draw(&mut Canvas { cells: frame.buffer_mut(), palette: Palette::plain() }, &places, &overlay);
    });
    assert_eq!(shown.rows[0], " People                        44-50/50");
    assert!(shown.rows[7].starts_with(" >  X  x"));
}

#[test]
fn a_prompt_shows_the_part_around_its_caret() {
    let prompt = |input: &'static str, caret: usize, note: &'static str| {
        let shown = editor(SMALL, "text", |scene| {
            let caret = Chars(caret);
            scene.overlay = Overlay::Prompt(Prompt { label: "Find", input, caret, note });
        });
        (shown.rows[9].clone(), shown.cursor)
    };
    for (input, caret, note, row, column) in [
        ("", 0, "", "Find:", 6),
        ("no\u{1B}on", 3, "3 of 17", "Find: no␛on                      3 of 17", 9),
        ("漢字", 1, "", "Find: 漢字", 8),
        ("0123456789012345678901234567890123456789", 40, "", "Find: 789012345678901234567890123456789", 39),
        ("0123456789012345678901234567890123456789", 0, "", "Find: 012345678901234567890123456789012…", 6),
    ] {
        assert_eq!(prompt(input, caret, note), (row.to_owned(), Some((column, 9))));
    }
}

#[test]
fn a_question_shows_all_its_answers() {
    let shown = editor(SMALL, "text", |scene| {
        scene.overlay = Overlay::Question(Question {
            text: "Two others are still in this document. Their screens will say that it is offline.",
            choices: &[("y", "close anyway"), ("n", "stay")],
        });
    });
    assert_eq!(
        shown.rows[..7],
        [
            " Question",
            " Two others are still in this document.",
            " Their screens will say that it is",
            " offline.",
            "",
            " [y] close anyway",
            " [n] stay",
        ]
    );
}

#[test]
fn search_matches_are_marked_and_the_present_one_most() {
    let shown = editor(SMALL, "foo bar foo", |scene| {
        scene.matches = &[Chars(0)..Chars(3), Chars(8)..Chars(11)];
        scene.current_match = Some(Chars(8)..Chars(11));
    });
    assert_eq!(shown.where_style(0, |cell| cell.bg == Color::Indexed(222)), "...foo");
    assert_eq!(shown.where_style(0, |cell| cell.bg == Color::Indexed(208)), "...........foo");
}

#[test]
fn any_size_and_any_position_will_do() {
    static LOST: [Remote<'static>; 1] =
        [Remote { selection: Some(Chars(900)..Chars(2)), ..remote("Bob", 0, 'B', 999) }];
    for width in (0..20).chain([40, 80, 300]) {
        for height in (0..12).chain([24, 100]) {
            for overlay in [
                Overlay::None,
                Overlay::Help(Help { sections: KEYS, scroll: 3 }),
                Overlay::Peers(PeerList { rows: &[], selected: 3 }),
                Overlay::Prompt(Prompt { label: "Find", input: "x", caret: Chars(9), note: "none" }),
                Overlay::Question(Question { text: "Sure?", choices: &[("y", "yes"), ("n", "no")] }),
                Overlay::Info(Info { title: "About", text: "a\tb\n漢字\u{202E}", scroll: 9 }),
            ] {
                editor((width, height), "漢\t\u{202E}👍🏽 x\r\n", |scene| {
                    scene.remotes = remotes(&LOST);
                    scene.caret = Chars(999);
                    scene.selection = Some(Chars(5)..Chars(999));
                    scene.status.peers = 1;
                    scene.overlay = overlay;
                });
            }
        }
    }
}

#[test]
fn nothing_from_anybody_reaches_the_terminal_raw() {
    const EVIL: &str = "\u{1B}[31m\u{202E}\u{9B}\u{200B}\u{7F}\0\u{AD}\u{2028}\u{E000}\u{2066}";
    const EVIL_ROWS: [PeerRow<'static>; 1] = [PeerRow {
        name: EVIL,
        hue: Hue::new(0),
        marker: '\u{202E}',
        place: None,
        following: true,
        own: false,
        rights: "",
    }];
    static OTHERS: [Remote<'static>; 1] = [remote(EVIL, 0, '\u{1B}', 2)];
    for overlay in [
        Overlay::None,
        Overlay::Info(Info { title: EVIL, text: EVIL, scroll: 0 }),
        Overlay::Prompt(Prompt { label: EVIL, input: EVIL, caret: Chars(4), note: EVIL }),
        Overlay::Question(Question { text: EVIL, choices: &[(EVIL, EVIL)] }),
        Overlay::Help(Help { sections: &[(EVIL, &[(EVIL, EVIL)])], scroll: 0 }),
        Overlay::Peers(PeerList { rows: &EVIL_ROWS, selected: 0 }),
    ] {
        let shown = editor((120, 24), EVIL, |scene| {
            scene.remotes = remotes(&OTHERS);
            scene.status = Status {
                file: EVIL,
                connection: EVIL,
                role: EVIL,
                following: Some(EVIL),
                notice: Some(Notice { text: EVIL, severity: Severity::Error }),
                join: Some(EVIL),
                hint: EVIL,
                ..Status::default()
            };
            scene.overlay = overlay;
        });
        for cell in &shown.cells.content {
            assert!(!cell.symbol().contains(|c| EVIL.contains(c) && !"[31m".contains(c)), "{cell:?}");
        }
    }
}

#[test]
fn the_parts_of_the_screen_are_found_by_a_mouse() {
    let buffer = Buffer::from("x");
    let places = Places::of(Rect::new(0, 0, 40, 10), &buffer);
    for (at, hit) in [
        ((3, 0), Hit::Text { column: 0, row: 0 }),
        ((39, 7), Hit::Text { column: 36, row: 7 }),
        ((2, 4), Hit::Gutter { row: 4 }),
        ((9, 8), Hit::Status),
        ((9, 9), Hit::Message),
        ((40, 9), Hit::Nowhere),
    ] {
        assert_eq!(places.hit(at.0, at.1), hit);
    }
}

/// How long twenty visits to places all over a line of `words` words take.
fn visits(words: usize) -> Duration {
    let buffer = Buffer::from("word ".repeat(words).as_str());
    let mut viewport = Viewport::new(4);
    Places::of(Rect::new(0, 0, 40, 10), &buffer).fit(&mut viewport);
    let begin = Instant::now();
    for at in (0..20).map(|part| Chars(buffer.len::<Chars>().0 / 20 * part)) {
        viewport.reveal(&buffer, at, 2);
        assert!(viewport.cell_of(&buffer, at).is_some());
        let mut goal = None;
        let down = viewport.page_down(&buffer, at, &mut goal);
        let up = viewport.page_up(&buffer, down, &mut goal);
        assert_eq!(viewport.layout(&buffer).row_at(up), viewport.layout(&buffer).row_at(at));
    }
    begin.elapsed()
}

#[test]
fn a_line_of_a_megabyte_takes_no_longer_than_one_of_a_sixteenth() {
    // Measured: 20 ms and 15 ms. Laying out all of the line would take 16 times as long.
    let (short, long) = (visits(1 << 14), visits(1 << 18));
    assert!(long < short * 5 + Duration::from_millis(100), "{short:?}, but {long:?}");
}

/// The player at 3 of 12 steps.
fn player((width, height): (u16, u16), change: impl for<'a> FnOnce(&mut ReplayScene<'a>)) -> Shown {
    const AUTHORS: [Author<'static>; 3] = [
        Author { name: "Ada", hue: Hue::new(0), marker: 'A' },
        Author { name: "Bob\u{202E}", hue: Hue::new(1), marker: 'B' },
        Author { name: "Christopher", hue: Hue::new(2), marker: 'C' },
    ];
    let buffer = Buffer::from("one two\nthree");
    let mut viewport = Viewport::new(4);
    Places::of_replay(Rect::new(0, 0, width, height), &buffer).fit(&mut viewport);
    let mut scene = ReplayScene {
        buffer: &buffer,
        viewport: &viewport,
        spans: &[(0, Chars(4)), (1, Chars(6)), (9, Chars(1)), (2, Chars(1))],
        authors: &AUTHORS,
        caret: Some((1, Chars(10))),
        title: "notes.cede",
        step: 3,
        steps: 12,
        time: "0:07",
        speed: "4×",
        playing: true,
        notice: None,
        hint: "F1 help",
        overlay: Overlay::None,
        palette: Palette::rich(),
    };
    change(&mut scene);
    Shown::frame(width, height, |frame| draw_replay(frame, &scene))
}

#[test]
fn a_recording_is_shown_with_its_authors_and_how_far_it_is() {
    let shown = player(SMALL, |_| ());
    assert_eq!(
        shown.rows,
        [
            " 1 one two",
            " 2Bthree",
            "~     Bob‹U+202E›",
            "~",
            "~",
            "~",
            "~",
            " A  Ada   B  Bob‹U+202E›  +1",
            " > 0:07 [=====>--------------] 3/12  4×",
            "notes.cede                       F1 help",
        ]
    );
    let by = |y, color| shown.where_style(y, |cell| cell.fg == Color::Indexed(color));
    assert_eq!((by(0, 33).as_str(), by(0, 166).as_str()), ("...one ", ".......two"));
    assert_eq!((by(1, 166).as_str(), by(1, 28).as_str()), ("...th", "......e"));
    let shown = player((24, 5), |scene| scene.playing = false);
    assert_eq!(shown.rows[3..], [" || [===>--------] 3/12", "notes.cede       F1 help"]);
}

#[test]
fn a_recording_fits_any_screen() {
    for width in 0..50 {
        for height in 0..12 {
            for (step, steps) in [(0, 0), (0, 1), (1, 1), (usize::MAX, usize::MAX), (9, 3)] {
                player((width, height), |scene| (scene.step, scene.steps) = (step, steps));
            }
        }
    }
}

/// What a terminal shows: in each cell what was drawn there, and its background. The cells that a wide drawing covers
/// besides its first have no text.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    rows: Vec<Vec<(String, Color)>>,
    /// Most terminals draw each character by itself, so that what is drawn over one leaves the others of its cluster.
    knows_clusters: bool,
}

impl Model {
    fn blank((width, height): (u16, u16), knows_clusters: bool) -> Self {
        let row = vec![(" ".to_owned(), Color::Reset); usize::from(width)];
        Self { rows: vec![row; usize::from(height)], knows_clusters }
    }

    fn shown(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.iter().map(|(text, _)| text.as_str()).collect()).collect()
    }

    fn draw(&mut self, before: &Cells, after: &Cells) {
        for (x, y, cell) in before.diff(after) {
            let row = &mut self.rows[usize::from(y)];
            let mut at = usize::from(x);
            if self.knows_clusters {
                print(row, at, cell.symbol(), usize::from(cell.cell_width()), cell.bg);
                continue;
            }
            for c in cell.symbol().chars() {
                match c.width().unwrap_or(0) {
                    // What combines is drawn upon what precedes it.
                    0 => row[..at].iter_mut().rev().find(|(text, _)| !text.is_empty()).expect("a base").0.push(c),
                    columns => {
                        print(row, at, &c.to_string(), columns, cell.bg);
                        at += columns;
                    }
                }
            }
        }
    }
}

/// Draws a text that takes so many cells. Half of a wide drawing is nothing, so the other half is blanked.
fn print(row: &mut [(String, Color)], at: usize, text: &str, columns: usize, background: Color) {
    if row[at].0.is_empty() {
        let lead = (0..at).rev().find(|&before| !row[before].0.is_empty()).expect("a first cell");
        row[lead..at].iter_mut().for_each(|(text, _)| *text = " ".to_owned());
    }
    row[at + columns..].iter_mut().take_while(|(text, _)| text.is_empty()).for_each(|(text, _)| *text = " ".to_owned());
    row[at..at + columns].fill((String::new(), background));
    row[at].0 = text.to_owned();
}

/// The cells that the editor draws, changed or not since the last time.
fn drawn(size: (u16, u16), text: &str, selected: Range<usize>, overlay: &Overlay<'_>) -> Cells {
    let buffer = Buffer::from(text);
    let mut viewport = Viewport::new(4);
    Places::of(Rect::new(0, 0, size.0, size.1), &buffer).fit(&mut viewport);
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("cannot fail");
    let scene = Scene {
        buffer: &buffer,
        viewport: &viewport,
        caret: Chars(0),
        selection: Some(Chars(selected.start)..Chars(selected.end)),
        matches: &[],
        current_match: None,
        remotes: &[],
        status: Status { file: "notes.md", line: 1, column: 1, ..Status::default() },
        overlay: overlay.clone(),
        palette: Palette::rich(),
    };
    terminal.draw(|frame| draw(frame, &scene)).expect("cannot fail").buffer.clone()
}

#[test]
fn what_is_drawn_by_differences_is_what_is_drawn_at_once() {
    const PARTS: [&str; 18] = [
        "a",
        "b",
        " ",
        "\n",
        "\t",
        "日",
        "語",
        "क्षि",
        "षि",
        "का",
        "🇩🇪",
        "🇫🇷",
        "🇩",
        "กำ",
        "ﾊﾞ",
        "e\u{301}",
        "👩\u{200D}🌾",
        "각",
    ];
    const SIZE: (u16, u16) = (30, 8);
    let overlays = [Overlay::None, Overlay::Info(Info { title: "日本語", text: "कषि 🇩🇪\nกำ", scroll: 0 })];
    let mut state = seed();
    let mut parts: Vec<&str> = vec!["a", "क्षि", "b"];
    let blank = Cells::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    let mut models = [false, true].map(|knows_clusters| Model::blank(SIZE, knows_clusters));
    let mut before = blank.clone();
    for step in 0..4000 {
        let text = parts.concat();
        let chars = text.chars().count();
        let (from, until) = (below(&mut state, chars + 1), below(&mut state, chars + 1));
        let selected = if below(&mut state, 3) == 0 { from..from.max(until) } else { 0..0 };
        let overlay = &overlays[usize::from(below(&mut state, 8) == 0)];
        let after = drawn(SIZE, &text, selected, overlay);
        for model in &mut models {
            model.draw(&before, &after);
            let mut anew = Model::blank(SIZE, model.knows_clusters);
            anew.draw(&blank, &after);
            assert!(*model == anew, "step {step}, {text:?}: {:#?}, and at once {:#?}", model.shown(), anew.shown());
        }
        before = after;
        let at = below(&mut state, parts.len() + 1);
        if parts.len() > 40 || below(&mut state, 2) == 0 && at < parts.len() {
            parts.remove(at.min(parts.len() - 1));
        } else {
            parts.insert(at, PARTS[below(&mut state, PARTS.len())]);
        }
    }
}
