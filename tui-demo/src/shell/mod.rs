//! Everything around the editor that touches the world: terminal, files, network, signals, time.
//!
//! [`crate::app`] decides, this room does. In the order of one editing session: [`open`] finds
//! out what there is and asks what to do about it, [`run`] brings events and carries out
//! effects, [`host`] is the server inside, [`stage`] is the terminal, taken over and given back (by `job_control` also in between), [`serve`]
//! is a server without an editor, [`tokens`] says who may do what there, [`dictionary`] asks one that keeps a dictionary.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use cede_net::client::TargetError;
use cede_net::server::ServerError;
use cede_net::store::StoreError;
use cede_net::tls::TlsError;
use cede_net::tokens::TokensError;

use crate::files::history::HistoryError;
use crate::files::text::TextError;

pub mod dictionary;
pub mod host;
mod input;
mod job_control;
pub mod open;
mod question;
mod rescue;
pub mod run;
pub mod serve;
mod signals;
pub mod stage;
pub mod terminal;
pub mod tokens;

/// Why an editor could not be opened, or a server not be run.
#[derive(Debug)]
pub enum ShellError {
    /// Standard input or output is not a terminal.
    NoTerminal,
    /// The terminal, once taken.
    Terminal(io::Error),
    /// The text file.
    Text(TextError),
    /// The history.
    History(HistoryError),
    /// A history was named where a text was expected.
    NamedHistory(PathBuf),
    /// Nothing stands behind `folder:`.
    NamelessFolder,
    /// The folder of the text file does not exist; none is made, for it may be a slip of the keys.
    NoFolder(PathBuf),
    /// A damaged history could not be moved out of the way.
    SetAside {
        /// The history.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file to join with that has a text and no history: all of it would be sent to the room.
    TextWithoutHistory(PathBuf),
    /// The URL to join.
    Target {
        /// As it was typed.
        url: String,
        /// What is wrong with it.
        source: TargetError,
    },
    /// The address to listen at.
    Bind {
        /// As it was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Which replica a text is in shared folders could not be kept.
    Replica(io::Error),
    /// No randomness, which every session's identity is made of.
    Random(getrandom::Error),
    /// The file that says who may do what.
    Tokens {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TokensError,
    },
    /// The certificate of a server.
    Tls(TlsError),
    /// The store of a server.
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// A server ended otherwise than told.
    Server(ServerError),
    /// Signals cannot be listened to.
    Signals(io::Error),
    /// The threads and timers that everything runs on.
    Runtime(io::Error),
    /// Something was not done to a dictionary.
    Dictionary(dictionary::Failure),
    /// What was typed last is in no file, for this reason.
    Unkept(String),
}

impl ShellError {
    /// Is it what was typed that is wrong?
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Target { .. } | Self::NamelessFolder | Self::NamedHistory(_) | Self::TextWithoutHistory(_))
    }
}

impl fmt::Display for ShellError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTerminal => write!(f, "the editor needs a terminal for input and output"),
            Self::Terminal(error) => write!(f, "the terminal fails: {error}"),
            Self::Text(error) => error.fmt(f),
            Self::History(error) => error.fmt(f),
            Self::Unkept(reason) => write!(f, "what was typed last could not be kept: {reason}"),
            Self::NamedHistory(path) => write!(
                f,
                "{} is a history; open the text that it belongs to, or try cede cat, cede replay",
                path.display()
            ),
            Self::NamelessFolder => f.write_str("cannot join folder: it names no folder; expected folder:DIR"),
            Self::NoFolder(path) => write!(f, "there is no folder {}", path.display()),
            Self::SetAside { path, source } => {
                write!(f, "cannot move {} out of the way: {source}", path.display())
            }
            Self::TextWithoutHistory(path) => write!(
                f,
                "{} has a text and no history, so joining would send all of it to the room; \
                 name a file that does not exist yet",
                path.display()
            ),
            Self::Target { url, source } => write!(f, "cannot join {url}: {source}"),
            Self::Bind { address, source } => write!(f, "cannot listen at {address}: {source}"),
            Self::Replica(error) => write!(f, "cannot keep beside the text which replica it is: {error}"),
            Self::Random(error) => write!(f, "the system gives no randomness: {error}"),
            Self::Tokens { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Tls(error) => error.fmt(f),
            Self::Store { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Server(error) => error.fmt(f),
            Self::Signals(error) => write!(f, "cannot listen to signals: {error}"),
            Self::Runtime(error) => write!(f, "cannot start: {error}"),
            Self::Dictionary(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for ShellError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoTerminal
            | Self::NamedHistory(_)
            | Self::NamelessFolder
            | Self::NoFolder(_)
            | Self::TextWithoutHistory(_)
            | Self::Unkept(_) => None,
            Self::Terminal(error) | Self::Signals(error) | Self::Runtime(error) | Self::Replica(error) => Some(error),
            Self::SetAside { source, .. } | Self::Bind { source, .. } => Some(source),
            Self::Text(error) => Some(error),
            Self::History(error) => Some(error),
            Self::Target { source, .. } => Some(source),
            Self::Random(error) => Some(error),
            Self::Tokens { source, .. } => Some(source),
            Self::Tls(error) => Some(error),
            Self::Store { source, .. } => Some(source),
            Self::Server(error) => Some(error),
            Self::Dictionary(failure) => Some(failure),
        }
    }
}
