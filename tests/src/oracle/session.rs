//! A live session: one person's caret, and when the events of others are adopted.
//!
//! Knows the caret, the run, its window and the context of the next local event. Does not know carriers: events come
//! and go as values. Every step compares the visible text before and after it, character by character; O(n²) a step for
//! n known events.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use super::graph::{Added, Graph, Refusal};
use super::replay::Shown;
use super::{Event, Id, Op};

/// So many local events make a run long enough to adopt what is pending.
const LONGEST_RUN: usize = 4_096;

/// One replica with somebody typing at it.
///
/// Invariant: `run.left <= caret <= run.right <= shown.len()`; `shown` is the state of all events of `graph`.
#[derive(Clone, Debug)]
pub struct Session {
    agent: u128,
    graph: Graph,
    shown: Vec<Shown>,
    caret: usize,
    /// The parents of the next local event, unless it adopts.
    context: Vec<Id>,
    /// Whether events were received that no local event depends on yet.
    pending: bool,
    /// Whether the caret moved since the last local edit.
    moved: bool,
    run: Run,
    /// Received before their parents, in order of arrival.
    waiting: Vec<Event>,
}

/// The local edits since the caret last moved or events were last adopted.
#[derive(Clone, Debug)]
struct Run {
    /// The characters typed in it and not backspaced or deleted here.
    typed: BTreeSet<Id>,
    /// From here to `right` the screen still equals the author's own branch.
    left: usize,
    right: usize,
    /// Somebody's change reached the caret.
    touched: bool,
    local_events: usize,
    /// The caret in the author's own branch.
    branch_caret: usize,
}

impl Run {
    fn starting(caret: usize, length: usize) -> Self {
        Self { typed: BTreeSet::new(), left: 0, right: length, touched: false, local_events: 0, branch_caret: caret }
    }
}

/// What a key does at the caret.
#[derive(Clone, Copy, Debug)]
enum Key {
    Insert(char),
    Backspace,
    DeleteForward,
}

impl Session {
    /// A session of an agent that is used nowhere else, with an empty document. What a document already holds is
    /// received like anything else.
    pub fn of_agent(agent: u128) -> Self {
        Self {
            agent,
            graph: Graph::default(),
            shown: Vec::new(),
            caret: 0,
            context: Vec::new(),
            pending: false,
            moved: true,
            run: Run::starting(0, 0),
            waiting: Vec::new(),
        }
    }

    /// The visible text.
    pub fn text(&self) -> String {
        self.shown.iter().map(|shown| shown.character).collect()
    }

    /// The position of the caret, in characters.
    pub fn caret(&self) -> usize {
        self.caret
    }

    /// All that this replica knows.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Takes events one at a time, and gives the names of those that came to be known, in that order. An event that
    /// is known already is passed over. One whose parents are unknown waits for them without bound; each event that
    /// comes to be known lets the waiting ones try again, in order of arrival.
    ///
    /// # Errors
    /// The first [`Refusal`], of an event given now or of one that waited. What came before it is taken, it is dropped,
    /// and the rest of `events` is not looked at.
    pub fn receive(&mut self, events: &[Event]) -> Result<Vec<Id>, Refusal> {
        let mut integrated = Vec::new();
        for event in events {
            if !self.integrate(event, &mut integrated)? {
                self.waiting.push(event.clone());
                continue;
            }
            while let Some(place) = self.waiting.iter().position(|waiting| self.parents_known(waiting)) {
                let ready = self.waiting.remove(place);
                self.integrate(&ready, &mut integrated)?;
            }
        }
        Ok(integrated)
    }

    /// Puts the caret at a position, which counts as a move even if it was there.
    ///
    /// # Errors
    /// When the position is beyond the text; nothing changes.
    pub fn move_caret(&mut self, position: usize) -> Result<(), BeyondText> {
        if position > self.shown.len() {
            return Err(BeyondText { position, length: self.shown.len() });
        }
        self.caret = position;
        self.moved = true;
        self.run = Run::starting(position, self.shown.len());
        Ok(())
    }

