//! What is to be shown, as plain data that the program fills anew for every frame.
//!
//! Knows what a person can see: a text with carets and selections, a status, one overlay. Does
//! not know where any of it comes from, nor how it is drawn. Text in here may come from
//! anybody: every string is made safe when it is drawn, never before. All positions are in
//! chars of `buffer`; one beyond its end counts as the end.

use std::ops::Range;

use cede::{Buffer, Chars};

use crate::layout::Viewport;
use crate::palette::{Hue, Palette};

/// Everything that the editor shows in one frame.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    /// The text.
    pub buffer: &'a Buffer,
    /// Which part of it is shown; [`Places::fit`](crate::screen::Places::fit) gives it its size.
    pub viewport: &'a Viewport,
    /// Where one's own caret stands.
    pub caret: Chars,
    /// What one has selected oneself.
    pub selection: Option<Range<Chars>>,
    /// Search matches within the visible range, ascending.
    pub matches: &'a [Range<Chars>],
    /// The match that the search stands on.
    pub current_match: Option<Range<Chars>>,
    /// Everybody else who is in the document.
    pub remotes: &'a [Remote<'a>],
    /// The status line.
    pub status: Status<'a>,
    /// What is drawn above the text, if anything.
    pub overlay: Overlay<'a>,
    /// Which colours the terminal has.
    pub palette: Palette,
}

/// Another person in the document.
#[derive(Clone, Debug)]
pub struct Remote<'a> {
    /// The name that the person has chosen.
    pub name: &'a str,
    /// The person's colour, the same on every screen.
    pub hue: Hue,
    /// The person's letter, told apart from everybody else's: see [`crate::palette::markers`].
    pub marker: char,
    /// Where the person's caret stands, when that is known.
    pub caret: Option<Chars>,
    /// What the person has selected.
    pub selection: Option<Range<Chars>>,
}

/// What the status line says. It drops the least important parts first when it is narrow.
#[derive(Clone, Debug, Default)]
pub struct Status<'a> {
    /// The file's name, as a person would say it (not the whole path).
    pub file: &'a str,
    /// The text differs from what the file holds.
    pub modified: bool,
    /// How many others are in the document.
    pub peers: usize,
    /// The state of the connection, in few words; empty for a document edited alone.
    pub connection: &'a str,
    /// How good that state is.
    pub connection_severity: Severity,
    /// Whether the server holds the same version and the same text.
    pub agreement: Agreement,
    /// Own events that the server has not yet called durable.
    pub unacknowledged: u64,
    /// What one is here: `host`, `guest`, `alone`…; may be empty.
    pub role: &'a str,
    /// The person whom the screen follows.
    pub following: Option<&'a str>,
    /// Where others join (`ws://…`): shown on the message line when nothing else is.
    pub join: Option<&'a str>,
    /// The caret's line, counted from 1.
    pub line: usize,
    /// The caret's column in clusters, counted from 1.
    pub column: usize,
    /// The latest message to the person.
    pub notice: Option<Notice<'a>>,
    /// Keys to remember, shown on the message line when nothing else is (`F1 help  ^Q quit`).
    pub hint: &'a str,
}

/// Is what one sees what the others have?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Agreement {
    /// There is nobody to compare with.
    #[default]
    Unknown,
    /// Not yet: something is under way.
    Pending,
    /// Version and text are equal.
    Equal,
    /// The versions are equal and the texts are not: a defect.
    Differs,
}

/// A message to the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice<'a> {
    /// What it says.
    pub text: &'a str,
    /// How much it matters.
    pub severity: Severity,
}

/// How much something matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// All is well.
    #[default]
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
}

