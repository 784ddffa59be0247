//! Loro: a document with one text, the caret kept as Loro's cursor.

use crate::Engine;
use ::loro::cursor::{Cursor, Side};
use ::loro::{ExportMode, IdSpan, LoroDoc, LoroText};
use std::ops::Range;

/// A replica in Loro.
#[derive(Debug)]
pub struct Loro {
    document: LoroDoc,
    text: LoroText,
    caret: usize,
    /// Own operations that have been exported.
    sent: i32,
}

impl Loro {
    /// The character left of the caret, to find the caret again behind it.
    fn anchor(&self) -> Option<Cursor> {
        self.text.get_cursor(self.caret.checked_sub(1)?, Side::Middle)
    }

    fn find(&self, anchor: &Cursor) -> usize {
        let found = self.document.get_cursor_pos(anchor).expect("a cursor of this document");
        // When the character is deleted, Loro answers with the place where it was and a cursor to use instead.
        if found.update.is_some() { found.current.pos } else { found.current.pos + 1 }
    }
}

impl Engine for Loro {
    const NAME: &'static str = "loro";

    fn replica(identity: u128) -> Self {
        let document = LoroDoc::new();
        // The highest number is reserved.
        document.set_peer_id(identity as u64 >> 1).expect("an empty document takes any peer");
        let text = document.get_text("text");
        Self { document, text, caret: 0, sent: 0 }
    }

    fn move_caret(&mut self, to: usize) {
        self.caret = to;
    }

    fn caret(&self) -> usize {
        self.caret
    }

    fn insert(&mut self, at: usize, text: &str) {
        self.text.insert(at, text).expect("a position of the text");
        self.document.commit();
        self.caret = at + text.chars().count();
    }

    fn delete(&mut self, range: Range<usize>) {
        self.text.delete(range.start, range.len()).expect("a range of the text");
        self.document.commit();
        self.caret = range.start;
    }

    fn export(&mut self) -> Option<Vec<u8>> {
        let peer = self.document.peer_id();
        let made = self.document.oplog_vv().get(&peer).copied().unwrap_or(0);
        let span = IdSpan::new(peer, self.sent, made);
        self.sent = made;
        (span.counter.start < made)
            .then(|| self.document.export(ExportMode::updates_in_range(vec![span])).expect("own changes"))
    }

    fn import(&mut self, update: &[u8]) {
        let anchor = self.anchor();
        self.document.import(update).expect("an update of a peer");
        self.caret = anchor.map_or(0, |anchor| self.find(&anchor));
    }

    fn text(&self) -> String {
        self.text.to_string()
    }
}
