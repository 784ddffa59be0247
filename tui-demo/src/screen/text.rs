//! The text with its gutter, carets and selections.
//!
//! Knows what is to be highlighted and where people stand; does not know who they are or what
//! the status says. Rows come from the viewport; each is drawn once, cluster by cluster, with
//! the styles of all ranges that the cluster lies in, one over the other.

use std::ops::{ControlFlow, Range};

use cede::{Buffer, Chars};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use super::paint::{Canvas, from_column, row_of};
use super::{Places, Scene};
use crate::glyph::{self, Look, Piece};
use crate::layout::{Layout, Row, Viewport};
use crate::palette::Hue;

/// Somebody's caret, as far as it is drawn.
pub(super) struct Standing<'a> {
    pub(super) name: &'a str,
    pub(super) hue: Hue,
    pub(super) marker: char,
    pub(super) at: Chars,
}

/// Ranges with their styles, ascending and none overlapping another.
pub(super) type Layer = Vec<(Range<Chars>, Style)>;

/// A text to be drawn, whoever shows it.
pub(super) struct Sheet<'a> {
    pub(super) buffer: &'a Buffer,
    pub(super) viewport: &'a Viewport,
    /// Styles of who has written what: of characters, not of the ends of lines.
    pub(super) written: Layer,
    /// What is highlighted; later layers go over earlier ones.
    pub(super) layers: Vec<Layer>,
    /// What others' carets are on.
    pub(super) standing: Vec<Standing<'a>>,
    /// One's own caret, which no flag may cover.
    pub(super) caret: Option<Chars>,
}

/// Draws the text of the editor; gives the cell of one's own caret when it is on the screen.
pub(super) fn draw(canvas: &mut Canvas<'_>, places: &Places, scene: &Scene<'_>) -> Option<Position> {
    let palette = scene.palette;
    let one =
        |range: &Option<Range<Chars>>, style| -> Layer { range.iter().map(|range| (range.clone(), style)).collect() };
    let selected = scene.remotes.iter().map(|remote| one(&remote.selection, palette.selected_by(remote.hue)));
    let mut layers: Vec<Layer> = selected.collect();
    layers.push(scene.matches.iter().map(|range| (range.clone(), palette.found())).collect());
    layers.push(one(&scene.current_match, palette.found_here()));
    layers.push(one(&scene.selection, palette.selection()));
    let standing = scene.remotes.iter().filter_map(|remote| {
        let (name, hue, marker) = (remote.name, remote.hue, remote.marker);
        Some(Standing { name, hue, marker, at: remote.caret?.min(scene.buffer.len()) })
    });
    let sheet = Sheet {
        buffer: scene.buffer,
        viewport: scene.viewport,
        written: Vec::new(),
        layers,
        standing: standing.collect(),
        caret: Some(scene.caret.min(scene.buffer.len())),
    };
    draw_sheet(canvas, places, sheet)
}

/// Draws a text; gives the cell of one's own caret when it is on the screen.
pub(super) fn draw_sheet(canvas: &mut Canvas<'_>, places: &Places, mut sheet: Sheet<'_>) -> Option<Position> {
    let (buffer, viewport) = (sheet.buffer, sheet.viewport);
    let rows = viewport.visible_rows(buffer);
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return None };
    let (start, end) = (first.start, last.end);
    sheet.layers.retain(|layer| !layer.is_empty());
    sheet.standing.retain(|standing| start <= standing.at && standing.at <= end);
    let layout = viewport.layout(buffer);
    let mut painter = Painter { canvas, places, layout, sheet: &sheet, free: Vec::new() };
    let shown = rows.iter().take(usize::from(places.text.height)).zip(0..);
    for (row, index) in shown.clone() {
        painter.row(row, index);
    }
    for index in painter.free.len() as u16..places.text.height {
        painter.behind_the_end(index);
    }
    let cell = |at: Chars| {
        let (row, index) = shown.clone().find(|(row, _)| row.holds(at))?;
        let column = layout.column_of(row, at).min(places.text.width.saturating_sub(1));
        Some((column, index))
    };
    let caret = sheet.caret.and_then(cell);
    for standing in &sheet.standing {
        if let Some(at) = cell(standing.at) {
            painter.flag(standing, at, caret);
        }
    }
    caret.map(|(column, row)| Position { x: places.text.x + column, y: places.text.y + row })
}

struct Painter<'c, 's, 'a> {
    canvas: &'s mut Canvas<'c>,
    places: &'s Places,
    layout: Layout<'a>,
    sheet: &'s Sheet<'a>,
    /// For each row drawn, the first column behind everything that stands there.
    free: Vec<u16>,
}

