//! The command line of the subcommands.
//!
//! Knows names, options and operands. Does not know what they do.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt};

use super::dict::{self, DictDeed};
use super::folder::{self, Gathering};
use super::git::Sides;
use super::version::At;

/// A synopsis and what it does, for the help of the program.
pub const USAGE: [(&str, &str); 15] = [
    (
        "cede import [--live] [--lenient] TRACE FILE.cede",
        "make a history from a recorded session (editing-traces JSON, also gzipped); --live: through a caret for each author; \
         --lenient: cut patches that do not fit",
    ),
    ("cede export [--format trace|text] FILE.cede", "print a history as a recorded session, or its text"),
    (
        "cede cat [--at VERSION] FILE.cede",
        "print the text, at a version: AGENT/CLOCK,… (as log names them), root, 1200 (events), 50%",
    ),
    ("cede log FILE.cede", "list the groups of a history in their total order"),
    ("cede stats FILE.cede", "count what a history holds"),
    (
        "cede compact [--text] FILE.cede",
        "rewrite a history to take as few bytes as it can; --text: put the text in front, to be read without the rest",
    ),
    (
        "cede compact --drop-overwritten FILE.cede",
        "rewrite a dictionary without what was overwritten; it goes on and merges as before, and its past is gone",
    ),
    (
        "cede merge A.cede B.cede … -o OUT.cede",
        "unite histories of one kind, any number of times; what OUT.cede holds already is kept",
    ),
    ("cede diff A.cede B.cede", "list the events that only one of them has, and how what they say differs"),
    ("cede conflicts FILE.cede", "list where several values stand in a JSON document, each with whose it is"),
    ("cede dict FILE.cede set KEY VALUE | get KEY | remove KEY | list", "change or read a dictionary; values are JSON"),
    (
        "cede finish FILE.cede DIR [--name NAME]",
        "leave a JSON document or dictionary in DIR: NAME.json, NAME.meta.json with its history, and then NAME.done",
    ),
    (
        "cede merge-folder DIR --expect A,B,… [--timeout SECONDS]",
        "wait for what these have left, merge it into merged.meta.json and merged.json, and remove it",
    ),
    ("cede git-merge %O %A %B [%P]", "the merge driver for git, of histories and of plain JSON"),
    ("cede git-textconv FILE", "what git compares in the place of a history"),
];

/// One subcommand and what it works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Makes a history from a recorded session.
    Import {
        /// The recorded session.
        trace: PathBuf,
        /// The history to be made.
        into: PathBuf,
        /// Through a session with a caret for each author, instead of at the parents.
        live: bool,
        /// Patches that do not fit are cut down and counted, and another end than the trace's is a notice.
        lenient: bool,
    },
    /// Prints a history in another form.
    Export {
        /// The history.
        file: PathBuf,
        /// Which form.
        format: Format,
    },
    /// Prints the text.
    Cat {
        /// The history.
        file: PathBuf,
        /// At which version; `None` is the last.
        at: Option<At>,
    },
    /// Lists the groups in their total order.
    Log {
        /// The history.
        file: PathBuf,
    },
    /// Counts what a history holds.
    Stats {
        /// The history.
        file: PathBuf,
    },
    /// Rewrites a history to take as few bytes as it can.
    Compact {
        /// The history.
        file: PathBuf,
        /// With the text in front, so that it can be read without the rest.
        text: bool,
    },
    /// Rewrites a dictionary without what was overwritten.
    DropOverwritten {
        /// The history.
        file: PathBuf,
    },
    /// Unites histories.
    Merge {
        /// The histories, at least one.
        files: Vec<PathBuf>,
        /// Where to.
        into: PathBuf,
    },
    /// Compares two histories.
    Diff {
        /// One.
        before: PathBuf,
        /// The other.
        after: PathBuf,
    },
    /// Lists where several values stand.
    Conflicts {
        /// The history.
        file: PathBuf,
    },
    /// Changes or reads a dictionary.
    Dict {
        /// The history.
        file: PathBuf,
        /// How.
        deed: DictDeed,
    },
    /// Leaves the document of a history in a folder, to be merged there.
    Finish {
        /// The history.
        file: PathBuf,
        /// The folder.
        folder: PathBuf,
        /// Under which name; the file's when it is not said.
        name: Option<String>,
    },
    /// Merges what was left in a folder.
    MergeFolder(Gathering),
    /// Merges for git.
    GitMerge(Sides),
    /// Prints what git compares.
    GitTextconv {
        /// A history, or plain JSON.
        file: PathBuf,
    },
}

