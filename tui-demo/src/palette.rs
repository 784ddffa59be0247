//! Colours, letters and other ways to tell people apart.
//!
//! Knows what a terminal says about its colours, and which of them can be read on dark and on
//! light ground; does not know who is in a document. Everybody has a [`Hue`], which follows from
//! the name or id alone and so is the same on every screen, and a letter, which is told apart
//! from everybody else's by [`markers`]. Where there are no colours, letters and the attributes
//! of the terminal (underlined, reversed, bold, italic) do what colours do elsewhere.

use ratatui::style::{Color, Modifier, Style};

/// A person's colour, as an index into colours of which each terminal shows its own kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hue(u8);

/// The colours from the fixed part of the 256, so that a theme does not change them: each can be
/// read on black and on white (contrast 3 at least). Neighbours are far apart.
const RICH: [u8; Hue::COUNT as usize] = [33, 166, 28, 162, 98, 30, 160, 62, 64, 133, 67, 130];

/// The colours that every terminal has, as its theme shows them.
const BASIC: [Color; 6] = [Color::Blue, Color::Red, Color::Green, Color::Magenta, Color::Cyan, Color::Yellow];

/// What tells authors apart where there are no colours.
const PLAIN: [Modifier; 6] = [
    Modifier::empty(),
    Modifier::UNDERLINED,
    Modifier::BOLD,
    Modifier::ITALIC,
    Modifier::BOLD.union(Modifier::UNDERLINED),
    Modifier::ITALIC.union(Modifier::UNDERLINED),
];

impl Hue {
    /// How many there are.
    pub const COUNT: u8 = 12;

    /// The hue with this index; any number will do.
    pub const fn new(index: u8) -> Self {
        Self(index % Self::COUNT)
    }

    /// The hue that belongs to a name or an id, the same everywhere.
    pub fn of(key: &str) -> Self {
        // FNV-1a: written down, so it does not change with a library.
        let hash = key
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        Self((hash % u64::from(Self::COUNT)) as u8)
    }

    /// Its index, less than [`COUNT`](Self::COUNT).
    pub const fn index(self) -> u8 {
        self.0
    }
}

/// How many colours a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Plain,
    Basic,
    Rich,
}

/// The styles that a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    depth: Depth,
}

impl Default for Palette {
    /// The colours that every terminal has.
    fn default() -> Self {
        Self::basic()
    }
}

impl Palette {
    /// No colours at all.
    pub const fn plain() -> Self {
        Self { depth: Depth::Plain }
    }

    /// The 16 colours of the terminal's theme.
    pub const fn basic() -> Self {
        Self { depth: Depth::Basic }
    }

    /// 256 colours.
    pub const fn rich() -> Self {
        Self { depth: Depth::Rich }
    }

    /// What the environment says that the terminal shows. `NO_COLOR`, not empty, means none
    /// (<https://no-color.org>); what nothing is said about shows 16 colours.
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name| variable(name).unwrap_or_default();
        let (terminal, depth) = (value("TERM"), value("COLORTERM"));
        if !value("NO_COLOR").is_empty() || terminal == "dumb" || terminal.starts_with("vt1") {
            Self::plain()
        } else if terminal.contains("256color") || depth == "truecolor" || depth == "24bit" {
            Self::rich()
        } else {
            Self::basic()
        }
    }

    /// Are there no colours, so that letters have to do?
    pub fn is_plain(&self) -> bool {
        self.depth == Depth::Plain
    }

    fn color(&self, hue: Hue) -> Option<Color> {
        let index = usize::from(hue.0);
        match self.depth {
            Depth::Plain => None,
            Depth::Basic => Some(BASIC[index % BASIC.len()]),
            Depth::Rich => Some(Color::Indexed(RICH[index])),
        }
    }

    /// A person's caret, flag and letter: a block of the colour with the text on it.
    pub fn block(&self, hue: Hue) -> Style {
        match self.color(hue) {
            None => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
            Some(color) => {
                let text = match self.depth {
                    Depth::Rich => Color::Indexed(231),
                    // Themes make these two light.
                    _ if matches!(color, Color::Cyan | Color::Yellow | Color::Green) => Color::Black,
                    _ => Color::White,
                };
                Style::new().bg(color).fg(text).add_modifier(Modifier::BOLD)
            }
        }
    }

    /// Text that a person has selected.
    pub fn selected_by(&self, hue: Hue) -> Style {
        let style = Style::new().add_modifier(Modifier::UNDERLINED);
        self.color(hue).map_or(style, |color| style.fg(color))
    }

    /// Text that a person has written.
    pub fn written_by(&self, hue: Hue) -> Style {
        match self.color(hue) {
            Some(color) => Style::new().fg(color),
            None => Style::new().add_modifier(PLAIN[usize::from(hue.0) % PLAIN.len()]),
        }
    }

    /// One's own selection.
    pub fn selection(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Text that the search has found.
    pub fn found(&self) -> Style {
        match self.depth {
            Depth::Plain => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            Depth::Basic => Style::new().fg(Color::Black).bg(Color::Yellow),
            Depth::Rich => Style::new().fg(Color::Indexed(16)).bg(Color::Indexed(222)),
        }
    }

    /// The match that the search stands on.
    pub fn found_here(&self) -> Style {
        match self.depth {
            Depth::Plain => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED | Modifier::REVERSED),
            Depth::Basic => Style::new().fg(Color::White).bg(Color::Magenta).add_modifier(Modifier::BOLD),
            Depth::Rich => Style::new().fg(Color::Indexed(16)).bg(Color::Indexed(208)).add_modifier(Modifier::BOLD),
        }
    }

    /// A stand-in for something that cannot be seen: never mistaken for the same text typed.
    pub fn stand_in(&self) -> Style {
        match self.depth {
            Depth::Plain => Style::new().add_modifier(Modifier::REVERSED),
            Depth::Basic => Style::new().fg(Color::Red),
            Depth::Rich => Style::new().fg(Color::Indexed(161)),
        }
    }

    /// What is there for orientation only: line numbers, marks behind the end.
    pub fn faint(&self) -> Style {
        match self.depth {
            Depth::Plain | Depth::Basic => Style::new().add_modifier(Modifier::DIM),
            Depth::Rich => Style::new().fg(Color::Indexed(244)),
        }
    }

    /// The status line.
    pub fn bar(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Something that went well, apart from the text around it.
    pub fn good(&self) -> Style {
        self.accent(Color::Green, 28).add_modifier(Modifier::BOLD)
    }

    /// Something to look at.
    pub fn warning(&self) -> Style {
        self.accent(Color::Yellow, 130).add_modifier(Modifier::BOLD)
    }

    /// Something that failed.
    pub fn error(&self) -> Style {
        let style = self.accent(Color::Red, 160).add_modifier(Modifier::BOLD);
        if self.is_plain() { style.add_modifier(Modifier::REVERSED) } else { style }
    }

    fn accent(&self, basic: Color, rich: u8) -> Style {
        match self.depth {
            Depth::Plain => Style::new(),
            Depth::Basic => Style::new().fg(basic),
            Depth::Rich => Style::new().fg(Color::Indexed(rich)),
        }
    }
}

