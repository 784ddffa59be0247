//! The command line: words in, a command out.
//!
//! Knows what can be typed behind `cede` and nothing of what it does; asks only whether a file is there. File names may be any
//! bytes; everything else is text. The recorded-session tools read their own arguments.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cede_net::rights::Rights;
use cede_net::room::RoomName;
use cede_net::tokens::Scope;
use lexopt::prelude::*;

use crate::merging::{self, Merging};
use crate::tools::Tool;

mod dict;

pub use dict::{DictDeed, RemoteDict};

/// Where a server listens unless told otherwise: this machine alone.
pub const LOOPBACK: &str = "127.0.0.1";

/// The player of recorded sessions, which has the terminal and so is not among the tools.
const REPLAY: &str = "replay";

/// Merges sorted lists of numbers, and so is not among the tools either.
const MERGE_WORKER: &str = "merge-worker";

/// The port of `cede serve` unless told otherwise.
pub const SERVE_PORT: u16 = 7171;

/// What `--help` prints.
pub const HELP: &str = "\
cede: type together, words stay whole

Usage
  cede [FILE]                 edit FILE alone; its history is kept in FILE.cede
  cede share FILE             edit FILE and let others in; prints how to join
  cede join URL [FILE]        edit a shared text; with FILE it is kept here too
  cede join folder:DIR FILE   the same with whoever has that folder, or a copy
  cede serve                  keep rooms for others, without editing
  cede token add FILE ROOM RIGHTS [NOTE]    let somebody in (ROOM or *; read,
                                            write or host); prints the token
  cede token list FILE                      who may do what
  cede token revoke FILE ID                 take it back, at once
  cede dict URL set KEY VALUE | get KEY | remove KEY | list | watch
                              a dictionary that a server keeps; values are JSON

Recorded sessions
  cede import TRACE FILE.cede     from the editing-traces format, .gz too
  cede export FILE.cede           to that format, or the text
  cede cat FILE.cede              the text, at any version
  cede log FILE.cede              who typed what, in order
  cede stats FILE.cede            events, groups, runs, agents, bytes
  cede compact FILE.cede          the same in as few bytes as can be
  cede replay FILE.cede           play it in the terminal

Files of texts, JSON documents and dictionaries
  cede merge A.cede B.cede -o OUT.cede    unite histories
  cede diff A.cede B.cede         what only one of them has
  cede conflicts FILE.cede        where several values stand
  cede dict FILE.cede set KEY VALUE       also get, remove, list
  cede finish FILE.cede DIR       leave it in DIR to be merged there
  cede merge-folder DIR --expect A,B,C    merge what these have left
  cede git-merge, git-textconv    for git
  (--help behind any of them says more)

Two sorted lists
  cede merge-worker a|b OPTIONS   merge them between two processes; --help

Options
  --name NAME        what others see you as (edit, share, join)[your login]
  --bind ADDR:PORT   where to listen (share, serve)          [127.0.0.1]
  --room NAME        the room's name (share)                 [not guessable]
  --store PATH       where rooms are kept (serve)            [cede-rooms.redb]
  --tokens FILE      who may do what (serve); needed beyond 127.0.0.1
  --cert, --key PEM  encrypt: certificate and key (share, serve)
  --host NAME        a name that the server goes by (share, serve), repeatable
  --origin ORIGIN    a web page that may connect (serve), repeatable
  --ca PEM           whose certificates to trust (join)      [this machine's]
  -h, --help         this
  -V, --version      the version

In the editor F1 shows the keys. CEDE_NAME stands for --name; NO_COLOR turns
colours off.";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Edit.
    Edit(Edit),
    /// Keep rooms for others.
    Serve(Serve),
    /// Change who may do what.
    Token(TokenChange),
    /// Do something to a dictionary on a server.
    Dict(RemoteDict),
    /// One of the tools for recorded sessions.
    Tool(Tool),
    /// Play a recorded session.
    Replay(PathBuf),
    /// Be one of two workers that merge sorted lists.
    Merge(Merging),
    /// Print what the tools are, and how they are called.
    ToolHelp,
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// How to edit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The text file; none for a text without a name, or kept elsewhere.
    pub file: Option<PathBuf>,
    /// What others see.
    pub name: Option<String>,
    /// With whom.
    pub company: Company,
}

