//! Being stopped and going on, as a shell's job control wants it.
//!
//! Knows the signals and how to stop this process; what becomes of the terminal meanwhile is the editor's to do. A stop
//! that cannot be caught is told only by going on.

#[cfg(unix)]
use std::future::poll_fn;
use std::io;
#[cfg(unix)]
use std::task::Poll;

/// What the shell wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Job {
    /// The terminal back, and this process stopped.
    Stop,
    /// This process to go on; the terminal has been in other hands.
    GoOn,
}

/// The signals for both.
#[cfg(unix)]
pub(super) struct JobControl {
    stop: tokio::signal::unix::Signal,
    go_on: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl JobControl {
    /// From here on the process stops by [`JobControl::stop`] alone, or by a signal that cannot be caught.
    ///
    /// # Errors
    /// The system's reason.
    pub(super) fn listen() -> io::Result<Self> {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let caught = |asked: Signal| signal(SignalKind::from_raw(asked.as_raw()));
        Ok(Self { stop: caught(Signal::TSTP)?, go_on: caught(Signal::CONT)? })
    }

    /// What is wanted next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Job {
        tokio::select! {
            biased;
            _ = self.stop.recv() => match self.may_go_on().await {
                true => Job::GoOn,
                false => Job::Stop,
            },
            _ = self.go_on.recv() => Job::GoOn,
        }
    }

    /// Whether going on is wanted already. Where nobody catches these signals the second takes the first back, and nobody says
    /// twice that one may go on.
    async fn may_go_on(&mut self) -> bool {
        poll_fn(|context| Poll::Ready(self.go_on.poll_recv(context).is_ready())).await
    }

    /// Stops this process. [`Job::GoOn`] follows when it goes on.
    pub(super) fn stop() {
        use rustix::process::{Signal, getpid, kill_process};
        // The system that refuses this lets it go on, and the person stops it again.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// The signals for both, where there are none.
#[cfg(not(unix))]
pub(super) struct JobControl;

#[cfg(not(unix))]
impl JobControl {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// What is wanted next.
    pub(super) async fn next(&mut self) -> Job {
        std::future::pending().await
    }

    /// Stops nothing.
    pub(super) fn stop() {}
}
