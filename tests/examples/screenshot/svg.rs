//! A screen as a picture: cells to rectangles and text, in the colours of a dark terminal.
//!
//! Knows the screen's cells and the colours that an xterm has; knows nothing of what they show. Every word is placed by
//! itself and every wide character, so that a font of other proportions does little harm.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 18.0;
const MARGIN: f64 = 12.0;
const GROUND: &str = "#1b1d23";
const INK: &str = "#d7dae0";

/// The 16 colours of the terminal's theme.
const THEME: [&str; 16] = [
    "#1b1d23", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf", "#5c6370", "#ef7f88",
    "#a9d48a", "#f0cf8e", "#79bff7", "#d68ee8", "#6bc8d3", "#ffffff",
];

/// How a cell is drawn.
#[derive(Clone, PartialEq)]
struct Look {
    ink: String,
    ground: String,
    bold: bool,
    italic: bool,
    underlined: bool,
    dim: bool,
}

/// Draws a screen.
pub(crate) fn picture(screen: &Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let (width, height) = (f64::from(columns) * WIDTH + 2.0 * MARGIN, f64::from(rows) * HEIGHT + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{GROUND}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" shape-rendering=\"crispEdges\">\n",
        escaped(title)
    );
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            column = run(&mut svg, screen, row, column, columns);
        }
    }
    if !screen.hide_cursor() {
        let (row, column) = screen.cursor_position();
        let (x, y) = corner(row, column);
        // Writing to a string does not fail; so below.
        let _ = writeln!(svg, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"2\" height=\"{HEIGHT}\" fill=\"{INK}\"/>");
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Draws the cells from `column` on that look alike, and gives the column behind them.
fn run(svg: &mut String, screen: &Screen, row: u16, column: u16, columns: u16) -> u16 {
    let cell = |at: u16| screen.cell(row, at).expect("a cell of the screen");
    let look = look(cell(column));
    let end = (column..columns).find(|&at| self::look(cell(at)) != look).unwrap_or(columns);
    let (x, y) = corner(row, column);
    let width = f64::from(end - column) * WIDTH;
    if look.ground != GROUND {
        let ground = &look.ground;
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{ground}\"/>"
        );
    }
    let (style, mut at) = (style(&look), column);
    while at < end {
        let next = word_end(screen, row, at, end);
        let word: String = (at..next).map(|at| cell(at).contents()).collect();
        if !word.trim().is_empty() {
            let (x, base, word) = (corner(row, at).0, y + HEIGHT * 0.75, escaped(&word));
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{base:.1}\"{style}>{word}</text>");
        }
        at = next;
    }
    end
}

/// The column behind the word at `column`. Blanks are words of their own, and so is what a font may draw in its own
/// width.
fn word_end(screen: &Screen, row: u16, column: u16, end: u16) -> u16 {
    let joins = |at: u16| {
        let cell = screen.cell(row, at).expect("a cell of the screen");
        cell.contents() != " " && !cell.contents().is_empty() && cell.contents().is_ascii()
    };
    if !joins(column) {
        return column + 1;
    }
    (column..end).find(|&at| !joins(at)).unwrap_or(end)
}

fn corner(row: u16, column: u16) -> (f64, f64) {
    (MARGIN + f64::from(column) * WIDTH, MARGIN + f64::from(row) * HEIGHT)
}

fn style(look: &Look) -> String {
    let mut style = format!(" fill=\"{}\"", look.ink);
    for (on, attribute) in [
        (look.bold, " font-weight=\"bold\""),
        (look.italic, " font-style=\"italic\""),
        (look.underlined, " text-decoration=\"underline\""),
        (look.dim, " opacity=\"0.6\""),
    ] {
        if on {
            style.push_str(attribute);
        }
    }
    style
}

fn look(cell: &Cell) -> Look {
    let mut ink = color(cell.fgcolor(), INK);
    let mut ground = color(cell.bgcolor(), GROUND);
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut ground);
    }
    Look { ink, ground, bold: cell.bold(), italic: cell.italic(), underlined: cell.underline(), dim: cell.dim() }
}

fn color(color: Color, default: &str) -> String {
    match color {
        Color::Default => default.to_owned(),
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
        Color::Idx(index @ 0..16) => THEME[usize::from(index)].to_owned(),
        // The cube of 6 × 6 × 6, then the greys.
        Color::Idx(index @ 16..232) => {
            let step = |part: u8| [0, 95, 135, 175, 215, 255][usize::from(part % 6)];
            let cube = index - 16;
            format!("#{:02x}{:02x}{:02x}", step(cube / 36), step(cube / 6), step(cube))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            format!("#{grey:02x}{grey:02x}{grey:02x}")
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
