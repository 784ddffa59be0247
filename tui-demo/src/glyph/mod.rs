//! What a grapheme cluster from anybody looks like on a terminal.
//!
//! Knows clusters, their widths and what must never reach a terminal raw; does not know lines,
//! documents or colours. A cluster becomes one or more [`Piece`]s, each made to stand in a
//! terminal's cells by itself. Three rules decide how:
//!
//! - What acts without being seen is shown by name: controls, what steers the direction of
//!   writing, invisible, unassigned and private characters become `␛` or `‹U+202E›`.
//! - Where terminals disagree about a width, the form is chosen that all draw alike: an emoji
//!   joined of several is drawn as its parts, a variation selector or a skin tone is left out.
//! - One cluster never takes more than [`MOST_COLUMNS`] columns and one cell never more than
//!   [`MOST_MARKS`] combining marks; what is over is counted (`‹+492›`).
//!
//! Everything here costs time proportional to the cluster, which [`Clusters`] keeps short.

mod cluster;
mod scalar;

use std::fmt::Write;

use unicode_properties::UnicodeEmoji;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub use cluster::{Clusters, LONGEST_CLUSTER, boundary_after, boundary_before, cluster_at};
pub use cluster::{clusters_from, is_boundary};
use scalar::{Shape, is_hangul_part, shape, takes_joiners, takes_selectors};

/// How many columns one cluster takes at most, tabs aside.
pub const MOST_COLUMNS: u16 = 32;

/// How many combining marks are drawn on one character. Scripts in use stack four or five.
pub const MOST_MARKS: usize = 8;

/// What a piece of text is to be drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Text, as it is.
    Text,
    /// The blank of a tab.
    Tab,
    /// A stand-in for something that cannot be seen.
    StandIn,
}

/// Something to be drawn into `columns` cells, at once.
///
/// Invariant: `text` holds no control, format or unassigned character, and `columns` is its
/// width by `unicode-width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// What goes into the first of the cells.
    pub text: &'a str,
    /// How many cells it takes; never 0.
    pub columns: u16,
    /// What it is to be drawn as.
    pub look: Look,
}

