//! A desk with the program `cede` on it: a folder of its own, editors at terminals, servers, the tools.
//!
//! Knows how `cede` is called and a few words on its screen. What the texts are about is the tests' business.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::{Command, Ended, Key, PATIENCE, Screen, Size, Terminal, shows};

/// Wide enough for the longest form of everything on the status line.
pub const SIZE: Size = Size::new(120, 30);

/// A folder and a program. The folder goes with it.
pub struct Desk {
    program: PathBuf,
    folder: TempDir,
}

impl Desk {
    /// An empty folder.
    ///
    /// # Panics
    /// When there is no place for one.
    #[must_use]
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self { program: program.as_ref().into(), folder: tempfile::tempdir().expect("a folder") }
    }

    /// A file in the folder.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The content of a file in the folder.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Writes a file into the folder, as any other program would.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, file: &str, content: &str) {
        fs::write(self.path(file), content).unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    /// `cede` with these words behind it, to be run in a terminal.
    #[must_use]
    pub fn cede(&self, words: &[&str]) -> Command {
        words.iter().fold(Command::new(&self.program, self.folder.path()), |command, word| command.arg(word))
    }

    /// An editor that somebody called `name` has opened with these words, and that is ready for keys.
    #[must_use]
    pub fn edit(&self, name: &str, words: &[&str]) -> Terminal {
        let editor = Terminal::spawn(name, &self.cede(words).env("CEDE_NAME", name), SIZE);
        wait_until_open(&editor);
        editor
    }

    /// Runs one of the tools, without a terminal, to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Output {
        self.plain(words).output().expect("the program starts")
    }

    /// What a tool prints when all is well.
    ///
    /// # Panics
    /// When it fails.
    pub fn prints(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cede {words:?}: {}: {complaint}", output.status);
        String::from_utf8(output.stdout).expect("text")
    }

    /// Waits until the history on disk holds a text. There is nobody to be woken by, so the program is asked again and
    /// again; each answer is a whole run of it.
    ///
    /// # Panics
    /// When that takes longer than [`PATIENCE`].
    pub fn wait_for_history(&self, file: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let kept = self.run(&["cat", file]);
            if String::from_utf8_lossy(&kept.stdout).contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{file} never holds {text:?}: {kept:?}");
        }
    }

    /// Keeps rooms, at a free port.
    #[must_use]
    pub fn serve(&self) -> Server {
        self.serve_at("127.0.0.1:0")
    }

    /// Keeps the rooms of an earlier server, at its address.
    ///
    /// # Panics
    /// When the server does not say that its rooms are open.
    #[must_use]
    pub fn serve_at(&self, address: &str) -> Server {
        let mut program = self.plain(&["serve", "--bind", address, "--store", "rooms.redb"]);
        let mut process = program.stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let said = process.stdout.take().expect("its output");
        BufReader::new(said).read_line(&mut line).expect("what the server says");
        let url = url_in(&line).unwrap_or_else(|| panic!("no URL in {line:?}"));
        let address = url.trim_start_matches("ws://").trim_end_matches("/ROOM").to_owned();
        Server { process, address }
    }

    fn plain(&self, words: &[&str]) -> std::process::Command {
        let mut program = std::process::Command::new(&self.program);
        program.args(words).current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        program
    }
}

/// A running `cede serve`. Dropping it ends it at once.
pub struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How to join one of its rooms.
    #[must_use]
    pub fn url(&self, room: &str) -> String {
        format!("ws://{}/{room}", self.address)
    }

    /// Ends it as `kill -9` does, and waits until it is gone.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn kill(&mut self) {
        self.process.kill().expect("a child of ours");
        self.process.wait().expect("a child of ours");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already: just as well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How to join the text that a host shares: it says so before its editor takes the terminal.
///
/// # Panics
/// When it has not said so.
#[must_use]
pub fn join_url(host: &Terminal) -> String {
    let output = String::from_utf8_lossy(&host.output()).into_owned();
    url_in(&output).unwrap_or_else(|| panic!("no URL in {output:?}"))
}

fn url_in(text: &str) -> Option<String> {
    let from = &text[text.find("cede join ws://")? + "cede join ".len()..];
    from.split_whitespace().next().map(str::to_owned)
}

/// Waits until an editor shows its text and takes keys.
pub fn wait_until_open(editor: &Terminal) {
    editor.wait_for("the editor", |screen| screen.alternate_screen() && position(screen).is_some());
}

/// Line and column of the caret, from the right end of the status line.
#[must_use]
pub fn position(screen: &Screen) -> Option<(usize, usize)> {
    let (rows, columns) = screen.size();
    let last = super::rows(screen).into_iter().rev().take(2).find_map(|row| {
        let (line, column) = row.split_whitespace().last()?.split_once(':')?;
        Some((line.parse().ok()?, column.parse().ok()?))
    });
    last.filter(|_| rows.get() > 1 && columns.get() > 1)
}

/// Does the editor say that everybody has the same version and sees the same text?
#[must_use]
pub fn is_in_sync(screen: &Screen) -> bool {
    shows(screen, "✓ in sync")
}

/// Waits until every editor shows all of these words and says that it is in sync.
pub fn wait_until_equal(editors: &[&Terminal], words: &[&str]) {
    for editor in editors {
        editor.wait_for(&format!("{words:?}, in sync"), |screen| {
            is_in_sync(screen) && words.iter().all(|word| shows(screen, word))
        });
    }
}

/// Writes the text file.
pub fn save(editor: &mut Terminal) {
    editor.press(Key::Ctrl('s'));
    editor.wait_for("saved", |screen| shows(screen, "saved,") && !shows(screen, "[+]"));
}

/// Quits an editor that has nothing to ask.
///
/// # Panics
/// When it does not end well.
pub fn quit(mut editor: Terminal) {
    editor.press(Key::Ctrl('q'));
    assert_eq!(editor.wait_for_end(), Ended::Code(0));
}

/// Types several texts at the same time: a letter here, a letter there, as fast as the terminals take them.
pub fn type_together(parts: &mut [(&mut Terminal, &str)]) {
    let mut letters: Vec<_> = parts.iter().map(|(_, text)| text.chars().collect::<Vec<_>>().into_iter()).collect();
    let mut typed = true;
    while typed {
        typed = false;
        for ((editor, _), letters) in parts.iter_mut().zip(&mut letters) {
            if let Some(letter) = letters.next() {
                editor.type_text(letter.encode_utf8(&mut [0; 4]));
                typed = true;
            }
        }
    }
}
