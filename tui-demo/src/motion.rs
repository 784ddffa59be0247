//! Where the caret goes, and what a deletion takes.
//!
//! Knows clusters, words and lines of a buffer; does not know the screen (rows are
//! [`crate::layout`]'s) and changes nothing. Every function takes any position, one beyond the
//! end counting as the end, and gives a boundary between clusters. The text is read a character
//! at a time from the position outwards, so a motion costs O(log n) and the distance it goes.

use std::ops::Range;

use cede::{Buffer, Chars};

use crate::glyph::{boundary_after, boundary_before, cluster_at};

/// One cluster to the left.
pub fn left(buffer: &Buffer, at: Chars) -> Chars {
    boundary_before(buffer, at)
}

/// One cluster to the right.
pub fn right(buffer: &Buffer, at: Chars) -> Chars {
    boundary_after(buffer, at)
}

/// To the start of the word on the left, over what is between.
pub fn word_left(buffer: &Buffer, at: Chars) -> Chars {
    let mut chars = before(buffer, at).peekable();
    let mut distance = 0;
    let mut word = None;
    while let Some(&c) = chars.peek() {
        match (word, class(c)) {
            (_, Class::Extend) | (None, Class::Blank) => {}
            (None, found) => word = Some(found),
            (Some(word), found) if word != found => break,
            _ => {}
        }
        distance += 1;
        chars.next();
    }
    snap(buffer, Chars(at.min(buffer.len()).0 - distance))
}

/// To the end of the word on the right, over what is between.
pub fn word_right(buffer: &Buffer, at: Chars) -> Chars {
    let mut distance = 0;
    let mut word = None;
    for c in after(buffer, at) {
        match (word, class(c)) {
            (_, Class::Extend) | (None, Class::Blank) => {}
            (None, found) => word = Some(found),
            (Some(word), found) if word != found => break,
            _ => {}
        }
        distance += 1;
    }
    let to = Chars(at.min(buffer.len()).0 + distance);
    // A word ends before a cluster; a mark that belongs to none does not end one in its middle.
    let cluster = cluster_at(buffer, to);
    if cluster.start == to { to } else { cluster.end }
}

/// The word at a position, for a double click: what is of one kind around the cluster behind
/// `at`, or at the end of a line around the one before. Empty only in an empty line.
pub fn word_at(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let at = snap(buffer, at);
    let kind = |c: Option<char>| c.filter(|&c| c != '\n' && c != '\r').map(class);
    let Some(word) = kind(buffer.char_at(at)).or_else(|| kind(before(buffer, at).next())) else {
        return at..at;
    };
    let belongs = |&c: &char| c != '\n' && c != '\r' && (class(c) == word || class(c) == Class::Extend);
    let start = at.0 - before(buffer, at).take_while(belongs).count();
    let end = at.0 + after(buffer, at).take_while(belongs).count();
    snap(buffer, Chars(start))..snap(buffer, Chars(end))
}

/// The line at a position with the newline that ends it, for a triple click.
pub fn line_at(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let line = buffer.line_of(at.min(buffer.len())).unwrap_or(0);
    let start = buffer.line_start(line).unwrap_or(Chars(0));
    start..buffer.line_start(line + 1).unwrap_or(buffer.len())
}

/// The first character of the line that is not blank; from there, the start of the line.
pub fn line_home(buffer: &Buffer, at: Chars) -> Chars {
    let at = at.min(buffer.len());
    let start = line_start(buffer, at);
    let blank = after(buffer, start).take_while(|&c| c == ' ' || c == '\t').count();
    let first = Chars(start.0 + blank);
    if at == first { start } else { snap(buffer, first) }
}

/// The start of the line.
pub fn line_start(buffer: &Buffer, at: Chars) -> Chars {
    line_at(buffer, at).start
}

/// The end of the line, before its newline.
pub fn line_end(buffer: &Buffer, at: Chars) -> Chars {
    let end = line_at(buffer, at).end;
    match before(buffer, end).next() {
        // CR LF is one cluster and goes together.
        Some('\n') => boundary_before(buffer, end),
        _ => end,
    }
}

/// The start of the text.
pub fn document_start(_: &Buffer, _: Chars) -> Chars {
    Chars(0)
}

/// The end of the text.
pub fn document_end(buffer: &Buffer, _: Chars) -> Chars {
    buffer.len()
}

/// The empty line above the paragraph, or the start of the text.
pub fn paragraph_up(buffer: &Buffer, at: Chars) -> Chars {
    let line = buffer.line_of(at.min(buffer.len())).unwrap_or(0);
    let mut seen_text = false;
    for line in (0..line).rev() {
        let blank = is_blank(buffer, line);
        if blank && seen_text {
            return buffer.line_start(line).unwrap_or(Chars(0));
        }
        seen_text |= !blank;
    }
    Chars(0)
}

