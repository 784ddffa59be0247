//! Replaying a trace into a document: every transaction authored at its parents, clocks adopted at once.
//!
//! Knows traces, agents and `Document::author`. Does not know files, carets or sessions (that is `live`).
//!
//! Agents follow from the trace: the author's number, the branch of their work, and the digest of the trace. So a trace
//! gives the same events whenever and wherever it is imported, and agents stand in the order of the authors.

use std::collections::HashMap;

use cede::{AgentId, Chars, Document, EventId, Frontier, Patch};

use super::ToolError;
use super::ancestry::{Ancestry, Line, Lines};
use super::trace::{Edit, Trace, Transaction};

/// A trace as a document.
#[derive(Debug)]
pub(super) struct Replayed {
    pub(super) document: Document,
    /// How many patches did not fit and were cut down to what does.
    pub(super) clamped: u64,
}

/// What to do about a patch beyond the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfits {
    /// The replay fails.
    Refuse,
    /// The patch is cut down to what fits, and counted.
    Clamp,
}

/// Replays every transaction at its parents.
pub(super) fn replay(trace: &mut Trace, misfits: Misfits) -> Result<Replayed, ToolError> {
    let mut author = Authoring { digest: trace.digest, ..Authoring::default() };
    author.begin(std::mem::take(&mut trace.start_content))?;
    for (index, transaction) in std::mem::take(&mut trace.transactions).into_iter().enumerate() {
        author.transaction(index, transaction, misfits)?;
    }
    Ok(Replayed { document: author.document, clamped: author.clamped })
}

/// The agent of one line of an author's work in the trace of this digest.
pub(super) fn agent(digest: u64, line: Line) -> AgentId {
    AgentId::new(u128::from(line.author) << 96 | u128::from(line.branch) << 64 | u128::from(digest))
}

/// Cuts down the patches that reach beyond a text of `length` characters, or refuses the first of them. How many were
/// cut.
pub(super) fn fit(
    edits: &mut [Patch<Chars>],
    transaction: usize,
    mut length: usize,
    misfits: Misfits,
) -> Result<u64, ToolError> {
    let mut clamped = 0;
    for (patch, edit) in edits.iter_mut().enumerate() {
        let (position, deleted) = (edit.start.0, edit.deleted.0);
        if position > length || deleted > length - position {
            if misfits == Misfits::Refuse {
                return Err(ToolError::Misfit { transaction, patch, position, deleted, length });
            }
            edit.start = Chars(position.min(length));
            edit.deleted = Chars(deleted.min(length - edit.start.0));
            clamped += 1;
        }
        length = length - edit.deleted.0 + edit.inserted.chars().count();
    }
    Ok(clamped)
}

/// The engine's form of a transaction's edits.
pub(super) fn patches(edits: Vec<Edit>) -> Vec<Patch<Chars>> {
    let patch =
        |edit: Edit| Patch { start: Chars(edit.position), deleted: Chars(edit.deleted), inserted: edit.inserted };
    edits.into_iter().map(patch).collect()
}

/// A document in the making.
#[derive(Default)]
struct Authoring {
    digest: u64,
    document: Document,
    ancestry: Ancestry,
    lines: Lines,
    /// What everybody starts from: the end of the start content, if there is any.
    root: Frontier,
    /// For each transaction its last event; `None` when it made no event.
    last_events: Vec<Option<EventId>>,
    /// For each transaction without events, the transactions that make up its version.
    merges: HashMap<usize, Vec<usize>>,
    clamped: u64,
}

impl Authoring {
    fn begin(&mut self, start_content: String) -> Result<(), ToolError> {
        if start_content.is_empty() {
            return Ok(());
        }
        let first = agent(self.digest, Line { author: 0, branch: 0 });
        let edit = Patch { start: Chars(0), deleted: Chars(0), inserted: start_content };
        let made = self.document.author(first, &Frontier::root(), &[edit]);
        self.root = made.map_err(|source| ToolError::Author { transaction: 0, source })?;
        Ok(())
    }

    fn transaction(&mut self, index: usize, transaction: Transaction, misfits: Misfits) -> Result<(), ToolError> {
        let Transaction { author, parents, edits } = transaction;
        let line = self.lines.next(&self.ancestry, index, author, &parents);
        let heads = self.heads(&parents);
        let version = self.version(&heads);
        let last_event = self.author(index, line, &version, patches(edits), misfits)?;
        if last_event.is_none() {
            self.merges.insert(index, heads);
        }
        self.last_events.push(last_event);
        self.ancestry.push(parents);
        Ok(())
    }

    /// Makes the events, and says which is the last. The length of the text at the version is looked for only when the
    /// document refuses the edits, since finding it may cost a replay.
    fn author(
        &mut self,
        transaction: usize,
        line: Line,
        version: &Frontier,
        mut edits: Vec<Patch<Chars>>,
        misfits: Misfits,
    ) -> Result<Option<EventId>, ToolError> {
        let agent = agent(self.digest, line);
        let has_events =
            |edits: &[Patch<Chars>]| edits.iter().any(|edit| edit.deleted.0 > 0 || !edit.inserted.is_empty());
        if !has_events(&edits) {
            return Ok(None);
        }
        let made = match self.document.author(agent, version, &edits) {
            Ok(made) => made,
            Err(source) => {
                let length = self.document.checkout(version).map_err(ToolError::Version)?.len::<Chars>();
                let clamped = fit(&mut edits, transaction, length.0, misfits)?;
                self.clamped += clamped;
                if clamped == 0 {
                    return Err(ToolError::Author { transaction, source });
                }
                if !has_events(&edits) {
                    return Ok(None);
                }
                self.document
                    .author(agent, version, &edits)
                    .map_err(|source| ToolError::Author { transaction, source })?
            }
        };
        Ok(made.ids().first().copied())
    }

