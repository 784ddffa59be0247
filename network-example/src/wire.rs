//! The control messages: JSON in text frames.
//!
//! Beside them, binary frames carry [`cede::sync::Message`]s. Unknown fields are ignored, so that a later version can
//! add some; unknown messages are errors, so that nobody believes to have been understood.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;

use cede::sync::Message;
use cede::{AgentId, Summary};
use serde::{Deserialize, Serialize};

use crate::presence::{Color, Peer, PeerId, Presence, VersionMark, text};
use crate::rights::Rights;
use crate::token::Token;

/// The version of the protocol that this crate speaks. Both ends must agree.
pub const PROTOCOL: u32 = 2;

/// The largest frame of either kind that a server takes by default: 256 KiB.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// The largest frame that a client takes: 16 MiB. A server's META is as long as its document has groups; this is enough
/// for some four million.
pub const MAX_FROM_SERVER: usize = 16 * 1024 * 1024;

/// The largest control message that a server takes: 4 KiB. The longest honest one, `hello`, needs some 300 bytes.
pub const MAX_CONTROL: usize = 4 * 1024;

/// About how large one DATA frame is made, in bytes. A quarter of [`MAX_MESSAGE`], because the engine cuts where runs
/// end, not at exact sizes.
pub const CHUNK: usize = 64 * 1024;

/// What a client says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientControl {
    /// The first message of a connection.
    Hello {
        /// [`PROTOCOL`] of the client.
        protocol: u32,
        /// What others see.
        name: String,
        /// What others see.
        #[serde(with = "text")]
        color: Color,
        /// The agent under which this client edits.
        #[serde(with = "text")]
        agent: AgentId,
        /// What lets the client in, for those that cannot send an `Authorization` header.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Token>,
    },
    /// The caret or the selection moved.
    Presence(Presence),
    /// The client is at the version that the server named, with this text.
    Report(VersionMark),
    /// A host lets somebody do this and no more.
    Allow {
        /// Who.
        id: PeerId,
        /// What.
        rights: Rights,
    },
    /// A host shows somebody out, for good.
    Remove {
        /// Who.
        id: PeerId,
    },
}

/// What the server says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerControl {
    /// The answer to `hello`.
    Welcome {
        /// The client's own number.
        you: PeerId,
        /// The others.
        peers: Vec<Peer>,
        /// What the client may do.
        #[serde(default)]
        rights: Rights,
        /// What lets this client in again, in the place of the token that it came by, which others may hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pass: Option<Token>,
    },
    /// Somebody may do more, or less, from here on; perhaps the client itself.
    Rights {
        /// Who.
        id: PeerId,
        /// What.
        rights: Rights,
    },
    /// To hosts: the token of a join line, which has been made anew.
    Invitation {
        /// What whoever comes by it may do.
        rights: Rights,
        /// The token.
        token: Token,
    },
    /// Somebody came.
    Joined {
        /// Who.
        peer: Peer,
    },
    /// Somebody went.
    Left {
        /// Who.
        id: PeerId,
    },
    /// Somebody's caret or selection moved.
    Presence {
        /// Whose.
        id: PeerId,
        /// Where to.
        presence: Presence,
    },
    /// Everybody else, once more: some of the messages above were dropped because this client read too slowly.
    Roster {
        /// The others.
        peers: Vec<Peer>,
    },
    /// So many DATA frames of this connection are durable, and so is all that the server's META named.
    Ack {
        /// Number of frames.
        frames: u64,
    },
    /// Some DATA was dropped because this client read too slowly: send META again.
    Resync,
    /// The room has been quiet for a moment and stands here.
    Version {
        /// What the server holds.
        mark: VersionMark,
        /// Who has reported the same version and text.
        equal: Vec<PeerId>,
        /// Who has reported the same version and another text.
        differs: Vec<PeerId>,
    },
    /// The connection ends because of this.
    Refused {
        /// For programs.
        code: Refusal,
        /// For people.
        reason: String,
    },
    /// Something that people should know; the connection goes on.
    Notice {
        /// For people.
        text: String,
    },
}

/// Why a server ends a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Another protocol version.
    Protocol,
    /// A message that cannot be read, or that nobody expects now.
    Malformed,
    /// A message beyond the limit.
    Oversized,
    /// DATA that breaks a rule of the engine.
    Invalid,
    /// DATA before the events that it builds on.
    Incomplete,
    /// The stored room cannot be read.
    Damaged,
    /// There is no such room, and none is made.
    Absent,
    /// The room cannot be had now.
    Unavailable,
    /// Too many people in the room, or on the server.
    Full,
    /// The client does not read what it is sent.
    Slow,
    /// The server stops and will be back.
    Restart,
    /// No token, or none that is known here.
    Unauthorized,
    /// The token does not permit this.
    Forbidden,
    /// A host has shown the client out.
    Removed,
    /// The client's token is no longer valid.
    Revoked,
    /// The client may do more than before and has to come back for it.
    Changed,
    /// The client's agent edits on another connection.
    Taken,
    /// DATA with new events of an agent that edits on another connection, which sends them itself.
    Foreign,
    /// The document has reached its greatest size.
    TooLarge,
    /// The document has been deleted.
    Deleted,
    /// The room holds a document of another kind.
    Kind,
    /// A reason that a later version has invented.
    #[serde(other)]
    Other,
}

impl Refusal {
    /// Whether trying again in the same way must fail in the same way.
    pub fn is_final(self) -> bool {
        match self {
            Self::Protocol
            | Self::Malformed
            | Self::Oversized
            | Self::Invalid
            | Self::Damaged
            | Self::Absent
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Removed
            | Self::Revoked
            | Self::TooLarge
            | Self::Deleted
            | Self::Kind => true,
            Self::Unavailable
            | Self::Incomplete
            | Self::Full
            | Self::Slow
            | Self::Restart
            | Self::Changed
            | Self::Taken
            | Self::Foreign
            | Self::Other => false,
        }
    }

