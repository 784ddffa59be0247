//! What a single character is to a terminal.
//!
//! Knows Unicode's categories and the characters that have none of their own look; does not
//! know clusters. Tables come from `unicode-properties` and `unicode-width`; what is written
//! here are the ranges that those do not name.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_width::UnicodeWidthChar;

/// What a character is to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Takes cells of its own.
    Base,
    /// Takes so many cells and leaves them blank.
    Blank(u16),
    /// Half of a flag.
    Indicator,
    /// Is drawn onto the character before it.
    Mark,
    /// Is never drawn: this picture stands for it.
    Picture(char),
    /// Is never drawn: its number stands for it.
    Name,
}

/// What `c` is to a terminal.
pub(super) fn shape(c: char) -> Shape {
    use GeneralCategory as Is;
    match c {
        ' '..='~' => return Shape::Base,
        '\0'..='\u{1F}' => return picture(c as u32),
        '\u{7F}' => return Shape::Picture('␡'),
        '\u{1F1E6}'..='\u{1F1FF}' => return Shape::Indicator,
        // A space with a line drawn through it: not blank.
        '\u{1680}' => return Shape::Base,
        '\u{3000}' => return Shape::Blank(2),
        _ if is_invisible(c) => return Shape::Name,
        _ => {}
    }
    let columns = c.width();
    match c.general_category() {
        Is::Control | Is::Format | Is::Surrogate | Is::PrivateUse | Is::Unassigned => Shape::Name,
        Is::LineSeparator | Is::ParagraphSeparator => Shape::Name,
        Is::SpaceSeparator => Shape::Blank(1),
        _ if is_hangul_part(c) => Shape::Mark,
        Is::NonspacingMark | Is::EnclosingMark | Is::SpacingMark if columns == Some(0) => Shape::Mark,
        _ if is_sound_mark(c) => Shape::Base,
        // Terminals disagree about what is wider than two columns.
        _ if matches!(columns, Some(1 | 2)) => Shape::Base,
        _ => Shape::Name,
    }
}

fn picture(control: u32) -> Shape {
    // The block "Control Pictures" is in the order of the controls.
    char::from_u32(0x2400 + control).map_or(Shape::Name, Shape::Picture)
}

/// A vowel or final consonant of Hangul that is drawn into the syllable begun before it.
pub(super) fn is_hangul_part(c: char) -> bool {
    matches!(c, '\u{1161}'..='\u{11FF}' | '\u{D7B0}'..='\u{D7FB}') && c.width() == Some(0)
}

/// The voiced sound marks of halfwidth katakana: they extend a cluster and take a cell.
fn is_sound_mark(c: char) -> bool {
    matches!(c, '\u{FF9E}' | '\u{FF9F}')
}

/// Characters that Unicode calls default-ignorable without giving them category Cf or Cn, and
/// skin tones, which terminals draw onto whatever emoji stands before.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{34F}' // combining grapheme joiner
            | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' // Hangul fillers
            | '\u{17B4}' | '\u{17B5}' // inherent vowels of Khmer
            | '\u{180B}'..='\u{180F}' // Mongolian selectors
            | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' // variation selectors
            | '\u{1F3FB}'..='\u{1F3FF}' // skin tones
    )
}

/// Does the script of `base` have letters that joiners and non-joiners belong between?
pub(super) fn takes_joiners(base: char) -> bool {
    matches!(
        base,
        '\u{620}'..='\u{DFF}' // Arabic to Sinhala
            | '\u{1000}'..='\u{109F}' // Myanmar
            | '\u{1780}'..='\u{18AF}' // Khmer, Mongolian
            | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}' // Arabic presentation forms
    )
}

/// Does `selector` choose among variants of `base` that terminals do not tell apart?
pub(super) fn takes_selectors(base: char, selector: char) -> bool {
    match selector {
        '\u{FE00}'..='\u{FE0D}' | '\u{E0100}'..='\u{E01EF}' => matches!(
            base,
            '\u{3001}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF01}'..='\u{FF60}'
                | '\u{20000}'..='\u{3FFFF}'
        ),
        '\u{180B}'..='\u{180F}' => matches!(base, '\u{1820}'..='\u{18AA}'),
        _ => false,
    }
}
