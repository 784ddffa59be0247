//! Playing a recorded session in the terminal, authors in colour.
//!
//! - `timeline`: the text at any moment;
//! - `player`: where in the session one is, and how time passes;
//! - `show`: what is on the screen, and what the keys do.
//!
//! This room knows the clock on the wall and waits for keys. Nothing here changes the history.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};

use crate::palette::Palette;
use crate::shell::terminal::Screen;
use crate::tools::{self, ToolError};

mod player;
mod show;
mod timeline;

use show::{Show, Wish};
use timeline::Timeline;

/// How long a picture stands while the session plays: 30 pictures a second, which eyes take for motion.
const FRAME: Duration = Duration::from_millis(33);

/// How long to wait for a key while nothing moves. Nothing happens when it has passed.
const PAUSE: Duration = Duration::from_secs(3600);

/// Plays the history of a file until the person has seen enough.
///
/// # Errors
/// When the file is no history, or the terminal fails; the terminal is given back in any case.
pub fn play(file: &Path) -> Result<(), ReplayError> {
    let mut notices = Vec::new();
    let document = tools::read(file, &mut notices).map_err(ReplayError::History)?;
    let timeline = Timeline::of(&document);
    drop(document);
    let title = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let notice = String::from_utf8_lossy(&notices).trim_end().to_owned();
    let palette = Palette::detect(|name| std::env::var(name).ok());
    show(Show::new(timeline, palette, title, notice)).map_err(ReplayError::Terminal)
}

/// Draws, waits, lets time pass, until the person wishes to leave.
fn show(mut show: Show) -> io::Result<()> {
    let mut screen = Screen::enter()?;
    let mut before = Instant::now();
    loop {
        screen.draw(|frame| show.draw(frame))?;
        let rest = if show.is_playing() { FRAME.saturating_sub(before.elapsed()) } else { PAUSE };
        let was_playing = show.is_playing();
        if event::poll(rest)? {
            let event = event::read()?;
            if let Event::Resize(columns, rows) = event {
                screen.resized(columns, rows)?;
            }
            match show.handle(&event) {
                Wish::Stay => {}
                Wish::Redraw => screen.clear()?,
                Wish::Leave => return Ok(()),
            }
        }
        let now = Instant::now();
        // Time that went by while it stood still is not made up for.
        if was_playing {
            show.advance(now - before);
        }
        before = now;
    }
}

/// Why a session cannot be played.
#[derive(Debug)]
pub enum ReplayError {
    /// The file is no history.
    History(ToolError),
    /// The terminal fails, or there is none.
    Terminal(io::Error),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(error) => error.fmt(f),
            Self::Terminal(error) => write!(f, "the terminal fails: {error}"),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::History(error) => Some(error),
            Self::Terminal(error) => Some(error),
        }
    }
}
