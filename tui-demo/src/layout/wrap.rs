//! Where rows end.
//!
//! Knows which places of a line a row may end at; does not know what is done with rows. A row
//! ends before the word that does not fit, unless that leaves more than half of the row
//! empty: then the word is cut. The one pass over the text remembers the last place where the
//! row could have ended, so it never goes back.

use std::fmt;

use cede::{Buffer, Chars};

use super::{Row, STRETCH, Wrap};
use crate::glyph::{self, Clusters};

/// The columns that a cluster takes when it begins at `column` of a row.
///
/// A tab reaches the end of the row at most, and takes one column beyond it.
pub(super) fn columns(cluster: &str, column: u16, wrap: Wrap) -> u16 {
    let columns = glyph::columns(cluster, column, wrap.tab);
    match cluster {
        "\t" => columns.min(wrap.columns.saturating_sub(column)).max(1),
        _ => columns,
    }
}

/// The rows from the start of the stretch that holds `at`, on to the end of the text.
pub(super) fn stretch_rows(buffer: &Buffer, wrap: Wrap, at: Chars) -> Rows<'_> {
    let line = buffer.line_of(at).unwrap_or(0);
    let line_start = buffer.line_start::<Chars>(line).unwrap_or(Chars(0));
    let below = (at.0 - line_start.0) / STRETCH * STRETCH;
    // The cluster on a limit belongs to the stretch behind it and may begin before it, so `at`
    // can be just under a limit and belong there already.
    let start = [below + STRETCH, below]
        .into_iter()
        .filter(|&offset| offset > 0 && line_start.0 + offset < buffer.len::<Chars>().0)
        .map(|offset| glyph::cluster_at(buffer, Chars(line_start.0 + offset)).start)
        .find(|&start| line_start < start && start <= at)
        .unwrap_or(line_start);
    Rows::new(buffer, wrap, start, line, line_start)
}

/// The rows of a text from one on, each found when it is asked for.
pub struct Rows<'a> {
    clusters: Clusters<Box<dyn Iterator<Item = char> + 'a>>,
    wrap: Wrap,
    line: usize,
    line_start: usize,
    /// Where the row in hand begins, and the clusters of it that have been seen end.
    start: usize,
    at: usize,
    /// How wide that is.
    column: u16,
    /// The last place where the row in hand may end, and its column.
    ending: Option<(usize, u16)>,
    /// The cluster seen last.
    before: Class,
    ended: bool,
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("line", &self.line).field("start", &self.start).finish()
    }
}

impl<'a> Rows<'a> {
    pub(super) fn from_row(buffer: &'a Buffer, wrap: Wrap, row: Row) -> Self {
        let line_start = buffer.line_start(row.line).unwrap_or(row.start);
        Self::new(buffer, wrap, row.start, row.line, line_start)
    }

    /// The rows from `start` on, where a row begins.
    fn new(buffer: &'a Buffer, wrap: Wrap, start: Chars, line: usize, Chars(line_start): Chars) -> Self {
        let chars: Box<dyn Iterator<Item = char> + 'a> = Box::new(buffer.chars_from(start).into_iter().flatten());
        Self {
            clusters: Clusters::new(chars),
            wrap,
            line,
            line_start,
            start: start.0,
            at: start.0,
            column: 0,
            ending: None,
            before: Class::Start,
            ended: false,
        }
    }

    /// Ends the row in hand at `end` and begins the next with what has been seen behind it.
    fn wrap_at(&mut self, end: usize, column: u16) -> Row {
        let row = self.row(end, true);
        self.start = end;
        self.column -= column;
        self.ending = None;
        row
    }

    fn row(&self, end: usize, wraps: bool) -> Row {
        let continues = self.start > self.line_start;
        let (start, end) = (Chars(self.start), Chars(end));
        Row { line: self.line, start, end, continues, wraps }
    }

