use cede::{Buffer, Chars};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::*;

/// The pieces of all clusters of a text, `|` between them, stand-ins in braces.
fn shown(text: &str) -> String {
    let mut shown = Vec::new();
    let mut clusters = Clusters::of(text);
    while let Some(cluster) = clusters.advance() {
        let mut name = String::new();
        each_piece(cluster, 0, 4, |piece| match piece.look {
            Look::StandIn => name.push_str(piece.text),
            _ => {
                shown.extend((!name.is_empty()).then(|| format!("{{{name}}}")));
                name.clear();
                shown.push(piece.text.to_owned());
            }
        });
        shown.extend((!name.is_empty()).then(|| format!("{{{name}}}")));
    }
    shown.join("|")
}

fn all_columns(text: &str) -> u16 {
    let (mut clusters, mut sum) = (Clusters::of(text), 0);
    while let Some(cluster) = clusters.advance() {
        sum += columns(cluster, 0, 4);
    }
    sum
}

#[test]
fn text_is_shown_as_it_is() {
    for (text, pieces, columns) in [
        ("ab c", "a|b| |c", 4),
        ("né", "n|é", 2),
        ("ne\u{301}", "n|e\u{301}", 2),
        ("漢字", "漢|字", 4),
        ("ｶﾞ", "ｶﾞ", 2),
        ("한글", "한|글", 4),
        ("\u{1112}\u{1161}\u{11AB}", "\u{1112}\u{1161}\u{11AB}", 2),
        ("שלום", "ש|ל|ו|ם", 4),
        ("لا", "ل|ا", 2),
        ("कि", "कि", 2),
        ("กำ", "กำ", 2),
        ("a\u{A0}b\u{3000}c", "a| |b| | |c", 6),
        ("↵…—", "↵|…|—", 3),
    ] {
        assert_eq!((shown(text).as_str(), all_columns(text)), (pieces, columns), "{text:?}");
    }
}

#[test]
fn emoji_are_drawn_so_that_all_terminals_agree() {
    for (text, pieces, columns) in [
        ("🙂", "🙂", 2),
        ("🇩🇪🇫🇷", "🇩🇪|🇫🇷", 4),
        ("❤\u{FE0F}", "❤", 1),
        ("⌚\u{FE0E}", "⌚", 2),
        ("1\u{FE0F}\u{20E3}", "1\u{20E3}", 1),
        ("👍🏽", "👍", 2),
        ("👨\u{200D}👩\u{200D}👧", "👨|👩|👧", 6),
        ("🤷🏽\u{200D}♀\u{FE0F}", "🤷|♀", 3),
        ("👩\u{200D}❤\u{FE0F}\u{200D}💋\u{200D}👩", "👩|❤|💋|👩", 7),
    ] {
        assert_eq!((shown(text).as_str(), all_columns(text)), (pieces, columns), "{text:?}");
    }
}

#[test]
fn what_acts_unseen_is_named() {
    for (text, pieces) in [
        ("\u{1B}[31m", "{␛}|[|3|1|m"),
        ("a\0b\rc\u{7F}", "a|{␀}|b|{␍}|c|{␡}"),
        ("\n", "{␊}"),
        ("\r\n", "{␍␊}"),
        ("\u{9B}31m", "{‹U+009B›}|3|1|m"),
        ("x\u{202E}txt.exe", "x|{‹U+202E›}|t|x|t|.|e|x|e"),
        ("\u{2066}\u{2069}\u{200F}\u{61C}", "{‹U+2066›}|{‹U+2069›}|{‹U+200F›}|{‹U+061C›}"),
        ("a\u{200B}b\u{FEFF}", "a|{‹U+200B›}|b|{‹U+FEFF›}"),
        ("a\u{200D}b", "a|{‹U+200D›}|b"),
        ("pass\u{AD}word", "p|a|s|s|{‹U+00AD›}|w|o|r|d"),
        ("\u{2028}\u{2029}\u{85}", "{‹U+2028›}|{‹U+2029›}|{‹U+0085›}"),
        ("a\u{34F}", "a|{‹U+034F›}"),
        ("\u{3164}", "{‹U+3164›}"),
        ("\u{E000}\u{378}\u{FFFF}", "{‹U+E000›}|{‹U+0378›}|{‹U+FFFF›}"),
        ("a\u{FE0F}", "a|{‹U+FE0F›}"),
        ("🙂\u{FE0F}\u{FE0F}", "🙂|{‹U+FE0F›}"),
        ("🏴\u{E0067}", "🏴|{‹U+E0067›}"),
        ("\u{301}", "{◌\u{301}}"),
        ("\u{1161}", "{‹U+1161›}"),
        ("🇩", "{‹U+1F1E9›}"),
    ] {
        assert_eq!(shown(text), pieces, "{text:?}");
    }
}

