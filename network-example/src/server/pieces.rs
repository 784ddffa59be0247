//! What a room has for the store, and when it is handed over. Pure: time comes in as an argument.
//!
//! A commit costs the same whatever is in it, as much of the processor as passing a key on to fifty people. So a room
//! where people type hands over what came together once it has been quiet for a moment, and never later than people are
//! told the version anyway. Nobody waits for that: what is typed is passed on before, and what is not acknowledged yet
//! its author's program sends again. The first piece after a quiet time, and what is much, is handed over at once.
//!
//! ```text
//!   key                key key key … key          key key key key key key key key key key key key …
//!   └─ at once         └─ at once     └─ QUIET    └─ at once                    LONGEST ─┘
//! ```

use std::time::{Duration, Instant};

use cede::Frontier;

use super::writer::WORTH;
use crate::planted::planted;

/// Less than what a room waits before it tells its version, so that by then all is on the disk. tokio looks at a timer of more
/// than 64 ms once up to so much before its time, and a room whose people type twenty keys a second sleeps between them.
const QUIET: Duration = Duration::from_millis(150);
/// As often as a room that is never quiet tells its version.
const LONGEST: Duration = Duration::from_secs(2);

/// See the module.
///
/// Invariant: numbers rise by one from 1, in the order in which the pieces came.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    waiting: Vec<Vec<u8>>,
    /// The document before the first of those that wait.
    since: Option<Frontier>,
    /// Of those that wait.
    bytes: usize,
    /// The number of the last that came.
    appended: u64,
    /// When that was.
    last: Option<Instant>,
    /// When those that wait are handed over at the latest.
    latest: Option<Instant>,
}

impl Pieces {
    /// How many have come since the room was loaded.
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// A piece comes to a document that was `before`.
    pub(crate) fn push(&mut self, now: Instant, before: Frontier, piece: Vec<u8>) {
        let was_quiet = self.last.is_none_or(|last| last + QUIET <= now);
        let patience = if was_quiet { Duration::ZERO } else { LONGEST };
        self.latest.get_or_insert(now + patience);
        self.since.get_or_insert(before);
        self.bytes += piece.len();
        self.waiting.push(piece);
        self.appended += 1;
        self.last = Some(now);
        if self.bytes >= WORTH {
            self.hurry(now);
        }
    }

    /// Somebody waits for it.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.latest = self.latest.map(|latest| latest.min(now));
    }

    /// When the next are handed over.
    pub(crate) fn due(&self) -> Option<Instant> {
        if planted("hoard") {
            return None;
        }
        Some(self.latest?.min(self.last? + QUIET))
    }

    /// All of them, each with its number; when there are several, as one piece if `join` can make it of what has come
    /// since a version. What a store and its readers have to do they do for each piece.
    pub(crate) fn take(&mut self, join: impl FnOnce(&Frontier) -> Option<Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
        let first = self.appended + 1 - self.waiting.len() as u64;
        let pieces = std::mem::take(&mut self.waiting);
        (self.bytes, self.latest) = (0, None);
        let joined = self.since.take().filter(|_| pieces.len() > 1).and_then(|since| join(&since));
        match joined {
            Some(piece) => vec![(self.appended, piece)],
            None => (first..).zip(pieces).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece at each of these milliseconds; when they are handed over, and how many.
    fn handed_over(came: &[u64]) -> Vec<(u64, usize)> {
        let (began, mut pieces, mut handed) = (Instant::now(), Pieces::default(), Vec::new());
        let mut came = came.iter().copied().peekable();
        for millis in 0..10_000 {
            let now = began + Duration::from_millis(millis);
            if came.next_if_eq(&millis).is_some() {
                pieces.push(now, Frontier::root(), vec![0]);
            }
            if pieces.due().is_some_and(|due| due <= now) {
                handed.push((millis, pieces.take(|_| None).len()));
            }
        }
        assert!(pieces.take(|_| None).is_empty() && came.next().is_none());
        handed
    }

    #[test]
    fn the_first_piece_is_handed_over_at_once_and_the_others_when_it_is_quiet() {
        assert_eq!(handed_over(&[0]), [(0, 1)]);
        assert_eq!(handed_over(&[0, 50, 100, 150]), [(0, 1), (300, 3)]);
        assert_eq!(handed_over(&[0, 150, 300]), [(0, 1), (150, 1), (300, 1)]);
    }

    #[test]
    fn where_it_is_never_quiet_they_are_handed_over_now_and_then() {
        let keys: Vec<u64> = (0..100).map(|key| key * 50).collect();
        assert_eq!(handed_over(&keys), [(0, 1), (2050, 41), (4100, 41), (5100, 17)]);
    }

    #[test]
    fn much_is_handed_over_at_once_and_so_is_what_somebody_waits_for() {
        let (now, mut pieces) = (Instant::now(), Pieces::default());
        let mut handed = |len: usize, hurries: bool| {
            pieces.push(now, Frontier::root(), vec![0; len]);
            if hurries {
                pieces.hurry(now);
            }
            let is_due = pieces.due().is_some_and(|due| due <= now);
            let due = if is_due { pieces.take(|_| None) } else { Vec::new() };
            due.iter().map(|(number, _)| *number).collect::<Vec<_>>()
        };
        assert_eq!(handed(1, false), [1]);
        assert!(handed(1, false).is_empty());
        assert_eq!(handed(WORTH, false), [2, 3]);
        assert!(handed(1, false).is_empty());
        assert_eq!(handed(1, true), [4, 5]);
    }

    #[test]
    fn several_are_handed_over_as_one() {
        let (now, mut pieces) = (Instant::now(), Pieces::default());
        let join = |since: &Frontier| {
            assert!(since.is_root());
            Some(b"both".to_vec())
        };
        pieces.push(now, Frontier::root(), b"first".to_vec());
        assert_eq!(pieces.take(join), [(1, b"first".to_vec())]);
        pieces.push(now, Frontier::root(), b"second".to_vec());
        pieces.push(now, Frontier::root(), b"third".to_vec());
        assert_eq!(pieces.take(join), [(3, b"both".to_vec())]);
        assert!(pieces.take(join).is_empty());
    }
}
