//! Where grapheme clusters begin and end.
//!
//! Knows Unicode's rules for clusters (UAX #29, by `unicode-segmentation`) and how to follow
//! them in a text that is only ever seen a little at a time; does not know what a cluster looks
//! like. Forwards it needs one character more than the cluster has. Backwards it returns to a
//! place that is a boundary whatever stands around it, [`LONGEST_CLUSTER`] characters at most,
//! and goes forwards from there.

use std::collections::VecDeque;
use std::ops::Range;
use std::str;

use cede::{Buffer, Chars};
use unicode_segmentation::UnicodeSegmentation;

/// How many chars a cluster has at most. A longer one, which no script has, is cut into several.
pub const LONGEST_CLUSTER: usize = 256;

/// How many chars are taken from the text at once.
const GULP: usize = 48;

/// The clusters of a stream of characters that begins at a boundary.
#[derive(Debug)]
pub struct Clusters<I> {
    chars: I,
    /// What has been taken from the stream; what precedes `at` has been given out.
    window: String,
    at: usize,
    ended: bool,
}

impl<'a> Clusters<str::Chars<'a>> {
    /// The clusters of `text`.
    pub fn of(text: &'a str) -> Self {
        Self::new(text.chars())
    }
}

impl<I: Iterator<Item = char>> Clusters<I> {
    /// The clusters of `chars`.
    pub fn new(chars: I) -> Self {
        Self { chars, window: String::new(), at: 0, ended: false }
    }

    /// The next cluster; O(its length). Not an `Iterator`: the cluster is lent.
    pub fn advance(&mut self) -> Option<&str> {
        let mut length = first_cluster(&self.window[self.at..]);
        // A cluster that reaches the end of what has been taken may go on beyond.
        while self.at + length == self.window.len() && !self.ended {
            if self.window[self.at..].chars().nth(LONGEST_CLUSTER).is_some() {
                break;
            }
            self.window.drain(..self.at);
            self.at = 0;
            self.take();
            length = first_cluster(&self.window);
        }
        if length == 0 {
            return None;
        }
        let cluster = bounded(&self.window[self.at..self.at + length]);
        self.at += cluster.len();
        Some(cluster)
    }

    fn take(&mut self) {
        let before = self.window.len();
        self.window.extend(self.chars.by_ref().take(GULP));
        self.ended = self.window.len() == before;
    }
}

/// The length in bytes of the first cluster of `text`.
fn first_cluster(text: &str) -> usize {
    match text.as_bytes() {
        [] => 0,
        // Two ASCII characters are always two clusters, CR LF aside.
        [first, second, ..] if first.is_ascii() && second.is_ascii() && *first != b'\r' => 1,
        _ => text.graphemes(true).next().map_or(0, str::len),
    }
}

fn bounded(cluster: &str) -> &str {
    // No char is shorter than a byte, so most clusters are short without counting.
    if cluster.len() <= LONGEST_CLUSTER {
        return cluster;
    }
    match cluster.char_indices().nth(LONGEST_CLUSTER) {
        Some((end, _)) => &cluster[..end],
        None => cluster,
    }
}

/// The clusters from `at` on, where a cluster begins; a position beyond the end has none.
pub fn clusters_from(buffer: &Buffer, at: Chars) -> Clusters<impl Iterator<Item = char>> {
    Clusters::new(buffer.chars_from(at).into_iter().flatten())
}

/// The cluster that holds the character behind `at`; an empty range at the end of the text.
///
/// Costs O(log n) and the distance to the last boundary that can be told at sight, which is
/// mostly the next character and never more than [`LONGEST_CLUSTER`].
pub fn cluster_at(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let len = buffer.len::<Chars>();
    let Some(here) = buffer.char_at(at) else { return len..len };
    let mut before = VecDeque::new();
    let mut next = here;
    for c in buffer.chars_before(at).into_iter().flatten().take(LONGEST_CLUSTER) {
        if is_sure_boundary(c, next) {
            break;
        }
        before.push_front(c);
        next = c;
    }
    let mut start = at.0 - before.len();
    let ahead = buffer.chars_from(at).into_iter().flatten();
    let mut clusters = Clusters::new(before.into_iter().chain(ahead));
    while let Some(cluster) = clusters.advance() {
        let end = start + cluster.chars().count();
        if at.0 < end {
            return Chars(start)..Chars(end);
        }
        start = end;
    }
    len..len
}

/// The nearest boundary behind `at`; the end of the text at the end.
pub fn boundary_after(buffer: &Buffer, at: Chars) -> Chars {
    cluster_at(buffer, at).end
}

/// The nearest boundary before `at`; the start of the text at the start.
pub fn boundary_before(buffer: &Buffer, at: Chars) -> Chars {
    match at.min(buffer.len()) {
        Chars(0) => Chars(0),
        Chars(at) => cluster_at(buffer, Chars(at - 1)).start,
    }
}

/// Is `at` between two clusters, or at either end of the text?
pub fn is_boundary(buffer: &Buffer, at: Chars) -> bool {
    let (Some(left), Some(right)) = (at.0.checked_sub(1), buffer.char_at(at)) else { return true };
    let left = buffer.char_at(Chars(left));
    left.is_some_and(|left| is_sure_boundary(left, right)) || cluster_at(buffer, at).start == at
}

/// Is there a boundary between the two, whatever stands around them?
fn is_sure_boundary(left: char, right: char) -> bool {
    match (left, right) {
        ('\r', '\n') => false,
        ('\n', _) | (_, '\n') => true,
        _ => is_simple(left) && is_simple(right),
    }
}

/// Characters that neither combine nor join with others of their kind: Latin, Greek, Cyrillic,
/// kana and ideographs.
fn is_simple(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{2FF}' | '\u{370}'..='\u{482}' | '\u{48A}'..='\u{590}'
            | '\u{3001}'..='\u{3029}' | '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}'
            | '\u{3400}'..='\u{9FFF}'
    )
}
