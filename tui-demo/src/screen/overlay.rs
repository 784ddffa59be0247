//! What is drawn above the text: help, the list of people, questions, prompts.
//!
//! Knows each overlay's contents as rows, and one way to show rows in a box that scrolls; does
//! not know the text below. On a small screen a box takes all of the text's room and has a title
//! line instead of a frame.

use cede::{Buffer, Chars};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use super::paint::{Canvas, Parts, from_column, row_of};
use super::{Help, Info, KeySection, Overlay, PeerList, PeerRow, Places, Prompt, Question};
use crate::glyph;
use crate::layout::{Layout, Wrap};
use crate::palette::Palette;

/// Draws the overlay; gives the cell of the caret when it has one.
pub(super) fn draw(canvas: &mut Canvas<'_>, places: &Places, overlay: &Overlay<'_>) -> Option<Position> {
    let body = places.body();
    match overlay {
        Overlay::None => {}
        Overlay::Help(Help { sections, scroll }) => {
            let rows = help_rows(sections, Shape::of(body).columns, canvas.palette);
            show(canvas, body, "Keys", &rows, *scroll);
        }
        Overlay::Peers(list) => peers(canvas, body, list),
        Overlay::Prompt(asked) => return prompt(canvas, places.message_or_status(), asked),
        Overlay::Question(asked) => question(canvas, body, asked),
        Overlay::Info(Info { title, text, scroll }) => {
            show(canvas, body, title, &text_rows(text, Shape::of(body).columns), *scroll);
        }
    }
    None
}

