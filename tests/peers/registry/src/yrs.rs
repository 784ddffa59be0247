//! Yrs: a document with one text. Its updates hold no deleted text, so it has no size of a full history.

use ::yrs::block::ClientID;
use ::yrs::updates::decoder::Decode;
use ::yrs::{
    Doc, GetString, OffsetKind, Options, ReadTxn, StateVector, Text, TextRef, Transact, TransactionMut, Update,
};
use cede_measuring::replay::{Replay, Replica};
use cede_measuring::report::{Answer, Report};
use cede_measuring::trace::{Edit, Recording, Trace};
use std::hint::black_box;

const NAME: &str = "yrs";

/// The update is decoded and applied, the text is written out.
pub(crate) fn open(recording: &Recording, report: &mut Report) {
    let Some(history) = history(recording, report) else { return };
    let job = |()| {
        let replica = opened(&history);
        let text = replica.text();
        (replica, text)
    };
    report.time(NAME, recording, || (), job, |(_, text)| Answer::Text(text.clone()));
}

/// As [`open`], without the text written out.
pub(crate) fn memory(recording: &Recording, report: &mut Report) {
    let Some(history) = history(recording, report) else { return };
    report.memory(NAME, recording, || opened(&history), |replica| Answer::Text(replica.text()));
}

/// Each edit is a transaction, as one key is.
pub(crate) fn typing(recording: &Recording, report: &mut Report) {
    if !counts_alike(&recording.trace) {
        return report.skip(NAME, recording, "it counts in UTF-16, the trace in chars");
    }
    let edits = recording.trace.edits();
    let prepare = || Yrs::with_text(&recording.trace.start_content);
    let job = |replica: Yrs| {
        for (at, deleted, inserted) in edits.iter() {
            apply(&replica.text, &mut replica.document.transact_mut(), at, deleted, inserted);
        }
        replica
    };
    report.time(NAME, recording, prepare, job, |replica| Answer::Text(replica.text()));
}

/// Each message, an update of one transaction, is decoded and applied, and the text is written out: Yrs keeps it in blocks, and of what it
/// offers to show them this takes the least time here, ahead of events that another text follows.
pub(crate) fn live(recording: &Recording, report: &mut Report) {
    let Some(Replay { messages, .. }) = replay(recording, report) else { return };
    let job = |mut replica: Yrs| {
        for message in &messages {
            replica.receive(message);
            black_box(replica.text());
        }
        replica
    };
    let prepare = || Yrs::with_identity(u32::MAX);
    report.time_each(NAME, recording, messages.len(), prepare, job, |replica| Answer::Text(replica.text()));
}

/// An update in the second form, which is the shorter one.
fn history(recording: &Recording, report: &Report) -> Option<Vec<u8>> {
    recording.file("yjs").or_else(|| {
        let replica = replay(recording, report)?.replica;
        Some(replica.document.transact().encode_state_as_update_v2(&StateVector::default()))
    })
}

fn replay(recording: &Recording, report: &Report) -> Option<Replay<Yrs>> {
    let alike = counts_alike(&recording.trace);
    let made = if alike { Replay::of(&recording.trace, report.limit()) } else { None };
    if made.is_none() {
        report.skip(NAME, recording, if alike { "making it takes too long" } else { "it counts in UTF-16" });
    }
    made
}

/// Whether a position in chars is one in UTF-16, too.
fn counts_alike(trace: &Trace) -> bool {
    let basic = |text: &str| text.chars().all(|char| char.len_utf16() == 1);
    basic(&trace.start_content) && trace.edits().iter().all(|(_, _, inserted)| basic(inserted))
}

struct Yrs {
    document: Doc,
    text: TextRef,
}

impl Yrs {
    fn with_text(text: &str) -> Self {
        let replica = Self::with_identity(1);
        replica.text.insert(&mut replica.document.transact_mut(), 0, text);
        replica
    }

    fn text(&self) -> String {
        self.text.get_string(&self.document.transact())
    }
}

impl Replica for Yrs {
    fn with_identity(identity: u32) -> Self {
        let mut options = Options::with_client_id(ClientID::new(identity.into()));
        options.offset_kind = OffsetKind::Utf16;
        let document = Doc::with_options(options);
        let text = document.get_or_insert_text("text");
        Self { document, text }
    }

    fn transact(&mut self, edits: &[Edit]) -> Vec<u8> {
        let mut transaction = self.document.transact_mut();
        for Edit(at, deleted, inserted) in edits {
            apply(&self.text, &mut transaction, *at, *deleted, inserted);
        }
        transaction.encode_update_v1()
    }

    fn receive(&mut self, message: &[u8]) {
        let update = Update::decode_v1(message).expect("an update of a peer");
        self.document.transact_mut().apply_update(update).expect("an update of a peer");
    }
}

fn opened(history: &[u8]) -> Yrs {
    let replica = Yrs::with_identity(1);
    let update = Update::decode_v2(history).expect("a history that Yjs wrote");
    replica.document.transact_mut().apply_update(update).expect("a history that Yjs wrote");
    replica
}

fn apply(text: &TextRef, transaction: &mut TransactionMut<'_>, at: usize, deleted: usize, inserted: &str) {
    if deleted > 0 {
        text.remove_range(transaction, at as u32, deleted as u32);
    }
    if !inserted.is_empty() {
        text.insert(transaction, at as u32, inserted);
    }
}
