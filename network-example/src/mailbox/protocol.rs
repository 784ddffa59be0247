//! What a worker knows, and what a message, a step's output and the next message to send make of it.
//!
//! Numbers in, numbers out: no files, no clock. What is here is what the state file holds, so whatever a worker does it
//! does again in the same way when it was killed before that was saved.

use cede::sync::{Interleave, Turn};
use serde::{Deserialize, Serialize};

use super::error::Fault;
use super::message::{Extent, Kind, Life, MOST_VALUES, Message};
use super::{Phase, Role, Statistics};

/// What a worker knows.
///
/// Invariant: `outbox` is the message with the number `seq`; the values of the other that wait are the last of those
/// `taken`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) role: Role,
    pub(super) phase: Phase,
    pub(super) life: Life,
    /// A hash of the input.
    pub(super) input: String,
    /// The index of the next of our own values: to send, or to put out.
    next: u64,
    /// How many messages were made in this life.
    seq: u64,
    /// The last of them. It stays until it has been taken, as nobody knows whether it was left before a kill.
    pub(super) outbox: Option<Message>,
    /// Whether it is known to have been left in the other's inbox.
    pub(super) delivered: bool,
    /// Whether anybody has been told that we are here.
    announced: bool,
    partner: Option<Partner>,
    merge: Merge,
    /// How many bytes of output have been written.
    pub(super) written: u64,
    pub(super) statistics: Statistics,
}

/// What is known of the other worker's present life.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Partner {
    life: Life,
    /// The number of the last message taken.
    seq: u64,
    /// Whether its META has been read.
    is_met: bool,
    /// Whether it has been sent META.
    is_told: bool,
    /// Whether it has been sent META in answer to its own.
    is_answered: bool,
    /// Whether it has said DONE.
    is_done: bool,
    /// Whether it has been sent DONE.
    is_closed: bool,
}

impl Partner {
    fn new(life: Life) -> Self {
        Self { life, seq: 0, is_met: false, is_told: false, is_answered: false, is_done: false, is_closed: false }
    }
}

/// What B alone has: the other's side of the merge.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    theirs: Option<Extent>,
    /// How many of their values have been taken.
    taken: u64,
    /// Those of them that have not been put out yet; never more than one DATA has.
    waiting: Vec<i64>,
    /// The last one taken.
    last: Option<i64>,
    /// The next value is theirs: a comparison has said so, and it is not made again while the value is under way.
    theirs_is_next: bool,
}

impl State {
    pub(super) fn new(role: Role, life: Life, input: String) -> Self {
        Self {
            role,
            phase: Phase::Init,
            life,
            input,
            next: 0,
            seq: 0,
            outbox: None,
            delivered: false,
            announced: false,
            partner: None,
            merge: Merge::default(),
            written: 0,
            statistics: Statistics::default(),
        }
    }

    /// Whether the message has to stay in the inbox for now: B takes values when those before them are out, so it never holds
    /// more of A's than one message has.
    pub(super) fn defers(&self, message: &Message) -> bool {
        message.kind == Kind::Data && !self.merge.waiting.is_empty()
    }

