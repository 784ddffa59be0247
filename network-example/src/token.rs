//! Tokens: secrets that let somebody in. They travel and are shown once; what is kept is their hash.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret: 16 to 128 characters of `A-Z a-z 0-9 _ -`.
///
/// It is shown by nothing but [`Token::as_str`]: `Debug` leaves it out, so that no log can have it, and there is no
/// `Display`.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The shortest; 16 random characters of this alphabet are 96 bits.
    pub const MIN_LENGTH: usize = 16;
    /// The longest.
    pub const MAX_LENGTH: usize = 128;

    /// A new one of 128 random bits.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0_u8; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The secret itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    ///
    /// A plain hash does: tokens are random, so there is no list of likely ones to try that salt would make longer.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(Self::MIN_LENGTH..=Self::MAX_LENGTH).contains(&text.len()) {
            return Err(TokenError::Length { bytes: text.len() });
        }
        if !text.bytes().all(allowed) {
            return Err(TokenError::Character);
        }
        Ok(Self(text.to_owned()))
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.hash() == other.hash()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// SHA-256 of a token. Compared in constant time, whatever compares it.
#[derive(Clone, Copy)]
pub struct TokenHash([u8; 32]);

impl PartialEq for TokenHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for TokenHash {}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl FromStr for TokenHash {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TokenError::Hash);
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| TokenError::Hash)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| TokenError::Hash)?;
        }
        Ok(Self(hash))
    }
}

/// Why a text is no token, or no hash of one. It says nothing of what the text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenError {
    /// Too short or too long.
    Length {
        /// Its length.
        bytes: usize,
    },
    /// A character that tokens do not have.
    Character,
    /// Not 64 hexadecimal digits.
    Hash,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { bytes } => {
                write!(f, "a token of {bytes} bytes; {} to {} are allowed", Token::MIN_LENGTH, Token::MAX_LENGTH)
            }
            Self::Character => f.write_str("a token has letters, digits, '_' and '-' and nothing else"),
            Self::Hash => f.write_str("a token's hash is 64 hexadecimal digits"),
        }
    }
}

impl std::error::Error for TokenError {}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_never_shown_by_accident() {
        let token: Token = "open-sesame-open".parse().unwrap();
        assert_eq!(format!("{token:?} {:?}", token.hash()), "Token(…) TokenHash(…)");
        assert_eq!(token.hash().to_string().parse(), Ok(token.hash()));
    }

    #[test]
    fn tokens_that_are_made_differ() {
        let [first, second] = [(); 2].map(|()| Token::random().unwrap());
        assert_ne!(first, second);
        assert_eq!(first.as_str().parse(), Ok(first.clone()));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        for (text, error) in [
            ("", TokenError::Length { bytes: 0 }),
            ("short", TokenError::Length { bytes: 5 }),
            ("sixteen chars ok", TokenError::Character),
            ("with\r\nheader: injected", TokenError::Character),
        ] {
            assert_eq!(text.parse::<Token>(), Err(error), "{text:?}");
        }
        assert_eq!(TokenHash::from_str(&"é".repeat(32)), Err(TokenError::Hash));
    }
}
