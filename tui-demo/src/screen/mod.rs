//! Drawing the editor and the player of recorded sessions.
//!
//! Knows how a [`Scene`] becomes cells of a terminal; does not know where the scene comes from
//! and changes nothing but the cells. Top to bottom: the text with its gutter, the status line,
//! the message line. Overlays stand above the text and never move it.
//!
//! ```text
//!    1 Dear all,                 gutter │ text      B: the letter of somebody whose
//!    2B tomorrow we█ Bob         line   │           caret stands in the row
//!    ⋮ meet at noon.             numbers│           ⋮: the line of the row above goes on
//!    ~                                              ~: behind the end of the text
//!   notes.md [+]  ✓ 1 peer  2:14                    status line
//!   cede join ws://…                                message line, or a prompt
//! ```

mod overlay;
mod paint;
mod replay;
mod scene;
mod status;
mod text;

use cede::Buffer;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use crate::layout::Viewport;

pub use overlay::{help_scroll_limit, info_scroll_limit, page_rows};
use paint::Canvas;
pub use replay::draw_replay;
pub use scene::*;

/// Where the parts of the screen are. Parts for which there is no room are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// Line numbers and letters.
    pub gutter: Rect,
    /// The text. Its last column is for a caret behind a full row.
    pub text: Rect,
    /// Who has written, in the player.
    pub legend: Rect,
    /// The status line, or how far the player has come.
    pub status: Rect,
    /// Messages and prompts. On a very low screen they stand in the status line instead.
    pub message: Rect,
}

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// The text: column and row for [`Viewport::position_at`].
    Text {
        /// The column of the text area, from 0.
        column: u16,
        /// The row of the text area, from 0.
        row: u16,
    },
    /// The gutter beside a row.
    Gutter {
        /// The row of the text area, from 0.
        row: u16,
    },
    /// The status line.
    Status,
    /// The message line.
    Message,
    /// Something else.
    Nowhere,
}

impl Places {
    /// The parts of the editor's screen `area`.
    pub fn of(area: Rect, buffer: &Buffer) -> Self {
        Self::divide(area, buffer, false)
    }

    /// The parts of the player's screen `area`.
    pub fn of_replay(area: Rect, buffer: &Buffer) -> Self {
        Self::divide(area, buffer, true)
    }

    fn divide(area: Rect, buffer: &Buffer, replay: bool) -> Self {
        let status = u16::from(area.height >= 2);
        let message = u16::from(area.height >= 4);
        let legend = u16::from(replay && area.height >= 8);
        let height = area.height - status - message - legend;
        let row = |below: u16, rows: u16| Rect { y: area.y + height + below, height: rows, ..area };
        let gutter = gutter_columns(area, buffer);
        Self {
            gutter: Rect { width: gutter, height, ..area },
            text: Rect { x: area.x + gutter, width: area.width - gutter, height, ..area },
            legend: row(0, legend),
            status: row(legend, status),
            message: row(legend + status, message),
        }
    }

    /// Gives the viewport the size of the text. Call it before [`draw`], and before the viewport
    /// is asked where things are.
    pub fn fit(&self, viewport: &mut Viewport) {
        viewport.resize(self.text.width.saturating_sub(1), self.text.height);
    }

    /// What stands in the cell at `column` and `row` of the terminal.
    pub fn hit(&self, column: u16, row: u16) -> Hit {
        let at = Position { x: column, y: row };
        if self.text.contains(at) {
            Hit::Text { column: column - self.text.x, row: row - self.text.y }
        } else if self.gutter.contains(at) {
            Hit::Gutter { row: row - self.gutter.y }
        } else if self.status.contains(at) {
            Hit::Status
        } else if self.message.contains(at) {
            Hit::Message
        } else {
            Hit::Nowhere
        }
    }

    /// The text with its gutter: where overlays stand.
    fn body(&self) -> Rect {
        self.gutter.union(self.text)
    }

    /// The message line, or the status line where there is no other.
    fn message_or_status(&self) -> Rect {
        if self.message.height > 0 { self.message } else { self.status }
    }
}

/// The width of the gutter: the last line's number and a letter.
fn gutter_columns(area: Rect, buffer: &Buffer) -> u16 {
    let digits = buffer.line_count().max(1).ilog10() as u16 + 1;
    let least = if area.width < 60 { 2 } else { 3 };
    let columns = digits.max(least) + 1;
    if area.width < columns + 12 { 0 } else { columns }
}

/// Draws the editor.
pub fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>) {
    let places = Places::of(frame.area(), scene.buffer);
    let mut canvas = Canvas { cells: frame.buffer_mut(), palette: scene.palette };
    let caret = text::draw(&mut canvas, &places, scene);
    status::draw(&mut canvas, &places, &scene.status);
    let prompt = overlay::draw(&mut canvas, &places, &scene.overlay);
    let cursor = match scene.overlay {
        Overlay::None => caret,
        _ => prompt,
    };
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

#[cfg(test)]
mod tests;
