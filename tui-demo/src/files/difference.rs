//! What changed between two texts, as edits.
//!
//! Knows two strings and nothing else. Lines are compared first, which is fast and keeps edits
//! inside the lines that differ; what differs is compared again by words, so that a changed word
//! does not take its whole line along (somebody may be typing there). All passes are Myers'
//! algorithm (`similar`), O(length × differences), under one deadline: when it passes, what is
//! left is taken as replaced, which is a larger edit and just as true.

use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use cede::{Chars, Patch};
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

/// Long enough for any file that people write by hand, short enough not to look like a hang.
const PATIENCE: Duration = Duration::from_millis(500);

/// The edits that make `before` into `after`, in order, each in the text left by the one before.
#[must_use]
pub fn difference(before: &str, after: &str) -> Vec<Patch<Chars>> {
    edits(before, after, deadline())
}

/// How many letters and digits of `after` are in words that `before` does not have there; `None` when `deadline` passes
/// before that is known. What else stands in texts, they have in common whoever wrote them.
#[must_use]
pub fn added(before: &str, after: &str, deadline: Instant) -> Option<usize> {
    let edits = edits(before, after, deadline);
    let added = edits.iter().map(|edit| letters_in(&edit.inserted)).sum();
    (Instant::now() < deadline).then_some(added)
}

/// How many letters and digits there are in the words of `theirs` that are nowhere in `ours`, and how many of these in words
/// that `text` has as well. Where a word stands says nothing: two who have written at one place have run theirs together.
#[must_use]
pub fn shared(ours: &str, theirs: &str, text: &str) -> (usize, usize) {
    let [ours, theirs, text] = [ours, theirs, text].map(|text| words(text).into_iter().collect::<HashSet<_>>());
    let beyond = || theirs.difference(&ours).copied();
    let held = beyond().filter(|word| text.contains(word)).map(letters_in).sum();
    (held, beyond().map(letters_in).sum())
}

fn letters_in(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

/// When a comparison that begins now is to end.
#[must_use]
pub fn deadline() -> Instant {
    Instant::now() + PATIENCE
}

fn edits(before: &str, after: &str, deadline: Instant) -> Vec<Patch<Chars>> {
    let mut edits = Edits { deadline, at: 0, patches: Vec::new() };
    let [before, after] = [before, after].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    edits.compare(&before, &after, Grain::Lines);
    edits.patches
}

/// Into what the texts compared are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grain {
    /// Each with the line feed at its end.
    Lines,
    /// Runs of letters and digits, runs of blanks, and single other characters.
    Words,
}

struct Edits {
    deadline: Instant,
    /// Where the next piece stands in the text as edited so far, in chars.
    at: usize,
    patches: Vec<Patch<Chars>>,
}

impl Edits {
    fn compare(&mut self, before: &[&str], after: &[&str], grain: Grain) {
        let ops = capture_diff_slices_deadline(Algorithm::Myers, before, after, Some(self.deadline));
        for op in ops {
            let (former, latter) = (op.old_range(), op.new_range());
            match op {
                DiffOp::Equal { .. } => self.at += chars_in(&before[former]),
                DiffOp::Replace { .. } if grain == Grain::Lines => {
                    let (before, after) = (before[former].concat(), after[latter].concat());
                    self.compare(&words(&before), &words(&after), Grain::Words);
                }
                _ => self.replace(&before[former], &after[latter]),
            }
        }
    }

    fn replace(&mut self, before: &[&str], after: &[&str]) {
        let inserted = after.concat();
        let start = self.at;
        self.at += inserted.chars().count();
        self.patches.push(Patch { start: Chars(start), deleted: Chars(chars_in(before)), inserted });
    }
}

fn chars_in(pieces: &[&str]) -> usize {
    pieces.iter().map(|piece| piece.chars().count()).sum()
}

