//! The text of a whole log, from nothing.
//!
//! Between critical versions plain indexes are final; the stretches in between are windows, each with a tracker of its
//! own that is dropped at the next critical version. Within a window the walk keeps branches together, and the text is
//! written once, when the window is done: from left to right, whatever was typed and deleted in between.

use super::merge::{NOBODY, Window};
use super::{Misplaced, TextLog, linear, patch};
use crate::id::{Local, Span};
use crate::text::buffer::Buffer;
use crate::text::tracker::Stretch;
use crate::text::unit::Chars;

/// The text of everything in a log.
pub(crate) fn text_of(log: &TextLog) -> Result<Buffer, Misplaced> {
    let mut text = Buffer::new();
    let (mut at, mut len) = (Local(0), 0);
    let end = Span::new(log.len(), log.len());
    for &critical in log.graph().critical().iter().chain([&end]) {
        if at < critical.start {
            replay_window(log, Span::new(at, critical.start), &mut len, &mut text)?;
        }
        linear::apply(log.contents(), critical, &mut len, |change| patch::apply(&mut text, log.contents(), change))?;
        at = critical.end;
    }
    Ok(text)
}

fn replay_window(log: &TextLog, events: Span, len: &mut u32, text: &mut Buffer) -> Result<(), Misplaced> {
    let base = events.start.0.checked_sub(1).map(Local);
    let mut window = Window::after(base, *len);
    for part in log.graph().plan(events) {
        window.apply(log, part, NOBODY)?;
    }
    let mut at = 0;
    for stretch in window.outcome() {
        match stretch {
            Stretch::Kept(count) => at += count,
            Stretch::Deleted(count) => patch::delete(text, at, count),
            Stretch::Inserted(events) => {
                patch::insert(text, log.contents(), at, events);
                at += events.len();
            }
            Stretch::Passing => {}
        }
    }
    *len = text.len::<Chars>().0 as u32;
    Ok(())
}
