//! Yrs: a document with one text, the caret kept as a sticky index that associates with the character on its left.

use crate::Engine;
use ::yrs::block::ClientID;
use ::yrs::updates::decoder::Decode;
use ::yrs::{
    Assoc, Doc, GetString, IndexedSequence, OffsetKind, Options, ReadTxn, StateVector, StickyIndex, Text, TextRef,
    Transact, Update,
};
use std::ops::Range;

/// A replica in Yrs.
#[derive(Debug)]
pub struct Yrs {
    document: Doc,
    text: TextRef,
    caret: StickyIndex,
    sent: StateVector,
    /// Whether there is something to export: a deletion does not show in the state vector.
    unsent: bool,
}

impl Engine for Yrs {
    const NAME: &'static str = "yrs";

    fn replica(identity: u128) -> Self {
        // Clients have 53 bits.
        let mut options = Options::with_client_id(ClientID::new(identity as u64 >> 11));
        options.offset_kind = OffsetKind::Utf16;
        let document = Doc::with_options(options);
        let text = document.get_or_insert_text("text");
        let caret = text.sticky_index(&document.transact(), 0, Assoc::Before).expect("every text has a start");
        Self { document, text, caret, sent: StateVector::default(), unsent: false }
    }

    fn move_caret(&mut self, to: usize) {
        let caret = self.text.sticky_index(&self.document.transact(), to as u32, Assoc::Before);
        self.caret = caret.expect("the caret stays in the text");
    }

    fn caret(&self) -> usize {
        self.caret.get_offset(&self.document.transact()).expect("a sticky index of this text").index as usize
    }

    fn insert(&mut self, at: usize, text: &str) {
        self.text.insert(&mut self.document.transact_mut(), at as u32, text);
        self.unsent = true;
        self.move_caret(at + text.encode_utf16().count());
    }

    fn delete(&mut self, range: Range<usize>) {
        self.text.remove_range(&mut self.document.transact_mut(), range.start as u32, range.len() as u32);
        self.unsent = true;
        self.move_caret(range.start);
    }

    fn export(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.unsent) {
            return None;
        }
        let transaction = self.document.transact();
        let update = transaction.encode_diff_v1(&self.sent);
        self.sent = transaction.state_vector();
        Some(update)
    }

    fn import(&mut self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("an update of a peer");
        self.document.transact_mut().apply_update(update).expect("an update of a peer");
        // What others made is not ours to send: all of theirs counts as sent, of our own only what was.
        let own = self.document.client_id();
        let sent = self.sent.get(&own);
        self.sent = self.document.transact().state_vector();
        self.sent.set_min(own, sent);
    }

    fn text(&self) -> String {
        self.text.get_string(&self.document.transact())
    }
}
