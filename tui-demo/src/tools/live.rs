//! Replaying a trace as it was lived: a session with a caret for each author, events delivered as the parents say.
//!
//! Knows traces and `Session`. Does not know how a session defers; it only does what an editor would: a deletion that
//! ends at the caret is backspaces, one that starts there is forward deletes, an insertion there is typing, anything
//! else moves the caret first.
//!
//! What an author lacks at a transaction is found by a walk back from its parents that stops at what was delivered, so
//! over the whole trace each author passes each transaction once: O(authors × transactions), and as many merges.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use cede::{AgentId, Chars, Document, EditError, ImportError, Patch, Session};

use super::ToolError;
use super::ancestry::{Ancestry, Line, Lines};
use super::import::{Misfits, Replayed, agent, fit, patches};
use super::trace::{Trace, Transaction};

/// Tells the agents of a live replay from those of an import of the same trace: their events differ.
const LIVE: u64 = 0x6c69_7665_6c69_7665;

/// Replays every transaction in the session of its author. The document holds the events in the order of the
/// transactions.
pub(super) fn replay(trace: &mut Trace, misfits: Misfits) -> Result<Replayed, ToolError> {
    let transactions = std::mem::take(&mut trace.transactions);
    let mut stage = Stage { digest: trace.digest ^ LIVE, ..Stage::default() };
    stage.begin(&std::mem::take(&mut trace.start_content))?;
    for (index, transaction) in transactions.into_iter().enumerate() {
        stage.transaction(index, transaction, misfits)?;
    }
    Ok(Replayed { document: stage.past.archive, clamped: stage.clamped })
}

/// One author at work (or one branch of their work).
struct Performer {
    session: Session,
    /// One bit for each transaction: does the session hold it?
    delivered: Vec<u64>,
}

impl Performer {
    fn enter(agent: AgentId) -> Self {
        Self { session: Session::new(agent), delivered: Vec::new() }
    }

    /// Notes that the session holds the transaction. Whether that is news.
    fn note(&mut self, transaction: usize) -> bool {
        let (word, bit) = (transaction / 64, 1 << (transaction % 64));
        if self.delivered.len() <= word {
            self.delivered.resize(word + 1, 0);
        }
        let news = self.delivered[word] & bit == 0;
        self.delivered[word] |= bit;
        news
    }

    /// What of the past of these transactions, and of them, the session lacks, in order; it is noted as delivered.
    fn take_lacking(&mut self, ancestry: &Ancestry, parents: &[usize]) -> Vec<usize> {
        let mut lacking = Vec::new();
        let mut pending = parents.to_vec();
        while let Some(transaction) = pending.pop() {
            if self.note(transaction) {
                lacking.push(transaction);
                pending.extend(ancestry.parents(transaction));
            }
        }
        lacking.sort_unstable();
        lacking
    }

    /// Does what an editor does; the session knows its caret.
    fn perform(&mut self, edit: &Patch<Chars>) -> Result<(), EditError> {
        if edit.deleted.0 > 0 {
            self.session.delete(edit.start..Chars(edit.start.0 + edit.deleted.0))?;
        }
        if edit.inserted.is_empty() { Ok(()) } else { self.session.insert(edit.start, &edit.inserted) }
    }
}

/// Everything made so far.
#[derive(Default)]
struct Past {
    ancestry: Ancestry,
    /// The events of the start content, which every session begins with.
    start: Option<Vec<u8>>,
    /// For each transaction its events, encoded; `None` when it made none.
    made: Vec<Option<Vec<u8>>>,
    /// Everything, in the order of the transactions.
    archive: Document,
}

impl Past {
    /// Brings somebody who comes on the stage all that the parents know.
    ///
    /// Who comes when everything so far is known opens a copy of it. That is what merging it event by event would give
    /// a session that has not typed yet; with the 204 authors of `A1` it takes an eighth of the time.
    fn open(&self, performer: &mut Performer, parents: &[usize]) -> Result<(), ToolError> {
        let lacking = performer.take_lacking(&self.ancestry, parents);
        if lacking.len() == self.made.len() {
            let agent = performer.session.agent();
            performer.session = Session::with_document(self.archive.clone(), agent);
            return Ok(());
        }
        if let Some(events) = &self.start {
            deliver(self.made.len(), events, |events| performer.session.merge(events))?;
        }
        self.deliver(performer, &lacking)
    }

    /// Brings somebody the events of these transactions.
    fn deliver(&self, performer: &mut Performer, transactions: &[usize]) -> Result<(), ToolError> {
        let mut made = transactions.iter().filter_map(|earlier| self.made[*earlier].as_ref());
        made.try_for_each(|events| deliver(self.made.len(), events, |events| performer.session.merge(events)))
    }

    fn add(&mut self, events: Option<Vec<u8>>, parents: Vec<usize>) -> Result<(), ToolError> {
        if let Some(events) = &events {
            deliver(self.made.len(), events, |events| self.archive.import(events))?;
        }
        self.made.push(events);
        self.ancestry.push(parents);
        Ok(())
    }
}

#[derive(Default)]
struct Stage {
    digest: u64,
    past: Past,
    lines: Lines,
    performers: HashMap<Line, Performer>,
    clamped: u64,
}

