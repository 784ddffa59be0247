//! Lives a recorded session through again, with a replica for each author, so that peers make their own messages of it.
//!
//! Before a transaction its author's replica receives what is in the past of the transaction and new to it, and nothing else: positions mean what
//! they meant. An author whose transactions are concurrent with each other gets a replica for each line of work. A step costs what is new to its
//! replica; memory is a bit for each transaction and replica.

use crate::trace::{Edit, Trace};
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// A replica of a peer.
pub trait Replica {
    /// A replica of the empty text. No two have the same identity.
    fn with_identity(identity: u32) -> Self;

    /// Makes the edits as one local transaction and says what to send of it; nothing when there is nothing to say.
    fn transact(&mut self, edits: &[Edit]) -> Vec<u8>;

    /// Takes in a transaction of another, whose past is there.
    fn receive(&mut self, message: &[u8]);
}

/// A session lived through.
#[derive(Debug)]
pub struct Replay<R> {
    /// A replica that has everything.
    pub replica: R,
    /// The transactions, causes before effects. Where the text does not begin empty, the first one writes what it begins with.
    pub messages: Vec<Vec<u8>>,
}

impl<R: Replica> Replay<R> {
    /// Lives through a trace; `None` when it takes longer than `limit`.
    pub fn of(trace: &Trace, limit: Duration) -> Option<Self> {
        let begun = Instant::now();
        let mut messages = Vec::with_capacity(trace.transactions.len() + 1);
        if !trace.start_content.is_empty() {
            messages.push(R::with_identity(0).transact(&[Edit(0, 0, trace.start_content.clone())]));
        }
        let first = messages.len();
        let mut lines: Vec<Line<R>> = Vec::new();
        let mut lines_of: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut last_line = None;
        for (index, transaction) in trace.transactions.iter().enumerate() {
            let own = lines_of.entry(transaction.author).or_default();
            let going_on = own.iter().find_map(|&at| Some((at, lines[at].missing(trace, &transaction.parents)?)));
            let (at, missing) = going_on.unwrap_or_else(|| {
                let line = Line::begin(lines.len() as u32 + 1, &messages[..first]);
                let missing = line.missing(trace, &transaction.parents).expect("a line without a past suits any");
                own.push(lines.len());
                lines.push(line);
                (lines.len() - 1, missing)
            });
            for index in missing {
                lines[at].receive(index, &messages[first + index]);
                if begun.elapsed() > limit {
                    return None;
                }
            }
            messages.push(lines[at].transact(index, &transaction.edits));
            last_line = Some(at);
            if begun.elapsed() > limit {
                return None;
            }
        }
        let mut line = last_line.map_or_else(|| Line::begin(1, &messages[..first]), |at| lines.swap_remove(at));
        for (index, message) in messages[first..].iter().enumerate() {
            line.receive(index, message);
        }
        Some(Self { replica: line.replica, messages })
    }
}

/// The work of an author, each transaction in the past of the next.
struct Line<R> {
    replica: R,
    /// For each transaction whether the replica has it: all that is in the past of the last.
    known: Vec<bool>,
    last: Option<usize>,
}

impl<R: Replica> Line<R> {
    fn begin(identity: u32, start: &[Vec<u8>]) -> Self {
        let mut replica = R::with_identity(identity);
        start.iter().for_each(|message| replica.receive(message));
        Self { replica, known: Vec::new(), last: None }
    }

    fn knows(&self, index: usize) -> bool {
        self.known.get(index).copied().unwrap_or(false)
    }

    /// What is new to the replica in the past that ends with `parents`, causes first; `None` when its own last transaction is not there.
    fn missing(&self, trace: &Trace, parents: &[usize]) -> Option<BTreeSet<usize>> {
        let mut missing = BTreeSet::new();
        let mut ahead = parents.to_vec();
        let mut goes_on = self.last.is_none();
        while let Some(index) = ahead.pop() {
            goes_on |= self.last == Some(index);
            if !self.knows(index) && missing.insert(index) {
                ahead.extend(&trace.transactions[index].parents);
            }
        }
        goes_on.then_some(missing)
    }

    fn receive(&mut self, index: usize, message: &[u8]) {
        if !self.knows(index) {
            self.replica.receive(message);
            self.learn(index);
        }
    }

    fn transact(&mut self, index: usize, edits: &[Edit]) -> Vec<u8> {
        self.last = Some(index);
        self.learn(index);
        self.replica.transact(edits)
    }

    fn learn(&mut self, index: usize) {
        if self.known.len() <= index {
            self.known.resize(index + 1, false);
        }
        self.known[index] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Transaction;

    /// Knows the numbers of the transactions that it has; a message is such a number.
    struct Numbers(Vec<u8>);

    impl Replica for Numbers {
        fn with_identity(_: u32) -> Self {
            Self(Vec::new())
        }

        fn transact(&mut self, edits: &[Edit]) -> Vec<u8> {
            let number = edits[0].0 as u8;
            self.0.push(number);
            // What was known when it was made tells which replica made it.
            self.0.clone()
        }

        fn receive(&mut self, message: &[u8]) {
            self.0.extend(message.last());
        }
    }

    fn trace(transactions: &[(u32, &[usize])]) -> Trace {
        let transaction = |(index, (author, parents)): (usize, &(u32, &[usize]))| Transaction {
            author: *author,
            parents: parents.to_vec(),
            edits: vec![Edit(index, 0, String::new())],
        };
        let transactions = transactions.iter().enumerate().map(transaction).collect();
        Trace { start_content: String::new(), end_content: String::new(), transactions }
    }

    #[test]
    fn a_transaction_is_made_on_its_past_alone() {
        let trace = trace(&[(0, &[]), (1, &[]), (0, &[0]), (1, &[1, 0]), (0, &[2, 3])]);
        let replay = Replay::<Numbers>::of(&trace, Duration::MAX).expect("no limit");
        assert_eq!(replay.messages, [vec![0], vec![1], vec![0, 2], vec![1, 0, 3], vec![0, 2, 1, 3, 4]]);
        assert_eq!(replay.replica.0.len(), 5);
    }

    #[test]
    fn an_author_with_concurrent_work_has_a_replica_for_each_line() {
        let trace = trace(&[(0, &[]), (0, &[]), (0, &[0]), (0, &[1]), (0, &[2, 3])]);
        let replay = Replay::<Numbers>::of(&trace, Duration::MAX).expect("no limit");
        assert_eq!(replay.messages, [vec![0], vec![1], vec![0, 2], vec![1, 3], vec![0, 2, 1, 3, 4]]);
    }
}
