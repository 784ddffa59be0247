//! Ours: a [`Session`], whose caret is its own.

use crate::Engine;
use ::cede::{AgentId, Chars, Session};
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
}
