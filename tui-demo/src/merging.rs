//! `cede merge-worker`: one of two processes that merge two sorted lists and share nothing but two files.
//!
//! Knows the words behind the command, when to take a step, and what is printed. What a step is, is
//! [`cede_net::mailbox`]'s.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use cede_net::mailbox::{LocalDisk, MailboxError, Phase, Progress, Role, Setup, Statistics, Worker};
use lexopt::prelude::{Long, Short, Value, ValueExt};
use serde::Serialize;

/// How long to wait for the other worker before its message is looked for again: short beside what a step takes on a
/// disk that syncs, long enough to leave the processor to others.
const PAUSE: Duration = Duration::from_millis(2);

/// What `cede merge-worker --help` prints.
pub const HELP: &str = "\
cede merge-worker: merge two sorted lists between two processes

Usage
  cede merge-worker a --input A --inbox A.INBOX --partner B.INBOX
                      --state A.STATE
  cede merge-worker b --input B --inbox B.INBOX --partner A.INBOX
                      --state B.STATE --output OUT

Each worker has a list and an inbox file, in which the other leaves one message
at a time. B writes the merged list, one value a line. Either can be killed at
any moment: the same command goes on. The last line is what has been done, as
JSON: phase, comparisons, messages sent and received, values put out.

Options
  --input FILE     integers that ascend: a JSON array, or one a line
  --inbox FILE     where the other leaves its messages
  --partner FILE   the inbox of the other
  --state FILE     what is known between two steps; a damaged one is begun anew
  --output FILE    where the merged list goes (b)
  --steps N        end after N steps
  --by-hand        a step for each line of standard input, and a line for each
  -h, --help       this";

/// What the words ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merging {
    /// Print [`HELP`].
    Help,
    /// Work.
    Work {
        /// Which worker, and its files.
        setup: Setup,
        /// When to take a step.
        pace: Pace,
    },
}

/// When to take a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As long as there is something to do.
    UntilDone,
    /// This often, or until there is nothing left to do.
    Steps(u64),
    /// Once for each line that is read.
    ByHand,
}

/// Reads the words behind `merge-worker`.
///
/// # Errors
/// [`UsageError`].
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Merging, UsageError> {
    let mut parser = lexopt::Parser::from_args(words);
    let (mut role, mut pace) = (None, Pace::UntilDone);
    let mut files: [(&'static str, Option<PathBuf>); 5] =
        [("--input", None), ("--inbox", None), ("--partner", None), ("--state", None), ("--output", None)];
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Merging::Help),
            Long("steps") => pace = Pace::Steps(parser.value()?.parse()?),
            Long("by-hand") => pace = Pace::ByHand,
            Value(word) if role.is_none() => {
                role = Some(match word.to_str() {
                    Some("a") => Role::A,
                    Some("b") => Role::B,
                    _ => return Err(UsageError::Role(word)),
                });
            }
            Long(name) => match files.iter().position(|(option, _)| option.strip_prefix("--") == Some(name)) {
                Some(at) => files[at].1 = Some(parser.value()?.into()),
                None => return Err(argument.unexpected().into()),
            },
            _ => return Err(argument.unexpected().into()),
        }
    }
    let role = role.ok_or(UsageError::Missing("a or b"))?;
    for (at, (option, file)) in files.iter().enumerate() {
        let same = files[..at].iter().find(|(_, other)| file.is_some() && other == file);
        if let Some((other, _)) = same {
            return Err(UsageError::Same(other, option));
        }
        if file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            return Err(UsageError::Missing(option));
        }
    }
    let [input, inbox, partner, state, output] = files.map(|(option, file)| file.ok_or(UsageError::Missing(option)));
    let output = match (role, output) {
        (Role::A, Ok(_)) => return Err(UsageError::Output),
        (Role::A, Err(_)) => None,
        (Role::B, output) => Some(output?),
    };
    Ok(Merging::Work { setup: Setup { input: input?, inbox: inbox?, partner: partner?, state: state?, output }, pace })
}

/// Works. Reports go to `out`, a line each: one for each line of `lines` by hand, otherwise one at the end. What is
/// worth knowing besides goes to `notices`.
///
/// # Errors
/// [`MergingError`].
pub fn work(
    setup: &Setup,
    pace: Pace,
    lines: impl BufRead,
    out: &mut impl Write,
    notices: &mut impl Write,
) -> Result<(), MergingError> {
    let mut worker = Worker::open(setup.clone(), LocalDisk::default())?;
    if let Some(damage) = worker.damage() {
        let (state, role) = (setup.state.display(), setup.role());
        writeln!(notices, "notice: {state} is damaged, and worker {role} begins anew: {damage}")?;
    }
    if pace == Pace::ByHand {
        for line in lines.lines() {
            line?;
            let progress = worker.step()?;
            report(&worker, progress, out)?;
        }
        return Ok(());
    }
    let mut steps = 0;
    let mut progress = Progress::Idle;
    while progress != Progress::Finished && pace != Pace::Steps(steps) {
        progress = worker.step()?;
        steps += 1;
        if progress == Progress::Idle && pace != Pace::Steps(steps) {
            std::thread::sleep(PAUSE);
        }
    }
    report(&worker, progress, out)?;
    Ok(())
}