    /// The transactions with events that make up the merge of these.
    fn heads(&self, parents: &[usize]) -> Vec<usize> {
        let with_events = |parent: &usize| self.merges.get(parent).cloned().unwrap_or_else(|| vec![*parent]);
        self.ancestry.heads(parents.iter().flat_map(with_events).collect())
    }

    fn version(&self, heads: &[usize]) -> Frontier {
        if heads.is_empty() {
            return self.root.clone();
        }
        Frontier::from_ids(heads.iter().filter_map(|head| self.last_events[*head]).collect())
    }
}

#[cfg(test)]
mod tests {
    use cede::{Chars, Patch};

    use super::{Misfits, fit, replay};
    use crate::tools::ToolError;
    use crate::tools::trace::Trace;

    fn concurrent(authors: usize, transactions: &[&str]) -> Trace {
        let transactions = transactions.join(",");
        let json = format!(r#"{{"kind":"concurrent","endContent":"","numAgents":{authors},"txns":[{transactions}]}}"#);
        Trace::parse(json.as_bytes()).unwrap()
    }

    fn text(mut trace: Trace) -> String {
        replay(&mut trace, Misfits::Refuse).unwrap().document.to_string()
    }

    #[test]
    fn positions_are_those_at_the_parents() {
        let trace = concurrent(
            2,
            &[
                r#"{"parents":[],"agent":0,"patches":[[0,0,"kitten"]]}"#,
                r#"{"parents":[0],"agent":1,"patches":[[6,0,"s"]]}"#,
                r#"{"parents":[0],"agent":0,"patches":[[0,1,"m"],[4,1,"e"]]}"#,
                r#"{"parents":[1,2],"agent":1,"patches":[[7,0,"!"]]}"#,
            ],
        );
        assert_eq!(text(trace), "mittens!");
    }

    #[test]
    fn an_author_on_two_branches_becomes_two_agents() {
        let mut trace = concurrent(
            1,
            &[
                r#"{"parents":[],"agent":0,"patches":[[0,0,"-"]]}"#,
                r#"{"parents":[0],"agent":0,"patches":[[0,0,"a"]]}"#,
                r#"{"parents":[0],"agent":0,"patches":[[1,0,"b"]]}"#,
                r#"{"parents":[1,2],"agent":0,"patches":[[3,0,"c"]]}"#,
            ],
        );
        let replayed = replay(&mut trace, Misfits::Refuse).unwrap();
        assert_eq!((replayed.document.to_string().as_str(), replayed.document.stats().agents), ("a-bc", 2));
    }

    #[test]
    fn transactions_without_edits_only_merge() {
        let trace = concurrent(
            2,
            &[
                r#"{"parents":[],"agent":0,"patches":[[0,0,"a"]]}"#,
                r#"{"parents":[0],"agent":1,"patches":[[1,0,"c"]]}"#,
                r#"{"parents":[0],"agent":0,"patches":[[1,0,"b"],[0,0,""]]}"#,
                r#"{"parents":[1,2],"agent":0,"patches":[]}"#,
                r#"{"parents":[2,3],"agent":1,"patches":[[3,0,"d"]]}"#,
            ],
        );
        let text = text(trace);
        assert!(text == "abcd" || text == "acbd", "{text:?}");
    }

    #[test]
    fn a_misfit_names_transaction_and_patch_and_is_cut_down_when_that_is_wished() {
        let transactions = [
            r#"{"parents":[],"agent":0,"patches":[[0,0,"four"]]}"#,
            r#"{"parents":[0],"agent":0,"patches":[[4,0,"!"],[2,9,"x"],[7,1,"y"]]}"#,
        ];
        let refused = replay(&mut concurrent(1, &transactions), Misfits::Refuse).unwrap_err();
        assert!(
            matches!(refused, ToolError::Misfit { transaction: 1, patch: 1, position: 2, deleted: 9, length: 5 }),
            "{refused}"
        );
        let clamped = replay(&mut concurrent(1, &transactions), Misfits::Clamp).unwrap();
        assert_eq!((clamped.document.to_string().as_str(), clamped.clamped), ("foxy", 2));
    }

    #[test]
    fn the_start_content_is_there_before_the_first_transaction() {
        let json = r#"{"startContent":"ab","endContent":"abc","txns":[{"patches":[[2,0,"c"]]}]}"#;
        assert_eq!(text(Trace::parse(json.as_bytes()).unwrap()), "abc");
    }

    #[test]
    fn the_same_trace_gives_the_same_events() {
        let trace = || concurrent(1, &[r#"{"parents":[],"agent":0,"patches":[[0,0,"again"]]}"#]);
        let encoded = || replay(&mut trace(), Misfits::Refuse).unwrap().document.encode();
        assert_eq!(encoded(), encoded());
    }

    #[test]
    fn what_reaches_the_end_exactly_fits() {
        let mut edits = [Patch { start: Chars(3), deleted: Chars(0), inserted: "d".to_owned() }];
        assert_eq!(fit(&mut edits, 0, 3, Misfits::Refuse).unwrap(), 0);
        let mut huge = [Patch { start: Chars(usize::MAX), deleted: Chars(usize::MAX), inserted: String::new() }];
        assert_eq!(fit(&mut huge, 0, 3, Misfits::Clamp).unwrap(), 1);
        assert_eq!((huge[0].start, huge[0].deleted), (Chars(3), Chars(0)));
    }
}