/// With whom a text is edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Company {
    /// Alone. The editor still listens on loopback, for a second one on this machine.
    #[default]
    Alone,
    /// As its host.
    Share {
        /// Where to listen; loopback and any free port when it is not said.
        bind: Option<SocketAddr>,
        /// The room's name; not guessable when it is not said.
        room: Option<RoomName>,
        /// How the door looks.
        door: Door,
    },
    /// As a guest.
    Join {
        /// Where: `ws://HOST:PORT/ROOM#TOKEN`, or `folder:DIR`.
        url: String,
        /// Whose certificates are trusted; this machine's when it is not said.
        ca: Option<PathBuf>,
    },
}

/// What a server shows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Door {
    /// Certificate and key, for TLS.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Names that it goes by.
    pub hosts: Vec<String>,
}

/// How to keep rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serve {
    /// Where to listen.
    pub bind: SocketAddr,
    /// Where the rooms are kept.
    pub store: PathBuf,
    /// Who may do what.
    pub tokens: Option<PathBuf>,
    /// How the door looks.
    pub door: Door,
    /// Web pages that may connect.
    pub origins: Vec<String>,
}

/// What is to be done to a file of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenChange {
    /// Let somebody in.
    Add {
        /// The file.
        file: PathBuf,
        /// Where.
        scope: Scope,
        /// What they may do.
        rights: Rights,
        /// For whom.
        note: String,
    },
    /// Show who may do what.
    List {
        /// The file.
        file: PathBuf,
    },
    /// Take it back.
    Revoke {
        /// The file.
        file: PathBuf,
        /// Whose.
        id: String,
    },
}

/// Reads the words behind the program's name.
///
/// # Errors
/// [`UsageError`], for exit code 2.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut found = Found::default();
    let mut positional: Vec<OsString> = Vec::new();
    let mut verb = Verb::Edit;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            Long("name") => found.name = Some(parser.value()?.string()?),
            Long("bind") => found.bind = Some(address(&parser.value()?.string()?)?),
            Long("room") => found.room = Some(room(&parser.value()?.string()?)?),
            Long("store") => found.store = Some(PathBuf::from(parser.value()?)),
            Long("tokens") => found.tokens = Some(PathBuf::from(parser.value()?)),
            Long("cert") => found.cert = Some(PathBuf::from(parser.value()?)),
            Long("key") => found.key = Some(PathBuf::from(parser.value()?)),
            Long("ca") => found.ca = Some(PathBuf::from(parser.value()?)),
            Long("host") => found.hosts.push(parser.value()?.string()?),
            Long("origin") => found.origins.push(parser.value()?.string()?),
            Value(word) if positional.is_empty() && verb == Verb::Edit => match word.to_str() {
                Some("share") => verb = Verb::Share,
                Some("join") => verb = Verb::Join,
                Some("serve") => verb = Verb::Serve,
                // The others have options of their own, and behind one of these a file is meant.
                _ if found.any() => positional.push(word),
                Some(name) if name == REPLAY || Tool::is_named(name) => {
                    return tool(name, parser.raw_args()?.collect());
                }
                Some(MERGE_WORKER) => return Ok(Command::Merge(merging::parse(parser.raw_args()?)?)),
                Some("token") => return token(parser.raw_args()?.collect()),
                Some("dict") => {
                    let words: Vec<OsString> = parser.raw_args()?.collect();
                    // A URL means a server's dictionary, anything else a file. What is to be done follows it, and a value may
                    // be a URL, too.
                    let whose = words.iter().take_while(|word| !dict::is_deed(word));
                    if !whose.into_iter().any(|word| word.to_str().is_some_and(|word| word.contains("://"))) {
                        return tool("dict", words);
                    }
                    return Ok(dict::parse(words)?.map_or(Command::Help, Command::Dict));
                }
                Some("help") => return Ok(Command::Help),
                _ => positional.push(word),
            },
            Value(word) => positional.push(word),
            _ => return Err(argument.unexpected().into()),
        }
    }
    found.command(verb, positional)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Edit,
    Share,
    Join,
    Serve,
}