/// Draws a cluster that begins at `column` of its row, with tab stops every `tab` columns.
pub fn each_piece(cluster: &str, column: u16, tab: u16, mut draw: impl FnMut(Piece<'_>)) {
    match cluster.as_bytes() {
        [b' '..=b'~'] => draw(Piece { text: cluster, columns: 1, look: Look::Text }),
        b"\t" => {
            for _ in 0..tab_columns(column, tab) {
                draw(Piece { text: " ", columns: 1, look: Look::Tab });
            }
        }
        _ => Pieces::new(draw).cluster(cluster),
    }
}

/// How many columns [`each_piece`] draws.
pub fn columns(cluster: &str, column: u16, tab: u16) -> u16 {
    match cluster.as_bytes() {
        [b' '..=b'~'] => 1,
        b"\t" => tab_columns(column, tab),
        _ => {
            let mut sum = 0;
            Pieces::new(|piece| sum += piece.columns).cluster(cluster);
            sum
        }
    }
}

fn tab_columns(column: u16, tab: u16) -> u16 {
    let tab = tab.max(1);
    tab - column % tab
}

/// A text from anybody made fit to stand in a line of at most `most` columns: a name, a file
/// name, a title. A text that is too long ends in `…`.
///
/// Costs time proportional to `most`, however long the text is.
pub fn label(text: &str, most: usize) -> String {
    let mut shown = String::new();
    each_label_piece(text, most, |piece| shown.push_str(piece.text));
    shown
}

/// Draws a [`label`]; gives how many columns it took.
pub fn each_label_piece(text: &str, most: usize, mut draw: impl FnMut(Piece<'_>)) -> usize {
    // What could be left out to make room for the ellipsis is kept in hand.
    let mut pieces: Vec<(String, u16, Look)> = Vec::new();
    let mut used = 0;
    let mut clusters = Clusters::of(text);
    while used <= most {
        let Some(cluster) = clusters.advance() else { break };
        Pieces::new(|Piece { text, columns, look }| {
            pieces.push((text.to_owned(), columns, look));
            used += usize::from(columns);
        })
        .cluster(cluster);
    }
    if used > most {
        while used + 1 > most {
            let Some((_, columns, _)) = pieces.pop() else { return 0 };
            used -= usize::from(columns);
        }
        pieces.push(("…".to_owned(), 1, Look::Text));
        used += 1;
    }
    for (text, columns, look) in &pieces {
        draw(Piece { text, columns: *columns, look: *look });
    }
    used
}

/// How many columns `text` takes as a [`label`] that is not cut; O(length).
pub fn label_columns(text: &str) -> usize {
    let mut sum = 0;
    let mut clusters = Clusters::of(text);
    while let Some(cluster) = clusters.advance() {
        Pieces::new(|piece| sum += usize::from(piece.columns)).cluster(cluster);
    }
    sum
}

/// Takes a cluster apart.
struct Pieces<D> {
    draw: D,
    /// The piece in hand: a character and what combines with it.
    piece: String,
    /// The character that the piece in hand began with.
    base: Option<char>,
    marks: usize,
    /// Joiners, selectors and skin tones left out of the piece in hand: one of each is good
    /// spelling, more are a hiding place.
    left_out: Vec<char>,
    /// Columns drawn so far, the piece in hand not counted.
    columns: u16,
    /// Characters for which there was no room.
    over: usize,
}

/// The columns that the next character may lead to: the piece in hand, the longest name
/// (`‹U+10FFFF›`) and the count of what is over (`‹+256›`).
const RESERVE: u16 = MOST_PIECE_COLUMNS + 10 + 6;

/// How many columns one piece takes at most: a consonant cluster of an Indic script.
pub const MOST_PIECE_COLUMNS: u16 = 4;

/// How many bytes a piece may have for another character to join it.
const MOST_PIECE_BYTES: usize = 64;

impl<D: FnMut(Piece<'_>)> Pieces<D> {
    fn new(draw: D) -> Self {
        let piece = String::new();
        Self { draw, piece, base: None, marks: 0, left_out: Vec::new(), columns: 0, over: 0 }
    }

    fn cluster(mut self, cluster: &str) {
        let mut rest = cluster.chars();
        while let Some(c) = rest.next() {
            if self.columns + RESERVE > MOST_COLUMNS {
                self.over += 1;
                continue;
            }
            let next = rest.clone().next();
            self.character(c, next);
        }
        self.flush();
        if self.over > 0 {
            let over = self.over;
            self.stand_in(format_args!("‹+{over}›"));
        }
    }

    fn character(&mut self, c: char, next: Option<char>) {
        if self.may_leave_out(c, next) {
            self.left_out.push(c);
            return;
        }
        match shape(c) {
            Shape::Blank(columns) => {
                self.flush();
                for _ in 1..columns {
                    self.put(" ", 1, Look::Text);
                }
                self.begin(' ');
            }
            Shape::Base if self.joins(c) => self.piece.push(c),
            Shape::Base => {
                self.flush();
                self.begin(c);
            }
            Shape::Indicator => match self.base {
                // Two of them are a flag: two columns everywhere, whether drawn as a flag or not.
                Some(first) if is_indicator(first) && self.piece.len() == first.len_utf8() => {
                    self.piece.push(c);
                }
                _ => {
                    self.flush();
                    self.begin(c);
                }
            },
            Shape::Mark => self.mark(c),
            Shape::Picture(picture) => {
                self.flush();
                self.stand_in(format_args!("{picture}"));
            }
            Shape::Name => {
                self.flush();
                self.stand_in(format_args!("‹U+{:04X}›", c as u32));
            }
        }
    }

    /// Is `c` an invisible part of well-spelled text, so that leaving it out hides nothing?
    fn may_leave_out(&self, c: char, next: Option<char>) -> bool {
        let Some(base) = self.base else { return false };
        let fits = match c {
            // Joiners: between emoji, which are then drawn one by one, and where the script has
            // letters that join.
            '\u{200D}' => takes_joiners(base) || is_pictograph(base) && next.is_some_and(is_pictograph),
            '\u{200C}' => takes_joiners(base),
            '\u{FE0E}' | '\u{FE0F}' => self.marks == 0 && base.is_emoji_char(),
            '\u{1F3FB}'..='\u{1F3FF}' => self.marks == 0 && is_pictograph(base),
            _ => self.marks == 0 && takes_selectors(base, c),
        };
        fits && !self.left_out.contains(&c) && self.left_out.len() < 3
    }

    /// Is `c`, which takes room of its own, to be drawn together with the piece in hand?
    fn joins(&self, c: char) -> bool {
        let Some(base) = self.base else { return false };
        if is_pictograph(base) || is_indicator(base) || is_pictograph(c) {
            return false;
        }
        let columns = self.piece.width() + c.width().unwrap_or(0);
        columns <= usize::from(MOST_PIECE_COLUMNS) && self.piece.len() < MOST_PIECE_BYTES
    }

    fn mark(&mut self, c: char) {
        if self.base.is_none() && !is_hangul_part(c) {
            // Unicode's way to show a mark that stands on nothing.
            self.piece.push('◌');
            self.piece.push(c);
            let alone = self.piece.width() == 1;
            self.piece.clear();
            if alone {
                self.begin('◌');
            }
        }
        match self.base {
            Some(_) if self.marks < MOST_MARKS => {
                self.piece.push(c);
                self.marks += 1;
            }
            Some(_) => self.over += 1,
            None => self.stand_in(format_args!("‹U+{:04X}›", c as u32)),
        }
    }

    fn begin(&mut self, base: char) {
        self.piece.push(base);
        self.base = Some(base);
        self.marks = 0;
        self.left_out.clear();
    }

    /// Draws the piece in hand.
    fn flush(&mut self) {
        let Some(base) = self.base.take() else { return };
        let piece = std::mem::take(&mut self.piece);
        let columns = u16::try_from(piece.width()).unwrap_or(0);
        if columns == 0 || is_indicator(base) && columns != 2 {
            self.stand_in(format_args!("‹U+{:04X}›", base as u32));
        } else {
            let look = if base == '◌' && self.marks > 0 { Look::StandIn } else { Look::Text };
            self.put(&piece, columns, look);
        }
    }

    /// Draws the name of something, cell by cell.
    fn stand_in(&mut self, name: std::fmt::Arguments<'_>) {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = text.write_fmt(name);
        let mut buffer = [0; 4];
        for c in text.chars() {
            self.put(c.encode_utf8(&mut buffer), 1, Look::StandIn);
        }
    }

    fn put(&mut self, text: &str, columns: u16, look: Look) {
        self.columns += columns;
        (self.draw)(Piece { text, columns, look });
    }
}

fn is_indicator(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Is it an emoji, those aside that are plain text first (`#`, `7`, `©`)?
fn is_pictograph(c: char) -> bool {
    c > '\u{2000}' && c.is_emoji_char() && !is_indicator(c)
}

#[cfg(test)]
mod tests;