/// What the subcommands are called, but for `dict`: the command line says first whose dictionary is meant.
const NAMES: &[&str] = &[
    "import",
    "export",
    "cat",
    "log",
    "stats",
    "compact",
    "merge",
    "diff",
    "conflicts",
    "finish",
    "merge-folder",
    "git-merge",
    "git-textconv",
];

/// A form of a whole history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A concurrent trace in the JSON of editing-traces.
    #[default]
    Trace,
    /// The text alone.
    Text,
}

impl Tool {
    /// Whether a subcommand has this name.
    pub fn is_named(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// Reads what follows the name of a subcommand.
    ///
    /// # Errors
    /// When there is no such subcommand, an option is unknown or its value is, or a file is missing or too many.
    pub fn parse(name: &str, arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        if name == "dict" {
            // A value may begin with a minus.
            let (file, deed) = dict::parse(arguments.into_iter().map(PathBuf::from).collect())?;
            return Ok(Self::Dict { file, deed });
        }
        let Arguments {
            files,
            live,
            lenient,
            text,
            drop_overwritten,
            format,
            at,
            into,
            name: called,
            expected,
            patience,
        } = Arguments::read(name, arguments)?;
        if name == "merge" {
            let into = into.ok_or(UsageError::Missing { operand: "-o OUT.cede" })?;
            return match files.is_empty() {
                true => Err(UsageError::Missing { operand: "FILE.cede" }),
                false => Ok(Self::Merge { files, into }),
            };
        }
        let mut files = files.into_iter();
        let mut file = |operand| files.next().ok_or(UsageError::Missing { operand });
        let tool = match name {
            "import" => Self::Import { trace: file("TRACE")?, into: file("FILE.cede")?, live, lenient },
            "export" => Self::Export { file: file("FILE.cede")?, format },
            "cat" => Self::Cat { file: file("FILE.cede")?, at },
            "log" => Self::Log { file: file("FILE.cede")? },
            "stats" => Self::Stats { file: file("FILE.cede")? },
            "compact" if drop_overwritten => Self::DropOverwritten { file: file("FILE.cede")? },
            "diff" => Self::Diff { before: file("A.cede")?, after: file("B.cede")? },
            "conflicts" => Self::Conflicts { file: file("FILE.cede")? },
            "finish" => Self::Finish { file: file("FILE.cede")?, folder: file("DIR")?, name: called },
            "merge-folder" => {
                let expected = expected.ok_or(UsageError::Missing { operand: "--expect A,B,…" })?;
                let patience = patience.unwrap_or(folder::PATIENCE);
                Self::MergeFolder(Gathering { folder: file("DIR")?, expected, patience })
            }
            "git-merge" => {
                let [base, ours, theirs] = [file("%O")?, file("%A")?, file("%B")?];
                let name = files.next().map(|name| name.display().to_string());
                Self::GitMerge(Sides { base, ours, theirs, name })
            }
            "git-textconv" => Self::GitTextconv { file: file("FILE")? },
            "compact" => Self::Compact { file: file("FILE.cede")?, text },
            _ => return Err(UsageError::UnknownTool { name: name.to_owned() }),
        };
        match files.next() {
            None => Ok(tool),
            Some(extra) => Err(UsageError::Extra { operand: extra }),
        }
    }
}

/// What options and operands there may be.
#[derive(Default)]
struct Arguments {
    files: Vec<PathBuf>,
    live: bool,
    lenient: bool,
    text: bool,
    drop_overwritten: bool,
    format: Format,
    at: Option<At>,
    into: Option<PathBuf>,
    name: Option<String>,
    expected: Option<Vec<String>>,
    patience: Option<Duration>,
}

impl Arguments {
    fn read(name: &str, arguments: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let mut read = Self::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match (name, argument) {
                ("import", Long("live")) => read.live = true,
                ("import", Long("lenient")) => read.lenient = true,
                ("export", Long("format")) => read.format = parser.value()?.parse_with(format)?,
                ("compact", Long("text")) => read.text = true,
                ("compact", Long("drop-overwritten")) => read.drop_overwritten = true,
                ("merge", Short('o') | Long("output")) => read.into = Some(parser.value()?.into()),
                ("finish", Long("name")) => read.name = Some(parser.value()?.string()?),
                ("merge-folder", Long("expect")) => {
                    let names = parser.value()?.string()?;
                    read.expected.get_or_insert_default().extend(names.split(',').map(str::to_owned));
                }
                ("merge-folder", Long("timeout")) => {
                    read.patience = Some(Duration::from_secs(parser.value()?.parse()?));
                }
                ("cat", Long("at")) => read.at = Some(parser.value()?.parse()?),
                (_, Value(file)) => read.files.push(file.into()),
                (_, unknown) => return Err(unknown.unexpected().into()),
            }
        }
        Ok(read)
    }
}

