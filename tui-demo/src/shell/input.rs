//! What comes from the terminal, from a thread that waits for it.
//!
//! Knows how to wait and to pass on. A thread, because it can be asked both to wake the editor
//! and what has come already; the stream that the terminal library offers forgets whom to wake
//! after it has been asked in passing.

use std::io;

use crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// How much waits for the editor. A paste that the terminal does not bracket comes as so many
/// keys; beyond this they wait in the terminal.
const WAITING: usize = 1024;

/// The terminal's events, in order.
#[derive(Debug)]
pub(super) struct Input {
    events: mpsc::Receiver<io::Result<Event>>,
}

impl Input {
    /// Starts to read the terminal. Nobody else may from here on.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(super) fn listen() -> io::Result<Self> {
        let (pass_on, events) = mpsc::channel(WAITING);
        std::thread::Builder::new().name("input".into()).spawn(move || {
            loop {
                let event = event::read();
                let failed = event.is_err();
                // Without a reader there is nothing left to do; the wait for the last event ends
                // with the process.
                if pass_on.blocking_send(event).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { events })
    }

    /// The next event; `None` after an error. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        self.events.recv().await
    }

    /// What has come already.
    pub(super) fn try_next(&mut self) -> Option<io::Result<Event>> {
        self.events.try_recv().ok()
    }
}
