//! Automerge: a document with one text object, its own compressed form of the history. It is too far behind to be measured live.

use ::automerge::transaction::{CommitOptions, Transactable};
use ::automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc, TextEncoding};
use cede_measuring::replay::{Replay, Replica};
use cede_measuring::report::{Answer, Report};
use cede_measuring::trace::{Edit, Recording};

const NAME: &str = "automerge";

/// The document is loaded, the text is written out.
pub(crate) fn open(recording: &Recording, report: &mut Report) {
    let Some(history) = saved(recording, report) else { return };
    let job = |()| {
        let document = opened(&history);
        let text = text(&document);
        (document, text)
    };
    report.time(NAME, recording, || (), job, |(_, text)| Answer::Text(text.clone()));
}

/// As [`open`], without the text written out.
pub(crate) fn memory(recording: &Recording, report: &mut Report) {
    let Some(history) = saved(recording, report) else { return };
    report.memory(NAME, recording, || opened(&history), |document| Answer::Text(text(document)));
}

/// Each edit is made in the text; one commit at the end.
pub(crate) fn typing(recording: &Recording, report: &mut Report) {
    let edits = recording.trace.edits();
    let prepare = || {
        let mut replica = Automerge::with_identity(1);
        replica.transact(&[Edit(0, 0, recording.trace.start_content.clone())]);
        replica
    };
    let job = |Automerge { mut document, text }: Automerge| {
        edits.iter().for_each(|(at, deleted, inserted)| apply(&mut document, &text, at, deleted, inserted));
        document.commit();
        document
    };
    report.time(NAME, recording, prepare, job, |document| Answer::Text(text(document)));
}

/// What it saves, which is deflated.
pub(crate) fn size(recording: &Recording, report: &mut Report) {
    if let Some(history) = saved(recording, report) {
        report.size(NAME, recording, history.len());
    }
}

fn saved(recording: &Recording, report: &Report) -> Option<Vec<u8>> {
    recording.file("automerge").or_else(|| {
        let made = Replay::<Automerge>::of(&recording.trace, report.limit());
        if made.is_none() {
            report.skip(NAME, recording, "making it takes too long");
        }
        Some(made?.replica.document.save())
    })
}

struct Automerge {
    document: AutoCommit,
    text: ObjId,
}

impl Replica for Automerge {
    /// Who made the text object and when is fixed, so that all replicas hold the same one.
    fn with_identity(identity: u32) -> Self {
        let mut document = AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint);
        document.set_actor(ActorId::from([0].as_slice()));
        let text = document.put_object(ROOT, "text", ObjType::Text).expect("an empty document takes a text");
        document.commit_with(CommitOptions::default().with_time(0));
        document.set_actor(ActorId::from(identity.to_be_bytes().as_slice()));
        Self { document, text }
    }

    fn transact(&mut self, edits: &[Edit]) -> Vec<u8> {
        for Edit(at, deleted, inserted) in edits {
            apply(&mut self.document, &self.text, *at, *deleted, inserted);
        }
        self.document.commit();
        self.document.get_last_local_change().map_or_else(Vec::new, |mut change| change.bytes().into_owned())
    }

    fn receive(&mut self, message: &[u8]) {
        self.document.load_incremental(message).expect("a change of a peer");
    }
}

fn opened(history: &[u8]) -> AutoCommit {
    AutoCommit::load(history).expect("a history that Automerge wrote")
}

fn text(document: &AutoCommit) -> String {
    let (_, text) = document.get(ROOT, "text").expect("a map").expect("the document has a text");
    document.text(&text).expect("a text")
}

fn apply(document: &mut AutoCommit, text: &ObjId, at: usize, deleted: usize, inserted: &str) {
    let deleted = isize::try_from(deleted).expect("a text fits the memory");
    document.splice_text(text, at, deleted, inserted).expect("positions of the text");
}
