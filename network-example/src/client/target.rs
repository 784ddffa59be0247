//! Where to connect: `ws://host:port/ROOM`, or `wss://…` for TLS, with a token behind `#`.
//!
//! What stands behind `#` is never part of a request, so a token there is in no server's log. The client takes it off and
//! sends it as a header.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::str::FromStr;

use crate::room::{RoomName, RoomNameError};
use crate::token::{Token, TokenError};

/// A server's address, a room on it, and what lets one in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    secure: bool,
    host: String,
    port: u16,
    room: RoomName,
    token: Option<Token>,
}

impl Target {
    /// Reads `ws://host:port/ROOM#TOKEN` or `wss://…`. The token may be left out, and so may the port (80, or 443 for
    /// `wss`); IPv6 addresses stand in brackets.
    ///
    /// # Errors
    /// [`TargetError`] names the part that does not fit.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let url = url.trim();
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Url)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(TargetError::Scheme(scheme.to_owned())),
        };
        let (rest, token) = match rest.split_once('#') {
            Some((rest, token)) => (rest, Some(token.parse().map_err(TargetError::Token)?)),
            None => (rest, None),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(TargetError::UserInfo);
        }
        if rest.contains('?') {
            return Err(TargetError::Query);
        }
        let (host, port) = host_and_port(authority, if secure { 443 } else { 80 })?;
        let room = path.parse().map_err(TargetError::Room)?;
        Ok(Self { secure, host: host.to_owned(), port, room, token })
    }

    /// The target for a server that is known by its parts.
    pub fn new(host: impl Into<String>, port: u16, room: RoomName) -> Self {
        Self { secure: false, host: host.into(), port, room, token: None }
    }

    /// The same by TLS, or without.
    #[must_use]
    pub fn secured(self, secure: bool) -> Self {
        Self { secure, ..self }
    }

    /// The same with this token, or without any.
    #[must_use]
    pub fn with_token(self, token: Option<Token>) -> Self {
        Self { token, ..self }
    }

    /// Whether by TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// What lets one in.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The whole URL, token included, for people to join by. `Display` leaves the token out.
    pub fn join_line(&self) -> String {
        match &self.token {
            Some(token) => format!("{self}#{}", token.as_str()),
            None => self.to_string(),
        }
    }

    /// The room.
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// Host name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_and_port(authority: &str, usual: u16) -> Result<(&str, u16), TargetError> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').ok_or(TargetError::Host)?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(TargetError::Host);
    }
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| TargetError::Port(port.to_owned()))?,
        None if rest.is_empty() => usual,
        None => return Err(TargetError::Host),
    };
    Ok((host, port))
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        Self::parse(url)
    }
}

/// As a URL without its token: this may get into logs.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}/{}", self.host, self.port, self.room)
        } else {
            write!(f, "{scheme}://{}:{}/{}", self.host, self.port, self.room)
        }
    }
}

/// Why a text is no target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetError {
    /// Nothing that begins with a scheme and `://`.
    Url,
    /// A scheme other than `ws` and `wss`.
    Scheme(String),
    /// No host, or one that is not written as hosts are.
    Host,
    /// A user name or password, which would end up in logs.
    UserInfo,
    /// A query, which would end up in logs.
    Query,
    /// What stands behind `#` is no token.
    Token(TokenError),
    /// No port number.
    Port(String),
    /// The path is not `/` and the name of a room.
    Room(RoomNameError),
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("not a URL; expected ws://host:port/ROOM"),
            Self::Scheme(found) => write!(f, "the URL begins with {found:?}; expected ws://host:port/ROOM"),
            Self::Host => f.write_str("the URL names no host; expected ws://host:port/ROOM"),
            Self::UserInfo => f.write_str("the URL has a user name or password; neither is used"),
            Self::Query => f.write_str("the URL has a query; none is used, and a token stands behind '#'"),
            Self::Token(error) => write!(f, "what stands behind '#' is no token: {error}"),
            Self::Port(found) => write!(f, "{found:?} is no port; expected 0 to 65535"),
            Self::Room(error) => write!(f, "the URL's path names no room: {error}"),
        }
    }
}

impl std::error::Error for TargetError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_back_as_written() {
        for url in ["ws://127.0.0.1:4000/notes", "ws://[::1]:80/a_b-C", "ws://example.org:1/x"] {
            assert_eq!(Target::parse(url).unwrap().to_string(), url);
        }
        let target = Target::parse("ws://example.org/x").unwrap();
        assert_eq!((target.host(), target.port(), target.room().as_str()), ("example.org", 80, "x"));
        let target = Target::parse("WSS://example.org/x").unwrap();
        assert_eq!((target.port(), target.is_secure(), target.token()), (443, true, None));
    }

    #[test]
    fn a_token_is_in_the_join_line_and_nowhere_else() {
        let line = "wss://example.org:7171/notes#0123456789abcdef";
        let target = Target::parse(line).unwrap();
        assert_eq!(target.token().unwrap().as_str(), "0123456789abcdef");
        assert_eq!(target.to_string(), "wss://example.org:7171/notes");
        assert_eq!(target.join_line(), line);
        assert!(!format!("{target:?}").contains("0123456789abcdef"));
    }

    #[test]
    fn what_is_no_target_is_refused_by_its_part() {
        let refused = |url: &str| Target::parse(url).unwrap_err();
        assert_eq!(refused("http://h/x"), TargetError::Scheme("http".into()));
        assert_eq!(refused("ws://h/x#"), TargetError::Token(TokenError::Length { bytes: 0 }));
        assert_eq!(refused("ws://me:secret@h/x"), TargetError::UserInfo);
        assert_eq!(refused("ws://h/x?token=1"), TargetError::Query);
        assert_eq!(refused("ws://h"), TargetError::Room(RoomNameError::Empty));
        assert_eq!(refused("ws://h/a/b"), TargetError::Room(RoomNameError::Character { at: 1, found: '/' }));
        assert_eq!(refused("ws://h:99999/x"), TargetError::Port("99999".into()));
        assert_eq!(refused("ws://h:/x"), TargetError::Port("".into()));
        for hostless in ["ws:///x", "ws://:1/x", "ws://[]/x", "ws://[::1/x", "ws://[::1]1/x"] {
            assert_eq!(refused(hostless), TargetError::Host, "{hostless}");
        }
        assert_eq!(refused("localhost:4000/x"), TargetError::Url);
        assert_eq!(refused(""), TargetError::Url);
    }
}