    /// Types a character at the caret.
    pub fn insert(&mut self, character: char) -> Event {
        self.press(Key::Insert(character))
    }

    /// Deletes the character before the caret; nothing happens at the start.
    pub fn backspace(&mut self) -> Option<Event> {
        (self.caret > 0).then(|| self.press(Key::Backspace))
    }

    /// Deletes the character after the caret; nothing happens at the end.
    pub fn delete_forward(&mut self) -> Option<Event> {
        (self.caret < self.shown.len()).then(|| self.press(Key::DeleteForward))
    }

    /// Whether every parent is known. A waiting event whose parents are unknown is no error.
    fn parents_known(&self, event: &Event) -> bool {
        event.parents().iter().all(|parent| self.graph.event(*parent).is_some())
    }

    /// Takes one event, and says whether it is known now; false when it has to wait.
    fn integrate(&mut self, event: &Event, integrated: &mut Vec<Id>) -> Result<bool, Refusal> {
        match self.graph.add(event) {
            Ok(Added::Again) => Ok(true),
            Ok(Added::Fresh) => {
                integrated.push(event.id());
                self.pending = true;
                let before = std::mem::replace(&mut self.shown, self.graph.shown());
                self.follow(&before);
                self.assert_invariants();
                Ok(true)
            }
            Err(Refusal::UnknownParent { .. }) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// Lets the caret and the window follow the one character that a received event put in or took out.
    fn follow(&mut self, before: &[Shown]) {
        let same = before.iter().zip(&self.shown).take_while(|(old, new)| old == new).count();
        if self.shown.len() > before.len() {
            assert_eq!(self.shown[same + 1..], before[same..], "an insert of others changes one place only");
            self.follow_insert(same);
        } else if self.shown.len() < before.len() {
            assert_eq!(self.shown[same..], before[same + 1..], "a delete of others changes one place only");
            self.follow_delete(same);
        } else {
            assert_eq!(same, before.len(), "an event that changes no length changes nothing");
        }
    }

    fn follow_insert(&mut self, at: usize) {
        let caret = self.caret;
        if at < caret {
            self.caret += 1;
            self.run.right += 1;
            self.run.left = (self.run.left + 1).max(at + 1);
        } else if at == caret {
            let own = caret.checked_sub(1).is_some_and(|left| self.run.typed.contains(&self.shown[left].id));
            self.run.right = caret;
            self.run.touched |= !own;
        } else {
            self.run.right = self.run.right.min(at);
        }
    }

    fn follow_delete(&mut self, at: usize) {
        let caret = self.caret;
        if at < caret {
            self.caret -= 1;
            self.run.right -= 1;
            self.run.left = self.run.left.saturating_sub(1).max(at);
            self.run.touched |= at + 1 == caret;
        } else {
            self.run.right = self.run.right.min(at);
        }
    }

    /// Whether the context has to take in what is pending before this key can mean what the screen shows.
    fn adopts(&self, key: Key) -> bool {
        let (caret, run) = (self.caret, &self.run);
        let leaves_window = match key {
            Key::Insert(_) => 0 < run.left && caret <= run.left,
            Key::Backspace => caret - 1 < run.left,
            Key::DeleteForward => caret >= run.right,
        };
        self.pending && (self.moved || run.touched || leaves_window || run.local_events >= LONGEST_RUN)
    }

    /// Makes the event of a key that has something to act on.
    fn press(&mut self, key: Key) -> Event {
        if self.adopts(key) {
            self.context = self.graph.frontier();
            self.pending = false;
            self.run = Run::starting(self.caret, self.shown.len());
        }
        self.moved = false;
        let at = self.run.branch_caret;
        let op = match key {
            Key::Insert(character) => Op::Insert { index: at, character },
            Key::Backspace => Op::Delete { index: at - 1 },
            Key::DeleteForward => Op::Delete { index: at },
        };
        let clock = self.graph.next_clock(self.agent, &self.context);
        let event = Event::from_parts(Id { agent: self.agent, clock }, self.context.clone(), op);
        self.graph.add(&event).expect("what a session makes is acceptable");
        self.context = vec![event.id()];
        self.show_pressed(key, event.id());
        event
    }

    /// Moves caret and window with a local edit, and checks that the screen shows just that edit: what you type is what
    /// merges.
    fn show_pressed(&mut self, key: Key, made: Id) {
        let mut expected = self.shown.clone();
        self.run.local_events += 1;
        match key {
            Key::Insert(character) => {
                expected.insert(self.caret, Shown { id: made, character });
                self.caret += 1;
                self.run.right += 1;
                self.run.branch_caret += 1;
                self.run.typed.insert(made);
            }
            Key::Backspace => {
                self.caret -= 1;
                self.run.right -= 1;
                self.run.branch_caret -= 1;
                self.run.typed.remove(&expected.remove(self.caret).id);
            }
            Key::DeleteForward => {
                self.run.right -= 1;
                self.run.typed.remove(&expected.remove(self.caret).id);
            }
        }
        self.shown = self.graph.shown();
        assert_eq!(self.shown, expected, "{key:?} as {made} is not what the state of all events shows");
        self.assert_invariants();
    }

    fn assert_invariants(&self) {
        let (left, caret, right, length) = (self.run.left, self.caret, self.run.right, self.shown.len());
        assert!(
            left <= caret && caret <= right && right <= length,
            "expected left {left} <= caret {caret} <= right {right} <= length {length}"
        );
    }
}

/// A caret was asked to stand behind the end of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BeyondText {
    /// The position asked for, in characters.
    pub position: usize,
    /// The length of the text, in characters.
    pub length: usize,
}

impl fmt::Display for BeyondText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "position {} is beyond the text of {} characters", self.position, self.length)
    }
}

