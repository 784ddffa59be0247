//! Automerge: a document with one text object, the caret kept as Automerge's cursor.

use crate::Engine;
use crate::trace::{Edit, Trace};
use ::automerge::transaction::{CommitOptions, Transactable};
use ::automerge::{ActorId, AutoCommit, ChangeHash, Cursor, MoveCursor, ObjId, ObjType, ROOT, ReadDoc, TextEncoding};
use std::ops::Range;
use std::time::{Duration, Instant};

/// A replica in Automerge.
#[derive(Debug)]
pub struct Automerge {
    document: AutoCommit,
    text: ObjId,
    caret: usize,
    /// Own changes that are not exported yet, as Automerge writes them.
    unsent: Vec<u8>,
}

/// A document with an empty text. Who made that text and when is fixed, so that all replicas hold the same one.
fn empty() -> (AutoCommit, ObjId) {
    let mut document =
        AutoCommit::new_with_encoding(TextEncoding::UnicodeCodePoint).with_actor(ActorId::from([0].as_slice()));
    let text = document.put_object(ROOT, "text", ObjType::Text).expect("an empty document takes a text");
    document.commit_with(CommitOptions::default().with_time(0));
    (document, text)
}

impl Automerge {
    fn commit(&mut self) {
        self.document.commit();
        if let Some(mut change) = self.document.get_last_local_change() {
            self.unsent.extend(change.bytes().iter());
        }
    }

    /// The character left of the caret, to find the caret again behind it.
    fn anchor(&self) -> Option<Cursor> {
        let left = self.caret.checked_sub(1)?;
        Some(
            self.document
                .get_cursor_moving(&self.text, left, None, MoveCursor::Before)
                .expect("a position of the text"),
        )
    }

    fn find(&self, anchor: &Cursor) -> usize {
        self.document.get_cursor_position(&self.text, anchor, None).expect("a cursor of this text") + 1
    }
}

impl Engine for Automerge {
    const NAME: &'static str = "automerge";

    fn replica(identity: u128) -> Self {
        let (mut document, text) = empty();
        document.set_actor(ActorId::from(identity.to_be_bytes().as_slice()));
        Self { document, text, caret: 0, unsent: Vec::new() }
    }

    fn move_caret(&mut self, to: usize) {
        self.caret = to;
    }

    fn caret(&self) -> usize {
        self.caret
    }

    fn insert(&mut self, at: usize, text: &str) {
        self.document.splice_text(&self.text, at, 0, text).expect("a position of the text");
        self.caret = at + text.chars().count();
        self.commit();
    }

    fn delete(&mut self, range: Range<usize>) {
        let count = isize::try_from(range.len()).expect("a text fits the memory");
        self.document.splice_text(&self.text, range.start, count, "").expect("a range of the text");
        self.caret = range.start;
        self.commit();
    }

    fn export(&mut self) -> Option<Vec<u8>> {
        (!self.unsent.is_empty()).then(|| std::mem::take(&mut self.unsent))
    }

    fn import(&mut self, update: &[u8]) {
        let anchor = self.anchor();
        self.document.load_incremental(update).expect("an update of a peer");
        self.caret = anchor.map_or(0, |anchor| self.find(&anchor));
    }

    fn text(&self) -> String {
        self.document.text(&self.text).expect("the document has a text")
    }

    fn open(history: &[u8]) -> String {
        let document = AutoCommit::load(history).expect("a history that Automerge wrote");
        let (_, text) = document.get(ROOT, "text").expect("a map").expect("the document has a text");
        document.text(&text).expect("a text")
    }
}

/// The history of a trace as Automerge saves it, each transaction at its parents; `None` when making it takes longer than `limit`.
pub fn history(trace: &Trace, limit: Duration) -> Option<Vec<u8>> {
    let begun = Instant::now();
    let (mut document, text) = empty();
    if !trace.start_content.is_empty() {
        document.splice_text(&text, 0, 0, &trace.start_content).expect("an empty text");
        document.commit();
    }
    let root = document.get_heads();
    let mut versions: Vec<Vec<ChangeHash>> = Vec::with_capacity(trace.transactions.len());
    let mut last = root.clone();
    for transaction in &trace.transactions {
        let mut parents: Vec<ChangeHash> =
            transaction.parents.iter().flat_map(|&parent| versions[parent].clone()).collect();
        if transaction.parents.is_empty() {
            parents.clone_from(&root);
        }
        // Isolation makes every edit slow, and in a linear stretch there is nothing to isolate from. Elsewhere a change takes an actor of its
        // own when its actor's last one is not in its past, so concurrent work of one author is well.
        if parents != last {
            document.set_actor(ActorId::from((u64::from(transaction.author) + 1).to_be_bytes().as_slice()));
            document.isolate(&parents);
        }
        for Edit(at, deleted, inserted) in &transaction.edits {
            if begun.elapsed() > limit {
                return None;
            }
            let deleted = isize::try_from(*deleted).expect("a text fits the memory");
            document.splice_text(&text, *at, deleted, inserted).expect("positions of the text at the parents");
        }
        last = document.commit().map_or(parents, |change| vec![change]);
        versions.push(last.clone());
    }
    document.integrate();
    Some(document.save())
}