    /// The close code of RFC 6455 (and its registry) that goes with it.
    pub fn close_code(self) -> u16 {
        match self {
            Self::Protocol | Self::Malformed => 1002,
            Self::Oversized => 1009,
            Self::Invalid
            | Self::Incomplete
            | Self::Slow
            | Self::Absent
            | Self::Unauthorized
            | Self::Forbidden
            | Self::Removed
            | Self::Revoked
            | Self::Taken
            | Self::Foreign
            | Self::TooLarge
            | Self::Deleted
            | Self::Kind
            | Self::Other => 1008,
            Self::Damaged => 1011,
            Self::Restart | Self::Changed => 1012,
            Self::Full | Self::Unavailable => 1013,
        }
    }

    /// As counters are labelled.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::Invalid => "invalid",
            Self::Incomplete => "incomplete",
            Self::Damaged => "damaged",
            Self::Absent => "absent",
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::Slow => "slow",
            Self::Restart => "restart",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Removed => "removed",
            Self::Revoked => "revoked",
            Self::Changed => "changed",
            Self::Taken => "taken",
            Self::Foreign => "foreign",
            Self::TooLarge => "too_large",
            Self::Deleted => "deleted",
            Self::Kind => "kind",
            Self::Other => "other",
        }
    }
}

impl ClientControl {
    /// As the text of a frame.
    pub fn to_json(&self) -> String {
        to_json(self)
    }

    /// From the text of a frame.
    ///
    /// # Errors
    /// [`ControlError`] when it is too long, no JSON, or no message of this protocol.
    pub fn from_json(json: &str) -> Result<Self, ControlError> {
        if json.len() > MAX_CONTROL {
            return Err(ControlError::TooLong { bytes: json.len() });
        }
        Ok(serde_json::from_str(json)?)
    }
}

impl ServerControl {
    /// As the text of a frame.
    pub fn to_json(&self) -> String {
        to_json(self)
    }

    /// From the text of a frame.
    ///
    /// # Errors
    /// [`ControlError`] when it is no JSON or no message of this protocol.
    pub fn from_json(json: &str) -> Result<Self, ControlError> {
        Ok(serde_json::from_str(json)?)
    }
}

fn to_json(message: &impl Serialize) -> String {
    match serde_json::to_string(message) {
        Ok(json) => json,
        Err(error) => unreachable!("control messages have string keys and no failing parts: {error}"),
    }
}

/// A META that fits `most` bytes. One of very many agents (about 5,000 in [`MAX_MESSAGE`]) does not; then part of it is left
/// out, and the other end sends again what this one holds, once.
pub(crate) fn bounded_meta(summary: Summary, most: usize) -> Message {
    /// The most that one span can cost: an agent and its fingerprint, and four numbers of up to five bytes.
    const SPAN: usize = 16 + 16 + 4 * 5;
    let count = summary.spans().count();
    let meta = Message::Meta(summary);
    if count < most / SPAN || meta.encode().len() < most - 64 {
        return meta;
    }
    let mut part = Summary::new();
    if let Message::Meta(summary) = meta {
        summary.spans().take(most / SPAN - 64).for_each(|span| part.insert(span));
    }
    Message::Meta(part)
}

/// Why a text frame is no control message.
#[derive(Debug)]
pub enum ControlError {
    /// Longer than [`MAX_CONTROL`].
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No JSON, or no message of this protocol; with line and column.
    Json(serde_json::Error),
}

impl From<serde_json::Error> for ControlError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "a control message of {bytes} bytes, at most {MAX_CONTROL} are allowed")
            }
            Self::Json(error) => write!(f, "no control message of protocol {PROTOCOL}: {error}"),
        }
    }
}

impl std::error::Error for ControlError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::presence::Agreement;

    #[test]
    fn a_version_reads_as_it_is_documented() {
        let message = ServerControl::Version {
            mark: VersionMark { version: u64::MAX, text: 1 },
            equal: vec![PeerId(1), PeerId(7)],
            differs: vec![],
        };
        let json = r#"{"type":"version","mark":{"version":"ffffffffffffffff","text":"0000000000000001"},"equal":[1,7],"differs":[]}"#;
        assert_eq!(message.to_json(), json);
        assert_eq!(ServerControl::from_json(json).unwrap(), message);
    }

    #[test]
    fn a_later_reason_is_understood_as_some_reason() {
        let json = r#"{"type":"refused","code":"moon_phase","reason":"wait","since":3}"#;
        let expected = ServerControl::Refused { code: Refusal::Other, reason: "wait".into() };
        assert_eq!(ServerControl::from_json(json).unwrap(), expected);
        assert!(!Refusal::Other.is_final());
    }

    #[test]
    fn absent_presence_is_absent_in_json() {
        assert_eq!(ClientControl::Presence(Presence::default()).to_json(), r#"{"type":"presence"}"#);
        let back = ClientControl::from_json(r#"{"type":"presence"}"#).unwrap();
        assert_eq!(back, ClientControl::Presence(Presence::default()));
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let long = format!(r#"{{"type":"presence","x":"{}"}}"#, "x".repeat(MAX_CONTROL));
        for json in ["", "{", "[]", r#"{"type":"nonsense"}"#, r#"{"type":"hello","protocol":2}"#, &long] {
            assert!(ClientControl::from_json(json).is_err(), "{json}");
        }
        assert_eq!(Agreement::default(), Agreement::Behind);
    }
}
