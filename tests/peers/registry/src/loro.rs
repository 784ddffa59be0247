//! Loro: a document with one text.

use ::loro::{ExportMode, IdSpan, LoroDoc, LoroText};
use cede_measuring::replay::{Replay, Replica};
use cede_measuring::report::{Answer, Report};
use cede_measuring::trace::{Edit, Recording};
use std::hint::black_box;

const NAME: &str = "loro";

/// The updates are imported, the text is written out.
pub(crate) fn open(recording: &Recording, report: &mut Report) {
    if let Some(Exports { updates, .. }) = exports(recording, report) {
        time_opening(recording, report, &updates);
    }
}

/// The same with a snapshot, which holds the finished text and replays nothing.
pub(crate) fn snapshot(recording: &Recording, report: &mut Report) {
    if let Some(Exports { snapshot, .. }) = exports(recording, report) {
        time_opening(recording, report, &snapshot);
    }
}

fn time_opening(recording: &Recording, report: &mut Report, bytes: &[u8]) {
    let job = |()| {
        let replica = opened(bytes);
        let text = replica.text.to_string();
        (replica, text)
    };
    report.time(NAME, recording, || (), job, |(_, text)| Answer::Text(text.clone()));
}

/// As [`open`] and [`snapshot`]. The text is asked for its length, as a snapshot waits for the first question.
pub(crate) fn memory(recording: &Recording, report: &mut Report) {
    let Some(Exports { snapshot, updates }) = exports(recording, report) else { return };
    for (peer, bytes) in [("loro updates", updates), ("loro snapshot", snapshot)] {
        let job = || {
            let replica = opened(&bytes);
            black_box(replica.text.len_unicode());
            replica
        };
        report.memory(peer, recording, job, |replica| Answer::Text(replica.text.to_string()));
    }
}

/// Each edit is made in the text; one commit at the end, as Loro puts off commits by itself.
pub(crate) fn typing(recording: &Recording, report: &mut Report) {
    let edits = recording.trace.edits();
    let prepare = || {
        let replica = Loro::with_identity(1);
        apply(&replica.text, 0, 0, &recording.trace.start_content);
        replica.document.commit();
        replica
    };
    let job = |replica: Loro| {
        edits.iter().for_each(|(at, deleted, inserted)| apply(&replica.text, at, deleted, inserted));
        replica.document.commit();
        replica
    };
    report.time(NAME, recording, prepare, job, |replica| Answer::Text(replica.text.to_string()));
}

/// Each message, the updates of one transaction, is imported, and the text tells its length.
pub(crate) fn live(recording: &Recording, report: &mut Report) {
    let Some(Replay { messages, .. }) = replay(recording, report) else { return };
    let job = |mut replica: Loro| {
        for message in &messages {
            replica.receive(message);
            black_box(replica.text.len_unicode());
        }
        replica
    };
    let prepare = || Loro::with_identity(u32::MAX);
    report.time_each(NAME, recording, messages.len(), prepare, job, |replica| Answer::Text(replica.text.to_string()));
}

/// All updates, as the shorter of the full exports.
pub(crate) fn size(recording: &Recording, report: &mut Report) {
    if let Some(Exports { updates, .. }) = exports(recording, report) {
        report.size("loro updates", recording, updates.len());
    }
}

/// Both forms of a whole history.
struct Exports {
    snapshot: Vec<u8>,
    updates: Vec<u8>,
}

fn exports(recording: &Recording, report: &Report) -> Option<Exports> {
    let files = (recording.file("loro-snapshot"), recording.file("loro-updates"));
    if let (Some(snapshot), Some(updates)) = files {
        return Some(Exports { snapshot, updates });
    }
    let document = replay(recording, report)?.replica.document;
    let export = |mode| document.export(mode).expect("a document of its own");
    Some(Exports { snapshot: export(ExportMode::Snapshot), updates: export(ExportMode::all_updates()) })
}

fn replay(recording: &Recording, report: &Report) -> Option<Replay<Loro>> {
    let made = Replay::of(&recording.trace, report.limit());
    if made.is_none() {
        report.skip(NAME, recording, "making it takes too long");
    }
    made
}

struct Loro {
    document: LoroDoc,
    text: LoroText,
    /// How many own operations have been sent.
    sent: i32,
}

impl Loro {
    fn of(document: LoroDoc) -> Self {
        let text = document.get_text("text");
        Self { document, text, sent: 0 }
    }
}

impl Replica for Loro {
    fn with_identity(identity: u32) -> Self {
        let document = LoroDoc::new();
        document.set_peer_id(identity.into()).expect("an empty document takes any peer");
        Self::of(document)
    }

    fn transact(&mut self, edits: &[Edit]) -> Vec<u8> {
        for Edit(at, deleted, inserted) in edits {
            apply(&self.text, *at, *deleted, inserted);
        }
        self.document.commit();
        let peer = self.document.peer_id();
        let made = self.document.oplog_vv().get(&peer).copied().unwrap_or(0);
        let span = IdSpan::new(peer, std::mem::replace(&mut self.sent, made), made);
        if span.counter.start == made {
            return Vec::new();
        }
        self.document.export(ExportMode::updates_in_range(vec![span])).expect("own changes")
    }

    fn receive(&mut self, message: &[u8]) {
        if !message.is_empty() {
            self.document.import(message).expect("an update of a peer");
        }
    }
}

fn opened(bytes: &[u8]) -> Loro {
    let document = LoroDoc::new();
    document.import(bytes).expect("a history that Loro wrote");
    Loro::of(document)
}

fn apply(text: &LoroText, at: usize, deleted: usize, inserted: &str) {
    if deleted > 0 {
        text.delete(at, deleted).expect("a range of the text");
    }
    if !inserted.is_empty() {
        text.insert(at, inserted).expect("a position of the text");
    }
}