    /// Ends the row in hand with its line, at the newline at `end`.
    fn end_line(&mut self, end: usize) -> Row {
        let row = self.row(end, false);
        self.line += 1;
        self.line_start = end + 1;
        (self.start, self.at) = (end + 1, end + 1);
        self.column = 0;
        self.ending = None;
        self.before = Class::Start;
        row
    }

    /// Where to end the row in hand when the next cluster, of `columns`, does not fit.
    fn ending(&self, columns: u16) -> (usize, u16) {
        let most_empty = self.wrap.columns / 2;
        match self.ending {
            Some((end, column))
                if column + most_empty >= self.wrap.columns && self.column - column + columns <= self.wrap.columns =>
            {
                (end, column)
            }
            _ => (self.at, self.column),
        }
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        while !self.ended {
            let Some(cluster) = self.clusters.advance() else {
                self.ended = true;
                return Some(self.row(self.at, false));
            };
            let chars = cluster.chars().count();
            if cluster.ends_with('\n') {
                let end = self.at + chars - 1;
                return Some(self.end_line(end));
            }
            let class = class(cluster);
            let fit = columns(cluster, self.column, self.wrap);
            let afresh = columns(cluster, 0, self.wrap);
            let here = self.at;
            let may_end = may_end_between(self.before, class);
            let full = !fits(self.column, fit, class, self.wrap) && here > self.start;
            let stretch_ends = begins_stretch(here - self.line_start, chars);
            let mut row = None;
            if stretch_ends && here > self.start {
                row = Some(self.wrap_at(here, self.column));
            } else if full {
                let (end, column) = if may_end { (here, self.column) } else { self.ending(fit) };
                row = Some(self.wrap_at(end, column));
            } else if may_end {
                self.ending = Some((here, self.column));
            }
            self.column += if self.column == 0 { afresh } else { fit };
            self.at += chars;
            self.before = class;
            if row.is_some() {
                return row;
            }
        }
        None
    }
}

/// Does a stretch begin with the cluster that begins `offset` chars into its line?
fn begins_stretch(offset: usize, chars: usize) -> bool {
    let next = offset.next_multiple_of(STRETCH);
    next > 0 && next < offset + chars
}

/// Does a cluster fit a row that is `column` wide already? A space may hang over its end.
fn fits(column: u16, columns: u16, class: Class, wrap: Wrap) -> bool {
    column + columns <= wrap.columns || class == Class::Blank && column <= wrap.columns
}

/// What matters about a cluster when a row is to end beside it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// No cluster: the row begins here.
    Start,
    /// A space or a tab.
    Blank,
    /// An ideograph, kana or emoji: rows end on either side.
    Wide,
    /// Wide punctuation that must not begin a row.
    Closing,
    /// Wide punctuation that must not end a row.
    Opening,
    Hyphen,
    Other,
}

fn class(cluster: &str) -> Class {
    let Some(first) = cluster.chars().next() else { return Class::Other };
    match first {
        ' ' | '\t' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200A}' | '\u{3000}' => Class::Blank,
        '-' | '\u{2010}' | '\u{2013}' | '\u{2014}' => Class::Hyphen,
        '、' | '。' | '，' | '．' | '：' | '；' | '！' | '？' | '）' | '］' | '｝' | '」' | '』' | '】' | '》'
        | '〉' | '〕' | 'ー' | '々' => Class::Closing,
        '（' | '［' | '｛' | '「' | '『' | '【' | '《' | '〈' | '〔' => Class::Opening,
        '\u{1100}'..='\u{115F}'
        | '\u{2E80}'..='\u{D7FB}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{FF01}'..='\u{FF60}'
        | '\u{1F000}'..='\u{3FFFF}' => Class::Wide,
        _ => Class::Other,
    }
}

fn may_end_between(before: Class, after: Class) -> bool {
    match (before, after) {
        (Class::Start, _) => false,
        (Class::Blank, _) => true,
        (_, Class::Blank | Class::Closing) | (Class::Opening, _) => false,
        (Class::Hyphen, Class::Other) => true,
        (Class::Wide | Class::Closing, _) | (_, Class::Wide | Class::Opening) => true,
        _ => false,
    }
}