/// The empty line below the paragraph, or the end of the text.
pub fn paragraph_down(buffer: &Buffer, at: Chars) -> Chars {
    let line = buffer.line_of(at.min(buffer.len())).unwrap_or(0);
    let mut seen_text = !is_blank(buffer, line);
    for line in line + 1..buffer.line_count() {
        let blank = is_blank(buffer, line);
        if blank && seen_text {
            return buffer.line_start(line).unwrap_or(buffer.len());
        }
        seen_text |= !blank;
    }
    buffer.len()
}

/// What Backspace takes: the cluster before `at`.
pub fn backspace(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let at = at.min(buffer.len());
    left(buffer, at)..at
}

/// What Delete takes: the cluster behind `at`.
pub fn delete(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let at = at.min(buffer.len());
    at..right(buffer, at)
}

/// From the start of the word on the left to `at`.
pub fn word_back(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let at = at.min(buffer.len());
    word_left(buffer, at)..at
}

/// From `at` to the end of the word on the right.
pub fn word_forward(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let at = at.min(buffer.len());
    at..word_right(buffer, at)
}

/// From the start of the line to `at`; at the start of a line, the newline before it.
pub fn to_line_start(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let at = at.min(buffer.len());
    match line_start(buffer, at) {
        start if start == at => backspace(buffer, at),
        start => start..at,
    }
}

/// From `at` to the end of the line; at the end of a line, its newline.
pub fn to_line_end(buffer: &Buffer, at: Chars) -> Range<Chars> {
    let at = at.min(buffer.len());
    match line_end(buffer, at) {
        end if end <= at => delete(buffer, at),
        end => at..end,
    }
}

/// The boundary at `at`, or the nearest one before it.
fn snap(buffer: &Buffer, at: Chars) -> Chars {
    cluster_at(buffer, at).start
}

fn before(buffer: &Buffer, at: Chars) -> impl Iterator<Item = char> {
    buffer.chars_before(at.min(buffer.len())).into_iter().flatten()
}

fn after(buffer: &Buffer, at: Chars) -> impl Iterator<Item = char> {
    buffer.chars_from(at.min(buffer.len())).into_iter().flatten()
}

fn is_blank(buffer: &Buffer, line: usize) -> bool {
    let Some(start) = buffer.line_start(line) else { return true };
    after(buffer, start).take_while(|&c| c != '\n').all(char::is_whitespace)
}

/// What words are made of: characters of one kind stand together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    /// Letters, digits and `_`.
    Word,
    Ideographs,
    Hiragana,
    Katakana,
    /// Everything else: punctuation, emoji.
    Symbols,
    /// Part of whatever it stands in: marks, joiners, selectors.
    Extend,
}

