//! Playing a recorded session in the terminal, authors in colour.
//!
//! - `timeline`: the text at any moment;
//! - `player`: where in the session one is, and how time passes;
//! - `show`: what is on the screen, and what the keys do.
//!
//! This room knows the clock on the wall and waits for keys. Nothing here changes the history.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::palette::Palette;
use crate::shell::ShellError;
use crate::shell::run::Ended;
use crate::shell::stage::{Cue, Stage};
use crate::tools::{self, ToolError};

mod player;
mod show;
mod timeline;

use show::{Show, Wish};
use timeline::Timeline;

/// How long a picture stands while the session plays: 30 pictures a second, which eyes take for motion.
const FRAME: Duration = Duration::from_millis(33);

/// Plays the history of a file until the person has seen enough, or somebody wants the program to end.
///
/// # Errors
/// When the file is no history, or the terminal fails; the terminal is given back in any case.
pub async fn play(file: &Path) -> Result<Ended, ReplayError> {
    let mut notices = Vec::new();
    let document = tools::read(file, &mut notices).map_err(ReplayError::History)?;
    let timeline = Timeline::of(&document);
    drop(document);
    let title = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let notice = String::from_utf8_lossy(&notices).trim_end().to_owned();
    let palette = Palette::detect(|name| std::env::var(name).ok());
    Ok(show(Show::new(timeline, palette, title, notice)).await?)
}

/// Draws, waits, lets time pass, until the person wishes to leave.
async fn show(mut show: Show) -> Result<Ended, ShellError> {
    let mut stage = Stage::enter()?;
    let mut before = Instant::now();
    loop {
        stage.screen.draw(|frame| show.draw(frame)).map_err(ShellError::Terminal)?;
        let was_playing = show.is_playing();
        let cue = tokio::select! {
            cue = stage.next() => Some(cue),
            () = sleep_until((before + FRAME).into()), if was_playing => None,
        };
        match cue {
            Some(Cue::End(signal)) => return Ok(Ended::Signalled(signal)),
            Some(Cue::Input(event)) => match show.handle(&event) {
                Wish::Stay => {}
                Wish::Redraw => stage.screen.clear().map_err(ShellError::Terminal)?,
                Wish::Leave => return Ok(Ended::Left),
            },
            None => {}
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
    /// The terminal fails, or there is none; or the program cannot be run at all.
    Shell(ShellError),
}

impl From<ShellError> for ReplayError {
    fn from(error: ShellError) -> Self {
        Self::Shell(error)
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::History(error) => error.fmt(f),
            Self::Shell(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::History(error) => Some(error),
            Self::Shell(error) => Some(error),
        }
    }
}
