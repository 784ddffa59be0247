//! Cola: what others need of an edit, and no text.

use ::cola::Replica;
use cede_measuring::report::{Answer, Report};
use cede_measuring::trace::Recording;
use std::hint::black_box;

/// Each edit is noted, and what would be sent of it is thrown away. Lengths in chars, which Cola takes as they come.
pub(crate) fn typing(recording: &Recording, report: &mut Report) {
    let edits = recording.trace.edits();
    let prepare = || Replica::new(1, recording.trace.start_content.chars().count());
    let edits: Vec<_> = edits.iter().map(|(at, deleted, inserted)| (at, deleted, inserted.chars().count())).collect();
    let job = |mut replica: Replica| {
        for &(at, deleted, inserted) in &edits {
            if deleted > 0 {
                black_box(replica.deleted(at..at + deleted));
            }
            if inserted > 0 {
                black_box(replica.inserted(at, inserted));
            }
        }
        replica
    };
    report.time("cola", recording, prepare, job, |replica| Answer::Chars(replica.len()));
}
