//! Every character there is, alone and in clusters, in every place of the screen where somebody else's words may stand:
//! of all that comes out for the terminal, nothing but text that is seen and the few sequences that the editor needs.
//!
//! Shown are the characters that have a mind of their own and some of the rest;
//! `SCALARS=all cargo test -p cede-tests --test scalars` shows all 1,112,064.
//!
//! Planted by hand to see it fail, in `tui-demo/src/glyph/scalar.rs`: `Is::Format` taken from the line of `Is::Control`
//! (U+0600 comes out), and `'\u{34F}'` from `is_invisible`.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use cede::{Buffer, Chars};
use cede_tests::terminal::output;
use cede_tui::layout::Viewport;
use cede_tui::palette::{Hue, Palette};
use cede_tui::screen::{
    Author, Info, Notice, Overlay, PeerList, PeerRow, Places, Prompt, Question, Remote, ReplayScene, Scene, Severity,
    Status, draw, draw_replay,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions};

/// Room for all clusters of one character side by side.
const TEXT: (u16, u16) = (250, 66);
/// Room for a list of two and what stands below.
const PLACES: (u16, u16) = (90, 9);

/// What a character is put together with: nothing, letters, marks, a family that is joined, selectors, a flag, an Arabic
/// letter and a consonant that takes joiners, a command that it would be part of.
fn clusters(c: char) -> [String; 8] {
    [
        format!("{c}"),
        format!("a{c}b"),
        format!("{c}\u{301}{c}"),
        format!("👩\u{200d}{c}\u{200d}👧"),
        format!("{c}\u{fe0f}\u{1f3fd}"),
        format!("🇩{c}🇪"),
        format!("\u{645}\u{200d}{c}\u{915}\u{94d}{c}"),
        format!("\u{1b}[{c}31m{c}"),
    ]
}

/// What is to be shown: all, or those that are `peculiar` and every so many of the rest.
fn chosen(peculiar: fn(char) -> bool, every: u32) -> Vec<char> {
    let is_all = std::env::var("SCALARS").is_ok_and(|value| value == "all");
    ('\0'..=char::MAX).filter(|&c| is_all || peculiar(c) || u32::from(c) % every == 0).collect()
}

/// Scripts, marks, controls and emoji: whatever a terminal does not simply draw.
fn is_unusual(c: char) -> bool {
    matches!(c, '\0'..='\u{33ff}' | '\u{a640}'..='\u{abff}' | '\u{d7b0}'..='\u{d7ff}' | '\u{fb00}'..='\u{ffff}'
        | '\u{10a00}'..='\u{11fff}' | '\u{13430}'..='\u{1345f}' | '\u{1d165}'..='\u{1d1ad}' | '\u{1f000}'..='\u{1faff}'
        | '\u{e0000}'..='\u{e01ff}')
}

/// What steers, joins, selects or hides.
fn is_wilful(c: char) -> bool {
    matches!(c, '\0'..='\u{ff}' | '\u{300}'..='\u{36f}' | '\u{600}'..='\u{61f}' | '\u{1160}'..='\u{11ff}'
        | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{ff9e}'..='\u{ffa0}'
        | '\u{fff0}'..='\u{ffff}' | '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e007f}')
}

