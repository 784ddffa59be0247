//! One file in a shared folder: messages that are there whole or not at all.
//!
//! Knows bytes, names and how a file is put in its place. A folder that is copied by other programs holds halves of files,
//! old ones and copies under other names; what is no whole file of ours is told apart here.
//!
//! ```text
//! file     "CEDEfold" version (1) records, the first half of the SHA-256 of all before (16)
//! record   kind (0: JSON of a control message, 1: META, DATA or DONE) length (4, little-endian) bytes
//! ```

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use cede::sync::Message;
use sha2::{Digest, Sha256};

use crate::directory;
use crate::wire::ClientControl;

const MAGIC: &[u8] = b"CEDEfold\x01";
const SEAL: usize = 16;
const CONTROL: u8 = 0;
const SYNC: u8 = 1;

/// The largest file that is read, and so the largest that is written: 64 MiB, as the largest document of a server.
pub(super) const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Whoever writes files in a folder: 128 random bits for every copy of a document.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ReplicaId(pub u128);

impl ReplicaId {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }

    /// Back from its 32 hexadecimal digits.
    pub fn parse(digits: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let fits = digits.len() == 32 && digits.bytes().all(is_digit);
        u128::from_str_radix(digits, 16).ok().filter(|_| fits).map(Self)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A name that only one replica ever writes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum FileName {
    /// Who it is and what it holds: hello, META, DONE. Replaced whenever that changes.
    Meta(ReplicaId),
    /// META that says what is in the file, DATA, DONE. Never changed once it is there.
    Data(ReplicaId, u64),
}

impl FileName {
    /// Anything else in the folder is not ours to read.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (id, rest) = name.split_once('.')?;
        let id = ReplicaId::parse(id)?;
        match rest.split_once('.') {
            None if rest == "meta" => Some(Self::Meta(id)),
            Some((number, "data")) => {
                let parsed = number.parse().ok()?;
                (number == format!("{parsed}")).then_some(Self::Data(id, parsed))
            }
            _ => None,
        }
    }

    pub(super) fn owner(self) -> ReplicaId {
        let (Self::Meta(id) | Self::Data(id, _)) = self;
        id
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meta(id) => write!(f, "{id}.meta"),
            Self::Data(id, number) => write!(f, "{id}.{number}.data"),
        }
    }
}

/// What a file is known by without being read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    pub(super) modified: Option<SystemTime>,
}

/// What a file says.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Content {
    pub(super) hello: Option<ClientControl>,
    pub(super) messages: Vec<Message>,
}

impl Content {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut record = |kind: u8, body: &[u8]| {
            bytes.push(kind);
            bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
            bytes.extend_from_slice(body);
        };
        self.hello.iter().for_each(|hello| record(CONTROL, hello.to_json().as_bytes()));
        self.messages.iter().for_each(|message| record(SYNC, &message.encode()));
        let seal = Sha256::digest(&bytes);
        bytes.extend(seal.iter().take(SEAL));
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Damage> {
        let (body, seal) = bytes.split_at_checked(bytes.len().saturating_sub(SEAL)).ok_or(Damage::Torn)?;
        if !Sha256::digest(body).iter().take(SEAL).eq(seal) {
            return Err(Damage::Torn);
        }
        let mut rest = body.strip_prefix(MAGIC).ok_or(Damage::Foreign)?;
        let mut content = Self::default();
        while let [kind, a, b, c, d, behind @ ..] = rest {
            let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
            let (record, behind) = behind.split_at_checked(length).ok_or(Damage::Torn)?;
            match *kind {
                CONTROL => {
                    let json = std::str::from_utf8(record).map_err(|error| Damage::Message(error.to_string()))?;
                    let hello = ClientControl::from_json(json).map_err(|error| Damage::Message(error.to_string()))?;
                    content.hello = Some(hello);
                }
                // A later version may say more.
                SYNC => {
                    let message = Message::decode(record).map_err(|error| Damage::Message(error.to_string()))?;
                    content.messages.push(message);
                }
                _ => {}
            }
            rest = behind;
        }
        if rest.is_empty() { Ok(content) } else { Err(Damage::Torn) }
    }

    pub(super) fn read(path: &Path, max_bytes: u64) -> Result<Self, Damage> {
        let mut bytes = Vec::new();
        File::open(path)?.take(max_bytes + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max_bytes {
            return Err(Damage::TooLarge { max_bytes });
        }
        Self::decode(&bytes)
    }
}

/// Puts a file in its place, whole, and returns when it is on disk.
pub(super) fn put(folder: &Path, name: FileName, bytes: &[u8]) -> io::Result<()> {
    let aside = folder.join(format!("{}.tmp", name.owner()));
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    let path = folder.join(name.to_string());
    fs::rename(&aside, &path)?;
    directory::sync_name(&path)
}

/// Why a file is passed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Damage {
    /// It is not whole.
    Torn,
    /// It is whole and something else.
    Foreign,
    /// It is larger than any that is read.
    TooLarge { max_bytes: u64 },
    /// A message in it is none, or one that the engine refuses.
    Message(String),
    /// The system's reason.
    Io(String),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Torn => f.write_str("it is not whole"),
            Self::Foreign => f.write_str("it is no file of Cede"),
            Self::TooLarge { max_bytes } => write!(f, "it has more than {max_bytes} bytes"),
            Self::Message(reason) | Self::Io(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn every_part_and_every_flipped_bit_of_a_file_is_told_apart_from_the_file() {
        let messages = vec![Message::Meta(cede::Summary::new()), Message::Data(vec![1, 2, 3]), Message::Done];
        let content = Content { hello: None, messages };
        let bytes = content.encode();
        assert_eq!(Content::decode(&bytes), Ok(content));
        for end in 0..bytes.len() {
            assert!(Content::decode(&bytes[..end]).is_err(), "{end} bytes");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Content::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn only_names_that_are_written_here_are_read() {
        let id = ReplicaId(0xabc);
        for name in [FileName::Meta(id), FileName::Data(id, 0), FileName::Data(id, 1_700_000_000_000)] {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        let digits = id.to_string();
        for name in [
            "",
            "notes.md",
            ".DS_Store",
            &digits,
            &format!("{digits}.tmp"),
            &format!("{digits}.01.data"),
            &format!("{digits}.+1.data"),
            &format!("{digits}.1.data.part"),
            &format!("{digits} (copy).meta"),
            &format!("{}.meta", digits.to_uppercase()),
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
