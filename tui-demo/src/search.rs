//! Finding text.
//!
//! Knows a text to look for and how to go through a buffer for it in pieces; does not know the
//! screen. A capital letter in what is looked for makes the search tell capitals apart,
//! otherwise it does not (as it does for `É`, not for letters whose lower case is several
//! characters). One pass of Knuth, Morris and Pratt's algorithm over the characters: linear,
//! nothing is copied, and it stops and goes on wherever the budget says.

use std::ops::Range;

use cede::{Buffer, Chars};

use crate::glyph;

/// How many chars are looked for at most.
pub const LONGEST_QUERY: usize = 1024;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// In lower case unless capitals count.
    needle: Vec<char>,
    capitals_count: bool,
}

/// Which way a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end of the text, then on from its start.
    Forwards,
    /// Towards the start of the text, then on from its end.
    Backwards,
}

/// A match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it stands.
    pub range: Range<Chars>,
    /// The search went past the end of the text, or its start, to get there.
    pub wrapped: bool,
}

/// How far a search has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A match.
    Found(Found),
    /// There is none in the whole text.
    Absent,
    /// The budget is spent; [`Search::advance`] goes on.
    Unfinished,
}

impl Query {
    /// Looks for `text`, of which at most [`LONGEST_QUERY`] chars count; `None` when empty.
    pub fn new(text: &str) -> Option<Self> {
        let capitals_count = text.chars().any(char::is_uppercase);
        let needle: Vec<char> = text.chars().take(LONGEST_QUERY).map(|c| fold(c, capitals_count)).collect();
        (!needle.is_empty()).then_some(Self { needle, capitals_count })
    }

    /// The nearest match from `from` on, at once; O(length of the text) when there is none.
    ///
    /// Forwards it begins at or behind `from`, backwards it ends at or before it.
    pub fn find(&self, buffer: &Buffer, from: Chars, direction: Direction) -> Option<Found> {
        let mut search = Search::new(self.clone(), from, direction);
        loop {
            match search.advance(buffer, usize::MAX) {
                Outcome::Found(found) => return Some(found),
                Outcome::Absent => return None,
                Outcome::Unfinished => {}
            }
        }
    }

    /// All matches that touch `range`, ascending, none overlapping another.
    ///
    /// Costs O(log n) and the length of the range and the query.
    pub fn matches_in(&self, buffer: &Buffer, range: Range<Chars>) -> Vec<Range<Chars>> {
        let reach = self.needle.len() - 1;
        let start = range.start.0.saturating_sub(reach);
        let count = range.end.0.saturating_add(reach).saturating_sub(start);
        let mut automaton = Automaton::new(self.needle.clone());
        let mut matches = Vec::new();
        for (index, c) in buffer.chars_from(Chars(start)).into_iter().flatten().take(count).enumerate() {
            if automaton.step(fold(c, self.capitals_count)) {
                let end = start + index + 1;
                let found = Chars(end - self.needle.len())..Chars(end);
                if is_whole(buffer, &found) {
                    automaton.reset();
                    matches.push(found);
                }
            }
        }
        matches
    }
}

/// A match may not begin or end inside of a cluster: `e` is not found in `é`.
fn is_whole(buffer: &Buffer, range: &Range<Chars>) -> bool {
    glyph::is_boundary(buffer, range.start) && glyph::is_boundary(buffer, range.end)
}

fn fold(c: char, capitals_count: bool) -> char {
    if capitals_count {
        return c;
    }
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) => lower,
        _ => c,
    }
}

/// A search on its way through a text that must not change meanwhile: after a change, begin
/// another.
#[derive(Clone, Debug)]
pub struct Search {
    query: Query,
    direction: Direction,
    from: Chars,
    automaton: Automaton,
    /// How many characters of the present round have been seen.
    seen: usize,
    wrapped: bool,
    ended: bool,
}

