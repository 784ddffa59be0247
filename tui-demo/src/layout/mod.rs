//! Lines of text laid out as the rows of a screen.
//!
//! Knows clusters, their widths, soft wrap and tab stops; does not know colours, carets or what
//! else is on the screen. Nothing is kept: a row is two positions, found anew from the text
//! whenever it is asked for, so an edit has nothing to invalidate. What makes that cheap is that
//! wrapping may begin at any [`STRETCH`] of a line:
//!
//! ```text
//!   a line of 40,000 chars   |── stretch ──|── stretch ──|─ rest ─|
//!   rows                     ▭▭▭▭▭▭▭▭▭▭▭▭▭▫ ▭▭▭▭▭▭▭▭▭▭▭▭▭▫ ▭▭▭▭▭▭▭▭
//! ```
//!
//! A row never crosses the end of a stretch, so finding the row of a position costs
//! O(log n + STRETCH) however long the line is, and O(length of the line) when it is short.

mod viewport;
mod wrap;

use std::ops::ControlFlow;

use cede::{Buffer, Chars};

use crate::glyph;

pub use viewport::{Viewport, carried};
pub use wrap::Rows;

/// How many chars of one line are wrapped independently of the rest of it.
///
/// Wrapping this much takes under half a millisecond; few lines written by people are longer.
pub const STRETCH: usize = 8192;

/// How wide rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrap {
    /// Columns of a row, at least 1. A space at which a row ends may stand one column beyond.
    pub columns: u16,
    /// Columns from one tab stop to the next, at least 1.
    pub tab: u16,
}

/// One row of a laid-out text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line that it belongs to, counted from 0.
    pub line: usize,
    /// Where it begins.
    pub start: Chars,
    /// Where it ends, exclusive. A newline does not belong to its row.
    pub end: Chars,
    /// The line begins before this row.
    pub continues: bool,
    /// The line goes on in the next row, so that `end` is a position of that one.
    pub wraps: bool,
}

impl Row {
    /// Is the position `at` shown on this row?
    pub fn holds(&self, at: Chars) -> bool {
        self.start <= at && (at < self.end || at == self.end && !self.wraps)
    }
}

/// One cluster on its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// Where it begins in the text.
    pub at: Chars,
    /// How many chars it has.
    pub chars: usize,
    /// What it is.
    pub text: &'a str,
    /// Its first column.
    pub column: u16,
    /// How many columns it takes. What reaches beyond the row is not shown.
    pub columns: u16,
}

/// A text as rows of a given width.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    buffer: &'a Buffer,
    wrap: Wrap,
}

impl<'a> Layout<'a> {
    /// `buffer` in rows as `wrap` says; free of cost.
    pub fn new(buffer: &'a Buffer, wrap: Wrap) -> Self {
        Self { buffer, wrap: Wrap { columns: wrap.columns.max(1), tab: wrap.tab.max(1) } }
    }

    /// The row on which the position `at` is shown; the last row for one beyond the end.
    pub fn row_at(&self, at: Chars) -> Row {
        let at = at.min(self.buffer.len());
        let mut last = None;
        for row in wrap::stretch_rows(self.buffer, self.wrap, at) {
            if row.holds(at) {
                return row;
            }
            if row.start > at {
                break;
            }
            last = Some(row);
        }
        // Only a position inside a cluster that was cut for its length comes here.
        last.unwrap_or(Row { line: 0, start: at, end: at, continues: false, wraps: false })
    }