/// Cuts a text into runs of letters and digits, runs of blanks, and single other characters.
fn words(text: &str) -> Vec<&str> {
    #[derive(PartialEq, Eq)]
    enum Class {
        Word,
        Blank,
        Other,
    }
    let class = |c: char| match c {
        c if c.is_alphanumeric() => Class::Word,
        ' ' | '\t' => Class::Blank,
        _ => Class::Other,
    };
    let mut pieces = Vec::new();
    let mut piece: Range<usize> = 0..0;
    let mut of = Class::Other;
    for (at, c) in text.char_indices() {
        let next = class(c);
        if next == Class::Other || next != of {
            if !piece.is_empty() {
                pieces.push(&text[piece.clone()]);
            }
            piece.start = at;
        }
        piece.end = at + c.len_utf8();
        of = next;
    }
    if !piece.is_empty() {
        pieces.push(&text[piece]);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(text: &str, patches: &[Patch<Chars>]) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for patch in patches {
            let range = patch.start.0..patch.start.0 + patch.deleted.0;
            chars.splice(range, patch.inserted.chars());
        }
        chars.into_iter().collect()
    }

    /// (before, after, edits as start, deleted, inserted)
    #[test]
    fn edits_are_as_small_as_words() {
        type Edit<'a> = (usize, usize, &'a str);
        let cases: [(&str, &str, &[Edit<'_>]); 8] = [
            ("", "", &[]),
            ("same\n", "same\n", &[]),
            ("", "new\n", &[(0, 0, "new\n")]),
            ("gone\n", "", &[(0, 5, "")]),
            ("a\nb\nc\n", "a\nc\n", &[(2, 2, "")]),
            ("one two three\n", "one 2 three\n", &[(4, 3, "2")]),
            ("é 日本 x\ny\n", "é 日本語 x\ny\nz\n", &[(2, 2, "日本語"), (10, 0, "z\n")]),
            ("a b\nc\nd e\n", "A b\nc\nd E\n", &[(0, 1, "A"), (8, 1, "E")]),
        ];
        for (before, after, expected) in cases {
            let found = difference(before, after);
            let found: Vec<_> =
                found.iter().map(|edit| (edit.start.0, edit.deleted.0, edit.inserted.as_str())).collect();
            assert_eq!(found, expected, "{before:?} -> {after:?}");
        }
    }

    #[test]
    fn what_is_added_is_counted_by_letters_and_digits() {
        let cases = [
            ("", "", 0),
            ("same\n", "same\n- and\n", 3),
            ("gone and left\n", "left\n", 0),
            ("slowlazy fox\n", "slow, lazy fox\n", 8),
            ("- [ ] red\n", "- [ ] red\n- [ ] 7\n", 1),
        ];
        for (before, after, expected) in cases {
            assert_eq!(added(before, after, deadline()), Some(expected), "{before:?} -> {after:?}");
        }
        assert_eq!(added("a\n", "b\n", Instant::now()), None, "nobody knows when there is no time");
    }

    #[test]
    fn words_are_shared_wherever_they_stand() {
        let (ann, ben) = ("The slow fox.\n", "The lazy fox.\n\nA paragraph of Ben's.\n");
        for (text, expected) in [
            ("The slow, lazy fox.\n", (4, 20)),
            ("The slow fox.\n", (0, 20)),
            ("A paragraph of Ben's. The lazy fox.\n", (20, 20)),
        ] {
            assert_eq!(shared(ann, ben, text), expected, "{text:?}");
        }
    }

    #[test]
    fn applying_the_edits_always_gives_the_second_text() {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7_u64);
        println!("SEED={seed}");
        let pieces = ["a", "bb ", "\n", "ccc", " ", "é", "\t", "日", "\n\n", "."];
        let mut state = seed;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        for _ in 0..500 {
            let mut text = || (0..next(30)).map(|_| pieces[next(pieces.len())]).collect::<String>();
            let (before, after) = (text(), text());
            assert_eq!(apply(&before, &difference(&before, &after)), after);
        }
    }
}