/// Something drawn above the text. It never moves the text below.
#[derive(Clone, Debug, Default)]
pub enum Overlay<'a> {
    /// Nothing.
    #[default]
    None,
    /// All keys.
    Help(Help<'a>),
    /// Who is in the document.
    Peers(PeerList<'a>),
    /// A line of text is asked for, on the message line.
    Prompt(Prompt<'a>),
    /// One of several answers is asked for.
    Question(Question<'a>),
    /// A text to read.
    Info(Info<'a>),
}

/// A section of the key table: its title, then pairs of keys and what they do.
pub type KeySection<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// The table of keys.
#[derive(Clone, Copy, Debug)]
pub struct Help<'a> {
    /// The table.
    pub sections: &'a [KeySection<'a>],
    /// The first row shown; more than [`crate::screen::help_scroll_limit`] counts as that.
    pub scroll: usize,
}

/// The list of everybody in the document.
#[derive(Clone, Copy, Debug)]
pub struct PeerList<'a> {
    /// The people, in a stable order.
    pub rows: &'a [PeerRow<'a>],
    /// The chosen row.
    pub selected: usize,
}

/// One person in the list.
#[derive(Clone, Copy, Debug)]
pub struct PeerRow<'a> {
    /// The name that the person has chosen.
    pub name: &'a str,
    /// The person's colour.
    pub hue: Hue,
    /// The person's letter.
    pub marker: char,
    /// The caret's line and column, counted from 1, when they are known.
    pub place: Option<(usize, usize)>,
    /// The screen follows this person.
    pub following: bool,
    /// This is oneself.
    pub own: bool,
    /// What the person may do, when it is not what most may.
    pub rights: &'a str,
}

/// A line of text being asked for.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// What is asked (`Find`, `Save as`).
    pub label: &'a str,
    /// What has been typed.
    pub input: &'a str,
    /// Where in `input` the caret stands.
    pub caret: Chars,
    /// What there is to say about the input so far (`3 of 17`, `not found`); may be empty.
    pub note: &'a str,
}

/// One answer of several being asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The question.
    pub text: &'a str,
    /// The answers: key and meaning (`("y", "close anyway")`).
    pub choices: &'a [(&'a str, &'a str)],
}

/// A text to read.
#[derive(Clone, Copy, Debug)]
pub struct Info<'a> {
    /// Its title.
    pub title: &'a str,
    /// The text; lines end at `'\n'` and are wrapped.
    pub text: &'a str,
    /// The first row shown; more than there are counts as the last.
    pub scroll: usize,
}

/// Everything that the player of a recorded session shows in one frame.
#[derive(Clone, Debug)]
pub struct ReplayScene<'a> {
    /// The text at this step.
    pub buffer: &'a Buffer,
    /// Which part of it is shown.
    pub viewport: &'a Viewport,
    /// Who wrote what: index into `authors` and length, from the start of the text on. What
    /// lies behind the last span, or has an index beyond the authors, is nobody's.
    pub spans: &'a [(usize, Chars)],
    /// Everybody who has written.
    pub authors: &'a [Author<'a>],
    /// The author of the latest step, as an index into `authors`, and where it left the caret.
    pub caret: Option<(usize, Chars)>,
    /// What is being played.
    pub title: &'a str,
    /// How many steps have been played.
    pub step: usize,
    /// How many steps there are.
    pub steps: usize,
    /// When this step happened (`1:02:33`); empty when the recording does not say.
    pub time: &'a str,
    /// How fast it plays (`4×`).
    pub speed: &'a str,
    /// It plays on by itself.
    pub playing: bool,
    /// The latest message to the person.
    pub notice: Option<Notice<'a>>,
    /// Keys to remember.
    pub hint: &'a str,
    /// Help or Info, if anything.
    pub overlay: Overlay<'a>,
    /// Which colours the terminal has.
    pub palette: Palette,
}

/// Somebody who has written.
#[derive(Clone, Copy, Debug)]
pub struct Author<'a> {
    /// The name, or what stands for it.
    pub name: &'a str,
    /// The author's colour.
    pub hue: Hue,
    /// The author's letter.
    pub marker: char,
}
