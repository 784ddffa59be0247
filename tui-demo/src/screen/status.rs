//! The status line and the message line.
//!
//! Knows what matters more when there is little room; does not know what any of it means. Each
//! part of the status line has forms from the longest to nothing; while the line is too long,
//! the next step of [`STEPS`] shortens one part. Nothing ever wraps.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::paint::{Canvas, Parts, from_column};
use super::{Agreement, Notice, Places, Severity, Status};
use crate::glyph;
use crate::palette::Palette;

/// The parts of the status line, in their order on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    File,
    Modified,
    Agreement,
    Peers,
    Connection,
    Unacknowledged,
    Role,
    Following,
    /// At the right edge.
    Position,
}

const PARTS: [Part; 9] = [
    Part::File,
    Part::Modified,
    Part::Agreement,
    Part::Peers,
    Part::Connection,
    Part::Unacknowledged,
    Part::Role,
    Part::Following,
    Part::Position,
];

/// Which part is shortened to which form, the least important first. Form 0 is the longest.
const STEPS: [(Part, usize); 15] = [
    (Part::Role, 1),
    (Part::Connection, 1),
    (Part::Agreement, 1),
    (Part::Unacknowledged, 1),
    (Part::Peers, 1),
    (Part::Following, 1),
    (Part::File, 1),
    (Part::Unacknowledged, 2),
    (Part::Connection, 2),
    (Part::Following, 2),
    (Part::File, 2),
    (Part::Peers, 2),
    (Part::Connection, 3),
    (Part::Position, 1),
    (Part::Agreement, 2),
];

/// Draws both lines.
pub(super) fn draw(canvas: &mut Canvas<'_>, places: &Places, status: &Status<'_>) {
    let bar = canvas.palette.bar();
    canvas.clear(places.status, bar);
    canvas.clear(places.message, Style::new());
    if places.message.height == 0 && status.notice.is_some() {
        message(canvas, places.status, status);
        return;
    }
    let (left, right) = fitted(status, canvas.palette, places.status.width);
    canvas.write_parts(places.status, &left);
    let width = columns(&right);
    let at = places.status.width.saturating_sub(width);
    canvas.write_parts(from_column(places.status, at), &right);
    message(canvas, places.message, status);
}

/// The parts at the left and at the right edge, in forms that fit `width` columns together.
fn fitted(status: &Status<'_>, palette: Palette, width: u16) -> (Parts, Parts) {
    let mut forms = [0; PARTS.len()];
    let mut steps = STEPS.iter();
    loop {
        let (mut left, mut right) = (Parts::new(), Parts::new());
        for (part, form) in PARTS.into_iter().zip(forms) {
            let Some((text, style)) = form_of(part, form, status, palette) else { continue };
            let side = if part == Part::Position { &mut right } else { &mut left };
            // The mark of a modified file follows its name at once, everything else apart.
            let first = side.is_empty() && part != Part::Position;
            let gap = if first || part == Part::Modified { " " } else { "  " };
            side.push((gap.to_owned(), palette.bar()));
            side.push((text, palette.bar().patch(style)));
        }
        right.extend((!right.is_empty()).then(|| (" ".to_owned(), palette.bar())));
        if columns(&left) + columns(&right) <= width {
            return (left, right);
        }
        match steps.next() {
            Some((part, form)) => forms[*part as usize] = *form,
            None => return (left, right),
        }
    }
}

fn columns(parts: &Parts) -> u16 {
    let sum: usize = parts.iter().map(|(text, _)| glyph::label_columns(text)).sum();
    u16::try_from(sum).unwrap_or(u16::MAX)
}