/// What has been written; clones share it.
#[derive(Clone, Default)]
struct Written(Rc<RefCell<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A terminal that keeps what is written to it.
struct Paper {
    terminal: Terminal<CrosstermBackend<Written>>,
    written: Written,
}

impl Paper {
    fn new((columns, rows): (u16, u16)) -> Self {
        let (viewport, written) = (ratatui::Viewport::Fixed(Rect::new(0, 0, columns, rows)), Written::default());
        let options = TerminalOptions { viewport };
        let terminal = Terminal::with_options(CrosstermBackend::new(written.clone()), options).expect("a terminal");
        Self { terminal, written }
    }

    /// Draws, and looks at all that has come out. `what` is told when something is wrong.
    fn draw(&mut self, what: &str, draw: impl FnOnce(&mut Frame<'_>)) {
        self.terminal.draw(draw).expect("memory can be written to");
        let written = self.written.0.take();
        if let Err(stray) = output::check(&written) {
            panic!("{what:?}: {stray}");
        }
    }
}

/// A screen with a text and `words` in every place around it.
fn editor<'a>(buffer: &'a Buffer, viewport: &'a Viewport, words: &'a str, overlay: Overlay<'a>) -> Scene<'a> {
    let notice = Notice { text: words, severity: Severity::Error };
    Scene {
        buffer,
        viewport,
        caret: Chars(0),
        selection: Some(Chars(0)..Chars(3)),
        matches: &[],
        current_match: None,
        remotes: &[],
        status: Status {
            file: words,
            connection: words,
            role: words,
            following: Some(words),
            join: Some(words),
            notice: Some(notice),
            hint: words,
            ..Status::default()
        },
        overlay,
        palette: Palette::rich(),
    }
}

fn fitted(buffer: &Buffer, (columns, rows): (u16, u16)) -> Viewport {
    let mut viewport = Viewport::new(4);
    Places::of(Rect::new(0, 0, columns, rows), buffer).fit(&mut viewport);
    viewport
}

#[test]
fn every_scalar_value_in_the_text() {
    let chosen = chosen(is_unusual, 61);
    let mut paper = Paper::new(TEXT);
    // Each in a line of its own, so that none falls off the screen.
    for some in chosen.chunks(usize::from(TEXT.1) - 2) {
        let lines: Vec<String> = some.iter().map(|&c| clusters(c).join(" ")).collect();
        let buffer = Buffer::from(lines.join("\n").as_str());
        let viewport = fitted(&buffer, TEXT);
        let scene = editor(&buffer, &viewport, "", Overlay::None);
        paper.draw(&format!("text from U+{:04X} on", u32::from(some[0])), |frame| draw(frame, &scene));
    }
    cede_tests::tell(format!("{} characters, each in {} clusters, in the text", chosen.len(), clusters('a').len()));
}

#[test]
fn every_scalar_value_in_every_other_place() {
    let chosen = chosen(is_wilful, 127);
    let mut paper = Paper::new(PLACES);
    // Few enough for a name of some twenty columns to show them.
    for few in chosen.chunks(2) {
        let alone: String = few.iter().collect();
        everywhere(&mut paper, &alone);
    }
    for &one in chosen.iter().filter(|&&c| is_wilful(c)) {
        let [_, _, _, family, selector, flag, script, command] = clusters(one);
        for cluster in [family, selector, flag, script, command] {
            lines(&mut paper, &cluster);
        }
    }
    cede_tests::tell(format!("{} characters in every place of the screen", chosen.len()));
}

/// All widgets with these words.
fn everywhere(paper: &mut Paper, words: &str) {
    let what = format!("{}", words.escape_unicode());
    let buffer = Buffer::from(words);
    let viewport = fitted(&buffer, PLACES);
    let hue = Hue::new(3);
    let people = [Remote { name: words, hue, marker: 'A', caret: Some(Chars(0)), selection: None }];
    let row = PeerRow { name: words, hue, marker: 'A', place: None, following: true, own: false, rights: words };
    let overlays = [
        Overlay::None,
        Overlay::Peers(PeerList { rows: &[row, row], selected: 1 }),
        Overlay::Prompt(Prompt { label: words, input: words, caret: Chars(1), note: words }),
        Overlay::Question(Question { text: words, choices: &[("y", words)] }),
        Overlay::Info(Info { title: words, text: words, scroll: 0 }),
    ];
    for overlay in overlays {
        let mut scene = editor(&buffer, &viewport, words, overlay);
        scene.remotes = &people;
        paper.draw(&what, |frame| draw(frame, &scene));
        // Where there is no notice, what stands below it is seen.
        scene.status.notice = None;
        scene.status.following = None;
        paper.draw(&what, |frame| draw(frame, &scene));
    }
    let author = Author { name: words, hue, marker: 'A' };
    let scene = ReplayScene {
        buffer: &buffer,
        viewport: &viewport,
        spans: &[(0, Chars(9))],
        authors: &[author, author],
        caret: Some((0, Chars(0))),
        title: words,
        step: 1,
        steps: 2,
        time: words,
        speed: words,
        playing: true,
        notice: Some(Notice { text: words, severity: Severity::Info }),
        hint: words,
        overlay: Overlay::None,
        palette: Palette::rich(),
    };
    paper.draw(&what, |frame| draw_replay(frame, &scene));
}

/// The places that are a line, with a whole cluster.
fn lines(paper: &mut Paper, words: &str) {
    let buffer = Buffer::from("");
    let viewport = fitted(&buffer, PLACES);
    let prompt = Prompt { label: words, input: words, caret: Chars(0), note: words };
    let scene = editor(&buffer, &viewport, words, Overlay::Prompt(prompt));
    paper.draw(&format!("{}", words.escape_unicode()), |frame| draw(frame, &scene));
}
