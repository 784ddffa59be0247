//! Automerge: a document with one text object, the caret kept as Automerge's cursor.

use crate::Engine;
use ::automerge::transaction::{CommitOptions, Transactable};
use ::automerge::{ActorId, AutoCommit, Cursor, MoveCursor, ObjId, ObjType, ROOT, ReadDoc, TextEncoding};
use std::ops::Range;

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
}