fn format(text: &str) -> Result<Format, &'static str> {
    match text {
        "trace" => Ok(Format::Trace),
        "text" => Ok(Format::Text),
        _ => Err("there is trace and there is text"),
    }
}

/// What is wrong with a command line.
#[derive(Debug)]
pub enum UsageError {
    /// An option that there is not, or a value that it cannot have.
    Option(lexopt::Error),
    /// A file has to be named.
    Missing {
        /// What for.
        operand: &'static str,
    },
    /// One file too many.
    Extra {
        /// The first that is.
        operand: PathBuf,
    },
    /// A value is no JSON.
    Value {
        /// What was said.
        value: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// There is no subcommand of this name.
    UnknownTool {
        /// The name.
        name: String,
    },
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
            Self::Missing { operand } => write!(f, "{operand} is missing"),
            Self::Extra { operand } => write!(f, "{operand:?} is one file too many"),
            Self::Value { value, error } => {
                write!(f, "{value:?} is no JSON ({error}); a text stands in double quotes, as in '\"blue\"'")
            }
            Self::UnknownTool { name } => write!(f, "there is no subcommand {name:?}"),
        }
    }
}

impl std::error::Error for UsageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Option(error) => Some(error),
            Self::Value { error, .. } => Some(error),
            Self::Missing { .. } | Self::Extra { .. } | Self::UnknownTool { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{At, Format, Tool, USAGE, UsageError};

    fn parse(line: &str) -> Result<Tool, UsageError> {
        let mut words = line.split(' ');
        Tool::parse(words.next().unwrap(), words.map(Into::into))
    }

    #[test]
    fn options_stand_anywhere() {
        let import = |live, lenient| Tool::Import { trace: "t.json".into(), into: "f.cede".into(), live, lenient };
        assert_eq!(parse("import t.json f.cede").unwrap(), import(false, false));
        assert_eq!(parse("import --live t.json --lenient f.cede").unwrap(), import(true, true));
        assert_eq!(parse("cat f --at 50%").unwrap(), Tool::Cat { file: "f".into(), at: Some(At::Percent(50)) });
        assert_eq!(parse("export --format=text f").unwrap(), Tool::Export { file: "f".into(), format: Format::Text });
        assert_eq!(parse("log -- --odd").unwrap(), Tool::Log { file: "--odd".into() });
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let lines =
            ["import t", "log a b", "log --live a", "cat --at", "cat --at 101% f", "export --format pdf f", "paint f"];
        for line in lines {
            assert!(parse(line).is_err(), "{line:?} was taken");
        }
    }

    #[test]
    fn the_help_has_every_subcommand() {
        for (synopsis, _) in USAGE {
            let name = synopsis.split(' ').nth(1).unwrap();
            assert!(Tool::is_named(name) || name == "dict", "{name} is in the help only");
        }
    }
}