impl Painter<'_, '_, '_> {
    fn row(&mut self, row: &Row, index: u16) {
        self.gutter(row, index);
        let area = row_of(self.places.text, index);
        let mut end = 0;
        let (layout, sheet) = (self.layout, self.sheet);
        layout.each_cluster(row, |cluster| {
            let range = cluster.at..Chars(cluster.at.0 + cluster.chars);
            let written = style_in(&sheet.written, &range).unwrap_or_default();
            let style = written.patch(sheet.style(&range, self.canvas));
            let tab = sheet.viewport.tab();
            let mut x = area.x + cluster.column;
            // A tab may reach further than the row.
            let right = area.right().min(x.saturating_add(cluster.columns));
            glyph::each_piece(cluster.text, cluster.column, tab, |piece| {
                self.canvas.piece(x, area.y, right, piece, style);
                x = x.saturating_add(piece.columns);
            });
            end = cluster.column + cluster.columns;
            match end < area.width {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        });
        let behind = if row.wraps { None } else { self.row_end(row, area, end) };
        self.free.push(behind.unwrap_or(end).min(area.width));
    }

    /// Draws what stands behind the last cluster of a line: a selected newline, a caret.
    fn row_end(&mut self, row: &Row, area: Rect, end: u16) -> Option<u16> {
        let newline = row.end..Chars(row.end.0 + 1);
        let style = self.sheet.style(&newline, self.canvas);
        let end = end.min(area.width.saturating_sub(1));
        let blank = Piece { text: " ", columns: 1, look: Look::Text };
        if style == Style::new() {
            return None;
        }
        self.canvas.piece(area.x + end, area.y, area.right(), blank, style);
        Some(end + 1)
    }

    /// The line's number, and the letter of somebody whose caret is on the row.
    fn gutter(&mut self, row: &Row, index: u16) {
        let area = row_of(self.places.gutter, index);
        if area.is_empty() {
            return;
        }
        let faint = self.canvas.palette.faint();
        let digits = usize::from(area.width - 1);
        let number = match row.continues {
            true => format!("{:>digits$}", '⋮'),
            false => format!("{:>digits$}", row.line + 1),
        };
        self.canvas.write(area, &number, faint);
        let mut here = self.sheet.standing.iter().filter(|standing| row.holds(standing.at));
        if let Some(standing) = here.next() {
            let several = here.next().is_some();
            let marker = if several { '+' } else { standing.marker };
            let style = self.canvas.palette.block(standing.hue);
            self.canvas.write(from_column(area, area.width - 1), &marker.to_string(), style);
        }
    }

    fn behind_the_end(&mut self, index: u16) {
        let faint = self.canvas.palette.faint();
        let area = row_of(self.places.gutter, index);
        self.canvas.write(area, "~", faint);
        self.free.push(0);
    }

    /// Shows a name near its caret at `at`, where it covers neither text nor one's own caret.
    fn flag(&mut self, standing: &Standing<'_>, at: (u16, u16), caret: Option<(u16, u16)>) {
        const LONGEST_NAME: usize = 16;
        let (column, row) = at;
        let name = format!(" {} ", glyph::label(standing.name, LONGEST_NAME));
        let Ok(columns) = u16::try_from(glyph::label_columns(&name)) else { return };
        let free = |row: u16| self.free.get(usize::from(row)).copied();
        let Some(behind) = free(row) else { return };
        // Beside a caret at the end of its row; else above or below it; else at the row's end.
        let beside = (behind <= column + 1).then_some((column + 1, row));
        let above = row.checked_sub(1).map(|above| (column, above));
        let spots = [beside, above, Some((column, row + 1)), Some((behind + 1, row))];
        let fits = |&(x, y): &(u16, u16)| {
            let end = x.saturating_add(columns);
            let covers = caret.is_some_and(|(own, own_row)| own_row == y && (x..=end).contains(&(own + 1)));
            free(y).is_some_and(|free| free <= x) && end <= self.places.text.width && !covers
        };
        let Some((x, y)) = spots.into_iter().flatten().find(fits) else { return };
        let area = from_column(row_of(self.places.text, y), x);
        let style = self.canvas.palette.block(standing.hue);
        self.canvas.write(area, &name, style);
        self.free[usize::from(y)] = x + columns;
    }
}

impl Sheet<'_> {
    /// The style of a cluster at `range`: that of all ranges that it is in, and of a caret on it.
    fn style(&self, range: &Range<Chars>, canvas: &Canvas<'_>) -> Style {
        let highlights = self.layers.iter().filter_map(|layer| style_in(layer, range));
        let mut style = highlights.fold(Style::new(), Style::patch);
        for standing in self.standing.iter().filter(|standing| range.contains(&standing.at)) {
            let block = canvas.palette.block(standing.hue);
            let within_selection = style.add_modifier.contains(Modifier::REVERSED);
            style = style.patch(block);
            // Reversed within what is reversed would not be seen.
            if within_selection {
                style = style.remove_modifier(Modifier::REVERSED).add_modifier(Modifier::UNDERLINED);
            }
        }
        style
    }
}

/// The style that `layer` gives a cluster at `range`; O(log n).
fn style_in(layer: &Layer, range: &Range<Chars>) -> Option<Style> {
    let index = layer.partition_point(|(styled, _)| styled.end <= range.start);
    let (styled, style) = layer.get(index)?;
    (styled.start < range.end).then_some(*style)
}