#[derive(Serialize)]
struct Report {
    progress: &'static str,
    phase: Phase,
    #[serde(flatten)]
    statistics: Statistics,
}

fn report(worker: &Worker<LocalDisk>, progress: Progress, out: &mut impl Write) -> io::Result<()> {
    let progress = match progress {
        Progress::Worked => "WORKED",
        Progress::Idle => "IDLE",
        Progress::Finished => "FINISHED",
    };
    let report = Report { progress, phase: worker.phase(), statistics: worker.statistics() };
    let line = serde_json::to_string(&report).map_err(io::Error::from)?;
    writeln!(out, "{line}")?;
    out.flush()
}

/// Why a worker has stopped.
#[derive(Debug)]
pub enum MergingError {
    /// The worker's reason.
    Mailbox(MailboxError),
    /// What was to be read or printed could not be.
    Terminal(io::Error),
}

impl From<MailboxError> for MergingError {
    fn from(error: MailboxError) -> Self {
        Self::Mailbox(error)
    }
}

impl From<io::Error> for MergingError {
    fn from(error: io::Error) -> Self {
        Self::Terminal(error)
    }
}

impl fmt::Display for MergingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox(error) => error.fmt(f),
            Self::Terminal(error) => write!(f, "standard input or output: {error}"),
        }
    }
}

impl std::error::Error for MergingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Mailbox(error) => Some(error),
            Self::Terminal(error) => Some(error),
        }
    }
}

/// What is wrong with the words.
#[derive(Debug)]
pub enum UsageError {
    /// An option that there is not, or a value that it cannot have.
    Option(lexopt::Error),
    /// Neither a nor b.
    Role(OsString),
    /// A word or an option is missing.
    Missing(&'static str),
    /// Two options name one file.
    Same(&'static str, &'static str),
    /// A has no output.
    Output,
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self::Option(error)
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(error) => error.fmt(f),
            Self::Role(word) => write!(f, "there is worker a and there is worker b, not {}", word.display()),
            Self::Missing(what) => write!(f, "cede merge-worker needs {what}"),
            Self::Same(one, other) => write!(f, "{one} and {other} name one file"),
            Self::Output => f.write_str("--output is for worker b, who alone writes"),
        }
    }
}

impl std::error::Error for UsageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Option(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Merging, String> {
        parse(line.split(' ').map(OsString::from)).map_err(|error| error.to_string())
    }

    fn setup(output: Option<&str>) -> Setup {
        Setup {
            input: "i".into(),
            inbox: "x".into(),
            partner: "y".into(),
            state: "s".into(),
            output: output.map(PathBuf::from),
        }
    }

    #[test]
    fn words_become_a_worker() {
        let files = "--input i --inbox x --partner y --state s";
        let cases = [
            (format!("a {files}"), setup(None), Pace::UntilDone),
            (format!("{files} b --output o"), setup(Some("o")), Pace::UntilDone),
            (format!("a {files} --steps 3"), setup(None), Pace::Steps(3)),
            (format!("--by-hand a {files}"), setup(None), Pace::ByHand),
        ];
        for (line, setup, pace) in cases {
            assert_eq!(parsed(&line), Ok(Merging::Work { setup, pace }), "{line}");
        }
        assert_eq!(parsed("a --help"), Ok(Merging::Help));
    }

    #[test]
    fn misunderstandings_are_named() {
        let files = "--input i --inbox x --partner y --state s";
        let cases = [
            (files.to_owned(), "cede merge-worker needs a or b"),
            (format!("c {files}"), "there is worker a and there is worker b, not c"),
            ("a --input i --inbox x --state s".into(), "cede merge-worker needs --partner"),
            ("a --input i --inbox x --partner x --state s".into(), "--inbox and --partner name one file"),
            (format!("b {files}"), "cede merge-worker needs --output"),
            (format!("b {files} --output i"), "--input and --output name one file"),
            (format!("a {files} --output o"), "--output is for worker b"),
            (format!("a {files} --steps some"), "some"),
            (format!("a {files} --frob"), "--frob"),
            (format!("a {files} more"), "more"),
            (format!("a {files} --state="), "cede merge-worker needs --state"),
        ];
        for (line, expected) in cases {
            let error = parsed(&line).expect_err(&line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn the_help_fits_eighty_columns() {
        let longest = HELP.lines().max_by_key(|line| line.chars().count()).expect("lines");
        assert!(longest.chars().count() <= 80, "{longest}");
    }
}
