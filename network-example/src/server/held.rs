//! About how many bytes a store holds of a room, and when the room is worth being written anew as one piece.
//!
//! Events are stored as they come, and a key takes some forty bytes that way. In one piece it takes a few, with all others that
//! were typed in a row. So a room that people edit for days holds a multiple of what it has to, and would be full
//! long before its document is large. To write it anew costs as much as to send it to somebody who has nothing.

/// A room that holds less is soon read, however many pieces that is.
const MUCH: u64 = 1024 * 1024;
/// Growing to so many times the whole is worth writing it: over the life of a room a third of what comes is written again.
const TIMES: u64 = 4;
/// Where there is no room for more, growing by one part of so many of the whole is worth it. Whoever fills a room to its brim
/// has it written a few times and not for each key; so much more than the limit may be stored for that.
const PART: u64 = 8;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Held {
    bytes: u64,
    /// Of them, the piece that was written last with everything in it.
    whole: u64,
}

impl Held {
    /// What these pieces are, of which the first is the one that all were put into, if that has been.
    pub(crate) fn of(pieces: &[Vec<u8>]) -> Self {
        let length = |piece: &Vec<u8>| piece.len() as u64;
        Self { bytes: pieces.iter().map(length).sum(), whole: pieces.first().map_or(0, length) }
    }

    /// Everything is in one piece of so many bytes.
    pub(crate) fn in_one(bytes: usize) -> Self {
        Self { bytes: bytes as u64, whole: bytes as u64 }
    }

    /// So many more come.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it is so much more than it has to be that writing it anew is worth it at any time.
    pub(crate) fn is_much(&self) -> bool {
        self.bytes >= MUCH && self.bytes >= self.whole.saturating_mul(TIMES)
    }

    /// Whether there is no room for more where a document may have so many bytes in one piece.
    pub(crate) fn is_full(&self, limit: u64) -> bool {
        self.whole >= limit || self.bytes >= limit.saturating_add(limit / PART)
    }

    /// Whether writing it anew may make room.
    pub(crate) fn may_shrink(&self) -> bool {
        (self.bytes - self.whole).saturating_mul(PART) >= self.whole && self.bytes > self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_grown_to_a_multiple_is_written_anew_and_at_the_brim_what_has_grown_by_a_part() {
        // Of the whole, in all, worth it at any time, worth it at the brim.
        let cases = [
            (0, 0, false, false),
            (0, 1000, false, true),
            (100, 1000, false, true),
            (100, MUCH, true, true),
            (MUCH, MUCH, false, false),
            (MUCH, MUCH + MUCH / 9, false, false),
            (MUCH, MUCH + MUCH / 8, false, true),
            (MUCH, 4 * MUCH - 1, false, true),
            (MUCH, 4 * MUCH, true, true),
        ];
        for (whole, bytes, is_much, may_shrink) in cases {
            let held = Held { bytes, whole };
            assert_eq!((held.is_much(), held.may_shrink()), (is_much, may_shrink), "{held:?}");
        }
        assert_eq!(Held::of(&[vec![0; 7], vec![0; 2]]), Held { bytes: 9, whole: 7 });
        assert_eq!(Held::of(&[]), Held::default());
    }
}
