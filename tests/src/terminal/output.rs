//! What may come out of the editor, byte by byte.
//!
//! Knows how terminals read their input (ECMA-48, UTF-8): text, controls, control sequences, commands to the operating
//! system. Knows which of them the editor has a use for; everything else it writes is a fault, whoever's text it came
//! from. One pass over the bytes.

use std::fmt;

/// A part of what a program has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A character to be drawn.
    Text(char),
    /// A control character that stands alone.
    Control(char),
    /// A control sequence: what stands between `ESC [` and the final byte, and that.
    Csi(String, char),
    /// A string for the operating system, a device, or an application, without its frame.
    Command(char, String),
    /// Another escape sequence: what follows `ESC`.
    Escape(char),
    /// Bytes that are not UTF-8, or a sequence that is cut short.
    Broken,
}

/// Modes that the editor switches on and off: the cursor, the mouse, bracketed paste, the alternate screen, and drawing
/// a screen at once.
const MODES: [&str; 9] = ["25", "1000", "1002", "1003", "1006", "1015", "1049", "2004", "2026"];

/// Takes the output apart.
#[must_use]
pub fn tokens(output: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for chunk in output.utf8_chunks() {
        let mut rest = chunk.valid().chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '\u{1b}' => escape(&mut rest),
                c if c.is_control() => Token::Control(c),
                c => Token::Text(c),
            });
        }
        if !chunk.invalid().is_empty() {
            tokens.push(Token::Broken);
        }
    }
    tokens
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn escape(rest: &mut Rest<'_>) -> Token {
    match rest.next() {
        Some('[') => sequence(rest),
        Some(kind @ (']' | 'P' | '_' | '^' | 'X')) => command(kind, rest),
        Some(c) => Token::Escape(c),
        None => Token::Broken,
    }
}

fn sequence(rest: &mut Rest<'_>) -> Token {
    let mut between = String::new();
    for c in rest {
        match c {
            '@'..='~' => return Token::Csi(between, c),
            ' '..='?' => between.push(c),
            _ => return Token::Broken,
        }
    }
    Token::Broken
}

fn command(kind: char, rest: &mut Rest<'_>) -> Token {
    let mut said = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\u{7}' | '\u{9c}' => return Token::Command(kind, said),
            '\u{1b}' if rest.next_if_eq(&'\\').is_some() => return Token::Command(kind, said),
            c => said.push(c),
        }
    }
    Token::Broken
}

/// The first part of the output that the editor has no use for, and what stands around it.
///
/// # Errors
/// [`Stray`], which says where.
pub fn check(output: &[u8]) -> Result<(), Stray> {
    let tokens = tokens(output);
    match tokens.iter().position(|token| !is_wanted(token)) {
        None => Ok(()),
        Some(at) => {
            let from = at.saturating_sub(20);
            let until = tokens.len().min(at + 20);
            Err(Stray { token: tokens[at].clone(), at, around: tokens[from..until].to_vec() })
        }
    }
}

/// Whatever is not named here is a fault, parameters included.
fn is_wanted(token: &Token) -> bool {
    match token {
        Token::Text(c) => !hides(*c),
        // Questions on the plain terminal end their lines.
        Token::Control(c) => matches!(c, '\r' | '\n'),
        // Where the cursor is: a row and a column of a screen.
        Token::Csi(between, 'H') => {
            let numbers: Vec<&str> = between.split(';').collect();
            numbers.len() == 2 && numbers.iter().all(|number| is_number(number) && number.len() <= 4)
        }
        // The whole screen is cleared, or what is behind the cursor.
        Token::Csi(between, 'J') => matches!(between.as_str(), "" | "0" | "2"),
        Token::Csi(between, 'm') => is_style(between),
        Token::Csi(between, 'h' | 'l') => between.strip_prefix('?').is_some_and(|mode| MODES.contains(&mode)),
        Token::Csi(..) | Token::Command(..) | Token::Escape(_) | Token::Broken => false,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Are these numbers attributes and colours, each with as many arguments as it takes?
fn is_style(between: &str) -> bool {
    let mut numbers = between.split(';').map(|number| if is_number(number) { number.parse::<u8>().ok() } else { None });
    while let Some(number) = numbers.next() {
        let arguments = match number {
            // Bold, dim, italic, underlined, reversed, struck out; and each of them ended.
            Some(0..=4 | 7 | 9 | 22..=24 | 27 | 29 | 30..=37 | 39..=47 | 49 | 59 | 90..=97 | 100..=107) => 0,
            Some(38 | 48) => match numbers.next() {
                Some(Some(5)) => 1,
                Some(Some(2)) => 3,
                _ => return false,
            },
            _ => return false,
        };
        if (0..arguments).any(|_| numbers.next().flatten().is_none()) {
            return false;
        }
    }
    true
}

/// Does a character steer others, or stand there unseen? Of Unicode 16: category Cf, what is ignorable by default, line and
/// paragraph separators, private use, and what is no character.
fn hides(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
            | '\u{fdd0}'..='\u{fdef}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// A part of the output that the editor has no use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    token: Token,
    at: usize,
    around: Vec<Token>,
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} as part {} of the output, among {:?}", self.token, self.at, self.around)
    }
}

