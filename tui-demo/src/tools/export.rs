//! A history as a concurrent trace in the JSON format of editing-traces.
//!
//! Knows the operations of a document and the shape of the format. Does not know files.
//!
//! A transaction is a stretch of one agent's events that stand together in the log and that nobody else's version ends
//! within. Edits are joined as far as the same events come out of them again, so a trace follows from the log alone:
//! exporting what was imported from an export gives the same bytes. Agents are numbered in their order and not by first
//! appearance, since their order decides ties and an import numbers its agents in turn. O(events) time and memory.
//!
//! Two rules of the format are only kept as far as the history keeps them: it may have several first transactions. When
//! it ends in several versions, a last transaction without patches merges them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io::{self, Write};

use cede::{AgentId, Authored, Chars, Clock, Document, EventId, EventSpan, Patch};
use serde::Serialize;

/// The format wants a time of every transaction. Events carry none, and this is what traces without times say.
const NO_TIME: &str = "1970-01-01T00:00:00Z";

/// Writes the document's history, one transaction a line.
pub(super) fn write(document: &Document, out: &mut impl Write) -> io::Result<()> {
    let Transactions { agents, list, .. } = Transactions::of(document);
    let agents: HashMap<AgentId, usize> =
        agents.into_iter().enumerate().map(|(number, agent)| (agent, number)).collect();
    out.write_all(b"{\"kind\":\"concurrent\",\"endContent\":")?;
    serde_json::to_writer(&mut *out, &document.to_string())?;
    write!(out, ",\"numAgents\":{},\"txns\":[", agents.len())?;
    for (index, transaction) in list.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &transaction.line(&agents))?;
    }
    out.write_all(b"\n]}\n")
}

/// A transaction as the format writes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    parents: &'a [usize],
    num_children: usize,
    agent: usize,
    time: &'static str,
    patches: Vec<(usize, usize, &'a str)>,
}

struct Transaction {
    agent: AgentId,
    parents: Vec<usize>,
    children: usize,
    edits: Edits,
}

impl Transaction {
    fn line(&self, agents: &HashMap<AgentId, usize>) -> Line<'_> {
        Line {
            parents: &self.parents,
            num_children: self.children,
            agent: agents[&self.agent],
            time: NO_TIME,
            patches: self
                .edits
                .list
                .iter()
                .map(|edit| (edit.start.0, edit.deleted.0, edit.inserted.as_str()))
                .collect(),
        }
    }
}

#[derive(Default)]
struct Transactions {
    agents: BTreeSet<AgentId>,
    list: Vec<Transaction>,
    /// For the last event of each transaction but the open one, the transaction's index.
    ends: HashMap<EventId, usize>,
    /// The last event of the last transaction, which goes on while the next events continue it.
    open_end: Option<EventId>,
}

impl Transactions {
    fn of(document: &Document) -> Self {
        // The version that a continued group continues is its own end, which cuts nothing.
        let continues = |run: &Authored| run.parents.ids() == previous(run.span).as_slice();
        let versions = document.operations().filter(|run| !continues(run)).map(|run| run.parents);
        let cuts: BTreeSet<EventId> = versions.flat_map(|version| version.ids().to_vec()).collect();
        let mut transactions = Self::default();
        for run in document.operations() {
            transactions.add(run, &cuts);
        }
        transactions.close();
        transactions.merge(document.frontier().ids());
        transactions
    }

    /// Adds a run of operations, in pieces that end where somebody's version ends.
    fn add(&mut self, run: Authored, cuts: &BTreeSet<EventId>) {
        let Authored { span: EventSpan { agent, mut start, end }, parents, edits } = run;
        let mut edits = VecDeque::from(edits);
        let mut parents = parents.ids().to_vec();
        let inner_cuts = cuts.range(EventId { agent, clock: start }..EventId { agent, clock: Clock(end.0 - 1) });
        for piece_end in inner_cuts.map(|cut| Clock(cut.clock.0 + 1)).chain([end]) {
            let last = EventId { agent, clock: Clock(piece_end.0 - 1) };
            let piece = take(&mut edits, (piece_end.0 - start.0) as usize);
            self.add_piece(last, &parents, piece);
            if cuts.contains(&last) {
                self.close();
            }
            parents = vec![last];
            start = piece_end;
        }
    }

    /// Adds events up to `last`: to the open transaction when they continue it.
    fn add_piece(&mut self, last: EventId, parents: &[EventId], edits: Vec<Patch<Chars>>) {
        let continued = self.open_end.filter(|end| end.agent == last.agent && parents == [*end]);
        if continued.is_none() {
            self.open(last.agent, parents);
        }
        if let Some(open) = self.list.last_mut() {
            edits.into_iter().for_each(|edit| open.edits.join(edit));
        }
        self.open_end = Some(last);
    }