impl Search {
    /// Looks for `query` from `from` on.
    pub fn new(query: Query, from: Chars, direction: Direction) -> Self {
        let mut needle = query.needle.clone();
        if direction == Direction::Backwards {
            needle.reverse();
        }
        let automaton = Automaton::new(needle);
        Self { query, direction, from, automaton, seen: 0, wrapped: false, ended: false }
    }

    /// Goes on for at most about `budget` characters.
    pub fn advance(&mut self, buffer: &Buffer, budget: usize) -> Outcome {
        let len = buffer.len::<Chars>();
        self.from = self.from.min(len);
        let mut budget = budget.max(1);
        while !self.ended {
            let round = self.round(len);
            let count = budget.min(round - self.seen);
            if let Some(range) = self.look(buffer, count) {
                return Outcome::Found(Found { range, wrapped: self.wrapped });
            }
            budget -= count;
            if self.seen == round {
                self.ended = self.wrapped;
                self.wrapped = true;
                self.seen = 0;
                self.automaton.reset();
            } else if budget == 0 {
                return Outcome::Unfinished;
            }
        }
        Outcome::Absent
    }

    /// How many characters this round goes through: to the end first, then from the other end
    /// to where matches begin that have been seen.
    fn round(&self, len: Chars) -> usize {
        let overlap = self.query.needle.len() - 1;
        let ahead = match self.direction {
            Direction::Forwards => len.0 - self.from.0,
            Direction::Backwards => self.from.0,
        };
        if self.wrapped { (len.0 - ahead + overlap).min(len.0) } else { ahead }
    }

    /// Looks at the next `count` characters.
    fn look(&mut self, buffer: &Buffer, count: usize) -> Option<Range<Chars>> {
        let length = self.query.needle.len();
        let origin = self.origin(buffer.len());
        let chars: Box<dyn Iterator<Item = char>> = match self.direction {
            Direction::Forwards => Box::new(buffer.chars_from(Chars(origin + self.seen)).into_iter().flatten()),
            Direction::Backwards => Box::new(buffer.chars_before(Chars(origin - self.seen)).into_iter().flatten()),
        };
        for c in chars.take(count) {
            self.seen += 1;
            if self.automaton.step(fold(c, self.query.capitals_count)) {
                let range = match self.direction {
                    Direction::Forwards => origin + self.seen - length..origin + self.seen,
                    Direction::Backwards => origin - self.seen..origin - self.seen + length,
                };
                let range = Chars(range.start)..Chars(range.end);
                if is_whole(buffer, &range) {
                    return Some(range);
                }
            }
        }
        None
    }

    /// Where this round began.
    fn origin(&self, len: Chars) -> usize {
        match (self.wrapped, self.direction) {
            (false, _) => self.from.0,
            (true, Direction::Forwards) => 0,
            (true, Direction::Backwards) => len.0,
        }
    }
}

/// Finds one sequence of characters in a stream of them.
#[derive(Clone, Debug)]
struct Automaton {
    needle: Vec<char>,
    /// For each length of a beginning of `needle`: the length of the longest shorter beginning
    /// that the former ends with.
    falls_to: Vec<usize>,
    /// How much of `needle` the stream ends with.
    matched: usize,
}

impl Automaton {
    fn new(needle: Vec<char>) -> Self {
        let mut automaton = Self { falls_to: vec![0, 0], matched: 0, needle };
        for index in 1..automaton.needle.len() {
            automaton.step(automaton.needle[index]);
            automaton.falls_to.push(automaton.matched);
        }
        automaton.matched = 0;
        automaton
    }

    /// Takes one character; is the whole needle there?
    fn step(&mut self, c: char) -> bool {
        while self.needle.get(self.matched) != Some(&c) {
            if self.matched == 0 {
                return false;
            }
            self.matched = self.falls_to[self.matched];
        }
        self.matched += 1;
        self.matched == self.needle.len()
    }

    fn reset(&mut self) {
        self.matched = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::new(text).expect("a text to look for")
    }