    /// Takes a message in. One that has been taken before changes nothing, and neither does what was meant for a life
    /// that is over.
    ///
    /// # Errors
    /// [`Fault`]: what nobody says who keeps to the protocol. The state is of no use then.
    pub(super) fn receive(&mut self, message: &Message, own: &[i64]) -> Result<(), Fault> {
        let mut partner = match self.partner.take() {
            Some(partner) if partner.life == message.from => {
                if message.seq <= partner.seq {
                    self.partner = Some(partner);
                    return Ok(());
                }
                if message.seq != partner.seq + 1 {
                    return Err(Fault::Sequence { expected: partner.seq + 1, found: message.seq });
                }
                partner
            }
            // The other begins anew, or is heard of for the first time. A does not know any more where to go on.
            _ => {
                if self.role == Role::A {
                    self.phase = Phase::Init;
                }
                Partner::new(message.from)
            }
        };
        partner.seq = message.seq;
        self.statistics.received += 1;
        let is_for_us = message.to == Some(self.life);
        match (message.kind, self.role) {
            (Kind::Meta, Role::A) if is_for_us => self.begin(message, own)?,
            (Kind::Meta, Role::A) => {}
            (Kind::Meta, Role::B) => self.meet(&mut partner, message)?,
            (Kind::Data, Role::A) => return Err(Fault::Unexpected(Kind::Data)),
            (Kind::Data | Kind::Done, _) if !is_for_us => {}
            (Kind::Data, Role::B) => self.take(message)?,
            (Kind::Done, Role::A) => {
                if !partner.is_closed {
                    return Err(Fault::Unexpected(Kind::Done));
                }
                self.phase = Phase::Done;
                // It is the answer to ours.
                self.delivered = true;
            }
            (Kind::Done, Role::B) => {
                let taken = self.merge.taken;
                if self.merge.theirs.is_none_or(|theirs| theirs.count != taken) || message.at != Some(taken) {
                    return Err(Fault::Unexpected(Kind::Done));
                }
                partner.is_done = true;
            }
        }
        self.partner = Some(partner);
        Ok(())
    }

    /// B has read our META, and says from where it takes our values. What it says later in the same life is older than what
    /// we have sent since.
    fn begin(&mut self, message: &Message, own: &[i64]) -> Result<(), Fault> {
        let (Some(at), Phase::Init) = (message.at, self.phase) else { return Ok(()) };
        if at > own.len() as u64 {
            return Err(Fault::Count { count: own.len() as u64, found: at });
        }
        self.next = at;
        self.phase = Phase::Merge;
        Ok(())
    }

    /// A says what it holds. After a new start it holds what it held before.
    fn meet(&mut self, partner: &mut Partner, message: &Message) -> Result<(), Fault> {
        let now = Extent::of_meta(&message.data).ok_or(Fault::Shape(Kind::Meta))?;
        match self.merge.theirs {
            Some(before) if before != now => return Err(Fault::Changed { before, now }),
            _ => self.merge.theirs = Some(now),
        }
        partner.is_met = true;
        if self.phase == Phase::Init {
            self.phase = Phase::Merge;
        }
        Ok(())
    }

    /// B takes values of A. What is checked of them compares A's list with itself alone.
    fn take(&mut self, message: &Message) -> Result<(), Fault> {
        let merge = &mut self.merge;
        let (Some(theirs), Some(at)) = (merge.theirs, message.at) else { return Err(Fault::Unexpected(Kind::Data)) };
        if at != merge.taken {
            return Err(Fault::Gap { expected: merge.taken, found: at });
        }
        let end = at.saturating_add(message.data.len() as u64);
        if end > theirs.count {
            return Err(Fault::Count { count: theirs.count, found: end });
        }
        for (&value, index) in message.data.iter().zip(at..) {
            let is_last = index + 1 == theirs.count;
            let before = merge.last.unwrap_or(theirs.min);
            let fits = before <= value && value <= theirs.max;
            if !fits || (index == 0 && value != theirs.min) || (is_last && value != theirs.max) {
                return Err(Fault::Value { index, value });
            }
            merge.last = Some(value);
        }
        merge.taken = end;
        merge.waiting.extend_from_slice(&message.data);
        Ok(())
    }

