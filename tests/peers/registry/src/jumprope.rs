//! JumpRope, buffered: the bare text without history.

use ::jumprope::JumpRopeBuf;
use cede_measuring::report::{Answer, Report};
use cede_measuring::trace::Recording;

/// Each edit is made in the buffer before the rope, which edits beside each other share.
pub(crate) fn typing(recording: &Recording, report: &mut Report) {
    let edits = recording.trace.edits();
    let prepare = || JumpRopeBuf::new_from_str(&recording.trace.start_content);
    let job = |mut text: JumpRopeBuf| {
        for (at, deleted, inserted) in edits.iter() {
            if deleted > 0 {
                text.remove(at..at + deleted);
            }
            if !inserted.is_empty() {
                text.insert(at, inserted);
            }
        }
        text
    };
    report.time("jumprope buffered", recording, prepare, job, |text| Answer::Text(text.to_string()));
}
