//! Who is in a room and where: names, colours, carets, and who sees the same text.
//!
//! Presence lives as long as its connection and is never stored. Nothing here knows sockets or documents, except that
//! a [`VersionMark`] is computed from one. Names come from strangers: their bytes are bounded here, what their
//! characters may do to a screen is the viewer's care.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::str::FromStr;

use cede::{AgentId, Anchor, Document, Frontier};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::rights::Rights;

/// A person as others see them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Shown beside the caret; at most [`Identity::MAX_NAME`] bytes travel.
    pub name: String,
    /// Shown as the caret.
    pub color: Color,
}

impl Identity {
    /// The longest name that a server takes, in bytes.
    pub const MAX_NAME: usize = 128;

    /// The same with its name cut to [`Identity::MAX_NAME`] bytes, whole characters kept.
    pub fn bounded(mut self) -> Self {
        bound(&mut self.name, Self::MAX_NAME);
        self
    }
}

/// Cuts to at most `max` bytes without splitting a character.
pub(crate) fn bound(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}

/// Red, green, blue. As text: `#rrggbb`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Color(pub u8, pub u8, pub u8);

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl FromStr for Color {
    type Err = ColorError;

    fn from_str(text: &str) -> Result<Self, ColorError> {
        let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.bytes().all(|b| b.is_ascii_hexdigit()));
        let bits = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).ok_or(ColorError)?;
        let [_, red, green, blue] = bits.to_be_bytes();
        Ok(Self(red, green, blue))
    }
}

/// A colour that is not written `#rrggbb`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ColorError;

impl fmt::Display for ColorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a colour is written #rrggbb")
    }
}

impl std::error::Error for ColorError {}

/// The number of a member of a room, given by the server for one connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u64);

/// Where somebody is in the text. Anchors survive edits and may arrive before the events they name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Presence {
    /// The caret; `None` when it is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_text")]
    pub caret: Option<Anchor>,
    /// Both ends of the selection, in document order.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_pair")]
    pub selection: Option<(Anchor, Anchor)>,
}

/// Somebody else in the room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Their number while they are connected.
    pub id: PeerId,
    /// Their name, as they gave it: may hold any characters, at most [`Identity::MAX_NAME`] bytes.
    pub name: String,
    /// Their colour.
    #[serde(with = "text")]
    pub color: Color,
    /// The agent under which they edit.
    #[serde(with = "text")]
    pub agent: AgentId,
    /// Where they are.
    #[serde(flatten)]
    pub presence: Presence,
    /// Whether they see what the server holds.
    #[serde(default)]
    pub agreement: Agreement,
    /// What they may do.
    #[serde(default)]
    pub rights: Rights,
}

/// What a peer's last report says beside the server's version and text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Another version: something is under way, or nothing has been heard yet.
    #[default]
    Behind,
    /// The same version and the same text.
    Equal,
    /// The same version with another text. This must never be; say it loudly.
    Differs,
}

/// A version and its text in 16 bytes: equal marks mean equal events and equal text.
///
/// Digests protect against mistakes, not against a peer that lies about itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct VersionMark {
    /// [`version_digest`] of the frontier of everything known.
    #[serde(with = "hex")]
    pub version: u64,
    /// `hash64` of the visible text.
    #[serde(with = "hex")]
    pub text: u64,
}

impl VersionMark {
    /// The mark of a document as it is now. Reads the whole text: O(n).
    pub fn of(document: &Document) -> Self {
        Self { version: version_digest(&document.frontier()), text: document.text().hash64() }
    }

    /// How somebody with the mark `theirs` stands beside this one.
    pub fn compare(&self, theirs: &Self) -> Agreement {
        match (self.version == theirs.version, self.text == theirs.text) {
            (false, _) => Agreement::Behind,
            (true, true) => Agreement::Equal,
            (true, false) => Agreement::Differs,
        }
    }
}

/// FNV-1a over the ids of a frontier, in their order: agent big-endian, then clock big-endian. A frontier names its
/// whole past, so equal digests mean equal versions.
pub fn version_digest(frontier: &Frontier) -> u64 {
    let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
    for id in frontier.ids() {
        for byte in id.agent.get().to_be_bytes().into_iter().chain(id.clock.0.to_be_bytes()) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    digest
}

/// Values that travel as their `Display` form.
pub(crate) mod text {
    use super::*;

    pub(crate) fn serialize<T: fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The same for a value that may be absent.
mod optional_text {
    use super::*;

    pub(crate) fn serialize<T: fmt::Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(to)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

/// The same for two values that come and go together.
mod optional_pair {
    use super::*;

    pub(crate) fn serialize<T: fmt::Display, S: Serializer>(value: &Option<(T, T)>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(|(a, b)| [a.to_string(), b.to_string()]).serialize(to)
    }

    pub(crate) fn deserialize<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<(T, T)>, D::Error> {
        let parse = |text: String| text.parse().map_err(serde::de::Error::custom);
        match Option::<[String; 2]>::deserialize(from)? {
            Some([a, b]) => Ok(Some((parse(a)?, parse(b)?))),
            None => Ok(None),
        }
    }
}

/// 64 bits as 16 hex digits: JSON numbers lose bits beyond 2^53 in many readers.
mod hex {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:016x}"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        u64::from_str_radix(&String::deserialize(from)?, 16).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn colors_are_six_hex_digits() {
        assert_eq!("#0a64FF".parse(), Ok(Color(10, 100, 255)));
        assert_eq!(Color(10, 100, 255).to_string(), "#0a64ff");
        for wrong in ["0a64ff", "#0a64f", "#+a64ff", "#0a64ff0", "#ä64ff"] {
            assert_eq!(wrong.parse::<Color>(), Err(ColorError), "{wrong}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let identity = Identity { name: "é".repeat(100), color: Color(0, 0, 0) }.bounded();
        assert_eq!(identity.name, "é".repeat(64));
        let mut odd = format!("a{}", "é".repeat(100));
        bound(&mut odd, 128);
        assert_eq!(odd.len(), 127);
    }
}
