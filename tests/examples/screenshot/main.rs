//! Makes the picture in the README: two people in one text, as one of them sees it.
//!
//! ```text
//! cargo build --release
//! cargo run -p cede-tests --example screenshot -- target/release/cede tests/data/screen.svg
//! ```

mod svg;

use std::env;
use std::fs;
use std::process::ExitCode;

use cede_tests::terminal::desk::{Desk, is_in_sync, join_url, wait_until_open};
use cede_tests::terminal::{Key, Size, Terminal, shows};

/// As large as a picture in a README can be read.
const SIZE: Size = Size::new(84, 20);

const TEXT: &str = "\
# Saturday at the river

When: ten, at the old bridge
Who:  Ada, Ben, Cleo

## What to bring

- bread, cheese and apples (Ben)
- a map, plasters, and a whistle (Cleo)
- tea 🍵, coffee ☕, and far too many biscuits

## Plan

Lunch on the little island, weather permitting; otherwise we eat
under the bridge, as last year.

";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [program, into] = words.as_slice() else {
        eprintln!("screenshot PROGRAM FILE.svg");
        return ExitCode::from(2);
    };
    let desk = Desk::new(fs::canonicalize(program).expect("the program is there"));
    desk.write("river.md", TEXT);
    let share = ["share", "river.md", "--bind", "127.0.0.1:7171", "--room", "river"];
    let mut ada = Terminal::spawn("Ada", &desk.cede(&share).env("CEDE_NAME", "Ada"), SIZE);
    wait_until_open(&ada);
    let mut ben = desk.edit("Ben", &["join", &join_url(&ada)]);
    ben.wait_for_text("last year");
    ada.wait_for_text("1 peer");

    ada.press(Key::CtrlEnd);
    ada.type_text("Back before the lock closes");
    go_to(&mut ben, "8:33");
    ben.type_text("\n- the boat, if my brother lets me");
    ada.wait_for_text("lets me");
    ada.press(Key::Esc);
    ada.wait_for("both, in sync", |screen| {
        shows(screen, "lock closes") && is_in_sync(screen) && !shows(screen, "came in")
    });
    fs::write(into, svg::picture(&ada.screen(), "Two people in one text")).expect("the picture is written");
    ExitCode::SUCCESS
}

fn go_to(editor: &mut Terminal, place: &str) {
    editor.press(Key::Ctrl('g'));
    editor.wait_for_text("Go to line");
    editor.type_text(place);
    editor.press(Key::Enter);
    editor.wait_for_no("Go to line");
}
