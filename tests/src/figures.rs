//! Our figures on a recorded session, measured with what the peers are measured with: see `peers/README.md` for what
//! each of them is.

mod documents;

use cede::{AgentId, Buffer, Chars, Clock, Document, EventSpan, Patch, Saved, Session};
use cede_measuring::figures::Figure;
use cede_measuring::json;
use cede_measuring::report::{Answer, Report};
use cede_measuring::trace::{Edit, Recording, Trace};
use documents::Documents;
use std::collections::HashMap;

/// Measures one figure and prints its line.
pub fn measure(figure: Figure, recording: &Recording, report: &mut Report) {
    let trace = &recording.trace;
    match figure {
        Figure::Typing => typing(recording, report),
        Figure::Live => {
            let messages = messages(trace);
            let live = |mut replica: Document| {
                for message in &messages {
                    replica.import::<Chars>(message).expect("a transaction of the trace");
                    std::hint::black_box(replica.text().len::<Chars>());
                }
                replica
            };
            report.time_each("cede", recording, trace.transactions.len(), Document::new, live, text_of);
        }
        Figure::Open => {
            let bytes = history(trace).encode();
            report.time("cede", recording, || (), |()| with_text(open(&bytes)), |(_, text)| Answer::Text(text.clone()));
        }
        Figure::Snapshot => {
            let bytes = history(trace).save();
            let reopen = |()| {
                let saved = reopened(&bytes);
                let text = String::from(saved.text());
                (saved, text)
            };
            report.time("cede", recording, || (), reopen, |(_, text)| Answer::Text(text.clone()));
        }
        Figure::Size => report.size("cede", recording, history(trace).encode().len()),
        Figure::JsonEdit | Figure::JsonOpen | Figure::JsonSize | Figure::JsonLive => {
            json::measure::<Documents>("cede", figure, recording, report);
        }
        Figure::Memory => {
            let document = history(trace);
            let (bytes, saved) = (document.encode(), document.save());
            drop(document);
            report.memory("cede", recording, || open(&bytes), text_of);
            let saved_text = |saved: &Saved<&[u8]>| Answer::Text(saved.text().to_string());
            report.memory("cede saved", recording, || reopened(&saved), saved_text);
        }
    }
}

/// Every edit of a linear trace in a session, and, as a floor, in the bare text.
fn typing(recording: &Recording, report: &mut Report) {
    let edits = recording.trace.edits();
    let begin = || {
        let mut session = Session::new(AgentId::new(1));
        session.insert(Chars(0), &recording.trace.start_content).expect("an empty document");
        session
    };
    let typed = |mut session: Session| {
        for (at, deleted, inserted) in edits.iter() {
            edit(&mut session, at, deleted, inserted);
        }
        session
    };
    report.time("cede", recording, begin, typed, |session| Answer::Text(session.text().to_string()));
    let bare = |mut text: Buffer| {
        for (at, deleted, inserted) in edits.iter() {
            text.replace(Chars(at)..Chars(at + deleted), inserted).expect("an edit of the trace");
        }
        text
    };
    let begin = || Buffer::from(recording.trace.start_content.as_str());
    report.time("cede, bare text", recording, begin, bare, |text| Answer::Text(text.to_string()));
}

fn edit(session: &mut Session, at: usize, deleted: usize, inserted: &str) {
    if deleted > 0 {
        session.delete(Chars(at)..Chars(at + deleted)).expect("an edit of the trace");
    }
    if !inserted.is_empty() {
        session.insert(Chars(at), inserted).expect("an edit of the trace");
    }
}

/// A trace as a history: each transaction at its parents. An author whose transactions are concurrent with each other
/// is an agent for each line of work.
pub fn history(trace: &Trace) -> Document {
    let mut document = Document::new();
    author(trace, &mut document, |_| {});
    document
}

/// A message for each transaction, and one more for what the text begins with.
fn messages(trace: &Trace) -> Vec<Vec<u8>> {
    let (mut document, mut spans) = (Document::new(), Vec::new());
    author(trace, &mut document, |span| spans.push(span));
    let encode = |span| document.encode_spans(&[span]).expect("events of the history");
    spans.into_iter().map(encode).collect()
}

fn author(trace: &Trace, document: &mut Document, mut each: impl FnMut(EventSpan)) {
    let mut versions = Vec::with_capacity(trace.transactions.len());
    let mut lines: HashMap<u32, Vec<AgentId>> = HashMap::new();
    let mut count = 0;
    let mut write = |document: &mut Document, agent, parents: &_, edits: &[Patch<Chars>]| {
        let version = document.author(agent, parents, edits)?;
        let events: usize = edits.iter().map(|edit| edit.deleted.0 + edit.inserted.chars().count()).sum();
        if let Some(last) = version.ids().iter().find(|_| events > 0) {
            let end = Clock(last.clock.0 + 1);
            each(EventSpan { agent, start: Clock(end.0 - events as u32), end });
        }
        Ok(version)
    };
    let start = patch(&Edit(0, 0, trace.start_content.clone()));
    let start = write(document, AgentId::new(0), &cede::Frontier::root(), &[start]).expect("an empty document");
    for transaction in &trace.transactions {
        let parents = transaction.parents.iter().map(|&parent| &versions[parent]);
        let parents = parents.fold(start.clone(), |all, parent| document.join(&all, parent).expect("known versions"));
        let edits: Vec<_> = transaction.edits.iter().map(patch).collect();
        let own = lines.entry(transaction.author).or_default();
        let goes_on = own.iter().find_map(|&agent| match write(document, agent, &parents, &edits) {
            Err(cede::AuthorError::At(cede::WriteError::OwnPastUnseen { .. })) => None,
            written => Some(written.expect("a transaction of the trace")),
        });
        versions.push(goes_on.unwrap_or_else(|| {
            count += 1;
            own.push(AgentId::new(count));
            write(document, AgentId::new(count), &parents, &edits).expect("a transaction of the trace")
        }));
    }
}

fn patch(Edit(at, deleted, inserted): &Edit) -> Patch<Chars> {
    Patch { start: Chars(*at), deleted: Chars(*deleted), inserted: inserted.clone() }
}

fn open(bytes: &[u8]) -> Document {
    Document::decode(bytes).expect("what was encoded")
}

fn reopened(bytes: &[u8]) -> Saved<&[u8]> {
    Saved::open(bytes).expect("what was saved")
}

fn with_text(document: Document) -> (Document, String) {
    let text = String::from(document.text());
    (document, text)
}

fn text_of(document: &Document) -> Answer {
    Answer::Text(document.text().to_string())
}