#[derive(Default)]
struct Found {
    name: Option<String>,
    bind: Option<SocketAddr>,
    room: Option<RoomName>,
    store: Option<PathBuf>,
    tokens: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Found {
    fn any(&self) -> bool {
        self.given().iter().any(|(_, given, _)| *given)
    }

    /// The options, whether they are given, and with which verbs they go.
    fn given(&self) -> [(&'static str, bool, &'static [Verb]); 10] {
        const EDITING: &[Verb] = &[Verb::Edit, Verb::Share, Verb::Join];
        const LISTENING: &[Verb] = &[Verb::Share, Verb::Serve];
        [
            ("--name", self.name.is_some(), EDITING),
            ("--bind", self.bind.is_some(), LISTENING),
            ("--room", self.room.is_some(), &[Verb::Share]),
            ("--store", self.store.is_some(), &[Verb::Serve]),
            ("--tokens", self.tokens.is_some(), &[Verb::Serve]),
            ("--cert", self.cert.is_some(), LISTENING),
            ("--key", self.key.is_some(), LISTENING),
            ("--host", !self.hosts.is_empty(), LISTENING),
            ("--origin", !self.origins.is_empty(), &[Verb::Serve]),
            ("--ca", self.ca.is_some(), &[Verb::Join]),
        ]
    }

    fn command(self, verb: Verb, positional: Vec<OsString>) -> Result<Command, UsageError> {
        self.refuse_strangers(verb)?;
        // An empty word is a variable of a script that was not set; as a file it would be the folder's own history.
        if positional.iter().any(|word| word.is_empty()) {
            return Err(UsageError::Empty);
        }
        if let (Verb::Edit, [first, _, ..]) = (verb, &positional[..])
            && !Path::new(first).exists()
        {
            return Err(UsageError::Command(first.clone()));
        }
        let mut words = positional.into_iter();
        let mut file = || words.next().map(PathBuf::from);
        let (file, company) = match verb {
            Verb::Serve => {
                let loopback = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), SERVE_PORT);
                let serve = Serve {
                    bind: self.bind.unwrap_or(loopback),
                    store: self.store.unwrap_or_else(|| "cede-rooms.redb".into()),
                    tokens: self.tokens,
                    door: Door { certificate: pair(self.cert, self.key)?, hosts: self.hosts },
                    origins: self.origins,
                };
                if serve.tokens.is_none() && !serve.bind.ip().is_loopback() {
                    return Err(UsageError::Exposed(serve.bind));
                }
                return no_more(words).map(|()| Command::Serve(serve));
            }
            Verb::Edit => (file(), Company::Alone),
            Verb::Share => {
                let file = file().ok_or(UsageError::Missing("share", "FILE"))?;
                let door = Door { certificate: pair(self.cert, self.key)?, hosts: self.hosts };
                (Some(file), Company::Share { bind: self.bind, room: self.room, door })
            }
            Verb::Join => {
                let url = words.next().ok_or(UsageError::Missing("join", "URL"))?.string()?;
                (words.next().map(PathBuf::from), Company::Join { url, ca: self.ca })
            }
        };
        no_more(words)?;
        Ok(Command::Edit(Edit { file, name: self.name, company }))
    }

    /// An option that the command would pass over is a misunderstanding.
    fn refuse_strangers(&self, verb: Verb) -> Result<(), UsageError> {
        match self.given().iter().find(|(_, given, verbs)| *given && !verbs.contains(&verb)) {
            Some((option, ..)) => Err(UsageError::Misplaced(option)),
            None => Ok(()),
        }
    }
}

