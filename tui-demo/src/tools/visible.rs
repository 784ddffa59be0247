//! Text of strangers on a terminal.
//!
//! Knows lines and tabs; what else a terminal would obey is made visible. Does not know what the text is about.

use std::io::{self, Write};

use crate::glyph;

/// Passes lines on with their control and bidi characters made visible. A line is held until it ends or the writer is
/// flushed.
pub(super) struct Visible<W> {
    terminal: W,
    line: Vec<u8>,
}

impl<W: Write> Visible<W> {
    pub(super) fn new(terminal: W) -> Self {
        Self { terminal, line: Vec::new() }
    }

    fn show_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        for (index, field) in String::from_utf8_lossy(&line).split('\t').enumerate() {
            if index > 0 {
                self.terminal.write_all(b"\t")?;
            }
            self.terminal.write_all(glyph::label(field, usize::MAX).as_bytes())?;
        }
        Ok(())
    }
}

impl<W: Write> Write for Visible<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.split_last() {
                Some((b'\n', rest)) => {
                    self.line.extend_from_slice(rest);
                    self.show_line()?;
                    self.terminal.write_all(b"\n")?;
                }
                _ => self.line.extend_from_slice(piece),
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.show_line()?;
        self.terminal.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::Visible;

    #[test]
    fn a_terminal_gets_lines_and_tabs_and_nothing_else_to_obey() {
        let mut visible = Visible::new(Vec::new());
        // A character may come in two writes.
        visible.write_all("one\ttwo\u{1b}[2J\nna\u{cc}".as_bytes()).unwrap();
        visible.write_all("\u{202e}\u{9b}1m \u{fc}".as_bytes()).unwrap();
        visible.flush().unwrap();
        let shown = String::from_utf8(visible.terminal).unwrap();
        assert!(
            shown.starts_with("one\ttwo") && shown.contains("[2J\nna\u{cc}") && shown.ends_with('\u{fc}'),
            "{shown:?}"
        );
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{shown:?}");
    }
}
