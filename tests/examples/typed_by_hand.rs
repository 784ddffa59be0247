//! Makes the recording that the repository carries: three people write a page together, each in an editor of their own.
//!
//! ```text
//! cargo build --release
//! cargo run -p cede-tests --example typed_by_hand -- target/release/cede tests/data/typed-by-hand.cede
//! ```
//!
//! The three are hands and not heads: what they type is written down below, how fast and when is left to them, and
//! everything goes through real editors in pseudo-terminals. The history is that of the host. It differs from run to
//! run, as the pauses between keys do.

use std::env;
use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use cede_tests::random::Random;
use cede_tests::terminal::desk::{Desk, join_url, quit, save, wait_until_equal};
use cede_tests::terminal::{Key, Terminal};

/// What somebody does next.
enum Step {
    /// Types. `⌫` stands for Backspace, which people press as often as they err.
    Type(&'static str),
    /// Looks for a text and goes to the end of its line.
    Find(&'static str),
    /// Presses a key.
    Press(Key),
    /// Waits until others have written something.
    Read(&'static str),
}

use Step::{Find, Press, Read, Type};

const ADA: &[Step] = &[
    Type("# Saturday at the river\n\n"),
    Type("When: Satruday⌫⌫⌫⌫⌫urday, nine at the old brigde⌫⌫⌫dge\n"),
    Type("Who: \n\n## What to bring\n\n\n## Plan\n\n\n## Talk\n\n"),
    Find("Who:"),
    Type("Ada, Ben, Cleo"),
    Read("- bread"),
    Find("## What"),
    Type("\n- blankets and the big pot (Ada)"),
    Read("I have to fetch the boat first."),
    Press(Key::CtrlEnd),
    Type("Ada: ten is fine for me, the ice cream man comes at elevn⌫en anyway.\n"),
    Read("says yes, by the way!"),
    Find("When: Saturday"),
    Type(" -- no"),
    Press(Key::Ctrl('w')),
    Press(Key::Home),
    Press(Key::Ctrl('k')),
    Type("When: Saturday, ten at the old bridge"),
    Find("## Plan"),
    Type("\n1. Everybody meets at the bridge, nobody is late."),
    Read("2. Boat for three"),
    Find("1. Everybody"),
    Press(Key::Ctrl('w')),
    Press(Key::Ctrl('w')),
    Type("late but Ben."),
];

const BEN: &[Step] = &[
    Read("## Talk"),
    Find("## What"),
    Type("\n- bread, chesse⌫⌫⌫ese and aples⌫⌫⌫⌫pples (Ben)\n- the boat, if my bruther⌫⌫⌫⌫⌫other lets me"),
    Press(Key::CtrlEnd),
    Type("Ben: is nine too early for anyone? I have to fetch the boat frist⌫⌫⌫⌫irst.\n"),
    Read("comes at eleven anyway."),
    Press(Key::CtrlEnd),
    Type("Ben: ten it is. My brohter⌫⌫⌫⌫ther says yes, by the way!\n"),
    Find("the boat, if"),
    Type(" (he does)"),
    Read("nobody is late."),
    Find("1. Everybody"),
    Type("\n2. Boat for three, the rest by bicycle along the dyke⌫⌫⌫⌫bank."),
];

const CLEO: &[Step] = &[
    Read("## Talk"),
    Find("## Plan"),
    Press(Key::Down),
    Type("Lunch on the little island, wether⌫⌫⌫⌫ather permitting; otherwise undre⌫⌫er the bridge.\n"),
    Type("Back before the lock closes at seven."),
    Press(Key::Ctrl('w')),
    Press(Key::Ctrl('w')),
    Type("six, alas."),
    Read("- the boat, if my brother lets me"),
    Find("- the boat"),
    Type("\n- a map, plasters, and a wistle⌫⌫⌫⌫⌫histle (Cleo)\n- tea 🍵, käse⌫⌫⌫⌫coffee ☕, and far too many biscuits"),
    Read("says yes, by the way!"),
    Press(Key::CtrlEnd),
    Type("Cleo: good. Does anybody have a secnd⌫⌫ond pump?\n"),
    Type("Cleo: never mind, I found one. I bring the gutiar⌫⌫⌫⌫itar, too, if there is room.\n"),
];

/// The words by which everybody sees that it is done.
const DONE: [&str; 6] = [
    "is late but Ben.",
    "along the bank.",
    "six, alas.",
    "lets me (he does)",
    "far too many biscuits",
    "guitar, too, if there is room.",
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [program, into] = words.as_slice() else {
        eprintln!("typed_by_hand PROGRAM FILE.cede");
        return ExitCode::from(2);
    };
    let program = fs::canonicalize(program).expect("the program is there");
    let desk = Desk::new(program);
    let mut ada = desk.edit("Ada", &["share", "river.md"]);
    let url = join_url(&ada);
    let mut ben = desk.edit("Ben", &["join", &url]);
    let mut cleo = desk.edit("Cleo", &["join", &url]);
    thread::scope(|scope| {
        for (editor, steps, seed) in [(&mut ada, ADA, 1), (&mut ben, BEN, 2), (&mut cleo, CLEO, 3)] {
            scope.spawn(move || act(editor, steps, seed));
        }
    });
    wait_until_equal(&[&ada, &ben, &cleo], &DONE);
    save(&mut ada);
    quit(ben);
    quit(cleo);
    ada.wait_for_no("peer");
    quit(ada);
    fs::copy(desk.path("river.md.cede"), into).expect("the recording is kept");
    println!("{}", desk.read("river.md"));
    ExitCode::SUCCESS
}

fn act(editor: &mut Terminal, steps: &[Step], seed: u64) {
    let mut random = Random::from_seed(seed);
    for step in steps {
        match step {
            Type(text) => type_like_a_person(editor, text, &mut random),
            Find(text) => find(editor, text),
            Press(key) => editor.press(*key),
            Read(text) => editor.wait_for_text(text),
        }
        // A moment's thought.
        thread::sleep(Duration::from_millis(random.between(100, 600) as u64));
    }
}

/// A fast typist's pace, with a breath between words.
fn type_like_a_person(editor: &mut Terminal, text: &str, random: &mut Random) {
    for c in text.chars() {
        match c {
            '⌫' => editor.press(Key::Backspace),
            c => editor.type_text(c.encode_utf8(&mut [0; 4])),
        }
        let pace = if c == ' ' { (60, 160) } else { (30, 90) };
        thread::sleep(Duration::from_millis(random.between(pace.0, pace.1) as u64));
    }
}

fn find(editor: &mut Terminal, text: &str) {
    editor.press(Key::Ctrl('f'));
    editor.wait_for_text("Find:");
    editor.press(Key::Ctrl('a'));
    editor.type_text(text);
    editor.wait_for_text(&format!("Find: {text}"));
    editor.press(Key::Enter);
    editor.wait_for_no("Find:");
    editor.press(Key::End);
}