    /// This row and those below it, lazily; each costs O(its length).
    pub fn rows_from(&self, row: Row) -> Rows<'a> {
        Rows::from_row(self.buffer, self.wrap, row)
    }

    /// The row `count` rows above `row`, or the first.
    pub fn above(&self, row: Row, count: usize) -> Row {
        let mut top = row;
        let mut left = count;
        while left > 0 && top.start > Chars(0) {
            let before = Chars(top.start.0 - 1);
            let rows: Vec<Row> =
                wrap::stretch_rows(self.buffer, self.wrap, before).take_while(|row| row.start < top.start).collect();
            let Some(&first) = rows.first() else { break };
            match rows.len().checked_sub(left) {
                Some(index) => return rows[index],
                None => {
                    left -= rows.len();
                    top = first;
                }
            }
        }
        top
    }

    /// The row `count` rows below `row`, or the last.
    pub fn below(&self, row: Row, count: usize) -> Row {
        self.rows_from(row).take(count.saturating_add(1)).last().unwrap_or(row)
    }

    /// Calls `see` with each cluster of `row` in order until it breaks.
    pub fn each_cluster<B>(&self, row: &Row, mut see: impl FnMut(Placed<'_>) -> ControlFlow<B>) -> Option<B> {
        let mut clusters = glyph::clusters_from(self.buffer, row.start);
        let (mut at, mut column) = (row.start, 0);
        while at < row.end {
            let text = clusters.advance()?;
            // The newline of a CR LF is not part of the row, but of the cluster.
            let text = text.strip_suffix('\n').unwrap_or(text);
            let chars = text.chars().count();
            let columns = wrap::columns(text, column, self.wrap);
            if let ControlFlow::Break(found) = see(Placed { at, chars, text, column, columns }) {
                return Some(found);
            }
            at.0 += chars;
            column += columns;
        }
        None
    }

    /// The column of `row` at which the position `at` is shown: that of the cluster that it
    /// stands before or in, or the one behind the last.
    pub fn column_of(&self, row: &Row, at: Chars) -> u16 {
        let mut end = 0;
        let found = self.each_cluster(row, |cluster| {
            if at.0 < cluster.at.0 + cluster.chars {
                return ControlFlow::Break(cluster.column);
            }
            end = cluster.column + cluster.columns;
            ControlFlow::Continue(())
        });
        found.unwrap_or(end)
    }

    /// The position on `row` that stands before the cluster at `column`, or behind the last
    /// cluster. The end of a row that wraps belongs to the next row and is not chosen.
    pub fn position_at(&self, row: &Row, column: u16) -> Chars {
        let mut last = row.start;
        let found = self.each_cluster(row, |cluster| {
            last = cluster.at;
            if column < cluster.column + cluster.columns {
                return ControlFlow::Break(cluster.at);
            }
            ControlFlow::Continue(())
        });
        found.unwrap_or_else(|| {
            let inside_crlf = !row.wraps && !glyph::is_boundary(self.buffer, row.end);
            if row.wraps || inside_crlf { last } else { row.end }
        })
    }
}

/// How many lines a text has, as people and other programs count them: what stands behind the last line feed is one only
/// when it has a character.
pub fn counted_lines(buffer: &Buffer) -> usize {
    let last = buffer.len::<Chars>().0.checked_sub(1).and_then(|last| buffer.char_at(Chars(last)));
    buffer.line_count() - usize::from(matches!(last, None | Some('\n')))
}

/// Line and column of a position, both counted from 1, the column in clusters.
///
/// Costs O(log n) and the distance to the start of the line, of which only the last
/// [`STRETCH`] chars are looked at as clusters: beyond that every char counts as one.
pub fn line_column(buffer: &Buffer, at: Chars) -> (usize, usize) {
    let at = at.min(buffer.len());
    let line = buffer.line_of(at).unwrap_or(0);
    let start = buffer.line_start(line).unwrap_or(Chars(0));
    let from = at.0.saturating_sub(STRETCH).max(start.0);
    let mut clusters = glyph::clusters_from(buffer, Chars(from));
    let (mut reached, mut column) = (from, from - start.0);
    while reached < at.0 {
        let Some(cluster) = clusters.advance() else { break };
        reached += cluster.chars().count();
        column += usize::from(reached <= at.0);
    }
    (line + 1, column + 1)
}

/// The position at `column` of `line`, both counted from 1; what is beyond counts as the last.
pub fn position_of_line_column(buffer: &Buffer, line: usize, column: usize) -> Chars {
    let line = line.clamp(1, buffer.line_count()) - 1;
    let start = buffer.line_start(line).unwrap_or(Chars(0));
    let mut clusters = glyph::clusters_from(buffer, start);
    let mut at = start;
    for _ in 1..column {
        match clusters.advance() {
            Some(cluster) if !cluster.ends_with('\n') => at.0 += cluster.chars().count(),
            _ => break,
        }
    }
    at
}

#[cfg(test)]
mod tests;