impl std::error::Error for Stray {}

/// Does the output choose any colour?
#[must_use]
pub fn is_coloured(output: &[u8]) -> bool {
    tokens(output).iter().any(|token| match token {
        Token::Csi(between, 'm') => chooses_colour(between),
        _ => false,
    })
}

/// 39 and 49 go back to the terminal's own colours.
fn chooses_colour(between: &str) -> bool {
    between
        .split([';', ':'])
        .filter_map(|number| number.parse::<u16>().ok())
        .any(|number| matches!(number, 30..=38 | 40..=48 | 90..=107))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_editor_draws_passes() {
        for output in
            ["", "plain é 漢 \u{fffd}", "\x1b[2J\x1b[1;2Hx\x1b[38;5;33;1my\x1b[0m", "\x1b[?1049h\x1b[?25l", "line\r\n"]
        {
            assert_eq!(check(output.as_bytes()), Ok(()), "{output:?}");
        }
    }

    #[test]
    fn everything_else_is_found() {
        let cases: [(&[u8], Token); 19] = [
            (b"a\x1b]52;c;aGk=\x07", Token::Command(']', "52;c;aGk=".into())),
            (b"\x1bP1$r\x1b\\", Token::Command('P', "1$r".into())),
            (b"\x1bc", Token::Escape('c')),
            (b"\x1b[6n", Token::Csi("6".into(), 'n')),
            (b"\x1b[?47h", Token::Csi("?47".into(), 'h')),
            (b"\x07", Token::Control('\u{7}')),
            ("\u{9b}31m".as_bytes(), Token::Control('\u{9b}')),
            ("\u{202e}".as_bytes(), Token::Text('\u{202e}')),
            ("a\u{200d}".as_bytes(), Token::Text('\u{200d}')),
            ("\u{fe0f}".as_bytes(), Token::Text('\u{fe0f}')),
            ("\u{5ffff}".as_bytes(), Token::Text('\u{5ffff}')),
            (b"\xff", Token::Broken),
            // The 8-bit form of ESC [, as terminals that do not speak UTF-8 take it.
            (b"\x9b2J", Token::Broken),
            (b"\x1b[3J", Token::Csi("3".into(), 'J')),
            (b"\x1b[5m", Token::Csi("5".into(), 'm')),
            (b"\x1b[38;5m", Token::Csi("38;5".into(), 'm')),
            (b"\x1b[38;2;1;2;999m", Token::Csi("38;2;1;2;999".into(), 'm')),
            (b"\x1b[99999;1H", Token::Csi("99999;1".into(), 'H')),
            (b"\x1b[?25;47h", Token::Csi("?25;47".into(), 'h')),
        ];
        for (output, token) in cases {
            let stray = check(output).expect_err("a stray");
            assert_eq!(stray.token, token, "{output:?}");
        }
    }

    #[test]
    fn colours_are_told_from_the_other_attributes() {
        for (output, coloured) in [
            ("\x1b[1;7m", false),
            ("\x1b[39;49m\x1b[0m", false),
            ("\x1b[31m", true),
            ("\x1b[48;5;33m", true),
            ("\x1b[97m", true),
        ] {
            assert_eq!(is_coloured(output.as_bytes()), coloured, "{output:?}");
        }
    }
}
