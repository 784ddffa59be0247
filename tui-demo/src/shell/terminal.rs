//! The terminal: taken over on entry, given back on every way out.
//!
//! Knows which modes the editor switches on and how to switch them off again: when this value is
//! dropped, when the program panics, and by name for signals. Nothing of anybody's text is ever
//! written to the terminal from here.

use std::io::{self, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use crossterm::terminal::{Clear, ClearType};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute, queue, style};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};

static RESTORE_ON_PANIC: Once = Once::new();

/// What stands on the screen is the editor's.
static DRAWN_ON: AtomicBool = AtomicBool::new(false);

/// The terminal while the editor has it.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
    /// Somebody else has the terminal for a while; nothing is drawn.
    is_lent: bool,
}

impl Screen {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste, mouse; and clears it, for where there is
    /// no alternate screen, or one that an editor was killed on, something stands there.
    ///
    /// # Errors
    /// The system's reason; the terminal is then as before.
    pub fn enter() -> io::Result<Self> {
        RESTORE_ON_PANIC.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // First the terminal, so that the report can be read.
                leave();
                report(panic);
            }));
        });
        let entered = take_over()
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())))
            .map(|terminal| Self { terminal, is_lent: false })
            .and_then(|mut screen| screen.clear().map(|()| screen));
        entered.inspect_err(|_| leave())
    }

    /// Clears the terminal, whatever stands on it, so that the next drawing draws everything.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn clear(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.resized(size.width, size.height)
    }

    /// Gives the terminal back until [`Screen::take_back`].
    pub fn lend(&mut self) {
        leave();
        self.is_lent = true;
    }

    /// Takes the terminal over again, whether it was lent or somebody has simply had it.
    ///
    /// # Errors
    /// The terminal cannot be written to, or is still somebody else's.
    pub fn take_back(&mut self) -> io::Result<()> {
        // The library believes that the terminal is as it was left, and then would do nothing.
        disable_raw_mode()?;
        take_over()?;
        self.is_lent = false;
        self.clear()
    }

    /// Draws everything. A terminal that knows how shows it all at once; the others pass over the request.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if self.is_lent {
            return Ok(());
        }
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(draw)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// The terminal has this many columns and rows now. Its cells are drawn anew, even when it has had the same size
    /// before: what it did to them in between, only it knows.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn resized(&mut self, columns: u16, rows: u16) -> io::Result<()> {
        self.terminal.resize(Rect::new(0, 0, columns, rows))
    }

    /// Puts `text` into the clipboard of the terminal's user (OSC 52), if the terminal lets it.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn set_clipboard(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout();
        // Base 64 has no character that a terminal could take for anything else.
        write!(out, "\x1b]52;c;{}\x1b\\", base64(text.as_bytes()))?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn take_over() -> io::Result<()> {
    enable_raw_mode()?;
    DRAWN_ON.store(true, Ordering::Relaxed);
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, EnableMouseCapture)
}

/// Gives the terminal back. Harmless when it was never taken, or is given back already; what
/// fails here fails because the terminal is gone.
fn leave() {
    let mut out = io::stdout();
    let _ = queue!(out, EndSynchronizedUpdate, DisableMouseCapture, DisableBracketedPaste);
    // Where there is no alternate screen to leave, what was drawn would stay among what comes next. Only once: what
    // stands there the second time is somebody else's, such as the report of a panic.
    if DRAWN_ON.swap(false, Ordering::Relaxed) {
        let _ = queue!(out, style::SetAttribute(style::Attribute::Reset), Clear(ClearType::All), cursor::MoveTo(0, 0));
    }
    let _ = queue!(out, LeaveAlternateScreen, cursor::Show);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit <= group.len() {
                let index = (bits >> (18 - 6 * digit)) & 63;
                encoded.push(char::from(DIGITS[index as usize]));
            } else {
                encoded.push('=');
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{1b}]0;é", "G10wO8Op"),
        ];
        for (plain, encoded) in cases {
            assert_eq!(base64(plain.as_bytes()), encoded, "{plain:?}");
        }
    }
}