/// A part in one of its forms; `None` when it says nothing.
fn form_of(part: Part, form: usize, status: &Status<'_>, palette: Palette) -> Option<(String, Style)> {
    let plain = Style::new();
    let bold = plain.add_modifier(Modifier::BOLD);
    let text = match (part, form) {
        (Part::File, form) => {
            let most = [48, 16, 8][form];
            return Some((glyph::label(status.file, most), bold));
        }
        (Part::Modified, _) => status.modified.then(|| "[+]".to_owned()),
        (Part::Agreement, form) => {
            let (text, style) = agreement(status.agreement, form, palette)?;
            return Some((text.to_owned(), style));
        }
        (Part::Peers, form) => match (status.peers, form) {
            (0, _) | (_, 2..) => None,
            (1, 0) => Some("1 peer".to_owned()),
            (peers, 0) => Some(format!("{peers} peers")),
            (peers, _) => Some(format!("{peers}p")),
        },
        (Part::Connection, form) => {
            let text = connection(status, form)?;
            return Some((text, severity_style(status.connection_severity, palette)));
        }
        (Part::Unacknowledged, form) => match (status.unacknowledged, form) {
            (0, _) | (_, 2..) => None,
            (count, 0) => Some(format!("{count} unsent")),
            (count, _) => Some(format!("{count}↑")),
        },
        (Part::Role, 0) if !status.role.is_empty() => Some(glyph::label(status.role, 12)),
        (Part::Following, form) => match (status.following, form) {
            (None, _) | (_, 2..) => None,
            (Some(name), 0) => Some(format!("following {}", glyph::label(name, 16))),
            (Some(name), _) => Some(format!("> {}", glyph::label(name, 8))),
        },
        (Part::Position, 0) => Some(format!("{}:{}", status.line, status.column)),
        (Part::Role | Part::Position, _) => None,
    };
    text.map(|text| (text, plain))
}

fn agreement(agreement: Agreement, form: usize, palette: Palette) -> Option<(&'static str, Style)> {
    let (long, short, style) = match agreement {
        Agreement::Unknown => return None,
        Agreement::Equal => ("✓ in sync", "✓", Style::new()),
        Agreement::Pending => ("~ syncing", "~", Style::new()),
        Agreement::Differs => ("✗ texts differ", "✗ differ", palette.error()),
    };
    match form {
        0 => Some((long, style)),
        1 => Some((short, style)),
        // That something is wrong is said to the last.
        _ => (agreement == Agreement::Differs).then_some((short, style)),
    }
}

/// A good connection need not be mentioned; a bad one is, to the last.
fn connection(status: &Status<'_>, form: usize) -> Option<String> {
    let good = status.connection_severity == Severity::Info;
    match (status.connection, good, form) {
        ("", _, _) => None,
        (text, _, 0) => Some(glyph::label(text, 32)),
        (text, true, 1) => Some(glyph::label(text, 12)),
        (text, false, 1) => Some(glyph::label(text, 16)),
        (text, false, 2) => Some(glyph::label(text, 10)),
        (_, true, _) => None,
        (_, false, _) => Some("!".to_owned()),
    }
}

fn severity_style(severity: Severity, palette: Palette) -> Style {
    match severity {
        Severity::Info => Style::new(),
        Severity::Warning => palette.warning(),
        Severity::Error => palette.error(),
    }
}

/// The latest message, else how to join; and the keys to remember where there is room.
fn message(canvas: &mut Canvas<'_>, area: Rect, status: &Status<'_>) {
    let palette = canvas.palette;
    let used = match (status.notice, status.join) {
        (Some(Notice { text, severity }), _) => canvas.write(area, text, severity_style(severity, palette)),
        (None, Some(join)) => {
            // As it is typed, where there is room for it.
            let command = "cede join ";
            let columns = command.len() + glyph::label_columns(join);
            let before = if columns <= usize::from(area.width) { command } else { "join: " };
            let parts = vec![(before.to_owned(), palette.faint()), (join.to_owned(), Style::new())];
            canvas.write_parts(area, &parts)
        }
        (None, None) => 0,
    };
    let columns = u16::try_from(glyph::label_columns(status.hint)).unwrap_or(u16::MAX);
    let left = area.width.saturating_sub(used);
    if used == 0 || columns.saturating_add(2) <= left {
        let at = if used == 0 { 0 } else { area.width - columns };
        canvas.write(from_column(area, at), status.hint, palette.faint());
    }
}