/// A certificate and its key come together.
fn pair(cert: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<(PathBuf, PathBuf)>, UsageError> {
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        _ => Err(UsageError::Pair),
    }
}

/// The words behind `cede token`.
fn token(words: Vec<OsString>) -> Result<Command, UsageError> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Command::Help);
    }
    let mut words = words.into_iter();
    let verb = words.next().ok_or(UsageError::Missing("token", "add, list or revoke"))?.string()?;
    let mut word = |says| words.next().filter(|word| !word.is_empty()).ok_or(UsageError::Missing("token", says));
    let change = match verb.as_str() {
        "add" => {
            let file = word("FILE")?.into();
            let (room, rights) = (word("ROOM or *")?.string()?, word("RIGHTS: read, write or host")?.string()?);
            let scope = room.parse().map_err(|error| UsageError::Room(room, error))?;
            let rights = rights.parse().map_err(|error| UsageError::Rights(rights, error))?;
            let note = words.by_ref().map(|word| word.string()).collect::<Result<Vec<_>, _>>()?.join(" ");
            TokenChange::Add { file, scope, rights, note }
        }
        "list" => TokenChange::List { file: word("FILE")?.into() },
        "revoke" => TokenChange::Revoke { file: word("FILE")?.into(), id: word("ID")?.string()? },
        _ => return Err(UsageError::Missing("token", "add, list or revoke")),
    };
    no_more(words)?;
    Ok(Command::Token(change))
}

fn no_more(mut words: impl Iterator<Item = OsString>) -> Result<(), UsageError> {
    words.next().map_or(Ok(()), |word| Err(UsageError::Extra(word)))
}

fn tool(name: &str, arguments: Vec<OsString>) -> Result<Command, UsageError> {
    if arguments.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Command::ToolHelp);
    }
    if name != REPLAY {
        return Ok(Command::Tool(Tool::parse(name, arguments)?));
    }
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut files = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(word) => files.push(word),
            _ => return Err(argument.unexpected().into()),
        }
    }
    let mut files = files.into_iter();
    let file = files.next().ok_or(UsageError::Missing(REPLAY, "FILE.cede"))?;
    no_more(files)?;
    Ok(Command::Replay(file.into()))
}

/// `ADDR:PORT`, `ADDR`, or `:PORT`. What is left out: loopback, any free port.
fn address(text: &str) -> Result<SocketAddr, UsageError> {
    let bare = |text: &str| text.parse().map(|ip| SocketAddr::new(ip, 0)).ok();
    let port = |text: &str| format!("{LOOPBACK}{text}").parse().ok();
    text.parse()
        .ok()
        .or_else(|| bare(text))
        .or_else(|| text.starts_with(':').then(|| port(text)).flatten())
        .ok_or_else(|| UsageError::Address(text.into()))
}

fn room(text: &str) -> Result<RoomName, UsageError> {
    text.parse().map_err(|error| UsageError::Room(text.into(), error))
}

/// What is wrong with the words.
#[derive(Debug)]
pub enum UsageError {
    /// An unknown option, a missing value, text that is not UTF-8.
    Argument(lexopt::Error),
    /// A command lacks a word: which, of which kind.
    Missing(&'static str, &'static str),
    /// A word too many.
    Extra(OsString),
    /// Others follow the word, and it is neither a command nor a file.
    Command(OsString),
    /// A word without a character.
    Empty,
    /// An option that this command does not take.
    Misplaced(&'static str),
    /// Not `ADDR:PORT`.
    Address(String),
    /// Not the name of a room.
    Room(String, cede_net::room::RoomNameError),
    /// Not the name of rights.
    Rights(String, cede_net::rights::RightsError),
    /// Not JSON, and why not.
    Json(String, String),
    /// A certificate without its key, or the other way round.
    Pair,
    /// A server that everybody could reach and write to.
    Exposed(SocketAddr),
    /// One of the tools does not understand its words.
    Tool(crate::tools::UsageError),
    /// The worker does not understand its words.
    Merge(merging::UsageError),
}

impl From<merging::UsageError> for UsageError {
    fn from(error: merging::UsageError) -> Self {
        Self::Merge(error)
    }
}

impl From<crate::tools::UsageError> for UsageError {
    fn from(error: crate::tools::UsageError) -> Self {
        Self::Tool(error)
    }
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self::Argument(error)
    }
}

