//! A question on the plain terminal, before the editor takes it over.
//!
//! Knows one key press at a time. What is asked may name files; control characters in names are
//! made visible before anything is printed.

use std::io::{self, Write};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use crate::glyph;

/// The widest line that is printed at once.
const COLUMNS: usize = 2000;

/// Prints a line, harmless whatever it holds.
pub(super) fn say(line: &str) {
    // A terminal that is gone cannot be told so.
    let _ = writeln!(io::stderr(), "{}", glyph::label(line, COLUMNS));
}

/// Asks until one of the keys is pressed: `choices` are keys with what they mean. Esc, Ctrl-C and
/// the end of the input count as the last, which should be the way out.
///
/// # Errors
/// The terminal fails.
pub(super) fn choose(question: &str, choices: &[(char, &str)]) -> io::Result<char> {
    say(question);
    let offered: Vec<String> = choices.iter().map(|(key, says)| format!("[{key}] {says}")).collect();
    let mut out = io::stderr();
    write!(out, "{} ", glyph::label(&offered.join("   "), COLUMNS))?;
    out.flush()?;
    enable_raw_mode()?;
    let chosen = wait(choices);
    disable_raw_mode()?;
    let chosen = chosen?;
    writeln!(out, "{chosen}")?;
    Ok(chosen)
}

fn wait(choices: &[(char, &str)]) -> io::Result<char> {
    let way_out = choices.last().map_or('q', |(key, _)| *key);
    loop {
        let Event::Key(key) = event::read()? else {
            continue;
        };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match key.code {
            KeyCode::Esc => return Ok(way_out),
            KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Ok(way_out);
            }
            KeyCode::Char(c) => {
                let c = c.to_ascii_lowercase();
                if choices.iter().any(|(key, _)| *key == c) {
                    return Ok(c);
                }
            }
            _ => {}
        }
    }
}