    /// The next values of the output, [`MOST_VALUES`] at most: B's work.
    ///
    /// Before A's first value has come its minimum stands for it, as that is what it will be; so what is below goes out on
    /// the strength of META alone.
    pub(super) fn put_out(&mut self, own: &[i64]) -> Vec<i64> {
        let mut out = Vec::new();
        let (Role::B, Some(theirs)) = (self.role, self.merge.theirs) else { return out };
        let merge = &mut self.merge;
        let mut order = Interleave::new(Extent::of(own).bounds().as_ref(), theirs.bounds().as_ref());
        while out.len() < MOST_VALUES {
            let ours = usize::try_from(self.next).ok().and_then(|next| own.get(next));
            let is_under_way = merge.waiting.is_empty() && merge.taken < theirs.count;
            if is_under_way && merge.taken > 0 && !order.is_decided() {
                break;
            }
            let their = if is_under_way { Some(&theirs.min) } else { merge.waiting.first() };
            let turn = if merge.theirs_is_next { Some(Turn::Theirs) } else { order.turn(ours, their) };
            match (turn, ours) {
                (Some(Turn::Ours | Turn::Both), Some(&value)) => {
                    self.next += 1;
                    out.push(value);
                }
                (Some(Turn::Theirs), _) => {
                    merge.theirs_is_next = is_under_way;
                    if is_under_way {
                        break;
                    }
                    out.push(merge.waiting.remove(0));
                }
                _ => break,
            }
        }
        self.statistics.comparisons += order.comparisons();
        self.statistics.output += out.len() as u64;
        out
    }

    /// Whether everything has been put out.
    fn is_out(&self, own: &[i64]) -> bool {
        let merge = &self.merge;
        let theirs_is_out = merge.theirs.is_some_and(|theirs| theirs.count == merge.taken) && merge.waiting.is_empty();
        theirs_is_out && self.next == own.len() as u64
    }

    /// Makes the next message, if one is due; the one before has been taken. Returns whether it has.
    pub(super) fn compose(&mut self, own: &[i64]) -> bool {
        let due = match self.role {
            Role::A => self.due_from_a(own),
            Role::B => self.due_from_b(own),
        };
        let Some((kind, at, data)) = due else { return false };
        self.seq += 1;
        self.statistics.sent += 1;
        let to = self.partner.as_ref().map(|partner| partner.life);
        self.outbox = Some(Message { kind, seq: self.seq, from: self.life, to, at, data });
        self.delivered = false;
        true
    }

    fn due_from_a(&mut self, own: &[i64]) -> Option<(Kind, Option<u64>, Vec<i64>)> {
        let at = self.next;
        match (self.phase, &mut self.partner) {
            (Phase::Init, Some(partner)) if !partner.is_told => {
                partner.is_told = true;
                self.announced = true;
                Some((Kind::Meta, None, Extent::of(own).to_meta()))
            }
            (Phase::Init, None) if !self.announced => {
                self.announced = true;
                Some((Kind::Meta, None, Extent::of(own).to_meta()))
            }
            (Phase::Merge, Some(partner)) => {
                let rest = usize::try_from(at).ok().and_then(|at| own.get(at..)).unwrap_or_default();
                let data: Vec<i64> = rest.iter().copied().take(MOST_VALUES).collect();
                if !data.is_empty() {
                    self.next += data.len() as u64;
                    Some((Kind::Data, Some(at), data))
                } else if !partner.is_closed {
                    partner.is_closed = true;
                    Some((Kind::Done, Some(at), Vec::new()))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn due_from_b(&mut self, own: &[i64]) -> Option<(Kind, Option<u64>, Vec<i64>)> {
        let (is_out, taken) = (self.is_out(own), self.merge.taken);
        match &mut self.partner {
            None if !self.announced => {
                self.announced = true;
                Some((Kind::Meta, None, Extent::of(own).to_meta()))
            }
            None => None,
            Some(partner) if !partner.is_met && !partner.is_told => {
                partner.is_told = true;
                self.announced = true;
                Some((Kind::Meta, None, Extent::of(own).to_meta()))
            }
            Some(partner) if partner.is_met && !partner.is_answered => {
                partner.is_answered = true;
                self.announced = true;
                Some((Kind::Meta, Some(taken), Extent::of(own).to_meta()))
            }
            Some(partner) if partner.is_done && is_out && !partner.is_closed => {
                partner.is_closed = true;
                self.phase = Phase::Done;
                Some((Kind::Done, Some(taken + own.len() as u64), Vec::new()))
            }
            Some(_) => None,
        }
    }
}
