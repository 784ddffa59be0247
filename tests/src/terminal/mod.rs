//! A person at a terminal: a real program in a pseudo-terminal, driven by keys and seen as a screen.
//!
//! Knows programs, keys and screens and nothing of what is typed; [`desk`] knows the editor. Nothing here sleeps, and
//! screens are not polled: a thread reads what the program writes as it comes, and whoever waits for one is woken by it.
//!
//! ```text
//!   test ── keys ──> pseudo-terminal ──> program
//!    ^                                     │
//!    └── woken ── screen <── reader thread ┘
//!                    └── every byte, for [`output`] to judge
//! ```

pub mod desk;
mod keys;
pub mod output;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

pub use keys::Key;
pub use vt100::Screen;
use watch::Watch;

/// How long anything may take before a test fails. Nothing takes a tenth of it unless something is wrong or the machine
/// is very busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What to run, where.
#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

impl Command {
    /// A program in a folder, with an environment that says nothing but that the terminal has 256 colours.
    #[must_use]
    pub fn new(program: &Path, folder: &Path) -> Self {
        let variables = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8")];
        Self {
            program: program.into(),
            arguments: Vec::new(),
            folder: folder.into(),
            variables: variables.map(|(name, value)| (name.into(), value.into())).into(),
        }
    }

    /// One more word behind the program's name.
    #[must_use]
    pub fn arg(mut self, word: impl Into<OsString>) -> Self {
        self.arguments.push(word.into());
        self
    }

    /// One more variable in the environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    fn builder(&self) -> CommandBuilder {
        let mut builder = CommandBuilder::new(&self.program);
        builder.env_clear();
        builder.args(&self.arguments);
        builder.cwd(&self.folder);
        for (name, value) in &self.variables {
            builder.env(name, value);
        }
        builder
    }
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Cells from left to right.
    pub columns: u16,
    /// Cells from top to bottom.
    pub rows: u16,
}

impl Size {
    /// A terminal of so many columns and rows.
    #[must_use]
    pub const fn new(columns: u16, rows: u16) -> Self {
        Self { columns, rows }
    }

    fn pty(self) -> PtySize {
        PtySize { rows: self.rows, cols: self.columns, ..PtySize::default() }
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself, with this code.
    Code(u32),
    /// By a signal, named as the system names it.
    Signal(String),
}

/// A program in a terminal. Dropping it ends the program at once.
///
/// Every method that waits gives up after [`PATIENCE`] and then panics with the screen as it is, because a test cannot
/// go on.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    watch: Arc<Watch>,
    pid: Pid,
}

