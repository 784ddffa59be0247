//! The fingerprint of a text, whatever pieces it comes in.
//!
//! Knows bytes and how to mix them; what is computed is written down at `Buffer::hash64`.

use crate::text::unit::Bytes;

/// The hash of [`Buffer::hash64`], fed in pieces of any length.
pub(super) struct WordHash {
    state: u64,
    /// Bytes that do not make a word yet, the first of them lowest.
    partial: u64,
    partial_len: usize,
}

impl WordHash {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

    pub(super) fn new() -> Self {
        Self { state: Self::MULTIPLIER, partial: 0, partial_len: 0 }
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) {
        while self.partial_len > 0 {
            let Some((&first, rest)) = bytes.split_first() else {
                return;
            };
            self.write_byte(first);
            bytes = rest;
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.write_byte(byte);
        }
    }

    fn write_byte(&mut self, byte: u8) {
        self.partial |= u64::from(byte) << (8 * self.partial_len);
        self.partial_len += 1;
        if self.partial_len == 8 {
            self.mix(self.partial);
            (self.partial, self.partial_len) = (0, 0);
        }
    }

    fn mix(&mut self, word: u64) {
        let product = (self.state ^ word).wrapping_mul(Self::MULTIPLIER);
        self.state = product ^ (product >> 32);
    }

    pub(super) fn finish(mut self, len: Bytes) -> u64 {
        if self.partial_len > 0 {
            self.mix(self.partial);
        }
        self.mix(len.0 as u64);
        self.state
    }
}
