//! META, DATA, DONE: what two replicas say to each other to hold the same events. Messages in, messages out; any
//! carrier.
//!
//! Knows what each end holds by ranges of clocks. Does not look into events and applies nothing.
//!
//! ```text
//! A                               B
//! META what A holds ───────────▶
//!                   ◀─────────── META what B holds
//! DATA what B lacks ───────────▶ ◀─────────── DATA what A lacks
//! DONE              ───────────▶ ◀─────────── DONE
//! DATA as it is made ──────────▶ ◀─────────── DATA as it is made
//! ```
//!
//! META says besides, in a few bytes for each agent, what the events are. So two replicas that hold different events under
//! the same names find out, though neither sends them again: whoever holds more of that agent's refuses the other.
//!
//! What lies outside the other's ranges is sent without comparing a single event: by [`Interleave`], which compares nothing
//! where the bounds of two sorted sequences say enough. Any pair of workers that merge by META, DATA and DONE can use it. A message may come twice, late or not
//! at all: events are taken in once, in whatever order, and a new META asks for what is missing.

// Bytes of strangers are read here.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used))]

use crate::codec::DecodeError;
use crate::graph::{Lacking, Summary};
use crate::id::EventSpan;
use crate::log::Refusal;

pub use crate::rle::interleave::{Bounds, Interleave, Item, Turn};

const META: u8 = 1;
const DATA: u8 = 2;
const DONE: u8 = 3;
/// META that says what the events are; the first one named them only, and is read and answered still.
const META_WITH_FINGERPRINTS: u8 = 4;

/// What the exchange needs of whoever holds the events.
pub trait Replica {
    /// What is held, for META: what each agent's events are is said as well.
    fn meta(&self) -> Summary;
    /// Whether somebody with this META holds the same events under the same names.
    ///
    /// # Errors
    /// An event up to which its agent's events differ.
    fn check_meta(&self, theirs: &Summary) -> Result<(), Refusal>;
    /// How many events are held; it grows with every event.
    fn event_count(&self) -> u64;
    /// What somebody with `theirs` lacks. Asked after each META.
    fn lacking_in(&self, theirs: &Summary) -> Lacking;
    /// The events that have come since so many were held. Asked after each event, so that a key costs no look at the
    /// whole history.
    fn come_since(&self, count: u64) -> Vec<EventSpan>;
    /// These events, which are held, parents first, in updates of about `max_bytes`.
    fn chunks_of(&self, spans: &[EventSpan], max_bytes: usize) -> Vec<Vec<u8>>;
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// What the sender holds.
    Meta(Summary),
    /// Events, for [`Document::import`](crate::Document::import).
    Data(Vec<u8>),
    /// The sender has sent everything that was lacking by the receiver's META.
    Done,
}

impl Message {
    /// As bytes: one for the kind, then the body.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Meta(summary) if summary.vouches() => tagged(META_WITH_FINGERPRINTS, &summary.encode_vouched()),
            Self::Meta(summary) => tagged(META, &summary.encode()),
            Self::Data(update) => tagged(DATA, update),
            Self::Done => vec![DONE],
        }
    }

    /// Back from bytes. The events of DATA are checked when they are imported.
    ///
    /// # Errors
    /// An unknown kind, or a damaged META.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.split_first() {
            Some((&META, body)) => Summary::decode(body).map(Self::Meta),
            Some((&META_WITH_FINGERPRINTS, body)) => Summary::decode_vouched(body).map(Self::Meta),
            Some((&DATA, body)) => Ok(Self::Data(body.to_vec())),
            Some((&DONE, [])) => Ok(Self::Done),
            Some((&DONE, rest)) => Err(DecodeError::TrailingBytes { offset: 1, extra: rest.len() }),
            Some(_) => Err(DecodeError::Magic { expected: "a message of Cede" }),
            None => Err(DecodeError::Truncated { offset: 0 }),
        }
    }
}

fn tagged(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + body.len());
    bytes.push(kind);
    bytes.extend_from_slice(body);
    bytes
}

/// What is to be done about a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send this to the other end.
    Send(Message),
    /// Take these events in. If they are refused, the connection has nothing more to say.
    Import(Vec<u8>),
    /// The other end holds other events under the same names. Say so and close the connection: nothing more is sent, and
    /// nothing more that comes is to be taken in.
    Refuse(Refusal),
}