    fn open(&mut self, agent: AgentId, parents: &[EventId]) {
        self.close();
        // Cuts end a transaction at every version that is named, and the log has causes before effects.
        let mut parents: Vec<usize> = parents.iter().map(|parent| self.ends[parent]).collect();
        parents.sort_unstable();
        parents.iter().for_each(|parent| self.list[*parent].children += 1);
        self.agents.insert(agent);
        self.list.push(Transaction { agent, parents, children: 0, edits: Edits::default() });
    }

    fn close(&mut self) {
        if let Some(end) = self.open_end.take() {
            self.ends.insert(end, self.list.len() - 1);
        }
    }

    /// The format's last transaction has everything in its past.
    fn merge(&mut self, heads: &[EventId]) {
        if let [first, _, ..] = heads {
            self.open(first.agent, heads);
        }
    }
}

/// The event before the span, had its agent made one there.
fn previous(span: EventSpan) -> Option<EventId> {
    span.start.0.checked_sub(1).map(|clock| EventId { agent: span.agent, clock: Clock(clock) })
}

/// The first `count` events of the edits, which are cut in two where they hold more.
fn take(edits: &mut VecDeque<Patch<Chars>>, mut count: usize) -> Vec<Patch<Chars>> {
    let mut taken = Vec::new();
    while count > 0
        && let Some(mut edit) = edits.pop_front()
    {
        let (deleted, inserted) = (edit.deleted.0, edit.inserted.chars().count());
        if count < deleted + inserted {
            edits.push_front(split(&mut edit, count));
        }
        count = count.saturating_sub(deleted + inserted);
        taken.push(edit);
    }
    taken
}

/// Leaves the first `count` events in the edit and returns the others. An edit deletes first, forwards, and then
/// inserts.
fn split(edit: &mut Patch<Chars>, count: usize) -> Patch<Chars> {
    let deleted = edit.deleted.0.min(count);
    let inserted = count - deleted;
    let byte = edit.inserted.char_indices().nth(inserted).map_or(edit.inserted.len(), |(byte, _)| byte);
    let rest = Patch {
        start: Chars(edit.start.0 + inserted),
        deleted: Chars(edit.deleted.0 - deleted),
        inserted: edit.inserted.split_off(byte),
    };
    edit.deleted = Chars(deleted);
    rest
}

/// Edits in order, joined as far as the same events come out of them again.
#[derive(Default)]
struct Edits {
    list: Vec<Patch<Chars>>,
    /// Where the text that the last edit inserted ends, in chars.
    inserted_end: usize,
}