/// A letter for each name, all different while letters and digits last: the first of its own
/// letters that is free, else any that is. The same names in the same order give the same.
pub fn markers(names: &[&str]) -> Vec<char> {
    let mut given = Vec::with_capacity(names.len());
    for name in names {
        let own = name.chars().take(64).filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase());
        let any = ('A'..='Z').chain('1'..='9').chain('a'..='z');
        let free = own.chain(any).find(|marker| !given.contains(marker));
        given.push(free.unwrap_or('?'));
    }
    given
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_the_environment_says_is_believed() {
        for (variables, palette) in [
            (&[][..], Palette::basic()),
            (&[("TERM", "xterm")], Palette::basic()),
            (&[("TERM", "xterm-256color")], Palette::rich()),
            (&[("TERM", "foot"), ("COLORTERM", "truecolor")], Palette::rich()),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "1")], Palette::plain()),
            (&[("TERM", "xterm-256color"), ("NO_COLOR", "")], Palette::rich()),
            (&[("TERM", "dumb")], Palette::plain()),
            (&[("TERM", "vt100")], Palette::plain()),
        ] {
            let look_up =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
            assert_eq!(Palette::detect(look_up), palette, "{variables:?}");
        }
    }

    /// The relative luminance of one of the fixed colours of the 256 (WCAG 2).
    fn luminance(index: u8) -> f64 {
        let cube = index - 16;
        let channel = |step: u8| {
            let value = if step == 0 { 0.0 } else { f64::from(55 + 40 * step) / 255.0 };
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055_f64).powf(2.4) }
        };
        0.2126 * channel(cube / 36) + 0.7152 * channel(cube / 6 % 6) + 0.0722 * channel(cube % 6)
    }

    #[test]
    fn every_hue_can_be_read_on_black_and_on_white() {
        for index in RICH {
            let light = luminance(index);
            let (on_black, on_white) = ((light + 0.05) / 0.05, 1.05 / (light + 0.05));
            assert!(on_black >= 3.0 && on_white >= 3.0, "{index}: {on_black:.1} and {on_white:.1}");
        }
        assert_eq!(RICH.iter().collect::<HashSet<_>>().len(), RICH.len());
    }

    #[test]
    fn a_name_has_one_hue_and_names_have_many() {
        assert_eq!(Hue::of("Ada"), Hue::of("Ada"));
        let hues: HashSet<Hue> = (0..200).map(|n| Hue::of(&format!("peer {n}"))).collect();
        assert_eq!(hues.len(), usize::from(Hue::COUNT));
        assert_eq!(Hue::new(255).index(), 255 % Hue::COUNT);
    }

    #[test]
    fn letters_are_different_while_they_last() {
        assert_eq!(markers(&["ada", "Bob", "anna", "", "漢", "a", "ada"]), ['A', 'B', 'N', 'C', 'D', 'E', 'F']);
        let names = vec!["x"; 61];
        assert_eq!(markers(&names).into_iter().collect::<HashSet<_>>().len(), 61);
        assert_eq!(markers(&vec!["x"; 100])[99], '?');
    }

    #[test]
    fn without_colours_nothing_is_coloured() {
        let plain = Palette::plain();
        for style in [
            plain.block(Hue::new(1)),
            plain.selected_by(Hue::new(1)),
            plain.written_by(Hue::new(1)),
            plain.found(),
            plain.stand_in(),
            plain.error(),
            plain.faint(),
        ] {
            assert_eq!((style.fg, style.bg), (None, None), "{style:?}");
            assert_ne!(style.add_modifier, Modifier::empty());
        }
    }
}
