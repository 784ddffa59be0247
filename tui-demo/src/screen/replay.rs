//! The player of a recorded session.
//!
//! Knows who wrote which part of a text and how far the recording has come; does not know how
//! it is played. The text is drawn as the editor draws it, in the colours of its authors.

use cede::Chars;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::paint::{Canvas, Parts, from_column};
use super::text::{Layer, Sheet, Standing, draw_sheet};
use super::{Notice, Places, ReplayScene, Severity, overlay};
use crate::glyph;

/// Draws the player.
pub fn draw_replay(frame: &mut Frame<'_>, scene: &ReplayScene<'_>) {
    let places = Places::of_replay(frame.area(), scene.buffer);
    let mut canvas = Canvas { cells: frame.buffer_mut(), palette: scene.palette };
    let standing = scene.caret.and_then(|(author, at)| {
        let author = scene.authors.get(author)?;
        let at = at.min(scene.buffer.len());
        Some(Standing { name: author.name, hue: author.hue, marker: author.marker, at })
    });
    let sheet = Sheet {
        buffer: scene.buffer,
        viewport: scene.viewport,
        written: written(scene),
        layers: Vec::new(),
        standing: standing.into_iter().collect(),
        caret: None,
    };
    draw_sheet(&mut canvas, &places, sheet);
    legend(&mut canvas, places.legend, scene);
    progress(&mut canvas, places.status, scene);
    message(&mut canvas, places.message, scene);
    let cursor = overlay::draw(&mut canvas, &places, &scene.overlay);
    if let Some(cursor) = cursor {
        frame.set_cursor_position(cursor);
    }
}

/// The visible parts of the text in the styles of their authors.
fn written(scene: &ReplayScene<'_>) -> Layer {
    let visible = scene.viewport.visible(scene.buffer);
    let mut styles = Vec::new();
    let mut start = 0_usize;
    for &(author, Chars(length)) in scene.spans {
        let end = start.saturating_add(length);
        if start >= visible.end.0 {
            break;
        }
        let author = scene.authors.get(author).filter(|_| end > visible.start.0);
        styles.extend(author.map(|author| (Chars(start)..Chars(end), scene.palette.written_by(author.hue))));
        start = end;
    }
    styles
}

/// Who has written, as many as there is room for.
fn legend(canvas: &mut Canvas<'_>, area: Rect, scene: &ReplayScene<'_>) {
    const LONGEST_NAME: usize = 16;
    canvas.clear(area, Style::new());
    let mut used = 0;
    for (index, author) in scene.authors.iter().enumerate() {
        let name = glyph::label(author.name, LONGEST_NAME);
        let parts: Parts = vec![
            (format!(" {} ", author.marker), scene.palette.block(author.hue)),
            (" ".to_owned(), Style::new()),
            (name, scene.palette.written_by(author.hue)),
            ("  ".to_owned(), Style::new()),
        ];
        let columns: usize = parts.iter().map(|(text, _)| glyph::label_columns(text)).sum();
        let left = scene.authors.len() - index;
        // Room for the number of those who are left out, unless this is the last.
        let reserve = if left > 1 { 6 } else { 0 };
        if usize::from(used) + columns + reserve > usize::from(area.width) {
            canvas.write(from_column(area, used), &format!("+{left}"), scene.palette.faint());
            return;
        }
        used += canvas.write_parts(from_column(area, used), &parts);
    }
}

/// How far it has come: `> 1:02:33 [=====>-------] 1234/5678  4×`.
fn progress(canvas: &mut Canvas<'_>, area: Rect, scene: &ReplayScene<'_>) {
    let bar = canvas.palette.bar();
    canvas.clear(area, bar);
    let state = if scene.playing { " > " } else { " || " };
    let bold = bar.add_modifier(Modifier::BOLD);
    let mut used = canvas.write(area, state, bold);
    if !scene.time.is_empty() && area.width >= 30 {
        used += canvas.write(from_column(area, used), &format!("{} ", scene.time), bar);
    }
    let mut behind = format!(" {}/{} ", scene.step, scene.steps);
    if area.width >= 30 && !scene.speed.is_empty() {
        behind += &format!(" {} ", scene.speed);
    }
    let columns = u16::try_from(glyph::label_columns(&behind)).unwrap_or(u16::MAX);
    let room = area.width.saturating_sub(used).saturating_sub(columns);
    if room >= 6 {
        let drawn = drawn_bar(scene.step, scene.steps, usize::from(room) - 2);
        used += canvas.write(from_column(area, used), &drawn, bar);
    }
    canvas.write(from_column(area, used), &behind, bar);
}

/// A bar of `width` columns between brackets.
fn drawn_bar(step: usize, steps: usize, width: usize) -> String {
    let share = step.min(steps) as f64 / steps.max(1) as f64;
    let done = (share * width as f64) as usize;
    let head = if done < width { ">" } else { "" };
    let rest = width.saturating_sub(done + 1);
    format!("[{}{head}{}]", "=".repeat(done), "-".repeat(rest))
}

/// The latest message, else what is played; and the keys to remember where there is room.
fn message(canvas: &mut Canvas<'_>, area: Rect, scene: &ReplayScene<'_>) {
    let palette = canvas.palette;
    canvas.clear(area, Style::new());
    let used = match scene.notice {
        Some(Notice { text, severity }) => {
            let style = match severity {
                Severity::Info => Style::new(),
                Severity::Warning => palette.warning(),
                Severity::Error => palette.error(),
            };
            canvas.write(area, text, style)
        }
        None => canvas.write(area, scene.title, Style::new()),
    };
    let columns = u16::try_from(glyph::label_columns(scene.hint)).unwrap_or(u16::MAX);
    if columns.saturating_add(2) <= area.width.saturating_sub(used) {
        canvas.write(from_column(area, area.width - columns), scene.hint, palette.faint());
    }
}