impl Error for BeyondText {}

#[cfg(test)]
mod tests {
    use super::{BeyondText, LONGEST_RUN, Session};
    use crate::oracle::{Event, Id};

    fn typed(session: &mut Session, text: &str) -> Vec<Event> {
        text.chars().map(|character| session.insert(character)).collect()
    }

    #[test]
    fn typing_on_defers_and_a_moved_caret_adopts() {
        let (mut ada, mut bob) = (Session::of_agent(1), Session::of_agent(2));
        typed(&mut ada, "on");
        ada.receive(&typed(&mut bob, "!")).unwrap();
        let on = ada.insert('e');
        assert_eq!((on.id(), on.parents()), (Id { agent: 1, clock: 2 }, &[Id { agent: 1, clock: 1 }][..]));
        ada.move_caret(ada.caret()).unwrap();
        let adopting = ada.insert('s');
        assert_eq!(adopting.id(), Id { agent: 1, clock: 4 });
        assert_eq!(adopting.parents(), [on.id(), Id { agent: 2, clock: 0 }]);
        assert_eq!(ada.text(), "ones!");
    }

    #[test]
    fn events_wait_for_their_parents() {
        let (mut ada, mut bob) = (Session::of_agent(1), Session::of_agent(2));
        let word = typed(&mut bob, "abc");
        assert_eq!(ada.receive(&[word[2].clone(), word[1].clone()]), Ok(vec![]));
        assert_eq!(ada.receive(&word[..1]), Ok(word.iter().map(Event::id).collect()));
        assert_eq!(ada.text(), "abc");
    }

    #[test]
    fn a_very_long_run_adopts_what_is_pending() {
        let mut ada = Session::of_agent(1);
        ada.insert('a');
        ada.receive(&typed(&mut Session::of_agent(2), "!")).unwrap();
        ada.run.local_events = LONGEST_RUN - 1;
        assert_eq!(ada.insert('b').parents().len(), 1);
        assert_eq!(ada.insert('c').parents().len(), 2);
        assert_eq!(ada.insert('d').parents().len(), 1);
    }

    #[test]
    fn keys_with_nothing_to_delete_make_no_event() {
        let mut ada = Session::of_agent(1);
        assert_eq!((ada.backspace(), ada.delete_forward()), (None, None));
        assert_eq!(ada.move_caret(1), Err(BeyondText { position: 1, length: 0 }));
    }
}
