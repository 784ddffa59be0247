//! Ours: a [`Session`], whose caret is its own.

use crate::Engine;
use crate::trace::Trace;
use ::cede::{AgentId, AuthorError, Chars, Document, Frontier, Patch, Session};
use std::collections::HashMap;
use std::ops::Range;

/// A replica in Cede.
#[derive(Debug)]
pub struct Cede(Session);

impl Engine for Cede {
    const NAME: &'static str = "cede";

    fn replica(identity: u128) -> Self {
        Self(Session::new(AgentId::new(identity)))
    }

    fn move_caret(&mut self, to: usize) {
        self.0.move_caret(Chars(to)).expect("the caret stays in the text");
    }

    fn caret(&self) -> usize {
        self.0.caret::<Chars>().0
    }

    fn insert(&mut self, at: usize, text: &str) {
        self.0.insert(Chars(at), text).expect("a position of the text");
    }

    fn delete(&mut self, range: Range<usize>) {
        self.0.delete(Chars(range.start)..Chars(range.end)).expect("a range of the text");
    }

    fn export(&mut self) -> Option<Vec<u8>> {
        self.0.take_outgoing()
    }

    fn import(&mut self, update: &[u8]) {
        self.0.merge::<Chars>(update).expect("an update of a peer");
    }

    fn text(&self) -> String {
        self.0.text().to_string()
    }

    fn open(history: &[u8]) -> String {
        Document::decode(history).expect("an encoded document").text().to_string()
    }
}

/// The history of a trace, each transaction at its parents.
///
/// An agent's events are one line, so an author whose transactions are concurrent with each other becomes several agents.
pub fn history(trace: &Trace) -> Document {
    let mut document = Document::new();
    let agent = |author: u32, branch: u32| AgentId::new(u128::from(author) << 32 | u128::from(branch));
    let mut root = Frontier::root();
    if !trace.start_content.is_empty() {
        let start = Patch { start: Chars(0), deleted: Chars(0), inserted: trace.start_content.clone() };
        root = document.author(agent(u32::MAX, 0), &root, &[start]).expect("a text fits an empty document");
    }
    let mut versions: Vec<Frontier> = Vec::with_capacity(trace.transactions.len());
    // For each author the last transaction of each branch of theirs.
    let mut branches: HashMap<u32, Vec<usize>> = HashMap::new();
    for (index, transaction) in trace.transactions.iter().enumerate() {
        let parents = transaction.parents.iter().map(|&parent| versions[parent].clone());
        let parents = parents.reduce(|a, b| document.join(&a, &b).expect("versions made here")).unwrap_or(root.clone());
        let edits: Vec<_> = transaction.edits.iter().map(patch).collect();
        let lasts = branches.entry(transaction.author).or_default();
        // The branch that goes on is nearly always a parent itself; only else is the past searched.
        let direct = lasts.iter().position(|last| transaction.parents.contains(last));
        let candidates = direct.into_iter().chain(0..=lasts.len());
        let (branch, version) = candidates
            .filter_map(|branch| match document.author(agent(transaction.author, branch as u32), &parents, &edits) {
                Ok(version) => Some((branch, version)),
                Err(AuthorError::OwnPastUnseen { .. }) => None,
                Err(error) => panic!("transaction {index}: {error}"),
            })
            .next()
            .expect("an agent that has made nothing has no past to see");
        if branch == lasts.len() {
            lasts.push(index);
        }
        lasts[branch] = index;
        versions.push(version);
    }
    document
}

fn patch(edit: &crate::trace::Edit) -> Patch<Chars> {
    Patch { start: Chars(edit.0), deleted: Chars(edit.1), inserted: edit.2.clone() }
}
