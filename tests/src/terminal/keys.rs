//! Keys as an xterm sends them.

/// A key on a keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character with Ctrl: a letter, or space.
    Ctrl(char),
    /// A character with Alt.
    Alt(char),
    /// One of F1 to F12.
    F(u8),
    /// Escape. A program takes it for a key of its own only when nothing follows at once.
    Esc,
    /// Return.
    Enter,
    /// Tab.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
    /// Home.
    Home,
    /// End.
    End,
    /// A screen up.
    PageUp,
    /// A screen down.
    PageDown,
    /// Home with Ctrl.
    CtrlHome,
    /// End with Ctrl.
    CtrlEnd,
    /// To the left with Shift.
    ShiftLeft,
}

impl Key {
    pub(super) fn bytes(self) -> Vec<u8> {
        let fixed: &[u8] = match self {
            Self::Ctrl(c) => return vec![(c.to_ascii_uppercase() as u8) & 0x1f],
            Self::Alt(c) => return format!("\x1b{c}").into_bytes(),
            Self::F(number) => return function(number),
            Self::Esc => b"\x1b",
            Self::Enter => b"\r",
            Self::Tab => b"\t",
            Self::Backspace => b"\x7f",
            Self::Delete => b"\x1b[3~",
            Self::Left => b"\x1b[D",
            Self::Right => b"\x1b[C",
            Self::Up => b"\x1b[A",
            Self::Down => b"\x1b[B",
            Self::Home => b"\x1b[H",
            Self::End => b"\x1b[F",
            Self::PageUp => b"\x1b[5~",
            Self::PageDown => b"\x1b[6~",
            Self::CtrlHome => b"\x1b[1;5H",
            Self::CtrlEnd => b"\x1b[1;5F",
            Self::ShiftLeft => b"\x1b[1;2D",
        };
        fixed.to_vec()
    }
}

fn function(number: u8) -> Vec<u8> {
    match number {
        1..=4 => vec![0x1b, b'O', b'P' + number - 1],
        // The codes have gaps, where the keyboards of old had them.
        5 => b"\x1b[15~".to_vec(),
        6..=10 => format!("\x1b[{}~", number + 11).into_bytes(),
        11 | 12 => format!("\x1b[{}~", number + 12).into_bytes(),
        _ => panic!("there is no key F{number}"),
    }
}