impl From<OsString> for UsageError {
    fn from(word: OsString) -> Self {
        Self::Argument(lexopt::Error::NonUnicodeValue(word))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(error) => write!(f, "{error}"),
            Self::Missing(command, word) => write!(f, "cede {command} needs {word}"),
            Self::Extra(word) => write!(f, "one word too many: {}", word.display()),
            Self::Command(word) => write!(f, "there is no command {}", word.display()),
            Self::Empty => write!(f, "an empty word names no file"),
            Self::Misplaced(option) => write!(f, "{option} does not go with this command"),
            Self::Address(text) => write!(f, "{text} is not ADDR:PORT, such as 0.0.0.0:7171"),
            Self::Room(text, error) => write!(f, "{text} cannot name a room: {error}"),
            Self::Rights(text, error) => write!(f, "{text} names no rights: {error}"),
            Self::Json(text, error) => write!(f, "{text} is no JSON (a string stands in quotes, '\"red\"'): {error}"),
            Self::Pair => write!(f, "--cert and --key go together"),
            Self::Exposed(address) => write!(
                f,
                "{address} can be reached from other machines, and whoever reaches it could read and write: make \
                 tokens by cede token add FILE ROOM RIGHTS, and say --tokens FILE"
            ),
            Self::Tool(error) => write!(f, "{error}"),
            Self::Merge(error) => write!(f, "{error}"),
        }
    }
}

