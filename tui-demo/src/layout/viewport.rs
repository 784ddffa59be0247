//! The part of a text that a screen shows.
//!
//! Knows which character stands at the top and how large the screen is; does not know the
//! caret, or what else is drawn. The top is kept as the position of a character, not as a row
//! number: whatever others type above or below, [`Viewport::carry`] keeps that character on the
//! top row.

use std::ops::Range;

use cede::{Buffer, Chars, Patch};

use super::{Layout, Row, Wrap};

/// What part of a text is shown, and how it scrolls. Positions in chars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    /// A position on the top row.
    top: Chars,
    columns: u16,
    rows: u16,
    tab: u16,
}

impl Default for Viewport {
    /// The start of the text, on a screen of 80 × 24, with a tab stop every four columns.
    fn default() -> Self {
        Self::new(4)
    }
}

impl Viewport {
    /// The start of the text on a screen of 80 × 24, with a tab stop every `tab` columns.
    pub fn new(tab: u16) -> Self {
        Self { top: Chars(0), columns: 80, rows: 24, tab: tab.max(1) }
    }

    /// The screen has this size now; what is on the top row stays there.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.columns = columns.max(1);
        self.rows = rows.max(1);
    }

    /// A position on the top row.
    pub fn top(&self) -> Chars {
        self.top
    }

    /// Shows `at` on the top row.
    pub fn set_top(&mut self, at: Chars) {
        self.top = at;
    }

    /// Columns from one tab stop to the next.
    pub fn tab(&self) -> u16 {
        self.tab
    }

    /// How many columns a row has, one for the caret behind it not counted.
    pub fn columns(&self) -> u16 {
        self.columns
    }

    /// How many rows are shown.
    pub fn rows(&self) -> u16 {
        self.rows
    }

    /// How the text is laid out here.
    pub fn layout<'a>(&self, buffer: &'a Buffer) -> Layout<'a> {
        Layout::new(buffer, Wrap { columns: self.columns, tab: self.tab })
    }

    /// The rows shown, at most [`rows`](Self::rows); the row at the top costs O([`STRETCH`](super::STRETCH)).
    pub fn visible_rows(&self, buffer: &Buffer) -> Vec<Row> {
        let layout = self.layout(buffer);
        layout.rows_from(layout.row_at(self.top)).take(usize::from(self.rows)).collect()
    }

    /// The range of positions shown.
    pub fn visible(&self, buffer: &Buffer) -> Range<Chars> {
        let rows = self.visible_rows(buffer);
        match (rows.first(), rows.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => buffer.len()..buffer.len(),
        }
    }

    /// Scrolls as little as possible so that `at` is shown, with `margin` rows of text above
    /// and below it where the text has them and the screen is large enough.
    pub fn reveal(&mut self, buffer: &Buffer, at: Chars, margin: u16) {
        let layout = self.layout(buffer);
        let row = layout.row_at(at);
        let margin = usize::from(margin.min((self.rows - 1) / 2));
        let below = layout.rows_from(row).skip(1).take(margin).count();
        let last = usize::from(self.rows) - 1;
        let shown_at = self.visible_rows(buffer).iter().position(|shown| shown.start == row.start);
        self.top = match shown_at {
            Some(index) if index < margin => layout.above(row, margin).start,
            Some(index) if index + below <= last => return,
            None if row.start < self.top => layout.above(row, margin).start,
            _ => layout.above(row, last - below).start,
        };
    }

    /// Shows `at` in the middle, after a jump.
    pub fn center(&mut self, buffer: &Buffer, at: Chars) {
        let layout = self.layout(buffer);
        self.top = layout.above(layout.row_at(at), usize::from(self.rows / 2)).start;
    }

    /// Scrolls by `rows`, down when positive; the last row of the text stays on the screen.
    pub fn scroll(&mut self, buffer: &Buffer, rows: isize) {
        let layout = self.layout(buffer);
        let top = layout.row_at(self.top);
        let count = rows.unsigned_abs();
        let row = if rows < 0 { layout.above(top, count) } else { layout.below(top, count) };
        self.top = row.start;
    }

    /// The text has changed elsewhere, as `patches` say, into `buffer`: what stood on the top
    /// row stays there. What is inserted right before it comes to stand above it.
    pub fn carry(&mut self, buffer: &Buffer, patches: &[Patch<Chars>]) {
        // The length of the text before each patch, from the last to the first.
        let mut len = buffer.len::<Chars>().0;
        for patch in patches.iter().rev() {
            len = (len + patch.deleted.0).saturating_sub(patch.inserted.chars().count());
        }
        for patch in patches {
            // At the very end there is nothing on the top row that could be kept there.
            if self.top.0 < len {
                self.top = carried(self.top, patch);
            }
            len = (len + patch.inserted.chars().count()).saturating_sub(patch.deleted.0);
        }
    }

    /// The position shown in a cell of the text, for a mouse: `column` and `row` count from 0.
    /// Below the text it is the end of the text.
    pub fn position_at(&self, buffer: &Buffer, column: u16, row: u16) -> Chars {
        match self.visible_rows(buffer).get(usize::from(row)) {
            Some(row) => self.layout(buffer).position_at(row, column),
            None => buffer.len(),
        }
    }

    /// The cell, as column and row from 0, at which the position `at` is shown. The column may
    /// be [`columns`](Self::columns), behind a full row. `None` when it is not on the screen.
    pub fn cell_of(&self, buffer: &Buffer, at: Chars) -> Option<(u16, u16)> {
        let rows = self.visible_rows(buffer);
        let index = rows.iter().position(|row| row.holds(at))?;
        let column = self.layout(buffer).column_of(&rows[index], at);
        Some((column.min(self.columns), u16::try_from(index).ok()?))
    }

    /// The position `rows` rows above `at`; on the first row the start of the text.
    ///
    /// `goal` is the column to return to behind shorter rows: set it to `None` whenever the
    /// caret moves otherwise.
    pub fn up(&self, buffer: &Buffer, at: Chars, rows: usize, goal: &mut Option<u16>) -> Chars {
        let layout = self.layout(buffer);
        let row = layout.row_at(at);
        let column = *goal.get_or_insert_with(|| layout.column_of(&row, at));
        if row.start == Chars(0) {
            return Chars(0);
        }
        layout.position_at(&layout.above(row, rows), column)
    }

    /// The position `rows` rows below `at`; on the last row the end of the text.
    ///
    /// About `goal` see [`up`](Self::up).
    pub fn down(&self, buffer: &Buffer, at: Chars, rows: usize, goal: &mut Option<u16>) -> Chars {
        let layout = self.layout(buffer);
        let row = layout.row_at(at);
        let column = *goal.get_or_insert_with(|| layout.column_of(&row, at));
        let target = layout.below(row, rows);
        if target.start == row.start {
            return buffer.len();
        }
        layout.position_at(&target, column)
    }

    /// How many rows a page moves: one row of the page before stays in sight.
    pub fn page(&self) -> usize {
        usize::from(self.rows.saturating_sub(1).max(1))
    }

    /// Scrolls a page up and gives the position a page above `at`.
    pub fn page_up(&mut self, buffer: &Buffer, at: Chars, goal: &mut Option<u16>) -> Chars {
        self.scroll(buffer, -self.page().cast_signed());
        self.up(buffer, at, self.page(), goal)
    }

    /// Scrolls a page down and gives the position a page below `at`.
    pub fn page_down(&mut self, buffer: &Buffer, at: Chars, goal: &mut Option<u16>) -> Chars {
        self.scroll(buffer, self.page().cast_signed());
        self.down(buffer, at, self.page(), goal)
    }
}

/// Where a position comes to stand when `patch` changes the text around it: it stays before the
/// character that it stood before, or where that was when it is deleted.
pub fn carried(at: Chars, patch: &Patch<Chars>) -> Chars {
    let inserted = patch.inserted.chars().count();
    let end = patch.start.0 + patch.deleted.0;
    match at.0 {
        at if at < patch.start.0 => Chars(at),
        at if at >= end => Chars(at - patch.deleted.0 + inserted),
        _ => patch.start,
    }
}