impl Edits {
    fn join(&mut self, edit: Patch<Chars>) {
        let Patch { start: Chars(start), deleted: Chars(deleted), inserted } = edit;
        let length = inserted.chars().count();
        match self.list.last_mut() {
            // Deleting goes on forwards, and perhaps text takes the place.
            Some(last) if last.inserted.is_empty() && last.start.0 == start => {
                last.deleted.0 += deleted;
                last.inserted = inserted;
            }
            // Text goes on.
            Some(last) if deleted == 0 && self.inserted_end == start && !last.inserted.is_empty() => {
                last.inserted.push_str(&inserted);
            }
            _ => self.list.push(Patch { start: Chars(start), deleted: Chars(deleted), inserted }),
        }
        self.inserted_end = start + length;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use cede::{AgentId, Chars, Document, Frontier, Patch};

    use super::{Edits, take, write};
    use crate::tools::import::{Misfits, replay};
    use crate::tools::trace::Trace;

    fn edit(start: usize, deleted: usize, inserted: &str) -> Patch<Chars> {
        Patch { start: Chars(start), deleted: Chars(deleted), inserted: inserted.to_owned() }
    }

    fn exported(document: &Document) -> String {
        let mut json = Vec::new();
        write(document, &mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn edits_join_where_the_same_events_come_out_again() {
        let joined = |edits: &[(usize, usize, &str)]| {
            let mut list = Edits::default();
            edits.iter().for_each(|(start, deleted, inserted)| list.join(edit(*start, *deleted, inserted)));
            list.list.into_iter().map(|edit| (edit.start.0, edit.deleted.0, edit.inserted)).collect::<Vec<_>>()
        };
        assert_eq!(joined(&[(0, 0, "a"), (1, 0, "é"), (2, 0, "c")]), [(0, 0, "aéc".to_owned())]);
        assert_eq!(joined(&[(4, 1, ""), (4, 2, ""), (4, 0, "x")]), [(4, 3, "x".to_owned())]);
        // Joined, these would delete in another order.
        assert_eq!(joined(&[(4, 1, ""), (3, 1, "")]), [(4, 1, String::new()), (3, 1, String::new())]);
        // Joined, these would insert in another order.
        assert_eq!(joined(&[(4, 0, "b"), (4, 0, "a")]), [(4, 0, "b".to_owned()), (4, 0, "a".to_owned())]);
    }

    #[test]
    fn edits_are_cut_between_any_two_events() {
        let whole = [edit(3, 2, "äbc"), edit(9, 1, "")];
        for count in 0..=6 {
            let mut rest = VecDeque::from(whole.to_vec());
            let mut edits = Edits::default();
            take(&mut rest, count).into_iter().chain(rest).for_each(|edit| edits.join(edit));
            assert_eq!(edits.list, whole, "cut after {count}");
        }
    }

    #[test]
    fn a_version_in_the_middle_of_a_group_ends_a_transaction() {
        let mut document = Document::new();
        let [first, second] = [AgentId::new(7), AgentId::new(3)];
        let ab = document.author(first, &Frontier::root(), &[edit(0, 0, "ab")]).unwrap();
        document.author(first, &ab, &[edit(2, 0, "cd")]).unwrap();
        document.author(second, &ab, &[edit(0, 1, "")]).unwrap();
        let lines = [
            r#"{"kind":"concurrent","endContent":"bcd","numAgents":2,"txns":["#,
            r#"{"parents":[],"numChildren":2,"agent":1,"time":"1970-01-01T00:00:00Z","patches":[[0,0,"ab"]]},"#,
            r#"{"parents":[0],"numChildren":1,"agent":1,"time":"1970-01-01T00:00:00Z","patches":[[2,0,"cd"]]},"#,
            r#"{"parents":[0],"numChildren":1,"agent":0,"time":"1970-01-01T00:00:00Z","patches":[[0,1,""]]},"#,
            r#"{"parents":[1,2],"numChildren":0,"agent":0,"time":"1970-01-01T00:00:00Z","patches":[]}"#,
            "]}
",
        ];
        assert_eq!(
            exported(&document),
            lines.join(
                "
"
            )
        );
    }

    #[test]
    fn a_version_in_the_middle_of_backspaces_has_lost_the_last_character() {
        let mut document = Document::new();
        let first = AgentId::new(1);
        let written = document.author(first, &Frontier::root(), &[edit(0, 0, "abcd"), edit(3, 1, "")]).unwrap();
        document.author(first, &written, &[edit(2, 1, ""), edit(1, 1, "")]).unwrap();
        document.author(AgentId::new(2), &written, &[edit(3, 0, "!")]).unwrap();
        let once = exported(&document);
        let patches =
            [r#""patches":[[0,0,"abcd"],[3,1,""]]"#, r#""patches":[[2,1,""],[1,1,""]]"#, r#""patches":[[3,0,"!"]]"#];
        for (patches, line) in patches.iter().zip(once.lines().skip(1)) {
            assert!(line.contains(patches), "no {patches} in\n{once}");
        }
    }

    #[test]
    fn an_export_of_an_imported_export_has_the_same_bytes() {
        let mut document = Document::new();
        let [first, second] = [AgentId::new(7), AgentId::new(3)];
        // Both write at the same place at the same clock: the order of the agents decides, and must be kept.
        let one = document.author(first, &Frontier::root(), &[edit(0, 0, "left"), edit(4, 1, ""), edit(3, 1, "")]);
        assert!(one.is_err(), "nothing stands at 4");
        let one =
            document.author(first, &Frontier::root(), &[edit(0, 0, "left"), edit(3, 1, ""), edit(2, 1, "")]).unwrap();
        document.author(second, &Frontier::root(), &[edit(0, 0, "right")]).unwrap();
        let both = document.frontier();
        document.author(first, &one, &[edit(2, 0, "gs")]).unwrap();
        document.author(second, &both, &[edit(0, 0, "\u{1f426}")]).unwrap();

        let once = exported(&document);
        let mut trace = Trace::parse(once.as_bytes()).unwrap();
        let imported = replay(&mut trace, Misfits::Refuse).unwrap().document;
        assert_eq!(imported.to_string(), document.to_string());
        assert_eq!(exported(&imported), once);
    }

    #[test]
    fn nothing_is_exported_as_nothing() {
        let none = exported(&Document::new());
        let trace = Trace::parse(none.as_bytes()).unwrap();
        assert_eq!((trace.authors, trace.transactions.len(), trace.end_content.as_str()), (0, 0, ""));
    }
}