    /// All matches with brackets around them.
    fn bracketed(text: &str, needle: &str) -> String {
        let buffer = Buffer::from(text);
        let mut chars: Vec<char> = text.chars().collect();
        for found in query(needle).matches_in(&buffer, Chars(0)..buffer.len()).iter().rev() {
            chars.insert(found.end.0, ']');
            chars.insert(found.start.0, '[');
        }
        chars.into_iter().collect()
    }

    #[test]
    fn a_capital_letter_makes_capitals_count() {
        for (text, needle, expected) in [
            ("One one ONE", "one", "[One] [one] [ONE]"),
            ("One one ONE", "One", "[One] one ONE"),
            ("Élan élan", "élan", "[Élan] [élan]"),
            ("aaaa", "aa", "[aa][aa]"),
            ("abababc", "ababc", "ab[ababc]"),
            ("aabaabaaab", "aabaaab", "aab[aabaaab]"),
            ("漢字漢", "漢", "[漢]字[漢]"),
            ("e e\u{301} e", "e", "[e] e\u{301} [e]"),
            ("a\nb", "a\nb", "[a\nb]"),
            ("nothing", "x", "nothing"),
        ] {
            assert_eq!(bracketed(text, needle), expected);
        }
        assert_eq!(Query::new(""), None);
    }

    #[test]
    fn a_search_goes_round_the_text() {
        use Direction::{Backwards, Forwards};
        let buffer = Buffer::from("abc abc abc");
        for (from, direction, start, wrapped) in [
            (0, Forwards, 0, false),
            (1, Forwards, 4, false),
            (9, Forwards, 0, true),
            (99, Forwards, 0, true),
            (11, Backwards, 8, false),
            (10, Backwards, 4, false),
            (3, Backwards, 0, false),
            (2, Backwards, 8, true),
            (0, Backwards, 8, true),
        ] {
            let range = Chars(start)..Chars(start + 3);
            let found = query("abc").find(&buffer, Chars(from), direction);
            assert_eq!(found, Some(Found { range, wrapped }), "from {from} {direction:?}");
        }
        assert_eq!(query("abd").find(&buffer, Chars(5), Forwards), None);
        assert_eq!(query("abd").find(&buffer, Chars(5), Backwards), None);
        assert_eq!(query("x").find(&Buffer::new(), Chars(0), Forwards), None);
    }

    #[test]
    fn a_match_across_the_place_where_the_search_began_is_found_last() {
        let buffer = Buffer::from("xxabcxx");
        for direction in [Direction::Forwards, Direction::Backwards] {
            let found = query("abc").find(&buffer, Chars(3), direction).expect("it is there");
            assert_eq!((found.range, found.wrapped), (Chars(2)..Chars(5), true));
        }
    }

    #[test]
    fn a_small_budget_finds_the_same_later() {
        let buffer = Buffer::from("aab ".repeat(50).as_str());
        for direction in [Direction::Forwards, Direction::Backwards] {
            for needle in ["aab aab", "b a", "aac"] {
                let at_once = query(needle).find(&buffer, Chars(101), direction);
                let mut search = Search::new(query(needle), Chars(101), direction);
                let mut steps = 0;
                let found = loop {
                    match search.advance(&buffer, 3) {
                        Outcome::Found(found) => break Some(found),
                        Outcome::Absent => break None,
                        Outcome::Unfinished => steps += 1,
                    }
                };
                assert_eq!(found, at_once);
                assert!(steps <= 200 / 3 + 3, "{steps} steps");
            }
        }
    }

    #[test]
    fn matches_at_the_edges_of_a_screen_are_seen() {
        let buffer = Buffer::from("foo foo foo");
        let ranges = query("foo").matches_in(&buffer, Chars(5)..Chars(9));
        assert_eq!(ranges, [Chars(4)..Chars(7), Chars(8)..Chars(11)]);
        assert!(query("foo").matches_in(&buffer, Chars(3)..Chars(4)).is_empty());
    }
}
