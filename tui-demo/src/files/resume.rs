//! What the next session of the same user needs besides the events.
//!
//! Knows the layout of one record: the versions that the text file may hold, then changes of the
//! undo history in the engine's own encoding, which is not looked into. It travels in the log's
//! record for undo. Of the versions those of the last record count, of undo all records, in
//! order. The head is text, so that a person with `strings` can see which version was saved:
//!
//! ```text
//! cede-resume 1
//! saved 000102…0f/41
//! undo
//! (the rest: changes of the undo history)
//! ```

use std::error::Error;
use std::fmt;

use cede::Frontier;

const HEAD: &str = "cede-resume 1\n";
const SAVED: &str = "saved ";
const UNDO: &str = "undo\n";

/// What is kept beside the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resume {
    /// The versions that the text file may hold, the surest first. Usually one; two from just
    /// before the file is replaced until just after, so that a crash in between is understood
    /// either way; none while there is no text file.
    pub saved: Vec<Frontier>,
    /// What has become of the undo history since the record before, as `Session` gave it; empty
    /// when nothing has.
    pub undo: Vec<u8>,
}

impl Resume {
    /// The record's payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut head = String::from(HEAD);
        for version in &self.saved {
            head.push_str(SAVED);
            head.push_str(&version.to_string());
            head.push('\n');
        }
        head.push_str(UNDO);
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.undo);
        bytes
    }

    /// Reads a payload back.
    ///
    /// # Errors
    /// The offset at which it stops making sense.
    pub fn decode(bytes: &[u8]) -> Result<Self, ResumeError> {
        let mut rest = Rest { bytes, offset: 0 };
        let mut saved = Vec::new();
        if rest.line()? != HEAD {
            return Err(ResumeError { offset: 0 });
        }
        loop {
            let offset = rest.offset;
            let line = rest.line()?;
            if line == UNDO {
                break;
            }
            let version = line.strip_prefix(SAVED).and_then(|line| line.trim_end().parse().ok());
            saved.push(version.ok_or(ResumeError { offset })?);
        }
        let undo = bytes[rest.offset..].to_vec();
        Ok(Self { saved, undo })
    }
}

struct Rest<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Rest<'a> {
    /// The next line, its line feed included.
    fn line(&mut self) -> Result<&'a str, ResumeError> {
        let offset = self.offset;
        let error = ResumeError { offset };
        let bytes = &self.bytes[offset..];
        let end = bytes.iter().position(|&byte| byte == b'\n').ok_or(error)? + 1;
        self.offset += end;
        std::str::from_utf8(&bytes[..end]).map_err(|_| error)
    }
}

/// A record that this version does not understand. The events are sound without it; only undo
/// and the knowledge of what was saved are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResumeError {
    /// Where in the record, in bytes.
    pub offset: usize,
}

impl fmt::Display for ResumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the undo record makes no sense from byte {} on", self.offset)
    }
}

impl Error for ResumeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes() {
        let version: Frontier = "000000000000000000000000000000ab/7".parse().expect("a version");
        for saved in [vec![], vec![Frontier::root()], vec![Frontier::root(), version]] {
            let resume = Resume { saved, undo: b"\x00\nundo\n\xff".to_vec() };
            assert_eq!(Resume::decode(&resume.encode()), Ok(resume));
        }
    }

    #[test]
    fn what_is_foreign_is_refused_with_its_offset() {
        let cases: [(&[u8], usize); 4] = [
            (b"", 0),
            (b"something\n", 0),
            (b"cede-resume 1\nsaved nonsense\nundo\n", 14),
            (b"cede-resume 1\nsaved root\n", 25),
        ];
        for (bytes, offset) in cases {
            assert_eq!(Resume::decode(bytes), Err(ResumeError { offset }), "{bytes:?}");
        }
    }
}