#[test]
fn joiners_within_scripts_that_use_them_are_spelling() {
    assert_eq!(shown("می\u{200C}خ"), "م|ی|خ");
    assert_eq!(shown("م\u{200C}\u{200C}"), "م|{‹U+200C›}");
    assert_eq!(shown("葛\u{E0100}"), "葛");
}

#[test]
fn a_cluster_cannot_flood_the_screen() {
    let marks = format!("a{}", "\u{301}".repeat(255));
    assert_eq!(shown(&marks), format!("a{}|{{‹+247›}}", "\u{301}".repeat(8)));
    for flood in ["\u{301}", "\u{E0061}", "\u{200D}", "🙂\u{200D}", "\u{FE0F}", "\u{600}"] {
        let text = format!("a{}", flood.repeat(10_000));
        let mut clusters = Clusters::of(&text);
        while let Some(cluster) = clusters.advance() {
            assert!(cluster.chars().count() <= LONGEST_CLUSTER);
            let columns = columns(cluster, 0, 4);
            assert!((1..=MOST_COLUMNS).contains(&columns), "{flood:?}: {columns}");
        }
    }
}

#[test]
fn tabs_reach_the_next_stop() {
    let columns = |column| columns("\t", column, 4);
    assert_eq!([0, 1, 3, 4, 7].map(columns), [4, 3, 1, 4, 1]);
}

/// Nothing that acts instead of being seen, by an account of its own.
fn is_dangerous(c: char) -> bool {
    use GeneralCategory as Is;
    matches!(
        c.general_category(),
        Is::Control
            | Is::Format
            | Is::PrivateUse
            | Is::Unassigned
            | Is::Surrogate
            | Is::LineSeparator
            | Is::ParagraphSeparator
    ) || matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0000}'..='\u{E0FFF}' | '\u{1F3FB}'..='\u{1F3FF}')
}

#[test]
fn every_scalar_value_alone_is_harmless_and_as_wide_as_it_says() {
    for c in '\0'..=char::MAX {
        for text in [c.to_string(), format!("a{c}"), format!("{c}{c}"), format!("🙂{c}🙂")] {
            let mut clusters = Clusters::of(&text);
            while let Some(cluster) = clusters.advance() {
                let mut sum = 0;
                each_piece(cluster, 0, 4, |piece| {
                    assert!(!piece.text.contains(is_dangerous), "{text:?}: {piece:?}");
                    assert!(piece.columns > 0, "{text:?}: {piece:?}");
                    assert_eq!(piece.text.width(), usize::from(piece.columns), "{text:?}: {piece:?}");
                    sum += piece.columns;
                });
                assert_eq!(columns(cluster, 0, 4), sum, "{text:?}");
                assert!(sum > 0 && sum <= MOST_COLUMNS, "{text:?}: {sum}");
            }
        }
    }
}

#[test]
fn labels_are_cut_to_fit() {
    for (text, most, expected) in [
        ("notes.md", 8, "notes.md"),
        ("notes.md", 7, "notes.…"),
        ("漢字漢字", 8, "漢字漢字"),
        ("漢字漢字", 7, "漢字漢…"),
        ("漢字漢字", 6, "漢字…"),
        ("a\tb\nc", 9, "a␉b␊c"),
        ("\u{202E}evil", 9, "‹U+202E›…"),
        ("\u{202E}evil", 6, "‹U+20…"),
        ("x", 0, ""),
        ("", 5, ""),
    ] {
        assert_eq!(label(text, most), expected, "{text:?} in {most}");
        assert!(label_columns(expected) <= most);
    }
    assert_eq!(label(&"a\u{301}".repeat(1 << 20), 3), "a\u{301}a\u{301}…");
}

#[test]
fn clusters_are_found_from_either_side() {
    let text = "añ\u{303}😀👨\u{200D}👩\u{200D}👧🇩🇪🇫🇷\r\nв漢";
    let buffer = Buffer::from(text);
    let mut expected = vec![0];
    let mut clusters = Clusters::of(text);
    while let Some(cluster) = clusters.advance() {
        expected.push(expected[expected.len() - 1] + cluster.chars().count());
    }
    let len = text.chars().count();
    for at in 0..=len {
        let before = expected.iter().rev().find(|&&b| b < at).copied().unwrap_or(0);
        let after = expected.iter().find(|&&b| b > at).copied().unwrap_or(len);
        assert_eq!(boundary_before(&buffer, Chars(at)), Chars(before), "before {at}");
        assert_eq!(boundary_after(&buffer, Chars(at)), Chars(after), "after {at}");
        assert_eq!(is_boundary(&buffer, Chars(at)), expected.contains(&at), "at {at}");
    }
    assert_eq!(boundary_before(&buffer, Chars(9999)), boundary_before(&buffer, Chars(len)));
    assert_eq!(cluster_at(&buffer, Chars(9999)), Chars(len)..Chars(len));
}