fn class(c: char) -> Class {
    match c {
        '\u{300}'..='\u{36F}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' => Class::Extend,
        '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E01EF}' => Class::Extend,
        'ー' | '\u{30A1}'..='\u{30FA}' | '\u{31F0}'..='\u{31FF}' => Class::Katakana,
        '\u{3041}'..='\u{3096}' => Class::Hiragana,
        '々' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' => Class::Ideographs,
        '_' => Class::Word,
        _ if c.is_alphanumeric() => Class::Word,
        _ if c.is_whitespace() => Class::Blank,
        // Marks of scripts whose letters are written with them.
        _ if !c.is_ascii() && unicode_width::UnicodeWidthChar::width(c) == Some(0) => Class::Extend,
        _ => Class::Symbols,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with `|` where the caret stands, or two of them around a range.
    fn parse(text: &str) -> (Buffer, Vec<Chars>) {
        let mut marks = Vec::new();
        let mut plain = String::new();
        for c in text.chars() {
            match c {
                '|' => marks.push(Chars(plain.chars().count())),
                _ => plain.push(c),
            }
        }
        (Buffer::from(plain.as_str()), marks)
    }

    fn moved(text: &str, motion: fn(&Buffer, Chars) -> Chars) -> String {
        let (buffer, marks) = parse(text);
        let mut chars: Vec<char> = buffer.to_string().chars().collect();
        chars.insert(motion(&buffer, marks[0]).0, '|');
        chars.into_iter().collect()
    }

    fn taken(text: &str, range: fn(&Buffer, Chars) -> Range<Chars>) -> String {
        let (buffer, marks) = parse(text);
        let Range { start, end } = range(&buffer, marks[0]);
        let mut chars: Vec<char> = buffer.to_string().chars().collect();
        chars.insert(end.0, '|');
        chars.insert(start.0, '|');
        chars.into_iter().collect()
    }

    #[test]
    fn the_caret_steps_over_whole_clusters() {
        for (before, after) in [
            ("a|b", "ab|"),
            ("ab|", "ab|"),
            ("|e\u{301}x", "e\u{301}|x"),
            ("|👨\u{200D}👩\u{200D}👧x", "👨\u{200D}👩\u{200D}👧|x"),
            ("🇩🇪|🇫🇷", "🇩🇪🇫🇷|"),
            ("a|\r\nb", "a\r\n|b"),
            ("a|\nb", "a\n|b"),
        ] {
            assert_eq!(moved(before, right), after);
            if before != after {
                assert_eq!(moved(after, left), before);
            }
        }
        assert_eq!(moved("|a", left), "|a");
    }

    #[test]
    fn words_are_skipped_with_what_is_before_them() {
        for (before, after) in [
            ("|one two", "one| two"),
            ("one| two", "one two|"),
            ("|  one", "  one|"),
            ("|foo.bar", "foo|.bar"),
            ("foo|.bar", "foo.|bar"),
            ("|snake_case2 x", "snake_case2| x"),
            ("|ne\u{301}e x", "ne\u{301}e| x"),
            ("|漢字かなカナ", "漢字|かなカナ"),
            ("漢字|かなカナ", "漢字かな|カナ"),
            ("end| \n\n", "end \n\n|"),
            ("|कि है", "कि| है"),
        ] {
            assert_eq!(moved(before, word_right), after);
        }
        for (before, after) in [
            ("one two|", "one |two"),
            ("one |two", "|one two"),
            ("foo.bar|", "foo.|bar"),
            ("foo.|bar", "foo|.bar"),
            ("x\n  y|", "x\n  |y"),
            ("x\n  |y", "|x\n  y"),
            ("cafe\u{301}|", "|cafe\u{301}"),
            ("漢字かな|", "漢字|かな"),
            ("👍🏽|", "|👍🏽"),
            ("|", "|"),
        ] {
            assert_eq!(moved(before, word_left), after);
        }
    }

    #[test]
    fn home_goes_to_the_text_first_and_then_to_the_margin() {
        for (before, after) in [
            ("  ab|c", "  |abc"),
            ("  |abc", "|  abc"),
            ("|  abc", "  |abc"),
            ("x\n\tab|", "x\n\t|ab"),
            ("ab|c", "|abc"),
            ("|", "|"),
        ] {
            assert_eq!(moved(before, line_home), after);
        }
        assert_eq!(moved("a|b\ncd", line_end), "ab|\ncd");
        assert_eq!(moved("a|b\r\ncd", line_end), "ab|\r\ncd");
        assert_eq!(moved("ab\nc|d", line_end), "ab\ncd|");
        assert_eq!(moved("ab\nc|d", line_start), "ab\n|cd");
    }

    #[test]
    fn paragraphs_end_at_empty_lines() {
        assert_eq!(moved("a|\nb\n\nc", paragraph_down), "a\nb\n|\nc");
        assert_eq!(moved("a\nb\n|\nc", paragraph_down), "a\nb\n\nc|");
        assert_eq!(moved("a\n\nb\nc|", paragraph_up), "a\n|\nb\nc");
        assert_eq!(moved("a\n|\nb\nc", paragraph_up), "|a\n\nb\nc");
        assert_eq!(moved("a|b", document_end), "ab|");
        assert_eq!(moved("a|b", document_start), "|ab");
    }

    #[test]
    fn deletions_take_whole_clusters_words_and_lines() {
        for (function, before, range) in [
            (backspace as fn(&Buffer, Chars) -> Range<Chars>, "ae\u{301}|b", "a|e\u{301}|b"),
            (backspace, "👍🏽|", "|👍🏽|"),
            (backspace, "a\r\n|b", "a|\r\n|b"),
            (backspace, "|a", "||a"),
            (delete, "a|e\u{301}b", "a|e\u{301}|b"),
            (delete, "a|", "a||"),
            (word_back, "one two |x", "one |two |x"),
            (word_forward, "one| two", "one| two|"),
            (to_line_start, "a\n  bc|d", "a\n|  bc|d"),
            (to_line_start, "a\n|bcd", "a|\n|bcd"),
            (to_line_end, "a|bc\nd", "a|bc|\nd"),
            (to_line_end, "abc|\nd", "abc|\n|d"),
            (to_line_end, "abc|\r\nd", "abc|\r\n|d"),
            (line_at, "a\nb|c\nd", "a\n|bc\n|d"),
            (word_at, "one t|wo", "one |two|"),
            (word_at, "one two|", "one |two|"),
            (word_at, "one|  two", "one|  |two"),
            (word_at, "one|\ntwo", "|one|\ntwo"),
            (word_at, "a\n|\nb", "a\n||\nb"),
        ] {
            assert_eq!(taken(before, function), range);
        }
    }

    #[test]
    fn any_position_will_do() {
        let buffer = Buffer::from("ae\u{301}👨\u{200D}👩 x\r\n");
        for at in 0..20 {
            for motion in [
                left,
                right,
                word_left,
                word_right,
                line_home,
                line_start,
                line_end,
                paragraph_up,
                paragraph_down,
                document_start,
                document_end,
            ] {
                let to = motion(&buffer, Chars(at));
                assert!(crate::glyph::is_boundary(&buffer, to), "{at} to {to}");
            }
        }
    }
}