impl Error for UsageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Argument(error) => Some(error),
            Self::Room(_, error) => Some(error),
            Self::Rights(_, error) => Some(error),
            Self::Tool(error) => Some(error),
            Self::Merge(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    fn edit(file: Option<&str>, name: Option<&str>, company: Company) -> Command {
        Command::Edit(Edit { file: file.map(PathBuf::from), name: name.map(String::from), company })
    }

    #[test]
    fn lines_become_commands() {
        let share = |bind: Option<&str>, room: Option<&str>| Company::Share {
            bind: bind.map(|bind| bind.parse().expect("an address")),
            room: room.map(|room| room.parse().expect("a room")),
            door: Door::default(),
        };
        let join = |url: &str| Company::Join { url: url.into(), ca: None };
        let serve = |bind: &str, store: &str, tokens: Option<&str>| {
            Command::Serve(Serve {
                bind: bind.parse().expect("an address"),
                store: store.into(),
                tokens: tokens.map(PathBuf::from),
                door: Door::default(),
                origins: Vec::new(),
            })
        };
        let secure = Door { certificate: Some(("c.pem".into(), "k.pem".into())), hosts: vec!["a.example".into()] };
        let cases = [
            ("", edit(None, None, Company::Alone)),
            ("notes.md", edit(Some("notes.md"), None, Company::Alone)),
            ("notes.md --name Ada", edit(Some("notes.md"), Some("Ada"), Company::Alone)),
            ("share a.md", edit(Some("a.md"), None, share(None, None))),
            ("share --bind 0.0.0.0:80 --room r a.md", edit(Some("a.md"), None, share(Some("0.0.0.0:80"), Some("r")))),
            ("share a --bind :7000", edit(Some("a"), None, share(Some("127.0.0.1:7000"), None))),
            ("share a --bind ::1", edit(Some("a"), None, share(Some("[::1]:0"), None))),
            ("join ws://h:1/r", edit(None, None, join("ws://h:1/r"))),
            ("join ws://h:1/r b.md", edit(Some("b.md"), None, join("ws://h:1/r"))),
            ("serve", serve("127.0.0.1:7171", "cede-rooms.redb", None)),
            ("serve --bind 127.0.0.2:1 --store x", serve("127.0.0.2:1", "x", None)),
            ("serve --bind 0.0.0.0:1 --tokens t", serve("0.0.0.0:1", "cede-rooms.redb", Some("t"))),
            (
                "share a --cert c.pem --key k.pem --host a.example",
                edit(Some("a"), None, Company::Share { bind: None, room: None, door: secure }),
            ),
            (
                "join wss://h/r --ca ca.pem",
                edit(None, None, Company::Join { url: "wss://h/r".into(), ca: Some("ca.pem".into()) }),
            ),
            (
                "--ca ca.pem join wss://h/r",
                edit(None, None, Company::Join { url: "wss://h/r".into(), ca: Some("ca.pem".into()) }),
            ),
            (
                "token add t * host Ann at home",
                Command::Token(TokenChange::Add {
                    file: "t".into(),
                    scope: Scope::All,
                    rights: Rights::Host,
                    note: "Ann at home".into(),
                }),
            ),
            ("token list t", Command::Token(TokenChange::List { file: "t".into() })),
            ("token revoke t 12", Command::Token(TokenChange::Revoke { file: "t".into(), id: "12".into() })),
            ("--help", Command::Help),
            ("share --help", Command::Help),
            ("-V", Command::Version),
            ("cat --help x", Command::ToolHelp),
            ("stats a.cede", Command::Tool(Tool::Stats { file: "a.cede".into() })),
            ("compact a.cede --text", Command::Tool(Tool::Compact { file: "a.cede".into(), text: true })),
            ("compact a.cede", Command::Tool(Tool::Compact { file: "a.cede".into(), text: false })),
            (
                "dict a.cede set k -1",
                Command::Tool(Tool::Dict {
                    file: "a.cede".into(),
                    deed: crate::tools::DictDeed::Set { key: "k".into(), value: (-1).into() },
                }),
            ),
            ("replay a.cede", Command::Replay("a.cede".into())),
            ("merge-worker --help", Command::Merge(Merging::Help)),
        ];
        for (line, expected) in cases {
            assert_eq!(parsed(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn the_help_fits_eighty_columns() {
        let longest = HELP.lines().max_by_key(|line| line.chars().count()).expect("lines");
        assert!(longest.chars().count() <= 80, "{longest}");
    }

    #[test]
    fn an_empty_word_names_no_file() {
        for words in [&[""][..], &["share", ""], &["join", "ws://h:1/r", ""]] {
            let error = parse(words.iter().map(OsString::from)).expect_err("no file");
            assert!(error.to_string().contains("empty"), "{words:?}: {error}");
        }
    }

    #[test]
    fn misunderstandings_are_named() {
        let cases = [
            ("Cargo.toml b", "one word too many: b"),
            ("joni ws://h:1/r", "there is no command joni"),
            ("share", "cede share needs FILE"),
            ("join", "cede join needs URL"),
            ("serve --name x", "--name does not go with this command"),
            ("a --bind 1.2.3.4:5", "--bind does not go with this command"),
            ("share a --bind nowhere", "nowhere is not ADDR:PORT"),
            ("share a --room a/b", "a/b cannot name a room"),
            ("serve --bind 0.0.0.0:7171", "whoever reaches it could read and write: make tokens"),
            ("serve --cert c.pem", "--cert and --key go together"),
            ("join ws://h/r --cert c.pem", "--cert does not go with this command"),
            ("token add t a/b write", "a/b cannot name a room"),
            ("token add t notes owner", "owner names no rights"),
            ("token grant t", "cede token needs add, list or revoke"),
            ("merge-worker c", "there is worker a and there is worker b, not c"),
            ("--frob", "--frob"),
        ];
        for (line, expected) in cases {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
