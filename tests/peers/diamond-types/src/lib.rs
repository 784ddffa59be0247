//! Diamond-types as it is measured: the newest code, by the calls of its own benches.
//!
//! A document is a log of operations beside a branch, the branch being the text in a buffered JumpRope. Deletions carry no text, as in
//! its benches.

use cede_measuring::figures::Figure;
use cede_measuring::replay::{Replay, Replica};
use cede_measuring::report::{Answer, Report};
use cede_measuring::trace::{Edit, Recording, Trace};
use diamond_types::list::encoding::{ENCODE_FULL, ENCODE_PATCH, EncodeOptions};
use diamond_types::list::{ListBranch, ListCRDT, ListOpLog};
use diamond_types::{AgentId, LV};
use std::hint::black_box;

const NAME: &str = "diamond-types";

/// Measures a figure. Memory can be measured in a program whose allocator counts, and nothing else should.
pub fn measure(figure: Figure, recording: &Recording, report: &mut Report) {
    match figure {
        Figure::Open => open(recording, report),
        Figure::Typing => typing(recording, report),
        Figure::Live => live(recording, report),
        Figure::Size => size(recording, report),
        Figure::Memory => memory(recording, report),
        // It keeps no text beside its history, and knows no JSON.
        Figure::Snapshot | Figure::JsonEdit | Figure::JsonOpen | Figure::JsonSize | Figure::JsonLive => {}
    }
}

/// The bytes are decoded into the log, the branch is checked out, the text is written out. The packed file is no slower to open than a plain one.
fn open(recording: &Recording, report: &mut Report) {
    let bytes = history(&recording.trace).encode(&ENCODE_FULL);
    let job = |()| {
        let document = opened(&bytes);
        let text = document.branch.content().to_string();
        (document, text)
    };
    report.time(NAME, recording, || (), job, |(_, text)| Answer::Text(text.clone()));
}

/// As [`open`], without the text written out.
fn memory(recording: &Recording, report: &mut Report) {
    let bytes = history(&recording.trace).encode(&ENCODE_FULL);
    report.memory(NAME, recording, || opened(&bytes), |document| text(&document.branch));
}

/// Each edit is made in the text and written to the log at once.
fn typing(recording: &Recording, report: &mut Report) {
    let edits = recording.trace.edits();
    let prepare = || {
        let mut document = ListCRDT::new();
        let agent = document.get_or_create_agent_id("0");
        if !recording.trace.start_content.is_empty() {
            document.insert(agent, 0, &recording.trace.start_content);
        }
        (document, agent)
    };
    let job = |(mut document, agent)| {
        edits.iter().for_each(|(at, deleted, inserted)| apply(&mut document, agent, at, deleted, inserted));
        document
    };
    report.time(NAME, recording, prepare, job, |document| text(&document.branch));
}

/// Each message is decoded into the log and merged into the branch, and the branch tells its length.
fn live(recording: &Recording, report: &mut Report) {
    let Some(Replay { messages, .. }) = Replay::<Author>::of(&recording.trace, report.limit()) else {
        return report.skip(NAME, recording, "it takes too long to make the messages");
    };
    let job = |mut reader: Author| {
        for message in &messages {
            reader.receive(message);
            black_box(reader.document.len());
        }
        reader.document
    };
    let prepare = || Author::with_identity(u32::MAX);
    report.time_each(NAME, recording, messages.len(), prepare, job, |document| text(&document.branch));
}

fn size(recording: &Recording, report: &Report) {
    let log = history(&recording.trace);
    let plain = EncodeOptions::full().compress_content(false);
    report.size("diamond-types LZ4", recording, log.encode(&ENCODE_FULL).len());
    report.size("diamond-types plain", recording, log.encode(&plain).len());
}

fn opened(bytes: &[u8]) -> ListCRDT {
    ListCRDT::load_from(bytes).expect("a file that diamond-types wrote")
}

fn text(branch: &ListBranch) -> Answer {
    Answer::Text(branch.content().to_string())
}

fn apply(document: &mut ListCRDT, agent: AgentId, at: usize, deleted: usize, inserted: &str) {
    if deleted > 0 {
        document.delete_without_content(agent, at..at + deleted);
    }
    if !inserted.is_empty() {
        document.insert(agent, at, inserted);
    }
}

/// The history of a trace, each transaction at its parents.
fn history(trace: &Trace) -> ListOpLog {
    let mut log = ListOpLog::new();
    let mut start = Vec::new();
    if !trace.start_content.is_empty() {
        let agent = log.get_or_create_agent_id("start");
        start = vec![log.add_insert_at(agent, &[], 0, &trace.start_content)];
    }
    let mut versions: Vec<Vec<LV>> = Vec::with_capacity(trace.transactions.len());
    for transaction in &trace.transactions {
        let agent = log.get_or_create_agent_id(&transaction.author.to_string());
        let parents = transaction.parents.iter().map(|&parent| versions[parent].clone());
        let mut version = parents.reduce(|a, b| log.version_union(&a, &b).as_ref().to_vec()).unwrap_or(start.clone());
        for Edit(at, deleted, inserted) in &transaction.edits {
            if *deleted > 0 {
                version = vec![log.add_delete_at(agent, &version, *at..*at + *deleted)];
            }
            if !inserted.is_empty() {
                version = vec![log.add_insert_at(agent, &version, *at, inserted)];
            }
        }
        versions.push(version);
    }
    log
}

/// A replica in the hands of an author.
struct Author {
    document: ListCRDT,
    agent: AgentId,
}

impl Replica for Author {
    fn with_identity(identity: u32) -> Self {
        let mut document = ListCRDT::new();
        let agent = document.get_or_create_agent_id(&identity.to_string());
        Self { document, agent }
    }

    fn transact(&mut self, edits: &[Edit]) -> Vec<u8> {
        let before = self.document.oplog.local_frontier();
        for Edit(at, deleted, inserted) in edits {
            apply(&mut self.document, self.agent, *at, *deleted, inserted);
        }
        if before.as_ref() == self.document.oplog.local_frontier_ref() {
            return Vec::new();
        }
        self.document.oplog.encode_from(&ENCODE_PATCH, before.as_ref())
    }

    fn receive(&mut self, message: &[u8]) {
        if !message.is_empty() {
            self.document.merge_data_and_ff(message).expect("a message of a peer");
        }
    }
}
