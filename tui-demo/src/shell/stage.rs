//! The terminal as a program that fills it has it: what is shown on it, what comes from it, and who wants it back.
//!
//! Knows that a shell may stop the program and let it go on, which is settled here. Decides nothing about what is shown.

use crossterm::event::Event;

use super::ShellError;
use super::input::Input;
use super::job_control::{Job, JobControl};
use super::signals::{HANGUP, Signals};
use super::terminal::Screen;

/// See the module.
pub struct Stage {
    /// To be drawn on.
    pub screen: Screen,
    input: Input,
    signals: Signals,
    jobs: JobControl,
}

/// What comes from a terminal.
#[derive(Debug)]
pub enum Cue {
    /// A key, the mouse, a paste, another size.
    Input(Event),
    /// The program is to end, by this signal. A terminal that is gone without one counts as closed.
    End(i32),
}

impl Stage {
    /// Takes the terminal over, until this is dropped. Nobody else may read it from here on.
    ///
    /// # Errors
    /// [`ShellError::Terminal`], [`ShellError::Signals`] or [`ShellError::Runtime`]; the terminal is as before.
    pub fn enter() -> Result<Self, ShellError> {
        let signals = Signals::listen().map_err(ShellError::Signals)?;
        let jobs = JobControl::listen().map_err(ShellError::Signals)?;
        let input = Input::listen().map_err(ShellError::Runtime)?;
        let screen = Screen::enter().map_err(ShellError::Terminal)?;
        Ok(Self { screen, input, signals, jobs })
    }

    /// What comes next. Cancel-safe.
    pub async fn next(&mut self) -> Cue {
        loop {
            tokio::select! {
                input = self.input.next() => return match input {
                    Some(Ok(event)) => self.hear(event),
                    None | Some(Err(_)) => Cue::End(HANGUP),
                },
                signal = self.signals.next() => return Cue::End(signal),
                job = self.jobs.next() => {
                    if let Some(event) = self.obey(job) {
                        return self.hear(event);
                    }
                }
            }
        }
    }

    /// What has come already from the person. After an error there is nothing, and [`Stage::next`] says so.
    pub fn try_next(&mut self) -> Option<Cue> {
        self.input.try_next()?.ok().map(|event| self.hear(event))
    }

    fn hear(&mut self, event: Event) -> Cue {
        if let Event::Resize(columns, rows) = event {
            // A terminal that fails here fails at the next drawing as well, which says so.
            let _ = self.screen.resized(columns, rows);
        }
        Cue::Input(event)
    }

    /// The shell that has started this program wants the terminal, or has given it back.
    fn obey(&mut self, job: Job) -> Option<Event> {
        match job {
            Job::Stop => {
                self.screen.lend();
                JobControl::stop();
                None
            }
            Job::GoOn => {
                // A terminal that fails here fails at the next drawing as well, which says so.
                let _ = self.screen.take_back();
                // Nobody has told how large it was made meanwhile; and everything is to be drawn.
                let (columns, rows) = crossterm::terminal::size().ok()?;
                Some(Event::Resize(columns, rows))
            }
        }
    }
}
