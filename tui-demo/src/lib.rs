//! The terminal editor `cede`: type together, words stay whole.
//!
//! A text is edited in a terminal, alone or with others, and everything that was ever typed is
//! kept beside it. The engine is `cede`, the network is `cede-net`; this crate is what a person
//! sees and touches. From the outside in:
//!
//! - [`cli`]: what was typed behind the program's name.
//! - [`shell`]: terminal, files, network, signals, time; it brings events and does effects.
//! - [`app`]: the editor as a state machine, without any of those.
//! - [`files`]: the text file, its history, and who has it open.
//! - [`screen`]: drawing, from plain data; on top of [`layout`] (rows), [`motion`] and
//!   [`search`] (positions), [`glyph`] (clusters and their widths, strangers' text made safe) and
//!   [`palette`] (colours), [`plural`] (numbers of things).
//! - [`tools`] and [`replay`]: histories looked into, united, brought in and out, and played.
//! - [`merging`]: one of two workers that merge sorted lists.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod files;
pub mod glyph;
pub mod layout;
pub mod merging;
pub mod motion;
pub mod palette;
pub mod plural;
#[cfg(test)]
mod random;
pub mod replay;
pub mod screen;
pub mod search;
pub mod shell;
pub mod tools;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use cli::{Command, Edit, Serve};
use merging::Merging;
use replay::ReplayError;
use shell::ShellError;
use shell::run::Ended;

/// The exit code for words that make no sense.
const USAGE: u8 = 2;

/// Does what the words behind the program's name say. Exit codes: 0 as wished, 1 failed (with a
/// sentence on standard error), 2 not understood, 128 and the number of the signal that ended
/// it.
#[must_use]
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match cli::parse(words) {
        Ok(command) => command,
        Err(error) => {
            complain(&error);
            complain(&"cede --help says more");
            return ExitCode::from(USAGE);
        }
    };
    match command {
        Command::Help => print(cli::HELP),
        Command::ToolHelp => print(&tool_help()),
        Command::Version => print(concat!("cede ", env!("CARGO_PKG_VERSION"))),
        Command::Tool(tool) => ended(tools::run_on_stdout(&tool)),
        Command::Replay(file) => play(&file),
        Command::Merge(Merging::Help) => print(merging::HELP),
        Command::Merge(Merging::Work { setup, pace }) => {
            let (lines, out, notices) = (std::io::stdin().lock(), &mut std::io::stdout(), &mut std::io::stderr());
            ended(merging::work(&setup, pace, lines, out, notices))
        }
        Command::Edit(edit) => edit_file(edit),
        Command::Serve(serve) => serve_rooms(serve),
        Command::Token(change) => change_tokens(&change),
        Command::Dict(order) => do_to_dictionary(order),
    }
}

fn edit_file(edit: Edit) -> ExitCode {
    wait_for(shell::run::edit(edit, complain)).map_or_else(|error| failed(&error), code_of)
}

fn play(file: &Path) -> ExitCode {
    match wait_for(replay::play(file)) {
        Ok(how) => code_of(how),
        Err(error) => ended::<ReplayError>(Err(error)),
    }
}

/// As shells name the end by a signal.
fn code_of(how: Ended) -> ExitCode {
    match how {
        Ended::Left => ExitCode::SUCCESS,
        Ended::Signalled(signal) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX)),
    }
}

fn serve_rooms(serve: Serve) -> ExitCode {
    match wait_for(shell::serve::serve(serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn do_to_dictionary(order: cli::RemoteDict) -> ExitCode {
    match wait_for(shell::dictionary::run(order)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn change_tokens(change: &cli::TokenChange) -> ExitCode {
    match shell::tokens::change(change) {
        Ok(says) => print(&says),
        Err(error) => failed(&error),
    }
}

/// The caller's thread is the editor's; the network has its own.
fn wait_for<T, E: From<ShellError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ShellError::Runtime)?;
    let result = runtime.block_on(work);
    // A task that still waits for a peer has nothing left to lose.
    runtime.shutdown_background();
    result
}

fn failed(error: &ShellError) -> ExitCode {
    complain(error);
    ExitCode::from(if error.is_usage() { USAGE } else { 1 })
}

fn ended<E: std::fmt::Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn tool_help() -> String {
    let mut lines = vec!["Recorded sessions".to_owned()];
    let replay = ("cede replay FILE.cede", "play a history in the terminal; its keys are on the screen");
    for (synopsis, says) in tools::USAGE.into_iter().chain([replay]) {
        lines.push(format!("  {synopsis}\n      {says}"));
    }
    lines.join("\n")
}

fn print(text: &str) -> ExitCode {
    use std::io::Write;
    // Nobody reads on: no harm done.
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

/// File names and other words of anybody's end up in messages, so control characters are made
/// visible.
fn complain(error: &dyn std::fmt::Display) {
    use std::io::Write;
    for line in format!("cede: {error}").lines() {
        let _ = writeln!(std::io::stderr(), "{}", glyph::label(line, MESSAGE_COLUMNS));
    }
}

/// Far more than any message has.
const MESSAGE_COLUMNS: usize = 4000;