/// The greatest scroll at which the key table still fills its box, on a screen of this size.
pub fn help_scroll_limit(area: Rect, sections: &[KeySection<'_>]) -> usize {
    let body = Places::of(area, &Buffer::new()).body();
    let shape = Shape::of(body);
    let rows = help_rows(sections, shape.columns, Palette::plain()).len();
    rows.saturating_sub(usize::from(shape.rows))
}

/// The greatest scroll at which [`Overlay::Info`] with this text still fills its box.
pub fn info_scroll_limit(area: Rect, text: &str) -> usize {
    let shape = Shape::of(Places::of(area, &Buffer::new()).body());
    text_rows(text, shape.columns).len().saturating_sub(usize::from(shape.rows))
}

/// How many rows of an overlay a screen of this size shows at once: what a page scrolls by.
pub fn page_rows(area: Rect) -> usize {
    usize::from(Shape::of(Places::of(area, &Buffer::new()).body()).rows.max(1))
}

/// The box of an overlay: how much it can show.
#[derive(Clone, Copy)]
struct Shape {
    columns: u16,
    rows: u16,
    framed: bool,
}

/// No box is wider than this inside: longer rows are hard to read.
const MOST_COLUMNS: u16 = 72;

impl Shape {
    fn of(body: Rect) -> Self {
        let framed = body.width >= 60 && body.height >= 14;
        match framed {
            true => Self { columns: (body.width - 8).min(MOST_COLUMNS), rows: body.height - 4, framed },
            false => Self { columns: body.width.saturating_sub(2), rows: body.height.saturating_sub(1), framed },
        }
    }
}

/// Shows rows from `scroll` on, under a title that says which they are.
fn show(canvas: &mut Canvas<'_>, body: Rect, title: &str, rows: &[Parts], scroll: usize) {
    let shape = Shape::of(body);
    let page = usize::from(shape.rows);
    let scroll = scroll.min(rows.len().saturating_sub(page));
    let shown = &rows[scroll..rows.len().min(scroll + page)];
    let place = match shown.len() < rows.len() {
        true => format!("{}-{}/{}", scroll + 1, scroll + shown.len(), rows.len()),
        false => String::new(),
    };
    let inside = if shape.framed {
        frame(canvas, body, shape, shown.len() as u16, title, &place)
    } else {
        title_line(canvas, body, title, &place)
    };
    for (row, index) in shown.iter().zip(0..) {
        canvas.write_parts(row_of(inside, index), row);
    }
}

/// A box in the middle of `body` for so many rows; gives its inside.
fn frame(canvas: &mut Canvas<'_>, body: Rect, shape: Shape, rows: u16, title: &str, place: &str) -> Rect {
    let (width, height) = (shape.columns + 4, rows + 2);
    let x = body.x + (body.width - width) / 2;
    let y = body.y + (body.height - height) / 2;
    let outside = Rect { x, y, width, height };
    canvas.clear(outside, Style::new());
    let line = "─".repeat(usize::from(width - 2));
    for (row, index) in (0..height).zip(0_u16..) {
        let edge = match row {
            0 => format!("┌{line}┐"),
            row if row + 1 == height => format!("└{line}┘"),
            _ => format!("│{}│", " ".repeat(usize::from(width - 2))),
        };
        canvas.write(row_of(outside, index), &edge, canvas.palette.faint());
    }
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let top = Rect { x: x + 2, width: width - 4, height: 1, ..outside };
    let title = format!(" {} ", glyph::label(title, usize::from(top.width).saturating_sub(18)));
    canvas.write(top, &title, bold);
    at_right(canvas, top, place, canvas.palette.faint());
    Rect { x: x + 2, y: y + 1, width: width - 4, height: rows }
}

/// A box without a frame that takes all of `body`; gives its inside.
fn title_line(canvas: &mut Canvas<'_>, body: Rect, title: &str, place: &str) -> Rect {
    canvas.clear(body, Style::new());
    let top = row_of(body, 0);
    let bar = canvas.palette.bar();
    canvas.clear(top, bar);
    canvas.write(from_column(top, 1), title, bar.add_modifier(Modifier::BOLD));
    at_right(canvas, top, place, bar);
    let inside = from_column(body, 1);
    Rect {
        y: body.y + 1.min(body.height),
        height: body.height.saturating_sub(1),
        width: inside.width.saturating_sub(1),
        ..inside
    }
}

fn at_right(canvas: &mut Canvas<'_>, area: Rect, text: &str, style: Style) {
    let width = u16::try_from(text.len() + 2).unwrap_or(u16::MAX);
    if !text.is_empty() && width < area.width {
        canvas.write(from_column(area, area.width - width), &format!(" {text} "), style);
    }
}

/// A text wrapped into rows, made safe.
fn text_rows(text: &str, columns: u16) -> Vec<Parts> {
    wrapped(text, columns).into_iter().map(|row| vec![(row, Style::new())]).collect()
}

fn wrapped(text: &str, columns: u16) -> Vec<String> {
    let text = text.trim_end_matches('\n').replace('\t', "    ");
    let buffer = Buffer::from(text.as_str());
    let layout = Layout::new(&buffer, Wrap { columns, tab: 1 });
    let rows = layout.rows_from(layout.row_at(Chars(0)));
    rows.map(|row| {
        let text = buffer.slice(row.start..row.end).unwrap_or_default();
        text.trim_end_matches([' ', '\r']).to_owned()
    })
    .collect()
}

/// The key table: a title for each section, then the keys and beside them what they do.
fn help_rows(sections: &[KeySection<'_>], columns: u16, palette: Palette) -> Vec<Parts> {
    let keys = sections.iter().flat_map(|(_, rows)| rows.iter()).map(|(keys, _)| keys);
    let widest = keys.map(|keys| glyph::label_columns(keys)).max().unwrap_or(0);
    let beside = widest.min(usize::from(columns) / 2);
    let (bold, key) = (Style::new().add_modifier(Modifier::BOLD), palette.good());
    let mut shown = Vec::new();
    for (title, rows) in sections {
        if !shown.is_empty() {
            shown.push(Parts::new());
        }
        shown.push(vec![((*title).to_owned(), bold.add_modifier(Modifier::UNDERLINED))]);
        for (keys, what) in *rows {
            let what = wrapped(what, columns.saturating_sub(beside as u16 + 2));
            for (index, what) in what.into_iter().enumerate() {
                let keys = if index == 0 { glyph::label(keys, beside) } else { String::new() };
                let gap = " ".repeat(beside + 2 - glyph::label_columns(&keys).min(beside));
                shown.push(vec![(keys, key), (gap, Style::new()), (what, Style::new())]);
            }
        }
    }
    shown
}

fn peers(canvas: &mut Canvas<'_>, body: Rect, list: &PeerList<'_>) {
    let shape = Shape::of(body);
    let selected = list.selected.min(list.rows.len().saturating_sub(1));
    let mut rows: Vec<Parts> = list
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| peer(row, index == selected, shape.columns, canvas.palette))
        .collect();
    if rows.is_empty() {
        rows.push(vec![("Nobody else is here.".to_owned(), Style::new())]);
    }
    // The chosen row stays in sight.
    let scroll = (selected + 1).saturating_sub(usize::from(shape.rows));
    show(canvas, body, "People", &rows, scroll);
}

fn peer(row: &PeerRow<'_>, selected: bool, columns: u16, palette: Palette) -> Parts {
    let style = match selected {
        true => Style::new().add_modifier(Modifier::REVERSED),
        false => Style::new(),
    };
    let place = row.place.map_or_else(|| "-".to_owned(), |(line, column)| format!("{line}:{column}"));
    // What somebody may do matters more than what is being done: the screen shows whom it follows.
    let note = match (row.own, row.rights, row.following) {
        (true, ..) => "you",
        (_, "", true) => "following",
        (_, rights, _) => rights,
    };
    let room = usize::from(columns).saturating_sub(6);
    let behind = format!("{place:>9}  {note:<9}");
    let name = glyph::label(row.name, room.saturating_sub(behind.len()));
    let gap = room.saturating_sub(glyph::label_columns(&name) + behind.len());
    vec![
        (if selected { "> " } else { "  " }.to_owned(), style),
        (format!(" {} ", row.marker), palette.block(row.hue)),
        (" ".to_owned(), style),
        (name, style),
        (format!("{}{behind}", " ".repeat(gap)), style),
    ]
}

/// The question and below it the answers, in a box.
fn question(canvas: &mut Canvas<'_>, body: Rect, asked: &Question<'_>) {
    let columns = Shape::of(body).columns;
    let mut rows = text_rows(asked.text, columns);
    let key = canvas.palette.good();
    let answers = asked.choices.iter().map(|(keys, meaning)| {
        vec![(format!("[{keys}]"), key), (" ".to_owned(), Style::new()), ((*meaning).to_owned(), Style::new())]
    });
    let answers: Vec<Parts> = answers.collect();
    // The answers are shown whatever becomes of the question.
    let room = usize::from(Shape::of(body).rows).saturating_sub(answers.len());
    if rows.len() > room {
        rows.truncate(room);
    } else if rows.len() < room {
        rows.push(Parts::new());
    }
    rows.extend(answers);
    show(canvas, body, "Question", &rows, 0);
}

/// The prompt on its line; the part of the input around the caret is shown.
fn prompt(canvas: &mut Canvas<'_>, area: Rect, asked: &Prompt<'_>) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    canvas.clear(area, Style::new());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let label = format!("{}: ", glyph::label(asked.label, usize::from(area.width / 2)));
    let used = canvas.write(area, &label, bold);
    let mut input = from_column(area, used);
    let note = u16::try_from(glyph::label_columns(asked.note)).unwrap_or(u16::MAX);
    if note > 0 && note.saturating_add(2) <= input.width / 2 {
        let at = input.width - note;
        canvas.write(from_column(input, at), asked.note, canvas.palette.faint());
        input.width = at - 1;
    }
    let caret = write_input(canvas, input, asked);
    Some(Position { x: input.x + caret, y: input.y })
}

/// Writes the input, from as far right as needed for the caret to be seen; gives its column.
fn write_input(canvas: &mut Canvas<'_>, area: Rect, asked: &Prompt<'_>) -> u16 {
    let room = usize::from(area.width.saturating_sub(1));
    let before: String = asked.input.chars().take(asked.caret.0).collect();
    let mut skipped = 0;
    let mut columns = glyph::label_columns(&before);
    let mut clusters = glyph::Clusters::of(&before);
    while columns > room {
        let Some(cluster) = clusters.advance() else { break };
        columns -= glyph::label_columns(cluster).min(columns);
        skipped += cluster.len();
    }
    canvas.write(area, &asked.input[skipped..], Style::new());
    u16::try_from(columns).unwrap_or(u16::MAX).min(area.width.saturating_sub(1))
}
