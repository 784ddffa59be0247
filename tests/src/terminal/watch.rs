//! What a program in a terminal has written, seen as a screen, and those who wait for it.
//!
//! One lock for the screen, the bytes and the end; one condition that is signalled whenever any of them changes. A
//! thread that waits sleeps until then. A program can say that it draws a whole screen (mode 2026); until it has,
//! nobody is shown the half of it.

use std::io::Read;
use std::num::NonZeroU16;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use vt100::{Parser, Screen};

use super::{Ended, PATIENCE, Size, rows};

/// As much as a pseudo-terminal gives at once.
const PIECE: usize = 64 << 10;

pub(super) struct Watch {
    name: String,
    seen: Mutex<Seen>,
    changed: Condvar,
}

struct Seen {
    parser: Parser,
    output: Vec<u8>,
    /// A screen is being drawn.
    drawing: bool,
    ended: Option<Ended>,
}

/// What a program says before and behind a whole screen; of the same length.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

impl Seen {
    fn take_in(&mut self, piece: &[u8]) {
        self.parser.process(piece);
        // What is looked for may have begun in the piece before.
        let from = self.output.len().saturating_sub(BEGIN.len() - 1);
        self.output.extend_from_slice(piece);
        let last = self.output[from..].windows(BEGIN.len()).rev().find(|window| [BEGIN, END].contains(window));
        self.drawing = last.map_or(self.drawing, |last| last == BEGIN);
    }

    fn is_whole(&self) -> bool {
        !self.drawing || self.ended.is_some()
    }
}

impl Watch {
    pub(super) fn new(name: &str, size: Size) -> Self {
        let (rows, columns) = cells(size);
        let seen = Seen { parser: Parser::new(rows, columns, 0), output: Vec::new(), drawing: false, ended: None };
        Self { name: name.into(), seen: Mutex::new(seen), changed: Condvar::new() }
    }

    /// Takes in what the program writes until nobody writes any more.
    pub(super) fn read(&self, mut from: impl Read) {
        let mut piece = vec![0; PIECE];
        // The end of a pseudo-terminal is an error on some systems.
        while let Ok(length @ 1..) = from.read(&mut piece) {
            self.seen().take_in(&piece[..length]);
            self.changed.notify_all();
        }
    }

    pub(super) fn end(&self, ended: Ended) {
        self.seen().ended = Some(ended);
        self.changed.notify_all();
    }

    pub(super) fn resize(&self, size: Size) {
        let (rows, columns) = cells(size);
        self.seen().parser.set_size(rows, columns);
    }

    pub(super) fn wait_for(&self, what: &str, mut condition: impl FnMut(&Screen) -> bool) {
        let seen = self.wait(|seen| seen.is_whole() && condition(seen.parser.screen()) || seen.ended.is_some());
        if !condition(seen.parser.screen()) {
            self.give_up(seen, &format!("waited for {what}"));
        }
    }

    pub(super) fn wait_for_end(&self) -> Ended {
        let seen = self.wait(|seen| seen.ended.is_some());
        match seen.ended.clone() {
            Some(ended) => ended,
            None => self.give_up(seen, "waited for the end"),
        }
    }

    /// Waits until `enough`, or for [`PATIENCE`].
    fn wait(&self, mut enough: impl FnMut(&Seen) -> bool) -> MutexGuard<'_, Seen> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.seen();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if enough(&seen) || left.is_zero() {
                return seen;
            }
            seen = self.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn screen(&self) -> Screen {
        let seen = self.wait(Seen::is_whole);
        seen.parser.screen().clone()
    }

    pub(super) fn output(&self) -> Vec<u8> {
        self.seen().output.clone()
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.seen().ended.clone()
    }

    /// Fails the test with the screen as it is.
    pub(super) fn fail(&self, why: &str) -> ! {
        self.give_up(self.seen(), why)
    }

    fn give_up(&self, seen: MutexGuard<'_, Seen>, why: &str) -> ! {
        let screen = seen.parser.screen();
        let picture: String = rows(screen).iter().map(|row| format!("  |{row}\n")).collect();
        let (row, column) = screen.cursor_position();
        let ended = seen.ended.clone();
        // Others wait for the same lock.
        drop(seen);
        let state = ended.map_or_else(|| "running".to_owned(), |ended| format!("{ended:?}"));
        panic!("{}: {why}\n{picture}  cursor at column {column}, row {row}; {state}", self.name);
    }

    /// A test that has failed in one thread still wants the screens of the others.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cells(size: Size) -> (NonZeroU16, NonZeroU16) {
    let count = |cells| NonZeroU16::new(cells).expect("a terminal has cells");
    (count(size.rows), count(size.columns))
}