impl Terminal {
    /// Runs a program. `name` is what its screens are called when a test fails.
    ///
    /// # Panics
    /// When there is no such program, or no pseudo-terminal to be had.
    #[must_use]
    pub fn spawn(name: &str, command: &Command, size: Size) -> Self {
        let pair = native_pty_system().openpty(size.pty()).expect("a pseudo-terminal");
        let mut child = pair.slave.spawn_command(command.builder()).expect("the program starts");
        let pid = child.process_id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).expect("a process id");
        // The program alone holds the other side now, so reading ends when it ends.
        drop(pair.slave);
        let watch = Arc::new(Watch::new(name, size));
        let reader = pair.master.try_clone_reader().expect("a reader");
        let reading = thread::spawn({
            let watch = Arc::clone(&watch);
            move || watch.read(reader)
        });
        thread::spawn({
            let watch = Arc::clone(&watch);
            move || {
                let status = child.wait().expect("a child of ours");
                // Its last words first.
                reading.join().expect("the reader does not panic");
                watch.end(match status.signal() {
                    Some(signal) => Ended::Signal(signal.into()),
                    None => Ended::Code(status.exit_code()),
                });
            }
        });
        let writer = pair.master.take_writer().expect("a writer");
        Self { master: pair.master, writer, watch, pid }
    }

    /// Presses a key.
    pub fn press(&mut self, key: Key) {
        self.send(&key.bytes());
    }

    /// Types a text, as fast as a terminal can take it.
    pub fn type_text(&mut self, text: &str) {
        self.send(text.replace('\n', "\r").as_bytes());
    }

    /// Pastes a text, in the brackets that terminals put around it.
    pub fn paste(&mut self, text: &str) {
        self.send(format!("\x1b[200~{text}\x1b[201~").as_bytes());
    }

    /// Clicks into a cell, counted from 0.
    pub fn click(&mut self, column: u16, row: u16) {
        let (column, row) = (column + 1, row + 1);
        self.send(format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m").as_bytes());
    }

    /// Turns the wheel down by one step over a cell, counted from 0.
    pub fn wheel_down(&mut self, column: u16, row: u16) {
        self.send(format!("\x1b[<65;{};{}M", column + 1, row + 1).as_bytes());
    }

    fn send(&mut self, bytes: &[u8]) {
        let sent = self.writer.write_all(bytes).and_then(|()| self.writer.flush());
        if let Err(error) = sent {
            self.watch.fail(&format!("cannot type: {error}"));
        }
    }

    /// Gives the terminal another size, which the program is told by a signal.
    pub fn resize(&mut self, size: Size) {
        // The screen first: what the program draws for the new size must not fall on the old one.
        self.watch.resize(size);
        self.master.resize(size.pty()).expect("a size");
    }

    /// Waits until the screen is as wished. `what` is told when it never is. A program that does not say when it draws
    /// may be looked at in the middle of it, so the condition should name what is to be there and not only what is not.
    pub fn wait_for(&self, what: &str, condition: impl FnMut(&Screen) -> bool) {
        self.watch.wait_for(what, condition);
    }

    /// Waits until a text stands in one row of the screen.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("{text:?}"), |screen| shows(screen, text));
    }

    /// Waits until a text stands in no row of the screen.
    pub fn wait_for_no(&self, text: &str) {
        self.wait_for(&format!("no {text:?}"), |screen| !shows(screen, text));
    }

    /// The screen as it is now, or as soon as it is drawn.
    #[must_use]
    pub fn screen(&self) -> Screen {
        self.watch.screen()
    }

    /// Every byte that the program has written so far.
    #[must_use]
    pub fn output(&self) -> Vec<u8> {
        self.watch.output()
    }

    /// Ends the program as `kill -9` does, and waits for its end: it is given no chance to write anything.
    pub fn kill(&mut self) {
        if self.watch.ended().is_none() {
            // Ended by itself meanwhile: just as well.
            let _ = kill_process(self.pid, Signal::KILL);
        }
        self.wait_for_end();
    }

    /// Tells the program that its terminal is closed.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn hang_up(&mut self) {
        kill_process(self.pid, Signal::HUP).expect("a child of ours");
    }

    /// Asks the program to stop, as a shell does.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn ask_to_stop(&mut self) {
        kill_process(self.pid, Signal::TSTP).expect("a child of ours");
    }

    /// Waits until the program has stopped, which it must be about to: the system gives up on nothing.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn wait_until_stopped(&self) {
        // Whoever waits for its end is to hear of it as well.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid), options).expect("a child of ours");
    }

    /// Lets a program that has stopped go on, as a shell does.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn go_on(&mut self) {
        kill_process(self.pid, Signal::CONT).expect("a child of ours");
    }

    /// Waits until the program has ended by itself, and says how.
    pub fn wait_for_end(&mut self) -> Ended {
        self.watch.wait_for_end()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.watch.ended().is_none() {
            // Ended meanwhile: just as well.
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// Does a text stand in one row of the screen?
#[must_use]
pub fn shows(screen: &Screen, text: &str) -> bool {
    rows(screen).iter().any(|row| row.contains(text))
}

/// The rows of a screen, without the blanks at their ends.
#[must_use]
pub fn rows(screen: &Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
}