/// One end of one connection.
///
/// ```
/// use cede::sync::{Action, Exchange};
/// use cede::{AgentId, Chars, Session};
///
/// let mut replicas = [1, 2].map(|agent| Session::new(AgentId::new(agent)));
/// replicas[0].insert(Chars(0), "ann").unwrap();
/// replicas[1].insert(Chars(0), "ben").unwrap();
///
/// let mut ends = [Exchange::new(1 << 16), Exchange::new(1 << 16)];
/// let mut wire = vec![(1, ends[0].start(replicas[0].document())), (0, ends[1].start(replicas[1].document()))];
/// while let Some((to, message)) = wire.pop() {
///     for action in ends[to].receive(replicas[to].document(), message) {
///         match action {
///             Action::Send(message) => wire.insert(0, (1 - to, message)),
///             Action::Import(events) => drop(replicas[to].merge::<Chars>(&events).unwrap()),
///             Action::Refuse(refusal) => panic!("{refusal}"),
///         }
///     }
/// }
/// assert!(ends[0].is_done() && ends[1].is_done());
/// assert_eq!(replicas[0].text(), "annben");
/// assert_eq!(replicas[1].text(), "annben");
/// ```
#[derive(Clone, Debug)]
pub struct Exchange {
    max_bytes: usize,
    /// What the other end holds, or will hold once everything sent has arrived; `None` before its META.
    theirs: Option<Summary>,
    /// Whether their META said that they hold other events than we do.
    refused: Option<Refusal>,
    we_are_done: bool,
    they_are_done: bool,
    /// How many events we held when we last looked for something to send, if that was since their META. The other end holds
    /// all of these.
    looked_at: Option<u64>,
    comparisons: u64,
}

impl Exchange {
    /// `max_bytes`: about how large one DATA may be.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            theirs: None,
            refused: None,
            we_are_done: false,
            they_are_done: false,
            looked_at: None,
            comparisons: 0,
        }
    }

    /// The opening META.
    pub fn start(&mut self, replica: &impl Replica) -> Message {
        Message::Meta(replica.meta())
    }

    /// What to do about a message from the other end.
    pub fn receive(&mut self, replica: &impl Replica, message: Message) -> Vec<Action> {
        if let Message::Meta(summary) = &message {
            self.refused = replica.check_meta(summary).err();
        }
        if let Some(refusal) = &self.refused {
            self.theirs = None;
            return vec![Action::Refuse(refusal.clone())];
        }
        match message {
            Message::Meta(summary) => {
                // A second META asks again for what got lost on the way.
                self.theirs = Some(summary);
                self.looked_at = None;
                let mut actions: Vec<Action> = self.poll(replica).into_iter().map(Action::Send).collect();
                self.we_are_done = true;
                actions.push(Action::Send(Message::Done));
                actions
            }
            Message::Data(events) => vec![Action::Import(events)],
            Message::Done => {
                self.they_are_done = true;
                Vec::new()
            }
        }
    }

    /// These events came from the other end, so it holds them.
    pub fn holds(&mut self, spans: impl IntoIterator<Item = EventSpan>) {
        if let Some(theirs) = &mut self.theirs {
            spans.into_iter().for_each(|span| theirs.insert(span));
        }
    }

    /// DATA for everything that the other end lacks by now; nothing before its META has come. Costs a look at what has come
    /// since the last time; at everything after their META.
    pub fn poll(&mut self, replica: &impl Replica) -> Vec<Message> {
        let Some(theirs) = &mut self.theirs else { return Vec::new() };
        let spans: Vec<EventSpan> = match self.looked_at.replace(replica.event_count()) {
            Some(looked_at) => {
                let fresh = replica.come_since(looked_at);
                fresh.into_iter().flat_map(|span| theirs.missing(span).collect::<Vec<_>>()).collect()
            }
            None => {
                let lacking = replica.lacking_in(theirs);
                self.comparisons += lacking.comparisons;
                lacking.spans
            }
        };
        if spans.is_empty() {
            return Vec::new();
        }
        let chunks = replica.chunks_of(&spans, self.max_bytes);
        spans.into_iter().for_each(|span| theirs.insert(span));
        chunks.into_iter().map(Message::Data).collect()
    }

    /// Whether both ends have sent what the other lacked.
    pub fn is_done(&self) -> bool {
        self.we_are_done && self.they_are_done
    }

    /// How many ranges of events have been compared to find what the other end lacks: none where an agent's ranges at one end
    /// stand before all of those at the other, or an agent is known at one end only; fewer than both ends hold otherwise.
    pub fn comparisons(&self) -> u64 {
        self.comparisons
    }

    /// What the other end is taken to hold.
    pub fn theirs(&self) -> Option<&Summary> {
        self.theirs.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_back_as_written() {
        for message in [Message::Meta(Summary::new()), Message::Data(vec![1, 2, 3]), Message::Done] {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
        assert!(Message::decode(&[]).is_err());
        assert!(Message::decode(&[9]).is_err());
        assert!(Message::decode(&[DONE, 0]).is_err());
    }
}
