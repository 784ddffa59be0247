//! Putting text into the cells of a screen.
//!
//! Knows cells, their widths and how not to leave half a wide character behind; does not know
//! what the text means. This is the only place that writes a symbol into a cell, and it writes
//! nothing but the pieces of [`crate::glyph`].

use std::num::NonZeroU16;
use std::ops::Range;

use ratatui::buffer::{Buffer as Cells, CellDiffOption, CellWidth};
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::glyph::{self, Look, Piece};
use crate::palette::Palette;

/// A line of text in parts of different style.
pub(super) type Parts = Vec<(String, Style)>;

/// Cells to draw into, and the styles to do it with.
pub(super) struct Canvas<'a> {
    pub(super) cells: &'a mut Cells,
    pub(super) palette: Palette,
}

impl Canvas<'_> {
    /// Puts a piece at `(x, y)`; does nothing when it does not fit before `right`.
    pub(super) fn piece(&mut self, x: u16, y: u16, right: u16, piece: Piece<'_>, style: Style) {
        let end = x.saturating_add(piece.columns);
        if end > right.min(self.cells.area.right()) || y >= self.cells.area.bottom() {
            return;
        }
        let style = match piece.look {
            Look::StandIn => self.palette.stand_in().patch(style),
            Look::Text | Look::Tab => style,
        };
        self.free(x, end, y);
        for covered in x..end {
            // What is covered is never sent, and is unlike a blank: the blank that takes its place later must be sent,
            // for a terminal that has drawn several characters here erases only those that are drawn over.
            self.cells[(covered, y)].set_symbol(" ").set_style(style).set_diff_option(CellDiffOption::Skip);
        }
        let cell = &mut self.cells[(x, y)];
        cell.set_symbol(piece.text).set_diff_option(CellDiffOption::None);
        // The terminal library counts two columns for some characters that take one.
        let differs = cell.cell_width() != piece.columns;
        if let (true, Some(columns)) = (differs, NonZeroU16::new(piece.columns)) {
            cell.set_diff_option(CellDiffOption::ForcedWidth(columns));
        }
    }

    /// Writes a text from anybody at the start of the first row of `area`, cut with `…` when it
    /// does not fit; gives how many columns it took.
    pub(super) fn write(&mut self, area: Rect, text: &str, style: Style) -> u16 {
        if area.height == 0 {
            return 0;
        }
        let mut x = area.x;
        glyph::each_label_piece(text, usize::from(area.width), |piece| {
            self.piece(x, area.y, area.right(), piece, style);
            x += piece.columns;
        });
        x - area.x
    }

    /// Writes parts one after the other.
    pub(super) fn write_parts(&mut self, area: Rect, parts: &Parts) -> u16 {
        let mut used = 0;
        for (text, style) in parts {
            used += self.write(from_column(area, used), text, *style);
        }
        used
    }

    /// Empties `area`, in which something else is to be drawn.
    pub(super) fn clear(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.cells.area);
        for y in area.top()..area.bottom() {
            self.free(area.left(), area.right(), y);
            for x in area.left()..area.right() {
                self.cells[(x, y)].reset();
                self.cells[(x, y)].set_style(style);
            }
        }
    }

    /// Blanks what reaches from either side into the cells from `x` up to `end`, so that they can be drawn on.
    fn free(&mut self, x: u16, end: u16, y: u16) {
        let covered = |cells: &Cells, x| cells[(x, y)].diff_option == CellDiffOption::Skip;
        let (left, right) = (self.cells.area.left(), self.cells.area.right());
        if x < right && covered(self.cells, x) {
            let from = (left..x).rev().find(|&before| !covered(self.cells, before)).unwrap_or(left);
            self.blank(from..x, y);
        }
        let behind = (end..right).find(|&behind| !covered(self.cells, behind)).unwrap_or(right);
        self.blank(end..behind, y);
    }

    fn blank(&mut self, columns: Range<u16>, y: u16) {
        for x in columns {
            self.cells[(x, y)].set_symbol(" ").set_diff_option(CellDiffOption::None);
        }
    }
}

/// What remains of `area` from its column `column` on.
pub(super) fn from_column(area: Rect, column: u16) -> Rect {
    let column = column.min(area.width);
    Rect { x: area.x + column, width: area.width - column, ..area }
}

/// One row of `area`, empty when it has fewer.
pub(super) fn row_of(area: Rect, row: u16) -> Rect {
    match row < area.height {
        true => Rect { y: area.y + row, height: 1, ..area },
        false => Rect { height: 0, ..area },
    }
}
