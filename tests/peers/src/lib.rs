//! Cede beside its peers: the same scenarios through one small door.
//!
//! - [`Engine`] is what a scenario needs of an engine; [`cede`], [`loro`], [`yrs`] and [`automerge`] give it, each by its own normal API.
//! - [`splits`] is the race for a word, [`random`] gives seeds, [`table`] prints.
//!
//! The programs stand in `src/bin`; this package is no member of the workspace, so that users do not build the peers.

pub mod automerge;
pub mod cede;
pub mod loro;
pub mod yrs;

pub mod random;
pub mod splits;
pub mod table;

use std::ops::Range;

/// A replica of one text in the hands of one person, as an editor's binding holds it.
///
/// Positions are in chars. Yrs counts in UTF-16, so scenarios keep to the basic plane, where both are the same. A scenario is a
/// program of our own, so an engine that refuses what it does stops it.
pub trait Engine: Sized {
    /// What it is called in tables.
    const NAME: &'static str;

    /// A replica of an empty text. The bits become its agent, client, peer or actor, which decides ties; engines whose identities are shorter
    /// take the lower bits.
    fn replica(identity: u128) -> Self;

    /// Puts the caret somewhere, as a click does.
    fn move_caret(&mut self, to: usize);

    /// Where the caret is. It stays right behind the character on its left when others insert there: what suits one who is
    /// typing, in every engine alike.
    fn caret(&self) -> usize;

    /// Inserts text as one local change; the caret ends behind it. At the caret this is typing.
    fn insert(&mut self, at: usize, text: &str);

    /// Deletes a range as one local change; the caret ends there.
    fn delete(&mut self, range: Range<usize>);

    /// One's own changes since the last export, as bytes to send; `None` when there are none.
    fn export(&mut self) -> Option<Vec<u8>>;

    /// Takes in what another has exported. Parents may come later than what was made on them.
    fn import(&mut self, update: &[u8]);

    /// The visible text.
    fn text(&self) -> String;
}