impl Stage {
    fn begin(&mut self, start_content: &str) -> Result<(), ToolError> {
        if start_content.is_empty() {
            return Ok(());
        }
        let first = Line { author: 0, branch: 0 };
        let mut performer = Performer::enter(agent(self.digest, first));
        let inserted = performer.session.insert(Chars(0), start_content);
        inserted.map_err(|source| ToolError::Edit { transaction: 0, source })?;
        if let Some(events) = performer.session.take_outgoing() {
            deliver(0, &events, |events| self.past.archive.import(events))?;
            self.past.start = Some(events);
        }
        self.performers.insert(first, performer);
        Ok(())
    }

    fn transaction(&mut self, index: usize, transaction: Transaction, misfits: Misfits) -> Result<(), ToolError> {
        let Transaction { author, parents, edits } = transaction;
        let line = self.lines.next(&self.past.ancestry, index, author, &parents);
        let performer = match self.performers.entry(line) {
            Entry::Occupied(present) => {
                let performer = present.into_mut();
                let lacking = performer.take_lacking(&self.past.ancestry, &parents);
                self.past.deliver(performer, &lacking)?;
                performer
            }
            Entry::Vacant(absent) => {
                let performer = absent.insert(Performer::enter(agent(self.digest, line)));
                self.past.open(performer, &parents)?;
                performer
            }
        };
        let mut edits = patches(edits);
        let length = performer.session.text().len::<Chars>();
        self.clamped += fit(&mut edits, index, length.0, misfits)?;
        let performed = edits.iter().try_for_each(|edit| performer.perform(edit));
        performed.map_err(|source| ToolError::Edit { transaction: index, source })?;
        performer.note(index);
        self.past.add(performer.session.take_outgoing(), parents)
    }
}

/// Hands events over. That they are refused can only come from the limits of the engine, which a trace may exceed.
fn deliver(
    transaction: usize,
    events: &[u8],
    receive: impl FnOnce(&[u8]) -> Result<Vec<Patch<Chars>>, ImportError>,
) -> Result<(), ToolError> {
    receive(events).map(drop).map_err(|source| ToolError::Delivery { transaction, source })
}

#[cfg(test)]
mod tests {
    use super::{Misfits, replay};
    use crate::tools::ToolError;
    use crate::tools::trace::Trace;

    fn live(authors: usize, transactions: &[&str]) -> Result<(String, Vec<u32>), ToolError> {
        let transactions = transactions.join(",");
        let json = format!(r#"{{"kind":"concurrent","endContent":"","numAgents":{authors},"txns":[{transactions}]}}"#);
        let mut trace = Trace::parse(json.as_bytes()).unwrap();
        let document = replay(&mut trace, Misfits::Refuse)?.document;
        let lengths = document.groups().into_iter().map(|group| group.span.end.0 - group.span.start.0).collect();
        Ok((document.to_string(), lengths))
    }

    #[test]
    fn what_arrives_elsewhere_does_not_cut_a_group() {
        let transactions = [
            r#"{"parents":[],"agent":0,"patches":[[0,0,"w"]]}"#,
            r#"{"parents":[0],"agent":1,"patches":[[0,0,"> "]]}"#,
            r#"{"parents":[1],"agent":0,"patches":[[3,0,"ord"]]}"#,
            r#"{"parents":[2],"agent":0,"patches":[[5,1,""],[4,1,""]]}"#,
        ];
        assert_eq!(live(2, &transactions).unwrap(), ("> wo".to_owned(), vec![6, 2]));
    }

    #[test]
    fn a_moved_caret_adopts_what_has_arrived() {
        let transactions = [
            r#"{"parents":[],"agent":0,"patches":[[0,0,"ab"]]}"#,
            r#"{"parents":[0],"agent":1,"patches":[[2,0,"c"]]}"#,
            r#"{"parents":[1],"agent":0,"patches":[[0,0,"_"]]}"#,
        ];
        assert_eq!(live(2, &transactions).unwrap(), ("_abc".to_owned(), vec![2, 1, 1]));
    }

    #[test]
    fn only_what_the_parents_know_is_delivered() {
        let transactions = [
            r#"{"parents":[],"agent":0,"patches":[[0,0,"a"]]}"#,
            r#"{"parents":[0],"agent":1,"patches":[[1,0,"b"]]}"#,
            r#"{"parents":[0],"agent":2,"patches":[[2,0,"c"]]}"#,
        ];
        let refused = live(3, &transactions).unwrap_err();
        assert!(
            matches!(refused, ToolError::Misfit { transaction: 2, patch: 0, position: 2, length: 1, .. }),
            "{refused}"
        );
    }

    #[test]
    fn an_author_on_two_branches_has_two_carets() {
        let transactions = [
            r#"{"parents":[],"agent":0,"patches":[[0,0,"-"]]}"#,
            r#"{"parents":[0],"agent":0,"patches":[[0,0,"a"]]}"#,
            r#"{"parents":[0],"agent":0,"patches":[[1,0,"b"]]}"#,
            r#"{"parents":[1,2],"agent":0,"patches":[[3,0,"c"]]}"#,
        ];
        assert_eq!(live(1, &transactions).unwrap().0, "a-bc");
    }

    #[test]
    fn the_start_content_reaches_everybody() {
        let json = r#"{"startContent":"ab","endContent":"abc","txns":[{"patches":[[2,0,"c"]]}]}"#;
        let mut trace = Trace::parse(json.as_bytes()).unwrap();
        assert_eq!(replay(&mut trace, Misfits::Refuse).unwrap().document.to_string(), "abc");
    }
}
