//! The text of a whole log, from nothing.
//!
//! Between critical versions plain indexes are final; the stretches in between are windows: short ones are replayed in
//! a list ([`super::short`]), those of branches that never met branch by branch ([`super::apart`]), others each with a
//! tracker of its own that is dropped at the next critical version. Within such a window the walk keeps branches
//! together. All of it moves pieces of a [`Draft`]; the text is written once.

use super::merge::{NOBODY, Window};
use super::short::Shortcut;
use super::{Stopped, TextLog, apart, linear};
use crate::id::{Local, Span};
use crate::log::{Effort, Past};
use crate::text::buffer::Buffer;
use crate::text::draft::{Draft, Piece};
use crate::text::tracker::Stretch;

/// The text of everything in a log. `past` spares finding out again what its runs have seen.
pub(crate) fn text_of(log: &TextLog, past: Option<&Past>, effort: &mut Effort) -> Result<Buffer, Stopped> {
    let (mut draft, mut shortcut) = (Draft::with_room(log.contents().run_count()), Shortcut::default());
    let mut at = Local(0);
    let end = Span::new(log.len(), log.len());
    for critical in log.graph().critical().chain([end]) {
        let window = Span::new(at, critical.start);
        if !window.is_empty()
            && !shortcut.replay(log, past, window, &mut draft, effort)?
            && !apart::replay(log, window, &mut draft, effort)?
        {
            replay_window(log, window, &mut draft, effort)?;
        }
        linear::draw(log.contents(), critical, &mut draft)?;
        at = critical.end;
    }
    Ok(draft.write(log.contents()))
}

fn replay_window(log: &TextLog, events: Span, draft: &mut Draft, effort: &mut Effort) -> Result<(), Stopped> {
    let base = events.start.0.checked_sub(1).map(Local);
    let mut window = Window::after(base, draft.len());
    for part in log.graph().plan(events) {
        window.apply(log, part, NOBODY, effort)?;
    }
    let mut at = 0;
    for stretch in window.outcome() {
        match stretch {
            Stretch::Kept(count) => at += count,
            Stretch::Deleted(count) => draft.remove(at, count),
            Stretch::Inserted(events) => {
                for fragment in log.contents().fragments(events) {
                    draft.insert(at, Piece { source: fragment.source, len: fragment.events.len() });
                    at += fragment.events.len();
                }
            }
            Stretch::Passing => {}
        }
    }
    Ok(())
}
